//! What is open, what was told of it, and what comes next, for whoever looks. Pure.
//!
//! Before it: a job's [`Health`]. After it: `status`, `why` and the status page. It changes nothing.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::audience::Dropped;
use super::flap;
use super::health::{Health, Hung, LastRun};
use super::incident::{OpenIncident, Reported};
use super::quiet;
use super::settings::{On, Repeat};
use super::{Event, Expected, Held, Settings, Suppressed};
use crate::clock::{between, shift};
use crate::exec::Status;
use crate::id::Channel;
use crate::schedule::NextRun;

/// An open incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// The number of the run that opened it.
    pub id: u64,
    /// The incident on whose first message its messages hang.
    pub thread: u64,
    /// No thread hangs on its first message: what follows is messages of their own.
    pub flat: bool,
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
    /// It is not known whether a channel took a message of it: no answer came.
    pub in_doubt: bool,
    /// Who dropped what was to tell of it, where nobody was told.
    pub dropped: Option<Dropped>,
    /// When the next message about it comes, unless it changes before, and what keeps it back; none where the next failure is
    /// told.
    pub next: Option<Expected>,
    /// Why there is no message now, and until when.
    pub suppressed: Option<(Suppressed, Option<Timestamp>)>,
}

/// The first message of an incident, or of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstMessage {
    /// The incident on whose first message the others hang.
    pub thread: u64,
    /// No thread hangs on it.
    pub flat: bool,
    /// The worst status that was told.
    pub status: Status,
    /// The channels that took it.
    pub channels: Vec<Channel>,
}

impl From<&Open> for FirstMessage {
    fn from(open: &Open) -> Self {
        let channels = open.told.iter().map(|(channel, _)| channel.clone()).collect();
        Self { thread: open.thread, flat: open.flat, status: open.status, channels }
    }
}

/// The first message of a job that fails now and then.
pub fn conversation(health: &Health) -> Option<FirstMessage> {
    let known = health.conversation.as_deref()?;
    let (status, channels) = (known.worst(), known.channels.clone());
    Some(FirstMessage { thread: known.id, flat: known.flat, status, channels })
}

/// The incidents that are open: the present one first.
pub fn open(settings: &Settings, health: &Health, zone: &TimeZone, now: Timestamp) -> Vec<Open> {
    let flaps = health.is_flapping();
    let present = health.open.as_deref().filter(|open| open.resolved_at.is_none() || flaps);
    let line = health.last_run().filter(|last| last.status != Status::Ok).map(|last| telling_line(&last));
    let line = health.hang().map(hang_line).or(line);
    let present = present.map(|open| of((settings, health, zone), open, line.unwrap_or_default(), now));
    let others = health
        .others
        .iter()
        .filter(|open| open.resolved_at.is_none())
        .map(|open| of((settings, health, zone), open, String::new(), now));
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
/// where it was open, and `health` what is known of the job after it.
pub fn ack_ends(
    incident: Option<u64>,
    open: &[Open],
    event: Option<Event>,
    before: Option<Status>,
    health: &Health,
) -> Option<AckEnd> {
    if !open.iter().any(|open| Some(open.id) == incident) {
        return Some(AckEnd::Recovered);
    }
    let is_held = |held: &Held| held.acks.iter().any(|(of, _)| Some(*of) == incident);
    if !health.held().is_some_and(is_held) {
        // What ended it is kept back.
        return Some(AckEnd::Worse);
    }
    let after = health.status();
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

/// What the headline of a run says of it: what went wrong, or a line of what it printed.
pub fn telling_line(last: &LastRun) -> String {
    match &last.ended {
        _ if !last.line.is_empty() => last.line.clone(),
        // An earlier version has not kept it.
        Some(ended) if last.status != Status::Ok => quiet::telling_line(&ended.output, last.status),
        _ => quiet::telling_line(&last.stdout, last.status),
    }
}

/// Two readings of two clocks: a due time that is a moment before or later is the same.
const SAME: Duration = Duration::from_secs(1);

/// So often a run that may not be told is passed over: a rate limit asks once, as a rule.
const ROUNDS: usize = 4;

type Of<'a> = (&'a Settings, &'a Health, &'a TimeZone);

fn of((settings, health, zone): Of<'_>, open: &OpenIncident, line: String, now: Timestamp) -> Open {
    let reported = open.reported.as_ref();
    let known = [line, open.line.to_string()].into_iter().find(|line| !line.is_empty());
    let line = known.or_else(|| reported.map(|reported| reported.line.clone())).unwrap_or_default();
    let is_present = health.open.as_deref().is_some_and(|present| present.id == open.id);
    let next = expected((settings, health, zone), open, health.acknowledged(open), now, false);
    let suppressed = suppressed(settings, health, open, now).map(|(why, until)| match next {
        Some(next) if next.why == why && why == Suppressed::RepeatNotDue => (why, next.at),
        _ => (why, until),
    });
    Open {
        id: open.id,
        thread: open.thread(),
        flat: !health.has_thread(settings, Some(open), reported),
        key: (!open.key_text.is_empty()).then(|| open.key_text.to_string()),
        status: open.status,
        since: open.since,
        failures: open.failures,
        same: open.same,
        line,
        is_reported: reported.is_some(),
        steady_at: flap::steady_at(settings, health).filter(|_| is_present),
        told: reported.map(Reported::told).unwrap_or_default(),
        in_doubt: reported.is_some_and(|reported| reported.in_doubt),
        dropped: open.dropped.as_deref().cloned(),
        next,
        suppressed,
    }
}

/// What a person or the script asks for that keeps back a message about the incident, up to when: what ends last.
fn held(health: &Health, acknowledged: Option<Timestamp>, now: Timestamp) -> Option<(Suppressed, Timestamp)> {
    let silenced = health.silenced().map(|until| (Suppressed::Silenced, until));
    let acknowledged = acknowledged.map(|until| (Suppressed::Acknowledged, until));
    let held = silenced.into_iter().chain(acknowledged).filter(|(_, until)| *until > now);
    held.max_by_key(|(_, until)| *until)
}

/// What keeps back a message about the incident by the rules, apart from what anybody asks for; none where the next failure is
/// told.
fn by_rule(settings: &Settings, health: &Health, open: &OpenIncident, now: Timestamp) -> Option<Expected> {
    let (why, at) = if !settings.on.asks(On::Failure) {
        (Suppressed::NotAsked, None)
    } else if health.is_flapping() {
        (Suppressed::Flapping, flap::steady_at(settings, health))
    } else if health.waiting.has(open.id) {
        (Suppressed::QuietHours, health.waiting.until)
    } else {
        match &open.reported {
            None if health.is_below_after(settings, open) => (Suppressed::BelowAfter, None),
            None => {
                return open
                    .waits_until(settings.repeat)
                    .filter(|until| *until > now)
                    .map(|until| Expected { why: Suppressed::RepeatNotDue, at: Some(until) });
            }
            Some(_) if settings.repeat == Repeat::Always => return None,
            Some(reported) => {
                // A status that is not the one reported the last time does not wait for more than the first interval.
                let changed = open.status != reported.status;
                let repeat = settings.repeat;
                let interval = if changed { repeat.first() } else { repeat.interval(reported.repeats) };
                // As `repeat_due` has it: from slot to slot, or else by the clock.
                let next = |interval| match shift(reported.slot, interval) {
                    slot if slot > now => slot,
                    _ => shift(reported.at, interval).max(now),
                };
                (Suppressed::RepeatNotDue, interval.map(next))
            }
        }
    };
    Some(Expected { why, at })
}

/// When the next message about the incident can be expected, unless it changes before: the one answer to that, for the message,
/// the history and whoever looks. None where the next failure is told. `acknowledged` is until when somebody has it; `told`, that
/// an alert is being sent, which counts in a burst.
pub(super) fn expected(
    (settings, health, zone): Of<'_>,
    open: &OpenIncident,
    acknowledged: Option<Timestamp>,
    now: Timestamp,
    told: bool,
) -> Option<Expected> {
    use Suppressed::{BelowAfter, Flapping, QuietHours};
    let by_rule = by_rule(settings, health, open, now);
    if let Some(rule) = by_rule.filter(|rule| rule.why == Suppressed::NotAsked) {
        return Some(rule);
    }
    let expected = match held(health, acknowledged, now) {
        // What fails still when a silence ends is told then.
        Some((Suppressed::Silenced, until)) => Some(Expected { why: Suppressed::Silenced, at: Some(until) }),
        Some((why, until)) => Some(match by_rule {
            // That it is steady, and what waits for the end of quiet hours, is told all the same.
            Some(rule @ Expected { why: Flapping | BelowAfter | QuietHours, .. }) => rule,
            Some(Expected { at: None, .. }) => Expected { why, at: None },
            Some(Expected { at: Some(at), .. }) => Expected { why, at: Some(at.max(until)) },
            None => Expected { why, at: Some(until) },
        }),
        None => by_rule,
    };
    let quiet = |at| !settings.quiet_except.contains(open.status) && quiet::is_quiet(settings, zone, at);
    let after_quiet = |at| if quiet(at) { quiet::end(settings, zone, at) } else { Some(at) };
    let paused = health.held().and_then(|held| held.paused).filter(|until| *until > now);
    let first = open.reported.is_none();
    // What comes with a run comes at the first that may be told.
    let with_a_run = |mut at: Timestamp| {
        let mut run = run_at(health, at, paused, told)?;
        for _ in 0..ROUNDS {
            let later = health.budget.allows(settings.rate_limit, run).filter(|_| !first && !quiet(run));
            let Some(later) = later.filter(|later| *later > run) else { break };
            at = later;
            run = run_at(health, at, paused, told)?;
        }
        Some(run)
    };
    match expected {
        Some(Expected { why: why @ (Suppressed::RepeatNotDue | Suppressed::Acknowledged), at: Some(at) }) => {
            Some(Expected { why, at: with_a_run(at).and_then(after_quiet) })
        }
        Some(Expected { why, at }) => Some(Expected { why, at: at.and_then(after_quiet) }),
        None => {
            let (run, told_by) = (run_at(health, now, paused, told)?, with_a_run(now)?);
            let why = match () {
                () if quiet(told_by) => QuietHours,
                () if told_by > run => Suppressed::RateLimited,
                () if paused.is_some() => Suppressed::RepeatNotDue,
                () => return None,
            };
            Some(Expected { why, at: after_quiet(told_by) })
        }
    }
}

/// The first run at or after a time; that time itself, where the schedule does not say when runs come. None where none comes by
/// itself. Of a job whose runs do not come it is the end of a grace: a run that comes is a change.
pub(super) fn run_at(health: &Health, at: Timestamp, paused: Option<Timestamp>, told: bool) -> Option<Timestamp> {
    let any = Some(paused.map_or(at, |until| at.max(until)));
    let Some(ahead) = &health.ahead else { return any };
    let from = at.saturating_sub(SAME).unwrap_or(at);
    let next = if health.did_not_come() { ahead.first_missing(from, paused) } else { ahead.first(from, paused, told) };
    match next {
        NextRun::At(run) if between(at, run) < SAME => Some(at),
        NextRun::At(run) => Some(run),
        NextRun::AnyTime => any,
        NextRun::Never => None,
    }
}

/// Why nothing is said of it now; none where the next failure is told.
fn suppressed(
    settings: &Settings,
    health: &Health,
    open: &OpenIncident,
    now: Timestamp,
) -> Option<(Suppressed, Option<Timestamp>)> {
    let rule = by_rule(settings, health, open, now).map(|rule| (rule.why, rule.at));
    if rule.is_some_and(|(why, _)| why == Suppressed::NotAsked) {
        return rule;
    }
    // What ends last decides when there is a message again.
    held(health, health.acknowledged(open), now).map(|(why, until)| (why, Some(until))).or(rule)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use toml::de::DeTable;

    use super::{Expected, open, quiet, telling_line};
    use crate::clock::{Mono, Now};
    use crate::diagnostic::Sources;
    use crate::document::{Reader, Table};
    use crate::exec::Status;
    use crate::policy::holds::Held;
    use crate::policy::stories::{Life, at, run_as};
    use crate::policy::{Facts, Suppressed, Verdict, judge, wake};
    use crate::schedule::{Ahead, read as read_timing};

    #[test]
    fn a_hold_is_why_nothing_is_said_up_to_its_end_and_no_moment_longer() {
        let mut life = Life::new("repeat = 'always'\n");
        life.run("critical: no disk", at("03:00"));
        let suppressed = |life: &Life, now| open(&life.settings, &life.health, &life.zone, at(now))[0].suppressed;
        assert_eq!(suppressed(&life, "03:01"), None);
        let until = at("04:00");
        for (held, why) in [
            (Held { silence: Some((until, "dana".to_owned())), ..Held::default() }, Suppressed::Silenced),
            (Held { acks: vec![(1, until)], ..Held::default() }, Suppressed::Acknowledged),
        ] {
            life.health.hold(held);
            assert_eq!(suppressed(&life, "03:59"), Some((why, Some(until))));
            assert_eq!(suppressed(&life, "04:00"), None, "{why:?}");
        }
        // That of another incident.
        life.health.hold(Held { acks: vec![(2, until)], ..Held::default() });
        assert_eq!(suppressed(&life, "03:59"), None);
    }

    #[test]
    fn an_incident_that_is_not_told_yet_or_not_again_says_why_and_when_it_is() {
        let mut life = Life::new("after = 2\nrepeat = '1h'\n");
        let shown = |life: &Life, now| {
            let open = open(&life.settings, &life.health, &life.zone, at(now)).swap_remove(0);
            (open.is_reported, open.suppressed, open.next.and_then(|next| next.at))
        };
        life.run("critical: no disk", at("03:00"));
        assert_eq!(shown(&life, "03:01"), (false, Some((Suppressed::BelowAfter, None)), None));
        life.run("critical: no disk", at("03:05"));
        let next = Some(at("04:05"));
        assert_eq!(shown(&life, "03:06"), (true, Some((Suppressed::RepeatNotDue, next)), next));
    }

    #[test]
    fn when_the_next_message_comes_is_said_once_for_all_and_contradicts_nothing() {
        let words = |notify: &str, held: Held, now: &str| {
            let mut life = Life::new(notify);
            life.run("critical: no disk", at("03:00"));
            life.health.hold(held);
            let next = open(&life.settings, &life.health, &life.zone, at(now))[0].next;
            let clock = |at: jiff::Timestamp| at.to_zoned(life.zone.clone()).strftime("%d %H:%M").to_string();
            next.and_then(|next| next.words(clock))
        };
        let ack = |until: &str| Held { acks: vec![(1, at(until))], ..Held::default() };
        let silence = |until: &str| Held { silence: Some((at(until), "dana".to_owned())), ..Held::default() };
        let pause = |until: &str| Held { paused: Some(at(until)), ..Held::default() };
        let hourly = "repeat = '1h'\n";
        let quiet = "repeat = '1h'\nquiet_hours = '03:30-07:00'\n";
        let unless = "next message if it gets worse, fails differently or recovers";
        for (notify, held, expected) in [
            (hourly, Held::default(), "next message at 23 04:00".to_owned()),
            // Until the later of both: the end of the acknowledgement is no message by itself.
            (hourly, ack("03:30"), format!("{unless}, or at 23 04:00")),
            (hourly, ack("09:00"), format!("{unless}, or at 23 09:00")),
            ("repeat = 'never'\n", Held::default(), "no message until it changes".to_owned()),
            ("repeat = 'never'\n", ack("09:00"), unless.to_owned()),
            (hourly, silence("03:30"), "next message at 23 03:30".to_owned()),
            ("repeat = 'never'\n", silence("03:30"), "next message at 23 03:30".to_owned()),
            (hourly, Held { silence: silence("05:00").silence, ..ack("03:30") }, "next message at 23 05:00".to_owned()),
            (hourly, Held { silence: silence("03:30").silence, ..ack("05:00") }, format!("{unless}, or at 23 05:00")),
            (hourly, pause("06:00"), "next message at 23 06:00".to_owned()),
            (hourly, Held { paused: Some(at("06:00")), ..ack("05:00") }, format!("{unless}, or at 23 06:00")),
            ("repeat = 'always'\n", pause("06:00"), "next message at 23 06:00".to_owned()),
            (quiet, Held::default(), "next message at 23 07:00".to_owned()),
            (quiet, silence("03:40"), "next message at 23 07:00".to_owned()),
            (quiet, ack("05:00"), format!("{unless}, or at 23 07:00")),
            (
                "repeat = '1h'\nquiet_hours = '03:30-07:00'\nquiet_except = ['critical']\n",
                Held::default(),
                "next message at 23 04:00".to_owned(),
            ),
            ("repeat = '1h'\nquiet_hours = '03:30-03:50'\n", Held::default(), "next message at 23 04:00".to_owned()),
        ] {
            assert_eq!(words(notify, held.clone(), "03:01"), Some(expected), "{notify} {held:?}");
        }
        assert_eq!(words("repeat = 'always'\n", Held::default(), "03:01"), None);
        assert_eq!(words("after = 2\n", ack("09:00"), "03:01"), None);
    }

    /// The runs that a schedule has ahead at a time; one of them is then.
    fn ahead(schedule: &str, now: &str) -> Ahead {
        let (mut sources, reader) = (Sources::default(), Reader::default());
        let id = sources.add("job.toml".as_ref(), schedule);
        let table = DeTable::parse(schedule).expect("valid TOML").into_inner();
        let zone = TimeZone::get("Europe/Berlin").expect("the zone is known");
        let timing = read_timing(&mut Table::root(&reader, id, schedule, &table), &zone).timing;
        let now = Now { wall: at(now), mono: Mono::default() };
        let mut cadence = timing.begin("job", None, now);
        cadence.take(&timing, now);
        cadence.ahead(&timing, now)
    }

    #[test]
    fn the_next_message_is_never_promised_for_a_time_at_which_no_run_can_tell_it() {
        let pause = |until: &str| Held { paused: Some(at(until)), ..Held::default() };
        for (notify, schedule, held, expected) in [
            // The 23rd is a Monday.
            ("repeat = '1h'\n", "every = '10m'\nworking_hours = '01:00-03:30'\n", Held::default(), Some("24 01:00")),
            ("repeat = '1h'\n", "cron = '*/20 1-3 * * *'\n", Held::default(), Some("24 01:00")),
            ("repeat = '1h'\n", "cron = '0 3 * * 1'\n", Held::default(), Some("30 03:00")),
            ("repeat = '1h'\n", "every = '25m'\n", Held::default(), Some("04:15")),
            ("repeat = '1h'\n", "every = '25m'\n", pause("04:20"), Some("04:40")),
            ("repeat = 'always'\n", "every = '25m'\n", pause("03:40"), Some("03:50")),
            ("repeat = '1h'\n", "burst = { every = '5m', runs = 3, pause = '2h' }\n", Held::default(), Some("05:10")),
            ("repeat = '5m'\n", "burst = { every = '5m', alerts = 1, pause = '2h' }\n", Held::default(), Some("05:00")),
            ("repeat = '1h'\nrate_limit = '1/2h'\n", "every = '25m'\n", Held::default(), Some("05:05")),
            ("repeat = 'always'\nrate_limit = '1/2h'\n", "every = '25m'\n", Held::default(), Some("05:05")),
            // What waits for the end of quiet hours needs no run, but one within them.
            ("repeat = '1h'\nquiet_hours = '03:50-07:00'\n", "every = '10m'\n", Held::default(), Some("07:00")),
            ("repeat = '1h'\nquiet_hours = '03:50-07:00'\n", "cron = '0 3,9 * * *'\n", Held::default(), Some("09:00")),
            ("repeat = '1h'\n", "cron = '@reboot'\n", Held::default(), None),
        ] {
            let mut life = Life::new(notify);
            life.health.look_ahead(Some(ahead(schedule, "03:00")));
            let judged =
                |facts: &Facts<'_>| judge(&life.settings, &mut life.health, facts, &life.zone, at("03:00")).verdict;
            let Verdict::Notify(first) = run_as("critical: no disk", 1, at("03:00"), judged) else {
                panic!("it is told")
            };
            life.health.hold(held.clone());
            let looked = open(&life.settings, &life.health, &life.zone, at("03:01"))[0].next;
            let expected = expected.map(at);
            let case = format!("{notify} {schedule} {held:?}");
            if held == Held::default() {
                assert_eq!(first.next.and_then(|next| next.at), expected, "{case}");
            }
            if !schedule.contains("alerts") {
                assert_eq!(looked.and_then(|next| next.at), expected, "{case}");
            }
        }
    }

    #[test]
    fn the_next_message_about_runs_that_do_not_come_is_promised_for_the_end_of_a_grace() {
        let hourly = "expect = { every = '1h', grace = '10m' }\n";
        let daily = "expect = { cron = '0 3 * * *', grace = '30m' }\n";
        for (repeat, schedule, what, paused, expected) in [
            ("30m", hourly, "missing", None, "04:10"),
            ("70m", hourly, "missing", None, "04:10"),
            ("90m", hourly, "missing", None, "05:10"),
            // Due times up to the end of a pause pass.
            ("30m", hourly, "missing", Some("04:05"), "05:10"),
            ("30m", hourly, "missing", Some("05:30"), "06:10"),
            (
                "90m",
                "expect = { every = '1h', grace = '10m' }\nworking_hours = '01:00-04:30'\n",
                "missing",
                None,
                "24 01:10",
            ),
            ("1h", daily, "missing", None, "24 03:30"),
            ("24h", daily, "missing", None, "24 03:30"),
            ("25h", daily, "missing", None, "25 03:30"),
            // A run that fails may be reported at any time.
            ("30m", hourly, "critical: no disk", None, "03:30"),
        ] {
            let mut life = Life::new(&format!("repeat = '{repeat}'\n"));
            life.run(what, at("03:00"));
            life.health.look_ahead(Some(ahead(schedule, "03:00")));
            life.health.hold(Held { paused: paused.map(at), ..Held::default() });
            let next = open(&life.settings, &life.health, &life.zone, at("03:01"))[0].next;
            assert_eq!(next.and_then(|next| next.at), Some(at(expected)), "{repeat} {schedule} {what} {paused:?}");
        }
    }

    #[test]
    fn no_message_about_a_failure_is_expected_before_the_next_run_is_due() {
        let mut life = Life::new("repeat = '1h'\n");
        life.run("critical: no disk", at("03:00"));
        let next = |life: &Life| open(&life.settings, &life.health, &life.zone, at("03:01"))[0].next;
        for (schedule, expected) in [(None, "04:00"), (Some("*/30 * * * *"), "04:00"), (Some("0 3 * * *"), "24 03:00")]
        {
            life.health.look_ahead(schedule.map(|cron| ahead(&format!("cron = '{cron}'\n"), "03:00")));
            assert_eq!(
                next(&life),
                Some(Expected { why: Suppressed::RepeatNotDue, at: Some(at(expected)) }),
                "{schedule:?}"
            );
        }
        // What fails still when a silence ends is told then, without a run.
        life.health.hold(Held { silence: Some((at("05:00"), "dana".to_owned())), ..Held::default() });
        assert_eq!(next(&life), Some(Expected { why: Suppressed::Silenced, at: Some(at("05:00")) }));
        life.health.hold(Held { acks: vec![(1, at("05:00"))], ..Held::default() });
        assert_eq!(next(&life), Some(Expected { why: Suppressed::Acknowledged, at: Some(at("24 03:00")) }));
    }

    #[test]
    fn the_message_the_history_and_whoever_looks_say_the_same_of_the_next_message() {
        let mut life = Life::new("repeat = '1h'\n");
        life.run("critical: no disk", at("03:00"));
        life.health.hold(Held { acks: vec![(1, at("09:00"))], ..Held::default() });
        for (what, now) in
            [("critical: no disk", "03:10"), ("critical: no disk", "04:10"), ("warning: no disk", "04:20")]
        {
            let judged =
                |facts: &Facts<'_>| judge(&life.settings, &mut life.health, facts, &life.zone, at(now)).verdict;
            let told = run_as(what, 2, at(now), judged);
            let looked = open(&life.settings, &life.health, &life.zone, at(now))[0].next;
            let said = match told {
                Verdict::Notify(notification) => notification.next,
                Verdict::Suppress(why, next) => Some(Expected { why, at: next }),
                Verdict::NotRun(_) => panic!("it is a run"),
            };
            assert_eq!(said, looked, "{now}");
            assert_eq!(looked, Some(Expected { why: Suppressed::Acknowledged, at: Some(at("09:00")) }), "{now}");
        }
    }

    #[test]
    fn what_waits_for_the_end_of_quiet_hours_comes_then_and_pings_nobody_where_somebody_has_it() {
        for acks in [Vec::new(), vec![(1, at("09:00"))]] {
            let mut life = Life::new("quiet_hours = '00:00-07:00'\n");
            life.run("critical: no disk", at("03:00"));
            let pings = acks.is_empty();
            life.health.hold(Held { acks, ..Held::default() });
            let next = open(&life.settings, &life.health, &life.zone, at("03:01"))[0].next;
            assert_eq!(next, Some(Expected { why: Suppressed::QuietHours, at: Some(at("07:00")) }));
            let told = wake(&life.settings, &mut life.health, None, &life.zone, at("07:00"));
            assert_eq!(told.iter().map(|told| told.pings).collect::<Vec<_>>(), [pings]);
        }
    }

    #[test]
    fn the_line_that_is_shown_is_of_all_output_of_a_failure_and_of_stdout_when_all_is_well() {
        let mut life = Life::new("");
        life.run("critical: no disk", at("03:00"));
        let mut last = life.health.last_run().expect("it has run");
        assert_eq!(telling_line(&last), "no disk");
        last.line = "timed out after 10m; last line: no disk".to_owned();
        assert_eq!(telling_line(&last), "timed out after 10m; last line: no disk", "as its headline says it");
        (last.status, last.line) = (Status::Ok, String::new());
        assert_eq!(telling_line(&last), quiet::telling_line(&last.stdout, Status::Ok));
    }
}
