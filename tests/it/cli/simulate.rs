//! `simulate`: what would run and what would be said, through nights in which clocks change, bursts, and failures.

use std::fmt::Write;

use serde_json::Value;

use crate::support::program::Sandbox;

fn jobs(files: &[(&str, &str)]) -> Sandbox {
    let config = "host = \"web-1\"\ntime_zone = \"Europe/Berlin\"\n[slack]\nchannel = \"#ops\"\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", config)]);
    for (name, text) in files {
        sandbox.file(&format!("jobs.d/{name}.toml"), text);
    }
    sandbox
}

fn told(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let ran = sandbox.run(&[&["simulate"], arguments].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout
}

#[test]
fn a_night_in_which_clocks_go_forward() {
    let sandbox = jobs(&[
        ("fixed", "command = \"true\"\ncron = \"30 2 * * *\"\n"),
        ("hourly", "command = \"true\"\ncron = \"0 * * * *\"\n"),
    ]);
    let told = told(&sandbox, &["-v", "--from", "2026-03-29T00:30", "--for", "4h"]);
    let expected = "\
Sun 2026-03-29 01:00:00 CET  run hourly ok  blank
Sun 2026-03-29 03:00:00 CEST  run fixed ok  blank
Sun 2026-03-29 03:00:00 CEST  run hourly ok  blank
Sun 2026-03-29 04:00:00 CEST  run hourly ok  blank
Sun 2026-03-29 05:00:00 CEST  run hourly ok  blank
";
    assert_eq!(told, expected);
}

#[test]
fn a_night_in_which_clocks_go_back() {
    let sandbox = jobs(&[("fixed", "command = \"true\"\ncron = \"30 2 * * *\"\n")]);
    let told = told(&sandbox, &["-v", "--from", "2026-10-25T00:30", "--for", "5h"]);
    assert_eq!(told, "Sun 2026-10-25 02:30:00 CEST  run fixed ok  blank\n", "once, at the first of both");
}

#[test]
fn the_python_tools_example_is_three_messages_and_an_hour_of_silence() {
    let burst = "command = \"echo hi\"\nburst = { every = \"2s\", alerts = 3, pause = \"60m\" }\n\
                 template = \"{{ stdout | trim }}\"\n";
    let every = "command = \"echo hi\"\nevery = \"2s\"\ntemplate = \"{{ stdout | trim }}\"\n";
    for (job, options) in [(burst, &[][..]), (every, &["--max-alert", "3", "--pause-time", "60"])] {
        let sandbox = jobs(&[("hello", job)]);
        let arguments = ["--stdout", "hello=hi", "--from", "2026-11-23T08:00", "--for", "24h", "--json"];
        let told = told(&sandbox, &[&arguments, options].concat());
        let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
        let messages: Vec<&Value> = lines.iter().filter(|line| line["kind"] == "message").collect();
        assert_eq!(messages.len() % 3, 0, "always three: {}", messages.len());
        assert_eq!(messages.len(), 3 * 24, "one burst an hour");
        assert!(messages.iter().all(|message| message["channel"] == "ops"));
        assert!(messages[2]["text"].as_str().is_some_and(|text| text.contains("pause")), "{}", messages[2]);
        assert!(messages[1]["text"].as_str().is_some_and(|text| !text.contains("pause")), "{}", messages[1]);
    }
}

#[test]
fn a_failure_is_told_repeated_and_its_end_is_told() {
    let job = "command = \"true\"\nevery = \"30m\"\n[notify]\nafter = 2\nrepeat = \"1h\"\n";
    let sandbox = jobs(&[("disk", job)]);
    let arguments =
        ["-v", "disk", "--from", "2026-11-23T02:00", "--for", "4h", "--outcome", "disk=critical@03:00-05:00"];
    let expected = "\
Mon 2026-11-23 02:00:00 CET  run disk ok  blank
Mon 2026-11-23 02:30:00 CET  run disk ok  blank
Mon 2026-11-23 03:00:00 CET  run disk critical  below-after
Mon 2026-11-23 03:30:00 CET  run disk critical  notified: failure
";
    let said = told(&sandbox, &arguments);
    assert!(said.starts_with(expected), "{said}");
    let what: Vec<&str> = said.lines().filter(|line| line.contains("message")).collect();
    assert_eq!(what.len(), 3, "{said}");
    for (line, part) in what.iter().zip(["#ops failure: ", "#ops repeat: ", "#ops recovery: "]) {
        assert!(line.contains(part), "{line}");
    }
    assert!(said.contains("run disk critical  repeat-not-due (until 04:"), "{said}");
    assert!(said.contains("CET  run disk ok  notified: recovery\n"), "{said}");
    // Without -v: the messages, each with its reason, and a count of the runs.
    let said = told(&sandbox, &arguments[1..]);
    let lines: Vec<&str> = said.lines().collect();
    assert!(!said.contains("  run disk"), "{said}");
    assert_eq!(lines[1], "    it failed, and the failure had not been reported", "{said}");
    let end = [
        "",
        "JOB   RUNS  FAILED  MESSAGES  SUPPRESSED",
        "disk  8     4       3         1 below-after, 3 blank, 1 repeat-not-due",
    ];
    assert!(lines.ends_with(&end), "{said}");
}

#[test]
fn wrong_usage_is_said() {
    let sandbox =
        jobs(&[("disk", "command = \"true\"\nevery = \"30m\"\n"), ("db", "command = \"true\"\nevery = \"1h\"\n")]);
    for (arguments, said) in [
        (&["dusk"][..], "did you mean `disk`?"),
        (&["--outcome", "disk=bad"], "is no status"),
        (&["--outcome", "dusk=ok"], "did you mean `disk`?"),
        (&["db", "--outcome", "disk=ok"], "takes no part"),
        (&["--for", "soon"], "--for"),
        (&["--from", "soon"], "is not a time"),
    ] {
        let ran = sandbox.run(&[&["simulate"], arguments].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(said), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn a_thousand_jobs_through_half_a_day() {
    let sandbox = jobs(&[]);
    for number in 0..1000 {
        let mut text = String::new();
        let _ = write!(text, "command = \"true\"\nevery = \"{}m\"\njitter = \"30m\"\n", 50 + number % 20);
        sandbox.file(&format!("jobs.d/job-{number:04}.toml"), &text);
    }
    let arguments = ["simulate", "--for", "12h", "--from", "2026-11-23", "--json"];
    let ran = sandbox.run(&arguments);
    let runs = ran.stdout.lines().count();
    assert!((11_000..17_000).contains(&runs), "{runs} runs");
    assert_eq!(sandbox.run(&arguments).stdout, ran.stdout, "the same every time");
}

#[test]
fn an_expected_run_that_does_not_come_is_an_incident_until_one_comes_again() {
    let sandbox = jobs(&[("backup", "expect = { cron = \"30 2 * * *\", grace = \"1h\" }\n")]);
    let outcome = "backup=missing@2026-03-28T00:00-2026-03-30T00:00";
    let told = told(&sandbox, &["-v", "--from", "2026-03-27T00:00", "--for", "96h", "--outcome", outcome]);
    // The clock skips 02:30 in the second night: the run is due right after the gap.
    let expected = "\
Fri 2026-03-27 02:30:00 CET  run backup ok  blank
Sat 2026-03-28 03:30:00 CET  run backup critical  notified: missing
Sat 2026-03-28 03:30:00 CET  message #ops missing: 🔴 backup critical: did not run; due 02:30, 1h of grace, last seen 2026-03-27 02:30
Sun 2026-03-29 04:00:00 CEST  run backup critical  notified: repeat
Sun 2026-03-29 04:00:00 CEST  message #ops repeat: 🔴 backup still critical: same failure, 2nd time in 23h 30m
Mon 2026-03-30 02:30:00 CEST  run backup ok  notified: recovery
Mon 2026-03-30 02:30:01 CEST  message #ops recovery: ✅ backup is well again after 1d 22h, 2 failures
";
    assert_eq!(told, expected);
}

#[test]
fn people_pause_silence_acknowledge_and_trigger_under_the_false_clock() {
    let disk = "command = \"true\"\nevery = \"10m\"\ntimeout = \"1m\"\ntags = [\"db\"]\n";
    let sandbox = jobs(&[("disk", disk)]);
    let begin = ["--from", "2026-11-23T03:00", "--for", "1h30m", "--outcome", "disk=critical@03:00-04:15"];
    let transcript = |more: &[&str]| told(&sandbox, &[&begin, more].concat());
    let line = |text: &str, part: &str| {
        let found: Vec<&str> = text.lines().filter(|line| line.contains(part)).collect();
        assert_eq!(found.len(), 1, "`{part}` in\n{text}");
        found[0].to_owned()
    };

    // A pause: nothing runs, but what a person asks for.
    let text = transcript(&["-v", "--pause", "tag:db@03:05-03:45", "--trigger", "disk@03:22"]);
    assert_eq!(line(&text, "  pause "), "Mon 2026-11-23 03:05:00 CET  pause tag:db until 03:45");
    assert_eq!(line(&text, "  trigger "), "Mon 2026-11-23 03:22:00 CET  trigger disk");
    let runs: Vec<&str> = text.lines().filter(|line| line.contains("  run disk")).map(|line| &line[15..20]).collect();
    assert_eq!(runs, ["03:00", "03:22", "03:50", "04:00", "04:10", "04:20"], "{text}");
    let text = transcript(&["--pause", "disk@03:05-03:45"]);
    assert!(line(&text, "disk  ").contains("4 paused"), "{text}");

    // A silence: the job runs on, and what it owes is told at its end.
    let text = transcript(&["--silence", "disk@02:55-03:30"]);
    let first = text.lines().find(|line| line.contains("message #ops")).expect("a message");
    assert!(first.starts_with("Mon 2026-11-23 03:30:00"), "{text}");
    assert!(line(&text, "disk  ").contains("silenced"), "{text}");

    // An acknowledgement: no repeat; the recovery ends it. What is not possible is said with the reason.
    let text = transcript(&["--ack", "disk@03:05", "--ack", "disk@04:25"]);
    assert_eq!(line(&text, "refused"), "Mon 2026-11-23 04:25:00 CET  ack disk: refused: `disk` has no open incident");
    assert!(line(&text, "disk  ").contains("acknowledged"), "{text}");
    assert!(line(&text, "message #ops repeat").contains("disk is acknowledged: somebody has it"), "{text}");
    let json = transcript(&["--json", "--ack", "disk@03:05-03:55"]);
    let all = json.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object"));
    let ack = all.into_iter().find(|line| line["kind"] == "ack").expect("what was asked for");
    assert_eq!((&ack["at"], &ack["until"]), (&"2026-11-23T02:05:00Z".into(), &"2026-11-23T02:55:00Z".into()));
    assert_eq!((&ack["pattern"], &ack["refused"]), (&"disk".into(), &Value::Null));

    for (arguments, words) in [
        (["--pause", "disk"], "--pause: `disk` names no time"),
        (["--pause", "disk@03:00"], "`03:00` is no time for this; write PATTERN@FROM-TO"),
        (["--ack", "d*@03:00"], "there is no job `d*`"),
        (["--trigger", "dsik@03:00"], "did you mean `disk`?"),
        (["--silence", "x*@03:00-04:00"], "`x*` names no job that takes part"),
    ] {
        let ran = sandbox.run(&[&["simulate"], &arguments[..]].concat());
        assert!(ran.code != 0 && ran.stderr.contains(words), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn what_follows_goes_where_the_incident_was_told_and_an_edit_of_nothing_is_none() {
    let job = "command = \"true\"\nevery = \"10m\"\nexit_codes = \"nagios\"\n[notify]\non = [\"failure\"]\n\
               channels = { critical = \"#pager\", ok = \"#log\" }\n";
    let sandbox = jobs(&[("a", job)]);
    // With a token there are threads.
    let config = "time_zone = \"Europe/Berlin\"\n[slack]\ntoken = \"xoxb-1-2-abcdefgh\"\nchannel = \"#ops\"\n";
    sandbox.file("slack_alert.toml", config);
    let outcomes = ["a=critical@08:00-08:10", "a=unknown@08:10-08:20", "a=warning@08:20-08:30"];
    let mut arguments = vec!["--json", "--from", "2026-11-24T07:55", "--for", "1h"];
    outcomes.iter().for_each(|outcome| arguments.extend(["--outcome", outcome]));
    let told = told(&sandbox, &arguments);
    let messages: Vec<String> = told
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|value| value["kind"] == "message")
        .map(|value| format!("{} {}", value["channel"], value["thread"]).replace('"', ""))
        .collect();
    assert_eq!(messages, ["pager open", "pager reply", "pager reply", "pager edit"], "{told}");
    // In words the edit says what it changes, and is none of the messages that are counted.
    arguments.remove(0);
    let ran = sandbox.run(&[&["simulate"], &arguments[..]].concat());
    let edit = "message #pager recovery, edit of the first message: resolved after 30m (3 failures)\n";
    assert!(ran.stdout.contains(edit), "{ran:?}");
    assert!(ran.stderr.ends_with("slack-alert: 6 runs, 3 messages, 1 edit\n"), "{ran:?}");
}

#[test]
fn the_end_of_quiet_hours_is_one_message_and_of_a_paused_job_it_says_so() {
    let job = "command = \"true\"\nevery = \"10m\"\nnotify.quiet_hours = \"22:00-07:00\"\n";
    let sandbox = jobs(&[("a", job), ("b", job)]);
    let night = ["--from", "2026-11-23T21:00", "--for", "11h", "--outcome", "*=critical@23:00-09:00"];
    let both = told(&sandbox, &night);
    assert_eq!(both.matches("  message").count(), 1, "{both}");
    assert!(both.contains("while it was quiet (22:00–07:00): 2 incidents, 2 still open\n    "), "{both}");
    assert!(both.contains("a fails since 23:00") && both.contains("b fails since 23:00"), "{both}");
    let one = told(&sandbox, &[&night[..], &["--pause", "a@06:00-08:00", "a"]].concat());
    assert!(one.contains("paused now") && !one.contains("failing still"), "{one}");
}

#[test]
fn a_run_that_takes_longer_than_it_may_is_ended_as_the_daemon_ends_it() {
    let sandbox = jobs(&[
        ("late", "command = \"sleep 3\"\nevery = \"6s\"\ntimeout = \"1s\"\n"),
        ("replaced", "command = \"sleep 3\"\nevery = \"2s\"\noverlap = \"replace\"\n"),
    ]);
    let told = told(&sandbox, &["-v", "--from", "2026-11-23T09:00", "--for", "14s", "--took", "3s"]);
    for said in [
        "run late critical",
        "timed out after 1s",
        "run replaced critical",
        "replaced by the next run, 3 runs in a row",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
    assert!(!told.contains("run replaced ok") && !told.contains("run late ok"), "{told}");
}

#[test]
fn a_run_that_fails_is_tried_as_often_as_the_daemon_tries_it() {
    let retries = "every = \"1m\"\nretries = { times = 2, delay = \"3s\", factor = 2 }\n";
    let sandbox = jobs(&[
        ("late", &format!("command = \"true\"\ntimeout = \"2s\"\n{retries}")),
        ("bad", &format!("command = \"true\"\n{retries}")),
        ("good", &format!("command = \"true\"\n{retries}")),
    ]);
    let of =
        |options: &[&str]| told(&sandbox, &[&["-v", "--from", "2026-11-23T09:00", "--for", "50s"], options].concat());
    let told = of(&["--took", "3s", "late"]);
    assert!(told.contains("09:00:15 CET  message #ops failure: 🔴 late critical: timed out after 2s"), "{told}");
    let told = of(&["--outcome", "bad=critical", "bad", "good"]);
    assert!(told.contains("09:00:12 CET  message #ops failure: 🔴 bad critical"), "{told}");
    assert_eq!(told.lines().count(), 3, "{told}");
}

#[test]
fn with_a_grace_beyond_the_next_run_only_several_that_do_not_come_are_missing() {
    let sandbox = jobs(&[("backup", "expect = { every = \"1h\", grace = \"150m\" }\n")]);
    let told = |window: &str| {
        let outcome = format!("backup=missing@{window}");
        told(&sandbox, &["--from", "2026-11-23T09:00", "--for", "12h", "--outcome", &outcome])
    };
    let one = told("12:00-12:30");
    assert!(!one.contains("message"), "{one}");
    let three = told("12:00-14:30");
    assert!(
        three.contains("14:30:00 CET  message #ops missing: 🔴 backup critical: did not run; due 12:00"),
        "{three}"
    );
    assert_eq!(three.matches("  message").count(), 2, "and its end: {three}");
}

#[test]
fn a_recovery_in_a_channel_of_its_own_is_in_no_thread() {
    let job = "command = \"true\"\nevery = \"10m\"\nnotify.channels = { ok = \"#log\" }\n";
    let sandbox = jobs(&[("a", job)]);
    let config = "time_zone = \"Europe/Berlin\"\n[slack]\ntoken = \"xoxb-1-2-abcdefgh\"\nchannel = \"#ops\"\n";
    sandbox.file("slack_alert.toml", config);
    let told = told(&sandbox, &["--from", "2026-11-24T07:55", "--for", "1h", "--outcome", "a=critical@08:00-08:30"]);
    assert!(told.contains("message #ops recovery, in the thread and the channel: "), "{told}");
    assert!(told.contains("message #log recovery: "), "{told}");
}
