//! `init`: from an empty folder to a first message.

use crate::support::program::Sandbox;

#[test]
fn from_an_empty_folder_to_the_first_message_by_the_commands_that_it_says() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["init"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("wrote slack_alert.toml: ") && ran.stdout.contains("wrote jobs.d/disk.toml: "));
    // What it points to is there without a package too.
    let config = sandbox.read("slack_alert.toml");
    for path in ["packaging/slack-app-manifest.yaml", "man/slack_alert.toml.5"] {
        assert!(config.contains(path), "{config}");
        assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path).is_file(), "{path}");
    }
    for command in ["  slack-alert check ", "  slack-alert once disk ", "  slack-alert run "] {
        assert!(ran.stdout.contains(command), "{}", ran.stdout);
    }
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 80), "{}", ran.stdout);
    let checked = sandbox.run(&["check", "--deny-warnings"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let once = sandbox.run(&["once", "disk"]);
    assert!(once.code == 0 && once.stdout.contains("message (output)"), "{once:?}");
    let mut going = sandbox.start(&["run", "--dry-run"]);
    going.wait_for("disk space on ");
    going.signal("INT");
    assert!(going.end().0.success());
}

#[test]
fn nothing_is_ever_overwritten() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "host = 'mine'\n")]);
    let ran = sandbox.run(&["init"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("slack_alert.toml exists already: nothing was written"), "{ran:?}");
    assert_eq!(sandbox.read("slack_alert.toml"), "host = 'mine'\n");
    assert!(!sandbox.path().join("jobs.d").exists());
    // A link that leads nowhere is somebody's too.
    let linked = Sandbox::new();
    std::os::unix::fs::symlink("elsewhere", linked.path().join("slack_alert.toml")).expect("links can be made");
    assert_eq!(linked.run(&["init"]).code, 1);
    assert!(!linked.path().join("elsewhere").exists());
    let with_jobs = Sandbox::with(&[("jobs.d/disk.toml", "command = 'echo mine'\nevery = '1h'\n")]);
    let ran = with_jobs.run(&["init"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("left jobs.d as it is"), "{ran:?}");
    assert_eq!(with_jobs.read("jobs.d/disk.toml"), "command = 'echo mine'\nevery = '1h'\n");
}

#[test]
fn another_folder_is_made_and_the_commands_name_its_configuration() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["init", "my alerts"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("slack-alert --config 'my alerts/slack_alert.toml' once disk"), "{}", ran.stdout);
    let once = sandbox.run(&["--config", "my alerts/slack_alert.toml", "once", "disk"]);
    assert_eq!(once.code, 0, "{once:?}");
}

#[test]
fn a_folder_of_jobs_that_is_none_is_said_before_anything_is_written() {
    let sandbox = Sandbox::new();
    sandbox.file("jobs.d", "");
    std::os::unix::fs::symlink("nowhere", sandbox.path().join("link")).expect("a link");
    std::fs::create_dir(sandbox.path().join("other")).expect("a folder");
    std::fs::rename(sandbox.path().join("link"), sandbox.path().join("other/jobs.d")).expect("it is moved");
    for folder in [".", "other"] {
        let ran = sandbox.run(&["init", folder]);
        assert!(ran.code == 1 && ran.stderr.contains("jobs.d is there and is no folder"), "{ran:?}");
        assert!(!sandbox.path().join(folder).join("slack_alert.toml").exists());
    }
}

#[test]
fn a_file_in_the_place_of_the_folder_is_said_to_be_one() {
    let sandbox = Sandbox::with(&[("notes.toml", "x = 1\n")]);
    let ran = sandbox.run(&["init", "notes.toml"]);
    assert!(ran.code == 2 && ran.stderr.contains("notes.toml is no folder: nothing was written"), "{ran:?}");
    assert_eq!(sandbox.read("notes.toml"), "x = 1\n");
}
