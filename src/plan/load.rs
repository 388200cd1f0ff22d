//! From paths to a [`Plan`]: reads `slack_alert.toml`, finds the jobs, reads each, and leaves out those with errors.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::config::{self, Config, Surroundings};
use super::job::{self, Context, DefaultsFaults};
use super::partial::{BadKeys, Partial};
use super::{Findings, Job, NotLoaded, Options, Plan, chain, spread};
use crate::diagnostic::{self, Code, Place, Problem, Problems, SourceId, Sources};
use crate::document::load::{self, JobFile};
use crate::document::{Layer, Reader, Shared, Table, syntax};
use crate::exec::{self, Status};
use crate::id::{Channel, JobName};
use crate::schedule::{Expect, Schedule};

/// What came of a reading.
#[derive(Debug)]
pub struct Loaded {
    /// What can run; `None` when `slack_alert.toml` itself has errors.
    pub plan: Option<Plan>,
    /// Without a plan: what could be read all the same, for the rules of `check`. Nobody runs it.
    pub draft: Option<Plan>,
    /// The files and their problems.
    pub findings: Findings,
    /// How many job files were found.
    pub found: usize,
}

impl Loaded {
    /// What the rules of `check` look at.
    pub fn plan_or_draft(&self) -> Option<&Plan> {
        self.plan.as_ref().or(self.draft.as_ref())
    }
}

/// Reads the whole configuration. Never stops at a problem.
pub fn load(options: &Options, around: &Surroundings) -> Loaded {
    load_again(options, around, &[])
}

/// The same beside jobs that are in use: those of them that are the same take the place of what was read, one by one, so
/// that ten thousand jobs are never twice in memory.
pub fn load_again(options: &Options, around: &Surroundings, in_use: &[Arc<Job>]) -> Loaded {
    let in_use = in_use.iter().map(|job| (&job.name, job)).collect();
    let mut findings = Findings::new(options.config.as_deref().unwrap_or(Path::new("(no configuration file)")));
    let folder = folder_of(options);
    let file = read_config_file(options, &mut findings);
    let (parsed, clean) = syntax::parse(findings.config, &file.text, &mut findings.problems);
    let probe_source = findings.sources.add(Path::new("(defaults)"), job::PROBE);
    let (probe, _) = syntax::parse(probe_source, job::PROBE, &mut Problems::default());

    let reader = Reader::of(super::config_sections);
    let mut root = Table::root(&reader, findings.config, &file.text, &parsed);
    let mut config = config::read(&mut root, options.config.as_deref(), &folder, around);
    if let Some(jobs_dir) = &options.jobs_dir {
        config.jobs_dir.clone_from(jobs_dir);
    }
    let absolute: Arc<Path> = std::path::absolute(&folder).unwrap_or_else(|_| folder.clone()).into();
    let common = common_hash(&parsed, options);
    // One for each thread that reads jobs.
    let context = || Context {
        options,
        commands: exec::Context::sharing(&absolute, &config.environment),
        common,
        config: &config,
        settings: Shared::default(),
    };
    let written = root.own_value("defaults").and_then(|value| value.table());
    let is_written = written.is_some();
    let mut faults = DefaultsFaults::default();
    let defaults = written.filter(|defaults| {
        faults = job::check_defaults(&reader, (probe_source, &probe), defaults, &context());
        faults.stopping == 0
    });
    // For `check`, which says what can be said of jobs all the same.
    let source = (findings.config, &*file.text);
    let probe = (probe_source, &probe);
    let rest = if faults.stopping > 0 { rest_of_defaults(source, &parsed, probe, &context()) } else { None };
    let silent = Reader::default();
    let rest_layer = rest.as_ref().and_then(|(rest, _)| layer_of_defaults(&silent, source, rest));
    let without_file = job_without_file(defaults.as_ref().and_then(Table::as_layer), &context());
    let slack = root.own_value("slack").map_or(Place::new(findings.config, 0..0), |slack| slack.key_at);
    let written_keys = root.key_places();
    root.finish();
    let mut found = reader.take_problems();
    found.retain(|problem| !follows(problem, &findings.problems, &file.text));
    findings.problems.extend(found);
    let readable = file.unread.is_none();
    let config_is_good = readable && clean && findings.problems.errors() == faults.about_the_machine;

    // What else is wrong hides no missing channel; an unknown key may be a slip for one of these.
    let channels_are_known = readable
        && BadKeys::new(&written_keys, &[], &findings.problems, clean).spare(&["slack", "defaults"])
        && !findings.problems.iter().any(|problem| problem.code == Code::UnknownKey);
    let base = Base {
        defaults: defaults.as_ref().and_then(Table::as_layer).or(rest_layer),
        certain: readable && clean && (defaults.is_some() == is_written || rest_layer.is_some()),
    };
    let mut found = read_jobs(options, &base, context, &config, &in_use, &mut findings);
    findings.bad_defaults = rest.map(|(_, bad)| bad);
    let before = findings.problems.errors();
    if channels_are_known {
        refuse_without_channel(&mut found, &config, slack, &mut findings);
    }
    if config_is_good && let Some(channel) = channel_of_jobs(&found, &config) {
        let message = format!("`slack.channel` is not set: what belongs to no job goes to {channel}");
        let help = "set `channel = \"#ops\"` in [slack]: errors in job files go there, and alerts that none of a job's own channels takes";
        findings.problems.push(Problem::new(Code::NoDefaultChannel, slack, message).help(help));
        config.slack.channel = Some(channel);
    }
    if found.files == 0 && before == 0 {
        let place = Place::new(findings.sources.add(&config.jobs_dir, ""), 0..0);
        let help = "put a file such as `disk.toml` into it, with a `command` and a schedule: `every = \"5m\"`";
        findings.problems.push(Problem::new(Code::NoJobs, place, "there is no job in this folder").help(help));
    }
    // An error that was found in the configuration only once the jobs were known.
    let config_is_good = config_is_good && findings.errors_in(findings.config) == faults.about_the_machine;
    findings.problems.sort();
    let (jobs, files) = found.jobs.into_iter().unzip();
    findings.files = files;
    let version = job::version_of(&file.text);
    let plan = Plan {
        named_files: found.named_files,
        config,
        version,
        is_draft: !config_is_good,
        unread: file.unread,
        jobs,
        not_loaded: found.not_loaded,
        without_file,
    };
    let (plan, draft) = if config_is_good { (Some(plan), None) } else { (None, Some(plan)) };
    Loaded { plan, draft, findings, found: found.files }
}

/// `slack_alert.toml` alone, as far as it can be read, and why it cannot be read at all: for whoever asks where things are and looks at no job.
pub fn load_config(options: &Options, around: &Surroundings) -> (Config, Option<Problem>) {
    let mut findings = Findings::new(options.config.as_deref().unwrap_or(Path::new("(no configuration file)")));
    let file = read_config_file(options, &mut findings);
    let (parsed, _) = syntax::parse(findings.config, &file.text, &mut findings.problems);
    let reader = Reader::default();
    let mut root = Table::root(&reader, findings.config, &file.text, &parsed);
    (config::read(&mut root, options.config.as_deref(), &folder_of(options), around), file.unread)
}

/// `[defaults]` without the keys that something is wrong with, and these keys: the rest is what rules may say something of.
fn rest_of_defaults<'t>(
    source: (SourceId, &'t str),
    parsed: &DeTable<'t>,
    probe: (SourceId, &DeTable<'_>),
    context: &Context<'_>,
) -> Option<(DeTable<'t>, BadKeys)> {
    let read = |parsed: &DeTable<'t>| {
        let reader = Reader::of(super::config_sections);
        let defaults = Table::root(&reader, source.0, source.1, parsed).own_value("defaults")?.table()?;
        let faults = job::check_defaults(&reader, probe, &defaults, context);
        Some((faults, BadKeys::new(&defaults.key_places(), &[], &reader.take_problems(), true)))
    };
    let (_, bad) = read(parsed)?;
    let mut rest = parsed.clone();
    if let DeValue::Table(defaults) = rest.get_mut("defaults")?.get_mut() {
        bad.take_out_of(defaults);
    }
    (read(&rest)?.0.stopping == 0).then_some((rest, bad))
}

fn layer_of_defaults<'d>(
    reader: &'d Reader,
    source: (SourceId, &'d str),
    parsed: &'d DeTable<'d>,
) -> Option<Layer<'d>> {
    Table::root(reader, source.0, source.1, parsed).own_value("defaults")?.table()?.as_layer()
}

/// What `[defaults]` make of a job that something else runs, and that has no file.
fn job_without_file(defaults: Option<Layer<'_>>, context: &Context<'_>) -> Option<Arc<Job>> {
    const TEXT: &str = "expect = { every = \"1d\", grace = \"0s\" }\n";
    let source = Sources::default().add(Path::new("(none)"), TEXT);
    let (parsed, _) = syntax::parse(source, TEXT, &mut Problems::default());
    let reader = Reader::default();
    let mut table = Table::root(&reader, source, TEXT, &parsed);
    if let Some(defaults) = defaults {
        table = table.over_layer(defaults);
    }
    let mut job = job::read(&JobName::new("wrap"), Path::new(""), TEXT, table, context).whole()?;
    job.timing.schedule = Schedule::Expect(Box::new(Expect::any_time()));
    Some(Arc::new(job))
}

/// `slack_alert.toml` as it was read; without one, it is empty.
struct ConfigFile {
    text: Arc<str>,
    /// Why it cannot be read.
    unread: Option<Problem>,
}

fn read_config_file(options: &Options, findings: &mut Findings) -> ConfigFile {
    let Some(file) = &options.config else { return ConfigFile { text: "".into(), unread: None } };
    let (text, problem) = load::read(file, findings.config);
    findings.sources.fill(findings.config, Arc::clone(&text));
    findings.problems.extend(problem.clone().into_iter().collect());
    ConfigFile { text, unread: problem }
}

/// Whether two ways lead to the same file, as far as they are written.
fn is_same_path(one: &Path, other: &Path) -> bool {
    let steps = |path: &Path| path.components().filter(|step| *step != Component::CurDir).collect::<PathBuf>();
    steps(one) == steps(other)
}

/// What every job file is laid over.
struct Base<'a> {
    defaults: Option<Layer<'a>>,
    /// Whether that is all of `[defaults]`: an error in it or in the syntax of its file leaves things out.
    certain: bool,
}

/// The jobs that were found.
struct Found {
    /// Each with its file.
    jobs: Vec<(Arc<Job>, SourceId)>,
    not_loaded: Vec<NotLoaded>,
    /// How many files there are.
    files: usize,
    /// Files that job files name.
    named_files: Vec<PathBuf>,
}

/// Finds and reads the job files.
fn read_jobs<'a>(
    options: &Options,
    base: &Base<'_>,
    context: impl Fn() -> Context<'a> + Sync,
    config: &Config,
    in_use: &HashMap<&JobName, &Arc<Job>>,
    findings: &mut Findings,
) -> Found {
    let mut unseen = Problems::default();
    let mut files: Vec<JobFile> = match &options.only {
        Some(files) => {
            let job = |path: &PathBuf| JobFile { name: load::job_name(&config.jobs_dir, path), path: path.clone() };
            files.iter().map(job).collect()
        }
        None => load::find_jobs(&config.jobs_dir, &mut findings.sources, &mut unseen),
    };
    // With `jobs_dir = "."` it lies among the jobs.
    if let Some(own) = options.config.as_deref().filter(|_| options.only.is_none()) {
        files.retain(|file| !is_same_path(&file.path, own));
    }
    // What lies below a folder that cannot be read is not gone, it cannot be seen.
    let not_loaded = unseen.iter().filter_map(|problem| hidden(problem, &config.jobs_dir, &findings.sources)).collect();
    findings.problems.extend(unseen);
    let mut found =
        Found { jobs: Vec::with_capacity(files.len()), not_loaded, files: files.len(), named_files: Vec::new() };
    let ids: Vec<_> = files.iter().map(|file| findings.sources.add(&file.path, "")).collect();
    let work = |context: &mut Context<'_>, index, file: &JobFile| read_job(file, ids[index], base, context);
    let mut links = Vec::new();
    let mut keep = |index: usize, Read { text, own, job, partial, env_file, after }| {
        let file: &JobFile = &files[index];
        // A text is only shown where something is wrong with it.
        if !options.sparing || !own.is_empty() {
            findings.sources.fill(ids[index], text);
        }
        found.named_files.extend(env_file);
        if !after.is_empty() {
            links.push(chain::Link { job: index, after });
        }
        match judged(job, &own, &findings.sources) {
            Ok(job) => {
                let used = in_use.get(&job.name).filter(|used| used.is_same(&job));
                found.jobs.push((used.map_or_else(|| Arc::new(job), |used| Arc::clone(used)), ids[index]));
            }
            Err(why) => {
                found.not_loaded.push(NotLoaded { name: file.name.clone(), file: file.path.clone(), why });
                findings.partial.extend(partial);
            }
        }
        findings.problems.extend(own);
    };
    if options.sparing {
        let mut context = context();
        files.iter().enumerate().for_each(|(index, file)| keep(index, work(&mut context, index, file)));
    } else {
        spread(&files, context, work).into_iter().enumerate().for_each(|(index, read)| keep(index, read));
    }
    refuse_duplicates(&files, &mut found, findings);
    if options.only.is_none() {
        refuse_chains(&files, &links, &mut found, findings);
    }
    found
}

/// Jobs that follow what there is not, or that follow each other in a circle, would never run: they are not loaded.
fn refuse_chains(files: &[JobFile], links: &[chain::Link], found: &mut Found, findings: &mut Findings) {
    let names: Vec<&JobName> = files.iter().map(|file| &file.name).collect();
    // What lies below a folder that cannot be read may be there.
    let folders: Vec<String> = found.not_loaded.iter().map(|hidden| format!("{}/", hidden.name)).collect();
    let mut bad: HashMap<JobName, String> = HashMap::new();
    for (index, problem) in
        chain::problems(&names, links, &|name| folders.iter().any(|folder| name.starts_with(folder)))
    {
        let why = in_one_line(&problem, &findings.sources);
        findings.problems.push(problem);
        bad.entry(files[index].name.clone()).or_insert(why);
    }
    for (name, why) in bad {
        if let Some(at) = found.jobs.iter().position(|(job, _)| job.name == name) {
            let (job, source) = found.jobs.remove(at);
            // Its text was not kept, as that of a job without an error; the problem shows a line of it.
            if findings.sources.get(source).text.is_empty() {
                let (text, _) = load::read(Path::new(&job.facts.file), source);
                findings.sources.fill(source, text);
            }
            found.not_loaded.push(NotLoaded { name, file: PathBuf::from(&job.facts.file), why });
        }
    }
}

/// Relative paths start from the folder of the configuration, or of the folder of jobs when there is none.
fn folder_of(options: &Options) -> PathBuf {
    let file =
        options.config.as_ref().or(options.jobs_dir.as_ref()).or(options.only.as_ref().and_then(|only| only.first()));
    let folder = file.and_then(|file| file.parent()).map(Path::to_owned).unwrap_or_default();
    if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder }
}

/// What of `slack_alert.toml` makes no job another one: the daemon and the outbox take it by themselves.
const OF_NO_JOB: &[&str] =
    &["state_dir", "reload", "limits", "fallback", "control", "http", "summary", "check", "heartbeat"];

/// Of all that jobs have in common.
fn common_hash(root: &DeTable<'_>, options: &Options) -> u64 {
    let mut hasher = DefaultHasher::new();
    // A variable that carries a secret is no part of what commands inherit.
    let is_variable = |key: &str| key.ends_with("_env");
    for (key, value) in root {
        let key = key.get_ref().as_ref();
        let is_of_jobs = |inner: &str| match key {
            "slack" => inner == "channel" || is_variable(inner),
            _ => !OF_NO_JOB.contains(&key) || is_variable(inner),
        };
        match value.get_ref() {
            DeValue::Table(table) => hash_table(key, table, &is_of_jobs, &mut hasher),
            _ if OF_NO_JOB.contains(&key) => {}
            value => hash_value(key, value, &mut hasher),
        }
    }
    format!("{options:?}").hash(&mut hasher);
    hasher.finish()
}

/// Those keys of a table that are wanted. What stands beside them, comments say, does not matter.
fn hash_table(name: &str, table: &DeTable<'_>, is_wanted: &dyn Fn(&str) -> bool, hasher: &mut DefaultHasher) {
    let wanted = table.iter().map(|(key, value)| (key.get_ref().as_ref(), value)).filter(|(key, _)| is_wanted(key));
    for (key, value) in wanted {
        name.hash(hasher);
        hash_value(key, value.get_ref(), hasher);
    }
}

fn hash_value(key: &str, value: &DeValue<'_>, hasher: &mut DefaultHasher) {
    key.hash(hasher);
    match value {
        DeValue::Table(table) => hash_table(key, table, &|_| true, hasher),
        DeValue::Array(all) => {
            all.len().hash(hasher);
            all.iter().for_each(|value| hash_value(key, value.get_ref(), hasher));
        }
        // Strings, numbers and times have no places in them.
        one => format!("{one:?}").hash(hasher),
    }
}

/// A job file, read.
struct Read {
    text: Arc<str>,
    /// Its problems, in the order of their places.
    own: Problems,
    /// The job, as far as its file could be understood.
    job: Option<Job>,
    /// Of a job with errors, what rules may look at.
    partial: Option<Partial>,
    env_file: Option<PathBuf>,
    /// The jobs that it follows, and where they are named.
    after: Vec<(JobName, Place)>,
}

/// Reads one job file.
fn read_job(file: &JobFile, source: SourceId, base: &Base<'_>, context: &Context<'_>) -> Read {
    let mut own = Problems::default();
    let (text, problem) = load::read(&file.path, source);
    if let Some(problem) = problem {
        own.push(problem);
        return Read { text, own, job: None, partial: None, env_file: None, after: Vec::new() };
    }
    let (parsed, clean) = syntax::parse(source, &text, &mut own);
    let reader = Reader::of(super::job_sections);
    let mut table = Table::root(&reader, source, &text, &parsed);
    if let Some(defaults) = base.defaults {
        table = table.over_layer(defaults);
    }
    let written = table.key_places();
    let parts = job::read(&file.name, &file.path, &text, table, context);
    let mut found = reader.take_problems();
    let stops = found.iter().any(Problem::stops_a_job);
    let partial = (!context.options.sparing && (stops || !clean)).then(|| {
        let certain = clean && base.certain;
        let cut_off = written.iter().filter(|(_, key)| is_cut_off(*key, &own, &text)).map(|(name, _)| name.as_str());
        let bad: Vec<&str> = parts.missing().into_iter().chain(cut_off).collect();
        let bad = BadKeys::new(&written, &bad, &found, certain);
        Partial { job: parts.clone().completed(context), source, bad }
    });
    if !clean {
        // What is missing may be what could not be parsed: only the syntax errors are certain.
        found.retain(|problem| problem.code != Code::MissingKey && !follows(problem, &own, &text));
    }
    own.extend(found);
    own.sort();
    let (env_file, after) = (parts.env_file(), parts.after().to_vec());
    Read { after, job: parts.whole().filter(|_| clean), text, own, partial, env_file }
}

/// Whether what is wrong with a value follows from a syntax error in it, or behind it on its line: the value is not what was meant.
fn follows(problem: &Problem, known: &Problems, text: &str) -> bool {
    let about_a_value = !matches!(problem.code, Code::MissingKey | Code::UnknownKey | Code::ConflictingKeys);
    problem.place().filter(|_| about_a_value).is_some_and(|place| is_cut_off(place, known, text))
}

/// Whether there is a syntax error between this place and the end of its line.
fn is_cut_off(place: Place, known: &Problems, text: &str) -> bool {
    let rest = text.get(place.end..).unwrap_or_default();
    let end = place.end + rest.find('\n').unwrap_or(rest.len());
    let mut errors = known.iter().filter(|known| known.code == Code::TomlSyntax).filter_map(Problem::place);
    errors.any(|at| at.source == place.source && (place.start..=end).contains(&at.start))
}

/// Whether the job can run; the error is its first problem in one line.
fn judged(job: Option<Job>, own: &Problems, sources: &Sources) -> Result<Job, String> {
    let stops = |problem: &&Problem| problem.stops_a_job();
    match (job, own.iter().find(stops)) {
        (Some(job), None) => Ok(job),
        (_, Some(first)) => Err(in_one_line(first, sources)),
        (None, None) => {
            Err(own.iter().next().map_or_else(|| "it cannot be read".to_owned(), |first| in_one_line(first, sources)))
        }
    }
}

/// A folder of jobs that cannot be read, and counts as not loaded like a file.
fn hidden(problem: &Problem, jobs_dir: &Path, sources: &Sources) -> Option<NotLoaded> {
    let folder = sources.get(problem.place()?.source).path.clone();
    let name = load::job_name(jobs_dir, &folder);
    let name = if name.as_str().is_empty() { JobName::new(folder.to_string_lossy().as_ref()) } else { name };
    Some(NotLoaded { name, why: in_one_line(problem, sources), file: folder })
}

/// With a token every message needs a channel, since Slack has no default. What no job has is one problem of the
/// configuration; what some lack is a problem of their files, and these are not loaded. `slack` is where `[slack]` stands.
fn refuse_without_channel(found: &mut Found, config: &Config, slack: Place, findings: &mut Findings) {
    if !config.slack.way.capabilities().needs_channel {
        return;
    }
    let default = config.slack.channel.as_ref();
    let lost = |job: &Job| {
        let has_none = |status: &Status| job.notify.channels_for(*status, default).is_empty();
        Status::ALL.into_iter().find(has_none)
    };
    if !found.jobs.is_empty() && found.jobs.iter().all(|(job, _)| lost(job).is_some()) {
        let names_one =
            |job: &Job| Status::ALL.into_iter().any(|status| !job.notify.channels_for(status, None).is_empty());
        let message = match found.jobs.iter().any(|(job, _)| names_one(job)) {
            false => "no channel is named for the messages of any job",
            true => "of no job all messages have a channel to go to",
        };
        let problem = Problem::new(Code::MissingKey, slack, message);
        findings.problems.push(problem.help("set `channel = \"#ops\"` in [slack]"));
        return;
    }
    found.jobs.retain(|(job, source)| {
        let Some(status) = lost(job) else { return true };
        let message = format!("messages of status {} have no channel to go to", status.as_str());
        let problem = Problem::new(Code::MissingKey, Place::new(*source, 0..0), message);
        let problem = problem.help("set `slack.channel` in slack_alert.toml, or `channel` in the job's [notify]");
        let why = in_one_line(&problem, &findings.sources);
        findings.problems.push(problem);
        found.not_loaded.push(NotLoaded { name: job.name.clone(), file: PathBuf::from(&job.facts.file), why });
        false
    });
}

/// Where messages go that belong to no job, when `slack.channel` is not set and every message needs a channel: to the one
/// that most jobs name for what is critical, of several the first.
fn channel_of_jobs(found: &Found, config: &Config) -> Option<Channel> {
    if config.slack.channel.is_some() || !config.slack.way.capabilities().needs_channel {
        return None;
    }
    let mut named: Vec<(Channel, usize)> = Vec::new();
    for channel in found.jobs.iter().flat_map(|(job, _)| job.notify.channels_for(Status::Critical, None)) {
        match named.iter_mut().find(|(known, _)| *known == channel) {
            Some((_, times)) => *times += 1,
            None => named.push((channel, 1)),
        }
    }
    let most = named.iter().map(|(_, times)| *times).max()?;
    named.into_iter().find(|(_, times)| *times == most).map(|(channel, _)| channel)
}

/// `jobs.d/disk.toml:3:1: unknown key …`, `jobs.d: there is no job in this folder`
pub(super) fn in_one_line(problem: &Problem, sources: &Sources) -> String {
    match problem.place() {
        Some(place) => {
            let at = sources.position(place.source, place.start);
            let source = sources.get(place.source);
            let path = source.shown();
            // A folder, and a file that could not be read, have no lines.
            let line = if source.text.is_empty() { String::new() } else { format!(":{}:{}", at.line, at.column) };
            let meant = problem.help.as_deref().filter(|help| help.starts_with("did you mean"));
            let meant = meant.map(|help| format!(" ({})", diagnostic::in_one_line(help))).unwrap_or_default();
            format!("{path}{line}: {}{meant}", diagnostic::in_one_line(&problem.message))
        }
        None => problem.message.clone(),
    }
}

/// Two names that differ only in case are one file on some systems, and a trap on all: neither runs.
fn refuse_duplicates(files: &[JobFile], found: &mut Found, findings: &mut Findings) {
    let mut seen: HashMap<String, &JobFile> = HashMap::with_capacity(files.len());
    let mut twins: HashSet<JobName> = HashSet::new();
    for file in files {
        let Some(first) = seen.insert(file.name.as_str().to_lowercase(), file) else { continue };
        let message = format!("the jobs `{}` and `{}` have the same name but for case", first.name, file.name);
        // Each has its own place: whoever looks at one of the files alone is to see it there.
        for twin in [first, file] {
            if !twins.insert(twin.name.clone()) {
                continue;
            }
            let place = Place::new(findings.sources.add(&twin.path, ""), 0..0);
            let problem = Problem::new(Code::DuplicateJob, place, message.as_str()).help("rename one of the files");
            if !found.not_loaded.iter().any(|known| known.name == twin.name) {
                let why = in_one_line(&problem, &findings.sources);
                found.not_loaded.push(NotLoaded { name: twin.name.clone(), file: twin.path.clone(), why });
            }
            findings.problems.push(problem);
        }
    }
    found.jobs.retain(|(job, _)| !twins.contains(&job.name));
}
