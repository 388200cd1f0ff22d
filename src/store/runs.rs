//! \[db\] The SQL of history and job state: rows in, rows out, no decisions.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::types::{HistoryFilter, JobState, RunRow, RunningRow, Tally};
use crate::exec::{Captured, Ending, Reason, Status};
use crate::id::{JobName, RunId};
use crate::message::summary::JobReport;

/// Rows of a page when no number is asked for.
pub(super) const PAGE: u32 = 100;

/// Runs that are counted in one step: some tens of milliseconds, between which alerts are written.
pub(super) const STEP: u32 = 20_000;

/// A number as SQLite has it: they all start at nothing and count up.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The other way.
pub(super) fn uint(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A time from the database; one that no calendar has is the epoch.
pub(super) fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or_default()
}

/// The word that serde has for a plain variant.
fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// The other way; a word of a later version is the default that is given.
fn from_word<T: DeserializeOwned>(word: String, otherwise: T) -> T {
    serde_json::from_value(serde_json::Value::String(word)).unwrap_or(otherwise)
}

/// The number by which runs refer to a job.
fn job(db: &Connection, name: &JobName) -> Result<i64> {
    let find = "SELECT id FROM job WHERE name = ?1";
    if let Some(id) = db.prepare_cached(find)?.query_row([name.as_str()], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    db.prepare_cached("INSERT INTO job (name) VALUES (?1)")?.insert([name.as_str()])
}

/// A run has started.
pub(super) fn begin(db: &Connection, run: &RunningRow) -> Result<()> {
    let sql =
        "INSERT OR REPLACE INTO running (id, job, number, trigger, scheduled, started) VALUES (?1,?2,?3,?4,?5,?6)";
    db.prepare_cached(sql)?.execute(params![
        int(run.id.0),
        run.job.as_str(),
        int(run.number),
        word(run.trigger),
        run.scheduled.as_microsecond(),
        run.started.as_microsecond(),
    ])?;
    Ok(())
}

/// A run is over: it leaves the runs in progress and enters the history, in the place of a row of the same number.
pub(super) fn finish(db: &Connection, run: &RunRow) -> Result<()> {
    db.prepare_cached("DELETE FROM running WHERE id = ?1")?.execute([int(run.id.0)])?;
    put(db, run)
}

/// A row of the history, in the place of one of the same number.
pub(super) fn put(db: &Connection, run: &RunRow) -> Result<()> {
    let job = job(db, &run.job)?;
    let sql =
        "INSERT OR REPLACE INTO run VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20)";
    let ending = serde_json::to_string(&run.ending).unwrap_or_default();
    db.prepare_cached(sql)?.execute(params![
        int(run.id.0),
        job,
        int(run.number),
        word(run.trigger),
        run.scheduled.as_microsecond(),
        run.started.as_microsecond(),
        run.finished.as_microsecond(),
        i64::try_from(run.took.as_micros()).unwrap_or(i64::MAX),
        run.attempts,
        run.status.as_str(),
        run.reason.as_str(),
        ending,
        run.verdict,
        run.until.map(Timestamp::as_microsecond),
        blob(&run.stdout.head),
        blob(&run.stdout.tail),
        dropped(&run.stdout),
        blob(&run.stderr.head),
        blob(&run.stderr.tail),
        dropped(&run.stderr),
    ])?;
    Ok(())
}

fn blob(bytes: &[u8]) -> Option<&[u8]> {
    (!bytes.is_empty()).then_some(bytes)
}

fn dropped(captured: &Captured) -> Option<i64> {
    (captured.dropped > 0).then(|| int(captured.dropped))
}

/// What is remembered of a job.
pub(super) fn put_state(db: &Connection, name: &JobName, state: &JobState) -> Result<()> {
    let sql = "INSERT INTO job (name, cadence, health) VALUES (?1, ?2, ?3) \
               ON CONFLICT (name) DO UPDATE SET cadence = excluded.cadence, health = excluded.health";
    db.prepare_cached(sql)?.execute(params![name.as_str(), state.cadence, state.health])?;
    Ok(())
}

/// Everything that is remembered of all jobs.
pub(super) fn states(db: &Connection) -> Result<HashMap<JobName, JobState>> {
    let mut statement =
        db.prepare("SELECT name, cadence, health FROM job WHERE cadence IS NOT NULL OR health IS NOT NULL")?;
    let json = Option::<String>::unwrap_or_default;
    let rows = statement.query_map((), |row| {
        let name: String = row.get(0)?;
        Ok((JobName::new(name), JobState { cadence: json(row.get(1)?).into(), health: json(row.get(2)?).into() }))
    })?;
    rows.collect()
}

/// The runs that were in progress.
pub(super) fn running(db: &Connection) -> Result<Vec<RunningRow>> {
    let mut statement = db.prepare("SELECT id, job, number, trigger, scheduled, started FROM running ORDER BY id")?;
    let rows = statement.query_map((), |row| {
        Ok(RunningRow {
            id: RunId(uint(row.get(0)?)),
            job: JobName::new(row.get::<_, String>(1)?),
            number: uint(row.get(2)?),
            trigger: from_word(row.get(3)?, crate::exec::Trigger::Schedule),
            scheduled: time(row.get(4)?),
            started: time(row.get(5)?),
        })
    })?;
    rows.collect()
}

/// The greatest number that a run has, in history or in progress.
pub(super) fn last_run(db: &Connection) -> Result<u64> {
    let sql = "SELECT max(ifnull((SELECT max(id) FROM run), 0), ifnull((SELECT max(id) FROM running), 0))";
    db.query_row(sql, (), |row| Ok(uint(row.get(0)?)))
}

/// A small fact.
pub(super) fn put_note(db: &Connection, key: &str, value: Option<&str>) -> Result<()> {
    match value {
        Some(value) => db
            .prepare_cached("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")?
            .execute([key, value])?,
        None => db.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([key])?,
    };
    Ok(())
}

/// All small facts.
pub(super) fn notes(db: &Connection) -> Result<HashMap<String, String>> {
    db.prepare("SELECT key, value FROM meta")?.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

const COLUMNS: &str = "run.id, job.name, run.number, run.trigger, run.scheduled, run.started, run.finished, run.took, \
                       run.attempts, run.status, run.reason, run.ending, run.verdict, run.until";

/// Runs, newest first, without their output.
pub(super) fn history(db: &Connection, filter: &HistoryFilter) -> Result<Vec<RunRow>> {
    let mut sql = format!("SELECT {COLUMNS} FROM run JOIN job ON job.id = run.job WHERE 1");
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut and = |condition: &str, value: Box<dyn ToSql>| {
        values.push(value);
        sql.push_str(&format!(" AND {condition} ?{}", values.len()));
    };
    if let Some(job) = &filter.job {
        // As a value, not a join, so that the index of the job's runs is walked backwards.
        and("run.job = (SELECT id FROM job WHERE name =", Box::new(job.as_str().to_owned()));
        sql.push(')');
    }
    let mut and = |condition: &str, value: i64| {
        values.push(Box::new(value));
        sql.push_str(&format!(" AND {condition} ?{}", values.len()));
    };
    if let Some(since) = filter.since {
        and("run.finished >=", since.as_microsecond());
    }
    if let Some(until) = filter.until {
        and("run.started <=", until.as_microsecond());
    }
    if let Some(before) = filter.before {
        and("run.id <", int(before.0));
    }
    if filter.failed {
        sql.push_str(" AND run.status <> 'ok'");
    }
    let limit = if filter.limit == 0 { PAGE } else { filter.limit };
    sql.push_str(&format!(" ORDER BY run.id DESC LIMIT {limit}"));
    let mut statement = db.prepare(&sql)?;
    statement.query_map(rusqlite::params_from_iter(values), row)?.collect()
}

/// Counts the runs that ended within a time, looking at `rows` runs with lower numbers than `below`. Numbers rise with
/// time: a step in which every run ended before that time is the last.
pub(super) fn tally(
    db: &Connection,
    below: Option<RunId>,
    (since, until): (Timestamp, Timestamp),
    rows: u32,
) -> Result<Tally> {
    let below = below.map_or(i64::MAX, |below| int(below.0));
    let step = "SELECT id, job, finished, took, status, verdict FROM run WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
    let bounds = format!("SELECT min(id), max(finished), count(*) FROM ({step})");
    let (lowest, latest, found): (Option<i64>, Option<i64>, u32) = db
        .prepare_cached(&bounds)?
        .query_row(params![below, rows], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    if latest.is_none_or(|latest| latest <= since.as_microsecond()) {
        return Ok(Tally::default());
    }
    let sql = format!(
        "SELECT job.name, count(*), sum(status <> 'ok'), max(took), \
                sum(verdict IN ('below-after', 'repeat-not-due', 'rate-limited', 'quiet-hours', 'flapping', 'silenced')), \
                sum(verdict LIKE 'notified:%') \
         FROM ({step}) AS step JOIN job ON job.id = step.job \
         WHERE finished > ?3 AND finished <= ?4 AND verdict <> 'not-run' GROUP BY job.id"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let jobs = statement.query_map(params![below, rows, since.as_microsecond(), until.as_microsecond()], |row| {
        Ok(JobReport {
            job: JobName::new(row.get::<_, String>(0)?),
            runs: uint(row.get(1)?),
            failures: uint(row.get(2)?),
            longest: Duration::from_micros(uint(row.get(3)?)),
            held: uint(row.get(4)?),
            told: uint(row.get(5)?),
        })
    })?;
    let next = lowest.filter(|_| found == rows).map(|lowest| RunId(uint(lowest)));
    Ok(Tally { jobs: jobs.collect::<Result<_>>()?, next })
}

/// One run with its output.
pub(super) fn run(db: &Connection, id: RunId) -> Result<Option<RunRow>> {
    let sql = format!(
        "SELECT {COLUMNS}, stdout, stdout_tail, stdout_dropped, stderr, stderr_tail, stderr_dropped \
         FROM run JOIN job ON job.id = run.job WHERE run.id = ?1"
    );
    let read =
        |found: &Row<'_>| Ok(RunRow { stdout: captured(found, 14)?, stderr: captured(found, 17)?, ..row(found)? });
    db.query_row(&sql, [int(id.0)], read).optional()
}

fn captured(row: &Row<'_>, at: usize) -> Result<Captured> {
    Ok(Captured {
        head: row.get::<_, Option<Vec<u8>>>(at)?.unwrap_or_default(),
        tail: row.get::<_, Option<Vec<u8>>>(at + 1)?.unwrap_or_default(),
        dropped: uint(row.get::<_, Option<i64>>(at + 2)?.unwrap_or(0)),
    })
}

fn row(row: &Row<'_>) -> Result<RunRow> {
    Ok(RunRow {
        id: RunId(uint(row.get(0)?)),
        job: JobName::new(row.get::<_, String>(1)?),
        number: uint(row.get(2)?),
        trigger: from_word(row.get(3)?, crate::exec::Trigger::Schedule),
        scheduled: time(row.get(4)?),
        started: time(row.get(5)?),
        finished: time(row.get(6)?),
        took: Duration::from_micros(uint(row.get(7)?)),
        attempts: row.get(8)?,
        status: from_word(row.get(9)?, Status::Unknown),
        reason: from_word(row.get(10)?, Reason::Exit),
        ending: serde_json::from_str(&row.get::<_, String>(11)?).unwrap_or(Ending::Interrupted),
        verdict: row.get(12)?,
        until: row.get::<_, Option<i64>>(13)?.map(time),
        stdout: Captured::default(),
        stderr: Captured::default(),
    })
}

/// Deletes up to `count` of the oldest runs: those that ended before `before`, or all when it is `None`. Looks at no
/// other rows, so that the work is bounded. The answer is how many went.
pub(super) fn delete_oldest(db: &Connection, count: u32, before: Option<Timestamp>) -> Result<usize> {
    let oldest = "SELECT id, finished FROM run ORDER BY id LIMIT ?1";
    let cutoff = before.map_or(i64::MAX, Timestamp::as_microsecond);
    let sql = format!("DELETE FROM run WHERE id IN (SELECT id FROM ({oldest}) WHERE finished < ?2)");
    db.prepare_cached(&sql)?.execute(params![count, cutoff])
}
