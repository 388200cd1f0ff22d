//! Shows what a channel hears when the quiet hours of several jobs are over: one message, and what follows in it.

use slack_alert::message::Thread;

use super::told::{CONF, minutes, told};
use crate::support::notifier::Sent;
use crate::support::world::{Act, World, fails, says};

/// An hour before the quiet hours.
const EVENING: &str = "2026-11-23T21:00:00Z";

const JOB: &str = "command = 'x'\nevery = '10m'\nnotify.quiet_hours = '22:00-07:00'\nnotify.mention = '@here'\n\
                   notify.intermittent = false";

const NEVER: &str = "notify.repeat = 'never'";

/// Jobs that fail at these hours, counted from the evening.
async fn world(conf: &str, more: &str, jobs: &'static [(&'static str, std::ops::Range<u64>)]) -> World {
    let job = format!("{JOB}\n{more}");
    let mut files = vec![("slack_alert.toml".to_owned(), conf.to_owned())];
    files.extend(jobs.iter().map(|(name, _)| (format!("jobs.d/{name}.toml"), job.clone())));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    World::started(EVENING, &files, move |run, at| -> Act {
        let hours = jobs.iter().find(|(name, _)| *name == run.job.as_str()).map(|(_, hours)| hours.clone());
        match hours.is_some_and(|hours| hours.contains(&(at.as_secs() / 3_600))) {
            true => fails(&format!("no {}", run.job.as_str())),
            false => says(""),
        }
    })
    .await
}

/// What stands in the channel: first messages, and replies that are shown there.
fn shown(world: &World) -> Vec<Sent> {
    let is_shown = |sent: &Sent| sent.taken && matches!(sent.thread, Thread::None | Thread::Open | Thread::Broadcast);
    world.slack.sent().into_iter().filter(is_shown).collect()
}

#[tokio::test(start_paused = true)]
async fn one_message_tells_what_happened_to_two_jobs_in_quiet_hours_and_follows_what_is_still_open() {
    let world = world(CONF, NEVER, &[("pg", 6..12), ("nightly", 4..5), ("well", 0..0)]).await;
    world.pass(minutes(10 * 60 + 5)).await;
    let all = shown(&world);
    assert_eq!(all.len(), 1, "{all:#?}");
    assert_eq!(
        all[0].text.lines().collect::<Vec<_>>(),
        [
            ":crescent_moon: while it was quiet (22:00–07:00): 2 incidents, 1 still open <!here>",
            ":red_circle: *pg* fails since 03:00 (24 failures): no pg",
            ":white_check_mark: *nightly* failed 01:00–02:00 (1h, 6 failures): no nightly; well since 02:00",
            "web-1",
        ]
    );
    world.pass(minutes(3 * 60)).await;
    let all = shown(&world);
    assert_eq!(all.len(), 2, "{all:#?}");
    assert!(all[1].text.starts_with(":large_green_circle: *pg* is well again after 6h"), "{all:#?}");
    let ops = told(&world, "ops");
    let edit = ops.iter().rfind(|line| line.contains(" Edit ")).expect("the message is edited");
    assert!(edit.contains("2 incidents, none open any more"), "{ops:#?}");
    assert!(edit.contains(":white_check_mark: *pg* failed from 03:00: no pg; well again"), "{ops:#?}");
    assert!(
        ops.iter().any(|line| line.contains(" Reply ") && line.contains("pg critical: no pg")),
        "its own message: {ops:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_incident_that_was_told_before_quiet_hours_keeps_its_thread_and_is_closed_there() {
    let world = world(CONF, "notify.repeat = '1h'", &[("old", 0..11), ("new", 5..12)]).await;
    world.pass(minutes(10 * 60 + 5)).await;
    let all = shown(&world);
    assert_eq!(all.len(), 2, "its first message, and that of the night: {all:#?}");
    assert!(all[1].text.contains("(22:00–07:00): 2 incidents, 2 still open"), "{all:#?}");
    world.pass(minutes(3 * 60)).await;
    let ops = told(&world, "ops");
    let edits: Vec<_> = ops.iter().filter(|line| line.contains(" Edit ")).collect();
    assert!(
        edits.iter().any(|line| line.contains("resolved after") && line.contains("old critical: no old")),
        "{ops:#?}"
    );
    assert!(edits.iter().any(|line| line.contains("2 incidents, 1 still open")), "{ops:#?}");
    assert!(edits.last().is_some_and(|line| line.contains("2 incidents, none open any more")), "{ops:#?}");
    let all = shown(&world);
    assert_eq!(all.len(), 3, "{all:#?}");
    assert!(all[2].text.contains("all 2 jobs that failed at the end of the quiet hours are well again"), "{all:#?}");
}

#[tokio::test(start_paused = true)]
async fn the_message_of_one_job_is_its_own_and_each_channel_hears_of_its_jobs() {
    let world = world(CONF, NEVER, &[("pg", 6..12), ("well", 0..0)]).await;
    world.pass(minutes(10 * 60 + 5)).await;
    let all = shown(&world);
    assert_eq!(all.len(), 1, "{all:#?}");
    let text = &all[0].text;
    let once = "pg critical: no pg; while it was quiet: since 03:00, 24 failures, failing still";
    assert!(text.contains(once) && text.matches("failure").count() == 1, "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_template_sees_the_json_of_the_last_run_when_quiet_hours_are_over() {
    let job = format!("{JOB}\n{NEVER}\nparse = 'json'\nfailure_template = 'n is {{{{ json.n }}}}'");
    let files = [("slack_alert.toml", CONF), ("jobs.d/q.toml", job.as_str())];
    let world = World::started("2026-11-23T22:05:00Z", &files, |_, _| fails("{\"n\": 5.0}")).await;
    world.pass(minutes(9 * 60)).await;
    let all = shown(&world);
    assert_eq!(all.len(), 1, "{all:#?}");
    assert!(all[0].text.contains("n is 5.0") && !all[0].text.contains("left out"), "{all:#?}");
}

#[tokio::test(start_paused = true)]
async fn without_threads_the_end_of_what_was_open_is_told_all_the_same() {
    let webhook =
        "slack = { webhook_url = 'https://hooks.example.com/services/x' }\nhost = 'web-1'\ntime_zone = 'UTC'\n";
    for (conf, more) in [(webhook, NEVER), (CONF, "notify.repeat = 'never'\nnotify.thread = false")] {
        let world = world(conf, more, &[("pg", 6..12), ("nightly", 4..5)]).await;
        world.pass(minutes(10 * 60 + 5)).await;
        let all = shown(&world);
        assert_eq!(all.len(), 1, "{all:#?}");
        assert!(all[0].text.contains("2 incidents, 1 still open"), "{all:#?}");
        world.pass(minutes(3 * 60)).await;
        let all = shown(&world);
        assert_eq!(all.len(), 2, "{all:#?}");
        assert!(all[1].text.contains("*pg* is well again after 6h"), "{all:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_took_long_in_quiet_hours_is_told_at_their_end() {
    let slow = format!("{JOB}\nnotify.slow.over = '5m'");
    let files = [("slack_alert.toml", CONF), ("jobs.d/a.toml", slow.as_str())];
    let world = World::started(EVENING, &files, |_, at| match at.as_secs() / 3_600 {
        3 if at.as_secs() % 3_600 < 600 => says("").takes(480),
        _ => says(""),
    })
    .await;
    world.pass(minutes(10 * 60 + 5)).await;
    let all = shown(&world);
    assert_eq!(all.len(), 1, "{all:#?}");
    let text = &all[0].text;
    assert!(text.starts_with(":large_yellow_circle: a while it was quiet: 00:08 slow: run "), "{text}");
    assert!(text.contains(" took 8m, longer than 5m"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waited_for_a_place_in_quiet_hours_is_told_at_their_end() {
    let conf = format!("{CONF}limits.max_running = 1\n");
    let pile = "command = 'x'\ncron = '30 22 * * *'\nnotify.on = []";
    let vital = "command = 'x'\ncron = '*/10 * * * *'\nnotify.quiet_hours = '22:00-07:00'";
    let files = [("slack_alert.toml", conf.as_str()), ("jobs.d/pile.toml", pile), ("jobs.d/vital.toml", vital)];
    let world = World::started(EVENING, &files, |run, _| match run.job.as_str() {
        "pile" => says("").takes(2 * 3_600),
        _ => says(""),
    })
    .await;
    world.pass(minutes(9 * 60)).await;
    assert!(shown(&world).is_empty(), "{:#?}", shown(&world));
    world.pass(minutes(65)).await;
    let all = shown(&world);
    assert_eq!(all.len(), 1, "{all:#?}");
    let text = &all[0].text;
    assert!(
        text.contains("while it was quiet: 22:") && text.contains(" starved: waited 2h for a free place"),
        "{text}"
    );
    assert!(text.contains("1 of 1 places are taken: 1 by pile"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn one_message_tells_what_happened_in_quiet_hours_however_many_jobs_there_are() {
    let job = "command = 'x'\ncron = '0 * * * *'\nnotify.quiet_hours = '22:00-07:00'\nnotify.intermittent = false";
    let mut files = vec![("slack_alert.toml".to_owned(), CONF.to_owned())];
    files.extend((0..150).map(|number| (format!("jobs.d/job{number:03}.toml"), job.to_owned())));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let world = World::started(EVENING, &files, |run, at| match at.as_secs() / 3_600 {
        3..=4 => fails(&format!("no {}", run.job.as_str())),
        _ => says(""),
    })
    .await;
    world.pass(minutes(10 * 60 + 30)).await;
    // It is too long for one, and knows of all that follow.
    let text = &shown(&world)[0].text;
    assert!(text.starts_with(":crescent_moon: while it was quiet (22:00–07:00): 59 incidents (and 91 more"), "{text}");
}
