//! Nothing is left behind: no process, no zombie, no descriptor, no thread.

use std::sync::Arc;

use slack_alert::exec::Spawner;
use tokio::task::JoinSet;

use super::{alone, command, duct, due, follow_on, living, on_one_thread, processes, started, until, until_gone};

#[test]
fn a_run_that_is_dropped_takes_its_group_with_it() {
    on_one_thread(async {
        let run = due(command("command = 'trap \"\" TERM; sleep 100 & sleep 100 | sleep 100'"));
        let own = Arc::clone(&run);
        let running = tokio::spawn(duct(None).run(run));
        let group = started(&own.progress).await;
        until("its children start", || living(group) >= 3).await;
        running.abort();
        until_gone(group).await;
    });
}

#[test]
fn three_hundred_runs_leave_nothing() {
    if !alone("os::exec::leftovers::three_hundred_runs_leave_nothing") {
        return;
    }
    let open = || std::fs::read_dir("/proc/self/fd").expect("/proc/self/fd").count();
    let threads = || std::fs::read_dir("/proc/self/task").expect("/proc/self/task").count();
    let own = std::process::id();
    on_one_thread(async {
        let (threads_before, spawner) = (threads(), duct(None));
        follow_on(&spawner, command("command = ':'")).await;
        let fds = open();
        let jobs = [
            "command = 'echo hi'",
            "command = ['/bin/true']",
            "command = ['/no/such']",
            "command = 'sleep 9'\ntimeout = '20ms'",
            "command = 'cat'\nstdin = 'text'",
            "command = 'kill -9 $$'\nretries = { times = 1, delay = '1ms' }",
        ];
        let mut most_threads = 0;
        for _ in 0..5 {
            let mut runs = JoinSet::new();
            for job in jobs.iter().cycle().take(60) {
                let (spawner, command) = (spawner.clone(), command(job));
                runs.spawn(async move { follow_on(&spawner, command).await });
            }
            while runs.join_next().await.is_some() {
                most_threads = most_threads.max(threads());
            }
        }
        assert_eq!(open(), fds);
        assert!(most_threads <= threads_before + 3, "{most_threads} threads, {threads_before} before");
        let children: Vec<_> = processes().into_iter().filter(|(_, _, parent, _)| *parent == own).collect();
        assert_eq!(children, [], "zombies");
        drop(spawner);
        until("its threads end", || threads() == threads_before).await;
    });
}
