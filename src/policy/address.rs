//! Where a message goes and whom it pings, as people write it. Pure.
//!
//! Before it: text of a configuration. After it: [`Settings`](super::Settings), and whoever else names a channel.

use crate::document::{Refusal, nearest};
use crate::id::Channel;

/// The longest name of a channel, in characters (Slack: "Create a channel").
const LONGEST_NAME: usize = 80;

/// Who is pinged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mention {
    /// `@here`: the active members of the channel.
    Here,
    /// `@channel`: all its members.
    Channel,
    /// A person, by ID (`U…`, `W…`).
    User(String),
    /// A user group, by ID (`S…`).
    Group(String),
}

/// Reads a channel: a name with or without `#`, a channel ID or a user ID. Names are lower case; letters of other scripts
/// are allowed in them, of punctuation only `-`, `_` and `.`.
pub fn parse_channel(text: &str) -> Result<Channel, Refusal> {
    let channel = Channel::new(text);
    let name = channel.as_str();
    let bad = |c: char| match c {
        'a'..='z' | '0'..='9' | '-' | '_' | '.' => false,
        _ => c.is_ascii() || c.is_uppercase() || c.is_whitespace() || c.is_control(),
    };
    let help = match name {
        _ if channel.is_id() => return Ok(channel),
        "" => "write a channel such as `#ops`, a channel ID or a user ID".to_owned(),
        _ if name.contains("/archives/") => {
            let id = name.rsplit("/archives/").next().and_then(|rest| rest.split(['/', '?']).next());
            format!("the last part of the link is the channel's ID: `{}`", id.unwrap_or_default())
        }
        _ if name.starts_with('@') => {
            "for a direct message write the user ID (`U…`), which is found in the person's profile".to_owned()
        }
        _ if is_id_of(name, &['S']) => {
            format!("a user group has no channel: name one, and let the message ping the group: `mention = \"{name}\"`")
        }
        _ if name.contains(',') => "several channels are a list: `[\"#ops\", \"#dev\"]`".to_owned(),
        _ if name.chars().count() > LONGEST_NAME => format!("a channel's name has at most {LONGEST_NAME} characters"),
        _ if !name.contains(bad) => return Ok(channel),
        _ if !name.to_lowercase().contains(bad) => format!("channel names are lower case: `#{}`", name.to_lowercase()),
        _ => "a channel's name has letters in lower case, digits, `-`, `_` and `.`".to_owned(),
    };
    let span = match name.char_indices().find(|(_, c)| bad(*c)) {
        Some((at, c)) if !name.starts_with('@') && !name.contains('/') && !is_id_of(name, &['S']) => {
            let at = at + text.len() - name.len();
            at..at + c.len_utf8()
        }
        _ => 0..text.len(),
    };
    Err(Refusal { message: format!("`{text}` is no channel"), span, help })
}

/// Whether this is an ID of one of these kinds. IDs are upper case, which names of channels never are.
fn is_id_of(text: &str, kinds: &[char]) -> bool {
    text.len() >= 9
        && text.starts_with(kinds)
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Reads whom to ping: `@here`, `@channel`, a user ID, a user-group ID.
pub fn parse_mention(text: &str) -> Result<Mention, Refusal> {
    match text {
        "@here" => Ok(Mention::Here),
        "@channel" => Ok(Mention::Channel),
        _ if is_id_of(text, &['U', 'W']) => Ok(Mention::User(text.to_owned())),
        _ if is_id_of(text, &['S']) => Ok(Mention::Group(text.to_owned())),
        _ => {
            let known = ["@here", "@channel"];
            let near = known.iter().find(|known| known[1..] == *text).copied().or_else(|| nearest(text, known));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write `@here`, `@channel`, a member ID (`U…`) or a user-group ID (`S…`)".to_owned(),
            };
            Err(Refusal { message: format!("`{text}` is nobody who can be pinged"), span: 0..text.len(), help })
        }
    }
}

impl Mention {
    /// As Slack writes it in mrkdwn.
    pub fn markup(&self) -> String {
        match self {
            Self::Here => "<!here>".to_owned(),
            Self::Channel => "<!channel>".to_owned(),
            Self::User(id) => format!("<@{id}>"),
            Self::Group(id) => format!("<!subteam^{id}>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_channel, parse_mention};
    use crate::id::Channel;

    #[test]
    fn channels_as_slack_has_them() {
        for good in ["#ops", "ops", "a-b_c.9", "größe", "通知", "C05DED65D5", "U024BE7LH", "D0123456789"] {
            assert_eq!(parse_channel(good), Ok(Channel::new(good)));
        }
        for (bad, part, help) in [
            ("", "", "write a channel such as `#ops`, a channel ID or a user ID"),
            ("#", "#", "write a channel such as `#ops`, a channel ID or a user ID"),
            ("#Ops", "O", "channel names are lower case: `#ops`"),
            ("GENERAL", "G", "channel names are lower case: `#general`"),
            ("@anna", "@anna", "for a direct message write the user ID (`U…`), which is found in the person's profile"),
            ("#ops, #dev", ",", "several channels are a list: `[\"#ops\", \"#dev\"]`"),
            (
                "S0614TZR7",
                "S0614TZR7",
                "a user group has no channel: name one, and let the message ping the group: `mention = \"S0614TZR7\"`",
            ),
            ("a b", " ", "a channel's name has letters in lower case, digits, `-`, `_` and `.`"),
            (
                "https://x.slack.com/archives/C05DED65D5/p1",
                "https://x.slack.com/archives/C05DED65D5/p1",
                "the last part of the link is the channel's ID: `C05DED65D5`",
            ),
        ] {
            let refusal = parse_channel(bad).expect_err(bad);
            assert_eq!((&bad[refusal.span], refusal.help.as_str()), (part, help), "{bad}");
        }
        assert!(parse_channel(&"x".repeat(80)).is_ok() && parse_channel(&"x".repeat(81)).is_err());
    }

    #[test]
    fn mentions_as_slack_writes_them() {
        for (given, markup) in [
            ("@here", "<!here>"),
            ("@channel", "<!channel>"),
            ("U024BE7LH", "<@U024BE7LH>"),
            ("W012A3CDE4", "<@W012A3CDE4>"),
            ("S0614TZR7", "<!subteam^S0614TZR7>"),
        ] {
            assert_eq!(parse_mention(given).map(|mention| mention.markup()), Ok(markup.to_owned()));
        }
        for bad in ["", "here", "@everyone", "@anna", "<!here>", "C05DED65D5", "u024be7lh"] {
            assert!(parse_mention(bad).is_err(), "{bad}");
        }
    }
}
