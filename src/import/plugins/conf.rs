//! `slack_alert.conf` of the Python tool becomes `slack_alert.toml`, with the token in a file of its own.
//!
//! The file was read with Python's own rules for such files (see `scan.py`); here its values get the meaning that the
//! people who wrote them had, where the tool had another.

use std::path::PathBuf;

use super::super::{Imported, NewFile, quote};
use crate::id::Channel;
use crate::notify::settings::{ICON_EMOJI, ICON_URL, Look, USERNAME};
use crate::policy::parse_channel;

/// What the Python tool did before it paused a job, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    /// After so many alerts; at least one.
    pub(super) alerts: u64,
    /// For so many minutes; zero is not at all.
    pub(super) minutes: u64,
}

impl Default for Pause {
    fn default() -> Self {
        Self { alerts: 3, minutes: 60 }
    }
}

/// One setting: its name, its value as the file has it, and its line.
pub(super) type Item = (String, String, Option<usize>);

/// The message of an imported job: what the function returned, as the Python tool had it.
const TEMPLATE: &str = "{{ stdout | trim }}";

/// How long a function may take; under the Python tool it could take for ever.
const TIMEOUT: &str = "1h";

/// Texts of the file that are carried over, by the names of the Python tool.
#[derive(Debug, Default)]
struct Settings {
    token: Option<String>,
    channel: Option<String>,
    username: Option<String>,
    icon_emoji: Option<String>,
    icon_url: Option<String>,
    hours: Vec<String>,
}

/// Writes `slack_alert.toml` and the token's file; answers with the pause, which stands in each job. `origin` is the file
/// as it was given.
pub(super) fn convert(items: &[Item], origin: &str, imported: &mut Imported) -> Pause {
    let mut settings = Settings::default();
    let mut pause = Pause::default();
    for (key, raw, line) in items {
        let (value, remark) = clean(raw);
        if remark {
            let text =
                format!("`{key}`: the comment behind the value was part of it in the Python tool; here it is left out");
            imported.note(origin, *line, text);
        }
        let kept = Some(value.clone()).filter(|value| !value.is_empty());
        let mut note = |text: String| imported.note(origin, *line, text);
        match key.as_str() {
            "token" => settings.token = kept,
            "channel" => {
                settings.channel = kept.map(|name| Channel::new(&name).to_string());
                if let Some(Err(refusal)) = settings.channel.as_deref().map(parse_channel) {
                    note(format!("{}: {}; write it anew in slack_alert.toml", refusal.message, refusal.help));
                }
            }
            "username" => settings.username = looks(USERNAME, kept, note),
            "icon_emoji" => settings.icon_emoji = looks(ICON_EMOJI, kept.map(|name| in_colons(&name)), note),
            "icon_url" => settings.icon_url = looks(ICON_URL, kept, note),
            "working_hours" => settings.hours = hours(&value, &mut note),
            "max_alert" => {
                match value.parse::<u64>() {
                    Ok(0) => {
                        pause.alerts = 1;
                        note("`max_alert = 0` paused a job for good after its first alert in the Python tool; here it is 1".to_owned());
                    }
                    Ok(alerts) => pause.alerts = alerts.min(1_000_000),
                    Err(_) => note(format!("`max_alert`: `{value}` is no number; here it is {}", pause.alerts)),
                }
            }
            "pause_time" => match value.parse::<u64>() {
                // More than a year is as good as for ever, and a pause has an end here.
                Ok(minutes) => pause.minutes = minutes.min(366 * 24 * 60),
                Err(_) => {
                    note(format!("`pause_time`: `{value}` is no number of minutes; here it is {}", pause.minutes));
                }
            },
            "scheduler" => note("`scheduler` has no equivalent: the jobs are programs of their own".to_owned()),
            "path" | "config" | "ignore_global_config" => {
                note(format!("`{key}` is an option of the command line: left out"));
            }
            _ => note(format!("`{key}` meant nothing to the Python tool either: left out")),
        }
    }
    write_settings(&settings, origin, imported);
    pause
}

/// How messages look, where Slack takes it; else it is left out, and that is said.
fn looks((key, help, is_good): Look, value: Option<String>, note: impl FnOnce(String)) -> Option<String> {
    let value = value?;
    if is_good(&value) {
        return Some(value);
    }
    note(format!("`{key}`: Slack takes no `{value}`, which is left out; {help}"));
    None
}

/// The name of an emoji as Slack has it: `:fire:`, of `fire` too.
fn in_colons(name: &str) -> String {
    format!(":{}:", name.trim_matches(':'))
}

fn write_settings(settings: &Settings, origin: &str, imported: &mut Imported) {
    let mut out = quote::comment(&format!("Imported from {origin}"));
    out.push_str("jobs_dir = \"jobs.d\"\n\n[slack]\n");
    let mut put = |key: &str, value: &Option<String>| {
        if let Some(value) = value {
            out.push_str(&format!("{key} = {}\n", quote::text(value)));
        }
    };
    if let Some(token) = &settings.token {
        put("token_file", &Some("slack.token".to_owned()));
        let (path, content) = (PathBuf::from("slack.token"), format!("{token}\n"));
        imported.files.push(NewFile { path, content, secret: true, line: None });
        imported.note(
            origin,
            None,
            "the token goes to slack.token, which only its owner may read: keep it out of version control",
        );
    } else {
        imported.note(origin, None, "no token: until slack_alert.toml has a `token_file`, messages go to the terminal");
    }
    put("channel", &settings.channel);
    put("username", &settings.username);
    put("icon_emoji", &settings.icon_emoji);
    put("icon_url", &settings.icon_url);
    out.push_str("\n[defaults]\n");
    match settings.hours.as_slice() {
        [] => {}
        hours => out.push_str(&format!("working_hours = {}\n", quote::text(&hours.join(",")))),
    }
    out.push_str("# The first run comes after the first interval.\nfirst_run = \"wait\"\n");
    out.push_str(&format!("# This ends a function that hangs.\ntimeout = {}\n", quote::text(TIMEOUT)));
    out.push_str("# The message is what the function returned; a failure shows the end of its traceback.\n");
    out.push_str(&format!("template = {}\n", quote::text(TEMPLATE)));
    imported.files.push(NewFile { path: PathBuf::from("slack_alert.toml"), content: out, secret: false, line: None });
}

/// A value without its quotes and the comment behind it; and whether there was one. A `#` at the start of a word that
/// follows the value begins a comment; one that begins the value (`#ops`) does not, unless it stands alone.
fn clean(raw: &str) -> (String, bool) {
    let value = raw.lines().next().unwrap_or_default().trim();
    let cut = raw.trim().contains('\n');
    for quote in ['"', '\''] {
        if let Some((inner, rest)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            let rest = rest.trim();
            if rest.is_empty() || rest.starts_with(['#', ';']) {
                return (inner.trim().to_owned(), cut || !rest.is_empty());
            }
        }
    }
    let mut blank_before = true;
    for (at, c) in value.char_indices() {
        let alone = value[at + c.len_utf8()..].chars().next().is_none_or(char::is_whitespace);
        if matches!(c, '#' | ';') && blank_before && (at > 0 || alone) {
            return (value[..at].trim_end().to_owned(), true);
        }
        blank_before = c.is_whitespace();
    }
    (value.to_owned(), cut)
}

/// `9:30-19:00,20:00-23:59` as `working_hours` takes it. The Python tool counted the last minute in, so that `23:59` ran
/// to midnight.
fn hours(value: &str, note: &mut impl FnMut(String)) -> Vec<String> {
    let mut windows = Vec::new();
    if value.is_empty() {
        return windows;
    }
    for text in value.split(',').map(str::trim) {
        let times = text.split_once('-').and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
        let (from, to) = match times {
            Some((from, 1439)) => (from, 1440),
            Some((from, to)) if from != to && from < 1440 => (from, to),
            _ => {
                let why = "is no window of time (the Python tool then kept neither hours nor limits)";
                note(format!("`working_hours`: `{text}` {why}: left out"));
                continue;
            }
        };
        if to < from {
            note(format!(
                "`working_hours`: `{text}` goes over midnight; in the Python tool it was never true, here it is"
            ));
        }
        windows.push(format!("{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60));
    }
    windows
}

/// `H:M` as minutes of the day.
fn minute(text: &str) -> Option<u32> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute) = (hour.trim().parse::<u32>().ok()?, minute.trim().parse::<u32>().ok()?);
    (minute < 60 && hour <= 24 && hour * 60 + minute <= 1440).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::{Imported, Item, Pause, clean, convert, hours};

    #[test]
    fn values_are_what_people_meant() {
        for (raw, value, remark) in [
            ("test", "test", false),
            ("xoxp-1  # from the web page", "xoxp-1", true),
            ("xoxp-1 ; from the web page", "xoxp-1", true),
            ("''  # URL of an image", "", true),
            ("''", "", false),
            ("\"Movie # Bot\"", "Movie # Bot", false),
            ("#general", "#general", false),
            ("#general # the channel", "#general", true),
            ("# nothing", "", true),
            ("a#b;c", "a#b;c", false),
            ("100%", "100%", false),
            ("first\nsecond", "first", true),
            ("it's", "it's", false),
            ("", "", false),
        ] {
            assert_eq!(clean(raw), (value.to_owned(), remark), "{raw}");
        }
    }

    #[test]
    fn working_hours_are_written_with_two_digits_and_end_where_they_did() {
        for (given, written, notes) in [
            ("9:30-19:00", "09:30-19:00", 0),
            ("9:00-12:00, 13:00-18:00", "09:00-12:00,13:00-18:00", 0),
            ("0:00-23:59", "00:00-24:00", 0),
            ("22:00-6:00", "22:00-06:00", 1),
            ("9-17", "", 1),
            ("9:00-9:00", "", 1),
            ("9:00-25:00,8:00-24:00", "08:00-24:00", 1),
            ("", "", 0),
        ] {
            let mut said = Vec::new();
            assert_eq!(hours(given, &mut |text| said.push(text)).join(","), written, "{given}");
            assert_eq!(said.len(), notes, "{given}: {said:?}");
        }
    }

    #[test]
    fn of_a_channel_that_check_refuses_it_is_said_what_to_write() {
        for (given, notes) in [("Ops Room", 1), ("#ops", 0), ("C0123456789", 0)] {
            let mut imported = Imported::default();
            convert(&[("channel".to_owned(), given.to_owned(), Some(1))], "slack_alert.conf", &mut imported);
            let said = format!("{imported:?}").matches("is no channel").count();
            assert_eq!(said, notes, "{given}");
        }
    }

    #[test]
    fn what_slack_takes_for_no_look_is_left_out_and_said() {
        let long = "x".repeat(100);
        for (key, given, written) in [
            ("icon_emoji", ":fire:", Some(":fire:")),
            ("icon_emoji", "fire", Some(":fire:")),
            ("icon_emoji", ":fire", Some(":fire:")),
            ("icon_emoji", "fi re", None),
            ("icon_url", "https://example.com/x.png", Some("https://example.com/x.png")),
            ("icon_url", "x", None),
            ("username", "MovieBot", Some("MovieBot")),
            ("username", &long, None),
        ] {
            let mut imported = Imported::default();
            convert(&[(key.to_owned(), given.to_owned(), Some(1))], "slack_alert.conf", &mut imported);
            let line = written.map(|text| format!("\n{key} = \"{text}\"\n"));
            let content = &imported.files[0].content;
            assert_eq!(content.contains(key), written.is_some(), "{given}: {content}");
            assert!(line.is_none_or(|line| content.contains(&line)), "{given}: {content}");
            let said = imported.notes.iter().any(|note| note.text.contains("is left out"));
            assert_eq!(said, written.is_none(), "{given}: {:?}", imported.notes);
        }
    }

    #[test]
    fn the_sample_of_the_readme_means_what_it_says() {
        let items: Vec<Item> = [
            ("token", "xoxp-1-2-3  # register it"),
            ("channel", "test  # which channel"),
            ("username", "MovieBot  # name of bot."),
            ("icon_url", "''  # URL to an image"),
            ("icon_emoji", ":fire:  # overrides icon_url."),
            ("working_hours", "''  # only then"),
            ("max_alert", "5"),
            ("pause_time", "30"),
            ("sound", "ping"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned(), None))
        .into();
        let mut imported = Imported::default();
        assert_eq!(convert(&items, "slack_alert.conf", &mut imported), Pause { alerts: 5, minutes: 30 });
        let [token, settings] = imported.files.as_slice() else { panic!("{imported:?}") };
        assert_eq!((token.content.as_str(), token.secret), ("xoxp-1-2-3\n", true));
        assert_eq!(
            settings.content,
            "# Imported from slack_alert.conf\njobs_dir = \"jobs.d\"\n\n[slack]\ntoken_file = \"slack.token\"\nchannel = \"#test\"\n\
             username = \"MovieBot\"\nicon_emoji = \":fire:\"\n\n[defaults]\n\
             # The first run comes after the first interval.\nfirst_run = \"wait\"\n\
             # This ends a function that hangs.\ntimeout = \"1h\"\n\
             # The message is what the function returned; a failure shows the end of its traceback.\n\
             template = \"{{ stdout | trim }}\"\n"
        );
        let everything = format!("{imported:?}");
        assert!(!everything.contains("xoxp"), "{everything}");
        assert_eq!(imported.notes.iter().filter(|note| note.text.contains("behind the value")).count(), 6);
    }

    #[test]
    fn limits_that_are_no_numbers_stay_what_they_were() {
        let items: Vec<Item> = [("max_alert", "many"), ("pause_time", "-1")]
            .map(|(key, value)| (key.to_owned(), value.to_owned(), Some(2)))
            .into();
        let mut imported = Imported::default();
        assert_eq!(convert(&items, "conf", &mut imported), Pause::default());
        assert_eq!(imported.notes.iter().filter(|note| note.text.contains("is no number")).count(), 2);
    }
}
