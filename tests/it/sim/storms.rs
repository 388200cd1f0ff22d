//! Shows what a storm says of jobs of which nothing is told in its channel: it never says that all are well when they are not, nor
//! that one fails which is well.

use std::time::Duration;

use slack_alert::exec::{Run, Status};

use super::told::{CONF, MORNING, minutes, told};
use crate::support::world::{Act, World, fails, says};

/// What a run does.
type Script = fn() -> Act;

/// An hour of silence after it.
fn silent() -> Act {
    Act { silence: Some(Duration::from_secs(3_600)), ..says("") }
}

fn slow() -> Act {
    Act { status: Status::Warning, ..says("db1 is slow") }
}

fn refused() -> Act {
    fails("db1 refused")
}

/// Four jobs with these settings. All fail in the first two turns of ten minutes, three of them in the third too, and `a` again in
/// the fourth.
async fn world(job: &str, well: Script, again: Script) -> World {
    let job = format!("command = 'x'\nevery = '10m'\nnotify.flap = false\n{job}");
    let files = ["a", "b", "c", "d"].map(|name| (format!("jobs.d/{name}.toml"), job.as_str()));
    let files: Vec<_> = [("slack_alert.toml".to_owned(), CONF)].into_iter().chain(files).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    World::started(MORNING, &files, move |run, at| match (run.job.as_str(), at.as_secs() / 600) {
        (_, 1 | 2) | ("b" | "c" | "d", 3) => refused(),
        ("a", 3) => well(),
        ("a", 4) => again(),
        _ => says(""),
    })
    .await
}

/// What the channel is told of who is well again, from a minute on.
fn of_ends(world: &World, from: u64) -> Vec<String> {
    let minute = |line: &str| line.split(' ').next().and_then(|minute| minute.parse::<u64>().ok());
    let mut all = told(world, "ops");
    all.retain(|line| {
        minute(line).is_some_and(|minute| minute >= from) && (line.contains("of 4") || line.contains("all 4"))
    });
    all
}

#[tokio::test(start_paused = true)]
async fn a_storm_is_not_over_while_one_of_its_jobs_fails_of_which_the_channel_is_not_told() {
    // Below `after`, silenced, and told in another channel.
    let cases: [(&str, Script, Script); 3] = [
        ("notify.after = 2", || says(""), refused),
        ("", silent, refused),
        ("notify.channels = { warning = '#log' }", || says(""), slow),
    ];
    for (job, well, again) in cases {
        let mut world = world(job, well, again).await;
        world.pass(minutes(45)).await;
        let ops = of_ends(&world, 40);
        let last = ops.last().unwrap_or_else(|| panic!("{job}: {:#?}", told(&world, "ops")));
        assert!(
            last.contains("40 Edit :") && last.contains("*3 of 4 are well again*, 1 fails again"),
            "{job}: {ops:#?}"
        );
        assert!(last.contains("*a*") && last.contains("a · _fails again_"), "it is named: {job}: {ops:#?}");
        assert!(!ops.iter().any(|line| line.contains("all 4 jobs")), "{job}: {ops:#?}");
        world.stop().await;
        world.start().await;
        world.pass(minutes(60)).await;
        let ops = of_ends(&world, 50);
        let end = |line: &&String| line.contains("*all 4 jobs are well again* after 40m");
        assert_eq!(ops.iter().filter(end).count(), 2, "the edit and the end, once: {job}: {ops:#?}");
        assert!(ops.iter().filter(end).all(|line| line.starts_with("50 ")), "{job}: {ops:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_failed_in_quiet_hours_is_not_over_while_one_job_fails_in_silence() {
    let world = world("notify.quiet_hours = '08:00-08:25'", silent, refused).await;
    world.pass(minutes(45)).await;
    let sent = told(&world, "ops");
    let edit = sent.iter().rfind(|line| line.contains(" Edit ")).expect("the message of the night is edited");
    assert!(edit.contains("4 incidents, 1 still open") && edit.contains("*a* failed from 08:10"), "{sent:#?}");
    assert!(edit.contains("fails again"), "{sent:#?}");
    assert!(!sent.iter().any(|line| line.contains("all 4 jobs")), "{sent:#?}");
    world.pass(minutes(10)).await;
    let ops = of_ends(&world, 50);
    let end = "all 4 jobs that failed at the end of the quiet hours are well again after 40m";
    assert_eq!(ops.iter().filter(|line| line.contains(end)).count(), 1, "{ops:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_storm_ends_without_a_job_that_failed_in_silence_and_is_removed() {
    let world = world("", silent, refused).await;
    world.pass(minutes(45)).await;
    world.remove("jobs.d/a.toml");
    world.reload().await;
    world.pass(minutes(2)).await;
    let ops = of_ends(&world, 45);
    let end = "*3 of 4 are well again, 1 is no longer watched*";
    assert_eq!(ops.iter().filter(|line| line.contains(end)).count(), 2, "{ops:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_storm_says_of_no_job_that_is_well_that_it_fails_though_its_recovery_is_kept_back() {
    // `a` is silenced by its second failure; or it flaps, and changes no more.
    let silenced = |run: &Run, at: Duration| match (run.job.as_str(), at.as_secs() / 600) {
        ("a", 2) => Act { silence: Some(Duration::from_secs(7_200)), ..refused() },
        (_, 1 | 2) => refused(),
        _ => says(""),
    };
    let flaps = |run: &Run, at: Duration| match (run.job.as_str(), at.as_secs() / 600) {
        ("a", 2) => says(""),
        (_, 1..=3) => refused(),
        _ => says(""),
    };
    type Runs = fn(&Run, Duration) -> Act;
    let cases: [(&str, Runs, u64); 2] =
        [("notify.flap = false", silenced, 30), ("notify.flap = { changes = 3, within = '2h' }", flaps, 40)];
    for (flap, runs, end) in cases {
        let job = format!("command = 'x'\nevery = '10m'\n{flap}");
        let files = ["a", "b", "c", "d"].map(|name| (format!("jobs.d/{name}.toml"), job.as_str()));
        let files: Vec<_> = [("slack_alert.toml".to_owned(), CONF)].into_iter().chain(files).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let world = World::started(MORNING, &files, runs).await;
        world.pass(minutes(200)).await;
        let ops = of_ends(&world, 11);
        let told = ops.iter().rfind(|line| line.contains(" Edit :")).expect("it is edited");
        let words = format!("*all 4 jobs are well again* after {}m", end - 10);
        assert!(told.contains(&words) && told.starts_with(&end.to_string()), "{flap}: {ops:#?}");
        let ends: Vec<_> = ops.iter().filter(|line| line.contains("Broadcast") && line.contains("all 4")).collect();
        assert!(ends.len() == 1 && ends[0].contains(&words), "{flap}: {ops:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_storm_of_jobs_whose_recoveries_nobody_asks_for_is_a_silent_edit() {
    for thread in [true, false] {
        let job = format!("notify.on = ['failure']\nnotify.thread = {thread}");
        let world = world(&job, || says(""), || says("")).await;
        world.pass(minutes(60)).await;
        let ops = of_ends(&world, 20);
        assert!(ops.iter().all(|line| line.contains(" Edit :")), "{thread}: {ops:#?}");
        assert!(
            ops.last().is_some_and(|line| line.contains("*all 4 jobs are well again* after 30m")),
            "{thread}: {ops:#?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_storm_in_quiet_hours_waits_for_their_end_though_its_message_says_it() {
    let world = world("notify.quiet_hours = '08:25-09:00'", || says(""), || says("")).await;
    world.pass(minutes(59)).await;
    let ops = of_ends(&world, 26);
    assert!(!ops.is_empty() && ops.iter().all(|line| line.contains(" Edit :")), "{ops:#?}");
    assert!(ops.last().is_some_and(|line| line.contains("*all 4 jobs are well again* after 30m")), "{ops:#?}");
    world.pass(minutes(10)).await;
    let ops = of_ends(&world, 60);
    let ends: Vec<_> = ops.iter().filter(|line| line.contains("Broadcast")).collect();
    assert!(ends.len() == 1 && ends[0].contains("*all 4 jobs are well again* after 30m"), "{ops:#?}");
}
