//! How everything is, for a monitoring system that runs plugins: one line, performance data, and an exit code from 0 to 3
//! (Monitoring Plugins Development Guidelines). Pure.

use super::View;
use super::text::{has_read_before, in_a_line, unread};
use crate::api::{Incident, Job, JobState};
use crate::cli::client::words::count;
use crate::exec::Status;
use crate::id::in_one_line;

/// What the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Ok,
    Warning,
    Unknown,
    Critical,
}

/// Jobs that are named.
const NAMED: usize = 5;

/// No line of output is longer in the text.
const LONGEST: usize = 120;

impl Level {
    /// The exit code.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// A line without performance data: nothing can be said of the jobs.
pub(super) fn alone(level: Level, why: &str) -> String {
    let why = why.lines().next().unwrap_or_default().replace('|', "/");
    format!("SLACK-ALERT {} - {}\n", level.word(), in_one_line(&why))
}

/// The line, and what it comes to. Without a pattern the daemon itself is looked at too.
pub(super) fn render(view: &View) -> (Level, String) {
    let mut level = Level::Ok;
    let mut parts = Vec::new();
    let whole = view.asked.is_empty();
    let outbox = &view.status.outbox;
    if whole {
        if let Some(suspended) = &outbox.suspended {
            level = level.max(Level::Critical);
            parts.push(format!("Slack takes no message: {}", suspended.why));
        } else if let Some(outage) = &outbox.outage {
            level = level.max(Level::Critical);
            parts.push(format!("{}: {}", outage.words(&outage.since.to_string()), outage.why));
        }
        if outbox.dead > 0 {
            level = level.max(Level::Warning);
            parts.push(count(outbox.dead, "message could not be delivered", "messages could not be delivered"));
        }
    }
    if let Some(trouble) = view.status.store.as_ref().filter(|_| whole) {
        level = level.max(Level::Warning);
        parts.push(format!("the state cannot be written: {}", trouble.why));
    }
    if let Some(problem) = unread(view).next().filter(|_| whole) {
        level = level.max(Level::Warning);
        let before = if has_read_before(view) { ", and the one before goes on" } else { "" };
        parts.push(format!("the configuration has errors{before}: {}", in_a_line(problem)));
    }
    let mut bad: Vec<(Level, &Job)> = view.jobs.iter().filter_map(|job| Some((of(view, job)?, job))).collect();
    bad.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
    level = bad.iter().map(|(level, _)| *level).fold(level, Level::max);
    parts.extend(bad.iter().take(NAMED).flat_map(|(_, job)| told(view, job)));
    if bad.len() > NAMED {
        parts.push(format!("and {} more", bad.len() - NAMED));
    }
    let jobs = count(view.jobs.len() as u64, "job", "jobs");
    let head = match bad.len() {
        0 => format!("{jobs}, none with problems"),
        number => format!("{number} of {jobs} with problems"),
    };
    let words = std::iter::once(head).chain(parts).collect::<Vec<_>>().join("; ");
    // The bar begins the performance data.
    let words = in_one_line(&words).replace('|', "/");
    (level, format!("SLACK-ALERT {} - {words} | {}\n", level.word(), data(view, whole)))
}

/// What a job comes to, the worst of its open incidents where it fails; nothing when it is well.
fn of(view: &View, job: &Job) -> Option<Level> {
    let level = |status| match status {
        Status::Ok => None,
        Status::Warning => Some(Level::Warning),
        Status::Unknown => Some(Level::Unknown),
        Status::Critical => Some(Level::Critical),
    };
    // Somebody has it: that is known, and still no good state.
    let of = |incident: &Incident| {
        level(incident.status).map(|level| if incident.ack.is_some() { Level::Warning } else { level })
    };
    let incidents = view.incidents(job);
    let own = job.status.and_then(level);
    let by_status = match incidents.iter().filter_map(|incident| of(incident)).max() {
        Some(worst) if incidents.iter().any(|incident| incident.ack.is_some()) => own.map(|_| worst),
        Some(worst) => own.map(|own| own.max(worst)),
        None => own,
    };
    match job.state {
        JobState::NotLoaded => Some(Level::Warning),
        JobState::Disabled => None,
        _ => {
            let flaps = view.incidents(job).iter().any(|incident| incident.steady_at.is_some());
            by_status.or_else(|| (job.error.is_some() || flaps).then_some(Level::Warning))
        }
    }
}

/// What is to be said of a job: each of its open incidents.
fn told(view: &View, job: &Job) -> Vec<String> {
    match view.incidents(job).as_slice() {
        all if all.is_empty() || job.state == JobState::NotLoaded => vec![one(job, None)],
        all => all.iter().map(|incident| one(job, Some(incident))).collect(),
    }
}

fn one(job: &Job, incident: Option<&Incident>) -> String {
    let line = match (job.state, incident) {
        (JobState::NotLoaded, _) => "not loaded",
        // The last run was well: what it printed is no reason.
        (JobState::Ok | JobState::Paused | JobState::Never, None) => job.error.as_deref().unwrap_or_default(),
        (_, Some(incident)) if !incident.line.trim().is_empty() => incident.line.trim(),
        _ => job.last.as_ref().map(|last| last.line.trim()).unwrap_or_default(),
    };
    let line: String = line.chars().take(LONGEST).collect();
    let who = incident.and_then(|incident| incident.ack.as_ref());
    let who = who.map(|ack| format!(" (acknowledged by {})", ack.by.name)).unwrap_or_default();
    let word = match job.state {
        JobState::Ok | JobState::Paused | JobState::Never if job.error.is_some() => {
            if job.without_version {
                "not loaded"
            } else {
                "running as its last good file says"
            }
        }
        JobState::Ok if incident.is_some() => "flapping",
        state => state.as_str(),
    };
    let key = incident.and_then(|incident| incident.key.as_deref());
    let name = key.map_or_else(|| job.name.to_string(), |key| format!("{} ({key})", job.name));
    // A run that did not come has printed nothing: how it ended is what is wrong.
    let ending = job.last.as_ref().and_then(|last| last.ending.as_deref());
    let ending = ending.filter(|_| matches!(job.state, JobState::Warning | JobState::Unknown | JobState::Critical));
    match line.is_empty() {
        true if ending.is_some() => format!("{name}: {}{who}", ending.unwrap_or_default()),
        true => format!("{name} is {word}{who}"),
        false if job.state == JobState::NotLoaded => format!("{name}: {line}"),
        false if incident.is_none() && job.error.is_some() || job.status == Some(Status::Ok) => {
            format!("{name} is {word}: {line}{who}")
        }
        false => format!("{name}: {line}{who}"),
    }
}

/// `'label'=value;warn;crit;min;max`: a warning and a critical job are over their thresholds.
fn data(view: &View, whole: bool) -> String {
    let number = |status| view.jobs.iter().filter(|job| job.status == Some(status)).count();
    let running: usize = view.jobs.iter().map(|job| job.running.len()).sum();
    let not_loaded = view.jobs.iter().filter(|job| job.state == JobState::NotLoaded || job.error.is_some()).count();
    let mut data = format!(
        "jobs={};;;0 ok={};;;0 warning={};0;;0 critical={};;0;0 unknown={};;;0 running={running};;;0 not_loaded={not_loaded};0;;0",
        view.jobs.len(),
        number(Status::Ok),
        number(Status::Warning),
        number(Status::Critical),
        number(Status::Unknown),
    );
    if whole {
        let outbox = &view.status.outbox;
        data.push_str(&format!(" waiting={};;;0 dead={};0;;0", outbox.waiting, outbox.dead));
    }
    let state = |state| view.jobs.iter().filter(|job| job.state == state).count();
    data.push_str(&format!(" never={};;;0 disabled={};;;0", state(JobState::Never), state(JobState::Disabled)));
    data
}
