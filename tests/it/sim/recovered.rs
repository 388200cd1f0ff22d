//! Shows that the run that ends an incident is told as any other good news, once: what it printed is in its recovery, or in a message
//! of its own where people see no recovery.

use super::told::{CONF, MORNING, minutes, told};
use crate::support::world::{World, fails, says};

/// What the channels `#ops` and `#pager` are told when a job that fails for so many turns of ten minutes prints something again.
async fn after_failures(turns: u64, job: &str) -> [Vec<String>; 2] {
    let job = format!("command = 'a'\nevery = '10m'\n{job}");
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", job.as_str())];
    let world = World::started(MORNING, &files, move |_, at| match at.as_secs() / 600 {
        0 => says(""),
        turn if turn <= turns => fails("disk full"),
        turn if turn == turns + 1 => says("42 files copied"),
        _ => says(""),
    })
    .await;
    world.pass(minutes(60)).await;
    ["ops", "pager"].map(|channel| told(&world, channel))
}

fn with<'t>(told: &'t [String], words: &str) -> Vec<&'t str> {
    told.iter().filter(|line| line.contains(words)).map(String::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn a_recovery_that_the_channel_sees_shows_what_the_run_printed() {
    for (job, shown) in [
        ("", "```42 files copied```"),
        ("template = ':floppy_disk: {{ stdout }}'", ":floppy_disk: 42 files copied"),
        ("notify.on = ['failure', 'recovery', 'success']", "```42 files copied```"),
        ("notify.thread = false", "```42 files copied```"),
    ] {
        let [ops, _] = after_failures(2, job).await;
        let news: Vec<String> = with(&ops, "42 files").iter().map(|line| line.replace(" / ", "")).collect();
        assert!(news.len() == 1 && news[0].contains("well again") && news[0].contains(shown), "{job}: {ops:#?}");
        assert!(news[0].contains(" Broadcast ") || news[0].contains(" None "), "{job}: {ops:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_result_of_the_run_after_a_single_failure_is_a_message_of_its_own() {
    for (job, shown) in
        [("", "a 42 files copied"), ("template = ':floppy_disk: {{ stdout }}'", ":floppy_disk: 42 files copied")]
    {
        let [ops, _] = after_failures(1, job).await;
        let news = with(&ops, "42 files");
        assert!(news.len() == 1 && news[0].starts_with("20 None ") && news[0].contains(shown), "{job}: {ops:#?}");
        assert_eq!(with(&ops, "20 Edit").len() + with(&ops, "20 Reply").len(), 2, "{job}: {ops:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_result_is_told_where_good_news_is_told_though_the_incident_was_told_elsewhere() {
    let [ops, pager] = after_failures(2, "notify.channels = { critical = '#pager' }").await;
    assert!(ops.len() == 1 && ops[0].starts_with("30 None ") && ops[0].contains("a 42 files copied"), "{ops:#?}");
    assert!(with(&pager, "well again").len() == 1 && with(&pager, "42 files").is_empty(), "{pager:#?}");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_ask_for_output_is_told_of_none() {
    for turns in [1, 2] {
        let [ops, _] = after_failures(turns, "notify.on = ['failure', 'recovery']").await;
        assert!(with(&ops, "42 files").is_empty() && with(&ops, "well again").len() == 1, "{ops:#?}");
    }
}
