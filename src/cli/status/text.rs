//! How everything is, for a person who looks at it at night: what fails first, then what people have asked for, what runs, what
//! is next, and whether Slack takes messages. Pure.
//!
//! Before it: the daemon's answers, or what the database knows. After it: the terminal. Nothing from a job's output can steer
//! the terminal, and every line fits it.

use std::collections::HashSet;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::View;
use crate::api::{HeldJob, HoldKind, Incident, Job, JobState, Next, RemovedRunning, Starved};
use crate::cli::client::words::{because, count, length};
use crate::cli::state::told;
use crate::cli::terminal::{columns, cut};
use crate::clock::between;
use crate::diagnostic::Code;
use crate::document::format_duration;
use crate::id::{JobName, in_one_line, typed};

/// Where the second column begins, below which everything about a job stands.
const INDENT: usize = 13;

/// A longer name is not waited for by the others.
const WIDEST_NAME: usize = 28;

/// When more jobs fail, the rest is counted: what else is to be seen must not be pushed off the screen.
const MOST_FAILING: usize = 40;

/// Jobs that are named as what is due next.
const NEXT: usize = 3;

/// What is shown besides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look<'a> {
    pub(super) zone: &'a TimeZone,
    /// The terminal's width; without one, lines are as long as they are.
    pub(super) width: Option<usize>,
    /// Only what fails.
    pub(super) failing: bool,
    /// Jobs that are well, too.
    pub(super) all: bool,
}

/// A job, or a hold, with what is to be said of it.
struct Row {
    state: JobState,
    word: &'static str,
    name: String,
    what: String,
    more: Vec<Line>,
}

/// A run that waits for what others hold, and not for longer, is nothing that fails.
const A_MOMENT: Duration = Duration::from_secs(5);

/// Of a run that waits for what others hold.
const WAITS: &str = "waits";

/// Of a job that runs as its last good file says.
const BAD_FILE: &str = "bad file";

/// A line below.
enum Line {
    /// Sentences of ours, broken between words.
    Words(String),
    /// A line of output, cut where the terminal ends.
    Output(String),
}

/// Everything, as text; styles are for a terminal, and are taken away elsewhere.
pub(super) fn render(view: &View, look: Look<'_>) -> String {
    let mut out = Writer { text: String::new(), width: look.width };
    out.words(0, &head(view));
    if view.asked.is_empty() {
        out.configuration(view, look);
    }
    let rows = rows(view, look);
    let failing = rows.iter().any(|row| is_failing(row.state));
    let width = rows.iter().map(|row| columns(&row.name).min(WIDEST_NAME)).max().unwrap_or(0);
    if !failing && (view.asked.is_empty() || look.failing) {
        let what = if view.asked.is_empty() { "No job is failing." } else { "None of these jobs is failing." };
        out.words(0, &format!("{}{what}{:#}", style(JobState::Ok), style(JobState::Ok)));
    }
    let is_capped = view.asked.is_empty() && !look.failing && !look.all;
    let number = rows.iter().filter(|row| is_failing(row.state)).count();
    for (index, row) in rows.iter().enumerate() {
        match is_capped && is_failing(row.state) && index >= MOST_FAILING {
            false => out.row(row, width),
            true if index == MOST_FAILING => {
                let more = number - MOST_FAILING;
                out.words(0, &format!("… and {more} more; `slack-alert status --failing` shows all."));
            }
            true => {}
        }
    }
    if look.failing {
        return out.text;
    }
    if view.asked.is_empty() {
        if let Some(next) = next(view) {
            out.words(0, &next);
        }
        out.words(0, &slack(view, look.zone));
        if let Some(trouble) = store(view) {
            out.words(0, &trouble);
        }
    }
    if let Some(row) =
        rows.iter().find(|row| is_failing(row.state) && !matches!(row.word, "not loaded" | BAD_FILE | WAITS))
    {
        let (name, typed) = (&row.name, typed(&row.name));
        let of_it = |incident: &&Incident| in_one_line(incident.job.as_str()) == *name;
        let is_free = view.status.incidents.iter().filter(of_it).any(|incident| incident.ack.is_none());
        let ack = match view.is_live && is_free {
            true => format!("; `slack-alert ack {typed}` says that you have it"),
            false => String::new(),
        };
        out.words(0, &format!("`slack-alert why {typed}` explains{ack}."));
    }
    out.text
}

/// Host, version, since when, and the jobs in numbers.
fn head(view: &View) -> String {
    let status = &view.status;
    let counts = &status.jobs;
    // Each job that is loaded and enabled counts in one of these.
    let known = counts.critical + counts.unknown + counts.warning + counts.ok + counts.never;
    let parts = [
        (counts.critical, "critical"),
        (counts.unknown, "unknown"),
        (counts.warning, "warning"),
        (counts.ok, "ok"),
        (counts.never, "not run yet"),
        (counts.total.saturating_sub(known), "disabled"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect();
    let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    let jobs = count(counts.total as u64, "job", "jobs");
    let bold = Style::new().bold();
    let host = in_one_line(&status.host);
    let daemon = match view.is_live {
        true => {
            let up = length(status.started, status.now);
            format!("slack-alert {}, up {up}", in_one_line(&status.version))
        }
        false if view.is_silent => "the daemon does not answer".to_owned(),
        false => "no daemon".to_owned(),
    };
    // A paused job counts above, too, and one that is not loaded is none of them.
    let not_loaded = counts.not_loaded.saturating_sub(counts.going_on);
    let beside = [(counts.paused, "paused"), (not_loaded, "not loaded"), (counts.going_on, "with a bad file")];
    let beside = beside.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("; {number} {word}"));
    let beside: String = beside.collect();
    let running = if view.is_live { format!("; {} running", counts.running) } else { String::new() };
    format!("{bold}{host}{bold:#}: {daemon}; {jobs}{parts}{beside}{running}")
}

/// The worst first, then by name; holds and runs after what fails.
fn rows(view: &View, look: Look<'_>) -> Vec<Row> {
    let mut rows: Vec<Row> = view.jobs.iter().flat_map(|job| of_job(view, job, look)).collect();
    rows.sort_by(|a, b| (rank(a.state), &a.name).cmp(&(rank(b.state), &b.name)));
    if look.failing {
        rows.extend(starved(view, look));
        rows.retain(|row| is_failing(row.state));
        return rows;
    }
    let at = rows.partition_point(|row| rank(row.state) < rank(JobState::Paused));
    let well = rows.split_off(at);
    rows.extend(starved(view, look));
    rows.extend(holds(view, look));
    rows.extend(running(view));
    rows.extend(well);
    rows
}

fn rank(state: JobState) -> usize {
    JobState::ALL.iter().position(|known| *known == state).unwrap_or(usize::MAX)
}

fn is_failing(state: JobState) -> bool {
    matches!(state, JobState::Critical | JobState::Unknown | JobState::Warning | JobState::NotLoaded)
}

/// A job that fails, or that was asked for: a row for each of its incidents that are open.
fn of_job(view: &View, job: &Job, look: Look<'_>) -> Vec<Row> {
    let incidents = view.incidents(job);
    // A paused job may fail all the same. What its script tells apart is as bad as each of it is.
    let state = match (job.state, job.status, incidents.as_slice()) {
        (state, _, [first, _, ..]) if is_failing(state) && state != JobState::NotLoaded => of_status(first.status),
        (JobState::Paused, Some(status), [_, ..]) => of_status(status),
        (state, ..) => state,
    };
    if let (JobState::Ok | JobState::Paused, Some(first)) = (state, incidents.first())
        && first.steady_at.is_some()
    {
        return vec![flaps(job, first, view.status.now, look.zone)];
    }
    // The row of a job that is not loaded tells of its file.
    let others = incidents.iter().skip(usize::from(state != JobState::NotLoaded)).filter(|_| is_failing(state));
    let other = |incident: &&Incident| {
        let (what, more) = of_incident(incident, (None, job.silenced.as_ref()), view.status.now, look.zone);
        let (state, name) = (of_status(incident.status), in_one_line(job.name.as_str()).into_owned());
        Row { state, word: word(state), name, what, more }
    };
    of_first(view, (job, state), &incidents, look).into_iter().chain(others.map(other)).collect()
}

/// The row of a job, with the first of its incidents.
fn of_first(view: &View, (job, state): (&Job, JobState), incidents: &[&Incident], look: Look<'_>) -> Option<Row> {
    let (now, incident) = (view.status.now, incidents.first().copied());
    // Of several it is not known to which the last run belongs.
    let its_job = Some(job).filter(|_| incidents.len() == 1);
    let (what, mut more) = match (state, incident) {
        (JobState::NotLoaded, _) => {
            (in_one_line(job.error.as_deref().unwrap_or("its file has errors")).into_owned(), Vec::new())
        }
        (_, Some(incident)) if is_failing(state) => {
            of_incident(incident, (its_job, job.silenced.as_ref()), now, look.zone)
        }
        (state, None) if is_failing(state) => (last(job, now, look.zone), output(job)),
        // The row of its run tells of it.
        (JobState::Never, _) if !job.running.is_empty() && job.error.is_none() => return None,
        _ if !view.asked.is_empty() || look.all => (well(job, now, look.zone), Vec::new()),
        _ => return bad_file(job),
    };
    if state != JobState::NotLoaded
        && let Some(error) = &job.error
    {
        more.push(Line::Words(format!("{}: {}", job.of_bad_file(), in_one_line(error))));
    }
    Some(Row { state, word: word(state), name: in_one_line(job.name.as_str()).into_owned(), what, more })
}

/// A job that changes between ok and not ok again and again, and whose last run was ok: its incident is not over.
fn flaps(job: &Job, incident: &Incident, now: Timestamp, zone: &TimeZone) -> Row {
    let (what, mut more) = of_incident(incident, (None, job.silenced.as_ref()), now, zone);
    let at = job.last.as_ref().map(|last| told(last.finished, zone, now));
    if let Some(at) = at {
        more.insert(0, Line::Words(format!("its last run, at {at}, was ok")));
    }
    let name = in_one_line(job.name.as_str()).into_owned();
    Row { state: JobState::Warning, word: "flapping", name, what, more }
}

/// A job that is well, whose file has errors.
fn bad_file(job: &Job) -> Option<Row> {
    let error = job.error.as_deref()?;
    let what = in_one_line(error).into_owned();
    let (word, more) = match job.without_version {
        true => (word(JobState::NotLoaded), "runs that `wrap` reports are judged by [defaults]"),
        false => (BAD_FILE, "the last good version of the job goes on"),
    };
    let more = vec![Line::Words(more.to_owned())];
    let name = in_one_line(job.name.as_str()).into_owned();
    Some(Row { state: JobState::NotLoaded, word, name, what, more })
}

fn of_status(status: crate::exec::Status) -> JobState {
    match status {
        crate::exec::Status::Ok => JobState::Ok,
        crate::exec::Status::Warning => JobState::Warning,
        crate::exec::Status::Unknown => JobState::Unknown,
        crate::exec::Status::Critical => JobState::Critical,
    }
}

fn word(state: JobState) -> &'static str {
    match state {
        JobState::Critical => "critical",
        JobState::Unknown => "unknown",
        JobState::Warning => "warning",
        JobState::NotLoaded => "not loaded",
        JobState::Paused => "paused",
        JobState::Ok => "ok",
        JobState::Never => "not run",
        JobState::Disabled => "disabled",
    }
}

/// "since 02:11 (47m), 3 failures, the same each time", with the line that tells most, and what was told. `job` is the
/// one whose last run belongs to it, where that is known; `silenced` is by what its job is silenced.
fn of_incident(
    incident: &Incident,
    (job, silenced): (Option<&Job>, Option<&HeldJob>),
    now: Timestamp,
    zone: &TimeZone,
) -> (String, Vec<Line>) {
    let failures = incident.failures;
    let same = match incident.same {
        _ if failures < 2 => String::new(),
        same if same >= failures => ", the same each time".to_owned(),
        1 => ", the last one different".to_owned(),
        same => format!(", the last {same} the same"),
    };
    let failures = count(u64::from(failures), "failure", "failures");
    let since = told(incident.since, zone, now);
    let key = incident.key.as_deref().map(|key| format!("{}: ", in_one_line(key))).unwrap_or_default();
    let what = format!("{key}since {since} ({}), {failures}{same}", length(incident.since, now));
    let mut more = Vec::new();
    let line = match incident.line.trim() {
        "" => job.map(ending).unwrap_or_default(),
        line => line.to_owned(),
    };
    if !line.is_empty() {
        more.push(Line::Output(line));
    }
    more.push(Line::Words(messages(incident, silenced, now, zone)));
    (what, more)
}

/// Where it was told, why nothing is said now, what comes next, who has it.
fn messages(incident: &Incident, silenced: Option<&HeldJob>, now: Timestamp, zone: &TimeZone) -> String {
    let mut parts = Vec::new();
    // The terminal and a webhook's channel have no name.
    let named = incident.told.iter().map(|told| in_one_line(&told.channel).into_owned());
    let named: Vec<_> = named.filter(|channel| !channel.is_empty()).collect();
    let channels = if named.is_empty() { String::new() } else { format!(" in {}", named.join(", ")) };
    let at = incident.told.iter().filter_map(|told| told.at).max();
    parts.push(match (incident.told.is_empty(), at) {
        (true, _) if incident.in_doubt => "not known whether it was told: Slack gave no answer".to_owned(),
        (true, _) if incident.is_on_its_way() => "not told yet: its message waits".to_owned(),
        (true, _) => match &incident.dropped {
            Some(dropped) => {
                let (by, at) = (in_one_line(&dropped.by), told(dropped.at, zone, now));
                format!("not told: {by} dropped its message at {at}")
            }
            None => "not told yet".to_owned(),
        },
        (false, Some(at)) => {
            let doubt = if incident.in_doubt { ", and perhaps later: Slack gave no answer" } else { "" };
            format!("told at {}{channels}{doubt}", told(at, zone, now))
        }
        (false, None) => format!("told{channels}"),
    });
    let steady = incident.steady_at.map(|at| told(at, zone, now));
    let next = incident.expected().filter(|_| steady.is_none()).and_then(|next| next.words(|at| told(at, zone, now)));
    match &incident.suppressed {
        Some(_) if incident.is_on_its_way() => {}
        // That a repeat is not due is what the time of the next message says.
        Some(suppressed) if suppressed.reason == "repeat-not-due" && next.is_some() => {}
        Some(suppressed) if steady.is_some() && suppressed.reason == "flapping" => {}
        Some(suppressed) if incident.ack.is_some() && suppressed.reason == "acknowledged" => {}
        Some(suppressed) if silenced.is_some() && suppressed.reason == "silenced" => {}
        Some(suppressed) => {
            let until = suppressed.until.filter(|_| next.is_none());
            let until = until.map(|until| format!(" until {}", told(until, zone, now))).unwrap_or_default();
            parts.push(format!("suppressed: {}{until}", in_one_line(&suppressed.reason)));
        }
        None => {}
    }
    parts.extend(next);
    parts.extend(steady.map(|at| format!("it flaps: steady at {at} if nothing changes before")));
    // An acknowledgement hides no silence: of two reasons for which nothing is said the daemon names one.
    parts.extend(silenced.map(|held| format!("silenced until {}", told(held.until, zone, now))));
    parts.push(match &incident.ack {
        Some(ack) => format!(
            "acknowledged by {} at {} until {}{}",
            in_one_line(&ack.by.name),
            told(ack.at, zone, now),
            told(ack.until, zone, now),
            because(ack.note.as_deref())
        ),
        None => "nobody has acknowledged it".to_owned(),
    });
    parts.join("; ")
}

/// How the last run ended, where its output says nothing.
fn ending(job: &Job) -> String {
    job.last.as_ref().and_then(|last| last.ending.clone()).unwrap_or_default()
}

fn output(job: &Job) -> Vec<Line> {
    let line = job.last.as_ref().map(|last| last.line.trim().to_owned()).filter(|line| !line.is_empty());
    line.map(Line::Output).into_iter().collect()
}

/// "at 12:04, exited with 0, took 40ms".
fn last(job: &Job, now: Timestamp, zone: &TimeZone) -> String {
    let Some(last) = &job.last else {
        // Runs that were stopped for the next one are no last run.
        let words = if job.running.is_empty() { "it has not run yet" } else { "it has not run to its end yet" };
        return words.to_owned();
    };
    let took = last.took.map(|took| format!(", took {}", format_duration(took))).unwrap_or_default();
    let ending = last.ending.as_deref().map(|ending| format!(", {}", in_one_line(ending))).unwrap_or_default();
    format!("at {}{ending}{took}", told(last.finished, zone, now))
}

/// A job that is well: its last run, and its next.
fn well(job: &Job, now: Timestamp, zone: &TimeZone) -> String {
    let next = match job.next {
        Some(at) if at <= now => "; due now".to_owned(),
        Some(at) => format!("; next in {}", length(now, at)),
        None => String::new(),
    };
    format!("{}{next}; {}", last(job, now, zone), in_one_line(&job.schedule))
}

/// Pauses and silences; an acknowledgement stands with its incident.
fn holds(view: &View, look: Look<'_>) -> Vec<Row> {
    let now = view.status.now;
    let mut rows = Vec::new();
    for hold in view.holds() {
        if hold.kind == HoldKind::Ack {
            continue;
        }
        let paused = view.jobs.iter().filter_map(|job| job.paused.as_ref()).filter(|paused| paused.id == Some(hold.id));
        let passed: u64 = paused.filter_map(|paused| paused.passed).sum();
        let until = told(hold.until, look.zone, now);
        let ok = if hold.until_ok { " or until it is ok" } else { "" };
        let passed = match passed {
            0 => String::new(),
            passed => format!("; {} passed", count(passed, "due time", "due times")),
        };
        let by = in_one_line(&hold.by.name);
        let jobs = if hold.jobs == 1 { String::new() } else { format!(", {}", count(hold.jobs as u64, "job", "jobs")) };
        let because = because(hold.note.as_deref());
        let what = format!("until {until}{ok} by {by}{because} (hold {}{jobs}){passed}", hold.id);
        let name = in_one_line(&hold.pattern).into_owned();
        rows.push(Row { state: JobState::Paused, word: hold.kind.held(), name, what, more: Vec::new() });
    }
    for job in &view.jobs {
        if let Some(silenced) = job.silenced.as_ref().filter(|silenced| silenced.id.is_none()) {
            let what = format!("until {} by its own script", told(silenced.until, look.zone, now));
            let name = in_one_line(job.name.as_str()).into_owned();
            rows.push(Row { state: JobState::Paused, word: "silenced", name, what, more: Vec::new() });
        }
    }
    rows
}

/// Runs that wait for a place or a lock.
fn starved(view: &View, look: Look<'_>) -> Vec<Row> {
    let of = |starved: &Starved| view.jobs.iter().any(|job| job.name == starved.job);
    let asked = |starved: &&Starved| view.asked.is_empty() || of(starved);
    let row = |starved: &Starved| {
        let since = told(starved.since, look.zone, view.status.now);
        let waited = length(starved.since, view.status.now);
        let what = format!("for {} since {since} ({waited})", in_one_line(&starved.what));
        let more = vec![Line::Words(in_one_line(&starved.why).into_owned())];
        let name = in_one_line(starved.job.as_str()).into_owned();
        // What a person has asked for a moment ago, or waits for a moment, and nobody was told of, is nothing that fails.
        let is_short = between(starved.since, view.status.now) < A_MOMENT;
        let state = if starved.run.is_some() || is_short { JobState::Never } else { JobState::Warning };
        let run = starved.run.map(|run| format!(" (run {run})")).unwrap_or_default();
        Row { state, word: WAITS, name, what: format!("{what}{run}"), more }
    };
    view.status.starved.iter().filter(asked).map(row).collect()
}

/// Runs in progress.
fn running(view: &View) -> Vec<Row> {
    let mut rows = Vec::new();
    for job in &view.jobs {
        let told = view.status.starved.iter().any(|starved| starved.job == job.name);
        for run in job.running.iter().filter(|run| !told || run.waits.is_none()) {
            let usually =
                job.usual_took.map(|usual| format!(", usually {}", format_duration(usual))).unwrap_or_default();
            let process = run.pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
            let first = if job.state == JobState::Never { ", its first run" } else { "" };
            let retry = run.without_process(|at| format!("in {}", length(view.status.now, at)));
            let so_far = length(run.started, view.status.now);
            let what = format!("for {so_far}{usually}{process}{retry}{first} (run {})", run.run);
            let name = in_one_line(job.name.as_str()).into_owned();
            let word = if run.waits.is_some() { WAITS } else { "running" };
            rows.push(Row { state: JobState::Never, word, name, what, more: Vec::new() });
        }
    }
    if view.asked.is_empty() {
        rows.extend(view.status.removed_running.iter().map(|removed| running_on(removed, view.status.now)));
    }
    rows
}

/// A run that goes on although its job's file was removed, or cannot be used.
fn running_on(removed: &RemovedRunning, now: Timestamp) -> Row {
    let run = &removed.run;
    let process = run.pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
    let why = if removed.not_loaded { "has errors" } else { "was removed" };
    let what = format!("for {}{process}; the file of its job {why} (run {})", length(run.started, now), run.run);
    let name = in_one_line(removed.job.as_str()).into_owned();
    Row { state: JobState::Never, word: "running", name, what, more: Vec::new() }
}

/// "Next: certs/renew in 40s, mail/queue in 2m."
fn next(view: &View) -> Option<String> {
    let now = view.status.now;
    let paused = |name: &JobName| view.jobs.iter().any(|job| job.name == *name && job.paused.is_some());
    let one = |next: &Next| match next.at <= now {
        true => format!("{} now", in_one_line(next.job.as_str())),
        false => format!("{} in {}", in_one_line(next.job.as_str()), length(now, next.at)),
    };
    // Each job once: when one that is due every minute comes again says nothing of the others. Where nothing is due for a
    // day, the soonest is known all the same.
    let mut seen = HashSet::new();
    let soonest = view.status.next.iter().filter(|_| view.next.is_empty());
    let first = view.next.iter().chain(soonest).filter(|next| !paused(&next.job) && seen.insert(&next.job));
    let named: Vec<String> = first.take(NEXT).map(one).collect();
    (!named.is_empty()).then(|| format!("Next: {}.", named.join(", ")))
}

/// Whether Slack takes messages.
fn slack(view: &View, zone: &TimeZone) -> String {
    let (outbox, now) = (&view.status.outbox, view.status.now);
    let waiting = match outbox.waiting {
        0 => "nothing waits".to_owned(),
        number => {
            let wait = if number == 1 { "waits" } else { "wait" };
            let oldest =
                outbox.oldest.map(|at| format!(", the oldest since {}", told(at, zone, now))).unwrap_or_default();
            let stopped = outbox.suspended.is_some() || outbox.outage.is_some();
            let why = outbox.last_error.as_ref().filter(|_| !stopped);
            let why = why.map(|why| format!("; last error: {}", in_one_line(why))).unwrap_or_default();
            format!("{} {wait}{oldest}{why}", count(number, "message", "messages"))
        }
    };
    let bad = style(JobState::Critical);
    let mut text = if let Some(suspended) = &outbox.suspended {
        format!("{bad}Slack takes no message{bad:#}: {}; {waiting}.", in_one_line(&suspended.why))
    } else if let Some(outage) = &outbox.outage {
        let since = told(outage.since, zone, now);
        format!("{bad}{}{bad:#}: {}; {waiting}.", outage.words(&since), in_one_line(&outage.why))
    } else {
        match outbox.last_delivered {
            Some(at) => format!("The last message was delivered {} ago; {waiting}.", length(at, now)),
            None if view.is_live => format!("No message was delivered since the start; {waiting}."),
            None => format!("In the outbox {waiting}."),
        }
    };
    if outbox.dead > 0 {
        let dead = count(outbox.dead, "message could not be delivered", "messages could not be delivered");
        let them = if outbox.dead == 1 { "it" } else { "them" };
        text.push_str(&format!(" {bad}{dead}{bad:#}: `slack-alert outbox list --dead` shows {them}."));
    }
    text
}

/// That the state cannot be written, and what to do.
fn store(view: &View) -> Option<String> {
    let trouble = view.status.store.as_ref()?;
    let bad = style(JobState::Critical);
    let unsaved = match trouble.unsaved {
        0 => String::new(),
        number => {
            let is = if number == 1 { "is" } else { "are" };
            format!("; {} {is} in memory alone", count(number as u64, "message", "messages"))
        }
    };
    let why = in_one_line(&trouble.why);
    Some(format!("{bad}The state cannot be written{bad:#}: {why}{unsaved}. What to do: {}.", trouble.advice))
}

/// A word in the colour of a state.
fn style(state: JobState) -> Style {
    let colour = match state {
        JobState::Critical => AnsiColor::Red,
        JobState::Warning => AnsiColor::Yellow,
        JobState::Unknown | JobState::NotLoaded => AnsiColor::Magenta,
        JobState::Ok => AnsiColor::Green,
        JobState::Paused => AnsiColor::Cyan,
        JobState::Never | JobState::Disabled => return Style::new().dimmed(),
    };
    Style::new().fg_color(Some(colour.into()))
}

/// A shape for each, since not everybody sees the colour.
fn shape(row: &Row) -> &'static str {
    match (row.word, row.state) {
        ("running", _) => "▶",
        (WAITS, _) => "…",
        ("silenced", _) => "∅",
        (_, JobState::Critical) => "✖",
        (_, JobState::Unknown) => "?",
        (_, JobState::Warning) => "▲",
        (_, JobState::NotLoaded) => "!",
        (_, JobState::Paused) => "‖",
        (_, JobState::Ok) => "●",
        (_, JobState::Never) => "○",
        (_, JobState::Disabled) => "-",
    }
}

/// Lines that fit.
struct Writer {
    text: String,
    width: Option<usize>,
}

impl Writer {
    fn row(&mut self, row: &Row, width: usize) {
        let style = style(row.state);
        let room = self.width.map_or(usize::MAX, |width| width.saturating_sub(INDENT).max(WIDEST_NAME));
        let name = cut(&row.name, room);
        let padding = " ".repeat(width.saturating_sub(columns(&name)));
        let first = format!("{style}{} {:<10}{style:#} {name}{padding}  {}", shape(row), row.word, row.what);
        self.words(INDENT, &first);
        for line in &row.more {
            match line {
                Line::Words(words) => self.words(INDENT, &format!("{}{words}", " ".repeat(INDENT))),
                Line::Output(output) => self.output(output),
            }
        }
    }

    /// The reading of the configuration that had errors, where no job's row tells of it.
    fn configuration(&mut self, view: &View, look: Look<'_>) {
        let at = told(view.status.reload.at, look.zone, view.status.now);
        let style = style(JobState::NotLoaded);
        for problem in unread(view) {
            let what = in_a_line(problem);
            let first = format!("{style}! {:<10}{style:#} {what} (read at {at})", "error");
            self.words(INDENT, &first);
        }
        if unread(view).next().is_some() {
            let words = match has_read_before(view) {
                true => "The daemon goes on with what it read before; `slack-alert reload` shows every error.",
                false => "The daemon started without it; `slack-alert reload` shows every error.",
            };
            self.words(INDENT, &format!("{}{words}", " ".repeat(INDENT)));
        }
    }

    /// A line of output; what does not fit is cut.
    fn output(&mut self, line: &str) {
        let line = in_one_line(line);
        let room = self.width.map_or(usize::MAX, |width| width.saturating_sub(INDENT).max(10));
        let dim = Style::new().dimmed();
        self.text.push_str(&format!("{}{dim}{}{dim:#}\n", " ".repeat(INDENT), cut(&line, room)));
    }

    /// Words, broken where the terminal ends; lines after the first are indented.
    fn words(&mut self, indent: usize, text: &str) {
        let Some(width) = self.width.map(|width| width.max(indent + 20)) else {
            self.text.push_str(text.trim_end());
            self.text.push('\n');
            return;
        };
        let mut column = 0;
        let mut line = String::new();
        for (index, word) in text.split(' ').enumerate() {
            let long = visible(word);
            if index > 0 {
                if column + 1 + long > width && !word.is_empty() && column > indent {
                    self.text.push_str(line.trim_end());
                    self.text.push('\n');
                    line = " ".repeat(indent);
                    column = indent;
                } else {
                    line.push(' ');
                    column += 1;
                }
            }
            line.push_str(word);
            column += long;
        }
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }
}

/// Characters that are seen: styles are none.
fn visible(text: &str) -> usize {
    columns(&anstream::adapter::strip_str(text).to_string())
}

/// The errors of the last reading that no job's row tells of: those of `slack_alert.toml`, and of folders.
pub(super) fn unread(view: &View) -> impl Iterator<Item = &crate::api::Problem> {
    let reload = &view.status.reload;
    let told_of = |file: &str| view.jobs.iter().any(|job| job.error.is_some() && same_file(&job.file, file));
    let is_new = move |problem: &&crate::api::Problem| {
        problem.level == "error"
            && !is_about_the_machine(problem)
            && problem.file.as_deref().is_some_and(|file| !told_of(file))
    };
    reload.problems.iter().filter(|_| !reload.ok).filter(is_new)
}

/// Whether a job is loaded with this error: the next run may find the machine well.
fn is_about_the_machine(problem: &crate::api::Problem) -> bool {
    Code::parse(&problem.code).is_some_and(Code::is_about_the_machine)
}

/// Whether the last reading was a reload, so that there is an earlier one that goes on.
pub(super) fn has_read_before(view: &View) -> bool {
    view.status.reload.at > view.status.started
}

/// `slack_alert.toml:3: unknown key`.
pub(super) fn in_a_line(problem: &crate::api::Problem) -> String {
    let place = problem.line.map(|line| format!(":{line}")).unwrap_or_default();
    let file = in_one_line(problem.file.as_deref().unwrap_or_default());
    format!("{file}{place}: {}", in_one_line(&problem.message))
}

/// A file may be named from another folder.
fn same_file(one: &str, other: &str) -> bool {
    let end = |path: &str| {
        std::path::Path::new(path).components().rev().take(3).map(|c| c.as_os_str().to_owned()).collect::<Vec<_>>()
    };
    one == other || one.ends_with(other) || other.ends_with(one) || end(one) == end(other)
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
