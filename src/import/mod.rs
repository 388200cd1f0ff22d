//! Other schedulers' files become job files: a crontab, or the plugins of the Python slack-alert.
//!
//! Before it: nothing of ours. [`crontab`] and [`plugins`] convert, [`write()`] puts the result on disk. What is converted is
//! complete: every line of a crontab and every scheduled function is a file in [`Imported`], or a [`Note`] that says why
//! not. A file that exists is never touched.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;

pub mod crontab;
mod name;
pub mod plugins;
mod quote;
mod write;

pub use write::{Action, Step, WriteError, keep, plan, replace, text_diff, write};

/// What a conversion yields: files to write, and what people should know about the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The files, in the order of what they come from.
    pub files: Vec<NewFile>,
    /// What could not be carried over, or means something else now, in the order of the lines.
    pub notes: Vec<Note>,
    /// The note about a guess on which everything depends, where it may as well be wrong.
    pub doubt: Option<Note>,
}

/// What a conversion has to know of the place it is for.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// `[defaults]` of the `slack_alert.toml` that is there; `None` where there is none, so that one is written.
    pub defaults: Option<&'a toml::Table>,
    /// Whose crontab it is, where that is another user than the one who imports.
    pub owner: Option<&'a str>,
    /// The home of a user on this machine; without a name, that of the crontab's owner.
    pub home: &'a dyn Fn(Option<&str>) -> Option<String>,
    /// Its users and programs.
    pub machine: Machine<'a>,
}

/// What tells a user's name from a program's.
#[derive(Clone, Copy)]
pub struct Machine<'a> {
    /// Whether there is a user of this name.
    pub is_user: &'a dyn Fn(&str) -> bool,
    /// Whether there is a program of this name or path.
    pub is_program: &'a dyn Fn(&str) -> bool,
}

impl Machine<'_> {
    /// A machine of which nothing is known.
    pub const UNKNOWN: Self = Self { is_user: &|_| false, is_program: &|_| false };
}

impl fmt::Debug for Machine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Machine")
    }
}

impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("defaults", &self.defaults).finish_non_exhaustive()
    }
}

/// A file to be written.
#[derive(Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Where, relative to the folder of `slack_alert.toml`: `jobs.d/NAME.toml`, `slack_alert.toml`, `slack.token`.
    pub path: PathBuf,
    /// What is in it.
    pub content: String,
    /// Whether the content is a secret: then it is never shown, and only the owner may read the file.
    pub secret: bool,
    /// The line it comes from, from 1.
    pub line: Option<usize>,
}

/// A remark for the one who imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The file it is about, as it was given.
    pub file: String,
    /// The line, from 1.
    pub line: Option<usize>,
    /// What to know, in a sentence.
    pub text: String,
}

impl Imported {
    /// Notes what a crontab is taken for.
    fn note_guess(&mut self, file: &str, (line, text): (Option<usize>, String), is_doubtful: bool) {
        let note = Note { file: file.to_owned(), line, text };
        self.doubt = is_doubtful.then(|| note.clone());
        self.notes.push(note);
    }

    fn note(&mut self, file: &str, line: impl Into<Option<usize>>, text: impl Into<String>) {
        self.notes.push(Note { file: file.to_owned(), line: line.into(), text: text.into() });
    }

    /// Notes in the order of files and lines; what is about a file as a whole comes last.
    fn sort_notes(&mut self) {
        let line = |note: &Note| note.line.unwrap_or(usize::MAX);
        self.notes.sort_by(|a, b| (&a.file, line(a)).cmp(&(&b.file, line(b))));
    }
}

impl fmt::Debug for NewFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = if self.secret { "(secret)" } else { self.content.as_str() };
        f.debug_struct("NewFile")
            .field("path", &self.path)
            .field("content", &content)
            .field("secret", &self.secret)
            .field("line", &self.line)
            .finish()
    }
}

/// As compilers say it: `FILE:LINE: text`.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.text),
            None => write!(f, "{}: {}", self.file, self.text),
        }
    }
}

/// `wanted`, or with the first free number behind it. Names that differ only in case are the same name, since some file
/// systems think so.
fn unique(taken: &mut HashSet<String>, wanted: &str) -> String {
    let mut name = wanted.to_owned();
    let mut number = 2_usize;
    while !taken.insert(name.to_lowercase()) {
        name = format!("{wanted}-{number}");
        number += 1;
    }
    name
}

/// A length of time with all its units, as `every` takes it: `1d 2h`, `2m 30s`, `500ms`.
fn spell_micros(micros: u64) -> String {
    let units =
        [(86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"), (1_000, "ms"), (1, "us")];
    let mut left = micros;
    let mut words = Vec::new();
    for (size, unit) in units {
        if left >= size {
            words.push(format!("{}{unit}", left / size));
            left %= size;
        }
    }
    if words.is_empty() { "0s".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::PathBuf;

    use super::{NewFile, Note, spell_micros, unique};

    #[test]
    fn a_secret_is_not_shown() {
        let content = "xoxb-1-2-3".to_owned();
        let file = NewFile { path: PathBuf::from("slack.token"), content, secret: true, line: None };
        assert!(!format!("{file:?}").contains("xoxb"), "{file:?}");
    }

    #[test]
    fn a_note_names_its_place() {
        let mut note = Note { file: "crontab".to_owned(), line: Some(3), text: "what".to_owned() };
        assert_eq!(note.to_string(), "crontab:3: what");
        note.line = None;
        assert_eq!(note.to_string(), "crontab: what");
    }

    #[test]
    fn lengths_of_time_are_spelled_in_full_and_read_back() {
        for (micros, spelled) in [
            (5_000_000, "5s"),
            (150_000_000, "2m 30s"),
            (500_000, "500ms"),
            (1_500_000, "1s 500ms"),
            (93_784_005_006, "1d 2h 3m 4s 5ms 6us"),
            (0, "0s"),
        ] {
            assert_eq!(spell_micros(micros), spelled);
            let read = crate::document::parse_duration(spelled).map(|length| length.as_micros());
            assert_eq!(read, Ok(u128::from(micros)));
        }
    }

    #[test]
    fn names_are_unique_whatever_their_case() {
        let mut taken = HashSet::new();
        let names: Vec<_> = ["backup", "Backup", "backup", "clean"].map(|name| unique(&mut taken, name)).into();
        assert_eq!(names, ["backup", "Backup-2", "backup-3", "clean"]);
    }
}
