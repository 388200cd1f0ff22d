//! `slack-alert simulate`: what would run and what would be said, told as a transcript.

use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::args::SimulateArgs;
use super::locate::{self, World};
use super::next::parse_time;
use super::{Failure, state};
use crate::clock::{Clock, System};
use crate::document::parse_duration;
use crate::id::JobName;
use crate::plan::Plan;
use crate::simulate::{self, Assumption, Happening, Printed, Scenario};

/// A transcript is written in pieces of about this many bytes.
const PIECE: usize = 64 * 1024;

/// Nobody reads more: a bound for what is computed.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// Runs the engine under a false clock, and prints every run and every message.
pub(super) fn run(world: &World, args: &SimulateArgs) -> Result<ExitCode, Failure> {
    let plan = world.plan()?;
    let scenario = scenario(&plan, args)?;
    let mut text = String::new();
    let (mut runs, mut messages) = (0_u64, 0_u64);
    simulate::run(&plan, &scenario, |happening| {
        match happening {
            Happening::Run { .. } => runs += 1,
            Happening::Message { .. } => messages += 1,
        }
        text.push_str(&if args.json { in_json(&plan, &happening) } else { line(&plan, &happening) });
        text.push('\n');
        if text.len() > PIECE {
            world.terminal.out(&text);
            text.clear();
        }
    });
    world.terminal.out(&text);
    let count = |number: u64, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    world.terminal.err(&format!("slack-alert: {}, {}", count(runs, "run"), count(messages, "message")));
    Ok(ExitCode::SUCCESS)
}

fn scenario(plan: &Plan, args: &SimulateArgs) -> Result<Scenario, Failure> {
    let jobs: Vec<JobName> =
        args.jobs.iter().map(|name| locate::job(plan, name).map(|job| job.name.clone())).collect::<Result<_, _>>()?;
    let now = System.now().wall;
    let from = args.from.as_deref().map_or(Ok(now), |text| parse_time(text, &plan.config.zone))?;
    let length = |option: &str, text: &str| {
        parse_duration(text)
            .map_err(|refusal| Failure::usage(format!("{option}: {}\n  help: {}", refusal.message, refusal.help)))
    };
    let wrong = |option: &str, error: String| Failure::usage(format!("{option}: {error}"));
    let assumptions =
        args.outcomes.iter().map(|text| Assumption::parse(text).map_err(|error| wrong("--outcome", error)));
    let assumptions: Vec<Assumption> = assumptions.collect::<Result<_, _>>()?;
    let printed = args.printed.iter().map(|text| Printed::parse(text).map_err(|error| wrong("--stdout", error)));
    let printed: Vec<Printed> = printed.collect::<Result<_, _>>()?;
    let named = assumptions.iter().map(|assumption| &assumption.job).chain(printed.iter().map(|printed| &printed.job));
    for name in named.filter(|name| *name != "*") {
        let job = locate::job(plan, name)?;
        if !jobs.is_empty() && !jobs.contains(&job.name) {
            return Err(Failure::usage(format!(
                "`{name}` is given an outcome and takes no part\n  help: name it as a job too"
            )));
        }
    }
    let took = length("--took", &args.took)?;
    let length = length("--for", &args.length)?.min(LONGEST);
    Ok(Scenario { from, length, took, jobs, assumptions, printed })
}

fn line(plan: &Plan, happening: &Happening) -> String {
    let local = |at: Timestamp, job: Option<&JobName>| {
        let zone = job.map_or(&plan.config.zone, |job| state::zone(plan, job.as_str()));
        at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string()
    };
    match happening {
        Happening::Run { at, job, status, decision, until, .. } => {
            let until = until.map(|until| {
                let zone = state::zone(plan, job.as_str());
                format!(" (until {})", state::told(until, zone, *at))
            });
            let (at, status, until) = (local(*at, Some(job)), status.as_str(), until.unwrap_or_default());
            format!("{at}  run {job} {status}  {decision}{until}")
        }
        Happening::Message { at, job, channel, event, text } => {
            let what = event.map_or("message", |event| event.as_str());
            let at = local(*at, job.as_ref());
            let channel = if channel.as_str().is_empty() { String::new() } else { format!(" {channel}") };
            format!("{at}  message{channel} {what}: {}", first_line(text))
        }
    }
}

/// The first line of a message's plain text, as a person reads it.
fn first_line(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    super::view::plain(line)
}

fn in_json(plan: &Plan, happening: &Happening) -> String {
    let local = |at: &Timestamp, job: Option<&JobName>| {
        let zone = job.map_or(&plan.config.zone, |job| state::zone(plan, job.as_str()));
        at.to_zoned(zone.clone()).to_string()
    };
    let value = match happening {
        Happening::Run { at, job, run, status, decision, until } => json!({
            "kind": "run", "at": at.to_string(), "local": local(at, Some(job)), "job": job, "run": run,
            "status": status, "decision": decision, "until": until.map(|until| until.to_string()),
        }),
        Happening::Message { at, job, channel, event, text } => json!({
            "kind": "message", "at": at.to_string(), "local": local(at, job.as_ref()), "job": job, "channel": channel,
            "event": event, "text": text,
        }),
    };
    value.to_string()
}
