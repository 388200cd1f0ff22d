//! Whether Slack would take blocks: Block Kit's rules, as far as they are documented (Slack: "Block Kit reference"). Pure.
//!
//! Before it: blocks of a `message.blocks` template. After it: `check`. Of a kind of block that is not looked into here
//! (Slack adds new ones) nothing but its name is known.

use serde_json::{Map, Value};

use super::escape::units;
use super::limits::{
    ACTION_ELEMENTS, ALT_TEXT, BLOCKS, BUTTON, CONTEXT_ELEMENTS, FIELD, FIELDS, HEADER, ID, LONGEST_TEXT, SECTION,
    TEXT_OBJECT, URL,
};

/// The kinds of block that a message may have.
const KINDS: &[&str] = &[
    "actions",
    "alert",
    "card",
    "carousel",
    "container",
    "context",
    "context_actions",
    "divider",
    "file",
    "header",
    "image",
    "input",
    "markdown",
    "plan",
    "rich_text",
    "section",
    "table",
    "task_card",
    "video",
];

/// The kinds of element that a section, an actions block or an input may have.
const ELEMENTS: &[&str] = &[
    "button",
    "channels_select",
    "checkboxes",
    "conversations_select",
    "datepicker",
    "datetimepicker",
    "email_text_input",
    "external_select",
    "feedback_buttons",
    "file_input",
    "icon_button",
    "image",
    "multi_channels_select",
    "multi_conversations_select",
    "multi_external_select",
    "multi_static_select",
    "multi_users_select",
    "number_input",
    "overflow",
    "plain_text_input",
    "radio_buttons",
    "rich_text_input",
    "static_select",
    "timepicker",
    "url_text_input",
    "users_select",
    "workflow_button",
];

/// The kinds of text.
const ANY_TEXT: &[&str] = &["plain_text", "mrkdwn"];
const PLAIN_TEXT: &[&str] = &["plain_text"];

/// Where in the blocks something is that Slack does not take, as a JSON pointer, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// `/0/text`.
    pub pointer: String,
    /// In words.
    pub why: String,
}

/// Everything that Slack would not take.
pub fn validate(blocks: &Value) -> Vec<Flaw> {
    let mut flaws = Flaws { found: Vec::new(), ids: Vec::new() };
    match blocks.as_array() {
        None => flaws.add("", "blocks are a JSON array"),
        Some(list) => {
            if list.len() > BLOCKS {
                flaws.add("", format!("{} blocks are too many: Slack takes {BLOCKS}", list.len()));
            }
            for (index, block) in list.iter().enumerate() {
                flaws.block(&format!("/{index}"), block);
            }
        }
    }
    flaws.found
}

struct Flaws {
    found: Vec<Flaw>,
    /// Every `block_id` so far.
    ids: Vec<String>,
}

impl Flaws {
    fn add(&mut self, pointer: &str, why: impl Into<String>) {
        self.found.push(Flaw { pointer: pointer.to_owned(), why: why.into() });
    }

    fn block(&mut self, at: &str, block: &Value) {
        let Some(map) = block.as_object() else { return self.add(at, "a block is an object with a `type`") };
        let Some(kind) = self.kind(at, map, "a block") else { return };
        if let Some(id) = map.get("block_id") {
            self.short(&format!("{at}/block_id"), id, "`block_id`", ID);
            match id.as_str() {
                Some(id) if self.ids.iter().any(|known| known == id) => {
                    self.add(&format!("{at}/block_id"), "another block has the same `block_id`");
                }
                Some(id) => self.ids.push(id.to_owned()),
                None => {}
            }
        }
        match kind {
            "section" => {
                self.only(at, map, "a section", &["text", "fields", "accessory", "expand"]);
                if !map.contains_key("text") && !map.contains_key("fields") {
                    self.add(at, "a section needs `text` or `fields`");
                }
                self.optional_text(at, map, "text", ANY_TEXT, SECTION);
                self.members(at, map, "fields", FIELDS, |flaws, at, field| {
                    flaws.text(at, field, "a field", ANY_TEXT, FIELD);
                });
                if let Some(accessory) = map.get("accessory") {
                    self.element(&format!("{at}/accessory"), accessory);
                }
            }
            "header" => {
                self.only(at, map, "a header", &["text", "level"]);
                self.required_text(at, map, "text", "a header", PLAIN_TEXT, HEADER);
            }
            "divider" => self.only(at, map, "a divider", &[]),
            "context" => {
                self.only(at, map, "a context", &["elements"]);
                self.required_members(at, map, CONTEXT_ELEMENTS, |flaws, at, element| {
                    match element.get("type").and_then(Value::as_str) {
                        Some("image") => flaws.image(at, element),
                        _ => flaws.text(at, element, "an element of a context", ANY_TEXT, TEXT_OBJECT),
                    }
                });
            }
            "actions" => {
                self.only(at, map, "an actions block", &["elements"]);
                self.required_members(at, map, ACTION_ELEMENTS, Flaws::element);
            }
            "image" => {
                self.image(at, block);
                self.optional_text(at, map, "title", PLAIN_TEXT, ALT_TEXT);
            }
            "markdown" => match map.get("text") {
                Some(text) => self.short(&format!("{at}/text"), text, "`text` of a markdown block", LONGEST_TEXT),
                None => self.add(at, "a markdown block needs `text`"),
            },
            "video" => {
                for key in ["alt_text", "title", "thumbnail_url", "video_url"] {
                    if !map.contains_key(key) {
                        self.add(at, format!("a video needs `{key}`"));
                    }
                }
                self.optional_text(at, map, "title", PLAIN_TEXT, 200);
                for key in ["thumbnail_url", "video_url", "title_url"] {
                    if let Some(url) = map.get(key) {
                        self.url(&format!("{at}/{key}"), url);
                    }
                }
            }
            "input" => {
                self.required_text(at, map, "label", "an input", PLAIN_TEXT, 2000);
                match map.get("element") {
                    Some(element) => self.element(&format!("{at}/element"), element),
                    None => self.add(at, "an input needs `element`"),
                }
            }
            "table" => self.required_list(at, map, "rows", "a table"),
            "rich_text" => self.required_list(at, map, "elements", "a block of rich text"),
            "file" if !map.contains_key("external_id") => self.add(at, "a file needs `external_id`"),
            known if KINDS.contains(&known) => {}
            unknown => self.add(&format!("{at}/type"), format!("there is no block of type `{}`", short(unknown))),
        }
    }

    fn element(&mut self, at: &str, element: &Value) {
        let Some(map) = element.as_object() else { return self.add(at, "an element is an object with a `type`") };
        let Some(kind) = self.kind(at, map, "an element") else { return };
        if let Some(id) = map.get("action_id") {
            self.short(&format!("{at}/action_id"), id, "`action_id`", ID);
        }
        match kind {
            "button" => {
                self.required_text(at, map, "text", "a button", PLAIN_TEXT, BUTTON);
                if let Some(url) = map.get("url") {
                    self.url(&format!("{at}/url"), url);
                }
                if let Some(value) = map.get("value") {
                    self.short(&format!("{at}/value"), value, "`value` of a button", 2000);
                }
                let style = map.get("style");
                if style.is_some_and(|style| !matches!(style.as_str(), Some("primary" | "danger"))) {
                    self.add(&format!("{at}/style"), "`style` of a button is `primary` or `danger`, or left out");
                }
            }
            "image" => self.image(at, element),
            "overflow" => self.members(at, map, "options", 5, |_, _, _| {}),
            known if ELEMENTS.contains(&known) => {}
            unknown => self.add(&format!("{at}/type"), format!("there is no element of type `{}`", short(unknown))),
        }
    }

    /// The `type` of a block or an element.
    fn kind<'v>(&mut self, at: &str, map: &'v Map<String, Value>, what: &str) -> Option<&'v str> {
        match map.get("type") {
            Some(Value::String(kind)) => return Some(kind),
            Some(_) => self.add(&format!("{at}/type"), "`type` is a string"),
            None => self.add(at, format!("{what} needs `type`")),
        }
        None
    }

    /// Slack refuses a key that it does not know.
    fn only(&mut self, at: &str, map: &Map<String, Value>, what: &str, keys: &[&str]) {
        for key in map.keys().filter(|key| !["type", "block_id"].contains(&key.as_str())) {
            if !keys.contains(&key.as_str()) {
                self.add(&format!("{at}/{key}"), format!("{what} has no `{}`", short(key)));
            }
        }
    }

    fn image(&mut self, at: &str, image: &Value) {
        match image.get("alt_text") {
            Some(text) if text.as_str().is_some_and(|text| !text.is_empty()) => {
                self.short(&format!("{at}/alt_text"), text, "`alt_text` of an image", ALT_TEXT);
            }
            Some(_) => self.add(&format!("{at}/alt_text"), "`alt_text` of an image is text that is not empty"),
            None => self.add(at, "an image needs `alt_text`"),
        }
        match (image.get("image_url"), image.get("slack_file")) {
            (Some(url), _) => self.url(&format!("{at}/image_url"), url),
            (None, Some(_)) => {}
            (None, None) => self.add(at, "an image needs `image_url`"),
        }
    }

    fn url(&mut self, at: &str, url: &Value) {
        match url.as_str() {
            Some(url) if units(url) > URL => self.add(at, format!("a URL has at most {URL} characters")),
            Some(url) if is_url(url) => {}
            Some(url) => self.add(at, format!("`{}` is no absolute URL, https or http", short(url))),
            None => self.add(at, "a URL is a string"),
        }
    }

    /// A string with a limit.
    fn short(&mut self, at: &str, value: &Value, what: &str, most: usize) {
        match value.as_str().map(units) {
            Some(length) if length > most => {
                self.add(at, format!("{what} has {length} characters, and Slack takes {most}"));
            }
            Some(_) => {}
            None => self.add(at, format!("{what} is a string")),
        }
    }

    fn optional_text(&mut self, at: &str, map: &Map<String, Value>, key: &str, kinds: &[&str], most: usize) {
        if let Some(text) = map.get(key) {
            self.text(&format!("{at}/{key}"), text, &format!("`{key}`"), kinds, most);
        }
    }

    fn required_text(
        &mut self,
        at: &str,
        map: &Map<String, Value>,
        key: &str,
        what: &str,
        kinds: &[&str],
        most: usize,
    ) {
        match map.get(key) {
            Some(text) => self.text(&format!("{at}/{key}"), text, &format!("`{key}` of {what}"), kinds, most),
            None => self.add(at, format!("{what} needs `{key}`")),
        }
    }

    /// A text object of one of these kinds.
    fn text(&mut self, at: &str, text: &Value, what: &str, kinds: &[&str], most: usize) {
        let kind = text.get("type");
        match kind.and_then(Value::as_str) {
            Some(kind) if kinds.contains(&kind) => {}
            Some(kind) => {
                let why = format!("{what} must be {}, and not `{}`", kinds.join(" or "), short(kind));
                return self.add(&format!("{at}/type"), why);
            }
            None => {
                let why = format!("{what} must be an object: {{\"type\": \"{}\", \"text\": …}}", kinds[0]);
                return self.add(at, why);
            }
        }
        match text.get("text") {
            Some(Value::String(words)) if words.is_empty() => {
                self.add(&format!("{at}/text"), format!("the text of {what} is empty"));
            }
            Some(words) => self.short(&format!("{at}/text"), words, &format!("the text of {what}"), most),
            None => self.add(at, format!("{what} needs `text`, a string")),
        }
    }

    fn required_list(&mut self, at: &str, map: &Map<String, Value>, key: &str, what: &str) {
        if !map.get(key).is_some_and(Value::is_array) {
            self.add(at, format!("{what} needs `{key}`, a list"));
        }
    }

    fn required_members(
        &mut self,
        at: &str,
        map: &Map<String, Value>,
        most: usize,
        each: impl Fn(&mut Self, &str, &Value),
    ) {
        if !map.get("elements").is_some_and(Value::is_array) {
            let kind = map.get("type").and_then(Value::as_str).unwrap_or_default();
            return self.add(at, format!("a block of type `{kind}` needs `elements`, a list"));
        }
        self.members(at, map, "elements", most, each);
    }

    fn members(
        &mut self,
        at: &str,
        map: &Map<String, Value>,
        key: &str,
        most: usize,
        each: impl Fn(&mut Self, &str, &Value),
    ) {
        let Some(value) = map.get(key) else { return };
        let at = format!("{at}/{key}");
        let Some(list) = value.as_array() else { return self.add(&at, format!("`{key}` is a list")) };
        if list.is_empty() || list.len() > most {
            self.add(&at, format!("`{key}` has {} members, and must have from 1 to {most}", list.len()));
        }
        for (index, member) in list.iter().enumerate() {
            each(self, &format!("{at}/{index}"), member);
        }
    }
}

/// An absolute URL with a host.
fn is_url(url: &str) -> bool {
    let scheme = ["https://", "http://"]
        .iter()
        .find(|scheme| url.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)));
    let host = scheme.map(|scheme| url[scheme.len()..].split(['/', '?', '#']).next().unwrap_or_default());
    host.is_some_and(|host| !host.is_empty()) && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn short(text: &str) -> String {
    super::cut_plain(text, 60).0
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::validate;

    fn flaws(blocks: &Value) -> Vec<String> {
        validate(blocks).into_iter().map(|flaw| format!("{} {}", flaw.pointer, flaw.why)).collect()
    }

    #[test]
    fn what_slack_does_not_take_is_named_with_its_place() {
        let plain = |text: &str| json!({"type": "plain_text", "text": text});
        let mrkdwn = |text: &str| json!({"type": "mrkdwn", "text": text});
        for (blocks, wanted) in [
            (json!({}), " blocks are a JSON array"),
            (json!(["x"]), "/0 a block is an object with a `type`"),
            (json!([{"text": "x"}]), "/0 a block needs `type`"),
            (json!([{"type": "foo"}]), "/0/type there is no block of type `foo`"),
            (json!([{"type": "section"}]), "/0 a section needs `text` or `fields`"),
            (
                json!([{"type": "section", "text": "x"}]),
                "/0/text `text` must be an object: {\"type\": \"plain_text\", \"text\": …}",
            ),
            (
                json!([{"type": "section", "fields": []}]),
                "/0/fields `fields` has 0 members, and must have from 1 to 10",
            ),
            (
                json!([{"type": "header", "text": mrkdwn("x")}]),
                "/0/text/type `text` of a header must be plain_text, and not `mrkdwn`",
            ),
            (json!([{"type": "header"}]), "/0 a header needs `text`"),
            (json!([{"type": "image", "image_url": "https://x.example/i.png"}]), "/0 an image needs `alt_text`"),
            (json!([{"type": "image", "alt_text": "x"}]), "/0 an image needs `image_url`"),
            (json!([{"type": "context"}]), "/0 a block of type `context` needs `elements`, a list"),
            (
                json!([{"type": "context", "elements": [{"type": "button"}]}]),
                "/0/elements/0/type an element of a context must be plain_text or mrkdwn, and not `button`",
            ),
            (
                json!([{"type": "actions", "elements": [{"type": "button", "text": plain("x"), "url": "foo"}]}]),
                "/0/elements/0/url `foo` is no absolute URL, https or http",
            ),
            (
                json!([{"type": "section", "text": mrkdwn("x"), "accessory": {"type": "button", "text": mrkdwn("x")}}]),
                "/0/accessory/text/type `text` of a button must be plain_text, and not `mrkdwn`",
            ),
            (json!([{"type": "rich_text"}]), "/0 a block of rich text needs `elements`, a list"),
            (json!([{"type": "sektion", "text": mrkdwn("x")}]), "/0/type there is no block of type `sektion`"),
            (json!([{"type": 1}]), "/0/type `type` is a string"),
            (
                json!([{"type": "section", "txt": mrkdwn("x"), "fields": [mrkdwn("x")]}]),
                "/0/txt a section has no `txt`",
            ),
            (json!([{"type": "section", "text": mrkdwn("")}]), "/0/text/text the text of `text` is empty"),
            (json!([{"type": "section", "text": {"type": "mrkdwn"}}]), "/0/text `text` needs `text`, a string"),
            (json!([{"type": "section", "fields": mrkdwn("x")}]), "/0/fields `fields` is a list"),
            (
                json!([{"type": "header", "text": plain(&"x".repeat(151))}]),
                "/0/text/text the text of `text` of a header has 151 characters, and Slack takes 150",
            ),
            (
                json!([{"type": "section", "text": mrkdwn(&"x".repeat(3001))}]),
                "/0/text/text the text of `text` has 3001 characters, and Slack takes 3000",
            ),
            (
                json!([{"type": "section", "fields": [mrkdwn(&"x".repeat(2001))]}]),
                "/0/fields/0/text the text of a field has 2001 characters, and Slack takes 2000",
            ),
            (
                json!([{"type": "section", "fields": vec![mrkdwn("x"); 11]}]),
                "/0/fields `fields` has 11 members, and must have from 1 to 10",
            ),
            (
                json!([{"type": "actions", "elements": [{"type": "button", "text": plain(&"x".repeat(76))}]}]),
                "/0/elements/0/text/text the text of `text` of a button has 76 characters, and Slack takes 75",
            ),
            (
                json!([{"type": "actions", "elements": [{"type": "button", "text": plain("x"), "style": "red"}]}]),
                "/0/elements/0/style `style` of a button is `primary` or `danger`, or left out",
            ),
            (
                json!([{"type": "actions", "elements": [{"type": "knob"}]}]),
                "/0/elements/0/type there is no element of type `knob`",
            ),
            (
                json!([{"type": "actions", "elements": []}]),
                "/0/elements `elements` has 0 members, and must have from 1 to 25",
            ),
            (
                json!([{"type": "image", "alt_text": "x", "image_url": "/i.png"}]),
                "/0/image_url `/i.png` is no absolute URL, https or http",
            ),
            (
                json!([{"type": "image", "alt_text": "", "image_url": "https://x.example/i.png"}]),
                "/0/alt_text `alt_text` of an image is text that is not empty",
            ),
            (
                json!([{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "a"}]),
                "/1/block_id another block has the same `block_id`",
            ),
            (json!([{"type": "input", "label": plain("x")}]), "/0 an input needs `element`"),
            (json!([{"type": "markdown"}]), "/0 a markdown block needs `text`"),
            (json!([{"type": "table"}]), "/0 a table needs `rows`, a list"),
            (Value::from(vec![json!({"type": "divider"}); 51]), " 51 blocks are too many: Slack takes 50"),
        ] {
            assert_eq!(flaws(&blocks), [wanted], "{blocks}");
        }
    }

    #[test]
    fn what_slack_takes_has_no_flaw() {
        let blocks = json!([
            {"type": "header", "text": {"type": "plain_text", "text": "Title", "emoji": true}},
            {"type": "section", "fields": [{"type": "mrkdwn", "text": "*A*\n1"}, {"type": "plain_text", "text": "b"}]},
            {"type": "context", "elements": [
                {"type": "image", "image_url": "https://x.example/i.png", "alt_text": "i"}, {"type": "mrkdwn", "text": "x"}]},
            {"type": "actions", "elements": [
                {"type": "button", "text": {"type": "plain_text", "text": "Go"}, "url": "https://x.example"},
                {"type": "overflow", "options": [{}]}]},
            {"type": "divider"},
            {"type": "table", "rows": []},
            {"type": "rich_text", "elements": []},
            {"type": "image", "slack_file": {"id": "F1"}, "alt_text": "i"},
        ]);
        assert_eq!(flaws(&blocks), Vec::<String>::new());
    }
}
