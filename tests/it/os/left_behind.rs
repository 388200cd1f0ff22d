//! Runs that a daemon which was killed left behind, and what the next one does with them.

use slack_alert::store::Store;

use crate::support::program::{Going, Sandbox};

/// Waits until a file says something, and gives that.
fn said(sandbox: &Sandbox, path: &str) -> String {
    sandbox.wait_for(path, || Some(sandbox.read(path)).filter(|text| text.ends_with('\n')))
}

/// Waits for the end of a process: one that was killed goes when it has its turn.
fn wait_for_the_end(sandbox: &Sandbox, pid: &str) {
    sandbox.wait_for("the end of the process", || (!lives(pid)).then_some(()));
}

fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// Waits until the run is in the database, with its process.
fn on_disk(sandbox: &Sandbox) {
    let state = sandbox.path().join("state");
    sandbox.wait_for("the run in the database", || {
        let reader = Store::open_reader(&state).ok()?;
        matches!(reader.running().ok()?.as_slice(), [run] if run.process.is_some()).then_some(())
    });
}

/// A daemon whose only run goes on, killed; the number of the run's process.
fn killed(job: &str) -> (Sandbox, String) {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "host = 'web-1'\n"), ("jobs.d/a.toml", job)]);
    let going: Going = sandbox.start(&[]);
    let pid = said(&sandbox, "pids");
    on_disk(&sandbox);
    going.signal("KILL");
    assert!(!going.end().0.success());
    assert!(lives(&pid), "the run outlives its daemon");
    (sandbox, pid)
}

#[test]
fn a_run_that_outlives_its_daemon_is_waited_for_and_no_second_copy_starts() {
    let job = "command = 'echo $$ >> pids; while [ ! -e stop ]; do sleep 0.05; done'\nevery = '200ms'\nnotify.stuck_after = 0\n";
    let (sandbox, pid) = killed(job);
    let mut next = sandbox.start(&["run", "-v"]);
    next.wait_for("its process lives on: it is waited for");
    // Several of its due times pass.
    for _ in 0..3 {
        next.wait_for("due while the last run is still going");
    }
    assert_eq!(sandbox.read("pids"), pid, "no second copy beside a live one");
    assert!(lives(&pid));
    sandbox.file("stop", "");
    next.wait_for("its process went on and has");
    // And then the job runs as ever.
    sandbox.wait_for("the next run", || (sandbox.read("pids").lines().count() >= 2).then_some(()));
    next.signal("TERM");
    assert!(next.end().0.success());
}

#[test]
fn a_run_whose_environment_says_nothing_is_found_all_the_same() {
    // Cleared; and written over, as setproctitle(3) does it.
    for what in ["exec env -i sleep 1000", "exec perl -e '$0 = \"worker \" x 4000; sleep 1000'"] {
        let job = format!("command = '''echo $$ >> pids; {what}'''\nevery = '1s'\nnotify.stuck_after = 0\n");
        let (sandbox, pid) = killed(&job);
        let told = |environ: &String| environ.contains("SLACK_ALERT_RUN_ID");
        let environ = || std::fs::read_to_string(format!("/proc/{}/environ", pid.trim())).unwrap_or_default();
        sandbox.wait_for("a program without its environment", || (!told(&environ())).then_some(()));
        let mut next = sandbox.start(&["run", "-v"]);
        next.wait_for("its process lives on: it is waited for");
        next.wait_for("due while the last run is still going");
        assert_eq!(sandbox.read("pids"), pid, "no second copy beside a live one");
        for _ in 0..2 {
            next.signal("INT");
        }
        next.end();
        wait_for_the_end(&sandbox, &pid);
    }
}

#[test]
fn a_run_of_a_job_whose_file_is_gone_is_waited_for_under_the_time_limit_of_the_defaults_or_stopped() {
    let job = "command = 'echo $$ >> pids; exec sleep 1000'\nevery = '1h'\nnotify.stuck_after = 0\n";
    for limit in [true, false] {
        let (sandbox, pid) = killed(job);
        std::fs::remove_file(sandbox.path().join("jobs.d/a.toml")).expect("it is there");
        sandbox.file("jobs.d/b.toml", "command = 'true'\nevery = '1h'\n");
        if limit {
            sandbox.file("slack_alert.toml", "host = 'web-1'\n[defaults]\ntimeout = '1s'\n");
        }
        let mut next = sandbox.start(&["run", "-v"]);
        next.wait_for("its process lives on, though its job file is gone: it is waited for");
        match limit {
            true => drop(next.wait_for("timed out after 1s")),
            false => assert!(lives(&pid)),
        }
        next.signal("TERM");
        next.signal("INT");
        let (_, said) = next.end();
        assert!(!limit || said.contains("no longer watched") && said.contains("(jobs.d/a.toml was removed)"), "{said}");
        assert!(!said.contains("run by something else"), "{said}");
        wait_for_the_end(&sandbox, &pid);
    }
}

#[test]
fn a_run_of_a_job_whose_file_has_errors_is_waited_for_and_the_job_goes_on_when_the_file_is_good() {
    let job = "command = 'echo $$ >> pids; exec sleep 1000'\nevery = '200ms'\nnotify.stuck_after = 0\n";
    let (sandbox, pid) = killed(job);
    sandbox.file("jobs.d/a.toml", &job.replace("every", "evry"));
    let mut next = sandbox.start(&["run", "-v"]);
    next.wait_for("its process lives on, though its job file has errors: it is waited for");
    next.wait_for("the job file has errors and is not loaded");
    assert!(lives(&pid));
    sandbox.file("jobs.d/a.toml", job);
    next.signal("HUP");
    next.wait_for("due while the last run is still going");
    assert_eq!(sandbox.read("pids"), pid, "no second copy beside a live one");
    // Dead when the next daemon starts: what became of it is told also while the file has errors.
    next.signal("KILL");
    next.end();
    let killed = std::process::Command::new("kill").args(["-KILL", pid.trim()]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    wait_for_the_end(&sandbox, &pid);
    sandbox.file("jobs.d/a.toml", &job.replace("every", "evry"));
    let mut last = sandbox.start(&["run", "-v"]);
    last.wait_for("a critical: interrupted while it ran: the daemon was killed or crashed");
    last.signal("TERM");
    let (_, said) = last.end();
    assert!(!said.contains("no longer watched") && !said.contains("there is no such job"), "{said}");
}

#[test]
fn a_run_that_outlives_its_daemon_is_replaced_when_its_job_says_so() {
    let job = "command = 'echo $$ >> pids; exec sleep 1000'\nevery = '2s'\noverlap = 'replace'\n";
    let (sandbox, pid) = killed(job);
    let mut next = sandbox.start(&["run", "-v"]);
    next.wait_for("its process lives on: it is waited for");
    next.wait_for("decision=replaced");
    wait_for_the_end(&sandbox, &pid);
    next.signal("INT");
    next.wait_for("stopping");
    next.signal("INT");
    assert!(next.end().0.success());
}

#[test]
fn a_run_that_outlives_its_daemon_ends_with_its_timeout() {
    let job = "command = 'echo $$ >> pids; exec sleep 1000'\nevery = '1h'\ntimeout = '3s'\n";
    let (sandbox, pid) = killed(job);
    let mut next = sandbox.start(&[]);
    next.wait_for("timed out after 3s");
    next.wait_for("its process went on and was ended now by the time limit");
    wait_for_the_end(&sandbox, &pid);
    next.signal("TERM");
    assert!(next.end().0.success());
}

#[test]
fn what_ignores_sigterm_in_a_run_that_outlives_its_daemon_is_killed_after_kill_after() {
    let job = "command = '''(trap \"\" TERM; echo > deaf; while :; do sleep 0.1; done) >/dev/null 2>&1 & \
               while [ ! -e deaf ]; do sleep 0.05; done; echo $! > other; echo $$ >> pids; exec sleep 1000'''\n\
               every = '1h'\ntimeout = '3s'\nkill_after = '1s'\n";
    let (sandbox, pid) = killed(job);
    let other = said(&sandbox, "other");
    assert!(lives(&other));
    let mut next = sandbox.start(&[]);
    next.wait_for("timed out after 3s");
    wait_for_the_end(&sandbox, &pid);
    wait_for_the_end(&sandbox, &other);
    next.signal("TERM");
    assert!(next.end().0.success());
}

#[test]
fn a_run_that_outlives_two_daemons_is_found_by_the_third() {
    let job = "command = 'echo $$ >> pids; exec sleep 1000'\nevery = '1h'\ntimeout = '30s'\noverlap = 'replace'\n";
    let (sandbox, pid) = killed(job);
    let mut second = sandbox.start(&[]);
    second.wait_for("its process lives on: it is waited for");
    on_disk(&sandbox);
    second.signal("KILL");
    assert!(!second.end().0.success());
    let mut third = sandbox.start(&[]);
    third.wait_for("its process lives on: it is waited for");
    assert_eq!(sandbox.read("pids"), pid);
    third.signal("INT");
    third.wait_for("stopping");
    third.signal("INT");
    assert!(third.end().0.success());
    wait_for_the_end(&sandbox, &pid);
}

#[test]
fn a_run_of_another_daemon_is_left_alone_though_its_job_and_number_are_the_same() {
    let job = "command = 'echo $$ >> pids; exec sleep 1000'\nevery = '1h'\n";
    let (dead, left) = killed(job);
    let other = Sandbox::with(&[("slack_alert.toml", "host = 'web-1'\n"), ("jobs.d/a.toml", job)]);
    let mut beside = other.start(&[]);
    let pid = said(&other, "pids");
    // The process that was left behind is gone: of its job and number there is only that of the other daemon.
    let status = std::process::Command::new("kill").args(["-KILL", left.trim()]).status();
    assert!(status.expect("kill(1) exists").success());
    let mut next = dead.start(&[]);
    next.wait_for("was in progress when the daemon died job=a");
    next.signal("TERM");
    next.wait_for("stopping");
    next.signal("INT");
    next.signal("INT");
    assert!(next.end().0.success());
    assert!(lives(&pid), "it is another daemon's");
    for _ in 0..2 {
        beside.signal("INT");
        beside.wait_for("stopping");
    }
    assert!(beside.end().0.success());
}
