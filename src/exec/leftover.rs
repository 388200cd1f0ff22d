//! [os] A run of a daemon that died, whose process lives on: found, waited for, ended.
//!
//! Before it: a run that the store has as in progress. After it: its outcome, of which the exit code cannot be known: the process
//! is no child of this daemon. Invariant: a process is the run's only if it leads a group and is the one that was noted (its
//! number, its birth, its boot), or says in its environment which run it is and began when the run did or later; so that a
//! number that was given to another process is never signalled. The environment alone would not do: a command may clear or
//! overwrite it, and that of a program with more rights cannot be read.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{Pid, PidfdFlags, Signal};

use super::alive;
use super::outcome::{Ending, Outcome, Reason};
use super::run::{ProcessId, Run};
use super::stop::Stop;
use crate::clock::{self, Mono, SharedClock};

/// How often it is looked at whether it lives. Its exit is reported to its new parent only.
const LOOK: Duration = Duration::from_millis(250);

/// A process may seem to have begun so long before its run: both are rounded, and the wall clock is corrected at times.
const ROUNDING: Duration = Duration::from_secs(5);

/// A process that was about to begin has begun within this time, or is not known by its birth.
const LONGEST_START: Duration = Duration::from_secs(5);

/// The process of a run of a daemon that died.
#[derive(Debug)]
pub(super) struct Leftover {
    leader: Pid,
    pidfd: OwnedFd,
}

impl Leftover {
    /// The process that was noted, if it lives.
    pub(super) fn noted(process: &ProcessId, boot: &str) -> Option<Self> {
        let leader = Pid::from_raw(i32::try_from(process.pid).ok()?)?;
        // Held first: what is read after that is read of this process, or of none.
        let pidfd = rustix::process::pidfd_open(leader, PidfdFlags::empty()).ok()?;
        let stat = alive::stat(process.pid)?;
        let late = stat.birth.checked_sub(process.birth.saturating_sub(1))?;
        let same = !boot.is_empty()
            && *process.boot == *boot
            && stat.group == process.pid
            && late <= LONGEST_START.as_secs() * ticks();
        let leftover = Self { leader, pidfd };
        (same && leftover.lives()).then_some(leftover)
    }

    /// The process of this run that began then, if it lives.
    #[expect(clippy::disallowed_methods, reason = "the door of processes that are no children: /proc lists them")]
    pub(super) fn find(run: &Run, started: Timestamp, now: Timestamp) -> Option<Self> {
        let entries = std::fs::read_dir("/proc").ok()?.flatten();
        let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.find_map(|pid| {
            let leader = Pid::from_raw(pid)?;
            // Held first: what is read after that is read of this process, or of none.
            let pidfd = rustix::process::pidfd_open(leader, PidfdFlags::empty()).ok()?;
            let leftover = Self { leader, pidfd };
            (is_process_of(run, leader, started, now) && leftover.lives()).then_some(leftover)
        })
    }

    fn lives(&self) -> bool {
        !alive::has_exited(&self.pidfd)
    }

    fn signal(&self, signal: Signal) {
        if self.lives() {
            let _ = rustix::process::kill_process_group(self.leader, signal);
            if signal == Signal::TERM {
                let _ = rustix::process::kill_process_group(self.leader, Signal::CONT);
            }
        }
    }

    fn number(&self) -> u32 {
        self.leader.as_raw_nonzero().get().unsigned_abs()
    }

    /// It was ended, and so are the others of its group: those that are left have the rest of `kill_after`, and then get SIGKILL.
    /// A group keeps its number as long as anybody is in it; a process that leads one of this number is a new one, and is left
    /// alone.
    async fn end_group(&self, run: &Run, mut sent: Stop, deadline: Option<Mono>, clock: &SharedClock) {
        let number = self.number();
        while alive::stat(number).is_none() && alive::group_lives(number) {
            if due(deadline, clock.now().mono, sent) > sent || sent == Stop::Kill {
                let _ = rustix::process::kill_process_group(self.leader, Signal::KILL);
                return;
            }
            let look = clock.now().mono + LOOK;
            tokio::select! {
                level = run.stop.rises(sent) => sent = level,
                () = clock::sleep_until(clock.as_ref(), look) => {}
            }
        }
    }

    /// Waits for its end, as for that of any other run: it has what is left of its `timeout`, and can be told to stop.
    pub(super) async fn carry(self, run: Arc<Run>, started: Timestamp, clock: SharedClock) -> Outcome {
        run.progress.pid.store(self.number(), Ordering::Relaxed);
        let now = clock.now();
        let age = clock::between(started, now.wall);
        let mut deadline = run.command.timeout().map(|timeout| now.mono + timeout.saturating_sub(age));
        let (mut sent, mut late) = (Stop::No, false);
        while self.lives() {
            let look = clock.now().mono + LOOK;
            let (level, by_time) = tokio::select! {
                level = run.stop.rises(sent) => (level, false),
                () = clock::sleep_until(clock.as_ref(), look) => (due(deadline, clock.now().mono, sent), true),
            };
            if level > sent {
                late |= by_time && sent == Stop::No;
                sent = level;
                self.signal(if level == Stop::Kill { Signal::KILL } else { Signal::TERM });
                deadline = Some(clock.now().mono + run.command.kill_after());
            }
        }
        if sent > Stop::No {
            self.end_group(&run, sent, deadline, &clock).await;
        }
        run.progress.pid.store(0, Ordering::Relaxed);
        let ended = clock.now().wall;
        let mut outcome = Outcome { took: clock::between(started, ended), ..Outcome::interrupted(started, ended) };
        let how = match (sent, run.command.timeout()) {
            (Stop::No, _) => "has ended now",
            (_, Some(after)) if late => {
                (outcome.reason, outcome.ending) =
                    (Reason::Timeout, Ending::TimedOut { after, killed: sent == Stop::Kill });
                "was ended now by the time limit"
            }
            _ => "was ended now",
        };
        let note = format!(
            "the daemon before this one died while it ran; its process went on and {how}: its exit code is not known"
        );
        outcome.directives.notes.push(note);
        outcome
    }
}

/// What a deadline that has passed asks for.
fn due(deadline: Option<Mono>, now: Mono, sent: Stop) -> Stop {
    match (deadline.is_some_and(|deadline| deadline <= now), sent) {
        (false, sent) => sent,
        (true, Stop::No) => Stop::Terminate,
        (true, Stop::Terminate | Stop::Kill) => Stop::Kill,
    }
}

/// Clock ticks a second.
fn ticks() -> u64 {
    rustix::param::clock_ticks_per_second().max(1)
}

/// Whether a process leads its group, was told that it is this run, and began no sooner than it.
#[expect(clippy::disallowed_methods, reason = "the door of processes that are no children: /proc tells of them")]
fn is_process_of(run: &Run, pid: Pid, started: Timestamp, now: Timestamp) -> bool {
    let Ok(environment) = std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())) else { return false };
    let told = |name: &str, value: &str| {
        let expected = format!("{name}={value}");
        environment.split(|byte| *byte == 0).any(|variable| variable == expected.as_bytes())
    };
    if !told("SLACK_ALERT_RUN_ID", &run.id.to_string()) || !told("SLACK_ALERT_JOB", run.job.as_str()) {
        return false;
    }
    // A daemon with another state directory counts its runs too, and may have a job of this name: its due time is another.
    // The store keeps microseconds.
    let scheduled = environment.split(|byte| *byte == 0).find_map(|variable| {
        let value = variable.strip_prefix(b"SLACK_ALERT_SCHEDULED=")?;
        std::str::from_utf8(value).ok()?.parse::<Timestamp>().ok()
    });
    if scheduled.map(Timestamp::as_microsecond) != Some(run.scheduled.as_microsecond()) {
        return false;
    }
    let number = pid.as_raw_nonzero().get().unsigned_abs();
    let Some(stat) = alive::stat(number).filter(|stat| stat.group == number) else { return false };
    let uptime = rustix::time::clock_gettime(rustix::time::ClockId::Boottime).tv_sec.unsigned_abs();
    let since_boot = stat.birth / ticks();
    Duration::from_secs(uptime.saturating_sub(since_boot)) <= clock::between(started, now) + ROUNDING
}
