//! What cannot be started is told in a sentence that says what is wrong, and where.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::fanotify::{EventFFlags, Fanotify, FanotifyResponse, InitFlags, MarkFlags, MaskFlags, Response};
use slack_alert::exec::{Ending, Environment, Outcome, Reason, Status};
use tokio::task::JoinSet;

use super::{alone, command, command_in, duct, follow, follow_on, on_one_thread, processes, run, stdout, until};

use crate::support::files::copy_program;
use crate::support::skip::skip;

/// Why a run did not start.
fn refused(outcome: &Outcome) -> &str {
    assert_eq!((outcome.status, outcome.reason), (Status::Critical, Reason::Spawn), "{outcome:?}");
    match &outcome.ending {
        Ending::NotStarted { error } => error,
        other => panic!("it was started: {other:?}"),
    }
}

#[test]
fn each_way_not_to_start_has_its_own_words() {
    let path = std::env::var("PATH").expect("PATH");
    let dir = tempfile::tempdir().expect("a folder");
    let here = dir.path().display();
    let script = |name: &str, text: &str, mode: u32| {
        let file = dir.path().join(name);
        fs::write(&file, text).expect("a script");
        fs::set_permissions(&file, Permissions::from_mode(mode)).expect("its mode");
    };
    script("plain.sh", "#!/bin/sh\n", 0o644);
    script("python.sh", "#!/usr/bin/pyton3 -x\n", 0o755);
    script("windows.sh", "#!/bin/sh\r\necho\n", 0o755);
    script("bare.sh", "echo no first line\n", 0o755);
    for (job, words) in [
        ("command = ['frobnicate']".to_owned(), format!("program `frobnicate` not found in PATH ({path})")),
        ("command = ['/no/such']".to_owned(), "program `/no/such` does not exist".to_owned()),
        ("command = ['./no']\nworking_dir = '/tmp'".to_owned(), "program `./no` does not exist in /tmp".to_owned()),
        ("command = ['/tmp']".to_owned(), "program `/tmp` is a directory".to_owned()),
        (
            format!("command = ['{here}/plain.sh']"),
            format!("program `{here}/plain.sh` is not executable (its mode, or a folder above it, forbids it)"),
        ),
        (
            format!("command = ['{here}/python.sh']"),
            format!("program `{here}/python.sh` cannot be run: its interpreter `/usr/bin/pyton3` is not there"),
        ),
        (
            format!("command = ['{here}/windows.sh']"),
            format!(
                "program `{here}/windows.sh` cannot be run: its first line asks for the interpreter `/bin/sh` followed by a \
                 carriage return: the file has Windows line ends (`sed -i 's/\\r$//' FILE` takes them off)"
            ),
        ),
        (
            format!("command = ['{here}/bare.sh']"),
            format!("program `{here}/bare.sh` cannot be run: it has no `#!` line, such as `#!/bin/sh`"),
        ),
        (
            "command = 'echo'\nworking_dir = '/no/such'".to_owned(),
            "working directory `/no/such` does not exist".to_owned(),
        ),
        (
            "command = 'echo'\nworking_dir = '/etc/passwd'".to_owned(),
            "working directory `/etc/passwd` is not a folder".to_owned(),
        ),
        ("command = 'echo'\nshell = ['/no/shell', '-c']".to_owned(), "program `/no/shell` does not exist".to_owned()),
        (
            "command = 'echo'\nuser = 'nobody-here'".to_owned(),
            "there is no user `nobody-here` on this machine".to_owned(),
        ),
        (
            "command = 'echo'\ngroup = 'none-here'".to_owned(),
            "there is no group `none-here` on this machine".to_owned(),
        ),
        (
            "command = 'echo'\nenv_file = '/no/file'".to_owned(),
            "`env_file` /no/file cannot be used: no such file or directory".to_owned(),
        ),
        (
            format!("command = ['/bin/echo', '{}']", "x".repeat(3 << 20)),
            "its arguments and variables are longer than the kernel takes".to_owned(),
        ),
    ] {
        assert_eq!(refused(&run(&job)), words);
    }
    // Behind a prefix it is the same.
    let words = format!("program `frobnicate` not found in PATH ({path})");
    assert_eq!(refused(&run("command = ['frobnicate']\numask = '027'\nnice = 1")), words);
}

#[test]
fn a_program_that_comes_later_or_moves_is_found_then() {
    let (first, second) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let path = format!("{}:{}:/usr/bin:/bin", first.path().display(), second.path().display());
    let environment = Environment::new([("PATH".into(), path.into())]);
    let command = command_in("command = ['later']", Path::new("/"), environment);
    let outcome = || on_one_thread(follow(command.clone()));
    assert!(refused(&outcome()).contains("not found in PATH"));
    let put = |dir: &Path, text: &str| {
        let file = dir.join("later");
        fs::write(&file, format!("#!/bin/sh\necho {text}\n")).expect("a script");
        fs::set_permissions(&file, Permissions::from_mode(0o755)).expect("its mode");
    };
    put(first.path(), "first");
    assert_eq!(stdout(&outcome()), "first\n");
    fs::remove_file(first.path().join("later")).expect("it is there");
    put(second.path(), "second");
    assert_eq!(stdout(&outcome()), "second\n");
}

#[test]
fn relative_programs_are_found_from_the_working_directory() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir(dir.path().join("bin")).expect("a folder");
    let file = dir.path().join("bin/hello");
    fs::write(&file, "#!/bin/sh\npwd\n").expect("a script");
    fs::set_permissions(&file, Permissions::from_mode(0o755)).expect("its mode");
    let command = command_in("command = ['bin/hello']", dir.path(), Environment::default());
    let outcome = on_one_thread(follow(command));
    assert_eq!(stdout(&outcome).trim(), dir.path().canonicalize().expect("a path").to_str().expect("text"));
}

/// What holds back programs that are about to be executed; none where that is not allowed.
fn disk() -> Option<Fanotify> {
    match Fanotify::init(InitFlags::FAN_CLASS_CONTENT, EventFFlags::O_RDONLY) {
        // Not root, or root of a container that may not.
        Err(nix::errno::Errno::EPERM) => {
            skip("only CAP_SYS_ADMIN may hold back what is executed");
            None
        }
        disk => Some(disk.expect("fanotify")),
    }
}

/// A program that is held back when it is about to be executed.
fn hold_back(disk: &Fanotify, program: &Path) {
    copy_program(Path::new("/bin/true"), program);
    disk.mark(MarkFlags::FAN_MARK_ADD, MaskFlags::FAN_OPEN_EXEC_PERM, nix::fcntl::AT_FDCWD, Some(program))
        .expect("a mark");
}

#[test]
fn what_a_start_that_hangs_holds_open_is_nothing_that_another_run_has_left() {
    let Some(first) = disk() else { return };
    let Some(second) = disk() else { return };
    if !alone("os::exec::starting::what_a_start_that_hangs_holds_open_is_nothing_that_another_run_has_left") {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let programs = ["first", "second"].map(|name| dir.path().join(name));
    hold_back(&first, &programs[0]);
    hold_back(&second, &programs[1]);
    let own = std::process::id();
    let children = || processes().into_iter().filter(|(_, _, parent, _)| *parent == own).count();
    on_one_thread(async {
        let spawner = duct(None);
        let run = |program: &Path| {
            let (spawner, command) = (spawner.clone(), command(&format!("command = ['{}']", program.display())));
            tokio::spawn(async move { follow_on(&spawner, command).await })
        };
        let earlier = run(&programs[0]);
        until("the first is held back", || children() == 1).await;
        // It is made while the pipes of the first are open, and so has copies of them.
        let later = run(&programs[1]);
        until("the second is held back", || children() == 2).await;
        let release = |disk: &Fanotify| {
            for event in disk.read_events().expect("who is held back") {
                let answer = FanotifyResponse::new(event.fd().expect("its file"), Response::FAN_ALLOW);
                disk.write_response(answer).expect("an answer");
            }
        };
        release(&first);
        let outcome = earlier.await.expect("no panic");
        assert_eq!((outcome.status, outcome.leaked), (Status::Ok, false));
        assert_eq!(children(), 1, "the second is held back still");
        release(&second);
        let outcome = later.await.expect("no panic");
        assert_eq!((outcome.status, outcome.leaked), (Status::Ok, false));
    });
}

#[test]
fn programs_that_a_disk_holds_back_hold_up_no_others() {
    let Some(disk) = disk() else { return };
    if !alone("os::exec::starting::programs_that_a_disk_holds_back_hold_up_no_others") {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let program = dir.path().join("held-back");
    hold_back(&disk, &program);
    let own = std::process::id();
    let children = || processes().into_iter().filter(|(_, _, parent, _)| *parent == own).count();
    on_one_thread(async {
        let spawner = duct(None);
        let mut runs = JoinSet::new();
        let job = format!("command = ['{}']\ntimeout = '3s'\nkill_after = '10ms'", program.display());
        for _ in 0..3 {
            let (spawner, command) = (spawner.clone(), command(&job));
            runs.spawn(async move { follow_on(&spawner, command).await });
        }
        until("the first are held back", || children() == 2).await;
        assert_eq!(follow_on(&spawner, command("command = ['/bin/true']")).await.status, Status::Ok);
        assert_eq!(children(), 3, "the third is held back too");
        while let Some(outcome) = runs.join_next().await {
            let words = "it was not started within 3s: the disk that it is on hangs, or that of others";
            let outcome = outcome.expect("no panic");
            assert_eq!(refused(&outcome), words);
            assert!(outcome.took >= std::time::Duration::from_secs(3), "{:?}", outcome.took);
        }
        disk.mark(MarkFlags::FAN_MARK_FLUSH, MaskFlags::empty(), nix::fcntl::AT_FDCWD, None::<&Path>).expect("no mark");
        for event in disk.read_events().expect("who is held back") {
            let answer = FanotifyResponse::new(event.fd().expect("its file"), Response::FAN_ALLOW);
            disk.write_response(answer).expect("an answer");
        }
        let living = || processes().iter().any(|(_, state, parent, _)| *parent == own && *state != 'Z');
        until("none of them lives", || !living()).await;
        assert_eq!(follow_on(&spawner, command(&job)).await.status, Status::Ok);
        assert_eq!(children(), 0, "zombies");
    });
}
