//! Whatever the parent process made of signals and limits: the program and its commands are as they would be without it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::support::program::{Going, PATIENCE, Sandbox, wait_for_end, watched};
use crate::support::skip::skip;

/// The program with these arguments, started by another that changes what a child inherits: env(1), prlimit(1).
pub(super) fn started_by(parent: &[&str], arguments: &[&str]) -> impl FnOnce(&mut Command) {
    let words: Vec<String> = parent
        .iter()
        .chain(&[env!("CARGO_BIN_EXE_slack-alert")])
        .chain(arguments)
        .map(|word| (*word).to_owned())
        .collect();
    move |command| {
        let mut outer = Command::new(&words[0]);
        outer.args(&words[1..]).current_dir(command.get_current_dir().expect("the sandbox")).env_clear();
        outer.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        outer.stdin(Stdio::null());
        *command = outer;
    }
}

fn once(parent: &[&str], job: &str) -> (Option<i32>, String) {
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/job.toml", job)]);
    let (status, said) = sandbox.start_with(started_by(parent, &["once", "job"])).end();
    (status.code(), said)
}

fn daemon(parent: &[&str], sandbox: &Sandbox) -> Going {
    let mut daemon = sandbox.start_with(started_by(parent, &["run"]));
    daemon.wait_for("started");
    daemon
}

#[test]
fn a_parent_that_ignores_the_end_of_children_takes_no_exit_code_away() {
    for (command, code) in [("'exit 3'", 3), ("['/bin/true']", 0), ("'kill -9 $$'", 137)] {
        let (found, said) = once(&["env", "--ignore-signal=CHLD"], &format!("command = {command}\nevery = '1h'\n"));
        assert_eq!(found, Some(code), "{command}: {said}");
    }
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/job.toml", "command = 'exit 3'\nevery = '1h'\n")]);
    let (status, said) = sandbox.start_with(started_by(&["env", "--ignore-signal=CHLD"], &["check"])).end();
    assert!(!said.contains("shell-syntax"), "{status:?} {said}");
}

#[test]
fn a_parent_that_blocks_signals_does_not_keep_them_from_the_daemon() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/job.toml", "command = 'true'\nevery = '1h'\n")]);
    let mut daemon = daemon(&["env", "--block-signal=TERM,HUP,INT"], &sandbox);
    daemon.signal("HUP");
    daemon.wait_for("reading the configuration again");
    daemon.signal("TERM");
    let (status, said) = daemon.end();
    assert!(status.success(), "{said}");
}

#[test]
fn a_command_inherits_neither_blocked_nor_ignored_signals() {
    let ignored = "--ignore-signal=HUP,INT,QUIT,USR1,ALRM,CHLD,PIPE,RTMIN+3,ILL,FPE,SEGV,TSTP,TTIN,TTOU";
    let parent = ["env", ignored, "--block-signal=TERM,USR2,CHLD"];
    let (code, said) = once(&parent, "command = 'grep -E \"Sig(Blk|Ign)\" /proc/self/status'\nevery = '1h'\n");
    assert_eq!(code, Some(0), "{said}");
    for mask in ["SigBlk:", "SigIgn:"] {
        let at = said.find(mask).unwrap_or_else(|| panic!("{said}"));
        let bits: String = said[at + mask.len()..].chars().skip_while(|c| c.is_whitespace()).take(16).collect();
        // 32 and 33 are the C library's own: its posix_spawn(3) has every child ignore them.
        let bits = u64::from_str_radix(&bits, 16).expect(&bits) & !(0b11 << 31);
        assert_eq!(bits, 0, "{mask} {said}");
    }
}

#[test]
fn a_command_inherits_no_descriptor_that_the_parent_left_open() {
    // As `flock LOCK slack-alert` does it: whoever inherits the descriptor holds the lock.
    let job = "command = 'ls -l /proc/self/fd; test ! -e /proc/$$/fd/7 && test ! -e /proc/$$/fd/300'\nevery = '1h'\n";
    let parent = ["bash", "-c", "exec 7</dev/null 300</dev/null; exec \"$@\"", "parent"];
    let (code, said) = once(&parent, job);
    assert_eq!(code, Some(0), "{said}");
    // `wrap` stands in the place of its command, which has whatever it would have without it.
    let sandbox = Sandbox::with(&[("slack_alert.toml", "")]);
    let wrap = ["wrap", "--job", "x", "--", "sh", "-c", "test -e /proc/$$/fd/7 && echo inherited"];
    let (status, said) = sandbox.start_with(started_by(&parent, &wrap)).end();
    assert!(status.success() && said.contains("inherited"), "{said}");
}

#[test]
fn signals_that_ask_for_nothing_end_nothing() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/job.toml", "command = 'true'\nevery = '1h'\n")]);
    let mut daemon = daemon(&["env"], &sandbox);
    for (number, name) in [
        (10, "SIGUSR1"),
        (12, "SIGUSR2"),
        (3, "SIGQUIT"),
        (14, "SIGALRM"),
        (26, "SIGVTALRM"),
        (27, "SIGPROF"),
        (29, "SIGIO"),
        (30, "SIGPWR"),
        (24, "SIGXCPU"),
        (34, "SIGRTMIN"),
        (64, "SIGRTMIN+30"),
    ] {
        daemon.signal(&number.to_string());
        let line = daemon.wait_for("this signal has no effect");
        assert!(line.contains(name), "{name}: {line}");
    }
    // Those that come at once are each told of.
    daemon.signal("STOP");
    for name in ["USR1", "USR2", "ALRM"] {
        daemon.signal(name);
    }
    daemon.signal("CONT");
    let lines: Vec<String> = (0..3).map(|_| daemon.wait_for("this signal has no effect")).collect();
    for name in ["SIGUSR1", "SIGUSR2", "SIGALRM"] {
        assert!(lines.iter().any(|line| line.contains(name)), "{name}: {lines:?}");
    }
    daemon.signal("TERM");
    assert!(daemon.end().0.success());
}

#[test]
fn a_command_of_once_is_not_left_when_once_is_quit() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", ""),
        ("jobs.d/job.toml", "command = 'echo $$ > pid; mv pid there; exec sleep 1000'\nevery = '1h'\n"),
    ]);
    let once = sandbox.start_with(started_by(&["env"], &["once", "job"]));
    sandbox.wait_for("its start", || sandbox.path().join("there").exists().then_some(()));
    let pid = sandbox.read("there").trim().to_owned();
    for signal in ["USR1", "ALRM", "QUIT"] {
        once.signal(signal);
    }
    let (status, said) = once.end();
    assert_eq!(status.code(), Some(143), "{said}");
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "the command is left: {said}");
}

#[test]
fn what_a_command_of_once_leaves_in_the_background_writes_on_when_once_is_over() {
    let command =
        "(while ! test -e go; do sleep 0.02; done; head -c 300000 /dev/zero; echo w >&2; echo ok > alive) & echo hi";
    let job = format!("command = '''{command}'''\nevery = '1h'\n");
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/job.toml", &job)]);
    let (status, said) = sandbox.start_with(started_by(&["env"], &["once", "job"])).end();
    assert!(status.success(), "{said}");
    assert!(said.contains("left in the background"), "{said}");
    sandbox.file("go", "");
    sandbox.wait_for("what it writes at last", || sandbox.path().join("alive").exists().then_some(()));
}

#[test]
fn whoever_stops_reading_the_log_and_the_messages_holds_up_neither_runs_nor_the_end() {
    let template = "x".repeat(2_000);
    let job = format!(
        "command = 'echo a; echo a >> ran'\nevery = '20ms'\ntemplate = '{template}'\n[notify]\nrate_limit = '100000/h'\n"
    );
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/job.toml", &job)]);
    let mut command = sandbox.command(&["run", "-vv"]);
    // Nobody reads: a pipe holds 64 KiB.
    let mut daemon = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program can be started");
    let lines = || std::fs::read_to_string(sandbox.path().join("ran")).unwrap_or_default().lines().count();
    sandbox.wait_for("150 runs", || (lines() >= 150).then_some(()));
    rustix::process::kill_process(Pid::from_child(&daemon), Signal::TERM).expect("it lives");
    let (told, ended) = std::sync::mpsc::channel();
    let pid = Pid::from_child(&daemon);
    std::thread::spawn(move || drop(told.send(daemon.wait())));
    let status = ended.recv_timeout(PATIENCE).map_err(|_| rustix::process::kill_process(pid, Signal::KILL));
    assert!(status.expect("it ends").expect("it can be waited for").success());
}

/// The limits of open files of a process, soft and hard.
fn open_files_of(pid: u32) -> (String, String) {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("it lives");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a limit");
    let mut words = line.split_whitespace().map(str::to_owned);
    (words.next().expect("the soft one"), words.next().expect("the hard one"))
}

#[test]
fn the_daemon_has_the_hard_limit_of_open_files_all_the_time() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "")]);
    for job in 0..4 {
        let job_file = "command = ['true']\nevery = '20ms'\n[notify]\non = []\n";
        sandbox.file(&format!("jobs.d/often{job}.toml"), job_file);
    }
    let daemon = daemon(&["prlimit", "--nofile=600:4096"], &sandbox);
    let begun = Instant::now();
    // While it starts processes again and again.
    while begun.elapsed() < Duration::from_secs(2) {
        assert_eq!(open_files_of(daemon.pid()), ("4096".to_owned(), "4096".to_owned()));
    }
}

#[test]
fn commands_have_the_limit_of_open_files_that_the_daemon_was_started_with() {
    // The first thing that a command does may be to look at it.
    for (command, umask) in [
        ("'ulimit -Sn; ulimit -Hn; umask'", "0027"),
        ("['/bin/sh', '-c', 'ulimit -Sn; ulimit -Hn; umask']", "0027"),
        ("'ulimit -Sn; ulimit -Hn; umask'", ""),
    ] {
        for soft in ["64", "600"] {
            let asked = if umask.is_empty() { String::new() } else { format!("umask = '{umask}'\n") };
            let sandbox = Sandbox::with(&[
                ("slack_alert.toml", ""),
                (
                    "jobs.d/job.toml",
                    &format!(
                        "command = {command}\nevery = '1h'\n{asked}template = 'limits {{{{ stdout | replace(\"\\n\", \"/\") }}}}'\n"
                    ),
                ),
            ]);
            let mut daemon = daemon(&["prlimit", &format!("--nofile={soft}:4096")], &sandbox);
            let line = daemon.wait_for("limits ");
            assert!(line.contains(&format!("{soft}/4096/{umask}")), "{command} {soft}: {line}");
        }
    }
    // Whoever runs one job needs no more files.
    let (code, said) = once(&["prlimit", "--nofile=300:4096"], "command = 'ulimit -Sn; ulimit -Hn'\nevery = '1h'\n");
    assert!(code == Some(0) && said.contains("300") && said.contains("4096"), "{said}");
}

#[test]
fn a_limit_of_open_files_changes_no_reason_why_a_command_does_not_start() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "")]);
    for (job, script, says) in [
        ("bare", "echo never", "has no `#!` line"),
        ("windows", "#!/bin/sh\r\necho never\r\n", "Windows line ends"),
        ("stranger", "#!/usr/bin/pyton3\n", "its interpreter `/usr/bin/pyton3` is not there"),
    ] {
        sandbox.script(&format!("{job}.sh"), script);
        sandbox.file(&format!("jobs.d/{job}.toml"), &format!("command = ['./{job}.sh']\nevery = '1h'\n"));
        let mut daemon = daemon(&["prlimit", "--nofile=600:4096"], &sandbox);
        let line = daemon.wait_for(says);
        assert!(line.contains("cannot be run"), "{line}");
        std::fs::remove_file(sandbox.path().join(format!("jobs.d/{job}.toml"))).expect("it is there");
    }
}

#[test]
fn runs_wait_for_open_files_and_do_not_fail() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "[limits]\nmax_running = 100\n")]);
    for job in 0..40 {
        sandbox.file(
            &format!("jobs.d/job{job}.toml"),
            "command = 'sleep 0.2; echo well'\nevery = '1h'\n[notify]\non = ['failure', 'success']\n",
        );
    }
    let mut daemon = daemon(&["prlimit", "--nofile=80:80"], &sandbox);
    let mut well = 0;
    while well < 40 {
        let line = daemon.wait_for("job");
        assert!(!line.contains("critical"), "{line}");
        well += usize::from(line.contains("*job") || line.contains("success") || line.contains("well"));
    }
}

#[test]
fn a_limit_of_file_sizes_ends_no_daemon_and_stays_one_for_commands() {
    let job = "command = 'head -c 99999 /dev/zero > big; echo code $? >&2; exit 1'\nevery = '1h'\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/job.toml", job)]);
    // Less than an empty database takes.
    let mut daemon = sandbox.start_with(started_by(&["prlimit", "--fsize=40960"], &["run"]));
    daemon.wait_for("the state cannot be written");
    // 128 + SIGXFSZ.
    daemon.wait_for("job critical: code 153");
    daemon.signal("TERM");
    let (status, said) = daemon.end();
    assert_eq!(status.code(), Some(1), "what is not on disk is told: {said}");
}

#[test]
fn a_time_limit_does_not_run_while_a_run_waits_for_open_files() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "[limits]\nmax_running = 100\n")]);
    for job in 0..60 {
        sandbox.file(
            &format!("jobs.d/job{job}.toml"),
            "command = 'sleep 1; echo well'\nevery = '1h'\ntimeout = '3s'\nkill_after = '100ms'\n",
        );
    }
    let daemon = daemon(&["prlimit", "--nofile=60:60"], &sandbox);
    let ended = || sandbox.run(&["history", "--json", "-n", "100"]).stdout.matches("\"finished\":\"").count();
    sandbox.wait_for("every end", || (ended() == 60).then_some(()));
    let history = sandbox.run(&["history", "--json", "-n", "100"]).stdout;
    assert_eq!(history.matches("\"ok\"").count(), 60, "{history}");
    daemon.signal("TERM");
    let (_, said) = daemon.end();
    assert_eq!(said.matches("runs wait: no more open files").count(), 1, "{said}");
}

#[test]
fn runs_wait_for_open_files_and_say_so_where_there_are_too_few_for_the_first() {
    let job = "command = 'echo well'\nevery = '1h'\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/job.toml", job)]);
    let mut daemon = daemon(&["prlimit", "--nofile=24:24"], &sandbox);
    daemon.wait_for("runs wait: no more open files are allowed (see `ulimit -n`, LimitNOFILE=)");
    daemon.signal("INT");
    daemon.signal("INT");
    let (_, said) = daemon.end();
    assert!(!said.contains("could not be started"), "{said}");
}

#[test]
fn a_run_that_waits_for_open_files_holds_no_stop_up_and_is_told_as_one_that_never_ran() {
    let job = "command = 'echo well'\nevery = '1h'\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", "limits.shutdown_grace = '10m'\n"), ("jobs.d/job.toml", job)]);
    let mut daemon = daemon(&["prlimit", "--nofile=24:24"], &sandbox);
    daemon.wait_for("runs wait: no more open files are allowed");
    daemon.signal("TERM");
    let (_, said) = daemon.end();
    assert!(said.contains("never ran: the daemon was stopped while it waited to start"), "{said}");
    assert!(!said.contains("the grace is over") && !said.contains("interrupted"), "{said}");
}

#[test]
fn a_command_cannot_read_the_environment_of_the_program() {
    if !rustix::process::geteuid().is_root() {
        skip("only root may become another user, of whom both processes are");
        return;
    }
    let job = "command = 'cat /proc/$PPID/environ; cat /proc/$$/environ >/dev/null && echo own'\nevery = '1h'\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/job.toml", job)]);
    let ran = sandbox.start_with(as_user(&sandbox, 65_534, "once job"));
    let (_, said) = ran.end();
    assert!(said.contains("Permission denied") && said.contains("own"), "{said}");
    assert!(!said.contains("s3cret-of-the-daemon"), "{said}");
}

#[test]
fn a_program_that_was_held_up_kills_nothing_that_ended_in_time() {
    for (end, code, says) in [("", 0, "exited with 0"), ("; exit 3", 3, "exited with 3")] {
        let job = format!(
            "command = 'echo $$ > pid; mv pid there; while ! test -e go; do sleep 0.01; done{end}'\nevery = '1h'\ntimeout = '2s'\n"
        );
        let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/job.toml", &job)]);
        let once = sandbox.start_with(started_by(&["env"], &["once", "job"]));
        sandbox.wait_for("its start", || sandbox.path().join("there").exists().then_some(()));
        let pid = sandbox.read("there").trim().to_owned();
        once.signal("STOP");
        once.wait_for_stop();
        let command = watched(&pid).expect("nobody has asked how it ended");
        sandbox.file("go", "");
        wait_for_end(&command);
        // Nothing but time tells that the timeout has passed.
        std::thread::sleep(Duration::from_millis(2_200));
        once.signal("CONT");
        let (status, said) = once.end();
        assert_eq!(status.code(), Some(code), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn a_command_that_waited_for_a_program_that_was_held_up_gets_its_time_back() {
    // It fills its pipe while nobody reads, and could not go on.
    let job = "command = 'touch there; while ! test -e go; do sleep 0.01; done; touch writes; head -c 900000 /dev/zero; echo end'\n\
               every = '1h'\ntimeout = '2s'\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/job.toml", job)]);
    let once = sandbox.start_with(started_by(&["env"], &["once", "job"]));
    sandbox.wait_for("its start", || sandbox.path().join("there").exists().then_some(()));
    once.signal("STOP");
    once.wait_for_stop();
    sandbox.file("go", "");
    sandbox.wait_for("its output", || sandbox.path().join("writes").exists().then_some(()));
    // Nothing but time tells that the timeout has passed, by more than a busy machine is late.
    std::thread::sleep(Duration::from_millis(3_500));
    once.signal("CONT");
    let (status, said) = once.end();
    assert_eq!(status.code(), Some(0), "{said}");
}

#[test]
fn how_long_a_run_took_that_ended_while_the_program_was_held_up_is_not_known() {
    let job = "command = 'touch there; while ! test -e go; do sleep 0.01; done; touch ends'\n\
               every = '1h'\ncritical_when = 'duration > 2 and exit_code == 0'\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/job.toml", job)]);
    let once = sandbox.start_with(started_by(&["env"], &["once", "job", "--json"]));
    sandbox.wait_for("its start", || sandbox.path().join("there").exists().then_some(()));
    once.signal("STOP");
    once.wait_for_stop();
    sandbox.file("go", "");
    sandbox.wait_for("its end", || sandbox.path().join("ends").exists().then_some(()));
    // Nothing but time tells that it was held up, by more than a busy machine is late.
    std::thread::sleep(Duration::from_millis(3_500));
    once.signal("CONT");
    let (status, said) = once.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains(r#""duration":null"#) && said.contains(r#""status":"ok""#), "{said}");
}

#[test]
fn a_program_that_was_held_up_says_of_none_that_it_had_to_be_killed() {
    let obey = "touch termed; while ! test -e go; do sleep 0.01; done; exit 0";
    let job = format!(
        "command = 'trap \"{obey}\" TERM; echo $$ > pid; mv pid there; while :; do sleep 0.01; done'\n\
         every = '1h'\ntimeout = '500ms'\nkill_after = '2s'\n"
    );
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/job.toml", &job)]);
    let once = sandbox.start_with(started_by(&["env"], &["once", "job"]));
    sandbox.wait_for("the question to end", || sandbox.path().join("termed").exists().then_some(()));
    let pid = sandbox.read("there").trim().to_owned();
    once.signal("STOP");
    once.wait_for_stop();
    let command = watched(&pid).expect("nobody has asked how it ended");
    sandbox.file("go", "");
    wait_for_end(&command);
    // Nothing but time tells that `kill_after` has passed.
    std::thread::sleep(Duration::from_millis(2_200));
    once.signal("CONT");
    let (_, said) = once.end();
    assert!(said.contains("timed out after 500ms") && !said.contains("had to be killed"), "{said}");
}

#[test]
fn a_daemon_that_was_held_up_says_of_no_run_that_has_ended_that_it_goes_on() {
    let job = "command = 'echo $$ > pid; mv pid there; while ! test -e go; do sleep 0.01; done; echo well'\n\
               every = '1h'\n[notify]\nslow = { over = '2s' }\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/job.toml", job)]);
    let mut daemon = daemon(&["env"], &sandbox);
    sandbox.wait_for("its start", || sandbox.path().join("there").exists().then_some(()));
    let pid = sandbox.read("there").trim().to_owned();
    daemon.signal("STOP");
    daemon.wait_for_stop();
    let command = watched(&pid).expect("nobody has asked how it ended");
    sandbox.file("go", "");
    wait_for_end(&command);
    // Nothing but time tells that the run would be slow by now, and the daemon late.
    std::thread::sleep(Duration::from_millis(3_500));
    daemon.signal("CONT");
    daemon.wait_for("well");
    daemon.signal("TERM");
    let (_, said) = daemon.end();
    assert!(!said.contains("takes longer"), "{said}");
}

#[test]
fn an_unknown_time_zone_is_said_at_the_start() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/job.toml", "command = 'true'\nevery = '1h'\n")])
        .variable("TZ", "Amerika/New_York");
    let mut daemon = sandbox.start(&["run"]);
    let line = daemon.wait_for("time zone");
    assert!(line.contains("WARN") && line.contains("all times are UTC"), "{line}");
}

#[test]
fn a_daemon_follows_the_time_zone_of_the_machine_when_that_is_set() {
    // As `timedatectl set-timezone` does: the link is replaced.
    let set = "mkdir etc && cp /etc/passwd /etc/group etc && mount --bind etc /etc && ln -s /usr/share/zoneinfo/Asia/Tokyo /etc/localtime && exec \"$@\"";
    let unshare = ["unshare", "--mount", "sh", "-c", set, "sh", "env", "-u", "TZ"];
    let job =
        "command = 'ln -s /usr/share/zoneinfo/America/Lima new; mv -T new /etc/localtime; echo set'\nevery = '1h'\n";
    let files = [
        ("slack_alert.toml", ""),
        ("jobs.d/job.toml", job),
        ("jobs.d/daily.toml", "command = 'true'\ncron = '0 9 * * *'\n"),
    ];
    let sandbox = Sandbox::with(&files);
    let tries = [
        "sh",
        "-c",
        "mount --bind /tmp /tmp && test -e /usr/share/zoneinfo/America/Lima && test -e /usr/share/zoneinfo/Asia/Tokyo",
    ];
    if !Command::new("unshare").arg("--mount").args(tries).output().is_ok_and(|tried| tried.status.success()) {
        skip("no mount namespace can be made here (it takes root, and unshare(1)), or there are no files of zones");
        return;
    }
    let mut daemon = sandbox.start_with(started_by(&unshare, &["run"]));
    daemon.wait_for("reloaded jobs=2 added=0 changed=2");
}

#[test]
fn utc_needs_no_files_of_zones() {
    let unshare = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /usr/share/zoneinfo && exec \"$@\"", "sh"];
    if !Command::new(unshare[0]).args(&unshare[1..]).arg("true").output().is_ok_and(|tried| tried.status.success()) {
        skip("no mount namespace can be made here (it takes root, and unshare(1))");
        return;
    }
    let job = "command = 'true'\ntimeout = '1m'\ncron = '0 9 * * *'\n";
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "time_zone = 'UTC'\n"),
        ("jobs.d/job.toml", &format!("{job}time_zone = 'Etc/UTC'\n")),
    ]);
    let check = |sandbox: &Sandbox| sandbox.start_with(started_by(&unshare, &["check"])).end();
    let (status, said) = check(&sandbox);
    assert!(status.success() && !said.contains("time-zone"), "{said}");
    // Any other is not known there.
    sandbox.file("jobs.d/job.toml", &format!("{job}time_zone = 'Europe/Berlin'\n"));
    let (status, said) = check(&sandbox);
    assert!(!status.success() && said.contains("unknown-time-zone"), "{said}");
}

/// The program as another user, who may read it and the sandbox and write nothing there.
fn as_user(sandbox: &Sandbox, number: u32, arguments: &str) -> impl FnOnce(&mut Command) {
    let program = sandbox.path().join("program");
    // Not by this process: a child of another test would hold the file open for writing, and so keep it from being executed.
    let copied = Command::new("cp").args([env!("CARGO_BIN_EXE_slack-alert").as_ref(), program.as_path()]).status();
    assert!(copied.expect("cp(1) exists").success());
    for path in [sandbox.path(), &program] {
        std::fs::set_permissions(path, Permissions::from_mode(0o755)).expect("its mode");
    }
    let words = format!("--reuid={number} --regid={number} --clear-groups -- {} {arguments}", program.display());
    let folder = sandbox.path().to_owned();
    move |command| {
        let mut outer = Command::new("setpriv");
        outer.args(words.split(' ')).current_dir(&folder).env_clear().env("PATH", "/usr/bin:/bin");
        outer.env("MARK", "s3cret-of-the-daemon").env("STATE_DIRECTORY", folder.join("state"));
        *command = outer;
    }
}

#[test]
fn a_state_directory_of_another_user_is_said_and_stops_no_job() {
    if !rustix::process::geteuid().is_root() {
        skip("only root may become another user");
        return;
    }
    let job = "command = 'echo all is well'\nevery = '1h'\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", "host = 'web-1'\n"), ("jobs.d/job.toml", job)]);
    let state = sandbox.path().join("state");
    std::fs::create_dir(&state).expect("a folder");
    std::fs::set_permissions(&state, Permissions::from_mode(0o700)).expect("its mode");
    let mut daemon = sandbox.start_with(as_user(&sandbox, 61_234, "run"));
    let line = daemon.wait_for("the state cannot be written; alerts are kept");
    assert!(line.contains("give the state directory and its files to the user of the daemon"), "{line}");
    daemon.wait_for("all is well");
    // Put right, it is used without a restart.
    let given = Command::new("chown").arg("61234").arg(&state).status();
    assert!(given.expect("chown(1) exists").success());
    daemon.wait_for("the state can be written again");
    daemon.signal("TERM");
    let (status, said) = daemon.end();
    assert!(
        status.success() && said.matches("the state cannot be written").count() == 2,
        "a line and a message: {said}"
    );
}

#[test]
fn where_no_more_processes_are_allowed_each_run_is_told_and_the_daemon_lives() {
    if !rustix::process::geteuid().is_root() {
        skip("only root may become another user, whose processes are counted");
        return;
    }
    let sandbox = Sandbox::with(&[("slack_alert.toml", "")]);
    for job in 0..20 {
        let file = "command = 'echo well; exec sleep 2'\nevery = '1h'\n";
        sandbox.file(&format!("jobs.d/job{job}.toml"), file);
    }
    let limited = as_user(&sandbox, 61_235, "run --dry-run");
    let mut daemon = sandbox.start_with(|command| {
        limited(command);
        let mut outer = Command::new("prlimit");
        outer.arg("--nproc=12").arg(command.get_program()).args(command.get_args()).env_clear();
        outer.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        outer.current_dir(sandbox.path());
        *command = outer;
    });
    let (mut ended, mut refused) = (0, 0);
    while ended + refused < 20 {
        let line = daemon.wait_for(" end job=");
        ended += usize::from(line.contains("exited with 0"));
        refused += usize::from(line.contains("no more processes are allowed"));
    }
    assert!(ended >= 1 && refused >= 1, "{ended} ended, {refused} were refused");
    daemon.signal("TERM");
    let (status, said) = daemon.end();
    assert!(status.success(), "{said}");
}

#[test]
fn a_first_run_is_none_that_is_made_up_for() {
    let job = "command = 'true'\nevery = '1h'\n[notify]\non = ['success']\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/job.toml", job)]);
    let mut daemon = daemon(&["env"], &sandbox);
    daemon.wait_for("end");
    daemon.signal("TERM");
    daemon.end();
    let history = sandbox.run(&["history", "--json"]).stdout;
    assert!(history.contains("\"trigger\":\"schedule\""), "{history}");
}

#[test]
fn a_command_has_no_terminal_to_ask_on_and_is_ended_like_any_other() {
    let on_terminal = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    for more in ["", "umask = '027'\n"] {
        let job =
            format!("command = 'read -r x < /dev/tty || echo no terminal'\nevery = '1h'\ntimeout = '20s'\n{more}");
        let (code, said) = once(&["python3", "-c", on_terminal], &job);
        assert!(code == Some(0) && said.contains("no terminal"), "{code:?} {said}");
        let job = format!("command = 'echo begins; sleep 60 & sleep 60'\nevery = '1h'\ntimeout = '500ms'\n{more}");
        let (code, said) = once(&["python3", "-c", on_terminal], &job);
        assert!(code == Some(124) && said.contains("timed out after 500ms"), "{code:?} {said}");
    }
}
