//! A job's `template` and `[message]`: read, compiled, rendered into parts.
//!
//! Before it: the job's table and [`Templates`]. After it: `render`, which lays the parts out.

use minijinja::Value;

use super::filters::Mode;
use super::fit::{BUTTON, URL, cut_plain};
use super::render::{Body, Parts};
use super::template::{RenderError, Template, Templates};
use super::text::{unescape, units};
use crate::diagnostic::{Code, Problem};
use crate::document::{Key, Kind, Reader, Table, Text, Value as Written};
use crate::order;

/// Buttons of a message; Slack takes more, people do not.
const MOST_ACTIONS: usize = 5;

const fn key(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, kind, default: "", about }
}

/// The keys of one of `actions`.
const ACTION_KEYS: &[Key] = &[
    key("text", Kind::Text, "What the button says, at most 75 characters; a template."),
    key("url", Kind::Text, "Where it leads: an absolute URL, http or https; a template."),
];

/// The keys of `[message]`.
const MESSAGE_KEYS: &[Key] = &[
    key("title", Kind::Text, "A title in the place of the job's name; a template."),
    key("body", Kind::Text, "The message's body: the same as `template`, only one of both."),
    key(
        "fields",
        Kind::Map,
        "Names with values shown side by side, at most 10; the values are templates, blank ones are left out.",
    ),
    key("actions", Kind::Tables(ACTION_KEYS), "Buttons that open a URL (a runbook, say), at most 5."),
    key(
        "color",
        Kind::Text,
        "The colour bar: `good`, `warning`, `danger` or `#rrggbb`; a template; by the status without it.",
    ),
    key(
        "blocks",
        Kind::Text,
        "A template that yields a whole Block Kit array as JSON, in the place of all else but `title` and `color`.",
    ),
];

/// The keys of a job that this station reads.
pub const KEYS: &[Key] = &[
    key("template", Kind::Text, "The message's body (Jinja). For good news it is the whole message."),
    key("message", Kind::Table(MESSAGE_KEYS), "More control over the message."),
];

/// How a job's messages look: its compiled templates.
#[derive(Clone, Debug)]
pub struct Format {
    templates: Templates,
    body: Option<(Template, bool)>,
    /// Everything else: few jobs have any.
    more: Option<Box<More>>,
}

#[derive(Clone, Debug, Default)]
struct More {
    title: Option<Template>,
    fields: Vec<(String, Template)>,
    actions: Vec<(Template, Template)>,
    color: Option<Template>,
    blocks: Option<Template>,
}

/// Reads `template` and `[message]`. `None` when something is wrong with them; all of it is pushed.
pub fn read(table: &mut Table<'_>, templates: &Templates) -> Option<Format> {
    let reader = table.reader();
    let before = reader.errors();
    let template = table.value("template");
    let mut message = table.table_or_empty("message");
    let title = message.text("title");
    let body = message.value("body");
    let fields = message.value("fields");
    let actions = message.value("actions");
    let color = message.text("color");
    let blocks = message.value("blocks");
    message.finish();

    let (template, body) = one_of(reader, template, body, "they are the same: keep one of them");
    let is_template = template.is_some();
    let only = "`blocks` is the whole message: put what they say into it";
    let (blocks, body) = one_of(reader, blocks, template.or(body), only);
    let (blocks, fields) = one_of(reader, blocks, fields, only);
    let (blocks, actions) = one_of(reader, blocks, actions, only);

    let take = |text: Text<'_>, mode| templates.take(reader, &text, mode);
    let mut more = More { title: title.and_then(|text| take(text, Mode::Mrkdwn)), ..More::default() };
    let body = body.and_then(|value| value.text()).and_then(|text| take(text, Mode::Mrkdwn));
    if let Some(fields) = fields {
        more.fields = read_fields(reader, &fields, templates);
    }
    if let Some(actions) = actions {
        more.actions = read_actions(reader, &actions, templates);
    }
    if let Some(text) = color {
        if is_literal(text.value) && !is_color(text.value.trim()) {
            let message = format!("`{}` is no colour", text.value);
            let help = "write `good`, `warning`, `danger` or `#rrggbb`";
            reader.push(Problem::new(Code::InvalidValue, text.at, message).help(help));
        }
        more.color = take(text, Mode::Plain);
    }
    more.blocks = blocks.and_then(|value| value.text()).and_then(|text| take(text, Mode::Json));
    if reader.errors() > before {
        return None;
    }
    let plain = more.title.is_none() && more.color.is_none() && more.blocks.is_none();
    let more = (!plain || !more.fields.is_empty() || !more.actions.is_empty()).then(|| Box::new(more));
    Some(Format { templates: templates.clone(), body: body.map(|body| (body, is_template)), more })
}

/// Of two that exclude each other the one that the file itself has; a problem when both stand in the same file.
fn one_of<'d>(
    reader: &Reader,
    first: Option<Written<'d>>,
    second: Option<Written<'d>>,
    help: &str,
) -> (Option<Written<'d>>, Option<Written<'d>>) {
    let (Some(a), Some(b)) = (&first, &second) else { return (first, second) };
    match (a.inherited, b.inherited) {
        (false, true) => (first, None),
        (true, false) => (None, second),
        _ => {
            let (early, late) = if a.key_at.start <= b.key_at.start { (a, b) } else { (b, a) };
            let message = format!("`{}` cannot stand beside `{}`", late.path(), early.path());
            let problem = Problem::new(Code::ConflictingKeys, late.key_at, message);
            reader.push(problem.also(early.key_at, format!("`{}` is here", early.path())).help(help));
            (first, second)
        }
    }
}

fn read_fields(reader: &Reader, value: &Written<'_>, templates: &Templates) -> Vec<(String, Template)> {
    let mut fields = value.map().unwrap_or_default();
    if fields.len() > super::fit::FIELDS {
        let message = format!("`{}` has {} fields", value.path(), fields.len());
        let help = format!("Slack shows at most {}", super::fit::FIELDS);
        reader.push(Problem::new(Code::InvalidValue, value.key_at, message).help(help));
    }
    // As they stand in the file, not by name.
    order::by_key(&mut fields, |(_, text)| text.at.start);
    let take = |(name, text): (&str, Text<'_>)| Some((name.to_owned(), templates.take(reader, &text, Mode::Mrkdwn)?));
    fields.into_iter().filter_map(take).collect()
}

fn read_actions(reader: &Reader, value: &Written<'_>, templates: &Templates) -> Vec<(Template, Template)> {
    let Some(items) = value.items() else {
        return value.wrong_type("a list of buttons, each `{ text = \"…\", url = \"…\" }`").unwrap_or_default();
    };
    if items.len() > MOST_ACTIONS {
        let message = format!("`{}` has {} buttons", value.path(), items.len());
        let help = format!("keep the {MOST_ACTIONS} that matter most");
        reader.push(Problem::new(Code::InvalidValue, value.key_at, message).help(help));
    }
    let mut actions = Vec::new();
    for item in items {
        let Some(mut table) = item.table() else { continue };
        let (text, url) = (table.text("text"), table.text("url"));
        for (name, missing) in [("text", text.is_none()), ("url", url.is_none())] {
            if missing && table.own_value(name).is_none() {
                let message = format!("`{name}` is missing in `{}`", item.path());
                let help = "a button is `{ text = \"Runbook\", url = \"https://…\" }`";
                reader.push(Problem::new(Code::MissingKey, item.at, message).help(help));
            }
        }
        table.finish();
        let (Some(text), Some(url)) = (text, url) else { continue };
        check_action(reader, &text, &url);
        let pair = (templates.take(reader, &text, Mode::Plain), templates.take(reader, &url, Mode::Url));
        actions.extend(pair.0.zip(pair.1));
    }
    actions
}

fn check_action(reader: &Reader, text: &Text<'_>, url: &Text<'_>) {
    let refuse = |at, message: String, help: &str| {
        reader.push(Problem::new(Code::InvalidValue, at, message).help(help));
    };
    if is_literal(text.value) && text.value.trim().is_empty() {
        refuse(text.at, "the button says nothing".to_owned(), "write a word or two, such as \"Runbook\"");
    } else if is_literal(text.value) && units(text.value) > BUTTON {
        refuse(text.at, format!("the button's text is longer than {BUTTON} characters"), "shorten it");
    }
    let literal = url.value.find("{{").or(url.value.find("{%")).map_or(url.value, |at| &url.value[..at]);
    if is_literal(url.value) && !is_url(url.value) || !literal.is_empty() && !has_scheme(literal) {
        let help = "write an absolute URL that begins with https:// or http://";
        refuse(url.at, format!("`{}` is no URL that a button can open", cut_plain(url.value, 100).0), help);
    }
}

/// Whether nothing in it is a template.
fn is_literal(text: &str) -> bool {
    !["{{", "{%", "{#"].iter().any(|open| text.contains(open))
}

fn has_scheme(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    lower.starts_with("https://") || lower.starts_with("http://")
}

/// An absolute URL with a host that Slack takes for a button.
fn is_url(url: &str) -> bool {
    let host = url.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    has_scheme(url)
        && host.is_some_and(|host| !host.is_empty())
        && units(url) <= URL
        && !url.contains(|c: char| c.is_whitespace() || c.is_control() || "<>|\"".contains(c))
}

fn is_color(color: &str) -> bool {
    let hex = |digits: &str| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    matches!(color, "good" | "warning" | "danger") || color.strip_prefix('#').is_some_and(hex)
}

impl Format {
    /// A job without `template` and `[message]`.
    pub fn plain(templates: &Templates) -> Self {
        Self { templates: templates.clone(), body: None, more: None }
    }

    /// Whether the job has a template of its own.
    pub fn is_plain(&self) -> bool {
        self.body.is_none() && self.more.is_none()
    }

    /// Renders every template of the job.
    pub(super) fn parts(&self, context: &Value) -> Result<Parts, RenderError> {
        let render = |template: Template, name: &str| {
            self.templates.render(template, context).map_err(|why| RenderError { template: name.to_owned(), why })
        };
        let refuse = |name: &str, why: String| RenderError { template: name.to_owned(), why };
        let mut parts = Parts::default();
        if let Some((body, is_template)) = self.body {
            let text = render(body, if is_template { "template" } else { "message.body" })?;
            parts.body = Some(Body { text, shows_stderr: body.shows_stderr });
        }
        let Some(more) = &self.more else { return Ok(parts) };
        if let Some(title) = more.title {
            let title = render(title, "message.title")?;
            parts.title = Some(title.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        for (name, value) in &more.fields {
            let value = render(*value, &format!("message.fields.{name}"))?;
            if !value.trim().is_empty() {
                parts.fields.push((name.clone(), value.trim().to_owned()));
            }
        }
        for (text, url) in &more.actions {
            let (text, url) = (render(*text, "message.actions.text")?, render(*url, "message.actions.url")?);
            let (text, url) = (text.split_whitespace().collect::<Vec<_>>().join(" "), url.trim());
            if !is_url(url) {
                let why = format!("`{}` is no URL that a button can open", cut_plain(url, 100).0);
                return Err(refuse("message.actions.url", why));
            }
            if !text.is_empty() {
                parts.actions.push((text, url.to_owned()));
            }
        }
        if let Some(color) = more.color {
            let color = render(color, "message.color")?.trim().to_owned();
            if !color.is_empty() && !is_color(&color) {
                return Err(refuse("message.color", format!("`{}` is no colour", cut_plain(&color, 40).0)));
            }
            parts.color = (!color.is_empty()).then_some(color);
        }
        if let Some(blocks) = more.blocks {
            let text = render(blocks, "message.blocks")?;
            parts.blocks = Some(parse_blocks(&text).map_err(|why| refuse("message.blocks", why))?);
        }
        Ok(parts)
    }
}

/// The array of blocks that a template has written; blanks are none.
fn parse_blocks(text: &str) -> Result<Vec<serde_json::Value>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut blocks = match serde_json::from_str(text) {
        Ok(serde_json::Value::Array(blocks)) => blocks,
        Ok(_) => return Err("it yields no JSON array of blocks".to_owned()),
        Err(error) => return Err(format!("it yields no JSON: {error}")),
    };
    for block in &mut blocks {
        if !block.get("type").is_some_and(serde_json::Value::is_string) {
            return Err("each block must be an object with a `type`".to_owned());
        }
        literal(block);
    }
    Ok(blocks)
}

/// Values were escaped for mrkdwn; where Slack takes text literally the escapes would show.
fn literal(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Array(list) => list.iter_mut().for_each(literal),
        serde_json::Value::Object(map) => {
            let kind = map.get("type").and_then(serde_json::Value::as_str);
            let is_literal = matches!(kind, Some("plain_text" | "text" | "raw_text"));
            if let (true, Some(serde_json::Value::String(text))) = (is_literal, map.get_mut("text")) {
                *text = unescape(text);
            }
            map.values_mut().for_each(literal);
        }
        _ => {}
    }
}

#[cfg(test)]
#[path = "format_tests.rs"]
pub(super) mod tests;
