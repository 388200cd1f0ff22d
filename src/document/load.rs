//! Files from disk: finds them, reads them, parses them. The door of the file system for configuration.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use crate::diagnostic::{Code, Place, Problem, Problems, SourceId, Sources};
use crate::id::JobName;
use crate::order;

/// A configuration file larger than this is refused: nobody wrote it by hand.
const LARGEST: u64 = 4 << 20;

/// Why a file is not even opened.
const TOO_LARGE: &str = "it is larger than 4 MiB";
const NOT_A_FILE: &str = "it is no regular file";

/// Folders nested deeper than this below `jobs_dir` are not looked into.
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
    let other = std::io::Error::other::<&str>;
    let bytes = std::fs::metadata(path).and_then(|meta| match meta {
        meta if meta.is_dir() => Err(std::io::Error::from(std::io::ErrorKind::IsADirectory)),
        // A pipe or a device would be waited for, or never end.
        meta if !meta.is_file() => Err(other(NOT_A_FILE)),
        meta if meta.len() > LARGEST => Err(other(TOO_LARGE)),
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
        Err(error) => {
            let why = error.to_string();
            let help = match why.as_str() {
                NOT_A_FILE | TOO_LARGE => "a configuration is a few lines of text: move what this is to another place",
                _ => "check its owner and mode",
            };
            (Code::UnreadableFile, format!("the file cannot be read: {why}"), help)
        }
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
/// symbolic links are followed, but not back to a folder above them. A folder that cannot be read is a problem, and the
/// rest is still found.
pub fn find_jobs(folder: &Path, sources: &mut Sources, problems: &mut Problems) -> Vec<JobFile> {
    let mut walk = Walk { root: folder, above: Vec::new(), found: Vec::new(), sources, problems };
    walk.enter(folder);
    let mut found = walk.found;
    order::by(&mut found, |a, b| a.name.cmp(&b.name));
    found
}

/// A job's name: its path below the folder of jobs without `.toml`; outside of the folder, the file's name alone.
pub fn job_name(folder: &Path, file: &Path) -> JobName {
    let below = file.strip_prefix(folder).ok().or(file.file_name().map(Path::new)).unwrap_or(file);
    JobName::new(below.with_extension("").to_string_lossy().as_ref())
}

/// A walk through the folders of jobs.
struct Walk<'w> {
    root: &'w Path,
    /// The folders that it is in, from the root down, by device and inode.
    above: Vec<(u64, u64)>,
    found: Vec<JobFile>,
    sources: &'w mut Sources,
    problems: &'w mut Problems,
}

impl Walk<'_> {
    #[expect(clippy::disallowed_methods, reason = "the door of files: folders are walked here and nowhere else")]
    fn enter(&mut self, folder: &Path) {
        let entries = std::fs::read_dir(folder).and_then(|entries| Ok((entries, std::fs::metadata(folder)?)));
        let (entries, own) = match entries {
            Ok((entries, meta)) => (entries, (meta.dev(), meta.ino())),
            Err(error) => return self.refuse(folder, &error),
        };
        if self.above.contains(&own) {
            let why = std::io::Error::other("it is a link back to a folder above it");
            return self.refuse(folder, &why);
        }
        let mut folders = Vec::new();
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return self.refuse(folder, &error),
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
                self.found.push(JobFile { name: job_name(self.root, &path), path });
            }
        }
        if self.above.len() < DEEPEST {
            self.above.push(own);
            for path in folders {
                self.enter(&path);
            }
            self.above.pop();
        }
    }

    /// A folder that is not looked into, and why.
    fn refuse(&mut self, folder: &Path, error: &std::io::Error) {
        let code = if error.kind() == std::io::ErrorKind::NotFound { Code::MissingFile } else { Code::UnreadableFile };
        let id = self.sources.add(folder, "");
        let help = match error.kind() {
            std::io::ErrorKind::Other => "remove the link: each of its jobs would run again under another name",
            _ if self.above.is_empty() => {
                "create it, or point `jobs_dir` (or --path) at the folder that holds your jobs"
            }
            _ => "check its owner and mode",
        };
        let message = format!("the folder of jobs cannot be read: {error}");
        self.problems.push(Problem::new(code, Place::new(id, 0..0), message).help(help));
    }
}
