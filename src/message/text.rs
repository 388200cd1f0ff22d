//! Text that a command wrote, made fit to be read: no escapes, no tricks, valid UTF-8; and Slack's escaping of it.
//!
//! Before it: bytes from `exec`, texts of the configuration. After it: templates and blocks. Two steps, never mixed:
//! [`clean`] takes out what is not text, [`escape`] writes text so that Slack shows it and obeys none of it.

use std::borrow::Cow;

/// An escape sequence longer than this is none: what it swallowed is shown.
const LONGEST_SEQUENCE: usize = 2048;

/// Zero-width space: keeps back-ticks apart, so that they are no fence.
const APART: char = '\u{200b}';

/// Output as text: ANSI escapes gone (ECMA-48), progress bars collapsed to their last state, control and
/// bidirectional characters gone, bytes that are not UTF-8 as `\xNN`. New lines and tabs stay.
pub fn clean(bytes: &[u8]) -> String {
    let mut cleaner = Cleaner::new(bytes.len());
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| cleaner.take(c));
        for byte in chunk.invalid() {
            format!("\\x{byte:02X}").chars().for_each(|c| cleaner.take(c));
        }
    }
    cleaner.finish()
}

/// The same for what is text already; costs nothing when there is nothing to do.
pub fn clean_str(text: &str) -> Cow<'_, str> {
    let dirty = |c: char| (c.is_control() && c != '\n' && c != '\t') || is_invisible(c);
    if text.chars().any(dirty) { Cow::Owned(clean(text.as_bytes())) } else { Cow::Borrowed(text) }
}

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

/// The other way, for the parts of a payload that Slack takes literally (`plain_text`, rich text).
pub fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
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

/// Whether a character changes how others are shown and shows nothing itself: bidirectional controls (UAX 9), tags,
/// the byte-order mark.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Where in an escape sequence the text is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Outside.
    Ground,
    /// After ESC, perhaps with intermediate bytes.
    Escape,
    /// After CSI: parameters, then a final byte.
    Control,
    /// In a string (OSC, DCS, SOS, PM, APC) that ends with BEL or ST.
    Text,
    /// In such a string, after an ESC that may be half of its end.
    TextEscape,
}

struct Cleaner {
    out: String,
    /// Where the line that is being written starts.
    line: usize,
    /// A carriage return was read: the next character starts the line anew.
    returned: bool,
    state: State,
    /// What a string sequence has swallowed so far: shown after all when it never ends.
    held: String,
    /// How many characters the sequence has.
    length: usize,
}

impl Cleaner {
    fn new(size: usize) -> Self {
        let (line, length) = (0, 0);
        Self {
            out: String::with_capacity(size),
            line,
            returned: false,
            state: State::Ground,
            held: String::new(),
            length,
        }
    }

    fn take(&mut self, c: char) {
        self.length += 1;
        match self.state {
            State::Ground => self.ground(c),
            State::Escape => match c {
                '[' => self.enter(State::Control),
                ']' | 'P' | 'X' | '^' | '_' => self.enter(State::Text),
                '\x1b' | ' '..='/' => {}
                '0'..='~' => self.state = State::Ground,
                _ => self.resume(c),
            },
            State::Control => match c {
                ' '..='?' if self.length < LONGEST_SEQUENCE => {}
                '@'..='~' => self.state = State::Ground,
                _ => self.resume(c),
            },
            State::Text => match c {
                '\x07' | '\u{9c}' => self.state = State::Ground,
                '\x1b' => self.state = State::TextEscape,
                '\n' => self.give_up(c),
                _ if self.length > LONGEST_SEQUENCE => self.give_up(c),
                _ => self.held.push(c),
            },
            State::TextEscape if c == '\\' => self.state = State::Ground,
            State::TextEscape => {
                self.show_held();
                self.state = State::Escape;
                self.take(c);
            }
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.length = 0;
        self.held.clear();
    }

    /// The sequence was none: goes on with `c` as text.
    fn resume(&mut self, c: char) {
        self.state = State::Ground;
        self.ground(c);
    }

    /// The string never ended: what it swallowed is text.
    fn give_up(&mut self, c: char) {
        self.show_held();
        self.resume(c);
    }

    fn show_held(&mut self) {
        self.state = State::Ground;
        for c in std::mem::take(&mut self.held).chars() {
            self.ground(c);
        }
    }

    fn ground(&mut self, c: char) {
        match c {
            '\x1b' => self.enter(State::Escape),
            '\u{9b}' => self.enter(State::Control),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => self.enter(State::Text),
            '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                self.out.push('\n');
                self.line = self.out.len();
                self.returned = false;
            }
            '\r' => self.returned = true,
            '\x08' => {
                if self.out.len() > self.line {
                    self.out.pop();
                }
            }
            '\t' => self.print(c),
            _ if c.is_control() || is_invisible(c) => {}
            _ => self.print(c),
        }
    }

    fn print(&mut self, c: char) {
        if std::mem::take(&mut self.returned) {
            self.out.truncate(self.line);
        }
        self.out.push(c);
    }

    fn finish(mut self) -> String {
        if matches!(self.state, State::Text | State::TextEscape) {
            self.show_held();
        }
        self.out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{clean, clean_str, escape, fence, units};

    #[test]
    fn output_becomes_text() {
        for (bytes, text) in [
            (&b"plain\ttext\n"[..], "plain\ttext\n"),
            (b"\x1b[1;31mred\x1b[0m and \x1b[38;5;196mmore\x1b[m", "red and more"),
            (b"\x1b]0;a title\x07after", "after"),
            (b"\x1b]8;;https://example.com\x1b\\label\x1b]8;;\x1b\\", "label"),
            (b"\x1b]0;never ends\nnext line", "0;never ends\nnext line"),
            (b"\x1b]0;never ends", "0;never ends"),
            (b"\x1b(Bcharset", "charset"),
            (b"\x1bPq#0;2;0;0;0\x1b\\after sixel", "after sixel"),
            (b"10%\r50%\r100%\ndone", "100%\ndone"),
            (b"10%\r50%\r100%\r\ndone\r\n", "100%\ndone\n"),
            (b"bar 100%\r", "bar 100%"),
            (b"a\0b\x01c\x7f", "abc"),
            (b"N\x08NA\x08AME", "NAME"),
            (b"\x08\x08start", "start"),
            (b"caf\xe9 \xff", "caf\\xE9 \\xFF"),
            ("caf\u{e9}".as_bytes(), "caf\u{e9}"),
            ("safe\u{202e}gnp.exe\u{2066}".as_bytes(), "safegnp.exe"),
            ("\u{feff}bom".as_bytes(), "bom"),
            (b"\x1b[31", ""),
            (b"\x1b[31\nline", "\nline"),
            (b"", ""),
        ] {
            assert_eq!(clean(bytes), text, "{bytes:?}");
        }
    }

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
        assert_eq!(fence("a ``` b\n"), "```\na ``\u{200b}` b\n```");
        assert_eq!((units("a\u{1f525}\u{e9}"), units("")), (4, 0));
    }

    proptest! {
        #[test]
        fn whatever_comes_in_no_control_character_goes_out(bytes in proptest::collection::vec(any::<u8>(), 0..600), ticks in "(`|``|```|<|a){0,30}") {
            let text = clean(&bytes);
            prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
            prop_assert_eq!(clean_str(&text), text.as_str(), "cleaning twice changes nothing");
            let escaped = escape(&format!("{text}{ticks}"));
            prop_assert!(!escaped.contains(['<', '>']) && !escaped.contains("```"));
            prop_assert!(!escaped.starts_with('`') && !escaped.ends_with('`'), "nothing beside it makes a fence");
        }

        #[test]
        fn plain_words_are_never_lost(words in "[a-z ]{0,80}", escape_codes in "(\x1b\\[[0-9;]{0,6}m){0,3}") {
            prop_assert_eq!(clean(format!("{escape_codes}{words}{escape_codes}").as_bytes()), words);
        }
    }
}
