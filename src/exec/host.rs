//! [os] What this process makes of itself before anything else, whatever its parent made of it: no signal blocked or ignored,
//! closed to other processes of the same user, and the daemon with as many open files as it may have.
//!
//! Before it: the start of the program, while it has one thread. After it: every process that is started; commands get
//! signals with their default effect, and the soft limit of open files that this process was started with.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use nix::sys::signal::SigSet;
use rustix::fs::{Mode, OFlags};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};

/// The soft limit of open files that this process was started with, where it was raised.
static STARTED_WITH: OnceLock<u64> = OnceLock::new();

/// Whether this process has a terminal of its own, tty(4): commands would have it too.
pub(super) fn has_terminal() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(terminal_opens)
}

#[expect(clippy::disallowed_methods, reason = "the door of the terminal: whether there is one is known by opening it")]
fn terminal_opens() -> bool {
    let how = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open("/dev/tty", how, Mode::empty()).is_ok()
}

/// Signals that get no handler. Those of job control (TSTP, TTIN, TTOU) must not: one that does nothing would have the kernel
/// repeat a write to the terminal for ever. PIPE is the Rust runtime's, and is put back for commands by the standard library.
/// The others can have no handler, or none that may return.
const LEFT_ALONE: [i32; 11] = [
    Signal::KILL.as_raw(),
    Signal::STOP.as_raw(),
    Signal::ILL.as_raw(),
    Signal::FPE.as_raw(),
    Signal::SEGV.as_raw(),
    Signal::PIPE.as_raw(),
    Signal::TSTP.as_raw(),
    Signal::TTIN.as_raw(),
    Signal::TTOU.as_raw(),
    // The C library's own.
    32,
    33,
];

/// Those among them that this process must not ignore either, since its commands would.
const DEFAULTS: [Signal; 6] = [Signal::ILL, Signal::FPE, Signal::SEGV, Signal::TSTP, Signal::TTIN, Signal::TTOU];

/// Prepares this process. To be called once, before there is a second thread.
pub fn prepare() {
    // Nothing of this can fail for a process that asks it of itself, but where a sandbox forbids the call; then it goes on as it is.
    let _ = SigSet::empty().thread_set_mask();
    take_back_ignored(&(1..=64).collect::<Vec<_>>());
    put_back_defaults();
    // What whoever started this has left open (the lock of flock(1), the pipe of a supervisor) stays open here and is closed in
    // commands: what one of them leaves in the background would hold the lock for ever.
    close_fds::set_fds_cloexec(3, &[]);
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Prepares this process to stand in the place of a command, which is to inherit what this one did: ignored signals too, but for
/// SIGCHLD, without which nobody learns how the command ended.
pub fn prepare_to_pass_through() {
    take_back_ignored(&[Signal::CHILD.as_raw()]);
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Gives every ignored signal a handler that does nothing: for this process that is the same, but a child would inherit to ignore
/// it, and a handler is put back to the default by execve(2). With SIGCHLD ignored, the kernel would also throw the exit codes of
/// children away.
fn take_back_ignored(which: &[i32]) {
    let ignored = ignored_signals();
    for &signal in which.iter().filter(|&signal| ignored >> (signal - 1) & 1 == 1 && !LEFT_ALONE.contains(signal)) {
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
}

/// Has env(1) start this program anew in this process where one of [`DEFAULTS`] is ignored: only what is unsafe could do
/// it here. Where env(1) cannot do it (busybox), they stay ignored.
#[expect(clippy::disallowed_methods, reason = "the door of signals: before there is anything to wait for")]
fn put_back_defaults() {
    let wanted = DEFAULTS.iter().fold(0, |bits, signal| bits | 1 << (signal.as_raw() - 1));
    if ignored_signals() & wanted == 0 {
        return;
    }
    let env = || {
        let mut env = Command::new("env");
        env.arg("--default-signal");
        env
    };
    // Tried first, so that a program that starts itself does so once.
    let tried = env().args(["cat", STATUS]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let is_able = tried
        .is_ok_and(|tried| ignored_in(&String::from_utf8_lossy(&tried.stdout)).is_some_and(|left| left & wanted == 0));
    if let Some(program) = std::env::current_exe().ok().filter(|_| is_able) {
        // It comes back only where it failed.
        let _ = env().arg(program).args(std::env::args_os().skip(1)).exec();
    }
}

/// What the kernel says of a process (proc_pid_status(5)).
const STATUS: &str = "/proc/self/status";

/// The signals that this process ignores, a bit each.
#[expect(clippy::disallowed_methods, reason = "the door of signals: what the parent had ignored is told in /proc only")]
pub(super) fn ignored_signals() -> u64 {
    std::fs::read_to_string(STATUS).ok().and_then(|status| ignored_in(&status)).unwrap_or(0)
}

fn ignored_in(status: &str) -> Option<u64> {
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(bits.trim(), 16).ok()
}

/// Raises the soft limit of open files to the hard one, for as long as this process lives: a run in progress has three. For the
/// daemon; a command that runs one job needs few.
pub fn raise_open_files() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    if let Some(current) = limit.current.filter(|_| limit.current != limit.maximum)
        && rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).is_ok()
    {
        let _ = STARTED_WITH.set(current);
    }
}

/// The soft limit of open files that commands are to have, where this process has another.
///
/// A child inherits that of this process, and nothing can be done in it before its program is executed. So the program is
/// executed by sh(1), which sets the limit: to lower it here around each start would take descriptors from whatever else
/// goes on, and to set it from here once the child is there would come after its first instructions.
pub(super) fn open_files_of_commands() -> Option<u64> {
    STARTED_WITH.get().copied()
}
