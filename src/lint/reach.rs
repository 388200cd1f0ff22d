//! `check --online`: `unreachable-channel` and `unchecked-channel`, of every channel that the configuration names. Pure: the
//! asking is done by the caller, through `notify`.
//!
//! Before it: what Slack said of each channel, as a [`Reach`]. After it: problems, at the characters that name the channel.

use super::Whole;
use super::view::File;
use crate::diagnostic::{Code, Place, Problem, Severity};
use crate::document::Value;
use crate::id::Channel;
use crate::notify::{AuthInfo, Sort, Target};
use crate::plan::{Findings, Plan};
use crate::policy::{Attach, parse_channel};

/// So many further places of one channel are pointed at; the others are counted.
const SHOWN: usize = 3;

/// What came of looking for a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It is there.
    Seen(Target),
    /// Slack knows none of this name or ID that the bot may see.
    Unknown {
        /// The channel of the nearest name.
        near: Option<String>,
        /// Private channels were not looked through, since the token lacks `groups:read`.
        public_only: bool,
    },
    /// The token lacks the scope that would let it look.
    MissingScope {
        /// The scope.
        scope: String,
    },
    /// It was not looked for, or no answer came: why, in words.
    Unasked {
        /// A sentence, lower case.
        why: String,
    },
}

/// A channel, and every place that names it.
struct Named {
    channel: Channel,
    places: Vec<Place>,
}

/// Every channel that the configuration names, in the order of the files: `slack.channel`, `summary.channel`, those of
/// `[defaults.notify]` and of each job.
pub fn channels(plan: &Plan, findings: &Findings) -> Vec<Channel> {
    let whole = Whole::new(plan, findings);
    named(&whole).into_iter().map(|named| named.channel).collect()
}

/// Adds what is wrong with the channels, from what came of looking for them.
pub fn judge(plan: &Plan, info: &AuthInfo, reached: &[(Channel, Reach)], findings: &mut Findings) {
    let problems: Vec<_> = {
        let whole = Whole::new(plan, findings);
        let reach = |channel: &Channel| reached.iter().find(|(known, _)| known == channel).map(|(_, reach)| reach);
        let all = named(&whole);
        let problems = all.iter().filter_map(|named| problem(named, reach(&named.channel)?, info));
        problems.filter(|problem| !is_allowed(problem, &whole)).collect()
    };
    problems.into_iter().for_each(|problem| findings.problems.push(problem));
}

/// The channels that messages can be posted to, though no file can be attached there: the bot has not joined them, and
/// uploads need a member (Slack: "files.completeUploadExternal", `not_in_channel`).
pub fn without_files<'r>(plan: &Plan, reached: &'r [(Channel, Reach)]) -> Vec<&'r Channel> {
    let attaches = plan.jobs.iter().any(|job| job.notify.attach != Attach::Never);
    let apart = |reach: &Reach| matches!(reach, Reach::Seen(Target { joined: Some(false), closed: false, .. }));
    reached.iter().filter(|(_, reach)| attaches && apart(reach)).map(|(channel, _)| channel).collect()
}

/// Channels that are named twice, by their names and by their IDs.
pub fn named_twice(reached: &[(Channel, Reach)]) -> Vec<(&Channel, &Channel)> {
    let id = |reach: &Reach| if let Reach::Seen(target) = reach { Some(Channel::new(&target.id)) } else { None };
    let names = reached.iter().filter(|(channel, _)| !channel.is_id());
    let by_id = |own: Channel| reached.iter().map(|(channel, _)| channel).find(|channel| **channel == own);
    names.filter_map(|(channel, reach)| Some((channel, by_id(id(reach)?)?))).collect()
}

/// By `[check] allow`, or by that of the job in whose file it is.
fn is_allowed(problem: &Problem, whole: &Whole<'_>) -> bool {
    let source = problem.place().map(|place| place.source);
    let job = whole.jobs.iter().find(|entry| Some(entry.source) == source).map(|entry| entry.job);
    problem.severity() == Severity::Warning
        && (whole.plan.config.allow.contains(&problem.code) || job.is_some_and(|job| job.allow.contains(&problem.code)))
}

fn named(whole: &Whole<'_>) -> Vec<Named> {
    let mut found: Vec<Named> = Vec::new();
    let mut known = std::collections::HashMap::new();
    let mut add = |file: &File<'_>, keys: &[String]| {
        for key in keys {
            // Few files name any channel: the text is looked at before it is parsed.
            if !file.text().contains("channel") {
                return;
            }
            let texts = file.find(key).filter(|value| value.is_text() || value.is_list()).map(|value| texts(&value));
            for (channel, place) in texts.into_iter().flatten() {
                let at = *known.entry(channel.clone()).or_insert_with(|| {
                    found.push(Named { channel, places: Vec::new() });
                    found.len() - 1
                });
                found[at].places.push(place);
            }
        }
    };
    let of_notify = |parents: &str| {
        ["channel", "channels.ok", "channels.warning", "channels.critical", "channels.unknown"]
            .map(|key| format!("{parents}notify.{key}"))
    };
    add(&whole.config, &["slack.channel".to_owned(), "summary.channel".to_owned()]);
    add(&whole.config, &of_notify("defaults."));
    let own = of_notify("");
    for subject in whole.subjects() {
        add(&subject.file, &own);
    }
    found
}

/// The channels of a value that is one, or a list of them; what is none has been told of.
fn texts(value: &Value<'_>) -> Vec<(Channel, Place)> {
    let items = value.items().unwrap_or_else(|| vec![value.clone()]);
    let texts = items.iter().filter(|item| item.is_text()).filter_map(Value::text);
    texts.filter_map(|text| Some((parse_channel(text.value).ok()?, text.at))).collect()
}

/// What is wrong with a channel, if anything is: the code, what is wrong, and the way out.
pub fn complaint(channel: &Channel, reach: &Reach, info: &AuthInfo) -> Option<(Code, String, String)> {
    Some(match reach {
        Reach::Seen(target) => seen(channel, target, info)?,
        Reach::Unknown { near, public_only: false } => unknown(channel, near.as_deref(), info),
        Reach::Unknown { near: Some(near), public_only: true } => unknown(channel, Some(near), info),
        Reach::Unknown { near: None, public_only: true } => (
            Code::UncheckedChannel,
            format!(
                "`{channel}` is no public channel, and the token may not look at private ones: it lacks `groups:read`"
            ),
            format!("check the name; or {}", grant("groups:read", info)),
        ),
        Reach::MissingScope { scope } => (
            Code::UncheckedChannel,
            format!("`{channel}` could not be looked for: the token lacks the scope `{scope}`"),
            format!("{}; or accept it: `[check] allow = [\"unchecked-channel\"]`", grant(scope, info)),
        ),
        Reach::Unasked { why } => (
            Code::UncheckedChannel,
            format!("`{channel}` could not be looked for: {why}"),
            "try again later; `slack-alert ping CHANNEL` posts a test message".to_owned(),
        ),
    })
}

fn problem(named: &Named, reach: &Reach, info: &AuthInfo) -> Option<Problem> {
    let (code, message, help) = complaint(&named.channel, reach, info)?;
    let (first, others) = named.places.split_first()?;
    let mut problem = Problem::new(code, *first, message).help(help);
    for (index, place) in others.iter().take(SHOWN).enumerate() {
        let more = others.len().saturating_sub(SHOWN);
        let words = match more {
            1.. if index + 1 == SHOWN => format!("and here, and in {more} more places"),
            _ => "and here".to_owned(),
        };
        problem = problem.also(*place, words);
    }
    Some(problem)
}

/// What is wrong with a channel that is there.
fn seen(channel: &Channel, target: &Target, info: &AuthInfo) -> Option<(Code, String, String)> {
    let may_post_anywhere = info.scopes.as_ref().map(|scopes| scopes.iter().any(|scope| scope == "chat:write.public"));
    let shown = match target.name.as_str() {
        "" => format!("`{channel}`"),
        name if name == channel.as_str() => format!("`{channel}`"),
        name => format!("`{channel}` ({name})"),
    };
    let wrong = |message: String, help: String| Some((Code::UnreachableChannel, message, help));
    let invite = format!("invite it: `/invite @{}` in the channel", info.user);
    match (target.sort, target.joined) {
        (Sort::Person | Sort::Direct, _) if target.closed => {
            wrong(format!("{shown} is a member who is deactivated"), "write the ID of somebody who is there".to_owned())
        }
        (Sort::Bot, _) => wrong(
            format!("{shown} is a bot, and a bot cannot write to another"),
            "write the ID of a person or of a channel".to_owned(),
        ),
        (Sort::Public | Sort::Private, _) if target.closed => wrong(
            format!("the channel {shown} is archived: nothing can be posted to it"),
            "choose another channel, or unarchive it in Slack".to_owned(),
        ),
        (Sort::Private, Some(false)) => wrong(format!("the bot is not in the private channel {shown}"), invite),
        (Sort::Public, Some(false)) => match may_post_anywhere {
            Some(true) => None,
            Some(false) => wrong(
                format!("the bot is not in {shown}, and the token lacks the scope `chat:write.public`"),
                format!("{invite}; or, for every public channel at once, {}", grant("chat:write.public", info)),
            ),
            None => Some((
                Code::UncheckedChannel,
                format!("the bot is not in {shown}, and Slack does not say whether it may post there all the same"),
                invite,
            )),
        },
        _ => None,
    }
}

fn unknown(channel: &Channel, near: Option<&str>, info: &AuthInfo) -> (Code, String, String) {
    let message = format!("Slack knows no `{channel}` that the bot may see");
    let help = match near {
        Some(near) => format!("did you mean `#{near}`?"),
        None if channel.as_str().starts_with(['U', 'W']) && channel.is_id() => {
            "check the member ID, which is found in the person's profile".to_owned()
        }
        None => format!(
            "check the name or ID; a private channel is seen only by who is in it: `/invite @{}` there",
            info.user
        ),
    };
    (Code::UnreachableChannel, message, help)
}

fn grant(scope: &str, info: &AuthInfo) -> String {
    format!("add `{scope}` under \"OAuth & Permissions\" of the app, and reinstall it into {}", info.team)
}
