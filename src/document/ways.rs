//! \[fs\] Notice of what lies on the way to the files of a configuration: links, and the folders above them.
//!
//! Before it: a survey, which names them. After it: the watcher of the files themselves. It is apart from that one, which asks
//! for notice of each file that is opened, to know who is still writing: in `/etc`, where the link of the time zone is, every
//! program that starts on this machine opens one. Here only what comes, goes or is renamed wakes anybody.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What is told of a folder: that another may have taken its place.
const ITSELF: WatchFlags = WatchFlags::DELETE_SELF.union(WatchFlags::MOVE_SELF).union(WatchFlags::ONLYDIR);

/// And of the names in it, where some matter.
const NAMES: WatchFlags = ITSELF.union(WatchFlags::CREATE).union(WatchFlags::DELETE).union(WatchFlags::MOVE);

/// What is told of the folder itself, or of lost notices: it says nothing of a name.
const OF_ITSELF: ReadFlags =
    ReadFlags::DELETE_SELF.union(ReadFlags::MOVE_SELF).union(ReadFlags::UNMOUNT).union(ReadFlags::QUEUE_OVERFLOW);

/// Names in folders of which notice is given; by the folder, with its device and inode.
pub(super) type Names = BTreeMap<PathBuf, ((u64, u64), HashSet<OsString>)>;

/// Gives notice of them.
#[derive(Debug)]
pub(super) struct Ways {
    kernel: AsyncFd<OwnedFd>,
    /// By the kernel's number of the watch.
    watching: HashMap<i32, (PathBuf, (u64, u64))>,
    names: Names,
}

impl Ways {
    /// Watches nothing yet; none where the kernel has nothing left for us.
    pub(super) fn new() -> Option<Self> {
        let kernel = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
        #[expect(deprecated, reason = "sound for an OwnedFd, and the replacement is unsafe")]
        let kernel = AsyncFd::with_interest(kernel, Interest::READABLE).ok()?;
        Some(Self { kernel, watching: HashMap::new(), names: Names::new() })
    }

    /// Watches these and no others. The answer is the folders that cannot be watched: the user may not read them, or the kernel
    /// has no watch left.
    pub(super) fn watch(&mut self, names: Names) -> Vec<(PathBuf, String)> {
        let kernel = self.kernel.get_ref();
        self.watching.retain(|number, (path, id)| {
            let stays = names.get(path).is_some_and(|(now, _)| now == id);
            if !stays {
                // It may be gone already, and its watch with it.
                let _ = inotify::remove_watch(kernel, *number);
            }
            stays
        });
        let mut refused = Vec::new();
        for (path, (id, within)) in &names {
            // One that is watched keeps its number, and may be told more of.
            match inotify::add_watch(kernel, path, if within.is_empty() { ITSELF } else { NAMES }) {
                Ok(number) => drop(self.watching.insert(number, (path.clone(), *id))),
                // One that is gone by now has given notice in the one above it.
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(error) => refused.push((path.clone(), why_no_notice(&error.into()))),
            }
        }
        self.names = names;
        refused
    }

    /// What is watched: device and inode by path.
    pub(super) fn watched(&self) -> impl Iterator<Item = (&PathBuf, &(u64, u64))> {
        self.watching.values().map(|(path, id)| (path, id))
    }

    /// Returns when one of them may be another one. Nothing is lost when this is dropped.
    pub(super) async fn changed(&mut self) {
        loop {
            let Ok(mut ready) = self.kernel.readable().await else { return std::future::pending().await };
            let mut room = [MaybeUninit::uninit(); 4_096];
            let mut reader = Reader::new(self.kernel.get_ref(), &mut room);
            loop {
                match reader.next() {
                    Ok(event) => {
                        let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                        let folder = self.watching.get(&event.wd()).map(|(path, _)| path.as_path());
                        if event.events().intersects(OF_ITSELF) || self.matters(folder, name) {
                            return;
                        }
                    }
                    Err(Errno::INTR) => {}
                    Err(_) => {
                        ready.clear_ready();
                        break;
                    }
                }
            }
        }
    }

    fn matters(&self, folder: Option<&Path>, name: Option<&OsStr>) -> bool {
        let names = folder.and_then(|folder| self.names.get(folder));
        name.is_some_and(|name| names.is_some_and(|(_, names)| names.contains(name)))
    }
}
/// No more files can be watched.
pub(super) const NO_WATCHES: &str = "no more files can be watched (see fs.inotify.max_user_watches)";

/// Why the kernel gives no notice, in words: its own name other limits (inotify_init(2), inotify_add_watch(2)).
pub fn why_no_notice(error: &std::io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE) => {
            "no more inotify instances or open files are allowed (see fs.inotify.max_user_instances, \
                               `ulimit -n`)"
                .to_owned()
        }
        Some(Errno::NOSPC) => NO_WATCHES.to_owned(),
        _ => error.to_string(),
    }
}
