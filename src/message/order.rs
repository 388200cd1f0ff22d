//! Which values have an order: what `<`, `<=`, `>` and `>=` may be asked of in a condition.
//!
//! Before it: two values, or a text that is written in an expression. After it: `conditions`, which compares nothing else, and
//! `comparisons`, which finds before any run what never can be. Pure.

use minijinja::value::{Value, ValueKind};

/// Whether the kinds of two values have an order: of a number and a text, of nothing, of lists and of tables, nobody can say which
/// is the greater.
pub(super) fn have_order(left: &Value, right: &Value) -> bool {
    let is_number = |value: &Value| !f64::try_from(value.clone()).is_ok_and(f64::is_nan);
    match left.kind() {
        kind if kind != right.kind() => false,
        ValueKind::Number => is_number(left) && is_number(right),
        ValueKind::String | ValueKind::Bool => true,
        _ => false,
    }
}

/// Why two values cannot be compared that are texts: letter by letter, "100%" is less than "90%".
pub(super) fn why_not_as_text(left: &Value, right: &Value) -> Option<String> {
    let (left, right) = (left.as_str()?.trim(), right.as_str()?.trim());
    if let Some(number) = [left, right].into_iter().find_map(NumberInText::of) {
        return Some(format!("both are text; write `{}`", number.filters()));
    }
    let as_digits = begins_like_a_number(left) && begins_like_a_number(right);
    let alike = begins_with_a_date(left) && begins_with_a_date(right) || shape(left).eq(shape(right));
    (as_digits && !alike).then(|| "both are text, and their digits stand at different places".to_owned())
}

/// A text that is a number, perhaps with a unit: `90`, `9.5 GB`, `100%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumberInText<'t> {
    pub(super) number: &'t str,
    /// The unit, with the blanks before it.
    unit: &'t str,
}

impl<'t> NumberInText<'t> {
    pub(super) fn of(text: &'t str) -> Option<Self> {
        let text = text.trim();
        if !begins_like_a_number(text) {
            return None;
        }
        let is_part = |c: char| c.is_ascii_digit() || c == '.';
        let sign = usize::from(text.starts_with(['-', '+']));
        let end = text[sign..].find(|c: char| !is_part(c)).map_or(text.len(), |end| sign + end);
        let (number, unit) = text.split_at(end);
        let of_unit = |c: char| c.is_alphabetic() || matches!(c, '%' | '°' | '/');
        // With two points it is a version or an address, and with a blank in its unit it is a sentence.
        let is_one = number.matches('.').count() < 2 && unit.trim_start().chars().all(of_unit);
        is_one.then_some(Self { number, unit })
    }

    /// The filters that make a number of such a text.
    pub(super) fn filters(&self) -> String {
        match (self.unit, self.number.contains('.')) {
            ("", true) => "| float".to_owned(),
            ("", false) => "| int` or `| float".to_owned(),
            (unit, _) => format!("| replace('{unit}', '') | float"),
        }
    }
}

fn begins_like_a_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.strip_prefix('.').unwrap_or(digits).starts_with(|c: char| c.is_ascii_digit())
}

/// `2026-11-28`, and what follows it.
fn begins_with_a_date(text: &str) -> bool {
    let date = |(at, byte): (usize, &u8)| if matches!(at, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() };
    text.len() >= 10 && text.as_bytes()[..10].iter().enumerate().all(date)
}

/// Where a text has digits, and what stands between them.
fn shape(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c })
}

#[cfg(test)]
mod tests {
    use minijinja::value::Value;

    use super::{NumberInText, have_order, why_not_as_text};

    #[test]
    fn what_has_no_value_and_what_has_many_is_neither_less_nor_greater() {
        let table = || Value::from_pairs([("a", 1)]);
        for value in [Value::from(()), Value::UNDEFINED, Value::from(vec![1]), table(), Value::from(f64::NAN)] {
            assert!(!have_order(&value, &value), "{value:?}");
        }
        for value in [Value::from(1), Value::from(0.5), Value::from("x"), Value::from(true)] {
            assert!(have_order(&value, &value), "{value:?}");
            assert!(!have_order(&value, &Value::from(())), "{value:?}");
        }
    }

    #[test]
    fn numbers_within_text_are_not_compared_letter_by_letter() {
        let numbers = "both are text; write `| int` or `| float`";
        let places = "both are text, and their digits stand at different places";
        for (left, right, why) in [
            ("100", "90", Some(numbers)),
            ("95", "90", Some(numbers)),
            ("9.5", "10", Some("both are text; write `| float`")),
            (" 100%\n", "90%", Some("both are text; write `| replace('%', '') | float`")),
            ("9 GB", "10 GB", Some("both are text; write `| replace(' GB', '') | float`")),
            ("-3°C", "+10°C", Some("both are text; write `| replace('°C', '') | float`")),
            ("1,204", "1,090,000", Some(places)),
            (".5", "n/a", Some("both are text; write `| float`")),
            ("", "90", Some(numbers)),
            ("9:30", "12:30", Some(places)),
            ("1.10.0", "1.9.0", Some(places)),
            ("9 of 10 nodes", "10 of 10 nodes", Some(places)),
            ("2026-11-28", "2026-12-01", None),
            ("2026-11-28", "2026-11-28T12:30:00Z", None),
            ("12:30", "09:15", None),
            ("1.8.0", "1.9.0", None),
            ("20 of 99", "30 of 99", None),
            ("web-10", "web-9", None),
            ("b", "a", None),
            ("2026-11-28", "", None),
        ] {
            let [one, other] = [left, right].map(Value::from);
            assert_eq!(why_not_as_text(&one, &other).as_deref(), why, "{left} {right}");
            assert_eq!(why_not_as_text(&other, &one).is_some(), why.is_some(), "{right} {left}");
        }
        assert_eq!(why_not_as_text(&Value::from(1), &Value::from(2)), None);
    }

    #[test]
    fn a_number_within_a_text_is_known_from_a_date_a_time_and_a_version() {
        for (text, number) in [("90%", Some("90")), ("+1.5 s", Some("+1.5")), ("-7", Some("-7"))] {
            assert_eq!(NumberInText::of(text).map(|found| found.number), number, "{text}");
        }
        for text in ["2026-11-28", "12:30", "1.9.0", "5 apples are red", "x1", "", "-", "%"] {
            assert_eq!(NumberInText::of(text), None, "{text}");
        }
    }
}
