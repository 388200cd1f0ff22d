//! Nagios performance data (monitoring-plugins developer guidelines, "Performance data" and "Plugin output").
//!
//! Before it: stdout of a plugin. After it: templates. What is malformed is left out, never an error: the guidelines
//! ask the same of every reader.

use super::Perfdata;

/// The performance data of a plugin's output: on the first line what follows the first bar; of the lines after it,
/// everything from the next bar on.
pub(super) fn parse(stdout: &str) -> Vec<Perfdata> {
    let (first, rest) = stdout.split_once('\n').unwrap_or((stdout, ""));
    let after_bar = |text| str::split_once(text, '|').map_or("", |(_, data)| data);
    [after_bar(first), after_bar(rest)].into_iter().flat_map(items).collect()
}

/// The items of a stretch of performance data.
fn items(mut data: &str) -> Vec<Perfdata> {
    let mut found = Vec::new();
    loop {
        data = data.trim_start();
        if data.is_empty() {
            return found;
        }
        let (label, rest) = label(data);
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (values, rest) = rest.split_at(end);
        if let Some(label) = label {
            found.extend(values.strip_prefix('=').and_then(|values| item(label, values)));
        }
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

/// `value[UOM];[warn];[crit];[min];[max]`.
fn item(label: String, values: &str) -> Option<Perfdata> {
    let mut fields = values.split(';');
    let first = fields.next()?;
    let (value, unit) = match first {
        "U" => (None, ""),
        _ => {
            let (number, unit) = first.split_at(number_length(first));
            (Some(number.parse().ok()?), unit)
        }
    };
    if !unit.chars().all(|c| c.is_alphabetic() || matches!(c, '%' | '/' | '°')) {
        return None;
    }
    let mut range = || fields.next().filter(|text| !text.is_empty());
    let (warn, crit, min, max) = (range(), range(), range(), range());
    Some(Perfdata {
        label,
        value,
        unit: unit.to_owned(),
        warn: warn.map(str::to_owned),
        crit: crit.map(str::to_owned),
        min: min.and_then(|text| text.parse().ok()),
        max: max.and_then(|text| text.parse().ok()),
    })
}

/// How many bytes of the start are a number: sign, digits with a point, and an exponent if it is a whole one.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
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
            .iter()
            .map(|p| format!("{}={:?} {} {:?} {:?} {:?} {:?}", p.label, p.value, p.unit, p.warn, p.crit, p.min, p.max))
            .map(|text| text.replace("None", "-").replace("Some(", "").replace([')', '"'], ""))
            .collect()
    }

    #[test]
    fn what_plugins_print() {
        for (output, items) in [
            ("DISK OK - free space: / 3326 MB | /=2643MB;5948;5958;0;5968", &["/=2643.0 MB 5948 5958 0.0 5968.0"][..]),
            ("OK|time=0.5s;;;0.0;10 size=12B", &["time=0.5 s - - 0.0 10.0", "size=12.0 B - - - -"]),
            (
                "LOAD OK | 'load 1'=0.010;5.000;10:20;0; it''s=1c 'it''s'=1c",
                &["load 1=0.01  5.000 10:20 0.0 -", "it''s=1.0 c - - - -", "it's=1.0 c - - - -"],
            ),
            ("OK | a=1\nlong text\nmore | b=2%\nc=3", &["a=1.0  - - - -", "b=2.0 % - - - -", "c=3.0  - - - -"]),
            ("OK | x=U;1;2", &["x=-  1 2 - -"]),
            ("OK | n=-3.5e2 w=@10:20", &["n=-350.0  - - - -"]),
            ("OK | a=1;~:5;@2:3", &["a=1.0  ~:5 @2:3 - -"]),
            ("no bar", &[]),
            ("bad | =1 a= b 'open=1", &[]),
            ("bad | a=0,5s b=.= c==1 'x'", &[]),
            ("", &[]),
        ] {
            assert_eq!(shown(output), items, "{output}");
        }
    }

    proptest! {
        #[test]
        fn nothing_printed_makes_it_panic(text in "[|='; \n0-9.eU%a-]{0,60}") {
            parse(&text);
        }
    }
}
