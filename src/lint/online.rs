//! `check --online`: what the token may do, against what the configuration needs. Pure: the asking is done by the caller,
//! through `notify`.
//!
//! Slack: "auth.test", whose answer carries the header `X-OAuth-Scopes`; "Permission scopes".

use super::Whole;
use crate::diagnostic::{Code, Place, Problem};
use crate::notify::{AuthInfo, Fault, SendError};
use crate::plan::{Findings, Plan};
use crate::policy::Attach;

/// A scope, and what of the configuration needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Need {
    scope: &'static str,
    why: String,
    /// The key that asks for it; nothing when it is always needed.
    key: Option<&'static str>,
}

/// Adds what is wrong with the credentials, from the answer that Slack gave to `auth.test`.
pub fn judge(plan: &Plan, answer: &Result<Option<AuthInfo>, SendError>, findings: &mut Findings) {
    let problems = {
        let whole = Whole::new(plan, findings);
        match answer {
            Ok(None) => Vec::new(),
            Ok(Some(info)) => missing(plan, info, &whole),
            Err(error) => {
                let place = match error {
                    SendError::Permanent { fault: Fault::Credentials, .. } => credentials(&whole),
                    _ => ["slack.api_url", "slack.proxy", "slack.ca_file", "slack"]
                        .into_iter()
                        .find_map(|key| whole.config.find(key))
                        .map_or_else(|| whole.config.start(), |value| value.key_at),
                };
                let (message, help) = refusal(error);
                vec![Problem::new(Code::SlackUnavailable, place, message).help(help)]
            }
        }
    };
    problems.into_iter().for_each(|problem| findings.problems.push(problem));
}

/// Why Slack did not say whose the token is, and the way out.
pub fn refusal(error: &SendError) -> (String, &'static str) {
    match error {
        SendError::Permanent { fault: Fault::Credentials, .. } => (
            format!("Slack does not accept it: {error}"),
            "see that the token is whole, and that its app is still installed in the workspace",
        ),
        // The way to Slack: nothing is known of the token.
        _ => (
            format!("Slack could not be asked: {error}"),
            "this says nothing of the token: check the network, `slack.api_url` and `slack.proxy`",
        ),
    }
}

/// Where the credentials are named.
fn credentials(whole: &Whole<'_>) -> Place {
    let keys = ["token", "token_env", "token_file", "webhook_url", "webhook_url_env", "webhook_url_file"];
    let place = keys.into_iter().find_map(|key| whole.config.find(&format!("slack.{key}")));
    place.or_else(|| whole.config.find("slack")).map_or_else(|| whole.config.start(), |value| value.key_at)
}

/// Every scope that is needed and that the token does not have. Where Slack does not say what a token may do (tokens of
/// other kinds than bot tokens), nothing is.
fn missing(plan: &Plan, info: &AuthInfo, whole: &Whole<'_>) -> Vec<Problem> {
    let problem = |need: Need| {
        let place = need.key.and_then(|key| whole.config.find(key));
        let place = place.map_or_else(|| credentials(whole), |value| value.key_at);
        let (message, help) = words(&need, info);
        Problem::new(Code::MissingScope, place, message).help(help)
    };
    lacking(plan, info).map(problem).collect()
}

fn lacking(plan: &Plan, info: &AuthInfo) -> impl Iterator<Item = Need> {
    let lacks =
        |need: &Need| info.scopes.as_ref().is_some_and(|scopes| !scopes.iter().any(|scope| scope == need.scope));
    needs(plan).into_iter().filter(lacks)
}

fn words(need: &Need, info: &AuthInfo) -> (String, String) {
    let message = format!("the token of {} lacks the scope `{}`: {}", info.user, need.scope, need.why);
    let help =
        format!("add `{}` under \"OAuth & Permissions\" of the app, and reinstall it into {}", need.scope, info.team);
    (message, help)
}

/// Each scope that is needed and that the token does not have: what is wrong, and the way out.
pub fn missing_scopes(plan: &Plan, info: &AuthInfo) -> Vec<(String, String)> {
    lacking(plan, info).map(|need| words(&need, info)).collect()
}

/// What the configuration needs. A channel by its name is found by Slack itself when a message is posted; a user's ID is a
/// direct message, which the bot opens.
fn needs(plan: &Plan) -> Vec<Need> {
    let slack = &plan.config.slack;
    let mut needs = vec![Need { scope: "chat:write", why: "no message can be posted".to_owned(), key: None }];
    let look = [
        ("slack.username", slack.username.is_some()),
        ("slack.icon_emoji", slack.icon_emoji.is_some()),
        ("slack.icon_url", slack.icon_url.is_some()),
    ];
    if let Some((key, _)) = look.into_iter().find(|(_, set)| *set) {
        let why = format!("`{}` needs it", key.trim_start_matches("slack."));
        needs.push(Need { scope: "chat:write.customize", why, key: Some(key) });
    }
    let attaching = plan.jobs.iter().filter(|job| job.notify.attach != Attach::Never).count();
    if attaching > 0 {
        let jobs = if attaching == 1 { "1 job attaches".to_owned() } else { format!("{attaching} jobs attach") };
        let why = format!("{jobs} the output as a file (`notify.attach`)");
        needs.push(Need { scope: "files:write", why, key: None });
    }
    needs
}
