//! Tests of the reader, and the helpers with which other modules' tests make commands.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeTable;

use super::{Context, keys, read};
use crate::diagnostic::Sources;
use crate::document::{Reader, Table};
use crate::exec::{Command, Environment, Exit, Meaning, Retries, Status};

fn environment() -> Arc<Environment> {
    let variables = [("PATH", "/usr/bin:/bin"), ("LANG", "C"), ("HOME", "/root")];
    Arc::new(Environment::new(variables.map(|(name, value)| (name.into(), value.into()))))
}

/// What a job's text, over defaults, makes; and each problem as its culprit's text, its message and its help.
fn read_over(job: &str, defaults: &str) -> (Option<Command>, Vec<(String, String, String)>) {
    let mut sources = Sources::default();
    let (job_id, defaults_id) = (sources.add("job.toml".as_ref(), job), sources.add("d.toml".as_ref(), defaults));
    let (job_table, defaults_table) = (DeTable::parse(job).expect(job), DeTable::parse(defaults).expect(defaults));
    let reader = Reader::default();
    let defaults_table = Table::root(&reader, defaults_id, defaults, defaults_table.get_ref());
    let mut table = Table::root(&reader, job_id, job, job_table.get_ref()).over(&defaults_table);
    let environment = environment();
    let command = read(&mut table, &Context::new(Path::new("/etc"), &environment), false);
    drop((table, defaults_table));
    let shown = |problem: crate::diagnostic::Problem| {
        let place = problem.place().expect("every problem has a place");
        let culprit = sources.get(place.source).text[place.span()].to_owned();
        (culprit, problem.message, problem.help.unwrap_or_default())
    };
    (command, reader.into_problems().into_iter().map(shown).collect())
}

/// The command of a job without problems.
pub(crate) fn read_one(job: &str) -> Command {
    let (command, problems) = read_over(job, "");
    assert!(problems.is_empty(), "{problems:?}");
    command.expect("a job without problems has a command")
}

/// The problems of a job: culprit, message, help.
pub(crate) fn read_problems(job: &str) -> Vec<(String, String, String)> {
    read_over(job, "").1
}

#[test]
fn the_list_of_keys_is_what_is_asked() {
    let reader = Reader::default();
    let mut table = Table::empty(&reader);
    let environment = environment();
    read(&mut table, &Context::new(Path::new("/etc"), &environment), false);
    let mut names: Vec<_> = keys().iter().map(|key| key.name).collect();
    names.sort_unstable();
    assert_eq!(table.asked(), names);
}

#[test]
fn a_command_alone_has_the_defaults_of_the_manual() {
    let command = read_one("command = 'echo hi'");
    assert_eq!(command.words(), ["/bin/sh", "-c", "echo hi"]);
    assert_eq!((command.source(), command.script()), ("echo hi", Some("echo hi")));
    assert_eq!(command.program().found, Ok("/bin/sh".into()));
    assert_eq!((command.timeout(), command.kill_after()), (None, Duration::from_secs(10)));
    assert_eq!(command.retries(), Retries::plain(0));
    assert_eq!((command.max_output(), command.working_dir()), (1 << 20, Path::new("/etc")));
    assert_eq!(command.variables.inherited, environment());
    assert!(command.redactor().is_empty() && command.start.stdin.is_none() && command.variables.env.is_empty());
}

#[test]
fn an_array_is_executed_as_it_stands() {
    let command = read_one("command = ['env', 'a b', \"it's\"]");
    assert_eq!(command.words(), ["env", "a b", "it's"]);
    assert_eq!((command.source(), command.script()), (r#"env 'a b' "it's""#, None));
    assert_eq!(command.program().found, Ok("/usr/bin/env".into()));
    let command = read_one("command = 'x'\nshell = ['bash', '-euo', 'pipefail', '-c']");
    assert_eq!(command.words(), ["bash", "-euo", "pipefail", "-c", "x"]);
}

#[test]
fn a_program_that_is_missing_is_no_problem_of_the_file() {
    let command = read_one("command = ['frobnicate']");
    let missing = "program `frobnicate` not found in PATH (/usr/bin:/bin)".to_owned();
    assert_eq!(command.program().found, Err(missing));
    let command = read_one("command = ['env']\nenv = { PATH = '/nowhere' }");
    assert_eq!(command.program().found, Err("program `env` not found in PATH (/nowhere)".to_owned()));
}

#[test]
fn what_people_see_of_a_command_is_masked() {
    let command = read_one("command = 'curl -u me:hunter2 x'\nredact = 'hunter\\d'");
    assert_eq!(command.source(), "curl -u me:[redacted] x");
    assert_eq!(command.script(), Some("curl -u me:hunter2 x"));
    let command =
        read_one("command = ['env', 'hunter2']\nredact = ['hunter2']\nenv = { A = 's3cret' }\nstdin = 's3cret'");
    assert_eq!(command.source(), "env [redacted]");
    let debug = format!("{command:?}");
    assert!(!debug.contains("hunter2") && !debug.contains("s3cret"), "{debug}");
}

#[test]
fn every_key_reaches_the_command() {
    let command = read_one(
        "command = 'x'\ntimeout = '10s'\nkill_after = '2s'\nworking_dir = 'ssl'\nstdin = 'text'\numask = '027'\n\
         nice = 5\nuser = 'root'\ngroup = '0'\nmax_output = '64KiB'\ninherit_env = ['PATH', 'LC_*']\n\
         env = { B = '2', A = '1' }\nparse = 'perfdata'\n\
         retries = { times = 3, delay = '2s', factor = 1.5, max_delay = '1m' }",
    );
    assert_eq!((command.timeout(), command.kill_after()), (Some(Duration::from_secs(10)), Duration::from_secs(2)));
    assert_eq!(command.working_dir(), Path::new("/etc/ssl"));
    assert_eq!(
        (command.start.stdin.as_deref(), command.start.umask, command.start.nice),
        (Some("text"), Some(0o27), Some(5))
    );
    assert_eq!((command.user(), command.start.group.as_deref()), (Some("root"), Some("0")));
    assert_eq!((command.max_output(), command.parse()), (65_536, Some(crate::exec::Parse::Perfdata)));
    assert_eq!(format!("{:?}", command.variables.inherited), r#"{"PATH"}"#);
    let env: Vec<_> = command.variables.env.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    assert_eq!(env, [("A", "1"), ("B", "2")]);
    let (delay, max_delay) = (Duration::from_secs(2), Duration::from_secs(60));
    assert_eq!(command.retries(), Retries { times: 3, delay, factor: 1.5, max_delay });
    assert_eq!(read_one("command = 'x'\ninherit_env = false").variables.inherited.iter().count(), 0);
}

#[test]
fn defaults_are_below_and_env_adds_up() {
    let defaults = "timeout = '5m'\nenv = { A = 'default', B = 'default' }\nshell = ['bash', '-c']\nredact = ['x+']";
    let (command, problems) = read_over("command = 'x'\nenv = { B = 'job' }\nretries = 2", defaults);
    assert_eq!(problems, []);
    let command = command.expect("a command");
    assert_eq!((command.timeout(), command.words()[0]), (Some(Duration::from_secs(300)), "bash"));
    assert_eq!(command.retries().times, 2);
    let mut env: Vec<_> = command.variables.env.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    env.sort_unstable();
    assert_eq!(env, [("A", "default"), ("B", "job")]);
    let (_, problems) = read_over("command = ['env']", "shell = ['bash', '-c']\nretries = { times = 2 }");
    assert_eq!(problems, [], "a shell of the defaults is no conflict with an array");
}

#[test]
fn every_table_is_laid_over_the_one_of_the_defaults_key_by_key() {
    let defaults = "retries = { times = 5, delay = '7s', factor = 3 }\nfail_on = { stderr = 'E', stdout = 'O' }\n\
                    exit_codes = { ok = [0, 3], warning = [1] }";
    let job = "command = 'x'\nretries = { delay = '9s' }\nfail_on = { stdout = 'P' }\nexit_codes = { unknown = [3] }";
    let (command, problems) = read_over(job, defaults);
    assert_eq!(problems, []);
    let command = command.expect("a command");
    let Retries { times, delay, factor, .. } = command.retries();
    assert_eq!((times, delay, factor), (5, Duration::from_secs(9), 3.0));
    let words = |pattern: &Option<regex::bytes::Regex>| pattern.as_ref().map(|regex| regex.as_str().to_owned());
    let rules = &command.output;
    let fail_on = (words(&rules.fail_on_stdout), words(&rules.fail_on_stderr));
    assert_eq!(fail_on, (Some("P".to_owned()), Some("E".to_owned())));
    let status = |code| command.exit_codes.meaning(Exit::Code(code));
    assert_eq!(
        [0, 1, 3].map(status),
        [Status::Ok, Status::Warning, Status::Unknown].map(Meaning::Status),
        "what the job says of a code is before the defaults"
    );
    // What is of another kind stands alone.
    let (command, problems) = read_over("command = 'x'\nretries = 2", defaults);
    assert_eq!((command.map(|command| command.retries()), problems), (Some(Retries::plain(2)), vec![]));
}

#[test]
fn wrong_keys_are_shown_where_they_are_wrong() {
    for (text, culprit, says) in [
        ("timeout = '5s'", "", "`command` is missing"),
        ("command = ''", "''", "`command` is empty"),
        ("command = '  '", "'  '", "`command` is empty"),
        ("command = []", "[]", "`command` has no program"),
        ("command = ['', 'x']", "['', 'x']", "`command` has no program"),
        ("command = 5", "5", "`command` must be text, or a list of texts"),
        ("command = ['x', 5]", "5", "`command[1]` must be text"),
        ("command = \"a\\u0000b\"", "\\u0000", "`command` holds a NUL character"),
        ("command = ['x']\nshell = ['bash', '-c']", "shell", "`shell` cannot stand beside `command`"),
        ("command = 'x'\nshell = []", "[]", "`shell` has no program"),
        ("command = 'x'\ntimeout = '0s'", "'0s'", "`timeout` cannot be zero"),
        ("command = 'x'\ntimeout = 5", "5", "`timeout` has no unit"),
        ("command = 'x'\nretries = -1", "-1", "`retries` is out of range"),
        ("command = 'x'\nretries = 'many'", "'many'", "`retries` must be a whole number or a table"),
        ("command = 'x'\nretries = { delay = '1s' }", "retries", "`times` is missing in `retries`"),
        ("command = 'x'\nretries = { times = 1, wait = '1s' }", "wait", "unknown key `wait` in `retries`"),
        ("command = 'x'\nretries = { times = 1, factor = 0.5 }", "0.5", "`retries.factor` is out of range"),
        ("command = 'x'\nretries = { times = 1, factor = nan }", "nan", "`retries.factor` is out of range"),
        ("command = 'x'\nfail_on = { stdout = 'a(b' }", "(", "`fail_on.stdout`: unclosed group"),
        ("command = 'x'\nfail_on = { stdout = \"a\\tb[\" }", "[", "`fail_on.stdout`: unclosed character class"),
        ("command = 'x'\nfail_on = { stdout = '' }", "''", "an empty expression matches everything"),
        ("command = 'x'\nfail_on = { output = 'x' }", "output", "unknown key `output` in `fail_on`"),
        ("command = 'x'\nfail_on = 'x'", "'x'", "`fail_on` must be a table"),
        ("command = 'x'\nredact = ['a', '\\p{Nope}']", "\\p{Nope}", "`redact`: Unicode"),
        ("command = 'x'\nredact = '(a{1000}){1000}'", "'(a{1000}){1000}'", "the expression is too large"),
        ("command = 'x'\nparse = 'yaml'", "'yaml'", "`yaml` is no value for `parse`"),
        ("command = 'x'\nworking_dir = 'nowhere'", "'nowhere'", "`working_dir`: /etc/nowhere is not a folder"),
        ("command = 'x'\nworking_dir = 'passwd'", "'passwd'", "`working_dir`: /etc/passwd is not a folder"),
        ("command = 'x'\ninherit_env = 'PATH'", "'PATH'", "`inherit_env` must be `true`, `false`, or a list of names"),
        ("command = 'x'\nenv = { 'A=B' = '1' }", "'A=B'", "cannot hold `=`"),
        ("command = 'x'\nenv = { '' = '1' }", "''", "cannot be empty"),
        ("command = 'x'\nenv = { A = 1 }", "1", "`env.A` must be text"),
        ("command = 'x'\nenv = { A = \"\\u0000\" }", "\\u0000", "`env.A` holds a NUL character"),
        ("command = 'x'\nenv = 'A=1'", "'A=1'", "`env` must be a table"),
        ("command = 'x'\nenv_file = 'nowhere.env'", "'nowhere.env'", "/etc/nowhere.env: no such file or directory"),
        ("command = 'x'\nenv_file = '.'", "'.'", "/etc/.: is a directory"),
        ("command = 'x'\nenv_file = 'passwd'", "'passwd'", "line 1: there is no `=`"),
        ("command = 'x'\numask = '8'", "'8'", "`8` is not a umask"),
        ("command = 'x'\numask = '1777'", "'1777'", "`1777` is not a umask"),
        ("command = 'x'\numask = 27", "27", "`umask` must be octal digits in quotes"),
        ("command = 'x'\nnice = 20", "20", "`nice` is out of range"),
        ("command = 'x'\nuser = 'nobody-here'", "'nobody-here'", "there is no user `nobody-here` on this machine"),
        ("command = 'x'\ngroup = 'nobody-here'", "'nobody-here'", "there is no group `nobody-here` on this machine"),
        ("command = 'x'\nmax_output = '2GiB'", "'2GiB'", "`max_output` is more than 1 GiB"),
    ] {
        let problems = read_problems(text);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert_eq!(problems[0].0, culprit, "{text}: {problems:?}");
        assert!(problems[0].1.contains(says), "{text}: {problems:?}");
    }
}

#[test]
fn what_is_wrong_with_the_machine_still_makes_a_command() {
    for key in ["working_dir = 'nowhere'", "env_file = 'nowhere'", "user = 'nobody-here'"] {
        let (command, problems) = read_over(&format!("command = 'x'\n{key}"), "");
        assert!(command.is_some() && problems.len() == 1, "{key}");
    }
}
