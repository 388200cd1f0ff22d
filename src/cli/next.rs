//! `slack-alert next`: when jobs will run.

use std::process::ExitCode;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned, civil};
use serde_json::json;

use super::Failure;
use super::args::NextArgs;
use super::locate::{self, World};
use super::terminal::table;
use crate::clock::{Clock, System};
use crate::order;
use crate::plan::Job;

/// Prints the coming due times of jobs, soonest first.
pub(super) fn run(world: &World, args: &NextArgs) -> Result<ExitCode, Failure> {
    let plan = world.plan()?;
    let jobs: Vec<&Arc<Job>> = match args.jobs.as_slice() {
        [] => plan.jobs.iter().collect(),
        names => names.iter().map(|name| locate::job(&plan, name)).collect::<Result<_, _>>()?,
    };
    let count = args.count.unwrap_or(if args.jobs.is_empty() { 1 } else { 5 }) as usize;
    let now = System.now().wall;
    let from = args.from.as_deref().map_or(Ok(now), |text| parse_time(text, &plan.config.zone))?;
    let mut times: Vec<(Timestamp, &Arc<Job>)> = Vec::new();
    for job in jobs.iter().filter(|job| job.timing.enabled) {
        let seed = format!("{}@{}", job.name, plan.config.host);
        times.extend(job.timing.upcoming(&seed, None, from).take(count).map(|at| (at, *job)));
    }
    order::by(&mut times, |(a, first), (b, second)| (a, &first.name).cmp(&(b, &second.name)));
    let never = jobs.iter().filter(|job| !times.iter().any(|(_, other)| other.name == job.name));
    if args.json {
        let all: Vec<_> = times
            .iter()
            .map(|(at, job)| json!({"job": job.name, "at": at.to_string(), "local": local(*at, &job.timing.zone).to_string()}))
            .chain(never.map(|job| json!({"job": job.name, "at": null, "local": null})))
            .collect();
        world.terminal.out(&format!("{}\n", serde_json::Value::from(all)));
        return Ok(ExitCode::SUCCESS);
    }
    let rows = times.iter().map(|(at, job)| {
        let left =
            humantime::format_duration(std::time::Duration::from_secs(crate::clock::between(now, *at).as_secs()));
        let local = local(*at, &job.timing.zone).strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string();
        vec![local, format!("in {left}"), job.name.to_string(), job.facts.schedule.clone()]
    });
    let never = never.map(|job| {
        let why = if job.timing.enabled { "never" } else { "not enabled" };
        vec![why.to_owned(), String::new(), job.name.to_string(), job.facts.schedule.clone()]
    });
    world.terminal.out(&table(&rows.chain(never).collect::<Vec<_>>()));
    Ok(ExitCode::SUCCESS)
}

fn local(at: Timestamp, zone: &TimeZone) -> Zoned {
    at.to_zoned(zone.clone())
}

/// A time as people type it: RFC 3339, or a date with or without a time in the configuration's zone.
pub(super) fn parse_time(text: &str, zone: &TimeZone) -> Result<Timestamp, Failure> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Ok(at) = text.parse::<Zoned>() {
        return Ok(at.timestamp());
    }
    let at = text.trim().replacen(' ', "T", 1).parse::<civil::DateTime>().ok();
    let at = at.and_then(|at| zone.to_zoned(at).ok()).map(|at| at.timestamp());
    at.ok_or_else(|| {
        Failure::usage(format!(
            "`{text}` is not a time\n  help: write `2026-03-29`, `2026-03-29T01:30` or `2026-03-29T01:30:00Z`"
        ))
    })
}
