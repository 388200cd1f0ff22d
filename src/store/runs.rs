//! \[db\] The SQL of history and job state: rows in, rows out, no decisions.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::columns::{MOST, bytes, count, maybe_number, maybe_text, number, text, time};
use super::types::{Details, HistoryFilter, JobState, RunRow, RunningRow, Strip, Tally};
use crate::exec::{Captured, Ending, ProcessId, Reason, Status, known};
use crate::id::{JobName, RunId};
use crate::message::summary::JobReport;
use crate::policy::{By, Decision, Event, Suppressed};

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

/// A run has started, or goes on although the daemon that it started under has died: then it was no end that was noted of it.
pub(super) fn begin(db: &Connection, run: &RunningRow) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO running (id, job, number, trigger, scheduled, started, process) \
               VALUES (:id, :job, :number, :trigger, :scheduled, :started, :process)";
    db.prepare_cached(sql)?.execute(named_params! {
        ":id": int(run.id.0),
        ":job": run.job.as_str(),
        ":number": int(run.number),
        ":trigger": word(run.trigger),
        ":scheduled": run.scheduled.as_microsecond(),
        ":started": run.started.as_microsecond(),
        ":process": run.process.as_ref().and_then(process),
    })?;
    let undecided = "DELETE FROM run WHERE id = ?1 AND verdict = '' AND reason = 'interrupted'";
    db.prepare_cached(undecided)?.execute([int(run.id.0)])?;
    Ok(())
}

/// A run in progress has a process, its first or another.
pub(super) fn put_process(db: &Connection, run: RunId, id: &ProcessId) -> Result<()> {
    let sql = "UPDATE running SET process = ?2 WHERE id = ?1";
    db.prepare_cached(sql)?.execute(params![int(run.0), process(id)])?;
    Ok(())
}

/// As the column has it.
fn process(id: &ProcessId) -> Option<String> {
    serde_json::to_string(id).ok()
}

/// A run is over: it leaves the runs in progress and enters the history, in the place of a row of the same number.
pub(super) fn finish(db: &Connection, run: &RunRow) -> Result<()> {
    db.prepare_cached("DELETE FROM running WHERE id = ?1")?.execute([int(run.id.0)])?;
    put(db, run)
}

/// A row of the history, in the place of one of the same number.
pub(super) fn put(db: &Connection, run: &RunRow) -> Result<()> {
    let job = job(db, &run.job)?;
    let sql = "INSERT OR REPLACE INTO run \
               (id, job, number, trigger, scheduled, started, finished, took, attempts, status, reason, ending, verdict, \
                event, suppressed, until, line, by_uid, by_name, note, passed, hold, stdout, stdout_tail, stdout_dropped, stderr, stderr_tail, stderr_dropped) \
               VALUES (:id, :job, :number, :trigger, :scheduled, :started, :finished, :took, :attempts, :status, :reason, \
                :ending, :verdict, :event, :suppressed, :until, :line, :by_uid, :by_name, :note, :passed, :hold, :stdout, :stdout_tail, :stdout_dropped, :stderr, \
                :stderr_tail, :stderr_dropped)";
    let ending = serde_json::to_string(&run.ending).unwrap_or_default();
    db.prepare_cached(sql)?.execute(named_params! {
        ":id": int(run.id.0),
        ":job": job,
        ":number": int(run.number),
        ":trigger": word(run.trigger),
        ":scheduled": run.scheduled.as_microsecond(),
        ":started": run.started.as_microsecond(),
        ":finished": run.finished.as_microsecond(),
        ":took": i64::try_from(run.took.as_micros()).unwrap_or(i64::MAX),
        ":attempts": run.attempts,
        ":status": run.status.as_str(),
        ":reason": run.reason.as_str(),
        ":ending": ending,
        ":verdict": verdict(run.decision),
        ":event": run.decision.event().map(Event::as_str),
        ":suppressed": run.decision.suppressed().map(Suppressed::as_str),
        ":until": run.decision.until().map(Timestamp::as_microsecond),
        ":line": run.details.line,
        ":by_uid": run.details.by.as_ref().and_then(|by| by.uid),
        ":by_name": run.details.by.as_ref().map(|by| by.name.as_str()),
        ":note": run.details.note,
        ":passed": run.details.passed.map(|(count, _)| int(count)),
        ":hold": run.details.passed.map(|(_, hold)| int(hold)),
        ":stdout": blob(&run.stdout.head),
        ":stdout_tail": blob(&run.stdout.tail),
        ":stdout_dropped": dropped(&run.stdout),
        ":stderr": blob(&run.stderr.head),
        ":stderr_tail": blob(&run.stderr.tail),
        ":stderr_dropped": dropped(&run.stderr),
    })?;
    Ok(())
}

/// The column `verdict`: which other column has the decision, or all of it.
fn verdict(decision: Decision) -> String {
    match decision {
        Decision::Notified(_) => "notified".to_owned(),
        Decision::Suppressed(..) => "suppressed".to_owned(),
        other => other.to_string(),
    }
}

/// The decision from its columns; rows of schema 1 have all of it in `verdict`. A word of a later version is no decision.
fn decision(verdict: &str, event: Option<&str>, suppressed: Option<&str>, until: Option<Timestamp>) -> Decision {
    let decision = match (event, suppressed) {
        (Some(event), _) => event.parse().map(Decision::Notified),
        (_, Some(why)) => why.parse().map(|why| Decision::Suppressed(why, None)),
        (None, None) => verdict.parse(),
    };
    decision.unwrap_or_default().with_until(until)
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
    let rows = statement.query_map((), |row| {
        let state = JobState { cadence: text(row, 1)?.into(), health: text(row, 2)?.into() };
        Ok((JobName::new(text(row, 0)?), state))
    })?;
    rows.collect()
}

/// The runs that were in progress.
pub(super) fn running(db: &Connection) -> Result<Vec<RunningRow>> {
    let mut statement =
        db.prepare("SELECT id, job, number, trigger, scheduled, started, process FROM running ORDER BY id")?;
    let rows = statement.query_map((), |row| {
        Ok(RunningRow {
            id: RunId(count(row, 0)?),
            job: JobName::new(text(row, 1)?),
            number: count(row, 2)?,
            trigger: from_word(text(row, 3)?, crate::exec::Trigger::Schedule),
            scheduled: time(row, 4)?,
            started: time(row, 5)?,
            // One that cannot be read is one that is not known.
            process: maybe_text(row, 6)?.and_then(|id| serde_json::from_str(&id).ok()),
        })
    })?;
    rows.collect()
}

/// The greatest number that a run has, in history or in progress.
pub(super) fn last_run(db: &Connection) -> Result<u64> {
    let sql = "SELECT max(ifnull((SELECT max(id) FROM run WHERE id <= ?1), 0), \
                          ifnull((SELECT max(id) FROM running WHERE id <= ?1), 0))";
    db.query_row(sql, [MOST], |row| count(row, 0))
}

/// When the run with the greatest number ended.
pub(super) fn last_end(db: &Connection) -> Result<Option<Timestamp>> {
    db.query_row("SELECT finished FROM run ORDER BY id DESC LIMIT 1", (), |row| time(row, 0)).optional()
}

/// A small fact.
pub(super) fn put_note(db: &Connection, key: &str, value: Option<&str>) -> Result<()> {
    match value {
        Some(value) => db
            .prepare_cached(
                "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            )?
            .execute([key, value])?,
        None => db.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([key])?,
    };
    Ok(())
}

/// All small facts.
pub(super) fn notes(db: &Connection) -> Result<HashMap<String, String>> {
    db.prepare("SELECT key, value FROM meta")?.query_map((), |row| Ok((text(row, 0)?, text(row, 1)?)))?.collect()
}

const COLUMNS: &str = "run.id, ifnull(job.name, 'job ' || run.job), run.number, run.trigger, run.scheduled, run.started, run.finished, run.took, \
                       run.attempts, run.status, run.reason, run.ending, run.verdict, run.event, run.suppressed, run.until, \
                       run.line, run.by_uid, run.by_name, run.note, run.passed, run.hold";

/// Runs, newest first, without their output.
pub(super) fn history(db: &Connection, filter: &HistoryFilter) -> Result<Vec<RunRow>> {
    let mut sql = format!("SELECT {COLUMNS} FROM run LEFT JOIN job ON job.id = run.job WHERE 1");
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
    if let Some(began) = filter.began {
        and("run.started =", began.as_microsecond());
    }
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
    if let Some(status) = filter.status {
        sql.push_str(&format!(" AND run.status = '{}' AND run.verdict NOT IN ('paused', 'not-run')", status.as_str()));
    }
    let limit = if filter.limit == 0 { PAGE } else { filter.limit };
    sql.push_str(&format!(" ORDER BY run.id DESC LIMIT {limit}"));
    let mut statement = db.prepare(&sql)?;
    statement.query_map(rusqlite::params_from_iter(values), row)?.collect()
}

/// The last runs of some jobs that count as runs, the newest first: status and how long each took, where that is known.
pub(super) fn strips(db: &Connection, jobs: &[JobName], length: u32) -> Result<HashMap<JobName, Strip>> {
    let sql = "SELECT status, took FROM run WHERE job = (SELECT id FROM job WHERE name = ?1) \
               AND verdict NOT IN ('not-run', 'paused') ORDER BY id DESC LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let mut strips = HashMap::with_capacity(jobs.len());
    for job in jobs {
        let rows = statement.query_map(params![job.as_str(), length], |row| {
            Ok((from_word(text(row, 0)?, Status::Unknown), known(Duration::from_micros(count(row, 1)?))))
        })?;
        strips.insert(job.clone(), rows.collect::<Result<_>>()?);
    }
    Ok(strips)
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
    let step = "SELECT id, job, number, finished, took, status, verdict, event, suppressed FROM run WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
    let bounds = format!("SELECT min(id), max(finished), count(*) FROM ({step})");
    let (lowest, latest, found): (Option<i64>, Option<i64>, u32) =
        db.prepare_cached(&bounds)?.query_row(params![below, rows], |row| {
            Ok((maybe_number(row, 0)?, maybe_number(row, 1)?, u32::try_from(count(row, 2)?).unwrap_or(u32::MAX)))
        })?;
    if latest.is_none_or(|latest| latest <= since.as_microsecond()) {
        return Ok(Tally::default());
    }
    let counted = Suppressed::ALL.iter().filter(|why| why.counts()).map(|why| format!("'{why}'"));
    let counted = counted.collect::<Vec<_>>().join(", ");
    // Rows of schema 1 have the decision in `verdict`.
    let sql = format!(
        "SELECT job.name, count(*), sum(status <> 'ok'), max(took), \
                sum(ifnull(suppressed, verdict) IN ({counted})), \
                sum(event IS NOT NULL OR verdict LIKE 'notified:%'), sum(took), \
                sum(ifnull(event, '') IN ('output', 'success', 'change')), \
                sum(ifnull(event, '') IN ('failure', 'missing')), sum(ifnull(event, '') = 'repeat'), \
                sum(ifnull(event, '') = 'failure' AND ifnull(following, '') = 'ok'), \
                sum(ifnull(event, '') = 'recovery' AND (preceding = 'ok' OR number <= 1)) \
         FROM (SELECT *, lead(status) OVER of_job AS following, lag(status) OVER of_job AS preceding FROM ({step}) \
               WHERE verdict NOT IN ('not-run', 'paused') WINDOW of_job AS (PARTITION BY job ORDER BY id)) AS step \
         JOIN job ON job.id = step.job \
         WHERE finished > ?3 AND finished <= ?4 GROUP BY job.id"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let jobs = statement.query_map(params![below, rows, since.as_microsecond(), until.as_microsecond()], |row| {
        // A run that was told as a failure while it went on, and ended well: an incident and a message of which no run tells.
        let hung = count(row, 11)?;
        Ok(JobReport {
            job: JobName::new(text(row, 0)?),
            runs: count(row, 1)?,
            failures: count(row, 2)?,
            longest: Duration::from_micros(count(row, 3)?),
            held: count(row, 4)?,
            told: count(row, 5)? + hung,
            took: Duration::from_micros(count(row, 6)?),
            good: count(row, 7)?,
            begun: count(row, 8)? + hung,
            repeats: count(row, 9)?,
            single: count(row, 10)?,
        })
    })?;
    let next = lowest.filter(|_| found == rows).map(|lowest| RunId(uint(lowest)));
    Ok(Tally { jobs: jobs.collect::<Result<_>>()?, next })
}

/// One run with its output.
pub(super) fn run(db: &Connection, id: RunId) -> Result<Option<RunRow>> {
    let sql = format!(
        "SELECT {COLUMNS}, stdout, stdout_tail, stdout_dropped, stderr, stderr_tail, stderr_dropped \
         FROM run LEFT JOIN job ON job.id = run.job WHERE run.id = ?1"
    );
    let read =
        |found: &Row<'_>| Ok(RunRow { stdout: captured(found, 22)?, stderr: captured(found, 25)?, ..row(found)? });
    db.query_row(&sql, [int(id.0)], read).optional()
}

fn captured(row: &Row<'_>, at: usize) -> Result<Captured> {
    Ok(Captured { head: bytes(row, at)?, tail: bytes(row, at + 1)?, dropped: count(row, at + 2)? })
}

fn row(row: &Row<'_>) -> Result<RunRow> {
    Ok(RunRow {
        id: RunId(count(row, 0)?),
        job: JobName::new(text(row, 1)?),
        number: count(row, 2)?,
        trigger: from_word(text(row, 3)?, crate::exec::Trigger::Schedule),
        scheduled: time(row, 4)?,
        started: time(row, 5)?,
        finished: time(row, 6)?,
        took: Duration::from_micros(count(row, 7)?),
        attempts: u32::try_from(count(row, 8)?).unwrap_or(u32::MAX),
        status: from_word(text(row, 9)?, Status::Unknown),
        reason: from_word(text(row, 10)?, Reason::Exit),
        ending: serde_json::from_str(&text(row, 11)?).unwrap_or(Ending::Interrupted),
        decision: decision(
            &text(row, 12)?,
            maybe_text(row, 13)?.as_deref(),
            maybe_text(row, 14)?.as_deref(),
            maybe_number(row, 15)?.and_then(|until| Timestamp::from_microsecond(until).ok()),
        ),
        details: details(row)?,
        stdout: Captured::default(),
        stderr: Captured::default(),
    })
}

fn details(row: &Row<'_>) -> Result<Details> {
    let uid = maybe_number(row, 17)?.and_then(|uid| u32::try_from(uid).ok());
    Ok(Details {
        line: maybe_text(row, 16)?,
        by: maybe_text(row, 18)?.map(|name| By { uid, name }),
        note: maybe_text(row, 19)?,
        passed: maybe_number(row, 20)?.map(uint).zip(maybe_number(row, 21)?.map(uint)),
    })
}

/// Due times that have passed because of holds that are there.
pub(super) fn passed(db: &Connection) -> Result<Vec<RunRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM run LEFT JOIN job ON job.id = run.job WHERE run.hold IN (SELECT id FROM hold) ORDER BY run.id"
    );
    db.prepare(&sql)?.query_map((), row)?.collect()
}

/// What deleting came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Deleted {
    /// How many runs went.
    pub(super) runs: usize,
    /// The last of them that were looked at and are of a time to come: none up to it can go before that time.
    pub(super) of_the_future: Option<i64>,
}

/// Deletes runs that ended before `before`, of the `most` oldest above the number `above`. Looks at no other rows, so that
/// the work is bounded; `now` tells which of them carry a time to come, from a clock that was ahead.
pub(super) fn delete_old(
    db: &Connection,
    most: u32,
    above: i64,
    (before, now): (Timestamp, Timestamp),
) -> Result<Deleted> {
    let sql = "SELECT id, finished FROM run WHERE id > ?1 ORDER BY id LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![above, most], |row| Ok((number(row, 0)?, number(row, 1)?)))?;
    let rows: Vec<(i64, i64)> = rows.collect::<Result<_>>()?;
    let mut delete = db.prepare_cached("DELETE FROM run WHERE id = ?1")?;
    let mut runs = 0;
    for (id, _) in rows.iter().filter(|(_, finished)| *finished < before.as_microsecond()) {
        runs += delete.execute([id])?;
    }
    let future = runs == 0 && rows.iter().all(|(_, finished)| *finished > now.as_microsecond());
    Ok(Deleted { runs, of_the_future: rows.last().filter(|_| future).map(|(id, _)| *id) })
}

/// Deletes up to `most` of the oldest runs, whatever their age. The answer is how many went.
pub(super) fn delete_oldest(db: &Connection, most: u32) -> Result<usize> {
    db.prepare_cached("DELETE FROM run WHERE id IN (SELECT id FROM run ORDER BY id LIMIT ?1)")?.execute([most])
}
