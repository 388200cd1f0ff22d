//! Pings of jobs: what watchers elsewhere are told of runs. The queue is pure, and the loop sends what it says.
//!
//! Before it: runs that begin and end. After it: `notify`, which sends. Invariants: nothing waits for a watcher; of each job at
//! most one beginning and one end wait, the newest of each; each is tried [`TRIES`] times within [`WITHIN`].

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::clock::Mono;
use crate::exec::{Ending, Outcome, Reason, Status};
use crate::id::{JobName, RunId};
use crate::notify::{End, Signal, SignalError};

/// A watcher that does not answer is asked this often.
const TRIES: u32 = 5;

/// And no later than this after the first time.
const WITHIN: Duration = Duration::from_secs(600);

/// From the first try to the second; each wait is three times the one before.
const FIRST_WAIT: Duration = Duration::from_secs(10);

/// Requests at one time, over all jobs.
const AT_ONCE: usize = 16;

/// What came of pings, counted since the daemon started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PingCounts {
    /// The watcher was told.
    pub ok: u64,
    /// A try failed, and is made again.
    pub failed: u64,
    /// No try reached it, and no more are made.
    pub gave_up: u64,
    /// The watcher does not know the URL.
    pub gone: u64,
    /// A newer one took its place.
    pub replaced: u64,
}

impl PingCounts {
    /// Each with its word.
    pub fn words(&self) -> [(&'static str, u64); 5] {
        [
            ("ok", self.ok),
            ("failed", self.failed),
            ("gave-up", self.gave_up),
            ("gone", self.gone),
            ("replaced", self.replaced),
        ]
    }
}

/// Which of a job's two a ping is: the beginning comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Part {
    Begins,
    Ends,
}

/// A ping that waits.
#[derive(Debug)]
struct Waiting {
    signal: Signal,
    /// How often it was tried.
    tries: u32,
    /// When it is tried next.
    at: Mono,
    /// When no more tries are made.
    until: Mono,
    /// It is told from the one that takes its place while it is sent.
    number: u64,
}

/// What watchers are still to be told.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<(JobName, Part), Waiting>,
    /// The jobs of which a ping is being sent.
    sending: HashMap<JobName, u64>,
    number: u64,
    pub(super) counts: PingCounts,
}

/// A ping that is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sending {
    pub(super) job: JobName,
    pub(super) part: Part,
    pub(super) number: u64,
    pub(super) signal: Signal,
}

/// What is worth a word.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The watcher does not know the URL.
    Gone(String),
    /// No more tries are made.
    GaveUp(String),
}

impl Queue {
    /// A watcher is to be told. What waits of the same part is old news.
    pub(super) fn put(&mut self, job: JobName, part: Part, signal: Signal, now: Mono) {
        self.number += 1;
        let waiting = Waiting { signal, tries: 0, at: now, until: now + WITHIN, number: self.number };
        if self.waiting.insert((job, part), waiting).is_some() {
            self.counts.replaced += 1;
        }
    }

    /// What is to be sent now: one of a job at a time, its beginning first.
    pub(super) fn due(&mut self, now: Mono) -> Vec<Sending> {
        let mut due = Vec::new();
        for ((job, part), waiting) in &self.waiting {
            if self.sending.len() >= AT_ONCE {
                break;
            }
            if waiting.at <= now && !self.sending.contains_key(job) {
                self.sending.insert(job.clone(), waiting.number);
                due.push(Sending {
                    job: job.clone(),
                    part: *part,
                    number: waiting.number,
                    signal: waiting.signal.clone(),
                });
            }
        }
        due
    }

    /// When something is to be sent; none while all that waits is being sent.
    pub(super) fn next(&self) -> Option<Mono> {
        if self.sending.len() >= AT_ONCE {
            return None;
        }
        let free = self.waiting.iter().filter(|((job, _), _)| !self.sending.contains_key(job));
        free.map(|(_, waiting)| waiting.at).min()
    }

    /// A try has ended.
    pub(super) fn sent(
        &mut self,
        job: &JobName,
        part: Part,
        number: u64,
        result: Result<(), SignalError>,
        now: Mono,
    ) -> Option<News> {
        self.sending.remove(job);
        let key = (job.clone(), part);
        let is_same = self.waiting.get(&key).is_some_and(|waiting| waiting.number == number);
        match result {
            Ok(()) => {
                self.counts.ok += 1;
                if is_same {
                    self.waiting.remove(&key);
                }
                None
            }
            Err(SignalError { why, gone: true }) => {
                self.counts.gone += 1;
                if is_same {
                    self.waiting.remove(&key);
                }
                Some(News::Gone(why))
            }
            Err(SignalError { why, .. }) => {
                self.counts.failed += 1;
                let waiting = self.waiting.get_mut(&key).filter(|_| is_same)?;
                waiting.tries += 1;
                waiting.at = now + FIRST_WAIT * 3_u32.pow(waiting.tries - 1);
                if waiting.tries < TRIES && waiting.at <= waiting.until {
                    return None;
                }
                self.waiting.remove(&key);
                self.counts.gave_up += 1;
                Some(News::GaveUp(why))
            }
        }
    }

    /// The job is gone, or pings nobody any more.
    pub(super) fn retain(&mut self, keep: impl Fn(&JobName) -> bool) {
        self.waiting.retain(|(job, _), _| keep(job));
    }
}

/// What a watcher is told of a run that ended; nothing of one that did not come.
pub(super) fn end(outcome: &Outcome) -> Option<End> {
    if outcome.reason == Reason::Missing {
        return None;
    }
    if outcome.skipped {
        return Some(End::NotRun);
    }
    let code = match outcome.ending {
        Ending::Exited { code } => u8::try_from(code).ok(),
        Ending::Signaled { signal } => u8::try_from(128 + signal).ok(),
        _ => None,
    };
    let ok = outcome.status == Status::Ok;
    // What the code says and what the run came to may differ: then the status counts.
    Some(match code.filter(|code| (*code == 0) == ok) {
        Some(code) => End::Code(code),
        None if ok => End::Ok,
        None => End::Failed,
    })
}

/// A run's ID for watchers: a UUID of version 8, made of the state's own number and the run's.
pub(super) fn run_id(state: u64, run: RunId) -> String {
    let (high, low) = (state >> 16, state & 0xffff);
    let custom = run.0 & 0x3fff_ffff_ffff_ffff;
    format!(
        "{:08x}-{:04x}-8{:03x}-{:04x}-{:012x}",
        high >> 16,
        high & 0xffff,
        low >> 4 & 0xfff,
        0x8000 | custom >> 48,
        custom & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::Secret;
    use crate::notify::secret::Source;

    fn signal(path: &str) -> Signal {
        let url = Source::Literal(Secret::new("https://hc.example.com/1"));
        Signal { url, path: path.to_owned(), run: None, body: None, timeout: Duration::from_secs(10) }
    }

    fn at(second: u64) -> Mono {
        Mono(Duration::from_secs(second))
    }

    fn failed() -> Result<(), SignalError> {
        Err(SignalError { why: "no answer".to_owned(), gone: false })
    }

    #[test]
    fn the_beginning_comes_before_the_end_and_the_newest_of_each_wins() {
        let (mut queue, job) = (Queue::default(), JobName::new("a"));
        queue.put(job.clone(), Part::Begins, signal("/start"), at(0));
        queue.put(job.clone(), Part::Ends, signal("/1"), at(1));
        queue.put(job.clone(), Part::Ends, signal("/0"), at(2));
        let first = queue.due(at(2));
        assert_eq!(first.iter().map(|sending| sending.signal.path.as_str()).collect::<Vec<_>>(), ["/start"]);
        assert_eq!((queue.due(at(2)).len(), queue.next()), (0, None), "one of a job at a time");
        assert_eq!(queue.sent(&job, Part::Begins, first[0].number, Ok(()), at(3)), None);
        let second = queue.due(at(3));
        assert_eq!(second[0].signal.path, "/0");
        // A newer end comes while this one is sent: it is sent after it.
        queue.put(job.clone(), Part::Ends, signal("/2"), at(4));
        queue.sent(&job, Part::Ends, second[0].number, Ok(()), at(5));
        assert_eq!(queue.due(at(5))[0].signal.path, "/2");
        assert_eq!((queue.counts.ok, queue.counts.replaced), (2, 2));
    }

    #[test]
    fn a_watcher_that_does_not_answer_is_asked_five_times_within_ten_minutes() {
        let (mut queue, job) = (Queue::default(), JobName::new("a"));
        queue.put(job.clone(), Part::Ends, signal("/0"), at(0));
        let (mut now, mut tries) = (at(0), Vec::new());
        let news = loop {
            let sending = queue.due(now).pop().expect("it is due");
            tries.push(now.0.as_secs());
            if let Some(news) = queue.sent(&job, Part::Ends, sending.number, failed(), now) {
                break news;
            }
            now = queue.next().expect("it is tried again");
        };
        assert_eq!(tries, [0, 10, 40, 130, 400]);
        assert_eq!(news, News::GaveUp("no answer".to_owned()));
        assert_eq!((queue.next(), queue.counts.gave_up), (None, 1));
    }

    #[test]
    fn a_url_that_the_watcher_does_not_know_is_not_asked_again() {
        let (mut queue, job) = (Queue::default(), JobName::new("a"));
        queue.put(job.clone(), Part::Ends, signal("/0"), at(0));
        let number = queue.due(at(0))[0].number;
        let gone = Err(SignalError { why: "404".to_owned(), gone: true });
        assert_eq!(queue.sent(&job, Part::Ends, number, gone, at(1)), Some(News::Gone("404".to_owned())));
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn what_is_told_of_an_end() {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let exited = |code, status| Outcome { ending: Ending::Exited { code }, ..Outcome::status_only(status, now) };
        for (outcome, told) in [
            (exited(0, Status::Ok), Some(End::Code(0))),
            (exited(3, Status::Critical), Some(End::Code(3))),
            (exited(1, Status::Warning), Some(End::Code(1))),
            (exited(1, Status::Ok), Some(End::Ok)),
            (exited(0, Status::Critical), Some(End::Failed)),
            (Outcome { skipped: true, ..exited(75, Status::Ok) }, Some(End::NotRun)),
            (Outcome { ending: Ending::Signaled { signal: 9 }, ..exited(0, Status::Critical) }, Some(End::Code(137))),
            (Outcome::interrupted(now, now), Some(End::Failed)),
            (Outcome::missing(now, Duration::ZERO, None, now), None),
        ] {
            assert_eq!(end(&outcome), told, "{outcome:?}");
        }
    }

    #[test]
    fn a_run_has_an_id_of_its_own() {
        assert_eq!(run_id(0x0123_4567_89ab_cdef, RunId(812)), "01234567-89ab-8cde-8000-00000000032c");
        assert_ne!(run_id(1 << 20, RunId(1)), run_id(2 << 20, RunId(1)));
    }
}
