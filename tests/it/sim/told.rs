//! Shows that told means delivered: where an alert goes that its channel does not take, what counts as told, and where
//! everything else about an incident goes.

use std::time::Duration;

use slack_alert::daemon::{Reply, Request};
use slack_alert::exec::Status;
use slack_alert::message::Thread;
use slack_alert::notify::{Fault, SendError};

use crate::support::notifier::{Answer, lasting, ok, passing};
use crate::support::world::{Act, World, fails, says};

pub(super) const MORNING: &str = "2026-11-23T08:00:00Z";
pub(super) const CONF: &str = "slack = { token = 'xoxb-1', channel = '#ops' }\nhost = 'web-1'\ntime_zone = 'UTC'\n";

pub(super) fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// What reached a channel: `08:00 thread first words`, the text cut.
pub(super) fn told(world: &World, channel: &str) -> Vec<String> {
    let sent = world.slack.sent();
    let of_it = sent.iter().filter(|sent| sent.taken && sent.channel == format!("#{channel}"));
    let line = |sent: &crate::support::notifier::Sent| {
        let minute = sent.at.as_secs() / 60;
        format!("{minute} {:?} {}", sent.thread, sent.text.replace('\n', " / "))
    };
    of_it.map(line).collect()
}

/// Fails from the second run to the fourth, each ten minutes.
const JOB: &str = "command = 'a'\nevery = '10m'\nnotify.channels = { critical = '#pager' }\nnotify.repeat = 'never'";

#[tokio::test(start_paused = true)]
async fn an_alert_whose_channel_does_not_take_it_is_told_in_the_default_channel_and_so_is_what_follows() {
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", JOB)];
    let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 600 {
        1..=3 => fails("boom"),
        _ => says(""),
    })
    .await;
    world.slack.play(|delivery, _| match delivery.message.channel.as_str() {
        "pager" => lasting(Fault::Channel),
        _ => ok(),
    });
    world.pass(minutes(60)).await;
    let ops = told(&world, "ops");
    assert_eq!(ops.len(), 3, "the alert, the edit and the recovery: {ops:#?}");
    assert!(ops[0].starts_with("10 Open ") && ops[0].contains("could not be posted to #pager"), "{ops:#?}");
    // They have lanes of their own: either may be first.
    let has = |start: &str| ops.iter().any(|line| line.starts_with(start));
    assert!(has("40 Edit ") && has("40 Broadcast "), "{ops:#?}");
    assert!(told(&world, "pager").is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_incident_that_no_channel_takes_does_not_count_as_told_and_the_fallback_runs_at_once() {
    let conf = format!("{CONF}[fallback]\nafter = '15m'\ncommand = ['mail', 'ops']");
    let files = [("slack_alert.toml", conf.as_str()), ("jobs.d/a.toml", JOB)];
    let world = World::started(MORNING, &files, |run, at| match (run.job.as_str(), at.as_secs() / 600) {
        ("a", 1..=3) => fails("boom"),
        _ => says(""),
    })
    .await;
    world.slack.play(|_, at| if at < minutes(15) { lasting(Fault::Channel) } else { ok() });
    world.pass(minutes(12)).await;
    let fallbacks = world.runs().into_iter().filter(|line| line.contains("(fallback)")).count();
    assert_eq!(fallbacks, 1, "though only one alert waits: {:?}", world.runs());
    let ran = world.spawner.ran();
    let stdin = ran.iter().find(|ran| ran.run.job.as_str() == "(fallback)").expect("it ran").run.command.stdin();
    assert!(stdin.contains(": Alerts could be posted nowhere since 2026-11-23 "), "Slack is there: {stdin}");
    world.pass(minutes(48)).await;
    let first = told(&world, "pager");
    assert!(first[0].starts_with("17 Open "), "told as the first that anybody hears: {first:#?}");
    assert_eq!(first.iter().filter(|line| line.contains(" Open ")).count(), 1, "and once: {first:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_incident_that_is_told_again_since_no_channel_took_it_is_one_incident() {
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", "command = 'a'\nevery = '10m'")];
    let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 600 {
        1.. => fails("boom"),
        _ => says(""),
    })
    .await;
    world.slack.play(|_, _| lasting(Fault::Channel));
    world.pass(minutes(55)).await;
    let said: Vec<String> = world.slack.sent().into_iter().map(|sent| sent.text).collect();
    assert!(said.iter().any(|text| text.contains("3rd failure in a row")), "{said:#?}");
    assert!(!said.iter().any(|text| text.contains("now and then")), "it never was well in between: {said:#?}");
}

/// No channel takes a message before `until`.
fn refused_until(world: &World, until: Duration) {
    world.slack.play(move |_, at| if at < until { lasting(Fault::Channel) } else { ok() });
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_takes_messages_again_hears_of_an_incident_once_however_often_it_was_refused() {
    let job = "command = 'a'\nevery = '1m'\nnotify.mention = '@here'";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
    let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 60 {
        1.. => fails("boom"),
        _ => says(""),
    })
    .await;
    refused_until(&world, minutes(45));
    world.pass(minutes(55)).await;
    let ops = told(&world, "ops");
    assert!(ops.len() == 1 && ops[0].contains("since 08:01"), "{ops:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_hears_of_a_failure_later_than_another_hears_of_its_end_too() {
    let job = "command = 'a'\nevery = '5m'\nnotify.channel = ['#one', '#two']";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
    // A passing fault keeps the order; a channel that refuses is tried again while others go on.
    for fault in [passing as fn() -> Answer, || lasting(Fault::Channel)] {
        let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 300 {
            1 => fails("boom"),
            _ => says(""),
        })
        .await;
        world.slack.play(move |delivery, at| match delivery.message.channel.as_str() {
            "two" if at < minutes(18) => fault(),
            _ => ok(),
        });
        world.pass(minutes(180)).await;
        for channel in ["one", "two"] {
            let told = told(&world, channel);
            assert!(told[0].contains(" Open ") && told[0].contains("boom"), "{channel}: {told:#?}");
            assert!(
                told.iter().any(|line| line.contains(" Edit ") && line.contains("resolved after")),
                "{channel}: {told:#?}"
            );
            assert!(
                told.last().is_some_and(|last| last.contains("well again") || last.contains("resolved")),
                "{told:#?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_which_its_channel_hears_after_its_end_is_told_with_its_end_behind_it() {
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", "command = 'a'\nevery = '5m'")];
    for (until, failures) in [(18, 1), (43, 2)] {
        let world = World::started(MORNING, &files, move |_, at| match at.as_secs() / 300 {
            1.. if at.as_secs() / 300 <= failures => fails("boom"),
            _ => says(""),
        })
        .await;
        refused_until(&world, minutes(until));
        world.pass(minutes(180)).await;
        let ops = told(&world, "ops");
        let kind = |line: &String| line.split(' ').nth(1).unwrap_or_default().to_owned();
        assert_eq!(ops.first().map(kind).as_deref(), Some("Open"), "{ops:#?}");
        assert_eq!(ops.iter().filter(|line| kind(line) == "Open").count(), 1, "{ops:#?}");
        assert!(ops.iter().any(|line| kind(line) == "Edit" && line.contains("resolved after")), "{ops:#?}");
        assert_eq!(ops.len(), 3, "and the recovery: {ops:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_heard_of_an_incident_when_it_got_worse_is_not_told_afterwards_how_it_began() {
    let job = "command = 'a'\nevery = '10m'\nnotify.repeat = 'never'\n\
               notify.channels = { warning = '#pager', critical = '#pager' }";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
    let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 600 {
        1..=2 => Act { status: Status::Warning, ..says("slow") },
        3..=5 => fails("gone"),
        _ => says(""),
    })
    .await;
    world.slack.play(|delivery, at| match delivery.message.channel.as_str() {
        "pager" if at < minutes(29) => lasting(Fault::Channel),
        _ => ok(),
    });
    world.pass(minutes(200)).await;
    let pager = told(&world, "pager");
    assert!(pager[0].starts_with("30 Open ") && pager[0].contains("a critical: gone"), "{pager:#?}");
    assert_eq!(pager.iter().filter(|line| line.contains(" Open ") || line.contains("slow")).count(), 1, "{pager:#?}");
    assert!(pager.iter().any(|line| line.starts_with("60 Broadcast ")), "nor does its end wait: {pager:#?}");
    assert!(told(&world, "ops")[0].starts_with("10 Open "), "how it began was told in the default channel");
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_arrives_after_a_refusal_counts_as_told_from_then_on() {
    let job = "command = 'a'\nevery = '10m'\nnotify.repeat = 'never'";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
    let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 600 {
        1.. => fails("boom"),
        _ => says(""),
    })
    .await;
    refused_until(&world, minutes(11));
    world.pass(minutes(65)).await;
    let ops = told(&world, "ops");
    assert!(ops.len() == 1 && ops[0].starts_with("11 Open "), "{ops:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_follows_goes_where_the_incident_was_told_though_the_configuration_names_another_channel() {
    let job = "command = 'a'\nevery = '10m'\nnotify.repeat = 'never'";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
    let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 600 {
        1 => fails("boom"),
        _ => says(""),
    })
    .await;
    world.pass(minutes(15)).await;
    world.file("slack_alert.toml", &CONF.replace("#ops", "#new"));
    world.reload().await;
    world.pass(minutes(15)).await;
    let ops = told(&world, "ops");
    assert_eq!(ops.len(), 3, "{ops:#?}");
    let edit = world.slack.sent().into_iter().find(|sent| sent.thread == Thread::Edit).expect("an edit");
    assert_eq!((edit.channel.as_str(), edit.parent.is_some()), ("#ops", true));
}

#[tokio::test(start_paused = true)]
async fn an_incident_goes_on_in_its_conversation_when_the_configuration_names_its_channel_by_its_id_or_its_name() {
    const ID: &str = "C05DED65D5";
    let job = "command = 'a'\nevery = '10m'\nnotify.repeat = '10m'";
    for (before, after, own) in [("#ops", ID, "ops"), (ID, "#ops", ID), (ID, "ops", ID)] {
        for restarts in [false, true] {
            let conf = CONF.replace("#ops", before);
            let files = [("slack_alert.toml", conf.as_str()), ("jobs.d/a.toml", job)];
            let mut world = World::started(MORNING, &files, |_, at| match at.as_secs() / 600 {
                1..=3 => fails("boom"),
                _ => says(""),
            })
            .await;
            world.slack.name(ID, "ops");
            world.pass(minutes(15)).await;
            world.file("slack_alert.toml", &CONF.replace("#ops", after));
            match restarts {
                true => {
                    world.stop().await;
                    world.start().await;
                }
                false => world.reload().await,
            }
            world.pass(minutes(30)).await;
            let sent = world.slack.sent();
            let case = format!("{before} {after} {restarts}: {sent:#?}");
            let own = if own == ID { ID.to_owned() } else { format!("#{own}") };
            assert!(sent.iter().all(|sent| sent.channel == own), "{case}");
            assert_eq!(sent.iter().filter(|sent| sent.thread == Thread::Open).count(), 1, "{case}");
            assert!(sent.iter().any(|sent| sent.thread == Thread::Edit), "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_named_by_its_name_and_by_its_id_has_one_conversation_and_one_ping() {
    const ID: &str = "C05DED65D5";
    // The two are one channel or two, and the one that is named may refuse what it is sent.
    for (name, refuses, copies) in [("bb", false, 1), ("other", false, 2), ("other", true, 1)] {
        for order in [["#bb", ID], [ID, "#bb"]] {
            for restarts in [false, true] {
                let job = format!(
                    "command = 'a'\nevery = '10m'\nnotify.mention = '@here'\nnotify.channel = ['{}', '{}']",
                    order[0], order[1]
                );
                let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job.as_str())];
                let mut world = World::started(MORNING, &files, |_, at| match at.as_secs() / 600 {
                    1..=2 | 5..=6 => fails("boom"),
                    _ => says(""),
                })
                .await;
                world.slack.name(ID, name);
                world.slack.play(move |delivery, _| match delivery.message.channel.as_str() {
                    "bb" if refuses => lasting(Fault::Channel),
                    _ => (Duration::from_millis(200), ok().1),
                });
                world.pass(minutes(15)).await;
                if restarts {
                    world.stop().await;
                    world.start().await;
                }
                world.pass(minutes(70)).await;
                let sent = world.slack.sent();
                let case = format!("{name} {order:?} {restarts}: {sent:#?}");
                let of =
                    |thread: Thread| sent.iter().filter(|sent| sent.taken && sent.thread == thread).collect::<Vec<_>>();
                let opened = of(Thread::Open);
                assert_eq!(opened.len(), 2 * copies, "{case}");
                assert!(opened.iter().all(|sent| sent.at < minutes(11) || sent.at > minutes(49)), "{case}");
                assert!(opened.iter().all(|sent| sent.at.as_secs() % 600 <= 1), "none waits for long: {case}");
                assert_eq!((of(Thread::Edit).len(), of(Thread::Broadcast).len()), (2 * copies, 2 * copies), "{case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_takes_messages_and_never_answers_has_few_copies_and_all_commands_say_so() {
    let job = "command = 'a'\nevery = '1m'\nnotify.repeat = '1h'";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
    let mut world = World::started(MORNING, &files, |_, at| match at.as_secs() / 60 {
        1..100 => fails("boom"),
        _ => says(""),
    })
    .await;
    world
        .slack
        .play(|_, _| (Duration::from_secs(10), Err(SendError::Uncertain { why: "no answer within 10s".into() })));
    world.pass(minutes(50)).await;
    let first = world.slack.sent();
    assert_eq!(first.len(), 4, "one message, and three more times: {first:#?}");
    let open = |reply| match reply {
        Reply::Incidents(mut all) => all.pop().expect("one is open"),
        other => panic!("{other:?}"),
    };
    let incident = open(world.ask(Request::Incidents).await);
    assert!(incident.in_doubt && incident.told.is_empty() && !incident.is_on_its_way(), "{incident:#?}");
    // A restart does not forget it, and tells the failure no other time.
    world.stop().await;
    world.start().await;
    world.pass(minutes(8)).await;
    assert!(open(world.ask(Request::Incidents).await).in_doubt);
    assert_eq!(world.slack.sent().len(), 4);
    let letters = world.outbox(true).await;
    let letters: Vec<_> = letters.iter().collect();
    let run = world.history().await.into_iter().find(|row| letters[0].message.run == Some(row.id)).expect("its run");
    let verdict = slack_alert::report::explain::verdict(&run, &letters);
    assert_eq!(verdict, "in doubt: failure; no answer from #ops (no answer within 10s; Slack may have taken it)");
    // What Slack confirms ends the doubt.
    world.slack.play(|_, _| ok());
    world.pass(minutes(10)).await;
    let incident = open(world.ask(Request::Incidents).await);
    assert!(!incident.in_doubt && incident.told.len() == 1, "{incident:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_comes_to_an_open_incident_hears_how_it_began_and_pings_whom_the_first_message_pings() {
    // By its status, and since the configuration names it now.
    let routes = "notify.channels = { critical = '#pager', warning = '#log' }\n";
    for (routes, changed, new, others) in [(routes, "#ops", "pager", "log"), ("", "#new", "new", "ops")] {
        let job = format!("command = 'a'\nevery = '10m'\nnotify.mention = '@here'\nnotify.repeat = '30m'\n{routes}");
        let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job.as_str())];
        let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 600 {
            1..=2 => Act { status: Status::Warning, ..says("disk 95 %") },
            3..=8 => fails("disk full"),
            _ => says(""),
        })
        .await;
        world.pass(minutes(25)).await;
        assert!(told(&world, new).is_empty(), "{new}");
        world.file("slack_alert.toml", &CONF.replace("#ops", changed));
        world.reload().await;
        world.pass(minutes(40)).await;
        let first = told(&world, new);
        assert!(first[0].starts_with("30 Open <!here> :red_circle: a critical: disk full / "), "{first:#?}");
        assert!(first[0].contains("3rd failure in a row, since 08:10"), "{first:#?}");
        assert!(
            first[1].contains("Reply") && first[1].contains("still critical"),
            "what follows is in its thread: {first:#?}"
        );
        let known = told(&world, others);
        let worse =
            |line: &String| line.contains(" Broadcast ") && line.contains("worse: critical, was warning: disk full");
        assert!(known.iter().any(worse), "{known:#?}");
        world.pass(minutes(40)).await;
        assert!(told(&world, new).iter().any(|line| line.contains("is well again after 1h 20m, 8 failures")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_whose_first_message_waits_is_not_told_anew() {
    let job = "command = 'a'\nevery = '10m'\nnotify.channel = ['#ops', '#slow']\nnotify.repeat = '20m'";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
    let world =
        World::started(MORNING, &files, |_, at| if at.as_secs() < 600 { says("") } else { fails("boom") }).await;
    world.slack.play(|delivery, at| match delivery.message.channel.as_str() {
        "slow" if at < minutes(35) => passing(),
        _ => ok(),
    });
    world.pass(minutes(60)).await;
    let slow = told(&world, "slow");
    let opens = slow.iter().filter(|line| line.contains(" Open ")).count();
    assert!(opens == 1 && slow.len() > 1, "{slow:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_removed_or_disabled_while_it_fails_is_no_longer_watched_and_its_message_says_so() {
    let job = "command = 'a'\nevery = '10m'\nnotify.repeat = 'never'";
    for removed in [true, false] {
        let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job), ("jobs.d/b.toml", job)];
        let world = World::started(MORNING, &files, |run, at| match (run.job.as_str(), at.as_secs() / 600) {
            ("a", 1..) => fails("boom"),
            _ => says(""),
        })
        .await;
        world.pass(minutes(14)).await;
        match removed {
            true => world.remove("jobs.d/a.toml"),
            false => world.file("jobs.d/a.toml", &format!("{job}\nenabled = false")),
        }
        world.reload().await;
        world.pass(minutes(14)).await;
        world.reload().await;
        world.pass(minutes(14)).await;
        let ops = told(&world, "ops");
        let edits: Vec<_> = ops.iter().filter(|line| line.contains("no longer watched")).collect();
        assert_eq!(edits.len(), 1, "{ops:#?}");
        assert!(
            edits[0].starts_with("14 Edit :black_circle: no longer watched since 08:14 (")
                && edits[0].contains("): a critical: boom"),
            "{edits:?}"
        );
        let why = if removed { " (jobs.d/a.toml was removed)" } else { "(enabled = false)" };
        assert!(edits[0].contains(why), "{edits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_last_run_of_a_removed_or_disabled_job_began_is_over_with_it() {
    let job = "command = 'a'\nevery = '1h'\noverlap = 'skip'";
    for removed in [true, false] {
        let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job), ("jobs.d/b.toml", job)];
        let world = World::started(MORNING, &files, |run, _| match run.job.as_str() {
            "a" => Act { takes: minutes(10), ..fails("boom") },
            _ => says(""),
        })
        .await;
        world.pass(minutes(4)).await;
        match removed {
            true => world.remove("jobs.d/a.toml"),
            false => world.file("jobs.d/a.toml", &format!("{job}\nenabled = false")),
        }
        world.reload().await;
        world.pass(minutes(90)).await;
        let ops = told(&world, "ops");
        assert_eq!(ops.len(), 2, "{ops:#?}");
        assert!(ops[0].starts_with("10 Open ") && ops[0].contains("a critical: boom"), "{ops:#?}");
        assert!(ops[1].starts_with("10 Edit :black_circle: no longer watched since 08:10 ("), "{ops:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_removed_or_disabled_while_no_daemon_runs_is_no_longer_watched_either() {
    let job = "command = 'a'\nevery = '10m'\nnotify.repeat = 'never'";
    for removed in [true, false] {
        let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job), ("jobs.d/b.toml", job)];
        let mut world = World::started(MORNING, &files, |run, at| match (run.job.as_str(), at.as_secs() / 600) {
            ("a", 1..) => fails("boom"),
            _ => says(""),
        })
        .await;
        world.pass(minutes(14)).await;
        world.stop().await;
        match removed {
            true => world.remove("jobs.d/a.toml"),
            false => world.file("jobs.d/a.toml", &format!("{job}\nenabled = false")),
        }
        for _ in 0..2 {
            world.start().await;
            world.pass(minutes(1)).await;
            world.stop().await;
        }
        let ops = told(&world, "ops");
        let edits: Vec<_> = ops.iter().filter(|line| line.contains("no longer watched since")).collect();
        assert_eq!(edits.len(), 1, "told once: {ops:#?}");
        assert!(edits[0].contains("): a critical: boom"), "{edits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_file_has_errors_when_the_daemon_starts_is_still_watched() {
    let job = "command = 'a'\nevery = '10m'\nnotify.repeat = 'never'";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job), ("jobs.d/b.toml", job)];
    let mut world = World::started(MORNING, &files, |run, _| match run.job.as_str() {
        "a" => fails("boom"),
        _ => says(""),
    })
    .await;
    world.pass(minutes(4)).await;
    world.stop().await;
    world.file("jobs.d/a.toml", "command = ");
    world.start().await;
    world.pass(minutes(14)).await;
    let ops = told(&world, "ops");
    assert!(ops.iter().all(|line| !line.contains("no longer watched")), "{ops:#?}");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn incidents_that_end_together_each_end_in_their_own_thread() {
    let job = "command = 'a'\nevery = '10m'\ndirectives = true\nnotify.repeat = 'never'\nnotify.flap = false";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
    let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 600 {
        1 => fails("no space").keyed("disk"),
        2 => fails("no route").keyed("net"),
        _ => says(""),
    })
    .await;
    world.pass(minutes(40)).await;
    let sent = world.slack.sent();
    let first = |words: &str| {
        let one = sent.iter().find(|sent| sent.thread == Thread::Open && sent.text.contains(words));
        one.and_then(|sent| sent.incident).unwrap_or_else(|| panic!("`{words}` was told: {:#?}", told(&world, "ops")))
    };
    for incident in [first("no space"), first("no route")] {
        let of_it = |thread: fn(Thread) -> bool| {
            let after = sent.iter().filter(|sent| sent.incident == Some(incident) && sent.at >= minutes(30));
            after.filter(|sent| thread(sent.thread)).count()
        };
        let edits = of_it(|thread| thread == Thread::Edit);
        let replies = of_it(|thread| matches!(thread, Thread::Reply | Thread::Broadcast));
        assert_eq!((edits, replies), (1, 1), "{:#?}", told(&world, "ops"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_recovery_names_the_key_of_what_ended_and_what_is_open_still() {
    let job = "command = 'a'\nevery = '10m'\ndirectives = true\nnotify.repeat = 'never'\nnotify.flap = false";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
    let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 600 {
        1 | 3 => fails("no space").keyed("disk"),
        2 => fails("no route").keyed("net"),
        4 => says("").keyed("disk"),
        _ => says(""),
    })
    .await;
    world.pass(minutes(60)).await;
    let ops = told(&world, "ops").join("\n");
    let first = "a (key disk) is well again after 30m, 2 failures; still open: key net";
    assert!(ops.contains(first), "{ops}");
    assert!(!ops.contains("(key net)"), "no other is open when it ends: {ops}");
}

#[tokio::test(start_paused = true)]
async fn a_different_failure_says_what_was_shown_of_the_one_before() {
    let queue = "command = 'a'\nevery = '10m'\ncritical_when = 'exit_code < 1'";
    let load = "command = 'a'\nevery = '10m'\nexit_codes = 'nagios'";
    let quiet = "command = 'a'\nevery = '10m'\nnotify.quiet_hours = '00:00-08:15'";
    let jobs = [("jobs.d/queue.toml", queue), ("jobs.d/load.toml", load), ("jobs.d/quiet.toml", quiet)];
    let files: Vec<_> = [("slack_alert.toml", CONF)].into_iter().chain(jobs).collect();
    let world = World::started(MORNING, &files, |run, at| match (run.job.as_str(), at.as_secs() / 600) {
        ("queue", 0) => says("12"),
        ("load", 0) => fails("LOAD CRITICAL - load average 8.1|load1=8.1;4;6"),
        (_, 0 | 1) if run.job.as_str() == "quiet" => fails("no space"),
        _ => fails("no route to host"),
    })
    .await;
    world.pass(minutes(35)).await;
    let ops = told(&world, "ops").join("\n");
    for was in ["was exit_code &lt; 1 (it is 0)", "was load average 8.1 ", "was no space"] {
        assert!(ops.contains(was), "{was}: {ops}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_the_end_of_quiet_hours_is_told_though_the_job_is_gone_by_then() {
    let job = "command = 'a'\nevery = '3m'\nnotify.quiet_hours = '00:00-08:15'";
    let other = "command = 'b'\nevery = '1h'";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job), ("jobs.d/b.toml", other)];
    let started = || {
        World::started(MORNING, &files, |run, _| match run.job.as_str() {
            "a" => fails("boom"),
            _ => says(""),
        })
    };
    // Where a file goes, another one may come: a job that is renamed is two.
    for renamed in [false, true] {
        let world = started().await;
        world.pass(minutes(5)).await;
        world.remove("jobs.d/a.toml");
        if renamed {
            world.file("jobs.d/c.toml", other);
        }
        world.reload().await;
        world.pass(minutes(9)).await;
        assert_eq!(told(&world, "ops"), [""; 0], "its quiet hours go on");
        world.pass(minutes(60)).await;
        let ops = told(&world, "ops");
        assert_eq!(ops.len(), 1, "{ops:#?}");
        let told = "a critical: boom; while it was quiet: since 08:00, 2 failures, no longer watched";
        assert!(ops[0].starts_with("15 ") && ops[0].contains(told), "{ops:#?}");
    }
    // No daemon runs when it goes, or none is there any more when the hours end.
    for stopped in [false, true] {
        let mut world = started().await;
        world.pass(minutes(5)).await;
        if stopped {
            world.stop().await;
        }
        world.remove("jobs.d/a.toml");
        if !stopped {
            world.reload().await;
            world.pass(minutes(1)).await;
            world.stop().await;
        }
        for _ in 0..2 {
            world.start().await;
            world.pass(minutes(20)).await;
            world.stop().await;
        }
        let ops = told(&world, "ops");
        assert_eq!(ops.len(), 1, "{ops:#?}");
        let words = "a is no longer watched (its file was removed); this waited for the end of its quiet hours / critical since 08:00, 2 failures, no longer \
                     watched: boom";
        assert!(ops[0].starts_with("15 ") && ops[0].contains(words), "at the end of its hours: {ops:#?}");
    }

    // It comes back before they end.
    let world = started().await;
    world.pass(minutes(5)).await;
    world.remove("jobs.d/a.toml");
    world.reload().await;
    world.pass(minutes(1)).await;
    world.file("jobs.d/a.toml", job);
    world.reload().await;
    world.pass(minutes(30)).await;
    let ops = told(&world, "ops");
    assert_eq!(ops.iter().filter(|line| line.contains("while it was quiet")).count(), 1, "{ops:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_waits_of_a_job_that_is_gone_is_told_in_its_own_channel_or_by_the_job_where_it_comes_back() {
    let job = "command = 'a'\nevery = '3m'\nnotify.quiet_hours = '00:00-08:15'\nnotify.channel = '#backups'";
    for comes_back in [false, true] {
        let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
        let mut world = World::started(MORNING, &files, |_, _| fails("boom")).await;
        world.pass(minutes(5)).await;
        world.stop().await;
        world.remove("jobs.d/a.toml");
        world.start().await;
        world.pass(minutes(5)).await;
        if comes_back {
            world.file("jobs.d/a.toml", job);
            world.reload().await;
        }
        world.pass(minutes(30)).await;
        assert_eq!(told(&world, "ops"), [""; 0], "{comes_back}");
        let told = told(&world, "backups");
        assert!(told.len() == 1 && told[0].starts_with("15 ") && told[0].contains("boom"), "{comes_back}: {told:#?}");
        assert_eq!(told[0].contains("no longer watched"), !comes_back, "{told:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_storm_names_its_host_and_since_when_its_jobs_fail() {
    let job = "command = 'a'\nevery = '10m'\nnotify.after = 2";
    let names = ["a", "b", "c", "d"].map(|name| format!("jobs.d/{name}.toml"));
    let files = [("slack_alert.toml", CONF)].into_iter().chain(names.iter().map(|name| (name.as_str(), job)));
    let files: Vec<_> = files.collect();
    let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 600 {
        1..=3 => fails("no answer"),
        _ => says(""),
    })
    .await;
    world.pass(minutes(50)).await;
    let ops = told(&world, "ops");
    let storm = |words: &str| {
        let found = ops.iter().find(|line| line.contains(words));
        found.unwrap_or_else(|| panic!("{words}: {ops:#?}")).clone()
    };
    // The second failure of each is told; they failed before.
    let told = storm("4 jobs fail since");
    assert!(told.starts_with("20 ") && told.contains("|08:10 UTC>: critical: no answer"), "{told}");
    assert!(told.ends_with("web-1"), "{told}");
    let end = storm("all 4 jobs are well again* after 30m");
    assert!(end.ends_with("web-1"), "{end}");
}

#[tokio::test(start_paused = true)]
async fn the_count_of_what_fails_now_and_then_is_raised_by_failures_that_last_and_by_those_of_the_night() {
    let job = "command = 'a'\nevery = '10m'\nnotify.quiet_hours = '08:55-09:30'\nnotify.flap = false\n\
               notify.intermittent = { incidents = 2, within = '24h' }";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
    let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 600 {
        0 | 2 | 3 | 7 => fails("no answer"),
        _ => says(""),
    })
    .await;
    world.pass(minutes(100)).await;
    let ops = told(&world, "ops");
    let edits = ops.iter().filter(|line| line.contains("Edit") && line.contains("now and then"));
    let edits: Vec<_> = edits.map(|line| line.split(" / ").next().unwrap_or_default().to_owned()).collect();
    let edit = |minute: u32, counts: &str| {
        format!("{minute} Edit :large_orange_circle: a fails now and then: {counts} since 08:00")
    };
    assert_eq!(edits.len(), 2, "{ops:#?}");
    assert!(edits[0].starts_with(&edit(40, "3 of 5 runs")), "{edits:#?}");
    assert!(edits[1].starts_with(&edit(90, "4 of 9 runs")), "{edits:#?}");
    let night = ops.iter().find(|line| line.contains("while it was quiet")).expect("a digest");
    assert!(night.starts_with("90 Reply "), "{night}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_makes_no_failure_longer_or_shorter() {
    let job = "command = 'a'\nevery = '10m'\nnotify.repeat = '30m'";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
    for by in [3 * 86_400, -3 * 86_400, 50 * 365 * 86_400] {
        let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 600 {
            1..=5 => fails("no answer"),
            _ => says(""),
        })
        .await;
        world.pass(minutes(15)).await;
        world.set_clock(by);
        world.pass(minutes(60)).await;
        let sent = world.slack.sent().into_iter().map(|sent| sent.text).collect::<Vec<_>>();
        for words in ["same failure, 4th time in 30m", "is well again after 50m, 5 failures"] {
            assert!(sent.iter().any(|text| text.contains(words)), "{by}: {words}: {sent:#?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn how_long_an_incident_lasted_is_counted_to_its_end_and_not_to_when_that_is_told() {
    let quiet = "command = 'a'\nevery = '10m'\nnotify.quiet_hours = '08:15-09:00'";
    let flaps = "command = 'a'\nevery = '10m'\nnotify.flap = { changes = 2, within = '35m' }";
    for (job, told_at) in [(quiet, "60 Edit"), (flaps, "55 Edit")] {
        let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
        let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 600 {
            1 => fails("boom"),
            _ => says(""),
        })
        .await;
        world.pass(minutes(62)).await;
        let ops = told(&world, "ops");
        let end = ops.iter().find(|line| line.starts_with(told_at)).unwrap_or_else(|| panic!("{ops:#?}"));
        assert!(end.contains("resolved after 10m (1 failure)"), "{job}: {ops:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_hangs_when_quiet_hours_end_is_told_as_that_with_no_fact_of_another_run() {
    let job = "command = 'a'\nevery = '3m'\n[notify]\nquiet_hours = '00:00-08:20'\non = ['failure', 'recovery']";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
    let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 180 {
        0 => says("all is well"),
        _ => says("").takes(60 * 60),
    })
    .await;
    world.pass(minutes(21)).await;
    let ops = told(&world, "ops");
    assert_eq!(ops.len(), 1, "{ops:#?}");
    let begin = "20 Open :red_circle: a critical: still running after 17m";
    assert!(ops[0].starts_with(begin) && ops[0].contains("5 due times"), "{ops:#?}");
    for fact in ["exit code", "all is well", "last run"] {
        assert!(!ops[0].contains(fact), "{fact}: {ops:#?}");
    }
}
