//! Tells the service manager how it goes: READY, RELOADING, STOPPING, STATUS, WATCHDOG, as sd_notify(3) has them.
//!
//! Before it: the environment that systemd gave, and the daemon's loop, which calls. After it: one datagram socket.
//! Outside a service of `Type=notify` every call does nothing. A message that cannot be sent is logged and given up within
//! [`PATIENCE`]: the daemon's work does not depend on who watches it.

use std::fmt::Write;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;

use crate::clock::Mono;

/// How long one message may wait for a full queue on systemd's side.
const PATIENCE: Duration = Duration::from_millis(200);

/// The longest status, in characters; `systemctl status` shows one line.
const LONGEST_STATUS: usize = 200;

/// The way to the service manager.
#[derive(Debug, Default)]
pub struct Systemd {
    /// Where to send; `None` when nobody asked to be told.
    way: Option<(UnixDatagram, SocketAddr)>,
    /// How often the watchdog is fed: half of what systemd allows, as sd_watchdog_enabled(3) advises.
    watchdog: Option<Duration>,
    /// When it was fed last.
    fed: Option<Mono>,
}

impl Systemd {
    /// The way that the environment names: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`. `pid` is this process's.
    pub fn new(variable: &dyn Fn(&str) -> Option<String>, pid: u32) -> Self {
        let Some(name) = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Self::default();
        };
        match open(&name) {
            Ok(way) => Self { way: Some(way), watchdog: watchdog(variable, pid), fed: None },
            Err(error) => {
                tracing::warn!(%error, socket = name, "systemd cannot be told how it goes");
                Self::default()
            }
        }
    }

    /// The daemon works: after a start, and after each reload, whether that one changed anything or not.
    pub fn ready(&self, status: &str) {
        self.send(&[NotifyState::Ready, NotifyState::Status(&line(status))]);
    }

    /// A reload begins; [`ready`](Self::ready) ends it.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.send(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!(%error, "systemd was not told of the reload"),
        }
    }

    /// The end begins, and takes no longer than `within`, however short the unit's `TimeoutStopSec` is.
    pub fn stopping(&self, within: Duration, status: &str) {
        let within = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
        self.send(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(within), NotifyState::Status(&line(status))]);
    }

    /// One line for `systemctl status`.
    pub fn status(&self, text: &str) {
        self.send(&[NotifyState::Status(&line(text))]);
    }

    /// When the watchdog wants to be fed next; `None` when there is none. The loop wakes then at the latest.
    pub fn watchdog_due(&self) -> Option<Mono> {
        let every = self.watchdog?;
        Some(self.fed.map_or(Mono::default(), |fed| fed + every))
    }

    /// Feeds the watchdog when it is due: called by the loop at each turn, so that a loop that hangs starves it.
    pub fn feed_watchdog(&mut self, now: Mono) {
        if self.watchdog_due().is_some_and(|due| due <= now) {
            self.fed = Some(now);
            self.send(&[NotifyState::Watchdog]);
        }
    }

    fn send(&self, states: &[NotifyState<'_>]) {
        let Some((socket, address)) = &self.way else { return };
        let text = states.iter().fold(String::new(), |mut text, state| {
            // Writing into a string cannot fail.
            let _ = writeln!(text, "{state}");
            text
        });
        if let Err(error) = socket.send_to_addr(text.as_bytes(), address) {
            tracing::warn!(%error, "systemd was not told: {}", text.lines().next().unwrap_or_default());
        }
    }
}

/// A socket to send from, and the address: a path, or `@name` in the abstract namespace (sd_notify(3)).
#[expect(clippy::disallowed_methods, reason = "the door of the service manager")]
fn open(name: &str) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok((socket, address))
}

/// Half the watchdog's patience, when it waits for this process.
fn watchdog(variable: &dyn Fn(&str) -> Option<String>, pid: u32) -> Option<Duration> {
    let ours = variable("WATCHDOG_PID").is_none_or(|wanted| wanted.parse() == Ok(pid));
    let patience: u64 = variable("WATCHDOG_USEC")?.parse().ok()?;
    (ours && patience > 0).then(|| Duration::from_micros(patience / 2))
}

/// Text as one line: a line break would begin another assignment.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_STATUS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn systemd(variables: &[(&str, &str)]) -> Systemd {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Systemd::new(&find, 7)
    }

    #[test]
    fn outside_a_service_nothing_is_said_and_nothing_is_due() {
        let mut systemd = systemd(&[("WATCHDOG_USEC", "2000000")]);
        systemd.ready("up");
        systemd.feed_watchdog(Mono::default());
        assert_eq!(systemd.watchdog_due(), None);
        assert!(systemd.way.is_none());
    }

    #[test]
    fn the_watchdog_is_fed_at_half_its_patience_and_only_when_it_waits_for_us() {
        let socket = ("NOTIFY_SOCKET", "/nowhere/at/all");
        let every = |more: &[(&str, &str)]| systemd(&[&[socket], more].concat()).watchdog;
        assert_eq!(every(&[]), None);
        assert_eq!(every(&[("WATCHDOG_USEC", "60000000")]), Some(Duration::from_secs(30)));
        assert_eq!(every(&[("WATCHDOG_USEC", "60000000"), ("WATCHDOG_PID", "7")]), Some(Duration::from_secs(30)));
        assert_eq!(every(&[("WATCHDOG_USEC", "60000000"), ("WATCHDOG_PID", "8")]), None, "it waits for another");
        assert_eq!(every(&[("WATCHDOG_USEC", "0")]), None);
        assert_eq!(every(&[("WATCHDOG_USEC", "soon")]), None);
    }

    #[test]
    fn a_status_is_one_line_and_cannot_forge_another_assignment() {
        assert_eq!(line("14 jobs\nMAINPID=1"), "14 jobs MAINPID=1");
        assert_eq!(line(&"ä".repeat(1000)).chars().count(), LONGEST_STATUS);
    }
}
