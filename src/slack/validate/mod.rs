//! Whether Slack would take blocks: Block Kit's rules, as far as they are documented (Slack: "Block Kit reference"). Pure.
//!
//! Before it: blocks of a `message.blocks` template. After it: `check`; and `message::render`, which shows as plain text
//! what Slack would refuse. What Slack takes of each kind stands in `blocks`, `elements` and `rich_text`; here is how a value is held against it.

mod blocks;
mod elements;
mod rich_text;
mod rule;

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::escape::units;
use super::limits::{BLOCKS, ID, LONGEST_TEXT, URL};
use rule::{Rule, Shape};

/// Where in the blocks something is that Slack does not take, as a JSON pointer, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// `/0/text`.
    pub pointer: String,
    /// In words.
    pub why: String,
    /// It is a text or a list that is too long, and this much of it would be taken.
    pub most: Option<usize>,
}

/// Everything that Slack would not take.
pub fn validate(blocks: &Value) -> Vec<Flaw> {
    let mut flaws = Flaws::default();
    match blocks.as_array() {
        None => flaws.add("", "blocks are a JSON array"),
        Some(list) => {
            if list.len() > BLOCKS {
                flaws.add("", format!("{} blocks are too many: Slack takes {BLOCKS}", list.len()));
            }
            for (index, block) in list.iter().enumerate() {
                flaws.value(&format!("/{index}"), block, &Rule::Block, "a block");
            }
        }
    }
    flaws.found
}

#[derive(Default)]
struct Flaws {
    found: Vec<Flaw>,
    /// Every `block_id` so far.
    block_ids: Vec<String>,
    /// Blocks so far of which Slack takes only so many in a message.
    counts: HashMap<&'static str, usize>,
    /// Characters so far in blocks of markdown.
    markdown: usize,
}

impl Flaws {
    fn add(&mut self, at: &str, why: impl Into<String>) {
        self.found.push(Flaw { pointer: at.to_owned(), why: why.into(), most: None });
    }

    fn too_long(&mut self, at: &str, why: String, most: usize) {
        self.found.push(Flaw { pointer: at.to_owned(), why, most: Some(most) });
    }

    /// Holds a value against a rule; `what` it is, in words.
    fn value(&mut self, at: &str, value: &Value, rule: &Rule, what: &str) {
        match rule {
            Rule::Any => {}
            Rule::Flag => self.unless(value.is_boolean(), at, || format!("{what} is true or false")),
            Rule::Number => self.unless(value.is_number(), at, || format!("{what} is a number")),
            Rule::Whole { least, most } => {
                let fits = value.as_i64().is_some_and(|number| (*least..=*most).contains(&number));
                self.unless(fits, at, || match *most {
                    i64::MAX => format!("{what} is a whole number, {least} or more"),
                    most => format!("{what} is a whole number from {least} to {most}"),
                });
            }
            Rule::Text { least, most } => self.text(at, value, what, *least, *most),
            Rule::Among(words) => {
                let fits = value.as_str().is_some_and(|word| words.contains(&word));
                self.unless(fits, at, || format!("{what} is {}", quoted(words)));
            }
            Rule::Written(form) => {
                let fits = value.as_str().is_some_and(|text| is_written(text, form));
                self.unless(fits, at, || format!("{what} is written {form}"));
            }
            Rule::Url => self.url(at, value, &["https://", "http://"], "https or http"),
            Rule::Https => self.url(at, value, &["https://"], "https"),
            Rule::Link => {
                let fits = value.as_str().is_some_and(|url| has_scheme(url) && units(url) <= URL);
                self.unless(fits, at, || format!("{what} is an absolute URL of at most {URL} characters"));
            }
            Rule::Words { kinds, most } => self.words(at, value, kinds, *most, what),
            Rule::Object(shape) => match value.as_object() {
                Some(map) => self.shape(at, map, shape),
                None => self.add(at, format!("{what} is an object")),
            },
            Rule::Block => self.any_block(at, value),
            Rule::One { shapes, open } => self.one(at, value, shapes, open, what),
            Rule::List { of, least, most } => self.list(at, value, (of, *least, *most), what),
        }
    }

    fn unless(&mut self, fits: bool, at: &str, why: impl FnOnce() -> String) {
        if !fits {
            self.add(at, why());
        }
    }

    /// A string of at least `least` characters, and at most `most`.
    fn text(&mut self, at: &str, value: &Value, what: &str, least: usize, most: usize) {
        match value.as_str().map(units) {
            Some(0) if least > 0 => self.add(at, format!("{what} is empty")),
            Some(length) if length > most => {
                self.too_long(at, format!("{what} has {length} characters, and Slack takes {most}"), most);
            }
            Some(_) => {}
            None => self.add(at, format!("{what} is a string")),
        }
    }

    fn url(&mut self, at: &str, value: &Value, schemes: &[&str], named: &str) {
        match value.as_str() {
            Some(url) if units(url) > URL => self.add(at, format!("a URL has at most {URL} characters")),
            Some(url) if is_url(url, schemes) => {}
            Some(url) => self.add(at, format!("`{}` is no absolute URL, {named}", short(url))),
            None => self.add(at, "a URL is a string"),
        }
    }

    /// A text object of one of these kinds.
    fn words(&mut self, at: &str, value: &Value, kinds: &[&str], most: usize, what: &str) {
        let (Some(map), Some(kind)) = (value.as_object(), value.get("type").and_then(Value::as_str)) else {
            let why = format!("{what} must be an object: {{\"type\": \"{}\", \"text\": …}}", kinds[0]);
            return self.add(at, why);
        };
        if !kinds.contains(&kind) {
            let why = format!("{what} must be {}, and not `{}`", either(kinds), short(kind));
            return self.add(&format!("{at}/type"), why);
        }
        let flag = match kind {
            "image" => return self.shape(at, map, &elements::IMAGE),
            "plain_text" => "emoji",
            _ => "verbatim",
        };
        match map.get("text").filter(|words| !words.is_null()) {
            Some(words) => self.text(&format!("{at}/text"), words, &format!("the text of {what}"), 1, most),
            None => self.add(at, format!("{what} needs `text`, a string")),
        }
        for (key, value) in map.iter().filter(|(key, _)| !["type", "text"].contains(&key.as_str())) {
            let at = format!("{at}/{key}");
            match key == flag {
                true => self.value(&at, value, &Rule::Flag, &format!("`{key}`")),
                false => self.add(&at, format!("{kind} has no `{}`", short(key))),
            }
        }
    }

    /// An object with its `type`.
    fn typed<'v>(&mut self, at: &str, value: &'v Value, what: &str) -> Option<(&'v Map<String, Value>, &'v str)> {
        match (value.as_object(), value.get("type")) {
            (Some(map), Some(Value::String(kind))) => return Some((map, kind)),
            (Some(_), Some(_)) => self.add(&format!("{at}/type"), "`type` is a string"),
            (Some(_), None) => self.add(at, format!("{what} needs `type`")),
            (None, _) => self.add(at, format!("{what} is an object with a `type`")),
        }
        None
    }

    fn any_block(&mut self, at: &str, value: &Value) {
        let Some((map, kind)) = self.typed(at, value, "a block") else { return };
        if let Some(shape) = blocks::SHAPES.iter().find(|shape| shape.kind == kind) {
            self.shape(at, map, shape);
        } else if let Some((_, why)) = blocks::REFUSED.iter().find(|(refused, _)| *refused == kind) {
            self.add(&format!("{at}/type"), *why);
        } else if !blocks::OPEN.contains(&kind) {
            self.add(&format!("{at}/type"), format!("there is no block of type `{}`", short(kind)));
        }
    }

    /// An object whose kind its `type` says.
    fn one(&mut self, at: &str, value: &Value, shapes: &[&Shape], open: &[&str], what: &str) {
        let Some((map, kind)) = self.typed(at, value, what) else { return };
        if let Some(shape) = shapes.iter().find(|shape| shape.kind == kind) {
            return self.shape(at, map, shape);
        }
        let here: Vec<&str> = shapes.iter().map(|shape| shape.kind).collect();
        let why = match elements::is_known(kind) {
            _ if open.contains(&kind) => return,
            true => format!("no `{kind}` can stand here"),
            // Nobody reads a long list of kinds.
            false if here.len() > 6 => format!("there is no element of type `{}`", short(kind)),
            false => format!("{what} must be {}, and not `{}`", either(&here), short(kind)),
        };
        self.add(&format!("{at}/type"), why);
    }

    fn list(&mut self, at: &str, value: &Value, (of, least, most): (&Rule, usize, usize), what: &str) {
        let Some(list) = value.as_array() else { return self.add(at, format!("{what} is a list")) };
        let count = list.len();
        if count < least || count > most {
            let wanted = match (least, most) {
                (_, usize::MAX) => format!("{least} or more"),
                (0, _) => format!("{most} at most"),
                _ => format!("from {least} to {most}"),
            };
            let why = format!("{what} has {count} members, and must have {wanted}");
            if count > most { self.too_long(at, why, most) } else { self.add(at, why) }
        }
        let member = format!("a member of {what}");
        let member = match of {
            Rule::One { shapes, .. } if shapes.len() > 6 => "an element",
            _ => member.as_str(),
        };
        for (index, inner) in list.iter().enumerate().filter(|(_, inner)| !inner.is_null()) {
            self.value(&format!("{at}/{index}"), inner, of, member);
        }
    }

    /// The parts of an object: those that must be there, what each must be, and none that Slack does not know.
    fn shape(&mut self, at: &str, map: &Map<String, Value>, shape: &Shape) {
        let name = shape.name;
        let has = |key: &&str| map.get(*key).is_some_and(|value| !value.is_null());
        let keys: Vec<String> = shape.either.iter().map(|key| format!("`{key}`")).collect();
        match shape.either.iter().filter(|key| has(key)).count() {
            0 if !keys.is_empty() => self.add(at, format!("{name} needs {}", keys.join(" or "))),
            2.. if shape.alone => self.add(at, format!("{name} has {}, not both", keys.join(" or "))),
            _ => {}
        }
        for part in shape.parts {
            match map.get(part.key).filter(|value| !value.is_null()) {
                Some(value) => {
                    self.value(&format!("{at}/{}", part.key), value, &part.rule, &format!("`{}` of {name}", part.key));
                }
                None if part.needed => self.add(at, format!("{name} needs `{}`", part.key)),
                None => {}
            }
        }
        let known = |key: &str| {
            shape.parts.iter().any(|part| part.key == key)
                || (!shape.kind.is_empty() && key == "type")
                || (shape.block && key == "block_id")
        };
        let unknown: Vec<&String> = map.keys().filter(|key| !shape.open && !known(key)).collect();
        for key in unknown {
            self.add(&format!("{at}/{key}"), format!("{name} has no `{}`", short(key)));
        }
        self.initial(at, map);
        if shape.block {
            self.block(at, map, shape.kind);
        }
    }

    /// What is chosen at first must be one of the options.
    fn initial(&mut self, at: &str, map: &Map<String, Value>) {
        let groups = list_of(map.get("option_groups")).filter_map(|group| group.get("options"));
        let options: Vec<&Value> =
            map.get("options").into_iter().chain(groups).flat_map(|list| list_of(Some(list))).collect();
        let chosen = map.get("initial_option").into_iter().chain(list_of(map.get("initial_options")));
        if !options.is_empty() && chosen.into_iter().any(|chosen| !options.contains(&chosen)) {
            let key = if map.contains_key("initial_option") { "initial_option" } else { "initial_options" };
            self.add(&format!("{at}/{key}"), format!("`{key}` is none of the options, word for word"));
        }
    }

    /// What Slack asks of blocks beyond their parts: names that are there once, and not too many of some kinds.
    fn block(&mut self, at: &str, map: &Map<String, Value>, kind: &str) {
        if let Some(id) = map.get("block_id").filter(|id| !id.is_null()) {
            let at = format!("{at}/block_id");
            self.text(&at, id, "`block_id`", 1, ID);
            match id.as_str() {
                Some(id) if self.block_ids.iter().any(|known| known == id) => {
                    self.add(&at, "another block has the same `block_id`");
                }
                Some(id) => self.block_ids.push(id.to_owned()),
                None => {}
            }
        }
        let mut known = Vec::new();
        for key in ["elements", "actions"] {
            for (index, element) in list_of(map.get(key)).enumerate() {
                let Some(id) = element.get("action_id").and_then(Value::as_str) else { continue };
                if known.contains(&id) {
                    let at = format!("{at}/{key}/{index}/action_id");
                    self.add(&at, "another element of the block has the same `action_id`");
                }
                known.push(id);
            }
        }
        let counted = [("table", &["table", "data_table"][..], 1), ("chart", &["data_visualization"], 2)];
        for (name, _, most) in counted.into_iter().filter(|(_, kinds, _)| kinds.contains(&kind)) {
            let count = self.counts.entry(name).or_default();
            *count += 1;
            if *count == most + 1 {
                let plural = if most == 1 { "" } else { "s" };
                self.add(at, format!("a message has at most {most} {name}{plural}"));
            }
        }
        if kind == "markdown" {
            let before = self.markdown;
            self.markdown += map.get("text").and_then(Value::as_str).map_or(0, units);
            if before > 0 && self.markdown > LONGEST_TEXT {
                let sum = self.markdown;
                let why = format!("all markdown together has {sum} characters, and Slack takes {LONGEST_TEXT}");
                self.add(&format!("{at}/text"), why);
            }
        }
    }
}

/// The members of a list; of anything else none.
fn list_of(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

/// Whether a text has the form of this one, in which a letter stands for a digit.
fn is_written(text: &str, form: &str) -> bool {
    let fits = |(c, form): (char, char)| if form.is_ascii_alphabetic() { c.is_ascii_digit() } else { c == form };
    text.chars().count() == form.chars().count() && text.chars().zip(form.chars()).all(fits)
}

/// "`a`, `b` or `c`".
fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    either(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// "a, b or c".
fn either(words: &[&str]) -> String {
    match words.split_last() {
        Some((_, [])) | None => words.concat(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

/// An absolute URL with a host, of one of these schemes.
fn is_url(url: &str, schemes: &[&str]) -> bool {
    let scheme =
        schemes.iter().find(|scheme| url.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)));
    let host = scheme.map(|scheme| url[scheme.len()..].split(['/', '?', '#']).next().unwrap_or_default());
    host.is_some_and(|host| !host.is_empty()) && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// A URL with a scheme, and with something behind it.
fn has_scheme(url: &str) -> bool {
    let scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    url.split_once(':').is_some_and(|(begin, rest)| scheme(begin) && !rest.is_empty())
}

fn short(text: &str) -> String {
    super::cut_plain(text, 60).0
}

#[cfg(test)]
mod tests;
