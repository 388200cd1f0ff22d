//! Signals, as orders: TERM and INT stop, a second INT stops at once, HUP reloads (SPEC 8).

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::Order;

/// Listens for signals and passes them on as orders, for as long as anybody takes them.
///
/// # Errors
/// The system refused a signal handler.
pub fn listen(orders: mpsc::Sender<Order>) -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    // A file size limit (setrlimit(2)) would end the daemon by SIGXFSZ; with a handler the write fails, and is told.
    // Commands are not touched: a handler is put back to the default by execve(2).
    let _ = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
    Ok(async move {
        let mut interrupted = false;
        loop {
            let order = tokio::select! {
                _ = terminate.recv() => Order::Stop,
                _ = hang_up.recv() => Order::Reload,
                _ = interrupt.recv() => if std::mem::replace(&mut interrupted, true) { Order::StopNow } else { Order::Stop },
            };
            if orders.send(order).await.is_err() {
                return;
            }
        }
    })
}
