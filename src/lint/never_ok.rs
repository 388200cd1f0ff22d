//! `never-ok`: exit codes of which none is well.

use super::{Scope, Subject};
use crate::diagnostic::{Code, Problem, Problems};
use crate::exec::{Exit, Meaning, Status};

/// `exit_codes` says of no exit code and of no signal that it is ok, such as with `ok = []`, or where 0 is in another list: no run
/// of the job can be well.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    let Some(value) = subject.file.find("exit_codes") else { return };
    let command = &subject.job.command;
    // A directive may say that a run is ok.
    if command.directives() {
        return;
    }
    let mut all = (0..=255).map(Exit::Code).chain((1..=64).map(Exit::Signal));
    if all.any(|exit| command.exit_codes().meaning(exit) == Meaning::Status(Status::Ok)) {
        return;
    }
    let message = "no exit code is ok: no run of this job can be well";
    found.push(Problem::new(Code::NeverOk, value.at, message).help("write which codes are well: `ok = [0]`"));
}
