//! `slack-alert import`: job files from a crontab, or from the plugins of the Python slack-alert.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::{ImportArgs, ImportFrom, ImportTarget};
use super::locate::World;
use super::terminal::table;
use super::{Failure, input};
use crate::import::{self, Action, Imported, Step, crontab, plugins};

/// Converts, and writes what is new.
pub(super) fn run(world: &World, args: &ImportArgs) -> Result<ExitCode, Failure> {
    let (imported, target) = match &args.from {
        ImportFrom::Crontab(args) => {
            let text = String::from_utf8_lossy(&input::read(&args.file)?).into_owned();
            let stdin = args.file == Path::new("-");
            let name = if stdin { "crontab".into() } else { args.file.to_string_lossy() };
            let system = if args.system { Some(true) } else { args.user.then_some(false) };
            (crontab::convert(&text, &name, system), &args.target)
        }
        ImportFrom::Plugins(args) => {
            let conf = args.conf.clone().or_else(|| configuration(world, &args.dir));
            let imported = plugins::convert(&args.dir, conf.as_deref());
            (imported.map_err(|error| Failure::new(error.to_string()))?, &args.target)
        }
    };
    let folder = folder(world, target)?;
    let steps = match target.dry_run {
        true => import::plan(&imported, &folder),
        false => import::write(&imported, &folder),
    };
    let steps = steps.map_err(|error| Failure::new(error.to_string()))?;
    show(world, target, &imported, &steps);
    Ok(ExitCode::SUCCESS)
}

/// The Python tool's configuration, when none is named: beside the plugins, else where that tool looks for it.
fn configuration(world: &World, dir: &Path) -> Option<PathBuf> {
    let mut folders = vec![dir.to_owned()];
    if std::path::absolute(dir).ok()?.file_name().is_some_and(|name| name == "plugins") {
        folders.push(dir.file_name().and(dir.parent()).map_or_else(|| dir.join(".."), Path::to_owned));
    }
    if !world.global.ignore_global_config {
        let user = world.variable("XDG_CONFIG_HOME").map(PathBuf::from);
        folders.extend(user.or_else(|| world.variable("HOME").map(|home| Path::new(home).join(".config"))));
    }
    let found = folders.into_iter().map(|folder| folder.join("slack_alert.conf")).find(|file| file.is_file())?;
    world.terminal.err(&format!("slack-alert: the Python tool's configuration is {}", found.display()));
    Some(found)
}

/// The folder of `slack_alert.toml`: the one that is named, else that of the configuration found, else this one.
fn folder(world: &World, target: &ImportTarget) -> Result<PathBuf, Failure> {
    if let Some(folder) = &target.to {
        return Ok(folder.clone());
    }
    if world.global.config.is_none()
        && let Some(folder) = &world.global.path
    {
        return Ok(folder.clone());
    }
    let named = world.global.config.is_some() || world.variable("SLACK_ALERT_CONFIG").is_some();
    let found = match world.options() {
        Ok(options) => options.config,
        // One that was named must be there; that none is found is no mistake here.
        Err(failure) if named => return Err(failure),
        Err(_) => None,
    };
    let folder = found.as_deref().and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
    Ok(if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder })
}

fn show(world: &World, target: &ImportTarget, imported: &Imported, steps: &[Step]) {
    let out = |text: &str| world.terminal.out(text);
    for note in &imported.notes {
        world.terminal.err(&format!("slack-alert: {note}"));
    }
    let word = |action: Action| match (action, target.dry_run) {
        (Action::Create, true) => "would create".to_owned(),
        (action, _) => action.to_string(),
    };
    if target.json {
        let files: Vec<Value> = steps
            .iter()
            .map(|step| json!({"path": step.path, "action": action_name(step.action), "diff": step.diff}))
            .collect();
        let notes: Vec<Value> = imported
            .notes
            .iter()
            .map(|note| json!({"file": note.file, "line": note.line, "text": note.text}))
            .collect();
        return out(&format!("{}\n", json!({"dry_run": target.dry_run, "files": files, "notes": notes})));
    }
    if target.dry_run {
        steps.iter().for_each(|step| out(&step.diff));
    }
    let rows: Vec<_> = steps.iter().map(|step| vec![word(step.action), path(&step.path)]).collect();
    if target.dry_run {
        world.terminal.err(table(&rows).trim_end());
    } else {
        out(&table(&rows));
    }
    if steps.is_empty() {
        world.terminal.err("slack-alert: there is nothing to import");
    } else if !target.dry_run {
        world.terminal.err("slack-alert: `slack-alert check` tells whether all of it is sound here");
    }
}

fn path(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

fn action_name(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Same => "same",
        Action::Leave => "leave",
    }
}
