//! Standard output as JSON (RFC 8259), and what is the matter where it is none.
//!
//! Before it: bytes as they were written. After it: `assess`. Pure. A message shows the output without control characters: one
//! that makes the text no JSON has to be named, or people see JSON that is refused.

use std::borrow::Cow;

use serde_json::Value;

use super::visible::shows_nothing;

/// The reader of JSON counts so many levels of arrays and objects, and goes no deeper.
const DEEPEST: usize = 127;

/// The value; the error says in a sentence why there is none.
pub(in crate::exec) fn read(source: &[u8]) -> Result<Value, String> {
    let text = text(source);
    serde_json::from_slice(&text).map_err(|error| fault(&text, &error))
}

/// Without the byte order mark, which is no part of the text (RFC 8259, 8.1: a parser may ignore it), and with U+FFFD for what
/// may stand in JSON and in no text: half of a character (8.2).
pub(in crate::exec) fn text(source: &[u8]) -> Cow<'_, [u8]> {
    let text = source.strip_prefix(BYTE_ORDER_MARK).unwrap_or(source);
    let mut whole: Cow<'_, [u8]> = Cow::Borrowed(text);
    let mut at = 0;
    while let Some(found) = text[at..].iter().position(|byte| *byte == b'\\') {
        at += found;
        at += match (unit(&text[at..]), text.get(at + 6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                whole.to_mut()[at..at + 6].copy_from_slice(br"\ufffd");
                6
            }
            (Some(_), _) => 6,
            (None, _) => 2,
        };
        at = at.min(text.len());
    }
    whole
}

pub(in crate::exec) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The number of an escape such as `\ud83d` at the start.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(br"\u")?.get(..4)?;
    let digits =
        std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

/// Why a text cannot be read.
fn fault(text: &[u8], error: &serde_json::Error) -> String {
    let words = error.to_string();
    if words.starts_with("recursion limit exceeded") {
        return format!("stdout is JSON that cannot be read: it is nested more than {DEEPEST} levels deep");
    }
    // The reader counts the characters that it has read: behind the end of a line that is none.
    let begin = text
        .split_inclusive(|byte| *byte == b'\n')
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum::<usize>();
    let at = (begin + error.column()).saturating_sub(1);
    let valid = std::str::from_utf8(text).map_or_else(|error| error.valid_up_to(), str::len);
    let found = match text.get(valid) {
        Some(byte) if valid <= at => Some((valid, format!("a byte that is not UTF-8 (0x{byte:02X})"))),
        _ => stranger(text, at, words.starts_with("control character")),
    };
    match found {
        Some((at, what)) => {
            let line = text[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            let column = at - text[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1) + 1;
            format!("stdout is not JSON: {what} stands at line {line} column {column}")
        }
        None => format!("stdout is not JSON: {words}"),
    }
}

/// What stands at a place of a text where JSON has nothing of the kind, and where it begins: what people do not see, or take for
/// JSON.
fn stranger(text: &[u8], at: usize, is_within_text: bool) -> Option<(usize, String)> {
    let at = (0..=at).rev().find(|at| !matches!(text.get(*at), Some(0x80..=0xbf)))?;
    let rest = text.get(at..)?;
    let named = match *rest.first()? {
        0 => "a NUL byte",
        b'\n' if is_within_text => "a new line within a text",
        b'\r' if is_within_text => "a carriage return within a text",
        b'\t' if is_within_text => "a tab within a text",
        b'\n' | b'\r' | b'\t' => return None,
        0x1b if is_colour(rest) => "a colour code (ESC)",
        0x1b => "a terminal code (ESC)",
        byte @ (0x01..=0x1f | 0x7f) => return Some((at, format!("a control character (0x{byte:02X})"))),
        byte if byte.is_ascii() => return not_a_number(text, at),
        _ => {
            let c = rest.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next())?;
            let is_seen = !c.is_control() && c != '\u{feff}' && !shows_nothing(&c.to_string());
            return (!is_seen).then(|| (at, format!("an invisible character (U+{:04X})", u32::from(c))));
        }
    };
    Some((at, named.to_owned()))
}

/// Whether an escape sequence sets how text looks: ECMA-48, SGR.
fn is_colour(text: &[u8]) -> bool {
    let parameters = text.strip_prefix(b"\x1b[").unwrap_or_default();
    parameters.iter().find(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':')) == Some(&b'm')
}

/// A word around a place that some programs write where JSON has a number, and where it begins.
fn not_a_number(text: &[u8], at: usize) -> Option<(usize, String)> {
    let is_part = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'-';
    let begin = text[..at].iter().rposition(|byte| !is_part(byte)).map_or(0, |last| last + 1);
    let length = text[begin..].iter().position(|byte| !is_part(byte)).unwrap_or(text.len() - begin);
    let word = std::str::from_utf8(&text[begin..begin + length]).ok()?;
    ["NaN", "Infinity", "-Infinity", "-NaN"].contains(&word).then(|| (begin, format!("`{word}`")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::read;

    #[test]
    fn what_people_do_not_see_and_what_is_no_json_is_named() {
        for (text, why) in [
            ("\x1b[32m{\"v\": 9}\x1b[0m", "a colour code (ESC) stands at line 1 column 1"),
            ("{\"v\": 9}\x1b[0m", "a colour code (ESC) stands at line 1 column 9"),
            ("{\n  \x1b[34;1m\"v\": 9}", "a colour code (ESC) stands at line 2 column 3"),
            ("{\"v\": \x1b[39m9}", "a colour code (ESC) stands at line 1 column 7"),
            ("{\"v\": 9\x1b[0m}", "a colour code (ESC) stands at line 1 column 8"),
            ("{\"v\"\x1b[0m: 9}", "a colour code (ESC) stands at line 1 column 5"),
            ("{\"v\": \"a\x1b[0mb\"}", "a colour code (ESC) stands at line 1 column 9"),
            ("\x1b[2J{}", "a terminal code (ESC) stands at line 1 column 1"),
            ("{\"v\": 9}\0", "a NUL byte stands at line 1 column 9"),
            ("{\"v\": 9}\n\0", "a NUL byte stands at line 2 column 1"),
            ("{\"v\": \"a\x01b\"}", "a control character (0x01) stands at line 1 column 9"),
            ("{\"v\": \"a\tb\"}", "a tab within a text stands at line 1 column 9"),
            ("{\"v\": NaN}", "`NaN` stands at line 1 column 7"),
            ("[1, -Infinity]", "`-Infinity` stands at line 1 column 5"),
            ("{\"v\": Infinity}", "`Infinity` stands at line 1 column 7"),
            ("{\u{a0}\"v\": 9}", "an invisible character (U+00A0) stands at line 1 column 2"),
            ("{}\u{feff}", "an invisible character (U+FEFF) stands at line 1 column 3"),
            ("[\"a\nb\"]", "a new line within a text stands at line 1 column 4"),
            ("tru\n", "expected ident"),
            ("x\n", "expected value at line 1 column 1"),
            ("not json", "expected"),
            ("{\"v\": }", "expected value at line 1 column 7"),
            ("{\"v\": 'x'}", "expected value at line 1 column 7"),
            ("{\"v\": é}", "expected value at line 1 column 7"),
            ("{\"v\": 9", "EOF while parsing an object at line 1 column 7"),
        ] {
            let said = read(text.as_bytes()).expect_err(text);
            assert!(said.starts_with(&format!("stdout is not JSON: {why}")), "{text:?}: {said}");
        }
        let latin = read(b"{\"v\": \"caf\xe9\"}").expect_err("it is not UTF-8");
        assert!(latin.contains("a byte that is not UTF-8 (0xE9) stands at line 1 column 11"), "{latin}");
        let wide = read(b"\xff\xfe{\0}\0").expect_err("it is UTF-16");
        assert!(wide.contains("a byte that is not UTF-8 (0xFF) stands at line 1 column 1"), "{wide}");
    }

    #[test]
    fn half_of_a_character_is_json_and_is_no_character() {
        for (text, value) in [
            (r#"["\ud83d"]"#, json!(["\u{fffd}"])),
            (
                r#"["a\uDE00b", "\ud83d\u0041", "\ud83d\ud83d\ude00"]"#,
                json!(["a\u{fffd}b", "\u{fffd}A", "\u{fffd}\u{1f600}"]),
            ),
            (r#"["\\ud83d", "\ud83d\ude00"]"#, json!([r"\ud83d", "\u{1f600}"])),
            ("\u{feff}[\"\\n\"]", json!(["\n"])),
        ] {
            assert_eq!(read(text.as_bytes()), Ok(value), "{text}");
        }
        for text in [r#"["\"#, r#"["\u"#, r#"["\ud83"#, r#"["\ud83d"#, r#"["\ud83d\ude"#, "\\"] {
            read(text.as_bytes()).expect_err(text);
        }
    }

    #[test]
    fn what_is_nested_too_deeply_is_not_said_to_be_no_json() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(nested(127).as_bytes()).is_ok());
        let why = read(nested(128).as_bytes()).expect_err("it is too deep");
        assert_eq!(why, "stdout is JSON that cannot be read: it is nested more than 127 levels deep");
    }
}
