//! Calendars in which a day of the month and a day of the week are both restricted: what they mean, and what was likely meant.

use std::ops::Range;

use super::Cron;

/// The fields of a calendar of which either is enough.
#[derive(Debug)]
pub struct EitherDay<'c> {
    text: &'c str,
    fields: [&'c str; 5],
}

/// The days of the month that are its first to fourth week.
const WEEKS: [&str; 4] = ["1-7", "8-14", "15-21", "22-28"];

/// Which week of the month a day field is, from 1 on.
pub fn week_of_month(field: &str) -> Option<usize> {
    WEEKS.iter().position(|week| *week == field).map(|at| at + 1)
}

impl Cron {
    /// Its fields, where a day that either of two names will do.
    pub fn either_days(&self) -> Option<EitherDay<'_>> {
        let text = self.text();
        let fields: Vec<&str> = text.split_whitespace().collect();
        let fields = fields.try_into().ok()?;
        self.days.either.then_some(EitherDay { text, fields })
    }
}

impl EitherDay<'_> {
    /// On which days it is due.
    pub fn meaning(&self) -> String {
        let [_, _, day, _, weekday] = self.fields;
        format!("due on `{day}` of the month, and on every `{weekday}` as well")
    }

    /// The calendar of the days that both fields name, where these days are a week of the month: `0 9 * * Mon#1`.
    pub fn nth(&self) -> Option<String> {
        let [minute, hour, day, month, weekday] = self.fields;
        let week = week_of_month(day)?;
        let single = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let days: Vec<String> = weekday.split(',').map(|name| format!("{name}#{week}")).collect();
        let all = weekday.split(',').all(single);
        let instead = format!("{minute} {hour} * {month} {}", days.join(","));
        (all && Cron::parse(&instead).is_ok()).then_some(instead)
    }

    /// Where both fields stand in the text, from the first to the end of the second.
    pub fn place(&self) -> Range<usize> {
        let offset = |field: &str| field.as_ptr() as usize - self.text.as_ptr() as usize;
        let [_, _, day, _, weekday] = self.fields;
        offset(day)..offset(weekday) + weekday.len()
    }
}

#[cfg(test)]
mod tests {
    use crate::schedule::Cron;

    #[test]
    fn either_of_two_restricted_day_fields_is_enough_and_a_week_has_a_calendar_of_its_own() {
        for (text, found) in [
            ("0 9 1-7 * Mon", Some(Some("0 9 * * Mon#1"))),
            ("30 8  22-28 1-6 mon,5", Some(Some("30 8 * 1-6 mon#4,5#4"))),
            ("0 9 13 * Fri", Some(None)),
            ("0 9 1-7 * Mon-Wed", Some(None)),
            ("0 9 1-7 * 5L", Some(None)),
            ("0 9 */2 * Mon", None),
            ("0 9 1-7 * *", None),
            ("0 9 * * Mon#1", None),
            ("@weekly", None),
        ] {
            let cron = Cron::parse(text).expect("a calendar");
            let either = cron.either_days();
            let nth = either.as_ref().map(super::EitherDay::nth);
            assert_eq!(nth.as_ref().map(Option::as_deref), found, "{text}");
        }
        let cron = Cron::parse(" 0 9 1-7 * Mon ").expect("a calendar");
        let either = cron.either_days().expect("both are restricted");
        assert_eq!(&cron.text()[either.place()], "1-7 * Mon");
        assert_eq!(either.meaning(), "due on `1-7` of the month, and on every `Mon` as well");
    }
}
