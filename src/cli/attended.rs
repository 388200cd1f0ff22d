//! What `run` prints for a person at a terminal, in the place of log lines: one line at the start, and one at the stop.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::watch;

use super::terminal::Terminal;
use crate::clock::{Mono, Now};
use crate::daemon::Snapshot;
use crate::document::format_duration;
use crate::plan::Plan;
use crate::schedule::Saved;
use crate::store::Loaded;

/// How many of the next runs the first line names.
const NAMED: usize = 3;

/// `web-1: 5 jobs; next: disk now, load in 4s, uptime Mon 09:00; messages go to this terminal`.
pub(super) fn first_line(plan: &Plan, remembered: &Loaded, now: Now) -> String {
    let count = |number: usize| if number == 1 { "1 job".to_owned() } else { format!("{number} jobs") };
    let mut line = format!("{}: {}", plan.config.host, count(plan.jobs.len()));
    match plan.not_loaded.len() {
        0 => {}
        1 => line.push_str(", and 1 job file with errors that is not loaded"),
        bad => line.push_str(&format!(", and {bad} job files with errors that are not loaded")),
    }
    let mut next: Vec<(Mono, &str, &TimeZone)> = plan
        .jobs
        .iter()
        .filter_map(|job| {
            let state = remembered.jobs.get(&job.name);
            let saved: Option<Saved> = state.and_then(|state| serde_json::from_str(&state.cadence).ok());
            let cadence = job.timing.begin(&job.seed(&plan.config.host), saved.as_ref(), now);
            Some((cadence.slot()?.mono(now), job.name.as_str(), &job.timing.zone))
        })
        .collect();
    next.sort_by_key(|(at, name, _)| (*at, *name));
    let more = next.len().saturating_sub(NAMED);
    let next: Vec<String> =
        next.iter().take(NAMED).map(|(at, name, zone)| format!("{name} {}", when(*at, zone, now))).collect();
    if !next.is_empty() {
        line.push_str(&format!("; next: {}", next.join(", ")));
        if more > 0 {
            line.push_str(&format!(" and {more} more"));
        }
    }
    line.push_str("; messages go to this terminal");
    line
}

/// So far ahead the name of a day says which one it is.
const SIX_DAYS: std::time::Duration = std::time::Duration::from_secs(6 * 86_400);

/// `now`, `in 4s`, `Mon 09:00`; a day that is not one of the next six with its date.
fn when(at: Mono, zone: &TimeZone, now: Now) -> String {
    let left = at - now.mono;
    let seconds = left.as_secs() + u64::from(left.subsec_millis() >= 500);
    if seconds == 0 {
        return "now".to_owned();
    }
    if seconds < 3600 {
        return format!("in {}", format_duration(std::time::Duration::from_secs(seconds)));
    }
    let at: Timestamp = crate::clock::shift(now.wall, left);
    let format = if left < SIX_DAYS { "%a %H:%M" } else { "%a %-d %b %Y %H:%M" };
    at.to_zoned(zone.clone()).strftime(format).to_string()
}

/// Says that the daemon is stopping and waits for runs; without runs that is over at once.
pub(super) async fn say_when_it_stops(terminal: Terminal, mut snapshot: watch::Receiver<Snapshot>) {
    let Ok(stopping) = snapshot.wait_for(|snapshot| snapshot.is_stopping).await.map(|snapshot| snapshot.running) else {
        return;
    };
    let runs = match stopping {
        0 => return,
        1 => "1 run".to_owned(),
        number => format!("{number} runs"),
    };
    terminal.err(&format!("stopping: waiting for {runs} in progress; interrupt again to stop at once"));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_time_is_told_as_people_say_it() {
        let now = Now { wall: "2026-11-23T08:00:00Z".parse().expect("a time"), mono: Mono(Duration::from_secs(50)) };
        for (seconds, told) in
            [(0, "now"), (4, "in 4s"), (90, "in 1m 30s"), (3_599, "in 59m 59s"), (3_600, "Mon 09:00")]
        {
            assert_eq!(when(now.mono + Duration::from_secs(seconds), &TimeZone::UTC, now), told);
        }
    }
}
