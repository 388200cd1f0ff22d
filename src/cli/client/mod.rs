//! What the commands that talk to the running daemon have in common: finding it, and saying things the same way.
//!
//! Before it: the configuration, which says whose daemon is meant. After it: `status`, `trigger`, `pause`, `silence`, `ack` and
//! `reload`.

mod place;
mod socket;
pub(super) mod words;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::Value;

pub(super) use place::{owner, owner_name};
pub(super) use socket::{ANSWER, Client, Trouble};

use super::locate::World;
use super::{Failure, HELP};
use crate::api;
use crate::diagnostic::Problem;
use crate::plan;

/// The route of how everything is.
pub(super) const STATUS: &str = "/api/v1/status";

/// A daemon that answers.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) client: Client,
    /// The zone in which times are told and understood.
    pub(super) zone: TimeZone,
    /// How everything was when it was found.
    pub(super) status: api::Status,
}

/// Why there is none.
#[derive(Debug)]
pub(super) struct Absent {
    /// For a command that cannot go on.
    pub(super) failure: Failure,
    /// No daemon runs with this configuration. Otherwise there may be one, and it gives no answer.
    pub(super) is_certain: bool,
    /// Something took the question, and gave no answer in time.
    pub(super) hangs: bool,
    /// The system does not let this user ask.
    pub(super) is_forbidden: bool,
}

impl Absent {
    /// Why, for programs, as the API tells errors.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self { is_certain: true, .. } => "not-running",
            Self { is_forbidden: true, .. } => "forbidden",
            Self { failure: Failure { code: super::USAGE, .. }, .. } => "bad-request",
            _ => "no-answer",
        }
    }

    /// The same with its words.
    pub(super) fn error(&self) -> Value {
        let mut error = self.failure.in_json()["error"].take();
        error["code"] = self.code().into();
        error
    }
}

/// A configuration file that cannot be read.
struct Unread {
    file: Option<PathBuf>,
    problem: Problem,
}

/// Which daemon is meant.
struct Meant {
    config: Option<PathBuf>,
    /// The command line names the state.
    state_dir: Option<PathBuf>,
}

/// Finds the daemon of this configuration, for a command that asks for a change: without an answer it says that it has asked for
/// nothing.
pub(super) fn open_to_change(world: &World) -> Result<Daemon, Failure> {
    find(world).map_err(|absent| {
        let kind = absent.code();
        let Absent { failure, hangs, .. } = absent;
        let failure = match failure.message.split_once(HELP) {
            Some((why, help)) if hangs => Failure::new(format!("{why}: nothing was asked of it yet{HELP}{help}")),
            _ => failure,
        };
        failure.of(kind)
    })
}

/// The same, for a command that has something to say without a daemon too.
pub(super) fn find(world: &World) -> Result<Daemon, Absent> {
    let (found, unread) = find_as_read(world, ANSWER);
    if let Some(Unread { file, problem }) = unread {
        let so = match found {
            Ok(_) => "the daemon answers, and times are those of this machine's zone",
            Err(_) => "a daemon is looked for where it is without it",
        };
        world.say_unread(file.as_deref(), &problem, so);
    }
    found
}

/// The same, for one that does not wait long.
pub(super) fn find_within(world: &World, limit: Duration) -> Result<Daemon, Absent> {
    find_as_read(world, limit).0
}

/// The same, and why the configuration cannot be read.
fn find_as_read(world: &World, limit: Duration) -> (Result<Daemon, Absent>, Option<Unread>) {
    let wrong = |failure| (Err(Absent { failure, is_certain: false, hangs: false, is_forbidden: false }), None);
    if let Err(failure) = world.command_line() {
        return wrong(failure);
    }
    // A user who has no configuration of their own may ask the daemon of the system all the same.
    let options = world.options();
    let (config, unread) = match options.as_ref().map(|options| plan::load_config(options, &world.surroundings())) {
        Ok((config, unread)) => (Some(config), unread),
        Err(_) => (None, None),
    };
    let zone = config.as_ref().map_or_else(|| world.surroundings().zone, |config| config.zone.clone());
    let state_dir = world.state_dir_of(config.as_ref().and_then(|config| config.state_dir.as_deref())).ok();
    // A file that was removed since may still be the daemon's.
    let named = world.named_config();
    let file = options.as_ref().map_or_else(|_| named.clone(), |options| options.config.clone());
    let meant = Meant { config: file.clone(), state_dir: world.global.state_dir.clone() };
    let found = search(world, &sockets(world, state_dir), &meant, limit);
    let found = found.map(|(client, status)| Daemon { client, zone, status });
    match (found, options) {
        (Err(_), Err(failure)) if named.is_some() => wrong(failure),
        // Neither a daemon nor a configuration: what is wrong is where the command was given.
        (Err(absent), Err(Failure { code: super::USAGE, message, .. })) if absent.is_certain => {
            let alone = absent.failure.message.split(HELP).next().unwrap_or_default();
            let failure = Failure::usage(format!("{alone}, and {message}"));
            (Err(Absent { failure, ..absent }), unread.map(|problem| Unread { file, problem }))
        }
        (found, _) => (found, unread.map(|problem| Unread { file, problem })),
    }
}

/// Where the socket of a daemon with this state may be, the likeliest place first.
pub(super) fn sockets(world: &World, state_dir: Option<PathBuf>) -> Vec<PathBuf> {
    place::places(&place::Known {
        runtime_directory: world.variable("RUNTIME_DIRECTORY").map(str::to_owned),
        user_runtime: world.user_folder("XDG_RUNTIME_DIR"),
        is_root: rustix::process::geteuid().is_root(),
        owner: state_dir.as_deref().and_then(owner),
        state_dir,
    })
}

/// The first socket at which the daemon that is meant answers.
fn search(world: &World, places: &[PathBuf], meant: &Meant, limit: Duration) -> Result<(Client, api::Status), Absent> {
    // What is at the likeliest place tells most: a daemon that hangs there is told, whoever answers elsewhere.
    let mut found: Option<Failure> = None;
    let (mut is_certain, mut hangs, mut is_forbidden) = (true, false, false);
    for path in places {
        let client = Client::new(path, world.variable("SUDO_USER"), limit);
        let client = client.map_err(|failure| Absent { failure, is_certain: false, hangs, is_forbidden })?;
        match client.get::<api::Status>(STATUS) {
            Ok(status) => match meant.differs(&status) {
                None => return Ok((client, status)),
                Some(words) => {
                    let path = path.display();
                    let words = format!("the daemon is not running here; the one at {path} is another one: {words}");
                    found.get_or_insert_with(|| Failure::new(words));
                }
            },
            Err(trouble) if trouble.is_nobody() => {}
            Err(trouble) => {
                // A socket that does not let this user in may be another daemon's: the state can be read all the same.
                is_certain = false;
                // What was found first is what is told.
                hangs |= found.is_none() && trouble.is_late();
                is_forbidden |= found.is_none() && matches!(trouble, Trouble::NotPermitted);
                found.get_or_insert_with(|| trouble.failure(path));
            }
        }
    }
    let failure = found.unwrap_or_else(|| {
        let looked: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        Trouble::Missing.failure(Path::new(&looked.join(", ")))
    });
    Err(Absent { failure, is_certain, hangs, is_forbidden })
}

impl Meant {
    /// How a daemon differs from the one that is meant, with the way out; nothing when it is that one, as far as can be told.
    fn differs(&self, status: &api::Status) -> Option<String> {
        if let (Some(ours), Some(theirs)) = (&self.config, &status.config) {
            return (place::real(ours) != place::real(theirs)).then(|| {
                let (ours, theirs) = (ours.display(), theirs.display());
                format!("its configuration is {theirs}, and not {ours}\n  help: `--config {theirs}` asks that one")
            });
        }
        if let (Some(ours), Some(theirs)) = (&self.state_dir, &status.state_dir) {
            return (place::real(ours) != place::real(theirs)).then(|| {
                let (ours, theirs) = (ours.display(), theirs.display());
                format!("its state is in {theirs}, and not in {ours}\n  help: `--state-dir {theirs}` asks that one")
            });
        }
        None
    }
}

impl Daemon {
    /// Looks.
    pub(super) fn get<T: serde::de::DeserializeOwned>(&self, target: &str) -> Result<T, Failure> {
        self.client.get(target).map_err(|trouble| self.failure(&trouble))
    }

    /// Asks for something.
    pub(super) fn post<T: serde::de::DeserializeOwned>(
        &self,
        target: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.client.post(target, body).map_err(|trouble| self.failure_to_change(&trouble))
    }

    /// Ends something.
    pub(super) fn delete<T: serde::de::DeserializeOwned>(&self, target: &str) -> Result<T, Failure> {
        self.client.delete(target).map_err(|trouble| self.failure_to_change(&trouble))
    }

    /// The words for a command that asked for a change. Without an answer it is not known whether the daemon will make it.
    pub(super) fn failure_to_change(&self, trouble: &Trouble) -> Failure {
        let failure = self.failure(trouble);
        match (trouble, failure.message.split_once(HELP)) {
            (Trouble::TimedOut(_) | Trouble::Broken(_), Some((why, _))) => {
                let message = format!(
                    "{why}: it may do what was asked all the same{HELP}look before you ask again: `slack-alert status` shows \
                     what runs and what is held, and the log what was read"
                );
                Failure { message, ..failure }
            }
            _ => failure,
        }
    }

    /// The words for a command that cannot go on.
    pub(super) fn failure(&self, trouble: &Trouble) -> Failure {
        trouble.failure(self.client.path()).of(trouble.kind())
    }

    /// Every job, or those of a pattern, page by page.
    pub(super) fn jobs(&self, pattern: Option<&str>) -> Result<Vec<api::Job>, Trouble> {
        self.pages_of_jobs(pattern, false)
    }

    /// Jobs that are not well, run now, or are held: of ten thousand, few.
    pub(super) fn notable_jobs(&self) -> Result<Vec<api::Job>, Trouble> {
        self.pages_of_jobs(None, true)
    }

    /// The jobs that are due next.
    pub(super) fn next(&self, limit: usize) -> Result<Vec<api::Next>, Trouble> {
        let page: api::NextList = self.client.get(&format!("/api/v1/next?limit={limit}"))?;
        Ok(page.next)
    }

    /// The next due times of one job.
    pub(super) fn next_of(&self, job: &str, limit: usize) -> Result<Vec<api::Next>, Failure> {
        let limit = limit.clamp(1, 500);
        let page: api::NextList = self.get(&format!("/api/v1/next?job={}&limit={limit}&within=366d", encoded(job)))?;
        Ok(page.next)
    }

    fn pages_of_jobs(&self, pattern: Option<&str>, notable: bool) -> Result<Vec<api::Job>, Trouble> {
        let mut all: Vec<api::Job> = Vec::new();
        let mut before: Option<String> = None;
        loop {
            let mut target = format!("/api/v1/jobs?limit=500&notable={notable}");
            if let Some(pattern) = pattern {
                target.push_str(&format!("&job={}", encoded(pattern)));
            }
            if let Some(before) = &before {
                target.push_str(&format!("&before={}", encoded(before)));
            }
            let page: api::JobList = self.client.get(&target)?;
            let is_empty = page.jobs.is_empty();
            all.extend(page.jobs);
            match page.before {
                // A page without jobs would be asked for again and again.
                Some(next) if !is_empty => before = Some(next.as_str().to_owned()),
                _ => return Ok(all),
            }
        }
    }

    /// The holds in effect, and the silences that scripts asked for.
    pub(super) fn holds(&self) -> Result<(Vec<api::Hold>, Vec<api::ScriptSilence>), Failure> {
        let mut all: Vec<api::Hold> = Vec::new();
        let mut target = "/api/v1/holds?limit=500".to_owned();
        loop {
            let page: api::HoldList = self.get(&target)?;
            let is_empty = page.holds.is_empty();
            all.extend(page.holds);
            match page.before {
                Some(next) if !is_empty => target = format!("/api/v1/holds?limit=500&before={next}"),
                // Each page has all of them.
                _ => return Ok((all, page.by_script)),
            }
        }
    }
}

/// Text as a part of an address (RFC 3986, "Percent-Encoding"). `/` may stay where a name of a job stands in the path.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_of_jobs_pass_through_an_address() {
        assert_eq!(super::encoded("db/backup"), "db/backup");
        assert_eq!(super::encoded("tag:a b*&ü"), "tag%3Aa%20b%2A%26%C3%BC");
    }
}
