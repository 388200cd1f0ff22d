//! What a write-ahead log holds, read without SQLite: that one takes the first frame that is damaged for the end of the log,
//! and says nothing of those behind it. Pure.
//!
//! Before it: the bytes of `state.db-wal`. After it: whether frames are left behind, and the pages of all of them.

use std::collections::BTreeMap;

const HEADER: usize = 32;

const FRAME_HEADER: usize = 24;

/// A log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    /// Frames of this log stand behind one that is damaged.
    pub(super) broken: bool,
    /// The last of each page, by number from 1 on, up to the last commit.
    pub(super) pages: BTreeMap<u32, Vec<u8>>,
}

/// Reads a log.
pub(super) fn read(bytes: &[u8]) -> Log {
    let mut log = Log::default();
    let Some(header) = bytes.get(..HEADER) else { return log };
    let size = number(&header[8..]) as usize;
    let little = match number(header) {
        0x377f_0682 => true,
        0x377f_0683 => false,
        _ => return log,
    };
    if !size.is_power_of_two() || !(512..=65_536).contains(&size) {
        return log;
    }
    let salt = &header[16..24];
    let mut sum = checksum(little, (0, 0), &header[..24]);
    let mut sound = sum == (number(&header[24..]), number(&header[28..]));
    let mut since_commit = BTreeMap::new();
    for frame in bytes[HEADER..].chunks_exact(FRAME_HEADER + size) {
        let (head, page) = frame.split_at(FRAME_HEADER);
        // Another salt is what an earlier log left behind.
        if head[8..16] != *salt {
            sound = false;
            continue;
        }
        sum = checksum(little, checksum(little, sum, &head[..8]), page);
        let here = sum == (number(&head[16..]), number(&head[20..]));
        log.broken |= !sound;
        sound &= here;
        let pgno = number(head);
        if (1..=1 << 20).contains(&pgno) {
            since_commit.insert(pgno, page.to_vec());
        }
        if number(&head[4..]) > 0 {
            log.pages.append(&mut since_commit);
        }
    }
    log
}

fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

fn checksum(little: bool, (mut one, mut two): (u32, u32), bytes: &[u8]) -> (u32, u32) {
    let word = |bytes: &[u8]| {
        let word = bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        if little { word.swap_bytes() } else { word }
    };
    for pair in bytes.chunks_exact(8) {
        one = one.wrapping_add(word(pair)).wrapping_add(two);
        two = two.wrapping_add(word(&pair[4..])).wrapping_add(one);
    }
    (one, two)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::{FRAME_HEADER, HEADER, read};

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test has a database of its own")]
    fn a_damaged_frame_leaves_those_behind_it_readable_and_a_torn_end_is_no_damage() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let path = dir.path().join("db");
        let db = Connection::open(&path).expect("a database");
        db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).expect("it is a database");
        db.execute_batch("CREATE TABLE t (x)").expect("it is SQL");
        for n in 0..20 {
            db.execute("INSERT INTO t VALUES (?1)", ["x".repeat(n * 200)]).expect("it is SQL");
        }
        let whole = std::fs::read(dir.path().join("db-wal")).expect("it is there");
        let log = read(&whole);
        assert!(!log.broken && log.pages.len() > 5, "{:?}", log.pages.keys());
        let frame = FRAME_HEADER + 4096;
        let frames = (whole.len() - HEADER) / frame;
        for damaged in 0..frames {
            let mut bytes = whole.clone();
            bytes[HEADER + damaged * frame + FRAME_HEADER + 9] ^= 4;
            let log = read(&bytes);
            assert_eq!(log.broken, damaged + 1 < frames, "frame {damaged} of {frames}");
        }
        for length in [0, 10, HEADER, HEADER + 100, whole.len() - 1, whole.len() - frame] {
            assert!(!read(&whole[..length]).broken, "{length} of {}", whole.len());
        }
    }
}
