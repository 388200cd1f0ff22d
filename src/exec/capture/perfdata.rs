//! Nagios performance data (monitoring-plugins developer guidelines, "Performance data" and "Plugin output").
//!
//! Before it: stdout of a plugin. After it: templates. What is malformed is never an error: the guidelines ask the same of every
//! reader. But it is told of. An entry whose value is no number stays, without a value, so that the others keep their places;
//! what is no `label=value` is left out.

use crate::exec::outcome::Perfdata;

/// The performance data of a plugin's output: on the first line what follows the first bar; of the lines after it,
/// everything from the next bar on.
pub(in crate::exec) fn parse(stdout: &str) -> Found {
    let (first, rest) = stdout.split_once('\n').unwrap_or((stdout, ""));
    let after_bar = |text| str::split_once(text, '|').map_or("", |(_, data)| data);
    let mut found = Found::default();
    for data in [after_bar(first), after_bar(rest)] {
        items(data, &mut found);
    }
    found
}

/// What was found.
#[derive(Debug, Default)]
pub(in crate::exec) struct Found {
    pub(in crate::exec) items: Vec<Perfdata>,
    /// Entries that are no `label=value`.
    malformed: Told,
    /// Entries whose value is no number.
    without_value: Told,
}

/// Entries that could not be understood: the first, and how many.
#[derive(Debug, Default)]
struct Told {
    first: Option<String>,
    count: usize,
}

impl Told {
    fn add(&mut self, written: &str) {
        self.count += 1;
        self.first.get_or_insert_with(|| written.to_owned());
    }

    /// In words: `x`, or `x` and 2 more.
    fn words(&self) -> Option<String> {
        let first: String = self.first.as_ref()?.chars().take(60).collect();
        let more = self.count - 1;
        Some(if more == 0 { format!("`{first}`") } else { format!("`{first}` and {more} more") })
    }
}

impl Found {
    /// What could not be understood, in a sentence for each kind.
    pub(in crate::exec) fn notes(&self) -> Vec<String> {
        let are = |told: &Told| if told.count == 1 { "is" } else { "are" };
        let malformed = self.malformed.words().map(|words| {
            let are = are(&self.malformed);
            format!("performance data left out: {words} {are} not `label=value`")
        });
        let without_value = self.without_value.words().map(|words| {
            let is_none =
                if self.without_value.count == 1 { "the value is no number" } else { "the values are no numbers" };
            format!("performance data without a value: of {words} {is_none}")
        });
        malformed.into_iter().chain(without_value).collect()
    }

    fn add(&mut self, label: Option<String>, values: Option<&str>, written: &str) {
        let (Some(label), Some(values)) = (label, values) else { return self.malformed.add(written) };
        let (item, is_understood) = item(label, values);
        if !is_understood {
            self.without_value.add(written);
        }
        self.items.push(item);
    }
}

/// The items of a stretch of performance data.
fn items(mut data: &str, found: &mut Found) {
    loop {
        data = data.trim_start();
        if data.is_empty() {
            return;
        }
        let (label, rest) = label(data);
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (values, rest) = rest.split_at(end);
        let written = data[..data.len() - rest.len()].trim_end();
        found.add(label, values.strip_prefix('='), written);
        data = rest;
    }
}

/// The label at the start, quotes taken off, and what follows it. Without a closing quote, or with nothing in it, there
/// is none.
fn label(data: &str) -> (Option<String>, &str) {
    let Some(quoted) = data.strip_prefix('\'') else {
        let end = data.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(data.len());
        let (label, rest) = data.split_at(end);
        return ((!label.is_empty()).then(|| label.to_owned()), rest);
    };
    let mut label = String::new();
    let mut rest = quoted;
    while let Some((part, after)) = rest.split_once('\'') {
        label.push_str(part);
        match after.strip_prefix('\'') {
            // Two quotes are one that belongs to the label.
            Some(after) => {
                label.push('\'');
                rest = after;
            }
            None => return ((!label.is_empty()).then_some(label), after),
        }
    }
    (None, "")
}

/// `value[UOM];[warn];[crit];[min];[max]`, and whether its value is a number, or `U`, for one that could not be determined.
fn item(label: String, values: &str) -> (Perfdata, bool) {
    let mut fields = values.split(';').map(|field| Some(field).filter(|text| !text.is_empty()));
    let first = fields.next().flatten().unwrap_or_default();
    let (written, unit) = first.split_at(number_length(first));
    let is_unit = unit.chars().all(|c| c.is_alphabetic() || matches!(c, '%' | '/' | '°'));
    let value = number(written).filter(|_| is_unit);
    let unit = if value.is_some() { unit } else { "" };
    let is_understood = value.is_some() || first == "U";
    let mut range = || fields.next().flatten();
    let (warn, crit, min, max) = (range(), range(), range(), range());
    let item = Perfdata {
        label,
        value,
        unit: unit.to_owned(),
        warn: warn.map(str::to_owned),
        crit: crit.map(str::to_owned),
        min: min.and_then(number),
        max: max.and_then(number),
    };
    (item, is_understood)
}

/// A number as it is written. Where the locale says so, plugins write a comma before the fraction.
fn number(text: &str) -> Option<String> {
    let number = text.replacen(',', ".", 1).parse::<f64>().ok()?;
    (number.is_finite() && text.bytes().any(|byte| byte.is_ascii_digit())).then(|| text.to_owned())
}

/// How many bytes of the start are a number: sign, digits with a point or a comma, and an exponent if it is a whole one.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits =
        |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b',')).count();
    let sign = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    let mantissa = sign + digits(sign);
    if matches!(bytes.get(mantissa), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(mantissa + 1), Some(b'-' | b'+')));
        let exponent = bytes[mantissa + 1 + sign..].iter().take_while(|b| b.is_ascii_digit()).count();
        if exponent > 0 {
            return mantissa + 1 + sign + exponent;
        }
    }
    mantissa
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::parse;

    /// Each item as `label=value unit [warn crit min max]`.
    fn shown(output: &str) -> Vec<String> {
        parse(output)
            .items
            .iter()
            .map(|p| format!("{}={:?} {} {:?} {:?} {:?} {:?}", p.label, p.value, p.unit, p.warn, p.crit, p.min, p.max))
            .map(|text| text.replace("None", "-").replace("Some(", "").replace([')', '"'], ""))
            .collect()
    }

    #[test]
    fn what_plugins_print() {
        for (output, items) in [
            ("DISK OK - free space: / 3326 MB | /=2643MB;5948;5958;0;5968", &["/=2643 MB 5948 5958 0 5968"][..]),
            ("OK|time=0.5s;;;0.0;10 size=12B", &["time=0.5 s - - 0.0 10", "size=12 B - - - -"]),
            (
                "LOAD OK | 'load 1'=0.010;5.000;10:20;0; it''s=1c 'it''s'=1c",
                &["load 1=0.010  5.000 10:20 0 -", "it''s=1 c - - - -", "it's=1 c - - - -"],
            ),
            ("OK | a=1\nlong text\nmore | b=2%\nc=3", &["a=1  - - - -", "b=2 % - - - -", "c=3  - - - -"]),
            ("OK | x=U;1;2", &["x=-  1 2 - -"]),
            ("OK | n=-3.5e2 w=@10:20", &["n=-3.5e2  - - - -", "w=-  - - - -"]),
            ("OK | a=1;~:5;@2:3", &["a=1  ~:5 @2:3 - -"]),
            ("no bar", &[]),
            ("bad | =1 a= b 'open=1", &["a=-  - - - -"]),
            (
                "OK | a=0,123s;0,5;;0,0 b=20,% c=0.10 d=12085620736B",
                &["a=0,123 s 0,5 - 0,0 -", "b=20, % - - - -", "c=0.10  - - - -", "d=12085620736 B - - - -"],
            ),
            (
                "bad | a=1,000,000;5 b=.= c==1 'x' d=inf e=, f=;;;0 g=7",
                &[
                    "a=-  5 - - -",
                    "b=-  - - - -",
                    "c=-  - - - -",
                    "d=-  - - - -",
                    "e=-  - - - -",
                    "f=-  - - 0 -",
                    "g=7  - - - -",
                ],
            ),
            ("OK | cpu_pct=NaN uptime_s=86400", &["cpu_pct=-  - - - -", "uptime_s=86400  - - - -"]),
            ("", &[]),
        ] {
            assert_eq!(shown(output), items, "{output}");
        }
    }

    #[test]
    fn what_is_not_understood_is_told_of() {
        for (output, notes) in [
            ("OK | a=1 b=2 c=U", &[][..]),
            ("no bar", &[]),
            ("OK | a=0,5s b=1", &[]),
            ("OK | a=1,2,3 b=1", &["performance data without a value: of `a=1,2,3` the value is no number"]),
            ("OK | cpu_pct=NaN up=1", &["performance data without a value: of `cpu_pct=NaN` the value is no number"]),
            (
                "OK | source=cli a= b=1",
                &["performance data without a value: of `source=cli` and 1 more the values are no numbers"],
            ),
            ("OK | a = 1", &["performance data left out: `a` and 2 more are not `label=value`"]),
            (
                "OK | x=inf 'open=1",
                &[
                    "performance data left out: `'open=1` is not `label=value`",
                    "performance data without a value: of `x=inf` the value is no number",
                ],
            ),
        ] {
            assert_eq!(parse(output).notes(), notes, "{output}");
        }
    }

    proptest! {
        /// Whatever is printed: nothing panics, no value is made up, and nothing is left out without a word.
        #[test]
        fn nothing_printed_makes_it_panic(text in "[|='; \n0-9.eU%a-]{0,60}") {
            let found = parse(&text);
            prop_assert!(found.items.iter().all(|item| !item.label.is_empty()));
            let data = text.contains('|') && !text.split_once('|').is_some_and(|(_, data)| data.trim_matches(|c: char| c.is_whitespace() || c == '|').is_empty());
            prop_assert!(data || found.items.is_empty());
        }
    }
}
