//! The report on schedule: when it is due, what it counts, and that it comes once.
//!
//! Before it: the loop's clock. After it: a message in the outbox, and a note of when that was. The counting is a task of
//! its own, in steps, since a large history takes the store a while. Invariant: the note is written after the message: a
//! daemon that dies between the two reports twice rather than not at all; nothing else does.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::{Daemon, Dispatcher};
use crate::clock::{self, Mono, Now};
use crate::id::{Channel, JobName};
use crate::message::summary::{self, JobReport, Report, Settings};
use crate::report::Sender;
use crate::store::{self, Store, StoreError};

/// The name of the note: when the last report was made, in RFC 3339.
pub(super) const NOTE: &str = "summary";

/// A last report that lies further ahead than this was made by a clock that was wrong.
const AHEAD: Duration = Duration::from_secs(86_400);

/// What is remembered of reports.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// When the last was made; where there was none, since when one is wanted.
    last: Option<Timestamp>,
    /// One that is being made.
    tasks: JoinSet<()>,
}

impl Summary {
    /// As an earlier daemon left it.
    pub(super) fn from_note(note: Option<&String>) -> Self {
        Self { last: note.and_then(|note| note.parse().ok()), tasks: JoinSet::new() }
    }

    /// When the next report is due.
    pub(super) fn due(&self, settings: Option<&Settings>, sender: &Sender, now: Now) -> Option<Mono> {
        if !self.tasks.is_empty() {
            return None;
        }
        let next = settings?.at.next(self.last?, &sender.zone)?;
        Some(now.mono + clock::between(now.wall, next))
    }

    /// Until one that is being made is done; for ever when there is none.
    pub(super) async fn settled(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Until nothing is being made.
    pub(super) async fn flush(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    /// Begins the report that is due, if one is.
    #[expect(clippy::disallowed_methods, reason = "the daemon owns the task that counts")]
    fn look(&mut self, settings: Option<&Settings>, dispatcher: &Dispatcher, store: &Store, now: Now) {
        let Some(settings) = settings else {
            if self.last.take().is_some() {
                self.note(store, None);
            }
            return;
        };
        if self.last.is_none_or(|last| last > clock::shift(now.wall, AHEAD)) {
            self.last = Some(now.wall);
            return self.note(store, Some(now.wall));
        }
        let sender = dispatcher.sender();
        let (Some(since), Some(due)) = (self.last, self.due(Some(settings), sender, now)) else { return };
        if due > now.mono {
            return;
        }
        self.last = Some(now.wall);
        let open = dispatcher.incidents(now).into_iter().map(|incident| summary::Open {
            job: incident.job,
            key: incident.key,
            since: incident.since,
            failures: incident.failures,
            line: incident.line,
        });
        let open = open.collect();
        let hanging = dispatcher.healths().filter(|(_, health)| health.opened_by_hang(since)).count() as u64;
        let running = dispatcher.in_progress().map(|(job, since)| (job.clone(), since)).collect();
        let holds = dispatcher.holds().cloned().collect();
        let (host, zone) = (sender.host.to_string(), sender.zone.clone());
        let report = Report { host, since, until: now.wall, zone, jobs: Vec::new(), open, hanging, running, holds };
        let channel = settings.channel.clone().filter(|_| sender.can.channels).or_else(|| sender.channel.clone());
        self.tasks.spawn(make(store.clone(), report, channel.unwrap_or_else(Channel::unnamed)));
    }

    #[expect(clippy::disallowed_methods, reason = "the daemon owns the task that counts")]
    fn note(&mut self, store: &Store, at: Option<Timestamp>) {
        let store = store.clone();
        self.tasks.spawn(async move { log(store.remember(NOTE, at.map(|at| at.to_string())).await) });
    }
}

impl Daemon {
    /// When the next report is due.
    pub(super) fn summary_due(&self) -> Option<Mono> {
        let settings = self.plan.config.summary.as_ref();
        self.summary.due(settings, self.dispatcher.sender(), self.host.clock.now())
    }

    /// Begins the report that is due, if one is.
    pub(super) fn summarize(&mut self, now: Now) {
        let settings = self.plan.config.summary.as_ref();
        self.summary.look(settings, &self.dispatcher, &self.host.store, now);
    }
}

/// Counts, writes the message, and notes that it was.
async fn make(store: Store, mut report: Report, channel: Channel) {
    match tally(&store, report.since, report.until).await {
        Ok(jobs) => report.jobs = jobs,
        Err(error) => return tracing::error!(%error, "the history cannot be counted: there is no summary this time"),
    }
    let message = crate::report::draft(&summary::render(&report), channel, report.status(), report.until);
    tracing::info!(since = %report.since, jobs = report.jobs.len(), "summary");
    match store.record(store::Record { messages: vec![message], ..store::Record::default() }).await {
        Ok(_) => log(store.remember(NOTE, Some(report.until.to_string())).await),
        Err(error) => tracing::error!(%error, "the summary could not be kept"),
    }
}

/// Counts a time's runs by job, step by step from the newest on.
async fn tally(store: &Store, since: Timestamp, until: Timestamp) -> Result<Vec<JobReport>, StoreError> {
    // What ended within the last second may not be written yet.
    store.flush().await?;
    let mut jobs: BTreeMap<JobName, JobReport> = BTreeMap::new();
    let mut below = None;
    loop {
        let step = store.tally(below, since, until).await?;
        for found in step.jobs {
            match jobs.get_mut(&found.job) {
                None => _ = jobs.insert(found.job.clone(), found),
                Some(known) => known.add(&found),
            }
        }
        below = step.next;
        if below.is_none() {
            return Ok(jobs.into_values().collect());
        }
    }
}

fn log(result: Result<(), StoreError>) {
    if let Err(error) = result {
        tracing::warn!(%error, "it cannot be noted when the last summary was: a restart may tell it again");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::Summary;
    use crate::clock::{Mono, Now};
    use crate::message::summary::Settings;
    use crate::report::Sender;
    use crate::schedule::parse_times;

    #[test]
    fn it_is_due_once_for_each_time_and_once_for_all_that_were_missed() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let sender = Sender {
            host: "h".into(),
            zone: TimeZone::UTC,
            channel: None,
            can: crate::notify::Way::Console.capabilities(),
            page: None,
            places: crate::outbox::Places::default(),
        };
        let settings = Settings { at: parse_times("Mon-Fri 09:00").expect("times"), channel: None };
        let mono = Mono(Duration::from_secs(1_000));
        for (last, now, wait) in [
            ("2026-11-20T09:00:00Z", "2026-11-23T08:59:00Z", 60),
            ("2026-11-20T09:00:00Z", "2026-11-23T09:00:00Z", 0),
            ("2026-11-23T09:00:00.1Z", "2026-11-23T09:00:00.2Z", 86_399),
            ("2026-11-16T09:00:00Z", "2026-11-23T12:00:00Z", 0),
            ("2026-11-23T12:00:00Z", "2026-11-23T12:00:00Z", 21 * 3_600),
        ] {
            let summary = Summary::from_note(Some(&last.to_owned()));
            let due = summary.due(Some(&settings), &sender, Now { wall: at(now), mono }).expect("it is due some time");
            assert_eq!((due - mono).as_secs(), wait, "{last} {now}");
        }
        let none = Summary::from_note(None);
        assert_eq!(none.due(Some(&settings), &sender, Now { wall: at("2026-11-23T09:00:00Z"), mono }), None);
    }
}
