//! Lines of stdout that speak to the tool (`directives = true`): found, taken out of the output, understood.
//!
//! Before it: output as it was written, unmasked. After it: `assess`, which lets a status count; the rest goes with the
//! [`Outcome`](super::Outcome) to `policy` and `message`. Pure.
//!
//! One directive a line: `::slack-alert title=The words to its end`. Invariants: at most [`MOST`] count, none longer than
//! [`LONGEST`]; what is no directive stays in the output, and is noted; what is one is in neither of the outputs. Where
//! output was dropped, the lines at the gap are not whole: half a directive is not obeyed.

use std::collections::HashMap;
use std::time::Duration;

use super::outcome::{Captured, Output, Status};
use super::redact::Redactor;
use crate::document::{format_duration, parse_duration};

/// What such a line begins with.
pub(super) const PREFIX: &str = "::slack-alert ";

/// So many count in one run; the rest stays in the output.
pub(super) const MOST: usize = 64;

/// A longer line, in bytes, is none.
pub(super) const LONGEST: usize = 3_000;

/// Slack shows so many fields.
const MOST_FIELDS: usize = 10;

/// Whom a run may want to ping.
const MOST_MENTIONS: usize = 10;

/// No directive silences its job for longer: a slip of the pen must not do so for ever.
pub(super) const LONGEST_SILENCE: Duration = Duration::from_secs(7 * 86_400);

/// What a run said to the tool. Every text is as the script wrote it but for `redact`: not escaped, not trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `status=`: what the run means, where its end leaves that open.
    pub status: Option<Status>,
    /// `title=`: the message's title.
    pub title: Option<String>,
    /// `field NAME=VALUE`, in their order; of one name the last.
    pub fields: Vec<(String, String)>,
    /// `mention=`: who is to be pinged, if `notify.mention_allowed` has them.
    pub mentions: Vec<String>,
    /// `key=`: which incident of the job a failure belongs to.
    pub key: Option<String>,
    /// `silence=`: for so long nothing more is said after this run.
    pub silence: Option<Duration>,
    /// `attach=`: a file below the command's folder, as it was named.
    pub attach: Option<String>,
    /// That file, once it was read.
    pub file: Option<File>,
    /// What could not be done, in words, for the message.
    pub notes: Vec<String>,
    /// What was not understood, in words, for the log.
    pub misunderstood: Vec<String>,
}

/// A file that goes with the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, without folders.
    pub name: String,
    /// What is in it, `redact` applied.
    pub content: Vec<u8>,
}

/// Takes the directives out of a run's output.
pub(super) fn take(output: &mut Output, redactor: &Redactor) -> Directives {
    let mut found = Found { directives: Directives::default(), lines: HashMap::new(), count: 0, redactor };
    strip(&mut output.stdout, |line, whole| found.line(line, whole));
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
    strip(&mut output.both, &mut again);
    found.directives
}

/// Takes whole lines out that `speaks` wants out.
fn strip(captured: &mut Captured, mut speaks: impl FnMut(&[u8], bool) -> bool) {
    let gap = captured.dropped > 0;
    keep(&mut captured.head, false, gap, &mut speaks);
    // After a gap the first line is the end of one: where it begins is not known.
    keep(&mut captured.tail, gap, false, &mut speaks);
}

/// Keeps the lines that say nothing to the tool. The first is none when it is `cut_first`; the last, without a new line,
/// is not whole when it is `cut_last`.
fn keep(text: &mut Vec<u8>, cut_first: bool, cut_last: bool, speaks: &mut impl FnMut(&[u8], bool) -> bool) {
    let holds = text.windows(PREFIX.len()).any(|part| part == PREFIX.as_bytes());
    if !holds {
        return;
    }
    let mut kept = Vec::with_capacity(text.len());
    for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let whole = bare.len() < line.len() || !cut_last;
        let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
        let begins = !(cut_first && index == 0) && bare.starts_with(PREFIX.as_bytes());
        if !begins || !speaks(bare, whole) {
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
    count: usize,
    redactor: &'r Redactor,
}

impl Found<'_> {
    /// Whether a line is a directive, and so to be taken out.
    fn line(&mut self, line: &[u8], whole: bool) -> bool {
        let shown = || {
            let masked = self.redactor.mask(line);
            String::from_utf8_lossy(&masked).chars().take(100).collect::<String>()
        };
        if self.count >= MOST {
            if self.count == MOST {
                self.count += 1;
                let note = format!("there are more than {MOST}; from here on they stay in the output: `{}`", shown());
                self.directives.misunderstood.push(note);
            }
            return false;
        }
        if !whole {
            let note = format!("output was dropped in the middle of it (`max_output`): `{}`", shown());
            self.directives.misunderstood.push(note);
            return true;
        }
        if line.len() > LONGEST {
            let note = format!("it is longer than {LONGEST} bytes: `{}`", shown());
            self.directives.misunderstood.push(note);
            self.count += 1;
            return false;
        }
        // Masked as a whole, so that a pattern sees name and value together.
        let masked = self.redactor.mask(line);
        let text = String::from_utf8_lossy(&masked);
        let words = text.strip_prefix(PREFIX).unwrap_or_default();
        self.count += 1;
        match self.directives.obey(words.trim()) {
            Ok(()) => {
                *self.lines.entry(line.to_owned()).or_default() += 1;
                true
            }
            Err(why) => {
                let note = format!("{why}: `{}`", shown());
                self.directives.misunderstood.push(note);
                false
            }
        }
    }
}

impl Directives {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes one in: `title=…`, `field NAME=VALUE`. The error says what is wrong with it.
    fn obey(&mut self, words: &str) -> Result<(), String> {
        let (name, value) = words.split_once('=').ok_or("there is no `=` in it")?;
        let (name, value) = (name.trim(), value.trim());
        if let Some(field) = name.strip_prefix("field").filter(|rest| rest.starts_with(char::is_whitespace)) {
            return self.field(field.trim(), value);
        }
        if value.is_empty() {
            return Err(format!("`{name}` says nothing"));
        }
        match name {
            "status" => self.status = Some(status(value).ok_or("a status is ok, warning, critical or unknown")?),
            "title" => self.title = Some(value.to_owned()),
            "key" => self.key = Some(value.to_owned()),
            "attach" => self.attach = Some(value.to_owned()),
            "mention" if self.mentions.iter().any(|known| known == value) => {}
            "mention" if self.mentions.len() >= MOST_MENTIONS => {
                return Err(format!("there are more than {MOST_MENTIONS} mentions"));
            }
            "mention" => self.mentions.push(value.to_owned()),
            "silence" => {
                let length = parse_duration(value).map_err(|refusal| refusal.message)?;
                self.silence = Some(length.min(LONGEST_SILENCE));
                if length > LONGEST_SILENCE {
                    self.notes.push(format!("a script may be silent for {} at most", format_duration(LONGEST_SILENCE)));
                }
            }
            "field" => return Err("write `field NAME=VALUE`".to_owned()),
            _ => return Err("there is no such directive".to_owned()),
        }
        Ok(())
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

fn status(word: &str) -> Option<Status> {
    [Status::Ok, Status::Warning, Status::Critical, Status::Unknown].into_iter().find(|status| status.as_str() == word)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use regex::bytes::Regex;

    use super::{Directives, LONGEST, LONGEST_SILENCE, MOST, PREFIX, take};
    use crate::exec::outcome::{Captured, Output, Status};
    use crate::exec::redact::Redactor;

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
    fn what_is_no_directive_stays_and_is_noted() {
        for (line, why) in [
            ("::slack-alert titel=x", "there is no such directive"),
            ("::slack-alert status=broken", "a status is ok, warning, critical or unknown"),
            ("::slack-alert hello", "there is no `=` in it"),
            ("::slack-alert title=", "`title` says nothing"),
            ("::slack-alert field =x", "write `field NAME=VALUE`"),
            ("::slack-alert field=x", "write `field NAME=VALUE`"),
            ("::slack-alert silence=soon", "`soon` is no duration"),
        ] {
            let (said, left) = of(&format!("{line}\n"));
            assert_eq!(left, format!("{line}\n"));
            assert_eq!(said.misunderstood.len(), 1, "{said:?}");
            assert!(said.misunderstood[0].contains(why) || line.contains("soon"), "{said:?}");
        }
    }

    #[test]
    fn there_is_a_limit_to_everything() {
        let many: String = (0..MOST + 9).map(|n| format!("::slack-alert title=t{n}\n")).collect();
        let (said, left) = of(&many);
        assert_eq!((left.lines().count(), said.misunderstood.len()), (9, 1));
        assert_eq!(said.title, Some(format!("t{}", MOST - 1)));
        let long = format!("{PREFIX}title={}\n", "x".repeat(LONGEST));
        let (said, left) = of(&long);
        assert_eq!((said.title, left), (None, long));
        let fields: String = (0..12).map(|n| format!("::slack-alert field f{n}=x\n")).collect();
        assert_eq!((of(&fields).0.fields.len(), of(&fields).1.lines().count()), (10, 2));
        let (said, _) = of("::slack-alert silence=30d\n");
        assert_eq!((said.silence, said.notes.len()), (Some(LONGEST_SILENCE), 1));
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
    fn only_stdout_speaks_and_secrets_are_masked() {
        let mut output = Output {
            stdout: captured("::slack-alert title=pw hunter2\n"),
            stderr: captured("::slack-alert title=err\n"),
            both: captured("::slack-alert title=err\n::slack-alert title=pw hunter2\n"),
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
