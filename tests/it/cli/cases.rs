//! `[[test]]`: cases in job files, tried by `check` without running the command.

use crate::support::program::Sandbox;

const JOB: &str = "command = \"touch ran\"\nevery = \"5m\"\ntimeout = \"1m\"\nexit_codes = \"nagios\"\n\
                   template = \"{{ stdout | trim }}\"\n[notify]\nafter = 2\nquiet_hours = \"22:00-06:00\"\n\
                   channels = { critical = \"#pager\" }\n";

fn checked(cases: &str) -> (i32, String) {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "[slack]\nchannel = \"#ops\"\n"),
        ("jobs.d/disk.toml", &format!("{JOB}{cases}")),
    ]);
    let ran = sandbox.run(&["check"]);
    assert!(!sandbox.path().join("ran").exists(), "the command was run");
    (ran.code, ran.stdout)
}

#[test]
fn cases_are_tried_beside_errors_that_have_nothing_to_do_with_them() {
    let failing = "[[test]]\nname = \"wrong\"\ngiven = { exit = 0 }\nexpect = { event = \"failure\" }\n";
    let broken = "[[test]]\nname = \"broken\"\ngiven = { exit = 0 }\nexpect = { event = \"failur\" }\n";
    let tried = |before: &str, cases: &str| {
        let job = format!("command = \"true\"\nevery = \"5m\"\ntimeout = \"1m\"\n{before}\n{cases}");
        let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/a.toml", &job)]);
        sandbox.run(&["check"]).stdout.contains("[failing-test]")
    };
    for before in ["descr = \"x\"", "working_hours = \"9\"", "umask = \"999\""] {
        assert!(tried(before, failing), "{before}");
    }
    assert!(tried("", &format!("{broken}{failing}")), "an error in one case hides no other");
    for before in ["notify.on = [\"x\"]", "exit_codes = 7", "cron = \"61 * * * *\""] {
        assert!(!tried(before, failing), "nobody can say what comes of {before}");
    }
}

#[test]
fn a_case_finds_a_mention_as_people_read_it_and_as_slack_is_given_it() {
    for (wanted, differs) in [("@here", false), ("<!here>", false), ("@channel", true)] {
        let job = format!(
            "command = 'x'\nevery = '5m'\ntimeout = '1m'\nnotify.mention = '@here'\n\
             [[test]]\ngiven = {{ exit = 2 }}\nexpect.contains = '{wanted}'\n"
        );
        let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/a.toml", &job)]);
        let ran = sandbox.run(&["check"]);
        assert_eq!(ran.stdout.contains("[failing-test]"), differs, "{wanted}: {ran:?}");
    }
}

#[test]
fn cases_that_hold_say_nothing() {
    let (code, said) = checked(
        r##"
[[test]]
name = "one failure is not worth a word"
given = { exit = 2 }
expect = { suppressed = "below-after", status = "critical" }

[[test]]
name = "two are, and say so to the right people"
given = [{ exit = 2 }, { exit = 2, stdout = "DISK CRITICAL - free space: / 12 MB", after = "10m" }]
expect = { event = "failure", status = "critical", contains = ["12 MB", "disk"], channel = "#pager" }

[[test]]
name = "it is told again after an hour, not before"
given = [{ exit = 2 }, { exit = 2 }, { exit = 2, after = "59m" }]
expect = { suppressed = "repeat-not-due" }

[[test]]
name = "and then"
given = [{ exit = 2 }, { exit = 2 }, { exit = 2, after = "61m" }]
expect.event = "repeat"

[[test]]
name = "its end is told"
given = [{ exit = 1 }, { exit = 1 }, { exit = 0, stdout = "DISK OK & <fine>" }]
expect = { event = "recovery", contains = "is well again after 2m, 2 failures" }

[[test]]
name = "at night it waits"
given = [{ exit = 2, at = "03:00" }, { exit = 2 }]
expect = { suppressed = "quiet-hours" }

[[test]]
name = "however it ends"
given = [{ signal = "SIGSEGV" }, { timeout = true }]
expect = { event = "failure", contains = "timed out after 1m" }
"##,
    );
    assert_eq!(code, 0, "{said}");
}

#[test]
fn cases_that_do_not_hold_are_errors_with_what_came() {
    let (code, said) = checked(
        r##"
[[test]]
name = "speaks"
given = { exit = 2 }
expect = { event = "failure", status = "warning" }

[[test]]
name = "says it"
given = [{ exit = 1 }, { exit = 1, stdout = "DISK WARNING" }]
expect = { contains = "12 MB", channel = "#pager" }

[[test]]
name = "is silent"
given = [{ exit = 1 }, { exit = 1 }]
expect = { suppressed = "below-after" }
"##,
    );
    assert_eq!(code, 1, "{said}");
    for part in [
        "error[failing-test]",
        "`speaks`: expected a message about failure, and none comes: below-after",
        "`speaks`: expected the status warning, and the run is critical (exited with 2)",
        "`says it`: expected `12 MB` in the message, and it says:",
        "DISK WARNING",
        "`says it`: expected a message to #pager, and it goes to #ops",
        "`is silent`: expected no message (below-after), and a message about failure comes",
        "5 errors",
    ] {
        assert!(said.contains(part), "`{part}` is missing in\n{said}");
    }
}

#[test]
fn a_case_that_fails_shows_each_line_of_the_message_once() {
    let (_, said) = checked("[[test]]\ngiven = [{ exit = 1 }, { exit = 1 }]\nexpect.contains = 'bang'\n");
    assert_eq!(said.matches("disk warning: ").count(), 1, "{said}");
}

#[test]
fn a_run_is_missing_only_where_something_else_runs_the_job() {
    let case = "[[test]]\ngiven = { missing = true }\nexpect.event = 'missing'\n";
    let (code, said) = checked(case);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("no run of this job can be missing: the daemon runs it itself"), "{said}");
    let job = format!("expect = {{ every = '1d', grace = '1h' }}\ntimeout = '1h'\n{case}");
    let sandbox = Sandbox::with(&[("slack_alert.toml", "slack.channel = '#ops'\n"), ("jobs.d/a.toml", &job)]);
    let ran = sandbox.run(&["check"]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
}

#[test]
fn people_pause_silence_acknowledge_and_trigger_in_a_case() {
    let (code, said) = checked(
        r##"
[[test]]
name = "what is due in a pause does not run"
given = [{ pause = "1h" }, { exit = 2, after = "59m" }]
expect = { suppressed = "paused" }

[[test]]
name = "after the pause it does"
given = [{ pause = "1h" }, { exit = 2, after = "1h" }]
expect = { suppressed = "below-after", status = "critical" }

[[test]]
name = "and it does in the pause, when somebody asks for it"
given = [{ pause = "1h" }, { exit = 2, trigger = true }, { exit = 2, trigger = true }]
expect = { event = "failure" }

[[test]]
name = "a silence says nothing"
given = [{ silence = "2h" }, { exit = 2 }, { exit = 2, after = "1h" }]
expect = { suppressed = "silenced" }

[[test]]
name = "and the job that failed in it is told of after it"
given = [{ silence = "2h" }, { exit = 2 }, { exit = 2 }, { exit = 2, after = "2h" }]
expect = { suppressed = "repeat-not-due" }

[[test]]
name = "somebody has it"
given = [{ exit = 1 }, { exit = 1 }, { ack = "24h" }, { exit = 1, after = "3h" }]
expect = { suppressed = "acknowledged" }

[[test]]
name = "until it gets worse"
given = [{ exit = 1 }, { exit = 1 }, { ack = "24h" }, { exit = 2, after = "3h" }]
expect = { event = "repeat", channel = ["#ops", "#pager"] }

[[test]]
name = "which ends it"
given = [{ exit = 1 }, { exit = 1 }, { ack = "24h" }, { exit = 2, after = "3h" }, { exit = 2, after = "3h" }]
expect = { event = "repeat" }

[[test]]
name = "or its time is over"
given = [{ exit = 1 }, { exit = 1 }, { ack = "2h" }, { exit = 1, after = "3h" }]
expect = { event = "repeat" }

[[test]]
name = "the word of version 0.1 is understood"
given = { exit = 2 }
expect = { held = "below-after" }
"##,
    );
    assert_eq!(code, 0, "{said}");
    let (code, said) = checked(
        r##"
[[test]]
name = "nothing is open"
given = [{ exit = 2 }, { exit = 0 }, { ack = "1h" }, { exit = 2 }]
expect = { suppressed = "acknowledged" }

[[test]]
name = "paused"
given = [{ pause = "1h" }, { exit = 2 }]
expect = { status = "critical", event = "failure" }
"##,
    );
    assert_eq!(code, 1, "{said}");
    for part in [
        "`nothing is open`: there is no open incident to acknowledge",
        "`paused`: expected the status critical, and the job is paused: it does not run",
        "`paused`: expected a message about failure, and none comes: paused",
        "3 errors",
    ] {
        assert!(said.contains(part), "`{part}` is missing in\n{said}");
    }
}

#[test]
fn a_case_that_cannot_be_understood_has_its_place() {
    let (code, said) = checked("[[test]]\ngiven = { exot = 2 }\nexpect = { event = \"failed\" }\n");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("did you mean `exit`?") && said.contains("`failed` is no value"), "{said}");
}

#[test]
fn a_failure_is_in_a_row_only_where_the_job_was_not_well_in_between() {
    let job = "command = \"true\"\nevery = \"5m\"\ntimeout = \"1m\"\nexit_codes = \"nagios\"\n[notify]\n\
               flap = { changes = 2, within = \"30m\" }\nintermittent = false\n";
    let cases = r#"
[[test]]
name = "worse than was told, while it flaps"
given = [{ exit = 1 }, { exit = 0 }, { exit = 1 }, { exit = 0 }, { exit = 2 }]
expect = { event = "repeat", contains = ["worse: critical, was warning", "2nd failure since"] }

[[test]]
name = "worse than was told"
given = [{ exit = 1 }, { exit = 1 }, { exit = 2 }]
expect = { event = "repeat", contains = "3rd failure in a row, since" }
"#;
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "[slack]\nchannel = \"#ops\"\n"),
        ("jobs.d/disk.toml", &format!("{job}{cases}")),
    ]);
    let ran = sandbox.run(&["check"]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
}
