//! `slack-alert preview`: what a job's message looks like, without running anything.
//!
//! The outcome is assumed and goes through the job's own rules; the message is rendered as the daemon would.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::args::{PreviewArgs, PreviewEvent};
use super::locate::{self, World};
use super::{Failure, input, state};
use crate::clock::{self, Clock, System};
use crate::exec::{self, Captured, Ending, Exit, Meaning, Outcome, Output, Parse, Status};
use crate::id::RunId;
use crate::message::{Message, Thread, edited};
use crate::notify::view::Head;
use crate::notify::{self, view};
use crate::picture::{self, Item};
use crate::plan::{Job, Plan};
use crate::policy::{Decision, Event, Health, On, Suppressed};
use crate::report::{self, Sender};
use crate::simulate::assume;
use crate::store::HistoryFilter;

/// How long the run is said to have taken.
const TOOK: Duration = Duration::from_millis(1_300);

const DAY: Duration = Duration::from_secs(86_400);

const SAMPLE_STDOUT: &str = "(what the command prints)\n";
const SAMPLE_STDERR: &str = "(what the command says about its failure)\n";

/// Renders the message and shows it.
pub(super) fn run(world: &World, args: &PreviewArgs) -> Result<ExitCode, Failure> {
    let plan = world.plan_to_render()?;
    // A message looks the same at any time; in quiet hours there is none.
    let mut job = Job::clone(locate::job(&plan, &args.job)?);
    Arc::make_mut(&mut job.notify).quiet_hours = None;
    let job = &job;
    let now = System.now().wall;
    let sender = report::sender(&plan);
    let say = |text: String| world.terminal.err(&format!("slack-alert: {text}"));
    let kept = |wanted| kept(world, &plan, job, wanted);
    let (mut outcome, mut kept_run) = outcome(job, args, &kept, now)?;
    if outcome.skipped {
        return nothing(world, args, "not-run: `exit_codes.skip` says that such a run does not count");
    }
    let (messages, decision) = match args.event {
        Some(PreviewEvent::Incident) => {
            refuse_contradiction(PreviewEvent::Failure, &outcome)?;
            // What an incident looks like where messages can be answered and edited.
            let can = match sender.can.threads {
                true => sender.can,
                false => notify::Capabilities::ALL,
            };
            (assume::incident(job, &outcome, &Sender { can, ..sender }), Decision::Notified(Event::Failure))
        }
        Some(PreviewEvent::Starved) => starved(&plan, job, &sender, now)?,
        Some(asked) => {
            refuse_contradiction(asked, &outcome)?;
            assume::event(job, named(asked), &outcome, &sender)
        }
        None => {
            let mut said = assume::first_run(job, outcome.clone(), &sender);
            // Of a job that is silent when it is well, a failure is what there is to see.
            let free = args.exit.is_none() && args.stdout.is_none() && args.stderr.is_none();
            if free && said.messages.is_empty() && outcome.status == Status::Ok {
                let failed = PreviewArgs { event: Some(PreviewEvent::Failure), ..args.clone() };
                (outcome, kept_run) = self::outcome(job, &failed, &kept, now)?;
                let failure = assume::first_run(job, outcome.clone(), &sender);
                if !failure.messages.is_empty() {
                    say(format!("a run that is well sends nothing ({}); this is its failure", words(&said.decision)));
                    said = failure;
                }
            }
            (said.messages, said.decision)
        }
    };
    if messages.is_empty() {
        let why = format!("{}; --event shows a message all the same", words(&decision));
        return nothing(world, args, &why);
    }
    let has_output = !matches!(args.event, Some(PreviewEvent::Missing | PreviewEvent::Starved));
    if args.stdout.is_none() && args.stderr.is_none() && has_output {
        let unjudged = if job.conditions.is_empty() { "" } else { ", which the job's conditions can judge" };
        let what = match kept_run {
            Some(run) => format!("what run {run} printed is shown"),
            None if job.command.parse() == Some(Parse::Json) => {
                "sample output is shown, of which standard output is `{}`: there is no run whose JSON is kept"
                    .to_owned()
            }
            None => "sample output is shown".to_owned(),
        };
        say(format!("{what}; --stdout FILE and --stderr FILE give real output{unjudged}"));
    }
    if let Some(why) = decision.suppressed() {
        let why = unset(job, args.event).unwrap_or_else(|| why.sentence());
        say(format!("with this job's settings nothing would be sent: {why}"));
    }
    if let Some(path) = &args.svg {
        let items = match args.event {
            Some(PreviewEvent::Incident) => whole_incident(&plan, job, messages),
            // The channels differ in nothing but their name. An edit changes a message that is not there.
            _ => messages
                .into_iter()
                .find(|message| message.thread != Thread::Edit)
                .map(|message| Item::Message {
                    head: head(&plan, job, &message),
                    message: Box::new(message),
                    edited: false,
                    replies: None,
                    replied: false,
                })
                .into_iter()
                .collect(),
        };
        write(path, &picture::draw(&items, args.theme, args.width))?;
        return Ok(ExitCode::SUCCESS);
    }
    // What an edit says, the message beside it says too.
    for message in messages.into_iter().filter(|message| message.thread != Thread::Edit) {
        world.terminal.out(&if args.json { payload(&plan, message) } else { shown(world, &plan, job, &message) });
    }
    Ok(ExitCode::SUCCESS)
}

/// The key without which there is no such message, whatever `on` asks for.
fn unset(job: &Job, event: Option<PreviewEvent>) -> Option<&'static str> {
    match event? {
        PreviewEvent::Slow if job.notify.slow.is_none() => Some("`notify.slow` is not set"),
        PreviewEvent::Stuck if job.notify.stuck_after == 0 => Some("`notify.stuck_after` is 0"),
        _ => None,
    }
}

/// Writes the picture.
#[expect(clippy::disallowed_methods, reason = "the door of pictures: `preview --svg` writes one file")]
fn write(path: &std::path::Path, picture: &str) -> Result<(), Failure> {
    let unwritten = |error| Failure::new(format!("{} cannot be written: {error}", path.display()));
    std::fs::write(path, picture).map_err(unwritten)
}

/// A decision with its reason: "unchanged: the output is the same as that of the last ok run".
fn words(decision: &Decision) -> String {
    match decision.suppressed() {
        Some(why) => format!("{}: {}", why.as_str(), why.sentence()),
        None => decision.to_string(),
    }
}

fn nothing(world: &World, args: &PreviewArgs, why: &str) -> Result<ExitCode, Failure> {
    let text = if args.json { "null".to_owned() } else { format!("nothing would be sent: {why}") };
    world.terminal.out(&format!("{text}\n"));
    Ok(ExitCode::SUCCESS)
}

/// The JSON that a run of the job printed, the last of this status, and else the last of all: what a template wants of it no
/// sample has.
fn kept(world: &World, plan: &Plan, job: &Job, wanted: Status) -> Option<(RunId, Vec<u8>)> {
    if job.command.parse() != Some(Parse::Json) {
        return None;
    }
    // Where there is no state, or none that may be read, there is a sample.
    let reader = state::open(world, plan).ok()?;
    let of_job = || HistoryFilter { job: Some(job.name.clone()), limit: 1, ..HistoryFilter::default() };
    let ended_so = match wanted {
        Status::Ok => HistoryFilter { status: Some(Status::Ok), ..of_job() },
        _ => HistoryFilter { failed: true, ..of_job() },
    };
    [ended_so, of_job()].iter().find_map(|filter| {
        let row = reader.run(reader.history(filter).ok()?.first()?.id).ok()??;
        let stdout = Some(row.stdout.bytes()).filter(|_| row.stdout.dropped == 0)?;
        serde_json::from_slice::<serde_json::Value>(&stdout).ok()?;
        Some((row.id, stdout.to_vec()))
    })
}

/// The run that is assumed, as the job's own rules see it, and the one of which its output is.
fn outcome(
    job: &Job,
    args: &PreviewArgs,
    kept: &dyn Fn(Status) -> Option<(RunId, Vec<u8>)>,
    now: Timestamp,
) -> Result<(Outcome, Option<RunId>), Failure> {
    if [&args.stdout, &args.stderr].iter().all(|file| file.as_deref().is_some_and(|file| file.as_os_str() == "-")) {
        return Err(Failure::usage("--stdout and --stderr cannot both be standard input"));
    }
    if args.event == Some(PreviewEvent::Missing) {
        return Ok((absent(job, now)?, None));
    }
    let wanted = if args.event.is_none_or(is_good) { Status::Ok } else { Status::Critical };
    let code = args.exit.unwrap_or_else(|| {
        let code = assume::code_for(&job.command, wanted);
        code.or_else(|| assume::code_for(&job.command, Status::Warning)).unwrap_or(2)
    });
    let sample = args.stdout.is_none() && args.stderr.is_none();
    let failed = !matches!(job.command.exit_codes().meaning(Exit::Code(code)), Meaning::Status(Status::Ok));
    // What goes on has failed in nothing yet.
    let goes_on = matches!(args.event, Some(PreviewEvent::Slow | PreviewEvent::Stuck));
    let status = if failed { Status::Critical } else { Status::Ok };
    let (kept_run, json) = Some(()).filter(|()| sample && !goes_on).and_then(|()| kept(status)).unzip();
    let file = |file: &Option<std::path::PathBuf>| file.as_deref().map(input::read).transpose();
    let stdout = file(&args.stdout)?.unwrap_or_else(|| match job.command.parse() {
        _ if sample && goes_on => SAMPLE_STDOUT.into(),
        Some(Parse::Json) if sample => json.unwrap_or_else(|| b"{}\n".to_vec()),
        _ if sample && !failed => SAMPLE_STDOUT.into(),
        _ => Vec::new(),
    });
    let fails = sample && failed && !goes_on;
    let stderr = file(&args.stderr)?.unwrap_or_else(|| if fails { SAMPLE_STDERR.into() } else { Vec::new() });
    let captured = |bytes: &[u8]| Captured { head: bytes.to_vec(), ..Captured::default() };
    let both = captured(&[stdout.as_slice(), stderr.as_slice()].concat());
    let output = Output { stdout: captured(&stdout), stderr: captured(&stderr), both, ..Output::default() };
    let started = now.saturating_sub(TOOK).unwrap_or(now);
    let outcome = exec::assumed(&job.command, Ending::Exited { code }, output, started, TOOK);
    // Sample output is nothing that a condition could judge.
    let outcome = if sample { outcome } else { report::conditioned(job, &Health::default(), outcome) };
    Ok((outcome, kept_run))
}

/// An expected run that did not come: the last one that was due and has had its grace. The one before it came in time.
fn absent(job: &Job, now: Timestamp) -> Result<Outcome, Failure> {
    let Some(expect) = job.timing.expect() else {
        let message = format!("no run of `{}` can be missing: the daemon runs this job itself", job.name);
        return Err(Failure::usage(format!("{message}\n  help: `expect` is for jobs that something else runs")));
    };
    let latest = now.saturating_sub(expect.grace).unwrap_or(now);
    let (due, seen) = last_two(job, latest);
    Ok(Outcome::missing(due, expect.grace, seen, clock::shift(due, expect.grace)))
}

/// The last due time of a calendar up to then, and the one before it; of any other schedule, then, and an interval before.
fn last_two(job: &Job, latest: Timestamp) -> (Timestamp, Option<Timestamp>) {
    let name = job.name.as_str();
    let gap = job.timing.shortest_gap(name, latest).unwrap_or_default();
    if job.timing.follows_wall_clock() {
        // As far back as is needed: two times may be far apart.
        for back in [gap * 3, DAY * 2, DAY * 15, DAY * 800] {
            let from = latest.checked_sub(back).unwrap_or(latest);
            let times: Vec<Timestamp> = job.timing.times_within(clock::between(from, latest), name, from).collect();
            if let [.., before, last] = times.as_slice() {
                return (*last, Some(*before));
            }
        }
    }
    (latest, latest.checked_sub(gap).ok())
}

/// Another job holds every place while three of this job's due times pass.
fn starved(plan: &Plan, job: &Job, sender: &Sender, now: Timestamp) -> Result<(Vec<Message>, Decision), Failure> {
    if job.timing.runs_elsewhere() {
        let message = format!("no run of `{}` can wait for a place: something else runs this job", job.name);
        return Err(Failure::usage(message));
    }
    let gap = job.timing.shortest_gap(job.name.as_str(), now).unwrap_or_default();
    let since = now.checked_sub(gap.saturating_mul(2)).unwrap_or(now);
    let places = plan.config.limits.max_running;
    let held = format!("{places} of {places} places are taken: {places} by (another job) (limits.max_running)");
    let decision = match job.notify.on.asks(On::Failure) {
        true => Decision::Notified(Event::Starved),
        false => Decision::Suppressed(Suppressed::NotAsked, None),
    };
    Ok((report::starved::waits(job, sender, since, ("a free place", &held), now), decision))
}

fn is_good(event: PreviewEvent) -> bool {
    use PreviewEvent::{Change, Output, Recovery, Success};
    matches!(event, Output | Change | Recovery | Success)
}

/// A message about good news needs a run that is ok, any other one that is not.
fn refuse_contradiction(asked: PreviewEvent, outcome: &Outcome) -> Result<(), Failure> {
    let ok = outcome.status == Status::Ok;
    if is_good(asked) == ok {
        return Ok(());
    }
    let (status, how) = (outcome.status.as_str(), outcome.ending.words());
    let why = if outcome.detail.is_empty() { how } else { outcome.detail.clone() };
    let wanted = if is_good(asked) { "ok" } else { "not ok" };
    let message = format!("such a message is about a run that is {wanted}, and this one is {status}: {why}");
    Err(Failure::usage(format!("{message}\n  help: give another --exit, or leave it out")))
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
        PreviewEvent::Missing => Event::Missing,
        PreviewEvent::Slow => Event::Slow,
        PreviewEvent::Starved => Event::Starved,
        PreviewEvent::Incident => Event::Failure,
    }
}

/// The body of the request, one a line for each channel.
fn payload(plan: &Plan, message: Message) -> String {
    let body = notify::payload(&plan.config.slack, message);
    format!("{body}\n")
}

fn shown(world: &World, plan: &Plan, job: &Job, message: &Message) -> String {
    let terminal = world.terminal;
    with_head(plan, job, message, |message, head| view::render(message, head, terminal.colour(), terminal.width()))
}

/// A message shown below the line that says the sender and the channel.
fn with_head<T>(plan: &Plan, job: &Job, message: &Message, show: impl Fn(&Message, &Head<'_>) -> T) -> T {
    let picture::Head { name, time } = head(plan, job, message);
    show(message, &Head { name: &name, channel: &channel(message), time: &time })
}

fn channel(message: &Message) -> String {
    if message.channel.is_unnamed() { String::new() } else { message.channel.to_string() }
}

fn head(plan: &Plan, job: &Job, message: &Message) -> picture::Head {
    let time = message.created.to_zoned(job.timing.zone.clone()).strftime("%H:%M").to_string();
    picture::Head { name: plan.config.slack.username.clone().unwrap_or_else(|| "slack-alert".to_owned()), time }
}

/// An incident as a reader sees it: its first message when it comes, the same after its end with what else is visible in the
/// channel, and the thread.
fn whole_incident(plan: &Plan, job: &Job, messages: Vec<Message>) -> Vec<Item> {
    let mut messages = messages.into_iter();
    let Some(first) = messages.next() else { return Vec::new() };
    let place = |name: String, note: &str| Item::Place { name, note: note.to_owned() };
    let item = |message: &Message, edited, replies, replied| Item::Message {
        head: head(plan, job, message),
        message: Box::new(message.clone()),
        edited,
        replies,
        replied,
    };
    let name = Some(channel(&first)).filter(|name| !name.is_empty()).unwrap_or_else(|| "#ops".to_owned());
    let (edits, replies): (Vec<_>, Vec<_>) =
        messages.filter(|message| message.channel == first.channel).partition(|message| message.thread == Thread::Edit);
    let last =
        edits.iter().fold(first.clone(), |first, edit| Message { created: first.created, ..edited(&first, edit) });
    let ended = replies.last().map(|message| head(plan, job, message).time).unwrap_or_default();
    let shown = |message: &&Message| matches!(message.thread, Thread::Broadcast | Thread::None);
    let begun = head(plan, job, &first).time;
    let mut items = vec![place(name.clone(), &format!("{begun}, it fails")), item(&first, false, None, false)];
    items.push(place(name, &format!("{ended}, it is over")));
    items.push(item(&last, true, Some((replies.len(), format!("Last reply today at {ended}"))), false));
    items.extend(replies.iter().filter(shown).map(|message| item(message, false, None, true)));
    items.push(place("Thread".to_owned(), ""));
    items.push(Item::Replies(replies.len()));
    items.extend(replies.iter().map(|message| item(message, false, None, false)));
    items
}
