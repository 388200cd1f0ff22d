//! Messages as Slack gets them.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{LONGEST_EDIT, LONGEST_TEXT, Request, SenderIdentity, request, webhook};
use crate::exec::Status;
use crate::id::{Channel, JobName, RunId};
use crate::message::{Message, Route, Thread};
use crate::notify::{Delivery, Parent, Settings};
use crate::policy::Event;

fn message() -> Message {
    Message {
        job: Some(JobName::new("db/backup")),
        run: Some(RunId(812)),
        event: Some(Event::Failure),
        status: Status::Critical,
        channel: Channel::new("#ops"),
        text: "backup failed".to_owned(),
        blocks: vec![
            json!({"type": "section", "text": "title"}),
            json!({"type": "context"}),
            json!({"type": "actions"}),
        ],
        color: None,
        incident: Some(812),
        thread: Thread::None,
        attachment: None,
        created: Timestamp::UNIX_EPOCH,
        route: Route::default(),
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

fn parent() -> Parent {
    Parent { channel: "C05DED65D5".to_owned(), ts: "1795405538.000001".to_owned() }
}

fn posted(delivery: &Delivery) -> Value {
    match request(delivery, &SenderIdentity::default()) {
        Request::Post { body, .. } => body,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plain_alert() {
    let wanted = json!({
        "channel": "ops",
        "text": "backup failed",
        "blocks": [{"type": "section", "text": "title"}, {"type": "context"}, {"type": "actions"}],
        "unfurl_links": false,
        "unfurl_media": false,
        "metadata": {"event_type": "job_failure", "event_payload": {"job": "db/backup", "run": 812}},
    });
    assert_eq!(posted(&delivery(message())), wanted);
}

#[test]
fn with_a_colour_the_words_do_not_stand_twice() {
    let body = posted(&delivery(Message { color: Some("danger".to_owned()), ..message() }));
    assert_eq!(body["blocks"], json!([{"type": "section", "text": "title"}]));
    let rest = json!([{"type": "context"}, {"type": "actions"}]);
    assert_eq!(body["attachments"], json!([{"color": "danger", "fallback": "backup failed", "blocks": rest}]));
    // One block alone has nothing to go beside the bar, and attachments without blocks above them show the text again.
    let one = Message { color: Some("good".to_owned()), blocks: vec![json!({"type": "section"})], ..message() };
    let body = posted(&delivery(one));
    assert_eq!((&body["blocks"], body.get("attachments")), (&json!([{"type": "section"}]), None));
}

#[test]
fn every_payload_has_its_text_and_is_without_what_makes_output_live() {
    for thread in [Thread::None, Thread::Open, Thread::Reply, Thread::Broadcast, Thread::Edit] {
        for color in [None, Some("good".to_owned())] {
            for plain in [Some("no_text".to_owned()), None] {
                let delivery = Delivery {
                    plain: plain.clone(),
                    parent: Some(parent()),
                    ..delivery(Message { thread, color: color.clone(), ..message() })
                };
                let (Request::Post { body, .. } | Request::Update { body }) =
                    request(&delivery, &SenderIdentity::default())
                else {
                    panic!("nothing is sent");
                };
                let text = body["text"].as_str().expect("there is text");
                assert!(text.starts_with("backup failed"), "{text}");
                for key in ["link_names", "parse", "as_user", "username", "icon_emoji", "icon_url", "markdown_text"] {
                    assert!(body.get(key).is_none(), "{key}");
                }
                let blocks = body.get("blocks").and_then(Value::as_array).map_or(0, Vec::len);
                assert!(plain.is_none() || blocks == 0, "{body}");
            }
        }
    }
}

#[test]
fn a_reply_goes_into_the_thread_by_the_channels_id() {
    for (thread, parent, ts, broadcast) in [
        (Thread::Reply, Some(parent()), Some("1795405538.000001"), None),
        (Thread::Broadcast, Some(parent()), Some("1795405538.000001"), Some(true)),
        (Thread::Reply, None, None, None),
        (Thread::Broadcast, None, None, None),
        (Thread::Open, Some(parent()), None, None),
        (Thread::None, Some(parent()), None, None),
    ] {
        let delivery = Delivery { parent, ..delivery(Message { thread, ..message() }) };
        let Request::Post { body, thread: asked } = request(&delivery, &SenderIdentity::default()) else {
            panic!("no post")
        };
        assert_eq!(body.get("thread_ts").and_then(Value::as_str), ts, "{thread:?}");
        assert_eq!(asked.as_deref(), ts);
        assert_eq!(body.get("reply_broadcast").and_then(Value::as_bool), broadcast);
        assert_eq!(body["channel"], if ts.is_some() { "C05DED65D5" } else { "ops" });
    }
}

#[test]
fn an_edit_replaces_everything_and_needs_something_to_edit() {
    let edit = Message { thread: Thread::Edit, text: "x".repeat(5_000), color: Some("good".into()), ..message() };
    assert_eq!(request(&delivery(edit.clone()), &SenderIdentity::default()), Request::Nothing);
    let mut delivery = Delivery { parent: Some(parent()), ..delivery(edit) };
    let identity = SenderIdentity { username: Some("MovieBot".to_owned()), ..SenderIdentity::default() };
    let Request::Update { body } = request(&delivery, &identity) else { panic!("no update") };
    assert_eq!((&body["channel"], &body["ts"]), (&json!("C05DED65D5"), &json!("1795405538.000001")));
    assert!(body["text"].as_str().is_some_and(|text| text.len() <= LONGEST_EDIT && text.ends_with('…')));
    assert_eq!(body["blocks"].as_array().map(Vec::len), Some(1));
    assert!(body.get("username").is_none() && body.get("unfurl_links").is_none());
    delivery.plain = Some("no_text".to_owned());
    let Request::Update { body } = request(&delivery, &identity) else { panic!("no update") };
    assert_eq!((&body["blocks"], &body["attachments"]), (&json!([]), &json!([])), "else the old ones would stay");
}

#[test]
fn plain_means_a_short_text_and_nothing_that_could_be_malformed() {
    let long = Message { text: "y".repeat(9_000), color: Some("good".to_owned()), ..message() };
    let body = posted(&Delivery { plain: Some("invalid_blocks".to_owned()), ..delivery(long) });
    let mut keys: Vec<_> = body.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["channel", "text", "unfurl_links", "unfurl_media"]);
    assert!(body["text"].as_str().is_some_and(|text| text.chars().count() <= LONGEST_TEXT));
}

#[test]
fn name_and_picture_only_when_configured_and_an_emoji_wins() {
    let settings = |emoji: Option<&str>| Settings {
        username: Some("MovieBot".to_owned()),
        icon_emoji: emoji.map(str::to_owned),
        icon_url: Some("https://example.com/i.png".to_owned()),
        ..Settings::default()
    };
    let body = webhook(&message(), &SenderIdentity::of(&settings(Some(":fire:"))), None);
    assert_eq!((&body["username"], &body["icon_emoji"]), (&json!("MovieBot"), &json!(":fire:")));
    assert!(body.get("icon_url").is_none() && body.get("channel").is_none() && body.get("metadata").is_none());
    let body = webhook(&message(), &SenderIdentity::of(&settings(None)), None);
    assert_eq!(body["icon_url"], "https://example.com/i.png");
}

#[test]
fn the_daemons_own_words_carry_no_metadata() {
    let own = Message { job: None, run: None, event: None, blocks: Vec::new(), ..message() };
    let body = posted(&delivery(own));
    assert!(body.get("metadata").is_none() && body.get("blocks").is_none(), "{body}");
}
