//! `redact`, `redact_env`: masks what must not leave the process.
//!
//! Before it: captured output, whole, so that a secret that came in two reads is one match. After it: everything.
//! Invariants: all patterns look at the original text, so that what one masks cannot hide a match from another; and they look
//! at what people see, so that no escape sequence within a secret hides it, and at what the escapes of JSON mean.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use memchr::memmem;
use regex::bytes::Regex;
use serde_json::Value;

use super::broken_off;
use super::visible::View;

/// What stands in the place of a match.
pub const MASK: &str = "[redacted]";

/// A value shorter than this, in characters, is masked nowhere: it stands in too many words.
const SHORTEST_VALUE: usize = 6;

/// JSON within JSON is looked into so deep.
const DEEPEST_JSON: usize = 3;

/// A character of a value takes so many bytes where JSON within JSON escapes it.
const LONGEST_ESCAPE: usize = 8;

/// Room for escape sequences of a terminal within a value.
const SHORTEST_REACH: usize = 64;

/// See [`Redactor::reach`].
const REACH_OF_PATTERNS: usize = 16 << 10;

/// Masks what the patterns of a job match, and its secret values.
#[derive(Clone, Default)]
pub struct Redactor {
    patterns: Option<Arc<[Regex]>>,
    values: Option<Arc<[Box<[u8]>]>>,
}

impl PartialEq for Redactor {
    fn eq(&self, other: &Self) -> bool {
        let written = |of: &Self| {
            of.patterns.as_ref().map(|all| all.iter().map(|one| one.as_str().to_owned()).collect::<Vec<_>>())
        };
        self.values == other.values && written(self) == written(other)
    }
}

/// How much it masks, and never what.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.patterns.as_ref().map_or(0, |patterns| patterns.len());
        let values = self.values.as_ref().map_or(0, |values| values.len());
        f.debug_struct("Redactor").field("patterns", &count).field("values", &values).finish()
    }
}

impl Redactor {
    /// One that masks whatever any of these matches.
    pub fn new(patterns: Vec<Regex>) -> Self {
        Self { patterns: (!patterns.is_empty()).then(|| patterns.into()), values: None }
    }

    /// The same, and these values too. A value of several lines is masked line by line: another stream may come between them.
    #[must_use]
    pub fn with_values<'v>(&self, values: impl IntoIterator<Item = &'v str>) -> Self {
        let mut all: Vec<Box<[u8]>> = self.values.iter().flat_map(|values| values.iter().cloned()).collect();
        for line in values.into_iter().flat_map(str::lines).map(str::trim) {
            let known = all.iter().any(|known| **known == *line.as_bytes());
            if line.chars().count() >= SHORTEST_VALUE && !known {
                all.push(line.as_bytes().into());
            }
        }
        Self { patterns: self.patterns.clone(), values: (!all.is_empty()).then(|| all.into()) }
    }

    /// Whether it masks nothing, whatever the text.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_none() && self.values.is_none()
    }

    /// The text with every match masked.
    pub fn mask<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        let matches = self.matches(text);
        if matches.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut masked = Vec::with_capacity(text.len());
        let mut at = 0;
        for found in matches {
            masked.extend_from_slice(&text[at..found.start]);
            masked.extend_from_slice(MASK.as_bytes());
            at = found.end;
        }
        masked.extend_from_slice(&text[at..]);
        Cow::Owned(masked)
    }

    /// What stands in a stretch of the text, masked by what matches in the whole text. A match that reaches over an end of
    /// the stretch is masked there too.
    pub(super) fn mask_part(&self, text: &[u8], part: Range<usize>) -> Vec<u8> {
        let mut masked = Vec::with_capacity(part.len());
        let mut at = part.start;
        for found in self.matches(text).into_iter().filter(|found| found.start < part.end && found.end > part.start) {
            masked.extend_from_slice(&text[at..found.start.max(at)]);
            masked.extend_from_slice(MASK.as_bytes());
            at = found.end.min(part.end);
        }
        masked.extend_from_slice(&text[at..part.end]);
        masked
    }

    /// How far into `tail` a match goes that the end of `head` is a part of, were nothing between the two.
    pub(super) fn goes_on(&self, head: &[u8], tail: &[u8]) -> usize {
        let last = self.matches(head).pop().filter(|found| found.end == head.len());
        let Some(begun) = last.map(|found| &head[found.start..]) else { return 0 };
        let whole = self.matches(&[begun, tail].concat()).into_iter().next();
        whole.filter(|found| found.start == 0).map_or(0, |found| found.end.saturating_sub(begun.len()))
    }

    /// Where in a text, behind which something was thrown away, a match may begin that goes on there; its length where none can.
    pub(super) fn begins_at(&self, head: &[u8]) -> usize {
        self.patterns().map(|pattern| broken_off::begins_at(pattern, head)).min().unwrap_or(head.len())
    }

    /// Where in a text, before which something was thrown away, a match may end that began there; 0 where none can.
    pub(super) fn ends_at(&self, tail: &[u8]) -> usize {
        self.patterns().map(|pattern| broken_off::ends_at(pattern, tail)).max().unwrap_or(0)
    }

    fn patterns(&self) -> impl Iterator<Item = &Regex> {
        self.patterns.iter().flat_map(|patterns| patterns.iter())
    }

    /// So many bytes beside a cut may belong to a match that the cut goes through. A value has its length, also where each of
    /// its characters is written as an escape; a pattern is given more than the longest token takes.
    pub(super) fn reach(&self) -> usize {
        let longest = self.values.iter().flat_map(|values| values.iter()).map(|value| value.len()).max();
        let values = longest.map_or(0, |longest| longest * LONGEST_ESCAPE + SHORTEST_REACH);
        if self.patterns.is_some() { values.max(REACH_OF_PATTERNS) } else { values }
    }

    /// The same for text; bytes that a byte-wise pattern (`(?-u)`) cuts in two are replaced.
    pub fn mask_str<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.mask(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(masked) => match String::from_utf8(masked) {
                Ok(masked) => Cow::Owned(masked),
                Err(error) => Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
            },
        }
    }

    /// A valid JSON document with every text masked that a pattern matches, and every value of which a pattern sees more
    /// than the inside (`"password": *"[^"]*"` sees name and value together). Names are masked only for themselves, so
    /// that a template finds what it looks for. One pass, whatever the document.
    pub(in crate::exec) fn mask_json(&self, source: &[u8]) -> Value {
        let matches = self.matches(source);
        let mut next_match = 0;
        let mut masked = Vec::with_capacity(source.len());
        let mut at = 0;
        while at < source.len() {
            let token = at..at + token_length(&source[at..]);
            at = token.end;
            while matches.get(next_match).is_some_and(|found| found.end <= token.start) {
                next_match += 1;
            }
            let over = matches[next_match..].iter().take_while(|found| found.start < token.end);
            let (mut touched, mut crossed) = (false, false);
            for found in over {
                touched = true;
                crossed |= found.start <= token.start || found.end >= token.end;
            }
            let text = &source[token.clone()];
            match text[0] {
                b'"' => {
                    let is_name = source[at..].trim_ascii_start().first() == Some(&b':');
                    let decoded: String = serde_json::from_slice(text).unwrap_or_default();
                    let plain = self.mask_str(&decoded);
                    let seen_only_raw = touched && matches!(plain, Cow::Borrowed(_));
                    let shown = if !is_name && (crossed || seen_only_raw) { MASK } else { &plain };
                    masked.extend_from_slice(Value::from(shown).to_string().as_bytes());
                }
                b'-' | b'0'..=b'9' | b't' | b'f' | b'n' if touched => {
                    masked.extend_from_slice(Value::from(MASK).to_string().as_bytes());
                }
                _ => masked.extend_from_slice(text),
            }
        }
        serde_json::from_slice(&masked).unwrap_or(Value::Null)
    }

    /// Every stretch that is to be masked, in order, merged where they overlap.
    fn matches(&self, text: &[u8]) -> Vec<Range<usize>> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut found = self.matches_as_written(text);
        self.add_matches_of_json(text, DEEPEST_JSON, &mut found);
        for seen in View::all_of(text) {
            let mut matches = self.matches_as_written(&seen.text);
            self.add_matches_of_json(&seen.text, DEEPEST_JSON, &mut matches);
            found.extend(matches.iter().map(|stretch| seen.origin(stretch)));
        }
        found.sort_by_key(|range| range.start);
        found.dedup_by(|next, last| {
            let overlaps = next.start < last.end;
            if overlaps {
                last.end = last.end.max(next.end);
            }
            overlaps
        });
        found
    }

    /// What matches once the escapes of JSON strings are taken for what they mean, and those within them.
    fn add_matches_of_json(&self, text: &[u8], depth: usize, found: &mut Vec<Range<usize>>) {
        let Some(meant) = View::unescaped(text).filter(|_| depth > 0) else { return };
        let mut matches = self.matches_as_written(&meant.text);
        self.add_matches_of_json(&meant.text, depth - 1, &mut matches);
        found.extend(matches.iter().map(|stretch| meant.origin(stretch)));
    }

    /// Every stretch of the text as it stands. Matches of nothing do not count.
    fn matches_as_written(&self, text: &[u8]) -> Vec<Range<usize>> {
        let by_pattern = self.patterns().flat_map(|pattern| pattern.find_iter(text)).map(|found| found.range());
        let values = self.values.iter().flat_map(|values| values.iter());
        let by_value = values.flat_map(|value| memmem::find_iter(text, value).map(|at| at..at + value.len()));
        by_pattern.chain(by_value).filter(|range| !range.is_empty()).collect()
    }
}

/// How long the token at the start of a JSON text is: a string with its quotes, a number or word, else one byte.
fn token_length(text: &[u8]) -> usize {
    match text[0] {
        b'"' => {
            let mut at = 1;
            while let Some(byte) = text.get(at) {
                match byte {
                    b'"' => return at + 1,
                    b'\\' => at += 2,
                    _ => at += 1,
                }
            }
            text.len()
        }
        byte if byte.is_ascii_alphanumeric() || byte == b'-' => {
            let more = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.');
            text.iter().take_while(more).count()
        }
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::bytes::Regex;
    use serde_json::json;

    use super::Redactor;

    fn redactor(patterns: &[&str]) -> Redactor {
        Redactor::new(patterns.iter().map(|pattern| Regex::new(pattern).expect(pattern)).collect())
    }

    #[test]
    fn what_matches_is_masked_and_nothing_else() {
        for (patterns, text, masked) in [
            (&["hunter2"][..], "the password is hunter2!", "the password is [redacted]!"),
            (&["token=\\S+", "secret"], "token=secret1 secret", "[redacted] [redacted]"),
            (&["abc", "bcd"], "xabcdx", "x[redacted]x"),
            (&["ab", "cd"], "abcd", "[redacted][redacted]"),
            (&["x*"], "axxb", "a[redacted]b"),
            (&["nothing"], "ünïcode", "ünïcode"),
            (&[], "plain", "plain"),
        ] {
            assert_eq!(redactor(patterns).mask_str(text), masked, "{patterns:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_masked_too() {
        assert_eq!(redactor(&["(?-u)key=[^ ]+"]).mask(b"\xff key=\xfe\xfd end").as_ref(), b"\xff [redacted] end");
        assert_eq!(redactor(&["(?-u)\\xc3"]).mask_str("é"), "[redacted]\u{fffd}");
    }

    #[test]
    fn a_secret_is_masked_as_people_see_it() {
        for hidden in [
            "hunter2",
            "hun\u{1b}[0mter2",
            "\u{1b}[01;31m\u{1b}[Khunter2\u{1b}[m",
            "hun\u{1b}[Kter2",
            "hun\u{1b}]0;title\u{7}ter2",
            "hun\u{1b}]8;;http://x\u{1b}\\ter2\u{1b}]8;;\u{1b}\\",
            "hun\u{9b}1mter2",
            "hun\0ter2",
            "hun\u{7}ter2",
            "hun\u{7f}ter2",
            "hun\u{e}ter2",
            "hun\u{b}ter2",
            "hun\u{feff}ter2",
            "hun\u{202e}ter2",
            "hun\u{200b}ter2",
            "hun\u{ad}ter2",
            "hun\u{1b}cter2",
            "hunx\u{8}ter2",
            "\\u0068unter2",
            "hunter\\u0032",
            "h\\\\u0075nter2",
            "\u{1b}[1m\\u0068\u{1b}[0munter2",
        ] {
            let text = format!("password={hidden} and more");
            for redactor in
                [redactor(&["hunter2"]), redactor(&["password=\\S+"]), Redactor::default().with_values(["hunter2"])]
            {
                let masked = redactor.mask_str(&text).into_owned();
                let seen = crate::exec::clean(masked.as_bytes());
                assert!(seen.contains("[redacted]") && seen.ends_with(" and more"), "{hidden:?}: {seen:?}");
                assert!(!seen.contains("unter") && !masked.contains("unter2"), "{hidden:?}: {masked:?}");
            }
        }
        // What a value holds that JSON escapes.
        let value = "a\"b\\c/\u{e9}!";
        let json = serde_json::to_string(&json!({ "key": value })).expect("JSON");
        assert_eq!(Redactor::default().with_values([value]).mask_str(&json), r#"{"key":"[redacted]"}"#);
    }

    #[test]
    fn a_secret_that_is_written_over_is_masked_too_for_whoever_picks_words_of_the_output() {
        for text in [
            "| hun\u{1b}[0mter2 a=1\r100%",
            "| hun\u{1b}[0mter2 a=1\u{8}\u{8}",
            "hun\u{1b}[0mter2 x\r\n",
            "| hun\u{1b}[0mter2 a=1\u{1b}[2K\u{1b}[G100%",
            "| hun\u{1b}[0mter2 a=1\u{1b}[99D100%",
            "| hun\u{1b}[0mter2 a=1\r\u{1b}[K",
        ] {
            let masked = redactor(&["hunter2"]).mask_str(text).into_owned();
            let words: Vec<String> =
                masked.split_whitespace().map(|word| crate::exec::clean(word.as_bytes())).collect();
            assert!(words.iter().any(|word| word == "[redacted]"), "{text:?}: {words:?}");
            assert!(!words.iter().any(|word| word.contains("hunter2")), "{text:?}: {words:?}");
        }
    }

    #[test]
    fn values_are_masked_from_six_characters_on_and_line_by_line() {
        let redactor =
            Redactor::default().with_values(["12345", "123456", "-----BEGIN-----\nAbCdEfGh\n\n", "gr\u{fc}n\u{e9}1"]);
        assert_eq!(redactor.mask_str("12345, 123456, 1234567"), "12345, [redacted], [redacted]7");
        assert_eq!(redactor.mask_str("-----BEGIN-----\nother\nAbCdEfGh"), "[redacted]\nother\n[redacted]");
        assert_eq!(redactor.mask_str("gr\u{fc}n\u{e9}1"), "[redacted]");
        assert!(Redactor::default().with_values(["short", ""]).is_empty());
        assert_eq!(format!("{redactor:?}"), "Redactor { patterns: 0, values: 4 }");
    }

    #[test]
    fn json_is_masked_in_its_values() {
        for (patterns, source, masked) in [
            (
                &["\"password\": *\"[^\"]*\"", "tok_\\d", "4111"][..],
                r#"{"password": "hunter2", "list": ["a tok_1 b", 4111, 7], "name": "x", "on": true}"#,
                json!({"password": "[redacted]", "list": ["a [redacted] b", "[redacted]", 7], "name": "x", "on": true}),
            ),
            (
                &["hunter2"],
                r#"{"hunter2": "hunter\u0032", "q": "\"hunter2\\"}"#,
                json!({"[redacted]": "[redacted]", "q": "\"[redacted]\\"}),
            ),
            (&["u00e9"], r#"["caf\u00e9", "é"]"#, json!(["[redacted]", "é"])),
            // What begins with the name hides all of the value, though another pattern sees but a part of it.
            (
                &["\"password\": *\"[^\"]*", "hunter"],
                r#"{"password": "hunter2", "b": "hunter2"}"#,
                json!({"password": "[redacted]", "b": "[redacted]2"}),
            ),
            (
                &["(?s).+"],
                r#"{"a": [1, "b", null]}"#,
                json!({"[redacted]": ["[redacted]", "[redacted]", "[redacted]"]}),
            ),
            (&["nothing"], r#" {"a": -1.5e+3} "#, serde_json::from_str(r#"{"a": -1.5e+3}"#).expect("it is JSON")),
        ] {
            assert_eq!(redactor(patterns).mask_json(source.as_bytes()), masked, "{patterns:?}");
        }
    }

    #[test]
    fn a_large_document_full_of_matches_takes_no_time() {
        let source = format!("[{}]", vec!["1234, \"text 5678\""; 40_000].join(","));
        let masked = redactor(&["\\d{4}", "x"]).mask_json(source.as_bytes());
        assert_eq!(
            (masked[0].as_str(), masked[79_999].as_str()),
            (Some("[redacted]"), Some("te[redacted]t [redacted]"))
        );
    }

    proptest! {
        /// A document in which nothing matches comes back as it was.
        #[test]
        fn json_without_a_match_is_itself(texts in prop::collection::vec(any::<String>(), 0..6), number in any::<f64>()) {
            let value = json!({"texts": texts, "number": number, "deep": [[{"a": null}], true]});
            let source = value.to_string();
            let parsed: serde_json::Value = serde_json::from_str(&source).expect("valid JSON");
            prop_assert_eq!(redactor(&["never{9}there"]).mask_json(source.as_bytes()), parsed);
        }

        /// Whatever stands around it, a secret is gone, and the rest is there.
        #[test]
        fn no_secret_survives(before in "[a-m ]{0,40}", after in "[a-m ]{0,40}") {
            let masked = redactor(&["xyz+"]).mask_str(&format!("{before}xyzz{after}")).into_owned();
            prop_assert_eq!(masked, format!("{before}[redacted]{after}"));
        }
    }
}
