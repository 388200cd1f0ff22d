//! What a storm says of a job that fails anew, or is well again, while its channel has no message about that: the job is silenced
//! or acknowledged, flaps, fails less often than `after` says, is told elsewhere. Pure.
//!
//! Before it: how jobs are now. After it: the storm's message, and its end, which is told when all of them are well.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::how::{self, How};
use super::state::{End, FAILS_UNTOLD, State};
use super::{Member, Storm};
use crate::id::JobName;
use crate::outbox::standing::Standing;

/// What stands beside the name of such a job.
const NOTE: &str = "fails again";

impl Storm {
    /// Whether some job fails, or is well again, of which there may be no message.
    pub fn waits_for_jobs(&self) -> bool {
        let may_change = |member: &Member| member.fails() || member.state == State::Well(End::Later);
        self.members.iter().any(|member| member.incident.is_some() && may_change(member))
    }

    /// A job is well again, which a message says later: the channel is to hear of the end no sooner, but for what it hears anyway.
    pub fn is_kept_back(&self) -> bool {
        self.members.iter().any(|member| member.state == State::Well(End::Later))
    }

    /// How its jobs are now: one that is well again may fail anew, and one that fails be well again of which nothing is told. The
    /// answer is whether the storm says something else.
    pub fn look(&mut self, standing: impl Fn(&JobName) -> Option<Standing>, now: Timestamp) -> bool {
        let told = self.members.iter().filter(|member| member.fails() && member.state != FAILS_UNTOLD);
        let told: BTreeSet<JobName> = told.map(|member| member.job.clone()).collect();
        let note = self.quiet.is_none().then(|| NOTE.to_owned());
        let mut changed = false;
        for member in self.members.iter_mut().filter(|member| member.incident.is_some() && !member.was_over) {
            let Some(is) = standing(&member.job) else { continue };
            let before = member.state;
            member.state = before.seen(is, told.contains(&member.job));
            changed |= match (before, member.state) {
                (before, FAILS_UNTOLD) => {
                    let status = if let Standing::Fails(status) = is { status } else { member.status };
                    let differs = before != FAILS_UNTOLD || member.status != status;
                    (member.status, member.how, member.note) = (status, How::default(), note.clone());
                    differs
                }
                (before, after) if before.fails() && !after.fails() => {
                    self.over = self.over.max(Some(is.since().unwrap_or(now)));
                    if before == FAILS_UNTOLD {
                        member.note = None;
                    }
                    true
                }
                // Of a storm that is over it is no news that its message may say so now.
                (State::Well(End::Later), after) => after != before && !self.ended,
                _ => false,
            };
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
        match self.ended || of_left.all(|member| matches!(member.state, State::FailsAnew(_))) {
            true => format!("{left} {fail} again"),
            false => format!("{left} still {fail}"),
        }
    }
}

impl State {
    /// The daemon says how the job is; whether the storm tells of another of its alerts that it fails.
    fn seen(self, is: Standing, is_told: bool) -> Self {
        let by_daemon = match is {
            Standing::Fails(_) if !is_told => FAILS_UNTOLD,
            Standing::Well | Standing::Fails(_) => Self::Well(End::Told),
            Standing::WellUntold(_) => Self::Well(End::Later),
            Standing::WellUnasked => Self::Well(End::Unasked),
            Standing::Gone => Self::Gone,
        };
        match self {
            FAILS_UNTOLD => by_daemon,
            // That it ends, or that nobody watches it, a message is to say.
            Self::Fails | Self::FailsAnew(_) if matches!(by_daemon, Self::Well(End::Later | End::Unasked)) => by_daemon,
            Self::Well(_) if by_daemon == Self::Gone => Self::Well(End::Told),
            // Only one that failed can have an end that is still to be told.
            Self::Well(End::Told | End::Unasked) if by_daemon == Self::Well(End::Later) => Self::Well(End::Told),
            Self::Well(_) => by_daemon,
            Self::Fails | Self::FailsAnew(_) | Self::OtherFails | Self::Gone => self,
        }
    }
}
