//! The built daemon as a service manager has it: started, known to be ready, looked at through /proc, stopped.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

/// Nothing here takes longer, or it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with a configuration.
pub(crate) struct Setup {
    dir: TempDir,
}

/// A daemon that is ready.
pub(crate) struct Service {
    child: Child,
    /// From its start to `READY=1`.
    pub(crate) ready_after: Duration,
}

/// The daemon that is measured: the one that cargo built beside this program, or `$SLACK_ALERT_BINARY`.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("SLACK_ALERT_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_slack-alert").into(), Into::into)
}

impl Setup {
    /// So many jobs, of which the text is given by number; everything on: state, history, outbox, policy, a token.
    pub(crate) fn new(jobs: usize, text: impl Fn(usize) -> String) -> Self {
        let dir = TempDir::new().expect("a scratch folder");
        let config = "[slack]\ntoken = \"xoxb-bench\"\nchannel = \"ops\"\napi_url = \"http://127.0.0.1:9\"\n\
                      [limits]\nmax_running = 2000\nstart_rate = \"1000000/s\"\nhistory = \"1h\"\nshutdown_grace = \"1s\"\n";
        std::fs::write(dir.path().join("slack_alert.toml"), config).expect("a file");
        for job in 0..jobs {
            let folder = dir.path().join(format!("jobs.d/{:02}", job / 1_000));
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(folder.join(format!("job-{job}.toml")), text(job)).expect("a file");
        }
        Self { dir }
    }

    /// The same with another limit in the place of the usual one.
    pub(crate) fn limited(self, limit: &str) -> Self {
        let file = self.path().join("slack_alert.toml");
        let config = std::fs::read_to_string(&file).expect("a file");
        std::fs::write(&file, config.replace("max_running = 2000", limit)).expect("a file");
        self
    }

    /// The same with more in its configuration.
    pub(crate) fn with(self, more: &str) -> Self {
        let file = self.path().join("slack_alert.toml");
        let config = std::fs::read_to_string(&file).expect("a file");
        std::fs::write(&file, config + more).expect("a file");
        self
    }

    /// Where everything is.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Makes state and log anew for the next start.
    pub(crate) fn forget(&self) {
        let _ = std::fs::remove_dir_all(self.path().join("state"));
    }

    /// Starts the daemon and waits until it says that it is ready.
    pub(crate) fn start(&self) -> Service {
        let socket = self.path().join("notify");
        let _ = std::fs::remove_file(&socket);
        let manager = UnixDatagram::bind(&socket).expect("a socket");
        manager.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let log = std::fs::File::create(self.path().join("log")).expect("a log");
        let mut command = Command::new(binary());
        command.args(["run", "--config", "slack_alert.toml"]).current_dir(self.path());
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/").env("LANG", "C.UTF-8");
        command.env("STATE_DIRECTORY", self.path().join("state")).env("NOTIFY_SOCKET", &socket);
        command.env("RUNTIME_DIRECTORY", self.path().join("run"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let started = Instant::now();
        let child = command.spawn().expect("the daemon starts");
        let mut said = [0; 4096];
        loop {
            match manager.recv(&mut said) {
                Ok(length) if said[..length].starts_with(b"READY=1") => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("the daemon is never ready: {error}"),
            }
        }
        Service { child, ready_after: started.elapsed() }
    }

    /// Runs in the history that started within a time, in microseconds since 1970; the daemon has stopped.
    pub(crate) fn runs_between(&self, from: i64, to: i64) -> u64 {
        let runs = self
            .history()
            .query_row("SELECT count(*) FROM run WHERE finished >= ?1 AND finished < ?2", [from, to], |row| {
                row.get::<_, i64>(0)
            })
            .expect("a count");
        runs.unsigned_abs()
    }

    /// The wall time in seconds of the one run of a job.
    pub(crate) fn took(&self) -> Option<f64> {
        let sql = "SELECT took, reason, status FROM run ORDER BY id LIMIT 1";
        let row = self
            .history()
            .query_row(sql, (), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)));
        let (took, reason, status) = row.ok()?;
        assert_eq!((reason.as_str(), status.as_str()), ("exit", "ok"));
        Some(took as f64 / 1e6)
    }

    fn history(&self) -> Connection {
        Connection::open_with_flags(self.path().join("state/state.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)
            .expect("the state")
    }
}

impl Service {
    /// User and system time of the daemon itself, all threads, its children not.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("its threads");
        let spent = tasks.flatten().filter_map(|task| {
            let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(spent.sum())
    }

    /// How often one of its threads has gone to sleep and was woken.
    pub(crate) fn wakes(&self) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("its threads");
        let switches = tasks.flatten().filter_map(|task| {
            let text = std::fs::read_to_string(task.path().join("status")).ok()?;
            let count = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
            count.trim().parse::<u64>().ok()
        });
        switches.sum()
    }

    /// A number of /proc/PID/status: `VmRSS`, `VmHWM` in KiB, `Threads`.
    pub(crate) fn status(&self, field: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its status");
        let line = text.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// How many children it has.
    pub(crate) fn children(&self) -> usize {
        let parent = format!(" {} ", self.child.id());
        let mut count = 0;
        for process in std::fs::read_dir("/proc").expect("/proc").flatten() {
            // PID (COMMAND) STATE PARENT …
            let Ok(stat) = std::fs::read_to_string(process.path().join("stat")) else { continue };
            count += usize::from(stat.rsplit_once(')').is_some_and(|(_, rest)| rest[2..].starts_with(&parent)));
        }
        count
    }

    /// Asks it to stop, and waits.
    pub(crate) fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it lives");
        self.child.wait().expect("it ends");
    }
}

/// A failed bench leaves no daemon behind.
impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
