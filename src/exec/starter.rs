//! The threads that start processes: vfork(2) suspends its caller until the program is executed, which takes as long as the
//! disk likes that the program is on. Meanwhile the daemon's own thread goes on, and other runs start and end.
//!
//! Before it: a run whose turn it is. After it: its process, or why there is none. Invariants: first come, first served; a
//! start that nobody waits for any more leaves no process; a start that hangs holds up no other for long.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use super::Run;
use super::launch::Launch;
use super::process::{Live, plain};
use super::reactor::{Seat, Ticket};
use crate::clock::{Mono, SharedClock};

/// Threads that start processes at a time: while one waits for its program to be executed, another makes the next ready.
const THREADS: usize = 2;

/// When a request waits and none was taken up for so long, all of them hang (a dead network disk): one more takes its turn.
const HANGS: Duration = Duration::from_secs(2);

/// Threads, hanging ones included, at most. Starts that come after that wait, and time out like any other run.
const MOST_THREADS: usize = 64;

/// Room for requests that is kept once they are served.
const KEPT: usize = 64;

/// The threads, which end with it.
#[derive(Debug)]
pub(super) struct Starter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: SharedClock,
    /// /dev/null, opened once and not for each process.
    null: OnceLock<OwnedFd>,
    queue: Mutex<Queue>,
    arrived: Condvar,
}

#[derive(Debug)]
struct Queue {
    /// No more than there are runs in progress, of which there is a limit.
    requests: VecDeque<Request>,
    threads: usize,
    /// How many of them are at a request.
    serving: usize,
    /// One that has nothing to do looks again within [`HANGS`].
    watched: bool,
    /// When a request was taken up last.
    taken: Mono,
    closed: bool,
}

#[derive(Debug)]
struct Request {
    run: Arc<Run>,
    attempt: u32,
    ticket: Ticket,
}

impl Starter {
    /// Its threads, which wait. Where not even one can be made, each start tries again.
    pub(super) fn new(clock: SharedClock) -> Self {
        let taken = clock.now().mono;
        let queue = Queue { requests: VecDeque::new(), threads: 0, serving: 0, watched: false, taken, closed: false };
        let shared =
            Arc::new(Shared { clock, null: OnceLock::new(), queue: Mutex::new(queue), arrived: Condvar::new() });
        {
            let mut queue = shared.lock();
            while queue.threads <= THREADS && shared.add_thread(&mut queue).is_ok() {}
        }
        Self(shared)
    }

    /// Asks for an attempt's process, which will be brought to the seat.
    pub(super) fn start(&self, run: &Arc<Run>, attempt: u32, seat: &Seat) -> io::Result<()> {
        let mut queue = self.0.lock();
        queue.requests.push_back(Request { run: Arc::clone(run), attempt, ticket: seat.ticket() });
        if queue.threads == 0
            && let Err(error) = self.0.add_thread(&mut queue)
        {
            queue.requests.clear();
            return Err(error);
        }
        if queue.serving < THREADS || !queue.watched {
            self.0.arrived.notify_one();
        }
        Ok(())
    }
}

impl Drop for Starter {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.arrived.notify_all();
    }
}

impl Queue {
    /// The next request, if one waits and it is time for another thread to take it up.
    fn take(&mut self, now: Mono) -> Option<Request> {
        if self.serving >= THREADS && self.taken.until(now) <= HANGS {
            return None;
        }
        let request = self.requests.pop_front()?;
        if self.requests.is_empty() && self.requests.capacity() > KEPT {
            self.requests = VecDeque::new();
        }
        self.taken = now;
        self.serving += 1;
        Some(request)
    }
}

impl Shared {
    fn null(&self) -> Result<&OwnedFd, String> {
        match self.null.get() {
            Some(null) => Ok(null),
            None => {
                let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                    .map_err(|error| format!("/dev/null cannot be opened: {}", plain(&error.into())))?;
                Ok(self.null.get_or_init(|| null))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add_thread(self: &Arc<Self>, queue: &mut Queue) -> io::Result<()> {
        let shared = Arc::clone(self);
        std::thread::Builder::new().name("start".to_owned()).spawn(move || shared.work())?;
        queue.threads += 1;
        Ok(())
    }

    /// What a thread does, until there is nothing for it.
    fn work(self: &Arc<Self>) {
        let mut queue = self.lock();
        while !queue.closed {
            if let Some(request) = queue.take(self.clock.now().mono) {
                if queue.serving == queue.threads && queue.threads < MOST_THREADS {
                    // The one who sees it if this one hangs. Without it, it is later than it could be.
                    let _ = self.add_thread(&mut queue);
                }
                drop(queue);
                request.serve(self);
                queue = self.lock();
                queue.serving -= 1;
            } else if queue.threads > queue.serving.max(THREADS) + 1 {
                break;
            } else {
                queue = self.wait(queue);
            }
        }
        queue.threads -= 1;
    }

    /// Waits for something to do; beside requests that wait, one watches whether they are taken up.
    fn wait<'q>(&self, mut queue: MutexGuard<'q, Queue>) -> MutexGuard<'q, Queue> {
        if queue.requests.is_empty() || queue.watched {
            queue = self.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner);
        } else {
            queue.watched = true;
            queue = self.arrived.wait_timeout(queue, HANGS).unwrap_or_else(PoisonError::into_inner).0;
            queue.watched = false;
        }
        queue
    }
}

impl Request {
    fn serve(self, shared: &Shared) {
        let Self { run, attempt, ticket } = self;
        if !ticket.is_valid() {
            return;
        }
        // A defect in one start is that start's, as one in a run is that run's.
        let start =
            AssertUnwindSafe(|| Live::start(Launch::new(&run, attempt)?, shared.null()?, &ticket, shared.clock.now()));
        let started = catch_unwind(start).unwrap_or_else(|_| Err(defect()));
        if let Ok(live) = &started {
            run.progress.pid.store(live.number(), Ordering::Relaxed);
        }
        ticket.deliver(started);
    }
}

fn defect() -> String {
    "it could not be started, by a defect of slack-alert itself: see its log".to_owned()
}
