//! Files that change beside a running daemon (`reload = "auto"`): as people, editors and deployments change them. Each story
//! is told by the daemon's log, and counts its readings: one for a burst of changes.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::parent::started_by;
use crate::support::program::{Going, Sandbox};
use crate::support::skip::skip;
use crate::support::slack::{Answer, MockSlack};

const READING: &str = "reading the configuration again";

fn job(says: &str) -> String {
    format!("command = 'echo {says}'\nevery = '1h'\n")
}

/// A daemon with one job, `first`, that has run, and whose files are watched.
fn started(sandbox: &Sandbox) -> Going {
    started_with(sandbox, &["run", "--dry-run"])
}

fn started_with(sandbox: &Sandbox, arguments: &[&str]) -> Going {
    let mut going = sandbox.start(arguments);
    going.wait_for("says first");
    while !watches(going.pid()) {
        std::thread::yield_now();
    }
    going
}

/// Whether the process has asked the kernel for notices of changed files.
fn watches(pid: u32) -> bool {
    let infos = fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("it runs");
    infos.flatten().any(|info| fs::read_to_string(info.path()).is_ok_and(|text| text.contains("inotify wd:")))
}

fn rename(sandbox: &Sandbox, from: &str, to: &str) {
    fs::rename(sandbox.path().join(from), sandbox.path().join(to)).expect("files can be renamed");
}

fn sh(sandbox: &Sandbox, script: &str) {
    let status = Command::new("sh").args(["-euc", script]).current_dir(sandbox.path()).status();
    assert!(status.expect("sh(1) exists").success(), "{script}");
}

/// Ends the daemon; everything it said.
fn ended(going: Going) -> String {
    going.signal("TERM");
    let (status, said) = going.end();
    assert!(status.success(), "{said}");
    said
}

fn with_first(config: &str) -> Sandbox {
    Sandbox::with(&[("slack_alert.toml", config), ("jobs.d/first.toml", &job("says first"))])
}

#[test]
fn a_file_that_appears_is_a_job_one_that_changes_is_another_and_one_that_goes_is_none() {
    let sandbox = with_first("");
    let mut going = started(&sandbox);
    sandbox.file("jobs.d/second.toml", &job("says second"));
    going.wait_for("reloaded jobs=2 added=1 changed=0 removed=0");
    going.wait_for("says second");
    sandbox.file("jobs.d/db/third.toml", &job("says third"));
    going.wait_for("says third");
    sandbox.file("jobs.d/db/third.toml", &job("says something else"));
    going.wait_for("reloaded jobs=3 added=0 changed=1 removed=0");
    fs::remove_dir_all(sandbox.path().join("jobs.d/db")).expect("it is there");
    going.wait_for("reloaded jobs=2 added=0 changed=0 removed=1");
    let said = ended(going);
    // The last but one found that the file was not there, and the last that it had stayed away.
    assert_eq!(said.matches(READING).count(), 5, "{said}");
    assert!(!said.contains("has errors"), "{said}");
}

#[test]
fn a_config_map_is_followed_when_its_data_link_is_swapped() {
    let sandbox = with_first("jobs_dir = 'mounted'\n");
    sandbox.file("mounted/..v1/first.toml", &job("says first"));
    let mounted = sandbox.path().join("mounted");
    symlink("..v1", mounted.join("..data")).expect("links can be made");
    symlink("..data/first.toml", mounted.join("first.toml")).expect("links can be made");
    let mut going = started(&sandbox);
    // As the kubelet does it: the new files, a new link beside the old one, a rename over it, the old files removed.
    sandbox.file("mounted/..v2/first.toml", &job("says second"));
    symlink("..v2", mounted.join("..data_tmp")).expect("links can be made");
    rename(&sandbox, "mounted/..data_tmp", "mounted/..data");
    fs::remove_dir_all(mounted.join("..v1")).expect("it is there");
    going.wait_for("reloaded jobs=1 added=0 changed=1 removed=0");
    sandbox.file("mounted/..v3/first.toml", &job("says third"));
    symlink("..v3", mounted.join("..data_tmp")).expect("links can be made");
    rename(&sandbox, "mounted/..data_tmp", "mounted/..data");
    going.wait_for("reloaded jobs=1 added=0 changed=1 removed=0");
    let said = ended(going);
    assert_eq!(said.matches(READING).count(), 2, "{said}");
    assert!(!said.contains("has errors") && !said.contains("no job"), "{said}");
}

#[test]
fn a_link_to_a_release_is_followed_when_it_points_to_the_next() {
    let sandbox = with_first("jobs_dir = 'current/jobs.d'\n");
    sandbox.file("releases/1/jobs.d/first.toml", &job("says first"));
    symlink("releases/1", sandbox.path().join("current")).expect("links can be made");
    let mut going = started(&sandbox);
    sandbox.file("releases/2/jobs.d/first.toml", &job("says first"));
    sandbox.file("releases/2/jobs.d/second.toml", &job("says second"));
    symlink("releases/2", sandbox.path().join("next")).expect("links can be made");
    rename(&sandbox, "next", "current");
    going.wait_for("reloaded jobs=2 added=1 changed=0 removed=0");
    sandbox.file("releases/2/jobs.d/third.toml", &job("says third"));
    going.wait_for("reloaded jobs=3 added=1 changed=0 removed=0");
    let said = ended(going);
    assert_eq!(said.matches(READING).count(), 2, "{said}");
}

#[test]
fn a_link_to_a_release_is_followed_by_a_daemon_that_was_started_inside_it() {
    for arguments in [&["run", "--dry-run"][..], &["run", "--dry-run", "--config", "slack_alert.toml"]] {
        let sandbox = Sandbox::with(&[
            ("releases/1/slack_alert.toml", ""),
            ("releases/1/jobs.d/first.toml", &job("says first")),
            ("releases/2/slack_alert.toml", ""),
            ("releases/2/jobs.d/first.toml", &job("says another")),
        ]);
        let current = sandbox.path().join("current");
        symlink("releases/1", &current).expect("links can be made");
        let mut going = sandbox.start_with(|command| {
            command.args(arguments).current_dir(&current).env("PWD", &current);
        });
        going.wait_for("says first");
        while !watches(going.pid()) {
            std::thread::yield_now();
        }
        symlink("releases/2", sandbox.path().join("next")).expect("links can be made");
        rename(&sandbox, "next", "current");
        fs::remove_dir_all(sandbox.path().join("releases/1")).expect("it is there");
        going.wait_for("reloaded jobs=1 added=0 changed=1 removed=0");
        ended(going);
    }
}

#[test]
fn editors_and_copying_programs_cause_one_reading_each_and_no_false_alarm() {
    let sandbox = with_first("");
    sandbox.file("jobs.d/second.toml", &job("says one"));
    let mut going = started(&sandbox);
    let dances = [
        // vim with 'backup': it tries the folder, moves the old file away, writes a new one.
        "cd jobs.d; touch .second.toml.swp 4913; rm 4913; mv second.toml second.toml~; \
         sed s/one/two/ second.toml~ > second.toml; rm second.toml~ .second.toml.swp",
        // nano: in place, with a lock file.
        "cd jobs.d; touch .second.toml.swp; sed s/two/three/ second.toml > /tmp/$$; : > second.toml; \
         cat /tmp/$$ >> second.toml; rm /tmp/$$ .second.toml.swp",
        "sed -i s/three/four/ jobs.d/second.toml",
        // rsync: a hidden file beside it, then a rename.
        "cd jobs.d; sed s/four/five/ second.toml > .second.toml.Xk3fQ1; mv .second.toml.Xk3fQ1 second.toml",
        // emacs: a lock link that leads nowhere, and its autosave.
        "cd jobs.d; ln -s nobody@nowhere.1 .#second.toml; cp second.toml '#second.toml#'; \
         sed s/five/six/ '#second.toml#' > second.toml; rm '.#second.toml' '#second.toml#'",
    ];
    for dance in dances {
        sh(&sandbox, dance);
        going.wait_for("reloaded jobs=2 added=0 changed=1 removed=0");
    }
    // What leaves the files as they were is no change: only the last of these is read.
    sh(&sandbox, "cd jobs.d; touch a.swp 4913 notes.txt '#x#'; rm a.swp 4913 notes.txt '#x#'");
    sandbox.file("jobs.d/third.toml", &job("says third"));
    going.wait_for("reloaded jobs=3 added=1 changed=0 removed=0");
    let said = ended(going);
    assert_eq!(said.matches(READING).count(), dances.len() + 1, "{said}");
    assert!(!said.contains("has errors"), "{said}");
}

#[test]
fn a_checkout_of_another_release_is_one_reading() {
    let sandbox = with_first("");
    let git = "git -c user.name=a -c user.email=a@b.c -c init.defaultBranch=main";
    if Command::new("git").arg("--version").output().is_err() {
        return eprintln!("skipped: git is not installed");
    }
    sh(&sandbox, &format!("{git} init -q; {git} add jobs.d; {git} commit -qm one; {git} checkout -qb two"));
    for number in 0..50 {
        sandbox.file(&format!("jobs.d/many/{number}.toml"), &job(&number.to_string()));
    }
    fs::remove_file(sandbox.path().join("jobs.d/first.toml")).expect("it is there");
    sh(&sandbox, &format!("{git} add -A jobs.d; {git} commit -qm two; {git} checkout -q main"));
    let mut going = started(&sandbox);
    sh(&sandbox, &format!("{git} checkout -q two"));
    going.wait_for("reloaded jobs=51 added=50 changed=0 removed=0");
    going.wait_for("reloaded jobs=50 added=0 changed=0 removed=1");
    sh(&sandbox, &format!("{git} checkout -q main"));
    going.wait_for("reloaded jobs=51 added=1 changed=0 removed=0");
    going.wait_for("reloaded jobs=1 added=0 changed=0 removed=50");
    let said = ended(going);
    assert_eq!(said.matches(READING).count(), 4, "one, and one that finds what stayed away: {said}");
}

#[test]
fn the_configuration_itself_and_files_that_jobs_name_are_taken_too() {
    let sandbox = with_first("");
    sandbox.file("variables", "NAME=one\n");
    sandbox.file("jobs.d/named.toml", "command = 'echo named $NAME'\nevery = '1h'\nenv_file = 'variables'\n");
    let mut going = started(&sandbox);
    sandbox.file("variables", "NAME='two\n");
    going.wait_for("reloaded jobs=2");
    going.wait_for("named.toml");
    sandbox.file("variables", "NAME=two\n");
    going.wait_for("reloaded jobs=2");
    sandbox.file("slack_alert.toml", "hots = 'typo'\n");
    going.wait_for("the configuration has errors; nothing changed");
    sandbox.file("slack_alert.toml", "host = 'web-9'\nreload = 'signal'\n");
    going.wait_for("reloaded jobs=2");
    while watches(going.pid()) {
        std::thread::yield_now();
    }
    sandbox.file("slack_alert.toml", "host = 'web-9'\n");
    going.signal("HUP");
    going.wait_for("reloaded jobs=2");
    while !watches(going.pid()) {
        std::thread::yield_now();
    }
    ended(going);
}

#[test]
fn where_the_kernel_gives_no_notice_files_are_looked_at_each_half_minute() {
    let unshare = ["unshare", "--user", "--map-root-user"];
    let without = ["sh", "-c", "echo 0 > /proc/sys/user/max_inotify_instances && exec \"$@\"", "sh"];
    let parent = [&unshare[..], &without[..]].concat();
    if !Command::new(parent[0]).args(&parent[1..]).arg("true").output().is_ok_and(|tried| tried.status.success()) {
        skip("no user namespace can be made here (unshare(1))");
        return;
    }
    let sandbox = with_first("");
    sandbox.file("jobs.d/elsewhere.toml", "expect = { every = '1d', grace = '1h' }\n");
    let mut going = sandbox.start_with(started_by(&parent, &["run"]));
    // Files of the configuration, and those that tell of runs: either may come first.
    let cannot = "slack-alert cannot get change events from the kernel, so it reads ";
    let said = [going.wait_for(cannot), going.wait_for(cannot)].concat();
    assert!(said.contains("reads the folder every 30 s") && said.contains("/spool every 30 s"), "{said}");
    // What is reported while nobody answers is left in a file.
    going.signal("STOP");
    going.wait_for_stop();
    assert_eq!(sandbox.run(&["wrap", "--job", "elsewhere", "--", "false"]).code, 1);
    going.signal("CONT");
    sandbox.file("jobs.d/second.toml", &job("says second"));
    // One is told on standard error, the other on standard output: either may come first.
    going.wait_for("end job=elsewhere");
    going.wait_for("says second");
    let said = ended(going);
    assert!(said.contains("reloaded jobs=3 added=1 changed=0 removed=0"), "{said}");
}

#[test]
fn a_file_system_that_is_mounted_over_the_folder_of_jobs_brings_its_jobs_and_takes_them_along() {
    let sandbox = with_first("");
    let (other, sub) = (sandbox.path().join("other"), sandbox.path().join("jobs.d/sub"));
    sandbox.file("other/second.toml", &job("says second"));
    fs::create_dir(&sub).expect("a folder");
    let mut going = sandbox.start(&["run", "--dry-run"]);
    going.wait_for("says first");
    if !Command::new("mount").arg("--bind").args([&other, &sub]).status().is_ok_and(|status| status.success()) {
        skip("nothing can be mounted here (it takes root)");
        return;
    }
    going.wait_for("says second");
    let unmounted = Command::new("umount").arg(&sub).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    going.wait_for("removed=1");
    ended(going);
}

#[test]
fn a_file_that_is_written_to_under_another_name_is_read_again() {
    let sandbox = with_first("");
    sandbox.file("elsewhere/linked", &job("says linked"));
    let at = |path: &str| sandbox.path().join(path);
    fs::hard_link(at("elsewhere/linked"), at("jobs.d/linked.toml")).expect("files can be linked");
    let mut going = started(&sandbox);
    fs::write(at("elsewhere/linked"), job("says the next")).expect("it is ours");
    going.wait_for("reloaded jobs=2 added=0 changed=1 removed=0");
    fs::write(at("elsewhere/linked"), job("says the last")).expect("it is ours");
    going.wait_for("reloaded jobs=2 added=0 changed=1 removed=0");
    ended(going);
}

#[test]
fn a_file_whose_name_begins_with_a_number_sign_is_a_job_like_any_other() {
    let sandbox = with_first("");
    let mut going = started(&sandbox);
    sandbox.file("jobs.d/#second.toml", &job("says second"));
    going.wait_for("says second");
    ended(going);
}

#[test]
fn a_single_file_that_is_mounted_is_read_again_when_it_is_written_to_where_it_comes_from() {
    let sandbox = with_first("");
    sandbox.file("host/mounted", &job("says mounted"));
    sandbox.file("jobs.d/mounted.toml", "");
    let target = sandbox.path().join("jobs.d/mounted.toml");
    let mount = Command::new("mount").arg("--bind").args([&sandbox.path().join("host/mounted"), &target]).status();
    if !mount.is_ok_and(|status| status.success()) {
        skip("nothing can be mounted here (it takes root)");
        return;
    }
    let mut going = started(&sandbox);
    fs::write(sandbox.path().join("host/mounted"), job("says the next")).expect("it is ours");
    going.wait_for("reloaded jobs=2 added=0 changed=1 removed=0");
    ended(going);
    let unmounted = Command::new("umount").arg(&target).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
}

#[test]
fn what_lies_beside_job_files_may_change_without_end_and_keeps_no_job_waiting() {
    let sandbox = with_first("");
    let mut going = sandbox.start(&["run", "--dry-run"]);
    going.wait_for("says first");
    let path = sandbox.path().join("jobs.d");
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    let busy = std::thread::spawn(move || {
        let mut count = 0_u64;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            count += 1;
            fs::write(path.join("app.log"), format!("{count}\n")).expect("a file");
            fs::write(path.join("state.tmp"), "{}").expect("a file");
            fs::rename(path.join("state.tmp"), path.join("state.json")).expect("it is renamed");
            std::thread::yield_now();
        }
    });
    let begun = Instant::now();
    sandbox.file("jobs.d/second.toml", &job("says second"));
    going.wait_for("says second");
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    busy.join().expect("it ends");
    // Files that change without end are read after 30 seconds.
    assert!(begun.elapsed() < std::time::Duration::from_secs(25), "{:?}", begun.elapsed());
    ended(going);
}

#[test]
fn a_folder_two_levels_up_that_another_takes_the_place_of_is_noticed() {
    let sandbox = Sandbox::new();
    let files = |release: &str, name: &str| {
        sandbox.file(&format!("{release}/etc/conf/slack_alert.toml"), "jobs_dir = 'jobs.d'\n");
        sandbox.file(&format!("{release}/etc/conf/jobs.d/{name}.toml"), &job(&format!("says {name}")));
    };
    files("app", "first");
    files("next", "second");
    let mut going = sandbox.start(&["run", "--dry-run", "--config", "app/etc/conf/slack_alert.toml"]);
    going.wait_for("says first");
    fs::rename(sandbox.path().join("app"), sandbox.path().join("before")).expect("it is renamed");
    fs::rename(sandbox.path().join("next"), sandbox.path().join("app")).expect("it is renamed");
    going.wait_for("says second");
    // What comes there later is seen too.
    files("app", "third");
    going.wait_for("says third");
    ended(going);
}

#[test]
fn a_program_that_starts_elsewhere_on_the_machine_wakes_nobody() {
    let sandbox = with_first("");
    let mut going = sandbox.start_with(|command| {
        // The zone is that of /etc/localtime.
        command.env_remove("TZ").args(["run", "--dry-run"]);
    });
    going.wait_for("says first");
    // By thread: one that has nothing to do any more ends meanwhile.
    let switches = || -> HashMap<std::ffi::OsString, u64> {
        let tasks = fs::read_dir(format!("/proc/{}/task", going.pid())).expect("it lives").flatten();
        let count = |task: fs::DirEntry| {
            let status = fs::read_to_string(task.path().join("status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
            Some((task.file_name(), line.trim().parse().ok()?))
        };
        tasks.filter_map(count).collect()
    };
    let before = switches();
    // Each opens /etc/ld.so.cache, beside the link of the time zone.
    for _ in 0..200 {
        assert!(Command::new("/bin/true").status().is_ok_and(|status| status.success()));
    }
    let woken: u64 = switches().into_iter().map(|(task, count)| count - before.get(&task).copied().unwrap_or(0)).sum();
    assert!(woken < 100, "{woken} times");
    ended(going);
}

#[test]
fn nothing_is_watched_when_only_a_signal_may_reload() {
    let sandbox = with_first("reload = 'signal'\n");
    let mut going = sandbox.start(&["run", "--dry-run"]);
    going.wait_for("says first");
    assert!(!watches(going.pid()));
    sandbox.file("jobs.d/second.toml", &job("says second"));
    going.signal("HUP");
    going.wait_for("reloaded jobs=2 added=1");
    assert!(!watches(going.pid()));
    let said = ended(going);
    assert_eq!(said.matches(READING).count(), 1, "{said}");
}

#[test]
fn a_file_that_stays_bad_is_named_after_ten_seconds_and_once_more_when_it_is_good() {
    let sandbox = with_first("host = 'web-1'\n");
    let mut going = started(&sandbox);
    sandbox.file("jobs.d/first.toml", "command = 'echo says first'\nevrey = '1h'\n");
    going.wait_for("reloaded jobs=1 added=0 changed=0 removed=0 not_loaded=1");
    let begun = Instant::now();
    going.wait_for("web-1: 1 job file has errors, and its last good version goes on: first");
    assert!(begun.elapsed().as_secs() >= 9, "{:?}", begun.elapsed());
    sandbox.file("jobs.d/first.toml", &job("says first"));
    going.wait_for("web-1: 1 job file has no errors any more and is loaded");
    ended(going);
}

#[test]
fn a_folder_that_is_gone_and_comes_back_is_seen() {
    let sandbox = with_first("");
    let mut going = started(&sandbox);
    rename(&sandbox, "jobs.d", "away");
    going.wait_for("reloaded jobs=1 added=0 changed=0 removed=0 not_loaded=1");
    sandbox.file("away/second.toml", &job("says second"));
    rename(&sandbox, "away", "jobs.d");
    going.wait_for("reloaded jobs=2 added=1 changed=0 removed=0 not_loaded=0");
    let said = ended(going);
    assert_eq!(said.matches(READING).count(), 2, "{said}");
    assert!(!Path::new(&sandbox.path().join("away")).exists());
}

#[test]
fn a_run_that_outlives_its_file_is_shown_and_jobs_that_come_back_are_told() {
    let sandbox = with_first("host = 'web-1'\n");
    let mut going = started_with(&sandbox, &["run"]);
    sandbox.file("jobs.d/long.toml", "command = 'echo began; exec sleep 1000'\nevery = '1h'\n");
    going.wait_for("reloaded jobs=2 added=1 changed=0 removed=0");
    let running = || sandbox.run(&["status"]).stdout.contains("▶ running    long");
    sandbox.wait_for("the run", || running().then_some(()));
    rename(&sandbox, "jobs.d/long.toml", "long.toml");
    rename(&sandbox, "jobs.d/first.toml", "first.toml");
    going.wait_for(
        "the job file is not there; no run begins until it is back, and the job is removed if it stays away job=first",
    );
    going.wait_for("what runs of it goes on to its end, and is not tried again job=long runs=1");
    going.wait_for("reloaded jobs=0 added=0 changed=0 removed=2");
    let status = sandbox.run(&["status"]).stdout;
    assert!(
        status.contains("0 jobs; 1 running\n") && status.contains("; the file of its job was removed (run "),
        "{status}"
    );
    going.wait_for("web-1: no job is left");
    rename(&sandbox, "first.toml", "jobs.d/first.toml");
    going.wait_for("web-1: 1 job is loaded again");
    drop(going);
}

#[test]
fn a_token_that_is_put_right_in_its_file_is_taken_and_the_log_says_so() {
    let slack = MockSlack::start();
    slack.answer(Answer::error("invalid_auth"));
    let config =
        format!("host = 'web-1'\n[slack]\ntoken_file = 'token'\napi_url = '{}'\nchannel = '#ops'\n", slack.url());
    let job = "command = 'exit 2'\nevery = '1h'\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", &config), ("token", "xoxb-old\n"), ("jobs.d/a.toml", job)]);
    let mut going = sandbox.start(&["run"]);
    going.wait_for("Slack refuses the credentials");
    while !watches(going.pid()) {
        std::thread::yield_now();
    }
    sandbox.file("token", "xoxb-new\n");
    going.wait_for("the credentials for Slack changed");
    let of_new = |header: &str| header == "Bearer xoxb-new";
    let posted = sandbox.wait_for("the message", || {
        let requests = slack.requests();
        requests.into_iter().find(|one| one.headers.get("authorization").is_some_and(|header| of_new(header)))
    });
    assert_eq!(posted.method(), "chat.postMessage");
    let said = ended(going);
    assert!(said.contains("Slack takes the credentials again") || said.contains("reloaded"), "{said}");
    assert!(!said.contains("xoxb-"), "{said}");
}

#[test]
fn a_configuration_that_lost_its_way_to_slack_changes_nothing_and_alerts_still_go_there() {
    let slack = MockSlack::start();
    let config = format!("host = 'web-1'\n[slack]\ntoken = 'xoxb-1'\napi_url = '{}'\nchannel = '#ops'\n", slack.url());
    let sandbox = Sandbox::with(&[("slack_alert.toml", &config), ("jobs.d/first.toml", &job("says first"))]);
    let mut going = sandbox.start(&["run"]);
    while !watches(going.pid()) {
        std::thread::yield_now();
    }
    // A disk that is full cuts the file off. What else is wrong is not the reason.
    sandbox.file("jobs.d/bad.toml", "command = 3\n");
    sandbox.file("slack_alert.toml", "host = 'web-1'\n");
    going.wait_for("the configuration has errors; nothing changed");
    let reload = sandbox.run(&["reload"]);
    assert_eq!(reload.code, 1, "{}", reload.stderr);
    assert!(reload.stderr.contains("has neither a token nor a webhook any more"), "{}", reload.stderr);
    let said = |words: &str| {
        sandbox.wait_for(words, || slack.posted().iter().any(|post| post.to_string().contains(words)).then_some(()));
    };
    said("has neither a token nor a webhook any more");
    let run = sandbox.run(&["status"]).stdout;
    assert!(run.contains("has neither a token nor a webhook any more"), "{run}");
    sandbox.file("slack_alert.toml", &config);
    said("the configuration has no errors any more and is in effect");
    ended(going);
}

#[test]
fn the_jobs_of_a_folder_whose_link_leads_nowhere_any_more_stay_and_that_is_told() {
    let sandbox = with_first("host = 'web-1'\n");
    sandbox.file("team/second.toml", &job("says second"));
    symlink("../team", sandbox.path().join("jobs.d/team")).expect("a link");
    // What no folder was is none.
    symlink("../nowhere.md", sandbox.path().join("jobs.d/README.md")).expect("a link");
    let mut going = started(&sandbox);
    rename(&sandbox, "team", "away");
    going.wait_for("reloaded jobs=2 added=0 changed=0 removed=0 not_loaded=1");
    let line = going.wait_for("the folder cannot be read; its jobs stay as they were");
    assert!(line.contains("jobs.d/team") && line.contains("No such file or directory"), "{line}");
    going.wait_for("web-1: the folder ");
    rename(&sandbox, "away", "team");
    going.wait_for("reloaded jobs=2 added=0 changed=0 removed=0 not_loaded=0");
    ended(going);
}

#[test]
fn a_bad_file_of_a_folder_that_cannot_be_read_is_not_said_to_be_removed() {
    let sandbox = with_first("host = 'web-1'\n");
    sandbox.file("team/bad.toml", "command = 1\n");
    symlink("../team", sandbox.path().join("jobs.d/team")).expect("a link");
    let mut going = started(&sandbox);
    rename(&sandbox, "team", "away");
    going.wait_for("web-1: the folder ");
    rename(&sandbox, "away", "team");
    going.wait_for("web-1: the folder ");
    let said = ended(going);
    assert_eq!(said.matches("1 job file has errors").count(), 1, "{said}");
    assert!(!said.contains("removed: team/bad"), "{said}");
}

#[test]
fn a_job_that_is_back_while_its_run_goes_on_is_an_added_one() {
    let job = "command = 'sleep 1000'\nevery = '1h'\ntimeout = '2h'\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/a.toml", job), ("jobs.d/b.toml", job)]);
    let mut going = sandbox.start(&["run", "-v"]);
    going.wait_for("start job=b");
    fs::remove_file(sandbox.path().join("jobs.d/b.toml")).expect("it is there");
    assert_eq!(sandbox.run(&["reload"]).stdout, "1 job: 1 removed.\n");
    sandbox.file("jobs.d/b.toml", job);
    assert_eq!(sandbox.run(&["reload"]).stdout, "2 jobs: 1 added.\n");
    going.signal("TERM");
    going.signal("INT");
    going.end();
}
