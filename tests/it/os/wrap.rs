//! `wrap`: a command that something else starts does what it did before, and is told of once, whatever is killed, stopped, full
//! or forbidden. Real processes, a real daemon, and Debian's cron.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use slack_alert::exec::Ending;
use slack_alert::id::JobName;
use slack_alert::store::spool::{End, Report, Spool};

use super::crash::{Dice, seed, tries};
use crate::support::files::{copy_program, wait_for};
use crate::support::program::{Going, PATIENCE, Sandbox};
use crate::support::skip::skip;
use crate::support::slack::{Answer, MockSlack};

/// What the command may be late by, at its beginning and at its end.
const START: Duration = Duration::from_millis(200);
const END: Duration = Duration::from_millis(2_000);
const TRIES: usize = 20;

/// A project whose messages go nowhere near a network.
fn quiet() -> Sandbox {
    Sandbox::with(&[
        ("slack_alert.toml", "host = 'h'\n"),
        ("jobs.d/db.toml", "expect = { every = '1d', grace = '2h' }\n"),
    ])
}

/// One whose messages go to a fake Slack: one for each run.
fn telling(slack: &MockSlack) -> Sandbox {
    let config = format!(
        "host = 'h'\n[slack]\ntoken = 'xoxb-0'\napi_url = '{}'\nchannel = '#ops'\nrate = '1000/s'\n",
        slack.url()
    );
    let job = "expect = { every = '1d', grace = '2h' }\n[notify]\non = ['always']\nrepeat = 'always'\nrate_limit = '10000/s'\nthread = false\nflap = false\nintermittent = false\n";
    Sandbox::with(&[("slack_alert.toml", &config), ("jobs.d/db.toml", job)])
}

fn daemon(sandbox: &Sandbox) -> Going {
    let mut daemon = sandbox.start(&["run"]);
    daemon.wait_for("started");
    daemon
}

fn wrap(sandbox: &Sandbox, script: &str) -> Command {
    sandbox.command(&["wrap", "--job", "db", "--", "sh", "-c", script])
}

fn output(command: &mut Command) -> Output {
    command.output().expect("it starts")
}

/// The runs of the history, oldest first.
fn history(sandbox: &Sandbox) -> Vec<Value> {
    let ran = sandbox.run(&["history", "--json", "-n", "1000"]);
    let rows: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
    let mut rows = rows.as_array().cloned().unwrap_or_default();
    rows.reverse();
    rows
}

/// Looks each time that something changes in the state or in the spool.
fn wait_until(sandbox: &Sandbox, what: &str, mut is_so: impl FnMut() -> bool) {
    let folders = [sandbox.path().join("state"), sandbox.path().join("state/spool")];
    wait_for(&folders.each_ref().map(std::path::PathBuf::as_path), what, || is_so().then_some(()));
}

/// The whole output of a command whose both streams go into one pipe, in the order of the writes.
fn joined(command: &mut Command) -> (Option<i32>, Vec<u8>) {
    let (mut reading, writing) = std::io::pipe().expect("a pipe");
    command.stdout(writing.try_clone().expect("a pipe's end")).stderr(writing);
    let mut child = command.spawn().expect("it starts");
    // The command keeps the writing ends.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut bytes = Vec::new();
    reading.read_to_end(&mut bytes).expect("a pipe can be read");
    (child.wait().expect("it ends").code(), bytes)
}

#[test]
fn a_command_does_under_wrap_what_it_does_without() {
    let sandbox = quiet();
    sandbox.script("tool", "#!/bin/sh\necho tool \"$@\"\n");
    fs::write(sandbox.path().join("plain"), "no program").expect("a file");
    for words in [
        &["true"][..],
        &["sh", "-c", "echo out; echo err >&2; exit 3"],
        &["sh", "-c", "exit 255"],
        &["./tool", "a b", "", "*", "$HOME", "é"],
        &["sh", "-c", "printf 'a\\000b\\377c'"],
        &["sh", "-c", "head -c 3000000 /dev/zero"],
        &["sh", "-c", "cat; echo end >&2"],
        &["pwd"],
        &["sh", "-c", "umask; ulimit -n; nice"],
    ] {
        let plain = |command: &mut Command| {
            let mut child =
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
            let mut stdin = child.stdin.take().expect("stdin is piped");
            // One that reads nothing closes it.
            let _ = stdin.write_all(b"what it reads\n");
            drop(stdin);
            child.wait_with_output().expect("it ends")
        };
        let environment = sandbox.command(&[]);
        let mut without = Command::new(words[0]);
        without.args(&words[1..]).current_dir(sandbox.path()).env_clear();
        without.envs(environment.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let (without, with) =
            (plain(&mut without), plain(&mut sandbox.command(&[&["wrap", "--job", "db", "--"], words].concat())));
        // Without a token, the message is on standard error, behind what the command wrote.
        assert_eq!(with.status.code(), without.status.code(), "{words:?}");
        assert!(with.stdout == without.stdout, "{words:?}: {} bytes", with.stdout.len());
        assert!(with.stderr.starts_with(&without.stderr), "{words:?}: {}", String::from_utf8_lossy(&with.stderr));
    }
    for (words, code) in [
        (&["no-such-program"][..], 127),
        (&["./plain"], 126),
        (&["sh", "-c", "kill -9 $$"], 137),
        (&["sh", "-c", "kill -TERM $$"], 143),
    ] {
        let ran = sandbox.run(&[&["wrap", "--"], words].concat());
        assert_eq!(ran.code, code, "{words:?}: {ran:?}");
    }
    let started = Instant::now();
    let ran = sandbox.run(&["wrap", "--timeout", "300ms", "--", "sh", "-c", "sleep 600 & sleep 600"]);
    assert_eq!(ran.code, 124, "{ran:?}");
    assert!(started.elapsed() < Duration::from_secs(30), "the whole group was ended");
    let all = history(&sandbox);
    assert_eq!(all.len(), 14, "every one is in the history: {all:?}");
}

#[test]
fn of_two_streams_that_go_to_one_place_the_order_is_that_of_the_writes() {
    let sandbox = quiet();
    let daemon = daemon(&sandbox);
    let script = "i=0; while [ $i -lt 300 ]; do echo out$i; echo err$i >&2; i=$((i+1)); done";
    let (code, without) = joined(Command::new("sh").args(["-c", script]));
    assert_eq!((code, joined(&mut wrap(&sandbox, script))), (Some(0), (Some(0), without)));
    drop(daemon);
}

#[test]
fn only_what_is_said_is_added_to_the_environment() {
    let sandbox = quiet().variable("SECRET", "a b").variable("CREDENTIALS_DIRECTORY", "/x");
    let ran = sandbox.run(&["wrap", "--job", "db", "--", "env"]);
    let variables = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let expected = sandbox.command(&[]);
    let mut expected: Vec<_> = expected
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_str()?, value?.to_str()?)))
        .collect();
    let (added, mut kept): (Vec<_>, Vec<_>) =
        variables(&ran.stdout).into_iter().partition(|line| line.starts_with("SLACK_ALERT_"));
    expected.sort();
    kept.sort();
    assert_eq!(kept, expected);
    let names: Vec<_> = added.iter().filter_map(|line| line.split('=').next()).collect();
    assert_eq!(names, ["SLACK_ALERT_ATTEMPT", "SLACK_ALERT_JOB", "SLACK_ALERT_SCHEDULED"], "{added:?}");
    assert_eq!((added[0].as_str(), added[1].as_str()), ("SLACK_ALERT_ATTEMPT=1", "SLACK_ALERT_JOB=db"));
}

#[test]
fn signals_go_to_the_command_and_ignored_ones_stay_ignored() {
    let sandbox = quiet();
    for (name, number) in [("TERM", 15), ("INT", 2), ("HUP", 1), ("QUIT", 3), ("ALRM", 14), ("XCPU", 24)] {
        let script = format!("trap 'echo got; exit {}' {name}; echo ready; while :; do sleep 0.1; done", 40 + number);
        let mut going = sandbox.start_with(|command| {
            command.args(["wrap", "--job", "db", "--", "sh", "-c", &script]);
        });
        going.wait_for("ready");
        going.signal(name);
        let (status, seen) = going.end();
        assert_eq!(status.code(), Some(40 + number), "{name}: {seen}");
        assert!(seen.contains("got"), "{name}: {seen}");
    }
    // A command that is not asked dies of it, with everything it started.
    let mut going = sandbox.start_with(|command| {
        command.args(["wrap", "--job", "db", "--", "sh", "-c", "echo ready; sleep 600 | sleep 600"]);
    });
    going.wait_for("ready");
    going.signal("TERM");
    assert_eq!(going.end().0.code(), Some(143));

    let program = env!("CARGO_BIN_EXE_slack-alert");
    let script = format!("trap '' HUP; exec {program} wrap --job db -- sh -c 'kill -HUP $$; echo alive'");
    let mut nohup = Command::new("sh");
    nohup.args(["-c", &script]).current_dir(sandbox.path());
    nohup.envs(sandbox.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = output(&mut nohup);
    assert_eq!((ran.status.code(), ran.stdout.as_slice()), (Some(0), &b"alive\n"[..]), "{ran:?}");
}

#[test]
fn what_the_command_leaves_in_the_background_writes_on_and_a_reader_that_goes_ends_it() {
    let slack = MockSlack::start();
    let sandbox = telling(&slack);
    let mut command = wrap(&sandbox, "(sleep 2; echo later; sleep 0.1; echo last) & echo first");
    let started = Instant::now();
    let (code, bytes) = joined(&mut command);
    assert_eq!((code, String::from_utf8_lossy(&bytes).into_owned()), (Some(0), "first\nlater\nlast\n".to_owned()));
    assert!(started.elapsed() >= Duration::from_secs(2), "whoever reads waits for it, as without wrap");

    // `yes | head -1`: the end of the reader is the end of the command.
    let program = env!("CARGO_BIN_EXE_slack-alert");
    let mut pipe = Command::new("sh");
    pipe.args(["-c", &format!("{program} wrap --job db -- yes | head -n 1")]).current_dir(sandbox.path());
    pipe.envs(sandbox.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert_eq!(output(&mut pipe).stdout, b"y\n");
}

#[test]
fn a_wrapped_run_took_as_long_as_its_own_command() {
    let sandbox = quiet();
    // On a machine that is busy the command itself may be slow, now and then.
    let short = |_| {
        output(&mut wrap(&sandbox, "(exec sleep 3) & exit 0"));
        let took = history(&sandbox).last().and_then(|run| run["took"].as_f64());
        took.expect("a run that was recorded") < 0.45
    };
    assert!((0..20).any(short), "each of them took as long as what it had left");
}

#[test]
fn a_daemon_tells_of_a_wrapped_run_as_of_one_of_its_own() {
    let slack = MockSlack::start();
    let sandbox = telling(&slack);
    let daemon = daemon(&sandbox);
    let ran = output(&mut wrap(&sandbox, "echo no disk >&2; exit 3"));
    assert_eq!((ran.status.code(), ran.stdout.len()), (Some(3), 0));
    assert_eq!(ran.stderr, b"no disk\n", "nothing of ours is mixed in");
    slack.wait_for_blocking(1, PATIENCE);
    let posted = format!("{:?}", slack.posted());
    assert!(posted.contains("no disk"), "{posted}");
    let ran = sandbox.run(&["wrap", "--", "sh", "-c", "exit 0"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let jobs: Vec<_> = history(&sandbox).iter().map(|row| (row["job"].clone(), row["status"].clone())).collect();
    assert_eq!(jobs, [("db".into(), "critical".into()), ("wrap/sh".into(), "ok".into())]);

    // It is seen while it goes on, and a wrap that is killed is a run that was interrupted.
    let mut going = sandbox.start_with(|command| {
        command.args(["wrap", "--job", "db", "--", "sh", "-c", "echo ready; exec sleep 600"]);
    });
    going.wait_for("ready");
    // Asked of the daemon: no file tells of it.
    let deadline = Instant::now() + PATIENCE;
    while !sandbox.run(&["status", "db", "--json"]).stdout.contains("\"running\":[{") {
        assert!(Instant::now() < deadline, "no run is in progress");
    }
    going.signal("KILL");
    wait_until(&sandbox, "its end", || history(&sandbox).len() == 3 && !history(&sandbox).iter().any(is_running));
    assert_eq!(history(&sandbox)[2]["reason"], "interrupted");
    drop(daemon);
}

#[test]
fn a_name_that_the_daemon_runs_itself_is_refused_and_the_command_runs() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "host = 'h'\n"),
        ("jobs.d/own.toml", "command = 'true'\nevery = '1h'\nfirst_run = 'wait'\n"),
    ]);
    let daemon = daemon(&sandbox);
    let ran = sandbox.run(&["wrap", "--job", "own", "--", "sh", "-c", "echo here; exit 5"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (5, "here\n"), "{ran:?}");
    assert!(ran.stderr.contains("runs job `own` itself") && ran.stderr.contains("--job"), "{ran:?}");
    assert_eq!(history(&sandbox).len(), 0);
    drop(daemon);
    // Without a daemon it is no different, and nothing is left for the next one.
    let without = sandbox.run(&["wrap", "--job", "own", "--", "sh", "-c", "echo here; exit 5"]);
    assert_eq!((without.code, without.stdout, without.stderr), (ran.code, ran.stdout, ran.stderr));
    assert_eq!(history(&sandbox).len(), 0);
    assert!(fs::read_dir(sandbox.path().join("state/spool")).is_ok_and(|records| records.count() == 0));
}

#[test]
fn a_wrapped_run_that_its_time_limit_ends_is_one_run_that_timed_out() {
    let sandbox = quiet();
    sandbox.file("jobs.d/db.toml", "expect = { every = '1d', grace = '2h' }\ntimeout = '300ms'\n");
    let daemon = daemon(&sandbox);
    // It takes a while to end after that.
    let ran = output(&mut wrap(&sandbox, "trap 'sleep 0.7; exit 1' TERM; while :; do sleep 0.05; done"));
    assert_eq!(ran.status.code(), Some(124), "{ran:?}");
    let reasons: Vec<_> = history(&sandbox).iter().map(|row| row["reason"].clone()).collect();
    assert_eq!(reasons, ["timeout"]);
    drop(daemon);
}

#[test]
fn a_command_that_is_ended_by_its_time_limit_is_told_which_one_that_was() {
    let expected = "expect = { every = '1d', grace = '2h' }\n";
    let own = format!("timeout = '300ms'\n{expected}");
    for (config, job, option, of) in [
        ("[defaults]\ntimeout = '300ms'\n", expected, &[][..], "`timeout` in [defaults] of "),
        ("[defaults]\ntimeout = '1h'\n", own.as_str(), &[], "`timeout` in jobs.d/db.toml"),
        ("[defaults]\ntimeout = '1h'\n", expected, &["--timeout", "300ms"], "--timeout"),
    ] {
        let sandbox = Sandbox::with(&[("slack_alert.toml", config), ("jobs.d/db.toml", job)]);
        let ran = sandbox.run(&[&["wrap", "--job", "db"], option, &["--", "sleep", "600"]].concat());
        assert_eq!(ran.code, 124, "{of}: {ran:?}");
        assert!(ran.stderr.contains(&format!("db: ended by its time limit of 300ms: {of}")), "{of}: {ran:?}");
    }
}

#[test]
fn errors_in_the_file_of_the_job_are_said_and_with_quiet_not() {
    let sandbox =
        Sandbox::with(&[("slack_alert.toml", "host = 'h'\n"), ("jobs.d/db.toml", "expect = { every = '1d' }\n")]);
    let ran = output(&mut wrap(&sandbox, "echo out"));
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(said.contains("the file of `db` has errors") && said.contains("`grace` is missing"), "{said}");
    assert_eq!(said.matches("slack-alert: ").count(), 1, "{said}");
    let ran = sandbox.run(&["wrap", "--job", "db", "--quiet", "--", "echo", "out"]);
    assert!(ran.code == 0 && !ran.stderr.contains("slack-alert: "), "{ran:?}");
}

#[test]
fn without_a_daemon_it_is_judged_and_sent_in_place_with_the_memory_of_the_runs_before() {
    let slack = MockSlack::start();
    let sandbox = telling(&slack);
    sandbox.file("jobs.d/db.toml", "expect = { every = '1d', grace = '2h' }\n");
    for (script, posts) in [("exit 3", 1), ("exit 3", 1), ("exit 0", 2), ("exit 0", 2)] {
        output(&mut wrap(&sandbox, script));
        // On a machine that has no time for it within two seconds, the next run sends it.
        for _ in 0..20 {
            if slack.posted().len() >= posts {
                break;
            }
            output(&mut sandbox.command(&["wrap", "--job", "other", "--", "true"]));
        }
        assert_eq!(slack.posted().len(), posts, "{script}: {:?}", slack.posted());
    }
    // A daemon goes on from there.
    let runs = || history(&sandbox).iter().filter(|run| run["job"] == "db").count();
    let daemon = daemon(&sandbox);
    assert_eq!(runs(), 4);
    output(&mut wrap(&sandbox, "exit 0"));
    assert_eq!(runs(), 5);
    drop(daemon);
}

#[test]
fn nothing_is_printed_with_quiet_when_the_run_was_ok_and_everything_when_it_was_not() {
    let slack = MockSlack::start();
    let sandbox = telling(&slack);
    let daemon = daemon(&sandbox);
    let quietly = |script: &str| {
        let ran = sandbox.run(&["wrap", "--job", "db", "--quiet", "--", "sh", "-c", script]);
        (ran.code, ran.stdout, ran.stderr)
    };
    let text = |text: &str| text.to_owned();
    assert_eq!(quietly("echo out; echo err >&2"), (0, text(""), text("")));
    assert_eq!(quietly("echo out; echo err >&2; exit 2"), (2, text("out\n"), text("err\n")));
    drop(daemon);
    // Nobody takes it.
    fs::write(sandbox.path().join("file"), "").expect("a file");
    let nowhere = sandbox.path().join("file/state");
    let ran = sandbox.run(&[
        "--state-dir",
        &nowhere.to_string_lossy(),
        "wrap",
        "--job",
        "db",
        "--quiet",
        "--",
        "echo",
        "out",
    ]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "out\n"), "{ran:?}");
}

#[test]
fn no_mistake_of_the_configuration_keeps_a_command_from_running() {
    for (config, job) in [
        ("[slack\n", ""),
        ("[defaults]\ntimeout = 'soon'\n", ""),
        ("", "expect = { every = 'never' }\n"),
        ("", "nonsense"),
        ("state_dir = 7\n", ""),
    ] {
        let sandbox = Sandbox::with(&[("slack_alert.toml", config), ("jobs.d/db.toml", job)]);
        let ran = output(&mut wrap(&sandbox, "echo out; exit 3"));
        assert_eq!((ran.status.code(), ran.stdout.as_slice()), (Some(3), &b"out\n"[..]), "{config} {job}: {ran:?}");
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(said.contains("db"), "the failure is told somewhere: {config} {job}: {said}");
    }
    let bare = Sandbox::new();
    let ran = output(&mut wrap(&bare, "echo out; exit 3"));
    assert_eq!(
        (ran.status.code(), ran.stdout.as_slice()),
        (Some(3), &b"out\n"[..]),
        "no configuration at all: {ran:?}"
    );
    let ran = bare.run(&["wrap", "--job", "../../etc/passwd", "--", "echo", "out"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "out\n"), "{ran:?}");
    assert!(ran.stderr.contains("no name of a job"), "{ran:?}");
}

/// How late the command began, and how much later wrap ended than it. The best of some tries: the machine may be so busy
/// that a program waits for longer than that for a core.
fn lateness(what: &str, mut start: impl FnMut() -> Command) {
    let mut best = [Duration::MAX; 2];
    for _ in 0..TRIES {
        let mut command = start();
        command.args(["sh", "-c", "date +%s%N; exit 3"]);
        let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let before = now();
        let ran = output(&mut command);
        let after = now();
        assert_eq!(ran.status.code(), Some(3), "{what}: {ran:?}");
        let began = Duration::from_nanos(String::from_utf8_lossy(&ran.stdout).trim().parse().expect("a time"));
        best = [best[0].min(began.saturating_sub(before)), best[1].min(after.saturating_sub(began))];
        if best[0] < START && best[1] < END {
            return;
        }
    }
    panic!("{what}: it began {:?} late, and ended {:?} late", best[0], best[1]);
}

#[test]
fn neither_a_daemon_that_is_stopped_nor_a_slack_that_hangs_holds_a_command_up() {
    let sandbox = quiet();
    let going = daemon(&sandbox);
    going.signal("STOP");
    lateness("a daemon that is stopped", || sandbox.command(&["wrap", "--job", "db", "--"]));
    going.signal("CONT");
    // What it was told twice, over the socket and in a file, it knows once.
    let told = history(&sandbox).len();
    let records = || {
        let files = fs::read_dir(sandbox.path().join("state/spool")).into_iter().flatten().flatten();
        // One that is hidden was not finished in time, and its alert was printed.
        files.filter(|file| !file.file_name().to_string_lossy().starts_with('.')).count()
    };
    wait_until(&sandbox, "the end of the records", || records() == 0);
    wait_until(&sandbox, "the runs", || (1..=TRIES).contains(&history(&sandbox).len()));
    assert!(told <= TRIES && history(&sandbox).len() <= TRIES, "{:?}", history(&sandbox));
    drop(going);

    let slack = MockSlack::start();
    slack.always(Answer::Hang(Vec::new()));
    let sandbox = telling(&slack);
    lateness("a Slack that hangs", || sandbox.command(&["wrap", "--job", "db", "--"]));
    let waiting = sandbox.run(&["outbox", "--json"]).stdout;
    assert!(waiting.contains("\"state\":\"waiting\""), "what could not be sent waits: {waiting}");
}

#[test]
fn without_a_place_for_state_the_alert_is_printed_where_cron_mails_it() {
    let sandbox = quiet();
    fs::write(sandbox.path().join("file"), "").expect("a file");
    let nowhere = sandbox.path().join("file/state");
    let nowhere = nowhere.to_string_lossy();
    lateness("no state directory", || sandbox.command(&["--state-dir", &nowhere, "wrap", "--job", "db", "--"]));
    let ran =
        sandbox.run(&["--state-dir", &nowhere, "wrap", "--job", "db", "--", "sh", "-c", "echo no disk >&2; exit 3"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.stderr.contains("db") && ran.stderr.contains("exited with 3") && ran.stderr.contains("no disk"),
        "{ran:?}"
    );
    let ran = sandbox.run(&["--state-dir", &nowhere, "wrap", "--job", "other", "--", "true"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "a run that was well is no news");
    // One that is waited for is alerted as missing.
    for options in [&["--job", "db"][..], &["--job", "other", "--expect", "1d"], &["--job", "db", "--quiet"]] {
        let ran = sandbox.run(&[&["--state-dir", &nowhere, "wrap"], options, &["--", "true"]].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        let said = "exited with 0; nobody was told, and the run will count as missing: ";
        assert!(ran.stderr.contains(said), "{options:?}: {ran:?}");
    }
}

#[test]
fn a_command_whose_output_the_disk_does_not_take_has_failed() {
    let sandbox = quiet();
    for (script, code, told) in [
        ("echo dump", 1, "the command: exited with 0"),
        ("seq 100000", 1, "the command: exited with 0"),
        ("echo dump; exit 3", 3, "the command: exited with 3"),
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full can be opened");
        let ran = output(wrap(&sandbox, script).stdout(full));
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(code), "{stderr}");
        let line = format!("slack-alert: db: standard output could not be written: no space left on device; {told}\n");
        assert!(stderr.contains(&line), "{stderr}");
    }
    let runs = history(&sandbox);
    let statuses: Vec<&Value> = runs.iter().map(|run| &run["status"]).collect();
    assert_eq!(statuses, ["critical", "critical", "critical"], "{runs:?}");
    assert!(runs[0]["line"].as_str().is_some_and(|line| line.contains("no space left on device")), "{runs:?}");
    // Nobody misses what nobody was to see.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full can be opened");
    let ran = output(wrap(&sandbox, "echo noise >&2").stderr(full));
    assert_eq!(ran.status.code(), Some(0));
}

#[test]
fn a_full_disk_and_a_strangers_right_change_nothing_for_the_command() {
    if !nix::unistd::geteuid().is_root() {
        skip("run the tests as root: this one mounts a file system and becomes another user");
        return;
    }
    let sandbox = quiet();
    let disk = sandbox.path().join("disk");
    fs::create_dir(&disk).expect("a folder");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "none"]).arg(&disk).status();
    if !mounted.is_ok_and(|status| status.success()) {
        skip("mount(8) of a tmpfs is not permitted here");
        return;
    }
    let fill = vec![0; 1 << 20];
    let _ = fs::write(disk.join("full"), &fill);
    let state = disk.join("state").to_string_lossy().into_owned();
    let full = Command::new("true").status().map(|_| {
        lateness("a full disk", || sandbox.command(&["--state-dir", &state, "wrap", "--job", "db", "--"]));
        sandbox.run(&["--state-dir", &state, "wrap", "--job", "db", "--", "sh", "-c", "echo no room >&2; exit 3"])
    });
    let _ = Command::new("umount").arg("-l").arg(&disk).status();
    let ran = full.expect("true(1) exists");
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("no room") && ran.stderr.contains("db"), "{ran:?}");

    // A stranger: neither the socket nor the state is theirs.
    fs::set_permissions(sandbox.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
    let going = daemon(&sandbox);
    let stranger = |script: &str| {
        let mut command = wrap(&sandbox, script);
        command.uid(65_534).gid(65_534);
        output(&mut command)
    };
    let ran = stranger("echo out; exit 3");
    assert_eq!((ran.status.code(), ran.stdout.as_slice()), (Some(3), &b"out\n"[..]), "{ran:?}");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(said.contains("db") && said.contains("you may not talk to the daemon"), "{ran:?}");
    let ran = stranger("exit 0");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("the run will count as missing"), "{ran:?}");
    assert!(said.contains("you may not talk to the daemon"), "{ran:?}");
    // What this user may not read is no error of the configuration.
    sandbox.file("slack_alert.toml", "host = 'h'\n[slack]\ntoken_file = 'token'\nchannel = '#ops'\n");
    let token = sandbox.file("token", "xoxb-0\n");
    fs::set_permissions(token, fs::Permissions::from_mode(0o600)).expect("a mode");
    for script in ["exit 0", "exit 3"] {
        let ran = stranger(script);
        let said = String::from_utf8_lossy(&ran.stderr);
        for words in ["token_file", "cannot be read", "ask for the group of"] {
            assert!(said.contains(words), "{words}: {ran:?}");
        }
        assert!(!said.contains("has errors"), "{ran:?}");
    }
    let config = sandbox.path().join("slack_alert.toml");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).expect("a mode");
    let ran = stranger("exit 0");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(said.contains("slack_alert.toml: the file cannot be read"), "{ran:?}");
    assert_eq!(history(&sandbox).len(), 0, "a stranger reports nothing");
    drop(going);
}

/// `SLACK_ALERT_STARTS=10000` starts that often (CONTRIBUTING.md).
#[test]
fn commands_that_start_on_a_full_disk_leave_nothing_behind_that_grows() {
    if !nix::unistd::geteuid().is_root() {
        skip("run the tests as root: this one mounts a file system");
        return;
    }
    let sandbox = quiet();
    let disk = sandbox.path().join("disk");
    fs::create_dir(&disk).expect("a folder");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(&disk).status();
    if !mounted.is_ok_and(|status| status.success()) {
        skip("mount(8) of a tmpfs is not permitted here");
        return;
    }
    let state = disk.join("state").to_string_lossy().into_owned();
    let start = || sandbox.run(&["--state-dir", &state, "wrap", "--job", "db", "--", "sh", "-c", "exit 3"]);
    let first = start();
    let _ = fs::write(disk.join("full"), vec![0; 1 << 20]);
    // The lock holds the number of a process, which may have a digit more.
    let files = || {
        let words = ["-type", "f", "!", "-name", "lock", "-printf", "%P %s\\n"];
        let listed = output(Command::new("find").arg(&state).args(words));
        let mut lines: Vec<_> = String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let mut wrong = Vec::new();
    wrong.extend(Some(start()).filter(|ran| ran.code != 3));
    let before = files();
    for _ in 0..tries("SLACK_ALERT_STARTS", 20) {
        wrong.extend(Some(start()).filter(|ran| ran.code != 3));
    }
    let after = files();
    let _ = Command::new("umount").arg("-l").arg(&disk).status();
    assert!(first.code == 3 && wrong.is_empty(), "{first:?} {wrong:?}");
    assert!(!before.is_empty() && before == after, "{before:?} {after:?}");
}

/// Kills what is asked for.
fn kill(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn whatever_is_killed_each_outcome_is_in_the_history_once_and_each_alert_is_told() {
    let slack = MockSlack::start();
    let sandbox = telling(&slack);
    let seed = seed();
    let mut dice = Dice(seed);
    let mut daemon: Option<Child> = None;
    let mut ended: BTreeMap<usize, i32> = BTreeMap::new();
    let mut kills = 0_usize;
    for round in 0..tries("SLACK_ALERT_KILLS", 24) {
        if daemon.is_none() && dice.below(3) > 0 {
            let mut command = sandbox.command(&["run"]);
            daemon = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok();
            std::thread::sleep(Duration::from_millis(dice.below(400)));
        }
        let code = i32::try_from(1 + dice.below(60)).expect("small");
        let length = dice.below(40);
        let script = format!("echo token{round}x; sleep 0.{length:02}; exit {code}");
        let mut wrapped =
            wrap(&sandbox, &script).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(dice.below(700)));
        let whom = dice.below(4);
        if (whom == 1 || whom == 3)
            && let Some(mut daemon) = daemon.take()
        {
            kill(&mut daemon);
            kills += 1;
        }
        match whom {
            // One that has ended by itself cannot be killed.
            2 | 3 if wrapped.try_wait().expect("it can be asked").is_none() => {
                kill(&mut wrapped);
                kills += 1;
            }
            _ => {
                let status = wrapped.wait().expect("it ends");
                assert_eq!((status.code(), status.signal()), (Some(code), None), "seed {seed}, round {round}");
                ended.insert(round, code);
            }
        }
    }
    if let Some(mut daemon) = daemon {
        kill(&mut daemon);
        kills += 1;
    }
    // In peace: everything that waits is taken up and told.
    let peace = sandbox.start(&["run"]);
    let is_told =
        |round: &usize| slack.posted().iter().any(|post| post.to_string().contains(&format!("token{round}x")));
    slack.wait_until(&format!("every alert (seed {seed})"), || ended.keys().all(is_told).then_some(()));
    wait_until(&sandbox, "an empty outbox", || sandbox.run(&["outbox", "--json"]).stdout.trim() == "[]");
    let rows = history(&sandbox);
    for (round, code) in &ended {
        let token = format!("token{round}x");
        let own = rows.iter().filter(|row| {
            let run = sandbox.run(&["history", "--run", &row["run"].to_string(), "--json"]);
            run.stdout.contains(&token)
        });
        let own: Vec<_> = own.collect();
        assert_eq!(own.len(), 1, "seed {seed}, round {round}, exit {code}: {own:?}\n{rows:?}");
        assert_eq!(own[0]["exit_code"], *code, "seed {seed}, round {round}");
    }
    let mut told = 0;
    for round in ended.keys() {
        let token = format!("token{round}x");
        told += slack.posted().iter().filter(|post| post.to_string().contains(&token)).count();
    }
    assert!(told <= ended.len() + kills, "seed {seed}: {told} messages for {} runs and {kills} kills", ended.len());
    drop(peace);
}

/// A command that goes on until the gate is opened.
fn until_the_gate_opens(sandbox: &Sandbox, then: &str) -> Command {
    if !sandbox.path().join("gate").exists() {
        let made = Command::new("mkfifo").arg(sandbox.path().join("gate")).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo(1) makes the gate");
    }
    wrap(sandbox, &format!("read gate < gate; {then}"))
}

/// A line for each command. The gate is open for as long as this is kept: some come to it late.
#[must_use]
fn open_the_gate(sandbox: &Sandbox) -> fs::File {
    // With both ends open nobody has to be there yet.
    let mut gate = fs::OpenOptions::new().read(true).write(true).open(sandbox.path().join("gate")).expect("a gate");
    gate.write_all(&[b'\n'; 1_000]).expect("it fits the pipe");
    gate
}

fn spawned(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

fn is_running(row: &Value) -> bool {
    row["status"] == "running"
}

#[test]
fn two_hundred_at_once_are_each_told_once_and_whoever_asks_meanwhile_is_answered() {
    const MANY: usize = 200;
    let sandbox = quiet();
    let daemon = daemon(&sandbox);
    let mut all: Vec<Child> = (0..MANY).map(|_| spawned(&mut until_the_gate_opens(&sandbox, "exit 3"))).collect();
    // A command does not wait long for a daemon that is busy: on a slow machine, some are told at their end alone.
    wait_until(&sandbox, "most of them in progress", || {
        history(&sandbox).iter().filter(|row| is_running(row)).count() > MANY / 2
    });
    let status = sandbox.run(&["status"]);
    assert!(status.code == 0 && !status.stderr.contains("no daemon"), "{status:?}");
    let _gate = open_the_gate(&sandbox);
    for child in &mut all {
        assert_eq!(child.wait().expect("it ends").code(), Some(3));
    }
    wait_until(&sandbox, "the end of the records", || !Spool::of(&sandbox.path().join("state")).any());
    wait_until(&sandbox, "all ends", || !history(&sandbox).iter().any(is_running));
    let rows = history(&sandbox);
    assert!(rows.len() == MANY && rows.iter().all(|row| row["exit_code"] == 3), "{} {rows:?}", rows.len());
    drop(daemon);
}

#[test]
fn two_that_begin_in_the_same_microsecond_are_two_runs() {
    let sandbox = quiet();
    let _daemon = daemon(&sandbox);
    let spool = Spool::of(&sandbox.path().join("state"));
    let began = "2026-11-23T03:00:00.123456Z".parse().expect("a time");
    for pid in [1007, 1008] {
        let begun = Report::begun(JobName::new("db"), "backup".to_owned(), pid, began);
        let end = End::new(began, Ending::Exited { code: 3 }, &Default::default());
        spool.put(&Report { end: Some(end), ..begun }).expect("it is written");
    }
    wait_until(&sandbox, "both", || !spool.any());
    let rows = history(&sandbox);
    assert_eq!(rows.len(), 2, "{rows:?}");
}

#[test]
fn a_run_that_outlives_a_daemon_is_in_progress_until_it_ends_or_its_wrapper_is_gone() {
    let sandbox = quiet();
    let going = daemon(&sandbox);
    let mut first = spawned(&mut until_the_gate_opens(&sandbox, "exit 3"));
    let mut second = spawned(&mut wrap(&sandbox, "exec sleep 600"));
    wait_until(&sandbox, "both in progress", || history(&sandbox).iter().filter(|row| is_running(row)).count() == 2);
    going.signal("KILL");
    drop(going.end());
    let daemon = daemon(&sandbox);
    let rows = history(&sandbox);
    assert!(rows.len() == 2 && rows.iter().all(is_running), "{rows:?}");
    assert!(sandbox.run(&["history"]).stdout.contains("reported by wrap"));
    let _gate = open_the_gate(&sandbox);
    assert_eq!(first.wait().expect("it ends").code(), Some(3));
    kill(&mut second);
    wait_until(&sandbox, "both ends", || !history(&sandbox).iter().any(is_running));
    let rows = history(&sandbox);
    let mut reasons: Vec<_> = rows.iter().map(|row| row["reason"].as_str().unwrap_or_default()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["exit", "interrupted"], "{rows:?}");
    drop(daemon);
}

#[test]
fn of_a_command_whose_wrapper_was_killed_nobody_says_that_it_has_ended() {
    let sandbox = quiet();
    let daemon = daemon(&sandbox);
    let mut wrapped = spawned(&mut until_the_gate_opens(&sandbox, "exit 3"));
    wait_until(&sandbox, "it in progress", || history(&sandbox).iter().any(is_running));
    let process = wrapped.id();
    kill(&mut wrapped);
    wait_until(&sandbox, "that it is followed no more", || !history(&sandbox).iter().any(is_running));
    let words = format!("its wrap (process {process}) is gone: the command may still run");
    let told = [sandbox.run(&["history"]).stdout, sandbox.run(&["why", "db"]).stdout];
    assert!(told.iter().all(|told| told.contains(&words)), "{told:?}");
    let row = &history(&sandbox)[0];
    assert!(row["started"].is_string() && row["took"].is_null(), "nobody knows how long it took: {row}");
    // It still waits at the gate.
    let _gate = open_the_gate(&sandbox);
    drop(daemon);
}

#[test]
fn of_a_wrapper_that_went_while_no_daemon_ran_nobody_says_that_the_daemon_died() {
    for signal in ["TERM", "KILL"] {
        let sandbox = quiet();
        let going = daemon(&sandbox);
        let mut wrapped = spawned(&mut until_the_gate_opens(&sandbox, "exit 3"));
        wait_until(&sandbox, "it in progress", || history(&sandbox).iter().any(is_running));
        let process = wrapped.id();
        going.signal(signal);
        drop(going.end());
        kill(&mut wrapped);
        // Its command still waits at the gate.
        let going = daemon(&sandbox);
        let words = format!("its wrap (process {process}) is gone: the command may still run");
        wait_until(&sandbox, "its end", || !history(&sandbox).iter().any(is_running));
        let told = [sandbox.run(&["history"]).stdout, sandbox.run(&["why", "db"]).stdout];
        assert!(told.iter().all(|told| told.contains(&words)), "{signal}: {told:?}");
        let _gate = open_the_gate(&sandbox);
        going.signal("TERM");
        let (_, said) = going.end();
        assert!(said.contains("the process that reported this run went while no daemon ran"), "{signal}: {said}");
        assert!(!said.contains("died"), "{signal}: {said}");
    }
}

#[test]
fn a_run_that_was_well_is_on_disk_when_wrap_has_ended() {
    let sandbox = quiet();
    for round in 1..=3 {
        let going = daemon(&sandbox);
        assert_eq!(output(&mut wrap(&sandbox, "exit 0")).status.code(), Some(0));
        going.signal("KILL");
        drop(going.end());
        let rows = history(&sandbox);
        assert!(rows.len() == round && rows.iter().all(|row| row["status"] == "ok"), "{rows:?}");
    }
}

#[test]
fn an_end_that_a_daemon_takes_only_in_part_is_no_interruption() {
    let sandbox = quiet();
    let going = daemon(&sandbox);
    let long = "head -c 400000 /dev/zero | tr '\\0' x; head -c 400000 /dev/zero | tr '\\0' y >&2; exit 3";
    let mut wrapped = spawned(&mut until_the_gate_opens(&sandbox, long));
    wait_until(&sandbox, "its beginning", || history(&sandbox).iter().any(is_running));
    going.signal("STOP");
    let _gate = open_the_gate(&sandbox);
    assert_eq!(wrapped.wait().expect("it ends").code(), Some(3));
    going.signal("CONT");
    wait_until(&sandbox, "its end", || !history(&sandbox).iter().any(is_running));
    let rows = history(&sandbox);
    assert!(rows.len() == 1 && rows[0]["exit_code"] == 3, "{rows:?}");
    drop(going);
}

#[test]
fn a_record_that_another_command_left_is_told_by_the_rules_of_its_own_job() {
    let slack = MockSlack::start();
    let sandbox = telling(&slack);
    sandbox.file("jobs.d/pager.toml", "expect = { every = '1d', grace = '2h' }\nnotify.channel = '#pager'\n");
    output(&mut wrap(&sandbox, "exit 3"));
    let began = "2026-11-23T03:00:00Z".parse().expect("a time");
    let end = End::new(began, Ending::Exited { code: 7 }, &Default::default());
    let begun = Report::begun(JobName::new("pager"), "backup".to_owned(), 7, began);
    let spool = Spool::of(&sandbox.path().join("state"));
    spool.put(&Report { end: Some(end), ..begun }).expect("it is written");
    output(&mut wrap(&sandbox, "exit 3"));
    let channels: Vec<_> = slack.posted().iter().map(|post| post["channel"].clone()).collect();
    assert_eq!(channels.iter().filter(|channel| **channel == "pager").count(), 1, "{:?}", slack.posted());
    assert!(!spool.any() && history(&sandbox).len() == 3, "{:?}", history(&sandbox));
}

#[test]
fn the_watcher_of_a_job_is_told_without_a_daemon_too() {
    let slack = MockSlack::start();
    let sandbox = telling(&slack);
    let job = format!("expect = {{ every = '1d', grace = '2h' }}\nping = '{}/hc'\n", slack.origin());
    sandbox.file("jobs.d/db.toml", &job);
    output(&mut wrap(&sandbox, "exit 3"));
    let asked: Vec<_> = slack.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(asked.iter().filter(|target| target.starts_with("/hc/3?rid=")).count(), 1, "{asked:?}");
}

#[test]
fn a_job_without_a_file_is_known_to_those_who_ask_without_a_daemon() {
    let sandbox = quiet();
    let ran = sandbox.run(&["wrap", "--job", "etl", "--expect", "1d", "--", "sh", "-c", "exit 3"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    for command in [&["why", "etl"][..], &["next", "etl"], &["list"], &["status", "etl"], &["history", "etl"]] {
        let ran = sandbox.run(command);
        // `status` says by its code that there is no daemon.
        let code = i32::from(command[0] == "status");
        assert!(ran.code == code && (command[0] == "why" || ran.stdout.contains("etl")), "{command:?}: {ran:?}");
    }
    let why = sandbox.run(&["why", "etl"]).stdout;
    assert!(why.contains("exit code 3") && why.contains("now: "), "{why}");
    assert!(sandbox.run(&["next", "etl"]).stdout.contains("expected every 1d"));
}

#[test]
fn a_mistake_in_an_option_keeps_no_command_from_running() {
    let sandbox = quiet();
    for (options, said) in [
        (&["--job", "etl", "--expect", "999ms"][..], "a run is expected once a second at most"),
        (&["--job", "etl", "--expect", "1x"], "`--expect 1x` does not count"),
        (&["--job", "etl", "--timeout", "5x"], "`--timeout 5x` does not count"),
        (&["--job", "etl", "--timeout", "0s"], "`--timeout 0s` does not count: a time limit cannot be zero"),
        (&["--job", "etl", "--grace", "5m"], "`--grace` is for a run that is expected"),
        (&["--job", "etl", "--expect", "1d", "--grace", "soon"], "`--grace soon` does not count"),
    ] {
        let ran = sandbox.run(&[&["wrap"], options, &["--", "sh", "-c", "echo out; exit 3"]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (3, "out\n"), "{options:?}: {ran:?}");
        assert!(ran.stderr.contains(said), "{options:?}: {ran:?}");
    }
    assert_eq!(history(&sandbox).len(), 6, "each is reported all the same");
    for options in [&["wrap", "--jb", "etl"][..], &["wrap", "--job"], &["--stat-dir", "x", "wrap", "--job", "etl"]] {
        let ran = sandbox.run(&[options, &["--", "sh", "-c", "echo out; exit 3"]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (3, "out\n"), "{options:?}: {ran:?}");
        assert!(ran.stderr.contains("nobody is told of it"), "{options:?}: {ran:?}");
    }
    assert_eq!(history(&sandbox).len(), 6);
    let ran = sandbox.run(&["wrap", "--jb", "etl", "echo", "out"]);
    assert!((ran.code, ran.stdout.as_str()) == (0, "out\n") && ran.stderr.contains("nobody is told of it"), "{ran:?}");
    // There is no command, or it is none of this one.
    for words in [&["wrap", "--jb", "echo"][..], &["why", "--jb", "--", "echo"], &["wrap", "--jb", "--"]] {
        let ran = sandbox.run(words);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{words:?}: {ran:?}");
    }
    let ran = sandbox.run(&["wrap", "--job", "etl", "--expect", "1s", "--", "true"]);
    assert!(ran.code == 0 && !ran.stderr.contains("does not count"), "{ran:?}");
}

#[test]
fn a_command_runs_without_dashes_before_it_and_keeps_its_own() {
    let sandbox = quiet();
    let script = "printf '<%s>' \"$@\"; exit 3";
    for words in [
        &["--job", "etl", "sh", "-c", script, "sh", "--job", "x", "--", "y"][..],
        &["--job", "etl", "--", "sh", "-c", script, "sh", "--job", "x", "--", "y"],
    ] {
        let ran = sandbox.run(&[&["wrap"], words].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (3, "<--job><x><--><y>"), "{words:?}: {ran:?}");
    }
    let rows = history(&sandbox);
    assert!(rows.len() == 2 && rows.iter().all(|row| row["job"] == "etl"), "{rows:?}");
}

/// Lines of a crontab: each runs once by itself and once wrapped, and says when.
const LINES: &[&str] = &[
    "echo to stdout; echo to stderr >&2; printf \"no end\"; exit 3",
    "exit 0",
    "exit 4",
    "echo only news",
    "sleep 20; echo late >&2; exit 1",
    "kill -9 $$",
    "(sleep 15; echo from behind) & echo before",
];

/// Cron in a world of its own, with this crontab; what it mails are files. None where mounts are not permitted.
fn cron(sandbox: &Sandbox, tab: &str) -> Option<Child> {
    let place = |path: &str| sandbox.path().join(path);
    for folder in ["cron.d", "crontabs", "sbin", "mail"] {
        fs::create_dir(place(folder)).expect("a folder");
    }
    copy_program(Path::new("/usr/sbin/cron"), &place("cron"));
    let mail = place("mail").to_string_lossy().into_owned();
    sandbox.script(
        "sbin/sendmail",
        &format!("#!/bin/sh\nfile=$(mktemp {mail}/.XXXXXX)\ncat > \"$file\"\nmv \"$file\" {mail}/mail${{file##*.}}\n"),
    );
    fs::write(place("cron.d/lines"), tab).expect("a crontab");
    fs::set_permissions(place("cron.d/lines"), fs::Permissions::from_mode(0o644)).expect("a mode");
    // The daemon's socket is below the sandbox, not in /run.
    let among_these = |program: &str| {
        let script = format!(
            "mount --bind cron.d /etc/cron.d && mount --bind crontabs /var/spool/cron/crontabs && \
             mount --bind sbin /usr/sbin && mount -t tmpfs none /run && exec {program}"
        );
        let mut namespace = Command::new("unshare");
        namespace.args(["-m", "--propagation", "private", "sh", "-c", &script]).current_dir(sandbox.path());
        namespace.stdout(Stdio::null()).stderr(Stdio::null());
        namespace
    };
    let permitted = among_these("true").status().is_ok_and(|ended| ended.success());
    permitted.then(|| among_these("./cron -f").spawn().expect("unshare(1) exists"))
}

/// What cron has mailed: by itself, and wrapped. The headers name the line, which differs.
fn mails(sandbox: &Sandbox) -> [Vec<String>; 2] {
    let mut both = [Vec::new(), Vec::new()];
    for file in fs::read_dir(sandbox.path().join("mail")).into_iter().flatten().flatten() {
        // One that is hidden is still written.
        let text = fs::read_to_string(file.path()).unwrap_or_default();
        if let (Some((head, body)), false) =
            (text.split_once("\n\n"), file.file_name().to_string_lossy().starts_with('.'))
        {
            both[usize::from(head.contains(" wrap "))].push(body.to_owned());
        }
    }
    both.iter_mut().for_each(|mails| mails.sort());
    both
}

/// `SLACK_ALERT_CRON_MINUTES=10` takes ten minutes (CONTRIBUTING.md); without it, it is one.
#[test]
#[ignore = "a long form, for a machine that does nothing else: a busy one has commands end before anybody could be told"]
fn debians_cron_runs_wrapped_lines_and_mails_what_it_mailed_before_while_the_daemon_is_killed_and_started() {
    if !Path::new("/usr/sbin/cron").exists() || !nix::unistd::geteuid().is_root() {
        skip("install Debian's cron (apt install cron), and run the tests as root");
        return;
    }
    let minutes = tries("SLACK_ALERT_CRON_MINUTES", 1);
    let slack = MockSlack::start();
    let sandbox = telling(&slack);
    let (program, config) = (env!("CARGO_BIN_EXE_slack-alert"), sandbox.path().join("slack_alert.toml"));
    let mut tab = format!(
        "SHELL=/bin/sh\nHOME=/\nRUNTIME_DIRECTORY={}\nSTATE_DIRECTORY={}\n",
        sandbox.path().join("run").display(),
        sandbox.path().join("state").display(),
    );
    let job = sandbox.read("jobs.d/db.toml");
    for (number, line) in LINES.iter().enumerate() {
        sandbox.file(&format!("jobs.d/line{number}.toml"), &job);
        let body = format!("date +line{number}at\\%H\\%M; {line}");
        tab.push_str(&format!("* * * * * root {body}\n"));
        let wrapped = format!("{program} --config {} wrap --job line{number} --", config.display());
        tab.push_str(&format!("* * * * * root {wrapped} /bin/sh -c '{body}'\n"));
    }
    let seed = seed();
    let mut dice = Dice(seed);
    let Some(mut running) = cron(&sandbox, &tab) else {
        skip("mounts are not permitted here, which keep cron away from this machine's own crontabs");
        return;
    };
    let mut daemon: Option<Child> = None;
    let mut kills = 0_usize;
    let deadline = Instant::now() + Duration::from_secs(60 * minutes as u64 + 75);
    let expected = minutes * LINES.len();
    while mails(&sandbox)[0].len() < expected {
        assert!(running.try_wait().is_ok_and(|ended| ended.is_none()), "cron goes on");
        assert!(Instant::now() < deadline, "seed {seed}: cron mailed {:?}", mails(&sandbox));
        std::thread::sleep(Duration::from_millis(100 + dice.below(1_900)));
        match daemon.take() {
            Some(mut going) if dice.below(2) == 0 => {
                kill(&mut going);
                kills += 1;
            }
            None => daemon = Some(spawned(&mut sandbox.command(&["run"]))),
            going => daemon = going,
        }
    }
    kill(&mut running);
    if let Some(mut daemon) = daemon {
        kill(&mut daemon);
        kills += 1;
    }
    // In peace: what waits is taken up and told.
    let peace = sandbox.start(&["run"]);
    wait_for(&[&sandbox.path().join("mail"), &sandbox.path().join("state")], "all ends", || {
        let [plain, wrapped] = mails(&sandbox);
        (plain.len() == wrapped.len() && !history(&sandbox).iter().any(is_running)).then_some(())
    });
    wait_until(&sandbox, "an empty outbox", || sandbox.run(&["outbox", "--json"]).stdout.trim() == "[]");
    let [plain, wrapped] = mails(&sandbox);
    assert_eq!(wrapped, plain, "seed {seed}: cron mails the same");
    let rows = history(&sandbox);
    assert_eq!(rows.len(), plain.len(), "seed {seed}: {rows:?}");
    let posts: Vec<String> = slack.posted().iter().map(Value::to_string).collect();
    let mut told = 0;
    for mail in &plain {
        let token = mail.split_whitespace().next().expect("each says when it ran");
        let of = |row: &&Value| {
            let run = sandbox.run(&["history", "--run", &row["run"].to_string(), "--json"]);
            run.stdout.contains(token)
        };
        assert_eq!(rows.iter().filter(of).count(), 1, "seed {seed}, {token}: {rows:?}");
        let posts = posts.iter().filter(|post| post.contains(token)).count();
        assert!(posts > 0, "seed {seed}, {token}: nobody was told");
        told += posts;
    }
    // A daemon that is killed between Slack's answer and the record of it sends a message twice.
    assert!(told <= plain.len() + kills, "seed {seed}: {told} messages for {} runs and {kills} kills", plain.len());
    println!("{minutes} minutes: {} runs, {kills} kills of the daemon, {} repeats", plain.len(), told - plain.len());
    drop(peace);
}

#[test]
fn how_long_a_command_took_that_ended_while_its_wrap_was_held_up_is_not_known() {
    let sandbox = quiet();
    let _daemon = daemon(&sandbox);
    let script = "touch there; while ! test -e go; do sleep 0.01; done; touch ends";
    let arguments = ["wrap", "--job", "db", "--", "sh", "-c", script];
    let wrap = sandbox.start(&arguments);
    sandbox.wait_for("its start", || sandbox.path().join("there").exists().then_some(()));
    wrap.signal("STOP");
    wrap.wait_for_stop();
    sandbox.file("go", "");
    sandbox.wait_for("its end", || sandbox.path().join("ends").exists().then_some(()));
    // Nothing but time tells that it was held up, by more than a busy machine is late.
    std::thread::sleep(Duration::from_millis(3_500));
    wrap.signal("CONT");
    let (status, said) = wrap.end();
    assert!(status.success(), "{said}");
    let runs = history(&sandbox);
    assert!(runs[0]["status"] == "ok" && runs[0]["took"].is_null(), "{runs:?}");
}
