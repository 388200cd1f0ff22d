//! The exec keys of a job: what they are called, what they mean, and how they become a [`Command`].
//!
//! Before it: a job's table, `[defaults]` below it. After it: `plan`. What is wrong with the machine and not with the file
//! (a missing folder, an unknown user) is a problem too, and the command is built all the same.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use regex::bytes::{Regex, RegexBuilder};

use super::account;
use super::command::{Command, DEFAULT_SHELL, Parse, Words, quoted};
use super::environment::{self, Environment, FileError};
use super::exit_codes::{self, ExitCodes};
use super::program::{Program, Programs};
use super::redact::Redactor;
use super::retries::Retries;
use crate::diagnostic::{Code, Problem};
use crate::document::{Key, Kind, Table, Text, Value};

const RETRIES: &[Key] = &[
    Key { name: "times", kind: Kind::Integer(0, 100), default: "", about: "How many attempts after the first." },
    Key { name: "delay", kind: Kind::Duration, default: "1s", about: "The wait before the second attempt." },
    Key { name: "factor", kind: Kind::Number, default: "2", about: "Each wait is this many times the one before." },
    Key { name: "max_delay", kind: Kind::Duration, default: "5m", about: "No wait is longer." },
];

const FAIL_ON: &[Key] = &[
    Key { name: "stdout", kind: Kind::Text, default: "", about: "A regular expression for standard output." },
    Key { name: "stderr", kind: Kind::Text, default: "", about: "A regular expression for standard error." },
];

/// The keys that [`read`] takes, for the manual and the schema.
pub const KEYS: &[Key] = &[
    Key {
        name: "command",
        kind: Kind::TextOrList,
        default: "",
        about: "What to run. A string is given to `shell`; an array is executed as it stands, no shell.",
    },
    Key {
        name: "shell",
        kind: Kind::List,
        default: "[\"/bin/sh\", \"-c\"]",
        about: "The program, and its first arguments, that a string command is given to.",
    },
    Key {
        name: "timeout",
        kind: Kind::Duration,
        default: "",
        about: "How long an attempt may take; then SIGTERM to its whole process group. No limit without it.",
    },
    Key {
        name: "kill_after",
        kind: Kind::Duration,
        default: "10s",
        about: "How long after SIGTERM the process group gets SIGKILL.",
    },
    Key {
        name: "retries",
        kind: Kind::OneOf(&[Kind::Integer(0, 100), Kind::Table(RETRIES)]),
        default: "0",
        about: "More attempts before the run counts as failed. Each attempt has the whole `timeout`.",
    },
    Key {
        name: "exit_codes",
        kind: Kind::OneOf(&[Kind::Choice(&["nagios"]), Kind::Table(exit_codes::KEYS)]),
        default: "{ ok = [0] }",
        about: "What exit codes and signals mean. \"nagios\": 0 ok, 1 warning, 2 critical, all else unknown.",
    },
    Key {
        name: "fail_on",
        kind: Kind::Table(FAIL_ON),
        default: "",
        about: "Regular expressions; a match makes an ok run critical. `^` and `$` match at every line.",
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
        about: "Lines of stdout that begin with `::slack-alert ` speak to the tool, one thing a line, and are taken out \
                of the output: `status=warning` (what the run means, where it exited; it cannot mend a timeout, a \
                signal or `fail_on`), `title=…`, `field NAME=VALUE` (10 at most), `mention=…` (only whom \
                `notify.mention_allowed` has; others are shown as text), `key=…` (failures with different keys are \
                different incidents; one without a key belongs to the one that is open), `silence=30m` (nothing is said \
                after this run for so long, 7 days at most), `attach=PATH` (a text file below `working_dir`, up to \
                1 MiB of it, goes into the thread). At most 64 count, of 3,000 bytes each; what is not understood \
                stays in the output and is noted in the log. Where output is dropped (`max_output`), only the kept \
                head and tail are looked at.",
    },
    Key {
        name: "working_dir",
        kind: Kind::Text,
        default: "the folder of slack_alert.toml",
        about: "Where the command runs; relative programs and files are found from there.",
    },
    Key {
        name: "inherit_env",
        kind: Kind::OneOf(&[Kind::Flag, Kind::List]),
        default: "true",
        about: "The daemon's environment, without its secrets and plumbing: all, none, or only these names.",
    },
    Key {
        name: "env",
        kind: Kind::Map,
        default: "",
        about: "Variables, on top of what is inherited and of `env_file`; those of `[defaults]` stay unless named here.",
    },
    Key {
        name: "env_file",
        kind: Kind::Text,
        default: "",
        about: "A file of `NAME=VALUE` lines as systemd's EnvironmentFile= takes them; read at each run.",
    },
    Key {
        name: "stdin",
        kind: Kind::Text,
        default: "",
        about: "Text for the command's standard input; without it that is /dev/null.",
    },
    Key {
        name: "umask",
        kind: Kind::Text,
        default: "",
        about: "The permissions that new files do not get, in octal: \"027\".",
    },
    Key {
        name: "nice",
        kind: Kind::Integer(-20, 19),
        default: "",
        about: "How much lower the priority is than the daemon's; below 0 only where the daemon may.",
    },
    Key {
        name: "user",
        kind: Kind::Text,
        default: "",
        about: "The user to run as, by name or number, where the daemon may switch. Sets HOME, USER, LOGNAME and SHELL.",
    },
    Key {
        name: "group",
        kind: Kind::Text,
        default: "the user's",
        about: "The group to run as, by name or number, where the daemon may switch.",
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
];

/// What [`read`] must know besides the table.
#[derive(Debug)]
pub struct Context<'a> {
    /// The folder of the configuration file: the default `working_dir`, and what relative paths start from.
    config_dir: &'a Path,
    /// The daemon's own variables, secrets and plumbing already taken out.
    environment: &'a Arc<Environment>,
    /// The same for every job that names no `working_dir`.
    working_dir: Arc<Path>,
    /// A pattern of `[defaults]` is compiled once, not once a job.
    patterns: RefCell<HashMap<String, Regex>>,
    /// Few programs are behind many jobs.
    programs: Programs,
    /// What is wrong with a user's name, if anything: few users are behind many jobs, and each look reads many files.
    users: RefCell<HashMap<String, Option<String>>>,
}

impl<'a> Context<'a> {
    /// For the jobs of one configuration. `config_dir` must be absolute.
    pub fn new(config_dir: &'a Path, environment: &'a Arc<Environment>) -> Self {
        let (patterns, programs, users) = (RefCell::default(), Programs::default(), RefCell::default());
        Self { config_dir, environment, working_dir: config_dir.into(), patterns, programs, users }
    }

    /// For those of them that one thread reads: its caches are its own, the folder is that of all.
    pub fn sharing(config_dir: &'a Arc<Path>, environment: &'a Arc<Environment>) -> Self {
        Self { working_dir: Arc::clone(config_dir), ..Self::new(config_dir, environment) }
    }
}

/// Reads the exec keys of a job; `None` when no command can be made of them.
pub fn read(table: &mut Table<'_>, context: &Context<'_>) -> Option<Command> {
    let words = read_words(table);
    let timeout = table.value("timeout").and_then(|value| {
        let length = value.duration()?;
        if !length.is_zero() {
            return Some(length);
        }
        value.refuse(Code::InvalidDuration, "`timeout` cannot be zero", "leave it out for no limit")
    });
    let kill_after = table.duration("kill_after").unwrap_or(Duration::from_secs(10));
    let retries = table.value("retries").and_then(|value| read_retries(&value)).unwrap_or(Retries::plain(0));
    let exit_codes = table.value("exit_codes").and_then(|value| ExitCodes::read(&value)).unwrap_or_default();
    let (fail_on_stdout, fail_on_stderr) = read_fail_on(table, context);
    let parse = table.choice::<Parse>("parse", &["json", "perfdata"]);
    let directives = table.flag("directives").unwrap_or(false);
    let working_dir = read_working_dir(table, context);
    let inherited = read_inherited(table, context);
    let env = read_env(table);
    let env_file = read_env_file(table, context);
    let stdin = table.text("stdin").and_then(|text| free_of_nul(table, "stdin", text, true));
    let umask = read_umask(table);
    let nice = table.integer("nice", -20..=19).and_then(|nice| i8::try_from(nice).ok());
    let (user, group) = (read_user(table, context), read_group(table));
    let max_output = read_max_output(table);
    let patterns = table.texts("redact").unwrap_or_default();
    let redactor = Redactor::new(patterns.iter().filter_map(|text| pattern(table, "redact", text, context)).collect());

    let words = words?;
    let mut command = Command {
        shown: None,
        program: Program { name: "".into(), found: Err(String::new()) },
        words,
        timeout,
        kill_after,
        retries,
        exit_codes,
        fail_on_stdout,
        fail_on_stderr,
        parse,
        directives,
        working_dir,
        inherited,
        env,
        env_file,
        stdin: stdin.filter(|text| !text.is_empty()).map(Into::into),
        umask,
        nice,
        user: user.map(Into::into),
        group: group.map(Into::into),
        max_output,
        redactor,
    };
    let name: Box<str> = command.words().first().copied()?.into();
    command.program = Program { found: context.programs.find(&name, command.path(), &command.working_dir), name };
    command.shown = shown(&command);
    Some(command)
}

/// What people see of the command, where that is not just the script.
fn shown(command: &Command) -> Option<Box<str>> {
    let written = match &command.words {
        Words::Shell { script, .. } => script.to_string(),
        Words::Direct(words) => quoted(words.iter().map(AsRef::as_ref)),
    };
    let masked = command.redactor.mask_str(&written);
    (command.script() != Some(&*masked)).then(|| masked.as_ref().into())
}

fn read_words(table: &mut Table<'_>) -> Option<Words> {
    let shell = table.value("shell").and_then(|value| read_list(&value, DEFAULT_SHELL[0]));
    let Some(value) = table.value("command") else {
        table.missing("command", "write what to run: `command = \"df -h /\"`");
        return None;
    };
    if value.is_list() {
        table.conflict("command", "shell", "an array is executed as it stands, without a shell: leave `shell` out");
        return read_list(&value, "the program").map(Words::Direct);
    }
    let text = match value.is_text() {
        true => value.text()?,
        false => return value.wrong_type("text, or a list of texts"),
    };
    if text.value.trim().is_empty() {
        let help = "write what to run: `command = \"df -h /\"`";
        return value.refuse(Code::InvalidValue, "`command` is empty", help);
    }
    let script = free_of_nul(table, "command", text, false)?.into();
    Some(Words::Shell { shell, script })
}

/// A list of words of which the first is a program.
fn read_list(value: &Value<'_>, first: &str) -> Option<Box<[Box<str>]>> {
    let texts = value.list()?;
    if texts.first().is_none_or(|text| text.value.is_empty()) {
        // Members that are no text were told of already.
        if value.items().is_some_and(|items| items.iter().all(Value::is_text)) {
            let message = format!("`{}` has no program", value.path());
            return value.refuse(Code::InvalidValue, message, format!("its first word is {first}"));
        }
        return None;
    }
    if value.items().is_some_and(|items| items.len() != texts.len()) {
        return None;
    }
    if texts.iter().any(|text| text.value.contains('\0')) {
        let message = format!("`{}` holds a NUL character", value.path());
        return value.refuse(Code::InvalidValue, message, "no argument of a program can hold one");
    }
    Some(texts.iter().map(|text| text.value.into()).collect())
}

fn free_of_nul<'d>(table: &Table<'_>, key: &str, text: Text<'d>, allowed: bool) -> Option<&'d str> {
    match text.value.find('\0') {
        Some(at) if !allowed => {
            let message = format!("`{key}` holds a NUL character");
            table.push(Problem::new(Code::InvalidValue, text.inside(at..at + 1), message).help("take it out"));
            None
        }
        _ => Some(text.value),
    }
}

fn read_retries(value: &Value<'_>) -> Option<Retries> {
    if value.is_integer() {
        let times = value.integer(0..=100)?;
        return Some(Retries::plain(u32::try_from(times).unwrap_or(0)));
    }
    if !value.is_table() {
        return value.wrong_type("a whole number or a table such as `{ times = 3, delay = \"5s\" }`");
    }
    let mut table = value.table()?;
    let times = table.value("times");
    let plain = Retries::plain(0);
    let retries = Retries {
        times: times.as_ref().and_then(|value| value.integer(0..=100)).and_then(|n| n.try_into().ok()).unwrap_or(0),
        delay: table.duration("delay").unwrap_or(plain.delay),
        factor: table.value("factor").and_then(|value| read_factor(&value)).unwrap_or(plain.factor),
        max_delay: table.duration("max_delay").unwrap_or(plain.max_delay),
    };
    if times.is_none() {
        table.missing("times", "write how many attempts there may be after the first: `times = 3`");
    }
    table.finish();
    Some(retries)
}

fn read_factor(value: &Value<'_>) -> Option<f64> {
    let Some(factor) = value.as_float() else { return value.wrong_type("a number such as `2` or `1.5`") };
    if (1.0..=100.0).contains(&factor) {
        return Some(factor);
    }
    let message = format!("`{}` is out of range", value.path());
    value.refuse(Code::InvalidValue, message, "it must be from 1 to 100")
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
        pattern(&table, if key == "stdout" { "fail_on.stdout" } else { "fail_on.stderr" }, &text, context)
    };
    let patterns = (take("stdout"), take("stderr"));
    table.finish();
    patterns
}

/// A regular expression for bytes, line by line as grep(1) has it; what is wrong with it is shown where it is wrong.
fn pattern(table: &Table<'_>, key: &str, text: &Text<'_>, context: &Context<'_>) -> Option<Regex> {
    if let Some(known) = context.patterns.borrow().get(text.value) {
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
    match RegexBuilder::new(text.value).multi_line(true).build() {
        Ok(regex) => {
            context.patterns.borrow_mut().insert(text.value.to_owned(), regex.clone());
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

fn read_working_dir(table: &mut Table<'_>, context: &Context<'_>) -> Arc<Path> {
    let Some(text) = table.text("working_dir") else { return Arc::clone(&context.working_dir) };
    let dir = context.config_dir.join(text.value);
    if !is_dir(&dir) {
        let message = format!("`working_dir`: {} is not a folder", dir.display());
        let help = "create it, or correct the path; a relative one starts from the folder of slack_alert.toml";
        table.push(Problem::new(Code::MissingFile, text.at, message).help(help));
    }
    dir.into()
}

/// Whether there is a folder of this name.
pub(super) fn is_dir(path: &Path) -> bool {
    rustix::fs::stat(path).is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir())
}

fn read_inherited(table: &mut Table<'_>, context: &Context<'_>) -> Arc<Environment> {
    let all = || Arc::clone(context.environment);
    let Some(value) = table.value("inherit_env") else { return all() };
    match value.as_flag() {
        Some(true) => all(),
        Some(false) => Arc::default(),
        None if value.is_list() => {
            let names: Vec<&str> = value.list().unwrap_or_default().iter().map(|text| text.value).collect();
            Arc::new(Environment::clone(context.environment).only(&names))
        }
        None => {
            value.wrong_type::<()>("`true`, `false`, or a list of names");
            all()
        }
    }
}

fn read_env(table: &mut Table<'_>) -> Box<[(Box<str>, Box<str>)]> {
    let Some(env) = table.table("env") else { return Box::default() };
    let take = |(name, value): (&str, Value<'_>)| {
        if let Some(message) = environment::bad_name(name) {
            env.push(
                Problem::new(Code::InvalidValue, value.key_at, message).help("name it with letters, digits and `_`"),
            );
        }
        let text = value.text()?;
        let text = free_of_nul(&env, value.path(), text, false)?;
        Some((name.into(), text.into()))
    };
    env.all_keys().into_iter().filter_map(take).collect()
}

fn read_env_file(table: &mut Table<'_>, context: &Context<'_>) -> Option<std::path::PathBuf> {
    let text = table.text("env_file")?;
    let path = context.config_dir.join(text.value);
    match environment::read_file(&path) {
        Ok(_) => {}
        Err(FileError::Io(error)) => {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let code = if missing { Code::MissingFile } else { Code::UnreadableFile };
            let message = format!("`env_file`: {}: {}", path.display(), super::process::plain(&error));
            let help = "create it, or correct the path; a relative one starts from the folder of slack_alert.toml";
            table.push(Problem::new(code, text.at, message).help(help));
        }
        Err(error @ FileError::Bad(_)) => {
            let message = format!("`env_file`: {}: {error}", path.display());
            let help = "write one `NAME=VALUE` a line; comments begin with `#`";
            table.push(Problem::new(Code::InvalidValue, text.at, message).help(help));
        }
    }
    Some(path)
}

fn read_umask(table: &mut Table<'_>) -> Option<u32> {
    let value = table.value("umask")?;
    if value.is_integer() {
        return value.wrong_type("octal digits in quotes, such as \"027\"");
    }
    let text = value.text()?;
    match u32::from_str_radix(text.value, 8) {
        Ok(umask) if umask <= 0o777 && !text.value.starts_with('+') => Some(umask),
        _ => {
            let message = format!("`{}` is not a umask", text.value);
            value.refuse(Code::InvalidValue, message, "write three octal digits, such as \"027\" or \"077\"")
        }
    }
}

fn read_user<'d>(table: &mut Table<'d>, context: &Context<'_>) -> Option<&'d str> {
    let text = table.text("user")?;
    let mut users = context.users.borrow_mut();
    let wrong = users.entry(text.value.to_owned()).or_insert_with_key(|name| account::user(name).err());
    if let Some(message) = wrong.clone() {
        let problem = Problem::new(Code::UnknownUser, text.at, message).help("see `getent passwd` for those there are");
        table.push(problem.maybe_help(account::meant(text.value, account::USERS)));
    }
    Some(text.value)
}

fn read_group<'d>(table: &mut Table<'d>) -> Option<&'d str> {
    let text = table.text("group")?;
    if let Err(message) = account::group(text.value) {
        let problem = Problem::new(Code::UnknownUser, text.at, message).help("see `getent group` for those there are");
        table.push(problem.maybe_help(account::meant(text.value, account::GROUPS)));
    }
    Some(text.value)
}

fn read_max_output(table: &mut Table<'_>) -> usize {
    const DEFAULT: usize = 1 << 20;
    const LARGEST: u64 = 1 << 30;
    match table.size("max_output") {
        None => DEFAULT,
        Some(size) if size <= LARGEST => usize::try_from(size).unwrap_or(DEFAULT),
        Some(_) => {
            if let Some(value) = table.value("max_output") {
                let help = "so much is held in memory, three times at worst; write the output to a file instead";
                value.refuse::<()>(Code::InvalidSize, "`max_output` is more than 1 GiB", help);
            }
            DEFAULT
        }
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
pub(super) mod tests;
