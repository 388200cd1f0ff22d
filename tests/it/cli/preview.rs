//! `preview`: what a message looks like, and the payload that Slack would get; nothing is run.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::support::program::Sandbox;

fn sandbox() -> Sandbox {
    let config = "host = \"web-1\"\n[slack]\ntoken = \"xoxb-1\"\nchannel = \"#ops\"\nusername = \"Bot\"\n";
    Sandbox::with(&[
        ("slack_alert.toml", config),
        (
            "jobs.d/disk.toml",
            "command = \"touch ran\"\nevery = \"5m\"\ntemplate = \"*{{ stdout | trim }}* on {{ host }}\"\n",
        ),
        (
            "jobs.d/check.toml",
            "command = \"touch ran\"\nevery = \"5m\"\nexit_codes = { warning = [1], skip = [75] }\n[notify]\n\
             on = [\"failure\"]\nchannels = { critical = \"#pager\" }\nmention = \"@here\"\n[message]\n\
             actions = [{ text = \"Runbook\", url = \"https://runbooks.example.com/check\" }]\nfields = { Mount = \"/var\" }\n",
        ),
        (
            "jobs.d/json.toml",
            "command = \"true\"\nevery = \"5m\"\nparse = \"json\"\ntemplate = \"{{ json.free }} free\"\n",
        ),
        (
            "jobs.d/quiet.toml",
            "command = \"true\"\nevery = \"5m\"\ntemplate = \"{% if 'x' in stdout %}x{% endif %}\"\n",
        ),
    ])
}

#[test]
fn what_redact_matches_is_masked_in_description_and_tags_as_in_the_command() {
    let job = "tags = [\"db\", \"of-hunter2\"]\ncommand = \"curl -u me:hunter2 x\"\ndescription = \"logs in with hunter2\"\nevery = \"5m\"\nredact = [\"hunter2\"]\n";
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "slack = { webhook_url = \"https://h.example/x\" }"),
        ("jobs.d/a.toml", job),
    ]);
    for args in [
        &["preview", "a", "--exit", "1"][..],
        &["preview", "a", "--exit", "1", "--json"],
        &["list"],
        &["list", "--json"],
    ] {
        let ran = sandbox.run(args);
        assert!(ran.stdout.contains("logs in with [redacted]"), "{ran:?}");
        assert!(!ran.stdout.contains("hunter2"), "{ran:?}");
    }
}

#[test]
fn a_message_is_shown_as_slack_shows_it_and_nothing_is_run() {
    let sandbox = sandbox();
    let output = sandbox.file("output.txt", "91%\n");
    let ran = sandbox.run(&["preview", "disk", "--stdout", &output.to_string_lossy()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("Bot APP ") && ran.stdout.contains("in #ops\n91% on web-1\n"), "{ran:?}");
    assert_eq!(ran.stderr, "");
    assert_eq!(sandbox.read("ran"), "");
    assert!(!sandbox.path().join("ran").exists(), "the command was run");

    let ran = sandbox.run(&["preview", "check", "--exit", "2"]);
    assert!(ran.stdout.contains("in #pager\n"), "{ran:?}");
    assert!(
        ran.stdout.contains("check critical: (what the command says about its failure)")
            && ran.stdout.contains("@here"),
        "{ran:?}"
    );
    assert!(!ran.stdout.contains("┌─") && ran.stdout.contains("▌ Mount\n▌ /var\n"), "{ran:?}");
    assert!(ran.stdout.contains(" Runbook  https://runbooks.example.com/check"), "{ran:?}");
    assert!(!ran.stdout.contains('\u{1b}'), "no colour in a pipe: {ran:?}");
    let ran = sandbox.run(&["preview", "check", "--exit", "2", "--color", "always"]);
    assert!(ran.stdout.contains("\u{1b}[1mcheck"), "{ran:?}");
}

#[test]
fn a_template_that_check_only_warns_of_is_used() {
    let sandbox = sandbox();
    let template = "{% if exit_code == '1' %}never{% endif %}in its own words";
    sandbox.file("jobs.d/mixed.toml", &format!("command = 'true'\nevery = '5m'\ntemplate = \"{template}\"\n"));
    let ran = sandbox.run(&["preview", "mixed"]);
    assert!(ran.code == 0 && ran.stdout.contains("in its own words"), "{ran:?}");
}

#[test]
fn output_comes_from_a_pipe() {
    let sandbox = sandbox();
    let mut child = sandbox
        .command(&["preview", "disk", "--stdout", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("a pipe").write_all(b"<!channel> & 91%\n").expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("<!channel> & 91% on web-1"), "shown as the words that they are: {said}");
}

#[test]
fn the_payload_is_what_slack_would_get() {
    let sandbox = sandbox();
    let output = sandbox.file("output.txt", "<!channel> 91%\n");
    let ran = sandbox.run(&["preview", "disk", "--json", "--stdout", &output.to_string_lossy()]);
    let payload: Value = serde_json::from_str(&ran.stdout).expect("one object");
    assert_eq!((&payload["channel"], &payload["username"]), (&"ops".into(), &"Bot".into()), "{payload}");
    assert_eq!(payload["text"], "*&lt;!channel&gt; 91%* on web-1");
    assert!(payload["blocks"].is_array(), "{payload}");
}

#[test]
fn events_are_what_the_jobs_own_rules_make_of_the_end() {
    let sandbox = sandbox();
    for (arguments, shown) in [
        (&["check", "--exit", "1"][..], "in #ops\n"),
        (&["check", "--event", "repeat"], "same failure, 3rd time"),
        (&["check", "--event", "recovery"], "is well again after 42m"),
        (&["check", "--event", "stuck"], "process 4711"),
        (&["check", "--exit", "75"], "nothing would be sent: not-run"),
        (&["check"], "check critical: (what the command says about its failure)"),
        (&["check", "--exit", "0"], "nothing would be sent: not-asked"),
        (&["check", "--event", "change"], "changed: (what the command prints), was (what it printed the last"),
        (&["check", "--event", "flapping"], "keeps changing: 6 times"),
        (&["quiet", "--exit", "0"], "nothing would be sent: blank"),
    ] {
        let ran = sandbox.run(&[&["preview"], arguments].concat());
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        assert!(ran.stdout.contains(shown), "{arguments:?}: {ran:?}");
    }
    let ran = sandbox.run(&["preview", "check", "--event", "recovery"]);
    assert!(ran.stderr.contains("with this job's settings nothing would be sent"), "{ran:?}");
    let ran = sandbox.run(&["preview", "check"]);
    assert!(ran.stderr.contains("a run that is well sends nothing (not-asked"), "{ran:?}");
    let ran = sandbox.run(&["preview", "json"]);
    assert!(ran.stdout.contains("left out: template failed"), "{ran:?}");
    let ran = sandbox.run(&["preview", "disk", "--event", "recovery", "--exit", "2"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let ran = sandbox.run(&["preview", "disk", "--stdout", "nowhere.txt"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("nowhere.txt cannot be read"), "{ran:?}");
}

#[test]
fn what_is_shown_of_an_event_is_what_the_daemon_would_send() {
    let sandbox = sandbox();
    let output = sandbox.file("output.txt", "one\nloading 12 of 40\n");
    let output = output.to_string_lossy();
    sandbox.file("jobs.d/slow.toml", "command = 'true'\nevery = '5m'\n[notify]\nslow = { over = '90s' }\n");
    sandbox.file("jobs.d/hourly.toml", "command = 'true'\nevery = '1h'\n[notify]\nrepeat = '6h'\nstuck_after = 0\n");
    sandbox.file("jobs.d/nightly.toml", "expect = { cron = '0 3 * * *', grace = '2h' }\ntime_zone = 'UTC'\n");
    for (arguments, shown, said) in [
        (&["slow", "--event", "slow"][..], "takes longer than 1m 30s: still running after 1m 30s", "sample output"),
        (&["slow", "--event", "slow", "--stdout", &output], "(process 4711); last line: loading 12 of 40", ""),
        (&["disk", "--event", "slow"], "takes longer than 10m", "nothing would be sent: `notify.slow` is not set"),
        (&["disk", "--event", "stuck"], "still running after 15m (process 4711), 3 due times passed; last line:", ""),
        (&["hourly", "--event", "stuck"], "still running after 1h", "nothing would be sent: `notify.stuck_after` is 0"),
        (&["hourly", "--event", "repeat"], "same failure, 3rd time in 6h", ""),
        (&["hourly", "--event", "repeat"], "next message at ", ""),
        (&["nightly", "--event", "missing"], "did not run; due 03:00, 2h of grace, last seen ", ""),
    ] {
        let ran = sandbox.run(&[&["preview"], arguments].concat());
        assert!(ran.code == 0 && ran.stdout.contains(shown) && ran.stderr.contains(said), "{arguments:?}: {ran:?}");
        assert_eq!(ran.stderr.contains("nothing would be sent"), said.contains("nothing"), "{arguments:?}: {ran:?}");
    }
    let ran = sandbox.run(&["preview", "slow", "--event", "slow"]);
    assert_eq!(ran.stdout.matches("(what the command prints)").count(), 1, "one line is said once: {ran:?}");
}

#[test]
fn the_conditions_of_a_job_are_judged_on_the_output_that_is_given() {
    let job = "command = 'true'\nevery = '5m'\nparse = 'json'\nwarning_when = 'json.queue > 100'\n\
               critical_when = 'json.queue > 1000'\ntemplate = 'queue: {{ json.queue | default(0) }}'\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", "host = 'web-1'\n"), ("jobs.d/queue.toml", job)]);
    for (queue, says) in [(5, "queue: 5"), (500, "queue warning"), (5000, "queue critical")] {
        let output = sandbox.file("output.json", &format!("{{\"queue\": {queue}}}"));
        let ran = sandbox.run(&["preview", "queue", "--stdout", &output.to_string_lossy()]);
        assert!(ran.code == 0 && ran.stdout.contains(says), "{queue}: {ran:?}");
        assert_eq!(ran.stdout.contains("json.queue > 100"), queue > 100, "it names the condition: {ran:?}");
    }
    // There is nothing to judge.
    let ran = sandbox.run(&["preview", "queue"]);
    assert!(ran.stdout.contains("queue: 0") && ran.stderr.contains("which the job's conditions can judge"), "{ran:?}");
}

#[test]
fn a_job_whose_runs_wait_for_a_place_is_shown_as_the_daemon_tells_it() {
    let sandbox = sandbox();
    let ran = sandbox.run(&["preview", "check", "--event", "starved"]);
    let held = "64 of 64 places are taken: 64 by (another job) (limits.max_running)";
    assert!(ran.code == 0 && ran.stdout.contains("critical: waits for a free place since "), "{ran:?}");
    assert!(ran.stdout.contains(held) && ran.stdout.contains("#pager") && ran.stderr.is_empty(), "{ran:?}");
    sandbox.file("jobs.d/silent.toml", "command = 'true'\nevery = '5m'\nnotify = { on = [] }\n");
    let ran = sandbox.run(&["preview", "silent", "--event", "starved"]);
    assert!(ran.stdout.contains(held) && ran.stderr.contains("nothing would be sent: "), "{ran:?}");
    sandbox.file("jobs.d/outside.toml", "expect = { every = '1d', grace = '1h' }\n");
    let ran = sandbox.run(&["preview", "outside", "--event", "starved"]);
    assert!(ran.code == 2 && ran.stderr.contains("something else runs this job"), "{ran:?}");
}

#[test]
fn the_fields_of_a_job_are_laid_over_those_of_the_defaults_one_by_one() {
    let defaults = "[defaults]\nping = { url_file = 'hc', output = true }\n[defaults.message.fields]\n\
                    Team = 'ops'\nOwner = 'dana'\nHost = 'any'\n";
    let job = "command = 'true'\nevery = '1h'\ntimeout = '1m'\ntemplate = 'well'\nping = { url = 'https://hc.example.com/1' }\n\
               [message.fields]\nHost = 'db1'\nDisk = 'sda'\nOwner = ''\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", defaults), ("jobs.d/a.toml", job)]);
    let json = sandbox.run(&["preview", "a", "--json"]);
    let text = json.stdout.as_str();
    let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} is not in {json:?}"));
    assert!(at("Team") < at("Host") && at("db1") < at("Disk"), "{text}");
    assert!(!text.contains("any") && !text.contains("Owner"), "a blank one is left out: {text}");
    let check = sandbox.run(&["check"]);
    assert!(!check.stdout.contains("error["), "one URL of the job takes the place of the other: {check:?}");
}

#[test]
fn the_json_of_the_last_run_is_the_sample_where_there_is_one() {
    let job = |number| {
        format!(
            "command = \"echo '{{\\\"free\\\": {number}}}'\"\nevery = \"1h\"\nparse = \"json\"\n\
             template = \"{{{{ json.free }}}} free\"\n"
        )
    };
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/a.toml", &job(5))]);
    let ran = sandbox.run(&["preview", "a"]);
    let words =
        "sample output is shown, of which standard output is `{}`: there is no run whose JSON is kept; --stdout FILE";
    assert!(ran.stderr.contains(words), "{ran:?}");
    let daemon = sandbox.start(&["run"]);
    sandbox.wait_for("a run", || sandbox.run(&["history", "a"]).stdout.contains("ok").then_some(()));
    daemon.signal("TERM");
    daemon.end();
    let ran = sandbox.run(&["preview", "a"]);
    assert!(ran.code == 0 && ran.stdout.contains("5 free"), "{ran:?}");
    assert!(ran.stderr.contains("slack-alert: what run 1 printed is shown; --stdout FILE"), "{ran:?}");
    let given = sandbox.file("given.json", "{\"free\": 6}");
    let ran = sandbox.run(&["preview", "a", "--stdout", &given.to_string_lossy()]);
    assert!(ran.stdout.contains("6 free") && ran.stderr.is_empty(), "{ran:?}");
}

#[test]
fn a_secret_that_is_missing_keeps_nobody_from_looking_at_messages() {
    let config = "[slack]\ntoken_file = 'nowhere'\nchannel = '#ops'\n";
    let job = "command = 'echo well'\nevery = '1h'\ntemplate = '{{ stdout }}'\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", config), ("jobs.d/a.toml", job)]);
    for arguments in [&["preview", "a"][..], &["simulate", "--for", "1h"], &["once", "a"]] {
        let ran = sandbox.run(arguments);
        assert!(ran.code == 0 && !ran.stdout.is_empty(), "{arguments:?}: {ran:?}");
    }
    let ran = sandbox.run(&["once", "a", "--post"]);
    assert!(ran.code == 1 && ran.stderr.contains("nowhere does not exist"), "{ran:?}");
    sandbox.file("slack_alert.toml", &format!("{config}chanel = '#b'\n"));
    let ran = sandbox.run(&["preview", "a"]);
    assert!(ran.code == 1 && ran.stderr.contains("unknown key `chanel`"), "{ran:?}");
}
