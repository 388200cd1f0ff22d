//! Shows what is told of messages that do not arrive as they were meant: in the place of a channel, after they were dropped,
//! and of jobs that are gone.

use slack_alert::clock::Clock;
use slack_alert::exec::Status;
use slack_alert::message::Thread;
use slack_alert::notify::Fault;
use slack_alert::policy::Dropped;

use super::told::{CONF, MORNING, minutes, told};
use crate::support::notifier::{Sent, lasting, ok, passing};
use crate::support::world::{Act, World, fails, says};

#[tokio::test(start_paused = true)]
async fn an_alert_that_several_channels_refuse_is_told_once_in_the_default_channel_and_closed_there() {
    let job = "command = 'a'\nevery = '10m'\nnotify.repeat = 'never'\nnotify.channel = ['#a', '#b', '#c']";
    for thread in ["", "\nnotify.thread = false"] {
        let job = format!("{job}{thread}");
        let world = World::started(MORNING, &[("slack_alert.toml", CONF), ("jobs.d/a.toml", &job)], |_, at| {
            if (1..=2).contains(&(at.as_secs() / 600)) { fails("boom") } else { says("") }
        })
        .await;
        world.slack.play(|delivery, _| match delivery.message.channel.as_str() {
            "ops" => ok(),
            _ => lasting(Fault::Channel),
        });
        world.pass(minutes(40)).await;
        let ops = told(&world, "ops");
        let count = |words: &str| ops.iter().filter(|line| line.contains(words)).count();
        assert_eq!(
            count("a critical: boom / exit code 2"),
            if thread.is_empty() { 2 } else { 1 },
            "one, edited: {ops:#?}"
        );
        let all = |line: &String| ["#a", "#b", "#c"].iter().all(|name| line.contains(name));
        assert!(ops.iter().any(|line| line.contains("boom") && all(line)), "it names all of them: {ops:#?}");
        assert!(count(" message of *a* could not be posted to #") <= 3, "and a notice of each: {ops:#?}");
        assert_eq!(count(" Open "), usize::from(thread.is_empty()), "{ops:#?}");
        assert_eq!(count("is well again"), 1, "{ops:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn that_a_job_is_gone_is_posted_where_nothing_can_be_edited() {
    let webhook =
        "slack = { webhook_url = 'https://hooks.example.com/services/x' }\nhost = 'web-1'\ntime_zone = 'UTC'\n";
    let other = "command = 'b'\nevery = '1h'";
    for (conf, notify) in [(CONF, "notify.thread = false"), (webhook, "")] {
        let job = format!("command = 'a'\nevery = '10m'\n{notify}");
        let files = [("slack_alert.toml", conf), ("jobs.d/a.toml", job.as_str()), ("jobs.d/b.toml", other)];
        for removed in [true, false] {
            let world = World::started(MORNING, &files, |run, _| match run.job.as_str() {
                "a" => fails("boom"),
                _ => says(""),
            })
            .await;
            world.pass(minutes(5)).await;
            match removed {
                true => world.remove("jobs.d/a.toml"),
                false => world.file("jobs.d/a.toml", &format!("{job}\nenabled = false")),
            }
            world.reload().await;
            world.pass(minutes(5)).await;
            let sent: Vec<_> = world.slack.sent().into_iter().map(|sent| (sent.thread, sent.text)).collect();
            assert_eq!(sent.len(), 2, "{conf} {removed}: {sent:#?}");
            let (thread, text) = &sent[1];
            assert!(format!("{thread:?}") == "None", "{sent:#?}");
            assert!(
                text.contains("*a* no longer watched since 08:05") && text.contains("was critical: boom"),
                "{sent:#?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn that_a_job_went_while_no_daemon_ran_is_posted_where_it_asked_for_no_thread() {
    for crashed in [false, true] {
        let job = "command = 'a'\nevery = '10m'\nnotify.thread = false";
        let files =
            [("slack_alert.toml", CONF), ("jobs.d/a.toml", job), ("jobs.d/b.toml", "command = 'b'\nevery = '1h'")];
        let mut world = World::started(MORNING, &files, |run, _| match run.job.as_str() {
            "a" => fails("boom"),
            _ => says(""),
        })
        .await;
        world.pass(minutes(5)).await;
        match crashed {
            true => world.crash().await,
            false => drop(world.stop().await),
        }
        world.remove("jobs.d/a.toml");
        for _ in 0..2 {
            world.start().await;
            world.pass(minutes(5)).await;
            world.stop().await;
        }
        let ops = told(&world, "ops");
        assert_eq!(ops.len(), 2, "{ops:#?}");
        assert!(
            ops[1].contains("*a* no longer watched since 08:05") && ops[1].contains("was critical: boom"),
            "{ops:#?}"
        );
        assert!(!ops[1].contains(" Edit "), "there is nothing that could be edited: {ops:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_between_two_channels_that_refuse_an_alert_makes_no_second_copy_of_it() {
    let job = "command = 'a'\nevery = '10m'\nnotify.repeat = 'never'\nnotify.channel = ['#a', '#b']";
    for crashed in [false, true] {
        let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
        let mut world =
            World::started(MORNING, &files, |_, at| if at < minutes(30) { fails("boom") } else { says("") }).await;
        world.slack.play(|delivery, at| match delivery.message.channel.as_str() {
            "ops" => ok(),
            "b" if at < minutes(5) => passing(),
            _ => lasting(Fault::Channel),
        });
        world.pass(minutes(3)).await;
        match crashed {
            true => world.crash().await,
            false => drop(world.stop().await),
        }
        world.start().await;
        world.pass(minutes(15)).await;
        let ops = told(&world, "ops");
        let told: Vec<&String> = ops.iter().filter(|line| line.contains("a critical: boom")).collect();
        let both =
            |line: &String| line.contains("to #a, #b: ") || (line.contains("to #a: ") && line.contains("to #b: "));
        assert!(told.len() == 1 && both(told[0]), "{ops:#?}");
        assert!(ops.iter().any(|line| line.contains("web-1: a message of *a*")), "it names the host: {ops:#?}");
    }
}

/// A person throws everything away that waits for a channel.
async fn drop_all(world: &World, channel: &str) {
    let waiting = world.outbox(false).await;
    let ids = waiting.iter().filter(|stored| stored.message.channel.as_str() == channel).map(|stored| stored.id);
    let dropped = Dropped { by: "dana".to_owned(), at: world.clock.now().wall };
    world.store().outbox_drop(ids.collect(), dropped).await.expect("the store is well");
}

#[tokio::test(start_paused = true)]
async fn a_channel_whose_alert_was_dropped_hears_nothing_of_its_end_and_an_alert_that_nobody_got_is_told_anew() {
    let job = "command = 'a'\nevery = '10m'\nnotify.repeat = 'never'\nnotify.channel = ['#one', '#two']";
    for all in [false, true] {
        let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
        let world =
            World::started(MORNING, &files, |_, at| if at < minutes(30) { fails("boom") } else { says("") }).await;
        world.slack.play(move |delivery, at| match delivery.message.channel.as_str() {
            "two" if at < minutes(6) => passing(),
            "one" if all && at < minutes(6) => passing(),
            _ => ok(),
        });
        world.pass(minutes(4)).await;
        drop_all(&world, "two").await;
        if all {
            drop_all(&world, "one").await;
        }
        world.pass(minutes(60)).await;
        let (one, two) = (told(&world, "one"), told(&world, "two"));
        if all {
            for told in [&one, &two] {
                assert!(told[0].starts_with("10 Open ") && told[0].contains("2nd failure in a row"), "{told:#?}");
                assert!(told.iter().any(|line| line.contains("is well again")), "{told:#?}");
            }
        } else {
            assert!(one[0].starts_with("0 Open ") && one.iter().any(|line| line.contains("is well again")), "{one:#?}");
            assert_eq!(two, [""; 0], "it never heard of the failure");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_the_default_channel_takes_late_in_the_place_of_another_is_ended_there() {
    let job = "command = 'a'\nevery = '1m'\nnotify.repeat = 'never'\nnotify.channel = '#pager'";
    for thread in ["", "\nnotify.thread = false"] {
        for failing in [1, 3] {
            let job = format!("{job}{thread}");
            let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job.as_str())];
            let world = World::started(MORNING, &files, move |_, at| match at.as_secs() / 60 {
                minute if (1..=failing).contains(&minute) => fails("boom"),
                _ => says(""),
            })
            .await;
            world.slack.play(|delivery, at| match delivery.message.channel.as_str() {
                "pager" => lasting(Fault::Channel),
                _ if at < minutes(7) => lasting(Fault::Channel),
                _ => ok(),
            });
            world.pass(minutes(40)).await;
            let ops = told(&world, "ops");
            let place = |words: &str| ops.iter().position(|line| line.contains(words));
            let (begun, ended) = (place("critical: boom"), place("is well again"));
            assert!(begun.is_some() && ended > begun, "{thread} {failing}: {ops:#?}");
            assert_eq!(
                ops.iter().filter(|line| line.contains("Edit")).count(),
                usize::from(thread.is_empty()),
                "{ops:#?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_told_in_the_place_of_a_channel_after_it_was_over_is_ended_at_once() {
    let job = "command = 'a'\nevery = '10m'\nnotify.repeat = 'never'\nnotify.channel = '#pager'";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
    let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 600 {
        1 | 2 => fails("boom"),
        _ => says(""),
    })
    .await;
    // Slack is away until it is well again; then its channel turns out to be archived.
    world.slack.play(|delivery, at| match delivery.message.channel.as_str() {
        _ if (minutes(9)..minutes(35)).contains(&at) => passing(),
        "pager" => lasting(Fault::Channel),
        _ => ok(),
    });
    world.pass(minutes(60)).await;
    let ops = told(&world, "ops");
    let place = |words: &str| ops.iter().position(|line| line.contains(words));
    let (begun, ended) = (place("critical: boom"), place("is well again"));
    assert!(begun.is_some() && ended > begun, "{ops:#?}");
    assert_eq!(ops.len(), 3, "the failure, the edit and the end: {ops:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_got_worse_before_its_channel_turned_out_to_be_gone_is_told_in_its_place_with_the_ping() {
    let job = "command = 'a'\nevery = '10m'\nnotify.channel = '#pager'\nnotify.mention = '@here'";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
    let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 600 {
        1 => Act { status: Status::Warning, ..says("slow") },
        2..=5 => fails("gone"),
        _ => says(""),
    })
    .await;
    // Slack is away until it has got worse; then its channel turns out to be archived.
    world.slack.play(|delivery, at| match delivery.message.channel.as_str() {
        _ if (minutes(9)..minutes(35)).contains(&at) => passing(),
        "pager" => lasting(Fault::Channel),
        _ => ok(),
    });
    world.pass(minutes(80)).await;
    let ops = told(&world, "ops");
    let place = |words: &str| ops.iter().position(|line| line.contains(words));
    let (begun, worse, ended) = (place("warning: slow"), place("<!here>"), place("is well again"));
    assert!(begun.is_some() && worse > begun && ended > worse, "{ops:#?}");
    assert!(worse.is_some_and(|at| ops[at].contains("worse: critical")), "{ops:#?}");
    assert_eq!(ops.iter().filter(|line| line.contains(" Open ")).count(), 1, "{ops:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_fails_when_slack_is_connected_is_told_there_at_once_with_its_ping_and_then_its_end() {
    // The one fails each ten minutes from 08:10 to 08:30; the other hangs from 08:10 to 08:50.
    let fails_job = "command = 'a'\nevery = '10m'\nnotify.mention = '@here'";
    let hangs_job = "command = 'b'\nevery = '5m'\nnotify.mention = '@here'";
    for terminal in
        ["host = 'web-1'\ntime_zone = 'UTC'\n", "slack.channel = '#ops'\nhost = 'web-1'\ntime_zone = 'UTC'\n"]
    {
        for restarts in [false, true] {
            let files = [("slack_alert.toml", terminal), ("jobs.d/a.toml", fails_job), ("jobs.d/b.toml", hangs_job)];
            let mut world = World::started(MORNING, &files, |run, at| match (run.job.as_str(), at.as_secs() / 60) {
                ("a", 10..40) => fails("boom"),
                ("b", 10..15) => says("").takes(40 * 60),
                _ => says(""),
            })
            .await;
            world.pass(minutes(27)).await;
            let before = world.slack.sent().len();
            world.file("slack_alert.toml", CONF);
            match restarts {
                true => {
                    world.crash().await;
                    world.start().await;
                }
                false => world.reload().await,
            }
            world.pass(minutes(40)).await;
            let sent = world.slack.sent().split_off(before);
            let line = |sent: &Sent| {
                format!("{} {:?} {}", sent.at.as_secs() / 60, sent.thread, sent.text.replace('\n', " / "))
            };
            let lines: Vec<String> = sent.iter().map(line).collect();
            let case = format!("{terminal} {restarts}: {lines:#?}");
            let count = |words: &str| lines.iter().filter(|line| line.contains(words)).count();
            assert!(sent.iter().all(|sent| sent.channel == "#ops"), "{case}");
            assert_eq!(
                count(
                    "27 Open <!here> :red_circle: a critical: boom / exit code 2 · 2nd failure in a row, since 08:10"
                ),
                1,
                "{case}"
            );
            assert_eq!(
                (count("Edit :white_check_mark: resolved after 30m"), count("a is well again after 30m")),
                (1, 1),
                "{case}"
            );
            assert!(count("a critical: boom") == 2, "once, and its edit: {case}");
            // A run that a crash put an end to is a failure of its own.
            let hang = if restarts { "b critical: " } else { "b critical: still running after 17m" };
            assert_eq!(count(&format!("27 Open <!here> :red_circle: {hang}")), 1, "{case}");
            assert_eq!(count("<!here>"), 2, "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_incident_whose_channel_is_another_one_of_the_same_name_by_now_is_told_there_anew() {
    const OLD: &str = "C0000000OLD";
    const NEW: &str = "C0000000NEW";
    let job = "command = 'a'\nevery = '10m'\nnotify.repeat = '10m'\nnotify.mention = '@here'";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
    // The first that finds it out is a repetition, or the end.
    for (until, restarts) in [(60, false), (60, true), (30, false)] {
        let mut world = World::started(MORNING, &files, move |_, at| match at.as_secs() / 60 {
            minute if (10..until).contains(&minute) => fails("boom"),
            _ => says(""),
        })
        .await;
        world.slack.name(OLD, "ops");
        world.pass(minutes(25)).await;
        let before = world.slack.sent().len();
        world.slack.forget_names();
        world.slack.name(NEW, "ops");
        world.slack.play(|delivery, _| match &delivery.parent {
            Some(parent) if parent.channel == OLD => lasting(Fault::Channel),
            _ => ok(),
        });
        if restarts {
            world.stop().await;
            world.start().await;
        }
        world.pass(minutes(200)).await;
        let sent = world.slack.sent().split_off(before);
        let case = format!("{until} {restarts}: {sent:#?}");
        let to_old =
            sent.iter().filter(|sent| sent.parent.as_ref().is_some_and(|parent| parent.channel == OLD)).count();
        assert!(to_old <= 8, "{case}");
        let taken: Vec<&Sent> = sent.iter().filter(|sent| sent.taken).collect();
        let anew: Vec<_> = taken.iter().filter(|sent| sent.thread == Thread::Open).collect();
        assert_eq!(anew.len(), usize::from(until == 60), "{case}");
        assert!(anew.iter().all(|sent| sent.at < minutes(31) && sent.text.starts_with("<!here> ")), "{case}");
        assert_eq!(taken.iter().filter(|sent| sent.text.contains("<!here>")).count(), anew.len(), "{case}");
        assert_eq!(taken.iter().filter(|sent| sent.text.contains("a is well again after")).count(), 1, "{case}");
        let edits = taken.iter().filter(|sent| sent.thread == Thread::Edit);
        let edited: Vec<_> = edits.map(|sent| sent.parent.clone().expect("it edits something").channel).collect();
        assert_eq!(edited, vec![NEW.to_owned(); anew.len()], "{case}");
        assert!(world.outbox(true).await.is_empty(), "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_told_in_slack_is_not_told_anew_after_a_while_without_slack() {
    let terminal = "host = 'web-1'\ntime_zone = 'UTC'\n";
    let job = "command = 'a'\nevery = '10m'\nnotify.mention = '@here'\nnotify.repeat = 'never'";
    for restarts in [false, true] {
        let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
        let mut world = World::started(MORNING, &files, |_, at| match at.as_secs() / 60 {
            10..50 => fails("boom"),
            _ => says(""),
        })
        .await;
        for (until, conf) in [(15, terminal), (25, CONF), (60, CONF)] {
            world.pass(minutes(until) - world.clock.elapsed()).await;
            world.file("slack_alert.toml", conf);
            match restarts {
                true => {
                    world.stop().await;
                    world.start().await;
                }
                false => world.reload().await,
            }
        }
        let ops = told(&world, "ops");
        assert_eq!(ops.iter().filter(|line| line.contains("<!here>")).count(), 1, "{restarts}: {ops:#?}");
        assert!(
            ops.iter().any(|line| line.starts_with("50 ") && line.contains("a is well again after 40m")),
            "{ops:#?}"
        );
    }
}
