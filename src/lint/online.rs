//! `check --online`: what the token may do, against what the configuration needs. Pure: the asking is done by the caller,
//! through `notify`.
//!
//! Slack: "auth.test", whose answer carries the header `X-OAuth-Scopes`; "Permission scopes".

use super::Whole;
use crate::diagnostic::{Code, Place, Problem};
use crate::notify::{AuthInfo, SendError};
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
        let whole = Whole::new(plan, &findings.sources);
        match answer {
            Ok(None) => Vec::new(),
            Ok(Some(info)) => missing(plan, info, &whole),
            Err(error) => {
                let message = format!("Slack does not accept it: {error}");
                let problem = Problem::new(Code::SlackUnavailable, credentials(&whole), message);
                vec![problem.help("see that the token is whole, and that its app is still installed in the workspace")]
            }
        }
    };
    problems.into_iter().for_each(|problem| findings.problems.push(problem));
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
    let Some(scopes) = &info.scopes else { return Vec::new() };
    let lacks = |need: &Need| !scopes.iter().any(|scope| scope == need.scope);
    let problem = |need: Need| {
        let place = need.key.and_then(|key| whole.config.find(key));
        let place = place.map_or_else(|| credentials(whole), |value| value.key_at);
        let message = format!("the token of {} lacks the scope `{}`: {}", info.user, need.scope, need.why);
        let help = format!(
            "add `{}` under \"OAuth & Permissions\" of the app, and reinstall it into {}",
            need.scope, info.team
        );
        Problem::new(Code::MissingScope, place, message).help(help)
    };
    needs(plan).into_iter().filter(lacks).map(problem).collect()
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
