//! What is wrong with a configuration, as data: stations push a [`Problem`] with its place, a rendering shows it.
//!
//! After this module: every reader and every lint rule. A problem never stops the reading of anything else.

pub mod code;
pub mod github;
pub mod human;
pub mod json;
pub mod mask;
pub mod sarif;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::order;

pub use code::Code;

/// Whether a problem stops a job (or a start), or only deserves a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used as it stands.
    Error,
    /// It works, and will probably surprise.
    Warning,
}

/// Which file of [`Sources`] a place lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(u32);

/// A stretch of a source: byte offsets, start included, end not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub source: SourceId,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A place with words beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub place: Place,
    /// What is there; may be empty.
    pub text: String,
}

/// One thing that is wrong, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its stable name.
    pub code: Code,
    /// One sentence, lower case, no full stop.
    pub message: String,
    /// Where it is; the first label is the culprit, others explain it.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub help: Option<String>,
}

/// One file that was read, kept so that problems can show its lines.
#[derive(Clone, Debug)]
pub struct Source {
    /// As the user would write it.
    pub path: PathBuf,
    /// Its text; empty where it could not be read.
    pub text: Arc<str>,
}

/// Every file that was read in one pass.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

/// Every problem of one pass, each once.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    list: Vec<Problem>,
}

/// A place as people and other programs name it: the file's path as it was given, first and one past the last character.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spot {
    /// The file's path, as the user would write it.
    pub file: String,
    /// First character.
    pub start: Position,
    /// One past the last character.
    pub end: Position,
}

/// Line and column of an offset, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Place {
    /// A stretch of `source`.
    pub fn new(source: SourceId, span: Range<usize>) -> Self {
        Self { source, start: span.start, end: span.end.max(span.start) }
    }

    /// The byte range within the source.
    pub fn span(self) -> Range<usize> {
        self.start..self.end
    }
}

impl Problem {
    /// A problem at a place; the label there is without words, since the message says it.
    pub fn new(code: Code, place: Place, message: impl Into<String>) -> Self {
        let label = Label { place, text: String::new() };
        Self { code, message: message.into(), labels: vec![label], help: None }
    }

    /// Adds the way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the way out, if there is one.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Puts words beside the culprit.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(first) = self.labels.first_mut() {
            first.text = text.into();
        }
        self
    }

    /// Points at a second place that explains the first.
    #[must_use]
    pub fn also(mut self, place: Place, text: impl Into<String>) -> Self {
        self.labels.push(Label { place, text: text.into() });
        self
    }

    /// The culprit's place.
    pub fn place(&self) -> Option<Place> {
        self.labels.first().map(|label| label.place)
    }

    /// Error or warning.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

impl Sources {
    /// Keeps a file's text; the path is shown as given.
    pub fn add(&mut self, path: &Path, text: impl Into<Arc<str>>) -> SourceId {
        self.files.push(Source { path: path.to_owned(), text: text.into() });
        SourceId(u32::try_from(self.files.len() - 1).expect("fewer than 2^32 files are ever read"))
    }

    /// Gives a file its text, when it is read after its id was given out.
    pub fn fill(&mut self, id: SourceId, text: Arc<str>) {
        self.files[id.0 as usize].text = text;
    }

    /// The file behind an id that this collection gave out.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.files[id.0 as usize]
    }

    /// Every file, in the order of reading.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        (0..).map(SourceId).zip(&self.files)
    }

    /// Shows files below this folder by their path within it, as people would write it.
    pub fn show_from(&mut self, folder: &Path) {
        for source in &mut self.files {
            let below = source.path.strip_prefix(folder).or_else(|_| source.path.strip_prefix("."));
            if let Ok(below) = below.map(Path::to_owned)
                && below != source.path
            {
                source.path = below;
            }
        }
    }

    /// How many files were read.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// A place by file, line and column.
    pub fn spot(&self, place: Place) -> Spot {
        let position = |offset| self.position(place.source, offset);
        let file = self.get(place.source).path.display().to_string();
        Spot { file, start: position(place.start), end: position(place.end) }
    }

    /// Line and column of a byte offset of a file; an offset past the end is the end.
    pub fn position(&self, id: SourceId, offset: usize) -> Position {
        let text = &self.get(id).text;
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Position { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }
}

impl Problems {
    /// Takes one in; the same problem at the same place is kept once (a bad default is met by every job).
    pub fn push(&mut self, problem: Problem) {
        if !self.list.iter().rev().take(64).any(|known| *known == problem) {
            self.list.push(problem);
        }
    }

    /// Takes all of another collection in.
    pub fn extend(&mut self, other: Self) {
        for problem in other.list {
            self.push(problem);
        }
    }

    /// In the order of the files and of the places within each.
    pub fn sort(&mut self) {
        order::by_key(&mut self.list, |problem| (problem.place(), problem.severity()));
    }

    /// Every problem.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// Keeps those that `keep` says.
    pub fn retain(&mut self, keep: impl FnMut(&Problem) -> bool) {
        self.list.retain(keep);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many are errors.
    pub fn errors(&self) -> usize {
        self.list.iter().filter(|problem| problem.severity() == Severity::Error).count()
    }

    /// How many are warnings.
    pub fn warnings(&self) -> usize {
        self.len() - self.errors()
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;
    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}
