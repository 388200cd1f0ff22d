//! How urgently a run is asked to end, and how it hears of it.
//!
//! Before it: the daemon, which raises the level. After it: the run, which listens. It is a part of the run, no allocation
//! of its own, and the wait is a few words: a thousand runs may wait at one time.

use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::clock::Mono;

/// How urgently runs are asked to end; it only ever rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Stop {
    /// Not at all.
    #[default]
    No,
    /// SIGTERM to the group now, SIGKILL after `kill_after`; no further attempt.
    Terminate,
    /// SIGKILL to the group now.
    Kill,
}

/// What a run is asked to end with: raised by anybody, heard in the one task that carries the run.
#[derive(Debug, Default)]
pub struct Stopper {
    level: AtomicU8,
    /// No further attempt begins for now.
    held: AtomicBool,
    /// Its job is gone or disabled: no further attempt begins at all.
    withdrawn: AtomicBool,
    /// Between two attempts it has no place of `limits.max_running`.
    placeless: AtomicBool,
    /// No attempt begins at this instant or later, in nanoseconds; zero is never.
    last_start: AtomicU64,
    waker: Mutex<Option<Waker>>,
}

impl Stop {
    fn from_level(level: u8) -> Self {
        match level {
            0 => Self::No,
            1 => Self::Terminate,
            _ => Self::Kill,
        }
    }
}

impl Stopper {
    /// Raises the level; a lower one than before changes nothing.
    pub fn raise(&self, to: Stop) {
        self.level.fetch_max(to as u8, Ordering::Release);
        self.wake();
    }

    /// Holds back the next attempt, or lets it begin.
    pub fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Release);
        self.wake();
    }

    /// Its job is gone or disabled, so that the run ends with the attempt that it is at; or the job is back.
    pub fn withdraw(&self, withdrawn: bool) {
        self.withdrawn.store(withdrawn, Ordering::Release);
        self.wake();
    }

    /// The daemon stops: whatever would begin at this instant or later does not begin, and nobody waits for it.
    pub fn no_attempt_from(&self, at: Mono) {
        let nanoseconds = u64::try_from(at.0.as_nanos()).unwrap_or(u64::MAX);
        self.last_start.store(nanoseconds.max(1), Ordering::Release);
        self.wake();
    }

    /// Returns when it is known that no attempt can begin at this instant; else never.
    pub fn is_too_late(&self, begins: Mono) -> impl Future<Output = ()> + use<'_> {
        poll_fn(move |cx| {
            // It is heard of what comes after this look.
            let _ = self.poll(cx, Stop::No);
            let last = self.last_start.load(Ordering::Acquire);
            let is_late = last > 0 && begins.0.as_nanos() >= u128::from(last);
            if is_late || self.is_withdrawn() { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    /// Waits until a further attempt may begin; `false` when it is asked to end, or when nobody will let it begin any more.
    pub fn released(&self) -> impl Future<Output = bool> + use<'_> {
        poll_fn(move |cx| {
            let asked_to_end = self.poll(cx, Stop::No).is_ready() || self.is_withdrawn();
            let (held, stops) = (self.held.load(Ordering::Acquire), self.last_start.load(Ordering::Acquire) > 0);
            match (asked_to_end, held) {
                (true, _) => Poll::Ready(false),
                (_, false) => Poll::Ready(true),
                (_, true) if stops => Poll::Ready(false),
                (_, true) => Poll::Pending,
            }
        })
    }

    /// Its place is free for another run.
    pub fn leave_place(&self) {
        self.placeless.store(true, Ordering::Release);
    }

    /// It has a place again.
    pub fn give_place(&self) {
        self.placeless.store(false, Ordering::Release);
        self.wake();
    }

    /// Waits until it has a place; `false` when it is asked to end, or its job is gone. The daemon gives places while it stops too.
    pub fn has_place(&self) -> impl Future<Output = bool> + use<'_> {
        poll_fn(move |cx| match (self.poll(cx, Stop::No), self.placeless.load(Ordering::Acquire)) {
            (Poll::Ready(_), _) => Poll::Ready(false),
            (Poll::Pending, _) if self.is_withdrawn() => Poll::Ready(false),
            (Poll::Pending, false) => Poll::Ready(true),
            (Poll::Pending, true) => Poll::Pending,
        })
    }

    fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::Acquire)
    }

    fn wake(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The level at present.
    pub fn level(&self) -> Stop {
        Stop::from_level(self.level.load(Ordering::Acquire))
    }

    /// The next level above `seen`; waits for it, if need be for ever. Nothing is lost when the wait is given up.
    pub fn rises(&self, seen: Stop) -> impl Future<Output = Stop> + use<'_> {
        poll_fn(move |cx| self.poll(cx, seen))
    }

    /// One look at what `rises` waits for.
    pub(super) fn poll(&self, cx: &Context<'_>, seen: Stop) -> Poll<Stop> {
        // First it is heard, so that nothing is missed between the look and the wait.
        let mut waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        waker.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
        let level = self.level();
        if level > seen { Poll::Ready(level) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Stop, Stopper};
    use crate::clock::Mono;

    #[tokio::test]
    async fn a_further_attempt_waits_until_it_may_begin_or_the_run_is_to_end() {
        let stopper = Stopper::default();
        assert!(stopper.released().await);
        stopper.hold(true);
        assert!(tokio::join!(stopper.released(), async { stopper.hold(false) }).0);
        stopper.hold(true);
        assert!(!tokio::join!(stopper.released(), async { stopper.raise(Stop::Terminate) }).0);
    }

    #[tokio::test]
    async fn a_further_attempt_waits_until_it_has_a_place_or_the_run_is_to_end() {
        let stopper = Stopper::default();
        assert!(stopper.has_place().await);
        stopper.leave_place();
        assert!(tokio::join!(stopper.has_place(), async { stopper.give_place() }).0);
        stopper.leave_place();
        assert!(!tokio::join!(stopper.has_place(), async { stopper.raise(Stop::Terminate) }).0);
    }

    #[tokio::test]
    async fn an_attempt_that_could_not_begin_before_the_stop_is_not_waited_for() {
        let (stopper, at) = (Stopper::default(), |seconds| Mono(Duration::from_secs(seconds)));
        tokio::join!(stopper.is_too_late(at(30)), async { stopper.no_attempt_from(at(30)) });
        stopper.is_too_late(at(31)).await;
        let early = tokio::select! { biased; () = stopper.is_too_late(at(29)) => false, () = async {} => true };
        assert!(early && stopper.released().await, "one that begins in time is waited for");
        // What a person holds back is released by nobody while the daemon stops.
        stopper.hold(true);
        assert!(!stopper.released().await);
    }

    #[tokio::test]
    async fn a_run_whose_job_is_gone_begins_no_further_attempt_until_the_job_is_back() {
        let (stopper, at) = (Stopper::default(), Mono(Duration::from_secs(30)));
        tokio::join!(stopper.is_too_late(at), async { stopper.withdraw(true) });
        stopper.hold(true);
        assert!(!stopper.released().await);
        stopper.leave_place();
        assert!(!stopper.has_place().await);
        // A stop of the daemon that would leave it time changes nothing.
        stopper.no_attempt_from(Mono(Duration::from_secs(60)));
        stopper.is_too_late(at).await;
        stopper.withdraw(false);
        stopper.hold(false);
        stopper.give_place();
        let early = tokio::select! { biased; () = stopper.is_too_late(at) => false, () = async {} => true };
        assert!(early && stopper.released().await && stopper.has_place().await);
    }

    #[tokio::test]
    async fn it_is_heard_before_and_after_it_rose_and_never_falls() {
        let stopper = Stopper::default();
        assert_eq!(stopper.level(), Stop::No);
        let (level, ()) = tokio::join!(stopper.rises(Stop::No), async { stopper.raise(Stop::Terminate) });
        assert_eq!(level, Stop::Terminate);
        stopper.raise(Stop::Kill);
        stopper.raise(Stop::Terminate);
        assert_eq!((stopper.rises(Stop::No).await, stopper.rises(Stop::Terminate).await), (Stop::Kill, Stop::Kill));
    }
}
