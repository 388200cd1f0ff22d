//! A state that is damaged at random: bits, pages, the end cut off, the log, a value of the wrong type in any column of any
//! table. The law: the daemon's state opens, every channel can be read, what is new is kept, and of what was recorded only
//! that is missing which stood on the damaged pages.
//!
//! `SLACK_ALERT_DAMAGES=1000` tries that many (CONTRIBUTING.md); `SLACK_ALERT_SEED` repeats a run.

use std::path::Path;

use jiff::Timestamp;
use slack_alert::exec::{Captured, Status};
use slack_alert::id::{Channel, JobName, RunId};
use slack_alert::message::{Attachment, Message, Route, Thread};
use slack_alert::store::{Class, Depth, JobState, Record, RunRow, RunningRow, Store};

use super::crash::{Dice, seed, tries};

const MESSAGES: usize = 120;

const T0: Timestamp = Timestamp::UNIX_EPOCH;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(future)
}

fn message(n: usize) -> Message {
    let attachment = n.is_multiple_of(7).then(|| Attachment { name: "out.txt".into(), content: "line\n".repeat(200) });
    Message {
        job: Some(JobName::new(format!("job-{}", n % 5))),
        run: Some(RunId(n as u64 + 1)),
        event: None,
        status: Status::Critical,
        channel: Channel::new(["ops", "dev", "db"][n % 3]),
        text: format!("m{n}. {}", "x".repeat(n * 7 % 900)),
        blocks: Vec::new(),
        color: None,
        incident: None,
        thread: Thread::None,
        attachment,
        created: Timestamp::now(),
        route: Route::default(),
    }
}

fn running(id: u64) -> RunningRow {
    RunningRow {
        id: RunId(id),
        job: JobName::new(format!("job-{}", id % 5)),
        number: id,
        trigger: slack_alert::exec::Trigger::Schedule,
        scheduled: T0,
        started: T0,
        process: None,
    }
}

/// A state directory as a daemon leaves it: with its log when it was killed, without it when it was stopped.
fn filled(dir: &Path, killed: bool) {
    let (store, _) = Store::open(dir, Timestamp::now()).expect("it opens");
    block_on(async {
        for n in 0..MESSAGES {
            let messages = vec![message(n)];
            store.record(Record { messages, ..Record::default() }).await.expect("it is taken");
        }
        for id in 1..=300 {
            let stdout = Captured { head: vec![b'o'; 300], ..Captured::default() };
            let run = RunRow { stdout, ..RunRow::interrupted(&running(id), Timestamp::now()) };
            let state = (JobName::new(format!("job-{}", id % 5)), JobState::new(&id, &id).expect("numbers are JSON"));
            store.keep(Some(run), Some(state));
        }
        store.begin(running(301));
        store.remember("note", Some("x".repeat(100))).await.expect("it is taken");
        store.flush().await.expect("it is written");
        if !killed {
            store.close().await.expect("it is written");
        }
    });
    if killed {
        // As a process that is killed leaves it: the files are copied while it lives.
        let copy = dir.with_extension("killed");
        std::fs::create_dir(&copy).expect("a folder can be made");
        for name in ["state.db", "state.db-wal", "state.db-shm"] {
            std::fs::copy(dir.join(name), copy.join(name)).expect("it is there");
        }
        drop(store);
        std::fs::remove_dir_all(dir).expect("it is ours");
        std::fs::rename(&copy, dir).expect("it is ours");
    }
}

/// Damages a state. The answer says how, and how many messages may be missing then.
fn damage(dir: &Path, dice: &mut Dice) -> (String, usize) {
    let file = |name: &str| dir.join(name);
    let wal = std::fs::metadata(file("state.db-wal")).is_ok_and(|found| found.len() > 4096);
    let target = if wal && dice.below(3) == 0 { "state.db-wal" } else { "state.db" };
    let mut bytes = std::fs::read(file(target)).expect("it is there");
    let length = bytes.len();
    let pick = |dice: &mut Dice, below: usize| usize::try_from(dice.below(below as u64)).expect("a small number");
    match dice.below(6) {
        0 => {
            let at = pick(dice, length);
            bytes[at] ^= 1 << dice.below(8);
            std::fs::write(file(target), bytes).expect("it is ours");
            (format!("a bit of byte {at} of {target}"), 0)
        }
        1 => {
            let pages: Vec<usize> = (0..=pick(dice, 2)).map(|_| pick(dice, length / 4096)).collect();
            for page in &pages {
                let end = (page * 4096 + 4096).min(length);
                bytes[page * 4096..end].iter_mut().for_each(|byte| *byte = dice.below(256) as u8);
            }
            std::fs::write(file(target), bytes).expect("it is ours");
            let may_miss = match pages.len() {
                1 => 0,
                // A message's and the index's that knows of it.
                _ => MESSAGES / 4,
            };
            (format!("pages {pages:?} of {target}"), may_miss)
        }
        2 => {
            let keep = pick(dice, length);
            bytes.truncate(keep);
            std::fs::write(file(target), bytes).expect("it is ours");
            (format!("{target} cut off at {keep} of {length}"), MESSAGES)
        }
        3 => {
            for name in ["state.db-wal", "state.db-shm"] {
                let _absent = std::fs::remove_file(file(name));
            }
            ("no log".to_owned(), if wal { MESSAGES } else { 0 })
        }
        _ => wrong_value(dir, dice),
    }
}

/// Puts a value of any type into any column of any table, past the schema's own checks.
fn wrong_value(dir: &Path, dice: &mut Dice) -> (String, usize) {
    let db = rusqlite::Connection::open(dir.join("state.db")).expect("it is a database");
    let names = |sql: &str| -> Vec<String> {
        let mut statement = db.prepare(sql).expect("it is SQL");
        let rows = statement.query_map((), |row| row.get(0)).expect("it is there");
        rows.collect::<Result<_, _>>().expect("it can be read")
    };
    let tables = names("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    let one =
        |dice: &mut Dice, all: &[String]| all[usize::try_from(dice.below(all.len() as u64)).expect("few")].clone();
    let table = one(dice, &tables);
    let column = one(dice, &names(&format!("SELECT name FROM pragma_table_info('{table}')")));
    let values = [
        "NULL",
        "-1",
        "0",
        "7",
        "9223372036854775807",
        "-9223372036854775808",
        "1e300",
        "'words'",
        "''",
        "CAST(x'7bff7d' AS TEXT)",
        "CAST(x'610062' AS TEXT)",
        "x'00ff'",
        "zeroblob(9000)",
    ];
    let value = values[usize::try_from(dice.below(values.len() as u64)).expect("few")];
    // The schema is strict: its text is changed while the value goes in, as damage does not ask either.
    db.pragma_update(None, "writable_schema", true).expect("it is ours");
    let strict = db.query_row("SELECT sql FROM sqlite_schema WHERE name = ?1", [&table], |row| row.get::<_, String>(0));
    let strict = strict.expect("it is there");
    let loose = strict.replace("STRICT, WITHOUT ROWID", "WITHOUT ROWID").replace("STRICT", "").replace("NOT NULL", "");
    let set = "UPDATE sqlite_schema SET sql = ?1 WHERE name = ?2";
    db.execute(set, [&loose, &table]).expect("it is ours");
    drop(db);
    let db = rusqlite::Connection::open(dir.join("state.db")).expect("it is a database");
    let rows: i64 = db.query_row(&format!("SELECT count(*) FROM {table}"), (), |row| row.get(0)).expect("it is there");
    let row = if rows == 0 { 0 } else { dice.below(rows as u64) };
    let key = if names_key(&table) { "rowid" } else { column_key(&table) };
    let sql = format!(
        "UPDATE OR IGNORE {table} SET {column} = {value} WHERE {key} = (SELECT {key} FROM {table} LIMIT 1 OFFSET {row})"
    );
    // A value that no file can hold there (a rowid that is text) is refused.
    let _refused = db.execute(&sql, ());
    db.pragma_update(None, "writable_schema", true).expect("it is ours");
    db.execute(set, [&strict, &table]).expect("it is ours");
    (format!("{table}.{column} = {value}"), 1)
}

fn names_key(table: &str) -> bool {
    !matches!(table, "meta" | "thread" | "lane")
}

fn column_key(table: &str) -> &'static str {
    match table {
        "meta" => "key",
        "thread" => "incident",
        _ => "channel",
    }
}

#[test]
fn whatever_is_damaged_the_state_opens_and_every_channel_can_be_read() {
    let seed = seed();
    println!("SLACK_ALERT_SEED={seed}");
    let mut dice = Dice(seed);
    let scratch = tempfile::tempdir().expect("a scratch directory");
    for (name, killed) in [("stopped", false), ("killed", true)] {
        filled(&scratch.path().join(name), killed);
    }
    let (mut missing_at_all, mut replaced) = (0, 0);
    let tries = tries("SLACK_ALERT_DAMAGES", 24);
    for n in 0..tries {
        let from = scratch.path().join(if n % 2 == 0 { "stopped" } else { "killed" });
        let dir = scratch.path().join(format!("try-{n}"));
        copy(&from, &dir);
        let (how, may_miss) = damage(&dir, &mut dice);
        let told = format!("try {n} of seed {seed}: {how}");
        let (store, _) = Store::open(&dir, Timestamp::now()).unwrap_or_else(|error| panic!("{told}: {error}"));
        let kept = block_on(all(&store, &told));
        let missing = MESSAGES.saturating_sub(kept);
        if missing > 0 {
            println!("{told}: {missing} messages are missing");
        }
        assert!(missing <= may_miss, "{told}: {missing} messages are missing");
        block_on(async {
            store.load().await.unwrap_or_else(|error| panic!("{told}: {error}"));
            let recorded = store.record(Record { messages: vec![message(0)], ..Record::default() }).await;
            assert!(recorded.is_ok_and(|recorded| recorded.durable), "{told}: what is new is not kept");
            store.close().await.unwrap_or_else(|error| panic!("{told}: {error}"));
        });
        missing_at_all += missing;
        replaced += u32::from(store.trouble().borrow().carried.is_some());
        drop(store);
        std::fs::remove_dir_all(&dir).expect("it is ours");
    }
    println!(
        "{tries} damages, {replaced} databases replaced, {missing_at_all} of {} messages missing",
        tries * MESSAGES
    );
}

#[test]
fn a_version_that_the_database_does_not_have_is_damage() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let from = scratch.path().join("stopped");
    filled(&from, false);
    for version in [0, 1, -1, 1 << 24, i32::MAX] {
        let dir = scratch.path().join(format!("version{version}"));
        copy(&from, &dir);
        let db = rusqlite::Connection::open(dir.join("state.db")).expect("it is a database");
        db.pragma_update(None, "user_version", version).expect("it is ours");
        drop(db);
        let told = format!("version {version}");
        let (store, _) = Store::open(&dir, Timestamp::now()).unwrap_or_else(|error| panic!("{told}: {error}"));
        assert_eq!(store.trouble().borrow().failing, None, "{told}");
        assert_eq!(block_on(all(&store, &told)), MESSAGES, "{told}");
    }
}

/// A copy of a state to damage.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("it is there") {
        let entry = entry.expect("it is there");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("it is there");
    }
}

#[test]
fn there_is_no_page_that_the_state_cannot_do_without() {
    let mut dice = Dice(seed());
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let from = scratch.path().join("stopped");
    filled(&from, false);
    let bytes = std::fs::read(from.join("state.db")).expect("it is there");
    let every = if tries("SLACK_ALERT_DAMAGES", 0) > 0 { 1 } else { 4 };
    for page in (0..bytes.len() / 4096).step_by(every) {
        let dir = scratch.path().join(format!("page-{page}"));
        copy(&from, &dir);
        let mut bytes = bytes.clone();
        bytes[page * 4096..(page + 1) * 4096].iter_mut().for_each(|byte| *byte = dice.below(256) as u8);
        std::fs::write(dir.join("state.db"), bytes).expect("it is ours");
        let told = format!("page {page}");
        let (store, _) = Store::open(&dir, Timestamp::now()).unwrap_or_else(|error| panic!("{told}: {error}"));
        let kept = block_on(all(&store, &told));
        assert_eq!(kept, MESSAGES, "{told}: of each message at least that it cannot be read");
        drop(store);
        std::fs::remove_dir_all(&dir).expect("it is ours");
    }
}

/// The pages on which tables and indexes begin, counted from 1.
fn roots(dir: &Path, names: &[&str]) -> Vec<usize> {
    let db = rusqlite::Connection::open(dir.join("state.db")).expect("it is a database");
    let root = |name: &&str| -> usize {
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
        db.query_row(sql, [name], |row| row.get::<_, u32>(0)).expect("it is there") as usize
    };
    names.iter().map(root).collect()
}

#[test]
fn where_the_first_pages_of_the_outbox_are_lost_every_message_is_still_sent_as_it_was() {
    let mut dice = Dice(seed());
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let from = scratch.path().join("stopped");
    filled(&from, false);
    // What was delivered stands on pages that are in no use, and must not come again.
    let db = rusqlite::Connection::open(from.join("state.db")).expect("it is a database");
    db.execute_batch("DELETE FROM message WHERE id <= 40; DELETE FROM attachment WHERE message <= 40")
        .expect("it is SQL");
    drop(db);
    let [outbox, open, attachment, running] =
        roots(&from, &["message", "message_open", "attachment", "running"])[..].try_into().expect("four");
    for lost in [
        vec![outbox],
        vec![outbox, open],
        vec![1, outbox, open],
        // The second page says which ones are in no use.
        vec![2, outbox, open, attachment],
        vec![1, 2, outbox],
        vec![1, outbox, open, attachment, running],
    ] {
        let told = format!("pages {lost:?}");
        let dir = scratch.path().join(told.replace(' ', "-"));
        copy(&from, &dir);
        let mut bytes = std::fs::read(dir.join("state.db")).expect("it is there");
        for page in &lost {
            bytes[(page - 1) * 4096..page * 4096].iter_mut().for_each(|byte| *byte = dice.below(256) as u8);
        }
        std::fs::write(dir.join("state.db"), bytes).expect("it is ours");
        let (store, loaded) = Store::open(&dir, Timestamp::now()).unwrap_or_else(|error| panic!("{told}: {error}"));
        let mut found = Vec::new();
        for channel in ["ops", "dev", "db"] {
            let heads = block_on(store.heads(Channel::new(channel), Class::Alert, 1_000, Vec::new(), Timestamp::now()));
            found.extend(heads.unwrap_or_else(|error| panic!("{told}: {error}")).rows);
        }
        found.sort_by_key(|stored| stored.id);
        let texts = found.iter().map(|stored| stored.message.text.clone()).collect::<Vec<_>>();
        let expected = (40..MESSAGES).map(|n| message(n).text).collect::<Vec<_>>();
        assert_eq!(texts, expected, "{told}");
        drop((store, loaded));
        let db = rusqlite::Connection::open(dir.join("state.db")).expect("it is a database");
        let files = db.query_row("SELECT count(*) FROM attachment", (), |row| row.get::<_, u32>(0));
        let expected = (40..MESSAGES).filter(|n| n.is_multiple_of(7)).count();
        assert_eq!(files.expect("it is there") as usize, expected, "{told}: files of messages");
    }
}

/// How many messages wait, after reading each channel as the worker does.
async fn all(store: &Store, told: &str) -> usize {
    let depths = store.depths(true).await.unwrap_or_else(|error| panic!("{told}: {error}"));
    let mut all = 0;
    for (channel, Depth { alerts, details, edits, uploads, late }) in depths {
        for (class, count) in [
            (Class::Alert, alerts),
            (Class::Detail, details),
            (Class::Edit, edits),
            (Class::Upload, uploads),
            (Class::Late, late),
        ] {
            let heads = store.heads(channel.clone(), class, 1_000, Vec::new(), Timestamp::now()).await;
            let heads = heads.unwrap_or_else(|error| panic!("{told}: {error}"));
            assert_eq!(
                heads.rows.len() as u64,
                count,
                "{told}: {channel} is muted, {class:?} wait until {:?}",
                heads.later
            );
            assert!(heads.rows.iter().all(|stored| !stored.message.text.is_empty()), "{told}: a message without words");
            let one = store.heads(channel.clone(), class, 1, Vec::new(), Timestamp::now()).await;
            assert!(one.is_ok_and(|one| one.rows.is_empty() == heads.rows.is_empty()), "{told}");
            all += heads.rows.len();
        }
    }
    all
}
