//! \[fs\] Which files a configuration comes from, whether one of them changed, and the kernel's notice when one does.
//!
//! Before it: the paths that a configuration names. After it: the daemon's watcher, which waits until nothing changes and
//! has the configuration read again. A notice is a hint; whether anything changed is decided by comparing two surveys.
//! Invariants: each folder is looked at once, however links lead to it; no notice is queued: at most one waits.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use super::ways::{NO_WATCHES, Ways, why_no_notice};

/// Folders that are watched at most; the rest is not seen before a reload by hand.
const MOST_FOLDERS: usize = 10_000;

/// Folders within folders, as deep as jobs are looked for.
const DEEPEST: usize = 16;

/// Links that one path may go through, as the kernel's own limit.
const MOST_LINKS: u32 = 40;

/// Files that somebody has open and that are remembered as such; more are taken for closed.
const MOST_OPEN: usize = 1_000;

/// File systems that other machines, or a program, may change behind the kernel's back: statfs(2)'s numbers and names.
const NOT_WATCHED: &[(i64, &str)] = &[
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x00C3_6400, "Ceph"),
    (0x0BD0_0BD0, "Lustre"),
    (0x7375_7245, "Coda"),
    (0x5346_414F, "AFS"),
    (0x7461_636F, "OCFS2"),
    (0x0116_1970, "GFS2"),
    (0x786F_4256, "VirtualBox's shared folders"),
    (0xBACB_ACBC, "VMware's shared folders"),
];

/// The files of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// `slack_alert.toml`.
    pub config: Option<PathBuf>,
    /// The folder of job files.
    pub jobs_dir: PathBuf,
    /// Files that jobs name.
    pub named: Vec<PathBuf>,
}

/// How the files were at one moment.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Differs when anything does.
    pub fingerprint: u64,
    /// When the last of the changes was, as far as the files tell.
    pub newest: Option<Timestamp>,
    /// A folder whose file system gives no notice, and which one that is.
    pub unwatchable: Option<(PathBuf, &'static str)>,
    /// The folders to watch.
    folders: BTreeMap<PathBuf, Folder>,
    /// Files to watch themselves, each with device and inode: they may be written to under another name, of which their folder
    /// gives no notice. Containers have files mounted one by one.
    files: BTreeMap<PathBuf, (u64, u64)>,
}

/// A folder to watch.
#[derive(Clone, Debug, Default)]
struct Folder {
    /// Device and inode: a folder of the same name that was made anew is another one.
    id: (u64, u64),
    /// Job files are in it: every name matters that could be one, or a folder of them.
    jobs: bool,
    /// Files of the configuration are in it, and not only what leads to them.
    files: bool,
    /// Something of the configuration needs notice of it; a folder above need not be readable.
    needed: bool,
    /// Other names that matter: files, and links on the way to them.
    names: HashSet<OsString>,
}

impl Folder {
    /// Whether a file of this name is one of the configuration's.
    fn has_file(&self, name: &OsStr) -> bool {
        self.names.contains(name) || self.jobs && may_be_job(name) && name.as_encoded_bytes().ends_with(b".toml")
    }

    /// Whether this has brought a folder of jobs, or a link that may lead to one: those may have any name. What else
    /// lies beside job files may change as often as it likes.
    #[expect(clippy::disallowed_methods, reason = "the door of files: what is watched is looked at here")]
    fn has_folder(&self, path: &Path, kind: EventKind) -> bool {
        let comes = matches!(kind, EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(_)) | EventKind::Any);
        let may_be = self.jobs && comes && path.file_name().is_some_and(may_be_job);
        may_be && std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir() || meta.is_symlink())
    }
}

/// Whether a name could be a job file's or a folder's: what editors and copying programs leave beside a file is neither.
fn may_be_job(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    !name.starts_with(b".") && !name.ends_with(b"~")
}

/// Looks at every file of a configuration.
pub fn survey(files: &Watched) -> Survey {
    let mut surveyor = Surveyor::default();
    for file in files.config.iter().chain(&files.named) {
        surveyor.file(file);
    }
    if let Some(folder) = surveyor.follow(&files.jobs_dir) {
        surveyor.walk(&folder, 0);
    }
    Survey { fingerprint: surveyor.hasher.finish(), ..surveyor.survey }
}

#[derive(Default)]
struct Surveyor {
    survey: Survey,
    hasher: DefaultHasher,
    walked: HashSet<(u64, u64)>,
}

impl Surveyor {
    /// A file, which need not be there.
    fn file(&mut self, path: &Path) {
        let Some(real) = self.follow(path) else { return };
        if let (Some(folder), Some(name)) = (real.parent(), real.file_name()) {
            self.name(folder, name);
            self.need(folder).files = true;
        }
        self.stat(&real);
    }

    /// Where a path leads. Every folder and link on the way is watched, since another may take its place; where the way ends
    /// early, so is the name that is missing.
    #[expect(clippy::disallowed_methods, reason = "the door of files: what is watched is looked at here")]
    fn follow(&mut self, path: &Path) -> Option<PathBuf> {
        let path = std::path::absolute(path).ok()?;
        let mut real = PathBuf::from("/");
        let mut ahead: VecDeque<OsString> = parts(&path).collect();
        let mut links = 0;
        while let Some(name) = ahead.pop_front() {
            if name == ".." {
                real.pop();
                continue;
            }
            let next = real.join(&name);
            let Ok(meta) = std::fs::symlink_metadata(&next) else {
                self.name(&real, &name);
                (&next, "missing").hash(&mut self.hasher);
                return None;
            };
            if !meta.is_symlink() {
                if meta.is_dir() {
                    self.folder(&next);
                }
                real = next;
                continue;
            }
            links += 1;
            self.name(&real, &name);
            self.survey.newest = self.survey.newest.max(changed(&meta));
            let target = std::fs::read_link(&next).ok().filter(|_| links <= MOST_LINKS)?;
            (&next, &target).hash(&mut self.hasher);
            if target.is_absolute() {
                real = PathBuf::from("/");
            }
            for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                ahead.push_front(part);
            }
        }
        Some(real)
    }

    /// A folder of jobs and everything below it.
    #[expect(clippy::disallowed_methods, reason = "the door of files: what is watched is looked at here")]
    fn walk(&mut self, folder: &Path, depth: usize) {
        let Ok(meta) = std::fs::metadata(folder) else { return };
        if !self.walked.insert((meta.dev(), meta.ino())) || self.walked.len() > MOST_FOLDERS {
            return;
        }
        self.need(folder).jobs = true;
        // A file that was removed tells no time; its folder does.
        self.survey.newest = self.survey.newest.max(changed(&meta));
        let Ok(entries) = std::fs::read_dir(folder) else {
            (folder, "unreadable", meta.ctime(), meta.ctime_nsec()).hash(&mut self.hasher);
            return;
        };
        let mut entries: Vec<_> = entries.flatten().filter(|entry| may_be_job(&entry.file_name())).collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let is_job = path.extension().is_some_and(|ending| ending == "toml");
            let Ok(kind) = entry.file_type() else { continue };
            let real = if kind.is_symlink() { self.follow(&path) } else { Some(path.clone()) };
            let Some(real) = real else { continue };
            if kind.is_dir() || kind.is_symlink() && std::fs::metadata(&real).is_ok_and(|meta| meta.is_dir()) {
                path.hash(&mut self.hasher);
                if depth < DEEPEST {
                    self.walk(&real, depth + 1);
                }
            } else if is_job {
                path.hash(&mut self.hasher);
                match kind.is_symlink() {
                    true => self.file(&real),
                    false => self.stat(&real),
                }
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the door of files: what is watched is looked at here")]
    fn stat(&mut self, path: &Path) {
        let Ok(meta) = std::fs::metadata(path) else { return };
        if meta.nlink() > 1 || is_mounted(path) {
            self.survey.files.insert(path.to_owned(), (meta.dev(), meta.ino()));
        }
        (meta.dev(), meta.ino(), meta.size()).hash(&mut self.hasher);
        (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()).hash(&mut self.hasher);
        self.survey.newest = self.survey.newest.max(changed(&meta));
    }

    fn name(&mut self, folder: &Path, name: &OsStr) {
        let folder = self.need(folder);
        if !folder.names.contains(name) {
            folder.names.insert(name.to_owned());
        }
    }

    /// A folder of which notice is needed.
    fn need(&mut self, path: &Path) -> &mut Folder {
        let is_new = !self.folder(path).needed;
        if is_new && let Ok(system) = rustix::fs::statfs(path) {
            let known = NOT_WATCHED.iter().find(|(number, _)| *number == system.f_type & 0xFFFF_FFFF);
            if let Some((_, name)) = known {
                self.survey.unwatchable.get_or_insert_with(|| (path.to_owned(), name));
            }
        }
        let folder = self.folder(path);
        folder.needed = true;
        folder
    }

    #[expect(clippy::disallowed_methods, reason = "the door of files: what is watched is looked at here")]
    fn folder(&mut self, path: &Path) -> &mut Folder {
        if !self.survey.folders.contains_key(path) {
            let id = std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).unwrap_or_default();
            self.survey.folders.insert(path.to_owned(), Folder { id, ..Folder::default() });
        }
        self.survey.folders.get_mut(path).expect("it was put there")
    }
}

/// Whether something is mounted at this path.
fn is_mounted(path: &Path) -> bool {
    let seen = rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::empty());
    seen.is_ok_and(|seen| seen.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// The components of a path below its root.
fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

fn changed(meta: &Metadata) -> Option<Timestamp> {
    Timestamp::new(meta.ctime(), i32::try_from(meta.ctime_nsec()).ok()?).ok()
}

/// Gives notice when one of the files of a survey may have changed.
pub struct Watcher {
    /// None where the kernel has no watch left for us.
    kernel: Option<RecommendedWatcher>,
    watching: HashMap<PathBuf, (u64, u64)>,
    shared: Arc<Mutex<Shared>>,
    notices: mpsc::Receiver<()>,
    /// Tells that a file system was mounted or unmounted (proc_pid_mountinfo(5)), of which a folder gives no notice.
    mounts: Option<AsyncFd<File>>,
    /// What leads to the files.
    ways: Option<Ways>,
}

fn in_words(error: &notify::Error) -> String {
    match &error.kind {
        notify::ErrorKind::Io(error) => why_no_notice(error),
        notify::ErrorKind::MaxFilesWatch => NO_WATCHES.to_owned(),
        _ => error.to_string(),
    }
}

fn no_threads() -> notify::Error {
    notify::Error::generic("no more threads are allowed (see `ulimit -u`, TasksMax=)")
}

/// Whether another thread may be made. A watcher for which there is none can never be given back.
#[expect(clippy::disallowed_methods, reason = "it ends at once, and shows that there may be one more")]
fn is_thread_left() -> bool {
    std::thread::Builder::new().spawn(|| ()).is_ok_and(|probe| probe.join().is_ok())
}

/// What the kernel's notices are sorted by, on the thread that receives them.
#[derive(Debug, Default)]
struct Shared {
    folders: BTreeMap<PathBuf, Folder>,
    /// Files that somebody has open.
    open: HashMap<PathBuf, Open>,
}

/// A file that somebody has open.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    times: u32,
    /// It was written to, and not closed since. A modification alone does not say so: the kernel calls it that too when the
    /// time of a file or a folder is set by its name, as tar and rsync do it when they are through.
    written: bool,
}

impl Watcher {
    /// Watches nothing yet. The error, if there is one, says why the kernel gives no notice.
    pub fn new() -> (Self, Option<String>) {
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let (sender, notices) = mpsc::channel(1);
        let sorted = Arc::clone(&shared);
        // Held by the thread that receives the notices.
        let alive = Arc::new(());
        let is_alive = Arc::downgrade(&alive);
        let notify = move |event: notify::Result<notify::Event>| {
            let _alive = &alive;
            let mut shared = sorted.lock().unwrap_or_else(PoisonError::into_inner);
            // An error means that notices were lost. When one waits already, it stands for this one too.
            if event.map_or(true, |event| shared.matters(&event)) {
                let _ = sender.try_send(());
            }
        };
        let kernel = if is_thread_left() { notify::recommended_watcher(notify) } else { Err(no_threads()) };
        let kernel = match kernel {
            // It says nothing when it could make no thread, and panics at every later call, even when it is dropped.
            Ok(deaf) if is_alive.strong_count() == 0 => {
                std::mem::forget(deaf);
                Err(no_threads())
            }
            kernel => kernel,
        };
        let kernel = kernel.map_err(|error| in_words(&error));
        let why = kernel.as_ref().err().cloned();
        (
            Self {
                kernel: kernel.ok(),
                watching: HashMap::new(),
                shared,
                notices,
                mounts: mounts(),
                ways: Ways::new(),
            },
            why,
        )
    }

    /// Watches the folders of this survey and no others. The error says which folder cannot be watched, and why.
    ///
    /// # Errors
    /// A folder cannot be watched.
    #[expect(clippy::disallowed_methods, reason = "the door of files: what is watched is looked at here")]
    pub fn watch(&mut self, survey: &Survey) -> Result<(), String> {
        let Some(kernel) = &mut self.kernel else { return Ok(()) };
        let is_way = |folder: &Folder| !folder.jobs && !folder.files;
        let (ways, folders): (BTreeMap<_, _>, BTreeMap<_, _>) =
            survey.folders.clone().into_iter().partition(|(_, folder)| is_way(folder));
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).folders.clone_from(&folders);
        let wanted: BTreeMap<&PathBuf, (u64, u64)> = folders
            .iter()
            .map(|(path, folder)| (path, folder.id))
            .chain(survey.files.iter().map(|(path, id)| (path, *id)))
            .collect();
        self.watching.retain(|path, id| {
            let stays = wanted.get(path) == Some(id);
            if !stays {
                // It may be gone already, and its watch with it.
                let _ = kernel.unwatch(path);
            }
            stays
        });
        let mut refused = Ok(());
        if let Some(watcher) = &mut self.ways {
            let needed = |path: &PathBuf| ways.get(path).is_some_and(|folder| folder.needed);
            let names = ways.iter().map(|(path, folder)| (path.clone(), (folder.id, folder.names.clone()))).collect();
            let first = watcher.watch(names).into_iter().find(|(path, _)| needed(path));
            refused = first.map_or(Ok(()), |(path, error)| Err(format!("{}: {error}", path.display())));
        }
        for (path, id) in wanted {
            if self.watching.contains_key(path) {
                continue;
            }
            match kernel.watch(path, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.watching.insert(path.clone(), id)),
                // What is gone by now has given notice in the folder above it.
                Err(_) if !path.exists() => {}
                Err(error) => refused = Err(format!("{}: {}", path.display(), in_words(&error))),
            }
        }
        refused
    }

    /// Returns when something may have changed; never when nothing is watched. Nothing is lost when this is dropped.
    pub async fn changed(&mut self) {
        loop {
            tokio::select! {
                Some(()) = self.notices.recv() => return,
                () = changed_ways(self.ways.as_mut()) => return,
                () = mounted(self.mounts.as_ref()) => if self.is_mounted_over() { return },
                else => std::future::pending().await,
            }
        }
    }

    /// Whether another folder is in the place of one that is watched.
    #[expect(clippy::disallowed_methods, reason = "the door of files: what is watched is looked at here")]
    fn is_mounted_over(&self) -> bool {
        let other = |(path, id): (&PathBuf, &(u64, u64))| {
            std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok() != Some(*id)
        };
        self.watching.iter().any(other) || self.ways.as_ref().is_some_and(|ways| ways.watched().any(other))
    }

    /// Whether a file is open for writing, and was written to.
    pub fn is_writing(&self) -> bool {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).open.values().any(|open| open.written)
    }

    /// A file that is held open for long is taken as it is.
    pub fn forget_writing(&self) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.open.values_mut().for_each(|open| open.written = false);
    }
}

/// Returns when another folder or link is on the way to the files; never where nobody tells.
async fn changed_ways(ways: Option<&mut Ways>) {
    match ways {
        Some(ways) => ways.changed().await,
        None => std::future::pending().await,
    }
}

/// The mounts of this process, where the kernel tells of them.
#[expect(clippy::disallowed_methods, reason = "the door of files: what is watched is looked at here")]
fn mounts() -> Option<AsyncFd<File>> {
    let mounts = File::open("/proc/self/mountinfo").ok()?;
    #[expect(deprecated, reason = "sound for a File, and the replacement is unsafe")]
    AsyncFd::with_interest(mounts, Interest::PRIORITY).ok()
}

/// Returns when a file system was mounted or unmounted; never where nobody tells.
async fn mounted(mounts: Option<&AsyncFd<File>>) {
    match mounts {
        Some(mounts) => match mounts.ready(Interest::PRIORITY).await {
            Ok(mut ready) => ready.clear_ready(),
            Err(_) => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

impl Shared {
    fn matters(&mut self, event: &notify::Event) -> bool {
        if event.need_rescan() {
            // Notices were lost, and with them who has closed what.
            self.open.clear();
            return true;
        }
        let mut matters = false;
        for path in &event.paths {
            let folder = path.parent().and_then(|folder| self.folders.get(folder));
            let named = path.file_name().is_some_and(|name| folder.is_some_and(|folder| folder.has_file(name)));
            let known = self.folders.contains_key(path);
            // The folder itself was removed or renamed.
            matters |= named || known || folder.is_some_and(|folder| folder.has_folder(path, event.kind));
            if named && !known {
                self.note_open(path, event.kind);
            }
        }
        let closed = event.kind == EventKind::Access(AccessKind::Close(AccessMode::Write));
        matters && (closed || !matches!(event.kind, EventKind::Access(_)))
    }

    /// Whether the file is open, and written to, after this notice.
    fn note_open(&mut self, path: &Path, kind: EventKind) {
        match kind {
            EventKind::Access(AccessKind::Open(_)) => {
                if let Some(open) = self.open.get_mut(path) {
                    open.times = open.times.saturating_add(1);
                } else if self.open.len() < MOST_OPEN {
                    self.open.insert(path.to_owned(), Open { times: 1, written: false });
                }
            }
            EventKind::Access(AccessKind::Close(how)) => {
                if let Some(open) = self.open.get_mut(path) {
                    open.times = open.times.saturating_sub(1);
                    open.written &= how != AccessMode::Write;
                    if open.times == 0 {
                        self.open.remove(path);
                    }
                }
            }
            EventKind::Modify(ModifyKind::Data(_)) => {
                if let Some(open) = self.open.get_mut(path) {
                    open.written = true;
                }
            }
            EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => {}
            _ => drop(self.open.remove(path)),
        }
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").field("watching", &self.watching.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, MetadataKind, RemoveKind};

    use super::*;
    use crate::clock::{Clock, System, shift};

    /// A file system's clock is behind by up to a tick of the kernel.
    const TICK: std::time::Duration = std::time::Duration::from_millis(20);

    #[test]
    fn a_limit_of_inotify_is_named_and_not_taken_for_one_of_open_files_alone() {
        let of_system = |errno: rustix::io::Errno| in_words(&notify::Error::io(errno.into()));
        assert!(of_system(rustix::io::Errno::MFILE).contains("fs.inotify.max_user_instances"));
        assert!(of_system(rustix::io::Errno::NOSPC).contains("fs.inotify.max_user_watches"));
        assert_eq!(in_words(&notify::Error::new(notify::ErrorKind::MaxFilesWatch)), NO_WATCHES);
        assert_eq!(of_system(rustix::io::Errno::ACCESS), "Permission denied (os error 13)");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test makes the files that are looked at")]
    fn what_went_or_was_swapped_a_moment_ago_is_seen_in_the_time_of_the_last_change() {
        let dir = tempfile::tempdir().expect("a folder");
        let (jobs, old, new) = (dir.path().join("current"), dir.path().join("old"), dir.path().join("new"));
        for folder in [&old, &new] {
            std::fs::create_dir(folder).expect("a folder");
            std::fs::write(folder.join("a.toml"), "").expect("a file");
            std::fs::write(folder.join("b.toml"), "").expect("a file");
        }
        std::os::unix::fs::symlink(&old, &jobs).expect("a link");
        let files = Watched { config: None, jobs_dir: jobs.clone(), named: Vec::new() };
        let swap = || {
            std::os::unix::fs::symlink(&new, dir.path().join("next")).expect("a link");
            std::fs::rename(dir.path().join("next"), &jobs).expect("it is replaced");
        };
        let remove = || std::fs::remove_file(new.join("b.toml")).expect("it is there");
        for change in [&swap as &dyn Fn(), &remove] {
            let newest = survey(&files).newest.expect("there are files");
            // Until the file system's clock shows another time than that of the last change.
            while System.now().wall <= shift(newest, TICK) {
                std::thread::yield_now();
            }
            let read = System.now().wall;
            assert!(survey(&files).newest.expect("there are files") < read);
            change();
            assert!(shift(survey(&files).newest.expect("there are files"), TICK) >= read);
        }
    }

    #[test]
    fn a_file_is_being_written_while_somebody_who_has_written_to_it_has_it_open() {
        const MODIFIED: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        const ATTRIBUTES: EventKind = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
        const OPENED: EventKind = EventKind::Access(AccessKind::Open(AccessMode::Any));
        const WRITTEN: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));
        const LOOKED_AT: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Read));
        const CREATED: EventKind = EventKind::Create(CreateKind::File);
        const REMOVED: EventKind = EventKind::Remove(RemoveKind::File);
        let table: &[(&str, &str, &[EventKind], bool)] = &[
            ("a slow copy", "db/a.toml", &[CREATED, OPENED, MODIFIED], true),
            ("its end", "db/a.toml", &[CREATED, OPENED, MODIFIED, WRITTEN], false),
            ("an editor looks while it is written", "db/a.toml", &[OPENED, MODIFIED, OPENED, LOOKED_AT], true),
            ("the second of two writers goes on", "db/a.toml", &[OPENED, OPENED, MODIFIED, WRITTEN, MODIFIED], true),
            ("it is removed half-written", "db/a.toml", &[CREATED, OPENED, MODIFIED, REMOVED], false),
            ("tar sets the time of a folder by its name", "db", &[MODIFIED, ATTRIBUTES], false),
            (
                "rsync --inplace sets the time of a file at the end",
                "db/a.toml",
                &[OPENED, MODIFIED, WRITTEN, MODIFIED],
                false,
            ),
            ("truncate(2) by name", "db/a.toml", &[MODIFIED], false),
            ("only read", "db/a.toml", &[OPENED, LOOKED_AT], false),
        ];
        for (story, name, kinds, writing) in table {
            let folder = || Folder { jobs: true, ..Folder::default() };
            let folders =
                [("/jobs", folder()), ("/jobs/db", folder())].map(|(path, folder)| (path.into(), folder)).into();
            let mut shared = Shared { folders, open: HashMap::new() };
            for kind in *kinds {
                shared.matters(&notify::Event::new(*kind).add_path(Path::new("/jobs").join(name)));
            }
            assert_eq!(shared.open.values().any(|open| open.written), *writing, "{story}");
        }
    }
}
