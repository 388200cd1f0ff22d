//! Records read from the pages of a database one by one, without the trees that lead to them: where a page that leads to
//! others is damaged, SQLite finds nothing below it. Pure.
//!
//! Before it: the pages of a damaged database, its log written into them. After it: every record on a page that is in use,
//! without the name of its table: whoever reads them knows a table by the number and the types of its columns.
//!
//! The format is that of <https://sqlite.org/fileformat2.html>. Every length and number of a page may be damage: what points
//! out of the page or the file is left out, and no chain is longer than what it holds.

use std::collections::HashSet;

use rusqlite::types::Value;

const TABLE_LEAF: u8 = 0x0d;
const INDEX_LEAF: u8 = 0x0a;
const INDEX_INTERIOR: u8 = 0x02;

/// What a pointer map says of a page that is in no use.
const FREE: u8 = 2;

/// A file of pages, numbered from 1 on.
pub(super) trait Pages {
    /// The size of a page.
    fn size(&self) -> usize;
    /// How many there are.
    fn count(&self) -> u32;
    /// One of them, of the full size; `None` where it cannot be read.
    fn page(&mut self, number: u32) -> Option<Vec<u8>>;
}

/// A record.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    /// The number of the row; entries of an index, and rows of a table that is kept as one, have none.
    pub(super) rowid: Option<i64>,
    /// How many columns it has.
    pub(super) columns: usize,
    /// Their values, up to the first one whose page cannot be read.
    pub(super) values: Vec<Value>,
}

impl Found {
    /// Whether every value could be read.
    pub(super) fn is_whole(&self) -> bool {
        self.values.len() == self.columns
    }
}

/// Pages that are in no use. What stands on them was deleted.
#[derive(Debug, Default)]
pub(super) struct Free {
    pages: HashSet<u32>,
    /// Whether all of them are known.
    pub(super) sure: bool,
}

/// Finds the pages that are in no use: by the pointer maps, and where one of those is damaged by the list of free pages.
pub(super) fn free(pages: &mut impl Pages) -> Free {
    let header = pages.page(1).filter(|page| page.starts_with(b"SQLite format 3\0"));
    let mut free = Free { pages: HashSet::new(), sure: true };
    // A database that does not give pages back has no maps.
    if header.as_ref().is_none_or(|header| number(header, 52) != Some(0)) {
        for map in (2..=pages.count()).step_by(pages.size() / 5 + 1) {
            match pages.page(map).and_then(|page| mapped_free(&page, map, pages.count())) {
                Some(found) => free.pages.extend(found.into_iter().chain([map])),
                None => free.sure = false,
            }
        }
    } else {
        free.sure = false;
    }
    if !free.sure {
        free.sure = header.is_some_and(|header| listed_free(pages, &header, &mut free.pages));
    }
    free
}

/// The free pages of a pointer map; `None` where it is none.
fn mapped_free(map: &[u8], at: u32, count: u32) -> Option<Vec<u32>> {
    let mut free = Vec::new();
    for (page, entry) in (at + 1..=count).zip(map.chunks_exact(5)) {
        match entry[0] {
            FREE => free.push(page),
            1..=5 => {}
            _ => return None,
        }
    }
    Some(free)
}

/// Follows the list of free pages. Whether it is as long as it should be.
fn listed_free(pages: &mut impl Pages, header: &[u8], free: &mut HashSet<u32>) -> bool {
    let (mut trunk, count) = (number(header, 32).unwrap_or(0), number(header, 36).unwrap_or(0));
    let mut seen = HashSet::new();
    while trunk != 0 && seen.insert(trunk) {
        let Some(page) = pages.page(trunk) else { break };
        let leaves = number(&page, 4).unwrap_or(0) as usize;
        let listed: Vec<u32> = (0..leaves).map_while(|leaf| number(&page, 8 + 4 * leaf)).collect();
        if listed.len() != leaves || listed.iter().any(|leaf| !(2..=pages.count()).contains(leaf)) {
            break;
        }
        seen.extend(listed);
        trunk = number(&page, 0).unwrap_or(0);
    }
    free.extend(&seen);
    trunk == 0 && seen.len() == count as usize
}

/// Reads every record that stands on a page in use.
pub(super) fn read(pages: &mut impl Pages, free: &Free, mut each: impl FnMut(Found)) {
    for number in 2..=pages.count() {
        if free.pages.contains(&number) {
            continue;
        }
        let Some(page) = pages.page(number) else { continue };
        let (first, prefix) = match page.first() {
            Some(&TABLE_LEAF | &INDEX_LEAF) => (8, 0),
            Some(&INDEX_INTERIOR) => (12, 4),
            _ => continue,
        };
        let table = page[0] == TABLE_LEAF;
        let cells = usize::from(u16::from_be_bytes([page[3], page[4]]));
        for pointer in page[first..].chunks_exact(2).take(cells) {
            let at = usize::from(u16::from_be_bytes([pointer[0], pointer[1]]));
            if at >= first
                && let Some(cell) = page.get(at + prefix..)
                && let Some(found) = record(pages, cell, table)
            {
                each(found);
            }
        }
    }
}

/// Reads the record of a cell.
fn record(pages: &mut impl Pages, cell: &[u8], table: bool) -> Option<Found> {
    let (length, mut rest) = varint(cell)?;
    let mut rowid = None;
    if table {
        let (number, behind) = varint(rest)?;
        (rowid, rest) = (Some(number.cast_signed()), behind);
    }
    let length = usize::try_from(length).ok().filter(|length| *length / pages.size() <= pages.count() as usize)?;
    let payload = payload(pages, rest, length, table)?;
    let (mut head, mut body) = {
        let (size, behind) = varint(&payload)?;
        let size = usize::try_from(size).ok()?;
        (payload.get(payload.len() - behind.len()..size)?, payload.get(size..)?)
    };
    let mut found = Found { rowid, ..Found::default() };
    let mut readable = true;
    while !head.is_empty() {
        let (kind, behind) = varint(head)?;
        head = behind;
        found.columns += 1;
        let value = value(kind, &mut body)?;
        readable &= value.is_some();
        found.values.extend(value.filter(|_| readable));
    }
    Some(found)
}

/// What a cell holds, as far as it can be read.
fn payload(pages: &mut impl Pages, cell: &[u8], length: usize, table: bool) -> Option<Vec<u8>> {
    let usable = pages.size();
    let least = (usable - 12) * 32 / 255 - 23;
    let most = if table { usable - 35 } else { (usable - 12) * 64 / 255 - 23 };
    if length <= most {
        return cell.get(..length).map(<[u8]>::to_vec);
    }
    let here = Some(least + (length - least) % (usable - 4)).filter(|here| *here <= most).unwrap_or(least);
    let mut payload = cell.get(..here)?.to_vec();
    let mut next = number(cell, here)?;
    while payload.len() < length {
        let Some(page) = (2..=pages.count()).contains(&next).then(|| pages.page(next)).flatten() else { break };
        let more = (length - payload.len()).min(usable - 4);
        payload.extend_from_slice(page.get(4..4 + more)?);
        next = number(&page, 0)?;
    }
    Some(payload)
}

/// A value of a kind, taken from what is left; `Some(None)` where that is too short, `None` where there is no such kind.
fn value(kind: u64, body: &mut &[u8]) -> Option<Option<Value>> {
    let mut take = |length: u64| {
        let (taken, rest) = body.split_at_checked(usize::try_from(length).ok()?)?;
        *body = rest;
        Some(taken)
    };
    // Big-endian, and as short as it can be.
    let integer = |bytes: &[u8]| {
        let negative = bytes.first().is_some_and(|first| *first >= 0x80);
        let start = if negative { -1 } else { 0 };
        Value::Integer(bytes.iter().fold(start, |number, byte| number << 8 | i64::from(*byte)))
    };
    Some(match kind {
        0 => Some(Value::Null),
        1..=4 => take(kind).map(integer),
        5 => take(6).map(integer),
        6 => take(8).map(integer),
        7 => take(8).and_then(|bytes| Some(Value::Real(f64::from_be_bytes(*bytes.first_chunk()?)))),
        8 | 9 => Some(Value::Integer(i64::from(kind == 9))),
        10 | 11 => return None,
        _ if kind.is_multiple_of(2) => take((kind - 12) / 2).map(|bytes| Value::Blob(bytes.to_vec())),
        _ => take((kind - 13) / 2).map(|bytes| Value::Text(String::from_utf8_lossy(bytes).into_owned())),
    })
}

/// A number of one to nine bytes, and what stands behind it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        if at == 8 {
            return Some((number << 8 | u64::from(*byte), &bytes[9..]));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[at + 1..]));
        }
    }
    None
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::Connection;
    use rusqlite::types::Value;

    use super::{Found, Pages, free, read};

    struct Bytes(Vec<u8>);

    impl Pages for Bytes {
        fn size(&self) -> usize {
            4096
        }

        fn count(&self) -> u32 {
            u32::try_from(self.0.len() / 4096).expect("a small file")
        }

        fn page(&mut self, number: u32) -> Option<Vec<u8>> {
            self.0.chunks_exact(4096).nth(number as usize - 1).map(<[u8]>::to_vec)
        }
    }

    const TEXT: &str = "0123456789abcdefghij";

    /// Rows of every kind of value, some of them longer than a page; a few hundred others were there and are gone.
    #[expect(clippy::disallowed_methods, reason = "a test has a database of its own")]
    fn file(auto_vacuum: &str) -> Bytes {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let path = dir.path().join("db");
        let db = Connection::open(&path).expect("a database");
        db.pragma_update(None, "auto_vacuum", auto_vacuum).expect("it is SQL");
        db.execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, number INTEGER, text TEXT, real REAL, blob BLOB);
             CREATE TABLE u (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;",
        )
        .expect("it is SQL");
        for n in 0..600_i64 {
            let number = (n % 3 > 0).then(|| (n - 300).wrapping_mul(1 << (n % 63)));
            let long = if n % 50 == 0 { 700 } else { n % 9 };
            let text = TEXT.repeat(usize::try_from(long).expect("small"));
            let row = (n - 20, number, &text, 1.5, text.as_bytes());
            db.execute("INSERT INTO t VALUES (?1, ?2, ?3, ?4, ?5)", row).expect("it is SQL");
            db.execute("INSERT INTO u VALUES (?1, ?2)", (format!("key-{n}"), &text)).expect("it is SQL");
        }
        db.execute_batch("DELETE FROM t WHERE id > 290; DELETE FROM u WHERE key > 'key-4'").expect("it is SQL");
        db.close().expect("it is written");
        Bytes(std::fs::read(&path).expect("it is there"))
    }

    fn rows(pages: &mut Bytes, columns: usize) -> Vec<Found> {
        let free = free(pages);
        assert!(free.sure);
        let mut rows = Vec::new();
        read(pages, &free, |found| rows.extend((found.columns == columns).then_some(found)));
        rows.sort_by_key(|found| (found.rowid, format!("{:?}", found.values.first())));
        rows
    }

    fn number(n: i64) -> Value {
        match n % 3 {
            0 => Value::Null,
            _ => Value::Integer((n - 300).wrapping_mul(1 << (n % 63))),
        }
    }

    #[test]
    fn every_row_that_was_not_deleted_is_found_as_it_was_written() {
        for auto_vacuum in ["INCREMENTAL", "NONE"] {
            let mut pages = file(auto_vacuum);
            let rows = rows(&mut pages, 5);
            assert_eq!(rows.len(), 311, "{auto_vacuum}");
            for (n, row) in (0..).zip(rows) {
                let long = if n % 50 == 0 { 700 } else { n % 9 };
                let text = TEXT.repeat(usize::try_from(long).expect("small"));
                let blob = Value::Blob(text.clone().into_bytes());
                let values = vec![Value::Null, number(n), Value::Text(text), Value::Real(1.5), blob];
                assert_eq!(row, Found { rowid: Some(n - 20), columns: 5, values }, "{auto_vacuum} {n}");
            }
            let keyed = self::rows(&mut pages, 2);
            assert_eq!(keyed.len(), 335, "{auto_vacuum}");
        }
    }

    #[test]
    fn of_a_row_whose_last_page_is_damaged_the_first_values_are_found() {
        let mut pages = file("INCREMENTAL");
        let (count, unused) = (pages.count(), free(&mut pages).pages);
        // Every page that only continues a row becomes one that cannot be read.
        for number in (3..=count).filter(|number| !unused.contains(number)) {
            let page = &mut pages.0[(number as usize - 1) * 4096..][..4096];
            if !matches!(page[0], 0x0d | 0x0a | 0x02 | 0x05) {
                page[..4].fill(0xff);
            }
        }
        let rows = rows(&mut pages, 5);
        assert_eq!(rows.len(), 311);
        let cut: Vec<_> = rows.iter().filter(|row| !row.is_whole()).collect();
        assert_eq!(cut.len(), 7, "{cut:?}");
        assert!(cut.iter().all(|row| row.values.len() == 2), "{cut:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn any_bytes_are_read_without_a_panic(
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..400),
            length in any::<prop::sample::Index>(),
        ) {
            static FILE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| file("INCREMENTAL").0);
            let mut bytes = FILE.clone();
            for (at, byte) in damage {
                // The heads of pages, where lengths and numbers stand, as often as the rest.
                let at = at.index(bytes.len());
                let at = if byte % 2 == 0 { at } else { at / 4096 * 4096 + at % 64 };
                bytes[at] = byte;
            }
            bytes.truncate(length.index(bytes.len() + 1));
            let mut pages = Bytes(bytes);
            let free = free(&mut pages);
            read(&mut pages, &free, drop);
        }
    }
}
