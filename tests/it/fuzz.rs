//! The targets of `tests/fuzz` without an engine: each on its seeds, and on seeds that were changed at random.
//!
//! `SLACK_ALERT_INPUTS=10000` tries that many of each (CONTRIBUTING.md); `SLACK_ALERT_SEED` repeats a run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::os::crash::{Dice, seed, tries};

#[path = "../fuzz/bodies/answer.rs"]
mod answer;
#[path = "../fuzz/bodies/config.rs"]
mod config;
#[path = "../fuzz/bodies/crontab.rs"]
mod crontab;
#[path = "../fuzz/bodies/env_file.rs"]
mod env_file;
#[path = "../fuzz/bodies/job.rs"]
mod job;
#[path = "../fuzz/bodies/output.rs"]
mod output;
#[path = "../fuzz/bodies/state.rs"]
mod state;
#[path = "../fuzz/bodies/template.rs"]
mod template;

/// What is put in here and there: what means something somewhere.
const WORDS: [&str; 24] = [
    "\n",
    "\r\n",
    "\"",
    "'",
    "'''",
    "\"\"\"",
    "{{",
    "}}",
    "{%",
    "\\",
    "\\u0000",
    "=",
    "[",
    "]",
    "\u{1b}[31m",
    "\u{202e}",
    "9223372036854775808",
    "-1",
    "::slack-alert ",
    "hunter2",
    "|",
    "%",
    "Content-Length: 99999999\r\n",
    "1e400",
];

/// The seeds of a target.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.expect("it can be read").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("it can be read")).collect()
}

/// One change: a bit, a byte, a word put in, a part taken out or doubled, the beginning of one and the end of another.
fn change(input: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let mut at = |length: usize| usize::try_from(dice.below(length as u64 + 1)).expect("it is below a usize");
    let (from, to) = (at(input.len()), at(input.len()));
    let (from, to) = (from.min(to), from.max(to));
    match at(6) {
        0 if from < input.len() => input[from] ^= 1 << at(7),
        1 if from < input.len() => input[from] = u8::try_from(at(255)).expect("it is below 256"),
        2 => drop(input.splice(from..from, WORDS[at(WORDS.len() - 1)].bytes())),
        3 => drop(input.drain(from..to)),
        4 => {
            let part = input[from..to].to_vec();
            drop(input.splice(from..from, part));
        }
        _ => {
            input.truncate(from);
            input.extend_from_slice(&other[at(other.len())..]);
        }
    }
    input.truncate(16_384);
}

/// Runs a target; an input on which it panics is shown.
fn play(name: &str, otherwise: usize, run: fn(&[u8])) {
    let (seeds, seed) = (seeds(name), seed());
    println!("SLACK_ALERT_SEED={seed}");
    let mut dice = Dice(seed);
    let pick = |dice: &mut Dice| seeds[usize::try_from(dice.below(seeds.len() as u64)).expect("it is small")].clone();
    let tried = |input: &[u8]| {
        let ended = catch_unwind(AssertUnwindSafe(|| run(input)));
        assert!(ended.is_ok(), "{name}, SLACK_ALERT_SEED={seed}: b\"{}\"", input.escape_ascii());
    };
    seeds.iter().for_each(|input| tried(input));
    for _ in 0..tries("SLACK_ALERT_INPUTS", otherwise) {
        let (mut input, other) = (pick(&mut dice), pick(&mut dice));
        for _ in 0..=dice.below(8) {
            change(&mut input, &other, &mut dice);
        }
        tried(&input);
    }
}

#[test]
fn no_job_file_is_too_odd() {
    play("job", 100, job::run);
}

#[test]
fn no_configuration_is_too_odd() {
    play("config", 100, config::run);
}

#[test]
fn no_template_is_too_odd() {
    play("template", 100, template::run);
}

#[test]
fn no_crontab_is_too_odd() {
    play("crontab", 100, crontab::run);
}

#[test]
fn no_state_is_too_odd() {
    play("state", 40, state::run);
}

#[test]
fn no_output_is_too_odd_and_none_shows_a_secret() {
    play("output", 300, output::run);
}

#[test]
fn no_file_of_variables_is_too_odd() {
    play("env_file", 100, env_file::run);
}

#[test]
fn no_answer_of_slack_is_too_odd() {
    play("answer", 40, answer::run);
}
