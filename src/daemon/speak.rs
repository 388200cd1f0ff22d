//! From an outcome to messages: asks `policy` whether it is worth a word, and `message` for the words. Pure.
//!
//! Before it: the dispatcher with a finished run. After it: a record for the store. A template that fails loses nothing:
//! the default message goes out, with the reason.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::directives;
use crate::clock;
use crate::exec::{Outcome, Run, Status};
use crate::id::{Channel, RunId};
use crate::message::{self, Message, Notice, Previous, Rendered, Thread};
use crate::plan::Job;
use crate::policy::{self, Attach, Event, Health, Hold, Threading, Verdict, Word};

/// What all messages of a daemon have in common.
#[derive(Clone, Debug)]
pub struct Voice {
    /// This host's name.
    pub host: Arc<str>,
    /// The zone in which times are shown.
    pub zone: jiff::tz::TimeZone,
    /// Where messages go that name no channel; `None` only on the console and on webhooks, which have a place of their own.
    pub channel: Option<Channel>,
    /// Whether the way out knows threads and edits (a token does; a webhook and the console do not).
    pub threads: bool,
}

/// What was decided about a run, and what is to be sent.
#[derive(Clone, Debug)]
pub struct Said {
    /// The messages, one a channel (and an edit of the first message on recovery).
    pub messages: Vec<Message>,
    /// Why it was said or not, for the history and the log.
    pub decision: Decision,
}

/// Where a job is in its burst, when one counts alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Burst {
    /// Alerts may come.
    Open,
    /// The next alert is the last; then the job pauses for this long.
    PausesAfter(Duration),
    /// It pauses.
    Paused,
}

/// A verdict as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It was said.
    Notified(Event),
    /// It was not, for this reason; when the next word is possible.
    Held(Hold, Option<Timestamp>),
    /// The run counts as not run (`exit_codes.skip`).
    NotRun,
    /// Another run took its place (`overlap = "replace"`).
    Replaced,
}

impl Decision {
    /// As kept with the run and written to the log: `notified: failure`, `repeat-not-due`, `not-run`.
    pub fn words(&self) -> String {
        match self {
            Self::Notified(event) => format!("notified: {event}"),
            Self::Held(hold, _) => hold.to_string(),
            Self::NotRun => "not-run".to_owned(),
            Self::Replaced => "replaced".to_owned(),
        }
    }

    /// When the next word is possible, where that is known.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Held(_, until) => *until,
            _ => None,
        }
    }
}

/// What a word is about: the run that just ended, or (for `stuck`) still goes.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The run.
    pub run: &'a Run,
    /// How it ended; for a run that still goes, what is known so far.
    pub outcome: &'a Arc<Outcome>,
    /// Now, on the wall.
    pub now: Timestamp,
}

/// Decides about a finished run, and finds the words. In the pause of a burst (`paused`) nothing is said: a run that was
/// under way when it began may not add to exactly so many alerts.
pub fn judge(job: &Job, health: &mut Health, about: About<'_>, burst: Burst, voice: &Voice) -> Said {
    let outcome = about.outcome;
    let stdout = message::clean(&outcome.output.stdout.bytes());
    let both = message::clean(&outcome.output.both.bytes());
    let facts = policy::Facts {
        run: about.run.id,
        scheduled: about.run.scheduled,
        status: outcome.status,
        reason: outcome.reason,
        skipped: outcome.skipped,
        stdout: &stdout,
        output: &both,
        ending: &outcome.ending,
        key: outcome.directives.key.as_deref(),
    };
    let verdict = policy::judge(&job.notify, health, &facts, &job.timing.zone, about.now);
    let said = outcome_said(job, health, verdict, about, burst, voice);
    // What this run says is still said; the silence begins after it, and shortens none that somebody else wants.
    if let Some(length) = outcome.directives.silence {
        let until = clock::shift(about.now, length);
        health.silence(Some(health.silenced().map_or(until, |known| known.max(until))));
    }
    said
}

/// From a verdict to messages.
fn outcome_said(
    job: &Job,
    health: &mut Health,
    verdict: Verdict,
    about: About<'_>,
    burst: Burst,
    voice: &Voice,
) -> Said {
    match verdict {
        Verdict::NotRun => Said { messages: Vec::new(), decision: Decision::NotRun },
        Verdict::Hold(hold, until) => held(hold, until),
        Verdict::Notify(word) if burst == Burst::Paused => {
            policy::unsaid(health, &word);
            held(Hold::RateLimited, None)
        }
        Verdict::Notify(word) => {
            let pauses = if let Burst::PausesAfter(pause) = burst { Some(pause) } else { None };
            let messages = utter(job, health, &word, about, pauses, voice);
            if messages.is_empty() {
                policy::unsaid(health, &word);
                return held(Hold::Blank, None);
            }
            Said { messages, decision: Decision::Notified(word.event) }
        }
    }
}

fn held(hold: Hold, until: Option<Timestamp>) -> Said {
    Said { messages: Vec::new(), decision: Decision::Held(hold, until) }
}

/// The messages for a word: one a channel; none when the template renders to blanks.
pub fn utter(
    job: &Job,
    health: &Health,
    word: &Word,
    about: About<'_>,
    pauses: Option<Duration>,
    voice: &Voice,
) -> Vec<Message> {
    let notice = notice(job, health, word, about, pauses, voice);
    let Some(rendered) = render(job, &notice) else { return Vec::new() };
    // Only a token can upload files, and only a message that has an ID can have one in its thread.
    let output = match job.notify.attach {
        _ if !voice.threads => None,
        Attach::Never => None,
        Attach::Auto => rendered.attachment.clone(),
        Attach::Always => message::whole_output(&notice),
    };
    let file = directives::file(about.outcome).filter(|_| voice.threads);
    // A message carries one file: with two, the output comes after it in the thread, where there is one.
    let (attachment, second) = if file.is_some() { (file, output) } else { (output, None) };
    let rendered = Rendered { attachment, ..rendered };
    let threading = if voice.threads { word.thread } else { Threading::None };
    let incident = word.incident.filter(|_| threading != Threading::None).map(|incident| incident.id);
    let mut messages = Vec::new();
    for channel in channels(job, word, voice) {
        let base = draft(&rendered, channel, word.status, about.now);
        let base = Message { job: Some(job.name.clone()), run: word.run, event: Some(word.event), incident, ..base };
        if threading == Threading::Close {
            messages.push(Message { thread: Thread::Edit, attachment: None, ..base.clone() });
        }
        if threading == Threading::Close {
            for other in &word.also {
                messages.extend(closed(job, &Notice { incident: Some(*other), ..notice.clone() }, &base));
            }
        }
        let output = second.clone().filter(|_| incident.is_some()).map(|file| Message {
            thread: Thread::Reply,
            text: format!(":page_facing_up: the whole output of {}", directives::plain(job.name.as_str())),
            blocks: Vec::new(),
            color: None,
            attachment: Some(file),
            ..base.clone()
        });
        messages.push(Message { thread: thread(threading), ..base });
        messages.extend(output);
    }
    messages
}

/// The end of another incident of the job, in that one's thread: its first message says so, and so does the thread.
fn closed(job: &Job, notice: &Notice, base: &Message) -> Vec<Message> {
    let Some(rendered) = render(job, notice) else { return Vec::new() };
    let ended = Message {
        text: rendered.text,
        blocks: rendered.blocks,
        color: rendered.color,
        incident: notice.incident.map(|incident| incident.id),
        attachment: None,
        thread: Thread::Edit,
        ..base.clone()
    };
    vec![ended.clone(), Message { thread: Thread::Reply, ..ended }]
}

/// The words for a notice; none when the template renders to blanks.
fn render(job: &Job, notice: &Notice) -> Option<Rendered> {
    match message::render(notice, &job.format) {
        Ok(rendered) => rendered,
        Err(error) => {
            tracing::error!(job = %job.name, run = %notice.run, %error, "the template failed; sending the default message");
            Some(message::fallback(notice, &error))
        }
    }
}

fn notice(
    job: &Job,
    health: &Health,
    word: &Word,
    about: About<'_>,
    pauses: Option<Duration>,
    voice: &Voice,
) -> Notice {
    let previous = word.previous.clone().map(|before| Previous {
        status: before.status,
        stdout: before.stdout,
        finished: before.finished,
    });
    let (asked, notes) = directives::asked(about.outcome, &job.notify, voice.threads);
    Notice {
        job: Arc::clone(&job.facts),
        event: word.event,
        outcome: Arc::clone(about.outcome),
        run: about.run.id,
        number: health.runs(),
        trigger: about.run.trigger,
        scheduled: about.run.scheduled,
        previous,
        diff: word.diff.clone(),
        incident: word.incident,
        suppressed: word.suppressed,
        remark: word.remark.clone(),
        digest: word.digest.clone(),
        pauses,
        host: Arc::clone(&voice.host),
        mention: word.mentions(&job.notify),
        asked,
        notes,
        zone: voice.zone.clone(),
    }
}

fn thread(threading: Threading) -> Thread {
    match threading {
        Threading::None => Thread::None,
        Threading::Open => Thread::Open,
        Threading::Reply => Thread::Reply,
        Threading::Broadcast | Threading::Close => Thread::Broadcast,
    }
}

/// A word's channels. Without any, the message goes to the way out's own place, which has no name.
fn channels(job: &Job, word: &Word, voice: &Voice) -> Vec<Channel> {
    let channels = word.channels(&job.notify, voice.channel.as_ref());
    if channels.is_empty() { vec![Channel::new("")] } else { channels }
}

/// A message for a channel, about no job.
pub(super) fn draft(rendered: &Rendered, channel: Channel, status: Status, now: Timestamp) -> Message {
    Message {
        job: None,
        run: None,
        event: None,
        status,
        channel,
        text: rendered.text.clone(),
        blocks: rendered.blocks.clone(),
        color: rendered.color.clone(),
        incident: None,
        thread: Thread::None,
        attachment: rendered.attachment.clone(),
        created: now,
    }
}

/// The daemon's own words, to the default channel.
pub fn own(status: Status, title: &str, body: &str, voice: &Voice, now: Timestamp) -> Message {
    let channel = voice.channel.clone().unwrap_or_else(|| Channel::new(""));
    draft(&message::own_words(status, title, body), channel, status, now)
}

/// What is known of a run that still goes, in the shape of an outcome: for the word that it is stuck.
pub fn unfinished(run: &Run, started: Timestamp, took: Duration, now: Timestamp) -> Outcome {
    let last = run.progress.last_output.lock().map(|last| last.clone()).unwrap_or_default();
    let captured = crate::exec::Captured { head: last, ..Default::default() };
    let output = crate::exec::Output { both: captured.clone(), stdout: captured, ..Default::default() };
    Outcome { status: Status::Unknown, output, took, ..Outcome::interrupted(started, now) }
}

/// The identity of a run that no schedule asked for.
pub fn manual_run(id: RunId, job: &Job, now: Timestamp) -> Run {
    Run::new(id, job.name.clone(), Arc::clone(&job.command), now, crate::exec::Trigger::Manual)
}
