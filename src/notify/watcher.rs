//! \[net\] What tells watchers elsewhere (healthchecks and its like) that something ran, or that the daemon lives: `ping` of a job
//! and `[heartbeat]`.
//!
//! Before it: the tables of the configuration. After it: the daemon, which decides when something is sent. The URL is a secret:
//! no error, log or message shows it, only its host.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::http::Http;
use super::secret::{Kind, Secret, Source, is_web_address};
use super::settings::{self, Settings, Surroundings, path_of_secret, variable_of_secret};
use crate::diagnostic::Code;
use crate::document::{Key, Kind as Is, Table, Value, default_of};

/// The systemd credential that is found by itself.
const CREDENTIAL: &str = "heartbeat-url";

/// No watcher wants to hear more often.
const SHORTEST: Duration = Duration::from_secs(10);

/// A request that takes longer has failed.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a ping of a job may take.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

const STYLES: &[&str] = &["healthchecks", "plain"];

/// The keys of `ping`, written as a table.
pub const PING_KEYS: &[Key] = &[
    Key { name: "url", kind: Is::Text, default: "", about: "The URL. Either this or `url_file`." },
    Key {
        name: "url_file",
        kind: Is::Text,
        default: "",
        about: "A file that holds the URL, relative to the folder of slack_alert.toml.",
    },
    Key { name: "start", kind: Is::Flag, default: "true", about: "Whether the beginning of a run is told too." },
    Key { name: "output", kind: Is::Flag, default: "false", about: "Whether the end of the output is sent along." },
    Key {
        name: "style",
        kind: Is::Choice(STYLES),
        default: "healthchecks",
        about: "What is asked for: the URL with `/start`, the exit code, `/fail` or `/log`; or `plain`, the URL itself when a run was \
                ok, and nothing otherwise.",
    },
];

/// The keys of `[heartbeat]`.
pub const HEARTBEAT_KEYS: &[Key] = &[
    Key { name: "url", kind: Is::Text, default: "", about: "The URL. One of this, `url_file` and `url_env`." },
    Key {
        name: "url_file",
        kind: Is::Text,
        default: "",
        about: "A file that holds the URL, relative to the folder of slack_alert.toml.",
    },
    Key { name: "url_env", kind: Is::Text, default: "", about: "The environment variable that holds the URL." },
    Key { name: "every", kind: Is::Duration, default: "1m", about: "How often; at least 10 seconds." },
    Key {
        name: "style",
        kind: Is::Choice(STYLES),
        default: "healthchecks",
        about: "What is asked for: the URL while all is well, `/fail` with the reason while it is not, `/log` at an orderly stop; or \
                `plain`, the URL while all is well, and nothing otherwise.",
    },
    Key {
        name: "timeout",
        kind: Is::Duration,
        default: "10s",
        about: "How long one request may take; at most a minute.",
    },
];

/// How a watcher is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// Healthchecks' paths.
    #[default]
    Healthchecks,
    /// The URL itself when all is well, and nothing otherwise.
    Plain,
}

/// `ping` of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PingSettings {
    /// Where the URL comes from.
    pub url: Source,
    /// Whether the beginning of a run is told; where that is not said, unless the run may count as not run.
    pub start: Option<bool>,
    /// Whether the end of the output is sent along.
    pub output: bool,
    /// How it is told.
    pub style: Style,
}

/// `[heartbeat]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatSettings {
    /// Where the URL comes from.
    pub url: Source,
    /// How often.
    pub every: Duration,
    /// How it is told.
    pub style: Style,
    /// How long one request may take.
    pub timeout: Duration,
}

/// One request to a watcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Where the URL comes from.
    pub url: Source,
    /// What follows it: `/start`, `/0`; nothing for the URL itself.
    pub path: String,
    /// Which run it is about.
    pub run: Option<String>,
    /// What is sent along.
    pub body: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
}

/// Why a watcher was not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalError {
    /// For people, without the URL.
    pub why: String,
    /// The watcher does not know the URL: the same again cannot help.
    pub gone: bool,
}

/// A signal on its way.
pub type Signalling = Pin<Box<dyn Future<Output = Result<(), SignalError>> + Send>>;

/// Tells watchers. The real one is [`Watchers`], tests bring their own.
pub trait Watcher: Send + Sync + fmt::Debug {
    /// Sends one signal; the end comes within its time limit.
    fn signal(&self, signal: Signal) -> Signalling;
}

/// Tells watchers over the network.
#[derive(Debug)]
pub struct Watchers {
    http: Arc<Http>,
}

impl Watchers {
    /// By the proxy of the environment, with the root certificates of `slack.ca_file` too.
    pub fn new(slack: &Settings) -> Self {
        let settings = Settings { proxy: None, ca_file: slack.ca_file.clone(), ..Settings::default() };
        Self { http: Arc::new(Http::new(&settings, "the URL of the watcher")) }
    }
}

impl Watcher for Watchers {
    fn signal(&self, signal: Signal) -> Signalling {
        let http = Arc::clone(&self.http);
        Box::pin(async move {
            let failed = |why: String| SignalError { why, gone: false };
            let url = resolve(signal.url.clone()).await.map_err(failed)?;
            let url = address(url.expose(), &signal).ok_or_else(|| failed("the address is no URL".to_owned()))?;
            let raw = http.signal(&url, signal.body, signal.timeout).await.map_err(|error| failed(error.why))?;
            match raw.status {
                200..=299 => Ok(()),
                status => Err(SignalError {
                    why: format!("the answer of the watcher is {status}"),
                    gone: matches!(status, 404 | 409 | 410),
                }),
            }
        })
    }
}

/// Files are read by a thread: their disk may hang.
#[expect(clippy::disallowed_methods, reason = "the file of a secret may lie on a disk that hangs")]
async fn resolve(source: Source) -> Result<Secret, String> {
    let read = tokio::task::spawn_blocking(move || source.resolve(Kind::Watcher).map_err(|error| error.to_string()));
    read.await.unwrap_or_else(|_| Err("the URL cannot be read".to_owned()))
}

/// The whole address: the path goes before what stands behind a `?`.
fn address(url: &str, signal: &Signal) -> Option<Secret> {
    let mut url = reqwest::Url::parse(url).ok()?;
    if !signal.path.is_empty() {
        let path = format!("{}{}", url.path().trim_end_matches('/'), signal.path);
        url.set_path(&path);
    }
    if let Some(run) = &signal.run {
        url.query_pairs_mut().append_pair("rid", run);
    }
    Some(Secret::new(url.as_str()))
}

/// Takes `ping` from a job's table.
pub fn read_ping(table: &mut Table<'_>, config_dir: &Path) -> Option<PingSettings> {
    let value = table.value("ping")?;
    if value.is_text() {
        let url = literal(&value)?;
        return Some(PingSettings {
            url,
            start: None,
            output: default_of(PING_KEYS, "output").value(),
            style: Style::default(),
        });
    }
    if !value.is_table() {
        return value.wrong_type("a URL, or a table: `{ url_file = \"…\", output = true }`");
    }
    let mut ping = value.table()?;
    let both = ping.conflict("url", "url_file", "one URL is enough: remove one of the two");
    let url = read_url(&mut ping, config_dir);
    let start = ping.flag("start");
    let output = ping.flag("output").unwrap_or_else(|| default_of(PING_KEYS, "output").value());
    let style = ping.choice("style", STYLES).unwrap_or_default();
    if ping.value("url").is_none() && ping.value("url_file").is_none() {
        ping.missing("url", "name what is told: `url = \"https://…\"`, or `url_file`");
    }
    ping.finish();
    Some(PingSettings { url: url?, start, output, style }).filter(|_| !both)
}

/// Reads `[heartbeat]`; without a URL there is none. The name of its variable is a secret's.
pub fn read_heartbeat(
    table: Option<Table<'_>>,
    around: &Surroundings<'_>,
) -> (Option<HeartbeatSettings>, Option<String>) {
    let Some(mut table) = table else { return (None, None) };
    for (first, second) in [("url", "url_file"), ("url", "url_env"), ("url_file", "url_env")] {
        table.conflict(first, second, "one URL is enough: remove one of the two");
    }
    let url = read_url(&mut table, around.config_dir);
    let named = table.value("url_env").and_then(|value| variable_of_secret(&value).map(str::to_owned));
    let variable = named.clone().map(|name| {
        let value = (around.env)(&name).map(Secret::new);
        Source::Variable { name, value }
    });
    let every = table.value("every").and_then(|value| {
        let every = value.duration()?;
        if every >= SHORTEST {
            return Some(every);
        }
        value.refuse(Code::InvalidValue, "`every` is shorter than 10 seconds", "once a minute is often enough")
    });
    let timeout = table.value("timeout").and_then(|value| {
        let timeout = value.duration()?;
        if !timeout.is_zero() && timeout <= LONGEST_TIMEOUT {
            return Some(timeout);
        }
        value.refuse(Code::InvalidDuration, "`timeout` is not between nothing and a minute", "ten seconds are enough")
    });
    let style = table.choice("style", STYLES).unwrap_or_default();
    let credential = around.credentials.and_then(|folder| settings::credential(folder, CREDENTIAL));
    let found = url.or(variable).or(credential.map(Source::Credential));
    let written = ["url", "url_file", "url_env"].into_iter().any(|key| table.own_value(key).is_some());
    if found.is_none() && !written {
        table.missing("url_file", "name the URL of the watcher: `url_file`, `url_env` or `url`");
    }
    table.finish();
    let usual = |name| default_of(HEARTBEAT_KEYS, name).duration();
    let (every, timeout) = (every.unwrap_or_else(|| usual("every")), timeout.unwrap_or_else(|| usual("timeout")));
    (found.map(|url| HeartbeatSettings { url, every, style, timeout }), named)
}

/// `url` or `url_file`.
fn read_url(table: &mut Table<'_>, config_dir: &Path) -> Option<Source> {
    // Of two the one that the file itself has.
    let url = table.value("url").filter(|url| !url.inherited || table.own_value("url_file").is_none());
    let written = url.and_then(|value| literal(&value));
    let path = table.value("url_file").and_then(|value| path_of_secret(&value));
    let file = path.map(|path| Source::File(config_dir.join(path.value)));
    written.or(file)
}

/// A URL that is written in the file. It is never underlined.
fn literal(value: &Value<'_>) -> Option<Source> {
    let text = value.text()?;
    if is_web_address(text.value.trim()) {
        return Some(Source::Literal(Secret::new(text.value.trim())));
    }
    let message = format!("`{}` is no URL", value.path());
    value.refuse(Code::InvalidValue, message, "it begins with `https://` or `http://`")
}

impl PingSettings {
    /// The watcher's host; of a URL that stands in a file, which is read when it is used, only that it is elsewhere.
    pub fn host(&self) -> String {
        let url = if let Source::Literal(url) = &self.url { reqwest::Url::parse(url.expose()).ok() } else { None };
        url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| "elsewhere".to_owned())
    }

    /// The beginning of a run, where it is told. Of one that may count as not run (`exit_codes.skip`) it is not: nothing but
    /// an end that was well or not ends what began, and the watcher would say that the run does not end.
    pub fn begins(&self, run: &str, may_skip: bool) -> Option<Signal> {
        let told = self.start.unwrap_or(!may_skip) && self.style == Style::Healthchecks;
        told.then(|| self.signal("/start", run, None))
    }

    /// The end of a run.
    pub fn ends(&self, end: End, run: &str, output: &str) -> Option<Signal> {
        let body = (self.output && !output.is_empty()).then(|| output.to_owned());
        match (self.style, end) {
            (Style::Plain, End::Code(0) | End::Ok) => Some(Signal { run: None, ..self.signal("", run, body) }),
            (Style::Plain, _) => None,
            (Style::Healthchecks, End::Code(code)) => Some(self.signal(&format!("/{code}"), run, body)),
            (Style::Healthchecks, End::Ok) => Some(self.signal("", run, body)),
            (Style::Healthchecks, End::Failed) => Some(self.signal("/fail", run, body)),
            (Style::Healthchecks, End::NotRun) => Some(self.signal("/log", run, body)),
        }
    }

    fn signal(&self, path: &str, run: &str, body: Option<String>) -> Signal {
        Signal { url: self.url.clone(), path: path.to_owned(), run: Some(run.to_owned()), body, timeout: PING_TIMEOUT }
    }
}

/// What a watcher is told of a run's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its exit code, which says whether it was well.
    Code(u8),
    /// It was well.
    Ok,
    /// It was not well.
    Failed,
    /// It counts as not run.
    NotRun,
}

impl HeartbeatSettings {
    /// All is well, or this is wrong.
    pub fn beat(&self, wrong: Option<&str>) -> Option<Signal> {
        match (wrong, self.style) {
            (None, _) => Some(self.signal("", None)),
            (Some(reason), Style::Healthchecks) => Some(self.signal("/fail", Some(reason.to_owned()))),
            (Some(_), Style::Plain) => None,
        }
    }

    /// The daemon stops in an orderly way.
    pub fn stops(&self) -> Option<Signal> {
        (self.style == Style::Healthchecks).then(|| self.signal("/log", Some("slack-alert stops".to_owned())))
    }

    fn signal(&self, path: &str, body: Option<String>) -> Signal {
        Signal { url: self.url.clone(), path: path.to_owned(), run: None, body, timeout: self.timeout }
    }
}

#[cfg(test)]
mod tests {
    use super::{End, PingSettings, Secret, Signal, Source, Style, address};

    fn ping(style: Style) -> PingSettings {
        let url = Source::Literal(Secret::new("https://hc.example.com/1234"));
        PingSettings { url, start: None, output: true, style }
    }

    #[test]
    fn what_a_watcher_is_asked_for() {
        let told = |signal: Option<Signal>| {
            signal.map(|signal| {
                let url = address("https://hc.example.com/1234?a=b", &signal).expect("a URL");
                (url.expose().trim_start_matches("https://hc.example.com/").to_owned(), signal.body.unwrap_or_default())
            })
        };
        let some = |url: &str, body: &str| Some((url.to_owned(), body.to_owned()));
        let hc = ping(Style::Healthchecks);
        for (start, may_skip, begins) in [(None, false, true), (None, true, false), (Some(true), true, true)] {
            let ping = PingSettings { start, ..ping(Style::Healthchecks) };
            let expected = if begins { some("1234/start?a=b&rid=r", "") } else { None };
            assert_eq!(told(ping.begins("r", may_skip)), expected, "{start:?} {may_skip}");
        }
        for (end, healthchecks, plain) in [
            (End::Code(0), some("1234/0?a=b&rid=r", "out"), some("1234?a=b", "out")),
            (End::Code(3), some("1234/3?a=b&rid=r", "out"), None),
            (End::Ok, some("1234?a=b&rid=r", "out"), some("1234?a=b", "out")),
            (End::Failed, some("1234/fail?a=b&rid=r", "out"), None),
            (End::NotRun, some("1234/log?a=b&rid=r", "out"), None),
        ] {
            assert_eq!(told(hc.ends(end, "r", "out")), healthchecks, "{end:?}");
            assert_eq!(told(ping(Style::Plain).ends(end, "r", "out")), plain, "{end:?}");
        }
        assert_eq!(told(ping(Style::Plain).begins("r", false)), None);
        let quiet = PingSettings { start: Some(false), output: false, ..hc };
        assert_eq!(
            (told(quiet.begins("r", false)), told(quiet.ends(End::Ok, "r", "out"))),
            (None, some("1234?a=b&rid=r", ""))
        );
    }

    #[test]
    fn a_url_is_never_shown() {
        assert!(!format!("{:?}", ping(Style::Plain)).contains("1234"));
    }
}
