//! A week of thirteen jobs, each of which fails in a way of its own: how many messages people see, how often they are
//! pinged, and whether any fact is lost.
//!
//! Thirty jobs that fail at one time are not here: it is the outbox that makes one message of theirs.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::stories::{Life, at};
use super::{Event, Hang, Notification, Verdict, due, skipped, wake};
use crate::clock::shift;
use crate::exec::Status;
use crate::id::RunId;

/// Minutes of the week, and of a day.
const WEEK: u64 = 10_080;
const DAY: u64 = 1_440;
const STEP: u64 = 5;

/// A job: its settings, its interval and its first run in minutes, and which runs fail, with what status and output.
struct Job {
    notify: &'static str,
    every: u64,
    first: u64,
    fails: BTreeMap<u64, (&'static str, String)>,
    /// It hangs from here to there.
    hangs: Option<(u64, u64)>,
    /// When an incident begins and when it is over.
    incidents: Vec<(u64, u64)>,
}

const DOWN: &str = "connection to server at \"db1\" failed: Connection refused";

fn minute(day: u64, hour: u64) -> u64 {
    day * DAY + hour * 60
}

fn job(fails: impl IntoIterator<Item = (u64, (&'static str, String))>, incidents: &[(u64, u64)]) -> Job {
    Job {
        notify: "",
        every: STEP,
        first: 0,
        fails: fails.into_iter().collect(),
        hangs: None,
        incidents: incidents.to_vec(),
    }
}

fn span(from: u64, to: u64, status: &'static str, text: &str) -> Vec<(u64, (&'static str, String))> {
    (from..to).step_by(usize::try_from(STEP).expect("it is small")).map(|at| (at, (status, text.to_owned()))).collect()
}

fn outage() -> Job {
    let (from, to) = (minute(1, 10), minute(1, 13));
    job(span(from, to, "critical", DOWN), &[(from, to)])
}

fn blips() -> Job {
    let times = [minute(0, 9), minute(1, 15), minute(3, 11), minute(4, 20), minute(6, 6)];
    let incidents = times.map(|at| (at, at + STEP));
    job(times.map(|at| (at, ("critical", DOWN.to_owned()))), &incidents)
}

fn worsening() -> Job {
    let (from, worse, to) = (minute(2, 6), minute(2, 12), minute(2, 15));
    let fails = span(from, worse, "warning", "DISK WARNING - /srv is 85% full").into_iter();
    job(fails.chain(span(worse, to, "critical", "DISK CRITICAL - /srv is 97% full")), &[(from, to)])
}

fn flapping() -> Job {
    let spells = [(minute(1, 14), minute(1, 18)), (minute(4, 14), minute(4, 18))];
    let fails =
        spells.iter().flat_map(|(from, to)| (*from..*to).step_by(10).map(|at| (at, ("critical", DOWN.to_owned()))));
    job(fails, &spells.map(|(from, to)| (from, to - STEP)))
}

fn seesaw() -> Job {
    let (from, to) = (minute(3, 8), minute(3, 14));
    let kinds = [("warning", "LOAD WARNING - 9.1"), ("critical", "LOAD CRITICAL - 17.3")];
    let fails = (from..to).step_by(5).zip(kinds.iter().cycle());
    job(fails.map(|(at, (status, text))| (at, (*status, (*text).to_owned()))), &[(from, to)])
}

/// One run in twenty fails, each time with other words.
fn noisy() -> Job {
    const WORDS: [&str; 10] =
        ["parser", "timeout", "certificate", "quota", "checksum", "locale", "lock", "encoding", "permission", "schema"];
    let mut seed = 14_u64;
    let mut roll = |sides: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % sides
    };
    let mut fails = BTreeMap::new();
    for at in (0..WEEK).step_by(5) {
        if roll(20) == 0 {
            let mut word = || WORDS[usize::try_from(roll(10)).expect("it is small")];
            fails.insert(at, ("critical", format!("error: {} {} in {}", word(), word(), word())));
        }
    }
    let begins = |at: &&u64| !fails.contains_key(&at.wrapping_sub(STEP));
    let ends = |from: u64| (from..).step_by(5).find(|at| !fails.contains_key(at)).expect("it ends");
    let incidents: Vec<(u64, u64)> = fails.keys().filter(begins).map(|from| (*from, ends(*from))).collect();
    job(fails, &incidents)
}

fn long() -> Job {
    let (from, to) = (minute(1, 0), minute(4, 0));
    job(span(from, to, "critical", "failed to open \"/srv/mail\": Permission denied (13)"), &[(from, to)])
}

fn backup() -> Job {
    let nights = [1, 2, 3].map(|day| minute(day, 3));
    let text = |night: u64| format!("wrote {} of 99182 blocks in {} s", 18_231 + 997 * night, 331 + 7 * night);
    let fails = nights.iter().zip(0..).map(|(at, night)| (*at, ("critical", text(night))));
    Job { every: DAY, first: 180, ..job(fails, &[(nights[0], nights[2] + DAY)]) }
}

fn hanging() -> Job {
    let (from, to) = (minute(2, 1), minute(2, 9));
    Job { hangs: Some((from, to)), ..job([], &[(from, to)]) }
}

fn nightly() -> Job {
    let nights: Vec<(u64, u64)> = (0..7).map(|day| (minute(day, 1), minute(day, 2))).collect();
    let fails = nights.iter().flat_map(|(from, to)| span(*from, *to, "critical", DOWN));
    Job { notify: "quiet_hours = \"22:00-07:00\"", ..job(fails, &nights) }
}

/// What was sent of a job, by minute.
fn live(job: &Job) -> Vec<(u64, Notification)> {
    let notify = format!("mention = \"@here\"\n{}", job.notify);
    let mut life = Life::new(&notify);
    let start = at("00:00");
    let time = |minute: u64| shift(start, Duration::from_secs(minute * 60));
    let minute_of = |at: Timestamp| crate::clock::between(start, at).as_secs() / 60;
    let mut sent = Vec::new();
    for minute in (job.first..WEEK + DAY).step_by(usize::try_from(job.every).expect("it is small")) {
        let now = time(minute);
        while let Some(at) = due(&life.settings, &life.health).filter(|at| *at <= now) {
            let woken = wake(&life.settings, &mut life.health, None, &life.zone, at);
            sent.extend(woken.into_iter().map(|notification| (minute_of(at), notification)));
        }
        if let Some((from, _)) = job.hangs.filter(|(from, to)| (*from + 1..*to).contains(&minute)) {
            let age = Duration::from_secs((minute - from) * 60);
            let hang = Hang {
                run: RunId(life.next_run()),
                process: Some(4121),
                retries: false,
                age,
                replaced: false,
                skipped: 0,
                line: "copying".to_owned(),
            };
            let told = skipped(&life.settings, &mut life.health, hang, &life.zone, now);
            sent.extend(told.map(|notification| (minute, notification)));
            continue;
        }
        let what = match job.fails.get(&minute) {
            Some((status, text)) => format!("{status}: {text}"),
            None => "ok".to_owned(),
        };
        if let Verdict::Notify(notification) = life.run(&what, now) {
            sent.push((minute, *notification));
        }
    }
    sent
}

/// Whether each incident was told, and its end, before the next began.
fn assert_told(name: &str, job: &Job, sent: &[(u64, Notification)]) {
    let mut next = job.incidents.iter().skip(1).map(|(from, _)| *from).chain([u64::MAX]);
    for (from, to) in &job.incidents {
        let next = next.next().unwrap_or(u64::MAX);
        let within: Vec<_> = sent.iter().filter(|(at, _)| (*from..next).contains(at)).map(|(_, sent)| sent).collect();
        let began = within
            .iter()
            .any(|sent| sent.status != Status::Ok || sent.event == Event::Flapping || !sent.digest.is_empty());
        let ended = within.iter().any(|sent| sent.status == Status::Ok);
        // What happens while the job flaps is told when it is steady.
        let flaps = sent.iter().any(|(at, sent)| sent.event == Event::Flapping && at.abs_diff(*from) < 240);
        assert!((began && ended) || flaps, "{name}: the incident from {from} to {to} was not told: {within:?}");
    }
}

#[test]
fn a_week_of_jobs_that_fail_each_in_its_own_way_is_told_whole_and_in_few_messages() {
    let jobs = [
        ("outage", outage(), 2, 1),
        ("blips", blips(), 5, 5),
        ("worsening", worsening(), 3, 1),
        ("flapping", flapping(), 12, 6),
        ("seesaw", seesaw(), 3, 1),
        ("noisy", noisy(), 18, 5),
        ("long", long(), 6, 1),
        ("backup", backup(), 4, 1),
        ("hanging", hanging(), 2, 1),
        ("nightly", nightly(), 7, 0),
    ];
    let (mut visible, mut pings, mut incidents) = (0, 0, 0);
    for (name, job, most, most_pings) in &jobs {
        let sent = live(job);
        let within = || sent.iter().filter(|(at, _)| *at < WEEK + 60).map(|(_, sent)| sent);
        let shown = within().filter(|sent| sent.thread.is_visible()).count();
        let pinged = within().filter(|sent| sent.pings).count();
        assert!(shown <= *most && pinged <= *most_pings, "{name}: {shown} messages, {pinged} pings");
        assert_told(name, job, &sent);
        (visible, pings, incidents) = (visible + shown, pings + pinged, incidents + job.incidents.len());
    }
    assert!(visible <= 58, "{visible} messages in the channel");
    assert!(pings <= 24, "{pings} pings");
    assert!(incidents > 100, "{incidents} incidents");
}
