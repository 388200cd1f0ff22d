//! `slack-alert why`: a run's verdict in sentences, and what became of its message.

use std::collections::HashMap;
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::WhyArgs;
use super::client::{Daemon, encoded};
use super::locate::World;
use super::next::{Recorded, Times};
use super::state::Source;
use super::{Failure, state};
use crate::api;
use crate::clock::{Clock, System};
use crate::daemon::dispatcher::{STARVED_NOTE, Starved};
use crate::document::format_duration;
use crate::exec::Status;
use crate::id::{JobName, RunId, in_one_line, typed};
use crate::plan::{Job, NotLoaded, Plan};
use crate::policy::{self, Event, Expected, Hold, HoldKind};
use crate::report::explain::{Explained, may_be_told_later, whereabouts};
use crate::schedule::AtStart;
use crate::store::{HistoryFilter, Reader, RunRow, Stored};

/// How many runs are looked at for the last message before.
const LOOK_BACK: u32 = 10_000;

/// Explains the verdicts of a job's runs.
pub(super) fn run(world: &World, args: &WhyArgs) -> Result<ExitCode, Failure> {
    let (world, found) = state::daemon(world);
    let world = &world;
    let mut plan = world.plan_to_read()?;
    let now = System.now().wall;
    let reader = match state::open_or_ask(world, &plan)? {
        Source::State(reader) => reader,
        Source::Daemon(daemon, _) => return from_daemon(world, &plan, args, &daemon),
    };
    let daemon = state::say_whether_a_daemon_runs(world, found);
    state::add_jobs_without_file(&mut plan, &reader);
    let zone = state::zone(&plan, &args.job);
    let at = args.at.as_deref().map(|text| state::by(text, zone, now)).transpose()?;
    let job = JobName::new(args.job.as_str());
    let filter = HistoryFilter { job: Some(job), until: at, limit: args.count, ..HistoryFilter::default() };
    let rows = reader.history(&filter).map_err(state::failed)?;
    state::say_unread(world, &plan, (&reader, daemon.is_some()), plan.job(&args.job).into_iter().map(AsRef::as_ref));
    let live = live(daemon.as_ref(), &args.job);
    let waits = daemon.as_ref().and_then(|daemon| {
        let starved = &daemon.status.starved;
        starved.iter().find(|one| one.job.as_str() == args.job)
    });
    let known = Known { plan: &plan, reader: &reader, live: live.as_ref(), waits, now };
    if rows.is_empty() {
        return nothing(world, known, args, at);
    }
    let undelivered = state::Undelivered::of(&reader, &rows)?;
    let job = plan.job(&args.job).map(AsRef::as_ref);
    let last = state::expected(&reader, job, now);
    let told: Vec<Explained<'_>> =
        rows.iter().map(|row| explained(row, &undelivered, (job, zone, now), last)).collect();
    if args.json {
        let waits = known.waiting(&args.job);
        let all: Vec<Value> = told.iter().map(in_json).map(|run| with_waits(run, waits.as_ref())).collect();
        world.terminal.out(&format!("{}\n", Value::from(all)));
        return Ok(ExitCode::SUCCESS);
    }
    let starved = starved(&reader, &args.job).filter(|_| args.at.is_none());
    if let Some(starved) = &starved {
        let (since, places) = (state::told(starved.since, zone, now), starved.places());
        world.terminal.out(&format!("{} waits for {} since {since}: {places}\n", args.job, starved.what()));
    }
    for told in &told {
        world.terminal.out(&format!("{}\n  {}\n", told.headline(), told.explanation()));
    }
    let untold = rows.last().filter(|row| !was_sent(row) && undelivered.later(row.id).is_none());
    if let Some((last, at, event)) = untold.and_then(|row| message_before(&reader, row)) {
        let (at, event) = (state::told(at, zone, now), event.as_str());
        let undelivered = state::Undelivered::of(&reader, std::slice::from_ref(&last))?;
        let waits = explained(&last, &undelivered, (job, zone, now), None).whereabouts();
        world
            .terminal
            .out(&format!("the last message before that was about run {}, at {at} ({event}){waits}\n", last.id));
    }
    let bad = plan.not_loaded.iter().find(|bad| bad.name.as_str() == args.job);
    if args.at.is_none()
        && starved.is_none()
        && bad.is_none()
        && let Some(job) = plan.job(&args.job)
    {
        // The last run says when a message comes that it was not itself, and so does one that hangs.
        let hangs = state::health(&reader, job, now).is_some_and(|health| health.hang().is_some());
        let is_said = hangs || rows.first().is_some_and(|row| !was_sent(row) && row.status != Status::Ok);
        let expected = last.filter(|_| !is_said).and_then(|(_, expected)| expected);
        let message = expected.and_then(|next| next.words(|at| state::told(at, zone, now)));
        let message = message.map(|message| format!("; {message}")).unwrap_or_default();
        world.terminal.out(&format!("now: {}{message}\n", next(known, job)));
        for held in holds(&reader, job, now) {
            world.terminal.out(&held);
        }
    } else if (job.is_none() || bad.is_some()) && args.at.is_none() {
        let now = match bad {
            Some(bad) => goes_on(bad, known),
            None if plan.config.file.is_none() => {
                format!("no configuration was found: whether {} is still a job is not known here", args.job)
            }
            None if !plan.not_loaded.is_empty() => format!("no job file that can be read declares {}", args.job),
            None => format!("no job file declares {}: it is not run any more", args.job),
        };
        world.terminal.out(&format!("now: {now}\n"));
    }
    Ok(ExitCode::SUCCESS)
}

/// What people hold of the job, a line each.
fn holds(reader: &Reader, job: &Job, now: Timestamp) -> Vec<String> {
    let tags = || job.facts.tags.iter().map(String::as_str);
    let all = reader.holds().unwrap_or_default().into_iter();
    let held = all.filter(|hold| hold.until > now && hold.pattern.covers(job.name.as_str(), tags()));
    let words = |hold: &Hold| hold.in_words(&state::told(hold.until, &job.timing.zone, now));
    let by_script = state::health(reader, job, now).and_then(|health| health.silenced_by_script());
    let by_script = by_script.filter(|until| *until > now).map(|until| state::told(until, &job.timing.zone, now));
    let by_script = by_script.map(|until| format!("silenced until {until} by its own script\n"));
    held.map(|hold| format!("hold {}: {}\n", hold.id, words(&hold))).chain(by_script).collect()
}

/// What a run of this job waits for, if the daemon has said so.
fn starved(reader: &Reader, job: &str) -> Option<Starved> {
    let notes = reader.notes().ok()?;
    let mut all: HashMap<String, Starved> = serde_json::from_str(notes.get(STARVED_NOTE)?).ok()?;
    all.remove(job)
}

/// What is known of the jobs.
#[derive(Clone, Copy)]
struct Known<'k> {
    plan: &'k Plan,
    reader: &'k Reader,
    /// The job as the running daemon has it now.
    live: Option<&'k api::Job>,
    /// Its run that waits, as the daemon knows it.
    waits: Option<&'k api::Starved>,
    now: Timestamp,
}

impl Known<'_> {
    /// What a run of the job waits for: as the daemon knows it, or has said it last.
    fn waiting(self, job: &str) -> Option<api::Starved> {
        let noted = || Some(starved(self.reader, job)?.of(JobName::new(job)));
        self.waits.cloned().or_else(noted)
    }
}

/// A run in JSON with what its job waits for now, which is the same of each of its runs.
fn with_waits(mut run: Value, waits: Option<&api::Starved>) -> Value {
    run["waits"] = json!(waits);
    run
}

/// The job as the daemon has it now.
fn live(daemon: Option<&Daemon>, name: &str) -> Option<api::Job> {
    let jobs = daemon?.jobs(Some(name)).ok()?;
    jobs.into_iter().find(|job| job.name.as_str() == name && job.state != api::JobState::NotLoaded)
}

/// What becomes of a job whose file has errors.
fn goes_on(bad: &NotLoaded, known: Known<'_>) -> String {
    let zone = &known.plan.config.zone;
    match known.live {
        Some(live) => {
            let next = live.next.map(|at| format!(", due next at {}", state::told(at, zone, known.now)));
            format!("{}{}: {}", live.of_bad_file(), next.unwrap_or_default(), bad.why)
        }
        None => format!("its file has errors and is not loaded: {}", bad.why),
    }
}

/// The answer of the daemon, for a user who may not read the state.
fn from_daemon(world: &World, plan: &Plan, args: &WhyArgs, daemon: &Daemon) -> Result<ExitCode, Failure> {
    let now = System.now().wall;
    let at = args.at.as_deref().map(|text| state::by(text, state::zone(plan, &args.job), now)).transpose()?;
    let had_begun = |told: &api::Explained| at.is_none_or(|at| told.run.started.is_some_and(|started| started <= at));
    let (count, mut before, mut all, mut seen) = (args.count as usize, String::new(), Vec::new(), 0);
    let mut why: api::WhyList = loop {
        let limit = if at.is_some() { 500 } else { count.min(500) };
        let target = format!("/api/v1/why/{}?limit={limit}{before}", encoded(&args.job));
        let mut page: api::WhyList = daemon.get(&target)?;
        seen += page.why.len();
        all.extend(std::mem::take(&mut page.why).into_iter().filter(had_begun));
        match page.before.filter(|_| all.len() < count && seen < LOOK_BACK as usize) {
            Some(next) => before = format!("&before={next}"),
            None => break page,
        }
    };
    all.truncate(count);
    why.why = all;
    if args.json {
        let all: Vec<Value> = why.why.iter().map(|run| with_waits(json!(run), why.waits.as_ref())).collect();
        world.terminal.out(&format!("{}\n", Value::from(all)));
        return Ok(ExitCode::SUCCESS);
    }
    for told in &why.why {
        world.terminal.out(&format!("{}\n  {}\n", in_one_line(&told.sentence), in_one_line(&told.explanation)));
    }
    match at {
        None => world.terminal.out(&format!("now: {}\n", in_one_line(&why.sentence))),
        Some(at) if why.why.is_empty() => {
            let at = state::told(at, state::zone(plan, &args.job), now);
            world.terminal.out(&format!("no run of {} is known at or before {at}\n", args.job));
        }
        Some(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// There is no such run: why not.
fn nothing(world: &World, known: Known<'_>, args: &WhyArgs, at: Option<Timestamp>) -> Result<ExitCode, Failure> {
    let Known { plan, reader, live, now, .. } = known;
    let bad = plan.not_loaded.iter().find(|bad| bad.name.as_str() == args.job && live.is_some());
    let zone = plan.job(&args.job).map_or(&plan.config.zone, |job| &job.timing.zone);
    let when = at.map(|at| format!(" at or before {}", state::told(at, zone, now))).unwrap_or_default();
    let (name, why) = match bad {
        Some(bad) => (&bad.name, goes_on(bad, known)),
        None => {
            let job = super::locate::job(plan, &args.job)?;
            if let Some(goes_on) = going(known, job).filter(|_| !args.json) {
                world.terminal.out(&format!("{}: {goes_on}; no run of it has ended yet{when}\n", job.name));
                return Ok(ExitCode::SUCCESS);
            }
            let starved = starved(reader, &args.job).filter(|_| args.at.is_none());
            let why = if !job.timing.enabled {
                next(known, job)
            } else if let Some(starved) = starved {
                let since = state::told(starved.since, zone, now);
                format!("its run waits for {} since {since}: {}", starved.what(), starved.places())
            } else if let Some(after) = job.timing.after() {
                let names: Vec<&str> = after.jobs.iter().map(JobName::as_str).collect();
                let held_up = held_up(plan, reader, job, now);
                format!("it runs {}{held_up}; see `slack-alert why {}`", job.facts.schedule, typed(names[0]))
            } else if job.timing.runs_elsewhere() {
                "something else runs it, and no run was reported yet".to_owned()
            } else {
                next(known, job)
            };
            (&job.name, why)
        }
    };
    if args.json {
        world.terminal.out("[]\n");
        return Ok(ExitCode::SUCCESS);
    }
    world.terminal.out(&format!("no run of {name} is known{when}: {why}\n"));
    Ok(ExitCode::SUCCESS)
}

/// The run in progress: "run 18 goes on since 11:02".
fn going(known: Known<'_>, job: &Job) -> Option<String> {
    let zone = &job.timing.zone;
    let recorded = known.reader.running().unwrap_or_default().into_iter().find(|row| row.job == job.name);
    let of_daemon = known.live.and_then(|live| live.running.first());
    let retry = of_daemon
        .map(|run| run.without_process(|at| format!("at {}", state::told(at, zone, known.now))))
        .unwrap_or_default();
    let of_daemon = of_daemon.map(|run| (run.run, run.started));
    let (run, started) = of_daemon.or(recorded.map(|row| (row.id, row.started)))?;
    let said = said_of(known, job, run);
    Some(format!("run {run} goes on since {}{retry}{said}", state::told(started, zone, known.now)))
}

/// That a run in progress hangs, or takes long, as far as the daemon has recorded it, with the messages about that; each begins
/// with a comma or a semicolon.
fn said_of(known: Known<'_>, job: &Job, run: RunId) -> String {
    let Known { reader, now, .. } = known;
    let Some(health) = state::health(reader, job, now) else { return String::new() };
    let time = |at| state::told(at, &job.timing.zone, now);
    let mut words = String::new();
    let hangs = health.hang().is_some_and(|hung| hung.run == run);
    if hangs {
        words.push_str(", and hangs: due times pass because of it");
    }
    let undelivered = state::letters_of(reader, run);
    let open = policy::open(&job.notify, &health, &job.timing.zone, now);
    if let Some(open) = open.first().filter(|_| hangs) {
        let named = open.told.iter().filter(|(channel, _)| !channel.is_unnamed()).map(|(channel, _)| channel.as_str());
        let named: Vec<&str> = named.collect();
        let channels = if named.is_empty() { String::new() } else { format!(" in {}", named.join(", ")) };
        words.push_str(&match (open.told.iter().map(|(_, at)| *at).max(), &open.suppressed) {
            (Some(at), _) => format!("; told at {}{channels}", time(at)),
            (None, _) if open.is_reported || !undelivered.is_empty() => "; not told yet".to_owned(),
            (None, Some((why, _))) => format!("; not told: {why}"),
            (None, None) => "; not told".to_owned(),
        });
    }
    if health.told_slow(run) {
        words.push_str("; there was a message that it takes longer than `notify.slow` allows");
    }
    words.push_str(&whereabouts(&undelivered.iter().collect::<Vec<_>>(), &job.timing.zone, now));
    if hangs && let Some(next) = open.first().and_then(|open| open.next?.words(time)) {
        words.push_str(&format!("; {next}"));
    }
    words
}

/// What the job waits for now, as the end of a sentence.
fn next(known: Known<'_>, job: &Job) -> String {
    let (Known { plan, reader, live, now, .. }, zone) = (known, &job.timing.zone);
    if let Some(going) = going(known, job) {
        return going;
    }
    if !job.timing.enabled {
        return "it is not enabled".to_owned();
    }
    // What is no news yet is known to a daemon that runs, and nowhere on disk.
    if let Some(waits) = known.waits {
        let since = state::told(waits.since, zone, now);
        return format!("its run waits for {} since {since}: {}", waits.what, waits.why);
    }
    let saved = super::next::recorded(reader).remove(&job.name);
    let holds = reader.holds().unwrap_or_default();
    let recorded = Recorded { saved: saved.as_ref(), holds: &holds, live };
    let Times { at, pauses, paused, after_end } = super::next::times(job, &plan.config.host, recorded, now, 1);
    let pauses = if pauses { "; its burst pauses until then" } else { "" };
    if let Some(after) = after_end {
        return format!("its next run is due {} after the end of the run before", format_duration(after));
    }
    match (at.first(), paused) {
        (Some(next), Some(pause)) => {
            let (until, next) = (state::told(pause.until, zone, now), state::told(*next, zone, now));
            format!("it is {}; its next run is due at {next}", pause.in_words(&until))
        }
        (None, Some(pause)) => format!("it is {}", pause.in_words(&state::told(pause.until, zone, now))),
        (Some(next), None) if *next <= now => "its next run is due now".to_owned(),
        (Some(next), None) => format!("its next run is due at {}{pauses}", state::told(*next, zone, now)),
        (None, None) if job.timing.after().is_some() => {
            format!("it runs {}{}", job.facts.schedule, held_up(plan, reader, job, now))
        }
        (None, None) if job.timing.runs_elsewhere() => "something else runs it, at no given time".to_owned(),
        (None, None) if !job.timing.has_times() => "its next run comes after the next boot".to_owned(),
        (None, None) if job.timing.at_start == AtStart::Always => {
            "its next run comes after the next start of the daemon".to_owned()
        }
        (None, None) => "its schedule has no time that lies within its hours".to_owned(),
    }
}

/// The jobs after which this one runs, and which do not run themselves: "; db/backup is paused until 16:00 by dana".
fn held_up(plan: &Plan, reader: &Reader, job: &Job, now: Timestamp) -> String {
    let mut pauses = reader.holds().unwrap_or_default();
    pauses.retain(|hold| hold.kind == HoldKind::Pause && hold.until > now);
    let one = |name: &JobName| {
        let before = plan.job(name.as_str());
        if before.is_some_and(|before| !before.timing.enabled) {
            return Some(format!("; {name} is not enabled"));
        }
        let tags = || before.iter().flat_map(|before| before.facts.tags.iter().map(String::as_str));
        let of_it = pauses.iter().filter(|hold| hold.pattern.covers(name.as_str(), tags()));
        let hold = of_it.max_by_key(|hold| hold.until)?;
        Some(format!("; {name} is {}", hold.in_words(&state::told(hold.until, &job.timing.zone, now))))
    };
    job.timing.after().into_iter().flat_map(|after| &after.jobs).filter_map(one).collect()
}

fn was_sent(row: &RunRow) -> bool {
    row.decision.is_notified()
}

fn explained<'a>(
    row: &'a RunRow,
    undelivered: &'a state::Undelivered,
    (job, zone, now): (Option<&'a Job>, &'a jiff::tz::TimeZone, Timestamp),
    last: Option<(RunId, Option<Expected>)>,
) -> Explained<'a> {
    let expected = last.filter(|(run, _)| *run == row.id).map(|(_, expected)| expected);
    Explained { row, undelivered: undelivered.run(row.id), later: undelivered.later(row.id), expected, job, zone, now }
}

/// The last run before this one that was told, when, and as what.
fn message_before(reader: &Reader, row: &RunRow) -> Option<(RunRow, Timestamp, Event)> {
    let filter = HistoryFilter {
        job: Some(row.job.clone()),
        before: Some(row.id),
        limit: LOOK_BACK,
        ..HistoryFilter::default()
    };
    let rows = reader.history(&filter).ok()?;
    let sent = rows.iter().position(was_sent);
    // Of those after it one may have been told by a message that another cause had.
    let after = &rows[..sent.unwrap_or(rows.len())];
    let later = reader.told_later(&may_be_told_later(after)).unwrap_or_default();
    let found = after.iter().position(|row| later.contains_key(&row.id)).or(sent)?;
    let row = rows.into_iter().nth(found)?;
    let (at, event) = later.get(&row.id).copied().or(row.decision.event().map(|event| (row.finished, event)))?;
    Some((row, at, event))
}

fn in_json(explained: &Explained<'_>) -> Value {
    let mut value = state::in_json(explained.row, explained.zone);
    value["sent"] = (was_sent(explained.row) && !state::was_refused(&explained.undelivered)).into();
    value["sentence"] = explained.headline().into();
    value["explanation"] = explained.explanation().into();
    let stored = |stored: &&Stored| json!({"id": stored.id, "state": stored.state, "channel": stored.message.channel, "why": stored.why});
    value["outbox"] = explained.undelivered.iter().map(stored).collect();
    value
}
