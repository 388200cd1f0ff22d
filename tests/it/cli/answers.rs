//! What commands say of what is so beside them: files that the daemon has not read, a daemon that is not there or does not answer,
//! a state that cannot be read, jobs that go on as their last good files say.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::support::program::{Going, PATIENCE, Ran, Sandbox};

const CONF: &str = "host = \"web-1\"\nreload = \"signal\"\n";
const WAITS: &str = "command = \"true\"\nevery = \"1h\"\nfirst_run = \"wait\"\n";

fn daemon(sandbox: &Sandbox) -> Going {
    let mut going = sandbox.start(&["run"]);
    going.wait_for("listening for commands");
    going.wait_for("started jobs=");
    going
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

/// Looks until it is so.
fn until(sandbox: &Sandbox, arguments: &[&str], is_so: impl Fn(&Ran) -> bool) -> Ran {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let ran = sandbox.run(arguments);
        if is_so(&ran) {
            return ran;
        }
        assert!(std::time::Instant::now() < deadline, "{arguments:?}: {ran:?}");
    }
}

#[test]
fn the_file_that_changed_is_named_and_only_while_the_daemon_has_not_read_it() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", CONF), ("jobs.d/x.toml", WAITS)]);
    let _daemon = daemon(&sandbox);
    assert_eq!(sandbox.run(&["trigger", "--wait", "x"]).code, 0);
    let unread = |file: &str| {
        for arguments in [&["next", "x"][..], &["list"], &["why", "x"]] {
            let is_so = |ran: &Ran| match file {
                "" => ran.stderr.is_empty(),
                file => ran
                    .stderr
                    .starts_with(&format!("slack-alert: {file} has changed, and the daemon has not read that yet")),
            };
            until(&sandbox, arguments, is_so);
        }
    };
    unread("");
    sandbox.file("slack_alert.toml", &format!("{CONF}# a comment\n"));
    unread("slack_alert.toml");
    assert_eq!(sandbox.run(&["reload"]).code, 0);
    unread("");
    sandbox.file("jobs.d/x.toml", &format!("{WAITS}# a comment\n"));
    unread("jobs.d/x.toml");
    assert_eq!(sandbox.run(&["reload"]).code, 0);
    unread("");
    // With an error it is read, and not in effect.
    sandbox.file("slack_alert.toml", &format!("{CONF}slak = 1\n"));
    assert_eq!(sandbox.run(&["reload"]).code, 1);
    let ran = sandbox.run(&["next", "x"]);
    assert!(ran.stderr.contains("a daemon that runs already goes on with what it read before"), "{ran:?}");
    assert!(!ran.stderr.contains("jobs.d") && !ran.stderr.contains("has not read"), "{ran:?}");
}

#[test]
fn that_no_daemon_runs_is_said_where_one_has_run_and_nowhere_else() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", CONF), ("jobs.d/x.toml", WAITS)]);
    for arguments in [&["next"][..], &["list"], &["next", "x"]] {
        let ran = sandbox.run(arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "somebody looks at a configuration: {arguments:?}");
    }
    let going = daemon(&sandbox);
    assert_eq!(sandbox.run(&["trigger", "--wait", "x"]).code, 0);
    for arguments in [&["next"][..], &["list"], &["why", "x"]] {
        assert_eq!(sandbox.run(arguments).stderr, "", "{arguments:?}");
    }
    assert_eq!(sandbox.run(&["silence", "x", "10m"]).code, 0);
    going.signal("TERM");
    going.end();
    for arguments in [&["next"][..], &["list"], &["why", "x"]] {
        let ran = sandbox.run(arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
        let words =
            "slack-alert: no daemon runs with this configuration: no job runs on schedule until one is started\n";
        assert_eq!(ran.stderr, words, "{arguments:?}");
    }
    let ran = sandbox.run(&["silence", "list"]);
    assert!(ran.code == 0 && ran.stdout.contains("1   x        1"), "{ran:?}");
    assert!(ran.stderr.contains("this is what the database knows"), "{ran:?}");
}

#[test]
fn a_state_that_was_named_and_is_not_there_is_said() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", CONF), ("jobs.d/x.toml", WAITS)]);
    for arguments in [&["next", "--state-dir", "nowhere"][..], &["list", "--state-dir", "nowhere"]] {
        let ran = sandbox.run(arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stderr.starts_with("slack-alert: there is no state in nowhere yet: no daemon has run"), "{ran:?}");
    }
    sandbox.file("slack_alert.toml", &format!("{CONF}state_dir = \"nowhere\"\n"));
    let ran = sandbox.run(&["next"]);
    assert!(ran.stderr.contains("there is no state in ") && ran.stderr.contains("nowhere yet"), "{ran:?}");
}

#[test]
fn next_and_status_know_the_same_time_of_a_job_that_waits_for_its_first_run() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", CONF),
        ("jobs.d/asked.toml", &WAITS.replace("true", "sleep 2")),
        ("jobs.d/never.toml", WAITS),
    ]);
    let _daemon = daemon(&sandbox);
    // Meanwhile time passes.
    assert_eq!(sandbox.run(&["trigger", "--wait", "asked"]).code, 0);
    let status = json(&sandbox.run(&["status", "--json"]));
    for (index, name) in ["asked", "never"].into_iter().enumerate() {
        let next = json(&sandbox.run(&["next", "--json", "-n", "3", name]));
        let time = |value: &Value| value.as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time");
        let (known, told) = (time(&status["jobs"]["list"][index]["next"]), time(&next[0]["at"]));
        let apart = known.duration_since(told).abs();
        assert!(apart < jiff::SignedDuration::from_secs(1), "{name}: {known} {told}");
        for later in [1, 2] {
            let apart = time(&next[later]["at"]).duration_since(told).as_secs_f64();
            assert!((apart - 3600.0 * f64::from(u32::try_from(later).expect("small"))).abs() < 0.1, "{next}");
        }
    }
}

#[test]
fn next_says_that_the_end_of_the_run_in_progress_decides_where_it_does() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", CONF),
        ("jobs.d/x.toml", "command = 'exec sleep 1000'\nevery = '5m'\nevery_from = 'finish'\n"),
    ]);
    let _daemon = daemon(&sandbox);
    until(&sandbox, &["status"], |ran| ran.stdout.contains("running"));
    for arguments in [&["next"][..], &["next", "x", "-n", "3"]] {
        let ran = sandbox.run(arguments);
        assert_eq!(
            ran.stdout.trim_end(),
            "5m after the end of the run in progress  -  x  5m after each finish",
            "{ran:?}"
        );
    }
    let told = json(&sandbox.run(&["next", "--json"]));
    assert_eq!((&told[0]["at"], &told[0]["after_end"]), (&Value::Null, &300.0.into()), "{told}");
}

#[test]
fn why_says_that_a_job_is_paused_and_when_it_runs_after_that() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", CONF), ("jobs.d/x.toml", WAITS)]);
    let _daemon = daemon(&sandbox);
    assert_eq!(sandbox.run(&["pause", "x", "3h", "--note", "migration"]).code, 0);
    let ran = until(&sandbox, &["why", "x"], |ran| ran.stdout.contains("paused"));
    assert!(ran.stdout.starts_with("no run of x is known: it is paused until "), "{ran:?}");
    assert!(ran.stdout.contains("migration\"; its next run is due at "), "{ran:?}");
    assert_eq!(sandbox.run(&["trigger", "--wait", "x"]).code, 0);
    let ran = sandbox.run(&["why", "x"]);
    assert!(ran.stdout.contains("\nnow: it is paused until ") && !ran.stdout.contains("now: its next"), "{ran:?}");
}

#[test]
fn why_says_of_whatever_is_not_enabled_that_it_is_not() {
    let jobs = [
        ("slack_alert.toml", CONF),
        ("jobs.d/elsewhere.toml", "expect = { every = '1h', grace = '10m' }\nenabled = false\n"),
        ("jobs.d/follows.toml", "command = 'true'\nafter = 'elsewhere'\nenabled = false\n"),
        ("jobs.d/hourly.toml", "command = 'true'\nevery = '1h'\nenabled = false\n"),
    ];
    let sandbox = Sandbox::with(&jobs);
    let _daemon = daemon(&sandbox);
    for job in ["elsewhere", "follows", "hourly"] {
        let ran = until(&sandbox, &["why", job], |ran| ran.code == 0);
        assert_eq!(ran.stdout, format!("no run of {job} is known: it is not enabled\n"), "{ran:?}");
    }
}

#[test]
fn next_names_no_time_within_a_pause_of_a_job_that_something_else_runs() {
    let job = "expect = { every = '1h', grace = '10m' }\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", CONF), ("jobs.d/x.toml", job)]);
    let going = daemon(&sandbox);
    assert_eq!(sandbox.run(&["wrap", "--job", "x", "true"]).code, 0);
    assert_eq!(sandbox.run(&["pause", "x", "3h"]).code, 0);
    let times = |ran: &Ran| {
        let all = json(ran);
        let all = all.as_array().cloned().unwrap_or_default();
        let until = all[0]["paused"]["until"].as_str().expect("it is paused").to_owned();
        let at: Vec<String> = all.iter().map(|next| next["at"].as_str().expect("a time").to_owned()).collect();
        (at, until)
    };
    let (at, until) = times(&sandbox.run(&["next", "--json", "-n", "2", "x"]));
    assert!(at.len() == 2 && at.iter().all(|at| *at >= until), "{at:?} {until}");
    going.signal("TERM");
    drop(going.end());
    assert_eq!(times(&sandbox.run(&["next", "--json", "-n", "2", "x"])), (at, until), "without a daemon too");
}

#[test]
fn of_a_job_that_only_wrap_reports_no_last_good_file_goes_on() {
    let bad = "expect = { evry = \"1d\", grace = \"1h\" }\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", CONF), ("jobs.d/x.toml", bad), ("jobs.d/y.toml", WAITS)]);
    let running = daemon(&sandbox);
    assert_eq!(sandbox.run(&["wrap", "--job", "x", "--quiet", "--", "true"]).code, 0);
    for arguments in [&["status"][..], &["status", "x"], &["status", "--nagios"], &["list"], &["why", "x"], &["reload"]]
    {
        let ran = sandbox.run(arguments);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains("not loaded") && !said.contains("last good"), "{arguments:?}: {ran:?}");
    }
    let status = json(&sandbox.run(&["status", "--json"]));
    assert_eq!((&status["jobs"]["not_loaded"], &status["jobs"]["going_on"]), (&1.into(), &0.into()), "{status}");
    drop(running);
    let ran = sandbox.run(&["why", "x"]);
    assert!(ran.stdout.contains("now: its file has errors and is not loaded: "), "{ran:?}");
}

#[test]
fn a_job_that_goes_on_as_its_last_good_file_says_is_shown_as_running() {
    let text = "command = \"echo well\"\nevery = \"1h\"\ndescription = \"about x\"\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", CONF), ("jobs.d/x.toml", text), ("jobs.d/y.toml", WAITS)]);
    let _daemon = daemon(&sandbox);
    until(&sandbox, &["status", "--json"], |ran| json(ran)["jobs"]["ok"] == 1);
    sandbox.file("jobs.d/x.toml", "command = \"echo well\"\nevry = \"1h\"\n");
    assert_eq!(sandbox.run(&["reload"]).code, 1);
    let goes_on = "slack-alert: x: its file has errors, and the last good version goes on: jobs.d/x.toml:2:1: ";
    for arguments in [&["next", "x"][..], &["next"], &["list"]] {
        let ran = sandbox.run(arguments);
        assert!(ran.code == 0 && ran.stderr.contains(goes_on), "{arguments:?}: {ran:?}");
        assert!(ran.stdout.contains("x") && ran.stdout.contains("every 1h"), "{arguments:?}: {ran:?}");
    }
    assert_eq!(sandbox.run(&["next", "x"]).stdout.lines().count(), 5, "five times");
    assert!(sandbox.run(&["list"]).stdout.contains("about x"));
    let ran = sandbox.run(&["why", "x"]);
    let words = "now: its file has errors, and the last good version goes on, due next at ";
    assert!(ran.code == 0 && ran.stdout.contains(words), "{ran:?}");
    let ran = sandbox.run(&["status"]);
    assert!(ran.stdout.starts_with("web-1: slack-alert ") && ran.stdout.contains("; 1 with a bad file; "), "{ran:?}");
    assert!(
        !ran.stdout.contains("not loaded") && ran.stdout.contains("! bad file   x  jobs.d/x.toml:2:1: "),
        "{ran:?}"
    );
    let ran = sandbox.run(&["status", "--nagios", "x"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let words =
        "; x is running as its last good file says: jobs.d/x.toml:2:1: unknown key `evry` (did you mean `every`?) | ";
    assert!(ran.stdout.contains(words), "{ran:?}");
}

#[test]
fn an_error_of_slack_alert_toml_is_seen_in_status_and_by_a_probe() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", CONF), ("jobs.d/x.toml", WAITS)]);
    let _daemon = daemon(&sandbox);
    sandbox.file("slack_alert.toml", "slak = 1\n");
    assert_eq!(sandbox.run(&["reload"]).code, 1);
    let ran = sandbox.run(&["status"]);
    let second = ran.stdout.lines().nth(1).unwrap_or_default();
    assert!(second.starts_with("! error      slack_alert.toml:1: unknown key `slak`"), "{ran:?}");
    let ran = sandbox.run(&["status", "--nagios"]);
    assert!(ran.code == 1 && ran.stdout.contains("the configuration has errors"), "{ran:?}");
}

#[test]
fn a_first_run_in_progress_is_said_to_go_on() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", CONF),
        ("jobs.d/slow.toml", &WAITS.replace("true", "sleep 600")),
        ("jobs.d/exp.toml", "expect = { every = \"1h\", grace = \"10m\" }\n"),
    ]);
    let _daemon = daemon(&sandbox);
    assert_eq!(sandbox.run(&["trigger", "slow"]).code, 0);
    let mut stream = UnixStream::connect(sandbox.path().join("run/control.sock")).expect("the daemon listens");
    stream.write_all(b"POST /ping/exp/start HTTP/1.1\r\nhost: l\r\nconnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for name in ["slow", "exp"] {
        let ran = until(&sandbox, &["why", name], |ran| ran.stdout.contains("goes on"));
        let words = "; no run of it has ended yet\n";
        assert!(ran.stdout.starts_with(&format!("{name}: run ")) && ran.stdout.ends_with(words), "{ran:?}");
        let ran = until(&sandbox, &["status", name], |ran| ran.stdout.contains("running    "));
        assert!(ran.stdout.contains(", its first run (run ") && !ran.stdout.contains("not run yet\n"), "{ran:?}");
        assert!(!ran.stdout.contains("it has not run yet"), "{ran:?}");
    }
}

#[test]
fn trigger_and_history_say_why_there_is_no_message_and_when_the_next_is_possible() {
    let sandbox =
        Sandbox::with(&[("slack_alert.toml", CONF), ("jobs.d/x.toml", &WAITS.replace("true", "echo no; exit 2"))]);
    let _daemon = daemon(&sandbox);
    assert_eq!(sandbox.run(&["trigger", "--wait", "x"]).code, 2);
    let ran = sandbox.run(&["trigger", "--wait", "x"]);
    assert!(ran.stdout.contains("\nThere is no message about it: ") && ran.stdout.contains(" (repeat-not-due).\n"));
    assert!(ran.stdout.contains("\nThe next message is possible at "), "{ran:?}");
    assert!(!ran.stdout.contains("it: repeat-not-due"), "{ran:?}");
    let ran = sandbox.run(&["history", "x"]);
    assert!(ran.stdout.contains("not sent: repeat-not-due, next message at "), "{ran:?}");
    let ran = sandbox.run(&["history", "--run", "2"]);
    assert!(ran.stdout.contains("\nwhy ") && ran.stdout.contains("asked for it"), "{ran:?}");
}

#[test]
fn why_names_the_message_about_a_run_that_hangs_and_what_keeps_the_next_back() {
    let hangs = "command = \"sleep 600\"\nevery = \"100ms\"\n[notify]\nstuck_after = 2\nslow = { over = \"200ms\" }\n";
    let silent = "command = \"sleep 600\"\nevery = \"100ms\"\n[notify]\nstuck_after = 2\non = [\"output\"]\n";
    let sandbox =
        Sandbox::with(&[("slack_alert.toml", CONF), ("jobs.d/x.toml", hangs), ("jobs.d/silent.toml", silent)]);
    let _daemon = daemon(&sandbox);
    let ran =
        until(&sandbox, &["why", "x"], |ran| ran.stdout.contains(", and hangs") && ran.stdout.contains("told at"));
    let words = ", and hangs: due times pass because of it; told at ";
    assert!(ran.stdout.contains(words) && ran.stdout.contains("; next message at "), "{ran:?}");
    assert!(ran.stdout.contains("; there was a message that it takes longer than `notify.slow` allows"), "{ran:?}");
    let ran = until(&sandbox, &["why", "silent"], |ran| ran.stdout.contains(", and hangs"));
    assert!(ran.stdout.contains("because of it; not told: not-asked"), "{ran:?}");
    assert_eq!(sandbox.run(&["ack", "x"]).code, 0);
    let ran = until(&sandbox, &["why", "x"], |ran| ran.stdout.contains(", or at "));
    assert!(ran.stdout.contains("; next message if it gets worse, fails differently or recovers, or at "), "{ran:?}");
}

#[test]
fn a_number_of_no_hold_is_said_to_be_none() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", CONF), ("jobs.d/x.toml", WAITS)]);
    let _daemon = daemon(&sandbox);
    let ran = sandbox.run(&["resume", "99"]);
    assert!(ran.code == 1 && ran.stderr.contains("there is no hold 99"), "{ran:?}");
}

#[test]
fn a_daemon_that_hangs_is_not_said_to_be_none_and_what_was_asked_is_said_to_be_asked_or_not() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", CONF), ("jobs.d/x.toml", WAITS)]);
    let going = daemon(&sandbox);
    going.signal("STOP");
    going.wait_for_stop();
    let commands: [&[&str]; 4] = [&["status"], &["trigger", "x"], &["reload"], &["next"]];
    let started: Vec<Going> = commands.iter().map(|arguments| sandbox.start(arguments)).collect();
    let said: Vec<String> = started.into_iter().map(|command| command.end().1).collect();
    going.signal("CONT");
    assert!(said[0].contains("\nweb-1: the daemon does not answer; 1 job"), "{said:?}");
    for index in [1, 2] {
        assert!(said[index].contains("did not answer within 10 s (") && !said[index].contains("runs now"), "{said:?}");
        assert!(said[index].contains(": nothing was asked of it yet\n  help: "), "{said:?}");
    }
    assert!(said[3].contains("slack-alert: the daemon did not answer within 1 s ("), "{said:?}");
    assert!(said[3].contains("it may not run what is due"), "{said:?}");
}

#[test]
fn whoever_may_not_read_the_state_is_answered_by_the_daemon_or_told_what_to_do() {
    if !nix::unistd::geteuid().is_root() {
        return crate::support::skip::skip("only root can become another user");
    }
    for read in ["all", "group"] {
        let conf = format!("{CONF}control.read = \"{read}\"\n");
        let sandbox =
            Sandbox::with(&[("slack_alert.toml", &conf), ("jobs.d/x.toml", &WAITS.replace("true", "echo no; exit 2"))]);
        let _daemon = daemon(&sandbox);
        assert_eq!(sandbox.run(&["trigger", "--wait", "x"]).code, 2);
        if read == "group" {
            let ran = sandbox.run_as_stranger(&["status"]);
            assert!(ran.code == 1 && !ran.stderr.contains("the group `root`"), "{ran:?}");
            assert!(ran.stderr.contains("with `[control] group` the members of a group may too"), "{ran:?}");
        }
        let state = sandbox.path().join("state");
        assert_eq!(std::fs::metadata(&state).expect("the state").permissions().mode() & 0o007, 0, "it is closed");
        let cases: [(&[&str], &str); 9] = [
            (&["why", "x"], "run 1 failed with exit code 2 at "),
            (&["why", "x", "--at", "2999-01-01"], "run 1 failed with exit code 2 at "),
            (&["history", "--run", "1"], "exited with 2"),
            (&["history", "--since", "1h"], "exited with 2"),
            (&["history", "x", "--failed"], "exited with 2"),
            (&["history", "x"], "exited with 2"),
            (&["outbox"], ""),
            (&["next", "x"], "every 1h"),
            (&["list"], "critical  every 1h"),
        ];
        for (arguments, words) in cases {
            let ran = sandbox.run_as_stranger(arguments);
            let looks = matches!(arguments[0], "next" | "list");
            if read == "all" {
                assert!(ran.code == 0 && ran.stdout.contains(words), "{arguments:?}: {ran:?}");
                assert!(!ran.stderr.contains("Permission denied"), "{arguments:?}: {ran:?}");
            } else if looks {
                assert!(ran.stderr.contains("the state cannot be read"), "{arguments:?}: {ran:?}");
            } else {
                assert!(ran.code == 1 && ran.stderr.contains("Permission denied"), "{arguments:?}: {ran:?}");
                assert!(ran.stderr.contains("\n  help: ask as root or as the daemon's user"), "{arguments:?}: {ran:?}");
                assert!(ran.stderr.contains(": it belongs to root"), "{arguments:?}: {ran:?}");
            }
        }
        if read == "group" {
            // The folder is open, and the database is not.
            std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o755)).expect("a mode");
            let ran = sandbox.run_as_stranger(&["history"]);
            assert!(ran.code == 1 && ran.stderr.contains("state.db: Permission denied"), "{ran:?}");
        }
    }
}

#[test]
fn whoever_may_not_read_the_state_sees_the_same_history() {
    if !nix::unistd::geteuid().is_root() {
        return crate::support::skip::skip("only root can become another user");
    }
    // Nobody is there: what is to be told waits.
    let way = "control.read = \"all\"\nhost = \"web-1\"\nslack = { token = \"xoxb-1\", channel = \"#ops\", api_url = \"http://127.0.0.1:1\" }\n";
    let (fails, goes_on) = (WAITS.replace("true", "echo no; exit 2"), WAITS.replace("true", "exec sleep 600"));
    let jobs = [("jobs.d/fails.toml", fails.as_str()), ("jobs.d/goes-on.toml", &goes_on), ("jobs.d/rests.toml", WAITS)];
    let sandbox = Sandbox::with(&[("slack_alert.toml", way), jobs[0], jobs[1], jobs[2]]);
    let _daemon = daemon(&sandbox);
    assert_eq!(sandbox.run(&["trigger", "--wait", "fails"]).code, 2);
    assert_eq!(sandbox.run(&["trigger", "goes-on"]).code, 0);
    until(&sandbox, &["history", "fails"], |ran| ran.stdout.contains("waiting: failure; "));
    until(&sandbox, &["history", "goes-on"], |ran| ran.stdout.contains("  running"));
    for job in ["fails", "rests"] {
        let [own, theirs] = [sandbox.run(&["history", job]), sandbox.run_as_stranger(&["history", job])];
        assert_eq!(own.stdout, theirs.stdout, "{own:?} {theirs:?}");
    }
    let ran = sandbox.run_as_stranger(&["history", "--json"]);
    let runs = json(&ran);
    assert_eq!(runs.as_array().map(Vec::len), Some(2), "{ran:?}");
    assert_eq!((&runs[0]["job"], &runs[0]["finished"]), (&"goes-on".into(), &Value::Null), "{ran:?}");
    assert!(runs[1]["message"].as_str().is_some_and(|message| message.starts_with("waiting: failure; ")), "{ran:?}");
    let ran = sandbox.run_as_stranger(&["history", "goes-on"]);
    assert!(ran.stdout.contains("  running"), "{ran:?}");
}

#[test]
fn whoever_has_no_configuration_yet_hears_of_init() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&[]);
    assert!(ran.code == 2 && ran.stderr.contains("help: `slack-alert init` writes one here"), "{ran:?}");
    let mut going = sandbox.start(&["--path", ".", "run", "-v"]);
    going.wait_for("the folder cannot be read: no job of it is loaded");
}

#[test]
fn list_next_and_why_know_what_the_command_line_of_the_running_daemon_says() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", CONF), ("else/jobs.d/x.toml", WAITS), ("jobs.d/y.toml", WAITS)]);
    let options = ["--path", "else", "--max-alert", "2", "--pause-time", "5", "--working-hours", "Mon 03:00-05:00"];
    let mut going = sandbox.start(&[&["run"], &options[..]].concat());
    going.wait_for("listening for commands");
    going.wait_for("started jobs=");
    let schedule = "every 1h until 2 alerts, then pause 5m, Mon 03:00-05:00";
    let list = sandbox.run(&["list"]);
    assert!(list.stdout.contains(schedule) && !list.stdout.contains("y.toml"), "{list:?}");
    let next = sandbox.run(&["next", "-n", "2"]);
    assert!(next.stdout.lines().count() == 2, "{next:?}");
    assert!(next.stdout.lines().all(|line| line.starts_with("Mon ") && line.contains(schedule)), "{next:?}");
    assert!(sandbox.run(&["why", "x"]).stdout.contains("no run of x is known: its next run is due at "));
    // What this command line says is what was asked.
    let own = sandbox.run(&["list", "--max-alert", "7"]);
    assert!(own.stdout.contains("until 7 alerts, then pause 1h"), "{own:?}");
    going.signal("TERM");
    going.end();
    let list = sandbox.run(&["list"]);
    assert!(list.stdout.contains("y.toml") && !list.stdout.contains("alerts"), "{list:?}");
}

#[test]
fn a_run_without_a_line_to_show_has_none_wherever_it_is_told_of() {
    let quiet = "command = \"true\"\nevery = \"1h\"\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", CONF), ("jobs.d/x.toml", quiet)]);
    let _daemon = daemon(&sandbox);
    until(&sandbox, &["history", "--json"], |ran| json(ran)[0]["status"] == "ok");
    assert_eq!(json(&sandbox.run(&["history", "--json"]))[0]["line"], Value::Null);
    let status = json(&sandbox.run(&["status", "--json"]));
    assert_eq!(status["jobs"]["list"][0]["last"]["line"], Value::Null, "{status}");
}

#[test]
fn with_the_folder_of_the_jobs_alone_next_reads_the_configuration_that_the_daemon_runs_with_or_says_that_it_reads_none()
{
    let job = "command = 'true'\ncron = '30 9 * * *'\n";
    let sandbox =
        Sandbox::with(&[("ops/slack_alert.toml", "time_zone = \"Asia/Tokyo\"\n"), ("ops/jobs.d/x.toml", job)]);
    let mut going = sandbox.start(&["run", "--config", "ops/slack_alert.toml"]);
    going.wait_for("listening for commands");
    going.wait_for("started jobs=");
    let next = sandbox.run(&["--path", "ops", "next", "-n", "2", "x"]);
    assert_eq!(next.stdout.matches(" 09:30:00 JST ").count(), 2, "{next:?}");
    going.signal("TERM");
    going.end();
    let next = sandbox.run(&["--path", "ops", "next", "x"]);
    let told =
        "ops/slack_alert.toml is not read: --path names the folder of jobs.d alone\n  help: name it with --config";
    assert!(next.stderr.contains(told), "{next:?}");
}

#[test]
fn a_job_that_is_wrapped_under_a_name_without_a_file_is_listed_as_one_without_a_file() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", CONF), ("jobs.d/dump.toml", WAITS)]);
    let _daemon = daemon(&sandbox);
    assert_eq!(sandbox.run(&["wrap", "--job", "dumpp", "true"]).code, 0);
    for arguments in [&["list"][..], &["status", "dumpp"]] {
        let ran = sandbox.run(arguments);
        assert!(ran.stdout.contains("run by something else, no job file"), "{arguments:?}: {ran:?}");
    }
}
