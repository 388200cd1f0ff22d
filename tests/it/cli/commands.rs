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
        ("quiet", 0, "no message: blank, "),
    ] {
        let ran = sandbox.run(&["once", job]);
        assert_eq!(ran.code, code, "{job}: {ran:?}");
        assert!(ran.stdout.contains(shown), "{job}: `{shown}` is missing in {}", ran.stdout);
    }
}

#[test]
fn output_that_cannot_be_written_is_told_of_and_once_keeps_the_code_of_its_command() {
    let sandbox = jobs(&[("bad", "command = \"exit 7\"\nevery = \"1h\"\n")]);
    for (words, code) in [(&["once", "bad"][..], 7), (&["once", "--json", "bad"], 7), (&["list"], 1), (&["schema"], 1)]
    {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full can be opened");
        let ran = sandbox.command(words).stdout(full).output().expect("it starts");
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(code), "{words:?}: {stderr}");
        let line = "slack-alert: standard output could not be written: no space left on device";
        assert_eq!(stderr.matches(line).count(), 1, "{words:?}: {stderr}");
    }
}

#[test]
fn once_shows_the_output_how_it_ended_and_why_there_is_a_message_or_none() {
    let sandbox = jobs(&[
        ("calm", "command = \"echo three; echo lines >&2; echo of it\"\nevery = \"1h\"\nnotify.on = [\"failure\"]\n"),
        ("bad", "command = \"echo oh no; exit 7\"\nevery = \"1h\"\n"),
        ("skipped", "command = \"exit 75\"\nevery = \"1h\"\nexit_codes = { skip = [75] }\n"),
    ]);
    let skipped = sandbox.run(&["once", "skipped"]).stdout;
    assert!(skipped.starts_with("counts as not run: exited with 75 (took "), "{skipped}");
    assert!(skipped.contains("no message: not-run, `exit_codes.skip` says "), "{skipped}");
    let calm = sandbox.run(&["once", "calm"]).stdout;
    let (output, rest) = calm.split_once("\n\nok: exited with 0 (took ").expect("an outcome after the output");
    let mut lines: Vec<&str> = output.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["lines", "of it", "three"], "{calm}");
    assert!(rest.contains("no message: not-asked, ") && rest.contains("notify.on"), "{calm}");
    let bad = sandbox.run(&["once", "bad"]).stdout;
    assert!(bad.starts_with("oh no\n\ncritical: exited with 7"), "{bad}");
    assert!(bad.contains("message (failure), since it failed, and the failure had not been reported:\n\n"), "{bad}");
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
fn a_command_about_one_job_says_nothing_of_the_errors_of_others() {
    let sandbox =
        jobs(&[("disk", "command = \"echo 42\"\nevery = \"1h\"\n"), ("other", "command = \"true\"\nevrey = \"1h\"\n")]);
    for arguments in [&["once", "disk"][..], &["preview", "disk"]] {
        let ran = sandbox.run(arguments);
        assert_eq!((ran.code, ran.stderr.contains("other")), (0, false), "{ran:?}");
    }
}

#[test]
fn a_job_that_is_not_loaded_says_why() {
    let sandbox = jobs(&[("disk", "command = \"true\"\nevrey = \"1h\"\n")]);
    let ran = sandbox.run(&["once", "disk"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("jobs.d/disk.toml:") && ran.stderr.contains("not loaded"), "{ran:?}");
}

#[test]
fn a_users_folder_that_is_no_absolute_path_is_ignored() {
    let conf = ("settings/slack-alert/slack_alert.toml", "host = 'web-1'\n");
    let sandbox = Sandbox::with(&[conf]).variable("XDG_CONFIG_HOME", "settings");
    let ran = sandbox.run(&["list"]);
    assert!(ran.code == 2 && ran.stderr.contains("no configuration found"), "{ran:?}");
    let folder = sandbox.path().join("settings");
    let sandbox = sandbox.variable("XDG_CONFIG_HOME", folder.to_str().expect("the folder's name is text"));
    assert!(!sandbox.run(&["list"]).stderr.contains("no configuration found"));
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
    assert!(ran.stdout.contains("not within ten years") && ran.stdout.contains("not enabled"), "{}", ran.stdout);
}

#[test]
fn the_times_of_an_interval_that_never_ran_count_from_the_time_that_is_asked_about() {
    let sandbox = jobs(&[
        ("hourly", "command = \"true\"\nevery = \"1h\"\n"),
        ("burst", "command = \"true\"\nburst = { every = \"2s\", runs = 3, pause = \"1h\" }\n"),
        ("hours", "command = \"true\"\nevery = \"1h\"\nworking_hours = \"02:00-04:00\"\ntime_zone = \"UTC\"\n"),
    ]);
    for (job, expected) in [
        ("hourly", ["2026-12-05T01:00:00Z", "2026-12-05T02:00:00Z"]),
        ("burst", ["2026-12-05T01:00:00Z", "2026-12-05T01:00:02Z"]),
        ("hours", ["2026-12-05T02:00:00Z", "2026-12-05T03:00:00Z"]),
    ] {
        let ran = sandbox.run(&["next", job, "-n", "2", "--from", "2026-12-05T01:00:00Z", "--json"]);
        let told: Value = serde_json::from_str(&ran.stdout).expect("an array");
        let times: Vec<&str> = told.as_array().expect("an array").iter().filter_map(|row| row["at"].as_str()).collect();
        assert_eq!(times, expected, "{job}");
    }
}

#[test]
fn a_configuration_that_is_named_and_not_there_is_an_error_of_every_command() {
    let sandbox = Sandbox::new().variable("SLACK_ALERT_CONFIG", "/no/such/slack_alert.toml");
    for command in ["list", "next", "history"] {
        let ran = sandbox.run(&["--state-dir", "state", command]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{command}: {ran:?}");
        assert!(ran.stderr.contains("/no/such/slack_alert.toml does not exist"), "{command}: {ran:?}");
    }
    // Without any configuration there is no job to list.
    let sandbox = Sandbox::new();
    for command in ["list", "next"] {
        let ran = sandbox.run(&["--ignore-global-config", "--state-dir", "state", command]);
        assert_eq!(ran.code, 2, "{command}: {ran:?}");
    }
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

#[test]
fn a_job_file_with_windows_line_ends_runs_as_one_without() {
    let job = "command = \"\"\"\r\ncd /tmp\r\necho in $(pwd)\r\n\"\"\"\r\nevery = '1h'\r\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", "host = 'h'\r\n"), ("jobs.d/job.toml", job)]);
    let ran = sandbox.run(&["once", "job"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("in /tmp") && !ran.stdout.contains("can't cd"), "{ran:?}");
    // Problems are where they were.
    sandbox.file("jobs.d/job.toml", &format!("{job}evry = '1h'\r\n"));
    let checked = sandbox.run(&["check", "--format", "json"]);
    assert!(checked.stdout.contains("\"line\":6,\"column\":1,"), "{checked:?}");
}

/// Runs the daemon until every one of these words was seen, and ends it in good order.
fn runs_until(sandbox: &Sandbox, words: &[&str]) {
    let mut going = sandbox.start(&["run"]);
    for word in words {
        going.wait_for(word);
    }
    going.signal("TERM");
    let (status, said) = going.end();
    assert!(status.success(), "{said}");
}

#[test]
fn next_and_list_know_what_a_daemon_has_recorded() {
    let sandbox = jobs(&[
        ("hourly", "command = \"echo ran-hourly\"\nevery = \"1h\"\ndescription = \"says so\"\n"),
        ("boot", "command = \"exit 1\"\ncron = \"@reboot\"\n"),
        ("start", "command = \"true\"\ncron = \"0 0 30 2 *\"\nfirst_run = \"always\"\n"),
        // Begins after the others, and ends when they are recorded.
        ("z", "command = \"sleep 2; echo all-done\"\nevery = \"2h\"\n"),
    ]);
    let fresh = sandbox.run(&["next"]);
    let line = |of: &str| fresh.stdout.lines().find(|line| line.contains(of)).unwrap_or_default().to_owned();
    assert!(line("hourly").contains("now"), "{fresh:?}");
    // The daemon that starts next has both run.
    for job in ["  boot  ", "  start  "] {
        assert!(line(job).starts_with("at the next start"), "{fresh:?}");
    }
    runs_until(&sandbox, &["all-done"]);
    let next = sandbox.run(&["next"]);
    let hourly = next.stdout.lines().find(|line| line.contains("hourly")).unwrap_or_default().to_owned();
    assert!(hourly.contains("in 59m"), "{next:?}");
    let list = sandbox.run(&["list"]);
    let line = |name: &str| list.stdout.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(line("hourly").contains(" ok ") && line("hourly").contains("says so"), "{list:?}");
    assert!(line("boot").contains("critical") && line("boot").contains("at each boot"), "{list:?}");
}

#[test]
fn a_job_runs_at_each_start_or_once_after_each_boot() {
    let sandbox = jobs(&[
        ("always", "command = \"echo always >> always\"\nevery = \"1h\"\nfirst_run = \"always\"\n"),
        ("boot", "command = \"echo boot >> boot\"\ncron = \"@reboot\"\n"),
        ("plain", "command = \"echo plain >> plain\"\nevery = \"1h\"\n"),
        ("z", "command = \"sleep 2; echo all-done\"\nevery = \"2h\"\nfirst_run = \"always\"\n"),
    ]);
    for _ in 0..2 {
        runs_until(&sandbox, &["all-done"]);
    }
    assert_eq!(["always", "boot", "plain"].map(|file| sandbox.read(file).lines().count()), [2, 1, 1]);
}

#[test]
fn commands_that_read_need_no_token_that_can_be_read() {
    let sandbox = jobs(&[("a", "command = \"true\"\nevery = \"1h\"\n")]);
    sandbox.file("slack_alert.toml", "[slack]\ntoken_file = \"nowhere\"\nchannel = \"#ops\"\n");
    for command in ["list", "next"] {
        let ran = sandbox.run(&[command]);
        assert!(ran.code == 0 && ran.stdout.contains("every 1h"), "{command}: {ran:?}");
    }
    assert_eq!(sandbox.run(&["check"]).code, 1);
}

#[test]
fn a_run_that_counts_as_not_run_has_no_status_and_no_number() {
    let sandbox = jobs(&[
        ("closed", "command = \"exit 75\"\nevery = \"1h\"\nexit_codes = { skip = [75] }\n"),
        // Ends when the other is recorded.
        ("z", "command = \"sleep 2; echo all-done\"\nevery = \"1h\"\n"),
    ]);
    runs_until(&sandbox, &["all-done"]);
    let rows: Value = serde_json::from_str(&sandbox.run(&["history", "closed", "--json"]).stdout).expect("a list");
    let row = &rows[0];
    assert_eq!((&row["status"], &row["reason"], &row["exit_code"]), (&Value::Null, &Value::Null, &75.into()), "{row}");
    let table = sandbox.run(&["history", "closed"]).stdout;
    assert!(table.contains(" not run ") && !table.contains(" ok "), "{table}");
    let one = sandbox.run(&["history", "--run", &row["id"].to_string()]).stdout;
    assert!(one.contains("of closed, which counts as not run") && one.contains("not run: exited with 75"), "{one}");
}

#[test]
fn an_attempt_that_a_condition_finds_fault_with_is_made_again() {
    let job = |condition: &str| {
        format!(
            "command = \"echo a$SLACK_ALERT_ATTEMPT\"\nevery = \"1h\"\nretries = {{ times = 2, delay = \"10ms\" }}\n{condition}\n"
        )
    };
    let sandbox = jobs(&[
        ("second", &job("critical_when = \"stdout == 'a1'\"")),
        ("never", &job("warning_when = \"stdout != ''\"")),
        ("well", &job("warning_when = \"stdout == 'a2'\"")),
        // Ends when the others are recorded.
        ("z", "command = \"sleep 2; echo all-done\"\nevery = \"1h\"\n"),
    ]);
    let told = |name: &str| {
        let ran = sandbox.run(&["once", name, "--json"]);
        let told: Value = serde_json::from_str(&ran.stdout).expect("one object");
        format!("{} {} {}", told["status"], told["reason"], told["attempts"]).replace('"', "")
    };
    let of_once = ["second", "never", "well"].map(told);
    assert_eq!(of_once, ["ok exit 2", "warning condition 3", "ok exit 1"]);
    // The daemon does the same.
    runs_until(&sandbox, &["all-done"]);
    let rows: Value = serde_json::from_str(&sandbox.run(&["history", "--json"]).stdout).expect("a list");
    let attempts = |name: &str| {
        let row = rows.as_array()?.iter().find(|row| row["job"] == name)?;
        row["attempts"].as_u64()
    };
    assert_eq!(["second", "never"].map(attempts), [Some(2), Some(3)], "{rows}");
}

#[test]
fn a_condition_on_the_output_decides_what_a_run_is() {
    let json = "parse = \"json\"\ncritical_when = \"json.queue > 1000\"\nwarning_when = \"json.queue > 10\"\n";
    let sandbox = jobs(&[
        ("full", &format!("command = '''echo '{{\"queue\": 1204}}' '''\nevery = \"1h\"\n{json}")),
        ("well", "command = \"echo 1\"\nevery = \"1h\"\ncritical_when = \"stdout | int > 1\"\n"),
    ]);
    let ran = sandbox.run(&["once", "full", "--json"]);
    assert!(ran.stdout.contains("\"condition\"") && ran.stdout.contains("critical"), "{ran:?}");
    let ran = sandbox.run(&["once", "full"]);
    assert!(ran.stdout.contains("json.queue > 1000 (it is 1,204)"), "{ran:?}");
    let ran = sandbox.run(&["once", "well", "--json"]);
    assert!(!ran.stdout.contains("condition"), "{ran:?}");
}

#[test]
fn a_narrow_terminal_cuts_neither_times_nor_names() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "time_zone = \"UTC\"\nreload = \"signal\"\n"),
        (
            "jobs.d/reports/monthly.toml",
            "command = \"echo no; exit 2\"\nevery = \"1h\"\nfirst_run = \"wait\"\nworking_hours = \"Mon-Sun 00:00-24:00\"\n\
             description = \"what was sold in the last month, by country\"\n",
        ),
    ]);
    let mut going = sandbox.start(&["run", "-v"]);
    going.wait_for("listening for commands");
    assert_eq!(sandbox.run(&["trigger", "--wait", "reports/monthly"]).code, 2);
    let note = "the database moves to another machine tonight, and this would fail";
    assert_eq!(sandbox.run(&["silence", "reports/monthly", "2h", "--note", note]).code, 0);
    let year = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).year().to_string();
    let silences = sandbox.run(&["silence", "list", "--json"]);
    let until: Value = serde_json::from_str(&silences.stdout).expect("JSON");
    let until: jiff::Timestamp = until[0]["until"].as_str().and_then(|at| at.parse().ok()).expect("a time");
    let until = until.to_zoned(jiff::tz::TimeZone::UTC).strftime("%H:%M").to_string();
    for columns in ["60", "40", "1"] {
        for (arguments, time) in
            [(&["next"][..], year.as_str()), (&["list"], ""), (&["history"], &year), (&["silence", "list"], &until)]
        {
            let mut command = sandbox.command(arguments);
            let output = command.env("COLUMNS", columns).output().expect("the program starts");
            let shown = String::from_utf8_lossy(&output.stdout).into_owned();
            // Where a row does not fit, it is broken between its cells.
            let is_whole = shown.contains(time) && shown.contains("reports/monthly") && !shown.contains("by country");
            assert!(is_whole, "{columns} {arguments:?}: {shown}");
            if let Some(width) = columns.parse().ok().filter(|width| *width >= 40_usize) {
                assert!(shown.lines().all(|line| line.chars().count() <= width), "{columns} {arguments:?}: {shown}");
            }
        }
    }
    // A pipe is as wide as what is written to it.
    let ran = sandbox.run(&["list"]);
    assert!(ran.stdout.contains("by country"), "{ran:?}");
}

#[test]
fn what_is_due_just_then_belongs_to_a_stretch_that_begins_then() {
    let sandbox = jobs(&[
        ("evening", "command = \"true\"\ncron = \"0 18 * * *\"\ntime_zone = \"UTC\"\n"),
        ("night", "command = \"true\"\ncron = \"30 2 * * *\"\n"),
        ("hourly", "command = \"true\"\nevery = \"1h\"\n"),
    ]);
    sandbox.file("slack_alert.toml", "host = \"web-1\"\ntime_zone = \"Europe/Berlin\"\n");
    for (job, from, at) in [
        ("evening", "2030-01-01T18:00:00Z", "2030-01-01T18:00:00Z"),
        ("evening", "2030-01-01T18:00:01Z", "2030-01-02T18:00:00Z"),
        ("hourly", "2030-01-01T18:00:00Z", "2030-01-01T18:00:00Z"),
        // The clock goes from 02:00 to 03:00; in autumn it shows 02:30 twice.
        ("night", "2030-03-31T02:30", "2030-03-31T01:00:00Z"),
        ("night", "2030-03-31T03:00", "2030-03-31T01:00:00Z"),
        ("night", "2030-10-27T02:30", "2030-10-27T00:30:00Z"),
    ] {
        let ran = sandbox.run(&["next", "--json", "-n", "1", "--from", from, job]);
        let next: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        assert_eq!(next[0]["at"], at, "{job} from {from}: {ran:?}");
        let ran = sandbox.run(&["simulate", "-v", "--from", from, "--for", "1m", job]);
        let runs = usize::from(from != "2030-01-01T18:00:01Z");
        assert_eq!(ran.stdout.matches(&format!("run {job} ok")).count(), runs, "{job} from {from}: {ran:?}");
    }
}

#[test]
fn simulate_takes_the_patterns_that_status_and_pause_take() {
    let job = "command = 'true'\nevery = '1h'\nfirst_run = 'wait'\n";
    let tagged = format!("{job}tags = ['night']\n");
    let files = [
        ("slack_alert.toml", ""),
        ("jobs.d/nagios/a.toml", job),
        ("jobs.d/nagios/b.toml", job),
        ("jobs.d/c.toml", &tagged),
    ];
    let sandbox = Sandbox::with(&files);
    for (pattern, jobs) in [("nagios/*", &["nagios/a", "nagios/b"][..]), ("tag:night", &["c"]), ("c", &["c"])] {
        let ran = sandbox.run(&["simulate", "-v", "--for", "90m", pattern]);
        let shown: Vec<&str> = ["nagios/a", "nagios/b", "c"]
            .into_iter()
            .filter(|job| ran.stdout.contains(&format!("run {job} ok")))
            .collect();
        assert_eq!(shown, jobs, "{pattern}: {ran:?}");
    }
    for wrong in ["nagos/*", "tag:day", "d"] {
        let ran = sandbox.run(&["simulate", wrong]);
        assert!(ran.code == 2 && ran.stderr.contains(&format!("there is no job `{wrong}`")), "{ran:?}");
    }
}
