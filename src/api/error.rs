//! The one shape of every error.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Problem;
use crate::id::RunId;

/// The body of an answer that is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What is wrong.
    pub error: Box<Error>,
    /// Of `already-running`: which run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Its process, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Since when it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Of a reading that changed nothing: every problem that it found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// What is wrong, for programs and for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// For programs.
    pub code: Code,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// What kind of error it is; each has one HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// 400: the request cannot be understood.
    BadRequest,
    /// 401: a token is needed.
    Unauthorized,
    /// 403: whoever asks may look, and change nothing.
    ReadOnly,
    /// 403: the request comes from another page, or its sender may not do this.
    Forbidden,
    /// 404: there is no such route.
    NotFound,
    /// 404: there is no such job.
    NoSuchJob,
    /// 404: there is no such run.
    NoSuchRun,
    /// 404: there is no such hold.
    NoSuchHold,
    /// 405: the route does not take this method.
    MethodNotAllowed,
    /// 409: the job runs already.
    AlreadyRunning,
    /// 409: the job has no open incident that could be acknowledged.
    NoIncident,
    /// 409: the job's file has errors, and no version of it is loaded.
    NotLoaded,
    /// 409: the daemon runs this job itself.
    RunsHere,
    /// 409: something else runs this job.
    NotRunHere,
    /// 413: the body is too large.
    TooLarge,
    /// 421: the name in `Host` is not one of this server's.
    Misdirected,
    /// 422: the request can be understood, and cannot be carried out.
    Unprocessable,
    /// 503: too much waits for the daemon.
    Busy,
    /// 503: the daemon is stopping.
    Stopping,
    /// 500: the state cannot be read, or written.
    State,
    /// A code of a later version.
    #[serde(other)]
    Unknown,
}

impl Code {
    /// The HTTP status.
    pub fn http_status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::ReadOnly | Self::Forbidden => 403,
            Self::NotFound | Self::NoSuchJob | Self::NoSuchRun | Self::NoSuchHold => 404,
            Self::MethodNotAllowed => 405,
            Self::AlreadyRunning | Self::NoIncident | Self::NotLoaded | Self::NotRunHere | Self::RunsHere => 409,
            Self::TooLarge => 413,
            Self::Misdirected => 421,
            Self::Unprocessable => 422,
            Self::Busy | Self::Stopping => 503,
            Self::State | Self::Unknown => 500,
        }
    }
}

impl Failure {
    /// An error without help.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let error = Box::new(Error { code, message: message.into(), help: None });
        Self { error, run: None, pid: None, since: None, problems: Vec::new() }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.error.help = Some(help.into());
        self
    }

    /// The same with help that there may be.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.error.help = help;
        self
    }
}
