//! Shows that the messages of every event, whatever the output, are what Slack takes: `slack_sdk`'s own models (PyPI)
//! judge them. Needs Python with slack_sdk: `python3 -m venv target/sdk-venv && target/sdk-venv/bin/pip install
//! slack_sdk==3.47.0`; without it the test says that it is skipped.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use slack_alert::diagnostic::{Problems, Sources};
use slack_alert::document::{Reader, Table, syntax};
use slack_alert::exec::{Captured, Outcome, Output, Status};
use slack_alert::id::Channel;
use slack_alert::message::{self, Edit, Format, Message, Notice, Occasion, Rendered, Route, Templates, edited};

use crate::support::skip::skip;

/// A Python that has slack_sdk.
fn python() -> Option<String> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sdk-venv/bin/python");
    [own.display().to_string(), "python3".to_owned()].into_iter().find(|python| {
        let has = Command::new(python).args(["-c", "import slack_sdk.models"]).stderr(Stdio::null()).status();
        has.is_ok_and(|status| status.success())
    })
}

/// Job files whose templates put the output everywhere.
fn formats() -> Vec<(&'static str, Format)> {
    let templates = Templates::default();
    let jobs = [
        ("default", ""),
        ("template", "template = '''*{{ job.name }}* {{ stdout }} {{ stderr | code }} {{ '@here' | mention }}'''"),
        ("long", "template = '''{{ stdout }}{{ stdout | code }}{{ output }}'''"),
        (
            "message",
            "[message]\ntitle = '''{{ stdout }}'''\nbody = '''{{ output | tail(30) | code }}'''\n\
             fields = { Out = '''{{ stdout }}''', Err = '''{{ stderr }}''', Took = '''{{ duration }}''' }\n\
             actions = [{ text = 'Runbook {{ stdout }}', url = 'https://wiki.example/{{ stdout | head(1) }}' }]\n",
        ),
        (
            "blocks",
            "[message]\nblocks = '''[{\"type\": \"header\", \"text\": {\"type\": \"plain_text\", \"text\": \"h {{ stdout }}\"}},\
             {\"type\": \"section\", \"text\": {\"type\": \"mrkdwn\", \"text\": \"s {{ stdout | code }}\"}},\
             {\"type\": \"divider\"},\
             {\"type\": \"context\", \"elements\": [{\"type\": \"mrkdwn\", \"text\": \"c {{ stderr }}\"}]}]'''",
        ),
    ];
    let read = |(name, job): (&'static str, &str)| {
        let id = Sources::default().add("job.toml".as_ref(), job);
        let (table, _) = syntax::parse(id, job, &mut Problems::default());
        let reader = Reader::default();
        let format = message::read(&mut Table::root(&reader, id, job, &table), &templates);
        assert_eq!(reader.errors(), 0, "{name}: {:?}", reader.into_problems());
        (name, format)
    };
    jobs.into_iter().map(read).collect()
}

fn outputs() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("nothing", b"".to_vec()),
        ("a line", b"42%\n".to_vec()),
        ("pings", "<!channel> <@U024BE7LH> <#C05DED65D5> <https://evil.example|bank>\n".repeat(120).into_bytes()),
        ("fences", "``` `` ` ```\n".repeat(400).into_bytes()),
        ("entities", "&<>&amp;\"\\".repeat(800).into_bytes()),
        ("one line of 4 MiB", vec![b'x'; 4 << 20]),
        ("wide", "\u{1f525}\u{202e}\u{2066}\u{200f}e\u{301}".repeat(800).into_bytes()),
        ("control", (0..=255_u8).cycle().take(5000).collect()),
        ("ansi", "\x1b[31mred\x1b[0m\r\x1b]0;t\x07\n".repeat(500).into_bytes()),
        ("nul", vec![0; 3000]),
    ]
}

/// As it is sent: with a colour the first block stands above the bar.
fn payload(message: &Rendered) -> Value {
    let mut payload = json!({ "channel": "ops", "text": message.text, "unfurl_links": false, "unfurl_media": false });
    match (&message.color, message.blocks.split_first()) {
        (Some(color), Some((first, rest))) if !rest.is_empty() => {
            payload["blocks"] = json!([first]);
            payload["attachments"] = json!([{ "color": color, "fallback": message.text, "blocks": rest }]);
        }
        _ => payload["blocks"] = json!(message.blocks),
    }
    payload
}

/// A message as it was posted.
fn posted(message: &Rendered) -> Message {
    let at = message::samples()[0].now;
    slack_alert::report::draft(message, Channel::new("ops"), Status::Critical, at)
}

/// What edits make of a first message.
fn edits() -> Vec<Route> {
    let words = "after 42m (3 failures) ".repeat(3);
    let of = |edit| Route { edit: Some(edit), ..Route::default() };
    vec![of(Edit::Resolved { words: words.clone() }), of(Edit::Gone { words }), of(Edit::Headline), of(Edit::Worse)]
}

/// slack_sdk, and what it leaves out: `tests/it/support/payload_judge.py`.
pub(super) struct Judge {
    python: String,
}

impl Judge {
    /// Without slack_sdk the test says that it is skipped.
    pub(super) fn installed() -> Option<Self> {
        let found = python();
        if found.is_none() {
            let how = "python3 -m venv target/sdk-venv && target/sdk-venv/bin/pip install slack_sdk==3.47.0";
            skip(&format!("slack_sdk is not installed; {how}"));
        }
        Some(Self { python: found? })
    }

    /// Judges cases, each `{"name": …, "payload": …}`.
    pub(super) fn accepts(&self, cases: &[String]) {
        let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/payload_judge.py");
        let mut child = Command::new(&self.python)
            .arg(judge)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python was there a moment ago");
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        let lines = cases.join("\n");
        std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
        let output = child.wait_with_output().expect("the judge ends");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        assert_eq!(said.trim(), format!("judged {}", cases.len()));
    }
}

#[test]
fn slacks_own_models_accept_every_message() {
    let Some(judge) = Judge::installed() else { return };
    let mut cases = Vec::new();
    let formats = formats();
    for (what, bytes) in outputs() {
        let captured = Captured { head: bytes, ..Captured::default() };
        for notice in message::samples() {
            let output = Output {
                stdout: captured.clone(),
                stderr: captured.clone(),
                both: captured.clone(),
                ..Output::default()
            };
            let (occasion, reason) = match &notice.occasion {
                Occasion::Run { run, outcome } => {
                    let outcome = Outcome { output, ..(**outcome).clone() };
                    let reason = outcome.reason.as_str();
                    (Occasion::Run { run: *run, outcome: Arc::new(outcome) }, reason)
                }
                Occasion::Running { run, started, took, .. } => {
                    let (run, started, took, output) = (*run, *started, *took, Box::new(output));
                    (Occasion::Running { run, started, took, output }, "it goes on")
                }
                Occasion::Clock { last, .. } => (
                    Occasion::Clock { last: last.clone(), output: Box::new(output), parsed: Box::default() },
                    "the time has come",
                ),
            };
            let pauses = Some(std::time::Duration::from_secs(3600));
            let notice = Notice { occasion, suppressed: 12, pauses, ..notice };
            // The long line costs time and is the same for every event and template.
            let long = what == "one line of 4 MiB";
            for (name, format) in formats.iter().take(if long { 2 } else { 5 }) {
                let Some(message) = message::render(&notice, format) else { continue };
                let name = format!("{name}, {} ({reason}), {what}", notice.event);
                cases.push(json!({ "name": name, "payload": payload(&message) }).to_string());
                for edit in edits() {
                    let changed = edited(&posted(&message), &Message { route: edit.clone(), ..posted(&message) });
                    let Message { text, blocks, color, attachment, .. } = changed;
                    let changed = Rendered { text, blocks, color, attachment, written: None, left_out: Vec::new() };
                    let name = format!("{name}, edited: {:?}", edit.edit);
                    cases.push(json!({ "name": name, "payload": payload(&changed) }).to_string());
                }
            }
            if long {
                break;
            }
        }
    }
    judge.accepts(&cases);
    assert!(cases.len() > 500, "{}", cases.len());
}
