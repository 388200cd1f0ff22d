//! Shows that what is told of jobs that fail now and then, hang again and again or keep changing ends where it was told: alone
//! and in a storm, and whatever the settings are by then.

use crate::support::world::{World, fails, says};

use super::told::{CONF, MORNING, minutes, told};

/// These jobs, all alike; each fails in the turns of ten minutes that `act` says.
async fn world(job: &str, names: &[&str], act: impl Fn(&str, u64) -> bool + Send + 'static) -> World {
    let files = names.iter().map(|name| (format!("jobs.d/{name}.toml"), job));
    let files: Vec<_> = [("slack_alert.toml".to_owned(), CONF)].into_iter().chain(files).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    World::started(MORNING, &files, move |run, at| match act(run.job.as_str(), at.as_secs() / 600) {
        true => fails("db1 refused"),
        false => says(""),
    })
    .await
}

fn having<'t>(told: &'t [String], begin: &str, words: &str) -> Vec<&'t str> {
    told.iter().filter(|line| line.starts_with(begin) && line.contains(words)).map(String::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_jobs_that_fail_now_and_then_ends_when_they_are_well_and_says_when_they_fail_again() {
    let job = "command = 'a'\nevery = '10m'\nnotify.mention = '@here'";
    let names = ["a", "b", "c", "d"];
    let world = world(job, &names, |name, turn| matches!(turn, 1 | 3 | 5 | 30) || turn == 20 && name == "a").await;
    world.pass(minutes(65)).await;
    let ops = told(&world, "ops");
    assert_eq!(having(&ops, "60 Edit", "*all 4 jobs are well again* after 10m").len(), 1, "{ops:#?}");
    assert_eq!(having(&ops, "60 Broadcast", "all 4 jobs are well again").len(), 1, "{ops:#?}");
    // Long after the storm has ended one of them fails again, then all do: in the thread, and the message says so.
    world.pass(minutes(245)).await;
    let ops = told(&world, "ops");
    assert_eq!(having(&ops, "200 Edit", "*3 of 4 are well again*, 1 fails again").len(), 1, "{ops:#?}");
    assert_eq!(having(&ops, "200 Edit", "critical: db1 refused").len(), 1, "the cause stands there: {ops:#?}");
    assert_eq!(having(&ops, "210 Edit", "all 4 jobs are well again* after 10m").len(), 1, "{ops:#?}");
    let again =
        having(&ops, "300 Edit", "*4 jobs fail since <!date^1795438800^{time}|13:00 UTC>: critical: db1 refused*");
    assert!(!again.is_empty(), "{ops:#?}");
    let last = having(&ops, "310 Edit", "");
    assert!(last.last().is_some_and(|last| last.contains("all 4 jobs are well again* after 10m")), "{ops:#?}");
    let lone = |line: &&String| line.contains(" Edit :large_orange_circle: ");
    assert_eq!(ops.iter().filter(lone).count(), 0, "no count of one job takes the place of the storm: {ops:#?}");
    assert_eq!(having(&ops, "", " Broadcast ").len(), 3, "the end of each storm is shown once: {ops:#?}");
    // A day later it is over, and the message of the storm stays one of the storm.
    world.pass(minutes(26 * 60)).await;
    let ops = told(&world, "ops");
    let edits: Vec<_> = ops.iter().filter(|line| line.contains(" Edit ")).collect();
    assert!(edits.last().is_some_and(|last| last.contains("all 4 jobs are well again* after 10m")), "{edits:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_storm_in_which_one_job_fails_now_and_then_counts_right_who_is_well() {
    let job = "command = 'a'\nevery = '10m'\nnotify.flap = false";
    let world = world(job, &["a", "b", "c"], |name, turn| turn == 5 || name == "a" && matches!(turn, 1 | 3)).await;
    world.pass(minutes(75)).await;
    let ops = told(&world, "ops");
    assert_eq!(having(&ops, "60 Broadcast", "all 3 jobs are well again").len(), 1, "{ops:#?}");
    let edits = having(&ops, "60 Edit", "");
    assert!(edits.last().is_some_and(|last| last.contains("all 3 jobs are well again")), "{edits:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_incident_whose_thread_is_turned_off_meanwhile_ends_where_it_was_told() {
    let job = "command = 'a'\nevery = '10m'";
    let world = world(job, &["a"], |_, turn| matches!(turn, 1..=3)).await;
    world.pass(minutes(15)).await;
    world.file("jobs.d/a.toml", &format!("{job}\nnotify.thread = false"));
    world.reload().await;
    world.pass(minutes(30)).await;
    let ops = told(&world, "ops");
    assert_eq!(having(&ops, "40 Edit", "resolved after 30m (3 failures)").len(), 1, "{ops:#?}");
    assert_eq!(having(&ops, "40 Broadcast", "is well again").len(), 1, "{ops:#?}");
    // One that was told without a thread gets none.
    let flat = world_flat(job).await;
    flat.pass(minutes(15)).await;
    flat.file("jobs.d/a.toml", job);
    flat.reload().await;
    flat.pass(minutes(30)).await;
    let ops = told(&flat, "ops");
    assert!(ops.iter().all(|line| line.contains(" None ")) && ops.len() == 2, "{ops:#?}");
}

async fn world_flat(job: &str) -> World {
    world(&format!("{job}\nnotify.thread = false"), &["a"], |_, turn| matches!(turn, 1..=3)).await
}

#[tokio::test(start_paused = true)]
async fn good_news_of_a_job_that_fails_now_and_then_stands_by_itself_in_a_channel_of_its_own() {
    let job = "command = 'a'\nevery = '10m'\nnotify.channels = { critical = '#pager', ok = '#log' }";
    let world = world(job, &["a"], |_, turn| matches!(turn, 1 | 3 | 5 | 7 | 9)).await;
    world.pass(minutes(105)).await;
    let log = told(&world, "log");
    // The first two are no conversation yet.
    for at in [60, 80, 100] {
        assert_eq!(having(&log, &format!("{at} "), "").len(), 1, "{log:#?}");
        assert_eq!(having(&log, &format!("{at} None"), "is well again after 10m, 1 failure").len(), 1, "{log:#?}");
    }
    assert!(having(&log, "", "critical").is_empty() && having(&log, "", "now and then").is_empty(), "{log:#?}");
    let pager = told(&world, "pager");
    assert_eq!(having(&pager, "90 Edit", "a fails now and then: 5 of 9 runs").len(), 1, "{pager:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_failures_now_and_then_are_no_longer_asked_for_has_its_message_ended() {
    let job = "command = 'a'\nevery = '10m'";
    let world = world(job, &["a"], |_, turn| matches!(turn, 1 | 3 | 5)).await;
    world.pass(minutes(65)).await;
    world.file("jobs.d/a.toml", &format!("{job}\nnotify.intermittent = false"));
    world.reload().await;
    world.pass(minutes(10)).await;
    let ops = told(&world, "ops");
    assert_eq!(having(&ops, "70 Edit", "over: 3 of 6 runs failed").len(), 1, "{ops:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_no_longer_watched_for_flapping_is_not_said_to_be_steady() {
    let job = "command = 'a'\nevery = '10m'\nnotify.intermittent = false";
    let flaps = format!("{job}\nnotify.flap = {{ changes = 3, within = '1h' }}");
    let world = world(&flaps, &["a"], |_, turn| turn % 2 == 1 || turn >= 4).await;
    world.pass(minutes(45)).await;
    world.file("jobs.d/a.toml", &format!("{job}\nnotify.flap = false"));
    world.reload().await;
    world.pass(minutes(1)).await;
    let ops = told(&world, "ops");
    assert!(having(&ops, "", "steady again").is_empty(), "{ops:#?}");
    assert_eq!(
        having(&ops, "45 Broadcast", "no longer watched for changes of its status: critical now").len(),
        1,
        "{ops:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn hangs_from_the_third_on_are_one_conversation_whose_first_message_counts_them() {
    let job = "command = 'a'\nevery = '10m'\nnotify.mention = '@here'";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
    let world = World::started(MORNING, &files, |_, at| match (at.as_secs() / 600) % 6 {
        1 => says("").takes(35 * 60),
        _ => says(""),
    })
    .await;
    world.pass(minutes(4 * 60)).await;
    let ops = told(&world, "ops");
    let opens = ops.iter().filter(|line| line.contains(" Open ") && line.contains("still running after")).count();
    let ends =
        ops.iter().filter(|line| line.contains(" Edit ") && line.contains("ended after 35m, exit code 0")).count();
    assert_eq!((opens, ends), (3, 2), "{ops:#?}");
    // It says no longer that a run hangs once that has ended.
    assert_eq!(having(&ops, "165 Edit", "a fails now and then: 3 of 7 runs since 08:10").len(), 1, "{ops:#?}");
    assert_eq!(having(&ops, "220 Edit", "a fails now and then: 4 of 10 runs since 08:10").len(), 1, "{ops:#?}");
    assert_eq!(having(&ops, "220 Reply", "still running after 30m").len(), 1, "{ops:#?}");
    assert_eq!(having(&ops, "225 Reply", "ended after 35m, exit code 0").len(), 1, "{ops:#?}");
    let pings = ops.iter().filter(|line| line.contains("<!here>") && !line.contains(" Edit ")).count();
    assert_eq!(pings, 3, "{ops:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_ends_along_with_a_failure_of_a_conversation_ends_in_its_own_thread() {
    for on in ["['failure', 'recovery']", "['failure']"] {
        let job = format!("command = 'a'\nevery = '10m'\ndirectives = true\nnotify.flap = false\nnotify.on = {on}");
        let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job.as_str())];
        let world = World::started(MORNING, &files, |_, at| match at.as_secs() / 600 {
            1 | 3 | 5 | 7 | 9 => fails("db1 refused"),
            8 => fails("no space").keyed("disk"),
            _ => says(""),
        })
        .await;
        world.pass(minutes(105)).await;
        let ops = told(&world, "ops");
        let of_disk = "resolved after 20m (1 failure): a critical: no space";
        assert_eq!(having(&ops, "100 Edit", of_disk).len(), 1, "{on}: {ops:#?}");
        let replies = having(&ops, "100 Reply", "is well again after 20m, 1 failure").len();
        assert_eq!(replies, usize::from(on.contains("recovery")), "{on}: {ops:#?}");
        let counted = having(&ops, "100 Edit", "a fails now and then: 6 of 10 runs").len();
        assert_eq!(counted, 1, "the conversation goes on: {on}: {ops:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_thread_each_message_counts_how_often_a_job_fails_now_and_then() {
    let job = "command = 'a'\nevery = '10m'\nnotify.thread = false\nnotify.flap = false";
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
    for hangs in [5, 12] {
        let world = World::started(MORNING, &files, move |_, at| match at.as_secs() / 600 {
            turn if turn == hangs => says("").takes(35 * 60),
            1 | 3 | 5 | 12 => fails("db1 refused"),
            _ => says(""),
        })
        .await;
        world.pass(minutes(180)).await;
        let ops = told(&world, "ops");
        assert!(having(&ops, "", " None ").len() == ops.len() && ops.len() == 8, "{ops:#?}");
        let third = if hangs == 5 {
            "failed 3 of 5 runs since 08:10, intermittently"
        } else {
            "fails now and then: 3 of 5 runs"
        };
        assert!(ops[4].contains(third), "{ops:#?}");
        let still = if hangs == 5 { "4 of 9 runs" } else { "4 of 12 runs" };
        assert!(ops[6].contains(&format!("failed {still} since 08:10, intermittently")), "{ops:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_no_recovery_is_asked_for_an_edit_says_how_a_hang_of_a_conversation_ended() {
    let job = "command = 'a'\nevery = '10m'\nnotify.on = ['failure']\nnotify.flap = false";
    for opens in [true, false] {
        let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job)];
        let world = World::started(MORNING, &files, move |run, at| match at.as_secs() / 600 {
            1 | 3 => fails("db1 refused"),
            5 if !opens => fails("db1 refused"),
            5 | 12 => {
                *run.progress.last_output.lock().expect("nobody panics") = b"waiting for a lock\n".to_vec();
                says("").takes(35 * 60)
            }
            _ => says(""),
        })
        .await;
        world.pass(minutes(170)).await;
        let ops = told(&world, "ops");
        let edits = having(&ops, "155 Edit", "a fails now and then: 4 of 9 runs since 08:10");
        let edits =
            if opens { edits } else { having(&ops, "155 Edit", "a fails now and then: 4 of 12 runs since 08:10") };
        assert_eq!(edits.len(), 1, "{ops:#?}");
        assert!(edits[0].contains("the last ended after 35m, exit code 0"), "{ops:#?}");
        let cause = if opens {
            "still running after 30m (process 4000), 3 due times passed; last line: waiting for a lock"
        } else {
            "db1 refused"
        };
        assert!(edits[0].contains(cause), "what opened it stays: {ops:#?}");
        let first = having(&ops, "85 Edit", "a fails now and then: 3 of 5 runs");
        assert_eq!(first.len(), usize::from(opens), "{ops:#?}");
        assert_eq!(having(&ops, "", "Reply").len(), 1, "nothing but failures is told: {ops:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_steady_again_says_so_once_and_its_first_message_with_it() {
    for (turns_bad, after) in [(false, "ok"), (true, "critical")] {
        let files =
            [("slack_alert.toml", CONF), ("jobs.d/a.toml", "command = 'a'\nevery = '5m'\nnotify.mention = '@here'")];
        let world = World::started(MORNING, &files, move |_, at| match at.as_secs() / 300 {
            turn if turn < 24 && turn % 2 == 1 => fails("refused"),
            turn if turns_bad && turn >= 24 => fails("refused"),
            _ => says(""),
        })
        .await;
        world.pass(minutes(180)).await;
        let ops = told(&world, "ops");
        let steady: Vec<_> = ops.iter().filter(|line| line.contains("is steady again")).collect();
        assert!(steady.len() == 1 && steady[0].contains(after), "{ops:#?}");
        let at = steady[0].split(' ').next().unwrap_or_default();
        if turns_bad {
            assert!(!ops.iter().any(|line| line.contains("failures in a row since")), "told once: {ops:#?}");
        } else {
            assert_eq!(having(&ops, &format!("{at} Edit"), "fails now and then: 12 of").len(), 1, "{ops:#?}");
        }
    }
}
