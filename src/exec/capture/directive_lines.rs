//! The lines of a run's stdout that are directives, as they come: kept apart from its output, so that one which `max_output`
//! drops counts too. Pure.
//!
//! Before it: chunks as they are read. After it: `directives`, which obeys them. Invariant: no more than [`MOST`] bytes are
//! kept, the first and the last; what is dropped between them is counted.

use std::collections::VecDeque;

use super::directives::{LONGEST, Line};
use crate::exec::outcome::Captured;

/// So many bytes of directives are kept of one run: hundreds of them.
const MOST: usize = 128 << 10;

/// Directives so far.
#[derive(Debug, Default)]
pub(super) struct DirectiveLines {
    /// The line that goes on, as long as it may be a directive.
    line: Vec<u8>,
    /// The line that goes on is none.
    is_other: bool,
    /// It is not the first.
    has_line: bool,
    head: Vec<u8>,
    tail: VecDeque<Vec<u8>>,
    tail_length: usize,
    dropped: u64,
}

impl DirectiveLines {
    /// Takes in what was read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            if !self.is_other {
                // One that is longer is not understood: no more of it is needed to know that.
                let room = (LONGEST + 2).saturating_sub(self.line.len());
                self.line.extend_from_slice(&text[..room.min(text.len())]);
                self.is_other = Line::of(&self.line, !self.has_line) == Line::Other;
            }
            if text.len() < part.len() {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let is_other = std::mem::take(&mut self.is_other);
        let is_first = !std::mem::replace(&mut self.has_line, true);
        if is_other || Line::of(&self.line, is_first) != Line::Directive {
            return self.line.clear();
        }
        let mut line = std::mem::take(&mut self.line);
        line.push(b'\n');
        if self.tail.is_empty() && self.head.len() + line.len() <= MOST / 2 {
            return self.head.extend(line);
        }
        self.tail_length += line.len();
        self.tail.push_back(line);
        while self.tail_length > MOST / 2 {
            let Some(oldest) = self.tail.pop_front() else { break };
            self.tail_length -= oldest.len();
            self.dropped += oldest.len() as u64;
        }
    }

    /// All that are kept, each with the end of its line; the last was whole without one.
    pub(super) fn finish(mut self) -> Captured {
        self.end_line();
        Captured { head: self.head, tail: self.tail.into_iter().flatten().collect(), dropped: self.dropped }
    }
}

#[cfg(test)]
mod tests {
    use super::{DirectiveLines, MOST};

    fn of(chunks: &[&str]) -> (String, u64) {
        let mut lines = DirectiveLines::default();
        for chunk in chunks {
            lines.push(chunk.as_bytes());
        }
        let kept = lines.finish();
        (String::from_utf8([kept.head, kept.tail].concat()).expect("text"), kept.dropped)
    }

    #[test]
    fn directives_are_found_however_the_output_is_cut_into_reads() {
        let text = "\u{feff}\x1b[1m::slack-alert title=x\n\u{feff}::slack-alert key=no\nb ::slack-alert title=no\n::slack-alerts\n::slack\n\n::slack-alert key=y";
        let expected = "\u{feff}\x1b[1m::slack-alert title=x\n::slack-alert key=y\n";
        assert_eq!(of(&[text]), (expected.to_owned(), 0));
        let single: Vec<String> = text.chars().map(String::from).collect();
        assert_eq!(of(&single.iter().map(String::as_str).collect::<Vec<_>>()), (expected.to_owned(), 0));
    }

    #[test]
    fn of_very_many_the_first_and_the_last_are_kept() {
        let all: String = (0..20_000).map(|n| format!("::slack-alert title={n}\n")).collect();
        let (kept, dropped) = of(&[&all]);
        assert!(kept.len() <= MOST && kept.len() as u64 + dropped == all.len() as u64);
        assert!(kept.starts_with("::slack-alert title=0\n") && kept.ends_with("\n::slack-alert title=19999\n"));
        let (long, _) = of(&["::slack-alert title=", &"x".repeat(1 << 20), "\n::slack-alert key=y\n"]);
        assert!(long.len() < 4_000 && long.ends_with("\n::slack-alert key=y\n"), "{}", long.len());
    }
}
