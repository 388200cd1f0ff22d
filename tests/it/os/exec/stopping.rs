//! A run that is told to stop ends soon, wherever it is: running, waiting for another attempt, waiting for its turn.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use slack_alert::clock::{Clock, System};
use slack_alert::document::Rate;
use slack_alert::exec::{Outcome, Run, Spawner, Stop};
use tokio::task::JoinSet;

use super::{BUSY, command, duct, due, follow_on, on_one_thread, run, started, stdout, told, until, until_gone};

/// Runs, and raises each `stop` in turn: the first once the run has printed something, the others once it has said `seen`.
async fn stopped(run: Arc<Run>, levels: &[Stop]) -> (Outcome, u32, Duration) {
    let own = Arc::clone(&run);
    let running = tokio::spawn(duct(None).run(run));
    let group = started(&own.progress).await;
    until("it prints", || !own.progress.last_output.lock().expect("not poisoned").is_empty()).await;
    let begun = Instant::now();
    for (number, level) in levels.iter().enumerate() {
        if number > 0 {
            until("it has seen the signal", || {
                String::from_utf8_lossy(&own.progress.last_output.lock().expect("not poisoned")).contains("seen")
            })
            .await;
        }
        own.stop.raise(*level);
    }
    let outcome = tokio::time::timeout(BUSY, running).await.expect("it ends").expect("no panic");
    (outcome, group, begun.elapsed())
}

#[test]
fn a_stop_is_a_sigterm_and_time_to_obey() {
    on_one_thread(async {
        let job = "command = 'trap \"echo bye; exit 0\" TERM; echo hi; while :; do sleep 0.05; done'";
        let (outcome, group, _) = stopped(due(command(job)), &[Stop::Terminate]).await;
        assert_eq!(told(&outcome), "critical, interrupted: interrupted");
        assert_eq!(stdout(&outcome), "hi\nbye\n");
        until_gone(group).await;
    });
}

#[test]
fn who_ignores_a_stop_is_killed() {
    on_one_thread(async {
        let job = "command = 'trap \"\" TERM; echo hi; while :; do sleep 0.05; done'\nkill_after = '300ms'";
        let (outcome, group, took) = stopped(due(command(job)), &[Stop::Terminate]).await;
        assert_eq!(told(&outcome), "critical, interrupted: interrupted");
        assert!(took >= Duration::from_millis(300));
        until_gone(group).await;
    });
}

#[test]
fn a_second_stop_kills_at_once() {
    on_one_thread(async {
        let job = "command = 'trap \"echo seen\" TERM; echo hi; while :; do sleep 0.05; done'\nkill_after = '1h'";
        for levels in [&[Stop::Kill][..], &[Stop::Terminate, Stop::Kill]] {
            let (outcome, group, took) = stopped(due(command(job)), levels).await;
            assert_eq!(told(&outcome), "critical, interrupted: interrupted");
            assert!(took < BUSY / 3, "{took:?}");
            until_gone(group).await;
        }
    });
}

#[test]
fn a_stop_ends_the_wait_for_another_attempt() {
    on_one_thread(async {
        // Long enough to be seen.
        let run = due(command("command = 'echo tried; sleep 0.5; exit 1'\nretries = { times = 5, delay = '1h' }"));
        let own = Arc::clone(&run);
        let running = tokio::spawn(duct(None).run(run));
        started(&own.progress).await;
        until("the attempt is over", || own.progress.retry().is_some_and(|retry| retry.failed == 1)).await;
        own.stop.raise(Stop::Terminate);
        let outcome = tokio::time::timeout(BUSY, running).await.expect("it ends").expect("no panic");
        assert_eq!((told(&outcome).as_str(), outcome.attempts), ("critical, interrupted: interrupted", 1));
        assert_eq!(outcome.detail, "stopped before its next attempt; the last one exited with 1");
        assert_eq!(stdout(&outcome), "tried\n");
    });
}

#[test]
fn an_attempt_that_could_not_begin_before_a_daemon_stops_is_not_waited_for() {
    on_one_thread(async {
        let run = due(command("command = 'echo tried; sleep 0.5; exit 4'\nretries = { times = 5, delay = '1h' }"));
        let own = Arc::clone(&run);
        let running = tokio::spawn(duct(None).run(run));
        started(&own.progress).await;
        // Told while the first attempt goes on, which ends by itself.
        own.stop.no_attempt_from(System.now().mono + Duration::from_secs(30));
        let outcome = tokio::time::timeout(BUSY, running).await.expect("it ends").expect("no panic");
        assert_eq!((outcome.attempts, stdout(&outcome).as_str()), (1, "tried\n"));
        assert_eq!(outcome.detail, "stopped before its next attempt; the last one exited with 4");
    });
}

#[test]
fn a_stop_between_attempts_forgets_no_process_that_the_last_one_left_behind() {
    on_one_thread(async {
        let job = "command = 'echo tried; sleep 20 & sleep 0.5; exit 1'\nretries = { times = 5, delay = '1h' }";
        let run = due(command(job));
        let own = Arc::clone(&run);
        let running = tokio::spawn(duct(None).run(run));
        let group = started(&own.progress).await;
        until("the attempt is over", || own.progress.pid.load(std::sync::atomic::Ordering::Relaxed) == 0).await;
        own.stop.raise(Stop::Terminate);
        let outcome = tokio::time::timeout(BUSY, running).await.expect("it ends").expect("no panic");
        assert_eq!((told(&outcome).as_str(), outcome.leaked), ("critical, interrupted: interrupted", true));
        let group = rustix::process::Pid::from_raw(group.cast_signed()).expect("a group");
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).expect("the process is still there");
    });
}

#[test]
fn a_stop_ends_the_wait_for_ones_turn() {
    on_one_thread(async {
        let slow = duct(Some(Rate { count: NonZeroU32::MIN, per: Duration::from_secs(3_600) }));
        let first = follow_on(&slow, command("command = 'exit 0'")).await;
        assert_eq!(first.exit_code(), Some(0));
        let wait = |_| {
            let run = due(command("command = 'exit 0'"));
            (Arc::clone(&run), tokio::spawn(slow.run(run)))
        };
        let waiting: Vec<_> = (0..3).map(wait).collect();
        // On one thread each of them goes on until it has to wait.
        tokio::task::yield_now().await;
        waiting.iter().for_each(|(run, _)| run.stop.raise(Stop::Terminate));
        for (_, running) in waiting {
            let outcome = tokio::time::timeout(BUSY, running).await.expect("it ends").expect("no panic");
            assert_eq!((told(&outcome).as_str(), outcome.attempts), ("critical, interrupted: interrupted", 0));
        }
    });
}

#[test]
fn starts_keep_their_rate() {
    on_one_thread(async {
        let rate = Rate { count: NonZeroU32::new(10).expect("not zero"), per: Duration::from_secs(1) };
        let spawner = duct(Some(rate));
        let begun = Instant::now();
        let mut runs = JoinSet::new();
        for _ in 0..20 {
            let spawner = spawner.clone();
            runs.spawn(async move { follow_on(&spawner, command("command = ['/bin/true']")).await });
        }
        while let Some(outcome) = runs.join_next().await {
            assert_eq!(outcome.expect("no panic").exit_code(), Some(0));
        }
        // Ten at once, then one each 100 ms.
        assert!(begun.elapsed() >= Duration::from_millis(990), "{:?}", begun.elapsed());
    });
}

#[test]
fn failed_attempts_are_made_again_after_their_delays() {
    let dir = tempfile::tempdir().expect("a folder");
    let tries = dir.path().join("tries");
    let script = format!("echo $SLACK_ALERT_ATTEMPT >> {0}; test $(wc -l < {0}) = 3", tries.display());
    let outcome =
        run(&format!("command = '{script}'\nretries = {{ times = 4, delay = '100ms', factor = 2 }}\ntimeout = '1m'"));
    assert_eq!((told(&outcome).as_str(), outcome.attempts), ("ok, exit: exited with 0", 3));
    assert_eq!(std::fs::read_to_string(tries).expect("the tries"), "1\n2\n3\n");
    assert!(outcome.took >= Duration::from_millis(300), "{:?}", outcome.took);
}

#[test]
fn attempts_run_out_and_each_has_its_whole_time() {
    let outcome = run("command = 'sleep 60'\nretries = { times = 2, delay = '10ms' }\ntimeout = '200ms'");
    assert_eq!((told(&outcome).as_str(), outcome.attempts), ("critical, timeout: timed out after 200ms", 3));
    assert!(outcome.took >= Duration::from_millis(600));
    let skipped = run("command = 'exit 75'\nretries = 3\nexit_codes = { skip = [75] }");
    assert_eq!((skipped.skipped, skipped.attempts), (true, 1));
    let missing = run("command = ['/no/such']\nretries = { times = 1, delay = '10ms' }");
    assert_eq!(missing.attempts, 2);
}
