//! A job's `template` and `[message]`: read, compiled, rendered into parts.
//!
//! Before it: the job's table and [`Templates`]. After it: `render`, which lays the parts out.

use minijinja::Value;

use super::filters::Mode;
use super::template::{RenderError, Template, Templates};
use crate::diagnostic::{Code, Problem};
use crate::document::{Key, Kind, Reader, Table, Text, Value as Written};
use crate::slack::limits::{BUTTON, FIELDS as MOST_FIELDS, URL};
use crate::slack::{cut_plain, unescape, units};

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

/// What a message is made of: the keys that `[message]`, `[message.failure]` and `[message.recovery]` share.
macro_rules! part_keys {
    ($($more:expr),*) => {
        &[
            key("title", Kind::Text, "A title in the place of the job's name; a template."),
            key("body", Kind::Text, "The body; a template. In `[message]` it is the same as `template`, only one of both."),
            key(
                "fields",
                Kind::Map,
                "Names with values shown side by side, at most 10; the values are templates, blank ones are left out.",
            ),
            key(
                "actions",
                Kind::Tables(ACTION_KEYS),
                "Buttons that open a URL (a runbook, say), at most 5; one whose text and URL are both blank is left out.",
            ),
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
            $($more),*
        ]
    };
}

/// The keys of `[message.failure]` and `[message.recovery]`.
const PART_KEYS: &[Key] = part_keys!();

/// The keys of `[message]`.
const MESSAGE_KEYS: &[Key] = part_keys!(
    key(
        "failure",
        Kind::Table(PART_KEYS),
        "The same keys for failures and repeats, in the place of those of `[message]`."
    ),
    key(
        "recovery",
        Kind::Table(PART_KEYS),
        "The same keys for recoveries. Fields, buttons and blocks of `[message]` are not theirs: a recovery is one line."
    )
);

/// The keys of a job that this station reads.
pub const KEYS: &[Key] = &[
    key(
        "template",
        Kind::Text,
        "The whole message (Jinja) for good news: `output`, `success` and `change`. Nothing else shows it.",
    ),
    key("failure_template", Kind::Text, "The body (Jinja) of failures and repeats; without it, the end of the output."),
    key("message", Kind::Table(MESSAGE_KEYS), "More control over the message."),
];

/// How a job's messages look: its compiled templates.
#[derive(Clone, Debug)]
pub struct Format {
    templates: Templates,
    /// Few jobs have more than a template.
    layouts: Option<Box<Layouts>>,
}

/// The layout of `[message]`, and what takes its place for some events.
#[derive(Clone, Debug, Default)]
struct Layouts {
    message: Layout,
    failure: Layout,
    recovery: Layout,
}

/// A template, and what errors call it: `template`, `message.failure.title` …
type Named = (Template, String);

/// The parts of a message.
#[derive(Clone, Debug, Default)]
struct Layout {
    title: Option<Named>,
    body: Option<Named>,
    fields: Option<Vec<(String, Named)>>,
    actions: Option<Vec<(Named, Named)>>,
    color: Option<Named>,
    blocks: Option<Named>,
}

/// What a job's own templates have rendered to.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) title: Option<String>,
    /// Mrkdwn; blank when the template says so.
    pub(super) body: Option<String>,
    pub(super) fields: Vec<(String, String)>,
    pub(super) actions: Vec<(String, String)>,
    pub(super) color: Option<String>,
    pub(super) blocks: Option<Vec<serde_json::Value>>,
    /// The parts that are left out, and why.
    pub(super) left_out: Vec<RenderError>,
}

/// Which of the layouts a message takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Good news.
    Good,
    /// A failure, or whatever else is not well.
    Failure,
    /// It is well again.
    Recovery,
    /// A run takes long, and nothing has failed yet.
    Running,
}

/// Reads `template`, `failure_template` and `[message]`. A part that something is wrong with is left out, and pushed.
pub fn read(table: &mut Table<'_>, templates: &Templates) -> Format {
    let template = table.value("template");
    let failure_template = table.value("failure_template");
    let mut message = table.table_or_empty("message");
    let mut failure = message.table_or_empty("failure");
    let mut recovery = message.table_or_empty("recovery");
    let layouts = Layouts {
        failure: read_layout(&mut failure, failure_template, "message.failure", templates),
        recovery: read_layout(&mut recovery, None, "message.recovery", templates),
        message: read_layout(&mut message, template, "message", templates),
    };
    failure.finish();
    recovery.finish();
    message.finish();
    let is_empty = [&layouts.message, &layouts.failure, &layouts.recovery].into_iter().all(Layout::is_empty);
    Format { templates: templates.clone(), layouts: (!is_empty).then(|| Box::new(layouts)) }
}

/// Reads the parts of one table; `template` is the job's own key that means the same as `body`.
fn read_layout(table: &mut Table<'_>, template: Option<Written<'_>>, path: &str, templates: &Templates) -> Layout {
    let reader = table.reader();
    let title = table.text("title");
    let body = table.value("body");
    let fields = table.value("fields");
    let actions = table.value("actions");
    let color = table.text("color");
    let blocks = table.value("blocks");
    let (template, body) = one_of(reader, template, body, "they are the same: keep one of them");
    let only = "`blocks` is the whole message: put what they say into it";
    let (blocks, body) = one_of(reader, blocks, template.or(body), only);
    let (blocks, fields) = one_of(reader, blocks, fields, only);
    let (blocks, actions) = one_of(reader, blocks, actions, only);

    let name = |key: &str| format!("{path}.{key}");
    let take = |text: Text<'_>, mode, name: String| Some((templates.take(reader, &text, mode)?, name));
    if let Some(text) = &color
        && is_literal(text.value)
        && !is_color(text.value.trim())
    {
        let message = format!("`{}` is no colour", text.value);
        let help = "write `good`, `warning`, `danger` or `#rrggbb`";
        reader.push(Problem::new(Code::InvalidValue, text.at, message).help(help));
    }
    let body_name = body.as_ref().map(|body| body.path().to_owned()).unwrap_or_default();
    Layout {
        title: title.and_then(|text| take(text, Mode::Mrkdwn, name("title"))),
        body: body.and_then(|value| value.text()).and_then(|text| take(text, Mode::Mrkdwn, body_name)),
        fields: fields.map(|fields| read_fields(reader, &fields, &name("fields"), templates)),
        actions: actions.map(|actions| read_actions(reader, &actions, &name("actions"), templates)),
        color: color.and_then(|text| take(text, Mode::Plain, name("color"))),
        blocks: blocks.and_then(|value| value.text()).and_then(|text| take(text, Mode::Json, name("blocks"))),
    }
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

fn read_fields(reader: &Reader, value: &Written<'_>, path: &str, templates: &Templates) -> Vec<(String, Named)> {
    let mut fields = value.map().unwrap_or_default();
    let own = value.at.source;
    if fields.len() > MOST_FIELDS {
        let message = format!("`{}` has {} fields", value.path(), fields.len());
        let help = format!("Slack shows at most {MOST_FIELDS}");
        reader.push(Problem::new(Code::InvalidValue, value.key_at, message).help(help));
    }
    // As they stand in the files, not by name; those of `[defaults]` first.
    fields.sort_by_key(|(_, text)| (text.at.source == own, text.at.start));
    let take = |(name, text): (&str, Text<'_>)| {
        Some((name.to_owned(), (templates.take(reader, &text, Mode::Mrkdwn)?, format!("{path}.{name}"))))
    };
    fields.into_iter().filter_map(take).collect()
}

fn read_actions(reader: &Reader, value: &Written<'_>, path: &str, templates: &Templates) -> Vec<(Named, Named)> {
    let Some(items) = value.items() else {
        return value.wrong_type("a list of buttons, each `{ text = \"…\", url = \"…\" }`").unwrap_or_default();
    };
    if items.len() > MOST_ACTIONS {
        let message = format!("`{}` has {} buttons", value.path(), items.len());
        let help = format!("keep the {MOST_ACTIONS} that matter most");
        reader.push(Problem::new(Code::InvalidValue, value.key_at, message).help(help));
    }
    let mut actions = Vec::new();
    for (number, item) in items.into_iter().enumerate() {
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
        // What begins with a value is a URL already; anywhere else a value is a part of one.
        let mode = if url.value.trim_start().starts_with("{{") { Mode::Plain } else { Mode::Url };
        let pair = (templates.take(reader, &text, Mode::Plain), templates.take(reader, &url, mode));
        let name = |key: &str| format!("{path}[{number}].{key}");
        actions.extend(pair.0.zip(pair.1).map(|(text, url)| ((text, name("text")), (url, name("url")))));
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
    if is_literal(url.value) && units(url.value) > URL {
        refuse(url.at, format!("the button's URL is longer than {URL} characters"), "shorten it");
    } else if is_literal(url.value) && !is_url(url.value) || !literal.is_empty() && !has_scheme(literal) {
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

impl Layout {
    fn is_empty(&self) -> bool {
        self.title.is_none()
            && self.body.is_none()
            && self.fields.is_none()
            && self.actions.is_none()
            && self.color.is_none()
            && self.blocks.is_none()
    }
}

impl Layouts {
    /// The parts of a message: those of its own table first. A body is for its own kind of news alone; and where there is
    /// one, the blocks of `[message]`, which are a whole message, stand back.
    fn of(&self, tone: Tone) -> Layout {
        let own = match tone {
            Tone::Good => return self.message.clone(),
            Tone::Failure => &self.failure,
            Tone::Recovery => &self.recovery,
            // What is written for failures states one, and names an incident that there is none of.
            Tone::Running => return Layout { body: None, ..self.message.clone() },
        };
        let all = &self.message;
        let own_parts = own.body.is_some() || own.fields.is_some() || own.actions.is_some();
        // A recovery is one line: what helps with a failure is above it, in the failure's own message.
        let shared = tone != Tone::Recovery;
        Layout {
            title: own.title.clone().or_else(|| all.title.clone()),
            body: own.body.clone(),
            fields: own.fields.clone().or_else(|| all.fields.clone().filter(|_| shared)),
            actions: own.actions.clone().or_else(|| all.actions.clone().filter(|_| shared)),
            color: own.color.clone().or_else(|| all.color.clone()),
            blocks: own.blocks.clone().or_else(|| all.blocks.clone().filter(|_| shared && !own_parts)),
        }
    }
}

impl Format {
    /// A job without `template` and `[message]`.
    pub fn plain(templates: &Templates) -> Self {
        Self { templates: templates.clone(), layouts: None }
    }

    /// The engine that knows the templates.
    pub(super) fn templates(&self) -> &Templates {
        &self.templates
    }

    /// The templates that yield whole blocks: for which news, their names and texts.
    pub(super) fn own_blocks(&self) -> Vec<(Tone, String, std::sync::Arc<str>)> {
        let Some(layouts) = &self.layouts else { return Vec::new() };
        let all =
            [(Tone::Good, &layouts.message), (Tone::Failure, &layouts.failure), (Tone::Recovery, &layouts.recovery)];
        let with_text = |(template, name): &Named| (name.clone(), self.templates.text(*template));
        let blocks = all.into_iter().filter_map(|(tone, layout)| Some((tone, with_text(layout.blocks.as_ref()?))));
        blocks.map(|(tone, (name, text))| (tone, name, text)).collect()
    }

    /// The colours and the URLs of buttons that a template spells out and no message can have: which part, and what is wrong. What
    /// stands there without a template was refused when it was read.
    pub fn bad_parts(&self) -> Vec<(String, String)> {
        let Some(layouts) = &self.layouts else { return Vec::new() };
        let bad = |(template, name): &Named, why: fn(&str) -> Option<String>| {
            if is_literal(&self.templates.text(*template)) {
                return None;
            }
            let all = self.templates.spelled_out(*template);
            all.iter().find_map(|shown| why(shown.trim())).map(|why| (name.clone(), why))
        };
        let of = |layout: &Layout| {
            let urls = layout.actions.iter().flatten().filter_map(|(_, url)| bad(url, no_url));
            layout.color.iter().filter_map(|color| bad(color, no_color)).chain(urls).collect::<Vec<_>>()
        };
        [&layouts.message, &layouts.failure, &layouts.recovery].into_iter().flat_map(of).collect()
    }

    /// Whether the job has a template of its own.
    pub fn is_plain(&self) -> bool {
        self.layouts.is_none()
    }

    /// Renders the job's template for good news, where it has one: alone, or what is wrong with it.
    pub(super) fn good_body(&self, context: &Value) -> Option<(Option<String>, Option<RenderError>)> {
        let (template, name) = self.layouts.as_ref()?.message.body.as_ref()?;
        Some(match self.templates.render(*template, context) {
            Ok(body) => (Some(body), None),
            Err(why) => (None, Some(RenderError { template: name.clone(), why, uses_json: template.uses_json })),
        })
    }

    /// Renders the job's templates for news of this kind. Each part stands alone: one that cannot be rendered is left out.
    pub(super) fn parts(&self, tone: Tone, context: &Value) -> Parts {
        let mut parts = Parts::default();
        let Some(layouts) = &self.layouts else { return parts };
        let layout = layouts.of(tone);
        let mut left_out = Vec::new();
        let mut render = |(template, name): &Named| {
            let rendered = self.templates.render(*template, context);
            let failed = |why| RenderError { template: name.clone(), why, uses_json: template.uses_json };
            rendered.map_err(|why| left_out.push(failed(why))).ok()
        };
        let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        parts.body = layout.body.as_ref().and_then(&mut render);
        parts.title = layout.title.as_ref().and_then(&mut render).map(one_line);
        for (name, value) in layout.fields.iter().flatten() {
            let value = render(value).filter(|value| !value.trim().is_empty());
            parts.fields.extend(value.map(|value| (name.clone(), value.trim().to_owned())));
        }
        let mut refused = Vec::new();
        let mut refuse = |(_, name): &Named, why: String| {
            refused.push(RenderError { template: name.clone(), why, uses_json: false });
        };
        for (text, url) in layout.actions.iter().flatten() {
            let (Some(shown), Some(target)) = (render(text).map(one_line), render(url)) else { continue };
            let target = link_safe(target.trim());
            match (shown.is_empty(), target.is_empty()) {
                // A template that writes nothing at all of a button wants none.
                (true, true) => {}
                (true, false) => refuse(text, "the button's text is blank".to_owned()),
                (false, true) => refuse(url, "the button's URL is blank".to_owned()),
                (false, false) => match no_url(&target) {
                    Some(why) => refuse(url, why),
                    None => parts.actions.push((shown, target)),
                },
            }
        }
        if let Some((named, color)) = layout.color.as_ref().and_then(|named| Some((named, render(named)?))) {
            match no_color(color.trim()) {
                Some(why) => refuse(named, why),
                None => parts.color = Some(color.trim().to_owned()).filter(|color| !color.is_empty()),
            }
        }
        if let Some((named, text)) = layout.blocks.as_ref().and_then(|named| Some((named, render(named)?))) {
            match parse_blocks(&text) {
                Ok(blocks) => parts.blocks = Some(blocks),
                Err(why) => refuse(named, why),
            }
        }
        left_out.append(&mut refused);
        parts.left_out = left_out;
        parts
    }
}

/// Why this is no colour of a message; blanks are none at all.
fn no_color(color: &str) -> Option<String> {
    (!color.is_empty() && !is_color(color)).then(|| format!("`{}` is no colour", cut_plain(color, 40).0))
}

/// Why no button can open this; blanks are nothing to open.
fn no_url(url: &str) -> Option<String> {
    let target = link_safe(url);
    match units(&target) > URL {
        true => Some(format!("the button's URL is longer than {URL} characters")),
        false => (!target.is_empty() && !is_url(&target))
            .then(|| format!("`{}` is no URL that a button can open", cut_plain(&target, 100).0)),
    }
}

/// A URL with whatever no URL can hold percent-encoded.
fn link_safe(url: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"<>|\"`\\^{}".contains(&byte);
    super::filters::percent_encode(url, plain)
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
