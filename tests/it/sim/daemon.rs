//! Shows what the daemon does in time, as transcripts of what ran and what was said: schedules, overlap, limits, hours,
//! clocks, reloads, crashes and stops. Time is paused; commands and Slack are scripts; everything else is real.

use std::time::Duration;

use slack_alert::api;
use slack_alert::daemon::{ExitMode, JobQuery, Reply, Request};
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
async fn a_due_time_that_passes_without_a_run_is_none_of_a_bursts_runs() {
    let burst = "command = 'a'\nburst = { every = '2s', runs = 3, pause = '6s' }\n[notify]\non = []\n";
    let long = "command = 'long'\nevery = '1h'\n[notify]\non = []\n";
    for (overlap, length, config, starts) in [
        ("skip", 3, "", &[0, 4, 8, 14, 18, 22, 28][..]),
        ("queue", 3, "", &[0, 3, 6, 10, 13, 16, 20, 23, 26]),
        // The only place is taken until 9 s: what waits meanwhile is one run.
        ("skip", 0, "[limits]\nmax_running = 1\n", &[9, 10, 12, 18, 20, 22, 28]),
    ] {
        let job = format!("overlap = '{overlap}'\n{burst}");
        let mut files = vec![("slack_alert.toml", config), ("jobs.d/a.toml", &job)];
        if !config.is_empty() {
            files.push(("jobs.d/0.toml", long));
        }
        let takes = move |run: &slack_alert::exec::Run, _| match run.job.as_str() {
            "0" => says("").takes(9),
            _ => says("").takes(length),
        };
        let mut world = World::started(MORNING, &files, takes).await;
        world.pass(seconds(29)).await;
        let ran = world.spawner.ran();
        let began: Vec<_> =
            ran.iter().filter(|ran| ran.run.job.as_str() == "a").map(|ran| ran.started.as_secs()).collect();
        assert_eq!(began, starts, "{overlap} {config}");
        world.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_pause_of_a_burst_counts_from_its_last_alert_and_not_from_its_run() {
    let job = "command = 'a'\nburst = { every = '6s', alerts = 1, pause = '6s' }\ntemplate = '{{ stdout }}'";
    let world = World::started(MORNING, &[("jobs.d/a.toml", job)], |_, _| says("hm").takes(5)).await;
    world.pass(seconds(30)).await;
    let told =
        ["08:00:05", "08:00:16", "08:00:27"].map(|at| format!("{at} #ops hm / pauses for 6s after this message"));
    assert_eq!(world.messages(), told);
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_a_run_that_goes_on_is_one_of_a_bursts_alerts() {
    for (name, keys) in [("stuck", ""), ("slow", "slow = { over = '3s' }\nstuck_after = 0\n")] {
        let job = format!("command = 'a'\nburst = {{ every = '1s', alerts = 1, pause = '1m' }}\n[notify]\n{keys}");
        let files = [("jobs.d/a.toml", job.as_str())];
        let mut world = World::started(MORNING, &files, |_, at| match at.as_secs() {
            0 => says("").takes(5),
            _ => says("well"),
        })
        .await;
        world.pass(seconds(62)).await;
        let messages = world.messages();
        assert_eq!(messages.len(), 1, "{name}: {messages:?}");
        assert!(messages[0].starts_with("08:00:03 ") && messages[0].contains("pauses for 1m"), "{name}: {messages:?}");
        // The first run after it.
        world.pass(seconds(2)).await;
        assert_eq!(world.messages().len(), 2, "{name}: {:?}", world.messages());
        world.stop().await;
    }
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
async fn a_daemon_that_is_started_often_does_not_put_a_first_run_off_for_ever() {
    let files = [
        ("slack_alert.toml", "slack.channel = '#ops'"),
        ("jobs.d/waits.toml", "command = 'a'\nevery = '1h'\nfirst_run = 'wait'"),
        ("jobs.d/finish.toml", "command = 'a'\nevery = '70m'\nevery_from = 'finish'\nfirst_run = 'wait'"),
        ("jobs.d/burst.toml", "command = 'a'\nburst = { every = '80m', runs = 2, pause = '10h' }\nfirst_run = 'wait'"),
        ("jobs.d/late.toml", "command = 'a'\nevery = '2h'\njitter = '1h'"),
        ("jobs.d/expected.toml", "expect = { every = '100m', grace = '5m' }"),
    ];
    let mut world = World::started(MORNING, &files, |_, _| says("")).await;
    for _ in 0..9 {
        world.pass(seconds(20 * 60)).await;
        world.stop().await;
        world.start().await;
    }
    let runs = world.runs();
    for first in ["09:00:00 waits", "09:10:00 finish", "09:20:00 burst"] {
        assert!(runs.iter().any(|run| run == first), "{first}: {runs:?}");
    }
    assert!(runs.iter().any(|run| run.ends_with(" late")), "{runs:?}");
    let messages = world.messages();
    assert!(messages.iter().any(|told| told.contains("expected critical: did not run")), "{messages:?}");
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
    // Only `d` hangs for longer than three of its due times, and waits for as long after that.
    let messages = world.messages();
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert!(messages[0].contains(" d critical: still running after "), "{messages:?}");
    assert!(messages[1].contains(" d ended after "), "{messages:?}");
    assert!(messages[2].contains(" d critical: waits for a free place"), "{messages:?}");
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
        let messages = world.messages();
        assert!(messages.iter().all(|line| !line.contains("stuck")), "{messages:?}");
        assert_eq!(messages.len(), 2, "{messages:?}");
        let told = "08:03:00 #ops :red_circle: w critical: waits for a free place since 08:01 / ";
        assert_eq!(messages[0], format!("{told}1 of 1 places are taken: 1 by hog (limits.max_running)"));
        assert!(messages[1].starts_with("08:20:30 #ops :large_green_circle: w runs again"), "{messages:?}");
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
async fn a_run_that_began_late_does_not_hang_because_the_next_due_time_comes_soon() {
    let job = "command = 'a'\nevery = '10m'\nnotify.stuck_after = 1";
    let files = [("slack_alert.toml", "slack.channel = '#ops'"), ("jobs.d/a.toml", job)];
    let hang = |_: &slack_alert::exec::Run, at: Duration| says("").takes(if at > hours(3) { 3_000 } else { 120 });
    let world = World::started(MORNING, &files, hang).await;
    world.pass(seconds(25 * 60)).await;
    // It wakes at 10:29, makes up for what it slept through, and the next due time comes while that run goes on.
    world.clock.suspend(hours(2) + seconds(220));
    world.pass(seconds(15 * 60)).await;
    let runs = world.runs();
    assert_eq!(runs[3..], ["10:29:00-10:31:00 a", "10:40:00-10:42:00 a"][..], "{runs:?}");
    assert_eq!(world.messages(), [""; 0]);
    world.pass(hours(1)).await;
    let messages = world.messages();
    assert!(messages[0].contains("a critical: still running after 10m"), "{messages:?}");
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
async fn a_bad_file_is_told_once_stops_no_other_job_and_is_told_again_when_it_is_good() {
    let files = [("jobs.d/a.toml", "command = 'a'\nevery = '10m'"), ("jobs.d/bad.toml", "comand = 'a'\nevery = '1m'")];
    let world = World::started(MORNING, &files, |_, _| says("")).await;
    world.pass(seconds(900)).await;
    world.reload().await;
    world.pass(seconds(60)).await;
    assert_eq!(world.messages().len(), 1, "{:?}", world.messages());
    let said = world.messages().remove(0);
    assert!(
        said.starts_with("08:00:00 #ops :large_yellow_circle: web-1: 1 job file has errors and is not loaded: bad / jobs.d/bad.toml:1:1: "),
        "{said}"
    );
    assert!(said.contains(" (did you mean `command`?)"), "{said}");
    world.file("jobs.d/bad.toml", "command = 'a'\nevery = '1h'");
    world.reload().await;
    world.pass(seconds(60)).await;
    assert_eq!(
        world.messages()[1..],
        ["08:16:00 #ops :large_green_circle: web-1: 1 job file has no errors any more and is loaded / bad"]
    );
    // A good file that goes bad: its last good version runs on. Taken away while it is bad, it has not become good, and that it
    // is no trouble any more is told all the same.
    world.file("jobs.d/a.toml", "command = 'a'\nevery = '10 parsecs'");
    world.reload().await;
    world.pass(seconds(900)).await;
    assert!(world.messages()[2].contains("a.toml:2:"), "{:?}", world.messages());
    assert!(
        world.messages()[2].contains(": 1 job file has errors, and its last good version goes on: a / "),
        "{:?}",
        world.messages()
    );
    world.remove("jobs.d/a.toml");
    world.reload().await;
    world.pass(seconds(3600)).await;
    assert_eq!(
        world.messages()[3..],
        ["08:32:00 #ops :large_green_circle: web-1: 1 job file that had errors was removed / a"]
    );
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
async fn a_time_zone_of_the_machine_that_changes_is_taken_by_a_reload_and_makes_no_job_run_twice() {
    let files = [
        ("slack_alert.toml", "slack.channel = '#ops'\nhost = 'web-1'\n"),
        ("jobs.d/night.toml", "command = 'a'\ncron = '30 8 * * *'"),
        ("jobs.d/fixed.toml", "command = 'a'\ncron = '30 8 * * *'\ntime_zone = 'UTC'"),
        ("jobs.d/often.toml", "command = 'a'\nevery = '1h'\nfirst_run = 'always'"),
        ("jobs.d/open.toml", "command = 'a'\nevery = '1h'\nworking_hours = '10:00-11:30'\nfirst_run = 'always'"),
        ("jobs.d/boot.toml", "command = 'a'\ncron = '@reboot'"),
    ];
    let mut world = World::started(MORNING, &files, |_, _| says("")).await;
    world.pass(seconds(600)).await;
    // 10:10 in Helsinki: the night's run was at 08:30 there, and is no more today. What opens at ten has its run now.
    *world.zone.lock().expect("no test panics with it") = jiff::tz::TimeZone::fixed(jiff::tz::offset(2));
    world.reload().await;
    world.pass(seconds(3300)).await;
    // Nothing changes for those who asked for their own zone.
    assert_eq!(
        world.runs(),
        ["08:00:00 boot", "08:00:00 often", "08:10:00 open", "08:30:00 fixed", "09:00:00 often", "09:00:00 open",]
    );
    world.pass(hours(22)).await;
    let night: Vec<String> = world.runs().into_iter().filter(|run| run.ends_with("night")).collect();
    assert_eq!(night, ["06:30:00 night"]);
    world.crash().await;
}

#[tokio::test(start_paused = true)]
async fn a_reload_does_not_run_what_runs_at_each_start() {
    let always = "command = 'a'\ncron = '0 12 * * *'\nfirst_run = 'always'";
    let mut world = World::started(MORNING, &[("jobs.d/always.toml", always)], |_, _| says("")).await;
    world.pass(seconds(60)).await;
    for (minute, hour) in [(1, 12), (2, 13), (3, 14)] {
        world.file("jobs.d/always.toml", &always.replace("12", &hour.to_string()).replace("'a'", "'b'"));
        world.file("jobs.d/boot.toml", &format!("command = 'a'\ncron = '@reboot'\ntags = ['{minute}']"));
        world.reload().await;
        world.pass(seconds(60)).await;
    }
    world.remove("jobs.d/always.toml");
    world.reload().await;
    world.file("jobs.d/always.toml", always);
    world.reload().await;
    world.pass(seconds(60)).await;
    assert_eq!(world.runs(), ["08:00:00 always", "08:01:00 boot"]);
    world.stop().await;
    world.start().await;
    world.pass(seconds(60)).await;
    assert_eq!(world.runs(), ["08:00:00 always", "08:01:00 boot", "08:05:00 always"]);
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
        messages[0].starts_with("08:01:00 #ops :large_yellow_circle: web-1: the new configuration has errors / "),
        "{messages:?}"
    );
    assert!(messages[0].contains("slack_alert.toml:1:7: "), "{messages:?}");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_changes_by_itself_is_told_to_be_bad_when_it_stays_bad_for_ten_seconds() {
    let good = "command = 'a'\nevery = '10m'";
    let world = World::started(MORNING, &[("jobs.d/a.toml", good)], |_, _| says("")).await;
    world.pass(seconds(60)).await;
    world.file("jobs.d/a.toml", "command = 'a'\nev");
    world.files_changed().await;
    world.pass(seconds(9)).await;
    world.file("jobs.d/a.toml", good);
    world.files_changed().await;
    world.pass(seconds(60)).await;
    assert_eq!(world.messages(), [""; 0], "a half-written file is nobody's business");
    world.file("jobs.d/a.toml", "command = 'a'\nevrey = '10m'");
    world.files_changed().await;
    world.pass(seconds(60)).await;
    let told =
        ":large_yellow_circle: web-1: 1 job file has errors, and its last good version goes on: a / jobs.d/a.toml:";
    assert!(world.messages()[0].starts_with(&format!("08:02:19 #ops {told}")), "{:?}", world.messages());
    world.file("jobs.d/a.toml", good);
    world.files_changed().await;
    world.pass(seconds(1)).await;
    assert!(world.messages()[1].contains("1 job file has no errors any more and is loaded"), "{:?}", world.messages());
    // slack_alert.toml itself.
    world.file("slack_alert.toml", "slack.chanel = '#new'");
    world.files_changed().await;
    world.pass(seconds(5)).await;
    assert_eq!(world.messages().len(), 2);
    world.pass(seconds(60)).await;
    assert!(world.messages()[2].contains("web-1: the new configuration has errors"), "{:?}", world.messages());
    world.file("slack_alert.toml", "slack.channel = '#ops'\nhost = 'web-1'\ntime_zone = 'UTC'");
    world.files_changed().await;
    world.pass(seconds(60)).await;
    assert!(world.messages()[3].contains("web-1: the configuration has no errors any more"), "{:?}", world.messages());
    assert_eq!(world.messages().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_leaves_no_job_at_all_is_told() {
    let world = World::started(MORNING, &[("jobs.d/a.toml", "command = 'a'\nevery = '10m'")], |_, _| says("")).await;
    world.pass(seconds(60)).await;
    world.remove("jobs.d/a.toml");
    world.reload().await;
    world.pass(seconds(60)).await;
    world.reload().await;
    world.pass(seconds(60)).await;
    let messages = world.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].starts_with("08:01:00 #ops :large_yellow_circle: web-1: no job is left"), "{messages:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_leaves_no_job_enabled_is_told_and_so_is_its_end() {
    let job = "command = 'a'\nevery = '10m'\n";
    let world = World::started(MORNING, &[("jobs.d/a.toml", job)], |_, _| says("")).await;
    world.pass(seconds(60)).await;
    world.file("jobs.d/a.toml", &format!("{job}enabled = false"));
    world.reload().await;
    world.pass(seconds(60)).await;
    let messages = world.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].starts_with("08:01:00 #ops :large_yellow_circle: web-1: no job is enabled"), "{messages:?}");
    world.file("jobs.d/a.toml", job);
    world.reload().await;
    world.pass(seconds(60)).await;
    assert!(world.messages()[1].contains("web-1: 1 job is loaded again"), "{:?}", world.messages());
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
    assert_eq!(messages.len(), 2, "{messages:?}");
    for (message, start) in messages.iter().zip(["08:10:00 #new a", "08:10:00 #ops own"]) {
        let late = format!("{start} / :hourglass: delivered late: Slack could not be reached; made <!date^");
        assert!(message.starts_with(&late), "{messages:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_hangs_is_reported_after_three_due_times_with_its_process_and_so_is_its_end() {
    let job = "command = 'a'\nevery = '1m'";
    let world = World::started(MORNING, &[("jobs.d/a.toml", job)], |run, _| match run.id.0 {
        1 => says("").takes(1000),
        _ => says(""),
    })
    .await;
    world.pass(seconds(1200)).await;
    let messages = world.messages();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages[0].starts_with("08:03:00 #ops "), "{messages:?}");
    assert!(
        messages[1].starts_with("08:16:40 #ops ") && messages[1].contains(" ended after 16m 40s, exit code 0"),
        "{messages:?}"
    );
    assert!(messages[0].contains("still running after 3m (process 4000)"), "{messages:?}");
    assert!(messages[0].contains("3 due times passed"), "{messages:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_longer_than_slow_allows_is_told_once_while_it_goes_on() {
    let job = "command = 'a'\nevery = '1h'\nnotify.slow.over = '10m'\nnotify.mention = '@here'";
    let mut world = World::started(MORNING, &[("jobs.d/a.toml", job)], |run, _| match run.id.0 {
        1 => says("").takes(599),
        _ => says("").takes(1500),
    })
    .await;
    world.pass(seconds(3600 + 1000)).await;
    let messages = world.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].starts_with("09:10:00 #ops :large_yellow_circle: a takes longer than 10m: "), "{messages:?}");
    assert!(messages[0].contains("still running after 10m (process 4000)"), "{messages:?}");
    // The daemon dies and the next one takes the run over, or finds it dead: it is not told again.
    world.crash().await;
    world.start().await;
    world.pass(seconds(300)).await;
    let again: Vec<_> = world.messages().into_iter().filter(|line| line.contains("takes longer than")).collect();
    assert_eq!(again.len(), 1, "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_asks_for_slow_runs_looks_at_those_in_progress_and_quiet_hours_delay_the_word() {
    let job = "command = 'a'\nevery = '1d'";
    let mut world = World::started(MORNING, &[("jobs.d/a.toml", job)], |_, _| says("").takes(7200)).await;
    world.pass(seconds(1800)).await;
    world.file("jobs.d/a.toml", &format!("{job}\nnotify.slow.over = '10m'\nnotify.quiet_hours = '08:00-09:00'"));
    world.reload().await;
    world.pass(seconds(5400 - 600)).await;
    let messages = world.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(
        messages[0].starts_with("09:00:00 #ops ") && messages[0].contains("still running after 1h"),
        "{messages:?}"
    );
    world.crash().await;
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
async fn a_job_whose_runs_are_always_replaced_before_they_end_is_told_once_and_when_one_ends() {
    let job = "command = 'a'\nevery = '1m'\noverlap = 'replace'\nnotify.repeat = 'never'";
    let mut world = World::started(MORNING, &[("jobs.d/a.toml", job)], |run, _| match run.id.0 {
        1..=9 => says("").takes(100_000),
        _ => says("").takes(10),
    })
    .await;
    world.pass(seconds(500)).await;
    let messages = world.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].starts_with("08:03:00 #ops "), "{messages:?}");
    assert!(messages[0].contains("not ended after 1m, and replaced by the next run, 3 runs in a row"), "{messages:?}");
    let status = status(&world).await;
    let open = &status.incidents[0];
    assert_eq!(open.line, "8 runs in a row were replaced before they ended, the last was run 8", "{open:?}");
    assert_eq!((open.failures, open.same), (8, 8), "they are all alike: {open:?}");
    world.pass(seconds(100)).await;
    let messages = world.messages();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages[1].starts_with("08:09:10 #ops ") && messages[1].contains("a is well again after"), "{messages:?}");
    world.crash().await;
}

#[tokio::test(start_paused = true)]
async fn one_run_that_ends_between_those_that_are_replaced_begins_the_count_anew() {
    let job = "command = 'a'\nevery = '1m'\noverlap = 'replace'";
    let mut world = World::started(MORNING, &[("jobs.d/a.toml", job)], |run, _| match run.id.0 % 3 {
        0 => says("").takes(10),
        _ => says("").takes(100_000),
    })
    .await;
    world.pass(seconds(3000)).await;
    assert_eq!(world.messages(), [""; 0]);
    world.crash().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_repeated_after_an_hour_and_its_end_is_told_to_those_who_heard_of_it() {
    let quiet = "command = 'a'\nevery = '10m'\nnotify.after = 3\nfailure_template = '{{ event }}'";
    let loud = "command = 'a'\nevery = '10m'\nfailure_template = '{{ event }}'\nmessage.recovery.body = '{{ event }}'";
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
    assert_eq!(short, [at("08:10:00", "failure"), at("09:10:00", "repeat"), at("10:20:00", "recovery")], "{told:?}");
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
        (says("").takes(70), Request::Stop, 10, Stop::No),
        // It obeys.
        (says("").takes(9_999), Request::Stop, 30, Stop::Terminate),
        // It is deaf.
        (says("").takes(9_999).deaf(9_999), Request::Stop, 50, Stop::Kill),
        // At once.
        (says("").takes(9_999).deaf(9_999), Request::StopNow, 0, Stop::Kill),
    ] {
        let what = format!("{act:?} {order:?}");
        let mut world = World::started(MORNING, &files, move |_, _| act.clone()).await;
        world.pass(seconds(60)).await;
        world.request(order.clone()).await;
        let (mode, after) = world.end().await;
        assert_eq!((after.as_secs_f64().round() as u64, world.spawner.ran()[0].stop), (took, stop), "{what}");
        assert_eq!(mode == ExitMode::AtOnce, order == Request::StopNow, "{what}");
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
            "08:00:05 #ops :red_circle: a critical: internal error: a defect in run 1 / web-1 · every 1m",
            "08:01:05 #ops :white_check_mark: a is well again after 1m, 1 failure / web-1",
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
    world.request(Request::Stop).await;
    world.pass(seconds(5)).await;
    assert_eq!(world.spawner.ran()[0].stop, Stop::No, "the grace");
    world.request(Request::StopNow).await;
    let (mode, took) = world.end().await;
    assert_eq!((mode, took.as_secs(), world.spawner.ran()[0].stop), (ExitMode::AtOnce, 0, Stop::Kill));
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
    assert!(
        messages[0].starts_with("08:02:0") && messages[0].contains("critical: interrupted while it ran"),
        "{messages:?}"
    );
    assert!(messages[1].starts_with("09:00:00") && messages[1].contains("is well again"), "{messages:?}");
    let history = world.history().await;
    let told: Vec<(&str, Status, String)> =
        history.iter().rev().map(|row| (row.job.as_str(), row.status, row.decision.to_string())).collect();
    assert_eq!(
        told,
        [
            ("a", Status::Critical, "notified: failure".to_owned()),
            ("gone", Status::Critical, "job-gone".to_owned()),
            ("a", Status::Ok, "notified: recovery".to_owned()),
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
    let ran: Vec<_> = ran.iter().filter(|ran| ran.run.job.as_str() == "(fallback)").collect();
    assert_eq!(ran[0].run.command.words(), ["mail", "ops"]);
    assert_eq!(ran[0].run.command.timeout(), Some(seconds(60)));
    // It names the jobs, and writes times as people read them.
    let told = ran[0].run.command.stdin();
    assert!(
        told.starts_with("slack-alert on web-1: Slack has taken no message since 2026-11-23 09:00 UTC.\n"),
        "{told}"
    );
    assert!(told.ends_with("Not told:\n  2026-11-23 09:00  🟢 a x\n"), "{told}");
    let told = ran[1].run.command.stdin();
    let words = "Slack takes messages again. It had taken none since 2026-11-23 09:00 UTC.\n";
    assert_eq!(told, format!("slack-alert on web-1: {words}"));
}

#[tokio::test(start_paused = true)]
async fn a_restart_before_the_fallback_does_not_begin_its_time_anew() {
    let conf = "slack.channel = '#ops'\nhost = 'web-1'\n[fallback]\nafter = '15m'\ncommand = ['mail', 'ops']";
    let job = "command = 'a'\nevery = '1h'\nfirst_run = 'wait'";
    let mut world =
        World::started(MORNING, &[("slack_alert.toml", conf), ("jobs.d/a.toml", job)], |_, _| says("x")).await;
    world.slack.play(|_, _| crate::support::notifier::passing());
    world.pass(hours(1)).await;
    for _ in 0..3 {
        world.pass(seconds(240)).await;
        world.crash().await;
        world.start().await;
    }
    world.pass(seconds(600)).await;
    let fallbacks: Vec<String> = world.runs().into_iter().filter(|line| line.contains("(fallback)")).collect();
    assert_eq!(fallbacks, ["09:15:00 (fallback)"]);
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
async fn the_first_due_time_of_a_job_that_is_missed_is_made_up_for_too() {
    let once = "command = 'a'\ncron = '0 9 * * *'\ncatch_up = 'once'";
    let files = [
        ("jobs.d/none.toml", "command = 'a'\ncron = '0 9 * * *'"),
        ("jobs.d/once.toml", once),
        ("jobs.d/edited.toml", "command = 'a'\ncron = '0 9 * * *'"),
    ];
    let mut world = World::started("2026-11-23T07:30:00Z", &files, |_, _| says("")).await;
    world.pass(seconds(600)).await;
    // One that appears, and one that asks for it later.
    world.file("jobs.d/appears.toml", once);
    world.file("jobs.d/edited.toml", once);
    world.reload().await;
    world.pass(seconds(600)).await;
    world.stop().await;
    world.pass(hours(3)).await;
    world.start().await;
    world.pass(seconds(60)).await;
    let mut runs = world.runs();
    runs.sort();
    assert_eq!(runs, ["10:50:00 appears", "10:50:00 edited", "10:50:00 once"]);
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

#[tokio::test(start_paused = true)]
async fn a_job_that_gets_no_place_is_told_once_after_three_due_times_and_when_it_is_over() {
    let files = [
        ("slack_alert.toml", "slack.channel = '#ops'\nhost = 'web-1'\ntime_zone = 'UTC'\nlimits.max_running = 2"),
        ("jobs.d/pile.toml", "command = 'a'\nevery = '1h'\nnotify.on = []\noverlap = 'allow'"),
        ("jobs.d/heap.toml", "command = 'a'\nevery = '1h'\nnotify.on = []"),
        ("jobs.d/vital.toml", "command = 'a'\ncron = '* * * * *'\nnotify.channel = '#vital'"),
        ("jobs.d/calm.toml", "command = 'a'\ncron = '* * * * *'\nnotify.on = []"),
    ];
    let long = |run: &slack_alert::exec::Run, _| match run.job.as_str() {
        "pile" | "heap" => says("").takes(3_000),
        _ => says(""),
    };
    let world = World::started(MORNING, &files, long).await;
    let waits =
        async || -> Vec<String> { status(&world).await.starved.iter().map(|one| one.job.to_string()).collect() };
    world.pass(seconds(63)).await;
    assert_eq!(waits().await, [""; 0], "they have waited for moments");
    world.pass(seconds(5)).await;
    assert_eq!(waits().await, ["calm", "vital"], "who asks is told before it is news");
    world.pass(seconds(132)).await;
    let messages = world.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    let told = "08:03:00 #vital :red_circle: vital critical: waits for a free place since 08:01 / ";
    assert!(messages[0].starts_with(told), "{messages:?}");
    assert!(messages[0].contains("2 of 2 places are taken: 1 by heap, 1 by pile (limits.max_running)"), "{messages:?}");
    let notes = world.store().load().await.expect("the store is well").notes;
    assert!(notes["starved"].contains("vital"), "{notes:?}");
    let starved = status(&world).await.starved;
    let starved: Vec<String> = starved.iter().map(|one| format!("{}: {}: {}", one.job, one.what, one.why)).collect();
    let places = "a free place: 2 of 2 places are taken: 1 by heap, 1 by pile (limits.max_running)";
    assert_eq!(starved, [format!("calm: {places}"), format!("vital: {places}")]);
    world.pass(seconds(3_000)).await;
    let messages = world.messages();
    assert_eq!(messages.len(), 2, "once: {messages:?}");
    let over = "08:50:00 #vital :large_green_circle: vital runs again: it waited 49m for a free place";
    assert_eq!(messages[1], over);
    assert!(!world.store().load().await.expect("the store is well").notes.contains_key("starved"));
    assert_eq!(status(&world).await.starved, []);
}

#[tokio::test(start_paused = true)]
async fn who_asks_is_told_at_once_of_a_run_that_waits_for_a_lock() {
    let job = "command = 'a'\nevery = '1h'\nlock = 'L'";
    let files = [("jobs.d/a.toml", job), ("jobs.d/b.toml", job)];
    let world = World::started(MORNING, &files, |_, _| says("").takes(60)).await;
    world.pass(seconds(1)).await;
    let starved = status(&world).await.starved;
    let starved: Vec<String> = starved.iter().map(|one| format!("{}: {}: {}", one.job, one.what, one.why)).collect();
    assert_eq!(starved, ["b: the lock L: run 1 of a holds the lock L"]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_waits_again_within_the_hour_is_told_where_it_waits_twice_as_long() {
    let hog = |cron: &str| format!("command = 'a'\ncron = '{cron}'\nnotify.on = []");
    let waits =
        |at: &str, since: &str| format!("{at} #ops :red_circle: w critical: waits for a free place since {since}");
    let again = |at: &str, waited: &str| {
        format!("{at} #ops :large_green_circle: w runs again: it waited {waited} for a free place")
    };
    for (cron, second, expected) in [
        // As long as before, each time: news once an hour.
        (
            "10,30,50 * * * *",
            600,
            vec![
                waits("08:12:00", "08:10"),
                again("08:20:00", "10m"),
                waits("09:12:00", "09:10"),
                again("09:20:00", "10m"),
            ],
        ),
        // The second does not end.
        (
            "10,30 8 * * *",
            9_000,
            vec![waits("08:12:00", "08:10"), again("08:20:00", "10m"), waits("08:50:00", "08:30")],
        ),
    ] {
        let conf = "slack.channel = '#ops'\ntime_zone = 'UTC'\nlimits.max_running = 1";
        let job = "command = 'a'\ncron = '* * * * *'";
        let files = [("slack_alert.toml", conf), ("jobs.d/hog.toml", &*hog(cron)), ("jobs.d/w.toml", job)];
        let world = World::started(MORNING, &files, move |run, now| match (run.job.as_str(), now.as_secs()) {
            ("hog", ..1_200) => says("").takes(600),
            ("hog", _) => says("").takes(second),
            _ => says(""),
        })
        .await;
        world.pass(seconds(33 * 60)).await;
        let notes = world.store().load().await.expect("the store is well").notes;
        assert!(notes["starved"].contains("08:30"), "`why` shows each of them: {notes:?}");
        world.pass(seconds(52 * 60)).await;
        let messages: Vec<String> =
            world.messages().iter().map(|told| told.split(" / ").next().unwrap_or_default().to_owned()).collect();
        assert_eq!(messages, expected, "{cron}");
    }
}

/// Of an incident that a run began by not coming, or by not ending, no failed run tells.
#[tokio::test(start_paused = true)]
async fn the_summary_counts_each_incident_however_it_began() {
    let conf = "slack.channel = '#ops'\ntime_zone = 'UTC'\n[summary]\nat = '09:00'";
    let files = [
        ("slack_alert.toml", conf),
        ("jobs.d/fails.toml", "command = 'a'\nevery = '10m'\nfirst_run = 'wait'"),
        ("jobs.d/hangs.toml", "command = 'a'\nevery = '10m'"),
        ("jobs.d/hung.toml", "command = 'a'\nevery = '10m'\nfirst_run = 'wait'"),
        ("jobs.d/misses.toml", "expect = { every = '30m', grace = '1m' }"),
    ];
    let world = World::started(MORNING, &files, |run, at| match run.job.as_str() {
        "fails" => fails(if at.as_secs() < 1_800 { "net" } else { "disk" }),
        "hangs" => says("").takes(36_000),
        "hung" if (300..900).contains(&at.as_secs()) => says("").takes(2_000),
        _ => says(""),
    })
    .await;
    world.pass(seconds(3_610)).await;
    let messages = world.messages();
    let summary = messages.iter().find(|told| told.contains("Summary of")).expect("a summary");
    let alerts = messages.len() - 1;
    assert!(summary.contains(&format!(", 4 new incidents, 3 open; {alerts} alerts, ")), "{messages:#?}");
    // What each is about by now.
    assert!(summary.contains("*fails* for 50m, 5 failures: disk"), "{summary}");
    assert!(summary.contains("*hangs* for 1h, 1 failure: run 1 has not ended, and 6 due times"), "{summary}");
}

async fn status(world: &World) -> api::Status {
    match world.ask(Request::Status).await {
        Reply::Status(status) => *status,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn how_long_the_daemon_runs_is_known_after_the_clock_was_set() {
    let files = [("slack_alert.toml", "slack.channel = '#ops'"), ("jobs.d/a.toml", "command = 'a'\nevery = '1h'")];
    let world = World::started(MORNING, &files, |_, _| says("")).await;
    world.pass(seconds(600)).await;
    world.set_clock(20_788 * 86_400);
    world.pass(seconds(600)).await;
    let status = status(&world).await;
    let up = status.now.duration_since(status.started).as_secs();
    assert!((1_200..1_260).contains(&up), "{up} s");
}

#[tokio::test(start_paused = true)]
async fn a_job_of_which_a_run_hangs_is_critical_until_that_run_ends() {
    for notify in ["", "[notify]\non = []\n"] {
        let job = format!("command = 'a'\nevery = '1m'\n{notify}");
        let files = [
            ("slack_alert.toml", "slack.channel = '#ops'\nhost = 'web-1'\ntime_zone = 'UTC'"),
            ("jobs.d/etl.toml", job.as_str()),
        ];
        // The first run is ok, and the second one hangs.
        let long = |_: &slack_alert::exec::Run, now| says("").takes(if now < seconds(30) { 1 } else { 600 });
        let world = World::started(MORNING, &files, long).await;
        world.pass(seconds(90)).await;
        let counts = |status: &api::Status| (status.jobs.ok, status.jobs.critical, status.incidents.len());
        assert_eq!(counts(&status(&world).await), (1, 0, 0));
        world.pass(seconds(300)).await;
        let notable = JobQuery { notable: Some(Vec::new()), limit: 10, ..JobQuery::default() };
        let Reply::Jobs(jobs, false) = world.ask(Request::Jobs(notable)).await else { panic!("one page of jobs") };
        assert_eq!(jobs.iter().map(|job| job.name.as_str()).collect::<Vec<_>>(), ["etl"], "the other one is well");
        let told = world.messages().iter().any(|line| line.contains("still running"));
        assert_eq!(told, notify.is_empty(), "{:?}", world.messages());
        let hangs = status(&world).await;
        assert_eq!(counts(&hangs), (0, 1, 1), "it hangs, and its last run was ok");
        assert_eq!(hangs.incidents[0].line, "run 2 has not ended, and 5 due times have passed meanwhile");
        let state = world.store().load().await.expect("the store is well").jobs;
        let kept = state.values().next().expect("there is one job");
        assert!(kept.health.contains("\"hung\":2"), "another process knows it too: {}", kept.health);
        world.pass(seconds(350)).await;
        assert_eq!(counts(&status(&world).await), (1, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_file_is_away_for_a_moment_is_no_other_job_and_starts_nothing_meanwhile() {
    let files = [
        ("jobs.d/broken.toml", "command = 'broken'\nevery = '1m'"),
        ("jobs.d/bad.toml", "comand = 'a'\nevery = '1m'"),
        ("jobs.d/b.toml", "command = 'b'\nevery = '1h'"),
    ];
    let world = World::started(MORNING, &files, |run, _| match run.job.as_str() {
        "broken" => fails("no route"),
        _ => says(""),
    })
    .await;
    world.pass(seconds(57)).await;
    let told = world.messages().len();
    for (file, _) in &files {
        world.remove(file);
    }
    world.files_changed().await;
    world.pass(seconds(5)).await;
    assert_eq!(world.runs(), ["08:00:00 b", "08:00:00 broken"], "nothing starts while the file is away");
    for (file, text) in &files {
        world.file(file, text);
    }
    world.files_changed().await;
    world.pass(seconds(70)).await;
    assert_eq!(world.runs()[2..], ["08:01:02 broken", "08:02:00 broken"], "what was due runs when the file is back");
    world.pass(seconds(60)).await;
    assert_eq!(world.messages().len(), told, "{:?}", world.messages());
    // Where the configuration itself is bad by then, everything goes on as before.
    let config = "slack.channel = '#ops'\nhost = 'web-1'\ntime_zone = 'UTC'\n";
    world.remove("jobs.d/broken.toml");
    world.files_changed().await;
    world.file("slack_alert.toml", &format!("hots = 1\n{config}"));
    world.files_changed().await;
    world.pass(seconds(55)).await;
    world.file("slack_alert.toml", config);
    world.file("jobs.d/broken.toml", files[0].1);
    world.files_changed().await;
    world.pass(seconds(5)).await;
    assert_eq!(world.runs()[4..], ["08:03:00 broken", "08:04:00 broken"]);
    let told = world.messages().len();
    // A file that stays away was removed, and its incident says so.
    world.remove("jobs.d/broken.toml");
    world.remove("jobs.d/bad.toml");
    world.remove("jobs.d/b.toml");
    world.files_changed().await;
    world.pass(seconds(9)).await;
    assert_eq!(world.messages().len(), told, "{:?}", world.messages());
    world.pass(seconds(3)).await;
    let messages = world.messages().join("\n");
    for part in ["08:04:22 #ops", "no longer watched", "1 job file that had errors was removed / bad", "no job is left"]
    {
        assert!(messages.contains(part), "{part}: {messages}");
    }
    assert_eq!(world.runs().len(), 6, "{:?}", world.runs());
    assert_eq!(world.messages().len(), told + 3, "an edit and two words: {:?}", world.messages());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_to_start_when_the_daemon_is_killed_or_stopped_is_told_as_one_that_never_ran() {
    let conf = "limits.max_running = 2\nslack.channel = '#ops'\ntime_zone = 'UTC'";
    let hog = "command = 'a'\nevery = '1d'\nlock = 'l'\nnotify.on = []";
    let nightly = "command = 'a'\ncron = '1 8 * * *'";
    let files = [
        ("slack_alert.toml", conf),
        ("jobs.d/hog.toml", hog),
        ("jobs.d/hog2.toml", "command = 'a'\nevery = '1d'\nnotify.on = []"),
        ("jobs.d/place.toml", nightly),
        ("jobs.d/lock.toml", &*format!("{nightly}\nlock = 'l'")),
        ("jobs.d/queue.toml", "command = 'a'\ncron = '0,1 8 * * *'\noverlap = 'queue'"),
        ("jobs.d/soon.toml", "command = 'a'\nevery = '40s'\nfirst_run = 'wait'"),
    ];
    for killed in [true, false] {
        let script = |run: &slack_alert::exec::Run, _| match run.job.as_str() {
            "hog" | "hog2" => says("").takes(7200),
            _ => says(""),
        };
        let mut world = World::started("2026-11-23T07:59:30Z", &files, script).await;
        world.pass(seconds(150)).await;
        let by = match killed {
            true => {
                world.crash().await;
                world.start().await;
                "killed or crashed"
            }
            false => {
                world.stop().await;
                "stopped"
            }
        };
        world.pass(seconds(5)).await;
        let messages = world.messages();
        let told: Vec<&String> = messages.iter().filter(|line| line.contains("never ran")).collect();
        let words = format!("never ran: the daemon was {by} while it waited to start");
        assert!(told.iter().all(|line| line.contains(&words)), "{messages:?}");
        for job in ["place", "lock"] {
            assert_eq!(
                told.iter().filter(|line| line.contains(&format!(" {job} critical"))).count(),
                1,
                "{messages:?}"
            );
        }
        assert!(!told.iter().any(|line| line.contains("soon critical: never ran")), "{messages:?}");
        if !killed {
            world.start().await;
            world.pass(seconds(5)).await;
        }
        let again = world.messages().iter().filter(|line| line.contains("never ran")).count();
        assert_eq!(again, told.len(), "{killed}: once");
        world.crash().await;
    }
}
