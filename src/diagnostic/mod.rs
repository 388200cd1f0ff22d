//! What is wrong with a configuration, as data: stations push a [`Problem`] with its place, a rendering shows it.
//!
//! After this module: every reader and every lint rule. A problem never stops the reading of anything else.

pub mod code;
pub mod github;
pub mod human;
pub mod json;
pub mod mask;
pub mod sarif;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub use crate::id::in_one_line;
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// Where.
    pub place: Place,
    /// What is there; may be empty.
    pub text: String,
}

/// One thing that is wrong, and the way out. Invariant: nothing in it looks like a secret, whatever the file has in that place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// Where its lines begin, once that was asked for.
    lines: OnceLock<Box<[usize]>>,
    /// Its text without its secrets, once that was asked for.
    masked: OnceLock<Arc<str>>,
}

/// So many problems of one file are kept and shown; what is above is counted. Nobody corrects a file with more from a list.
const MOST_OF_A_FILE: usize = 100;

/// Every file that was read in one pass.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

/// Every problem of one pass, each once, and no more of one file than people read.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    list: Vec<Problem>,
    /// Of each problem that was taken in, its hash.
    known: HashSet<u64>,
    files: BTreeMap<SourceId, OfFile>,
    /// Errors and warnings of the list that only stand for what was left out.
    stand_ins: (usize, usize),
}

/// The problems of one file.
#[derive(Clone, Debug, Default)]
struct OfFile {
    kept: usize,
    left_out: usize,
    errors_left_out: usize,
    /// The first that was left out; an error where there is one.
    first: Option<Box<Problem>>,
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
        Self { code, message: masked(message), labels: vec![label], help: None }
    }

    /// The same at another place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        if let Some(first) = self.labels.first_mut() {
            first.place = place;
        }
        self
    }

    /// Adds the way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(masked(help));
        self
    }

    /// Adds the way out, if there is one.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.map(masked).or(self.help);
        self
    }

    /// Puts words beside the culprit.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(first) = self.labels.first_mut() {
            first.text = masked(text);
        }
        self
    }

    /// Points at a second place that explains the first.
    #[must_use]
    pub fn also(mut self, place: Place, text: impl Into<String>) -> Self {
        self.labels.push(Label { place, text: masked(text) });
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

    /// Whether a job whose file has it is not loaded.
    pub fn stops_a_job(&self) -> bool {
        self.severity() == Severity::Error && !self.code.is_about_the_machine()
    }
}

fn masked(text: impl Into<String>) -> String {
    let text = text.into();
    match mask::secrets(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(masked) => masked,
    }
}

impl Source {
    fn new(path: &Path, text: Arc<str>) -> Self {
        Self { path: path.to_owned(), text, lines: OnceLock::new(), masked: OnceLock::new() }
    }

    /// Where each line begins.
    fn lines(&self) -> &[usize] {
        let after = |(at, _): (usize, &str)| at + 1;
        self.lines.get_or_init(|| std::iter::once(0).chain(self.text.match_indices('\n').map(after)).collect())
    }

    /// The text without its secrets, byte for byte as long.
    pub fn masked(&self) -> &Arc<str> {
        self.masked.get_or_init(|| match mask::file(&self.text) {
            Cow::Borrowed(_) => Arc::clone(&self.text),
            Cow::Owned(masked) => masked.into(),
        })
    }

    /// The range of whole lines around a range of bytes, and the number of the first, from 1.
    pub fn lines_around(&self, span: Range<usize>) -> (Range<usize>, usize) {
        let lines = self.lines();
        let first = lines.partition_point(|begin| *begin <= span.start).max(1);
        let after = lines.partition_point(|begin| *begin <= span.end.max(span.start));
        (lines[first - 1]..lines.get(after).copied().unwrap_or(self.text.len()), first)
    }

    /// The path in one line: whatever its name holds, it cannot end the line, nor speak to the terminal.
    pub fn shown(&self) -> String {
        in_one_line(&self.path.display().to_string()).into_owned()
    }
}

impl Sources {
    /// Keeps a file's text; the path is shown as given.
    pub fn add(&mut self, path: &Path, text: impl Into<Arc<str>>) -> SourceId {
        self.files.push(Source::new(path, text.into()));
        SourceId(u32::try_from(self.files.len() - 1).expect("fewer than 2^32 files are ever read"))
    }

    /// Gives a file its text, when it is read after its id was given out.
    pub fn fill(&mut self, id: SourceId, text: Arc<str>) {
        let file = &mut self.files[id.0 as usize];
        *file = Source::new(&file.path, text);
    }

    /// The file behind an id that this collection gave out.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.files[id.0 as usize]
    }

    /// Every file, in the order of reading.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        (0..).map(SourceId).zip(&self.files)
    }

    /// Shows files below this folder by their path within it, as people would write it. A path that goes up (`..`) leads where
    /// `real` says.
    pub fn show_from(&mut self, folder: &Path, real: impl Fn(&Path) -> Option<PathBuf>) {
        // Everything lies below the root, and is named by its whole path there.
        if folder.parent().is_none() {
            return;
        }
        let goes_up = |path: &Path| path.components().any(|part| part == std::path::Component::ParentDir);
        // Files are many, and their folders are few.
        let mut folders: HashMap<PathBuf, Option<PathBuf>> = HashMap::new();
        for source in &mut self.files {
            if goes_up(&source.path)
                && let (Some(above), Some(name)) = (source.path.parent(), source.path.file_name())
            {
                let above = folders.entry(above.to_owned()).or_insert_with_key(|above| real(above));
                let path = above.as_ref().map(|above| above.join(name));
                if let Some(path) = path.filter(|path| path.starts_with(folder)) {
                    source.path = path;
                }
            }
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
        let lines = self.get(id).lines();
        let line = lines.partition_point(|begin| *begin <= offset).max(1);
        // A byte order mark is no character that anybody counts.
        let before = text[lines[line - 1]..offset].trim_start_matches('\u{feff}');
        Position { line, column: before.chars().count() + 1 }
    }
}

impl Problems {
    /// Takes one in; the same problem at the same place is kept once (a bad default is met by every job). Above the most
    /// of its file, it is counted and not kept.
    pub fn push(&mut self, problem: Problem) {
        let mut hasher = DefaultHasher::new();
        problem.hash(&mut hasher);
        let hash = hasher.finish();
        if !self.known.insert(hash) {
            return;
        }
        let of = problem.place().map(|place| self.files.entry(place.source).or_default());
        match of {
            Some(file) if file.kept >= MOST_OF_A_FILE => file.leave_out(problem),
            file => {
                file.into_iter().for_each(|file| file.kept += 1);
                self.list.push(problem);
            }
        }
    }

    /// Takes all of another collection in.
    pub fn extend(&mut self, other: Self) {
        for problem in other.list {
            self.push(problem);
        }
        for (source, left) in other.files.into_iter().filter(|(_, file)| file.left_out > 0) {
            let file = self.files.entry(source).or_default();
            file.left_out += left.left_out;
            file.errors_left_out += left.errors_left_out;
            file.first = file.first.take().or(left.first);
        }
    }

    /// Whether what else is wrong with this file would only be counted.
    pub fn is_full(&self, source: SourceId) -> bool {
        self.files.get(&source).is_some_and(|file| file.kept >= MOST_OF_A_FILE)
    }

    /// Ends the collecting: sorts, and says of each file how much was left out.
    pub fn close(&mut self) {
        for file in self.files.values_mut() {
            if let Some(mut first) = file.first.take() {
                let plural = if file.left_out == 1 { "" } else { "s" };
                first.message = format!("and {} more problem{plural} in this file", file.left_out);
                first.help = Some("correct those above, then check again".to_owned());
                first.labels.truncate(1);
                match first.severity() {
                    Severity::Error => self.stand_ins.0 += 1,
                    Severity::Warning => self.stand_ins.1 += 1,
                }
                self.list.push(*first);
            }
        }
        self.sort();
    }

    /// In the order of the files and of the places within each.
    pub fn sort(&mut self) {
        self.list.sort_by_key(|problem| (problem.place(), problem.severity()));
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

    /// How many are errors, those that were left out included.
    pub fn errors(&self) -> usize {
        let left_out: usize = self.files.values().map(|file| file.errors_left_out).sum();
        let kept = self.list.iter().filter(|problem| problem.severity() == Severity::Error).count();
        kept - self.stand_ins.0 + left_out
    }

    /// How many are warnings, likewise.
    pub fn warnings(&self) -> usize {
        let left_out: usize = self.files.values().map(|file| file.left_out - file.errors_left_out).sum();
        let kept = self.list.iter().filter(|problem| problem.severity() == Severity::Warning).count();
        kept - self.stand_ins.1 + left_out
    }
}

impl OfFile {
    fn leave_out(&mut self, problem: Problem) {
        let is_error = problem.severity() == Severity::Error;
        self.left_out += 1;
        self.errors_left_out += usize::from(is_error);
        let better = is_error && self.first.as_ref().is_some_and(|first| first.severity() == Severity::Warning);
        if self.first.is_none() || better {
            self.first = Some(Box::new(problem));
        }
    }
}

impl FromIterator<Problem> for Problems {
    fn from_iter<I: IntoIterator<Item = Problem>>(all: I) -> Self {
        let mut problems = Self::default();
        all.into_iter().for_each(|problem| problems.push(problem));
        problems
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;
    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, MOST_OF_A_FILE, Place, Position, Problem, Problems, Sources, in_one_line};

    #[test]
    fn a_file_with_very_many_problems_shows_some_and_counts_the_rest() {
        let (mut sources, mut problems) = (Sources::default(), Problems::default());
        let text = "x = 1\n".repeat(1_000);
        let (bad, other) = (sources.add("bad.toml".as_ref(), text.as_str()), sources.add("other.toml".as_ref(), "y"));
        for line in 0..1_000 {
            let at = Place::new(bad, line * 6..line * 6 + 1);
            problems.push(Problem::new(Code::UnknownKey, at, "unknown key `x`"));
            problems.push(Problem::new(Code::UnknownKey, at, "unknown key `x`"));
        }
        problems.push(Problem::new(Code::NoTimeout, Place::new(other, 0..1), "a warning of another file"));
        let mut all = Problems::default();
        all.extend(problems);
        assert_eq!((all.errors(), all.warnings(), all.len()), (1_000, 1, MOST_OF_A_FILE + 1));
        assert!(all.is_full(bad) && !all.is_full(other));
        all.close();
        assert_eq!((all.errors(), all.warnings(), all.len()), (1_000, 1, MOST_OF_A_FILE + 2));
        let last = all.iter().filter(|problem| problem.place().is_some_and(|place| place.source == bad)).last();
        let last = last.expect("the file has problems");
        assert_eq!((last.message.as_str(), last.code), ("and 900 more problems in this file", Code::UnknownKey));
    }

    #[test]
    fn an_error_among_what_is_left_out_stays_an_error() {
        let (mut sources, mut problems) = (Sources::default(), Problems::default());
        let file = sources.add("a.toml".as_ref(), "x".repeat(500));
        for at in 0..MOST_OF_A_FILE + 5 {
            problems.push(Problem::new(Code::NoTimeout, Place::new(file, at..at + 1), "a warning"));
        }
        problems.push(Problem::new(Code::UnknownKey, Place::new(file, 400..401), "an error"));
        problems.close();
        assert_eq!((problems.errors(), problems.warnings()), (1, MOST_OF_A_FILE + 5));
        assert_eq!(problems.iter().last().map(|last| last.code), Some(Code::UnknownKey));
    }

    #[test]
    fn lines_and_columns_of_a_file() {
        let mut sources = Sources::default();
        let id = sources.add("x".as_ref(), "ä b\n\nlast");
        for (offset, line, column) in [(0, 1, 1), (1, 1, 1), (2, 1, 2), (4, 1, 4), (5, 2, 1), (6, 3, 1), (99, 3, 5)] {
            assert_eq!(sources.position(id, offset), Position { line, column }, "{offset}");
        }
        let marked = sources.add("y".as_ref(), "\u{feff}a = 1");
        assert_eq!([0, 3, 4].map(|offset| sources.position(marked, offset).column), [1, 1, 2], "a mark is not counted");
        let source = sources.get(id);
        assert_eq!(source.lines_around(0..1), (0..5, 1));
        assert_eq!(source.lines_around(5..7), (5..10, 2));
        assert_eq!(source.lines_around(10..10), (6..10, 3));
    }

    #[test]
    fn a_name_can_neither_end_its_line_nor_turn_it_around() {
        assert_eq!(in_one_line("a\nb\u{1b}[31m\u{202e}ä"), "a\\nb\\u{1b}[31m\\u{202e}ä");
    }
}
