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
    let told = told(&sandbox, &["--from", "2026-03-29T00:30", "--for", "4h"]);
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
    let told = told(&sandbox, &["--from", "2026-10-25T00:30", "--for", "5h"]);
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
    let arguments = ["disk", "--from", "2026-11-23T02:00", "--for", "4h", "--outcome", "disk=critical@03:00-05:00"];
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
fn a_thousand_jobs_through_two_days() {
    let sandbox = jobs(&[]);
    for number in 0..1000 {
        let mut text = String::new();
        let _ = write!(text, "command = \"true\"\nevery = \"{}m\"\njitter = \"30m\"\n", 50 + number % 20);
        sandbox.file(&format!("jobs.d/job-{number:04}.toml"), &text);
    }
    let arguments = ["simulate", "--for", "48h", "--from", "2026-11-23", "--json"];
    let ran = sandbox.run(&arguments);
    let runs = ran.stdout.lines().count();
    assert!((45_000..65_000).contains(&runs), "{runs} runs");
    assert_eq!(sandbox.run(&arguments).stdout, ran.stdout, "the same every time");
}
