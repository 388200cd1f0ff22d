//! How blocks are brought within Slack's limits, and what they weigh together. Pure.
//!
//! Before it: the blocks of a `message.blocks` template. After it: a message that Slack takes.

use serde_json::{Value, json};

use super::blocks::paragraphs;
use super::cut::{cut, cut_plain};
use super::escape::units;
use super::limits::{ALL_BLOCKS, BLOCKS, ID};
use super::plain::plain;
use super::validate::validate;
use super::weight::{weight, weight_of};

/// Blocks from outside (`message.blocks`) as Slack takes them.
#[derive(Debug, Default, PartialEq)]
pub struct Fitted {
    /// The blocks.
    pub blocks: Vec<Value>,
    /// Nothing was left out.
    pub whole: bool,
    /// What is not shown as it was written, and why: plain text, a sentence each.
    pub notes: Vec<String>,
}

/// Blocks from outside within every limit: long texts cut, empty parts left out, what is too many at the end left out and
/// said so. A block that Slack would refuse all the same is shown as its text: it would take the whole message along.
pub fn fit(blocks: Vec<Value>) -> Fitted {
    let mut whole = true;
    let mut all = Value::Array(blocks);
    for flaw in validate(&all) {
        // A name that is too long is none, see below.
        let Some(most) = flaw.most.filter(|_| !flaw.pointer.ends_with("block_id")) else { continue };
        whole = false;
        let holder = flaw.pointer.strip_suffix("/text").and_then(|holder| all.pointer(holder));
        let markup = holder.is_some_and(|holder| holder["type"] == "mrkdwn");
        match all.pointer_mut(&flaw.pointer) {
            Some(Value::String(text)) => {
                *text = if markup { cut(text, most).0 } else { cut_plain(text, most).0 };
            }
            Some(Value::Array(list)) => list.truncate(most),
            _ => {}
        }
    }
    let Value::Array(blocks) = all else { return Fitted::default() };
    let mut numbered = Vec::with_capacity(blocks.len());
    let (mut ids, mut notes) = (Vec::new(), Vec::new());
    for (index, mut block) in blocks.into_iter().enumerate() {
        let mut blank = 0;
        let stays = fit_value(&mut block, &mut blank);
        if blank > 0 {
            let buttons = if blank == 1 { "a button".to_owned() } else { format!("{blank} buttons") };
            notes.push(format!("{buttons} of block {} left out: the text is blank", index + 1));
        }
        if stays {
            once("block_id", &mut block, &mut ids);
            let mut actions = Vec::new();
            let elements = block.get_mut("elements").and_then(Value::as_array_mut);
            elements.into_iter().flatten().for_each(|element| once("action_id", element, &mut actions));
            numbered.push((index + 1, block));
        }
    }
    let fitted = without_refused(numbered, &mut notes);
    let (blocks, all_there) = within_weight(fitted);
    Fitted { blocks, whole: whole && all_there, notes }
}

/// Takes a name away that is there already, or that is none.
fn once(key: &str, value: &mut Value, known: &mut Vec<String>) {
    let Some(map) = value.as_object_mut() else { return };
    let Some(id) = map.get(key).and_then(Value::as_str).map(str::to_owned) else { return };
    if known.contains(&id) || id.is_empty() || units(&id) > ID {
        map.remove(key);
    } else {
        known.push(id);
    }
}

/// Puts its text in the place of each block that Slack would refuse.
fn without_refused(numbered: Vec<(usize, Value)>, notes: &mut Vec<String>) -> Vec<Value> {
    let (numbers, blocks): (Vec<usize>, Vec<Value>) = numbered.into_iter().unzip();
    let all = Value::Array(blocks);
    let mut reasons: Vec<Option<String>> = vec![None; numbers.len()];
    for flaw in validate(&all) {
        let index = flaw.pointer.split('/').nth(1).and_then(|index| index.parse::<usize>().ok());
        if let Some(reason) = index.and_then(|index| reasons.get_mut(index)) {
            reason.get_or_insert(flaw.why);
        }
    }
    let Value::Array(blocks) = all else { return Vec::new() };
    let mut taken = Vec::with_capacity(blocks.len());
    for ((number, block), reason) in numbers.into_iter().zip(blocks).zip(reasons) {
        match reason {
            None => taken.push(block),
            Some(why) => {
                let shown = paragraphs(&plain("", std::slice::from_ref(&block)), ALL_BLOCKS).0;
                notes.push(match shown.is_empty() {
                    true => format!("block {number} is left out, since Slack would refuse it: {why}"),
                    false => format!("block {number} is shown as plain text, since Slack would refuse it: {why}"),
                });
                taken.extend(shown);
            }
        }
    }
    taken
}

/// Blocks that Slack takes together; `false` when some at the end had to be left out.
fn within_weight(mut blocks: Vec<Value>) -> (Vec<Value>, bool) {
    let mut total = weight(&blocks);
    if total <= ALL_BLOCKS && blocks.len() <= BLOCKS {
        return (blocks, true);
    }
    let note = json!({"type": "context", "elements": [{"type": "mrkdwn", "text": "… shortened", "verbatim": true}]});
    total += weight_of(&note);
    while total > ALL_BLOCKS || blocks.len() >= BLOCKS {
        let Some(last) = blocks.pop() else { break };
        total -= weight_of(&last);
    }
    blocks.push(note);
    (blocks, false)
}

/// Takes out of one object, and of what is in it, whatever is blank, and counts the buttons among it; the answer is whether
/// it may stay.
fn fit_value(value: &mut Value, blank_buttons: &mut u32) -> bool {
    let Value::Object(map) = value else { return true };
    let kind = map.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let says = |map: &serde_json::Map<String, Value>| map.get("text").and_then(Value::as_str).map(str::to_owned);
    if matches!(kind.as_str(), "mrkdwn" | "plain_text" | "markdown")
        && says(map).is_some_and(|text| text.trim().is_empty())
    {
        return false;
    }
    // Slack refuses such a piece when it is empty; blanks stand between others.
    if kind == "text" && says(map).is_some_and(|text| text.is_empty()) {
        return false;
    }
    if kind == "mrkdwn" && !map.contains_key("verbatim") {
        map.insert("verbatim".to_owned(), Value::Bool(true));
    }
    for key in ["fields", "elements"] {
        let Some(Value::Array(list)) = map.get_mut(key) else { continue };
        list.retain_mut(|member| fit_value(member, blank_buttons));
        if list.is_empty() {
            map.remove(key);
        }
    }
    for key in ["text", "title", "accessory", "confirm"] {
        if map.get(key).is_some_and(Value::is_object)
            && let Some(inner) = map.get_mut(key)
            && !fit_value(inner, blank_buttons)
        {
            map.remove(key);
        }
    }
    if kind == "button" && !map.contains_key("text") {
        *blank_buttons += 1;
    }
    match kind.as_str() {
        "section" => map.contains_key("text") || map.contains_key("fields"),
        "header" | "button" => map.contains_key("text"),
        "context" | "actions" | "rich_text" => map.contains_key("elements"),
        "rich_text_section" | "rich_text_preformatted" | "rich_text_quote" | "rich_text_list" => {
            map.contains_key("elements")
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ALL_BLOCKS, Fitted, ID, fit, units, weight};
    use crate::slack::limits::{ALT_TEXT, BUTTON, FIELDS, HEADER};

    #[test]
    fn blocks_from_outside_are_brought_within_the_limits() {
        let field = json!({"type": "mrkdwn", "text": "f"});
        let long = "x".repeat(5000);
        let Fitted { blocks, whole, .. } = fit(vec![
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
        let Fitted { blocks, whole, .. } = fit(vec![section; 6]);
        assert!(!whole && blocks.len() == 4 && weight(&blocks) <= ALL_BLOCKS);
        assert!(blocks[3].to_string().contains("shortened"));
    }

    #[test]
    fn a_block_that_slack_would_refuse_and_that_has_no_text_is_left_out() {
        let text = json!({"type": "mrkdwn", "text": "all is well"});
        let fitted = fit(vec![json!({"type": "x"}), json!({"type": "section", "text": text})]);
        assert_eq!(fitted.blocks.len(), 1);
        assert_eq!(fitted.notes, ["block 1 is left out, since Slack would refuse it: there is no block of type `x`"]);
    }

    #[test]
    fn a_block_that_slack_would_refuse_is_shown_as_its_text_and_takes_no_other_along() {
        let plain = |text: &str| json!({"type": "plain_text", "text": text});
        let button = |text: &str, id: &str| json!({"type": "button", "action_id": id, "text": plain(text)});
        let text = json!({"type": "mrkdwn", "text": "all is well"});
        let fitted = fit(vec![
            json!({"type": "section", "text": text}),
            json!({"type": "sektion", "text": {"type": "mrkdwn", "text": "what it says"}}),
            json!({"type": "actions", "elements": [button("One", "go"), button(" ", "b"), button("Two", "go")]}),
        ]);
        let said = |index: usize| fitted.blocks[index]["text"]["text"].as_str();
        assert_eq!((fitted.blocks.len(), said(0), said(1)), (3, Some("all is well"), Some("what it says")));
        let ids: Vec<_> = (0..2).map(|n| fitted.blocks[2]["elements"][n].get("action_id")).collect();
        assert_eq!(ids, [Some(&json!("go")), None], "Slack refuses a name that is there twice");
        assert_eq!(
            fitted.notes,
            [
                "a button of block 3 left out: the text is blank",
                "block 2 is shown as plain text, since Slack would refuse it: there is no block of type `sektion`",
            ]
        );
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
            let fitted = fit(vec![block.clone()]);
            assert_eq!((fitted.blocks.len(), fitted.whole), (1, whole), "{block}");
        }
    }

    #[test]
    fn names_and_texts_within_other_objects_have_their_limits_too() {
        let text = |kind: &str, length| json!({"type": kind, "text": "x".repeat(length)});
        let button = json!({"type": "button", "action_id": "a".repeat(300), "url": "https://x.example",
            "text": text("plain_text", 100),
            "confirm": {"title": text("plain_text", 10), "text": text("mrkdwn", 4_000),
                "confirm": text("plain_text", 3), "deny": text("plain_text", 2)}});
        let Fitted { blocks, whole, .. } = fit(vec![
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
        assert!(confirm.is_some_and(|length| length > 290 && length <= 300), "{confirm:?}");
        assert_eq!(length("/alt_text", &blocks[1]), Some(ALT_TEXT));
        assert_eq!(length("/title/text", &blocks[1]), Some(ALT_TEXT));
        assert_eq!(blocks[0]["accessory"]["confirm"]["text"]["verbatim"], true);
    }
}
