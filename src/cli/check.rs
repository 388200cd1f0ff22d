//! `slack-alert check`: every problem of every file at once.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::args::{CheckArgs, CheckFormat};
use super::locate::World;
use super::{FAILED, Failure, online};
use crate::clock::{Clock, System};
use crate::diagnostic::{Code, Severity, Spot, github, human, json, sarif};
use crate::lint;
use crate::plan::{self, Findings, Loaded, Options};
use crate::simulate::cases;

/// Checks, shows what it found, and says in the exit code whether there was an error.
pub(super) fn run(world: &World, args: &CheckArgs) -> Result<ExitCode, Failure> {
    if let Some(name) = &args.explain {
        return explain(world, name, args.json || args.format == CheckFormat::Json);
    }
    let clock = System;
    let begun = clock.now();
    let mut all = load(world, args)?;
    let mut notes = Vec::new();
    for (loaded, whole) in &mut all {
        let scope = lint::Scope { now: begun.wall, whole: *whole, shells: true };
        lint::check(loaded, &scope);
        if let Some(plan) = &loaded.plan {
            loaded.findings.problems.extend(cases::check(plan, &loaded.findings.partial).into_iter().collect());
        }
    }
    if args.online {
        online::ask(&mut all, &mut notes)?;
    }
    let mut seen = HashSet::new();
    let here = std::path::absolute(".").unwrap_or_default();
    for (loaded, _) in &mut all {
        loaded.findings.sources.show_from(&here, real);
        loaded.findings.problems.close();
        only_new(&mut loaded.findings, &mut seen);
    }
    let format = if args.json { CheckFormat::Json } else { args.format };
    show(world, format, &all);
    let errors = all.iter().map(|(loaded, _)| loaded.findings.problems.errors()).sum();
    let warnings = all.iter().map(|(loaded, _)| loaded.findings.problems.warnings()).sum();
    for note in notes {
        world.terminal.err(&format!("slack-alert: --online: {note}"));
    }
    if format == CheckFormat::Human {
        let took = clock.now().mono.0.saturating_sub(begun.mono.0);
        world.terminal.out(&summary(&all, errors, warnings, took));
    }
    // The program ends here: what ten thousand jobs are made of is not given back piece by piece.
    std::mem::forget(all);
    let failed = errors > 0 || (args.deny_warnings && warnings > 0);
    Ok(if failed { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

/// Where a folder is, whatever links lead there.
#[expect(clippy::disallowed_methods, reason = "the same file by two names")]
fn real(folder: &Path) -> Option<PathBuf> {
    folder.canonicalize().ok()
}

/// What was checked, what came of it, and how long it took.
fn summary(all: &[(Loaded, bool)], errors: usize, warnings: usize, took: Duration) -> String {
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let jobs: usize = all.iter().map(|(loaded, _)| loaded.found).sum();
    // Several job files may have been read against one configuration.
    let configurations: HashSet<_> =
        all.iter().map(|(loaded, _)| loaded.plan.as_ref().map(|plan| &plan.config.file)).collect();
    let files = jobs + configurations.iter().filter(|file| !matches!(file, Some(None))).count();
    let (errors, warnings) = (count(errors, "error"), count(warnings, "warning"));
    let took = match took.as_secs_f64() {
        short if short < 1.0 => format!("{:.0} ms", (short * 1_000.0).ceil()),
        long => format!("{long:.1} s"),
    };
    format!("checked {}, {}: {errors}, {warnings} ({took})\n", count(files, "file"), count(jobs, "job"))
}

/// Takes out what another reading has told already: the configuration above several job files is read with each.
fn only_new(findings: &mut Findings, seen: &mut HashSet<(Option<Spot>, Code, String)>) {
    let (sources, problems) = (&findings.sources, &mut findings.problems);
    problems.retain(|problem| {
        let spot = problem.place().map(|place| sources.spot(place));
        seen.insert((spot, problem.code, problem.message.clone()))
    });
}

/// The configurations that are asked for, each read; and whether all of its jobs were.
fn load(world: &World, args: &CheckArgs) -> Result<Vec<(Loaded, bool)>, Failure> {
    if args.paths.is_empty() {
        return Ok(vec![(world.load()?.0, true)]);
    }
    let around = world.surroundings();
    let base = Options { config: None, ..world.command_line()? };
    let read = |path: &PathBuf| {
        let options = options_for(path, &base)?;
        Ok((plan::load(&options, &around), options.only.is_none()))
    };
    args.paths.iter().map(read).collect()
}

/// What a path asks for: a configuration by its file or folder, a folder of jobs, or one job file; the last two are read
/// against the nearest configuration above them.
#[expect(clippy::disallowed_methods, reason = "the door of check: whether a path that is named is a file or a folder")]
fn options_for(path: &Path, base: &Options) -> Result<Options, Failure> {
    let options = base.clone();
    if path.is_dir() {
        let config = path.join("slack_alert.toml");
        if config.is_file() {
            return Ok(Options { config: Some(config), ..options });
        }
        let inner = path.join("jobs.d");
        let jobs_dir = if inner.is_dir() { inner } else { path.to_owned() };
        return Ok(Options { config: nearest_above(path), jobs_dir: Some(jobs_dir), ..options });
    }
    if !path.exists() {
        return Err(Failure::usage(format!("{} does not exist", path.display())));
    }
    if path.file_name().is_some_and(|name| name == "slack_alert.toml") {
        return Ok(Options { config: Some(path.to_owned()), ..options });
    }
    Ok(Options { config: nearest_above(path), only: Some(vec![path.to_owned()]), ..options })
}

/// The `slack_alert.toml` in the nearest folder above.
#[expect(clippy::disallowed_methods, reason = "the door of check: whether a path that is named is a file or a folder")]
fn nearest_above(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    let found =
        absolute.ancestors().skip(1).map(|folder| folder.join("slack_alert.toml")).find(|file| file.is_file())?;
    // Shown as the user would write it: relative to where we are, when it lies below.
    let here = std::path::absolute(".").ok()?;
    Some(found.strip_prefix(&here).map(Path::to_owned).unwrap_or(found))
}

fn show(world: &World, format: CheckFormat, all: &[(Loaded, bool)]) {
    let findings = || all.iter().map(|(loaded, _)| (&loaded.findings.problems, &loaded.findings.sources));
    match format {
        CheckFormat::Human => {
            let colour = world.terminal.colour();
            for (problems, sources) in findings() {
                world.terminal.out(&human::render_all(problems, sources, colour));
            }
        }
        CheckFormat::Json => {
            findings().for_each(|(problems, sources)| world.terminal.out(&json::render(problems, sources)));
        }
        CheckFormat::Sarif => world.terminal.out(&sarif::render_all(&findings().collect::<Vec<_>>())),
        CheckFormat::Github => {
            findings().for_each(|(problems, sources)| world.terminal.out(&github::render(problems, sources)));
        }
    }
}

fn explain(world: &World, name: &str, as_json: bool) -> Result<ExitCode, Failure> {
    let Some(code) = Code::parse(name) else {
        let near = crate::document::did_you_mean(name, Code::ALL.iter().map(|code| code.as_str()));
        let help = near.unwrap_or_else(|| "slack_alert.toml(5) lists all codes".to_owned());
        return Err(Failure::usage(format!("`{name}` is no code of `check`\n  help: {help}")));
    };
    let text = code.explain().trim_end();
    let level = if code.severity() == Severity::Error { "error" } else { "warning" };
    world.terminal.out(&match as_json {
        true => format!("{}\n", serde_json::json!({ "code": code.as_str(), "level": level, "explanation": text })),
        false => format!("{text}\n"),
    });
    Ok(ExitCode::SUCCESS)
}
