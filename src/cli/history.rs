//! `slack-alert history`: the runs of a job or of all, newest first; one run with everything that it printed.

use std::process::ExitCode;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::args::HistoryArgs;
use super::client::{Daemon, encoded};
use super::locate::World;
use super::state::Source;
use super::{Failure, state};
use crate::api;
use crate::clock::{Clock, System};
use crate::document::format_duration;
use crate::exec::{Captured, Reason, Status, Trigger};
use crate::id::{JobName, RunId, in_one_line};
use crate::message;
use crate::plan::Plan;
use crate::policy::ordinal;
use crate::report::explain::{Explained, happened};
use crate::store::{HistoryFilter, Reader, RunRow, RunningRow, Stored};

/// Prints the runs; beside a running daemon too.
pub(super) fn run(world: &World, args: &HistoryArgs) -> Result<ExitCode, Failure> {
    let plan = world.plan_to_read()?;
    let now = System.now().wall;
    let since = args.since.as_deref().map(|text| state::since(text, &plan.config.zone, now)).transpose()?;
    let reader = match state::open_or_ask(world, &plan)? {
        Source::State(reader) => reader,
        Source::Daemon(daemon, _) => return from_daemon(world, &plan, args, since, &daemon),
    };
    if let Some(number) = args.run {
        return one(world, &plan, &reader, RunId(number), args.json);
    }
    let job = args.job.as_deref().map(JobName::new);
    let filter =
        HistoryFilter { job: job.clone(), failed: args.failed, since, limit: args.count, ..HistoryFilter::default() };
    let mut rows = reader.history(&filter).map_err(state::failed)?;
    let mut running = reader.running().map_err(state::failed)?;
    // A run that goes on will have ended since any time that is past.
    running.retain(|row| {
        !args.failed && job.as_ref().is_none_or(|job| row.job == *job) && since.is_none_or(|since| since <= now)
    });
    // Newest first, those in progress before all; `-n` counts both.
    let most = usize::try_from(args.count).unwrap_or(usize::MAX);
    running.reverse();
    running.truncate(most);
    rows.truncate(most - running.len());
    if rows.is_empty() && running.is_empty() {
        known(&plan, &reader, args)?;
    }
    let undelivered = state::Undelivered::of(&reader, &rows)?;
    if args.json {
        let going = running.iter().map(|row| going_in_json(row, state::zone(&plan, row.job.as_str())));
        let ended = rows.iter().map(|row| {
            let mut value = state::in_json(row, state::zone(&plan, row.job.as_str()));
            value["message"] = state::verdict(row, &undelivered.run(row.id)).into();
            value
        });
        let all: Vec<Value> = going.chain(ended).collect();
        world.terminal.out(&format!("{}\n", Value::from(all)));
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() && running.is_empty() {
        world.terminal.err("slack-alert: no run to show");
        return Ok(ExitCode::SUCCESS);
    }
    let going = running.iter().map(|row| {
        let started = state::shown(row.started, state::zone(&plan, row.job.as_str()));
        let took = format_duration(crate::clock::between(row.started, now));
        let who = if row.trigger == Trigger::Reported { REPORTED } else { "" };
        let words = ["running", who, ""].map(str::to_owned);
        [row.id.to_string(), row.job.to_string(), started, took].into_iter().chain(words).collect()
    });
    let ended = rows.iter().map(|row| line(row, &plan, &undelivered.run(row.id)));
    world
        .terminal
        .out(&world.terminal.table(&[head()].into_iter().chain(going).chain(ended).collect::<Vec<_>>(), WHOLE));
    Ok(ExitCode::SUCCESS)
}

/// Runs of the daemon's history that are looked at for those that are asked for.
const LOOKED_AT: usize = 100_000;

/// What the daemon answers to a user who may not read the state; it has no outputs for everybody.
fn from_daemon(
    world: &World,
    plan: &Plan,
    args: &HistoryArgs,
    since: Option<Timestamp>,
    daemon: &Daemon,
) -> Result<ExitCode, Failure> {
    let now = System.now().wall;
    let is_asked_for = |run: &api::Run| {
        (!args.failed || run.status.is_some_and(|status| status != Status::Ok))
            && since.is_none_or(|since| run.finished.is_none_or(|finished| finished >= since))
    };
    let mut all: Vec<api::Run> = Vec::new();
    if let Some(number) = args.run {
        all.push(daemon.get(&format!("/api/v1/runs/{number}"))?);
    }
    let (mut before, mut seen) = (String::new(), 0);
    while args.run.is_none() && all.len() < args.count as usize && seen < LOOKED_AT {
        let job = args.job.as_deref().map(|job| format!("&job={}", encoded(job))).unwrap_or_default();
        let narrow = args.failed || since.is_some();
        let limit = if narrow { 500 } else { (args.count as usize - all.len()).min(500) };
        let page: api::RunList = daemon.get(&format!("/api/v1/runs?limit={limit}{job}{before}"))?;
        seen += page.runs.len();
        // Runs come by their numbers: one that took long may be older than those before it.
        let is_over = since.is_some_and(|since| page.runs.iter().all(|run| run.finished.is_some_and(|at| at < since)));
        all.extend(page.runs.into_iter().filter(is_asked_for));
        let Some(next) = page.before.filter(|_| !is_over) else { break };
        before = format!("&before={next}");
    }
    all.truncate(args.count as usize);
    // Those in progress before all, as where the state is read.
    all.sort_by_key(|run| run.finished.is_some());
    if args.json {
        world.terminal.out(&format!("{}\n", json!(all)));
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() {
        world.terminal.err("slack-alert: no run to show");
        return Ok(ExitCode::SUCCESS);
    }
    let row = |run: &api::Run| {
        let zone = state::zone(plan, run.job.as_str());
        let shown = |text: Option<&str>| text.map(|text| in_one_line(text).into_owned()).unwrap_or_default();
        let so_far = run.started.filter(|_| run.finished.is_none()).map(|at| crate::clock::between(at, now));
        let who = (run.finished.is_none() && run.trigger == Trigger::Reported).then_some(REPORTED);
        let passed = run.passed.map(due_times);
        vec![
            run.id.to_string(),
            run.job.to_string(),
            started(run.started, run.finished, run.reason, zone),
            run.took.or(so_far).map_or_else(|| "-".to_owned(), format_duration),
            run.status.map_or_else(|| without_status(run), |status| status.as_str().to_owned()),
            shown(run.ending.as_deref().or(passed.as_deref()).or(who)),
            shown(run.message.as_deref().or(run.verdict.as_deref())),
        ]
    };
    let rows: Vec<_> = [head()].into_iter().chain(all.iter().map(row)).collect();
    world.terminal.out(&world.terminal.table(&rows, WHOLE));
    if args.run.is_some() {
        world
            .terminal
            .err("slack-alert: what it printed is shown only to who may read the state: root and the daemon's user");
    }
    Ok(ExitCode::SUCCESS)
}

/// Which run of which job, when it started, and how it ended in a word.
const WHOLE: &[usize] = &[0, 1, 2, 4];
/// The place of a status that a run has not: it counts as not run.
const NOT_RUN: &str = "not run";

/// What a run in progress may be besides.
const REPORTED: &str = "reported by wrap or a ping";

/// The word of a run that the daemon tells of and that has no status.
fn without_status(run: &api::Run) -> String {
    let word = match (run.passed, run.finished, &run.waits) {
        (Some(_), ..) => "paused",
        (None, Some(_), _) => NOT_RUN,
        (None, None, Some(_)) => "waits",
        (None, None, None) => "running",
    };
    word.to_owned()
}

/// How many passed, of a row that is no run.
fn due_times(count: u64) -> String {
    if count == 1 { "1 due time passed".to_owned() } else { format!("{count} due times passed") }
}

fn head() -> Vec<String> {
    ["RUN", "JOB", "STARTED", "TOOK", "STATUS", "HOW IT ENDED", "MESSAGE"].map(str::to_owned).to_vec()
}

/// Whether a run was told, or why not, and when the next message is possible.
fn verdict(row: &RunRow, undelivered: &[&Stored], zone: &TimeZone) -> String {
    let time = |at| state::told(at, zone, row.finished);
    let next = row.decision.expected().and_then(|next| next.words(time)).map(|next| format!(", {next}"));
    format!("{}{}", state::verdict(row, undelivered), next.unwrap_or_default())
}

/// When a run began. Of one whose end alone was reported it is known that it had begun by then.
fn started(at: Option<Timestamp>, finished: Option<Timestamp>, reason: Option<Reason>, zone: &TimeZone) -> String {
    match (at, finished) {
        (Some(at), _) => state::shown(at, zone),
        (None, Some(by)) if reason != Some(Reason::Missing) => format!("by {}", state::shown(by, zone)),
        _ => "-".to_owned(),
    }
}

fn line(row: &RunRow, plan: &Plan, undelivered: &[&Stored]) -> Vec<String> {
    if let Some((count, _)) = row.details.passed {
        let started = state::shown(row.started, state::zone(plan, row.job.as_str()));
        let took = format_duration(crate::clock::between(row.started, row.finished));
        let passed = due_times(count);
        return vec![
            row.id.to_string(),
            row.job.to_string(),
            started,
            took,
            "paused".to_owned(),
            passed,
            state::verdict(row, undelivered),
        ];
    }
    vec![
        row.id.to_string(),
        row.job.to_string(),
        started(row.began(), Some(row.finished), Some(row.reason), state::zone(plan, row.job.as_str())),
        row.lasted().map_or_else(|| "-".to_owned(), format_duration),
        if row.counts() { row.status.as_str() } else { NOT_RUN }.to_owned(),
        happened(&row.ending, row.finished, state::zone(plan, row.job.as_str())),
        verdict(row, undelivered, state::zone(plan, row.job.as_str())),
    ]
}

/// The keys are those of a run that has ended.
fn going_in_json(row: &RunningRow, zone: &TimeZone) -> Value {
    json!({
        "id": row.id, "run": row.id, "job": row.job, "number": row.number, "trigger": row.trigger,
        "scheduled": row.scheduled.to_string(), "started": row.started.to_string(), "finished": null,
        "status": "running",
        // Not known before the end.
        "local": state::local(row.started, zone), "zone": zone.iana_name(), "took": null, "duration": null,
        "attempts": null, "reason": null, "ending": null, "passed": null, "line": null, "by": null, "note": null,
        "exit_code": null, "signal": null, "verdict": null, "until": null, "message": null,
    })
}

/// Nothing was found: a slip in the job's name is said. A job whose file is gone may have a history all the same.
fn known(plan: &Plan, reader: &Reader, args: &HistoryArgs) -> Result<(), Failure> {
    let Some(name) = &args.job else { return Ok(()) };
    let any = HistoryFilter { job: Some(JobName::new(name.as_str())), limit: 1, ..HistoryFilter::default() };
    if plan.not_loaded.iter().any(|job| job.name.as_str() == name) {
        return Ok(());
    }
    match reader.history(&any).map_err(state::failed)?.is_empty() {
        true => super::locate::job(plan, name).map(|_| ()),
        false => Ok(()),
    }
}

/// One run with its output.
fn one(world: &World, plan: &Plan, reader: &Reader, id: RunId, json: bool) -> Result<ExitCode, Failure> {
    let Some(row) = reader.run(id).map_err(state::failed)? else {
        if reader.running().map_err(state::failed)?.iter().any(|row| row.id == id) {
            return Err(Failure::new(format!("run {id} still goes on: its output is kept when it has ended")));
        }
        return Err(Failure::new(format!(
            "there is no run {id} in the history\n  help: `limits.history` says how long runs are kept"
        )));
    };
    let zone = state::zone(plan, row.job.as_str());
    let undelivered = state::Undelivered::of(reader, std::slice::from_ref(&row))?;
    if json {
        let mut value = state::in_json(&row, zone);
        value["message"] = state::verdict(&row, &undelivered.run(row.id)).into();
        for (name, stream) in [("stdout", &row.stdout), ("stderr", &row.stderr)] {
            value[name] = message::clean(&stream.bytes()).into();
            value[format!("{name}_dropped")] = stream.dropped.into();
        }
        world.terminal.out(&format!("{value}\n"));
        return Ok(ExitCode::SUCCESS);
    }
    let job = plan.job(row.job.as_str()).map(AsRef::as_ref);
    let (later, now) = (undelivered.later(row.id), System.now().wall);
    let expected = state::expected(reader, job, now).filter(|(last, _)| *last == row.id).map(|(_, expected)| expected);
    let explained = Explained { row: &row, undelivered: undelivered.run(row.id), later, expected, job, zone, now };
    let which =
        if row.counts() { format!("its {} run", ordinal(row.number)) } else { "which counts as not run".to_owned() };
    let status = if row.counts() { row.status.as_str() } else { NOT_RUN };
    let attempts = if row.attempts > 1 { format!(" in {} attempts", row.attempts) } else { String::new() };
    let after = row.lasted().map(|took| format!(", after {}", format_duration(took))).unwrap_or_default();
    let message = match explained.told_later() {
        Some(told) => format!("{}{told}", state::verdict(&row, &explained.undelivered)),
        None => verdict(&row, &explained.undelivered, zone),
    };
    let rows = [
        ("run", format!("{} of {}, {which}", row.id, row.job)),
        ("scheduled", state::shown(row.scheduled, zone)),
        ("started", started(row.began(), Some(row.finished), Some(row.reason), zone)),
        ("finished", format!("{}{after}{attempts}", state::shown(row.finished, zone))),
        ("status", format!("{status}: {}", happened(&row.ending, row.finished, zone))),
        ("message", message),
        ("why", explained.explanation()),
    ];
    world.terminal.out(&world.terminal.facts(&rows));
    for (name, stream) in [("stdout", &row.stdout), ("stderr", &row.stderr)] {
        world.terminal.out(&output(name, stream, row.ending.lacks_output()));
    }
    Ok(ExitCode::SUCCESS)
}

/// What one stream wrote, under its name.
fn output(name: &str, stream: &Captured, lacks: Option<&str>) -> String {
    let text = message::clean(&stream.bytes());
    let text = text.trim_end_matches('\n');
    match text.is_empty() {
        true => match lacks {
            Some(why) => format!("\n{name}: not known: {why}\n"),
            None => format!("\n{name}: nothing\n"),
        },
        false => format!("\n{name}:\n{text}\n"),
    }
}
