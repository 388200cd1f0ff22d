//! Text as Slack shows it literally and obeys none of it, and how long Slack takes it to be. Pure.

/// Zero-width space: keeps back-ticks apart, so that they are no fence.
const APART: char = '\u{200b}';

/// Word joiner: no width, and no place to break a line.
const JOINER: char = '\u{2060}';

/// Text as Slack shows it literally: `&`, `<` and `>` as entities, and no run of back-ticks that could open or close a
/// code block, alone or together with one that stands beside it.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    if text.starts_with('`') {
        out.push(APART);
    }
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '`' if run == 3 => {
                out.push(APART);
                out.push(c);
                run = 1;
            }
            _ => out.push(c),
        }
    }
    if text.ends_with('`') {
        out.push(APART);
    }
    out
}

/// Text on one line that Slack shows as it stands: escaped, and with a joiner of no width on both sides of each character
/// that would format it, and within what would be an emoji.
pub fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for (at, c) in text.char_indices() {
        match c {
            '*' | '_' | '~' | '`' => out.extend([JOINER, c, JOINER]),
            ':' if opens_emoji(&text[at + 1..]) => out.extend([c, JOINER]),
            c => out.push(c),
        }
    }
    escape(&out)
}

/// Text on one line that somebody else wrote, as Slack shows it literally. Other than [`literal`] it leaves alone what would
/// format nothing, so that it can be found and copied: `snake_case`, `3 * 4`, `~/backup`. What stands between back-ticks
/// is shown as code, which loses nothing; where they are no pairs, as in "undefined method `a' for `b'", none is code.
pub fn unformatted(text: &str) -> String {
    let codes = codes(text);
    let inside = |at: usize| codes.iter().flatten().any(|(open, close)| (*open..=*close).contains(&at));
    let outside: String = text.char_indices().map(|(at, c)| if inside(at) { 'x' } else { c }).collect();
    let mut live: Vec<char> = ['*', '_', '~'].into_iter().filter(|mark| formats(&outside, *mark)).collect();
    live.extend(codes.is_none().then_some('`'));
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for (at, c) in text.char_indices() {
        match c {
            c if inside(at) => out.push(c),
            c if live.contains(&c) => out.extend([JOINER, c, JOINER]),
            ':' if opens_emoji(&text[at + 1..]) => out.extend([c, JOINER]),
            c => out.push(c),
        }
    }
    escape(&out)
}

/// Where a line has back-ticks in pairs that Slack shows as code, each from the one to the other; `None` where it has
/// others, between which it might take anything for code.
fn codes(line: &str) -> Option<Vec<(usize, usize)>> {
    let ticks: Vec<usize> = line.match_indices('`').map(|(at, _)| at).collect();
    let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '`');
    let pair = |pair: &[usize]| {
        let [open, close] = *pair else { return None };
        let code = &line[open + 1..close];
        let whole = !code.is_empty() && code == code.trim();
        let alone = edge(line[..open].chars().next_back()) && edge(line[close + 1..].chars().next());
        (whole && alone).then_some((open, close))
    };
    ticks.chunks(2).map(pair).collect()
}

/// Whether a URL in [`unformatted`] text has a joiner in it: it is shown as it is, and copied it leads elsewhere.
pub fn has_joined_url(unformatted: &str) -> bool {
    unformatted.split_whitespace().any(|word| word.contains("://") && word.contains(JOINER))
}

/// Text in which no back-tick opens code that it does not close on its line: it would swallow what stands behind it.
pub fn closed(text: &str) -> String {
    let line = |line: &str| match codes(line.trim_end_matches('\n')) {
        Some(_) => line.to_owned(),
        None => line.replace('`', &format!("{JOINER}`{JOINER}")),
    };
    text.split_inclusive('\n').map(line).collect()
}

/// Text as code within a line. No back-tick can stand in it: an apostrophe takes its place.
pub fn code(text: &str) -> String {
    format!("`{}`", escape(&text.replace('`', "'")))
}

/// Whether there are two of a mark between which Slack would format: one that opens and one that closes.
fn formats(text: &str, mark: char) -> bool {
    let mut opened = false;
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == mark {
            let after = chars.peek().copied();
            let closes = before.is_some_and(|c: char| !c.is_whitespace()) && after.is_none_or(|c| !c.is_alphanumeric());
            if opened && closes {
                return true;
            }
            let opens = before.is_none_or(|c| !c.is_alphanumeric());
            opened |= opens && after.is_some_and(|c| !c.is_whitespace());
        }
        before = Some(c);
    }
    false
}

/// Whether what follows a colon makes an emoji of it. Few emoji have a number for a name; times and places in files do.
fn opens_emoji(rest: &str) -> bool {
    let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"_+-'".contains(b)).count();
    let name = &rest[..length];
    let number = name.bytes().all(|b| b.is_ascii_digit());
    length > 0 && rest.as_bytes().get(length) == Some(&b':') && (!number || ["100", "1234"].contains(&name))
}

/// The other way, for the parts of a payload that Slack takes literally (`plain_text`, rich text).
pub fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// The words that mrkdwn shows: of a link its label, of a ping the name, without fences and entities. What keeps marks from
/// formatting stays.
pub fn shown(mrkdwn: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(mrkdwn.len()), mrkdwn);
    while let Some(open) = rest.find('<') {
        let (before, token) = (&rest[..open], &rest[open + 1..]);
        out.push_str(before);
        let end = token.find(['<', '>', '\n']).filter(|end| token[*end..].starts_with('>'));
        match end.and_then(|end| Some((label(&token[..end])?, end))) {
            Some((label, end)) => {
                out.push_str(&label);
                rest = &token[end + 1..];
            }
            None => {
                out.push('<');
                rest = token;
            }
        }
    }
    out.push_str(rest);
    unescape(&out.replace("```\n", "").replace("\n```", "")).replace(APART, "")
}

/// What stands for a link or a ping; nothing where it is neither.
fn label(token: &str) -> Option<String> {
    let link = ["http://", "https://", "mailto:"].iter().any(|scheme| token.to_ascii_lowercase().starts_with(scheme));
    match token.split_once('|') {
        _ if !link && !token.starts_with(['@', '!', '#']) => None,
        Some((_, label)) => Some(label.to_owned()),
        None => Some(match token.strip_prefix("!subteam^").or_else(|| token.strip_prefix('!')) {
            Some(name) => format!("@{name}"),
            None => token.to_owned(),
        }),
    }
}

/// A code block in mrkdwn that its content, already escaped, cannot break out of.
pub fn fence(escaped: &str) -> String {
    let content = escaped.trim_end_matches('\n').replace("```", "``\u{200b}`");
    format!("```\n{content}\n```")
}

/// How long Slack may take a text to be: the larger of its code points and its UTF-16 units, which is the latter.
pub fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

#[cfg(test)]
mod tests {
    use super::{closed, code, escape, fence, has_joined_url, literal, unformatted, units};

    #[test]
    fn escaped_text_is_shown_and_not_obeyed() {
        for (text, shown) in [
            ("a & b < c > d", "a &amp; b &lt; c &gt; d"),
            ("<!channel>", "&lt;!channel&gt;"),
            ("&amp;", "&amp;amp;"),
            ("```", "\u{200b}``\u{200b}`\u{200b}"),
            ("a ``` b", "a ``\u{200b}` b"),
            ("a `code` b", "a `code` b"),
            ("`", "\u{200b}`\u{200b}"),
        ] {
            assert_eq!(escape(text), shown, "{text}");
        }
        for (text, shown) in [
            (
                "*/5 * * * *",
                "\u{2060}*\u{2060}/5 \u{2060}*\u{2060} \u{2060}*\u{2060} \u{2060}*\u{2060} \u{2060}*\u{2060}",
            ),
            ("lib/foo.rb:100:in", "lib/foo.rb:\u{2060}100:in"),
            ("at 13:20, http://x <b>", "at 13:20, http://x &lt;b&gt;"),
            ("_x_", "\u{2060}_\u{2060}x\u{2060}_\u{2060}"),
        ] {
            assert_eq!(literal(text), shown, "{text}");
        }
        for (text, shown) in [
            ("in *main*: no", "in \u{2060}*\u{2060}main\u{2060}*\u{2060}: no"),
            ("~gone~", "\u{2060}~\u{2060}gone\u{2060}~\u{2060}"),
            ("the (_x_) of it", "the (\u{2060}_\u{2060}x\u{2060}_\u{2060}) of it"),
            ("make: *** [all] Error 2", "make: \u{2060}*\u{2060}\u{2060}*\u{2060}\u{2060}*\u{2060} [all] Error 2"),
            (":fire: at foo.rb:100:in", ":\u{2060}fire: at foo.rb:\u{2060}100:in"),
            // Nothing of this formats.
            ("snake_case_name, 3 * 4 * 5, ~/a ~/b, a*b*c", "snake_case_name, 3 * 4 * 5, ~/a ~/b, a*b*c"),
            ("main.c:3:10: at 22:10:11 in `fetch` now", "main.c:3:10: at 22:10:11 in `fetch` now"),
            ("<!channel>", "&lt;!channel&gt;"),
        ] {
            assert_eq!(unformatted(text), shown, "{text}");
        }
        for (text, shown) in [
            ("a `b` c", "a `b` c"),
            ("a`b", "a\u{2060}`\u{2060}b"),
            ("a `b` `c", "a \u{2060}`\u{2060}b\u{2060}`\u{2060} \u{2060}`\u{2060}c"),
            ("`a\n`b`", "\u{2060}`\u{2060}a\n`b`"),
        ] {
            assert_eq!(closed(text), shown, "{text}");
        }
        for (text, joined) in [
            ("see https://x.example/d/_uid_/x", true),
            ("see https://x.example/d/uid_1/x_y", false),
            ("see https://x.example/d or *this*", false),
        ] {
            assert_eq!(has_joined_url(&unformatted(text)), joined, "{text}");
        }
        for (text, shown) in [
            // Old quotes are no code.
            ("undefined method `a' for `b'", "undefined method \u{2060}`\u{2060}a' for \u{2060}`\u{2060}b'"),
            ("a `` b", "a \u{2060}`\u{2060}\u{2060}`\u{2060} b"),
            ("it`s a`b", "it\u{2060}`\u{2060}s a\u{2060}`\u{2060}b"),
            ("` a `", "\u{2060}`\u{2060} a \u{2060}`\u{2060}"),
            // Nothing formats within code.
            ("run `a_b *c* :fire:` of *d*", "run `a_b *c* :fire:` of \u{2060}*\u{2060}d\u{2060}*\u{2060}"),
            ("*a `b` c*", "\u{2060}*\u{2060}a `b` c\u{2060}*\u{2060}"),
        ] {
            assert_eq!(unformatted(text), shown, "{text}");
        }
        assert_eq!(closed("`a' and `b'\n`c`"), "\u{2060}`\u{2060}a' and \u{2060}`\u{2060}b'\n`c`");
        assert_eq!(unformatted("it`s"), "it\u{2060}`\u{2060}s");
        assert_eq!(code("a`b <c>"), "`a'b &lt;c&gt;`");
        assert_eq!(fence("a ``` b\n"), "```\na ``\u{200b}` b\n```");
        assert_eq!((units("a\u{1f525}\u{e9}"), units("")), (4, 0));
    }
}
