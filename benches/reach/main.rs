//! How light and how fast the whole daemon is, everything on, beside the physical limit in the same run:
//! `cargo bench --bench reach [-- ROW…]`, where a row is `memory`, `idle`, `start`, `rate`, `lateness`, `output`, `quiet`,
//! `size`, `look`, `asleep` or `growth`; all of them without one. `$SLACK_ALERT_BINARY` measures another binary. Where `supercronic` or
//! `yacron` is installed, it is measured beside.

#![expect(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a measurement stands outside the doors")]

mod growth;
mod look;
mod peers;
mod raw;
mod service;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use service::{Setup, binary};

const IDLE: &str = "command = [\"/bin/true\"]\nevery = \"1h\"\nfirst_run = \"wait\"\n";

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let rows: [(&str, fn()); 11] = [
        ("size", size),
        ("memory", memory),
        ("start", start),
        ("rate", rate),
        ("lateness", lateness),
        ("output", output),
        ("quiet", quiet),
        ("idle", idle),
        ("look", look::table),
        ("asleep", look::asleep),
        ("growth", growth::table),
    ];
    println!("{:<58}{:>12}{:>12}", "", "measured", "reach");
    for (name, row) in rows {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            row();
        }
    }
}

/// One line of the table.
fn say(what: &str, measured: &str, reach: &str) {
    println!("{what:<58}{measured:>12}{reach:>12}");
}

fn settle(time: Duration) {
    std::thread::sleep(time);
}

fn median(mut values: Vec<f64>) -> f64 {
    at(&mut values, 0.5)
}

fn at(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}

fn micros() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros()).expect("a time")
}

fn mib(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1024.0)
}

fn size() {
    let length = std::fs::metadata(binary()).expect("the binary").len();
    say("binary", &mib(length / 1024), "6 MiB");
}

/// Resident memory of a daemon that has nothing to do.
fn memory() {
    for (jobs, reach) in [(10, "9 MiB"), (1_000, "12 MiB"), (10_000, "30 MiB"), (100_000, "220 MiB")] {
        say(&format!("resident memory idle, {jobs} jobs"), &format!("{:.1} MiB", growth::memory(jobs)), reach);
        if jobs <= 10_000 {
            peers::memory(jobs);
        }
    }
}

/// From its start to the first process, and to `READY=1`.
fn start() {
    let stamp = Stamp::new();
    let setup = Setup::new(10, |_| stamp.job("every = \"1h\"\n"));
    let first = |_| {
        setup.forget();
        stamp.forget();
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
        let service = setup.start();
        stamp.wait_for(10);
        service.stop();
        stamp.read().iter().map(|(_, at)| at - begun).fold(f64::MAX, f64::min) * 1e3
    };
    say("start to first process, 10 jobs", &format!("{:.1} ms", median((0..15).map(first).collect())), "25 ms");
    for (jobs, reach) in [(10_000, "500 ms"), (100_000, "")] {
        say(&format!("start to ready, {jobs} jobs"), &format!("{:.0} ms", growth::ready(jobs)), reach);
    }
}

/// Runs of a program that does nothing, as many as there can be; and what one costs the daemon.
fn rate() {
    let time = Duration::from_secs(5);
    let busy = |jobs: usize, every: &str| {
        let every = every.to_owned();
        Setup::new(jobs, move |_| {
            format!("command = [\"/bin/true\"]\nevery = \"{every}\"\n[notify]\nstuck_after = 0\n")
        })
        .limited("max_running = 16")
    };
    // Runs a second, and microseconds of the daemon's own CPU a run.
    let measure = |setup: &Setup| {
        setup.forget();
        let service = setup.start();
        settle(Duration::from_secs(1));
        let (from, cpu) = (micros(), service.cpu());
        settle(time);
        let (to, spent) = (micros(), service.cpu() - cpu);
        service.stop();
        let runs = setup.runs_between(from, to) as f64;
        (runs * 1e6 / (to - from) as f64, spent.as_secs_f64() * 1e6 / runs)
    };
    let setup = busy(64, "10ms");
    let (mut ours, mut costs, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..5 {
        let (rate, cost) = measure(&setup);
        ours.push(rate);
        costs.push(cost);
        bare.push(raw::runs(Path::new("/bin/true"), time));
    }
    let ratio = median(ours.iter().zip(&bare).map(|(ours, bare)| ours / bare).collect());
    say("runs per second of /bin/true", &format!("{:.0}", median(ours)), "");
    say("  the raw spawn loop", &format!("{:.0}", median(bare)), "");
    say("  ratio", &format!("{ratio:.2}"), "0.9");
    say("own CPU per run", &format!("{:.0} us", median(costs)), "150 us");
    // The same number of runs a second, from few jobs and from many.
    let (few, many) = (busy(10, "20ms"), busy(1_000, "2s"));
    let (mut costs, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
    for _ in 0..3 {
        let ((_, few), (_, many)) = (measure(&few), measure(&many));
        costs[0].push(few);
        costs[1].push(many);
        ratios.push(many / few);
    }
    let [few, many] = costs.map(median);
    say("cost per run at 1,000 jobs over 10, 500 runs a second", &format!("{:.2}", median(ratios)), "1.1");
    println!("  ({few:.0} us at 10 jobs, {many:.0} us at 1,000)");
    peers::rate();
}

/// How long after its slot a process comes to life.
fn lateness() {
    let stamp = Stamp::new();
    // All jobs are new when the daemon starts, so all slots are the same.
    let setup = Setup::new(100, |_| stamp.job("every = \"1s\"\n"));
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        setup.forget();
        stamp.forget();
        let service = setup.start();
        stamp.wait_for(1_100);
        service.stop();
        // The first burst shares its second with the start.
        ours.extend(stamp.late().split_off(100));
        stamp.forget();
        raw::bursts(&stamp.program, &stamp.file, 100, 10);
        bare.extend(stamp.late());
    }
    let reach = [(0.5, "p50", "1.1"), (0.99, "p99", "1.3")];
    for (share, name, reach) in reach {
        let (ours, bare) = (at(&mut ours, share) * 1e3, at(&mut bare, share) * 1e3);
        let what = format!("lateness, 100 jobs at one instant, {name} over the raw loop");
        say(&what, &format!("{:.2}", ours / bare), reach);
        println!("  ({ours:.1} ms, the raw loop {bare:.1} ms)");
    }
    let setup = Setup::new(100, |_| stamp.job("every = \"1s\"\njitter = \"999ms\"\n"));
    stamp.forget();
    let service = setup.start();
    stamp.wait_for(1_600);
    service.stop();
    let mut late = stamp.late().split_off(100);
    say("lateness, 100 jobs a second, evenly spread, p99", &format!("{:.1} ms", at(&mut late, 0.99) * 1e3), "3 ms");
    println!("  (p50 {:.1} ms)", at(&mut late, 0.5) * 1e3);
}

/// Much output, beside what a pipe into nothing takes.
fn output() {
    for (script, what) in [
        ("head -c 1073741824 /dev/zero", "1 GiB of output over `cat`"),
        ("seq 10000000", "10 million short lines over `cat`"),
    ] {
        let setup = Setup::new(1, |_| {
            format!("command = \"{script}\"\nevery = \"1h\"\n[notify]\non = [\"failure\"]\nattach = \"never\"\n")
        });
        let (mut ratios, mut peak) = (Vec::new(), 0);
        for _ in 0..3 {
            setup.forget();
            let service = setup.start();
            let begun = Instant::now();
            let took = loop {
                assert!(begun.elapsed() < service::PATIENCE, "the run never ends");
                settle(Duration::from_millis(50));
                if let Some(took) = setup.took() {
                    break took;
                }
            };
            peak = peak.max(service.status("VmHWM"));
            service.stop();
            ratios.push(took / raw::cat(script));
        }
        say(what, &format!("{:.2}", median(ratios)), "1.3");
        say("  memory at its peak", &mib(peak), "24 MiB");
    }
}

/// A thousand runs that go on.
fn quiet() {
    let job = "command = [\"/bin/sleep\", \"60\"]\nevery = \"6s\"\nfirst_run = \"wait\"\n[notify]\nstuck_after = 0\n";
    let setup = Setup::new(1_000, |_| job.to_owned());
    let service = setup.start();
    settle(Duration::from_secs(3));
    let (memory, threads) = (service.status("VmRSS"), service.status("Threads"));
    let begun = Instant::now();
    while service.children() < 1_000 {
        assert!(begun.elapsed() < service::PATIENCE, "only {} runs go on", service.children());
        settle(Duration::from_millis(200));
    }
    settle(Duration::from_secs(3));
    let more = service.status("VmRSS").saturating_sub(memory);
    say("1,000 runs that go on, more memory", &mib(more), "2 MiB");
    say("  more threads", &format!("{}", service.status("Threads") - threads), "0");
    service.stop();
}

/// A minute of 10,000 jobs: of one run an hour, spread over it; and of none.
fn idle() {
    let spread = "command = [\"/bin/true\"]\nevery = \"1h\"\njitter = \"59m\"\n";
    let setup = Setup::new(10_000, |_| spread.to_owned());
    let service = setup.start();
    settle(Duration::from_secs(5));
    let (from, before) = (micros(), service.cpu());
    settle(Duration::from_secs(60));
    let (to, cpu) = (micros(), service.cpu() - before);
    service.stop();
    let runs = setup.runs_between(from, to);
    println!("  ({:.1} ms of CPU in a minute with {runs} runs)", cpu.as_secs_f64() * 1e3);
    say("CPU a minute, 10,000 jobs, besides the runs", &format!("{:.1} ms", growth::idle(10_000)), "10 ms");
}

/// The program that says when it came to life.
struct Stamp {
    _dir: tempfile::TempDir,
    program: PathBuf,
    file: PathBuf,
}

impl Stamp {
    fn new() -> Self {
        let dir = tempfile::TempDir::new().expect("a scratch folder");
        let (program, file) = (dir.path().join("stamp"), dir.path().join("stamps"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/reach/stamp.c");
        let made = Command::new("cc").args(["-O2", "-static", "-o"]).arg(&program).arg(source).status();
        assert!(made.expect("a C compiler").success());
        Self { _dir: dir, program, file }
    }

    fn job(&self, schedule: &str) -> String {
        let (program, file) = (self.program.display(), self.file.display());
        format!("command = [\"{program}\"]\n{schedule}env = {{ STAMPS = \"{file}\" }}\n")
    }

    fn forget(&self) {
        let _ = std::fs::remove_file(&self.file);
    }

    /// Slot and time of each process, in seconds, as they came to life.
    fn read(&self) -> Vec<(f64, f64)> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let stamp = |line: &str| {
            let (slot, at) = line.split_once(' ')?;
            let slot: jiff::Timestamp = slot.parse().ok()?;
            Some((slot.as_nanosecond() as f64 / 1e9, at.parse().ok()?))
        };
        text.lines().filter_map(stamp).collect()
    }

    fn wait_for(&self, count: usize) {
        let begun = Instant::now();
        while self.read().len() < count {
            assert!(begun.elapsed() < service::PATIENCE, "only {} of {count} processes came", self.read().len());
            settle(Duration::from_millis(20));
        }
    }

    /// How late each was, in seconds.
    fn late(&self) -> Vec<f64> {
        self.read().iter().map(|(slot, at)| at - slot).collect()
    }
}
