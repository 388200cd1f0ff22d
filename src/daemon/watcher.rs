//! \[time\] Has the configuration read again when its files have changed (`reload = "auto"`).
//!
//! Before it: the [`Snapshot`], which names the files, and the kernel's notices. After it: a request in the [`Mailbox`].
//! Invariants: one request for a burst of changes, when nothing has changed for [`QUIET`]; none when the files are as they
//! were; without a change nothing wakes it, unless a file system gives no notice.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::mailbox::{Mailbox, Request};
use super::snapshot::{Configuration, Snapshot};
use crate::clock::{self, Alarm, Mono, SharedClock};
use crate::document::watch::{Survey, Watched, Watcher, survey};

/// Files are read when nothing has changed for so long.
const QUIET: Duration = Duration::from_secs(1);

/// So long, while a file is open for writing.
const QUIET_WHILE_WRITING: Duration = Duration::from_secs(10);

/// Files that change without end are read this often.
const LONGEST: Duration = Duration::from_secs(30);

/// How often files are looked at of which the kernel gives no notice.
const POLL: Duration = Duration::from_secs(30);

/// The clock of a file system is behind by up to a tick of the kernel.
const TICK: Duration = Duration::from_millis(5);

/// When to look at the files again, after changes. Pure.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    /// The first change that is not read yet, and the last.
    changes: Option<(Mono, Mono)>,
}

impl Pace {
    fn changed(&mut self, now: Mono) {
        self.changes = Some((self.changes.map_or(now, |(first, _)| first), now));
    }

    fn due(&self, writing: bool) -> Option<Mono> {
        let quiet = if writing { QUIET_WHILE_WRITING } else { QUIET };
        self.changes.map(|(first, last)| (last + quiet).min(first + LONGEST))
    }
}

/// What is known of the files.
struct Watching {
    clock: SharedClock,
    mailbox: Mailbox,
    watcher: Watcher,
    /// Why the kernel gives no notice of anything, where it is so.
    deaf: Option<String>,
    files: Watched,
    pace: Pace,
    /// How the files were when they were read last.
    read: u64,
    /// How they were at the last look, where looks are all there is.
    polled: Option<u64>,
    /// When to look, where the kernel gives no notice.
    next_poll: Option<Mono>,
    /// That files are looked at now and then is logged once.
    logged: bool,
}

/// Watches for as long as the daemon publishes snapshots.
pub async fn watch(mut snapshot: watch::Receiver<Snapshot>, mailbox: Mailbox, clock: SharedClock) {
    let mut configuration = Arc::clone(&snapshot.borrow_and_update().configuration);
    loop {
        if let Some(files) = configuration.watched.clone() {
            let mut watching = Watching::new(Arc::clone(&clock), mailbox.clone(), Watcher::new(), files);
            watching.begin(configuration.read).await;
            configuration = match watching.run(&mut snapshot, configuration).await {
                Some(next) => next,
                None => return,
            };
        }
        let known = Arc::clone(&configuration);
        match another(&mut snapshot, &known).await {
            Some(next) => configuration = next,
            None => return,
        }
    }
}

/// Returns when another configuration is in effect than this one; `None` when the daemon is gone.
async fn another(snapshot: &mut watch::Receiver<Snapshot>, known: &Arc<Configuration>) -> Option<Arc<Configuration>> {
    let published = snapshot.wait_for(|snapshot| !Arc::ptr_eq(&snapshot.configuration, known)).await;
    published.ok().map(|snapshot| Arc::clone(&snapshot.configuration))
}

impl Watching {
    fn new(clock: SharedClock, mailbox: Mailbox, (watcher, deaf): (Watcher, Option<String>), files: Watched) -> Self {
        let (pace, logged) = (Pace::default(), false);
        Self { clock, mailbox, watcher, deaf, files, pace, read: 0, polled: None, next_poll: None, logged }
    }

    /// Looks at the files, on a thread of its own: ten thousand of them take a while.
    #[expect(clippy::disallowed_methods, reason = "one look at a time, on a thread of its own: it may take long")]
    async fn look(&mut self) -> Survey {
        let (files, mut tasks) = (self.files.clone(), JoinSet::new());
        tasks.spawn_blocking(move || survey(&files));
        let survey = tasks.join_next().await.and_then(Result::ok).unwrap_or_default();
        let on_the_way =
            survey.unwatchable.as_ref().map(|(folder, system)| format!("{} is on {system}", folder.display()));
        let refused = if on_the_way.is_none() { self.watcher.watch(&survey).err() } else { None };
        match on_the_way.or(refused).or_else(|| self.deaf.clone()) {
            Some(why) => self.poll_from_now_on(&why),
            None => self.poll_no_more(),
        }
        survey
    }

    /// What kept the kernel from giving notice may have passed: no thread or no watch was left, say.
    fn listen_again(&mut self) {
        if self.deaf.is_some()
            && let (watcher, None) = Watcher::new()
        {
            (self.watcher, self.deaf) = (watcher, None);
        }
    }

    /// The kernel gives notice again. What changed since the look that was just made gave none: there is one more.
    fn poll_no_more(&mut self) {
        if self.next_poll.take().is_some() {
            self.logged = false;
            self.pace.changed(self.clock.now().mono);
            tracing::info!("slack-alert gets change events from the kernel again");
        }
    }

    fn poll_from_now_on(&mut self, why: &str) {
        if self.next_poll.is_none() {
            self.next_poll = Some(self.clock.now().mono + POLL);
        }
        if !std::mem::replace(&mut self.logged, true) {
            let every = POLL.as_secs();
            tracing::warn!(
                "slack-alert cannot get change events from the kernel, so it reads the folder every {every} s: {why}"
            );
        }
    }

    /// Begins to watch files that were read at this time. What has changed since then is read again.
    async fn begin(&mut self, read: Timestamp) {
        let before = self.look().await.fingerprint;
        // What changed after that look, and before the kernel was asked for notice, gave none.
        let survey = self.look().await;
        self.read = survey.fingerprint;
        let is_young = survey.newest.is_some_and(|newest| clock::shift(newest, TICK) >= read);
        if is_young || survey.fingerprint != before {
            self.read = !survey.fingerprint;
            self.pace.changed(self.clock.now().mono);
        }
    }

    /// Watches until the configuration wants nothing watched any more; the answer is that configuration, and none when the
    /// daemon is gone.
    async fn run(
        mut self,
        snapshot: &mut watch::Receiver<Snapshot>,
        mut configuration: Arc<Configuration>,
    ) -> Option<Arc<Configuration>> {
        let mut alarm = Alarm::new(Arc::clone(&self.clock));
        loop {
            let due = self.pace.due(self.watcher.is_writing());
            let wake = due.into_iter().chain(self.next_poll).min();
            let known = Arc::clone(&configuration);
            tokio::select! {
                next = another(snapshot, &known) => {
                    configuration = next?;
                    let Some(files) = configuration.watched.clone() else { return Some(configuration) };
                    if files != self.files {
                        self.files = files;
                        self.begin(configuration.read).await;
                    }
                }
                () = self.watcher.changed() => self.pace.changed(self.clock.now().mono),
                () = alarm.towards(wake) => self.look_again().await?,
            }
        }
    }

    /// Looks at the files if it is time to, and has them read if they have changed; `None` when the daemon is gone.
    async fn look_again(&mut self) -> Option<()> {
        let now = self.clock.now().mono;
        if self.next_poll.is_some_and(|due| due <= now) {
            self.next_poll = Some(now + POLL);
            self.listen_again();
            let seen = self.look().await.fingerprint;
            if seen != self.read {
                self.polled = Some(seen);
                self.pace.changed(now);
            }
            return Some(());
        }
        if self.pace.due(self.watcher.is_writing()).is_none_or(|due| due > now) {
            return Some(());
        }
        let seen = self.look().await.fingerprint;
        // Without notices, two looks must find the same.
        let settled = self.polled.replace(seen).is_none_or(|polled| polled == seen) || self.next_poll.is_none();
        if !settled {
            self.pace.changed(self.clock.now().mono);
            return Some(());
        }
        (self.pace, self.polled) = (Pace::default(), None);
        self.watcher.forget_writing();
        if seen == self.read {
            return Some(());
        }
        self.read = seen;
        self.mailbox.ask(Request::FilesChanged).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_when_they_have_been_quiet_for_a_second_and_at_the_latest_after_half_a_minute() {
        let at = |seconds| Mono(Duration::from_secs(seconds));
        let mut pace = Pace::default();
        assert_eq!(pace.due(false), None);
        pace.changed(at(10));
        assert_eq!((pace.due(false), pace.due(true)), (Some(at(11)), Some(at(20))));
        pace.changed(at(15));
        assert_eq!((pace.due(false), pace.due(true)), (Some(at(16)), Some(at(25))));
        pace.changed(at(39));
        assert_eq!((pace.due(false), pace.due(true)), (Some(at(40)), Some(at(40))));
    }

    #[tokio::test]
    async fn a_kernel_that_gives_notice_again_ends_the_looks() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let files = Watched { jobs_dir: folder.path().to_owned(), ..Watched::default() };
        let (mailbox, _inbox) = super::super::mailbox::mailbox();
        let (watcher, why) = Watcher::new();
        assert_eq!(why, None, "the kernel has a watch left");
        let deaf = Some("no more threads are allowed".to_owned());
        let mut watching = Watching::new(Arc::new(clock::System), mailbox, (watcher, deaf), files);
        watching.begin(Timestamp::UNIX_EPOCH).await;
        assert!(watching.next_poll.is_some(), "it looks now and then");
        watching.next_poll = Some(Mono::default());
        watching.pace = Pace::default();
        watching.look_again().await.expect("the daemon is there");
        assert_eq!((&watching.deaf, watching.next_poll), (&None, None));
        // What changed before the watch began gave no notice.
        assert!(watching.pace.due(false).is_some());
    }
}
