//! `slack-alert pause`, `resume`, `silence` and `ack`: what a person asks for of some jobs, for a time.

use std::process::ExitCode;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::Failure;
use super::args::{
    AckArgs, ListedHolds, PauseArgs, ResumeArgs, SilenceArgs, SilenceCommand, SilenceEndArgs, SilenceListArgs,
};
use super::client::words::{because, count, covered, hold_until};
use super::client::{self, Daemon, encoded};
use super::locate::World;
use super::state::told;
use crate::api::{Hold, HoldAnswer, HoldKind, HoldRequest, HoldsEnded, ScriptSilence, StillHeld};
use crate::clock::{Clock, System};
use crate::id::{in_one_line, listed, typed};

/// The daemon counts due times up to this number.
const COUNTED: usize = 500;

/// No runs for a time.
pub(super) fn pause(world: &World, args: &PauseArgs) -> Result<ExitCode, Failure> {
    let daemon = client::open_to_change(world)?;
    let now = System.now().wall;
    let until = hold_until(&args.length, HoldKind::Pause, &daemon.zone, now)?;
    let answer = ask(&daemon, HoldKind::Pause, &args.pattern, until, false, args.note.as_deref())?;
    if args.json {
        return Ok(in_json(world, &json!(answer)));
    }
    let jobs = covered(&args.pattern, &answer.jobs);
    let are = if answer.jobs.len() == 1 { "is" } else { "are" };
    let until = told(answer.until, &daemon.zone, now);
    let passes = answer.due_times.map(passes).unwrap_or_default();
    let (replaced, watchers) =
        (replaced(&answer.replaced, &daemon.zone, now), missed_by(&answer.watchers, answer.jobs.len()));
    world.terminal.out(&format!("{jobs} {are} paused until {until}.{passes}{replaced}{watchers}\n"));
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

/// " It takes the place of hold 4, until tomorrow 08:00 by dana: "migration"."
fn replaced(holds: &[Hold], zone: &TimeZone, now: Timestamp) -> String {
    let one = |hold: &Hold| {
        let (by, note) = (in_one_line(&hold.by.name), because(hold.note.as_deref()));
        format!("hold {}, until {} by {by}{note}", hold.id, told(hold.until, zone, now))
    };
    let all: Vec<String> = holds.iter().map(one).collect();
    if all.is_empty() { String::new() } else { format!(" It takes the place of {}.", all.join("; ")) }
}

/// " 3 due times will pass."
fn passes(due_times: usize) -> String {
    match due_times {
        0 => " No due time will pass.".to_owned(),
        number if number >= COUNTED => format!(" {COUNTED} due times and more will pass."),
        number => format!(" {} will pass.", count(number as u64, "due time", "due times")),
    }
}

/// Ends pauses.
pub(super) fn resume(world: &World, args: &ResumeArgs) -> Result<ExitCode, Failure> {
    let daemon = client::open_to_change(world)?;
    end(world, &daemon, &Ending { kind: HoldKind::Pause, text: &args.pattern, json: args.json })
}

/// No messages for a time; or what silences there are.
pub(super) fn silence(world: &World, args: &SilenceArgs) -> Result<ExitCode, Failure> {
    let command = match &args.command {
        None => return begin_silence(world, args),
        Some(command) => command,
    };
    if args.pattern.is_some() || args.until_ok || args.note.is_some() {
        let name = if matches!(command, SilenceCommand::List(_)) { "list" } else { "end" };
        return Err(Failure::usage(format!(
            "a job, a length, --until-ok and --note belong to a silence that begins, and not to `silence {name}`\n  help: for \
             a job that is named `{name}`: `slack-alert silence -- {name} 2h`"
        )));
    }
    match command {
        SilenceCommand::List(list_args) => list(world, list_args, args.json || list_args.json),
        SilenceCommand::End(end_args) => end_silence(world, end_args, args.json || end_args.json),
    }
}

fn begin_silence(world: &World, args: &SilenceArgs) -> Result<ExitCode, Failure> {
    let pattern = args.pattern.as_deref().unwrap_or_default();
    let daemon = client::open_to_change(world)?;
    let now = System.now().wall;
    let until = hold_until(&args.length, HoldKind::Silence, &daemon.zone, now)?;
    let Some(until) = until else {
        return Err(Failure::usage(format!(
            "for how long?\n  help: `slack-alert silence {} 2h`; with --until-ok it ends as soon as all is ok",
            typed(pattern)
        )));
    };
    let answer = ask(&daemon, HoldKind::Silence, pattern, Some(until), args.until_ok, args.note.as_deref())?;
    if args.json {
        return Ok(in_json(world, &json!(answer)));
    }
    let jobs = covered(pattern, &answer.jobs);
    let are = if answer.jobs.len() == 1 { "is" } else { "are" };
    let (runs, replaced) = (runs_on(&answer), replaced(&answer.replaced, &daemon.zone, now));
    let ok = if args.until_ok { ", or until it is ok" } else { "" };
    let until = told(answer.until, &daemon.zone, now);
    let id = answer.id;
    world.terminal.out(&format!(
        "{jobs} {are} silenced until {until}{ok}. {runs}.{replaced} `slack-alert silence end {id}` ends it before.\n"
    ));
    Ok(ExitCode::SUCCESS)
}

/// "They run on; what still fails at the end is told then", or that they do not run.
fn runs_on(answer: &HoldAnswer) -> String {
    const TOLD: &str = "what still fails at the end is told then";
    match (answer.jobs.len(), answer.disabled) {
        (1, 0) => format!("It runs on; {TOLD}"),
        (_, 0) => format!("They run on; {TOLD}"),
        (1, _) => "It does not run: it is not enabled".to_owned(),
        (all, disabled) if disabled >= all => "None of them runs: they are not enabled".to_owned(),
        (_, 1) => format!("They run on, but for 1 that is not enabled; {TOLD}"),
        (_, disabled) => format!("They run on, but for {disabled} that are not enabled; {TOLD}"),
    }
}

fn list(world: &World, args: &SilenceListArgs, json: bool) -> Result<ExitCode, Failure> {
    let (mut holds, by_script, zone) = match client::find(world) {
        Ok(daemon) => {
            let (holds, by_script) = daemon.holds()?;
            (holds, by_script, daemon.zone)
        }
        // Holds go on while no daemon runs.
        Err(absent) => match super::status::offline_holds(world) {
            Ok(known) => {
                let why = absent.failure.message.lines().next().unwrap_or_default().to_owned();
                if args.names.is_none() {
                    world.terminal.err(&format!("slack-alert: {why}: this is what the database knows"));
                }
                known
            }
            Err(_) => {
                let kind = absent.code();
                return Err(absent.failure.of(kind));
            }
        },
    };
    if let Some(wanted) = args.names {
        let kind = if wanted == ListedHolds::Holds { HoldKind::Pause } else { HoldKind::Silence };
        let names = holds.iter().filter(|hold| wanted == ListedHolds::Holds || hold.kind == kind).flat_map(|hold| {
            std::iter::once(hold.id.to_string()).chain((hold.kind == kind).then(|| hold.pattern.clone()))
        });
        let of_scripts = by_script.iter().filter(|_| wanted == ListedHolds::Silences).map(|one| one.job.to_string());
        world.terminal.out(&names.chain(of_scripts).map(|name| format!("{name}\n")).collect::<String>());
        return Ok(ExitCode::SUCCESS);
    }
    holds.retain(|hold| hold.kind == HoldKind::Silence);
    if json {
        return Ok(in_json(world, &all_in_json(&holds, &by_script)));
    }
    if holds.is_empty() && by_script.is_empty() {
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
            told(hold.since, &zone, now),
            format!("{}{ok}", told(hold.until, &zone, now)),
            in_one_line(&hold.by.name).into_owned(),
            hold.note.as_deref().map(|note| in_one_line(note).into_owned()).unwrap_or_default(),
        ]
    }));
    // It has no number: it ends by the name of its job.
    rows.extend(by_script.iter().map(|silence| {
        let since = silence.since.map_or_else(|| "-".to_owned(), |since| told(since, &zone, now));
        let (job, until) = (in_one_line(silence.job.as_str()).into_owned(), told(silence.until, &zone, now));
        vec!["-".to_owned(), job, "1".to_owned(), since, until, OWN_SCRIPT.to_owned(), String::new()]
    }));
    world.terminal.out(&world.terminal.table(&rows, &[0, 1, 4]));
    Ok(ExitCode::SUCCESS)
}

/// Who has asked for a silence that is no person's.
const OWN_SCRIPT: &str = "its own script";

/// Silences of persons and of scripts in the same form; these have no number.
fn all_in_json(holds: &[Hold], by_script: &[ScriptSilence]) -> Value {
    let of_script = |silence: &ScriptSilence| {
        json!({
            "id": null, "kind": HoldKind::Silence, "pattern": silence.job, "since": silence.since, "until": silence.until,
            "until_ok": false, "by": { "uid": null, "name": OWN_SCRIPT }, "via": "script", "note": null, "jobs": 1,
        })
    };
    holds.iter().map(|hold| json!(hold)).chain(by_script.iter().map(of_script)).collect()
}

fn end_silence(world: &World, args: &SilenceEndArgs, json: bool) -> Result<ExitCode, Failure> {
    let daemon = client::open_to_change(world)?;
    end(world, &daemon, &Ending { kind: HoldKind::Silence, text: &args.hold, json })
}

/// The open incident has somebody.
pub(super) fn ack(world: &World, args: &AckArgs) -> Result<ExitCode, Failure> {
    let daemon = client::open_to_change(world)?;
    let now = System.now().wall;
    let until = hold_until(&args.length, HoldKind::Ack, &daemon.zone, now)?;
    let answer = ask(&daemon, HoldKind::Ack, &args.job, until, false, args.note.as_deref())?;
    if args.json {
        return Ok(in_json(world, &json!(answer)));
    }
    let job = in_one_line(answer.jobs.first().unwrap_or(&args.job));
    let until = told(answer.until, &daemon.zone, now);
    let key = answer.incident.as_ref().and_then(|incident| incident.key.as_deref()).map(in_one_line);
    let key = key.map(|key| format!(" (key {key})")).unwrap_or_default();
    let others = match answer.incident.as_ref().map_or(0, |incident| incident.others) {
        0 => String::new(),
        1 => " Another incident of the job is open, and nobody has it: ask again to acknowledge it.".to_owned(),
        number => format!(
            " {number} other incidents of the job are open, and nobody has them: ask again to acknowledge the next one."
        ),
    };
    let replaced = replaced(&answer.replaced, &daemon.zone, now);
    world.terminal.out(&format!(
        "The incident of {job}{key} is acknowledged until {until}. There is no repeat until then, unless it gets worse, \
         fails differently or recovers.{replaced}{others} `slack-alert resume {}` ends it before.\n",
        answer.id
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
    /// A job, a pattern, or the number of a hold.
    text: &'a str,
    json: bool,
}

fn end(world: &World, daemon: &Daemon, ending: &Ending<'_>) -> Result<ExitCode, Failure> {
    let text = ending.text.trim();
    let target = match text.parse::<u64>() {
        Ok(id) if is_of_number(daemon, ending.kind, (id, text))? => format!("/api/v1/holds/{id}"),
        _ => format!("/api/v1/holds?kind={}&pattern={}", ending.kind.as_str(), encoded(text)),
    };
    let ended: HoldsEnded = daemon.delete(&target)?;
    if ending.json {
        let all = all_in_json(&ended.holds, &ended.by_script);
        return Ok(in_json(world, &json!({ "ended": all, "still": ended.still })));
    }
    let now = System.now().wall;
    for hold in &ended.holds {
        let still: Vec<&StillHeld> = ended.still.iter().filter(|still| still.ended == hold.id).collect();
        let stays = !ended.still_by_script.is_empty();
        world.terminal.out(&format!("{}\n", ended_words(hold, (&still, stays), &daemon.zone, now)));
    }
    for silence in &ended.by_script {
        let since = silence.since.map(|since| format!(" since {}", told(since, &daemon.zone, now))).unwrap_or_default();
        let job = in_one_line(silence.job.as_str());
        world.terminal.out(&format!("The silence of {job}{since} by {OWN_SCRIPT} is over.\n"));
    }
    for silence in &ended.still_by_script {
        let (job, until) = (in_one_line(silence.job.as_str()), told(silence.until, &daemon.zone, now));
        world.terminal.out(&format!(
            "{job} stays silenced until {until} by {OWN_SCRIPT}: `slack-alert silence end {}` ends that too.\n",
            typed(silence.job.as_str())
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a number is that of a hold: `resume` ends one of any kind by it, `silence end` a silence. A job may have such a
/// name.
fn is_of_number(daemon: &Daemon, kind: HoldKind, (id, text): (u64, &str)) -> Result<bool, Failure> {
    let (holds, _) = daemon.holds()?;
    if kind == HoldKind::Silence {
        refuse_another_kind(&holds, id)?;
        return Ok(true);
    }
    let is_named = holds.iter().any(|hold| hold.kind == kind && hold.pattern == text);
    // What is neither the number of a hold nor a job's name was meant as a number.
    Ok(!is_named
        && (holds.iter().any(|hold| hold.id == id) || daemon.jobs(Some(text)).is_ok_and(|jobs| jobs.is_empty())))
}

/// A number may be that of a pause.
fn refuse_another_kind(holds: &[Hold], id: u64) -> Result<(), Failure> {
    let Some(hold) = holds.iter().find(|hold| hold.id == id && hold.kind != HoldKind::Silence) else { return Ok(()) };
    let (pattern, word) = (in_one_line(&hold.pattern), hold.kind.held());
    let help = match hold.kind {
        HoldKind::Pause => format!("`slack-alert resume '{pattern}'` ends the pause"),
        _ => format!("`slack-alert resume {id}` ends the acknowledgement"),
    };
    Err(Failure::new(format!("by hold {id} {pattern} is {word}, and not silenced\n  help: {help}")))
}

/// "etl/* (3 jobs) run again; they were paused since 14:00 by dana: "migration"." Where other holds go on, that they do.
fn ended_words(hold: &Hold, (still, by_script): (&[&StillHeld], bool), zone: &TimeZone, now: Timestamp) -> String {
    let (pattern, since) = (in_one_line(&hold.pattern), told(hold.since, zone, now));
    let by = format!("{}{}", in_one_line(&hold.by.name), because(hold.note.as_deref()));
    let over = || format!("The {} of {pattern} since {since} by {by} is over", hold.kind.noun());
    if hold.kind == HoldKind::Ack || (by_script && still.is_empty()) {
        return format!("{}.", over());
    }
    if hold.jobs == 0 {
        return format!("{}; it covers no job any more.", over());
    }
    if !still.is_empty() {
        let one = |still: &&StillHeld| {
            let (stay, until) = (if still.jobs.len() == 1 { "stays" } else { "stay" }, told(still.until, zone, now));
            let of = in_one_line(&still.pattern);
            let (jobs, how, id) = (listed(&still.jobs), hold.kind.held(), still.id);
            format!("{jobs} {stay} {how} until {until} by hold {id}, that of {of}")
        };
        return format!("{}; {}.", over(), still.iter().map(one).collect::<Vec<_>>().join("; "));
    }
    let jobs = if hold.jobs == 1 { String::new() } else { format!(" ({})", count(hold.jobs as u64, "job", "jobs")) };
    let what = match (hold.kind, hold.jobs == 1) {
        (HoldKind::Pause, true) => "runs again; it was paused",
        (HoldKind::Pause, false) => "run again; they were paused",
        (_, true) => "is not silenced any more; it was",
        (_, false) => "are not silenced any more; they were",
    };
    format!("{pattern}{jobs} {what} since {since} by {by}.")
}
