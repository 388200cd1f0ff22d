//! \[db\] The SQL of the outbox: rows in, rows out.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params, params_from_iter};

use super::columns::{self as column, MOST, count, maybe_number, maybe_text, number, text, time};
use super::overlay::{Peer, Root};
use super::rows::{ANNOUNCED, BEHIND_WAITING, OUTDATED_EDIT, OUTDATED_FIRST, OUTDATED_OTHER, TABLES, columns, row};
use super::runs::{PAGE, int};
use super::types::{
    Class, Depth, Disposition, Heads, MessageId, MessageState, OutboxCounts, OutboxFilter, Part, Progress, Stored,
    ThreadChange, Untold,
};
use crate::id::{Channel, JobName, RunId};
use crate::message::{Attachment, Message};
use crate::notify::Parent;
use crate::policy::{Dropped, Event, Told};

/// Puts a message in. Its attachment goes apart.
pub(super) fn insert(db: &Connection, stored: &Stored) -> Result<()> {
    let (id, message) = (int(stored.id.0), &stored.message);
    if let Some(attachment) = &message.attachment {
        let sql = "INSERT OR REPLACE INTO attachment (message, name, content) VALUES (?1, ?2, ?3)";
        db.prepare_cached(sql)?.execute(params![id, attachment.name, attachment.content])?;
    }
    let body = body(message);
    let sql = "INSERT INTO message (id, channel, state, edit, queued, attempts, why, not_before, timeouts, refusals, forwarded, \
               job, incident, part, body) \
               VALUES (:id, :channel, :state, :edit, :queued, :attempts, :why, :not_before, :timeouts, :refusals, \
               :forwarded, :job, :incident, :part, :body)";
    db.prepare_cached(sql)?.execute(named_params! {
        ":id": id,
        ":channel": message.channel.as_str(),
        ":state": stored.state.number(),
        ":edit": Class::of(message).number(),
        ":queued": stored.queued.as_microsecond(),
        ":attempts": stored.attempts,
        ":why": stored.why,
        ":not_before": moment(stored.progress.not_before),
        ":timeouts": stored.progress.timeouts,
        ":refusals": stored.progress.refusals,
        ":forwarded": elsewhere(stored.progress),
        ":job": message.job.as_ref().map(JobName::as_str),
        ":incident": message.incident.map(int),
        ":part": Part::of(message).number(),
        ":body": body,
    })?;
    Ok(())
}

/// Where else it was told, as column `forwarded` has it.
fn elsewhere(progress: Progress) -> i64 {
    i64::from(progress.forwarded) | (i64::from(progress.announced) * ANNOUNCED)
}

/// Hands a message's file over to another.
pub(super) fn take_file(db: &Connection, from: MessageId, to: MessageId) -> Result<()> {
    let sql = "UPDATE OR REPLACE attachment SET message = ?2 WHERE message = ?1";
    db.prepare_cached(sql)?.execute([int(from.0), int(to.0)]).map(drop)
}

/// A time as the database has it; 0 is none.
fn moment(at: Option<Timestamp>) -> i64 {
    at.map_or(0, Timestamp::as_microsecond)
}

/// The message as JSON, without its attachment.
fn body(message: &Message) -> String {
    match message.attachment {
        None => serde_json::to_string(message),
        Some(_) => serde_json::to_string(&Message { attachment: None, ..message.clone() }),
    }
    .unwrap_or_default()
}

/// The next number that no message ever had. The table's own count may be missing or behind in a file that was repaired.
pub(super) fn next_id(db: &Connection) -> Result<u64> {
    let sql = "SELECT max(ifnull((SELECT max(seq) FROM sqlite_sequence WHERE name = 'message' AND seq <= ?1), 0), \
                          ifnull((SELECT max(id) FROM message WHERE id <= ?1), 0))";
    Ok(db.query_row(sql, [MOST], |row| count(row, 0))? + 1)
}

/// Writes what came of a message. The answer is whether it was there.
pub(super) fn settle(db: &Connection, id: MessageId, disposition: &Disposition) -> Result<bool> {
    let id = int(id.0);
    let rows = match disposition {
        Disposition::Delivered | Disposition::Superseded => {
            if *disposition == Disposition::Delivered {
                forget_refused(db, id)?;
            }
            db.prepare_cached("DELETE FROM attachment WHERE message = ?1")?.execute([id])?;
            db.prepare_cached("DELETE FROM message WHERE id = ?1")?.execute([id])?
        }
        // One that somebody set waiting again meanwhile stays so.
        Disposition::Announced { told } => {
            let sql = "UPDATE message SET state = 2, forwarded = forwarded | ?2 WHERE id = ?1 AND state = 1";
            db.prepare_cached(sql)?.execute([id, i64::from(*told) * ANNOUNCED])?
        }
        // Of a late one the reason why it is a dead letter stays.
        Disposition::Retry { why, progress } => {
            let sql = "UPDATE message SET attempts = attempts + 1, why = ?2, not_before = ?3, timeouts = ?4, refusals = ?5, \
                       forwarded = ?6 WHERE id = ?1 AND state = 0";
            let Progress { not_before, timeouts, refusals, .. } = *progress;
            if refusals > 0 {
                forget_refused(db, id)?;
            }
            let elsewhere = elsewhere(*progress);
            db.prepare_cached(sql)?.execute(params![id, why, moment(not_before), timeouts, refusals, elsewhere])?
        }
        Disposition::Dead { why, forwarded } => {
            // One that somebody dropped meanwhile stays so.
            forget_refused(db, id)?;
            let sql = "UPDATE message SET state = 2, attempts = attempts + 1, why = ?2, forwarded = forwarded | ?3 \
                       WHERE id = ?1 AND state < 3";
            db.prepare_cached(sql)?.execute(params![id, why, forwarded])?
        }
    };
    Ok(rows > 0)
}

/// Dead letters whose place this message of an incident takes, whatever came of it: what the same channel refused of the same
/// incident's repetitions, and where this tells the incident as a first message does, of its beginning too.
fn forget_refused(db: &Connection, id: i64) -> Result<()> {
    let sql = "SELECT earlier.id FROM message AS earlier JOIN message AS later ON later.id = ?1 AND later.edit = 0 \
               WHERE earlier.state = 2 AND earlier.edit = 0 AND earlier.part <> 2 AND (later.part = 1 OR later.part = 3 AND earlier.part = 3) \
               AND earlier.forwarded < 2 AND earlier.timeouts = 0 \
               AND earlier.queued < later.queued AND earlier.id < later.id AND earlier.channel = later.channel AND earlier.incident = later.incident";
    let ids: Vec<i64> = db.prepare_cached(sql)?.query_map([id], |row| number(row, 0))?.collect::<Result<_>>()?;
    for id in ids {
        db.prepare_cached("DELETE FROM attachment WHERE message = ?1")?.execute([id])?;
        db.prepare_cached("DELETE FROM message WHERE id = ?1")?.execute([id])?;
    }
    Ok(())
}

/// Which count a message is in; `None` for dead letters and for what is not there.
pub(super) fn class_of(db: &Connection, id: MessageId) -> Result<Option<(Channel, Class)>> {
    db.prepare_cached("SELECT channel, state, edit FROM message WHERE id = ?1 AND state < 2")?
        .query_row([int(id.0)], |row| {
            let class = Class::from_numbers(number(row, 1)?, number(row, 2)?);
            Ok((Channel::new(&text(row, 0)?), class))
        })
        .optional()
}

/// Writes what becomes of a thread.
pub(super) fn put_thread(db: &Connection, channel: &Channel, change: &ThreadChange, at: Timestamp) -> Result<()> {
    match change {
        ThreadChange::Keep => {}
        ThreadChange::Set(incident, parent) => {
            let sql = "INSERT OR REPLACE INTO thread (incident, channel, place, ts, at) VALUES (?1, ?2, ?3, ?4, ?5)";
            let at = at.as_microsecond();
            db.prepare_cached(sql)?.execute(params![
                int(*incident),
                channel.as_str(),
                parent.channel,
                parent.ts,
                at
            ])?;
        }
        ThreadChange::SetAll(incidents, parent) => {
            for incident in incidents {
                put_thread(db, channel, &ThreadChange::Set(*incident, parent.clone()), at)?;
            }
        }
        ThreadChange::Forget(incident) => {
            let sql = "DELETE FROM thread WHERE incident = ?1 AND channel = ?2";
            db.prepare_cached(sql)?.execute(params![int(*incident), channel.as_str()])?;
        }
    }
    Ok(())
}

/// What the outbox knows of incidents.
pub(super) fn all_told(db: &Connection) -> Result<Told> {
    Ok(Told { channels: told(db)?, refused: refused(db)?, dropped: dropped(db)? })
}

/// The channels that took the first message of an incident, by its number.
fn told(db: &Connection) -> Result<HashMap<u64, Vec<Channel>>> {
    let mut statement = db.prepare("SELECT incident, channel FROM thread")?;
    let mut rows = statement.query(())?;
    let mut told: HashMap<u64, Vec<Channel>> = HashMap::new();
    while let Some(row) = rows.next()? {
        told.entry(count(row, 0)?).or_default().push(Channel::new(&text(row, 1)?));
    }
    Ok(told)
}

/// The first messages of incidents: in each channel one.
pub(super) fn threads(db: &Connection, incidents: &[u64]) -> Result<HashMap<u64, Vec<(Channel, Parent)>>> {
    let mut statement = db.prepare_cached("SELECT channel, place, ts FROM thread WHERE incident = ?1")?;
    let mut threads = HashMap::with_capacity(incidents.len());
    for incident in incidents {
        let rows = statement.query_map([int(*incident)], |row| {
            let parent = Parent { channel: text(row, 1)?, ts: text(row, 2)? };
            Ok((Channel::new(&text(row, 0)?), parent))
        })?;
        threads.insert(*incident, rows.collect::<Result<_>>()?);
    }
    Ok(threads)
}

/// The first message of an incident's thread in a channel, and what it says.
pub(super) fn root(db: &Connection, channel: &Channel, incident: u64) -> Result<Option<Root>> {
    let sql = "SELECT place, ts, first FROM thread WHERE incident = ?1 AND channel = ?2";
    db.prepare_cached(sql)?
        .query_row(params![int(incident), channel.as_str()], |row| {
            let parent = Parent { channel: text(row, 0)?, ts: text(row, 1)? };
            Ok((parent, maybe_text(row, 2)?.and_then(|first| serde_json::from_str(&first).ok())))
        })
        .optional()
}

/// The alerts and edits of incidents that wait for a channel.
pub(super) fn peers(db: &Connection, channel: &Channel) -> Result<Vec<Peer>> {
    let sql = "SELECT id, incident, edit, part, refusals, not_before, queued, \
               CASE WHEN json_valid(body) THEN json_extract(body, '$.thread') END IS 'reply' FROM message \
               WHERE channel = ?1 AND state < 2 AND state = 0 AND edit IN (0, 1) AND incident IS NOT NULL";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([channel.as_str()], |row| {
        Ok(Peer {
            id: MessageId(count(row, 0)?),
            incident: count(row, 1)?,
            class: Class::from_numbers(0, number(row, 2)?),
            part: Part::from_number(number(row, 3)?),
            refusals: u32::try_from(count(row, 4)?).unwrap_or(u32::MAX),
            not_before: (number(row, 5)? > 0).then(|| time(row, 5)).transpose()?,
            queued: time(row, 6)?,
            is_reply: number(row, 7)? == 1,
        })
    })?;
    rows.collect()
}

/// Incidents of which a message is a dead letter or was dropped, and of which nothing was taken, waits, was told elsewhere, or may
/// have been taken by a channel that gave no answer.
fn refused(db: &Connection) -> Result<HashSet<u64>> {
    let sql = "SELECT DISTINCT incident FROM message WHERE state >= 2 AND edit = 0 AND forwarded = 0 AND timeouts = 0 AND incident NOT IN \
               (SELECT incident FROM thread UNION SELECT incident FROM message \
               WHERE incident IS NOT NULL AND (state < 2 OR forwarded > 0 OR (state = 2 AND timeouts > 0)))";
    let mut statement = db.prepare(sql)?;
    let rows = statement.query_map((), |row| count(row, 0))?;
    rows.collect()
}

/// Writes what the first message of an incident's thread says.
pub(super) fn put_first(db: &Connection, channel: &Channel, incident: u64, first: &Message) -> Result<()> {
    // A message that cannot be written as JSON is one that nobody knows.
    let body = serde_json::to_string(first).ok();
    let sql = "UPDATE thread SET first = ?3 WHERE incident = ?1 AND channel = ?2";
    db.prepare_cached(sql)?.execute(params![int(incident), channel.as_str(), body])?;
    Ok(())
}

/// Notes when a channel was last written to.
pub(super) fn put_sent(db: &Connection, channel: &Channel, at: Timestamp) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO lane (channel, sent) VALUES (?1, ?2)";
    db.prepare_cached(sql)?.execute(params![channel.as_str(), at.as_microsecond()])?;
    Ok(())
}

/// When each channel was last written to.
pub(super) fn sent(db: &Connection) -> Result<HashMap<Channel, Timestamp>> {
    let mut statement = db.prepare("SELECT channel, sent FROM lane")?;
    let rows = statement.query_map((), |row| Ok((Channel::new(&text(row, 0)?), time(row, 1)?)))?;
    rows.collect()
}

/// How much waits, by channel.
pub(super) fn depths(db: &Connection) -> Result<HashMap<Channel, Depth>> {
    let mut depths: HashMap<Channel, Depth> = HashMap::new();
    let sql = "SELECT channel, state, edit, count(*) FROM message WHERE state < 2 GROUP BY channel, state, edit";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let depth = depths.entry(Channel::new(&text(row, 0)?)).or_default();
        let count = count(row, 3)?;
        // Only what `heads` finds is counted: the worker would ask again and again for anything else.
        match (number(row, 1)?, number(row, 2)?) {
            (1, 0) | (0, 0..=3) => *depth.of(Class::from_numbers(number(row, 1)?, number(row, 2)?)) += count,
            _ => {}
        }
    }
    Ok(depths)
}

/// What was dropped, whether the daemon has heard of it or not.
const DROPPED: &str = "state > 2";

/// Dropped, and the daemon is still to hear of it; and as it is when it has.
const DROPPED_UNHEARD: i64 = 3;
const DROPPED_HEARD: i64 = 4;

/// What waits of a class is found by its state.
fn state_of(class: Class) -> i64 {
    i64::from(class == Class::Late)
}

/// Of the channel ?1, at most ?2 messages that may be tried at ?3.
fn heads_sql(class: Class, with_blocked: bool) -> String {
    let (state, kind) = (state_of(class), class.number());
    // An edit waits for the message that it changes, should that still be on its way.
    let blocked = match class {
        Class::Edit if with_blocked => String::new(),
        Class::Edit => {
            "AND (thread.ts IS NOT NULL OR NOT EXISTS (SELECT 1 FROM message AS earlier WHERE earlier.channel = message.channel \
             AND earlier.state = 0 AND earlier.edit = 0 AND earlier.id < message.id AND earlier.incident = message.incident))"
            .to_owned()
        }
        Class::Alert => format!("AND NOT ({BEHIND_WAITING})"),
        Class::Detail | Class::Upload | Class::Late => String::new(),
    };
    // What is outdated goes at once, though not to the channel.
    let outdated = match class {
        Class::Alert => format!("OR ({OUTDATED_FIRST}) OR ({OUTDATED_OTHER})"),
        // The one that follows is built upon it, and is not to come first.
        Class::Edit => format!("OR thread.ts IS NOT NULL AND ({OUTDATED_EDIT})"),
        Class::Detail | Class::Upload | Class::Late => String::new(),
    };
    // Walks the partial index: its condition is repeated.
    format!(
        "SELECT {} FROM {TABLES} WHERE message.channel = ?1 AND state < 2 AND state = {state} AND edit = {kind} \
         AND (not_before <= ?3 {blocked} {outdated}) ORDER BY message.id LIMIT ?2",
        columns()
    )
}

/// The oldest messages of a channel of one class that may be tried at `now`, in their order; when there is none, when the
/// next may be. Those that wait for another one, which is on its way, are left out, but `with_blocked` edits.
pub(super) fn heads(
    db: &Connection,
    (channel, class): (&Channel, Class),
    limit: usize,
    now: Timestamp,
    with_blocked: bool,
) -> Result<Heads> {
    let (state, kind) = (state_of(class), class.number());
    let sql = heads_sql(class, with_blocked);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let at = now.as_microsecond();
    let rows: Vec<Stored> =
        db.prepare_cached(&sql)?.query_map(params![channel.as_str(), limit, at], row)?.collect::<Result<_>>()?;
    if !rows.is_empty() {
        return Ok(Heads { rows, later: None });
    }
    let sql = format!(
        "SELECT min(not_before) FROM message WHERE channel = ?1 AND state < 2 AND state = {state} AND edit = {kind} \
         AND not_before > ?2"
    );
    let later = db.prepare_cached(&sql)?.query_row(params![channel.as_str(), at], |row| match number(row, 0)? {
        0 => Ok(None),
        _ => Ok(Some(time(row, 0)?)),
    })?;
    Ok(Heads { rows, later })
}

/// What a run said first, kept beside it in the history.
pub(super) fn keep_for_run(db: &Connection, run: RunId, message: &Message) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO run_message (run, body) VALUES (?1, ?2)";
    db.prepare_cached(sql)?.execute(params![int(run.0), body(message)])?;
    Ok(())
}

/// The same of a message that came when the run had been dealt with: at the end of a silence, or of quiet hours. What the
/// run itself said stays.
pub(super) fn keep_for_run_later(db: &Connection, run: RunId, message: &Message) -> Result<()> {
    let sql =
        "INSERT OR IGNORE INTO run_message (run, body) SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM run WHERE id = ?1)";
    db.prepare_cached(sql)?.execute(params![int(run.0), body(message)])?;
    Ok(())
}

/// Which of these runs were told of afterwards: when, and as what. The message at the end of quiet hours is about the last run
/// before that, and tells of the others that waited for it.
pub(super) fn told_later(db: &Connection, runs: &[Untold]) -> Result<HashMap<RunId, (Timestamp, Event)>> {
    let from = |run: RunId, time: Timestamp| -> Result<Option<(Timestamp, Event)>> {
        let message = of_run(db, run)?.filter(|message| message.created >= time);
        Ok(message.and_then(|message| Some((message.created, message.event?))))
    };
    // Of a night it is asked once.
    let mut nights: HashMap<&(JobName, Timestamp), Option<(Timestamp, Event)>> = HashMap::new();
    let mut told = HashMap::new();
    for Untold { run, ended, waits } in runs {
        let mut found = from(*run, *ended)?;
        if let (None, Some(night)) = (found, waits) {
            found = match nights.get(night) {
                Some(known) => *known,
                None => {
                    let last = last_before(db, night)?;
                    let of_night = last.map(|last| from(last, night.1)).transpose()?.flatten();
                    *nights.entry(night).or_insert(of_night)
                }
            };
        }
        told.extend(found.map(|found| (*run, found)));
    }
    Ok(told)
}

/// The last run of a job that had ended by then.
fn last_before(db: &Connection, (job, until): &(JobName, Timestamp)) -> Result<Option<RunId>> {
    let sql = "SELECT id FROM run WHERE job = (SELECT id FROM job WHERE name = ?1) AND finished <= ?2 \
               ORDER BY id DESC LIMIT 1";
    let found = db.prepare_cached(sql)?.query_row(params![job.as_str(), until.as_microsecond()], |row| count(row, 0));
    Ok(found.optional()?.map(RunId))
}

/// What a run said first; none where it said nothing, or where a later version wrote it in a way that is not known.
pub(super) fn of_run(db: &Connection, run: RunId) -> Result<Option<Message>> {
    let sql = "SELECT body FROM run_message WHERE run = ?1";
    let body = db.prepare_cached(sql)?.query_row([int(run.0)], |row| text(row, 0)).optional()?;
    Ok(body.and_then(|body| serde_json::from_str(&body).ok()))
}

/// The file that goes with a message.
pub(super) fn attachment(db: &Connection, id: MessageId) -> Result<Option<Attachment>> {
    db.prepare_cached("SELECT name, content FROM attachment WHERE message = ?1")?
        .query_row([int(id.0)], |row| Ok(Attachment { name: text(row, 0)?, content: text(row, 1)? }))
        .optional()
}

/// A channel whose name is no text is one that nobody can ask for: the message itself says where it goes.
fn mend_channels(db: &Connection) -> Result<usize> {
    let mut changed = 0;
    let names: Vec<Vec<u8>> = db
        .prepare("SELECT DISTINCT CAST(channel AS BLOB) FROM message")?
        .query_map((), |row| column::bytes(row, 0))?
        .collect::<Result<_>>()?;
    for name in names.iter().filter(|name| std::str::from_utf8(name).is_err()) {
        let rows: Vec<(i64, String)> = db
            .prepare("SELECT id, body FROM message WHERE CAST(channel AS BLOB) = ?1")?
            .query_map([name], |row| Ok((number(row, 0)?, text(row, 1)?)))?
            .collect::<Result<_>>()?;
        for (id, body) in rows {
            let told = serde_json::from_str::<Message>(&body).map(|message| message.channel);
            let channel = told.unwrap_or_else(|_| Channel::new(&String::from_utf8_lossy(name)));
            changed += db.execute("UPDATE message SET channel = ?2 WHERE id = ?1", params![id, channel.as_str()])?;
        }
    }
    Ok(changed)
}

/// Puts values right that no version of the program writes and that would hide a message for ever: a state that there is
/// not, a number that cannot be settled, a time of nowhere. The answer is how many rows it changed.
pub(super) fn repair(db: &Connection, now: Timestamp) -> Result<usize> {
    let (now, last) = (now.as_microsecond(), Timestamp::MAX.as_microsecond());
    let mut changed = 0;
    for (column, good, value) in [
        ("state", "state IN (0, 1, 2, 3, 4)".to_owned(), 0),
        ("edit", "edit IN (0, 1, 2, 3)".to_owned(), 0),
        ("attempts", "attempts BETWEEN 0 AND 1000000".to_owned(), 0),
        ("queued", format!("queued BETWEEN 1 AND {last}"), now),
        // No pause is longer than a day: it comes from a clock that was ahead.
        ("not_before", format!("not_before BETWEEN 0 AND {now} + 86400000000"), 0),
        ("timeouts", "timeouts BETWEEN 0 AND 1000".to_owned(), 0),
        ("refusals", "refusals BETWEEN 0 AND 1000".to_owned(), 0),
        ("forwarded", "forwarded IN (0, 1, 2, 3)".to_owned(), 0),
        ("part", "part IN (0, 1, 2, 3)".to_owned(), 0),
    ] {
        let bad = format!("typeof({column}) <> 'integer' OR NOT ({good})");
        // A disk that is full must not be written to for nothing.
        let any: bool =
            db.query_row(&format!("SELECT EXISTS (SELECT 1 FROM message WHERE {bad})"), (), |row| row.get(0))?;
        if any {
            changed += db.execute(&format!("UPDATE message SET {column} = ?1 WHERE {bad}"), [value])?;
        }
    }
    changed += mend_channels(db)?;
    let odd: Vec<i64> = db
        .prepare("SELECT id FROM message WHERE id NOT BETWEEN 1 AND ?1 LIMIT 10000")?
        .query_map([MOST], |row| number(row, 0))?
        .collect::<Result<_>>()?;
    for id in odd {
        let next = int(next_id(db)?);
        db.execute("UPDATE OR REPLACE attachment SET message = ?2 WHERE message = ?1", [id, next])?;
        changed += db.execute("UPDATE message SET id = ?2 WHERE id = ?1", [id, next])?;
    }
    Ok(changed)
}

/// Makes dead letters of alerts that wait since before `cutoff`; their channels are to be told. The answer is how many.
pub(super) fn expire(db: &Connection, cutoff: Timestamp, why: &str) -> Result<usize> {
    let sql = "UPDATE message SET state = 1, why = ?2 || ifnull(': ' || why, '') \
               WHERE state = 0 AND edit = 0 AND queued < ?1";
    db.prepare_cached(sql)?.execute(params![cutoff.as_microsecond(), why])
}

/// Since when the message waits that waits longest.
pub(super) fn oldest(db: &Connection) -> Result<Option<Timestamp>> {
    let sql = "SELECT min(queued) FROM message WHERE state = 0 AND edit = 0";
    db.prepare_cached(sql)?
        .query_row((), |row| Ok(maybe_number(row, 0)?.and_then(|oldest| Timestamp::from_microsecond(oldest).ok())))
}

/// Whether there are dead letters.
pub(super) fn any_dead(db: &Connection) -> Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM message WHERE state = 2)")?.query_row((), |row| row.get(0))
}

/// Messages, oldest first.
pub(super) fn list(db: &Connection, filter: &OutboxFilter) -> Result<Vec<Stored>> {
    let mut sql = format!("SELECT {} FROM {TABLES} WHERE message.id > ?1", columns());
    let mut values = vec![Value::Integer(int(filter.after.map_or(0, |id| id.0)))];
    if filter.dead {
        // What its channel does not take is told elsewhere and tried again by itself: a person may hurry it.
        sql.push_str(" AND (state > 0 OR refusals > 0)");
    }
    match filter.state {
        Some(MessageState::Dropped) => sql.push_str(&format!(" AND {DROPPED}")),
        _ if filter.with_dropped => {}
        _ => sql.push_str(&format!(" AND NOT ({DROPPED})")),
    }
    let mut and = |column: &str, value: Value| {
        values.push(value);
        sql.push_str(&format!(" AND message.{column} ?{}", values.len()));
    };
    if let Some(channel) = &filter.channel {
        and("channel =", Value::Text(channel.as_str().to_owned()));
    }
    if let Some(job) = &filter.job {
        and("job =", Value::Text(job.as_str().to_owned()));
    }
    if let Some(state) = filter.state.filter(|state| *state != MessageState::Dropped) {
        and("state =", Value::Integer(state.number()));
    }
    if let Some(before) = filter.before {
        and("id <", Value::Integer(int(before.0)));
    }
    let limit = if filter.limit == 0 { PAGE } else { filter.limit };
    let order = if filter.newest_first { " DESC" } else { "" };
    sql.push_str(&format!(" ORDER BY message.id{order} LIMIT {limit}"));
    let mut statement = db.prepare(&sql)?;
    statement.query_map(params_from_iter(values), row)?.collect()
}

/// The outbox in numbers.
pub(super) fn counts(db: &Connection) -> Result<OutboxCounts> {
    let sql = "SELECT (SELECT count(*) FROM message WHERE state = 0), (SELECT count(*) FROM message WHERE state = 1), \
                      (SELECT count(*) FROM message WHERE state = 2), (SELECT min(queued) FROM message WHERE state = 0)";
    db.prepare_cached(sql)?.query_row((), |row| {
        let oldest = maybe_number(row, 3)?.and_then(|at| Timestamp::from_microsecond(at).ok());
        Ok(OutboxCounts { waiting: count(row, 0)?, late: count(row, 1)?, dead: count(row, 2)?, oldest })
    })
}

/// Each message that is left, how it stands, and since when it waits.
pub(super) fn states(db: &Connection) -> Result<Vec<(MessageId, MessageState, Timestamp)>> {
    let mut statement = db.prepare_cached("SELECT id, state, queued FROM message WHERE state < 3")?;
    let one = |row: &Row<'_>| {
        let state = match count(row, 1)? {
            0 => MessageState::Waiting,
            1 => MessageState::Late,
            _ => MessageState::Dead,
        };
        Ok((MessageId(count(row, 0)?), state, time(row, 2)?))
    };
    statement.query_map((), one)?.collect()
}

/// Sets messages waiting again, from now on. The answer is which of them there were.
pub(super) fn retry(db: &Connection, ids: &[MessageId], now: Timestamp) -> Result<Vec<MessageId>> {
    // One that waits keeps its age and its tries; one that was given up begins anew, or it would be given up again at once.
    let mut statement = db.prepare_cached(
        "UPDATE message SET attempts = iif(state = 0, attempts, 0), queued = iif(state = 0, queued, ?2),
            state = 0, not_before = 0, timeouts = 0, refusals = 0 WHERE id = ?1 AND state < 3",
    )?;
    let found = each(ids, |id| Ok(statement.execute(params![id, now.as_microsecond()])? > 0))?;
    for id in ids {
        drop_replaced(db, int(id.0))?;
    }
    Ok(found)
}

/// A first message of an incident that was given up, and set waiting again while another one waits that tells the incident as a first
/// message does, is told by that.
fn drop_replaced(db: &Connection, id: i64) -> Result<()> {
    let sql = "DELETE FROM message WHERE id = ?1 AND state = 0 AND part = 1 AND EXISTS (SELECT 1 FROM message AS later \
               WHERE later.channel = message.channel AND later.incident = message.incident AND later.id > message.id \
               AND later.state = 0 AND later.edit = 0 AND later.part = 1)";
    if db.prepare_cached(sql)?.execute([id])? > 0 {
        db.prepare_cached("DELETE FROM attachment WHERE message = ?1")?.execute([id])?;
    }
    Ok(())
}

/// Throws messages away. What is no message of a run leaves no trace; of any other it stays known that it was dropped. The answer
/// is which of them there were.
pub(super) fn discard(db: &Connection, ids: &[MessageId], dropped: &Dropped) -> Result<Vec<MessageId>> {
    // A name and a time can be written.
    let dropped = serde_json::to_string(dropped).unwrap_or_default();
    each(ids, |id| {
        db.prepare_cached("DELETE FROM attachment WHERE message = ?1")?.execute([id])?;
        let gone =
            db.prepare_cached("DELETE FROM message WHERE id = ?1 AND (job IS NULL OR edit = 1)")?.execute([id])?;
        let sql = "UPDATE message SET state = ?2, dropped = ?3 WHERE id = ?1 AND state < 3";
        let kept = db.prepare_cached(sql)?.execute(params![id, DROPPED_UNHEARD, dropped])?;
        Ok(gone + kept > 0)
    })
}

/// Whether somebody dropped something of which the daemon has not heard.
pub(super) fn any_dropped(db: &Connection) -> Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM message WHERE state = ?1)")?
        .query_row([DROPPED_UNHEARD], |row| row.get(0))
}

/// The dropped alerts of which the daemon has not heard, but for those that were told elsewhere and those beside which another
/// message of the incident waits for the same channel. It has heard of them from then on.
pub(super) fn take_dropped(db: &Connection) -> Result<Vec<Stored>> {
    let sql = format!(
        "SELECT {} FROM {TABLES} WHERE state = ?1 AND edit = 0 AND forwarded = 0 AND message.incident IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM message AS other WHERE other.channel = message.channel \
             AND other.incident = message.incident AND other.state < 2 AND other.edit = 0) ORDER BY message.id",
        columns()
    );
    let taken = db.prepare_cached(&sql)?.query_map([DROPPED_UNHEARD], row)?.collect::<Result<_>>()?;
    db.execute("UPDATE message SET state = ?2 WHERE state = ?1", [DROPPED_UNHEARD, DROPPED_HEARD])?;
    Ok(taken)
}

/// Who dropped a message of each incident last.
fn dropped(db: &Connection) -> Result<HashMap<u64, Dropped>> {
    let sql = format!(
        "SELECT incident, dropped FROM message WHERE {DROPPED} AND edit = 0 AND incident IS NOT NULL ORDER BY id"
    );
    let mut statement = db.prepare(&sql)?;
    let mut rows = statement.query(())?;
    let mut dropped = HashMap::new();
    while let Some(row) = rows.next()? {
        if let Some(by) = maybe_text(row, 1)?.and_then(|by| serde_json::from_str(&by).ok()) {
            dropped.insert(count(row, 0)?, by);
        }
    }
    Ok(dropped)
}

fn each(ids: &[MessageId], mut change: impl FnMut(i64) -> Result<bool>) -> Result<Vec<MessageId>> {
    let mut found = Vec::new();
    for id in ids {
        if change(int(id.0))? {
            found.push(*id);
        }
    }
    Ok(found)
}

/// Sends what waits for one channel to another; of one job, or of all. What belongs to an incident that was told there stays: it
/// ends where it was told.
pub(super) fn redirect(db: &Connection, job: Option<&JobName>, from: &Channel, to: &Channel) -> Result<usize> {
    let sql = "UPDATE message SET channel = ?2 WHERE channel = ?1 AND state < 2 AND (?3 IS NULL OR job = ?3) \
               AND NOT EXISTS (SELECT 1 FROM thread WHERE thread.incident = message.incident AND thread.channel = ?1)";
    db.execute(sql, params![from.as_str(), to.as_str(), job.map(JobName::as_str)])
}

/// Deletes dead letters, and what was dropped: those older than `before`, and the oldest beyond `most`. The answer is how many
/// dead letters were beyond.
pub(super) fn prune(db: &Connection, before: Timestamp, most: u32) -> Result<usize> {
    db.execute("DELETE FROM message WHERE state >= 2 AND queued < ?1", [before.as_microsecond()])?;
    let beyond = |which: &str| {
        let all = format!("SELECT id FROM message WHERE {which} ORDER BY id DESC LIMIT -1 OFFSET ?1");
        db.execute(&format!("DELETE FROM message WHERE id IN ({all})"), [most])
    };
    beyond(DROPPED)?;
    let beyond = beyond("state = 2")?;
    db.execute("DELETE FROM attachment WHERE message NOT IN (SELECT id FROM message)", ())?;
    db.execute("DELETE FROM thread WHERE at < ?1", [before.as_microsecond()])?;
    db.execute("DELETE FROM lane WHERE sent < ?1", [before.as_microsecond()])?;
    Ok(beyond)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema;

    #[test]
    fn what_else_waits_of_an_incident_is_found_without_looking_through_all_that_waits() {
        let db = schema::open_in_memory().expect("a database");
        for class in [Class::Alert, Class::Detail, Class::Edit, Class::Upload, Class::Late] {
            let sql = format!("EXPLAIN QUERY PLAN {}", heads_sql(class, false));
            let mut plan = db.prepare(&sql).expect("a statement");
            let steps = plan.query_map(params!["ops", 9, 0], |row| row.get(3)).expect("a plan");
            let steps: Vec<String> = steps.collect::<Result<_>>().expect("text");
            let of_others = steps.iter().filter(|step| step.contains("later") || step.contains("earlier"));
            let slow: Vec<_> = of_others
                .filter(|step| !step.contains("INDEX message_of_incident (incident=? AND channel=?"))
                .collect();
            assert!(slow.is_empty() && !steps.is_empty(), "{class:?}: {steps:#?}");
        }
    }
}
