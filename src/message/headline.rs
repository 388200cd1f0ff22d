//! The headline of a message: status, job, and what the script itself said. It is what a locked phone shows.
//!
//! Before it: a [`Notice`]. After it: `render`, which lays it above everything else. Everything here is plain text until
//! [`Headline`] puts it together, escaped.

use std::time::Duration;

use jiff::Timestamp;

use super::tail::{Line, first_line, first_line_but, is_one_line, last_line, telling_line, without_perfdata};
use super::words::{JUST_NOW, clock, emoji, ended, short};
use super::{Notice, Occasion};
use crate::clock::between;
use crate::document::format_duration;
use crate::exec::{Captured, Ending, Reason, Status, known};
use crate::policy::{Event, Update};
use crate::policy::{count, ordinal, says_well};
use crate::slack::{cut, cut_middle_plain, has_joined_url, unformatted};

/// What stands in the place of a cause where the command has said nothing, behind how it ended.
pub const NO_OUTPUT: &str = ", no output";

/// Units of a line of output in a headline; a longer one loses its middle.
const LINE: usize = 280;

/// Units of a title of the job's own in a headline.
const OWN_TITLE: usize = 300;

/// A headline, put together and escaped.
#[derive(Debug)]
pub(super) struct Headline {
    /// As a block shows it: mrkdwn.
    pub(super) block: String,
    /// As plain text has it, for notifications and screen readers.
    pub(super) plain: String,
    /// It shows all that was written: one line, whole. A code block would say it twice.
    pub(super) shows_all: bool,
    /// It says how the run ended.
    pub(super) says_ending: bool,
    /// It says how often, or since when.
    pub(super) says_count: bool,
    /// It says what waited for the end of quiet hours.
    pub(super) says_digest: bool,
}

impl Headline {
    /// Whether it shows all of this stream: one line, whole. A code block would say it twice.
    pub(super) fn shows(&self, stream: &Captured, status: Status) -> bool {
        let line = last_line(stream).filter(|line| line.complete && is_one_line(&[stream]));
        let Some(line) = line else { return false };
        let line = format!(": {}", unformatted(&tidy(without_status(line.text.trim(), status))));
        let ends = |(at, _)| {
            let rest: &str = &self.plain[at + line.len()..];
            rest.is_empty() || rest.starts_with([',', ';'])
        };
        self.plain.match_indices(&line).any(ends) && !has_joined_url(&line)
    }
}

/// Parts of a headline before they are put together: plain text.
#[derive(Default)]
struct Draft {
    /// What follows the job's name.
    words: String,
    shows_all: bool,
    says_ending: bool,
    says_count: bool,
    says_digest: bool,
}

/// The headline of a notice; a title of the job's own, mrkdwn, takes the place of its name.
pub(super) fn headline(notice: &Notice, title: Option<&str>) -> Headline {
    let draft = match (notice.event, &notice.update) {
        (_, Update::QuietHoursEnd { .. } | Update::Intermittent { .. } | Update::IntermittentEnds { .. }) => {
            bad(notice)
        }
        (_, Update::HangEnds { .. }) => bad(notice),
        (Event::Output | Event::Success | Event::Change, _) => good(notice),
        (Event::Recovery, _) => recovery(notice),
        (Event::Flapping, _) => flapping(notice),
        _ => bad(notice),
    };
    // Behind a title that says much there is room for the status and the cause.
    let name = title.map_or_else(|| unformatted(&short(notice.job.name.as_str())), |title| cut(title, OWN_TITLE).0);
    // A title that is formatted already stays as it is; a name formats nothing.
    let bold = if title.is_some() && name.contains('*') { name.clone() } else { format!("*{name}*") };
    // What a script says formats nothing.
    let words = unformatted(&draft.words);
    let gap = if words.is_empty() { "" } else { " " };
    let emoji = emoji_of(notice);
    Headline {
        block: format!("{emoji} {bold}{gap}{words}"),
        plain: format!("{emoji} {name}{gap}{words}"),
        // Below it stands a URL that can be copied.
        shows_all: draft.shows_all && !has_joined_url(&words),
        says_ending: draft.says_ending,
        says_count: draft.says_count,
        says_digest: draft.says_digest,
    }
}

/// What an expected run that does not come is said to have done.
const NO_RUN: &str = "did not run";

/// Whether an expected run did not come: it failed in no way of its own.
fn is_missing(notice: &Notice) -> bool {
    matches!(notice.ending(), Some(Ending::Missing { .. }))
}

/// How a run ended that was told to hang.
fn hang_ended(took: Duration, ending: &Ending) -> String {
    match known(took) {
        Some(took) => format!("ended after {}, {}", format_duration(took), ended(ending)),
        None => ended(ending),
    }
}

/// What a run came to, in a line: what its headline says behind the status. Everywhere the same.
pub fn line(notice: &Notice) -> String {
    match notice.status {
        Status::Ok => Said::of(notice).line.map(|line| line.text).unwrap_or_default(),
        _ => cause(notice).unwrap_or_default().words,
    }
}

/// The first message of an incident when the incident is over: "resolved after 42m (3 failures)".
pub fn resolved(notice: &Notice) -> Option<String> {
    match &notice.update {
        Update::IntermittentEnds { failed, runs, .. } => return Some(format!("over: {failed} of {runs} runs failed")),
        Update::HangEnds { took, ending } => {
            return Some(hang_ended(*took, ending));
        }
        _ => {}
    }
    let (lasted, failures) = lasted(notice)?;
    Some(format!("resolved after {lasted} ({}{})", count(failures, "failure"), gap(notice)))
}

/// That the job was ok in between, of which nobody heard: the incident is shorter than it looks.
fn gap(notice: &Notice) -> &'static str {
    let is_gapless = notice.incident.is_none_or(|incident| incident.in_a_row);
    if is_gapless { "" } else { ", ok in between" }
}

/// The emoji of what a notice is about. A status that is not ok is never hidden behind one that looks well.
fn emoji_of(notice: &Notice) -> &'static str {
    match (notice.event, notice.status, &notice.update) {
        (Event::Flapping, Status::Ok, _) | (Event::Flapping, _, Update::FlappingBegins { .. }) => {
            ":twisted_rightwards_arrows:"
        }
        (_, Status::Ok, Update::QuietHoursEnd { .. }) => ":crescent_moon:",
        (_, status, Update::Intermittent { .. }) if status != Status::Ok => ":large_orange_circle:",
        (_, Status::Ok, Update::IntermittentEnds { .. }) => ":white_check_mark:",
        (Event::Recovery, ..) => ":white_check_mark:",
        _ => emoji(notice.status),
    }
}

fn good(notice: &Notice) -> Draft {
    let said = Said::of(notice);
    if notice.event == Event::Change {
        return match replaced_line(&notice.diff) {
            _ if only_blanks(&notice.diff) => Draft { words: "changed, in blanks only".to_owned(), ..Draft::default() },
            Some((was, now)) => {
                Draft { words: format!("changed: {now}, was {was}"), shows_all: true, ..Draft::default() }
            }
            None => Draft { words: "changed".to_owned(), ..Draft::default() },
        };
    }
    match said.line {
        Some(line) if said.alone => Draft { shows_all: line.whole, words: line.text, ..Draft::default() },
        Some(_) => Draft::default(),
        None => Draft { words: "ok".to_owned(), ..Draft::default() },
    }
}

/// Whether what was taken away is what was added, but for blanks at the ends of lines: nobody sees the difference. Where not
/// all was compared, or not all is shown, it is not known.
fn only_blanks(diff: &str) -> bool {
    if diff.lines().any(|line| line.starts_with('[')) {
        return false;
    }
    let of = |mark: char| diff.lines().filter_map(move |line| Some(line.strip_prefix(mark)?.trim()));
    of('+').next().is_some() && of('-').eq(of('+'))
}

/// The one line that took the place of another; `None` when more has changed, or what differs has no room here.
fn replaced_line(diff: &str) -> Option<(String, String)> {
    let lines = diff.lines().filter(|line| !line.starts_with("@@"));
    let (mut was, mut now) = (None, None);
    for line in lines {
        let place = match line.as_bytes().first() {
            Some(b'-') => &mut was,
            Some(b'+') => &mut now,
            _ => return None,
        };
        if place.replace(line[1..].trim()).is_some() {
            return None;
        }
    }
    let (was, now) = was.zip(now).filter(|(was, now)| !was.is_empty() && !now.is_empty())?;
    Some((shorten(was), shorten(now))).filter(|(was, now)| was != now)
}

fn recovery(notice: &Notice) -> Draft {
    let mut words = match (lasted(notice), &notice.update) {
        (Some((lasted, failures)), update) => {
            let ended = match update {
                Update::Recovered { since, .. } => Some(*since),
                _ => notice.incident.and_then(|incident| incident.ended),
            };
            let since = match ended.filter(|ended| between(*ended, notice.now) > JUST_NOW) {
                Some(ended) => format!(", ok since {}", clock(notice, ended)),
                None => String::new(),
            };
            let failures = count(failures, "failure");
            format!("{}is well again after {lasted}, {failures}{}{since}", of_key(notice), gap(notice))
        }
        (None, _) => format!("{}is well again", of_key(notice)),
    };
    words.push_str(&well_too(notice));
    words.push_str(&open_still(notice));
    let replaced = if notice.changed && !only_blanks(&notice.diff) { replaced_line(&notice.diff) } else { None };
    if let Some((was, now)) = &replaced {
        words.push_str(&format!("; changed: {now}, was {was}"));
    }
    Draft { words, shows_all: replaced.is_some(), says_count: true, ..Draft::default() }
}

/// "(key db) ": which of the job's incidents it is about, where it has several.
fn of_key(notice: &Notice) -> String {
    match notice.keys.own.as_str() {
        "" => String::new(),
        own => format!("(key {}) ", shorten(own)),
    }
}

/// So many keys stand in a headline; of more, the number.
const MOST_KEYS: usize = 3;

/// "; still open: key disk": what has not ended with it.
fn open_still(notice: &Notice) -> String {
    named("still open", &notice.keys.open)
}

/// "; also well: key disk": what has ended with it.
fn well_too(notice: &Notice) -> String {
    named("also well", &notice.keys.ended)
}

fn named(what: &str, keys: &[String]) -> String {
    let named: Vec<String> = keys.iter().take(MOST_KEYS).map(|key| shorten(key)).collect();
    let more = match keys.len().saturating_sub(named.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match named.as_slice() {
        [] => String::new(),
        [one] => format!("; {what}: key {one}"),
        all => format!("; {what}: keys {}{more}", all.join(", ")),
    }
}

/// How long the incident lasted, and its failures.
fn lasted(notice: &Notice) -> Option<(String, u32)> {
    match (&notice.update, &notice.incident) {
        (Update::Recovered { failures, lasted, .. }, _) => Some((format_duration(*lasted), *failures)),
        (_, Some(incident)) => Some((format_duration(notice.lasted(incident)), incident.failures)),
        _ => None,
    }
}

fn flapping(notice: &Notice) -> Draft {
    match &notice.update {
        Update::FlappingEnds { status, lasted } => {
            let status_now = status.as_str();
            let words = match lasted {
                Some(lasted) => format!("is steady again: {status_now} for {}", format_duration(*lasted)),
                None => format!("is no longer watched for changes of its status: {status_now} now"),
            };
            match cause(notice) {
                Some(cause) if *status != Status::Ok => cause.after(&format!("{words}: ")),
                _ => Draft { words: format!("{words}{}", open_still(notice)), ..Draft::default() },
            }
        }
        Update::FlappingBegins { changes, took, steady_after } => {
            let (took, steady) = (format_duration(*took), format_duration(*steady_after));
            let status = notice.status.as_str();
            let words = format!(
                "keeps changing: {changes} times in {took}; no more messages until it is steady for {steady} ({status} now)"
            );
            Draft { words, says_count: true, ..Draft::default() }
        }
        Update::FlappingContinues { changes, since } => {
            let words = format!("changed {changes} times since {}, and is not steady yet", clock(notice, *since));
            Draft { words, says_count: true, ..Draft::default() }
        }
        _ => Draft { words: "keeps changing between ok and not ok".to_owned(), ..Draft::default() },
    }
}

fn bad(notice: &Notice) -> Draft {
    let status = notice.status.as_str();
    let cause = cause(notice).unwrap_or_default();
    let counted = |draft: Draft| Draft { says_count: true, ..draft };
    match &notice.update {
        Update::Hangs(hang) => {
            let mut words = format!("{status}: {}", hang.words());
            if hang.replaced {
                words.push_str(&format!(", {} in a row", count(hang.skipped, "run")));
            } else if hang.skipped > 0 {
                words.push_str(&format!(", {} passed", count(hang.skipped, "due time")));
            }
            let (words, shows_all) = with_last_line(words, notice);
            Draft { words, shows_all, says_ending: true, says_count: true, ..Draft::default() }
        }
        Update::Slow { over, run } => {
            let words = format!("takes longer than {}: {}", format_duration(*over), run.words());
            let (words, shows_all) = with_last_line(words, notice);
            Draft { words, shows_all, says_ending: true, says_count: true, ..Draft::default() }
        }
        Update::Same { times, since } => {
            let words = format!(
                "still {status}: same failure, {} time in {}",
                ordinal(u64::from(*times)),
                span(notice, *since)
            );
            // The cause is known; it stands below, with whatever else the run wrote.
            Draft { words, says_count: true, ..Draft::default() }
        }
        Update::AsBefore => cause.after(&format!("still {status}, as before: ")),
        Update::DifferentEachTime if is_missing(notice) => {
            counted(cause.after(&format!("still {status}, for another cause each time: ")))
        }
        Update::DifferentEachTime => counted(cause.after(&format!("still {status}, differently each time: "))),
        Update::Different { since, was } => {
            let since = match is_missing(notice) {
                true => format!("{status} for another cause since {}", clock(notice, *since)),
                false => format!("failing differently since {}", clock(notice, *since)),
            };
            // Of a run that did not come, when it was due says nothing any more.
            let was = if was.starts_with(&format!("{NO_RUN}; due ")) { NO_RUN.to_owned() } else { shorten(was.trim()) };
            counted(match notice.ending() {
                // It says the same, and ends in another way.
                Some(ending) if !was.is_empty() && cause.words == was => {
                    let draft = cause.after(&format!("{since} ({}): ", ended(ending)));
                    Draft { says_ending: true, ..draft }
                }
                _ if was.is_empty() => cause.after(&format!("{since}: ")),
                _ => {
                    let mut draft = cause.after(&format!("{since}: "));
                    draft.words.push_str(&format!(", was {was}"));
                    draft
                }
            })
        }
        Update::Worse { was } => cause.after(&format!("worse: {status}, was {}: ", was.as_str())),
        Update::Unknown { since, was } => {
            counted(cause.after(&format!("state unknown since {}, was {}: ", clock(notice, *since), was.as_str())))
        }
        Update::Intermittent { failed, runs, since, opens, line } => {
            let often = if failed < runs { "fails now and then" } else { "keeps failing" };
            let words = format!(
                "{often}: {failed} of {runs} runs since {} ({} %)",
                clock(notice, *since),
                percent(*failed, *runs)
            );
            // An edit stands above what is said of the run that was told first, and keeps what its headline said of it.
            let cause = if *opens { cause } else { Cause { words: shorten(line), ..Cause::default() } };
            counted(cause.after(&format!("{words}: ")))
        }
        Update::IntermittentEnds { failed, runs, steady } => {
            let words = format!(
                "no longer fails now and then: well for {}, {failed} of {runs} runs failed",
                format_duration(*steady)
            );
            Draft { words, says_count: true, ..Draft::default() }
        }
        Update::Lasts { failures, since } => counted(cause.after(&format!(
            "{status}, {} in a row since {}: ",
            count(*failures, "failure"),
            clock(notice, *since)
        ))),
        // It was told as a run that hangs, and nobody knows that it ended.
        Update::HangEnds { ending: ending @ Ending::Unfinished { .. }, .. } => {
            let words = format!("{status}: {}", ending.words());
            Draft { words, says_ending: true, says_count: true, ..Draft::default() }
        }
        Update::HangEnds { took, ending } => {
            // Between two attempts it was stopped, and the last one came to an end of its own.
            let cut_short = notice.outcome().filter(|outcome| outcome.reason == Reason::Interrupted);
            let cut_short = cut_short.map(|outcome| outcome.detail.as_str()).filter(|detail| !detail.is_empty());
            let ended = match cut_short {
                Some(detail) if known(*took).is_some() => {
                    format!("ended after {}, {detail}", format_duration(*took))
                }
                _ => hang_ended(*took, ending),
            };
            let words = found(notice).map_or_else(|| ended.clone(), |found| format!("{status}: {found}; {ended}"));
            Draft { words, says_ending: true, says_count: true, ..Draft::default() }
        }
        Update::Better { was } => cause.after(&format!("better: {status}, was {}: ", was.as_str())),
        Update::SilenceEnds { by, since, failures, line, was, differs, again } => {
            // Of an incident that is not the last run's nothing else is known.
            let cause = if cause.words.is_empty() { Cause { words: line.clone(), ..cause } } else { cause };
            let whose = if by.is_empty() { "the silence".to_owned() } else { format!("the silence by {by}") };
            let failures = count(*failures, "failure");
            let again = again.map(|again| format!("{status} again since {}", clock(notice, again)));
            let how = match was {
                None => status.to_owned(),
                Some(was) if *was == notice.status && again.is_some() => again.unwrap_or_default(),
                Some(was) if *was == notice.status && *differs => format!("still {status}, failing differently"),
                Some(was) if *was == notice.status => format!("still {status}"),
                Some(was) if notice.status == Status::Unknown => format!("state unknown, was {}", was.as_str()),
                Some(was) if notice.status.badness() < was.badness() => {
                    format!("better: {status}, was {}", was.as_str())
                }
                Some(was) => format!("worse: {status}, was {}", was.as_str()),
            };
            let (since, gap) = (clock(notice, *since), gap(notice));
            counted(cause.after(&format!("{how}, {failures} since {since}{gap} ({whose} ended): ")))
        }
        Update::QuietHoursEnd { alerts } => quiet_hours_end(notice, *alerts, cause),
        _ => cause.after(&format!("{status}: ")),
    }
}

/// The end of quiet hours. Where one thing waited, what its line says stands behind the cause: since when, and how often.
fn quiet_hours_end(notice: &Notice, alerts: u32, cause: Cause) -> Draft {
    let status = notice.status.as_str();
    // That a run took long, or waited, says nothing of how the job is.
    let fails = notice.status != Status::Ok && !matches!(notice.event, Event::Slow | Event::Starved);
    let only = match notice.digest.as_slice() {
        [only] if shorten(only) == tidy(only) => Some(tidy(only)),
        _ => None,
    };
    let whole = |words| Draft { words, says_count: true, says_digest: true, ..Draft::default() };
    match only.as_deref() {
        Some(only) if !fails => return whole(format!("while it was quiet: {only}")),
        Some(only) => {
            let facts = only.strip_suffix(&cause.words).and_then(|facts| facts.strip_suffix(": "));
            if let Some(facts) = facts.filter(|_| !cause.words.is_empty()) {
                let facts = facts.strip_prefix(&format!("{status} ")).unwrap_or(facts);
                let (shows_all, says_ending) = (cause.shows_all, cause.says_ending);
                let words = format!("{status}: {}; while it was quiet: {facts}", cause.words);
                return Draft { shows_all, says_ending, ..whole(words) };
            }
        }
        None => {}
    }
    let quiet = format!("while it was quiet: {}", count(alerts, "alert"));
    if !fails {
        return Draft { words: quiet, says_count: true, ..Draft::default() };
    }
    let mut draft = cause.after(&format!("{status}: "));
    draft.words.push_str(&format!("; {quiet}"));
    // The lines below say how often.
    Draft { says_count: !notice.digest.is_empty(), ..draft }
}

/// A share in whole per cent; one that is there is never none.
fn percent(part: u64, whole: u64) -> u64 {
    let rounded = (part.saturating_mul(100) + whole / 2) / whole.max(1);
    // Neither none nor all, where it is neither.
    if part < whole { rounded.clamp(u64::from(part > 0), 99) } else { rounded }
}

/// "4h": how long ago.
fn span(notice: &Notice, since: Timestamp) -> String {
    format_duration(between(since, notice.finished().unwrap_or(notice.now)))
}

/// The words, and behind them the last line that was written; and whether that is all that was.
fn with_last_line(words: String, notice: &Notice) -> (String, bool) {
    let streams = notice.output();
    let Some(line) = last_line(&streams.both).or_else(|| last_line(&streams.stdout)) else { return (words, false) };
    let short = shorten(&line.text);
    let all = line.complete && short == tidy(&line.text) && is_one_line(&[&streams.both]);
    (format!("{words}; last line: {short}"), all)
}

/// What went wrong.
#[derive(Default)]
struct Cause {
    words: String,
    shows_all: bool,
    says_ending: bool,
}

impl Cause {
    /// Behind these words.
    fn after(self, lead: &str) -> Draft {
        let lead = if self.words.is_empty() { lead.trim_end().trim_end_matches(':') } else { lead };
        let words = format!("{lead}{}", self.words);
        Draft { words, shows_all: self.shows_all, says_ending: self.says_ending, ..Draft::default() }
    }
}

/// The cause of a failure; of a run that was told before, as it was told.
fn cause(notice: &Notice) -> Option<Cause> {
    let cause = cause_of(notice);
    let Occasion::Clock { last: Some(last), .. } = &notice.occasion else { return cause };
    match cause {
        Some(cause) if !last.line.is_empty() && cause.words != last.line => {
            Some(Cause { words: last.line.clone(), shows_all: false, ..cause })
        }
        cause => cause,
    }
}

/// The cause of a failure: what the script said, unless how it ended says more.
fn cause_of(notice: &Notice) -> Option<Cause> {
    let said = Said::of(notice);
    if matches!(notice.update, Update::Hangs(_) | Update::Slow { .. }) {
        return Some(Cause::default());
    }
    let detail = notice.outcome().filter(|outcome| outcome.directives.status.is_none() || said.line.is_none());
    let detail = detail.map(|outcome| outcome.detail.trim()).filter(|detail| !detail.is_empty());
    let ending = notice.ending();
    let words = match (notice.reason(), ending, detail) {
        (_, Some(Ending::NotStarted { error }), _) => return Some(Cause::of_ending(shorten(error))),
        (_, Some(Ending::Missing { due, grace, seen }), _) => {
            let seen =
                seen.map_or_else(|| "never seen yet".to_owned(), |seen| format!("last seen {}", clock(notice, seen)));
            let (due, grace) = (clock(notice, *due), format_duration(*grace));
            return Some(Cause::of_ending(format!("{NO_RUN}; due {due}, {grace} of grace, {seen}")));
        }
        (_, Some(ending @ Ending::Unfinished { .. }), _) => return Some(Cause::of_ending(ending.words())),
        (Some(Reason::Timeout | Reason::Signal | Reason::Interrupted), Some(ending), detail) => {
            // Between two attempts nothing runs that could be interrupted.
            let how = detail.map_or_else(|| how(ending), shorten);
            let Some(line) = said.line else { return Some(Cause::of_ending(how)) };
            let words = format!("{how}; last line: {}", line.text);
            return Some(Cause { shows_all: said.alone && line.whole, ..Cause::of_ending(words) });
        }
        // Found in the output, by an expression or by a directive: that sentence says more than any line of it.
        (_, _, Some(detail)) => shorten(detail),
        (_, ending, None) => match (said.line, ending) {
            // "backup critical: ok" would be the opposite.
            (Some(line), Some(ending @ Ending::Exited { code: 1.. })) if says_well(&line.text) => {
                let words = format!("{}; it wrote: {}", ended(ending), line.text);
                return Some(Cause { shows_all: said.alone && line.whole, ..Cause::of_ending(words) });
            }
            (Some(line), _) => {
                return Some(Cause { words: line.text, shows_all: said.alone && line.whole, says_ending: false });
            }
            (None, Some(ending)) => {
                // What was not kept was written all the same.
                let silent =
                    [&notice.output().stdout, &notice.output().stderr].iter().all(|stream| stream.dropped == 0);
                return Some(Cause::of_ending(format!("{}{}", ended(ending), if silent { NO_OUTPUT } else { "" })));
            }
            (None, None) => return None,
        },
    };
    Some(Cause { words, ..Cause::default() })
}

/// What an expression, `fail_on` or `parse` found in a run.
pub(super) fn found(notice: &Notice) -> Option<String> {
    let outcome = notice.outcome().filter(|outcome| matches!(outcome.reason, Reason::Condition | Reason::Output))?;
    let detail = Some(outcome.detail.trim()).filter(|detail| !detail.is_empty() && notice.status != Status::Ok)?;
    outcome.directives.status.is_none().then(|| shorten(detail))
}

impl Cause {
    fn of_ending(words: String) -> Self {
        Self { words, shows_all: false, says_ending: true }
    }
}

/// How a run ended, where that is the news.
fn how(ending: &Ending) -> String {
    match ending {
        Ending::Signaled { .. } => format!("killed by {}", ended(ending)),
        Ending::Interrupted => "interrupted while it ran".to_owned(),
        Ending::CutOff { by } if by.is_before_start() => ending.words(),
        Ending::CutOff { by } => format!("interrupted while it ran: {}", by.words()),
        ending => ended(ending),
    }
}

/// The line of the output that tells most.
#[derive(Default)]
struct Said {
    line: Option<Shown>,
    /// The output has no other line.
    alone: bool,
}

/// A line as a headline shows it.
struct Shown {
    text: String,
    /// Nothing of it is left out.
    whole: bool,
}

impl Said {
    fn of(notice: &Notice) -> Self {
        let streams = notice.output();
        let (errors, output) = (&streams.stderr, &streams.stdout);
        let plugin = notice.job.plugin.then(|| as_plugin(output));
        // What was cut short is told by the very last line.
        let cut_short = matches!(notice.reason(), Some(Reason::Timeout | Reason::Signal | Reason::Interrupted));
        let end = |stream: &Captured| if cut_short { last_line(stream) } else { telling_line(stream) };
        let line = match (&plugin, notice.status) {
            // Performance data alone says nothing for people.
            (Some(text), _) => of_plugin(text, notice.status).or_else(|| end(errors)),
            (_, Status::Ok) => first_line(output).or_else(|| first_line(errors)),
            _ => end(errors).or_else(|| end(output)),
        };
        // Where only both together are known.
        let both = || match &plugin {
            Some(_) => of_plugin(&as_plugin(&streams.both), notice.status),
            None => end(&streams.both),
        };
        let Some(line) = line.or_else(both) else { return Self::default() };
        let text = without_status(line.text.trim(), notice.status);
        let short = shorten(text);
        let whole = line.complete && short == tidy(text);
        let alone = is_one_line(&[errors, plugin.as_ref().unwrap_or(output)]);
        Self { line: Some(Shown { text: short, whole }), alone }
    }
}

/// The line of a plugin that tells most: its first, unless that is nothing but the status.
fn of_plugin(text: &Captured, status: Status) -> Option<Line> {
    first_line_but(text, |line| is_bare_status(line, status)).or_else(|| first_line(text))
}

/// What a plugin wrote without its performance data.
pub(super) fn as_plugin(stdout: &Captured) -> Captured {
    let text = without_perfdata(&super::text::clean(&stdout.bytes()));
    Captured { head: text.into_bytes(), ..Captured::default() }
}

/// The line without the status words that it begins with, when that is the status that the headline says: "DISK CRITICAL -
/// free space: / 12 MB" is "free space: / 12 MB".
fn without_status(line: &str, status: Status) -> &str {
    let mut rest = line;
    while let Some(behind) = behind_status(rest, status, rest.len() < line.len()) {
        rest = behind;
    }
    rest
}

/// What stands behind a status word at the beginning; `None` where there is none, or nothing behind it. `again`: there was one
/// before it.
fn behind_status(line: &str, status: Status, again: bool) -> Option<&str> {
    let marks = |c: char| !c.is_alphanumeric();
    let mut rest = line;
    for at in 0..4 {
        rest = rest.trim_start();
        // `CRITICAL:down`
        let word = rest.split_whitespace().next()?.split_inclusive(':').next()?;
        rest = &rest[word.len()..];
        let bare = word.trim_matches(marks);
        if is_status_word(&bare.to_ascii_uppercase(), status) {
            let rest = rest.trim_start();
            // The sign of a number parts nothing.
            let is_number = rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            let trimmed = rest.trim_start_matches(['-', ':', '|', ',', ';', '–', '—']);
            let behind = if is_number { rest } else { trimmed };
            let parted = word.ends_with(marks) || behind.len() < rest.len();
            let behind = behind.trim();
            // Without a mark between them it is a sentence, unless the line begins with the word as plugins write it, or says it
            // for the second time; what is unknown may be anything.
            let written = is_status_word(bare, status) || again && status != Status::Unknown;
            let plain = at == 0 && status != Status::Ok && word == bare && written;
            return (!behind.is_empty() && (parted || plain)).then_some(behind);
        }
        // A service's name, in capitals as plugins write it; not a word that turns what follows around.
        let name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || "_-/".contains(c);
        let is_name = !bare.is_empty() && word.chars().all(name) || bare.starts_with("check_");
        if !is_name || matches!(bare, "NO" | "NOT" | "NON" | "WAS") {
            return None;
        }
    }
    None
}

/// Whether a word in capitals is this status, whole or as plugins shorten it.
fn is_status_word(word: &str, status: Status) -> bool {
    match status {
        Status::Ok => word == "OK",
        Status::Warning => matches!(word, "WARNING" | "WARN"),
        Status::Critical => matches!(word, "CRITICAL" | "CRIT"),
        Status::Unknown => matches!(word, "UNKNOWN" | "UNKN"),
    }
}

/// Whether a line of a plugin is nothing but a status, which the headline says.
fn is_bare_status(line: &str, status: Status) -> bool {
    let bare = line.trim_matches(|c: char| !c.is_alphanumeric());
    let last = bare.rsplit(|c: char| c.is_whitespace()).next().unwrap_or_default();
    let name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || "_-/ ".contains(c);
    is_status_word(last, status) && bare.chars().all(name) && bare.split_whitespace().count() <= 4
}

/// Text on one line.
fn tidy(text: &str) -> String {
    super::text::clean_str(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A line of at most [`LINE`] units: its beginning and its end, which tell most.
fn shorten(line: &str) -> String {
    cut_middle_plain(&tidy(line), LINE)
}

#[cfg(test)]
mod tests {
    use super::{LINE, replaced_line, shorten, without_status};
    use crate::exec::Status;
    use crate::slack::units;

    #[test]
    fn a_plugins_own_status_word_is_not_said_twice() {
        for (line, status, shown) in [
            ("DISK CRITICAL - free space: / 12 MB", Status::Critical, "free space: / 12 MB"),
            ("LOAD WARNING: load average 8.1", Status::Warning, "load average 8.1"),
            ("CRITICAL - down", Status::Critical, "down"),
            ("OK: fine", Status::Ok, "fine"),
            ("DISK OK - fine", Status::Critical, "DISK OK - fine"),
            ("pg_dump: error: no", Status::Critical, "pg_dump: error: no"),
            ("NOT CRITICAL", Status::Critical, "NOT CRITICAL"),
            ("NOT CRITICAL - fine", Status::Critical, "NOT CRITICAL - fine"),
            ("CRITICAL: CRITICAL - down", Status::Critical, "down"),
            ("CRITICAL:down", Status::Critical, "down"),
            ("Critical: CRITICAL: low voltage", Status::Critical, "low voltage"),
            ("Critical: critical low voltage", Status::Critical, "low voltage"),
            ("warning: Warning - slow", Status::Warning, "slow"),
            ("UNKNOWN: unknown host db1", Status::Unknown, "unknown host db1"),
            ("Ok: fine", Status::Ok, "fine"),
            ("ok so far", Status::Ok, "ok so far"),
            ("critical section is locked", Status::Critical, "critical section is locked"),
            ("TEMP CRITICAL -5 C", Status::Critical, "TEMP CRITICAL -5 C"),
            ("CRITICAL -5 C", Status::Critical, "-5 C"),
            ("CRITICAL: -5 C", Status::Critical, "-5 C"),
            ("[CRITICAL] down", Status::Critical, "down"),
            ("CRITICAL load average 8.1", Status::Critical, "load average 8.1"),
            ("CRIT - down", Status::Critical, "down"),
            ("WARN: slow", Status::Warning, "slow"),
            ("check_http CRITICAL: no answer", Status::Critical, "no answer"),
            ("HTTP CRITICAL, no answer", Status::Critical, "no answer"),
            ("OK now", Status::Ok, "OK now"),
            ("Memory is CRITICAL: 97 %", Status::Critical, "Memory is CRITICAL: 97 %"),
            ("CRITICAL - 97 % used - CRITICAL", Status::Critical, "97 % used - CRITICAL"),
            ("CRITICAL - ", Status::Critical, "CRITICAL - "),
        ] {
            assert_eq!(without_status(line, status), shown, "{line}");
        }
    }

    #[test]
    fn a_long_line_keeps_its_beginning_and_its_end() {
        let line = format!("pg_dump: error: {} CAUSE: disk full", "x".repeat(9_000));
        let short = shorten(&line);
        assert!(units(&short) <= LINE, "{}", units(&short));
        assert!(short.starts_with("pg_dump: error: x") && short.ends_with("CAUSE: disk full"), "{short}");
        assert_eq!(shorten("a\tshort  line"), "a short line");
    }

    #[test]
    fn one_line_in_the_place_of_another_is_a_sentence() {
        assert_eq!(replaced_line("@@ -1 +1 @@\n-1\n+3"), Some(("1".to_owned(), "3".to_owned())));
        let long = |middle: &str| format!("{}{middle}{}", "x".repeat(150), "y".repeat(150));
        let differ_in_the_middle = format!("-{}\n+{}", long("up"), long("down"));
        for more in [
            differ_in_the_middle.as_str(),
            "",
            "@@ -1 +1 @@\n-1\n+3\n+4",
            "@@ -0,0 +1 @@\n+1",
            "@@ -1,2 +1,2 @@\n a\n-1\n+3",
        ] {
            assert_eq!(replaced_line(more), None, "{more}");
        }
    }
}
