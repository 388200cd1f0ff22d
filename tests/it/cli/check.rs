//! `slack-alert check`: every problem of every file, each with its place; and what `run` makes of bad files.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use crate::support::program::Sandbox;
use crate::support::skip::skip;

const GOOD: &str = "command = \"true\"\nevery = \"1h\"\n";

#[test]
fn a_good_configuration_is_well() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", ""),
        ("jobs.d/good.toml", "command = \"true\"\nevery = \"1h\"\ntimeout = \"1m\"\n"),
        // The times in its messages are in this zone.
        ("jobs.d/zone.toml", "command = \"date\"\nevery = \"1d\"\ntimeout = \"1m\"\ntime_zone = \"UTC\"\n"),
    ]);
    let ran = sandbox.run(&["check"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert!(ran.stdout.contains("checked 3 files, 2 jobs: 0 errors, 0 warnings"), "{ran:?}");
}

#[test]
fn every_problem_of_every_file_is_shown_with_its_place() {
    let sandbox = Sandbox::with(&[
        (
            "slack_alert.toml",
            "jobs_dri = \"jobs.d\"\ntime_zone = \"Europe/Berlni\"\n[limits]\nmax_running = 0\nstart_rate = \"many\"\n",
        ),
        ("jobs.d/a.toml", "comand = \"true\"\nevery = \"5\"\ntimeout = 3\noverlap = \"skp\"\n"),
        ("jobs.d/b.toml", "command = \"true\"\ncron = \"61 * * * *\"\nevery = \"1h\"\nworking_hours = \"9-17\"\n"),
        ("jobs.d/c.toml", "command = [\"true\"\nevery = \"1h\"\n"),
        ("jobs.d/d.toml", "command = \"true\"\nevery = \"1h\"\ntemplate = \"{{ stdot }} {{ stdout | tial(3) }}\"\n"),
        ("jobs.d/good.toml", GOOD),
    ]);
    let ran = sandbox.run(&["check"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for (place, code) in [
        ("slack_alert.toml:1:1", "unknown-key"),
        ("slack_alert.toml:2:13", "unknown-time-zone"),
        ("slack_alert.toml:4:15", "invalid-value"),
        ("slack_alert.toml:5:15", "invalid-rate"),
        ("jobs.d/a.toml:1:1", "unknown-key"),
        ("jobs.d/a.toml:2:10", "invalid-duration"),
        ("jobs.d/a.toml:3:11", "invalid-duration"),
        ("jobs.d/a.toml:4:11", "invalid-value"),
        ("jobs.d/b.toml:2:9", "invalid-cron"),
        ("jobs.d/b.toml:3:1", "conflicting-keys"),
        ("jobs.d/b.toml:4:18", "invalid-hours"),
        ("jobs.d/c.toml:", "toml-syntax"),
        ("jobs.d/d.toml:3:16", "unknown-variable"),
        ("jobs.d/d.toml:3:37", "unknown-filter"),
    ] {
        assert!(ran.stdout.contains(place), "{place} is missing in:\n{}", ran.stdout);
        assert!(ran.stdout.contains(&format!("[{code}]")), "{code} is missing in:\n{}", ran.stdout);
    }
    for help in [
        "did you mean `jobs_dir`?",
        "did you mean `command`?",
        "did you mean `Europe/Berlin`?",
        "did you mean `skip`?",
        "did you mean `stdout`?",
        "did you mean `tail`?",
    ] {
        assert!(ran.stdout.contains(help), "`{help}` is missing in:\n{}", ran.stdout);
    }
}

#[test]
fn a_key_in_the_wrong_table_is_told_where_it_belongs() {
    let sandbox = Sandbox::with(&[
        (
            "slack_alert.toml",
            "command = \"true\"\nrate = \"1/s\"\n[defaults]\nmention = \"@here\"\n[defaults.notify]\ntimeout = \"1m\"\n",
        ),
        ("jobs.d/top.toml", &format!("{GOOD}mention = \"@here\"\non = []\nmax_running = 3\n")),
        ("jobs.d/below.toml", &format!("{GOOD}[notify]\nretries = 3\n[notify.channels]\nchannel = \"#ops\"\n")),
    ]);
    let ran = sandbox.run(&["check", "--format", "github"]);
    for (place, help) in [
        ("slack_alert.toml,line=1", "`command` belongs in `[fallback]` or in a job file"),
        ("slack_alert.toml,line=2", "`rate` belongs in `[slack]`"),
        ("slack_alert.toml,line=4", "`mention` belongs in `[defaults.notify]`"),
        ("slack_alert.toml,line=6", "`timeout` belongs in `[defaults]`"),
        ("jobs.d/top.toml,line=3", "`mention` belongs in `[notify]`"),
        ("jobs.d/top.toml,line=4", "`on` belongs in `[notify]`"),
        ("jobs.d/top.toml,line=5", "`max_running` belongs in `[limits]` of slack_alert.toml"),
        ("jobs.d/below.toml,line=4", "`retries` belongs at the top of the file, above the first `[table]`"),
        ("jobs.d/below.toml,line=6", "`warning`; `channel` is a key in `[notify]`"),
    ] {
        let is_told = |line: &str| line.contains(&format!("file={place},")) && line.contains(help);
        assert!(ran.stdout.lines().any(is_told), "{place}: `{help}` is missing in:\n{}", ran.stdout);
    }
}

#[test]
fn problems_of_defaults_are_shown_where_they_stand_and_once() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "[defaults]\ntimeout = \"soon\"\ncommand = \"x\"\n[defaults.notify]\nrepaet = \"1h\"\n"),
        ("jobs.d/a.toml", GOOD),
        ("jobs.d/b.toml", "command = \"false\"\nevery = \"2h\"\n"),
    ]);
    let ran = sandbox.run(&["check"]);
    assert_eq!(ran.stdout.matches("slack_alert.toml:2:12").count(), 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("`command` cannot have a default"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("slack_alert.toml:5:1") && ran.stdout.contains("did you mean `repeat`?"),
        "{}",
        ran.stdout
    );
    assert_eq!(ran.code, 1);
}

#[test]
fn a_job_whose_messages_have_no_channel_is_told() {
    let slack = "[slack]\ntoken = \"xoxb-secret\"\n";
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", slack),
        ("jobs.d/lost.toml", GOOD),
        ("jobs.d/found.toml", "command = \"df\"\nevery = \"1h\"\ntimeout = \"1m\"\n[notify]\nchannel = \"#ops\"\n"),
        ("jobs.d/wrong.toml", "command = \"true\"\nevery = \"1h\"\n[notify]\nchannel = \"No Channel\"\n"),
    ]);
    let ran = sandbox.run(&["check"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("no channel to go to") && ran.stdout.contains("jobs.d/lost.toml"), "{}", ran.stdout);
    assert_eq!(ran.stdout.matches("no channel to go to").count(), 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("jobs.d/wrong.toml:4:"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("xoxb-secret"), "the token is shown: {}", ran.stdout);
}

#[test]
fn names_that_differ_only_in_case_are_one_too_many() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/Disk.toml", GOOD), ("jobs.d/disk.toml", GOOD)]);
    let ran = sandbox.run(&["check"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("[duplicate-job]"), "{}", ran.stdout);
    let list = sandbox.run(&["list"]);
    for name in ["Disk", "disk"] {
        let why = format!("jobs.d/{name}.toml: the jobs `Disk` and `disk` have the same name but for case");
        assert!(list.stderr.contains(&why) && list.stdout.is_empty(), "each by its own file: {list:?}");
    }
}

#[test]
fn what_is_no_job_is_left_alone() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", ""),
        ("jobs.d/good.toml", GOOD),
        ("jobs.d/.hidden.toml", "nonsense"),
        ("jobs.d/old.toml~", "nonsense"),
        ("jobs.d/notes.txt", "nonsense"),
        ("jobs.d/.git/config.toml", "nonsense"),
        ("jobs.d/db/backup.toml", GOOD),
    ]);
    std::os::unix::fs::symlink(sandbox.path().join("jobs.d/good.toml"), sandbox.path().join("jobs.d/link.toml"))
        .expect("links can be made");
    let ran = sandbox.run(&["list"]);
    let names: Vec<&str> = ran.stdout.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["db/backup", "good", "link"], "{ran:?}");
}

#[test]
fn an_empty_folder_of_jobs_is_a_warning_that_says_what_to_do() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "")]);
    std::fs::create_dir(sandbox.path().join("jobs.d")).expect("a folder");
    let ran = sandbox.run(&["check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("warning[no-jobs]") && ran.stdout.contains("every = \"5m\""), "{}", ran.stdout);
    assert_eq!(sandbox.run(&["check", "--deny-warnings"]).code, 1);
}

#[test]
fn a_folder_of_jobs_that_is_not_there_is_an_error() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "")]);
    let ran = sandbox.run(&["check"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("[missing-file]") && ran.stdout.contains("jobs.d"), "{}", ran.stdout);
}

#[test]
fn a_file_that_is_not_text_is_shown_as_such() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/good.toml", GOOD)]);
    std::fs::write(sandbox.path().join("jobs.d/binary.toml"), b"command = \"\xff\xfe\"\n").expect("a file");
    let ran = sandbox.run(&["check"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("not UTF-8") && ran.stdout.contains("binary.toml:1:12"), "{}", ran.stdout);
}

#[test]
fn what_is_no_regular_file_is_not_waited_for() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/good.toml", GOOD)]);
    let pipe = sandbox.path().join("jobs.d/pipe.toml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo(1) exists").success());
    std::os::unix::fs::symlink("/dev/zero", sandbox.path().join("jobs.d/zero.toml")).expect("links can be made");
    std::os::unix::fs::symlink("/no/such/file", sandbox.path().join("jobs.d/gone.toml")).expect("links can be made");
    let ran = sandbox.run(&["check"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.stdout.matches("it is no regular file").count(), 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("--> jobs.d/pipe.toml"), "{}", ran.stdout);
    assert!(ran.stdout.contains("the same in 1 more place:\n         jobs.d/zero.toml\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("[missing-file]") && ran.stdout.contains("jobs.d/gone.toml"), "{}", ran.stdout);
}

#[test]
fn what_a_job_names_is_not_waited_for_either() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "")]);
    let pipe = sandbox.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").args(["-m", "755"]).arg(&pipe).status().expect("mkfifo(1)").success());
    let job = "every = '1h'\ntimeout = '1m'\n";
    sandbox.file("jobs.d/zero.toml", &format!("command = 'true'\n{job}env_file = '/dev/zero'\n"));
    sandbox.file("jobs.d/fifo.toml", &format!("command = 'false'\n{job}env_file = 'pipe'\n"));
    sandbox.file("jobs.d/command.toml", &format!("command = ['./pipe']\n{job}"));
    sandbox.file("jobs.d/script.toml", &format!("command = 'sh ./pipe'\n{job}"));
    let ran = sandbox.run(&["check"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("zero.toml") && ran.stdout.contains("fifo.toml"), "{}", ran.stdout);
}

#[test]
fn links_that_lead_back_are_not_followed_for_ever() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/db/good.toml", GOOD)]);
    // Each of these would double the jobs at every level.
    for (to, link) in [(".", "jobs.d/a"), ("../jobs.d", "jobs.d/b"), ("..", "jobs.d/db/c"), ("nowhere", "jobs.d/d")] {
        std::os::unix::fs::symlink(to, sandbox.path().join(link)).expect("links can be made");
    }
    // Not back, but to the side: followed.
    std::fs::create_dir(sandbox.path().join("more")).expect("a folder");
    sandbox.file("more/other.toml", GOOD);
    std::os::unix::fs::symlink("../more", sandbox.path().join("jobs.d/e")).expect("links can be made");
    let ran = sandbox.run(&["check"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.stdout.matches("it is a link back to a folder above it").count(), 1, "{}", ran.stdout);
    for link in ["jobs.d/a", "jobs.d/b", "jobs.d/db/c"] {
        assert!(ran.stdout.contains(link), "{link}: {}", ran.stdout);
    }
    assert!(ran.stdout.contains("3 files, 2 jobs"), "{}", ran.stdout);
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/good.toml", GOOD)]);
    let file = std::fs::File::create(sandbox.path().join("jobs.d/big.toml")).expect("a file");
    file.set_len(100 << 20).expect("a file with a hole");
    let ran = sandbox.run(&["check"]);
    assert!(ran.code == 1 && ran.stdout.contains("it is larger than 4 MiB"), "{ran:?}");
}

#[test]
fn a_job_that_something_else_runs_is_checked_like_any_other() {
    let expected = "expect = { every = \"1d\", grace = \"2h\" }\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/backup.toml", expected)]);
    for arguments in [&["check"][..], &["check", "jobs.d/backup.toml"]] {
        let ran = sandbox.run(arguments);
        assert!(ran.code == 0 && ran.stdout.contains("0 errors"), "{arguments:?}: {ran:?}");
    }
    sandbox.file("jobs.d/backup.toml", "expct = 1\n");
    let ran = sandbox.run(&["check"]);
    assert!(ran.code == 1 && ran.stdout.contains("did you mean `expect`?"), "{ran:?}");
}

#[test]
fn no_configuration_is_wrong_usage() {
    let ran = Sandbox::new().run(&["check", "--ignore-global-config"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("no configuration found") && ran.stderr.contains("--config FILE"), "{ran:?}");
    let ran = Sandbox::new().run(&["check", "--config", "nowhere.toml"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("nowhere.toml does not exist"), "{ran:?}");
    let sandbox = Sandbox::with(&[("jobs.d/good.toml", GOOD)]);
    let ran = sandbox.run(&["check", "--config", "jobs.d"]);
    assert!(ran.code == 2 && ran.stderr.contains("jobs.d is not a regular file"), "{ran:?}");
}

#[test]
fn the_configuration_is_found_in_the_order_of_the_manual() {
    let job = |name: &str| format!("command = \"true\"\nevery = \"1h\"\ndescription = \"{name}\"\n");
    let sandbox = Sandbox::with(&[
        (".config/slack-alert/slack_alert.toml", ""),
        (".config/slack-alert/jobs.d/of_home.toml", &job("home")),
        ("elsewhere/own.toml", ""),
        ("elsewhere/jobs.d/of_elsewhere.toml", &job("elsewhere")),
        ("path/jobs.d/of_path.toml", &job("path")),
    ]);
    assert!(sandbox.run(&["list"]).stdout.contains("of_home"));
    let ran = sandbox.run(&["list", "--path", "path", "--ignore-global-config"]);
    assert!(ran.stdout.starts_with("of_path"), "{ran:?}");
    assert!(sandbox.run(&["list", "--config", "elsewhere/own.toml"]).stdout.starts_with("of_elsewhere"));
    sandbox.file("slack_alert.toml", "");
    sandbox.file("jobs.d/of_here.toml", &job("here"));
    assert!(sandbox.run(&["list"]).stdout.starts_with("of_here"));
    let sandbox = sandbox.variable("SLACK_ALERT_CONFIG", "elsewhere/own.toml");
    assert!(sandbox.run(&["list"]).stdout.starts_with("of_elsewhere"));
}

#[test]
fn one_job_alone_is_read_against_the_defaults_above_it() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "[templates]\nshort = \"x\"\n"),
        (
            "jobs.d/a.toml",
            "command = \"true\"\nevery = \"1h\"\ntimeout = \"1m\"\ntemplate = '{% include \"short\" %}'\n",
        ),
        ("jobs.d/bad.toml", "every = \"1h\"\n"),
    ]);
    let ran = sandbox.run(&["check", "jobs.d/a.toml"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = sandbox.run(&["check", "jobs.d/bad.toml"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("[missing-key]") && ran.stdout.contains("`command` is missing"), "{}", ran.stdout);
}

#[test]
fn very_many_problems_of_one_file_are_counted_and_the_first_are_shown() {
    let keys: String = (0..20_000).map(|number| format!("comand{number} = 1\n")).collect();
    let syntax = "x = = 1\n\n\n".repeat(20_000);
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", ""),
        ("jobs.d/keys.toml", &format!("{GOOD}{keys}")),
        ("jobs.d/syntax.toml", &syntax),
    ]);
    let ran = sandbox.run(&["check", "--format", "json"]);
    assert_eq!(ran.code, 1);
    for file in ["jobs.d/keys.toml", "jobs.d/syntax.toml"] {
        let lines: Vec<&str> = ran.stdout.lines().filter(|line| line.contains(file)).collect();
        assert_eq!(lines.len(), 101, "{file}");
        assert_eq!(lines.iter().filter(|line| line.contains("more problems in this file")).count(), 1, "{file}");
    }
    let ran = sandbox.run(&["check"]);
    assert!(ran.stdout.contains("and 19900 more problems in this file"), "{}", ran.stdout);
}

#[test]
fn folders_that_link_to_each_other_are_read_once_each() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "")]);
    for from in 0..8 {
        sandbox.file(&format!("jobs.d/f{from}/job{from}.toml"), GOOD);
    }
    for (from, to) in (0..8).flat_map(|from| (0..8).map(move |to| (from, to))) {
        let link = sandbox.path().join(format!("jobs.d/f{from}/to{to}"));
        std::os::unix::fs::symlink(format!("../f{to}"), link).expect("links can be made");
    }
    let ran = sandbox.run(&["check"]);
    assert!(ran.stdout.contains("9 files, 8 jobs: 64 errors"), "{}", ran.stdout);
    assert!(ran.stdout.contains("which is read already"), "{}", ran.stdout);
}

#[test]
fn a_name_that_is_no_text_is_an_error_and_one_of_two_lines_stays_on_one() {
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", ""),
        ("jobs.d/good.toml", "command = \"echo 1\"\nevery = \"1h\"\ntimeout = \"1m\"\n"),
        ("jobs.d/two\n2026 ERROR lines.toml", "command = \"echo 2\"\nevery = \"1h\"\ntimeout = \"1m\"\nx = 1\n"),
    ]);
    for name in [&b"bad\xff.toml"[..], b"folder\xff"] {
        let path = sandbox.path().join("jobs.d").join(std::ffi::OsStr::from_bytes(name));
        if name.ends_with(b".toml") {
            std::fs::write(path, GOOD).expect("a file");
        } else {
            std::fs::create_dir(path).expect("a folder");
        }
    }
    let ran = sandbox.run(&["check"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.stdout.matches("error[bad-file-name]").count(), 2, "{}", ran.stdout);
    assert!(ran.stdout.contains("--> jobs.d/two\\n2026 ERROR lines.toml:4:1"), "{}", ran.stdout);
    let ran = sandbox.run(&["list"]);
    assert!(!ran.stderr.lines().any(|line| line.starts_with("2026")), "{}", ran.stderr);
    assert!(ran.stderr.contains("two\\n2026 ERROR lines"), "{}", ran.stderr);
}

#[test]
fn a_bad_calendar_hides_no_bad_script() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "[slack]\nchanel = \"#ops\"\n"),
        ("jobs.d/a.toml", "command = \"if true\"\ncron = \"61 * * * *\"\n"),
        ("jobs.d/b.toml", "command = [\"/no/such/program\"]\nevery = \"1h\"\ntimeout = \"soon\"\n"),
        ("jobs.d/c.toml", "command = \"true\"\nevery = \"1h\"\ncolour = 1\n"),
    ]);
    let ran = sandbox.run(&["check"]);
    for (code, file) in [
        ("invalid-cron", "jobs.d/a.toml:2"),
        ("shell-syntax", "jobs.d/a.toml:1"),
        ("command-not-found", "jobs.d/b.toml:1"),
        ("invalid-duration", "jobs.d/b.toml:3"),
        ("unknown-key", "slack_alert.toml:2"),
        ("no-timeout", "jobs.d/c.toml:1"),
    ] {
        assert!(ran.stdout.contains(&format!("[{code}]")) && ran.stdout.contains(file), "{code}: {}", ran.stdout);
    }
    // What needs the part that is bad is not asked: `timeout` is there, though nobody can say what it is.
    assert_eq!(ran.stdout.matches("no-timeout]").count(), 1, "{}", ran.stdout);
}

#[test]
fn an_error_hides_no_finding_that_has_nothing_to_do_with_it() {
    let rare = "every = \"6h\"\n";
    // A part of a file that a rule has something to say about, an error beside it, and the finding.
    for (part, error, finding) in [
        (rare, "working_hours = \"9-25\"", "no-timeout"),
        (rare, "time_zone = \"Europe/Berlinn\"", "no-timeout"),
        (rare, "overlap = \"never\"", "pipe-hides-failure"),
        (rare, "notify.rate_limit = \"20/x\"", "no-timeout"),
        (rare, "notify.on = [\"never\"]", "no-timeout"),
        ("cron = \"61 * * * *\"\n", "", "no-timeout"),
        ("every = \"5 lightyears\"\n", "", "no-timeout"),
        ("every = \"6h\"\nnotify.stuck_after = 0\n", "notify.repeat = \"soon\"", "hang-is-silent"),
        ("every = \"6h\"\noverlap = \"allow\"\n", "notify.quiet_hours = \"9-25\"", "can-starve-others"),
        ("cron = \"0 0 31 2 *\"\n", "time_zone = \"Europe/Berlinn\"", "never-runs"),
        ("cron = \"0 0 31 2 *\"\n", "working_hours = \"9-25\"", "never-runs"),
        ("every = \"10ms\"\n", "working_hours = \"9-25\"", "interval-too-short"),
        ("every = \"1m\"\ntimeout = \"5m\"\n", "time_zone = \"Europe/Berlinn\"", "timeout-outlasts-interval"),
        ("every = \"10s\"\nnotify.on = [\"always\"]\n", "notify.repeat = \"soon\"", "chatty-job"),
        ("every = \"5m\"\n", "template = \"{{ stdout\"", "chatty-job"),
        ("every = \"6h\"\nnotify.quiet_except = [\"critical\"]\n", "notify.repeat = \"soon\"", "unused-key"),
        ("every = \"6h\"\ntemplate = \"{{ stdout|safe }}\"\n", "failure_template = \"{{ x\"", "unescaped-output"),
        (
            "every = \"6h\"\nparse = \"json\"\nfailure_template = \"{{ json.x }}\"\n",
            "template = \"{{ x\"",
            "may-be-missing",
        ),
    ] {
        let job = format!("command = \"curl x | cat\"\n{part}{error}\n");
        let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/a.toml", &job)]);
        let ran = sandbox.run(&["check", "--json"]);
        assert_eq!(ran.code, 1, "{job}: {ran:?}");
        assert!(ran.stdout.contains(&format!("\"{finding}\"")), "{finding} of {job}: {}", ran.stdout);
    }
    // What an error leaves open is not said, and neither is what an unknown key may be a slip for.
    for (part, finding) in [
        ("timeout = \"soon\"", "no-timeout"),
        ("timout = \"5m\"", "no-timeout"),
        ("notfy.stuck_after = 0", "hang-is-silent"),
        ("notify.quiet_except = [\"critical\"]\nnotify.quiet_hours = \"soon\"", "unused-key"),
        ("timeout = \"5s\"\nretries = { time = 3, delay = \"1s\" }", "unused-key"),
    ] {
        let job = format!("command = \"true\"\nevery = \"6h\"\n{part}\n");
        let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/a.toml", &job)]);
        let ran = sandbox.run(&["check", "--json"]);
        assert_eq!(ran.code, 1, "{job}: {ran:?}");
        assert!(!ran.stdout.contains(&format!("\"{finding}\"")), "{finding} of {job}: {}", ran.stdout);
    }
}

#[test]
fn check_does_not_warn_of_what_cannot_happen() {
    for (part, finding) in [
        // It counts when the daemon stops, and under `wrap`.
        ("command = \"sleep 9\"\nevery = \"1h\"\nkill_after = \"5s\"", "kill_after"),
        ("expect = { every = \"1h\", grace = \"5m\" }\nkill_after = \"5s\"", "kill_after"),
        // Runs that never overlap do not pile up.
        ("command = \"x\"\nevery = \"1h\"\nevery_from = \"finish\"\noverlap = \"allow\"", "can-starve-others"),
        // Three bursts of three in the morning, and not a run every two minutes.
        (
            "command = \"df\"\nburst = { every = \"2m\", alerts = 3, pause = \"60m\" }\nworking_hours = \"09:00-12:00\"",
            "chatty-job",
        ),
    ] {
        let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/a.toml", &format!("{part}\n"))]);
        let ran = sandbox.run(&["check", "--json"]);
        assert!(!ran.stdout.contains(finding), "{finding} of {part}: {}", ran.stdout);
    }
}

#[test]
fn jobs_may_lie_beside_the_configuration() {
    for dir in [".", "./"] {
        let config = format!("jobs_dir = \"{dir}\"\n");
        let job = "command = \"true\"\nevery = \"1h\"\ntimeout = \"1m\"\n";
        let ran = Sandbox::with(&[("slack_alert.toml", &config), ("a.toml", job)]).run(&["check"]);
        assert!(ran.code == 0 && ran.stdout.contains(" 1 job: 0 errors"), "{dir}: {ran:?}");
    }
}

#[test]
fn what_is_there_and_cannot_be_used_is_not_missing_too() {
    let sandbox =
        Sandbox::with(&[("slack_alert.toml", "[summary]\nat = [\"09:00\", \"17:00\"]\n"), ("jobs.d/a.toml", GOOD)]);
    let ran = sandbox.run(&["check", "--json"]);
    assert!(ran.stdout.contains("wrong-type") && !ran.stdout.contains("missing-key"), "{}", ran.stdout);
}

#[test]
fn a_token_needs_a_channel_and_that_is_one_error() {
    let token = "[slack]\ntoken_env = \"SLACK_TOKEN\"\n";
    let job = "command = \"true\"\nevery = \"1h\"\n";
    let own = "command = \"true\"\nevery = \"2h\"\n[notify]\nchannel = \"#own\"\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", token), ("jobs.d/a.toml", job), ("jobs.d/b.toml", job)])
        .variable("SLACK_TOKEN", "xoxb-1-secret");
    let ran = sandbox.run(&["check", "--format", "json"]);
    let missing: Vec<&str> = ran.stdout.lines().filter(|line| line.contains("missing-key")).collect();
    assert!(missing.len() == 1 && missing[0].contains("\"file\":\"slack_alert.toml\",\"line\":1"), "{}", ran.stdout);
    // Where others have one, it is the job's own fault.
    sandbox.file("jobs.d/b.toml", own);
    let ran = sandbox.run(&["check", "--format", "json"]);
    let missing: Vec<&str> = ran.stdout.lines().filter(|line| line.contains("missing-key")).collect();
    assert!(missing.len() == 1 && missing[0].contains("jobs.d/a.toml"), "{}", ran.stdout);
}

#[test]
fn a_secret_under_a_name_with_a_slip_is_shown_nowhere() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "[slack]\ntokn = \"s3cr3t-a\"\nwebhook_ur = \"https://gw/hook/s3cr3t-b\"\n"),
        ("jobs.d/a.toml", "command = \"true\"\nevery = \"1h\"\nenvv = { PGPASSWORD = \"s3cr3t-c\" }\n"),
        ("jobs.d/b.toml", "command = \"true\"\nevery = \"1h\"\nping = \"https://hc/s3cr3t-d\"\n"),
    ]);
    for format in ["human", "json", "sarif", "github"] {
        let ran = sandbox.run(&["check", "--format", format]);
        assert!(ran.stdout.contains("tokn"), "{format}: {ran:?}");
        assert!(!ran.stdout.contains("s3cr3t") && !ran.stderr.contains("s3cr3t"), "{format}: {ran:?}");
    }
}

#[test]
fn an_error_of_the_defaults_takes_their_other_keys_from_no_job() {
    let config = "[slack]\nchannel = '#ops'\n[defaults]\nredact = ['(']\ntimeout = '5s'\nenv = { API_TOKEN = 'abcdef123' }\n\
                  ping = { url_file = 'nix' }\n[defaults.notify]\nchanel = '#a'\n";
    let job = "command = 'nixprog'\nevery = '1h'\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", config), ("jobs.d/a.toml", job)]);
    let ran = sandbox.run(&["check", "--format", "json"]);
    let found: Vec<serde_json::Value> = ran.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let mut places: Vec<String> = found
        .iter()
        .map(|one| {
            format!(
                "{}:{} {}",
                one["file"].as_str().unwrap_or_default(),
                one["line"],
                one["code"].as_str().unwrap_or_default()
            )
        })
        .collect();
    places.sort();
    assert_eq!(
        places,
        [
            "jobs.d/a.toml:1 command-not-found",
            "slack_alert.toml:4 invalid-regex",
            "slack_alert.toml:6 secret-in-file",
            "slack_alert.toml:7 missing-file",
            "slack_alert.toml:9 unknown-key",
        ],
        "{ran:?}"
    );
}

#[test]
fn a_secret_in_the_place_of_another_keys_value_is_shown_by_no_command() {
    let secret = "https://hooks.slack.com/services/T000/B000/SEKRTXxyz123";
    let job = format!("command = 'true'\nevery = '1h'\n[notify]\nchannel = '{secret}'\n");
    let good = "command = ['xoxb-1-SEKRT']\nevery = '1h'\n";
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "state_dir = 'state'\n[heartbeat]\nurl_file = 'https://hc-ping.com/SEKRT'\n"),
        ("jobs.d/a.toml", &job),
        ("jobs.d/b.toml", good),
    ]);
    for command in [
        &["check"][..],
        &["list"],
        &["once", "a"],
        &["once", "b"],
        &["preview", "a"],
        &["why", "a"],
        &["status"],
        &["run", "--dry-run"],
    ] {
        let ran = sandbox.run(command);
        assert!(!ran.stdout.contains("SEKRT") && !ran.stderr.contains("SEKRT"), "{command:?}: {ran:?}");
    }
}

#[test]
fn a_file_of_syntax_errors_is_read_in_a_moment() {
    let lines = "command = 'true'\nevery = '1h'\n".to_owned() + &"= \n".repeat(200_000);
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/a.toml", &lines)]);
    let ran = sandbox.run(&["check"]);
    let (first, last) = (ran.stdout.contains("a.toml:3:1"), ran.stdout.lines().last().unwrap_or_default());
    assert!(first && last.starts_with("checked 2 files, 1 job: 200001 errors"), "{last}");
}

#[test]
fn what_another_user_owns_is_what_that_user_can_make_root_run() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can give a file to somebody else");
    }
    let job = "command = 'true'\nevery = '1h'\ntimeout = '1m'\nenv_file = 'env'\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/a.toml", job), ("env", "A=1\n")]);
    for file in ["slack_alert.toml", "jobs.d", "jobs.d/a.toml", "env"] {
        let set = |owner| std::os::unix::fs::chown(sandbox.path().join(file), Some(owner), None).expect("root may");
        set(1234);
        let ran = sandbox.run(&["check"]);
        let said = format!("`{file}` can be changed by user 1234, who owns it");
        assert!(ran.stdout.contains(&said) && ran.stdout.contains("0 errors, 1 warning"), "{file}: {ran:?}");
        set(0);
    }
    assert!(sandbox.run(&["check"]).stdout.contains("0 errors, 0 warnings"));
}

#[test]
fn a_text_that_is_empty_is_refused_where_it_can_mean_nothing() {
    for (key, file) in [
        ("jobs_dir", 0),
        ("state_dir", 0),
        ("host", 0),
        ("slack.channel", 0),
        ("slack.token_file", 0),
        ("summary.channel", 0),
        ("control.group", 0),
        ("fallback.command", 0),
        ("http.public_url", 0),
        ("heartbeat.url", 0),
        ("working_dir", 1),
        ("env_file", 1),
        ("lock", 1),
        ("tags", 2),
        ("inherit_env", 2),
        ("notify.channel", 1),
        ("time_zone", 1),
        ("user", 1),
        ("umask", 1),
        ("redact", 2),
        ("shell", 2),
        ("ping", 1),
    ] {
        let line = format!("{key} = {}\n", if file == 2 { "['']" } else { "' '" });
        let job = "command = 'true'\nevery = '1h'\ntimeout = '1m'\n";
        let (config, job) = match file {
            0 => (line.clone(), job.to_owned()),
            _ => (String::new(), format!("{line}{job}")),
        };
        for (config, job) in [(config.clone(), job.clone()), (config.replace("' '", "''"), job.replace("' '", "''"))] {
            let sandbox = Sandbox::with(&[("slack_alert.toml", &config), ("jobs.d/a.toml", &job)]);
            let ran = sandbox.run(&["check", "--format", "json"]);
            let first: serde_json::Value =
                serde_json::from_str(ran.stdout.lines().next().unwrap_or_default()).unwrap_or_default();
            let is_told = ran.code == 1 && first["level"] == "error" && first["line"] == 1 && first["help"].is_string();
            assert!(is_told, "{line}: {ran:?}");
        }
    }
}

#[test]
fn the_command_of_the_fallback_is_checked_as_that_of_a_job() {
    for (command, code, says) in [
        ("'no-such-mailer -s x'", "command-not-found", "program `no-such-mailer` not found"),
        ("['no-such-mailer', 'x']", "command-not-found", "program `no-such-mailer` not found"),
        ("'if true'", "shell-syntax", "sh: "),
        ("'cat'", "", ""),
    ] {
        let config = format!("[fallback]\nafter = '15m'\ncommand = {command}\n");
        let sandbox = Sandbox::with(&[("slack_alert.toml", &config), ("jobs.d/a.toml", GOOD)]);
        let ran = sandbox.run(&["check"]);
        assert_eq!(ran.code, i32::from(!code.is_empty()), "{command}: {ran:?}");
        assert!(ran.stdout.contains(&format!("error[{code}]: {says}")) || code.is_empty(), "{command}: {ran:?}");
        assert!(ran.stdout.contains("slack_alert.toml:3:") || code.is_empty(), "{command}: {ran:?}");
    }
}

#[test]
fn a_channel_that_is_missing_hides_nothing_that_is_wrong_with_the_token() {
    let config = "[slack]\ntoken_env = 'NOT_SET_ANYWHERE'\n[limits]\nmax_running = 0\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", config), ("jobs.d/a.toml", GOOD)]);
    let ran = sandbox.run(&["check"]);
    for words in [
        "error[missing-key]: ",
        "error[invalid-value]: ",
        "error[invalid-token]: token_env NOT_SET_ANYWHERE is not set",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {ran:?}");
    }
}

#[test]
fn a_program_that_the_user_of_a_job_finds_further_on_in_path_is_there() {
    if !nix::unistd::geteuid().is_root() {
        return skip("only root may switch users");
    }
    let sandbox = Sandbox::with(&[("slack_alert.toml", "")]);
    let mode = |path: &str, mode| {
        std::fs::set_permissions(sandbox.path().join(path), Permissions::from_mode(mode)).expect("modes can be set");
    };
    mode("", 0o755);
    for folder in ["closed", "open"] {
        sandbox.script(&format!("{folder}/hello"), "#!/bin/sh\n");
    }
    mode("closed", 0o700);
    let (closed, open) = (sandbox.path().join("closed"), sandbox.path().join("open"));
    for command in ["'hello'", "['hello']"] {
        for (path, code) in [(format!("{}:{}", closed.display(), open.display()), 0), (closed.display().to_string(), 1)]
        {
            let job =
                format!("command = {command}\nevery = '1h'\ntimeout = '1m'\nuser = 'nobody'\nenv.PATH = '{path}'\n");
            sandbox.file("jobs.d/job.toml", &job);
            let ran = sandbox.run(&["check"]);
            assert_eq!((ran.code, ran.stdout.contains("command-not-found")), (code, code == 1), "{ran:?}");
        }
    }
}
