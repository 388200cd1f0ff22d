//! The physical limit: the same work in a bare loop of the standard library (posix_spawn, two pipes read to their end,
//! wait), on one thread, nothing decided and nothing kept.

use std::collections::VecDeque;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Processes that are in progress together in [`runs`]: enough to keep two cores busy.
const AT_ONCE: usize = 16;

fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/").env("LANG", "C.UTF-8");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn finish(child: Child) {
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success() && output.stdout.is_empty());
}

/// Runs a second of a program that does nothing, over a time.
pub(crate) fn runs(program: &Path, time: Duration) -> f64 {
    let begun = Instant::now();
    let mut running = VecDeque::new();
    let mut runs = 0_u32;
    while begun.elapsed() < time {
        if running.len() == AT_ONCE {
            finish(running.pop_front().expect("some child"));
        }
        running.push_back(command(program).spawn().expect("it starts"));
        runs += 1;
    }
    running.into_iter().for_each(finish);
    f64::from(runs) / begun.elapsed().as_secs_f64()
}

/// `count` processes at each of `instants` whole seconds, started one after the other, each told for when; the last
/// second's are waited for before the next.
pub(crate) fn bursts(stamp: &Path, stamps: &Path, count: usize, instants: usize) {
    for _ in 0..instants {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let instant = now.as_secs() + 1;
        std::thread::sleep(Duration::from_secs(instant) - now);
        let scheduled =
            jiff::Timestamp::from_second(i64::try_from(instant).expect("a time")).expect("a time").to_string();
        let start = |_| {
            let mut command = command(stamp);
            command.env("STAMPS", stamps).env("SLACK_ALERT_SCHEDULED", &scheduled);
            command.spawn().expect("it starts")
        };
        let running: Vec<Child> = (0..count).map(start).collect();
        running.into_iter().for_each(finish);
    }
}

/// How long `sh -c 'SCRIPT | cat > /dev/null'` takes, in seconds.
pub(crate) fn cat(script: &str) -> f64 {
    let begun = Instant::now();
    let status = Command::new("/bin/sh").args(["-c", &format!("{script} | cat > /dev/null")]).status();
    assert!(status.expect("it starts").success());
    begun.elapsed().as_secs_f64()
}
