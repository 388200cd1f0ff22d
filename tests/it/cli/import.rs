//! `import`: from a crontab or a plugin folder to jobs that pass `check`, as its user runs it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::program::Sandbox;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The errors that `check` finds, those about this machine aside: it need not have the programs and users.
fn errors(sandbox: &Sandbox) -> Vec<String> {
    let ran = sandbox.run(&["check", "--format", "json"]);
    let problems = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object a line"));
    let machine = ["command-not-found", "unknown-user", "missing-file", "unreadable-file"];
    problems
        .filter(|problem| problem["level"] == "error" && !machine.iter().any(|code| problem["code"] == *code))
        .map(|problem| problem.to_string())
        .collect()
}

#[test]
fn a_crontab_becomes_jobs_that_pass_check_and_a_second_time_changes_nothing() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "")]);
    let crontab =
        sandbox.file("mine", "MAILTO=me\n# every night\n30 3 * * Mon-Fri /usr/bin/true --all\n@reboot /bin/x\n");
    let crontab = crontab.to_string_lossy();
    let ran = sandbox.run(&["import", "crontab", &crontab, "--dry-run"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("+cron = \"30 3 * * mon-fri\"") && ran.stderr.contains("would create"), "{ran:?}");
    assert!(!sandbox.path().join("jobs.d").exists(), "nothing is written");

    let ran = sandbox.run(&["import", "crontab", &crontab]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("created") && ran.stdout.contains("jobs.d/"), "{ran:?}");
    assert!(ran.stderr.contains(":4: ") && ran.stderr.contains("@reboot"), "what is left is said: {ran:?}");
    assert_eq!(errors(&sandbox), [""; 0]);
    let listed: Value = serde_json::from_str(&sandbox.run(&["list", "--json"]).stdout).expect("a list");
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");

    let ran = sandbox.run(&["import", "crontab", &crontab, "--json"]);
    let told: Value = serde_json::from_str(&ran.stdout).expect("one object");
    assert!(told["files"].as_array().is_some_and(|files| files.iter().all(|file| file["action"] == "same")), "{told}");
    assert!(told["notes"].as_array().is_some_and(|notes| !notes.is_empty()), "{told}");
}

#[test]
fn the_target_is_where_the_configuration_is_or_where_it_is_told() {
    let sandbox = Sandbox::new();
    let crontab = sandbox.file("mine", "0 3 * * * root /usr/bin/true\n");
    let crontab = crontab.to_string_lossy();
    sandbox.file("conf/slack_alert.toml", "");
    for (arguments, written) in [
        (&["--to", "there", "--system"][..], "there/jobs.d/true.toml"),
        (&["--system"], "jobs.d/true.toml"),
        (&["--config", "conf/slack_alert.toml", "--system"], "conf/jobs.d/true.toml"),
    ] {
        let ran = sandbox.run(&[&["import", "crontab", &crontab], arguments].concat());
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        assert!(sandbox.read(written).contains("user = \"root\""), "{arguments:?}: {ran:?}");
    }
    for (arguments, code) in [
        (&["import", "crontab", "nowhere"][..], 1),
        (&["import", "plugins", "nowhere"], 1),
        (&["import"], 2),
        (&["import", "crontab", "x", "--system", "--user"], 2),
        (&["import", "crontab", &crontab, "--config", "nowhere.toml"], 2),
    ] {
        assert_eq!(sandbox.run(arguments).code, code, "{arguments:?}");
    }
}

#[test]
fn plugins_and_their_configuration_become_jobs_that_pass_check() {
    let sandbox = Sandbox::new();
    let fixtures = root().join("tests/fixtures/import");
    {
        let (from, conf) = (fixtures.join("plugins"), fixtures.join("slack_alert.conf"));
        let (from, conf) = (from.to_string_lossy(), conf.to_string_lossy());
        let ran = sandbox.run(&["import", "plugins", &from, "--conf", &conf]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stdout.contains("slack_alert.toml"), "{ran:?}");
    }
    assert_eq!(errors(&sandbox), [""; 0], "bursts that wait for their first run are among them");
    assert!(sandbox.run(&["list"]).stdout.lines().count() > 1);
}

#[test]
fn the_python_tools_configuration_is_found_beside_the_plugins_or_at_home() {
    let plugin = "@deco(seconds=2)\ndef one():\n    return 'hello'\n";
    let sandbox =
        Sandbox::with(&[("bot/plugins/a.py", plugin), (".config/slack_alert.conf", "[slack]\nchannel = home\n")]);
    let channel = |from: &str| {
        let ran = sandbox.run(&["import", "plugins", from, "--dry-run", "--to", "new"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.stdout.lines().find_map(|line| line.strip_prefix("+channel = ")).unwrap_or_default().to_owned()
    };
    assert_eq!(channel("bot"), "\"#home\"");
    sandbox.file("bot/slack_alert.conf", "[slack]\nchannel = bot\n");
    assert_eq!((channel("bot").as_str(), channel("bot/plugins").as_str()), ("\"#bot\"", "\"#bot\""));
    let ran = sandbox.run(&["import", "plugins", "bot", "--dry-run", "--ignore-global-config", "--to", "new"]);
    assert!(ran.stderr.contains("the Python tool's configuration is bot/slack_alert.conf"), "{ran:?}");
}

#[test]
#[expect(clippy::disallowed_macros, reason = "says why it is skipped")]
fn crontabs_of_debian_packages_pass_check() {
    let mut files = Vec::new();
    let mut folders = vec![root().join("target/cron.d-samples")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
        }
    }
    if files.is_empty() {
        println!("skipped: run tests/fetch-crontabs first");
        return;
    }
    for file in files {
        let sandbox = Sandbox::with(&[("slack_alert.toml", "")]);
        let ran = sandbox.run(&["import", "crontab", &file.to_string_lossy()]);
        assert_eq!(ran.code, 0, "{}: {ran:?}", file.display());
        assert_eq!(errors(&sandbox), [""; 0], "{}", file.display());
    }
}
