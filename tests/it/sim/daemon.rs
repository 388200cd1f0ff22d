//! Shows what the daemon does in time, as transcripts of what ran and what was said: schedules, overlap, limits, hours,
//! clocks, reloads, crashes and stops. Time is paused; commands and Slack are scripts; everything else is real.

use std::time::Duration;

use slack_alert::daemon::{Order, Parting};
use slack_alert::exec::{Status, Stop};

use crate::support::world::{Act, World, fails, says};

const MORNING: &str = "2026-11-23T08:00:00Z";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn hours(hours: u64) -> Duration {
    seconds(hours * 3600)
}

/// The Python tool's example: every 2 s, three alerts, a pause of 60 minutes, for a day.
async fn three_and_a_pause(mut world: World) {
    world.start().await;
    world.pass(hours(24) - seconds(1)).await;
    let messages = world.messages();
    let start: jiff::Timestamp = MORNING.parse().expect("a time");
    let mut expected = Vec::new();
    // A burst is 4 s long, and its pause counts from its last run.
    for burst in 0..24 {
        for (at, more) in [(0, ""), (2, ""), (4, " / pauses for 1h after this message")] {
            let at = slack_alert::clock::shift(start, seconds(burst * 3604 + at)).to_string();
            expected.push(format!("{} #ops movie{more}", &at[11..19]));
        }
    }
    assert_eq!(messages.len(), 72);
    assert_eq!(messages, expected);
    assert_eq!(world.spawner.ran().len(), 72);
}

#[tokio::test(start_paused = true)]
async fn every_2_s_three_alerts_then_a_pause_of_an_hour_for_a_day() {
    let job = "command = 'a'\nburst = { every = '2s', alerts = 3, pause = '60m' }\ntemplate = '{{ stdout }}'";
    let world = World::new(MORNING, &[("jobs.d/movie.toml", job)]);
    world.spawner.play(|_, _| says("movie"));
    three_and_a_pause(world).await;
}

#[tokio::test(start_paused = true)]
async fn the_old_options_make_the_same_of_a_plain_interval() {
    let job = "command = 'a'\nevery = '2s'\ntemplate = '{{ stdout }}'";
    let mut world = World::new(MORNING, &[("jobs.d/movie.toml", job)]);
    world.options.max_alert = Some((3, seconds(3600)));
    world.spawner.play(|_, _| says("movie"));
    three_and_a_pause(world).await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_counts_what_is_sent_and_a_restart_in_its_pause_or_its_middle_keeps_its_place() {
    let job = "command = 'a'\nburst = { every = '10s', alerts = 3, pause = '1h' }\ntemplate = '{{ stdout }}'";
    // It has something to say each 30 s only.
    let talks = |at: Duration| if at.as_secs().is_multiple_of(30) { says("hm") } else { says("") };
    let mut world = World::started(MORNING, &[("jobs.d/a.toml", job)], move |_, at| talks(at)).await;
    world.pass(seconds(35)).await;
    world.stop().await;
    world.start().await;
    world.pass(seconds(65)).await;
    world.stop().await;
    world.pass(seconds(600)).await;
    world.start().await;
    world.pass(hours(1) - seconds(590)).await;
    assert_eq!(
        world.messages(),
        [
            "08:00:00 #ops hm",
            "08:00:30 #ops hm",
            "08:01:00 #ops hm / pauses for 1h after this message",
            "09:01:00 #ops hm",
            "09:01:30 #ops hm"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn due_while_the_last_run_still_goes() {
    for (overlap, expected) in [
        ("skip", &["08:00:00-08:00:25 a", "08:00:30-08:00:55 a", "08:01:00-… a"][..]),
        ("queue", &["08:00:00-08:00:25 a", "08:00:25-08:00:50 a", "08:00:50-… a"]),
        (
            "allow",
            &[
                "08:00:00-08:00:25 a",
                "08:00:10-08:00:35 a",
                "08:00:20-08:00:45 a",
                "08:00:30-08:00:55 a",
                "08:00:40-08:01:05 a",
                "08:00:50-… a",
                "08:01:00-… a",
            ],
        ),
        (
            "replace",
            &[
                "08:00:00-08:00:10 a",
                "08:00:10-08:00:20 a",
                "08:00:20-08:00:30 a",
                "08:00:30-08:00:40 a",
                "08:00:40-08:00:50 a",
                "08:00:50-08:01:00 a",
                "08:01:00-… a",
            ],
        ),
    ] {
        let job = format!("command = 'a'\nevery = '10s'\noverlap = '{overlap}'\nnotify.stuck_after = 0");
        let mut world = World::started(MORNING, &[("jobs.d/a.toml", &job)], |_, _| says("").takes(25)).await;
        world.pass(seconds(66)).await;
        assert_eq!(world.runs(), expected, "{overlap}");
        assert!(world.messages().is_empty(), "a run that was replaced is no failure: {:?}", world.messages());
        world.crash().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_by_itself_in_the_moment_it_is_replaced_is_heard() {
    let job = "command = 'a'\nevery = '10s'\noverlap = 'replace'";
    // Told to stop at 10 s, it ignores that and has its say at 12 s.
    let world = World::started(MORNING, &[("jobs.d/a.toml", job)], |_, at| match at.as_secs() {
        0 => says("last words").takes(12).deaf(60),
        _ => says(""),
    })
    .await;
    world.pass(seconds(25)).await;
    assert_eq!(world.runs(), ["08:00:00-08:00:12 a", "08:00:12 a", "08:00:20 a"]);
    assert_eq!(world.messages().len(), 1, "{:?}", world.messages());
    assert!(world.messages()[0].contains("last words"));
}

#[tokio::test(start_paused = true)]
async fn more_runs_than_there_is_room_for_wait_their_turn_the_oldest_due_first() {
    let conf = "limits.max_running = 2\nslack.channel = '#ops'";
    let job = |every: &str| format!("command = 'a'\nevery = '{every}'\nfirst_run = 'wait'");
    let jobs = ["40s", "30s", "20s", "10s"].map(job);
    let files = [
        ("slack_alert.toml", conf),
        ("jobs.d/a.toml", &*jobs[0]),
        ("jobs.d/b.toml", &*jobs[1]),
        ("jobs.d/c.toml", &*jobs[2]),
        ("jobs.d/d.toml", &*jobs[3]),
    ];
    let mut world = World::started(MORNING, &files, |_, _| says("").takes(35)).await;
    world.pass(seconds(75)).await;
    assert_eq!(world.runs(), ["08:00:10-08:00:45 d", "08:00:20-08:00:55 c", "08:00:45-… b", "08:00:55-… a"]);
    assert!(world.spawner.ran()[2].run.scheduled.to_string().ends_with("08:00:30Z"));
    // Only `d` hangs for longer than three of its due times.
    assert!(world.messages().iter().all(|line| line.contains(" d is stuck")), "{:?}", world.messages());
    world.crash().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_waits_for_its_turn_is_not_stuck_and_what_passed_meanwhile_is_one_run() {
    let conf = "limits.max_running = 1\nslack.channel = '#ops'";
    for overlap in ["skip", "queue", "replace"] {
        let job = format!("command = 'a'\nevery = '1m'\nfirst_run = 'wait'\noverlap = '{overlap}'");
        let hog = "command = 'a'\nevery = '1d'";
        let files = [("slack_alert.toml", conf), ("jobs.d/hog.toml", hog), ("jobs.d/w.toml", &*job)];
        let script =
            |run: &slack_alert::exec::Run, _| if run.job.as_str() == "hog" { says("").takes(1230) } else { says("") };
        let mut world = World::started(MORNING, &files, script).await;
        world.pass(seconds(1290)).await;
        assert_eq!(world.runs(), ["08:00:00-08:20:30 hog", "08:20:30 w", "08:21:00 w"], "{overlap}");
        assert!(world.messages().is_empty(), "{:?}", world.messages());
        world.crash().await;
    }
}

#[tokio::test(start_paused = true)]
async fn with_allow_too_what_waits_for_room_is_one_run() {
    let conf = "limits.max_running = 1\nslack.channel = '#ops'";
    let job = "command = 'a'\nevery = '1s'\noverlap = 'allow'";
    let mut world =
        World::started(MORNING, &[("slack_alert.toml", conf), ("jobs.d/a.toml", job)], |_, _| says("").takes(3600))
            .await;
    world.pass(hours(2) - seconds(1)).await;
    assert_eq!(world.runs(), ["08:00:00-09:00:00 a", "09:00:00-… a"]);
    world.crash().await;
}

/// Where a zone's clock is set on a night, working hours follow the wall.
#[tokio::test(start_paused = true)]
async fn working_hours_on_the_two_nights_that_the_clock_is_set() {
    let job = "command = 'a'\nevery = '30m'\nworking_hours = '01:00-04:00'\ntime_zone = 'Europe/Berlin'";
    for (start, expected) in [
        // 02:00 CET becomes 03:00 CEST: two hours of the three exist. 01:00 CET is 00:00 UTC.
        ("2026-03-28T23:00:00Z", vec!["00:00:00 a", "00:30:00 a", "01:00:00 a", "01:30:00 a"]),
        // 03:00 CEST becomes 02:00 CET: there are four hours. 01:00 CEST is 23:00 UTC.
        (
            "2026-10-24T22:00:00Z",
            vec![
                "23:00:00 a",
                "23:30:00 a",
                "00:00:00 a",
                "00:30:00 a",
                "01:00:00 a",
                "01:30:00 a",
                "02:00:00 a",
                "02:30:00 a",
            ],
        ),
    ] {
        let mut world = World::started(start, &[("jobs.d/a.toml", job)], |_, _| says("")).await;
        world.pass(hours(10)).await;
        assert_eq!(world.runs(), expected, "{start}");
        world.crash().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_turn_comes_after_its_hours_does_not_run_and_the_next_day_is_as_any_other() {
    let conf = "limits.max_running = 1\nslack.channel = '#ops'";
    for (from, next_day) in [("start", "08:58:00 b"), ("finish", "08:59:00 b")] {
        let late = format!("command = 'a'\nevery = '1h'\nworking_hours = '08:00-09:30'\nevery_from = '{from}'");
        let files = [
            ("slack_alert.toml", conf),
            ("jobs.d/a-long.toml", "command = 'a'\ncron = '59 7 * * *'"),
            ("jobs.d/b.toml", &late),
        ];
        let mut world = World::started("2026-11-23T07:58:00Z", &files, |run, at| match run.job.as_str() {
            "b" => says(""),
            _ if at < seconds(3600) => says("").takes(7200),
            _ => says(""),
        })
        .await;
        world.pass(hours(26)).await;
        let runs: Vec<String> = world.runs().into_iter().filter(|line| line.ends_with(" b")).collect();
        assert_eq!(runs, [next_day], "{from}");
        world.crash().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_makes_up_with_one_run_and_keeps_the_grid() {
    let files =
        [("jobs.d/a.toml", "command = 'a'\nevery = '10m'"), ("jobs.d/c.toml", "command = 'a'\ncron = '*/15 * * * *'")];
    let world = World::started(MORNING, &files, |_, _| says("")).await;
    world.pass(seconds(25 * 60)).await;
    world.clock.suspend(hours(2) + seconds(90));
    world.pass(seconds(15 * 60)).await;
    let runs = world.runs();
    assert_eq!(
        runs[..6],
        ["08:00:00 a", "08:10:00 a", "08:15:00 c", "08:20:00 a", "10:26:50 c", "10:26:50 a"][..],
        "{runs:?}"
    );
    assert_eq!(runs[6..], ["10:30:00 a", "10:30:00 c", "10:40:00 a"][..], "{runs:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_is_set_moves_calendars_and_no_interval() {
    let files =
        [("jobs.d/a.toml", "command = 'a'\nevery = '10m'"), ("jobs.d/c.toml", "command = 'a'\ncron = '0 * * * *'")];
    for (by, expected) in [
        // Forward by half an hour at 08:15: it is 08:45, and the next full hour comes after 15 minutes.
        (1800, vec!["08:00:00 a", "08:10:00 a", "08:20:00 a", "08:30:00 a", "08:30:00 c"]),
        // Back by ten minutes: it is 08:05, and nothing runs twice.
        (-600, vec!["08:00:00 a", "08:10:00 a", "08:20:00 a", "08:30:00 a"]),
        // Back by a day, and forward by a day: corrections.
        (-86_400, vec!["08:00:00 a", "08:10:00 a", "08:20:00 a", "08:30:00 a"]),
        (86_400, vec!["08:00:00 a", "08:10:00 a", "08:20:00 a", "08:30:00 a"]),
    ] {
        let mut world = World::started(MORNING, &files, |_, _| says("")).await;
        world.pass(seconds(900)).await;
        world.set_clock(by);
        world.pass(seconds(1000)).await;
        assert_eq!(world.runs(), expected, "{by}");
        assert!(world.spawner.ran().iter().all(|ran| ran.run.trigger == slack_alert::exec::Trigger::Schedule), "{by}");
        world.crash().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_file_is_said_once_harms_nobody_and_is_said_again_when_it_is_mended() {
    let files = [("jobs.d/a.toml", "command = 'a'\nevery = '10m'"), ("jobs.d/bad.toml", "comand = 'a'\nevery = '1m'")];
    let world = World::started(MORNING, &files, |_, _| says("")).await;
    world.pass(seconds(900)).await;
    world.reload().await;
    world.pass(seconds(60)).await;
    assert_eq!(world.messages().len(), 1, "{:?}", world.messages());
    let said = world.messages().remove(0);
    assert!(said.starts_with("08:00:00 #ops :large_yellow_circle: 1 job file set aside / "), "{said}");
    assert!(said.contains("bad.toml:1:1: "), "{said}");
    world.file("jobs.d/bad.toml", "command = 'a'\nevery = '1h'");
    world.reload().await;
    world.pass(seconds(60)).await;
    assert_eq!(world.messages()[1..], ["08:16:00 #ops :large_green_circle: 1 job file mended / bad"]);
    // A good file that goes bad: its last good version runs on. Taken away while it is bad, it is not mended.
    world.file("jobs.d/a.toml", "command = 'a'\nevery = '10 parsecs'");
    world.reload().await;
    world.pass(seconds(900)).await;
    assert!(world.messages()[2].contains("a.toml:2:"), "{:?}", world.messages());
    world.remove("jobs.d/a.toml");
    world.reload().await;
    world.pass(seconds(3600)).await;
    assert_eq!(world.messages().len(), 3, "{:?}", world.messages());
    assert_eq!(world.runs(), ["08:00:00 a", "08:10:00 a", "08:16:00 bad", "08:20:00 a", "08:30:00 a", "09:16:00 bad"]);
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_cadence_runs_and_memory_and_waits_for_nobody() {
    let files = [
        ("jobs.d/a.toml", "command = 'a'\nevery = '10m'"),
        ("jobs.d/gone.toml", "command = 'a'\nevery = '1h'"),
        ("jobs.d/slow.toml", "command = 'a'\nevery = '1h'"),
    ];
    let mut world = World::started(MORNING, &files, |run, _| match run.job.as_str() {
        "gone" => says("the last of it").takes(1800),
        "slow" => fails("slow").takes(1200),
        _ => says(""),
    })
    .await;
    world.pass(seconds(300)).await;
    world.remove("jobs.d/gone.toml");
    world.file("jobs.d/slow.toml", "command = 'a'\nevery = '2h'");
    world.file("jobs.d/new.toml", "command = 'a'\nevery = '1h'");
    world.reload().await;
    world.pass(seconds(300)).await;
    // Its file comes and goes while its run goes on: it is still one run at a time.
    world.file("jobs.d/gone.toml", "command = 'a'\nevery = '1h'");
    world.reload().await;
    world.remove("jobs.d/gone.toml");
    world.reload().await;
    world.pass(hours(2)).await;
    assert_eq!(
        world.runs(),
        [
            "08:00:00 a",
            "08:00:00-08:30:00 gone",
            "08:00:00-08:20:00 slow",
            "08:05:00 new",
            "08:10:00 a",
            "08:20:00 a",
            "08:30:00 a",
            "08:40:00 a",
            "08:50:00 a",
            "09:00:00 a",
            "09:05:00 new",
            "09:10:00 a",
            "09:20:00 a",
            "09:30:00 a",
            "09:40:00 a",
            "09:50:00 a",
            "10:00:00 a",
            "10:00:00-… slow",
            "10:05:00 new",
            "10:10:00 a",
        ]
    );
    let messages = world.messages();
    assert!(messages[0].starts_with("08:20:00 #ops :red_circle: slow"), "{messages:?}");
    assert!(messages[1].starts_with("08:30:00 #ops") && messages[1].contains("the last of it"), "{messages:?}");
    assert_eq!(messages.len(), 2);
    world.crash().await;
}

#[tokio::test(start_paused = true)]
async fn an_error_in_slack_alert_toml_leaves_all_as_it_was_and_says_so() {
    let files = [("jobs.d/a.toml", "command = 'a'\nevery = '10m'")];
    let world = World::started(MORNING, &files, |_, _| says("")).await;
    world.file("slack_alert.toml", "slack.chanel = '#new'");
    world.file("jobs.d/a.toml", "command = 'a'\nevery = '1m'");
    world.pass(seconds(60)).await;
    world.reload().await;
    world.pass(seconds(1200)).await;
    assert_eq!(world.runs(), ["08:00:00 a", "08:10:00 a", "08:20:00 a"]);
    let messages = world.messages();
    assert_eq!(messages.len(), 1);
    assert!(
        messages[0].starts_with("08:01:00 #ops :large_yellow_circle: the new configuration has errors / "),
        "{messages:?}"
    );
    assert!(messages[0].contains("slack_alert.toml:1:7: "), "{messages:?}");
}

#[tokio::test(start_paused = true)]
async fn messages_that_wait_follow_a_channel_that_is_changed_and_no_other() {
    let files = [
        ("jobs.d/a.toml", "command = 'a'\nevery = '1h'\ntemplate = 'a'"),
        ("jobs.d/own.toml", "command = 'a'\nevery = '1h'\ntemplate = 'own'\nnotify.channel = '#ops'"),
    ];
    let world = World::started(MORNING, &files, |_, _| says("x")).await;
    world.slack.play(|_, _| crate::support::notifier::passing());
    world.pass(seconds(600)).await;
    world.slack.play(|_, _| crate::support::notifier::ok());
    world.file("slack_alert.toml", "slack.channel = '#new'");
    world.reload().await;
    world.pass(seconds(10)).await;
    let mut messages = world.messages();
    messages.sort_by_key(|line| line[9..].to_owned());
    assert_eq!(messages, ["08:10:00 #new a", "08:10:00 #ops own"]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_hangs_speaks_after_three_due_times_and_names_its_process() {
    let job = "command = 'a'\nevery = '1m'";
    let world = World::started(MORNING, &[("jobs.d/a.toml", job)], |run, _| match run.id.0 {
        1 => says("").takes(1000),
        _ => says(""),
    })
    .await;
    world.pass(seconds(1200)).await;
    let messages = world.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].starts_with("08:03:00 #ops "), "{messages:?}");
    assert!(messages[0].contains("process 4000 has been running for 3m"), "{messages:?}");
    assert!(messages[0].contains("3 due times skipped in a row"), "{messages:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hang_under_queue_is_not_silent_either() {
    let job = "command = 'a'\nevery = '1m'\noverlap = 'queue'";
    let mut world = World::started(MORNING, &[("jobs.d/a.toml", job)], |_, _| says("").takes(100_000)).await;
    world.pass(seconds(1200)).await;
    let messages = world.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].starts_with("08:04:00 #ops "), "the first that is due waits, three more pass: {messages:?}");
    world.crash().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_repeated_after_an_hour_and_its_end_is_told_to_those_who_heard_of_it() {
    let quiet = "command = 'a'\nevery = '10m'\nnotify.after = 3\ntemplate = '{{ event }}'";
    let loud = "command = 'a'\nevery = '10m'\ntemplate = '{{ event }}'";
    let files = [("jobs.d/loud.toml", loud), ("jobs.d/quiet.toml", quiet)];
    let world = World::started(MORNING, &files, |run, at| match (run.job.as_str(), at.as_secs() / 600) {
        ("loud", 1..=13) | ("quiet", 1..=2) => fails("boom"),
        _ => says(""),
    })
    .await;
    world.pass(hours(4)).await;
    let told: Vec<String> = world.messages().iter().map(|line| line[..40.min(line.len())].to_owned()).collect();
    let at = |time: &str, word: &str| (time.to_owned(), word.to_owned());
    let short: Vec<(String, String)> = world
        .messages()
        .iter()
        .map(|line| {
            at(
                &line[..8],
                line.split_whitespace().find(|word| ["failure", "repeat", "recovery"].contains(word)).unwrap_or("?"),
            )
        })
        .collect();
    assert_eq!(
        short,
        [at("08:10:00", "failure"), at("09:10:00", "repeat"), at("10:10:00", "repeat"), at("10:20:00", "recovery")],
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_template_that_fails_at_run_time_loses_nothing() {
    let job = "command = 'a'\nevery = '1h'\nparse = 'json'\ntemplate = '{{ json.a.b }}'";
    let world = World::started(MORNING, &[("jobs.d/a.toml", job)], |_, _| says("precious")).await;
    world.pass(seconds(60)).await;
    let messages = world.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].contains("precious") && messages[0].contains("template"), "{messages:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_then_asks_then_kills() {
    let conf = "slack.channel = '#ops'\nlimits.shutdown_grace = '30s'";
    let job = "command = 'a'\nevery = '1h'\nkill_after = '20s'";
    let files = [("slack_alert.toml", conf), ("jobs.d/a.toml", job)];
    for (act, order, took, stop) in [
        // It ends by itself within the grace.
        (says("").takes(70), Order::Stop, 10, Stop::No),
        // It obeys.
        (says("").takes(9_999), Order::Stop, 30, Stop::Terminate),
        // It is deaf.
        (says("").takes(9_999).deaf(9_999), Order::Stop, 50, Stop::Kill),
        // At once.
        (says("").takes(9_999).deaf(9_999), Order::StopNow, 0, Stop::Kill),
    ] {
        let what = format!("{act:?} {order:?}");
        let mut world = World::started(MORNING, &files, move |_, _| act.clone()).await;
        world.pass(seconds(60)).await;
        world.order(order).await;
        let (parting, after) = world.end().await;
        assert_eq!((after.as_secs_f64().round() as u64, world.spawner.ran()[0].stop), (took, stop), "{what}");
        assert_eq!(parting == Parting::AtOnce, order == Order::StopNow, "{what}");
        assert_eq!(world.spawner.ran().len(), 1, "no new runs");
        // What was cut short is told as that: now, or by the next daemon.
        world.start().await;
        world.pass(seconds(10)).await;
        let interrupted = world.messages().iter().filter(|line| line.contains("interrupted")).count();
        assert_eq!(interrupted, usize::from(stop != Stop::No), "{what} {:?}", world.messages());
        world.crash().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_defect_in_one_run_is_that_runs_end_and_nobody_elses() {
    let job = "command = 'a'\nevery = '1m'\nfirst_run = 'now'";
    let files = [("jobs.d/a.toml", job), ("jobs.d/b.toml", "command = 'b'\nevery = '1m'\nfirst_run = 'now'")];
    let world = World::started(MORNING, &files, |run, at| {
        let defect = run.job.as_str() == "a" && at.as_secs() < 30;
        Act { panics: defect, ..says("").takes(5) }
    })
    .await;
    world.pass(seconds(150)).await;
    let runs = world.runs();
    assert_eq!(runs[..2], ["08:00:00-… a", "08:00:00-08:00:05 b"], "{runs:?}");
    assert_eq!(
        runs[2..],
        ["08:01:00-08:01:05 a", "08:01:00-08:01:05 b", "08:02:00-08:02:05 a", "08:02:00-08:02:05 b",]
    );
    assert_eq!(
        world.messages(),
        [
            "08:00:05 #ops :red_circle: a could not be started: internal error: a defect in run 1 (web-1)",
            "08:01:05 #ops :large_green_circle: a recovered after 1m, 1 failure (web-1)",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_interrupt_ends_the_grace() {
    let mut world = World::started(MORNING, &[("jobs.d/a.toml", "command = 'a'\nevery = '1h'")], |_, _| {
        says("").takes(9_999).deaf(9_999)
    })
    .await;
    world.pass(seconds(60)).await;
    world.order(Order::Stop).await;
    world.pass(seconds(5)).await;
    assert_eq!(world.spawner.ran()[0].stop, Stop::No, "the grace");
    world.order(Order::StopNow).await;
    let (parting, took) = world.end().await;
    assert_eq!((parting, took.as_secs(), world.spawner.ran()[0].stop), (Parting::AtOnce, 0, Stop::Kill));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_a_crash_ended_is_told_once_and_counts_as_a_failure() {
    let job = "command = 'a'\nevery = '1h'\ntemplate = '{{ event }} {{ reason }}'";
    let gone = "command = 'a'\nevery = '1h'";
    let mut world =
        World::started(MORNING, &[("jobs.d/a.toml", job), ("jobs.d/gone.toml", gone)], |run, at| match at.as_secs() {
            0..=60 => says(if run.job.as_str() == "a" { "never heard" } else { "" }).takes(600),
            _ => says(""),
        })
        .await;
    world.pass(seconds(60)).await;
    world.crash().await;
    world.remove("jobs.d/gone.toml");
    world.pass(seconds(60)).await;
    // The next daemon dies at once, twice, before anybody could be told; then one lives.
    for moment in 0..3 {
        world.start().await;
        for _ in 0..moment {
            tokio::task::yield_now().await;
        }
        world.crash().await;
    }
    world.start().await;
    world.pass(hours(1)).await;
    world.stop().await;
    world.start().await;
    world.pass(seconds(60)).await;
    let messages = world.messages();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages[0].starts_with("08:02:0") && messages[0].contains("failure interrupted"), "{messages:?}");
    assert!(messages[1].starts_with("09:00:00") && messages[1].contains("recovery"), "{messages:?}");
    let history = world.history().await;
    let told: Vec<(&str, Status, &str)> =
        history.iter().rev().map(|row| (row.job.as_str(), row.status, row.verdict.as_str())).collect();
    assert_eq!(
        told,
        [
            ("a", Status::Critical, "notified: failure"),
            ("gone", Status::Critical, "job-gone"),
            ("a", Status::Ok, "notified: recovery"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_fallback_is_run_once_when_slack_goes_and_once_when_it_comes_back() {
    let conf = "slack.channel = '#ops'\nhost = 'web-1'\n[fallback]\nafter = '15m'\ncommand = ['mail', 'ops']";
    let job = "command = 'a'\nevery = '1h'\nfirst_run = 'wait'";
    let mut world =
        World::started(MORNING, &[("slack_alert.toml", conf), ("jobs.d/a.toml", job)], |_, _| says("x")).await;
    world.slack.play(|_, at| match at.as_secs() {
        0..=20_000 => crate::support::notifier::passing(),
        _ => crate::support::notifier::ok(),
    });
    world.pass(hours(3)).await;
    // A restart in the middle neither repeats the one nor forgets the other.
    world.stop().await;
    world.start().await;
    world.pass(hours(6)).await;
    let fallbacks: Vec<String> = world.runs().into_iter().filter(|line| line.contains("(fallback)")).collect();
    assert_eq!(fallbacks.len(), 2, "{fallbacks:?}");
    assert_eq!(fallbacks[0], "09:15:00 (fallback)");
    let ran = world.spawner.ran();
    let first = ran.iter().find(|ran| ran.run.job.as_str() == "(fallback)").expect("it was run");
    assert_eq!(first.run.command.words(), ["mail", "ops"]);
    assert_eq!(first.run.command.timeout(), Some(seconds(60)));
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_while_it_was_down_is_made_up_for_once_where_that_is_asked() {
    let files = [
        ("jobs.d/none.toml", "command = 'a'\ncron = '0 * * * *'"),
        ("jobs.d/once.toml", "command = 'a'\ncron = '0 * * * *'\ncatch_up = 'once'"),
        ("jobs.d/plain.toml", "command = 'a'\nevery = '1h'"),
    ];
    let mut world = World::started("2026-11-23T07:30:00Z", &files, |_, _| says("")).await;
    world.pass(hours(1)).await;
    world.stop().await;
    world.pass(hours(3)).await;
    world.start().await;
    world.pass(seconds(1900)).await;
    assert_eq!(
        world.runs(),
        [
            "07:30:00 plain",
            "08:00:00 none",
            "08:00:00 once",
            "08:30:00 plain",
            "11:30:00 once",
            "12:00:00 none",
            "12:00:00 once",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn hundreds_that_are_due_at_one_instant_start_at_that_instant() {
    let names: Vec<String> = (0..300).map(|number| format!("jobs.d/{number}.toml")).collect();
    let job = "command = 'a'\nevery = '1m'";
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), job)).collect();
    let mut world = World::new(MORNING, &files);
    world.file("slack_alert.toml", "slack.channel = '#ops'\nlimits.max_running = 1_000");
    world.spawner.play(|_, _| says("").takes(5));
    world.start().await;
    world.pass(seconds(70)).await;
    let ran = world.spawner.ran();
    let started = |at: u64| ran.iter().filter(|ran| ran.started == seconds(at)).count();
    assert_eq!((ran.len(), started(0), started(60)), (600, 300, 300));
}
