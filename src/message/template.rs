//! Compiled templates: one engine for all jobs, each text kept, checked and compiled once.
//!
//! Before it: texts of the configuration. After it: `render`. Strict, bounded by fuel, escaped for Slack unless marked
//! `safe`; nothing that a job writes can reach the engine as a template.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};

use super::check::{Facts, Finding, check, inside};
use super::filters::{Mode, register, with_inline_code};
use super::parents::with_missing_parents;
use super::samples::samples;
use super::vars::Context;
use crate::diagnostic::{Code, Problem, Severity};
use crate::document::{Key, Kind, Reader, Table, Text};
use crate::slack::cut_plain;

/// What a template may spend: an instruction or 64 bytes of text each cost one. About a tenth of a second.
const FUEL: u64 = 1_000_000;

/// How deep templates may include and call each other.
const DEEPEST: usize = 200;

/// The keys of slack_alert.toml that this station reads.
pub const GLOBAL_KEYS: &[Key] = &[Key {
    name: "templates",
    kind: Kind::Map,
    default: "",
    about: "Templates by name, for `{% include \"short\" %}` and `{% extends \"short\" %}` in any job.",
}];

/// The template engine with the named templates of `[templates]`; cheap to clone, shared by all jobs.
#[derive(Clone)]
pub struct Templates {
    shared: Arc<Shared>,
}

struct Shared {
    /// One for each mode: they differ in how values are written.
    engines: [Environment<'static>; Mode::ALL.len()],
    names: Vec<String>,
    named: BTreeMap<String, Facts>,
    /// A named template has an error: what uses it is not rendered for the check.
    broken: Vec<String>,
    texts: Arc<Mutex<Texts>>,
    samples: Vec<Value>,
}

/// Every text of every job's templates, each once.
#[derive(Default)]
struct Texts {
    ids: HashMap<(Arc<str>, Mode), u32>,
    list: Vec<Entry>,
}

struct Entry {
    text: Arc<str>,
    findings: Arc<[Finding]>,
    uses_json: bool,
}

/// A template that was found to be well: a number within its [`Templates`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Template {
    id: u32,
    mode: Mode,
    /// It uses `json`, itself or by what it includes.
    pub(super) uses_json: bool,
}

/// A template that failed when it was rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderError {
    /// Which: `template`, `message.title` …
    pub template: String,
    /// Why, for people; may hold a piece of output.
    pub why: String,
    /// It uses `json`: where there is none, that is why.
    pub(super) uses_json: bool,
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` failed: {}", self.template, self.why)
    }
}

impl std::error::Error for RenderError {}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templates").field("names", &self.shared.names).finish_non_exhaustive()
    }
}

/// Reads `[templates]` from the root of slack_alert.toml.
pub fn read_templates(table: &mut Table<'_>) -> Templates {
    let texts = table.map("templates").unwrap_or_default();
    let mut shared = Shared::new(texts.iter().map(|(name, text)| (*name, text.value)));
    for (name, text) in &texts {
        let (findings, facts) = check(text.value, &shared.names, true);
        shared.named.insert((*name).to_owned(), facts);
        if is_broken(&findings) {
            shared.broken.push((*name).to_owned());
        }
        push(table.reader(), text, &findings);
    }
    for (name, text) in &texts {
        let mut facts = shared.named.get(*name).cloned().unwrap_or_default();
        shared.follow(&mut facts);
        if !shared.broken.iter().any(|broken| broken == name || facts.uses.contains(broken)) {
            push(table.reader(), text, &shared.try_out(text.value, Mode::Mrkdwn, &facts));
        }
    }
    Templates { shared: Arc::new(shared) }
}

impl Default for Templates {
    /// Without any named template.
    fn default() -> Self {
        Self { shared: Arc::new(Shared::new([])) }
    }
}

impl Templates {
    /// The names of `[templates]`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.shared.names.iter().map(String::as_str)
    }

    /// Takes a template in; what is wrong with it is pushed with its place, and there is none then.
    pub(super) fn take(&self, reader: &Reader, text: &Text<'_>, mode: Mode) -> Option<Template> {
        let (id, findings, uses_json) = self.shared.intern(text.value, mode);
        push(reader, text, &findings);
        (!is_broken(&findings)).then_some(Template { id, mode, uses_json })
    }

    /// The text of a template.
    pub(super) fn text(&self, template: Template) -> Arc<str> {
        lock(&self.shared.texts)
            .list
            .get(template.id as usize)
            .map_or_else(Arc::default, |entry| Arc::clone(&entry.text))
    }

    /// What a template writes with the samples, where it spells all of that out and only chooses.
    pub(super) fn spelled_out(&self, template: Template) -> Vec<String> {
        if !super::check::spells_out(&self.text(template)) {
            return Vec::new();
        }
        self.shared.samples.iter().filter_map(|sample| self.render(template, sample).ok()).collect()
    }

    /// A text rendered with every one of the samples, `None` where it fails.
    pub(super) fn try_out_as(&self, text: &str, mode: Mode) -> Vec<Option<String>> {
        let text = with_missing_parents(text, false);
        let template = self.shared.engines[mode as usize].template_from_named_str("template", &text).ok();
        let render = |sample: &Value| template.as_ref()?.render(sample.clone()).ok();
        self.shared.samples.iter().map(render).collect()
    }

    /// Renders a template.
    pub(super) fn render(&self, template: Template, context: &Value) -> Result<String, String> {
        let engine = &self.shared.engines[template.mode as usize];
        let compiled = engine.get_template(&name_of(template.id)).map_err(|error| why(&error))?;
        compiled.render(context.clone()).map_err(|error| why(&error))
    }
}

/// The name under which the engine knows a job's template. No name of `[templates]` that a file can spell begins so:
/// TOML allows no NUL.
fn name_of(id: u32) -> String {
    format!("\0{id}")
}

fn push(reader: &Reader, text: &Text<'_>, findings: &[Finding]) {
    for finding in findings {
        let place = if text.value.is_empty() { text.at } else { text.inside(finding.range.clone()) };
        let problem = Problem::new(finding.code, place, finding.message.clone());
        let usual = match finding.message.contains("expected") {
            true => "a value stands in `{{ … }}`, a statement in `{% … %}`; `{% if … %}` ends with `{% endif %}`",
            false => {
                "slack_alert.toml(5) has the variables and filters; `slack-alert preview` shows what comes of them"
            }
        };
        reader.push(problem.help(finding.help.clone().unwrap_or_else(|| usual.to_owned())));
    }
}

/// Whether a template cannot be rendered, or not be trusted; one that is only warned of can.
fn is_broken(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.code.severity() == Severity::Error)
}

fn lock(texts: &Mutex<Texts>) -> MutexGuard<'_, Texts> {
    texts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Texts {
    fn known(&self, key: &(Arc<str>, Mode)) -> Option<(u32, Arc<[Finding]>, bool)> {
        let id = *self.ids.get(key)?;
        let entry = &self.list[id as usize];
        Some((id, Arc::clone(&entry.findings), entry.uses_json))
    }
}

impl Shared {
    fn new<'n>(named: impl IntoIterator<Item = (&'n str, &'n str)>) -> Self {
        let texts: Arc<Mutex<Texts>> = Arc::default();
        let named = named.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned()));
        let named: Arc<BTreeMap<String, String>> = Arc::new(named.collect());
        let names = named.keys().cloned().collect();
        let engines = Mode::ALL.map(|mode| engine(mode, &named, &texts));
        let samples = samples().iter().map(|notice| Value::from_object(Context::new(notice))).collect();
        Self { engines, names, named: BTreeMap::new(), broken: Vec::new(), texts, samples }
    }

    fn intern(&self, text: &str, mode: Mode) -> (u32, Arc<[Finding]>, bool) {
        let key = (Arc::<str>::from(text), mode);
        if let Some(known) = lock(&self.texts).known(&key) {
            return known;
        }
        // Not under the lock: job files are read by several threads.
        let (mut findings, mut facts) = check(text, &self.names, false);
        self.follow(&mut facts);
        if !is_broken(&findings) && !self.broken.iter().any(|name| facts.uses.contains(name)) {
            findings.extend(self.try_out(text, mode, &facts));
        }
        let mut texts = lock(&self.texts);
        if let Some(known) = texts.known(&key) {
            return known;
        }
        let id = u32::try_from(texts.list.len()).expect("fewer than 2^32 templates fit in memory");
        let findings: Arc<[Finding]> = findings.into();
        let entry = Entry { text: Arc::clone(&key.0), findings: Arc::clone(&findings), uses_json: facts.uses_json };
        texts.list.push(entry);
        texts.ids.insert(key, id);
        (id, findings, facts.uses_json)
    }

    /// Adds the facts of everything that a template uses.
    fn follow(&self, facts: &mut Facts) {
        let mut todo: Vec<String> = facts.uses.iter().cloned().collect();
        while let Some(name) = todo.pop() {
            let Some(used) = self.named.get(&name) else { continue };
            facts.uses_json |= used.uses_json;
            facts.uses_content |= used.uses_content;
            facts.branches |= used.branches;
            todo.extend(used.uses.iter().filter(|name| facts.uses.insert((*name).clone())).cloned());
        }
    }

    /// Renders a template with every sample. What a command will write is not known: a template that uses it is wrong
    /// only for errors that no output can prevent, any other when it fails with every sample.
    fn try_out(&self, text: &str, mode: Mode, facts: &Facts) -> Vec<Finding> {
        let engine = &self.engines[mode as usize];
        let template = match engine.template_from_named_str("template", text) {
            Ok(template) => template,
            Err(error) => return vec![finding(&error, text)],
        };
        let mut failure = None;
        let mut failed = 0;
        for sample in &self.samples {
            match template.render(sample.clone()) {
                Err(error) if is_static(&error) => return vec![finding(&error, text)],
                Err(error) => {
                    failed += 1;
                    failure.get_or_insert(error);
                }
                Ok(_) if !facts.branches => return Vec::new(),
                Ok(_) => {}
            }
        }
        match failure {
            Some(error) if failed == self.samples.len() && !facts.uses_content => vec![finding(&error, text)],
            _ => Vec::new(),
        }
    }
}

/// A template as the engine reads it.
fn read_as(mode: Mode, text: &str) -> String {
    with_missing_parents(&with_inline_code(mode, text), false)
}

fn engine(mode: Mode, named: &Arc<BTreeMap<String, String>>, texts: &Arc<Mutex<Texts>>) -> Environment<'static> {
    let mut engine = Environment::new();
    let (named, texts) = (Arc::clone(named), Arc::clone(texts));
    engine.set_loader(move |name| {
        let own = name.strip_prefix('\0').and_then(|id| id.parse::<usize>().ok());
        Ok(match own {
            Some(id) => lock(&texts).list.get(id).map(|entry| read_as(mode, &entry.text)),
            None => named.get(name).map(|text| read_as(mode, text)),
        })
    });
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    // The formatter writes by mode whatever this says; it must be something, so that captured text counts as written.
    engine.set_auto_escape_callback(|_| AutoEscape::Custom("slack".into()));
    engine.set_debug(true);
    engine.set_fuel(Some(FUEL));
    engine.set_recursion_limit(DEEPEST);
    engine.remove_global("debug");
    register(&mut engine, mode);
    engine
}

/// Errors that are in the template, whatever it is given.
fn is_static(error: &minijinja::Error) -> bool {
    matches!(
        innermost(error).kind(),
        ErrorKind::SyntaxError
            | ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownBlock
            | ErrorKind::TemplateNotFound
            | ErrorKind::TooManyArguments
            | ErrorKind::MissingArgument
            | ErrorKind::BadEscape
            | ErrorKind::OutOfFuel
    )
}

fn innermost(error: &minijinja::Error) -> &minijinja::Error {
    let mut inner = error;
    while let Some(source) = std::error::Error::source(inner).and_then(|source| source.downcast_ref()) {
        inner = source;
    }
    inner
}

fn finding(error: &minijinja::Error, text: &str) -> Finding {
    let range = inside(text, error.range().unwrap_or(0..text.len()));
    let code = match innermost(error).kind() {
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest => Code::UnknownFilter,
        _ => Code::TemplateSyntax,
    };
    Finding { code, range, message: sentence(innermost(error)), help: None }
}

/// An error of the engine in one sentence.
fn sentence(error: &minijinja::Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => "the template takes too long".to_owned(),
        (
            ErrorKind::InvalidOperation | ErrorKind::SyntaxError | ErrorKind::BadInclude | ErrorKind::UndefinedError,
            Some(detail),
        ) => detail.to_owned(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

/// Why a template failed, with the line and, when it is another one, its name.
fn why(error: &minijinja::Error) -> String {
    let inner = innermost(error);
    let shared = inner.name().filter(|name| !name.starts_with('\0'));
    // An error may quote the value that it is about.
    let (sentence, _) = cut_plain(&sentence(inner), 300);
    match (shared, inner.line()) {
        (Some(name), Some(line)) => format!("{sentence} (template `{name}`, line {line})"),
        (None, Some(line)) => format!("{sentence} (line {line})"),
        _ => sentence,
    }
}
