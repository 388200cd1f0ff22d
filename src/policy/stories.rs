//! The policy as stories: what a job did, and what was said of it or why nothing was. Between any two steps the memory
//! goes through JSON, as it does between runs of the daemon.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use toml::de::DeTable;

use super::{
    Facts, Hang, Health, Judgement, Notification, Settings, Threading, Update, Verdict, due, judge, quiet, read,
    retract, skipped, wake,
};
use crate::clock::shift;
use crate::diagnostic::Sources;
use crate::document::{Reader, Table, parse_duration};
use crate::exec::{Ending, Reason, Status};
use crate::id::{Channel, RunId};

/// A job that lives through a story.
pub(super) struct Life {
    pub(super) settings: Settings,
    pub(super) health: Health,
    pub(super) zone: TimeZone,
    pub(super) runs: u64,
    last: Option<Notification>,
    /// The silent edit that came with the last run.
    pub(super) closed: Option<Notification>,
}

pub(super) fn settings(notify: &str) -> Settings {
    let (mut sources, reader) = (Sources::default(), Reader::default());
    let id = sources.add("job.toml".as_ref(), notify);
    let table = DeTable::parse(notify).expect("valid TOML").into_inner();
    let settings = read(Table::root(&reader, id, notify, &table));
    let problems = reader.into_problems();
    assert!(problems.is_empty(), "{problems:?}");
    settings
}

/// What a run was, in words: `ok`, `ok: text`, `critical: text`, `warning`, `timeout`, `not run`.
pub(super) fn run_as<T>(what: &str, run: u64, scheduled: Timestamp, with: impl FnOnce(&Facts<'_>) -> T) -> T {
    let (how, text) = what.split_once(": ").unwrap_or((what, ""));
    let (how, key) = how.split_once('@').map_or((how, None), |(how, key)| (how, Some(key)));
    let (status, code) = match how {
        "ok" => (Status::Ok, 0),
        "warning" => (Status::Warning, 1),
        "unknown" => (Status::Unknown, 3),
        _ => (Status::Critical, 2),
    };
    let (reason, ending) = match how {
        "timeout" => (Reason::Timeout, Ending::TimedOut { after: Duration::from_secs(60), killed: false }),
        "missing" => (Reason::Missing, Ending::Missing { due: scheduled, grace: Duration::from_secs(600), seen: None }),
        _ => (Reason::Exit, Ending::Exited { code }),
    };
    let skipped = how == "not run";
    // `critical@disk: text` has the key `disk`.
    let facts = Facts {
        run: RunId(run),
        scheduled,
        status,
        reason,
        skipped,
        stdout: text,
        whole: None,
        stderr: "",
        output: text,
        line: &quiet::telling_line(text, status),
        ending: &ending,
        took: Duration::from_secs(1),
        // Just now, whenever that is.
        ended: Timestamp::MAX,
        key,
    };
    with(&facts)
}

impl Life {
    pub(super) fn new(notify: &str) -> Self {
        let zone = TimeZone::get("Europe/Berlin").expect("the zone is known");
        Self { settings: settings(notify), health: Health::default(), zone, runs: 0, last: None, closed: None }
    }

    /// The number that the next run has.
    pub(super) fn next_run(&self) -> u64 {
        self.runs + 1
    }

    fn remember(&mut self) {
        let json = serde_json::to_string(&self.health).expect("it can be written");
        self.health = serde_json::from_str(&json).expect("it can be read");
    }

    pub(super) fn run(&mut self, what: &str, now: Timestamp) -> Verdict {
        self.remember();
        self.runs += 1;
        let verdict =
            run_as(what, self.runs, now, |facts| judge(&self.settings, &mut self.health, facts, &self.zone, now));
        let Judgement { verdict, close } = verdict;
        self.closed = close.map(|close| *close);
        self.last = match &verdict {
            Verdict::Notify(word) | Verdict::NotRun(Some(word)) => Some(Notification::clone(word)),
            _ => None,
        };
        verdict
    }

    /// One step of a story, and what came of it.
    pub(super) fn step(&mut self, what: &str, now: Timestamp) -> String {
        let due = due(&self.settings, &self.health);
        // What a silence owes that was ended before its time is due at once, whatever the time is.
        let at_once = what == "clock" && due == Some(Timestamp::MIN);
        assert!(at_once || due.is_none_or(|due| due >= now), "{what}: the clock was due at {due:?}");
        match what.split_once(' ').unwrap_or((what, "")) {
            ("clock", _) => {
                assert!(at_once || due == Some(now), "the clock is due at {due:?}");
                self.remember();
                let hung = self.health.hang().map(|hung| hang(hung.run.0));
                let words = wake(&self.settings, &mut self.health, hung.as_ref(), &self.zone, now);
                assert!(super::due(&self.settings, &self.health).is_none_or(|due| due > now), "it is due no more");
                self.last = words.last().cloned();
                words.iter().map(|word| self.shown(word, now)).collect::<Vec<_>>().join(" && ")
            }
            ("skip", _) => {
                self.remember();
                self.last = skipped(&self.settings, &mut self.health, hang(self.runs + 1), &self.zone, now);
                self.last.as_ref().map(|word| self.shown(word, now)).unwrap_or_default()
            }
            ("replace", _) => {
                self.remember();
                self.runs += 1;
                let hang = Hang { replaced: true, age: Duration::from_secs(300), ..hang(self.runs) };
                self.last = skipped(&self.settings, &mut self.health, hang, &self.zone, now);
                self.last.as_ref().map(|word| self.shown(word, now)).unwrap_or_default()
            }
            ("retract", _) => {
                retract(&mut self.health, &self.last.take().expect("a word was said"));
                String::new()
            }
            ("silence", length) => {
                self.health.silence(Some(shift(now, parse_duration(length).expect("a length of time"))), now);
                String::new()
            }
            ("again", _) => {
                self.health.silence(None, now);
                String::new()
            }
            ("gone", _) => {
                let gone: Vec<String> =
                    self.health.abandon().iter().map(|open| format!("#{} is gone", open.incident)).collect();
                gone.join(" && ")
            }
            _ => {
                let verdict = self.run(what, now);
                let closed = self.closed.take().map(|closed| format!(" && {}", self.shown(&closed, now)));
                format!("{}{}", self.told(&verdict, now), closed.unwrap_or_default())
            }
        }
    }

    fn shown(&self, word: &Notification, now: Timestamp) -> String {
        shown(word, &self.zone, now)
    }

    pub(super) fn told(&self, verdict: &Verdict, now: Timestamp) -> String {
        let clock = |at: Timestamp| at.to_zoned(self.zone.clone()).strftime("%d %H:%M").to_string();
        match verdict {
            Verdict::Notify(word) => self.shown(word, now),
            Verdict::Suppress(why, None) => format!("held: {why}"),
            Verdict::Suppress(why, Some(next)) => format!("held: {why} until {}", clock(*next)),
            Verdict::NotRun(None) => "not run".to_owned(),
            Verdict::NotRun(Some(word)) => format!("not run && {}", self.shown(word, now)),
        }
    }
}

/// A run that has been running for an hour.
pub(super) fn hang(run: u64) -> Hang {
    let age = Duration::from_secs(3_600);
    Hang {
        run: RunId(run),
        process: None,
        retries: false,
        age,
        replaced: false,
        skipped: 0,
        line: "copying".to_owned(),
    }
}

/// A notification on a line.
pub(super) fn shown(word: &Notification, zone: &TimeZone, now: Timestamp) -> String {
    let mut line = format!("{} {}", word.event, word.status.as_str());
    let incident = word.incident.map_or(0, |incident| incident.id);
    match word.thread {
        Threading::None => {}
        Threading::Open => _ = write!(line, ", opens #{incident}"),
        Threading::Reply => _ = write!(line, ", in #{incident}"),
        Threading::Broadcast => _ = write!(line, ", shown in #{incident}"),
        Threading::Close => _ = write!(line, ", closes #{incident}"),
        Threading::CloseInThread => _ = write!(line, ", closes #{incident} in its thread"),
        Threading::CloseByEdit => _ = write!(line, ", only edits #{incident}"),
    }
    for also in &word.also {
        let thread = if also.shown { "" } else { " in its thread" };
        _ = write!(line, " and #{}{thread}", also.incident.id);
    }
    if word.pings {
        line.push_str(", pings");
    }
    if word.changed {
        line.push_str(", changed");
    }
    if word.suppressed > 0 {
        _ = write!(line, ", {} suppressed", word.suppressed);
    }
    let update = word.update.sentence(zone, now);
    if !update.is_empty() {
        _ = write!(line, " ({update})");
    }
    if let Some(headline) = word.headline.as_ref().filter(|headline| **headline != Update::None) {
        _ = write!(line, " [{}]", headline.sentence(zone, now));
    }
    word.digest.iter().for_each(|digest| _ = write!(line, " | {digest}"));
    line
}

/// `23 07:00` or `07:00`, which is on the 23rd (a Monday), in Berlin.
pub(super) fn at(time: &str) -> Timestamp {
    let (day, time) = time.split_once(' ').unwrap_or(("23", time));
    let seconds = if time.matches(':').count() == 1 { ":00" } else { "" };
    let civil: DateTime = format!("2026-11-{day}T{time}{seconds}").parse().expect("a time");
    civil.in_tz("Europe/Berlin").expect("the zone is known").timestamp()
}

/// Each step: when, what happened, what came of it.
pub(super) fn story(notify: &str, steps: &[(&str, &str, &str)]) {
    let mut life = Life::new(notify);
    let mut others = Vec::new();
    for (time, what, outcome) in steps {
        let found = life.step(what, at(time));
        others.extend((found != *outcome).then(|| format!("{time} {what}: {found}")));
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
}

#[test]
fn a_change_that_comes_with_the_end_of_a_failure_is_told_with_it() {
    let steps = [
        ("03:00", "ok: one", "held: not-asked"),
        ("03:10", "critical: disk full", "failure critical, opens #2, pings"),
        ("03:20", "ok: two", "recovery ok, closes #2 in its thread, changed (1 failure in 10m)"),
        ("03:30", "ok: two", "held: unchanged"),
        ("03:40", "critical: disk full", "failure critical, opens #5, pings"),
        ("03:50", "ok: two", "recovery ok, closes #5 in its thread (1 failure in 10m)"),
    ];
    story("on = [\"change\", \"failure\", \"recovery\"]", &steps);
}

#[test]
fn a_failure_is_told_once_then_hourly_and_its_end_is_told() {
    story(
        "",
        &[
            ("03:00", "ok", "held: blank"),
            ("03:10", "critical: disk full", "failure critical, opens #2, pings"),
            ("03:15", "critical: disk full", "held: repeat-not-due until 23 04:10"),
            ("04:05", "critical: disk full", "held: repeat-not-due until 23 04:10"),
            ("04:10", "critical: disk full", "repeat critical, in #2 (same failure, 4th time)"),
            ("04:15", "critical: disk full", "held: repeat-not-due until 23 06:10"),
            ("04:20", "ok: fine", "recovery ok, closes #2 (5 failures in 1h 10m)"),
            ("04:25", "ok: fine", "output ok"),
            ("04:30", "critical: disk full", "failure critical, opens #9, pings"),
        ],
    );
}

#[test]
fn an_hourly_job_is_repeated_each_hour_though_its_runs_take_their_time() {
    let mut life = Life::new("repeat = \"1h\"");
    for (slot, end, said) in [
        ("03:00", "03:00:07", "failure critical, opens #1, pings"),
        ("04:00", "04:00:02", "repeat critical, in #1 (same failure, 2nd time)"),
        ("05:00", "05:00:01", "repeat critical, in #1 (same failure, 3rd time)"),
        ("05:30", "05:30:01", "held: repeat-not-due until 23 06:00"),
    ] {
        let verdict = run_as("critical", 1, at(slot), |facts| {
            judge(&life.settings, &mut life.health, facts, &life.zone, at(end)).verdict
        });
        assert_eq!(life.told(&verdict, at(end)), said);
    }
}

#[test]
fn a_blip_is_not_told_and_neither_is_its_end() {
    story(
        "after = 3",
        &[
            ("03:00", "critical: refused", "held: below-after"),
            ("03:01", "critical: refused", "held: below-after"),
            ("03:02", "ok", "held: never-reported"),
            ("03:03", "ok", "held: blank"),
            ("03:04", "critical: refused", "held: below-after"),
            ("03:05", "critical: refused", "held: below-after"),
            ("03:06", "critical: refused", "failure critical, opens #5, pings (failing since 03:04, 3 failures)"),
            ("03:07", "ok", "recovery ok, closes #5 (3 failures in 3m)"),
        ],
    );
}

#[test]
fn a_status_that_gets_worse_or_better_speaks_at_once_and_the_same_does_not() {
    story(
        "",
        &[
            ("03:00", "warning: 81%", "failure warning, opens #1"),
            ("03:01", "warning: 85%", "held: repeat-not-due until 23 04:00"),
            ("03:02", "unknown: ?", "repeat unknown, shown in #1 (worse: was warning)"),
            ("03:03", "critical: 96%", "repeat critical, shown in #1, pings (worse: was unknown)"),
            ("03:04", "critical: 97%", "held: repeat-not-due until 23 04:03"),
            ("03:05", "warning: 89%", "repeat warning, in #1 (better: was critical)"),
            ("03:06", "critical: 97%", "repeat critical, in #1 (worse: was warning)"),
            ("04:03", "warning: 89%", "repeat warning, in #1 (better: was critical)"),
            ("04:04", "critical: 95%", "repeat critical, in #1 (worse: was warning)"),
            ("04:05", "ok", "recovery ok, closes #1 (9 failures in 1h 5m)"),
        ],
    );
}

#[test]
fn a_different_failure_speaks_at_once_and_the_same_in_other_numbers_does_not() {
    story(
        "",
        &[
            ("03:00", "critical: pid 41: disk at 91%", "failure critical, opens #1, pings"),
            ("03:10", "critical: pid 97: disk at 99%", "held: repeat-not-due until 23 04:00"),
            ("03:20", "critical: no route to host", "repeat critical, in #1 (failing differently since 03:20)"),
            ("03:30", "critical: no route to host", "held: repeat-not-due until 23 04:20"),
            ("03:40", "critical: pid 5: disk at 92%", "repeat critical, in #1 (failing differently since 03:40)"),
            ("04:40", "critical: pid 5: disk at 92%", "repeat critical, in #1 (same failure, 2nd time)"),
            ("05:20", "timeout", "repeat critical, in #1 (failing differently since 05:20)"),
            ("05:21", "timeout: half a line", "held: repeat-not-due until 23 06:20"),
            ("06:10", "critical: no route to host", "repeat critical, in #1 (failing differently since 06:10)"),
            // That each came back was told.
            ("06:20", "critical: pid 5: disk at 92%", "held: repeat-not-due until 23 07:10"),
            ("06:30", "critical: no route to host", "held: repeat-not-due until 23 07:10"),
            ("07:10", "critical: pid 5: disk at 92%", "repeat critical, in #1 (failing as before)"),
        ],
    );
    story(
        "normalize = false",
        &[
            ("03:00", "critical: pid 41", "failure critical, opens #1, pings"),
            ("03:10", "critical: pid 97", "repeat critical, in #1 (failing differently since 03:10)"),
        ],
    );
}

#[test]
fn a_failure_that_is_different_each_time_is_no_news_after_a_while() {
    let mut life = Life::new("rate_limit = \"100/h\"");
    let words = ["a", "b", "c", "d", "e", "f", "g", "h"];
    for (minute, word) in words.iter().enumerate() {
        let said = life.step(&format!("critical: lost {word}"), at(&format!("03:0{minute}")));
        assert!(!said.starts_with("held"), "{said}");
    }
    assert_eq!(life.step("critical: lost i", at("03:10")), "held: repeat-not-due until 23 04:07");
    assert_eq!(life.step("critical: lost j", at("04:07")), "repeat critical, in #1 (failing differently each time)");
}

#[test]
fn repeats_as_often_as_asked() {
    story(
        "repeat = \"never\"",
        &[
            ("03:00", "critical", "failure critical, opens #1, pings"),
            ("04:00", "critical", "held: repeat-not-due"),
            ("24 04:00", "critical", "held: repeat-not-due"),
        ],
    );
    story(
        "repeat = \"always\"",
        &[
            ("03:00", "critical", "failure critical, opens #1, pings"),
            ("03:01", "critical", "repeat critical, in #1 (same failure, 2nd time)"),
        ],
    );
    story(
        "on = [\"always\"]",
        &[
            ("03:00", "ok", "success ok"),
            ("03:01", "ok: a", "change ok"),
            ("03:02", "ok: a", "output ok"),
            ("03:03", "critical", "failure critical, opens #4, pings"),
            ("03:04", "critical", "repeat critical, in #4 (same failure, 2nd time)"),
            ("03:05", "ok", "recovery ok, closes #4, changed (2 failures in 2m)"),
        ],
    );
}

#[test]
fn only_what_is_asked_for_is_told() {
    story(
        "on = []",
        &[
            ("03:00", "ok: fine", "held: not-asked"),
            ("03:01", "critical", "held: not-asked"),
            ("03:02", "ok: fine", "held: not-asked"),
            ("03:03", "skip", ""),
            ("03:04", "skip", ""),
            ("03:05", "skip", ""),
        ],
    );
    story(
        "on = [\"recovery\"]",
        &[("03:01", "critical", "held: not-asked"), ("03:02", "ok: fine", "held: never-reported")],
    );
    story(
        "on = [\"failure\"]",
        &[
            ("03:01", "critical", "failure critical, opens #1, pings"),
            ("03:02", "ok: fine", "held: not-asked && recovery ok, only edits #1 (1 failure in 1m)"),
            ("03:03", "critical", "failure critical, opens #3, pings"),
        ],
    );
    story("on = [\"success\"]", &[("03:01", "ok", "success ok"), ("03:02", "critical", "held: not-asked")]);
    story(
        "on = [\"output\"]",
        &[
            ("03:00", "ok:  ", "held: blank"),
            ("03:01", "ok: x", "output ok"),
            ("03:02", "ok: x", "output ok"),
            ("03:03", "not run: x", "not run"),
        ],
    );
}

#[test]
fn a_change_is_told_exactly() {
    story(
        "on = [\"change\", \"failure\"]",
        &[
            ("03:00", "ok: 3 users at 03:00", "held: not-asked"),
            ("03:01", "ok: 4 users at 03:01", "change ok"),
            ("03:02", "ok: nobody at 03:02", "change ok"),
            ("03:03", "critical: no answer", "failure critical, opens #4, pings"),
            ("03:04", "ok: nobody at 03:04", "change ok && recovery ok, only edits #4 (1 failure in 1m)"),
            ("03:05", "ok: nobody at 03:04 ", "change ok"),
            ("03:06", "ok: nobody at 03:04 \n", "held: unchanged"),
            ("03:07", "ok:  nobody at 03:04 ", "change ok"),
        ],
    );
    let mut life = Life::new("on = [\"change\"]\nnormalize = false");
    life.step("ok: 3 users", at("03:00"));
    let Verdict::Notify(word) = life.run("ok: 4 users", at("03:01")) else { panic!("it changed") };
    assert_eq!(word.diff, "@@ -1 +1 @@\n-3 users\n+4 users");
    assert_eq!(word.previous.expect("a run before").stdout, "3 users");
}

#[test]
fn a_run_that_was_none_changes_nothing() {
    story(
        "",
        &[
            ("03:00", "critical", "failure critical, opens #1, pings"),
            ("03:01", "not run", "not run"),
            ("04:00", "critical", "repeat critical, in #1 (same failure, 2nd time)"),
        ],
    );
}

#[test]
fn a_failure_that_lasts_is_shown_also_where_it_began_a_conversation() {
    story(
        "intermittent = { incidents = 3, within = '24h' }\nflap = false",
        &[
            ("03:00", "critical: x", "failure critical, opens #1, pings"),
            ("03:05", "ok", "recovery ok, closes #1 in its thread (1 failure in 5m)"),
            ("03:10", "critical: x", "failure critical, opens #3, pings"),
            ("03:15", "ok", "recovery ok, closes #3 in its thread (1 failure in 5m)"),
            (
                "03:20",
                "critical: x",
                "failure critical, opens #5, pings (failed 3 of 5 runs since 03:00, intermittently)",
            ),
            ("03:25", "critical: x", "held: repeat-not-due until 23 04:20"),
            (
                "03:30",
                "critical: x",
                "repeat critical, shown in #5, pings (3 failures in a row since 03:20) [failed 5 of 7 runs since 03:00, intermittently]",
            ),
            ("03:35", "critical: x", "held: repeat-not-due until 23 04:30"),
            (
                "03:40",
                "ok",
                "recovery ok, shown in #5 (4 failures in 20m) [failed 6 of 9 runs since 03:00, intermittently]",
            ),
        ],
    );
}

#[test]
fn no_rate_limit_keeps_back_that_an_incident_got_worse() {
    let steps = [
        ("03:00", "warning: 80%", "failure warning, opens #1"),
        ("03:01", "warning: other", "held: rate-limited until 23 04:00"),
        ("03:02", "critical: 95%", "repeat critical, shown in #1, pings, 1 suppressed (worse: was warning)"),
        ("03:03", "warning: 80%", "held: rate-limited until 23 04:00"),
        ("03:04", "critical: 96%", "held: repeat-not-due until 23 04:02"),
        ("03:05", "ok", "recovery ok, closes #1, 1 suppressed (5 failures in 5m)"),
    ];
    story("rate_limit = \"1/h\"", &steps);
}

#[test]
fn above_the_rate_limit_alerts_are_counted_but_never_the_first_and_the_last_of_an_incident() {
    story(
        "rate_limit = \"2/h\"",
        &[
            ("03:00", "ok: a", "output ok"),
            ("03:01", "ok: b", "output ok"),
            ("03:02", "ok: c", "held: rate-limited until 23 03:30"),
            ("03:03", "ok: d", "held: rate-limited until 23 03:30"),
            ("03:04", "critical", "failure critical, opens #5, pings, 2 suppressed"),
            ("03:05", "timeout", "held: rate-limited until 23 03:30"),
            ("03:06", "ok", "recovery ok, closes #5, 1 suppressed (2 failures in 2m)"),
            ("03:07", "ok: e", "held: rate-limited until 23 03:30"),
            ("03:30", "ok: f", "output ok, 1 suppressed"),
            ("03:31", "ok: g", "held: rate-limited until 23 04:00"),
        ],
    );
}

#[test]
fn a_job_that_flaps_is_told_once_and_once_more_when_it_is_steady() {
    story(
        "flap = { changes = 4, within = \"30m\" }",
        &[
            ("03:00", "critical", "failure critical, opens #1, pings"),
            ("03:05", "ok", "recovery ok, closes #1 in its thread (1 failure in 5m)"),
            ("03:10", "critical", "failure critical, opens #3, pings"),
            ("03:15", "ok", "recovery ok, closes #3 in its thread (1 failure in 5m)"),
            (
                "03:20",
                "critical",
                "flapping critical, opens #5, pings (4 changes of status in 15m, no more messages until it is steady for 30m)",
            ),
            ("03:25", "ok: x", "held: flapping until 23 03:55"),
            ("03:30", "critical", "held: flapping until 23 04:00"),
            ("03:35", "critical", "held: flapping until 23 04:00"),
            ("03:40", "ok", "held: flapping until 23 04:10"),
            ("03:45", "ok", "held: flapping until 23 04:10"),
            ("04:10", "clock", "flapping ok, closes #5 (steady again: ok for 30m)"),
            ("04:15", "ok: x", "output ok"),
            (
                "04:20",
                "critical",
                "failure critical, opens #12, pings (failed 6 of 12 runs since 03:00, intermittently)",
            ),
        ],
    );
}

#[test]
fn a_job_that_is_steady_in_failing_is_an_incident_and_its_end_is_told() {
    story(
        "flap = { changes = 2, within = \"10m\" }\nrepeat = \"never\"",
        &[
            ("03:00", "ok", "held: blank"),
            ("03:01", "critical", "failure critical, opens #2, pings"),
            (
                "03:02",
                "ok",
                "flapping ok, shown in #2 (2 changes of status in 1m, no more messages until it is steady for 10m)",
            ),
            ("03:03", "critical", "held: flapping until 23 03:13"),
            ("03:08", "critical", "held: flapping until 23 03:13"),
            ("03:13", "critical", "flapping critical, shown in #2, pings (steady again: critical for 10m)"),
            ("03:18", "critical", "held: repeat-not-due"),
            ("03:23", "ok", "recovery ok, closes #2 (5 failures in 22m)"),
        ],
    );
}

#[test]
fn flapping_that_was_over_before_anybody_asked_the_clock_is_over() {
    let lived = |last: [&str; 2]| {
        let mut life = Life::new("flap = { changes = 2, within = \"10m\" }\nrepeat = \"never\"");
        ["critical", "ok", "critical", "ok", last[0]].iter().zip(0..).for_each(|(what, minute)| {
            life.run(what, at(&format!("03:0{minute}")));
        });
        let verdict = life.run(last[1], at("04:00"));
        life.told(&verdict, at("04:00"))
    };
    assert_eq!(lived(["ok", "critical"]), "failure critical, opens #6, pings");
    assert_eq!(lived(["critical", "ok"]), "recovery ok, closes #3 (2 failures in 58m)");
    assert_eq!(lived(["ok", "ok"]), "flapping ok, closes #3 (steady again: ok for 57m)");
}

#[test]
fn flapping_can_be_off() {
    let mut life = Life::new("flap = { changes = 0 }\nrate_limit = \"1000/h\"");
    for minute in 10..50 {
        let said = life.step(if minute % 2 == 0 { "ok" } else { "critical" }, at(&format!("03:{minute}")));
        assert!(!said.contains("flapping"), "{said}");
    }
}

#[test]
fn what_happens_in_quiet_hours_comes_as_one_digest() {
    story(
        "quiet_hours = \"22:00-07:00\"",
        &[
            ("21:00", "warning: 81%", "failure warning, opens #1"),
            ("22:00", "warning: 82%", "held: quiet-hours until 24 07:00"),
            ("22:05", "ok: fine", "held: quiet-hours until 24 07:00"),
            ("22:10", "ok: fine", "held: quiet-hours until 24 07:00"),
            (
                "24 07:00",
                "clock",
                "recovery ok, closes #1 (3 alerts in quiet hours) | warning from 21:00 to 22:05 (1h 5m), 2 failures: 82% | 22:05 output, 2 times: fine",
            ),
        ],
    );
    story(
        "quiet_hours = \"22:00-07:00\"",
        &[
            ("22:05", "ok: three files", "held: quiet-hours until 24 07:00"),
            ("24 03:00", "critical: disk full", "held: quiet-hours until 24 07:00"),
            ("24 03:05", "critical: disk full", "held: quiet-hours until 24 07:00"),
            ("24 03:10", "ok", "held: quiet-hours until 24 07:00"),
            ("24 03:15", "ok", "held: blank"),
            ("24 05:00", "critical: no route", "held: quiet-hours until 24 07:00"),
            (
                "24 07:00",
                "clock",
                "failure critical, opens #6, pings (3 alerts in quiet hours) | critical since 05:00, 1 failure, failing still: no route | 22:05 output: three files | critical from 03:00 to 03:10 (10m), 2 failures: disk full",
            ),
            ("24 07:05", "critical: no route", "held: repeat-not-due until 24 08:00"),
            ("24 07:10", "ok", "recovery ok, closes #6 (2 failures in 2h 10m)"),
        ],
    );
}

#[test]
fn a_failure_of_the_night_and_its_end_are_told_together_in_the_morning() {
    story(
        "quiet_hours = \"22:00-07:00\"",
        &[
            ("24 03:00", "critical: disk full", "held: quiet-hours until 24 07:00"),
            ("24 03:10", "ok", "held: quiet-hours until 24 07:00"),
            (
                "24 07:00",
                "clock",
                "recovery ok (1 alert in quiet hours) | critical from 03:00 to 03:10 (10m), 1 failure: disk full",
            ),
            ("24 07:05", "ok", "held: blank"),
        ],
    );
    // A run comes before anybody asks the clock.
    let mut life = Life::new("quiet_hours = \"22:00-07:00\"");
    life.step("critical: disk full", at("24 03:00"));
    let verdict = life.run("ok", at("24 07:01"));
    assert_eq!(
        life.told(&verdict, at("24 07:01")),
        "recovery ok (1 failure in 4h 1m) | critical from 03:00 to 07:01 (4h 1m), 1 failure: disk full"
    );
}

#[test]
fn an_incident_told_before_the_night_is_closed_or_goes_on_in_the_morning() {
    story(
        "quiet_hours = \"22:00-07:00\"",
        &[
            ("21:00", "critical: disk full", "failure critical, opens #1, pings"),
            ("22:05", "ok", "held: quiet-hours until 24 07:00"),
            (
                "24 07:00",
                "clock",
                "recovery ok, closes #1 (1 alert in quiet hours) | critical from 21:00 to 22:05 (1h 5m), 1 failure: disk full",
            ),
        ],
    );
    story(
        "quiet_hours = \"22:00-07:00\"",
        &[
            ("21:00", "critical: disk full", "failure critical, opens #1, pings"),
            ("22:05", "ok", "held: quiet-hours until 24 07:00"),
            ("22:10", "critical: disk full", "held: quiet-hours until 24 07:00"),
            ("22:15", "critical: disk full", "held: quiet-hours until 24 07:00"),
            (
                "24 07:00",
                "clock",
                "repeat critical, shown in #1, pings (1 alert in quiet hours) | critical since 21:00, 3 failures, ok in between, \
             failing still: disk full",
            ),
        ],
    );
    story(
        "quiet_hours = \"22:00-07:00\"\nrepeat = \"never\"",
        &[
            ("21:00", "critical: disk full", "failure critical, opens #1, pings"),
            ("22:05", "ok: fine", "held: quiet-hours until 24 07:00"),
            ("22:10", "critical: disk full", "held: repeat-not-due until 24 07:00"),
            (
                "24 07:00",
                "clock",
                "repeat critical, shown in #1, pings (2 alerts in quiet hours) | critical since 21:00, 2 failures, ok in between, failing still | 22:05 output: fine",
            ),
        ],
    );
}

#[test]
fn an_incident_that_was_over_for_a_part_of_the_night_is_not_told_as_if_it_had_lasted() {
    story(
        "quiet_hours = \"22:00-07:00\"",
        &[
            ("20:00", "critical: disk full", "failure critical, opens #1, pings"),
            ("23:00", "ok", "held: quiet-hours until 24 07:00"),
            ("24 02:00", "critical: disk full", "held: quiet-hours until 24 07:00"),
            ("24 03:00", "ok", "held: quiet-hours until 24 07:00"),
            (
                "24 07:00",
                "clock",
                "recovery ok, closes #1 (1 alert in quiet hours) | critical from 20:00 to 03:00 (7h), 2 failures, ok in \
                 between: disk full",
            ),
        ],
    );
}

#[test]
fn what_was_told_at_once_in_quiet_hours_is_the_worst_of_its_incident_in_the_morning_too() {
    story(
        "quiet_hours = \"22:00-07:00\"\nquiet_except = [\"critical\"]",
        &[
            ("24 01:00", "critical: 99%", "failure critical, opens #1, pings"),
            ("24 01:30", "warning: 81%", "held: quiet-hours until 24 07:00"),
            (
                "24 07:00",
                "clock",
                "repeat warning, shown in #1 (1 alert in quiet hours) | failing since 01:00, 2 failures, critical at worst, warning at last: 81%",
            ),
        ],
    );
}

#[test]
fn a_digest_goes_to_the_channels_of_what_happened_in_the_night() {
    let mut life = Life::new("quiet_hours = \"22:00-07:00\"\nchannels.critical = \"#pager\"");
    let ops = Channel::new("ops");
    life.step("critical: disk full", at("24 03:00"));
    life.step("ok", at("24 03:10"));
    let digest = wake(&life.settings, &mut life.health, None, &life.zone, at("24 07:00"));
    let channels: Vec<_> = digest[0].channels(&life.settings, Some(&ops)).iter().map(ToString::to_string).collect();
    assert_eq!(channels, ["#pager"]);
}

#[test]
fn what_is_excepted_from_quiet_hours_speaks_and_so_does_its_end() {
    story(
        "quiet_hours = \"22:00-07:00\"\nquiet_except = [\"critical\"]",
        &[
            ("24 02:50", "ok: fine", "held: quiet-hours until 24 07:00"),
            ("24 03:00", "warning: 81%", "held: quiet-hours until 24 07:00"),
            ("24 03:05", "critical: 99%", "failure critical, opens #2, pings (failing since 03:00, 2 failures)"),
            ("24 03:10", "ok", "recovery ok, closes #2 (2 failures in 10m)"),
            ("24 03:15", "warning: 81%", "held: quiet-hours until 24 07:00"),
            ("24 03:20", "ok", "held: quiet-hours until 24 07:00"),
            (
                "24 07:00",
                "clock",
                "recovery ok (2 alerts in quiet hours) | 02:50 output: fine | warning from 03:15 to 03:20 (5m), 1 failure: 81%",
            ),
        ],
    );
    story(
        "quiet_hours = \"22:00-07:00\"\nquiet_except = [\"critical\"]",
        &[
            ("24 03:00", "warning: 81%", "held: quiet-hours until 24 07:00"),
            ("24 03:05", "ok", "held: quiet-hours until 24 07:00"),
            ("24 03:10", "critical: 99%", "failure critical, opens #3, pings"),
            (
                "24 07:00",
                "clock",
                "repeat critical, shown in #3 (1 alert in quiet hours) | warning from 03:00 to 03:05 (5m), 1 failure: 81%",
            ),
            ("24 07:05", "ok", "recovery ok, closes #3 in its thread (1 failure in 3h 55m)"),
        ],
    );
}

#[test]
fn a_night_of_which_a_failure_was_told_at_once_is_one_of_the_nights_in_a_row() {
    let night = |nights: &str| {
        format!("recovery ok (1 alert in quiet hours) | warning from 02:00 to 02:05 (5m), 1 failure{nights}: 81%")
    };
    let waits = |day: &str| format!("held: quiet-hours until {day} 07:00");
    let [until_24, until_26, until_27] = ["24", "26", "27"].map(waits);
    let [first, third, fourth] = ["", ", 3rd night in a row", ", 4th night in a row"].map(night);
    story(
        "quiet_hours = \"22:00-07:00\"\nquiet_except = [\"critical\"]\nintermittent = false",
        &[
            ("24 02:00", "warning: 81%", &until_24),
            ("24 02:05", "ok", &until_24),
            ("24 07:00", "clock", &first),
            ("25 02:00", "critical: 99%", "failure critical, opens #3, pings"),
            ("25 02:05", "ok", "recovery ok, closes #3 in its thread (1 failure in 5m)"),
            ("26 02:00", "warning: 81%", &until_26),
            ("26 02:05", "ok", &until_26),
            ("26 07:00", "clock", &third),
            // One night is counted once, whatever else waits in it.
            ("27 01:00", "critical: 99%", "failure critical, opens #7, pings"),
            ("27 01:05", "ok", "recovery ok, closes #7 in its thread (1 failure in 5m)"),
            ("27 02:00", "warning: 81%", &until_27),
            ("27 02:05", "ok", &until_27),
            ("27 07:00", "clock", &fourth),
        ],
    );
}

#[test]
fn flapping_through_the_night_is_a_line_of_the_digest() {
    story(
        "quiet_hours = \"22:00-07:00\"\nflap = { changes = 2, within = \"10m\" }",
        &[
            ("24 03:00", "ok", "held: blank"),
            ("24 03:01", "critical: x", "held: quiet-hours until 24 07:00"),
            ("24 03:02", "ok", "held: quiet-hours until 24 07:00"),
            ("24 03:03", "critical: x", "held: flapping until 24 03:13"),
            ("24 03:04", "ok", "held: flapping until 24 03:14"),
            ("24 03:14", "clock", ""),
            (
                "24 07:00",
                "clock",
                "recovery ok (3 alerts in quiet hours) | critical from 03:01 to 03:02 (1m), 1 failure: x | 03:02 flapping: 2 \
                 changes of status in 1m, no more messages until it is steady for 10m | 03:14 flapping: steady again: ok for 10m",
            ),
        ],
    );
}

#[test]
fn a_silence_delays_a_recovery_and_does_not_lose_it() {
    story(
        "",
        &[
            ("03:00", "critical: x", "failure critical, opens #1, pings"),
            ("03:01", "silence 1h", ""),
            ("03:05", "timeout", "held: silenced until 23 04:01"),
            ("03:10", "ok", "held: silenced until 23 04:01"),
            ("03:15", "ok", "held: silenced until 23 04:01"),
            ("04:01", "clock", "recovery ok, closes #1 (ok since 03:10, 2 failures in 10m)"),
            ("04:05", "ok", "held: blank"),
        ],
    );
    story(
        "",
        &[
            ("03:00", "silence 1h", ""),
            ("03:05", "critical: x", "held: silenced until 23 04:00"),
            (
                "04:00",
                "clock",
                "failure critical, opens #1, pings (still failing, 1 failure since 03:05: the silence ended)",
            ),
            ("04:05", "critical: x", "held: repeat-not-due until 23 05:00"),
        ],
    );
    story(
        "",
        &[
            ("03:00", "critical: x", "failure critical, opens #1, pings"),
            ("03:01", "silence 1h", ""),
            ("03:10", "ok", "held: silenced until 23 04:01"),
            ("03:15", "critical: x", "held: repeat-not-due until 23 04:01"),
            (
                "04:01",
                "clock",
                "repeat critical, shown in #1, pings (failing again since 03:15, 2 failures since 03:00, ok in between: the silence ended)",
            ),
            ("04:10", "ok", "recovery ok, closes #1 (2 failures in 1h 10m)"),
        ],
    );
    // By itself it would not be reported yet.
    story(
        "after = 2",
        &[
            ("02:55", "critical: x", "held: below-after"),
            ("03:00", "critical: x", "failure critical, opens #1, pings (failing since 02:55, 2 failures)"),
            ("03:01", "silence 1h", ""),
            ("03:10", "ok", "held: silenced until 23 04:01"),
            ("03:55", "critical: x", "held: repeat-not-due until 23 04:01"),
            (
                "04:01",
                "clock",
                "repeat critical, in #1 (failing again since 03:55, 3 failures since 02:55, ok in between: the silence ended)",
            ),
        ],
    );
    story(
        "",
        &[
            ("03:00", "critical: x", "failure critical, opens #1, pings"),
            ("03:01", "silence 1h", ""),
            ("03:10", "ok", "held: silenced until 23 04:01"),
            ("03:12", "again", ""),
            ("03:12", "clock", "recovery ok, closes #1 in its thread (ok since 03:10, 1 failure in 10m)"),
            ("03:15", "ok", "held: blank"),
        ],
    );
}

#[test]
fn a_silence_that_outlasts_quiet_hours_ends_in_one_message() {
    story(
        "quiet_hours = '03:00-04:00'\nnormalize = 'none'",
        &[
            ("02:50", "critical: x", "failure critical, opens #1, pings"),
            ("03:10", "critical: y", "held: quiet-hours until 23 04:00"),
            ("03:20", "silence 1h", ""),
            ("03:30", "critical: z", "held: silenced until 23 04:20"),
            (
                "04:20",
                "clock",
                "repeat critical, shown in #1 (1 alert in quiet hours) | critical since 02:50, 3 failures, failing still: z",
            ),
        ],
    );
    // What came in the silence is the last that is known.
    story(
        "quiet_hours = '03:00-04:00'",
        &[
            ("03:10", "warning: 81 %", "held: quiet-hours until 23 04:00"),
            ("03:20", "silence 1h", ""),
            ("03:30", "critical: 97 %", "held: silenced until 23 04:20"),
            (
                "04:20",
                "clock",
                "failure critical, opens #1, pings (1 alert in quiet hours) | failing since 03:10, 2 failures, critical at worst: 97 %",
            ),
        ],
    );
    story(
        "quiet_hours = '03:00-04:00'",
        &[
            ("03:10", "critical: x", "held: quiet-hours until 23 04:00"),
            ("03:20", "silence 1h", ""),
            ("03:30", "ok", "held: silenced until 23 04:20"),
            (
                "04:20",
                "clock",
                "recovery ok (1 alert in quiet hours) | critical from 03:10 to 03:30 (20m), 1 failure: x",
            ),
        ],
    );
}

#[test]
fn the_end_of_a_silence_tells_nothing_of_a_job_that_flaps() {
    story(
        "flap = { changes = 2, within = \"10m\" }\nrepeat = \"never\"",
        &[
            ("03:00", "ok", "held: blank"),
            ("03:01", "critical", "failure critical, opens #2, pings"),
            (
                "03:02",
                "ok",
                "flapping ok, shown in #2 (2 changes of status in 1m, no more messages until it is steady for 10m)",
            ),
            ("03:03", "silence 4m", ""),
            ("03:04", "critical", "held: flapping until 23 03:14"),
            ("03:07", "clock", ""),
            ("03:14", "clock", "flapping critical, shown in #2, pings (steady again: critical for 10m)"),
        ],
    );
}

#[test]
fn a_job_that_flaps_is_not_over_where_no_recovery_is_asked_for() {
    story(
        "flap = { changes = 3, within = \"10m\" }\non = [\"failure\"]",
        &[
            ("03:00", "ok", "held: not-asked"),
            ("03:01", "critical", "failure critical, opens #2, pings"),
            ("03:02", "ok", "held: not-asked && recovery ok, only edits #2 (1 failure in 1m)"),
            (
                "03:03",
                "critical",
                "flapping critical, opens #4, pings (3 changes of status in 2m, no more messages until it is steady for 10m)",
            ),
            ("03:04", "ok", "held: not-asked"),
            ("03:05", "critical", "held: flapping until 23 03:15"),
            ("03:06", "ok", "held: not-asked"),
            ("03:16", "clock", "flapping ok, closes #4 (steady again: ok for 10m)"),
            ("03:20", "ok", "held: not-asked"),
        ],
    );
}

#[test]
fn while_the_message_of_an_incident_waits_for_a_channel_that_refused_it_only_worse_news_follow() {
    let mut life = Life::new("");
    life.step("warning: a", at("03:00"));
    assert!(life.health.undelivered(1, true));
    for (time, what, told) in [
        ("03:00:30", "warning: a", "held: repeat-not-due until 23 03:01"),
        ("03:00:40", "critical: b", "failure critical, opens #1, pings (failing since 03:00, 3 failures)"),
    ] {
        assert_eq!(life.step(what, at(time)), told, "{time}");
    }
    assert!(life.health.undelivered(1, true));
    for (time, what, told) in [
        ("03:00:50", "critical: b", "held: repeat-not-due until 23 03:01"),
        ("03:01:40", "critical: b", "failure critical, opens #1, pings (failing since 03:00, 5 failures)"),
    ] {
        assert_eq!(life.step(what, at(time)), told, "{time}");
    }
    // It is a dead letter.
    assert!(life.health.undelivered(1, false));
    let told = life.step("critical: b", at("03:01:50"));
    assert_eq!(told, "failure critical, opens #1, pings (failing since 03:00, 6 failures)");
}

#[test]
fn a_failure_that_slack_refuses_for_good_is_told_more_and_more_seldom_and_worse_news_at_once() {
    let mut life = Life::new("");
    let told = |life: &mut Life, what: &str, time: &str| life.step(what, at(time));
    for (time, next) in [("03:00", None), ("03:00:31", Some("03:01:31")), ("03:01:31", Some("03:03:31"))] {
        assert!(told(&mut life, "warning: a", time).starts_with("failure warning, opens #1"), "{time}");
        assert!(life.health.undelivered(1, false));
        if let Some(next) = next {
            let held = format!("held: repeat-not-due until 23 {}", &next[..5]);
            assert_eq!(told(&mut life, "warning: a", &format!("{}:55", &time[..5])), held, "{time}");
        }
    }
    assert!(told(&mut life, "critical: b", "03:02:10").starts_with("failure critical, opens #1, pings"));
    assert!(life.health.undelivered(1, false));
    assert!(told(&mut life, "critical: b", "03:05:10").starts_with("held: repeat-not-due until 23 03:06"));
    // A person has it sent again, and the channel takes it: it counts as told.
    assert!(life.health.delivered(1, &Channel::new("ops"), None));
    assert!(told(&mut life, "critical: b", "03:07").starts_with("held: repeat-not-due until 23 04:0"));
    assert!(told(&mut life, "ok", "03:08").starts_with("recovery ok, closes #1"));
}

#[test]
fn a_status_that_goes_to_and_fro_is_told_three_times_and_then_waits() {
    let worse = "repeat critical, in #1 (worse: was warning)";
    let better = "repeat warning, in #1 (better: was critical)";
    story(
        "",
        &[
            ("03:00", "warning: a", "failure warning, opens #1"),
            ("03:10", "critical: b", "repeat critical, shown in #1, pings (worse: was warning)"),
            ("03:20", "warning: a", better),
            ("03:30", "critical: b", worse),
            ("03:40", "warning: a", better),
            ("03:50", "critical: b", worse),
            ("04:00", "warning: a", better),
            ("04:10", "critical: b", worse),
            ("04:20", "warning: a", "held: repeat-not-due until 23 05:10"),
            ("05:10", "warning: a", better),
        ],
    );
}

#[test]
fn a_better_status_takes_no_step_of_the_intervals() {
    story(
        "",
        &[
            ("03:00", "critical: a", "failure critical, opens #1, pings"),
            ("03:10", "unknown: b", "repeat unknown, in #1 (state unknown since 03:10, was critical)"),
            ("03:20", "warning: c", "repeat warning, in #1 (better: was unknown)"),
            ("04:10", "warning: c", "held: repeat-not-due until 23 04:20"),
            ("04:20", "warning: c", "repeat warning, in #1 (same failure, 3rd time)"),
            ("05:20", "warning: c", "held: repeat-not-due until 23 06:20"),
            ("06:20", "warning: c", "repeat warning, in #1 (same failure, 5th time)"),
        ],
    );
}

#[test]
fn a_job_that_hangs_is_told_once() {
    story(
        "",
        &[
            ("03:00", "skip", ""),
            ("03:01", "skip", ""),
            ("03:02", "skip", "stuck critical, opens #1, pings (3 due times skipped in a row)"),
            ("03:03", "skip", ""),
            ("03:30", "ok", "recovery ok, closes #1 (ended after 1s, exit code 0)"),
            // The next run hangs too: the end of the one before was told, so this is another incident.
            ("03:31", "skip", ""),
            ("03:32", "skip", ""),
            ("03:33", "skip", "stuck critical, opens #2, pings (3 due times skipped in a row)"),
            ("04:02", "skip", ""),
            ("04:03", "ok", "recovery ok, closes #2 (ended after 1s, exit code 0)"),
            ("04:04", "ok", "held: blank"),
            ("04:05", "skip", ""),
            ("04:06", "skip", ""),
            ("04:07", "skip", "stuck critical, opens #4, pings (3 due times skipped in a row)"),
        ],
    );
    // Its end is told in the morning, also where the next one hangs by then.
    story(
        "stuck_after = 2\nquiet_hours = \"22:00-07:00\"\nintermittent = false\nrepeat = \"never\"",
        &[
            ("21:00", "skip", ""),
            ("21:01", "skip", "stuck critical, opens #1, pings (2 due times skipped in a row)"),
            ("22:30", "critical: killed", "held: quiet-hours until 24 07:00"),
            ("22:35", "ok", "held: quiet-hours until 24 07:00"),
            ("24 06:00", "skip", ""),
            ("24 06:01", "skip", ""),
            (
                "24 07:00",
                "clock",
                "stuck critical, shown in #1, pings (2 due times skipped in a row) | critical since 20:01, 2 failures, ok in between, failing still: a run hung: copying",
            ),
            ("24 07:10", "ok", "recovery ok, closes #1 (2 failures in 11h 9m)"),
        ],
    );
    story("stuck_after = 0", &[("03:00", "skip", ""), ("03:01", "skip", ""), ("03:02", "skip", "")]);
    // Its file was gone for a moment: nothing that is to be read says any more that it hangs.
    story(
        "",
        &[
            ("03:00", "skip", ""),
            ("03:01", "skip", ""),
            ("03:02", "skip", "stuck critical, opens #1, pings (3 due times skipped in a row)"),
            ("03:03", "gone", "#1 is gone"),
            ("03:04", "skip", "stuck critical, opens #1, pings (4 due times skipped in a row)"),
            ("03:05", "skip", ""),
            ("03:06", "ok", "recovery ok, closes #1 (ended after 1s, exit code 0)"),
        ],
    );
    story(
        "stuck_after = 1\nrate_limit = \"1/h\"",
        &[
            ("03:00", "ok: x", "output ok"),
            ("03:10", "skip", "stuck critical, opens #2, pings (1 due time skipped in a row)"),
            ("03:20", "skip", ""),
            ("04:00", "skip", ""),
        ],
    );
    // That the run is over is told, also where it fails as before.
    story(
        "stuck_after = 1\nrepeat = \"never\"",
        &[
            ("03:00", "critical: x", "failure critical, opens #1, pings"),
            ("03:10", "skip", "stuck critical, in #1 (1 due time skipped in a row)"),
            ("03:30", "critical: x", "repeat critical, in #1 (ended after 1s, exit code 2)"),
            ("03:40", "critical: x", "held: repeat-not-due"),
        ],
    );
    story(
        "stuck_after = 1\nquiet_hours = \"22:00-07:00\"",
        &[
            ("24 03:00", "skip", ""),
            ("24 03:01", "skip", ""),
            (
                "24 07:00",
                "clock",
                "stuck critical, opens #1, pings (2 due times skipped in a row) | critical since 02:00, 1 failure, failing still: a run hung: copying",
            ),
        ],
    );
}

#[test]
fn a_word_that_could_not_be_said_was_not() {
    story(
        "rate_limit = \"1/h\"",
        &[
            ("03:00", "ok: x", "output ok"),
            ("03:00", "retract", ""),
            ("03:01", "ok: x", "output ok"),
            ("03:02", "critical", "failure critical, opens #3, pings"),
            ("03:02", "retract", ""),
            ("03:03", "ok", "held: never-reported"),
            ("03:04", "critical", "failure critical, opens #5, pings"),
            ("03:05", "ok", "recovery ok, closes #5 in its thread (1 failure in 1m)"),
            ("03:05", "retract", ""),
            ("03:06", "ok", "recovery ok, closes #5 in its thread (ok since 03:05, 1 failure in 1m)"),
            ("03:06", "retract", ""),
            ("03:07", "ok", "held: blank"),
            ("03:08", "critical", "failure critical, opens #9, pings"),
        ],
    );
}

#[test]
fn a_failure_after_good_news_that_rendered_to_blanks_is_a_new_one() {
    story(
        "on = [\"output\", \"failure\"]",
        &[
            ("03:00", "critical", "failure critical, opens #1, pings"),
            ("03:01", "ok: x", "output ok && recovery ok, only edits #1 (1 failure in 1m)"),
            ("03:01", "retract", ""),
            ("03:02", "critical", "failure critical, opens #3, pings"),
        ],
    );
}

#[test]
fn without_thread_nothing_is_threaded() {
    story(
        "thread = false",
        &[("03:00", "critical", "failure critical, pings"), ("03:01", "ok", "recovery ok (1 failure in 1m)")],
    );
}

#[test]
fn a_clock_that_is_set_back_delays_nothing_for_longer_than_the_setting() {
    story(
        "",
        &[
            ("27 03:00", "critical", "failure critical, opens #1, pings"),
            ("23 03:00", "critical", "held: repeat-not-due until 23 04:00"),
            ("23 04:00", "critical", "repeat critical, in #1 (same failure, 3rd time)"),
        ],
    );
}

#[test]
fn a_recovery_goes_where_its_failure_was_told() {
    let ops = Channel::new("ops");
    let channels = |notify: &str, runs: &[&str]| {
        let mut life = Life::new(notify);
        let mut said = Vec::new();
        for (minute, what) in runs.iter().enumerate() {
            if let Verdict::Notify(word) = life.run(what, at(&format!("03:0{minute}"))) {
                said.push(
                    word.channels(&life.settings, Some(&ops)).iter().map(ToString::to_string).collect::<Vec<_>>(),
                );
            }
        }
        said
    };
    assert_eq!(channels("", &["critical", "ok", "ok: x"]), [["#ops"], ["#ops"], ["#ops"]]);
    assert_eq!(
        channels("channels = { critical = \"pager\" }", &["warning", "critical", "ok", "ok: x"]),
        [vec!["#ops"], vec!["#ops", "#pager"], vec!["#pager", "#ops"], vec!["#ops"]]
    );
    assert_eq!(
        channels("channels = { critical = \"pager\", ok = \"log\" }", &["critical", "ok", "ok: x"]),
        [vec!["#pager"], vec!["#pager", "#log"], vec!["#log"]]
    );
    assert_eq!(channels("channels = { critical = \"pager\" }", &["critical", "ok"]), [["#pager"], ["#pager"]]);
}

#[test]
fn a_change_in_the_middle_of_what_is_dropped_is_a_change() {
    for (normalize, held) in [("failures", [true, true, false]), ("all", [true, true, true])] {
        let settings = settings(&format!("on = ['change']\nnormalize = '{normalize}'"));
        let zone = TimeZone::UTC;
        let mut health = Health::default();
        let now = at("03:00");
        let kept_back = [1, 1, 2].map(|whole| {
            let verdict = run_as("ok: much", 1, now, |facts| {
                judge(&settings, &mut health, &Facts { whole: Some(whole), ..*facts }, &zone, now)
            });
            !matches!(verdict.verdict, Verdict::Notify(_))
        });
        assert_eq!(kept_back, held, "{normalize}");
    }
}
