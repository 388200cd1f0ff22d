//! What is asked of all that a stream brings, also of what `max_output` drops: whether `fail_on` matches, and whether it is
//! what it was. Pure.
//!
//! Before it: chunks as they are read, from the first one on which something of the stream is dropped, and what came before
//! that. After it: [`Beyond`]. Invariants: a run whose output fits costs nothing here; no more than [`WINDOW`] bytes are held.
//! A match is found that is no longer than [`OVERLAP`]: of a longer one the beginning may be gone before its end is there.

use std::hash::Hasher;

use fnv::FnvHasher;
use regex::bytes::Regex;

use super::directives::Line;
use crate::exec::outcome::Beyond;

/// So much is searched at once.
const WINDOW: usize = 128 << 10;

/// So much of it is searched again, with what follows.
const OVERLAP: usize = 16 << 10;

/// What stands before the place at which a search begins says whether a line or a word begins there.
const CONTEXT: usize = 4;

/// A stream that is looked at as it passes.
pub(super) struct Passing<'r> {
    pattern: Option<&'r Regex>,
    digest: Option<FnvHasher>,
    directives: Option<Directives>,
    /// Something was dropped.
    begun: bool,
    window: Vec<u8>,
    from: usize,
    matched: bool,
}

/// Takes out lines that are directives, which are no output.
#[derive(Debug, Default)]
struct Directives {
    /// The beginning of a line, as long as it may be one.
    line: Vec<u8>,
    kind: Line,
    /// It is not the first.
    has_line: bool,
}

/// What it looked at may hold secrets.
impl std::fmt::Debug for Passing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passing").field("begun", &self.begun).finish_non_exhaustive()
    }
}

impl<'r> Passing<'r> {
    pub(super) fn new(pattern: Option<&'r Regex>, compares: bool) -> Self {
        let digest = compares.then(FnvHasher::default);
        let (window, directives) = (Vec::new(), None);
        Self { pattern, digest, directives, begun: false, window, from: 0, matched: false }
    }

    pub(super) fn without_directives(&mut self) {
        self.directives = Some(Directives::default());
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Takes in what was written.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.begun = true;
        match self.directives.take() {
            None => self.look(bytes),
            Some(mut directives) => {
                directives.push(bytes, &mut |part| self.look(part));
                self.directives = Some(directives);
            }
        }
    }

    fn look(&mut self, mut bytes: &[u8]) {
        if let Some(digest) = &mut self.digest {
            digest.write(bytes);
        }
        while let (Some(pattern), false, false) = (self.pattern, self.matched, bytes.is_empty()) {
            let (part, rest) = bytes.split_at(bytes.len().min(WINDOW - self.window.len()));
            self.window.extend_from_slice(part);
            bytes = rest;
            if self.window.len() == WINDOW {
                // What ends where the window does may go on, and an expression may ask what follows.
                let found = pattern.shortest_match_at(&self.window, self.from);
                self.matched = found.is_some_and(|end| end < WINDOW);
                self.window.drain(..WINDOW - OVERLAP);
                self.from = CONTEXT;
            }
        }
    }

    /// What came of it; nothing is known where nothing was dropped.
    pub(super) fn finish(mut self) -> Beyond {
        if !self.begun {
            return Beyond::default();
        }
        if let Some(directives) = self.directives.take().filter(|directives| directives.kind == Line::Unknown) {
            self.look(&directives.line);
        }
        let matched = self.pattern.map(|pattern| self.matched || pattern.is_match_at(&self.window, self.from));
        Beyond { matched, digest: self.digest.map(|digest| digest.finish()) }
    }
}

impl Directives {
    fn push(&mut self, bytes: &[u8], output: &mut impl FnMut(&[u8])) {
        for mut part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let ends = part.ends_with(b"\n");
            if self.kind == Line::Unknown {
                while let (Line::Unknown, [byte, rest @ ..]) = (self.kind, part) {
                    self.line.push(*byte);
                    part = rest;
                    self.kind = Line::of(&self.line, !self.has_line);
                }
                if self.kind == Line::Other {
                    output(&self.line);
                }
            }
            if self.kind == Line::Other && !part.is_empty() {
                output(part);
            }
            if ends {
                self.line.clear();
                self.kind = Line::Unknown;
                self.has_line = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::bytes::{Regex, RegexBuilder};

    use super::{OVERLAP, Passing, WINDOW};
    use crate::exec::capture::output::{Capture, Stream};
    use crate::exec::capture::redact::Redactor;
    use crate::exec::outcome::Beyond;

    fn pattern(text: &str) -> Regex {
        RegexBuilder::new(text).multi_line(true).crlf(true).build().expect(text)
    }

    fn of(text: &str, parts: &[&str], directives: bool) -> Beyond {
        let pattern = pattern(text);
        let mut passing = Passing::new(Some(&pattern), true);
        if directives {
            passing.without_directives();
        }
        parts.iter().for_each(|part| passing.push(part.as_bytes()));
        passing.finish()
    }

    #[test]
    fn a_match_is_found_wherever_it_stands() {
        for before in [0, 1, WINDOW - 9, WINDOW - 5, WINDOW - 3, WINDOW, WINDOW - OVERLAP, 3 * WINDOW + 77] {
            let (before, after) = ("x".repeat(before), "y\n".repeat(WINDOW));
            let text = format!("{before}\nERROR 42\n{after}");
            for (pattern, matches) in [
                ("ERROR", true),
                ("^ERROR \\d+$", true),
                ("\\bERROR\\b", true),
                ("x\nERROR", !before.is_empty()),
                ("ERROR 42\ny", true),
                ("(?s)ERROR.*", true),
                ("ERRORS", false),
                ("\\AERROR", false),
                ("ERROR \\d+\\z", false),
                ("(?-m)^ERROR", false),
                ("y\n\\z", true),
            ] {
                let whole = of(pattern, &[&text], false).matched;
                assert_eq!(whole, Some(matches), "{pattern} after {}", before.len());
                let parts: Vec<&str> = text.split_inclusive('\n').collect();
                assert_eq!(of(pattern, &parts, false).matched, whole, "{pattern} after {}", before.len());
            }
        }
        assert_eq!(of("x", &[], false), Beyond::default(), "nothing was dropped");
    }

    #[test]
    fn what_is_written_as_a_directive_matches_nothing_and_is_no_change() {
        let text =
            "a\n::slack-alert title=ERROR\n\x1b[1m::slack-alert key=ERROR\nb ::slack-alert\n::slack-alerts\n::slack";
        for (pattern, matches) in [("ERROR", false), ("b ::slack", true), ("slack-alerts", true), ("::slack\\z", true)]
        {
            let single: Vec<String> = text.chars().map(String::from).collect();
            let single: Vec<&str> = single.iter().map(String::as_str).collect();
            let (whole, parts) = (of(pattern, &[text], true), of(pattern, &single, true));
            assert_eq!((whole.matched, &whole), (Some(matches), &parts), "{pattern}");
            let other = of(pattern, &[&text.replace("ERROR", "another")], true);
            assert_eq!(whole.digest, other.digest);
            assert_ne!(whole.digest, of(pattern, &[&text.replace("alerts", "alertz")], true).digest);
        }
    }

    proptest! {
        /// Wherever it is cut, and whatever is kept: what matches the whole is found, and nothing else.
        #[test]
        fn a_stream_is_judged_as_a_whole(lines in prop::collection::vec("[a-d]{0,3}", 0..40), limit in 0_usize..60, cut in 1_usize..9) {
            let text = lines.join("\n");
            let plain = Redactor::default();
            for expression in ["^ab$", "abc\\z", "\\Aa", "d\nd", "cc"] {
                let pattern = pattern(expression);
                let mut capture = Capture::new(limit, &plain).watching(Stream::Stdout, Some(&pattern), false);
                for part in text.as_bytes().chunks(cut) {
                    capture.push(Stream::Stdout, part);
                }
                let output = capture.finish();
                let expected = (output.stdout.dropped > 0).then(|| pattern.is_match(text.as_bytes()));
                prop_assert_eq!(output.beyond[0].matched, expected);
            }
        }
    }
}
