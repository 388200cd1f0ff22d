//! How blocks are brought within Slack's limits, and what they weigh together. Pure.
//!
//! Before it: the blocks of a `message.blocks` template. After it: a message that Slack takes.

use serde_json::{Value, json};

use super::cut::{cut, cut_plain};
use super::escape::{escape, units};
use super::limits::{
    ACTION_ELEMENTS, ALL_BLOCKS, ALT_TEXT, BLOCKS, BUTTON, CONTEXT_ELEMENTS, FIELD, FIELDS, HEADER, ID, TEXT_OBJECT,
};

/// What blocks weigh against [`ALL_BLOCKS`]: their JSON, literal texts counted as if they were escaped.
pub fn weight(blocks: &[Value]) -> usize {
    blocks.iter().map(weight_of).sum()
}

/// What one block weighs.
pub fn weight_of(block: &Value) -> usize {
    units(&block.to_string()) + literal_surplus(block) + 1
}

fn literal_surplus(value: &Value) -> usize {
    match value {
        Value::Object(map) => {
            let literal = matches!(map.get("type").and_then(Value::as_str), Some("text" | "plain_text"));
            let own = match map.get("text").and_then(Value::as_str) {
                Some(text) if literal => units(&escape(text)).saturating_sub(units(text)),
                _ => 0,
            };
            own + map.values().map(literal_surplus).sum::<usize>()
        }
        Value::Array(list) => list.iter().map(literal_surplus).sum(),
        _ => 0,
    }
}

/// Blocks from outside (`message.blocks`) within every limit: long texts cut, empty parts left out, what is too many at
/// the end left out and said so. `false` when something was left out.
pub fn fit(blocks: Vec<Value>) -> (Vec<Value>, bool) {
    let mut whole = true;
    let mut ids = Vec::new();
    let mut fitted = Vec::with_capacity(blocks.len());
    for mut block in blocks {
        if !fit_value(&mut block, "", &mut whole) {
            continue;
        }
        if let Some(map) = block.as_object_mut()
            && let Some(id) = map.get("block_id").and_then(Value::as_str).map(str::to_owned)
        {
            // A block ID must be there once in a message.
            if ids.contains(&id) || units(&id) > ID {
                map.remove("block_id");
            } else {
                ids.push(id);
            }
        }
        fitted.push(block);
    }
    let note = json!({"type": "context", "elements": [{"type": "mrkdwn", "text": "… shortened", "verbatim": true}]});
    let mut total = weight(&fitted);
    if total > ALL_BLOCKS || fitted.len() > BLOCKS {
        whole = false;
        total += weight_of(&note);
        while total > ALL_BLOCKS || fitted.len() >= BLOCKS {
            let Some(last) = fitted.pop() else { break };
            total -= weight_of(&last);
        }
        fitted.push(note);
    }
    (fitted, whole)
}

/// Brings one object, and what is in it, within its limits; the answer is whether it may stay.
fn fit_value(value: &mut Value, holder: &str, whole: &mut bool) -> bool {
    let Value::Object(map) = value else { return true };
    let kind = map.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let limit = match (kind.as_str(), holder) {
        ("mrkdwn" | "plain_text", "header") => HEADER,
        ("mrkdwn" | "plain_text", "fields") => FIELD,
        ("mrkdwn" | "plain_text", "button") => BUTTON,
        ("mrkdwn" | "plain_text", "image") => ALT_TEXT,
        ("mrkdwn" | "plain_text", _) => TEXT_OBJECT,
        ("text" | "markdown", _) => ALL_BLOCKS,
        _ => usize::MAX,
    };
    if limit < usize::MAX
        && let Some(Value::String(text)) = map.get_mut("text")
    {
        let (short, fits) = if kind == "mrkdwn" { cut(text, limit) } else { cut_plain(text, limit) };
        *whole &= fits;
        *text = short;
        if kind != "text" && text.trim().is_empty() {
            return false;
        }
    }
    if kind == "mrkdwn" && !map.contains_key("verbatim") {
        map.insert("verbatim".to_owned(), Value::Bool(true));
    }
    for (key, limit) in [("alt_text", ALT_TEXT), ("action_id", ID)] {
        if let Some(Value::String(text)) = map.get_mut(key) {
            let (short, fits) = cut_plain(text, limit);
            *whole &= fits;
            *text = short;
        }
    }
    for (key, limit) in [("fields", FIELDS), ("elements", most_elements(&kind))] {
        let Some(Value::Array(list)) = map.get_mut(key) else { continue };
        let holder = if key == "fields" { key } else { kind.as_str() };
        list.retain_mut(|member| fit_value(member, holder, whole));
        *whole &= list.len() <= limit;
        list.truncate(limit);
        if list.is_empty() {
            map.remove(key);
        }
    }
    for key in ["text", "title", "accessory", "confirm"] {
        if map.get(key).is_some_and(Value::is_object)
            && let Some(inner) = map.get_mut(key)
            && !fit_value(inner, &kind, whole)
        {
            map.remove(key);
        }
    }
    match kind.as_str() {
        "section" => map.contains_key("text") || map.contains_key("fields"),
        "header" | "button" => map.contains_key("text"),
        "context" | "actions" | "rich_text" | "rich_text_preformatted" => map.contains_key("elements"),
        _ => true,
    }
}

fn most_elements(kind: &str) -> usize {
    match kind {
        "context" => CONTEXT_ELEMENTS,
        "actions" => ACTION_ELEMENTS,
        _ => usize::MAX,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ALL_BLOCKS, ALT_TEXT, BUTTON, FIELDS, HEADER, ID, TEXT_OBJECT, fit, units, weight};

    #[test]
    fn blocks_from_outside_are_brought_within_the_limits() {
        let field = json!({"type": "mrkdwn", "text": "f"});
        let long = "x".repeat(5000);
        let (blocks, whole) = fit(vec![
            json!({"type": "header", "text": {"type": "plain_text", "text": long}}),
            json!({"type": "section", "block_id": "a", "text": {"type": "mrkdwn", "text": long}}),
            json!({"type": "section", "block_id": "a", "fields": vec![field; 12]}),
            json!({"type": "section", "text": {"type": "mrkdwn", "text": " "}}),
            json!({"type": "context", "elements": []}),
            json!({"type": "actions", "elements": [
                {"type": "button", "url": "https://x.example", "text": {"type": "plain_text", "text": long}}]}),
        ]);
        assert!(!whole);
        assert_eq!(blocks.len(), 4, "{blocks:#?}");
        assert_eq!(units(blocks[0]["text"]["text"].as_str().expect("text")), HEADER);
        assert_eq!(blocks[2]["fields"].as_array().map(Vec::len), Some(FIELDS));
        assert_eq!(blocks[2].get("block_id"), None, "a block ID is there once");
        assert_eq!(units(blocks[3]["elements"][0]["text"]["text"].as_str().expect("text")), BUTTON);
        let section = json!({"type": "section", "text": {"type": "mrkdwn", "text": "y".repeat(2500)}});
        let (blocks, whole) = fit(vec![section; 6]);
        assert!(!whole && blocks.len() == 4 && weight(&blocks) <= ALL_BLOCKS);
        assert!(blocks[3].to_string().contains("shortened"));
    }

    #[test]
    fn whatever_is_left_out_is_said_to_be_left_out() {
        let text = |length| json!({"type": "mrkdwn", "text": "x".repeat(length)});
        let image =
            |length| json!({"type": "image", "image_url": "https://x.example/i.png", "alt_text": "y".repeat(length)});
        let button = |length| {
            let label = json!({"type": "plain_text", "text": "more"});
            let button = json!({"type": "button", "action_id": "a".repeat(length), "text": label});
            json!({"type": "actions", "elements": [button]})
        };
        for (block, whole) in [
            (json!({"type": "section", "text": text(10)}), true),
            (json!({"type": "section", "text": text(5_000)}), false),
            (image(100), true),
            (image(3_000), false),
            (button(20), true),
            (button(300), false),
            (json!({"type": "section", "fields": vec![text(10); FIELDS]}), true),
            (json!({"type": "section", "fields": vec![text(10); FIELDS + 1]}), false),
            (json!({"type": "section", "fields": [text(1_900)]}), true),
            (json!({"type": "section", "fields": [text(2_100)]}), false),
        ] {
            let (fitted, is_whole) = fit(vec![block.clone()]);
            assert_eq!((fitted.len(), is_whole), (1, whole), "{block}");
        }
    }

    #[test]
    fn names_and_texts_within_other_objects_have_their_limits_too() {
        let text = |kind: &str, length| json!({"type": kind, "text": "x".repeat(length)});
        let button = json!({"type": "button", "action_id": "a".repeat(300), "url": "https://x.example",
            "text": text("plain_text", 100),
            "confirm": {"type": "confirm", "title": text("plain_text", 10), "text": text("mrkdwn", 4_000)}});
        let (blocks, whole) = fit(vec![
            json!({"type": "section", "block_id": "b".repeat(256), "text": text("mrkdwn", 10), "accessory": button}),
            json!({"type": "image", "image_url": "https://x.example/i.png", "alt_text": "y".repeat(3_000),
                "title": text("plain_text", 3_000)}),
        ]);
        let length = |pointer: &str, block: &serde_json::Value| {
            block.pointer(pointer).and_then(serde_json::Value::as_str).map(units)
        };
        assert!(!whole);
        assert_eq!(blocks[0].get("block_id"), None, "one that is too long is no name");
        assert_eq!(length("/accessory/action_id", &blocks[0]), Some(ID));
        assert_eq!(length("/accessory/text/text", &blocks[0]), Some(BUTTON));
        // Room is kept for the end of a code block.
        let confirm = length("/accessory/confirm/text/text", &blocks[0]);
        assert!(confirm.is_some_and(|length| length > TEXT_OBJECT - 10 && length <= TEXT_OBJECT), "{confirm:?}");
        assert_eq!(length("/alt_text", &blocks[1]), Some(ALT_TEXT));
        assert_eq!(length("/title/text", &blocks[1]), Some(ALT_TEXT));
        assert_eq!(blocks[0]["accessory"]["confirm"]["text"]["verbatim"], true);
    }
}
