//! A string of a file, with the way back from each of its bytes to the place in the file.

use std::ops::Range;

use crate::diagnostic::Place;

/// A decoded TOML string that remembers how it was written.
#[derive(Clone, Copy, Debug)]
pub struct Text<'d> {
    /// What the string means, escapes resolved.
    pub value: &'d str,
    /// Where the whole token stands, quotes included.
    pub at: Place,
    /// The token as written, quotes included.
    raw: &'d str,
}

impl<'d> Text<'d> {
    /// A string of which `raw` is the token at `at`.
    pub(super) fn new(value: &'d str, at: Place, raw: &'d str) -> Self {
        Self { value, at, raw }
    }

    /// The place in the file of a byte range of the value; an empty range points at one character.
    pub fn inside(&self, range: Range<usize>) -> Place {
        let offsets = self.offsets();
        // A token that breaks off in the middle of an escape ends before the escape would.
        let at = |index: usize| {
            let offset = offsets.get(index.min(self.value.len())).copied().unwrap_or(self.raw.len());
            (0..=offset.min(self.raw.len())).rev().find(|at| self.raw.is_char_boundary(*at)).unwrap_or(0)
        };
        let start = at(range.start);
        let mut end = at(range.end.max(range.start));
        if end <= start {
            let next = self.value.get(range.start..).and_then(|rest| rest.chars().next());
            end = next.map_or(start, |c| at(range.start + c.len_utf8()));
        }
        Place::new(self.at.source, self.at.start + start..self.at.start + end)
    }

    /// For each byte of the value, and for its end, the offset in the token. How strings are written: TOML 1.0, "String".
    fn offsets(&self) -> Vec<usize> {
        let raw = self.raw;
        let (open, literal) = match raw {
            _ if raw.starts_with("\"\"\"") => (3, false),
            _ if raw.starts_with("'''") => (3, true),
            _ if raw.starts_with('\'') => (1, true),
            _ if raw.starts_with('"') => (1, false),
            _ => (0, true),
        };
        let mut at = open;
        if open == 3 {
            // A newline right after the opening quotes is not part of the value.
            at += if raw[at..].starts_with("\r\n") { 2 } else { usize::from(raw[at..].starts_with('\n')) };
        }
        let mut offsets = Vec::with_capacity(self.value.len() + 1);
        for c in self.value.chars() {
            // Skip what stands in the token and not in the value: a trimmed line end, the CR of a CRLF.
            if !literal {
                at = skip_trimmed(raw, at);
            }
            if c == '\n' && raw[at.min(raw.len())..].starts_with("\r\n") {
                at += 1;
            }
            let here = at;
            at += match raw.get(at..) {
                Some(rest) if !literal && rest.starts_with('\\') => escape_length(rest),
                _ => c.len_utf8(),
            };
            offsets.extend(std::iter::repeat_n(here, c.len_utf8()));
        }
        offsets.push(at);
        offsets
    }
}

/// The offset after any line-ending backslashes at `at`.
fn skip_trimmed(raw: &str, mut at: usize) -> usize {
    while let Some(rest) = raw.get(at..).and_then(|rest| rest.strip_prefix('\\')) {
        let blank = rest.len() - rest.trim_start().len();
        if blank == 0 || !rest[..blank].contains('\n') {
            break;
        }
        at += 1 + blank;
    }
    at
}

/// How long the escape at the start of `rest` is written.
fn escape_length(rest: &str) -> usize {
    match rest.as_bytes().get(1) {
        Some(b'u') => 6,
        Some(b'U') => 10,
        Some(b'x') => 4,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::Text;
    use crate::diagnostic::{Place, Sources};

    /// The source text that the range of the value that reads `part` points back to.
    fn source_of(token: &str, part: &str) -> String {
        let document = format!("key = {token}\n");
        let table = toml::de::DeTable::parse(&document).expect("a valid document");
        let value = &table.get_ref()["key"];
        let decoded = value.get_ref().as_str().expect("a string").to_owned();
        let id = Sources::default().add("x".as_ref(), document.as_str());
        let text = Text::new(&decoded, Place::new(id, value.span()), &document[value.span()]);
        let start = decoded.find(part).expect("the part is in the value");
        document[text.inside(start..start + part.len()).span()].to_owned()
    }

    #[test]
    fn a_place_inside_a_string_is_where_it_was_written() {
        for (token, part, written) in [
            (r#""plain word""#, "word", "word"),
            (r"'literal \n word'", "word", "word"),
            (r#""tab\tword""#, "word", "word"),
            (r#""\u00e9 word""#, "é", r"\u00e9"),
            (r#""a \" word""#, "word", "word"),
            ("\"\"\"\nfirst\nword\"\"\"", "word", "word"),
            ("'''\nfirst\nword'''", "word", "word"),
            ("\"\"\"one \\\n    word\"\"\"", "word", "word"),
            (r#""ünï word""#, "word", "word"),
        ] {
            assert_eq!(source_of(token, part), written, "{token}");
        }
    }
}
