//! `slack-alert list`: the jobs, their schedules and where they are declared.

use std::process::ExitCode;

use serde_json::json;

use super::Failure;
use super::args::ListArgs;
use super::locate::World;
use super::terminal::table;

/// Prints every job; those set aside are named on stderr, and in JSON with their error.
pub(super) fn run(world: &World, args: &ListArgs) -> Result<ExitCode, Failure> {
    if args.names {
        let plan = world.load()?.0.plan;
        let names = plan.iter().flat_map(|plan| &plan.jobs).map(|job| format!("{}\n", job.name));
        world.terminal.out(&names.collect::<String>());
        return Ok(ExitCode::SUCCESS);
    }
    let plan = world.plan()?;
    if args.json {
        let jobs = plan.jobs.iter().map(|job| {
            json!({
                "name": job.name, "schedule": job.facts.schedule, "file": job.facts.file, "enabled": job.timing.enabled,
                "command": job.facts.command, "description": job.facts.description, "tags": job.facts.tags,
            })
        });
        let aside = plan.aside.iter().map(|aside| json!({"name": aside.name, "file": aside.file, "error": aside.why}));
        let all: Vec<_> = jobs.chain(aside).collect();
        world.terminal.out(&format!("{}\n", serde_json::Value::from(all)));
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = plan
        .jobs
        .iter()
        .map(|job| {
            let schedule = if job.timing.enabled {
                job.facts.schedule.clone()
            } else {
                format!("{} (not enabled)", job.facts.schedule)
            };
            vec![job.name.to_string(), schedule, job.facts.file.clone()]
        })
        .collect();
    world.terminal.out(&table(&rows));
    Ok(ExitCode::SUCCESS)
}
