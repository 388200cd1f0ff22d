//! What commands that look at the state directory have in common: opening it beside a daemon, runs and times in words.
//!
//! Before it: a plan, which names the directory and the jobs' zones. After it: `history`, `outbox` and `why`.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use serde_json::{Value, json};

use super::Failure;
use super::locate::World;
use super::next::parse_time;
use crate::document::parse_duration;
use crate::exec::{Ending, Reason, Status};
use crate::plan::Plan;
use crate::store::{OpenError, Reader, RunRow, Store, StoreError};

/// The state of the configuration's daemon, whether it runs or not.
pub(super) fn open(world: &World, plan: &Plan) -> Result<Reader, Failure> {
    let dir = world.state_dir(plan)?;
    Store::open_reader(&dir).map_err(|error| match error {
        OpenError::Missing(_) => Failure::new(format!(
            "there is no state in {} yet: no daemon has run with this configuration\n  help: start it with \
             `slack-alert run`, or name the right place with --state-dir DIR",
            dir.display()
        )),
        other => Failure::new(other.to_string()),
    })
}

/// The database said no.
pub(super) fn failed(error: StoreError) -> Failure {
    Failure::new(format!("the state cannot be read: {error}"))
}

/// The zone in which a job's times are told.
pub(super) fn zone<'p>(plan: &'p Plan, job: &str) -> &'p TimeZone {
    plan.job(job).map_or(&plan.config.zone, |job| &job.timing.zone)
}

/// A time as tables show it.
pub(super) fn shown(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A time as sentences tell it: `03:14`; with the date where that is not today's.
pub(super) fn told(at: Timestamp, zone: &TimeZone, now: Timestamp) -> String {
    let (local, today) = (at.to_zoned(zone.clone()), now.to_zoned(zone.clone()).date());
    let form = if local.date() == today { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    local.strftime(form).to_string()
}

/// A time, or how long ago that was.
pub(super) fn since(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, Failure> {
    if let Ok(length) = parse_duration(text) {
        return Ok(now.saturating_sub(length).unwrap_or(Timestamp::MIN));
    }
    parse_time(text, zone).map_err(|_| {
        Failure::usage(format!(
            "`{text}` is neither a time nor a length of time\n  help: write `24h`, `2026-03-29` or `2026-03-29T01:30`"
        ))
    })
}

/// A time, or a time of day: the last time that the clock showed it.
pub(super) fn at(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, Failure> {
    let Some(time) =
        (text.contains(':') && !text.contains('-')).then(|| text.trim().parse::<civil::Time>().ok()).flatten()
    else {
        return parse_time(text, zone);
    };
    let today = now.to_zoned(zone.clone()).date();
    let on = |date: civil::Date| zone.to_zoned(date.to_datetime(time)).ok().map(|at| at.timestamp());
    let last = on(today).filter(|at| *at <= now).or_else(|| today.yesterday().ok().and_then(on));
    last.ok_or_else(|| Failure::usage(format!("`{text}` is not a time")))
}

/// How a run ended, as what follows "run 812": `was ok`, `failed with 2`, `failed: killed by SIGKILL (9)`.
pub(super) fn ended(row: &RunRow) -> String {
    if row.verdict == "not-run" {
        return format!("counts as not run ({})", row.ending.words());
    }
    if row.status == Status::Ok {
        return match row.ending {
            Ending::Exited { code: 0 } => "was ok".to_owned(),
            _ => format!("was ok ({})", row.ending.words()),
        };
    }
    let status = match row.status {
        Status::Critical => String::new(),
        other => format!(" ({})", other.as_str()),
    };
    match (&row.ending, row.reason) {
        (_, Reason::Output) => format!("failed by its output{status}"),
        (Ending::Exited { code }, _) => format!("failed with {code}{status}"),
        (ending, _) => format!("failed: {}{status}", ending.words()),
    }
}

/// Whether a run was told, as what follows "run 812 …;": `sent: failure`, `not sent: repeat-not-due`.
pub(super) fn verdict(row: &RunRow) -> String {
    match row.verdict.strip_prefix("notified: ") {
        Some(event) => format!("sent: {event}"),
        None if row.verdict.is_empty() => "nothing was decided".to_owned(),
        None => format!("not sent: {}", row.verdict),
    }
}

/// A run, as all commands tell it in JSON.
pub(super) fn in_json(row: &RunRow, zone: &TimeZone) -> Value {
    let code = if let Ending::Exited { code } = row.ending { Some(code) } else { None };
    let signal = if let Ending::Signaled { signal } = row.ending { Some(signal) } else { None };
    json!({
        "run": row.id,
        "job": row.job,
        "number": row.number,
        "trigger": row.trigger,
        "scheduled": row.scheduled.to_string(),
        "started": row.started.to_string(),
        "finished": row.finished.to_string(),
        "local": row.started.to_zoned(zone.clone()).to_string(),
        "duration": row.took.as_secs_f64(),
        "attempts": row.attempts,
        "status": row.status,
        "reason": row.reason,
        "ending": row.ending.words(),
        "exit_code": code,
        "signal": signal,
        "verdict": row.verdict,
        "until": row.until.map(|until| until.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::{at, since, told};

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn times_as_people_type_them() {
        let now = time("2026-11-23T08:00:00Z");
        let berlin = TimeZone::get("Europe/Berlin").expect("the zone is known");
        for (text, expected) in [
            ("08:30", "2026-11-23T07:30:00Z"),
            ("09:30", "2026-11-22T08:30:00Z"),
            ("2026-11-20T03:14", "2026-11-20T02:14:00Z"),
            ("2026-11-20T03:14:00Z", "2026-11-20T03:14:00Z"),
        ] {
            assert_eq!(at(text, &berlin, now).map_err(|failure| failure.message), Ok(time(expected)), "{text}");
        }
        assert_eq!(since("24h", &berlin, now).map_err(|failure| failure.message), Ok(time("2026-11-22T08:00:00Z")));
        assert_eq!(
            since("2026-11-20", &berlin, now).map_err(|failure| failure.message),
            Ok(time("2026-11-19T23:00:00Z"))
        );
        for text in ["soon", "", "25:00", "03:14 tomorrow"] {
            assert!(at(text, &berlin, now).is_err() && since(text, &berlin, now).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_of_another_day_is_told_with_its_date() {
        let now = time("2026-11-23T08:00:00Z");
        assert_eq!(told(time("2026-11-23T03:14:00Z"), &TimeZone::UTC, now), "03:14");
        assert_eq!(told(time("2026-11-22T23:14:00Z"), &TimeZone::UTC, now), "2026-11-22 23:14");
    }
}
