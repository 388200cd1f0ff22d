//! The control socket of the built program, with foreign clients: who may do what, and what a client may not do to the daemon.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::program::{Going, PATIENCE, Sandbox};
use crate::support::skip::skip;
use crate::support::slack::MockSlack;

const JOB: &str = "command = 'sleep 300'\ncron = '0 0 1 1 *'\n";

/// A daemon with a socket.
fn daemon(files: &[(&str, &str)]) -> (Sandbox, Going, PathBuf) {
    let sandbox = Sandbox::with(files);
    let mut going = sandbox.start(&["run"]);
    going.wait_for("started");
    let socket = sandbox.path().join("run/control.sock");
    (sandbox, going, socket)
}

/// Sends a request as it stands; the answer is all that comes until the server closes.
fn raw(socket: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(socket).expect("the daemon listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    // The server may have answered, and closed, before all of it is sent.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Asks; the answer is the status and the body.
fn ask(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let body = body.map(Value::to_string).unwrap_or_default();
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: l\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    split(&raw(socket, &request))
}

fn split(answer: &str) -> (u16, Value) {
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (code, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn code_of(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_default()
}

/// Asks at each event until the answer is as it should be.
fn ask_until(socket: &Path, path: &str, is_there: impl Fn(&Value) -> bool) -> Value {
    let mut events = UnixStream::connect(socket).expect("the daemon listens");
    events.set_read_timeout(Some(PATIENCE)).expect("a socket");
    events.write_all(b"GET /api/v1/events HTTP/1.1\r\nhost: l\r\n\r\n").expect("the server reads");
    let deadline = Instant::now() + PATIENCE;
    loop {
        // The first that comes is the head of the answer: from then on nothing is missed.
        let count = match events.read(&mut [0; 4096]) {
            // A signal to this process, which has other tests: no event, and one look more.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => 1,
            read => read.expect("an event"),
        };
        let (_, answer) = ask(socket, "GET", path, None);
        if is_there(&answer) {
            return answer;
        }
        assert!(count > 0 && Instant::now() < deadline, "{answer}");
    }
}

#[test]
fn a_job_runs_when_somebody_asks_for_it_and_who_asked_is_kept() {
    let job = "command = 'read line < fifo; echo $line; exit 3'\ncron = '0 0 1 1 *'\n";
    let (sandbox, mut going, socket) = daemon(&[("slack_alert.toml", ""), ("jobs.d/a.toml", job)]);
    let fifo = sandbox.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo(1) exists").success());
    let (code, answer) = ask(&socket, "POST", "/api/v1/trigger", Some(&json!({"job": "a", "note": "mended"})));
    assert_eq!(code, 202, "{answer}");
    let run = answer["run"].as_u64().expect("a number");
    let running = ask_until(&socket, "/api/v1/jobs/a", |job| !job["running"][0]["pid"].is_null());
    let (code, answer) = ask(&socket, "POST", "/api/v1/trigger", Some(&json!({"job": "a"})));
    assert_eq!((code, code_of(&answer)), (409, "already-running"), "{answer}");
    assert_eq!((&answer["run"], &answer["pid"]), (&json!(run), &running["running"][0]["pid"]));
    fs::write(&fifo, "refused\n").expect("the command reads");
    let ended = ask_until(&socket, &format!("/api/v1/runs/{run}"), |run| !run["finished"].is_null());
    assert_eq!(
        (&ended["status"], &ended["exit_code"], &ended["line"]),
        (&json!("critical"), &json!(3), &json!("refused"))
    );
    assert_eq!((&ended["trigger"], &ended["note"]), (&json!("manual"), &json!("mended")));
    assert_eq!(ended["by"]["uid"], json!(nix::unistd::geteuid().as_raw()));
    going.wait_for("a run was asked for");
}

#[test]
fn a_reload_answers_with_what_changed_and_with_every_problem() {
    let (sandbox, _going, socket) = daemon(&[("slack_alert.toml", ""), ("jobs.d/a.toml", JOB)]);
    sandbox.file("jobs.d/b.toml", JOB);
    sandbox.file("jobs.d/c.toml", "evry = '5m'\n");
    let (code, answer) = ask(&socket, "POST", "/api/v1/reload", None);
    assert_eq!((code, &answer["jobs"], &answer["not_loaded"]), (200, &json!(2), &json!(1)), "{answer}");
    let problem = &answer["problems"][1];
    assert_eq!(
        (&problem["code"], &problem["file"], &problem["line"]),
        (&json!("unknown-key"), &json!("jobs.d/c.toml"), &json!(1))
    );
    sandbox.file("slack_alert.toml", "slak = 1\n");
    let (code, answer) = ask(&socket, "POST", "/api/v1/reload", None);
    assert_eq!((code, code_of(&answer)), (422, "unprocessable"), "{answer}");
    assert_eq!(answer["problems"][0]["code"], "unknown-key");
    assert_eq!(ask(&socket, "GET", "/api/v1/status", None).1["jobs"]["total"], 2);
}

#[test]
fn a_hold_is_on_disk_when_it_is_answered() {
    let (sandbox, going, socket) = daemon(&[("slack_alert.toml", ""), ("jobs.d/db/a.toml", JOB)]);
    let body = json!({"kind": "pause", "pattern": "db/*", "for": "2h", "note": "migration"});
    let (code, answer) = ask(&socket, "POST", "/api/v1/holds", Some(&body));
    assert_eq!((code, &answer["id"], &answer["jobs"]), (201, &json!(1), &json!(["db/a"])), "{answer}");
    going.signal("KILL");
    going.end();
    let mut going = sandbox.start(&["run"]);
    going.wait_for("started");
    let (_, status) = ask(&socket, "GET", "/api/v1/status", None);
    let hold = &status["holds"][0];
    assert_eq!((&hold["pattern"], &hold["note"], &hold["jobs"]), (&json!("db/*"), &json!("migration"), &json!(1)));
    assert_eq!(ask(&socket, "GET", "/api/v1/jobs/db/a", None).1["paused"]["id"], 1);
    assert_eq!(ask(&socket, "DELETE", "/api/v1/holds/1", None).0, 200);
    let (code, answer) = ask(&socket, "DELETE", "/api/v1/holds/1", None);
    assert_eq!((code, code_of(&answer)), (404, "no-such-hold"));
    assert_eq!(ask(&socket, "POST", "/api/v1/holds", Some(&body)).1["id"], 2, "a number is never used twice");
}

#[test]
fn errors_have_one_shape() {
    let (_sandbox, _going, socket) = daemon(&[("slack_alert.toml", ""), ("jobs.d/a.toml", JOB)]);
    for (method, path, body, expected) in [
        ("GET", "/api/v1/x", None, (404, "not-found")),
        ("GET", "/api/v1/jobs/b", None, (404, "no-such-job")),
        ("GET", "/api/v1/runs/x", None, (404, "no-such-run")),
        ("GET", "/api/v1/runs/99", None, (404, "no-such-run")),
        ("GET", "/api/v1/runs?limit=x", None, (400, "bad-request")),
        ("GET", "/api/v1/runs?limit=0", None, (400, "bad-request")),
        ("GET", "/api/v1/runs?limit=-1", None, (400, "bad-request")),
        ("GET", "/api/v1/runs?limit=501", None, (400, "bad-request")),
        ("GET", "/api/v1/runs?before=x", None, (400, "bad-request")),
        ("GET", "/api/v1/runs?status=bad", None, (400, "bad-request")),
        ("GET", "/api/v1/jobs?status=bad", None, (400, "bad-request")),
        ("GET", "/api/v1/outbox?status=bad", None, (400, "bad-request")),
        ("GET", "/api/v1/next?within=soon", None, (400, "bad-request")),
        ("GET", "/api/v1/next?before=7", None, (400, "bad-request")),
        ("POST", "/api/v1/status", None, (405, "method-not-allowed")),
        ("GET", "/api/v1/trigger", None, (405, "method-not-allowed")),
        ("POST", "/api/v1/trigger", None, (400, "bad-request")),
        ("POST", "/api/v1/trigger", Some(json!([])), (400, "bad-request")),
        ("POST", "/api/v1/trigger", Some(json!({"job": "b"})), (404, "no-such-job")),
        ("POST", "/api/v1/trigger", Some(json!({"job": "a", "nte": "x"})), (400, "bad-request")),
        ("POST", "/api/v1/holds", Some(json!({"pattern": "a"})), (400, "bad-request")),
        ("POST", "/api/v1/holds", Some(json!({"kind": "pause"})), (400, "bad-request")),
        ("POST", "/api/v1/holds", Some(json!({"kind": "nap", "pattern": "a"})), (400, "bad-request")),
        ("POST", "/api/v1/holds", Some(json!({"kind": "pause", "pattern": "a", "for": "long"})), (400, "bad-request")),
        ("POST", "/api/v1/holds", Some(json!({"kind": "pause", "pattern": "a", "for": -5})), (400, "bad-request")),
        ("POST", "/api/v1/holds", Some(json!({"kind": "pause", "pattern": "a", "for": "31d"})), (422, "unprocessable")),
        ("POST", "/api/v1/holds", Some(json!({"kind": "silence", "pattern": "a"})), (422, "unprocessable")),
        ("POST", "/api/v1/holds", Some(json!({"kind": "pause", "pattern": "tag:x"})), (404, "no-such-job")),
        ("POST", "/api/v1/holds", Some(json!({"kind": "ack", "pattern": "a"})), (409, "no-incident")),
        ("DELETE", "/api/v1/holds/x", None, (404, "no-such-hold")),
        ("DELETE", "/api/v1/holds?kind=pause&pattern=a", None, (404, "no-such-hold")),
        ("DELETE", "/api/v1/holds", None, (400, "bad-request")),
        ("PATCH", "/api/v1/holds/1", None, (405, "method-not-allowed")),
    ] {
        let (code, answer) = ask(&socket, method, path, body.as_ref());
        assert_eq!((code, code_of(&answer)), expected, "{method} {path} {body:?}: {answer}");
        assert!(answer["error"]["message"].is_string() && answer["error"].get("help").is_some(), "{answer}");
    }
    let (_, answer) = ask(&socket, "GET", "/api/v1/runs?limit=-1", None);
    assert_eq!(answer["error"]["message"], "`limit` is -1", "{answer}");
}

#[test]
fn a_client_that_sends_too_much_or_too_slowly_is_turned_away_and_nobody_else_notices() {
    let (_sandbox, _going, socket) = daemon(&[("slack_alert.toml", ""), ("jobs.d/a.toml", JOB)]);
    // A body of 1 GiB, of which nothing is read; and one without an end.
    let head = "POST /api/v1/trigger HTTP/1.1\r\nhost: l\r\n";
    let (code, answer) = split(&raw(&socket, &format!("{head}content-length: 1073741824\r\n\r\n{{")));
    assert_eq!((code, code_of(&answer)), (413, "too-large"));
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
    let (code, answer) = split(&raw(&socket, &format!("{head}transfer-encoding: chunked\r\n\r\n{}", chunk.repeat(64))));
    assert_eq!((code, code_of(&answer)), (413, "too-large"), "{answer}");
    let long = format!("GET /api/v1/status HTTP/1.1\r\nhost: l\r\nx: {}\r\n\r\n", "x".repeat(9_000));
    assert!(raw(&socket, &long).starts_with("HTTP/1.1 431"));
    assert!(raw(&socket, "\x16\x03\x01 no HTTP at all\r\n\r\n").starts_with("HTTP/1.1 400"));
    // A byte a second.
    let mut slow = UnixStream::connect(&socket).expect("the daemon listens");
    let began = Instant::now();
    let mut sent = 0;
    for byte in b"GET /api/v1/status HTTP/1.1\r\nhost: localhost\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
        if slow.write_all(&[*byte]).is_err() {
            break;
        }
        sent += 1;
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(ask(&socket, "GET", "/api/v1/status", None).0, 200, "others are answered meanwhile");
    }
    assert!(sent < 60 && began.elapsed() >= Duration::from_secs(4), "{sent} bytes in {:?}", began.elapsed());
}

#[test]
fn of_a_thousand_connections_those_that_are_too_many_are_told_so_and_the_next_is_answered() {
    let (_sandbox, _going, socket) = daemon(&[("slack_alert.toml", ""), ("jobs.d/a.toml", JOB)]);
    let mut open = Vec::new();
    for _ in 0..1_000 {
        let stream = UnixStream::connect(&socket).expect("the daemon listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        open.push(stream);
    }
    let mut answer = String::new();
    open[999].read_to_string(&mut answer).expect("it is told, and closed");
    let (code, answer) = split(&answer);
    assert_eq!((code, code_of(&answer)), (503, "busy"), "{answer}");
    drop(open);
    let deadline = Instant::now() + PATIENCE;
    while ask(&socket, "GET", "/api/v1/status", None).0 != 200 {
        assert!(Instant::now() < deadline, "nobody is answered any more");
    }
}

#[test]
fn a_socket_that_a_dead_daemon_left_is_replaced_and_an_orderly_end_takes_it_away() {
    let (sandbox, going, socket) = daemon(&[("slack_alert.toml", ""), ("jobs.d/a.toml", JOB)]);
    let mode = |socket: &Path| fs::metadata(socket).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&socket), 0o660);
    going.signal("KILL");
    going.end();
    assert!(socket.exists() && UnixStream::connect(&socket).is_err(), "nobody listens");
    let mut going = sandbox.start(&["run"]);
    going.wait_for("started");
    assert_eq!(ask(&socket, "GET", "/api/v1/status", None).0, 200);
    sandbox.file("slack_alert.toml", "[control]\nread = 'all'\n");
    assert_eq!(ask(&socket, "POST", "/api/v1/reload", None).0, 200);
    let deadline = Instant::now() + PATIENCE;
    while mode(&socket) != 0o666 {
        assert!(Instant::now() < deadline, "a reload changes its mode");
    }
    going.signal("TERM");
    assert!(going.end().0.success());
    assert!(!socket.exists());
}

#[test]
fn a_second_daemon_of_the_same_folder_takes_no_socket_away_and_has_its_own() {
    let (first, mut one, socket) = daemon(&[("slack_alert.toml", ""), ("jobs.d/a.toml", JOB)]);
    let runtime = first.path().join("run");
    let second = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/b.toml", JOB)])
        .variable("RUNTIME_DIRECTORY", runtime.to_str().expect("a path"));
    let mut other = second.start(&["run"]);
    other.wait_for("started");
    assert_eq!(ask(&socket, "GET", "/api/v1/jobs/a", None).0, 200);
    assert_eq!(ask(&second.path().join("state/control.sock"), "GET", "/api/v1/jobs/b", None).0, 200);
    one.signal("TERM");
    one.wait_for("stopped");
}

#[test]
fn events_tell_of_what_changes() {
    let (_sandbox, _going, socket) =
        daemon(&[("slack_alert.toml", ""), ("jobs.d/a.toml", "command = 'true'\ncron = '0 0 1 1 *'\n")]);
    let mut stream = UnixStream::connect(&socket).expect("the daemon listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream.write_all(b"GET /api/v1/events HTTP/1.1\r\nhost: l\r\n\r\n").expect("it reads");
    let mut seen = String::new();
    let mut until = |text: &str, seen: &mut String| {
        while !seen.contains(text) {
            let mut buffer = [0; 1024];
            let read = stream.read(&mut buffer).expect("it writes");
            assert!(read > 0, "it ended: {seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    };
    until(": connected", &mut seen);
    assert!(seen.contains("text/event-stream"), "{seen}");
    ask(&socket, "POST", "/api/v1/trigger", Some(&json!({"job": "a"})));
    until("event: changed\ndata: {\"job\":\"a\",\"run\":1}", &mut seen);
}

/// The status and the body that curl(1) got, as another user.
fn curl_as(ids: &[&str], socket: &Path, arguments: &[&str]) -> (String, String) {
    let mut command = Command::new("setpriv");
    command
        .args(ids)
        .args(["curl", "-s", "-o", "-", "-w", "\n%{http_code}", "--unix-socket"])
        .arg(socket)
        .args(arguments);
    let output = command.output().expect("setpriv(1) exists");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.rsplit_once('\n').map(|(body, code)| (code.to_owned(), body.to_owned())).unwrap_or_default()
}

#[test]
fn root_the_daemons_user_and_the_group_may_change_something_and_a_stranger_may_look_at_most() {
    let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !nix::unistd::geteuid().is_root() || !has("curl") || !has("setpriv") {
        return skip("it becomes other users: it needs root, curl and setpriv(1)");
    }
    // The daemon is user 4242 with the group daemon (1); of the others one is in it.
    let own = ["--reuid", "4242", "--regid", "4242", "--groups", "1"];
    let member = ["--reuid", "4243", "--regid", "4243", "--groups", "1"];
    let stranger = ["--reuid", "4244", "--regid", "4244", "--clear-groups"];
    for (read, mode) in [("group", 0o660), ("all", 0o666)] {
        let conf = format!("[control]\ngroup = 'daemon'\nread = '{read}'\n");
        let sandbox = Sandbox::with(&[("slack_alert.toml", &conf), ("jobs.d/a.toml", JOB)]);
        fs::set_permissions(sandbox.path(), fs::Permissions::from_mode(0o755)).expect("root may");
        for folder in ["state", "run"] {
            fs::create_dir_all(sandbox.path().join(folder)).expect("a folder");
            chown(sandbox.path().join(folder), Some(4242), Some(4242)).expect("root may");
        }
        let mut going = sandbox.start_with(|command| {
            let mut outer = Command::new("setpriv");
            outer.args(own).arg(command.get_program()).arg("run");
            outer.current_dir(command.get_current_dir().expect("the sandbox")).env_clear();
            outer.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
            *command = outer;
        });
        going.wait_for("started");
        let socket = sandbox.path().join("run/control.sock");
        let found = fs::metadata(&socket).expect("it is there");
        assert_eq!((found.permissions().mode() & 0o777, found.uid(), found.gid()), (mode, 4242, 1));
        let status = ["http://l/api/v1/status"];
        let pause = ["http://l/api/v1/holds", "-d", r#"{"kind":"pause","pattern":"a"}"#];
        for (ids, uid) in [(&own[..], 4242), (&member[..], 4243), (&["--reuid", "0"][..], 0)] {
            assert_eq!(curl_as(ids, &socket, &status).0, "200", "{ids:?} {read}");
            let (code, body) = curl_as(ids, &socket, &pause);
            assert_eq!(code, "201", "{ids:?} {read}: {body}");
            let (_, body) = curl_as(ids, &socket, &["http://l/api/v1/holds"]);
            assert!(body.contains(&format!("\"by\":{{\"uid\":{uid},")), "{body}");
            let name = if uid == 0 { "by=root" } else { &format!("by=uid {uid}") };
            going.wait_for(name);
        }
        let sudo = ["-H", "slack-alert-sudo-user: dana"];
        for (ids, name) in [(&["--reuid", "0"][..], "root (dana)"), (&member[..], "uid 4243")] {
            curl_as(ids, &socket, &[&pause[..], &sudo[..]].concat());
            let (_, body) = curl_as(ids, &socket, &["http://l/api/v1/holds"]);
            assert!(body.contains(&format!("\"name\":\"{name}\"")), "root's word alone counts: {body}");
        }
        let (looks, changes) = (curl_as(&stranger, &socket, &status), curl_as(&stranger, &socket, &pause));
        if read == "group" {
            assert_eq!((looks.0.as_str(), changes.0.as_str()), ("000", "000"), "the kernel keeps them out");
        } else {
            assert_eq!((looks.0.as_str(), changes.0.as_str()), ("200", "403"), "{changes:?}");
            assert!(changes.1.contains("\"code\":\"read-only\""), "{changes:?}");
            for path in ["http://l/api/v1/trigger", "http://l/api/v1/reload"] {
                assert_eq!(curl_as(&stranger, &socket, &[path, "-d", "{\"job\":\"a\"}"]).0, "403");
            }
            let delete = ["-X", "DELETE", "http://l/api/v1/holds/1"];
            assert_eq!(curl_as(&stranger, &socket, &delete).0, "403");
        }
    }
}

#[test]
fn pythons_own_client_can_ask() {
    if Command::new("python3").arg("--version").output().is_err() {
        return skip("it needs python3");
    }
    let (_sandbox, _going, socket) = daemon(&[("slack_alert.toml", ""), ("jobs.d/a.toml", JOB)]);
    let script = "
import http.client, json, socket, sys
class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(sys.argv[1])
c = Connection('localhost')
c.request('POST', '/api/v1/holds', json.dumps({'kind': 'silence', 'pattern': 'a', 'for': 90.5}), {'Content-Type': 'application/json'})
r = c.getresponse(); print(r.status, json.load(r)['jobs'])
c.request('GET', '/api/v1/jobs/a')
r = c.getresponse(); print(r.status, json.load(r)['silenced']['by']['name'] != '')
";
    let output = Command::new("python3").args(["-c", script]).arg(&socket).output().expect("python3 exists");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "201 ['a']\n200 True\n", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn no_new_attempt_of_a_run_starts_in_a_pause_and_the_run_goes_on_after_it() {
    let job = "command = 'echo x >> tries; test $(wc -l < tries) -ge 3'\nevery = '1h'\n\
               retries = { times = 5, delay = '1s', factor = 1.0 }\n";
    let (sandbox, mut going, socket) = daemon(&[("slack_alert.toml", ""), ("jobs.d/a.toml", job)]);
    let tries = || sandbox.read("tries").lines().count();
    let deadline = Instant::now() + PATIENCE;
    while !sandbox.path().join("tries").exists() {
        assert!(Instant::now() < deadline, "the job does not run");
        std::thread::yield_now();
    }
    let hold = json!({"kind": "pause", "pattern": "a", "for": "4s"});
    let (code, answer) = ask(&socket, "POST", "/api/v1/holds", Some(&hold));
    assert_eq!(code, 201, "{answer}");
    // One more may have begun before the pause did.
    let before = tries();
    going.wait_for("a hold ends");
    assert!(tries() <= before + 1 && tries() < 3, "an attempt began in the pause: {} after {before}", tries());
    let runs = ask_until(&socket, "/api/v1/runs?job=a&status=ok", |runs| !runs["runs"][0].is_null());
    assert_eq!((&runs["runs"][0]["attempts"], &runs["runs"][0]["id"]), (&json!(3), &json!(1)), "{runs}");
}

#[test]
fn a_run_between_two_attempts_ends_when_its_job_is_disabled_or_gone() {
    let job =
        "command = 'echo x >> tries; exit 1'\nevery = '1h'\nretries = { times = 5, delay = '1h', max_delay = '1h' }\n";
    for change in ["disabled", "gone"] {
        let (sandbox, _going, socket) = daemon(&[("slack_alert.toml", ""), ("jobs.d/a.toml", job)]);
        ask_until(&socket, "/api/v1/jobs/a", |job| job["running"][0]["retry"]["failed"] == 1);
        match change {
            "gone" => fs::remove_file(sandbox.path().join("jobs.d/a.toml")).expect("it can be removed"),
            _ => drop(sandbox.file("jobs.d/a.toml", &format!("enabled = false\n{job}"))),
        }
        let (code, answer) = ask(&socket, "POST", "/api/v1/reload", None);
        assert_eq!(code, 200, "{answer}");
        let runs = ask_until(&socket, "/api/v1/runs?job=a&status=critical", |runs| !runs["runs"][0].is_null());
        assert_eq!(runs["runs"][0]["attempts"], 1, "{change}: {runs}");
        assert!(runs.to_string().contains("the last one exited with 1"), "{change}: {runs}");
    }
}

#[test]
fn a_run_between_two_attempts_leaves_its_place_to_others_and_waits_for_one_again() {
    let tries = "command = 'echo x >> tries; test $(wc -l < tries) -ge 2'\nevery = '1h'\n\
                 retries = { times = 1, delay = '10ms' }\n";
    let other = "command = 'until test -e go; do sleep 0.05; done'\nevery = '1h'\n";
    let files = [("slack_alert.toml", "limits.max_running = 1\n"), ("jobs.d/a.toml", tries), ("jobs.d/b.toml", other)];
    let (sandbox, _going, socket) = daemon(&files);
    let waits = ask_until(&socket, "/api/v1/jobs/a", |job| job["running"][0]["retry"]["waits_for_place"] == true);
    assert_eq!(waits["running"][0]["retry"]["failed"], 1, "{waits}");
    let status = sandbox.run(&["status"]).stdout;
    assert!(status.contains("1 attempt has failed and the next waits for a free place"), "{status}");
    assert_eq!(sandbox.read("tries"), "x\n", "no attempt beside the other run");
    let (_, other) = ask(&socket, "GET", "/api/v1/jobs/b", None);
    assert!(!other["running"][0].is_null(), "{other}");
    sandbox.file("go", "");
    let runs = ask_until(&socket, "/api/v1/runs?job=a&status=ok", |runs| !runs["runs"][0].is_null());
    assert_eq!(runs["runs"][0]["attempts"], 2, "{runs}");
}

#[test]
fn a_run_that_may_not_start_yet_waits_for_its_start_and_does_not_hang() {
    let first = "command = 'true'\nevery = '1h'\nfirst_run = 'always'\n";
    let files = [
        ("slack_alert.toml", "[limits]\nstart_rate = '1/h'\nshutdown_grace = '1s'\n"),
        ("jobs.d/a.toml", first),
        ("jobs.d/b.toml", "command = 'true'\nevery = '500ms'\n"),
    ];
    let (sandbox, mut going, socket) = daemon(&files);
    going.wait_for("a run waits for its start");
    let status = ask_until(&socket, "/api/v1/status", |status| status["starved"][0]["job"] == "b");
    assert_eq!(status["starved"][0]["what"], "its start", "{status}");
    let (_, job) = ask(&socket, "GET", "/api/v1/jobs/b", None);
    assert_eq!((&job["running"][0]["waits"]["what"], &job["running"][0]["pid"]), (&"its start".into(), &Value::Null));
    for command in ["status", "why"] {
        let said = sandbox.run(&[command, "b"]).stdout;
        assert!(said.contains("no more may start in this time (limits.start_rate)"), "{command}: {said}");
        assert!(!said.contains("hangs") && !said.contains("still running"), "{command}: {said}");
    }
    // It has a place, and runs no more than one that has none.
    assert_eq!(status["jobs"]["running"], 0, "{status}");
    let refused = sandbox.run(&["trigger", "b"]);
    assert!(refused.stderr.contains("`b` is due already, and its run waits for its start"), "{refused:?}");
    going.signal("TERM");
    let (_, said) = going.end();
    assert!(said.contains("never ran: the daemon was stopped while it waited to start"), "{said}");
    assert!(!said.contains("interrupted"), "{said}");
}

#[test]
fn why_tells_programs_too_what_a_job_waits_for() {
    let waits = "command = 'true'\nevery = '1h'\nlock = 'L'\n";
    let holder = "command = 'until test -e go; do sleep 0.05; done'\nevery = '1h'\nfirst_run = 'wait'\nlock = 'L'\n";
    let files = [("slack_alert.toml", ""), ("jobs.d/waits.toml", waits), ("jobs.d/holder.toml", holder)];
    let (sandbox, _going, socket) = daemon(&files);
    let free = ask_until(&socket, "/api/v1/why/waits", |why| !why["why"][0].is_null());
    assert_eq!(free.get("waits"), Some(&Value::Null), "{free}");
    let (_, held) = ask(&socket, "POST", "/api/v1/trigger", Some(&json!({"job": "holder"})));
    ask(&socket, "POST", "/api/v1/trigger", Some(&json!({"job": "waits"})));
    let (_, why) = ask(&socket, "GET", "/api/v1/why/waits", None);
    assert_eq!(why["waits"]["what"], "the lock L", "{why}");
    assert_eq!(why["waits"]["why"], format!("run {} of holder holds the lock L", held["run"]), "{why}");
    let said = sandbox.run(&["why", "waits", "--json"]).stdout;
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(said[0]["waits"], why["waits"], "{said}");
    sandbox.file("go", "");
}

#[test]
fn a_run_that_waited_for_its_start_is_shown_since_its_process_began() {
    let job = "command = 'exec sleep 1000'\nevery = '1h'\n";
    let conf = "[limits]\nstart_rate = '1/2s'\nshutdown_grace = '0s'\n";
    let (_sandbox, going, socket) =
        daemon(&[("slack_alert.toml", conf), ("jobs.d/a.toml", job), ("jobs.d/b.toml", job)]);
    let mut began: Vec<jiff::Timestamp> = ["a", "b"]
        .map(|name| {
            let run = |job: &Value| job["running"][0].clone();
            let has_process = |job: &Value| run(job)["pid"].is_u64();
            let job = ask_until(&socket, &format!("/api/v1/jobs/{name}"), has_process);
            run(&job)["started"].as_str().expect("a time").parse().expect("RFC 3339")
        })
        .into();
    began.sort();
    let apart = began[1].duration_since(began[0]);
    assert!(apart >= jiff::SignedDuration::from_millis(1_500), "the second waited two seconds: {apart:?}");
    going.signal("TERM");
    assert!(going.end().0.success());
}

#[test]
fn where_run_cannot_be_written_the_socket_is_in_the_state_folder_and_commands_find_it() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "state_dir = 'state'\n"), ("jobs.d/a.toml", JOB)]);
    // A file stands where the folder would be.
    sandbox.file("run", "");
    let mut going = sandbox.start(&["run"]);
    going.wait_for("started");
    let status = sandbox.run(&["status"]);
    assert_eq!((status.code, status.stderr.as_str()), (0, ""), "{status:?}");
    assert!(status.stdout.contains("1 job"), "{status:?}");
}

#[test]
fn an_incident_has_a_link_to_its_first_message_in_each_channel() {
    let slack = MockSlack::start();
    let config = format!("[slack]\ntoken = 'xoxb-1'\nchannel = '#ops'\napi_url = '{}'\n", slack.url());
    let job = "command = 'exit 2'\nevery = '1h'\n[notify]\nchannel = ['#ops', '#dev']\n";
    let (_sandbox, _going, socket) = daemon(&[("slack_alert.toml", &config), ("jobs.d/a.toml", job)]);
    let deadline = Instant::now() + PATIENCE;
    let told = loop {
        let (_, incidents) = ask(&socket, "GET", "/api/v1/incidents", None);
        let told = incidents["incidents"][0]["told"].as_array().cloned().unwrap_or_default();
        if told.len() == 2 && told.iter().all(|told| told["permalink"].is_string()) {
            break told;
        }
        assert!(Instant::now() < deadline, "no link: {incidents}");
        std::thread::yield_now();
    };
    for told in &told {
        let link = told["permalink"].as_str().expect("a link");
        assert!(link.starts_with("https://ops.slack.com/archives/C") && link.contains("/p1"), "{told}");
        assert!(told["at"].is_string(), "{told}");
    }
    assert_ne!(told[0]["permalink"], told[1]["permalink"]);
    let (_, status) = ask(&socket, "GET", "/api/v1/status", None);
    assert_eq!(status["incidents"][0]["told"], json!(told));
    let asked = slack.requests().iter().filter(|request| request.method() == "auth.test").count();
    assert_eq!(asked, 1, "Slack is asked once");
}

#[test]
fn a_control_socket_that_is_taken_away_is_made_again() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "reload = \"signal\"\n"),
        ("jobs.d/x.toml", "command = \"true\"\nevery = \"30d\"\nfirst_run = \"wait\"\n"),
    ]);
    let mut going = sandbox.start(&["run", "-v"]);
    going.wait_for("listening for commands");
    let (run, socket) = (sandbox.path().join("run"), sandbox.path().join("run/control.sock"));
    let takes: [(&str, &dyn Fn()); 3] = [
        ("it alone", &|| fs::remove_file(&socket).expect("it is there")),
        ("its folder", &|| fs::remove_dir_all(&run).expect("it is there")),
        ("its folder, moved", &|| fs::rename(&run, sandbox.path().join("elsewhere")).expect("it is there")),
    ];
    for (what, take) in takes {
        take();
        going.wait_for("the control socket was removed, and is made again");
        let ran = sandbox.run(&["status"]);
        assert_eq!(ran.code, 0, "{what}: {ran:?}");
        let other = sandbox.run(&["run"]);
        assert_ne!(other.code, 0, "{what}: one daemon is enough: {other:?}");
    }
    going.signal("TERM");
    assert!(going.end().0.success());
    assert!(!socket.exists(), "it is removed at the end");
}

#[test]
fn a_file_with_a_line_end_in_its_name_has_not_changed_when_it_has_not() {
    let (sandbox, _going, _socket) =
        daemon(&[("slack_alert.toml", ""), ("jobs.d/new\nline.toml", JOB), ("jobs.d/a\ttab.toml", JOB)]);
    for arguments in [&["list"][..], &["next"], &["why", "new\nline"]] {
        let ran = sandbox.run(arguments);
        assert!(ran.code == 0 && !ran.stderr.contains("changed"), "{arguments:?}: {ran:?}");
    }
}
