//! The schedule's keys of a job file become a [`Timing`]; every mistake becomes a problem with its place.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::{
    AtStart, Burst, Cron, Every, Expect, Expected, FirstRun, Hours, Limit, Schedule, Timing, after, expect, parse_hours,
};
use crate::diagnostic::{Code, Problem};
use crate::document::{Key, Kind, Reader, Refusal, Table, Text, Value, did_you_mean, nearest};

/// No interval is shorter.
const SHORTEST: Duration = Duration::from_millis(10);

/// No burst is longer than this many runs or alerts.
const MOST: i64 = 1_000_000;

const OVERLAP: &[&str] = &["skip", "queue", "allow", "replace"];
const CATCH_UP: &[&str] = &["none", "once"];
const FIRST_RUN: &[&str] = &["now", "wait", "always"];
const EVERY_FROM: &[&str] = &["start", "finish"];

/// The keys that say when a job is due; exactly one of them stands in a job, and none in `[defaults]`.
pub const SCHEDULE_KEYS: &[&str] = &["every", "burst", "cron", "expect", "after"];

const ONE_SCHEDULE: &str = "a job has one schedule: one of `every`, `burst`, `cron`, `expect` and `after`";
const NO_SCHEDULE: &str = "add one: `every = \"5m\"`, `cron = \"0 9 * * *\"`, \
                           `burst = { every = \"2s\", runs = 3, pause = \"60m\" }`, `after = \"db/backup\"`; or \
                           `expect = { every = \"1d\", grace = \"2h\" }` where something else runs the job";

const BURST: &[Key] = &[
    Key { name: "every", kind: Kind::Duration, default: "", about: "The interval within the burst; `10ms` or more." },
    Key {
        name: "runs",
        kind: Kind::Integer(1, MOST),
        default: "",
        about: "The burst ends with this many runs. Either this or `alerts`.",
    },
    Key {
        name: "alerts",
        kind: Kind::Integer(1, MOST),
        default: "",
        about: "The burst goes on until this many alerts were sent; the last one says that the job now pauses.",
    },
    Key {
        name: "pause",
        kind: Kind::Duration,
        default: "",
        about: "From the start of the burst's last run to the start of the next burst.",
    },
];

/// The keys of a job file that say when it runs.
pub const KEYS: &[Key] = &[
    Key {
        name: "every",
        kind: Kind::Duration,
        default: "",
        about: "Schedule: the interval, from start to start, without drift; `10ms` or more.",
    },
    Key {
        name: "burst",
        kind: Kind::Table(BURST),
        default: "",
        about: "Schedule: an interval for so many runs or alerts, then a pause, then again.",
    },
    Key {
        name: "cron",
        kind: Kind::Text,
        default: "",
        about: "Schedule: a calendar of five fields (minute, hour, day of the month, month, day of the week) with names, \
                ranges, steps, lists, `L`, `W` and `#`; or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`; or `@reboot`: once after each boot of the machine.",
    },
    Key {
        name: "expect",
        kind: Kind::Table(expect::KEYS),
        default: "",
        about: "Schedule, in the place of `command`: something else runs this job and reports it. A run that does not come by \
                its due time plus `grace` is missing, which is an incident like any other.",
    },
    Key {
        name: "after",
        kind: Kind::OneOf(&[Kind::Text, Kind::Table(after::KEYS)]),
        default: "",
        about: "Schedule: due when a run of that job, or of each of those jobs, has ended well since this one last ran.",
    },
    Key {
        name: "lock",
        kind: Kind::TextOrList,
        default: "",
        about: "Jobs with the same lock never run at one time; of those that wait, the one that is due longest comes first. \
                A run keeps its locks until its last attempt has ended.",
    },
    Key {
        name: "first_run",
        kind: Kind::Choice(FIRST_RUN),
        default: "now",
        about: "With `every` and `burst`: a job never seen before runs at once, or after its first interval. `always`, with any \
                schedule: at each start of the daemon too.",
    },
    Key {
        name: "every_from",
        kind: Kind::Choice(EVERY_FROM),
        default: "start",
        about: "With `every`: measured from the start or from the finish of the run before.",
    },
    Key {
        name: "time_zone",
        kind: Kind::Text,
        default: "",
        about: "IANA name of the time zone of `cron` and `working_hours`; without it the one of slack_alert.toml.",
    },
    Key {
        name: "working_hours",
        kind: Kind::TextOrList,
        default: "",
        about: "The job runs only then: `[DAYS ]HH:MM-HH:MM[,HH:MM-HH:MM…]`, or a list of these. The start is in, the \
                end is out; a window past midnight belongs to the day on which it starts. An empty list is always.",
    },
    Key {
        name: "jitter",
        kind: Kind::Duration,
        default: "0s",
        about: "Shifts all due times by a fixed pseudo-random amount below this, from the job's name and the host. It \
                is less than the interval (of a burst: the pause); a longer one from `[defaults]` is cut to that.",
    },
    Key {
        name: "overlap",
        kind: Kind::Choice(OVERLAP),
        default: "skip",
        about: "Due while the last run is still going: the time passes, waits, runs beside it, or stops the last run.",
    },
    Key {
        name: "catch_up",
        kind: Kind::Choice(CATCH_UP),
        default: "none",
        about: "Runs missed while the daemon or the machine was down: gone, or made up for by one.",
    },
    Key { name: "enabled", kind: Kind::Flag, default: "true", about: "Whether the job runs by its schedule at all." },
];

/// What is read in the place of a schedule that is missing or cannot be used.
const STAND_IN: Duration = Duration::from_secs(3_600);

/// The keys of a schedule, as far as they can be used. What is wrong with them is among the problems.
#[derive(Clone, Debug)]
pub struct Read {
    /// What cannot be used is as if it were not written.
    pub timing: Timing,
    /// Whether the schedule itself can be used; if not, another one is in its place.
    pub has_schedule: bool,
}

/// Takes the schedule's keys from a job's table; `zone` holds where the job names none.
pub fn read(table: &mut Table<'_>, zone: &TimeZone) -> Read {
    let schedule = schedule(table);
    let first_run: FirstRun = table.choice("first_run", FIRST_RUN).unwrap_or_default();
    let every_from = table.choice("every_from", EVERY_FROM).unwrap_or_default();
    let own_zone = table.text("time_zone").and_then(|text| read_zone(&text, table.reader()));
    let jitter = table.duration("jitter").unwrap_or_default();
    only_with_every(table);
    refuse_about_running(table);

    let has_schedule = schedule.is_some();
    let mut schedule = schedule.unwrap_or_else(|| Schedule::Every(Every::new(STAND_IN)));
    match &mut schedule {
        Schedule::Every(pulse) => {
            pulse.first_run = first_run;
            pulse.from = every_from;
        }
        Schedule::Burst(burst) => burst.pulse.first_run = first_run,
        Schedule::Cron(_) | Schedule::Reboot | Schedule::Expect(_) | Schedule::After(_) => {}
    }
    let at_start = match schedule {
        Schedule::Reboot => AtStart::AfterBoot,
        _ if first_run == FirstRun::Always => AtStart::Always,
        _ => AtStart::Never,
    };
    let mut timing = Timing::new(schedule, own_zone.unwrap_or_else(|| zone.clone()));
    // The interval of the stand-in says nothing about a jitter.
    timing.jitter = if has_schedule { below_interval(table, &timing, jitter) } else { jitter };
    timing.hours = working_hours(table).flatten();
    timing.overlap = table.choice("overlap", OVERLAP).unwrap_or_default();
    timing.catch_up = table.choice("catch_up", CATCH_UP).unwrap_or_default();
    timing.locks = locks(table).unwrap_or_default();
    timing.at_start = at_start;
    timing.enabled = table.flag("enabled").unwrap_or(true);
    Read { timing, has_schedule }
}

/// `Some(None)` when the key is not there, `None` when it is there and cannot be used.
fn sound<'d, T>(
    table: &mut Table<'d>,
    key: &'static str,
    take: impl FnOnce(&mut Table<'d>) -> Option<T>,
) -> Option<Option<T>> {
    match table.value(key) {
        Some(_) => take(table).map(Some),
        None => Some(None),
    }
}

fn schedule(table: &mut Table<'_>) -> Option<Schedule> {
    let present = |table: &mut Table<'_>, key| table.value(key).is_some();
    let (every, burst, cron) = (present(table, "every"), present(table, "burst"), present(table, "cron"));
    let (expect, after) = (present(table, "expect"), present(table, "after"));
    let written: Vec<&str> = SCHEDULE_KEYS.iter().copied().filter(|key| table.own_value(key).is_some()).collect();
    let first = written.iter().copied().min_by_key(|key| table.own_value(key).map(|value| value.at.start));
    let mut alone = true;
    for key in written.iter().copied().filter(|key| Some(*key) != first) {
        alone &= !table.conflict(first.unwrap_or(key), key, ONE_SCHEDULE);
    }
    // What stands in the file goes before what stands in the defaults, where it has no place anyhow.
    let counts = |key, there: bool| there && (first.is_none() || written.contains(&key));
    let every = if counts("every", every) {
        Some(read_every(table, "every").map(|every| Schedule::Every(Every::new(every))))
    } else {
        None
    };
    let burst = if counts("burst", burst) { Some(read_burst(table).map(Schedule::Burst)) } else { None };
    let cron = if counts("cron", cron) { Some(read_cron(table)) } else { None };
    let expect = if counts("expect", expect) { Some(read_expect(table)) } else { None };
    let after = match counts("after", after) {
        true => Some(after::read(table).map(|after| Schedule::After(Box::new(after)))),
        false => None,
    };
    let found = every.or(burst).or(cron).or(expect).or(after);
    if found.is_none()
        && !is_mistyped(table)
        && let Some(place) = table.place()
    {
        table.push(Problem::new(Code::MissingKey, place, "the job has no schedule").help(NO_SCHEDULE));
    }
    found.flatten().filter(|_| alone)
}

/// Whether a key of the file is one of the schedule's, mistyped: then that is the problem, and not that one is missing.
fn is_mistyped(table: &Table<'_>) -> bool {
    table.free_keys().into_iter().any(|(key, _)| nearest(key, SCHEDULE_KEYS.iter().copied()).is_some())
}

/// An interval that is not too short.
fn read_every(table: &mut Table<'_>, key: &'static str) -> Option<Duration> {
    let value = table.value(key)?;
    let every = value.duration()?;
    if every < SHORTEST {
        let message = format!("`{}` is shorter than 10ms", value.path());
        return value.refuse(Code::InvalidValue, message, "the shortest interval is `10ms`");
    }
    Some(every)
}

fn read_burst(table: &mut Table<'_>) -> Option<Burst> {
    let mut burst = table.table("burst")?;
    let interval = read_every(&mut burst, "every");
    let runs = sound(&mut burst, "runs", |burst| burst.integer("runs", 1..=MOST));
    let alerts = sound(&mut burst, "alerts", |burst| burst.integer("alerts", 1..=MOST));
    let pause = burst.duration("pause");
    let both = burst.conflict("runs", "alerts", "a burst ends with so many `runs`, or with so many `alerts`");
    let missing = |burst: &Table<'_>, key: &str, help| {
        if burst.own_value(key).is_none() {
            burst.missing(key, help);
        }
    };
    missing(&burst, "every", "say how long it is from one run of the burst to the next, as `every = \"2s\"`");
    missing(&burst, "pause", "say how long it is from the burst's last run to the next burst, as `pause = \"60m\"`");
    if matches!((&runs, &alerts), (Some(None), Some(None))) {
        burst.missing("runs", "say with how many `runs`, or with how many `alerts`, the burst ends");
    }
    burst.finish();
    let count = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
    let limit = match (runs?, alerts?) {
        (Some(runs), None) => Limit::Runs(count(runs)),
        (None, Some(alerts)) => Limit::Alerts(count(alerts)),
        _ => return None,
    };
    Some(Burst { pulse: Every::new(interval?), limit, pause: pause? }).filter(|_| !both)
}

fn read_cron(table: &mut Table<'_>) -> Option<Schedule> {
    let text = table.text("cron")?;
    if text.value.trim().eq_ignore_ascii_case("@reboot") {
        return Some(Schedule::Reboot);
    }
    parse_calendar(table, &text).map(Schedule::Cron)
}

fn parse_calendar(table: &Table<'_>, text: &Text<'_>) -> Option<Arc<Cron>> {
    match Cron::parse(text.value) {
        Ok(cron) => Some(Arc::new(cron)),
        Err(refusal) => {
            push(table, Code::InvalidCron, text, refusal);
            None
        }
    }
}

/// Whether the job of this file is run by something else, so that it has no command.
pub fn runs_elsewhere(table: &Table<'_>) -> bool {
    table.own_value("expect").is_some() && table.own_value("command").is_none()
}

fn read_expect(table: &mut Table<'_>) -> Option<Schedule> {
    let mut expect = table.table("expect")?;
    let every = sound(&mut expect, "every", |expect| read_every(expect, "every"));
    let cron = sound(&mut expect, "cron", read_calendar);
    let grace = expect.duration("grace");
    let both =
        expect.conflict("every", "cron", "a run is due so long after the last one, or at the times of a calendar");
    if expect.own_value("grace").is_none() {
        expect.missing("grace", "say how long after its due time a run may begin, as `grace = \"30m\"`");
    }
    if matches!((&every, &cron), (Some(None), Some(None))) {
        expect.missing("every", "say when a run is due, as `every = \"1d\"` or `cron = \"0 3 * * *\"`");
    }
    expect.finish();
    let times = match (every?, cron?) {
        (Some(every), None) => Expected::Every(every),
        (None, Some(cron)) => Expected::Cron(cron),
        _ => return None,
    };
    Some(Schedule::Expect(Box::new(Expect { times, grace: grace? }))).filter(|_| !both)
}

/// The calendar of `expect`: whoever boots the machine has no time.
fn read_calendar(table: &mut Table<'_>) -> Option<Arc<Cron>> {
    let text = table.text("cron")?;
    if text.value.trim().eq_ignore_ascii_case("@reboot") {
        let problem = Problem::new(Code::InvalidCron, text.at, "a boot of the machine has no time at which it is due");
        table.push(problem.help("name the times of a calendar, as `cron = \"0 3 * * *\"`"));
        return None;
    }
    parse_calendar(table, &text)
}

/// Names of locks: some text each.
fn locks(table: &mut Table<'_>) -> Option<Box<[Arc<str>]>> {
    let value = table.value("lock")?;
    let texts = value.texts()?;
    if texts.iter().any(|text| text.value.trim().is_empty()) {
        let help = "name it after what only one run may use: `lock = \"db\"`";
        return value.refuse(Code::InvalidValue, "a lock has no name", help);
    }
    let mut names: Vec<Arc<str>> = texts.iter().map(|text| text.value.into()).collect();
    names.sort();
    names.dedup();
    Some(names.into())
}

/// The keys that say how the daemon runs a command. Those of `[defaults]` are not counted.
const ABOUT_RUNNING: &[&str] = &[
    "command",
    "shell",
    "working_dir",
    "inherit_env",
    "env",
    "env_file",
    "stdin",
    "umask",
    "nice",
    "user",
    "group",
    "retries",
    "overlap",
    "catch_up",
    "first_run",
    "every_from",
    "jitter",
    "lock",
];

/// With `expect` the daemon runs nothing: what says how it would is a mistake.
fn refuse_about_running(table: &Table<'_>) {
    if let Some(after) = table.own_value("after") {
        for (key, why) in
            [("jitter", "it has no times of its own"), ("catch_up", "the end of another run is never missed")]
        {
            let Some(value) = table.own_value(key) else { continue };
            let problem = Problem::new(
                Code::ConflictingKeys,
                value.key_at,
                format!("`{key}` has no meaning with `after`: {why}"),
            );
            table.push(problem.also(after.key_at, "`after` is here").help("take it out"));
        }
    }
    let Some(expect) = table.own_value("expect") else { return };
    for key in ABOUT_RUNNING {
        let Some(value) = table.own_value(key) else { continue };
        let (message, help) = match *key {
            "command" => (
                "this job has an `expect` and a `command`".to_owned(),
                "with `expect` something else runs the command and reports it, through `wrap` or a ping: take one of the two out",
            ),
            key => (
                format!("`{key}` has no meaning with `expect`: the daemon does not run this job"),
                "take it out; whatever runs the job decides this",
            ),
        };
        let problem = Problem::new(Code::ConflictingKeys, value.key_at, message);
        table.push(problem.also(expect.key_at, "`expect` is here").help(help));
    }
}

/// The hours of one text or several; an empty list is no hours, and takes those of `[defaults]` away.
fn working_hours(table: &mut Table<'_>) -> Option<Option<Hours>> {
    let value = table.value("working_hours")?;
    let texts = value.texts()?;
    let mut all = value.items().is_none_or(|items| items.len() == texts.len());
    let mut hours: Option<Hours> = None;
    for text in texts {
        match parse_hours(text.value) {
            Ok(more) => hours = Some(hours.map_or_else(|| more.clone(), |hours| hours.and(&more))),
            Err(refusal) => {
                push(table, Code::InvalidHours, &text, refusal);
                all = false;
            }
        }
    }
    all.then_some(hours)
}

/// Notes what a text was refused for, at the very characters.
fn push(table: &Table<'_>, code: Code, text: &Text<'_>, refusal: Refusal) {
    let at = if text.value.is_empty() { text.at } else { text.inside(refusal.span) };
    table.push(Problem::new(code, at, refusal.message).help(refusal.help));
}

/// A time zone by its IANA name, as this machine knows it.
pub fn read_zone(text: &Text<'_>, reader: &Reader) -> Option<TimeZone> {
    if let Some(zone) = crate::clock::zone(text.value) {
        return Some(zone);
    }
    // What needs no table is known without any: a slim image has no tzdata.
    if ["UTC", "Etc/UTC", "GMT", "Etc/GMT", "Zulu"].iter().any(|name| name.eq_ignore_ascii_case(text.value)) {
        return Some(TimeZone::UTC);
    }
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let names = || known.iter().map(String::as_str);
    let city = |name: &str| name.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(text.value.trim()));
    // Before names: `Etc/GMT+2` ends like `GMT+2`, and is another time.
    let help = match of_offset(text.value) {
        _ if known.is_empty() => "this machine has no time zones; install its `tzdata` package".to_owned(),
        Some(help) => help,
        None => match names().find(|name| city(name)) {
            Some(name) => format!("did you mean `{name}`?"),
            None => did_you_mean(text.value, names())
                .unwrap_or_else(|| "write its IANA name, such as `Europe/Berlin` or `UTC`".to_owned()),
        },
    };
    let message = format!("the time zone `{}` is not known on this machine", text.value);
    reader.push(Problem::new(Code::UnknownTimeZone, text.at, message).help(help));
    None
}

/// `UTC+2`, `+02:00`: of a time that far from UTC the zone, whose name has the other sign.
fn of_offset(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_uppercase();
    let offset = text.strip_prefix("UTC").or_else(|| text.strip_prefix("GMT")).unwrap_or(&text);
    let (from_utc, sign) = match offset.get(..1)? {
        "+" => ("ahead of", '-'),
        "-" => ("behind", '+'),
        _ => return None,
    };
    let hours: u8 = offset[1..].trim_end_matches(":00").parse().ok()?;
    let most = if sign == '-' { 14 } else { 12 };
    (1..=most).contains(&hours).then(|| {
        format!(
            "`Etc/GMT{sign}{hours}` is {hours}h {from_utc} UTC (the sign in its name is the other one), all year; a place, such as \
             `Europe/Berlin`, follows the summer time"
        )
    })
}

/// Keys that mean something beside an interval only: `every_from` beside `every`, `first_run` beside `burst` too. From
/// `[defaults]` they come to every job, and are not counted.
fn only_with_every(table: &Table<'_>) {
    let other = ["burst", "cron", "after"].into_iter().find_map(|key| Some((key, table.own_value(key)?)));
    let Some((other, schedule)) = other.filter(|_| table.own_value("every").is_none()) else { return };
    for (key, with) in [("first_run", "`every` and `burst`"), ("every_from", "`every`")] {
        // With every schedule `always` has a meaning, and what is no value at all may be a slip for it.
        let fits = |value: &Value<'_>| {
            let text = value.is_text().then(|| value.text()).flatten().map(|text| text.value);
            key == "first_run" && (other == "burst" || !text.is_some_and(|text| ["now", "wait"].contains(&text)))
        };
        if let Some(value) = table.own_value(key).filter(|value| !fits(value)) {
            let (what, help) = match value.text().filter(|_| key == "first_run") {
                Some(text) => (
                    format!("`first_run = \"{}\"`", text.value),
                    "take it out, or write `always`: the job then runs at each start of the daemon too",
                ),
                None => (format!("`{key}`"), "take it out"),
            };
            let message = format!("{what} has a meaning with {with} only, and this job has a `{other}`");
            let problem = Problem::new(Code::ConflictingKeys, value.key_at, message);
            table.push(problem.also(schedule.key_at, format!("`{other}` is here")).help(help));
        }
    }
}

/// The job's own jitter must be shorter than its interval, or its pause; one from `[defaults]` is cut to it.
fn below_interval(table: &mut Table<'_>, timing: &Timing, jitter: Duration) -> Duration {
    let Some(every) = timing.every() else { return jitter };
    let longest = timing.burst().map_or(every, |burst| burst.pause.max(every));
    match table.own_value("jitter") {
        _ if jitter < longest => jitter,
        Some(value) => {
            let what = if timing.burst().is_some() { "pause" } else { "interval" };
            let help = format!("a shift by a whole {what} or more spreads no better than one below it");
            let message = format!("`jitter` must be shorter than the {what}");
            value.refuse(Code::InvalidValue, message, help).unwrap_or_default()
        }
        None => longest,
    }
}

#[cfg(test)]
mod tests;
