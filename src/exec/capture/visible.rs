//! What of a command's output people see: no escape sequences, no tricks, valid UTF-8.
//!
//! Before it: bytes as they were written. After it: `redact`, which must find a secret as people see it, however it was written;
//! and `message`, whose texts are made of nothing else. Invariant: both see the same, since both ask here.

use std::borrow::Cow;
use std::ops::Range;

/// An escape sequence longer than this is none: what it swallowed is shown.
const LONGEST_SEQUENCE: usize = 2048;

/// More columns than this are the whole line, so that no step of the cursor costs more.
const WIDEST_STEP: usize = 300;

/// A sequence that moves the cursor has no more parameters.
const LONGEST_PARAMETERS: usize = 32;

/// Output as text: ANSI escapes gone (ECMA-48), progress bars collapsed to their last state, control and
/// bidirectional characters gone, bytes that are not UTF-8 as `\xNN`. New lines and tabs stay.
pub fn clean(bytes: &[u8]) -> String {
    let mut cleaner = Cleaner::new(bytes.len(), Reading::AsSeen, ());
    cleaner.take_all(bytes);
    cleaner.finish().0
}

/// The same for what is text already; costs nothing when there is nothing to do.
pub fn clean_str(text: &str) -> Cow<'_, str> {
    let dirty = |c: char| (c.is_control() && c != '\n' && c != '\t') || is_invisible(c);
    if text.chars().any(dirty) { Cow::Owned(clean(text.as_bytes())) } else { Cow::Borrowed(text) }
}

/// Whether something in it may write over what stands before: a carriage return, a backspace, or a sequence that moves the cursor
/// within its line or erases some of it. Colours do not.
pub fn writes_over(bytes: &[u8]) -> bool {
    let moves = |at: usize| {
        let parameters = bytes[at + 1..].strip_prefix(b"[").unwrap_or_default();
        let last = parameters.iter().take(LONGEST_PARAMETERS).find(|byte| (b'@'..=b'~').contains(byte));
        last.is_some_and(|last| b"CDGJK`a".contains(last))
    };
    memchr::memchr2(b'\r', b'\x08', bytes).is_some() || memchr::memchr_iter(b'\x1b', bytes).any(moves)
}

/// A text that was made of another: where each of its bytes comes from.
pub(super) struct View {
    pub(super) text: Vec<u8>,
    /// The stretch of the first text that each byte stands for.
    from: Vec<(u32, u32)>,
}

impl View {
    /// What people see of these bytes, where they do not see them as they are; and the same with what was written over, where
    /// something was. Nobody sees that in the whole output, but what picks single words of the output (performance data) would
    /// show it. There is none where there are too many bytes to be counted.
    pub(super) fn all_of(bytes: &[u8]) -> Vec<Self> {
        let is_plain = |byte: &u8| matches!(byte, b'\n' | b'\t' | b' '..=b'~');
        if u32::try_from(bytes.len()).is_err() || bytes.iter().all(is_plain) {
            return Vec::new();
        }
        let (seen, written_over) = Self::of(bytes, Reading::AsSeen);
        let all = written_over.then(|| Self::of(bytes, Reading::AsWritten).0);
        std::iter::once(seen).chain(all).filter(|view| view.text != bytes).collect()
    }

    /// And whether something was written over.
    fn of(bytes: &[u8], reading: Reading) -> (Self, bool) {
        let mut cleaner = Cleaner::new(bytes.len(), reading, Vec::new());
        cleaner.take_all(bytes);
        let written_over = cleaner.written_over;
        let (text, from) = cleaner.finish();
        let mut view = Self { text: text.into_bytes(), from };
        view.drop_blanks_of_no_width();
        (view, written_over)
    }

    /// Characters that show nothing stay in a message, since some scripts need them; but nobody sees a secret cut in two by them.
    fn drop_blanks_of_no_width(&mut self) {
        let text = String::from_utf8_lossy(&self.text).into_owned();
        if !text.contains(has_no_width) {
            return;
        }
        let mut kept = Vec::with_capacity(self.text.len());
        let mut from = Vec::with_capacity(self.text.len());
        for (at, c) in text.char_indices().filter(|(_, c)| !has_no_width(*c)) {
            let bytes = at..at + c.len_utf8();
            kept.extend_from_slice(&self.text[bytes.clone()]);
            from.extend_from_slice(&self.from[bytes]);
        }
        (self.text, self.from) = (kept, from);
    }

    /// The text with the escapes of JSON strings (RFC 8259) taken for what they mean; `None` where there are none.
    pub(super) fn unescaped(text: &[u8]) -> Option<Self> {
        u32::try_from(text.len()).ok().filter(|_| text.contains(&b'\\'))?;
        let mut view = Self { text: Vec::with_capacity(text.len()), from: Vec::with_capacity(text.len()) };
        let mut at = 0;
        while at < text.len() {
            let (length, character) = escape(&text[at..]);
            let mut buffer = [0; 4];
            let bytes = match character {
                Some(c) => c.encode_utf8(&mut buffer).as_bytes(),
                None => &text[at..at + length],
            };
            view.text.extend_from_slice(bytes);
            let from = (position(at), position(at + length));
            view.from.extend(bytes.iter().map(|_| from));
            at += length;
        }
        (view.text.len() < text.len()).then_some(view)
    }

    /// Where in the first text a stretch of this one comes from.
    pub(super) fn origin(&self, stretch: &Range<usize>) -> Range<usize> {
        self.from[stretch.start].0 as usize..self.from[stretch.end - 1].1 as usize
    }
}

/// Fits: the length was looked at before.
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The escape at the start: how long it is, and the character that it means. What is none is one byte, and means itself.
fn escape(text: &[u8]) -> (usize, Option<char>) {
    let unit = |at: usize| {
        let digits = text.get(at..).filter(|rest| rest.starts_with(b"\\u"))?.get(2..6)?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        u16::from_str_radix(digits, 16).ok()
    };
    if let Some(first) = unit(0) {
        let units = [Some(first), unit(6)].into_iter().flatten();
        return match char::decode_utf16(units).next() {
            Some(Ok(c)) => (6 * c.len_utf16(), Some(c)),
            _ => (6, None),
        };
    }
    let meant = match text {
        [b'\\', c @ (b'"' | b'\\' | b'/'), ..] => char::from(*c),
        [b'\\', b'b', ..] => '\u{8}',
        [b'\\', b'f', ..] => '\u{c}',
        [b'\\', b'n', ..] => '\n',
        [b'\\', b'r', ..] => '\r',
        [b'\\', b't', ..] => '\t',
        _ => return (1, None),
    };
    (2, Some(meant))
}

/// Whether a character shows nothing and takes no room (Unicode, Default_Ignorable_Code_Point).
fn has_no_width(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether people see nothing of a cleaned text.
pub fn shows_nothing(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || has_no_width(c))
}

/// Remembers where the characters of a cleaned text come from, or nothing.
trait Origins {
    fn push(&mut self, c: char, from: (u32, u32));
    fn truncate(&mut self, length: usize);
}

impl Origins for () {
    fn push(&mut self, _: char, _: (u32, u32)) {}
    fn truncate(&mut self, _: usize) {}
}

impl Origins for Vec<(u32, u32)> {
    fn push(&mut self, c: char, from: (u32, u32)) {
        self.extend(std::iter::repeat_n(from, c.len_utf8()));
    }

    fn truncate(&mut self, length: usize) {
        self.truncate(length);
    }
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

/// What becomes of what is written over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// It is gone.
    AsSeen,
    /// It stays, and what is written in its place begins a line.
    AsWritten,
}

struct Cleaner<O> {
    out: String,
    reading: Reading,
    /// Where the bytes of `out` come from.
    origins: O,
    /// Where the character comes from that is taken.
    from: (u32, u32),
    /// Where the line that is being written starts.
    line: usize,
    /// Where the next character goes. It takes the place of all of the line that stands from there on: a bar is drawn as a whole.
    cursor: usize,
    /// The cursor was moved to another line, which is not followed: until the end of this one it may be anywhere.
    elsewhere: bool,
    /// Something was written over or erased.
    written_over: bool,
    state: State,
    /// The parameters of the control sequence that is read.
    parameters: String,
    /// What a string sequence has swallowed so far: shown after all when it never ends.
    held: Vec<(char, (u32, u32))>,
    /// How many characters the sequence has.
    length: usize,
}

impl<O: Origins> Cleaner<O> {
    fn new(size: usize, reading: Reading, origins: O) -> Self {
        Self {
            out: String::with_capacity(size),
            reading,
            origins,
            from: (0, 0),
            line: 0,
            cursor: 0,
            elsewhere: false,
            written_over: false,
            state: State::Ground,
            parameters: String::new(),
            held: Vec::new(),
            length: 0,
        }
    }

    fn take_all(&mut self, bytes: &[u8]) {
        let mut at = 0;
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                self.from = (position(at), position(at + c.len_utf8()));
                at += c.len_utf8();
                self.take(c);
            }
            for byte in chunk.invalid() {
                self.from = (position(at), position(at + 1));
                at += 1;
                format!("\\x{byte:02X}").chars().for_each(|c| self.take(c));
            }
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
                ' '..='?' if self.length < LONGEST_SEQUENCE => self.parameters.push(c),
                '@'..='~' => self.control(c),
                _ => self.resume(c),
            },
            State::Text => match c {
                '\x07' | '\u{9c}' => self.state = State::Ground,
                '\x1b' => self.state = State::TextEscape,
                '\n' => self.give_up(c),
                _ if self.length > LONGEST_SEQUENCE => self.give_up(c),
                _ => self.held.push((c, self.from)),
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
        self.parameters.clear();
        self.held.clear();
    }

    /// A control sequence is complete: what moves the cursor within the line or erases some of it does so, as progress bars are
    /// drawn without a carriage return too. [`writes_over`] knows which these are.
    fn control(&mut self, last: char) {
        self.state = State::Ground;
        let number = match self.parameters.as_str() {
            "" => None,
            digits => match digits.parse::<usize>() {
                Ok(number) => Some(number),
                Err(_) => return,
            },
        };
        let count = number.unwrap_or(1).max(1);
        match (last, number.unwrap_or(0)) {
            ('A' | 'B' | 'E' | 'F' | 'H' | 'd' | 'e', _) => self.elsewhere = true,
            _ if self.elsewhere => {}
            ('G' | '`', _) => {
                self.begin_again();
                self.forward(count - 1);
            }
            ('C' | 'a', _) => self.forward(count),
            ('D', _) => self.back(count),
            ('K' | 'J', 0) => self.erase(self.cursor),
            ('K', 2) => self.erase(self.line),
            ('K', 1) if self.cursor == self.out.len() => self.erase(self.line),
            _ => {}
        }
    }

    /// To the beginning of the line.
    fn begin_again(&mut self) {
        match self.reading {
            Reading::AsSeen => self.cursor = self.line,
            Reading::AsWritten => self.end_line(),
        }
    }

    fn back(&mut self, columns: usize) {
        if self.reading == Reading::AsWritten {
            return;
        }
        let before = &self.out[self.line..self.cursor];
        let start = if columns < WIDEST_STEP { before.char_indices().rev().nth(columns - 1) } else { None };
        self.cursor = self.line + start.map_or(0, |(at, _)| at);
    }

    fn forward(&mut self, columns: usize) {
        let after = &self.out[self.cursor..];
        let there = if columns < WIDEST_STEP { after.char_indices().nth(columns) } else { None };
        self.cursor += there.map_or(after.len(), |(at, _)| at);
    }

    /// What stands in the line from there on is gone.
    fn erase(&mut self, from: usize) {
        if from == self.out.len() {
            return;
        }
        self.written_over = true;
        match self.reading {
            Reading::AsSeen => {
                self.out.truncate(from);
                self.origins.truncate(from);
                self.cursor = self.cursor.min(from);
            }
            Reading::AsWritten => self.end_line(),
        }
    }

    fn end_line(&mut self) {
        self.put('\n');
        self.line = self.out.len();
        self.elsewhere = false;
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
        let now = self.from;
        for (c, from) in std::mem::take(&mut self.held) {
            self.from = from;
            self.ground(c);
        }
        self.from = now;
    }

    fn ground(&mut self, c: char) {
        match c {
            '\x1b' => self.enter(State::Escape),
            '\u{9b}' => self.enter(State::Control),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => self.enter(State::Text),
            '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => self.end_line(),
            '\r' => self.begin_again(),
            '\x08' => self.back(1),
            '\t' => self.print(c),
            _ if c.is_control() || is_invisible(c) => {}
            _ => self.print(c),
        }
    }

    fn print(&mut self, c: char) {
        self.erase(self.cursor);
        self.put(c);
    }

    fn put(&mut self, c: char) {
        self.out.push(c);
        self.origins.push(c, self.from);
        self.cursor = self.out.len();
    }

    fn finish(mut self) -> (String, O) {
        if matches!(self.state, State::Text | State::TextEscape) {
            self.show_held();
        }
        (self.out, self.origins)
    }
}

#[cfg(test)]
mod tests {
    use super::{Reading, View, writes_over};

    #[test]
    fn nothing_is_written_over_by_what_is_not_known_to_do_so() {
        for last in '@'..='~' {
            for number in ["", "0", "1", "2", "40"] {
                let text = format!("one\x1b[{number}{last}two");
                let (_, written_over) = View::of(text.as_bytes(), Reading::AsSeen);
                assert!(!written_over || writes_over(text.as_bytes()), "{text:?}");
            }
        }
        assert!(!writes_over(b"\x1b[31mred\x1b[0m\n") && writes_over(b"10%\r20%") && writes_over(b"a\x08b"));
    }

    #[test]
    fn what_people_see_leads_back_to_what_was_written() {
        for (written, seen, found, from) in [
            (&b"a\x1b[31mb\x1b[0mc"[..], "abc", "b", "b"),
            (b"hun\x1b[0mter2", "hunter2", "hunter2", "hun\x1b[0mter2"),
            (b"\x1b]0;title\x07hunter2", "hunter2", "hunter2", "hunter2"),
            (b"hunx\x08ter2", "hunter2", "hunter2", "hunx\x08ter2"),
            (b"old\rhunter2", "hunter2", "hunter2", "hunter2"),
            (b"old\x1b[2K\x1b[Ghunter2", "hunter2", "hunter2", "hunter2"),
            ("hun\u{200b}ter\u{202e}2\u{feff}".as_bytes(), "hunter2", "hunter2", "hun\u{200b}ter\u{202e}2"),
            ("é\0é".as_bytes(), "éé", "éé", "é\0é"),
            (b"\xffhunter2", "\\xFFhunter2", "hunter2", "hunter2"),
        ] {
            let views = View::all_of(written);
            let view = views.first().expect("it is not seen as it is");
            assert_eq!(String::from_utf8_lossy(&view.text), seen);
            let at = seen.find(found).expect(found);
            let origin = view.origin(&(at..at + found.len()));
            assert_eq!(String::from_utf8_lossy(&written[origin]), from, "{seen}");
        }
        assert!(View::all_of(b"plain\ttext\n").is_empty() && View::all_of("gr\u{fc}n".as_bytes()).is_empty());
    }

    #[test]
    fn escapes_of_json_lead_back_too() {
        let written = br#"{"a":"\u0068unter2","b":"x\"y\\z\/","c":"\ud83d\ude00\ud83d"}"#;
        let view = View::unescaped(written).expect("there are some");
        let seen = String::from_utf8_lossy(&view.text).into_owned();
        assert_eq!(seen, "{\"a\":\"hunter2\",\"b\":\"x\"y\\z/\",\"c\":\"\u{1f600}\\ud83d\"}");
        let at = seen.find("hunter2").expect("it is there");
        assert_eq!(&written[view.origin(&(at..at + 7))], br"\u0068unter2");
        assert!(
            View::unescaped(b"none").is_none()
                && View::unescaped(br"\").is_none()
                && View::unescaped(br"C:\x").is_none()
        );
    }
}
