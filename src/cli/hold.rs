//! `slack-alert pause`, `resume`, `silence` and `ack`: what a person asks for of some jobs, for a time.

use std::process::ExitCode;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::Failure;
use super::args::{AckArgs, PauseArgs, ResumeArgs, SilenceArgs, SilenceCommand, SilenceEndArgs, SilenceListArgs};
use super::client::words::{because, count, covered, held, hold_until};
use super::client::{self, Daemon, encoded};
use super::locate::World;
use super::state::told;
use crate::api::{Hold, HoldAnswer, HoldKind, HoldList, HoldRequest, NextList};
use crate::clock::{Clock, System};
use crate::id::in_one_line;

/// Due times that are counted, at most.
const COUNTED: usize = 500;

/// No runs for a time.
pub(super) fn pause(world: &World, args: &PauseArgs) -> Result<ExitCode, Failure> {
    let daemon = client::open(world)?;
    let now = System.now().wall;
    let until = hold_until(&args.length, HoldKind::Pause, &daemon.zone, now)?;
    // Before it: what is due of a job that is paused begins after the pause.
    let passes = if args.json { String::new() } else { passes(&daemon, &args.pattern, now, until) };
    let answer = ask(&daemon, HoldKind::Pause, &args.pattern, until, false, args.note.as_deref())?;
    if args.json {
        return Ok(in_json(world, &json!(answer)));
    }
    let jobs = covered(&args.pattern, &answer.jobs);
    let are = if answer.jobs.len() == 1 { "is" } else { "are" };
    let until = told(answer.until, &daemon.zone, now);
    let watchers = missed_by(&answer.watchers, answer.jobs.len());
    world.terminal.out(&format!("{jobs} {are} paused until {until}.{passes}{watchers}\n"));
    Ok(ExitCode::SUCCESS)
}

/// " Its watcher at hc-ping.com will notice: pause it there too."
fn missed_by(watchers: &[String], jobs: usize) -> String {
    let place = |host: &String| if host == "elsewhere" { host.clone() } else { format!("at {host}") };
    match watchers {
        [] => String::new(),
        [one] if jobs == 1 => format!(" Its watcher {} will notice: pause it there too.", place(one)),
        [one] => format!(" The watcher {} will notice: pause them there too.", place(one)),
        many => {
            let places: Vec<String> = many.iter().map(place).collect();
            format!(" The watchers {} will notice: pause them there too.", places.join(" and "))
        }
    }
}

/// " 3 due times will pass."
fn passes(daemon: &Daemon, pattern: &str, now: Timestamp, until: Option<Timestamp>) -> String {
    let within = until.map_or(0, |until| crate::clock::between(now, until).as_secs());
    let target = format!("/api/v1/next?within={within}&limit={COUNTED}&job={}", encoded(pattern.trim()));
    // What the number is does not matter to the pause: without one, it is left out.
    let Ok(list) = daemon.client.get::<NextList>(&target) else { return String::new() };
    match list.next.len() {
        0 => " No due time will pass.".to_owned(),
        number if number >= COUNTED => format!(" {COUNTED} due times and more will pass."),
        number => format!(" {} will pass.", count(number as u64, "due time", "due times")),
    }
}

/// Ends pauses.
pub(super) fn resume(world: &World, args: &ResumeArgs) -> Result<ExitCode, Failure> {
    let daemon = client::open(world)?;
    end(world, &daemon, &Ending { kind: HoldKind::Pause, text: &args.pattern, json: args.json })
}

/// No messages for a time; or what silences there are.
pub(super) fn silence(world: &World, args: &SilenceArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        Some(SilenceCommand::List(args)) => list(world, args),
        Some(SilenceCommand::End(args)) => end_silence(world, args),
        None => begin_silence(world, args),
    }
}

fn begin_silence(world: &World, args: &SilenceArgs) -> Result<ExitCode, Failure> {
    let pattern = args.pattern.as_deref().unwrap_or_default();
    let daemon = client::open(world)?;
    let now = System.now().wall;
    let until = hold_until(&args.length, HoldKind::Silence, &daemon.zone, now)?;
    let Some(until) = until else {
        return Err(Failure::usage(format!(
            "for how long?\n  help: `slack-alert silence {} 2h`; with --until-ok it ends as soon as all is ok",
            in_one_line(pattern)
        )));
    };
    let answer = ask(&daemon, HoldKind::Silence, pattern, Some(until), args.until_ok, args.note.as_deref())?;
    if args.json {
        return Ok(in_json(world, &json!(answer)));
    }
    let jobs = covered(pattern, &answer.jobs);
    let (are, runs) = if answer.jobs.len() == 1 { ("is", "It runs on") } else { ("are", "They run on") };
    let ok = if args.until_ok { ", or until it is ok" } else { "" };
    let until = told(answer.until, &daemon.zone, now);
    let id = answer.id;
    world.terminal.out(&format!(
        "{jobs} {are} silenced until {until}{ok}. {runs}; what still fails at the end is told then. `slack-alert silence \
         end {id}` ends it before.\n"
    ));
    Ok(ExitCode::SUCCESS)
}

fn list(world: &World, args: &SilenceListArgs) -> Result<ExitCode, Failure> {
    let daemon = client::open(world)?;
    let holds: Vec<Hold> = daemon.holds()?.into_iter().filter(|hold| hold.kind == HoldKind::Silence).collect();
    if args.names {
        let names = holds.iter().flat_map(|hold| [hold.id.to_string(), hold.pattern.clone()]);
        world.terminal.out(&names.map(|name| format!("{name}\n")).collect::<String>());
        return Ok(ExitCode::SUCCESS);
    }
    if args.json {
        return Ok(in_json(world, &json!(holds)));
    }
    if holds.is_empty() {
        world.terminal.out("Nothing is silenced.\n");
        return Ok(ExitCode::SUCCESS);
    }
    let now = System.now().wall;
    let mut rows = vec![["ID", "PATTERN", "JOBS", "SINCE", "UNTIL", "BY", "NOTE"].map(str::to_owned).to_vec()];
    rows.extend(holds.iter().map(|hold| {
        let ok = if hold.until_ok { " or ok" } else { "" };
        vec![
            hold.id.to_string(),
            in_one_line(&hold.pattern).into_owned(),
            hold.jobs.to_string(),
            told(hold.since, &daemon.zone, now),
            format!("{}{ok}", told(hold.until, &daemon.zone, now)),
            in_one_line(&hold.by.name).into_owned(),
            hold.note.as_deref().map(|note| in_one_line(note).into_owned()).unwrap_or_default(),
        ]
    }));
    world.terminal.out(&world.terminal.table(&rows));
    Ok(ExitCode::SUCCESS)
}

fn end_silence(world: &World, args: &SilenceEndArgs) -> Result<ExitCode, Failure> {
    let daemon = client::open(world)?;
    end(world, &daemon, &Ending { kind: HoldKind::Silence, text: &args.hold, json: args.json })
}

/// The open incident has somebody.
pub(super) fn ack(world: &World, args: &AckArgs) -> Result<ExitCode, Failure> {
    let daemon = client::open(world)?;
    let now = System.now().wall;
    let until = hold_until(&args.length, HoldKind::Ack, &daemon.zone, now)?;
    let answer = ask(&daemon, HoldKind::Ack, &args.job, until, false, args.note.as_deref())?;
    if args.json {
        return Ok(in_json(world, &json!(answer)));
    }
    let job = in_one_line(answer.jobs.first().unwrap_or(&args.job));
    let until = told(answer.until, &daemon.zone, now);
    world.terminal.out(&format!(
        "The incident of {job} is acknowledged until {until}. There is no repeat until then, unless it gets worse, fails \
         differently or recovers.\n"
    ));
    Ok(ExitCode::SUCCESS)
}

fn ask(
    daemon: &Daemon,
    kind: HoldKind,
    pattern: &str,
    until: Option<Timestamp>,
    until_ok: bool,
    note: Option<&str>,
) -> Result<HoldAnswer, Failure> {
    let request = HoldRequest {
        kind: Some(kind),
        pattern: pattern.to_owned(),
        length: None,
        until,
        until_ok,
        note: note.map(str::to_owned),
    };
    daemon.post("/api/v1/holds", &request)
}

fn in_json(world: &World, value: &Value) -> ExitCode {
    world.terminal.out(&format!("{value}\n"));
    ExitCode::SUCCESS
}

/// Which holds are to end.
struct Ending<'a> {
    kind: HoldKind,
    /// A job, a pattern, or the number of a silence.
    text: &'a str,
    json: bool,
}

fn end(world: &World, daemon: &Daemon, ending: &Ending<'_>) -> Result<ExitCode, Failure> {
    let text = ending.text.trim();
    let id = text.parse::<u64>().ok().filter(|_| ending.kind == HoldKind::Silence);
    let target = match id {
        Some(id) => {
            let holds = daemon.holds()?;
            refuse_another_kind(&holds, id)?;
            format!("/api/v1/holds/{id}")
        }
        None => format!("/api/v1/holds?kind={}&pattern={}", ending.kind.as_str(), encoded(text)),
    };
    let ended: HoldList = daemon.client.delete(&target).map_err(|trouble| daemon.failure(&trouble))?;
    if ending.json {
        return Ok(in_json(world, &json!({ "ended": ended.holds })));
    }
    let now = System.now().wall;
    for hold in &ended.holds {
        world.terminal.out(&format!("{}\n", ended_words(hold, &daemon.zone, now)));
    }
    Ok(ExitCode::SUCCESS)
}

/// A number may be that of a pause.
fn refuse_another_kind(holds: &[Hold], id: u64) -> Result<(), Failure> {
    let Some(hold) = holds.iter().find(|hold| hold.id == id && hold.kind != HoldKind::Silence) else { return Ok(()) };
    let (pattern, word) = (in_one_line(&hold.pattern), held(hold.kind));
    let help = match hold.kind {
        HoldKind::Pause => format!("`slack-alert resume '{pattern}'` ends the pause"),
        _ => "an acknowledgement ends with its incident, or when its time is over".to_owned(),
    };
    Err(Failure::new(format!("by hold {id} {pattern} is {word}, and not silenced\n  help: {help}")))
}

/// "etl/* (3 jobs) run again; they were paused since 14:00 by dana: "migration"."
fn ended_words(hold: &Hold, zone: &TimeZone, now: Timestamp) -> String {
    let jobs = if hold.jobs == 1 { String::new() } else { format!(" ({})", count(hold.jobs as u64, "job", "jobs")) };
    let what = match (hold.kind, hold.jobs == 1) {
        (HoldKind::Pause, true) => "runs again; it was paused",
        (HoldKind::Pause, false) => "run again; they were paused",
        (_, true) => "is not silenced any more; it was",
        (_, false) => "are not silenced any more; they were",
    };
    let (pattern, since) = (in_one_line(&hold.pattern), told(hold.since, zone, now));
    let by = format!("{}{}", in_one_line(&hold.by.name), because(hold.note.as_deref()));
    format!("{pattern}{jobs} {what} since {since} by {by}.")
}
