//! How jobs are now, as the daemon knows it: a job may fail anew while its channel hears nothing of that, since it is silenced
//! say. Pure.
//!
//! Before it: the daemon, which says so of each job before it hands over the messages about it. After it: storms, which say how
//! many of their jobs are well again.

use std::collections::HashMap;

use crate::exec::Status;
use crate::id::JobName;

/// How a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does not fail.
    Well,
    /// It fails.
    Fails(Status),
    /// Nobody watches it any more.
    Gone,
}

/// How all jobs are.
#[derive(Clone, Debug, Default)]
pub struct Standings {
    /// None as long as no daemon has said it.
    jobs: Option<HashMap<JobName, Status>>,
}

impl Standings {
    /// These are all jobs that are watched.
    pub fn set_all(&mut self, jobs: impl IntoIterator<Item = (JobName, Status)>) {
        self.jobs = Some(jobs.into_iter().collect());
    }

    /// One of them is so; none where it is not watched any more. The answer is whether that is new.
    pub fn set(&mut self, job: &JobName, status: Option<Status>) -> bool {
        let jobs = self.jobs.get_or_insert_default();
        match status {
            Some(status) if jobs.get(job) == Some(&status) => false,
            Some(status) => {
                jobs.insert(job.clone(), status);
                true
            }
            None => jobs.remove(job).is_some(),
        }
    }

    /// How a job is, where that is known.
    pub fn of(&self, job: &JobName) -> Option<Standing> {
        Some(match self.jobs.as_ref()?.get(job) {
            Some(Status::Ok) => Standing::Well,
            Some(status) => Standing::Fails(*status),
            None => Standing::Gone,
        })
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
        let mut standings = Standings::default();
        assert_eq!(standings.of(&a), None);
        standings.set_all([(a.clone(), Status::Ok)]);
        assert_eq!((standings.of(&a), standings.of(&b)), (Some(Standing::Well), Some(Standing::Gone)));
        assert!(
            standings.set(&a, Some(Status::Warning)) && !standings.set(&a, Some(Status::Warning)),
            "it is news once"
        );
        assert_eq!(standings.of(&a), Some(Standing::Fails(Status::Warning)));
        assert!(standings.set(&a, None) && standings.of(&a) == Some(Standing::Gone));
    }
}
