//! \[fs\] Where the daemon's socket may be. The daemon has one; whoever asks may be another user, with another environment, so
//! that every place in which a daemon of this configuration could have put it is looked at.
//!
//! Before it: the environment and the configuration. After it: `client`.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The socket's name.
const NAME: &str = "control.sock";

/// What the places depend on.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// `$RUNTIME_DIRECTORY`.
    pub(super) runtime_directory: Option<String>,
    /// `$XDG_RUNTIME_DIR`.
    pub(super) user_runtime: Option<PathBuf>,
    /// Whoever asks is root.
    pub(super) is_root: bool,
    /// Where state is kept.
    pub(super) state_dir: Option<PathBuf>,
    /// To whom that belongs.
    pub(super) owner: Option<u32>,
}

/// The places, the likeliest first.
pub(super) fn places(known: &Known) -> Vec<PathBuf> {
    // systemd.exec(5): several directories are separated by colons.
    let named = known.runtime_directory.as_deref().unwrap_or_default().split(':').filter(|folder| !folder.is_empty());
    let named: Vec<_> = named.map(|folder| Some(PathBuf::from(folder))).collect();
    let system = Some(PathBuf::from("/run/slack-alert"));
    let own = known.user_runtime.as_ref().map(|folder| folder.join("slack-alert"));
    let owners = known.owner.filter(|uid| *uid != 0).map(|uid| PathBuf::from(format!("/run/user/{uid}/slack-alert")));
    let usual = if known.is_root { vec![system, own] } else { vec![own, system] };
    // Where the folder is named, a daemon in a usual place is another one.
    let folders = if named.is_empty() { usual } else { named };
    let mut places: Vec<PathBuf> = Vec::new();
    for folder in folders.into_iter().chain([known.state_dir.clone(), owners]).flatten() {
        let path = folder.join(NAME);
        if !places.contains(&path) {
            places.push(path);
        }
    }
    places
}

/// To whom a folder belongs.
#[expect(clippy::disallowed_methods, reason = "the door of the control socket's place: whose state it is")]
pub(in crate::cli) fn owner(folder: &Path) -> Option<u32> {
    std::fs::metadata(folder).ok().map(|found| found.uid())
}

/// The group of a socket, in words.
#[expect(clippy::disallowed_methods, reason = "the door of the control socket's place: whose members may connect")]
pub(super) fn group_of(socket: &Path) -> Option<String> {
    let gid = std::fs::metadata(socket).ok()?.gid();
    let group = nix::unistd::Group::from_gid(nix::unistd::Gid::from_raw(gid)).ok().flatten();
    Some(group.map_or_else(|| format!("the group {gid}"), |group| format!("the group `{}`", group.name)))
}

/// Whether the group of a socket is root's own: nobody is made a member of that to ask a daemon.
#[expect(clippy::disallowed_methods, reason = "the door of the control socket's place: whose members may connect")]
pub(super) fn is_of_root(socket: &Path) -> bool {
    std::fs::metadata(socket).is_ok_and(|found| found.gid() == 0)
}

/// The name of the user to whom a file or a folder belongs.
pub(in crate::cli) fn owner_name(path: &Path) -> Option<String> {
    let uid = nix::unistd::Uid::from_raw(owner(path)?);
    Some(nix::unistd::User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name))
}

/// A path by which the same file is known to everybody.
#[expect(clippy::disallowed_methods, reason = "the door of the control socket's place: the same file by two names")]
pub(super) fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Known, places};

    #[test]
    fn every_place_of_a_daemon_of_this_configuration_is_looked_at() {
        let user = Known { user_runtime: Some("/run/user/7".into()), state_dir: Some("/s".into()), ..Known::default() };
        for (known, expected) in [
            (
                Known { runtime_directory: Some("/a:/b".to_owned()), state_dir: Some("/s".into()), ..Known::default() },
                vec!["/a/control.sock", "/b/control.sock", "/s/control.sock"],
            ),
            (
                user.clone(),
                vec!["/run/user/7/slack-alert/control.sock", "/run/slack-alert/control.sock", "/s/control.sock"],
            ),
            (
                Known { is_root: true, owner: Some(9), ..user.clone() },
                vec![
                    "/run/slack-alert/control.sock",
                    "/run/user/7/slack-alert/control.sock",
                    "/s/control.sock",
                    "/run/user/9/slack-alert/control.sock",
                ],
            ),
            (
                Known { owner: Some(7), ..user },
                vec!["/run/user/7/slack-alert/control.sock", "/run/slack-alert/control.sock", "/s/control.sock"],
            ),
            (Known { owner: Some(0), ..Known::default() }, vec!["/run/slack-alert/control.sock"]),
        ] {
            let expected: Vec<PathBuf> = expected.into_iter().map(PathBuf::from).collect();
            assert_eq!(places(&known), expected, "{known:?}");
        }
    }
}
