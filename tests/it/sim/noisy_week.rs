//! A week of forty jobs, each of which fails in a way of its own, through policy, report and outbox: what a reader of the
//! channel sees, how often they are pinged, and whether the cause of each incident can still be read after its end.
//!
//! A job is there only around its incidents: what is well says nothing, and would only take time.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use slack_alert::exec::{Run, Status};
use slack_alert::message::Thread;

use crate::support::world::{Act, World, fails, says};

const START: &str = "2026-11-23T00:00:00Z";
const CONF: &str = "slack = { token = 'xoxb-1', channel = '#ops' }\nhost = 'web-1'\ntime_zone = 'UTC'\n\
                    [defaults.notify]\nmention = '@here'\n";

/// Minutes of a day and of the week, and between two runs.
const DAY: u64 = 1_440;
const WEEK: u64 = 7 * DAY;
const STEP: u64 = 5;

const DOWN: &str = "connection to server at \"db1\" failed: Connection refused";

/// A job: its file, and which of its runs fail, by the minute of the week.
#[derive(Default)]
struct Job {
    /// What its file says besides command and interval.
    more: &'static str,
    every: u64,
    fails: BTreeMap<u64, (Status, String)>,
    /// One run hangs from here to there.
    hangs: Option<(u64, u64)>,
    /// When an incident begins and when it is over, and what is to be readable after that.
    incidents: Vec<(u64, u64, String)>,
}

impl Job {
    fn new(fails: impl IntoIterator<Item = (u64, (Status, String))>, incidents: &[(u64, u64, &str)]) -> Self {
        let incidents = incidents.iter().map(|(from, to, cause)| (*from, *to, (*cause).to_owned())).collect();
        Self { every: STEP, fails: fails.into_iter().collect(), incidents, ..Self::default() }
    }

    fn file(&self) -> String {
        format!("command = 'a'\nevery = '{}m'\n{}", self.every, self.more)
    }

    /// When it is there: around its incidents.
    fn windows(&self) -> Vec<(u64, u64)> {
        let mut windows: Vec<(u64, u64)> = Vec::new();
        // One that fails now and then is watched all the time.
        if self.incidents.len() > 50 {
            return vec![(0, WEEK)];
        }
        for (from, to, _) in &self.incidents {
            // The first run of a job is when its file appears: a nightly one keeps that time.
            let before = if self.every > STEP { 0 } else { 10 };
            let (from, to) = (from.saturating_sub(before), to + 45);
            match windows.last_mut() {
                Some(last) if from <= last.1 + 120 => last.1 = to,
                _ => windows.push((from, to)),
            }
        }
        windows
    }
}

fn minute(day: u64, hour: u64) -> u64 {
    day * DAY + hour * 60
}

fn span(from: u64, to: u64, status: Status, text: &str) -> Vec<(u64, (Status, String))> {
    (from..to).step_by(5).map(|at| (at, (status, text.to_owned()))).collect()
}

fn week(seed: u64) -> Vec<(String, Job)> {
    use Status::{Critical, Warning};
    let critical = |from, to, text| span(from, to, Critical, text);
    let mut jobs: Vec<(String, Job)> = vec![("noisy".to_owned(), noisy(seed))];
    let mut add = |name: &str, job| jobs.push((name.to_owned(), job));
    let (from, to) = (minute(1, 10), minute(1, 13));
    add("outage", Job::new(critical(from, to, DOWN), &[(from, to, DOWN)]));
    let times = [minute(0, 9), minute(1, 15), minute(3, 11), minute(4, 20), minute(6, 6)];
    let blips = times.map(|at| (at, at + STEP, DOWN));
    add("blips", Job::new(times.map(|at| (at, (Critical, DOWN.to_owned()))), &blips));
    let (from, worse, to) = (minute(2, 6), minute(2, 12), minute(2, 15));
    let disk = span(from, worse, Warning, "DISK WARNING - /srv is 85% full").into_iter();
    let disk = disk.chain(critical(worse, to, "DISK CRITICAL - /srv is 97% full"));
    add("worsening", Job::new(disk, &[(from, to, "/srv is 97% full")]));
    let spells = [(minute(1, 14), minute(1, 18)), (minute(4, 14), minute(4, 18))];
    let flaps =
        spells.iter().flat_map(|(from, to)| (*from..*to).step_by(10).map(|at| (at, (Critical, DOWN.to_owned()))));
    add("flapping", Job::new(flaps, &spells.map(|(from, to)| (from, to - STEP, DOWN))));
    let (from, to) = (minute(3, 8), minute(3, 14));
    let load = [(Warning, "LOAD WARNING - 9.1"), (Critical, "LOAD CRITICAL - 17.3")];
    let load =
        (from..to).step_by(5).zip(load.iter().cycle()).map(|(at, (status, text))| (at, (*status, (*text).to_owned())));
    add("seesaw", Job::new(load, &[(from, to, "17.3")]));
    let (from, to, denied) = (minute(1, 0), minute(4, 0), "failed to open \"/srv/mail\": Permission denied (13)");
    add("long", Job::new(critical(from, to, denied), &[(from, to, denied)]));
    let nights = [1, 2, 3].map(|day| minute(day, 3));
    let wrote = |night: u64| format!("wrote {} of 99182 blocks in {} s", 18_231 + 997 * night, 331 + 7 * night);
    let backup = nights.iter().zip(0..).map(|(at, night)| (*at, (Critical, wrote(night))));
    let incident = (nights[0], nights[2] + DAY, "of 99182 blocks");
    add("backup", Job { every: DAY, ..Job::new(backup, &[incident]) });
    let hang = (minute(2, 1), minute(2, 9));
    add("hanging", Job { hangs: Some(hang), ..Job::new([], &[(hang.0, hang.1, "still running after")]) });
    let nights: Vec<(u64, u64)> = (0..7).map(|day| (minute(day, 1), minute(day, 2))).collect();
    let nightly = nights.iter().flat_map(|(from, to)| critical(*from, *to, DOWN));
    // They are told in the morning.
    let told: Vec<_> = nights.iter().map(|(from, to)| (*from, to + 6 * 60, DOWN)).collect();
    add("nightly", Job { more: "notify.quiet_hours = '22:00-07:00'", ..Job::new(nightly, &told) });
    for number in 0..30 {
        let (from, to) = (minute(5, 2), minute(5, 2) + 40);
        add(&format!("storm{number:02}"), Job::new(critical(from, to, DOWN), &[(from, to, DOWN)]));
    }
    jobs
}

/// One run in twenty fails, each time with other words.
fn noisy(mut seed: u64) -> Job {
    const WORDS: [&str; 10] =
        ["parser", "timeout", "certificate", "quota", "checksum", "locale", "lock", "encoding", "permission", "schema"];
    let mut roll = |sides: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % sides
    };
    let mut failures = BTreeMap::new();
    for at in (0..WEEK).step_by(5) {
        if roll(20) == 0 {
            let mut word = || WORDS[usize::try_from(roll(10)).expect("it is small")];
            failures.insert(at, (Status::Critical, format!("error: {} {} in {}", word(), word(), word())));
        }
    }
    let begins = |at: &&u64| !failures.contains_key(&at.wrapping_sub(STEP));
    let ends = |from: u64| (from..).step_by(5).find(|at| !failures.contains_key(at)).expect("it ends");
    let incidents = failures.keys().filter(begins).map(|from| (*from, ends(*from), failures[from].1.clone())).collect();
    Job { every: STEP, fails: failures, incidents, ..Job::default() }
}

/// What each run does.
fn script(jobs: Vec<(String, Job)>) -> impl FnMut(&Run, Duration) -> Act {
    let jobs: HashMap<String, Job> = jobs.into_iter().collect();
    move |run, at| {
        let job = &jobs[run.job.as_str()];
        let minute = at.as_secs() / 60 / STEP * STEP;
        if let Some((_, to)) = job.hangs.filter(|(from, to)| (*from..*to).contains(&minute)) {
            return says("copying").takes((to - minute) * 60);
        }
        match job.fails.get(&minute) {
            Some((status, text)) => Act { status: *status, ..fails(text) },
            None => says(""),
        }
    }
}

/// Lets the week pass.
async fn live(seed: u64, only: Option<&str>) -> World {
    let wanted = |(name, _): &(String, Job)| only.is_none_or(|only| name == only);
    let jobs: Vec<_> = week(seed).into_iter().filter(wanted).collect();
    let mut changes: Vec<(u64, bool, &str)> = Vec::new();
    for (name, job) in &jobs {
        changes.extend(job.windows().iter().flat_map(|(from, to)| [(*from, true, name.as_str()), (*to, false, name)]));
    }
    changes.sort_by_key(|(at, comes, _)| (*at, *comes));
    let idle = "command = 'a'\nevery = '400d'\nfirst_run = 'wait'";
    let mut world = World::new(START, &[("slack_alert.toml", CONF), ("jobs.d/idle.toml", idle)]);
    world.clock.look_every(Duration::from_secs(300));
    world.spawner.play(script(week(seed)));
    world.start().await;
    let mut changes = changes.into_iter().peekable();
    while let Some((at, ..)) = changes.peek().copied() {
        let at = Duration::from_secs(at * 60);
        world.pass(at.saturating_sub(world.clock.elapsed())).await;
        while let Some((_, comes, name)) = changes.next_if(|(next, ..)| Duration::from_secs(next * 60) <= at) {
            let file = format!("jobs.d/{name}.toml");
            let job = &jobs.iter().find(|(known, _)| known == name).expect("a job of ours").1;
            if comes { world.file(&file, &job.file()) } else { world.remove(&file) }
        }
        world.reload().await;
    }
    world.pass(Duration::from_secs(7_200)).await;
    world
}

/// What a reader finds in the channel and its threads after the week: messages as edits have left them, and replies.
fn readable(world: &World) -> Vec<String> {
    let mut posted: BTreeMap<String, String> = BTreeMap::new();
    for (number, sent) in world.slack.sent().into_iter().enumerate().filter(|(_, sent)| sent.taken) {
        match (&sent.parent, sent.thread) {
            (Some(first), Thread::Edit) => _ = posted.insert(first.ts.clone(), sent.text),
            _ => _ = posted.insert(number.to_string(), sent.text),
        }
    }
    posted.into_values().collect()
}

fn judge(world: &World, seed: u64, only: Option<&str>, most_visible: usize, most_pings: usize) {
    let sent = world.slack.sent();
    let shown =
        sent.iter().filter(|sent| sent.taken && matches!(sent.thread, Thread::None | Thread::Open | Thread::Broadcast));
    let visible: Vec<String> = shown.map(ToString::to_string).collect();
    let pings =
        sent.iter().filter(|sent| sent.taken && sent.thread != Thread::Edit && sent.text.contains("<!here>")).count();
    let texts = readable(world);
    let mut incidents = 0;
    for (name, job) in week(seed).iter().filter(|(name, _)| only.is_none_or(|only| name == only)) {
        for (from, to, cause) in &job.incidents {
            incidents += 1;
            let told = |text: &String| text.contains(name.as_str()) && text.contains(cause.as_str());
            assert!(texts.iter().any(told), "{name}, {from} to {to}: `{cause}` cannot be read any more: {texts:#?}");
            let minute = |sent: &crate::support::notifier::Sent| sent.at.as_secs() / 60;
            let during =
                |sent: &&crate::support::notifier::Sent| (*from..=to + 60).contains(&minute(sent)) && sent.taken;
            assert!(sent.iter().any(|sent| during(&sent)), "{name}: nothing was said between {from} and {to}");
        }
    }
    assert!(visible.len() <= most_visible, "{} messages in the channel: {visible:#?}", visible.len());
    assert!(pings <= most_pings, "{pings} pings");
    println!("{incidents} incidents, {} visible, {pings} pings", visible.len());
}

#[tokio::test(start_paused = true)]
async fn a_week_of_158_incidents_is_told_in_60_messages_and_25_pings_and_each_cause_stays_readable() {
    let mut world = live(14, None).await;
    judge(&world, 14, None, 60, 25);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_now_and_then_is_as_quiet_with_other_luck() {
    let mut world = live(2, Some("noisy")).await;
    judge(&world, 2, Some("noisy"), 20, 7);
    world.stop().await;
}
