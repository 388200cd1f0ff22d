//! `slack-alert once`: runs one job now, and shows its outcome and the message that it would send.

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::args::OnceArgs;
use super::locate::{self, World};
use super::{Failure, logs};
use crate::clock::{SharedClock, System};
use crate::daemon::speak::{self, About, Burst, Decision, Said};
use crate::document::format_duration;
use crate::exec::{Duct, Ending, Outcome, Run, Spawner, Stop};
use crate::id::RunId;
use crate::notify::{self, Delivery, SendError};
use crate::plan::{Job, Plan};
use crate::policy::Health;

/// A program that could not be started (as in sh(1) and env(1)).
const NOT_STARTED: u8 = 127;
/// A program whose time was up (as in timeout(1)).
const TIMED_OUT: u8 = 124;
/// A program that a signal ended: this plus the signal's number (as in sh(1)).
const SIGNALED: i32 = 128;

/// Runs the job; the exit code is the command's own.
pub(super) fn run(world: &World, args: &OnceArgs) -> Result<ExitCode, Failure> {
    logs::start(world, super::args::LogFormat::Text);
    let plan = world.plan()?;
    let job = Arc::clone(locate::job(&plan, &args.job)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("the runtime cannot be started: {error}")))?;
    runtime.block_on(carry_out(world, args, &plan, &job))
}

async fn carry_out(world: &World, args: &OnceArgs, plan: &Plan, job: &Job) -> Result<ExitCode, Failure> {
    let clock: SharedClock = Arc::new(System);
    let now = clock.now();
    let run = Arc::new(speak::manual_run(RunId(1), job, now.wall));
    let outcome = Arc::new(execute(&clock, Arc::clone(&run)).await?);
    let mut health = Health::default();
    let about = About { run: &run, outcome: &outcome, now: clock.now().wall };
    let voice = crate::daemon::voice(plan);
    let said = speak::judge(job, &mut health, about, Burst::Open, &voice);
    if args.json {
        world.terminal.out(&format!("{}\n", report(&run, &outcome, &said)));
    } else {
        show(world, plan, &outcome, &said);
    }
    if args.post {
        post(world, plan, &said).await?;
    }
    Ok(exit_code(&outcome))
}

/// Runs the command; INT and TERM end it, with its whole group.
async fn execute(clock: &SharedClock, run: Arc<Run>) -> Result<Outcome, Failure> {
    let (orders, mut taken) = tokio::sync::mpsc::channel(4);
    let signals = crate::daemon::signals::listen(orders);
    let signals = signals.map_err(|error| Failure::new(format!("signals cannot be listened for: {error}")))?;
    let listen = async {
        tokio::pin!(signals);
        loop {
            tokio::select! {
                () = &mut signals => std::future::pending::<()>().await,
                Some(order) = taken.recv() => {
                    let level = if order == crate::daemon::Order::StopNow { Stop::Kill } else { Stop::Terminate };
                    run.stop.raise(level);
                }
            }
        }
    };
    let spawner = Duct::new(Arc::clone(clock), None);
    tokio::select! {
        outcome = spawner.run(Arc::clone(&run)) => Ok(outcome),
        () = listen => unreachable!("listening never ends"),
    }
}

fn show(world: &World, plan: &Plan, outcome: &Outcome, said: &Said) {
    let took = format_duration(outcome.took);
    let mut head = format!("{}: {} (took {took})", outcome.status.as_str(), outcome.ending.words());
    if !outcome.detail.is_empty() {
        head.push_str(&format!("; {}", outcome.detail));
    }
    if outcome.attempts > 1 {
        head.push_str(&format!("; {} attempts", outcome.attempts));
    }
    if outcome.leaked {
        head.push_str("; a process that it left behind keeps its output open");
    }
    world.terminal.out(&format!("{head}\n"));
    match &said.decision {
        Decision::Notified(event) => {
            world.terminal.out(&format!("message ({event}):\n\n"));
            for message in &said.messages {
                world.terminal.out(&notify::console::render(
                    message,
                    false,
                    world.terminal.colour(),
                    &plan.config.zone,
                ));
            }
        }
        other => world.terminal.out(&format!("no message: {}\n", other.words())),
    }
}

fn report(run: &Run, outcome: &Outcome, said: &Said) -> serde_json::Value {
    let messages: Vec<_> = said
        .messages
        .iter()
        .map(|message| json!({"channel": message.channel, "text": message.text, "blocks": message.blocks, "color": message.color}))
        .collect();
    json!({
        "job": run.job,
        "status": outcome.status,
        "reason": outcome.reason,
        "exit_code": outcome.exit_code(),
        "signal": outcome.signal(),
        "duration": outcome.took.as_secs_f64(),
        "attempts": outcome.attempts,
        "stdout": crate::message::clean(&outcome.output.stdout.bytes()),
        "stderr": crate::message::clean(&outcome.output.stderr.bytes()),
        "detail": outcome.detail,
        "leaked": outcome.leaked,
        "decision": said.decision.words(),
        "messages": messages,
    })
}

/// Sends what would be sent, once.
async fn post(world: &World, plan: &Plan, said: &Said) -> Result<(), Failure> {
    if said.messages.is_empty() {
        world.terminal.err("slack-alert: there is no message to post");
    }
    let notifier = notify::connect(&plan.config.slack).map_err(|error| Failure::new(error.to_string()))?;
    for message in &said.messages {
        let delivery = Delivery { message: Arc::new(message.clone()), attempt: 1, plain: false, parent: None };
        match notifier.send(delivery).await {
            Ok(receipt) => {
                world.terminal.err(&format!("slack-alert: posted to {}", message.channel));
                for warning in receipt.warnings {
                    world.terminal.err(&format!("slack-alert: {warning}"));
                }
            }
            Err(SendError::Transient { why, .. } | SendError::Permanent { why, .. }) => {
                return Err(Failure::new(format!("not posted to {}: {why}", message.channel)));
            }
        }
    }
    Ok(())
}

/// The command's own exit code, in the shell's manner where it has none.
fn exit_code(outcome: &Outcome) -> ExitCode {
    let code = match outcome.ending {
        Ending::Exited { code } => u8::try_from(code).unwrap_or(1),
        Ending::Signaled { signal } => u8::try_from(SIGNALED + signal).unwrap_or(1),
        Ending::TimedOut { .. } => TIMED_OUT,
        Ending::NotStarted { .. } => NOT_STARTED,
        Ending::Interrupted => u8::try_from(SIGNALED + 15).unwrap_or(1),
    };
    ExitCode::from(code)
}
