//! From paths to a [`Plan`]: reads `slack_alert.toml`, finds the jobs, reads each, sets the bad ones aside.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::config::{self, Config, Surroundings};
use super::job::{self, Context};
use super::{Aside, Findings, Job, Plan, spread};
use crate::diagnostic::{Code, Place, Problem, Problems, Severity, SourceId, Sources};
use crate::document::load::{self, JobFile};
use crate::document::{Layer, Reader, Table};
use crate::exec::{self, Status};
use crate::id::JobName;
use crate::notify::Way;
use crate::schedule::Hours;

/// What the command line adds to the files.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `slack_alert.toml`; without one, everything has its default.
    pub config: Option<PathBuf>,
    /// The folder of job files, whatever the configuration says (`--path DIR` is `DIR/jobs.d`).
    pub jobs_dir: Option<PathBuf>,
    /// Read this job alone.
    pub only: Option<PathBuf>,
    /// `--working-hours`: for every job.
    pub working_hours: Option<Hours>,
    /// `--max-alert` and `--pause-time`: every plain interval becomes a burst of so many alerts.
    pub max_alert: Option<(u32, Duration)>,
    /// One file after the other, by one thread, and no text kept of those that are well. It takes longer, and leaves a fifth
    /// less memory behind, which a daemon would hold for ever.
    pub sparing: bool,
}

/// What came of a reading.
#[derive(Debug)]
pub struct Loaded {
    /// What can run; `None` when `slack_alert.toml` itself has errors.
    pub plan: Option<Plan>,
    /// The files and their problems.
    pub findings: Findings,
    /// How many job files were found.
    pub found: usize,
}

/// Reads the whole configuration. Never stops at a problem.
pub fn load(options: &Options, around: &Surroundings) -> Loaded {
    let mut sources = Sources::default();
    let mut problems = Problems::default();
    let file = options.config.as_deref();
    let folder = folder_of(options);
    let text = file.map(|file| load::read(file, file, &mut sources, &mut problems));
    let readable = !matches!(text, Some(Err(_)));
    let (source, text) = match text {
        Some(Ok(read)) => read,
        Some(Err(source)) => (source, "".into()),
        None => (sources.add(Path::new("(no configuration file)"), ""), "".into()),
    };
    let (parsed, clean) = load::parse(source, &text, &mut problems);
    let probe_source = sources.add(Path::new("(defaults)"), job::PROBE);
    let (probe, _) = load::parse(probe_source, job::PROBE, &mut problems);

    let reader = Reader::default();
    let mut root = Table::root(&reader, source, &text, &parsed);
    let mut config = config::read(&mut root, file, &folder, around);
    if let Some(jobs_dir) = &options.jobs_dir {
        config.jobs_dir.clone_from(jobs_dir);
    }
    let absolute: Arc<Path> = std::path::absolute(&folder).unwrap_or_else(|_| folder.clone()).into();
    let common = common_hash(&text, options);
    // One for each thread that reads jobs.
    let context = || Context {
        options,
        commands: exec::Context::sharing(&absolute, &config.environment),
        common,
        config: &config,
    };
    let defaults = root.own_value("defaults").and_then(|value| value.table());
    let defaults =
        defaults.filter(|defaults| job::check_defaults(&reader, (probe_source, &probe), defaults, &context()));
    root.finish();
    problems.extend(reader.take_problems());
    let config_is_good = readable && clean && problems.errors() == 0;

    let known = problems.len();
    let files = match &options.only {
        Some(file) => vec![JobFile { name: load::job_name(&config.jobs_dir, file), path: file.clone() }],
        None => load::find_jobs(&config.jobs_dir, &mut sources, &mut problems),
    };
    let found = files.len();
    let mut jobs = Vec::with_capacity(found);
    // A folder that cannot be read: what is below it is not gone, it cannot be seen.
    let mut aside: Vec<Aside> =
        problems.iter().skip(known).filter_map(|problem| hidden(problem, &config.jobs_dir, &sources)).collect();
    let ids: Vec<_> = files.iter().map(|file| sources.add(&file.path, "")).collect();
    let layer = defaults.as_ref().and_then(Table::as_layer);
    let work = |context: &mut Context<'_>, index, file: &JobFile| read_job(file, ids[index], layer, context);
    let mut keep = |index: usize, Read { text, own, job }| {
        let file: &JobFile = &files[index];
        // A text is only shown where something is wrong with it.
        if !options.sparing || !own.is_empty() {
            sources.fill(ids[index], text);
        }
        match judged(job, &own, &sources) {
            Ok(job) => jobs.push(Arc::new(job)),
            Err(why) => aside.push(Aside { name: file.name.clone(), file: file.path.clone(), why }),
        }
        problems.extend(own);
    };
    if options.sparing {
        let mut context = context();
        files.iter().enumerate().for_each(|(index, file)| keep(index, work(&mut context, index, file)));
    } else {
        spread(&files, context, work).into_iter().enumerate().for_each(|(index, read)| keep(index, read));
    }
    refuse_duplicates(&files, &mut jobs, &mut aside, &mut sources, &mut problems);
    if found == 0 && problems.errors() == 0 {
        let place = Place::new(sources.add(&config.jobs_dir, ""), 0..0);
        let help = "put a file such as `disk.toml` into it, with a `command` and a schedule: `every = \"5m\"`";
        problems.push(Problem::new(Code::NoJobs, place, "there is no job in this folder").help(help));
    }
    problems.sort();
    let plan = config_is_good.then_some(Plan { config, jobs, aside });
    Loaded { plan, findings: Findings { sources, problems }, found }
}

/// Relative paths start from the folder of the configuration, or of the folder of jobs when there is none.
fn folder_of(options: &Options) -> PathBuf {
    let file = options.config.as_ref().or(options.jobs_dir.as_ref()).or(options.only.as_ref());
    let folder = file.and_then(|file| file.parent()).map(Path::to_owned).unwrap_or_default();
    if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder }
}

fn common_hash(text: &str, options: &Options) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{options:?}").hash(&mut hasher);
    hasher.finish()
}

/// A job file, read.
struct Read {
    text: Arc<str>,
    /// Its problems, in the order of their places.
    own: Problems,
    /// The job, as far as its file could be understood.
    job: Option<Job>,
}

/// Reads one job file.
fn read_job(file: &JobFile, source: SourceId, defaults: Option<Layer<'_>>, context: &Context<'_>) -> Read {
    let mut own = Problems::default();
    let (text, problem) = load::fetch(&file.path, source);
    if let Some(problem) = problem {
        own.push(problem);
        return Read { text, own, job: None };
    }
    let (parsed, clean) = load::parse(source, &text, &mut own);
    let reader = Reader::default();
    let mut table = Table::root(&reader, source, &text, &parsed);
    if let Some(defaults) = defaults {
        table = table.over_layer(defaults);
    }
    let job = job::read(&file.name, &file.path, &text, table, context);
    if reader.errors() == 0
        && let Some(problem) = job.as_ref().and_then(|job| without_channel(job, context.config, source))
    {
        reader.push(problem);
    }
    let mut found = reader.into_problems();
    if !clean {
        // What is missing may be what could not be parsed: only the syntax errors are certain.
        found.retain(|problem| problem.code != Code::MissingKey);
    }
    own.extend(found);
    own.sort();
    Read { job: job.filter(|_| clean), text, own }
}

/// Whether the job can run; the error is its first problem in one line.
fn judged(job: Option<Job>, own: &Problems, sources: &Sources) -> Result<Job, String> {
    let stops = |problem: &&Problem| problem.severity() == Severity::Error && !problem.code.is_about_the_machine();
    match (job, own.iter().find(stops)) {
        (Some(job), None) => Ok(job),
        (_, Some(first)) => Err(in_one_line(first, sources)),
        (None, None) => {
            Err(own.iter().next().map_or_else(|| "it cannot be read".to_owned(), |first| in_one_line(first, sources)))
        }
    }
}

/// A folder of jobs that cannot be read, set aside like a file.
fn hidden(problem: &Problem, jobs_dir: &Path, sources: &Sources) -> Option<Aside> {
    let folder = sources.get(problem.place()?.source).path.clone();
    let name = load::job_name(jobs_dir, &folder);
    let name = if name.as_str().is_empty() { JobName::new(folder.to_string_lossy().as_ref()) } else { name };
    Some(Aside { name, why: in_one_line(problem, sources), file: folder })
}

/// With a token every message needs a channel: Slack has no default.
fn without_channel(job: &Job, config: &Config, source: SourceId) -> Option<Problem> {
    let default = config.slack.channel.as_ref();
    let all = [Status::Ok, Status::Warning, Status::Unknown, Status::Critical];
    let lost = all.into_iter().find(|status| job.notify.channels_for(*status, default).is_empty())?;
    let message = format!("messages of status {} have no channel to go to", lost.as_str());
    let problem = Problem::new(Code::MissingKey, Place::new(source, 0..0), message);
    let help = "set `slack.channel` in slack_alert.toml, or `channel` in the job's [notify]";
    matches!(config.slack.way, Way::Token(_)).then(|| problem.help(help))
}

/// `jobs.d/disk.toml:3:1: unknown key …`
pub(super) fn in_one_line(problem: &Problem, sources: &Sources) -> String {
    match problem.place() {
        Some(place) => {
            let at = sources.position(place.source, place.start);
            let path = sources.get(place.source).path.display().to_string();
            format!("{path}:{}:{}: {}", at.line, at.column, problem.message)
        }
        None => problem.message.clone(),
    }
}

/// Two names that differ only in case are one file on some systems, and a trap on all: neither runs.
fn refuse_duplicates(
    files: &[JobFile],
    jobs: &mut Vec<Arc<Job>>,
    aside: &mut Vec<Aside>,
    sources: &mut Sources,
    problems: &mut Problems,
) {
    let mut seen: HashMap<String, &JobFile> = HashMap::with_capacity(files.len());
    let mut twins: HashSet<JobName> = HashSet::new();
    for file in files {
        let Some(first) = seen.insert(file.name.as_str().to_lowercase(), file) else { continue };
        let place = Place::new(sources.add(&file.path, ""), 0..0);
        let message = format!("the jobs `{}` and `{}` have the same name but for case", first.name, file.name);
        let problem = Problem::new(Code::DuplicateJob, place, message).help("rename one of the files");
        let why = in_one_line(&problem, sources);
        problems.push(problem);
        for twin in [first, file] {
            if twins.insert(twin.name.clone()) && !aside.iter().any(|known| known.name == twin.name) {
                aside.push(Aside { name: twin.name.clone(), file: twin.path.clone(), why: why.clone() });
            }
        }
    }
    if !twins.is_empty() {
        jobs.retain(|job| !twins.contains(&job.name));
    }
}
