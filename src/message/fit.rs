//! Slack's limits, and how a text or a block is brought within them: shortened, the place marked with `…`, nothing
//! broken in the middle (an entity, a link, a code block).
//!
//! Before it: rendered mrkdwn and blocks. After it: `Rendered`. Limits: Slack's Block Kit reference and the models of its
//! own SDKs. Lengths are UTF-16 units of the escaped text, the larger of the two counts that Slack may mean.

use serde_json::{Value, json};

use super::text::{escape, units};

/// `text` of a section.
pub const SECTION: usize = 3000;
/// Any text object without a smaller limit of its own.
pub const TEXT_OBJECT: usize = 3000;
/// `text` of a header.
pub const HEADER: usize = 150;
/// One of a section's `fields`.
pub const FIELD: usize = 2000;
/// How many `fields` a section has.
pub const FIELDS: usize = 10;
/// How many elements a context has.
pub const CONTEXT_ELEMENTS: usize = 10;
/// How many elements an actions block has.
pub const ACTION_ELEMENTS: usize = 25;
/// `text` of a button.
pub const BUTTON: usize = 75;
/// `url` of a button or an image.
pub const URL: usize = 3000;
/// `alt_text` and `title` of an image.
pub const ALT_TEXT: usize = 2000;
/// `block_id` and `action_id`.
pub const ID: usize = 255;
/// Blocks of a message.
pub const BLOCKS: usize = 50;
/// Blocks of an attachment: more were refused, though no page says so.
pub const ATTACHMENT_BLOCKS: usize = 20;
/// All blocks of a message together. Slack documents none and refuses from about 11,000 on (`msg_blocks_too_long`).
pub const ALL_BLOCKS: usize = 9_000;
/// The plain `text` beside the blocks; 4,000 is the most that an edit takes.
pub const PLAIN: usize = 3_000;

/// The mark where something was left out.
const CUT: &str = "…";
/// Closes a code block that is open at a cut.
const CLOSE: &str = "\n```";
/// Opens it again.
const OPEN: &str = "```\n";
/// What a cut needs at most: the mark and the closing fence.
const RESERVE: usize = 5;

/// Mrkdwn of at most `limit` units, every code block closed; `false` when something was left out.
pub fn cut(text: &str, limit: usize) -> (String, bool) {
    let scan = scan(text, false, limit);
    (scan.piece(text, "", true), scan.whole)
}

/// Plain text of at most `limit` units; `false` when something was left out.
pub fn cut_plain(text: &str, limit: usize) -> (String, bool) {
    if units(text) <= limit {
        return (text.to_owned(), true);
    }
    let mut used = 1;
    let kept = text.char_indices().find(|(_, c)| {
        used += c.len_utf16();
        used > limit
    });
    let end = kept.map_or(text.len(), |(at, _)| at);
    (format!("{}{CUT}", &text[..end]), false)
}

/// Mrkdwn as pieces of at most `each` units, all of them within `total`; a code block that a border goes through is
/// closed and opened again. `false` when something was left out.
pub fn split(text: &str, each: usize, total: usize) -> (Vec<String>, bool) {
    let (mut pieces, mut rest, mut open, mut left, mut whole) = (Vec::new(), text, false, total, true);
    while !rest.trim().is_empty() {
        if left < 2 * RESERVE {
            return (pieces, false);
        }
        let prefix = if open { OPEN } else { "" };
        let room = each.min(left).saturating_sub(prefix.len());
        let scan = scan(rest, open, room);
        if scan.end == 0 && !scan.whole {
            // One thing alone, a link say, is longer than a piece may be.
            pieces.push(CUT.to_owned());
            (rest, left, whole) = (&rest[atom_length(rest)..], left - 1, false);
            continue;
        }
        let full = prefix.len() + scan.units + RESERVE;
        let last = !scan.whole && left.saturating_sub(full) < 200.min(each);
        let piece = scan.piece(rest, prefix, last);
        left = left.saturating_sub(units(&piece));
        if !piece.trim().is_empty() {
            pieces.push(piece);
        }
        if last {
            return (pieces, false);
        }
        open = scan.open;
        rest = rest[scan.end..].strip_prefix('\n').unwrap_or(&rest[scan.end..]);
    }
    (pieces, whole)
}

/// How far a text goes within a limit.
#[derive(Clone, Copy)]
struct Scan {
    /// Offset of the end.
    end: usize,
    /// Units up to there.
    units: usize,
    /// Whether a code block is open there.
    open: bool,
    /// Whether that is the whole text.
    whole: bool,
}

impl Scan {
    fn piece(&self, text: &str, prefix: &str, mark: bool) -> String {
        let mark = if mark && !self.whole { CUT } else { "" };
        let close = if self.open { CLOSE } else { "" };
        format!("{prefix}{}{mark}{close}", &text[..self.end])
    }
}

/// Walks over `text`, a code block being open at its start or not, as far as `limit` allows with mark and closing fence;
/// ends at a line's end where one is near.
fn scan(text: &str, mut open: bool, limit: usize) -> Scan {
    let (mut at, mut used) = (0, 0);
    let mut kept = Scan { end: 0, units: 0, open, whole: false };
    let mut line: Option<Scan> = None;
    while at < text.len() {
        let atom = &text[at..at + atom_length(&text[at..])];
        if used + RESERVE <= limit {
            kept = Scan { end: at, units: used, open, whole: false };
            if atom == "\n" {
                line = Some(kept);
            }
        }
        used += units(atom);
        at += atom.len();
        if atom == "```" {
            open = !open;
        }
        if used > limit {
            return match line {
                Some(line) if line.units * 2 > limit => line,
                _ => kept,
            };
        }
    }
    let close = if open { CLOSE.len() } else { 0 };
    if used + close <= limit { Scan { end: at, units: used, open, whole: true } } else { kept }
}

/// The length of the first thing in `rest` that must not be broken.
fn atom_length(rest: &str) -> usize {
    match rest.as_bytes()[0] {
        b'`' if rest.starts_with("```") => 3,
        b'&' => ["&amp;", "&lt;", "&gt;"].into_iter().find(|entity| rest.starts_with(entity)).map_or(1, str::len),
        b'<' => {
            let near = &rest.as_bytes()[..rest.len().min(URL + 100)];
            match near.iter().position(|byte| matches!(byte, b'>' | b'\n')) {
                Some(end) if near[end] == b'>' => end + 1,
                _ => 1,
            }
        }
        _ => rest.chars().next().map_or(1, char::len_utf8),
    }
}

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
    use proptest::prelude::*;
    use serde_json::json;

    use super::{BUTTON, FIELDS, HEADER, SECTION, cut, cut_plain, fit, split, weight};
    use crate::message::text::{clean, escape, units};

    #[test]
    fn a_cut_is_marked_and_breaks_nothing() {
        for (text, limit, shown) in [
            ("short", 10, "short"),
            ("exactly-10", 10, "exactly-10"),
            ("a longer text", 10, "a lon…"),
            ("abc &amp; defghij", 12, "abc …"),
            ("see <https://x.example|the page> now", 20, "see …"),
            ("```\nlong code here\n```", 16, "```\nlong co…\n```"),
            ("```\nopen", 40, "```\nopen\n```"),
            ("\u{1f525}\u{1f525}\u{1f525}\u{1f525}", 7, "\u{1f525}…"),
            ("abc", 0, "…"),
        ] {
            assert_eq!(cut(text, limit).0, shown, "{text} in {limit}");
        }
        assert_eq!(cut_plain("abcdef", 4), ("abc…".to_owned(), false));
    }

    #[test]
    fn a_long_text_is_split_at_lines_and_its_code_block_goes_on() {
        let (pieces, whole) = split("one\ntwo\nthree\nfour", 12, 100);
        assert_eq!((pieces, whole), (vec!["one\ntwo".into(), "three\nfour".into()], true));
        let (pieces, _) = split("```\naaaa\nbbbb\ncccc\ndddd\n```", 22, 300);
        assert_eq!(pieces, ["```\naaaa\nbbbb\n```", "```\ncccc\ndddd\n```"]);
        let (pieces, whole) = split(&"line of text\n".repeat(1000), SECTION, 6000);
        assert!(!whole && pieces.len() == 2, "{}", pieces.len());
        assert!(pieces[1].ends_with('…'), "{}", &pieces[1][pieces[1].len() - 30..]);
    }

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
        assert!(!whole && blocks.len() == 4 && weight(&blocks) <= super::ALL_BLOCKS);
        assert!(blocks[3].to_string().contains("shortened"));
    }

    fn fences_are_closed(text: &str) -> bool {
        text.matches("```").count().is_multiple_of(2)
    }

    proptest! {
        #[test]
        fn a_cut_keeps_the_limit_whatever_the_text(
            parts in proptest::collection::vec("(&amp;|&lt;|```|`|<https://e\\.x\\|l>|[a-z\n]{0,9}|\u{1f525})", 0..60),
            limit in 8_usize..120,
        ) {
            let text = parts.concat();
            let (short, whole) = cut(&text, limit);
            prop_assert!(units(&short) <= limit, "{} > {limit}: {short:?}", units(&short));
            prop_assert!(fences_are_closed(&short), "{short:?}");
            prop_assert_eq!(short.matches('<').count(), short.matches('>').count());
            prop_assert_eq!(short.matches('&').count(), short.matches(';').count());
            prop_assert!(whole || short.contains('…'));
        }

        #[test]
        fn pieces_keep_both_limits_and_lose_nothing_unsaid(
            bytes in proptest::collection::vec(any::<u8>(), 0..4000), fenced: bool, each in 60_usize..600,
        ) {
            let escaped = escape(&clean(&bytes));
            let text = if fenced { super::super::text::fence(&escaped) } else { escaped };
            let (pieces, whole) = split(&text, each, 2000);
            prop_assert!(pieces.iter().map(|piece| units(piece)).sum::<usize>() <= 2000);
            for piece in &pieces {
                prop_assert!(units(piece) <= each && fences_are_closed(piece), "{piece:?}");
            }
            if whole {
                let solid = |text: &str| text.chars().filter(|c| !c.is_whitespace() && *c != '`').collect::<String>();
                prop_assert_eq!(solid(&pieces.concat()), solid(&text));
            } else if let Some(last) = pieces.last() {
                prop_assert!(last.contains('…'));
            }
        }
    }
}
