//! What systemd hears, on a real datagram socket: by path and in the abstract namespace, in whole messages; and of the
//! built daemon's whole life, through a start, a good and a bad reload, the watchdog, and a stop.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};
use slack_alert::clock::Mono;
use slack_alert::daemon::systemd::Systemd;

/// A service manager that listens.
struct Manager {
    socket: UnixDatagram,
    name: String,
    folder: tempfile::TempDir,
}

impl Manager {
    fn listening() -> Self {
        let folder = tempfile::tempdir().expect("a scratch directory");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a fresh path");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout that is not zero");
        Self { socket, name: path.to_str().expect("a path in UTF-8").to_owned(), folder }
    }

    /// The next message; its lines.
    fn hears(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).expect("a message within 20 s");
        std::str::from_utf8(&buffer[..length]).expect("a message in UTF-8").lines().map(str::to_owned).collect()
    }

    fn hears_nothing(&self) -> bool {
        self.socket.set_nonblocking(true).expect("an open socket");
        let silent = self.socket.recv(&mut [0; 16]).is_err();
        self.socket.set_nonblocking(false).expect("an open socket");
        silent
    }

    fn tells(&self, watchdog: Option<&str>) -> Systemd {
        tells(&self.name, watchdog)
    }
}

fn tells(socket: &str, watchdog: Option<&str>) -> Systemd {
    let variable = |name: &str| match name {
        "NOTIFY_SOCKET" => Some(socket.to_owned()),
        "WATCHDOG_USEC" => watchdog.map(str::to_owned),
        _ => None,
    };
    Systemd::new(&variable, 1)
}

/// Microseconds of CLOCK_MONOTONIC.
fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let part = |count| u64::try_from(count).expect("time since boot is not negative");
    part(now.tv_sec) * 1_000_000 + part(now.tv_nsec) / 1_000
}

/// The stamp of a message that tells of a reload, and of nothing else. Without it systemd would take the READY of an
/// earlier reload for this one's.
fn reload_stamp(heard: &[String]) -> u64 {
    assert_eq!((heard.len(), heard[0].as_str()), (2, "RELOADING=1"), "{heard:?}");
    heard[1].strip_prefix("MONOTONIC_USEC=").and_then(|stamp| stamp.parse().ok()).expect("a stamp in microseconds")
}

#[test]
fn a_service_s_life_is_told_in_order() {
    let manager = Manager::listening();
    let systemd = manager.tells(None);
    systemd.ready("14 jobs");
    assert_eq!(manager.hears(), ["READY=1", "STATUS=14 jobs"]);
    systemd.status("14 jobs, 2 messages wait for Slack");
    assert_eq!(manager.hears(), ["STATUS=14 jobs, 2 messages wait for Slack"]);

    let before = monotonic();
    systemd.reloading();
    let stamp = reload_stamp(&manager.hears());
    assert!((before..=monotonic()).contains(&stamp), "{stamp} is not the time of the reload");
    systemd.ready("15 jobs");
    assert_eq!(manager.hears(), ["READY=1", "STATUS=15 jobs"]);

    systemd.stopping(Duration::from_secs(55), "waiting for 1 run");
    assert_eq!(manager.hears(), ["STOPPING=1", "EXTEND_TIMEOUT_USEC=55000000", "STATUS=waiting for 1 run"]);
}

#[test]
fn a_stop_of_hours_is_capped_at_what_the_protocol_can_say() {
    let manager = Manager::listening();
    manager.tells(None).stopping(Duration::from_secs(86_400), "");
    assert_eq!(manager.hears()[1], format!("EXTEND_TIMEOUT_USEC={}", u32::MAX));
}

#[test]
fn the_watchdog_is_fed_at_once_then_when_due_and_no_more() {
    let manager = Manager::listening();
    let mut systemd = manager.tells(Some("60000000"));
    let at = |seconds| Mono(Duration::from_secs(seconds));
    systemd.feed_watchdog(at(100));
    assert_eq!(manager.hears(), ["WATCHDOG=1"]);
    assert_eq!(systemd.watchdog_due(), Some(at(130)));
    systemd.feed_watchdog(at(129));
    assert!(manager.hears_nothing(), "it is not due yet");
    systemd.feed_watchdog(at(131));
    assert_eq!(manager.hears(), ["WATCHDOG=1"]);
    assert_eq!(systemd.watchdog_due(), Some(at(161)));
}

#[test]
fn containers_name_a_socket_in_the_abstract_namespace() {
    let name = format!("slack-alert-test-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    tells(&format!("@{name}"), None).ready("up");
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"READY=1\nSTATUS=up\n");
}

#[test]
fn a_manager_that_is_gone_or_does_not_read_holds_nobody_up() {
    tells("/nowhere/at/all", Some("2")).ready("up");
    let manager = Manager::listening();
    let systemd = manager.tells(None);
    // Until the kernel's queue (net.unix.max_dgram_qlen, at most a few hundred) is full: then a message gives up by itself.
    let gave_up = (0..5000).any(|_| {
        let begun = Instant::now();
        systemd.status("nobody reads this");
        begun.elapsed() >= Duration::from_millis(150)
    });
    assert!(gave_up, "a full queue is waited for, and not for ever");
}

/// The built daemon on a folder of jobs, as systemd would start it.
struct Daemon<'m> {
    process: Child,
    manager: &'m Manager,
}

impl Daemon<'_> {
    fn started(manager: &Manager) -> Daemon<'_> {
        let process = Command::new(env!("CARGO_BIN_EXE_slack-alert"))
            .args(["run", "--config", "slack_alert.toml"])
            .current_dir(manager.folder.path())
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("STATE_DIRECTORY", "state"), ("NOTIFY_SOCKET", &manager.name)])
            .env("WATCHDOG_USEC", "100000")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the built daemon");
        Daemon { process, manager }
    }

    /// The next message that is not the watchdog's; the watchdog is heard all the while.
    fn hears(&self) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs(20);
        let mut heard = std::iter::repeat_with(|| self.manager.hears()).take_while(|_| Instant::now() < end);
        heard.find(|message| message != &["WATCHDOG=1"]).expect("more than the watchdog's within 20 s")
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("the daemon runs");
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        // Already over, when the test went well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_built_daemon_tells_of_its_start_its_reloads_its_watchdog_and_its_stop() {
    let manager = Manager::listening();
    let write = |name: &str, text: &str| fs::write(manager.folder.path().join(name), text).unwrap();
    fs::create_dir(manager.folder.path().join("jobs.d")).unwrap();
    write("slack_alert.toml", "");
    write("jobs.d/one.toml", "command = \"true\"\nevery = \"1h\"\nfirst_run = \"wait\"\n");
    let mut daemon = Daemon::started(&manager);
    assert_eq!(daemon.hears(), ["READY=1", "STATUS=1 job"]);
    for _ in 0..3 {
        assert_eq!(manager.hears(), ["WATCHDOG=1"], "it is fed again and again while nothing else happens");
    }

    // A good reload, with one job file that has errors.
    write("jobs.d/two.toml", "command = \"true\"\nevery = \"2h\"\nfirst_run = \"wait\"\n");
    write("jobs.d/bad.toml", "command = \n");
    let before = monotonic();
    daemon.signal(Signal::HUP);
    let first = reload_stamp(&daemon.hears());
    assert!(before <= first, "{first} is before the reload was asked for");
    assert_eq!(daemon.hears(), ["READY=1", "STATUS=2 jobs, 1 job file with errors"]);

    // A bad one leaves all as it was, and is over all the same: systemd must not wait for ever.
    write("slack_alert.toml", "jobs_dir = 7\n");
    daemon.signal(Signal::HUP);
    assert!(first < reload_stamp(&daemon.hears()));
    assert_eq!(daemon.hears(), ["READY=1", "STATUS=2 jobs, 1 job file with errors"]);

    daemon.signal(Signal::TERM);
    let heard = daemon.hears();
    assert_eq!(heard[0], "STOPPING=1");
    // The grace for runs in progress, the time until they are killed, and that for the outbox: 30 s and 10 s at least.
    let within: u64 = heard[1].strip_prefix("EXTEND_TIMEOUT_USEC=").and_then(|time| time.parse().ok()).unwrap();
    assert!(within >= 40_000_000, "{heard:?}");
    assert!(heard[2].starts_with("STATUS="), "{heard:?}");
    assert!(daemon.process.wait().unwrap().success());
}
