//! Shows the built daemon in a world where nothing happens, and in one that misbehaves: a second daemon, a full disk, a Slack
//! that says how long to wait, a letter set waiting by hand, a message that is too long, a stop that is asked for twice.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use slack_alert::clock::{Mono, System, next_look};
use slack_alert::store::{HistoryFilter, OutboxFilter, Store};

use super::parent::started_by;
use crate::support::program::{PATIENCE, Sandbox};
use crate::support::skip::skip;
use crate::support::slack::{Answer, MockSlack};

fn config(slack: &MockSlack) -> String {
    format!("host = 'h'\n[slack]\ntoken = 'xoxb-0'\napi_url = '{}'\nchannel = '#ops'\n", slack.url())
}

#[test]
fn a_second_daemon_on_one_state_directory_refuses_and_names_the_first() {
    let files = [("slack_alert.toml", ""), ("jobs.d/a.toml", "command = 'echo up'\nevery = '1h'\n")];
    let sandbox = Sandbox::with(&files);
    let mut first = sandbox.start(&[]);
    first.wait_for("up");
    let second = sandbox.run(&[]);
    assert_eq!(second.code, 1, "{second:?}");
    assert!(second.stderr.contains(&format!("another slack-alert (pid {}) uses ", first.pid())), "{second:?}");
    // It went away, and left the first alone: a third may follow when that one is gone.
    first.signal("TERM");
    assert!(first.end().0.success());
    let mut third = sandbox.start(&[]);
    third.wait_for("started");
    third.signal("TERM");
    assert!(third.end().0.success());
}

#[test]
fn an_idle_daemon_is_not_woken() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "[slack]\ntoken = 'xoxb-0'\nchannel = '#ops'\n"),
        ("jobs.d/a.toml", "command = 'true'\nevery = '30d'\nfirst_run = 'wait'\n"),
    ]);
    // Where it can be, in a mount namespace of its own: other tests mount file systems, of which the daemon hears.
    let apart = ["unshare", "--mount"];
    let can = Command::new(apart[0]).args([apart[1], "true"]).output().is_ok_and(|tried| tried.status.success());
    let parent = if can { &apart[..] } else { &["env"] };
    let mut daemon = sandbox.start_with(started_by(parent, &["run"]));
    daemon.wait_for("started");
    let tasks = format!("/proc/{}/task", daemon.pid());
    // How often any of its threads went to sleep.
    let sleeps = || -> u64 {
        let tasks = std::fs::read_dir(&tasks).expect("it lives").flatten();
        let status = tasks.map(|task| std::fs::read_to_string(task.path().join("status")).expect("it lives"));
        let count = |status: String| {
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            line.expect("it is counted").trim().parse::<u64>().expect("a number")
        };
        status.map(count).sum()
    };
    let begun = Instant::now();
    let mut quiet = sleeps();
    loop {
        std::thread::sleep(Duration::from_secs(2));
        match std::mem::replace(&mut quiet, sleeps()) {
            before if before == quiet => break,
            _ => assert!(begun.elapsed() < PATIENCE, "it never comes to rest"),
        }
    }
    // Past the moment at which everybody would look again who has no timer of the kernel's. Another process that walks through
    // the folders of this machine wakes it: one such stretch of three is quiet.
    let woken: Vec<u64> = (0..3)
        .map(|_| {
            let quiet = sleeps();
            let boot = Duration::from_secs(clock_gettime(ClockId::Boottime).tv_sec.unsigned_abs());
            let look = next_look(&System, Mono(boot)).0 - boot;
            std::thread::sleep(look + Duration::from_secs(1));
            sleeps().abs_diff(quiet)
        })
        .take_while(|woken| *woken > 0)
        .collect();
    assert!(woken.len() < 3, "{woken:?}");
    daemon.signal("TERM");
    assert!(daemon.end().0.success());
}

#[test]
fn a_slack_that_says_how_long_to_wait_is_obeyed() {
    let slack = MockSlack::start();
    slack.answer(Answer::rate_limited(2));
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", &config(&slack)),
        ("jobs.d/a.toml", "command = 'echo hello'\nevery = '1h'\n"),
    ]);
    let daemon = sandbox.start(&[]);
    let requests = slack.wait_for_blocking(2, PATIENCE);
    let waited = requests[1].at - requests[0].at;
    assert!(waited >= Duration::from_secs(2), "{waited:?}");
    daemon.signal("TERM");
    assert!(daemon.end().0.success());
    assert_eq!(slack.posted().len(), 1);
}

#[test]
fn without_a_default_channel_the_daemons_own_messages_go_where_most_jobs_go() {
    let slack = MockSlack::start();
    let job = |channel: &str| format!("command = 'true # {channel}'\nevery = '1h'\nnotify.channel = '{channel}'\n");
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", &config(&slack).replace("channel = '#ops'\n", "")),
        ("jobs.d/a.toml", &job("#disks")),
        ("jobs.d/b.toml", &job("#pager")),
        ("jobs.d/c.toml", &job("#pager").replace("true", "true again")),
        ("jobs.d/bad.toml", "command = 'true'\nevrey = '1h'\n"),
    ]);
    let daemon = sandbox.start(&[]);
    slack.wait_for_blocking(1, PATIENCE);
    daemon.signal("TERM");
    assert!(daemon.end().0.success());
    let posted = slack.posted();
    assert_eq!(posted[0]["channel"], "pager", "{posted:?}");
    assert!(posted[0].to_string().contains("bad.toml"), "{posted:?}");
}

#[test]
fn a_dead_letter_that_is_set_waiting_by_hand_is_sent_though_nothing_else_happens() {
    let slack = MockSlack::start();
    slack.answer(Answer::error("channel_not_found"));
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", &config(&slack)),
        ("jobs.d/a.toml", "command = 'echo hello'\nevery = '30d'\n"),
    ]);
    let daemon = sandbox.start(&[]);
    // The log says it before it is written: what is retried must be on disk.
    let deadline = Instant::now() + PATIENCE;
    while !sandbox.run(&["outbox", "--dead"]).stdout.contains("#ops") {
        assert!(Instant::now() < deadline, "there is no dead letter");
    }
    let ran = sandbox.run(&["outbox", "retry", "--all"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "retried 1 message\n"), "{ran:?}");
    slack.wait_for_blocking(2, PATIENCE);
    daemon.signal("TERM");
    assert!(daemon.end().0.success());
    assert_eq!(slack.posted().len(), 1);
}

#[test]
fn what_waits_for_a_channel_that_refused_it_is_not_thrown_away_with_the_dead_letters() {
    let slack = MockSlack::start();
    slack.always(Answer::error("channel_not_found"));
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", &config(&slack)),
        ("jobs.d/a.toml", "command = 'echo hello'\nevery = '30d'\n"),
    ]);
    let _daemon = sandbox.start(&[]);
    let deadline = Instant::now() + PATIENCE;
    while !sandbox.run(&["outbox", "--dead"]).stdout.contains("waiting") {
        assert!(Instant::now() < deadline, "nothing was refused");
    }
    let ran = sandbox.run(&["outbox", "drop", "--dead"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "dropped 0 messages\n"), "{ran:?}");
    let ran = sandbox.run(&["outbox", "drop", "--all"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "dropped 1 message\n"), "{ran:?}");
}

#[test]
fn a_message_that_is_far_too_long_arrives() {
    let slack = MockSlack::start();
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", &config(&slack)),
        ("jobs.d/a.toml", "command = 'yes \"a line of it\" | head -c 500000; echo the end; exit 1'\nevery = '1h'\n"),
    ]);
    let daemon = sandbox.start(&[]);
    // The message, and the whole output as a file: address, upload, completion.
    let requests = slack.wait_for_blocking(4, PATIENCE);
    daemon.signal("TERM");
    assert!(daemon.end().0.success());
    let posted = slack.posted();
    assert_eq!(posted.len(), 1);
    let text = posted[0].to_string();
    assert!(text.contains("the end") && text.len() < 40_000, "{} bytes", text.len());
    let uploaded = requests.iter().find(|request| request.path().starts_with("/upload/")).expect("a file");
    assert!(uploaded.body.len() > 400_000 && uploaded.body.windows(7).any(|bytes| bytes == b"the end"));
}

#[test]
fn a_second_interrupt_ends_it_at_once_though_runs_go_on_and_slack_hangs() {
    let slack = MockSlack::start();
    slack.always(Answer::Hang(Vec::new()));
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", &config(&slack)),
        ("jobs.d/a.toml", "command = 'echo hello'\nevery = '1h'\n"),
        ("jobs.d/b.toml", "command = '''trap \"\" TERM; echo $$ > pid; sleep 1000'''\nevery = '1h'\n"),
    ]);
    let mut daemon = sandbox.start(&[]);
    slack.wait_for_blocking(1, PATIENCE);
    let begun = Instant::now();
    daemon.signal("INT");
    daemon.wait_for("stopping");
    daemon.signal("INT");
    let (status, said) = daemon.end();
    assert!(status.success(), "{said}");
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "the grace is 30 s, the outbox's time 10 s: {:?}",
        begun.elapsed()
    );
    let pid = sandbox.read("pid");
    assert!(!std::path::Path::new(&format!("/proc/{}", pid.trim())).exists(), "a run was left behind");
}

/// A small file system of its own; `None` where the test may not mount one.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: std::path::PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&at).expect("a folder");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&at).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }

    /// The same with a journal and blocks, as disks have it; `image` holds it.
    fn mount_ext4(at: std::path::PathBuf, image: &std::path::Path) -> Option<Self> {
        std::fs::create_dir_all(&at).expect("a folder");
        std::fs::File::create(image).and_then(|file| file.set_len(8 << 20)).expect("a file with a hole");
        let script = "mkfs.ext4 -q -m 0 \"$1\" && mount -o loop \"$1\" \"$2\"";
        let mounted = Command::new("sh").args(["-c", script, "sh"]).arg(image).arg(&at).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// The runs that a text names: `x17.`
fn runs_named(text: &str) -> BTreeSet<u64> {
    let parts = text.split('x').skip(1);
    parts.filter_map(|part| part.split_once('.')?.0.parse().ok()).collect()
}

#[test]
fn a_stop_that_cannot_save_names_each_alert_that_is_lost_and_exits_with_1() {
    let config = "host = 'web-1'\n[slack]\ntoken = 'xoxb-0'\napi_url = 'http://127.0.0.1:1'\nchannel = '#ops'\n";
    let job = "command = 'echo x$SLACK_ALERT_RUN_ID. | tee -a ran; exit 1'\nevery = '300ms'\n\
               message.failure.title = 'x{{ run.id }}.'\n\
               [notify]\nrepeat = 'always'\nrate_limit = '100000/h'\nflap = false\nnormalize = 'none'\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", config), ("jobs.d/a.toml", job)]);
    let state = sandbox.path().join("state");
    let Some(_disk) = SmallDisk::mount(state.clone()) else {
        return skip("no file system may be mounted here");
    };
    let mut daemon = sandbox.start(&[]);
    daemon.wait_for("started");
    sandbox.wait_for("alerts on disk", || {
        let waiting = Store::open_reader(&state).ok()?.outbox_list(&OutboxFilter::default()).ok()?;
        (waiting.len() >= 3).then_some(())
    });
    let _ = Command::new("dd").args(["if=/dev/zero", "bs=4k"]).arg(format!("of={}/filler", state.display())).output();
    daemon.wait_for("the state cannot be written");
    let before = runs_named(&sandbox.read("ran")).len();
    sandbox
        .wait_for("runs that cannot be saved", || (runs_named(&sandbox.read("ran")).len() > before + 5).then_some(()));
    daemon.signal("TERM");
    let (status, said) = daemon.end();
    assert_eq!(status.code(), Some(1), "{said}");
    let lost: String =
        said.lines().filter(|line| line.contains("this message is lost, neither sent nor saved")).collect();
    assert!(!lost.contains(":red_circle:"), "{lost}");
    let saved = Store::open_reader(&state).expect("it can be read");
    let filter = OutboxFilter { limit: 100_000, ..OutboxFilter::default() };
    let saved = saved.outbox_list(&filter).expect("it can be read");
    let saved: String = saved.iter().map(|stored| stored.message.text.as_str()).collect();
    let known = &runs_named(&lost) | &runs_named(&saved);
    let missing: Vec<u64> = runs_named(&sandbox.read("ran")).difference(&known).copied().collect();
    assert!(missing.is_empty(), "neither on disk nor named: {missing:?}\n{said}");
    assert!(runs_named(&lost).len() >= 5, "{lost}");
}

#[test]
fn a_full_disk_is_said_stops_no_alert_and_is_over_when_there_is_room() {
    fills_and_is_over(|sandbox| SmallDisk::mount(sandbox.path().join("state")));
}

#[test]
fn so_is_a_full_disk_of_ext4() {
    fills_and_is_over(|sandbox| SmallDisk::mount_ext4(sandbox.path().join("state"), &sandbox.path().join("image")));
}

#[test]
fn a_daemon_starts_on_a_full_disk_and_uses_it_when_there_is_room() {
    for kind in ["tmpfs", "ext4"] {
        let job = "command = 'echo hello'\nevery = '1h'\n";
        let sandbox = Sandbox::with(&[("slack_alert.toml", "host = 'web-1'\n"), ("jobs.d/a.toml", job)]);
        let (state, image) = (sandbox.path().join("state"), sandbox.path().join("image"));
        let disk = match kind {
            "tmpfs" => SmallDisk::mount(state.clone()),
            _ => SmallDisk::mount_ext4(state.clone(), &image),
        };
        let Some(_disk) = disk else { return skip("no file system may be mounted here") };
        let filler = format!("of={}/filler", state.display());
        let _ = Command::new("dd").args(["if=/dev/zero", "bs=1k", &filler]).output();
        let mut daemon = sandbox.start(&[]);
        let line = daemon.wait_for("the state cannot be written; alerts are kept");
        assert!(line.contains("make room on the file system of the state directory"), "{kind}: {line}");
        daemon.wait_for("🟢 a hello");
        std::fs::remove_file(state.join("filler")).expect("it was there");
        daemon.wait_for("the state can be written again");
        daemon.signal("TERM");
        let (status, said) = daemon.end();
        assert!(status.success(), "{kind}: {said}");
        let runs = Store::open_reader(&state).expect("it can be read").history(&HistoryFilter::default());
        assert_eq!(runs.expect("it can be read").len(), 1, "{kind}: what was kept in memory is on disk");
    }
}

#[test]
fn a_disk_that_only_the_log_of_the_database_fills_is_no_trouble() {
    let slack = MockSlack::start();
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", &config(&slack).replace("channel = '#ops'", "channel = '#ops'\nrate = '100/s'")),
        (
            "jobs.d/a.toml",
            "command = 'echo hello'\nevery = '50ms'\ntemplate = 'r{{ run.id }}.'\n\
             [notify]\nrate_limit = '100000/h'\nstuck_after = 0\n",
        ),
    ]);
    let Some(_disk) = SmallDisk::mount(sandbox.path().join("state")) else {
        return skip("no file system may be mounted here");
    };
    let mut daemon = sandbox.start(&[]);
    daemon.wait_for("started");
    // Each run and its alert take some pages of the log, of which the disk takes 200.
    slack.wait_for_blocking(150, PATIENCE);
    daemon.signal("TERM");
    let (status, said) = daemon.end();
    assert!(status.success() && !said.contains("cannot be written"), "{said}");
}

fn fills_and_is_over(mount: impl FnOnce(&Sandbox) -> Option<SmallDisk>) {
    let slack = MockSlack::start();
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", &config(&slack).replace("channel = '#ops'", "channel = '#ops'\nrate = '100/s'")),
        (
            "jobs.d/a.toml",
            "command = 'echo hello'\nevery = '200ms'\ntemplate = 'r{{ run.id }}.'\nnotify.rate_limit = '100000/h'\n",
        ),
    ]);
    let Some(_disk) = mount(&sandbox) else {
        return skip("no file system may be mounted here");
    };
    let mut daemon = sandbox.start(&[]);
    daemon.wait_for("started");
    slack.wait_for_blocking(3, PATIENCE);
    let filler = sandbox.path().join("state/filler");
    // dd stops by itself when the disk is full.
    let _ = Command::new("dd").args(["if=/dev/zero", "bs=1k"]).arg(format!("of={}", filler.display())).output();
    daemon.wait_for("the state cannot be written");
    let before = slack.posted().len();
    slack.wait_for_blocking(before + 10, PATIENCE);
    // Small rows may fit meanwhile: that is no end of it.
    let over = |text: &str| text.contains("the state can be written again");
    let told = |body: &serde_json::Value| body["text"].as_str().is_some_and(over);
    assert!(!slack.posted().iter().any(told), "the disk is as full as before");
    let status = sandbox.run(&["status"]).stdout;
    assert!(status.contains("The state cannot be written: "), "{status}");
    assert!(status.contains("What to do: make room on the file system of the state directory."), "{status}");
    std::fs::remove_file(&filler).expect("it was there");
    daemon.wait_for("the state can be written again");
    daemon.signal("TERM");
    let (status, said) = daemon.end();
    assert!(status.success(), "{said}");
    let texts: Vec<String> =
        slack.posted().iter().map(|body| body["text"].as_str().unwrap_or_default().to_owned()).collect();
    assert!(texts.iter().any(|text| text.contains("the state cannot be written")), "{texts:?}");
    let mut numbers: Vec<u64> =
        texts.iter().filter_map(|text| text.strip_prefix('r')?.trim_end().strip_suffix('.')?.parse().ok()).collect();
    let all = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), all, "nothing came twice");
    // Every run up to the last that was told is there: none was lost in between.
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}
