//! Scripts that misbehave end in a clear outcome, soon, and leave nothing behind.

use std::time::{Duration, Instant};

use slack_alert::exec::{Ending, Reason, Status};

use super::{command, duct, follow_on, on_one_thread, run, run_script, stdout, told, until_gone};
use crate::support::files::wait_for;
use slack_alert::exec::Outcome;
use tokio::task::JoinSet;

#[test]
fn what_is_left_in_the_background_goes_on_when_it_writes() {
    let dir = tempfile::tempdir().expect("a folder");
    let (go, alive) = (dir.path().join("go").display().to_string(), dir.path().join("alive"));
    let wait = format!("while ! test -e {go}; do sleep 0.02; done");
    let write = format!("head -c 300000 /dev/zero; echo w >&2; echo ok > {}", alive.display());
    on_one_thread(async {
        let begun = Instant::now();
        let spawner = duct(None);
        let job = format!("command = '''({wait}; {write}) & echo started; exit 0'''");
        let outcome = follow_on(&spawner, command(&job)).await;
        assert_eq!(told(&outcome), "ok, exit: exited with 0");
        assert!(outcome.leaked && outcome.directives.notes.is_empty(), "{outcome:?}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        assert_eq!(stdout(&outcome), "started\n");
        // More than the pipe holds, on both streams, after the run was over.
        std::fs::write(go, "").expect("a file");
        let folder = dir.path().to_owned();
        let written = move || wait_for(&[&folder], "the end of its output", || alive.exists().then_some(()));
        // Not on this thread, where the run still is.
        tokio::task::spawn_blocking(written).await.expect("no panic");
    });
}

#[test]
fn so_much_is_left_in_the_background_and_more_is_told() {
    on_one_thread(async {
        let spawner = duct(None);
        let mut runs = JoinSet::new();
        for _ in 0..65 {
            let spawner = spawner.clone();
            runs.spawn(async move { follow_on(&spawner, command("command = 'sleep 1000 & echo $!; exit 0'")).await });
        }
        let outcomes = runs.join_all().await;
        let told =
            |outcome: &Outcome| outcome.directives.notes.iter().any(|note| note.contains("ends at its next output"));
        assert!(outcomes.iter().all(|outcome| outcome.leaked));
        assert_eq!(outcomes.iter().filter(|outcome| told(outcome)).count(), 1, "64 have two pipes each");
        for outcome in outcomes {
            let pid = stdout(&outcome).trim().parse().expect("a number");
            let pid = rustix::process::Pid::from_raw(pid).expect("a process");
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is still there");
        }
    });
}

#[test]
fn a_grandchild_that_lets_go_of_the_pipe_is_waited_for() {
    let outcome = run_script("(sleep 0.1; echo late) & exit 0");
    assert_eq!((stdout(&outcome).as_str(), outcome.leaked), ("late\n", false));
}

#[test]
fn a_bomb_of_sleeps_is_gone_after_its_timeout() {
    let script = "echo $$; trap '' TERM; f() { sleep 100 & sleep 100 | sleep 100 & }; \
                  for i in 1 2 3 4 5 6 7 8 9 10; do f; (f; f; exec sleep 100) & done; wait; sleep 100";
    let outcome = run(&format!("command = '''{script}'''\ntimeout = '1500ms'\nkill_after = '300ms'"));
    assert_eq!(told(&outcome), "critical, timeout: timed out after 1.5s, and had to be killed");
    let group = stdout(&outcome).trim().parse().expect("the group");
    on_one_thread(until_gone(group));
}

#[test]
fn what_the_first_process_leaves_behind_after_a_timeout_is_ended_too() {
    let script = "echo $$; (trap '' TERM; exec >/dev/null 2>&1; sleep 100; sleep 100) & sleep 100";
    let outcome = run(&format!("command = '''{script}'''\ntimeout = '1s'"));
    assert_eq!(outcome.ending, Ending::TimedOut { after: Duration::from_secs(1), killed: false });
    let group = stdout(&outcome).trim().parse().expect("the group");
    on_one_thread(until_gone(group));
}

#[test]
fn one_that_obeys_a_timeout_may_say_goodbye() {
    let outcome = run("command = 'trap \"echo bye; exit 0\" TERM; while :; do sleep 0.05; done'\ntimeout = '1s'");
    assert_eq!(outcome.ending, Ending::TimedOut { after: Duration::from_secs(1), killed: false });
    assert_eq!((outcome.status, outcome.reason), (Status::Critical, Reason::Timeout));
    assert_eq!(stdout(&outcome), "bye\n");
}

#[test]
fn one_that_ignores_sigterm_is_killed() {
    let begun = Instant::now();
    let outcome = run("command = 'trap \"\" TERM; while :; do sleep 0.05; done'\ntimeout = '1s'\nkill_after = '200ms'");
    assert_eq!(outcome.ending, Ending::TimedOut { after: Duration::from_secs(1), killed: true });
    assert!(begun.elapsed() >= Duration::from_millis(1_200));
}

#[test]
fn what_has_left_the_group_and_holds_a_pipe_does_not_hold_up_the_end() {
    let job = "command = 'echo x; exec setsid --wait sleep 20'\ntimeout = '300ms'\nkill_after = '15s'";
    let outcome = run(job);
    assert_eq!(told(&outcome), "critical, timeout: timed out after 300ms");
    assert!(outcome.leaked && outcome.took < Duration::from_secs(14), "{outcome:?}");
}

#[test]
fn what_is_in_the_group_and_ignores_sigterm_is_killed_after_its_time() {
    let script = "echo $$; (trap \"\" TERM; sleep 100; sleep 100) & exec sleep 100";
    let outcome = run(&format!("command = '{script}'\ntimeout = '300ms'\nkill_after = '1200ms'"));
    assert_eq!(told(&outcome), "critical, timeout: timed out after 300ms, and had to be killed");
    let group = stdout(&outcome).trim().parse().expect("the group");
    on_one_thread(until_gone(group));
}

#[test]
fn one_that_stopped_itself_is_ended_too() {
    let outcome = run("command = 'kill -STOP $$'\ntimeout = '200ms'");
    assert_eq!(outcome.ending, Ending::TimedOut { after: Duration::from_millis(200), killed: false });
}

#[test]
fn closed_pipes_do_not_end_a_run() {
    let begun = Instant::now();
    let outcome = run_script("exec >&- 2>&-; sleep 0.3; exit 4");
    assert_eq!(told(&outcome), "critical, exit: exited with 4");
    assert!(begun.elapsed() >= Duration::from_millis(300) && !outcome.leaked);
}

#[test]
fn one_that_leaves_its_group_is_not_waited_for() {
    let outcome = run("command = 'setsid sleep 3 & exit 0'");
    assert_eq!((outcome.exit_code(), outcome.leaked), (Some(0), true));
}

#[test]
fn a_run_took_as_long_as_its_own_process() {
    let late = run("command = 'setsid sleep 20 & exec sleep 30'\ntimeout = '700ms'");
    assert!(late.took >= Duration::from_millis(700), "{late:?}");
    // On a machine that is busy the process itself may be slow, now and then.
    let short = |_| {
        let outcome = run("command = 'sleep 20 & echo done'");
        assert!(outcome.leaked, "{outcome:?}");
        outcome.took < Duration::from_millis(400)
    };
    assert!((0..20).any(short), "each of them took as long as what it had left");
}

#[test]
fn endless_output_is_ended_by_the_timeout() {
    let outcome = run("command = 'yes'\ntimeout = '1s'\nmax_output = '1KiB'");
    assert_eq!(told(&outcome), "critical, timeout: timed out after 1s");
    assert!(outcome.output.stdout.dropped > 0);
}
