//! A script that speaks for itself: the built program with `directives`, read back from Slack (a mock of it, and where it
//! is installed the emulator).

use serde_json::{Value, json};

use super::end_to_end::sandbox;
use super::slack_emulator::Emulator;
use crate::support::program::{PATIENCE, Sandbox};
use crate::support::slack::MockSlack;

const SCRIPT: &str = "#!/bin/sh\n\
    echo 'the disk is nearly full'\n\
    echo '::slack-alert status=warning'\n\
    echo '::slack-alert title=Disk <!channel> at 91%'\n\
    echo '::slack-alert field Free space=12 GB'\n\
    echo '::slack-alert mention=@here'\n\
    echo '::slack-alert mention=@channel'\n\
    echo '::slack-alert attach=last.log'\n\
    echo '::slack-alert titel=typo'\n";

const JOB: &str =
    "command = [\"./script\"]\nevery = \"1h\"\ndirectives = true\n[notify]\nmention_allowed = \"@here\"\n";

#[test]
fn title_status_field_ping_and_file_reach_slack() {
    let slack = MockSlack::start();
    let config = format!(
        "host = \"web-1\"\n[slack]\ntoken_file = \"token\"\napi_url = \"{}\"\nchannel = \"#ops\"\nrate = \"50/s\"\n",
        slack.url()
    );
    let sandbox =
        Sandbox::with(&[("slack_alert.toml", &config), ("token", "xoxb-hidden-token\n"), ("last.log", "line 1\n")]);
    sandbox.script("script", SCRIPT);
    sandbox.file("jobs.d/disk.toml", JOB);
    let ran = sandbox.run(&["once", "disk", "--post"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stderr.contains("a directive is not understood: there is no such directive: `::slack-alert titel"),
        "{ran:?}"
    );

    let requests = slack.wait_for_blocking(4, PATIENCE);
    let methods: Vec<_> = requests.iter().map(|request| request.method().to_owned()).collect();
    assert_eq!(methods[0], "chat.postMessage", "{methods:?}");
    let posted = requests[0].json();
    let text = posted["text"].as_str().expect("a text");
    let first = "<!here> :large_yellow_circle: Disk &lt;!channel&gt; at 91% warning: ";
    assert!(text.starts_with(first), "{text}");
    assert!(text.contains("the disk is nearly full"), "{text}");
    let typo = "a directive is not understood: there is no such directive: `::slack-alert titel=typo`";
    assert_eq!((text.matches(typo).count(), text.matches("titel").count()), (1, 1), "{text}");
    assert!(text.contains("@channel is not pinged: not in `notify.mention` or `notify.mention_allowed`"), "{text}");
    for gone in ["status=", "title=", "field ", "mention=", "attach=", "<!channel>"] {
        assert!(!posted.to_string().contains(&format!("::slack-alert {gone}")), "{gone} is shown: {posted}");
    }
    assert!(!posted.to_string().contains("<!channel>"), "{posted}");
    assert!(posted.to_string().contains("*Free space*\\n12 GB"), "{posted}");
    let file = requests.iter().find(|request| request.body == b"line 1\n").expect("the file is uploaded");
    assert!(!file.headers.contains_key("authorization"));
    assert_eq!(methods.last().map(String::as_str), Some("files.completeUploadExternal"));
}

#[test]
fn a_file_outside_the_jobs_folder_is_not_read() {
    let slack = MockSlack::start();
    let config = format!("[slack]\ntoken_file = \"token\"\napi_url = \"{}\"\nchannel = \"#ops\"\n", slack.url());
    let sandbox = Sandbox::with(&[("slack_alert.toml", &config), ("token", "xoxb-hidden-token\n"), ("work/x", "")]);
    for name in ["../token", "/etc/passwd", "link", "../work/../token"] {
        std::os::unix::fs::symlink("../token", sandbox.path().join("work/link")).ok();
        let job = format!(
            "command = \"echo hello; echo '::slack-alert attach={name}'\"\nevery = \"1h\"\ndirectives = true\nworking_dir = \"work\"\n"
        );
        sandbox.file("jobs.d/disk.toml", &job);
        let ran = sandbox.run(&["once", "disk", "--post"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stdout.contains(&format!("{name} is not attached")), "{ran:?}");
    }
    let all = format!("{:?}", slack.requests());
    assert!(!all.contains("getUploadURL"), "something was uploaded");
}

#[test]
fn a_silence_of_a_script_is_listed_and_ends_by_the_name_of_its_job() {
    let slack = MockSlack::start();
    let config = format!(
        "host = 'h'\ntime_zone = 'UTC'\n[slack]\ntoken = 'xoxb-0'\napi_url = '{}'\nchannel = '#ops'\n",
        slack.url()
    );
    let job = "command = \"echo '::slack-alert silence=2h'; exit 2\"\nevery = '3650d'\ndirectives = true\n[notify]\nrepeat = 'always'\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", &config), ("jobs.d/disk.toml", job)]);
    let list = |sandbox: &Sandbox| sandbox.run(&["silence", "list"]).stdout;
    let mut daemon = sandbox.start(&["run", "-v"]);
    sandbox.wait_for("the silence", || list(&sandbox).contains("disk").then_some(()));
    let listed = list(&sandbox);
    assert!(listed.contains("its own script") && listed.contains("ID"), "{listed}");
    let json: Value = serde_json::from_str(&sandbox.run(&["silence", "list", "--json"]).stdout).expect("JSON");
    assert_eq!((&json[0]["id"], &json[0]["pattern"], &json[0]["jobs"]), (&Value::Null, &json!("disk"), &json!(1)));
    assert_eq!(json[0]["by"]["name"], "its own script");
    let why = sandbox.run(&["why", "disk"]).stdout;
    assert!(why.contains("silenced until ") && why.contains("by its own script"), "{why}");
    // A person's silence of the same job is another matter.
    assert_eq!(sandbox.run(&["silence", "d*", "1h"]).code, 0);
    let ended = sandbox.run(&["silence", "end", "1"]).stdout;
    assert!(ended.contains("is over") && ended.contains("disk stays silenced until "), "{ended}");
    assert!(!ended.contains("not silenced any more"), "{ended}");
    // What was owed in it is told at its end.
    assert_eq!(sandbox.run(&["trigger", "disk", "--wait"]).code, 2);
    let before = slack.requests().len();
    let ended = sandbox.run(&["silence", "end", "d*"]);
    assert!(ended.code == 0 && ended.stdout.contains("The silence of disk since "), "{ended:?}");
    slack.wait_for_blocking(before + 1, PATIENCE);
    assert_eq!(list(&sandbox), "Nothing is silenced.\n");
    assert_eq!(sandbox.run(&["silence", "end", "disk"]).code, 1, "there is none any more");
    // Without a daemon too.
    assert_eq!(sandbox.run(&["trigger", "disk", "--wait"]).code, 2);
    daemon.signal("TERM");
    daemon.wait_for("stopped");
    let listed = sandbox.run(&["silence", "list"]);
    assert!(listed.stdout.contains("its own script") && listed.stdout.contains("disk"), "{listed:?}");
}

#[test]
fn the_emulator_has_the_title_the_field_and_the_file() {
    let Some(emulator) = Emulator::start() else { return };
    let sandbox = sandbox(&emulator, "xoxb-local-full", "channel = \"#ops-alerts\"\nrate = \"50/s\"\n");
    sandbox.file("last.log", "line 1\nline 2\n");
    sandbox.script("script", SCRIPT);
    sandbox.file("jobs.d/disk.toml", JOB);
    let mut going = sandbox.start(&["run"]);
    let channel = emulator.channel_id("ops-alerts");
    let first = sandbox.wait_for("the warning", || emulator.history(&channel).into_iter().next());
    assert!(first["text"].as_str().is_some_and(|text| text.contains("Disk &lt;!channel&gt; at 91%")), "{first}");
    assert!(first.to_string().contains("*Free space*\\n12 GB"), "{first}");
    let thread = json!({ "channel": channel, "ts": first["ts"] });
    let file: Value = sandbox.wait_for("the file in the thread", || {
        let replies = emulator.messages("conversations.replies", &thread);
        replies.iter().find_map(|reply| reply["files"].as_array()?.first().cloned())
    });
    assert_eq!(file["name"], "last.log", "{file}");
    going.signal("TERM");
    going.wait_for("stopped");
    assert!(going.end().0.success());
}
