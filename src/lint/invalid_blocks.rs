//! `invalid-blocks`: blocks that Slack would refuse.

use super::{Scope, Subject};
use crate::diagnostic::{Code, Problem, Problems};
use crate::message::bad_blocks;

/// Slack refuses a message whole when one of its blocks is wrong, and then the plain text is sent in its place. What a
/// template spells out is judged by Slack's rules; what the command will write is not known.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    if subject.job.format.is_plain() {
        return;
    }
    for bad in bad_blocks(&subject.job.format) {
        let text = subject.find(&bad.part).and_then(|value| value.text());
        let place = text.map_or_else(|| subject.file.start(), |text| text.inside(bad.range));
        let help = "Slack refuses the whole message, and its plain text is sent in the place of the blocks";
        found.push(Problem::new(Code::InvalidBlocks, place, bad.why).help(help));
    }
}
