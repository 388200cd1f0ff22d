//! Where URLs stand in a text, and how far each goes. Pure.

use std::ops::Range;

/// Each http and https URL of a text. What closes a sentence is no part of it, nor is a bracket that it does not open, nor
/// a mark that formats it as a whole.
pub fn urls(text: &str) -> Vec<Range<usize>> {
    let (mut found, mut from) = (Vec::new(), 0);
    let next = |from: usize| ["https://", "http://"].iter().filter_map(|scheme| text[from..].find(scheme)).min();
    while let Some(start) = next(from).map(|at| from + at) {
        let tail = &text[start..];
        let end = tail.find(|c: char| c.is_whitespace() || c.is_control() || "<>\"'`".contains(c));
        let url = trimmed(&tail[..end.unwrap_or(tail.len())], text[..start].chars().next_back());
        // Its scheme alone is none.
        if url.ends_with("://") {
            from = start + url.len();
            continue;
        }
        found.push(start..start + url.len());
        from = start + url.len();
    }
    found
}

fn trimmed(url: &str, before: Option<char>) -> &str {
    let mut url = url;
    while let Some(last) = url.chars().next_back() {
        let opens = |c: char| url.matches(c).count();
        let foreign = match last {
            '.' | ',' | ';' | ':' | '!' | '?' => true,
            ')' => opens(')') > opens('('),
            ']' => opens(']') > opens('['),
            '}' => opens('}') > opens('{'),
            '*' | '_' | '~' | '|' => before == Some(last),
            _ => false,
        };
        // A scheme stays one: what is left without the rest of it would be found again.
        if !foreign || url.ends_with("://") {
            return url;
        }
        url = &url[..url.len() - last.len_utf8()];
    }
    url
}

#[cfg(test)]
mod tests {
    use super::urls;

    #[test]
    fn a_url_goes_as_far_as_whoever_wrote_it_means() {
        for (text, found) in [
            ("see https://en.wikipedia.org/wiki/Foo_(bar), or", "https://en.wikipedia.org/wiki/Foo_(bar)"),
            ("https://x.example/?x=(1,2)", "https://x.example/?x=(1,2)"),
            ("(https://x.example/a)", "https://x.example/a"),
            ("(see https://x.example/a_(b)).", "https://x.example/a_(b)"),
            ("[https://x.example/?q[0]=1]", "https://x.example/?q[0]=1"),
            ("{https://x.example/{id}}", "https://x.example/{id}"),
            ("https://x.example/_a_", "https://x.example/_a_"),
            ("_https://x.example/a_", "https://x.example/a"),
            ("*https://x.example/a*!", "https://x.example/a"),
            ("https://x.example/*", "https://x.example/*"),
            ("https://g.example/d?v=a|b&y=1", "https://g.example/d?v=a|b&y=1"),
            ("|https://x.example/a|", "https://x.example/a"),
            ("is it https://x.example?!", "https://x.example"),
            ("<https://x.example>", "https://x.example"),
            ("https://, http://: https://.", ""),
            ("http://a.example https://b.example", "http://a.example https://b.example"),
        ] {
            let all: Vec<&str> = urls(text).into_iter().map(|at| &text[at]).collect();
            assert_eq!(all.join(" "), found, "{text}");
        }
    }
}
