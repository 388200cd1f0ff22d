//! Shows what is told where Slack lets no message be edited.

use slack_alert::message::Thread;
use slack_alert::notify::Fault;

use super::told::{CONF, MORNING, minutes, told};
use crate::support::notifier::{lasting, ok, passing};
use crate::support::world::{World, fails, says};

/// Slack refuses every edit.
fn takes_no_edit(world: &World, fault: Fault) {
    world.slack.play(move |delivery, _| match delivery.message.thread {
        Thread::Edit => lasting(fault),
        _ => ok(),
    });
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_single_failed_run_is_shown_in_the_channel_where_its_message_cannot_be_edited() {
    for fault in [Fault::Target, Fault::Refused, Fault::Message, Fault::Channel] {
        for on in ["'failure', 'recovery'", "'failure'"] {
            let job = format!("command = 'a'\nevery = '10m'\nnotify.on = [{on}]");
            let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job.as_str())];
            let world =
                World::started(MORNING, &files, |_, at| if at < minutes(5) { fails("boom") } else { says("") }).await;
            takes_no_edit(&world, fault);
            world.pass(minutes(25)).await;
            let ops = told(&world, "ops");
            // Within a minute, as all tries are made.
            let shown =
                ops.iter().filter(|line| line.starts_with("10 Broadcast ") && line.contains("is well again after 10m"));
            assert_eq!(shown.count(), 1, "{fault:?} {on}: {ops:#?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_incident_whose_end_slack_could_not_be_told_for_more_than_a_day_is_closed_when_slack_is_there() {
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", "command = 'a'\nevery = '1h'")];
    for failures in [1, 2] {
        let world = World::started(MORNING, &files, move |_, at| match at.as_secs() / 3_600 {
            hour if hour < failures => fails("boom"),
            _ => says(""),
        })
        .await;
        world.slack.play(|_, at| if minutes(70) < at && at < minutes(30 * 60) { passing() } else { ok() });
        // The first message is taken, and nothing after it for 29 hours.
        if failures == 1 {
            world.slack.play(|_, at| if minutes(5) < at && at < minutes(30 * 60) { passing() } else { ok() });
        }
        world.pass(minutes(31 * 60)).await;
        let ops = told(&world, "ops");
        let closed = ops.iter().filter(|line| line.contains(" Edit ") && line.contains("resolved after")).count();
        assert_eq!(closed, 1, "{failures}: {ops:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn that_nobody_watches_a_job_any_more_is_shown_in_the_channel_where_its_message_cannot_be_edited() {
    let files = [
        ("slack_alert.toml", CONF),
        ("jobs.d/a.toml", "command = 'a'\nevery = '10m'"),
        ("jobs.d/b.toml", "command = 'b'\nevery = '1h'"),
    ];
    let world = World::started(MORNING, &files, |run, _| match run.job.as_str() {
        "a" => fails("boom"),
        _ => says(""),
    })
    .await;
    takes_no_edit(&world, Fault::Target);
    world.pass(minutes(5)).await;
    world.remove("jobs.d/a.toml");
    world.reload().await;
    world.pass(minutes(5)).await;
    let ops = told(&world, "ops");
    assert!(ops[1].contains(" Broadcast ") && ops[1].contains("no longer watched since 08:05"), "{ops:#?}");
}

#[tokio::test(start_paused = true)]
async fn with_edits_alone_the_end_of_several_incidents_is_no_message() {
    let job = "command = 'a'\nevery = '10m'\ndirectives = true\nnotify.on = ['failure']";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
    let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 600 {
        0 => fails("boom").keyed("db"),
        1 => fails("full").keyed("disk"),
        _ => says(""),
    })
    .await;
    world.pass(minutes(25)).await;
    let ops = told(&world, "ops");
    let count = |thread: &str| ops.iter().filter(|line| line.contains(thread)).count();
    assert_eq!((count(" Open "), count(" Edit "), ops.len()), (2, 2, 4), "{ops:#?}");
}

#[tokio::test(start_paused = true)]
async fn jobs_that_join_a_storm_whose_message_cannot_be_edited_are_seen_in_the_channel_and_ping() {
    let jobs: Vec<(String, String)> = (0..7)
        .map(|n| (format!("jobs.d/j{n}.toml"), "command = 'x'\nevery = '1m'\nnotify.mention = '@here'".to_owned()))
        .collect();
    let mut files = vec![("slack_alert.toml", CONF)];
    files.extend(jobs.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    let world = World::started(MORNING, &files, |run, at| match run.job.as_str() {
        "j0" | "j1" | "j2" | "j3" => fails("no route"),
        _ if at >= minutes(2) => fails("no route"),
        _ => says(""),
    })
    .await;
    takes_no_edit(&world, Fault::Target);
    world.pass(minutes(4)).await;
    let ops = told(&world, "ops");
    let seen: Vec<&String> = ops.iter().filter(|line| !line.contains(" Reply ")).collect();
    for job in ["j4", "j5", "j6"] {
        let shown = seen.iter().filter(|line| line.contains(job) && line.contains("<!here>")).count();
        assert_eq!(shown, 1, "{job}: {ops:#?}");
    }
}
