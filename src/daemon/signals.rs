//! \[os\] Signals, as requests to the daemon: TERM and INT stop, a second INT stops at once, HUP reloads, or stops when the terminal
//! is gone, others do nothing but say so.
//!
//! Before it: the kernel. After it: the daemon's mailbox, or the run of `once`.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Mailbox, Request};
use crate::exec::signal_name;

/// Who listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// The daemon, to which QUIT says nothing.
    Daemon,
    /// `once`: QUIT (Ctrl-\) stops its command, as INT does.
    Once,
}

/// Signals that would end the process and ask nothing of it: an alarm, a resource or a device that is another's, the
/// reload signal of another program. Faults (SEGV, ABRT …) are not among them, nor real-time signals, see [`real_time`].
pub(super) const WITHOUT_EFFECT: [Number; 9] = [
    Number::USR1,
    Number::USR2,
    Number::ALARM,
    Number::VTALARM,
    Number::PROF,
    Number::IO,
    Number::POWER,
    Number::STKFLT,
    Number::XCPU,
];

/// A limit of file sizes (setrlimit(2)) would end the daemon by SIGXFSZ; with a handler the write fails, and is told. To be
/// called before anything is written. Commands are not touched: a handler is put back to the default by execve(2).
///
/// # Errors
/// The system refused the handler.
pub fn outlive_size_limits() -> io::Result<()> {
    signal(SignalKind::from_raw(Number::XFSZ.as_raw())).map(drop)
}

/// Listens for signals and passes them on as requests, for as long as anybody takes them. HUP stops the daemon when the terminal
/// that it was started on is gone, which is what the kernel says by it then.
///
/// # Errors
/// The system refused a signal handler.
pub fn listen(
    mailbox: Mailbox,
    listener: Listener,
    terminal_is_gone: impl Fn() -> bool,
) -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut quit = signal(SignalKind::quit())?;
    let named = WITHOUT_EFFECT.iter().map(|number| number.as_raw());
    // One that the system refuses a handler for keeps its effect.
    let mut others: Vec<(i32, Signal)> = named
        .chain(real_time())
        .filter_map(|number| Some((number, signal(SignalKind::from_raw(number)).ok()?)))
        .collect();
    Ok(async move {
        let mut interrupted = false;
        loop {
            let request = tokio::select! {
                _ = terminate.recv() => Request::Stop,
                _ = hang_up.recv() => match terminal_is_gone() {
                    true => Request::Stop,
                    false => Request::Reload,
                },
                _ = interrupt.recv() => if std::mem::replace(&mut interrupted, true) { Request::StopNow } else { Request::Stop },
                _ = quit.recv() => match listener {
                    Listener::Once => Request::Stop,
                    Listener::Daemon => {
                        say_without_effect(Number::QUIT.as_raw());
                        continue;
                    }
                },
                numbers = poll_fn(|cx| came(&mut others, cx)) => {
                    numbers.into_iter().for_each(say_without_effect);
                    continue;
                }
            };
            // Nobody waits for the answer: the log has it.
            drop(mailbox.send(request).await);
            if mailbox.is_closed() {
                return;
            }
        }
    })
}

/// Every real-time signal that programs may use.
fn real_time() -> impl Iterator<Item = i32> {
    34..=64
}

/// Which of these signals came: more than one, where they came at once.
fn came(signals: &mut [(i32, Signal)], cx: &mut Context<'_>) -> Poll<Vec<i32>> {
    // Each is polled, so that each wakes the task.
    let came = |(number, signal): &mut (i32, Signal)| signal.poll_recv(cx).is_ready().then_some(*number);
    let numbers: Vec<i32> = signals.iter_mut().filter_map(came).collect();
    if numbers.is_empty() { Poll::Pending } else { Poll::Ready(numbers) }
}

fn say_without_effect(number: i32) {
    let signal = signal_name(number);
    tracing::info!(%signal, "this signal has no effect: HUP reloads the configuration, TERM and INT stop");
}
