//! The store's part of `[limits]`.

use std::time::Duration;

use crate::document::{Key, Kind, Table, default_of};

/// The keys of `[limits]` that the store takes.
pub const LIMIT_KEYS: &[Key] = &[Key {
    name: "history",
    kind: Kind::Duration,
    default: "\"30d\"",
    about: "How long runs are kept in the history, with the ends of their output. The database is also held below 256 MiB: beyond that the oldest runs go first.",
}];

/// Reads `history`.
pub fn read_history(table: &mut Table<'_>) -> Duration {
    table.duration("history").unwrap_or_else(|| default_of(LIMIT_KEYS, "history").duration())
}
