//! The outbox's part of the configuration: `[fallback]`, and its part of `[limits]`.

use std::time::Duration;

use crate::diagnostic::Code;
use crate::document::{Key, Kind, Table, default_of};

/// The keys of `[limits]` that the outbox takes.
pub const LIMIT_KEYS: &[Key] = &[Key {
    name: "outbox_max_age",
    kind: Kind::Duration,
    default: "\"24h\"",
    about: "An alert that could not be delivered for this long becomes a dead letter: kept, listed by `slack-alert outbox`, and named in one digest when its channel can be reached again.",
}];

/// The keys of `[fallback]`.
pub const FALLBACK_KEYS: &[Key] = &[
    Key {
        name: "after",
        kind: Kind::Duration,
        default: "",
        about: "When alerts wait and Slack has taken nothing for this long, `command` is run: once per outage, and once at its end.",
    },
    Key {
        name: "command",
        kind: Kind::TextOrList,
        default: "",
        about: "The second way: text is given to /bin/sh, a list is executed as it stands. The details are on its standard input.",
    },
];

/// What to do when Slack is away for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// How long Slack must have taken nothing.
    pub after: Duration,
    /// Program and arguments.
    pub command: Vec<String>,
}

/// Reads `outbox_max_age`.
pub fn read_max_age(table: &mut Table<'_>) -> Duration {
    let usual = default_of(LIMIT_KEYS, "outbox_max_age").duration();
    let value = table.value("outbox_max_age");
    let Some(age) = value.as_ref().and_then(crate::document::Value::duration) else { return usual };
    if age.is_zero() {
        let help = "with no time at all every alert would be a dead letter; write `24h`, say";
        let refused = value.and_then(|value| value.refuse(Code::InvalidValue, "`outbox_max_age` is zero", help));
        return refused.unwrap_or(usual);
    }
    age
}

/// Reads `[fallback]`, the whole table; `None` where something in it is missing or wrong.
pub fn read_fallback(mut table: Table<'_>) -> Option<Fallback> {
    let after = table.value("after");
    if after.is_none() {
        table.missing("after", "say how long Slack may be away: `after = \"15m\"`");
    }
    let command = table.value("command");
    if command.is_none() {
        table.missing("command", "say what to run then: `command = \"mail -s … ops@example.com\"`");
    }
    let after = after.and_then(|value| match value.duration()? {
        Duration::ZERO => value.refuse(Code::InvalidValue, "`fallback.after` is zero", "write a time such as `15m`"),
        after => Some(after),
    });
    let command = command.and_then(|value| {
        let is_list = value.is_list();
        let words: Vec<String> = value.texts()?.iter().map(|text| text.value.to_owned()).collect();
        match words.first() {
            Some(first) if !first.trim().is_empty() => {}
            _ => return value.refuse(Code::InvalidValue, "`fallback.command` is empty", "write a command to run"),
        }
        let shell = || ["/bin/sh", "-c"].map(str::to_owned).into_iter();
        Some(if is_list { words } else { shell().chain(words).collect() })
    });
    table.finish();
    Some(Fallback { after: after?, command: command? })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::{FALLBACK_KEYS, Fallback, LIMIT_KEYS, read_fallback, read_max_age};
    use crate::diagnostic::{Code, Sources};
    use crate::document::{Reader, Table};

    const MAX_AGE: Duration = Duration::from_secs(86_400);

    /// Reads a `[fallback]` and a `[limits]`, and gives what came of them with the codes of all problems.
    fn read(text: &str) -> (Option<Fallback>, Duration, Vec<Code>) {
        let mut sources = Sources::default();
        let id = sources.add(Path::new("slack_alert.toml"), text);
        let parsed = toml::de::DeTable::parse(text).expect("the tests write valid TOML");
        let reader = Reader::default();
        let mut root = Table::root(&reader, id, text, parsed.get_ref());
        let mut limits = root.table_or_empty("limits");
        let age = read_max_age(&mut limits);
        let keys = LIMIT_KEYS.iter().chain(crate::store::LIMIT_KEYS).map(|key| key.name);
        crate::store::read_history(&mut limits);
        let mut known: Vec<_> = keys.collect();
        known.sort_unstable();
        assert_eq!(limits.asked(), known);
        let fallback = root.table("fallback").and_then(read_fallback);
        (fallback, age, reader.into_problems().iter().map(|problem| problem.code).collect())
    }

    #[test]
    fn the_keys_are_read_as_written() {
        let shell = |command: &str| ["/bin/sh", "-c", command].map(str::to_owned).to_vec();
        let after = Duration::from_secs(900);
        for (text, fallback, age, problems) in [
            ("", None, MAX_AGE, vec![]),
            ("limits.outbox_max_age = '2h'", None, Duration::from_secs(7_200), vec![]),
            ("limits.outbox_max_age = '0s'", None, MAX_AGE, vec![Code::InvalidValue]),
            ("limits.outbox_max_age = 'soon'", None, MAX_AGE, vec![Code::InvalidDuration]),
            (
                "fallback = { after = '15m', command = 'mail ops' }",
                Some(Fallback { after, command: shell("mail ops") }),
                MAX_AGE,
                vec![],
            ),
            (
                "fallback = { after = '15m', command = ['mail', 'ops'] }",
                Some(Fallback { after, command: vec!["mail".into(), "ops".into()] }),
                MAX_AGE,
                vec![],
            ),
            ("fallback = { after = '15m', command = [] }", None, MAX_AGE, vec![Code::InvalidValue]),
            ("fallback = { after = '0s', command = ' ' }", None, MAX_AGE, vec![Code::InvalidValue, Code::InvalidValue]),
            ("fallback = { zzz = '15m' }", None, MAX_AGE, vec![Code::MissingKey, Code::MissingKey, Code::UnknownKey]),
        ] {
            assert_eq!(read(text), (fallback, age, problems), "{text}");
        }
        assert_eq!(FALLBACK_KEYS.iter().map(|key| key.name).collect::<Vec<_>>(), ["after", "command"]);
    }
}
