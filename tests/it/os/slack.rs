//! Delivery to Slack over real sockets: what is sent, what every bad answer becomes, and that no secret leaves.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use slack_alert::message::{Attachment, Message, Thread};
use slack_alert::notify::secret::Source;
use slack_alert::notify::{Fault, Notifier, Parent, Receipt, Secret, SendError, Settings, Way, connect};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::slack::{Answer, MockSlack, channel_id, delivery, message, settings};

const BOUND: Duration = Duration::from_secs(30);

fn client(settings: &Settings) -> Arc<dyn Notifier> {
    connect(settings).expect("the settings are good")
}

async fn send(settings: &Settings) -> Result<Receipt, SendError> {
    client(settings).send(delivery(message("hello"), None)).await
}

fn hook(url: &str) -> Settings {
    Settings { way: Way::Webhook(Source::Literal(Secret::new(url))), ..settings("http://127.0.0.1:9") }
}

/// An error that another try may mend, in words that hold neither the token nor a webhook's path.
fn transient(answer: Result<Receipt, SendError>) -> (String, Option<Duration>) {
    let (why, retry_after) = match answer {
        Err(SendError::Transient { why, retry_after }) => (why, retry_after),
        Err(SendError::Doubtful { why }) => (why, None),
        other => panic!("{other:?} is not transient"),
    };
    assert!(!why.contains("hidden") && !why.contains("xoxb") && !why.contains("/services"), "{why}");
    (why, retry_after)
}

fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/fixtures/slack", name].iter().collect()
}

#[tokio::test]
async fn a_message_arrives_as_slack_wants_it() {
    let slack = MockSlack::start();
    let receipt = send(&settings(&slack.url())).await.expect("taken");
    assert_eq!(receipt.posted.map(|posted| posted.channel), Some(channel_id("ops-alerts")));
    let [request] = &slack.wait_for(1, BOUND).await[..] else { panic!("one request") };
    assert_eq!(request.method(), "chat.postMessage");
    assert_eq!(request.headers["content-type"], "application/json; charset=utf-8");
    assert_eq!(request.headers["authorization"], "Bearer xoxb-hidden-token");
    assert!(request.headers["user-agent"].starts_with("slack-alert/"));
    assert!(!request.target.contains("xoxb") && !String::from_utf8_lossy(&request.body).contains("xoxb"));
    assert_eq!(request.json()["channel"], "ops-alerts");
}

#[tokio::test]
async fn an_incident_is_a_thread_opened_answered_and_edited() {
    let slack = MockSlack::start();
    let client = client(&settings(&slack.url()));
    let threaded = |text: &str, thread| Message { thread, ..message(text) };
    let opened = client.send(delivery(threaded("failed", Thread::Open), None)).await.expect("taken");
    let parent = opened.posted.expect("the mock names it");
    for thread in [Thread::Reply, Thread::Broadcast, Thread::Edit] {
        let receipt = client.send(delivery(threaded("more", thread), Some(&parent))).await.expect("taken");
        assert!(!receipt.orphaned, "{thread:?}");
    }
    let requests = slack.requests();
    let methods: Vec<_> = requests.iter().map(|request| request.method().to_owned()).collect();
    assert_eq!(methods, ["chat.postMessage", "chat.postMessage", "chat.postMessage", "chat.update"]);
    assert_eq!(requests[1].json()["thread_ts"], parent.ts.as_str());
    assert_eq!(requests[2].json()["reply_broadcast"], true);
    assert_eq!(requests[3].json()["ts"], parent.ts.as_str());

    let gone = json!({ "ok": true, "channel": parent.channel, "ts": "1.2", "message": { "text": "more" } });
    slack.answer(Answer::json(&gone));
    let receipt = client.send(delivery(threaded("more", Thread::Reply), Some(&parent))).await.expect("taken");
    assert!(receipt.orphaned, "the parent was deleted: the reply stands alone");
    slack.answer(Answer::error("message_not_found"));
    let edit = client.send(delivery(threaded("over", Thread::Edit), Some(&parent))).await;
    assert!(matches!(edit, Err(SendError::Permanent { fault: Fault::Thread, .. })), "{edit:?}");
    let count = slack.requests().len();
    client.send(delivery(threaded("over", Thread::Edit), None)).await.expect("nothing to edit");
    assert_eq!(slack.requests().len(), count);
}

#[tokio::test]
async fn a_file_goes_into_the_thread_and_its_failure_is_its_own() {
    let slack = MockSlack::start();
    let client = client(&settings(&slack.url()));
    let file = Attachment { name: "out put.txt".to_owned(), content: "grüße\n".to_owned() };
    let upload = || Message { attachment: Some(file.clone()), thread: Thread::Upload, ..message("failed") };
    let root = Parent { channel: channel_id("ops-alerts"), ts: "1.1".to_owned() };
    client.send(delivery(upload(), Some(&root))).await.expect("taken");
    let requests = slack.requests();
    assert_eq!(requests[0].body, "filename=out+put.txt&length=8".as_bytes());
    assert_eq!(requests[0].headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!((requests[1].body.as_slice(), requests[1].headers.get("authorization")), ("grüße\n".as_bytes(), None));
    let done = requests[2].json();
    assert_eq!((&done["channel_id"], &done["thread_ts"]), (&json!(root.channel), &json!("1.1")));
    assert_eq!(done["files"][0]["title"], "out put.txt");
    for (step, answer, words, again) in [
        (
            0,
            Answer::json(&json!({"ok": false, "error": "missing_scope", "needed": "files:write"})),
            "files:write",
            false,
        ),
        (0, Answer::Reset, "127.0.0.1", true),
        (0, Answer::rate_limited(1), "wait 1 s", true),
        (0, Answer::json(&json!({"ok": true})), "no place for the file", false),
        (1, Answer::status(500, ""), "HTTP 500", true),
        (2, Answer::rate_limited(1), "wait 1 s", true),
        (2, Answer::error("not_in_channel"), "invite the bot to the channel", false),
    ] {
        for _ in 0..step {
            slack.answer(Answer::Usual);
        }
        slack.answer(answer);
        let error = client.send(delivery(upload(), Some(&root))).await.expect_err(words);
        assert!(error.why().contains(words), "{error:?}");
        assert_eq!(matches!(error, SendError::Transient { .. }), again, "{error:?}");
    }
}

#[tokio::test]
async fn bad_answers_are_tried_again() {
    let slack = MockSlack::start();
    for (answer, words, wait) in [
        (Answer::rate_limited(7), "wait 7 s", Some(7)),
        (Answer::status(429, ""), "does not say how long", Some(30)),
        (Answer::status(503, "<html>Server Error</html>").header("Content-Type", "text/html"), "HTTP 503", None),
        (Answer::Reset, "127.0.0.1", None),
        (Answer::Bytes(Vec::new()), "127.0.0.1", None),
        (Answer::Bytes(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), "127.0.0.1", None),
        (Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"ok\":true".to_vec()), "broke off", None),
        (Answer::error("internal_error"), "internal_error", None),
    ] {
        for settings in [settings(&slack.url()), hook(&slack.webhook_url())] {
            slack.answer(answer.clone());
            let (why, retry_after) = transient(send(&settings).await);
            assert!(why.contains(words), "{answer:?}: {why}");
            assert_eq!(retry_after, wait.map(Duration::from_secs), "{answer:?}");
        }
    }
    slack.answer(Answer::status(200, "<html>Please log in</html>"));
    assert!(transient(send(&settings(&slack.url())).await).0.contains("not Slack's"));
    slack.answer(Answer::status(200, "<html>Please log in</html>"));
    assert!(transient(send(&hook(&slack.webhook_url())).await).0.contains("not Slack's"));
    // What answers for a webhook may have passed it on.
    slack.answer(Answer::status(200, "queued"));
    let unsure = send(&hook(&slack.webhook_url())).await;
    assert!(matches!(unsure, Err(SendError::Uncertain { .. })), "{unsure:?}");
    slack.answer(Answer::error("never_heard_of"));
    let refused = send(&settings(&slack.url())).await.expect_err("refused");
    assert_eq!(refused.code(), Some("never_heard_of"));
    assert_eq!(slack.posted().len(), 0);
}

#[tokio::test]
async fn a_server_that_hangs_costs_no_more_than_the_timeout() {
    let slack = MockSlack::start();
    for begun in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"ok\":tr"] {
        slack.answer(Answer::Hang(begun.as_bytes().to_vec()));
        let start = Instant::now();
        let settings = Settings { timeout: Duration::from_millis(300), ..settings(&slack.url()) };
        let why = "no answer from 127.0.0.1 within 300ms".to_owned();
        assert_eq!(send(&settings).await.expect_err("no answer"), SendError::Uncertain { why });
        assert!(start.elapsed() >= Duration::from_millis(300) && start.elapsed() < BOUND);
    }
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let slack = MockSlack::start();
    let mut endless = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec();
    endless.resize(3 << 20, b' ');
    slack.answer(Answer::Hang(endless));
    let (why, _) = transient(send(&settings(&slack.url())).await);
    assert!(why.contains("not Slack's"), "{why}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_since_it_would_carry_the_token_away() {
    let (slack, thief) = (MockSlack::start(), MockSlack::start());
    for status in [301, 302, 307, 308] {
        for settings in [settings(&slack.url()), hook(&slack.webhook_url())] {
            slack.always(Answer::status(status, "").header("Location", &format!("{}/chat.postMessage", thief.url())));
            assert!(transient(send(&settings).await).0.contains("redirect"));
        }
    }
    assert_eq!(thief.requests().len(), 0);
}

#[tokio::test]
async fn a_redirect_of_one_message_alone_is_a_refusal_of_that_message() {
    let slack = MockSlack::start();
    for settings in [settings(&slack.url()), hook(&slack.webhook_url())] {
        slack.answer(Answer::status(307, "<html>blocked</html>").header("Location", "https://filter.example/blocked"));
        let refused = send(&settings).await;
        let Err(SendError::Permanent { why, fault: Fault::Refused, .. }) = refused else { panic!("{refused:?}") };
        assert!(why.contains("redirect (HTTP 307)") && why.contains("other requests get through"), "{why}");
    }
    assert_eq!(slack.posted().len(), 0, "what asks posts nothing");
}

#[tokio::test]
async fn nobody_there() {
    let slack = MockSlack::start();
    let (api, webhook) = (slack.url(), slack.webhook_url());
    drop(slack);
    for settings in [settings(&api), hook(&webhook), settings("http://slack.invalid/api")] {
        let (why, _) = transient(send(&settings).await);
        assert!(why.starts_with("cannot reach "), "{why}");
    }
}

#[tokio::test]
async fn a_webhook_takes_plain_posts() {
    let slack = MockSlack::start();
    let client = client(&hook(&slack.webhook_url()));
    for thread in [Thread::Open, Thread::Reply, Thread::Edit, Thread::Broadcast] {
        let receipt = client.send(delivery(Message { thread, ..message("hello") }, None)).await.expect("taken");
        assert_eq!(receipt, Receipt::default());
    }
    let requests = slack.requests();
    assert_eq!(requests.len(), 3, "an edit has nothing to edit");
    for request in &requests {
        assert!(request.path().starts_with("/services/") && !request.headers.contains_key("authorization"));
        assert!(request.json().get("thread_ts").is_none() && request.json()["text"] == "hello");
    }
    slack.answer(Answer::status(404, "no_service"));
    let refused = client.send(delivery(message("hello"), None)).await.expect_err("refused");
    assert!(matches!(&refused, SendError::Permanent { fault: Fault::Credentials, .. }), "{refused:?}");
    assert!(refused.why().contains("webhook_url") && !refused.why().contains("hidden"), "{refused}");
    assert_eq!(client.auth_test().await, Ok(None), "only a message can tell");
}

#[tokio::test]
async fn a_proxy_is_used_and_told_apart_when_it_wants_a_login() {
    let proxy = MockSlack::start();
    let origin = proxy.origin().replace("http://", "http://me:hidden@");
    let settings = Settings { proxy: Some(Secret::new(origin)), ..settings("http://slack.invalid/api") };
    send(&settings).await.expect("taken by way of the proxy");
    let [request] = &proxy.requests()[..] else { panic!("one request") };
    assert_eq!(request.target, "http://slack.invalid/api/chat.postMessage");
    assert_eq!(request.headers["proxy-authorization"], "Basic bWU6aGlkZGVu");
    proxy.answer(Answer::status(407, "<html>who are you</html>"));
    assert!(transient(send(&settings).await).0.contains("407"));
    proxy.answer(Answer::status(403, ""));
    let https = Settings { api_url: "https://slack.invalid/api".to_owned(), ..settings };
    let (why, _) = transient(send(&https).await);
    assert!(why.starts_with("cannot reach slack.invalid: the proxy does not let the connection through"), "{why}");
    assert_eq!(proxy.requests()[2].target, "slack.invalid:443");
}

#[tokio::test]
async fn a_root_certificate_of_ones_own_is_trusted_when_named_and_only_then() {
    let chain = CertificateDer::pem_file_iter(fixture("server.pem")).expect("the fixture").flatten().collect();
    let key = PrivateKeyDer::from_pem_file(fixture("server.key")).expect("the fixture");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("they belong together");
    let slack = MockSlack::start_tls(TlsAcceptor::from(Arc::new(config)));
    let trusting = Settings { ca_file: Some(fixture("ca.pem")), ..settings(&slack.url()) };
    send(&trusting).await.expect("trusted");
    let wary = Settings { ca_file: None, ..trusting.clone() };
    let (why, _) = transient(send(&wary).await);
    assert!(why.contains("certificate") || why.contains("UnknownIssuer"), "{why}");
    let gone = Settings { ca_file: Some(fixture("nowhere.pem")), ..trusting };
    assert!(transient(send(&gone).await).0.contains("nowhere.pem does not exist"));
}

#[tokio::test]
async fn who_the_token_is_and_a_token_put_right_is_seen_without_a_restart() {
    let slack = MockSlack::start();
    let folder = tempfile::tempdir().expect("a scratch folder");
    let path = folder.path().join("token");
    std::fs::write(&path, "xoxb-hidden-old\n").expect("a file");
    let settings = Settings { way: Way::Token(Source::File(path.clone())), ..settings(&slack.url()) };
    let client = client(&settings);
    slack.answer(Answer::error("invalid_auth"));
    let refused = client.auth_test().await.expect_err("refused");
    assert_eq!(refused.why(), format!("Slack refused the token (invalid_auth): check token_file {}", path.display()));
    std::fs::write(&path, "xoxb-hidden-new\n").expect("a file");
    let info = client.auth_test().await.expect("accepted").expect("tokens can be asked about");
    assert_eq!((info.team.as_str(), info.user.as_str()), ("Ops", "alertbot"));
    assert_eq!(info.scopes, Some(vec!["chat:write".to_owned(), "files:write".to_owned()]));
    client.send(delivery(message("hello"), None)).await.expect("taken");
    assert_eq!(slack.requests()[2].headers["authorization"], "Bearer xoxb-hidden-new");
    std::fs::remove_file(&path).expect("it was there");
    assert!(connect(&settings).expect_err("no token, no start").to_string().contains("does not exist"));
}

#[tokio::test]
async fn after_slack_refused_what_is_in_a_file_the_next_try_reads_it_again() {
    let slack = MockSlack::start();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("secret");
    let source = || Source::File(path.clone());
    for (way, old, new, refusal) in [
        (
            Way::Token(source()),
            "xoxb-hidden-old".to_owned(),
            "xoxb-hidden-new".to_owned(),
            Answer::error("invalid_auth"),
        ),
        (
            Way::Webhook(source()),
            slack.webhook_url().replace("hidden", "hidden-old"),
            slack.webhook_url(),
            Answer::status(404, "no_service"),
        ),
    ] {
        std::fs::write(&path, &old).expect("a file");
        let client = client(&Settings { way, ..settings(&slack.url()) });
        std::fs::write(&path, &new).expect("a file");
        client.send(delivery(message("hello"), None)).await.expect("what it has is good: nothing is read");
        slack.answer(refusal);
        client.send(delivery(message("hello"), None)).await.expect_err("refused");
        client.send(delivery(message("hello"), None)).await.expect("the file has another");
        let used: Vec<bool> = slack
            .requests()
            .iter()
            .rev()
            .take(3)
            .map(|request| {
                let bearer = request.headers.get("authorization").map_or("", |header| header.as_str());
                bearer.ends_with(&new) || !request.path().starts_with("/api") && !request.path().contains("hidden-old")
            })
            .collect();
        assert_eq!(used, [true, false, false], "{new}");
    }
}

#[tokio::test]
async fn no_debug_output_shows_a_secret() {
    let slack = MockSlack::start();
    let proxy = Some(Secret::new(slack.origin().replace("http://", "http://me:hidden@")));
    for settings in [Settings { proxy: proxy.clone(), ..settings(&slack.url()) }, hook(&slack.webhook_url())] {
        let client = client(&settings);
        client.send(delivery(message("hello"), None)).await.expect("taken");
        let shown = format!("{client:?} {settings:?}");
        assert!(!shown.contains("hidden") && !shown.contains("aGlkZGVu"), "{shown}");
    }
}

/// Run by the test below, with an environment in which no certificates are found.
#[tokio::test]
#[ignore = "needs a machine without CA certificates: a test below brings it about"]
async fn on_a_machine_without_certificates() {
    let slack = MockSlack::start();
    send(&settings(&slack.url())).await.expect("plain HTTP needs none");
    let (why, _) = transient(send(&settings("https://127.0.0.1:9/api")).await);
    assert_eq!(why, "no CA certificates found: install ca-certificates, or name a file with `slack.ca_file`");
    let own = Settings { ca_file: Some(fixture("ca.pem")), ..settings("https://127.0.0.1:9/api") };
    assert!(transient(send(&own).await).0.starts_with("cannot reach "));
}

/// Runs one of the ignored tests in a process of its own, since an environment belongs to a whole process.
fn run_alone(test: &str, environment: &[(&str, &str)]) {
    let output = std::process::Command::new(std::env::current_exe().expect("the test binary"))
        .args(["--exact", &format!("os::slack::{test}"), "--ignored"])
        .envs(environment.iter().copied())
        .output()
        .expect("it ran");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn without_certificates_the_program_starts_and_says_what_is_missing() {
    let nowhere = [("SSL_CERT_FILE", "/nowhere/certificates.pem"), ("SSL_CERT_DIR", "/nowhere")];
    run_alone("on_a_machine_without_certificates", &nowhere);
}

/// Run by the test below, with a proxy in the environment.
#[tokio::test]
#[ignore = "needs a proxy in the environment: the test below brings it about"]
async fn on_a_machine_behind_a_proxy() {
    send(&settings("http://slack.invalid/api")).await.expect("taken by way of the proxy");
}

#[test]
fn the_environments_proxy_is_used_when_none_is_configured() {
    let proxy = MockSlack::start();
    run_alone("on_a_machine_behind_a_proxy", &[("HTTP_PROXY", &proxy.origin()), ("NO_PROXY", ""), ("no_proxy", "")]);
    assert_eq!(proxy.wait_for_blocking(1, BOUND)[0].target, "http://slack.invalid/api/chat.postMessage");
}

#[test]
fn a_test_that_is_not_async_can_use_the_server_too() {
    let slack = MockSlack::start();
    slack.always(Answer::status(500, ""));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    transient(runtime.block_on(send(&settings(&slack.url()))));
    slack.always(Answer::Usual);
    runtime.block_on(send(&settings(&slack.url()))).expect("taken");
    let requests = slack.wait_for_blocking(2, BOUND);
    assert!(requests[0].at <= requests[1].at);
    assert_eq!(slack.posted().len(), 1);
}
