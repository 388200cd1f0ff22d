//! Whether two outputs say the same: what changes from run to run (numbers, times, hex, UUIDs) is taken out before they
//! are compared. Pure text in, pure text out.
//!
//! Before it: cleaned output. After it: `judge`, which compares [`fingerprint`]s of failures and [`digest`]s of good
//! output. Invariants: linear in the text; the hash is FNV-1a, since it is kept on disk and
//! std's may change; a collision costs one message.

use std::borrow::Cow;
use std::hash::Hasher;

use fnv::FnvHasher;

use super::Facts;
use crate::exec::Ending;

/// What a number, a time, a hex string or a UUID becomes.
const BLANK: char = '#';

/// So many lines at either end of a failure's output tell it from others: what a failing job floods its output with is not
/// read in full after each run. Each line is read to its end, where the cause mostly stands.
const ENDS: usize = 100;

/// Names of days and months, whole or cut to three letters, change with the calendar and not with the failure.
const CALENDAR: [&str; 19] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// What a failure looks like, as a number: the way it ended and what it wrote. Two failures with the same fingerprint are
/// the same failure. Where the run was cut off (timeout, stop) the output depends on the instant, and is left out.
pub(super) fn fingerprint(facts: &Facts<'_>, normalize: bool) -> u64 {
    let hash = Hash::default().bytes(facts.reason.as_str().as_bytes());
    let hash = match facts.ending {
        Ending::Exited { code } => hash.bytes(&code.to_le_bytes()),
        Ending::Signaled { signal } => hash.bytes(&signal.to_le_bytes()),
        Ending::NotStarted { error } => hash.text(error, normalize),
        Ending::Reported { ok } => hash.bytes(&[u8::from(*ok)]),
        // One that began and did not end is another failure than one that did not come.
        Ending::Unfinished { .. } => return hash.bytes(b"unfinished").0.finish(),
        Ending::TimedOut { .. }
        | Ending::Interrupted
        | Ending::CutOff { .. }
        | Ending::Lost { .. }
        | Ending::Missing { .. } => return hash.0.finish(),
    };
    hash.ends(facts.output, normalize).0.finish()
}

/// A text as a number, for telling whether output changed.
pub(super) fn digest(text: &str, normalize: bool) -> u64 {
    Hash::default().text(text, normalize).0.finish()
}

/// The hash under construction.
#[derive(Default)]
struct Hash(FnvHasher);

impl Hash {
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.write(bytes);
        self
    }

    /// The beginning and the end of a text.
    fn ends(mut self, text: &str, normalize: bool) -> Self {
        let mut lines = text.trim_end().lines();
        let first = lines.by_ref().take(ENDS).collect::<Vec<_>>();
        let last = lines.rev().take(ENDS);
        for line in first.into_iter().chain(last) {
            let line = if normalize { Cow::Owned(normal(line)) } else { Cow::Borrowed(line) };
            self = self.bytes(line.as_bytes()).bytes(b"\n");
        }
        self
    }

    fn text(mut self, text: &str, normalize: bool) -> Self {
        if !normalize {
            // The end of the last line is no part of what it says; blanks are.
            return self.bytes(text.trim_end_matches(['\n', '\r']).as_bytes());
        }
        for line in text.trim_end().lines() {
            self = self.bytes(normal(line).as_bytes()).bytes(b"\n");
        }
        self
    }
}

/// A line without what changes from run to run: every number, time, hex string and UUID is one `#`, and runs of blanks
/// (columns shift when a number grows) are one blank.
pub fn normal(line: &str) -> String {
    let mut text = normal_up_to(line, usize::MAX).0;
    text.truncate(text.trim_end().len());
    text
}

/// Where in a line stands what is at this byte of its normal form.
pub(super) fn place(line: &str, at: usize) -> usize {
    normal_up_to(line, at).1
}

/// The normal form until it is longer than `most`, and where in the line stands what made it so.
fn normal_up_to(line: &str, most: usize) -> (String, usize) {
    let mut out = Normal { text: String::with_capacity(line.len()) };
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let (begin, before) = (line.len() - rest.len(), out.text.len());
        let taken = match first {
            _ if first.is_ascii_alphanumeric() => {
                let length = uuid(rest).unwrap_or_else(|| word_length(rest));
                out.word(&rest[..length]);
                length
            }
            _ if first.is_whitespace() => {
                out.blank();
                first.len_utf8()
            }
            // A sign belongs to its number, unless it joins two words (`2026-11-23`, `web-1`).
            '-' | '+' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) && out.at_start_of_word() => 1,
            _ => {
                out.text.push(first);
                first.len_utf8()
            }
        };
        if out.text.len() > most {
            // A word that stays as it is may be a long one.
            let within = if out.text.get(before..) == Some(&rest[..taken]) { most - before } else { 0 };
            return (out.text, begin + within);
        }
        rest = &rest[taken..];
    }
    (out.text, line.len())
}

/// A normalised line being written.
struct Normal {
    text: String,
}

impl Normal {
    fn at_start_of_word(&self) -> bool {
        !self.text.ends_with(|c: char| c.is_alphanumeric() || matches!(c, BLANK | ')' | '_'))
    }

    fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with(' ') {
            self.text.push(' ');
        }
    }

    /// One `#`, however many stand beside each other: `1h 30m` and `45m` are both a time.
    fn hash(&mut self) {
        let bare = self.text.strip_suffix(['.', ',', ':', ' ', '-', '+', '/']).unwrap_or(&self.text);
        if bare.ends_with(BLANK) {
            let length = bare.len();
            self.text.truncate(length);
        } else {
            self.text.push(BLANK);
        }
    }

    fn word(&mut self, word: &str) {
        if varies(word) {
            return self.hash();
        }
        for (index, part) in word.split(|c: char| c.is_ascii_digit()).enumerate() {
            if index > 0 && !self.text.ends_with(BLANK) {
                self.text.push(BLANK);
            }
            // `Nov27.log`: beside digits the name of a month is part of a date too.
            if calendar(part) {
                self.hash();
            } else {
                self.text.push_str(part);
            }
        }
    }
}

/// How many bytes of letters and digits stand at the start.
fn word_length(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len())
}

/// The length of a UUID (8-4-4-4-12) at the start, if there is one.
fn uuid(text: &str) -> Option<usize> {
    let bytes = text.as_bytes().get(..36)?;
    let shaped = bytes.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    (shaped && !text.as_bytes().get(36).is_some_and(u8::is_ascii_alphanumeric)).then_some(36)
}

/// Whether a word as a whole is something that changes: a number with or without a unit, hex, an identifier made up at
/// random, the name of a day or month, a UUID (the only word that holds a `-`).
fn varies(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let has = |kind: fn(&u8) -> bool| word.bytes().any(|byte| kind(&byte));
    if digits == 0 {
        return calendar(word);
    }
    let leading = word.bytes().take_while(u8::is_ascii_digit).count();
    let number = leading == digits && word.len() - digits <= 3;
    let stamp = word.len() >= 2 && word.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'T' | b'Z'));
    let prefixed = word.get(..2).is_some_and(|two| two.eq_ignore_ascii_case("0x")) && hex(&word[2..]);
    let random = word.len() >= 8 && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    number || stamp || prefixed || random || (word.len() >= 6 && hex(word)) || word.contains('-')
}

/// Whether a word is the name of a day or month, or AM or PM.
fn calendar(word: &str) -> bool {
    if matches!(word, "AM" | "PM") {
        return true;
    }
    let lower = word.to_ascii_lowercase();
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && CALENDAR.iter().any(|name| *name == lower || (lower.len() == 3 && name.starts_with(&lower)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::{Facts, digest, fingerprint, normal};
    use crate::exec::{Ending, Reason, Status};
    use crate::id::RunId;

    #[test]
    fn what_changes_from_run_to_run_makes_no_difference() {
        for (one, other) in [
            ("pid 4121 died", "pid 97 died"),
            ("2026-11-23T07:13:00.123+01:00 disk full", "2026-03-01T19:59:59.9+01:00 disk full"),
            ("Mon Nov 23 07:13:00 2026 down", "Tue Dec  1 08:00:01 2026 down"),
            ("[07:13 PM] refused", "[08:01 AM] refused"),
            ("at 0xdeadbeef in main", "at 0x7ffe1200 in main"),
            (
                "request 550e8400-e29b-41d4-a716-446655440000 failed",
                "request 9c41beef-abcd-4fff-beef-abcdefabcdef failed",
            ),
            ("commit 3173d3e is bad", "commit 8fbe12a0 is bad"),
            ("took 900ms", "took 1.2s"),
            ("took 1h 30m", "took 45m"),
            ("load 0.93, 1.20, 0.80", "load 12, 9.1, 3"),
            ("temperature -5 C", "temperature 12 C"),
            ("cannot open /tmp/tmp.Xa8kPq2bZZ", "cannot open /tmp/tmp.qT5sLm9Kaa"),
            ("/dev/sda1     84%", "/dev/sda1   100%"),
            ("connection to 10.0.0.1:5432 refused", "connection to 192.168.10.7:5432 refused"),
            ("worker3 lost", "worker12 lost"),
            ("cannot rotate app-Nov27.log", "cannot rotate app-Dec3.log"),
        ] {
            assert_eq!(normal(one), normal(other));
            assert_eq!(digest(one, true), digest(other, true));
            assert_ne!(digest(one, false), digest(other, false));
        }
    }

    #[test]
    fn what_says_something_else_is_something_else() {
        for (one, other) in [
            ("disk full", "disk failing"),
            ("cannot resolve db.example.org", "cannot resolve web.example.org"),
            ("ok", ""),
            ("a\nb", "a b"),
            ("level: warning", "level: critical"),
            ("3 errors", "3 warnings"),
        ] {
            assert_ne!(digest(one, true), digest(other, true), "{one} / {other}");
        }
    }

    fn print(reason: Reason, ending: &Ending, output: &str, normalize: bool) -> u64 {
        let facts = Facts {
            run: RunId(1),
            scheduled: Timestamp::UNIX_EPOCH,
            status: Status::Critical,
            reason,
            skipped: false,
            stdout: "",
            whole: None,
            stderr: "",
            output,
            line: "",
            ending,
            took: Duration::ZERO,
            ended: Timestamp::UNIX_EPOCH,
            key: None,
        };
        fingerprint(&facts, normalize)
    }

    #[test]
    fn a_cause_at_the_end_of_a_very_long_line_tells_a_failure_from_another() {
        let exit = |output: &str, normalize| print(Reason::Exit, &Ending::Exited { code: 2 }, output, normalize);
        for length in [10, 1_990, 2_000, 3_000, 200_000] {
            let line = |cause: &str| format!("{} {cause}", "x".repeat(length));
            for normalize in [true, false] {
                assert_ne!(exit(&line("disk full"), normalize), exit(&line("net down"), normalize), "{length}");
            }
            assert_eq!(exit(&line("at 91%"), true), exit(&line("at 97%"), true), "{length}");
        }
    }

    #[test]
    fn a_failure_is_known_by_how_it_ended_and_what_it_said() {
        let print = |reason, ending, output| print(reason, &ending, output, true);
        let exit = |code, output| print(Reason::Exit, Ending::Exited { code }, output);
        assert_eq!(exit(2, "disk at 91%"), exit(2, "disk at 99%\n"));
        assert_ne!(exit(2, "disk at 91%"), exit(1, "disk at 91%"));
        assert_ne!(exit(9, ""), print(Reason::Signal, Ending::Signaled { signal: 9 }, ""));
        let timeout =
            |killed, output| print(Reason::Timeout, Ending::TimedOut { after: Duration::from_secs(5), killed }, output);
        assert_eq!(timeout(true, "copied 14 files"), timeout(false, "copied a.txt"));
        assert_ne!(timeout(true, ""), print(Reason::Interrupted, Ending::Interrupted, ""));
        let missing = |error: &str| print(Reason::Spawn, Ending::NotStarted { error: error.to_owned() }, "");
        assert_ne!(missing("no such file"), missing("permission denied"));
    }

    proptest! {
        #[test]
        fn any_line_can_be_normalised_and_that_is_the_end_of_it(line in "[a-zA-Z0-9 .:,/#+_()é-]{0,60}|.{0,60}") {
            let once = normal(&line);
            prop_assert!(once.chars().count() <= line.chars().count());
            prop_assert_eq!(normal(&once), once);
        }
    }
}
