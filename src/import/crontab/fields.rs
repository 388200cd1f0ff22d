//! The five fields of a cron line: what cron would take, written so that `cron` takes it too.

/// A time of which cron draws a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Random {
    /// The same with the earliest time that cron may draw.
    pub(super) earliest: String,
    /// Minutes from that to the last one.
    pub(super) minutes: u64,
}

/// One of the five fields.
struct Field {
    name: &'static str,
    low: u32,
    high: u32,
    /// From one value to the next, at most.
    minutes: u64,
    /// Names of values, the first of which stands for `named_from`.
    names: &'static [&'static str],
    named_from: u32,
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", low: 0, high: 59, minutes: 1, names: &[], named_from: 0 },
    Field { name: "hour", low: 0, high: 23, minutes: 60, names: &[], named_from: 0 },
    Field { name: "day of month", low: 1, high: 31, minutes: 1_440, names: &[], named_from: 0 },
    Field {
        name: "month",
        low: 1,
        high: 12,
        minutes: 31 * 1_440,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
        named_from: 1,
    },
    Field {
        name: "day of week",
        low: 0,
        high: 7,
        minutes: 1_440,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
        named_from: 0,
    },
];

/// Five fields as `cron` takes them. `seed` picks the value of a random range (`A~B`), which cron draws anew whenever it
/// reads the file: here it is drawn once. The answer tells what else cron may draw.
pub(super) fn read(fields: [&str; 5], seed: &str) -> Result<(String, Option<Random>), String> {
    let (mut words, mut earliest, mut minutes) = (Vec::with_capacity(5), Vec::with_capacity(5), 0);
    for (field, text) in FIELDS.iter().zip(fields) {
        let (mut drawn, mut first) = (Vec::new(), Vec::new());
        for item in text.split(',') {
            match field.random(item)? {
                Some((from, to)) => {
                    drawn.push((from + draw(seed, field.name) % (to - from + 1)).to_string());
                    first.push(from.to_string());
                    minutes += u64::from(to - from) * field.minutes;
                }
                None => {
                    drawn.push(field.item(item)?);
                    first.extend(drawn.last().cloned());
                }
            }
        }
        words.push(drawn.join(","));
        earliest.push(first.join(","));
    }
    let random = (minutes > 0).then(|| Random { earliest: earliest.join(" "), minutes });
    Ok((words.join(" "), random))
}

impl Field {
    /// The ends of a random range; nothing where the item is none.
    fn random(&self, item: &str) -> Result<Option<(u32, u32)>, String> {
        let Some((from, to)) = item.split_once('~') else { return Ok(None) };
        if item.contains('/') {
            return Err(format!("{}: `{item}`: a random range with a step has no equivalent", self.name));
        }
        let from = if from.is_empty() { self.low } else { self.value(from)?.0 };
        let to = if to.is_empty() { self.last() } else { self.value(to)?.0 };
        if from > to {
            return Err(self.backwards(item));
        }
        Ok(Some((from, to)))
    }

    fn item(&self, item: &str) -> Result<String, String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let step = step.map(|step| self.step(step)).transpose()?;
        let (base, low, high) = if range == "*" {
            ("*".to_owned(), self.low, self.last())
        } else if let Some((from, to)) = range.split_once('-') {
            let ((low, from), (high, to)) = (self.value(from)?, self.value(to)?);
            if low > high {
                return Err(self.backwards(range));
            }
            (format!("{from}-{to}"), low, high)
        } else {
            let (value, written) = self.value(range)?;
            if step.is_some() {
                return Err(format!("{}: `{item}`: a step needs a range, such as `{value}-{}`", self.name, self.high));
            }
            (written, value, value)
        };
        Ok(match step {
            // A step past the end leaves only the first value.
            Some(step) if low + step > high => low.to_string(),
            Some(1) | None => base,
            Some(step) => format!("{base}/{step}"),
        })
    }

    /// The last value that `*` stands for: Sunday is 0 and need not come twice.
    fn last(&self) -> u32 {
        if self.high == 7 { 6 } else { self.high }
    }

    fn step(&self, text: &str) -> Result<u32, String> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let step = text.parse::<u32>().ok().filter(|&step| digits && step > 0);
        step.map(|step| step.min(1_000)).ok_or_else(|| format!("{}: `{text}` is no step", self.name))
    }

    /// A value, and how it is written: a number without leading zeros, or its name.
    fn value(&self, text: &str) -> Result<(u32, String), String> {
        let known = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        if let Some(at) = known {
            let value = self.named_from + u32::try_from(at).unwrap_or(0);
            return Ok((value, self.names[at].to_owned()));
        }
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let value = text.parse::<u32>().ok().filter(|value| digits && (self.low..=self.high).contains(value));
        match value {
            Some(value) => Ok((value, value.to_string())),
            None => Err(format!("{}: `{text}` is not between {} and {}", self.name, self.low, self.high)),
        }
    }

    fn backwards(&self, range: &str) -> String {
        format!("{}: `{range}` runs backwards, which cron does not take", self.name)
    }
}

/// A number from a text, the same on every machine (FNV-1a).
fn draw(seed: &str, field: &str) -> u32 {
    let start = 0x811c_9dc5_u32;
    let hash = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    field.bytes().chain(seed.bytes()).fold(start, hash)
}

#[cfg(test)]
mod tests {
    use super::{Random, read};

    fn fields(line: &str) -> Result<(String, Option<Random>), String> {
        let fields: Vec<_> = line.split_whitespace().collect();
        read(fields.try_into().expect("five fields in the table"), "seed")
    }

    #[test]
    fn what_cron_takes_is_taken() {
        for (given, written) in [
            ("*/5 * * * *", "*/5 * * * *"),
            ("09,39 * * * *", "9,39 * * * *"),
            ("5-55/10 7-23 * * *", "5-55/10 7-23 * * *"),
            ("0 0 1,15 JAN-Mar mon-FRI", "0 0 1,15 jan-mar mon-fri"),
            ("0 0 * * 7", "0 0 * * 7"),
            ("18 */3 * * 0-7", "18 */3 * * 0-7"),
            ("*/90 */1 * * *", "0 * * * *"),
            ("10-20/40 * * * *", "10 * * * *"),
            ("10-50/40 * * * *", "10-50/40 * * * *"),
        ] {
            assert_eq!(fields(given), Ok((written.to_owned(), None)), "{given}");
        }
    }

    #[test]
    fn what_cron_refuses_is_refused_with_the_field_and_the_reason() {
        for (given, why) in [
            ("60 * * * *", "minute: `60` is not between 0 and 59"),
            ("* 24 * * *", "hour: `24` is not between 0 and 23"),
            ("* * 0 * *", "day of month: `0` is not between 1 and 31"),
            ("* * * 13 *", "month: `13` is not between 1 and 12"),
            ("* * * * 8", "day of week: `8` is not between 0 and 7"),
            ("* * * * someday", "day of week: `someday` is not between 0 and 7"),
            ("*/0 * * * *", "minute: `0` is no step"),
            ("* 22-4 * * *", "hour: `22-4` runs backwards, which cron does not take"),
            ("5/15 * * * *", "minute: `5/15`: a step needs a range, such as `5-59`"),
            ("+5 * * * *", "minute: `+5` is not between 0 and 59"),
            ("1,,2 * * * *", "minute: `` is not between 0 and 59"),
            ("99999999999 * * * *", "minute: `99999999999` is not between 0 and 59"),
        ] {
            assert_eq!(fields(given), Err(why.to_owned()), "{given}");
        }
    }

    #[test]
    fn a_random_range_is_drawn_once_and_stays() {
        let (first, random) = fields("0~59 3~5 ~ ~ ~").expect("cronie takes random ranges");
        let minutes = 59 + 2 * 60 + 30 * 1_440 + 11 * 31 * 1_440 + 6 * 1_440;
        assert_eq!(random, Some(Random { earliest: "0 3 1 1 0".to_owned(), minutes }));
        assert_eq!(fields("0~59 3~5 ~ ~ ~"), Ok((first.clone(), random)));
        let values: Vec<u32> = first.split(' ').map(|value| value.parse().expect("a number")).collect();
        assert!(values[0] <= 59 && (3..=5).contains(&values[1]) && (1..=31).contains(&values[2]), "{first}");
        assert!((1..=12).contains(&values[3]) && values[4] <= 6, "{first}");
    }
}
