//! `invalid-blocks`: blocks that Slack would refuse; and `invalid-value` of a colour or a button's URL that a template spells out.

use super::{Scope, Subject};
use crate::diagnostic::{Code, Place, Problem, Problems};
use crate::message::bad_blocks;

/// Slack refuses a message whole when one of its blocks is wrong, so such a block is sent as plain text. What a template
/// spells out is judged by Slack's rules; what the command will write is not known.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    if subject.job.format.is_plain() {
        return;
    }
    for bad in bad_blocks(&subject.job.format) {
        let text = subject.find(&bad.part).and_then(|value| value.text());
        let place = text.map_or_else(|| subject.file.start(), |text| text.inside(bad.range));
        let help = match bad.why.starts_with("block ") {
            true => "Slack refuses a message with such a block: what it says is sent in another form",
            false => "the usual message is sent in the place of the blocks",
        };
        found.push(Problem::new(Code::InvalidBlocks, place, bad.why).help(help));
    }
}

/// What a template chooses for a colour or a URL is known where the template spells all of it out. Without a template it is refused
/// when it is read.
pub(super) fn check_parts(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    for (part, why) in subject.job.format.bad_parts() {
        let help = match part.ends_with(".url") {
            true => "write an absolute URL that begins with https:// or http://",
            false => "write `good`, `warning`, `danger` or `#rrggbb`",
        };
        found.push(Problem::new(Code::InvalidValue, place_of(subject, &part), why).help(help));
    }
}

/// Where `message.color` or `message.actions[1].url` stands.
fn place_of(subject: &Subject<'_, '_>, part: &str) -> Place {
    let (list, member) = part.split_once('[').unwrap_or((part, ""));
    let Some(value) = subject.find(list) else { return subject.file.start() };
    let number = member.split(']').next().and_then(|number| number.parse::<usize>().ok());
    let button = number.and_then(|number| value.items()?.into_iter().nth(number)?.table());
    button.and_then(|button| button.own_value("url")).map_or(value.at, |url| url.at)
}
