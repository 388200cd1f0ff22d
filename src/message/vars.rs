//! What a template may know of a notice: the one list of variables, and their values.
//!
//! Before it: a [`Notice`]. After it: `template`, which renders with them, `check`, which holds templates to the list, and
//! the manual. Texts that a command wrote come cleaned, and only when a template asks for them.

use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Zoned;
use jiff::tz::TimeZone;
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, Value};

use super::Notice;
use super::number::Written;
use super::text::{clean, clean_str};
use crate::document::format_duration;
use crate::exec::{Captured, Ending, Outcome, Perfdata, Reason, Trigger, known, signal_name};

/// A variable of a template: one line of the list says everything about it.
#[derive(Clone, Copy, Debug)]
pub struct Var {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: VarKind,
    /// What it means: the words of the manual.
    pub about: &'static str,
    /// Its value in a notice.
    value: fn(&Context) -> Value,
}

/// What a variable is.
#[derive(Clone, Copy, Debug)]
pub enum VarKind {
    /// Text.
    Text,
    /// Text that a command wrote.
    Output,
    /// A number.
    Number,
    /// True or false.
    Flag,
    /// A length of time: shown as people say it, `.seconds` is the number.
    Span,
    /// A point in time: shown in the job's zone, `.timestamp` is the number of seconds since 1970.
    Moment,
    /// A list of texts.
    Texts,
    /// Fixed attributes.
    Table(&'static [Var]),
    /// A list of tables.
    Tables(&'static [Var]),
    /// Whatever the command wrote.
    Any,
}

const fn var(name: &'static str, kind: VarKind, about: &'static str, value: fn(&Context) -> Value) -> Var {
    Var { name, kind, about, value }
}

/// An attribute of something that a template gets whole: its value comes with that.
const fn attribute(name: &'static str, kind: VarKind, about: &'static str) -> Var {
    Var { name, kind, about, value: |_| Value::UNDEFINED }
}

const JOB: &[Var] = &[
    var("name", VarKind::Text, "The job's name: its file's path below `jobs_dir`, without `.toml`.", |c| {
        c.notice.job.name.as_str().into()
    }),
    var("description", VarKind::Text, "`description`.", |c| Value::from(&c.notice.job.description)),
    var("command", VarKind::Text, "`command`; an array joined by spaces.", |c| Value::from(&c.notice.job.command)),
    var("schedule", VarKind::Text, "The schedule in words: `every 5m`.", |c| {
        let schedule = &c.notice.job.schedule;
        // Whatever Slack would not format is plain text, which templates can compare.
        if schedule.contains(['*', '_', '~', '`']) {
            return Value::from_object(Literal(schedule.clone()));
        }
        Value::from(schedule)
    }),
    var("tags", VarKind::Texts, "`tags`.", |c| Value::from(&c.notice.job.tags)),
    var("file", VarKind::Text, "The job file's path.", |c| Value::from(&c.notice.job.file)),
];

const RUN: &[Var] = &[
    var("id", VarKind::Number, "The run's number, never used twice.", |c| optional(c.notice.run_id().map(|id| id.0))),
    var("number", VarKind::Number, "How many runs the job has had, this one included.", |c| c.notice.number.into()),
    var("attempt", VarKind::Number, "Which attempt decided; 1 without `retries`.", |c| {
        optional(c.notice.outcome().map(|outcome| outcome.attempts).filter(|_| ran(&c.notice)))
    }),
    var("trigger", VarKind::Text, "What started it: `schedule`, `catchup` or `manual`.", |c| {
        optional(c.notice.run().map(|run| trigger(run.trigger)))
    }),
];

const PREVIOUS: &[Var] = &[
    var("status", VarKind::Text, "Its status.", |c| optional(c.notice.previous.as_ref().map(|p| p.status.as_str()))),
    var("stdout", VarKind::Output, "Its standard output.", |c| {
        optional(c.notice.previous.as_ref().map(|p| clean_str(&p.stdout).into_owned()))
    }),
    var("finished", VarKind::Moment, "When it ended.", |c| c.moment(c.notice.previous.as_ref().map(|p| p.finished))),
];

const INCIDENT: &[Var] = &[
    var("failures", VarKind::Number, "Its failures so far.", |c| {
        optional(c.notice.incident.map(|incident| incident.failures))
    }),
    var("started", VarKind::Moment, "When the first of them ended.", |c| {
        c.moment(c.notice.incident.map(|incident| incident.started))
    }),
    var("duration", VarKind::Span, "How long it has lasted.", |c| {
        span(c.notice.incident.map(|incident| c.notice.lasted(&incident)))
    }),
];

const PERFDATA: &[Var] = &[
    attribute("label", VarKind::Text, "Its name."),
    attribute("value", VarKind::Any, "The value; none when it could not be determined."),
    attribute("unit", VarKind::Text, "The unit: empty, `s`, `%`, `B`, `c` …"),
    attribute("warn", VarKind::Any, "The warning range as written, or none."),
    attribute("crit", VarKind::Any, "The critical range as written, or none."),
    attribute("min", VarKind::Any, "The least possible value, or none."),
    attribute("max", VarKind::Any, "The greatest possible value, or none."),
];

/// What lengths of time have.
pub const SPAN: &[Var] = &[attribute("seconds", VarKind::Number, "The number of seconds, with a fraction.")];

/// What points in time have.
pub const MOMENT: &[Var] = &[attribute("timestamp", VarKind::Number, "Seconds since 1970, UTC.")];

/// Every variable, in the order of the manual.
pub const VARS: &[Var] = &[
    var("job", VarKind::Table(JOB), "The job.", |c| c.table(JOB)),
    var("host", VarKind::Text, "The name of this host (`host` in slack_alert.toml).", |c| Value::from(&c.notice.host)),
    var("status", VarKind::Text, "`ok`, `warning`, `critical` or `unknown`.", |c| c.notice.status.as_str().into()),
    var(
        "reason",
        VarKind::Text,
        "What decided it: `exit`, `signal`, `timeout`, `spawn`, `output`, `condition` or `interrupted`.",
        |c| optional(c.notice.reason().map(Reason::as_str)),
    ),
    var("exit_code", VarKind::Number, "The exit code; none when there was none.", |c| match c.notice.ending() {
        Some(Ending::Exited { code }) => Value::from(*code),
        _ => Value::from(()),
    }),
    var("signal", VarKind::Text, "The signal that killed it, by name (`SIGKILL`); none when there was none.", |c| {
        match c.notice.ending() {
            Some(Ending::Signaled { signal }) => Value::from(signal_name(*signal)),
            _ => Value::from(()),
        }
    }),
    var("stdout", VarKind::Output, "Standard output: escapes removed, progress bars collapsed.", |c| {
        c.once(&c.stdout, |c| text(&c.notice.output().stdout))
    }),
    var("stderr", VarKind::Output, "Standard error, likewise.", |c| {
        c.once(&c.stderr, |c| text(&c.notice.output().stderr))
    }),
    var("output", VarKind::Output, "Both, in the order in which they were read.", |c| {
        c.once(&c.output, |c| text(&c.notice.output().both))
    }),
    var("json", VarKind::Any, "Standard output as JSON, with `parse = \"json\"`; none otherwise.", |c| {
        c.numbers().json.clone()
    }),
    var("duration", VarKind::Span, "How long the run took, all attempts together.", |c| took(&c.notice)),
    var("started", VarKind::Moment, "When it started.", |c| c.moment(c.notice.started().filter(|_| ran(&c.notice)))),
    var("finished", VarKind::Moment, "When it ended; none of a run that goes on.", |c| {
        c.moment(c.notice.finished().filter(|_| ran(&c.notice)))
    }),
    var("scheduled", VarKind::Moment, "When it was due.", |c| c.moment(c.notice.run().map(|run| run.scheduled))),
    var("run", VarKind::Table(RUN), "The run.", |c| c.table(RUN)),
    var("previous", VarKind::Table(PREVIOUS), "The run before; none when there was none.", |c| {
        c.once(&c.previous, |c| if c.notice.previous.is_some() { c.table(PREVIOUS) } else { Value::from(()) })
    }),
    var(
        "diff",
        VarKind::Output,
        "Standard output against the last ok run's, as a unified diff; empty when equal.",
        |c| c.once(&c.diff, |c| Value::from(clean_str(&c.notice.diff))),
    ),
    var("incident", VarKind::Table(INCIDENT), "The incident that the run belongs to; none when all is well.", |c| {
        if c.notice.incident.is_some() { c.table(INCIDENT) } else { Value::from(()) }
    }),
    var(
        "event",
        VarKind::Text,
        "What the message is about: `output`, `failure`, `repeat`, `recovery`, `success`, `change`, `flapping`, `stuck`, `missing`, `slow` or `starved`.",
        |c| c.notice.event.as_str().into(),
    ),
    var("perfdata", VarKind::Tables(PERFDATA), "Performance data, with `parse = \"perfdata\"`.", |c| {
        c.numbers().perfdata.clone()
    }),
    var("suppressed", VarKind::Number, "How many alerts `rate_limit` has suppressed since the last message.", |c| {
        c.notice.suppressed.into()
    }),
    var("truncated", VarKind::Flag, "Whether some output was thrown away (`max_output`).", |c| {
        Value::from(c.notice.dropped() > 0)
    }),
];

/// Under this name the formatter finds how numbers were written. No template can spell it.
pub(super) const WRITTEN: &str = "\0written";

/// The variable of this name.
pub fn find(name: &str) -> Option<&'static Var> {
    VARS.iter().find(|var| var.name == name)
}

/// A notice as the root of a template's variables. What costs something is made once, and only when a template asks.
pub(super) struct Context {
    notice: Notice,
    stdout: OnceLock<Value>,
    stderr: OnceLock<Value>,
    output: OnceLock<Value>,
    numbers: OnceLock<Numbers>,
    diff: OnceLock<Value>,
    previous: OnceLock<Value>,
}

/// Everything with numbers in it that a command wrote.
#[derive(Clone)]
struct Numbers {
    json: Value,
    perfdata: Value,
    written: Value,
}

/// Only its name, as minijinja asks for: nobody reads a whole notice.
impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl Context {
    /// The variables of a notice.
    pub(super) fn new(notice: &Notice) -> Self {
        Self {
            notice: notice.clone(),
            stdout: OnceLock::new(),
            stderr: OnceLock::new(),
            output: OnceLock::new(),
            numbers: OnceLock::new(),
            diff: OnceLock::new(),
            previous: OnceLock::new(),
        }
    }

    fn moment(&self, at: Option<jiff::Timestamp>) -> Value {
        let zoned = |at: jiff::Timestamp| Value::from_object(Moment(at.to_zoned(self.notice.zone.clone())));
        at.map_or(Value::from(()), zoned)
    }

    fn table(&self, vars: &[Var]) -> Value {
        Value::from_pairs(vars.iter().map(|var| (var.name, (var.value)(self))))
    }

    fn once(&self, cell: &OnceLock<Value>, make: fn(&Self) -> Value) -> Value {
        cell.get_or_init(|| make(self)).clone()
    }

    fn numbers(&self) -> &Numbers {
        self.numbers.get_or_init(|| {
            let json = self.notice.json();
            let source = json.map(|_| self.notice.output().stdout.bytes());
            let mut written = Written::of_json(&source.unwrap_or_default());
            let json = json.map_or(Value::from(()), |json| written.json(json));
            let perfdata = self.notice.perfdata().iter().map(|data| perfdata(data, &mut written)).collect();
            Numbers { json, perfdata, written: Value::from_object(written) }
        })
    }
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if key == WRITTEN {
            return self.numbers.get().map(|numbers| numbers.written.clone());
        }
        find(key).map(|var| (var.value)(self))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(VARS.iter().map(|var| Value::from(var.name)).collect())
    }
}

fn text(captured: &Captured) -> Value {
    Value::from(clean(&captured.bytes()))
}

fn optional(value: Option<impl Into<Value>>) -> Value {
    value.map_or(Value::from(()), Into::into)
}

fn span(length: Option<Duration>) -> Value {
    length.map_or(Value::from(()), |length| Value::from_object(Span(Some(length))))
}

/// Whether there was a run: one that is missing has no times of its own.
fn ran(notice: &Notice) -> bool {
    !matches!(notice.ending(), Some(Ending::Missing { .. }))
}

/// How long the run took. Of one whose end was seen late, or by nobody, that is not known.
fn took(notice: &Notice) -> Value {
    let seen_late = notice.outcome().is_some_and(Outcome::was_seen_late);
    let by_itself = matches!(
        notice.ending(),
        None | Some(Ending::Exited { .. } | Ending::Signaled { .. } | Ending::NotStarted { .. })
    );
    match notice.took() {
        Some(took) if seen_late || !by_itself && known(took).is_none() => Value::from_object(Span(None)),
        took => span(took),
    }
}

fn perfdata(data: &Perfdata, written: &mut Written) -> Value {
    let mut number = |text: &Option<String>| text.as_ref().map_or(Value::from(()), |text| written.number(text));
    Value::from_pairs([
        ("label", Value::from(&data.label)),
        ("value", number(&data.value)),
        ("unit", Value::from(&data.unit)),
        ("warn", Value::from(data.warn.clone())),
        ("crit", Value::from(data.crit.clone())),
        ("min", number(&data.min)),
        ("max", number(&data.max)),
    ])
}

fn trigger(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Schedule => "schedule",
        Trigger::CatchUp => "catchup",
        Trigger::Manual => "manual",
        Trigger::Reported => "reported",
    }
}

/// Text of the configuration that Slack is to show as it stands: the stars of a cron expression are no bold.
#[derive(Debug)]
pub(super) struct Literal(pub(super) String);

impl Object for Literal {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        other.downcast_ref::<Self>().map(|other| self.0.cmp(&other.0))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A length of time in a template; none where it is not known.
#[derive(Debug)]
pub(super) struct Span(Option<Duration>);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.map_or_else(|| "an unknown time".to_owned(), format_duration))
    }
}

impl Object for Span {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str() == Some("seconds")).then(|| Value::from(self.0.map(|length| length.as_secs_f64())))
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        other.downcast_ref::<Self>().map(|other| self.0.cmp(&other.0))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A point in time in a template, in the zone in which it is shown.
#[derive(Debug)]
pub(super) struct Moment(pub(super) Zoned);

impl Moment {
    /// The zone in which the times of a notice are shown.
    pub(super) fn zone(&self) -> TimeZone {
        self.0.time_zone().clone()
    }
}

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str() == Some("timestamp")).then(|| Value::from(self.0.timestamp().as_second()))
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        other.downcast_ref::<Self>().map(|other| self.0.cmp(&other.0))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show(&self.0))
    }
}

/// A point in time for people who may also be machines: RFC 3339 with a space.
fn show(at: &Zoned) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use minijinja::value::Object;

    use super::{Context, VARS, VarKind};
    use crate::message::samples::samples;

    #[test]
    fn the_list_and_the_values_are_the_same() {
        for notice in samples() {
            let context = Arc::new(Context::new(&notice));
            for var in VARS {
                let value = context.get_value_by_str(var.name).unwrap_or_else(|| panic!("{} has no value", var.name));
                assert!(!var.about.is_empty());
                let (VarKind::Table(attributes), false) = (var.kind, value.is_none()) else { continue };
                for attribute in attributes {
                    let found = value.get_attr(attribute.name).expect("a table");
                    assert!(!found.is_undefined(), "{}.{}", var.name, attribute.name);
                }
            }
            assert!(context.get_value_by_str("nothing").is_none());
        }
    }
}
