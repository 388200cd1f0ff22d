//! What holds of the policy whatever a job does: properties over made-up lives of made-up jobs.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::stories::{Life, at, hang, run_as};
use super::{Event, Health, Notification, Suppressed, Threading, Verdict, due, judge, open, retract, skipped, wake};
use crate::clock::{between, shift};
use crate::exec::Status;

/// What can happen to a job.
#[derive(Clone, Debug)]
enum Happens {
    /// A run ends, so many seconds after what came before.
    Run(&'static str, u64),
    /// The same, and what it said could not be.
    NotReported(&'static str, u64),
    /// A due time passes, since a run is still going.
    Skip(u64),
    /// Somebody wants silence.
    Silence(u64),
    /// The clock is set back.
    Back(u64),
}

/// What came of it.
struct Step {
    at: Timestamp,
    verdict: Option<Verdict>,
    words: Vec<Notification>,
    /// The words were taken back.
    retracted: bool,
    run: Option<&'static str>,
    health: Health,
}

const RUNS: [&str; 14] = [
    "ok",
    "ok@net",
    "ok@disk: fine",
    "ok: fine",
    "ok: other words",
    "warning: 81%",
    "critical: disk full",
    "critical: no route",
    "critical@net: no route",
    "warning@disk: 81%",
    "critical@db",
    "unknown",
    "timeout",
    "not run",
];

fn happens() -> impl Strategy<Value = Happens> {
    let run = || (prop::sample::select(&RUNS[..]), prop_oneof![1u64..90, 60u64..3_600, 3_600u64..40_000]);
    prop_oneof![
        20 => run().prop_map(|(what, after)| Happens::Run(what, after)),
        2 => run().prop_map(|(what, after)| Happens::NotReported(what, after)),
        4 => (1u64..600).prop_map(Happens::Skip),
        1 => (1u64..20_000).prop_map(Happens::Silence),
        1 => (1u64..100_000).prop_map(Happens::Back),
    ]
}

fn notify() -> impl Strategy<Value = String> {
    let on = prop_oneof![
        5 => Just("on = [\"output\", \"failure\", \"recovery\"]\n"),
        1 => Just("on = [\"always\"]\n"),
        1 => Just("on = [\"failure\"]\n"),
        1 => Just("on = [\"change\", \"recovery\", \"failure\"]\n"),
        1 => Just("on = [\"recovery\"]\n"),
        1 => Just("on = []\n"),
    ];
    let repeat =
        prop_oneof![Just(""), Just("repeat = \"never\"\n"), Just("repeat = \"always\"\n"), Just("repeat = \"5m\"\n")];
    let quiet = prop_oneof![
        2 => Just(""),
        1 => Just("quiet_hours = \"22:00-07:00\"\n"),
        1 => Just("quiet_hours = \"22:00-07:00\"\nquiet_except = [\"critical\"]\n"),
        1 => Just("quiet_hours = \"00:00-24:00\"\n"),
    ];
    let flap =
        prop_oneof![Just(""), Just("flap = { changes = 0 }\n"), Just("flap = { changes = 2, within = \"10m\" }\n")];
    (on, 1u32..4, repeat, 1u32..30, quiet, flap).prop_map(|(on, after, repeat, rate, quiet, flap)| {
        format!("{on}after = {after}\n{repeat}rate_limit = \"{rate}/h\"\n{quiet}{flap}")
    })
}

/// Lives through it, with the clock asked whenever it is due.
fn live(notify: &str, life: &[Happens]) -> (Life, Vec<Step>) {
    let mut job = Life::new(notify);
    let mut told = Vec::new();
    let mut now = at("08:00");
    for happens in life {
        let after = match happens {
            Happens::Run(_, after) | Happens::NotReported(_, after) | Happens::Skip(after) => {
                Duration::from_secs(*after)
            }
            Happens::Silence(_) | Happens::Back(_) => Duration::ZERO,
        };
        let next = shift(now, after);
        let mut looks = 0;
        while let Some(at) = due(&job.settings, &job.health).filter(|at| *at <= next) {
            looks += 1;
            assert!(looks < 100, "the clock is due for ever");
            let at = at.max(now);
            let words = wake(&job.settings, &mut job.health, None, &job.zone, at);
            told.push(Step { at, verdict: None, words, retracted: false, run: None, health: job.health.clone() });
        }
        now = next;
        let (mut verdict, mut words, mut run, mut taken) = (None, Vec::new(), None, false);
        match happens {
            Happens::Run(what, _) | Happens::NotReported(what, _) => {
                let judged = job.run(what, now);
                taken = matches!(happens, Happens::NotReported(..));
                if let Verdict::Notify(word) | Verdict::NotRun(Some(word)) = &judged {
                    words.push(Notification::clone(word));
                    if taken {
                        retract(&mut job.health, word);
                    }
                }
                (verdict, run) = (Some(judged), Some(*what));
            }
            Happens::Skip(_) => {
                let hang = hang(job.next_run());
                words.extend(skipped(&job.settings, &mut job.health, hang, &job.zone, now));
            }
            Happens::Silence(length) => job.health.silence(Some(shift(now, Duration::from_secs(*length))), now),
            Happens::Back(seconds) => {
                let back = i64::try_from(*seconds).expect("it is small");
                now = now.saturating_sub(jiff::SignedDuration::from_secs(back)).expect("it is in range");
            }
        }
        told.push(Step { at: now, verdict, words, retracted: taken, run, health: job.health.clone() });
    }
    (job, told)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn no_recovery_without_a_failure_that_was_told(notify in notify(), life in prop::collection::vec(happens(), 1..80)) {
        let mut reported = false;
        let (job, told) = live(&notify, &life);
        for told in told {
            for word in told.words.iter().filter(|_| !told.retracted) {
                if word.event == Event::Recovery {
                    prop_assert!(reported || !word.digest.is_empty(), "{word:?}");
                }
                // What a closed incident had told is told no more, unless one of another key is open; what flaps was told.
                reported = match word.event {
                    Event::Failure | Event::Missing | Event::Repeat | Event::Flapping | Event::Stuck => true,
                    Event::Recovery => {
                        open(&job.settings, &told.health, &job.zone, told.at).iter().any(|open| open.is_reported)
                    }
                    _ => reported,
                };
            }
        }
    }

    #[test]
    fn every_thread_is_opened_once_and_used_while_it_is_open(
        notify in notify(), life in prop::collection::vec(happens(), 1..80),
    ) {
        let mut open = std::collections::BTreeSet::new();
        for told in live(&notify, &life).1 {
            for word in told.words.iter().filter(|_| !told.retracted) {
                let id = word.incident.map(|incident| incident.id);
                match word.thread {
                    Threading::None => {}
                    Threading::Open => {
                        prop_assert!(open.insert(id.expect("a thread is an incident's")));
                    }
                    Threading::Reply | Threading::Broadcast => prop_assert!(id.is_some_and(|id| open.contains(&id))),
                    Threading::Close | Threading::CloseInThread | Threading::CloseByEdit => {
                        let ended: Vec<u64> = id.into_iter().chain(word.also.iter().map(|also| also.incident.id)).collect();
                        prop_assert!(ended.iter().all(|id| open.contains(id)), "{ended:?} {open:?}");
                        ended.iter().for_each(|id| _ = open.remove(id));
                    }
                }
            }
        }
    }

    #[test]
    fn the_first_failure_of_an_incident_is_told_unless_somebody_wanted_it_otherwise(
        rate in 1u32..4, life in prop::collection::vec(happens(), 1..80),
    ) {
        let notify = format!("rate_limit = \"{rate}/h\"\nflap = {{ changes = 0 }}");
        // What is well under one key says nothing of what fails under another.
        let counts = |happens: &Happens| matches!(happens, Happens::Run(what, _) if !what.starts_with("ok@"));
        let life = life.into_iter().filter(counts).collect::<Vec<_>>();
        let mut status = Status::Ok;
        for told in live(&notify, &life).1 {
            let Some(run) = told.run.filter(|run| *run != "not run") else { continue };
            let now = if run.starts_with("ok") { Status::Ok } else { Status::Critical };
            let events = told.words.iter().map(|word| word.event).collect::<Vec<_>>();
            match (status, now) {
                (Status::Ok, Status::Critical) => prop_assert_eq!(events, [Event::Failure]),
                (Status::Critical, Status::Ok) => prop_assert_eq!(events, [Event::Recovery]),
                _ => {}
            }
            status = now;
        }
    }

    #[test]
    fn no_more_is_said_than_the_rate_limit_and_what_is_exempt(
        notify in notify(), life in prop::collection::vec(happens(), 1..120), window in 60u64..20_000,
    ) {
        let life = life.into_iter().filter(|happens| !matches!(happens, Happens::Back(_))).collect::<Vec<_>>();
        let (job, told) = live(&notify, &life);
        let limit = u64::from(job.settings.rate_limit.count.get());
        let exempt = |word: &Notification| {
            let first = word.event == Event::Stuck && word.thread == Threading::Open;
            first || matches!(word.event, Event::Failure | Event::Recovery | Event::Flapping) || !word.digest.is_empty()
        };
        let said = told.iter().filter(|told| !told.retracted);
        let said = said.filter(|told| told.words.iter().any(|word| !exempt(word))).map(|told| told.at);
        let said = said.collect::<Vec<_>>();
        for from in &said {
            let within = said.iter().filter(|at| *at >= from && between(*from, **at).as_secs() < window).count() as u64;
            prop_assert!(within <= limit + window * limit / 3_600 + 1, "{within} within {window} s");
        }
    }

    #[test]
    fn every_silence_has_a_reason_that_fits(notify in notify(), life in prop::collection::vec(happens(), 1..80)) {
        let (job, told) = live(&notify, &life);
        for told in told {
            let (Some(run), Some(verdict)) = (told.run, &told.verdict) else { continue };
            match verdict {
                Verdict::NotRun(_) => prop_assert_eq!(run, "not run"),
                Verdict::Notify(_) => prop_assert!(told.retracted || told.health.silenced().is_none()),
                Verdict::Suppress(why, next) => {
                    let ok = run.starts_with("ok");
                    match why {
                        Suppressed::Blank => prop_assert!(ok && !run.contains(':')),
                        Suppressed::Unchanged | Suppressed::NeverReported => prop_assert!(ok),
                        Suppressed::BelowAfter | Suppressed::RepeatNotDue => prop_assert!(!ok),
                        // Where the hours are quiet for ever, nothing comes when the silence ends either.
                        Suppressed::Silenced => {
                            let ends = next.is_some() || job.settings.quiet_hours.is_some();
                            prop_assert!(told.health.silenced().is_some() && ends);
                        }
                        Suppressed::QuietHours => prop_assert!(job.settings.quiet_hours.is_some()),
                        Suppressed::Flapping => prop_assert!(job.settings.flap.is_some() && told.health.is_flapping()),
                        Suppressed::RateLimited => prop_assert!(told.health.suppressed() > 0),
                        Suppressed::NotAsked => {}
                        Suppressed::Acknowledged => prop_assert!(false, "nobody acknowledges here"),
                    }
                    prop_assert!(next.is_none_or(|next| next > told.at), "{why} until {next:?} at {}", told.at);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn what_is_remembered_stays_small(
        notify in notify(), life in prop::collection::vec(happens(), 1..60),
        text in prop_oneof![Just("\u{1}".repeat(60_000)), Just("\"\\é\n".repeat(20_000)), any::<String>()],
    ) {
        let (mut job, _) = live(&notify, &life);
        let mut now = at("30 00:00");
        for what in ["ok: ", "critical: ", "ok: ", "warning: ", "ok: ", "timeout: "].repeat(2) {
            now = shift(now, Duration::from_secs(301));
            let what = format!("{what}{}{text}", now.as_second());
            run_as(&what, 1, now, |facts| judge(&job.settings, &mut job.health, facts, &job.zone, now));
        }
        let size = serde_json::to_string(&job.health).expect("it can be written").len();
        prop_assert!(size < 40 << 10, "{size} bytes");
    }
}
