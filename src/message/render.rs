//! A [`Notice`] becomes a [`Rendered`] message: the default one, or a job's own, always within Slack's limits.
//!
//! Before it: `policy`. After it: whoever puts channel and thread on it, then `outbox`. What is bad news always begins
//! with a line that says so and ends with one that says where, whatever a template does (SPEC 6).

use minijinja::Value as TemplateValue;
use serde_json::Value;

use super::fit::{ALL_BLOCKS, ATTACHMENT_BLOCKS, BLOCKS, PLAIN, cut, fit, weight, weight_of};
use super::format::Format;
use super::tail::{Tail, tail};
use super::template::RenderError;
use super::text::{clean, clean_str, escape, fence};
use super::vars::Context;
use super::words::{always, color, context, emoji, emoji_of, happened, notes, one_line};
use super::{Attachment, Notice, blocks};
use crate::exec::{Captured, Status};
use crate::policy::Event;

/// Lines of output in a message.
const LINES: usize = 20;
/// Units of output in a message, once escaped.
const OUTPUT: usize = 2_500;
/// Units of a title.
const TITLE: usize = 1_000;
/// Units of all fields together.
const FIELDS: usize = 2_400;
/// What buttons may weigh: their URLs are long.
const ACTIONS: usize = 2_000;

/// A message without address: the caller puts channel, thread and incident on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// Plain text for notifications, screen readers and digests, escaped; its first line says what happened.
    pub text: String,
    /// Blocks; the first of a message with a colour is its title, and stands above the bar.
    pub blocks: Vec<Value>,
    /// The colour bar: `good`, `warning`, `danger` or `#rrggbb`.
    pub color: Option<String>,
    /// The whole output, when the message does not show all of it.
    pub attachment: Option<Attachment>,
}

/// What a job's own templates have rendered to.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) title: Option<String>,
    pub(super) body: Option<Body>,
    pub(super) fields: Vec<(String, String)>,
    pub(super) actions: Vec<(String, String)>,
    pub(super) color: Option<String>,
    pub(super) blocks: Option<Vec<Value>>,
}

/// A rendered body.
#[derive(Debug)]
pub(super) struct Body {
    /// Mrkdwn.
    pub(super) text: String,
    /// It shows stderr, or all output.
    pub(super) shows_stderr: bool,
}

/// Renders a notice. `None`: the job's template renders to blanks, so nothing is to be said. Bad news is said even then.
pub fn render(notice: &Notice, format: &Format) -> Result<Option<Rendered>, RenderError> {
    let variables = TemplateValue::from_object(Context::new(notice));
    let mut parts = format.parts(&variables)?;
    of_directives(notice, &mut parts);
    let blank = match (&parts.body, &parts.blocks) {
        (_, Some(blocks)) => blocks.is_empty(),
        (Some(body), None) => body.text.trim().is_empty(),
        (None, None) => false,
    };
    if blank && is_good(notice.event) {
        return Ok(None);
    }
    match parts.blocks {
        Some(blocks) if !blank => own_blocks(notice, parts.title.as_deref(), parts.color, blocks).map(Some),
        _ => Ok(Some(compose(notice, parts, &[]))),
    }
}

/// What the script itself says goes before what the configuration says.
fn of_directives(notice: &Notice, parts: &mut Parts) {
    let said = &notice.outcome.directives;
    if let Some(title) = &said.title {
        parts.title = Some(one_line(title)).filter(|title| !title.is_empty()).or_else(|| parts.title.take());
    }
    for (name, value) in &said.fields {
        let value = escape(clean_str(value).trim());
        if !value.is_empty() && parts.fields.len() < super::fit::FIELDS {
            parts.fields.push((clean_str(name).into_owned(), value));
        }
    }
}

/// The message for a notice whose template failed: the default one, and a line that says which template and why.
pub fn fallback(notice: &Notice, error: &RenderError) -> Rendered {
    let line = format!(":warning: {}", one_line(&format!("this job's {error}")));
    let mut parts = Parts::default();
    of_directives(notice, &mut parts);
    compose(notice, parts, &[line])
}

/// The daemon's own words: a title, and a body in which lines stay as they are. Both are plain text.
pub fn own_words(status: Status, title: &str, body: &str) -> Rendered {
    let (title, body) = (one_line(title), clean_str(body));
    let body = body.trim_matches('\n');
    let mut all = vec![blocks::section(&format!("{} *{title}*", emoji(status)), TITLE)];
    let mut text = format!("{} {title}", emoji(status));
    if !body.trim().is_empty() && body.contains('\n') {
        all.push(blocks::preformatted(body, PLAIN));
        text.push_str(&format!("\n{}", fence(&escape(body))));
    } else if !body.trim().is_empty() {
        all.push(blocks::section(&escape(body), PLAIN));
        text.push_str(&format!("\n{}", escape(body)));
    }
    Rendered { text: cut(&text, PLAIN).0, blocks: all, color: Some(color(status).to_owned()), attachment: None }
}

/// The whole output of a notice's run as a text file; `None` when there is none. For `attach = "always"`.
pub fn whole_output(notice: &Notice) -> Option<Attachment> {
    let streams = &notice.outcome.output;
    let bytes = match streams.both.is_blank() {
        false => streams.both.bytes(),
        true => [streams.stdout.bytes(), streams.stderr.bytes()].concat(),
    };
    let content = clean(&bytes);
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = notice.job.name.as_str().chars().map(plain).take(100).collect();
    (!content.trim().is_empty()).then(|| Attachment { name: format!("{name}.txt"), content })
}

fn is_good(event: Event) -> bool {
    matches!(event, Event::Output | Event::Success | Event::Change)
}

/// The first line: as a block has it, and as plain text has it.
fn title(notice: &Notice, own: Option<&str>) -> (String, String) {
    let emoji = emoji_of(notice);
    let what = happened(notice);
    let (bold, joint) = match own {
        Some(own) if own.contains('*') => (own.to_owned(), " — "),
        Some(own) => (format!("*{own}*"), " — "),
        None => (format!("*{}*", one_line(notice.job.name.as_str())), " "),
    };
    let name = own.map_or_else(|| one_line(notice.job.name.as_str()), str::to_owned);
    let pings = pings(notice);
    let host = escape(&notice.host);
    (format!("{pings}{emoji} {bold}{joint}{what}"), format!("{pings}{emoji} {name}{joint}{what} ({host})"))
}

/// Who is pinged: on critical, or because the script asks for it; and only by markup that the configuration can have made.
fn pings(notice: &Notice) -> String {
    let pinged = notice.outcome.status == Status::Critical;
    let configured = notice.mention.iter().filter(|_| pinged);
    let asked = notice.asked.iter().filter(|markup| !pinged || !notice.mention.contains(markup));
    let markup = configured.chain(asked).filter(|markup| super::filters::is_mention_markup(markup));
    markup.map(|markup| format!("{markup} ")).collect()
}

/// What stands between the first and the last line.
#[derive(Default)]
struct Middle {
    blocks: Vec<Value>,
    text: String,
    /// What was left out, in words.
    notes: Vec<String>,
    /// Not all is shown.
    cut: bool,
}

fn compose(notice: &Notice, parts: Parts, extra: &[String]) -> Rendered {
    let good = is_good(notice.event);
    let own_body = parts.body.filter(|body| !body.text.trim().is_empty());
    // A template for good news is the whole message.
    let whole = good && own_body.is_some();
    let own_title = parts.title.as_deref().map(str::trim).filter(|title| !title.is_empty());
    let mut head = Vec::new();
    let text = match (whole, own_title) {
        (true, own) => {
            let bold =
                own.map_or_else(String::new, |own| if own.contains('*') { own.to_owned() } else { format!("*{own}*") });
            let pings = pings(notice);
            let text = format!("{pings}{}", own.unwrap_or_default());
            head.extend((!text.is_empty()).then(|| blocks::section(&format!("{pings}{bold}"), TITLE)));
            text
        }
        (false, own) => {
            let (block, plain) = title(notice, own);
            head.push(blocks::section(&block, TITLE));
            plain
        }
    };
    let mut foot = Vec::new();
    if whole {
        let notes = always(notice);
        foot.extend((!notes.is_empty()).then(|| blocks::context(&notes.join("  ·  "))));
    } else {
        let mut facts = context(notice);
        if own_title.is_some() {
            facts = format!("{}  ·  {facts}", one_line(notice.job.name.as_str()));
        }
        foot.push(blocks::context(&facts));
    }
    foot.extend(extra.iter().map(|line| blocks::context(line)));
    foot.extend(blocks::actions(&parts.actions).filter(|actions| weight_of(actions) <= ACTIONS));
    let fields = blocks::fields(&parts.fields, FIELDS);
    let room = ALL_BLOCKS.saturating_sub(weight(&head) + weight(&foot) + fields.as_ref().map_or(0, weight_of) + 600);
    let mut middle = match &own_body {
        Some(body) => of_body(notice, body, room, !good),
        None => of_output(notice, &sources(notice), LINES, OUTPUT.min(room)),
    };
    of_digest(notice, room, &mut middle);
    let mut small = std::mem::take(&mut middle.notes);
    if !whole {
        small.extend(notes(notice));
    }
    let mut all = head;
    all.append(&mut middle.blocks);
    all.extend(fields);
    all.extend((!small.is_empty()).then(|| blocks::context(&small.join("  ·  "))));
    all.append(&mut foot);
    let text = full_text(text, &middle.text, notice, extra);
    let bar = parts.color.or_else(|| (!whole).then(|| color(notice.outcome.status).to_owned()));
    let attachment = if middle.cut { whole_output(notice) } else { None };
    Rendered { text, color: bar.filter(|_| all.len() <= ATTACHMENT_BLOCKS), blocks: all, attachment }
}

/// Everything in one text, as far as it fits.
fn full_text(title: String, middle: &str, notice: &Notice, extra: &[String]) -> String {
    let mut end = always(notice);
    end.extend(extra.iter().cloned());
    let end = end.join("\n");
    let room = PLAIN.saturating_sub(super::text::units(&end) + 1);
    let lines = [title.as_str(), middle].into_iter().filter(|line| !line.trim().is_empty());
    let (mut text, _) = cut(&lines.collect::<Vec<_>>().join("\n"), room);
    if !end.is_empty() {
        text.push('\n');
        text.push_str(&end);
    }
    cut(&text, PLAIN).0
}

/// What waited for the end of quiet hours, a line each.
fn of_digest(notice: &Notice, room: usize, middle: &mut Middle) {
    if notice.digest.is_empty() {
        return;
    }
    let lines: Vec<String> = notice.digest.iter().map(|line| format!("•  {}", one_line(line))).collect();
    let text = lines.join("\n");
    let (paragraphs, whole) = blocks::paragraphs(&text, room.saturating_sub(weight(&middle.blocks)));
    middle.blocks.extend(paragraphs);
    middle.text = format!("{}\n{text}", middle.text).trim_start().to_owned();
    middle.cut |= !whole;
}

/// A job's own body; with bad news also the end of stderr when the body does not show it, since there is what went wrong.
fn of_body(notice: &Notice, body: &Body, room: usize, bad: bool) -> Middle {
    let stderr = [&notice.outcome.output.stderr];
    let errors = match bad && !body.shows_stderr {
        true => of_output(notice, &stderr, LINES / 2, (OUTPUT / 2).min(room / 3)),
        false => Middle::default(),
    };
    let (mut paragraphs, whole) = blocks::paragraphs(&body.text, room.saturating_sub(weight(&errors.blocks)));
    paragraphs.extend(errors.blocks);
    let text = if errors.text.is_empty() {
        body.text.trim().to_owned()
    } else {
        format!("{}\n{}", body.text.trim(), errors.text)
    };
    let mut notes = errors.notes;
    if !whole {
        notes.insert(0, "shortened".to_owned());
    }
    Middle { blocks: paragraphs, text, notes, cut: errors.cut || !whole }
}

/// The streams that the default message shows: with a failure stderr first.
fn sources(notice: &Notice) -> Vec<&Captured> {
    let streams = &notice.outcome.output;
    match (notice.outcome.status, streams.stderr.is_blank(), streams.stdout.is_blank()) {
        (Status::Ok, _, _) if !streams.both.is_blank() => vec![&streams.both],
        (Status::Ok, _, _) => vec![&streams.stdout, &streams.stderr],
        _ => vec![&streams.stderr, &streams.stdout],
    }
}

/// The ends of some streams, `lines` lines and `limit` units in all.
fn of_output(notice: &Notice, streams: &[&Captured], lines: usize, limit: usize) -> Middle {
    let streams: Vec<&&Captured> = streams.iter().filter(|stream| !stream.is_blank()).collect();
    let mut middle = Middle::default();
    let (mut lines, mut limit, mut shown) = (lines, limit, Vec::new());
    for (index, stream) in streams.iter().enumerate() {
        // What comes first may take all but a little of what is there.
        let rest = streams.len() - index - 1;
        let (most, room) = (lines.saturating_sub(3 * rest), limit.saturating_sub(300 * rest));
        if room < 100 {
            middle.cut = true;
            break;
        }
        let Some(Tail { text, lines: taken, cut }) = tail(stream, most, room) else { continue };
        lines = lines.saturating_sub(taken).max(1);
        limit = limit.saturating_sub(super::text::units(&escape(&text)) + 100);
        if let Some(cut) = cut {
            middle.cut = true;
            let name = if std::ptr::eq(**stream, &notice.outcome.output.stderr) { "stderr: " } else { "" };
            middle.notes.push(format!("{name}{cut}"));
        }
        shown.push(text);
    }
    middle.blocks.extend(shown.iter().map(|text| blocks::preformatted(text, OUTPUT)));
    middle.text = shown.iter().map(|text| fence(&escape(text))).collect::<Vec<_>>().join("\n");
    middle
}

/// A message whose blocks are the job's own.
fn own_blocks(
    notice: &Notice,
    own_title: Option<&str>,
    own_color: Option<String>,
    own: Vec<Value>,
) -> Result<Rendered, RenderError> {
    let refuse = |why: String| RenderError { template: "message.blocks".to_owned(), why };
    if own.len() > BLOCKS {
        return Err(refuse(format!("{} blocks are too many: Slack takes {BLOCKS}", own.len())));
    }
    let mut own = own;
    let notes = always(notice);
    own.extend((!notes.is_empty() && own.len() < BLOCKS).then(|| blocks::context(&notes.join("  ·  "))));
    let (fitted, whole) = fit(own);
    if fitted.is_empty() {
        return Err(refuse("nothing is left of the blocks: their texts are empty".to_owned()));
    }
    let (_, text) = title(notice, own_title.map(str::trim).filter(|title| !title.is_empty()));
    let bar = own_color.or_else(|| (!is_good(notice.event)).then(|| color(notice.outcome.status).to_owned()));
    Ok(Rendered {
        text: full_text(text, "", notice, &[]),
        color: bar.filter(|_| fitted.len() <= ATTACHMENT_BLOCKS),
        blocks: fitted,
        attachment: if whole { None } else { whole_output(notice) },
    })
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
