//! Shows what ends that somebody has an incident, wherever the message about that has to wait.

use slack_alert::api::HoldKind;
use slack_alert::exec::Status;
use slack_alert::message::Thread;

use super::holds::{hold, status};
use super::told::{MORNING, minutes};
use crate::support::world::{Act, World, fails};

const JOB: &str = "command = 'a'\nevery = '10m'\nnotify.mention = '@here'\nnotify.intermittent = false\n";

fn warns(text: &str) -> Act {
    Act { status: Status::Warning, ..fails(text) }
}

/// A job that warns from 08:00, of which somebody takes the incident at 08:05, and which comes to something else at 08:20.
async fn taken(more: &str, then: fn() -> Act) -> World {
    let text = format!("{JOB}{more}");
    let conf = "slack = { token = 'xoxb-1', channel = '#ops' }\nhost = 'web-1'\ntime_zone = 'UTC'\n";
    let files = [("slack_alert.toml", conf), ("jobs.d/a.toml", text.as_str())];
    let world = World::started(MORNING, &files, move |_, at| match at.as_secs() / 600 {
        ..2 => warns("disk full"),
        _ => then(),
    })
    .await;
    world.pass(minutes(5)).await;
    hold(&world, HoldKind::Ack, "a", None).await;
    world
}

/// What pings, and what says that it fails differently, each with its minute.
fn told(world: &World) -> Vec<String> {
    let sent = world.slack.sent();
    let is_news = |text: &str| text.contains("<!here>") || text.contains("differently");
    let news = sent.iter().filter(|sent| sent.thread != Thread::Edit && is_news(&sent.text));
    news.map(|sent| format!("{} {:?}", sent.at.as_secs() / 60, sent.thread)).collect()
}

async fn has_it(world: &World) -> bool {
    status(world).await.incidents.iter().any(|incident| incident.ack.is_some())
}

#[tokio::test(start_paused = true)]
async fn what_gets_worse_or_fails_differently_in_a_silence_is_nobodys_any_more_and_is_told_at_its_end() {
    let worse = || fails("disk full");
    let other = || warns("no network");
    let same = || warns("disk full");
    for (then, news) in [(worse as fn() -> Act, Some("35 Broadcast")), (other, Some("35 Reply")), (same, None)] {
        let expected = news.is_some();
        let world = taken("", then).await;
        hold(&world, HoldKind::Silence, "a", Some(30)).await;
        world.pass(minutes(20)).await;
        assert_eq!(told(&world), [""; 0], "it is silenced");
        assert_eq!(has_it(&world).await, !expected);
        let history = world.history().await;
        let next = history.first().and_then(|row| row.decision.until()).map(|at| at.to_string()[11..16].to_owned());
        assert_eq!(next.as_deref() == Some("08:35"), expected, "the history says when: {next:?}");
        world.pass(minutes(20)).await;
        assert_eq!(told(&world), news.into_iter().collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn what_gets_worse_in_quiet_hours_pings_at_their_end_and_is_nobodys_any_more() {
    // It was told before, or waits since its first failure.
    for hours in ["08:10-09:00", "07:00-09:00"] {
        let more = format!("notify.quiet_hours = '{hours}'");
        for (then, expected) in [((|| fails("disk full")) as fn() -> Act, true), (|| warns("disk full"), false)] {
            let world = taken(&more, then).await;
            world.pass(minutes(20)).await;
            assert_eq!(has_it(&world).await, !expected, "{hours}");
            world.pass(minutes(40)).await;
            let is_at_the_end = told(&world).iter().map(|line| line.starts_with("60 ")).collect::<Vec<_>>();
            assert_eq!(is_at_the_end, vec![true; usize::from(expected)], "{hours}");
            assert_eq!(has_it(&world).await, !expected, "{hours}");
        }
    }
}
