//! `invalid-token`: what stands in the place of a bot token and is none.

use super::Whole;
use crate::diagnostic::{Code, Place, Problem, Problems};
use crate::notify::Way;
use crate::notify::secret::{Kind, Source};

/// How Slack's tokens that can post begin (Slack: "Token types").
const BEGINNINGS: [&str; 5] = ["xoxb-", "xoxp-", "xoxe.xoxb-", "xoxe.xoxp-", "xoxe-"];

/// Where tokens are Slack's own: another base is a proxy or an emulator, whose tokens are its own affair.
const SLACK: [&str; 2] = ["https://slack.com/api", "https://slack-gov.com/api"];

/// A variable that is not set or is no token, and anything else that does not begin as Slack's tokens do. What is written in
/// the file, or in a file that it names, is told of by its reader already. The value itself is never shown.
pub(super) fn check(whole: &Whole<'_>, found: &mut Problems) {
    let slack = &whole.plan.config.slack;
    let (source, kind) = match &slack.way {
        Way::Token(source) => (source, Kind::Token),
        Way::Webhook(source) => (source, Kind::Webhook),
        Way::Console => return,
    };
    match source.resolve(kind) {
        Err(error) if matches!(source, Source::Variable { .. }) => {
            let code = if kind == Kind::Token { Code::InvalidToken } else { error.code };
            found.push(Problem::new(code, place(whole), error.why).help(error.help));
        }
        Ok(secret)
            if kind == Kind::Token
                && SLACK.contains(&slack.api_url.as_str())
                && !BEGINNINGS.iter().any(|beginning| secret.expose().starts_with(beginning)) =>
        {
            let message = format!("{} does not begin as a token of Slack does", source.describe(kind));
            let help = "a bot token begins with `xoxb-`: it is under \"OAuth & Permissions\" of the app";
            found.push(Problem::new(Code::InvalidToken, place(whole), message).help(help));
        }
        _ => {}
    }
}

/// Where it is named.
pub(super) fn place(whole: &Whole<'_>) -> Place {
    let keys = ["slack.token_env", "slack.token_file", "slack.webhook_url_env", "slack.webhook_url_file"];
    let named = keys.into_iter().find_map(|key| whole.config.find(key));
    let literal = ["slack.token", "slack.webhook_url"].into_iter().find_map(|key| whole.config.find(key));
    match (named, literal) {
        (Some(value), _) => value.at,
        // Never underlined, since its line holds the secret.
        (None, Some(token)) => token.key_at,
        (None, None) => whole.config.start(),
    }
}
