//! `redact`: masks what must not leave the process.
//!
//! Before it: captured output, whole, so that a secret that came in two reads is one match. After it: everything.
//! Invariant: all patterns look at the original text, so that what one masks cannot hide a match from another.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use regex::bytes::Regex;
use serde_json::Value;

use crate::order;

/// What stands in the place of a match.
pub const MASK: &str = "[redacted]";

/// Masks what the patterns of a job match.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    patterns: Option<Arc<[Regex]>>,
}

impl Redactor {
    /// One that masks whatever any of these matches.
    pub fn new(patterns: Vec<Regex>) -> Self {
        Self { patterns: (!patterns.is_empty()).then(|| patterns.into()) }
    }

    /// Whether it masks nothing, whatever the text.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_none()
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
    pub(super) fn mask_json(&self, source: &[u8]) -> Value {
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

    /// Every stretch that any pattern matches, in order, merged where they overlap. Matches of nothing do not count.
    fn matches(&self, text: &[u8]) -> Vec<Range<usize>> {
        let Some(patterns) = &self.patterns else { return Vec::new() };
        let mut found: Vec<Range<usize>> = patterns
            .iter()
            .flat_map(|pattern| pattern.find_iter(text))
            .map(|found| found.range())
            .filter(|range| !range.is_empty())
            .collect();
        order::by_key(&mut found, |range| range.start);
        found.dedup_by(|next, last| {
            let overlaps = next.start < last.end;
            if overlaps {
                last.end = last.end.max(next.end);
            }
            overlaps
        });
        found
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
            (
                &["(?s).+"],
                r#"{"a": [1, "b", null]}"#,
                json!({"[redacted]": ["[redacted]", "[redacted]", "[redacted]"]}),
            ),
            (&["nothing"], r#" {"a": -1.5e+3} "#, json!({"a": -1500.0})),
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
