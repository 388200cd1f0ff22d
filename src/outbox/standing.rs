//! How jobs are now, as the daemon knows it: a job may fail anew while its channel hears nothing of that, since it is silenced
//! say. Pure.
//!
//! Before it: the daemon, which says so of each job before it hands over the messages about it. After it: storms, which say how
//! many of their jobs are well again.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::exec::Status;
use crate::id::JobName;

/// How a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does not fail, and a message says so.
    Well,
    /// It does not fail since then, which no message says yet: it is silenced, it flaps, quiet hours keep that back.
    WellUntold(Timestamp),
    /// It does not fail, which no message is to say: its recoveries are not asked for.
    WellUnasked,
    /// It fails.
    Fails(Status),
    /// Nobody watches it any more.
    Gone,
}

impl Standing {
    /// Since when it is so, where that is known.
    pub fn since(self) -> Option<Timestamp> {
        match self {
            Self::WellUntold(since) => Some(since),
            Self::Well | Self::WellUnasked | Self::Fails(_) | Self::Gone => None,
        }
    }
}

/// How all jobs are.
#[derive(Clone, Debug, Default)]
pub struct Standings {
    /// None as long as no daemon has said it.
    jobs: Option<HashMap<JobName, Standing>>,
}

impl Standings {
    /// These are all jobs that are watched.
    pub fn set_all(&mut self, jobs: impl IntoIterator<Item = (JobName, Standing)>) {
        self.jobs = Some(jobs.into_iter().collect());
    }

    /// One of them is so; none where it is not watched any more. The answer is whether that is new.
    pub fn set(&mut self, job: &JobName, standing: Option<Standing>) -> bool {
        let jobs = self.jobs.get_or_insert_default();
        match standing {
            Some(standing) => jobs.insert(job.clone(), standing) != Some(standing),
            None => jobs.remove(job).is_some(),
        }
    }

    /// How a job is, where that is known.
    pub fn of(&self, job: &JobName) -> Option<Standing> {
        Some(self.jobs.as_ref()?.get(job).copied().unwrap_or(Standing::Gone))
    }
}

#[cfg(test)]
mod tests {
    use super::{Standing, Standings};
    use crate::exec::Status;
    use crate::id::JobName;

    #[test]
    fn of_no_job_is_anything_known_before_the_daemon_has_said_it() {
        let (a, b) = (JobName::new("a"), JobName::new("b"));
        let warns = Standing::Fails(Status::Warning);
        let mut standings = Standings::default();
        assert_eq!(standings.of(&a), None);
        standings.set_all([(a.clone(), Standing::Well)]);
        assert_eq!((standings.of(&a), standings.of(&b)), (Some(Standing::Well), Some(Standing::Gone)));
        assert!(standings.set(&a, Some(warns)) && !standings.set(&a, Some(warns)), "it is news once");
        assert_eq!(standings.of(&a), Some(warns));
        assert!(standings.set(&a, None) && standings.of(&a) == Some(Standing::Gone));
    }
}
