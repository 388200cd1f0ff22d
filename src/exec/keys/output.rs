//! What is done with the output: `fail_on`, `parse`, `directives`, `max_output`, `redact`. After it: `capture`, `assess`.

use regex::bytes::{Regex, RegexBuilder};

use super::Context;
use crate::diagnostic::{Code, Problem};
use crate::document::{Key, Kind, Table, Text, default_of};
use crate::exec::capture::redact::Redactor;

/// The keys of this file.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "fail_on",
        kind: Kind::Table(FAIL_ON),
        default: "",
        about: "Regular expressions; a match makes an ok run critical, also in what `max_output` drops. `^` and `$` match at \
                every line.",
    },
    Key {
        name: "parse",
        kind: Kind::Choice(&["json", "perfdata"]),
        default: "",
        about: "What stdout is: `json` makes an ok run critical when it is not; `perfdata` is Nagios performance data.",
    },
    Key {
        name: "directives",
        kind: Kind::Flag,
        default: "false",
        about: "Lines of stdout that begin with `::slack-alert ` are directives to the tool, one a line, and are taken out \
                of the output (colours around it, and a byte order mark at the beginning of all, are no part of it): `status=warning` (what the run means, where it exited; it cannot undo a timeout, a \
                signal or `fail_on`), `title=…`, `field NAME=VALUE` (10 at most), `mention=…` (only whom \
                `notify.mention_allowed` has; others are shown as text), `key=…` (failures with different keys are \
                different incidents; one without a key belongs to the one that is open), `silence=30m` (nothing is said \
                after this run for so long, 7 days at most), `attach=PATH` (a text file below `working_dir`, up to \
                1 MiB of it, goes into the thread). Each counts that is no longer than 3,000 bytes, also where \
                `max_output` drops output; what is not understood is noted in the message and in the log.",
    },
    Key {
        name: "max_output",
        kind: Kind::Size,
        default: "1MiB",
        about: "How much of each stream is kept, half of it from the start, half from the end; the rest is counted.",
    },
    Key {
        name: "redact",
        kind: Kind::TextOrList,
        default: "",
        about: "Regular expressions; what they match is masked in everything that leaves the process.",
    },
    Key {
        name: "redact_env",
        kind: Kind::Flag,
        default: "true",
        about: "Mask the values (6 characters and more) of `env_file`, and of `env` entries whose names contain PASS, \
                SECRET, TOKEN, KEY or CREDENTIAL, too.",
    },
];

const FAIL_ON: &[Key] = &[
    Key { name: "stdout", kind: Kind::Text, default: "", about: "A regular expression for standard output." },
    Key { name: "stderr", kind: Kind::Text, default: "", about: "A regular expression for standard error." },
];

/// What stdout is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parse {
    /// One JSON document.
    Json,
    /// The output of a Nagios plugin.
    Perfdata,
}

/// What is done with what a command writes.
#[derive(Clone, Debug)]
pub(in crate::exec) struct OutputRules {
    pub(in crate::exec) fail_on_stdout: Option<Regex>,
    pub(in crate::exec) fail_on_stderr: Option<Regex>,
    pub(in crate::exec) parse: Option<Parse>,
    pub(in crate::exec) directives: bool,
    /// Bytes kept of each stream.
    pub(in crate::exec) max_output: usize,
    /// For what is known when the command is read; a run adds the values that `env_file` has then.
    pub(in crate::exec) redactor: Redactor,
    pub(in crate::exec) redact_env: bool,
    /// The job has conditions, which look at what is not masked.
    pub(in crate::exec) conditions: bool,
    /// It is told how stdout changes: all of it is compared.
    pub(in crate::exec) compares: bool,
}

impl PartialEq for OutputRules {
    /// Patterns are the same where they are written alike: those of one key are compiled alike.
    fn eq(&self, other: &Self) -> bool {
        let Self { fail_on_stdout, fail_on_stderr, parse, directives, max_output, redactor, redact_env, .. } = self;
        let alike = |one: &Option<Regex>, two: &Option<Regex>| {
            one.as_ref().map(Regex::as_str) == two.as_ref().map(Regex::as_str)
        };
        alike(fail_on_stdout, &other.fail_on_stdout)
            && alike(fail_on_stderr, &other.fail_on_stderr)
            && (parse, directives, max_output) == (&other.parse, &other.directives, &other.max_output)
            && (redactor, redact_env) == (&other.redactor, &other.redact_env)
            && (self.conditions, self.compares) == (other.conditions, other.compares)
    }
}

impl Default for OutputRules {
    fn default() -> Self {
        Self {
            fail_on_stdout: None,
            fail_on_stderr: None,
            parse: None,
            directives: default_of(KEYS, "directives").value(),
            max_output: default_of(KEYS, "max_output").size(),
            redactor: Redactor::default(),
            redact_env: default_of(KEYS, "redact_env").value(),
            conditions: false,
            compares: false,
        }
    }
}

pub(super) fn read(table: &mut Table<'_>, context: &Context<'_>) -> OutputRules {
    let usual = OutputRules::default();
    let (fail_on_stdout, fail_on_stderr) = read_fail_on(table, context);
    let parse = table.choice::<Parse>("parse", &["json", "perfdata"]);
    let directives = table.flag("directives").unwrap_or(usual.directives);
    let max_output = read_max_output(table, usual.max_output);
    let patterns = table.texts("redact").unwrap_or_default();
    let redactor = Redactor::new(
        patterns.iter().filter_map(|text| pattern(table, "redact", text, LineEnds::Unix, context)).collect(),
    );
    let redact_env = table.flag("redact_env").unwrap_or(usual.redact_env);
    OutputRules {
        fail_on_stdout,
        fail_on_stderr,
        parse,
        directives,
        max_output,
        redactor,
        redact_env,
        // Other stations know these.
        conditions: usual.conditions,
        compares: usual.compares,
    }
}

fn read_fail_on(table: &mut Table<'_>, context: &Context<'_>) -> (Option<Regex>, Option<Regex>) {
    let Some(value) = table.value("fail_on") else { return (None, None) };
    if !value.is_table() {
        value.wrong_type::<()>("a table such as `{ stderr = \"ERROR\" }`");
        return (None, None);
    }
    let Some(mut table) = value.table() else { return (None, None) };
    let mut take = |key| {
        let text = table.text(key)?;
        pattern(
            &table,
            if key == "stdout" { "fail_on.stdout" } else { "fail_on.stderr" },
            &text,
            LineEnds::Any,
            context,
        )
    };
    let patterns = (take("stdout"), take("stderr"));
    table.finish();
    patterns
}

/// Where `^` and `$` match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum LineEnds {
    /// At line feeds. What is masked is looked for in what people see too, which has no other line ends.
    Unix,
    /// At carriage returns too: before the one of a Windows line end, and where a line is written anew.
    Any,
}

/// A regular expression for bytes, line by line as grep(1) has it; what is wrong with it is shown where it is wrong.
fn pattern(table: &Table<'_>, key: &str, text: &Text<'_>, ends: LineEnds, context: &Context<'_>) -> Option<Regex> {
    let name = (text.value.to_owned(), ends);
    if let Some(known) = context.patterns.borrow().get(&name) {
        return Some(known.clone());
    }
    let refuse = |place, message: String| {
        let problem = Problem::new(Code::InvalidRegex, place, format!("`{key}`: {message}"));
        table.push(problem.help("the syntax is at https://docs.rs/regex/latest/regex/#syntax"));
        None
    };
    if text.value.is_empty() {
        return refuse(text.at, "an empty expression matches everything".to_owned());
    }
    match RegexBuilder::new(text.value).multi_line(true).crlf(ends == LineEnds::Any).build() {
        Ok(regex) => {
            context.patterns.borrow_mut().insert(name, regex.clone());
            Some(regex)
        }
        Err(regex::Error::CompiledTooBig(limit)) => {
            refuse(text.at, format!("the expression is too large (over {limit} bytes when compiled)"))
        }
        Err(other) => match fault(text.value) {
            Some((message, span)) => refuse(text.inside(span), message),
            None => refuse(text.at, other.to_string()),
        },
    }
}

/// What regex's own parser says is wrong, and where.
fn fault(pattern: &str) -> Option<(String, std::ops::Range<usize>)> {
    let parsed = regex_syntax::ParserBuilder::new().multi_line(true).utf8(false).build().parse(pattern);
    let (message, span) = match parsed.err()? {
        regex_syntax::Error::Parse(error) => (error.kind().to_string(), *error.span()),
        regex_syntax::Error::Translate(error) => (error.kind().to_string(), *error.span()),
        _ => return None,
    };
    Some((message, span.start.offset..span.end.offset))
}

fn read_max_output(table: &mut Table<'_>, default: usize) -> usize {
    const LARGEST: u64 = 1 << 30;
    match table.size("max_output") {
        None => default,
        Some(size) if size <= LARGEST => usize::try_from(size).unwrap_or(default),
        Some(_) => {
            if let Some(value) = table.value("max_output") {
                let help = "so much is held in memory, three times at worst; write the output to a file instead";
                value.refuse::<()>(Code::InvalidSize, "`max_output` is more than 1 GiB", help);
            }
            default
        }
    }
}
