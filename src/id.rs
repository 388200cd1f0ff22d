//! Names of things: small types, so that a job's name is never taken for a channel.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A job's name: its path below `jobs_dir` without `.toml`, with `/` between folders (`db/backup`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobName(Arc<str>);

/// A run's number: counts up over the life of a state directory and is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunId(pub u64);

/// Where a message goes: a channel name without `#`, a channel ID (`C…`, `G…`, `D…`) or a user ID (`U…`, `W…`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Channel(Arc<str>);

/// The first few of many names: `etl/a, etl/b and 3 more`. None breaks the line.
pub fn listed(names: &[impl AsRef<str>]) -> String {
    const FEW: usize = 5;
    let first: Vec<_> = names.iter().take(FEW).map(|name| in_one_line(name.as_ref())).collect();
    match names.len().saturating_sub(FEW) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// A name or a pattern as one types it for a shell, on one line.
pub fn typed(text: &str) -> String {
    let text = in_one_line(text);
    // Only a NUL byte cannot be quoted, and it is an escape by now.
    shlex::try_quote(&text).map_or_else(|_| text.clone().into_owned(), Cow::into_owned)
}

/// Text that stays on its line: characters that end a line, control a terminal or turn the direction of writing are
/// written as escapes.
pub fn in_one_line(text: &str) -> Cow<'_, str> {
    let invisible = |c: char| {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        c.is_control() || turns
    };
    if !text.contains(invisible) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if invisible(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

impl JobName {
    /// A name as found below `jobs_dir`.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Channel {
    /// A channel as it is configured; a leading `#` is taken off, since Slack's API takes bare names.
    pub fn new(name: &str) -> Self {
        Self(name.strip_prefix('#').unwrap_or(name).into())
    }

    /// The one place that a way out has which knows no channels: an incoming webhook's channel, a terminal.
    pub fn unnamed() -> Self {
        Self("".into())
    }

    /// Whether this is [`Channel::unnamed`].
    pub fn is_unnamed(&self) -> bool {
        self.0.is_empty()
    }

    /// The name or ID, without `#`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is an ID (`C05DED65D5`) and not a name: IDs are upper case, channel names never are.
    pub fn is_id(&self) -> bool {
        self.0.len() >= 9
            && self.0.starts_with(['C', 'G', 'D', 'U', 'W'])
            && self.0.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A file's name may hold anything: what is printed, logged and posted stays on its line.
        f.pad(&in_one_line(&self.0))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// As people write it: `#ops` for a name, the bare ID for an ID.
impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            _ if self.is_unnamed() => f.pad("-"),
            _ if self.is_id() => f.pad(&self.0),
            _ => f.pad(&format!("#{}", self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Channel, typed};

    #[test]
    fn a_channel_shows_as_people_write_it() {
        for (given, sent, shown) in [
            ("#ops", "ops", "#ops"),
            ("ops", "ops", "#ops"),
            ("C05DED65D5", "C05DED65D5", "C05DED65D5"),
            ("U024BE7LH", "U024BE7LH", "U024BE7LH"),
            ("general", "general", "#general"),
            ("", "", "-"),
        ] {
            let channel = Channel::new(given);
            assert_eq!((channel.as_str(), channel.to_string().as_str()), (sent, shown));
        }
    }

    #[test]
    fn a_name_is_typed_so_that_a_shell_takes_it_for_one_word() {
        for (name, word) in
            [("db/backup", "db/backup"), ("my job", "'my job'"), ("it's", "\"it's\""), ("db/*", "'db/*'"), ("", "''")]
        {
            assert_eq!(typed(name), word);
        }
        assert!(!typed("a\nb\0").contains(['\n', '\0']));
    }
}
