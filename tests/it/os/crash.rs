//! Shows that the built daemon loses no alert: killed with SIGKILL at a hundred random instants while Slack misbehaves,
//! then run in peace. The law: what the history has as handled has arrived; what it has as interrupted was told as that;
//! no message came more than once, but for one a kill; no run's number was used twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use slack_alert::exec::Reason;
use slack_alert::store::{HistoryFilter, OutboxFilter, RunRow, Store};

use crate::support::program::Sandbox;
use crate::support::slack::{Answer, MockSlack};

const KILLS: usize = 100;

/// Chance from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

fn config(slack: &MockSlack) -> String {
    format!("host = 'h'\n[slack]\ntoken = 'xoxb-0'\napi_url = '{}'\nchannel = '#ops'\nrate = '1000/s'\n", slack.url())
}

/// A job that notes its run in a file and prints it; a message says which run it is about.
fn job(every: &str, more: &str, enabled: bool) -> String {
    format!(
        "command = '''echo \"x$SLACK_ALERT_RUN_ID.\" >> ran.txt; {more} echo \"x$SLACK_ALERT_RUN_ID.\"'''\n\
         every = '{every}'\nenabled = {enabled}\ntemplate = 'x{{{{ run.id }}}}. {{{{ reason }}}}'\n\
         [notify]\non = ['always']\nrepeat = 'always'\nrate_limit = '1000000/h'\nchannel = '#{}'\nflap = {{ changes = 0 }}\n",
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

#[test]
fn killed_a_hundred_times_it_loses_no_alert() {
    let slack = MockSlack::start();
    let sandbox = Sandbox::with(&[("slack_alert.toml", &config(&slack))]);
    for (name, every, more) in [("a", "60ms", ""), ("b", "110ms", "sleep 0.05;"), ("c", "300ms", "sleep 0.25;")] {
        sandbox.file(&format!("jobs.d/{name}.toml"), &job(every, more, true));
    }
    let seed = std::env::var("SLACK_ALERT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::try_from(Timestamp::now().as_microsecond()).expect("after 1970"));
    println!("SLACK_ALERT_SEED={seed}");
    let mut dice = Dice(seed);
    for _ in 0..KILLS {
        match dice.below(10) {
            0 => slack.answer(Answer::rate_limited(1)),
            1 => slack.answer(Answer::status(503, "")),
            2 => slack.answer(Answer::Reset),
            3 => slack.answer(Answer::Hang(Vec::new())),
            _ => {}
        }
        let daemon = sandbox.start(&["run", "--log-format", "text"]);
        // Mostly in its midst, now and then in the first moments.
        let life = if dice.below(8) == 0 { dice.below(30) } else { 60 + dice.below(450) };
        std::thread::sleep(Duration::from_millis(life));
        daemon.signal("KILL");
        daemon.end();
    }
    // Then in peace, and without another run: what waits goes out.
    for (name, every) in [("a", "60ms"), ("b", "110ms"), ("c", "300ms")] {
        sandbox.file(&format!("jobs.d/{name}.toml"), &job(every, "", false));
    }
    let state = sandbox.path().join("state");
    let deadline = Instant::now() + Duration::from_secs(60);
    let daemon = sandbox.start(&[]);
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let filter = OutboxFilter { limit: 10, ..OutboxFilter::default() };
        let waiting = Store::open_reader(&state)
            .map(|reader| reader.outbox_list(&filter).map(|waiting| waiting.len()).unwrap_or(1));
        if waiting.is_ok_and(|waiting| waiting == 0) {
            break;
        }
        assert!(Instant::now() < deadline, "the outbox does not get empty");
    }
    daemon.signal("TERM");
    let (status, said) = daemon.end();
    assert!(status.success(), "{said}");
    judge(&sandbox, &slack, seed);
}

fn judge(sandbox: &Sandbox, slack: &MockSlack, seed: u64) {
    let (store, opened) = Store::open(&sandbox.path().join("state"), Timestamp::now()).expect("it is free");
    assert_eq!(opened.interrupted, [], "everything was told of");
    let ran: Vec<u64> = named(&sandbox.read("ran.txt")).collect();
    assert_eq!(ran.len(), ran.iter().collect::<BTreeSet<_>>().len(), "a number was used twice, seed {seed}");
    let mut arrived: BTreeMap<u64, usize> = BTreeMap::new();
    let mut interrupted: BTreeSet<u64> = BTreeSet::new();
    for posted in slack.posted() {
        let text = posted["text"].as_str().unwrap_or_default();
        let all: BTreeSet<u64> = named(text).collect();
        for id in all {
            *arrived.entry(id).or_default() += 1;
            interrupted.extend(text.contains("interrupted").then_some(id));
        }
    }
    let runs = all_runs(&store);
    for run in &runs {
        assert!(run.verdict.starts_with("notified"), "seed {seed}: {run:?}");
        assert!(
            arrived.contains_key(&run.id.0),
            "run {} was handled, and nobody heard of it; seed {seed}: {run:?}",
            run.id
        );
        assert_eq!(run.reason == Reason::Interrupted, interrupted.contains(&run.id.0), "seed {seed}: {run:?}");
    }
    let repeats: usize = arrived.values().map(|count| count - 1).sum();
    assert!(repeats <= KILLS, "{repeats} repeats, seed {seed}");
    // What says that this was a trial at all.
    let told_of_interruption = runs.iter().filter(|run| run.reason == Reason::Interrupted).count();
    println!("{} runs, {} handled, {told_of_interruption} interrupted, {repeats} repeats", ran.len(), runs.len());
    assert!(ran.len() > KILLS && runs.len() > KILLS / 2 && told_of_interruption > 0, "seed {seed}");
}
