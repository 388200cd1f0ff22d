//! The command line: one file a command; `run.rs` is the composition root of the daemon.
//!
//! Results go to stdout, everything else to stderr. Exit codes: 0 well; 1 it found problems or failed; 2 wrong usage, or
//! no configuration found (SPEC 8).

pub mod args;
mod check;
mod completions;
mod help;
mod history;
mod import;
mod input;
mod list;
mod locate;
mod logs;
mod mrkdwn;
mod next;
mod once;
mod online;
mod outbox;
mod preview;
mod run;
mod schema;
mod simulate;
mod state;
mod svg;
pub mod terminal;
mod view;
mod why;

pub mod journal;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Command, RunArgs};
use terminal::Terminal;

/// It found problems, or failed.
const FAILED: u8 = 1;
/// Wrong usage, or no configuration found.
const USAGE: u8 = 2;

/// Why a command ends early: what to say, and the exit code.
#[derive(Debug)]
struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// It found problems or failed.
    fn new(message: impl Into<String>) -> Self {
        Self { code: FAILED, message: message.into() }
    }

    /// Wrong usage, or no configuration found.
    fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, message: message.into() }
    }
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let environment = locate::environment();
    let no_color = environment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
    let terminal = Terminal::new(cli.global.color, no_color);
    let world = locate::World { environment, terminal, global: cli.global };
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
        Some(Command::Check(args)) => check::run(&world, &args),
        Some(Command::Once(args)) => once::run(&world, &args),
        Some(Command::Next(args)) => next::run(&world, &args),
        Some(Command::List(args)) => list::run(&world, &args),
        Some(Command::Preview(args)) => preview::run(&world, &args),
        Some(Command::Simulate(args)) => simulate::run(&world, &args),
        Some(Command::Why(args)) => why::run(&world, &args),
        Some(Command::History(args)) => history::run(&world, &args),
        Some(Command::Outbox(args)) => outbox::run(&world, &args),
        Some(Command::Import(args)) => import::run(&world, &args),
        Some(Command::Schema(args)) => Ok(schema::run(&world, &args)),
        Some(Command::Completions(args)) => Ok(completions::run(&world, &args)),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            terminal.err(&format!("slack-alert: {}", failure.message));
            ExitCode::from(failure.code)
        }
    }
}
