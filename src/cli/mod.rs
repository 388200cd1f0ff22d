//! The command line: one file a command; `run.rs` is the composition root of the daemon.
//!
//! Results go to stdout, everything else to stderr. Exit codes: 0 well; 1 it found problems or failed; 2 wrong usage, or
//! no configuration found.

pub mod args;
mod attended;
mod check;
mod client;
mod completions;
mod control;
mod help;
mod history;
mod hold;
mod import;
mod init;
mod input;
mod list;
mod locate;
mod logs;
mod next;
mod once;
mod online;
mod outbox;
mod ping;
mod preview;
mod reload;
mod run;
mod runtime;
mod schema;
mod simulate;
mod state;
mod status;
mod stderr;
pub mod terminal;
mod time;
mod trigger;
mod why;
mod wrap;

pub mod journal;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use args::{Cli, Command, RunArgs};
use terminal::Terminal;

use crate::api;

/// It found problems, or failed.
const FAILED: u8 = 1;
/// Wrong usage, or no configuration found.
const USAGE: u8 = 2;

/// What is to be done about a failure stands behind its words.
const HELP: &str = "\n  help: ";

/// Why a command ends early: what to say, and the exit code.
#[derive(Debug)]
struct Failure {
    code: u8,
    message: String,
    /// What kind of error it is, for programs; where none is said, the exit code is all that is known.
    kind: Option<&'static str>,
    /// The daemon's own answer, where it has refused.
    answer: Option<Box<api::Failure>>,
}

impl Failure {
    /// It found problems or failed.
    fn new(message: impl Into<String>) -> Self {
        Self { code: FAILED, message: message.into(), kind: None, answer: None }
    }

    /// Wrong usage, or no configuration found.
    fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, ..Self::new(message) }
    }

    /// The same, as an error of this kind.
    fn of(self, kind: &'static str) -> Self {
        Self { kind: Some(kind), ..self }
    }

    /// For programs, as the API tells errors.
    fn in_json(&self) -> serde_json::Value {
        if let Some(answer) = &self.answer {
            return serde_json::json!(answer);
        }
        let (message, help) = match self.message.split_once(HELP) {
            Some((message, help)) => (message, Some(help)),
            None => (self.message.as_str(), None),
        };
        let code = self.kind.unwrap_or(if self.code == USAGE { "bad-request" } else { "failed" });
        serde_json::json!({ "error": { "code": code, "message": message, "help": help } })
    }
}

/// The arguments of the process, its name first.
#[expect(clippy::disallowed_methods, reason = "what clap reads, for those that it refuses")]
fn arguments() -> Vec<std::ffi::OsString> {
    std::env::args_os().collect()
}

/// `help COMMAND` asks for what `COMMAND --help` shows, as with other programs; `help` alone for what `--help` shows.
fn as_options(mut arguments: Vec<std::ffi::OsString>) -> Vec<std::ffi::OsString> {
    let (command, _) = place_of_command(&arguments);
    if arguments.get(command).is_some_and(|first| first == "help") {
        arguments.remove(command);
        arguments.push("--help".into());
    }
    arguments
}

/// Where the command stands, behind the options before it, and where `--json` does among them.
fn place_of_command(arguments: &[std::ffi::OsString]) -> (usize, Option<usize>) {
    let cli = Cli::command();
    let takes_value = |option: &str| {
        cli.get_arguments().any(|arg| {
            arg.get_action().takes_values() && arg.get_long().is_some_and(|long| option == format!("--{long}"))
        })
    };
    let (mut index, mut found) = (1, None);
    while let Some(argument) = arguments.get(index).and_then(|argument| argument.to_str()) {
        match argument {
            "--json" => found = Some(index),
            "--" => return (arguments.len(), None),
            option if option.starts_with('-') => index += usize::from(takes_value(option)),
            _ => break,
        }
        index += 1;
    }
    (index, found)
}

/// `--json` before the command asks for what it asks behind it: whoever changes a line adds it where the line begins.
fn json_behind_command(mut arguments: Vec<std::ffi::OsString>) -> Vec<std::ffi::OsString> {
    let (index, found) = place_of_command(&arguments);
    if let Some(json) = found.filter(|_| index < arguments.len()) {
        let moved = arguments.remove(json);
        // The command has moved up by one.
        arguments.insert(index, moved);
    }
    arguments
}

/// The colour of what clap itself says, which is said before `--color` is known.
fn color_of_help(arguments: &[std::ffi::OsString]) -> clap::ColorChoice {
    let words = arguments.iter().map(|word| word.to_str().unwrap_or_default()).take_while(|word| *word != "--");
    let mut asked = clap::ColorChoice::Auto;
    let mut is_next = false;
    for word in words {
        let value = if is_next { Some(word) } else { word.strip_prefix("--color=") };
        asked = value.and_then(|value| value.parse().ok()).unwrap_or(asked);
        is_next = word == "--color";
    }
    asked
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let arguments = json_behind_command(as_options(arguments()));
    let (command, _) = place_of_command(&arguments);
    let arguments = wrap::marked(arguments, command);
    let in_json = arguments.iter().take_while(|word| *word != "--").any(|word| word == "--json");
    let parsed = Cli::command().color(color_of_help(&arguments)).try_get_matches_from(&arguments);
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        // A mistake in a line of a crontab keeps its command from nothing.
        Err(error) => match wrap::misused(&arguments, &error) {
            Some((command, why)) => {
                crate::exec::prepare_to_pass_through();
                return wrap::run_misused(&command, &why);
            }
            None => error.exit(),
        },
    };
    match cli.command {
        Some(Command::Wrap(_)) => crate::exec::prepare_to_pass_through(),
        _ => crate::exec::prepare(),
    }
    let environment = locate::environment();
    let no_color = environment.get("NO_COLOR").is_some_and(|value| !value.is_empty())
        || environment.get("TERM").is_some_and(|value| value == "dumb");
    let terminal =
        Terminal::new(cli.global.color, no_color, environment.get("COLUMNS").and_then(|value| value.to_str()));
    let world = locate::World { environment, terminal, global: cli.global, said: std::sync::Arc::default() };
    if cli.run != RunArgs::default() && !matches!(cli.command, None | Some(Command::Run(_))) {
        let message = "--strict, --dry-run, --scheduler and --log-format are options of `run`";
        Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit();
    }
    let result = match cli.command {
        None => run::run(&world, &cli.run),
        Some(Command::Run(mut args)) => {
            args.strict |= cli.run.strict;
            args.dry_run |= cli.run.dry_run;
            run::run(&world, &args)
        }
        Some(Command::Init(args)) => init::run(&world, &args),
        Some(Command::Check(args)) => check::run(&world, &args),
        Some(Command::Once(args)) => once::run(&world, &args),
        Some(Command::Next(args)) => next::run(&world, &args),
        Some(Command::List(args)) => list::run(&world, &args),
        Some(Command::Preview(args)) => preview::run(&world, &args),
        Some(Command::Simulate(args)) => simulate::run(&world, &args),
        Some(Command::Why(args)) => why::run(&world, &args),
        Some(Command::History(args)) => history::run(&world, &args),
        Some(Command::Status(args)) => status::run(&world, &args),
        Some(Command::Trigger(args)) => trigger::run(&world, &args),
        Some(Command::Pause(args)) => hold::pause(&world, &args),
        Some(Command::Resume(args)) => hold::resume(&world, &args),
        Some(Command::Silence(args)) => hold::silence(&world, &args),
        Some(Command::Ack(args)) => hold::ack(&world, &args),
        Some(Command::Reload(args)) => reload::run(&world, &args),
        Some(Command::Outbox(args)) => outbox::run(&world, &args),
        Some(Command::Ping(args)) => ping::run(&world, &args),
        Some(Command::Wrap(args)) => Ok(wrap::run(&world, &args)),
        Some(Command::Import(args)) => import::run(&world, &args),
        Some(Command::Schema(args)) => Ok(schema::run(&world, &args)),
        Some(Command::Completions(args)) => Ok(completions::run(&world, &args)),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            // Whoever asked for JSON and has got none yet reads there why.
            if in_json && !terminal::is_written() {
                terminal.out(&format!("{}\n", failure.in_json()));
            }
            terminal.err(&format!("slack-alert: {}", failure.message));
            ExitCode::from(failure.code)
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn json_may_stand_before_the_command() {
        for (typed, read) in [
            ("list --json", "list --json"),
            ("--json list", "list --json"),
            ("-v --json --state-dir list next x", "-v --state-dir list next --json x"),
            ("--state-dir=d --json outbox list", "--state-dir=d outbox --json list"),
            ("--json", "--json"),
            ("wrap -- --json", "wrap -- --json"),
            ("--json -- x", "--json -- x"),
        ] {
            let words = |text: &str| format!("slack-alert {text}").split(' ').map(Into::into).collect::<Vec<_>>();
            assert_eq!(super::json_behind_command(words(typed)), words(read), "{typed}");
        }
    }
}
