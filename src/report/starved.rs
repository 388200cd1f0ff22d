//! The message about a job whose runs wait because other runs hold what they need. Pure.
//!
//! Before it: the dispatcher, which knows who waits for what, or a preview. After it: `about_job`. What ends a wait is told in
//! the channels that heard of it.

use jiff::Timestamp;
use serde_json::Value;

use super::{Sender, about_job, places};
use crate::exec::Status;
use crate::id::{Channel, JobName};
use crate::message::Message;
use crate::plan::Job;
use crate::policy::{Event, time_of_day};
use crate::slack;

/// A run of this job waits for so long: what for, and which runs hold it. To the channels of a critical message, and it pings
/// whom one pings.
pub fn waits(job: &Job, sender: &Sender, since: Timestamp, (what, held): (&str, &str), now: Timestamp) -> Vec<Message> {
    let (began, since) = (since, time_of_day(since, &job.timing.zone, now));
    let channels = places(job.notify.channels_for(Status::Critical, sender.channel.as_ref()), sender);
    let mut all = about(
        (&job.name, &sender.host),
        channels,
        Status::Critical,
        (&format!("critical: waits for {what} since {since}"), held),
        now,
    );
    let cause = slack::unformatted(&format!("critical: waits for {what}; {held}"));
    for message in &mut all {
        (message.route.since, message.route.cause) = (Some(began), Some(cause.clone()));
    }
    let mentions = job.notify.mentions_for(Event::Failure, Status::Critical);
    all.iter_mut().for_each(|message| ping(message, &mentions));
    all
}

/// The wait is over. `job` is its name, and the host's.
pub fn runs_again(
    job: (&JobName, &str),
    told: Vec<Channel>,
    (waited, what): (&str, &str),
    now: Timestamp,
) -> Vec<Message> {
    about(job, told, Status::Ok, (&format!("runs again: it waited {waited} for {what}"), ""), now)
}

/// The wait is over, and the run that waited will not run.
pub fn over(job: (&JobName, &str), told: Vec<Channel>, (what, why): (&str, &str), now: Timestamp) -> Vec<Message> {
    about(job, told, Status::Unknown, (&format!("does not wait for {what} any more: {why}"), ""), now)
}

fn about(job: (&JobName, &str), to: Vec<Channel>, status: Status, words: (&str, &str), now: Timestamp) -> Vec<Message> {
    about_job(job, to, (Event::Starved, status), words, now)
}

/// Puts mentions before the headline, as in any other message.
fn ping(message: &mut Message, mentions: &[String]) {
    let head: String = mentions.iter().map(|mention| format!("{mention} ")).collect();
    message.text.insert_str(0, &head);
    if let Some(Value::String(text)) = message.blocks.first_mut().and_then(|block| block.pointer_mut("/text/text")) {
        text.insert_str(0, &head);
    }
}
