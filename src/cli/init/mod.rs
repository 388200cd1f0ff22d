//! \[fs\] `slack-alert init`: a configuration and a first job, explained. It never overwrites a file.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::Failure;
use super::args::InitArgs;
use super::locate::World;
use crate::id::typed;

const CONFIG: &str = include_str!("slack_alert.toml");
const JOB: &str = include_str!("disk.toml");

/// Writes the files and says what to do next.
#[expect(clippy::disallowed_methods, reason = "the door of init: whether something is there already")]
pub(super) fn run(world: &World, args: &InitArgs) -> Result<ExitCode, Failure> {
    let folder = args.dir.clone().unwrap_or_else(|| PathBuf::from("."));
    if folder.symlink_metadata().is_ok() && !folder.is_dir() {
        return Err(Failure::usage(format!(
            "{} is no folder: nothing was written\n  help: name the folder in which slack_alert.toml and jobs.d are to be",
            folder.display()
        )));
    }
    let (config, job) = (folder.join("slack_alert.toml"), folder.join("jobs.d/disk.toml"));
    if std::fs::symlink_metadata(&config).is_ok() {
        let config = shown(&config);
        return Err(Failure::new(format!(
            "{config} exists already: nothing was written\n  help: name another folder, or try `slack-alert check`"
        )));
    }
    let jobs = folder.join("jobs.d");
    if std::fs::symlink_metadata(&jobs).is_ok() && !jobs.is_dir() {
        let jobs = shown(&jobs);
        return Err(Failure::new(format!(
            "{jobs} is there and is no folder: nothing was written\n  help: remove it, or name another folder"
        )));
    }
    let has_jobs = folder.join("jobs.d").read_dir().is_ok_and(|mut entries| entries.next().is_some());
    write(&config, CONFIG)?;
    world.terminal.out(&format!("wrote {}: the configuration, explained\n", shown(&config)));
    if has_jobs {
        world.terminal.out(&format!("left {} as it is: there are files in it\n", shown(&folder.join("jobs.d"))));
    } else {
        write(&job, JOB)?;
        world.terminal.out(&format!("wrote {}: a first job, explained\n", shown(&job)));
    }
    let (option, name) = (option(&folder, &config), if has_jobs { "JOB" } else { "disk" });
    world.terminal.out(&format!(
        "\nNext:\n  slack-alert {option}check        finds mistakes before they matter\n  \
         slack-alert {option}once {name}    runs the job now, and shows its message\n  \
         slack-alert {option}run          runs every job when it is due, and reports here\n"
    ));
    Ok(ExitCode::SUCCESS)
}

/// How later commands find the configuration: by themselves, when it is in the folder that they are called in.
fn option(folder: &Path, config: &Path) -> String {
    let here = folder == Path::new(".") || folder.as_os_str().is_empty();
    if here { String::new() } else { format!("--config {} ", typed(&config.to_string_lossy())) }
}

fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

/// A new file, and its folders. One that is there, or a link, is an error.
#[expect(clippy::disallowed_methods, reason = "the door of new files: never one that is there")]
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = folder.and_then(|()| {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(text.as_bytes())
    });
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::new(format!("{} exists already and stays as it is", shown(path))),
        _ => Failure::new(format!("{} cannot be written: {error}", shown(path))),
    })
}
