//! `slack-alert once`: runs one job now, and shows its outcome and the message that it would send.

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::args::OnceArgs;
use super::locate::{self, World};
use super::{Failure, logs, runtime};
use crate::clock::{SharedClock, System};
use crate::document::format_duration;
use crate::exec::{Duct, Ending, Outcome, Run, Spawner, Stop, Trigger, known};
use crate::id::{RunId, typed};
use crate::message::{Message, Thread};
use crate::notify::{self, Delivery, Fault, Notifier, Receipt, SendError, Sent};
use crate::plan::{Job, Plan};
use crate::policy::{Decision, Health, Suppressed};
use crate::report::{self, Burst, RunEnd, Said};

/// A program that could not be started (as in sh(1) and env(1)).
const NOT_STARTED: u8 = 127;
/// A program whose time was up (as in timeout(1)).
const TIMED_OUT: u8 = 124;
/// A program that a signal ended: this plus the signal's number (as in sh(1)).
const SIGNALED: i32 = 128;

/// Runs the job; the exit code is the command's own.
pub(super) fn run(world: &World, args: &OnceArgs) -> Result<ExitCode, Failure> {
    logs::start(world, super::args::LogFormat::Text, logs::Lines::Info);
    let plan = if args.post { world.plan_of_one_job()? } else { world.plan_to_render()? };
    let job = Arc::clone(locate::job(&plan, &args.job)?);
    if job.timing.runs_elsewhere() {
        return Err(runs_elsewhere(&job));
    }
    let runtime = runtime::of_command()?;
    runtime.block_on(carry_out(world, args, &plan, &job))
}

/// There is nothing to run.
fn runs_elsewhere(job: &Job) -> Failure {
    Failure::new(format!(
        "something else runs `{}`; slack-alert only waits for its reports\n  help: `slack-alert preview {}` shows its messages",
        job.name,
        typed(job.name.as_str())
    ))
}

async fn carry_out(world: &World, args: &OnceArgs, plan: &Plan, job: &Job) -> Result<ExitCode, Failure> {
    let clock: SharedClock = Arc::new(System);
    let now = clock.now();
    let run = Run::new(RunId(1), job.name.clone(), Arc::clone(&job.command), now.wall, Trigger::Manual);
    let mut health = Health::default();
    let run = Arc::new(report::with_conditions(run, job, &health));
    let outcome = Arc::new(report::conditioned(job, &health, execute(&clock, Arc::clone(&run)).await?));
    let end = RunEnd { run: &run, outcome: &outcome, now: clock.now().wall };
    let sender = report::sender(plan);
    let said = report::judge(job, &mut health, end, Burst::Open, &sender);
    if !args.json {
        show(world, plan, &outcome, &said);
    }
    // What becomes of the message is none of the command's: its exit code is its own.
    let posted = if args.post { post(world, plan, &said).await } else { Vec::new() };
    if args.json {
        world.terminal.out_or_go_on(&format!("{}\n", report(&run, &outcome, (&said, &posted))));
    }
    Ok(exit_code(&outcome))
}

/// Runs the command; INT and TERM end it, with its whole group.
async fn execute(clock: &SharedClock, run: Arc<Run>) -> Result<Outcome, Failure> {
    let (mailbox, mut inbox) = crate::daemon::mailbox();
    let signals = crate::daemon::signals::listen(mailbox, crate::daemon::signals::Listener::Once, || false);
    let signals = signals.map_err(|error| Failure::new(format!("signals cannot be listened for: {error}")))?;
    let listen = async {
        tokio::pin!(signals);
        loop {
            tokio::select! {
                () = &mut signals => std::future::pending::<()>().await,
                Some(asked) = inbox.recv() => {
                    let level = match asked.request {
                        crate::daemon::Request::StopNow => Stop::Kill,
                        _ => Stop::Terminate,
                    };
                    run.stop.raise(level);
                }
            }
        }
    };
    let spawner = Duct::of_one_run(Arc::clone(clock));
    tokio::select! {
        outcome = spawner.run(Arc::clone(&run)) => Ok(outcome),
        () = listen => unreachable!("listening never ends"),
    }
}

/// The output, how it ended, why there is a message or none, and the message.
fn show(world: &World, plan: &Plan, outcome: &Outcome, said: &Said) {
    let output = crate::message::clean(&outcome.output.both.bytes());
    let output = output.trim_end_matches('\n');
    if !output.is_empty() {
        world.terminal.out_or_go_on(&format!("{output}\n\n"));
    }
    let took = known(outcome.took).map_or_else(String::new, |took| format!(" (took {})", format_duration(took)));
    let status = if said.decision == Decision::NotRun { "counts as not run" } else { outcome.status.as_str() };
    let mut head = format!("{status}: {}{took}", outcome.ending.words());
    if !outcome.detail.is_empty() {
        head.push_str(&format!("; {}", outcome.detail));
    }
    if outcome.attempts > 1 {
        head.push_str(&format!("; {} attempts", outcome.attempts));
    }
    if outcome.leaked {
        head.push_str(
            "; a process that it left in the background has its output open: what it writes from now on is not kept",
        );
    }
    world.terminal.out_or_go_on(&format!("{head}\n"));
    match &said.decision {
        Decision::Notified(event) => {
            world.terminal.out_or_go_on(&format!("message ({event}), since {}:\n\n", report::explain::sent(*event)));
            for message in &said.messages {
                world.terminal.out_or_go_on(&notify::console::render(
                    message,
                    false,
                    world.terminal.colour(),
                    &plan.config.zone,
                    world.terminal.width(),
                ));
            }
        }
        other => {
            let why = match other {
                Decision::NotRun => Some(report::explain::NOT_RUN),
                // Here nothing waits for their end.
                _ if other.suppressed() == Some(Suppressed::QuietHours) => {
                    Some("it is within `notify.quiet_hours`: a daemon reports it when they end")
                }
                _ => other.suppressed().map(Suppressed::sentence),
            };
            let why = why.map_or_else(String::new, |why| format!(", {why}"));
            world.terminal.out_or_go_on(&format!("no message: {other}{why}\n"));
        }
    }
}

/// For programs. What came of a message that was posted stands with it: nothing where it was not to be.
fn report(run: &Run, outcome: &Outcome, (said, posted): (&Said, &[Posted])) -> serde_json::Value {
    let one = |(index, message): (usize, &Message)| {
        let posted = posted.get(index);
        let place = posted.and_then(|posted| posted.as_ref().ok()?.posted.as_ref());
        json!({
            "channel": message.channel,
            "text": message.text,
            "blocks": message.blocks,
            "color": message.color,
            "posted": posted.map(Result::is_ok),
            "at": place.map(|place| json!({"channel": place.channel, "ts": place.ts})),
            "error": posted.and_then(|posted| posted.as_ref().err()),
        })
    };
    let messages: Vec<_> = said.messages.iter().enumerate().map(one).collect();
    json!({
        "job": run.job,
        "status": outcome.status,
        "reason": outcome.reason,
        "exit_code": outcome.exit_code(),
        "signal": outcome.signal(),
        "duration": known(outcome.took).map(|took| took.as_secs_f64()),
        "attempts": outcome.attempts,
        "stdout": crate::message::clean(&outcome.output.stdout.bytes()),
        "stderr": crate::message::clean(&outcome.output.stderr.bytes()),
        "detail": outcome.detail,
        "leaked": outcome.leaked,
        "decision": said.decision.to_string(),
        "messages": messages,
    })
}

/// What came of a message, or why it was not posted.
type Posted = Result<Receipt, String>;

/// Sends what would be sent, once, and says what came of each message.
async fn post(world: &World, plan: &Plan, said: &Said) -> Vec<Posted> {
    let say = |text: String| world.terminal.err(&format!("slack-alert: {text}"));
    if said.messages.is_empty() {
        say("there is no message to post".to_owned());
        return Vec::new();
    }
    let notifier = match notify::connect(&plan.config.slack) {
        Ok(notifier) => notifier,
        Err(error) => {
            say(format!("not posted: {error}"));
            return said.messages.iter().map(|_| Err(error.to_string())).collect();
        }
    };
    let mut all = Vec::new();
    for message in &said.messages {
        let message = Arc::new(message.clone());
        let answer = post_one(&*notifier, &message).await.map_err(|error| error.to_string());
        match &answer {
            Ok(receipt) => {
                say(format!("posted to {}", message.channel));
                receipt.warnings.iter().cloned().for_each(say);
                if let Some(posted) = receipt.posted.clone().filter(|_| message.attachment.is_some()) {
                    let file = Arc::new(Message { thread: Thread::Upload, ..(*message).clone() });
                    let delivery = Delivery { parent: Some(posted), ..delivery(&file) };
                    if let Err(error) = notifier.send(delivery).await {
                        say(format!("the file was not attached: {error}"));
                    }
                }
            }
            Err(error) => say(format!("not posted to {}: {error}", message.channel)),
        }
        all.push(answer);
    }
    all
}

/// Posts a message; as plain text where Slack calls it malformed, as the outbox does.
async fn post_one(notifier: &dyn Notifier, message: &Arc<Message>) -> Result<Receipt, SendError> {
    match notifier.send(delivery(message)).await {
        Err(SendError::Permanent { why, fault: Fault::Message, .. }) => {
            notifier.send(Delivery { attempt: 2, plain: Some(why), ..delivery(message) }).await
        }
        answer => answer,
    }
}

fn delivery(message: &Arc<Message>) -> Delivery {
    Delivery { message: Arc::clone(message), attempt: 1, plain: None, parent: None, timeouts: 0, sent: Sent::default() }
}

/// The command's own exit code, in the shell's manner where it has none.
fn exit_code(outcome: &Outcome) -> ExitCode {
    let code = match outcome.ending {
        Ending::Exited { code } => u8::try_from(code).unwrap_or(1),
        Ending::Signaled { signal } => u8::try_from(SIGNALED + signal).unwrap_or(1),
        Ending::TimedOut { .. } => TIMED_OUT,
        Ending::NotStarted { .. } => NOT_STARTED,
        Ending::Reported { ok } => u8::from(!ok),
        Ending::Missing { .. } | Ending::Unfinished { .. } => 1,
        Ending::Interrupted | Ending::CutOff { .. } | Ending::Lost { .. } => u8::try_from(SIGNALED + 15).unwrap_or(1),
    };
    ExitCode::from(code)
}
