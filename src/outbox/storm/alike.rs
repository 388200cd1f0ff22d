//! What the causes of several alerts have in common, in words that are true of each of them. Pure.
//!
//! Before it: causes that are the same but for numbers, times and the like. After it: what their line says.

use super::RANGES;
use crate::slack::units;

/// So many digits and more are an identifier, and no count.
const DIGITS: usize = 6;

/// A number that is not the same in all of them as the least and the greatest; where that says something else than what they
/// say, the first of them, and that others are like it.
pub(super) fn in_common(causes: &[&str]) -> String {
    let Some(first) = causes.first() else { return String::new() };
    // There is room for as much as the words of one.
    let fits = |text: &String| units(text) <= units(first) + RANGES;
    ranges(causes).filter(fits).unwrap_or_else(|| format!("{first} (and alike)"))
}

/// The words of all; those that differ as ranges.
fn ranges(causes: &[&str]) -> Option<String> {
    let all: Vec<Vec<&str>> = causes.iter().map(|cause| cause.split(' ').collect()).collect();
    let first = all.first()?;
    if all.iter().any(|words| words.len() != first.len()) {
        return None;
    }
    let mut out = Vec::new();
    // `1h 30m` is one number.
    let mut goes_on = false;
    for (at, word) in first.iter().enumerate() {
        let words: Vec<&str> = all.iter().map(|words| words[at]).collect();
        let ranged = words.iter().any(|other| other != word);
        if ranged && goes_on {
            return None;
        }
        out.push(if ranged { range(&words)? } else { (*word).to_owned() });
        goes_on = ranged && !word.ends_with([',', ';']);
    }
    Some(out.join(" "))
}

/// `91–97%`, `-3 to 5`.
fn range(words: &[&str]) -> Option<String> {
    let all = words.iter().map(|word| Counted::of(word)).collect::<Option<Vec<_>>>()?;
    let first = all.first()?;
    if all.iter().any(|other| (other.before, other.behind) != (first.before, first.behind)) {
        return None;
    }
    if first.is_in_name() && !follow_each_other(&all) {
        return None;
    }
    let least = all.iter().min_by(|one, other| one.value.total_cmp(&other.value))?;
    let most = all.iter().max_by(|one, other| one.value.total_cmp(&other.value))?;
    let between = if all.iter().any(|one| one.number.starts_with(['-', '+'])) { " to " } else { "–" };
    Some(format!("{}{}{between}{}{}", first.before, least.number, most.number, first.behind))
}

/// Whether they are all the numbers from the least to the greatest: `web-1–10` names ten.
fn follow_each_other(all: &[Counted<'_>]) -> bool {
    let mut values: Vec<f64> = all.iter().map(|one| one.value).collect();
    values.sort_by(f64::total_cmp);
    values.windows(2).all(|two| two[1] - two[0] <= 1.0)
}

/// A word with one number that counts or measures: no version, address, date or identifier.
struct Counted<'w> {
    before: &'w str,
    /// As it is written, with its sign, its thousands and its fraction.
    number: &'w str,
    behind: &'w str,
    value: f64,
}

impl<'w> Counted<'w> {
    fn of(word: &'w str) -> Option<Self> {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let begin = word.find(|c: char| c.is_ascii_digit())?;
        let whole = digits(&word[begin..]);
        let mut end = begin + whole;
        while whole <= 3 && word[end..].starts_with(',') && digits(&word[end + 1..]) == 3 {
            end += 4;
        }
        let fraction = word[end..].strip_prefix('.').map_or(0, digits);
        if fraction > 0 {
            end += 1 + fraction;
        }
        let before = &word[..begin];
        // `web-1` has no sign.
        let unsigned = before.strip_suffix(['-', '+']).filter(|rest| !rest.ends_with(char::is_alphanumeric));
        let before = unsigned.unwrap_or(before);
        let (number, behind) = (&word[before.len()..end], &word[end..]);
        let named = before.ends_with(char::is_alphabetic);
        let is_count = whole <= DIGITS && (whole == 1 || word.as_bytes()[begin] != b'0');
        let is_alone = !before.ends_with('.')
            && !behind.contains(char::is_numeric)
            && !(named && (behind.starts_with(char::is_alphabetic) || number.len() > whole));
        let value = number.replace(',', "").parse().ok()?;
        (is_count && is_alone).then_some(Self { before, number, behind, value })
    }

    /// Whether it is part of a name: `web-1`, `db1`.
    fn is_in_name(&self) -> bool {
        let name = self.before.trim_end_matches(['-', '_', '#']);
        name.ends_with(char::is_alphanumeric)
    }
}

#[cfg(test)]
mod tests {
    use super::in_common;

    #[test]
    fn numbers_that_count_are_joined_whole() {
        for (causes, shown) in [
            (["load average 4.2", "load average 4.9", "load average 4.5"], "load average 4.2–4.9"),
            (["backlog 1,204", "backlog 1,999", "backlog 999"], "backlog 999–1,999"),
            (["1,204,999 rows", "2,000,000 rows", "1,300,000 rows"], "1,204,999–2,000,000 rows"),
            (["room A is -3 C", "room A is 2 C", "room A is 5 C"], "room A is -3 to 5 C"),
            (["offset +0.5 s", "offset 0.4 s", "offset -0.9 s"], "offset -0.9 to +0.5 s"),
            (["10% loss", "9.5% loss", "100% loss"], "9.5–100% loss"),
            (["after 4.2s, 1 failure", "after 4.9s, 1 failure", "after 4.5s, 1 failure"], "after 4.2–4.9s, 1 failure"),
            (["after 42m, 3 failures", "after 40m, 4 failures", "after 41m, 3 failures"], "after 40–42m, 3–4 failures"),
            (["disk 1.5G of 2.0G", "disk 1.9G of 2.5G", "disk 1.1G of 9.9G"], "disk 1.1–1.9G of 2.0–9.9G"),
            (["web-1 down", "web-2 down", "web-3 down"], "web-1–3 down"),
            (["db1 down", "db3 down", "db2 down"], "db1–3 down"),
            (["exit code 3.", "exit code 1.", "exit code 2."], "exit code 1–3."),
        ] {
            assert_eq!(in_common(&causes), shown);
        }
    }

    #[test]
    fn what_is_no_count_is_named_by_one_of_them() {
        for causes in [
            ["v3.0.15 is old", "v3.0.17 is old", "v3.1.2 is old"],
            ["python3.9 is old", "python3.11 is old", "python3.10 is old"],
            ["10.0.0.1 down", "10.0.0.9 down", "10.0.0.20 down"],
            ["at 2026-12-01 03:00:01 fail", "at 2026-12-01 03:00:59 fail", "at 2026-12-01 03:01:00 fail"],
            ["backup of 2026-11-30", "backup of 2026-12-01", "backup of 2026-12-02"],
            ["took 1h 30m", "took 2h 10m", "took 3h 20m"],
            ["took 1m", "took 1m 3s", "took 9m"],
            ["took 900ms", "took 1.2s", "took 3s"],
            ["error 0x1f", "error 0x2a", "error 0xff"],
            ["1e3 rows", "2e9 rows", "3e1 rows"],
            ["12/40 done", "13/40 done", "14/41 done"],
            ["id 1234567", "id 7654321", "id 2345678"],
            ["run 007", "run 008", "run 012"],
            ["load 1,5", "load 1,7", "load 2,5"],
            ["x .5", "x .7", "x .9"],
            ["web-1 down", "web-2 down", "web-10 down"],
            ["db2 down", "db4 down", "db6 down"],
        ] {
            assert_eq!(in_common(&causes), format!("{} (and alike)", causes[0]));
        }
        assert_eq!(in_common(&["é1", "é2"]), "é1–2");
        assert_eq!(in_common(&["same", "same"]), "same");
    }
}
