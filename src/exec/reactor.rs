//! What runs in progress wait for, their pipes and their exits, in one epoll of our own, which tokio sees as one file.
//!
//! Before it: a run takes a [`Seat`]; the one who starts its process has its descriptors watched with the seat's [`Ticket`],
//! and brings it there. After it: the run's task is woken, and told which of them to look at. A registration with tokio
//! itself costs 256 bytes, an allocation and a system call more for each descriptor, and a run has three.
//!
//! Invariants: edge-triggered (epoll(7)): a descriptor that was reported is looked at until it would block before it is
//! reported again; nothing is reported to a seat for one that sat there before. That a pipe has ended wakes nobody before the
//! exit: the exit comes at once, most of the time, and one look at both costs half of two.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use rustix::event::{Timespec, epoll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::AbortHandle;

use super::process::Live;

/// Reports that are taken from the kernel at a time.
const REPORTS: usize = 64;

/// How often reports are taken before those that they are for get a turn.
const ROUNDS: usize = 8;

/// Bits of a report's number that name the descriptor; above them the seat, and the upper half is its generation.
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

/// A process, or a sentence that says why there is none.
pub(super) type Started = Result<Box<Live>, String>;

/// When a process is needed that is being started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// When it has something to tell: nobody is woken for a start that went well, which would cost as much as the rest of
    /// the hand-over.
    None,
    /// As soon as it is started.
    AtOnce,
}

/// What was reported since somebody last looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ready(u8);

/// The epoll, and the task that listens to it; both end with the last spawner.
#[derive(Debug)]
pub(super) struct Reactor {
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    epoll: OwnedFd,
    seats: Mutex<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    #[expect(clippy::vec_box, reason = "a list doubles when it grows, and leaves as much behind")]
    all: Vec<Box<Place>>,
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Place {
    /// Rises with each one that leaves, so that a late report for it is known as such.
    generation: u32,
    ready: Ready,
    /// Something was reported that cannot wait, and nobody has looked since.
    urgent: bool,
    /// The exit was reported.
    exited: bool,
    /// The process, or why there is none.
    started: Option<Started>,
    /// Whoever sits there wants it as soon as it is there.
    impatient: bool,
    waker: Option<Waker>,
}

/// One run's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Seat(Ticket);

/// What another thread does for the one who sits there; nothing, once the seat was given back.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    shared: Arc<Shared>,
    index: u32,
    generation: u32,
}

impl Ready {
    /// Whether this descriptor was reported.
    pub(super) fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

impl Reactor {
    /// An epoll, and a task of the current runtime that listens to it.
    #[expect(clippy::disallowed_methods, reason = "one task for all runs, which ends with the spawner")]
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let listened = rustix::io::fcntl_dupfd_cloexec(&epoll, 3)?;
        // As the timers of clock::Alarm.
        #[expect(deprecated, reason = "sound for an OwnedFd, and the replacement is unsafe")]
        let listened = AsyncFd::with_interest(listened, Interest::READABLE)?;
        let shared = Arc::new(Shared { epoll, seats: Mutex::default() });
        let task = tokio::spawn(listen(listened, Arc::clone(&shared))).abort_handle();
        Ok(Self { shared, task })
    }

    /// A place for a run that begins.
    pub(super) fn seat(&self) -> Seat {
        let mut seats = self.shared.lock();
        let index = seats.free.pop().unwrap_or_else(|| {
            seats.all.push(Box::default());
            u32::try_from(seats.all.len() - 1).expect("fewer than 2^32 runs are in progress")
        });
        let generation = seats.all[index as usize].generation;
        Seat(Ticket { shared: Arc::clone(&self.shared), index, generation })
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Seat {
    /// For the one who starts the process.
    pub(super) fn ticket(&self) -> Ticket {
        self.0.clone()
    }

    /// The process, or why there is none, once it was brought; the task of `cx` is woken then, or at its first report. What
    /// was reported is left for [`Self::take`].
    pub(super) fn started(&self, cx: &Context<'_>, urgency: Urgency) -> Poll<Started> {
        self.place(|place| {
            place.listen(cx);
            place.impatient |= urgency == Urgency::AtOnce;
            place.started.take().map_or(Poll::Pending, Poll::Ready)
        })
    }

    /// What was reported since the last time; the task of `cx` is woken when there is more.
    pub(super) fn take(&self, cx: &Context<'_>) -> Ready {
        self.place(|place| {
            place.listen(cx);
            place.urgent = false;
            std::mem::take(&mut place.ready)
        })
    }

    fn place<T>(&self, visit: impl FnOnce(&mut Place) -> T) -> T {
        visit(&mut self.0.shared.lock().all[self.0.index as usize])
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.0.shared.lock();
        let place = &mut seats.all[self.0.index as usize];
        let next = Place { generation: place.generation.wrapping_add(1), ..Place::default() };
        let left = std::mem::replace(&mut **place, next);
        seats.free.push(self.0.index);
        drop(seats);
        // A process that nobody looked at is killed, which takes a system call.
        drop(left);
    }
}

impl Ticket {
    /// Has a descriptor watched until it is closed.
    pub(super) fn watch(&self, descriptor: BorrowedFd<'_>, kind: Kind) -> io::Result<()> {
        Ok(epoll::add(&self.shared.epoll, descriptor, self.data(kind), REPORTED)?)
    }

    /// The same, but nothing is reported before [`Self::deliver`].
    pub(super) fn hold(&self, descriptor: BorrowedFd<'_>, kind: Kind) -> io::Result<()> {
        Ok(epoll::add(&self.shared.epoll, descriptor, self.data(kind), epoll::EventFlags::empty())?)
    }

    /// Whether there is still somebody who sits there.
    pub(super) fn is_valid(&self) -> bool {
        self.shared.lock().all[self.index as usize].generation == self.generation
    }

    /// Brings what came of a start, and has the exit reported from now on: so that a process that has exited already is
    /// looked at once, and not in vain before. Who has left gets nothing: the process is dropped, and so killed.
    pub(super) fn deliver(&self, started: Started) {
        let mut seats = self.shared.lock();
        let place = &mut seats.all[self.index as usize];
        if place.generation != self.generation {
            drop(seats);
            return drop(started);
        }
        if let Ok(live) = &started {
            // It cannot fail for a descriptor that is open and held.
            let _ = epoll::modify(&self.shared.epoll, live.pidfd(), self.data(Kind::Exit), REPORTED);
        }
        // What was reported until now has been looked at in vain.
        let wanted = place.impatient || place.urgent || started.is_err();
        place.started = Some(started);
        let waker = if wanted { place.waker.take() } else { None };
        drop(seats);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn data(&self, kind: Kind) -> epoll::EventData {
        let low = self.index << KIND_BITS | kind as u32;
        epoll::EventData::new_u64(u64::from(self.generation) << 32 | u64::from(low))
    }
}

impl Place {
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

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut seats = self.lock();
        for report in reports {
            let number = report.data.u64();
            let (generation, low) = ((number >> 32) as u32, number as u32);
            let Some(place) = seats.all.get_mut((low >> KIND_BITS) as usize) else { continue };
            if place.generation == generation && place.note(low & ((1 << KIND_BITS) - 1), report.flags) {
                wakers.extend(place.waker.take());
            }
        }
    }
}

/// Hands reports on, for ever.
async fn listen(listened: AsyncFd<OwnedFd>, shared: Arc<Shared>) {
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
    use std::os::fd::AsFd;
    use std::task::Poll;
    use std::time::Duration;

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::{Kind, Reactor, Ready, Seat};

    async fn next(seat: &Seat) -> Ready {
        let ready = poll_fn(|cx| match seat.take(cx) {
            Ready(0) => Poll::Pending,
            ready => Poll::Ready(ready),
        });
        tokio::time::timeout(Duration::from_secs(30), ready).await.expect("a report")
    }

    #[tokio::test]
    async fn each_seat_hears_of_its_own_descriptors_and_never_of_those_before_it() {
        let reactor = Reactor::new().expect("an epoll");
        let (reading, writing) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).expect("a pipe");
        let (other, other_end) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).expect("a pipe");
        let (seat, neighbour) = (reactor.seat(), reactor.seat());
        seat.ticket().watch(reading.as_fd(), Kind::Stderr).expect("watched");
        neighbour.ticket().watch(other.as_fd(), Kind::Stdout).expect("watched");
        rustix::io::write(&writing, b"x").expect("written");
        let ready = next(&seat).await;
        assert_eq!((ready.has(Kind::Stdout), ready.has(Kind::Stderr), ready.has(Kind::Exit)), (false, true, false));
        drop(other_end);
        assert!(next(&neighbour).await.has(Kind::Stdout), "its end is a report too");
        // The pipe is still open when its seat goes to the next: what comes now is nobody's.
        let index = seat.0.index;
        drop(seat);
        let successor = reactor.seat();
        assert_eq!(successor.0.index, index);
        rustix::io::write(&writing, b"y").expect("written");
        let (own, own_end) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).expect("a pipe");
        successor.ticket().watch(own.as_fd(), Kind::Exit).expect("watched");
        drop(own_end);
        let ready = next(&successor).await;
        assert_eq!((ready.has(Kind::Stderr), ready.has(Kind::Exit)), (false, true));
    }
}
