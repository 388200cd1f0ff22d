//! `/ping/NAME[/start|/fail|/log|/0…255]`: reports of runs that something else starts, as healthchecks takes them.
//!
//! Before it: curl in a crontab, a client of healthchecks. After it: the dispatcher, which judges the run. Invariants: of a body
//! the beginning and the end are kept, and what is between them is read and counted; a body of any length ends within
//! [`BODY_TIME`].

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::StreamExt;
use serde::Deserialize;

use super::answer::Refusal;
use super::core::Core;
use super::extract::{Params, Path};
use super::peer::Peer;
use crate::api::Code;
use crate::clock;
use crate::daemon::{Ping, Pinged, Reply, Request as Asked};
use crate::exec::Captured;
use crate::id::JobName;

/// Bytes of a body that are kept, half of them of its beginning and half of its end.
const MOST_KEPT: usize = 64 << 10;

/// Bytes of a body that are read at all.
const MOST_READ: u64 = 64 << 20;

/// A body has come by then; what has come until then counts.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Tells a client how much of a body is kept.
const BODY_LIMIT: HeaderName = HeaderName::from_static("ping-body-limit");

/// The routes of pings.
pub(super) fn routes() -> Router<Core> {
    Router::new().route("/ping/{*path}", get(ping).post(ping))
}

/// What stands behind the `?`; anything else there is for healthchecks alone.
#[derive(Debug, Deserialize)]
struct Query {
    /// Which run it is: a UUID.
    rid: Option<String>,
}

async fn ping(
    State(core): State<Core>,
    Extension(peer): Extension<Peer>,
    Path(path): Path<String>,
    Params(query): Params<Query>,
    request: Request,
) -> Result<Response, Refusal> {
    if !peer.may_change().await {
        return Err(Refusal::new(Code::ReadOnly, "you may look here, and report nothing").help(
            "root, the daemon's user and the members of the group of [control] may, and over TCP whoever has the token",
        ));
    }
    let Meanings { names, no_code } = meanings(&path)?;
    let key = query.rid.map(|rid| run_id(&rid)).transpose()?;
    let output = match *request.method() {
        Method::POST => body(request.into_body(), &core).await,
        _ => Captured::default(),
    };
    let ping = Ping { names, key, output };
    let answer = core.ask(Asked::Ping(Box::new(ping))).await;
    // Where no job of that name has the number at its end, it was meant as an exit code.
    let no_job = |refusal: &Refusal| refusal.0.error.code == Code::NoSuchJob;
    match answer.map_err(|refusal| no_code.filter(|_| no_job(&refusal)).unwrap_or(refusal))? {
        Reply::Pinged => {
            let limit = HeaderValue::from(MOST_KEPT);
            Ok(([(BODY_LIMIT, limit), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], "OK")
                .into_response())
        }
        Reply::Refused(failure) => Err(Refusal(failure)),
        _ => Err(Refusal::new(Code::State, "the daemon gave another answer than was asked for")),
    }
}

/// What a path may mean.
struct Meanings {
    /// A name and what is reported of it.
    names: Vec<(JobName, Pinged)>,
    /// What is wrong where there is no such job: its last part is a number that is no exit code.
    no_code: Option<Refusal>,
}

/// What a path may mean. Names hold slashes, so that the last part may be one of a name. An empty part is refused: in the place of
/// what an unset variable should have held, nothing must not read as "well".
fn meanings(path: &str) -> Result<Meanings, Refusal> {
    if path.split('/').any(str::is_empty) {
        let message = format!("`/ping/{}` has an empty part", crate::id::in_one_line(path));
        return Err(Refusal::bad_request(message).help(
            "write /ping/NAME where the run was well, else /ping/NAME/fail or its exit code: a variable may be unset",
        ));
    }
    let whole = path;
    let (mut names, mut no_code) = (Vec::new(), None);
    if let Some((name, last)) = whole.rsplit_once('/') {
        let what = match last {
            "start" => Some(Pinged::Start),
            "fail" => Some(Pinged::End { ok: false }),
            "log" => Some(Pinged::Log),
            number if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
                if number.parse::<u8>().is_err() {
                    let message = format!("`{}` is no exit code", crate::id::in_one_line(number));
                    no_code = Some(Refusal::bad_request(message).help("an exit code is a number from 0 to 255"));
                }
                number.parse().ok().map(Pinged::Exit)
            }
            _ => None,
        };
        names.extend(what.map(|what| (JobName::new(name), what)));
    }
    names.push((JobName::new(whole), Pinged::End { ok: true }));
    Ok(Meanings { names, no_code })
}

/// A run's ID, as a UUID in its usual form.
fn run_id(rid: &str) -> Result<Box<str>, Refusal> {
    let groups: Vec<&str> = rid.split('-').collect();
    let hex = |group: &&str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    if groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) && groups.iter().all(hex) {
        return Ok(rid.to_ascii_lowercase().into());
    }
    let message =
        format!("the run ID `{}` is no UUID", crate::id::in_one_line(&rid.chars().take(60).collect::<String>()));
    Err(Refusal::bad_request(message).help("write it as `uuidgen` does: `?rid=123e4567-e89b-12d3-a456-426614174000`"))
}

/// The beginning and the end of a body. One that breaks off, or does not end in time, is what has come of it.
async fn body(body: Body, core: &Core) -> Captured {
    let deadline = core.clock.now().mono + BODY_TIME;
    let mut stream = body.into_data_stream();
    let mut kept = Captured::default();
    let mut read: u64 = 0;
    while read < MOST_READ {
        let chunk = tokio::select! {
            chunk = stream.next() => chunk,
            () = clock::sleep_until(&*core.clock, deadline) => None,
        };
        let Some(Ok(chunk)) = chunk else { break };
        read += chunk.len() as u64;
        keep(&mut kept, &chunk);
    }
    kept
}

/// Adds what comes next.
fn keep(kept: &mut Captured, chunk: &[u8]) {
    let free = (MOST_KEPT / 2).saturating_sub(kept.head.len()).min(chunk.len());
    let (head, rest) = chunk.split_at(free);
    kept.head.extend_from_slice(head);
    kept.tail.extend_from_slice(rest);
    let excess = kept.tail.len().saturating_sub(MOST_KEPT / 2);
    kept.tail.drain(..excess);
    kept.dropped += excess as u64;
}

#[cfg(test)]
mod tests {
    use super::{MOST_KEPT, Meanings, keep, meanings, run_id};
    use crate::daemon::Pinged;
    use crate::exec::Captured;
    use crate::id::JobName;

    #[test]
    fn what_a_path_means() {
        for (path, expected) in [
            ("db/backup", vec![("db/backup", Pinged::End { ok: true })]),
            ("db", vec![("db", Pinged::End { ok: true })]),
            ("db/backup/start", vec![("db/backup", Pinged::Start), ("db/backup/start", Pinged::End { ok: true })]),
            ("db/fail", vec![("db", Pinged::End { ok: false }), ("db/fail", Pinged::End { ok: true })]),
            ("db/log", vec![("db", Pinged::Log), ("db/log", Pinged::End { ok: true })]),
            ("db/0", vec![("db", Pinged::Exit(0)), ("db/0", Pinged::End { ok: true })]),
            ("db/255", vec![("db", Pinged::Exit(255)), ("db/255", Pinged::End { ok: true })]),
        ] {
            let Meanings { names, no_code } = meanings(path).expect(path);
            assert!(no_code.is_none(), "{path}");
            let found: Vec<(&str, Pinged)> = names.iter().map(|(name, what)| (name.as_str(), *what)).collect();
            assert_eq!(found, expected, "{path}");
        }
        for path in ["db/256", "db/1000", "db/99999999999999999999"] {
            let Meanings { names, no_code } = meanings(path).expect(path);
            assert_eq!(no_code.expect(path).0.error.code.http_status(), 400, "{path}");
            // A job may have such a name.
            assert_eq!(names, [(JobName::new(path), Pinged::End { ok: true })], "{path}");
        }
    }

    #[test]
    fn nothing_in_the_place_of_a_part_is_refused() {
        for path in ["", "/", "db/", "db//", "db/backup/", "/db", "db//0", "db//backup", "db/0/"] {
            let refusal = meanings(path).err().expect(path);
            assert_eq!(refusal.0.error.code.http_status(), 400, "{path}");
        }
    }

    #[test]
    fn a_run_id_is_a_uuid() {
        assert_eq!(
            run_id("123E4567-e89b-12d3-a456-426614174000").as_deref(),
            Ok("123e4567-e89b-12d3-a456-426614174000")
        );
        for rid in ["", "1", "123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g"] {
            assert!(run_id(rid).is_err(), "{rid}");
        }
    }

    #[test]
    fn of_a_long_body_the_beginning_and_the_end_are_kept() {
        let mut kept = Captured::default();
        for number in 0..100_000_u32 {
            keep(&mut kept, format!("{number:05}\n").as_bytes());
        }
        assert_eq!(kept.head.len() + kept.tail.len(), MOST_KEPT);
        assert_eq!(kept.dropped as usize, 600_000 - MOST_KEPT);
        assert!(kept.head.starts_with(b"00000\n") && kept.tail.ends_with(b"99999\n"));
    }
}
