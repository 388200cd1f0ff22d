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
