//! Where the process of a run is delivered, once a thread has started it.
//!
//! Before it: a run takes a [`Slot`], and the thread that starts its process the slot's [`SlotHandle`]. After it: the run's task is
//! woken by what the process does, and looks at it.
//!
//! Invariants: a start that went well wakes nobody, what the process does next does; what is delivered to a run that has left is
//! dropped, and so killed.
//!
//! Design note. The pipes and the exit of a process are watched by tokio's `AsyncFd`, three a run. The alternative was one epoll
//! of our own for all of them. On 2026-12-01, in three alternate rounds of `benches/reach`, it had 2,298 runs a second to
//! 2,346 with `AsyncFd`, 139 and 140 µs of own CPU a run, and the same lateness; with 1,000 runs in progress it took 2.1 MiB in the
//! place of 3.2. It was 200 lines more.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

/// What is brought to a slot: a process that has been started.
pub(in crate::exec) trait Arrival: Send + 'static {
    /// Has the task of `cx` woken by whatever happens to it; whether something has happened already.
    fn listen(&self, cx: &mut Context<'_>) -> bool;
}

/// A process, or a sentence that says why there is none.
pub(super) type Started<P> = Result<P, String>;

/// When a process is needed that is being started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// When it has something to tell: nobody is woken for a start that went well, which would cost as much as the rest of
    /// the hand-over.
    None,
    /// As soon as it is started.
    AtOnce,
}

/// A run's slot.
#[derive(Debug)]
pub(in crate::exec) struct Slot<P> {
    state: Arc<Mutex<State<P>>>,
    runtime: Handle,
}

/// What another thread fills a slot with; without effect once the run has left it.
#[derive(Debug)]
pub(super) struct SlotHandle<P> {
    state: Weak<Mutex<State<P>>>,
    runtime: Handle,
}

#[derive(Debug)]
struct State<P> {
    /// The process, or why there is none.
    started: Option<Started<P>>,
    /// The run wants the process as soon as it is there.
    impatient: bool,
    /// The process cannot be started until there are descriptors for it.
    waits_for_files: bool,
    waker: Option<Waker>,
}

impl<P> Slot<P> {
    /// For a run that begins, whose process is watched by the current runtime.
    pub(in crate::exec) fn new() -> Self {
        let state = State { started: None, impatient: false, waits_for_files: false, waker: None };
        Self { state: Arc::new(Mutex::new(state)), runtime: Handle::current() }
    }

    /// For the thread that starts the process.
    pub(super) fn handle(&self) -> SlotHandle<P> {
        SlotHandle { state: Arc::downgrade(&self.state), runtime: self.runtime.clone() }
    }

    /// The process, or why there is none, once it was delivered; the task of `cx` is woken then, or at the first
    /// thing that happens to the process.
    pub(super) fn started(&self, cx: &Context<'_>, urgency: Urgency) -> Poll<Started<P>> {
        let mut state = lock(&self.state);
        state.waker.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
        state.impatient |= urgency == Urgency::AtOnce;
        state.started.take().map_or(Poll::Pending, Poll::Ready)
    }

    /// Whether the start waits for descriptors.
    pub(super) fn waits_for_files(&self) -> bool {
        lock(&self.state).waits_for_files
    }
}

impl<P: Arrival> SlotHandle<P> {
    /// Watches descriptors by the run's runtime.
    pub(super) fn watch<const N: usize>(&self, all: [OwnedFd; N]) -> io::Result<[AsyncFd<OwnedFd>; N]> {
        let _within = self.runtime.enter();
        let watched: io::Result<Vec<_>> = all.into_iter().map(watch).collect();
        watched.map(|watched| watched.try_into().expect("as many as there were"))
    }

    /// Notes why nothing is delivered yet.
    pub(super) fn note_wait_for_files(&self) {
        if let Some(state) = self.state.upgrade() {
            lock(&state).waits_for_files = true;
        }
    }

    /// Whether the run still has its slot.
    pub(super) fn is_valid(&self) -> bool {
        self.state.strong_count() > 0
    }

    /// Delivers what came of a start, and has whatever happens to the process wake the run from now on.
    pub(super) fn deliver(&self, started: Started<P>) {
        let Some(state) = self.state.upgrade() else { return };
        let mut state = lock(&state);
        // Without a waker the run has not looked yet: it will find the process when it does.
        let waker = state.waker.take().filter(|waker| match &started {
            Ok(process) => process.listen(&mut Context::from_waker(waker)) || state.impatient,
            Err(_) => true,
        });
        state.started = Some(started);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // As the timers of clock::Alarm.
    #[expect(deprecated, reason = "sound for an OwnedFd, and the replacement is unsafe")]
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}

fn lock<P>(state: &Mutex<State<P>>) -> MutexGuard<'_, State<P>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::os::fd::OwnedFd;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    use rustix::pipe::{PipeFlags, pipe_with};
    use tokio::io::unix::AsyncFd;

    use super::{Arrival, Slot, Urgency};

    /// A process of which nothing is known but this pipe.
    #[derive(Debug)]
    struct Stub(AsyncFd<OwnedFd>);

    impl Arrival for Stub {
        fn listen(&self, cx: &mut Context<'_>) -> bool {
            self.0.poll_read_ready(cx).is_ready()
        }
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn stub(slot: &Slot<Stub>) -> (Stub, OwnedFd) {
        let (reading, writing) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).expect("a pipe");
        let [watched] = slot.handle().watch([reading]).expect("watched");
        (Stub(watched), writing)
    }

    #[tokio::test]
    async fn a_start_wakes_nobody_unless_it_failed_or_is_waited_for_and_what_happens_next_does() {
        for (urgency, fails, wakes) in
            [(Urgency::None, false, 0), (Urgency::AtOnce, false, 1), (Urgency::None, true, 1)]
        {
            let slot = Slot::new();
            let (process, _writing) = stub(&slot);
            let count = Arc::new(Count::default());
            let waker = Waker::from(Arc::clone(&count));
            assert!(slot.started(&Context::from_waker(&waker), urgency).is_pending());
            slot.handle().deliver(if fails { Err("no such program".to_owned()) } else { Ok(process) });
            assert_eq!(count.0.load(Ordering::SeqCst), wakes, "{urgency:?} {fails}");
        }
        let slot = Slot::new();
        let (process, writing) = stub(&slot);
        let mut looks = 0;
        let mut process = Some(process);
        let arrived = poll_fn(|cx| {
            looks += 1;
            let found = slot.started(cx, Urgency::None);
            if let Some(process) = process.take() {
                slot.handle().deliver(Ok(process));
                rustix::io::write(&writing, b"x").expect("written");
                return Poll::Pending;
            }
            found
        });
        assert!(arrived.await.is_ok() && looks == 2, "what it writes has it looked at");
    }

    #[tokio::test]
    async fn what_comes_for_a_run_that_has_left_is_dropped() {
        let slot = Slot::new();
        let (process, writing) = stub(&slot);
        let handle = slot.handle();
        assert!(handle.is_valid());
        drop(slot);
        assert!(!handle.is_valid());
        handle.deliver(Ok(process));
        assert_eq!(rustix::io::write(&writing, b"x"), Err(rustix::io::Errno::PIPE), "its end is closed");
    }
}
