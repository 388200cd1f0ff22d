//! The files that a run executes or has interpreted, as far as its command names them plainly. Pure but for looking programs up.
//!
//! Before it: a job's command. After it: the rules about those files. In doubt a file is left out.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::Subject;
use super::script::{
    Simple, assigns, does_prepare, first_program, is_plain, is_posix_shell, is_program, simple_commands,
};
use crate::diagnostic::Place;
use crate::exec::{Command, Programs};

/// A file, and what the run does with it.
#[derive(Debug)]
pub(super) struct NamedFile {
    pub(super) path: PathBuf,
    /// As it is written.
    pub(super) name: String,
    at: At,
    pub(super) role: Role,
    /// Why what is to be executed is not found.
    pub(super) missing: Option<String>,
    /// Nothing before it in the command decides whether it is reached, or makes it.
    pub(super) is_certain: bool,
}

/// What a run does with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is executed; by a shell, or by a program that executes what it is given as a shell does (true).
    Executed(bool),
    /// This program reads it.
    Read(String),
}

/// Which part of a command names a file.
#[derive(Clone, Debug)]
enum At {
    /// A range of the script.
    Script(Range<usize>),
    /// A word of the array, or a part of it.
    Word(usize, Option<Range<usize>>),
}

impl NamedFile {
    /// Where the command names it.
    pub(super) fn place(&self, subject: &Subject<'_, '_>) -> Place {
        let command = subject.file.find("command");
        let place = command.and_then(|value| match &self.at {
            At::Script(range) => Some(value.text()?.inside(range.clone())),
            At::Word(index, part) => {
                let word = value.items()?.into_iter().nth(*index)?;
                match part {
                    Some(part) => Some(word.text()?.inside(part.clone())),
                    None => Some(word.at),
                }
            }
        });
        place.unwrap_or_else(|| subject.file.start())
    }
}

/// All files of a command, in the order in which it names them.
pub(super) fn of(command: &Command, known: &Programs) -> Vec<NamedFile> {
    let mut words = command.words();
    let sets_path = words.iter().any(|word| word.contains("PATH="));
    let mut search = Search { command, known, sets_path, files: Vec::new() };
    if let Some(script) = command.script() {
        words.pop();
        match is_posix_shell(&words) {
            true if is_plain(script) => search.script(script, 0, None, true),
            true => {
                if let Some(range) = first_program(script) {
                    search.executed(&script[range.clone()], At::Script(range), Some(command.working_dir()), true);
                }
            }
            false => {}
        }
        return search.files;
    }
    // A job whose runs come from elsewhere has no command.
    if words.is_empty() {
        return search.files;
    }
    if let Ok(path) = command.locate(known) {
        let (name, at, role) = (words[0].to_owned(), At::Word(0, None), Role::Executed(false));
        search.files.push(NamedFile { path, name, at, role, missing: None, is_certain: true });
    }
    let whole = |index: usize| At::Word(index, None);
    let start = Some(command.working_dir());
    search.simple(&words, &whole, &|index| Some((words[index], 0, Some(index))), (start, true), 0);
    search.files
}

/// A shell inside a shell is followed this deep.
const DEEPEST: usize = 3;

struct Search<'c> {
    command: &'c Command,
    known: &'c Programs,
    sets_path: bool,
    files: Vec<NamedFile>,
}

/// How a word of a command can be read as a script of its own: its text, where that begins, and of which word of an array.
type Inside<'f, 's> = &'f dyn Fn(usize) -> Option<(&'s str, usize, Option<usize>)>;

impl Search<'_> {
    /// The commands of a plain script that begins at `offset` of the one that is written, or of this word of the array.
    fn script(&mut self, script: &str, offset: usize, word: Option<usize>, is_certain: bool) {
        self.script_within(script, (offset, word), Some(self.command.working_dir().to_owned()), (is_certain, 0));
    }

    fn script_within(
        &mut self,
        script: &str,
        (offset, word): (usize, Option<usize>),
        mut folder: Option<PathBuf>,
        (mut is_certain, depth): (bool, usize),
    ) {
        for Simple { before, words } in simple_commands(script) {
            let ranges: Vec<_> = words.into_iter().skip_while(|range| assigns(&script[range.clone()])).collect();
            let texts: Vec<&str> = ranges.iter().map(|range| &script[range.clone()]).collect();
            is_certain &= matches!(before, "" | ";" | "&&" | "\n");
            let Some(first) = texts.first() else { continue };
            if *first == "cd" {
                folder = match texts.as_slice() {
                    [_, to] if is_program(to) => folder.map(|folder| folder.join(to)).or(absolute(to)),
                    _ => None,
                };
            }
            let place = |range: Range<usize>| {
                let range = range.start + offset..range.end + offset;
                match word {
                    Some(word) => At::Word(word, Some(range)),
                    None => At::Script(range),
                }
            };
            let at = |index: usize| place(ranges[index].clone());
            let inside = |index: usize| {
                let range = ranges[index].clone();
                let text = &script[range.clone()];
                let bare = ['\'', '"']
                    .iter()
                    .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
                    .filter(|bare| !bare.contains(['\'', '"', '$']));
                match bare {
                    Some(bare) => Some((bare, offset + range.start + 1, word)),
                    None => is_program(text).then_some((text, offset + range.start, word)),
                }
            };
            self.command_of(&texts, &at, &inside, (folder.as_deref(), is_certain), depth);
            is_certain &= does_prepare(first);
        }
    }

    /// One command of a script: its program, and what that is given.
    fn command_of(
        &mut self,
        words: &[&str],
        at: &dyn Fn(usize) -> At,
        inside: Inside<'_, '_>,
        (folder, is_certain): (Option<&Path>, bool),
        depth: usize,
    ) {
        let skip = words.iter().take_while(|word| matches!(**word, "exec" | "command")).count();
        let (words, shifted) = (&words[skip..], |index: usize| at(index + skip));
        let Some(first) = words.first() else { return };
        if matches!(*first, "." | "source") {
            if let Some(file) = words.get(1).filter(|word| word.contains('/')) {
                self.read(file, (*first).to_owned(), shifted(1), folder, is_certain);
            }
            return;
        }
        self.executed(first, shifted(0), folder, is_certain);
        self.simple(words, &shifted, &|index| inside(index + skip), (folder, is_certain), depth);
    }

    /// What the program of a command is given to execute or to read.
    fn simple(
        &mut self,
        words: &[&str],
        at: &dyn Fn(usize) -> At,
        inside: Inside<'_, '_>,
        (folder, is_certain): (Option<&Path>, bool),
        depth: usize,
    ) {
        let Some(first) = words.first() else { return };
        let name = first.rsplit('/').next().unwrap_or(first);
        if let Some(index) = behind(name, words) {
            self.executed(words[index], at(index), folder, is_certain);
            let shifted = |other: usize| at(other + index);
            let (words, inside) = (&words[index..], |other: usize| inside(other + index));
            if depth < DEEPEST {
                self.simple(words, &shifted, &inside, (folder, is_certain), depth + 1);
            }
            return;
        }
        match operand(name, words) {
            Some(Operand::File(index)) => self.read(words[index], name.to_owned(), at(index), folder, is_certain),
            Some(Operand::Script(index)) if depth < DEEPEST => {
                if let Some((script, offset, word)) = inside(index).filter(|(script, ..)| is_plain(script)) {
                    let folder = folder.map(Path::to_owned);
                    self.script_within(script, (offset, word), folder, (is_certain, depth + 1));
                }
            }
            _ => {}
        }
    }

    fn executed(&mut self, name: &str, at: At, folder: Option<&Path>, is_certain: bool) {
        if !is_program(name) {
            return;
        }
        let wanted = match (name.contains('/') && !name.starts_with('/'), folder) {
            (true, Some(folder)) if folder != self.command.working_dir() => folder.join(name),
            (true, None) => return,
            _ => PathBuf::from(name),
        };
        let (path, missing) = match self.command.look_up(&wanted.to_string_lossy(), self.known) {
            Ok(path) => (path, None),
            // Where programs are found may be decided in the command itself.
            Err(_) if !name.contains('/') && self.sets_path => return,
            Err(sentence) => (wanted, Some(sentence)),
        };
        let role = Role::Executed(true);
        self.files.push(NamedFile { path, name: name.to_owned(), at, role, missing, is_certain });
    }

    fn read(&mut self, name: &str, reader: String, at: At, folder: Option<&Path>, is_certain: bool) {
        if !is_program(name) {
            return;
        }
        let Some(path) = folder.map(|folder| folder.join(name)).or(absolute(name)) else { return };
        self.files.push(NamedFile {
            path,
            name: name.to_owned(),
            at,
            role: Role::Read(reader),
            missing: None,
            is_certain,
        });
    }
}

fn absolute(path: &str) -> Option<PathBuf> {
    Some(PathBuf::from(path)).filter(|path| path.is_absolute())
}

/// Programs that execute another one in the same folder, with their options that take a value and how many plain words come first.
const BEFORE_OTHERS: &[(&str, &[&str], usize)] = &[
    ("env", &["-u"], 0),
    ("nice", &["-n"], 0),
    ("ionice", &["-c", "-n"], 0),
    ("nohup", &[], 0),
    ("setsid", &[], 0),
    ("time", &["-f", "-o"], 0),
    ("chronic", &[], 0),
    ("cronic", &[], 0),
    ("stdbuf", &["-i", "-o", "-e"], 0),
    ("timeout", &["-k", "-s"], 1),
    ("flock", &["-w", "-E"], 1),
];

/// Where the program stands that another one executes.
fn behind(name: &str, words: &[&str]) -> Option<usize> {
    let (_, with_value, plain) = BEFORE_OTHERS.iter().find(|(known, ..)| *known == name)?;
    let mut at = 1;
    while let Some(word) = words.get(at) {
        if with_value.contains(word) {
            at += 1;
        } else if name == "env" && (word.starts_with("-S") || word.starts_with("-C")) || *word == "-p" || *word == "-c"
        {
            // Another folder, words in one text, or what goes on already.
            return None;
        } else if !(word.starts_with('-') || (name == "env" && assigns(word))) {
            break;
        }
        at += 1;
    }
    let at = at + plain;
    words.get(at).filter(|word| is_program(word)).map(|_| at)
}

/// What an interpreter is given: a file that it reads, or the script itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operand {
    File(usize),
    Script(usize),
}

/// Shells, of which each reads a line up to its line feed.
pub(super) const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "ksh", "zsh", ".", "source"];

/// Programs whose first argument that is no option is the script, with their options that take a value.
const INTERPRETERS: &[(&str, &[&str])] = &[
    ("python", &["-W", "-X"]),
    ("python2", &["-W"]),
    ("python3", &["-W", "-X"]),
    ("perl", &["-I"]),
    ("ruby", &["-I", "-r", "-C"]),
    ("node", &["-r", "--require", "--import"]),
    ("php", &["-d", "-c", "-z"]),
];

fn operand(name: &str, words: &[&str]) -> Option<Operand> {
    let is_shell = SHELLS.contains(&name);
    let with_value: &[&str] = match is_shell {
        true => &["--rcfile", "--init-file"],
        false => INTERPRETERS.iter().find(|(known, _)| *known == name)?.1,
    };
    let mut at = 1;
    let mut is_text = false;
    while let Some(word) = words.get(at) {
        let letters = word.strip_prefix(['-', '+']).filter(|letters| !letters.is_empty());
        let Some(letters) = letters else {
            return Some(if is_text { Operand::Script(at) } else { Operand::File(at) });
        };
        let is_cluster = !letters.starts_with('-');
        match name {
            _ if with_value.contains(word) => at += 1,
            _ if is_shell && is_cluster => {
                is_text |= letters.contains('c');
                if letters.contains('s') {
                    return None;
                }
                at += usize::from(letters.ends_with(['o', 'O']));
            }
            "php" if *word == "-f" => return words.get(at + 1).map(|_| Operand::File(at + 1)),
            // A script as text, or a module: there is no file to look at.
            "php" if matches!(letters, "r" | "B" | "R" | "E" | "a" | "i" | "m" | "v") => return None,
            "python" | "python2" | "python3" if is_cluster && letters.ends_with(['c', 'm']) => return None,
            "perl" | "ruby" if is_cluster && (letters.contains('e') || letters.contains('E')) => return None,
            "node" if matches!(letters, "e" | "p" | "pe" | "-eval" | "-print" | "-test") => return None,
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Operand, behind, operand};

    #[test]
    fn the_script_of_an_interpreter_is_its_first_word_that_is_no_option() {
        for (line, is) in [
            ("bash x.sh", Some(Operand::File(1))),
            ("bash -eu x.sh a", Some(Operand::File(2))),
            ("bash -o pipefail x.sh", Some(Operand::File(3))),
            ("bash -euo pipefail -c ./x.sh", Some(Operand::Script(4))),
            ("sh -c ./x.sh", Some(Operand::Script(2))),
            ("sh -s x.sh", None),
            ("sh", None),
            ("python3 -u -W ignore x.py", Some(Operand::File(4))),
            ("python3 -m http.server", None),
            ("python3 -c pass", None),
            ("perl -ne print x", None),
            ("perl -I lib x.pl", Some(Operand::File(3))),
            ("php -q x.php", Some(Operand::File(2))),
            ("php -d memory_limit=1G -f x.php", Some(Operand::File(4))),
            ("php -r x", None),
            ("node -e x", None),
            ("make x", None),
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(operand(words[0], &words), is, "{line}");
        }
    }

    #[test]
    fn a_program_behind_another_one_is_known() {
        for (line, is) in [
            ("env bash x.sh", Some(1)),
            ("env -i -u A B=c bash x.sh", Some(5)),
            ("env -C /srv bash x.sh", None),
            ("env -S bash", None),
            ("nice -n 5 x.sh", Some(3)),
            ("nice -10 x.sh", Some(2)),
            ("ionice -c2 -n7 x.sh", Some(3)),
            ("ionice -p 17", None),
            ("timeout -k 5 60 x.sh", Some(4)),
            ("timeout 60", None),
            ("flock -n /run/lock x.sh", Some(3)),
            ("flock /run/lock -c x.sh", None),
            ("bash x.sh", None),
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(behind(words[0], &words), is, "{line}");
        }
    }
}
