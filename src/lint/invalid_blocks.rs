//! `invalid-blocks`: blocks that Slack would refuse.

use super::{Scope, Subject};
use crate::diagnostic::{Code, Problem, Problems};
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
