//! Others that do the like, where they are installed: `supercronic` (a crontab) and `yacron` (YAML). Measured as we are.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{mib, say};

const PEERS: [(&str, Write); 2] = [("supercronic", crontab), ("yacron", yaml)];

/// Writes a configuration of so many jobs of `/bin/true`, each second or each hour, and gives the arguments.
type Write = fn(&Path, usize, bool) -> Vec<String>;

fn crontab(folder: &Path, jobs: usize, each_second: bool) -> Vec<String> {
    let line = if each_second { "* * * * * * * /bin/true\n" } else { "0 0 1 1 * /bin/true\n" };
    std::fs::write(folder.join("crontab"), line.repeat(jobs)).expect("a crontab");
    vec!["-quiet".to_owned(), "crontab".to_owned()]
}

fn yaml(folder: &Path, jobs: usize, each_second: bool) -> Vec<String> {
    let schedule = if each_second { "* * * * *" } else { "0 0 1 1 *" };
    let mut text = String::from("jobs:\n");
    for job in 0..jobs {
        text.push_str(&format!("  - name: job-{job}\n    command: /bin/true\n    schedule: \"{schedule}\"\n"));
    }
    std::fs::write(folder.join("yacron.yaml"), text).expect("a file");
    vec!["-c".to_owned(), "yacron.yaml".to_owned()]
}

fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn start(program: &Path, folder: &Path, args: &[String]) -> Child {
    let mut command = Command::new(program);
    command.args(args).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("it starts")
}

fn status(child: &Child) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

/// Resident memory, once it no longer grows.
pub(crate) fn memory(jobs: usize) {
    for (name, write) in PEERS {
        let Some(program) = found(name) else { continue };
        let dir = tempfile::TempDir::new().expect("a scratch folder");
        let args = write(dir.path(), jobs, false);
        let mut child = start(&program, dir.path(), &args);
        let (begun, mut last) = (Instant::now(), 0);
        while begun.elapsed() < Duration::from_secs(180) {
            std::thread::sleep(Duration::from_secs(5));
            let now = status(&child);
            if now == last {
                break;
            }
            last = now;
        }
        say(&format!("  {name}"), &mib(last), "");
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// CPU of the runner's own for each run, at 100 runs a second; only where it knows seconds.
pub(crate) fn rate() {
    let Some(program) = found("supercronic") else { return };
    let dir = tempfile::TempDir::new().expect("a scratch folder");
    let args = crontab(dir.path(), 100, true);
    let mut child = start(&program, dir.path(), &args);
    std::thread::sleep(Duration::from_secs(3));
    let before = own_cpu(&child);
    std::thread::sleep(Duration::from_secs(10));
    let spent = own_cpu(&child).saturating_sub(before);
    say("  supercronic, own CPU per run", &format!("{} us", spent / 1_000 / 1_000), "");
    let _ = child.kill();
    let _ = child.wait();
}

/// Nanoseconds, all threads.
fn own_cpu(child: &Child) -> u64 {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{}/task", child.id())) else { return 0 };
    let spent = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    tasks.flatten().filter_map(spent).sum()
}
