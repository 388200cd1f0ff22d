//! What a storm says of a job that fails anew, or is well again, while its channel has no message about that: the job is silenced
//! or acknowledged, flaps, fails less often than `after` says, is told elsewhere. Pure.
//!
//! Before it: how jobs are now. After it: the storm's message, and its end, which is told when all of them are well.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::how::{self, How};
use super::{Member, Storm};
use crate::id::JobName;
use crate::outbox::standing::Standing;

/// What stands beside the name of such a job.
const NOTE: &str = "fails again";

impl Member {
    /// It was well, and fails anew.
    pub(super) fn fails_anew(&self) -> bool {
        self.fails_anew.is_some() || self.fails_untold
    }

    /// Its channel has a message that it fails.
    pub(super) fn tell(&mut self) {
        if std::mem::take(&mut self.fails_untold) {
            self.note = None;
        }
    }
}

impl Storm {
    /// Whether some job fails, or is well again, of which there may be no message.
    pub fn waits_for_jobs(&self) -> bool {
        self.members.iter().any(|member| member.incident.is_some() && (member.fails() || member.untold))
    }

    /// A job is well again, which a message says later: the channel is to hear of the end no sooner, but for what it hears anyway.
    pub fn is_kept_back(&self) -> bool {
        self.members.iter().any(|member| member.untold)
    }

    /// How its jobs are now: one that is well again may fail anew, and one that fails be well again of which nothing is told. The
    /// answer is whether the storm says something else.
    pub fn look(&mut self, standing: impl Fn(&JobName) -> Option<Standing>, now: Timestamp) -> bool {
        let told = self.members.iter().filter(|member| member.fails() && !member.fails_untold);
        let told: BTreeSet<JobName> = told.map(|member| member.job.clone()).collect();
        let note = self.quiet.is_none().then(|| NOTE.to_owned());
        let (mut changed, ended) = (false, self.ended);
        for member in self.members.iter_mut().filter(|member| member.incident.is_some() && !member.was_over) {
            let is_told = told.contains(&member.job);
            let Some(is) = standing(&member.job) else { continue };
            member.unasked = is == Standing::WellUnasked;
            match is {
                Standing::Fails(status) if !is_told && member.may_fail_anew() => {
                    changed |= !member.fails_untold || member.status != status;
                    (member.well, member.untold, member.fails_untold, member.status) = (false, false, true, status);
                    (member.how, member.note) = (How::default(), note.clone());
                }
                Standing::Fails(_) if !is_told => {}
                is if member.fails_untold => {
                    (member.fails_untold, member.note, changed) = (false, None, true);
                    (member.well, member.gone) = (is != Standing::Gone, is == Standing::Gone);
                    member.untold = is.since().is_some();
                    self.over = self.over.max(Some(is.since().unwrap_or(now)));
                }
                is @ (Standing::WellUntold(_) | Standing::WellUnasked) if member.fails() => {
                    (member.well, member.untold, changed) = (true, is.since().is_some(), true);
                    self.over = self.over.max(Some(is.since().unwrap_or(now)));
                }
                Standing::Well | Standing::WellUnasked if member.untold => {
                    (member.untold, changed) = (false, changed || !ended);
                }
                _ => {}
            }
        }
        if changed {
            self.changed = now;
        }
        changed
    }

    /// "2 still fail", "1 fails again": what those do that are not well, `left` of them.
    pub(super) fn words_of_left(&self, left: usize) -> String {
        let fail = how::words(left, self.members.iter().filter(|member| member.fails()));
        let (_, fail) = fail.split_once(' ').unwrap_or_default();
        let fail = fail.strip_prefix("still ").unwrap_or(fail);
        let mut of_left = self.members.iter().filter(|member| member.fails());
        match self.ended || of_left.all(Member::fails_anew) {
            true => format!("{left} {fail} again"),
            false => format!("{left} still {fail}"),
        }
    }
}

impl Member {
    /// It is well, or was until it failed anew. Of one that fails under another key, that is said already.
    fn may_fail_anew(&self) -> bool {
        self.fails_untold || (self.well && !self.fails_still)
    }
}
