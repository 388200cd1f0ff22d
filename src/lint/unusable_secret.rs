//! `missing-file`, `unreadable-file`, `invalid-value`: a secret that cannot be used, which neither stops the daemon nor keeps a
//! job from running, and would show only when something is missed: the page, a heartbeat, a ping.

use super::{Scope, Subject, Whole};
use crate::diagnostic::{Place, Problem, Problems};
use crate::notify::secret::{Kind, Source};

/// The variable of `http.token_env`; what `http.token_file` names is told of by its reader. The file or the variable of
/// `[heartbeat]`.
pub(super) fn check(whole: &Whole<'_>, found: &mut Problems) {
    let (settings, file) = (&whole.plan.config, &whole.config);
    let token = settings.http.as_ref().and_then(|http| http.token.as_ref());
    if let Some(source @ Source::Variable { .. }) = token {
        judge(source, Kind::Page, file.value("http.token_env"), found);
    }
    match settings.heartbeat.as_ref().map(|heartbeat| &heartbeat.url) {
        Some(source @ Source::File(_)) => judge(source, Kind::Watcher, file.value("heartbeat.url_file"), found),
        Some(source @ Source::Variable { .. }) => {
            judge(source, Kind::Watcher, file.value("heartbeat.url_env"), found);
        }
        _ => {}
    }
}

/// The file of a job's `ping.url_file`.
pub(super) fn check_ping(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    if let Some(source @ Source::File(_)) = subject.job.ping.as_ref().map(|ping| &ping.url) {
        let written = subject.find("ping.url_file").map(|value| value.at);
        judge(source, Kind::Watcher, written.unwrap_or_else(|| subject.file.start()), found);
    }
}

fn judge(source: &Source, kind: Kind, place: Place, found: &mut Problems) {
    if let Err(error) = source.resolve(kind) {
        found.push(Problem::new(error.code, place, error.why).help(error.help));
    }
}
