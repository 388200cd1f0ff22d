//! Lines of stdout that are directives to the tool (`directives = true`): found, taken out of the output, understood.
//!
//! Before it: output as it was written, unmasked. After it: `assess`, which lets a status count; the rest goes with the
//! [`Outcome`](super::Outcome) to `policy` and `message`. Pure.
//!
//! One directive a line: `::slack-alert title=The words to its end`. What people do not see may stand before it: terminal codes,
//! and a byte order mark at the beginning of all. Invariants: none counts that is longer than [`LONGEST`];
//! a line that begins like one is in neither of the outputs, and what is not understood is noted, at most [`MOST`] of them.
//! Where directives were not kept apart and output was dropped, the lines at the gap are not whole: half of one is not obeyed.

use std::collections::HashMap;
use std::time::Duration;

use super::json::BYTE_ORDER_MARK;
use super::redact::Redactor;
use super::visible::{clean, clean_str};
use crate::document::{format_duration, parse_duration};
use crate::exec::outcome::{Captured, Directives, Output, Status};

/// What such a line begins with.
pub(in crate::exec) const PREFIX: &str = "::slack-alert ";

/// Codes before a directive that are longer together, in bytes, make it a line like any other.
const LONGEST_LEAD: usize = 128;

/// So many notes of one kind are kept of one run.
pub(in crate::exec) const MOST: usize = 64;

/// A longer line, in bytes, is not understood.
pub(in crate::exec) const LONGEST: usize = 3_000;

/// Slack shows so many fields.
const MOST_FIELDS: usize = 10;

/// Whom a run may want to ping.
const MOST_MENTIONS: usize = 10;

/// No directive silences its job for longer: a slip of the pen must not do so for ever.
pub(in crate::exec) const LONGEST_SILENCE: Duration = Duration::from_secs(7 * 86_400);

/// What a line is, as far as its beginning tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Line {
    /// Too little of it is there.
    #[default]
    Unknown,
    Directive,
    Other,
}

impl Line {
    /// A line of which this is the beginning, or all; the first of all output may have a byte order mark.
    pub(super) fn of(text: &[u8], is_first: bool) -> Self {
        let Some(lead) = lead(text, is_first) else { return Self::Unknown };
        let begin = &text[lead..];
        let prefix = PREFIX.as_bytes();
        match begin.get(..prefix.len()) {
            _ if lead > LONGEST_LEAD => Self::Other,
            Some(begin) if begin == prefix => Self::Directive,
            None if prefix.starts_with(begin) => Self::Unknown,
            _ => Self::Other,
        }
    }
}

/// How much of a line's beginning people do not see: terminal codes, and a byte order mark where it is the first of all. `None` where
/// the line ends within that.
fn lead(line: &[u8], is_first: bool) -> Option<usize> {
    let marked = is_first && line.starts_with(BYTE_ORDER_MARK);
    if is_first && !marked && BYTE_ORDER_MARK.starts_with(line) {
        return None;
    }
    let mut lead = if marked { BYTE_ORDER_MARK.len() } else { 0 };
    while lead <= LONGEST_LEAD && line.get(lead) == Some(&0x1b) {
        let length = code(&line[lead..])?;
        if length == 0 {
            break;
        }
        lead += length;
    }
    Some(lead)
}

/// How long the terminal code is at the start, 0 where there is none (ECMA-48: a control sequence, or an escape sequence with
/// intermediate bytes); `None` where the text ends within it.
fn code(text: &[u8]) -> Option<usize> {
    let (begin, inner, last) = match text.get(1)? {
        b'[' => (2, b' '..=b'?', b'@'..=b'~'),
        b' '..=b'/' => (1, b' '..=b'/', b'0'..=b'~'),
        _ => return Some(0),
    };
    let Some(end) = text[begin..].iter().position(|byte| !inner.contains(byte)) else {
        return (text.len() > LONGEST_LEAD).then_some(0);
    };
    let end = begin + end;
    Some(if last.contains(&text[end]) { end + 1 } else { 0 })
}

/// Takes the directives out of a run's output.
pub(in crate::exec) fn take(output: &mut Output, redactor: &Redactor) -> Directives {
    let mut found = Found { directives: Directives::default(), lines: HashMap::new(), redactor };
    let apart = output.directives.take();
    if let Some(apart) = &apart {
        found.all_of(apart);
    }
    strip(&mut output.stdout, false, |line, whole| {
        if apart.is_none() {
            found.line(line, whole);
        } else if whole && line.len() > LONGEST {
            // Of such a line only the beginning was kept apart.
            found.is_taken_out(line);
        }
        true
    });
    if found.directives.is_empty() {
        return found.directives;
    }
    let mut lines = std::mem::take(&mut found.lines);
    let mut again = |line: &[u8], whole: bool| match lines.get_mut(line) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        // The other stream moves the gap: what is cut here may be whole there.
        _ => !whole,
    };
    // What stdout began with may stand behind what the other stream wrote.
    strip(&mut output.both, true, &mut again);
    found.directives
}

/// Takes whole lines out that are directives. A byte order mark stands before the first line, or may stand before any.
fn strip(captured: &mut Captured, any_marked: bool, mut is_directive: impl FnMut(&[u8], bool) -> bool) {
    let gap = captured.dropped > 0;
    let may_begin = |index: usize, line: &[u8]| Line::of(line, any_marked || index == 0) == Line::Directive;
    keep(&mut captured.head, gap, |index, line, whole| may_begin(index, line) && is_directive(line, whole));
    // After a gap the first line is the end of one: where it begins is not known.
    let is_known = |index: usize| !gap || index > 0;
    keep(&mut captured.tail, false, |index, line, whole| {
        is_known(index) && may_begin(index, line) && is_directive(line, whole)
    });
}

/// Keeps the lines that are no directives. The last, without a new line, is not whole when it is `cut_last`.
fn keep(text: &mut Vec<u8>, cut_last: bool, mut is_directive: impl FnMut(usize, &[u8], bool) -> bool) {
    let holds = text.windows(PREFIX.len()).any(|part| part == PREFIX.as_bytes());
    if !holds {
        return;
    }
    let mut kept = Vec::with_capacity(text.len());
    for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let whole = line.ends_with(b"\n") || !cut_last;
        if !is_directive(index, without_end(line), whole) {
            kept.extend_from_slice(line);
        }
    }
    *text = kept;
}

/// The directives so far.
struct Found<'r> {
    directives: Directives,
    /// The lines that were taken out of stdout, and how often: they are taken out of both streams' record too.
    lines: HashMap<Vec<u8>, usize>,
    redactor: &'r Redactor,
}

impl Found<'_> {
    /// Takes in those that were kept apart.
    fn all_of(&mut self, apart: &Captured) {
        for line in apart.head.split_inclusive(|byte| *byte == b'\n') {
            self.line(without_end(line), true);
        }
        if apart.dropped > 0 {
            self.misunderstands(format!("there are so many that {} bytes of them do not count", apart.dropped));
        }
        for line in apart.tail.split_inclusive(|byte| *byte == b'\n') {
            self.line(without_end(line), true);
        }
    }

    fn is_taken_out(&mut self, line: &[u8]) {
        *self.lines.entry(line.to_owned()).or_default() += 1;
    }

    fn misunderstands(&mut self, note: String) {
        match self.directives.misunderstood.len() < MOST {
            true => self.directives.misunderstood.push(note),
            false => self.directives.more_misunderstood += 1,
        }
    }

    /// Takes in a line that begins like a directive.
    fn line(&mut self, line: &[u8], whole: bool) {
        if whole {
            self.is_taken_out(line);
        }
        let shown = || {
            // Cut last: what a control character hides in the whole line may be seen in a part of it.
            plain(&clean(&self.redactor.mask(line)), self.redactor).chars().take(100).collect::<String>()
        };
        if !whole {
            return self
                .misunderstands(format!("output was dropped in the middle of it (`max_output`): `{}`", shown()));
        }
        if line.len() > LONGEST {
            return self.misunderstands(format!("it is longer than {LONGEST} bytes: `{}`", shown()));
        }
        // Masked as a whole, so that a pattern sees name and value together.
        let masked = self.redactor.mask(line);
        let text = String::from_utf8_lossy(&masked);
        let begin = lead(text.as_bytes(), true).and_then(|lead| text.get(lead..));
        let words = begin.and_then(|begin| begin.strip_prefix(PREFIX)).unwrap_or_default();
        let redactor = self.redactor;
        if let Err(why) = self.directives.obey(words.trim(), &|part| plain(part, redactor)) {
            let note = format!("{why}: `{}`", shown());
            self.misunderstands(note);
        }
    }
}

/// A line without its end.
fn without_end(line: &[u8]) -> &[u8] {
    let bare = line.strip_suffix(b"\n").unwrap_or(line);
    bare.strip_suffix(b"\r").unwrap_or(bare)
}

impl Directives {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes one in: `title=…`, `field NAME=VALUE`. The error says what is wrong with it.
    /// Its parts are made `plain` one by one.
    fn obey(&mut self, words: &str, plain: &dyn Fn(&str) -> String) -> Result<(), String> {
        let (name, value) = words.split_once('=').ok_or("there is no `=` in it")?;
        let (name, value) = (plain(name), plain(value));
        let (name, value) = (name.trim(), value.trim());
        if let Some(field) = name.strip_prefix("field").filter(|rest| rest.starts_with(char::is_whitespace)) {
            return self.field(field.trim(), value);
        }
        if value.is_empty() {
            return Err(format!("`{name}` says nothing"));
        }
        match name {
            "status" => {
                let stated = status(value);
                // The script says how it is, in a word that nobody knows.
                self.unclear = stated.is_none();
                self.status = Some(stated.ok_or("a status is ok, warning, critical or unknown")?);
            }
            "title" => self.title = Some(value.to_owned()),
            "key" => self.key = Some(value.to_owned()),
            "attach" => {
                if let Some(before) = self.attach.replace(value.to_owned()).filter(|before| before != value) {
                    self.notes(format!("{before} is not attached: of several files the last one is"));
                }
            }
            "mention" if self.mentions.iter().any(|known| known == value) => {}
            "mention" if self.mentions.len() >= MOST_MENTIONS => {
                return Err(format!("there are more than {MOST_MENTIONS} mentions"));
            }
            "mention" => self.mentions.push(value.to_owned()),
            "silence" => {
                let length = parse_duration(value).map_err(|refusal| refusal.message)?;
                self.silence = Some(length.min(LONGEST_SILENCE));
                if length > LONGEST_SILENCE {
                    self.notes(format!("a script may be silent for {} at most", format_duration(LONGEST_SILENCE)));
                }
            }
            "field" => return Err("write `field NAME=VALUE`".to_owned()),
            _ => return Err("there is no such directive".to_owned()),
        }
        Ok(())
    }

    fn notes(&mut self, note: String) {
        if self.notes.len() < MOST && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn field(&mut self, name: &str, value: &str) -> Result<(), String> {
        if let Some(known) = self.fields.iter_mut().find(|(known, _)| known == name) {
            value.clone_into(&mut known.1);
        } else if self.fields.len() >= MOST_FIELDS {
            return Err(format!("there are more than {MOST_FIELDS} fields"));
        } else {
            self.fields.push((name.to_owned(), value.to_owned()));
        }
        Ok(())
    }
}

/// A part of a line without what steers a terminal, masked: a pattern sees it as a person will.
fn plain(part: &str, redactor: &Redactor) -> String {
    redactor.mask_str(&clean_str(part)).into_owned()
}

fn status(word: &str) -> Option<Status> {
    Status::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use regex::bytes::Regex;

    use super::{LONGEST, LONGEST_SILENCE, MOST, PREFIX, take};
    use crate::exec::capture::output::{Capture, Stream};
    use crate::exec::capture::redact::Redactor;
    use crate::exec::outcome::{Captured, Directives, Output, Status};

    fn captured(text: &str) -> Captured {
        Captured { head: text.into(), ..Captured::default() }
    }

    /// What is understood of a stdout, and what is left of it.
    fn of(stdout: &str) -> (Directives, String) {
        let mut output = Output { stdout: captured(stdout), both: captured(stdout), ..Output::default() };
        let directives = take(&mut output, &Redactor::default());
        assert_eq!(output.stdout, output.both);
        (directives, String::from_utf8(output.stdout.head).expect("text"))
    }

    #[test]
    fn what_a_control_character_hides_in_a_line_is_masked_in_its_parts() {
        let redactor = Redactor::new(vec![Regex::new("hunter2").expect("a pattern")]);
        let long = "x".repeat(200);
        for line in [
            "::slack-alert field a hun\x1b[0mter2 b=<c>\r100%",
            "::slack-alert field a=hun\x1b[0mter2\rd=e",
            "::slack-alert title=hun\x1b[0mter2\r",
            "::slack-alert title=hun\x1b[0mter2\x1b[2K\x1b[1Gx",
            "::slack-alert key=hun\x08nter2\rx",
            &format!("::slack-alert no such hun\x1b[0mter2 {long}\rx"),
            &format!("::slack-alert hun\x1b[0mter2={long}\rx"),
        ] {
            let mut output = Output { stdout: captured(line), both: captured(line), ..Output::default() };
            let said = format!("{:?}", take(&mut output, &redactor));
            assert!(!said.contains("hunter2") && !said.contains("\\u{1b}"), "{line:?}: {said}");
        }
    }

    #[test]
    fn of_several_files_the_last_is_attached_and_the_others_are_named() {
        let (said, _) = of("::slack-alert attach=a.log\n::slack-alert attach=a.log\n::slack-alert attach=b.log\n");
        assert_eq!(said.attach.as_deref(), Some("b.log"));
        assert_eq!(said.notes, ["a.log is not attached: of several files the last one is"]);
    }

    #[test]
    fn each_directive_is_understood_and_taken_out() {
        let (said, left) = of("begin\n::slack-alert status=warning\n::slack-alert title= Disk = 91% full\r\n\
             ::slack-alert field Free space=12 GB\n::slack-alert field Free space=11 GB\n::slack-alert field empty=\n\
             middle\n::slack-alert mention=@here\n::slack-alert mention=@here\n::slack-alert key=disk:/var\n\
             ::slack-alert silence=1h 30m\n::slack-alert attach=logs/last.log\nend ::slack-alert title=no\n\
             ::slack-alert status=critical");
        assert_eq!(left, "begin\nmiddle\nend ::slack-alert title=no\n");
        let expected = Directives {
            status: Some(Status::Critical),
            title: Some("Disk = 91% full".to_owned()),
            fields: vec![("Free space".to_owned(), "11 GB".to_owned()), ("empty".to_owned(), String::new())],
            mentions: vec!["@here".to_owned()],
            key: Some("disk:/var".to_owned()),
            silence: Some(Duration::from_secs(5_400)),
            attach: Some("logs/last.log".to_owned()),
            ..Directives::default()
        };
        assert_eq!(said, expected);
        assert!(of("nothing\n::slack-alertx title=x\n").0.is_empty());
    }

    #[test]
    fn what_people_do_not_see_before_a_directive_does_not_hide_it() {
        for (stdout, left) in [
            ("\u{feff}::slack-alert status=warning\nrest\n", "rest\n"),
            ("\u{feff}\x1b[1m::slack-alert status=warning\r\nrest\n", "rest\n"),
            ("first\n\x1b[33m::slack-alert status=warning\x1b[0m\n", "first\n"),
            ("first\n\x1b[01;31m\x1b[K::slack-alert status=warning\x1b[m\x1b[K\n", "first\n"),
            ("\x1b(B\x1b[m::slack-alert \x1b[1mstatus=\x1b[0mwarning", ""),
        ] {
            let (said, kept) = of(stdout);
            assert_eq!((said.status, kept.as_str()), (Some(Status::Warning), left), "{stdout:?}");
            let plain = Redactor::default();
            let mut capture = Capture::new(1 << 20, &plain).with_directives(true);
            for byte in stdout.as_bytes() {
                capture.push(Stream::Stderr, b"e\n");
                capture.push(Stream::Stdout, &[*byte]);
            }
            let mut output = capture.finish();
            assert_eq!(take(&mut output, &plain).status, Some(Status::Warning), "{stdout:?}");
            assert_eq!((output.stdout.head.as_slice(), output.both.head.contains(&b':')), (left.as_bytes(), false));
        }
        for stdout in [
            "first\n\u{feff}::slack-alert status=warning\n",
            "\x1b[33mtext ::slack-alert status=warning\n",
            "\x1b[33\n::slack-alerts status=warning\n",
            "\x1b::slack-alert status=warning\n",
            &format!("{}::slack-alert status=warning\n", "\x1b[0m".repeat(40)),
            &format!("\x1b[{}m::slack-alert status=warning\n", "0".repeat(200)),
        ] {
            assert_eq!(of(stdout), (Directives::default(), stdout.to_owned()), "{stdout:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_taken_out_too_and_is_noted() {
        for (line, why) in [
            ("::slack-alert titel=x", "there is no such directive"),
            ("::slack-alert status=broken", "a status is ok, warning, critical or unknown"),
            ("::slack-alert hello", "there is no `=` in it"),
            ("::slack-alert title=", "`title` says nothing"),
            ("::slack-alert field =x", "write `field NAME=VALUE`"),
            ("::slack-alert field=x", "write `field NAME=VALUE`"),
            ("::slack-alert silence=soon", "`soon` is no duration"),
        ] {
            let (said, left) = of(&format!("{line}\nrest\n"));
            assert_eq!(left, "rest\n");
            assert_eq!(said.misunderstood.len(), 1, "{said:?}");
            assert!(said.misunderstood[0].contains(why) || line.contains("soon"), "{said:?}");
        }
    }

    #[test]
    fn there_is_a_limit_to_everything() {
        let many: String = (0..MOST + 9).map(|n| format!("::slack-alert titel=t{n}\n")).collect();
        let (said, left) = of(&many);
        assert_eq!((left.as_str(), said.misunderstood.len(), said.more_misunderstood), ("", MOST, 9));
        let long = format!("{PREFIX}title={}\n", "x".repeat(LONGEST));
        let (said, left) = of(&long);
        assert_eq!((said.title, left, said.misunderstood.len()), (None, String::new(), 1));
        let fields: String = (0..12).map(|n| format!("::slack-alert field f{n}=x\n")).collect();
        assert_eq!((of(&fields).0.fields.len(), of(&fields).0.misunderstood.len()), (10, 2));
        let (said, _) = of("::slack-alert silence=30d\n");
        assert_eq!((said.silence, said.notes.len()), (Some(LONGEST_SILENCE), 1));
    }

    #[test]
    fn a_status_counts_however_many_directives_and_however_much_output_come_before_it() {
        let plain = Redactor::default();
        let fields: String = (0..200).map(|n| format!("::slack-alert field f{n}={n}\n")).collect();
        let much = "output\n".repeat(9_000);
        for limit in [0, 64, 1 << 10, 1 << 20] {
            let mut capture = Capture::new(limit, &plain).with_directives(true);
            for part in [&fields, &much, "::slack-alert sta", "tus=critical\n", &much, "::slack-alert key=x"] {
                capture.push(Stream::Stdout, part.as_bytes());
                capture.push(Stream::Stderr, b"::slack-alert status=ok\n");
            }
            let mut output = capture.finish();
            let said = take(&mut output, &plain);
            assert_eq!((said.status, said.key.as_deref()), (Some(Status::Critical), Some("x")), "{limit}");
            assert_eq!(said.misunderstood.len() as u64 + said.more_misunderstood, 190, "fields: {limit}");
            let kept = [output.stdout.head, output.stdout.tail].concat();
            assert!(!String::from_utf8_lossy(&kept).contains("\n::slack-alert"), "{limit}");
            assert_eq!(output.directives, None);
        }
    }

    #[test]
    fn at_a_gap_half_a_directive_is_not_obeyed_and_not_shown() {
        let with_gap = |head: &str, tail: &str| Captured { head: head.into(), tail: tail.into(), dropped: 99 };
        let captured = with_gap(
            "a\n::slack-alert title=one\n::slack-alert status=crit",
            "::slack-alert key=x\n::slack-alert key=y\nz",
        );
        let mut output = Output { stdout: captured.clone(), both: captured, ..Output::default() };
        let said = take(&mut output, &Redactor::default());
        assert_eq!((said.title.as_deref(), said.status, said.key.as_deref()), (Some("one"), None, Some("y")));
        assert_eq!(output.stdout, with_gap("a\n", "::slack-alert key=x\nz"));
        assert_eq!(output.both, output.stdout);
    }

    #[test]
    fn only_stdout_has_directives_and_secrets_are_masked() {
        let mut output = Output {
            stdout: captured("::slack-alert title=pw hunter2\n"),
            stderr: captured("::slack-alert title=err\n"),
            both: captured("::slack-alert title=err\n::slack-alert title=pw hunter2\n"),
            ..Output::default()
        };
        let said = take(&mut output, &Redactor::new(vec![Regex::new("hunter2").expect("valid")]));
        assert_eq!(said.title.as_deref(), Some("pw [redacted]"));
        assert_eq!(output.stdout.head, b"");
        assert_eq!(output.both, output.stderr);
    }

    proptest! {
        /// Whatever is written: nothing panics, and lines that do not begin like a directive stay as they are.
        #[test]
        fn other_lines_are_left_alone(lines in prop::collection::vec("(::slack-alert )?(title=|field |key|=){0,2}[a-z =é]{0,9}", 0..30)) {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let (_, left) = of(&text);
            let plain = |text: &str| text.lines().filter(|line| !line.starts_with(PREFIX)).map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(plain(&left), plain(&text));
        }
    }
}
