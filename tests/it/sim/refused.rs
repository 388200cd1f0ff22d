//! Shows what becomes of the alerts of a job that keeps failing while Slack refuses its messages with a code that is not known
//! here: they are made more and more seldom, and of an incident one is left.

use slack_alert::message::Thread;
use slack_alert::notify::Fault;

use super::told::{CONF, MORNING, minutes, told};
use crate::support::notifier::{lasting, ok};
use crate::support::world::{World, fails, says};

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
        let most = if job.contains("always") { 4 } else { 1 };
        assert!((1..=most).contains(&of_job), "{job}: {dead:#?}");
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
