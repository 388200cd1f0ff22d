//! When Slack takes nothing for long: begins once, ends once. Pure; time is an argument.
//!
//! Before it: answers of the notifier. After it: the daemon, which runs `fallback.command` when an outage begins and when
//! it ends. What it knows is kept in the store, so that a restart in the middle neither repeats nor forgets it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::{Mono, Now, between};

/// Under which name the store keeps it.
pub const NOTE: &str = "outage";

/// Under which name the store keeps since when Slack takes nothing, before that is an outage and after.
pub const FAILING: &str = "outage_failing";

/// What fails for a shorter time is not worth a note on disk.
const NOTED_AFTER: Duration = Duration::from_secs(5);

/// Slack has taken nothing for `fallback.after`, and something waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// When it first failed.
    pub since: Timestamp,
    /// How many messages waited when it was noticed.
    pub waiting: u64,
    /// What went wrong last.
    pub why: String,
    /// Slack answers, and refuses what it is given where everything is told: it ends when that channel takes a message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

/// Watches for an outage.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// `fallback.after`; none without a fallback.
    after: Option<Duration>,
    failing: Option<Failing>,
    /// Since when an earlier process was given nothing; the first failure of this one shows that it goes on.
    earlier: Option<Timestamp>,
    current: Option<Outage>,
}

#[derive(Clone, Debug)]
struct Failing {
    /// When it failed first in this process.
    from: Mono,
    /// For how long it had failed by then.
    already: Duration,
    since: Timestamp,
    why: String,
}

impl Outage {
    /// From what the store kept.
    pub fn from_note(note: Option<&String>) -> Option<Self> {
        serde_json::from_str(note?).ok()
    }
}

impl Watch {
    /// Goes on where an earlier process was.
    pub fn new(after: Option<Duration>, current: Option<Outage>, earlier: Option<Timestamp>) -> Self {
        Self { after, failing: None, earlier, current }
    }

    /// Nothing waits that an earlier process could not deliver.
    pub fn forget_earlier(&mut self) {
        self.earlier = None;
    }

    /// Since when Slack takes nothing, for a later process.
    pub fn failing_since(&self, now: Mono) -> Option<Timestamp> {
        let failing = self.failing.as_ref().filter(|failing| failing.lasted(now) >= NOTED_AFTER);
        failing.map(|failing| failing.since).or(self.earlier)
    }

    /// The configuration changed.
    pub fn set_after(&mut self, after: Option<Duration>) {
        self.after = after;
    }

    /// The outage, if there is one.
    pub fn current(&self) -> Option<&Outage> {
        self.current.as_ref()
    }

    /// Slack did not take something.
    pub fn failed(&mut self, now: Now, why: &str) {
        match &mut self.failing {
            Some(failing) => why.clone_into(&mut failing.why),
            None => {
                let since = self.earlier.take().map_or(now.wall, |earlier| earlier.min(now.wall));
                let already = between(since, now.wall);
                self.failing = Some(Failing { from: now.mono, already, since, why: why.to_owned() });
            }
        }
    }

    /// Slack took something; in the default channel, or in another. The answer is whether that ends an outage.
    pub fn delivered(&mut self, default: bool) -> bool {
        self.failing = None;
        self.earlier = None;
        self.current.take_if(|outage| default || !outage.refused).is_some()
    }

    /// An alert can be posted nowhere: the fallback need not wait.
    pub fn nowhere(&mut self, now: Now, waiting: u64, why: &str) {
        if self.after.is_some() && self.current.is_none() {
            let since = self.failing.as_ref().map_or(now.wall, |failing| failing.since);
            self.current = Some(Outage { since, waiting, why: why.to_owned(), refused: true });
        }
    }

    /// Looks whether it has been long enough. The answer is whether that begins an outage.
    pub fn look(&mut self, now: Mono, waiting: u64) -> bool {
        let (Some(after), Some(failing), None) = (self.after, &self.failing, &self.current) else { return false };
        if waiting == 0 || failing.lasted(now) < after {
            return false;
        }
        self.current = Some(Outage { since: failing.since, waiting, why: failing.why.clone(), refused: false });
        true
    }

    /// When to look again.
    pub fn due(&self) -> Option<Mono> {
        match (self.after, &self.failing, &self.current) {
            (Some(after), Some(failing), None) => Some(failing.from + after.saturating_sub(failing.already)),
            _ => None,
        }
    }
}

impl Failing {
    fn lasted(&self, now: Mono) -> Duration {
        self.already.saturating_add(self.from.until(now))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::{Outage, Watch};
    use crate::clock::{Mono, Now};

    fn at(seconds: u64) -> Now {
        let mono = Duration::from_secs(seconds);
        Now { wall: crate::clock::shift(Timestamp::UNIX_EPOCH, mono), mono: Mono(mono) }
    }

    #[test]
    fn an_outage_begins_once_and_ends_once() {
        let mut watch = Watch::new(Some(Duration::from_secs(900)), None, None);
        assert!(!watch.look(at(5_000).mono, 9), "nothing has failed");
        watch.failed(at(100), "connection refused");
        watch.failed(at(700), "timed out");
        assert_eq!(watch.due(), Some(at(1_000).mono));
        assert!(!watch.look(at(999).mono, 3));
        assert!(!watch.look(at(1_000).mono, 0), "nothing waits");
        assert!(watch.look(at(1_000).mono, 3));
        let told = Outage { since: at(100).wall, waiting: 3, why: "timed out".into(), refused: false };
        assert_eq!((watch.current(), watch.due()), (Some(&told), None));
        watch.failed(at(2_000), "timed out");
        assert!(!watch.look(at(9_000).mono, 50), "once per outage");
        assert!(watch.delivered(true), "the end");
        assert!(!watch.delivered(true));
        assert!(!watch.look(at(99_000).mono, 50));
    }

    #[test]
    fn what_is_taken_nowhere_begins_an_outage_at_once_and_another_channel_does_not_end_it() {
        let mut watch = Watch::new(Some(Duration::from_secs(900)), None, None);
        watch.nowhere(at(5), 1, "is_archived");
        assert_eq!(watch.current().map(|outage| (outage.waiting, outage.refused)), Some((1, true)));
        assert!(!watch.delivered(false));
        assert!(watch.delivered(true));
        // It was tried several times.
        watch.failed(at(7), "is_archived");
        watch.failed(at(37), "is_archived");
        watch.nowhere(at(37), 1, "is_archived");
        assert_eq!(watch.current().map(|outage| outage.since), Some(at(7).wall), "nothing was taken since then");
        let mut without = Watch::new(None, None, None);
        without.nowhere(at(5), 1, "is_archived");
        assert_eq!(without.current(), None, "there is no fallback to run");
    }

    #[test]
    fn a_restart_does_not_begin_the_count_of_an_outage_anew() {
        let new = |earlier| Watch::new(Some(Duration::from_secs(900)), None, earlier);
        let mut watch = new(None);
        watch.failed(at(100), "connection refused");
        assert_eq!(watch.failing_since(at(101).mono), None, "one failure is no news");
        let earlier = watch.failing_since(at(110).mono);
        assert_eq!(earlier, Some(at(100).wall));
        // Killed and started again.
        let mut watch = new(earlier);
        assert_eq!(watch.failing_since(at(700).mono), earlier, "killed again before the first try, it is known still");
        assert!(!watch.look(at(1_200).mono, 3), "Slack may be back: the first try tells");
        watch.failed(at(700), "connection refused");
        assert_eq!((watch.failing_since(at(700).mono), watch.due()), (earlier, Some(at(1_000).mono)));
        assert!(!watch.look(at(999).mono, 3));
        assert!(watch.look(at(1_000).mono, 3));
        assert_eq!(watch.current().map(|outage| outage.since), Some(at(100).wall));
        // Started late: the first failure shows that it goes on.
        let mut watch = new(earlier);
        watch.failed(at(5_000), "connection refused");
        assert!(watch.look(at(5_000).mono, 3));
        // Slack took something, or nothing waits any more: the next failure is the first.
        for forget in [|watch: &mut Watch| _ = watch.delivered(true), Watch::forget_earlier] {
            let mut watch = new(earlier);
            forget(&mut watch);
            watch.failed(at(5_000), "connection refused");
            assert_eq!((watch.look(at(5_000).mono, 3), watch.due()), (false, Some(at(5_900).mono)));
        }
    }

    #[test]
    fn a_delivery_now_and_then_is_no_outage() {
        let mut watch = Watch::new(Some(Duration::from_secs(900)), None, None);
        for second in (0..10_000).step_by(600) {
            watch.failed(at(second), "503");
            assert!(!watch.look(at(second + 599).mono, 3));
            assert!(!watch.delivered(true));
        }
    }

    #[test]
    fn a_restart_in_an_outage_neither_tells_it_again_nor_forgets_its_end() {
        let outage = Outage { since: at(100).wall, waiting: 3, why: "timed out".into(), refused: false };
        let note = serde_json::to_string(&outage).expect("plain data");
        let mut watch = Watch::new(Some(Duration::from_secs(1)), Outage::from_note(Some(&note)), None);
        watch.failed(at(1), "timed out");
        assert!(!watch.look(at(5_000).mono, 3));
        assert!(watch.delivered(true));
        assert_eq!(Outage::from_note(Some(&"{}".to_owned())), None);
    }
}
