//! `completions`: scripts that the shells take, and job names in them.

use std::process::Command;

use crate::support::program::Sandbox;
use crate::support::skip::skip;

fn sandbox() -> Sandbox {
    let job = "command = \"true\"\nevery = \"1h\"\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", "")]);
    for name in ["disk", "db/backup", "db/vacuum"] {
        sandbox.file(&format!("jobs.d/{name}.toml"), job);
    }
    sandbox
}

#[test]
fn every_shell_has_a_script() {
    let sandbox = sandbox();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = sandbox.run(&["completions", shell]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{shell}");
        assert!(ran.stdout.contains("simulate"), "{shell}");
    }
    assert_eq!(sandbox.run(&["completions", "csh"]).code, 2);
    let ran = sandbox.run(&["list", "--names"]);
    assert_eq!(ran.stdout, "db/backup\ndb/vacuum\ndisk\n");
}

/// What bash offers for a line that ends here.
fn bash(sandbox: &Sandbox, line: &[&str]) -> Vec<String> {
    let script = sandbox.run(&["completions", "bash"]).stdout;
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_slack-alert"));
    let words = line.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let (last, before) = (line[line.len() - 1], line[line.len() - 2]);
    let ask = format!(
        "compopt() {{ :; }}\n{script}\nCOMP_WORDS=({words}); COMP_CWORD={}\n_slack__alert_with_jobs slack-alert '{last}' '{before}'\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        line.len() - 1
    );
    let path = format!("{}:/usr/bin:/bin", program.parent().expect("a folder").display());
    let output = Command::new("bash")
        .args(["-c", &ask])
        .current_dir(sandbox.path())
        .env("PATH", path)
        .env("RUNTIME_DIRECTORY", sandbox.path().join("run"))
        .env("STATE_DIRECTORY", sandbox.path().join("state"))
        .output();
    let output = output.expect("bash is there");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8_lossy(&output.stdout).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_jobs() {
    let sandbox = sandbox();
    assert!(bash(&sandbox, &["slack-alert", "sim"]).contains(&"simulate".to_owned()));
    assert_eq!(bash(&sandbox, &["slack-alert", "once", ""]), ["db/backup", "db/vacuum", "disk"]);
    assert_eq!(bash(&sandbox, &["slack-alert", "why", "db/v"]), ["db/vacuum"]);
    assert_eq!(bash(&sandbox, &["slack-alert", "simulate", "disk", "db/b"]), ["db/backup"]);
    assert!(bash(&sandbox, &["slack-alert", "history", "--fa"]).contains(&"--failed".to_owned()));
    assert_eq!(bash(&sandbox, &["slack-alert", "--config", "slack_alert.toml", "once", "di"]), ["disk"]);
}

#[test]
fn bash_completes_what_asks_the_daemon() {
    let sandbox = sandbox();
    let jobs = ["db/backup", "db/vacuum", "disk"];
    for command in ["status", "trigger", "pause", "resume", "ack"] {
        assert_eq!(bash(&sandbox, &["slack-alert", command, ""]), jobs, "{command}");
    }
    assert_eq!(bash(&sandbox, &["slack-alert", "silence", "d"]), ["db/backup", "db/vacuum", "disk"]);
    assert_eq!(bash(&sandbox, &["slack-alert", "silence", "e"]), ["end"]);
    assert_eq!(bash(&sandbox, &["slack-alert", "silence", "disk", "2"]), [""; 0], "a length of time is typed");
    assert_eq!(bash(&sandbox, &["slack-alert", "silence", "end", ""]), [""; 0], "no daemon, no silence");

    let mut going = sandbox.start(&["run"]);
    going.wait_for("listening for commands");
    for pattern in ["db/*", "disk"] {
        let ran = sandbox.run(&["silence", pattern, "2h"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    assert_eq!(bash(&sandbox, &["slack-alert", "silence", "end", ""]), ["2", "disk", "1", "db/*"]);
    assert_eq!(bash(&sandbox, &["slack-alert", "silence", "end", "d"]), ["disk", "db/*"]);
    assert!(bash(&sandbox, &["slack-alert", "silence", "list", "--j"]).contains(&"--json".to_owned()));
}

#[test]
fn jobs_that_only_wrap_knows_tags_and_holds_are_offered_where_they_may_stand() {
    let sandbox = sandbox();
    sandbox.file("jobs.d/disk.toml", "command = \"true\"\nevery = \"1h\"\ntags = [\"storage\", \"slow\"]\n");
    assert_eq!(sandbox.run(&["wrap", "--job", "etl/nightly", "--", "true"]).code, 0);
    for command in ["why", "history", "ack", "status", "pause", "resume", "silence"] {
        assert_eq!(bash(&sandbox, &["slack-alert", command, "et"]), ["etl/nightly"], "{command}");
    }
    assert_eq!(bash(&sandbox, &["slack-alert", "once", "et"]), [""; 0], "it has no command here");
    for command in ["status", "pause", "resume", "silence"] {
        assert_eq!(bash(&sandbox, &["slack-alert", command, "ta"]), ["tag:slow", "tag:storage"], "{command}");
        // As bash breaks them.
        assert_eq!(bash(&sandbox, &["slack-alert", command, "tag", ":"]), ["slow", "storage"], "{command}");
        assert_eq!(bash(&sandbox, &["slack-alert", command, "tag", ":", "st"]), ["storage"], "{command}");
    }
    assert_eq!(bash(&sandbox, &["slack-alert", "silence", "tag", ":", "slow", "2"]), [""; 0]);
    assert_eq!(bash(&sandbox, &["slack-alert", "wrap", "--job", "et"]), ["etl/nightly"]);
    assert_eq!(bash(&sandbox, &["slack-alert", "wrap", "--job", "=", "et"]), ["etl/nightly"]);
    assert_eq!(bash(&sandbox, &["slack-alert", "status", "--failing", "di"]), ["disk"], "a flag takes no value");
    assert_eq!(bash(&sandbox, &["slack-alert", "status", "--nagios", "tag", ":", "st"]), ["storage"]);
    assert_eq!(bash(&sandbox, &["slack-alert", "trigger", "--note", "di"]), ["di"], "a note is no job");
    for line in [&["slack-alert", "history", "--run", "s"][..], &["slack-alert", "wrap", "--timeout", "s"]] {
        assert_eq!(bash(&sandbox, line), ["s"], "no name of a file: {line:?}");
    }
    let mut going = sandbox.start(&["run"]);
    going.wait_for("listening for commands");
    assert_eq!(sandbox.run(&["pause", "db/*", "2h"]).code, 0);
    assert_eq!(sandbox.run(&["silence", "disk", "2h"]).code, 0);
    let offered = bash(&sandbox, &["slack-alert", "resume", ""]);
    assert!(
        ["1", "2", "db/*", "etl/nightly"].iter().all(|name| offered.iter().any(|other| other == name)),
        "{offered:?}"
    );
    for shell in ["zsh", "fish"] {
        let script = sandbox.run(&["completions", shell]).stdout;
        for asked in ["list --names=known", "list --names=patterns", "silence list --names=holds"] {
            assert!(script.contains(asked), "{shell}: {asked}");
        }
    }
}

#[test]
fn the_other_shells_take_their_scripts() {
    let sandbox = sandbox();
    for (shell, arguments) in [("zsh", &["-n"][..]), ("fish", &["--no-execute"]), ("bash", &["-n"])] {
        let script = sandbox.file(&format!("script.{shell}"), &sandbox.run(&["completions", shell]).stdout);
        match Command::new(shell).args(arguments).arg(&script).output() {
            Ok(output) => assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => skip(&format!("{shell} cannot be started: {error}; apt-get install {shell}")),
        }
    }
}
