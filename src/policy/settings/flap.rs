//! `flap` and `intermittent`: jobs that fail now and then.

use std::time::Duration;

use super::count;
use crate::diagnostic::Code;
use crate::document::{Key, Kind, Table};

/// `flap.changes` can be no more: that many times are remembered.
pub(in crate::policy) const MOST_CHANGES: u32 = 20;

/// `intermittent.incidents` can be no more: that many times are remembered.
pub(in crate::policy) const MOST_INCIDENTS: u32 = 20;

/// Keys of `notify.flap`.
pub(super) const FLAP: &[Key] = &[
    Key {
        name: "changes",
        kind: Kind::Integer(0, MOST_CHANGES as i64),
        default: "6",
        about: "This many changes between ok and not ok are flapping; 0 turns it off.",
    },
    Key {
        name: "within",
        kind: Kind::Duration,
        default: "\"30m\"",
        about: "The time in which they fall; and how long the status must then stay the same to count as steady.",
    },
];

/// Keys of `notify.intermittent`.
pub(super) const INTERMITTENT: &[Key] = &[
    Key {
        name: "incidents",
        kind: Kind::Integer(0, MOST_INCIDENTS as i64),
        default: "3",
        about: "This many reported incidents make a job one that fails intermittently; 0 turns it off.",
    },
    Key {
        name: "within",
        kind: Kind::Duration,
        default: "\"24h\"",
        about: "The time in which they fall; and how long the job must then not fail for its conversation to end.",
    },
];

/// When changes between ok and not ok are flapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flap {
    /// So many changes; from 2 to 20.
    pub changes: u32,
    /// Within this time; and steady is what does not change for as long.
    pub within: Duration,
}

/// When incidents are one conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intermittent {
    /// From so many reported incidents on; from 2 to 20.
    pub incidents: u32,
    /// Within this time; the conversation ends when the job did not fail for as long.
    pub within: Duration,
}

/// Reads `flap`.
pub(super) fn flap(table: &mut Table<'_>, default: Option<Flap>) -> Option<Flap> {
    let default = default.map(|flap| (flap.changes, flap.within));
    let read = limits(table, "flap", "changes", MOST_CHANGES, default, "one change is no flapping");
    read.map(|(changes, within)| Flap { changes, within })
}

/// Reads `intermittent`.
pub(super) fn intermittent(table: &mut Table<'_>, default: Option<Intermittent>) -> Option<Intermittent> {
    let default = default.map(|known| (known.incidents, known.within));
    let read = limits(table, "intermittent", "incidents", MOST_INCIDENTS, default, "one incident is not intermittent");
    read.map(|(incidents, within)| Intermittent { incidents, within })
}

/// How many of something within which time; `None` when it is off: `false`, or none of them.
fn limits(
    table: &mut Table<'_>,
    key: &'static str,
    many: &'static str,
    most: u32,
    default: Option<(u32, Duration)>,
    one: &str,
) -> Option<(u32, Duration)> {
    let written = table.value(key);
    if written.as_ref().and_then(crate::document::Value::as_flag) == Some(false) {
        return None;
    }
    if let Some(value) = written.filter(|value| !value.is_table()) {
        return value.wrong_type("a table, or `false`");
    }
    let mut table = table.table_or_empty(key);
    let number = count(table.integer(many, 0..=i64::from(most)));
    let within = table.duration("within");
    if number == Some(1)
        && let Some(value) = table.value(many)
    {
        let help = "write 2 or more, or 0 to turn it off";
        let _: Option<()> = value.refuse(Code::InvalidValue, one, help);
    }
    if within.is_some_and(|within| within.is_zero())
        && let Some(value) = table.value("within")
    {
        let help = format!("write a length of time such as `30m`; `{many} = 0` turns it off");
        let _: Option<()> = value.refuse(Code::InvalidDuration, "nothing happens within no time", help);
    }
    table.finish();
    let number = number.or(default.map(|(number, _)| number))?;
    let within = within.or(default.map(|(_, within)| within))?;
    (number >= 2 && !within.is_zero()).then_some((number, within))
}
