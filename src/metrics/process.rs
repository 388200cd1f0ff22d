//! \[fs\] The program as a process: the usual `process_…` families, from proc(5).
//!
//! Before it: the kernel. After it: the text. The library's own collector counts processor time in whole seconds, and needs a
//! second version of rustix.

use prometheus::proto::MetricType;
use rustix::process::Resource;
use rustix::time::ClockId;

use super::text::Text;

/// What the kernel says of this process.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    cpu: f64,
    resident: f64,
    open_files: f64,
    most_files: f64,
    started: f64,
}

impl Process {
    /// As it is now; nothing where proc(5) is not there.
    #[expect(clippy::cast_precision_loss, reason = "a double counts to 2^53")]
    #[expect(clippy::disallowed_methods, reason = "the door of metrics: what proc(5) says of this process")]
    pub fn now() -> Option<Self> {
        let cpu = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
        let pages: u64 = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
        let most = rustix::process::getrlimit(Resource::Nofile).current;
        // The directory itself is open while it is read.
        let open = std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
        Some(Self {
            cpu: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            resident: pages as f64 * rustix::param::page_size() as f64,
            open_files: open as f64,
            most_files: most.map_or(f64::INFINITY, |most| most as f64),
            started: started()?,
        })
    }

    pub(super) fn write(&self, text: &mut Text) {
        for (name, help, kind, value) in [
            ("process_cpu_seconds_total", "Processor time used, in seconds.", MetricType::COUNTER, self.cpu),
            ("process_resident_memory_bytes", "Memory in use.", MetricType::GAUGE, self.resident),
            ("process_open_fds", "Open file descriptors.", MetricType::GAUGE, self.open_files),
            ("process_max_fds", "The most file descriptors that may be open.", MetricType::GAUGE, self.most_files),
            ("process_start_time_seconds", "When the process started.", MetricType::GAUGE, self.started),
        ] {
            text.named(name, help, kind, value);
        }
    }
}

/// When this process started: field 22 of proc_pid_stat(5), in ticks since the boot, whose time is in proc_stat(5).
#[expect(clippy::cast_precision_loss, reason = "a double counts to 2^53")]
#[expect(clippy::disallowed_methods, reason = "the door of metrics: what proc(5) says of this process")]
fn started() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets, which may hold anything.
    let ticks: u64 = stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()?;
    let boot = std::fs::read_to_string("/proc/stat").ok()?;
    let boot: u64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot as f64 + ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::Process;

    #[test]
    fn the_kernel_tells_of_this_process() {
        let process = Process::now().expect("proc(5) is there");
        assert!(process.resident > 1e6 && process.open_files >= 3.0, "{process:?}");
        assert!(process.most_files >= process.open_files, "{process:?}");
        let now = crate::clock::Clock::now(&crate::clock::System).wall;
        let age = super::super::seconds(now) - process.started;
        assert!((0.0..86_400.0).contains(&age), "started {age} s ago");
    }
}
