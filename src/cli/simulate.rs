//! `slack-alert simulate`: what would run and what would be said, told as a transcript.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::args::SimulateArgs;
use super::locate::{self, World};
use super::time::coming;
use super::{Failure, state};
use crate::clock::{Clock, System};
use crate::document::parse_duration;
use crate::exec::Status;
use crate::id::JobName;
use crate::message::Thread;
use crate::plan::{Job, Plan};
use crate::policy::{Decision, HoldKind, Pattern};
use crate::report::explain::sent;
use crate::simulate::{self, Asked, Assumption, Happening, Printed, Scenario, What};

/// A transcript is written in pieces of about this many bytes.
const PIECE: usize = 64 * 1024;

/// Nobody reads more: a bound for what is computed.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// What happened to a job, counted.
#[derive(Default)]
struct Count {
    runs: u64,
    failed: u64,
    messages: u64,
    edits: u64,
    /// Why nothing was sent, and how often.
    suppressed: BTreeMap<String, u64>,
}

/// Runs the engine under a false clock, and prints every message with its reason, and how many runs there were; with
/// `verbose` every run.
pub(super) fn run(world: &World, args: &SimulateArgs) -> Result<ExitCode, Failure> {
    let plan = world.plan_to_simulate()?;
    let scenario = scenario(&plan, args)?;
    let verbose = world.global.verbose > 0;
    let mut text = String::new();
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    let passed = simulate::run(&plan, &scenario, |happening| {
        let told = match &happening {
            Happening::Run { job, status, decision, .. } => {
                let count = counts.entry(job.to_string()).or_default();
                count.runs += 1;
                count.failed += u64::from(*status != Status::Ok);
                if !decision.is_notified() {
                    *count.suppressed.entry(decision.to_string()).or_default() += 1;
                }
                verbose || args.json
            }
            Happening::Message { job, thread, .. } => {
                let count = counts.entry(job.as_ref().map_or_else(String::new, JobName::to_string)).or_default();
                match thread {
                    // It changes a message that is counted, and nobody is notified of it.
                    Thread::Edit => count.edits += 1,
                    _ => count.messages += 1,
                }
                true
            }
            Happening::Asked { .. } => true,
        };
        if told {
            text.push_str(&if args.json { in_json(&plan, &happening) } else { line(&plan, &happening, verbose) });
            text.push('\n');
        }
        if text.len() > PIECE {
            world.terminal.out(&text);
            text.clear();
        }
    });
    for (job, times) in passed {
        counts.entry(job.to_string()).or_default().suppressed.insert(Decision::Paused.to_string(), times);
    }
    if !verbose && !args.json && !counts.is_empty() {
        text.push_str(&table(&counts, &world.terminal));
    }
    world.terminal.out(&text);
    let total = |of: fn(&Count) -> u64| counts.values().map(of).sum::<u64>();
    let edits = total(|count| count.edits);
    let edits = if edits == 0 { String::new() } else { format!(", {}", count(edits, "edit")) };
    let (runs, messages) = (total(|count| count.runs), total(|count| count.messages));
    let all = format!("{}, {}{edits}", count(runs, "run"), count(messages, "message"));
    world.terminal.err(&format!("slack-alert: {all}"));
    Ok(ExitCode::SUCCESS)
}

fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// How often each job ran, how many messages it sent, and why not more.
fn table(counts: &BTreeMap<String, Count>, terminal: &super::terminal::Terminal) -> String {
    let header = ["JOB", "RUNS", "FAILED", "MESSAGES", "SUPPRESSED"].map(str::to_owned).to_vec();
    let row = |(job, count): (&String, &Count)| {
        let job = if job.is_empty() { "(slack-alert)" } else { job };
        let suppressed = count.suppressed.iter().map(|(why, number)| format!("{number} {why}"));
        let suppressed = suppressed.collect::<Vec<_>>().join(", ");
        let numbers = [count.runs, count.failed, count.messages].map(|number| number.to_string());
        [vec![job.to_owned()], numbers.to_vec(), vec![suppressed]].concat()
    };
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(counts.iter().map(row)).collect();
    format!("\n{}", terminal.table(&rows, &[0, 1, 2, 3]))
}

fn scenario(plan: &Plan, args: &SimulateArgs) -> Result<Scenario, Failure> {
    let jobs = args.jobs.iter().map(|text| named(plan, text)).collect::<Result<Vec<_>, _>>()?.concat();
    let now = System.now().wall;
    let from = args.from.as_deref().map_or(Ok(now), |text| coming(text, &plan.config.zone, now))?;
    let length = |option: &str, text: &str| {
        parse_duration(text)
            .map_err(|refusal| Failure::usage(format!("{option}: {}\n  help: {}", refusal.message, refusal.help)))
    };
    let wrong = |option: &str, error: String| Failure::usage(format!("{option}: {error}"));
    let assumptions =
        args.outcomes.iter().map(|text| Assumption::parse(text).map_err(|error| wrong("--outcome", error)));
    let assumptions: Vec<Assumption> = assumptions.collect::<Result<_, _>>()?;
    let printed = args.printed.iter().map(|text| Printed::parse(text).map_err(|error| wrong("--stdout", error)));
    let printed: Vec<Printed> = printed.collect::<Result<_, _>>()?;
    let named = assumptions.iter().map(|assumption| &assumption.job).chain(printed.iter().map(|printed| &printed.job));
    for name in named.filter(|name| *name != "*") {
        let job = locate::job(plan, name)?;
        if !jobs.is_empty() && !jobs.contains(&job.name) {
            return Err(Failure::usage(format!(
                "`{name}` is given an outcome and takes no part\n  help: name it as a job too"
            )));
        }
    }
    let requests = requests(plan, args, &jobs)?;
    let took = length("--took", &args.took)?;
    let length = length("--for", &args.length)?.min(LONGEST);
    Ok(Scenario { from, length, took, jobs, assumptions, printed, requests })
}

/// The jobs of a name or a pattern; one that is neither is a mistake.
fn named(plan: &Plan, text: &str) -> Result<Vec<JobName>, Failure> {
    let pattern = Pattern::new(text);
    let covers = |job: &&Arc<Job>| pattern.covers(job.name.as_str(), job.facts.tags.iter().map(String::as_str));
    let found: Vec<JobName> = plan.jobs.iter().filter(covers).map(|job| job.name.clone()).collect();
    if found.is_empty() || pattern.is_one_job() {
        return locate::job(plan, text).map(|job| vec![job.name.clone()]);
    }
    Ok(found)
}

/// What people ask for. A pattern that names no job that takes part is a mistake of whoever wrote it.
fn requests(plan: &Plan, args: &SimulateArgs, jobs: &[JobName]) -> Result<Vec<Asked>, Failure> {
    let hold = What::Hold;
    let options = [
        ("--pause", hold(HoldKind::Pause), &args.pauses),
        ("--silence", hold(HoldKind::Silence), &args.silences),
        ("--ack", hold(HoldKind::Ack), &args.acks),
        ("--trigger", What::Trigger, &args.triggers),
    ];
    let mut all = Vec::new();
    for (option, what, text) in
        options.into_iter().flat_map(|(option, what, texts)| texts.iter().map(move |text| (option, what, text)))
    {
        let asked = Asked::parse(what, text).map_err(|error| Failure::usage(format!("{option}: {error}")))?;
        let pattern = Pattern::new(&asked.pattern);
        if pattern.is_one_job() || !matches!(what, What::Hold(HoldKind::Pause | HoldKind::Silence)) {
            locate::job(plan, &asked.pattern)?;
        }
        let takes_part = |job: &&Arc<Job>| jobs.is_empty() || jobs.contains(&job.name);
        let covers = |job: &Arc<Job>| pattern.covers(job.name.as_str(), job.facts.tags.iter().map(String::as_str));
        if !plan.jobs.iter().filter(takes_part).any(covers) {
            let why = format!("{option}: `{}` names no job that takes part", asked.pattern);
            return Err(Failure::usage(format!("{why}\n  help: `slack-alert list` shows all jobs")));
        }
        all.push(asked);
    }
    Ok(all)
}

/// A line of the transcript. With every run in it, the run before a message has the reason.
fn line(plan: &Plan, happening: &Happening, verbose: bool) -> String {
    let local = |at: Timestamp, job: Option<&JobName>| {
        let zone = job.map_or(&plan.config.zone, |job| state::zone(plan, job.as_str()));
        at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string()
    };
    match happening {
        Happening::Run { at, job, status, decision, until, .. } => {
            let until = until.map(|until| {
                let zone = state::zone(plan, job.as_str());
                format!(" (until {})", state::told(until, zone, *at))
            });
            let (at, status, until) = (local(*at, Some(job)), status.as_str(), until.unwrap_or_default());
            format!("{at}  run {job} {status}  {decision}{until}")
        }
        Happening::Message { at, job, channel, event, thread, text } => {
            // One that is not of one job's run alone has no event.
            let what = event.map_or_else(String::new, |event| format!(" {}", event.as_str()));
            let place = thread.words().map(|words| format!(", {words}")).unwrap_or_default();
            let at = local(*at, job.as_ref());
            let channel = if channel.is_unnamed() { String::new() } else { format!(" {channel}") };
            // An edit shows what has become of the message, and its event is that of the message.
            let why = event.filter(|_| !verbose && *thread != Thread::Edit);
            let why = why.map_or_else(String::new, |event| format!("\n    {}", sent(event)));
            // One about several jobs has a line for each.
            let lines = text.lines().skip(1).filter(|line| job.is_none() && event.is_none() && !line.trim().is_empty());
            let lines: String = lines.map(|line| format!("\n    {}", crate::notify::view::plain(line))).collect();
            format!("{at}  message{channel}{what}{place}: {}{lines}{why}", first_line(text))
        }
        Happening::Asked { at, what, pattern, until, refused } => {
            let zone = state::zone(plan, pattern);
            let until = until.map(|until| state::told(until, zone, *at));
            let words = asked(*what, pattern, until.as_deref(), refused.as_deref());
            format!("{}  {words}", local(*at, Some(&JobName::new(pattern.as_str()))))
        }
    }
}

/// What a person asked for, in words.
fn asked(what: What, pattern: &str, until: Option<&str>, refused: Option<&str>) -> String {
    let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
    let refused = refused.map(|why| format!(": refused: {why}")).unwrap_or_default();
    format!("{} {pattern}{until}{refused}", what.as_str())
}

/// The first line of a message's plain text, as a person reads it.
fn first_line(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    crate::notify::view::plain(line)
}

fn in_json(plan: &Plan, happening: &Happening) -> String {
    let local = |at: &Timestamp, job: Option<&JobName>| {
        let zone = job.map_or(&plan.config.zone, |job| state::zone(plan, job.as_str()));
        state::local(*at, zone)
    };
    let mut value = match happening {
        Happening::Run { at, job, run, status, decision, until } => json!({
            "kind": "run", "at": at.to_string(), "local": local(at, Some(job)), "job": job, "run": run,
            "status": status, "decision": decision.to_string(), "until": until.map(|until| until.to_string()),
        }),
        Happening::Message { at, job, channel, event, thread, text } => json!({
            "kind": "message", "at": at.to_string(), "local": local(at, job.as_ref()), "job": job, "channel": channel,
            "event": event, "thread": thread, "why": event.map(sent), "text": text,
        }),
        Happening::Asked { at, what, pattern, until, refused } => json!({
            "kind": what.as_str(), "at": at.to_string(), "local": local(at, Some(&JobName::new(pattern.as_str()))),
            "pattern": pattern, "until": until.map(|until| until.to_string()), "refused": refused,
        }),
    };
    let job = value["job"].as_str().or_else(|| value["pattern"].as_str()).map(str::to_owned);
    value["zone"] = job.as_deref().map_or(&plan.config.zone, |job| state::zone(plan, job)).iana_name().into();
    value.to_string()
}
