//! The server on the control socket, as clients of any kind find it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::support::program::{PATIENCE, Sandbox};

/// Reads one answer, whose body has the length that is said.
fn answer(stream: &mut UnixStream) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        let mut some = [0; 4096];
        match stream.read(&mut some).expect("an answer") {
            0 => return text,
            count => read.extend_from_slice(&some[..count]),
        }
    }
}

#[test]
fn a_client_that_sends_its_body_after_its_headers_gets_the_refusal_and_may_ask_again() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/a.toml", "command = 'true'\nevery = '1h'\n")]);
    let mut daemon = sandbox.start(&["run"]);
    daemon.wait_for("listening for commands");
    let connect = || {
        let client = UnixStream::connect(sandbox.path().join("run/control.sock")).expect("a connection");
        client.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        client
    };
    let (mut client, mut other) = (connect(), connect());
    let status = b"GET /api/v1/status HTTP/1.1\r\nhost: localhost\r\n\r\n";
    // A route that takes no body.
    let head = "POST /api/v1/status HTTP/1.1\r\nhost: localhost\r\ncontent-length: 20000\r\n\r\n";
    client.write_all(head.as_bytes()).expect("headers");
    // By the answer to another client the server has seen these headers.
    other.write_all(status).expect("a request");
    assert!(answer(&mut other).starts_with("HTTP/1.1 200"));
    let body = [b'x'; 10_000];
    for part in [&body, &body] {
        client.write_all(part).expect("the server still reads");
    }
    let refused = answer(&mut client);
    assert!(refused.starts_with("HTTP/1.1 405") && refused.contains("method-not-allowed"), "{refused}");
    client.write_all(status).expect("the connection is open");
    let well = answer(&mut client);
    assert!(well.starts_with("HTTP/1.1 200"), "{well}");
}
