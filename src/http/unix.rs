//! \[net\] The control socket: where it is, who may open it, and its end.
//!
//! Before it: `[control]`. After it: `accept`. Invariants: there is no moment in which it has another mode or group than it is
//! to have; a socket that nobody listens on is replaced, one that another daemon listens on is not.

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::{UnixListener, UnixStream};

use super::listener::{Accepted, Listener};
use super::peer::Peer;
use crate::clock::SharedClock;
use crate::exec;
use crate::plan::{Control, Reads};

/// The socket's name.
pub const NAME: &str = "control.sock";

/// Whoever has locked this file may put a socket beside it.
const LOCK: &str = "control.lock";

/// A socket that is listened on.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    /// Device and inode, to know it again.
    id: (u64, u64),
    /// Held as long as the socket is ours.
    _lock: File,
    listener: UnixListener,
    group: Arc<AtomicU32>,
    clock: SharedClock,
}

/// What is to be removed at the end.
#[derive(Clone, Debug)]
pub struct Bound {
    path: PathBuf,
    id: (u64, u64),
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
    #[expect(clippy::disallowed_methods, reason = "the door of the control socket")]
    pub fn bind(folder: &Path, control: &Control, clock: SharedClock) -> Result<Self, BindError> {
        if !folder.is_dir() {
            DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
        }
        let lock = File::options().create(true).truncate(false).write(true).open(folder.join(LOCK))?;
        lock.set_permissions(Permissions::from_mode(0o600))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(BindError::Taken),
            Err(std::fs::TryLockError::Error(error)) => return Err(error.into()),
        }
        let (path, new) = (folder.join(NAME), folder.join(format!(".{NAME}.{}", std::process::id())));
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let listener = UnixListener::bind(&new)?;
        let ready = permit(&new, control).and_then(|group| {
            let found = std::fs::symlink_metadata(&new)?;
            std::fs::rename(&new, &path)?;
            Ok((group, (found.dev(), found.ino())))
        });
        let (group, id) = ready.inspect_err(|_| drop(std::fs::remove_file(&new)))?;
        let group = Arc::new(AtomicU32::new(group));
        Ok(Self { path, id, _lock: lock, listener, group, clock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is to be removed at the end.
    pub fn bound(&self) -> Bound {
        Bound { path: self.path.clone(), id: self.id, group: Arc::clone(&self.group) }
    }
}

impl Bound {
    /// Takes the socket away, unless another one has its place by now.
    #[expect(clippy::disallowed_methods, reason = "the door of the control socket")]
    pub fn remove(&self) {
        let ours = std::fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.id);
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the control socket cannot be removed");
        }
    }

    /// Other settings are in effect.
    pub fn permit(&self, control: &Control) {
        match permit(&self.path, control) {
            Ok(group) => self.group.store(group, Ordering::Relaxed),
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the control socket keeps its group and mode");
            }
        }
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
        let (stream, _) = self.listener.accept().await?;
        let peer = stream.peer_cred()?;
        let peer = Peer::unix(peer.uid(), peer.gid(), peer.pid(), Arc::clone(&self.group), self.clock.clone());
        Ok(Accepted { stream, peer })
    }
}
