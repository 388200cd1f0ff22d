//! `history`, `why` and `outbox`: what a daemon left behind, read beside it and after it; Slack is not there.

use std::time::Instant;

use serde_json::Value;

use crate::support::program::{PATIENCE, Sandbox};

/// Three jobs, and a Slack at a port where nobody listens.
fn sandbox() -> Sandbox {
    let config = "host = \"web-1\"\ntime_zone = \"Europe/Berlin\"\n\
                  [slack]\ntoken = \"xoxb-1\"\napi_url = \"http://127.0.0.1:1\"\nchannel = \"#ops\"\n";
    Sandbox::with(&[
        ("slack_alert.toml", config),
        ("jobs.d/bad.toml", "command = \"echo to stdout; echo no space left >&2; exit 2\"\nevery = \"50ms\"\n"),
        ("jobs.d/good.toml", "command = \"true\"\nevery = \"1h\"\n"),
        ("jobs.d/later.toml", "command = \"true\"\nevery = \"1h\"\nfirst_run = \"wait\"\n"),
    ])
}

fn json(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let ran = sandbox.run(arguments);
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {ran:?}"))
}

/// Every text that looks like a time is one that RFC 3339 allows: no zone's name stands in it.
fn rfc3339(value: &Value) {
    match value {
        Value::Array(all) => all.iter().for_each(rfc3339),
        Value::Object(all) => all.values().for_each(rfc3339),
        Value::String(text) => {
            let digits = text.bytes().take(4).filter(u8::is_ascii_digit).count();
            if digits == 4 && text.as_bytes().get(10) == Some(&b'T') {
                let offset = text.rsplit(['+', '-']).next().unwrap_or_default();
                let ends = text.ends_with('Z') || (offset.len() == 5 && offset.as_bytes()[2] == b':');
                assert!(text.parse::<jiff::Timestamp>().is_ok() && ends, "{text}");
            }
        }
        _ => {}
    }
}

#[test]
fn every_time_in_json_is_one_of_rfc_3339() {
    let sandbox = lived();
    for arguments in [
        &["history"][..],
        &["why", "bad"],
        &["next"],
        &["next", "-n", "3", "good"],
        &["list"],
        &["outbox"],
        &["history", "--run", "1"],
    ] {
        let value = json(&sandbox, &[arguments, &["--json"]].concat());
        assert!(value.to_string().contains("T"), "{arguments:?}: {value}");
        rfc3339(&value);
    }
    let status = sandbox.run(&["status", "--json"]);
    rfc3339(&serde_json::from_str(&status.stdout).expect("JSON"));
    let lines = sandbox.run(&["simulate", "--json", "-v", "--for", "2h"]);
    for line in lines.stdout.lines() {
        rfc3339(&serde_json::from_str(line).expect("JSON"));
    }
}

/// Asks again until the answer will do.
fn until(what: &str, mut will_do: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !will_do() {
        assert!(Instant::now() < deadline, "{what} did not come");
    }
}

/// A state directory in which `bad` has run several times, `good` once.
fn lived() -> Sandbox {
    let sandbox = sandbox();
    let mut going = sandbox.start(&["run"]);
    going.wait_for("started");
    until("runs of both jobs in the history", || {
        let number = |job| sandbox.run(&["history", job, "--json"]).stdout.matches("\"verdict\"").count();
        number("good") > 0 && number("bad") > 3
    });
    until("the alert in the outbox", || sandbox.run(&["outbox"]).stdout.contains("waiting"));
    // The daemon gives its outbox ten seconds; the test need not.
    going.signal("INT");
    going.signal("INT");
    going.end();
    sandbox
}

#[test]
fn a_state_that_does_not_exist_yet_is_said() {
    let sandbox = sandbox();
    for arguments in [&["history"][..], &["outbox"], &["outbox", "retry", "--all"], &["why", "bad"]] {
        let ran = sandbox.run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains("there is no state in") && ran.stderr.contains("help:"), "{ran:?}");
    }
}

#[test]
fn a_run_that_goes_on_is_shown_unless_only_runs_of_the_future_are_asked_for() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "[slack]\ntoken = \"xoxb-1\"\napi_url = \"http://127.0.0.1:1\"\nchannel = \"#ops\"\n"),
        ("jobs.d/slow.toml", "command = \"sleep 1000\"\nevery = \"1h\"\n"),
    ]);
    let going = sandbox.start(&["run"]);
    until("the run", || sandbox.run(&["history", "--json"]).stdout.contains("running"));
    let shown = |arguments: &[&str]| {
        let all = json(&sandbox, &[&["history", "--json"], arguments].concat());
        all.as_array().expect("a list").iter().map(|run| run["status"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(shown(&["--since", "1h"]), ["running"]);
    assert_eq!(shown(&["--since", "2999-01-01"]), [""; 0]);
    assert_eq!(shown(&["--failed"]), [""; 0]);
    assert_eq!(shown(&["-n", "1"]), ["running"]);
    let keys = |sandbox: &Sandbox| {
        let all = json(sandbox, &["history", "--json", "-n", "1"]);
        all[0].as_object().expect("a run").keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(keys(&sandbox), keys(&lived()), "a run that goes on has the keys of one that has ended");
    drop(going);
}

#[test]
fn the_history_is_told_in_full_and_in_part() {
    let sandbox = lived();
    let all = json(&sandbox, &["history", "--json"]);
    let runs = all.as_array().expect("a list");
    let numbers: Vec<u64> = runs.iter().filter_map(|run| run["run"].as_u64()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] > pair[1]), "newest first: {numbers:?}");
    let bad = runs.iter().find(|run| run["job"] == "bad" && run["exit_code"] == 2).expect("it failed");
    assert_eq!((&bad["status"], &bad["reason"]), (&"critical".into(), &"exit".into()), "{bad}");

    let of_good = json(&sandbox, &["history", "good", "--json"]);
    assert_eq!(of_good.as_array().map(Vec::len), Some(1), "{of_good}");
    assert_eq!(of_good[0]["verdict"], "blank");
    assert_eq!(json(&sandbox, &["history", "good", "--failed", "--json"]), Value::Array(Vec::new()));
    assert_eq!(json(&sandbox, &["history", "-n", "2", "--json"]).as_array().map(Vec::len), Some(2));
    assert_eq!(json(&sandbox, &["history", "--since", "2999-01-01", "--json"]), Value::Array(Vec::new()));
    assert!(!json(&sandbox, &["history", "--since", "1h", "--json"]).as_array().expect("a list").is_empty());

    let number = bad["run"].to_string();
    let ran = sandbox.run(&["history", "--run", &number]);
    assert!(ran.stdout.contains("stdout:\nto stdout\n") && ran.stdout.contains("no space left"), "{ran:?}");
    assert_eq!(json(&sandbox, &["history", "--run", &number, "--json"])["stderr"], "no space left\n");
    let ran = sandbox.run(&["history"]);
    assert!(ran.stdout.starts_with("RUN ") && ran.stdout.contains("exited with 2"), "{ran:?}");

    for (arguments, code, said) in [
        (&["history", "bda"][..], 2, "did you mean `bad`?"),
        (&["history", "--run", "99999"], 1, "there is no run 99999"),
        (&["history", "--since", "soon"], 2, "neither a time nor a length of time"),
        (&["history", "later"], 0, "no run to show"),
    ] {
        let ran = sandbox.run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(said), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn every_silence_is_explained_and_every_word_followed_to_slack() {
    let sandbox = lived();
    let first = json(&sandbox, &["history", "bad", "--json", "-n", "1000"]);
    let first = first.as_array().and_then(|runs| runs.iter().find(|run| run["verdict"] == "notified: failure"));
    let first = first.expect("the first failure was told").clone();

    let ran = sandbox.run(&["why", "bad", "-n", "100"]);
    assert!(ran.stdout.contains("failed with exit code 2 at "), "{ran:?}");
    assert!(ran.stdout.contains("; waiting: failure; waits for #ops"), "{ran:?}");
    assert!(ran.stdout.contains("; not sent: repeat-not-due, next message at "), "{ran:?}");
    assert!(ran.stdout.contains("it waits for #ops since"), "{ran:?}");

    let at = first["started"].as_str().expect("a time");
    let told = json(&sandbox, &["why", "bad", "--at", at, "--json"]);
    assert_eq!((&told[0]["run"], &told[0]["sent"]), (&first["run"], &true.into()), "{told}");
    assert_eq!(told[0]["outbox"][0]["state"], "waiting");
    assert_eq!(told[0]["zone"], "Europe/Berlin", "{told}");
    rfc3339(&told);

    let ran = sandbox.run(&["why", "good"]);
    assert!(ran.stdout.contains("was ok at ") && ran.stdout.contains("; not sent: blank\n"), "{ran:?}");
    let ran = sandbox.run(&["why", "later"]);
    assert!(ran.stdout.contains("no run of later is known: its next run is due at "), "{ran:?}");
    let ran = sandbox.run(&["why", "goood"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("did you mean `good`?"), "{ran:?}");
}

#[test]
fn a_pipe_in_the_place_of_the_state_is_refused_and_not_waited_for() {
    for file in ["state.db", "state.db-wal"] {
        let sandbox = sandbox();
        sandbox.file("state/state.db", "");
        let path = sandbox.path().join("state").join(file);
        let _there = std::fs::remove_file(&path);
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo(1) exists");
        assert!(made.success());
        let words = format!("{file} is a pipe and no file: remove it, or set another state_dir");
        for arguments in [&["history"][..], &["why", "bad"], &["next"], &["list"], &["outbox"], &["status"]] {
            let ran = sandbox.run(arguments);
            assert!(ran.stderr.contains(&words), "{arguments:?}: {ran:?}");
        }
        // The daemon begins in memory, as with any other disk that it cannot use.
        let mut going = sandbox.start(&["run"]);
        going.wait_for("started jobs=3");
        going.wait_for(&words);
    }
}

#[test]
fn the_outbox_is_listed_and_emptied_by_hand() {
    let sandbox = lived();
    let all = json(&sandbox, &["outbox", "list", "--json"]);
    let letters = all.as_array().expect("a list");
    assert!(!letters.is_empty() && letters.iter().all(|letter| letter["channel"] == "ops"), "{all}");
    assert_eq!(json(&sandbox, &["outbox", "--dead", "--json"]), Value::Array(Vec::new()));
    assert_eq!(json(&sandbox, &["outbox", "list", "--channel", "#other", "--json"]), Value::Array(Vec::new()));
    let number = letters[0]["id"].to_string();
    let ran = sandbox.run(&["outbox", "retry", &number]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "retried 1 message\n"));
    let ran = sandbox.run(&["outbox", "drop", &number, "4711"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, "dropped 1 message\n"));
    assert!(ran.stderr.contains("not in the outbox: 4711"), "{ran:?}");
    let done = json(&sandbox, &["outbox", "drop", "--all", "--json"]);
    assert_eq!(done["dropped"].as_array().map(Vec::len), Some(letters.len() - 1), "{done}");
    let ran = sandbox.run(&["outbox"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert!(ran.stderr.contains("the outbox is empty"), "{ran:?}");
    for arguments in [&["outbox", "drop"][..], &["outbox", "retry", "1", "--all"], &["outbox", "drop", "x"]] {
        assert_eq!(sandbox.run(arguments).code, 2, "{arguments:?}");
    }
}

/// What a command prints on a terminal that is so wide. script(1) gives it one.
fn on_terminal(sandbox: &Sandbox, columns: u32, arguments: &str) -> String {
    let program = env!("CARGO_BIN_EXE_slack-alert");
    let plain = sandbox.command(&[]);
    let mut script = std::process::Command::new("script");
    script.args(["-qefc", &format!("stty rows 24 cols {columns}; {program} {arguments}"), "/dev/null"]);
    script.current_dir(sandbox.path()).envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = script.env("NO_COLOR", "1").stdin(std::process::Stdio::null()).output().expect("script(1) exists");
    assert!(output.status.success(), "{arguments}: {output:?}");
    String::from_utf8_lossy(&output.stdout).replace('\r', "")
}

#[test]
fn tables_fit_the_terminal_and_are_whole_elsewhere() {
    let sandbox = lived();
    let long = "x".repeat(150);
    sandbox.file("jobs.d/good.toml", &format!("command = 'true'\nevery = '1h'\ndescription = '{long}'\n"));
    for arguments in ["history", "outbox", "list", "next", "history --run 1"] {
        let shown = on_terminal(&sandbox, 70, arguments);
        assert!(shown.lines().count() >= 2, "{arguments}: {shown}");
        // What is no table is told on stderr, which is the same terminal here.
        for line in shown.lines().filter(|line| !line.starts_with("slack-alert: ")) {
            assert!(line.chars().count() <= 70, "{arguments}: {line}");
        }
    }
    let outbox = on_terminal(&sandbox, 70, "outbox");
    assert!(outbox.contains('…') && !outbox.contains(":red_circle:"), "{outbox}");
    assert!(sandbox.run(&["list"]).stdout.contains(&long));
}

#[test]
fn what_only_reads_the_state_needs_no_token_that_can_be_read() {
    let sandbox = lived();
    sandbox.file("slack_alert.toml", "[slack]\ntoken_file = 'missing'\nchannel = '#ops'\n");
    for arguments in [
        &["list"][..],
        &["next"],
        &["why", "bad"],
        &["history"],
        &["history", "--run", "1"],
        &["outbox"],
        &["outbox", "retry", "--all"],
    ] {
        let ran = sandbox.run(arguments);
        assert!(ran.code == 0 && !ran.stdout.is_empty(), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn why_says_what_the_job_waits_for() {
    let sandbox = lived();
    let ran = sandbox.run(&["why", "good"]);
    assert!(ran.stdout.contains("\nnow: its next run is due at "), "{ran:?}");
    let ran = sandbox.run(&["why", "good", "--at", "2999-01-01"]);
    assert!(!ran.stdout.contains("now: "), "of another time: {ran:?}");
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", ""),
        ("jobs.d/slow.toml", "command = 'sleep 1000'\nevery = '1h'\n"),
        ("jobs.d/burst.toml", "command = 'echo x'\nburst = { every = '10ms', alerts = 1, pause = '2h' }\n"),
    ]);
    let going = sandbox.start(&["run"]);
    until("the run", || {
        sandbox.run(&["why", "slow"]).stdout.contains("slow: run 1 goes on since")
            || sandbox.run(&["why", "slow"]).stdout.contains("slow: run 2 goes on since")
    });
    until("the pause", || sandbox.run(&["why", "burst"]).stdout.contains("; its burst pauses until then"));
    drop(going);
}

#[test]
fn commands_say_when_the_daemon_has_not_read_the_files_as_they_are() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "reload = 'signal'\n"),
        ("jobs.d/a.toml", "command = 'true'\nevery = '1h'\n"),
        ("jobs.d/b.toml", "command = 'true'\nevery = '1h'\n"),
    ]);
    let mut going = sandbox.start(&["run"]);
    going.wait_for("started");
    until("both runs", || sandbox.run(&["history", "--json"]).stdout.matches("\"verdict\"").count() == 2);
    let said = |arguments: &[&str]| sandbox.run(arguments).stderr;
    let unread = "changed, and the daemon has not read that yet";
    assert_eq!(said(&["next"]), "");
    sandbox.file("jobs.d/a.toml", "command = 'true'\nevery = '2h'\n");
    assert!(said(&["next"]).contains(&format!("jobs.d/a.toml has {unread}")), "{}", said(&["next"]));
    assert!(
        said(&["list"]).contains(unread)
            && said(&["why", "a"]).contains(unread)
            && said(&["next", "a"]).contains(unread)
    );
    assert_eq!((said(&["why", "b"]), said(&["next", "b"])), (String::new(), String::new()));
    sandbox.file("jobs.d/new.toml", "command = 'true'\nevery = '2h'\n");
    assert!(said(&["next"]).contains("and 1 more file have"), "{}", said(&["next"]));
    going.signal("HUP");
    going.wait_for("reloaded");
    until("the new version", || said(&["next"]).is_empty());
    // What all jobs have in common has changed.
    sandbox.file("slack_alert.toml", "reload = 'signal'\ndefaults.timeout = '5m'\n");
    assert!(said(&["next", "b"]).contains(unread));
    going.signal("TERM");
    going.end();
    let said = said(&["next", "b"]);
    assert!(!said.contains(unread) && said.contains("changed since a daemon read it last"), "{said}");
}
