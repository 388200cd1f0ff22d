//! Delivery against an independent counterpart: the Slack emulator `emulate` (npm) takes the messages and gives them
//! back. `tests/install-slack-emulator` installs it; where it is missing these tests say so, and show nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use slack_alert::id::Channel;
use slack_alert::message::{Attachment, Message, Thread};
use slack_alert::notify::secret::Source;
use slack_alert::notify::{Delivery, Fault, Notifier, Receipt, Secret, SendError, Settings, Way, connect};

use crate::support::program::Sandbox;
use crate::support::skip::skip;
use crate::support::slack::{delivery, message, settings};

/// How long Node may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(20);

/// A running emulator, ended when dropped.
pub(super) struct Emulator {
    child: Child,
    address: SocketAddr,
}

/// An address that nobody listens at, and that no other test of this process is given: two emulators that want one port
/// would both seem to be ready. Below the ports that the kernel hands out by itself.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 1_000).expect("below 1,000") * 12;
    (0..1_000)
        .map(|_| 12_000 + start + NEXT.fetch_add(1, Ordering::Relaxed))
        .find_map(|port| TcpListener::bind(("127.0.0.1", port)).and_then(|free| free.local_addr()).ok())
        .expect("a free port among a thousand")
}

impl Emulator {
    /// Starts one on a free port and waits until it answers; `None`, said plainly, where it is not installed.
    pub(super) fn start() -> Option<Self> {
        let Some(programs) = installed() else {
            skip("the Slack emulator is not installed; run tests/install-slack-emulator");
            return None;
        };
        for _ in 0..3 {
            // Somebody may take the port before the emulator does: then it ends, and another port is tried.
            let address = free_address();
            let seed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/slack/seed.yaml");
            let child = Command::new(programs.join("node"))
                .arg(programs.join("emulate"))
                .args(["start", "--service", "slack", "--port", &address.port().to_string(), "--seed"])
                .arg(seed)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the emulator's Node runs");
            let mut emulator = Self { child, address };
            if emulator.is_ready() {
                return Some(emulator);
            }
        }
        panic!("the Slack emulator does not answer");
    }

    fn is_ready(&mut self) -> bool {
        let start = Instant::now();
        while start.elapsed() < START {
            if self.exchange("POST", "/api/auth.test", &json!({})).is_ok_and(|answer| answer.contains("\"ok\":true")) {
                return true;
            }
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the Slack emulator was not ready within {START:?}");
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    /// One request by another hand than the one under test; HTTP/1.0, so that the answer ends with the connection.
    fn exchange(&self, verb: &str, path: &str, body: &Value) -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, ANSWER)?;
        stream.set_read_timeout(Some(ANSWER))?;
        let body = body.to_string();
        write!(
            stream,
            "{verb} {path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer xoxb-local-full\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    pub(super) fn ask(&self, method: &str, body: &Value) -> Value {
        let answer = self.exchange("POST", &format!("/api/{method}"), body).expect("the emulator answers");
        let value: Value = serde_json::from_str(&answer).expect("it answers with JSON");
        assert_eq!(value["ok"], true, "{method}: {value}");
        value
    }

    /// The channel's messages, oldest first.
    pub(super) fn history(&self, channel: &str) -> Vec<Value> {
        let mut messages = self.messages("conversations.history", &json!({ "channel": channel, "limit": 200 }));
        messages.sort_by_key(|message| message["ts"].to_string());
        messages
    }

    pub(super) fn messages(&self, method: &str, body: &Value) -> Vec<Value> {
        self.ask(method, body)["messages"].as_array().cloned().unwrap_or_default()
    }

    pub(super) fn channel_id(&self, name: &str) -> String {
        let list = self.ask("conversations.list", &json!({ "limit": 200 }));
        let channels = list["channels"].as_array().expect("a list of channels");
        let found = channels.iter().find(|channel| channel["name"] == name).expect("a seeded channel");
        found["id"].as_str().expect("an ID").to_owned()
    }

    /// The seeded webhook's URL: its token is new at each start, and the emulator's own page tells it.
    pub(super) fn webhook_url(&self) -> String {
        let page = self.exchange("GET", "/?tab=auth", &Value::Null).expect("the emulator answers");
        let paths = page.split(['<', '>']).filter(|part| part.starts_with("/services/"));
        let mut seeded = paths.filter(|path| !path.ends_with("/X000000001"));
        let seeded = seeded.next().expect("a seeded webhook");
        format!("http://{}{seeded}", self.address)
    }

    fn client(&self, token: &str) -> Arc<dyn Notifier> {
        let way = Way::Token(Source::Literal(Secret::new(token)));
        connect(&Settings { way, ..settings(&self.url()) }).expect("the settings are good")
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder of the emulator's programs.
fn installed() -> Option<PathBuf> {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/slack-emulator/node_modules/.bin");
    let folder = std::env::var_os("SLACK_EMULATOR_DIR").map_or(usual, PathBuf::from);
    (folder.join("node").exists() && folder.join("emulate").exists()).then_some(folder)
}

fn permanent(answer: Result<Receipt, SendError>) -> (Fault, String) {
    match answer {
        Err(SendError::Permanent { why, fault, .. }) => (fault, why),
        other => panic!("{other:?} is not permanent"),
    }
}

#[tokio::test]
async fn a_good_token_is_accepted_and_bad_ones_are_refused_clearly() {
    let Some(slack) = Emulator::start() else { return };
    let info = slack.client("xoxb-local-full").auth_test().await.expect("accepted").expect("tokens can be asked about");
    assert_eq!((info.team.as_str(), info.user.as_str()), ("Ops", "alertbot"));

    let orphan = slack.client("xoxb-local-orphan").auth_test().await.expect_err("refused");
    assert_eq!(orphan.why(), "Slack refused the token (invalid_auth): check `token` in [slack]");

    for token in ["xoxb-local-noscope", "xoxb-never-seen"] {
        let (fault, why) = permanent(slack.client(token).send(delivery(message("hello"), None)).await);
        assert_eq!(fault, Fault::Credentials);
        assert!(why.starts_with("the token lacks the scope chat:write (missing_scope)"), "{why}");
    }
    assert_eq!(slack.history(&slack.channel_id("ops-alerts")).len(), 0);
}

#[tokio::test]
async fn a_channel_that_cannot_be_written_to_is_told_by_its_name() {
    let Some(slack) = Emulator::start() else { return };
    let client = slack.client("xoxb-local-full");
    let made = slack.ask("conversations.create", &json!({ "name": "old-ops" }));
    slack.ask("conversations.archive", &json!({ "channel": made["channel"]["id"] }));
    for (name, words) in [
        ("nope", "channel #nope does not exist, or the bot may not see it (channel_not_found)"),
        ("old-ops", "channel #old-ops is archived (is_archived)"),
    ] {
        let message = Message { channel: Channel::new(name), ..message("hello") };
        let (fault, why) = permanent(client.send(delivery(message, None)).await);
        assert!(fault == Fault::Channel && why.starts_with(words), "{why}");
    }
}

#[tokio::test]
async fn a_message_is_read_back_as_it_was_meant() {
    let Some(slack) = Emulator::start() else { return };
    let client = slack.client("xoxb-local-full");
    let text = ":red_circle: *db/backup* failed: &lt;!channel&gt; &amp; `größe` 漢字 🙂\n```exit 2```";
    let sent = message(text);
    let receipt = client.send(delivery(sent.clone(), None)).await.expect("taken");
    let posted = receipt.posted.expect("Slack names it");
    assert_eq!(posted.channel, slack.channel_id("ops-alerts"));
    let plain = Delivery { plain: Some("invalid_blocks".to_owned()), ..delivery(sent.clone(), None) };
    client.send(plain).await.expect("taken");
    client.send(delivery(Message { color: None, ..sent.clone() }, None)).await.expect("taken");

    let [full, plain, colourless] = &slack.history(&posted.channel)[..] else { panic!("three messages") };
    assert_eq!((&full["ts"], &full["text"]), (&json!(posted.ts), &json!(text)));
    assert_eq!(full["blocks"], json!([sent.blocks[0]]));
    assert_eq!(full["attachments"], json!([{"color": "danger", "fallback": text, "blocks": [sent.blocks[1]]}]));
    assert_eq!(full["metadata"]["event_payload"], json!({ "job": "db/backup", "run": 812 }));
    let whole = format!("{text}\n_invalid_blocks_");
    assert_eq!((&plain["text"], plain.get("attachments")), (&json!(whole), None), "the content, and why it is plain");
    assert_eq!(colourless["blocks"], json!(sent.blocks));
    for message in [full, plain, colourless] {
        assert_eq!(message["unfurl_links"], false, "{message}");
    }
    let empty = Message { text: String::new(), blocks: Vec::new(), ..sent };
    assert_eq!(permanent(client.send(delivery(empty, None)).await).0, Fault::Message);
}

#[tokio::test]
async fn an_incident_is_one_thread_edited_at_its_end_with_the_whole_output() {
    let Some(slack) = Emulator::start() else { return };
    let client = slack.client("xoxb-local-full");
    let threaded = |text: &str, thread| Message { thread, ..message(text) };
    let output = Attachment { name: "output.txt".to_owned(), content: "line\n".repeat(5_000) };
    let receipt = client.send(delivery(threaded("failed", Thread::Open), None)).await.expect("taken");
    assert_eq!(receipt.warnings, [] as [String; 0]);
    let parent = receipt.posted.expect("Slack names it");
    let sent_file = Message { attachment: Some(output), ..threaded("failed", Thread::Upload) };
    client.send(delivery(sent_file.clone(), Some(&parent))).await.expect("taken");
    for (text, thread) in
        [("failed again", Thread::Reply), ("well again", Thread::Broadcast), ("was failing for 47m", Thread::Edit)]
    {
        let message = Message { color: Some("good".to_owned()), ..threaded(text, thread) };
        let receipt = client.send(delivery(message, Some(&parent))).await.expect("taken");
        assert!(!receipt.orphaned);
    }

    let thread = json!({ "channel": parent.channel, "ts": parent.ts, "limit": 200 });
    let replies = slack.messages("conversations.replies", &thread);
    let texts: Vec<_> = replies.iter().filter_map(|message| message["text"].as_str()).collect();
    assert!(
        texts.starts_with(&["was failing for 47m"]) && texts.ends_with(&["failed again", "well again"]),
        "{texts:?}"
    );
    let root = &replies[0];
    assert_eq!((&root["ts"], &root["attachments"][0]["color"]), (&json!(parent.ts), &json!("good")));
    let file = replies.iter().find_map(|message| message["files"].get(0)).expect("the file is in the thread");
    assert_eq!((&file["name"], &file["size"]), (&json!("output.txt"), &json!("line\n".len() * 5_000)));

    let lost = slack.client("xoxb-local-nofiles");
    let (_, why) = permanent(lost.send(delivery(sent_file, Some(&parent))).await);
    assert!(why.contains("the token lacks the scope files:write"), "{why}");

    let gone = slack_alert::notify::Parent { ts: "1.000001".to_owned(), ..parent };
    let (fault, why) = permanent(client.send(delivery(threaded("x", Thread::Edit), Some(&gone))).await);
    assert!(fault == Fault::Thread && why.contains("message_not_found"), "{why}");
}

#[tokio::test]
async fn a_webhook_posts_into_its_channel() {
    let Some(slack) = Emulator::start() else { return };
    let way = Way::Webhook(Source::Literal(Secret::new(slack.webhook_url())));
    let client = connect(&Settings { way, ..settings(&slack.url()) }).expect("the settings are good");
    let elsewhere = Message { channel: Channel::new("general"), ..message("by webhook") };
    assert_eq!(client.send(delivery(elsewhere, None)).await, Ok(Receipt::default()));
    let posted = slack.history(&slack.channel_id("ops-alerts"));
    assert_eq!(posted.iter().map(|message| &message["text"]).collect::<Vec<_>>(), [&json!("by webhook")]);
    let empty = Message { text: String::new(), blocks: Vec::new(), ..message("") };
    let (fault, why) = permanent(client.send(delivery(empty, None)).await);
    assert!(fault == Fault::Message && why.contains("no_text"), "{why}");
}

#[test]
fn the_channels_of_a_configuration_are_looked_for() {
    let Some(slack) = Emulator::start() else { return };
    let made = slack.ask("conversations.create", &json!({ "name": "old-ops" }));
    slack.ask("conversations.archive", &json!({ "channel": made["channel"]["id"] }));
    let config = format!(
        "[slack]\ntoken_env = \"TOKEN\"\nchannel = \"#ops-alerts\"\napi_url = \"{}\"\n[defaults]\ntimeout = \"1m\"\n",
        slack.url()
    );
    let job = |channels: &str| format!("command = \"df\"\nevery = \"1h\"\nnotify.channel = {channels}\n");
    let known = job(&format!("[\"ops-alerts\", \"{}\"]", slack.channel_id("ops-alerts")));
    let sandbox =
        Sandbox::with(&[("slack_alert.toml", &config), ("jobs.d/a.toml", &known)]).variable("TOKEN", "xoxb-local-full");
    let ran = sandbox.run(&["check", "--online"]);
    assert!(ran.code == 0 && ran.stderr.contains("2 of 2 channels are known to Slack"), "{ran:?}");

    sandbox.file("jobs.d/a.toml", &job("[\"ops-alert\", \"old-ops\", \"C0000NOWHERE\", \"U0000NOBODY\"]"));
    let ran = sandbox.run(&["check", "--online"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for words in [
        "did you mean `#ops-alerts`?",
        "the channel `#old-ops` is archived",
        "Slack knows no `C0000NOWHERE` that the bot may see",
        // The seeded token has no users:read.
        "`U0000NOBODY` could not be looked for: the token lacks the scope `users:read`",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }
    let ran = sandbox.variable("TOKEN", "xoxb-local-nofiles").run(&["check", "--online"]);
    assert!(ran.stdout.contains("the token lacks the scope `channels:read`"), "{ran:?}");
}

#[test]
fn ping_posts_edits_and_reads_back_a_test_message() {
    let Some(slack) = Emulator::start() else { return };
    let config = format!("[slack]\ntoken_env = \"TOKEN\"\nchannel = \"#ops-alerts\"\napi_url = \"{}\"\n", slack.url());
    let job = "command = \"df\"\nevery = \"1h\"\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", &config), ("jobs.d/a.toml", job)]);
    let sandbox = sandbox.variable("TOKEN", "xoxb-local-full");
    let ran = sandbox.run(&["ping"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("alertbot in Ops") && ran.stdout.contains("the edited text came back"), "{ran:?}");
    let [message] = &slack.history(&slack.channel_id("ops-alerts"))[..] else { panic!("one message") };
    let text = message["text"].as_str().unwrap_or_default();
    assert!(text.starts_with("Test message of slack-alert on ") && text.contains("posted and edited"), "{message}");

    let ran = sandbox.run(&["ping", "#nowhere"]);
    assert!(ran.code == 1 && ran.stdout.contains("Slack knows no `#nowhere`"), "{ran:?}");
    let ran = sandbox.variable("TOKEN", "xoxb-local-orphan").run(&["ping"]);
    assert!(ran.code == 1 && ran.stdout.contains("invalid_auth"), "{ran:?}");
}
