//! A run that counts as not run, since a precondition was not met: it says nothing of the job, but that it hangs no more. Pure.
//!
//! Before it: `judge`, which asks it about such a run alone. After it: `notify`, as with any other end of a hang.

use super::health::Health;
use super::incident::{HANGS, OpenIncident};
use super::notify::{Draft, FlapChange, Moment};
use super::settings::On;
use super::{Event, Facts, Judgement, Notification, Update, Verdict};
use crate::exec::Status;

/// What there is to tell of it: the end of a hang that was told, or waits to be. Where nothing but the hang had failed, the incident is
/// over with it.
pub(super) fn not_run(moment: &Moment<'_>, health: &mut Health, facts: &Facts<'_>) -> Judgement {
    health.end_hang(moment.settings);
    let hung = |open: &OpenIncident| open.hung == Some(facts.run) && open.resolved_at.is_none();
    let taken_out = health.take_out(hung);
    if health.open.is_none() {
        health.open = health.others.pop().map(Box::new);
    }
    let (mut told, close) = match health.open.as_deref() {
        Some(open) if open.failures <= 1 => ends(moment, health, facts),
        Some(_) => (goes_on(moment, health, facts), None),
        None => (None, None),
    };
    if let Some(notification) = &mut told {
        notification.beside(&taken_out);
    }
    health.put_back(taken_out);
    Judgement { verdict: Verdict::NotRun(told.map(Box::new)), close }
}

/// Nothing else is wrong with the job, as far as anybody knows.
fn ends(
    moment: &Moment<'_>,
    health: &mut Health,
    facts: &Facts<'_>,
) -> (Option<Notification>, Option<Box<Notification>>) {
    let (settings, flaps) = (moment.settings, health.is_flapping());
    health.mark_recovery_due(settings, moment.at, flaps);
    let close = health.close_by_edit(moment, facts);
    let asks = settings.on.asks(On::Recovery);
    let is_known = health.open.as_deref().is_some_and(|open| open.reported.is_some() || health.waiting.has(open.id));
    // That the job is well is told when it is steady.
    let event = if flaps { Event::Flapping } else { Event::Recovery };
    let told = (asks && is_known).then(|| tell(moment, health, facts, (event, Status::Ok))).flatten();
    health.close_if_nothing_due(Status::Ok, moment.at);
    (told, close)
}

/// The job failed before it hung, and no run has been ok since.
fn goes_on(moment: &Moment<'_>, health: &mut Health, facts: &Facts<'_>) -> Option<Notification> {
    let open = health.open.as_deref()?;
    let tells = |kind: Option<u64>| kind.is_none_or(|kind| kind == HANGS);
    let is_known = open.reported.as_ref().is_some_and(|reported| tells(reported.kind));
    let status = open.status;
    let asks = moment.settings.on.asks(On::Failure);
    let told = (asks && is_known).then(|| tell(moment, health, facts, (Event::Repeat, status))).flatten();
    if let Some(open) = &mut health.open {
        open.hung = None;
    }
    told
}

fn tell(
    moment: &Moment<'_>,
    health: &mut Health,
    facts: &Facts<'_>,
    (event, status): (Event, Status),
) -> Option<Notification> {
    // What was said of the failure stays what people know of it.
    let line = health.open.as_deref().and_then(|open| open.reported.as_ref()).map(|known| known.line.clone());
    let update = Update::HangEnds { took: facts.took, ending: facts.ending.clone() };
    let draft = Draft {
        event,
        flap: FlapChange::None,
        status,
        run: Some(facts.run),
        update,
        line: line.unwrap_or_default(),
        exempt: status == Status::Ok,
        hangs_still: false,
    };
    let told = health.notify(moment, draft);
    if told.is_err() {
        health.note_silence();
    }
    told.ok()
}
