//! What commands that look at the state directory have in common: opening it beside a daemon, runs and times in words.
//!
//! Before it: a plan, which names the directory and the jobs' zones. After it: `history`, `outbox` and `why`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use serde_json::{Value, json};

use super::locate::World;
use super::time::{of_day, parse_times};
use super::{Failure, client};
use crate::daemon::{self, VERSIONS_NOTE, Versions};
use crate::document::parse_duration;
use crate::exec::Ending;
use crate::id::{RunId, in_one_line};
use crate::plan::{Job, Plan};
use crate::policy::{self, Event, Expected, Health, Held};
use crate::report::explain::{may_be_told_later, tells_of};
pub(super) use crate::report::explain::{told, verdict, was_refused};
use crate::schedule::{Saved, instants};
use crate::store::{OpenError, OutboxFilter, Reader, RunRow, Store, StoreError, Stored};

/// How long a daemon is waited for that may keep its state elsewhere.
pub(super) const ANSWER: Duration = Duration::from_secs(1);

/// Where the configuration's daemon keeps its state. Where nothing names the folder, the daemon that runs with this
/// configuration is asked: it may have been started with `--state-dir`.
pub(super) fn folder(world: &World, plan: &Plan) -> Result<PathBuf, Failure> {
    let usual = world.state_dir(plan);
    let named = world.global.state_dir.is_some() || plan.config.state_dir.is_some();
    if named || world.variable("STATE_DIRECTORY").is_some() {
        return usual;
    }
    match client::find_within(world, ANSWER) {
        Ok(client::Daemon { status: crate::api::Status { state_dir: Some(dir), .. }, .. }) => Ok(dir),
        _ => usual,
    }
}

/// The state of the configuration's daemon, whether it runs or not.
pub(super) fn open(world: &World, plan: &Plan) -> Result<Reader, Failure> {
    let dir = folder(world, plan)?;
    Store::open_reader(&dir).map_err(|error| unopened(plan, &error, &dir))
}

/// A state that is there and cannot be used, as the API names it.
pub(super) const UNUSABLE: &str = "state";

fn unopened(plan: &Plan, error: &OpenError, dir: &Path) -> Failure {
    match error {
        OpenError::Missing(_) if plan.unread.is_some() => Failure::new(format!(
            "where the state is, is not known, since the configuration cannot be read; there is none in {}\n  help: name \
             the right place with --state-dir DIR",
            dir.display()
        )),
        OpenError::Missing(_) => Failure::new(format!(
            "there is no state in {} yet: no daemon has run with this configuration\n  help: start it with \
             `slack-alert run`, or name the right place with --state-dir DIR",
            dir.display()
        )),
        error if is_forbidden(error) => {
            let whose = client::owner_name(dir).map(|name| format!(": it belongs to {name}")).unwrap_or_default();
            Failure::new(format!(
                "{error}{whose}\n  help: ask as root or as the daemon's user; with `[control] read = \"all\"` the running \
                 daemon answers everybody"
            ))
        }
        other => Failure::new(other.to_string()).of(UNUSABLE),
    }
}

/// Whether the state is there, and this user may not read it.
fn is_forbidden(error: &OpenError) -> bool {
    matches!(error, OpenError::Io { error, .. } if error.kind() == std::io::ErrorKind::PermissionDenied)
}

/// The state, or what the daemon that keeps it answers to a user who may not read it.
pub(super) enum Source {
    State(Reader),
    Daemon(Box<client::Daemon>, Failure),
}

/// The state, for a command that the daemon can answer too.
pub(super) fn open_or_ask(world: &World, plan: &Plan) -> Result<Source, Failure> {
    let dir = folder(world, plan)?;
    match Store::open_reader(&dir) {
        Ok(reader) => Ok(Source::State(reader)),
        Err(error) if is_forbidden(&error) => {
            let failure = unopened(plan, &error, &dir);
            client::find(world)
                .map(|daemon| Source::Daemon(Box::new(daemon), failure))
                .map_err(|_| unopened(plan, &error, &dir))
        }
        Err(error) => Err(unopened(plan, &error, &dir)),
    }
}

/// The last run of a job with an open incident, and when the next message about that can be expected; none in it where the next
/// failure is told.
pub(super) fn expected(reader: &Reader, job: Option<&Job>, now: Timestamp) -> Option<(RunId, Option<Expected>)> {
    let job = job?;
    let health = health(reader, job, now)?;
    let last = health.last_run()?.run;
    let open = policy::open(&job.notify, &health, &job.timing.zone, now);
    Some((last, open.first()?.next))
}

/// What is recorded of a job, with what people hold of it now.
pub(super) fn health(reader: &Reader, job: &Job, now: Timestamp) -> Option<Health> {
    let state = reader.jobs().ok()?.remove(&job.name)?;
    let mut health: Health = serde_json::from_str(&state.health).ok()?;
    health.reconcile(&reader.told().unwrap_or_default());
    let tags = || job.facts.tags.iter().map(String::as_str);
    let mut holds = reader.holds().unwrap_or_default();
    holds.retain(|hold| hold.until > now && hold.pattern.covers(job.name.as_str(), tags()));
    health.hold(Held::of(&holds));
    let saved: Option<Saved> = serde_json::from_str(&state.cadence).ok();
    health.look_ahead(saved.map(|saved| job.timing.ahead(&saved, now)));
    Some(health)
}

/// The messages of a run in progress that are in the outbox.
pub(super) fn letters_of(reader: &Reader, run: RunId) -> Vec<Stored> {
    let filter = OutboxFilter { limit: PAGE, with_dropped: true, ..OutboxFilter::default() };
    let mut all = reader.outbox_list(&filter).unwrap_or_default();
    all.retain(|stored| stored.message.run == Some(run) && !stored.is_edit());
    all
}

/// What is known beside the files, for commands that tell what the daemon will do.
pub(super) struct Known {
    pub(super) reader: Option<Reader>,
    /// The daemon, where one runs and lets this user ask.
    pub(super) daemon: Option<client::Daemon>,
}

/// The daemon of this configuration, and the command line with what that was started with.
pub(super) fn daemon(world: &World) -> (World, Result<client::Daemon, client::Absent>) {
    let found = client::find_within(world, ANSWER);
    let mut as_run = match &found {
        Ok(daemon) => world.as_run_with(&daemon.status.options),
        Err(_) => world.clone(),
    };
    if let Some(unread) = as_run.config_beside_jobs() {
        let of_daemon = found.as_ref().ok().and_then(|daemon| daemon.status.config.as_deref());
        match of_daemon.filter(|file| file.is_absolute()) {
            // Its state is what is asked for, and that fits its configuration alone.
            Some(file) => as_run.global.config = Some(file.to_owned()),
            None => world.terminal.err(&format!(
                "slack-alert: {} is not read: --path names the folder of jobs.d alone\n  help: name it with --config FILE",
                unread.display()
            )),
        }
    }
    (as_run, found)
}

/// The recorded state and the running daemon, as far as they are there; what is not and should be is said. Somebody who only
/// looks at a configuration, with which no daemon has ever run here, hears nothing.
pub(super) fn known(world: &World, plan: &Plan, found: Result<client::Daemon, client::Absent>) -> Known {
    let named = world.global.state_dir.is_some() || plan.config.state_dir.is_some();
    let dir = folder(world, plan);
    let opened = dir.as_ref().ok().map(|dir| Store::open_reader(dir));
    let say = |words: &str| world.terminal.err(&format!("slack-alert: {words}"));
    let (reader, unread) = match (opened, dir) {
        (Some(Ok(reader)), _) => (Some(reader), None),
        (Some(Err(error @ OpenError::Missing(_))), Ok(dir)) => {
            if plan.unread.is_some() {
                say(&unopened(plan, &error, &dir).message);
            } else if named {
                let dir = dir.display();
                say(&format!("there is no state in {dir} yet: no daemon has run with this configuration"));
            }
            return Known { reader: None, daemon: None };
        }
        (Some(Err(error)), _) => (None, Some(error)),
        (None, _) => return Known { reader: None, daemon: None },
    };
    let daemon = say_whether_a_daemon_runs(world, found);
    if let (Some(error), None) = (unread, &daemon) {
        say(&format!("the state cannot be read, and what is shown does not know it: {error}"));
    }
    Known { reader, daemon }
}

/// That nobody runs the jobs, for whoever asks when they will run.
pub(super) fn say_whether_a_daemon_runs(
    world: &World,
    found: Result<client::Daemon, client::Absent>,
) -> Option<client::Daemon> {
    match found {
        Ok(daemon) => Some(daemon),
        Err(absent) => {
            if let Some(words) = absent_words(&absent) {
                world.terminal.err(&format!("slack-alert: {words}"));
            }
            None
        }
    }
}

fn absent_words(absent: &client::Absent) -> Option<String> {
    match (absent.is_certain, absent.hangs) {
        (true, _) => {
            let words = "no daemon runs with this configuration: no job runs on schedule until one is started";
            Some(words.to_owned())
        }
        (false, true) => {
            let why = absent.failure.message.lines().next().unwrap_or_default();
            Some(format!("{why}: it may not run what is due"))
        }
        // Whoever may not ask does not know.
        (false, false) => None,
    }
}

/// That there is no configuration, and so which jobs are shown, for whoever asks for all. Nothing where there is one.
pub(super) fn say_without_files(world: &World, plan: &Plan) {
    // Of `--path` the jobs are known without a configuration.
    if plan.config.file.is_none() && plan.config.jobs_dir.as_os_str().is_empty() {
        world.terminal.err(
            "slack-alert: no configuration was found: shown is what the state knows, jobs that have no file; jobs with a file \
             are missing\n  help: name their configuration with --config FILE, or the folder that holds jobs.d with --path DIR",
        );
    }
}

/// Adds the jobs that have no file, as `wrap` has reported them.
pub(super) fn add_jobs_without_file(plan: &mut Plan, reader: &Reader) {
    let known = daemon::jobs_without_file(&reader.notes().unwrap_or_default(), plan);
    plan.jobs.extend(known);
    plan.jobs.sort_by(|a, b| a.name.cmp(&b.name));
}

/// The database said no.
pub(super) fn failed(error: StoreError) -> Failure {
    Failure::new(format!("the state cannot be read: {error}")).of(UNUSABLE)
}

/// Says on stderr which files the daemon has in another version than they have now: `slack_alert.toml`, and those of these jobs.
/// Nothing where no daemon has run; `runs` is whether one runs now.
pub(super) fn say_unread<'p>(
    world: &World,
    plan: &Plan,
    (reader, runs): (&Reader, bool),
    jobs: impl Iterator<Item = &'p Job>,
) {
    let versions = reader.notes().ok().and_then(|mut notes| notes.remove(VERSIONS_NOTE));
    let Some(versions) = versions.and_then(|text| serde_json::from_str::<Versions>(&text).ok()) else { return };
    let config = plan.config.file.as_ref().filter(|_| plan.version != versions.config && !plan.is_draft);
    let config = config.map(|file| file.display().to_string());
    let unread = jobs
        .filter(|job| !job.facts.file.is_empty() && versions.jobs.get(job.name.as_str()) != Some(&job.version))
        .map(|job| job.facts.file.clone());
    if let Some(line) = unread_line(&config.into_iter().chain(unread).collect::<Vec<_>>(), runs) {
        world.terminal.err(&format!("slack-alert: {line}"));
    }
}

fn unread_line(files: &[String], runs: bool) -> Option<String> {
    let first = in_one_line(files.first()?);
    let all = match files.len() - 1 {
        0 => format!("{first} has"),
        1 => format!("{first} and 1 more file have"),
        more => format!("{first} and {more} more files have"),
    };
    Some(match runs {
        true => format!("{all} changed, and the daemon has not read that yet: a reload makes it"),
        false => format!("{all} changed since a daemon read it last: what is shown of runs is older"),
    })
}

/// The zone in which a job's times are told.
pub(super) fn zone<'p>(plan: &'p Plan, job: &str) -> &'p TimeZone {
    plan.job(job).map_or(&plan.config.zone, |job| &job.timing.zone)
}

/// A time as tables show it.
pub(super) fn shown(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A time in its zone as JSON has it: RFC 3339, in which a zone has no name.
pub(super) fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()
}

/// A time, or how long ago that was.
pub(super) fn since(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, Failure> {
    if let Ok(length) = parse_duration(text) {
        return Ok(now.saturating_sub(length).unwrap_or(Timestamp::MIN));
    }
    last_time(text, zone, now).map(|(first, _)| first).map_err(|_| {
        Failure::usage(format!(
            "`{text}` is neither a time nor a length of time\n  help: write `24h`, `03:00`, `2026-03-29` or `2026-03-29T01:30`"
        ))
    })
}

/// What had begun by a time: of one without seconds, by the end of that minute, since that is how times are told.
pub(super) fn by(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, Failure> {
    let (first, last) = last_time(text, zone, now)?;
    let at = if last <= now { last } else { first };
    let rest = if text.matches(':').count() == 1 { Duration::from_micros(59_999_999) } else { Duration::ZERO };
    Ok(at.saturating_add(rest).unwrap_or(at))
}

/// A time, or a time of day: when the clock showed it last, for the first and for the last time.
fn last_time(text: &str, zone: &TimeZone, now: Timestamp) -> Result<(Timestamp, Timestamp), Failure> {
    let Some(time) = of_day(text) else { return parse_times(text, zone) };
    let today = now.to_zoned(zone.clone()).date();
    let on = |date: civil::Date| instants(date.to_datetime(time), zone);
    let last = on(today).filter(|(first, _)| *first <= now).or_else(|| today.yesterday().ok().and_then(on));
    last.ok_or_else(|| Failure::usage(format!("`{text}` is not a time")))
}

/// Messages that are read at a time, and how many are looked at for the runs in question.
const PAGE: u32 = 1_000;
const MOST_MESSAGES: usize = 100_000;

/// What of the messages of runs is in the outbox: what waits, and what was refused. What was delivered is not there any more.
#[derive(Debug, Default)]
pub(super) struct Undelivered {
    all: HashMap<RunId, Vec<Stored>>,
    /// Runs that were told of after all.
    later: HashMap<RunId, (Timestamp, Event)>,
}

impl Undelivered {
    /// Those of these runs.
    pub(super) fn of(reader: &Reader, runs: &[RunRow]) -> Result<Self, Failure> {
        let mut all: HashMap<RunId, Vec<Stored>> = HashMap::new();
        let (mut seen, mut filter) = (0, OutboxFilter { limit: PAGE, with_dropped: true, ..OutboxFilter::default() });
        let told = runs.iter().filter(|row| row.decision.is_notified()).count();
        while told > 0 && seen < MOST_MESSAGES {
            let page = reader.outbox_list(&filter).map_err(failed)?;
            seen += page.len();
            filter.after = page.last().map(|stored| stored.id);
            let full = page.len() == PAGE as usize;
            let alerts = page.into_iter().filter(|stored| !stored.is_edit());
            for stored in alerts {
                for row in runs.iter().filter(|row| tells_of(&stored, row)) {
                    all.entry(row.id).or_default().push(stored.clone());
                }
            }
            if !full {
                break;
            }
        }
        // A database of an earlier version knows of none.
        let later = reader.told_later(&may_be_told_later(runs)).unwrap_or_default();
        Ok(Self { all, later })
    }

    /// Those of one run.
    pub(super) fn run(&self, run: RunId) -> Vec<&Stored> {
        self.all.get(&run).into_iter().flatten().collect()
    }

    /// When a run was told of after all, and as what.
    pub(super) fn later(&self, run: RunId) -> Option<(Timestamp, Event)> {
        self.later.get(&run).copied()
    }
}

/// A run, as all commands tell it in JSON.
pub(super) fn in_json(row: &RunRow, zone: &TimeZone) -> Value {
    let code = if let Ending::Exited { code } = row.ending { Some(code) } else { None };
    let signal = if let Ending::Signaled { signal } = row.ending { Some(signal) } else { None };
    // Due times that passed are no run: nothing started, and nothing ended.
    let (is_run, counts) = (row.details.passed.is_none(), row.counts());
    json!({
        // The names of the API, and those of version 0.1.
        "id": row.id,
        "run": row.id,
        "job": row.job,
        "number": row.number,
        "trigger": row.trigger,
        "scheduled": row.scheduled.to_string(),
        "started": row.began().map(|at| at.to_string()),
        "finished": row.finished.to_string(),
        "local": row.began().map(|at| local(at, zone)),
        "zone": zone.iana_name(),
        "took": row.lasted().map(|took| took.as_secs_f64()),
        "duration": row.lasted().map(|took| took.as_secs_f64()),
        "attempts": row.attempts,
        "status": counts.then_some(row.status),
        "reason": counts.then_some(row.reason),
        "ending": is_run.then(|| row.ending.words()),
        "passed": row.details.passed.map(|(count, _)| count),
        "line": row.details.line,
        "by": row.details.by,
        "note": row.details.note,
        "exit_code": code,
        "signal": signal,
        "verdict": row.decision.to_string(),
        "until": row.decision.until().map(|until| until.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::{by, last_time, since};

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn hours_that_the_clock_skips_or_shows_twice() {
        let berlin = TimeZone::get("Europe/Berlin").expect("the zone is known");
        let (skipped, twice) = ("2026-03-29T08:00:00Z", "2026-10-25T08:00:00Z");
        let between = "2026-10-25T00:45:00Z";
        // What is shown from then on, and what had begun by then, is all that may be meant.
        for (text, now, from, to) in [
            ("02:30", skipped, "2026-03-29T01:00:00Z", "2026-03-29T01:00:59.999999Z"),
            ("2026-03-29T02:30", skipped, "2026-03-29T01:00:00Z", "2026-03-29T01:00:59.999999Z"),
            ("02:30", twice, "2026-10-25T00:30:00Z", "2026-10-25T01:30:59.999999Z"),
            ("2026-10-25T02:30", twice, "2026-10-25T00:30:00Z", "2026-10-25T01:30:59.999999Z"),
            ("02:30", between, "2026-10-25T00:30:00Z", "2026-10-25T00:30:59.999999Z"),
        ] {
            let now = time(now);
            assert_eq!(since(text, &berlin, now).map_err(|failure| failure.message), Ok(time(from)), "{text} {now}");
            assert_eq!(by(text, &berlin, now).map_err(|failure| failure.message), Ok(time(to)), "{text} {now}");
        }
        for (text, now, at) in [
            ("02:30", "2026-03-28T20:00:00Z", "2026-03-29T01:00:00Z"),
            ("02:30", "2026-10-24T20:00:00Z", "2026-10-25T00:30:00Z"),
            ("02:30", between, "2026-10-25T01:30:00Z"),
            ("02:30", "2026-10-25T01:45:00Z", "2026-10-26T01:30:00Z"),
        ] {
            let found = crate::cli::time::coming(text, &berlin, time(now));
            assert_eq!(found.map_err(|failure| failure.message), Ok(time(at)), "{text} {now}");
        }
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
            let last = last_time(text, &berlin, now).map(|(first, _)| first);
            assert_eq!(last.map_err(|failure| failure.message), Ok(time(expected)), "{text}");
            assert_eq!(since(text, &berlin, now).map_err(|failure| failure.message), Ok(time(expected)), "{text}");
        }
        for (text, expected) in [
            ("08:30", "2026-11-23T07:30:59.999999Z"),
            ("08:30:05", "2026-11-23T07:30:05Z"),
            ("2026-11-20T03:14", "2026-11-20T02:14:59.999999Z"),
            ("2026-11-20T03:14:00Z", "2026-11-20T03:14:00Z"),
        ] {
            assert_eq!(by(text, &berlin, now).map_err(|failure| failure.message), Ok(time(expected)), "{text}");
        }
        assert_eq!(since("24h", &berlin, now).map_err(|failure| failure.message), Ok(time("2026-11-22T08:00:00Z")));
        assert_eq!(
            since("2026-11-20", &berlin, now).map_err(|failure| failure.message),
            Ok(time("2026-11-19T23:00:00Z"))
        );
        for text in ["soon", "", "25:00", "03:14 tomorrow"] {
            assert!(last_time(text, &berlin, now).is_err() && since(text, &berlin, now).is_err(), "{text}");
        }
    }
}
