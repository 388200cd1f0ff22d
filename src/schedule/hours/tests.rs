use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{Hours, parse_hours};

fn hours(text: &str) -> Hours {
    parse_hours(text).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"))
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("tests need the time zones of the machine")
}

fn local(text: &str, zone: &TimeZone) -> Timestamp {
    let wall: jiff::civil::DateTime = text.parse().expect("a wall time");
    zone.to_timestamp(wall).expect("in range")
}

#[test]
fn the_start_is_in_and_the_end_is_out() {
    // 2026-06-05 is a Friday.
    for (text, open, closed) in [
        (
            "9:30-19:00",
            &["2026-06-05T09:30", "2026-06-05T18:59:59.999", "2026-06-07T12:00"][..],
            &["2026-06-05T09:29:59.999", "2026-06-05T19:00", "2026-06-05T00:00"][..],
        ),
        ("09:30-19:00", &["2026-06-05T09:30"], &["2026-06-05T19:00"]),
        (
            "9:00-12:00,13:00-18:00",
            &["2026-06-05T11:59", "2026-06-05T13:00"],
            &["2026-06-05T12:00", "2026-06-05T12:59", "2026-06-05T18:00"],
        ),
        ("9:00-12:00 , 12:00 - 18:00", &["2026-06-05T12:00"], &["2026-06-05T18:00"]),
        // A night belongs to the day on which it starts: Friday's goes on into Saturday, Saturday has none.
        (
            "Mon-Fri 22:00-06:00",
            &["2026-06-05T23:00", "2026-06-06T05:59", "2026-06-01T22:00"],
            &["2026-06-06T06:00", "2026-06-06T22:00", "2026-06-07T23:00", "2026-06-01T05:59"],
        ),
        // Sunday's goes over the end of the week.
        (
            "Sun 22:00-06:00",
            &["2026-06-07T22:00", "2026-06-08T00:00", "2026-06-08T05:59"],
            &["2026-06-08T06:00", "2026-06-07T21:59"],
        ),
        (
            "Fri-Mon 9:00-10:00",
            &["2026-06-05T09:00", "2026-06-06T09:00", "2026-06-08T09:00"],
            &["2026-06-02T09:00", "2026-06-04T09:00"],
        ),
        (
            "mon, wed , SATURDAY 9:00-10:00",
            &["2026-06-06T09:00", "2026-06-01T09:00", "2026-06-03T09:00"],
            &["2026-06-05T09:00"],
        ),
        ("Sat 00:00-24:00", &["2026-06-06T00:00", "2026-06-06T23:59:59"], &["2026-06-07T00:00", "2026-06-05T23:59"]),
        ("20:00-00:00", &["2026-06-05T23:59"], &["2026-06-05T00:00"]),
    ] {
        for name in ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"] {
            let (hours, zone) = (hours(text), zone(name));
            for at in open {
                assert!(hours.contains(local(at, &zone), &zone), "{text} is open at {at} in {name}");
            }
            for at in closed {
                assert!(!hours.contains(local(at, &zone), &zone), "{text} is closed at {at} in {name}");
            }
        }
    }
}

#[test]
fn openings_and_closings_over_clock_changes() {
    for (text, name, from, opens, closes) in [
        (
            "9:00-19:00",
            "Europe/Berlin",
            "2026-03-28T20:00:30.5+01:00",
            "2026-03-29T09:00+02:00",
            "2026-03-28T20:00:30.5+01:00",
        ),
        ("9:00-19:00", "Europe/Berlin", "2026-03-29T09:00+02:00", "2026-03-29T09:00+02:00", "2026-03-29T19:00+02:00"),
        // A night of eleven hours becomes one of ten, and one of twelve.
        ("20:00-07:00", "Europe/Berlin", "2026-03-28T21:00+01:00", "2026-03-28T21:00+01:00", "2026-03-29T07:00+02:00"),
        ("20:00-07:00", "Europe/Berlin", "2026-10-24T21:00+02:00", "2026-10-24T21:00+02:00", "2026-10-25T07:00+01:00"),
        // A start in the gap: open from the end of the gap. A window inside the gap: not today.
        ("02:30-04:00", "Europe/Berlin", "2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00", "2026-03-29T01:00+01:00"),
        ("02:15-02:45", "Europe/Berlin", "2026-03-29T01:00+01:00", "2026-03-30T02:15+02:00", "2026-03-29T01:00+01:00"),
        (
            "Sun 02:15-02:45",
            "Europe/Berlin",
            "2026-03-29T01:00+01:00",
            "2026-04-05T02:15+02:00",
            "2026-03-29T01:00+01:00",
        ),
        // The hour that comes twice is open twice.
        ("02:30-03:00", "Europe/Berlin", "2026-10-25T02:30+02:00", "2026-10-25T02:30+02:00", "2026-10-25T02:00+01:00"),
        ("02:30-03:00", "Europe/Berlin", "2026-10-25T02:00+01:00", "2026-10-25T02:30+01:00", "2026-10-25T02:00+01:00"),
        (
            "01:45-02:15",
            "Australia/Lord_Howe",
            "2026-04-05T01:45+11:00",
            "2026-04-05T01:45+11:00",
            "2026-04-05T01:30+10:30",
        ),
        (
            "Mon-Fri 9:30-19:00",
            "Asia/Kolkata",
            "2026-06-05T20:00+05:30",
            "2026-06-08T09:30+05:30",
            "2026-06-05T20:00+05:30",
        ),
        (
            "Mon-Fri 9:30-19:00",
            "America/New_York",
            "2026-10-30T20:00-04:00",
            "2026-11-02T09:30-05:00",
            "2026-10-30T20:00-04:00",
        ),
    ] {
        let (hours, zone) = (hours(text), zone(name));
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        assert_eq!(hours.next_open(at(from), &zone), Some(at(opens)), "{text} in {name} opens after {from}");
        assert_eq!(hours.next_close(at(from), &zone), Some(at(closes)), "{text} in {name} closes after {from}");
    }
    assert_eq!(hours("00:00-24:00").next_close(Timestamp::UNIX_EPOCH, &zone("Europe/Berlin")), None);
    assert_eq!(hours("22:00-10:00,10:00-22:00").next_close(Timestamp::UNIX_EPOCH, &zone("UTC")), None);
}

#[test]
fn several_texts_are_open_where_either_is() {
    let both = hours("Mon-Fri 9:00-12:00").and(&hours("Sat 10:00-11:00"));
    let utc = TimeZone::UTC;
    for (at, open) in [("2026-06-05T09:00", true), ("2026-06-06T10:30", true), ("2026-06-06T09:00", false)] {
        assert_eq!(both.contains(local(at, &utc), &utc), open, "{at}");
    }
    assert_eq!(both.to_string(), "Mon-Fri 9:00-12:00; Sat 10:00-11:00");
}

#[test]
fn what_cannot_be_understood_is_shown_with_its_place() {
    for (text, place, says) in [
        ("", "", "hours are missing"),
        ("  ", "  ", "hours are missing"),
        ("always", "always", "no time of day"),
        ("9:00", "9:00", "no window of time"),
        ("9:00–17:00", "9:00–17:00", "no window of time"),
        ("9:00-", "", "a time of day is missing"),
        ("9-17", "9", "`9` is no time of day"),
        ("9:00-25:00", "25:00", "`25:00` is no time of day"),
        ("9:00-24:01", "24:01", "`24:01` is no time of day"),
        ("9:60-10:00", "9:60", "`9:60` is no time of day"),
        ("9:5-10:00", "9:5", "`9:5` is no time of day"),
        ("9:00:00-10:00", "9:00:00", "is no time of day"),
        ("24:00-06:00", "24:00", "cannot start at 24:00"),
        ("9:00-12:00,13:00-13:00", "13:00-13:00", "is empty"),
        ("9:00-12:00,", "", "a window is missing"),
        ("Mon-Fry 9:00-10:00", "Fry", "`Fry` is no day of the week"),
        ("Mon-Fri, 9:00-10:00", "", "a day is missing"),
        ("Mon-Wed-Fri 9:00-10:00", "Mon-Wed-Fri", "no range of days"),
        ("Mon 9:00-10:00; Tue 9:00-10:00", "9:00-10:00; Tue 9:00-10:00", "no window of time"),
    ] {
        let refusal = parse_hours(text).expect_err(text);
        assert_eq!(&text[refusal.span.clone()], place, "{text}: {refusal:?}");
        assert!(refusal.message.contains(says), "{text}: {refusal:?}");
    }
    assert_eq!(parse_hours("Mno 9:00-10:00").expect_err("a slip").help, "did you mean `mon`?");
}

fn some_hours() -> impl Strategy<Value = String> {
    let days = prop::sample::select(&["", "Mon-Fri ", "Sat-Mon ", "Sun ", "Tue,Thu "][..]);
    let window = (0_u16..1_440, 1_u16..1_439).prop_map(|(start, length)| {
        let end = (start + length) % 1_440;
        format!("{}:{:02}-{:02}:{:02}", start / 60, start % 60, end / 60, end % 60)
    });
    (days, prop::collection::vec(window, 1..4)).prop_map(|(days, windows)| format!("{days}{}", windows.join(",")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_next_opening_is_open_and_nothing_before_it_is(
        text in some_hours(),
        name in prop::sample::select(&["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"][..]),
        from in prop_oneof![1_774_650_000_i64..1_774_830_000, 1_775_210_000_i64..1_775_410_000, 1_792_800_000_i64..1_793_600_000],
    ) {
        let (hours, zone) = (hours(&text), zone(name));
        let from = Timestamp::from_second(from).expect("in range");
        for wanted in [true, false] {
            let edge = if wanted { hours.next_open(from, &zone) } else { hours.next_close(from, &zone) };
            let edge = edge.unwrap_or(from + SignedDuration::from_hours(24 * 8));
            let mut at = from;
            while at < edge {
                prop_assert_ne!(hours.contains(at, &zone), wanted, "{} in {} at {}", text, name, at);
                at += SignedDuration::from_secs(60 - at.as_second().rem_euclid(60));
            }
            if edge < from + SignedDuration::from_hours(24 * 8) {
                prop_assert_eq!(hours.contains(edge, &zone), wanted);
            }
        }
    }

    #[test]
    fn any_text_is_hours_or_a_refusal_within_it(text in "[0-9:, –a-zA-Z-]{0,30}|.{0,20}") {
        if let Err(refusal) = parse_hours(&text) {
            prop_assert!(text.get(refusal.span.clone()).is_some(), "{:?}", refusal);
        }
    }
}
