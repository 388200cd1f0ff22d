//! How long an alert takes from the end of the command to Slack's socket: the built daemon, idle but for one job, and a
//! server on loopback. `cargo bench --bench delivery`.
//!
//! The command's last act is to print the time; the server notes when the request's first bytes arrive. What lies between
//! is the shell's exit, the pidfd, the verdict, the message, the fsync of the outbox, and the request.

#![expect(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a benchmark stands outside the doors")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Alerts that are timed.
const ALERTS: usize = 300;

fn main() {
    let folder = std::env::temp_dir().join(format!("slack-alert-delivery-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("jobs.d")).expect("a scratch folder");
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", server.local_addr().expect("an address"));
    let config = format!(
        "state_dir = \"state\"\n[slack]\ntoken = \"xoxb-bench\"\nchannel = \"ops\"\nrate = \"1000/s\"\napi_url = \"{url}\"\n"
    );
    let job = "command = [\"date\", \"+at=%s.%N\"]\nevery = \"50ms\"\ntemplate = \"{{ stdout | trim }}\"\n[notify]\n\
               on = [\"always\"]\nrate_limit = \"100000/h\"\n";
    std::fs::write(folder.join("slack_alert.toml"), config).expect("a file");
    std::fs::write(folder.join("jobs.d/tick.toml"), job).expect("a file");
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_slack-alert"))
        .args(["run", "--config", "slack_alert.toml"])
        .current_dir(&folder)
        .env("STATE_DIRECTORY", folder.join("state"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the daemon starts");
    let mut taken = listen(&server);
    daemon.kill().expect("it can be killed");
    daemon.wait().expect("it can be waited for");
    std::fs::remove_dir_all(&folder).expect("the scratch folder can be removed");
    taken.sort_unstable();
    let at = |share: f64| taken[((taken.len() - 1) as f64 * share) as usize];
    println!("from the command's last print to Slack's socket, {} alerts:", taken.len());
    println!("p50 {:?}  p90 {:?}  p99 {:?}  most {:?}", at(0.5), at(0.9), at(0.99), at(1.0));
}

/// Takes requests, one connection after the other, and notes how long each was under way.
fn listen(server: &TcpListener) -> Vec<Duration> {
    let mut taken = Vec::new();
    while taken.len() < ALERTS {
        let (mut stream, _) = server.accept().expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        let mut buffer = Vec::new();
        let mut piece = [0; 16 << 10];
        while taken.len() < ALERTS {
            let Ok(read @ 1..) = stream.read(&mut piece) else { break };
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
            buffer.extend_from_slice(&piece[..read]);
            let text = String::from_utf8_lossy(&buffer).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head
                .to_ascii_lowercase()
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.lines().next().and_then(|line| line.trim().parse::<usize>().ok()));
            if body.len() < length.unwrap_or(0) {
                continue;
            }
            let printed =
                body.split("at=").nth(1).and_then(|rest| rest.get(..20)).and_then(|text| text.parse::<f64>().ok());
            taken.extend(printed.map(|printed| now.saturating_sub(Duration::from_secs_f64(printed))));
            buffer.clear();
            let answer = "{\"ok\":true,\"channel\":\"C000000001\",\"ts\":\"1.000001\",\"message\":{}}";
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                answer.len()
            );
            stream.write_all(format!("{head}{answer}").as_bytes()).expect("an answer");
        }
    }
    taken
}
