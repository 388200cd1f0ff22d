//! Numbers for Prometheus, in its text format.
//!
//! Before it: what the dispatcher, the outbox worker and the store have counted. After it: `GET /metrics`. Invariants: every
//! family has a help text; a job's own series are there from the start; a name, once released, never changes its meaning.

mod process;
mod text;

use jiff::Timestamp;

use crate::api::{self, HoldKind};
use crate::daemon::Snapshot;
use crate::daemon::numbers::{JobNumbers, Numbers, Skip};
use crate::exec::Status;
use crate::policy::{Event, Suppressed};
pub use process::Process;
use text::{LabelledJob, Text, labelled_job};

/// The `Content-Type` of the text format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that is shown, as it was at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// What the dispatcher counted.
    pub numbers: &'a Numbers,
    /// How everything is.
    pub status: &'a api::Status,
    /// What the daemon's parts say of themselves.
    pub snapshot: &'a Snapshot,
    /// The program as a process, where the kernel tells.
    pub process: Option<&'a Process>,
    /// Series of each job, and not only of all together.
    pub per_job: bool,
}

/// The metrics as text.
pub fn render(sources: &Sources<'_>) -> String {
    let mut text = Text::default();
    whole(&mut text, sources);
    if sources.per_job {
        jobs(&mut text, &sources.numbers.jobs);
    }
    delivery(&mut text, sources);
    if let Some(process) = sources.process {
        process.write(&mut text);
    }
    text.finish()
}

/// All jobs together.
fn whole(text: &mut Text, sources: &Sources<'_>) {
    let (status, tally) = (sources.status, &sources.numbers.tally);
    text.gauges(
        "build_info",
        "The version of the program; the value is always 1.",
        [(&[("version", status.version.as_str())][..], 1.0)],
    );
    let jobs = &status.jobs;
    let known = jobs.ok + jobs.warning + jobs.critical + jobs.unknown + jobs.never;
    let states = [
        ("ok", jobs.ok),
        ("warning", jobs.warning),
        ("critical", jobs.critical),
        ("unknown", jobs.unknown),
        ("never", jobs.never),
        ("disabled", jobs.total.saturating_sub(known)),
        ("running", jobs.running),
        ("paused", jobs.paused),
        ("not-loaded", jobs.not_loaded),
    ];
    text.by("jobs", "Jobs by state; a job that is running or paused is counted by its status too.", "state", states);
    let reload = &status.reload;
    text.gauge(
        "config_last_reload_successful",
        "Whether the last reading of the configuration is in effect as a whole.",
        f64::from(u8::from(reload.ok)),
    );
    text.gauge(
        "config_last_reload_success_timestamp_seconds",
        "When the configuration was read without an error, the last time; 0 when it was not.",
        sources.snapshot.configuration.read_whole.map_or(0.0, seconds),
    );
    // What has a place and no process yet waits too.
    let (running, waiting) = (sources.snapshot.running, sources.snapshot.waiting);
    let held_back = usize::try_from(sources.numbers.held_back).unwrap_or(usize::MAX).min(running);
    text.gauge("runs_running", "Runs in progress.", count(running - held_back));
    text.gauge("runs_waiting", "Runs that are due and wait to start.", count(waiting + held_back));
    text.histogram("run_duration_seconds", "How long runs took, of which that is known.", &tally.durations);
    text.histogram("run_lateness_seconds", "How long after their due times runs began.", &tally.lateness);
    let open = |wanted: Status| {
        (wanted.as_str(), status.incidents.iter().filter(|incident| incident.status == wanted).count())
    };
    let broken = Status::ALL.into_iter().filter(|status| *status != Status::Ok).map(open);
    text.by("incidents_open", "Open incidents by the status of the last failure.", "status", broken);
    let unacknowledged = status.incidents.iter().filter(|incident| incident.ack.is_none()).count();
    text.gauge("incidents_unacknowledged", "Open incidents that nobody has acknowledged.", count(unacknowledged));
    let alerts = Event::ALL.iter().map(|event| event.as_str()).zip(tally.alerts.iter().copied());
    text.counts("alerts_total", "Alerts by what they are about.", "event", alerts);
    let suppressed = Suppressed::ALL.iter().map(|why| why.as_str()).zip(tally.suppressed.iter().copied());
    let help = "Runs that there was no alert of, by the reason.";
    text.counts("alerts_suppressed_total", help, "reason", suppressed);
    let held = |kind: &HoldKind| (kind.as_str(), status.holds.iter().filter(|hold| hold.kind == *kind).count());
    text.by("holds", "Pauses, silences and acknowledgements in effect.", "kind", HoldKind::ALL.iter().map(held));
}

/// What the outbox says.
fn delivery(text: &mut Text, sources: &Sources<'_>) {
    let (outbox, worker) = (&sources.status.outbox, &sources.snapshot.outbox);
    let states = [("waiting", outbox.waiting), ("late", outbox.late), ("dead", outbox.dead)];
    text.by(
        "outbox_messages",
        "Messages on disk that Slack has not taken.",
        "state",
        states.map(|(state, number)| (state, usize::try_from(number).unwrap_or(usize::MAX))),
    );
    text.gauge(
        "outbox_oldest_timestamp_seconds",
        "Since when the oldest message in the outbox waits; NaN while none does.",
        // No comparison with it is true, so that no alert fires.
        outbox.oldest.map_or(f64::NAN, seconds),
    );
    let failed = worker.failed.saturating_sub(worker.refused);
    let results = [("delivered", worker.delivered), ("failed", failed), ("refused", worker.refused)];
    text.counts(
        "deliveries_total",
        "Messages that Slack took, tries that failed, and tries that Slack refused for good.",
        "result",
        results,
    );
    text.counts(
        "heartbeat_pings_total",
        "What the watcher of the heartbeat was told: that all is well, what is wrong, or nothing.",
        "result",
        sources.snapshot.heartbeats.words(),
    );
    text.counts(
        "job_pings_total",
        "Pings of jobs that their watchers took, tries that failed, and pings that were given up.",
        "result",
        sources.snapshot.pings.words(),
    );
}

/// A gauge of each job: its name, what it means, its value.
type JobGauge = (&'static str, &'static str, fn(&JobNumbers) -> f64);

/// Series of each job.
fn jobs(text: &mut Text, jobs: &[JobNumbers]) {
    let mut sorted: Vec<&JobNumbers> = jobs.iter().collect();
    sorted.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    let jobs: Vec<LabelledJob<'_>> = sorted.into_iter().map(labelled_job).collect();
    let statuses = Status::ALL.map(Status::as_str);
    let runs = ("job_runs_total", "Runs that ended, by status.");
    text.job_counts(runs, "status", &statuses, &jobs, |job| &job.tally.runs.0);
    let reasons = Skip::ALL.map(Skip::as_str);
    let skips = ("job_skips_total", "Due times that passed without a run of their own, by the reason.");
    text.job_counts(skips, "reason", &reasons, &jobs, |job| &job.tally.skips.0);
    text.job_summaries(
        ("job_run_duration_seconds", "How long the job's runs took, of which that is known."),
        &jobs,
        |job| (job.tally.timed, job.tally.took.as_secs_f64()),
    );
    let gauges: [JobGauge; 6] = [
        (
            "job_last_run_status",
            "The status of the last run, as Nagios has it: 0 is ok, 1 warning, 2 critical, 3 unknown.",
            |job| job.status.map_or(0.0, nagios),
        ),
        ("job_last_run_duration_seconds", "How long the last run took; 0 where that is not known.", |job| {
            job.took.map_or(0.0, |took| took.as_secs_f64())
        }),
        ("job_last_run_timestamp_seconds", "When the last run ended; 0 when there was none.", |job| {
            job.last.map_or(0.0, seconds)
        }),
        ("job_last_success_timestamp_seconds", "When a run was ok, the last time; 0 when none was.", |job| {
            job.success.map_or(0.0, seconds)
        }),
        (
            "job_next_run_timestamp_seconds",
            "When the job is due next, or by when an expected run has to come; 0 when it is not.",
            |job| job.next.map_or(0.0, seconds),
        ),
        ("job_running", "Runs of the job in progress.", |job| f64::from(job.running)),
    ];
    for (name, help, value) in gauges {
        text.job_gauges((name, help), &jobs, value);
    }
}

/// A status as a number that Nagios knows.
fn nagios(status: Status) -> f64 {
    match status {
        Status::Ok => 0.0,
        Status::Warning => 1.0,
        Status::Critical => 2.0,
        Status::Unknown => 3.0,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a double holds milliseconds for 200,000 years")]
fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1e3
}

#[expect(clippy::cast_precision_loss, reason = "a double counts to 2^53")]
fn count(number: usize) -> f64 {
    number as f64
}
