//! \[db\] The SQL of the outbox: rows in, rows out, no decisions.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Result, Row, params, params_from_iter};

use super::runs::{PAGE, int, time, uint};
use super::types::{Class, Depth, Fate, MessageId, OutboxFilter, Standing, Stored, ThreadChange, Which};
use crate::exec::Status;
use crate::id::{Channel, JobName};
use crate::message::{Attachment, Message, Thread};
use crate::notify::Parent;

/// Puts a message in. Its attachment goes apart.
pub(super) fn insert(db: &Connection, stored: &Stored) -> Result<()> {
    let (id, message) = (int(stored.id.0), &stored.message);
    if let Some(attachment) = &message.attachment {
        let sql = "INSERT OR REPLACE INTO attachment VALUES (?1, ?2, ?3)";
        db.prepare_cached(sql)?.execute(params![id, attachment.name, attachment.content])?;
    }
    let body = body(message);
    let sql = "INSERT INTO message (id, channel, state, edit, queued, attempts, why, job, incident, body) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    db.prepare_cached(sql)?.execute(params![
        id,
        message.channel.as_str(),
        stored.standing.number(),
        message.thread == Thread::Edit,
        stored.queued.as_microsecond(),
        stored.attempts,
        stored.why,
        message.job.as_ref().map(JobName::as_str),
        message.incident.map(int),
        body,
    ])?;
    Ok(())
}

/// The message as JSON, without its attachment.
fn body(message: &Message) -> String {
    match message.attachment {
        None => serde_json::to_string(message),
        Some(_) => serde_json::to_string(&Message { attachment: None, ..message.clone() }),
    }
    .unwrap_or_default()
}

/// The next number that no message ever had.
pub(super) fn next_id(db: &Connection) -> Result<u64> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'message'";
    Ok(db.query_row(sql, (), |row| row.get(0)).optional()?.map_or(1, |last: i64| uint(last) + 1))
}

/// Writes what came of a message. The answer is whether it was there.
pub(super) fn settle(db: &Connection, id: MessageId, fate: &Fate) -> Result<bool> {
    let id = int(id.0);
    let rows = match fate {
        Fate::Delivered | Fate::Superseded => {
            db.prepare_cached("DELETE FROM attachment WHERE message = ?1")?.execute([id])?;
            db.prepare_cached("DELETE FROM message WHERE id = ?1")?.execute([id])?
        }
        // One that somebody set waiting again meanwhile stays so.
        Fate::Told => db.prepare_cached("UPDATE message SET state = 2 WHERE id = ?1 AND state = 1")?.execute([id])?,
        // Of a late one the reason why it is a dead letter stays.
        Fate::Retry { why } => {
            let sql = "UPDATE message SET attempts = attempts + 1, why = ?2 WHERE id = ?1 AND state = 0";
            db.prepare_cached(sql)?.execute(params![id, why])?
        }
        Fate::Dead { why } => {
            let sql = "UPDATE message SET state = 2, attempts = attempts + 1, why = ?2 WHERE id = ?1";
            db.prepare_cached(sql)?.execute(params![id, why])?
        }
    };
    Ok(rows > 0)
}

/// Which count a message is in; `None` for dead letters and for what is not there.
pub(super) fn class_of(db: &Connection, id: MessageId) -> Result<Option<(Channel, Class)>> {
    db.prepare_cached("SELECT channel, state, edit FROM message WHERE id = ?1 AND state < 2")?
        .query_row([int(id.0)], |row| {
            let class = match (row.get::<_, i64>(1)?, row.get::<_, bool>(2)?) {
                (0, false) => Class::Alert,
                (0, true) => Class::Edit,
                _ => Class::Late,
            };
            Ok((Channel::new(&row.get::<_, String>(0)?), class))
        })
        .optional()
}

/// Writes what becomes of a thread.
pub(super) fn put_thread(db: &Connection, channel: &Channel, change: &ThreadChange, at: Timestamp) -> Result<()> {
    match change {
        ThreadChange::Keep => {}
        ThreadChange::Set(incident, parent) => {
            let sql = "INSERT OR REPLACE INTO thread VALUES (?1, ?2, ?3, ?4, ?5)";
            let at = at.as_microsecond();
            db.prepare_cached(sql)?.execute(params![
                int(*incident),
                channel.as_str(),
                parent.channel,
                parent.ts,
                at
            ])?;
        }
        ThreadChange::Forget(incident) => {
            let sql = "DELETE FROM thread WHERE incident = ?1 AND channel = ?2";
            db.prepare_cached(sql)?.execute(params![int(*incident), channel.as_str()])?;
        }
    }
    Ok(())
}

/// Notes when a channel was last written to.
pub(super) fn put_sent(db: &Connection, channel: &Channel, at: Timestamp) -> Result<()> {
    let sql = "INSERT OR REPLACE INTO lane VALUES (?1, ?2)";
    db.prepare_cached(sql)?.execute(params![channel.as_str(), at.as_microsecond()])?;
    Ok(())
}

/// When each channel was last written to.
pub(super) fn sent(db: &Connection) -> Result<HashMap<Channel, Timestamp>> {
    let mut statement = db.prepare("SELECT channel, sent FROM lane")?;
    let rows = statement.query_map((), |row| Ok((Channel::new(&row.get::<_, String>(0)?), time(row.get(1)?))))?;
    rows.collect()
}

/// How much waits, by channel.
pub(super) fn depths(db: &Connection) -> Result<HashMap<Channel, Depth>> {
    let mut depths: HashMap<Channel, Depth> = HashMap::new();
    let sql = "SELECT channel, state, edit, count(*) FROM message WHERE state < 2 GROUP BY channel, state, edit";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let depth = depths.entry(Channel::new(&row.get::<_, String>(0)?)).or_default();
        let count = uint(row.get(3)?);
        match (row.get::<_, i64>(1)?, row.get::<_, bool>(2)?) {
            (0, false) => depth.alerts += count,
            (0, true) => depth.edits += count,
            _ => depth.late += count,
        }
    }
    Ok(depths)
}

const COLUMNS: &str = "message.id, state, queued, attempts, why, message.channel, body, thread.place, thread.ts, \
     edit AND EXISTS (SELECT 1 FROM message AS later WHERE later.channel = message.channel AND later.state = 0 \
                      AND later.edit = 1 AND later.id > message.id AND later.incident = message.incident)";
const TABLES: &str =
    "message LEFT JOIN thread ON thread.incident = message.incident AND thread.channel = message.channel";

/// The oldest messages of a channel, in their order.
pub(super) fn heads(db: &Connection, channel: &Channel, which: Which, limit: usize) -> Result<Vec<Stored>> {
    // Each branch walks the partial index; the planner would sort for a condition on two states or both kinds.
    let branch = |state: u8, edit: u8| {
        format!(
            "SELECT * FROM (SELECT {COLUMNS} FROM {TABLES} WHERE message.channel = ?1 AND state < 2 AND state = {state} \
             AND edit = {edit} ORDER BY message.id LIMIT ?2)"
        )
    };
    let sql = match which {
        Which::Late => branch(1, 0),
        Which::Alerts => branch(0, 0),
        Which::All => format!("{} UNION ALL {} ORDER BY 1 LIMIT ?2", branch(0, 0), branch(0, 1)),
    };
    let mut statement = db.prepare_cached(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    statement.query_map(params![channel.as_str(), limit], row)?.collect()
}

/// The file that goes with a message.
pub(super) fn attachment(db: &Connection, id: MessageId) -> Result<Option<Attachment>> {
    db.prepare_cached("SELECT name, content FROM attachment WHERE message = ?1")?
        .query_row([int(id.0)], |row| Ok(Attachment { name: row.get(0)?, content: row.get(1)? }))
        .optional()
}

fn row(row: &Row<'_>) -> Result<Stored> {
    let channel = Channel::new(&row.get::<_, String>(5)?);
    let place: Option<String> = row.get(7)?;
    let parent = place.zip(row.get(8)?).map(|(channel, ts)| Parent { channel, ts });
    Ok(Stored {
        id: MessageId(uint(row.get(0)?)),
        standing: Standing::from_number(row.get(1)?),
        queued: time(row.get(2)?),
        attempts: row.get(3)?,
        why: row.get(4)?,
        message: message(channel, &row.get::<_, String>(6)?),
        parent,
        superseded: row.get::<_, Option<bool>>(9)?.unwrap_or(false),
    })
}

/// The message of a row. The column says where it goes now; a body that cannot be read is still a message, which says so.
fn message(channel: Channel, body: &str) -> Message {
    match serde_json::from_str::<Message>(body) {
        Ok(message) => Message { channel, ..message },
        Err(error) => Message {
            job: None,
            run: None,
            event: None,
            status: Status::Unknown,
            channel,
            text: format!("a message of another slack-alert cannot be read: {error}"),
            blocks: Vec::new(),
            color: None,
            incident: None,
            thread: Thread::None,
            attachment: None,
            created: Timestamp::default(),
        },
    }
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
    db.prepare_cached(sql)?.query_row((), |row| Ok(row.get::<_, Option<i64>>(0)?.map(time)))
}

/// Whether there are dead letters.
pub(super) fn any_dead(db: &Connection) -> Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM message WHERE state = 2)")?.query_row((), |row| row.get(0))
}

/// Messages, oldest first.
pub(super) fn list(db: &Connection, filter: &OutboxFilter) -> Result<Vec<Stored>> {
    let mut sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE message.id > ?1");
    let mut values = vec![Value::Integer(int(filter.after.map_or(0, |id| id.0)))];
    if filter.dead {
        sql.push_str(" AND state > 0");
    }
    if let Some(channel) = &filter.channel {
        sql.push_str(" AND message.channel = ?2");
        values.push(Value::Text(channel.as_str().to_owned()));
    }
    let limit = if filter.limit == 0 { PAGE } else { filter.limit };
    sql.push_str(&format!(" ORDER BY message.id LIMIT {limit}"));
    let mut statement = db.prepare(&sql)?;
    statement.query_map(params_from_iter(values), row)?.collect()
}

/// Sets messages waiting again, from now on. The answer is which of them there were.
pub(super) fn retry(db: &Connection, ids: &[MessageId], now: Timestamp) -> Result<Vec<MessageId>> {
    let mut statement = db.prepare_cached("UPDATE message SET state = 0, attempts = 0, queued = ?2 WHERE id = ?1")?;
    each(ids, |id| Ok(statement.execute(params![id, now.as_microsecond()])? > 0))
}

/// Throws messages away. The answer is which of them there were.
pub(super) fn discard(db: &Connection, ids: &[MessageId]) -> Result<Vec<MessageId>> {
    each(ids, |id| {
        db.prepare_cached("DELETE FROM attachment WHERE message = ?1")?.execute([id])?;
        Ok(db.prepare_cached("DELETE FROM message WHERE id = ?1")?.execute([id])? > 0)
    })
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

/// Sends what waits for one channel to another; of one job, or of all.
pub(super) fn redirect(db: &Connection, job: Option<&JobName>, from: &Channel, to: &Channel) -> Result<usize> {
    let sql = "UPDATE message SET channel = ?2 WHERE channel = ?1 AND state < 2 AND (?3 IS NULL OR job = ?3)";
    db.execute(sql, params![from.as_str(), to.as_str(), job.map(JobName::as_str)])
}

/// Deletes dead letters: those older than `before`, and the oldest beyond `most`. The answer is how many were beyond.
pub(super) fn prune(db: &Connection, before: Timestamp, most: u32) -> Result<usize> {
    let dead = "SELECT id FROM message WHERE state = 2";
    db.execute(&format!("DELETE FROM message WHERE id IN ({dead} AND queued < ?1)"), [before.as_microsecond()])?;
    let beyond = format!("DELETE FROM message WHERE id IN ({dead} ORDER BY id DESC LIMIT -1 OFFSET ?1)");
    let beyond = db.execute(&beyond, [most])?;
    db.execute("DELETE FROM attachment WHERE message NOT IN (SELECT id FROM message)", ())?;
    db.execute("DELETE FROM thread WHERE at < ?1", [before.as_microsecond()])?;
    db.execute("DELETE FROM lane WHERE sent < ?1", [before.as_microsecond()])?;
    Ok(beyond)
}
