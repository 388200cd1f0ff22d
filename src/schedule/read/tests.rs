use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::super::{CatchUp, EveryFrom, FirstRun, Overlap, Timing};
use super::{KEYS, read};
use crate::diagnostic::{Problems, Sources};
use crate::document::{Reader, Table, syntax};

/// What is read from a job's text over a text of defaults, and the problems: code, culprit and message, a line each.
fn read_over(job: &str, defaults: &str) -> (Option<Timing>, Vec<String>) {
    let (mut sources, mut problems) = (Sources::default(), Problems::default());
    let (file, below) = (sources.add(Path::new("job.toml"), job), sources.add(Path::new("defaults.toml"), defaults));
    let (parsed, _) = syntax::parse(file, job, &mut problems);
    let (parsed_below, _) = syntax::parse(below, defaults, &mut problems);
    assert!(problems.is_empty(), "the test is valid TOML: {problems:?}");
    let reader = Reader::default();
    let below = Table::root(&reader, below, defaults, &parsed_below);
    let mut table = Table::root(&reader, file, job, &parsed).over(&below);
    let read = read(&mut table, &TimeZone::UTC);
    let mut known: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    known.sort_unstable();
    assert_eq!(table.asked(), known, "what is asked for is what the manual tells of");
    let mut problems = reader.into_problems();
    problems.sort();
    let told = problems.iter().map(|problem| {
        let place = problem.place().expect("every problem has a place");
        let culprit = &sources.get(place.source).text[place.span()];
        format!("{} [{culprit}] {} ({})", problem.code.as_str(), problem.message, problem.help.as_deref().unwrap_or(""))
    });
    let told: Vec<String> = told.collect();
    ((read.has_schedule && told.is_empty()).then_some(read.timing), told)
}

#[test]
fn what_a_file_says_is_what_is_read() {
    for (job, words) in [
        ("every = '5m'", "every 5m"),
        ("every = '10ms'", "every 10ms"),
        ("every = '1h'\nevery_from = 'finish'", "1h after each finish"),
        ("burst = { every = '2s', runs = 3, pause = '60m' }", "every 2s until 3 runs, then pause 1h"),
        ("[burst]\nevery = '2s'\nalerts = 1\npause = '60m'", "every 2s until 1 alert, then pause 1h"),
        ("cron = '0 3 * * MON-FRI'", "Mon-Fri at 03:00"),
        ("cron = '@daily'\nworking_hours = 'Mon-Fri 9:00-19:00'", "daily at 00:00, Mon-Fri 9:00-19:00"),
        ("every = '1m'\nworking_hours = ['9:00-12:00', 'Sat 10:00-11:00']", "every 1m, 9:00-12:00; Sat 10:00-11:00"),
        ("every = '1m'\njitter = '59s'", "every 1m"),
        ("cron = '@daily'\njitter = '5h'", "daily at 00:00"),
        ("burst = { every = '2s', runs = 3, pause = '60m' }\njitter = '5m'", "every 2s until 3 runs, then pause 1h"),
        ("expect = { every = '1d', grace = '2h' }", "expected every 1d, 2h of grace"),
        ("[expect]\ncron = '0 3 * * *'\ngrace = '30m'", "expected daily at 03:00, 30m of grace"),
    ] {
        let (timing, problems) = read_over(job, "");
        assert_eq!((timing.map(|timing| timing.describe()).as_deref(), &problems[..]), (Some(words), &[][..]), "{job}");
    }
}

#[test]
fn every_key_has_its_effect_and_its_default() {
    let (timing, _) = read_over("every = '1m'", "");
    let plain = timing.expect("a valid job");
    assert_eq!((plain.overlap, plain.catch_up, plain.enabled), (Overlap::Skip, CatchUp::None, true));
    assert_eq!((plain.jitter, plain.zone.iana_name(), &plain.hours), (Duration::ZERO, Some("UTC"), &None));
    let pulse = plain.pulse().expect("an interval");
    assert_eq!((pulse.first_run, pulse.from), (FirstRun::Now, EveryFrom::Start));

    let all = "every = '1m'\nfirst_run = 'wait'\nevery_from = 'finish'\ntime_zone = 'Europe/Berlin'\njitter = '5s'\n\
               overlap = 'replace'\ncatch_up = 'once'\nenabled = false";
    let full = read_over(all, "").0.expect("a valid job");
    assert_eq!((full.overlap, full.catch_up, full.enabled), (Overlap::Replace, CatchUp::Once, false));
    assert_eq!((full.jitter, full.zone.iana_name()), (Duration::from_secs(5), Some("Europe/Berlin")));
    let pulse = full.pulse().expect("an interval");
    assert_eq!((pulse.first_run, pulse.from), (FirstRun::Wait, EveryFrom::Finish));

    let burst = "burst = { every = '2s', runs = 3, pause = '60m' }\nfirst_run = 'wait'";
    let (timing, problems) = read_over(burst, "");
    let pulse = timing.expect("a valid job").pulse().expect("an interval");
    assert_eq!((pulse.first_run, problems.len()), (FirstRun::Wait, 0));
}

#[test]
fn defaults_hold_where_the_job_is_silent_and_where_they_mean_something() {
    let below =
        "working_hours = '9:00-17:00'\nfirst_run = 'wait'\nevery_from = 'finish'\njitter = '30s'\noverlap = 'queue'";
    let read = |job| match read_over(job, below) {
        (Some(timing), problems) if problems.is_empty() => timing,
        (_, problems) => panic!("{job}: {problems:?}"),
    };
    let plain = read("every = '1m'");
    assert_eq!(
        (plain.describe().as_str(), plain.jitter),
        ("1m after each finish, 9:00-17:00", Duration::from_secs(30))
    );
    assert_eq!(plain.overlap, Overlap::Queue);
    assert_eq!(read("cron = '@daily'\nworking_hours = []").describe(), "daily at 00:00");
    assert_eq!(read("every = '10s'").jitter, Duration::from_secs(10), "cut to the interval");
    assert_eq!(
        read("expect = { every = '1d', grace = '1h' }").describe(),
        "expected every 1d, 1h of grace, 9:00-17:00"
    );
}

#[test]
fn every_mistake_is_shown_at_its_characters() {
    for (job, expected) in [
        ("command = 'x'", &["missing-key [] the job has no schedule (add one: `every"][..]),
        ("expect = { every = '1d' }", &["missing-key [expect] `grace` is missing in `expect` (say how long after"]),
        ("expect = { grace = '1h' }", &["missing-key [expect] `every` is missing in `expect` (say when a run is due"]),
        (
            "expect = { every = '1d', cron = '@daily', grace = '1h' }",
            &["conflicting-keys [cron] `cron` cannot stand beside `every` (a run is due so long after"],
        ),
        (
            "expect = { cron = '@reboot', grace = '1h' }",
            &["invalid-cron ['@reboot'] a boot of the machine has no time at which it is due"],
        ),
        ("expect = { cron = '61 * * * *', grace = '1h' }", &["invalid-cron [61]"]),
        (
            "cron = '@daily'\nexpect = { every = '1d', grace = '1h' }",
            &["conflicting-keys [expect] `expect` cannot stand beside `cron` (a job has one schedule"],
        ),
        (
            "command = 'x'\nexpect = { every = '1d', grace = '1h' }\noverlap = 'queue'\nretries = 2\nuser = 'x'",
            &[
                "conflicting-keys [command] this job has an `expect` and a `command` (with `expect` something else",
                "conflicting-keys [overlap] `overlap` has no meaning with `expect`: the daemon does not run this job (take",
                "conflicting-keys [retries] `retries` has no meaning with `expect`",
                "conflicting-keys [user] `user` has no meaning with `expect`",
            ],
        ),
        ("every = '5ms'", &["invalid-value ['5ms'] `every` is shorter than 10ms (the shortest interval is `10ms`)"]),
        ("every = '5x'", &["invalid-duration [x] `every`: `x` is not a unit of time"]),
        ("every = 5", &["invalid-duration [5] `every` has no unit"]),
        ("every = true", &["wrong-type [true] `every` must be a length of time"]),
        (
            "every = '5m'\ncron = '@daily'",
            &["conflicting-keys [cron] `cron` cannot stand beside `every` (a job has one schedule"],
        ),
        (
            "cron = '@daily'\nburst = { every = '2s', runs = 3, pause = '60m' }\nevery = '5m'",
            &[
                "conflicting-keys [burst] `burst` cannot stand beside `cron`",
                "conflicting-keys [every] `every` cannot stand beside `cron`",
            ],
        ),
        (
            "cron = '@daily'\nfirst_run = 'now'\nevery_from = 'start'",
            &[
                "conflicting-keys [first_run] `first_run = \"now\"` has a meaning with `every` and `burst` only, and this job has a `cron`",
                "conflicting-keys [every_from] `every_from` has a meaning with `every` only",
            ],
        ),
        (
            "burst = { every = '2s', runs = 3, pause = '60m' }\nfirst_run = 'now'\nevery_from = 'start'",
            &["conflicting-keys [every_from] `every_from` has a meaning with `every` only, and this job has a `burst`"],
        ),
        // A slip for `always`, which has a meaning with every schedule: there is nothing to take out.
        ("cron = '@daily'\nfirst_run = 'alwys'", &["invalid-value ['alwys'] `alwys` is no value for `first_run`"]),
        ("cron = '0 25 * * *'", &["invalid-cron [25] `25` is no hour (it must be from 0 to 23)"]),
        ("cron = \"0\\t25 * * *\"", &["invalid-cron [25] `25` is no hour"]),
        ("cron = ''", &["invalid-cron [''] the calendar is empty"]),
        ("cron = 5", &["wrong-type [5] `cron` must be text, found a number"]),
        ("burst = '2s'", &["wrong-type ['2s'] `burst` must be a table"]),
        (
            "burst = { }",
            &[
                "missing-key [burst] `every` is missing in `burst`",
                "missing-key [burst] `pause` is missing in `burst`",
                "missing-key [burst] `runs` is missing in `burst` (say with how many",
            ],
        ),
        (
            "burst = { every = '1ms', runs = 0, alerts = 3, pause = 'x', speed = 1 }",
            &[
                "invalid-value ['1ms'] `burst.every` is shorter than 10ms",
                "invalid-value [0] `burst.runs` is out of range (it must be from 1 to 1000000)",
                "conflicting-keys [alerts] `alerts` cannot stand beside `runs`",
                "invalid-duration [x] `burst.pause`",
                "unknown-key [speed] unknown key `speed` in `burst`",
            ],
        ),
        (
            "every = '5m'\ntime_zone = 'Europe/Berlni'",
            &[
                "unknown-time-zone ['Europe/Berlni'] the time zone `Europe/Berlni` is not known on this machine (did you mean `Europe/Berlin`?)",
            ],
        ),
        (
            "every = '5m'\ntime_zone = 'Berlin'",
            &[
                "unknown-time-zone ['Berlin'] the time zone `Berlin` is not known on this machine (did you mean `Europe/Berlin`?)",
            ],
        ),
        (
            "every = '5m'\ntime_zone = 'GMT+2'",
            &[
                "unknown-time-zone ['GMT+2'] the time zone `GMT+2` is not known on this machine (`Etc/GMT-2` is 2h ahead of UTC (the sign in its name is the other one), all year; a place, such as `Europe/Berlin`, follows the summer time)",
            ],
        ),
        ("every = '5m'\ntime_zone = '../../etc/passwd'", &["unknown-time-zone"]),
        ("every = '5m'\ntime_zone = ''", &["unknown-time-zone"]),
        ("every = '5m'\nworking_hours = '9:00-25:00'", &["invalid-hours [25:00] `25:00` is no time of day"]),
        (
            "every = '5m'\nworking_hours = ['9:00-10:00', 'Mno 9:00-10:00', 7]",
            &["invalid-hours [Mno] `Mno` is no day of the week (did you mean `mon`?)", "wrong-type [7]"],
        ),
        ("every = '5m'\nworking_hours = 9", &["wrong-type [9]"]),
        ("every = '5m'\njitter = '5m'", &["invalid-value ['5m'] `jitter` must be shorter than the interval"]),
        (
            "burst = { every = '2s', runs = 3, pause = '60m' }\njitter = '2h'",
            &["invalid-value ['2h'] `jitter` must be shorter than the pause"],
        ),
        (
            "every = '5m'\noverlap = 'skp'",
            &["invalid-value ['skp'] `skp` is no value for `overlap` (did you mean `skip`?"],
        ),
        ("every = '5m'\ncatch_up = 'all'", &["invalid-value ['all'] `all` is no value for `catch_up`"]),
        ("every = '5m'\nenabled = 'no'", &["wrong-type ['no'] `enabled` must be `true` or `false`"]),
        // All of them in one pass.
        (
            "every = '5x'\noverlap = 'x'\nenabled = 1\ntime_zone = 'X'\njitter = 'x'",
            &[
                "invalid-duration [x]",
                "invalid-value ['x']",
                "wrong-type [1]",
                "unknown-time-zone ['X']",
                "invalid-duration [x]",
            ],
        ),
    ] {
        let (timing, problems) = read_over(job, "");
        assert_eq!(timing, None, "{job}");
        assert_eq!(problems.len(), expected.len(), "{job}: {problems:#?}");
        for (found, expected) in problems.iter().zip(expected) {
            assert!(found.starts_with(expected), "{job}: {found}, not {expected}");
        }
    }
}

#[test]
fn a_mistyped_schedule_is_not_a_missing_one_too() {
    assert_eq!(read_over("evrey = '5m'", ""), (None, Vec::new()));
}

#[test]
fn a_bad_default_fails_every_job_though_it_is_told_once() {
    let (timing, problems) = read_over("every = '5m'", "working_hours = 'x'\noverlap = 'x'");
    assert_eq!((timing, problems.len()), (None, 2));
}

#[test]
fn a_zone_that_is_written_as_an_offset_gets_the_name_with_the_other_sign() {
    for (text, wanted) in [
        ("GMT+2", "`Etc/GMT-2` is 2h ahead of UTC"),
        ("utc-5", "`Etc/GMT+5` is 5h behind UTC"),
        ("+02:00", "`Etc/GMT-2` is 2h ahead of UTC"),
        ("UTC+05:30", ""),
        ("GMT-13", ""),
        ("+", ""),
        ("Ü+1", ""),
    ] {
        let help = super::of_offset(text).unwrap_or_default();
        assert!(if wanted.is_empty() { help.is_empty() } else { help.starts_with(wanted) }, "{text}: {help}");
    }
}
