//! Reading a column whatever stands in it: a damaged file may hold another type, text that is no UTF-8, or a number out of
//! range, and one such value must not hide the rest of its row.
//!
//! Before it: a row of SQLite. After it: values that are always there, as near to what was written as can be.

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlResult, ValueRef};
use rusqlite::{Result, Row};

/// The greatest number that the program gives out itself; a greater one is damage. Exact in JSON, too.
pub(super) const MOST: i64 = 1 << 53;

struct Text(String);

struct Number(i64);

struct Bytes(Vec<u8>);

impl FromSql for Text {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(match value {
            ValueRef::Null => String::new(),
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Real(number) => number.to_string(),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        }))
    }
}

impl FromSql for Number {
    #[expect(clippy::cast_possible_truncation, reason = "a float in the place of a number is damage; `as` saturates")]
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(match value {
            ValueRef::Null => 0,
            ValueRef::Integer(number) => number,
            ValueRef::Real(number) => number as i64,
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                std::str::from_utf8(bytes).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
            }
        }))
    }
}

impl FromSql for Bytes {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(match value {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_vec(),
            other => Text::column_result(other)?.0.into_bytes(),
        }))
    }
}

/// Text; what is no UTF-8 in it is replaced by U+FFFD.
pub(super) fn text(row: &Row<'_>, at: usize) -> Result<String> {
    Ok(row.get::<_, Text>(at)?.0)
}

/// Text, where there is any.
pub(super) fn maybe_text(row: &Row<'_>, at: usize) -> Result<Option<String>> {
    Ok(row.get::<_, Option<Text>>(at)?.map(|text| text.0))
}

/// A number; 0 where none can be read.
pub(super) fn number(row: &Row<'_>, at: usize) -> Result<i64> {
    Ok(row.get::<_, Number>(at)?.0)
}

/// A number, where there is one.
pub(super) fn maybe_number(row: &Row<'_>, at: usize) -> Result<Option<i64>> {
    Ok(row.get::<_, Option<Number>>(at)?.map(|number| number.0))
}

/// A number that counts up from nothing; 0 for a negative one.
pub(super) fn count(row: &Row<'_>, at: usize) -> Result<u64> {
    Ok(u64::try_from(number(row, at)?).unwrap_or(0))
}

/// A time; the epoch for one that no calendar has.
pub(super) fn time(row: &Row<'_>, at: usize) -> Result<Timestamp> {
    Ok(Timestamp::from_microsecond(number(row, at)?).unwrap_or_default())
}

/// Bytes; none for NULL.
pub(super) fn bytes(row: &Row<'_>, at: usize) -> Result<Vec<u8>> {
    Ok(row.get::<_, Option<Bytes>>(at)?.map(|bytes| bytes.0).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rusqlite::Connection;

    use super::{bytes, count, maybe_number, maybe_text, number, text, time};

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test has a database of its own")]
    fn every_reader_takes_every_value() {
        let db = Connection::open_in_memory().expect("memory is there");
        for (sql, as_text, as_number) in [
            ("NULL", "", 0),
            ("-5", "-5", -5),
            ("9223372036854775807", "9223372036854775807", i64::MAX),
            ("1.5", "1.5", 1),
            (
                "1e300",
                "1000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
                i64::MAX,
            ),
            ("'12'", "12", 12),
            ("'words'", "words", 0),
            ("CAST(x'7bff7d' AS TEXT)", "{\u{fffd}}", 0),
            ("x'7bff7d'", "{\u{fffd}}", 0),
            ("CAST(x'6100ff62' AS TEXT)", "a\0\u{fffd}b", 0),
            ("x''", "", 0),
        ] {
            db.query_row(&format!("SELECT {sql}"), (), |row| {
                assert_eq!((text(row, 0)?, number(row, 0)?), (as_text.to_owned(), as_number), "{sql}");
                assert_eq!(count(row, 0)?, u64::try_from(as_number).unwrap_or(0), "{sql}");
                let expected = Timestamp::from_microsecond(as_number).unwrap_or_default();
                assert_eq!(time(row, 0)?, expected, "{sql}");
                let null = sql == "NULL";
                assert_eq!((maybe_text(row, 0)?.is_none(), maybe_number(row, 0)?.is_none()), (null, null), "{sql}");
                assert_eq!(bytes(row, 0)?.is_empty(), as_text.is_empty(), "{sql}");
                Ok(())
            })
            .expect("nothing is refused");
        }
    }
}
