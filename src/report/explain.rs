//! A run in sentences: how it ended, whether there was a message and why, and where the message is. Pure.
//!
//! Before it: what the store keeps of a run. After it: `why`, `history`, and the API.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::document::format_duration;
use crate::exec::{Ending, Reason, Status};
use crate::id::{Channel, in_one_line};
use crate::message::{Message, Route, Thread};
use crate::plan::Job;
use crate::policy::{Decision, Event, Expected, Suppressed};
use crate::slack::cut_plain;
use crate::store::{MessageState, RunRow, Stored, Untold};

/// Why there is no message about a run that counts as not run.
pub const NOT_RUN: &str = "`exit_codes.skip` says that a precondition was not met: the run does not count";

/// A time as sentences tell it: `03:14`; with the date where that is not today's.
pub fn told(at: Timestamp, zone: &TimeZone, now: Timestamp) -> String {
    let (local, today) = (at.to_zoned(zone.clone()), now.to_zoned(zone.clone()).date());
    let form = if local.date() == today { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    local.strftime(form).to_string()
}

/// What happened to a run that ended then, as the end of a sentence: `exited with 2`; of one that did not come, also when it
/// was due.
pub fn happened(ending: &Ending, at: Timestamp, zone: &TimeZone) -> String {
    match ending {
        Ending::Missing { due, grace, .. } => {
            format!("did not run; due {}, {} of grace", told(*due, zone, at), format_duration(*grace))
        }
        ending => ending.words(),
    }
}

/// How a run ended, as what follows "run 812": `was ok`, `failed with exit code 2`, `failed by its output`.
fn ended(row: &RunRow) -> String {
    if row.decision == Decision::NotRun {
        return format!("counts as not run ({})", row.ending.words());
    }
    if row.status == Status::Ok {
        return match row.ending {
            Ending::Exited { code: 0 } => "was ok".to_owned(),
            _ => format!("was ok ({})", row.ending.words()),
        };
    }
    let status = match row.status {
        Status::Critical => String::new(),
        other => format!(" ({})", other.as_str()),
    };
    match (&row.ending, row.reason) {
        (_, Reason::Output) => format!("failed by its output{status}"),
        (_, Reason::Condition) => format!("failed by a condition{status}"),
        (Ending::Exited { code }, _) => format!("failed with exit code {code}{status}"),
        _ => format!("failed{status}"),
    }
}

/// A run, how it ended and when, in a sentence without its full stop: "run 812 failed with exit code 2 at 03:14", "run 813 failed
/// at 03:14: timed out after 10m".
fn how_and_when(row: &RunRow, zone: &TimeZone, now: Timestamp) -> String {
    let (id, at) = (row.id, told(row.finished, zone, now));
    if let Some((count, _)) = row.details.passed {
        let times = if count == 1 { "1 due time passed".to_owned() } else { format!("{count} due times passed") };
        return format!("run {id} is no run: {times} until {at}");
    }
    let by_ending = row.status != Status::Ok
        && row.decision != Decision::NotRun
        && !matches!(row.reason, Reason::Output | Reason::Condition);
    let sentence = format!("run {id} {} at {at}", ended(row));
    match &row.ending {
        _ if !by_ending => sentence,
        Ending::Exited { .. } => sentence,
        Ending::Missing { due, grace, .. } => {
            let late =
                if grace.is_zero() { String::new() } else { format!(", and may be {} late", format_duration(*grace)) };
            format!("run {id} did not come: it was due at {}{late}; it was given up at {at}", told(*due, zone, now))
        }
        Ending::Unfinished { .. } => format!("run {id} failed at {at}: it {}", row.ending.words()),
        ending => format!("{sentence}: {}", ending.words()),
    }
}

/// Whether a run was told, as what follows "run 812 …;": `sent: failure`, `not sent: repeat-not-due`. Sent is what a channel
/// took; of what none took yet it is said that it waits, was refused, or was not taken in time.
pub fn verdict(row: &RunRow, undelivered: &[&Stored]) -> String {
    let event = match row.decision {
        Decision::Notified(event) => event,
        Decision::Undecided => return "nothing was decided".to_owned(),
        other => return format!("not sent: {other}"),
    };
    let waits = |stored: &&Stored| stored.state == MessageState::Waiting;
    // A file comes after its message, which a channel has taken.
    let messages: Vec<&Stored> = undelivered.iter().copied().filter(|stored| !stored.is_file()).collect();
    let how = match was_taken(&messages) {
        true => "sent",
        false if messages.iter().any(waits) => "waiting",
        false if messages.iter().any(|stored| may_be_there(stored)) => "in doubt",
        false => "not delivered",
    };
    let mut words = format!("{how}: {event}");
    for stored in undelivered {
        let why = stored.why.as_deref().map(|why| format!(" ({})", cut_plain(why, 120).0)).unwrap_or_default();
        let what = match stored.state {
            MessageState::Dropped => {
                let (what, by) = (if stored.is_file() { "its file was " } else { "" }, dropped_by(stored));
                words.push_str(&format!("; {what}dropped{by} before {} took it{why}", channel(&stored.message)));
                continue;
            }
            MessageState::Dead if stored.is_file() => "its file is not attached in",
            MessageState::Dead if may_be_there(stored) => "no answer from",
            MessageState::Dead if stored.progress.announced => "told in a digest, too late, in",
            MessageState::Dead => "refused by",
            MessageState::Late => "not taken in time by",
            MessageState::Waiting if stored.message.channel.is_unnamed() => {
                words.push_str(&format!("; waits to be sent{why}"));
                continue;
            }
            MessageState::Waiting if stored.is_file() => "its file waits for",
            MessageState::Waiting => "waits for",
        };
        words.push_str(&format!("; {what} {}{why}", channel(&stored.message)));
    }
    words
}

/// Whether no channel took a message of a run, and none will: these are in the outbox.
pub fn was_refused(undelivered: &[&Stored]) -> bool {
    // A file comes after its message, which a channel has taken.
    let undelivered: Vec<&Stored> = undelivered.iter().copied().filter(|stored| !stored.is_file()).collect();
    !was_taken(&undelivered) && undelivered.iter().all(|stored| is_dead(stored) && !may_be_there(stored))
}

/// Whether a channel took a message of a run.
fn was_taken(undelivered: &[&Stored]) -> bool {
    let Some(first) = undelivered.first() else { return true };
    let Route { also, instead_of, .. } = &first.message.route;
    let mut all = also.iter().chain(instead_of).chain([&first.message.channel]);
    let in_outbox = |channel: &Channel| undelivered.iter().any(|stored| stored.message.channel == *channel);
    // Where it was told elsewhere, the message there may be in the outbox too.
    let is_substitute = |stored: &&Stored| stored.message.route.instead_of.is_some();
    let forwarded =
        || undelivered.iter().any(|stored| stored.progress.forwarded) && !undelivered.iter().any(is_substitute);
    let announced = || undelivered.iter().any(|stored| is_dead(stored) && stored.progress.announced);
    all.any(|channel| !in_outbox(channel)) || forwarded() || announced()
}

/// The runs that a message of which they were not the cause may have told of.
pub fn may_be_told_later<'r>(rows: impl IntoIterator<Item = &'r RunRow>) -> Vec<Untold> {
    let suppressed = rows.into_iter().filter_map(|row| match row.decision {
        Decision::Suppressed(why, until) => Some((row, until.filter(|_| why == Suppressed::QuietHours))),
        _ => None,
    });
    let untold = |(row, until): (&RunRow, Option<Timestamp>)| Untold {
        run: row.id,
        ended: row.finished,
        waits: until.map(|until| (row.job.clone(), until)),
    };
    suppressed.map(untold).collect()
}

/// Whether a message tells of a run. The first message of an incident stands for those of earlier runs whose place it took,
/// since no channel took them.
pub fn tells_of(stored: &Stored, row: &RunRow) -> bool {
    let message = &stored.message;
    let Some(run) = message.run else { return false };
    let stands_for = || {
        // What got worse may be the first message of a channel, and takes no other's place.
        let begins = message.thread == Thread::Open && message.event != Some(Event::Repeat);
        let first = begins && message.job.as_ref() == Some(&row.job);
        let earlier = message.incident.is_some_and(|incident| incident <= row.id.0) && row.id < run;
        first && earlier && row.decision == Decision::Notified(Event::Failure)
    };
    run == row.id || stands_for()
}

/// It is given up since no answer came, however often it was sent: the channel may have it.
fn may_be_there(stored: &Stored) -> bool {
    stored.state == MessageState::Dead && !stored.progress.announced && stored.progress.timeouts > 0
}

/// It will not be sent any more by itself.
fn is_dead(stored: &Stored) -> bool {
    matches!(stored.state, MessageState::Dead | MessageState::Dropped)
}

/// ` by dana`, where that is known of one that was dropped.
fn dropped_by(stored: &Stored) -> String {
    stored.dropped.as_ref().map(|dropped| format!(" by {}", in_one_line(&dropped.by))).unwrap_or_default()
}

/// Who asked for a run, and why: `dana asked for it: the disk was replaced`; nothing for a run that its schedule asked for.
pub fn asked(row: &RunRow) -> Option<String> {
    let by = row.details.by.as_ref().filter(|_| row.details.passed.is_none())?;
    let note = row.details.note.as_deref().map(|note| format!(": {}", in_one_line(note))).unwrap_or_default();
    Some(format!("{} asked for it{note}", in_one_line(&by.name)))
}

/// A channel in words.
fn channel(message: &Message) -> String {
    if message.channel.is_unnamed() { "Slack".to_owned() } else { message.channel.to_string() }
}

/// A run, and what is known of its message.
pub struct Explained<'a> {
    /// The run.
    pub row: &'a RunRow,
    /// Its messages that are in the outbox.
    pub undelivered: Vec<&'a Stored>,
    /// When it was told of after all, and as what: by the message at the end of a silence, say.
    pub later: Option<(Timestamp, Event)>,
    /// Its job, where there is one of that name.
    pub job: Option<&'a Job>,
    /// Of the last run of a job with an open incident: what comes next by now, since a person may have asked for something after
    /// it. None in it where the next failure is told.
    pub expected: Option<Option<Expected>>,
    /// In which times are told.
    pub zone: &'a TimeZone,
    /// Now, on the wall.
    pub now: Timestamp,
}

impl Explained<'_> {
    /// What follows the verdict of a run that was told of after all: "; told at 07:00: failure".
    pub fn told_later(&self) -> Option<String> {
        self.later.map(|(at, event)| format!("; told at {}: {event}", told(at, self.zone, self.now)))
    }

    /// "run 812 failed with exit code 2 at 03:14; not sent: repeat-not-due, next message at 04:00".
    pub fn headline(&self) -> String {
        let row = self.row;
        // Of a job that is gone there is no next message.
        let recorded = row.decision.expected().filter(|_| self.job.is_some());
        let present = self.expected.filter(|_| recorded.is_some() && row.status != Status::Ok);
        let (expected, from) = match present {
            Some(present) => (present, self.now),
            None => (recorded, row.finished),
        };
        let next = expected.and_then(|next| next.words(|time| told(time, self.zone, from)));
        let next = self.told_later().or_else(|| next.map(|next| format!(", {next}"))).unwrap_or_default();
        format!("{}; {}{next}", how_and_when(row, self.zone, self.now), verdict(row, &self.undelivered))
    }

    /// The reason in a sentence, and where the message is.
    pub fn explanation(&self) -> String {
        let asked = asked(self.row).map(|asked| format!("; {asked}")).unwrap_or_default();
        format!("{}{asked}{}", self.reason(), self.whereabouts())
    }

    /// Where messages are that Slack has not taken; each begins with a semicolon.
    pub fn whereabouts(&self) -> String {
        whereabouts(&self.undelivered, self.zone, self.now)
    }

    fn reason(&self) -> String {
        let sentence = match self.row.decision {
            Decision::Notified(Event::Missing) if matches!(self.row.ending, Ending::Unfinished { .. }) => {
                "an expected run began, its end was not reported, and no message had said so"
            }
            Decision::Notified(event) => sent(event),
            Decision::Suppressed(Suppressed::BelowAfter, _) => {
                let after = self.job.map_or_else(String::new, |job| format!(" ({})", job.notify.after));
                return format!("{}{after}", Suppressed::BelowAfter.sentence());
            }
            Decision::Suppressed(why, _) => why.sentence(),
            Decision::NotRun => NOT_RUN,
            Decision::Replaced => "the next run took its place (`overlap = \"replace\"`)",
            Decision::Paused => "a person had paused the job: its due times passed without a run",
            Decision::JobGone => "the daemon died while it ran, and its job was gone at the next start",
            Decision::Undecided => "the daemon died before it could decide; it reports the run at its next start",
        };
        sentence.to_owned()
    }
}

/// Where these messages are, which Slack has not taken; each begins with a semicolon.
pub fn whereabouts(undelivered: &[&Stored], zone: &TimeZone, now: Timestamp) -> String {
    let mut text = String::new();
    for stored in undelivered {
        let channel = channel(&stored.message);
        let why = stored.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        let since = told(stored.queued, zone, now);
        text.push_str(&match stored.state {
            MessageState::Waiting if stored.message.channel.is_unnamed() => {
                format!("; it waits to be sent since {since}{why}")
            }
            MessageState::Waiting if stored.is_file() => {
                format!("; its file waits for {channel} since {since}{why}")
            }
            MessageState::Waiting => format!("; it waits for {channel} since {since}{why}"),
            MessageState::Dropped => {
                let at = stored.dropped.as_ref().map(|dropped| told(dropped.at, zone, now));
                let at = at.map(|at| format!(" at {at}")).unwrap_or_default();
                let it = if stored.is_file() { "its file" } else { "it" };
                format!("; {it} was dropped{}{at}, before {channel} took it{why}", dropped_by(stored))
            }
            MessageState::Late => format!("; {channel} did not take it in time, and is told so in a digest{why}"),
            MessageState::Dead => {
                let id = stored.id;
                let what = match (stored.is_file(), stored.progress.announced) {
                    (true, _) => format!("its file is not attached in {channel}"),
                    (_, true) => format!("{channel} did not take it in time, and was told so in a digest"),
                    _ if may_be_there(stored) => format!("{channel} gave no answer, however often it was sent"),
                    _ => format!("{channel} did not take it"),
                };
                format!("; {what}{why}; `slack-alert outbox retry {id}` sends it again")
            }
        });
    }
    text
}

/// Why there was a message about an event.
pub fn sent(event: Event) -> &'static str {
    match event {
        Event::Output => "it was ok and printed something",
        Event::Failure => "it failed, and the failure had not been reported",
        Event::Repeat => {
            "it still fails: the repetition was due, or the failure is another one, better or worse than before"
        }
        Event::Recovery => "it is ok again after a failure that was reported",
        Event::Success => "it was ok, and `notify.on` asks for every such run",
        Event::Change => "it was ok, and its output is another than that of the last ok run",
        Event::Flapping => "its status changes too often to report each change, or has stopped doing so",
        Event::Stuck => "due times passed because the run before was still going",
        Event::Missing => "an expected run did not come, and that had not been reported",
        Event::Slow => "a run took longer than `notify.slow` allows",
        Event::Starved => "due times passed because other runs held every place",
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use crate::exec::{Ending, Reason, Status, Trigger};
    use crate::id::{Channel, JobName, RunId};
    use crate::message::{Message, Route, Thread};
    use crate::policy::{Decision, Event};
    use crate::store::{MessageId, MessageState, Progress, RunRow, RunningRow, Stored};

    use super::{Explained, happened, told, verdict, was_refused};

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_time_of_another_day_is_told_with_its_date() {
        let now = time("2026-11-23T08:00:00Z");
        assert_eq!(told(time("2026-11-23T03:14:00Z"), &TimeZone::UTC, now), "03:14");
        assert_eq!(told(time("2026-11-22T23:14:00Z"), &TimeZone::UTC, now), "2026-11-22 23:14");
        assert_eq!(told(time("2026-11-24T03:14:00Z"), &TimeZone::UTC, now), "2026-11-24 03:14");
    }

    #[test]
    fn a_run_that_came_and_did_not_end_is_not_said_not_to_have_come() {
        let (now, after) = (time("2026-11-23T08:00:00Z"), std::time::Duration::from_secs(3_600));
        let started = time("2026-11-23T03:00:00Z");
        let left = RunningRow {
            id: RunId(7),
            job: JobName::new("db"),
            number: 1,
            trigger: Trigger::Reported,
            scheduled: started,
            started,
            process: None,
        };
        for (ending, sentence) in [
            (
                Ending::Unfinished { after, next_began: false },
                "an expected run began, its end was not reported, and no message had said so",
            ),
            (
                Ending::Missing { due: started, grace: after, seen: None },
                "an expected run did not come, and that had not been reported",
            ),
        ] {
            let decision = Decision::Notified(Event::Missing);
            let row = RunRow { reason: Reason::Missing, ending, decision, ..RunRow::interrupted(&left, now) };
            let explained = Explained {
                row: &row,
                undelivered: Vec::new(),
                later: None,
                expected: None,
                job: None,
                zone: &TimeZone::UTC,
                now,
            };
            assert_eq!(explained.explanation(), sentence);
        }
    }

    #[test]
    fn how_a_run_ended_is_a_sentence_that_can_be_read() {
        let (now, started) = (time("2026-11-23T08:00:00Z"), time("2026-11-23T03:00:00Z"));
        let minute = std::time::Duration::from_secs(60);
        let left = RunningRow {
            id: RunId(7),
            job: JobName::new("db"),
            number: 1,
            trigger: Trigger::Schedule,
            scheduled: started,
            started,
            process: None,
        };
        let missing = |grace| Ending::Missing { due: started, grace, seen: None };
        for (reason, ending, sentence) in [
            (Reason::Exit, Ending::Exited { code: 2 }, "run 7 failed with exit code 2 at 08:00"),
            (Reason::Output, Ending::Exited { code: 0 }, "run 7 failed by its output at 08:00"),
            (Reason::Signal, Ending::Signaled { signal: 9 }, "run 7 failed at 08:00: killed by SIGKILL (9)"),
            (
                Reason::Timeout,
                Ending::TimedOut { after: minute, killed: true },
                "run 7 failed at 08:00: timed out after 1m, and had to be killed",
            ),
            (
                Reason::Interrupted,
                Ending::CutOff { by: crate::exec::CutOff::Machine },
                "run 7 failed at 08:00: interrupted: the machine went down",
            ),
            (
                Reason::Missing,
                missing(minute),
                "run 7 did not come: it was due at 03:00, and may be 1m late; it was given up at 08:00",
            ),
            (
                Reason::Missing,
                missing(std::time::Duration::ZERO),
                "run 7 did not come: it was due at 03:00; it was given up at 08:00",
            ),
            (
                Reason::Missing,
                Ending::Unfinished { after: minute, next_began: false },
                "run 7 failed at 08:00: it began, and its end was not reported within 1m",
            ),
        ] {
            let row = RunRow { reason, ending, ..RunRow::interrupted(&left, now) };
            assert_eq!(super::how_and_when(&row, &TimeZone::UTC, now), sentence);
        }
    }

    #[test]
    fn of_a_run_that_did_not_come_it_is_told_when_it_was_due() {
        let grace = std::time::Duration::from_secs(3_600);
        for (due, words) in [
            ("2026-11-23T03:00:00Z", "did not run; due 03:00, 1h of grace"),
            ("2026-11-22T23:30:00Z", "did not run; due 2026-11-22 23:30, 1h of grace"),
        ] {
            let ending = Ending::Missing { due: time(due), grace, seen: None };
            assert_eq!(happened(&ending, time("2026-11-23T04:00:00Z"), &TimeZone::UTC), words);
        }
    }

    #[test]
    fn a_message_that_is_not_there_is_told_from_its_file() {
        let at = time("2026-11-23T03:00:00Z");
        let waiting = |thread| {
            let message = Message {
                job: Some(JobName::new("db")),
                run: Some(RunId(1)),
                event: Some(Event::Failure),
                status: Status::Critical,
                channel: Channel::new("#ops"),
                text: "it fails".into(),
                blocks: Vec::new(),
                color: None,
                incident: Some(1),
                thread,
                attachment: None,
                created: at,
                route: Route::default(),
            };
            Stored::waiting(MessageId(1), message)
        };
        for (thread, words) in [
            (Thread::Open, "; it waits for #ops since 03:00"),
            (Thread::Upload, "; its file waits for #ops since 03:00"),
        ] {
            assert_eq!(super::whereabouts(&[&waiting(thread)], &TimeZone::UTC, at), words);
        }
    }

    #[test]
    fn a_run_is_not_delivered_only_where_every_message_of_it_is_a_dead_letter() {
        let stored = |channel: &str, state| Stored {
            id: MessageId(1),
            state,
            queued: Timestamp::UNIX_EPOCH,
            attempts: 1,
            why: None,
            dropped: None,
            progress: Progress::default(),
            message: Message {
                job: Some(JobName::new("db")),
                run: Some(RunId(1)),
                event: Some(Event::Failure),
                status: Status::Critical,
                channel: Channel::new(channel),
                text: String::new(),
                blocks: Vec::new(),
                color: None,
                incident: Some(1),
                thread: Thread::Open,
                attachment: None,
                created: Timestamp::UNIX_EPOCH,
                route: Route { also: vec![Channel::new("a"), Channel::new("b")], ..Route::default() },
            },
            parent: None,
            first: None,
            superseded: false,
            over: false,
        };
        let (dead, waiting) = (MessageState::Dead, MessageState::Waiting);
        let (a, b) = (stored("a", dead), stored("b", dead));
        let forwarded = Stored { progress: Progress { forwarded: true, ..Progress::default() }, ..b.clone() };
        let mut alone = stored("a", dead);
        alone.message.route.also.clear();
        let announced = Stored { progress: Progress { announced: true, ..Progress::default() }, ..alone.clone() };
        let mut substitute = stored("ops", dead);
        substitute.message.route = Route { instead_of: Some(Channel::new("b")), ..Route::default() };
        let replaced = Stored { progress: Progress { forwarded: true, ..Progress::default() }, ..alone.clone() };
        let mut file = alone.clone();
        file.message.thread = Thread::Upload;
        for (undelivered, expected, why) in [
            (&[][..], false, "all went out: none is left"),
            (&[&a], false, "the other channel has it"),
            (&[&a, &stored("b", waiting)], false, "one may still go out"),
            (&[&a, &b], true, "both were refused"),
            (&[&a, &forwarded], false, "another channel was told in the place of one"),
            (&[&a, &forwarded, &substitute], true, "that channel did not take it either"),
            (&[&replaced, &substitute], true, "nor here"),
            (&[&substitute], false, "its own channel took it in the end"),
            (&[&alone], true, "the only one was refused"),
            (&[&announced], false, "its channel was told of it in a digest"),
            (&[&file], false, "its file alone is missing"),
        ] {
            assert_eq!(was_refused(undelivered), expected, "{why}");
        }
        let left = RunningRow {
            id: RunId(1),
            job: JobName::new("db"),
            number: 1,
            trigger: Trigger::Schedule,
            scheduled: Timestamp::UNIX_EPOCH,
            started: Timestamp::UNIX_EPOCH,
            process: None,
        };
        let decision = Decision::Notified(Event::Failure);
        let row = RunRow { decision, ..RunRow::interrupted(&left, Timestamp::UNIX_EPOCH) };
        let why = |stored: Stored, why: &str| Stored { why: Some(why.to_owned()), ..stored };
        let (wa, wb) = (why(stored("a", waiting), "connection refused"), stored("b", waiting));
        let late = why(stored("a", MessageState::Late), "timed out");
        let replaced_waits = Stored { state: waiting, ..replaced.clone() };
        let file_waits = Stored { state: waiting, ..file.clone() };
        let on_its_way = Stored { state: waiting, ..substitute.clone() };
        for (undelivered, words) in [
            (&[][..], "sent: failure"),
            (&[&wa, &wb], "waiting: failure; waits for #a (connection refused); waits for #b"),
            (&[&wa], "sent: failure; waits for #a (connection refused)"),
            (&[&file_waits], "sent: failure; its file waits for #a"),
            (&[&a, &wb], "waiting: failure; refused by #a; waits for #b"),
            (&[&a, &b], "not delivered: failure; refused by #a; refused by #b"),
            (&[&replaced], "sent: failure; refused by #a"),
            (&[&replaced_waits], "sent: failure; waits for #a"),
            (&[&replaced, &substitute], "not delivered: failure; refused by #a; refused by #ops"),
            (&[&replaced, &on_its_way], "waiting: failure; refused by #a; waits for #ops"),
            (&[&late, &b], "not delivered: failure; not taken in time by #a (timed out); refused by #b"),
        ] {
            assert_eq!(verdict(&row, undelivered), words);
        }
    }
}
