//! What jobs of a storm do: fail, fail still, wait. Pure.

use serde::{Deserialize, Serialize};

use super::Member;
use crate::message::Message;
use crate::policy::Event;

/// What an alert says that its job does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It fails.
    #[default]
    Fails,
    /// It fails, as was told before.
    StillFails,
    /// Its runs wait for what others hold.
    Waits,
    /// Its run takes longer than it is allowed to, and goes on.
    TakesLong,
    /// It changes between ok and not ok.
    Changes,
}

impl How {
    /// What the job of a message does.
    pub(super) fn of(message: &Message) -> Self {
        match message.event {
            Some(Event::Starved) => Self::Waits,
            Some(Event::Slow) => Self::TakesLong,
            Some(Event::Flapping) => Self::Changes,
            Some(Event::Repeat) if message.route.cause.is_some() => Self::StillFails,
            _ => Self::Fails,
        }
    }

    /// Whether nothing is to be kept of it.
    pub(super) fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// `jobs fail`: so many of these jobs, and what they do.
pub(super) fn words<'m>(count: usize, members: impl IntoIterator<Item = &'m Member>) -> &'static str {
    let mut all: Vec<How> = members.into_iter().map(|member| member.how).collect();
    all.sort_unstable();
    all.dedup();
    let (one, many) = match all.as_slice() {
        [How::StillFails] => ("job still fails", "jobs still fail"),
        [] | [How::Fails | How::StillFails, ..] if all.iter().all(|how| *how <= How::StillFails) => {
            ("job fails", "jobs fail")
        }
        [How::Waits] => ("job waits", "jobs wait"),
        [How::TakesLong] => ("job takes too long", "jobs take too long"),
        [How::Changes] => ("job keeps changing", "jobs keep changing"),
        _ => ("job is not well", "jobs are not well"),
    };
    if count == 1 { one } else { many }
}
