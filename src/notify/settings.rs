//! `[slack]`: how messages reach Slack. Reads the table into [`Settings`]; every problem with its place, never a secret.
//!
//! Before it: `document`. After it: [`connect`](super::connect), and `outbox`, which keeps the rate.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;

use super::secret::{ConnectError, Kind, Secret, Source, is_web_address};
use super::tls::certificates;
use crate::diagnostic::{Code, Problem};
use crate::document::{Key, Kind as Takes, Rate, Reader, Table, Text, Value, default_of};
use crate::id::Channel;
use crate::policy::parse_channel;

/// Slack's Web API.
const API: &str = "https://slack.com/api";

/// The systemd credential that is found by itself, below `$CREDENTIALS_DIRECTORY` (systemd.exec(5), "CREDENTIALS").
const CREDENTIAL: &str = "slack-token";

/// How long one HTTP request may take, at most: an alert behind it waits as long.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);

/// Slack's own limit for channel names and display names, in characters.
const LONGEST_NAME: usize = 80;

/// The ways to authenticate, of which one is enough.
const WAYS: [&str; 6] = ["token", "token_env", "token_file", "webhook_url", "webhook_url_env", "webhook_url_file"];

const fn key(name: &'static str, kind: Takes, default: &'static str, about: &'static str) -> Key {
    Key { name, kind, default, about }
}

/// The keys of `[slack]`.
pub const KEYS: &[Key] = &[
    key("token", Takes::Text, "", "A bot token (`xoxb-…`). `check` warns, since a secret is better kept elsewhere."),
    key("token_env", Takes::Text, "", "The environment variable that holds the token."),
    key(
        "token_file",
        Takes::Text,
        "",
        "The file that holds the token; read anew at each reload. Without any of these keys the systemd credential \
         `slack-token` is used where there is one.",
    ),
    key("webhook_url", Takes::Text, "", "The URL of an incoming webhook: no threads, edits or uploads. `check` warns."),
    key("webhook_url_env", Takes::Text, "", "The environment variable that holds the webhook's URL."),
    key("webhook_url_file", Takes::Text, "", "The file that holds the webhook's URL."),
    key(
        "channel",
        Takes::Text,
        "",
        "Where messages go that name no channel: a name with or without `#`, a channel ID, or a user ID for a direct \
         message. An incoming webhook has its own channel.",
    ),
    key("username", Takes::Text, "", "The name shown with messages; needs the scope chat:write.customize."),
    key("icon_emoji", Takes::Text, "", "The emoji shown with messages (`:fire:`); wins over `icon_url`."),
    key("icon_url", Takes::Text, "", "The picture shown with messages."),
    key("rate", Takes::Rate, "1/s", "Messages per channel; Slack's own limit is about one a second."),
    key("api_url", Takes::Text, API, "Another base of the Web API: a proxy, GovSlack, an emulator."),
    key(
        "proxy",
        Takes::Text,
        "",
        "The HTTP proxy; without it the environment says (HTTPS_PROXY, ALL_PROXY, NO_PROXY).",
    ),
    key("ca_file", Takes::Text, "", "Root certificates (PEM) that are trusted besides the system's."),
    key("timeout", Takes::Duration, "10s", "How long one HTTP request may take, from connecting to the whole answer."),
];

/// How messages leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through the Web API.
    Token(Source),
    /// Through an incoming webhook.
    Webhook(Source),
    /// To the terminal, since nothing else is configured.
    Console,
}

/// What `[slack]` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How messages leave.
    pub way: Way,
    /// Where they go when a job says nothing.
    pub channel: Option<Channel>,
    /// At most so many per channel.
    pub rate: Rate,
    /// The name shown with messages.
    pub username: Option<String>,
    /// The emoji shown with them, in colons; wins over `icon_url`.
    pub icon_emoji: Option<String>,
    /// The picture shown with them.
    pub icon_url: Option<String>,
    /// The Web API's base, without a slash at its end.
    pub api_url: String,
    /// The proxy, which may carry a password; `None` leaves it to the environment.
    pub proxy: Option<Secret>,
    /// More root certificates.
    pub ca_file: Option<PathBuf>,
    /// For one HTTP request.
    pub timeout: Duration,
    /// Environment variables that hold a secret: no command inherits them.
    pub secret_variables: Vec<String>,
}

/// What reading needs to know of the world around the file.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The value of an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// `$CREDENTIALS_DIRECTORY`.
    pub credentials: Option<&'a Path>,
    /// The folder of `slack_alert.toml`: relative paths start there.
    pub config_dir: &'a Path,
}

/// What a way out can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct Capabilities {
    /// Messages can be answered in threads.
    pub threads: bool,
    /// Messages can be edited.
    pub edits: bool,
    /// Files can be attached.
    pub files: bool,
    /// Messages go to the channels that they name; without it there is one place for all.
    pub channels: bool,
    /// A message without a channel goes nowhere.
    pub needs_channel: bool,
    /// The sender's name and picture can be chosen.
    pub names: bool,
    /// Only so many messages are taken in a time.
    pub limited: bool,
    /// Credentials and channels can be asked about without posting.
    pub lookups: bool,
}

impl Capabilities {
    /// Everything: what a token can do.
    pub const ALL: Self = Self {
        threads: true,
        edits: true,
        files: true,
        channels: true,
        needs_channel: true,
        names: true,
        limited: true,
        lookups: true,
    };

    /// Posting to one place, as fast as one likes.
    pub const NONE: Self = Self {
        threads: false,
        edits: false,
        files: false,
        channels: false,
        needs_channel: false,
        names: false,
        limited: false,
        lookups: false,
    };
}

impl Settings {
    /// Where messages go that name no channel; none where the way out has one place of its own.
    pub fn place(&self) -> Option<Channel> {
        self.channel.clone().filter(|_| self.way.capabilities().channels)
    }
}

impl Way {
    /// What can be done this way.
    pub fn capabilities(&self) -> Capabilities {
        match self {
            Self::Token(_) => Capabilities::ALL,
            Self::Webhook(_) => Capabilities { limited: true, ..Capabilities::NONE },
            Self::Console => Capabilities { channels: true, ..Capabilities::NONE },
        }
    }

    /// Where the credentials come from.
    pub fn source(&self) -> Option<&Source> {
        match self {
            Self::Token(source) | Self::Webhook(source) => Some(source),
            Self::Console => None,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            way: Way::Console,
            channel: None,
            rate: default_of(KEYS, "rate").rate(),
            username: None,
            icon_emoji: None,
            icon_url: None,
            api_url: default_of(KEYS, "api_url").text().to_owned(),
            proxy: None,
            ca_file: None,
            timeout: default_of(KEYS, "timeout").duration(),
            secret_variables: Vec::new(),
        }
    }
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("config_dir", &self.config_dir).finish_non_exhaustive()
    }
}

/// Reads `[slack]`; the table may be empty. What is wrong is left at its default, and is a problem.
pub fn read(table: &mut Table<'_>, around: &Surroundings<'_>) -> Settings {
    let usual = Settings::default();
    refuse_two_ways(table);
    Settings {
        way: read_way(table, around),
        channel: table.text("channel").and_then(|text| read_channel(&text, table.reader())),
        rate: table.rate("rate").unwrap_or(usual.rate),
        username: look(table, USERNAME),
        icon_emoji: look(table, ICON_EMOJI),
        icon_url: look(table, ICON_URL),
        api_url: checked(table, "api_url", "write a URL such as `https://slack.com/api`", is_api_base)
            .map_or(usual.api_url, |url| url.trim_end_matches('/').to_owned()),
        proxy: read_proxy(table),
        ca_file: read_ca_file(table, around),
        timeout: read_timeout(table).unwrap_or(usual.timeout),
        secret_variables: ["token_env", "webhook_url_env"]
            .into_iter()
            .filter_map(|key| Some(table.own_value(key)?.text()?.value.to_owned()))
            .collect(),
    }
}

/// A channel, by the rule that `[notify]` has for it too.
fn read_channel(text: &Text<'_>, reader: &Reader) -> Option<Channel> {
    match parse_channel(text.value) {
        Ok(channel) => Some(channel),
        Err(refusal) => {
            let whole = refusal.span == (0..text.value.len());
            let at = if whole { text.at } else { text.inside(refusal.span) };
            reader.push(Problem::new(Code::InvalidValue, at, refusal.message).help(refusal.help));
            None
        }
    }
}

/// Every further way to authenticate conflicts with the first that is written.
fn refuse_two_ways(table: &Table<'_>) {
    let mut written: Vec<_> = WAYS.iter().filter_map(|way| Some((table.own_value(way)?.at.start, *way))).collect();
    written.sort();
    if let Some(((_, first), rest)) = written.split_first() {
        for (_, other) in rest {
            table.conflict(first, other, "one way to authenticate is enough: remove one of the two");
        }
    }
}

/// The way out: the first key that is usable, then the credential, then the terminal.
#[expect(clippy::disallowed_methods, reason = "the door of secrets: whether systemd has left a credential")]
fn read_way(table: &mut Table<'_>, around: &Surroundings<'_>) -> Way {
    let reader = table.reader();
    let mut way = None;
    for key in WAYS {
        let kind = if key.starts_with("token") { Kind::Token } else { Kind::Webhook };
        let Some(value) = table.value(key) else { continue };
        let source = match key {
            "token" | "webhook_url" => value.text().and_then(|text| literal(reader, &value, &text, kind)),
            "token_env" | "webhook_url_env" => variable(&value, around),
            _ => file(reader, &value, around, kind),
        };
        let found = source.map(|source| match kind {
            Kind::Token => Way::Token(source),
            Kind::Webhook | Kind::Page | Kind::Watcher => Way::Webhook(source),
        });
        way = way.or(found);
    }
    way.unwrap_or_else(|| match around.credentials.map(|folder| folder.join(CREDENTIAL)) {
        Some(path) if path.is_file() => Way::Token(Source::Credential(path)),
        _ => Way::Console,
    })
}

/// The systemd credential of this name, where systemd has left one.
#[expect(clippy::disallowed_methods, reason = "the door of secrets: whether systemd has left a credential")]
pub(super) fn credential(folder: &Path, name: &str) -> Option<PathBuf> {
    Some(folder.join(name)).filter(|path| path.is_file())
}

/// A token for another purpose than Slack: out of a file, a variable, or the systemd credential of this name.
#[expect(clippy::disallowed_methods, reason = "the door of secrets: whether systemd has left a credential")]
pub fn read_token(table: &mut Table<'_>, around: &Surroundings<'_>, kind: Kind, credential: &str) -> Option<Source> {
    table.conflict("token_file", "token_env", "one token is enough: remove one of the two");
    let reader = table.reader();
    let file = table.value("token_file").and_then(|value| file(reader, &value, around, kind));
    let named = table.value("token_env").and_then(|value| variable(&value, around));
    file.or(named).or_else(|| {
        let path = around.credentials?.join(credential);
        path.is_file().then_some(Source::Credential(path))
    })
}

/// A secret in a file of its own.
fn file(reader: &Reader, value: &Value<'_>, around: &Surroundings<'_>, kind: Kind) -> Option<Source> {
    let source = Source::File(around.config_dir.join(path_of_secret(value)?.value));
    note(reader, value, &source, kind);
    Some(source)
}

/// A secret that is written in the file: it works, and is better kept elsewhere. Its value is never underlined.
fn literal(reader: &Reader, value: &Value<'_>, text: &Text<'_>, kind: Kind) -> Option<Source> {
    let source = Source::Literal(Secret::new(text.value.trim()));
    let path = value.path();
    if note(reader, value, &source, kind) {
        let message = format!("`{path}` holds a secret, and whoever reads this file can post as you");
        let help = format!("keep it in a file of its own (`{}_file`), or use a systemd credential", kind.key());
        reader.push(Problem::new(Code::SecretInFile, value.key_at, message).help(help));
    }
    Some(source)
}

/// The path of a file that holds a secret. The secret itself, put here by mistake, is not quoted.
pub(super) fn path_of_secret<'d>(value: &Value<'d>) -> Option<Text<'d>> {
    let path = value.file()?;
    if path.value.contains("://") {
        let message = format!("`{}` must be the path of a file, and is a URL", value.path());
        return value.refuse(
            Code::InvalidValue,
            message,
            "put the URL into a file of its own, and write the path of that file",
        );
    }
    Some(path)
}

/// A variable by name. That it is not set is no fault of the file: `check` may run elsewhere.
fn variable(value: &Value<'_>, around: &Surroundings<'_>) -> Option<Source> {
    let name = variable_of_secret(value)?;
    let found = (around.env)(name).map(Secret::new);
    Some(Source::Variable { name: name.to_owned(), value: found })
}

/// The name of a variable that holds a secret. The secret itself, put here by mistake, is not quoted.
pub(super) fn variable_of_secret<'d>(value: &Value<'d>) -> Option<&'d str> {
    let name = value.text()?.value;
    if name.is_empty() || name.contains(['=', '\0', '$', ' ', '/', ':']) || name.starts_with("xox") {
        let message = format!("`{}` must be the name of an environment variable", value.path());
        return value.refuse(Code::InvalidValue, message, "write the bare name, such as `SLACK_TOKEN`");
    }
    Some(name)
}

/// Notes what keeps a source from being used; the answer is whether nothing does.
fn note(reader: &Reader, value: &Value<'_>, source: &Source, kind: Kind) -> bool {
    let Err(ConnectError { code, why, help }) = source.resolve(kind) else { return true };
    let at = if matches!(source, Source::File(_)) { value.at } else { value.key_at };
    reader.push(Problem::new(code, at, why).help(help));
    false
}

/// Text that passes a test, else a problem with this help.
fn checked(table: &mut Table<'_>, key: &'static str, help: &str, good: impl Fn(&str) -> bool) -> Option<String> {
    let value = table.value(key)?;
    let text = value.text()?.value;
    if good(text) {
        return Some(text.to_owned());
    }
    value.refuse(Code::InvalidValue, format!("`{text}` is no value for `{}`", value.path()), help)
}

/// How messages look: a key, what to write, and whether a text will do.
pub type Look = (&'static str, &'static str, fn(&str) -> bool);

/// The name that messages bear.
pub const USERNAME: Look = ("username", "write a name of up to 80 characters", |text| {
    !text.trim().is_empty() && text.chars().count() <= LONGEST_NAME && !text.contains(char::is_control)
});
/// The emoji beside that name.
pub const ICON_EMOJI: Look = ("icon_emoji", "write an emoji's name in colons, such as `:fire:`", is_emoji);
/// The picture beside it.
pub const ICON_URL: Look = ("icon_url", "write the URL of a picture: `https://…`", is_web_address);

fn look(table: &mut Table<'_>, (key, help, good): Look) -> Option<String> {
    checked(table, key, help, good)
}

/// `:fire:`, `:+1:`, `:wave::skin-tone-2:`.
fn is_emoji(text: &str) -> bool {
    let inner = text.strip_prefix(':').and_then(|rest| rest.strip_suffix(':'));
    inner.is_some_and(|name| !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_uppercase()))
}

/// A URL to which `/chat.postMessage` can be added.
fn is_api_base(text: &str) -> bool {
    let plain = |url: Url| {
        url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none()
    };
    is_web_address(text) && Url::parse(text).is_ok_and(plain)
}

/// The proxy; `proxy:3128` is an HTTP proxy. It may carry a password, so problems do not quote it.
fn read_proxy(table: &mut Table<'_>) -> Option<Secret> {
    let value = table.value("proxy")?;
    let text = value.text()?.value;
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    if is_web_address(&url) && reqwest::Proxy::all(&url).is_ok() {
        return Some(Secret::new(url));
    }
    value.refuse(
        Code::InvalidValue,
        format!("`{}` is no proxy that can be used", value.path()),
        "write an HTTP proxy such as `http://proxy:3128`",
    )
}

/// The file of root certificates, looked into now, so that a wrong one is known before the first alert.
fn read_ca_file(table: &mut Table<'_>, around: &Surroundings<'_>) -> Option<PathBuf> {
    let value = table.value("ca_file")?;
    let path = around.config_dir.join(value.file()?.value);
    if let Err(ConnectError { code, why, help }) = certificates(&path) {
        return value.refuse(code, why, help);
    }
    Some(path)
}

fn read_timeout(table: &mut Table<'_>) -> Option<Duration> {
    let value = table.value("timeout")?;
    match value.duration()? {
        timeout if !timeout.is_zero() && timeout <= LONGEST_TIMEOUT => Some(timeout),
        _ => value.refuse(
            Code::InvalidValue,
            format!("`{}` must be more than nothing and at most 10 minutes", value.path()),
            "the default is `10s`",
        ),
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
