//! Block Kit's blocks as JSON, those few that are used here; each within its own limits.
//!
//! Before it: mrkdwn and plain text. After it: `render`. `verbatim` keeps Slack from making links and mentions out of
//! plain words.

use serde_json::{Value, json};

use super::fit::{ALL_BLOCKS, BUTTON, FIELD, SECTION, cut, cut_plain, split, weight};
use super::text::{escape, fence, units};

/// A text object that Slack formats.
fn mrkdwn(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}

/// A paragraph of at most `limit` units.
pub(super) fn section(text: &str, limit: usize) -> Value {
    json!({ "type": "section", "text": mrkdwn(&cut(text, limit.min(SECTION)).0) })
}

/// A line of small print.
pub(super) fn context(text: &str) -> Value {
    json!({ "type": "context", "elements": [mrkdwn(&cut(text, 1000).0)] })
}

/// A text of any length as paragraphs that weigh at most `room` together; `false` when it was shortened.
pub(super) fn paragraphs(text: &str, room: usize) -> (Vec<Value>, bool) {
    let mut total = room.min(ALL_BLOCKS);
    loop {
        let (pieces, whole) = split(text.trim_matches('\n'), SECTION, total);
        let blocks: Vec<Value> = pieces.iter().map(|text| json!({ "type": "section", "text": mrkdwn(text) })).collect();
        if weight(&blocks) <= room || blocks.is_empty() {
            return (blocks, whole);
        }
        // The frame of each block, and what JSON escapes, weigh too.
        total = total * 4 / 5;
    }
}

/// Names with values, side by side; at most `limit` units together. `None` when there is none.
pub(super) fn fields(fields: &[(String, String)], limit: usize) -> Option<Value> {
    let each = FIELD.min(limit / fields.len().max(1));
    let text = |(name, value): &(String, String)| {
        mrkdwn(&cut(&format!("*{}*\n{value}", escape(&cut_plain(name, 100).0)), each).0)
    };
    let texts: Vec<Value> = fields.iter().map(text).collect();
    (!texts.is_empty()).then(|| json!({ "type": "section", "fields": texts }))
}

/// Buttons that open URLs. `None` when there is none.
pub(super) fn actions(actions: &[(String, String)]) -> Option<Value> {
    let button = |(index, (text, url)): (usize, &(String, String))| {
        let text = cut_plain(text, BUTTON).0;
        json!({
            "type": "button",
            "text": { "type": "plain_text", "text": text, "emoji": true },
            "url": url,
            "action_id": format!("link-{index}"),
        })
    };
    let buttons: Vec<Value> = actions.iter().enumerate().map(button).collect();
    (!buttons.is_empty()).then(|| json!({ "type": "actions", "elements": buttons }))
}

/// A text in a code block of its own, at most `limit` units: escaped, and with its back-ticks parted, so that nothing in
/// it is obeyed. A section and no `rich_text`: a message with one can never be edited to one without (`block_mismatch`),
/// which the end of an incident needs, and within an attachment Slack documents it nowhere.
pub(super) fn preformatted(text: &str, limit: usize) -> Value {
    let room = limit.min(SECTION) - FENCES;
    let mut shown = cut(&escape(text), room).0;
    let mut fenced = fence(&shown);
    // Parting back-ticks takes room of its own.
    while units(&fenced) > limit.min(SECTION) && !shown.is_empty() {
        shown = cut(&shown, units(&shown) * 3 / 4).0;
        fenced = fence(&shown);
    }
    json!({ "type": "section", "text": mrkdwn(&fenced) })
}

/// What the fences of a code block take.
const FENCES: usize = 10;
