//! `slack-alert status`: how everything is, from the running daemon; without one, as far as the database knows.

mod nagios;
mod offline;
mod text;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use self::nagios::Level;
use self::text::Look;
use super::args::StatusArgs;
use super::client::{self, Absent, Daemon, STATUS, Trouble};
use super::locate::World;
use super::{Failure, state};
use crate::api;
use crate::policy::Pattern;

/// A daemon whose loop works answers by then; what a probe waits for.
const HEALTHY: Duration = Duration::from_secs(2);

/// So long a monitoring system's question waits; NRPE itself waits for 10 s.
const PROBED: Duration = Duration::from_secs(4);

/// How everything is, as of one moment.
#[derive(Clone, Debug, PartialEq)]
struct View {
    status: api::Status,
    jobs: Vec<api::Job>,
    /// What is due next, the soonest first.
    next: Vec<api::Next>,
    /// The jobs that were asked for, as they were typed; none: all.
    asked: Vec<String>,
    /// It comes from a daemon, and not from the database alone.
    is_live: bool,
    /// There is a daemon, or may be one, and it gave no answer.
    is_silent: bool,
}

impl View {
    /// The holds that concern what was asked for.
    fn holds(&self) -> impl Iterator<Item = &api::Hold> {
        self.status.holds.iter().filter(|hold| {
            let of = |held: &Option<api::HeldJob>| held.as_ref().is_some_and(|held| held.id == Some(hold.id));
            self.asked.is_empty() || self.jobs.iter().any(|job| of(&job.paused) || of(&job.silenced))
        })
    }

    /// The open incidents of a job, the newest first.
    fn incidents(&self, job: &api::Job) -> Vec<&api::Incident> {
        self.status.incidents.iter().filter(|incident| incident.job == job.name).collect()
    }

    /// Only the jobs that were asked for, with their incidents. A name or pattern that fits none is an error.
    fn narrow(&mut self) -> Result<(), Failure> {
        if self.asked.is_empty() {
            return Ok(());
        }
        let patterns: Vec<Pattern> = self.asked.iter().map(|text| Pattern::new(text)).collect();
        let covers =
            |pattern: &Pattern, job: &api::Job| pattern.covers(job.name.as_str(), job.tags.iter().map(String::as_str));
        if let Some(none) = patterns.iter().find(|pattern| !self.jobs.iter().any(|job| covers(pattern, job))) {
            return Err(client::words::matches_nothing(none, &self.jobs));
        }
        self.jobs.retain(|job| patterns.iter().any(|pattern| covers(pattern, job)));
        let known: std::collections::HashSet<_> = self.jobs.iter().map(|job| job.name.clone()).collect();
        self.status.incidents.retain(|incident| known.contains(&incident.job));
        Ok(())
    }

    /// The answer of `/api/v1/status`, with the jobs in `jobs.list`.
    fn in_json(&self, absent: Option<&Absent>) -> Value {
        let mut value = json!(self.status);
        value["jobs"]["list"] = json!(self.jobs);
        if let Some(absent) = absent {
            value["started"] = Value::Null;
            value["error"] = absent.error();
        }
        value
    }
}

/// Shows how everything is.
pub(super) fn run(world: &World, args: &StatusArgs) -> Result<ExitCode, Failure> {
    if args.health {
        return Ok(health(world));
    }
    if let Some(pattern) = &args.nagios {
        return Ok(nagios(world, pattern.as_deref()));
    }
    let daemon = match client::find(world) {
        Ok(daemon) => daemon,
        Err(absent) => return without(world, args, absent),
    };
    if args.watch {
        return watch::run(world, args, daemon);
    }
    let view = look(&daemon, &args.jobs, shows_all(world, args))?;
    show(world, args, &view, &daemon.zone);
    Ok(ExitCode::SUCCESS)
}

/// Due times that are asked for; those of paused jobs are not shown.
const DUE: usize = 50;

/// Asks the daemon for everything that is shown.
fn look(daemon: &Daemon, asked: &[String], all: bool) -> Result<View, Failure> {
    let view = ask(daemon, asked, all, daemon.status.clone());
    let mut view = view.map_err(|trouble| daemon.failure(&trouble))?;
    view.narrow()?;
    Ok(view)
}

/// Asks the daemon for a monitoring system: what to say where it gives no answer.
fn probe(daemon: &Daemon, asked: &[String]) -> Result<View, (Level, Failure)> {
    let view = ask(daemon, asked, true, daemon.status.clone());
    let mut view = view.map_err(|trouble| {
        let level = if trouble.is_late() { Level::Critical } else { Level::Unknown };
        (level, daemon.failure(&trouble))
    })?;
    view.narrow().map_err(|failure| (Level::Unknown, failure))?;
    Ok(view)
}

/// Asks it again.
fn ask_again(daemon: &Daemon, asked: &[String], all: bool) -> Result<View, Trouble> {
    let status = daemon.client.get(STATUS)?;
    ask(daemon, asked, all, status)
}

fn ask(daemon: &Daemon, asked: &[String], all: bool, status: api::Status) -> Result<View, Trouble> {
    let jobs = if all { daemon.jobs(None)? } else { daemon.notable_jobs()? };
    Ok(View { status, jobs, next: daemon.next(DUE)?, asked: asked.to_vec(), is_live: true, is_silent: false })
}

/// Whether jobs are shown, too, of which there is nothing to tell.
fn shows_all(world: &World, args: &StatusArgs) -> bool {
    args.json || !args.jobs.is_empty() || world.global.verbose > 0
}

fn show(world: &World, args: &StatusArgs, view: &View, zone: &TimeZone) {
    if args.json {
        return world.terminal.out(&format!("{}\n", view.in_json(None)));
    }
    world.terminal.out(&text::render(view, look_of(world, args, zone)));
}

fn look_of<'a>(world: &World, args: &StatusArgs, zone: &'a TimeZone) -> Look<'a> {
    Look { zone, width: world.terminal.width(), failing: args.failing, all: world.global.verbose > 0 }
}

/// The holds that the database knows, the silences that scripts asked for, and the zone in which their times are told.
pub(super) fn offline_holds(world: &World) -> Result<(Vec<api::Hold>, Vec<api::ScriptSilence>, TimeZone), Failure> {
    let (view, zone) = offline::view(world, &[])?;
    let by_script = |job: api::Job| {
        let until = job.silenced.filter(|silenced| silenced.id.is_none())?.until;
        Some(api::ScriptSilence { job: job.name, since: None, until })
    };
    Ok((view.status.holds, view.jobs.into_iter().filter_map(by_script).collect(), zone))
}

/// No daemon answers: what the database knows, and that it is no more than that.
fn without(world: &World, args: &StatusArgs, absent: Absent) -> Result<ExitCode, Failure> {
    let (mut view, zone) = match offline::view(world, &args.jobs) {
        Ok(view) => view,
        Err(failure) => {
            // That no daemon has run here is what the rest says.
            if failure.kind == Some(state::UNUSABLE) {
                world.terminal.err(&format!("slack-alert: {}", failure.message));
            }
            let kind = absent.code();
            return Err(absent.failure.of(kind));
        }
    };
    view.is_silent = !absent.is_certain;
    view.narrow()?;
    if args.json {
        world.terminal.out(&format!("{}\n", view.in_json(Some(&absent))));
        return Ok(ExitCode::FAILURE);
    }
    let (why, help) = absent.failure.message.split_once("\n  help: ").unwrap_or((&absent.failure.message, ""));
    let words = if absent.is_certain {
        "this is what the database knows"
    } else {
        "this is what the database knows all the same"
    };
    world.terminal.out(&format!("{why}: {words}.\n"));
    world.terminal.out(&text::render(&view, look_of(world, args, &zone)));
    if !help.is_empty() {
        world.terminal.err(&format!("slack-alert: help: {help}"));
    }
    Ok(ExitCode::FAILURE)
}

/// Whether the daemon works: nothing is said unless that is asked for.
fn health(world: &World) -> ExitCode {
    let verbose = world.global.verbose > 0;
    match client::find_within(world, HEALTHY) {
        Ok(Daemon { status, .. }) => {
            if verbose {
                let up = client::words::length(status.started, status.now);
                world.terminal.out(&format!("the daemon answers: slack-alert {}, up {up}\n", status.version));
            }
            ExitCode::SUCCESS
        }
        Err(absent) => {
            if verbose {
                world.terminal.err(&format!("slack-alert: {}", absent.failure.message));
            }
            ExitCode::FAILURE
        }
    }
}

/// One line for a monitoring system. Whatever goes wrong is an answer too.
fn nagios(world: &World, pattern: Option<&str>) -> ExitCode {
    let asked: Vec<String> = pattern.into_iter().map(str::to_owned).collect();
    let (level, line) = match client::find_within(world, PROBED) {
        // That nobody runs the jobs is what such a check is for, and one that hangs runs none.
        Err(absent) if absent.is_certain || absent.hangs => {
            (Level::Critical, nagios::alone(Level::Critical, &absent.failure.message))
        }
        Err(absent) => (Level::Unknown, nagios::alone(Level::Unknown, &absent.failure.message)),
        Ok(daemon) => match probe(&daemon, &asked) {
            Ok(view) => nagios::render(&view),
            Err((level, failure)) => (level, nagios::alone(level, &failure.message)),
        },
    };
    world.terminal.out(&line);
    ExitCode::from(level.code())
}
