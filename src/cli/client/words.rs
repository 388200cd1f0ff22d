//! Times, lengths and names as the commands say them. Pure.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::api;
use crate::cli::Failure;
use crate::cli::time::coming;
use crate::clock::between;
use crate::document::{calendar_unit, format_duration, parse_duration};
use crate::id::{in_one_line, listed};
use crate::policy::{HoldKind, Pattern};
use crate::report::explain::told;

/// How long a pause is when nobody says.
pub(in crate::cli) const USUAL_PAUSE: Duration = Duration::from_secs(3_600);

/// How long a hold is, as it was typed: nothing, `2h`, `1h 30m`, `until 16:00`, `until 2026-11-30`.
pub(in crate::cli) fn hold_until(
    words: &[String],
    kind: HoldKind,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<Option<Timestamp>, Failure> {
    let text = words.join(" ");
    let until = match text.trim().strip_prefix("until") {
        _ if text.trim().is_empty() => {
            return Ok(if kind == HoldKind::Pause { now.checked_add(USUAL_PAUSE).ok() } else { None });
        }
        Some(time) if time.starts_with(' ') => coming(time.trim(), zone, now)?,
        Some("") => {
            return Err(Failure::usage(
                "until when?\n  help: write `until 16:00`, `until 2026-11-30T08:00` or `until tomorrow 08:00`",
            ));
        }
        _ => {
            let length = parse_duration(text.trim()).map_err(|refusal| {
                if let Some(unit) = calendar_unit(text.trim()).and_then(|span| text.trim().get(span)) {
                    return Failure::usage(format!("`{unit}` has no fixed length\n  help: {}", refusal.help));
                }
                Failure::usage(format!(
                    "`{}` is no length of time\n  help: write `30m`, `2h`, `1h 30m` or `until 16:00`",
                    in_one_line(text.trim())
                ))
            })?;
            if length.is_zero() {
                return Err(Failure::usage("the time is nothing\n  help: write `30m`, `2h` or `until 16:00`"));
            }
            if length > kind.longest() {
                return Err(too_long(kind));
            }
            return Ok(now.checked_add(length).ok());
        }
    };
    if until <= now {
        let at = told(until, zone, now);
        return Err(Failure::usage(format!("{at} is over already\n  help: write a time to come, or a length: `2h`")));
    }
    if between(now, until) > kind.longest() {
        return Err(too_long(kind));
    }
    Ok(Some(until))
}

fn too_long(kind: HoldKind) -> Failure {
    Failure::usage(match kind {
        HoldKind::Pause => "no pause is longer than 30d\n  help: for good, write `enabled = false` into the job's file",
        HoldKind::Silence => "no silence is longer than a year\n  help: for good, change the job's `[notify]`",
        HoldKind::Ack => "no acknowledgement is longer than a year\n  help: for good, change the job's `[notify]`",
    })
}

/// A name or a pattern that no job has.
pub(in crate::cli) fn matches_nothing(pattern: &Pattern, jobs: &[api::Job]) -> Failure {
    let text = in_one_line(pattern.as_str());
    let tags = jobs.iter().flat_map(|job| job.tags.iter().map(String::as_str));
    let meant = pattern.meant(jobs.iter().map(|job| job.name.as_str()), tags);
    let (what, all) = match pattern.is_one_job() {
        true => (format!("there is no job `{text}`"), "`slack-alert list` shows all jobs"),
        false => (
            format!("no job matches `{text}`"),
            "`slack-alert list` shows all jobs; `*` stands for anything, `tag:NAME` for a tag",
        ),
    };
    Failure::usage(format!("{what}\n  help: {}", meant.as_deref().unwrap_or(all)))
}

/// So many things, with the word that fits.
pub(in crate::cli) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// How long ago, or for how long: whole seconds.
pub(in crate::cli) fn length(from: Timestamp, to: Timestamp) -> String {
    match between(from, to).as_secs() {
        0 => "0s".to_owned(),
        seconds => format_duration(Duration::from_secs(seconds)),
    }
}

/// `: "migration"`, where somebody has said why.
pub(in crate::cli) fn because(note: Option<&str>) -> String {
    note.filter(|note| !note.trim().is_empty())
        .map(|note| format!(": \"{}\"", in_one_line(note.trim())))
        .unwrap_or_default()
}

/// The jobs that a hold covers: `db/backup`, or `etl/* (3 jobs: etl/a, etl/b, etl/c)`.
pub(in crate::cli) fn covered(pattern: &str, jobs: &[String]) -> String {
    if jobs.len() == 1 && jobs[0] == pattern {
        return in_one_line(pattern).into_owned();
    }
    format!("{} ({}: {})", in_one_line(pattern), count(jobs.len() as u64, "job", "jobs"), listed(jobs))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::{covered, hold_until};
    use crate::policy::HoldKind;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn asked(text: &str) -> Result<Option<Timestamp>, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let berlin = TimeZone::get("Europe/Berlin").expect("the zone is known");
        hold_until(&words, HoldKind::Pause, &berlin, time("2026-11-28T13:00:00Z")).map_err(|failure| {
            assert_eq!(failure.code, 2, "{text}");
            failure.message
        })
    }

    #[test]
    fn lengths_and_ends_as_people_type_them() {
        for (text, until) in [
            ("", "2026-11-28T14:00:00Z"),
            ("2h", "2026-11-28T15:00:00Z"),
            ("1h 30m", "2026-11-28T14:30:00Z"),
            ("30d", "2026-12-28T13:00:00Z"),
            ("until 16:00", "2026-11-28T15:00:00Z"),
            // It is two in the afternoon there.
            ("until 14:00", "2026-11-29T13:00:00Z"),
            ("until 08:00", "2026-11-29T07:00:00Z"),
            ("until today 14:30", "2026-11-28T13:30:00Z"),
            ("until tomorrow 16:00", "2026-11-29T15:00:00Z"),
            ("until tomorrow", "2026-11-28T23:00:00Z"),
            ("until 8:00", "2026-11-29T07:00:00Z"),
            ("until tomorrow 8:30", "2026-11-29T07:30:00Z"),
            ("until 2026-11-30", "2026-11-29T23:00:00Z"),
            ("until 2026-11-30 08:00", "2026-11-30T07:00:00Z"),
            ("until 2026-11-30T08:00", "2026-11-30T07:00:00Z"),
            ("until 2026-11-30T08:00:00Z", "2026-11-30T08:00:00Z"),
        ] {
            assert_eq!(asked(text), Ok(Some(time(until))), "{text}");
        }
    }

    #[test]
    fn what_is_no_length_is_refused_with_what_to_write() {
        for (text, words) in [
            ("soon", "`soon` is no length of time"),
            ("2", "`2` is no length of time"),
            ("-1h", "`-1h` is no length of time"),
            ("0s", "the time is nothing"),
            ("31d", "longer than 30d"),
            ("1y", "`y` has no fixed length"),
            ("2 months", "`months` has no fixed length"),
            ("1M", "`M` has no fixed length"),
            ("52w", "longer than 30d"),
            ("until", "until when?"),
            ("until noon", "`noon` is not a time"),
            ("until 25:00", "`25:00` is not a time"),
            ("until tomorrow noon", "is not a time"),
            ("until 2026-11-01", "is over already"),
            ("until today 13:00", "13:00 is over already"),
            ("until 2027-11-01", "longer than 30d"),
            ("untilnow", "`untilnow` is no length of time"),
        ] {
            let why = asked(text).expect_err(text);
            assert!(why.contains(words) && why.contains("\n  help: "), "{text}: {why}");
        }
    }

    #[test]
    fn many_jobs_are_counted() {
        let names = |count: usize| (0..count).map(|index| format!("e/{index}")).collect::<Vec<_>>();
        assert_eq!(covered("e/0", &names(1)), "e/0");
        assert_eq!(covered("e/*", &names(1)), "e/* (1 job: e/0)");
        assert_eq!(covered("e/*", &names(7)), "e/* (7 jobs: e/0, e/1, e/2, e/3, e/4 and 2 more)");
    }
}
