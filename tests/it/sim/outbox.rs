//! Shows what the outbox does in time, as transcripts: who got what, and when. Time is paused; the store is in memory;
//! Slack is a script.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use slack_alert::clock::Clock;
use slack_alert::document::parse_rate;
use slack_alert::exec::Status as RunStatus;
use slack_alert::id::{Channel, JobName};
use slack_alert::message::{Message, Route, Thread};
use slack_alert::notify::Fault;
use slack_alert::outbox::{Outage, Remembered, Report, Settings, Status, Wakeup, Worker};
use slack_alert::policy::{Dropped, Event};
use slack_alert::store::{MessageId, MessageState, OutboxFilter, Record, Store};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::support::clock::SimClock;
use crate::support::notifier::{Answer, FakeNotifier, doubtful, lasting, ok, passing, refused};

/// An outbox in a simulated world.
pub(crate) struct Rig {
    pub(crate) clock: Arc<SimClock>,
    pub(crate) store: Store,
    pub(crate) slack: Arc<FakeNotifier>,
    pub(crate) settings: watch::Sender<Settings>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) worker: JoinHandle<()>,
    /// What the daemon was told.
    pub(crate) reports: mpsc::UnboundedReceiver<Report>,
    tell: mpsc::UnboundedSender<Report>,
    stop: Option<oneshot::Sender<()>>,
    hurry: Option<oneshot::Sender<()>>,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let clock = Arc::new(SimClock::new("2026-11-23T07:00:00Z".parse().expect("a time")));
        let slack = FakeNotifier::new(clock.clone());
        let store = Store::memory(clock.now().wall).expect("memory is there");
        let settings = Settings {
            host: "".into(),
            notifier: slack.clone(),
            channel: Some(Channel::new("home")),
            rate: parse_rate("1/s").expect("a rate"),
            max_age: Duration::from_secs(86_400),
            fallback_after: Some(Duration::from_secs(900)),
        };
        let settings = watch::Sender::new(settings);
        let (tell, reports) = mpsc::unbounded_channel();
        let (status, stop, hurry, worker) = start(&store, &clock, &settings, None, tell.clone());
        // The worker looks around before anything happens.
        tokio::time::sleep(Duration::from_millis(1)).await;
        Self { clock, store, slack, settings, status, worker, reports, tell, stop: Some(stop), hurry: Some(hurry) }
    }

    /// A message about an incident of a job of its own, in `#ops`.
    fn alert(&self, n: u64, event: Event, thread: Thread, status: RunStatus, text: &str) -> Message {
        Message {
            job: Some(JobName::new(format!("job-{n}"))),
            event: Some(event),
            incident: Some(n),
            status,
            thread,
            ..self.message("ops", &format!("*job-{n}* {text}"))
        }
    }

    pub(crate) fn message(&self, channel: &str, text: &str) -> Message {
        Message {
            job: Some(JobName::new("job")),
            run: None,
            event: None,
            status: RunStatus::Critical,
            channel: Channel::new(channel),
            text: text.to_owned(),
            blocks: Vec::new(),
            color: None,
            incident: None,
            thread: Thread::None,
            attachment: None,
            created: self.clock.now().wall,
            route: Route::default(),
        }
    }

    pub(crate) async fn say(&self, channel: &str, text: &str) -> MessageId {
        self.put(self.message(channel, text)).await
    }

    pub(crate) async fn put(&self, message: Message) -> MessageId {
        let record = Record { messages: vec![message], ..Record::default() };
        self.store.record(record).await.expect("memory is well").ids[0]
    }

    /// A message of an incident's thread.
    async fn thread(&self, text: &str, incident: u64, thread: Thread) {
        self.put(Message { incident: Some(incident), thread, ..self.message("ops", text) }).await;
    }

    /// Stops in an orderly way; the answer is how long that took.
    async fn stop(&mut self) -> Duration {
        let before = self.clock.elapsed();
        drop(self.stop.take());
        (&mut self.worker).await.expect("the worker does not panic");
        self.clock.elapsed() - before
    }

    /// Another process on the same state; `outage` is what it read there.
    pub(crate) fn restart(&mut self, outage: Option<Outage>) {
        let (status, stop, hurry, worker) = start(&self.store, &self.clock, &self.settings, outage, self.tell.clone());
        (self.status, self.stop, self.hurry, self.worker) = (status, Some(stop), Some(hurry), worker);
    }

    async fn drop_message(&self, id: MessageId) {
        let dropped = Dropped { by: "dana".into(), at: self.clock.now().wall };
        let found = self.store.outbox_drop(vec![id], dropped).await.expect("memory is well");
        assert_eq!(found, [id]);
    }

    pub(crate) async fn dead(&self) -> Vec<(u64, MessageState, String)> {
        let filter = OutboxFilter { dead: true, limit: 10_000, ..OutboxFilter::default() };
        let dead = self.store.outbox_list(filter).await.expect("memory is well");
        dead.into_iter().map(|stored| (stored.id.0, stored.state, stored.why.unwrap_or_default())).collect()
    }

    pub(crate) async fn waiting(&self) -> u64 {
        let depths = self.store.depths(true).await.expect("memory is well");
        depths
            .into_iter()
            .map(|(_, depth)| depth.alerts + depth.details + depth.edits + depth.uploads + depth.late)
            .sum()
    }
}

/// A call of a store in memory, which never waits.
fn futures_now<T>(call: impl Future<Output = T>) -> T {
    let mut call = std::pin::pin!(call);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match call.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("a store in memory waits for nothing"),
    }
}

fn start(
    store: &Store,
    clock: &Arc<SimClock>,
    settings: &watch::Sender<Settings>,
    outage: Option<Outage>,
    reports: mpsc::UnboundedSender<Report>,
) -> (watch::Receiver<Status>, oneshot::Sender<()>, oneshot::Sender<()>, JoinHandle<()>) {
    let status = watch::Sender::new(Status { outage: outage.clone(), ..Status::default() });
    let told = status.subscribe();
    let (stop, stopped) = oneshot::channel::<()>();
    let (store, settings) = (store.clone(), settings.subscribe());
    let notes = futures_now(store.load()).expect("memory is well").notes;
    let remembered = Remembered { outage, ..Remembered::from_notes(&notes) };
    let wakeup = Wakeup::none();
    let standings = watch::channel(slack_alert::outbox::Standings::default()).1;
    let worker =
        Worker { store, clock: clock.clone(), settings, status, reports, standings, wakeup, seed: 7, remembered };
    let (hurry, hurried) = oneshot::channel::<()>();
    let (stopped, hurried) = (async { drop(stopped.await) }, async { drop(hurried.await) });
    let task = tokio::spawn(slack_alert::outbox::run(worker, stopped, hurried));
    (told, stop, hurry, task)
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_gets_its_messages_in_order_a_second_apart_and_another_does_not_wait() {
    let rig = Rig::new().await;
    for text in ["a1", "a2", "a3"] {
        rig.say("ops", text).await;
    }
    rig.say("dev", "b1").await;
    pass(5).await;
    assert_eq!(rig.slack.transcript(), ["0.001 #dev b1", "0.001 #ops a1", "1.001 #ops a2", "2.001 #ops a3"]);
    assert_eq!((rig.status.borrow().delivered, rig.status.borrow().waiting, rig.waiting().await), (4, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_hangs_holds_up_no_other() {
    let rig = Rig::new().await;
    rig.slack.play(|delivery, _| match delivery.message.channel.as_str() {
        "slow" => (Duration::from_secs(60), passing().1),
        _ => ok(),
    });
    for n in 0..3 {
        rig.say("slow", &format!("s{n}")).await;
        rig.say("ops", &format!("a{n}")).await;
    }
    pass(30).await;
    assert_eq!(rig.slack.transcript(), ["0.001 #ops a0", "0.001 #slow (s0)", "1.001 #ops a1", "2.001 #ops a2"]);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_never_ends_is_given_up_and_tried_again() {
    let rig = Rig::new().await;
    let mut first = true;
    rig.slack.play(move |_, _| match std::mem::take(&mut first) {
        true => (Duration::from_secs(1_000_000), passing().1),
        false => ok(),
    });
    rig.say("ops", "a").await;
    pass(310).await;
    let sent = rig.slack.transcript();
    assert_eq!((sent.len(), sent[1].split_once(' ').expect("a time").1), (2, "#ops a"));
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured_to_the_second_for_that_channel_alone() {
    let rig = Rig::new().await;
    let mut refusals = 2;
    rig.slack.play(move |delivery, _| {
        if delivery.message.channel.as_str() == "ops" && refusals > 0 {
            refusals -= 1;
            return refused(17);
        }
        ok()
    });
    rig.say("ops", "a1").await;
    rig.say("ops", "a2").await;
    pass(10).await;
    rig.say("dev", "b1").await;
    pass(40).await;
    assert_eq!(
        rig.slack.transcript(),
        ["0.001 #ops (a1)", "10.001 #dev b1", "17.001 #ops (a1)", "34.001 #ops a1", "35.001 #ops a2"]
    );
    assert_eq!(rig.slack.sent()[3].attempt, 3);
}

#[tokio::test(start_paused = true)]
async fn slack_that_is_away_is_tried_ever_more_rarely_and_nothing_is_lost() {
    let rig = Rig::new().await;
    rig.slack.play(|_, at| if at < Duration::from_secs(2 * 3600) { passing() } else { ok() });
    rig.say("ops", "a").await;
    pass(3 * 3600).await;
    let sent = rig.slack.sent();
    let waits: Vec<f64> = sent.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs_f64()).collect();
    for (wait, expected) in waits.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]) {
        assert!(*wait >= expected * 0.74 && *wait <= expected * 1.26, "{waits:?}");
    }
    assert!(waits.iter().skip(9).all(|wait| (224.0..=300.0).contains(wait)), "{waits:?}");
    assert!(sent.last().is_some_and(|last| last.taken));
    assert_eq!(rig.waiting().await, 0);
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_hold_everything_until_a_probe_succeeds() {
    let rig = Rig::new().await;
    rig.slack.play(|_, at| if at < Duration::from_secs(700) { lasting(Fault::Credentials) } else { ok() });
    rig.say("ops", "a1").await;
    pass(1).await;
    rig.say("ops", "a2").await;
    rig.say("dev", "b1").await;
    let held = rig.status.borrow().held.clone().expect("it is held");
    assert!(held.credentials && held.why == "Credentials");
    pass(2_000).await;
    let times: Vec<_> = rig.slack.transcript();
    assert_eq!(times[0], "0.001 #ops (a1)");
    assert!(times[1].starts_with("300.001") && times[1].ends_with(')'), "one probe: {times:?}");
    assert!(times[2].starts_with("600.001") && times[2].ends_with(')'), "one probe: {times:?}");
    assert_eq!(times[3..].iter().filter(|line| line.starts_with("90")).count(), 3, "{times:?}");
    assert_eq!((times.len(), rig.waiting().await, rig.status.borrow().held.clone()), (6, 0, None));
}

#[tokio::test(start_paused = true)]
async fn a_new_token_takes_effect_for_what_waits() {
    let rig = Rig::new().await;
    rig.slack.play(|_, _| lasting(Fault::Credentials));
    rig.say("ops", "a1").await;
    pass(10).await;
    let other = FakeNotifier::new(rig.clock.clone());
    let notifier = other.clone();
    rig.settings.send_modify(|settings| settings.notifier = notifier);
    pass(1).await;
    assert_eq!(
        (rig.slack.transcript(), other.transcript()),
        (vec!["0.001 #ops (a1)".to_owned()], vec!["10.001 #ops a1".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn a_malformed_message_is_sent_again_as_plain_text_and_holds_up_nobody() {
    let rig = Rig::new().await;
    rig.slack.play(|delivery, _| match (delivery.message.text.as_str(), delivery.plain.is_some()) {
        ("odd", false) | ("hopeless", _) => lasting(Fault::Message),
        _ => ok(),
    });
    for text in ["odd", "hopeless", "well"] {
        rig.say("ops", text).await;
    }
    pass(10).await;
    assert_eq!(
        rig.slack.transcript(),
        [
            "0.001 #ops (odd)",
            "1.001 #ops odd (plain)",
            "2.001 #ops (hopeless)",
            "3.001 #ops (hopeless) (plain)",
            "3.001 #home hopeless",
            "4.001 #ops well"
        ]
    );
    assert_eq!(rig.dead().await, [(2, MessageState::Dead, "Message".to_owned())]);
    assert_eq!(rig.status.borrow().dead, 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_channel_does_not_take_is_told_in_the_default_channel_and_tried_again_until_it_is_taken() {
    let rig = Rig::new().await;
    rig.slack.play(|delivery, at| match delivery.message.channel.as_str() {
        "gone" if at < Duration::from_secs(300) => lasting(Fault::Channel),
        _ => ok(),
    });
    rig.say("gone", "g1").await;
    rig.say("ops", "a1").await;
    pass(100).await;
    rig.say("gone", "g2").await;
    pass(1_000).await;
    assert_eq!(
        rig.slack.transcript(),
        [
            "0.001 #gone (g1)",
            "0.001 #ops a1",
            "0.001 #home g1",
            "60.001 #gone (g1)",
            // The first waits by itself: a second one is tried, and told elsewhere, at once.
            "100.001 #gone (g2)",
            "100.001 #home g2",
            "160.001 #gone (g2)",
            "180.001 #gone (g1)",
            "280.001 #gone (g2)",
            "420.001 #gone g1",
            "520.001 #gone g2",
        ]
    );
    assert_eq!((rig.dead().await.len(), rig.waiting().await), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_comes_when_its_incident_is_over_pings_nobody() {
    for is_over in [false, true] {
        let rig = Rig::new().await;
        rig.slack.play(|delivery, at| match delivery.message.channel.as_str() {
            "ops" if at < Duration::from_secs(30) => lasting(Fault::Channel),
            _ => ok(),
        });
        rig.put(Message {
            text: "<!here> job-1 critical".to_owned(),
            ..rig.alert(1, Event::Failure, Thread::Open, RunStatus::Critical, "")
        })
        .await;
        if is_over {
            pass(9).await;
            rig.put(rig.alert(1, Event::Recovery, Thread::Reply, RunStatus::Ok, "well")).await;
        }
        pass(100).await;
        let sent = rig.slack.transcript();
        let words = if is_over { "60.001 #ops job-1 critical" } else { "60.001 #ops <!here> job-1 critical" };
        assert!(sent.contains(&words.to_owned()), "{sent:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_can_be_set_waiting_again() {
    let rig = Rig::new().await;
    rig.slack.play(|delivery, at| match delivery.message.channel.as_str() {
        "ops" if at < Duration::from_secs(60) => lasting(Fault::Message),
        _ => ok(),
    });
    let id = rig.say("ops", "a1").await;
    pass(100).await;
    assert_eq!(rig.dead().await.len(), 1);
    rig.store.outbox_retry(vec![id], rig.clock.now().wall).await.expect("memory is well");
    pass(30).await;
    assert_eq!(rig.slack.transcript()[3], "100.001 #ops a1");
    assert!(rig.dead().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_slack_refuses_delays_no_other() {
    let rig = Rig::new().await;
    rig.slack.play(|delivery, _| match delivery.message.text.as_str() {
        "poison" => lasting(Fault::Refused),
        _ => ok(),
    });
    rig.say("ops", "poison").await;
    pass(2).await;
    rig.say("ops", "fine").await;
    pass(100).await;
    assert_eq!(
        rig.slack.transcript(),
        [
            "0.001 #ops (poison)",
            "2.001 #ops fine",
            "15.001 #ops (poison)",
            "30.001 #ops (poison) (plain)",
            "30.001 #home poison",
        ]
    );
    assert_eq!(rig.dead().await, [(1, MessageState::Dead, "Refused".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_one_message_alone_brings_about_delays_no_other_for_long() {
    let rig = Rig::new().await;
    rig.slack.play(|delivery, _| match delivery.message.text.as_str() {
        "poison" | "bane" => doubtful(),
        _ => ok(),
    });
    for text in ["poison", "bane"] {
        rig.say("ops", text).await;
    }
    pass(2).await;
    for number in 0..3 {
        rig.say("ops", &format!("fine {number}")).await;
    }
    pass(60).await;
    let at = |text: &str| rig.slack.sent().iter().find(|sent| sent.taken && sent.text == text).map(|sent| sent.at);
    for number in 0..3 {
        let at = at(&format!("fine {number}")).expect("it arrives");
        assert!(at < Duration::from_secs(60), "fine {number} at {at:?}: {:#?}", rig.slack.transcript());
    }
    let tries = rig.slack.sent().iter().filter(|sent| sent.text == "poison").count();
    assert!((5..12).contains(&tries), "it is tried on, more and more rarely: {:#?}", rig.slack.transcript());
    // It is taken as soon as that is possible.
    rig.slack.play(|_, _| ok());
    pass(120).await;
    assert!(at("poison").is_some() && at("bane").is_some(), "{:#?}", rig.slack.transcript());
}

#[tokio::test(start_paused = true)]
async fn messages_that_wait_for_the_way_arrive_in_their_order() {
    // However long it was: the way's own trouble is no reason to try another message first.
    for (seconds, answer) in (1..40).map(|seconds| (seconds, passing as fn() -> Answer)).chain([(1_000, doubtful as _)])
    {
        let rig = Rig::new().await;
        rig.slack.play(move |_, at| if at < Duration::from_secs(seconds) { answer() } else { ok() });
        let length = seconds.div_ceil(10);
        for number in 0..9 {
            rig.say("ops", &format!("m{number}")).await;
            pass(length).await;
        }
        pass(seconds + 400).await;
        let sent = rig.slack.sent().into_iter().filter(|sent| sent.taken);
        let taken: Vec<String> = sent.map(|sent| sent.text.lines().next().unwrap_or_default().to_owned()).collect();
        let wanted: Vec<String> = (0..9).map(|number| format!("m{number}")).collect();
        assert_eq!(taken, wanted, "{seconds} s: {:#?}", rig.slack.transcript());
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_slack_does_not_take_delays_no_message() {
    for trouble in [passing(), refused(30), lasting(Fault::Refused)] {
        let rig = Rig::new().await;
        rig.slack.play(move |delivery, _| match delivery.message.thread {
            Thread::Edit => trouble.clone(),
            _ => ok(),
        });
        rig.thread("a fails", 1, Thread::Open).await;
        pass(2).await;
        rig.thread("a is well", 1, Thread::Edit).await;
        rig.thread("a is well again", 1, Thread::Broadcast).await;
        pass(1).await;
        rig.say("ops", "b fails").await;
        pass(1).await;
        let posted: Vec<_> = rig.slack.sent().iter().filter(|sent| sent.taken).map(ToString::to_string).collect();
        assert_eq!(posted, ["0.001 #ops a fails", "2.001 #ops a is well again [in 0]", "3.001 #ops b fails"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_slack_asked_for_outlives_a_restart() {
    let mut rig = Rig::new().await;
    rig.slack.play(|_, at| if at < Duration::from_secs(60) { refused(60) } else { ok() });
    rig.say("ops", "a").await;
    for _ in 0..3 {
        pass(2).await;
        rig.worker.abort();
        rig.restart(None);
    }
    pass(100).await;
    let sent = rig.slack.sent();
    assert_eq!((sent.len(), sent[1].taken), (2, true), "{:?}", rig.slack.transcript());
    assert!(sent[1].at >= Duration::from_secs(60), "{:?}", rig.slack.transcript());
}

#[tokio::test(start_paused = true)]
async fn a_storm_is_one_message_with_a_thread_that_is_edited_and_ends_once() {
    let rig = Rig::new().await;
    for n in 1..=5 {
        let text = "critical: connection to db1 failed after 3 s <!here>";
        rig.put(rig.alert(n, Event::Failure, Thread::Open, RunStatus::Critical, text)).await;
    }
    pass(2).await;
    // Something else is not held up by what is told in the thread.
    rig.say("ops", "news").await;
    pass(20).await;
    for n in 1..=5 {
        for thread in [Thread::Edit, Thread::Broadcast] {
            rig.put(rig.alert(n, Event::Recovery, thread, RunStatus::Ok, "is well again")).await;
        }
    }
    pass(60).await;
    let first = |text: String| text.lines().next().unwrap_or_default().to_owned();
    let told: Vec<String> = rig.slack.transcript().into_iter().map(first).collect();
    let visible: Vec<&String> = told.iter().filter(|line| !line.contains("[in ")).collect();
    assert_eq!(
        visible,
        [
            "0.001 #ops :red_circle: *5 jobs fail: critical: connection to db1 failed after 3 s* <!here>",
            "2.001 #ops news",
        ],
        "{told:#?}"
    );
    let pings = rig.slack.sent().iter().filter(|sent| sent.text.contains("<!here>")).count();
    assert_eq!(pings, 1, "and nobody is pinged a second time");
    let ended: Vec<_> = rig.slack.sent().into_iter().filter(|sent| sent.text.contains("all 5 jobs are well")).collect();
    let of = |thread| ended.iter().filter(|sent| sent.thread == thread).count();
    assert_eq!((of(Thread::Edit), of(Thread::Broadcast), ended.len()), (1, 1, 2), "{told:#?}");
    assert_eq!(rig.waiting().await, 0);
}

#[tokio::test(start_paused = true)]
async fn in_the_thread_of_a_storm_a_job_fails_before_it_is_well_again() {
    let rig = Rig::new().await;
    for n in 1..=5 {
        rig.put(rig.alert(n, Event::Failure, Thread::Open, RunStatus::Critical, "critical: no disk")).await;
    }
    pass(1).await;
    // One failed run ends in its edit, and in the thread.
    for (n, thread) in [(4, Thread::Reply), (5, Thread::Broadcast)] {
        rig.put(rig.alert(n, Event::Recovery, Thread::Edit, RunStatus::Ok, "is well again")).await;
        rig.put(rig.alert(n, Event::Recovery, thread, RunStatus::Ok, "is well again")).await;
    }
    pass(60).await;
    let replies = rig.slack.sent().into_iter().filter(|sent| sent.thread == Thread::Reply);
    let of =
        |job: &str| replies.clone().filter(|sent| sent.text.contains(job)).map(|sent| sent.text).collect::<Vec<_>>();
    for job in ["*job-4*", "*job-5*"] {
        let [failure, recovery] = [" critical: no disk", " is well again"].map(|words| format!("{job}{words}"));
        assert_eq!(of(job), [failure, recovery], "{:?}", rig.slack.transcript());
    }
    assert_eq!(rig.waiting().await, 0);
}

#[tokio::test(start_paused = true)]
async fn more_than_the_rate_can_carry_in_half_a_minute_is_one_message() {
    let rig = Rig::new().await;
    for n in 0..30 {
        rig.say("calm", &format!("c{n}")).await;
    }
    for n in 0..100 {
        rig.say("storm", &format!("failed: s{n}.")).await;
    }
    pass(60).await;
    let sent = rig.slack.sent();
    let calm: Vec<_> = sent.iter().filter(|sent| sent.channel == "#calm").map(|sent| sent.text.clone()).collect();
    assert_eq!(calm, (0..30).map(|n| format!("c{n}")).collect::<Vec<_>>());
    let storm: Vec<_> = sent.iter().filter(|sent| sent.channel == "#storm").collect();
    assert!(storm[0].text.starts_with("*100 alerts*: 100 critical\n"), "{}", storm[0].text);
    let named = (0..100).filter(|n| storm[0].text.contains(&format!("s{n}."))).count();
    assert_eq!((storm.len(), named, rig.waiting().await, rig.status.borrow().merged), (1, 100, 0, 100));
}

#[tokio::test(start_paused = true)]
async fn a_digest_too_long_for_slack_is_split_and_its_members_are_delivered_with_their_part() {
    let rig = Rig::new().await;
    rig.slack.play(|delivery, at| match delivery.message.text.contains(" alerts*") {
        true if at < Duration::from_secs(5) => lasting(Fault::Message),
        _ => ok(),
    });
    for n in 0..350 {
        rig.say("ops", &format!("s{n}. {}", "x".repeat(120))).await;
    }
    pass(60).await;
    let sent = rig.slack.sent();
    let mut told: Vec<u64> = Vec::new();
    for message in sent.iter().filter(|sent| sent.taken) {
        for line in message.text.lines() {
            told.extend(
                line.split_whitespace().find_map(|w| w.strip_prefix('s')?.strip_suffix('.')?.parse::<u64>().ok()),
            );
        }
    }
    assert_eq!(told, (0..350).collect::<Vec<_>>(), "each once, in order");
    assert_eq!(rig.waiting().await, 0);
    assert!(rig.dead().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn thousands_of_alerts_are_told_whole_in_a_few_messages() {
    const MANY: u64 = 1_200;
    let numbers = |text: &str| -> Vec<u64> {
        let number =
            |word: &str| word.split_once("job-")?.1.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok();
        text.split_whitespace().filter_map(number).collect()
    };
    // Of as many jobs: a storm, which names each, and is one message to whoever looks at the channel.
    let rig = Rig::new().await;
    let alert = |n: u64| Message {
        job: Some(JobName::new(format!("job-{n}"))),
        event: Some(Event::Failure),
        incident: Some(n + 1),
        thread: Thread::Open,
        ..rig.message("ops", &format!("*job-{n}* critical: connection to db1 failed <!here>"))
    };
    let messages = (0..MANY).map(alert).collect();
    rig.store.record(Record { messages, ..Record::default() }).await.expect("memory is well");
    // Its thread takes as long as the rate says; what the channel shows is there at once.
    pass(60).await;
    let sent = rig.slack.sent();
    let visible: Vec<_> = sent.iter().filter(|sent| sent.parent.is_none() && sent.thread != Thread::Edit).collect();
    let named: std::collections::BTreeSet<u64> = visible.iter().flat_map(|sent| numbers(&sent.text)).collect();
    let heads: Vec<_> = visible.iter().map(|sent| sent.text.lines().next().unwrap_or_default()).collect();
    assert_eq!(named.len() as u64, MANY, "{heads:#?}");
    assert!(visible.len() <= 6, "{} messages in the channel: {heads:#?}", visible.len());
    // Of one job: digests, in order, each alert once.
    let rig = Rig::new().await;
    let messages = (0..MANY).map(|n| rig.message("ops", &format!("said job-{n}"))).collect();
    rig.store.record(Record { messages, ..Record::default() }).await.expect("memory is well");
    pass(120).await;
    let sent = rig.slack.sent();
    let told: Vec<u64> = sent.iter().flat_map(|sent| numbers(&sent.text)).collect();
    assert_eq!(told, (0..MANY).collect::<Vec<_>>(), "each once, in order");
    assert!(sent.len() <= 30, "{} messages", sent.len());
    assert_eq!(rig.waiting().await, 0);
}

#[tokio::test(start_paused = true)]
async fn alerts_of_a_long_outage_are_dead_letters_that_their_channel_is_told_of_once() {
    let rig = Rig::new().await;
    rig.slack.play(|_, at| if at < Duration::from_secs(30 * 3600) { passing() } else { ok() });
    for n in 0..12 {
        rig.say("ops", &format!("old{n}")).await;
    }
    rig.say("dev", "old").await;
    pass(29 * 3600).await;
    rig.say("ops", "young").await;
    assert_eq!(rig.dead().await.len(), 13);
    pass(2 * 3600).await;
    let taken: Vec<_> = rig.slack.sent().into_iter().filter(|sent| sent.taken).collect();
    let ops: Vec<_> = taken.iter().filter(|sent| sent.channel == "#ops").map(|sent| sent.text.as_str()).collect();
    assert!(ops[0].starts_with("*12 alerts that could not be delivered in time*: 12 critical\n"), "{}", ops[0]);
    assert_eq!((ops[0].lines().count(), ops.len(), taken.len()), (13, 2, 3));
    // Made at noon of the next day, and waiting since then.
    let young = "young\n:hourglass: delivered late: Slack could not be reached; made <!date^";
    assert!(ops[1].starts_with(young), "{}", ops[1]);
    let dead = rig.dead().await;
    assert_eq!(dead.len(), 13);
    assert!(
        dead.iter().all(|(_, state, why)| *state == MessageState::Dead && why.starts_with("not delivered within 1d")),
        "{dead:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_incident_is_one_thread_and_its_edits_are_merged() {
    let rig = Rig::new().await;
    rig.thread("open", 1, Thread::Open).await;
    pass(2).await;
    rig.thread("edit 1", 1, Thread::Edit).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    rig.thread("reply", 1, Thread::Reply).await;
    rig.thread("edit 2", 1, Thread::Edit).await;
    rig.thread("edit of nothing", 2, Thread::Edit).await;
    rig.thread("well again", 1, Thread::Broadcast).await;
    pass(10).await;
    assert_eq!(
        rig.slack.transcript(),
        [
            "0.001 #ops open",
            "2.001 #ops edit 1 [in 0]",
            "2.002 #ops reply [in 0]",
            "3.001 #ops edit 2 [in 0]",
            "3.002 #ops well again [in 0]"
        ]
    );
    pass(10).await;
    rig.slack.play(|_, _| passing());
    for n in 0..5 {
        rig.thread(&format!("edit {n}"), 1, Thread::Edit).await;
    }
    pass(1).await;
    rig.slack.play(|_, _| ok());
    pass(60).await;
    let last = rig.slack.transcript().pop().expect("there were some");
    assert!(last.ends_with("#ops edit 4 [in 0]"), "{last}");
    assert_eq!((rig.slack.sent().iter().filter(|sent| sent.taken).count(), rig.waiting().await), (6, 0));
}

#[tokio::test(start_paused = true)]
async fn a_thread_that_was_deleted_starts_anew() {
    let rig = Rig::new().await;
    rig.thread("open", 1, Thread::Open).await;
    pass(2).await;
    rig.slack.play(|delivery, _| match &delivery.parent {
        Some(parent) if parent.ts == "0" => lasting(Fault::Thread),
        _ => ok(),
    });
    rig.thread("reply", 1, Thread::Reply).await;
    pass(2).await;
    rig.thread("another", 1, Thread::Reply).await;
    pass(2).await;
    assert_eq!(
        rig.slack.transcript(),
        ["0.001 #ops open", "2.001 #ops (reply) [in 0]", "3.001 #ops reply", "4.001 #ops another [in 2]"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_sends_what_it_can_within_ten_seconds_and_the_rest_waits_for_the_next_start() {
    let mut rig = Rig::new().await;
    for n in 0..25 {
        rig.say("ops", &format!("m{n}")).await;
    }
    // The next one would go in the moment in which the ten seconds are over.
    assert_eq!(rig.stop().await, Duration::from_secs(9));
    assert_eq!((rig.slack.sent().len(), rig.waiting().await), (10, 15));
    rig.restart(None);
    pass(20).await;
    let sent = rig.slack.sent();
    assert_eq!(
        sent.iter().map(|sent| sent.text.clone()).collect::<Vec<_>>(),
        (0..25).map(|n| format!("m{n}")).collect::<Vec<_>>()
    );
    assert!(sent.windows(2).all(|pair| pair[1].at - pair[0].at >= Duration::from_secs(1)), "the rate holds across it");
    assert_eq!(rig.stop().await, Duration::ZERO, "nothing waits");
    rig.restart(None);
    rig.slack.play(|_, _| passing());
    rig.say("ops", "late").await;
    pass(200).await;
    assert_eq!(rig.stop().await, Duration::ZERO, "the next try would come after the stop");
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_ten_seconds_from_the_order_for_an_answer_and_at_once_two() {
    for (at_once, answer, sent, took) in [(false, 14, 2, 6), (false, 20, 1, 10), (true, 9, 1, 1), (true, 14, 1, 2)] {
        let mut rig = Rig::new().await;
        rig.slack.play(move |_, at| (Duration::from_secs(if at.as_secs() < 1 { answer } else { 0 }), ok().1));
        rig.say("ops", "slow").await;
        rig.say("ops", "behind").await;
        pass(8).await;
        if at_once {
            drop(rig.hurry.take());
        }
        let stopped = rig.stop().await.as_secs();
        assert_eq!((rig.slack.sent().len(), stopped), (sent, took), "{at_once} {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_while_it_is_on_its_way_counts_as_told_when_it_arrives() {
    for arrives in [true, false] {
        let mut rig = Rig::new().await;
        rig.slack.play(move |_, _| (Duration::from_secs(30), if arrives { ok().1 } else { passing().1 }));
        let id = rig.put(rig.alert(1, Event::Failure, Thread::Open, RunStatus::Critical, "full")).await;
        pass(1).await;
        rig.drop_message(id).await;
        pass(100).await;
        let results: Vec<_> = std::iter::from_fn(|| rig.reports.try_recv().ok()).map(|report| report.result).collect();
        let kinds: Vec<_> = results.iter().map(|result| format!("{result:?}")).collect();
        let begins = if arrives { "Delivered" } else { "Dropped" };
        assert!(kinds.len() == 1 && kinds[0].starts_with(begins), "{kinds:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_the_moment_after_a_message_keeps_the_rate() {
    let mut rig = Rig::new().await;
    rig.say("ops", "a").await;
    pass(0).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    rig.worker.abort();
    tokio::time::sleep(Duration::from_millis(100)).await;
    rig.restart(None);
    tokio::time::sleep(Duration::from_millis(100)).await;
    rig.say("ops", "b").await;
    pass(5).await;
    assert_eq!(rig.slack.transcript(), ["0.001 #ops a", "1.001 #ops b"]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_once_and_its_end_once_across_a_restart() {
    let mut rig = Rig::new().await;
    rig.slack.play(|_, at| if at < Duration::from_secs(3_600) { passing() } else { ok() });
    rig.say("ops", "a").await;
    pass(899).await;
    assert_eq!(rig.status.borrow().outage, None);
    pass(2).await;
    let outage = rig.status.borrow().outage.clone().expect("a quarter of an hour without a word taken");
    assert_eq!((outage.waiting, outage.why.as_str()), (1, "503"));
    assert_eq!(outage.since, "2026-11-23T07:00:00.001Z".parse::<Timestamp>().expect("a time"));
    rig.worker.abort();
    let notes = rig.store.load().await.expect("memory is well").notes;
    let noted = Outage::from_note(notes.get(slack_alert::outbox::outage::NOTE));
    assert_eq!(noted.as_ref(), Some(&outage));
    rig.restart(noted);
    pass(2_000).await;
    assert_eq!(rig.status.borrow().outage.as_ref(), Some(&outage), "not another one");
    pass(2_000).await;
    assert_eq!(rig.status.borrow().outage, None);
    assert!(rig.store.load().await.expect("memory is well").notes.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_new_rate_takes_effect() {
    let rig = Rig::new().await;
    for n in 0..6 {
        rig.say("ops", &format!("m{n}")).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    rig.settings.send_modify(|settings| settings.rate = parse_rate("1/5s").expect("a rate"));
    pass(60).await;
    let times: Vec<_> = rig.slack.sent().iter().map(|sent| sent.at.as_secs()).collect();
    assert_eq!(times, [0, 1, 6, 11, 16, 21]);
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_is_set_neither_loses_an_alert_nor_holds_one_up() {
    let rig = Rig::new().await;
    rig.slack.play(|_, at| if at < Duration::from_secs(100) { passing() } else { ok() });
    rig.say("ops", "a").await;
    pass(10).await;
    rig.clock.step(SignedDuration::from_hours(-72));
    rig.say("ops", "b").await;
    pass(300).await;
    let taken: Vec<_> = rig.slack.sent().iter().filter(|sent| sent.taken).map(|sent| sent.text.clone()).collect();
    assert_eq!(taken, ["a", "b"]);
    rig.slack.play(|_, at| if at < Duration::from_secs(500) { passing() } else { ok() });
    rig.say("ops", "c").await;
    rig.clock.step(SignedDuration::from_hours(24 * 365));
    pass(600).await;
    let last = rig.slack.sent().last().map(|sent| (sent.taken, sent.text.clone())).expect("there were some");
    assert!(
        last.0 && last.1.starts_with("*1 alert that could not be delivered in time*") && last.1.ends_with(" c"),
        "{last:?}"
    );
    assert_eq!(rig.dead().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_outbox_does_not_spin() {
    let rig = Rig::new().await;
    rig.slack.play(|_, _| lasting(Fault::Credentials));
    rig.say("ops", "a").await;
    // Paused time runs ahead only while everything sleeps: a loop that spins would never get here.
    pass(86_400).await;
    assert!(rig.slack.sent().len() <= 289, "{}", rig.slack.sent().len());
}
