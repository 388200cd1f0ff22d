//! From a decision to messages: asks `policy` whether to notify, and `message` for the text. Pure.
//!
//! Before it: whoever has a finished run (the daemon, `once`, `simulate`, `[[test]]` cases). After it: messages for the
//! store. This is the only place that builds a notice. A template that fails loses nothing: the default message is sent,
//! with the reason.

pub mod directives;
pub mod explain;
pub mod gone;
mod good_news;
pub mod starved;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{self, Now};
use crate::exec::{Captured, LAST_OUTPUT, Outcome, Output, Run, Status, Trigger};
use crate::id::{Channel, JobName};
use crate::message::{self, Attachment, Edit, Message, Notice, Occasion, Rendered, Route, RunFacts, Thread};
use crate::notify::Capabilities;
use crate::outbox::Places;
use crate::plan::{Job, Plan};
use crate::policy::{
    self, Attach, Decision, Event, Health, Keys, Notification, Overnight, Slow, Suppressed, Threading, Update, Verdict,
};
use crate::schedule::Overlap;
use crate::slack;

/// What all messages of a daemon have in common.
#[derive(Clone, Debug)]
pub struct Sender {
    /// This host's name.
    pub host: Arc<str>,
    /// The zone in which times are shown.
    pub zone: jiff::tz::TimeZone,
    /// Where messages go that name no channel; `None` only on the console and on webhooks, which have a place of their own.
    pub channel: Option<Channel>,
    /// What the way out can do.
    pub can: Capabilities,
    /// The address of the status page as people open it; it ends with a slash.
    pub page: Option<Arc<str>>,
    /// Which names and IDs are the same channel.
    pub places: Places,
}

/// The sender of a plan's messages.
pub fn sender(plan: &Plan) -> Sender {
    let slack = &plan.config.slack;
    Sender {
        host: Arc::clone(&plan.config.host),
        zone: plan.config.zone.clone(),
        channel: slack.place(),
        can: slack.way.capabilities(),
        page: plan.config.http.as_ref().and_then(|http| http.public_url.as_deref()).map(Arc::from),
        places: Places::default(),
    }
}

/// Where the status page shows more of a run, or of a job.
fn page_of(page: &str, job: &str, run: Option<crate::id::RunId>) -> Option<String> {
    let mut url = reqwest::Url::parse(page).ok()?;
    match (url.path_segments_mut().ok()?.pop_if_empty(), run) {
        (path, Some(run)) => path.extend(["run", &run.to_string()]),
        (path, None) => path.push("job").extend(job.split('/')),
    };
    // A bar would end the address within Slack's markup of a link.
    Some(String::from(url).replace('|', "%7C"))
}

/// What was decided about a run, and what is to be sent.
#[derive(Clone, Debug)]
pub struct Said {
    /// The messages, one a channel (and an edit of the first message on recovery).
    pub messages: Vec<Message>,
    /// Why it was said or not, for the history and the log.
    pub decision: Decision,
    /// What the run came to, in a line.
    pub line: String,
}

impl Said {
    /// No message.
    pub fn nothing(decision: Decision) -> Self {
        Self { messages: Vec::new(), decision, line: String::new() }
    }
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

impl Burst {
    /// For how long the job pauses after the next alert, where that is the last.
    fn pauses(self) -> Option<Duration> {
        match self {
            Self::PausesAfter(pause) => Some(pause),
            Self::Open | Self::Paused => None,
        }
    }
}

/// A run that goes on.
#[derive(Clone, Copy, Debug)]
pub struct Going<'a> {
    /// The run.
    pub run: &'a Run,
    /// When it began.
    pub started: Now,
    /// Where the job is in its burst.
    pub burst: Burst,
}

/// A run that ended.
#[derive(Clone, Copy, Debug)]
pub struct RunEnd<'a> {
    /// The run.
    pub run: &'a Run,
    /// How it ended.
    pub outcome: &'a Arc<Outcome>,
    /// Now, on the wall.
    pub now: Timestamp,
}

/// The outcome of a run after the job's conditions, which come between how it ended and whether anybody is told. `health` is
/// what was known before this run.
#[must_use]
pub fn conditioned(job: &Job, health: &Health, outcome: Outcome) -> Outcome {
    if job.conditions.is_empty() { outcome } else { job.conditions.judge(outcome, health.last().as_ref()) }
}

/// The run of a job with conditions: an attempt that one of them finds fault with is made again, as `retries` says.
#[must_use]
pub fn with_conditions(run: Run, job: &Job, health: &Health) -> Run {
    if job.conditions.is_empty() || run.command.retries().times == 0 {
        return run;
    }
    let (conditions, previous) = (job.conditions.clone(), health.last());
    run.failing_when(move |outcome| conditions.judge(outcome.clone(), previous.as_ref()).status != Status::Ok)
}

/// Decides about a run that ended, and writes the messages.
pub fn judge(job: &Job, health: &mut Health, end: RunEnd<'_>, burst: Burst, sender: &Sender) -> Said {
    let outcome = end.outcome;
    let stdout = message::clean(&outcome.output.stdout.bytes());
    let stderr = message::clean(&outcome.output.stderr.bytes());
    let both = message::clean(&outcome.output.both.bytes());
    let line = line(job, end, &sender.host);
    let facts = policy::Facts {
        run: end.run.id,
        scheduled: end.run.scheduled,
        status: outcome.status,
        reason: outcome.reason,
        skipped: outcome.skipped,
        stdout: &stdout,
        whole: outcome.output.beyond[0].digest,
        stderr: &stderr,
        output: &both,
        line: &line,
        ending: &outcome.ending,
        took: outcome.took,
        ended: outcome.finished,
        key: outcome.directives.key.as_deref(),
    };
    let policy::Judgement { verdict, close } = policy::judge(&job.notify, health, &facts, &job.timing.zone, end.now);
    let occasion = || Occasion::Run { run: facts_of(end.run), outcome: Arc::clone(outcome) };
    let mut said = match verdict {
        Verdict::NotRun(told) => {
            let context = Context { occasion: occasion(), pauses: None, now: end.now };
            let messages = told.map(|told| notify(job, health, &told, context, sender)).unwrap_or_default();
            Said { messages, ..Said::nothing(Decision::NotRun) }
        }
        Verdict::Suppress(why, until) => suppressed(why, until),
        // A run that was under way when the pause began may not add to exactly so many alerts. One that a person asks for is none
        // of the burst's.
        Verdict::Notify(notification) if burst == Burst::Paused && end.run.trigger != Trigger::Manual => {
            policy::retract(health, &notification);
            suppressed(Suppressed::RateLimited, None)
        }
        // Without a thread it would be one more message for all.
        Verdict::Notify(notification) if notification.in_thread_only && !in_thread(&notification, sender) => {
            policy::retract(health, &notification);
            suppressed(Suppressed::Acknowledged, notification.next.and_then(|next| next.at))
        }
        Verdict::Notify(mut notification) => {
            let apart = good_news::apart(job, &mut notification, sender);
            let context = Context { occasion: occasion(), pauses: burst.pauses(), now: end.now };
            let mut messages = notify(job, health, &notification, context.clone(), sender);
            if let Some(apart) = apart.filter(|_| !messages.is_empty()) {
                messages.extend(good_news::alone(job, health, &notification, apart, context, sender));
            }
            match messages.is_empty() {
                true => suppressed(Suppressed::Blank, None),
                false => Said { messages, ..Said::nothing(Decision::Notified(notification.event)) },
            }
        }
    };
    if let Some(close) = close.filter(|_| sender.can.threads) {
        let context = Context { occasion: occasion(), pauses: None, now: end.now };
        let notice = notice(job, health, &close, context, sender);
        said.messages.extend(messages(job, &close, &notice, sender));
    }
    // The messages of this run are still sent; the silence begins after it, and shortens none that somebody else wants.
    if let Some(length) = outcome.directives.silence {
        let until = clock::shift(end.now, length);
        health.silence(Some(health.silenced_by_script().map_or(until, |known| known.max(until))), end.now);
    }
    Said { line, ..said }
}

/// Whether a message of an incident goes into a thread.
fn in_thread(notification: &Notification, sender: &Sender) -> bool {
    sender.can.threads && notification.thread != Threading::None
}

/// What a run came to, in a line: what the headline of its message says, whether or not there is one.
pub fn line(job: &Job, end: RunEnd<'_>, host: &Arc<str>) -> String {
    let status = end.outcome.status;
    message::line(&Notice {
        page: None,
        job: Arc::clone(&job.facts),
        event: if status == Status::Ok { Event::Output } else { Event::Failure },
        status,
        occasion: Occasion::Run { run: facts_of(end.run), outcome: Arc::clone(end.outcome) },
        number: 0,
        previous: None,
        diff: String::new(),
        changed: false,
        good_news: None,
        incident: None,
        keys: Keys::default(),
        suppressed: 0,
        update: Update::None,
        next: None,
        now: end.now,
        digest: Vec::new(),
        pauses: None,
        host: Arc::clone(host),
        mention: Vec::new(),
        asked: Vec::new(),
        notes: Vec::new(),
        zone: job.timing.zone.clone(),
    })
}

/// The messages for which nothing but the time has come: quiet hours that ended, a job that is steady again. They are
/// about the last run of the job, or about the one that goes on.
pub fn wake(
    job: &Job,
    health: &mut Health,
    running: Option<&Running>,
    sender: &Sender,
    now: Timestamp,
) -> Vec<Message> {
    let hang = running.map(|running| &running.hang);
    let notifications = policy::wake(&job.notify, health, hang, &job.timing.zone, now);
    let last = health.last_run().filter(|_| !notifications.is_empty());
    let is_ok = last.as_ref().map(|last| last.status == Status::Ok);
    let last = Occasion::clock(last, job.command.parse());
    let occasion = |told: &Notification| match (&told.update, running) {
        (Update::Hangs(_), Some(running)) => running.occasion.clone(),
        // The last run had another key: it is none of an incident that goes on when it was well, nor of one that is over when it
        // was not.
        _ if told.run.is_none() || is_ok != Some(told.status == Status::Ok) => {
            Occasion::clock(None, job.command.parse())
        }
        _ => last.clone(),
    };
    let context = |told| Context { occasion: occasion(told), pauses: None, now };
    notifications.iter().flat_map(|each| notify(job, health, each, context(each), sender)).collect()
}

/// What is known of a run that goes on.
#[derive(Clone, Debug)]
pub struct Running {
    hang: policy::Hang,
    occasion: Occasion,
}

/// What is known now of a run of this job that goes on.
pub fn running(job: &Job, going: Going<'_>, now: Now) -> Running {
    let (mut hang, occasion) = in_progress(going, now);
    hang.replaced = job.timing.overlap == Overlap::Replace;
    Running { hang, occasion }
}

/// A due time passed because a run goes on, or took its place; after several, that is a message.
pub fn skipped(job: &Job, health: &mut Health, going: Going<'_>, sender: &Sender, now: Now) -> Vec<Message> {
    let Running { hang, occasion } = running(job, going, now);
    let Some(notification) = policy::skipped(&job.notify, health, hang, &job.timing.zone, now.wall) else {
        return Vec::new();
    };
    notify(job, health, &notification, Context { occasion, pauses: going.burst.pauses(), now: now.wall }, sender)
}

/// A run has taken as long as `notify.slow` says and goes on. The answer is what is to be said, or when to look again.
pub fn slow(
    job: &Job,
    health: &mut Health,
    going: Going<'_>,
    sender: &Sender,
    now: Now,
) -> Result<Vec<Message>, Option<Timestamp>> {
    let (running, occasion) = in_progress(going, now);
    match policy::slow(&job.notify, health, running, &job.timing.zone, now.wall) {
        Slow::Never => Err(None),
        Slow::Until(at) => Err(Some(at)),
        Slow::Tell(notification) => {
            let context = Context { occasion, pauses: going.burst.pauses(), now: now.wall };
            Ok(notify(job, health, &notification, context, sender))
        }
    }
}

/// What is known of a run that goes on.
fn in_progress(Going { run, started, .. }: Going<'_>, now: Now) -> (policy::Hang, Occasion) {
    let process = run.progress.pid.load(std::sync::atomic::Ordering::Relaxed);
    let process = Some(process).filter(|process| *process > 0);
    let took = now.mono - started.mono;
    let last = run.progress.last_output.lock().map(|last| last.clone()).unwrap_or_default();
    let retries = run.command.retries().times > 0;
    let line = message::clean(&last);
    let hang = policy::Hang { run: run.id, process, retries, age: took, replaced: false, skipped: 0, line };
    // What stands before a full buffer is not known; that something does, is.
    let captured = match last.len() < LAST_OUTPUT {
        true => Captured { head: last, ..Captured::default() },
        false => Captured { tail: from_a_line(last), dropped: 1, ..Captured::default() },
    };
    let output = Box::new(Output { both: captured.clone(), stdout: captured, ..Output::default() });
    (hang, Occasion::Running { run: facts_of(run), started: started.wall, took, output })
}

/// The end of output from the beginning of a line, where there is one; else marked as the end of a line.
fn from_a_line(end: Vec<u8>) -> Vec<u8> {
    match end.iter().position(|byte| *byte == b'\n').filter(|at| at + 1 < end.len()) {
        Some(at) => end[at + 1..].to_vec(),
        None => ["…".as_bytes(), &end].concat(),
    }
}

fn suppressed(why: Suppressed, until: Option<Timestamp>) -> Said {
    Said::nothing(Decision::Suppressed(why, until))
}

fn facts_of(run: &Run) -> RunFacts {
    RunFacts { id: run.id, trigger: run.trigger, scheduled: run.scheduled }
}

/// What a notification is about.
#[derive(Clone, Debug)]
struct Context {
    occasion: Occasion,
    /// The job pauses for this long after it.
    pauses: Option<Duration>,
    now: Timestamp,
}

impl Context {
    fn outcome(&self) -> Option<&Outcome> {
        if let Occasion::Run { outcome, .. } = &self.occasion { Some(outcome) } else { None }
    }
}

/// The messages of a notification. One that renders to nothing goes back to `policy`, as if it had not been: this is the
/// only place where that is found out.
fn notify(
    job: &Job,
    health: &mut Health,
    notification: &Notification,
    context: Context,
    sender: &Sender,
) -> Vec<Message> {
    let notice = notice(job, health, notification, context, sender);
    let messages = messages(job, notification, &notice, sender);
    match notification.incident {
        _ if messages.is_empty() => policy::retract(health, notification),
        Some(incident) => health.queued(incident.id, &channels(job, notification, sender)),
        None => {}
    }
    messages
}

/// The same notice for a channel that has heard nothing of the incident: it says how that began, and pings whom a first message
/// pings.
fn anew(job: &Job, notice: &Notice, notification: &Notification) -> Notice {
    let begun = notification.incident.map(|known| Update::First { since: known.started, failures: known.failures });
    let update = match &notice.update {
        // What these say begins with how it began.
        Update::Hangs(_) | Update::QuietHoursEnd { .. } => None,
        // It compares with what this channel was not told.
        Update::SilenceEnds { .. } => Some(notice.update.as_first()),
        _ if notification.event == Event::Flapping => None,
        _ => begun,
    };
    Notice {
        event: if notice.event == Event::Repeat { Event::Failure } else { notice.event },
        update: update.unwrap_or_else(|| notice.update.clone()),
        mention: notification.mentions_anew(&job.notify),
        ..notice.clone()
    }
}

/// One message a channel, with an edit of the incident's first one where that has something new to say; none when the
/// template renders to blanks.
fn messages(job: &Job, notification: &Notification, notice: &Notice, sender: &Sender) -> Vec<Message> {
    if notification.thread == Threading::CloseByEdit && !sender.can.threads {
        return Vec::new();
    }
    let Some(rendered) = render(job, notice) else { return Vec::new() };
    // Only a token can upload files, and only a message that has an ID can have one in its thread.
    let (written, output) = match job.notify.attach {
        _ if !sender.can.files => (None, None),
        Attach::Never => (None, None),
        Attach::Auto => (rendered.written.clone(), rendered.attachment.clone()),
        Attach::Always => (rendered.written.clone(), message::whole_output(notice)),
    };
    let file = notice.outcome().and_then(directives::file).filter(|_| sender.can.files);
    // A message carries one file: further ones come after it in the thread, where there is one.
    let named = [(file, ""), (written, "the whole message"), (output, "the whole output")];
    let mut files = named.into_iter().filter_map(|(file, what)| Some((file?, what)));
    let attachment = files.next().map(|(file, _)| file);
    let more: Vec<(Attachment, &str)> = files.collect();
    let rendered = Rendered { attachment, ..rendered };
    let threading = if sender.can.threads { notification.thread } else { Threading::None };
    let threaded = notification.incident.is_some() && threading != Threading::None;
    // Without a thread too it is known of which incident a message tells: whether it arrived is reported back.
    let incident = notification.incident.map(|incident| incident.id);
    let mut messages = Vec::new();
    let named = channels(job, notification, sender);
    let new_to =
        |channel: &Channel| notification.status != Status::Ok && notification.audience.is_new_to(channel, &named);
    let all: Vec<Channel> =
        named.iter().filter(|channel| !(notification.in_thread_only && new_to(channel))).cloned().collect();
    let first = all.iter().any(new_to).then(|| render(job, &anew(job, notice, notification))).flatten();
    let first = first.map(|first| Rendered { attachment: rendered.attachment.clone(), ..first });
    // Of an incident that goes on after its end, the good news stand by themselves where none of its failures was told. Without
    // threads too, the end of any other comes behind its failure.
    let ends = notification.event == Event::Recovery && !notification.audience.in_conversation;
    let goes_on = match threading {
        Threading::None => !ends,
        threading => matches!(threading, Threading::Reply | Threading::Broadcast),
    };
    let goes_on = goes_on && notification.status == Status::Ok;
    for channel in &all {
        let apart = goes_on && notification.audience.is_new_to(channel, &named);
        let (threading, incident) = if apart { (Threading::None, None) } else { (threading, incident) };
        let first = first.as_ref().filter(|_| new_to(channel));
        let base = draft(first.unwrap_or(&rendered), channel.clone(), notification.status, notice.now);
        let also = all.iter().filter(|other| *other != channel).cloned().collect();
        let base = Message {
            job: Some(job.name.clone()),
            run: notice.run_id(),
            event: Some(notification.event),
            incident,
            route: Route {
                also,
                since: begun_of(notification),
                overnight: overnight_of(notification),
                cause: cause_of(notification, notice),
                goes_on: notification.opens_conversation,
                ends_hang: matches!(notification.update, Update::HangEnds { .. }),
                fails_still: !notice.keys.open.is_empty(),
                ..Route::default()
            },
            ..base
        };
        if threading != Threading::None && first.is_none() {
            messages.extend(edit(job, notice, notification, &base));
        }
        for other in notification.also.iter().filter(|_| sender.can.threads) {
            let keys = notification.keys(Some(other.incident.id));
            let notice = Notice { incident: Some(other.incident), keys, ..notice.clone() };
            messages.extend(closed(job, &notice, notification, &base, other.shown));
        }
        let further = more.iter().filter(|_| threaded).map(|(file, what)| Message {
            thread: Thread::Reply,
            text: format!(":page_facing_up: {what} of {}", directives::plain(job.name.as_str())),
            blocks: Vec::new(),
            color: None,
            attachment: Some(file.clone()),
            ..base.clone()
        });
        let further: Vec<Message> = further.collect();
        if threading != Threading::CloseByEdit {
            let thread = match first {
                Some(_) if threading != Threading::None => Thread::Open,
                _ => thread(threading),
            };
            messages.push(Message { thread, ..base });
            messages.extend(further);
        }
    }
    messages
}

/// When the failure began that a notification tells of; none of anything else.
fn begun_of(notification: &Notification) -> Option<Timestamp> {
    let incident = notification.incident.filter(|_| notification.status != Status::Ok)?;
    let tells = matches!(notification.event, Event::Failure | Event::Missing | Event::Stuck | Event::Repeat);
    tells.then_some(incident.started)
}

/// What happened in quiet hours, of a message that says nothing else.
fn overnight_of(notification: &Notification) -> Option<Box<Overnight>> {
    let is_all = matches!(notification.update, Update::QuietHoursEnd { .. } | Update::Hangs(_));
    notification.overnight.clone().filter(|_| is_all)
}

/// What a repetition is about, or a failure of a job that fails now and then, which says itself how often that came.
fn cause_of(notification: &Notification, notice: &Notice) -> Option<String> {
    use Update::{AsBefore, DifferentEachTime, Same, SilenceEnds};
    let again = matches!(notice.update, Same { .. } | AsBefore | DifferentEachTime | SilenceEnds { .. });
    let line = message::line(notice);
    let counts = matches!(notice.update, Update::Intermittent { opens: true, .. });
    let is_known = counts || (again && notification.event == Event::Repeat);
    (is_known && !line.is_empty()).then(|| slack::unformatted(&format!("{}: {line}", notice.status.as_str())))
}

/// The edit of an incident's first message: over, it keeps its text and says so; with something new to say, it gets
/// another headline. As it stands it is for a message of which nothing is known.
fn edit(job: &Job, notice: &Notice, notification: &Notification, base: &Message) -> Option<Message> {
    // The headline is that of the incident which the message is about; another one has ended with it.
    let ends_along = notice.incident != notification.incident;
    let headline = notification.headline.as_ref().filter(|_| !ends_along);
    let (change, notice) = match headline {
        Some(update) => {
            let is_worse = matches!(update, Update::None | Update::Hangs(_));
            let edit = if is_worse { Edit::Worse } else { Edit::Headline };
            // Between two failures a job that fails now and then is no job that is well.
            let worst = notification.audience.statuses.iter().next().filter(|_| notice.status == Status::Ok);
            let status = worst.unwrap_or(notice.status);
            // Where the last run was about something else, the end of the silence alone has the cause.
            let update = match &notice.update {
                ends @ Update::SilenceEnds { .. } if *update == Update::None && notice.outcome().is_none() => {
                    ends.as_first()
                }
                _ => update.clone(),
            };
            (edit, Notice { update, status, ..notice.clone() })
        }
        None if ends_along || notification.thread.closes() => {
            (Edit::Resolved { words: message::resolved(notice)? }, notice.clone())
        }
        None => return None,
    };
    let Rendered { text, blocks, color, .. } = render(job, &notice)?;
    // Where another message is shown in the channel that says the same, nothing is lost when the edit cannot be made.
    let repeated = !matches!(notification.thread, Threading::CloseByEdit | Threading::CloseInThread);
    let route = Route { edit: Some(change), repeated, fails_still: base.route.fails_still, ..Route::default() };
    Some(Message { thread: Thread::Edit, route, text, blocks, color, attachment: None, ..base.clone() })
}

/// The end of another incident of the job: its first message says so, and where the end is asked for its thread too, `shown` in
/// the channel or not.
fn closed(job: &Job, notice: &Notice, notification: &Notification, base: &Message, shown: bool) -> Vec<Message> {
    let notice = Notice { update: Update::None, ..notice.clone() };
    let Some(rendered) = render(job, &notice) else { return Vec::new() };
    let base = Message { incident: notice.incident.map(|incident| incident.id), attachment: None, ..base.clone() };
    let asked = notification.thread != Threading::CloseByEdit;
    let mut edit = edit(job, &notice, notification, &base);
    if let Some(edit) = &mut edit {
        edit.route.repeated = asked && shown;
    }
    let Rendered { text, blocks, color, .. } = rendered;
    let thread = if shown { Thread::Broadcast } else { Thread::Reply };
    edit.into_iter().chain(asked.then_some(Message { text, blocks, color, thread, ..base })).collect()
}

/// The words for a notice; none when the template renders to blanks.
fn render(job: &Job, notice: &Notice) -> Option<Rendered> {
    let rendered = message::render(notice, &job.format)?;
    for error in &rendered.left_out {
        let run = notice.run_id().map(tracing::field::display);
        tracing::error!(job = %job.name, run, %error, "a part of the message cannot be rendered; it is left out");
    }
    Some(rendered)
}

fn notice(job: &Job, health: &Health, notification: &Notification, context: Context, sender: &Sender) -> Notice {
    let (asked, mut notes) = match &context.occasion {
        Occasion::Run { outcome, .. } => directives::asked(outcome, &job.notify, sender.can.files),
        _ => Default::default(),
    };
    // It has the mark of what is well, and its run came to nothing.
    if context.outcome().is_some_and(|outcome| outcome.skipped) {
        notes.push("counts as not run (exit_codes.skip)".to_owned());
    }
    // Where no first message counts how often the job fails, this one does.
    if let Some(counted @ Update::Intermittent { .. }) = &notification.headline
        && !in_thread(notification, sender)
    {
        notes.push(counted.sentence(&job.timing.zone, context.now));
    }
    let run = match &context.occasion {
        Occasion::Run { run, .. } | Occasion::Running { run, .. } => Some(run.id),
        Occasion::Clock { .. } => None,
    };
    Notice {
        page: sender.page.as_deref().and_then(|page| page_of(page, job.name.as_str(), run)),
        job: Arc::clone(&job.facts),
        event: notification.event,
        status: notification.status,
        // What goes on is counted when it has ended.
        number: health.runs() + u64::from(matches!(context.occasion, Occasion::Running { .. })),
        occasion: context.occasion,
        previous: notification.previous.clone(),
        diff: notification.diff.clone(),
        changed: notification.changed,
        good_news: notification.good_news,
        incident: notification.incident,
        keys: notification.keys(notification.incident.map(|incident| incident.id)),
        suppressed: notification.suppressed,
        update: notification.update.clone(),
        next: notification.next,
        now: context.now,
        digest: notification.digest.clone(),
        pauses: context.pauses,
        host: Arc::clone(&sender.host),
        mention: notification.mentions(&job.notify),
        asked,
        notes,
        zone: job.timing.zone.clone(),
    }
}

/// How the message itself stands to the thread.
fn thread(threading: Threading) -> Thread {
    match threading {
        Threading::None => Thread::None,
        Threading::Open => Thread::Open,
        Threading::Reply | Threading::CloseInThread => Thread::Reply,
        Threading::CloseByEdit => Thread::Edit,
        Threading::Broadcast | Threading::Close => Thread::Broadcast,
    }
}

/// A notification's channels. Without any, the message goes to the way out's own place, which has no name.
fn channels(job: &Job, notification: &Notification, sender: &Sender) -> Vec<Channel> {
    places(notification.channels(&job.notify, sender.channel.as_ref()), sender)
}

/// Where a message for these channels goes: without any, and where the way out knows none, to its own place, once. What was told
/// when the way out had such a place, a webhook's, goes on in the channels that there are now. Of a channel that is among them by
/// its name and by its ID the first is one: where an incident was told comes first.
pub fn places(mut channels: Vec<Channel>, sender: &Sender) -> Vec<Channel> {
    if sender.can.needs_channel {
        channels.retain(|channel| !channel.is_unnamed());
        if channels.is_empty() {
            channels.extend(sender.channel.clone());
        }
    }
    let mut seen: Vec<Channel> = Vec::with_capacity(channels.len());
    for channel in channels {
        if !seen.iter().any(|seen| sender.places.are_same(seen, &channel)) {
            seen.push(channel);
        }
    }
    match seen.is_empty() || !sender.can.channels {
        true => vec![Channel::unnamed()],
        false => seen,
    }
}

/// A message for a channel, about no job.
pub fn draft(rendered: &Rendered, channel: Channel, status: Status, now: Timestamp) -> Message {
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
        route: Route::default(),
    }
}

/// The daemon's own words, to the default channel.
pub fn own(status: Status, title: &str, body: &str, sender: &Sender, now: Timestamp) -> Message {
    let channel = sender.channel.clone().unwrap_or_else(Channel::unnamed);
    draft(&message::own_words(&sender.host, status, title, body), channel, status, now)
}

/// The daemon's own words, to a channel.
pub fn own_neutral(channel: Channel, (title, body): (&str, &str), sender: &Sender, now: Timestamp) -> Message {
    draft(&message::own_neutral(&sender.host, title, body), channel, Status::Ok, now)
}

/// A note behind the headline of an incident's first message, in every channel that has it; none takes it away. Where
/// nothing can be edited, or there is no thread, a message says it.
pub fn noted(job: &Job, first: &policy::FirstMessage, words: &str, sender: &Sender, now: Timestamp) -> Vec<Message> {
    let channels = match first.channels.is_empty() {
        true => job.notify.channels_for(first.status, sender.channel.as_ref()),
        false => first.channels.clone(),
    };
    let channels = places(channels, sender);
    if !sender.can.edits || first.flat {
        return match words.is_empty() {
            true => Vec::new(),
            false => about_job(
                (&job.name, &sender.host),
                channels,
                (Event::Repeat, first.status),
                (&format!("is acknowledged: {words}"), ""),
                now,
            ),
        };
    }
    let rendered = message::about_job((job.name.as_str(), &sender.host), first.status, words, "");
    let route = Route { edit: Some(Edit::Noted { words: words.to_owned() }), ..Route::default() };
    let to = |channel| Message {
        job: Some(job.name.clone()),
        incident: Some(first.thread),
        thread: Thread::Edit,
        route: route.clone(),
        ..draft(&rendered, channel, first.status, now)
    };
    channels.into_iter().map(to).collect()
}

/// A message about a job that is about none of its runs, to each of these [`places`].
pub fn about_job(
    (job, host): (&JobName, &str),
    channels: Vec<Channel>,
    (event, status): (Event, Status),
    (sentence, body): (&str, &str),
    now: Timestamp,
) -> Vec<Message> {
    let rendered = message::about_job((job.as_str(), host), status, sentence, body);
    let to = |channel| Message { job: Some(job.clone()), event: Some(event), ..draft(&rendered, channel, status, now) };
    channels.into_iter().map(to).collect()
}

#[cfg(test)]
mod tests {
    use super::{Sender, page_of};
    use crate::id::{Channel, RunId};
    use crate::notify::Capabilities;
    use crate::outbox::Places;

    #[test]
    fn what_was_told_over_a_webhook_goes_on_in_the_channels_of_a_token() {
        let sender = |can: Capabilities| Sender {
            host: "web-1".into(),
            zone: jiff::tz::TimeZone::UTC,
            channel: can.needs_channel.then(|| Channel::new("#ops")),
            can,
            page: None,
            places: Places::default(),
        };
        let (unnamed, ops, db) = (Channel::unnamed(), Channel::new("#ops"), Channel::new("#db"));
        let over_token = |channels: &[&Channel]| {
            super::places(channels.iter().map(|channel| (*channel).clone()).collect(), &sender(Capabilities::ALL))
        };
        assert_eq!(over_token(&[&unnamed, &db]), [db]);
        assert_eq!(over_token(&[&unnamed]), [Channel::new("#ops")]);
        assert_eq!(super::places(vec![ops, unnamed.clone()], &sender(Capabilities::NONE)), [unnamed]);
    }

    #[test]
    fn a_link_leads_to_the_run_or_to_the_job_below_the_pages_own_path() {
        for (page, run, link) in [
            ("https://ops.example.com/alerts/", Some(812), "https://ops.example.com/alerts/run/812"),
            ("https://ops.example.com/", None, "https://ops.example.com/job/db/back%20up%3C%7C%3E"),
        ] {
            assert_eq!(page_of(page, "db/back up<|>", run.map(RunId)).as_deref(), Some(link));
        }
    }
}
