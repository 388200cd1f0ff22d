//! The message about a job whose runs wait because other runs hold what they need. Pure.
//!
//! Before it: the dispatcher, which knows who waits for what, or a preview. After it: `about_job`.

use jiff::Timestamp;

use super::{Sender, about_job, places};
use crate::exec::Status;
use crate::message::Message;
use crate::plan::Job;
use crate::policy::{Event, time_of_day};

/// A run of this job waits for so long: what for, and which runs hold it.
pub fn waits(job: &Job, sender: &Sender, since: Timestamp, (what, held): (&str, &str), now: Timestamp) -> Vec<Message> {
    let since = time_of_day(since, &job.timing.zone, now);
    about(job, sender, Status::Critical, (&format!("critical: waits for {what} since {since}"), held), now)
}

/// The wait is over.
pub fn runs_again(job: &Job, sender: &Sender, (waited, what): (&str, &str), now: Timestamp) -> Vec<Message> {
    about(job, sender, Status::Ok, (&format!("runs again: it waited {waited} for {what}"), ""), now)
}

/// The wait is over, and the run that waited will not run.
pub fn over(job: &Job, sender: &Sender, (what, why): (&str, &str), now: Timestamp) -> Vec<Message> {
    about(job, sender, Status::Unknown, (&format!("does not wait for {what} any more: {why}"), ""), now)
}

/// To the channels of a critical message, its end too: it is told where it was told.
fn about(job: &Job, sender: &Sender, status: Status, words: (&str, &str), now: Timestamp) -> Vec<Message> {
    let channels = job.notify.channels_for(Status::Critical, sender.channel.as_ref());
    about_job(job, places(channels, sender), (Event::Starved, status), words, now)
}
