//! `interval-too-short`: a plain interval below a second.

use std::time::Duration;

use super::{Scope, Subject};
use crate::diagnostic::{Code, Problem, Problems};

/// An `every` below one second that goes on without a pause: more than 86,400 processes a day, each with its record.
/// A `burst` is left alone, since its pause bounds what it costs.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    let timing = &subject.job.timing;
    let Some(every) = timing.endless_interval() else { return };
    if !timing.enabled || every >= Duration::from_secs(1) {
        return;
    }
    let a_day = 86_400_000 / every.as_millis().max(1);
    let message = format!("this starts {a_day} processes a day");
    let problem = Problem::new(Code::IntervalTooShort, subject.file.value("every"), message);
    found.push(problem.help("run it once a second or less, or in a `burst` with a pause"));
}
