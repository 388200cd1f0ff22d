//! \[net\] The control socket: where it is, who may open it, and its end.
//!
//! Before it: `[control]`. After it: `accept`. Invariants: there is no moment in which it has another mode or group than it is
//! to have; a socket that nobody listens on is replaced, one that another daemon listens on is not. One that is taken away
//! while the daemon runs, with its folder or alone, is made again.

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{UnixListener, UnixStream};

use super::listener::{Accepted, Listener};
use super::peer::Peer;
use crate::clock::{self, Mono, SharedClock};
use crate::exec;
use crate::plan::{Control, Reads};

/// The socket's name.
pub const NAME: &str = "control.sock";

/// Whoever has locked this file may put a socket beside it.
const LOCK: &str = "control.lock";

/// A socket that was taken away and cannot be made again yet is tried again after so long.
const AGAIN: Duration = Duration::from_secs(5);

/// When something was taken away, it is looked after so long.
const SETTLED: Duration = Duration::from_secs(1);

/// A socket that is listened on.
#[derive(Debug)]
pub struct Socket {
    folder: PathBuf,
    /// That of the folder, which may have to be made again.
    mode: u32,
    path: PathBuf,
    /// Held as long as the socket is ours.
    lock: File,
    listener: UnixListener,
    held: Arc<Mutex<Held>>,
    group: Arc<AtomicU32>,
    clock: SharedClock,
    /// Tells when something is taken out of the folder; nothing where the kernel cannot.
    watch: Option<AsyncFd<OwnedFd>>,
    /// When to try again to make it.
    again: Option<Mono>,
}

/// What is known of the socket now.
#[derive(Debug)]
struct Held {
    /// Device and inode, to know it again.
    id: (u64, u64),
    /// Who may use it.
    control: Control,
}

/// What is to be removed at the end.
#[derive(Clone, Debug)]
pub struct Bound {
    path: PathBuf,
    held: Arc<Mutex<Held>>,
    group: Arc<AtomicU32>,
}

/// Why there is no socket.
#[derive(Debug)]
pub enum BindError {
    /// Another daemon listens there.
    Taken,
    /// The system says no.
    Io(io::Error),
}

impl From<io::Error> for BindError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl std::fmt::Display for BindError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Taken => f.write_str("another daemon listens there"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Socket {
    /// Listens in a folder, which is made if it is not there.
    pub fn bind(folder: &Path, control: &Control, clock: SharedClock) -> Result<Self, BindError> {
        let mode = make(folder, 0o755)?;
        let lock = lock(folder, None)?.ok_or(BindError::Taken)?;
        let path = folder.join(NAME);
        let (listener, id, group) = listen(&path, control)?;
        let held = Arc::new(Mutex::new(Held { id, control: control.clone() }));
        let (folder, group, watch) = (folder.to_owned(), Arc::new(AtomicU32::new(group)), watch(folder));
        Ok(Self { folder, mode, path, lock, listener, held, group, clock, watch, again: None })
    }

    /// Makes the socket again, should it be gone. A place that another daemon has by now stays its own.
    fn look(&mut self) {
        self.again = None;
        if is_there(&self.path) {
            return;
        }
        match self.listen_again() {
            Ok(true) => {
                tracing::warn!(path = %self.path.display(), "the control socket was removed, and is made again");
            }
            Ok(false) => {
                tracing::warn!(path = %self.path.display(), "the control socket was removed, and another daemon has its place");
                self.watch = None;
            }
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the control socket was removed, and cannot be made again yet");
                self.again = Some(self.clock.now().mono + AGAIN);
            }
        }
    }

    fn listen_again(&mut self) -> io::Result<bool> {
        make(&self.folder, self.mode)?;
        let Some(lock) = lock(&self.folder, Some(&self.lock))? else { return Ok(false) };
        let control = self.held.lock().unwrap_or_else(PoisonError::into_inner).control.clone();
        let (listener, id, group) = listen(&self.path, &control)?;
        (self.listener, self.lock) = (listener, lock);
        self.held.lock().unwrap_or_else(PoisonError::into_inner).id = id;
        self.group.store(group, Ordering::Relaxed);
        self.watch = watch(&self.folder);
        Ok(true)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is to be removed at the end.
    pub fn bound(&self) -> Bound {
        Bound { path: self.path.clone(), held: Arc::clone(&self.held), group: Arc::clone(&self.group) }
    }
}

impl Bound {
    /// Takes the socket away, unless another one has its place by now.
    #[expect(clippy::disallowed_methods, reason = "the door of the control socket")]
    pub fn remove(&self) {
        let id = self.held.lock().unwrap_or_else(PoisonError::into_inner).id;
        let ours = std::fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == id);
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the control socket cannot be removed");
        }
    }

    /// Other settings are in effect.
    pub fn permit(&self, control: &Control) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).control.clone_from(control);
        match permit(&self.path, control) {
            Ok(group) => self.group.store(group, Ordering::Relaxed),
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the control socket keeps its group and mode");
            }
        }
    }
}

/// Makes a folder that is not there. The answer is its mode.
#[expect(clippy::disallowed_methods, reason = "the door of the control socket")]
fn make(folder: &Path, mode: u32) -> io::Result<u32> {
    if !folder.is_dir() {
        DirBuilder::new().recursive(true).mode(mode).create(folder)?;
    }
    Ok(std::fs::metadata(folder)?.mode() & 0o7777)
}

/// The lock of a folder: that which is held already, where it is still its; none where another daemon has it.
#[expect(clippy::disallowed_methods, reason = "the door of the control socket")]
fn lock(folder: &Path, held: Option<&File>) -> io::Result<Option<File>> {
    let lock = File::options().create(true).truncate(false).write(true).open(folder.join(LOCK))?;
    let id = |file: &File| file.metadata().map(|found| (found.dev(), found.ino()));
    if let Some(held) = held
        && id(held)? == id(&lock)?
    {
        return held.try_clone().map(Some);
    }
    lock.set_permissions(Permissions::from_mode(0o600))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

/// A socket with its group and mode, in one step. The answer is what it is known by, and its group.
#[expect(clippy::disallowed_methods, reason = "the door of the control socket")]
fn listen(path: &Path, control: &Control) -> io::Result<(UnixListener, (u64, u64), u32)> {
    let new = path.with_file_name(format!(".{NAME}.{}", std::process::id()));
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&new)?;
    let ready = permit(&new, control).and_then(|group| {
        let found = std::fs::symlink_metadata(&new)?;
        std::fs::rename(&new, path)?;
        Ok((group, (found.dev(), found.ino())))
    });
    let (group, id) = ready.inspect_err(|_| drop(std::fs::remove_file(&new)))?;
    Ok((listener, id, group))
}

#[expect(clippy::disallowed_methods, reason = "the door of the control socket")]
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Has the kernel tell when something is taken out of a folder, or the folder itself is taken away: nobody has to look.
#[expect(deprecated, reason = "sound for an OwnedFd, and the replacement is unsafe")]
fn watch(folder: &Path) -> Option<AsyncFd<OwnedFd>> {
    let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
    let taken = WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
    inotify::add_watch(&watch, folder, taken).ok()?;
    AsyncFd::with_interest(watch, Interest::READABLE).ok()
}

/// Returns when something was taken away. Nothing is lost when this is dropped: whoever looks after it sees what is so.
async fn taken_away(watch: Option<&AsyncFd<OwnedFd>>) {
    let Some(watch) = watch else { return std::future::pending().await };
    let Ok(mut ready) = watch.readable().await else { return std::future::pending().await };
    // What it was does not matter.
    let mut notices = [0; 4096];
    while rustix::io::read(watch.get_ref(), &mut notices).is_ok_and(|length| length > 0) {}
    ready.clear_ready();
}

async fn reached(clock: &SharedClock, at: Option<Mono>) {
    match at {
        Some(at) => clock::sleep_until(&**clock, at).await,
        None => std::future::pending().await,
    }
}

/// Gives a socket its group and its mode. The answer is the group.
#[expect(clippy::disallowed_methods, reason = "the door of the control socket")]
fn permit(path: &Path, control: &Control) -> io::Result<u32> {
    let own = rustix::process::getegid().as_raw();
    let mut group = control.group.as_deref().and_then(|name| exec::group(name).ok()).unwrap_or(own);
    // Closed while its group changes.
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    if let Err(error) = std::os::unix::fs::chown(path, None, Some(group)) {
        let name = control.group.as_deref().unwrap_or_default();
        tracing::warn!(path = %path.display(), group = name, %error, "the control socket cannot be given to this group: the daemon's user must be a member of it");
        group = own;
    }
    let mode = match control.read {
        Reads::Group => 0o660,
        Reads::All => 0o666,
    };
    std::fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(group)
}

impl Listener for Socket {
    type Stream = UnixStream;

    async fn accept(&mut self) -> io::Result<Accepted<UnixStream>> {
        let (stream, _) = loop {
            tokio::select! {
                accepted = self.listener.accept() => break accepted?,
                () = taken_away(self.watch.as_ref()) => {
                    // Whoever removes the folder is let finish: a new socket would be in the way.
                    self.again = Some(self.clock.now().mono + SETTLED);
                }
                () = reached(&self.clock, self.again) => self.look(),
            }
        };
        let peer = stream.peer_cred()?;
        let peer = Peer::unix(peer.uid(), peer.gid(), peer.pid(), Arc::clone(&self.group), self.clock.clone());
        Ok(Accepted { stream, peer })
    }
}
