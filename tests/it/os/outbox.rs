//! Shows the outbox on the store's real thread and in real time: a message is with the notifier as soon as it is on disk.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use slack_alert::clock::{Clock, System};
use slack_alert::document::parse_rate;
use slack_alert::notify::{Capabilities, Delivery, Notifier, Receipt, SendError};
use slack_alert::outbox::{Remembered, Settings, Status, Wakeup, Worker};
use slack_alert::store::{Record, Store};
use tokio::sync::{mpsc, oneshot, watch};

use super::store::message;

/// Takes everything, and tells.
#[derive(Debug)]
struct Taker(Mutex<mpsc::UnboundedSender<(String, Instant)>>);

impl Notifier for Taker {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    fn send(&self, delivery: Delivery) -> std::pin::Pin<Box<dyn Future<Output = Result<Receipt, SendError>> + Send>> {
        let told = self.0.lock().expect("no test panics with it");
        told.send((delivery.message.text.clone(), Instant::now())).expect("the test listens");
        Box::pin(async { Ok(Receipt::default()) })
    }
}

#[tokio::test]
async fn a_message_is_sent_when_it_is_on_disk_and_the_outbox_ends_when_it_is_told_to() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (store, _) = Store::open(dir.path(), System.now().wall).expect("it can be used");
    let (tell, mut told) = mpsc::unbounded_channel();
    let settings = Settings {
        host: "".into(),
        notifier: Arc::new(Taker(Mutex::new(tell))),
        channel: None,
        rate: parse_rate("100/s").expect("a rate"),
        max_age: Duration::from_secs(86_400),
        fallback_after: None,
    };
    let settings = watch::Sender::new(settings);
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = Worker {
        store: store.clone(),
        clock: Arc::new(System),
        settings: settings.subscribe(),
        status: watch::Sender::new(Status::default()),
        seed: 1,
        reports: mpsc::unbounded_channel().0,
        standings: watch::channel(slack_alert::outbox::Standings::default()).1,
        wakeup: Wakeup::none(),
        remembered: Remembered::default(),
    };
    let stopped = async move {
        let _dropped = stopped.await;
    };
    let task = tokio::spawn(slack_alert::outbox::run(worker, stopped, std::future::pending()));
    let mut slowest = Duration::ZERO;
    for n in 0..20 {
        let now = System.now().wall;
        let mut message = message(&format!("c{n}"), &format!("m{n}"));
        message.created = now;
        let begun = Instant::now();
        let record = Record { messages: vec![message], ..Record::default() };
        assert!(store.record(record).await.expect("it is taken").durable);
        let (text, at) =
            tokio::time::timeout(Duration::from_secs(30), told.recv()).await.expect("in time").expect("it lives");
        assert_eq!(text, format!("m{n}"));
        slowest = slowest.max(at - begun);
    }
    // Far more than it takes; a worker that only looked every 20 s would not make it.
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
    drop(stop);
    tokio::time::timeout(Duration::from_secs(30), task).await.expect("in time").expect("it does not panic");
    assert!(store.depths(true).await.expect("it can be read").is_empty(), "what was sent is settled before the end");
}
