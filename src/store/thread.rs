//! The store's own thread, and what it is given to do.
//!
//! Before it: [`Store`](super::Store), whose callers never wait for a disk unless they ask to. After it: [`Core`].
//!
//! What must be on disk is written at once, everything that came together in one transaction (group commit); the rest
//! is written at once where the last write is [`SPACING`] ago, and then in chunks small enough that a message never waits
//! long behind one. Real time: the thread has no part in simulations, which drive the database in place.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::change::{Answer, Write};
use super::core::Core;
use super::deferred::Deferred;
use super::types::StoreError;
use crate::clock::{Clock, Mono, System};
use crate::id::RunId;

/// From one write of what may wait to the next, where nothing hurries: a run that starts or ends leaves its trace on disk
/// within this time however busy the daemon is, and at once when it is not. A daemon that is killed forgets no more than that.
const SPACING: Duration = Duration::from_millis(100);

/// A start waits for its process for so long, so that both are written at once: the daemon is not killed between them, and a
/// run costs one write.
const YOUNG: Duration = Duration::from_millis(20);

/// So many rows that wait are written before that.
const MANY: usize = 1_024;

/// Rows of history in one transaction; a message waits for one such transaction at most.
pub(super) const CHUNK: usize = 128;

/// Changes in one transaction.
const GROUP: usize = 256;

/// Between two steps of the clearing away.
const BREATH: Duration = Duration::from_millis(20);

/// While the disk fails: tries after this long, doubling to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest time between two tries.
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
    deferred: Deferred,
    /// Does not wait for [`SPACING`]: much has gathered, or run numbers are about to run out.
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
    Deferred,
    ClearAway,
    Close,
}

impl Gathered {
    /// Takes back what could not be written, unless a record that came meanwhile says something newer.
    fn put_back(&mut self, rest: Deferred) {
        if rest.is_empty() {
            return;
        }
        self.deferred.put_back(rest);
        for op in &self.urgent {
            if let Op::Write(Write::Record(record), _) = op {
                self.deferred.overtaken(record);
            }
        }
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waits to be written.
    pub(super) fn deferred<T>(&self, look: impl FnOnce(&Deferred) -> T) -> T {
        look(&self.lock().deferred)
    }

    /// Leaves something that is done at once. A record overtakes what waits of the same run and job.
    pub(super) fn push(&self, op: Op) {
        let mut gathered = self.lock();
        if let Op::Write(Write::Record(record), _) = &op {
            gathered.deferred.overtaken(record);
        }
        gathered.urgent.push_back(op);
        drop(gathered);
        self.wake.notify_one();
    }

    /// Leaves something that may wait; `run` is the number that it concerns.
    pub(super) fn gather(&self, run: Option<RunId>, put: impl FnOnce(&mut Deferred)) {
        let mut gathered = self.lock();
        let idle = gathered.deferred.is_empty();
        let young = gathered.deferred.awaits_processes();
        put(&mut gathered.deferred);
        let grown = young && !gathered.deferred.awaits_processes();
        let short = run.is_some_and(|run| run.0 + 500 >= gathered.reserved);
        let hurry = !gathered.hurry && (short || gathered.deferred.len() >= MANY);
        gathered.hurry |= hurry;
        drop(gathered);
        if idle || hurry || grown {
            self.wake.notify_one();
        }
    }

    /// Asks the thread to write everything and end.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }

    /// Waits for something to do. `pause` is how long not to try the disk on its own account; `clearing` says that there
    /// is clearing away to do.
    fn next(&self, pause: Option<Duration>, clearing: bool, written: Mono) -> Next {
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
                Some(pause) => (pause, Next::Deferred),
                None if gathered.hurry => return Next::Deferred,
                None if !gathered.deferred.is_empty() => {
                    let left = SPACING.saturating_sub(System.now().mono - written);
                    match left.max(if gathered.deferred.awaits_processes() { YOUNG } else { Duration::ZERO }) {
                        Duration::ZERO => return Next::Deferred,
                        left => (left, Next::Deferred),
                    }
                }
                None if clearing => (BREATH, Next::ClearAway),
                None => {
                    let idle =
                        |g: &mut Gathered| g.urgent.is_empty() && g.deferred.is_empty() && !g.closing && !g.hurry;
                    gathered = self.wake.wait_while(gathered, idle).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
            };
            let failing = pause.is_some();
            let young = gathered.deferred.awaits_processes();
            let same = |g: &Gathered| failing || !g.hurry && g.deferred.awaits_processes() == young;
            let still = |g: &mut Gathered| g.urgent.is_empty() && !g.closing && same(g);
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
    // A disk that could not be used is tried again, whether anything waits for it or not.
    let mut retry = core.trouble.borrow().failing.is_some().then(|| Retry::new(FIRST_PAUSE, System.now().mono));
    let mut clearing = true;
    let mut written = Mono::default();
    core.retention.advance(System.now());
    loop {
        let now = System.now().mono;
        let pause = retry.map(|retry| retry.at.0.saturating_sub(now.0));
        match inbox.next(pause, clearing, written) {
            Next::Ops(ops) => {
                let mut rest = Deferred::default();
                let mut flushes = Vec::new();
                perform(&mut core, ops, &mut rest, &mut flushes, &inbox.arrived);
                inbox.lock().put_back(rest);
                let now = System.now();
                // Something of the rest with each: it must not wait for ever behind what is urgent. Nor must a disk that
                // could not be used.
                let is_due = retry.is_some_and(|retry| retry.at <= now.mono);
                let done = chunk(inbox, &mut core, is_due || !flushes.is_empty());
                for flush in flushes {
                    let done = done.clone().and_then(|()| write_all(inbox, &mut core));
                    let _gone = flush.send(done);
                }
                retry = after(retry, &done.and_then(|()| core.look_again()), now.mono);
                clearing = retry.is_none() && core.keep_limits(now);
            }
            Next::Deferred => {
                // That a little could be written does not say that the trouble is over.
                let done = chunk(inbox, &mut core, true).and_then(|()| core.look_again());
                let now = System.now();
                (retry, written) = (after(retry, &done, now.mono), now.mono);
                clearing = retry.is_none() && core.keep_limits(now);
            }
            Next::ClearAway => clearing = core.clear_away(System.now()).unwrap_or(false),
            Next::Close => {
                // What could not be written by now is told by `flush`, which comes before.
                let _told = write_all(inbox, &mut core).and_then(|()| core.finish());
                return;
            }
        }
        inbox.lock().reserved = core.reserved();
    }
}

/// When a disk that fails is tried again on its own account, however busy the daemon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Retry {
    at: Mono,
    pause: Duration,
}

impl Retry {
    fn new(pause: Duration, now: Mono) -> Self {
        Self { at: now + pause, pause }
    }
}

/// How long to leave the disk alone.
fn after(retry: Option<Retry>, written: &Result<(), StoreError>, now: Mono) -> Option<Retry> {
    match (written, retry) {
        (Ok(()), _) => None,
        (Err(_), None) => Some(Retry::new(FIRST_PAUSE, now)),
        // What is urgent has failed meanwhile: that is no reason to wait longer.
        (Err(_), Some(retry)) if now < retry.at => Some(retry),
        (Err(_), Some(retry)) => Some(Retry::new((retry.pause * 2).min(LONGEST_PAUSE), now)),
    }
}

/// Writes one chunk of what may wait, and what the disk did not take before.
fn chunk(inbox: &Inbox, core: &mut Core, try_disk: bool) -> Result<(), StoreError> {
    if try_disk && core.reopen()? {
        // What waits on the disk was not known until now.
        inbox.arrived.notify_one();
    }
    let mut gathered = inbox.lock();
    let deferred = gathered.deferred.take(CHUNK);
    gathered.hurry = false;
    drop(gathered);
    if deferred.is_empty() && core.is_clean() {
        // With nothing to write the disk is as it was at the last try.
        return core.footing();
    }
    let mut rest = Deferred::default();
    let written = core.write_deferred(deferred, &mut rest);
    let mut gathered = inbox.lock();
    gathered.put_back(rest);
    gathered.hurry |= written.is_ok() && gathered.deferred.len() >= CHUNK;
    written
}

fn write_all(inbox: &Inbox, core: &mut Core) -> Result<(), StoreError> {
    loop {
        chunk(inbox, core, true)?;
        if inbox.lock().deferred.is_empty() {
            return Ok(());
        }
    }
}

/// Does what was asked, neighbouring changes in one transaction. Shared with the store that is driven in place.
pub(super) fn perform(
    core: &mut Core,
    ops: Vec<Op>,
    rest: &mut Deferred,
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

    use super::{Duration, Inbox, Mono, Op, Retry, after};
    use crate::id::JobName;
    use crate::store::types::{JobState, Record, StoreError};

    #[test]
    fn a_disk_that_fails_is_tried_less_and_less_often_and_no_later_because_much_is_written() {
        let second = |seconds| Mono(Duration::from_secs(seconds));
        let (mut retry, mut tries) = (None, Vec::new());
        for now in 0..120 {
            let is_due = retry.is_none_or(|retry: Retry| retry.at <= second(now));
            tries.extend(is_due.then_some(now));
            retry = after(retry, &Err(StoreError::Full), second(now));
        }
        assert_eq!(tries, [0, 1, 3, 7, 15, 31, 61, 91]);
        assert_eq!(after(retry, &Ok(()), second(120)), None);
    }

    #[test]
    fn what_the_disk_did_not_take_never_comes_back_over_what_is_newer() {
        let inbox = Inbox::default();
        let (job, state) = (JobName::new("job"), |n: u64| JobState::new(&n, &n).expect("numbers are JSON"));
        inbox.gather(None, |deferred| deferred.remember(job.clone(), state(1)));
        let failed = inbox.lock().deferred.take(10);
        let record = Record { states: vec![(job.clone(), state(2))], ..Record::default() };
        inbox.push(Op::Write(record.into(), oneshot::channel().0));
        inbox.lock().put_back(failed);
        assert!(inbox.lock().deferred.is_empty(), "the newer one is on its way");
        inbox.lock().urgent.clear();
        inbox.gather(None, |deferred| {
            deferred.remember(JobName::new("other"), state(Timestamp::UNIX_EPOCH.as_second() as u64));
        });
        assert_eq!(inbox.lock().deferred.len(), 1);
    }
}
