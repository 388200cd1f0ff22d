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
use rustix::io::Errno;

use super::child::{Child, ChildSlot};
use super::launch::{Launch, NotStarted};
use super::slot::Slot;
use crate::clock::{Mono, SharedClock};
use crate::exec::os::{self, plain};
use crate::exec::run::{HeldBack, ProcessId, Run, TellStarted};

/// Threads that start processes at a time: while one waits for its program to be executed, another makes the next ready.
const STARTERS: usize = 2;

/// One more thread waits, and takes a turn when all of those hang.
const WATCHERS: usize = 1;

/// When a request waits and none was taken up for so long, all of them hang (a dead network disk): one more takes its turn.
const HANGS: Duration = Duration::from_secs(2);

/// Threads, hanging ones included, at most. Starts that come after that wait, and time out like any other run.
const MOST_THREADS: usize = 64;

/// How often it is tried again whether there are descriptors for a process, once they ran out.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// So often a start that failed for want of descriptors is made again though there are some: others may have given theirs back in
/// between. A limit of the command's own gives none back.
const DOUBTS: u32 = 20;

/// A start that has waited for descriptors for so long is given up.
pub(in crate::exec) const PATIENCE: Duration = Duration::from_secs(300);

/// That runs wait for descriptors is logged at most this often: they come and go while many runs wait.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// Room for requests that is kept once they are served.
const KEPT: usize = 64;

/// The threads, which end with it.
#[derive(Debug)]
pub(in crate::exec) struct Starter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: SharedClock,
    /// Who is told of each process, and the boot on which they are.
    started: Option<(TellStarted, Arc<str>)>,
    /// /dev/null, opened once and not for each process.
    null: OnceLock<OwnedFd>,
    queue: Mutex<Queue>,
    arrived: Condvar,
    going_on: Mutex<GoingOn>,
}

/// Starts that are going on. Until its program is executed, a new process has a copy of every descriptor that was open when it
/// was made: also of the pipes of another process that was being made at that time.
#[derive(Debug, Default)]
struct GoingOn {
    last: u64,
    numbers: Vec<u64>,
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
    /// Descriptors have run out: nothing is started before then.
    paused: Option<Mono>,
    /// They ran out, and not all that waited for them since has been started.
    scarce: bool,
    /// When that was logged last, and whether its end is to be logged too.
    said: (Option<Mono>, bool),
    closed: bool,
}

#[derive(Debug)]
struct Request {
    run: Arc<Run>,
    attempt: u32,
    slot: ChildSlot,
    /// Since when it waits for descriptors.
    waits: Option<Mono>,
    /// So often in a row it failed for want of descriptors though there were some.
    doubts: u32,
}

impl Starter {
    /// Its threads, which wait. Where not even one can be made, each start tries again.
    pub(in crate::exec) fn new(clock: SharedClock, started: Option<TellStarted>) -> Self {
        let taken = clock.now().mono;
        let started = started.map(|tell| (tell, Arc::from(clock.boot())));
        let queue = Queue {
            requests: VecDeque::new(),
            threads: 0,
            serving: 0,
            watched: false,
            taken,
            paused: None,
            scarce: false,
            said: (None, false),
            closed: false,
        };
        let shared = Arc::new(Shared {
            clock,
            started,
            null: OnceLock::new(),
            queue: Mutex::new(queue),
            arrived: Condvar::new(),
            going_on: Mutex::default(),
        });
        {
            let mut queue = shared.lock();
            while queue.threads < STARTERS + WATCHERS && shared.add_thread(&mut queue).is_ok() {}
        }
        Self(shared)
    }

    /// Asks for an attempt's process, which will be delivered to the slot.
    pub(in crate::exec) fn start(&self, run: &Arc<Run>, attempt: u32, slot: &Slot<Box<Child>>) -> io::Result<()> {
        let mut queue = self.0.lock();
        let mut request = Request { run: Arc::clone(run), attempt, slot: slot.handle(), waits: None, doubts: 0 };
        if queue.scarce {
            request.wait_for_files(self.0.clock.now().mono);
        }
        queue.requests.push_back(request);
        if queue.threads == 0
            && let Err(error) = self.0.add_thread(&mut queue)
        {
            queue.requests.clear();
            return Err(error);
        }
        if queue.serving < STARTERS || !queue.watched {
            self.0.arrived.notify_one();
        }
        Ok(())
    }

    /// A run waits for descriptors before it can even ask.
    pub(in crate::exec) fn say_scarce(&self) {
        let now = self.0.clock.now().mono;
        self.0.lock().say_scarce(now);
    }

    /// Whether one of these starts has not come to its end yet.
    pub(super) fn is_going_on(&self, starts: &[u64]) -> bool {
        !starts.is_empty() && self.0.going_on().numbers.iter().any(|number| starts.contains(number))
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
        if self.paused.is_some_and(|until| now < until) || self.serving >= STARTERS && self.taken.until(now) <= HANGS {
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

    fn say_scarce(&mut self, now: Mono) {
        if self.said.0.is_none_or(|said| now - said >= SAY_AGAIN) {
            self.said = (Some(now), true);
            tracing::warn!("runs wait: {}", os::OUT_OF_FILES);
        }
    }
}

impl GoingOn {
    fn begin(&mut self) -> u64 {
        self.last += 1;
        self.numbers.push(self.last);
        self.last
    }

    /// The answer is which others go on.
    fn end(&mut self, number: u64) -> Vec<u64> {
        self.numbers.retain(|other| *other != number);
        self.numbers.clone()
    }
}

impl Shared {
    fn going_on(&self) -> MutexGuard<'_, GoingOn> {
        self.going_on.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn null(&self) -> Result<&OwnedFd, String> {
        match self.null.get() {
            Some(null) => Ok(null),
            None => {
                let null =
                    open_null().map_err(|error| format!("/dev/null cannot be opened: {}", plain(&error.into())))?;
                Ok(self.null.get_or_init(|| null))
            }
        }
    }

    fn is_out_of_files(&self) -> bool {
        match self.null.get() {
            Some(null) => !os::may_open_files(null),
            None => matches!(open_null(), Err(Errno::MFILE | Errno::NFILE)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::disallowed_methods, reason = "the door of processes: the threads that start them")]
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
                let again = request.serve(self);
                queue = self.lock();
                queue.serving -= 1;
                self.pause(&mut queue, again);
            } else if queue.threads > queue.serving.max(STARTERS) + WATCHERS {
                break;
            } else {
                queue = self.wait(queue);
            }
        }
        queue.threads -= 1;
    }

    /// Puts a request for which there were no descriptors back to the front, and waits with all of them.
    fn pause(&self, queue: &mut Queue, again: Option<Request>) {
        let now = self.clock.now().mono;
        match again {
            Some(request) => {
                queue.paused = Some(now + TRY_AGAIN);
                if !std::mem::replace(&mut queue.scarce, true) {
                    queue.requests.iter_mut().for_each(|request| request.wait_for_files(now));
                    queue.say_scarce(now);
                }
                queue.requests.push_front(request);
            }
            None => {
                queue.paused = None;
                if queue.scarce && queue.requests.is_empty() {
                    queue.scarce = false;
                    if std::mem::take(&mut queue.said.1) {
                        tracing::info!("there are open files for runs again");
                    }
                }
            }
        }
    }

    /// Waits for something to do; beside requests that wait, one watches whether they are taken up.
    fn wait<'q>(&self, mut queue: MutexGuard<'q, Queue>) -> MutexGuard<'q, Queue> {
        if queue.requests.is_empty() || queue.watched {
            queue = self.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner);
        } else {
            queue.watched = true;
            let patience = if queue.paused.is_some() { TRY_AGAIN } else { HANGS };
            queue = self.arrived.wait_timeout(queue, patience).unwrap_or_else(PoisonError::into_inner).0;
            queue.watched = false;
        }
        queue
    }
}

impl Request {
    /// Its time limit does not count from here on: what it waits for is no fault of its own.
    fn wait_for_files(&mut self, now: Mono) {
        self.waits.get_or_insert(now);
        self.slot.note_wait_for_files();
        self.run.progress.set_held_back(Some(HeldBack::OpenFiles));
    }

    /// Starts the process and delivers it; gives itself back when there are no descriptors for it yet.
    fn serve(mut self, shared: &Shared) -> Option<Self> {
        let Self { run, attempt, slot, .. } = &self;
        if !slot.is_valid() {
            return None;
        }
        let now = shared.clock.now();
        // A defect in one start is that start's, as one in a run is that run's.
        let start = AssertUnwindSafe(|| Child::start(Launch::new(run, *attempt)?, shared.null()?, slot, now));
        let number = shared.going_on().begin();
        let mut started = catch_unwind(start).unwrap_or_else(|_| Err(defect().into()));
        let beside = shared.going_on().end(number);
        let waits = self.waits.unwrap_or(now.mono);
        if let Err(error) = &started
            && waits.until(now.mono) < PATIENCE
        {
            let scarce = shared.is_out_of_files();
            if scarce || (*error == NotStarted::OutOfFiles && self.doubts < DOUBTS) {
                self.doubts = if scarce { 0 } else { self.doubts + 1 };
                self.wait_for_files(now.mono);
                return Some(self);
            }
        }
        run.progress.set_held_back(None);
        if let Ok(child) = &mut started {
            child.started_beside = beside;
            run.progress.pid.store(child.number(), Ordering::Relaxed);
            // Of several attempts the first counts: the others find it set.
            let _ = run.progress.began.set(child.began.wall);
            if let Some((tell, boot)) = &shared.started {
                tell.0(run.id, ProcessId { pid: child.number(), birth: ticks(now.mono), boot: Arc::clone(boot) });
            }
        }
        slot.deliver(started.map_err(NotStarted::into_words));
        None
    }
}

/// In clock ticks since the boot, as the kernel counts the birth of a process.
fn ticks(at: Mono) -> u64 {
    let nanos = 1_000_000_000 / u128::from(rustix::param::clock_ticks_per_second().max(1));
    u64::try_from(at.0.as_nanos() / nanos).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the door of processes: their standard input")]
fn open_null() -> Result<OwnedFd, Errno> {
    rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

fn defect() -> String {
    "it could not be started, by a defect of slack-alert itself: see its log".to_owned()
}
