//! `expect`: runs that something else starts, and when one is to come at the latest.
//!
//! Before it: the job's table. After it: the cadence, which waits for the report of a run and notes the due times that pass
//! without one.

use std::sync::Arc;
use std::time::Duration;

use super::{Cron, exact};
use crate::document::{Key, Kind};

/// The keys of `expect`.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "every",
        kind: Kind::Duration,
        default: "",
        about: "A run is due this long after the last one began. Either this or `cron`.",
    },
    Key {
        name: "cron",
        kind: Kind::Text,
        default: "",
        about: "A run is due at the times of this calendar, in the job's `time_zone`.",
    },
    Key {
        name: "grace",
        kind: Kind::Duration,
        default: "",
        about: "How long after its due time a run may begin; then it is missing.",
    },
];

/// Runs that something else starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// When one is due.
    pub times: Expected,
    /// How late it may be.
    pub grace: Duration,
}

/// When a run that something else starts is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// So long after the last one began.
    Every(Duration),
    /// At the times of a calendar.
    Cron(Arc<Cron>),
    /// At no time: it comes or it does not.
    AnyTime,
}

impl Expect {
    /// A job that something else runs whenever it likes: none of its runs is ever missing.
    pub fn any_time() -> Self {
        Self { times: Expected::AnyTime, grace: Duration::ZERO }
    }

    pub(super) fn every(&self) -> Option<Duration> {
        if let Expected::Every(every) = self.times { Some(every) } else { None }
    }

    /// `expected every 1d, 2h of grace`, `expected daily at 03:00, 2h of grace`.
    pub(super) fn describe(&self) -> String {
        let grace = exact(self.grace);
        match &self.times {
            Expected::Every(every) => format!("expected every {}, {grace} of grace", exact(*every)),
            Expected::Cron(cron) => match cron.in_words() {
                Some(words) => format!("expected {words}, {grace} of grace"),
                None => format!("expected by cron {}, {grace} of grace", cron.text()),
            },
            Expected::AnyTime => "run by something else, no job file".to_owned(),
        }
    }
}
