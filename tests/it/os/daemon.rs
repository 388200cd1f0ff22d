//! Shows the built daemon in a world where nothing happens, and in one that misbehaves: a second daemon, a full disk, a Slack
//! that says how long to wait, a letter set waiting by hand, a message that is too long, a stop that is asked for twice.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use slack_alert::clock::{Mono, System, next_look};

use crate::support::program::{PATIENCE, Sandbox};
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
    let mut daemon = sandbox.start(&[]);
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
    // Past the moment at which everybody would look again who has no timer of the kernel's.
    let boot = Duration::from_secs(clock_gettime(ClockId::Boottime).tv_sec.unsigned_abs());
    let look = next_look(&System, Mono(boot)).0 - boot;
    std::thread::sleep(look + Duration::from_secs(1));
    assert_eq!(sleeps(), quiet);
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
fn a_dead_letter_that_is_set_waiting_by_hand_is_sent_though_nothing_else_happens() {
    let slack = MockSlack::start();
    slack.answer(Answer::error("channel_not_found"));
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", &config(&slack)),
        ("jobs.d/a.toml", "command = 'echo hello'\nevery = '30d'\n"),
    ]);
    let mut daemon = sandbox.start(&[]);
    daemon.wait_for("no other try can help");
    let ran = sandbox.run(&["outbox", "retry", "--all"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "1 message: wait to be sent again\n"), "{ran:?}");
    slack.wait_for_blocking(2, PATIENCE);
    daemon.signal("TERM");
    assert!(daemon.end().0.success());
    assert_eq!(slack.posted().len(), 1);
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
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_is_said_stops_no_alert_and_is_over_when_there_is_room() {
    let slack = MockSlack::start();
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", &config(&slack).replace("channel = '#ops'", "channel = '#ops'\nrate = '100/s'")),
        (
            "jobs.d/a.toml",
            "command = 'echo hello'\nevery = '200ms'\ntemplate = 'r{{ run.id }}.'\nnotify.rate_limit = '100000/h'\n",
        ),
    ]);
    let Some(_disk) = SmallDisk::mount(sandbox.path().join("state")) else {
        return eprintln!("skipped: no file system may be mounted here");
    };
    let mut daemon = sandbox.start(&[]);
    daemon.wait_for("started");
    slack.wait_for_blocking(3, PATIENCE);
    let filler = sandbox.path().join("state/filler");
    // dd stops by itself when the disk is full.
    let _ = Command::new("dd").args(["if=/dev/zero", "bs=4k"]).arg(format!("of={}", filler.display())).output();
    daemon.wait_for("the state cannot be written");
    let before = slack.posted().len();
    slack.wait_for_blocking(before + 10, PATIENCE);
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
