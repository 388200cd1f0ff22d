//! `exit_codes`: what an exit code or a signal means.
//!
//! Before it: a job's table. After it: `assess`.

use crate::diagnostic::{Code, Problem};
use crate::document::{Key, Kind, Table, Value, nearest};
use crate::exec::outcome::Status;
use crate::exec::signals;

/// What the end of a process means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A status.
    Status(Status),
    /// A precondition was not met: it counts as not run.
    Skip,
}

/// How a process ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// By this signal (signal(7)).
    Signal(i32),
}

impl Exit {
    fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal(_) => None,
        }
    }
}

/// What each exit code and each signal means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ExitCodes {
    /// 0 is ok, all else critical.
    #[default]
    Plain,
    /// 0 ok, 1 warning, 2 critical, 3 unknown. What a plugin cannot mean is unknown too.
    Nagios,
    /// As listed; what is not, is as with [`ExitCodes::Plain`]. Where exit codes are listed that are ok, 0 is listed too.
    Listed(Box<[(Exit, Meaning)]>),
}

const LIST: Kind =
    Kind::OneOf(&[Kind::Integer(0, 255), Kind::Text, Kind::ListOf(&[Kind::Integer(0, 255), Kind::Text])]);

/// The keys of this file.
pub(super) const KEYS: &[Key] = &[Key {
    name: "exit_codes",
    kind: Kind::OneOf(&[Kind::Choice(&["nagios"]), Kind::Table(TABLE)]),
    default: "{ ok = [0] }",
    about: "What exit codes and signals mean. \"nagios\": 0 ok, 1 warning, 2 critical, all else unknown.",
}];

const TABLE: &[Key] = &[
    Key {
        name: "ok",
        kind: LIST,
        default: "[0]",
        about: "Exit codes and signals that are well. Where exit codes are listed, 0 is well only if it is one of them.",
    },
    Key { name: "warning", kind: LIST, default: "", about: "Exit codes and signals that are a warning." },
    Key {
        name: "critical",
        kind: LIST,
        default: "",
        about: "Exit codes and signals that are critical; so is all that is not listed.",
    },
    Key { name: "unknown", kind: LIST, default: "", about: "Exit codes and signals that say that nothing is known." },
    Key {
        name: "skip",
        kind: LIST,
        default: "",
        about: "Exit codes and signals that say that a precondition was not met: the run counts as not run.",
    },
];

const MEANINGS: [(&str, Meaning); 5] = [
    ("ok", Meaning::Status(Status::Ok)),
    ("warning", Meaning::Status(Status::Warning)),
    ("critical", Meaning::Status(Status::Critical)),
    ("unknown", Meaning::Status(Status::Unknown)),
    ("skip", Meaning::Skip),
];

impl ExitCodes {
    /// What this end means.
    pub fn meaning(&self, exit: Exit) -> Meaning {
        let listed = match self {
            Self::Listed(list) => {
                let listed = |exit| list.iter().find(|(listed, _)| *listed == exit).map(|(_, meaning)| *meaning);
                listed(exit).or_else(|| listed(Exit::Signal(signals::of_shell(exit.code()?)?)))
            }
            Self::Nagios => match exit {
                Exit::Code(1) => Some(Meaning::Status(Status::Warning)),
                Exit::Code(0 | 2) | Exit::Signal(_) => None,
                Exit::Code(_) => Some(Meaning::Status(Status::Unknown)),
            },
            Self::Plain => None,
        };
        listed.unwrap_or(Meaning::Status(match exit {
            Exit::Code(0) => Status::Ok,
            _ => Status::Critical,
        }))
    }

    /// Whether a run may count as not run.
    pub fn may_skip(&self) -> bool {
        matches!(self, Self::Listed(list) if list.iter().any(|(_, meaning)| *meaning == Meaning::Skip))
    }

    pub(super) fn read(table: &mut Table<'_>) -> Self {
        table.value("exit_codes").and_then(|value| Self::read_value(&value)).unwrap_or_default()
    }

    fn read_value(value: &Value<'_>) -> Option<Self> {
        if value.is_text() {
            return match value.text()?.value {
                "nagios" => Some(Self::Nagios),
                other => {
                    let message = format!("`{other}` is no value for `{}`", value.path());
                    value.refuse(Code::InvalidValue, message, "it can be \"nagios\", or a table: `{ ok = [0, 1] }`")
                }
            };
        }
        if !value.is_table() {
            return value.wrong_type("\"nagios\" or a table such as `{ ok = [0], warning = [1] }`");
        }
        let mut table = value.table()?;
        let list = read_lists(&mut table);
        table.finish();
        list.map(|list| Self::Listed(list.into()))
    }
}

/// Every list of the table; `None` when anything in it is wrong.
fn read_lists(table: &mut Table<'_>) -> Option<Vec<(Exit, Meaning)>> {
    let mut seen: Vec<(Exit, Meaning, &str, Value<'_>)> = Vec::new();
    let mut good = true;
    let written = MEANINGS.map(|(name, meaning)| (name, meaning, table.value(name)));
    let mut written: Vec<_> =
        written.into_iter().filter_map(|(name, meaning, value)| Some((name, meaning, value?))).collect();
    // What the job says of a code is before what `[defaults]` say of it.
    written.sort_by_key(|(_, _, value)| value.inherited);
    for (name, meaning, value) in &written {
        let (name, meaning) = (*name, *meaning);
        for item in value.items().unwrap_or_else(|| vec![value.clone()]) {
            let Some(exit) = read_exit(&item) else {
                good = false;
                continue;
            };
            let twice = seen.iter().find(|(other, other_meaning, ..)| *other == exit && *other_meaning != meaning);
            if twice.is_some_and(|(.., first)| !first.inherited && item.inherited) {
                continue;
            }
            if let Some((_, _, other, first)) = twice {
                good = false;
                let message = format!("`{}` is in `{other}` already, it cannot be in `{name}` too", shown(exit));
                let problem = Problem::new(Code::ConflictingKeys, item.at, message).also(first.at, "here");
                table.push(problem.help("leave it in one of the lists"));
            } else {
                seen.push((exit, meaning, name, item));
            }
        }
    }
    let zero = Exit::Code(0);
    let is_ok = |value: &Value<'_>| {
        let items = value.items().unwrap_or_else(|| vec![value.clone()]);
        // Names of signals say nothing of exit codes.
        items.is_empty() || items.iter().any(Value::is_integer)
    };
    let names_codes = written.iter().any(|(name, _, value)| *name == "ok" && is_ok(value));
    let is_listed = seen.iter().any(|(exit, ..)| *exit == zero);
    let rest = (names_codes && !is_listed).then_some((zero, Meaning::Status(Status::Critical)));
    good.then(|| seen.into_iter().map(|(exit, meaning, ..)| (exit, meaning)).chain(rest).collect())
}

/// An exit code, or a signal by its name; else a problem.
pub fn read_exit(item: &Value<'_>) -> Option<Exit> {
    if item.is_integer() {
        return item.integer(0..=255).and_then(|code| i32::try_from(code).ok()).map(Exit::Code);
    }
    if !item.is_text() {
        return item.wrong_type("an exit code or the name of a signal");
    }
    let text = item.text()?;
    if let Some(signal) = signals::number(text.value) {
        return Some(Exit::Signal(signal));
    }
    let names = signals::names();
    let help = if text.value.trim().parse::<u8>().is_ok() {
        format!("write exit codes without quotes: {}", text.value.trim())
    } else {
        let upper = text.value.to_ascii_uppercase();
        let full = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
        match nearest(&full, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "signals are called \"SIGTERM\", \"SIGKILL\" …, see `kill -l`".to_owned(),
        }
    };
    item.refuse(Code::InvalidValue, format!("`{}` is not a signal", text.value), help)
}

fn shown(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => code.to_string(),
        Exit::Signal(signal) => signals::name(signal),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{read_one, read_problems};
    use super::{Exit, ExitCodes, Meaning};
    use crate::exec::outcome::Status;

    fn meaning(codes: &ExitCodes, exit: Exit) -> &'static str {
        match codes.meaning(exit) {
            Meaning::Status(status) => status.as_str(),
            Meaning::Skip => "skip",
        }
    }

    #[test]
    fn plainly_zero_is_well_and_all_else_is_not() {
        for code in 0..=255 {
            let expected = if code == 0 { Status::Ok } else { Status::Critical };
            assert_eq!(ExitCodes::Plain.meaning(Exit::Code(code)), Meaning::Status(expected), "{code}");
        }
        for signal in 1..=64 {
            assert_eq!(meaning(&ExitCodes::Plain, Exit::Signal(signal)), "critical");
        }
    }

    #[test]
    fn plugins_have_four_codes_and_what_they_cannot_mean_is_unknown() {
        let codes = read_one("command = 'x'\nexit_codes = 'nagios'").exit_codes;
        for (code, expected) in
            [(0, "ok"), (1, "warning"), (2, "critical"), (3, "unknown"), (4, "unknown"), (127, "unknown")]
        {
            assert_eq!(meaning(&codes, Exit::Code(code)), expected, "{code}");
        }
        assert_eq!(meaning(&codes, Exit::Signal(11)), "critical");
    }

    #[test]
    fn what_is_listed_means_what_the_list_says() {
        let codes = read_one(
            "command = 'x'\nexit_codes = { ok = [0, 'SIGTERM'], warning = 1, unknown = ['kill', 3], skip = [75] }",
        )
        .exit_codes;
        for (exit, expected) in [
            (Exit::Code(0), "ok"),
            (Exit::Signal(15), "ok"),
            (Exit::Code(1), "warning"),
            (Exit::Code(2), "critical"),
            (Exit::Code(3), "unknown"),
            (Exit::Signal(9), "unknown"),
            (Exit::Signal(11), "critical"),
            (Exit::Code(75), "skip"),
            // What a shell makes of the signals.
            (Exit::Code(143), "ok"),
            (Exit::Code(137), "unknown"),
            (Exit::Code(139), "critical"),
        ] {
            assert_eq!(meaning(&codes, exit), expected, "{exit:?}");
        }
        let codes = read_one("command = 'x'\nexit_codes = { ok = ['SIGTERM'], warning = [143] }").exit_codes;
        assert_eq!(meaning(&codes, Exit::Code(143)), "warning", "a code that is listed means what it says");
        for (listed, zero) in [
            ("critical = [0]", "critical"),
            ("ok = [1]", "critical"),
            ("ok = 1", "critical"),
            ("ok = []", "critical"),
            ("ok = [1, 'SIGTERM']", "critical"),
            ("ok = [1], warning = [0]", "warning"),
            ("ok = ['SIGTERM']", "ok"),
            ("ok = 'SIGTERM'", "ok"),
            ("warning = [1]", "ok"),
        ] {
            let codes = read_one(&format!("command = 'x'\nexit_codes = {{ {listed} }}")).exit_codes;
            assert_eq!(meaning(&codes, Exit::Code(0)), zero, "{listed}");
        }
    }

    #[test]
    fn wrong_lists_are_shown_where_they_are_wrong() {
        for (value, culprit, says) in [
            ("{ ok = [0, 1], warning = [1] }", "1", "`1` is in `ok` already"),
            ("{ ok = ['TERM'], skip = ['SIGTERM'] }", "'SIGTERM'", "`SIGTERM` is in `ok` already"),
            ("{ ok = [256] }", "256", "out of range"),
            ("{ ok = [-1] }", "-1", "out of range"),
            ("{ ok = ['SIGTREM'] }", "'SIGTREM'", "is not a signal"),
            ("{ ok = ['75'] }", "'75'", "is not a signal"),
            ("{ ok = [true] }", "true", "must be an exit code or the name of a signal"),
            ("{ okay = [1] }", "okay", "unknown key `okay`"),
            ("'nagio'", "'nagio'", "is no value for"),
            ("[0]", "[0]", "must be \"nagios\" or a table"),
        ] {
            let problems = read_problems(&format!("command = 'x'\nexit_codes = {value}"));
            assert_eq!(problems.len(), 1, "{value}: {problems:?}");
            assert_eq!(problems[0].0, culprit, "{value}");
            assert!(problems[0].1.contains(says), "{value}: {problems:?}");
        }
    }
}
