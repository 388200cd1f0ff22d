//! `slack-alert wrap`: a command that something else starts, as if it were started without us, and a thread that tells of it.
//!
//! The command is followed here; [`reporter`] tells the daemon, judges in place, or leaves a record, and is never waited for longer
//! than [`START`] before the command and [`END`] after it. Nothing that goes wrong here changes the command's result.

mod link;
mod reporter;
mod words;

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::args::WrapArgs;
use super::locate::World;
use crate::clock::{self, SharedClock, System};
use crate::document::{Refusal, format_duration, parse_duration};
use crate::exec::{Ending, Output, PassThrough, Passed, TimeLimit};
use crate::id::JobName;
use crate::store::spool::{End, ExpectedEvery, KEPT, Report, SHORTEST_EXPECTED};
use reporter::{Done, Event};
pub(super) use words::{marked, misused};

/// The command is started after so long, whatever is known by then.
const START: Duration = Duration::from_millis(120);

/// So long after the command's end this process ends, whatever is told by then.
const END: Duration = Duration::from_millis(1_800);

/// Between SIGTERM and SIGKILL, where the job's settings are not known.
const KILL_AFTER: Duration = Duration::from_secs(10);

/// A job's name is not longer.
const LONGEST_NAME: usize = 200;

/// Runs such a command.
pub(super) fn run_misused(command: &[OsString], why: &str) -> ExitCode {
    say(&format!("{why}: the command runs, and nobody is told of it; `slack-alert wrap --help` shows the options"));
    let code = crate::exec::instead(command);
    say(&format!("`{}` cannot be started", crate::id::in_one_line(&command[0].to_string_lossy())));
    ExitCode::from(code)
}

/// Runs the command; the exit code is its own.
pub(super) fn run(world: &World, args: &WrapArgs) -> ExitCode {
    let clock: SharedClock = Arc::new(System);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => ExitCode::from(runtime.block_on(carry(world, args, &clock))),
        Err(error) => {
            // As if we were not there: the command runs all the same.
            say(&format!("no runtime, so that this run is not reported: {error}"));
            ExitCode::from(crate::exec::instead(&args.command))
        }
    }
}

async fn carry(world: &World, args: &WrapArgs, clock: &SharedClock) -> u8 {
    let begun = begin(args, clock);
    let (mut reporter, mut events) = reporter::start(world.clone(), begun.clone());
    let told = RefCell::new(Told::default());
    told.borrow_mut().quiet = args.quiet;
    let mut limit = begun.timeout.map(|timeout| TimeLimit { timeout, kill_after: KILL_AFTER });
    let deadline = clock.now().mono + START;
    loop {
        let event = tokio::select! {
            biased;
            event = events.recv() => event,
            () = clock::sleep_until(&**clock, deadline) => break,
        };
        let Some(event) = event else { break };
        let known = matches!(event, Event::Known(_));
        take(event, &told);
        if known {
            break;
        }
    }
    let settings = told.borrow().limit;
    if let (Some(limit), Some(Some(settings))) = (&mut limit, settings) {
        limit.kill_after = settings.kill_after;
    }
    let command = PassThrough {
        argv: args.command.clone(),
        added: variables(&begun, &told.borrow()),
        hold: args.quiet,
        keep: 2 * KEPT,
    };
    let started = clock.now().mono;
    let mut passed = match command.start(clock) {
        Ok(going) => going.follow(time_limit(limit.map(Some).or(settings), &mut events, &told), clock).await,
        Err(passed) => {
            if let Ending::NotStarted { error } = &passed.ending {
                say(error);
            }
            *passed
        }
    };
    if let Some(lost) = &passed.lost {
        say(&format!("{}: {lost}", begun.job));
    }
    let ended = clock.now();
    let mut end = End::new(passed.exited.wall, passed.ending.clone(), &passed.output);
    // The time until the report of its beginning was answered is none of the command's.
    let took = passed.exited.mono - started;
    end.took = Some(if passed.seen_late { Duration::ZERO } else { took });
    reporter.end(Report { run: told.borrow().run, end: Some(end), ..begun.clone() });
    if let Ending::TimedOut { after, .. } = passed.ending {
        let of = if begun.timeout.is_some() { "--timeout".to_owned() } else { told.borrow().timeout_of.clone() };
        say(&format!("{}: ended by its time limit of {}: {of}", begun.job, format_duration(after)));
    }
    let deadline = ended.mono + END;
    let done = loop {
        let event = tokio::select! {
            biased;
            event = events.recv() => event,
            () = clock::sleep_until(&**clock, deadline) => None,
        };
        match event {
            Some(Event::Done(done)) => break Some(done),
            Some(event) => take(event, &told),
            None => break None,
        }
    };
    // In a file it is known, though there was no time for more.
    let done = done.or_else(|| told.borrow().in_file.then_some(Done::Kept));
    let is_expected = told.borrow().is_expected;
    finish(args, (&begun.job, is_expected), &mut passed, done);
    passed.code
}

/// What is told of the run before it begins.
fn begin(args: &WrapArgs, clock: &SharedClock) -> Report {
    let words: Vec<_> = args.command.iter().map(|word| word.to_string_lossy()).collect();
    let command = shlex::try_join(words.iter().map(AsRef::as_ref)).unwrap_or_else(|_| words.join(" "));
    let program = Path::new(&args.command[0]).file_name().map(|name| name.to_string_lossy().into_owned());
    let default = format!("wrap/{}", program.unwrap_or_else(|| "command".to_owned()));
    let name = args.job.clone().unwrap_or_else(|| default.clone());
    let is_name = !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'))
        && !name.contains(char::is_control);
    if !is_name {
        say(&format!("`{}` is no name of a job: this run is one of `{default}`", crate::id::in_one_line(&name)));
    }
    let name = JobName::new(if is_name { name } else { default });
    let begun = Report::begun(name, cut(&command), std::process::id(), clock.now().wall);
    let timeout = value(args.timeout.as_deref(), "--timeout", |text| {
        at_least(Duration::from_nanos(1), text, "a time limit cannot be zero", "leave it out for no limit")
    });
    let expect = expect(args);
    Report { expect, timeout, ..begun }
}

/// How often a run is to come, as the command line says.
fn expect(args: &WrapArgs) -> Option<ExpectedEvery> {
    let every = value(args.expect.as_deref(), "--expect", |text| {
        let (message, help) = ("a run is expected once a second at most", "write how often it runs, such as `1d`");
        at_least(SHORTEST_EXPECTED, text, message, help)
    });
    let grace = value(args.grace.as_deref(), "--grace", parse_duration);
    if args.grace.is_some() && args.expect.is_none() {
        say("`--grace` is for a run that is expected, as --expect says: it does not count");
    }
    let every = every?;
    Some(ExpectedEvery { every, grace: grace.unwrap_or_else(|| (every / 10).max(Duration::from_secs(60))) })
}

/// A length of time that is no shorter than this.
fn at_least(least: Duration, text: &str, message: &str, help: &str) -> Result<Duration, Refusal> {
    match parse_duration(text)? {
        length if length >= least => Ok(length),
        _ => Err(Refusal { message: message.to_owned(), span: 0..text.len(), help: help.to_owned() }),
    }
}

/// The value of an option. One that is a mistake does not count, and says so: no mistake of ours keeps the command from running.
fn value<T>(text: Option<&str>, option: &str, read: impl FnOnce(&str) -> Result<T, Refusal>) -> Option<T> {
    let text = text?;
    read(text)
        .map_err(|refusal| {
            let text = crate::id::in_one_line(text);
            say(&format!("`{option} {text}` does not count: {}; {}", refusal.message, refusal.help));
        })
        .ok()
}

/// A command for people: its first thousand characters.
fn cut(command: &str) -> String {
    match command.char_indices().nth(1_000) {
        Some((end, _)) => format!("{}…", &command[..end]),
        None => command.to_owned(),
    }
}

/// What the reporter has said so far.
#[derive(Debug, Default)]
struct Told {
    /// None until it is known.
    limit: Option<Option<TimeLimit>>,
    /// Where it is written.
    timeout_of: String,
    quiet: bool,
    run: Option<crate::id::RunId>,
    /// The end is in a file.
    in_file: bool,
    /// Whether the absence of this run is an alert; none until it is known.
    is_expected: Option<bool>,
}

fn take(event: Event, told: &RefCell<Told>) {
    match event {
        Event::Limit(limit) => {
            let mut told = told.borrow_mut();
            told.limit = Some(limit.as_ref().map(|(limit, _)| *limit));
            told.timeout_of = limit.map(|(_, of)| of).unwrap_or_default();
        }
        Event::Expected(is_expected) => told.borrow_mut().is_expected = Some(is_expected),
        Event::Known(run) => told.borrow_mut().run = run,
        Event::InFile => told.borrow_mut().in_file = true,
        Event::Remark(_) if told.borrow().quiet => {}
        Event::Say(text) | Event::Remark(text) => say(&text),
        Event::Done(_) => {}
    }
}

/// The time limit, as soon as it is known.
async fn time_limit(
    known: Option<Option<TimeLimit>>,
    events: &mut mpsc::UnboundedReceiver<Event>,
    told: &RefCell<Told>,
) -> Option<TimeLimit> {
    if let Some(known) = known {
        return known;
    }
    while let Some(event) = events.recv().await {
        take(event, told);
        let known = told.borrow().limit;
        if let Some(limit) = known {
            return limit;
        }
    }
    None
}

fn variables(begun: &Report, told: &Told) -> Vec<(&'static str, String)> {
    let mut added = vec![
        ("SLACK_ALERT_JOB", begun.job.to_string()),
        ("SLACK_ALERT_SCHEDULED", begun.started.to_string()),
        ("SLACK_ALERT_ATTEMPT", "1".to_owned()),
    ];
    added.extend(told.run.map(|run| ("SLACK_ALERT_RUN_ID", run.to_string())));
    added
}

/// What is held back is wanted unless all is well and recorded; an alert that nobody took is printed, where cron mails it, and so is
/// that nobody knows of a run that is waited for.
fn finish(args: &WrapArgs, (job, is_expected): (&JobName, Option<bool>), passed: &mut Passed, done: Option<Done>) {
    let well = match &done {
        Some(Done::Recorded { ok: Some(ok) }) => *ok,
        Some(Done::Untold { .. }) => false,
        _ => passed.code == 0,
    };
    let recorded = matches!(done, Some(Done::Recorded { .. } | Done::Kept));
    if args.quiet && !(well && matches!(done, Some(Done::Recorded { .. }))) {
        passed.release();
    }
    // A run that was well is no news, but one that is waited for is alerted as missing when nobody knows of it.
    if recorded || (well && is_expected == Some(false)) {
        return;
    }
    let (is_missing, why) = match done {
        Some(Done::Failed(why)) => (well, why),
        Some(Done::Untold { why, waits: true }) => {
            (false, format!("{why}; it waits, and is sent with the next run or by the next daemon"))
        }
        Some(Done::Untold { why, .. }) => (false, why),
        _ => (well, format!("it could not be told within {} s", END.as_secs_f32())),
    };
    let (ending, line) = (passed.ending.words(), if well { String::new() } else { last_line(&passed.output) });
    let missing = match is_expected {
        _ if !is_missing => "",
        Some(_) => ", and the run will count as missing",
        // The files could not be read.
        None => ", and the run will count as missing where it is expected",
    };
    say(&format!("{job}: {ending}{line}; nobody was told{missing}: {why}"));
}

fn last_line(output: &Output) -> String {
    let bytes = output.both.bytes();
    let text = crate::message::clean(&bytes);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    line.map(|line| format!(": {}", line.chars().take(200).collect::<String>())).unwrap_or_default()
}

/// A line of ours. Where nobody reads it any more, nobody does.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "slack-alert: {text}");
}
