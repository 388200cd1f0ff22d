//! What is said of jobs that nobody watches any more. Pure.
//!
//! Before it: a job that was removed or disabled, and what is remembered of it. After it: messages for the store.

use jiff::Timestamp;

use super::{Sender, draft, places};
use crate::id::{Channel, JobName};
use crate::message::{self, Edit, Message, Rendered, Route, Thread};
use crate::policy::{self, LeftWaiting};
use crate::slack;

/// A job that nobody watches any more.
#[derive(Debug)]
pub struct Gone<'a> {
    /// The job.
    pub name: &'a JobName,
    /// Why: `jobs.d/a.toml was removed`.
    pub why: &'a str,
    /// The zone in which times are shown.
    pub zone: &'a jiff::tz::TimeZone,
    /// The job's settings, where they are known.
    pub notify: Option<&'a policy::Settings>,
}

/// That nobody watches a job any more whose failure was told: its first message says so, in every channel. Where nothing can be
/// edited, or there is no thread, a message says it.
pub fn no_longer_watched(
    gone: &Gone<'_>,
    abandoned: Vec<policy::Abandoned>,
    sender: &Sender,
    now: Timestamp,
) -> Vec<Message> {
    let name = slack::unformatted(gone.name.as_str());
    let at = now.to_zoned(gone.zone.clone()).strftime("%H:%M").to_string();
    let words = format!("no longer watched since {at} ({})", slack::escape(&slack::cut_plain(gone.why, 200).0));
    let mut messages = Vec::new();
    for policy::Abandoned { incident, status, line, channels, flat } in abandoned {
        let line = if line.is_empty() {
            String::new()
        } else {
            format!(": {}", slack::escape(&slack::cut_plain(&line, 300).0))
        };
        // As it stands it is for a message of which nothing is known.
        let text = format!(":black_circle: *{name}* {words}, was {}{line}", status.as_str());
        let rendered = Rendered {
            blocks: vec![
                slack::blocks::section(&text, slack::limits::SECTION),
                slack::blocks::context(&slack::unformatted(&sender.host)),
            ],
            text,
            color: None,
            attachment: None,
            written: None,
            left_out: Vec::new(),
        };
        // What an earlier version told is known by its status alone.
        let channels = match (channels.is_empty(), gone.notify) {
            (false, _) => channels,
            (true, Some(notify)) => notify.channels_for(status, sender.channel.as_ref()),
            (true, None) => sender.channel.iter().cloned().collect(),
        };
        let channels = if channels.is_empty() { channels } else { places(channels, sender) };
        let (thread, edit) = match sender.can.edits && !flat {
            true => (Thread::Edit, Some(Edit::Gone { words: words.clone() })),
            false => (Thread::None, None),
        };
        let others = |channel: &Channel| channels.iter().filter(|other| *other != channel).cloned().collect();
        messages.extend(channels.iter().map(|channel| Message {
            job: Some(gone.name.clone()),
            incident: Some(incident),
            thread,
            route: Route { edit: edit.clone(), also: others(channel), ..Route::default() },
            ..draft(&rendered, channel.clone(), status, now)
        }));
    }
    messages
}

/// What waited for the end of quiet hours of a job that was removed, where no daemon knows the job any more: in the channels that
/// it had.
pub fn left_waiting(
    gone: &Gone<'_>,
    LeftWaiting { status, lines, channels }: LeftWaiting,
    sender: &Sender,
    now: Timestamp,
) -> Vec<Message> {
    let sentence = format!("is no longer watched ({}); this waited for the end of its quiet hours", gone.why);
    let rendered = message::about_job((gone.name.as_str(), &sender.host), status, &sentence, &lines.join("\n"));
    let channels = if channels.is_empty() { sender.channel.iter().cloned().collect() } else { channels };
    let of_channel = |channel| Message { job: Some(gone.name.clone()), ..draft(&rendered, channel, status, now) };
    places(channels, sender).into_iter().map(of_channel).collect()
}
