//! Messages on a terminal.

use std::io::Write;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::{Console, render, view};
use crate::exec::Status;
use crate::id::{Channel, JobName};
use crate::message::{Attachment, Message, Route, Thread};
use crate::notify::{Delivery, Fault, Notifier, SendError};
use crate::policy::Event;

fn message() -> Message {
    Message {
        job: Some(JobName::new("db/backup")),
        run: None,
        event: Some(Event::Failure),
        status: Status::Critical,
        channel: Channel::new("#ops"),
        text: "a &lt;b&gt; &amp; c".to_owned(),
        blocks: Vec::new(),
        color: None,
        incident: None,
        thread: Thread::None,
        attachment: None,
        created: Timestamp::UNIX_EPOCH,
        route: Route::default(),
    }
}

fn shown(message: &Message) -> String {
    render(message, false, false, &TimeZone::UTC, Some(100))
}

#[test]
fn a_text_stands_under_its_header() {
    assert_eq!(shown(&message()), "1970-01-01 00:00:00  #ops  db/backup  failure\n    a <b> & c\n\n");
}

#[test]
fn blocks_as_text() {
    let blocks = json!([
        {"type": "section", "text": {"type": "mrkdwn", "text": ":red_circle: *<https://run.example/x|backup>* failed"}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Runs*\n214"}, {"type": "plain_text", "text": "&amp;"}]},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "db1"}, {"type": "mrkdwn", "text": "exit 2"}]},
        {"type": "divider"},
        {"type": "rich_text", "elements": [
            {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "<timeout> &amp;\nexit 2"}]},
            {"type": "rich_text_list", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "one"}]}]},
        ]},
        {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Runbook"}, "url": "https://r"}]},
        {"type": "tomorrow", "text": {"type": "plain_text", "text": "new"}},
        {"type": "header"}, 7, null,
    ]);
    let message = Message {
        blocks: blocks.as_array().cloned().unwrap_or_default(),
        thread: Thread::Broadcast,
        attachment: Some(Attachment { name: "output.txt".to_owned(), content: "12345".to_owned() }),
        ..message()
    };
    let wanted = "\
1970-01-01 00:00:00  #ops  db/backup  failure  (in the thread and the channel)
    🔴 backup (https://run.example/x) failed
    Runs                                  &amp;
    214
    db1  exit 2
    ────────────────────────────────────────
    │ <timeout> &amp;
    │ exit 2
    • one
     Runbook  https://r
    new
    📄 output.txt (5 bytes)

";
    assert_eq!(shown(&message), wanted);
}

#[test]
fn markup_is_made_readable() {
    for (given, wanted) in [
        ("<!here> <!channel> <@U024BE7LH> <#C05DED65D5|ops>", "@here @channel @U024BE7LH #ops"),
        ("<!subteam^S1> <!subteam^S1|@dba>", "@S1 @dba"),
        ("<https://x.example> <https://x.example|y>", "https://x.example y (https://x.example)"),
        ("<!date^1795405538^{date}|23 Nov>", "23 Nov"),
        ("&amp;lt; &lt;", "&lt; <"),
        ("a <> b and <", "a <> b and <"),
        ("<!>", "@"),
        (&crate::slack::literal("a_b *c* `d` 10:30:00 < e"), "a_b *c* `d` 10:30:00 < e"),
    ] {
        assert_eq!(view::plain(given), wanted, "{given}");
    }
}

#[test]
fn a_message_fits_eighty_columns_and_its_emoji_are_characters() {
    let words = "word ".repeat(60);
    let section = |text: &str| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
    let blocks = vec![
        section(&format!(":bar_chart: *Summary* {words}")),
        section(&format!("```\n{}\n```", "x".repeat(200))),
        json!({"type": "context", "elements": [{"type": "mrkdwn", "text": words}]}),
    ];
    let shown = shown(&Message { blocks, color: Some("danger".to_owned()), ..message() });
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert!(shown.contains("    📊 Summary word") && shown.contains("    ▌ │ xxx"), "{shown}");
}

#[test]
fn a_message_fits_a_narrow_terminal_and_breaks_no_line_where_there_is_none() {
    let words = "word ".repeat(60);
    let long = format!("{words}\n```\n{}\n```", "x".repeat(200));
    let blocks = vec![json!({"type": "section", "text": {"type": "mrkdwn", "text": long}})];
    let message = Message { blocks, ..message() };
    let shown = |width| render(&message, false, false, &TimeZone::UTC, width);
    assert!(shown(Some(60)).lines().all(|line| line.chars().count() <= 60), "{}", shown(Some(60)));
    let whole = shown(None);
    assert!(whole.contains(words.trim_end()) && whole.contains(&"x".repeat(200)), "{whole}");
}

#[test]
fn output_cannot_steer_the_terminal() {
    let evil = Message {
        text: "\u{1b}[2J\u{7}\r\nok\u{9b}1m".to_owned(),
        job: Some(JobName::new("a\u{1b}[31m")),
        ..message()
    };
    let text = shown(&evil);
    assert!(!text.contains(['\u{1b}', '\u{7}', '\r', '\u{9b}']), "{text:?}");
}

#[test]
fn colour_only_when_asked_for() {
    assert!(!shown(&message()).contains('\u{1b}'));
    assert!(render(&message(), false, true, &TimeZone::UTC, Some(100)).contains("\u{1b}[1m\u{1b}[31mfailure\u{1b}[0m"));
}

/// Takes text, until it is closed.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>, bool);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.1 {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        self.0.lock().expect("nobody panics here").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn delivery(message: Message) -> Delivery {
    Delivery {
        message: Arc::new(message),
        attempt: 1,
        plain: None,
        parent: None,
        timeouts: 0,
        sent: Default::default(),
    }
}

#[tokio::test]
async fn an_edit_is_not_printed_and_a_closed_pipe_is_an_error() {
    let paper = Paper::default();
    let console = Console::new(Box::new(paper.clone()), false, None).in_zone(TimeZone::UTC);
    console.send(delivery(Message { thread: Thread::Edit, ..message() })).await.expect("no-op");
    assert!(paper.0.lock().expect("nobody panics here").is_empty());
    console.send(delivery(message())).await.expect("written");
    assert!(paper.0.lock().expect("nobody panics here").starts_with(b"1970-01-01"));
    let closed = Console::new(Box::new(Paper(Arc::default(), true)), false, None);
    let error = closed.send(delivery(message())).await.expect_err("closed");
    assert!(matches!(error, SendError::Permanent { fault: Fault::Channel, .. }), "{error:?}");
}
