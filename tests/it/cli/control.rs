//! `trigger`, `pause`, `resume`, `silence`, `ack` and `reload` beside a real daemon: what each says and does, and what is said
//! of bad input.

use serde_json::Value;

use crate::support::program::{Going, Ran, Sandbox};

fn sandbox() -> Sandbox {
    Sandbox::with(&[
        ("slack_alert.toml", "host = \"web-1\"\nreload = \"signal\"\n"),
        ("jobs.d/db/backup.toml", "command = \"echo no space left; exit 2\"\nevery = \"1h\"\nfirst_run = \"wait\"\n"),
        (
            "jobs.d/db/vacuum.toml",
            "command = \"echo 43 %\"\nevery = \"1h\"\nfirst_run = \"wait\"\ntags = [\"nightly\"]\n",
        ),
        ("jobs.d/etl.toml", "command = \"sleep 600\"\nevery = \"1h\"\nfirst_run = \"wait\"\n"),
        ("jobs.d/bad.toml", "command = \"true\"\nevry = \"1h\"\n"),
    ])
}

fn daemon(sandbox: &Sandbox) -> Going {
    let mut going = sandbox.start(&["run"]);
    going.wait_for("listening for commands");
    going.wait_for("started jobs=");
    going
}

/// What a command that went well said.
fn said(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let ran = sandbox.run(arguments);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{arguments:?}: {ran:?}");
    ran.stdout
}

fn json(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    serde_json::from_str(&said(sandbox, arguments)).expect("JSON")
}

/// A refusal: nothing on stdout, one line and what to do.
fn refused(sandbox: &Sandbox, arguments: &[&str], code: i32, words: &str, help: &str) -> Ran {
    let ran = sandbox.run(arguments);
    assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{arguments:?}: {ran:?}");
    assert!(ran.stderr.contains(words), "{arguments:?}: `{words}` is missing: {ran:?}");
    assert!(
        ran.stderr.contains("\n  help: ") && ran.stderr.contains(help),
        "{arguments:?}: `{help}` is missing: {ran:?}"
    );
    assert_eq!(ran.stderr.lines().count(), 2, "{arguments:?}: {ran:?}");
    ran
}

#[test]
fn trigger_says_of_a_message_that_slack_does_not_take_that_it_waits() {
    let sandbox = sandbox();
    let slack = "[slack]\ntoken = \"xoxb-1\"\nchannel = \"#ops\"\napi_url = \"http://127.0.0.1:1\"\n";
    sandbox.file("slack_alert.toml", &format!("host = \"web-1\"\nreload = \"signal\"\n{slack}"));
    let _daemon = daemon(&sandbox);
    sandbox.run(&["trigger", "--wait", "db/backup"]);
    let tried = |status: &Value| status["outbox"]["last_error"].is_string();
    sandbox.wait_for("an attempt to send", || {
        let ran = sandbox.run(&["status", "--json"]);
        serde_json::from_str(&ran.stdout).ok().filter(tried)
    });
    let ran = sandbox.run(&["trigger", "--wait", "db/vacuum"]);
    assert!(ran.stdout.contains("\nThere is a message about it (output); it waits to be sent.\n"), "{ran:?}");
}

#[test]
fn trigger_runs_a_job_now_and_with_wait_exits_with_the_commands_code() {
    let sandbox = sandbox();
    let _daemon = daemon(&sandbox);
    let ran = sandbox.run(&["trigger", "--wait", "db/backup", "--note", "after the mend"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stdout.starts_with("run 1 of db/backup was critical: exited with 2, took "), "{ran:?}");
    assert!(ran.stdout.contains("\nThere is a message about it (failure).\n"), "{ran:?}");
    assert!(ran.stderr.contains("db/backup runs now, as run 1"), "{ran:?}");

    let ran = sandbox.run(&["trigger", "--wait", "--json", "db/vacuum"]);
    let run: Value = serde_json::from_str(&ran.stdout).expect("one object");
    assert_eq!(
        (ran.code, ran.stderr.as_str(), &run["status"], &run["trigger"]),
        (0, "", &Value::from("ok"), &Value::from("manual"))
    );

    let words = said(&sandbox, &["trigger", "etl"]);
    assert_eq!(words, "etl runs now, as run 3. `slack-alert why etl` says what came of it.\n");
    refused(&sandbox, &["trigger", "etl"], 1, "`etl` runs already: run 3", "wait for its end");
    refused(&sandbox, &["trigger", "elt"], 2, "there is no job `elt`", "did you mean `etl`?");
    let words = "`bad` is not loaded: jobs.d/bad.toml:2:1: unknown key `evry` (did you mean `every`?)";
    for arguments in
        [&["trigger", "bad"][..], &["pause", "bad"], &["silence", "bad", "1h"], &["ack", "bad"], &["resume", "bad"]]
    {
        refused(&sandbox, arguments, 1, words, "correct its file: `slack-alert check` shows every error");
    }
}

#[test]
fn a_run_that_is_asked_for_and_waits_is_told_as_one_and_waited_for() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "reload = \"signal\"\n"),
        (
            "jobs.d/holder.toml",
            "command = \"until [ -e go ]; do sleep 0.1; done\"\nevery = \"1h\"\nfirst_run = \"wait\"\nlock = \"L\"\n",
        ),
        ("jobs.d/waits.toml", "command = \"exit 3\"\nevery = \"1h\"\nfirst_run = \"wait\"\nlock = \"L\"\n"),
    ]);
    let _daemon = daemon(&sandbox);
    said(&sandbox, &["trigger", "holder"]);
    let mut waiting = sandbox.start(&["trigger", "--wait", "waits"]);
    waiting
        .wait_for("waits is due now, as run 2, and waits for the lock L: run 1 of holder holds the lock L; it goes on");
    let why = sandbox.wait_for("`why` to know", || {
        let why = said(&sandbox, &["why", "waits"]);
        why.contains("waits for the lock L").then_some(why)
    });
    assert!(why.starts_with("no run of waits is known: its run waits for the lock L since "), "{why}");
    assert!(why.ends_with(": run 1 of holder holds the lock L\n"), "{why}");
    let status = said(&sandbox, &["status"]);
    assert!(status.contains("… waits      waits   for the lock L since ") && status.contains("(run 2)"), "{status}");
    assert!(status.contains("No job is failing."), "{status}");
    sandbox.file("go", "");
    let (ended, output) = waiting.end();
    assert_eq!(ended.code(), Some(3), "{output}");
}

#[test]
fn status_shows_each_open_incident_of_a_job_and_ack_says_which_it_is_of() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "reload = \"signal\"\n"),
        (
            "jobs.d/raid.toml",
            "command = \"cat out; exit $(cat code)\"\ndirectives = true\nexit_codes = \"nagios\"\nevery = \"1h\"\nfirst_run = \"wait\"\n",
        ),
    ]);
    let _daemon = daemon(&sandbox);
    for (key, code, line) in [("A", 2, "array A is lost"), ("B", 1, "array B is slow")] {
        sandbox.file("out", &format!("::slack-alert key={key}\n{line}\n"));
        sandbox.file("code", &code.to_string());
        assert_eq!(sandbox.run(&["trigger", "--wait", "raid"]).code, code);
    }
    let words = said(&sandbox, &["ack", "raid"]);
    assert!(words.starts_with("The incident of raid (key B) is acknowledged until "), "{words}");
    assert!(words.contains(" Another incident of the job is open, and nobody has it: ask again"), "{words}");
    assert!(words.ends_with(" `slack-alert resume 1` ends it before.\n"), "{words}");
    let status = said(&sandbox, &["status"]);
    for row in ["✖ critical   raid  A: since ", "▲ warning    raid  B: since "] {
        assert!(status.contains(row), "`{row}` is missing: {status}");
    }
    assert!(status.contains("array A is lost") && status.contains("array B is slow"), "{status}");
    let nagios = sandbox.run(&["status", "--nagios"]);
    assert_eq!(nagios.code, 2, "the worst of them: {nagios:?}");
    assert!(
        nagios.stdout.contains("raid (A): array A is lost; ") || nagios.stdout.contains("; raid (A): array A is lost"),
        "{nagios:?}"
    );
    assert!(nagios.stdout.contains("raid (B): array B is slow (acknowledged by "), "{nagios:?}");

    let words = said(&sandbox, &["ack", "raid"]);
    assert!(words.starts_with("The incident of raid (key A) is acknowledged until "), "{words}");
    assert!(!words.contains("Another incident"), "{words}");
    let words = said(&sandbox, &["resume", "1"]);
    assert!(words.starts_with("The acknowledgement of raid since ") && words.ends_with(" is over.\n"), "{words}");
    let status = json(&sandbox, &["status", "--json"]);
    let acked = |key: &str| {
        let all = status["incidents"].as_array().expect("a list");
        !all.iter().find(|one| one["key"] == key).expect("the incident")["ack"].is_null()
    };
    assert!(acked("A") && !acked("B"), "{status}");
}

#[test]
fn what_ends_a_hold_says_what_other_holds_do_and_a_hold_that_replaces_one_says_so() {
    let sandbox = sandbox();
    let _daemon = daemon(&sandbox);
    said(&sandbox, &["pause", "db/*", "2h"]);
    let words = said(&sandbox, &["pause", "db/vacuum", "30m", "--note", "first"]);
    assert!(words.ends_with(" No due time will pass.\n"), "{words}");
    let words = said(&sandbox, &["pause", "db/vacuum", "90m"]);
    assert!(words.contains(" It takes the place of hold 2, until ") && words.ends_with(": \"first\".\n"), "{words}");
    let words = said(&sandbox, &["resume", "db/vacuum"]);
    assert!(
        words.starts_with("The pause of db/vacuum since ") && words.contains(" is over; db/vacuum stays paused until "),
        "{words}"
    );
    assert!(words.ends_with(" by hold 1, that of db/*.\n"), "{words}");
    let words = said(&sandbox, &["resume", "1"]);
    assert!(words.starts_with("db/* (2 jobs) run again; they were paused since "), "{words}");

    said(&sandbox, &["pause", "etl"]);
    std::fs::remove_file(sandbox.path().join("jobs.d/etl.toml")).expect("it is there");
    sandbox.file("jobs.d/off.toml", "command = \"true\"\nevery = \"1h\"\nenabled = false\n");
    sandbox.run(&["reload"]);
    let words = said(&sandbox, &["resume", "etl"]);
    assert!(
        words.starts_with("The pause of etl since ") && words.ends_with(" is over; it covers no job any more.\n"),
        "{words}"
    );
    let words = said(&sandbox, &["silence", "off", "1h"]);
    assert!(words.contains(". It does not run: it is not enabled. "), "{words}");
}

#[test]
fn a_pause_is_told_in_a_sentence_shown_in_status_and_ended() {
    let sandbox = sandbox();
    let _daemon = daemon(&sandbox);
    let words = said(&sandbox, &["pause", "db/backup", "90m", "--note", "migration"]);
    assert!(words.starts_with("db/backup is paused until ") && words.ends_with(" 1 due time will pass.\n"), "{words}");
    let words = said(&sandbox, &["pause", "db/*", "2h", "30m"]);
    assert!(words.starts_with("db/* (2 jobs: db/backup, db/vacuum) are paused until "), "{words}");
    // One of the four passes because of the first pause.
    assert!(words.ends_with(" 3 due times will pass.\n"), "{words}");
    let status = said(&sandbox, &["status"]);
    assert!(
        status.contains("‖ paused     db/backup  until ") && status.contains(": \"migration\" (hold 1)"),
        "{status}"
    );
    assert!(status.contains("‖ paused     db/*       until ") && status.contains(" (hold 2, 2 jobs)"), "{status}");
    // A person may run it all the same.
    assert_eq!(sandbox.run(&["trigger", "--wait", "db/vacuum"]).code, 0);

    let words = said(&sandbox, &["resume", "db/backup"]);
    assert!(
        words.starts_with("The pause of db/backup since ")
            && words.contains(": \"migration\" is over; db/backup stays paused until ")
            && words.ends_with(" by hold 2, that of db/*.\n"),
        "{words}"
    );
    refused(&sandbox, &["resume", "db/backup"], 1, "there is no pause of `db/backup`", "hold 2 covers it");
    let words = said(&sandbox, &["resume", "*"]);
    assert!(words.starts_with("db/* (2 jobs) run again; they were paused since "), "{words}");
    assert!(json(&sandbox, &["status", "--json"])["holds"].as_array().is_some_and(Vec::is_empty));
}

#[test]
fn a_silence_is_listed_and_ended_by_its_number_or_its_pattern() {
    let sandbox = sandbox();
    let _daemon = daemon(&sandbox);
    assert_eq!(said(&sandbox, &["silence", "list"]), "Nothing is silenced.\n");
    let words = said(&sandbox, &["silence", "db/*", "2h", "--note", "new disk"]);
    assert!(words.starts_with("db/* (2 jobs: db/backup, db/vacuum) are silenced until "), "{words}");
    assert!(words.contains("`slack-alert silence end 1` ends it before."), "{words}");
    let words = said(&sandbox, &["silence", "tag:nightly", "1h", "--until-ok"]);
    assert!(words.contains(", or until it is ok. "), "{words}");
    let list = said(&sandbox, &["silence", "list"]);
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines[0].starts_with("ID  PATTERN      JOBS  SINCE"), "{list}");
    assert!(lines[1].starts_with("2   tag:nightly  1     ") && lines[1].contains(" or ok"), "{list}");
    assert!(lines[2].starts_with("1   db/*         2     ") && lines[2].ends_with("new disk"), "{list}");
    assert_eq!(json(&sandbox, &["silence", "list", "--json"])[1]["pattern"], "db/*");
    assert_eq!(said(&sandbox, &["silence", "list", "--names"]), "2\ntag:nightly\n1\ndb/*\n");

    let words = said(&sandbox, &["silence", "end", "2"]);
    assert!(words.starts_with("The silence of tag:nightly since "), "{words}");
    assert!(words.contains(" is over; db/vacuum stays silenced until "), "{words}");
    said(&sandbox, &["silence", "tag:nightly", "1h"]);
    said(&sandbox, &["silence", "end", "db/*"]);
    let words = said(&sandbox, &["silence", "end", "tag:nightly"]);
    assert!(words.starts_with("tag:nightly is not silenced any more; it was since "), "{words}");
    said(&sandbox, &["silence", "db/*", "2h"]);
    assert!(
        said(&sandbox, &["silence", "end", "db/*"])
            .starts_with("db/* (2 jobs) are not silenced any more; they were since ")
    );
    refused(&sandbox, &["silence", "end", "7"], 1, "there is no hold 7", "");
    said(&sandbox, &["pause", "etl"]);
    refused(
        &sandbox,
        &["silence", "end", "5"],
        1,
        "by hold 5 etl is paused, and not silenced",
        "slack-alert resume 'etl'",
    );
}

#[test]
fn an_incident_is_acknowledged_and_a_job_without_one_is_not() {
    let sandbox = sandbox();
    let _daemon = daemon(&sandbox);
    refused(&sandbox, &["ack", "db/backup"], 1, "db/backup", "");
    sandbox.run(&["trigger", "--wait", "db/backup"]);
    let words = said(&sandbox, &["ack", "db/backup", "--note", "on it"]);
    assert!(words.starts_with("The incident of db/backup is acknowledged until "), "{words}");
    let status = said(&sandbox, &["status"]);
    assert!(status.contains("acknowledged by root at ") || status.contains("acknowledged by "), "{status}");
    assert!(!status.contains("nobody has acknowledged it"), "{status}");
    let next = "next message if it gets worse, fails differently or recovers, or at ";
    assert!(status.contains(next) && said(&sandbox, &["why", "db/backup"]).contains(next), "{status}");
    let why = said(&sandbox, &["why", "db/backup"]);
    assert!(why.contains("\nhold 1: acknowledged until ") && why.ends_with(": \"on it\"\n"), "{why}");
    assert_eq!(
        json(&sandbox, &["status", "--json"])["incidents"][0]["ack"]["by"]["uid"],
        nix::unistd::geteuid().as_raw()
    );
}

#[test]
fn reload_says_what_changed_and_shows_every_problem_as_check_does() {
    let sandbox = sandbox();
    let _daemon = daemon(&sandbox);
    sandbox.file("jobs.d/new.toml", "command = \"true\"\nevery = \"1h\"\n");
    let ran = sandbox.run(&["reload"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{ran:?}");
    assert!(ran.stdout.contains("error[unknown-key]: unknown key `evry`"), "{ran:?}");
    assert!(ran.stdout.contains("jobs.d/bad.toml:2:1") && ran.stdout.contains("2 | evry = \"1h\""), "{ran:?}");
    assert!(ran.stdout.ends_with("4 jobs: 1 added; 1 job file has errors and is not loaded.\n"), "{ran:?}");

    std::fs::remove_file(sandbox.path().join("jobs.d/bad.toml")).expect("it is there");
    assert_eq!(said(&sandbox, &["reload"]), "4 jobs: nothing changed.\n");
    assert_eq!(json(&sandbox, &["reload", "--json"])["jobs"], 4);

    sandbox.file("slack_alert.toml", "host = 5\n");
    let ran = sandbox.run(&["reload"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("error[wrong-type]") && ran.stdout.contains("slack_alert.toml:1:8"), "{ran:?}");
    assert!(ran.stderr.contains("nothing changed"), "{ran:?}");
    let ran = sandbox.run(&["reload", "--json"]);
    let value: Value = serde_json::from_str(&ran.stdout).expect("one object");
    assert_eq!(
        (ran.code, &value["error"]["code"], &value["problems"][0]["code"]),
        (1, &"unprocessable".into(), &"wrong-type".into())
    );
}

#[test]
fn a_reload_counts_the_jobs_that_are_different_and_not_all_of_them() {
    let sandbox = sandbox();
    std::fs::remove_file(sandbox.path().join("jobs.d/bad.toml")).expect("it is there");
    let _daemon = daemon(&sandbox);
    let config = "# of this machine\nhost = \"web-1\"\nreload = \"signal\"\n";
    for (more, words) in [
        (
            "[slack]\nrate = \"2/s\"\n[http]\nlisten = \"127.0.0.1:0\"\n[limits]\nmax_running = 9\n",
            "3 jobs: slack_alert.toml changed.\n",
        ),
        ("[defaults]\ntimeout = \"10m\"\n", "3 jobs: 3 changed, slack_alert.toml changed.\n"),
        (
            "[defaults]\n# of every job\ntimeout = \"10m\"\n[control]\nread = \"all\"\n",
            "3 jobs: slack_alert.toml changed.\n",
        ),
        ("[defaults]\ntimeout = \"11m\"\n", "3 jobs: 3 changed, slack_alert.toml changed.\n"),
        (
            "[defaults]\ntimeout = \"11m\"\n[slack]\nchannel = \"#elsewhere\"\n",
            "3 jobs: 3 changed, slack_alert.toml changed.\n",
        ),
    ] {
        sandbox.file("slack_alert.toml", &format!("{config}{more}"));
        assert_eq!(said(&sandbox, &["reload"]), words, "{more}");
    }
}

#[test]
fn a_reload_with_another_state_dir_says_that_it_takes_effect_at_the_next_start() {
    let sandbox = sandbox();
    std::fs::remove_file(sandbox.path().join("jobs.d/bad.toml")).expect("it is there");
    let _daemon = daemon(&sandbox);
    let config = sandbox.read("slack_alert.toml");
    sandbox.file("slack_alert.toml", &format!("state_dir = \"elsewhere\"\n{config}"));
    let note = "`state_dir` takes effect at the next start; until then the state stays in ";
    let here = sandbox.path().join("state").display().to_string();
    assert_eq!(said(&sandbox, &["reload"]), format!("3 jobs: slack_alert.toml changed.\n{note}{here}.\n"));
    assert_eq!(json(&sandbox, &["reload", "--json"])["notes"][0], format!("{note}{here}"));
    sandbox.file("slack_alert.toml", &config);
    assert_eq!(said(&sandbox, &["reload"]), "3 jobs: slack_alert.toml changed.\n");
    assert_eq!(said(&sandbox, &["reload"]), "3 jobs: nothing changed.\n");
}

#[test]
fn why_of_a_job_that_runs_after_a_paused_one_names_the_pause() {
    let sandbox = sandbox();
    sandbox.file("jobs.d/report.toml", "command = \"true\"\nafter = \"db/vacuum\"\n");
    let _daemon = daemon(&sandbox);
    said(&sandbox, &["pause", "db/*", "2h", "--note", "migration"]);
    let why = said(&sandbox, &["why", "report"]);
    assert!(why.contains("db/vacuum; db/vacuum is paused until ") && why.contains(": \"migration\"; see `"), "{why}");
    sandbox.run(&["trigger", "--wait", "report"]);
    let why = said(&sandbox, &["why", "report"]);
    assert!(why.contains("\nnow: it runs after db/vacuum; db/vacuum is paused until "), "{why}");
}

#[test]
fn what_is_no_time_and_what_is_no_job_is_refused_in_one_line_with_what_to_do() {
    let sandbox = sandbox();
    let _daemon = daemon(&sandbox);
    for (arguments, words, help) in [
        (&["pause", "etl", "soon"][..], "`soon` is no length of time", "write `30m`"),
        (&["pause", "etl", "0s"], "the time is nothing", "write `30m`"),
        (&["pause", "etl", "31d"], "longer than 30d", "enabled = false"),
        (&["pause", "etl", "until", "2020-01-01"], "is over already", "a time to come"),
        (&["pause", "elt"], "there is no job `elt`", "did you mean `etl`?"),
        (&["pause", "dbs/*"], "`dbs/*`", ""),
        (&["pause", "tag:nightli"], "no job has the tag `nightli`", "did you mean `tag:nightly`?"),
        (&["resume", "elt"], "there is no job `elt`", "did you mean `etl`?"),
        (&["silence", "etl"], "for how long?", "slack-alert silence etl 2h"),
        (&["silence", "etl", "forever"], "`forever` is no length of time", "write `30m`"),
        (&["silence", "etl", "2y"], "`y` has no fixed length", "write it in days or weeks: `30d`, `52w`"),
        (&["silence", "elt", "1h"], "there is no job `elt`", "did you mean `etl`?"),
        (&["ack", "elt"], "there is no job `elt`", "did you mean `etl`?"),
        (&["ack", "etl", "-5m"], "", ""),
    ] {
        let ran = sandbox.run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(words) && ran.stderr.contains(help), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn without_a_daemon_each_command_says_so_and_how_to_start_one() {
    let sandbox = sandbox();
    for arguments in [
        &["trigger", "etl"][..],
        &["trigger", "--wait", "etl"],
        &["pause", "etl"],
        &["resume", "etl"],
        &["silence", "etl", "1h"],
        &["silence", "list"],
        &["silence", "end", "1"],
        &["ack", "etl"],
        &["reload"],
    ] {
        let socket = sandbox.path().join("run/control.sock").display().to_string();
        let words = format!("the daemon is not running here (no socket at {socket}");
        refused(&sandbox, arguments, 1, &words, "start it: `systemctl start slack-alert`, or `slack-alert run`");
    }
}

#[test]
fn with_json_an_error_is_json_on_stdout_and_words_on_stderr() {
    let sandbox = sandbox();
    let fails = |arguments: &[&str], exit: i32, code: &str, words: &str| {
        let ran = sandbox.run(arguments);
        let value: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        let error = &value["error"];
        assert_eq!((ran.code, &error["code"]), (exit, &Value::from(code)), "{arguments:?}: {ran:?}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(words)), "{arguments:?}: {ran:?}");
        assert!(error.get("help").is_some() && ran.stderr.contains(words), "{arguments:?}: {ran:?}");
        value
    };
    for arguments in [&["trigger", "etl", "--json"][..], &["--json", "pause", "etl"], &["reload", "--json"]] {
        fails(arguments, 1, "not-running", "the daemon is not running here");
    }
    fails(&["history", "--json"], 1, "failed", "there is no state in ");
    let _daemon = daemon(&sandbox);
    let refused = fails(&["trigger", "db/bakup", "--json"], 2, "no-such-job", "there is no job `db/bakup`");
    assert_eq!(refused["error"]["help"], "did you mean `db/backup`?");
    fails(&["silence", "nothing*", "1h", "--json"], 2, "no-such-job", "nothing*");
    fails(&["ack", "etl", "--json"], 1, "no-incident", "etl");
    fails(&["history", "nobody", "--json"], 2, "bad-request", "there is no job `nobody`");
    said(&sandbox, &["trigger", "etl"]);
    let again = fails(&["trigger", "etl", "--json"], 1, "already-running", "etl");
    assert_eq!(again["run"], 1, "what the daemon says besides: {again}");
}

#[test]
fn what_a_silence_kept_back_is_told_of_with_its_run() {
    let sandbox = sandbox();
    let _daemon = daemon(&sandbox);
    said(&sandbox, &["silence", "db/backup", "1h"]);
    assert_eq!(sandbox.run(&["trigger", "--wait", "db/backup"]).code, 2);
    let silent = said(&sandbox, &["history", "--run", "1"]);
    assert!(silent.contains("not sent: silenced") && !silent.contains("; told at"), "{silent}");
    said(&sandbox, &["silence", "end", "db/backup"]);
    let told = sandbox.wait_for("the message at its end", || {
        let told = said(&sandbox, &["history", "--run", "1"]);
        told.contains("; told at ").then_some(told)
    });
    assert!(told.contains("not sent: silenced; told at ") && told.contains(": failure\n"), "{told}");
}

#[test]
fn next_knows_what_is_paused_while_the_daemon_runs_and_after_it() {
    let sandbox = sandbox();
    let going = daemon(&sandbox);
    said(&sandbox, &["pause", "db/*", "150m", "--note", "migration"]);
    let look = || {
        let next: Value = serde_json::from_str(&sandbox.run(&["next", "--json"]).stdout).expect("JSON");
        let of = |name: &str| {
            let all = next.as_array().expect("a list");
            all.iter().find(|one| one["job"] == name).expect("the job").clone()
        };
        let paused = of("db/backup");
        let until: jiff::Timestamp = paused["paused"]["until"].as_str().expect("an end").parse().expect("a time");
        let at: jiff::Timestamp = paused["at"].as_str().expect("a time").parse().expect("a time");
        assert!(at >= until && at <= until + jiff::SignedDuration::from_hours(1), "{next}");
        assert_eq!(paused["paused"]["note"], "migration", "{next}");
        assert!(of("etl")["paused"].is_null(), "{next}");
        let text = sandbox.run(&["next"]).stdout;
        let line = text.lines().find(|line| line.contains("db/backup")).expect("the job").to_owned();
        assert!(line.contains("; paused until ") && line.contains(": \"migration\""), "{text}");
        // One job is not loaded, which standard error says.
        let list = sandbox.run(&["list"]).stdout;
        let is_paused = |line: &str| line.contains("; paused until ");
        assert!(list.lines().all(|line| is_paused(line) == line.starts_with("db/")), "{list}");
        let list = sandbox.run(&["list", "--json"]).stdout;
        assert_eq!(list.matches("\"note\":\"migration\"").count(), 2, "{list}");
    };
    look();
    drop(going);
    look();
    // After its end, nothing is left of it.
    let later = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(3)).to_string();
    let next = sandbox.run(&["next", "--json", "--from", &later]);
    let next: Value = serde_json::from_str(&next.stdout).expect("JSON");
    assert!(next.as_array().expect("a list").iter().all(|one| one["paused"].is_null()), "{next}");
}

#[test]
fn an_incident_has_the_key_that_the_script_gave_it_across_restarts() {
    let sandbox = sandbox();
    sandbox.file(
        "jobs.d/keyed.toml",
        "command = \"echo '::slack-alert key=array-7'; exit 2\"\ndirectives = true\nevery = \"1h\"\nfirst_run = \"wait\"\n",
    );
    let going = daemon(&sandbox);
    sandbox.run(&["trigger", "--wait", "keyed"]);
    sandbox.run(&["trigger", "--wait", "db/backup"]);
    let keys = || {
        let status = json(&sandbox, &["status", "--json"]);
        let all = status["incidents"].as_array().expect("a list").clone();
        let of = |name: &str| all.iter().find(|one| one["job"] == name).expect("an incident")["key"].clone();
        [of("keyed"), of("db/backup")]
    };
    assert_eq!(keys(), [Value::from("array-7"), Value::Null]);
    drop(going);
    let _going = daemon(&sandbox);
    assert_eq!(keys(), [Value::from("array-7"), Value::Null]);
}

#[test]
fn options_stand_on_both_sides_of_the_command_that_they_belong_to() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "reload = \"signal\"\n"),
        ("jobs.d/x.toml", "command = \"true\"\nevery = \"1h\"\nfirst_run = \"wait\"\n"),
        ("crontab", "0 3 * * * /bin/true\n"),
    ]);
    let mut going = sandbox.start(&["run", "-v"]);
    going.wait_for("listening for commands");
    assert_eq!(sandbox.run(&["silence", "x", "2h"]).code, 0);
    for arguments in [
        &["silence", "--json", "list"][..],
        &["silence", "list", "--json"],
        &["--json", "silence", "list"],
        &["outbox", "--json", "list"],
        &["outbox", "--dead", "list", "--json"],
        &["outbox", "--json", "--dead", "retry"],
        &["outbox", "retry", "--dead", "--json"],
        &["import", "--json", "--dry-run", "crontab", "crontab"],
        &["import", "crontab", "--json", "crontab", "--dry-run"],
        &["--json", "list"],
        &["--state-dir", "state", "--json", "next", "x"],
        &["silence", "--json", "end", "1"],
    ] {
        let ran = sandbox.run(arguments);
        let is_json = serde_json::from_str::<Value>(&ran.stdout).is_ok();
        assert!(ran.code == 0 && is_json, "{arguments:?}: {ran:?}");
    }
    assert!(!sandbox.path().join("jobs.d/true.toml").exists(), "nothing was imported");
    for (arguments, words) in [
        (&["silence", "--note", "x", "end", "1"][..], "belong to a silence that begins, and not to `silence end`"),
        (&["silence", "x", "list"], "belong to a silence that begins, and not to `silence list`"),
        (&["outbox", "--channel", "#ops", "retry", "--all"], "--channel is an option of `outbox list`"),
        (&["outbox", "retry"], "help: `slack-alert outbox retry` takes their numbers, --dead or --all"),
        (&["outbox", "--dead", "drop", "1"], "exclude each other"),
    ] {
        let ran = sandbox.run(arguments);
        assert!(ran.code == 2 && ran.stderr.contains(words), "{arguments:?}: {ran:?}");
    }
    assert!(sandbox.run(&["silence", "list"]).stdout.contains("Nothing is silenced"), "none was begun");
}
