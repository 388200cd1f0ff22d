//! `[[test]]`: cases that a job file holds of itself, read. `check` tries them; no daemon looks at them.
//!
//! Before it: the job's table. After it: `simulate::cases`, which runs them through the real judge and renderer.

use std::time::Duration;

use jiff::Timestamp;

use crate::diagnostic::{Code, Place, Problem};
use crate::document::{Key, Kind, Table, Value};
use crate::exec::{Ending, Exit, read_exit};
use crate::policy::HoldKind;

const EVENTS: &[&str] =
    &["output", "failure", "repeat", "recovery", "success", "change", "flapping", "stuck", "missing"];
const STATUSES: &[&str] = &["ok", "warning", "critical", "unknown"];
const SUPPRESSED: &[&str] = &[
    "below-after",
    "repeat-not-due",
    "rate-limited",
    "quiet-hours",
    "flapping",
    "silenced",
    "acknowledged",
    "unchanged",
    "blank",
    "not-asked",
    "never-reported",
    "not-run",
    "paused",
];

/// The keys of one step of `given`: a run, or what a person asks for between runs.
const GIVEN: &[Key] = &[
    Key { name: "exit", kind: Kind::Integer(0, 255), default: "0", about: "The command's exit code." },
    Key { name: "signal", kind: Kind::Text, default: "", about: "The signal that killed it, as \"SIGKILL\"." },
    Key { name: "timeout", kind: Kind::Flag, default: "false", about: "Whether its time was up." },
    Key { name: "missing", kind: Kind::Flag, default: "false", about: "With `expect`: whether the run did not come." },
    Key { name: "stdout", kind: Kind::Text, default: "", about: "What it printed." },
    Key { name: "stderr", kind: Kind::Text, default: "", about: "What it said on standard error." },
    Key {
        name: "trigger",
        kind: Kind::Flag,
        default: "false",
        about: "Whether a person asked for this run: it takes place while the job is paused, too.",
    },
    Key {
        name: "pause",
        kind: Kind::Duration,
        default: "",
        about: "No run: a person pauses the job for so long. A run that is due until then does not take place.",
    },
    Key { name: "silence", kind: Kind::Duration, default: "", about: "No run: a person silences the job for so long." },
    Key {
        name: "ack",
        kind: Kind::Duration,
        default: "",
        about: "No run: a person acknowledges the open incident for so long.",
    },
    Key {
        name: "after",
        kind: Kind::Duration,
        default: "1m",
        about: "How long after the step before; of the first, after noon of a Monday.",
    },
    Key {
        name: "at",
        kind: Kind::Text,
        default: "",
        about: "The time of day, in the job's zone: \"03:00\". The next such time after the step before.",
    },
];

/// What a person may ask for in the place of a run.
const HOLDS: [(&str, HoldKind); 3] =
    [("pause", HoldKind::Pause), ("silence", HoldKind::Silence), ("ack", HoldKind::Ack)];

/// The keys of `expect`.
const EXPECT: &[Key] = &[
    Key { name: "event", kind: Kind::Choice(EVENTS), default: "", about: "What the message is about." },
    Key { name: "status", kind: Kind::Choice(STATUSES), default: "", about: "The status of the last run." },
    Key { name: "contains", kind: Kind::TextOrList, default: "", about: "What stands in the message." },
    Key {
        name: "not_contains",
        kind: Kind::TextOrList,
        default: "",
        about: "What does not stand in the message, which there is.",
    },
    Key { name: "channel", kind: Kind::TextOrList, default: "", about: "Where it goes: these channels and no others." },
    Key {
        name: "suppressed",
        kind: Kind::Choice(SUPPRESSED),
        default: "",
        about: "There is no message, for this reason.",
    },
    Key { name: "held", kind: Kind::Text, default: "", about: "The name of `suppressed` in version 0.1." },
];

/// The keys of `[[test]]`.
pub(super) const KEYS: &[Key] = &[
    Key { name: "name", kind: Kind::Text, default: "", about: "What the case shows, in a sentence." },
    Key {
        name: "given",
        kind: Kind::OneOf(&[Kind::Table(GIVEN), Kind::Tables(GIVEN)]),
        default: "",
        about: "One run, or several one after the other, with what people ask for between them; the last run is the one \
                in question.",
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
    /// The steps; the last is a run.
    pub given: Vec<Given>,
    /// What is to come of the last.
    pub expected: Expected,
}

/// One thing that is assumed to happen.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// How long after what was before.
    pub after: Duration,
    /// The time of day to which the clock then goes on.
    pub at: Option<jiff::civil::Time>,
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub step: Step,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A run.
    Run(GivenRun),
    /// A person holds the job for so long.
    Hold(HoldKind, Duration),
}

/// A run that is assumed.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenRun {
    /// A person asked for it.
    pub triggered: bool,
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
    /// What does not stand in it.
    pub not_contains: Vec<(String, Place)>,
    /// The message's channels.
    pub channel: Option<(Vec<String>, Place)>,
    /// Why there is no message.
    pub suppressed: Option<(String, Place)>,
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
    let given = given.map(|given| read_steps(&given));
    let expected = expect.map(read_expected);
    let good = table.reader().errors() == before;
    table.finish();
    let name = name.unwrap_or_else(|| "a test without a name".to_owned());
    let (given, expected) = (given?, expected?);
    (good && !given.is_empty()).then_some(Case { name, at: item.at, given, expected })
}

/// One run, or a list of steps that ends with one.
fn read_steps(value: &Value<'_>) -> Vec<Given> {
    let steps: Vec<Given> = match value.items() {
        None => read_step(value).into_iter().collect(),
        Some(items) => read_list(value, &items),
    };
    match steps.last() {
        Some(last) if matches!(last.step, Step::Hold(..)) => {
            let help = "say after it how a run ends, as `{ exit = 2, after = \"10m\" }`";
            let message = format!("`{}` does not end with a run", value.path());
            value.refuse(Code::InvalidValue, message, help).unwrap_or_default()
        }
        _ => steps,
    }
}

fn read_list(value: &Value<'_>, items: &[Value<'_>]) -> Vec<Given> {
    if items.is_empty() || items.len() > MOST_RUNS {
        let message = format!("`{}` has {} entries", value.path(), items.len());
        let help = format!("it has at least one, and at most {MOST_RUNS}");
        return value.refuse(Code::InvalidValue, message, help).unwrap_or_default();
    }
    items.iter().filter_map(read_step).collect()
}

fn read_step(value: &Value<'_>) -> Option<Given> {
    let mut table = value.table()?;
    let holds = HOLDS.map(|(key, kind)| table.duration(key).map(|length| Step::Hold(kind, length)));
    for (index, (hold, _)) in HOLDS.iter().enumerate() {
        let others = HOLDS[index + 1..].iter().map(|(other, _)| *other);
        for key in others.chain(RUN_KEYS) {
            table.conflict(hold, key, "what a person asks for is an entry of its own");
        }
    }
    let run = read_run(&mut table);
    let after = table.duration("after");
    let at = table.value("at").and_then(|value| read_time(&value));
    table.finish();
    let step = holds.into_iter().flatten().next().unwrap_or(Step::Run(run));
    Some(Given { after: after.unwrap_or(APART), at, place: value.at, step })
}

/// The keys that say how a run ends.
const RUN_KEYS: [&str; 7] = ["exit", "signal", "timeout", "missing", "stdout", "stderr", "trigger"];

fn read_run(table: &mut Table<'_>) -> GivenRun {
    let code = table.integer("exit", 0..=255);
    let signal = table.value("signal");
    let timeout = table.flag("timeout").unwrap_or(false);
    let missing = table.flag("missing").unwrap_or(false);
    let triggered = table.flag("trigger").unwrap_or(false);
    for (first, second) in [("exit", "signal"), ("exit", "timeout"), ("signal", "timeout")] {
        table.conflict(first, second, "a run ends in one way");
    }
    for key in ["exit", "signal", "timeout", "stdout", "stderr", "trigger"] {
        table.conflict("missing", key, "a run that did not come has no end and no output");
    }
    let signal = signal.and_then(|signal| match read_exit(&signal) {
        Some(Exit::Signal(signal)) => Some(signal),
        Some(Exit::Code(_)) => signal.wrong_type("the name of a signal, as \"SIGKILL\""),
        None => None,
    });
    let text = |table: &mut Table<'_>, key| table.text(key).map(|text| text.value.to_owned()).unwrap_or_default();
    let (stdout, stderr) = (text(table, "stdout"), text(table, "stderr"));
    let ending = match (signal, timeout) {
        _ if missing => Ending::Missing { due: Timestamp::UNIX_EPOCH, grace: Duration::ZERO, seen: None },
        (Some(signal), _) => Ending::Signaled { signal },
        (None, true) => Ending::TimedOut { after: Duration::ZERO, killed: false },
        (None, false) => Ending::Exited { code: code.and_then(|code| i32::try_from(code).ok()).unwrap_or(0) },
    };
    GivenRun { triggered, ending, stdout, stderr }
}

fn read_time(value: &Value<'_>) -> Option<jiff::civil::Time> {
    let text = value.text()?.value;
    text.contains(':')
        .then(|| text.parse().ok())
        .flatten()
        .or_else(|| value.refuse(Code::InvalidValue, format!("`{text}` is no time of day"), "write it as \"03:00\""))
}

/// What can only be expected where there is a message.
const NEEDS_MESSAGE: [&str; 4] = ["event", "contains", "not_contains", "channel"];

fn read_expected(mut table: Table<'_>) -> Expected {
    let choice = |table: &mut Table<'_>, key: &'static str, names: &'static [&'static str]| {
        let at = table.value(key)?.at;
        Some((table.choice::<String>(key, names)?, at))
    };
    let texts = |table: &mut Table<'_>, key| {
        let texts = table.texts(key).unwrap_or_default();
        texts.into_iter().map(|text| (text.value.to_owned(), text.at)).collect()
    };
    let (suppressed, held) = (choice(&mut table, "suppressed", SUPPRESSED), choice(&mut table, "held", SUPPRESSED));
    let expected = Expected {
        event: choice(&mut table, "event", EVENTS),
        status: choice(&mut table, "status", STATUSES),
        contains: texts(&mut table, "contains"),
        not_contains: texts(&mut table, "not_contains"),
        channel: table
            .value("channel")
            .and_then(|value| Some((value.texts()?.into_iter().map(|text| text.value.to_owned()).collect(), value.at))),
        suppressed: suppressed.or(held),
    };
    for (name, key) in ["suppressed", "held"].iter().flat_map(|name| NEEDS_MESSAGE.map(|key| (*name, key))) {
        table.conflict(name, key, "what is suppressed is not sent");
    }
    table.conflict("suppressed", "held", "they mean the same");
    let mut keys = NEEDS_MESSAGE.into_iter().chain(["status", "suppressed", "held"]);
    let any = keys.any(|key| table.own_value(key).is_some());
    if let (false, Some(place)) = (any, table.place()) {
        let help =
            "say what is to come, as `expect = { event = \"failure\" }` or `expect = { suppressed = \"below-after\" }`";
        table.push(Problem::new(Code::MissingKey, place, "the case expects nothing").help(help));
    }
    table.finish();
    expected
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use std::time::Duration;

    use super::{Case, EXPECT, GIVEN, KEYS, Step};
    use crate::diagnostic::{Problems, Sources};
    use crate::document::{Reader, Table, syntax};
    use crate::exec::Ending;
    use crate::policy::HoldKind;

    fn read(text: &str) -> (Vec<Case>, Vec<String>) {
        let mut problems = Problems::default();
        let source = Sources::default().add(Path::new("job.toml"), text);
        let (parsed, _) = syntax::parse(source, text, &mut problems);
        let reader = Reader::default();
        let mut table = Table::root(&reader, source, text, &parsed);
        let cases = super::read(&mut table);
        table.finish();
        problems.extend(reader.into_problems());
        (cases, problems.iter().map(|problem| format!("{}: {}", problem.code.as_str(), problem.message)).collect())
    }

    fn ending(given: &super::Given) -> Option<Ending> {
        if let Step::Run(run) = &given.step { Some(run.ending.clone()) } else { None }
    }

    #[test]
    fn what_people_ask_for_is_read_between_runs() {
        let (cases, problems) = read(
            "[[test]]\ngiven = [{ pause = '1h' }, { silence = '2h', after = '10m' }, { exit = 2 }, { ack = '1d' }, \
             { exit = 2, trigger = true }]\nexpect.suppressed = 'acknowledged'\n",
        );
        assert_eq!(problems, [""; 0]);
        let steps: Vec<_> = cases[0].given.iter().map(|given| given.step.clone()).collect();
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        assert_eq!(steps[0], Step::Hold(HoldKind::Pause, hours(1)));
        assert_eq!(steps[1], Step::Hold(HoldKind::Silence, hours(2)));
        assert_eq!(steps[3], Step::Hold(HoldKind::Ack, hours(24)));
        let triggered: Vec<bool> = steps
            .iter()
            .filter_map(|step| if let Step::Run(run) = step { Some(run.triggered) } else { None })
            .collect();
        assert_eq!(triggered, [false, true]);
        assert_eq!(cases[0].given[1].after, Duration::from_secs(600));
    }

    #[test]
    fn a_case_is_read_in_full() {
        let (cases, problems) = read(
            "[[test]]\nname = 'twice'\ngiven = [{ exit = 2, stdout = 'a' }, { signal = 'KILL', after = '10m', at = '03:00' }]\n\
             expect = { event = 'repeat', status = 'critical', contains = ['a', 'b'], not_contains = 'c', channel = '#ops' }\n\
             [[test]]\ngiven = { timeout = true, stderr = 'x' }\nexpect.held = 'below-after'\n",
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!((cases.len(), cases[0].given.len(), cases[0].expected.contains.len()), (2, 2, 2));
        assert_eq!(cases[0].expected.not_contains[0].0, "c");
        assert_eq!(ending(&cases[0].given[1]), Some(Ending::Signaled { signal: 9 }));
        assert!(matches!(ending(&cases[1].given[0]), Some(Ending::TimedOut { .. })));
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
            ("[[test]]\ngiven = {}\nexpect = { suppressed = 'blank', held = 'blank' }", "conflicting-keys"),
            ("[[test]]\ngiven = {}\nexpect = { suppressed = 'blank', contains = 'x' }", "conflicting-keys"),
            ("[[test]]\ngiven = {}\nexpect = { suppressed = 'blank', not_contains = 'x' }", "conflicting-keys"),
            ("[[test]]\ngiven = { pause = '1h' }\nexpect.suppressed = 'paused'", "invalid-value"),
            ("[[test]]\ngiven = [{}, { ack = '1h' }]\nexpect.suppressed = 'blank'", "invalid-value"),
            ("[[test]]\ngiven = [{ ack = '1h', exit = 2 }, {}]\nexpect.suppressed = 'blank'", "conflicting-keys"),
            ("[[test]]\ngiven = [{ ack = '1h', pause = '1h' }, {}]\nexpect.suppressed = 'blank'", "conflicting-keys"),
            ("[[test]]\ngiven = [{ pause = true }, {}]\nexpect.suppressed = 'blank'", "wrong-type"),
            ("[[test]]\ngiven = { missing = true, trigger = true }\nexpect.suppressed = 'blank'", "conflicting-keys"),
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
        let run = "exit = 0, signal = 'KILL', timeout = true, missing = true, stdout = '', stderr = '', trigger = true, \
                   pause = '1h', silence = '1h', ack = '1h', after = '1m', at = '03:00'";
        let expect = "event = 'failure', status = 'ok', contains = '', not_contains = '', channel = '', suppressed = 'blank', held = 'blank'";
        for (keys, text) in [(GIVEN, run), (EXPECT, expect)] {
            assert!(keys.iter().all(|key| text.contains(&format!("{} =", key.name))), "{text}");
            assert_eq!(keys.len(), text.matches(" = ").count());
        }
        let (_, problems) = read(&format!("[[test]]\nname = ''\ngiven = {{ {run} }}\nexpect = {{ {expect} }}"));
        assert!(problems.iter().all(|problem| !problem.starts_with("unknown-key")), "{problems:?}");
    }
}
