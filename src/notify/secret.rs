//! Secrets: where a token or a webhook's URL comes from, and the type that never shows one. The door of secret files.
//!
//! Before it: `settings`. After it: the ways out, which take the secret with [`Secret::expose`] at the last moment.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::Url;

use crate::diagnostic::{Code, mask};
use crate::document::read_small;

/// No token or URL is longer; what is, is another file.
const LONGEST: u64 = 8 << 10;

/// Text that no log, error or debug output ever shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

/// What the secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A token for Slack's Web API.
    Token,
    /// The URL of an incoming webhook.
    Webhook,
    /// What browsers and scrapers show to the status page.
    Page,
    /// The URL of a watcher: a ping, or the heartbeat.
    Watcher,
}

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is written in the configuration.
    Literal(Secret),
    /// An environment variable, as it was when the configuration was read.
    Variable {
        /// Its name.
        name: String,
        /// Its value; `None` when it is not set.
        value: Option<Secret>,
    },
    /// A file, read anew at each start, reload and probe.
    File(PathBuf),
    /// A systemd credential (`slack-token`, `http-token`), likewise.
    Credential(PathBuf),
}

/// Why there is no secret to connect with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError {
    /// The stable name of this kind of problem.
    pub code: Code,
    /// What is wrong, with the place; for people, never with a secret.
    pub why: String,
    /// The way out.
    pub help: String,
}

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the request that needs it, and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.why, self.help)
    }
}

impl std::error::Error for ConnectError {}

impl Kind {
    /// The key's stem in `[slack]`.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Token | Self::Page => "token",
            Self::Webhook => "webhook_url",
            Self::Watcher => "url",
        }
    }

    /// The table in which it is named.
    fn table(self) -> &'static str {
        match self {
            Self::Token | Self::Webhook => "slack",
            Self::Page => "http",
            Self::Watcher => "heartbeat",
        }
    }
}

impl Source {
    /// In people's words, for "check …".
    pub fn describe(&self, kind: Kind) -> String {
        let key = kind.key();
        let words = match self {
            Self::Literal(_) if kind == Kind::Watcher => "`url`".to_owned(),
            Self::Literal(_) => format!("`{key}` in [{}]", kind.table()),
            Self::Variable { name, .. } if kind == Kind::Page => format!("http.{key}_env {name}"),
            Self::Variable { name, .. } => format!("{key}_env {name}"),
            Self::File(path) if kind == Kind::Page => format!("http.{key}_file {}", path.display()),
            Self::File(path) => format!("{key}_file {}", path.display()),
            Self::Credential(path) => format!("the systemd credential {}", path.display()),
        };
        // People put the secret itself where its file or its variable is asked for.
        mask::secrets(&words).into_owned()
    }

    /// The secret, as it is now; files are read.
    pub fn resolve(&self, kind: Kind) -> Result<Secret, ConnectError> {
        let refuse = |code, what: &str, help: &str| {
            let why = format!("{} {what}", self.describe(kind));
            Err(ConnectError { code, why, help: help.to_owned() })
        };
        let text = match self {
            Self::Literal(secret) | Self::Variable { value: Some(secret), .. } => secret.expose().to_owned(),
            Self::Variable { value: None, .. } => {
                let code = if kind == Kind::Token { Code::InvalidToken } else { Code::InvalidValue };
                return refuse(code, "is not set", "set it in the environment of slack-alert");
            }
            Self::File(path) | Self::Credential(path) => match read(path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return refuse(Code::MissingFile, "does not exist", "check the path");
                }
                Err(error) => {
                    return refuse(Code::UnreadableFile, &format!("cannot be read ({error})"), "check owner and mode");
                }
            },
        };
        let text = text.trim();
        let code = if kind == Kind::Token { Code::InvalidToken } else { Code::InvalidValue };
        let marked = text.starts_with('\u{feff}');
        match kind {
            Kind::Webhook | Kind::Watcher | Kind::Page if marked => {
                refuse(code, "begins with a byte order mark", "save it as plain UTF-8, without a mark")
            }
            _ if text.is_empty() => refuse(code, "is empty", "put the secret there, and nothing else"),
            Kind::Token => match no_token(text) {
                Some((what, help)) => refuse(code, what, help),
                None => Ok(Secret::new(text)),
            },
            Kind::Page if !text.bytes().all(|byte| byte.is_ascii_graphic()) => refuse(
                Code::InvalidValue,
                "is no token",
                "a token is one word of ASCII letters, digits and signs, on a line of its own",
            ),
            Kind::Webhook if !is_web_address(text) => {
                refuse(Code::InvalidValue, "is no URL", "it begins with `https://hooks.slack.com/`")
            }
            Kind::Webhook if starts_workflow(text) => refuse(
                Code::InvalidValue,
                "starts a workflow of Slack, and is no incoming webhook",
                "take the URL of an incoming webhook of the app: it begins with `https://hooks.slack.com/services/`",
            ),
            Kind::Watcher if !is_web_address(text) => {
                refuse(Code::InvalidValue, "is no URL", "it begins with `https://`")
            }
            _ => Ok(Secret::new(text)),
        }
    }
}

/// What stands in the place of a token, and the way out; nothing when it may be one.
fn no_token(text: &str) -> Option<(&'static str, &'static str)> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let assigned =
        text.strip_prefix("export ").unwrap_or(text).split_once('=').is_some_and(|(name, _)| is_name(name.trim()));
    Some(match text {
        _ if text.starts_with('\u{feff}') => {
            ("begins with a byte order mark", "save it as plain UTF-8, without a mark: `printf %s xoxb-… > FILE`")
        }
        _ if text.starts_with("http:") || text.starts_with("https:") => {
            ("is a URL and no token", "the URL of a webhook belongs into `webhook_url_file`")
        }
        _ if text.starts_with("xapp-") => (
            "is an app token, which cannot post",
            "take the bot token, `xoxb-…`, from \"OAuth & Permissions\" of the app",
        ),
        _ if text.starts_with("xoxe-") => {
            ("is a refresh token, which cannot post", "take the access token that belongs to it: `xoxe.xoxb-…`")
        }
        _ if ["xoxc-", "xoxd-", "xoxs-"].iter().any(|beginning| text.starts_with(beginning)) => (
            "is the token of a browser's session",
            "take the bot token, `xoxb-…`, from \"OAuth & Permissions\" of the app",
        ),
        "xoxb-" | "xoxp-" => ("is the beginning of a token alone", "write the whole token"),
        _ if assigned => ("holds the name of a variable too", "put the token alone there, without `NAME=`"),
        _ if text.starts_with(['"', '\'', '`']) || text.ends_with(['"', '\'', '`']) => {
            ("has quotes around it", "take them away: a token is one word, such as `xoxb-…`")
        }
        _ if !text.bytes().all(|b| b.is_ascii_graphic()) => {
            ("is no token", "a token is one word, such as `xoxb-…`, on a line of its own")
        }
        _ => return None,
    })
}

/// Whether a URL of Slack starts a workflow, which takes values of its own and no messages.
fn starts_workflow(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        let is_slack = matches!(url.host_str(), Some("hooks.slack.com" | "hooks.slack-gov.com"));
        is_slack && ["/triggers/", "/workflows/"].iter().any(|path| url.path().starts_with(path))
    })
}

/// Whether this is a URL that can be posted to.
pub(super) fn is_web_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// The small file's text. Only regular files: opening a pipe would wait for its writer.
fn read(path: &Path) -> std::io::Result<String> {
    String::from_utf8(read_bytes(path, LONGEST)?).map_err(|_| std::io::Error::other("it is not text"))
}

/// A regular file of at most `longest` bytes.
pub(super) fn read_bytes(path: &Path, longest: u64) -> std::io::Result<Vec<u8>> {
    let too_large = || std::io::Error::other(format!("it is larger than {longest} bytes"));
    read_small(path, longest)?.ok_or_else(too_large)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes the files it reads")]
mod tests {
    use super::{Kind, Secret, Source};
    use crate::diagnostic::Code;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("xoxb-hidden");
        let sources = [
            Source::Literal(secret.clone()),
            Source::Variable { name: "SLACK_TOKEN".into(), value: Some(secret.clone()) },
        ];
        for shown in [format!("{secret} {secret:?}"), format!("{sources:?}"), sources[0].describe(Kind::Token)] {
            assert!(!shown.contains("hidden"), "{shown}");
        }
    }

    #[test]
    fn a_file_is_trimmed_and_a_useless_one_is_told_without_its_content() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        for (content, kind, wanted) in [
            ("xoxb-1\n", Kind::Token, Ok("xoxb-1")),
            ("  xoxb-1  \r\n", Kind::Token, Ok("xoxb-1")),
            ("", Kind::Token, Err("is empty")),
            ("\n \n", Kind::Token, Err("is empty")),
            ("xoxb-1\nxoxb-2", Kind::Token, Err("is no token")),
            ("xoxb-ü", Kind::Token, Err("is no token")),
            ("\"xoxb-1\"", Kind::Token, Err("has quotes around it")),
            ("'xoxb-1'\n", Kind::Token, Err("has quotes around it")),
            ("SLACK_TOKEN=xoxb-1\n", Kind::Token, Err("holds the name of a variable too")),
            ("export SLACK_TOKEN=xoxb-1\n", Kind::Token, Err("holds the name of a variable too")),
            ("https://hooks.slack.com/services/T/B/X", Kind::Token, Err("is a URL and no token")),
            ("xapp-1-A-b", Kind::Token, Err("is an app token, which cannot post")),
            ("xoxe-1-abc", Kind::Token, Err("is a refresh token, which cannot post")),
            ("xoxe.xoxb-1-abc", Kind::Token, Ok("xoxe.xoxb-1-abc")),
            ("xoxc-1-abc", Kind::Token, Err("is the token of a browser's session")),
            ("xoxb-\n", Kind::Token, Err("is the beginning of a token alone")),
            ("\u{feff}xoxb-1\n", Kind::Token, Err("begins with a byte order mark")),
            ("https://hooks.slack.com/services/T/B/X\n", Kind::Webhook, Ok("https://hooks.slack.com/services/T/B/X")),
            ("\u{feff}https://hooks.slack.com/services/T", Kind::Webhook, Err("begins with a byte order mark")),
            ("\u{feff}https://hc.example.com/x", Kind::Watcher, Err("begins with a byte order mark")),
            ("\u{feff}secret", Kind::Page, Err("begins with a byte order mark")),
            ("xoxb-1", Kind::Webhook, Err("is no URL")),
            ("ftp://x/y", Kind::Webhook, Err("is no URL")),
            ("https://hooks.slack.com/triggers/T/1/x", Kind::Webhook, Err("and is no incoming webhook")),
            ("https://hooks.slack.com/workflows/T/A/1/x", Kind::Webhook, Err("and is no incoming webhook")),
            ("https://example.com/triggers/x", Kind::Webhook, Ok("https://example.com/triggers/x")),
        ] {
            let path = folder.path().join("secret");
            std::fs::write(&path, content).expect("a file");
            let got = Source::File(path).resolve(kind);
            match (got, wanted) {
                (Ok(secret), Ok(text)) => assert_eq!(secret.expose(), text),
                (Err(error), Err(part)) => {
                    let code = if kind == Kind::Token { Code::InvalidToken } else { Code::InvalidValue };
                    assert!(error.why.ends_with(part) && error.code == code, "{error}");
                    assert!(!error.to_string().contains("xoxb-1"), "{error}");
                }
                (got, wanted) => panic!("{content:?}: {got:?} and not {wanted:?}"),
            }
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_says_why() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let missing = Source::File(folder.path().join("none")).resolve(Kind::Token).expect_err("missing");
        assert_eq!(missing.code, Code::MissingFile);
        let directory = Source::Credential(folder.path().to_owned()).resolve(Kind::Token).expect_err("a folder");
        assert_eq!(directory.code, Code::UnreadableFile);
        let unset = Source::Variable { name: "SLACK_TOKEN".into(), value: None }.resolve(Kind::Token);
        assert!(unset.expect_err("not set").to_string().starts_with("token_env SLACK_TOKEN is not set: "));
    }
}
