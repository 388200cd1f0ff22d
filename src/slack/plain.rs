//! Blocks as plain text: what a message says when Slack does not take its blocks. Pure.

use serde_json::Value;

use super::escape::{escape, fence};

/// Everything that `text` and the blocks say, each line once: the blocks repeat the headline.
pub fn plain(text: &str, blocks: &[Value]) -> String {
    let mut parts = vec![text.trim_end().to_owned()];
    let known = Known::of(text);
    for block in blocks {
        let said = of_block(block, &known);
        if !said.trim().is_empty() && !parts.iter().any(|part| part.contains(said.trim())) {
            parts.push(said);
        }
    }
    parts.join("\n")
}

/// A text as it reads without markup: what a block says in bold type stands in the text as plain words.
fn words(text: &str) -> String {
    let is_markup = |c: char| {
        matches!(c, '*' | '\u{2217}' | '_' | '~' | '`' | ':' | '·')
            || c.is_whitespace()
            || c == '\u{200b}'
            || c == '\u{2060}'
    };
    let words: Vec<&str> = text.split(is_markup).filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" "))
}

/// What the text says.
struct Known {
    all: String,
    /// The words of its first line, in the order of the alphabet.
    headline: Vec<String>,
}

impl Known {
    fn of(text: &str) -> Self {
        Self { all: words(text), headline: sorted(&words(text.lines().next().unwrap_or_default())) }
    }

    /// Whether it says this too. Its headline may do so in another order: that it is over stands before what it was.
    fn has(&self, said: &str) -> bool {
        let said = words(said);
        self.all.contains(&said) || sorted(&said) == self.headline
    }
}

fn sorted(words: &str) -> Vec<String> {
    let mut all: Vec<String> = words.split_whitespace().map(ToOwned::to_owned).collect();
    all.sort();
    all
}

/// What a block says; of a paragraph and its fields only what is not `known`.
fn of_block(block: &Value, known: &Known) -> String {
    match kind(block) {
        "section" => {
            let mut all = Vec::new();
            gather(block, &mut all);
            all.retain(|said| !known.has(said));
            all.join("\n")
        }
        "rich_text" => list(block, "elements").map(rich).collect::<Vec<_>>().join("\n"),
        "image" => {
            [text(block, "alt_text"), text(block, "image_url")].map(|text| escape(&text)).join(" ").trim().to_owned()
        }
        // Known or not: whatever holds a text is read.
        _ => {
            let mut all = Vec::new();
            gather(block, &mut all);
            // What a context block joins into one line, the text has in several.
            all.retain(|said| !known.has(said));
            all.join("\n")
        }
    }
}

/// Where a block and its elements have what they say, in the order in which it is shown.
const KEYS: [&str; 17] = [
    "title",
    "rich_text_title",
    "subtitle",
    "caption",
    "label",
    "text",
    "body",
    "subtext",
    "description",
    "fields",
    "elements",
    "actions",
    "accessory",
    "options",
    "rows",
    "child_blocks",
    "tasks",
];

/// The texts of a block and of what is in it, in their order.
fn gather(value: &Value, all: &mut Vec<String>) {
    if let Value::Array(members) = value {
        return members.iter().for_each(|member| gather(member, all));
    }
    let Value::Object(map) = value else { return };
    match (map.get("text"), kind(value)) {
        (Some(Value::String(said)), "mrkdwn") => all.push(said.clone()),
        (Some(Value::String(said)), _) => all.push(escape(said)),
        (Some(inner), "button") => {
            let label = inner.get("text").and_then(Value::as_str).map(escape).unwrap_or_default();
            all.push([label, escape(&text(value, "url"))].join(" ").trim().to_owned());
            return;
        }
        _ => {}
    }
    for key in KEYS {
        match map.get(key) {
            Some(Value::String(_)) if key == "text" => {}
            Some(Value::String(said)) => all.push(escape(said)),
            Some(inner) => gather(inner, all),
            None => {}
        }
    }
}

fn rich(part: &Value) -> String {
    let inner = list(part, "elements").map(|element| match kind(element) {
        "text" => escape(&text(element, "text")),
        "link" => escape([text(element, "text"), text(element, "url")].join(" ").trim()),
        "emoji" => format!(":{}:", text(element, "name")),
        _ => rich(element),
    });
    let whole = inner.collect::<String>();
    if kind(part) == "rich_text_preformatted" { fence(&whole) } else { whole }
}

fn kind(value: &Value) -> &str {
    value.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::plain;

    #[test]
    fn everything_that_blocks_say_is_in_the_text_once() {
        let blocks = [
            json!({"type": "section", "text": {"type": "mrkdwn", "text": "*a* failed"}}),
            json!({"type": "section", "text": {"type": "mrkdwn", "text": "17 orders"}, "fields": [
                {"type": "mrkdwn", "text": "*Queue*\n3"}]}),
            json!({"type": "foo", "elements": [{"type": "bar", "text": "x < y"}]}),
            json!({"type": "actions", "elements": [
                {"type": "button", "url": "https://rb.example", "text": {"type": "plain_text", "text": "Runbook"}}]}),
            json!({"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [
                {"type": "text", "text": "disk full"}]}]}),
            json!({"type": "image", "alt_text": "a plot", "image_url": "https://i.example/p.png"}),
            json!({"type": "divider"}),
        ];
        assert_eq!(
            plain("*a* failed", &blocks),
            "*a* failed\n17 orders\n*Queue*\n3\nx &lt; y\nRunbook https://rb.example\n```\ndisk full\n```\n\
             a plot https://i.example/p.png"
        );
        assert_eq!(plain("alone", &[]), "alone");
    }

    #[test]
    fn a_headline_that_the_text_says_in_another_order_is_not_said_again() {
        let block = |text: &str| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
        let text = ":white_check_mark: resolved after 3s (3 failures): a critical: disk full\nexit code 2";
        let over = block(":white_check_mark: ~*a* critical: disk full~ resolved after 3s (3 failures)");
        assert_eq!(plain(text, &[over, block("disk full")]), text);
        assert_eq!(plain(text, &[block("full disk")]), format!("{text}\nfull disk"));
    }

    #[test]
    fn notes_that_a_block_joins_into_one_line_are_not_said_again() {
        let context = |text: &str| json!({"type": "context", "elements": [{"type": "mrkdwn", "text": text}]});
        let text = "a critical: no\n1 MiB of output dropped (`max_output`)\npauses for 1h\nexit code 1 · web-1";
        let blocks = [
            context("1 MiB of output dropped (`max_output`) · pauses for 1h"),
            context("exit code 1 · web-1"),
            context("exit code 1 · web-2"),
        ];
        assert_eq!(plain(text, &blocks), format!("{text}\nexit code 1 · web-2"));
    }

    #[test]
    fn what_a_block_says_in_bold_type_is_not_said_again() {
        let section = |text: &str| {
            json!({"type": "section", "text": {"type": "mrkdwn", "text": text}, "fields": [
            {"type": "mrkdwn", "text": "*Load*\n3"}, {"type": "mrkdwn", "text": "*Disk*\n40"}]})
        };
        let text = "<!here> :red_circle: db_1 critical: l2\nLoad: 3\nexit code 1";
        let said = plain(text, &[section("<!here> :red_circle: *db_1* critical: l2"), section("*db* critical")]);
        assert_eq!(said, format!("{text}\n*Disk*\n40\n*db* critical\n*Disk*\n40"));
    }
}
