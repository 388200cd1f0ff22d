//! \[os\] Processes that are no children: when one began, and that it is gone.
//!
//! Before it: the daemon, to which a process has reported a run. After it: the run's end, should it not be reported.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What the kernel says of a process (proc_pid_stat(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// The leader of its group.
    pub(super) group: u32,
    /// When it began, in ticks since the boot.
    pub(super) birth: u64,
}

/// What the kernel says of a process; none where there is no such process, or where it has ended and nobody has asked for its
/// end.
#[expect(clippy::disallowed_methods, reason = "the door of processes that are no children: what /proc says of one")]
pub(super) fn stat(pid: u32) -> Option<Stat> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    // Between the state and the group is the parent; sixteen more fields are before the beginning.
    let group = fields.nth(1)?.parse().ok()?;
    Some(Stat { group, birth: fields.nth(16)?.parse().ok()? })
}

/// Whether any process of a group lives; yes where that cannot be known.
#[expect(clippy::disallowed_methods, reason = "the door of processes that are no children: /proc lists them")]
pub(super) fn group_lives(group: u32) -> bool {
    let Ok(entries) = std::fs::read_dir("/proc") else { return true };
    let mut pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.any(|pid| stat(pid).is_some_and(|stat| stat.group == group))
}

/// When a process began, in ticks since the boot; none where there is none. With its number this says which process it is, on
/// this boot.
pub fn birth(pid: u32) -> Option<u64> {
    stat(pid).map(|stat| stat.birth)
}

/// Whether a process has exited. A signal that comes to this one meanwhile (HUP, to reload) says nothing of that.
pub(super) fn has_exited(pidfd: &OwnedFd) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    // Readable once it has.
    let look = || rustix::event::poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&now));
    rustix::io::retry_on_intr(look).is_ok_and(|readable| readable > 0)
}

/// Returns when a process is gone.
pub async fn gone(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let Some(Ok(pidfd)) = pid.map(|pid| rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK)) else { return };
    #[expect(deprecated, reason = "sound for an OwnedFd, and the replacement is unsafe")]
    let Ok(pidfd) = AsyncFd::<OwnedFd>::with_interest(pidfd, Interest::READABLE) else { return };
    // An error says that it cannot be waited for.
    while let Ok(mut guard) = pidfd.readable().await {
        if has_exited(pidfd.get_ref()) {
            return;
        }
        guard.clear_ready();
    }
}

#[cfg(test)]
mod tests {
    use super::birth;

    #[test]
    fn a_process_is_known_again_by_its_number_and_its_birth() {
        let own = std::process::id();
        let born = birth(own).expect("this process lives");
        assert_eq!(birth(own), Some(born));
        assert_eq!(birth(u32::MAX), None);
        assert!(birth(1).is_none_or(|first| first <= born));
    }
}
