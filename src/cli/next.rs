//! `slack-alert next`: when jobs will run, from the recorded state: what the daemon will do.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde_json::json;

use super::Failure;
use super::args::NextArgs;
use super::locate::{self, World};
use super::state;
use super::time::coming;
use crate::clock::{Clock, Mono, Now, System, between};
use crate::document::format_duration;
use crate::id::JobName;
use crate::plan::Job;
use crate::policy::{Hold, HoldKind};
use crate::schedule::Saved;
use crate::store::Reader;

/// A coming run.
struct Coming<'p> {
    at: Timestamp,
    job: &'p Arc<Job>,
    /// The burst of the job pauses until then.
    pause: bool,
    /// A person has paused the job until shortly before.
    paused: Option<&'p Hold>,
}

/// Prints the coming due times of jobs, soonest first.
pub(super) fn run(world: &World, args: &NextArgs) -> Result<ExitCode, Failure> {
    let mut plan = world.plan_to_read()?;
    let reader = state::open(world, &plan).ok();
    if let Some(reader) = &reader {
        state::add_jobs_without_file(&mut plan, reader);
    }
    let jobs: Vec<&Arc<Job>> = match args.jobs.as_slice() {
        [] => plan.jobs.iter().collect(),
        names => names.iter().map(|name| locate::job(&plan, name)).collect::<Result<_, _>>()?,
    };
    let count = args.count.unwrap_or(if args.jobs.is_empty() { 1 } else { 5 }) as usize;
    let now = System.now().wall;
    let from = args.from.as_deref().map_or(Ok(now), |text| coming(text, &plan.config.zone, now))?;
    if let Some(reader) = &reader {
        state::say_unread(world, reader, jobs.iter().map(AsRef::as_ref));
    }
    let known = reader.as_ref().map(recorded).unwrap_or_default();
    let holds = reader.as_ref().and_then(|reader| reader.holds().ok()).unwrap_or_default();
    let mut times: Vec<Coming<'_>> = Vec::new();
    for job in jobs.iter().filter(|job| job.timing.enabled) {
        let (seed, saved) = (job.seed(&plan.config.host), known.get(&job.name));
        let paused = pause_of(job, &holds, from);
        let passed = saved.cloned().zip(paused).map(|(saved, hold)| {
            let then = Now { wall: hold.until, mono: Mono::default() };
            job.timing.passed_until(&seed, saved, then)
        });
        let saved = passed.as_ref().or(saved);
        let until = saved.and_then(|saved| job.timing.pauses(saved, from));
        let begin = paused.map_or(from, |hold| hold.until);
        let upcoming = job.timing.upcoming(&seed, saved, begin).take(count);
        times.extend(upcoming.enumerate().map(|(index, at)| {
            let is_first = index == 0;
            Coming { at, job, pause: is_first && until.is_some(), paused: paused.filter(|_| is_first) }
        }));
    }
    times.sort_by(|a, b| (a.at, &a.job.name).cmp(&(b.at, &b.job.name)));
    let never = jobs.iter().filter(|job| !times.iter().any(|coming| coming.job.name == job.name));
    if args.json {
        let one = |coming: &Coming<'_>| {
            let local = local(coming.at, &coming.job.timing.zone).to_string();
            let paused = pause_in_json(coming.paused);
            json!({
                "job": coming.job.name, "at": coming.at.to_string(), "local": local, "pause": coming.pause,
                "paused": paused,
            })
        };
        let none = |name: &JobName| json!({"job": name, "at": null, "local": null, "pause": false, "paused": null});
        let never = never.map(|job| none(&job.name));
        let all: Vec<_> = times.iter().map(one).chain(never).collect();
        world.terminal.out(&format!("{}\n", serde_json::Value::from(all)));
        return Ok(ExitCode::SUCCESS);
    }
    let rows = times.iter().map(|coming| {
        let Coming { at, job, pause, paused } = coming;
        let zone = &job.timing.zone;
        let local = local(*at, zone).strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string();
        let schedule = match (pause, paused) {
            (_, Some(hold)) => {
                format!("{}; {}", job.facts.schedule, hold.in_words(&state::told(hold.until, zone, now)))
            }
            (true, None) => format!("{}; pauses until then", job.facts.schedule),
            (false, None) => job.facts.schedule.clone(),
        };
        vec![local, left(*at, now), job.name.to_string(), schedule]
    });
    let never = never.map(|job| {
        let why = match job.timing.enabled {
            false => "not enabled",
            true if job.timing.after().is_some() => "follows",
            true if job.timing.runs_elsewhere() => "at any time",
            true if !job.timing.has_times() => "at the next boot",
            true => "never",
        };
        vec![why.to_owned(), "-".to_owned(), job.name.to_string(), job.facts.schedule.clone()]
    });
    world.terminal.out(&world.terminal.table(&rows.chain(never).collect::<Vec<_>>()));
    Ok(ExitCode::SUCCESS)
}

/// The pause of a job that ends last, where it is paused then.
pub(super) fn pause_of<'h>(job: &Job, holds: &'h [Hold], at: Timestamp) -> Option<&'h Hold> {
    let covers = |hold: &&Hold| {
        let tags = job.facts.tags.iter().map(String::as_str);
        hold.kind == HoldKind::Pause && hold.until > at && hold.pattern.covers(job.name.as_str(), tags)
    };
    holds.iter().filter(covers).max_by_key(|hold| hold.until)
}

/// A pause as the machine-readable form of `next` and `list` has it.
pub(super) fn pause_in_json(hold: Option<&Hold>) -> Option<serde_json::Value> {
    hold.map(|hold| json!({"until": hold.until, "by": hold.by, "note": hold.note}))
}

/// How long it is until then, or since.
fn left(at: Timestamp, now: Timestamp) -> String {
    let whole = |length: std::time::Duration| format_duration(std::time::Duration::from_secs(length.as_secs()));
    match at {
        at if at < now => format!("{} ago", whole(between(at, now))),
        at if between(now, at).as_secs() == 0 => "now".to_owned(),
        at => format!("in {}", whole(between(now, at))),
    }
}

/// Where each job is in its schedule, as far as a daemon has recorded it.
pub(super) fn recorded(reader: &Reader) -> HashMap<JobName, Saved> {
    let states = reader.jobs().unwrap_or_default();
    let saved = states.into_iter().map(|(name, state)| Some((name, serde_json::from_str(&state.cadence).ok()?)));
    saved.flatten().collect()
}

fn local(at: Timestamp, zone: &TimeZone) -> Zoned {
    at.to_zoned(zone.clone())
}

#[cfg(test)]
mod tests {
    use super::left;

    #[test]
    fn how_long_it_is() {
        let now: jiff::Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
        for (at, words) in [
            ("2026-11-23T12:00:00.4Z", "now"),
            ("2026-11-23T12:04:49Z", "in 4m 49s"),
            ("2026-11-24T12:00:00Z", "in 1d"),
            ("2026-11-23T11:59:00Z", "1m ago"),
        ] {
            assert_eq!(left(at.parse().expect("a time"), now), words);
        }
    }
}
