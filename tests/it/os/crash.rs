//! Shows that the built daemon loses no alert: killed with SIGKILL at a hundred random instants while Slack misbehaves (at
//! its start, during a reload, during a stop, while a damaged database is carried over), then run in peace. The law: what
//! the history has as handled has arrived; what it has as interrupted was told as that; no message came more than once, but
//! for the one that is on its way to each channel when the daemon is killed; no run's number was used twice.
//!
//! `SLACK_ALERT_KILLS=1000` kills that often (CONTRIBUTING.md); `SLACK_ALERT_SEED` repeats a run.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use slack_alert::exec::Reason;
use slack_alert::store::{HistoryFilter, OutboxFilter, RunRow, Store};

use crate::support::program::Sandbox;
use crate::support::slack::{Answer, MockSlack};

/// Chance from a seed (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// Where chance begins.
pub(crate) fn seed() -> u64 {
    let seed = std::env::var("SLACK_ALERT_SEED").ok().and_then(|seed| seed.parse().ok());
    seed.unwrap_or_else(|| u64::try_from(Timestamp::now().as_microsecond()).expect("after 1970"))
}

/// How often something is tried: as the variable says.
pub(crate) fn tries(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|tries| tries.parse().ok()).unwrap_or(otherwise)
}

/// Makes the database one that has to be carried over: the table of when each channel was written to is rubbish.
fn damage(state: &Path) {
    let path = state.join("state.db");
    let Ok(db) = rusqlite::Connection::open(&path) else { return };
    let find = "SELECT rootpage FROM sqlite_schema WHERE name = 'lane'";
    // A daemon that was killed in its first moments may not have made it.
    let Ok(page) = db.query_row(find, (), |row| row.get::<_, u32>(0)) else { return };
    drop(db);
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("it is there");
    file.write_all_at(&[0x5a; 4096], u64::from(page - 1) * 4096).expect("it is ours");
}

fn config(slack: &MockSlack) -> String {
    format!("host = 'h'\n[slack]\ntoken = 'xoxb-0'\napi_url = '{}'\nchannel = '#ops'\nrate = '1000/s'\n", slack.url())
}

/// What every message says of its run: a failure and a recovery do not use `template`, and one that was interrupted may
/// have no output.
const NAMES: &str = "x{{ run.id }}. {{ reason }}";

/// A job that notes its run in a file and prints it; a message says which run it is about.
fn job(every: &str, more: &str, enabled: bool) -> String {
    format!(
        "command = '''echo \"x$SLACK_ALERT_RUN_ID.\" >> ran.txt; {more} echo \"x$SLACK_ALERT_RUN_ID.\"'''\n\
         every = '{every}'\nenabled = {enabled}\ntemplate = '{NAMES}'\nfailure_template = '{NAMES}'\n\
         [message.recovery]\nbody = '{NAMES}'\n[notify]\non = ['always']\nrepeat = 'always'\nrate_limit = '1000000/h'\nchannel = '#{}'\nflap = {{ changes = 0 }}\n",
        every.replace(' ', "-")
    )
}

/// The runs that a text names: `x17.`
fn named(text: &str) -> impl Iterator<Item = u64> {
    let is_end = |c: char| !c.is_ascii_digit();
    let parts = text.split('x').skip(1).filter_map(move |part| {
        let (number, rest) = part.split_at(part.find(is_end).unwrap_or(part.len()));
        rest.starts_with('.').then(|| number.parse().ok()).flatten()
    });
    parts.collect::<Vec<u64>>().into_iter()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(future)
}

fn all_runs(store: &Store) -> Vec<RunRow> {
    block_on(store.history(HistoryFilter { limit: 1_000_000, ..HistoryFilter::default() })).expect("it can be read")
}

/// The longest time from one try of a message to the next, and a little.
const LONGEST_REST: Duration = Duration::from_secs(400);

#[test]
fn killed_a_hundred_times_it_loses_no_alert() {
    let slack = MockSlack::start();
    let sandbox = Sandbox::with(&[("slack_alert.toml", &config(&slack))]);
    for (name, every, more) in [("a", "60ms", ""), ("b", "110ms", "sleep 0.05;"), ("c", "300ms", "sleep 0.25;")] {
        sandbox.file(&format!("jobs.d/{name}.toml"), &job(every, more, true));
    }
    let (seed, kills) = (seed(), tries("SLACK_ALERT_KILLS", 100));
    let state = sandbox.path().join("state");
    println!("SLACK_ALERT_SEED={seed}");
    let mut dice = Dice(seed);
    for n in 0..kills {
        // In the first third: the history begins anew with each, and the law is held against what the history has.
        let carried_over = n < kills / 3 && n % 3 == 2;
        if carried_over {
            damage(&state);
        }
        match dice.below(10) {
            0 => slack.answer(Answer::rate_limited(1)),
            1 => slack.answer(Answer::status(503, "")),
            2 => slack.answer(Answer::Reset),
            3 => slack.answer(Answer::Hang(Vec::new())),
            _ => {}
        }
        let mut daemon = sandbox.start(&["run", "--log-format", "text"]);
        // Mostly in its midst, now and then in the first moments.
        let early = carried_over || dice.below(8) == 0;
        if !early {
            daemon.wait_for("started");
        }
        let life = dice.below(if early { 60 } else { 450 });
        std::thread::sleep(Duration::from_millis(life));
        match dice.below(10) {
            0 => daemon.signal("HUP"),
            1 => daemon.signal("TERM"),
            _ => {}
        }
        if dice.below(2) == 0 {
            std::thread::sleep(Duration::from_millis(dice.below(20)));
        }
        daemon.signal("KILL");
        daemon.end();
    }
    // Then in peace, and without another run: what waits goes out.
    for (name, every) in [("a", "60ms"), ("b", "110ms"), ("c", "300ms")] {
        sandbox.file(&format!("jobs.d/{name}.toml"), &job(every, "", false));
    }
    // A daemon that lives for a moment takes few answers: thousands of bad ones are left of a thousand kills.
    slack.forget();
    let mut daemon = sandbox.start(&[]);
    daemon.wait_for("started");
    // A message that was tried often waits for longer than other things that are waited for.
    let deadline = Instant::now() + LONGEST_REST;
    loop {
        let filter = OutboxFilter { limit: 10, ..OutboxFilter::default() };
        let waiting = Store::open_reader(&state).expect("it is there").outbox_list(&filter).unwrap_or_default();
        if waiting.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "seed {seed}: still waiting: {waiting:#?}");
        std::thread::sleep(Duration::from_millis(200));
    }
    daemon.signal("TERM");
    let (status, said) = daemon.end();
    assert!(status.success(), "{said}");
    judge(&sandbox, &slack, seed, kills);
}

fn judge(sandbox: &Sandbox, slack: &MockSlack, seed: u64, kills: usize) {
    let (store, opened) = Store::open(&sandbox.path().join("state"), Timestamp::now()).expect("it is free");
    assert_eq!(opened.interrupted, [], "everything was told of");
    let ran: Vec<u64> = named(&sandbox.read("ran.txt")).collect();
    assert_eq!(ran.len(), ran.iter().collect::<BTreeSet<_>>().len(), "a number was used twice, seed {seed}");
    let mut arrived: BTreeSet<u64> = BTreeSet::new();
    let mut interrupted: BTreeSet<u64> = BTreeSet::new();
    let mut repeats: BTreeMap<String, usize> = BTreeMap::new();
    for posted in slack.posted() {
        let text = posted["text"].as_str().unwrap_or_default();
        let all: BTreeSet<u64> = named(text).collect();
        interrupted.extend(all.iter().filter(|id| text.contains(&format!("x{id}. interrupted"))));
        if !arrived.is_disjoint(&all) {
            *repeats.entry(posted["channel"].to_string()).or_default() += 1;
        }
        arrived.extend(all);
    }
    let runs = all_runs(&store);
    for run in &runs {
        assert!(run.decision.is_notified(), "seed {seed}: {run:?}");
        assert!(
            arrived.contains(&run.id.0),
            "run {} was handled, and nobody heard of it; seed {seed}: {run:?}",
            run.id
        );
        assert_eq!(run.reason == Reason::Interrupted, interrupted.contains(&run.id.0), "seed {seed}: {run:?}");
    }
    assert!(repeats.values().all(|&times| times <= kills), "repeats: {repeats:?}, seed {seed}");
    let repeats: usize = repeats.values().sum();
    // What says that this was a trial at all.
    let told_of_interruption = runs.iter().filter(|run| run.reason == Reason::Interrupted).count();
    println!("{} runs, {} handled, {told_of_interruption} interrupted, {repeats} repeats", ran.len(), runs.len());
    assert!(ran.len() > kills && runs.len() > kills / 3, "seed {seed}");
}

#[test]
fn a_run_that_outlives_the_daemon_is_waited_for_and_not_started_twice() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", ""),
        (
            "jobs.d/long.toml",
            "command = 'echo $$ >> pids; while ! test -e go; do sleep 0.02; done; rm go'\nevery = '200ms'\ntimeout = '10m'\n\
             [notify]\nstuck_after = 0\n",
        ),
    ]);
    let mut daemon = sandbox.start(&["run"]);
    daemon.wait_for("started");
    // The start of the run is on disk within a second, perhaps before its process is there.
    sandbox.wait_for("the run on disk, and its process", || {
        let runs = Store::open_reader(&sandbox.path().join("state")).ok()?.running().ok()?;
        (!runs.is_empty() && sandbox.read("pids").ends_with('\n')).then_some(())
    });
    daemon.signal("KILL");
    drop(daemon.end());
    let first = sandbox.read("pids");
    let mut next = sandbox.start(&["run", "-v"]);
    let line = next.wait_for("was in progress when the daemon died");
    assert!(line.contains("its process lives on: it is waited for"), "{line}");
    // Several due times pass; none of them starts a second copy.
    for _ in 0..4 {
        next.wait_for("due while the last run is still going");
    }
    assert_eq!(sandbox.read("pids"), first, "a second copy was started");
    sandbox.file("go", "");
    next.wait_for("its process went on and has");
    // And then the next.
    sandbox.wait_for("the next run", || (sandbox.read("pids") != first).then_some(()));
    next.signal("INT");
    next.signal("INT");
    drop(next.end());
}
