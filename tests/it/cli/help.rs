//! `--help` of every command: says what it does, describes every argument, and shows examples that the parser takes as
//! that command's; on terminals of any width.

use clap::{Command, CommandFactory, Parser};
use slack_alert::cli::args::Cli;

use crate::support::program::Sandbox;

/// Every command with the words that lead to it: `[]` is the program itself, `["outbox", "list"]` a command of a command.
fn commands() -> Vec<(Vec<String>, Command)> {
    fn below(words: &[String], command: &Command, out: &mut Vec<(Vec<String>, Command)>) {
        out.push((words.to_vec(), command.clone()));
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            below(&[words, &[inner.get_name().to_owned()]].concat(), inner, out);
        }
    }
    let mut all = Vec::new();
    below(&[], &Cli::command(), &mut all);
    all
}

/// The examples in a help: the lines to type, without the remarks above them.
fn examples(help: &str) -> Vec<String> {
    let mut lines = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    let lines = std::iter::from_fn(|| lines.next().filter(|line| line.starts_with("  ")));
    lines.map(|line| line.trim().to_owned()).filter(|line| !line.starts_with('#')).collect()
}

/// The words that a shell would give to slack-alert in a line with pipes, redirections, quotes and `<(…)`.
fn typed(line: &str) -> Vec<String> {
    let line = line.replace("<(", " ").replace(')', " ");
    let mut words: Vec<String> = Vec::new();
    let (mut word, mut quoted) = (String::new(), false);
    for c in line.chars().chain([' ']) {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            _ => word.push(c),
        }
    }
    let begin = words.iter().rposition(|word| word == "slack-alert").unwrap_or_else(|| panic!("no command: {line}"));
    words.into_iter().skip(begin).take_while(|word| word != "|" && word != ">").collect()
}

#[test]
fn every_command_says_what_it_does_in_a_line_and_in_a_paragraph() {
    for (words, command) in commands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
        assert!(about.starts_with(char::is_uppercase) && !about.ends_with('.'), "{words:?}: a line: {about}");
        let paragraph = long.strip_prefix(&format!("{about}\n\n")).unwrap_or_default();
        assert!(paragraph.ends_with('.'), "{words:?}: whole sentences below the line: {long}");
        for arg in command.get_arguments() {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with(char::is_uppercase), "{words:?}: what is {} for? {help}", arg.get_id());
        }
    }
}

#[test]
fn every_command_has_examples_and_the_parser_takes_each() {
    for (words, command) in commands() {
        let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        let examples = examples(&help);
        assert!(!examples.is_empty(), "{words:?} has no examples: {help}");
        for example in examples {
            let typed = typed(&example);
            let parsed = Cli::try_parse_from(&typed);
            assert!(
                parsed.is_ok(),
                "{words:?}: `{example}`: {}",
                parsed.err().map(|e| e.to_string()).unwrap_or_default()
            );
            assert!(
                words.iter().all(|word| typed.contains(word)),
                "an example of another command: {words:?}: {example}"
            );
        }
        for line in help.lines().filter(|line| line.starts_with("  ")) {
            assert!(line.chars().count() <= 80, "{words:?}: longer than the narrowest terminal: {line}");
        }
    }
}

#[test]
fn long_help_has_the_examples_and_short_help_leaves_them_out() {
    let sandbox = Sandbox::new();
    for (words, _) in commands() {
        let ask = |flag: &str| {
            let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
            words.push(flag);
            sandbox.run(&words)
        };
        let (long, short) = (ask("--help"), ask("-h"));
        assert_eq!((long.code, short.code), (0, 0), "{words:?}");
        assert!(long.stdout.contains("\nExamples:\n"), "{words:?}: {}", long.stdout);
        assert!(!short.stdout.contains("Examples:"), "{words:?}: {}", short.stdout);
        // Its own options come first, then those that every command has.
        let own = long.stdout.find("\nOptions:\n").unwrap_or_else(|| panic!("{words:?}: {}", long.stdout));
        let shared = long.stdout.find("\nOptions of every command:\n");
        assert!(shared.is_some_and(|shared| own < shared), "{words:?}: {}", long.stdout);
    }
}

#[test]
fn help_is_wrapped_at_the_width_of_the_terminal() {
    for width in [60, 80, 100] {
        let sandbox = Sandbox::new().variable("COLUMNS", &width.to_string());
        for (words, _) in commands() {
            let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
            words.push("--help");
            let help = sandbox.run(&words).stdout;
            // clap never breaks the lines of the usage.
            let usage = |line: &&str| line.starts_with("Usage:") || line.starts_with("       slack-alert");
            let longest = help.lines().filter(|line| !usage(line)).map(|line| line.chars().count()).max();
            let longest = longest.unwrap_or_default();
            assert!(longest <= width, "{words:?} at {width}: {longest}\n{help}");
        }
    }
}

#[test]
fn help_before_a_command_is_its_help() {
    let sandbox = Sandbox::new();
    for words in [&[][..], &["once"], &["silence", "list"]] {
        let asked = sandbox.run(&[&["help"], words].concat());
        assert_eq!((asked.code, &asked.stdout), (0, &sandbox.run(&[words, &["--help"]].concat()).stdout), "{words:?}");
        assert!(asked.stdout.contains("Usage: slack-alert"), "{asked:?}");
    }
    assert_eq!(sandbox.run(&["help", "frobnicate"]).code, 2);
    let plain = sandbox.run(&["--color", "never", "--help"]).stdout;
    let coloured = sandbox.run(&["--color=always", "--help"]).stdout;
    assert!(coloured.contains('\u{1b}') && !plain.contains('\u{1b}'));
    let behind = sandbox.run(&["--config", "elsewhere", "help", "once"]);
    assert_eq!((behind.code, behind.stdout), (0, sandbox.run(&["once", "--help"]).stdout));
}

#[test]
fn short_help_fits_a_screen_and_leaves_no_command_out() {
    let sandbox = Sandbox::new().variable("COLUMNS", "80");
    let short = sandbox.run(&["-h"]).stdout;
    assert!(short.lines().count() <= 40, "{} lines\n{short}", short.lines().count());
    let long = sandbox.run(&["--help"]).stdout;
    for (words, _) in commands().into_iter().filter(|(words, _)| words.len() == 1) {
        assert!(short.contains(&format!("\n  {} ", words[0])), "{words:?}\n{short}");
    }
    for option in ["--working-hours", "--scheduler", "--state-dir", "/etc/slack-alert/slack_alert.toml"] {
        assert!(long.contains(option) && !short.contains(option), "{option}");
    }
}
