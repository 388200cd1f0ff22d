//! Files from disk: finds them and reads them. The door of the file system for configuration.

use std::collections::{HashMap, VecDeque};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

use crate::diagnostic::{Code, Place, Problem, Problems, SourceId, Sources, in_one_line};
use crate::id::JobName;

/// A configuration file larger than this is refused: nobody wrote it by hand.
const LARGEST: u64 = 4 << 20;

/// Folders nested deeper than this below `jobs_dir` are not looked into.
const DEEPEST: usize = 16;

/// No more folders than this are looked into: a link to a large tree does not hold up a reload.
const MOST_FOLDERS: usize = 5_000;

/// A job file that was found, not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFile {
    /// The job's name: the path below the folder, without `.toml`.
    pub name: JobName,
    /// Where it is.
    pub path: PathBuf,
}

/// Why a file is not read to its end.
enum Unread {
    /// It is a folder, a pipe, a device, or a file that the kernel makes up as it is read.
    NotAFile,
    TooLarge,
    Failed(std::io::Error),
}

/// Reads the file of a source: its text, and why that is not to be used, if so.
pub fn read(path: &Path, source: SourceId) -> (Arc<str>, Option<Problem>) {
    let elsewhere = "a configuration is a few lines of text: move what this is to another place";
    let (code, message, help) = match bytes(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return (unix_lines(text).into(), None),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes());
                let place = Place::new(source, valid..valid + 3);
                let problem = Problem::new(Code::TomlSyntax, place, "the file is not UTF-8 text");
                return (text.into(), Some(problem.help("save it as UTF-8")));
            }
        },
        Err(Unread::NotAFile) => {
            (Code::UnreadableFile, "the file cannot be read: it is no regular file".to_owned(), elsewhere)
        }
        Err(Unread::TooLarge) => {
            (Code::UnreadableFile, "the file cannot be read: it is larger than 4 MiB".to_owned(), elsewhere)
        }
        Err(Unread::Failed(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            (Code::MissingFile, "the file does not exist".to_owned(), "check the path, or where a link points")
        }
        Err(Unread::Failed(error)) => {
            let message = format!("the file cannot be read: {error}");
            let help = match (error.kind(), whose(path)) {
                (std::io::ErrorKind::PermissionDenied, Some(whose)) => {
                    format!("check its owner and mode: {whose}; or ask as its owner or as root")
                }
                _ => "check its owner and mode".to_owned(),
            };
            let problem = Problem::new(Code::UnreadableFile, Place::new(source, 0..0), message).help(help);
            return ("".into(), Some(problem));
        }
    };
    ("".into(), Some(Problem::new(code, Place::new(source, 0..0), message).help(help)))
}

/// To whom a file belongs, and who may read it: "it belongs to root:adm, mode 0640".
#[expect(clippy::disallowed_methods, reason = "the door of files: configuration is read here and nowhere else")]
fn whose(path: &Path) -> Option<String> {
    let found = std::fs::metadata(path).ok()?;
    let (user, group) = (nix::unistd::Uid::from_raw(found.uid()), nix::unistd::Gid::from_raw(found.gid()));
    let user = nix::unistd::User::from_uid(user).ok().flatten().map_or_else(|| user.to_string(), |user| user.name);
    let group =
        nix::unistd::Group::from_gid(group).ok().flatten().map_or_else(|| group.to_string(), |group| group.name);
    Some(format!("it belongs to {user}:{group}, mode {:04o}", found.mode() & 0o7777))
}

/// Windows line ends as line feeds, which TOML allows for a text of several lines: a script must not be handed the carriage
/// returns. Lines and columns stay what they are; what is written as an escape is not touched.
fn unix_lines(text: String) -> String {
    if text.contains("\r\n") { text.replace("\r\n", "\n") } else { text }
}

/// What is in a file. Never waits: a pipe or a device is not read, and no more than so many bytes are.
#[expect(clippy::disallowed_methods, reason = "the door of files: configuration is read here and nowhere else")]
fn bytes(path: &Path) -> Result<Vec<u8>, Unread> {
    let failed = Unread::Failed;
    // Before it is opened: opening a device may do something by itself.
    let is_file = |meta: &std::fs::Metadata| if meta.is_file() { Ok(()) } else { Err(Unread::NotAFile) };
    is_file(&std::fs::metadata(path).map_err(failed)?)?;
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).expect("a flag of open(2) fits its type");
    let file = std::fs::OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    is_file(&meta)?;
    if meta.len() > LARGEST {
        return Err(Unread::TooLarge);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0) + 1);
    let would_wait = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::WouldBlock => Unread::NotAFile,
        _ => Unread::Failed(error),
    };
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(would_wait)?;
    match bytes.len() as u64 {
        // Files of the kernel (/proc, /sys) have no size; a file that is just being written has some bytes in the end.
        1.. if meta.len() == 0 && meta.blocks() == 0 && is_made_up(path) => Err(Unread::NotAFile),
        length if length > LARGEST => Err(Unread::TooLarge),
        _ => Ok(bytes),
    }
}

/// Whether the size of a file is still zero after bytes of it were read.
#[expect(clippy::disallowed_methods, reason = "the door of files: configuration is read here and nowhere else")]
fn is_made_up(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.len() == 0)
}

/// Every job file below `folder`, sorted by name. Hidden files, files ending in `~` and other endings are no jobs;
/// symbolic links are followed, each folder once. What cannot be looked into, or has a name that is no text, is a
/// problem, and the rest is still found.
pub fn find_jobs(folder: &Path, sources: &mut Sources, problems: &mut Problems) -> Vec<JobFile> {
    let mut walk = Walk { root: folder, visited: HashMap::new(), found: Vec::new(), sources, problems };
    // Folders before links to them, so that a job has the same name whatever order the file system lists them in.
    let mut folders = VecDeque::from([Folder { path: folder.to_owned(), depth: 0, by_link: false }]);
    let mut links = VecDeque::new();
    while let Some(next) = folders.pop_front().or_else(|| links.pop_front()) {
        if walk.visited.len() >= MOST_FOLDERS {
            walk.refuse(&next, Closed::TooMany);
            break;
        }
        for folder in walk.enter(&next) {
            if folder.by_link { links.push_back(folder) } else { folders.push_back(folder) }
        }
    }
    let mut found = walk.found;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// A job's name: its path below the folder of jobs without `.toml`; outside of the folder, the file's name alone.
pub fn job_name(folder: &Path, file: &Path) -> JobName {
    let below = file.strip_prefix(folder).ok().or(file.file_name().map(Path::new)).unwrap_or(file);
    JobName::new(below.with_extension("").to_string_lossy().as_ref())
}

/// A folder that is to be looked into.
struct Folder {
    path: PathBuf,
    /// Below the folder of jobs.
    depth: usize,
    by_link: bool,
}

/// A walk through the folders of jobs.
struct Walk<'w> {
    root: &'w Path,
    /// The folders that were looked into, by device and inode, each with its path.
    visited: HashMap<(u64, u64), PathBuf>,
    found: Vec<JobFile>,
    sources: &'w mut Sources,
    problems: &'w mut Problems,
}

/// Why a folder is not looked into.
enum Closed {
    Failed(std::io::Error),
    /// It is this one, which was looked into already.
    Visited(PathBuf),
    TooDeep,
    TooMany,
}

impl Walk<'_> {
    /// Takes the jobs of a folder; the folders in it are the answer, sorted.
    fn enter(&mut self, folder: &Folder) -> Vec<Folder> {
        match self.entries(folder) {
            Ok(entries) => self.sort_out(folder, entries),
            Err(closed) => {
                self.refuse(folder, closed);
                Vec::new()
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the door of files: folders are walked here and nowhere else")]
    fn entries(&mut self, folder: &Folder) -> Result<Vec<(PathBuf, Entry)>, Closed> {
        let entries = std::fs::read_dir(&folder.path).map_err(Closed::Failed)?;
        let own = std::fs::metadata(&folder.path).map(|meta| (meta.dev(), meta.ino())).map_err(Closed::Failed)?;
        if let Some(known) = self.visited.get(&own) {
            return Err(Closed::Visited(known.clone()));
        }
        if folder.depth > DEEPEST {
            return Err(Closed::TooDeep);
        }
        self.visited.insert(own, folder.path.clone());
        let kind = |entry: &std::fs::DirEntry| match entry.file_type() {
            // A plain entry's kind comes with it; only a link needs another look.
            Ok(kind) if kind.is_dir() => Entry::Folder,
            Ok(kind) if kind.is_symlink() && leads_to_folder(&entry.path()) => Entry::LinkToFolder,
            _ => Entry::File,
        };
        let mut all = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Closed::Failed)?;
            all.push((entry.path(), kind(&entry)));
        }
        all.sort_unstable();
        Ok(all)
    }

    fn sort_out(&mut self, folder: &Folder, entries: Vec<(PathBuf, Entry)>) -> Vec<Folder> {
        let mut folders = Vec::new();
        for (path, kind) in entries {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            if name.starts_with(b".") || name.ends_with(b"~") {
                continue;
            }
            let is_text = path.file_name().is_some_and(|name| name.to_str().is_some());
            let counts = kind != Entry::File || name.ends_with(b".toml");
            match kind {
                _ if counts && !is_text => self.refuse_name(&path, kind),
                Entry::File if counts => self.found.push(JobFile { name: job_name(self.root, &path), path }),
                Entry::File => {}
                _ => {
                    let by_link = folder.by_link || kind == Entry::LinkToFolder;
                    folders.push(Folder { path, depth: folder.depth + 1, by_link });
                }
            }
        }
        folders
    }

    fn refuse_name(&mut self, path: &Path, kind: Entry) {
        let id = self.sources.add(path, "");
        let what = if kind == Entry::File { "file" } else { "folder" };
        let message = format!("the name of this {what} is not UTF-8 text, so that no job can be named by it");
        self.problems.push(Problem::new(Code::BadFileName, Place::new(id, 0..0), message).help("rename it"));
    }

    /// A folder that is not looked into, and why.
    fn refuse(&mut self, folder: &Folder, closed: Closed) {
        let is_missing = matches!(&closed, Closed::Failed(error) if error.kind() == std::io::ErrorKind::NotFound);
        let code = if is_missing { Code::MissingFile } else { Code::UnreadableFile };
        let id = self.sources.add(&folder.path, "");
        let (why, help) = match closed {
            Closed::Failed(error) if folder.depth == 0 && error.kind() != std::io::ErrorKind::PermissionDenied => {
                (error.to_string(), "create it, or point `jobs_dir` (or --path) at the folder that holds your jobs")
            }
            Closed::Failed(error) if is_missing => {
                (error.to_string(), "it is a link: check where it points, or remove it")
            }
            Closed::Failed(error) => (error.to_string(), "check its owner and mode"),
            Closed::Visited(known) if folder.path.starts_with(&known) => (
                "it is a link back to a folder above it".to_owned(),
                "remove the link: each of its jobs would run again under another name",
            ),
            Closed::Visited(known) => (
                format!("it is a link to {}, which is read already", in_one_line(&known.display().to_string())),
                "remove the link: each of its jobs would run again under another name",
            ),
            Closed::TooDeep => (
                format!("it lies more than {DEEPEST} folders below the folder of jobs"),
                "move it up, or remove the link that leads there",
            ),
            Closed::TooMany => (
                format!("more than {MOST_FOLDERS} folders lie below the folder of jobs"),
                "remove the link that leads to so many",
            ),
        };
        let message = format!("the folder of jobs cannot be read: {why}");
        self.problems.push(Problem::new(code, Place::new(id, 0..0), message).help(help));
    }
}

/// Whether a link leads to a folder; one that leads nowhere may have done so, and is a folder that cannot be read, unless its name
/// has an ending, as those of files have.
#[expect(clippy::disallowed_methods, reason = "the door of files: folders are walked here and nowhere else")]
fn leads_to_folder(link: &Path) -> bool {
    std::fs::metadata(link).map_or_else(|_| link.extension().is_none(), |meta| meta.is_dir())
}

/// What an entry of a folder is, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    File,
    Folder,
    LinkToFolder,
}
