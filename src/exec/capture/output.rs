//! What a run wrote, bounded: the head and the tail of each stream and of both as they came; the rest is counted.
//!
//! Before it: chunks as they are read. After it: [`Output`], masked. Invariants: memory grows with what is written and
//! never past `max_output` for each of the three, and a bound of its own for directives; nothing unmasked leaves through [`Capture::finish`] or `Progress`.

use std::borrow::Cow;
use std::sync::Mutex;

use regex::bytes::Regex;

use super::beyond::Passing;
use super::directive_lines::DirectiveLines;
use super::directives::Line;
use super::redact::Redactor;
use crate::exec::outcome::{Captured, Output};

/// How much of the end of the output can be seen while the run goes on.
pub const LAST_OUTPUT: usize = 512;

/// How far back a redacting job looks for whole lines to show while the run goes on.
const LAST_LINES: usize = 8 << 10;

/// A line longer than this is no longer held back until it is whole, see [`Capture::lines`].
const LONGEST_LINE: usize = 64 << 10;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The first and the last bytes of a stream.
#[derive(Clone, Debug, Default)]
struct Bounded {
    head: Vec<u8>,
    head_limit: usize,
    /// A ring once it is full: `oldest` is where it begins.
    tail: Vec<u8>,
    tail_limit: usize,
    oldest: usize,
    dropped: u64,
    /// The last byte that was written, kept or not, did not end a line.
    within_line: bool,
}

/// Both streams in the order in which they were read; a line begins anew where the stream changes within one.
#[derive(Debug)]
struct Joined {
    kept: Bounded,
    last: Stream,
}

/// What a run has written so far.
#[derive(Debug)]
pub struct Capture<'r> {
    stdout: Bounded,
    stderr: Bounded,
    /// `None` while only one stream has written: it is then the same as that one. Boxed, as the lines are, since most runs
    /// wait in silence.
    both: Option<Box<Joined>>,
    /// Of a redacting job, and of one with directives: the unfinished line of each stream. Such a job's streams are
    /// interleaved line by line, so that the other stream cannot cut a secret in two and so hide it from its pattern.
    lines: Option<Box<[Vec<u8>; 2]>>,
    redactor: &'r Redactor,
    /// Of a job with directives: those so far. Nobody is shown them.
    directives: Option<Box<DirectiveLines>>,
    /// What is asked of each stream as a whole.
    passing: [Option<Box<Passing<'r>>>; 2],
}

impl Joined {
    /// Only this stream has written until now.
    fn from_one(kept: Bounded, last: Stream) -> Self {
        Self { kept, last }
    }

    fn push(&mut self, stream: Stream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.last != stream && self.kept.within_line {
            self.kept.push(b"\n");
        }
        self.kept.push(bytes);
        self.last = stream;
    }
}

impl Bounded {
    fn new(limit: usize) -> Self {
        let head_limit = limit.div_ceil(2);
        Self { head_limit, tail_limit: limit - head_limit, ..Self::default() }
    }

    fn is_empty(&self) -> bool {
        self.head.is_empty() && self.dropped == 0
    }

    /// Whether so much more drops nothing.
    fn has_room(&self, more: usize) -> bool {
        self.head.len() + self.tail.len() + more <= self.head_limit + self.tail_limit
    }

    fn push(&mut self, mut bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        self.within_line = *last != b'\n';
        let room = self.head_limit - self.head.len();
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        grow(&mut self.head, head.len(), self.head_limit);
        self.head.extend_from_slice(head);
        bytes = rest;
        if bytes.len() > self.tail_limit {
            let (lost, kept) = bytes.split_at(bytes.len() - self.tail_limit);
            self.dropped += (lost.len() + self.tail.len()) as u64;
            self.tail.clear();
            self.oldest = 0;
            bytes = kept;
        }
        let room = self.tail_limit - self.tail.len();
        let (fill, rest) = bytes.split_at(room.min(bytes.len()));
        grow(&mut self.tail, fill.len(), self.tail_limit);
        self.tail.extend_from_slice(fill);
        bytes = rest;
        self.dropped += bytes.len() as u64;
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at(bytes.len().min(self.tail_limit - self.oldest));
            self.tail[self.oldest..self.oldest + part.len()].copy_from_slice(part);
            self.oldest = (self.oldest + part.len()) % self.tail_limit;
            bytes = rest;
        }
    }

    /// The last bytes that were written, at most `count`.
    fn end(&self, count: usize) -> Vec<u8> {
        let (newer, older) = self.tail.split_at(self.oldest);
        let mut end = Vec::new();
        let mut left = count;
        for part in [newer, older, &self.head] {
            // Past a gap the bytes before it are not the ones that came before.
            if left == 0 || (std::ptr::eq(part, self.head.as_slice()) && self.dropped > 0) {
                break;
            }
            let part = &part[part.len() - left.min(part.len())..];
            end.splice(0..0, part.iter().copied());
            left -= part.len();
        }
        end
    }

    fn finish(mut self) -> Captured {
        self.tail.rotate_left(self.oldest);
        if self.dropped == 0 {
            self.head.reserve_exact(self.tail.len());
            self.head.append(&mut self.tail);
            self.tail = Vec::new();
        }
        Captured { head: self.head, tail: self.tail, dropped: self.dropped }
    }
}

/// Makes room as a vector would, but never past `limit`.
fn grow(buffer: &mut Vec<u8>, more: usize, limit: usize) {
    let needed = buffer.len() + more;
    if needed > buffer.capacity() {
        let doubled = (buffer.capacity() * 2).max(needed).min(limit);
        buffer.reserve_exact(doubled - buffer.len());
    }
}

impl<'r> Capture<'r> {
    /// Nothing yet; at most `limit` bytes are kept of each stream, and as many of both.
    pub fn new(limit: usize, redactor: &'r Redactor) -> Self {
        let redacting = !redactor.is_empty();
        Self {
            stdout: Bounded::new(limit),
            stderr: Bounded::new(limit),
            both: redacting.then(|| Box::new(Joined::from_one(Bounded::new(limit), Stream::Stdout))),
            lines: redacting.then(Default::default),
            redactor,
            directives: None,
            passing: [None, None],
        }
    }

    /// The same of a job with directives.
    pub(in crate::exec) fn with_directives(mut self, directives: bool) -> Self {
        if directives && self.both.is_none() {
            let both = Bounded::new(self.stdout.head_limit + self.stdout.tail_limit);
            self.both = Some(Box::new(Joined::from_one(both, Stream::Stdout)));
            self.lines = Some(Default::default());
        }
        self.directives = directives.then(Default::default);
        self
    }

    /// The same of a job with `fail_on`, and of one that tells of changes: it looks at all of a stream, kept or not.
    pub(in crate::exec) fn watching(mut self, stream: Stream, pattern: Option<&'r Regex>, compares: bool) -> Self {
        if pattern.is_some() || compares {
            let mut passing = Box::new(Passing::new(pattern, compares));
            if stream == Stream::Stdout && self.directives.is_some() {
                passing.without_directives();
            }
            self.passing[stream as usize] = Some(passing);
        }
        self
    }

    /// Takes in what was read.
    pub fn push(&mut self, stream: Stream, bytes: &[u8]) {
        let (own, other) = match stream {
            Stream::Stdout => (&mut self.stdout, &self.stderr),
            Stream::Stderr => (&mut self.stderr, &self.stdout),
        };
        match (&mut self.both, &mut self.lines) {
            (Some(both), Some(lines)) => push_lines(&mut lines[stream as usize], both, stream, bytes),
            (Some(both), None) => both.push(stream, bytes),
            (both @ None, _) if !other.is_empty() => {
                // The second stream's first bytes: until now the first one was all there is.
                let first = if stream == Stream::Stdout { Stream::Stderr } else { Stream::Stdout };
                let mut joined = Joined::from_one(other.clone(), first);
                joined.push(stream, bytes);
                *both = Some(Box::new(joined));
            }
            (None, _) => {}
        }
        if let Some(passing) = &mut self.passing[stream as usize] {
            if !passing.has_begun() && !own.has_room(bytes.len()) {
                passing.push(&own.head);
                passing.push(&own.tail);
            }
            if passing.has_begun() {
                passing.push(bytes);
            }
        }
        own.push(bytes);
        if let Some(directives) = self.directives.as_mut().filter(|_| stream == Stream::Stdout) {
            directives.push(bytes);
        }
    }

    /// Shows the end of what was written to those who look on: of a redacting job only whole lines, masked.
    pub(in crate::exec) fn show(&self, stream: Stream, chunk: &[u8], shown: &Mutex<Vec<u8>>) {
        let last = if self.redactor.is_empty() && self.directives.is_none() {
            if chunk.len() < LAST_OUTPUT {
                self.both.as_ref().map_or(self.stream(stream), |both| &both.kept).end(LAST_OUTPUT)
            } else {
                chunk[chunk.len() - LAST_OUTPUT..].to_vec()
            }
        } else {
            let end = self.stream(stream).end(LAST_LINES);
            let lines = whole_lines(&end, end.len() == LAST_LINES);
            let masked = self.redactor.mask(lines);
            let masked = if self.directives.is_some() { without_directives(&masked) } else { masked };
            masked[masked.len() - LAST_OUTPUT.min(masked.len())..].to_vec()
        };
        *shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = last;
    }

    fn stream(&self, stream: Stream) -> &Bounded {
        match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        }
    }

    /// Everything, as it was written: only for `fail_on` and `parse`, which judge before anything is masked.
    pub fn finish(mut self) -> Output {
        if let (Some(both), Some(lines)) = (&mut self.both, &self.lines) {
            for (stream, rest) in [Stream::Stdout, Stream::Stderr].into_iter().zip(lines.iter()) {
                both.push(stream, rest);
            }
        }
        let (stdout, stderr) = (self.stdout.finish(), self.stderr.finish());
        let both = match self.both {
            Some(both) => both.kept.finish(),
            None if stdout.head.is_empty() && stdout.dropped == 0 => stderr.clone(),
            None => stdout.clone(),
        };
        let directives = self.directives.map(|directives| directives.finish());
        let beyond = self.passing.map(|passing| passing.map(|passing| passing.finish()).unwrap_or_default());
        Output { stdout, stderr, both, directives, beyond }
    }
}

/// Passes whole lines on and keeps an unfinished one back.
fn push_lines(unfinished: &mut Vec<u8>, both: &mut Joined, stream: Stream, bytes: &[u8]) {
    let end = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let (lines, rest) = bytes.split_at(end);
    if !lines.is_empty() {
        both.push(stream, unfinished);
        unfinished.clear();
        both.push(stream, lines);
    }
    unfinished.extend_from_slice(rest);
    if unfinished.len() > LONGEST_LINE {
        both.push(stream, unfinished);
        unfinished.clear();
    }
}

/// The whole lines of a stretch; the first one is not whole when the stretch was `cut` there.
fn whole_lines(text: &[u8], cut: bool) -> &[u8] {
    let start = if cut { text.iter().position(|b| *b == b'\n').map_or(text.len(), |at| at + 1) } else { 0 };
    let end = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    text.get(start..end).unwrap_or(&[])
}

/// Lines without directives.
fn without_directives(lines: &[u8]) -> Cow<'static, [u8]> {
    let lines = lines.split_inclusive(|byte| *byte == b'\n').enumerate();
    let shown = lines.filter(|(index, line)| Line::of(line, *index == 0) != Line::Directive);
    Cow::Owned(shown.flat_map(|(_, line)| line).copied().collect())
}

/// Masks what was captured. Where bytes were dropped the lines at the gap are thrown away too: half a secret is not
/// matched by its pattern, and is a secret still. Of a long line only as much is thrown away as a match may reach.
pub(in crate::exec) fn mask(output: &mut Output, redactor: &Redactor) {
    if redactor.is_empty() {
        return;
    }
    for captured in [&mut output.stdout, &mut output.stderr, &mut output.both] {
        let (head, tail) = (&captured.head, &captured.tail);
        if captured.dropped > 0 {
            let end = end_before_gap(head, redactor).min(redactor.begins_at(head));
            let start = start_behind_gap(head, tail, redactor).max(redactor.ends_at(tail));
            captured.dropped += (head.len() - end + start) as u64;
            let (head, tail) = (redactor.mask_part(head, 0..end), redactor.mask_part(tail, start..tail.len()));
            (captured.head, captured.tail) = (head, tail);
        } else if let Cow::Owned(masked) = redactor.mask(head) {
            captured.head = masked;
        }
    }
}

/// Where what is kept before a gap ends: with a line, unless that is further away than any match reaches.
fn end_before_gap(head: &[u8], redactor: &Redactor) -> usize {
    let line = head.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let mut end = head.len().saturating_sub(redactor.reach()).max(line);
    while end > line && is_within_character(head, end) {
        end -= 1;
    }
    end
}

/// Where what is kept behind a gap begins: with a line, unless that is further away than any match reaches that was dropped, and
/// than the one goes that the gap cuts.
fn start_behind_gap(head: &[u8], tail: &[u8], redactor: &Redactor) -> usize {
    let line = tail.iter().position(|b| *b == b'\n').map_or(tail.len(), |at| at + 1);
    if line <= redactor.reach() {
        return line;
    }
    let mut start = redactor.goes_on(head, &tail[..line]).max(redactor.reach());
    while start < line && is_within_character(tail, start) {
        start += 1;
    }
    start
}

/// Whether a cut there goes through a character of several bytes.
fn is_within_character(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;
    use regex::bytes::Regex;

    use super::{Capture, LAST_OUTPUT, LONGEST_LINE, Stream, mask};
    use crate::exec::capture::redact::Redactor;
    use crate::exec::outcome::{Captured, Output};

    const OUT: Stream = Stream::Stdout;
    const ERR: Stream = Stream::Stderr;

    fn capture(limit: usize, redactor: &Redactor, chunks: &[(Stream, &str)]) -> Output {
        let mut capture = Capture::new(limit, redactor);
        for (stream, chunk) in chunks {
            capture.push(*stream, chunk.as_bytes());
        }
        capture.finish()
    }

    fn text(captured: &Captured) -> String {
        String::from_utf8_lossy(&captured.bytes()).into_owned()
    }

    fn redactor(pattern: &str) -> Redactor {
        Redactor::new(vec![Regex::new(pattern).expect(pattern)])
    }

    #[test]
    fn what_fits_is_kept_whole() {
        let output = capture(16, &Redactor::default(), &[(OUT, "one "), (OUT, "two "), (OUT, "three")]);
        assert_eq!((text(&output.stdout).as_str(), output.stdout.dropped), ("one two three", 0));
        assert!(output.stdout.tail.is_empty() && output.stderr.head.is_empty());
        assert_eq!(output.both, output.stdout);
    }

    #[test]
    fn a_line_without_an_end_is_kept_back_only_so_far() {
        let redactor = redactor("hunter2");
        let mut hiding = Capture::new(1 << 20, &redactor);
        for _ in 0..100 {
            hiding.push(OUT, &[b'x'; 4 << 10]);
            let kept_back = hiding.lines.as_ref().map_or(0, |lines| lines[0].len());
            assert!(kept_back <= LONGEST_LINE, "{kept_back}");
        }
        assert_eq!(hiding.finish().both.head.len(), 400 << 10);
    }

    #[test]
    fn a_job_with_directives_keeps_no_more_than_others() {
        let plain = Redactor::default();
        for directives in [false, true] {
            let mut capture = Capture::new(16, &plain).with_directives(directives);
            for n in 0..200 {
                capture.push(if n % 2 == 0 { OUT } else { ERR }, b"0123456789\n");
            }
            let output = capture.finish();
            for kept in [&output.stdout, &output.stderr, &output.both] {
                let length = kept.head.len() + kept.tail.len();
                assert!((1..=16).contains(&length) && kept.dropped > 0, "{directives}: {length} bytes, {kept:?}");
            }
        }
    }

    #[test]
    fn whoever_looks_on_sees_the_end_of_what_was_written_and_no_more() {
        let plain = Redactor::default();
        let seen = Mutex::default();
        let mut capture = Capture::new(1 << 20, &plain);
        let digits: Vec<u8> = (0..8_192_u32).map(|at| b'0' + u8::try_from(at * 7 % 10).expect("a digit")).collect();
        let mut written: Vec<u8> = Vec::new();
        // Less than is shown, all that is shown, a byte more, many times as much.
        for length in [3, 5, LAST_OUTPUT - 1, LAST_OUTPUT, LAST_OUTPUT + 1, 8_192, 1] {
            let chunk = &digits[..length];
            capture.push(OUT, chunk);
            capture.show(OUT, chunk, &seen);
            written.extend_from_slice(chunk);
            let expected = &written[written.len().saturating_sub(LAST_OUTPUT)..];
            assert_eq!(seen.lock().unwrap().as_slice(), expected, "after {length} bytes");
        }
    }

    #[test]
    fn directives_are_shown_to_nobody_while_the_run_goes_on() {
        let plain = Redactor::default();
        let seen = Mutex::default();
        let mut capture = Capture::new(1 << 10, &plain).with_directives(true);
        let chunk = b"hello\n::slack-alert title=secret plan\nworld\n";
        capture.push(OUT, chunk);
        capture.show(OUT, chunk, &seen);
        assert_eq!(seen.lock().unwrap().as_slice(), b"hello\nworld\n");
    }

    #[test]
    fn of_what_is_not_kept_at_all_the_bytes_are_counted() {
        let output = capture(0, &Redactor::default(), &[(OUT, "abc")]);
        assert_eq!((output.stdout.dropped, output.stderr.dropped, output.both.dropped), (3, 0, 3));
        let output = capture(0, &Redactor::default(), &[(ERR, "ab")]);
        assert_eq!((output.stdout.dropped, output.stderr.dropped, output.both.dropped), (0, 2, 2));
    }

    #[test]
    fn both_streams_come_in_the_order_of_reading() {
        let output = capture(99, &Redactor::default(), &[(OUT, "a"), (OUT, "b"), (ERR, "1"), (OUT, "c"), (ERR, "2")]);
        assert_eq!([text(&output.stdout), text(&output.stderr), text(&output.both)], ["abc", "12", "ab\n1\nc\n2"]);
        let output = capture(99, &Redactor::default(), &[(ERR, "only")]);
        assert_eq!([text(&output.stdout), text(&output.stderr), text(&output.both)], ["", "only", "only"]);
    }

    #[test]
    fn a_secret_that_came_in_two_reads_is_one_match() {
        let redactor = redactor("hunter2");
        let mut output = capture(99, &redactor, &[(OUT, "pw hun"), (ERR, "noise\n"), (OUT, "ter2\n"), (ERR, "x")]);
        mask(&mut output, &redactor);
        assert_eq!(text(&output.stdout), "pw [redacted]\n");
        assert_eq!(text(&output.both), "noise\npw [redacted]\nx");
    }

    #[test]
    fn half_a_secret_at_the_gap_is_thrown_away() {
        let redactor = redactor("s3cret-[a-z]{8}");
        let chunk = "first\ns3cret-abcdefgh\nmiddle middle middle\ns3cret-abcdefgh\nlast\n";
        for limit in 0..chunk.len() {
            let mut output = capture(limit, &redactor, &[(OUT, chunk)]);
            mask(&mut output, &redactor);
            for captured in [&output.stdout, &output.both] {
                let kept = [captured.head.clone(), captured.tail.clone()].concat();
                assert!(!String::from_utf8_lossy(&kept).contains("cret"), "{limit}: {captured:?}");
            }
        }
    }

    #[test]
    fn of_a_long_line_the_ends_are_kept_and_nothing_of_a_secret_where_it_is_cut() {
        let value = Redactor::default().with_values(["s3cret-abcdefgh"]);
        let (pattern, open) = (redactor("s3cret-[a-z]{8}"), redactor("s3cret-[a-z]+"));
        // Wherever the gap goes through the line, which is longer than what is kept.
        for (redactor, limit) in [(&value, 1 << 10), (&pattern, 40 << 10), (&open, 40 << 10)] {
            for shift in 0..40 {
                let filler = "é s3cret-abcdefgh".repeat(limit / 8);
                let line = format!("first\nBEGIN {}{filler} CAUSE\nEND\n", "x".repeat(shift));
                let mut output = capture(limit, redactor, &[(OUT, &line)]);
                mask(&mut output, redactor);
                for captured in [&output.stdout, &output.both] {
                    let kept = [captured.head.as_slice(), captured.tail.as_slice()].map(String::from_utf8_lossy);
                    assert!(kept[0].starts_with("first\nBEGIN ") && kept[1].ends_with(" CAUSE\nEND\n"), "{kept:?}");
                    let shown = kept.concat().replace("[redacted]", "");
                    let rest = shown.replace(['é', ' '], "").replace(&"x".repeat(shift), "");
                    assert_eq!(rest, "first\nBEGINCAUSE\nEND\n", "{shift}");
                }
            }
        }
        let line = format!("pw s3cret-{} CAUSE\nEND\n", "a".repeat(200 << 10));
        let mut output = capture(80 << 10, &open, &[(OUT, &line)]);
        mask(&mut output, &open);
        let shown = text(&output.stdout).replace("[redacted]", "");
        assert!(!shown.contains("aa"), "the match goes on behind the gap: {} bytes", shown.len());
        assert!(shown.ends_with(" CAUSE\nEND\n"), "and has an end");
    }

    #[test]
    fn no_part_of_a_secret_is_shown_that_is_longer_than_what_is_kept_of_the_output() {
        for (pattern, begin, secret, end) in [
            ("key=[a-z]+", "key=", "s".repeat(40_000), ""),
            ("key=[a-z]+;", "key=", "s".repeat(40_000), ";"),
            ("(?s)BEGIN.*?END", "BEGIN\n", "ssss\n".repeat(8_000), "END"),
        ] {
            let redactor = redactor(pattern);
            // The gap goes through the secret; or through what stands before it, or behind it.
            for (before, after) in [(8_000, 30_000), (8_000, 8_000 + 10_000), (60_000, 10), (10, 60_000)] {
                let (before, after) = ("A ".repeat(before / 2), " B".repeat(after / 2));
                let written = format!("first\n{before}{begin}{secret}{end}{after} CAUSE\nlast\n");
                let mut output = capture(64 << 10, &redactor, &[(OUT, &written)]);
                mask(&mut output, &redactor);
                let kept = [&output.stdout.head, &output.stdout.tail].map(|kept| String::from_utf8_lossy(kept));
                let shown = kept.concat().replace("first", "").replace("last", "").replace("[redacted]", "");
                assert!(!shown.contains('s'), "{pattern}: {} bytes are shown", shown.len());
                assert!(kept[0].starts_with("first\nA A"), "{pattern}, {} before", before.len());
                assert!(kept[1].ends_with("CAUSE\nlast\n"), "{pattern}, {} behind", after.len());
            }
        }
    }

    #[test]
    fn the_end_of_the_output_can_be_seen_masked_and_in_whole_lines() {
        let redactor = redactor("s3cret-[a-z]{8}");
        let seen = Mutex::default();
        let mut hiding = Capture::new(1 << 20, &redactor);
        for chunk in ["begin\ns3cret-abc", "defgh and\nthen s3cr"] {
            hiding.push(OUT, chunk.as_bytes());
            hiding.show(OUT, chunk.as_bytes(), &seen);
        }
        assert_eq!(seen.lock().unwrap().as_slice(), b"begin\n[redacted] and\n");
        let plain = Redactor::default();
        let mut open = Capture::new(10, &plain);
        for chunk in ["0123456789", "abc", "def"] {
            open.push(OUT, chunk.as_bytes());
            open.show(OUT, chunk.as_bytes(), &seen);
        }
        assert_eq!(seen.lock().unwrap().as_slice(), b"bcdef");
    }

    proptest! {
        /// For any chunks and any limit: head and tail are what they say, the sum is what was written, the limit holds.
        #[test]
        fn head_and_tail_are_the_ends_of_what_was_written(
            chunks in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..50)), 0..20),
            limit in 0_usize..200,
            redacting in any::<bool>(),
        ) {
            let redactor = if redacting { redactor("never-there") } else { Redactor::default() };
            let mut capture = Capture::new(limit, &redactor);
            let mut whole = [Vec::new(), Vec::new(), Vec::new()];
            let mut last = None;
            for (is_stdout, chunk) in &chunks {
                capture.push(if *is_stdout { OUT } else { ERR }, chunk);
                whole[usize::from(!is_stdout)].extend_from_slice(chunk);
                if chunk.is_empty() {
                    continue;
                }
                if last.replace(*is_stdout).is_some_and(|last| last != *is_stdout) && whole[2].last() != Some(&b'\n') {
                    whole[2].push(b'\n');
                }
                whole[2].extend_from_slice(chunk);
            }
            let output = capture.finish();
            for (index, (captured, whole)) in
                [output.stdout, output.stderr, output.both].iter().zip(&whole).enumerate()
            {
                let kept = captured.head.len() + captured.tail.len();
                prop_assert!(kept <= limit);
                prop_assert!(captured.head.capacity() <= limit.max(8), "{} of {limit}", captured.head.capacity());
                if index == 2 && redacting {
                    // Line by line: how many lines were cut depends on what was kept back.
                    prop_assert!(kept as u64 + captured.dropped <= whole.len() as u64);
                    continue;
                }
                prop_assert_eq!(kept as u64 + captured.dropped, whole.len() as u64);
                prop_assert_eq!(captured.dropped > 0, whole.len() > limit);
                if index < 2 || !redacting {
                    prop_assert!(whole.starts_with(&captured.head));
                    prop_assert!(whole.ends_with(&captured.tail));
                }
            }
        }
    }
}
