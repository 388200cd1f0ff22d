//! \[fs\] Runs that ended while there was nobody to tell: a file each in `spool/` of the state directory, until a daemon or the
//! next wrapped command takes them up.
//!
//! Before it: `wrap`, without a daemon and without the right to judge in place. After it: whoever holds the lock of the state
//! directory. Invariants: a record is whole or not there (a temporary name, fsync, rename); at most [`MOST_RECORDS`] of at most
//! [`LONGEST`] bytes; a record is removed only after what it says is on disk elsewhere, so that it may be taken up twice, which
//! job and start show; only files of the directory's owner and of root are taken.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::exec::{Captured, Ending, Output};
use crate::id::{JobName, RunId};

/// The folder's name in the state directory.
const FOLDER: &str = "spool";

/// So many records wait at most; another one is refused, and its alert is printed where cron mails it.
pub const MOST_RECORDS: usize = 1_000;

/// A record is not longer than this.
pub const LONGEST: u64 = 2 << 20;

/// Of each end of a stream a record has so many bytes: they are written as JSON, in which a byte may take six.
pub const KEPT: usize = 48 << 10;

/// What was begun and not finished is removed after so long.
const UNFINISHED: Duration = Duration::from_secs(3_600);

/// The version of the format.
const VERSION: u32 = 1;

/// A run that something else started, as it is told: to the daemon over its socket, or in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The version of the format.
    pub version: u32,
    /// Whose run it was.
    pub job: JobName,
    /// The command, for people.
    pub command: String,
    /// The process that reports.
    pub pid: u32,
    /// Its number, if the daemon gave it one.
    pub run: Option<RunId>,
    /// When it began. With the job this says which run it was.
    pub started: Timestamp,
    /// The configuration that counts for it: another's daemon does not take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<PathBuf>,
    /// How often it is to come, where the caller says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<ExpectedEvery>,
    /// How long it may take, where the caller says so (`--timeout`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How it ended; nothing while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

/// A run is expected at most this often: each that does not come is a row of the history.
pub const SHORTEST_EXPECTED: Duration = Duration::from_secs(1);

/// How often a run is to come (`--expect`, `--grace`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedEvery {
    /// From one to the next.
    pub every: Duration,
    /// How late it may be.
    pub grace: Duration,
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// When.
    pub finished: Timestamp,
    /// How.
    pub ending: Ending,
    /// How long the command took, by the stop-watch, without the time that its report took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<Duration>,
    /// What it wrote.
    stdout: Kept,
    stderr: Kept,
    both: Kept,
}

/// Both ends of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    head: Bytes,
    #[serde(default, skip_serializing_if = "Bytes::is_empty")]
    tail: Bytes,
    #[serde(default, skip_serializing_if = "is_zero")]
    dropped: u64,
}

/// Bytes in JSON: as text where they are UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Bytes {
    Text(String),
    Raw(Vec<u8>),
}

impl Default for Bytes {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Bytes {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Raw(bytes) => bytes,
        }
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Raw(error.into_bytes()), Self::Text)
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl From<&Captured> for Kept {
    /// At most [`KEPT`] bytes of each end.
    fn from(captured: &Captured) -> Self {
        let (head, rest) = captured.head.split_at(captured.head.len().min(KEPT));
        let all = [rest, &captured.tail[..]].concat();
        let tail = &all[all.len().saturating_sub(KEPT)..];
        let dropped = captured.dropped + (all.len() - tail.len()) as u64;
        Self { head: head.to_vec().into(), tail: tail.to_vec().into(), dropped }
    }
}

impl From<Kept> for Captured {
    fn from(kept: Kept) -> Self {
        let (mut head, mut tail) = (kept.head.into_bytes(), kept.tail.into_bytes());
        if kept.dropped == 0 {
            head.append(&mut tail);
        }
        Self { head, tail, dropped: kept.dropped }
    }
}

impl End {
    /// From what is known of a command that is over.
    pub fn new(finished: Timestamp, ending: Ending, output: &Output) -> Self {
        let [stdout, stderr, both] = [&output.stdout, &output.stderr, &output.both].map(Kept::from);
        // What is all of one stream need not stand twice.
        let both = if both == stdout || both == stderr { Kept::default() } else { both };
        Self { finished, ending, took: None, stdout, stderr, both }
    }

    /// What it wrote.
    pub fn output(&self) -> Output {
        let [stdout, stderr, both] = [&self.stdout, &self.stderr, &self.both].map(|kept| Captured::from(kept.clone()));
        let one = if stdout.head.is_empty() && stdout.dropped == 0 { &stderr } else { &stdout };
        let both = if self.both == Kept::default() { one.clone() } else { both };
        Output { stdout, stderr, both, ..Output::default() }
    }
}

impl Report {
    /// A run that began now. By its job and its start a run is known again: cron starts its lines together, so that two may
    /// begin in the same microsecond, which is as fine as the history has it. The last two digits are those of the process.
    pub fn begun(job: JobName, command: String, pid: u32, started: Timestamp) -> Self {
        let microseconds = started.as_microsecond();
        let told_apart = microseconds - microseconds.rem_euclid(100) + i64::from(pid % 100);
        let started = Timestamp::from_microsecond(told_apart).unwrap_or(started);
        let (run, config, expect, timeout, end) = (None, None, None, None, None);
        Self { version: VERSION, job, command, pid, run, started, config, expect, timeout, end }
    }
}

/// The records of a state directory.
#[derive(Clone, Debug)]
pub struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// Of a state directory.
    pub fn of(state_dir: &Path) -> Self {
        Self { folder: state_dir.join(FOLDER) }
    }

    /// Where the records are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder where it is missing, as its parent's owner's.
    pub fn make(&self) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
            Ok(()) => give_to_owner_of(self.folder.parent().unwrap_or(Path::new(".")), &self.folder),
        }
    }

    /// Keeps a record: on disk when this returns. The answer is where.
    #[expect(clippy::disallowed_methods, reason = "the door of the spool: its files")]
    pub fn put(&self, report: &Report) -> io::Result<PathBuf> {
        self.make()?;
        if self.names()?.len() >= MOST_RECORDS {
            return Err(io::Error::other(format!("{MOST_RECORDS} records wait in {} already", self.folder.display())));
        }
        let text = serde_json::to_vec(report)?;
        let name = format!("{:020}-{}", report.started.as_microsecond(), report.pid);
        let (new, place) = (self.folder.join(format!(".{name}.new")), self.folder.join(format!("{name}.json")));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(&new)?;
        let written = file
            .write_all(&text)
            .and_then(|()| give_to_owner_of(&self.folder, &new))
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&new, &place));
        if written.is_err() {
            let _ = std::fs::remove_file(&new);
        }
        written?;
        // The name is on disk too; where a file system cannot say so, the file is.
        let _ = File::open(&self.folder).and_then(|folder| folder.sync_all());
        Ok(place)
    }

    /// The records, oldest first. One that cannot be understood is told of, and set apart under another name.
    pub fn records(&self, now: Timestamp) -> Vec<(PathBuf, Report)> {
        let mut names = self.names().unwrap_or_default();
        names.sort();
        self.clear_unfinished(now);
        names.into_iter().filter_map(|path| self.read(path)).collect()
    }

    /// Whether any waits.
    pub fn any(&self) -> bool {
        self.names().is_ok_and(|names| !names.is_empty())
    }

    /// A record is told elsewhere, and on disk there.
    #[expect(clippy::disallowed_methods, reason = "the door of the spool: its files")]
    pub fn remove(&self, record: &Path) {
        if let Err(error) = std::fs::remove_file(record) {
            tracing::warn!(record = %record.display(), %error, "a record that was taken up cannot be removed");
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the door of the spool: its files")]
    fn names(&self) -> io::Result<Vec<PathBuf>> {
        let is_record = |path: &PathBuf| {
            let hidden = path.file_name().and_then(OsStr::to_str).is_none_or(|name| name.starts_with('.'));
            !hidden && path.extension().is_some_and(|ending| ending == "json")
        };
        match std::fs::read_dir(&self.folder) {
            Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).filter(is_record).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the door of the spool: its files")]
    fn read(&self, path: PathBuf) -> Option<(PathBuf, Report)> {
        let read = || -> io::Result<Report> {
            let mut options = OpenOptions::new();
            // A link leads to what is not ours, and a pipe would be waited for.
            options
                .read(true)
                .custom_flags((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits().cast_signed());
            let file = options.open(&path)?;
            let (found, folder) = (file.metadata()?, std::fs::metadata(&self.folder)?);
            if !found.is_file() || !(found.uid() == folder.uid() || found.uid() == 0) {
                return Err(io::Error::other("it is no file of this state's owner"));
            }
            let mut text = Vec::new();
            file.take(LONGEST + 1).read_to_end(&mut text)?;
            if text.len() as u64 > LONGEST {
                return Err(io::Error::other("it is too long"));
            }
            let report: Report = serde_json::from_slice(&text)?;
            if report.version != VERSION || report.end.is_none() {
                return Err(io::Error::other(format!("its format, {}, is not known", report.version)));
            }
            Ok(report)
        };
        match read() {
            Ok(report) => Some((path, report)),
            Err(error) => {
                tracing::warn!(record = %path.display(), %error, "a record of a run cannot be read, and is set apart");
                let _ = std::fs::rename(&path, path.with_extension("bad"));
                None
            }
        }
    }

    /// What somebody began to write and did not finish.
    #[expect(clippy::disallowed_methods, reason = "the door of the spool: its files")]
    fn clear_unfinished(&self, now: Timestamp) {
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            let age = now.as_second().saturating_sub(meta.mtime());
            let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(".new"));
            if ours && u64::try_from(age).is_ok_and(|age| age > UNFINISHED.as_secs()) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// Waits for records by other processes.
#[derive(Debug)]
pub struct Watch(AsyncFd<OwnedFd>);

impl Watch {
    /// Of a spool, whose folder is made.
    #[expect(deprecated, reason = "sound for an OwnedFd, and the replacement is unsafe")]
    pub fn new(spool: &Spool) -> io::Result<Self> {
        spool.make()?;
        let watcher = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        inotify::add_watch(&watcher, spool.folder(), WatchFlags::MOVED_TO)?;
        Ok(Self(AsyncFd::with_interest(watcher, Interest::READABLE)?))
    }

    /// Until a record is there that was not when this was last asked.
    pub async fn arrived(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.0.readable().await?;
            let mut events = [0_u8; 4096];
            // What it is called is of no interest, only that it is there.
            match ready.try_io(|fd| Ok(rustix::io::read(fd, &mut events)?)) {
                // A process that was stopped and goes on.
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(read) => return read.map(drop),
                Err(_would_block) => {}
            }
        }
    }
}

/// What root writes is to be read by the owner of where it is written.
#[expect(clippy::disallowed_methods, reason = "the door of the spool: whose its files are")]
fn give_to_owner_of(folder: &Path, what: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = std::fs::metadata(folder)?;
    std::os::unix::fs::lchown(what, Some(owner.uid()), Some(owner.gid()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::{End, KEPT, LONGEST, Report, Spool};
    use crate::exec::{Captured, Ending, Output};
    use crate::id::JobName;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn captured(text: &[u8]) -> Captured {
        Captured { head: text.to_vec(), tail: Vec::new(), dropped: 0 }
    }

    fn report(second: i64, stdout: &[u8], stderr: &[u8]) -> Report {
        let output = Output {
            stdout: captured(stdout),
            stderr: captured(stderr),
            both: captured(&[stdout, stderr].concat()),
            ..Output::default()
        };
        let end = End::new(at(second + 1), Ending::Exited { code: 3 }, &output);
        let begun = Report::begun(JobName::new("db/backup"), "backup --all".to_owned(), 7, at(second));
        Report { end: Some(end), ..begun }
    }

    #[test]
    fn a_record_comes_back_as_it_was_and_oldest_first() {
        let state = tempfile::tempdir().expect("a scratch folder");
        let spool = Spool::of(state.path());
        assert!(spool.records(at(0)).is_empty(), "nothing was ever written");
        let (later, sooner) = (report(20, b"late \xff bytes\n", b""), report(10, b"out\n", b"err\n"));
        for report in [&later, &sooner] {
            spool.put(report).expect("written");
        }
        let found = spool.records(at(30));
        assert_eq!(found.iter().map(|(_, report)| report).collect::<Vec<_>>(), [&sooner, &later]);
        let output = found[0].1.end.as_ref().expect("an end").output();
        assert_eq!((output.stdout.bytes(), output.both.bytes()), (b"out\n".to_vec(), b"out\nerr\n".to_vec()));
        assert_eq!(found[1].1.end.as_ref().expect("an end").output().both.bytes(), b"late \xff bytes\n");
        found.iter().for_each(|(path, _)| spool.remove(path));
        assert!(spool.records(at(30)).is_empty());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test has files of its own")]
    fn the_longest_output_makes_a_record_that_is_taken_up() {
        let state = tempfile::tempdir().expect("a scratch folder");
        let spool = Spool::of(state.path());
        let long = vec![0xff; 1 << 20];
        spool.put(&report(1, &long, &long)).expect("written");
        let [(path, found)] = &spool.records(at(2))[..] else { panic!("one record") };
        assert!(path.metadata().expect("a file").len() <= LONGEST);
        let output = found.end.as_ref().expect("an end").output();
        assert_eq!((output.stdout.head.len(), output.stdout.tail.len()), (KEPT, KEPT));
        assert_eq!(output.stdout.dropped, (1 << 20) - 2 * KEPT as u64);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test has files of its own")]
    fn what_is_no_record_is_set_apart_and_what_is_unfinished_is_cleared_away_in_time() {
        let state = tempfile::tempdir().expect("a scratch folder");
        let spool = Spool::of(state.path());
        spool.put(&report(1, b"", b"")).expect("written");
        let file = |name: &str| spool.folder().join(name);
        std::fs::write(file("0.json"), "{").expect("written");
        std::fs::write(
            file("1.json"),
            r#"{"version":9,"job":"a","command":"a","pid":1,"run":null,"started":"2026-01-01T00:00:00Z"}"#,
        )
        .expect("written");
        std::os::unix::fs::symlink("/etc/passwd", file("2.json")).expect("a link");
        std::fs::write(file(".x.new"), "").expect("written");
        let now = Timestamp::try_from(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(0)).expect("a time");
        assert_eq!(spool.records(now).len(), 1);
        assert!(file("0.bad").exists() && file("1.bad").exists() && file("2.bad").symlink_metadata().is_ok());
        assert!(file(".x.new").exists(), "somebody may still write it");
        let _ = spool.records(Timestamp::MAX);
        assert!(!file(".x.new").exists());
    }
}
