//! The store driven in place: what is kept, what is given back, and what happens when the disk says no.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::Timestamp;

use super::core::Core;
use super::*;
use crate::exec::{Captured, Ending, Reason, Status, Trigger};
use crate::message::{Attachment, Message, Route, Thread};
use crate::notify::Parent;
use crate::policy::{Decision, Dropped, Event, Suppressed};

const T0: Timestamp = Timestamp::UNIX_EPOCH;

fn at(seconds: u64) -> Timestamp {
    crate::clock::shift(T0, Duration::from_secs(seconds))
}

/// A store that is driven in place is done when it is asked.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("a store that is driven in place never waits"),
    }
}

/// One step of the clearing away.
async fn clear_away(store: &Store) -> Result<bool, StoreError> {
    store.call(|core| core.clear_away(core.unclocked())).await
}

fn memory() -> Store {
    Store::memory(T0).expect("memory is there")
}

fn message(channel: &str, text: &str) -> Message {
    Message {
        job: Some(JobName::new("disk")),
        run: Some(RunId(1)),
        event: None,
        status: Status::Critical,
        channel: Channel::new(channel),
        text: text.to_owned(),
        blocks: vec![serde_json::json!({"type": "divider"})],
        color: Some("danger".into()),
        incident: None,
        thread: Thread::None,
        attachment: None,
        created: T0,
        route: Route::default(),
    }
}

fn threaded(channel: &str, text: &str, incident: u64, thread: Thread) -> Message {
    Message { incident: Some(incident), thread, ..message(channel, text) }
}

fn running(id: u64, job: &str) -> RunningRow {
    RunningRow {
        id: RunId(id),
        job: JobName::new(job),
        number: id,
        trigger: Trigger::CatchUp,
        scheduled: at(id),
        started: at(id + 1),
        process: None,
    }
}

fn over(id: u64, job: &str, status: Status) -> RunRow {
    RunRow {
        finished: at(id + 3),
        took: Duration::from_micros(1_234_567),
        attempts: 2,
        status,
        reason: Reason::Timeout,
        ending: Ending::TimedOut { after: Duration::from_secs(2), killed: true },
        decision: Decision::Suppressed(Suppressed::RepeatNotDue, Some(at(99))),
        ..RunRow::interrupted(&running(id, job), at(id + 3))
    }
}

fn put(store: &Store, messages: Vec<Message>) -> Recorded {
    now(store.record(Record { messages, ..Record::default() })).expect("it is taken")
}

/// A channel's oldest messages, long after everything.
fn rows(store: &Store, channel: &str, class: Class, limit: usize) -> Vec<Stored> {
    now(store.heads(Channel::new(channel), class, limit, Vec::new(), Timestamp::MAX)).expect("it can be read").rows
}

fn heads(store: &Store, channel: &str, class: Class) -> Vec<String> {
    rows(store, channel, class, 100).into_iter().map(|stored| stored.message.text).collect()
}

fn depth(store: &Store, channel: &str) -> (u64, u64, u64) {
    let count = |anew| {
        let depths = now(store.depths(anew)).expect("it can be read");
        let found = depths.into_iter().find(|(name, _)| *name == Channel::new(channel));
        found.map_or((0, 0, 0), |(_, Depth { alerts, edits, late, .. })| (alerts, edits, late))
    };
    let (kept, counted) = (count(false), count(true));
    assert_eq!(kept, counted, "the counts that are kept are those of the database");
    counted
}

/// `#ops` takes the first message of incident 7.
fn begin_thread(store: &Store, ids: Vec<MessageId>, parent: Parent, first: Option<Box<Message>>) {
    now(store.settle(Settlement {
        ids,
        channel: Channel::new("ops"),
        class: Class::Alert,
        disposition: Disposition::Delivered,
        thread: ThreadChange::Set(7, parent),
        first,
        follow: Vec::new(),
        note: None,
        at: T0,
    }))
    .expect("it is taken");
}

fn settle(store: &Store, ids: &[MessageId], channel: &str, class: Class, disposition: Disposition) {
    let (channel, thread) = (Channel::new(channel), ThreadChange::Keep);
    now(store.settle(Settlement {
        ids: ids.to_vec(),
        channel,
        class,
        disposition,
        thread,
        first: None,
        follow: Vec::new(),
        note: None,
        at: at(7),
    }))
    .expect("it is taken");
}

fn with_core<T>(store: &Store, work: impl FnOnce(&mut Core) -> T) -> T {
    match &store.shared.driver {
        Driver::Inline(state) => work(&mut lock(state).0),
        Driver::Thread(_) => panic!("driven in place"),
    }
}

/// The disk is full from here on, or is not.
fn fill(store: &Store, full: bool) {
    with_core(store, |core| {
        let db = core.db().expect("it is open");
        let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0)).expect("it is open");
        let most = if full { pages } else { 1_000_000 };
        db.pragma_update_and_check(None, "max_page_count", most, |_| Ok(())).expect("it is open");
    });
}

#[test]
fn a_message_comes_back_as_it_was_its_file_only_when_it_is_alone() {
    let store = memory();
    let file = Some(Attachment { name: "out.txt".into(), content: "all of it".into() });
    let first = Message { attachment: file, ..message("ops", "first") };
    let recorded = put(&store, vec![first.clone(), message("dev", "other"), message("ops", "second")]);
    assert_eq!(recorded, Recorded { ids: vec![MessageId(1), MessageId(2), MessageId(3)], durable: true });
    let alone = rows(&store, "ops", Class::Alert, 1);
    assert_eq!(alone.iter().map(|stored| &stored.message).collect::<Vec<_>>(), [&first]);
    let both = rows(&store, "ops", Class::Alert, 9);
    assert_eq!((both.len(), both[0].message.attachment.clone(), both[1].id), (2, None, MessageId(3)));
    assert_eq!((depth(&store, "ops"), depth(&store, "dev")), ((2, 0, 0), (1, 0, 0)));
}

#[test]
fn what_comes_of_a_message_is_seen_in_the_counts_and_in_the_list() {
    let store = memory();
    let ids = put(&store, (0..5).map(|n| message("ops", &format!("m{n}"))).collect()).ids;
    settle(&store, &ids[..1], "ops", Class::Alert, Disposition::Delivered);
    settle(
        &store,
        &ids[1..2],
        "ops",
        Class::Alert,
        Disposition::Retry { why: "503".into(), progress: Progress::default() },
    );
    settle(
        &store,
        &ids[2..3],
        "ops",
        Class::Alert,
        Disposition::Dead { why: "channel_not_found".into(), forwarded: false },
    );
    settle(&store, &ids[3..4], "ops", Class::Alert, Disposition::Superseded);
    assert_eq!((heads(&store, "ops", Class::Alert), depth(&store, "ops")), (vec!["m1".into(), "m4".into()], (2, 0, 0)));
    let all = now(store.outbox_list(OutboxFilter::default())).expect("it can be read");
    let told: Vec<_> = all.iter().map(|s| (s.id.0, s.state, s.attempts, s.why.as_deref())).collect();
    assert_eq!(
        told,
        [
            (2, MessageState::Waiting, 1, Some("503")),
            (3, MessageState::Dead, 1, Some("channel_not_found")),
            (5, MessageState::Waiting, 0, None)
        ]
    );
    let dead = OutboxFilter { dead: true, ..OutboxFilter::default() };
    assert_eq!(now(store.outbox_list(dead.clone())).expect("it can be read").len(), 1);
    assert_eq!(now(store.outbox_retry(vec![MessageId(3), MessageId(99)], at(50))), Ok(vec![MessageId(3)]));
    assert_eq!(heads(&store, "ops", Class::Alert), ["m1", "m2", "m4"], "it takes its old place");
    now(store.outbox_retry(vec![MessageId(2)], at(50))).expect("it is taken");
    let all = now(store.outbox_list(OutboxFilter::default())).expect("it can be read");
    let told: Vec<_> = all.iter().map(|s| (s.id.0, s.attempts, s.queued)).collect();
    assert_eq!(told, [(2, 1, T0), (3, 0, at(50)), (5, 0, T0)], "only one that was given up begins anew");
    let dropped = Dropped { by: "dana".into(), at: at(50) };
    assert_eq!(now(store.outbox_drop(vec![MessageId(2)], dropped.clone())), Ok(vec![MessageId(2)]));
    assert_eq!(now(store.outbox_drop(vec![MessageId(2)], dropped)), Ok(Vec::new()), "once is enough");
    assert_eq!(now(store.outbox_retry(vec![MessageId(2)], at(50))), Ok(Vec::new()), "it is gone");
    assert_eq!(depth(&store, "ops"), (2, 0, 0));
    let page = OutboxFilter { after: Some(MessageId(3)), limit: 1, ..OutboxFilter::default() };
    assert_eq!(now(store.outbox_list(page)).expect("it can be read")[0].id, MessageId(5));
}

#[test]
fn an_alert_that_is_too_old_is_late_then_told_then_dead_and_edits_do_not_age() {
    let store = memory();
    put(&store, vec![message("ops", "old"), threaded("ops", "edit", 1, Thread::Edit)]);
    put(&store, vec![Message { created: at(100), ..message("ops", "young") }]);
    let look = |cutoff| now(store.poll(at(cutoff), "too old".into())).expect("the store is open");
    let oldest = || rows(&store, "ops", Class::Alert, 1)[0].queued;
    let none_is = look(0);
    assert_eq!((none_is.expired, oldest(), none_is.dead_letters), (Ok(0), T0, false));
    let one_is = look(50);
    assert_eq!((one_is.expired, depth(&store, "ops"), oldest()), (Ok(1), (1, 1, 1), at(100)));
    assert_eq!(heads(&store, "ops", Class::Late), ["old"]);
    settle(&store, &[MessageId(1)], "ops", Class::Late, Disposition::Announced { told: true });
    assert_eq!(depth(&store, "ops"), (1, 1, 0));
    let dead = now(store.outbox_list(OutboxFilter { dead: true, ..OutboxFilter::default() })).expect("it can be read");
    assert_eq!((dead.len(), dead[0].why.as_deref()), (1, Some("too old")));
    assert!(dead[0].progress.announced, "its channel was told of it");
    assert!(look(50).dead_letters);
    now(store.outbox_retry(vec![MessageId(1)], at(100))).expect("it is taken");
    let again = look(50);
    assert_eq!((again.expired, again.dead_letters), (Ok(0), false), "a retry by hand begins anew");
}

#[test]
fn a_thread_is_remembered_forgotten_and_only_the_last_edit_counts() {
    let store = memory();
    let ids = put(&store, vec![threaded("ops", "open", 7, Thread::Open)]).ids;
    let parent = Parent { channel: "C1".into(), ts: "1.2".into() };
    let first = Some(Box::new(threaded("ops", "open", 7, Thread::Open)));
    begin_thread(&store, ids, parent.clone(), first.clone());
    put(
        &store,
        vec![
            threaded("ops", "edit 1", 7, Thread::Edit),
            threaded("ops", "reply", 7, Thread::Reply),
            threaded("ops", "edit 2", 7, Thread::Edit),
            threaded("dev", "elsewhere", 7, Thread::Reply),
        ],
    );
    let all = rows(&store, "ops", Class::Edit, 9);
    let seen: Vec<_> = all.iter().map(|s| (s.message.text.as_str(), s.parent.is_some(), s.superseded)).collect();
    assert_eq!(seen, [("edit 1", true, true), ("edit 2", true, false)]);
    assert_eq!(rows(&store, "ops", Class::Alert, 9)[0].parent.as_ref(), Some(&parent));
    assert_eq!(all[0].first, first, "an edit knows what it changes");
    assert_eq!(rows(&store, "ops", Class::Alert, 9)[0].first, None, "a reply changes nothing");
    assert_eq!(all[0].parent.as_ref(), Some(&parent));
    assert_eq!(rows(&store, "dev", Class::Alert, 9)[0].parent, None);
    let (channel, disposition, thread) = (Channel::new("ops"), Disposition::Superseded, ThreadChange::Forget(7));
    let ids = vec![all[0].id];
    now(store.settle(Settlement {
        ids,
        channel,
        class: Class::Edit,
        disposition,
        thread,
        first: None,
        follow: Vec::new(),
        note: None,
        at: T0,
    }))
    .expect("it is taken");
    assert_eq!(rows(&store, "ops", Class::Alert, 1)[0].parent, None);
    assert_eq!(depth(&store, "ops"), (1, 1, 0));
}

#[test]
fn a_changed_channel_takes_effect_for_what_waits() {
    let store = memory();
    let other = Message { job: Some(JobName::new("other")), ..message("ops", "theirs") };
    put(&store, vec![message("ops", "ours"), other]);
    now(store.redirect(Some(JobName::new("disk")), Channel::new("ops"), Channel::new("new"))).expect("it is taken");
    assert_eq!(
        (heads(&store, "new", Class::Alert), heads(&store, "ops", Class::Alert)),
        (vec!["ours".to_owned()], vec!["theirs".to_owned()])
    );
    assert_eq!(rows(&store, "new", Class::Alert, 1)[0].message.channel, Channel::new("new"));
}

#[test]
fn what_belongs_to_an_incident_that_was_told_in_a_channel_stays_there() {
    let store = memory();
    let ids = put(&store, vec![threaded("ops", "open", 7, Thread::Open)]).ids;
    begin_thread(&store, ids, Parent { channel: "C1".into(), ts: "1.2".into() }, None);
    put(
        &store,
        vec![threaded("ops", "no longer watched", 7, Thread::Edit), threaded("ops", "begins", 8, Thread::Open)],
    );
    now(store.redirect(None, Channel::new("ops"), Channel::new("new"))).expect("it is taken");
    assert_eq!(rows(&store, "ops", Class::Edit, 9)[0].message.text, "no longer watched");
    assert_eq!(heads(&store, "new", Class::Alert), ["begins"]);
}

#[test]
fn history_comes_back_as_it_was_newest_first_and_by_filter() {
    let store = memory();
    for id in 1..=300 {
        let (job, status) = if id % 3 == 0 { ("db/backup", Status::Critical) } else { ("disk", Status::Ok) };
        store.begin(running(id, job));
        store.keep(Some(over(id, job, status)), None);
    }
    let output = Captured { head: b"a\xff".to_vec(), tail: b"z".to_vec(), dropped: 9 };
    let last = RunRow { stdout: output, ..over(301, "disk", Status::Warning) };
    now(store.record(Record { run: Some(last.clone()), ..Record::default() })).expect("it is taken");
    assert_eq!(now(store.run(RunId(301))), Ok(Some(last)));
    assert_eq!(now(store.run(RunId(302))), Ok(None));
    let ids = |filter| -> Vec<u64> {
        now(store.history(filter)).expect("it can be read").into_iter().map(|row| row.id.0).collect()
    };
    let all = HistoryFilter { limit: 3, ..HistoryFilter::default() };
    assert_eq!(ids(all.clone()), [301, 300, 299]);
    assert_eq!(ids(HistoryFilter { before: Some(RunId(299)), ..all.clone() }), [298, 297, 296]);
    assert_eq!(ids(HistoryFilter { job: Some(JobName::new("db/backup")), ..all.clone() }), [300, 297, 294]);
    assert_eq!(ids(HistoryFilter { job: Some(JobName::new("none")), ..all.clone() }), [0_u64; 0]);
    assert_eq!(ids(HistoryFilter { failed: true, ..all.clone() }), [301, 300, 297]);
    assert_eq!(ids(HistoryFilter { since: Some(at(303)), ..all.clone() }), [301, 300]);
    assert_eq!(ids(HistoryFilter { until: Some(at(10)), ..all }), [9, 8, 7]);
    assert_eq!(ids(HistoryFilter::default()).len(), 100);
}

#[test]
fn a_run_is_told_of_afterwards_by_a_message_that_it_did_not_cause() {
    let store = memory();
    let suppressed = Decision::Suppressed(Suppressed::Silenced, None);
    for id in [7, 8, 9] {
        store.keep(Some(RunRow { decision: suppressed, ..over(id, "disk", Status::Critical) }), None);
    }
    let says = |run: u64, event, created| Message {
        run: Some(RunId(run)),
        event: Some(event),
        created,
        ..message("ops", "the silence ended")
    };
    let record = |run, message| Record { run, messages: vec![message], ..Record::default() };
    // The run had said something itself, while it went on.
    now(store.record(record(None, says(8, Event::Stuck, at(9))))).expect("it is taken");
    for told in [says(7, Event::Recovery, at(60)), says(8, Event::Repeat, at(60)), says(99, Event::Repeat, at(60))] {
        now(store.record(record(None, told))).expect("it is taken");
    }
    let asked = [7, 8, 9, 99].map(|id| Untold { run: RunId(id), ended: at(id + 3), waits: None }).to_vec();
    let told = now(store.told_later(asked)).expect("it can be read");
    assert_eq!(told, std::collections::HashMap::from([(RunId(7), (at(60), Event::Recovery))]));
    let first = now(store.run_message(RunId(8))).expect("it can be read").expect("it is kept");
    assert_eq!(first.event, Some(Event::Stuck), "what it said first stays");
}

#[test]
fn each_run_of_a_night_is_told_of_by_the_message_at_the_end_of_its_quiet_hours() {
    let store = memory();
    for id in [7, 8, 9, 20] {
        store.keep(Some(over(id, "disk", Status::Critical)), None);
    }
    store.keep(Some(over(10, "other", Status::Critical)), None);
    let told =
        Message { run: Some(RunId(9)), event: Some(Event::Failure), created: at(15), ..message("ops", "at night") };
    now(store.record(Record { run: None, messages: vec![told], ..Record::default() })).expect("it is taken");
    let untold = |id: u64, job: &str, until| {
        let waits = Some((JobName::new(job), at(until)));
        Untold { run: RunId(id), ended: over(id, job, Status::Critical).finished, waits }
    };
    let asked = vec![untold(7, "disk", 15), untold(8, "disk", 15), untold(9, "disk", 15), untold(10, "other", 15)];
    let told = now(store.told_later(asked)).expect("it can be read");
    assert_eq!(told, [7, 8, 9].map(|id| (RunId(id), (at(15), Event::Failure))).into());
    // The end of another night is another message.
    let told = now(store.told_later(vec![untold(20, "disk", 40)])).expect("it can be read");
    assert_eq!(told, std::collections::HashMap::new());
}

#[test]
fn a_message_number_is_never_used_twice_even_where_the_count_of_numbers_is_lost() {
    let store = memory();
    put(&store, vec![message("ops", "one"), message("ops", "two")]);
    with_core(&store, |core| {
        let db = core.db().expect("it is open");
        db.execute("DELETE FROM sqlite_sequence", ()).expect("it may be written");
        assert_eq!(mail::next_id(db), Ok(3));
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('message', 1)", ()).expect("it may be written");
        assert_eq!(mail::next_id(db), Ok(3), "a count that is behind is no better");
    });
}

#[test]
fn job_state_and_notes_come_back() {
    let store = memory();
    let (job, state) = (JobName::new("disk"), |n: u64| JobState::new(&n, &[n, n]).expect("numbers are JSON"));
    for n in 0..5 {
        store.keep(None, Some((job.clone(), state(n))));
    }
    store.keep(Some(over(1, "only history", Status::Ok)), None);
    now(store.remember("outage", Some("x".into()))).expect("it is taken");
    let loaded = now(store.load()).expect("it can be read");
    assert_eq!((loaded.jobs.len(), &loaded.jobs[&job]), (1, &state(4)));
    assert_eq!((loaded.notes.len(), loaded.notes["outage"].as_str(), loaded.next_run), (1, "x", 2));
    now(store.remember("outage", None)).expect("it is taken");
    assert!(now(store.load()).expect("it can be read").notes.is_empty());
}

#[test]
fn a_full_disk_loses_no_alert_stops_none_and_repeats_none() {
    let store = memory();
    let ids = put(&store, vec![message("ops", "on disk"), message("ops", "on disk too")]).ids;
    let trouble = store.trouble();
    fill(&store, true);
    let big = "x".repeat(10_000);
    let held = put(&store, vec![message("ops", &big), message("ops", "small"), message("dev", &big)]);
    assert!(!held.durable);
    let told = trouble.borrow().clone();
    assert_eq!(told.failing.as_ref().map(ToString::to_string).as_deref(), Some("the disk is full"));
    assert_eq!((told.unsaved, depth(&store, "ops"), depth(&store, "dev")), (3, (4, 0, 0), (1, 0, 0)));
    assert_eq!(heads(&store, "ops", Class::Alert), ["on disk", "on disk too", &big, "small"]);
    // What is on disk, and what is not, is settled all the same, and not seen again.
    settle(&store, &ids[..1], "ops", Class::Alert, Disposition::Delivered);
    settle(&store, &held.ids[..1], "ops", Class::Alert, Disposition::Delivered);
    assert_eq!(
        (heads(&store, "ops", Class::Alert), depth(&store, "ops")),
        (vec!["on disk too".to_owned(), "small".to_owned()], (2, 0, 0))
    );
    // Who asks hears of what waits, and not of what was delivered.
    let counts = now(store.outbox_counts()).expect("it can be read");
    assert_eq!((counts.waiting, counts.dead), (3, 0));
    for (newest_first, expected) in
        [(false, ["on disk too", "small", &big]), (true, [big.as_str(), "small", "on disk too"])]
    {
        let filter = OutboxFilter { newest_first, ..OutboxFilter::default() };
        let waiting = now(store.outbox_list(filter)).expect("it can be read");
        assert_eq!(waiting.iter().map(|stored| stored.message.text.as_str()).collect::<Vec<_>>(), expected);
    }
    let run =
        RunRow { stdout: Captured { head: vec![b'x'; 9_000], ..Captured::default() }, ..over(5, "disk", Status::Ok) };
    store.keep(Some(run), Some((JobName::new("disk"), JobState::default())));
    assert!(now(store.flush()).is_err());
    // Who asks for a run that has ended is told so.
    assert_eq!(now(store.run(RunId(5))).expect("it can be read").map(|run| run.stdout.head.len()), Some(9_000));
    let listed =
        |filter| now(store.history(filter)).expect("it can be read").iter().map(|run| run.id.0).collect::<Vec<_>>();
    assert_eq!(listed(HistoryFilter { job: Some(JobName::new("disk")), ..HistoryFilter::default() }), [5]);
    for filter in [
        HistoryFilter { job: Some(JobName::new("other")), ..HistoryFilter::default() },
        HistoryFilter { before: Some(RunId(5)), ..HistoryFilter::default() },
        HistoryFilter { status: Some(Status::Critical), ..HistoryFilter::default() },
        HistoryFilter { failed: true, ..HistoryFilter::default() },
    ] {
        assert_eq!(listed(filter.clone()), [0; 0], "{filter:?}");
    }
    fill(&store, false);
    assert_eq!(now(store.flush()), Ok(()));
    assert_eq!(*trouble.borrow(), Trouble::default());
    let on_disk = now(store.outbox_list(OutboxFilter::default())).expect("it can be read");
    let texts: Vec<_> = on_disk.iter().map(|stored| stored.message.text.as_str()).collect();
    assert_eq!(texts, ["on disk too", "small", &big], "nothing lost, nothing back from the dead");
    assert_eq!(now(store.run(RunId(5))).expect("it can be read").map(|run| run.stdout.head.len()), Some(9_000));
    assert_eq!(listed(HistoryFilter::default()), [5]);
    assert_eq!(put(&store, vec![message("ops", "well again")]), Recorded { ids: vec![MessageId(6)], durable: true });
}

const ROOT: (&str, &str) = ("C1", "1.2");

fn root() -> Parent {
    Parent { channel: ROOT.0.into(), ts: ROOT.1.into() }
}

/// The channel took it as the first of its incident.
fn take_as_first(store: &Store, ids: &[MessageId], said: &Message) {
    now(store.settle(Settlement {
        ids: ids.to_vec(),
        channel: said.channel.clone(),
        class: Class::Alert,
        disposition: Disposition::Delivered,
        thread: ThreadChange::Set(said.incident.expect("it is of one"), root()),
        first: Some(Box::new(said.clone())),
        follow: Vec::new(),
        note: None,
        at: at(5),
    }))
    .expect("it is taken");
}

/// Nothing can be written from here on: something that is too large waits in memory.
fn fill_for_good(store: &Store) {
    fill(store, true);
    assert!(!put(store, vec![message("elsewhere", &"x".repeat(10_000))]).durable);
}

#[test]
fn whether_the_disk_is_full_or_not_what_follows_goes_to_the_first_message_of_its_incident() {
    // From which step on nothing can be written: before the first message, before it is taken, before what follows, never.
    for full_from in 0..=3 {
        let store = memory();
        let fill_at = |step| {
            if step == full_from {
                fill_for_good(&store);
            }
        };
        fill_at(0);
        let said = threaded("ops", "first", 7, Thread::Open);
        let ids = put(&store, vec![said.clone(), threaded("ops", "an edit", 7, Thread::Edit)]).ids;
        assert_eq!(heads(&store, "ops", Class::Edit), [""; 0], "{full_from}: it waits for the message that it changes");
        fill_at(1);
        take_as_first(&store, &ids[..1], &said);
        fill_at(2);
        let follows = [
            threaded("ops", "again", 7, Thread::Reply),
            threaded("ops", "resolved", 7, Thread::Edit),
            threaded("ops", "well again", 7, Thread::Broadcast),
        ];
        put(&store, follows.to_vec());
        for is_settled in [false, true] {
            let replies = rows(&store, "ops", Class::Alert, 9);
            let parents: Vec<_> = replies.iter().map(|row| (row.message.text.as_str(), row.parent.clone())).collect();
            let all = [("again", Some(root())), ("well again", Some(root()))];
            assert_eq!(parents, all[usize::from(is_settled)..], "{full_from}");
            let edits = rows(&store, "ops", Class::Edit, 9);
            let seen: Vec<_> = edits.iter().map(|row| (row.message.text.as_str(), row.superseded)).collect();
            assert_eq!(seen, [("an edit", true), ("resolved", false)], "{full_from}");
            for row in &edits {
                assert_eq!((&row.parent, &row.first), (&Some(root()), &Some(Box::new(said.clone()))), "{full_from}");
            }
            if !is_settled {
                settle(&store, &[replies[0].id], "ops", Class::Alert, Disposition::Delivered);
            }
        }
        let threads = now(store.threads(vec![7])).expect("it can be read");
        assert_eq!(threads[&7], [(Channel::new("ops"), root())], "{full_from}");
        fill(&store, false);
        assert_eq!(now(store.flush()), Ok(()));
        let rest = rows(&store, "ops", Class::Alert, 9);
        assert_eq!((rest.len(), &rest[0].parent), (1, &Some(root())), "{full_from}: the disk says the same");
        assert_eq!(rows(&store, "ops", Class::Edit, 9)[1].first, Some(Box::new(said)), "{full_from}");
    }
}

#[test]
fn whether_the_disk_is_full_or_not_a_refused_first_message_goes_with_the_next_and_holds_the_end_back() {
    for full_from in [0, 1, 3] {
        let store = memory();
        let fill_at = |step| {
            if step == full_from {
                fill_for_good(&store);
            }
        };
        let failure = |text| Message { event: Some(Event::Failure), ..threaded("ops", text, 7, Thread::Open) };
        let end = Message { event: Some(Event::Recovery), ..threaded("ops", "well again", 7, Thread::Broadcast) };
        fill_at(0);
        let ids = put(&store, vec![failure("first")]).ids;
        fill_at(1);
        let progress = Progress { refusals: 1, not_before: Some(at(1_000)), ..Progress::default() };
        settle(&store, &ids, "ops", Class::Alert, Disposition::Retry { why: "is_archived".into(), progress });
        fill_at(2);
        put(&store, vec![end]);
        let soon = now(store.heads(Channel::new("ops"), Class::Alert, 9, Vec::new(), at(10))).expect("it can be read");
        assert_eq!(soon, Heads { rows: Vec::new(), later: Some(at(1_000)) }, "{full_from}: it comes behind that");
        put(&store, vec![failure("it fails again")]);
        let soon = now(store.heads(Channel::new("ops"), Class::Alert, 9, Vec::new(), at(10))).expect("it can be read");
        let seen: Vec<_> = soon.rows.iter().map(|row| (row.message.text.as_str(), row.superseded)).collect();
        assert_eq!(seen, [("first", true), ("it fails again", false)], "{full_from}");
    }
}

#[test]
fn whether_the_disk_is_full_or_not_an_edit_that_waits_by_itself_is_not_overtaken_by_the_next_one() {
    for full_from in [0, 1, 3] {
        let store = memory();
        let fill_at = |step| {
            if step == full_from {
                fill_for_good(&store);
            }
        };
        fill_at(0);
        let said = threaded("ops", "first", 7, Thread::Open);
        let ids = put(&store, vec![said.clone(), threaded("ops", "worse", 7, Thread::Edit)]).ids;
        take_as_first(&store, &ids[..1], &said);
        fill_at(1);
        let progress = Progress { refusals: 1, not_before: Some(at(1_000)), ..Progress::default() };
        settle(&store, &ids[1..], "ops", Class::Edit, Disposition::Retry { why: "is_archived".into(), progress });
        let edits =
            || now(store.heads(Channel::new("ops"), Class::Edit, 9, Vec::new(), at(10))).expect("it can be read");
        assert_eq!(edits(), Heads { rows: Vec::new(), later: Some(at(1_000)) }, "{full_from}");
        fill_at(2);
        put(&store, vec![threaded("ops", "resolved", 7, Thread::Edit)]);
        let rows = edits().rows;
        let seen: Vec<_> = rows.iter().map(|row| (row.message.text.as_str(), row.superseded)).collect();
        assert_eq!(seen, [("worse", true), ("resolved", false)], "{full_from}");
    }
}

#[test]
fn what_is_remembered_while_the_disk_is_full_is_on_it_afterwards_unless_something_newer_is() {
    for newer in [None, Some("newer")] {
        let store = memory();
        let ids = put(&store, vec![message("ops", "one")]).ids;
        fill_for_good(&store);
        now(store.settle(Settlement {
            ids,
            channel: Channel::new("ops"),
            class: Class::Alert,
            disposition: Disposition::Delivered,
            thread: ThreadChange::Keep,
            first: None,
            follow: Vec::new(),
            note: Some(("storms", "one of them".into())),
            at: T0,
        }))
        .expect("it is taken");
        if let Some(newer) = newer {
            now(store.remember("storms", Some(newer.into()))).expect("a small row fits");
        }
        fill(&store, false);
        assert_eq!(now(store.flush()), Ok(()));
        let noted = now(store.load()).expect("it can be read").notes.remove("storms");
        assert_eq!(noted.as_deref(), Some(newer.unwrap_or("one of them")));
    }
}

#[test]
fn a_disk_that_stays_full_refuses_alerts_only_when_memory_is_full_too() {
    let store = memory();
    fill(&store, true);
    let many: Vec<Message> = (0..5_000).map(|_| message("ops", &"x".repeat(3_000))).collect();
    for _ in 0..2 {
        assert!(!put(&store, many.clone()).durable);
    }
    let one = Record { messages: vec![message("ops", &"x".repeat(3_000))], ..Record::default() };
    assert_eq!(now(store.record(one)), Err(StoreError::Full));
    fill(&store, false);
    assert_eq!((now(store.flush()), depth(&store, "ops")), (Ok(()), (10_000, 0, 0)));
}

#[test]
fn history_goes_by_age_and_by_size_in_small_steps_and_gives_its_room_back() {
    let store = memory();
    let output = Captured { head: vec![b'x'; 4_000], ..Captured::default() };
    for id in 1..=2_000 {
        store.keep(Some(RunRow { stdout: output.clone(), ..over(id, "disk", Status::Ok) }), None);
    }
    let count = || {
        let all = HistoryFilter { limit: 9_999, ..HistoryFilter::default() };
        now(store.history(all)).expect("it can be read").len()
    };
    let pages = || {
        with_core(&store, |core| {
            core.db().expect("open").pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0)).expect("open")
        })
    };
    assert_eq!(now(clear_away(&store)), Ok(false), "all is young and there is room");
    store.keep_history(Duration::from_secs(500));
    assert_eq!((now(clear_away(&store)), count()), (Ok(true), 1_800));
    while now(clear_away(&store)) == Ok(true) {}
    assert_eq!(count(), 501);
    store.keep_bytes(1 << 20);
    let before = pages();
    while now(clear_away(&store)) == Ok(true) {}
    assert!(count() < 300 && count() > 0, "{}", count());
    assert!(pages() < before && pages() * 4096 < 2 << 20, "{} of {before}", pages());
    assert_eq!(now(store.run(RunId(2_000))).expect("it can be read").map(|run| run.id), Some(RunId(2_000)));
}

#[test]
fn run_numbers_are_set_apart_before_they_are_used() {
    let store = memory();
    let noted = || {
        with_core(&store, |core| {
            runs::notes(core.db().expect("open")).expect("it can be read")["next_run"].parse::<u64>().expect("a number")
        })
    };
    assert_eq!(now(store.load()).expect("it can be read").next_run, 1);
    for id in 1..=5_000 {
        store.keep(Some(over(id, "disk", Status::Ok)), None);
        if id % 128 == 0 {
            assert!(noted() > id, "{id}: a crash now would use a number twice");
        }
    }
}

#[test]
fn a_times_runs_are_counted_step_by_step_by_job() {
    let store = memory();
    for id in 1..=30 {
        let status = if id % 3 == 0 { Status::Critical } else { Status::Ok };
        let decision = match id {
            _ if id % 6 == 0 => Decision::Notified(Event::Failure),
            _ if id % 3 == 0 => Decision::Suppressed(Suppressed::RateLimited, None),
            10 => Decision::NotRun,
            _ => Decision::Suppressed(Suppressed::Blank, None),
        };
        let row = over(id, if id % 2 == 0 { "even" } else { "odd" }, status);
        store.keep(Some(RunRow { decision, took: Duration::from_secs(id), ..row }), None);
    }
    now(store.flush()).expect("it is written");
    // Ends are at id + 3: runs 7 to 24 ended in that time.
    let all = now(store.tally(None, at(9), at(27))).expect("it can be counted");
    assert_eq!(all.next, None);
    let told = |job: &crate::message::summary::JobReport| {
        (job.job.to_string(), job.runs, job.failures, job.longest.as_secs(), job.held, job.told)
    };
    let mut jobs: Vec<_> = all.jobs.iter().map(told).collect();
    jobs.sort();
    assert_eq!(jobs, [("even".into(), 8, 3, 24, 0, 3), ("odd".into(), 9, 3, 23, 3, 0)]);
    let (mut below, mut runs, mut steps) = (None, 0, 0);
    loop {
        let step =
            with_core(&store, |core| core.read(|db| runs::tally(db, below, (at(9), at(27)), 4)).expect("counted"));
        runs += step.jobs.iter().map(|job| job.runs).sum::<u64>();
        steps += 1;
        below = step.next;
        if below.is_none() {
            break;
        }
    }
    assert!((runs, steps) == (17, 7), "{runs} runs in {steps} steps");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test has a database of its own")]
fn a_database_of_version_0_1_keeps_what_was_decided_about_its_runs() {
    let dir = tempfile::tempdir().expect("a folder");
    let db = Connection::open(dir.path().join("state.db")).expect("a database");
    db.execute_batch(include_str!("schema-1.sql")).expect("the schema of 0.1");
    db.execute_batch("PRAGMA user_version = 1; INSERT INTO job (id, name) VALUES (1, 'disk')").expect("a job");
    let cases = [
        ("notified: failure", None, Decision::Notified(Event::Failure)),
        ("notified: recovery", None, Decision::Notified(Event::Recovery)),
        ("repeat-not-due", Some(99), Decision::Suppressed(Suppressed::RepeatNotDue, Some(at(99)))),
        ("quiet-hours", None, Decision::Suppressed(Suppressed::QuietHours, None)),
        ("blank", None, Decision::Suppressed(Suppressed::Blank, None)),
        ("not-run", None, Decision::NotRun),
        ("replaced", None, Decision::Replaced),
        ("job-gone", None, Decision::JobGone),
        ("", None, Decision::Undecided),
    ];
    for (id, (verdict, until, _)) in (1..).zip(&cases) {
        let until: Option<i64> = until.map(|until: i64| until * 1_000_000);
        db.execute(
            "INSERT INTO run VALUES (?1, 1, ?1, 'schedule', 0, 0, ?1, 1, 1, 'critical', 'exit', '{}', ?2, ?3, \
             NULL, NULL, NULL, NULL, NULL, NULL)",
            rusqlite::params![id, verdict, until],
        )
        .expect("a row");
    }
    drop(db);
    let (store, _) = Store::open_inline(dir.path(), T0).expect("it opens");
    let rows = now(store.history(HistoryFilter::default())).expect("it can be read");
    let decisions: Vec<Decision> = rows.iter().rev().map(|row| row.decision).collect();
    assert_eq!(decisions, cases.map(|(_, _, decision)| decision));
    // The same row again, as this version writes it.
    store.keep(rows.first().cloned().map(|row| RunRow { decision: cases[2].2, ..row }), None);
    now(store.flush()).expect("it is written");
    assert_eq!(now(store.history(HistoryFilter::default())).expect("it can be read")[0].decision, cases[2].2);
    let tally = now(store.tally(None, Timestamp::MIN, at(1))).expect("it can be counted");
    let [job] = tally.jobs.as_slice() else { panic!("{tally:?}") };
    assert_eq!((job.runs, job.held, job.told), (8, 3, 2));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test has a database of its own")]
fn a_refused_first_message_that_an_earlier_schema_kept_is_still_outdated_by_a_later_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _) = Store::open_inline(dir.path(), T0).expect("it opens");
    let first = |text| Message { event: Some(Event::Failure), ..threaded("ops", text, 7, Thread::Open) };
    let refused = put(&store, vec![first("critical since 03:00")]).ids;
    let progress = Progress { refusals: 1, not_before: Some(at(600)), ..Progress::default() };
    settle(&store, &refused, "ops", Class::Alert, Disposition::Retry { why: "is_archived".into(), progress });
    put(&store, vec![first("worse since 04:00")]);
    let end = Message { event: Some(Event::Recovery), ..threaded("ops", "resolved", 7, Thread::Reply) };
    put(&store, vec![end]);
    drop(store);
    let db = Connection::open(dir.path().join("state.db")).expect("a database");
    db.execute_batch(
        "ALTER TABLE message DROP COLUMN part; ALTER TABLE running DROP COLUMN process;
         ALTER TABLE message DROP COLUMN dropped; DROP INDEX message_of_incident; PRAGMA user_version = 6",
    )
    .expect("the schema before");
    drop(db);
    let (store, _) = Store::open_inline(dir.path(), T0).expect("it opens");
    // The end comes behind the first message that waits for another try.
    let heads = now(store.heads(Channel::new("ops"), Class::Alert, 9, Vec::new(), at(60))).expect("it can be read");
    let seen: Vec<_> = heads.rows.iter().map(|row| (row.message.text.as_str(), row.superseded)).collect();
    assert_eq!(seen, [("critical since 03:00", true), ("worse since 04:00", false)]);
}

#[test]
fn of_a_message_it_is_known_that_the_end_of_its_incident_waits_behind_it() {
    for on_disk in [true, false] {
        let store = memory();
        let told = |text, event, thread| Message { event: Some(event), ..threaded("ops", text, 7, thread) };
        put(&store, vec![told("fails", Event::Failure, Thread::Open)]);
        fill(&store, !on_disk);
        put(&store, vec![message("dev", &"x".repeat(50_000))]);
        put(
            &store,
            vec![told("fails still", Event::Failure, Thread::Reply), told("well", Event::Recovery, Thread::Reply)],
        );
        let heads = now(store.heads(Channel::new("ops"), Class::Alert, 9, Vec::new(), at(60))).expect("it can be read");
        let seen: Vec<_> = heads.rows.iter().map(|row| (row.message.text.as_str(), row.over)).collect();
        assert_eq!(seen, [("fails", true), ("fails still", true), ("well", false)]);
    }
}

#[test]
fn of_an_incident_without_a_thread_the_last_message_alone_waits_for_a_channel_that_refuses() {
    let store = memory();
    let told = |text| Message { event: Some(Event::Failure), ..threaded("ops", text, 7, Thread::None) };
    let refused = put(&store, vec![told("fails since 03:00")]).ids;
    let progress = Progress { refusals: 1, not_before: Some(at(600)), ..Progress::default() };
    settle(&store, &refused, "ops", Class::Alert, Disposition::Retry { why: "action_prohibited".into(), progress });
    put(&store, vec![told("fails since 03:00, 2nd failure")]);
    let heads = now(store.heads(Channel::new("ops"), Class::Alert, 9, Vec::new(), at(60))).expect("it can be read");
    let seen: Vec<_> = heads.rows.iter().map(|row| (row.message.text.as_str(), row.superseded)).collect();
    assert_eq!(seen, [("fails since 03:00", true), ("fails since 03:00, 2nd failure", false)]);
}

#[test]
fn of_what_waits_of_an_incident_after_a_refusal_the_last_takes_the_place_of_what_is_seen_no_more_than_it() {
    const REPLY: Thread = Thread::Reply;
    const SHOWN: Thread = Thread::Broadcast;
    for (before, later, is_outdated) in [
        ((Event::Repeat, REPLY), (Event::Repeat, REPLY), true),
        ((Event::Repeat, REPLY), (Event::Failure, SHOWN), true),
        ((Event::Failure, SHOWN), (Event::Failure, SHOWN), true),
        ((Event::Failure, SHOWN), (Event::Repeat, REPLY), false),
        ((Event::Failure, SHOWN), (Event::Recovery, REPLY), true),
        ((Event::Failure, SHOWN), (Event::Failure, Thread::Open), true),
        ((Event::Failure, Thread::Open), (Event::Repeat, Thread::Open), true),
        ((Event::Failure, Thread::Open), (Event::Repeat, REPLY), false),
    ] {
        // The disk is full from the beginning, from the refusal on, and never.
        for full_from in [0, 1, 3] {
            let store = memory();
            let fill_at = |step| {
                if step == full_from {
                    fill_for_good(&store);
                }
            };
            let told = |text, (event, thread), created| Message {
                event: Some(event),
                created,
                ..threaded("ops", text, 7, thread)
            };
            fill_at(0);
            let refused = put(&store, vec![told("before", before, at(1))]).ids;
            fill_at(1);
            let progress = Progress { refusals: 1, not_before: Some(at(600)), ..Progress::default() };
            settle(&store, &refused, "ops", Class::Alert, Disposition::Retry { why: "no".into(), progress });
            put(&store, vec![told("later", later, at(2))]);
            let soon = now(store.heads(Channel::new("ops"), Class::Alert, 9, Vec::new(), at(10)));
            let soon = soon.expect("it can be read").rows;
            let first = soon.into_iter().next().map(|row| (row.message.text, row.superseded));
            // Where it is not, the later one comes behind it.
            let wanted = is_outdated.then(|| ("before".to_owned(), true));
            assert_eq!(first, wanted, "{before:?} {later:?} {full_from}");
        }
    }
}

#[test]
fn a_message_with_any_value_in_any_column_still_goes_out() {
    for change in [
        "body = CAST(x'7bff7d' AS TEXT)",
        "body = ''",
        "body = 'null'",
        "why = CAST(x'ff00' AS TEXT)",
        "job = CAST(x'ff' AS TEXT)",
        "channel = CAST(x'7bff7d' AS TEXT)",
        "attempts = -5",
        "attempts = 99999999999",
        "state = -1",
        "state = 7",
        "edit = 9",
        "queued = -9223372036854775808",
        "queued = 9223372036854775807",
        "incident = -1",
        "part = -1",
        "id = -3",
        "id = 9223372036854775807",
    ] {
        let store = memory();
        put(&store, vec![message("ops", "one")]);
        with_core(&store, |core| {
            let db = core.db().expect("it is open");
            db.execute(&format!("UPDATE message SET {change}"), ()).expect("it may be written");
            mail::repair(db, at(50)).expect("it may be written");
            assert_eq!(mail::repair(db, at(50)), Ok(0), "once is enough");
            assert_eq!(mail::next_id(db), Ok(if change.starts_with("id") { 3 } else { 2 }), "{change}");
        });
        assert_eq!(depth(&store, "ops").0, 1, "{change}");
        let heads = rows(&store, "ops", Class::Alert, 5);
        assert_eq!(heads.len(), 1, "{change}");
        if change.starts_with("body") {
            let text = &heads[0].message.text;
            assert!(
                text.contains("cannot be read") && text.contains("job disk") && text.contains("number 1"),
                "{text}"
            );
        }
        settle(&store, &[heads[0].id], "ops", Class::Alert, Disposition::Delivered);
        assert_eq!(depth(&store, "ops").0, 0, "{change}");
    }
}

#[test]
fn no_value_in_a_row_of_the_history_or_of_a_job_hides_the_others() {
    let store = memory();
    for id in 1..=3 {
        store.keep(Some(over(id, "disk", Status::Ok)), Some((JobName::new("disk"), JobState::default())));
        store.begin(running(id + 10, "disk"));
    }
    now(store.flush()).expect("it is written");
    let columns = |db: &Connection, table: &str| -> Vec<(String, String)> {
        let mut statement = db.prepare(&format!("PRAGMA table_info({table})")).expect("it is SQL");
        let rows = statement.query_map((), |row| Ok((row.get(1)?, row.get(2)?))).expect("it is a table");
        rows.collect::<Result<_, _>>().expect("it can be read")
    };
    for table in ["run", "running", "job", "meta"] {
        let all = with_core(&store, |core| columns(core.db().expect("it is open"), table));
        for (column, kind) in all {
            for value in match kind.as_str() {
                "TEXT" => &["CAST(x'ff00fe' AS TEXT)", "''", "'null'"][..],
                "INTEGER" => &["-1", "9223372036854775807", "-9223372036854775808"],
                _ => &["x'ff00fe'", "x''"],
            } {
                let sql =
                    format!("UPDATE {table} SET {column} = {value} WHERE rowid = (SELECT max(rowid) FROM {table})");
                // Without a rowid, and where a number is in the way, there is nothing to try.
                let _refused = with_core(&store, |core| core.db().expect("it is open").execute(&sql, ()));
                assert!(now(store.load()).is_ok(), "{table}.{column} = {value}");
                let runs = now(store.history(HistoryFilter::default())).expect("it can be read");
                assert!((2..=3).contains(&runs.len()), "{table}.{column} = {value}: {runs:?}");
                assert!(runs.iter().all(|run| now(store.run(run.id)).is_ok()), "{table}.{column} = {value}");
                let running = with_core(&store, |core| core.read(runs::running)).expect("it can be read");
                assert_eq!(running.len(), 3, "{table}.{column} = {value}");
                assert!(now(store.tally(None, T0, at(99))).is_ok(), "{table}.{column} = {value}");
            }
        }
    }
}

#[test]
fn runs_with_a_time_to_come_keep_no_older_ones_from_being_deleted() {
    let store = memory();
    for id in 1..=900 {
        // A clock that was ahead for the first 500 runs.
        let finished = if id <= 500 { at(60 * 86_400) } else { at(id) };
        store.keep(Some(RunRow { finished, ..over(id, "disk", Status::Ok) }), None);
    }
    store.keep(Some(RunRow { finished: at(5_000), ..over(901, "disk", Status::Ok) }), None);
    now(store.flush()).expect("it is written");
    store.keep_history(Duration::from_secs(60));
    while now(clear_away(&store)).expect("it can be written") {}
    let filter = HistoryFilter { limit: 2_000, ..HistoryFilter::default() };
    let ids: Vec<u64> = now(store.history(filter)).expect("it can be read").iter().map(|run| run.id.0).collect();
    assert_eq!((ids.len(), ids[0], ids[1]), (501, 901, 500), "the old ones are gone, those of a time to come are not");
}

#[test]
fn a_database_in_memory_keeps_no_more_history_than_it_is_told_to() {
    let store = memory();
    store.keep_history(Duration::from_secs(1_000));
    for id in 1..=10_000 {
        store.keep(Some(over(id, "disk", Status::Ok)), None);
    }
    let filter = HistoryFilter { limit: 20_000, ..HistoryFilter::default() };
    let kept = now(store.history(filter)).expect("it can be read").len();
    assert!((1_000..=1_200).contains(&kept), "nobody else clears away: {kept}");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_is_said_keeps_nobody_waiting_who_looks_and_takes_what_waits_when_it_goes_on() {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let (store, _) = Store::open(dir.path(), T0).expect("it can be used");
    let (go_on, gate) = std::sync::mpsc::channel::<()>();
    store.tell(move |_| _ = gate.recv());
    let is_hang = |error: &StoreError| error.is_hang();
    assert!(store.outbox_counts().await.is_err_and(|error| is_hang(&error)));
    assert_eq!(store.trouble().borrow().failing, None, "a disk may be slow");
    let record = Record { messages: vec![message("ops", "a")], ..Record::default() };
    let mut written = pin!(store.record(record));
    let longer = LONGEST_ANSWER + Duration::from_secs(1);
    assert!(tokio::time::timeout(longer, &mut written).await.is_err(), "it is not given up");
    assert!(store.trouble().borrow().failing.as_ref().is_some_and(is_hang));
    let looked = tokio::time::timeout(Duration::ZERO, store.outbox_counts()).await.expect("at once");
    assert!(looked.is_err_and(|error| is_hang(&error)));
    // From here on the thread works, in real time.
    tokio::time::resume();
    go_on.send(()).expect("the thread waits for it");
    assert!(written.await.expect("it is taken").durable);
    let mut trouble = store.trouble();
    drop(trouble.wait_for(|trouble| trouble.failing.is_none()).await.expect("the store lives"));
    assert_eq!(store.outbox_counts().await.expect("it can be read").waiting, 1);
}
