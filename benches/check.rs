//! How long the built program takes to check 10,000 job files, and with how much memory. `cargo bench --bench check`.
//!
//! Two folders of the same jobs, which are as different as jobs of one host are: arrays and scripts, intervals and
//! calendars, templates of their own and shared ones, `[notify]` tables, retries, patterns. In the first every script is
//! plain to see to be well, and `check` starts no process. In the second half of the scripts are such that a shell is
//! asked. Beside both stands a bare reading of the same files.

#![expect(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a benchmark stands outside the doors")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Job files.
const JOBS: usize = 10_000;

/// Rounds, of which the median counts.
const ROUNDS: usize = 7;

const CONFIG: &str = r##"time_zone = "Europe/Berlin"
[templates]
short = "*{{ job.name }}* {{ status }} on {{ host }}"
[slack]
token_env = "SLACK_TOKEN"
channel = "#ops"
[defaults]
timeout = "10m"
[defaults.notify]
rate_limit = "2/h"
"##;

/// One job; `asks` tells whether its script is one that a shell is asked about.
fn job(index: usize, asks: bool) -> String {
    let (minute, hour, port) = (index % 60, index % 24, 1_000 + index);
    match index % 4 {
        0 => format!(
            "command = [\"df\", \"--output=pcent\", \"/srv/{index}\"]\nevery = \"{}m\"\n\
             template = \":floppy_disk: volume {index} of {{{{ host }}}} is at *{{{{ stdout | trim }}}}*\"\n",
            5 + index % 50
        ),
        1 => format!(
            "# backup of database {index}\ncommand = \"{}find /var/backups -name db{index} -newer /etc/hostname\"\n\
             description = \"backup of database {index}\"\ntags = [\"db\", \"backup\"]\ncron = \"{minute} {hour} * * *\"\n\
             retries = {{ times = 2, delay = \"10s\" }}\n[notify]\non = [\"failure\", \"recovery\"]\n\
             channel = [\"#db-{}\"]\nmention = \"@here\"\n",
            if asks { "if [ -d /srv ]; then true; fi; " } else { "" },
            index % 20
        ),
        2 => format!(
            "command = [\"env\", \"PORT={port}\", \"true\"]\nevery = \"30s\"\njitter = \"10s\"\ntimeout = \"20s\"\n\
             exit_codes = \"nagios\"\nworking_hours = \"Mon-Fri 08:00-20:00\"\n[env]\nNAME = \"service-{index}\"\n[message]\n\
             title = \"service {index} of {{{{ job.name }}}}\"\n\
             fields = {{ Port = \"{port}\", Took = \"{{{{ duration | duration }}}}\" }}\n[notify]\nafter = 3\n\
             repeat = \"4h\"\nchannels = {{ critical = \"#pager\", ok = \"#log\" }}\nquiet_hours = \"22:00-06:00\"\n\
             quiet_except = [\"critical\"]\n"
        ),
        _ => format!(
            "command = \"\"\"\n{}cat /proc/loadavg\ntest -e /srv/queue/{index} && echo 'queue {index} is blocked'\n\"\"\"\n\
             every = \"{}m\"\nfail_on = {{ stdout = \"blocked|ERR[0-9]+\" }}\nredact = [\"password=[^ ]+\"]\n\
             template = '''{{% include \"short\" %}}\n{{% if exit_code %}}exit {{{{ exit_code }}}}{{% endif %}} queue {index}\n\
             {{{{ output | tail(5) | code }}}}'''\n",
            if asks { "for file in $(ls /etc); do echo \"${file%.conf}\"; done\n" } else { "" },
            1 + index % 10
        ),
    }
}

fn main() {
    for (asks, name) in [(false, "no process"), (true, "with 5,000 scripts for a shell")] {
        let folder = std::env::temp_dir().join(format!("slack-alert-check-{}", std::process::id()));
        for team in 0..40 {
            std::fs::create_dir_all(folder.join(format!("jobs.d/team{team:02}"))).expect("a scratch folder");
        }
        std::fs::write(folder.join("slack_alert.toml"), CONFIG).expect("a file");
        let path = |index: usize| folder.join(format!("jobs.d/team{:02}/job{index:05}.toml", index % 40));
        for index in 0..JOBS {
            std::fs::write(path(index), job(index, asks)).expect("a file");
        }
        let mut rounds: Vec<_> = (0..ROUNDS).map(|_| round(&folder)).collect();
        let mut bare: Vec<_> = (0..ROUNDS)
            .map(|_| {
                let start = Instant::now();
                let bytes: usize = (0..JOBS).map(|index| std::fs::read(path(index)).expect("a file").len()).sum();
                assert!(bytes > JOBS, "they are not empty");
                start.elapsed()
            })
            .collect();
        std::fs::remove_dir_all(&folder).expect("the scratch folder can be removed");
        rounds.sort_unstable();
        bare.sort_unstable();
        let (took, _, cpu) = rounds[ROUNDS / 2];
        let memory = rounds.iter().map(|(_, memory, _)| memory / 1_024).max().unwrap_or_default();
        println!(
            "{JOBS} job files, {name}: {took:?} wall (best {:?}), {cpu:?} CPU, {memory} MiB; reading them alone {:?}",
            rounds[0].0,
            bare[ROUNDS / 2]
        );
    }
}

/// Time, the most memory in KiB, and CPU time of one `check`.
fn round(folder: &Path) -> (Duration, u64, Duration) {
    let before = cpu_of_children();
    let start = Instant::now();
    let mut check = Command::new(env!("CARGO_BIN_EXE_slack-alert"))
        .arg("check")
        .current_dir(folder)
        .env("SLACK_TOKEN", "xoxb-bench")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    // The high-water mark only rises: the last look before the end tells nearly all.
    let mut memory = 0;
    while check.try_wait().expect("it can be waited for").is_none() {
        memory = memory.max(high_water(&check));
        std::thread::sleep(Duration::from_millis(2));
    }
    let took = start.elapsed();
    assert!(check.wait().expect("it has ended").success(), "the jobs have no errors");
    (took, memory, cpu_of_children() - before)
}

/// `VmHWM` of a process, in KiB (proc(5)).
fn high_water(process: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

/// What ended children and theirs have used, in steps of 10 ms (proc(5): `cutime`, `cstime`).
fn cpu_of_children() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("proc(5)");
    let fields = stat.rsplit_once(") ").expect("the name is in brackets").1.split(' ');
    let ticks: u64 = fields.skip(13).take(2).map(|field| field.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(10 * ticks)
}
