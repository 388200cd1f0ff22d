//! \[db\] The SQL of holds: rows in, rows out, no decisions.

use rusqlite::{Connection, Result, Row, named_params};

use super::columns::{count, maybe_number, maybe_text, number, text, time};
use super::runs::{int, uint};
use crate::policy::{By, Hold, HoldKind, Pattern, Via};

/// All holds, in the place of those that were there: they are few.
pub(super) fn put(db: &Connection, holds: &[Hold]) -> Result<()> {
    db.prepare_cached("DELETE FROM hold")?.execute(())?;
    let sql = "INSERT INTO hold (id, kind, pattern, since, until, until_ok, by_uid, by_name, via, note, incident, failed, told) \
               VALUES (:id, :kind, :pattern, :since, :until, :until_ok, :by_uid, :by_name, :via, :note, :incident, :failed, \
               :told)";
    let mut insert = db.prepare_cached(sql)?;
    for hold in holds {
        insert.execute(named_params! {
            ":id": int(hold.id),
            ":kind": hold.kind.as_str(),
            ":pattern": hold.pattern.as_str(),
            ":since": hold.since.as_microsecond(),
            ":until": hold.until.as_microsecond(),
            ":until_ok": hold.until_ok,
            ":by_uid": hold.by.uid,
            ":by_name": hold.by.name,
            ":via": hold.via.as_str(),
            ":note": hold.note,
            ":incident": hold.incident.map(int),
            ":failed": hold.failed,
            ":told": hold.told,
        })?;
    }
    Ok(())
}

/// All holds, the oldest first. One of a kind that this version does not know is left out.
pub(super) fn all(db: &Connection) -> Result<Vec<Hold>> {
    let sql = "SELECT id, kind, pattern, since, until, until_ok, by_uid, by_name, via, note, incident, failed, told \
               FROM hold ORDER BY id";
    let mut statement = db.prepare(sql)?;
    let holds: Vec<Option<Hold>> = statement.query_map((), hold)?.collect::<Result<_>>()?;
    Ok(holds.into_iter().flatten().collect())
}

fn hold(row: &Row<'_>) -> Result<Option<Hold>> {
    let (kind, via) = (text(row, 1)?, text(row, 8)?);
    let Some(kind) = HoldKind::ALL.iter().copied().find(|known| known.as_str() == kind) else { return Ok(None) };
    Ok(Some(Hold {
        id: count(row, 0)?,
        kind,
        pattern: Pattern::new(&text(row, 2)?),
        since: time(row, 3)?,
        until: time(row, 4)?,
        until_ok: number(row, 5)? != 0,
        by: By { uid: maybe_number(row, 6)?.and_then(|uid| u32::try_from(uid).ok()), name: text(row, 7)? },
        via: if via == Via::Page.as_str() { Via::Page } else { Via::Socket },
        note: maybe_text(row, 9)?,
        incident: maybe_number(row, 10)?.map(uint),
        failed: number(row, 11)? != 0,
        told: number(row, 12)? != 0,
    }))
}
