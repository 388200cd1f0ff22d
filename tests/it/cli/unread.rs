//! Commands of somebody whose configuration cannot be read, or is not where they say it is: each says so, and answers what it can.

use std::os::unix::fs::PermissionsExt;

use crate::support::program::Sandbox;

const WAITS: &str = "command = \"true\"\nevery = \"1h\"\nfirst_run = \"wait\"\n";

/// Commands that read the state or the files, those that ask the daemon, and those that need the whole configuration.
const ALL: [&[&str]; 20] = [
    &["list"],
    &["next"],
    &["history"],
    &["why", "x"],
    &["outbox"],
    &["ping"],
    &["status"],
    &["status", "x"],
    &["silence", "list"],
    &["trigger", "x"],
    &["pause", "x"],
    &["resume", "x"],
    &["silence", "x", "1h"],
    &["ack", "x"],
    &["reload"],
    &["once", "x"],
    &["preview", "x"],
    &["simulate"],
    &["check"],
    &["wrap", "--job", "y", "--", "true"],
];

/// A folder in which a daemon has run, and has ended.
fn lived() -> Sandbox {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "reload = \"signal\"\n"), ("jobs.d/x.toml", WAITS)]);
    let mut going = sandbox.start(&["run", "-v"]);
    going.wait_for("listening for commands");
    assert_eq!(sandbox.run(&["trigger", "--wait", "x"]).code, 0);
    going.signal("TERM");
    going.end();
    sandbox
}

#[test]
fn every_command_says_once_that_the_configuration_cannot_be_read() {
    for (how, why) in [("folder", "it is no regular file"), ("link", "the file does not exist")] {
        let sandbox = lived();
        let config = sandbox.path().join("slack_alert.toml");
        std::fs::remove_file(&config).expect("it is a file");
        match how {
            "folder" => std::fs::create_dir(&config).expect("a folder"),
            _ => std::os::unix::fs::symlink("nowhere", &config).expect("a link"),
        }
        for arguments in ALL {
            let ran = sandbox.run(arguments);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert_eq!(said.matches(why).count(), 1, "{how} {arguments:?}: {ran:?}");
            assert!(said.contains("slack_alert.toml"), "{how} {arguments:?}: {ran:?}");
        }
        // What the state knows is answered all the same.
        for (arguments, words) in
            [(&["history"][..], "exited with 0"), (&["why", "x"], "run 1 "), (&["list"], "every 1h")]
        {
            let ran = sandbox.run(arguments);
            assert!(ran.code == 0 && ran.stdout.contains(words), "{how} {arguments:?}: {ran:?}");
            assert!(ran.stderr.contains("\n  help: "), "{how} {arguments:?}: {ran:?}");
        }
    }
}

#[test]
fn a_configuration_of_somebody_else_is_said_to_be_that() {
    if !nix::unistd::geteuid().is_root() {
        return crate::support::skip::skip("only root can become another user");
    }
    let sandbox = lived();
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(sandbox.path().join("slack_alert.toml"), mode(0o640)).expect("a mode");
    for arguments in ALL {
        let ran = sandbox.run_as_stranger(arguments);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(said.matches("slack_alert.toml").count(), 1, "{arguments:?}: {ran:?}");
        assert!(said.contains("the file cannot be read: Permission denied"), "{arguments:?}: {ran:?}");
        let is_wrap = arguments[0] == "wrap";
        assert!(is_wrap || said.contains("it belongs to root:root, mode 0640"), "{arguments:?}: {ran:?}");
    }
    let ran = sandbox.run_as_stranger(&["ping"]);
    assert!(ran.stderr.contains("whether a token is configured is not known"), "{ran:?}");
    // One that lies where somebody may not look is not taken for one that is not there.
    let config = sandbox.path().join(".config/slack-alert");
    std::fs::create_dir_all(&config).expect("a folder");
    std::fs::rename(sandbox.path().join("slack_alert.toml"), config.join("slack_alert.toml")).expect("moved");
    std::fs::set_permissions(&config, mode(0o700)).expect("a mode");
    let ran = sandbox.run_as_stranger(&["list"]);
    assert!(ran.code == 2 && ran.stderr.contains("/slack_alert.toml (where you may not look)"), "{ran:?}");
}

#[test]
fn somebody_who_may_not_ask_the_daemon_is_not_told_that_none_runs() {
    if !nix::unistd::geteuid().is_root() {
        return crate::support::skip::skip("only root can become another user");
    }
    let sandbox = lived();
    let mut daemon = sandbox.start(&["run", "-v"]);
    daemon.wait_for("listening for commands");
    let ran = sandbox.run_as_stranger(&["status", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&ran.stdout).expect("one object");
    assert_eq!((ran.code, &told["error"]["code"]), (1, &"forbidden".into()), "{ran:?}");
    daemon.signal("TERM");
    daemon.end();
}

#[test]
fn a_configuration_that_was_named_and_is_not_there_is_an_error_of_every_command() {
    let sandbox = lived();
    let _daemon = {
        let mut going = sandbox.start(&["run", "-v"]);
        going.wait_for("listening for commands");
        going
    };
    for (option, why) in [("--config", "does not exist"), ("--path", "there is no such folder")] {
        for arguments in ALL {
            let ran = sandbox.run(&[&[option, "nowhere"], arguments].concat());
            assert!(ran.stderr.contains(why), "{option} {arguments:?}: {ran:?}");
            // The command of `wrap` ends as it would without it.
            let code = if arguments[0] == "wrap" { 0 } else { 2 };
            assert_eq!(ran.code, code, "{option} {arguments:?}: {ran:?}");
        }
    }
    let ran = sandbox.run(&["--path", "jobs.d/x.toml", "list"]);
    assert!(ran.code == 2 && ran.stderr.contains("it is no folder"), "{ran:?}");
    assert_eq!(sandbox.run(&["list"]).code, 0);
}

#[test]
fn wrap_beside_a_state_of_somebody_else_says_whose_it_is_and_what_to_do() {
    if !nix::unistd::geteuid().is_root() {
        return crate::support::skip::skip("only root can become another user");
    }
    let ran = lived().run_as_stranger(&["wrap", "--job", "other", "--", "sh", "-c", "exit 3"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("nobody was told: ") && ran.stderr.contains("/state belongs to root"), "{ran:?}");
    assert!(ran.stderr.contains("\n  help: start root's daemon"), "{ran:?}");
}
