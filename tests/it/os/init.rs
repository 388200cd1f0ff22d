//! As process 1 of a container (a PID namespace): orphans are reaped, signals reach the daemon, its exit code is told.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::support::program::Sandbox;
use crate::support::skip::skip;

/// Whether a PID namespace can be made here: that takes root, and util-linux.
fn can_unshare() -> bool {
    let tried = Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "true"]).output();
    let can = tried.is_ok_and(|tried| tried.status.success());
    if !can {
        skip("no PID namespace can be made here (it takes root, and unshare(1))");
    }
    can
}

#[test]
fn as_process_1_it_reaps_orphans_and_passes_signals_on() {
    if !can_unshare() {
        return;
    }
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", ""),
        // Orphans: their parent ends before they do.
        (
            "jobs.d/orphan.toml",
            "command = 'for i in 1 2 3 4 5; do (sleep 0.05 &) ; done'\nevery = \"100ms\"\n[notify]\non = [\"failure\"]\n",
        ),
        (
            "jobs.d/count.toml",
            "command = 'echo zombies: $(cat /proc/[0-9]*/stat 2>/dev/null | grep -c \") Z \"), init: $(tr \"\\\\0\" \" \" < /proc/1/cmdline)'\n\
             every = \"2s\"\nfirst_run = \"wait\"\n",
        ),
    ]);
    let program = env!("CARGO_BIN_EXE_slack-alert");
    let going = sandbox.start_with(|command| {
        let mut outer = Command::new("unshare");
        // `exec` in the shell: the program itself is process 1, and the shell tells its exit code.
        outer.args(["--pid", "--fork", "--mount-proc", "--kill-child", program, "run", "--dry-run"]);
        outer.current_dir(command.get_current_dir().expect("the sandbox")).env_clear();
        outer.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        outer.process_group(0);
        *command = outer;
    });
    let mut going = going;
    let line = going.wait_for("zombies: ");
    let zombies: u32 =
        line.split("zombies: ").nth(1).and_then(|rest| rest.split(',').next()?.trim().parse().ok()).expect("a count");
    assert!(zombies <= 5, "orphans are left: {line}");
    assert!(line.contains("slack-alert run --dry-run"), "process 1 is the program itself: {line}");
    // unshare(1) ignores TERM while it waits; its child is process 1 of the namespace.
    let children =
        std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", going.pid())).expect("it has a child");
    let init = children.split_whitespace().next().expect("process 1").to_owned();
    assert!(Command::new("kill").args(["-s", "TERM", &init]).status().expect("kill(1)").success());
    going.wait_for("stopped");
    let (status, said) = going.end();
    assert_eq!(status.code(), Some(0), "{said}");
}
