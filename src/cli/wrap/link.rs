//! \[net\] The way from `wrap` to the daemon: one streamed request over the control socket, a line for the beginning and a line for
//! the end, each answered by a line.
//!
//! Before it: `wrap`'s reporter, a thread that the command never waits for. After it: `http::wrap`. Invariant: every wait for an
//! answer has a bound; a daemon that does not answer is left.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

use crate::api::Failure;
use crate::clock::{Clock as _, Mono, System};
use crate::store::spool::Report;

/// An answer is not longer than this.
const LONGEST_ANSWER: usize = 64 << 10;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// The daemon refuses.
    Refused(Box<Failure>),
    /// None came in time; it may still come.
    Late,
    /// The connection is broken, or what came is no answer.
    Broken,
}

/// A connection to the daemon.
#[derive(Debug)]
pub(super) struct Link {
    stream: UnixStream,
    /// What came and was not understood yet.
    read: Vec<u8>,
    head: Option<Head>,
    /// What of the answer's body was not given yet.
    body: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    ok: bool,
    chunked: bool,
}

impl Link {
    /// Connects, and sends the first line, which is taken by then.
    #[expect(clippy::disallowed_methods, reason = "the door of wrap's reports: the control socket")]
    pub(super) fn open(socket: &Path, report: &Report, until: Mono) -> Result<Self, NoAnswer> {
        let stream = UnixStream::connect(socket).map_err(|_| NoAnswer::Broken)?;
        let mut link = Self { stream, read: Vec::new(), head: None, body: Vec::new() };
        link.write(
            b"POST /api/v1/wrap HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/jsonl\r\ntransfer-encoding: chunked\r\n\r\n",
            until,
        )?;
        link.send(report, until)?;
        Ok(link)
    }

    /// Whether a socket is there to which this user may not talk.
    #[expect(clippy::disallowed_methods, reason = "wrap is a client of the control socket")]
    pub(super) fn is_barred(socket: &Path) -> bool {
        UnixStream::connect(socket).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    }

    /// Sends a line, which is taken by then; with an end, nothing comes after it.
    pub(super) fn send(&mut self, report: &Report, until: Mono) -> Result<(), NoAnswer> {
        let mut line = serde_json::to_vec(report).map_err(|_| NoAnswer::Broken)?;
        line.push(b'\n');
        let mut chunk = format!("{:x}\r\n", line.len()).into_bytes();
        chunk.extend_from_slice(&line);
        chunk.extend_from_slice(if report.end.is_some() { b"\r\n0\r\n\r\n" } else { b"\r\n" });
        self.write(&chunk, until)
    }

    fn write(&mut self, mut bytes: &[u8], until: Mono) -> Result<(), NoAnswer> {
        while !bytes.is_empty() {
            let left = until - System.now().mono;
            if left.is_zero() {
                return Err(NoAnswer::Late);
            }
            match self.stream.set_write_timeout(Some(left)).and_then(|()| self.stream.write(bytes)) {
                Ok(0) => return Err(NoAnswer::Broken),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Err(NoAnswer::Late);
                }
                Err(_) => return Err(NoAnswer::Broken),
            }
        }
        Ok(())
    }

    /// The next answer, which is waited for until then.
    pub(super) fn answer(&mut self, until: Mono) -> Result<Value, NoAnswer> {
        loop {
            if let Some(answer) = self.decode()? {
                return Ok(answer);
            }
            let left = until - System.now().mono;
            if left.is_zero() {
                return Err(NoAnswer::Late);
            }
            let mut bytes = [0; 4096];
            let read = self.stream.set_read_timeout(Some(left)).and_then(|()| self.stream.read(&mut bytes));
            match read {
                Ok(0) => return Err(NoAnswer::Broken),
                Ok(length) if self.read.len() + length <= LONGEST_ANSWER => {
                    self.read.extend_from_slice(&bytes[..length]);
                }
                Ok(_) => return Err(NoAnswer::Broken),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Err(NoAnswer::Late);
                }
                Err(_) => return Err(NoAnswer::Broken),
            }
        }
    }

    /// What has come so far, as far as it is an answer.
    fn decode(&mut self) -> Result<Option<Value>, NoAnswer> {
        let head = match self.head {
            Some(head) => head,
            None => {
                let Some(end) = find(&self.read, b"\r\n\r\n") else { return Ok(None) };
                let text = String::from_utf8_lossy(&self.read[..end]).to_lowercase();
                let ok = text.split_whitespace().nth(1).is_some_and(|status| status.starts_with('2'));
                let head = Head { ok, chunked: text.contains("transfer-encoding: chunked") };
                self.read.drain(..end + 4);
                *self.head.insert(head)
            }
        };
        if head.chunked {
            while let Some(chunk) = self.chunk()? {
                self.body.extend_from_slice(&chunk);
            }
        } else {
            self.body.append(&mut self.read);
        }
        let line = match self.body.iter().position(|byte| *byte == b'\n') {
            Some(end) => self.body.drain(..=end).collect::<Vec<u8>>(),
            // An error is one object, without the end of a line.
            None if serde_json::from_slice::<Value>(&self.body).is_ok() => std::mem::take(&mut self.body),
            None => return Ok(None),
        };
        let value: Value = serde_json::from_slice(&line).map_err(|_| NoAnswer::Broken)?;
        match serde_json::from_value::<Failure>(value.clone()) {
            Ok(failure) => Err(NoAnswer::Refused(Box::new(failure))),
            Err(_) if head.ok => Ok(Some(value)),
            Err(_) => Err(NoAnswer::Broken),
        }
    }

    /// The next whole chunk of the body.
    fn chunk(&mut self) -> Result<Option<Vec<u8>>, NoAnswer> {
        let Some(end) = find(&self.read, b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&self.read[..end]).ok();
        let size = size.and_then(|size| usize::from_str_radix(size.split(';').next()?.trim(), 16).ok());
        let size = size.filter(|size| *size <= LONGEST_ANSWER).ok_or(NoAnswer::Broken)?;
        if size == 0 || self.read.len() < end + 2 + size + 2 {
            return Ok(None);
        }
        let chunk = self.read[end + 2..end + 2 + size].to_vec();
        self.read.drain(..end + 2 + size + 2);
        Ok(Some(chunk))
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::{Link, NoAnswer};

    fn link(read: &str) -> Link {
        let (stream, _) = UnixStream::pair().expect("a pair of sockets");
        Link { stream, read: read.into(), head: None, body: Vec::new() }
    }

    #[test]
    fn answers_are_read_as_they_come_whole_or_in_parts() {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/jsonl\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut first = link(&format!("{head}a\r\n{{\"run\":7}}\n\r\n"));
        assert_eq!(first.decode().expect("an answer").expect("whole")["run"], 7);
        assert!(first.decode().expect("no error").is_none(), "the second has not come");
        first.read.extend_from_slice(b"5\r\n{\"run\r\n5\r\n\":8}\n\r\n");
        assert_eq!(first.decode().expect("an answer").expect("whole")["run"], 8);
        for part in ["HTTP/1.1 200", &head[..40], head, &format!("{head}a\r\n{{\"ru")] {
            assert!(link(part).decode().expect("no error").is_none(), "{part}");
        }
        let plain = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{\"run\":7}\n";
        assert_eq!(link(plain).decode().expect("an answer").expect("whole")["run"], 7);
    }

    #[test]
    fn an_error_is_told_in_its_words_and_nonsense_is_no_answer() {
        let body = "{\"error\":{\"code\":\"runs-here\",\"message\":\"no\",\"help\":null}}";
        let text = format!("HTTP/1.1 409 Conflict\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let Err(NoAnswer::Refused(failure)) = link(&text).decode() else { panic!("an error") };
        assert_eq!(failure.error.message, "no");
        for text in ["HTTP/1.1 500 Oh\r\n\r\n{}\n", "HTTP/1.1 200 OK\r\n\r\nnonsense\n"] {
            assert!(matches!(link(text).decode(), Err(NoAnswer::Broken)), "{text}");
        }
        let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffff\r\n";
        assert!(matches!(link(chunks).decode(), Err(NoAnswer::Broken)));
    }
}
