//! Shows what becomes of the alerts of a job that keeps failing while Slack refuses its messages with a code that is not known
//! here: they are made more and more seldom, and of an incident one is left.

use std::time::Duration;

use slack_alert::exec::Status;
use slack_alert::message::Thread;
use slack_alert::notify::Fault;
use slack_alert::policy::Event;

use super::told::{CONF, MORNING, minutes, told};
use crate::support::notifier::{lasting, ok, passing};
use crate::support::world::{Act, World, fails, says};

/// A job that fails each ten seconds from the first minute on, or whose second run hangs, and a channel that refuses every message
/// for three hours.
async fn refused_for_hours(job: &str, hangs: bool) -> World {
    let job = format!("command = 'a'\nevery = '10s'\nnotify.mention = '@here'\n{job}");
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job.as_str())];
    let world = World::started(MORNING, &files, move |_, at| match at.as_secs() / 60 {
        0 if at.as_secs() < 20 || !hangs => says(""),
        _ if hangs => says("").takes(30 * 3_600),
        _ => fails("db1 refused"),
    })
    .await;
    world.slack.play(|_, at| if at < minutes(180) { lasting(Fault::Refused) } else { ok() });
    world.pass(minutes(179)).await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_job_that_keeps_failing_while_slack_refuses_it_leaves_one_dead_letter_and_is_told_when_slack_takes_it() {
    for (job, hangs) in [("", false), ("notify.repeat = 'always'", false), ("notify.stuck_after = 3", true)] {
        let world = refused_for_hours(job, hangs).await;
        let tries = world.slack.sent().into_iter().filter(|sent| sent.thread == Thread::Open).count();
        assert!((15..=30).contains(&tries), "three tries each, at once and after 1, 2, 4 … 60 minutes: {job}: {tries}");
        let dead = world.outbox(true).await;
        let of_job = dead.iter().filter(|stored| stored.message.incident.is_some()).count();
        assert_eq!(of_job, 1, "{job}: {dead:#?}");
        // The next that is made is taken, and nothing of what was refused is left.
        world.pass(minutes(62)).await;
        let ops = told(&world, "ops");
        let first: Vec<_> = ops.iter().filter(|line| line.contains(" Open ")).collect();
        assert!(first.len() == 1 && first[0].contains("<!here>"), "{job}: {ops:#?}");
        let dead = world.outbox(true).await;
        assert!(dead.iter().all(|stored| stored.message.incident.is_none()), "{job}: {dead:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn dead_letters_that_are_set_waiting_again_tell_an_incident_once() {
    let world = refused_for_hours("", false).await;
    world.slack.play(|_, _| ok());
    let ids: Vec<_> = world.outbox(true).await.iter().map(|stored| stored.id).collect();
    world
        .store()
        .outbox_retry(ids, slack_alert::clock::Clock::now(&*world.clock).wall)
        .await
        .expect("the store is well");
    // The worker looks each 20 seconds.
    world.pass(minutes(30)).await;
    let ops = told(&world, "ops");
    assert_eq!(ops.iter().filter(|line| line.contains(" Open ")).count(), 1, "{ops:#?}");
    assert!(ops.iter().all(|line| !line.contains("critical: db1") || line.contains(" Open ")), "{ops:#?}");
}

/// A job each ten minutes that fails so in the second, third … of them, and a channel that refuses what it is sent in a time.
async fn refused_between(notify: &str, acts: &'static [(Status, &'static str)], from: u64, until: u64) -> World {
    let job = format!("command = 'a'\nevery = '10m'\nnotify.channel = '#pager'\nnotify.mention = '@here'\n{notify}");
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job.as_str())];
    let world = World::started(MORNING, &files, move |_, at| {
        let nth = (at.as_secs() / 600).checked_sub(1).and_then(|nth| acts.get(usize::try_from(nth).ok()?));
        nth.map_or_else(|| says(""), |(status, line)| Act { status: *status, ..says(line) })
    })
    .await;
    world.slack.play(move |delivery, at| match delivery.message.channel.as_str() {
        "pager" if (minutes(from)..minutes(until)).contains(&at) => lasting(Fault::Channel),
        _ => ok(),
    });
    world
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_refused_the_first_alert_is_told_by_the_next_that_it_takes_and_pinged_once() {
    const BAD: Status = Status::Critical;
    for (notify, acts, words) in [
        ("notify.repeat = '10m'", &[(BAD, "boom"), (BAD, "boom"), (BAD, "boom")], "a critical: boom"),
        ("notify.repeat = '1h'", &[(BAD, "boom"), (BAD, "no route"), (BAD, "boom")], "a critical: no route"),
        ("notify.repeat = '1h'", &[(Status::Warning, "slow"), (BAD, "gone"), (BAD, "gone")], "a critical: gone"),
    ] {
        // It is tried again after 1, 2 and 4 minutes; the next message is made before it is tried a fourth time.
        let world = refused_between(notify, acts, 0, 19).await;
        world.pass(minutes(70)).await;
        let pager = told(&world, "pager");
        assert!(pager[0].starts_with("20 Open <!here> :red_circle: ") && pager[0].contains(words), "{pager:#?}");
        let count = |words: &str| pager.iter().filter(|line| line.contains(words)).count();
        assert_eq!((count("<!here>"), count(" Open ")), (1, 1), "{words}: {pager:#?}");
        assert!(count("resolved after") == 1 && count("is well again") == 1, "{pager:#?}");
        let ops = told(&world, "ops");
        assert!(ops[0].starts_with("10 Open ") && ops.iter().any(|line| line.contains("is well again")), "{ops:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_of_an_incident_is_not_posted_after_something_newer_of_it() {
    const ACTS: &[(Status, &str)] = &[
        (Status::Critical, "gone"),
        (Status::Warning, "slow"),
        (Status::Critical, "gone"),
        (Status::Critical, "gone"),
        (Status::Critical, "gone"),
        (Status::Critical, "gone"),
    ];
    // Before its first message, and after it.
    for from in [0, 15] {
        let world = refused_between("notify.repeat = '1h'", ACTS, from, 33).await;
        world.pass(minutes(120)).await;
        let pager = told(&world, "pager");
        assert!(pager.iter().all(|line| !line.contains("slow")), "{from}: {pager:#?}");
        assert_eq!(pager.iter().filter(|line| line.contains(" Open ")).count(), 1, "{from}: {pager:#?}");
        assert!(pager.last().is_some_and(|last| last.starts_with("70 ")), "{from}: {pager:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_refuses_every_repetition_keeps_one_of_them_and_the_end_is_told_in_its_place() {
    let job =
        "command = 'a'\nevery = '10s'\nnotify.channel = '#pager'\nnotify.mention = '@here'\nnotify.repeat = 'always'";
    for differs in [false, true] {
        let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
        let world = World::started(MORNING, &files, move |_, at| match at.as_secs() {
            60..150 if differs && at.as_secs() % 20 == 0 => fails("no route"),
            60..150 => fails("boom"),
            _ => says(""),
        })
        .await;
        world.slack.play(|delivery, _| match delivery.message.channel.as_str() {
            "pager" => lasting(Fault::Refused),
            _ => ok(),
        });
        for minute in [2, 3, 20] {
            world.pass((minutes(minute) - Duration::from_secs(5)).saturating_sub(world.clock.elapsed())).await;
            let left = world.outbox(false).await.into_iter().chain(world.outbox(true).await);
            let mut ids: Vec<_> = left
                .filter(|left| left.message.channel.as_str() == "pager" && !left.is_edit())
                .map(|left| left.id)
                .collect();
            ids.sort_unstable_by_key(|id| id.0);
            ids.dedup();
            assert_eq!(ids.len(), 1, "{differs} {minute}: {:#?}", world.outbox(true).await);
        }
        let ops = told(&world, "ops");
        let count = |words: &str| ops.iter().filter(|line| line.contains(words)).count();
        assert_eq!((count(" Open "), count("<!here>")), (1, 1), "{ops:#?}");
        assert_eq!(count(" None "), 0, "the alert says that it could not be posted, and no notice besides: {ops:#?}");
        assert_eq!((count("resolved after"), count("is well again")), (1, 1), "{ops:#?}");
        let end = ops.iter().position(|line| line.contains("is well again")).expect("it is there");
        assert!(ops[end + 1..].iter().all(|line| line.contains(" Edit ")), "nothing comes after the end: {ops:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_is_set_waiting_while_a_newer_alert_of_its_incident_waits_is_told_by_that() {
    const ACTS: &[(Status, &str)] = &[(Status::Critical, "boom"), (Status::Critical, "boom")];
    let world = refused_between("notify.repeat = '10m'", ACTS, 0, 0).await;
    world.slack.play(|delivery, at| match delivery.message.channel.as_str() {
        "pager" if at < minutes(15) => lasting(Fault::Refused),
        "pager" if at < minutes(25) => passing(),
        _ => ok(),
    });
    world.pass(minutes(22)).await;
    let ids: Vec<_> = world.outbox(true).await.iter().map(|stored| stored.id).collect();
    assert_eq!((ids.len(), world.outbox(false).await.len()), (1, 2), "{:#?}", world.outbox(false).await);
    let now = slack_alert::clock::Clock::now(&*world.clock).wall;
    assert_eq!(world.store().outbox_retry(ids.clone(), now).await.expect("the store is well"), ids);
    world.pass(minutes(40)).await;
    let pager = told(&world, "pager");
    let opens: Vec<_> = pager.iter().filter(|line| line.contains(" Open ")).collect();
    assert!(opens.len() == 1 && opens[0].contains("2nd failure in a row"), "{pager:#?}");
    assert!(pager.iter().any(|line| line.contains("resolved after")), "{pager:#?}");
    assert!(world.outbox(false).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn that_an_alert_could_not_be_posted_pings_nobody_when_it_is_over_by_then_and_says_so() {
    for (until, is_over) in [(3, true), (9, false)] {
        let job = "command = 'a'\nevery = '1m'\nnotify.mention = '@here'\nnotify.repeat = 'never'";
        let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
        let world = World::started(MORNING, &files, move |_, at| match at.as_secs() / 60 {
            minute if (1..until).contains(&minute) => fails("boom"),
            _ => says(""),
        })
        .await;
        // The alert is refused three times within a minute, and nothing is taken for some time.
        world.slack.play(|_, at| match at.as_secs() {
            ..91 => lasting(Fault::Refused),
            91..300 => passing(),
            _ => ok(),
        });
        world.pass(minutes(8)).await;
        let ops = told(&world, "ops");
        let notices: Vec<_> = ops.iter().filter(|line| line.contains("could not be posted")).collect();
        assert_eq!(notices.len(), 1, "{is_over}: {ops:#?}");
        assert_eq!(notices[0].contains("<!here>"), !is_over, "{ops:#?}");
        assert_eq!(notices[0].contains("it is over: *a* is ok by now"), is_over, "{ops:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_its_channel_takes_after_all_is_not_told_in_its_place_any_more() {
    // Which channel takes messages again first; either had refused all.
    for (pager, ops) in [(35, 45), (45, 35)] {
        for over_at in [40, 70] {
            let job = "command = 'a'\nevery = '10m'\nnotify.channel = '#pager'\nnotify.mention = '@here'\nnotify.repeat = '10m'";
            let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
            let world = World::started(MORNING, &files, move |_, at| match at.as_secs() / 60 {
                minute if (10..over_at).contains(&minute) => fails("boom"),
                _ => says(""),
            })
            .await;
            world.slack.play(move |delivery, at| match delivery.message.channel.as_str() {
                "pager" if at < minutes(pager) => lasting(Fault::Channel),
                "ops" if at < minutes(ops) => lasting(Fault::Channel),
                _ => ok(),
            });
            world.pass(minutes(180)).await;
            let (in_ops, in_pager) = (told(&world, "ops"), told(&world, "pager"));
            let count = |told: &[String], words: &str| told.iter().filter(|line| line.contains(words)).count();
            assert!(count(&in_pager, " Open ") == 1 && count(&in_pager, "is well again") == 1, "{in_pager:#?}");
            if pager < ops {
                assert_eq!(in_ops, [""; 0], "{over_at}: it is where it belongs");
            } else {
                assert!(count(&in_ops, " Open ") == 1 && count(&in_ops, "is well again") == 1, "{in_ops:#?}");
                assert_eq!(count(&in_ops, " None "), 0, "no notice besides: {in_ops:#?}");
            }
            assert!(world.outbox(false).await.is_empty(), "{:#?}", world.outbox(false).await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_incident_that_is_over_and_was_told_elsewhere_is_not_told_after_a_newer_one_of_its_job() {
    for others in ["", ", '#b'"] {
        let job = format!("command = 'a'\nevery = '10m'\nnotify.channel = ['#pager'{others}]\nnotify.flap = false");
        let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job.as_str())];
        let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 600 {
            1 | 2 => fails("boom"),
            4.. => fails("no route"),
            _ => says(""),
        })
        .await;
        // It is tried again after 1, 2, 4, 8 and 16 minutes: at 41.
        world.slack.play(|delivery, at| match delivery.message.channel.as_str() {
            "pager" if at < minutes(38) => lasting(Fault::Channel),
            _ => ok(),
        });
        world.pass(minutes(95)).await;
        let pager = told(&world, "pager");
        assert!(pager[0].starts_with("40 Open ") && pager[0].contains("no route"), "{others}: {pager:#?}");
        assert!(
            pager.iter().all(|line| !line.contains("boom") && !line.contains("well again")),
            "{others}: {pager:#?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_its_channel_takes_when_its_job_is_gone_pings_nobody() {
    const ACTS: &[(Status, &str)] = &[(Status::Critical, "boom"); 9];
    let world = refused_between("", ACTS, 0, 15).await;
    world.file("jobs.d/b.toml", "command = 'b'\nevery = '1h'");
    world.pass(minutes(14)).await;
    world.remove("jobs.d/a.toml");
    world.reload().await;
    world.pass(minutes(20)).await;
    let pager = told(&world, "pager");
    assert!(pager[0].contains("a critical: boom") && !pager[0].contains("<!here>"), "{pager:#?}");
    assert!(pager.last().is_some_and(|last| last.contains("no longer watched since 08:14")), "{pager:#?}");
}

#[tokio::test(start_paused = true)]
async fn with_threads_or_without_the_end_of_an_incident_comes_behind_the_failure_that_its_channel_refused() {
    for thread in ["", "\nnotify.thread = false"] {
        // Until then the channel takes nothing; or it never takes the failure.
        for until in [25, u64::MAX / 60] {
            let notify = format!("notify.repeat = 'never'{thread}");
            let world = refused_between(&notify, &[(Status::Critical, "boom")], 0, 0).await;
            world.slack.play(move |delivery, at| {
                let message = &delivery.message;
                let refuses = until == 25 || message.event == Some(Event::Failure);
                match message.channel.as_str() {
                    "pager" if refuses && at < minutes(until) => lasting(Fault::Channel),
                    _ => ok(),
                }
            });
            world.pass(minutes(90)).await;
            let (pager, ops) = (told(&world, "pager"), told(&world, "ops"));
            let first = pager.first().map(String::as_str).unwrap_or_default();
            assert_eq!(first.contains("a critical: boom"), until == 25, "{pager:#?}");
            assert_eq!(
                pager.iter().any(|line| line.contains("well again")),
                until == 25,
                "{thread} {until}: {pager:#?}"
            );
            assert!(!first.contains("<!here>"), "it is over by then: {pager:#?}");
            assert!(ops.iter().any(|line| line.contains("well again")), "{ops:#?}");
        }
    }
}
