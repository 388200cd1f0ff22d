//! Shows the store on a real disk: killed in the middle of writes, damaged, locked, full, newer than the program, read
//! by another process while it writes, and fast enough that no run waits for it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use slack_alert::exec::{Captured, Status, Trigger};
use slack_alert::id::{Channel, JobName, RunId};
use slack_alert::message::{Message, Route, Thread};
use slack_alert::policy::{Decision, Dropped, Event, Suppressed};
use slack_alert::store::{
    CarriedOver, Cause, Class, Disposition, HistoryFilter, JobState, OpenError, OutboxFilter, Record, RunRow,
    RunningRow, Settlement, Store, ThreadChange, Trouble,
};

use crate::support::files;
use crate::support::skip::skip;

/// Where the child of a test finds what it is to do; without it the children are no tests.
const CHILD: &str = "SLACK_ALERT_STORE_CHILD";

/// Nothing here takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const T0: Timestamp = Timestamp::UNIX_EPOCH;

pub(super) fn message(channel: &str, text: &str) -> Message {
    Message {
        job: Some(JobName::new("disk")),
        run: None,
        event: None,
        status: Status::Critical,
        channel: Channel::new(channel),
        text: text.to_owned(),
        blocks: Vec::new(),
        color: None,
        incident: None,
        thread: Thread::None,
        attachment: None,
        created: T0,
        route: Route::default(),
    }
}

fn running(id: u64) -> RunningRow {
    let (job, trigger) = (JobName::new(format!("job-{}", id % 7)), Trigger::Schedule);
    RunningRow { id: RunId(id), job, number: id, trigger, scheduled: T0, started: T0, process: None }
}

fn over(id: u64) -> RunRow {
    RunRow {
        status: Status::Ok,
        decision: Decision::Suppressed(Suppressed::Blank, None),
        ..RunRow::interrupted(&running(id), T0)
    }
}

fn messages(texts: impl IntoIterator<Item = String>) -> Record {
    Record { messages: texts.into_iter().map(|text| message("ops", &text)).collect(), ..Record::default() }
}

fn open(dir: &Path) -> (Store, slack_alert::store::Opened) {
    Store::open(dir, T0).expect("the state directory can be used")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("in time") })
}

fn texts(store: &Store) -> Vec<String> {
    let filter = OutboxFilter { limit: 1_000_000, ..OutboxFilter::default() };
    let all = block_on(store.outbox_list(filter)).expect("it can be read");
    all.into_iter().map(|stored| stored.message.text).collect()
}

/// Starts one of the children below as a process of its own.
fn child(name: &str, dir: &Path) -> Child {
    let program = std::env::current_exe().expect("a test has a program");
    let mut command = Command::new(program);
    command.args(["--exact", &format!("os::store::{name}"), "--nocapture", "--test-threads", "1"]);
    command.env(CHILD, dir).stdout(Stdio::piped()).stdin(Stdio::piped()).spawn().expect("it starts")
}

fn child_dir() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// The child: writes messages for ever, and says which were acknowledged; keeps runs beside it.
#[test]
fn child_writes_until_it_is_killed() {
    let Some(dir) = child_dir() else { return };
    let (store, _) = open(&dir);
    block_on(async {
        let mut run = store.load().await.expect("it can be read").next_run;
        let life = std::process::id();
        for n in 0..1_000_000 {
            store.begin(running(run));
            let record = messages((0..n % 3 + 1).map(|part| format!("{life}-{n}-{part}")));
            let texts: Vec<String> = record.messages.iter().map(|message| message.text.clone()).collect();
            let recorded = store.record(Record { run: Some(over(run)), ..record }).await.expect("it is taken");
            assert!(recorded.durable);
            let mut out = std::io::stdout().lock();
            for text in texts {
                writeln!(out, "acknowledged {text} {run}").expect("the parent listens");
            }
            out.flush().expect("the parent listens");
            run += 1;
        }
    });
}

#[test]
fn nothing_that_was_acknowledged_is_lost_by_a_kill_and_no_number_is_used_twice() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let mut acknowledged: Vec<(String, u64)> = Vec::new();
    for life in 0..12 {
        let mut child = child("child_writes_until_it_is_killed", dir.path());
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut seen = 0;
        for line in lines.map_while(Result::ok) {
            if let Some((text, run)) = line.strip_prefix("acknowledged ").and_then(|rest| rest.split_once(' ')) {
                acknowledged.push((text.to_owned(), run.parse().expect("a number")));
                seen += 1;
            }
            // Killed in the middle of the next write, wherever that is; what it said before is read to its end.
            if seen == 5 + life * 9 {
                child.kill().expect("it can be killed");
            }
        }
        child.wait().expect("it can be waited for");
        assert!(seen >= 5, "the child said nothing");
    }
    let (store, _) = open(dir.path());
    assert_eq!(carried(&store), None);
    let kept = texts(&store);
    let lost: Vec<_> = acknowledged.iter().filter(|(text, _)| !kept.contains(text)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let mut twice = kept.clone();
    twice.sort_unstable();
    twice.dedup();
    assert_eq!(twice.len(), kept.len(), "no message is there twice");
    let mut lives: std::collections::HashMap<u64, &str> = std::collections::HashMap::new();
    for (text, run) in &acknowledged {
        let life = text.split('-').next().expect("it begins with the process");
        assert_eq!(*lives.entry(*run).or_insert(life), life, "run {run} was used by two processes");
    }
    let next = block_on(store.load()).expect("it can be read").next_run;
    assert!(acknowledged.iter().all(|(_, run)| *run < next));
}

/// The child: begins runs, lets one end, and waits to be killed.
#[test]
fn child_begins_runs() {
    let Some(dir) = child_dir() else { return };
    let (store, _) = open(&dir);
    (1..=3).for_each(|id| store.begin(running(id)));
    store.keep(Some(over(2)), None);
    block_on(store.flush()).expect("it is written");
    writeln!(std::io::stdout(), "\nready").expect("the parent listens");
    // Until it is killed, or its parent is gone.
    drop(std::io::stdin().read_line(&mut String::new()));
}

#[test]
fn runs_in_progress_at_a_crash_are_interrupted_and_given_until_they_are_told_of() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let mut child = child("child_begins_runs", dir.path());
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "ready"));
    child.kill().and_then(|()| child.wait()).expect("it can be killed");
    let (store, opened) = open(dir.path());
    assert_eq!(opened.interrupted.iter().map(|run| run.id.0).collect::<Vec<_>>(), [1, 3]);
    let history = block_on(store.history(HistoryFilter::default())).expect("it can be read");
    let seen: Vec<_> = history.iter().map(|run| (run.id.0, run.status, run.reason.as_str())).collect();
    let critical = Status::Critical;
    assert_eq!(seen, [(3, critical, "interrupted"), (2, Status::Ok, "interrupted"), (1, critical, "interrupted")]);
    drop(store);
    // A daemon that dies before it has told of them finds them again.
    let (store, opened) = open(dir.path());
    assert_eq!(opened.interrupted.len(), 2);
    for run in &opened.interrupted {
        store.keep(Some(RunRow { decision: Decision::Notified(Event::Failure), ..RunRow::interrupted(run, T0) }), None);
    }
    drop(store);
    let (store, opened) = open(dir.path());
    assert!(opened.interrupted.is_empty());
    let run = block_on(store.run(RunId(3))).expect("it can be read").expect("it is there");
    assert_eq!(run.decision, Decision::Notified(Event::Failure));
}

#[test]
fn a_second_daemon_is_refused_and_told_who_the_first_is() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (store, _) = open(dir.path());
    let error = Store::open_inline(dir.path(), T0).expect_err("it is locked");
    let expected = format!("another slack-alert (pid {}) uses {}", std::process::id(), dir.path().display());
    assert_eq!(error.to_string(), expected);
    drop(store);
    Store::open_inline(dir.path(), T0).expect("it is free again");
}

#[test]
fn the_state_is_its_owners_alone() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let state = dir.path().join("var/lib/slack-alert");
    let (store, _) = open(&state);
    block_on(store.record(messages(["m".to_owned()]))).expect("it is taken");
    let mode = |path: PathBuf| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(state.clone()), 0o700);
    for file in ["state.db", "state.db-wal", "state.db-shm", "lock"] {
        assert_eq!(mode(state.join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_clean_end_leaves_one_file_and_wastes_no_run_number() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    for life in 0..3 {
        let (store, _) = open(dir.path());
        let next = block_on(store.load()).expect("it can be read").next_run;
        assert_eq!(next, 1 + life * 10);
        (next..next + 10).for_each(|id| store.keep(Some(over(id)), Some((JobName::new("j"), JobState::default()))));
        block_on(store.close()).expect("it is written");
    }
    assert!(!dir.path().join("state.db-wal").exists());
}

#[test]
fn a_newer_schema_is_left_alone() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    drop(open(dir.path()));
    let path = dir.path().join("state.db");
    let db = rusqlite::Connection::open(&path).expect("it is a database");
    db.pragma_update(None, "user_version", 99).expect("it can be written");
    drop(db);
    let before = std::fs::read(&path).expect("it is there");
    let error = Store::open(dir.path(), T0).expect_err("it is newer");
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("was written by a newer slack-alert (schema 99; this one knows "), "{error}");
    assert!(Store::open_reader(dir.path()).expect_err("it is newer").to_string().contains("schema 99"));
    assert_eq!(std::fs::read(&path).expect("it is there"), before);
}

#[test]
fn a_file_that_is_no_database_is_set_aside_and_the_daemon_goes_on() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    std::fs::write(dir.path().join("state.db"), "this was never a database, ".repeat(500)).expect("it is ours");
    let now = "2026-11-23T07:15:00Z".parse().expect("a time");
    let (store, _) = Store::open(dir.path(), now).expect("it goes on");
    let aside = dir.path().join("state.db.corrupt-20261123T071500Z");
    assert_eq!(carried(&store).map(|carried| carried.kept_as).as_ref(), Some(&aside));
    store.told_of_carried();
    assert!(std::fs::read_to_string(aside).expect("it is kept").starts_with("this was never"));
    assert!(block_on(store.record(messages(["m".to_owned()]))).expect("it is taken").durable);
    drop(store);
    std::fs::write(dir.path().join("state.db"), "again ".repeat(500)).expect("it is ours");
    let (store, _) = Store::open(dir.path(), now).expect("it goes on");
    let second = dir.path().join("state.db.corrupt-20261123T071500Z.1");
    assert_eq!(carried(&store).map(|carried| carried.kept_as), Some(second));
    drop(store);
    let (store, _) = Store::open(dir.path(), now).expect("it goes on");
    assert!(carried(&store).is_some(), "it is told until somebody was told");
    store.told_of_carried();
    drop(store);
    assert_eq!(carried(&Store::open(dir.path(), now).expect("it goes on").0), None);
}

/// Which database took the place of another one.
fn carried(store: &Store) -> Option<CarriedOver> {
    store.trouble().borrow().carried.clone()
}

/// A database with messages, jobs and much history, closed.
fn filled(dir: &Path) {
    let (store, _) = open(dir);
    block_on(async {
        for n in 0..40 {
            store.record(messages([format!("m{n} {}", "x".repeat(500))])).await.expect("it is taken");
        }
        for id in 1..=4_000 {
            store.keep(Some(over(id)), Some((JobName::new(format!("job-{}", id % 50)), JobState::default())));
        }
        store.close().await.expect("it is written");
    });
}

/// Writes rubbish over the pages of a table, its first one spared where `spare`.
fn damage(dir: &Path, table: &str) {
    let path = dir.join("state.db");
    let db = rusqlite::Connection::open(&path).expect("it is a database");
    let pages = db.prepare("SELECT pageno FROM dbstat WHERE name = ?1 AND pagetype = 'leaf' ORDER BY pageno").and_then(
        |mut statement| statement.query_map([table], |row| row.get::<_, u32>(0))?.collect::<Result<Vec<_>, _>>(),
    );
    let pages = pages.expect("dbstat is built in");
    drop(db);
    let mut bytes = std::fs::read(&path).expect("it is there");
    let page = usize::try_from(pages[pages.len() / 2] - 1).expect("a small file") * 4096;
    bytes[page..page + 4096].fill(0x5a);
    std::fs::write(&path, bytes).expect("it is ours");
}

#[test]
fn of_a_damaged_outbox_what_can_be_read_is_carried_over() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    filled(dir.path());
    damage(dir.path(), "message");
    let (store, _) = open(dir.path());
    let carried = carried(&store).expect("it was damaged");
    let kept = texts(&store);
    let sound = kept.iter().filter(|text| text.starts_with('m')).count();
    assert!((25..40).contains(&sound), "{kept:?}");
    assert_eq!((carried.messages, carried.unreadable), (sound as u64, 40 - sound as u64));
    assert_eq!(kept.len(), 40, "of what cannot be read it is said that it cannot be read: {kept:?}");
    let loaded = block_on(store.load()).expect("it can be read");
    assert!(loaded.jobs.len() == 50 && loaded.next_run > 4_000, "{} {}", loaded.jobs.len(), loaded.next_run);
}

#[test]
fn damage_that_is_met_in_use_costs_history_and_no_alert() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    filled(dir.path());
    damage(dir.path(), "run");
    let (store, _) = open(dir.path());
    assert_eq!(carried(&store), None, "history is not looked through at the start");
    block_on(async {
        store.record(messages(["before".to_owned()])).await.expect("it is taken");
        // Every old row is gone over here, the damaged ones among them.
        store.keep_history(Duration::ZERO);
        for id in 4_001..4_200 {
            store.keep(Some(RunRow { finished: Timestamp::now(), ..over(id) }), None);
        }
        store.flush().await.expect("it is written");
        let mut trouble = store.trouble();
        drop(trouble.wait_for(|trouble| trouble.carried.is_some()).await.expect("the store lives"));
        assert!(store.record(messages(["after".to_owned()])).await.expect("it is taken").durable);
    });
    let kept = texts(&store);
    assert_eq!((kept.len(), kept[40].as_str(), kept[41].as_str()), (42, "before", "after"));
    assert_eq!(store.trouble().borrow().failing, None);
}

#[test]
fn no_table_that_is_gone_stops_an_alert_in_use_or_at_a_start() {
    let begun = tempfile::tempdir().expect("a scratch directory");
    filled(begun.path());
    let connect = |dir: &Path| rusqlite::Connection::open(dir.join("state.db")).expect("it is a database");
    let db = connect(begun.path());
    let tables: Vec<String> = db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        .and_then(|mut all| all.query_map([], |row| row.get(0))?.collect())
        .expect("it has tables");
    drop(db);
    assert!(tables.len() >= 8, "{tables:?}");
    for table in tables {
        for in_use in [true, false] {
            let dir = tempfile::tempdir().expect("a scratch directory");
            std::fs::copy(begun.path().join("state.db"), dir.path().join("state.db")).expect("there is room");
            let early = in_use.then(|| open(dir.path()).0);
            let db = connect(dir.path());
            db.execute_batch(&format!("PRAGMA foreign_keys = OFF; DROP TABLE {table}")).expect("it can be dropped");
            drop(db);
            let store = early.unwrap_or_else(|| open(dir.path()).0);
            block_on(async {
                let written = store.record(messages(["after".to_owned()])).await.expect("it is taken");
                assert!(written.durable, "{table}, {in_use}");
                store.keep(Some(over(9_000)), Some((JobName::new("job-1"), JobState::default())));
                store.flush().await.expect("it is written");
            });
            let kept = texts(&store);
            let before = if table == "message" { 0 } else { 40 };
            assert!(kept.len() > before && kept.last().is_some_and(|text| text == "after"), "{table}: {kept:?}");
            assert_eq!(store.trouble().borrow().failing, None, "{table}, {in_use}");
        }
    }
}

#[test]
fn another_process_reads_and_sets_messages_waiting_while_the_daemon_writes() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    assert!(matches!(Store::open_reader(dir.path()), Err(OpenError::Missing(_))));
    let (store, _) = open(dir.path());
    let mut reader = Store::open_reader(dir.path()).expect("it can be read");
    block_on(async {
        for n in 0..200 {
            let recorded = store.record(messages([format!("m{n}")])).await.expect("it is taken");
            store.keep(Some(over(n + 1)), None);
            if n % 20 == 0 {
                let list = reader.outbox_list(&OutboxFilter { limit: 1_000, ..OutboxFilter::default() });
                assert!(list.expect("it can be read").iter().any(|stored| stored.message.text == format!("m{n}")));
                let dropped = Dropped { by: "dana".into(), at: Timestamp::UNIX_EPOCH };
                assert_eq!(reader.outbox_drop(&recorded.ids, &dropped), Ok(recorded.ids));
            }
        }
        store.flush().await.expect("it is written");
        let runs = reader.history(&HistoryFilter { limit: 1_000, ..HistoryFilter::default() }).expect("it can be read");
        assert_eq!(runs.len(), 200);
        let depths = store.depths(false).await.expect("it can be read");
        assert_eq!(depths[0].1.alerts, 190, "the daemon sees what the other process took away");
    });
}

#[test]
fn runs_do_not_wait_for_the_disk() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (store, _) = open(dir.path());
    let output = Captured { head: vec![b'x'; 200], ..Captured::default() };
    let begun = Instant::now();
    for id in 1..=5_000 {
        store.begin(running(id));
        let state = (JobName::new(format!("job-{}", id % 100)), JobState::default());
        store.keep(Some(RunRow { stdout: output.clone(), ..over(id) }), Some(state));
    }
    let kept = begun.elapsed();
    block_on(store.flush()).expect("it is written");
    // A debug build on a busy machine; one sync a run would take longer than this by far.
    assert!(kept < Duration::from_secs(2), "5,000 runs took {kept:?}");
    let newest = block_on(store.history(HistoryFilter::default())).expect("it can be read");
    assert_eq!((newest[0].id, store.trouble().borrow().clone()), (RunId(5_000), Trouble::default()));
}

#[test]
fn what_may_wait_is_on_disk_within_a_second_or_so_by_itself() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (store, _) = open(dir.path());
    store.keep(Some(over(1)), None);
    let reader = Store::open_reader(dir.path()).expect("it can be read");
    files::wait_for(&[dir.path()], "the run on disk", || reader.run(RunId(1)).expect("it can be read"));
}

#[test]
fn a_run_that_starts_leaves_its_trace_at_once() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (store, _) = open(dir.path());
    let reader = Store::open_reader(dir.path()).expect("it can be read");
    let begun = Instant::now();
    store.begin(running(1));
    while reader.running().expect("it can be read").is_empty() {
        assert!(begun.elapsed() < Duration::from_millis(900), "a daemon that is killed now forgets the run");
        std::thread::yield_now();
    }
}

#[test]
fn history_keeps_its_limit_while_something_is_written_all_the_time() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (store, _) = Store::open(dir.path(), Timestamp::now()).expect("it opens");
    store.keep_history(Duration::from_secs(60));
    let old = Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let most = block_on(async {
        let mut most = 0;
        for id in 1..=1_500 {
            let run = Some(RunRow { finished: old, ..over(id) });
            let recorded = store.record(Record { run, ..messages(["m".to_owned()]) }).await.expect("it is taken");
            assert!(recorded.durable);
            if id % 100 == 0 {
                let filter = HistoryFilter { limit: 10_000, ..HistoryFilter::default() };
                most = most.max(store.history(filter).await.expect("it can be read").len());
            }
        }
        most
    });
    assert!(most <= 500, "{most} runs were kept that are all too old");
}

/// A file system of 2 MiB; `None`, said aloud, where this may not mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=2m", "slack-alert-test"]).arg(dir.path()).stderr(Stdio::null());
        match mount.status() {
            Ok(status) if status.success() => Some(Self(dir)),
            _ => {
                skip("this account may not mount a small file system to fill");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_said_loses_no_alert_and_is_recovered_from() {
    let Some(disk) = SmallDisk::mount() else { return };
    let state = disk.0.path().join("state");
    let (store, _) = open(&state);
    let mut trouble = store.trouble();
    let stuffing = disk.0.path().join("stuffing");
    block_on(async {
        store.record(messages(["before".to_owned()])).await.expect("it is taken");
        // Until nothing more goes in.
        let mut file = std::fs::File::create(&stuffing).expect("there is room");
        while file.write_all(&[0; 4096]).is_ok() {}
        drop(file);
        let mut durable = 0;
        for n in 0..200 {
            let text = format!("m{n} {}", "x".repeat(3_000));
            durable += u32::from(store.record(messages([text])).await.expect("it is taken").durable);
        }
        assert!(durable < 200, "the disk was full");
        let told = trouble.wait_for(|trouble| trouble.failing.is_some()).await.expect("the store lives").clone();
        assert_eq!(told.failing.as_ref().map(ToString::to_string).as_deref(), Some("the disk is full"));
        let class = Class::Alert;
        let heads =
            store.heads(Channel::new("ops"), class, 500, Vec::new(), Timestamp::MAX).await.expect("it goes on").rows;
        assert_eq!(heads.len(), 201, "what is held goes out as ever");
        std::fs::remove_file(&stuffing).expect("it is ours");
        trouble.wait_for(|trouble| *trouble == Trouble::default()).await.expect("the store lives");
    });
    assert_eq!(texts(&store).len(), 201);
    drop(store);
    let (store, _) = open(&state);
    assert_eq!((carried(&store), texts(&store).len()), (None, 201));
}

/// Waits until the disk has everything.
async fn until_well(store: &Store) {
    let well = |trouble: &Trouble| trouble.failing.is_none() && trouble.unsaved == 0;
    let mut trouble = store.trouble();
    let waited = tokio::time::timeout(PATIENCE, trouble.wait_for(well)).await;
    drop(waited.expect("the disk is well again").expect("the store lives"));
}

fn failing(store: &Store) -> Option<String> {
    store.trouble().borrow().failing.as_ref().map(ToString::to_string)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "another process that keeps the database locked")]
fn a_database_that_somebody_locks_holds_an_alert_back_for_a_few_seconds_once_and_is_said_until_it_is_free() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (store, _) = open(dir.path());
    block_on(store.record(messages(["before".to_owned()]))).expect("it is taken");
    let other = rusqlite::Connection::open(dir.path().join("state.db")).expect("it is there");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody writes");
    let since = Instant::now();
    block_on(async {
        for n in 0..20 {
            let recorded = store.record(messages([format!("m{n}")])).await.expect("it is taken");
            assert!(!recorded.durable);
            let heads = store.heads(Channel::new("ops"), Class::Alert, 99, Vec::new(), Timestamp::MAX).await;
            assert_eq!(heads.expect("it can be read").rows.len(), n + 2);
            store.begin(running(n as u64));
        }
    });
    // One wait, and not one for each.
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
    let locked = "another process keeps the database locked";
    assert_eq!(failing(&store).as_deref(), Some(locked));
    other.execute_batch("ROLLBACK").expect("it is ours");
    block_on(until_well(&store));
    assert_eq!(texts(&store).len(), 21);
    // With nothing that waits to be written, too.
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody writes");
    store.keep(None, Some((JobName::new("disk"), JobState::default())));
    block_on(async {
        assert!(store.flush().await.is_err());
        store.poll(Timestamp::MIN, String::new()).await.expect("it goes on");
    });
    assert_eq!(failing(&store).as_deref(), Some(locked), "it is locked as before");
    other.execute_batch("ROLLBACK").expect("it is ours");
    block_on(until_well(&store));
}

#[test]
fn a_daemon_starts_on_a_full_disk_sends_what_waits_and_writes_what_comes_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else { return };
    let state = disk.0.path().join("state");
    let (store, _) = open(&state);
    block_on(store.record(messages(["old 1".to_owned(), "old 2".to_owned()]))).expect("it is taken");
    store.begin(running(7));
    block_on(store.close()).expect("it is written");
    drop(store);
    let stuffing = disk.0.path().join("stuffing");
    let mut file = std::fs::File::create(&stuffing).expect("there is room");
    while file.write_all(&[0; 4096]).is_ok() {}
    drop(file);
    let (store, opened) = open(&state);
    assert_eq!(failing(&store).as_deref(), Some("the disk is full"));
    assert_eq!(opened.interrupted.len(), 1, "what the disk knows is known");
    block_on(async {
        let recorded = store.record(messages(["new".to_owned()])).await.expect("it is taken");
        assert!(!recorded.durable);
        let heads = store
            .heads(Channel::new("ops"), Class::Alert, 9, Vec::new(), Timestamp::MAX)
            .await
            .expect("it goes on")
            .rows;
        let ids: Vec<_> = heads.iter().map(|stored| (stored.id.0, stored.message.text.as_str())).collect();
        assert_eq!(ids, [(1, "old 1"), (2, "old 2"), (3, "new")]);
        let (channel, disposition, thread) = (Channel::new("ops"), Disposition::Delivered, ThreadChange::Keep);
        let ids = vec![heads[0].id];
        let settlement = Settlement {
            ids,
            channel,
            class: Class::Alert,
            disposition,
            thread,
            first: None,
            follow: Vec::new(),
            note: None,
            at: T0,
        };
        store.settle(settlement).await.expect("it is taken");
        std::fs::remove_file(&stuffing).expect("it is ours");
        until_well(&store).await;
    });
    assert_eq!(texts(&store), ["old 2", "new"], "nothing lost, nothing repeated");
    drop(store);
    assert_eq!(texts(&open(&state).0), ["old 2", "new"]);
}

#[test]
fn a_daemon_starts_in_a_directory_that_is_read_only_or_not_there() {
    let Some(disk) = SmallDisk::mount() else { return };
    let state = disk.0.path().join("state");
    let (store, _) = open(&state);
    block_on(store.record(messages(["old".to_owned()]))).expect("it is taken");
    drop(store);
    let remount = |how: &str| {
        let status = Command::new("mount").args(["-o", how]).arg(disk.0.path()).status().expect("mount(8) is there");
        assert!(status.success(), "{how}");
    };
    remount("remount,ro");
    let (store, _) = open(&state);
    assert_eq!(failing(&store).as_deref(), Some("the state directory is read-only"));
    assert_eq!(texts(&store), ["old"]);
    block_on(store.record(messages(["new".to_owned()]))).expect("it is taken");
    remount("remount,rw");
    block_on(until_well(&store));
    assert_eq!(texts(&store), ["old", "new"]);
}

#[test]
fn a_daemon_starts_where_a_file_is_in_the_way_and_takes_the_directory_over_when_it_can() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("it is ours");
    let state = file.join("state");
    let (store, _) = Store::open(&state, T0).expect("it goes on in memory");
    assert!(failing(&store).is_some());
    block_on(store.record(messages(["new".to_owned()]))).expect("it is taken");
    std::fs::remove_file(&file).expect("it is ours");
    block_on(until_well(&store));
    assert!(matches!(Store::open(&state, T0), Err(OpenError::Locked { .. })), "it is locked from here on");
    drop(store);
    assert_eq!(texts(&open(&state).0), ["new"]);
}

#[test]
fn a_database_that_is_removed_or_replaced_under_the_daemon_is_written_anew() {
    let remove = |dir: &Path| {
        for name in ["state.db", "state.db-wal", "state.db-shm"] {
            std::fs::remove_file(dir.join(name)).expect("it is there");
        }
    };
    let all = |dir: &Path| std::fs::remove_dir_all(dir).expect("it is ours");
    let other = |dir: &Path| {
        std::fs::write(dir.join("other"), "a database from elsewhere").expect("there is room");
        std::fs::rename(dir.join("other"), dir.join("state.db")).expect("it is ours");
    };
    for (what, change) in [("removed", &remove as &dyn Fn(&Path)), ("all of it", &all), ("replaced", &other)] {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let dir = scratch.path().join("state");
        let (store, _) = open(&dir);
        block_on(store.record(messages(["before".to_owned()]))).expect("it is taken");
        change(&dir);
        assert!(block_on(store.record(messages(["after".to_owned()]))).expect("it is taken").durable, "{what}");
        let moved = carried(&store).unwrap_or_else(|| panic!("{what}: nobody would be told"));
        assert_eq!((moved.cause, moved.messages), (Cause::Moved, 1), "{what}");
        if what == "replaced" {
            let found = std::fs::read_to_string(&moved.kept_as).expect("what stood there is kept");
            assert_eq!(found, "a database from elsewhere");
        }
        assert!(matches!(Store::open(&dir, T0), Err(OpenError::Locked { .. })), "{what}: no second daemon");
        change_again(&dir, what);
        assert!(
            matches!(Store::open(&dir, T0), Err(OpenError::Locked { .. })),
            "{what}: not before it is noticed either"
        );
        assert!(block_on(store.record(messages(["last".to_owned()]))).expect("it is taken").durable, "{what}");
        drop(store);
        assert_eq!(texts(&open(&dir).0), ["before", "after", "last"], "{what}");
    }
}

/// Once more, and with the directory gone there is nothing that a second daemon could find locked.
fn change_again(dir: &Path, what: &str) {
    if what == "all of it" {
        std::fs::remove_dir_all(dir).expect("it is ours");
    }
}

#[test]
fn links_in_the_place_of_the_lock_or_the_database_are_left_alone() {
    for name in ["lock", "state.db"] {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let target = dir.path().join("target");
        std::fs::write(&target, "of somebody else").expect("it is ours");
        std::os::unix::fs::symlink(&target, dir.path().join(name)).expect("links can be made");
        let (store, _) = open(dir.path());
        assert!(failing(&store).is_some_and(|why| why.contains("symbolic link")), "{name}: {:?}", failing(&store));
        block_on(store.record(messages(["m".to_owned()]))).expect("it is taken");
        assert_eq!(std::fs::read_to_string(&target).expect("it is there"), "of somebody else", "{name}");
    }
}

#[test]
fn a_database_that_others_could_read_is_closed_to_them() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    drop(open(dir.path()));
    let path = dir.path().join("state.db");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("it is ours");
    let (store, _) = open(dir.path());
    block_on(store.record(messages(["m".to_owned()]))).expect("it is taken");
    for name in ["state.db", "state.db-wal", "state.db-shm", "lock"] {
        let mode = std::fs::metadata(dir.path().join(name)).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn of_a_database_that_was_cut_off_everything_before_the_cut_is_carried_over() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    filled(dir.path());
    let path = dir.path().join("state.db");
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("it is there");
    let length = file.metadata().expect("it is there").len();
    file.set_len(length / 2).expect("it is ours");
    drop(file);
    let (store, _) = open(dir.path());
    assert!(carried(&store).is_some_and(|carried| carried.messages == 40), "{:?}", carried(&store));
    assert_eq!(texts(&store).len(), 40);
}

#[test]
fn a_directory_in_the_place_of_a_file_of_the_state_is_named() {
    for name in ["lock", "state.db"] {
        let dir = tempfile::tempdir().expect("a scratch directory");
        std::fs::create_dir(dir.path().join(name)).expect("it can be made");
        let (store, _) = open(dir.path());
        let words = format!("{name} is a directory and no file: remove it, or set another state_dir");
        assert_eq!(failing(&store), Some(words));
    }
}
