//! \[db\] What can still be read of a damaged database is carried over into a new one: waiting messages before all, dead
//! letters, runs in progress, threads, job state, notes. History stays in the old file, which is kept.
//!
//! Before it: a database that SQLite calls damaged. After it: a new one in its place.
//!
//! Invariants: the new database is filled, on disk, and only then put in its place, so that a process that is killed at
//! any instant leaves either the old one or a new one that is whole; each row is read on its own, from its page itself where
//! the pages that lead to it are damaged; a waiting message whose row cannot be read becomes one that says so, where an
//! index still knows of it.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OpenFlags, Row, Statement, params_from_iter};

use super::columns::{self, MOST};
use super::folder::{self, DATABASE, OpenError};
use super::leaves::{self, Found};
use super::types::{CarriedOver, MessageId, MessageState, Progress, StoreError, Stored};
use super::{mail, rows, runs, schema};
use crate::id::Channel;

/// The note in a database that took the place of a damaged one, until that was told.
pub(super) const NOTE: &str = "carried_over";

/// A table that is carried over.
struct Table {
    name: &'static str,
    /// The number that its rows are found by; a table without one is kept as an index is.
    key: Option<&'static str>,
    /// How many columns its rows have at least, which those of an earlier version have; `None` where a row by itself cannot
    /// be told from another table's.
    least: Option<usize>,
}

/// Tables in the order of their worth.
const TABLES: [Table; 8] = [
    Table { name: MESSAGE, key: Some("id"), least: Some(10) },
    Table { name: "attachment", key: Some("message"), least: Some(3) },
    Table { name: "running", key: Some("id"), least: Some(6) },
    Table { name: "thread", key: None, least: Some(5) },
    Table { name: JOB, key: Some("id"), least: Some(4) },
    Table { name: "meta", key: None, least: Some(2) },
    Table { name: "hold", key: Some("id"), least: Some(13) },
    // A name and a number, as an index of the jobs has them too.
    Table { name: "lane", key: None, least: None },
];

const MESSAGE: &str = "message";

const JOB: &str = "job";

/// Numbers that are looked up one by one between the parts of a table that can be read.
const MOST_LOOKED_UP: i64 = 1_000_000;

/// Puts a new database in the place of a damaged one, with what can be read of it.
pub(super) fn replace(dir: &Path, now: Timestamp) -> Result<CarriedOver, OpenError> {
    let path = dir.join(DATABASE);
    let at = |error: StoreError| OpenError::Database { path: path.clone(), error };
    folder::pad(&path)?;
    let kept_as = folder::free_name(dir, "corrupt", now)?;
    let new = folder::begin_successor(dir)?;
    let mut db = schema::create(&new).map_err(|refusal| refusal.at(&new))?;
    let carried = fill(&path, &mut db, &kept_as, now).map_err(at)?;
    db.close().map_err(|(_, error)| at(error.into()))?;
    folder::switch(dir, &kept_as)?;
    Ok(carried)
}

/// Does the rest of what a process was killed in the midst of: a new database that is whole takes its place, one that
/// is not goes.
pub(super) fn finish(dir: &Path) -> Result<(), OpenError> {
    let Some(new) = folder::successor(dir) else { return Ok(()) };
    let carried = schema::open(&new).ok().and_then(|db| {
        let carried = noted(&db).ok().flatten();
        // The log is written back, so that the file stands alone.
        db.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).ok()?;
        carried
    });
    match carried {
        Some(carried) => folder::switch(dir, &carried.kept_as),
        None => folder::begin_successor(dir).map(drop),
    }
}

/// What the note says, where there is one.
pub(super) fn noted(db: &Connection) -> rusqlite::Result<Option<CarriedOver>> {
    Ok(runs::notes(db)?.get(NOTE).and_then(|note| serde_json::from_str(note).ok()))
}

/// Copies everything in one transaction, and notes what came of it.
fn fill(old: &Path, new: &mut Connection, kept_as: &Path, now: Timestamp) -> Result<CarriedOver, StoreError> {
    let tx = new.transaction()?;
    let mut carried = copy(old, &tx, now)?.unwrap_or_default();
    kept_as.clone_into(&mut carried.kept_as);
    let note = serde_json::to_string(&carried).map_err(|error| StoreError::other(error.to_string()))?;
    runs::put_note(&tx, NOTE, Some(&note))?;
    tx.commit()?;
    Ok(carried)
}

/// Copies what can be read of a database that may be damaged, but for its history; `None` when that is nothing at all.
pub(super) fn copy(path: &Path, new: &Connection, now: Timestamp) -> Result<Option<CarriedOver>, StoreError> {
    let mut targets = Vec::new();
    for table in TABLES {
        targets.push(Target::new(new, table)?);
    }
    let old = open_damaged(path);
    let mut index = Index::default();
    if let Some(old) = &old {
        for target in &mut targets {
            target.copy(old)?;
        }
        index = Index::read(&old.db);
    }
    if old.is_none() || !index.whole || targets.iter().any(|target| !target.whole) {
        read_pages(path, &mut targets, &mut index)?;
    }
    let count = |name| targets.iter().find(|target| target.table.name == name).map_or(0, |target| target.count);
    let (messages, jobs) = (count(MESSAGE), count(JOB));
    if old.is_none() && targets.iter().all(|target| target.count == 0) && index.waiting.is_empty() {
        return Ok(None);
    }
    let unreadable = stand_in_for_unreadable(index, new, now)?;
    mail::repair(new, now)?;
    Ok(Some(CarriedOver { messages, jobs, unreadable, ..CarriedOver::default() }))
}

/// Whether frames of the log stand behind one that is damaged, which SQLite would leave out without a word.
pub(super) fn log_is_broken(path: &Path) -> bool {
    folder::read_log(path).is_ok_and(|log| log.broken)
}

/// A damaged database.
struct Damaged {
    db: Connection,
    /// Its first page is another one's: a table may not be where that page says.
    guessed: bool,
}

/// Opens a database whatever its schema looks like. Its log is read, and stays as it is. What may only be read and has no
/// log is read as it stands.
#[expect(clippy::disallowed_methods, reason = "the door of the database: one that is damaged")]
fn open_damaged(path: &Path) -> Option<Damaged> {
    let writing = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reading = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let open = |path: PathBuf, flags| {
        let db = Connection::open_with_flags(path, flags).ok()?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).ok()?;
        db.pragma_update(None, "writable_schema", true).ok()?;
        let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0)).ok()?;
        (tables > 0).then_some(db)
    };
    let logged = || {
        let log = folder::read_log(path).ok().filter(|log| log.broken)?;
        let copy = folder::copy_with_log(path, &log).ok()?;
        open(immutable(&copy), reading).inspect(|_| drop(folder::remove(&copy)))
    };
    let found = logged().or_else(|| open(path.to_owned(), writing)).or_else(|| open(immutable(path), reading));
    let guessed = || {
        with_new_first_page(path)
            .and_then(|copy| open(immutable(&copy), reading).inspect(|_| drop(folder::remove(&copy))))
    };
    let guessed = || guessed().map(|db| Damaged { db, guessed: true });
    found.map(|db| Damaged { db, guessed: false }).or_else(guessed)
}

/// A copy of a database whose first page, which says where its tables are, cannot be read: a database that was made by this
/// version has its tables at the same places as a new one, so that the first page of that one will do.
fn with_new_first_page(path: &Path) -> Option<PathBuf> {
    let sample = folder::with_end(path, ".sample");
    folder::remove(&sample).ok()?;
    let made = schema::create_file(&sample).and_then(|()| folder::first_page(&sample).ok());
    folder::remove(&sample).ok()?;
    folder::copy_with_first_page(path, &made?).ok()
}

/// A path as the URI of a file that does not change.
fn immutable(path: &Path) -> PathBuf {
    let mut uri = OsString::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte).to_string());
            }
            other => uri.push(format!("%{other:02x}")),
        }
    }
    uri.push("?immutable=1");
    PathBuf::from(uri)
}

/// A column of the new table, and what may stand in it.
struct Column {
    name: String,
    kind: String,
    required: bool,
}

fn columns_of(db: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    let mut statement = db.prepare(&format!("PRAGMA table_info({table})"))?;
    let rows = statement.query_map((), |row| {
        let required = columns::number(row, 3)? != 0 || columns::number(row, 5)? != 0;
        Ok(Column { name: columns::text(row, 1)?, kind: columns::text(row, 2)?, required })
    })?;
    rows.collect()
}

/// A value of SQLite's, text as text.
fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

/// A table of the new database, which is filled.
struct Target<'db> {
    table: Table,
    columns: Vec<Column>,
    insert: Statement<'db>,
    /// How many rows came.
    count: u64,
    /// Whether every row could be read.
    whole: bool,
}

impl<'db> Target<'db> {
    fn new(new: &'db Connection, table: Table) -> Result<Self, StoreError> {
        let columns = columns_of(new, table.name)?;
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let (names, marks) = (names.join(", "), vec!["?"; columns.len()].join(", "));
        let insert = new.prepare(&format!("INSERT OR IGNORE INTO {} ({names}) VALUES ({marks})", table.name))?;
        Ok(Self { table, columns, insert, count: 0, whole: false })
    }

    /// Writes a row; values that are not there are none. What cannot be written is an error.
    fn put(&mut self, values: Vec<Value>) -> Result<(), StoreError> {
        let values = values.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
        let values = self.columns.iter().zip(values).map(|(column, value)| sound(value, column));
        match self.insert.execute(params_from_iter(values)) {
            Ok(inserted) => self.count += inserted as u64,
            // A row that breaks the schema all the same is damage too.
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Copies what SQLite can read of the table.
    fn copy(&mut self, old: &Damaged) -> Result<(), StoreError> {
        let theirs: Vec<String> =
            columns_of(&old.db, self.table.name).unwrap_or_default().into_iter().map(|column| column.name).collect();
        if theirs.is_empty() {
            return Ok(());
        }
        // A column that the old database does not have is NULL there.
        let named =
            |column: &Column| if theirs.contains(&column.name) { column.name.clone() } else { "NULL".to_owned() };
        let names = self.columns.iter().map(named).collect::<Vec<_>>().join(", ");
        let values = |row: &Row<'_>, columns: usize| -> Vec<Value> {
            (0..columns).map(|at| row.get_ref(at).map_or(Value::Null, owned)).collect()
        };
        let (name, columns) = (self.table.name, self.columns.len());
        // Forwards until it breaks, then backwards; what lies between is looked up number by number.
        let mut ends = [0, 0];
        let order = self.table.key.unwrap_or("1");
        let mut others = false;
        for (end, direction) in [(0, "ASC"), (1, "DESC")] {
            let sql = format!("SELECT {names}, {order} FROM {name} NOT INDEXED ORDER BY {order} {direction}");
            let Ok(mut read) = old.db.prepare(&sql) else { return Ok(()) };
            let Ok(mut rows) = read.query(()) else { return Ok(()) };
            let whole = loop {
                match rows.next() {
                    Ok(Some(row)) => {
                        ends[end] = columns::number(row, columns)?;
                        let values = values(row, columns);
                        if old.guessed && !self.fits(&values, false) {
                            others = true;
                            continue;
                        }
                        self.put(values)?;
                    }
                    Ok(None) => break true,
                    Err(_) => break false,
                }
            };
            if whole {
                self.whole = !others;
                return Ok(());
            }
        }
        let Some(key) = self.table.key.filter(|_| !others) else { return Ok(()) };
        let sql = format!("SELECT {names} FROM {name} NOT INDEXED WHERE {key} = ?1");
        let Ok(mut read) = old.db.prepare(&sql) else { return Ok(()) };
        // Nothing was read from an end that is still 0.
        let last = if ends[1] == 0 { ends[0].saturating_add(MOST_LOOKED_UP / 10) } else { ends[1].saturating_sub(1) };
        for number in ends[0].saturating_add(1)..=last.min(ends[0].saturating_add(MOST_LOOKED_UP)) {
            let Ok(mut rows) = read.query([number]) else { continue };
            if let Ok(Some(row)) = rows.next() {
                self.put(values(row, columns))?;
            }
        }
        Ok(())
    }

    /// Whether values can be those of a row of this table. In the file the number of the row is not among them.
    fn fits(&self, values: &[Value], in_file: bool) -> bool {
        let alias = in_file && self.table.key.is_some();
        values.iter().zip(&self.columns).enumerate().all(|(at, (value, column))| match value {
            Value::Null => (alias && at == 0) || !column.required,
            Value::Integer(_) => column.kind == "INTEGER" && !(alias && at == 0),
            Value::Text(_) => column.kind == "TEXT",
            Value::Blob(_) => column.kind == "BLOB",
            Value::Real(_) => false,
        })
    }

    /// Whether a record is a row of this table.
    fn takes(&self, found: &Found) -> bool {
        found.rowid.is_some() == self.table.key.is_some()
            && self.table.least.is_some_and(|least| (least..=self.columns.len()).contains(&found.columns))
            && self.fits(&found.values, true)
    }
}

/// Reads the tables of which SQLite could not read everything from the pages themselves: below a page that leads to others,
/// and is damaged, it finds none of them.
fn read_pages(path: &Path, targets: &mut [Target<'_>], index: &mut Index) -> Result<(), StoreError> {
    let Ok(mut pages) = folder::pages(path) else { return Ok(()) };
    let free = leaves::free(&mut pages);
    // What was deleted can only be told by the index then.
    let known =
        (!free.sure && index.whole).then(|| index.waiting.iter().map(|waiting| waiting.id).collect::<HashSet<_>>());
    let mut failed = Ok(());
    leaves::read(&mut pages, &free, |found| {
        if failed.is_err() {
            return;
        }
        if !index.whole {
            index.waiting.extend(Waiting::of_index(&found));
        }
        let Some(target) = targets.iter_mut().find(|target| !target.whole && target.takes(&found)) else { return };
        let waiting = (target.table.name == MESSAGE).then(|| Waiting::of_message(&found)).flatten();
        if let (Some(waiting), Some(known)) = (&waiting, &known)
            && !known.contains(&waiting.id)
        {
            return;
        }
        if !found.is_whole() {
            index.waiting.extend(waiting);
            return;
        }
        let mut values = found.values;
        if let Some(rowid) = found.rowid {
            values[0] = Value::Integer(rowid);
        }
        failed = target.put(values);
    });
    failed
}

/// A value as the schema wants it, as near to what was found as can be.
fn sound(value: Option<Value>, column: &Column) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match (column.kind.as_str(), value) {
        ("INTEGER", Some(Value::Integer(number))) => Value::Integer(number),
        ("INTEGER", Some(Value::Text(text))) => Value::Integer(text.trim().parse().unwrap_or(0)),
        ("TEXT", Some(Value::Text(text))) => Value::Text(text),
        ("TEXT", Some(Value::Blob(bytes))) => Value::Text(text(&bytes)),
        ("TEXT", Some(Value::Integer(number))) => Value::Text(number.to_string()),
        ("BLOB", Some(Value::Text(text))) => Value::Blob(text.into_bytes()),
        ("BLOB", Some(Value::Blob(bytes))) => Value::Blob(bytes),
        (_, _) if !column.required => Value::Null,
        ("INTEGER", _) => Value::Integer(0),
        ("BLOB", _) => Value::Blob(Vec::new()),
        (_, _) => Value::Text(String::new()),
    }
}

/// A message that waits, as the index knows of it.
struct Waiting {
    id: i64,
    channel: String,
    edit: i64,
}

impl Waiting {
    /// From an entry of the index: channel, state, kind, number, and the number of the row once more.
    fn of_index(found: &Found) -> Option<Self> {
        match found.values.as_slice() {
            [
                Value::Text(channel),
                Value::Integer(0..2),
                Value::Integer(edit),
                Value::Integer(id),
                Value::Integer(row),
            ] if found.rowid.is_none() && id == row => Some(Self { id: *id, channel: channel.clone(), edit: *edit }),
            _ => None,
        }
    }

    /// From the first columns of its row.
    fn of_message(found: &Found) -> Option<Self> {
        match found.values.as_slice() {
            [_, Value::Text(channel), Value::Integer(0..2), Value::Integer(edit), ..] => {
                Some(Self { id: found.rowid?, channel: channel.clone(), edit: *edit })
            }
            _ => None,
        }
    }
}

/// What the index of waiting messages knows of.
#[derive(Default)]
struct Index {
    waiting: Vec<Waiting>,
    /// Whether all of it could be read.
    whole: bool,
}

impl Index {
    fn read(old: &Connection) -> Self {
        let mut index = Self::default();
        let sql = "SELECT id, channel, state, edit FROM message INDEXED BY message_open WHERE state < 2";
        let Ok(mut read) = old.prepare(sql) else { return index };
        let Ok(mut rows) = read.query(()) else { return index };
        loop {
            let waiting = match rows.next() {
                Ok(Some(row)) => columns::number(row, 0)
                    .and_then(|id| Ok(Waiting { id, channel: columns::text(row, 1)?, edit: columns::number(row, 3)? })),
                Ok(None) => {
                    index.whole = true;
                    return index;
                }
                Err(_) => return index,
            };
            let Ok(waiting) = waiting else { return index };
            index.waiting.push(waiting);
        }
    }
}

/// A message that only the index of waiting messages still knows of becomes one that says so. The answer is how many.
fn stand_in_for_unreadable(index: Index, new: &Connection, now: Timestamp) -> Result<u64, StoreError> {
    let mut count = 0;
    for Waiting { id: number, channel, edit } in index.waiting {
        let exists = "SELECT EXISTS (SELECT 1 FROM message WHERE id = ?1)";
        let known: bool = new.prepare_cached(exists)?.query_row([number], |row| row.get(0))?;
        if known || edit != 0 || !(1..=MOST).contains(&number) {
            continue;
        }
        let (id, channel) = (MessageId(runs::uint(number)), Channel::new(&channel));
        let stored = Stored {
            id,
            state: MessageState::Waiting,
            queued: now,
            attempts: 0,
            why: None,
            dropped: None,
            progress: Progress::default(),
            message: rows::unreadable(id, channel, None, now, "its page cannot be read"),
            parent: None,
            first: None,
            superseded: false,
            over: false,
        };
        mail::insert(new, &stored)?;
        count += 1;
    }
    Ok(count)
}
