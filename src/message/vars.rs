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
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, Serde, Value};

use super::text::{clean, clean_str};
use super::{JobFacts, Notice};
use crate::clock::between;
use crate::document::format_duration;
use crate::exec::{Captured, Ending, Perfdata, Trigger, signal_name};

/// A variable of a template.
#[derive(Clone, Copy, Debug)]
pub struct Var {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: VarKind,
    /// What it means: the words of the manual.
    pub about: &'static str,
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

const fn var(name: &'static str, kind: VarKind, about: &'static str) -> Var {
    Var { name, kind, about }
}

const JOB: &[Var] = &[
    var("name", VarKind::Text, "The job's name: its file's path below `jobs_dir`, without `.toml`."),
    var("description", VarKind::Text, "`description`."),
    var("command", VarKind::Text, "`command`; an array joined by spaces."),
    var("schedule", VarKind::Text, "The schedule in words: `every 5m`."),
    var("tags", VarKind::Texts, "`tags`."),
    var("file", VarKind::Text, "The job file's path."),
];

const RUN: &[Var] = &[
    var("id", VarKind::Number, "The run's number, never used twice."),
    var("number", VarKind::Number, "How many runs the job has had, this one included."),
    var("attempt", VarKind::Number, "Which attempt decided; 1 without `retries`."),
    var("trigger", VarKind::Text, "What started it: `schedule`, `catchup` or `manual`."),
];

const PREVIOUS: &[Var] = &[
    var("status", VarKind::Text, "Its status."),
    var("stdout", VarKind::Output, "Its standard output."),
    var("finished", VarKind::Moment, "When it ended."),
];

const INCIDENT: &[Var] = &[
    var("failures", VarKind::Number, "Failures in a row so far."),
    var("started", VarKind::Moment, "When the first of them started."),
    var("duration", VarKind::Span, "How long it has lasted."),
];

const PERFDATA: &[Var] = &[
    var("label", VarKind::Text, "Its name."),
    var("value", VarKind::Any, "The value; none when it could not be determined."),
    var("unit", VarKind::Text, "The unit: empty, `s`, `%`, `B`, `c` …"),
    var("warn", VarKind::Any, "The warning range as written, or none."),
    var("crit", VarKind::Any, "The critical range as written, or none."),
    var("min", VarKind::Any, "The least possible value, or none."),
    var("max", VarKind::Any, "The greatest possible value, or none."),
];

/// What lengths of time have.
pub const SPAN: &[Var] = &[var("seconds", VarKind::Number, "The number of seconds, with a fraction.")];

/// What points in time have.
pub const MOMENT: &[Var] = &[var("timestamp", VarKind::Number, "Seconds since 1970, UTC.")];

/// Every variable, in the order of the manual (SPEC 6).
pub const VARS: &[Var] = &[
    var("job", VarKind::Table(JOB), "The job."),
    var("host", VarKind::Text, "The name of this host (`host` in slack_alert.toml)."),
    var("status", VarKind::Text, "`ok`, `warning`, `critical` or `unknown`."),
    var("reason", VarKind::Text, "What decided it: `exit`, `signal`, `timeout`, `spawn`, `output` or `interrupted`."),
    var("exit_code", VarKind::Number, "The exit code; none when there was none."),
    var("signal", VarKind::Text, "The signal that killed it, by name (`SIGKILL`); none when there was none."),
    var("stdout", VarKind::Output, "Standard output: escapes removed, progress bars collapsed."),
    var("stderr", VarKind::Output, "Standard error, likewise."),
    var("output", VarKind::Output, "Both, in the order in which they came."),
    var("json", VarKind::Any, "Standard output as JSON, with `parse = \"json\"`; none otherwise."),
    var("duration", VarKind::Span, "How long the run took, all attempts together."),
    var("started", VarKind::Moment, "When it started."),
    var("finished", VarKind::Moment, "When it ended."),
    var("scheduled", VarKind::Moment, "When it was due."),
    var("run", VarKind::Table(RUN), "The run."),
    var("previous", VarKind::Table(PREVIOUS), "The run before; none when there was none."),
    var("diff", VarKind::Output, "Standard output against the last ok run's, as a unified diff; empty when equal."),
    var("incident", VarKind::Table(INCIDENT), "The incident that the run belongs to; none when all is well."),
    var(
        "event",
        VarKind::Text,
        "What the message is about: `output`, `failure`, `repeat`, `recovery`, `success`, `change`, `flapping` or `stuck`.",
    ),
    var("perfdata", VarKind::Tables(PERFDATA), "Performance data, with `parse = \"perfdata\"`."),
    var("suppressed", VarKind::Number, "How many alerts `rate_limit` has held since the last message."),
    var("truncated", VarKind::Flag, "Whether some output was thrown away (`max_output`)."),
];

/// The variables' names, for enumeration by the template engine.
const NAMES: &[&str] = &[
    "job",
    "host",
    "status",
    "reason",
    "exit_code",
    "signal",
    "stdout",
    "stderr",
    "output",
    "json",
    "duration",
    "started",
    "finished",
    "scheduled",
    "run",
    "previous",
    "diff",
    "incident",
    "event",
    "perfdata",
    "suppressed",
    "truncated",
];

/// The variable of this name.
pub fn find(name: &str) -> Option<&'static Var> {
    VARS.iter().find(|var| var.name == name)
}

/// A notice as the root of a template's variables.
pub(super) struct Context {
    notice: Notice,
    stdout: OnceLock<Value>,
    stderr: OnceLock<Value>,
    output: OnceLock<Value>,
    json: OnceLock<Value>,
    diff: OnceLock<Value>,
    previous: OnceLock<Value>,
}

/// Only its name, as minijinja asks for: a whole notice would be a lot of program for nobody.
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
            json: OnceLock::new(),
            diff: OnceLock::new(),
            previous: OnceLock::new(),
        }
    }

    fn moment(&self, at: jiff::Timestamp) -> Value {
        Value::from_object(Moment(at.to_zoned(self.notice.zone.clone())))
    }

    fn previous(&self) -> Value {
        let Some(previous) = &self.notice.previous else { return Value::from(()) };
        Value::from_pairs([
            ("status", Value::from(previous.status.as_str())),
            ("stdout", Value::from(clean_str(&previous.stdout))),
            ("finished", self.moment(previous.finished)),
        ])
    }

    fn incident(&self) -> Value {
        let Some(incident) = &self.notice.incident else { return Value::from(()) };
        Value::from_pairs([
            ("failures", Value::from(incident.failures)),
            ("started", self.moment(incident.started)),
            ("duration", Value::from_object(Span(between(incident.started, self.notice.outcome.finished)))),
        ])
    }
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let (notice, outcome) = (&self.notice, &self.notice.outcome);
        let text = |captured: &Captured| Value::from(clean(&captured.bytes()));
        let streams = &outcome.output;
        Some(match key {
            "job" => job(&notice.job),
            "host" => Value::from(&notice.host),
            "status" => Value::from(outcome.status.as_str()),
            "reason" => Value::from(outcome.reason.as_str()),
            "exit_code" => Value::from(outcome.exit_code()),
            "signal" => match outcome.ending {
                Ending::Signaled { signal } => Value::from(signal_name(signal)),
                _ => Value::from(()),
            },
            "stdout" => self.stdout.get_or_init(|| text(&streams.stdout)).clone(),
            "stderr" => self.stderr.get_or_init(|| text(&streams.stderr)).clone(),
            "output" => self.output.get_or_init(|| text(&streams.both)).clone(),
            "json" => self.json.get_or_init(|| Value::from(Serde(&outcome.json))).clone(),
            "duration" => Value::from_object(Span(outcome.took)),
            "started" => self.moment(outcome.started),
            "finished" => self.moment(outcome.finished),
            "scheduled" => self.moment(notice.scheduled),
            "run" => Value::from_pairs([
                ("id", Value::from(notice.run.0)),
                ("number", Value::from(notice.number)),
                ("attempt", Value::from(outcome.attempts)),
                ("trigger", Value::from(trigger(notice.trigger))),
            ]),
            "previous" => self.previous.get_or_init(|| self.previous()).clone(),
            "diff" => self.diff.get_or_init(|| Value::from(clean_str(&notice.diff))).clone(),
            "incident" => self.incident(),
            "event" => Value::from(notice.event.as_str()),
            "perfdata" => outcome.perfdata.iter().map(perfdata).collect(),
            "suppressed" => Value::from(notice.suppressed),
            "truncated" => Value::from(dropped(notice) > 0),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(NAMES)
    }
}

fn job(job: &JobFacts) -> Value {
    Value::from_pairs([
        ("name", Value::from(job.name.as_str())),
        ("description", Value::from(&job.description)),
        ("command", Value::from(&job.command)),
        ("schedule", Value::from(&job.schedule)),
        ("tags", Value::from(&job.tags)),
        ("file", Value::from(&job.file)),
    ])
}

fn perfdata(data: &Perfdata) -> Value {
    Value::from_pairs([
        ("label", Value::from(&data.label)),
        ("value", Value::from(data.value)),
        ("unit", Value::from(&data.unit)),
        ("warn", Value::from(data.warn.clone())),
        ("crit", Value::from(data.crit.clone())),
        ("min", Value::from(data.min)),
        ("max", Value::from(data.max)),
    ])
}

fn trigger(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Schedule => "schedule",
        Trigger::CatchUp => "catchup",
        Trigger::Manual => "manual",
    }
}

/// Bytes of output that were thrown away.
pub(super) fn dropped(notice: &Notice) -> u64 {
    let output = &notice.outcome.output;
    (output.stdout.dropped + output.stderr.dropped).max(output.both.dropped)
}

/// A length of time in a template.
#[derive(Debug)]
pub(super) struct Span(pub(super) Duration);

impl Object for Span {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str() == Some("seconds")).then(|| Value::from(self.0.as_secs_f64()))
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        other.downcast_ref::<Self>().map(|other| self.0.cmp(&other.0))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_duration(self.0))
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
pub(super) fn show(at: &Zoned) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use minijinja::value::Object;

    use super::{Context, NAMES, VARS, VarKind};
    use crate::message::samples::samples;

    #[test]
    fn the_list_and_the_values_are_the_same() {
        assert_eq!(VARS.iter().map(|var| var.name).collect::<Vec<_>>(), NAMES);
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
