//! `[summary]`: a report on schedule, from numbers to words. Pure.
//!
//! Before it: the daemon, which counts. After it: `outbox`, as any message. Invariant: it is one message within every
//! limit, however many jobs there are: of each list the first few, and how many more there are.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::render::Rendered;
use super::words::{one_line, short};
use crate::clock::between;
use crate::diagnostic::{Code, Problem};
use crate::document::{Key, Kind, Refusal, Table, Text, format_duration};
use crate::exec::Status;
use crate::id::{Channel, JobName};
use crate::policy::{Hold, parse_channel};
use crate::schedule::{Times, parse_times};
use crate::slack::limits::PLAIN;
use crate::slack::{blocks, code, cut, escape, unformatted};

/// Jobs of each list.
const MOST: usize = 5;

/// The keys of `[summary]`.
pub const KEYS: &[Key] = &[
    Key {
        name: "at",
        kind: Kind::Text,
        default: "",
        about: "When the report comes, by the clock of `time_zone`: `09:00`, `Mon-Fri 09:00`, `Mon,Thu 08:30,17:00`. One \
                that fell into a time when the daemon was down comes at the next start, once.",
    },
    Key { name: "channel", kind: Kind::Text, default: "", about: "Where it goes. Default: `slack.channel`." },
];

/// What `[summary]` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `at`.
    pub at: Times,
    /// `channel`; none: the default of `[slack]`.
    pub channel: Option<Channel>,
}

/// What there is to report.
#[derive(Clone, Debug)]
pub struct Report {
    /// This host's name.
    pub host: String,
    /// From when on: the report before.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// The zone of the times shown.
    pub zone: TimeZone,
    /// Every job that ran.
    pub jobs: Vec<JobReport>,
    /// Incidents that are open.
    pub open: Vec<Open>,
    /// Incidents that runs in progress have opened in that time since they hang, and that were told.
    pub hanging: u64,
    /// Runs in progress, and since when.
    pub running: Vec<(JobName, Timestamp)>,
    /// What people have paused, silenced or acknowledged.
    pub holds: Vec<Hold>,
}

/// An incident that is open.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// The job.
    pub job: JobName,
    /// Which of the job's incidents, where its script tells them apart.
    pub key: Option<String>,
    /// When the first failure was.
    pub since: Timestamp,
    /// Failures in it.
    pub failures: u32,
    /// What the last of them said.
    pub line: String,
}

/// What one job did in that time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobReport {
    /// The job.
    pub job: JobName,
    /// Its runs; without those that counted as not run.
    pub runs: u64,
    /// Of these, not ok.
    pub failures: u64,
    /// How long the longest took.
    pub longest: Duration,
    /// How long all of them took together.
    pub took: Duration,
    /// Runs of which nothing was said though it was worth a message: limits, quiet hours, flapping, silences.
    pub held: u64,
    /// Runs of which something was said.
    pub told: u64,
    /// Of these, good news: output, success, change.
    pub good: u64,
    /// Of these, first messages of an incident.
    pub begun: u64,
    /// Of these, repetitions.
    pub repeats: u64,
    /// Of the incidents that were told, those of a single failed run.
    pub single: u64,
}

/// A job is noisy from so many messages on.
const NOISY: u64 = 5;

/// So many noisy jobs are named.
const NOISIEST: usize = 3;

/// A run is slow that takes longer than this, and more than twice as long as the job's other runs.
const SLOW: Duration = Duration::from_secs(10);

/// A run in progress is worth a line from this age on.
const LONG: Duration = Duration::from_secs(60);

impl JobReport {
    /// Takes in what was counted of the same job in another step.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.failures += other.failures;
        self.longest = self.longest.max(other.longest);
        self.took = self.took.saturating_add(other.took);
        self.held += other.held;
        self.told += other.told;
        self.good += other.good;
        self.begun += other.begun;
        self.repeats += other.repeats;
        self.single += other.single;
    }

    /// How long the other runs took on average, where there were others.
    fn usual(&self) -> Option<Duration> {
        let others = u32::try_from(self.runs.saturating_sub(1)).ok().filter(|others| *others > 0)?;
        self.took.saturating_sub(self.longest).checked_div(others)
    }

    /// The setting of `[notify]` that would have made most of its messages needless, and how many would have been left.
    pub fn quieter(&self) -> Option<(&'static str, u64)> {
        let most = |messages: u64| messages > 0 && messages * 2 >= self.told;
        // The failure and the recovery of a single failed run.
        let blips = (self.single * 2).min(self.told);
        match () {
            () if most(self.good) => Some(("on = [\"failure\", \"recovery\"]", self.told.saturating_sub(self.good))),
            () if most(blips) => Some(("after = 2", self.told - blips)),
            () if most(self.repeats) => Some(("repeat = \"never\"", self.told.saturating_sub(self.repeats))),
            () => None,
        }
    }
}

/// Reads `[summary]`, the whole table; `None` where something in it is missing or wrong.
pub fn read(mut table: Table<'_>) -> Option<Settings> {
    let text = table.text("at");
    if text.is_none() {
        table.missing("at", "say when the report is to come: `at = \"Mon-Fri 09:00\"`");
    }
    let channel = table.text("channel");
    let refuse = |text: &Text<'_>, key: &str, refusal: Refusal| {
        let message = format!("`summary.{key}`: {}", refusal.message);
        table.push(Problem::new(Code::InvalidValue, text.inside(refusal.span), message).help(refusal.help));
    };
    let at = text.and_then(|text| parse_times(text.value).map_err(|refusal| refuse(&text, "at", refusal)).ok());
    let channel = match channel {
        None => Some(None),
        Some(text) => parse_channel(text.value).map_err(|refusal| refuse(&text, "channel", refusal)).ok().map(Some),
    };
    table.finish();
    Some(Settings { at: at?, channel: channel? })
}

impl Report {
    /// How it stands, for the digest that it may become part of: what fails still, or failed.
    pub fn status(&self) -> Status {
        let failed = !self.open.is_empty() || self.jobs.iter().any(|job| job.failures > 0);
        if failed { Status::Warning } else { Status::Ok }
    }
}

/// The report in words.
pub fn render(report: &Report) -> Rendered {
    let title = format!(
        ":bar_chart: *Summary of {}* since {}: {}",
        escape(&report.host),
        report.since.to_zoned(report.zone.clone()).strftime("%a %-d %b, %H:%M"),
        numbers(report)
    );
    let mut parts = Vec::new();
    let mut open: Vec<_> = report.open.iter().collect();
    open.sort_by_key(|open| open.since);
    let longest = |Open { job, key, since, failures, line }: &&Open| {
        let key = key.as_ref().map(|key| format!(" (key {})", unformatted(&short(key)))).unwrap_or_default();
        let length = format_duration(whole_seconds(between(*since, report.until)));
        let line = if line.trim().is_empty() { String::new() } else { format!(": {}", unformatted(&short(line))) };
        format!("• *{}*{key} for {length}, {}{line}", name(job), count((*failures).into(), "failure"))
    };
    parts.extend(list("Longest open incidents", open.len(), open.iter().map(longest)));
    let ranked = |weight: fn(&JobReport) -> u128| {
        let mut jobs: Vec<_> = report.jobs.iter().filter(|job| weight(job) > 0).collect();
        jobs.sort_by(|a, b| weight(b).cmp(&weight(a)).then_with(|| a.job.cmp(&b.job)));
        jobs
    };
    let words = |hold: &Hold| {
        let until = hold.until.to_zoned(report.zone.clone()).strftime("%a %-d %b, %H:%M").to_string();
        // As code: the stars of a pattern are no markup.
        format!("• {} {}", code(&short(hold.pattern.as_str())), one_line(&hold.in_words(&until)))
    };
    parts.extend(list("Holds", report.holds.len(), report.holds.iter().map(words)));
    let failing = ranked(|job| job.failures.into());
    let words = |job: &&JobReport| format!("• *{}*: {} of {}", name(&job.job), job.failures, count(job.runs, "run"));
    parts.extend(list("Most failures", failing.len(), failing.iter().map(words)));
    let mut running: Vec<_> =
        report.running.iter().filter(|(_, since)| between(*since, report.until) >= LONG).collect();
    running.sort_by_key(|(_, since)| *since);
    let words = |(job, since): &&(JobName, Timestamp)| {
        format!("• *{}* for {}", name(job), format_duration(whole_seconds(between(*since, report.until))))
    };
    parts.extend(list("Running", running.len(), running.iter().map(words)));
    let mut slow = ranked(|job| job.longest.as_millis());
    slow.retain(|job| job.longest >= SLOW && job.usual().is_some_and(|usual| job.longest > usual * 2));
    let words = |job: &&JobReport| {
        let usual = job.usual().map(|usual| format!(", usually {}", format_duration(rounded(usual))));
        format!("• *{}*: {}{}", name(&job.job), format_duration(job.longest), usual.unwrap_or_default())
    };
    parts.extend(list("Slowest", slow.len(), slow.iter().map(words)));
    let mut noisy = ranked(|job| job.told.into());
    noisy.retain(|job| job.told >= NOISY);
    noisy.truncate(NOISIEST);
    let words = |job: &&JobReport| {
        let quieter = job.quieter().map(|(setting, left)| format!("; `{setting}` would have left {left}"));
        format!("• *{}*: {}{}", name(&job.job), count(job.told, "message"), quieter.unwrap_or_default())
    };
    parts.extend(list("Noisiest", noisy.len(), noisy.iter().map(words)));
    let silent = ranked(|job| job.held.into());
    let words = |job: &&JobReport| format!("• *{}*: {} suppressed", name(&job.job), count(job.held, "alert"));
    parts.extend(list("Most silent", silent.len(), silent.iter().map(words)));

    let mut all = vec![blocks::section(&title, PLAIN)];
    all.extend(parts.iter().map(|part| blocks::section(part, PLAIN)));
    let text = cut(format!("{title}\n{}", parts.join("\n")).trim_end(), PLAIN).0;
    Rendered { text, blocks: all, color: None, attachment: None, written: None, left_out: Vec::new() }
}

/// "1204 runs of 12 jobs, 31 failed, 3 new incidents, 1 open; 40 alerts, 12 suppressed".
fn numbers(report: &Report) -> String {
    let sum = |of: fn(&JobReport) -> u64| report.jobs.iter().map(of).sum::<u64>();
    if report.jobs.is_empty() && report.hanging == 0 {
        return "no job ran".to_owned();
    }
    let (runs, jobs) = (count(sum(|job| job.runs), "run"), count(report.jobs.len() as u64, "job"));
    let failed = match sum(|job| job.failures) {
        0 => "none failed".to_owned(),
        failures => format!("{failures} failed"),
    };
    let incidents = match (sum(|job| job.begun) + report.hanging, report.open.len()) {
        (0, 0) => String::new(),
        (0, open) => format!(", {} open", count(open as u64, "incident")),
        (begun, 0) => format!(", {}, none open", count(begun, "new incident")),
        (begun, open) => format!(", {}, {open} open", count(begun, "new incident")),
    };
    let told = count(sum(|job| job.told) + report.hanging, "alert");
    format!("{runs} of {jobs}, {failed}{incidents}; {told}, {} suppressed", sum(|job| job.held))
}

/// A heading and the first few lines; nothing when there is none.
fn list(heading: &str, all: usize, lines: impl Iterator<Item = String>) -> Option<String> {
    let lines: Vec<String> = lines.take(MOST).collect();
    let more = all.saturating_sub(lines.len());
    let more = if more > 0 { format!("\n• and {more} more") } else { String::new() };
    (!lines.is_empty()).then(|| format!("*{heading}*\n{}{more}", lines.join("\n")))
}

fn name(job: &JobName) -> String {
    unformatted(&short(job.as_str()))
}

fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// A length of time to three digits: nobody reads more of an average.
fn rounded(length: Duration) -> Duration {
    match length.as_secs() {
        0 => Duration::from_millis(u64::try_from(length.as_millis()).unwrap_or(0)),
        1..=9 => Duration::from_millis(u64::try_from(length.as_millis()).unwrap_or(0) / 100 * 100),
        seconds => Duration::from_secs(seconds),
    }
}

fn whole_seconds(length: Duration) -> Duration {
    Duration::from_secs(length.as_secs())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::{JobReport, KEYS, Open, Report, Settings, read, render};
    use crate::diagnostic::{Code, Sources};
    use crate::document::{Reader, Table};
    use crate::id::{Channel, JobName};
    use crate::policy::{By, Hold, HoldKind, Pattern, Via};

    fn settings(text: &str) -> (Option<Settings>, Vec<(Code, String)>) {
        let mut sources = Sources::default();
        let id = sources.add(Path::new("slack_alert.toml"), text);
        let parsed = toml::de::DeTable::parse(text).expect("the tests write valid TOML");
        let reader = Reader::default();
        let settings = read(Table::root(&reader, id, text, parsed.get_ref()));
        let culprit = |problem: &crate::diagnostic::Problem| {
            let place = problem.place().map(|place| text[place.span()].to_owned());
            (problem.code, place.unwrap_or_default())
        };
        (settings, reader.into_problems().iter().map(culprit).collect())
    }

    #[test]
    fn the_keys_are_read_with_exact_places() {
        let (good, problems) = settings("at = \"Mon-Fri 09:00\"\nchannel = \"#ops\"");
        let good = good.expect("good settings");
        assert_eq!((good.at.to_string().as_str(), good.channel), ("Mon-Fri 09:00", Some(Channel::new("ops"))));
        assert_eq!(problems, []);
        for (text, code, culprit) in [
            ("channel = '#ops'", Code::MissingKey, ""),
            ("at = 'Mon-Fry 09:00'", Code::InvalidValue, "Fry"),
            ("at = '09:00'\nchannel = '#Ops'", Code::InvalidValue, "O"),
            ("at = 9", Code::WrongType, "9"),
        ] {
            let (none, problems) = settings(text);
            assert!(none.is_none(), "{text}");
            assert_eq!(problems[0], (code, culprit.to_owned()), "{text}");
        }
        assert_eq!(settings("at = '09:00'\nto = 1").1[0].0, Code::UnknownKey);
        let reader = Reader::default();
        let mut table = Table::empty(&reader);
        for key in KEYS {
            table.value(key.name);
        }
        assert_eq!(table.asked(), ["at", "channel"]);
    }

    fn job(name: &str, runs: u64, failures: u64, seconds: u64, held: u64) -> JobReport {
        let job = JobName::new(name);
        JobReport {
            job,
            runs,
            failures,
            longest: Duration::from_secs(seconds),
            took: Duration::from_secs(seconds) + Duration::from_secs(2) * u32::try_from(runs - 1).expect("few"),
            held,
            told: failures - held.min(failures),
            good: 0,
            begun: 0,
            repeats: 0,
            single: 0,
        }
    }

    fn report(jobs: Vec<JobReport>, open: Vec<Open>) -> Report {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let (since, until) = (at("2026-11-20T09:00:00Z"), at("2026-11-23T09:00:00Z"));
        Report {
            host: "web<1>".to_owned(),
            since,
            until,
            zone: TimeZone::UTC,
            jobs,
            open,
            hanging: 0,
            running: Vec::new(),
            holds: Vec::new(),
        }
    }

    #[test]
    fn a_report_in_words() {
        let started = "2026-11-22T21:00:00Z".parse().expect("a time");
        let jobs = vec![
            job("a", 10, 0, 3, 0),
            JobReport { begun: 1, ..job("db/backup", 3, 2, 700, 1) },
            job("web", 99, 12, 1, 11),
            JobReport { told: 14, begun: 7, single: 6, ..job("noisy", 288, 8, 2, 0) },
            JobReport { told: 24, good: 24, ..job("hourly", 24, 0, 2, 0) },
        ];
        let of_key = |key: Option<&str>, since, line: &str| Open {
            job: JobName::new("db/backup"),
            key: key.map(str::to_owned),
            since,
            failures: 2,
            line: line.to_owned(),
        };
        let later = "2026-11-23T08:00:00Z".parse().expect("a time");
        let open = vec![of_key(Some("<db>"), later, ""), of_key(None, started, "disk <full>")];
        let running = vec![
            (JobName::new("etl"), "2026-11-23T05:50:00Z".parse().expect("a time")),
            (JobName::new("new"), "2026-11-23T08:59:50Z".parse().expect("a time")),
        ];
        let hold = Hold {
            id: 1,
            kind: HoldKind::Pause,
            pattern: Pattern::new("etl/*"),
            since: started,
            until: "2026-11-23T16:00:00Z".parse().expect("a time"),
            until_ok: false,
            by: By { uid: Some(1001), name: "dana".to_owned() },
            via: Via::Socket,
            note: Some("new <disk>".to_owned()),
            incident: None,
            failed: false,
            told: false,
        };
        let rendered = render(&Report { running, holds: vec![hold], ..report(jobs, open) });
        assert_eq!(
            rendered.text,
            ":bar_chart: *Summary of web&lt;1&gt;* since Fri 20 Nov, 09:00: 424 runs of 5 jobs, 22 failed, 8 new incidents, 2 open; 40 alerts, 12 suppressed\n\
             *Longest open incidents*\n• *db/backup* for 12h, 2 failures: disk &lt;full&gt;\n\
             • *db/backup* (key &lt;db&gt;) for 1h, 2 failures\n\
             *Holds*\n• `etl/*` paused until Mon 23 Nov, 16:00 by dana: \"new &lt;disk&gt;\"\n\
             *Most failures*\n• *web*: 12 of 99 runs\n• *noisy*: 8 of 288 runs\n• *db/backup*: 2 of 3 runs\n\
             *Running*\n• *etl* for 3h 10m\n\
             *Slowest*\n• *db/backup*: 11m 40s, usually 2s\n\
             *Noisiest*\n• *hourly*: 24 messages; `on = [\"failure\", \"recovery\"]` would have left 0\n\
             • *noisy*: 14 messages; `after = 2` would have left 2\n\
             *Most silent*\n• *web*: 11 alerts suppressed\n• *db/backup*: 1 alert suppressed"
        );
        assert_eq!(rendered.blocks.len(), 8);
        let hung = render(&Report { hanging: 1, ..report(vec![job("a", 10, 0, 3, 0)], Vec::new()) }).text;
        assert!(hung.contains(": 10 runs of 1 job, none failed, 1 new incident, none open; "), "{hung}");
        let quiet = render(&report(Vec::new(), Vec::new())).text;
        assert_eq!(quiet, ":bar_chart: *Summary of web&lt;1&gt;* since Fri 20 Nov, 09:00: no job ran");
    }

    #[test]
    fn ten_thousand_jobs_are_one_message_too() {
        let long = "x".repeat(250);
        let jobs = (0..10_000).map(|n| job(&format!("{long}{n}<!here>"), 9, 9, n, 3)).collect();
        let rendered = render(&report(jobs, Vec::new()));
        assert!(rendered.text.contains("and 9995 more") || rendered.text.ends_with('…'));
        assert!(rendered.blocks.len() < 10 && !rendered.text.contains("<!here>"));
        let weight = crate::slack::weight(&rendered.blocks);
        assert!(weight <= crate::slack::limits::ALL_BLOCKS, "{weight}");
    }
}
