//! The status page over real sockets: who may ask, what is shown, metrics with Prometheus' own tools, a real browser.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::support::program::{Going, PATIENCE, Sandbox};
use crate::support::skip::skip;

/// What a server answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Sends a request with these lines of headers.
fn ask(address: &str, first: &str, headers: &[&str], body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).expect("the page is served");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time can be set");
    exchange(&mut stream, address, first, headers, body)
}

fn exchange(stream: &mut (impl Read + Write), host: &str, first: &str, headers: &[&str], body: &str) -> Answer {
    let own_host = headers.iter().any(|header| header.to_ascii_lowercase().starts_with("host:"));
    let mut request = format!("{first} HTTP/1.1\r\nconnection: close\r\n");
    if !own_host {
        request.push_str(&format!("host: {host}\r\n"));
    }
    for header in headers {
        request.push_str(&format!("{header}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("there is an answer");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer has a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

fn get(address: &str, path: &str) -> Answer {
    ask(address, &format!("GET {path}"), &[], "")
}

/// A daemon whose page is served: its address.
fn served(sandbox: &Sandbox) -> (Going, String) {
    let mut daemon = sandbox.start(&["run"]);
    let line = daemon.wait_for("the status page is served");
    let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address").to_owned();
    (daemon, address)
}

/// Asks again until the answer is as wanted.
fn until(address: &str, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = get(address, path);
        if wanted(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{path} did not become as wanted: {answer:?}");
        std::thread::yield_now();
    }
}

const QUIET: &str = "command = 'true'\nevery = '1h'\ntimeout = '1m'\n";

#[test]
fn a_page_answers_to_its_own_names_only_and_lets_browsers_load_nothing_from_elsewhere() {
    let sandbox = Sandbox::with(&[
        (
            "slack_alert.toml",
            "host = 'web-1'\n[http]\nlisten = '127.0.0.1:0'\nhosts = ['ops.example.com']\npublic_url = 'https://page.example.com/alerts'\n",
        ),
        ("jobs.d/quiet.toml", QUIET),
    ]);
    let (_daemon, address) = served(&sandbox);
    for (host, status) in [
        (address.as_str(), 200),
        ("localhost:9187", 200),
        ("web-1", 200),
        ("ops.example.com", 200),
        ("page.example.com", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("192.0.2.1", 421),
        ("", 421),
    ] {
        for path in ["/", "/metrics", "/api/v1/status", "/healthz", "/api/v1/events-not-there"] {
            let answer = ask(&address, &format!("GET {path}"), &[&format!("Host: {host}")], "");
            let wanted = if status == 200 && path.ends_with("there") { 404 } else { status };
            assert_eq!(answer.status, wanted, "{host} {path}: {answer:?}");
        }
    }
    let twice = ask(&address, "GET /", &["Host: localhost", "Host: evil.example"], "");
    assert_eq!(twice.status, 400, "two names are none: {twice:?}");
    let absolute = ask(&address, "GET http://evil.example/", &["Host: localhost"], "");
    assert_eq!(absolute.status, 421, "a name in the first line counts too: {absolute:?}");
    for path in ["/", "/alerts/", "/nothing", "/metrics"] {
        let answer = get(&address, path);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}: {answer:?}");
        }
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert_eq!((answer.header("access-control-allow-origin"), answer.header("set-cookie")), (None, None));
    }
    let page = get(&address, "/alerts/").body.replace("&#x2f;", "/");
    assert!(page.contains("href=\"/alerts/job/quiet\"") && !page.contains("href=\"/job/quiet\""), "{page}");
    assert!(!page.contains(" style=") && !page.contains("<style") && !page.contains("onclick"), "{page}");
    let script = page.split("src=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a script");
    let kept = get(&address, script);
    assert_eq!(kept.status, 200);
    assert!(kept.header("cache-control").is_some_and(|kept| kept.contains("immutable")), "{kept:?}");
    let tag = format!("If-None-Match: {}", kept.header("etag").expect("a tag"));
    assert_eq!(ask(&address, &format!("GET {script}"), &[&tag], "").status, 304);
}

#[test]
fn a_page_that_only_shows_takes_no_other_method() {
    let sandbox =
        Sandbox::with(&[("slack_alert.toml", "[http]\nlisten = '127.0.0.1:0'\n"), ("jobs.d/quiet.toml", QUIET)]);
    let (_daemon, address) = served(&sandbox);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"] {
        for path in ["/", "/api/v1/trigger", "/api/v1/holds", "/healthz", "/nothing"] {
            let answer = ask(&address, &format!("{method} {path}"), &[], "");
            assert_eq!(answer.status, 405, "{method} {path}: {answer:?}");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"));
        }
    }
    let ping = get(&address, "/ping/quiet");
    assert!(matches!(ping.status, 403 | 404), "a ping needs a token: {ping:?}");
    assert_eq!(ask(&address, "HEAD /", &[], "").body, "");
}

#[test]
fn without_the_token_nothing_is_told_but_health() {
    let token = "a-token-of-the-page";
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "[http]\nlisten = '127.0.0.1:0'\ntoken_file = 'token'\n"),
        ("token", &format!("{token}\n")),
        ("jobs.d/quiet.toml", "command = 'env; true'\nevery = '1h'\ntimeout = '1m'\n"),
    ]);
    let (_daemon, address) = served(&sandbox);
    let basic = |text: &str| {
        use base64::Engine as _;
        format!("Authorization: Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
    };
    let bearer = format!("Authorization: Bearer {token}");
    for (header, status) in [
        ("X-Nothing: 1".to_owned(), 401),
        ("Authorization: Bearer".to_owned(), 401),
        ("Authorization: Bearer a-token-of-the-pagE".to_owned(), 401),
        ("Authorization: Bearer a-token-of-the-page2".to_owned(), 401),
        ("Authorization: Bearer a-token-of-the-pag".to_owned(), 401),
        (format!("Authorization: Digest {token}"), 401),
        (format!("Authorization: {token}"), 401),
        (format!("Cookie: token={token}"), 401),
        (basic("dana:wrong"), 401),
        (basic(token), 401),
        ("Authorization: Basic !!!".to_owned(), 401),
        (bearer.clone(), 200),
        (format!("authorization: bearer {token}"), 200),
        (basic(&format!("dana:{token}")), 200),
        (basic(&format!(":{token}")), 200),
    ] {
        for path in ["/", "/metrics", "/api/v1/jobs", "/run/1", "/job/quiet", "/outbox", "/next"] {
            let answer = ask(&address, &format!("GET {path}"), &[&header], "");
            let wanted = if status == 200 && path == "/run/1" { answer.status } else { status };
            assert_eq!(answer.status, wanted, "{header} {path}: {answer:?}");
            if status == 401 {
                assert!(answer.header("www-authenticate").is_some_and(|ask| ask.starts_with("Basic ")), "{answer:?}");
                assert!(!answer.body.contains("quiet") && !answer.body.contains(token), "{answer:?}");
            }
        }
    }
    let health = get(&address, "/healthz");
    assert_eq!((health.status, health.body.as_str()), (200, "ok\n"));
    assert_eq!(get(&address, "/readyz").status, 200);
    let foreign = ask(&address, "GET /healthz", &["Host: evil.example"], "");
    assert_eq!(foreign.status, 421, "health has its own name too");
}

#[test]
fn a_change_needs_control_the_token_and_the_pages_own_origin() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "[http]\nlisten = '127.0.0.1:0'\ntoken_file = 'token'\ncontrol = true\n"),
        ("token", "a-token-of-the-page\n"),
        ("jobs.d/quiet.toml", QUIET),
        ("jobs.d/elsewhere.toml", "expect = { every = '1d', grace = '1h' }\n"),
        ("jobs.d/bad.toml", "command = 'true'\nevry = '1h'\n"),
    ]);
    let (_daemon, address) = served(&sandbox);
    let token = "Authorization: Bearer a-token-of-the-page";
    let own = format!("Origin: http://{address}");
    let by_https = format!("Origin: https://{address}");
    let body = "{\"kind\":\"silence\",\"pattern\":\"quiet\",\"for\":\"1h\"}";
    let refused = [
        (vec![own.as_str()], 401),
        (vec![token], 403),
        (vec![token, "Origin: https://evil.example"], 403),
        (vec![token, "Origin: null"], 403),
        (vec![token, &by_https], 403),
        (vec![token, &own, "X-Forwarded-Proto: https"], 403),
        (vec![token, &own, "Sec-Fetch-Site: cross-site"], 403),
        (vec![token, &own, "Sec-Fetch-Site: same-site"], 403),
        (vec![token, &own, "Sec-Fetch-Site: none"], 403),
        (vec![token, &own, "Host: evil.example"], 421),
    ];
    for (headers, status) in refused {
        for path in ["/api/v1/holds", "/api/v1/trigger", "/api/v1/reload"] {
            let answer = ask(&address, &format!("POST {path}"), &headers, body);
            assert_eq!(answer.status, status, "{headers:?} {path}: {answer:?}");
        }
        assert_eq!(ask(&address, "DELETE /api/v1/holds/1", &headers, "").status, status, "{headers:?}");
    }
    assert!(get(&address, "/api/v1/holds").status == 401);
    let put = ask(&address, "PUT /api/v1/holds", &[token, &own], body);
    assert_eq!(put.status, 405, "{put:?}");
    let page = ask(&address, "GET /job/quiet", &[token], "").body;
    assert!(page.contains("data-act=\"trigger\""), "the page has its buttons");
    for job in ["elsewhere", "bad"] {
        let page = ask(&address, &format!("GET /job/{job}"), &[token], "").body;
        assert!(
            page.contains("data-act=\"pause\"") && !page.contains("data-act=\"trigger\""),
            "it can only be refused"
        );
    }
    let browser = [token, &own, "Sec-Fetch-Site: same-origin", "Content-Type: application/json"];
    let silenced = ask(&address, "POST /api/v1/holds", &browser, body);
    assert_eq!(silenced.status, 201, "{silenced:?}");
    let holds = ask(&address, "GET /api/v1/holds", &[token], "").body;
    assert!(holds.contains("\"silence\"") && holds.contains("\"quiet\""), "{holds}");
    // Behind a proxy that speaks HTTPS.
    let proxied = [token, &by_https, "X-Forwarded-Proto: https", "Content-Type: application/json"];
    let again = ask(&address, "POST /api/v1/holds", &proxied, body);
    assert_eq!(again.status, 201, "{again:?}");
    let run = ask(&address, "POST /api/v1/trigger", &browser, "{\"job\":\"quiet\"}");
    assert!(matches!(run.status, 202 | 409), "it starts, or its first run goes on: {run:?}");
}

#[test]
fn a_ping_needs_the_token_and_comes_from_no_other_site() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "[http]\nlisten = '127.0.0.1:0'\ntoken_file = 'token'\n"),
        ("token", "a-token-of-the-page\n"),
        ("jobs.d/db/backup.toml", "expect = { every = '1d', grace = '1h' }\n"),
    ]);
    let (_daemon, address) = served(&sandbox);
    let (token, own) = ("Authorization: Bearer a-token-of-the-page", format!("Origin: http://{address}"));
    for (headers, status) in [
        (vec![], 401),
        (vec!["Authorization: Bearer another"], 401),
        (vec![token], 200),
        // `x:a-token-of-the-page`
        (vec!["Authorization: Basic eDphLXRva2VuLW9mLXRoZS1wYWdl"], 200),
        (vec![token, &own], 200),
        (vec![token, "Origin: https://evil.example"], 403),
        (vec![token, "Origin: null"], 403),
        (vec![token, "Sec-Fetch-Site: cross-site"], 403),
    ] {
        for request in ["GET /ping/db/backup", "HEAD /ping/db/backup/start", "POST /ping/db/backup/0"] {
            let answer = ask(&address, request, &headers, "");
            assert_eq!(answer.status, status, "{request} {headers:?}: {answer:?}");
        }
    }
}

#[test]
fn a_port_that_is_taken_stops_nothing_and_is_tried_again() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it has an address").to_string();
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", &format!("[http]\nlisten = ['{address}', 'unix:page.sock']\n")),
        ("jobs.d/quiet.toml", "command = 'echo said'\nevery = '1h'\ntimeout = '1m'\n"),
    ]);
    let mut daemon = sandbox.start(&["run"]);
    let line = daemon.wait_for("the status page cannot be served here");
    assert!(line.contains(&address) && line.contains("tried again"), "{line}");
    daemon.wait_for("said");
    let mut socket = UnixStream::connect(sandbox.path().join("page.sock")).expect("the other address is served");
    assert_eq!(exchange(&mut socket, "localhost", "GET /healthz", &[], "").status, 200);
    drop(taken);
    daemon.wait_for(&format!("http://{address}/"));
    assert_eq!(get(&address, "/healthz").status, 200);
    daemon.signal("TERM");
    let (status, said) = daemon.end();
    assert!(status.success(), "{said}");
    assert!(!sandbox.path().join("page.sock").exists(), "the socket is gone with the daemon");
}

#[test]
fn a_reload_moves_the_page_and_takes_another_token() {
    let config = |listen: &str| format!("[http]\nlisten = {listen}\ntoken_file = 'token'\n");
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", &config("['127.0.0.1:0', 'unix:page.sock']")),
        ("token", "the-first-token"),
        ("jobs.d/quiet.toml", QUIET),
    ]);
    let mut daemon = sandbox.start(&["run"]);
    daemon.wait_for("the status page is served");
    daemon.wait_for("the status page is served");
    let bearer = |token: &str| {
        let mut socket = UnixStream::connect(sandbox.path().join("page.sock")).expect("it is served");
        exchange(&mut socket, "localhost", "GET /", &[&format!("Authorization: Bearer {token}")], "").status
    };
    assert_eq!((bearer("the-first-token"), bearer("another-token")), (200, 401));
    sandbox.file("token", "another-token");
    sandbox.file("slack_alert.toml", &config("'unix:page.sock'"));
    daemon.signal("HUP");
    daemon.wait_for("reloaded");
    let deadline = Instant::now() + PATIENCE;
    while bearer("another-token") != 200 {
        assert!(Instant::now() < deadline, "the new token is not taken");
    }
    assert_eq!(bearer("the-first-token"), 401);
}

/// A job with a name and an output that would be markup, were they not escaped.
fn hostile(sandbox: &Sandbox) {
    let command = r#"printf '\000\001\007\010\033[31m</pre><script>alert(1)</script><img src=x onerror=alert(2)>\377\r\n'; exit 2"#;
    let text = format!(
        "command = ['/bin/sh', '-c', {}]\nevery = '1h'\ntimeout = '1m'\ndescription = '<b onmouseover=x>\"'\ntags = ['<i>']\n",
        serde_json::to_string(command).expect("text is JSON")
    );
    sandbox.file("jobs.d/</script><img onerror=x>.toml", &text);
}

#[test]
fn what_commands_print_and_how_jobs_are_named_is_text_and_no_markup() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "[http]\nlisten = '127.0.0.1:0'\n")]);
    hostile(&sandbox);
    let (_daemon, address) = served(&sandbox);
    until(&address, "/api/v1/runs", |answer| answer.body.contains("\"status\":\"critical\""));
    let job = "/job/%3C/script%3E%3Cimg%20onerror%3Dx%3E";
    for path in
        ["/", job, "/run/1", "/outbox", "/next", "/job/%3Csvg%20onload=x%3E", "/run/%3Cx%3E", "/?job=%22%3E%3Cx%3E"]
    {
        let answer = get(&address, path);
        assert!(matches!(answer.status, 200 | 404), "{path}: {answer:?}");
        for markup in
            ["<img src=x", "<img onerror", "<script>", "<svg onload", "<b onmouse", "<i>", "<x>", "alert(1)</script>"]
        {
            assert!(!answer.body.contains(markup), "{path} has {markup}: {}", answer.body);
        }
        let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\r');
        assert!(!answer.body.contains(odd), "{path} has control characters");
    }
    assert!(get(&address, "/").body.contains("&lt;&#x2f;script&gt;&lt;img onerror=x&gt;"));
    let raw = get(&address, "/run/1/stdout");
    assert_eq!(raw.header("content-type"), Some("text/plain; charset=utf-8"), "{raw:?}");
    assert!(raw.header("content-security-policy").is_some_and(|policy| policy.starts_with("sandbox")), "{raw:?}");
    assert!(raw.body.contains("<script>alert(1)</script>"), "as text it is what it was: {raw:?}");
}

#[test]
fn nothing_that_a_command_printed_is_shown_where_output_is_not() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "[http]\nlisten = '127.0.0.1:0'\nshow_output = false\n"),
        (
            "jobs.d/db.toml",
            "command = 'echo password-in-the-output; echo oh-dear-me >&2; exit 2'\nevery = '1h'\ntimeout = '1m'\n",
        ),
        ("jobs.d/bad.toml", "command = 'true'\nevery = '1h'\nsecret_key_here = 1\n"),
        ("jobs.d/gone.toml", "command = ['/nowhere/program-that-is-not-there']\nevery = '1h'\ntimeout = '1m'\n"),
        (
            "jobs.d/keyed.toml",
            "command = \"echo '::slack-alert key=said-key'; echo '::slack-alert status=critical'\"\nevery = '1h'\n\
             timeout = '1m'\ndirectives = true\n",
        ),
    ]);
    let (_daemon, address) = served(&sandbox);
    until(&address, "/api/v1/runs", |answer| answer.body.matches("\"status\":\"critical\"").count() == 3);
    for path in [
        "/",
        "/job/db",
        "/job/gone",
        "/job/keyed",
        "/run/2",
        "/run/3",
        "/api/v1/jobs/gone",
        "/api/v1/why/gone",
        "/api/v1/why/keyed",
        "/run/1",
        "/run/1/stdout",
        "/outbox",
        "/metrics",
        "/api/v1/status",
        "/api/v1/jobs",
        "/api/v1/jobs/db",
        "/api/v1/runs",
        "/api/v1/runs/1",
        "/api/v1/incidents",
        "/api/v1/outbox",
        "/api/v1/why/db",
    ] {
        let body = get(&address, path).body;
        for secret in
            ["password-in-the-output", "oh-dear-me", "echo", "secret_key_here", "program-that-is-not", "said-key"]
        {
            assert!(!body.contains(secret), "{path} has {secret}: {body}");
        }
    }
    assert_eq!(get(&address, "/run/1/stdout").status, 403);
}

#[test]
fn a_run_that_waits_for_a_lock_is_seen_on_the_pages_and_in_the_sentence_of_the_api() {
    let job = |command: &str| format!("command = '{command}'\nevery = '1h'\ntimeout = '5m'\nlock = 'L'");
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "http.listen = '127.0.0.1:0'\nlimits.shutdown_grace = '1s'"),
        ("jobs.d/a.toml", &job("sleep 300")),
        ("jobs.d/b.toml", &job("true")),
    ]);
    let (daemon, address) = served(&sandbox);
    let (waits, holds) = ("waits for the lock L", "run 1 of a holds the lock L");
    until(&address, "/", |page| page.body.contains(waits));
    for path in ["/job/b", "/api/v1/why/b"] {
        let shown = get(&address, path).body;
        assert!(shown.contains(waits) && shown.contains(holds), "{path}: {shown}");
    }
    assert!(!get(&address, "/job/a").body.contains(waits));
    daemon.signal("TERM");
    daemon.end();
}

#[test]
fn an_event_tells_of_a_run_that_ended() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "[http]\nlisten = '127.0.0.1:0'\n"),
        ("jobs.d/tick.toml", "command = 'true'\nevery = '1s'\ntimeout = '1m'\n"),
    ]);
    let (_daemon, address) = served(&sandbox);
    let mut stream = TcpStream::connect(&address).expect("the page is served");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time can be set");
    let request = format!("GET /api/v1/events HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is sent");
    let (mut seen, mut buffer) = (String::new(), [0; 1024]);
    while !seen.contains("event: changed") {
        let read = stream.read(&mut buffer).expect("an event comes");
        assert!(read > 0, "the stream ended: {seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    assert!(seen.contains("text/event-stream") && seen.contains("\"job\":\"tick\""), "{seen}");
    assert!(seen.contains("x-accel-buffering: no"), "a proxy such as nginx holds events back: {seen}");
}

#[test]
fn browsers_that_ask_at_one_time_share_what_is_rendered() {
    let sandbox =
        Sandbox::with(&[("slack_alert.toml", "[http]\nlisten = '127.0.0.1:0'\n"), ("jobs.d/quiet.toml", QUIET)]);
    let (_daemon, address) = served(&sandbox);
    let mut streams: Vec<TcpStream> =
        (0..60).map(|_| TcpStream::connect(&address).expect("the page is served")).collect();
    let request = format!("GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    for stream in &mut streams {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time can be set");
        stream.write_all(request.as_bytes()).expect("it is sent");
    }
    let mut rendered = std::collections::BTreeSet::new();
    for mut stream in streams {
        let mut page = String::new();
        stream.read_to_string(&mut page).expect("a page");
        let at = page.split("id=\"asof\" datetime=\"").nth(1).and_then(|rest| rest.split('"').next());
        rendered.insert(at.expect("a time").to_owned());
    }
    assert!(rendered.len() < 40, "{} renderings for 60 browsers", rendered.len());
}

#[test]
fn the_next_day_is_shown_of_jobs_that_run_every_few_seconds_and_a_stop_waits_for_nobody_who_looks() {
    let fast = "command = 'true'\nevery = '1s'\ntimeout = '1m'\nfirst_run = 'wait'\n";
    let names: Vec<String> = (0..40).map(|number| format!("jobs.d/fast-{number}.toml")).collect();
    let mut files = vec![("slack_alert.toml", "[http]\nlisten = '127.0.0.1:0'\n")];
    files.extend(names.iter().map(|name| (name.as_str(), fast)));
    let sandbox = Sandbox::with(&files);
    let (daemon, address) = served(&sandbox);
    let page = get(&address, "/next");
    assert_eq!(page.status, 200);
    // 40 jobs a second for a day, less what is left of the last interval.
    let headline = page.body.split("<h1>").nth(1).and_then(|rest| rest.split("</h1>").next()).expect("a headline");
    let number: String = headline.chars().filter(char::is_ascii_digit).collect();
    let number: i64 = number.strip_suffix("24").expect("within 24 hours").parse().expect("a number");
    assert!((number - 40 * 86_400).abs() < 40 * 900, "{headline}");
    let asking: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).expect("the page is served");
            stream.write_all(format!("GET /next HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).expect("it is sent");
            stream
        })
        .collect();
    daemon.signal("TERM");
    let (status, said) = daemon.end();
    assert!(status.success(), "{said}");
    drop(asking);
}

#[test]
fn of_more_runs_than_can_be_counted_the_next_day_is_an_estimate_and_says_so() {
    let names: Vec<String> = (0..300).map(|number| format!("jobs.d/often-{number:03}.toml")).collect();
    let mut files = vec![("slack_alert.toml", "[http]\nlisten = '127.0.0.1:0'\n")];
    // Half of them, and those that come first, run twice as often.
    let job = |every: &str| format!("command = 'true'\nevery = '{every}'\ntimeout = '1m'\nfirst_run = 'wait'\n");
    let (often, seldom) = (job("1m"), job("2m"));
    files.extend(names.iter().enumerate().map(|(at, name)| (name.as_str(), if at < 150 { &*often } else { &*seldom })));
    let sandbox = Sandbox::with(&files);
    let (_daemon, address) = served(&sandbox);
    let page = get(&address, "/next");
    let headline = page.body.split("<h1>").nth(1).and_then(|rest| rest.split("</h1>").next()).expect("a headline");
    assert!(headline.contains("About "), "{headline}");
    let number: String = headline.chars().filter(char::is_ascii_digit).collect();
    let number: i64 = number.strip_suffix("24").expect("within 24 hours").parse().expect("a number");
    let all = 150 * 1_440 + 150 * 720;
    assert!((number - all).abs() < all / 20, "{headline}: {all}");
}

#[test]
fn probes_odd_addresses_and_pages_elsewhere_are_answered_as_they_should_be() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "[http]\nlisten = '127.0.0.1:0'\ntoken_file = 'token'\n"),
        ("token", "a-token-of-the-page"),
        ("jobs.d/db.toml", "expect = { every = '1d', grace = '1h' }\ntimeout = '1m'\n"),
    ]);
    let (_daemon, address) = served(&sandbox);
    // A load balancer's probe names no host.
    let mut stream = TcpStream::connect(&address).expect("the page is served");
    stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    // Cookies of other services.
    let cookies = format!("cookie: a={}", "x".repeat(20_000));
    assert_eq!(ask(&address, "GET /healthz", &[&cookies], "").status, 200);
    let bearer = "authorization: Bearer a-token-of-the-page";
    for path in ["/api/v1/jobs/%ff", "/api/v1/why/%ff", "/job/%ff", "/run/%ff", "/ping/%ff"] {
        let answer = ask(&address, &format!("GET {path}"), &[bearer], "");
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (400, Some("application/json")),
            "{path}: {answer:?}"
        );
    }
    // A link on a page elsewhere, followed by a browser that knows the token.
    let browser = ["authorization: Basic dTphLXRva2VuLW9mLXRoZS1wYWdl", "accept: text/html,*/*"];
    assert_eq!(ask(&address, "GET /ping/db", &browser, "").status, 403);
    assert_eq!(ask(&address, "GET /ping/db", &[bearer, "accept: */*"], "").status, 200);
}

#[test]
fn the_first_message_that_slack_does_not_take_is_a_warning_with_the_error() {
    let config =
        "[http]\nlisten = '127.0.0.1:0'\n[slack]\ntoken = 'xoxb-0'\napi_url = 'http://127.0.0.1:1'\nchannel = '#ops'\n";
    let sandbox =
        Sandbox::with(&[("slack_alert.toml", config), ("jobs.d/bad.toml", "command = 'exit 3'\nevery = '1h'\n")]);
    let (_daemon, address) = served(&sandbox);
    let page = until(&address, "/", |page| page.body.contains("; last error: "));
    let fact = page.body.split("<li class=\"warning\">").nth(1).unwrap_or_default();
    assert!(fact.contains(">1 message waits for Slack, the oldest for "), "{}", page.body);
    assert!(page.body.contains("told nobody yet (its message waits)"), "{}", page.body);
    assert!(get(&address, "/outbox").body.contains("<p class=\"line\">"), "the error stands there too");
}

/// Every family that is promised.
const FAMILIES: &[&str] = &[
    "slack_alert_build_info{version=",
    "slack_alert_jobs{state=\"critical\"} 1",
    "slack_alert_jobs{state=\"not-loaded\"} 0",
    "slack_alert_jobs{state=\"disabled\"} 1",
    "slack_alert_config_last_reload_successful 1",
    "slack_alert_config_last_reload_success_timestamp_seconds ",
    "slack_alert_job_runs_total{job_name=\"db/backup\",status=\"critical\"} 1",
    "slack_alert_job_runs_total{job_name=\"db/backup\",status=\"ok\"} 0",
    "slack_alert_job_runs_total{job_name=\"later\",status=\"ok\"} 0",
    "slack_alert_job_skips_total{job_name=\"later\",reason=\"still-running\"} 0",
    "slack_alert_job_skips_total{job_name=\"later\",reason=\"paused\"} 0",
    "slack_alert_job_skips_total{job_name=\"later\",reason=\"working-hours\"} 0",
    "slack_alert_job_skips_total{job_name=\"later\",reason=\"missed\"} 0",
    "slack_alert_job_run_duration_seconds_count{job_name=\"db/backup\"} 1",
    "slack_alert_job_run_duration_seconds_sum{job_name=\"db/backup\"} ",
    "slack_alert_run_duration_seconds_bucket{le=\"+Inf\"} 1",
    "slack_alert_job_last_run_status{job_name=\"db/backup\"} 2",
    "slack_alert_job_last_run_status{job_name=\"later\"} 0",
    "slack_alert_job_last_run_duration_seconds{job_name=\"db/backup\"} ",
    "slack_alert_job_last_run_timestamp_seconds{job_name=\"db/backup\"} 1",
    "slack_alert_job_last_success_timestamp_seconds{job_name=\"db/backup\"} 0",
    "slack_alert_job_next_run_timestamp_seconds{job_name=\"later\"} 1",
    "slack_alert_job_running{job_name=\"db/backup\"} 0",
    "slack_alert_runs_running 0",
    "slack_alert_runs_waiting 0",
    "slack_alert_run_lateness_seconds_count ",
    "slack_alert_incidents_open{status=\"critical\"} 1",
    "slack_alert_incidents_unacknowledged 1",
    "slack_alert_alerts_total{event=\"failure\"} 1",
    "slack_alert_alerts_suppressed_total{reason=\"quiet-hours\"} 0",
    "slack_alert_alerts_suppressed_total{reason=\"unchanged\"} 0",
    "slack_alert_alerts_suppressed_total{reason=\"blank\"} 0",
    "slack_alert_alerts_suppressed_total{reason=\"not-asked\"} 0",
    "slack_alert_alerts_suppressed_total{reason=\"never-reported\"} 0",
    "slack_alert_outbox_messages{state=\"waiting\"} 0",
    "slack_alert_outbox_messages{state=\"late\"} 0",
    "slack_alert_outbox_messages{state=\"dead\"} 0",
    "slack_alert_deliveries_total{result=\"delivered\"} ",
    "slack_alert_deliveries_total{result=\"refused\"} 0",
    "slack_alert_holds{kind=\"pause\"} 0",
    "process_cpu_seconds_total ",
    "process_resident_memory_bytes ",
    "process_open_fds ",
    "process_max_fds ",
    "process_start_time_seconds 1",
];

fn with_metrics() -> Sandbox {
    Sandbox::with(&[
        ("slack_alert.toml", "[http]\nlisten = '127.0.0.1:0'\n"),
        ("jobs.d/db/backup.toml", "command = 'exit 2'\nevery = '1h'\ntimeout = '1m'\n"),
        ("jobs.d/later.toml", "command = 'true'\nevery = '1h'\nfirst_run = 'wait'\ntimeout = '1m'\n"),
        ("jobs.d/o\"dd\\name.toml", "command = 'true'\nevery = '1h'\nfirst_run = 'wait'\ntimeout = '1m'\n"),
        ("jobs.d/off.toml", "command = 'exit 2'\nevery = '1h'\nenabled = false\ntimeout = '1m'\n"),
        ("jobs.d/nightly.toml", "[expect]\nevery = '1d'\ngrace = '3h'\n"),
    ])
}

/// The value of a series that is there once.
fn value(metrics: &str, series: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{series} is not in\n{metrics}"))
}

#[test]
fn metrics_know_pauses_and_which_reading_was_a_success() {
    let sandbox = with_metrics();
    let (_daemon, address) = served(&sandbox);
    let read = "slack_alert_config_last_reload_success_timestamp_seconds";
    let before = value(&get(&address, "/metrics").body, read);
    for job in ["later", "nightly"] {
        let paused = sandbox.run(&["pause", job, "5h"]);
        assert_eq!(paused.code, 0, "{paused:?}");
    }
    sandbox.file("jobs.d/bad.toml", "command = 'true'\nevry = '1h'\n");
    sandbox.run(&["reload"]);
    let metrics = get(&address, "/metrics").body;
    assert_eq!(value(&metrics, "slack_alert_config_last_reload_successful").to_bits(), 0.0_f64.to_bits());
    assert_eq!(value(&metrics, read).to_bits(), before.to_bits(), "a reading with an error is no success");
    let next = |job: &str| {
        let at = value(&metrics, &format!("slack_alert_job_next_run_timestamp_seconds{{job_name=\"{job}\"}}"));
        (at - jiff::Timestamp::now().as_second() as f64) / 3_600.0
    };
    assert!((4.9..=6.1).contains(&next("later")), "in {} hours", next("later"));
    // By when it has to come.
    assert!(next("nightly") > 26.5, "in {} hours", next("nightly"));
}

/// Whether a program can be run here.
fn is_here(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

#[test]
fn metrics_have_every_promised_series_from_the_start_and_promtool_finds_nothing() {
    let sandbox = with_metrics();
    let (_daemon, address) = served(&sandbox);
    let metrics = until(&address, "/metrics", |answer| {
        answer.body.contains("job_name=\"db/backup\",status=\"critical\"} 1")
            && answer.body.contains("outbox_messages{state=\"waiting\"} 0")
    });
    assert!(metrics.body.contains("{job_name=\"o\\\"dd\\\\name\",status=\"ok\"} "), "{}", metrics.body);
    // A job that is not enabled fires no alert; its runs, which people ask for, are counted.
    let of_off: Vec<&str> = metrics.body.lines().filter(|line| line.contains("job_name=\"off\"")).collect();
    let counts = ["_total{", "_sum{", "_count{"];
    assert!(!of_off.is_empty() && of_off.iter().all(|line| counts.iter().any(|of| line.contains(of))), "{of_off:?}");
    // An expected run is overdue when its grace is over: JobStale goes by this.
    let latest = metrics.body.lines().find_map(|line| {
        line.strip_prefix("slack_alert_job_next_run_timestamp_seconds{job_name=\"nightly\"} ")?.parse::<f64>().ok()
    });
    let hours = (latest.expect("a time") - jiff::Timestamp::now().as_second() as f64) / 3_600.0;
    assert!((26.5..=27.1).contains(&hours), "in {hours} hours");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for family in FAMILIES {
        assert!(metrics.body.lines().any(|line| line.starts_with(family)), "{family} is not in\n{}", metrics.body);
    }
    if !is_here("promtool") {
        return skip("promtool is not here: apt-get install prometheus");
    }
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("promtool starts");
    promtool.stdin.take().expect("it reads").write_all(metrics.body.as_bytes()).expect("it reads all");
    let told = promtool.wait_with_output().expect("it ends");
    let words = [told.stdout, told.stderr].concat();
    assert!(told.status.success() && words.is_empty(), "{}", String::from_utf8_lossy(&words));
}

#[test]
fn the_alerting_rules_fire_when_they_should_and_not_before() {
    if !is_here("promtool") {
        return skip("promtool is not here: apt-get install prometheus");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for arguments in [
        ["check", "rules", "packaging/slack-alert.rules.yml"],
        ["test", "rules", "tests/fixtures/slack-alert.rules.test.yml"],
    ] {
        let told = Command::new("promtool").args(arguments).current_dir(root).output().expect("promtool starts");
        assert!(told.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&told.stdout));
    }
}

#[test]
fn what_rules_and_dashboard_ask_for_is_there() {
    let sandbox = with_metrics();
    let (_daemon, address) = served(&sandbox);
    let metrics = get(&address, "/metrics").body;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    for file in ["slack-alert.rules.yml", "slack-alert.dashboard.json"] {
        let text = fs::read_to_string(root.join(file)).expect("it is there");
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        let names = text
            .match_indices("slack_alert_")
            .map(|(at, _)| text[at..].split(|c| !is_name(c)).next().expect("a split has a part").to_owned());
        for name in names {
            assert!(metrics.contains(&format!("\n{name}")), "{file} asks for {name}");
        }
    }
}

#[test]
fn a_real_prometheus_scrapes_the_daemon_and_fires_the_shipped_rules() {
    if !is_here("prometheus") {
        return skip("prometheus is not here: apt-get install prometheus");
    }
    let sandbox = with_metrics();
    let (_daemon, address) = served(&sandbox);
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
    let own = format!("127.0.0.1:{port}");
    // The rules as they are shipped, but for the minutes that they wait.
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/slack-alert.rules.yml");
    let rules =
        fs::read_to_string(rules).expect("the rules").replace("for: 15m", "for: 1s").replace("for: 5m", "for: 1s");
    sandbox.file("slack-alert.rules.yml", &rules);
    let config = sandbox.file(
        "prometheus.yml",
        &format!("global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [slack-alert.rules.yml]\nscrape_configs:\n  - job_name: slack-alert\n    static_configs: [{{ targets: ['{address}'] }}]\n"),
    );
    let _prometheus = sandbox.start_with(|command| {
        *command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", sandbox.path().join("tsdb").display()))
            .arg(format!("--web.listen-address={own}"))
            .current_dir(sandbox.path());
    });
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(&own).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).expect("a time can be set");
        Some(exchange(&mut stream, &own, &format!("GET {path}"), &[], ""))
    };
    let deadline = Instant::now() + PATIENCE;
    let query = "/api/v1/query?query=slack_alert_job_last_run_status%7Bjob_name%3D%22db%2Fbackup%22%7D";
    loop {
        assert!(Instant::now() < deadline, "Prometheus has nothing of it");
        let Some(answer) = ask(query) else { continue };
        if answer.body.contains("\"job_name\":\"db/backup\"") && answer.body.contains(",\"2\"]") {
            assert!(answer.body.contains("\"job\":\"slack-alert\""), "the scrape's own label stays: {answer:?}");
            break;
        }
    }
    // Before the first scrape nothing answered, which is DaemonDown.
    let failing = loop {
        let answer = ask("/api/v1/alerts").expect("it answers");
        let alerts: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        let all = alerts["data"]["alerts"].as_array().expect("a list").clone();
        let failing: Vec<serde_json::Value> =
            all.into_iter().filter(|alert| alert["labels"]["alertname"] == "JobFailing").collect();
        if failing.iter().any(|alert| alert["state"] == "firing") {
            break failing;
        }
        assert!(Instant::now() < deadline, "nothing fires: {answer:?}");
    };
    assert_eq!(failing.len(), 1, "{failing:?}");
    assert_eq!(failing[0]["labels"]["job_name"], "db/backup", "{failing:?}");
    assert_eq!(failing[0]["annotations"]["summary"], "db/backup fails");
}

#[test]
fn a_browser_finds_nothing_wrong_with_the_page() {
    let browser = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].into_iter().find(|path| Path::new(path).exists());
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/browser");
    let Some(browser) = browser.filter(|_| modules.join("node_modules/axe-core").exists() && is_here("node")) else {
        return skip(
            "a browser is not here: apt-get install chromium nodejs npm && npm install --prefix target/browser playwright-core axe-core",
        );
    };
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "host = 'web-1'\n[http]\nlisten = '127.0.0.1:0'\ntoken_file = 'token'\ncontrol = true\n"),
        ("token", "a-token-of-the-page"),
        (
            "jobs.d/disk.toml",
            "command = 'echo DISK WARNING; exit 1'\nexit_codes = 'nagios'\nevery = '1h'\ntimeout = '1m'\n",
        ),
        (
            "jobs.d/db/backup.toml",
            "command = 'test ! -e broken'\nevery = '1s'\ntimeout = '1m'\ndescription = 'the nightly dump'\n",
        ),
        ("jobs.d/later.toml", "command = 'true'\nevery = '1h'\nfirst_run = 'wait'\ntimeout = '1m'\n"),
    ]);
    hostile(&sandbox);
    let (_daemon, address) = served(&sandbox);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/browser.mjs");
    let told = Command::new("node")
        .arg(script)
        .args([browser, &modules.display().to_string(), &address, "a-token-of-the-page"])
        .arg(sandbox.path())
        .output()
        .expect("node starts");
    assert!(
        told.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&told.stdout),
        String::from_utf8_lossy(&told.stderr)
    );
}

#[test]
fn the_api_is_what_its_description_says() {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/schemathesis/bin/schemathesis");
    if !tool.exists() {
        return skip(
            "schemathesis is not here: python3 -m venv target/schemathesis && target/schemathesis/bin/pip install schemathesis",
        );
    }
    let sandbox = with_metrics();
    let (_daemon, address) = served(&sandbox);
    until(&address, "/api/v1/runs", |answer| answer.body.contains("\"status\":\"critical\""));
    let told = Command::new(tool)
        .args(["run", &format!("http://{address}/api/v1/openapi.json"), "--no-color", "--max-examples", "10"])
        .args(["--phases", "coverage,fuzzing"])
        .args(["--include-method", "GET", "--exclude-path", "/api/v1/events", "--generation-deterministic"])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .current_dir(sandbox.path())
        .output()
        .expect("schemathesis starts");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stdout));
}

#[test]
fn a_runs_message_is_shown_as_slack_showed_it_long_after_slack_took_it() {
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", "[http]\nlisten = '127.0.0.1:0'\n"),
        ("jobs.d/db.toml", "command = 'echo \"no <space> left\" >&2; exit 2'\nevery = '1s'\ntimeout = '1m'\n"),
    ]);
    let (_daemon, address) = served(&sandbox);
    until(&address, "/api/v1/runs", |answer| answer.body.contains("repeat-not-due"));
    let page = get(&address, "/run/1").body;
    assert!(page.contains("message.svg"), "{page}");
    let picture = get(&address, "/run/1/message.svg");
    assert_eq!((picture.status, picture.header("content-type")), (200, Some("image/svg+xml")));
    assert!(picture.body.starts_with("<svg ") && picture.body.contains("&lt;space&gt;"), "{picture:?}");
    assert_eq!(get(&address, "/run/2/message.svg").status, 404, "nothing was said about the second");
    assert!(!get(&address, "/run/2").body.contains("message.svg"));
}
