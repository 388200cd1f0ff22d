//! Which file a program's name stands for.
//!
//! Before it: the first word of a command, PATH and the working directory. After it: `process`. Invariant: what is found
//! is an absolute path, which keeps the standard library on `posix_spawn` (a bare name beside a changed PATH forks, and
//! that costs in proportion to the daemon's memory).

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

/// A program by name, and where it was when the command was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// As written.
    pub name: Box<str>,
    /// Where it is, absolute; or a sentence that says that it is nowhere, and where it was looked for.
    pub found: Result<PathBuf, String>,
}

/// Programs that were looked for, each once. Kept for one reading or one check only: programs come and go.
#[derive(Debug, Default)]
pub struct Programs {
    /// By PATH and working directory.
    places: RefCell<HashMap<(OsString, PathBuf), ByName>>,
}

/// Programs that were looked for in one place.
type ByName = HashMap<String, Result<PathBuf, String>>;

impl Programs {
    /// Finds the file of a program's name, as [`find`].
    pub(super) fn find(&self, name: &str, path: &OsStr, dir: &Path) -> Result<PathBuf, String> {
        let mut places = self.places.borrow_mut();
        let known = places.entry((path.to_owned(), dir.to_owned())).or_default();
        if let Some(found) = known.get(name) {
            return found.clone();
        }
        let found = find(name, path, dir);
        known.insert(name.to_owned(), found.clone());
        found
    }
}

/// Finds the file: a name with a slash from `dir`, any other in the folders of `path`. The error is a sentence that says
/// what is wrong with the nearest thing to it that there is.
pub(super) fn find(name: &str, path: &OsStr, dir: &Path) -> Result<PathBuf, String> {
    if name.contains('/') {
        let file = dir.join(name);
        return match fault(&file) {
            None => Ok(file),
            Some(Fault::Missing) if Path::new(name).is_absolute() => Err(format!("program `{name}` does not exist")),
            Some(Fault::Missing) => Err(format!("program `{name}` does not exist in {}", dir.display())),
            Some(fault) => Err(format!("program `{name}` {}", fault.words())),
        };
    }
    let mut nearest = None;
    for folder in path.as_bytes().split(|b| *b == b':') {
        // An empty part of PATH is the working directory (environ(7)), and so is what a relative one starts from.
        let file = dir.join(OsStr::from_bytes(folder)).join(name);
        match fault(&file) {
            None => return Ok(file),
            Some(Fault::NotExecutable) => nearest = nearest.or(Some(file)),
            Some(_) => {}
        }
    }
    Err(match nearest {
        Some(file) => format!("program `{}` {}", file.display(), Fault::NotExecutable.words()),
        None => format!("program `{name}` not found in PATH ({})", path.display()),
    })
}

/// Why a file cannot be executed.
#[derive(Clone, Copy)]
enum Fault {
    Missing,
    Directory,
    NotExecutable,
}

impl Fault {
    fn words(self) -> &'static str {
        match self {
            Self::Missing => "does not exist",
            Self::Directory => "is a directory",
            Self::NotExecutable => "is not executable (its mode, or a folder above it, forbids it)",
        }
    }
}

fn fault(file: &Path) -> Option<Fault> {
    match rustix::fs::stat(file) {
        Err(rustix::io::Errno::ACCESS) => Some(Fault::NotExecutable),
        Err(_) => Some(Fault::Missing),
        Ok(stat) if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() => Some(Fault::Directory),
        // Root may read anything, but execute only what has an x somewhere: access(2) knows.
        Ok(_) => rustix::fs::access(file, Access::EXEC_OK).err().map(|_| Fault::NotExecutable),
    }
}

/// The interpreter that the first line of a script names, if it is one (execve(2)).
#[expect(clippy::disallowed_methods, reason = "the door of programs: the first line of a script that did not start")]
pub(super) fn interpreter(file: &Path) -> Option<PathBuf> {
    use std::io::Read;
    let mut start = [0; 256];
    let length = std::fs::File::open(file).and_then(|mut file| file.read(&mut start)).ok()?;
    let line = start[..length].strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
    let word = line.trim_ascii_start().split(|b| b.is_ascii_whitespace() && *b != b'\r').next()?;
    (!word.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(word)))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::Path;

    use super::find;

    #[test]
    fn a_program_is_found_or_said_to_be_nowhere() {
        let in_path = |name| find(name, OsStr::new("/nowhere:/usr/bin:/bin"), Path::new("/etc"));
        assert_eq!(in_path("env"), Ok("/usr/bin/env".into()));
        assert_eq!(in_path("/usr/bin/env"), Ok("/usr/bin/env".into()));
        assert_eq!(in_path("../usr/bin/env"), Ok("/etc/../usr/bin/env".into()));
        for (name, says) in [
            ("frobnicate", "program `frobnicate` not found in PATH (/nowhere:/usr/bin:/bin)"),
            ("/usr/bin/frobnicate", "program `/usr/bin/frobnicate` does not exist"),
            ("./frobnicate", "program `./frobnicate` does not exist in /etc"),
            ("/usr/bin", "program `/usr/bin` is a directory"),
            ("./passwd", "program `./passwd` is not executable (its mode, or a folder above it, forbids it)"),
        ] {
            assert_eq!(in_path(name), Err(says.to_owned()));
        }
    }
}
