//! `slack-alert next`: when jobs will run, from the recorded state: what the daemon will do.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use serde_json::json;

use super::Failure;
use super::args::NextArgs;
use super::client::Daemon;
use super::locate::{self, World};
use super::state::{self, Known};
use super::time::coming;
use crate::api;
use crate::clock::{Clock, Mono, Now, System, between, shift};
use crate::document::format_duration;
use crate::id::{JobName, in_one_line};
use crate::plan::{Job, NotLoaded, Plan};
use crate::policy::{Hold, HoldKind};
use crate::schedule::{AtStart, Saved};
use crate::store::Reader;

/// Two due times of a job are farther apart than this: the clocks by which they are told differ by less.
const APART: Duration = Duration::from_millis(1);

/// The smallest step of time.
const INSTANT: SignedDuration = SignedDuration::from_nanos(1);

/// A coming run.
struct Coming<'p> {
    at: Timestamp,
    name: &'p JobName,
    zone: &'p TimeZone,
    schedule: &'p str,
    /// The burst of the job pauses until then.
    pause: bool,
    /// A person has paused the job until shortly before.
    paused: Option<&'p Hold>,
}

/// What is known of a job beside its file.
#[derive(Clone, Copy)]
pub(super) struct Recorded<'k> {
    /// Where it was in its schedule when that was written last.
    pub(super) saved: Option<&'k Saved>,
    pub(super) holds: &'k [Hold],
    /// The job as the running daemon has it now.
    pub(super) live: Option<&'k api::Job>,
}

/// When a job will run.
pub(super) struct Times<'k> {
    pub(super) at: Vec<Timestamp>,
    /// The burst of the job pauses until the first.
    pub(super) pauses: bool,
    /// A person has paused the job until shortly before the first.
    pub(super) paused: Option<&'k Hold>,
    /// The run before decides: so long after its end. There are no times then.
    pub(super) after_end: Option<Duration>,
}

/// When a job that is enabled will run from then on.
pub(super) fn times<'k>(job: &Job, host: &str, known: Recorded<'k>, from: Timestamp, count: usize) -> Times<'k> {
    let seed = job.seed(host);
    let paused = pause_of(job, known.holds, from);
    let passed = known.saved.cloned().zip(paused).map(|(saved, hold)| {
        let then = Now { wall: hold.until, mono: Mono::default() };
        job.timing.passed_until(&seed, saved, then)
    });
    let saved = passed.as_ref().or(known.saved);
    let pauses = saved.is_some_and(|saved| job.timing.pauses(saved, from).is_some());
    let begin = paused.map_or(from, |hold| hold.until);
    // What something else was to run in a pause is not missed at its end.
    let upcoming = |saved, begin| match paused {
        Some(_) => job.timing.upcoming_after(&seed, saved, begin),
        None => job.timing.upcoming(&seed, saved, begin),
    };
    let first = known.live.and_then(|live| live.next);
    let waits = paused.is_none() && known.live.is_some_and(|live| live.next.is_none());
    // A job whose hours never come has no time either way.
    let comes = || upcoming(saved, begin).next().is_some();
    let after_end = job.timing.interval_from_finish().filter(|_| waits && comes());
    let at = match first {
        // A job whose hours never come has no time either way.
        None if after_end.is_some() => Vec::new(),
        None => upcoming(saved, begin).take(count).collect(),
        Some(first) => {
            // Without a run on schedule nothing says where its times lie but the daemon's own.
            let has_run = saved.is_some_and(|saved| saved.last().is_some());
            let rest = match has_run {
                true => upcoming(saved, begin),
                false => upcoming(None, first.max(begin)),
            };
            let after = shift(first, APART);
            std::iter::once(first).chain(rest.filter(|at| *at > after)).take(count).collect()
        }
    };
    Times { at, pauses, paused, after_end }
}

/// Prints the coming due times of jobs, soonest first.
pub(super) fn run(world: &World, args: &NextArgs) -> Result<ExitCode, Failure> {
    let (world, found) = state::daemon(world);
    let world = &world;
    let mut plan = world.plan_to_read()?;
    let Known { reader, daemon } = state::known(world, &plan, found);
    if let Some(reader) = &reader {
        state::add_jobs_without_file(&mut plan, reader);
    }
    let going_on = daemon.as_ref().map(|daemon| going_on(daemon, &plan)).unwrap_or_default();
    if plan.jobs.is_empty() && going_on.is_empty() {
        world.options()?;
    }
    state::say_without_files(world, &plan);
    let going_on: Vec<&api::Job> =
        going_on.iter().filter(|job| args.jobs.is_empty() || args.jobs.contains(&job.name.to_string())).collect();
    let is_going_on = |name: &String| going_on.iter().any(|job| job.name.as_str() == *name);
    let jobs: Vec<&Arc<Job>> = match args.jobs.as_slice() {
        [] => plan.jobs.iter().collect(),
        names => names
            .iter()
            .filter(|name| !is_going_on(name))
            .map(|name| locate::job(&plan, name))
            .collect::<Result<_, _>>()?,
    };
    let count = args.count.unwrap_or(if args.jobs.is_empty() { 1 } else { 5 }) as usize;
    let now = System.now().wall;
    let asked = args.from.as_deref().map(|text| coming(text, &plan.config.zone, now)).transpose()?;
    if let Some(reader) = &reader {
        state::say_unread(world, &plan, (reader, daemon.is_some()), jobs.iter().map(AsRef::as_ref));
    }
    let known = reader.as_ref().map(recorded).unwrap_or_default();
    let holds = reader.as_ref().and_then(|reader| reader.holds().ok()).unwrap_or_default();
    // Of another time than now the daemon knows nothing.
    let live = daemon.as_ref().filter(|_| args.from.is_none()).map(|daemon| live(daemon, &args.jobs));
    let live = live.unwrap_or_default();
    let mut times: Vec<Coming<'_>> = Vec::new();
    let mut after_end: HashMap<&JobName, Duration> = HashMap::new();
    for job in jobs.iter().filter(|job| job.timing.enabled) {
        let known = Recorded { saved: known.get(&job.name), holds: &holds, live: live.get(&job.name) };
        // What is due just then is wanted too. An interval without a record begins just then.
        let begins = known.saved.is_none() && !job.timing.follows_wall_clock();
        let from = asked.map_or(now, |from| if begins { from } else { from.checked_sub(INSTANT).unwrap_or(from) });
        let Times { at, pauses, paused, after_end: end } = self::times(job, &plan.config.host, known, from, count);
        after_end.extend(end.map(|end| (&job.name, end)));
        let (name, zone, schedule) = (&job.name, &job.timing.zone, job.facts.schedule.as_str());
        times.extend(at.into_iter().enumerate().map(|(index, at)| {
            let (at, is_first) = (asked.map_or(at, |from| at.max(from)), index == 0);
            Coming { at, name, zone, schedule, pause: is_first && pauses, paused: paused.filter(|_| is_first) }
        }));
    }
    let of_daemon = daemon.as_ref().filter(|_| args.from.is_none());
    for job in &going_on {
        let at = of_daemon.map(|daemon| daemon.next_of(job.name.as_str(), count)).transpose()?;
        let (name, zone, schedule) = (&job.name, &plan.config.zone, job.schedule.as_str());
        let coming = |next: api::Next| Coming { at: next.at, name, zone, schedule, pause: false, paused: None };
        times.extend(at.unwrap_or_default().into_iter().map(coming));
    }
    times.sort_by(|a, b| (a.at, a.name).cmp(&(b.at, b.name)));
    for job in &going_on {
        let why = job.error.as_deref().map(in_one_line).unwrap_or_default();
        let words = format!("{}: {}: {why}", job.name, job.of_bad_file());
        world.terminal.err(&format!("slack-alert: {words}"));
    }
    let never = jobs.iter().filter(|job| !times.iter().any(|coming| *coming.name == job.name));
    if args.json {
        let one = |coming: &Coming<'_>| {
            let (local, zone) = (state::local(coming.at, coming.zone), coming.zone.iana_name());
            let paused = pause_in_json(coming.paused);
            json!({
                "job": coming.name, "at": coming.at.to_string(), "local": local, "zone": zone, "pause": coming.pause,
                "paused": paused, "after_end": null,
            })
        };
        let none = |name: &JobName| {
            let after_end = after_end.get(name).map(Duration::as_secs_f64);
            json!({
                "job": name, "at": null, "local": null, "zone": null, "pause": false, "paused": null, "after_end": after_end,
            })
        };
        let never = never.map(|job| none(&job.name));
        let all: Vec<_> = times.iter().map(one).chain(never).collect();
        world.terminal.out(&format!("{}\n", serde_json::Value::from(all)));
        return Ok(ExitCode::SUCCESS);
    }
    let rows = times.iter().map(|coming| {
        let Coming { at, name, zone, schedule, pause, paused } = coming;
        let local = local(*at, zone).strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string();
        let schedule = match (pause, paused) {
            (_, Some(hold)) => format!("{schedule}; {}", hold.in_words(&state::told(hold.until, zone, now))),
            (true, None) => format!("{schedule}; pauses until then"),
            (false, None) => (*schedule).to_owned(),
        };
        vec![local, left(*at, now), name.to_string(), schedule]
    });
    let boot = System.boot();
    let has_run = |job: &Job| known.get(&job.name).is_some_and(|saved| saved.boot() == Some(boot.as_str()));
    let never = never.map(|job| {
        if let Some(after) = after_end.get(&job.name) {
            let why = format!("{} after the end of the run in progress", format_duration(*after));
            return vec![why, "-".to_owned(), job.name.to_string(), job.facts.schedule.clone()];
        }
        let why = match job.timing.enabled {
            false => "not enabled",
            true if job.timing.after().is_some() => "follows",
            true if job.timing.runs_elsewhere() => "at any time",
            // It has not run since the machine has started, and no daemon runs that could have had it run.
            true if job.timing.at_start == AtStart::AfterBoot && daemon.is_none() && !has_run(job) => {
                "at the next start"
            }
            true if !job.timing.has_times() => "at the next boot",
            true if job.timing.at_start == AtStart::Always => "at the next start",
            true => "not within ten years",
        };
        vec![why.to_owned(), "-".to_owned(), job.name.to_string(), job.facts.schedule.clone()]
    });
    world.terminal.out(&world.terminal.table(&rows.chain(never).collect::<Vec<_>>(), &[0, 2]));
    Ok(ExitCode::SUCCESS)
}

/// These jobs, or all, as the daemon has them now; none where it does not answer in time.
fn live(daemon: &Daemon, names: &[String]) -> HashMap<JobName, api::Job> {
    let jobs = match names {
        [] => daemon.jobs(None).unwrap_or_default(),
        names => names.iter().filter_map(|name| daemon.jobs(Some(name)).ok()).flatten().collect(),
    };
    jobs.into_iter().map(|job| (job.name.clone(), job)).collect()
}

/// The jobs whose files have errors, and whose last good versions the daemon runs.
pub(super) fn going_on(daemon: &Daemon, plan: &Plan) -> Vec<api::Job> {
    let loaded = |bad: &NotLoaded| daemon.jobs(Some(bad.name.as_str())).unwrap_or_default();
    let jobs = plan.not_loaded.iter().filter(|bad| !bad.name.as_str().contains('*')).flat_map(loaded);
    jobs.filter(|job| job.state != api::JobState::NotLoaded).collect()
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
    let whole = |length: Duration| format_duration(Duration::from_secs(length.as_secs()));
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
