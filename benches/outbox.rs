//! What the outbox costs: alerts committed a second with full sync, beside a raw loop of append and fdatasync on the same
//! disk in the same run; and the memory of 100,000 alerts that wait. `cargo bench --bench outbox`, with `TMPDIR` on the
//! disk in question; `-- memory` for the second part alone.

#![expect(clippy::disallowed_methods, reason = "a benchmark stands outside the doors: it reads clocks and makes files")]

use std::fmt;
use std::future::Future;
use std::io::Write;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use slack_alert::clock::{Clock, System};
use slack_alert::document::parse_rate;
use slack_alert::exec::Status as RunStatus;
use slack_alert::id::{Channel, JobName};
use slack_alert::message::{Message, Route, Thread};
use slack_alert::notify::{Capabilities, Delivery, Notifier, Receipt, SendError};
use slack_alert::outbox::{Remembered, Settings, Status, Wakeup, Worker};
use slack_alert::store::{Record, Store};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Alerts that come at one time: as when many jobs fail together.
const TOGETHER: usize = 64;

fn message(channel: u64, n: u64) -> Message {
    Message {
        job: Some(JobName::new("db/backup")),
        run: None,
        event: None,
        status: RunStatus::Critical,
        channel: Channel::new(&format!("channel-{channel}")),
        text: format!("*db/backup* failed with 2 on web-1 after 1.3 s, run {n}\n{}", "output ".repeat(60)),
        blocks: Vec::new(),
        color: Some("danger".into()),
        incident: Some(n),
        thread: Thread::Open,
        attachment: None,
        created: System.now().wall,
        route: Route::default(),
    }
}

fn say(line: fmt::Arguments<'_>) {
    writeln!(std::io::stdout(), "{line}").expect("somebody reads this");
}

/// Records a second of append and fdatasync, one at a time.
fn raw(dir: &Path, count: u64) -> f64 {
    let mut file = std::fs::File::create(dir.join("raw")).expect("a scratch directory");
    let begun = Instant::now();
    for n in 0..count {
        let line = serde_json::to_vec(&message(0, n)).expect("plain data");
        file.write_all(&line).and_then(|()| file.sync_data()).expect("there is room");
    }
    count as f64 / begun.elapsed().as_secs_f64()
}

/// Alerts a second, each of its own caller who waits for the disk; so many callers at one time.
async fn committed(store: &Store, count: u64, together: usize) -> f64 {
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for n in 0..count {
        if callers.len() >= together {
            callers.join_next().await;
        }
        let store = store.clone();
        callers.spawn(async move {
            let record = Record { messages: vec![message(0, n)], ..Record::default() };
            assert!(store.record(record).await.expect("there is room").durable);
        });
    }
    callers.join_all().await;
    count as f64 / begun.elapsed().as_secs_f64()
}

/// Slack, which does not answer.
#[derive(Debug)]
struct Silent;

impl Notifier for Silent {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    fn send(&self, _: Delivery) -> Pin<Box<dyn Future<Output = Result<Receipt, SendError>> + Send>> {
        Box::pin(std::future::pending())
    }
}

/// Resident memory in KiB (proc(5)).
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("proc(5)");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

async fn memory(dir: &Path) {
    let (store, _) = Store::open(&dir.join("memory"), System.now().wall).expect("a scratch directory");
    let settings = watch::Sender::new(Settings {
        host: "".into(),
        notifier: Arc::new(Silent),
        channel: None,
        rate: parse_rate("1/s").expect("a rate"),
        max_age: Duration::from_secs(86_400),
        fallback_after: None,
    });
    let status = watch::Sender::new(Status::default());
    let told = status.subscribe();
    let worker = Worker {
        store: store.clone(),
        clock: Arc::new(System),
        settings: settings.subscribe(),
        status,
        seed: 1,
        reports: tokio::sync::mpsc::unbounded_channel().0,
        standings: watch::channel(slack_alert::outbox::Standings::default()).1,
        wakeup: Wakeup::none(),
        remembered: Remembered::default(),
    };
    let worker = tokio::spawn(slack_alert::outbox::run(worker, std::future::pending(), std::future::pending()));
    let fill = async |from: u64, to: u64| {
        for first in (from..to).step_by(50) {
            let messages = (first..first + 50).map(|n| message(n % 20, n)).collect();
            store.record(Record { messages, ..Record::default() }).await.expect("there is room");
        }
    };
    // The first ones warm up what is needed once: the page cache, statements, the allocator.
    fill(0, 1_000).await;
    let before = resident();
    let begun = Instant::now();
    fill(1_000, 101_000).await;
    let took = begun.elapsed();
    // A thorough look of the worker comes every 20 s.
    tokio::time::sleep(Duration::from_secs(21)).await;
    let more = resident().saturating_sub(before) as f64 / 1024.0;
    let waiting = told.borrow().waiting;
    say(format_args!("{waiting} alerts wait: {more:.1} MiB more than with 1,000 (at most 32); taken in {took:.1?}"));
    worker.abort();
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let dir = tempfile::tempdir().expect("a scratch directory");
    runtime.block_on(async {
        let only_memory = std::env::args().any(|argument| argument == "memory");
        for round in (1..=3).filter(|_| !only_memory) {
            let (store, _) = Store::open(&dir.path().join(round.to_string()), System.now().wall).expect("a directory");
            let raw = raw(dir.path(), 2_000);
            let one = committed(&store, 1_000, 1).await;
            let many = committed(&store, 20_000, TOGETHER).await;
            say(format_args!(
                "round {round}: raw append and fdatasync {raw:.0}/s; one alert at a time {one:.0}/s ({:.2}); \
                 {TOGETHER} at a time {many:.0}/s ({:.2}, at least 0.5)",
                one / raw,
                many / raw
            ));
        }
        memory(dir.path()).await;
    });
}
