//! `once`, `next`, `list`, and the exit codes of all commands.

use serde_json::Value;

use crate::support::program::Sandbox;

fn jobs(files: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "host = \"web-1\"\n")]);
    for (name, text) in files {
        sandbox.file(&format!("jobs.d/{name}.toml"), text);
    }
    sandbox
}

#[test]
fn once_exits_with_the_commands_own_code_and_shows_the_message() {
    let sandbox = jobs(&[
        (
            "ok",
            "command = \"echo hello\"\nevery = \"1h\"\ntemplate = \"*{{ job.name }}* says {{ stdout | trim }} on {{ host }}\"\n",
        ),
        ("bad", "command = \"echo oh no >&2; exit 7\"\nevery = \"1h\"\n"),
        ("slow", "command = \"sleep 60\"\nevery = \"1h\"\ntimeout = \"100ms\"\n"),
        ("gone", "command = [\"no-such-program\"]\nevery = \"1h\"\n"),
        ("killed", "command = \"kill -KILL $$\"\nevery = \"1h\"\n"),
        ("quiet", "command = \"true\"\nevery = \"1h\"\n"),
    ]);
    for (job, code, shown) in [
        ("ok", 0, "says hello on web-1"),
        ("bad", 7, "exited with 7"),
        ("slow", 124, "timed out"),
        ("gone", 127, "no-such-program"),
        ("killed", 137, "SIGKILL"),
        ("quiet", 0, "no message: blank"),
    ] {
        let ran = sandbox.run(&["once", job]);
        assert_eq!(ran.code, code, "{job}: {ran:?}");
        assert!(ran.stdout.contains(shown), "{job}: `{shown}` is missing in {}", ran.stdout);
    }
}

#[test]
fn once_tells_all_in_json() {
    let sandbox =
        jobs(&[("bad", "command = \"echo '<!channel>'; exit 2\"\nevery = \"1h\"\nexit_codes = \"nagios\"\n")]);
    let ran = sandbox.run(&["once", "bad", "--json"]);
    let told: Value = serde_json::from_str(&ran.stdout).expect("one object");
    assert_eq!(ran.code, 2);
    assert_eq!(
        (&told["status"], &told["reason"], &told["exit_code"]),
        (&"critical".into(), &"exit".into(), &2.into()),
        "{told}"
    );
    assert_eq!(told["decision"], "notified: failure");
    let message = told["messages"].to_string();
    assert!(!message.contains("<!channel>"), "output may not mention anybody: {message}");
}

#[test]
fn a_job_that_is_not_there_is_named_with_its_nearest() {
    let sandbox = jobs(&[("disk", "command = \"true\"\nevery = \"1h\"\n")]);
    let ran = sandbox.run(&["once", "disc"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("did you mean `disk`?"), "{ran:?}");
}

#[test]
fn a_job_that_is_set_aside_says_why() {
    let sandbox = jobs(&[("disk", "command = \"true\"\nevrey = \"1h\"\n")]);
    let ran = sandbox.run(&["once", "disk"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("jobs.d/disk.toml:") && ran.stderr.contains("set aside"), "{ran:?}");
}

#[test]
fn next_shows_when_jobs_will_run() {
    let sandbox = jobs(&[
        ("night", "command = \"true\"\ncron = \"30 3 * * Mon-Fri\"\ntime_zone = \"Europe/Berlin\"\n"),
        ("never", "command = \"true\"\ncron = \"0 0 31 2 *\"\n"),
        ("off", "command = \"true\"\nevery = \"1h\"\nenabled = false\n"),
    ]);
    let ran = sandbox.run(&["next", "night", "-n", "3", "--from", "2026-03-27T12:00", "--json"]);
    let told: Value = serde_json::from_str(&ran.stdout).expect("an array");
    let times: Vec<&str> = told.as_array().expect("an array").iter().filter_map(|row| row["at"].as_str()).collect();
    assert_eq!(times, ["2026-03-30T01:30:00Z", "2026-03-31T01:30:00Z", "2026-04-01T01:30:00Z"], "{ran:?}");
    let ran = sandbox.run(&["next"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("never") && ran.stdout.contains("not enabled"), "{}", ran.stdout);
}

#[test]
fn list_shows_jobs_and_where_they_are_declared() {
    let sandbox = jobs(&[
        ("disk", "command = \"true\"\nevery = \"5m\"\n"),
        ("db/backup", "command = \"true\"\ncron = \"@daily\"\n"),
    ]);
    let ran = sandbox.run(&["list"]);
    assert_eq!(ran.code, 0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("db/backup") && lines[0].contains("jobs.d/db/backup.toml"), "{lines:?}");
    assert!(lines[1].starts_with("disk") && lines[1].contains("every 5m"), "{lines:?}");
    let told: Value = serde_json::from_str(&sandbox.run(&["list", "--json"]).stdout).expect("an array");
    assert_eq!(told[1]["name"], "disk");
}

#[test]
fn wrong_usage_is_two() {
    let sandbox = jobs(&[("disk", "command = \"true\"\nevery = \"5m\"\n")]);
    for arguments in [
        &["--no-such-option"][..],
        &["once"],
        &["nonsense"],
        &["--max-alert", "0"],
        &["--working-hours", "9-17", "list"],
        &["next", "--from", "soon"],
        &["--strict", "list"],
    ] {
        let ran = sandbox.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
}

#[test]
fn the_version_is_told() {
    let ran = Sandbox::new().run(&["--version"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, concat!("slack-alert ", env!("CARGO_PKG_VERSION"), "\n")));
}
