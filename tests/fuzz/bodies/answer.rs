//! Any bytes as the answer of Slack to a message: it counts as taken, or as refused with a reason, in which the token does not
//! stand; nothing waits longer than `slack.timeout`.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use slack_alert::exec::{Environment, Status};
use slack_alert::id::Channel;
use slack_alert::message::{Message, Route, Thread};
use slack_alert::notify::{self, Delivery, Notifier};
use slack_alert::plan::{self, Options, Surroundings};

const TOKEN: &str = "xoxb-0123456789-abcdef";

/// What the next connection is answered.
static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());

static SLACK: LazyLock<Arc<dyn Notifier>> = LazyLock::new(|| {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let port = listener.local_addr().expect("it has an address").port();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let mut connection = connection;
            let _ = connection.set_read_timeout(Some(Duration::from_secs(1)));
            // A request to Slack is small, and comes in one piece.
            let _ = connection.read(&mut [0; 65_536]);
            let answer = ANSWER.lock().expect("nobody panics with it").clone();
            let _ = connection.write_all(&answer);
        }
    });
    let folder = tempfile::tempdir().expect("a scratch folder");
    std::fs::create_dir(folder.path().join("jobs.d")).expect("a folder can be made");
    let config = folder.path().join("slack_alert.toml");
    let text =
        format!("[slack]\ntoken = '{TOKEN}'\nchannel = '#ops'\napi_url = 'http://127.0.0.1:{port}'\ntimeout = '1s'\n");
    std::fs::write(&config, text).expect("a file can be written");
    let environment = Arc::new(Environment::new([("PATH".into(), "/usr/bin:/bin".into())]));
    let around = Surroundings { environment, zone: jiff::tz::TimeZone::UTC, host: "here".to_owned() };
    let loaded = plan::load(&Options { config: Some(config), ..Options::default() }, &around);
    let plan = loaded.plan.unwrap_or_else(|| panic!("{}", loaded.findings.first_error()));
    notify::connect(&plan.config.slack).expect("there is a way out")
});

pub(crate) fn run(bytes: &[u8]) {
    let slack = Arc::clone(&SLACK);
    *ANSWER.lock().expect("nobody panics with it") = bytes.to_vec();
    let message = Message {
        job: None,
        run: None,
        event: None,
        status: Status::Critical,
        channel: Channel::new("#ops"),
        text: "hello".to_owned(),
        blocks: Vec::new(),
        color: None,
        incident: None,
        thread: Thread::None,
        attachment: None,
        created: jiff::Timestamp::UNIX_EPOCH,
        route: Route::default(),
    };
    let delivery = Delivery {
        message: Arc::new(message),
        attempt: 1,
        plain: None,
        parent: None,
        timeouts: 0,
        sent: Default::default(),
    };
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let sent = runtime.block_on(async move { slack.send(delivery).await });
    assert!(begun.elapsed() < Duration::from_secs(30), "it waits for ever");
    let told = format!("{sent:?}");
    assert!(!told.contains(TOKEN), "{told}");
}
