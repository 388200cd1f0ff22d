//! `[[test]]`: cases that a job file holds of itself, read. `check` tries them; no daemon looks at them.
//!
//! Before it: the job's table. After it: `simulate::cases`, which runs them through the real judge and renderer.

use std::time::Duration;

use crate::diagnostic::{Code, Place, Problem};
use crate::document::{Key, Kind, Table, Value};
use crate::exec::{Ending, Exit, read_exit};

const EVENTS: &[&str] = &["output", "failure", "repeat", "recovery", "success", "change", "flapping", "stuck"];
const STATUSES: &[&str] = &["ok", "warning", "critical", "unknown"];
const HELD: &[&str] = &[
    "below-after",
    "repeat-not-due",
    "rate-limited",
    "quiet-hours",
    "flapping",
    "silenced",
    "unchanged",
    "blank",
    "not-asked",
    "never-reported",
    "not-run",
];

/// The keys of one run of `given`.
const GIVEN: &[Key] = &[
    Key { name: "exit", kind: Kind::Integer(0, 255), default: "0", about: "The command's exit code." },
    Key { name: "signal", kind: Kind::Text, default: "", about: "The signal that killed it, as \"SIGKILL\"." },
    Key { name: "timeout", kind: Kind::Flag, default: "false", about: "Whether its time was up." },
    Key { name: "stdout", kind: Kind::Text, default: "", about: "What it printed." },
    Key { name: "stderr", kind: Kind::Text, default: "", about: "What it said on standard error." },
    Key {
        name: "after",
        kind: Kind::Duration,
        default: "1m",
        about: "How long after the run before; of the first run, after noon of a Monday.",
    },
    Key {
        name: "at",
        kind: Kind::Text,
        default: "",
        about: "The time of day of the run, in the job's zone: \"03:00\". The next such time after the run before.",
    },
];

/// The keys of `expect`.
const EXPECT: &[Key] = &[
    Key { name: "event", kind: Kind::Choice(EVENTS), default: "", about: "What the message is about." },
    Key { name: "status", kind: Kind::Choice(STATUSES), default: "", about: "The status of the last run." },
    Key { name: "contains", kind: Kind::TextOrList, default: "", about: "What stands in the message." },
    Key { name: "channel", kind: Kind::TextOrList, default: "", about: "Where it goes: these channels and no others." },
    Key { name: "held", kind: Kind::Choice(HELD), default: "", about: "Nothing is said, for this reason." },
];

/// The keys of `[[test]]`.
pub(super) const KEYS: &[Key] = &[
    Key { name: "name", kind: Kind::Text, default: "", about: "What the case shows, in a sentence." },
    Key {
        name: "given",
        kind: Kind::OneOf(&[Kind::Table(GIVEN), Kind::Tables(GIVEN)]),
        default: "",
        about: "One run, or several one after the other; the last is the one in question.",
    },
    Key { name: "expect", kind: Kind::Table(EXPECT), default: "", about: "What is to come of the last run." },
];

/// Without `after`, runs are a minute apart.
const APART: Duration = Duration::from_secs(60);

/// No case needs more runs than this.
const MOST_RUNS: usize = 10_000;

/// A case.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// Where it stands.
    pub at: Place,
    /// The runs; one or more.
    pub given: Vec<Given>,
    /// What is to come of the last.
    pub expected: Expected,
}

/// A run that is assumed.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// How long after the run before.
    pub after: Duration,
    /// The time of day to which the clock then goes on.
    pub at: Option<jiff::civil::Time>,
    /// How it ends.
    pub ending: Ending,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// What is expected: each with its place. What is not said is not looked at.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// What the message is about.
    pub event: Option<(String, Place)>,
    /// The status of the run.
    pub status: Option<(String, Place)>,
    /// What stands in the message.
    pub contains: Vec<(String, Place)>,
    /// The message's channels.
    pub channel: Option<(Vec<String>, Place)>,
    /// Why nothing is said.
    pub held: Option<(String, Place)>,
}

/// Takes `test` from a job's table. A case that cannot be understood is a problem and is left out.
pub(super) fn read(table: &mut Table<'_>) -> Vec<Case> {
    let Some(value) = table.value("test") else { return Vec::new() };
    let Some(items) = value.items() else {
        return value.wrong_type("a list of tables: write `[[test]]`").unwrap_or_default();
    };
    items.iter().filter_map(read_case).collect()
}

fn read_case(item: &Value<'_>) -> Option<Case> {
    let mut table = item.table()?;
    let before = table.reader().errors();
    let name = table.text("name").map(|text| text.value.to_owned());
    let given = table.value("given");
    let expect = table.table("expect");
    if given.is_none() {
        table.missing("given", "say how the run ends, as `given = { exit = 2, stdout = \"…\" }`");
    }
    if expect.is_none() {
        table.missing("expect", "say what is to come of it, as `expect = { event = \"failure\" }`");
    }
    let given = given.map(|given| read_runs(&given));
    let expected = expect.map(read_expected);
    let good = table.reader().errors() == before;
    table.finish();
    let name = name.unwrap_or_else(|| "a test without a name".to_owned());
    let (given, expected) = (given?, expected?);
    (good && !given.is_empty()).then_some(Case { name, at: item.at, given, expected })
}

/// One run, or a list of them.
fn read_runs(value: &Value<'_>) -> Vec<Given> {
    let Some(items) = value.items() else { return read_run(value).into_iter().collect() };
    if items.is_empty() || items.len() > MOST_RUNS {
        let message = format!("`{}` has {} runs", value.path(), items.len());
        let help = format!("it has at least one, and at most {MOST_RUNS}");
        return value.refuse(Code::InvalidValue, message, help).unwrap_or_default();
    }
    items.iter().filter_map(read_run).collect()
}

fn read_run(value: &Value<'_>) -> Option<Given> {
    let mut table = value.table()?;
    let code = table.integer("exit", 0..=255);
    let signal = table.value("signal");
    let timeout = table.flag("timeout").unwrap_or(false);
    for (first, second) in [("exit", "signal"), ("exit", "timeout"), ("signal", "timeout")] {
        table.conflict(first, second, "a run ends in one way");
    }
    let signal = signal.and_then(|signal| match read_exit(&signal) {
        Some(Exit::Signal(signal)) => Some(signal),
        Some(Exit::Code(_)) => signal.wrong_type("the name of a signal, as \"SIGKILL\""),
        None => None,
    });
    let text = |table: &mut Table<'_>, key| table.text(key).map(|text| text.value.to_owned()).unwrap_or_default();
    let (stdout, stderr) = (text(&mut table, "stdout"), text(&mut table, "stderr"));
    let after = table.duration("after");
    let at = table.value("at").and_then(|value| read_time(&value));
    table.finish();
    let ending = match (signal, timeout) {
        (Some(signal), _) => Ending::Signaled { signal },
        (None, true) => Ending::TimedOut { after: Duration::ZERO, killed: false },
        (None, false) => Ending::Exited { code: code.and_then(|code| i32::try_from(code).ok()).unwrap_or(0) },
    };
    Some(Given { after: after.unwrap_or(APART), at, ending, stdout, stderr })
}

fn read_time(value: &Value<'_>) -> Option<jiff::civil::Time> {
    let text = value.text()?.value;
    text.contains(':')
        .then(|| text.parse().ok())
        .flatten()
        .or_else(|| value.refuse(Code::InvalidValue, format!("`{text}` is no time of day"), "write it as \"03:00\""))
}

fn read_expected(mut table: Table<'_>) -> Expected {
    let choice = |table: &mut Table<'_>, key: &'static str, names: &'static [&'static str]| {
        let at = table.value(key)?.at;
        Some((table.choice::<String>(key, names)?, at))
    };
    let expected = Expected {
        event: choice(&mut table, "event", EVENTS),
        status: choice(&mut table, "status", STATUSES),
        contains: table
            .texts("contains")
            .unwrap_or_default()
            .into_iter()
            .map(|text| (text.value.to_owned(), text.at))
            .collect(),
        channel: table
            .value("channel")
            .and_then(|value| Some((value.texts()?.into_iter().map(|text| text.value.to_owned()).collect(), value.at))),
        held: choice(&mut table, "held", HELD),
    };
    for key in ["event", "contains", "channel"] {
        table.conflict("held", key, "what is held is not said");
    }
    let any = ["event", "status", "contains", "channel", "held"].into_iter().any(|key| table.own_value(key).is_some());
    if let (false, Some(place)) = (any, table.place()) {
        let help =
            "say what is to come, as `expect = { event = \"failure\" }` or `expect = { held = \"below-after\" }`";
        table.push(Problem::new(Code::MissingKey, place, "the case expects nothing").help(help));
    }
    table.finish();
    expected
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Case, EXPECT, GIVEN, KEYS};
    use crate::diagnostic::{Problems, Sources};
    use crate::document::{Reader, Table, load};
    use crate::exec::Ending;

    fn read(text: &str) -> (Vec<Case>, Vec<String>) {
        let mut problems = Problems::default();
        let source = Sources::default().add(Path::new("job.toml"), text);
        let (parsed, _) = load::parse(source, text, &mut problems);
        let reader = Reader::default();
        let mut table = Table::root(&reader, source, text, &parsed);
        let cases = super::read(&mut table);
        table.finish();
        problems.extend(reader.into_problems());
        (cases, problems.iter().map(|problem| format!("{}: {}", problem.code.as_str(), problem.message)).collect())
    }

    #[test]
    fn a_case_is_read_in_full() {
        let (cases, problems) = read(
            "[[test]]\nname = 'twice'\ngiven = [{ exit = 2, stdout = 'a' }, { signal = 'KILL', after = '10m', at = '03:00' }]\n\
             expect = { event = 'repeat', status = 'critical', contains = ['a', 'b'], channel = '#ops' }\n\
             [[test]]\ngiven = { timeout = true, stderr = 'x' }\nexpect.held = 'below-after'\n",
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!((cases.len(), cases[0].given.len(), cases[0].expected.contains.len()), (2, 2, 2));
        assert_eq!(cases[0].given[1].ending, Ending::Signaled { signal: 9 });
        assert!(matches!(cases[1].given[0].ending, Ending::TimedOut { .. }));
    }

    #[test]
    fn mistakes_are_said() {
        for (text, expected) in [
            ("test = 1", "wrong-type"),
            ("[[test]]\nname = 'x'", "missing-key"),
            ("[[test]]\ngiven = {}\nexpect = {}", "missing-key: the case expects nothing"),
            ("[[test]]\ngiven = []\nexpect.held = 'blank'", "invalid-value"),
            ("[[test]]\ngiven = { exit = 1, signal = 'KILL' }\nexpect.held = 'blank'", "conflicting-keys"),
            ("[[test]]\ngiven = { signal = 'KULL' }\nexpect.held = 'blank'", "invalid-value"),
            ("[[test]]\ngiven = { at = '3' }\nexpect.held = 'blank'", "invalid-value"),
            ("[[test]]\ngiven = { exot = 1 }\nexpect.held = 'blank'", "unknown-key"),
            ("[[test]]\ngiven = {}\nexpect = { held = 'blank', event = 'failure' }", "conflicting-keys"),
            ("[[test]]\ngiven = {}\nexpect = { event = 'failures' }", "invalid-value"),
        ] {
            let (_, problems) = read(text);
            assert!(problems.iter().any(|problem| problem.starts_with(expected)), "{text}: {problems:?}");
        }
    }

    #[test]
    fn the_keys_are_those_that_are_read() {
        let every = |keys: &[crate::document::Key]| keys.iter().map(|key| key.name).collect::<Vec<_>>();
        assert_eq!(every(KEYS), ["name", "given", "expect"]);
        // A file that uses each of them has no unknown key: the lists are no longer than what is read.
        let run = "exit = 0, signal = 'KILL', timeout = true, stdout = '', stderr = '', after = '1m', at = '03:00'";
        let expect = "event = 'failure', status = 'ok', contains = '', channel = '', held = 'blank'";
        for (keys, text) in [(GIVEN, run), (EXPECT, expect)] {
            assert!(keys.iter().all(|key| text.contains(&format!("{} =", key.name))), "{text}");
            assert_eq!(keys.len(), text.matches(" = ").count());
        }
        let (_, problems) = read(&format!("[[test]]\nname = ''\ngiven = {{ {run} }}\nexpect = {{ {expect} }}"));
        assert!(problems.iter().all(|problem| !problem.starts_with("unknown-key")), "{problems:?}");
    }
}
