//! What happened, in words: the sentence of a message's first line, and the facts of its context line.
//!
//! Before it: a [`Notice`]. After it: the default message. Everything here is mrkdwn, already escaped.

use super::Notice;
use super::text::{clean_str, escape};
use super::vars::{dropped, show};
use crate::clock::between;
use crate::document::format_duration;
use crate::exec::{Ending, Reason, Status, signal_name};
use crate::policy::Event;

/// The emoji of a status.
pub(super) fn emoji(status: Status) -> &'static str {
    match status {
        Status::Ok => ":large_green_circle:",
        Status::Warning => ":large_yellow_circle:",
        Status::Critical => ":red_circle:",
        Status::Unknown => ":white_circle:",
    }
}

/// The colour bar of a status.
pub(super) fn color(status: Status) -> &'static str {
    match status {
        Status::Ok => "#2eb67d",
        Status::Warning => "#ecb22e",
        Status::Critical => "#e01e5a",
        Status::Unknown => "#8d8d8d",
    }
}

/// The emoji of what a notice is about.
pub(super) fn emoji_of(notice: &Notice) -> &'static str {
    match notice.event {
        Event::Stuck => ":hourglass_flowing_sand:",
        Event::Flapping => ":twisted_rightwards_arrows:",
        _ => emoji(notice.outcome.status),
    }
}

/// What happened: `exited with 2 after 1.3s, third time in a row`. Escaped.
pub(super) fn happened(notice: &Notice) -> String {
    let remark = one_line(&notice.remark);
    let after = |sentence: String| match remark.as_str() {
        "" => sentence,
        remark => format!("{sentence}, {remark}"),
    };
    match notice.event {
        Event::Recovery => recovered(notice, &remark),
        Event::Stuck if remark.is_empty() => "is stuck: its last run is still going".to_owned(),
        Event::Stuck => format!("is stuck: {remark}"),
        Event::Flapping if remark.is_empty() => "flaps: its status keeps changing".to_owned(),
        Event::Flapping => remark,
        Event::Change => after(format!("changed its output, {}", ended(notice))),
        Event::Failure | Event::Repeat => match streak(notice) {
            Some(streak) if remark.is_empty() => format!("{}, {streak}", ended(notice)),
            _ => after(ended(notice)),
        },
        Event::Output | Event::Success => after(ended(notice)),
    }
}

/// How the run ended.
fn ended(notice: &Notice) -> String {
    let outcome = &notice.outcome;
    let took = format_duration(outcome.took);
    let mut words = match &outcome.ending {
        Ending::Exited { code: 0 } if outcome.status == Status::Ok => format!("ran well in {took}"),
        Ending::Exited { code } if outcome.status == Status::Ok => format!("ran well with {code} in {took}"),
        Ending::Exited { code } => format!("exited with {code} after {took}"),
        Ending::Signaled { signal } => format!("was killed by {} after {took}", signal_name(*signal)),
        Ending::TimedOut { after, killed: false } => format!("timed out after {}", format_duration(*after)),
        Ending::TimedOut { after, killed: true } => {
            format!("timed out after {} and had to be killed", format_duration(*after))
        }
        Ending::NotStarted { error } => format!("could not be started: {}", one_line(error)),
        Ending::Interrupted => format!("was interrupted after {took}"),
    };
    if outcome.attempts > 1 {
        words.push_str(&format!(", {} attempts", outcome.attempts));
    }
    if outcome.reason == Reason::Output && !outcome.detail.trim().is_empty() {
        words.push_str(&format!(": {}", one_line(&outcome.detail)));
    }
    words
}

/// `recovered after 47m, 3 failures`. What `policy` counts the same way is not said twice.
fn recovered(notice: &Notice, remark: &str) -> String {
    let more = remark.split(", ").filter(|part| !part.is_empty() && !part.contains(" failure"));
    let sentence = match &notice.incident {
        None => format!("recovered, {}", ended(notice)),
        Some(incident) => {
            let lasted = format_duration(between(incident.started, notice.outcome.finished));
            let failures = if incident.failures == 1 { "failure" } else { "failures" };
            format!("recovered after {lasted}, {} {failures}", incident.failures)
        }
    };
    std::iter::once(sentence.as_str()).chain(more).collect::<Vec<_>>().join(", ")
}

/// `third time in a row`, from the second on.
fn streak(notice: &Notice) -> Option<String> {
    let failures = notice.incident.as_ref()?.failures;
    (failures > 1).then(|| format!("{} time in a row", ordinal(failures)))
}

fn ordinal(number: u32) -> String {
    const WORDS: [&str; 9] = ["second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
    if let Some(word) = usize::try_from(number).ok().and_then(|n| n.checked_sub(2)).and_then(|n| WORDS.get(n)) {
        return (*word).to_owned();
    }
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// Host, exit code or signal, duration, schedule and start: one line, escaped but for the date, which Slack shows in the
/// reader's zone.
pub(super) fn context(notice: &Notice) -> String {
    let outcome = &notice.outcome;
    let mut facts = vec![escape(&notice.host)];
    match &outcome.ending {
        _ if notice.event == Event::Stuck => {}
        Ending::Exited { code } => facts.push(format!("exit {code}")),
        Ending::Signaled { signal } => facts.push(signal_name(*signal)),
        Ending::TimedOut { .. } => facts.push("timeout".to_owned()),
        Ending::NotStarted { .. } => facts.push("not started".to_owned()),
        Ending::Interrupted => facts.push("interrupted".to_owned()),
    }
    if !matches!(outcome.ending, Ending::NotStarted { .. }) {
        facts.push(format_duration(outcome.took));
    }
    facts.push(one_line(&notice.job.schedule));
    let epoch = outcome.started.as_second();
    let zoned = show(&outcome.started.to_zoned(notice.zone.clone()));
    facts.push(format!("<!date^{epoch}^{{date_short_pretty}} {{time_secs}}|{zoned}>"));
    facts.retain(|fact| !fact.is_empty());
    facts.join("  ·  ")
}

/// What else there is to know: output thrown away, pipes left open, alerts held, a pause to come. Escaped.
pub(super) fn notes(notice: &Notice) -> Vec<String> {
    let mut notes = Vec::new();
    let dropped = dropped(notice);
    if dropped > 0 {
        notes.push(format!("{} of output dropped (`max_output`)", format_bytes(dropped)));
    }
    if notice.outcome.leaked {
        notes.push("a process it started still holds its output open".to_owned());
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

/// Text on one line, escaped, at most as long as a first line may be.
pub(super) fn one_line(text: &str) -> String {
    let words = clean_str(text).split_whitespace().collect::<Vec<_>>().join(" ");
    escape(&super::fit::cut_plain(&words, 300).0)
}

/// A number of bytes as people say it.
pub(super) fn format_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut size = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if size < 1023.95 {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    let shown = format!("{size:.1}");
    format!("{} {unit}", shown.strip_suffix(".0").unwrap_or(&shown))
}

#[cfg(test)]
mod tests {
    use super::{format_bytes, ordinal};

    #[test]
    fn numbers_and_names_as_people_say_them() {
        let words = [2, 3, 10, 11, 12, 21, 22, 23, 112].map(ordinal);
        assert_eq!(words, ["second", "third", "tenth", "11th", "12th", "21st", "22nd", "23rd", "112th"]);
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (1 << 20, "1 MiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(format_bytes(bytes), shown);
        }
    }
}
