//! What watchers elsewhere are told: the heartbeat of the daemon, and the pings of jobs.

use std::time::Duration;

use slack_alert::daemon::{Ping, Pinged, Request};
use slack_alert::exec::Captured;
use slack_alert::id::JobName;
use slack_alert::notify::SignalError;

use crate::support::world::{World, fails, says};

const MORNING: &str = "2026-11-23T08:00:00Z";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const CONFIG: &str = "slack.channel = '#ops'\nhost = 'web-1'\ntime_zone = 'UTC'\n";

fn not_reached() -> Result<(), SignalError> {
    Err(SignalError { why: "no answer from hc.example.com within 10s".to_owned(), gone: false })
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_says_each_minute_that_all_is_well_then_what_is_wrong_and_an_orderly_stop() {
    let config = format!("{CONFIG}[heartbeat]\nurl = 'https://hc.example.com/1'\n[limits]\nmax_running = 1\n");
    let jobs = [
        ("slack_alert.toml", config.as_str()),
        ("jobs.d/etl.toml", "command = 'a'\nevery = '1h'\nnotify.on = []"),
        ("jobs.d/late.toml", "command = 'a'\nevery = '1h'\nfirst_run = 'wait'\nnotify.on = []"),
    ];
    let mut world = World::started(MORNING, &jobs, |run, _| {
        // The second hour's run holds the only place for two and a half minutes.
        let long = run.job.as_str() == "etl" && run.id.0 > 1;
        says("").takes(if long { 150 } else { 1 })
    })
    .await;
    world.pass(seconds(3600 + 4 * 60 + 30)).await;
    world.stop().await;
    let told = world.watcher.told();
    assert_eq!(told[..3], ["00:00", "01:00", "02:00"]);
    assert_eq!(
        told[60..],
        [
            "60:00",
            "61:00 /fail a run of late has waited for a free place for 1m",
            "62:00 /fail a run of late has waited for a free place for 2m",
            "63:00",
            "64:00",
            "64:30 /log slack-alert stops",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_tells_its_watcher_when_it_begins_and_how_it_ends() {
    let job = "command = 'a'\nevery = '1h'\nping = { url = 'https://hc.example.com/1', output = true }\nnotify.on = []";
    let plain =
        "command = 'a'\nevery = '1h'\nping = { url = 'https://up.example.com/1', style = 'plain' }\nnotify.on = []";
    let jobs = [("slack_alert.toml", CONFIG), ("jobs.d/a.toml", job), ("jobs.d/b.toml", plain)];
    let world = World::started(MORNING, &jobs, |_, at| match at.as_secs() {
        0 => says("43 tables").takes(20),
        _ => fails("disk full").takes(20),
    })
    .await;
    world.pass(seconds(3700)).await;
    assert_eq!(
        world.watcher.told(),
        ["00:00 /start", "00:20 /0 43 tables", "00:20", "60:00 /start", "60:20 /2 disk full"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_does_not_answer_delays_no_run_and_is_given_up_and_one_that_is_gone_is_told_once() {
    let job = "command = 'a'\nevery = '1h'\nping = { url = 'https://hc.example.com/1', start = false }\nnotify.on = []";
    let jobs = [("slack_alert.toml", CONFIG), ("jobs.d/a.toml", job)];
    let world = World::new(MORNING, &jobs);
    let gone = || Err(SignalError { why: "the answer of the watcher is 404".to_owned(), gone: true });
    world.watcher.answer([not_reached(), not_reached(), not_reached(), not_reached(), not_reached(), gone(), gone()]);
    let mut world = world;
    world.spawner.play(|_, _| says(""));
    world.start().await;
    world.pass(seconds(3 * 3600 + 60)).await;
    assert_eq!(
        world.watcher.told(),
        ["00:00 /0", "00:10 /0", "00:40 /0", "02:10 /0", "06:40 /0", "60:00 /0", "120:00 /0", "180:00 /0"]
    );
    assert_eq!(world.runs(), ["08:00:00 a", "09:00:00 a", "10:00:00 a", "11:00:00 a"]);
    let messages = world.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(
        messages[0].contains("the ping of a reaches nobody") && !messages[0].contains("hc.example.com"),
        "{messages:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reload_tells_of_a_watcher_that_is_gone_only_when_its_url_is_another() {
    let job = |number: u32| {
        format!(
            "command = 'a'\nevery = '1h'\nping = {{ url = 'https://hc.example.com/{number}', start = false }}\nnotify.on = []"
        )
    };
    let config = format!("{CONFIG}[heartbeat]\nurl = 'https://hc.example.com/0'\nevery = '1h'\n");
    let mut world = World::new(MORNING, &[("slack_alert.toml", config.as_str()), ("jobs.d/a.toml", &job(1))]);
    let gone = || Err(SignalError { why: "the answer of the watcher is 404".to_owned(), gone: true });
    world.watcher.answer(std::iter::repeat_with(gone).take(20));
    world.spawner.play(|_, _| says(""));
    world.start().await;
    world.pass(seconds(60)).await;
    let told = world.messages().len();
    assert_eq!(told, 2, "{:?}", world.messages());
    // Another job has changed.
    world.file("jobs.d/b.toml", "command = 'b'\nevery = '1h'\nnotify.on = []");
    world.reload().await;
    world.pass(seconds(3700)).await;
    assert_eq!(world.messages().len(), told, "{:?}", world.messages());
    world.file("jobs.d/a.toml", &job(2));
    world.reload().await;
    world.pass(seconds(3700)).await;
    assert_eq!(world.messages().len(), told + 1, "{:?}", world.messages());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_counts_as_not_run_is_not_told_to_begin_since_no_end_of_it_follows() {
    let keys = "expect = { every = '1d', grace = '1h' }\nexit_codes = { skip = [75] }\nnotify.on = []";
    let plain = format!("{keys}\nping = 'https://hc.example.com/1'");
    let asks = format!("{keys}\nping = {{ url = 'https://hc.example.com/2', start = true }}");
    let jobs = [("slack_alert.toml", CONFIG), ("jobs.d/a.toml", plain.as_str()), ("jobs.d/b.toml", &asks)];
    let world = World::started(MORNING, &jobs, |_, _| unreachable!("the daemon starts nothing")).await;
    for job in ["a", "b"] {
        for what in [Pinged::Start, Pinged::Exit(75)] {
            let names = vec![(JobName::new(job), what)];
            world.ask(Request::Ping(Box::new(Ping { names, key: None, output: Captured::default() }))).await;
            world.pass(seconds(20)).await;
        }
    }
    assert_eq!(world.watcher.told(), ["00:20 /log", "00:40 /start", "01:00 /log"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_something_else_starts_is_told_to_its_watcher_from_its_beginning() {
    let job = "expect = { every = '1d', grace = '1h' }\nping = 'https://hc.example.com/1'\nnotify.on = []";
    let jobs = [("slack_alert.toml", CONFIG), ("jobs.d/a.toml", job)];
    let world = World::started(MORNING, &jobs, |_, _| unreachable!("the daemon starts nothing")).await;
    for what in [Pinged::Start, Pinged::Exit(3)] {
        let names = vec![(JobName::new("a"), what)];
        world.ask(Request::Ping(Box::new(Ping { names, key: None, output: Captured::default() }))).await;
        world.pass(seconds(20)).await;
    }
    assert_eq!(world.watcher.told(), ["00:00 /start", "00:20 /3"]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_while_slack_is_away_does_not_tell_the_watcher_that_all_is_well() {
    let config = format!("{CONFIG}[heartbeat]\nurl = 'https://hc.example.com/1'\n");
    let jobs = [("slack_alert.toml", config.as_str()), ("jobs.d/a.toml", "command = 'a'\nevery = '1d'")];
    let mut world = World::started(MORNING, &jobs, |_, _| fails("disk full")).await;
    world.slack.play(|_, _| crate::support::notifier::passing());
    for minutes in [10, 10, 1] {
        world.pass(seconds(minutes * 60 + 5)).await;
        world.crash().await;
        world.start().await;
    }
    world.pass(seconds(5)).await;
    let told = world.watcher.told();
    let (well, wrong): (Vec<&String>, Vec<&String>) = told.iter().partition(|told| !told.contains("/fail"));
    assert!(well.len() >= 15 && well.iter().all(|told| told[..2] <= *"15"), "{told:?}");
    assert!(wrong.iter().all(|told| told.contains("messages wait, and none went out for ")), "{told:?}");
    // The first word of each process that begins after a quarter of an hour is one of them.
    let last = told.last().expect("it was told");
    assert!(last.starts_with("21:15 /fail messages wait, and none went out for 21m"), "{told:?}");
}
