//! `slack-alert list`: the jobs, how their last runs were, their schedules, descriptions and where they are declared.

use std::collections::{BTreeSet, HashMap};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::Failure;
use super::args::{ListArgs, ListedNames};
use super::client;
use super::locate::World;
use super::next;
use super::state::{self, Known};
use crate::api;
use crate::clock::{Clock, System};
use crate::exec::Status;
use crate::id::{JobName, in_one_line};
use crate::plan::Job;
use crate::policy::Health;
use crate::store::Reader;

/// Whoever completes a line does not wait longer for the daemon.
const COMPLETED: Duration = Duration::from_secs(1);

/// Prints every job; those that are not loaded are named on stderr, and in JSON with their error.
pub(super) fn run(world: &World, args: &ListArgs) -> Result<ExitCode, Failure> {
    if let Some(wanted) = args.names {
        let names = names(world, wanted)?;
        world.terminal.out(&names.iter().map(|name| format!("{name}\n")).collect::<String>());
        return Ok(ExitCode::SUCCESS);
    }
    let (world, found) = state::daemon(world);
    let world = &world;
    let mut plan = world.plan_to_read()?;
    let Known { reader, daemon } = state::known(world, &plan, found);
    if let Some(reader) = &reader {
        state::add_jobs_without_file(&mut plan, reader);
    }
    let going_on = daemon.as_ref().map(|daemon| next::going_on(daemon, &plan)).unwrap_or_default();
    if plan.jobs.is_empty() && going_on.is_empty() {
        world.options()?;
    }
    state::say_without_files(world, &plan);
    let goes_on = |name: &JobName| going_on.iter().find(|job| job.name == *name);
    for bad in &plan.not_loaded {
        let words = match goes_on(&bad.name) {
            Some(job) => format!("{}: {}: {}", bad.name, job.of_bad_file(), bad.why),
            None => format!("{}: {}", bad.what(), bad.why),
        };
        world.terminal.err(&format!("slack-alert: {words}"));
    }
    if let Some(reader) = &reader {
        state::say_unread(world, &plan, (reader, daemon.is_some()), plan.jobs.iter().map(AsRef::as_ref));
    }
    // What the state does not tell to this user, the daemon does.
    let told = match &daemon {
        Some(daemon) if reader.is_none() => daemon.jobs(None).map_err(|trouble| daemon.failure(&trouble))?,
        _ => Vec::new(),
    };
    let told: HashMap<&JobName, &api::Job> = told.iter().map(|job| (&job.name, job)).collect();
    let known = reader.as_ref().map(health).unwrap_or_default();
    let saved = reader.as_ref().map(next::recorded).unwrap_or_default();
    let holds = reader.as_ref().and_then(|reader| reader.holds().ok()).unwrap_or_default();
    let now = System.now().wall;
    if args.json {
        let jobs = plan.jobs.iter().map(|job| {
            let (last, told) = (known.get(&job.name), told.get(&job.name));
            let of_daemon = |held: &api::HeldJob| json!({"until": held.until, "by": held.by, "note": held.note});
            json!({
                "name": job.name, "schedule": job.facts.schedule, "file": job.facts.file, "enabled": job.timing.enabled,
                "command": job.facts.command, "description": job.facts.description, "tags": job.facts.tags,
                "status": last.and_then(Health::standing).or(told.and_then(|told| told.status)),
                "paused": next::pause_in_json(next::pause_of(job, &holds, now))
                    .or(told.and_then(|told| told.paused.as_ref().map(of_daemon))),
                "finished": last.and_then(Health::last).map(|last| last.finished)
                    .or(told.and_then(|told| told.last.as_ref().map(|last| last.finished)))
                    .map(|at| at.to_string()),
            })
        });
        let bad = plan.not_loaded.iter().map(|bad| match goes_on(&bad.name) {
            Some(job) => json!({
                "name": bad.name, "schedule": job.schedule, "file": bad.file, "error": bad.why,
                "description": job.description, "tags": job.tags, "status": job.status,
                "finished": job.last.as_ref().map(|last| last.finished.to_string()),
            }),
            None => json!({"name": bad.name, "file": bad.file, "error": bad.why}),
        });
        let all: Vec<_> = jobs.chain(bad).collect();
        world.terminal.out(&format!("{}\n", serde_json::Value::from(all)));
        return Ok(ExitCode::SUCCESS);
    }
    let row = |job: &Arc<Job>| {
        let pause = next::pause_of(job, &holds, now);
        let burst = saved.get(&job.name).and_then(|saved| job.timing.pauses(saved, now));
        let at = |until| state::told(until, &job.timing.zone, now);
        let told = told.get(&job.name);
        let paused = pause.map(|hold| hold.in_words(&at(hold.until)));
        let paused = paused.or(told.and_then(|told| told.paused.as_ref()).map(|held| {
            let by = held.by.as_ref().map(|by| format!(" by {}", by.name)).unwrap_or_default();
            format!("paused until {}{by}", at(held.until))
        }));
        let more = match (job.timing.enabled, paused, burst) {
            (false, ..) => " (not enabled)".to_owned(),
            (true, Some(paused), _) => format!("; {paused}"),
            (true, None, Some(until)) => format!("; pauses until {}", at(until)),
            (true, None, None) => String::new(),
        };
        let status = known.get(&job.name).and_then(Health::standing).or(told.and_then(|told| told.status));
        let status = status.map_or("-", Status::as_str);
        let facts = &job.facts;
        vec![
            job.name.to_string(),
            status.to_owned(),
            in_one_line(&format!("{}{more}", facts.schedule)).into_owned(),
            in_one_line(&facts.description).into_owned(),
            in_one_line(&facts.file).into_owned(),
        ]
    };
    let of_daemon = |job: &api::Job| {
        vec![
            job.name.to_string(),
            job.status.map_or("-", Status::as_str).to_owned(),
            match job.without_version || job.error.is_none() {
                true => in_one_line(&job.schedule).into_owned(),
                false => format!("{} (as the last good file says)", in_one_line(&job.schedule)),
            },
            in_one_line(&job.description).into_owned(),
            in_one_line(&job.file).into_owned(),
        ]
    };
    // Jobs without a file, which the state would tell.
    let others = told.values().filter(|job| job.error.is_none() && plan.job(job.name.as_str()).is_none());
    let rows = plan.jobs.iter().map(row).chain(going_on.iter().map(of_daemon));
    let mut rows: Vec<Vec<String>> = rows.chain(others.map(|job| of_daemon(job))).collect();
    rows.sort_by(|one, other| one[0].cmp(&other[0]));
    world.terminal.out(&world.terminal.table(&rows, &[0, 1]));
    Ok(ExitCode::SUCCESS)
}

/// The names that complete a command line, each once.
fn names(world: &World, wanted: ListedNames) -> Result<Vec<String>, Failure> {
    let mut plan = world.plan_to_read()?;
    let mut tags: BTreeSet<String> = plan.jobs.iter().flat_map(|job| job.facts.tags.iter()).cloned().collect();
    let mut others = Vec::new();
    if wanted != ListedNames::Jobs {
        match state::open(world, &plan) {
            Ok(reader) => state::add_jobs_without_file(&mut plan, &reader),
            // Who may not read the state may be one who may ask the daemon.
            Err(_) => {
                let daemon = client::find_within(world, COMPLETED).ok();
                let jobs = daemon.and_then(|daemon| daemon.jobs(None).ok()).unwrap_or_default();
                tags.extend(jobs.iter().flat_map(|job| job.tags.clone()));
                others.extend(jobs.into_iter().map(|job| job.name.to_string()));
            }
        }
    }
    let mut names: Vec<String> = plan.jobs.iter().map(|job| job.name.to_string()).chain(others).collect();
    names.sort();
    names.dedup();
    if wanted == ListedNames::Patterns {
        names.extend(tags.iter().map(|tag| format!("tag:{tag}")));
    }
    Ok(names)
}

/// How each job is, as far as a daemon has recorded it.
fn health(reader: &Reader) -> HashMap<JobName, Health> {
    let states = reader.jobs().unwrap_or_default();
    states.into_iter().filter_map(|(name, state)| Some((name, serde_json::from_str(&state.health).ok()?))).collect()
}
