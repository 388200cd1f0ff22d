//! Where the command begins in what was typed, with `--` before it or without.

use std::ffi::{OsStr, OsString};

use clap::CommandFactory as _;

use super::super::args::Cli;
use crate::document::nearest;

/// The command of a `wrap` with options that nobody understands, and what is wrong with them: it runs as if we were not there.
pub(in crate::cli) fn misused(arguments: &[OsString], error: &clap::Error) -> Option<(Vec<OsString>, String)> {
    let end = arguments.iter().position(|word| word == "--")?;
    let (options, command) = (arguments.get(1..end)?, arguments.get(end + 1..)?);
    let known = Cli::command();
    let named = options.iter().filter_map(|word| word.to_str());
    let first = named.filter_map(|word| known.find_subcommand(word)).next()?;
    if !error.use_stderr() || first.get_name() != "wrap" || command.is_empty() {
        return None;
    }
    let text = error.to_string();
    let why = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    Some((command.to_vec(), why))
}

/// The arguments with `--` before the command of a `wrap`, which stands at `place`: the first word that is no option begins it, as
/// with env(1), and whatever follows is its own.
pub(in crate::cli) fn marked(mut arguments: Vec<OsString>, place: usize) -> Vec<OsString> {
    if arguments.get(place).is_some_and(|word| word == "wrap") {
        let begins = place + 1 + options(&arguments[place + 1..]);
        if arguments.get(begins).is_some_and(|word| word != "--") {
            arguments.insert(begins, "--".into());
        }
    }
    arguments
}

/// How many words are options and their values.
fn options(words: &[OsString]) -> usize {
    let mut known = Cli::command();
    known.build();
    let known: Vec<_> = known.find_subcommand("wrap").map(clap::Command::get_opts).into_iter().flatten().collect();
    let names = || known.iter().filter_map(|option| option.get_long());
    let mut read = 0;
    while let Some(word) = words.get(read).filter(|word| is_option(word)) {
        read += 1;
        let word = word.to_string_lossy();
        let Some(name) = word.strip_prefix("--").filter(|name| !name.contains('=')) else { continue };
        // One that is mistyped takes a value where the one that was meant does.
        let Some(meant) = nearest(name, names()) else {
            match words.iter().position(|word| word == "--") {
                Some(end) => return end,
                None => continue,
            }
        };
        let takes = known.iter().any(|option| option.get_long() == Some(meant) && option.get_action().takes_values());
        read += usize::from(takes && words.get(read).is_some_and(|value| !value.as_encoded_bytes().starts_with(b"-")));
    }
    read
}

/// `-` alone is a word, and `--` the end of the options.
fn is_option(word: &OsStr) -> bool {
    let word = word.as_encoded_bytes();
    word.starts_with(b"-") && word.len() > 1 && word != b"--"
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_first_word_that_is_no_option_begins_the_command() {
        for (typed, read) in [
            ("wrap cmd x", "wrap -- cmd x"),
            ("wrap cmd -- x", "wrap -- cmd -- x"),
            ("wrap -- cmd -- x", "wrap -- cmd -- x"),
            ("wrap cmd --job x --quiet", "wrap -- cmd --job x --quiet"),
            ("wrap cmd --help", "wrap -- cmd --help"),
            ("wrap --job a -v --quiet --timeout=1h cmd -x", "wrap --job a -v --quiet --timeout=1h -- cmd -x"),
            ("wrap --state-dir d --ignore-global-config cmd", "wrap --state-dir d --ignore-global-config -- cmd"),
            ("wrap - x", "wrap -- - x"),
            ("wrap", "wrap"),
            ("wrap --help", "wrap --help"),
            ("wrap --job cmd", "wrap --job cmd"),
            ("wrap --job --quiet cmd", "wrap --job --quiet -- cmd"),
            ("wrap --job -- cmd", "wrap --job -- cmd"),
            // Mistakes.
            ("wrap --jbo a cmd -- x", "wrap --jbo a -- cmd -- x"),
            ("wrap --qiet cmd", "wrap --qiet -- cmd"),
            ("wrap --nonsense=1 -z cmd", "wrap --nonsense=1 -z -- cmd"),
            ("wrap --nonsense x -- cmd", "wrap --nonsense x -- cmd"),
            ("wrap --nonsense cmd x", "wrap --nonsense -- cmd x"),
            // Another command.
            ("trigger wrap cmd", "trigger wrap cmd"),
        ] {
            let words = |text: &str| text.split(' ').map(Into::into).collect::<Vec<_>>();
            assert_eq!(super::marked(words(typed), 0), words(read), "{typed}");
        }
    }
}
