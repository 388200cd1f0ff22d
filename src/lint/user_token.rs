//! `user-token`: a person's token in the place of a bot's.

use super::Whole;
use super::invalid_token::place;
use crate::diagnostic::{Code, Problem, Problems};
use crate::notify::Way;
use crate::notify::secret::Kind;

/// How the tokens of people begin (Slack: "Token types").
const BEGINNINGS: [&str; 2] = ["xoxp-", "xoxe.xoxp-"];

/// A token that posts in a person's name, with all that this person may read and write, until the person leaves.
pub(super) fn check(whole: &Whole<'_>, found: &mut Problems) {
    let Way::Token(source) = &whole.plan.config.slack.way else { return };
    let Ok(secret) = source.resolve(Kind::Token) else { return };
    if !BEGINNINGS.iter().any(|beginning| secret.expose().starts_with(beginning)) {
        return;
    }
    let message = format!("{} is a person's token: messages come from that person", source.describe(Kind::Token));
    let help = "take the bot token, which begins with `xoxb-`: it is under \"OAuth & Permissions\" of the app";
    found.push(Problem::new(Code::UserToken, place(whole), message).help(help));
}
