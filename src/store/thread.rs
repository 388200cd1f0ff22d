//! The store's own thread, and what it is given to do.
//!
//! Before it: [`Store`](super::Store), whose callers never wait for a disk unless they ask to. After it: [`Core`].
//!
//! What must be on disk is written at once, everything that came together in one transaction (group commit); the rest
//! is written within [`LAZY`], in chunks small enough that a message never waits long behind one. Real time: the thread
//! has no part in simulations, which drive the database in place.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::commit::{Answer, Write};
use super::core::Core;
use super::lazy::Lazy;
use super::types::StoreError;
use crate::id::RunId;

/// History and job state are on disk after this long at the latest, as long as the disk is well.
const LAZY: Duration = Duration::from_secs(1);

/// So many rows that wait are written before that.
const MANY: usize = 1_024;

/// Rows of history in one transaction; a message waits for one such transaction at most.
pub(super) const CHUNK: usize = 128;

/// Changes in one transaction.
const GROUP: usize = 256;

/// Between two steps of the clearing away.
const BREATH: Duration = Duration::from_millis(20);

/// While the disk fails: tries after a second, doubling to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What the thread is asked.
pub(super) enum Op {
    /// A change that its caller waits for.
    Write(Write, oneshot::Sender<Answer>),
    /// Everything that waits is to be written.
    Flush(oneshot::Sender<Result<(), StoreError>>),
    /// Anything else.
    Call(Box<dyn FnOnce(&mut Core) + Send>),
}

/// What waits for the thread.
#[derive(Default)]
struct Gathered {
    urgent: VecDeque<Op>,
    lazy: Lazy,
    /// Does not wait for [`LAZY`]: much has gathered, or run numbers are about to run out.
    hurry: bool,
    closing: bool,
    /// Up to which run number the disk has set numbers apart.
    reserved: u64,
}

/// Where callers leave what they want.
#[derive(Default)]
pub(super) struct Inbox {
    gathered: Mutex<Gathered>,
    wake: Condvar,
    /// A message came in.
    pub(super) arrived: Notify,
}

/// What the thread does next.
enum Next {
    Ops(Vec<Op>),
    Lazy,
    Tend,
    Close,
}

impl Gathered {
    /// Takes back what could not be written, unless a record that came meanwhile says something newer.
    fn put_back(&mut self, rest: Lazy) {
        if rest.is_empty() {
            return;
        }
        self.lazy.put_back(rest);
        for op in &self.urgent {
            if let Op::Write(Write::Record(record), _) = op {
                self.lazy.overtaken(record);
            }
        }
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves something that is done at once. A record overtakes what waits of the same run and job.
    pub(super) fn push(&self, op: Op) {
        let mut gathered = self.lock();
        if let Op::Write(Write::Record(record), _) = &op {
            gathered.lazy.overtaken(record);
        }
        gathered.urgent.push_back(op);
        drop(gathered);
        self.wake.notify_one();
    }

    /// Leaves something that may wait; `run` is the number that it concerns.
    pub(super) fn gather(&self, run: Option<RunId>, put: impl FnOnce(&mut Lazy)) {
        let mut gathered = self.lock();
        let idle = gathered.lazy.is_empty();
        put(&mut gathered.lazy);
        let short = run.is_some_and(|run| run.0 + 500 >= gathered.reserved);
        let hurry = !gathered.hurry && (short || gathered.lazy.len() >= MANY);
        gathered.hurry |= hurry;
        drop(gathered);
        if idle || hurry {
            self.wake.notify_one();
        }
    }

    /// Asks the thread to write everything and end.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }

    /// Waits for something to do. `pause` is how long not to try the disk on its own account; `tending` says that there
    /// is clearing away to do.
    fn next(&self, pause: Option<Duration>, tending: bool) -> Next {
        let mut gathered = self.lock();
        loop {
            if !gathered.urgent.is_empty() {
                let count = gathered.urgent.len().min(GROUP);
                return Next::Ops(gathered.urgent.drain(..count).collect());
            }
            if gathered.closing {
                return Next::Close;
            }
            let (wait, then) = match pause {
                Some(pause) => (pause, Next::Lazy),
                None if gathered.hurry => return Next::Lazy,
                None if !gathered.lazy.is_empty() => (LAZY, Next::Lazy),
                None if tending => (BREATH, Next::Tend),
                None => {
                    let idle = |g: &mut Gathered| g.urgent.is_empty() && g.lazy.is_empty() && !g.closing && !g.hurry;
                    gathered = self.wake.wait_while(gathered, idle).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
            };
            let failing = pause.is_some();
            let still = |g: &mut Gathered| g.urgent.is_empty() && !g.closing && (failing || !g.hurry);
            let (guard, waited) =
                self.wake.wait_timeout_while(gathered, wait, still).unwrap_or_else(PoisonError::into_inner);
            gathered = guard;
            if waited.timed_out() {
                return then;
            }
        }
    }
}

/// The thread's life.
pub(super) fn work(inbox: &Arc<Inbox>, mut core: Core) {
    inbox.lock().reserved = core.reserved();
    let mut pause = None;
    let mut tending = true;
    loop {
        match inbox.next(pause, tending) {
            Next::Ops(ops) => {
                let mut rest = Lazy::default();
                let mut flushes = Vec::new();
                perform(&mut core, ops, &mut rest, &mut flushes, &inbox.arrived);
                inbox.lock().put_back(rest);
                // Something of the rest with each: it must not wait for ever behind what is urgent.
                let written = chunk(inbox, &mut core);
                for flush in flushes {
                    let done = written.clone().and_then(|()| write_all(inbox, &mut core));
                    let _gone = flush.send(done);
                }
                pause = after(pause, &written);
            }
            Next::Lazy => {
                let written = chunk(inbox, &mut core);
                pause = after(pause, &written);
                tending = written.is_ok();
            }
            Next::Tend => tending = core.tend().unwrap_or(false),
            Next::Close => {
                // What could not be written by now is told by `flush`, which comes before.
                let _told = write_all(inbox, &mut core).and_then(|()| core.finish());
                return;
            }
        }
        inbox.lock().reserved = core.reserved();
    }
}

/// How long to leave the disk alone.
fn after(pause: Option<Duration>, written: &Result<(), StoreError>) -> Option<Duration> {
    match (written, pause) {
        (Ok(()), _) => None,
        (Err(_), None) => Some(Duration::from_secs(1)),
        (Err(_), Some(pause)) => Some((pause * 2).min(LONGEST_PAUSE)),
    }
}

/// Writes one chunk of what may wait, and what the disk did not take before.
fn chunk(inbox: &Inbox, core: &mut Core) -> Result<(), StoreError> {
    let mut gathered = inbox.lock();
    let lazy = gathered.lazy.take(CHUNK);
    gathered.hurry = false;
    drop(gathered);
    if lazy.is_empty() && core.is_clean() {
        return Ok(());
    }
    let mut rest = Lazy::default();
    let written = core.write_lazy(lazy, &mut rest);
    let mut gathered = inbox.lock();
    gathered.put_back(rest);
    gathered.hurry |= written.is_ok() && gathered.lazy.len() >= CHUNK;
    written
}

fn write_all(inbox: &Inbox, core: &mut Core) -> Result<(), StoreError> {
    loop {
        chunk(inbox, core)?;
        if inbox.lock().lazy.is_empty() {
            return Ok(());
        }
    }
}

/// Does what was asked, neighbouring changes in one transaction. Shared with the store that is driven in place.
pub(super) fn perform(
    core: &mut Core,
    ops: Vec<Op>,
    rest: &mut Lazy,
    flushes: &mut Vec<oneshot::Sender<Result<(), StoreError>>>,
    arrived: &Notify,
) {
    let (mut writes, mut replies) = (Vec::new(), Vec::new());
    let mut commit = |core: &mut Core, writes: &mut Vec<Write>, replies: &mut Vec<oneshot::Sender<Answer>>| {
        if writes.is_empty() {
            return;
        }
        let news = writes.iter().any(|write| matches!(write, Write::Record(record) if !record.messages.is_empty()));
        let answers = core.commit(std::mem::take(writes), rest);
        for (reply, answer) in replies.drain(..).zip(answers) {
            // The caller may have gone away; the change is made all the same.
            let _gone = reply.send(answer);
        }
        if news {
            arrived.notify_one();
        }
    };
    for op in ops {
        match op {
            Op::Write(write, reply) => {
                writes.push(write);
                replies.push(reply);
            }
            Op::Flush(reply) => flushes.push(reply),
            Op::Call(call) => {
                commit(core, &mut writes, &mut replies);
                call(core);
            }
        }
    }
    commit(core, &mut writes, &mut replies);
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tokio::sync::oneshot;

    use super::{Inbox, Op};
    use crate::id::JobName;
    use crate::store::types::{JobState, Record};

    #[test]
    fn what_the_disk_did_not_take_never_comes_back_over_what_is_newer() {
        let inbox = Inbox::default();
        let (job, state) = (JobName::new("job"), |n: u64| JobState::new(&n, &n));
        inbox.gather(None, |lazy| lazy.remember(job.clone(), state(1)));
        let failed = inbox.lock().lazy.take(10);
        let record = Record { state: Some((job.clone(), state(2))), ..Record::default() };
        inbox.push(Op::Write(record.into(), oneshot::channel().0));
        inbox.lock().put_back(failed);
        assert!(inbox.lock().lazy.is_empty(), "the newer one is on its way");
        inbox.lock().urgent.clear();
        inbox
            .gather(None, |lazy| lazy.remember(JobName::new("other"), state(Timestamp::UNIX_EPOCH.as_second() as u64)));
        assert_eq!(inbox.lock().lazy.len(), 1);
    }
}
