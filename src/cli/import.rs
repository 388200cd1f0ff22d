//! `slack-alert import`: job files from a crontab, or from the plugins of the Python slack-alert.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use nix::unistd::{Uid, User};

use super::args::{ImportArgs, ImportCrontabArgs, ImportFrom, ImportTarget};
use super::locate::World;
use super::{Failure, input};
use crate::import::{self, Action, Imported, Machine, Step, Target, crontab, plugins};

/// Where programs of crontabs are, whatever PATH this process has.
const CRON_PATH: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Converts, and writes what is new.
pub(super) fn run(world: &World, args: &ImportArgs) -> Result<ExitCode, Failure> {
    let target = &args.target;
    if let ImportFrom::Crontab(args) = &args.from
        && args.wrap
    {
        return wrap_or_keep(world, args, target);
    }
    let (folder, config) = place(world, target)?;
    let defaults = defaults(&config)?;
    let is_program = |name: &str| is_program(world, name);
    let machine = Machine { is_user: &is_user, is_program: &is_program };
    let imported = match &args.from {
        ImportFrom::Crontab(args) => {
            let text = String::from_utf8_lossy(&input::read(&args.file)?).into_owned();
            let stdin = args.file == Path::new("-");
            let name = if stdin { "crontab".into() } else { args.file.to_string_lossy() };
            let owner = Some(&args.file).filter(|_| !stdin && !args.system).and_then(|file| owner(file));
            let user = args.user || owner.is_some();
            let system = if args.system { Some(true) } else { user.then_some(false) };
            let home = |user: Option<&str>| home(world, user, &args.file);
            let owner = owner.as_deref().filter(|owner| !is_self(owner));
            crontab::convert(&text, &name, system, Target { defaults: defaults.as_ref(), owner, home: &home, machine })
        }
        ImportFrom::Plugins(args) => {
            let conf = args.conf.clone().or_else(|| configuration(world, &args.dir));
            let target = Target { defaults: defaults.as_ref(), owner: None, home: &|_| None, machine };
            let imported = plugins::convert(&args.dir, conf.as_deref(), target);
            imported.map_err(|error| Failure::new(error.to_string()))?
        }
    };
    let steps = match target.dry_run {
        true => import::plan(&imported, &folder),
        false => import::write(&imported, &folder),
    };
    let steps = steps.map_err(|error| Failure::new(error.to_string()))?;
    show(world, target, &imported, &steps);
    Ok(ExitCode::SUCCESS)
}

/// Rewrites a crontab. One that comes from standard input goes out in any case, unchanged where something is wrong: crontab(1)
/// may read it, for which nothing is an empty crontab.
fn wrap_or_keep(world: &World, args: &ImportCrontabArgs, target: &ImportTarget) -> Result<ExitCode, Failure> {
    let bytes = input::read(&args.file)?;
    let wrapped = place(world, target).and_then(|(folder, config)| {
        let defaults = defaults(&config)?;
        wrap(world, (args, target.json), &bytes, (&folder, &config), defaults.as_ref())
    });
    if wrapped.is_err() && args.write && args.file == Path::new("-") {
        world.terminal.out_bytes(&bytes);
    }
    wrapped
}

/// Rewrites a crontab, or shows how: cron goes on starting its commands, and they report here.
#[expect(clippy::disallowed_methods, reason = "the door of import: where this program is, and which jobs there are")]
fn wrap(
    world: &World,
    (args, in_json): (&ImportCrontabArgs, bool),
    bytes: &[u8],
    (folder, config): (&Path, &Path),
    defaults: Option<&toml::Table>,
) -> Result<ExitCode, Failure> {
    let text = String::from_utf8(bytes.to_vec())
        .map_err(|_| Failure::new(format!("{} is not UTF-8, and cannot be changed", args.file.display())))?;
    let stdin = args.file == Path::new("-");
    let name = if stdin { "crontab".into() } else { args.file.to_string_lossy() };
    let system = if args.system { Some(true) } else { args.user.then_some(false) };
    let own = std::env::current_exe().ok();
    let own = own.as_deref().and_then(Path::to_str).unwrap_or("slack-alert");
    // cron's own PATH has these two.
    let in_path = ["/usr/bin/slack-alert", "/bin/slack-alert"].contains(&own);
    let config = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
    let found_by_itself = ["/etc/slack-alert/slack_alert.toml", "/.config/slack-alert/slack_alert.toml"];
    let named = config.to_str().filter(|config| !found_by_itself.iter().any(|end| config.ends_with(end)));
    let state_dir =
        world.global.state_dir.as_deref().map(|dir| std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()));
    let state_dir = state_dir.as_deref().and_then(Path::to_str);
    let is_taken =
        |name: &str, text: Option<&str>| match std::fs::read_to_string(folder.join(format!("jobs.d/{name}.toml"))) {
            Ok(found) => text != Some(found.as_str()),
            // One that is no text is there. Whatever else keeps it from being read keeps every other name too: writing says so.
            Err(error) => error.kind() == std::io::ErrorKind::InvalidData,
        };
    let wrapper = crontab::Wrapper {
        program: if in_path { "slack-alert" } else { own },
        config: named,
        state_dir,
        is_taken: &is_taken,
    };
    let is_program = |name: &str| is_program(world, name);
    let machine = Machine { is_user: &is_user, is_program: &is_program };
    let target = Target { defaults, owner: None, home: &|_| None, machine };
    let (new, imported) = crontab::convert_wrapped(&text, &name, system, target, wrapper);
    let failed = |error: import::WriteError| Failure::new(error.to_string());
    // A user that is taken for a command, or the reverse, leaves cron without a line that works.
    if let Some(doubt) = imported.doubt.as_ref().filter(|_| args.write) {
        return Err(Failure::new(format!("nothing is written: {doubt}")));
    }
    // First the jobs: a run that is reported finds its own.
    let steps = if args.write { import::write(&imported, folder) } else { import::plan(&imported, folder) };
    let steps = steps.map_err(failed)?;
    let diff = import::text_diff((&name, &text), (&name, &new));
    let mut kept = None;
    if args.write && new != text {
        kept = Some(import::keep(folder, Path::new(&*name), &text).map_err(failed)?);
        if !stdin {
            import::replace(&args.file, &new).map_err(failed)?;
        }
    }
    if in_json {
        let mut answer = answer(&imported, &steps, !args.write);
        answer["crontab"] = json!({"path": args.file, "changed": new != text, "diff": diff, "text": new, "kept": kept});
        world.terminal.out(&format!("{answer}\n"));
        return Ok(ExitCode::SUCCESS);
    }
    show_notes(world, &imported);
    if args.write && stdin {
        world.terminal.out_bytes(new.as_bytes());
    } else {
        world.terminal.out(&diff);
    }
    let mut rows: Vec<_> = steps.iter().map(|step| row(step, !args.write)).collect();
    if !stdin {
        let done = match (new == text, args.write) {
            (true, _) => "unchanged",
            (false, true) => "changed",
            (false, false) => "would change",
        };
        rows.insert(0, vec![done.to_owned(), args.file.display().to_string()]);
    }
    rows.extend(kept.map(|kept| vec!["kept as it was".to_owned(), path(&kept)]));
    world.terminal.err(world.terminal.table(&rows, &[0, 1]).trim_end());
    if !args.write {
        let again = "slack-alert: nothing is written; with --write it is";
        world.terminal.err(again);
    }
    Ok(ExitCode::SUCCESS)
}

/// The Python tool's configuration, when none is named: beside the plugins, else where that tool looks for it.
#[expect(clippy::disallowed_methods, reason = "the door of import: whether the Python tool has a configuration here")]
fn configuration(world: &World, dir: &Path) -> Option<PathBuf> {
    let mut folders = vec![dir.to_owned()];
    if std::path::absolute(dir).ok()?.file_name().is_some_and(|name| name == "plugins") {
        folders.push(dir.file_name().and(dir.parent()).map_or_else(|| dir.join(".."), Path::to_owned));
    }
    if !world.global.ignore_global_config {
        let user = world.user_folder("XDG_CONFIG_HOME");
        folders.extend(user.or_else(|| world.variable("HOME").map(|home| Path::new(home).join(".config"))));
    }
    let found = folders.into_iter().map(|folder| folder.join("slack_alert.conf")).find(|file| file.is_file())?;
    world.terminal.err(&format!("slack-alert: the Python tool's configuration is {}", found.display()));
    Some(found)
}

/// The folder of `slack_alert.toml` and that file: the folder that is named, else that of the configuration found, else
/// this one.
fn place(world: &World, target: &ImportTarget) -> Result<(PathBuf, PathBuf), Failure> {
    let in_folder = |folder: &Path| (folder.to_owned(), folder.join("slack_alert.toml"));
    if let Some(folder) = &target.to {
        return Ok(in_folder(folder));
    }
    if world.global.config.is_none()
        && let Some(folder) = &world.global.path
    {
        return Ok(in_folder(folder));
    }
    let named = world.global.config.is_some() || world.variable("SLACK_ALERT_CONFIG").is_some();
    let found = match world.options() {
        Ok(options) => options.config,
        // One that was named must be there; that none is found is no mistake here.
        Err(failure) if named => return Err(failure),
        Err(_) => None,
    };
    let Some(config) = found else { return Ok(in_folder(Path::new("."))) };
    let folder = config.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((folder.to_owned(), config))
}

/// `[defaults]` of the configuration that is there; of one that cannot be understood nothing, which `check` is about.
#[expect(clippy::disallowed_methods, reason = "the door of import: what the configuration says already")]
fn defaults(config: &Path) -> Result<Option<toml::Table>, Failure> {
    if let Err(error) = std::fs::symlink_metadata(config)
        && error.kind() == std::io::ErrorKind::NotFound
    {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&input::read(config)?).into_owned();
    let table: toml::Table = toml::from_str(&text).unwrap_or_default();
    Ok(Some(table.get("defaults").and_then(|defaults| defaults.as_table()).cloned().unwrap_or_default()))
}

/// Whose crontab a file is: those of users are in a folder of cron, each under its user's name.
fn owner(crontab: &Path) -> Option<String> {
    let path = std::path::absolute(crontab).ok()?;
    let folder = path.parent()?;
    let is_spool =
        ["spool/cron", "spool/cron/crontabs", "spool/cron/tabs", "cron/tabs"].iter().any(|end| folder.ends_with(end));
    let name = path.file_name()?.to_str()?;
    // `crontabs` itself, and what cron writes to before it renames it.
    (is_spool && !matches!(name, "crontabs" | "tabs") && !name.contains(['.', '#']) && !name.starts_with("tmp"))
        .then(|| name.to_owned())
}

/// Whether it is the user of this process, unless that is root, who writes for a service.
fn is_self(name: &str) -> bool {
    let own = Uid::effective();
    !own.is_root() && User::from_name(name).is_ok_and(|user| user.is_some_and(|user| user.uid == own))
}

/// The home of a user, or of whoever a crontab belongs to: cron's own folder has it by its name, elsewhere its file by its
/// owner. Only a folder that is there: cron starts a command all the same.
#[expect(clippy::disallowed_methods, reason = "the door of import: whose crontab it is, and whether the home is there")]
fn home(world: &World, user: Option<&str>, crontab: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;

    let owner = owner(crontab);
    let dir = match user.or(owner.as_deref()) {
        Some(name) => User::from_name(name).ok().flatten()?.dir,
        None => {
            let uid = std::fs::metadata(crontab).map_or_else(|_| Uid::current(), |meta| Uid::from_raw(meta.uid()));
            let own = world.variable("HOME").map(PathBuf::from).filter(|_| uid == Uid::current());
            own.or_else(|| Some(User::from_uid(uid).ok().flatten()?.dir))?
        }
    };
    dir.to_str().filter(|dir| dir.starts_with('/') && Path::new(dir).is_dir()).map(str::to_owned)
}

fn is_user(name: &str) -> bool {
    User::from_name(name).is_ok_and(|user| user.is_some())
}

/// Whether there is a program of this path, or of this name where cron and this process look for programs.
#[expect(clippy::disallowed_methods, reason = "the door of import: which words of a crontab are programs")]
fn is_program(world: &World, name: &str) -> bool {
    let path = world.variable("PATH").unwrap_or_default();
    let is_executable = |file: &Path| file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok();
    match name.contains('/') {
        true => name.starts_with('/') && is_executable(Path::new(name)),
        false => {
            let mut folders = path.split(':').chain(CRON_PATH).filter(|folder| folder.starts_with('/'));
            !name.is_empty() && folders.any(|folder| is_executable(&Path::new(folder).join(name)))
        }
    }
}

/// The same remark about several lines is one, at the first of them.
fn show_notes(world: &World, imported: &Imported) {
    let notes = &imported.notes;
    for (index, note) in notes.iter().enumerate() {
        let is_same = |other: &&import::Note| {
            other.line.is_some() && note.line.is_some() && (&other.file, &other.text) == (&note.file, &note.text)
        };
        if notes[..index].iter().any(|other| is_same(&other)) {
            continue;
        }
        let others: Vec<String> =
            notes[index + 1..].iter().filter(is_same).filter_map(|other| Some(other.line?.to_string())).collect();
        let too = match others.as_slice() {
            [] => String::new(),
            [one] => format!(" (line {one} too)"),
            several => format!(" (lines {} too)", several.join(", ")),
        };
        world.terminal.err(&format!("slack-alert: {note}{too}"));
    }
}

fn show(world: &World, target: &ImportTarget, imported: &Imported, steps: &[Step]) {
    let out = |text: &str| world.terminal.out(text);
    show_notes(world, imported);
    if target.json {
        return out(&format!("{}\n", answer(imported, steps, target.dry_run)));
    }
    if target.dry_run {
        steps.iter().for_each(|step| out(&step.diff));
    }
    let rows: Vec<_> = steps.iter().map(|step| row(step, target.dry_run)).collect();
    if target.dry_run {
        world.terminal.err(world.terminal.table(&rows, &[0, 1]).trim_end());
    } else {
        out(&world.terminal.table(&rows, &[0, 1]));
    }
    if steps.is_empty() {
        world.terminal.err("slack-alert: there is nothing to import");
    } else if !target.dry_run {
        world.terminal.err("slack-alert: `slack-alert check` tells whether all of it is sound here");
    }
}

/// What was done to a file, or would be.
fn row(step: &Step, dry_run: bool) -> Vec<String> {
    let word = match (step.action, dry_run) {
        (Action::Create, true) => "would create".to_owned(),
        (action, _) => action.to_string(),
    };
    vec![word, path(&step.path)]
}

fn answer(imported: &Imported, steps: &[Step], dry_run: bool) -> Value {
    let file = |step: &Step| json!({"path": step.path, "action": action_name(step.action), "diff": step.diff});
    let note = |note: &import::Note| json!({"file": note.file, "line": note.line, "text": note.text});
    let files: Vec<Value> = steps.iter().map(file).collect();
    let notes: Vec<Value> = imported.notes.iter().map(note).collect();
    json!({"dry_run": dry_run, "files": files, "notes": notes})
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
