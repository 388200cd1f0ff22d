//! \[os\] Who is at the other end of a connection, and what they may do.
//!
//! Before it: the kernel's word for who opened a connection (SO_PEERCRED). After it: routes that change something, which ask
//! [`Peer::may_change`], and the name that is kept with what was asked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::unistd::{Gid, Uid, User as Account};
use tokio::sync::OnceCell;

use crate::api::{By, Via};
use crate::clock::{self, SharedClock};

/// The name server may be slow; then a user's number is name enough.
const LOOKUP: Duration = Duration::from_secs(2);

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub enum Peer {
    /// A process of this machine.
    Unix(Arc<User>),
    /// Somebody who came over the network.
    Tcp {
        /// From where.
        address: SocketAddr,
        /// They have shown that they may change something.
        may_change: bool,
        /// The name that they gave themselves.
        user: Option<String>,
    },
}

/// The user of a process of this machine.
#[derive(Debug)]
pub struct User {
    /// Its number.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its process, while the connection was opened.
    pid: Option<i32>,
    /// The group whose members may change something; a reload may change it.
    group: Arc<AtomicU32>,
    clock: SharedClock,
    known: OnceCell<Known>,
}

/// What is looked up of a user, once a connection.
#[derive(Clone, Debug)]
struct Known {
    name: String,
    is_member: bool,
}

impl Peer {
    /// A process of this machine; members of `group` may change something.
    pub fn unix(uid: u32, gid: u32, pid: Option<i32>, group: Arc<AtomicU32>, clock: SharedClock) -> Self {
        Self::Unix(Arc::new(User { uid, gid, pid, group, clock, known: OnceCell::new() }))
    }

    /// Its process, where it is one of this machine, as this process counts them.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Unix(user) => user.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0),
            Self::Tcp { .. } => None,
        }
    }

    /// Whether they may change something: root, the daemon's own user, a member of the group of `[control]`, or somebody on
    /// the network who has shown it.
    pub async fn may_change(&self) -> bool {
        match self {
            Self::Unix(user) => user.may_change().await,
            Self::Tcp { may_change, .. } => *may_change,
        }
    }

    /// Who it is, for what is kept. `sudo` is who became root, by their own word: root's word alone counts.
    pub async fn by(&self, sudo: Option<&str>) -> By {
        match self {
            Self::Unix(user) => {
                let name = &user.known().await.name;
                By { uid: Some(user.uid), name: named(name, user.uid, sudo) }
            }
            Self::Tcp { user: Some(user), .. } => By { uid: None, name: user.clone() },
            Self::Tcp { address, user: None, .. } => By { uid: None, name: address.ip().to_string() },
        }
    }

    /// Which way they came.
    pub fn via(&self) -> Via {
        match self {
            Self::Unix(_) => Via::Socket,
            Self::Tcp { .. } => Via::Page,
        }
    }
}

/// A user's name; of root, with who became root by their own word.
pub fn named(name: &str, uid: u32, sudo: Option<&str>) -> String {
    match sudo.map(plain).filter(|sudo| uid == 0 && !sudo.is_empty()) {
        Some(sudo) => format!("{name} ({sudo})"),
        None => name.to_owned(),
    }
}

impl User {
    async fn may_change(&self) -> bool {
        let group = self.group.load(Ordering::Relaxed);
        let is_trusted = self.uid == 0 || self.uid == rustix::process::geteuid().as_raw() || self.gid == group;
        is_trusted || self.known().await.is_member
    }

    /// Its name and groups, by a thread: the name server may be slow, or hang.
    #[expect(clippy::disallowed_methods, reason = "the name server may hang: once a connection that changes something")]
    async fn known(&self) -> &Known {
        let (uid, gid, pid, group) = (self.uid, self.gid, self.pid, self.group.load(Ordering::Relaxed));
        let unknown = || Known { name: format!("uid {uid}"), is_member: false };
        self.known
            .get_or_init(|| async {
                let looked_up = tokio::task::spawn_blocking(move || look_up(uid, gid, pid, group));
                tokio::select! {
                    known = looked_up => known.unwrap_or_else(|_| unknown()),
                    () = clock::sleep_until(&*self.clock, self.clock.now().mono + LOOKUP) => unknown(),
                }
            })
            .await
    }
}

fn look_up(uid: u32, gid: u32, pid: Option<i32>, group: u32) -> Known {
    let account = Account::from_uid(Uid::from_raw(uid)).ok().flatten();
    let of_account = account.as_ref().is_some_and(|account| {
        let name = std::ffi::CString::new(account.name.as_str()).ok();
        let groups = name.and_then(|name| nix::unistd::getgrouplist(&name, Gid::from_raw(gid)).ok());
        groups.is_some_and(|groups| groups.contains(&Gid::from_raw(group)))
    });
    let is_member = of_account || pid.is_some_and(|pid| has_group(pid, uid, group));
    Known { name: account.map_or_else(|| format!("uid {uid}"), |account| account.name), is_member }
}

/// Whether a process has a further group that its user's entry does not name. The process may be gone and its number
/// another's: only one that is this user in every respect counts, and what it has its user has.
#[expect(clippy::disallowed_methods, reason = "the door of the kernel's word about a process: /proc/PID/status")]
fn has_group(pid: i32, uid: u32, group: u32) -> bool {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { return false };
    let numbers = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        line.split_whitespace().filter_map(|number| number.parse::<u32>().ok()).collect::<Vec<_>>()
    };
    let uids = numbers("Uid:");
    !uids.is_empty() && uids.iter().all(|number| *number == uid) && numbers("Groups:").contains(&group)
}

/// A name that somebody sent: one word, and short.
fn plain(name: &str) -> String {
    let is_plain = |c: &char| c.is_alphanumeric() || "-_.@+".contains(*c);
    name.chars().filter(is_plain).take(32).collect()
}
