//! What is open, what was told of it, and what comes next, for whoever looks. Pure.
//!
//! Before it: a job's [`Health`]. After it: `status`, `why` and the status page. It changes nothing.

use jiff::Timestamp;

use super::flap;
use super::health::{Health, Hung, LastRun};
use super::incident::{OpenIncident, Reported};
use super::quiet;
use super::settings::{On, Repeat};
use super::{Event, Settings, Suppressed};
use crate::clock::shift;
use crate::exec::Status;
use crate::id::Channel;

/// An open incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// The number of the run that opened it.
    pub id: u64,
    /// The incident on whose first message its messages hang.
    pub thread: u64,
    /// The key that a directive of the script gave it.
    pub key: Option<String>,
    /// The status of its last failure.
    pub status: Status,
    /// When its first failure was.
    pub since: Timestamp,
    /// Failures in it.
    pub failures: u32,
    /// So many of the same kind in a row, up to the last.
    pub same: u32,
    /// The line of output that tells most.
    pub line: String,
    /// Whether it was told.
    pub is_reported: bool,
    /// It is the incident of a job that flaps: when that counts as steady, if it does not change before. Between two failures
    /// the incident is open all the same.
    pub steady_at: Option<Timestamp>,
    /// The channels that took a message of it, each with when it took the last.
    pub told: Vec<(Channel, Timestamp)>,
    /// When the next message about it comes, unless it changes before.
    pub next: Option<Timestamp>,
    /// Why there is no message now, and until when.
    pub suppressed: Option<(Suppressed, Option<Timestamp>)>,
}

/// The incidents that are open: the present one first.
pub fn open(settings: &Settings, health: &Health, now: Timestamp) -> Vec<Open> {
    let flaps = health.is_flapping();
    let present = health.open.as_deref().filter(|open| open.resolved_at.is_none() || flaps);
    let line = health.last_run().filter(|last| last.status != Status::Ok).map(|last| telling_line(&last));
    let line = health.hang().map(hang_line).or(line);
    let present = present.map(|open| of(settings, health, open, line.unwrap_or_default(), now));
    let others = health.others.iter().map(|open| of(settings, health, open, String::new(), now));
    present.into_iter().chain(others).collect()
}

/// Why an acknowledgement is over before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckEnd {
    /// The incident is over.
    Recovered,
    /// It got worse, or fails differently.
    Worse,
}

/// Whether the acknowledgement of an incident ends with a run that was just judged. `open` has the incident of a run that
/// failed first: what was told of another one of the job ends nothing. `before` is the status before the run, of the incident
/// where it was open, and `after` that of the job after it.
pub fn ack_ends(
    incident: Option<u64>,
    open: &[Open],
    event: Option<Event>,
    before: Option<Status>,
    after: Option<Status>,
) -> Option<AckEnd> {
    if !open.iter().any(|open| Some(open.id) == incident) {
        return Some(AckEnd::Recovered);
    }
    let badness = |status: Option<Status>| status.unwrap_or_default().badness();
    let is_told = matches!(event, Some(Event::Failure | Event::Repeat | Event::Stuck));
    let is_of_run = open.first().is_some_and(|open| Some(open.id) == incident);
    (is_told && is_of_run && badness(after) >= badness(before)).then_some(AckEnd::Worse)
}

/// What there is to say of a run that hangs.
pub fn hang_line(Hung { run, due_times, replaced }: Hung) -> String {
    match (replaced, due_times) {
        (true, 1) => format!("run {run} was replaced before it ended"),
        (true, _) => format!("{due_times} runs in a row were replaced before they ended, the last was run {run}"),
        (false, 1) => format!("run {run} has not ended, and 1 due time has passed meanwhile"),
        (false, _) => format!("run {run} has not ended, and {due_times} due times have passed meanwhile"),
    }
}

/// The line of a run's output that tells most.
pub fn telling_line(last: &LastRun) -> String {
    match &last.ended {
        Some(ended) if last.status != Status::Ok => quiet::telling_line(&ended.output, last.status),
        _ => quiet::telling_line(&last.stdout, last.status),
    }
}

/// The line of an output that tells most.
pub fn line_of(output: &str, status: Status) -> String {
    quiet::telling_line(output, status)
}

fn of(settings: &Settings, health: &Health, open: &OpenIncident, line: String, now: Timestamp) -> Open {
    let reported = open.reported.as_ref();
    let line = reported.map(|reported| reported.line.clone()).filter(|_| line.is_empty()).unwrap_or(line);
    let suppressed = suppressed(settings, health, open, now);
    let next = suppressed.and_then(|(_, until)| until).filter(|_| settings.on.asks(On::Failure));
    let is_present = health.open.as_deref().is_some_and(|present| present.id == open.id);
    Open {
        id: open.id,
        thread: open.thread(),
        key: (!open.key_text.is_empty()).then(|| open.key_text.to_string()),
        status: open.status,
        since: open.since,
        failures: open.failures,
        same: open.same,
        line,
        is_reported: reported.is_some(),
        steady_at: flap::steady_at(settings, health).filter(|_| is_present),
        told: reported.map(Reported::told).unwrap_or_default(),
        next,
        suppressed,
    }
}

/// Why nothing is said of it now; none where the next failure is told.
fn suppressed(
    settings: &Settings,
    health: &Health,
    open: &OpenIncident,
    now: Timestamp,
) -> Option<(Suppressed, Option<Timestamp>)> {
    if !settings.on.asks(On::Failure) {
        return Some((Suppressed::NotAsked, None));
    }
    let silenced = health.silenced().map(|until| (Suppressed::Silenced, until));
    let acknowledged = health.acknowledged(open).map(|until| (Suppressed::Acknowledged, until));
    let held = silenced.into_iter().chain(acknowledged).filter(|(_, until)| *until > now);
    // What ends last decides when there is a message again.
    if let Some((why, until)) = held.max_by_key(|(_, until)| *until) {
        return Some((why, Some(until)));
    }
    if health.is_flapping() {
        return Some((Suppressed::Flapping, flap::steady_at(settings, health)));
    }
    if health.waiting.has(open.id) {
        return Some((Suppressed::QuietHours, health.waiting.until));
    }
    match &open.reported {
        None if health.streak < settings.after => Some((Suppressed::BelowAfter, None)),
        None => None,
        Some(_) if settings.repeat == Repeat::Always => None,
        Some(reported) => {
            let interval = settings.repeat.interval(reported.repeats);
            Some((Suppressed::RepeatNotDue, interval.map(|interval| shift(reported.slot, interval).max(now))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{line_of, open, telling_line};
    use crate::exec::Status;
    use crate::policy::Suppressed;
    use crate::policy::holds::Held;
    use crate::policy::stories::{Life, at};

    #[test]
    fn a_hold_is_why_nothing_is_said_up_to_its_end_and_no_moment_longer() {
        let mut life = Life::new("repeat = 'always'\n");
        life.run("critical: no disk", at("03:00"));
        let suppressed = |life: &Life, now| open(&life.settings, &life.health, at(now))[0].suppressed;
        assert_eq!(suppressed(&life, "03:01"), None);
        let until = at("04:00");
        for (held, why) in [
            (Held { silence: Some((until, "dana".to_owned())), acks: Vec::new() }, Suppressed::Silenced),
            (Held { silence: None, acks: vec![(1, until)] }, Suppressed::Acknowledged),
        ] {
            life.health.hold(held);
            assert_eq!(suppressed(&life, "03:59"), Some((why, Some(until))));
            assert_eq!(suppressed(&life, "04:00"), None, "{why:?}");
        }
        // That of another incident.
        life.health.hold(Held { silence: None, acks: vec![(2, until)] });
        assert_eq!(suppressed(&life, "03:59"), None);
    }

    #[test]
    fn an_incident_that_is_not_told_yet_or_not_again_says_why_and_when_it_is() {
        let mut life = Life::new("after = 2\nrepeat = '1h'\n");
        let shown = |life: &Life, now| {
            let open = open(&life.settings, &life.health, at(now)).swap_remove(0);
            (open.is_reported, open.suppressed, open.next)
        };
        life.run("critical: no disk", at("03:00"));
        assert_eq!(shown(&life, "03:01"), (false, Some((Suppressed::BelowAfter, None)), None));
        life.run("critical: no disk", at("03:05"));
        let next = Some(at("04:05"));
        assert_eq!(shown(&life, "03:06"), (true, Some((Suppressed::RepeatNotDue, next)), next));
    }

    #[test]
    fn the_line_that_is_shown_is_of_all_output_of_a_failure_and_of_stdout_when_all_is_well() {
        let mut life = Life::new("");
        life.run("critical: no disk", at("03:00"));
        let mut last = life.health.last_run().expect("it has run");
        assert_eq!(telling_line(&last), "no disk");
        last.status = Status::Ok;
        assert_eq!(telling_line(&last), line_of(&last.stdout, Status::Ok));
    }
}
