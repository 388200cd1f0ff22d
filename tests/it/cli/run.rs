//! `slack-alert run`: the daemon as its user starts it, on the terminal.

use crate::support::program::Sandbox;

#[test]
fn messages_go_to_the_terminal_when_no_token_is_set() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "host = \"web-1\"\n"),
        (
            "jobs.d/hello.toml",
            "command = \"echo hello\"\nevery = \"1h\"\ntemplate = \"{{ job.name }} says {{ stdout | trim }}\"\n",
        ),
    ]);
    let mut going = sandbox.start(&[]);
    going.wait_for("hello says hello");
    going.signal("TERM");
    let (status, said) = going.end();
    assert_eq!(status.code(), Some(0), "{said}");
}

#[test]
fn a_bad_job_file_is_not_loaded_and_the_others_run() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", ""),
        ("jobs.d/bad.toml", "command = \"echo never\"\nevrey = \"1h\"\n"),
        ("jobs.d/good.toml", "command = \"echo I am well\"\nevery = \"1h\"\n"),
    ]);
    let mut going = sandbox.start(&["run", "--dry-run"]);
    going.wait_for("is not loaded");
    going.wait_for("I am well");
    going.signal("INT");
    let (status, said) = going.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("jobs.d/bad.toml:2:1"), "{said}");
    assert!(!said.contains("never"), "{said}");
}

#[test]
fn a_folder_in_the_defaults_that_is_not_there_fails_the_runs_that_need_it_and_nothing_else() {
    let defaults = "[defaults]\nworking_dir = \"/no/such/folder\"\ntimeout = \"1m\"\nenv = { X = \"well\" }\n";
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", defaults),
        ("jobs.d/needs.toml", "command = \"echo never\"\nevery = \"1h\"\n"),
        ("jobs.d/own.toml", "command = \"echo I am $X\"\nevery = \"1h\"\nworking_dir = \"/\"\n"),
    ]);
    let checked = sandbox.run(&["check"]);
    assert!(checked.stdout.contains("error[missing-file]: `working_dir`: /no/such/folder"), "{checked:?}");
    assert!(!checked.stdout.contains("no-timeout"), "the other defaults count: {checked:?}");
    let mut going = sandbox.start(&["run", "--dry-run"]);
    going.wait_for("needs critical: working directory /no/such/folder does not exist");
    going.signal("INT");
    let (status, said) = going.end();
    assert_eq!(status.code(), Some(0), "{said}");
    let ran = sandbox.run(&["once", "own"]);
    assert!(ran.code == 0 && ran.stdout.starts_with("I am well"), "{ran:?}");
}

#[test]
fn strict_refuses_to_start_with_a_bad_job_file() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", ""),
        ("jobs.d/bad.toml", "command = \"echo never\"\n"),
        ("jobs.d/good.toml", "command = \"echo I am well\"\nevery = \"1h\"\n"),
    ]);
    let ran = sandbox.run(&["run", "--strict"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("[missing-key]") && !ran.stdout.contains("I am well"), "{ran:?}");
}

#[test]
fn errors_in_the_configuration_itself_stop_the_start() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "hots = \"x\"\n"),
        ("jobs.d/good.toml", "command = \"true\"\nevery = \"1h\"\n"),
    ]);
    let ran = sandbox.run(&[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("did you mean `host`?"), "{ran:?}");
}

#[test]
fn what_is_wrong_with_the_machine_keeps_no_job_from_loading() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", ""),
        ("jobs.d/gone.toml", "command = [\"/no/such/program\"]\nevery = \"1h\"\n"),
    ]);
    let mut going = sandbox.start(&["run", "--dry-run"]);
    going.wait_for("could not be started");
    going.signal("TERM");
    assert_eq!(going.end().0.code(), Some(0));
}

#[test]
fn three_alerts_are_exactly_three_and_the_third_says_that_the_job_pauses() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", ""),
        (
            "jobs.d/tick.toml",
            "command = \"echo tick\"\nevery = \"20ms\"\ntemplate = \"tick {{ run.number }}\"\n\
             [notify]\nstuck_after = 0\n",
        ),
        ("jobs.d/last.toml", "command = \"echo the end\"\nevery = \"1h\"\nfirst_run = \"wait\"\n"),
    ]);
    let mut going = sandbox.start(&["run", "--dry-run", "--max-alert", "3", "--pause-time", "60"]);
    going.wait_for("tick 3");
    going.wait_for("pauses for");
    going.signal("TERM");
    let (_, said) = going.end();
    assert!(!said.contains("tick 4"), "{said}");
}

#[test]
fn stopping_gives_runs_their_grace_and_then_ends_them() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "[limits]\nshutdown_grace = \"100ms\"\n"),
        ("jobs.d/long.toml", "command = \"exec sleep 600\"\nevery = \"1h\"\n"),
    ]);
    let mut going = sandbox.start(&["run", "--dry-run", "-v"]);
    going.wait_for("start job=long");
    going.signal("TERM");
    going.wait_for("grace is over");
    let (status, said) = going.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("interrupted"), "the end of the run is told: {said}");
}

#[test]
fn logs_are_json_when_asked() {
    let sandbox =
        Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/good.toml", "command = \"exit 3\"\nevery = \"1h\"\n")]);
    let mut going = sandbox.start(&["run", "--dry-run", "--log-format", "json"]);
    let line = going.wait_for("\"job\":\"good\"");
    let told: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
    assert_eq!((&told["status"], &told["decision"]), (&"critical".into(), &"notified: failure".into()), "{told}");
    going.signal("TERM");
    assert_eq!(going.end().0.code(), Some(0));
}

#[test]
fn a_folder_of_jobs_that_cannot_be_seen_takes_no_job_away() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", ""),
        (
            "jobs.d/tick.toml",
            "command = \"echo tick\"\nevery = \"900ms\"\ntemplate = \"tick {{ run.number }}\"\n[notify]\nrate_limit = \"1000000/h\"\n",
        ),
    ]);
    let (folder, away) = (sandbox.path().join("jobs.d"), sandbox.path().join("away"));
    let mut going = sandbox.start(&["run", "--dry-run"]);
    going.wait_for("tick ");
    std::fs::rename(&folder, &away).expect("a folder can be renamed");
    for _ in 0..2 {
        going.signal("HUP");
        going.wait_for("reloaded jobs=1 added=0 changed=0 removed=0 not_loaded=1");
    }
    going.wait_for("tick ");
    std::fs::rename(&away, &folder).expect("a folder can be renamed");
    going.signal("HUP");
    going.wait_for("reloaded jobs=1 added=0 changed=0 removed=0 not_loaded=0");
    going.wait_for("tick ");
    going.signal("TERM");
    let (status, said) = going.end();
    assert!(status.success(), "{said}");
    assert_eq!(
        said.matches("the folder cannot be read; its jobs stay as they were folder=jobs.d").count(),
        1,
        "{said}"
    );
    assert_eq!(said.matches("the folder can be read again folder=jobs.d").count(), 1, "{said}");
}

#[test]
fn a_daemon_on_a_terminal_ends_when_the_terminal_is_closed_and_reloads_at_a_hup_before_that() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "limits.shutdown_grace = '1s'\n"),
        ("jobs.d/long.toml", "command = 'echo $$ > pid; exec sleep 1000'\nevery = '1h'\n"),
    ]);
    let program = format!("exec {} -v run", env!("CARGO_BIN_EXE_slack-alert"));
    // script(1) gives the program a terminal, and takes it along when it is killed.
    let mut going = sandbox.start_with(|command| {
        let (folder, environment) = (command.get_current_dir().map(ToOwned::to_owned), command.get_envs());
        let mut script = std::process::Command::new("script");
        script.args(["-qefc", &program, "/dev/null"]).current_dir(folder.unwrap_or_else(|| sandbox.path().into()));
        script.envs(environment.filter_map(|(key, value)| Some((key, value?)))).env("NO_COLOR", "1");
        script.stdin(std::process::Stdio::null());
        *command = script;
    });
    going.wait_for("started jobs=1");
    let children = format!("/proc/{0}/task/{0}/children", going.pid());
    let daemon = std::fs::read_to_string(children).expect("it runs").trim().to_owned();
    let hung_up = std::process::Command::new("kill").args(["-HUP", &daemon]).status();
    assert!(hung_up.expect("kill(1) exists").success());
    going.wait_for("reloaded jobs=1");
    let run = sandbox.wait_for("the run", || sandbox.read("pid").trim().parse::<u32>().ok());
    going.signal("KILL");
    for process in [daemon.parse().expect("a number"), run] {
        let is_gone = || !std::path::Path::new(&format!("/proc/{process}/stat")).exists();
        sandbox.wait_for("the end of the process", || is_gone().then_some(()));
    }
    drop(going);
}

#[test]
fn on_a_terminal_there_is_one_line_at_the_start_and_then_messages() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "host = 'web-1'\n"),
        ("jobs.d/hello.toml", "command = 'echo hello'\nevery = '1h'\ntemplate = 'hello says {{ stdout }}'\n"),
        ("jobs.d/later.toml", "command = 'echo later'\nevery = '10m'\nfirst_run = 'wait'\n"),
    ]);
    for (verbose, lines) in [("", false), (" -v", true)] {
        let program = format!("exec {}{verbose} run --dry-run", env!("CARGO_BIN_EXE_slack-alert"));
        // script(1) gives the program a terminal.
        let mut going = sandbox.start_with(|command| {
            let mut script = std::process::Command::new("script");
            script.args(["-qefc", &program, "/dev/null"]).current_dir(sandbox.path()).env("NO_COLOR", "1");
            script.stdin(std::process::Stdio::null());
            *command = script;
        });
        if lines {
            going.wait_for("INFO started jobs=2");
        } else {
            going.wait_for("web-1: 2 jobs; next: hello now, later in 10m; messages go to this terminal");
        }
        going.wait_for("hello says hello");
        let children = format!("/proc/{0}/task/{0}/children", going.pid());
        let children = std::fs::read_to_string(children).expect("it runs");
        let killed = std::process::Command::new("kill").arg(children.trim()).status();
        assert!(killed.expect("kill(1) exists").success());
        let (_, said) = going.end();
        assert_eq!(said.contains("INFO"), lines, "{said}");
    }
}
