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
use std::sync::Arc;

use rustix::fs::Access;

use crate::diagnostic::mask;

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
type ByName = HashMap<String, Arc<Program>>;

impl Programs {
    /// Finds the file of a program's name, as [`find`].
    pub(super) fn find(&self, name: &str, path: &OsStr, dir: &Path) -> Arc<Program> {
        let mut places = self.places.borrow_mut();
        let known = places.entry((path.to_owned(), dir.to_owned())).or_default();
        if let Some(found) = known.get(name) {
            return Arc::clone(found);
        }
        let found = Arc::new(Program { name: name.into(), found: find(name, path, dir) });
        known.insert(name.to_owned(), Arc::clone(&found));
        found
    }
}

/// Finds the file: a name with a slash from `dir`, any other in the folders of `path`. The error is a sentence that says
/// what is wrong with the nearest thing to it that there is; messages, the log and the history have it, and no secret in it.
pub(super) fn find(name: &str, path: &OsStr, dir: &Path) -> Result<PathBuf, String> {
    look_for(name, path, dir).map_err(|why| mask::secrets(&why).into_owned())
}

fn look_for(name: &str, path: &OsStr, dir: &Path) -> Result<PathBuf, String> {
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

/// Every file in the folders of `path` that could be executed under this name.
pub(super) fn all(name: &str, path: &OsStr, dir: &Path) -> Vec<PathBuf> {
    let folders = path.as_bytes().split(|b| *b == b':');
    let files = folders.map(|folder| dir.join(OsStr::from_bytes(folder)).join(name));
    files.filter(|file| fault(file).is_none()).collect()
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

#[expect(clippy::disallowed_methods, reason = "the door of programs: whether one can be executed")]
fn fault(file: &Path) -> Option<Fault> {
    match rustix::fs::stat(file) {
        Err(rustix::io::Errno::ACCESS) => Some(Fault::NotExecutable),
        Err(_) => Some(Fault::Missing),
        Ok(stat) if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() => Some(Fault::Directory),
        // Root may read anything, but execute only what has an x somewhere: access(2) knows.
        Ok(_) => rustix::fs::access(file, Access::EXEC_OK).err().map(|_| Fault::NotExecutable),
    }
}

/// How many interpreters that are scripts themselves are looked at behind each other, which is what the kernel does.
const MOST_INTERPRETERS: u32 = 4;

/// What keeps a script that may be executed from running, as the end of a sentence: no `#!` line, Windows line ends, an interpreter
/// that is not there. Nothing of a program that is none, and of one that cannot be read.
pub fn script_fault(file: &Path) -> Option<String> {
    script_fault_within(file, MOST_INTERPRETERS)
}

/// Opens a regular file: of no other kind it is known that its beginning comes at once.
#[expect(clippy::disallowed_methods, reason = "the door of programs: their first bytes")]
pub(super) fn open(file: &Path) -> std::io::Result<std::fs::File> {
    match std::fs::metadata(file)?.is_file() {
        true => std::fs::File::open(file),
        false => Err(std::io::Error::other("it is not a regular file")),
    }
}

fn script_fault_within(file: &Path, more: u32) -> Option<String> {
    use std::io::Read;
    let mut start = [0; 256];
    let length = open(file).and_then(|mut file| file.read(&mut start)).ok()?;
    fault_of(&start[..length], |interpreter| match fault(interpreter) {
        None if more > 0 => {
            script_fault_within(interpreter, more - 1).map(|fault| format!("cannot be executed: {fault}"))
        }
        None => None,
        Some(Fault::Missing) => Some("is not there".to_owned()),
        Some(fault) => Some(fault.words().to_owned()),
    })
}

/// The same of a file that begins so (execve(2)); what keeps the interpreter from running is asked for.
fn fault_of(start: &[u8], of_interpreter: impl Fn(&Path) -> Option<String>) -> Option<String> {
    if start.is_empty() {
        return Some("it is empty".to_owned());
    }
    let Some(line) = start.strip_prefix(b"#!") else {
        if start.starts_with("\u{feff}#!".as_bytes()) {
            let cure = "`sed -i '1s/^\\xef\\xbb\\xbf//' FILE` takes it off";
            return Some(format!("a byte order mark stands before its `#!` line ({cure})"));
        }
        if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
            return Some("it is UTF-16 text, which no interpreter reads: save it as UTF-8".to_owned());
        }
        // What the kernel executes by itself begins with other than text: ELF, or what binfmt_misc knows.
        let is_text = start.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace());
        return is_text.then(|| "it has no `#!` line, such as `#!/bin/sh`".to_owned());
    };
    let line = line.split(|b| *b == b'\n').next().unwrap_or_default();
    let (bare, windows) = match line.strip_suffix(b"\r") {
        Some(bare) => (bare, true),
        None => (line, false),
    };
    let mut words = bare.trim_ascii().splitn(2, u8::is_ascii_whitespace);
    let word = words.next().unwrap_or_default();
    // All that follows is one argument.
    let argument = words.next().unwrap_or_default().trim_ascii();
    let interpreter = Path::new(OsStr::from_bytes(word));
    let shown = interpreter.display();
    // env(1) splits the argument of -S at carriage returns as well.
    let is_split = argument.starts_with(b"-S") || argument.starts_with(b"--split-string");
    if windows && !is_split {
        let asks = match argument {
            b"" => format!("asks for the interpreter `{shown}`"),
            argument => format!("gives `{shown}` the argument `{}`", String::from_utf8_lossy(argument)),
        };
        return Some(format!(
            "its first line {asks} followed by a carriage return: the file has Windows line ends \
             (`sed -i 's/\\r$//' FILE` takes them off)"
        ));
    }
    if word.is_empty() {
        return Some("its `#!` line names no interpreter".to_owned());
    }
    of_interpreter(interpreter).map(|fault| format!("its interpreter `{shown}` {fault}"))
}

/// The interpreter that the first line of a script names, with what follows it there; nothing where there is no such line.
pub fn first_line(file: &Path) -> Option<(String, String)> {
    use std::io::Read;
    let mut start = [0; 256];
    let length = open(file).and_then(|mut file| file.read(&mut start)).ok()?;
    let line = start[..length].strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    let (interpreter, rest) = line.trim().split_once([' ', '\t']).unwrap_or((line.trim(), ""));
    Some((interpreter.to_owned(), rest.trim().to_owned()))
}

/// Whether there is no such file.
#[expect(clippy::disallowed_methods, reason = "the door of programs: whether one is there")]
pub fn is_missing(file: &Path) -> bool {
    rustix::fs::stat(file).is_err_and(|error| error == rustix::io::Errno::NOENT)
}

/// Where a file is, whatever links lead there.
#[expect(clippy::disallowed_methods, reason = "the door of programs: where one is")]
pub fn real_path(file: &Path) -> Option<PathBuf> {
    std::fs::canonicalize(file).ok()
}

/// So much of a script is looked at for its line ends.
const MOST_LINES: u64 = 64 << 10;

/// Whether most lines of a file end as those of Windows do. A few may: text that a script hands on.
pub fn has_windows_ends(file: &Path) -> bool {
    use std::io::Read;
    let mut text = Vec::new();
    if open(file).and_then(|file| file.take(MOST_LINES).read_to_end(&mut text)).is_err() {
        return false;
    }
    let lines = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let (windows, others): (Vec<_>, Vec<_>) = lines.partition(|line| line.ends_with(b"\r\n"));
    windows.len() > others.len()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::Path;

    use super::{fault_of, find, script_fault};

    #[test]
    fn what_keeps_a_script_from_running() {
        let there = |interpreter: &Path| match interpreter.to_str() {
            Some("/bin/sh" | "/usr/bin/env") => None,
            _ => Some("is not there".to_owned()),
        };
        for (start, fault) in [
            ("#!/bin/sh\n", ""),
            ("#! /bin/sh -e\necho\n", ""),
            ("#!/bin/sh", ""),
            ("\u{7f}ELF\u{2}\u{1}\u{1}\0", ""),
            ("", "it is empty"),
            ("echo hi\n", "it has no `#!` line"),
            ("\u{feff}#!/bin/sh\n", "a byte order mark stands before its `#!` line"),
            ("#!\n", "its `#!` line names no interpreter"),
            ("#!/bin/sh\r\necho\r\n", "`/bin/sh` followed by a carriage return: the file has Windows line ends"),
            ("#!/bin/sh -e\r\n", "Windows line ends"),
            ("#!/bin/sh -e\r\n", "gives `/bin/sh` the argument `-e` followed by a carriage return"),
            ("#!/usr/bin/env bash\r\n", "gives `/usr/bin/env` the argument `bash` followed by a carriage return"),
            ("#!/usr/bin/env -S python3 -u\r\n", ""),
            ("#!/usr/bin/pyton3 -x\n", "its interpreter `/usr/bin/pyton3` is not there"),
        ] {
            let found = fault_of(start.as_bytes(), there).unwrap_or_default();
            assert!(found.contains(fault) && found.is_empty() == fault.is_empty(), "{start:?}: {found}");
            assert!(!found.contains('\r'), "{found:?}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "scripts of its own")]
    fn a_script_is_what_its_interpreter_is() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a folder");
        let script = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, content).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("its mode");
            path
        };
        let inner = script("inner", b"#!/bin/sh\r\n");
        let outer = script("outer", format!("#!{}\n", inner.display()).as_bytes());
        let found = script_fault(&outer).unwrap_or_default();
        assert!(
            found.starts_with(&format!("its interpreter `{}` cannot be executed: its first", inner.display())),
            "{found}"
        );
        assert!(
            script_fault(&script("own", format!("#!{}/own\n", dir.path().display()).as_bytes())).is_none(),
            "it ends"
        );
        let found = script_fault(&script("wide", b"\xff\xfe#\0!\0")).unwrap_or_default();
        assert!(found.contains("UTF-16"), "{found}");
    }

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
