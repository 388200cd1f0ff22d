use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::Cron;

fn cron(text: &str) -> Cron {
    Cron::parse(text).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"))
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("tests need the time zones of the machine")
}

fn utc(text: &str) -> Timestamp {
    format!("{text}Z").parse().expect("a time")
}

/// The instants after `from` as wall times with offset, one line each.
fn told(text: &str, name: &str, from: &str, count: usize) -> Vec<String> {
    let (cron, zone, mut at) = (cron(text), zone(name), utc(from));
    let mut lines = Vec::new();
    while lines.len() < count
        && let Some(next) = cron.next_after(at, &zone)
    {
        lines.push(next.to_zoned(zone.clone()).strftime("%a %F %H:%M %z").to_string());
        at = next;
    }
    lines
}

#[test]
fn what_a_calendar_says() {
    for (text, expected) in [
        ("0 3 * * *", &["Thu 2026-01-01 03:00", "Fri 2026-01-02 03:00"][..]),
        ("*/20 * * * *", &["Thu 2026-01-01 00:20", "Thu 2026-01-01 00:40", "Thu 2026-01-01 01:00"]),
        ("5,35 8-9 * * *", &["Thu 2026-01-01 08:05", "Thu 2026-01-01 08:35", "Thu 2026-01-01 09:05"]),
        ("0 22-2/2 * * *", &["Thu 2026-01-01 02:00", "Thu 2026-01-01 22:00", "Fri 2026-01-02 00:00"]),
        ("50-59/10,0-10/10 6 * * *", &["Thu 2026-01-01 06:00", "Thu 2026-01-01 06:10", "Thu 2026-01-01 06:50"]),
        ("0 9 * * MON-fri", &["Thu 2026-01-01 09:00", "Fri 2026-01-02 09:00", "Mon 2026-01-05 09:00"]),
        ("0 9 * * FRI-MON", &["Fri 2026-01-02 09:00", "Sat 2026-01-03 09:00", "Sun 2026-01-04 09:00"]),
        ("0 9 * * 0", &["Sun 2026-01-04 09:00", "Sun 2026-01-11 09:00"]),
        ("0 9 * * 7", &["Sun 2026-01-04 09:00", "Sun 2026-01-11 09:00"]),
        ("0 9 * * 6-7", &["Sat 2026-01-03 09:00", "Sun 2026-01-04 09:00", "Sat 2026-01-10 09:00"]),
        ("0 9 * * sunday", &["Sun 2026-01-04 09:00"]),
        ("0 0 1 NOV-FEB *", &["Sun 2026-02-01 00:00", "Sun 2026-11-01 00:00", "Tue 2026-12-01 00:00"]),
        ("0 0 L * *", &["Sat 2026-01-31 00:00", "Sat 2026-02-28 00:00", "Tue 2026-03-31 00:00"]),
        ("0 0 L-3 * *", &["Wed 2026-01-28 00:00", "Wed 2026-02-25 00:00"]),
        ("0 0 L 2 *", &["Sat 2026-02-28 00:00", "Sun 2027-02-28 00:00", "Tue 2028-02-29 00:00"]),
        ("0 0 15W * *", &["Thu 2026-01-15 00:00", "Mon 2026-02-16 00:00", "Mon 2026-03-16 00:00"]),
        ("0 0 1W 8 *", &["Mon 2026-08-03 00:00"]),
        ("0 0 31W 5 *", &["Fri 2026-05-29 00:00"]),
        ("0 0 LW * *", &["Fri 2026-01-30 00:00", "Fri 2026-02-27 00:00", "Tue 2026-03-31 00:00"]),
        ("0 0 * * 5L", &["Fri 2026-01-30 00:00", "Fri 2026-02-27 00:00"]),
        ("0 0 * * friL", &["Fri 2026-01-30 00:00"]),
        ("0 0 * * MON#2", &["Mon 2026-01-12 00:00", "Mon 2026-02-09 00:00"]),
        ("0 0 * * 7#5", &["Sun 2026-03-29 00:00", "Sun 2026-05-31 00:00"]),
        // Both day fields restricted: either; one that begins with a star: both.
        ("0 0 13 * FRI", &["Fri 2026-01-02 00:00", "Fri 2026-01-09 00:00", "Tue 2026-01-13 00:00"]),
        ("0 0 */2 * FRI", &["Fri 2026-01-09 00:00", "Fri 2026-01-23 00:00"]),
        ("0 0 29 2 *", &["Tue 2028-02-29 00:00", "Sun 2032-02-29 00:00"]),
        ("@hourly", &["Thu 2026-01-01 01:00", "Thu 2026-01-01 02:00"]),
        ("@midnight", &["Fri 2026-01-02 00:00"]),
        ("@Weekly", &["Sun 2026-01-04 00:00"]),
        ("@monthly", &["Sun 2026-02-01 00:00"]),
        ("@annually", &["Fri 2027-01-01 00:00"]),
        ("0 0 31 2 *", &[]),
        ("* * 30 FEB *", &[]),
        ("0 0 31W 4,6,9,11 *", &[]),
    ] {
        let count = expected.len().max(1);
        let told: Vec<String> =
            told(text, "UTC", "2026-01-01T00:00", count).into_iter().map(|line| line.replace(" +0000", "")).collect();
        assert_eq!(told, expected, "{text}");
    }
}

#[test]
fn both_daylight_saving_nights() {
    for (text, name, from, expected) in [
        // Berlin, forward: 02:00 becomes 03:00. What is skipped runs right after the gap, once.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00",
            &["Sun 2026-03-29 03:00 +0200", "Mon 2026-03-30 02:30 +0200"][..],
        ),
        (
            "0,20,40 2 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00",
            &["Sun 2026-03-29 03:00 +0200", "Mon 2026-03-30 02:00 +0200"],
        ),
        (
            "0 2,3 * * *",
            "Europe/Berlin",
            "2026-03-28T12:00",
            &["Sun 2026-03-29 03:00 +0200", "Mon 2026-03-30 02:00 +0200"],
        ),
        (
            "30 * * * *",
            "Europe/Berlin",
            "2026-03-29T00:00",
            &["Sun 2026-03-29 01:30 +0100", "Sun 2026-03-29 03:30 +0200"],
        ),
        (
            "*/30 * * * *",
            "Europe/Berlin",
            "2026-03-29T00:30",
            &["Sun 2026-03-29 03:00 +0200", "Sun 2026-03-29 03:30 +0200"],
        ),
        ("*/30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", &["Mon 2026-03-30 02:00 +0200"]),
        // Berlin, back: 03:00 becomes 02:00. What comes twice runs the first time; a cadence goes on.
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-24T12:00",
            &["Sun 2026-10-25 02:30 +0200", "Mon 2026-10-26 02:30 +0100"],
        ),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10", &["Mon 2026-10-26 02:30 +0100"]),
        (
            "30 * * * *",
            "Europe/Berlin",
            "2026-10-25T00:00",
            &["Sun 2026-10-25 02:30 +0200", "Sun 2026-10-25 02:30 +0100", "Sun 2026-10-25 03:30 +0100"],
        ),
        (
            "0 */2 * * *",
            "Europe/Berlin",
            "2026-10-24T22:30",
            &["Sun 2026-10-25 02:00 +0200", "Sun 2026-10-25 02:00 +0100", "Sun 2026-10-25 04:00 +0100"],
        ),
        ("0 3 * * *", "Europe/Berlin", "2026-10-24T12:00", &["Sun 2026-10-25 03:00 +0100"]),
        (
            "30 2 * * *",
            "America/New_York",
            "2026-03-08T00:00",
            &["Sun 2026-03-08 03:00 -0400", "Mon 2026-03-09 02:30 -0400"],
        ),
        (
            "30 1 * * *",
            "America/New_York",
            "2026-11-01T00:00",
            &["Sun 2026-11-01 01:30 -0400", "Mon 2026-11-02 01:30 -0500"],
        ),
        // Lord Howe changes by half an hour: 02:00 becomes 02:30, and 02:00 becomes 01:30.
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T00:00",
            &["Sun 2026-10-04 02:30 +1100", "Mon 2026-10-05 02:15 +1100"],
        ),
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T00:00",
            &["Sun 2026-04-05 01:45 +1100", "Mon 2026-04-06 01:45 +1030"],
        ),
        (
            "45 * * * *",
            "Australia/Lord_Howe",
            "2026-04-04T14:00",
            &["Sun 2026-04-05 01:45 +1100", "Sun 2026-04-05 01:45 +1030", "Sun 2026-04-05 02:45 +1030"],
        ),
        // No changes at all, and half an hour off.
        ("30 2 * * *", "Asia/Kolkata", "2026-03-28T12:00", &["Sun 2026-03-29 02:30 +0530"]),
        // Cairo's midnight: 00:00 becomes 01:00. Samoa left out a whole day: nothing is made up for it.
        ("0 0 * * *", "Africa/Cairo", "2026-04-23T00:00", &["Fri 2026-04-24 01:00 +0300"]),
        (
            "0 12 * * *",
            "Pacific/Apia",
            "2011-12-30T00:00",
            &["Sat 2011-12-31 12:00 +1400", "Sun 2012-01-01 12:00 +1400"],
        ),
        (
            "30 * * * *",
            "Pacific/Apia",
            "2011-12-30T09:00",
            &["Thu 2011-12-29 23:30 -1000", "Sat 2011-12-31 00:30 +1400"],
        ),
        // 00:00 became 03:00: as long as no daylight saving is.
        ("0 1 * * *", "America/Danmarkshavn", "1995-12-31T12:00", &["Tue 1996-01-02 01:00 +0000"]),
    ] {
        assert_eq!(told(text, name, from, expected.len()), expected, "{text} in {name}");
    }
}

#[test]
fn what_cannot_be_understood_is_shown_with_its_place() {
    for (text, place, says, help) in [
        ("", "", "the calendar is empty", "five fields"),
        ("0 3 * *", "0 3 * *", "there are 4 fields", "five fields"),
        ("daily", "daily", "there is 1 field", "did you mean `@daily`?"),
        ("often", "often", "there is 1 field", "five fields"),
        ("every 5 minutes", "every 5 minutes", "there are 3 fields", "`every = \"5 minutes\"`"),
        ("rate(5 minutes)", "rate(5 minutes)", "there are 2 fields", "`every = \"5 minutes\"`"),
        ("Mon..Fri 09:00", "Mon..Fri 09:00", "there are 2 fields", "what systemd calls a calendar"),
        ("@every 1h30m", "@every 1h30m", "no calendar", "every = \"1h30m\""),
        ("0 0 3 * * * *", "* *", "there are 7 fields", "`every`"),
        ("60 3 * * *", "60", "`60` is no minute", "from 0 to 59"),
        ("0 24 * * *", "24", "`24` is no hour", "from 0 to 23"),
        ("0 0 0 * *", "0", "`0` is no day of the month", "from 1 to 31"),
        ("0 0 1 13 *", "13", "`13` is no month", "from 1 to 12"),
        ("0 0 1 foo *", "foo", "`foo` is no month", "`jan`"),
        ("0 0 * * mno", "mno", "`mno` is no day of the week", "did you mean `mon`?"),
        ("0 0 * * 8", "8", "`8` is no day of the week", "from 0 to 7"),
        ("0 9,,17 * * *", "", "a value is missing here", ""),
        ("1,2,x * * * *", "x", "`x` is no minute", ""),
        ("*/0 * * * *", "0", "`0` is no step", "from 1 to 60"),
        ("*/90 * * * *", "90", "a step of 90 is longer", "`every`"),
        ("*/ * * * *", "", "a value is missing here", ""),
        ("5/15 * * * *", "5/15", "a step needs a range", "`5-59/15`"),
        ("5-2 * * * *", "5-2", "runs backwards", "`5-59,0-2`"),
        ("0 0 28-3 * *", "28-3", "runs backwards", "`28-31,1-3`"),
        ("0 0 * * MON#6", "6", "`6` is no week of the month", "from 1 to 5"),
        ("0 0 * * L", "L", "`L` alone", "`5L`"),
        ("0 0 L-31 * *", "31", "is no number of days", "from 0 to 30"),
        ("0 0 32W * *", "32", "`32` is no day of the month", ""),
        ("? * * * *", "?", "`?` is not known here", "`*`"),
        ("0 0 ? * *", "?", "`?` is not known here", "`*`"),
        ("0 0 1 * ?", "?", "`?` is not known here", "`*`"),
        ("+5 * * * *", "+5", "`+5` is no minute", ""),
        // As other schedulers write it.
        ("0~30 4 * * *", "0~30", "`0~30` is no minute", "`jitter`"),
        ("H 4 * * *", "H", "`H` is no minute", "`jitter`"),
        ("\"0 4 * * *\"", "\"0", "is no minute", "leave the quotation marks out"),
        ("-*/5 * * * *", "-*", "does not begin with a dash", "leave it out"),
        ("0 0 * * mon–fri", "mon–fri", "is no day of the week", ""),
        ("@daly", "@daly", "`@daly` is no calendar", "did you mean `@daily`?"),
        ("@whenever", "@whenever", "`@whenever` is no calendar", "@hourly, @reboot"),
        (
            "CRON_TZ=Europe/Berlin 0 9 * * *",
            "CRON_TZ=Europe/Berlin",
            "not part of the calendar",
            "time_zone = \"Europe/Berlin\"",
        ),
        ("TZ=UTC @daily", "TZ=UTC", "not part of the calendar", "time_zone = \"UTC\""),
        (" @every 5m", "@every 5m", "no calendar", "every = \"5m\""),
    ] {
        let refusal = Cron::parse(text).expect_err(text);
        assert_eq!(&text[refusal.span.clone()], place, "{text}: {refusal:?}");
        assert!(refusal.message.contains(says) && refusal.help.contains(help), "{text}: {refusal:?}");
    }
}

/// A field's text out of pieces that are valid for it.
fn field(low: u8, high: u8, more: &'static [&'static str]) -> impl Strategy<Value = String> {
    let number = (low..=high).prop_map(|n| n.to_string());
    let range = (low..=high, low..=high, 1_u8..7).prop_map(|(a, b, step)| format!("{}-{}/{step}", a.min(b), a.max(b)));
    let step = (1..=high).prop_map(|step| format!("*/{step}"));
    let special = prop::sample::select(more).prop_map(str::to_owned);
    let one = prop_oneof![4 => Just("*".to_owned()), 2 => number, 1 => range, 1 => step, 1 => special];
    prop::collection::vec(one, 1..3).prop_map(|parts| parts.join(","))
}

fn calendars() -> impl Strategy<Value = String> {
    let days = field(1, 31, &["L", "L-2", "LW", "1W", "15W", "30W"]);
    let weekdays = field(0, 7, &["MON#1", "FRIL", "SAT-MON", "sun", "3#5"]);
    (field(0, 59, &["*"]), field(0, 23, &["2", "22-3", "*"]), days, field(1, 12, &["*", "MAR", "OCT-APR"]), weekdays)
        .prop_map(|(minute, hour, day, month, weekday)| format!("{minute} {hour} {day} {month} {weekday}"))
}

fn zones() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        &["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC", "Pacific/Apia"][..],
    )
}

/// What cron itself does, minute by minute: the wall clock as it goes; what is skipped runs at once, and what comes a
/// second time does not run, unless the calendar is a cadence.
fn walked(cron: &Cron, zone: &TimeZone, after: Timestamp, minutes: i64) -> Vec<Timestamp> {
    let minute = jiff::SignedDuration::from_mins(1);
    let mut found = Vec::new();
    // A day before, so that it is known which wall times are over.
    let mut at = Timestamp::from_second(after.as_second().div_euclid(60) * 60 - 86_400).expect("in range");
    let mut high: DateTime = zone.to_datetime(at - minute);
    while at <= after + minute * i32::try_from(minutes).expect("few") {
        let wall = zone.to_datetime(at);
        let mut runs = !cron.is_fixed() && cron.matches(wall);
        while cron.is_fixed() && high < wall {
            high += minute;
            runs |= cron.matches(high);
        }
        if runs && at > after {
            found.push(at);
        }
        at += minute;
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_next_is_what_walking_every_minute_finds(
        text in calendars(),
        name in zones(),
        // Around the changes of 2026: late March, early April, late October, and anywhere.
        from in prop_oneof![
            1_774_650_000_i64..1_774_830_000, 1_775_210_000_i64..1_775_410_000, 1_772_900_000_i64..1_773_000_000,
            1_792_800_000_i64..1_793_600_000, 1_767_225_600_i64..1_798_761_600,
        ],
        nanos in prop_oneof![Just(0), 0..1_000_000_000],
    ) {
        let (cron, zone) = (cron(&text), zone(name));
        let from = Timestamp::new(from, nanos).expect("in range");
        let walked = walked(&cron, &zone, from, 3 * 1_440);
        let mut at = from;
        for expected in walked.into_iter().take(200) {
            let next = cron.next_after(at, &zone);
            prop_assert_eq!(next, Some(expected), "{} in {} after {}", text, name, at);
            at = expected;
        }
    }

    #[test]
    fn the_next_is_strictly_later_and_matches(text in calendars(), name in zones(), from in -2_000_000_000_i64..250_000_000_000) {
        let (cron, zone) = (cron(&text), zone(name));
        let from = Timestamp::from_second(from).expect("in range");
        if let Some(next) = cron.next_after(from, &zone) {
            prop_assert!(next > from);
            let wall = zone.to_datetime(next);
            let after_gap = cron.is_fixed() && zone.to_offset(next) != zone.to_offset(next - jiff::SignedDuration::from_nanos(1));
            prop_assert!(cron.matches(wall) || after_gap, "{} in {}: {}", text, name, next);
        }
    }

    #[test]
    fn any_text_is_a_calendar_or_a_refusal_within_it(text in "[0-9*/,#LW@a-zA-Z –-]{0,30}|.{0,20}") {
        if let Err(refusal) = Cron::parse(&text) {
            prop_assert!(text.get(refusal.span.clone()).is_some(), "{:?}", refusal);
        }
    }
}

#[test]
fn the_ends_of_time_are_no_trouble() {
    for text in ["* * * * *", "0 0 1 1 *", "0 0 29 2 *", "0 0 31 2 *"] {
        for name in ["UTC", "Europe/Berlin"] {
            for at in [Timestamp::MIN, Timestamp::MAX, Timestamp::MAX - jiff::SignedDuration::from_secs(90)] {
                let next = cron(text).next_after(at, &zone(name));
                assert!(next.is_none_or(|next| next > at));
            }
        }
    }
}
