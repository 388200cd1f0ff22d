//! How a run ended, times and sizes, emoji and colours: what headlines and context lines are made of.
//!
//! Before it: facts of a [`Notice`]. After it: `headline` and `context`.

use std::time::Duration;

use jiff::Timestamp;

use super::Notice;
use super::text::clean_str;
use crate::clock::between;
use crate::document::format_duration;
use crate::exec::{Ending, Status, signal_name, signal_of_shell};
use crate::slack::{closed, cut_plain, escape};

/// What happened longer ago than this is told with its time.
pub(super) const JUST_NOW: Duration = Duration::from_secs(60);

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

/// How a process ended: "exit code 1", "SIGSEGV (exit code 139)", "timed out after 10m". Plain text.
pub(super) fn ended(ending: &Ending) -> String {
    match ending {
        Ending::Exited { code: 126 } => "command not executable (exit code 126)".to_owned(),
        Ending::Exited { code: 127 } => "command not found (exit code 127)".to_owned(),
        Ending::Exited { code } => match signal_of_shell(*code) {
            Some(signal) => format!("{} (exit code {code})", signal_name(signal)),
            None => format!("exit code {code}"),
        },
        Ending::Signaled { signal } => format!("{} (exit code {})", signal_name(*signal), 128 + signal),
        Ending::TimedOut { after, killed: false } => format!("timed out after {}", format_duration(*after)),
        Ending::TimedOut { after, killed: true } => {
            format!("timed out after {} and had to be killed", format_duration(*after))
        }
        Ending::NotStarted { .. } => "not started".to_owned(),
        Ending::CutOff { by } if by.is_before_start() => "not started".to_owned(),
        Ending::Interrupted | Ending::CutOff { .. } => "interrupted".to_owned(),
        Ending::Lost { .. } | Ending::Reported { .. } | Ending::Unfinished { .. } => ending.words(),
        Ending::Missing { .. } => "did not run".to_owned(),
    }
}

/// A time of day in the job's zone; with the date when that is a day away or more. What lies ahead is counted from the minute in
/// which it is told: 03:00 tomorrow is not told as 03:00 a few seconds after three.
pub(super) fn clock(notice: &Notice, at: Timestamp) -> String {
    let minute = Timestamp::from_second(notice.now.as_second().div_euclid(60) * 60).unwrap_or(notice.now);
    let recent = between(at, notice.now).as_secs() < 86_400 && between(minute, at).as_secs() < 86_400;
    let form = match (recent, notice.job.foreign_zone) {
        (true, false) => "%H:%M",
        (false, false) => "%Y-%m-%d %H:%M",
        (true, true) => "%H:%M %Z",
        (false, true) => "%Y-%m-%d %H:%M %Z",
    };
    at.to_zoned(notice.zone.clone()).strftime(form).to_string()
}

/// Text on one line, at most as long as a headline may be.
pub fn short(text: &str) -> String {
    let words = clean_str(text).split_whitespace().collect::<Vec<_>>().join(" ");
    cut_plain(&words, 300).0
}

/// The same, escaped.
pub(super) fn one_line(text: &str) -> String {
    escape(&closed(&short(text)))
}

/// A number of bytes as people say it.
#[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
pub(super) fn format_bytes(bytes: u64) -> String {
    format_size(bytes as f64)
}

/// The same of any number that is not below 0. By hand: the crates that do it round just below a unit to `1024.0 KiB`.
pub(super) fn format_size(mut size: f64) -> String {
    const UNITS: [&str; 8] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];
    if size < 1023.5 {
        return format!("{size:.0} B");
    }
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
    use std::time::Duration;

    use super::{ended, format_bytes};
    use crate::exec::Ending;

    #[test]
    fn sizes_as_people_say_them() {
        for (bytes, shown) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (1 << 20, "1 MiB"), (u64::MAX, "16 EiB")]
        {
            assert_eq!(format_bytes(bytes), shown);
        }
    }

    #[test]
    fn every_ending_has_its_words() {
        let after = Duration::from_secs(600);
        for (ending, words) in [
            (Ending::Exited { code: 0 }, "exit code 0"),
            (Ending::Exited { code: 1 }, "exit code 1"),
            (Ending::Exited { code: 126 }, "command not executable (exit code 126)"),
            (Ending::Exited { code: 127 }, "command not found (exit code 127)"),
            (Ending::Exited { code: 128 }, "exit code 128"),
            (Ending::Exited { code: 137 }, "SIGKILL (exit code 137)"),
            (Ending::Exited { code: 139 }, "SIGSEGV (exit code 139)"),
            (Ending::Exited { code: 159 }, "SIGSYS (exit code 159)"),
            (Ending::Exited { code: 160 }, "exit code 160"),
            (Ending::Exited { code: 255 }, "exit code 255"),
            (Ending::Signaled { signal: 11 }, "SIGSEGV (exit code 139)"),
            (Ending::TimedOut { after, killed: false }, "timed out after 10m"),
            (Ending::TimedOut { after, killed: true }, "timed out after 10m and had to be killed"),
            (Ending::Interrupted, "interrupted"),
        ] {
            assert_eq!(ended(&ending), words);
        }
    }
}
