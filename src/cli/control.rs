//! The control socket: where it is, and its server beside the daemon.
//!
//! Before it: `run`, and the commands that ask a running daemon. After it: `http`.

use std::path::PathBuf;

use super::locate::World;
use crate::clock::SharedClock;
use crate::daemon::Snapshot;
use crate::http::unix::{self, BindError, Bound, Socket};
use crate::http::{self, Bounds, Core};
use crate::plan::Plan;

/// Folders in which the socket may be, the first choice first.
pub(super) fn folders(world: &World, plan: &Plan) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    // systemd.exec(5): several directories are separated by colons; ours is the first.
    if let Some(dirs) = world.variable("RUNTIME_DIRECTORY") {
        folders.push(PathBuf::from(dirs.split(':').next().unwrap_or(dirs)));
    } else if rustix::process::geteuid().is_root() {
        folders.push(PathBuf::from("/run/slack-alert"));
    } else if let Some(dir) = world.user_folder("XDG_RUNTIME_DIR") {
        folders.push(dir.join("slack-alert"));
    }
    folders.extend(world.state_dir(plan).ok());
    folders
}

/// Opens the socket in the first folder that can have it. Without one the daemon runs all the same, and says so.
pub(super) fn open(world: &World, plan: &Plan, clock: &SharedClock) -> Option<Socket> {
    let folders = folders(world, plan);
    for folder in &folders {
        match Socket::bind(folder, &plan.config.control, SharedClock::clone(clock)) {
            Ok(socket) => {
                tracing::info!(path = %socket.path().display(), "listening for commands");
                return Some(socket);
            }
            Err(BindError::Taken) => {
                let path = folder.join(unix::NAME);
                tracing::info!(path = %path.display(), "another daemon has the control socket here");
            }
            Err(error) => {
                let path = folder.join(unix::NAME);
                tracing::warn!(path = %path.display(), %error, "the control socket cannot be opened here");
            }
        }
    }
    tracing::error!(
        "there is no place for the control socket: `slack-alert status` and the like cannot reach this daemon"
    );
    None
}

/// Serves the socket until the end.
pub(super) async fn serve(socket: Socket, bound: Bound, core: Core) {
    let (stop, clock) = (core.stop.clone(), SharedClock::clone(&core.clock));
    let snapshot = core.snapshot.clone();
    let router = http::router(core);
    let served = http::serve(socket, router, Bounds::SOCKET, clock, stop);
    tokio::select! {
        () = served => {}
        () = follow(snapshot, &bound) => {}
    }
}

/// Gives the socket another group and mode whenever the configuration asks for others. Never returns while the daemon runs.
async fn follow(mut snapshot: tokio::sync::watch::Receiver<Snapshot>, bound: &Bound) {
    let mut known = snapshot.borrow_and_update().configuration.control.clone();
    loop {
        let other = snapshot.wait_for(|snapshot| snapshot.configuration.control != known).await;
        let Ok(other) = other.map(|snapshot| snapshot.configuration.control.clone()) else {
            return std::future::pending().await;
        };
        bound.permit(&other);
        known = other;
    }
}
