//! A calendar in words: `daily at 03:00`, `Mondays at 06:30`, `every 5m`. Pure.
//!
//! Before it: the calendar's sets. After it: `describe`, for lists, messages and the page. What has no short form in words
//! is shown as it was written: words that leave something out would be wrong.

use super::{Cron, Days, bits, low_bit};

/// Days of the week from Sunday on.
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const WHOLE_WEEKDAYS: [&str; 7] = ["Sundays", "Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays"];

/// So many times of a day are named one by one.
const MOST_TIMES: u32 = 4;

const ALL_HOURS: u32 = (1 << 24) - 1;
const ALL_MONTHS: u16 = ((1 << 12) - 1) << 1;
const ALL_DAYS: u32 = u32::MAX << 1;
const ALL_WEEK: u8 = (1 << 7) - 1;

/// When within a day.
enum Times {
    /// `at 03:00, 15:00`.
    At(String),
    /// `every 5m`, and `09:00-18:00` where that is not all day.
    Every(String, Option<String>),
}

/// The words for a calendar; none where it has no short form.
pub(super) fn words(cron: &Cron) -> Option<String> {
    if cron.month != ALL_MONTHS {
        return None;
    }
    let days = days(&cron.days)?;
    Some(match (times(cron.minute, cron.hour)?, days) {
        (Times::At(times), None) => format!("daily {times}"),
        (Times::At(times), Some(days)) => format!("{days} {times}"),
        (Times::Every(every, hours), days) => {
            let when: Vec<String> = days.into_iter().chain(hours).collect();
            if when.is_empty() { every } else { format!("{every}, {}", when.join(" ")) }
        }
    })
}

/// The days, unless it is every day: `Some(None)`.
fn days(days: &Days) -> Option<Option<String>> {
    let plain = Days { of_month: days.of_month, of_week: days.of_week, either: days.either, ..Days::default() };
    if *days != plain {
        return None;
    }
    let (any_day, any_weekday) = (days.of_month == ALL_DAYS, days.of_week == ALL_WEEK);
    match (any_day, any_weekday) {
        (true, true) => Some(None),
        // Where either field is enough, one that has all of its days makes it every day.
        (true, _) | (_, true) if days.either => Some(None),
        (true, false) => Some(Some(weekdays(days.of_week))),
        (false, true) if days.of_month.count_ones() == 1 => {
            Some(Some(format!("on day {} of the month", low_bit(days.of_month.into()))))
        }
        _ => None,
    }
}

/// `Mondays`, `Mon-Fri`, `Mon, Wed, Fri`: the week begins on Monday.
fn weekdays(set: u8) -> String {
    let of_week = |day: usize| day % 7;
    let days: Vec<usize> = (1..=7).filter(|day| set >> of_week(*day) & 1 == 1).collect();
    let name = |day: &usize| WEEKDAYS[of_week(*day)];
    match days.as_slice() {
        [one] => WHOLE_WEEKDAYS[of_week(*one)].to_owned(),
        [first, .., last] if days.len() > 2 && last - first + 1 == days.len() => {
            format!("{}-{}", name(first), name(last))
        }
        all => all.iter().map(name).collect::<Vec<_>>().join(", "),
    }
}

/// The step of values that begin with `first` and go on to the end of what holds `size` of them.
fn step(set: u64, size: u32) -> Option<u32> {
    let count = set.count_ones();
    let step = size.checked_div(count).filter(|step| step * count == size)?;
    (0..count).all(|index| set >> (index * step) & 1 == 1).then_some(step)
}

fn times(minutes: u64, hours: u32) -> Option<Times> {
    let minute = (minutes.count_ones() == 1).then(|| low_bit(minutes));
    if let Some(minute) = minute.filter(|_| hours.count_ones() <= MOST_TIMES) {
        let all: Vec<String> = bits(hours).map(|hour| format!("{hour:02}:{minute:02}")).collect();
        return Some(Times::At(format!("at {}", all.join(", "))));
    }
    // `every 6h` is on the hour.
    if let (Some(0), Some(hours)) = (minute, step(hours.into(), 24).filter(|step| *step > 1)) {
        return Some(Times::Every(format!("every {hours}h"), None));
    }
    let every = match (minute, step(minutes, 60)) {
        (Some(0), _) => "hourly".to_owned(),
        (Some(minute), _) => format!("hourly at minute {minute}"),
        (None, Some(step)) => format!("every {step}m"),
        (None, None) => return None,
    };
    let (first, last) = (hours.trailing_zeros(), 32 - hours.leading_zeros());
    let is_row = last - first == hours.count_ones();
    match hours {
        ALL_HOURS => Some(Times::Every(every, None)),
        // As in `working_hours`, the end is out: the hour before it is the last in which it runs.
        _ if is_row => Some(Times::Every(every, Some(format!("{first:02}:00-{last:02}:00")))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Cron;

    #[test]
    fn a_calendar_in_words_where_words_say_all_of_it() {
        for (text, words) in [
            ("0 3 * * *", "daily at 03:00"),
            ("@daily", "daily at 00:00"),
            ("@hourly", "hourly"),
            ("@weekly", "Sundays at 00:00"),
            ("@monthly", "on day 1 of the month at 00:00"),
            ("30 6 * * MON", "Mondays at 06:30"),
            ("30 6 * * 1-5", "Mon-Fri at 06:30"),
            ("30 6 * * 6,0", "Sat, Sun at 06:30"),
            ("30 6 * * 1,3,7", "Mon, Wed, Sun at 06:30"),
            ("0 3,15 * * *", "daily at 03:00, 15:00"),
            ("*/5 * * * *", "every 5m"),
            ("* * * * *", "every 1m"),
            ("0-59/15 * * * *", "every 15m"),
            ("*/5 9-17 * * 1-5", "every 5m, Mon-Fri 09:00-18:00"),
            ("17 * * * *", "hourly at minute 17"),
            ("0 9-17 * * *", "hourly, 09:00-18:00"),
            ("17 18-23 * * 1-5", "hourly at minute 17, Mon-Fri 18:00-24:00"),
            ("0 */2 * * *", "every 2h"),
            ("0 */6 * * *", "daily at 00:00, 06:00, 12:00, 18:00"),
            ("0 0 1-31 * 1", "daily at 00:00"),
            ("0 0 13 * 0-6", "daily at 00:00"),
            ("0 0 1-31 * *", "daily at 00:00"),
            ("15 4 1 * *", "on day 1 of the month at 04:15"),
        ] {
            assert_eq!(Cron::parse(text).expect("a calendar").words(), words, "{text}");
        }
        for raw in [
            "@yearly",
            "0 0 1 1 *",
            "0 3 1 * 1",
            "0 3 L * *",
            "0 3 15W * *",
            "0 3 * * MON#1",
            "0 3 1,15 * *",
            "*/7 * * * *",
            "5,35 * * * *",
            "*/5 1,9,17,20,22 * * *",
            "0 1-23/3 * * *",
        ] {
            assert_eq!(Cron::parse(raw).expect("a calendar").words(), format!("cron {raw}"));
        }
    }
}
