//! The environment of a command: what the daemon has (`inherit_env`), what a file adds (`env_file`), what the job adds (`env`).
//!
//! Before it: the daemon's own variables, handed in by `cli`, and a job's table. After it: `process::launch`. Invariants: the
//! daemon's variables are kept once and shared by all jobs; no value is ever shown, since any may be a secret.
//!
//! The reader of `env_file` is written here: files are those of systemd's EnvironmentFile= (several lines, no expansion of
//! `$`, comments with `;`), and the crates for `.env` files expand variables and differ in all three.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Context, free_of_nul};
use crate::diagnostic::{Code, Problem};
use crate::document::{Key, Kind, Table, Value, read_small};
use crate::exec::os::plain;
use crate::exec::program::is_missing;

/// The keys of this file.
pub(super) const KEYS: &[Key] = &[
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
        about: "A file of `NAME=VALUE` lines as systemd's EnvironmentFile= takes them; read at each run. A relative path \
                starts from `working_dir`; a file that is only beside slack_alert.toml is taken from there.",
    },
];

/// The variables that tell the daemon of its own surroundings and would mislead a command (systemd.exec(5), sd_notify(3)).
/// A name that ends in `*` stands for all that begin so.
pub const PLUMBING: &[&str] = &["CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_*", "LISTEN_*"];

/// Where programs are looked for when there is no PATH, as execvp(3) has it.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// An `env_file` larger than this is refused: nobody wrote it by hand.
const LARGEST_FILE: u64 = 1 << 20;

/// Variables, each once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: Vec<(OsString, OsString)>,
}

/// The variables of a job.
#[derive(Clone, Default)]
pub(in crate::exec) struct Variables {
    /// What of the daemon's own it sees.
    pub(in crate::exec) inherited: Arc<Environment>,
    pub(in crate::exec) env: Box<[(Box<str>, Box<str>)]>,
    pub(in crate::exec) env_file: Option<PathBuf>,
}

/// What the name of a variable contains whose value is nobody's to see: the words of the manual, of which people know what is
/// masked. `diagnostic::mask` knows more, since nobody misses what it blots out, and the rule `secret-in-file` asks how a name
/// ends, since a finding that is none is in the way.
const SECRET_NAMES: [&str; 5] = ["PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL"];

/// What every environment has and nobody hides: to mask the value of one of these would mask every path.
const OPEN_NAMES: [&str; 9] = ["PATH", "HOME", "SHELL", "TERM", "TZ", "LANG", "USER", "LOGNAME", "TMPDIR"];

/// The values of an `env_file` that are masked.
pub(in crate::exec) fn secret_values(file: &[(String, String)]) -> impl Iterator<Item = &str> {
    let is_open = |name: &str| OPEN_NAMES.contains(&name) || name.starts_with("LC_");
    file.iter().filter(move |(name, _)| !is_open(name)).map(|(_, value)| value.as_str())
}

/// Whether a variable is secret by its name.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

impl Variables {
    /// The values of `env` that are secret by their names.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.env.iter().filter(move |(name, _)| is_secret(name)).map(|(_, value)| value.as_ref())
    }
}

/// What an `env_file` says.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::exec) struct FileOfVariables {
    pub(in crate::exec) variables: Vec<(String, String)>,
    /// Lines that set nothing, and are passed over.
    pub(in crate::exec) idle: Vec<BadLine>,
}

/// A line of an `env_file` that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::exec) struct BadLine {
    /// Which line, from 1.
    pub(in crate::exec) line: usize,
    /// What is wrong with it; never its text, which may be a secret.
    pub(in crate::exec) message: &'static str,
}

/// Why an `env_file` gives nothing.
#[derive(Debug)]
pub(in crate::exec) enum FileError {
    /// It is not there, or cannot be read.
    Io(std::io::Error),
    /// It is no text of lines `NAME=VALUE`.
    Bad(Vec<BadLine>),
}

/// Names only: values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.iter().map(|(name, _)| name)).finish()
    }
}

impl Environment {
    /// These variables; of a name that comes twice, the last counts.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            environment.variables.retain(|(known, _)| *known != name);
            environment.variables.push((name, value));
        }
        environment
    }

    /// The same without these; a name that ends in `*` stands for all that begin so.
    #[must_use]
    pub fn without(mut self, names: &[&str]) -> Self {
        self.variables.retain(|(name, _)| !names.iter().any(|pattern| matches(pattern, name)));
        self
    }

    /// The same with only these.
    #[must_use]
    pub fn only(mut self, names: &[&str]) -> Self {
        self.variables.retain(|(name, _)| names.iter().any(|pattern| matches(pattern, name)));
        self
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_os_str())
    }

    /// Every variable.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Where programs are looked for.
    pub(in crate::exec) fn path(&self) -> &OsStr {
        self.get("PATH").unwrap_or(OsStr::new(DEFAULT_PATH))
    }
}

pub(super) fn read(table: &mut Table<'_>, context: &Context<'_>, working_dir: &Path) -> Variables {
    let inherited = read_inherited(table, context);
    Variables { inherited, env: read_env(table), env_file: read_env_file(table, context, working_dir) }
}

fn read_inherited(table: &mut Table<'_>, context: &Context<'_>) -> Arc<Environment> {
    let all = || Arc::clone(context.environment);
    let Some(value) = table.value("inherit_env") else { return all() };
    match value.as_flag() {
        Some(true) => all(),
        Some(false) => Arc::default(),
        None if value.is_list() => {
            let help = "write the name of a variable, or take it out";
            let names: Vec<&str> =
                table.filled_list("inherit_env", help).unwrap_or_default().iter().map(|text| text.value).collect();
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
        if let Some(message) = bad_name(name) {
            env.push(
                Problem::new(Code::InvalidValue, value.key_at, message).help("name it with letters, digits and `_`"),
            );
        }
        let text = value.text()?;
        let text = free_of_nul(&env, value.path(), text)?;
        Some((name.into(), text.into()))
    };
    env.all_keys().into_iter().filter_map(take).collect()
}

fn read_env_file(table: &mut Table<'_>, context: &Context<'_>, working_dir: &Path) -> Option<PathBuf> {
    let text = table.file("env_file")?;
    let path = found(Path::new(text.value), working_dir, context.config_dir);
    match examine_file(&path) {
        Ok(FileOfVariables { idle, .. }) if idle.is_empty() => {}
        Ok(FileOfVariables { idle, .. }) => {
            let message = format!("`env_file`: {}: {}", path.display(), listed(&idle));
            let help = "write one `NAME=VALUE` a line; comments begin with `#`";
            table.push(Problem::new(Code::IdleLine, text.at, message).help(help));
        }
        Err(FileError::Io(error)) => {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let code = if missing { Code::MissingFile } else { Code::UnreadableFile };
            let message = format!("`env_file`: {}: {}", path.display(), plain(&error));
            let help = "create it, or correct the path; a relative one starts from `working_dir`";
            table.push(Problem::new(code, text.at, message).help(help));
        }
        Err(error @ FileError::Bad(_)) => {
            let message = format!("`env_file`: {}: {error}", path.display());
            let help = "write the file as UTF-8 text, and close each quote that a value begins with";
            table.push(Problem::new(Code::InvalidValue, text.at, message).help(help));
        }
    }
    Some(path)
}

/// The file of that name in `working_dir`. One that is only beside slack_alert.toml is taken too: one file for many jobs, each
/// with a folder of its own, is named in `[defaults]`.
fn found(name: &Path, working_dir: &Path, config_dir: &Path) -> PathBuf {
    let (own, common) = (working_dir.join(name), config_dir.join(name));
    match is_missing(&own) && !is_missing(&common) {
        true => common,
        false => own,
    }
}

fn matches(pattern: &str, name: &OsStr) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.as_encoded_bytes().starts_with(start.as_bytes()),
        None => name == pattern,
    }
}

/// Why this cannot be the name of a variable, if it cannot (environ(7)).
fn bad_name(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("the name of a variable cannot be empty"),
        _ if name.contains('=') => Some("the name of a variable cannot hold `=`"),
        _ if name.contains('\0') => Some("the name of a variable cannot hold a NUL"),
        _ => None,
    }
}

/// The variables of an `env_file`, read from disk.
pub(in crate::exec) fn read_file(path: &Path) -> Result<Vec<(String, String)>, FileError> {
    examine_file(path).map(|file| file.variables)
}

fn examine_file(path: &Path) -> Result<FileOfVariables, FileError> {
    let too_large = || FileError::Io(std::io::Error::other("it is larger than 1 MiB"));
    let bytes = read_small(path, LARGEST_FILE).map_err(FileError::Io)?.ok_or_else(too_large)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
        FileError::Bad(vec![BadLine { line, message: "it is not UTF-8 text" }])
    })?;
    parse(&as_written_here(text)).map_err(FileError::Bad)
}

/// Without what an editor of another system adds: a byte order mark, and carriage returns at the ends of lines, which no value
/// is meant to have.
fn as_written_here(text: String) -> String {
    let bare = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if bare.len() == text.len() && !text.contains("\r\n") { text } else { bare.replace("\r\n", "\n") }
}

/// What an `env_file` says, read as systemd reads that of EnvironmentFile= (systemd.exec(5)), or every line that is wrong. A
/// line that is no assignment, or whose name is none, sets nothing there either. An `export ` before the name is taken off,
/// since the same file is often read by a shell.
fn parse(text: &str) -> Result<FileOfVariables, Vec<BadLine>> {
    let mut variables: Vec<(String, String)> = Vec::new();
    let (mut idle, mut bad) = (Vec::new(), Vec::new());
    let mut cursor = Cursor { rest: text, line: 1 };
    while !cursor.rest.is_empty() {
        let line = cursor.line;
        match cursor.assignment() {
            Ok(Line::Blank) => {}
            Ok(Line::Idle(message)) => idle.push(BadLine { line, message }),
            Ok(Line::Sets(name, value)) => {
                variables.retain(|(known, _)| *known != name);
                variables.push((name, value));
            }
            Err(message) => {
                bad.push(BadLine { line, message });
                cursor.skip_line();
            }
        }
    }
    if bad.is_empty() { Ok(FileOfVariables { variables, idle }) } else { Err(bad) }
}

/// What a line of an `env_file` is, with those in which its value goes on.
enum Line {
    Blank,
    Sets(String, String),
    /// It sets nothing, for this reason.
    Idle(&'static str),
}

/// Where the reading of an `env_file` is.
struct Cursor<'t> {
    rest: &'t str,
    line: usize,
}

impl Cursor<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn skip_line(&mut self) {
        while self.next().is_some_and(|c| c != '\n') {}
    }

    fn assignment(&mut self) -> Result<Line, &'static str> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r']);
        if self.rest.starts_with(['\n', '#', ';']) || self.rest.is_empty() {
            self.skip_line();
            return Ok(Line::Blank);
        }
        let line = self.rest.split('\n').next().unwrap_or(self.rest);
        let Some((name, _)) = line.split_once('=') else {
            self.skip_line();
            return Ok(Line::Idle("there is no `=`"));
        };
        let length = name.len() + 1;
        let name = name.trim();
        let name = name.strip_prefix("export ").map_or(name, str::trim_start).to_owned();
        self.rest = &self.rest[length..];
        let value = self.value()?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Ok(Line::Idle("the name before `=` may hold only letters, digits and `_`"));
        }
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(Line::Idle("the name before `=` cannot begin with a digit"));
        }
        if value.contains('\0') { Err("the value holds a NUL") } else { Ok(Line::Sets(name, value)) }
    }

    /// What follows the `=`: quoted parts, with nothing between them but blanks, then bare text to the end of the line.
    fn value(&mut self) -> Result<String, &'static str> {
        let mut value = String::new();
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\r']);
            match self.rest.chars().next() {
                Some(quote @ ('\'' | '"')) => {
                    self.next();
                    self.until(quote, &mut value)?;
                }
                _ => break,
            }
        }
        self.bare(&mut value);
        Ok(value)
    }

    /// Text in which a quote is a character like any other, to the end of the line and without the blanks there.
    fn bare(&mut self, value: &mut String) {
        // The value up to here stays as it is; blanks after it are dropped at the end of the line.
        let mut kept = value.len();
        while let Some(c) = self.next() {
            match c {
                '\n' => break,
                '\\' => {
                    // At the end of a line it means that the value goes on in the next one.
                    value.extend(self.next().filter(|c| *c != '\n'));
                    kept = value.len();
                }
                c => {
                    value.push(c);
                    if !c.is_ascii_whitespace() {
                        kept = value.len();
                    }
                }
            }
        }
        value.truncate(kept);
    }

    /// The quoted text up to its closing quote, which may be lines below.
    fn until(&mut self, quote: char, value: &mut String) -> Result<(), &'static str> {
        while let Some(c) = self.next() {
            match c {
                c if c == quote => return Ok(()),
                '\\' if quote == '"' => match self.next() {
                    Some('\n') | None => {}
                    Some(c @ ('"' | '\\' | '`' | '$')) => value.push(c),
                    Some(c) => value.extend(['\\', c]),
                },
                c => value.push(c),
            }
        }
        Err("a quote is never closed")
    }
}

/// The first of these lines, each with what is wrong with it.
fn listed(lines: &[BadLine]) -> String {
    let shown: Vec<_> = lines.iter().take(5).map(|bad| format!("line {}: {}", bad.line, bad.message)).collect();
    shown.join("; ")
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{}", plain(error)),
            Self::Bad(lines) => f.write_str(&listed(lines)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use proptest::prelude::*;

    use super::{BadLine, Environment, FileOfVariables, PLUMBING, parse};

    fn environment(names: &[&str]) -> Environment {
        Environment::new(names.iter().map(|name| ((*name).into(), format!("value of {name}").into())))
    }

    #[test]
    fn secrets_and_plumbing_stay_behind() {
        let own = environment(&["PATH", "SLACK_TOKEN", "NOTIFY_SOCKET", "WATCHDOG_PID", "LISTEN_FDS", "LISTENER"]);
        let left = own.without(PLUMBING).without(&["SLACK_TOKEN"]);
        assert_eq!(format!("{left:?}"), r#"{"PATH", "LISTENER"}"#);
        assert_eq!(left.clone().only(&["LIS*", "HOME"]), environment(&["LISTENER"]));
        assert_eq!(left.path(), OsStr::new("value of PATH"));
        assert_eq!(Environment::default().path(), OsStr::new("/bin:/usr/bin"));
    }

    fn read(variables: &[(&str, &str)]) -> FileOfVariables {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        FileOfVariables { variables: variables.iter().map(owned).collect(), idle: Vec::new() }
    }

    #[test]
    fn a_file_is_read_as_systemd_reads_it() {
        for (text, name, value) in [
            ("A=1", "A", "1"),
            ("\n# a comment\n; another\n\n  A = two words  \n", "A", "two words"),
            ("export A=1\r\n", "A", "1"),
            ("A='single $x \\n' ", "A", "single $x \\n"),
            (r#"A="double \"q\" \$x \\ \n""#, "A", r#"double "q" $x \ \n"#),
            ("A=one \\\n  two", "A", "one   two"),
            ("A=\"lines\nof text\"", "A", "lines\nof text"),
            (r#"A={"a": "x y", "b": 1}"#, "A", r#"{"a": "x y", "b": 1}"#),
            (r#"A=a"b"c"#, "A", r#"a"b"c"#),
            ("A=it's", "A", "it's"),
            (r#"A="x" "y""#, "A", "xy"),
            ("A='x' y 'z' ", "A", "xy 'z'"),
            (r"A=\'x'", "A", "'x'"),
            ("A='x\ny' # why", "A", "x\ny# why"),
            ("A=one \\\n", "A", "one "),
            (r"A=back\ slash\\", "A", r"back slash\"),
            ("A=", "A", ""),
            ("A='  '", "A", "  "),
            ("A=x # not a comment", "A", "x # not a comment"),
            ("A=a=b", "A", "a=b"),
            ("A=1\nA=2", "A", "2"),
        ] {
            assert_eq!(parse(text), Ok(read(&[(name, value)])), "{text:?}");
        }
        assert_eq!(parse(""), Ok(read(&[])));
    }

    #[test]
    fn a_file_of_an_editor_of_another_system_is_read_like_any_other() {
        let text = "\u{feff}A=a\\\r\nb\r\nB=\"x\r\ny\"\r\nC='p\r\nq'\r\n# end\r\n".to_owned();
        let found = parse(&super::as_written_here(text)).map_err(|bad| bad.len());
        assert_eq!(found, Ok(read(&[("A", "ab"), ("B", "x\ny"), ("C", "p\nq")])));
    }

    #[test]
    fn a_line_that_sets_nothing_is_passed_over_and_told() {
        let text = "GOOD=1\nno equals sign, it's said\nA B='2\n3=4'\n1A=3\n=x\nLAST=2\n";
        let file = parse(text).expect("nothing is wrong with the rest");
        assert_eq!(file.variables, read(&[("GOOD", "1"), ("LAST", "2")]).variables);
        let lines: Vec<_> = file.idle.iter().map(|line| (line.line, line.message)).collect();
        let (no_name, digit) = (
            "the name before `=` may hold only letters, digits and `_`",
            "the name before `=` cannot begin with a digit",
        );
        assert_eq!(lines, [(2, "there is no `=`"), (3, no_name), (5, digit), (6, no_name)]);
    }

    #[test]
    fn a_quote_that_swallows_the_rest_of_the_file_is_refused() {
        let bad = parse("GOOD=1\nX='open\nY=2\n").expect_err("a bad line");
        assert_eq!(bad, [BadLine { line: 2, message: "a quote is never closed" }]);
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(text in "[A=#;'\"\\\\\n \tex\u{e9}\0]{0,60}") {
            let _ = parse(&text);
        }

        /// What is quoted comes back as it was.
        #[test]
        fn single_quotes_keep_everything(value in "[^'\0]{0,30}") {
            let text = format!("A='{value}'\n");
            prop_assert_eq!(parse(&text), Ok(read(&[("A", &value)])));
        }
    }
}
