//! The context line of a message, and its notes: how the run ended, how often, how long, where.
//!
//! Before it: a [`Notice`] and its headline, whose facts are not said twice. After it: `render`. Everything here is mrkdwn,
//! already escaped.

use std::time::Duration;

use super::headline::{Headline, found};
use super::words::{JUST_NOW, clock, ended, format_bytes, one_line, short};
use super::{Notice, Occasion};
use crate::clock::between;
use crate::document::format_duration;
use crate::exec::{Ending, Status};
use crate::policy::{Event, Suppressed, Update};
use crate::policy::{count, ordinal};
use crate::slack::{escape, literal, unformatted};

/// What stands between two facts.
pub(super) const BETWEEN: &str = " · ";

/// The context line: how it ended, how often and since when, how long it took, host, schedule, description. What the
/// headline says already is not in it. With `named`, the job's name comes first.
pub(super) fn context(notice: &Notice, headline: &Headline, named: bool) -> String {
    let mut facts = Vec::new();
    if named {
        facts.push(unformatted(&short(notice.job.name.as_str())));
    }
    let clean = matches!(notice.ending(), Some(Ending::Exited { code: 0 } | Ending::Reported { ok: true }));
    let clean_exit = clean && notice.status == Status::Ok;
    let found = found(notice).map(|found| unformatted(&found));
    let found = found.filter(|found| !headline.plain.contains(found));
    // What was found in a run says more than that it exited well.
    let says_less = headline.says_ending || clean_exit || (clean && found.is_some());
    facts.extend(notice.ending().filter(|_| !says_less).map(|ending| escape(&ended(ending))));
    facts.extend(found);
    facts.extend(often(notice, headline).map(|often| escape(&often)));
    facts.extend(took(notice));
    // What did not run was no last run.
    let ran = !matches!(notice.ending(), Some(Ending::Missing { .. }));
    if let Some(at) = notice.finished().filter(|_| ran && notice.run().is_none()) {
        facts.push(format!("last run at {}", clock(notice, at)));
    }
    // It is told late: nobody was there to tell.
    if let Some(at) = notice.outcome().map(|outcome| outcome.finished)
        && between(at, notice.now) > JUST_NOW
    {
        facts.push(format!("ended at {}", clock(notice, at)));
    }
    let repeats = notice.event == Event::Repeat;
    let next = notice.next.filter(|next| repeats && next.at.is_none_or(|at| at > notice.now));
    facts.extend(next.and_then(|next| {
        let unless = if next.why == Suppressed::RepeatNotDue && next.at.is_some() { " unless it changes" } else { "" };
        Some(format!("{}{unless}", next.words(|at| clock(notice, at))?))
    }));
    // Which of the job's incidents: two may say the same.
    // The headline of a recovery has it.
    let own = Some(notice.keys.own.as_str()).filter(|own| !own.is_empty() && notice.event != Event::Recovery);
    let key = notice.outcome().and_then(|outcome| outcome.directives.key.as_deref()).or(own);
    let key = key.filter(|_| !notice.is_good());
    facts.extend(key.map(|key| format!("key {}", unformatted(&short(key)))));
    facts.push(one_line(&notice.host));
    let schedule = match notice.ending() {
        // The headline has the grace.
        Some(Ending::Missing { grace, .. }) if headline.says_ending => {
            notice.job.schedule.replacen(&format!(", {} of grace", format_duration(*grace)), "", 1)
        }
        _ => notice.job.schedule.clone(),
    };
    facts.push(literal(&short(&schedule)));
    facts.push(unformatted(&short(&notice.job.description)));
    facts.retain(|fact| !fact.trim().is_empty());
    facts.join(BETWEEN)
}

/// "3rd failure in a row, since 03:00"; where it was well in between: "3rd failure since 03:00".
fn often(notice: &Notice, headline: &Headline) -> Option<String> {
    let failing = matches!(notice.event, Event::Failure | Event::Repeat | Event::Missing);
    let incident = notice.incident.filter(|_| failing && !headline.says_count)?;
    let failures = match &notice.update {
        Update::First { failures, .. } => *failures,
        _ => incident.failures,
    };
    let since = clock(notice, incident.started);
    let since = if incident.in_a_row { format!("in a row, since {since}") } else { format!("since {since}") };
    (failures > 1).then(|| format!("{} failure {since}", ordinal(u64::from(failures))))
}

/// "took 14ms, 2 attempts"; nothing where the headline or the ending says how long it was.
fn took(notice: &Notice) -> Option<String> {
    let attempts = notice.outcome().map(|outcome| outcome.attempts).filter(|attempts| *attempts > 1);
    let attempts = attempts.map(|attempts| count(attempts, "attempt"));
    let known = match notice.ending() {
        _ if matches!(notice.update, Update::HangEnds { .. }) => true,
        Some(Ending::NotStarted { .. }) => true,
        // With the time until it was killed, or with other attempts, it took longer than the ending says.
        Some(Ending::TimedOut { after, .. }) => {
            notice.took().is_none_or(|took| took < after.saturating_add(Duration::from_secs(1)))
        }
        Some(Ending::Missing { .. } | Ending::Unfinished { .. }) => true,
        // It has not ended.
        _ => matches!(notice.occasion, Occasion::Running { .. }),
    };
    // Of a run whose beginning was not reported it is not known.
    let took =
        notice.took().filter(|took| !known && !took.is_zero()).map(|took| format!("took {}", format_duration(took)));
    match (took, attempts) {
        (Some(took), Some(attempts)) => Some(format!("{took}, {attempts}")),
        (took, attempts) => took.or(attempts),
    }
}

/// What else there is to know: output thrown away, pipes left open, alerts suppressed, a pause to come. Escaped.
pub(super) fn notes(notice: &Notice) -> Vec<String> {
    let mut notes = Vec::new();
    // Of a run that ended before, or goes on, only the end is kept, whatever `max_output` is.
    let dropped = notice.outcome().map_or(0, |_| notice.dropped());
    if dropped > 0 {
        notes.push(format!("{} of output dropped (`max_output`)", format_bytes(dropped)));
    }
    if notice.outcome().is_some_and(|outcome| outcome.leaked) {
        notes.push(
            "a process that it left in the background has its output open: what it writes from now on is not kept"
                .to_owned(),
        );
    }
    notes.extend(always(notice));
    notes
}

/// The notes that no template may leave out.
pub(super) fn always(notice: &Notice) -> Vec<String> {
    let mut notes = Vec::new();
    match notice.suppressed {
        0 => {}
        1 => notes.push("1 alert suppressed (`rate_limit`)".to_owned()),
        many => notes.push(format!("{many} alerts suppressed (`rate_limit`)")),
    }
    if let Some(pause) = notice.pauses {
        notes.push(format!("pauses for {} after this message", format_duration(pause)));
    }
    notes.extend(notice.notes.iter().map(|note| one_line(note)));
    notes
}
