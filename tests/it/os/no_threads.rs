//! A daemon that may make no more threads (`ulimit -u`, TasksMax=): nothing of it dies, and nothing of it panics.

use std::process::Command;

use crate::support::program::Sandbox;
use crate::support::skip::skip;
use crate::support::slack::{MockSlack, Request};

/// A user that has no other processes: they would count.
const USER: u32 = 1_000_680_042;

/// A sandbox that this user may write to; none where nobody can become another user.
fn sandbox(files: &[(&str, &str)]) -> Option<Sandbox> {
    if !nix::unistd::geteuid().is_root() {
        skip("only root can become another user");
        return None;
    }
    let sandbox = Sandbox::with(files);
    std::os::unix::fs::chown(sandbox.path(), Some(USER), Some(USER)).expect("root may");
    Some(sandbox)
}

#[test]
fn a_daemon_that_may_make_no_more_threads_reads_changed_files_and_posts_alerts() {
    let slack = MockSlack::start();
    // A name, which has to be looked up.
    let url = slack.url().replace("127.0.0.1", "localhost");
    let config = format!("[slack]\ntoken = \"xoxb-1-2-a\"\napi_url = \"{url}\"\nchannel = \"#ops\"\n");
    let Some(sandbox) = sandbox(&[("slack_alert.toml", &config), ("jobs.d/other.toml", "enabled = false\n")]) else {
        return;
    };
    let mut daemon = sandbox.start_with(|command| {
        command.arg("run");
        sandbox.as_stranger(USER + 1, &[])(command);
    });
    std::os::unix::fs::chown(sandbox.path(), Some(USER + 1), None).expect("root may");
    daemon.wait_for("started");
    let pid = daemon.pid().to_string();
    // Of its own user: root may lack CAP_SYS_RESOURCE.
    let user = [format!("--reuid={}", USER + 1), format!("--regid={}", USER + 1)];
    let limit = ["--clear-groups", "prlimit", "--pid", &pid, "--nproc=1"];
    let limited = Command::new("setpriv").args(user).args(limit).status();
    assert!(limited.expect("setpriv(1) exists").success());
    // The file is seen and read, the job cannot be started, and that is posted.
    sandbox.file("jobs.d/new.toml", "command = ['/bin/true']\nevery = '1h'\n");
    let post = slack.wait_until("the alert", || {
        let posts: Vec<Request> = slack.requests();
        posts
            .into_iter()
            .map(|post| post.json().to_string())
            .find(|post| post.contains("no more processes are allowed"))
    });
    assert!(post.contains("new"), "{post}");
    daemon.signal("TERM");
    let (status, said) = daemon.end();
    assert!(status.success() && !said.contains("panicked"), "{said}");
}

#[test]
fn a_daemon_that_cannot_begin_for_want_of_threads_says_so_and_one_that_gets_few_does_without() {
    let jobs = [("slack_alert.toml", ""), ("jobs.d/job.toml", "command = 'true'\nevery = '1h'\n")];
    let Some(sandbox) = sandbox(&jobs) else { return };
    let start = |limit: &str| {
        sandbox.start_with(|command| {
            command.args(["run", "--dry-run"]);
            sandbox.as_stranger(USER, &["prlimit", &format!("--nproc={limit}")])(command);
        })
    };
    // The process itself counts too, and the thread that writes the log.
    for limit in ["1", "2"] {
        let (status, said) = start(limit).end();
        assert_eq!(status.code(), Some(1), "{limit}: {said}");
        assert!(said.contains("the runtime cannot be started: ") && said.contains("TasksMax="), "{limit}: {said}");
        assert!(!said.contains("panicked"), "{limit}: {said}");
    }
    for limit in ["3", "4", "5"] {
        let mut daemon = start(limit);
        daemon.wait_for("slack-alert cannot get change events from the kernel, so it reads the folder every 30 s: ");
        daemon.signal("TERM");
        let (status, said) = daemon.end();
        assert!(status.success() && !said.contains("panicked"), "{limit}: {said}");
    }
}

#[test]
fn a_wrapped_command_without_a_thread_to_spare_leaves_its_end_to_the_next_one() {
    // A name, which has to be looked up.
    let config = "[slack]\ntoken = \"xoxb-1-2-a\"\napi_url = \"http://localhost:1/api\"\nchannel = \"#ops\"\n";
    let Some(sandbox) = sandbox(&[("slack_alert.toml", config)]) else { return };
    std::os::unix::fs::chown(sandbox.path(), Some(USER + 2), None).expect("root may");
    let wrap = sandbox.start_with(|command| {
        command.args(["--state-dir", "state", "wrap", "--job", "backup", "--", "true"]);
        sandbox.as_stranger(USER + 2, &["prlimit", "--nproc=2"])(command);
    });
    // The command itself would be one process too many.
    let (status, said) = wrap.end();
    assert_eq!(status.code(), Some(126), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    let records = std::fs::read_dir(sandbox.path().join("state/spool")).expect("a folder of records");
    assert_eq!(records.count(), 1, "{said}");
}
