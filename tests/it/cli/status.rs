//! `status` beside a real daemon, and without one: what is shown, what it exits with, and what is said of bad input.

use serde_json::Value;

use crate::support::program::{Going, PATIENCE, Ran, Sandbox};

/// A job that fails, one that is well, one that runs on, and a file with an error.
fn sandbox() -> Sandbox {
    Sandbox::with(&[
        ("slack_alert.toml", "host = \"web-1\"\nreload = \"signal\"\n"),
        ("jobs.d/db/backup.toml", "command = \"echo no space left; exit 2\"\nevery = \"1h\"\n"),
        ("jobs.d/disk.toml", "command = \"echo 43 %\"\nevery = \"1h\"\ntags = [\"storage\"]\n"),
        ("jobs.d/etl.toml", "command = \"sleep 600\"\nevery = \"1h\"\nnotify.stuck_after = 0\n"),
        ("jobs.d/bad.toml", "command = \"true\"\nevry = \"1h\"\n"),
    ])
}

/// A daemon that has run each job once.
fn daemon(sandbox: &Sandbox) -> Going {
    let mut going = sandbox.start(&["run"]);
    going.wait_for("listening for commands");
    going.wait_for("end job=db/backup");
    wait_until(sandbox, |status| {
        status["jobs"]["ok"] == 1 && status["jobs"]["critical"] == 1 && status["jobs"]["running"] == 1
    });
    going
}

/// The status as JSON, once it is so.
fn wait_until(sandbox: &Sandbox, is_so: impl Fn(&Value) -> bool) -> Value {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let ran = sandbox.run(&["status", "--json"]);
        let status: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        if is_so(&status) {
            return status;
        }
        assert!(std::time::Instant::now() < deadline, "{ran:?}");
    }
}

fn has(ran: &Ran, words: &[&str]) {
    for words in words {
        assert!(ran.stdout.contains(words), "`{words}` is missing: {ran:?}");
    }
}

#[test]
fn status_shows_what_fails_what_runs_and_what_is_next() {
    let sandbox = sandbox();
    let _daemon = daemon(&sandbox);
    let ran = sandbox.run(&["status"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    has(
        &ran,
        &[
            "web-1: slack-alert ",
            "3 jobs: 1 critical, 1 ok, 1 not run yet; 1 not loaded; 1 running\n",
            "✖ critical   db/backup  since ",
            "             no space left\n",
            "nobody has acknowledged it\n",
            "! not loaded bad        jobs.d/bad.toml:2:1: unknown key `evry` (did you mean `every`?)\n",
            "▶ running    etl        for ",
            "Next: ",
            "`slack-alert why db/backup` explains",
        ],
    );
    assert!(!ran.stdout.contains("disk  "), "what is well is not in the way: {ran:?}");
    let first = ran.stdout.lines().nth(1).expect("a second line");
    assert!(first.starts_with("✖ critical"), "the worst stands first: {ran:?}");

    let ran = sandbox.run(&["status", "--failing"]);
    assert!(ran.code == 0 && !ran.stdout.contains("running  ") && !ran.stdout.contains("Next:"), "{ran:?}");
    let ran = sandbox.run(&["status", "-v"]);
    has(&ran, &["● ok         disk"]);
}

#[test]
fn jobs_that_are_asked_for_are_shown_also_when_they_are_well() {
    let sandbox = sandbox();
    let _daemon = daemon(&sandbox);
    for asked in ["disk", "di*", "tag:storage", "tag:sto*"] {
        let ran = sandbox.run(&["status", asked]);
        assert_eq!(ran.code, 0, "{asked}: {ran:?}");
        has(&ran, &["● ok         disk  at ", "; every 1h\n"]);
        assert!(!ran.stdout.contains("db/backup"), "{asked}: {ran:?}");
    }
    let ran = sandbox.run(&["status", "--json", "db/*", "etl"]);
    let value: Value = serde_json::from_str(&ran.stdout).expect("one object");
    let names: Vec<_> = value["jobs"]["list"].as_array().expect("jobs").iter().map(|job| &job["name"]).collect();
    assert_eq!(names, ["db/backup", "etl"]);
    assert_eq!(value["incidents"][0]["job"], "db/backup");
    assert_eq!(value["jobs"]["total"], 3, "the numbers are the daemon's");
}

#[test]
fn a_name_or_pattern_of_no_job_is_refused_with_what_may_be_meant() {
    let sandbox = sandbox();
    let _daemon = daemon(&sandbox);
    for (asked, words, help) in [
        ("dsik", "there is no job `dsik`", "did you mean `disk`?"),
        ("db/bakup", "there is no job `db/bakup`", "did you mean `db/backup`?"),
        ("dbs/*", "no job matches `dbs/*`", "did you mean `db/*`?"),
        ("tag:storag", "no job matches `tag:storag`", "did you mean `tag:storage`?"),
        ("zzz*", "no job matches `zzz*`", "`slack-alert list` shows all jobs"),
    ] {
        let ran = sandbox.run(&["status", asked]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{asked}: {ran:?}");
        assert!(ran.stderr.contains(words) && ran.stderr.contains(help), "{asked}: {ran:?}");
    }
}

#[test]
fn nagios_gets_one_line_with_performance_data_and_a_code_from_0_to_3() {
    let sandbox = sandbox();
    let going = daemon(&sandbox);
    for (arguments, code, words) in [
        (
            &["status", "--nagios"][..],
            2,
            "SLACK-ALERT CRITICAL - 2 of 4 jobs with problems; db/backup: no space left; bad: not loaded | jobs=4;",
        ),
        (&["status", "--nagios", "disk"], 0, "SLACK-ALERT OK - 1 job, none with problems | jobs=1;;;0 ok=1;"),
        (&["status", "--nagios", "bad"], 1, "SLACK-ALERT WARNING - "),
        (&["status", "--nagios", "nobody"], 3, "SLACK-ALERT UNKNOWN - there is no job `nobody`"),
    ] {
        let ran = sandbox.run(arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (code, ""), "{arguments:?}: {ran:?}");
        assert!(ran.stdout.starts_with(words) && ran.stdout.lines().count() == 1, "{arguments:?}: {ran:?}");
    }
    drop(going);
    let ran = sandbox.run(&["status", "--nagios"]);
    assert!(
        ran.code == 2 && ran.stdout.starts_with("SLACK-ALERT CRITICAL - the daemon is not running here"),
        "{ran:?}"
    );
}

#[test]
fn health_says_nothing_and_exits_with_whether_the_daemon_answers() {
    let sandbox = sandbox();
    let going = daemon(&sandbox);
    let ran = sandbox.run(&["status", "--health"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
    let ran = sandbox.run(&["status", "--health", "-v"]);
    assert!(ran.code == 0 && ran.stdout.starts_with("the daemon answers: slack-alert "), "{ran:?}");
    drop(going);
    let ran = sandbox.run(&["status", "--health"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (1, "", ""));
    let ran = sandbox.run(&["status", "--health", "-v"]);
    assert!(ran.code == 1 && ran.stderr.contains("the daemon is not running here"), "{ran:?}");
}

#[test]
fn without_a_daemon_status_shows_what_the_database_knows_and_says_so_first() {
    let sandbox = sandbox();
    drop(daemon(&sandbox));
    let ran = sandbox.run(&["status"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let first = ran.stdout.lines().next().expect("a line");
    let socket = sandbox.path().join("run/control.sock");
    // The daemon was killed: its socket is there, and nobody listens.
    assert!(
        first.starts_with("the daemon is not running here (") && first.contains(&socket.display().to_string()),
        "{first}"
    );
    assert!(first.ends_with(": this is what the database knows."), "{first}");
    has(
        &ran,
        &["web-1: no daemon; 3 jobs: 1 critical, 1 ok", "✖ critical   db/backup", "no space left", "! not loaded bad"],
    );
    assert!(!ran.stdout.contains("Next:") && !ran.stdout.contains("slack-alert ack"), "nothing is due: {ran:?}");
    assert!(ran.stderr.contains("help: start it: `systemctl start slack-alert`, or `slack-alert run`"), "{ran:?}");

    let ran = sandbox.run(&["status", "--json", "db/*"]);
    let value: Value = serde_json::from_str(&ran.stdout).expect("one object");
    assert_eq!((ran.code, &value["started"], &value["error"]["code"]), (1, &Value::Null, &Value::from("not-running")));
    assert_eq!(value["incidents"][0]["line"], "no space left");

    // Its file is gone, or cannot be read: that the job fails is known all the same.
    let file = |name: &str| sandbox.path().join(name);
    std::fs::rename(file("jobs.d/db/backup.toml"), file("away")).expect("it is there");
    sandbox.file("jobs.d/db/backup.toml", "comand = 'true'\n");
    let ran = sandbox.run(&["status"]);
    has(&ran, &["! not loaded db/backup", "the job has no schedule", "✖ critical   db/backup", "no space left"]);
    std::fs::remove_file(file("jobs.d/db/backup.toml")).expect("it is there");
    has(&sandbox.run(&["status"]), &["3 jobs: 1 critical, 1 ok", "✖ critical   db/backup", "no space left"]);
    let why = sandbox.run(&["why", "db/backup"]);
    has(&why, &["now: no job file that can be read declares db/backup"]);
    std::fs::rename(file("slack_alert.toml"), file("away.toml")).expect("it is there");
    let state = file("state").display().to_string();
    has(&sandbox.run(&["--state-dir", &state, "status"]), &["✖ critical   db/backup", "no space left"]);
    let why = sandbox.run(&["--state-dir", &state, "why", "db/backup"]);
    has(&why, &["now: no configuration was found: whether db/backup is still a job is not known here"]);

    // Nothing is known: there was no daemon, ever.
    let fresh = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/a.toml", "command = \"true\"\nevery = \"1h\"\n")]);
    let ran = fresh.run(&["status"]);
    assert!(
        ran.code == 1 && ran.stdout.is_empty() && ran.stderr.contains("the daemon is not running here (no socket at "),
        "{ran:?}"
    );
    let ran = fresh.run(&["status", "--json"]);
    let value: Value = serde_json::from_str(&ran.stdout).expect("one object");
    assert_eq!((ran.code, &value["error"]["code"]), (1, &Value::from("not-running")), "{ran:?}");
}

#[test]
fn without_a_configuration_and_a_daemon_every_command_that_needs_them_exits_with_2() {
    let sandbox = Sandbox::with(&[]);
    for line in [
        "run",
        "check",
        "once a",
        "preview a",
        "next",
        "simulate",
        "why a",
        "list",
        "history",
        "outbox",
        "status",
        "status --json",
        "trigger a",
        "pause a",
        "resume a",
        "silence a 1h",
        "silence list",
        "silence end 1",
        "ack a",
        "reload",
        "ping",
    ] {
        let ran = sandbox.run(&line.split(' ').collect::<Vec<_>>());
        assert!(ran.code == 2 && ran.stderr.contains("no configuration found; looked for "), "{line}: {ran:?}");
    }
}

#[test]
fn without_a_configuration_list_and_next_say_which_jobs_are_missing() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/a.toml", "command = 'true'\nevery = '1h'\n")]);
    let mut daemon = sandbox.start(&["run"]);
    daemon.wait_for("started jobs=1");
    assert_eq!(sandbox.run(&["wrap", "--job", "nightly", "--", "true"]).code, 0);
    sandbox.wait_for("the daemon to know it", || sandbox.run(&["list"]).stdout.contains("nightly").then_some(()));
    daemon.signal("TERM");
    daemon.end();
    let words = "no configuration was found: shown is what the state knows, jobs that have no file";
    for command in ["list", "next"] {
        assert!(!sandbox.run(&[command]).stderr.contains(words), "{command}");
    }
    std::fs::remove_file(sandbox.path().join("slack_alert.toml")).expect("it is there");
    let state = sandbox.path().join("state").display().to_string();
    for command in ["list", "next"] {
        let ran = sandbox.run(&["--state-dir", &state, command]);
        assert!(ran.code == 0 && ran.stderr.contains(words), "{command}: {ran:?}");
    }
    let list = sandbox.run(&["--state-dir", &state, "list"]);
    assert!(list.stdout.contains("nightly") && !list.stdout.contains("a.toml"), "{list:?}");
}

#[test]
fn another_daemons_socket_is_known_by_its_configuration_and_its_state() {
    let sandbox = sandbox();
    let _daemon = daemon(&sandbox);
    let other = sandbox.file("other/slack_alert.toml", "");
    sandbox.file("other/jobs.d/a.toml", "command = \"true\"\nevery = \"1h\"\n");
    let other = other.display().to_string();
    let ours = sandbox.path().join("slack_alert.toml").display().to_string();
    let ran = sandbox.run(&["--config", &other, "trigger", "a"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains(&format!("is another one: its configuration is {ours}, and not {other}")), "{ran:?}");
    assert!(ran.stderr.contains(&format!("help: `--config {ours}` asks that one")), "{ran:?}");
    // The same file by another name is the same.
    let ran = sandbox.run(&["--config", "./other/../slack_alert.toml", "status"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn commands_that_read_the_state_find_it_where_the_running_daemon_keeps_it() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "host = 'web-1'\n"),
        ("jobs.d/hello.toml", "command = 'echo hello'\nevery = '1h'\n"),
    ]);
    let elsewhere = sandbox.path().join("elsewhere").display().to_string();
    let mut going = sandbox.start_with(|command| {
        command.env_remove("STATE_DIRECTORY").args(["--state-dir", &elsewhere, "run"]);
    });
    going.wait_for("end");
    for arguments in [&["why", "hello"][..], &["history"], &["next"], &["list"]] {
        let ran = sandbox.command(arguments).env_remove("STATE_DIRECTORY").output().expect("it starts");
        let said = [ran.stdout, ran.stderr].map(|bytes| String::from_utf8(bytes).expect("text"));
        assert!(ran.status.success() && said[1].is_empty(), "{arguments:?}: {said:?}");
        assert!(
            (said[0].contains("hello") || said[0].contains("run 1")) && !said[0].contains(" now  "),
            "{arguments:?}: {said:?}"
        );
    }
}

#[test]
fn what_listens_there_and_is_no_slack_alert_is_said_to_be_none() {
    let sandbox = sandbox();
    let folder = sandbox.path().join("run");
    std::fs::create_dir_all(&folder).expect("a folder");
    let listener = std::os::unix::net::UnixListener::bind(folder.join("control.sock")).expect("a socket");
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in listener.incoming() {
            let mut stream = stream.expect("a client");
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
        }
    });
    let ran = sandbox.run(&["trigger", "disk"]);
    assert!(ran.code == 1 && ran.stderr.contains("is no slack-alert of this version"), "{ran:?}");
    assert!(ran.stderr.contains("help: restart the daemon after an upgrade"), "{ran:?}");
}

#[test]
fn a_stranger_is_told_who_may() {
    if !nix::unistd::geteuid().is_root() {
        return crate::support::skip::skip("only root can become another user");
    }
    let sandbox = sandbox();
    let _daemon = daemon(&sandbox);
    let open = |path: &std::path::Path| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    };
    open(sandbox.path());
    let plain = sandbox.command(&["trigger", "disk"]);
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]);
    // The program itself may lie where a stranger cannot go.
    let copy = sandbox.path().join("slack-alert");
    crate::support::files::copy_program(std::path::Path::new(plain.get_program()), &copy);
    command.arg(&copy).args(plain.get_args()).current_dir(sandbox.path()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.output().expect("setpriv(1) exists");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("you may not talk to the daemon: ")
            && stderr.contains("with `[control] group` the members of a group may too")
            && !stderr.contains("group `root`"),
        "nobody is asked to join the group of root: {stderr}"
    );
}

#[test]
fn watch_draws_again_when_something_has_changed() {
    let sandbox = sandbox();
    let going = daemon(&sandbox);
    let mut watch = sandbox.start(&["status", "--watch"]);
    watch.wait_for("▶ running    etl");
    watch.wait_for("As of ");
    drop(going);
    watch.wait_for("No answer since ");
    let _again = sandbox.start(&["run"]);
    watch.wait_for("As of ");
}

#[test]
fn a_daemon_that_does_not_answer_is_not_waited_for() {
    let sandbox = sandbox();
    let folder = sandbox.path().join("run");
    std::fs::create_dir_all(&folder).expect("a folder");
    let _hangs = std::os::unix::net::UnixListener::bind(folder.join("control.sock")).expect("a socket");
    let begun = std::time::Instant::now();
    let ran = sandbox.run(&["status", "--health", "-v"]);
    assert!(ran.code == 1 && ran.stderr.contains("the daemon did not answer within 2 s ("), "{ran:?}");
    assert!(begun.elapsed() < PATIENCE / 4, "{:?}", begun.elapsed());
    let ran = sandbox.run(&["status", "--nagios"]);
    assert!(
        ran.code == 2 && ran.stdout.starts_with("SLACK-ALERT CRITICAL - the daemon did not answer within 4 s"),
        "one that hangs runs no job: {ran:?}"
    );
}

#[test]
fn what_is_sent_while_the_daemon_stops_counts_as_told_afterwards() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "host = \"web-1\"\n"),
        ("jobs.d/a.toml", "command = \"echo no space left; exit 2\"\nevery = \"1h\"\n"),
        ("jobs.d/b.toml", "command = \"echo no route; exit 2\"\nevery = \"1h\"\n"),
    ]);
    let mut going = sandbox.start(&["run"]);
    // One message a second: at the stop at least one waits.
    for _ in 0..2 {
        going.wait_for("status=\"critical\"");
    }
    going.signal("TERM");
    assert!(going.end().0.success());
    let ran = sandbox.run(&["status", "--json"]);
    let status: Value = serde_json::from_str(&ran.stdout).expect("one object");
    let incidents = status["incidents"].as_array().expect("a list");
    let told = incidents.iter().filter(|incident| incident["told"].as_array().is_some_and(|told| !told.is_empty()));
    assert_eq!((incidents.len(), told.count()), (2, 2), "{ran:?}");
}
