//! Commands as another user: who they are then, and what is said when that cannot be.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use slack_alert::exec::Reason;

use super::{run, stdout, told};

use crate::support::skip::skip;

fn root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skip("only root may switch users");
    }
    root
}

#[test]
fn a_command_becomes_the_user_with_all_that_belongs_to_it() {
    if !root() {
        return;
    }
    let script = "id -un; id -gn; id -Gn; echo $HOME $USER $LOGNAME $SHELL; umask; nice; cat";
    let outcome = run(&format!(
        "command = '{script}'\nuser = 'nobody'\numask = '077'\nnice = -1\nstdin = 'still here'\nworking_dir = '/tmp'"
    ));
    let nice: i32 = stdout(&run("command = 'nice'")).trim().parse().expect("a number");
    let expected =
        format!("nobody\nnogroup\nnogroup\n/nonexistent nobody nobody /bin/sh\n0077\n{}\nstill here", nice - 1);
    assert_eq!(stdout(&outcome), expected, "{outcome:?}");
    // Programs give their lines to $SHELL, which is /usr/sbin/nologin in the entry of this user.
    let outcome =
        run("command = [\"flock\", \"-n\", \"/tmp\", \"-c\", \"id -un\"]\nuser = 'nobody'\nworking_dir = '/tmp'");
    assert_eq!(stdout(&outcome), "nobody\n", "{outcome:?}");
    let outcome =
        run("command = 'id -un; id -gn; echo $HOME'\nuser = 'nobody'\ngroup = 'daemon'\nenv = { HOME = '/tmp' }");
    assert_eq!(stdout(&outcome), "nobody\ndaemon\n/tmp\n");
    let outcome = run("command = 'id -un; id -gn; echo $HOME'\ngroup = 'daemon'\nenv = { HOME = '/x' }");
    assert_eq!(stdout(&outcome), "root\ndaemon\n/x\n");
    let outcome = run("command = 'id -un'\nuser = 'root'");
    assert_eq!(stdout(&outcome), "root\n");
}

#[test]
fn a_command_of_another_user_may_open_its_output_and_finds_in_path_what_that_user_finds() {
    if !root() {
        return;
    }
    let job = "user = 'nobody'\nworking_dir = '/tmp'\n";
    let outcome = run(&format!("command = 'echo x > /dev/stdout; echo y | tee /dev/stderr'\n{job}"));
    assert_eq!(stdout(&outcome), "x\ny\n", "{outcome:?}");
    let dir = tempfile::tempdir().expect("a folder");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("its mode");
    for (name, mode) in [("closed", 0o700), ("open", 0o755)] {
        let folder = dir.path().join(name);
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("hello"), format!("#!/bin/sh\necho from {name}\n")).expect("a program");
        fs::set_permissions(folder.join("hello"), Permissions::from_mode(0o755)).expect("its mode");
        fs::set_permissions(&folder, Permissions::from_mode(mode)).expect("its mode");
    }
    let path = format!("{0}/closed:{0}/open", dir.path().display());
    for more in ["", "umask = '077'\nnice = 1\n"] {
        let outcome = run(&format!("command = ['hello']\n{job}{more}env = {{ PATH = '{path}' }}"));
        let stderr = String::from_utf8_lossy(&outcome.output.stderr.head).into_owned();
        assert_eq!((stdout(&outcome).as_str(), stderr.as_str()), ("from open\n", ""));
    }
    let outcome = run(&format!("command = ['hello']\n{job}env = {{ PATH = '{}/closed' }}", dir.path().display()));
    assert_eq!(outcome.reason, Reason::Spawn, "{outcome:?}");
}

#[test]
fn a_number_needs_no_entry_on_this_machine() {
    if !root() {
        return;
    }
    let job = "command = 'id -u; id -g; id -G; echo $HOME $USER $LOGNAME $SHELL'\nworking_dir = '/tmp'\n";
    let outcome = run(&format!("{job}user = '12345'"));
    assert_eq!(stdout(&outcome), "12345\n12345\n12345\n/ 12345 12345 /bin/sh\n", "{outcome:?}");
    let outcome = run(&format!("{job}user = '12345'\ngroup = '54321'"));
    assert_eq!(stdout(&outcome), "12345\n54321\n54321\n/ 12345 12345 /bin/sh\n", "{outcome:?}");
    // A number need not be text.
    let outcome = run(&format!("{job}user = 12345\ngroup = 54321"));
    assert_eq!(stdout(&outcome), "12345\n54321\n54321\n/ 12345 12345 /bin/sh\n", "{outcome:?}");
    let outcome = run(&format!("{job}group = '54321'"));
    assert!(stdout(&outcome).starts_with("0\n54321\n"), "{outcome:?}");
}

#[test]
fn another_user_is_ended_by_its_timeout_too() {
    if root() {
        let outcome = run("command = 'sleep 100'\nuser = 'nobody'\ntimeout = '300ms'");
        assert_eq!(told(&outcome), "critical, timeout: timed out after 300ms");
    }
}

#[test]
fn what_setpriv_cannot_execute_was_not_started() {
    if !root() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("mine");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("its mode");
    let mut no_loader = fs::read("/bin/true").expect("a program");
    let at = no_loader.windows(9).position(|bytes| bytes == b"/ld-linux").expect("it needs a loader");
    no_loader[at + 1] = b'x';
    for (content, says) in [
        (no_loader.as_slice(), "as user `nobody`: setpriv: failed to execute"),
        (b"#!/usr/bin/pyton3\n", "its interpreter `/usr/bin/pyton3` is not there"),
        (b"#!/bin/sh\r\ntrue\r\n", "Windows line ends"),
        (b"true\n", "it has no `#!` line"),
    ] {
        fs::write(&file, content).expect("a program");
        fs::set_permissions(&file, Permissions::from_mode(0o755)).expect("its mode");
        let outcome = run(&format!("command = ['{}']\nuser = 'nobody'", file.display()));
        assert_eq!(outcome.reason, Reason::Spawn, "{outcome:?}");
        let words = outcome.ending.words();
        assert!(words.starts_with("could not be started: ") && words.contains(says), "{words}");
    }
    // A command that fails with the same code by itself is none of this.
    let outcome = run("command = 'echo setpriv: no >&2; echo x; exit 126'\nuser = 'nobody'");
    assert_eq!(told(&outcome), "critical, exit: exited with 126");
}

#[test]
fn who_is_not_root_is_told_so() {
    if !root() {
        return;
    }
    // The same tests in a process that is nobody.
    let own = std::env::current_exe().expect("the test's own program");
    let dir = tempfile::tempdir().expect("a folder");
    let copy = dir.path().join("it");
    // Not by this process: a child of another test would hold the file open for writing, and so keep it from being executed.
    assert!(std::process::Command::new("cp").args([&own, &copy]).status().expect("cp(1)").success());
    fs::set_permissions(&copy, Permissions::from_mode(0o755)).expect("its mode");
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("its mode");
    let output = std::process::Command::new("/usr/bin/setpriv")
        .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"])
        .arg(&copy)
        .args(["--exact", "os::exec::accounts::without_root_there_is_no_switch", "--nocapture"])
        .current_dir("/")
        .output()
        .expect("setpriv starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn without_root_there_is_no_switch() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let outcome = run("command = 'id'\nuser = 'root'");
    let words = outcome.ending.words();
    assert!(words.contains("not permitted to switch to user `root`: slack-alert runs as uid"), "{words}");
    let words = run("command = 'id'\ngroup = 'root'").ending.words();
    assert!(words.contains("not permitted to switch to group `root`"), "{words}");
    let words = run("command = 'id'\nnice = -5").ending.words();
    assert!(words.contains("not permitted to set `nice = -5`"), "{words}");
    let own = rustix::process::geteuid().as_raw();
    assert_eq!(run(&format!("command = 'true'\nuser = '{own}'")).exit_code(), Some(0));
}
