//! `slack-alert preview`: what a job's message looks like, without running anything.
//!
//! The outcome is assumed and goes through the job's own rules; the message is rendered as the daemon would.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::args::{PreviewArgs, PreviewEvent};
use super::locate::{self, World};
use super::view::{self, Head};
use super::{Failure, input, svg};
use crate::clock::{Clock, System};
use crate::exec::{self, Captured, Ending, Exit, Meaning, Outcome, Output, Parse, Status, Trigger};
use crate::id::{Channel, RunId};
use crate::message::{self, Message, Notice, Previous, Rendered, Thread};
use crate::notify::slack::payload::{Look, Request, request, webhook};
use crate::notify::{Delivery, Way};
use crate::plan::{Job, Plan};
use crate::policy::{Event, Incident, On};

/// How long the run is said to have taken.
const TOOK: Duration = Duration::from_millis(1_300);

/// How long ago the incident began, where there is one.
const INCIDENT: Duration = Duration::from_secs(42 * 60);

/// Failures of an incident that goes on.
const FAILURES: u32 = 3;

const SAMPLE_STDOUT: &str = "(what the command prints)\n";
const SAMPLE_STDERR: &str = "(what the command says about its failure)\n";

/// Renders the message and shows it.
pub(super) fn run(world: &World, args: &PreviewArgs) -> Result<ExitCode, Failure> {
    let plan = world.plan()?;
    let job = locate::job(&plan, &args.job)?;
    let now = System.now().wall;
    let outcome = outcome(job, args, now)?;
    let event = match event(job, args, &outcome)? {
        Ok(event) => event,
        Err(why) => return nothing(world, args, why),
    };
    if args.stdout.is_none() && args.stderr.is_none() {
        world.terminal.err("slack-alert: sample output is shown; --stdout FILE and --stderr FILE give real output");
    }
    let notice = notice(&plan, job, event, outcome, now);
    let rendered = match message::render(&notice, &job.format) {
        Ok(Some(rendered)) => rendered,
        Ok(None) => return nothing(world, args, "blank: the template renders to blanks"),
        Err(error) => {
            world.terminal.err(&format!("slack-alert: the template failed, and the default message is sent: {error}"));
            message::fallback(&notice, &error)
        }
    };
    if !asked(job, event) {
        world.terminal.err(&format!("slack-alert: `notify.on` does not ask for `{event}`: nothing would be sent"));
    }
    let status = notice.outcome.status;
    let mut channels = job.notify.channels_for(status, plan.default_channel());
    if channels.is_empty() {
        channels.push(Channel::new(""));
    }
    for channel in channels {
        let message = address(job, &notice, rendered.clone(), channel, now);
        if let Some(path) = &args.svg {
            // The channels differ in nothing but their name.
            svg::write(path, &with_head(&plan, job, &message, view::lines))?;
            break;
        }
        world.terminal.out(&if args.json { payload(&plan, message) } else { shown(world, &plan, job, &message) });
    }
    Ok(ExitCode::SUCCESS)
}

fn nothing(world: &World, args: &PreviewArgs, why: &str) -> Result<ExitCode, Failure> {
    let text = if args.json { "null".to_owned() } else { format!("nothing would be sent: {why}") };
    world.terminal.out(&format!("{text}\n"));
    Ok(ExitCode::SUCCESS)
}

/// The run that is assumed, as the job's own rules see it.
fn outcome(job: &Job, args: &PreviewArgs, now: Timestamp) -> Result<Outcome, Failure> {
    if [&args.stdout, &args.stderr].iter().all(|file| file.as_deref().is_some_and(|file| file.as_os_str() == "-")) {
        return Err(Failure::usage("--stdout and --stderr cannot both be standard input"));
    }
    let good = args.event.is_none_or(is_good);
    let code = args.exit.unwrap_or_else(|| if good { code_for(job, true) } else { code_for(job, false) });
    let sample = args.stdout.is_none() && args.stderr.is_none();
    let failed = !matches!(job.command.exit_codes().meaning(Exit::Code(code)), Meaning::Status(Status::Ok));
    let file = |file: &Option<std::path::PathBuf>| file.as_deref().map(input::read).transpose();
    let stdout = file(&args.stdout)?.unwrap_or_else(|| match job.command.parse() {
        Some(Parse::Json) if sample => b"{}\n".to_vec(),
        _ if sample && !failed => SAMPLE_STDOUT.into(),
        _ => Vec::new(),
    });
    let stderr =
        file(&args.stderr)?.unwrap_or_else(|| if sample && failed { SAMPLE_STDERR.into() } else { Vec::new() });
    let captured = |bytes: &[u8]| Captured { head: bytes.to_vec(), ..Captured::default() };
    let both = captured(&[stdout.as_slice(), stderr.as_slice()].concat());
    let output = Output { stdout: captured(&stdout), stderr: captured(&stderr), both };
    let started = now.saturating_sub(TOOK).unwrap_or(now);
    Ok(exec::assumed(&job.command, Ending::Exited { code }, output, started, TOOK))
}

/// An exit code that means ok, or one that does not: critical where there is one.
fn code_for(job: &Job, ok: bool) -> i32 {
    let means = |code: i32, wanted: fn(Status) -> bool| match job.command.exit_codes().meaning(Exit::Code(code)) {
        Meaning::Status(status) => wanted(status),
        Meaning::Skip => false,
    };
    if ok {
        return (0..=255).find(|code| means(*code, |status| status == Status::Ok)).unwrap_or(0);
    }
    let critical = [2].into_iter().chain(1..=255).find(|code| means(*code, |status| status == Status::Critical));
    critical.or_else(|| (1..=255).find(|code| means(*code, |status| status != Status::Ok))).unwrap_or(2)
}

fn is_good(event: PreviewEvent) -> bool {
    use PreviewEvent::{Change, Output, Recovery, Success};
    matches!(event, Output | Change | Recovery | Success)
}

/// What the message is about; the inner error says why there is none.
fn event(job: &Job, args: &PreviewArgs, outcome: &Outcome) -> Result<Result<Event, &'static str>, Failure> {
    if outcome.skipped {
        return Ok(Err("not-run: `exit_codes.skip` says that such a run does not count"));
    }
    let ok = outcome.status == Status::Ok;
    if let Some(asked) = args.event {
        if is_good(asked) != ok {
            let (status, how) = (outcome.status.as_str(), outcome.ending.words());
            let why = if outcome.detail.is_empty() { how } else { outcome.detail.clone() };
            let wanted = if is_good(asked) { "ok" } else { "not ok" };
            let message = format!("such a message is about a run that is {wanted}, and this one is {status}: {why}");
            return Err(Failure::usage(format!("{message}\n  help: give another --exit, or leave it out")));
        }
        return Ok(Ok(named(asked)));
    }
    let on = job.notify.on;
    let printed = !outcome.output.stdout.is_blank();
    Ok(match ok {
        false if on.asks(On::Failure) => Ok(Event::Failure),
        true if printed && on.asks(On::Output) => Ok(Event::Output),
        true if on.asks(On::Success) => Ok(Event::Success),
        true if printed && on.asks(On::Change) => Ok(Event::Change),
        true if !printed && on.asks(On::Output) => Err("blank: the run is ok and printed nothing"),
        _ => Err("not-asked: `notify.on` does not ask for messages about such a run; --event shows one all the same"),
    })
}

fn named(event: PreviewEvent) -> Event {
    match event {
        PreviewEvent::Output => Event::Output,
        PreviewEvent::Failure => Event::Failure,
        PreviewEvent::Repeat => Event::Repeat,
        PreviewEvent::Recovery => Event::Recovery,
        PreviewEvent::Success => Event::Success,
        PreviewEvent::Change => Event::Change,
        PreviewEvent::Flapping => Event::Flapping,
        PreviewEvent::Stuck => Event::Stuck,
    }
}

/// Whether the daemon would tell such an event of this job.
fn asked(job: &Job, event: Event) -> bool {
    let on = job.notify.on;
    match event {
        Event::Output => on.asks(On::Output),
        Event::Success => on.asks(On::Success),
        Event::Change => on.asks(On::Change),
        Event::Recovery => on.asks(On::Recovery),
        Event::Failure | Event::Repeat => on.asks(On::Failure),
        Event::Flapping | Event::Stuck => true,
    }
}

fn notice(plan: &Plan, job: &Job, event: Event, outcome: Outcome, now: Timestamp) -> Notice {
    let began = now.saturating_sub(INCIDENT).unwrap_or(now);
    let incident = |failures| Some(Incident { id: 800, started: began, failures });
    let (incident, remark) = match event {
        Event::Failure => (incident(1), String::new()),
        Event::Repeat => (incident(FAILURES), format!("same failure, {FAILURES}rd time")),
        Event::Recovery => (incident(FAILURES), String::new()),
        Event::Flapping => (None, "6 changes of status within 30m".to_owned()),
        Event::Stuck => (None, "process 4711 has been running for 42m".to_owned()),
        Event::Output | Event::Success | Event::Change => (None, String::new()),
    };
    let before = (event == Event::Change).then(|| "(what it printed the last time)\n".to_owned());
    let now_printed = message::clean(&outcome.output.stdout.bytes());
    let diff = before.as_deref().map(|before| diff(before, &now_printed)).unwrap_or_default();
    let (asked, notes) =
        crate::daemon::directives::asked(&outcome, &job.notify, matches!(plan.config.slack.way, Way::Token(_)));
    let previous = if event == Event::Recovery { Status::Critical } else { Status::Ok };
    Notice {
        job: Arc::clone(&job.facts),
        event,
        mention: job.notify.mentions_for(event, outcome.status),
        scheduled: outcome.started,
        outcome: Arc::new(outcome),
        run: RunId(812),
        number: 40,
        trigger: Trigger::Schedule,
        previous: Some(Previous { status: previous, stdout: before.unwrap_or_default(), finished: began }),
        diff,
        incident,
        suppressed: 0,
        remark,
        digest: Vec::new(),
        asked,
        notes,
        pauses: None,
        host: Arc::clone(&plan.config.host),
        zone: plan.config.zone.clone(),
    }
}

fn diff(before: &str, now: &str) -> String {
    let minus = before.lines().map(|line| format!("-{line}\n"));
    minus.chain(now.lines().map(|line| format!("+{line}\n"))).collect()
}

fn address(job: &Job, notice: &Notice, rendered: Rendered, channel: Channel, now: Timestamp) -> Message {
    Message {
        job: Some(job.name.clone()),
        run: Some(notice.run),
        event: Some(notice.event),
        status: notice.outcome.status,
        channel,
        text: rendered.text,
        blocks: rendered.blocks,
        color: rendered.color,
        incident: None,
        thread: Thread::None,
        attachment: rendered.attachment,
        created: now,
    }
}

/// The body of the request, one a line for each channel.
fn payload(plan: &Plan, message: Message) -> String {
    let look = Look::of(&plan.config.slack);
    let nowhere = message.channel.as_str().is_empty();
    let mut body = if let Way::Webhook(_) = plan.config.slack.way {
        webhook(&message, &look, false)
    } else {
        let delivery = Delivery { message: Arc::new(message), attempt: 1, plain: false, parent: None };
        match request(&delivery, &look) {
            Request::Post { body, .. } | Request::Update { body } => body,
            Request::Nothing => Value::Null,
        }
    };
    // No channel is configured: there is none to name.
    if let Some(body) = body.as_object_mut().filter(|_| nowhere) {
        body.remove("channel");
    }
    format!("{body}\n")
}

fn shown(world: &World, plan: &Plan, job: &Job, message: &Message) -> String {
    with_head(plan, job, message, |message, head| view::render(message, head, world.terminal.colour()))
}

/// A message shown below the line that says who speaks, and where.
fn with_head<T>(plan: &Plan, job: &Job, message: &Message, show: impl Fn(&Message, &Head<'_>) -> T) -> T {
    let channel = if message.channel.as_str().is_empty() { String::new() } else { message.channel.to_string() };
    let time = message.created.to_zoned(job.timing.zone.clone()).strftime("%H:%M").to_string();
    let name = plan.config.slack.username.as_deref().unwrap_or("slack-alert");
    show(message, &Head { name, channel: &channel, time: &time })
}
