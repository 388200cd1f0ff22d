//! The verdict on a run: whether it is worth a word. Pure.
//!
//! Before it: [`Health::record`], which takes the run in. After it: `speak`, which asks what stands against saying it.
//!
//! Of an ok run the first that is asked for and true is worth a word: recovery, change, output, success. Of any other,
//! the first word of an incident, or a repeat. Flapping comes before both: it replaces the word that begins it, then
//! hides all others until it ends.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::flap::{self, Step};
use super::health::{Health, LONGEST_GOOD, MOST_KINDS, Seen, Told, Trouble, kept};
use super::settings::On;
use super::speak::{Say, Scene};
use super::words::{clock, count, ordinal};
use super::{Event, Facts, Hold, Repeat, Settings, Verdict, Word, diff, quiet};
use crate::clock::{between, shift};
use crate::document::format_duration;
use crate::exec::Status;

/// Whether something is worth a word, and the remark that goes with it.
enum Wish {
    Say(Event, String),
    Flap { begins: bool, remark: String },
    Hold(Hold, Option<Timestamp>),
}

/// Decides about a run that ended, and remembers what later decisions need.
pub fn judge(settings: &Settings, health: &mut Health, facts: &Facts<'_>, zone: &TimeZone, now: Timestamp) -> Verdict {
    let scene = Scene { settings, zone, now, slot: facts.scheduled };
    health.heed(now);
    health.loosen(settings);
    if facts.skipped {
        return Verdict::NotRun;
    }
    health.lull(&scene, facts.status);
    let seen = health.record(settings, facts, now);
    let ok = facts.status == Status::Ok;
    if ok {
        health.owe(settings, now);
    }
    let wish = match flap::step(settings, health, seen.turned, now) {
        Step::Begins => Wish::Flap { begins: true, remark: flapping(settings, health) },
        Step::Ends => Wish::Flap { begins: false, remark: steady(health, facts.status, now) },
        Step::Goes(until) => hushed(wish(&scene, health, facts, &seen), until),
        Step::Calm => wish(&scene, health, facts, &seen),
    };
    let (event, flap, remark) = match wish {
        Wish::Say(event, remark) => (event, None, remark),
        Wish::Flap { begins, remark } => (Event::Flapping, Some(begins), remark),
        Wish::Hold(why, next) => {
            health.close_unowed(facts.status, now);
            return Verdict::Hold(why, next);
        }
    };
    let line = quiet::telling_line(if ok { facts.stdout } else { facts.output }, facts.status);
    let must = matches!(event, Event::Failure | Event::Recovery | Event::Flapping);
    let say = Say { event, flap, status: facts.status, run: Some(facts.run), remark, line, must };
    let spoken = health.speak(&scene, say);
    health.close_unowed(facts.status, now);
    match spoken {
        Ok(word) => {
            let good = seen.good.as_deref();
            let new = kept(facts.stdout, LONGEST_GOOD);
            let diff = good.map_or_else(String::new, |old| diff::unified(old, new, settings.normalize));
            Verdict::Notify(Box::new(Word { previous: seen.before, diff, ..word }))
        }
        Err((why, next)) => Verdict::Hold(why, next),
    }
}

/// What a run is worth, flapping aside.
fn wish(scene: &Scene<'_>, health: &Health, facts: &Facts<'_>, seen: &Seen) -> Wish {
    match &health.trouble {
        Some(trouble) if facts.status != Status::Ok => failing(scene, health, trouble),
        _ => well(scene, health, facts, seen),
    }
}

fn failing(scene: &Scene<'_>, health: &Health, trouble: &Trouble) -> Wish {
    if !scene.settings.on.asks(On::Failure) {
        return Wish::Hold(Hold::NotAsked, None);
    }
    if let Some(told) = &trouble.told {
        return repeat(scene, trouble, told);
    }
    if health.streak < scene.settings.after {
        return Wish::Hold(Hold::BelowAfter, None);
    }
    let remark = match trouble.failures {
        1 => String::new(),
        failures => {
            let since = clock(trouble.since, scene.zone, scene.now);
            format!("failing since {since}, {}", count(failures, "failure"))
        }
    };
    Wish::Say(Event::Failure, remark)
}

/// A failure that was told goes on.
fn repeat(scene: &Scene<'_>, trouble: &Trouble, told: &Told) -> Wish {
    let known = told.kinds.contains(&trouble.kind);
    // After so many kinds a new one is no news any more.
    let endless = told.kinds.len() >= MOST_KINDS;
    let worse = trouble.status.badness() > told.status.badness();
    let remark = if trouble.status != told.status {
        format!("{}: was {}", if worse { "worse" } else { "better" }, told.status.as_str())
    } else if known && trouble.same > 1 {
        format!("same failure, {} time", ordinal(trouble.same))
    } else if known {
        "failing as before".to_owned()
    } else if endless {
        "failing differently each time".to_owned()
    } else {
        format!("failing differently since {}", clock(trouble.same_since, scene.zone, scene.now))
    };
    if worse || !(known || endless) {
        return Wish::Say(Event::Repeat, remark);
    }
    match scene.settings.repeat {
        Repeat::Always => Wish::Say(Event::Repeat, remark),
        Repeat::Never => Wish::Hold(Hold::RepeatNotDue, None),
        Repeat::Every(length) => {
            let (slot, clock) = (shift(told.slot, length), shift(told.at, length));
            match scene.slot >= slot || scene.now >= clock {
                true => Wish::Say(Event::Repeat, remark),
                false => Wish::Hold(Hold::RepeatNotDue, Some(if slot > scene.now { slot } else { clock })),
            }
        }
    }
}

fn well(scene: &Scene<'_>, health: &Health, facts: &Facts<'_>, seen: &Seen) -> Wish {
    let asks = |on| scene.settings.on.asks(on);
    let blank = facts.stdout.trim().is_empty();
    let trouble = health.trouble.as_deref();
    let reported = trouble.filter(|trouble| trouble.told.is_some() || health.waiting.has(trouble.id));
    match reported {
        Some(trouble) if asks(On::Recovery) => return Wish::Say(Event::Recovery, mended(trouble, scene)),
        _ if asks(On::Change) && seen.changed => return Wish::Say(Event::Change, String::new()),
        _ if asks(On::Output) && !blank => return Wish::Say(Event::Output, String::new()),
        _ if asks(On::Success) => return Wish::Say(Event::Success, String::new()),
        _ => {}
    }
    let why = match trouble {
        Some(_) if asks(On::Recovery) && asks(On::Failure) => Hold::NeverReported,
        _ if asks(On::Change) => Hold::Unchanged,
        _ if asks(On::Output) => Hold::Blank,
        _ => Hold::NotAsked,
    };
    Wish::Hold(why, None)
}

/// While it flaps, what would be said of the status is held for that reason.
fn hushed(wish: Wish, until: Timestamp) -> Wish {
    match wish {
        Wish::Say(..) | Wish::Hold(Hold::NeverReported | Hold::RepeatNotDue, _) => {
            Wish::Hold(Hold::Flapping, Some(until))
        }
        hold => hold,
    }
}

/// "12 failures in 2h 3m".
pub(super) fn mended(trouble: &Trouble, scene: &Scene<'_>) -> String {
    let end = trouble.mended.unwrap_or(scene.now);
    let length = format_duration(between(trouble.since, end));
    let failures = format!("{} in {length}", count(trouble.failures, "failure"));
    if end == scene.now { failures } else { format!("ok since {}, {failures}", clock(end, scene.zone, scene.now)) }
}

/// "6 changes of status in 25m, silent until it is steady for 30m".
fn flapping(settings: &Settings, health: &Health) -> String {
    let Some(flap) = flap::setting(settings) else { return String::new() };
    let mut changes = health.changes.iter().rev().take(flap.changes as usize);
    let (last, first) = (changes.next(), changes.next_back());
    let length = last.zip(first).map_or(flap.within, |(last, first)| between(*first, *last));
    let (length, within) = (format_duration(length), format_duration(flap.within));
    format!("{} changes of status in {length}, silent until it is steady for {within}", flap.changes)
}

/// "steady again: ok for 30m".
pub(super) fn steady(health: &Health, status: Status, now: Timestamp) -> String {
    let length = health.changes.back().map_or_else(Default::default, |last| between(*last, now));
    format!("steady again: {} for {}", status.as_str(), format_duration(length))
}

impl Health {
    /// A run ended, so it no longer hangs. That one hung for long enough to be told of is remembered until one does not:
    /// a job that is always too slow is not told anew each time.
    fn loosen(&mut self, settings: &Settings) {
        if self.skips < settings.stuck_after.max(1) {
            self.stuck.at = None;
        }
        (self.skips, self.stuck.told) = (0, false);
    }

    /// Flapping was over before this run changed the status again, and nobody asked in between: what people know is what
    /// they would have been told then.
    fn lull(&mut self, scene: &Scene<'_>, next: Status) {
        let over = flap::steady_at(scene.settings, self).is_none_or(|at| at <= scene.now);
        let Some(last) = self.status().filter(|last| self.flapping && over && *last != next) else { return };
        self.flapping = false;
        match &mut self.trouble {
            Some(trouble) if last != Status::Ok => _ = trouble.tell(scene.now, scene.now),
            trouble => {
                *trouble = None;
                self.parked.clear();
            }
        }
    }

    /// It is ok: who was told that it is not is owed a recovery, if such are asked for.
    fn owe(&mut self, settings: &Settings, now: Timestamp) {
        if let Some(trouble) = &mut self.trouble
            && trouble.told.is_some()
            && settings.on.asks(On::Recovery)
        {
            trouble.mended.get_or_insert(now);
        }
    }

    /// It is ok, and nothing is owed: the incident is closed.
    fn close_unowed(&mut self, status: Status, now: Timestamp) {
        let over = |trouble: &mut Box<Trouble>| status == Status::Ok && trouble.mended.is_none();
        let Some(trouble) = self.trouble.take_if(over) else { return };
        for parked in std::mem::take(&mut self.parked) {
            self.waiting.mend(parked.id, parked.failures, now);
        }
        self.waiting.mend(trouble.id, trouble.failures, now);
    }
}
