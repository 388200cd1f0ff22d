//! Files from disk: finds them, reads them, parses them. The door of the file system for configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use crate::diagnostic::{Code, Place, Problem, Problems, SourceId, Sources};
use crate::id::JobName;

/// A configuration file larger than this is refused: nobody wrote it by hand.
const LARGEST: u64 = 4 << 20;

/// Folders nested deeper than this below `jobs_dir` are not looked into; it ends loops of symbolic links.
const DEEPEST: usize = 16;

/// A job file that was found, not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFile {
    /// The job's name: the path below the folder, without `.toml`.
    pub name: JobName,
    /// Where it is.
    pub path: PathBuf,
}

/// Reads a file into `sources`. A file that cannot be read is a problem, and a source without text.
pub fn read(
    path: &Path,
    shown: &Path,
    sources: &mut Sources,
    problems: &mut Problems,
) -> Result<(SourceId, Arc<str>), SourceId> {
    let id = sources.add(shown, "");
    let (text, problem) = fetch(path, id);
    sources.fill(id, Arc::clone(&text));
    match problem {
        None => Ok((id, text)),
        Some(problem) => {
            problems.push(problem);
            Err(id)
        }
    }
}

/// Reads the file of a source: its text, and why that is not to be used, if so.
#[expect(clippy::disallowed_methods, reason = "the door of files: configuration is read here and nowhere else")]
pub fn fetch(path: &Path, source: SourceId) -> (Arc<str>, Option<Problem>) {
    let bytes = std::fs::metadata(path).and_then(|meta| match meta {
        meta if meta.is_dir() => Err(std::io::Error::from(std::io::ErrorKind::IsADirectory)),
        // A pipe or a device would be waited for, or never end.
        meta if !meta.is_file() => Err(std::io::Error::other("it is no regular file")),
        meta if meta.len() > LARGEST => Err(std::io::Error::other(format!("larger than {LARGEST} bytes"))),
        _ => std::fs::read(path),
    });
    let (code, message, help) = match bytes {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return (text.into(), None),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes());
                let place = Place::new(source, valid..valid + 3);
                let problem = Problem::new(Code::TomlSyntax, place, "the file is not UTF-8 text");
                return (text.into(), Some(problem.help("save it as UTF-8")));
            }
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            (Code::MissingFile, "the file does not exist".to_owned(), "check the path, or where a link points")
        }
        Err(error) => (Code::UnreadableFile, format!("the file cannot be read: {error}"), "check its owner and mode"),
    };
    ("".into(), Some(Problem::new(code, Place::new(source, 0..0), message).help(help)))
}

/// Parses a file that was read: the table as far as it can be understood, and every syntax error as a problem. The
/// answer tells whether it was free of them.
pub fn parse<'t>(source: SourceId, text: &'t str, problems: &mut Problems) -> (DeTable<'t>, bool) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let clean = errors.is_empty();
    let mut last_line = None;
    for error in errors {
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        let span = error.span().unwrap_or(0..0);
        // What the parser stumbles over on the same line, or on the lines right after it, follows from the first stumble.
        let line = text.get(..span.start).map_or(0, |before| before.matches('\n').count());
        let follows = last_line.replace(line).is_some_and(|last| line <= last + 1);
        if !follows {
            problems.push(Problem::new(Code::TomlSyntax, Place::new(source, span), message));
        }
    }
    (table.into_inner(), clean)
}

/// Every job file below `folder`, sorted by name. Hidden files, files ending in `~` and other endings are no jobs;
/// symbolic links are followed. A folder that cannot be read is a problem, and the rest is still found.
pub fn find_jobs(folder: &Path, sources: &mut Sources, problems: &mut Problems) -> Vec<JobFile> {
    let mut found = Vec::new();
    walk(folder, folder, 0, &mut found, sources, problems);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// A job's name: its path below the folder of jobs without `.toml`; outside of the folder, the file's name alone.
pub fn job_name(folder: &Path, file: &Path) -> JobName {
    let below = file.strip_prefix(folder).ok().or(file.file_name().map(Path::new)).unwrap_or(file);
    JobName::new(below.with_extension("").to_string_lossy().as_ref())
}

#[expect(clippy::disallowed_methods, reason = "the door of files: folders are walked here and nowhere else")]
fn walk(
    root: &Path,
    folder: &Path,
    depth: usize,
    found: &mut Vec<JobFile>,
    sources: &mut Sources,
    problems: &mut Problems,
) {
    let mut unreadable = |path: &Path, error: &std::io::Error| {
        let code = if error.kind() == std::io::ErrorKind::NotFound { Code::MissingFile } else { Code::UnreadableFile };
        let id = sources.add(path, "");
        let help = if depth == 0 {
            "create it, or point `jobs_dir` (or --path) at the folder that holds your jobs"
        } else {
            "check its owner and mode"
        };
        let message = format!("the folder of jobs cannot be read: {error}");
        problems.push(Problem::new(code, Place::new(id, 0..0), message).help(help));
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return unreadable(folder, &error),
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return unreadable(folder, &error),
        };
        let path = entry.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        // A plain entry's kind comes with it; only a link needs another look.
        let is_dir = match entry.file_type() {
            Ok(kind) if !kind.is_symlink() => kind.is_dir(),
            _ => path.is_dir(),
        };
        if is_dir {
            folders.push(path);
        } else if name.ends_with(".toml") {
            found.push(JobFile { name: job_name(root, &path), path });
        }
    }
    if depth < DEEPEST {
        for path in folders {
            walk(root, &path, depth + 1, found, sources, problems);
        }
    }
}
