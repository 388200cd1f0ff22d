//! `slack-alert trigger`: the daemon runs a job now: a real run, with state, history and messages.

use std::process::ExitCode;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::json;

use super::Failure;
use super::args::TriggerArgs;
use super::client::{self, Daemon, Trouble};
use super::locate::World;
use crate::api::{Run, Status, TriggerAnswer, TriggerRequest, Waits};
use crate::document::format_duration;
use crate::exec::Reason;
use crate::id::{in_one_line, typed};
use crate::policy::{Decision, Suppressed};
use crate::report::explain::told;

/// Without a sign that something has changed, it is asked again after so long.
const AGAIN: Duration = Duration::from_secs(2);

/// A daemon that is away (a restart) is waited for so long.
const PATIENCE: u32 = 30;

/// A program that could not be started, one whose time was up, one that a signal ended: as `once` says it.
const NOT_STARTED: i32 = 127;
const TIMED_OUT: i32 = 124;
const SIGNALED: i32 = 128;

/// Asks for the run; with `--wait` it waits for its end, and exits with the command's own code.
pub(super) fn run(world: &World, args: &TriggerArgs) -> Result<ExitCode, Failure> {
    let daemon = client::open_to_change(world)?;
    let request = TriggerRequest { job: args.job.clone(), note: args.note.clone() };
    let answer: TriggerAnswer = daemon.post("/api/v1/trigger", &request)?;
    let (job, run) = (in_one_line(&args.job), answer.run);
    if !args.wait {
        world.terminal.out(&match args.json {
            true => format!("{}\n", json!(answer)),
            false => {
                format!("{}. `slack-alert why {}` says what came of it.\n", begins(&job, &answer), typed(&args.job))
            }
        });
        return Ok(ExitCode::SUCCESS);
    }
    if !args.json {
        let begins = begins(&job, &answer);
        world.terminal.err(&format!("slack-alert: {begins}; it goes on when this command is stopped"));
    }
    let ended = wait(&daemon, &job, run.0)?;
    world.terminal.out(&match args.json {
        true => format!("{}\n", json!(ended)),
        false => sentence(&ended, &daemon.zone, &|| is_held_up(&daemon)),
    });
    Ok(ExitCode::from(code(&ended)))
}

/// "lk1 runs now, as run 8", or what the run waits for.
fn begins(job: &str, answer: &TriggerAnswer) -> String {
    let run = answer.run;
    match &answer.waits {
        None => format!("{job} runs now, as run {run}"),
        Some(Waits { what, why }) => {
            format!("{job} is due now, as run {run}, and waits for {}: {}", in_one_line(what), in_one_line(why))
        }
    }
}

/// Waits for the end of a run: at each change the daemon is asked, and every two seconds.
fn wait(daemon: &Daemon, job: &str, run: u64) -> Result<Run, Failure> {
    let target = format!("/api/v1/runs/{run}");
    let mut events = daemon.client.events().ok();
    let (mut away, mut has_started) = (0, true);
    loop {
        match daemon.client.get::<Run>(&target) {
            Ok(found) if found.finished.is_some() => return Ok(found),
            Ok(found) => (away, has_started) = (0, found.started.is_some()),
            // A run that waits is forgotten with the daemon, and with the job.
            Err(Trouble::Refused(_)) if away >= 3 && !has_started => {
                let words = format!("run {run} of {job} did not start: the daemon does not know it any more");
                return Err(Failure::new(format!(
                    "{words}\n  help: `slack-alert status {}` shows how the job is",
                    typed(job)
                )));
            }
            // A daemon that restarts is away for a moment, and says of the run then that it was interrupted.
            Err(trouble @ (Trouble::Refused(..) | Trouble::NotPermitted)) if away >= 3 => {
                return Err(daemon.failure(&trouble));
            }
            Err(trouble) if away >= PATIENCE => {
                let help = format!("`slack-alert history --run {run}` tells how the run ended, once it is over");
                let first = daemon.failure(&trouble).message;
                let first = first.lines().next().unwrap_or_default();
                return Err(Failure::new(format!("{first}\n  help: {help}")));
            }
            Err(_) => away += 1,
        }
        let heard = events.as_mut().map(|events| events.next(AGAIN));
        if !matches!(heard, Some(Ok(_))) {
            daemon.client.rest(AGAIN.min(Duration::from_secs(1)));
            events = daemon.client.events().ok();
        }
    }
}

/// "run 813 of db/backup was ok: exited with 0, took 41s; sent: recovery."
fn sentence(run: &Run, zone: &TimeZone, is_held_up: &dyn Fn() -> bool) -> String {
    let came = run.status.map_or_else(|| "counts as not run".to_owned(), |status| format!("was {}", status.as_str()));
    let ending = run.ending.as_deref().map(in_one_line).unwrap_or_default();
    let took = run.took.map(|took| format!(", took {}", format_duration(took))).unwrap_or_default();
    let mut text = format!("run {} of {} {came}: {ending}{took}.\n", run.id, run.job);
    if let Some(line) = run.line.as_deref().filter(|line| !line.trim().is_empty()) {
        text.push_str(&format!("  {}\n", in_one_line(line.trim())));
    }
    match run.verdict.as_deref() {
        Some(verdict) if verdict.starts_with("notified") => {
            let event = verdict.trim_start_matches("notified").trim_start_matches(':').trim();
            // A message that was made just now waits for a moment, which is no news.
            let waits = run.message.as_deref().is_some_and(|told| told.starts_with("waiting")) && is_held_up();
            let waits = if waits { "; it waits to be sent" } else { "" };
            text.push_str(&format!("There is a message about it ({event}){waits}.\n"));
        }
        Some(verdict) => {
            let why = verdict.parse::<Decision>().ok().and_then(Decision::suppressed).map(Suppressed::sentence);
            let why = why.map_or_else(|| in_one_line(verdict).into_owned(), |why| format!("{why} ({verdict})"));
            text.push_str(&format!("There is no message about it: {why}.\n"));
            let at = run.finished.unwrap_or(run.scheduled);
            let expected = verdict.parse::<Decision>().ok().and_then(|known| known.with_until(run.until).expected());
            if let Some(next) = expected.and_then(|expected| expected.words(|until| told(until, zone, at))) {
                text.push_str(&match next.strip_prefix("next message at ") {
                    Some(at) => format!("The next message is possible at {at}.\n"),
                    None => format!("There is {}{next}.\n", if next.starts_with("no ") { "" } else { "a " }),
                });
            }
        }
        None => {}
    }
    text
}

/// Whether messages cannot be sent now.
fn is_held_up(daemon: &Daemon) -> bool {
    let outbox = daemon.client.get::<Status>("/api/v1/status").map(|status| status.outbox);
    outbox.is_ok_and(|outbox| outbox.outage.is_some() || outbox.suspended.is_some() || outbox.last_error.is_some())
}

/// The command's own exit code, in the shell's manner where it has none.
fn code(run: &Run) -> u8 {
    let code = match (run.exit_code, run.signal, run.reason) {
        (Some(code), _, _) => code,
        (_, _, Some(Reason::Timeout)) => TIMED_OUT,
        (_, Some(signal), _) => SIGNALED + signal,
        (_, _, Some(Reason::Spawn)) => NOT_STARTED,
        (_, _, Some(Reason::Interrupted)) => SIGNALED + 15,
        _ => 1,
    };
    u8::try_from(code).unwrap_or(1)
}
