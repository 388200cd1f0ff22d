//! Block Kit's blocks as JSON, those few that are used here; each within its own limits.
//!
//! Before it: mrkdwn and plain text. After it: `message::render`, and the outbox's digests. `verbatim` keeps Slack from making links and mentions out of
//! plain words.

use serde_json::{Value, json};

use super::cut::{cut, cut_plain, split};
use super::escape::{escape, fence, unformatted};
use super::limits::{ALL_BLOCKS, BUTTON, FIELD, SECTION};
use super::weight::weight;

/// A text object that Slack formats.
pub fn mrkdwn(text: &str) -> Value {
    json!({ "type": "mrkdwn", "text": text, "verbatim": true })
}

/// A paragraph of at most `limit` units.
pub fn section(text: &str, limit: usize) -> Value {
    json!({ "type": "section", "text": mrkdwn(&cut(text, limit.min(SECTION)).0) })
}

/// A line of small print.
pub fn context(text: &str) -> Value {
    json!({ "type": "context", "elements": [mrkdwn(&cut(text, 1000).0)] })
}

/// A text of any length as paragraphs that weigh at most `room` together; `false` when it was shortened.
pub fn paragraphs(text: &str, room: usize) -> (Vec<Value>, bool) {
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

/// What stands for a star in bold type.
const STAR: &str = "\u{2217}";

/// Names with values, side by side; at most `limit` units together: `None` when there is none. And `false` when one was shortened.
pub fn fields(fields: &[(String, String)], limit: usize) -> (Option<Value>, bool) {
    let each = FIELD.min(limit / fields.len().max(1));
    let mut whole = true;
    let text = |(name, value): &(String, String)| {
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let (name, whole_name) = cut_plain(&name, 100);
        // No star can stand within bold type.
        let (text, whole_text) = cut(&format!("*{}*\n{value}", unformatted(&name.replace('*', STAR))), each);
        whole &= whole_name && whole_text;
        mrkdwn(&text)
    };
    let texts: Vec<Value> = fields.iter().map(text).collect();
    ((!texts.is_empty()).then(|| json!({ "type": "section", "fields": texts })), whole)
}

/// Buttons that open URLs. `None` when there is none.
pub fn actions(actions: &[(String, String)]) -> Option<Value> {
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
pub fn preformatted(text: &str, limit: usize) -> Value {
    let shown = cut(&escape(text), limit.min(SECTION) - FENCES).0;
    json!({ "type": "section", "text": mrkdwn(&fence(&shown)) })
}

/// What the fences of a code block take.
const FENCES: usize = 10;

#[cfg(test)]
mod tests {
    use super::{fields, preformatted};
    use crate::slack::escape::units;
    use crate::slack::limits::SECTION;

    #[test]
    fn the_name_of_a_field_is_one_line_in_bold_type_whatever_stands_in_it() {
        for (name, shown) in [
            ("Queue", "*Queue*\n3"),
            ("A *b*", "*A \u{2217}b\u{2217}*\n3"),
            ("*", "*\u{2217}*\n3"),
            ("max_conn", "*max_conn*\n3"),
            ("_a_ <b>", "*\u{2060}_\u{2060}a\u{2060}_\u{2060} &lt;b&gt;*\n3"),
            ("of\nlast\tnight", "*of last night*\n3"),
        ] {
            let (block, whole) = fields(&[(name.to_owned(), "3".to_owned())], 2_000);
            assert_eq!((block.expect("a block")["fields"][0]["text"].as_str(), whole), (Some(shown), true), "{name}");
        }
    }

    #[test]
    fn a_code_block_keeps_its_limit_whatever_stands_in_it() {
        for text in
            ["plain ".repeat(1_000), "`".repeat(4_000), "&<>".repeat(2_000), "``` ".repeat(1_500), String::new()]
        {
            for limit in [40, 500, SECTION, 2 * SECTION] {
                let block = preformatted(&text, limit);
                let shown = block["text"]["text"].as_str().expect("a text");
                assert!(units(shown) <= limit.min(SECTION), "{limit}: {shown}");
                assert!(shown.starts_with("```") && shown.ends_with("```"), "{shown}");
                assert!(text.is_empty() || shown.len() > 7, "{shown}");
            }
        }
    }
}
