//! What a command finds in its environment, and what it must never find.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use slack_alert::exec::{Environment, Outcome, PLUMBING};

use super::{command_in, follow, on_one_thread, run, stdout};

fn daemon() -> Environment {
    let variables = [
        ("PATH", "/usr/bin:/bin"),
        ("LANG", "C.UTF-8"),
        ("LAYER", "inherited"),
        ("SLACK_TOKEN", "xoxb-secret"),
        ("CREDENTIALS_DIRECTORY", "/run/credentials"),
        ("NOTIFY_SOCKET", "/run/notify"),
        ("WATCHDOG_USEC", "1"),
        ("LISTEN_FDS", "1"),
    ];
    let all = Environment::new(variables.map(|(name, value)| (name.into(), value.into())));
    all.without(PLUMBING).without(&["SLACK_TOKEN"])
}

fn run_in(job: &str, dir: &Path) -> Outcome {
    on_one_thread(follow(command_in(job, dir, daemon())))
}

/// The variables that env(1) shows.
fn variables(outcome: &Outcome) -> BTreeMap<String, String> {
    assert_eq!(outcome.exit_code(), Some(0), "{outcome:?}");
    let text = stdout(outcome);
    text.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
}

#[test]
fn the_layers_lie_in_their_order_and_secrets_stay_behind() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("job.env"), "# settings\nexport LAYER=file\nONLY_FILE='a b'\nBOTH=file\n")
        .expect("a file");
    let job = "command = ['env']\nenv_file = 'job.env'\n\
               env = { BOTH = 'job', ONLY_JOB = '1', SLACK_ALERT_RUN_ID = 'forged' }";
    let found = variables(&run_in(job, dir.path()));
    let expected = [
        ("BOTH", "job"),
        ("LANG", "C.UTF-8"),
        ("LAYER", "file"),
        ("ONLY_FILE", "a b"),
        ("ONLY_JOB", "1"),
        ("PATH", "/usr/bin:/bin"),
        ("SLACK_ALERT_ATTEMPT", "1"),
        ("SLACK_ALERT_JOB", "db/backup"),
        ("SLACK_ALERT_RUN_ID", "812"),
        ("SLACK_ALERT_SCHEDULED", "2026-10-24T00:00:00Z"),
    ];
    assert_eq!(found, expected.map(|(name, value)| (name.into(), value.into())).into());
}

#[test]
fn nothing_or_only_some_is_inherited_when_asked() {
    let own = |found: BTreeMap<String, String>| -> Vec<String> {
        found.into_keys().filter(|name| !name.starts_with("SLACK_ALERT_")).collect()
    };
    let job = "command = ['/usr/bin/env']\ninherit_env = ";
    assert_eq!(own(variables(&run_in(&format!("{job}false"), Path::new("/")))), Vec::<String>::new());
    assert_eq!(own(variables(&run_in(&format!("{job}['LANG', 'NONE']"), Path::new("/")))), ["LANG"]);
    assert_eq!(own(variables(&run_in(&format!("{job}true"), Path::new("/")))), ["LANG", "LAYER", "PATH"]);
}

#[test]
fn a_change_of_the_file_counts_at_the_next_run() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("job.env");
    fs::write(&file, "A=1\n").expect("a file");
    let command = command_in("command = 'echo $A'\nenv_file = 'job.env'", dir.path(), daemon());
    let told = || {
        let outcome = on_one_thread(follow(command.clone()));
        (stdout(&outcome), outcome.ending.words())
    };
    assert_eq!(told().0, "1\n");
    fs::write(&file, "A=2\n").expect("a file");
    assert_eq!(told().0, "2\n");
    fs::write(&file, "nonsense, it's said\nA=3\n").expect("a file");
    assert_eq!(told().0, "3\n");
    fs::write(&file, "A=3\nB='3\n").expect("a file");
    assert!(told().1.ends_with("job.env cannot be used: line 2: a quote is never closed"), "{:?}", told());
    fs::remove_file(&file).expect("it is there");
    assert!(told().1.ends_with("job.env cannot be used: no such file or directory"), "{:?}", told());
}

#[test]
fn a_relative_file_is_that_of_the_working_folder_else_that_beside_the_configuration() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir(dir.path().join("app")).expect("a folder");
    let job = "command = 'echo $A'\nworking_dir = 'app'\nenv_file = 'job.env'";
    fs::write(dir.path().join("job.env"), "A=far\n").expect("a file");
    assert_eq!(stdout(&run_in(job, dir.path())), "far\n");
    fs::write(dir.path().join("app/job.env"), "A=near\n").expect("a file");
    assert_eq!(stdout(&run_in(job, dir.path())), "near\n");
}

#[test]
fn path_of_the_file_is_where_programs_are_looked_for() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("job.env"), "PATH=/nowhere\n").expect("a file");
    let outcome = run_in("command = ['env']\nenv_file = 'job.env'", dir.path());
    assert_eq!(outcome.ending.words(), "could not be started: program `env` not found in PATH (/nowhere)");
}

#[test]
fn umask_and_niceness_are_what_was_asked() {
    let nice: i32 = stdout(&run("command = 'nice'")).trim().parse().expect("a number");
    let outcome = run("command = ['sh', '-c', 'umask; nice; echo \"$0 $1\"', 'a b', '$c']\numask = '027'\nnice = 3");
    assert_eq!(stdout(&outcome), format!("0027\n{}\na b $c\n", nice + 3));
    // The prefixes leave no trace: the group's leader is the command itself.
    let outcome = run("command = 'test $$ = $(ps -o pgid= -p $$) && cat /proc/$$/comm'\numask = '077'");
    assert_eq!(stdout(&outcome), "sh\n", "{outcome:?}");
}
