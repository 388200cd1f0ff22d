//! Puts an import on disk, and never over anything: a file that exists is left, and said so.
//!
//! Before it: [`Imported`]. [`plan`] only looks, which is the dry run; [`write()`] creates.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use similar::udiff::UnifiedHunkHeader;
use similar::{Algorithm, DiffTag, capture_diff_slices, group_diff_ops};

use super::{Imported, NewFile};

/// An existing file larger than this is not read to be compared.
const LARGEST: u64 = 4 << 20;

/// Crontabs of one name that are kept as they were.
const MOST_KEPT: u32 = 100;

/// Lines around a change that are shown.
const AROUND: usize = 3;

/// What happens to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The file: the target folder and its path in it.
    pub path: PathBuf,
    /// What happens to it.
    pub action: Action,
    /// What would change, as a unified diff: against nothing for a new file; for one that exists, what the import would
    /// have made of it. Never the content of a secret.
    pub diff: String,
}

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is new.
    Create,
    /// It exists with this very content.
    Same,
    /// It exists with another content and is left as it is.
    Leave,
}

/// A file could not be written or looked at. The files before it stay.
#[derive(Debug)]
pub struct WriteError {
    /// Which file or folder.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be written: {}", self.path.display(), self.error)
    }
}

impl std::error::Error for WriteError {}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Create => "created",
            Self::Same => "unchanged",
            Self::Leave => "left: it exists",
        })
    }
}

/// What [`write()`] would do below `folder`, without doing it.
pub fn plan(imported: &Imported, folder: &Path) -> Result<Vec<Step>, WriteError> {
    imported.files.iter().map(|file| look(file, folder)).collect()
}

/// Creates the files below `folder` that do not exist yet, and the folders they need.
pub fn write(imported: &Imported, folder: &Path) -> Result<Vec<Step>, WriteError> {
    let mut steps = Vec::with_capacity(imported.files.len());
    for file in &imported.files {
        let mut step = look(file, folder)?;
        if step.action == Action::Create && !create(file, &step.path)? {
            // Somebody was faster.
            step = look(file, folder)?;
        }
        steps.push(step);
    }
    Ok(steps)
}

#[expect(clippy::disallowed_methods, reason = "the door of import: reads what is there, to compare it")]
fn look(file: &NewFile, folder: &Path) -> Result<Step, WriteError> {
    let path = folder.join(&file.path);
    let there = match std::fs::symlink_metadata(&path) {
        Ok(_) => match std::fs::metadata(&path) {
            // What is no ordinary file, or too large for one of ours, is another content in any case.
            Ok(meta) if meta.is_file() && meta.len() <= LARGEST => std::fs::read(&path).ok(),
            _ => None,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let diff = diff(file, "/dev/null", "");
            return Ok(Step { path, action: Action::Create, diff });
        }
        Err(error) => return Err(WriteError { path, error }),
    };
    if there.as_deref() == Some(file.content.as_bytes()) {
        return Ok(Step { path, action: Action::Same, diff: String::new() });
    }
    let old = file.path.to_string_lossy();
    let diff = there.map(|there| diff(file, &old, &String::from_utf8_lossy(&there))).unwrap_or_default();
    Ok(Step { path, action: Action::Leave, diff })
}

fn diff(file: &NewFile, old_name: &str, old: &str) -> String {
    let new_name = file.path.to_string_lossy();
    if file.secret {
        return format!("--- {old_name}\n+++ {new_name}\n(a secret: not shown)\n");
    }
    text_diff((old_name, old), (&new_name, &file.content))
}

/// What changes between two texts, as diff(1) shows it.
pub fn text_diff((old_name, old): (&str, &str), (new_name, new): (&str, &str)) -> String {
    // Line by line and by hand: the library's own printer for texts would make the program a fiftieth larger.
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<String>>();
    let (old_lines, new_lines) = (lines(old), lines(new));
    let mut out = String::new();
    for group in group_diff_ops(capture_diff_slices(Algorithm::Myers, &old_lines, &new_lines), AROUND) {
        if out.is_empty() {
            out = format!("--- {old_name}\n+++ {new_name}\n");
        }
        let _ = writeln!(out, "{}", UnifiedHunkHeader::new(&group));
        for (tag, before, after) in group.iter().map(similar::DiffOp::as_tag_tuple) {
            let (gone, mark) = if tag == DiffTag::Equal { (&[][..], ' ') } else { (&old_lines[before], '+') };
            let gone = gone.iter().map(|line| ('-', line));
            for (mark, line) in gone.chain(new_lines[after].iter().map(|line| (mark, line))) {
                let _ = writeln!(out, "{mark}{line}");
            }
        }
    }
    out
}

/// Keeps a text that is about to be changed, in a folder, and says where. Nobody else may read it: it may hold passwords. It is
/// not beside the crontab, since cron would take it for another.
#[expect(clippy::disallowed_methods, reason = "the door of import: creates files, and only files that are new")]
pub fn keep(folder: &Path, of: &Path, text: &str) -> Result<PathBuf, WriteError> {
    let name = of.file_name().unwrap_or_default().to_string_lossy();
    for number in 1..=MOST_KEPT {
        let number = if number == 1 { String::new() } else { format!("-{number}") };
        let path = folder.join(format!("{name}.before-wrap{number}"));
        let file = NewFile { path: PathBuf::new(), content: text.to_owned(), secret: true, line: None };
        if std::fs::read(&path).is_ok_and(|found| found == text.as_bytes()) || create(&file, &path)? {
            return Ok(path);
        }
    }
    let error = io::Error::other(format!("{MOST_KEPT} crontabs of this name are kept here already"));
    Err(WriteError { path: folder.to_owned(), error })
}

/// Puts another text into the place of a file, at once: whoever reads it sees the old one or the new one. Mode and owner stay.
/// A link is followed, and stays. cron does not look at names with a dot in front.
#[expect(clippy::disallowed_methods, reason = "the door of import: a crontab, which its owner asked to be changed")]
pub fn replace(path: &Path, text: &str) -> Result<(), WriteError> {
    use std::os::unix::fs::{MetadataExt as _, fchown};

    let failed = |error| WriteError { path: path.to_owned(), error };
    let path = &std::fs::canonicalize(path).map_err(failed)?;
    let before = std::fs::metadata(path).map_err(failed)?;
    if !before.is_file() {
        return Err(failed(io::Error::other("it is no regular file")));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.slack-alert.{}", std::process::id()));
    let written =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            let now = file.metadata()?;
            if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
                fchown(&file, Some(before.uid()), Some(before.gid()))?;
            }
            // After the owner: chown(2) takes the set-id bits away.
            file.set_permissions(before.permissions())?;
            file.sync_all()?;
            std::fs::rename(&new, path)
        });
    written.map_err(|error| {
        // The error that matters is the first.
        let _ = std::fs::remove_file(&new);
        failed(error)
    })
}

/// Creates the file; `false` when it exists after all. A file that could not be written in full is taken away again.
#[expect(clippy::disallowed_methods, reason = "the door of import: creates files, and only files that are new")]
fn create(file: &NewFile, path: &Path) -> Result<bool, WriteError> {
    let failed = |path: &Path, error| WriteError { path: path.to_owned(), error };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
    }
    let mode = if file.secret { 0o600 } else { 0o666 };
    let mut out = match std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path) {
        Ok(out) => out,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(failed(path, error)),
    };
    out.write_all(file.content.as_bytes()).and_then(|()| out.sync_all()).map_err(|error| {
        // The error that matters is the first.
        let _ = std::fs::remove_file(path);
        failed(path, error)
    })?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{NewFile, create};

    #[test]
    fn a_file_that_appears_at_the_last_moment_is_left_too() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("job.toml");
        let file = |content: &str| NewFile {
            path: PathBuf::from("job.toml"),
            content: content.to_owned(),
            secret: false,
            line: None,
        };
        assert!(create(&file("first and longer"), &path).expect("written"));
        assert!(!create(&file("second"), &path).expect("nothing went wrong"));
        assert!(create(&file("first and longer"), &folder.path().join("other.toml")).expect("written"));
        let same = super::look(&file("first and longer"), folder.path()).expect("a look");
        assert_eq!(same.action, super::Action::Same, "the first is what is there");
    }
}
