//! The plugins of the Python slack-alert become job files: one for each function that it would have scheduled.
//!
//! The host's `python3` reads the syntax trees (`scan.py`) and never imports a plugin. All jobs run one helper file beside
//! `slack_alert.toml` (`run.py`), which strips the scheduling decorator as the Python tool did, calls the function and
//! prints its result.

mod conf;

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;

use super::{Imported, NewFile, Target, name, quote, spell_micros, unique};
use conf::Pause;

/// Reads the plugins; says what it found in JSON.
const SCAN: &str = include_str!("scan.py");

/// The helper's name.
const HELPER: &str = "run_plugin.py";

/// The helper: runs one function, which the job names. The folder of the plugins is put into its first lines.
const RUN: &str = include_str!("run.py");

/// The shortest interval that a job may have.
const SHORTEST_MICROS: u64 = 10_000;

/// Why nothing could be imported.
#[derive(Debug)]
pub enum ImportError {
    /// There is no such folder of plugins.
    NotAFolder(PathBuf),
    /// `python3` could not be started.
    NoPython(io::Error),
    /// `python3` did not answer as it should: what it said last.
    Python(String),
    /// The configuration file could not be read.
    Conf(PathBuf, String),
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAFolder(path) => {
                write!(f, "{} is no folder: name the folder of plugins", path.display())
            }
            Self::NoPython(error) if error.kind() == io::ErrorKind::NotFound => {
                f.write_str("python3 was not found: install it, since it reads the plugins now and runs them later")
            }
            Self::NoPython(error) => write!(f, "python3 cannot be started: {error}"),
            Self::Python(said) => write!(f, "python3 could not read the plugins: {said}"),
            Self::Conf(path, why) => write!(f, "{} cannot be read: {why}", path.display()),
        }
    }
}

impl std::error::Error for ImportError {}

/// What `scan.py` answers.
#[derive(Debug, Deserialize)]
struct Scanned {
    files: Vec<ScannedFile>,
    notes: Vec<String>,
    conf: Option<ScannedConf>,
}

#[derive(Debug, Deserialize)]
struct ScannedFile {
    /// Relative to the folder of plugins.
    path: String,
    jobs: Vec<ScannedJob>,
    notes: Vec<ScannedNote>,
}

#[derive(Debug, Deserialize)]
struct ScannedJob {
    name: String,
    line: usize,
    micros: u64,
    source: Vec<String>,
    description: String,
}

#[derive(Debug, Deserialize)]
struct ScannedNote {
    line: Option<usize>,
    text: String,
}

#[derive(Debug, Deserialize)]
struct ScannedConf {
    error: Option<String>,
    /// The Python tool ignored the whole file, with this exception.
    ignored: Option<String>,
    items: Vec<conf::Item>,
}

/// Converts the plugins below `dir` (or below `dir/plugins`, as `--path` of the Python tool meant it), and its
/// configuration file.
#[expect(clippy::disallowed_methods, reason = "the door of import: whether a path that is named is a folder")]
pub fn convert(dir: &Path, conf: Option<&Path>, target: Target<'_>) -> Result<Imported, ImportError> {
    let inner = dir.join("plugins");
    let dir = if inner.is_dir() { inner } else { dir.to_owned() };
    if !dir.is_dir() {
        return Err(ImportError::NotAFolder(dir));
    }
    let absolute = std::path::absolute(&dir).map_err(|error| ImportError::Python(error.to_string()))?;
    let scanned = scan(&absolute, conf)?;
    let mut imported = Imported::default();
    let pause = convert_conf(scanned.conf, conf, &mut imported)?;
    for note in scanned.notes {
        imported.note(&dir.display().to_string(), None, note);
    }
    let mut taken = HashSet::new();
    let own = lines_of_its_own(target.defaults);
    for file in &scanned.files {
        let shown = dir.join(&file.path).display().to_string();
        for note in &file.notes {
            imported.note(&shown, note.line, note.text.as_str());
        }
        for job in &file.jobs {
            if absolute.to_str().is_none() {
                imported.note(&shown, job.line, format!("`{}` is not a job: its path is not UTF-8", job.name));
                continue;
            }
            let name = unique(&mut taken, &job_name(&file.path, &job.name));
            let from = absolute.join(&file.path);
            let mut content = quote::comment(&format!("Imported from {}:{}", from.display(), job.line));
            write_job(job, pause, &file.path, &mut content);
            content.push_str(&own);
            if job.micros < SHORTEST_MICROS {
                imported.note(&shown, job.line, format!("`{}`: the shortest interval is 10ms", job.name));
            }
            let path = PathBuf::from(format!("jobs.d/{name}.toml"));
            imported.files.push(NewFile { path, content, secret: false, line: Some(job.line) });
        }
    }
    if taken.is_empty() {
        imported.note(&dir.display().to_string(), None, "no function here is a job");
    } else {
        imported.files.push(helper(&absolute));
        if target.defaults.is_some_and(|defaults| !defaults.contains_key("timeout")) {
            let text = "nothing ends a function that hangs: set `timeout` in [defaults] of slack_alert.toml";
            imported.note(&dir.display().to_string(), None, text);
        }
        let text = "the Python tool posted results as they stood; here `&`, `<` and `>` are escaped: where a result has links or \
                    mentions of its own, write `stdout | safe` in the template";
        imported.note(&dir.display().to_string(), None, text);
    }
    imported.sort_notes();
    Ok(imported)
}

fn convert_conf(
    scanned: Option<ScannedConf>,
    path: Option<&Path>,
    imported: &mut Imported,
) -> Result<Pause, ImportError> {
    let (Some(scanned), Some(path)) = (scanned, path) else {
        return Ok(conf::convert(&[], "slack_alert.conf (none given)", imported));
    };
    if let Some(why) = scanned.error {
        return Err(ImportError::Conf(path.to_owned(), why));
    }
    let origin = path.display().to_string();
    if let Some(exception) = scanned.ignored {
        let text = format!("the Python tool ignored this whole file ({exception}); here it counts");
        imported.note(&origin, None, text);
    }
    Ok(conf::convert(&scanned.items, &origin, imported))
}

/// `reports/disk.py` and `check`: the job `reports/disk/check`.
fn job_name(file: &str, function: &str) -> String {
    let file = file.strip_suffix(".py").unwrap_or(file);
    let parts = file.split('/').chain([function]).map(name::part);
    parts.collect::<Vec<_>>().join("/")
}

fn write_job(job: &ScannedJob, pause: Pause, path: &str, out: &mut String) {
    for line in &job.source {
        out.push_str(&quote::comment(line));
    }
    let every = quote::text(&spell_micros(job.micros.max(SHORTEST_MICROS)));
    let when = match pause.minutes {
        0 => format!("every = {every}"),
        minutes => format!("burst = {{ every = {every}, alerts = {}, pause = \"{minutes}m\" }}", pause.alerts),
    };
    if !job.description.is_empty() {
        out.push_str(&format!("description = {}\n", quote::text(&job.description)));
    }
    let command = quote::list(["python3", HELPER, path, &job.name]);
    out.push_str(&format!("command = {command}\n{when}\n"));
}

/// What each job says because `[defaults]` of the file that is there say something else. A file that is new says it once.
fn lines_of_its_own(defaults: Option<&toml::Table>) -> String {
    let Some(defaults) = defaults else { return String::new() };
    let mut out = String::new();
    if defaults.get("first_run").and_then(|value| value.as_str()) != Some("wait") {
        out.push_str("first_run = \"wait\"\n");
    }
    if defaults.contains_key("working_dir") {
        out.push_str("working_dir = \".\"\n");
    }
    out
}

/// The file that all jobs run. The functions start in the folder above the plugins, as under the Python tool.
fn helper(plugins: &Path) -> NewFile {
    // A literal of JSON is one of Python too.
    let literal = |path: &Path| serde_json::Value::from(path.to_string_lossy()).to_string();
    let folders =
        format!("PLUGINS = {}\nFOLDER = {}\n", literal(plugins), literal(plugins.parent().unwrap_or(plugins)));
    let content = RUN.replacen("PLUGINS = FOLDER = None\n", &folders, 1);
    NewFile { path: PathBuf::from(HELPER), content, secret: false, line: None }
}

/// Runs `scan.py`, which ends by itself within a minute.
#[expect(clippy::disallowed_methods, reason = "the door of import: the host's python3 reads the plugins, once")]
fn scan(dir: &Path, conf: Option<&Path>) -> Result<Scanned, ImportError> {
    let conf = conf.map(Path::as_os_str).unwrap_or_default();
    let output = std::process::Command::new("python3")
        .args(["-I", "-B", "-c", SCAN])
        .arg(dir)
        .arg(conf)
        .stdin(Stdio::null())
        .output()
        .map_err(ImportError::NoPython)?;
    if !output.status.success() {
        const SIGALRM: i32 = 14;
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().last().unwrap_or("no reason given");
        let said = match output.status.signal() {
            Some(SIGALRM) => "it took longer than a minute".to_owned(),
            _ => format!("{last} ({})", output.status),
        };
        return Err(ImportError::Python(said));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| ImportError::Python(format!("its answer is not whole: {error}")))
}
