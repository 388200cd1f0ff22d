//! Numbers that a command wrote, with the digits that it wrote.
//!
//! Before it: JSON and performance data. After it: values of `vars`. A template can reckon with such a number and compare
//! it; when it is put out, it is written as it was read: `1.10`, not `1.1`, and `89445385320123456789`, not `8.9e19`.

use std::collections::HashMap;

use minijinja::value::{Object, Value};

/// More digits than this do not survive as a floating-point number: such a number stays text.
const DIGITS: usize = 17;

/// How the numbers of a run were written, by the bits of their value.
#[derive(Debug, Default)]
pub(super) struct Written(HashMap<u64, Option<String>>);

impl Object for Written {}

impl Written {
    /// The number as it was written; `None` when it is another, or was written in two ways.
    pub(super) fn get(&self, number: f64) -> Option<&str> {
        self.0.get(&number.to_bits())?.as_deref()
    }

    /// A number in a template.
    pub(super) fn number(&mut self, text: &str) -> Value {
        if let Some(whole) = whole(text) {
            return whole;
        }
        let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
        let digits = mantissa.trim_start_matches(['-', '+', '0', '.']).bytes().filter(u8::is_ascii_digit).count();
        match fraction(text) {
            Some(number) if digits <= DIGITS => self.keep(number, text),
            _ => Value::from(text),
        }
    }

    /// A number that is compared: where its digits are too many, as near as a number comes.
    pub(super) fn comparable(&mut self, text: &str) -> Value {
        let as_fraction = |written: &mut Self| fraction(text).map(|number| written.keep(number, text));
        whole(text).or_else(|| as_fraction(self)).unwrap_or_else(|| Value::from(text))
    }

    fn keep(&mut self, number: f64, text: &str) -> Value {
        let known = self.0.entry(number.to_bits()).or_insert_with(|| Some(text.to_owned()));
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
            serde_json::Value::Number(number) => self.number(&number.to_string()),
            serde_json::Value::String(text) => Value::from(text),
            serde_json::Value::Array(items) => items.iter().map(|item| self.json(item)).collect(),
            serde_json::Value::Object(map) => {
                Value::from_pairs(map.iter().map(|(key, value)| (key.clone(), self.json(value))))
            }
        }
    }
}

/// A whole number that is written as it would be written again.
fn whole(text: &str) -> Option<Value> {
    text.parse::<i128>().ok().filter(|whole| whole.to_string() == text).map(Value::from)
}

/// Any other number; performance data may have a comma before its fraction.
fn fraction(text: &str) -> Option<f64> {
    text.replacen(',', ".", 1).parse::<f64>().ok().filter(|number| number.is_finite())
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
        for text in ["2.14159265358979323846", "1e999", "123456789012345678901234567890123456789012"] {
            assert_eq!(written.number(text).as_str(), Some(text));
        }
        let long = written.comparable("2.14159265358979323846");
        assert!(f64::try_from(long).is_ok_and(|number| number > 2.14), "compared, it is a number");
        written.number("1.1");
        assert_eq!(written.get(1.1), None, "written in two ways, it is shown as a number is");
    }
}
