//! Whether a word may be said now, and what saying it changes. Pure.
//!
//! Before it: something worth a word, of a run (`judge`) or of the clock (`wake`). After it: a [`Word`], or what stands
//! against it: a silence, then quiet hours, then the rate limit, which is asked last since asking spends.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::health::{Health, Told, Trouble};
use super::quiet::{self, Alert};
use super::{Event, Hold, Incident, Settings, Statuses, Threading, Undo, Word};
use crate::exec::Status;
use crate::id::RunId;

/// The settings and the time of a decision.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) settings: &'a Settings,
    pub(super) zone: &'a TimeZone,
    pub(super) now: Timestamp,
    /// The slot of the schedule that the run filled; the present where there is no run.
    pub(super) slot: Timestamp,
}

/// Something worth a word.
#[derive(Debug)]
pub(super) struct Say {
    pub(super) event: Event,
    /// Whether flapping begins or ends with it; none where it does neither.
    pub(super) flap: Option<bool>,
    pub(super) status: Status,
    pub(super) run: Option<RunId>,
    pub(super) remark: String,
    /// A line of what was written, for the digest.
    pub(super) line: String,
    /// No rate limit holds it.
    pub(super) must: bool,
}

/// Takes a word back that could not be said: it rendered to blanks, or a pause of `burst` held it. Nothing was reported
/// and nothing spent. A recovery that was taken back is tried once more, after the next ok run.
pub fn unsaid(health: &mut Health, word: &Word) {
    let undo = word.undo.clone();
    let ok = health.status() == Some(Status::Ok);
    // Of an ok run only a recovery is owed, and that once.
    health.trouble = undo.trouble.filter(|trouble| !ok || (trouble.mended.is_some() && !trouble.unsaid));
    health.parked = if health.trouble.is_some() { undo.parked } else { Vec::new() };
    if let Some(trouble) = &mut health.trouble {
        trouble.unsaid = word.event == Event::Recovery;
    }
    health.spent = undo.spent;
    health.suppressed = undo.suppressed;
    health.stuck = undo.stuck;
    health.flapping &= word.event != Event::Flapping;
    // What waited goes along with the next word: with a time of its own it would come again at once.
    health.waiting = undo.waiting;
    health.waiting.until = None;
}

impl Health {
    /// Says it, or answers what stands against that, and when it will not any more.
    pub(super) fn speak(&mut self, scene: &Scene<'_>, say: Say) -> Result<Word, (Hold, Option<Timestamp>)> {
        let Scene { settings, zone, now, .. } = *scene;
        if let Some(until) = self.silenced {
            return Err((Hold::Silenced, Some(until)));
        }
        let quiet = quiet::is_quiet(settings, zone, now);
        if quiet && !self.is_excepted(settings, &say) {
            self.waiting.until = quiet::end(settings, zone, now);
            self.wait(say, now);
            return Err((Hold::QuietHours, self.waiting.until));
        }
        let undo = Undo {
            trouble: self.trouble.clone(),
            parked: self.parked.clone(),
            spent: self.spent,
            suppressed: self.suppressed,
            waiting: self.waiting.clone(),
            stuck: self.stuck,
        };
        if let Err(next) = self.spent.spend(settings.rate_limit, now)
            && !say.must
        {
            self.suppressed = self.suppressed.saturating_add(1);
            return Err((Hold::RateLimited, Some(next)));
        }
        Ok(self.tell(scene, say, undo, quiet))
    }

    fn told(&self) -> Option<&Told> {
        self.trouble.as_deref()?.told.as_ref()
    }

    /// Whether it speaks in quiet hours: its status is excepted, or it ends what was told as an exception. A recovery of
    /// what was not told waits with it.
    fn is_excepted(&self, settings: &Settings, say: &Say) -> bool {
        let excepted = settings.quiet_except.contains(say.status);
        match say.event {
            Event::Recovery => self.told().is_some_and(|told| told.aside || excepted),
            _ => excepted,
        }
    }

    /// It waits for the end of the quiet hours.
    fn wait(&mut self, say: Say, now: Timestamp) {
        let of_incident = matches!(say.event, Event::Failure | Event::Repeat | Event::Recovery);
        let trouble = self.trouble.as_deref().filter(|_| of_incident);
        let line = if matches!(say.event, Event::Flapping | Event::Stuck) { say.remark } else { say.line };
        self.flapping = say.flap.unwrap_or(self.flapping);
        self.waiting.put(Alert {
            at: now,
            event: say.event,
            status: say.status,
            incident: trouble.map(|trouble| trouble.id),
            times: trouble.map_or(1, |trouble| trouble.failures),
            ended: (say.event == Event::Recovery).then_some(now),
            line,
        });
    }

    /// Says it: people know from now on.
    fn tell(&mut self, scene: &Scene<'_>, say: Say, undo: Undo, quiet: bool) -> Word {
        let Scene { settings, now, .. } = *scene;
        let before = self.told().cloned();
        let of_incident = matches!(say.event, Event::Failure | Event::Repeat | Event::Recovery | Event::Flapping);
        let incident = self.trouble.as_deref().filter(|_| of_incident).map(Trouble::incident);
        let failing = say.status != Status::Ok && incident.is_some();
        let ends = say.event == Event::Recovery || (say.flap == Some(false) && !failing);
        if let Some(incident) = incident.filter(|_| ends) {
            self.waiting.mend(incident.id, incident.failures, now);
        }
        let (also, mut statuses) = if ends { self.end_parked(now) } else { Default::default() };
        before.iter().flat_map(|told| told.statuses.iter()).for_each(|status| statuses.insert(status));
        let digest = self.digest(scene, quiet);
        let opened = before.as_ref().is_some_and(|told| told.opened);
        let thread = match incident {
            None => Threading::None,
            Some(_) if !opened => {
                if failing {
                    Threading::Open
                } else {
                    Threading::None
                }
            }
            Some(_) if ends => Threading::Close,
            // What is not only about this incident is not hidden in its thread.
            Some(_) if say.event == Event::Flapping || !digest.is_empty() => Threading::Broadcast,
            Some(_) => Threading::Reply,
        };
        self.flapping = say.flap.unwrap_or(self.flapping);
        match &mut self.trouble {
            Some(trouble) if failing => {
                let told = trouble.tell(scene.slot, now);
                (told.opened, told.aside) = (true, told.aside || quiet);
            }
            trouble if ends => *trouble = None,
            _ => {}
        }
        let worse = before.as_ref().is_none_or(|told| say.status.badness() > told.status.badness());
        Word {
            event: say.event,
            status: say.status,
            run: say.run,
            incident,
            thread: if settings.thread { thread } else { Threading::None },
            also: if settings.thread { also } else { Vec::new() },
            told: statuses,
            pings: failing && say.status == Status::Critical && worse,
            suppressed: std::mem::take(&mut self.suppressed),
            remark: say.remark,
            diff: String::new(),
            previous: None,
            digest,
            undo,
        }
    }

    /// All is well: the incidents of other keys end with the present one. Those that have threads, and all under which
    /// statuses they were told.
    fn end_parked(&mut self, now: Timestamp) -> (Vec<Incident>, Statuses) {
        let (mut threads, mut statuses) = (Vec::new(), Statuses::default());
        for parked in std::mem::take(&mut self.parked) {
            self.waiting.mend(parked.id, parked.failures, now);
            if let Some(told) = &parked.told {
                told.statuses.iter().for_each(|status| statuses.insert(status));
                threads.extend(told.opened.then(|| parked.incident()));
            }
        }
        (threads, statuses)
    }

    /// What waited goes along with the first word after the quiet hours; within them, only the incident that is told now
    /// waits no more.
    fn digest(&mut self, scene: &Scene<'_>, quiet: bool) -> Vec<String> {
        if quiet {
            if let Some(trouble) = &self.trouble {
                self.waiting.forget(trouble.id);
            }
            return Vec::new();
        }
        std::mem::take(&mut self.waiting).lines(self.trouble.as_deref(), scene.zone, scene.now)
    }
}
