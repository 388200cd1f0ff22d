//! Jobs that only `wrap` has named: they are remembered, and forgotten when nobody tells of them any more.

use std::time::Duration;

use slack_alert::daemon::{Reply, Request};
use slack_alert::exec::{Ending, Output};
use slack_alert::id::JobName;
use slack_alert::store::spool::{End, ExpectedEvery, Report};

use crate::support::world::World;

const MORNING: &str = "2026-11-23T08:00:00Z";
const DAY: Duration = Duration::from_secs(86_400);

/// A run that `wrap` reports: it began and ended so many days before the morning.
fn report(job: &str, days: i64, code: i32, expect: Option<ExpectedEvery>) -> Request {
    let morning: jiff::Timestamp = MORNING.parse().expect("a time");
    let at = morning - jiff::SignedDuration::from_hours(24 * days);
    let begun = Report::begun(JobName::new(job), "command".to_owned(), 1, at);
    let end = End::new(at, Ending::Exited { code }, &Output::default());
    Request::RunEnded(Box::new(Report { expect, end: Some(end), ..begun }))
}

#[tokio::test(start_paused = true)]
async fn the_time_that_a_report_waited_for_the_daemon_is_none_of_the_commands() {
    let config = "slack.channel = '#ops'\nhost = 'web-1'\ntime_zone = 'UTC'\n";
    let mut world = World::new(MORNING, &[("slack_alert.toml", config)]);
    world.spawner.play(|_, _| unreachable!("the daemon starts nothing"));
    world.start().await;
    let at: jiff::Timestamp = MORNING.parse().expect("a time");
    let began = at - jiff::SignedDuration::from_millis(131);
    let begun = Report::begun(JobName::new("date"), "date".to_owned(), 1, began);
    let mut end = End::new(at, Ending::Exited { code: 0 }, &Output::default());
    end.took = Some(Duration::from_millis(3));
    world.ask(Request::RunEnded(Box::new(Report { end: Some(end), ..begun }))).await;
    let rows = world.history().await;
    assert_eq!((rows[0].took, rows[0].finished), (Duration::from_millis(3), at));
}

async fn names(world: &World) -> Vec<String> {
    match world.ask(Request::Names).await {
        Reply::Names(names) => {
            let mut names: Vec<_> = names.iter().map(ToString::to_string).collect();
            names.sort();
            names
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_without_a_file_is_forgotten_when_nobody_reports_or_expects_it() {
    let config = "slack.channel = '#ops'\nhost = 'web-1'\ntime_zone = 'UTC'\n";
    let mut world = World::new(MORNING, &[("slack_alert.toml", config)]);
    world.spawner.play(|_, _| unreachable!("the daemon starts nothing"));
    world.start().await;
    let daily = Some(ExpectedEvery { every: DAY, grace: DAY });
    for (job, days, code, expect) in [
        ("wrap/nosuchprogram", 99, 127, None),
        ("yearly", 97, 0, None),
        ("quarterly", 50, 0, None),
        ("daily", 99, 0, daily),
    ] {
        world.ask(report(job, days, code, expect)).await;
    }
    assert_eq!(names(&world).await, ["daily", "quarterly", "wrap/nosuchprogram", "yearly"]);
    world.pass(DAY * 2).await;
    world.ask(report("other", 0, 0, None)).await;
    // The alert that a daily run is missing goes on.
    assert_eq!(names(&world).await, ["daily", "other", "quarterly", "yearly"]);
    world.stop().await;
    world.start().await;
    assert_eq!(names(&world).await, ["daily", "other", "quarterly", "yearly"], "the next daemon knows no more");
    world.stop().await;
    world.pass(DAY * 2).await;
    world.start().await;
    assert_eq!(names(&world).await, ["daily", "other", "quarterly"], "what became old while no daemon ran");
}
