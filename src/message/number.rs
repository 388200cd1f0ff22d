//! Numbers that a command wrote, with the digits that it wrote.
//!
//! Before it: JSON and performance data. After it: values of `vars`. A template can reckon with such a number and compare
//! it; when it is put out, it is written as it was read: `1.10`, not `1.1`, and `89445385320123456789`, not `8.9e19`.

use std::collections::{HashMap, HashSet};

use minijinja::value::{Object, Value};

/// More digits than this do not survive as a floating-point number: one of two that are the same to a floating-point number stays
/// text.
const DIGITS: usize = 17;

/// How the numbers of a run were written.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// By the bits of their value.
    known: HashMap<u64, Option<String>>,
    /// Those with an exponent, as the reader of JSON spells them: it gives each exponent a sign.
    exponents: HashMap<String, String>,
    /// Those that are text in a template, since they have too many digits.
    long: HashSet<String>,
    /// Texts of the JSON that look like a number.
    texts: HashSet<String>,
}

impl Object for Written {}

impl Written {
    /// As numbers of this JSON are written.
    pub(super) fn of_json(source: &[u8]) -> Self {
        let mut exponents = HashMap::new();
        let mut rest = source;
        while let Some(first) = rest.first() {
            let is_part = |byte: &&u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
            let length = match first {
                b'"' => string_length(rest),
                b'-' | b'0'..=b'9' => rest.iter().take_while(is_part).count(),
                _ => 1,
            };
            let (token, after) = rest.split_at(length);
            rest = after;
            if let Ok(number) = std::str::from_utf8(token)
                && *first != b'"'
                && let Some((mantissa, exponent)) = number.split_once(['e', 'E'])
            {
                let sign = if exponent.starts_with(['+', '-']) { "" } else { "+" };
                exponents.entry(format!("{mantissa}e{sign}{exponent}")).or_insert_with(|| number.to_owned());
            }
        }
        Self { exponents, ..Self::default() }
    }

    /// A number of that JSON with its own digits.
    pub(super) fn spelled(&self, number: &serde_json::Number) -> String {
        let text = number.to_string();
        self.exponents.get(&text).cloned().unwrap_or(text)
    }

    /// The number as it was written; `None` when it is another, or was written in two ways.
    pub(super) fn get(&self, number: f64) -> Option<&str> {
        self.known.get(&number.to_bits())?.as_deref()
    }

    /// Whether a text in a template stands for a number of the JSON; not where the JSON has the same as text too.
    pub(super) fn is_long_number(&self, text: &str) -> bool {
        self.long.contains(text) && !self.texts.contains(text)
    }

    /// A number in a template.
    pub(super) fn number(&mut self, text: &str) -> Value {
        if let Some(whole) = whole(text) {
            return whole;
        }
        let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
        let digits = mantissa.trim_start_matches(['-', '+', '0', '.']).bytes().filter(u8::is_ascii_digit).count();
        match fraction(text) {
            Some(number) if digits <= DIGITS && number.is_finite() || self.stands_for(number, text) => {
                self.keep(number, text)
            }
            _ => {
                self.long.insert(text.to_owned());
                Value::from(text)
            }
        }
    }

    /// Whether a number with too many digits can be reckoned with and is written as it was all the same: no other is as near to
    /// that number.
    fn stands_for(&self, number: f64, text: &str) -> bool {
        self.known.get(&number.to_bits()).is_none_or(|known| known.as_deref() == Some(text))
    }

    /// A number that is compared: where its digits are too many, as near as a number comes.
    pub(super) fn comparable(&mut self, text: &str) -> Value {
        let as_fraction = |written: &mut Self| fraction(text).map(|number| written.keep(number, text));
        whole(text).or_else(|| as_fraction(self)).unwrap_or_else(|| Value::from(text))
    }

    fn keep(&mut self, number: f64, text: &str) -> Value {
        let known = self.known.entry(number.to_bits()).or_insert_with(|| Some(text.to_owned()));
        if known.as_deref() != Some(text) {
            *known = None;
        }
        Value::from(number)
    }

    /// JSON in a template.
    pub(super) fn json(&mut self, json: &serde_json::Value) -> Value {
        match json {
            serde_json::Value::Null => Value::from(()),
            serde_json::Value::Bool(flag) => Value::from(*flag),
            serde_json::Value::Number(number) => self.number(&self.spelled(number)),
            serde_json::Value::String(text) => {
                if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
                    self.texts.insert(text.clone());
                }
                Value::from(text)
            }
            serde_json::Value::Array(items) => items.iter().map(|item| self.json(item)).collect(),
            serde_json::Value::Object(map) => {
                Value::from_pairs(map.iter().map(|(key, value)| (key.clone(), self.json(value))))
            }
        }
    }
}

/// How long the string is with which a text begins, with its quotes.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    let end = text.iter().skip(1).position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

/// A whole number that is written as it would be written again.
fn whole(text: &str) -> Option<Value> {
    text.parse::<i128>().ok().filter(|whole| whole.to_string() == text).map(Value::from)
}

/// Any other number; performance data may have a comma before its fraction. One that is too large for a computer is greater than
/// all others, or less; what is no number at all (`inf`, `nan`) has no digits.
fn fraction(text: &str) -> Option<f64> {
    let number = text.replacen(',', ".", 1).parse::<f64>().ok();
    number.filter(|number| number.is_finite() || text.bytes().any(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::Written;

    #[test]
    fn numbers_keep_their_digits_and_can_be_reckoned_with() {
        let mut written = Written::default();
        for text in ["1.10", "2643.0", "1e3", "0.1", "0,123", "20,", "007", "+5"] {
            let value = written.number(text);
            let number = f64::try_from(value).expect("it is a number");
            assert_eq!(written.get(number), Some(text));
        }
        for text in ["0", "-7", "89445385320123456789", "12085620736"] {
            let value = written.number(text);
            assert!(value.is_integer(), "{text}");
            assert_eq!(value.to_string(), text);
        }
        for text in ["120.5000000000000000", "2.14159265358979323846"] {
            let number = f64::try_from(written.number(text)).expect("it can be rounded");
            assert_eq!(written.get(number), Some(text), "and is written as it was");
        }
        for text in ["1e999", "-1e999", "123456789012345678901234567890123456789012"] {
            let number = f64::try_from(written.number(text)).expect("it can be compared");
            assert_eq!((written.get(number), number > 10.0), (Some(text), !text.starts_with('-')));
        }
        // The same number to a computer, and another one to people.
        for text in ["2.14159265358979323847", "2e999", "123456789012345678901234567890123456789013"] {
            assert_eq!(written.number(text).as_str(), Some(text));
            assert!(written.is_long_number(text) && f64::try_from(written.comparable(text)).is_ok(), "{text}");
        }
        for text in ["inf", "-infinity", "nan"] {
            assert_eq!(written.number(text).as_str(), Some(text), "it is a word");
            assert_eq!(written.comparable(text).as_str(), Some(text), "it is a word");
        }
        let long = written.comparable("2.14159265358979323846");
        assert!(f64::try_from(long).is_ok_and(|number| number > 2.14), "compared, it is a number");
        for source in [r#"{"a": 1e30}"#, r#"["\\\"", 1E-7]"#, "2.50E3", r#"{"1e5": "1E5", "b": 1e+5}"#, "[1E999]"] {
            let mut written = Written::of_json(source.as_bytes());
            let json: serde_json::Value = serde_json::from_str(source).expect("it is JSON");
            let number = match &json {
                serde_json::Value::Object(table) => table.values().find(|value| value.is_number()),
                serde_json::Value::Array(items) => items.last(),
                number => Some(number),
            };
            let value = written.json(number.expect("a number"));
            let spelled = f64::try_from(value.clone()).ok().and_then(|number| written.get(number)).map(str::to_owned);
            let spelled = spelled.unwrap_or_else(|| value.to_string());
            assert!(source.contains(&format!(" {spelled}")) || source.contains(&spelled), "{source}: {spelled}");
            assert_eq!(spelled.contains('+'), source.contains('+'), "{source}: {spelled}");
        }
        written.number("1.1");
        assert_eq!(written.get(1.1), None, "written in two ways, it is shown as a number is");
    }
}
