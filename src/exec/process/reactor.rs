//! What runs in progress wait for, their pipes and their exits, in one epoll of our own, which tokio sees as one file.
//!
//! Before it: a run takes a [`Slot`]; the thread that starts its process has its descriptors watched with the slot's
//! [`SlotHandle`], and delivers the process there. After it: the run's task is woken, and told which of them to look at.
//!
//! Invariants: edge-triggered (epoll(7)): a descriptor that was reported is looked at until it would block before it is
//! reported again; a slot is told nothing that concerns the run that had it before. The end of a pipe wakes nobody before the
//! exit: the exit comes at once, most of the time, and one look at both costs half of two.
//!
//! Design note. The alternative is three of tokio's `AsyncFd` a run. Each costs 256 bytes, an allocation and two system calls;
//! with 1,000 runs that is 0.8 MB, and the exit could not be held back until the process is delivered. On
//! 2026-11-30, in two alternate rounds of `benches/reach`, a run's own CPU was 122 and 131 µs with this file, 129 and 149 µs with
//! `AsyncFd`; the rate was the same within what one round differs from the next. If a measurement no longer shows that this
//! file pays, `AsyncFd` takes its place.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use rustix::event::{Timespec, epoll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::AbortHandle;

/// Reports that are taken from the kernel at a time.
const REPORTS: usize = 64;

/// How often reports are taken before the runs that they are for get a turn.
const ROUNDS: usize = 8;

/// Bits of a report's number that name the descriptor; above them the slot, and the upper half is its generation.
const KIND_BITS: u32 = 2;

/// What is reported of a descriptor: that it can be read, and (epoll_ctl(2): always) that its other end is closed.
const REPORTED: epoll::EventFlags = epoll::EventFlags::IN.union(epoll::EventFlags::ET);

/// Which descriptor of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The reading end of standard output.
    Stdout = 0,
    /// The reading end of standard error.
    Stderr = 1,
    /// The process itself, as a pidfd.
    Exit = 2,
}

/// What is brought to a slot: a process that has been started.
pub(in crate::exec) trait Arrival: Send + 'static {
    /// What stands for it; its exit is held back until it has arrived.
    fn pidfd(&self) -> BorrowedFd<'_>;
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

/// What was reported since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ready(u8);

/// The epoll, and the task that listens to it; both end with the last spawner.
#[derive(Debug)]
pub(in crate::exec) struct Reactor<P> {
    shared: Arc<Shared<P>>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared<P> {
    epoll: OwnedFd,
    slots: Mutex<Slots<P>>,
}

#[derive(Debug)]
struct Slots<P> {
    all: Vec<Box<SlotState<P>>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct SlotState<P> {
    /// Rises with each run that leaves, so that a late report for it is known as such.
    generation: u32,
    ready: Ready,
    /// Something was reported that cannot wait, and nobody has looked since.
    urgent: bool,
    /// The exit was reported.
    exited: bool,
    /// The process, or why there is none.
    started: Option<Started<P>>,
    /// The run wants the process as soon as it is there.
    impatient: bool,
    /// The process cannot be started until there are descriptors for it.
    waits_for_files: bool,
    waker: Option<Waker>,
}

/// A run's slot; given back when dropped.
#[derive(Debug)]
pub(in crate::exec) struct Slot<P>(SlotHandle<P>);

/// What another thread fills a slot with; without effect once the slot was given back.
#[derive(Debug)]
pub(super) struct SlotHandle<P> {
    shared: Arc<Shared<P>>,
    index: u32,
    generation: u32,
}

impl Ready {
    /// Whether this descriptor was reported.
    pub(super) fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

impl<P: Arrival> Reactor<P> {
    /// An epoll, and a task of the current runtime that listens to it.
    #[expect(clippy::disallowed_methods, reason = "one task for all runs, which ends with the spawner")]
    pub(in crate::exec) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let listened = rustix::io::fcntl_dupfd_cloexec(&epoll, 3)?;
        // As the timers of clock::Alarm.
        #[expect(deprecated, reason = "sound for an OwnedFd, and the replacement is unsafe")]
        let listened = AsyncFd::with_interest(listened, Interest::READABLE)?;
        let slots = Mutex::new(Slots { all: Vec::new(), free: Vec::new() });
        let shared = Arc::new(Shared { epoll, slots });
        let task = tokio::spawn(listen(listened, Arc::clone(&shared))).abort_handle();
        Ok(Self { shared, task })
    }

    /// A slot for a run that begins.
    pub(in crate::exec) fn slot(&self) -> Slot<P> {
        let mut slots = self.shared.lock();
        let index = slots.free.pop().unwrap_or_else(|| {
            slots.all.push(Box::new(SlotState::of_generation(0)));
            u32::try_from(slots.all.len() - 1).expect("fewer than 2^32 runs are in progress")
        });
        let generation = slots.all[index as usize].generation;
        Slot(SlotHandle { shared: Arc::clone(&self.shared), index, generation })
    }
}

impl<P> Drop for Reactor<P> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<P> Slot<P> {
    /// For the thread that starts the process.
    pub(super) fn handle(&self) -> SlotHandle<P> {
        let SlotHandle { shared, index, generation } = &self.0;
        SlotHandle { shared: Arc::clone(shared), index: *index, generation: *generation }
    }

    /// The process, or why there is none, once it was delivered; the task of `cx` is woken then, or at its first report. What
    /// was reported is left for [`Self::take`].
    pub(super) fn started(&self, cx: &Context<'_>, urgency: Urgency) -> Poll<Started<P>> {
        self.with(|state| {
            state.listen(cx);
            state.impatient |= urgency == Urgency::AtOnce;
            state.started.take().map_or(Poll::Pending, Poll::Ready)
        })
    }

    /// What was reported since the last time; the task of `cx` is woken when there is more.
    pub(super) fn take(&self, cx: &Context<'_>) -> Ready {
        self.with(|state| {
            state.listen(cx);
            state.urgent = false;
            std::mem::take(&mut state.ready)
        })
    }

    /// Has a descriptor watched no longer, though it stays open.
    pub(super) fn unwatch(&self, descriptor: BorrowedFd<'_>) {
        // It cannot fail for a descriptor that is open and watched.
        let _ = epoll::delete(&self.0.shared.epoll, descriptor);
    }

    /// Whether the start waits for descriptors.
    pub(super) fn waits_for_files(&self) -> bool {
        self.with(|state| state.waits_for_files)
    }

    fn with<T>(&self, visit: impl FnOnce(&mut SlotState<P>) -> T) -> T {
        visit(&mut self.0.shared.lock().all[self.0.index as usize])
    }
}

impl<P> Drop for Slot<P> {
    fn drop(&mut self) {
        let mut slots = self.0.shared.lock();
        let state = &mut slots.all[self.0.index as usize];
        let next = SlotState::of_generation(state.generation.wrapping_add(1));
        let left = std::mem::replace(&mut **state, next);
        slots.free.push(self.0.index);
        drop(slots);
        // A process that nobody looked at is killed, which takes a system call.
        drop(left);
    }
}

impl<P: Arrival> SlotHandle<P> {
    /// Has a descriptor watched until it is closed.
    pub(super) fn watch(&self, descriptor: BorrowedFd<'_>, kind: Kind) -> io::Result<()> {
        Ok(epoll::add(&self.shared.epoll, descriptor, self.data(kind), REPORTED)?)
    }

    /// The same, but nothing is reported before [`Self::deliver`].
    pub(super) fn hold(&self, descriptor: BorrowedFd<'_>, kind: Kind) -> io::Result<()> {
        Ok(epoll::add(&self.shared.epoll, descriptor, self.data(kind), epoll::EventFlags::empty())?)
    }

    /// Notes why nothing is delivered yet.
    pub(super) fn note_wait_for_files(&self) {
        let mut slots = self.shared.lock();
        let state = &mut slots.all[self.index as usize];
        state.waits_for_files |= state.generation == self.generation;
    }

    /// Whether the run still has its slot.
    pub(super) fn is_valid(&self) -> bool {
        self.shared.lock().all[self.index as usize].generation == self.generation
    }

    /// Delivers what came of a start, and has the exit reported from now on: so that a process that has exited already is
    /// looked at once, and not in vain before. A run that has left gets nothing: the process is dropped, and so killed.
    pub(super) fn deliver(&self, started: Started<P>) {
        let mut slots = self.shared.lock();
        let state = &mut slots.all[self.index as usize];
        if state.generation != self.generation {
            drop(slots);
            return drop(started);
        }
        if let Ok(process) = &started {
            // It cannot fail for a descriptor that is open and held.
            let _ = epoll::modify(&self.shared.epoll, process.pidfd(), self.data(Kind::Exit), REPORTED);
        }
        // What was reported until now has been looked at in vain.
        let wanted = state.impatient || state.urgent || started.is_err();
        state.started = Some(started);
        let waker = if wanted { state.waker.take() } else { None };
        drop(slots);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn data(&self, kind: Kind) -> epoll::EventData {
        let low = self.index << KIND_BITS | kind as u32;
        epoll::EventData::new_u64(u64::from(self.generation) << 32 | u64::from(low))
    }
}

impl<P> SlotState<P> {
    fn of_generation(generation: u32) -> Self {
        Self {
            generation,
            ready: Ready::default(),
            urgent: false,
            exited: false,
            started: None,
            impatient: false,
            waits_for_files: false,
            waker: None,
        }
    }

    /// Takes a report in; whether it cannot wait.
    fn note(&mut self, kind: u32, flags: epoll::EventFlags) -> bool {
        self.ready.0 |= 1 << kind;
        self.exited |= kind == Kind::Exit as u32;
        let urgent = self.exited || flags.contains(epoll::EventFlags::IN);
        self.urgent |= urgent;
        urgent
    }

    fn listen(&mut self, cx: &Context<'_>) {
        self.waker.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
    }
}

impl<P> Shared<P> {
    fn lock(&self) -> MutexGuard<'_, Slots<P>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes reports from the kernel, and says whom to wake; `false` when these were all. Whatever comes after that is
    /// reported to tokio anew.
    fn take_reports(&self, wakers: &mut Vec<Waker>) -> bool {
        let mut room = [const { MaybeUninit::uninit() }; REPORTS];
        match epoll::wait(&self.epoll, &mut room, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok((reports, _)) => {
                self.note(reports, wakers);
                reports.len() == REPORTS
            }
            // A signal came: what could not be taken is taken at the next try.
            Err(_) => true,
        }
    }

    /// Notes reports, and says whom to wake.
    fn note(&self, reports: &[epoll::Event], wakers: &mut Vec<Waker>) {
        let mut slots = self.lock();
        for report in reports {
            let number = report.data.u64();
            let (generation, low) = ((number >> 32) as u32, number as u32);
            let Some(state) = slots.all.get_mut((low >> KIND_BITS) as usize) else { continue };
            if state.generation == generation && state.note(low & ((1 << KIND_BITS) - 1), report.flags) {
                wakers.extend(state.waker.take());
            }
        }
    }
}

/// Hands reports on, for ever.
async fn listen<P>(listened: AsyncFd<OwnedFd>, shared: Arc<Shared<P>>) {
    let mut wakers = Vec::new();
    // An error can only be that the runtime shuts down.
    while let Ok(mut guard) = listened.readable().await {
        let mut more = true;
        for _ in 0..ROUNDS {
            more = shared.take_reports(&mut wakers);
            wakers.drain(..).for_each(Waker::wake);
            if !more {
                break;
            }
        }
        if more {
            // Whoever was woken gets a turn, and reads what would be reported over and over.
            guard.retain_ready();
            tokio::task::yield_now().await;
        } else {
            guard.clear_ready();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
    use std::task::Poll;
    use std::time::Duration;

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::{Arrival, Kind, Reactor, Ready, Slot};

    /// A process of which nothing is known but this descriptor.
    struct Stub(OwnedFd);

    impl Arrival for Stub {
        fn pidfd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }

    async fn next(slot: &Slot<Stub>) -> Ready {
        let ready = poll_fn(|cx| match slot.take(cx) {
            Ready(0) => Poll::Pending,
            ready => Poll::Ready(ready),
        });
        tokio::time::timeout(Duration::from_secs(30), ready).await.expect("a report")
    }

    #[tokio::test]
    async fn a_slot_is_told_of_its_own_descriptors_and_never_of_those_before_it() {
        let reactor = Reactor::<Stub>::new().expect("an epoll");
        let (reading, writing) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).expect("a pipe");
        let (other, other_end) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).expect("a pipe");
        let (slot, neighbour) = (reactor.slot(), reactor.slot());
        slot.handle().watch(reading.as_fd(), Kind::Stderr).expect("watched");
        neighbour.handle().watch(other.as_fd(), Kind::Stdout).expect("watched");
        rustix::io::write(&writing, b"x").expect("written");
        let ready = next(&slot).await;
        assert_eq!((ready.has(Kind::Stdout), ready.has(Kind::Stderr), ready.has(Kind::Exit)), (false, true, false));
        drop(other_end);
        assert!(next(&neighbour).await.has(Kind::Stdout), "its end is a report too");
        // The pipe is still open when its slot goes to the next run: what comes now concerns nobody.
        let index = slot.0.index;
        drop(slot);
        let successor = reactor.slot();
        assert_eq!(successor.0.index, index);
        rustix::io::write(&writing, b"y").expect("written");
        let (own, own_end) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).expect("a pipe");
        successor.handle().watch(own.as_fd(), Kind::Exit).expect("watched");
        drop(own_end);
        let ready = next(&successor).await;
        assert_eq!((ready.has(Kind::Stderr), ready.has(Kind::Exit)), (false, true));
    }
}
