//! Jobs that follow others (`after`), jobs that share a lock (`lock`), and jobs that something else runs (`expect`): the
//! dispatcher by itself, in worlds of which the jobs, the lengths of runs, their ends and the crashes are given or random.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use slack_alert::api::HoldAnswer;
use slack_alert::clock::{Mono, Now, shift};
use slack_alert::daemon::dispatcher::{Dispatcher, Entry, Past, RunReport, Turn, Wrapper};
use slack_alert::daemon::{Asker, NewHold, NewRun, Ping, Pinged, Reply, Request};
use slack_alert::exec::{Captured, Environment, Outcome, Reason, Run, Status};
use slack_alert::id::{JobName, RunId};
use slack_alert::plan::{self, Job, Options, Plan, Surroundings};
use slack_alert::policy::{By, HoldKind, Via};
use slack_alert::store::{JobState, RunningRow};

const START: &str = "2026-11-23T08:00:00Z";

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

fn plan(files: &[(String, String)]) -> Plan {
    plan_in(tempfile::tempdir().expect("a folder").path(), files)
}

fn plan_in(dir: &Path, files: &[(String, String)]) -> Plan {
    plan_beside(&[], dir, files)
}

fn plan_beside(in_use: &[Arc<Job>], dir: &Path, files: &[(String, String)]) -> Plan {
    fs::create_dir_all(dir.join("jobs.d")).expect("a folder");
    let config = "slack.channel = '#ops'\nhost = 'web-1'\ntime_zone = 'Europe/Berlin'\n[limits]\nmax_running = 3\n";
    fs::write(dir.join("slack_alert.toml"), config).expect("files can be written");
    for (name, text) in files {
        fs::write(dir.join(format!("jobs.d/{name}.toml")), text).expect("files can be written");
    }
    let options = Options { config: Some(dir.join("slack_alert.toml")), ..Options::default() };
    let environment = Environment::new([("PATH".into(), "/usr/bin:/bin".into())]);
    let around = Surroundings { environment: Arc::new(environment), zone: TimeZone::UTC, host: "web-1".to_owned() };
    let loaded = plan::load_again(&options, &around, in_use);
    let error = loaded.findings.first_error();
    assert!(error.is_empty(), "{error}");
    loaded.plan.expect("it has no error")
}

fn files(jobs: &[(&str, &str)]) -> Vec<(String, String)> {
    jobs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// A run, as it was.
#[derive(Clone, Debug)]
struct Ran {
    job: JobName,
    from: Duration,
    to: Option<Duration>,
    reason: Option<Reason>,
}

/// The dispatcher, its runs, and what is on disk.
struct Bench {
    plan: Plan,
    dispatcher: Dispatcher,
    start: Timestamp,
    now: Duration,
    going: BTreeMap<(Duration, RunId), Outcome>,
    runs: HashMap<RunId, (Arc<Run>, usize)>,
    ran: Vec<Ran>,
    states: HashMap<JobName, JobState>,
    events: Vec<String>,
    next_run: u64,
}

impl Bench {
    fn new(start: &str, jobs: &[(String, String)]) -> Self {
        let start: Timestamp = start.parse().expect("a time");
        let plan = plan(jobs);
        let mut bench = Self {
            dispatcher: Dispatcher::new(
                plan.config.limits,
                slack_alert::report::sender(&plan),
                1,
                Now { wall: start, mono: Mono::default() },
            ),
            plan,
            start,
            now: Duration::ZERO,
            going: BTreeMap::new(),
            runs: HashMap::new(),
            ran: Vec::new(),
            states: HashMap::new(),
            events: Vec::new(),
            next_run: 1,
        };
        bench.begin();
        bench
    }

    fn now(&self) -> Now {
        Now { wall: shift(self.start, self.now), mono: Mono(self.now) }
    }

    /// A daemon starts on what is on disk.
    fn begin(&mut self) {
        let now = self.now();
        let sender = slack_alert::report::sender(&self.plan);
        self.dispatcher = Dispatcher::new(self.plan.config.limits, sender, self.next_run, now);
        for job in &self.plan.jobs {
            let past = self.states.get(&job.name).map_or_else(Past::default, |state| Past {
                health: serde_json::from_str(&state.health).expect("it was written"),
                saved: serde_json::from_str(&state.cadence).ok(),
            });
            self.dispatcher.add(Arc::clone(job), past, now);
        }
        let entries = self.dispatcher.daemon_started("boot", now);
        self.keep(entries);
        let left: Vec<(Arc<Run>, usize)> = self.runs.drain().map(|(_, run)| run).collect();
        self.going.clear();
        for (run, index) in left {
            self.ran[index].to = Some(self.now);
            let row = RunningRow {
                id: run.id,
                job: run.job.clone(),
                number: 1,
                trigger: run.trigger,
                scheduled: run.scheduled,
                started: shift(self.start, self.ran[index].from),
                process: None,
            };
            let outcome = Outcome::cut_off(row.started, now);
            let turn = self.dispatcher.interrupted(run, &row, outcome, now);
            self.keep(turn.entries);
        }
    }

    fn keep(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            match &entry {
                Entry::Started { state } | Entry::Ended { state, .. } | Entry::Changed { state, .. } => {
                    self.states.extend(state.clone());
                }
                Entry::Said(_) | Entry::Noted { .. } | Entry::Passed(_) | Entry::Holds { .. } => {}
            }
            for message in entry.into_messages() {
                let (time, event) = (self.time(), message.event.map_or("", |event| event.as_str()));
                self.events.push(format!("{time} {event}: {}", message.text.lines().next().unwrap_or_default()));
            }
        }
    }

    fn time(&self) -> String {
        self.now().wall.to_zoned(TimeZone::get("Europe/Berlin").expect("it is known")).strftime("%a %H:%M").to_string()
    }

    /// Carries a turn out; `act` says how long a run takes, and how it ends.
    fn take(&mut self, turn: Turn, act: &mut dyn FnMut(&Run) -> (Duration, Status)) {
        for run in turn.start {
            let (took, status) = act(&run);
            self.next_run = self.next_run.max(run.id.0 + 1);
            let finished = shift(self.now().wall, took);
            let outcome = Outcome { started: self.now().wall, took, ..Outcome::status_only(status, finished) };
            self.going.insert((self.now + took, run.id), outcome);
            self.ran.push(Ran { job: run.job.clone(), from: self.now, to: None, reason: None });
            self.runs.insert(run.id, (run, self.ran.len() - 1));
        }
        for (run, _) in turn.stop {
            let found = self.going.iter().find(|((_, id), _)| *id == run.id).map(|(key, _)| *key);
            if let Some(key) = found {
                self.going.remove(&key);
                let outcome = Outcome::interrupted(self.now().wall, self.now().wall);
                self.going.insert((self.now, run.id), outcome);
            }
        }
        self.keep(turn.entries);
    }

    /// Goes on until then.
    fn until(&mut self, end: Duration, act: &mut dyn FnMut(&Run) -> (Duration, Status)) {
        loop {
            let turn = self.dispatcher.tick(self.now());
            self.take(turn, act);
            while let Some((&(at, id), _)) = self.going.first_key_value()
                && at <= self.now
            {
                let outcome = self.going.remove(&(at, id)).expect("it is the first");
                let (_, index) = self.runs.remove(&id).expect("it goes on");
                (self.ran[index].to, self.ran[index].reason) = (Some(self.now), Some(outcome.reason));
                let turn = self.dispatcher.finished(id, outcome, self.now());
                self.take(turn, act);
            }
            let ends = self.going.first_key_value().map(|((at, _), _)| *at);
            let next = self.dispatcher.next().map(|at| at.0).into_iter().chain(ends).min();
            match next {
                Some(next) if next <= end => self.now = next.max(self.now),
                _ => break,
            }
        }
        self.now = end;
    }

    /// Goes on until a time of day, so many days after a date.
    fn until_wall(&mut self, day: Date, days: i32, (hour, minute): (i8, i8)) {
        let wall = day.saturating_add(jiff::Span::new().days(days)).at(hour, minute, 0, 0);
        let zoned = wall.in_tz("Europe/Berlin").expect("the zone is known");
        let end = slack_alert::clock::between(self.start, zoned.timestamp());
        self.until(end, &mut |_: &Run| unreachable!("the daemon starts nothing"));
    }

    fn report(&mut self, job: &str, key: Option<&str>) -> RunId {
        self.report_of(job, RunReport { key: key.map(Into::into), ..RunReport::default() })
    }

    fn report_of(&mut self, job: &str, report: RunReport) -> RunId {
        let (id, turn) = self
            .dispatcher
            .report_begin(&JobName::new(job), report, self.now().wall, self.now())
            .expect("something else runs it");
        self.take(turn, &mut |_| unreachable!("the daemon starts nothing"));
        id
    }

    fn ping(&mut self, job: &str, what: Pinged, key: Option<&str>) {
        let names = vec![(JobName::new(job), what)];
        let ping = Ping { names, key: key.map(Into::into), output: Captured::default() };
        let (taken, turn) = self.dispatcher.ping(&ping, self.now());
        assert_eq!(taken, Ok(()), "{job} {what:?}");
        self.take(turn, &mut |_| unreachable!("the daemon starts nothing"));
    }

    fn report_end(&mut self, job: &str, run: Option<RunId>, status: Status) -> RunId {
        let outcome = Outcome::status_only(status, self.now().wall);
        let reported = self.dispatcher.report_end(&JobName::new(job), run, outcome, self.now());
        let (id, turn) = reported.expect("something else runs it");
        self.take(turn, &mut |_| unreachable!("the daemon starts nothing"));
        id
    }

    fn of<'a>(&'a self, job: &'a str) -> impl Iterator<Item = &'a Ran> {
        self.ran.iter().filter(move |ran| ran.job.as_str() == job)
    }

    fn runs(&self) -> Vec<String> {
        let time = |at: Duration| format!("{}:{:02}", at.as_secs() / 60, at.as_secs() % 60);
        let to = |ran: &Ran| ran.to.map_or_else(|| "…".to_owned(), time);
        self.ran.iter().map(|ran| format!("{}-{} {}", time(ran.from), to(ran), ran.job)).collect()
    }
}

fn take(seconds: u64) -> impl FnMut(&Run) -> (Duration, Status) {
    move |_| (Duration::from_secs(seconds), Status::Ok)
}

#[test]
fn a_chain_goes_on_as_its_runs_end_and_a_failure_begins_another() {
    let jobs = files(&[
        ("extract", "command = 'a'\nevery = '1h'"),
        ("load", "command = 'a'\nafter = 'extract'"),
        ("report", "command = 'a'\nafter = { jobs = ['extract', 'load'] }"),
        ("repair", "command = 'a'\nafter = { jobs = 'load', on = 'failure' }"),
        ("note", "command = 'a'\nafter = { jobs = 'load', on = 'end' }"),
    ]);
    let mut bench = Bench::new(START, &jobs);
    let mut loads = 0;
    bench.until(minutes(65), &mut |run: &Run| {
        loads += u32::from(run.job.as_str() == "load");
        let status = if run.job.as_str() == "load" && loads == 1 { Status::Critical } else { Status::Ok };
        (minutes(1), status)
    });
    assert_eq!(
        bench.runs(),
        [
            "0:00-1:00 extract",
            "1:00-2:00 load",
            "2:00-3:00 note",
            "2:00-3:00 repair",
            "60:00-61:00 extract",
            "61:00-62:00 load",
            "62:00-63:00 note",
            "62:00-63:00 report",
        ]
    );
}

#[test]
fn a_restart_between_two_links_of_a_chain_loses_nothing() {
    let jobs = files(&[("a", "command = 'a'\ncron = '30 9 * * *'"), ("b", "command = 'a'\nafter = 'a'")]);
    // The daemon dies after the end of a was written, and before what that means for b was; or after both.
    for forget in [true, false] {
        let mut bench = Bench::new(START, &jobs);
        bench.until(minutes(30), &mut take(60));
        let before = bench.states[&JobName::new("b")].clone();
        let end = Outcome::status_only(Status::Ok, bench.now().wall);
        let first = bench.dispatcher.finished(RunId(1), end, bench.now());
        bench.keep(first.entries);
        bench.going.clear();
        bench.runs.clear();
        if forget {
            bench.states.insert(JobName::new("b"), before);
        }
        bench.begin();
        bench.until(minutes(40), &mut take(60));
        assert_eq!(bench.of("b").count(), 1, "forgotten: {forget}");
        // It has run, and does not run again.
        bench.begin();
        bench.until(minutes(50), &mut take(60));
        assert_eq!(bench.of("b").count(), 1, "forgotten: {forget}");
    }
}

#[test]
fn jobs_with_the_same_lock_run_one_after_the_other_and_the_oldest_comes_first() {
    let jobs = files(&[
        ("a", "command = 'a'\nlock = 'db'\ncron = '1 9 * * *'"),
        ("b", "command = 'a'\nlock = ['db', 'disk']\ncron = '2 9 * * *'"),
        ("c", "command = 'a'\nlock = 'disk'\ncron = '3 9 * * *'"),
        ("d", "command = 'a'\ncron = '4 9 * * *'"),
    ]);
    let mut bench = Bench::new("2026-11-23T08:00:00Z", &jobs);
    bench.until(minutes(60), &mut take(300));
    // c is due after b, which waits: it does not take the lock away from it. d has no lock, and waits for nobody.
    assert_eq!(bench.runs(), ["1:00-6:00 a", "4:00-9:00 d", "6:00-11:00 b", "11:00-16:00 c"]);
}

#[test]
fn a_wait_for_a_lock_is_told_with_the_run_that_holds_it() {
    let jobs = files(&[
        ("long", "command = 'a'\nlock = 'db'\nevery = '1h'"),
        ("short", "command = 'a'\nlock = 'db'\nevery = '1m'\nfirst_run = 'wait'"),
    ]);
    let mut bench = Bench::new(START, &jobs);
    bench.until(minutes(20), &mut |run: &Run| match run.job.as_str() {
        "long" => (minutes(10), Status::Ok),
        _ => (Duration::from_secs(1), Status::Ok),
    });
    assert_eq!(
        bench.events,
        [
            "Mon 09:03 starved: :red_circle: short critical: waits for the lock db since 09:01",
            "Mon 09:10 starved: :large_green_circle: short runs again: it waited 9m for the lock db"
        ]
    );
}

#[test]
fn whoever_asks_for_a_run_that_waits_for_a_lock_is_told_who_holds_it() {
    let jobs = files(&[
        ("long", "command = 'a'\nlock = 'db'\nevery = '1h'"),
        ("short", "command = 'a'\nlock = 'db'\nevery = '1m'\nfirst_run = 'wait'"),
    ]);
    let mut bench = Bench::new(START, &jobs);
    bench.until(minutes(2), &mut take(600));
    let asker = Asker { by: By { uid: Some(1001), name: "dana".to_owned() }, via: Via::Socket };
    let asked = Request::Trigger(NewRun { job: JobName::new("short"), note: None, asker });
    let (Some(Reply::Refused(failure)), _) = bench.dispatcher.apply(&asked, bench.now()) else { panic!("it waits") };
    assert_eq!(failure.error.message, "`short` is due already, and its run waits for the lock db");
    assert_eq!(failure.error.help.as_deref(), Some("run 1 of long holds it"));
}

#[test]
fn a_run_that_is_replaced_gives_its_lock_to_the_one_that_waits_longest() {
    let jobs = files(&[
        ("a", "command = 'a'\nlock = 'db'\nevery = '10m'\noverlap = 'replace'"),
        ("b", "command = 'a'\nlock = 'db'\nevery = '1h'\nfirst_run = 'wait'"),
    ]);
    let mut bench = Bench::new(START, &jobs);
    bench.until(minutes(75), &mut |run: &Run| match run.job.as_str() {
        "a" => (minutes(30), Status::Ok),
        _ => (minutes(1), Status::Ok),
    });
    let runs = bench.runs();
    assert!(runs.contains(&"60:00-61:00 b".to_owned()) || runs.contains(&"61:00-62:00 b".to_owned()), "{runs:?}");
    no_two_hold_a_lock(&bench);
}

/// A pause by a person, for so long from now.
fn pause(bench: &mut Bench, pattern: &str, length: Duration) -> HoldAnswer {
    let asker = Asker { by: By { uid: Some(1001), name: "dana".to_owned() }, via: Via::Socket };
    let (kind, pattern) = (HoldKind::Pause, pattern.to_owned());
    let hold = NewHold { kind, pattern, length: Some(length), until: None, until_ok: false, note: None, asker };
    let (reply, turn) = bench.dispatcher.apply(&Request::Hold(hold), bench.now());
    bench.keep(turn.entries);
    let Some(Reply::Held(answer)) = reply else { panic!("{reply:?}") };
    answer
}

#[test]
fn a_pause_names_the_watchers_that_will_miss_the_job() {
    let jobs = files(&[
        ("a", "command = 'a'\nevery = '1h'\nping = 'https://hc-ping.com/secret'"),
        ("b", "command = 'a'\nevery = '1h'\nping = { url_file = '/run/url' }"),
        ("c", "command = 'a'\nevery = '1h'"),
    ]);
    let mut bench = Bench::new(START, &jobs);
    assert_eq!(pause(&mut bench, "a", minutes(5)).watchers, ["hc-ping.com"]);
    assert_eq!(pause(&mut bench, "*", minutes(5)).watchers, ["elsewhere", "hc-ping.com"]);
    assert_eq!(pause(&mut bench, "c", minutes(5)).watchers, [""; 0]);
}

#[test]
fn a_run_that_is_due_in_a_pause_is_not_missed_and_the_next_one_is() {
    // The pause ends before the grace does, or after it.
    for length in [minutes(20), minutes(90)] {
        let jobs = files(&[("backup", "expect = { cron = '30 9 * * *', grace = '1h' }")]);
        let mut bench = Bench::new(START, &jobs);
        bench.until(minutes(25), &mut take(60));
        pause(&mut bench, "backup", length);
        bench.until(minutes(24 * 60), &mut take(60));
        // That a long pause begins and ends is told, too.
        bench.events.retain(|event| !event.contains("has paused") && !event.contains("the pause of"));
        assert_eq!(bench.events, [""; 0], "{length:?}");
        bench.until(minutes(26 * 60), &mut take(60));
        assert_eq!(bench.events.len(), 1, "{length:?}: {:?}", bench.events);
        assert!(bench.events[0].starts_with("Tue 10:30 missing"), "{length:?}: {:?}", bench.events);
    }
    // What was due before the pause is told after it.
    let jobs = files(&[("backup", "expect = { cron = '30 9 * * *', grace = '1h' }")]);
    let mut bench = Bench::new(START, &jobs);
    bench.until(minutes(40), &mut take(60));
    pause(&mut bench, "backup", minutes(10));
    bench.until(minutes(100), &mut take(60));
    assert!(bench.events.len() == 1 && bench.events[0].starts_with("Mon 10:30 missing"), "{:?}", bench.events);
}

#[test]
fn a_run_that_comes_in_a_pause_is_told_as_ever_and_counts() {
    let jobs = files(&[
        ("backup", "expect = { cron = '30 9 * * *', grace = '1h' }"),
        ("copy", "command = 'a'\nafter = 'backup'"),
    ]);
    let mut bench = Bench::new(START, &jobs);
    bench.until(minutes(25), &mut take(60));
    pause(&mut bench, "backup", minutes(20));
    bench.until(minutes(31), &mut take(60));
    bench.report_end("backup", None, Status::Critical);
    bench.until(minutes(40), &mut take(60));
    bench.report_end("backup", None, Status::Ok);
    bench.until(minutes(120), &mut take(60));
    let events: Vec<_> = bench.events.iter().map(|line| line.split(": ").next().unwrap_or_default()).collect();
    assert_eq!(events, ["Mon 09:31 failure", "Mon 09:40 recovery"], "{:?}", bench.events);
    assert_eq!(bench.runs(), ["40:00-41:00 copy"]);
}

#[test]
fn a_follower_that_is_paused_does_not_run_and_what_ended_in_its_pause_asks_for_nothing_afterwards() {
    let jobs = files(&[
        ("extract", "command = 'a'\nevery = '1h'"),
        ("load", "command = 'a'\nafter = 'extract'"),
        ("report", "command = 'a'\nafter = 'load'"),
    ]);
    let mut bench = Bench::new(START, &jobs);
    bench.until(minutes(30), &mut take(60));
    pause(&mut bench, "load", minutes(60));
    bench.until(minutes(150), &mut take(60));
    assert_eq!(
        bench.runs(),
        [
            "0:00-1:00 extract",
            "1:00-2:00 load",
            "2:00-3:00 report",
            "60:00-61:00 extract",
            "120:00-121:00 extract",
            "121:00-122:00 load",
            "122:00-123:00 report",
        ]
    );
    // Paused, the first of them asks for no run of those that follow.
    let mut bench = Bench::new(START, &jobs);
    bench.until(minutes(30), &mut take(60));
    pause(&mut bench, "extract", minutes(60));
    bench.until(minutes(119), &mut take(60));
    assert_eq!(bench.runs().len(), 3, "{:?}", bench.runs());
}

#[test]
fn a_week_of_runs_that_something_else_starts_over_both_nights_in_which_clocks_change() {
    for (start, thursday) in [("2026-03-25T11:00:00Z", date(2026, 3, 26)), ("2026-10-21T10:00:00Z", date(2026, 10, 22))]
    {
        let jobs = files(&[("backup", "expect = { cron = '30 2 * * *', grace = '1h' }\ntimeout = '3h'")]);
        let mut bench = Bench::new(start, &jobs);
        // In time; late, within its grace; twice. In the night in which the clock changes, not at all.
        for (day, hour, minute, times) in [(0, 2, 31, 1), (1, 3, 20, 1), (2, 2, 31, 2)] {
            bench.until_wall(thursday, day, (hour, minute));
            for _ in 0..times {
                let run = bench.report("backup", None);
                bench.until(bench.now + minutes(5), &mut |_: &Run| unreachable!("the daemon starts nothing"));
                bench.report_end("backup", Some(run), Status::Ok);
            }
        }
        // Then too late; and on Tuesday it begins and never ends.
        bench.until_wall(thursday, 4, (6, 20));
        bench.report_end("backup", None, Status::Ok);
        bench.until_wall(thursday, 5, (2, 31));
        bench.report("backup", None);
        bench.until_wall(thursday, 5, (9, 0));
        let said = &bench.events;
        let events: Vec<(&str, &str)> = said
            .iter()
            .map(|line| (&line[..3], line[10..].split(':').next().expect("an event")))
            .filter(|(_, event)| !event.is_empty())
            .collect();
        assert_eq!(events[0], ("Sun", "missing"), "{said:#?}");
        assert_eq!(events[1], ("Mon", "repeat"), "{said:#?}");
        assert_eq!(events[2..], [("Mon", "recovery"), ("Tue", "missing")], "{said:#?}");
        assert!(said.last().is_some_and(|line| line.contains("its end was not reported within 3h")), "{said:#?}");
    }
}

#[test]
fn an_end_that_is_reported_too_late_is_that_of_the_same_run_and_what_does_not_come_then_is_told() {
    for (key, status, told) in [
        (Some("k"), Status::Critical, "failing differently"),
        (None, Status::Critical, "failing differently"),
        (Some("k"), Status::Ok, "is well again"),
    ] {
        let jobs = files(&[("backup", "expect = { every = '1d', grace = '1h' }\ntimeout = '1h'")]);
        let mut bench = Bench::new(START, &jobs);
        let job = JobName::new("backup");
        let idle = &mut |_: &Run| unreachable!("the daemon starts nothing");
        let run = bench.report("backup", key);
        bench.until(minutes(61), idle);
        let first = bench.events.pop().unwrap_or_default();
        assert!(first.contains("its end was not reported within 1h"), "{first}");
        let late = bench.dispatcher.given_up_run(&job, key, bench.now());
        assert_eq!(bench.report_end("backup", late, status), run, "it is the same run");
        let second = bench.events.pop().unwrap_or_default();
        assert!(second.contains(told) && !second.contains("2 failures"), "{second}");
        assert!(bench.states[&job].health.contains("\"runs\":1"), "{}", bench.states[&job].health);
        bench.until(minutes(25 * 60 + 1), idle);
        let third = bench.events.pop().unwrap_or_default();
        assert!(third.contains("did not run"), "{key:?} {status:?}: {third}");
    }
}

#[test]
fn a_script_that_begins_and_dies_each_night_is_told_when_the_next_night_begins() {
    // Without a time limit, and with one that is longer than the interval.
    for timeout in ["", "\ntimeout = '2d'"] {
        let expect = format!("expect = {{ every = '1d', grace = '1h' }}{timeout}");
        let mut bench = Bench::new(START, &files(&[("backup", &expect)]));
        let idle = &mut |_: &Run| unreachable!("the daemon starts nothing");
        for night in 0..3 {
            bench.until(minutes(night * 24 * 60), idle);
            bench.report("backup", None);
        }
        let run = bench.dispatcher.reported_run(&JobName::new("backup"), None);
        bench.until(bench.now + minutes(5), idle);
        bench.report_end("backup", run, Status::Ok);
        assert_eq!(
            bench.events[0],
            "Tue 09:00 missing: :red_circle: backup critical: began, and its end was not reported before the next run \
             began, 1d later",
            "{timeout}"
        );
        let later: Vec<_> = bench.events[1..].iter().map(|line| line.split(": ").next().unwrap_or_default()).collect();
        assert_eq!(later, ["Wed 09:00 repeat", "Wed 09:05 recovery"], "{timeout}: {:?}", bench.events);
    }
}

#[test]
fn a_beginning_that_is_told_again_or_after_its_end_is_no_other_run() {
    const END: Pinged = Pinged::End { ok: true };
    let (a, b) = (Some("a"), Some("b"));
    for (name, pings, going) in [
        ("its end overtakes it", vec![(0, END, a), (1, Pinged::Start, a)], 0),
        ("it is sent again after the end", vec![(0, Pinged::Start, a), (1, END, a), (90, Pinged::Start, a)], 0),
        ("it is sent twice", vec![(0, Pinged::Start, None), (20, Pinged::Start, None), (30, END, None)], 0),
        ("another has ended", vec![(0, END, b), (1, Pinged::Start, a)], 1),
        ("one without an ID has ended", vec![(0, END, None), (1, Pinged::Start, None)], 1),
        ("the same ID is used each night", vec![(0, END, a), (86_400, Pinged::Start, a)], 1),
    ] {
        let expect = "expect = { every = '1d', grace = '1h' }\ntimeout = '1h'";
        let mut bench = Bench::new(START, &files(&[("backup", expect)]));
        let idle = &mut |_: &Run| unreachable!("the daemon starts nothing");
        for (at, what, key) in pings {
            bench.until(Duration::from_secs(at), idle);
            bench.ping("backup", what, key);
        }
        assert_eq!(bench.dispatcher.running(), going, "{name}");
        assert_eq!(bench.events, [""; 0], "{name}");
        bench.until(bench.now + minutes(61), idle);
        assert_eq!(bench.events.len(), going, "{name}: {:?}", bench.events);
    }
}

#[test]
fn a_run_that_hangs_while_others_of_its_job_end_well_is_told_by_its_age() {
    for (keys, told) in [("", true), ("\nnotify.stuck_after = 0", false), ("\ntimeout = '2d'", false)] {
        let expect = format!("expect = {{ every = '1h', grace = '10m' }}{keys}");
        let mut bench = Bench::new(START, &files(&[("backup", &expect)]));
        let idle = &mut |_: &Run| unreachable!("the daemon starts nothing");
        bench.ping("backup", Pinged::Start, Some("hangs"));
        for hour in 1..=4 {
            bench.until(minutes(hour * 60), idle);
            bench.ping("backup", Pinged::Start, Some("other"));
            bench.until(minutes(hour * 60 + 5), idle);
            bench.ping("backup", Pinged::End { ok: true }, Some("other"));
        }
        let expected: &[&str] = match told {
            true => &[
                "Mon 12:00 missing: :red_circle: backup critical: began, and its end was not reported within 3h",
                "Mon 12:05 recovery: :white_check_mark: backup is well again after 5m, 1 failure",
            ],
            false => &[],
        };
        assert_eq!(bench.events, expected, "{keys}");
        assert_eq!(bench.dispatcher.running(), usize::from(!told), "{keys}");
        // Its end is that of the same run, whenever it comes.
        let late = bench.dispatcher.given_up_run(&JobName::new("backup"), Some("hangs"), bench.now());
        assert_eq!(late.is_some(), told, "{keys}");
    }
}

#[test]
fn runs_that_are_told_late_keep_their_own_times() {
    let mut bench = Bench::new(START, &files(&[("backup", "expect = { every = '1d', grace = '1h' }")]));
    let idle = &mut |_: &Run| unreachable!("the daemon starts nothing");
    bench.until(minutes(600), idle);
    let mut told = Vec::new();
    // At 19:00 it comes out that one failed at 12:00, and that the next was well at 14:30.
    for (finished, status) in [(180, Status::Critical), (330, Status::Ok)] {
        let finished = shift(bench.start, minutes(finished));
        let outcome = Outcome { started: finished, ..Outcome::status_only(status, finished) };
        let (_, turn) =
            bench.dispatcher.report_end(&JobName::new("backup"), None, outcome, bench.now()).expect("it is");
        told.extend(turn.entries.into_iter().flat_map(Entry::into_messages));
    }
    let texts: Vec<String> =
        told.iter().map(|message| format!("{} {}", message.text, serde_json::json!(message.blocks))).collect();
    let said = |words: &str| texts.iter().any(|text| text.contains(words));
    assert!(said("ended at 12:00 · web-1"), "{texts:#?}");
    assert!(said("is well again after 2h 30m, 1 failure, ok since 14:30"), "{texts:#?}");
    // One that is told at once has no such words.
    let outcome = Outcome::status_only(Status::Critical, bench.now().wall);
    let (_, turn) = bench.dispatcher.report_end(&JobName::new("backup"), None, outcome, bench.now()).expect("it is");
    let told: Vec<_> = turn.entries.into_iter().flat_map(Entry::into_messages).collect();
    assert!(told.len() == 1 && !format!("{told:?}").contains("ended at"), "{told:?}");
}

#[test]
fn a_hang_that_was_told_and_that_the_next_run_overtakes_is_not_said_to_have_ended() {
    let mut bench = Bench::new(START, &files(&[("backup", "expect = { every = '1d', grace = '1h' }")]));
    let idle = &mut |_: &Run| unreachable!("the daemon starts nothing");
    bench.report("backup", None);
    bench.until(minutes(4 * 24 * 60), idle);
    let told = bench.events.pop().unwrap_or_default();
    assert!(told.contains("stuck: :red_circle: backup critical: still running after 3d 1h"), "{told}");
    bench.report("backup", None);
    let told = bench.events.pop().unwrap_or_default();
    assert!(told.contains("its end was not reported before the next run began, 4d later"), "{told}");
    assert!(!told.contains("ended after"), "{told}");
}

#[test]
fn a_run_that_its_wrapper_ends_is_given_the_time_to_say_so() {
    for (timeout, within) in [(None, "1h 1m"), (Some(minutes(120)), "2h 1m")] {
        let jobs = files(&[("backup", "expect = { every = '1d', grace = '1h' }\ntimeout = '1h'")]);
        let mut bench = Bench::new(START, &jobs);
        let wrapper = Some(Wrapper { timeout });
        bench.report_of("backup", RunReport { key: Some("k".into()), wrapper, ..RunReport::default() });
        let idle = &mut |_: &Run| unreachable!("the daemon starts nothing");
        let limit = timeout.unwrap_or(minutes(60));
        bench.until(limit + Duration::from_secs(69), idle);
        assert_eq!(bench.events, [""; 0]);
        bench.until(limit + Duration::from_secs(71), idle);
        let said = bench.events.pop().unwrap_or_default();
        assert!(said.contains(&format!("its end was not reported within {within}")), "{said}");
    }
}

/// Runs of jobs that share a lock are never in progress at one time.
fn no_two_hold_a_lock(bench: &Bench) {
    let locks = |job: &JobName| bench.plan.job(job.as_str()).expect("there is one").timing.locks.clone();
    for (index, one) in bench.ran.iter().enumerate() {
        for other in &bench.ran[index + 1..] {
            let shared = locks(&one.job).iter().any(|lock| locks(&other.job).contains(lock));
            let apart = one.to.is_some_and(|to| to <= other.from) || other.to.is_some_and(|to| to <= one.from);
            assert!(!shared || apart, "{one:?} and {other:?}");
        }
    }
}

/// A job of a random world: how often it is due or whom it follows, its locks, what it does when it is due while it runs.
fn a_job(index: usize) -> impl Strategy<Value = String> {
    let schedule =
        (2_u64..40, any::<bool>(), prop::sample::subsequence((0..index).collect::<Vec<_>>(), 0..=index.min(2)));
    let locks = prop::sample::subsequence(vec!["x", "y", "z"], 0..=3);
    (schedule, locks, 0..4_usize).prop_map(|((every, follows, before), locks, overlap)| {
        let overlap = ["skip", "queue", "allow", "replace"][overlap];
        let schedule = match before.is_empty() || !follows {
            true => format!("every = '{every}m'\noverlap = '{overlap}'"),
            false => format!("after = {{ jobs = {before:?}, on = 'end' }}\noverlap = 'queue'")
                .replace('[', "['j")
                .replace(", on", "X on")
                .replace(", ", "', 'j")
                .replace("X on", ", on")
                .replace(']', "']"),
        };
        format!("command = 'a'\nlock = {locks:?}\n{schedule}\nnotify.on = []\nfirst_run = 'always'")
    })
}

fn a_world() -> impl Strategy<Value = (Vec<String>, Vec<u64>, Vec<u64>)> {
    let jobs = (a_job(0), a_job(1), a_job(2), a_job(3), a_job(4)).prop_map(|(a, b, c, d, e)| vec![a, b, c, d, e]);
    (jobs, prop::collection::vec(1_u64..900, 40), prop::collection::vec(1_u64..240, 0..4))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_lock_is_held_twice_nothing_waits_for_ever_and_no_chain_is_lost((jobs, lengths, mut crashes) in a_world()) {
        let jobs: Vec<(String, String)> = jobs.into_iter().enumerate().map(|(index, text)| (format!("j{index}"), text)).collect();
        let mut bench = Bench::new(START, &jobs);
        let mut number = 0;
        let act = &mut |_: &Run| {
            number += 1;
            let status = if number % 3 == 0 { Status::Critical } else { Status::Ok };
            (Duration::from_secs(lengths[number % lengths.len()]), status)
        };
        crashes.sort_unstable();
        for crash in crashes {
            bench.until(minutes(crash), act);
            bench.begin();
        }
        bench.until(minutes(300), act);
        no_two_hold_a_lock(&bench);
        // Whatever waits runs within the time that all runs together take, many times over.
        for (name, text) in &jobs {
            if text.contains("every =") {
                let last = bench.of(name).last().map(|ran| ran.from);
                prop_assert!(last.is_some_and(|last| last > minutes(150)), "{name} stands still: {:?}", bench.runs());
            }
        }
        // Where one job follows one other, each end of that is followed by a beginning of this.
        for (name, text) in &jobs {
            let Some(before) = text.split("after = { jobs = ['").nth(1).map(|rest| rest.split_once('\'').expect("a name")) else { continue };
            if !before.1.starts_with(']') {
                continue;
            }
            for ended in bench.of(before.0).filter(|ran| ran.to.is_some_and(|to| to < minutes(150))) {
                let replaced = ended.reason == Some(Reason::Interrupted);
                let followed = bench.of(name).any(|ran| Some(ran.from) >= ended.to);
                prop_assert!(followed || replaced, "{name} does not follow {ended:?}: {:?}", bench.runs());
            }
        }
    }
}

#[test]
fn a_job_that_is_the_same_after_a_reload_is_kept_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let jobs = |every: &str| {
        files(&[("same", "command = 'true'\nevery = '1h'"), ("other", &format!("command = 'true'\nevery = '{every}'"))])
    };
    let before = plan_in(dir.path(), &jobs("1h"));
    let after = plan_beside(&before.jobs, dir.path(), &jobs("2h"));
    let kept = |name: &str| {
        let job = |plan: &Plan| plan.jobs.iter().find(|job| job.name.as_str() == name).map(Arc::clone).expect("a job");
        Arc::ptr_eq(&job(&before), &job(&after))
    };
    assert_eq!((kept("same"), kept("other")), (true, false));
}
