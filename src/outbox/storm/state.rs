//! How a job of a storm is, as far as the storm knows. Pure.
//!
//! Before it: messages that a channel took, and the daemon, which says how its jobs are. After it: the lines of the storm, and
//! its end.

use serde::{Deserialize, Serialize};

/// How a job is, by an alert of it that the storm tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It fails, in the incident of the alert.
    #[default]
    Fails,
    /// It was well, and fails anew: in this incident, which has messages of its own; none: its channel has no message of that.
    FailsAnew(Option<u64>),
    /// It is well again.
    Well(End),
    /// The incident is over, and another one of the job, with another key, is not.
    OtherFails,
    /// Nobody watches it any more: how it is, is not known.
    Gone,
}

/// Whether a message of its own says that a job is well again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// One says so.
    Told,
    /// One is to say so later.
    Later,
    /// None is to say so: nobody asked for it.
    Unasked,
}

/// It was well, and fails anew, of which its channel has no message.
pub(super) const FAILS_UNTOLD: State = State::FailsAnew(None);

impl State {
    /// It is known to fail.
    pub(super) fn fails(self) -> bool {
        matches!(self, Self::Fails | Self::FailsAnew(_))
    }

    /// The incident is over.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Well(_) | Self::OtherFails)
    }

    /// A message says that this incident is over; whether another one of the job `fails_still`.
    pub(super) fn after_end(self, incident: Option<u64>, fails_still: bool) -> Self {
        match self {
            // It is no news of the failure that came after it.
            Self::FailsAnew(anew) if anew.is_none() || anew != incident => self,
            Self::OtherFails => self,
            _ if fails_still => Self::OtherFails,
            Self::Well(End::Unasked) => self,
            _ => Self::Well(End::Told),
        }
    }

    /// A message of the incident says that it fails.
    pub(super) fn after_failure(self) -> Self {
        match self {
            Self::FailsAnew(Some(_)) => self,
            _ => Self::Fails,
        }
    }

    /// A message says that nobody watches the job any more.
    pub(super) fn after_leaving(self) -> Self {
        match self {
            Self::Well(_) => Self::Well(End::Told),
            Self::OtherFails => self,
            Self::Fails | Self::FailsAnew(_) | Self::Gone => Self::Gone,
        }
    }
}
