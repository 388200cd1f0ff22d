//! Shows what a channel hears of several jobs that hang at one time, and of their ends.

use super::told::{CONF, MORNING, minutes, told};
use crate::support::world::{World, fails, says};

/// Five jobs, each five minutes; the run of the tenth minute goes on for that many minutes.
async fn world(job: &str, length: u64, ends_ok: bool) -> World {
    let job = format!("command = 'a'\nevery = '5m'\nnotify.mention = '@here'\n{job}");
    let files = ["a", "b", "c", "d", "e"].map(|name| (format!("jobs.d/{name}.toml"), job.as_str()));
    let files: Vec<_> = [("slack_alert.toml".to_owned(), CONF)].into_iter().chain(files).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    World::started(MORNING, &files, move |_, at| match at.as_secs() / 60 {
        10 if ends_ok => says("").takes(length * 60),
        10 => fails("stale handle").takes(length * 60),
        _ => says(""),
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_hang_that_ends_as_a_run_that_does_not_count_is_over_at_once_and_the_next_failure_is_another() {
    for job in ["", "notify.thread = false", "notify.on = ['failure']"] {
        let job = format!("command = 'a'\nevery = '5m'\nnotify.mention = '@here'\n{job}");
        let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job.as_str())];
        let world = World::started(MORNING, &files, move |_, at| match at.as_secs() / 60 {
            10 => says("the lock is held").takes(42 * 60).not_run(),
            90.. => fails("boom"),
            55.. => says("the lock is held").not_run(),
            _ => says(""),
        })
        .await;
        world.pass(minutes(53)).await;
        let ops = told(&world, "ops");
        assert!(ops[0].contains("<!here> :red_circle: a critical: still running after 15m"), "{ops:#?}");
        let end = ops.iter().find(|line| line.starts_with("52 ") && line.contains("ended after 42m")).expect("an end");
        let is_edit = end.contains(" Edit ");
        assert!(
            is_edit == job.contains("notify.on")
                && (is_edit || end.contains(":white_check_mark: a ended after 42m, exit code 0")),
            "{ops:#?}"
        );
        assert!(is_edit || end.contains("counts as not run"), "{ops:#?}");
        world.pass(minutes(40)).await;
        let ops = told(&world, "ops");
        let failure = ops.iter().find(|line| line.contains("a critical: boom")).expect("a failure");
        assert!(failure.starts_with("90 ") && failure.contains("<!here>") && !failure.contains("in a row"), "{ops:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_ends_the_hangs_of_a_storm_is_told_in_that_storm_and_is_no_other() {
    // Without a thread, and when nothing was visible in the channel for long, each end is shown there.
    for (job, length) in [("", 42), ("notify.thread = false", 42), ("notify.repeat = 'never'", 800)] {
        for ends_ok in [true, false] {
            let world = world(job, length, ends_ok).await;
            world.pass(minutes(length + 20)).await;
            let ops = told(&world, "ops");
            let shown: Vec<_> =
                ops.iter().filter(|line| line.contains(" None ") || line.contains(" Broadcast ")).collect();
            assert_eq!(shown.len(), 2, "{job} {ends_ok}: {ops:#?}");
            assert!(
                shown[0].contains("*5 jobs fail since") && shown[0].contains("still running after 15m"),
                "{ops:#?}"
            );
            assert!(shown[1].contains("*all 5 jobs are well again*"), "{job} {ends_ok}: {ops:#?}");
            let end = ops.iter().filter(|line| line.contains(" Reply ") && line.contains(" ended after ")).count();
            assert_eq!(end, 5, "each says how it ended: {job} {ends_ok}: {ops:#?}");
            let edit = ops.iter().any(|line| line.contains(" Edit ") && line.contains("5 jobs: ended after"));
            assert_eq!(edit, !ends_ok && !job.is_empty(), "{job} {ends_ok}: {ops:#?}");
        }
    }
}
