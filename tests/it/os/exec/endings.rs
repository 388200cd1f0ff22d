//! Every way for a process to end by itself becomes the outcome that it should.

use slack_alert::exec::{Ending, Reason, Status};
use tokio::task::JoinSet;

use super::{alone, command, duct, follow, follow_on, on_one_thread, run, run_script, told};

#[test]
fn every_exit_code_is_told_as_it_is() {
    // A process that another test is just starting has a copy of every pipe that is open here.
    if !alone("os::exec::endings::every_exit_code_is_told_as_it_is") {
        return;
    }
    let codes = on_one_thread(async {
        let spawner = duct(None);
        let mut runs = JoinSet::new();
        for code in 0..=255 {
            let (spawner, command) = (spawner.clone(), command(&format!("command = 'exit {code}'")));
            runs.spawn(async move { (code, follow_on(&spawner, command).await) });
        }
        runs.join_all().await
    });
    assert_eq!(codes.len(), 256);
    for (code, outcome) in codes {
        assert_eq!(outcome.exit_code(), Some(code));
        let expected = if code == 0 { Status::Ok } else { Status::Critical };
        assert_eq!((outcome.status, outcome.reason), (expected, Reason::Exit), "{code}");
        assert!(!outcome.leaked && outcome.attempts == 1);
    }
}

#[test]
fn every_signal_that_kills_is_told_by_its_name() {
    let harmless = [17, 18, 19, 20, 21, 22, 23, 28, 32, 33];
    let outcomes = on_one_thread(async {
        let mut runs = JoinSet::new();
        for signal in (1..=64).filter(|signal| !harmless.contains(signal)) {
            let script = format!("command = 'ulimit -c 0; kill -{signal} $$; sleep 9'");
            runs.spawn(async move { (signal, follow(command(&script)).await) });
        }
        runs.join_all().await
    });
    for (signal, outcome) in outcomes {
        assert_eq!(outcome.ending, Ending::Signaled { signal });
        assert_eq!((outcome.status, outcome.reason), (Status::Critical, Reason::Signal));
        let name = outcome.signal().expect("a signal");
        assert!(name.starts_with("SIG"), "{name}");
    }
}

#[test]
fn a_signal_that_is_listed_means_what_the_list_says() {
    let job = "exit_codes = { ok = [0, 'SIGTERM'], skip = [75] }\ncommand = ";
    assert_eq!(told(&run(&format!("{job}'kill $$; sleep 9'"))), "ok, signal: killed by SIGTERM (15)");
    assert_eq!(told(&run(&format!("{job}'kill -9 $$; sleep 9'"))), "critical, signal: killed by SIGKILL (9)");
    let skipped = run(&format!("{job}'exit 75'"));
    assert!(skipped.skipped && skipped.status == Status::Ok, "{skipped:?}");
}

#[test]
fn plugins_are_understood() {
    for (code, status) in [(0, "ok"), (1, "warning"), (2, "critical"), (3, "unknown"), (4, "unknown")] {
        let job =
            format!("command = 'echo \"DISK | /=5%;80;90\"; exit {code}'\nexit_codes = 'nagios'\nparse = 'perfdata'");
        let outcome = run(&job);
        assert_eq!(told(&outcome), format!("{status}, exit: exited with {code}"));
        assert_eq!(outcome.perfdata.len(), 1);
        assert_eq!((outcome.perfdata[0].label.as_str(), outcome.perfdata[0].value.as_deref()), ("/", Some("5")));
    }
}

#[test]
fn an_empty_script_is_well() {
    let outcome = run("command = ':'");
    assert_eq!(told(&outcome), "ok, exit: exited with 0");
    assert!(outcome.output.both.is_blank() && outcome.finished >= outcome.started);
    assert_eq!(told(&run_script("# only a comment")), "ok, exit: exited with 0");
}

#[test]
fn output_can_fail_a_run_that_exits_well() {
    let outcome = run("command = 'echo fine; echo ERROR: disk >&2'\nfail_on = { stderr = '^ERROR' }");
    assert_eq!(told(&outcome), "critical, output: exited with 0");
    assert_eq!(outcome.detail, "stderr matched `^ERROR`");
    let outcome = run("command = 'echo \"{\\\"free\\\": 7}\"'\nparse = 'json'".replace("\\\\", "\\").as_str());
    assert_eq!(outcome.json.expect("JSON")["free"], 7);
    let outcome = run("command = 'echo oops'\nparse = 'json'");
    assert_eq!(outcome.detail, "stdout is not JSON: expected value at line 1 column 1");
}
