//! Shows the laws of the whole program by seeded simulation: random jobs and outcomes, a Slack in all its moods, crashes
//! at any await, restarts, reloads, clocks that are set, machines that sleep; and a model that looks at everything that
//! ran and was said. A seed that fails names itself.
//!
//! `SLACK_ALERT_SEED=N` replays one; `SLACK_ALERT_SEEDS=N` tries so many (each is 9 days, on average; one of four up to 50),
//! `SLACK_ALERT_FIRST_SEED=N` from there on.
//!
//! The laws: a run that was told is delivered, a dead letter, or in the outbox; none is delivered twice, but for a crash
//! between Slack's taking it and the record of that; what one job says comes in order; never more than the rate; no
//! recovery without a reported failure; no run outside its hours; no two runs of a job that forbids it, never more than
//! `max_running`; no due time of an interval is left out without a reason; a run that ended is in the history, and one
//! that a crash ended is told as that; the duration that a message names is that of its run; an incident counts as told in a
//! channel only when that channel took a message of it; nobody is pinged but by a failure.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::time::Duration;

use jiff::tz::TimeZone;
use slack_alert::document::format_duration;
use slack_alert::exec::{Ending, Reason, Run, Status, Stop};
use slack_alert::id::Channel;
use slack_alert::message::Thread;
use slack_alert::notify::{Delivery, Fault};
use slack_alert::policy::{Decision, Event};
use slack_alert::store::RunRow;

use crate::support::notifier::{Answer, Sent, lasting, ok, passing, refused};
use crate::support::world::{Act, Ran, World, fails, says};

/// How often the clock is looked at, when nothing is due: not as often as in life, so that many days can be tried.
const LOOK: Duration = Duration::from_secs(1_200);

/// What may wait to be written when a crash comes: the store driven in place writes at each look of the outbox.
const LAZY: Duration = Duration::from_secs(1_205);

const RATE: Duration = Duration::from_secs(1);

/// Chance from a seed (splitmix64).
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).expect("an index")]
    }
}

/// A job as the model knows it; what a reload may change is not in it.
#[derive(Clone, Debug)]
struct Job {
    name: String,
    every: Option<Duration>,
    schedule: String,
    overlap: &'static str,
    /// From and to, in minutes of the day.
    hours: Option<(u64, u64)>,
    notify: String,
    /// Besides the words that the model reads: a template that fails, or one that is blank now and then.
    more: &'static str,
    /// Of ten runs.
    bad: u64,
    /// Of a hundred runs: the script asks for silence.
    silent: u64,
    longest: u64,
}

impl Job {
    fn random(name: String, dice: &mut Dice) -> Self {
        let minutes = *dice.one_of(&[50, 60, 90, 240, 240, 720, 1440]);
        let (every, schedule) = match dice.below(5) {
            0 => (None, format!("cron = '{} */{} * * *'", dice.below(60), dice.one_of(&[3, 6, 12]))),
            1 => (None, format!("burst = {{ every = '50m', alerts = 2, pause = '{minutes}m' }}")),
            _ => (Some(Duration::from_secs(minutes * 60)), format!("every = '{minutes}m'")),
        };
        let hours = (dice.below(4) == 0).then(|| (dice.below(12) * 60, (13 + dice.below(11)) * 60));
        let on = dice.one_of(&[
            "['output', 'failure', 'recovery']",
            "['always']",
            "['failure', 'recovery']",
            "['change', 'failure']",
        ]);
        let repeat = dice.one_of(&["1h", "always", "never", "6h"]);
        let (after, limit) = (1 + dice.below(3), dice.one_of(&["20/h", "1/h", "3/d"]));
        let mut notify =
            format!("on = {on}\nrepeat = '{repeat}'\nafter = {after}\nrate_limit = '{limit}'\nmention = '@here'");
        for (one_of, key) in [
            (4, "quiet_hours = '22:00-07:00'"),
            (8, "quiet_hours = '00:00-12:00'\nquiet_except = ['critical']"),
            (3, "flap = { changes = 2, within = '3h' }"),
            (5, "flap = false"),
            (4, "intermittent = false"),
            (4, "channels = { critical = '#pager', ok = '#log' }"),
            (6, "channel = ['#ops', '#dev']"),
            (6, "thread = false"),
            (4, "slow.over = '20m'"),
        ] {
            let twice = key.starts_with("quiet_hours") && notify.contains("quiet_hours")
                || key.starts_with("flap") && notify.contains("flap");
            if dice.below(one_of) == 0 && !twice {
                notify.push('\n');
                notify.push_str(key);
            }
        }
        let more = *dice.one_of(&[
            "",
            "",
            "",
            "{{ json.missing.at_all }}",
            "{% if run.id % 5 == 0 %}{{ nothing }}{% endif %}",
        ]);
        let more = if more.contains("nothing") { "{% if run.id % 5 == 0 %}{{ [][3].x }}{% endif %}" } else { more };
        Self {
            name,
            every: every.filter(|_| hours.is_none()),
            schedule,
            overlap: *dice.one_of(&["skip", "skip", "queue", "allow", "replace"]),
            hours,
            notify,
            more,
            silent: *dice.one_of(&[0, 0, 0, 3]),
            bad: *dice.one_of(&[0, 1, 5, 9]),
            longest: *dice.one_of(&[1, 60, 60, 5_000]),
        }
    }

    fn text(&self, revision: u64) -> String {
        let mut text =
            format!("command = 'a'\ndescription = '{revision}'\n{}\noverlap = '{}'\n", self.schedule, self.overlap);
        if let Some((from, to)) = self.hours {
            let _ = writeln!(text, "working_hours = '{:02}:00-{:02}:00'", from / 60, to / 60);
        }
        let words = "r{{ run.id }}. {{ job.name }} {{ event }} took={{ duration | default(\"?\") }};";
        let (more, notify) = (self.more, &self.notify);
        let _ = write!(
            text,
            "template = '{words}'\nfailure_template = '{more}'\n[message]\ntitle = '{words}'\n[notify]\n{notify}\n"
        );
        text
    }

    fn file(&self) -> String {
        format!("jobs.d/{}.toml", self.name)
    }
}

/// How Slack is at a time.
#[derive(Clone, Copy, Debug)]
enum Weather {
    Fair,
    Rough,
    Away,
    Revoked,
}

/// Slack in its moods; from `end` on it takes everything.
fn slack(mut dice: Dice, length: Duration) -> impl FnMut(&Delivery, Duration) -> Answer {
    let (mut weather, mut until) = (Weather::Fair, Duration::ZERO);
    move |delivery, at| {
        if at >= length {
            return ok();
        }
        if at >= until {
            weather = *dice.one_of(&[Weather::Fair, Weather::Fair, Weather::Rough, Weather::Away, Weather::Revoked]);
            let longest = if matches!(weather, Weather::Fair) { 250_000 } else { 15_000 };
            until = at + Duration::from_secs(60 + dice.below(longest));
        }
        let takes = Duration::from_millis(dice.below(700));
        let (_, answer) = match (weather, dice.below(20)) {
            (Weather::Away, n) if n < 19 => passing(),
            (Weather::Revoked, _) => lasting(Fault::Credentials),
            (Weather::Rough, 0..=3) => refused(1 + dice.below(120)),
            (Weather::Rough, 4..=6) => passing(),
            (Weather::Rough, 7) => return (Duration::from_secs(dice.below(400)), passing().1),
            (Weather::Rough, 8) if delivery.plain.is_none() => lasting(Fault::Message),
            (Weather::Rough, 9) if delivery.parent.is_some() => lasting(Fault::Thread),
            (Weather::Rough, 10) => lasting(Fault::Channel),
            _ => ok(),
        };
        (takes, answer)
    }
}

fn outcomes(seed: u64, jobs: Vec<Job>) -> impl FnMut(&Run, Duration) -> Act {
    let mut dice = Dice(seed ^ 0xA5A5);
    move |run, _| {
        let job = jobs.iter().find(|job| job.name == run.job.as_str()).expect("a job of ours");
        let word = *dice.one_of(&["", "one", "two"]);
        let act = if dice.below(10) < job.bad { fails(word) } else { says(word) };
        let status = if act.status == Status::Critical && dice.below(4) == 0 { Status::Warning } else { act.status };
        let silence = (dice.below(100) < job.silent).then(|| Duration::from_secs(3_600 * (1 + dice.below(6))));
        Act { status, silence, ..act }.takes(dice.below(job.longest)).deaf(dice.below(30))
    }
}

/// A stretch in which a due time may pass for a reason that the model does not know.
type Disturbance = (Duration, Duration);

/// The answer is how many days were simulated.
async fn live(seed: u64) -> u64 {
    let mut dice = Dice(seed);
    let max_running = *dice.one_of(&[64, 64, 1, 2]);
    let max_age = *dice.one_of(&["24h", "2h", "1000h"]);
    // A way out that can neither answer in a thread, nor edit, nor choose the channel, now and then.
    let way = match dice.below(6) {
        0 => "webhook_url = 'https://hooks.slack.com/services/T/B/x'",
        _ => "token = 'xoxb-0'",
    };
    let configuration = |channel: &str| {
        format!(
            "slack = {{ channel = '{channel}', {way} }}\nhost = 'h'\ntime_zone = 'UTC'\n\
             limits = {{ max_running = {max_running}, outbox_max_age = '{max_age}' }}"
        )
    };
    let conf = configuration("#ops");
    let jobs: Vec<Job> = (0..1 + dice.below(4)).map(|n| Job::random(format!("j{n}"), &mut dice)).collect();
    let mut world = World::new("2026-03-25T00:00:00Z", &[("slack_alert.toml", &conf)]);
    for job in &jobs {
        world.file(&job.file(), &job.text(0));
    }
    let longest = *dice.one_of(&[4, 8, 8, 50]);
    let length = Duration::from_secs(86_400 * (1 + dice.below(longest)));
    world.clock.look_every(LOOK);
    world.slack.play(slack(dice.clone(), length));
    world.spawner.play(outcomes(seed, jobs.clone()));
    world.start().await;
    let mut disturbed: Vec<Disturbance> = vec![(Duration::ZERO, Duration::ZERO)];
    let mut gone: HashSet<usize> = HashSet::new();
    let mut revision = 0;
    while world.clock.elapsed() < length {
        let pause = *dice.one_of(&[5, 600, 7_200, 100_000, 200_000]);
        world.pass(Duration::from_millis(dice.below(pause * 1_000))).await;
        let from = world.clock.elapsed();
        let quiet = match dice.below(12) {
            0..=2 => {
                for _ in 0..dice.below(12) {
                    tokio::task::yield_now().await;
                }
                world.crash().await;
                world.pass(Duration::from_secs(dice.below(*dice.clone().one_of(&[3, 600, 40_000])))).await;
                world.start().await;
                false
            }
            3 => {
                world.stop().await;
                world.pass(Duration::from_secs(dice.below(3_000))).await;
                world.start().await;
                false
            }
            4..=6 => {
                revision += 1;
                let which = usize::try_from(dice.below(jobs.len() as u64)).expect("an index");
                match dice.below(5) {
                    4 => world.file("slack_alert.toml", &configuration(dice.one_of::<&str>(&["#ops", "#new"]))),
                    0 if gone.insert(which) => world.remove(&jobs[which].file()),
                    1 if !gone.contains(&which) => world.file(&jobs[which].file(), "command ="),
                    _ => {
                        gone.remove(&which);
                        world.file(&jobs[which].file(), &jobs[which].text(revision));
                    }
                }
                world.reload().await;
                false
            }
            7 => {
                let by = i64::try_from(dice.below(20_000)).expect("small") - 10_000;
                world.set_clock(by);
                false
            }
            8 => {
                world.clock.suspend(Duration::from_secs(dice.below(30_000)));
                // Time that nobody looked at is no time to have written anything in.
                world.pass(LOOK).await;
                false
            }
            _ => true,
        };
        if !quiet {
            disturbed.push((from, world.clock.elapsed() + LOOK));
        }
    }
    // All is well from here on: what waits gets its chance.
    for (which, job) in jobs.iter().enumerate() {
        if !gone.contains(&which) {
            world.file(&job.file(), &job.text(revision + 1));
        }
    }
    world.reload().await;
    disturbed.push((world.clock.elapsed(), world.clock.elapsed() + LOOK));
    world.pass(Duration::from_secs(3 * 3_600)).await;
    let present: HashSet<String> =
        jobs.iter().enumerate().filter(|(which, _)| !gone.contains(which)).map(|(_, job)| job.name.clone()).collect();
    judge(&world, &jobs, &present, &disturbed, max_running).await;
    world.stop().await;
    world.clock.elapsed().as_secs() / 86_400
}

/// The runs that a text tells of, each with the event: `r17. j0 failure`, one or a line each.
fn told(text: &str) -> Vec<(u64, String)> {
    let read = |line: &str| {
        let mut words = line.split_whitespace().skip_while(|word| !word.starts_with('r') || !word.ends_with('.'));
        let id = words.next()?.strip_prefix('r')?.strip_suffix('.')?.parse().ok()?;
        // The head of a storm ends with its only cause, in bold.
        Some((id, words.nth(1)?.trim_end_matches('*').to_owned()))
    };
    let mut all: Vec<(u64, String)> = text.lines().filter_map(read).collect();
    all.dedup();
    all
}

async fn judge(world: &World, jobs: &[Job], present: &HashSet<String>, disturbed: &[Disturbance], max_running: u64) {
    let ran: BTreeMap<u64, Ran> = world.spawner.ran().into_iter().map(|ran| (ran.run.id.0, ran)).collect();
    assert_eq!(ran.len(), world.spawner.ran().len(), "a run's number was used twice");
    let history: BTreeMap<u64, RunRow> = world.history().await.into_iter().map(|row| (row.id.0, row)).collect();
    let sent = world.slack.sent().clone();
    let end = world.clock.elapsed();
    let ends = |ran: &Ran| {
        let crash = world.crashes.iter().copied().find(|crash| *crash >= ran.started);
        ran.ended.or(crash).unwrap_or(end)
    };
    runs_keep_the_rules(&ran, jobs, max_running, end, &ends);
    due_times_are_kept(&ran, jobs, present, disturbed, max_running, end, &ends);
    runs_are_kept(&ran, &history, &world.crashes);
    no_recovery_without_a_failure(&history, jobs);
    let delivered = deliveries_keep_the_rules(&sent, &ran, &history, jobs, &world.crashes);
    messages_name_the_facts_of_their_runs(&sent, &history);
    told_is_delivered(world, &sent).await;
    let mut kept: HashSet<u64> = HashSet::new();
    for dead in [false, true] {
        kept.extend(world.outbox(dead).await.iter().flat_map(|stored| told(&stored.message.text)).map(|(id, _)| id));
    }
    // Where the file of an interrupted run's job was bad at the next start, there is no template that names the run.
    let in_own_words = |row: &RunRow| {
        let is_of_row =
            |incident: u64| incident <= row.id.0 && history.get(&incident).is_none_or(|of| of.job == row.job);
        let words = "interrupted while it ran";
        let of_job = |one: &Sent| one.text.contains(row.job.as_str()) && one.text.contains(words);
        let mut taken = sent.iter().filter(|one| one.taken && one.thread != Thread::Edit);
        row.reason == Reason::Interrupted && taken.any(|one| one.incident.is_some_and(is_of_row) && of_job(one))
    };
    let is_kept = |row: &RunRow| delivered.contains(&row.id.0) || kept.contains(&row.id.0) || in_own_words(row);
    // The first message of an incident that was refused: that of a later failure of the same incident took its place.
    let was_replaced = |row: &RunRow| {
        let refused = sent.iter().any(|one| !one.taken && told(&one.text).iter().any(|(id, _)| *id == row.id.0));
        let later = history.range(row.id.0 + 1..).map(|(_, later)| later).filter(|later| later.job == row.job);
        refused && later.take_while(|later| later.status != Status::Ok).any(is_kept)
    };
    for row in history.values().filter(|row| row.decision.is_notified()) {
        let id = row.id.0;
        assert!(is_kept(row) || was_replaced(row), "run {id} of {} was told and is lost: {row:?}", row.job);
    }
}

fn runs_keep_the_rules(
    ran: &BTreeMap<u64, Ran>,
    jobs: &[Job],
    max_running: u64,
    end: Duration,
    ends: &impl Fn(&Ran) -> Duration,
) {
    let mut going: Vec<&Ran> = Vec::new();
    let mut in_order: Vec<&Ran> = ran.values().collect();
    in_order.sort_by_key(|ran| ran.started);
    for one in in_order {
        going.retain(|other: &&Ran| ends(other) > one.started);
        let job = jobs.iter().find(|job| job.name == one.run.job.as_str()).expect("a job of ours");
        let others = going.iter().filter(|other| other.run.job == one.run.job).count();
        assert!(job.overlap == "allow" || others == 0, "two runs of {} at {:?}", job.name, one.started);
        going.push(one);
        assert!(going.len() as u64 <= max_running, "{} runs at {:?}", going.len(), one.started);
        if let Some((from, to)) = job.hours {
            let wall = one.wall.to_zoned(TimeZone::UTC);
            let minute = u64::try_from(i32::from(wall.hour()) * 60 + i32::from(wall.minute())).expect("not negative");
            assert!((from..to).contains(&minute), "{} ran outside its hours, at {wall}", job.name);
        }
        assert!(
            one.stop == Stop::No || one.ended.is_some() || ends(one) < end,
            "run {} was stopped and left",
            one.run.id
        );
    }
}

/// Between two runs of an interval, and after its last, no due time is left out.
fn due_times_are_kept(
    ran: &BTreeMap<u64, Ran>,
    jobs: &[Job],
    present: &HashSet<String>,
    disturbed: &[Disturbance],
    max_running: u64,
    end: Duration,
    ends: &impl Fn(&Ran) -> Duration,
) {
    if max_running < 64 {
        return;
    }
    for job in jobs {
        let Some(every) = job.every else { continue };
        let mut runs: Vec<&Ran> = ran.values().filter(|ran| ran.run.job.as_str() == job.name).collect();
        runs.sort_by_key(|ran| ran.started);
        let starts = runs.iter().skip(1).map(|ran| ran.started).chain(present.contains(&job.name).then_some(end));
        for (one, next) in runs.iter().zip(starts) {
            let steps = match job.overlap {
                "skip" => (ends(one).saturating_sub(one.started).as_secs() / every.as_secs()) + 1,
                _ => 1,
            };
            // A replaced run may be deaf for 30 s; a queued one starts when the one before ends.
            let late = Duration::from_secs(31).max(if job.overlap == "queue" {
                ends(one).saturating_sub(one.started)
            } else {
                Duration::ZERO
            });
            let bound = every * u32::try_from(steps).expect("few") + late;
            let calm = disturbed.iter().all(|(from, to)| *to < one.started || next < *from);
            assert!(
                !calm || next - one.started <= bound,
                "{}: nothing between {:?} and {next:?}: {job:?}",
                job.name,
                one.started
            );
        }
    }
}

fn runs_are_kept(ran: &BTreeMap<u64, Ran>, history: &BTreeMap<u64, RunRow>, crashes: &[Duration]) {
    for (id, one) in ran {
        let crash = crashes.iter().copied().find(|crash| *crash >= one.started);
        match (one.ended, crash) {
            (Some(ended), _) if !crashes.iter().any(|crash| *crash >= ended && *crash < ended + LAZY) => {
                let row = history.get(id).unwrap_or_else(|| panic!("run {id} ended and is not in the history"));
                assert_eq!(row.started.as_millisecond(), one.wall.as_millisecond(), "run {id}");
            }
            (None, Some(crash)) if crash > one.started + LAZY => {
                let row =
                    history.get(id).unwrap_or_else(|| panic!("run {id} was interrupted and is not in the history"));
                assert_eq!(
                    (row.reason, row.decision == Decision::Undecided),
                    (Reason::Interrupted, false),
                    "run {id}: {row:?}"
                );
            }
            _ => {}
        }
    }
}

fn no_recovery_without_a_failure(history: &BTreeMap<u64, RunRow>, jobs: &[Job]) {
    // What waits for the end of quiet hours or of a silence is told by the clock, and by no run.
    let by_its_runs = |job: &&Job| job.overlap != "allow" && job.silent == 0 && !job.notify.contains("quiet_hours");
    for job in jobs.iter().filter(by_its_runs) {
        let (mut reported, mut replaced) = (false, 0);
        for row in history.values().filter(|row| row.job.as_str() == job.name) {
            // That no run comes to its end is told by no run.
            replaced = if row.decision == Decision::Replaced { replaced + 1 } else { 0 };
            reported |= replaced >= 3;
            match row.decision.event() {
                Some(Event::Failure | Event::Repeat | Event::Flapping) => reported = true,
                Some(Event::Recovery) => {
                    assert!(reported, "run {} of {} recovered, and no failure was told", row.id, job.name);
                    reported = false;
                }
                _ => {}
            }
        }
    }
}

/// The answer is which runs Slack has heard of.
fn deliveries_keep_the_rules(
    sent: &[Sent],
    ran: &BTreeMap<u64, Ran>,
    history: &BTreeMap<u64, RunRow>,
    jobs: &[Job],
    crashes: &[Duration],
) -> HashSet<u64> {
    // When, whether a storm told it, and whether it was among what came late.
    let mut delivered: HashMap<(u64, String, &str), (Duration, bool, bool)> = HashMap::new();
    let mut last_of: HashMap<(&str, &str), u64> = HashMap::new();
    // Edits have a limit of their own, and so has each channel.
    let mut before: HashMap<(bool, &str), &Sent> = HashMap::new();
    // What a channel did not take at once is tried again, and lets others pass.
    let mut refused: HashSet<(u64, String, &str)> = HashSet::new();
    let mut unedited: HashSet<(u64, String, &str)> = HashSet::new();
    let mut unended: HashSet<(u64, &str)> = HashSet::new();
    for one in sent {
        if !one.taken {
            let of = || told(&one.text).into_iter().map(|(id, event)| (id, event, one.channel.as_str()));
            refused.extend(of());
            unedited.extend(of().filter(|_| one.thread == Thread::Edit));
            unended
                .extend(one.incident.filter(|_| one.thread == Thread::Edit).map(|incident| (incident, &*one.channel)));
        }
        if let Some(before) = before.insert((one.thread == Thread::Edit, &one.channel), one) {
            assert!(one.at - before.at >= RATE, "faster than the rate: {before} then {one}");
        }
        if !one.taken || one.thread == Thread::Edit {
            continue;
        }
        for (id, event) in told(&one.text) {
            // A job's flapping has a beginning and an end, which may be told of one run.
            // What is told late, when Slack was away for long, goes by the wall clock, which may have been set.
            let late = one.text.contains("that could not be delivered in time");
            // A storm tells of several jobs at once; each job's own message follows in its thread as the rate allows.
            // The end of a job's conversation is an edit, which has a lane of its own; where Slack did not take the edit, a
            // reply in the conversation's thread says it, when the edit is given up.
            let given_up = one.thread == Thread::Reply && one.text.contains("no longer fails now and then");
            // Another channel did not take it, and this one is told in its place, late.
            let instead = one.text.contains("could not be posted to");
            let by_the_clock = !matches!(&*event, "output" | "success" | "change" | "failure" | "repeat" | "recovery");
            let word_of_a_run = !late && !one.detail && !given_up && !instead && !by_the_clock;
            let again = delivered.insert((id, event.clone(), &one.channel), (one.at, one.storm, late));
            if let Some((first, in_storm, was_late)) = again.filter(|_| event != "flapping" && !instead) {
                let crashed = crashes.iter().any(|crash| first <= *crash && *crash <= one.at);
                // The storm may name a run, and the job's own message follows in the thread: once.
                let follows = in_storm && one.detail;
                // What waited for the end of quiet hours is told then, above the last run: a failure that was excepted from
                // them was told by itself before.
                let waited = one.text.contains("while it was quiet: ");
                // A reply in the thread, or a line of what came late, told the end of a single failure, and the channel was
                // to see it by an edit, which was refused or waited for too long.
                let no_edit = was_late
                    || unedited.contains(&(id, event.clone(), one.channel.as_str()))
                    || one.incident.is_some_and(|incident| unended.contains(&(incident, &*one.channel)));
                let unseen = one.thread == Thread::Broadcast && event == "recovery" && no_edit;
                assert!(
                    follows || waited || crashed || unseen,
                    "run {id} was delivered twice without a crash, at {first:?} and then: {one}"
                );
            }
            // It waited to start when the daemon ended.
            let Some(name) = ran.get(&id).map(|one| one.run.job.as_str()) else {
                let never_ran = |row: &RunRow| matches!(row.ending, Ending::CutOff { by } if by.is_before_start());
                assert!(history.get(&id).is_some_and(never_ran), "run {id} is none of ours: {one}");
                continue;
            };
            let job = jobs.iter().find(|job| job.name == name).expect("a job of ours");
            let last = last_of.entry((&job.name, &one.channel)).or_default();
            let waits = job.notify.contains("quiet_hours") || job.silent > 0;
            let tried = refused.contains(&(id, event.clone(), one.channel.as_str()));
            let unordered = again.is_some() || !word_of_a_run || waits || tried || job.overlap == "allow";
            // Of one run two things may be told: an end that nobody asked for, where it cannot be an edit, and what it printed.
            assert!(unordered || id >= *last, "run {id} was told after {last}: {one}");
            *last = if word_of_a_run { (*last).max(id) } else { *last };
        }
    }
    delivered.into_keys().map(|(id, ..)| id).collect()
}

/// The duration in a message is that of the run whose number it has; and only a failure pings.
fn messages_name_the_facts_of_their_runs(sent: &[Sent], history: &BTreeMap<u64, RunRow>) {
    for one in sent {
        for line in one.text.lines() {
            let Some((before, took)) =
                line.split_once(" took=").and_then(|(before, rest)| Some((before, rest.split_once(';')?.0)))
            else {
                continue;
            };
            let Some((id, event)) = told(before).pop() else { continue };
            let goes_on = matches!(&*event, "stuck" | "slow");
            let Some(row) = history.get(&id).filter(|_| !goes_on && took != "?") else { continue };
            // Of a run that was cut off nobody knows it.
            let unknown = took == "an unknown time" && row.took.is_zero();
            assert!(unknown || took == format_duration(row.took), "run {id} took another time: {one}");
        }
        let events: Vec<String> = told(&one.text).into_iter().map(|(_, event)| event).collect();
        let good = |event: &String| matches!(&**event, "output" | "success" | "change" | "recovery" | "slow");
        let pings = one.text.contains("<!here>") && one.thread != Thread::Edit;
        // What came late counts what is critical, also where the daemon's own words name no run.
        let counts_critical = one.text.contains("could not be delivered in time") && one.text.contains(" critical");
        let is_good = !events.is_empty() && events.iter().all(good) && !counts_critical;
        assert!(!pings || !is_good, "good news pings: {one}");
    }
}

/// What a job remembers as told in a channel was taken there.
async fn told_is_delivered(world: &World, sent: &[Sent]) {
    let jobs = world.store().load().await.expect("the store is well").jobs;
    for (job, state) in jobs {
        let health: serde_json::Value = serde_json::from_str(&state.health).unwrap_or_default();
        let others = health["other_incidents"].as_array().cloned().unwrap_or_default();
        for incident in others.iter().chain([&health["incident"]]).filter(|incident| incident.is_object()) {
            let thread = incident["conversation"].as_u64().or(incident["id"].as_u64());
            for channel in incident["reported"]["channels"].as_array().into_iter().flatten() {
                let channel = Channel::new(channel.as_str().unwrap_or_default()).to_string();
                let took = |one: &&Sent| {
                    one.taken && one.channel == channel && (one.incident == thread || one.incident.is_none())
                };
                assert!(sent.iter().any(|one| took(&one)), "{job} counts incident {thread:?} as told in {channel}");
            }
        }
    }
}

#[test]
fn no_seed_breaks_a_law() {
    let asked = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let first = asked("SLACK_ALERT_FIRST_SEED").unwrap_or(0);
    let seeds = match asked("SLACK_ALERT_SEED") {
        Some(seed) => seed..seed + 1,
        None => first..first + asked("SLACK_ALERT_SEEDS").unwrap_or(24),
    };
    let seeds: Vec<u64> = seeds.collect();
    // Two at a time: each simulation has a thread, a runtime and a world of its own.
    let days: u64 = std::thread::scope(|scope| {
        let seeds = &seeds;
        let half = move |which: usize| seeds.iter().skip(which).step_by(2).map(|seed| days_of(*seed)).sum::<u64>();
        let halves = [0, 1].map(|which| scope.spawn(move || half(which)));
        halves.into_iter().map(|half| half.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).sum()
    });
    println!("{days} days");
}

fn days_of(seed: u64) -> u64 {
    let run = std::panic::catch_unwind(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(live(seed))
    });
    run.unwrap_or_else(|_| panic!("seed {seed} breaks a law; SLACK_ALERT_SEED={seed} replays it"))
}
