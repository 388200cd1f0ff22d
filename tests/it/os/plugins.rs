//! Real input: Debian's Nagios plugins, run as they are with `exit_codes = "nagios"`; the messages carry the status and the
//! plugin's own line.

use std::path::Path;

use serde_json::Value;

use crate::support::program::Sandbox;
use crate::support::skip::skip;

const FOLDER: &str = "/usr/lib/nagios/plugins";

/// A plugin's command line, and what its run must come to.
struct Case {
    name: &'static str,
    command: &'static str,
    status: &'static str,
    line: &'static str,
}

const CASES: &[Case] = &[
    Case {
        name: "load",
        command: "check_load -w 9999,9999,9999 -c 9999,9999,9999",
        status: "ok",
        line: "load average",
    },
    Case {
        name: "load_high",
        command: "check_load -w 0,0,0 -c 9999,9999,9999",
        status: "warning",
        line: "load average",
    },
    Case { name: "procs", command: "check_procs -w 1:99999 -c 1:99999", status: "ok", line: " processes" },
    Case {
        name: "procs_none",
        command: "check_procs -c 1:1 -C no-such-program",
        status: "critical",
        line: "critical: 0 processes",
    },
    Case { name: "disk", command: "check_disk -w 0% -c 0% -p /", status: "ok", line: "free space" },
    Case {
        name: "disk_full",
        command: "check_disk -w 100% -c 100% -p /",
        status: "critical",
        line: "critical: free space",
    },
    Case { name: "users", command: "check_users -w 9999 -c 9999", status: "ok", line: "users currently logged in" },
    Case { name: "tcp", command: "check_tcp -H 127.0.0.1 -p 1 -t 5", status: "critical", line: "onnect" },
    Case {
        name: "file_age",
        command: "check_file_age -w 1 -c 2 -f old",
        status: "critical",
        line: "critical: old is ",
    },
    Case { name: "dummy_0", command: "check_dummy 0 all-is-well", status: "ok", line: " all-is-well" },
    Case { name: "dummy_1", command: "check_dummy 1 look-here", status: "warning", line: "warning: look-here" },
    Case { name: "dummy_2", command: "check_dummy 2 it-burns", status: "critical", line: "critical: it-burns" },
    Case { name: "dummy_3", command: "check_dummy 3 who-knows", status: "unknown", line: "unknown: who-knows" },
];

#[test]
fn nagios_plugins_run_as_they_are() {
    if !Path::new(FOLDER).join("check_dummy").exists() {
        skip(&format!("{FOLDER} is not there; apt-get install monitoring-plugins-basic"));
        return;
    }
    let sandbox = Sandbox::with(&[(
        "slack_alert.toml",
        "[defaults]\nexit_codes = \"nagios\"\nparse = \"perfdata\"\ntimeout = \"30s\"\n",
    )]);
    let old = sandbox.file("old", "x");
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    std::fs::File::options()
        .write(true)
        .open(old)
        .and_then(|file| file.set_modified(long_ago))
        .expect("a file's age can be set");
    for case in CASES {
        let job = format!("command = \"{FOLDER}/{}\"\nevery = \"5m\"\n", case.command);
        sandbox.file(&format!("jobs.d/{}.toml", case.name), &job);
    }
    let ran = sandbox.run(&["check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for case in CASES {
        let ran = sandbox.run(&["once", case.name, "--json"]);
        let told: Value =
            serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{}: {error}: {ran:?}", case.name));
        assert_eq!(told["status"], case.status, "{}: {told}", case.name);
        let message = told["messages"][0].to_string();
        assert!(message.contains(case.line), "{}: `{}` is missing in {message}", case.name, case.line);
    }
}
