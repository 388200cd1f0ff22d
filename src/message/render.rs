//! A [`Notice`] becomes a [`Rendered`] message: the default one, or a job's own, always within Slack's limits.
//!
//! Before it: `report`. After it: whoever puts channel and thread on it, then `outbox`. What is bad news always begins
//! with a headline that says so and ends with a line that says where, whatever a template does.

use std::borrow::Cow;

use minijinja::Value as TemplateValue;
use serde_json::Value;

use super::context::{BETWEEN, always, context, notes};
use super::format::{Format, Parts, Tone};
use super::headline::{Headline, as_plugin, headline, line};
use super::tail::{Tail, tail};
use super::template::RenderError;
use super::text::{clean, clean_str};
use super::vars::Context;
use super::words::{color, emoji, one_line, short};
use super::{Attachment, Notice};
use crate::exec::{Captured, Reason, Redactor, Status, shows_nothing};
use crate::policy::{Event, Update};
use crate::slack::limits::{ALL_BLOCKS, ATTACHMENT_BLOCKS, BLOCKS, FIELDS as MOST_FIELDS, PLAIN};
use crate::slack::{
    Fitted, blocks, characters, closed, cut, cut_middle, escape, fence, fit, is_mention_markup, plain, unescape,
    unformatted, units, weight, weight_of,
};

/// Lines of output in a message.
const LINES: usize = 20;
/// Units of output in a message, once escaped.
const OUTPUT: usize = 2_500;
/// What the fences of a code block take of that.
const FENCES: usize = 12;
/// Units of a title: room for a line of output of which each character is an entity.
const TITLE: usize = 1_800;
/// Units of all fields together.
const FIELDS: usize = 2_400;
/// What buttons may weigh: their URLs are long.
const ACTIONS: usize = 2_000;
/// Units of the headline in plain text: something is left for what follows.
const PLAIN_TITLE: usize = 800;

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
    /// What the job's own template wrote, when the message does not show all of it.
    pub written: Option<Attachment>,
    /// The parts of the job's own that are left out, and why.
    pub left_out: Vec<RenderError>,
}

/// Renders a notice. `None`: the job's template renders to blanks, so nothing is to be said. Bad news is said even then,
/// and so is what waited for the end of the quiet hours.
pub fn render(notice: &Notice, format: &Format) -> Option<Rendered> {
    let variables = TemplateValue::from_object(Context::new(notice));
    // No template was written for what only the clock brings.
    let tone = match notice.event {
        _ if notice.run().is_none() && notice.is_good() => None,
        Event::Recovery => Some(Tone::Recovery),
        Event::Slow => Some(Tone::Running),
        _ if notice.is_good() => Some(Tone::Good),
        _ => Some(Tone::Failure),
    };
    let mut parts = tone.map(|tone| format.parts(tone, &variables)).unwrap_or_default();
    // Where the headline says that there is no JSON, a template that wants it has no fault.
    let no_json = notice.outcome().is_some_and(|outcome| outcome.reason == Reason::Output && outcome.json.is_none());
    parts.left_out.retain(|error| !(no_json && error.uses_json) || notice.is_good());
    let of_run = of_recovered_run(notice, format, &mut parts);
    let notice = of_run.as_ref().unwrap_or(notice);
    mask(&notice.job.redactor, &mut parts);
    of_directives(notice, &mut parts);
    let blank = match (&parts.body, &parts.blocks) {
        (_, Some(blocks)) => blocks.is_empty(),
        (Some(body), None) => shows_nothing(body),
        (None, None) => false,
    };
    if blank && notice.is_good() && notice.digest.is_empty() {
        return None;
    }
    match parts.blocks.take() {
        Some(blocks) if !blank => match own_blocks(notice, &parts, blocks) {
            Ok(rendered) => Some(rendered),
            Err(why) => {
                parts.left_out.push(why);
                Some(compose(notice, parts))
            }
        },
        _ => Some(compose(notice, parts)),
    }
}

/// What a recovery shows of its run besides, as the job's template for good news writes it. Where that renders to blanks, or the
/// recovery has a body or blocks of its own, it shows nothing else: the answer is the notice without.
fn of_recovered_run(notice: &Notice, format: &Format, parts: &mut Parts) -> Option<Notice> {
    let event = notice.good_news?;
    let none = || Some(Notice { good_news: None, ..notice.clone() });
    if parts.body.is_some() || parts.blocks.is_some() {
        return none();
    }
    let good = Notice { event, incident: None, update: Update::None, digest: Vec::new(), ..notice.clone() };
    let (body, left_out) = format.good_body(&TemplateValue::from_object(Context::new(&good)))?;
    parts.left_out.extend(left_out);
    if body.as_deref().is_some_and(shows_nothing) {
        return none();
    }
    parts.body = body;
    None
}

/// Masks what templates say, as the output is: a secret may stand in one as it stands in a command.
fn mask(redactor: &Redactor, parts: &mut Parts) {
    if redactor.is_empty() {
        return;
    }
    let masked = |text: &mut String| *text = redactor.mask_str(text).into_owned();
    let fields = parts.fields.iter_mut().flat_map(|(name, value)| [name, value]);
    let errors = parts.left_out.iter_mut().map(|error| &mut error.why);
    let texts = parts.title.iter_mut().chain(&mut parts.body);
    texts.chain(fields).chain(errors).chain(parts.actions.iter_mut().map(|(text, _)| text)).for_each(masked);
    // A masked address leads nowhere.
    let whole = parts.actions.len();
    parts.actions.retain(|(_, url)| matches!(redactor.mask_str(url), Cow::Borrowed(_)));
    if parts.actions.len() < whole {
        let why = "the URL of a button holds what `redact` or `redact_env` masks".to_owned();
        parts.left_out.push(RenderError { template: "message.actions".to_owned(), why, uses_json: false });
    }
    parts.blocks.iter_mut().flatten().for_each(|block| mask_block(redactor, block));
}

fn mask_block(redactor: &Redactor, block: &mut Value) {
    match block {
        Value::String(text) => *text = redactor.mask_str(text).into_owned(),
        Value::Array(list) => list.iter_mut().for_each(|inner| mask_block(redactor, inner)),
        Value::Object(map) => map.values_mut().for_each(|inner| mask_block(redactor, inner)),
        _ => {}
    }
}

/// What the script itself says goes before what the configuration says.
fn of_directives(notice: &Notice, parts: &mut Parts) {
    let Some(said) = notice.outcome().map(|outcome| &outcome.directives) else { return };
    if let Some(title) = &said.title {
        parts.title = Some(one_line(title)).filter(|title| !title.is_empty()).or_else(|| parts.title.take());
    }
    for (name, value) in &said.fields {
        let value = unformatted(clean_str(value).trim());
        if !value.is_empty() && parts.fields.len() < MOST_FIELDS {
            parts.fields.push((clean_str(name).into_owned(), value));
        }
    }
}

/// The headline of a notice and nothing else: what an edit puts above a message that is there.
pub fn headline_alone(notice: &Notice) -> Rendered {
    let headline = headline(notice, None);
    Rendered {
        text: cut(&headline.plain, PLAIN).0,
        blocks: vec![title_block(&headline.block)],
        color: Some(color(notice.status).to_owned()),
        attachment: None,
        written: None,
        left_out: Vec::new(),
    }
}

/// The daemon's own messages: a title that names the host, and a body in which lines stay as they are. All plain text.
pub fn own_words(host: &str, status: Status, title: &str, body: &str) -> Rendered {
    let (host, title) = (one_line(host), one_line(title));
    titled((emoji(status), status), &format!("*{host}*: {title}"), &format!("{host}: {title}"), body)
}

/// The daemon's own words of something that is neither good nor bad: no status' mark, so that nobody takes it for a recovery.
pub fn own_neutral(host: &str, title: &str, body: &str) -> Rendered {
    let (host, title) = (one_line(host), one_line(title));
    let look = (":black_circle:", Status::Unknown);
    titled(look, &format!("*{host}*: {title}"), &format!("{host}: {title}"), body)
}

/// A message about a job that is about none of its runs: a sentence that follows the job's name, and a body. Plain text. The host
/// stands below it, as in any other message of a job; the notification has the sentence alone.
pub fn about_job((job, host): (&str, &str), status: Status, sentence: &str, body: &str) -> Rendered {
    let (job, sentence) = (unformatted(&short(job)), one_line(sentence));
    let look = (emoji(status), status);
    let mut rendered = titled(look, &format!("*{job}* {sentence}"), &format!("{job} {sentence}"), body);
    rendered.blocks.push(blocks::context(&one_line(host)));
    rendered
}

/// A title, as a block and as plain text have it, and a body of plain text below it.
fn titled((mark, status): (&str, Status), block: &str, plain: &str, body: &str) -> Rendered {
    let body = clean_str(body);
    let body = body.trim_matches('\n');
    let mut all = vec![title_block(&format!("{mark} {block}"))];
    let mut text = format!("{mark} {plain}");
    if !body.trim().is_empty() && body.contains('\n') {
        all.push(blocks::preformatted(body, PLAIN));
        text.push_str(&format!("\n{}", fence(&escape(body))));
    } else if !body.trim().is_empty() {
        let body = escape(&closed(body));
        all.push(blocks::section(&body, PLAIN));
        text.push_str(&format!("\n{body}"));
    }
    let color = Some(color(status).to_owned());
    Rendered { text: cut(&text, PLAIN).0, blocks: all, color, attachment: None, written: None, left_out: Vec::new() }
}

/// The whole output of a notice's run as a text file; `None` when there is none, or when only the end of it is known any more.
/// For `attach = "always"`.
pub fn whole_output(notice: &Notice) -> Option<Attachment> {
    if notice.outcome().is_none() && notice.dropped() > 0 {
        return None;
    }
    let streams = notice.output();
    let bytes = match streams.both.is_blank() {
        false => streams.both.bytes(),
        true => [streams.stdout.bytes(), streams.stderr.bytes()].concat(),
    };
    file(notice, "", clean(&bytes))
}

/// What a template wrote and the message does not show whole, as a text file.
fn as_written(notice: &Notice, markup: &str) -> Option<Attachment> {
    file(notice, "-message", unescape(markup.trim()))
}

/// A text file named after the job; nothing for nothing.
fn file(notice: &Notice, what: &str, content: String) -> Option<Attachment> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = notice.job.name.as_str().chars().map(plain).take(100).collect();
    (!shows_nothing(&content)).then(|| Attachment { name: format!("{name}{what}.txt"), content })
}

/// Who is pinged: on critical, or because the script asks for it; and only by markup that the configuration can have made.
fn pings(notice: &Notice) -> String {
    let pinged = notice.status == Status::Critical;
    let configured = notice.mention.iter().filter(|_| pinged);
    let asked = notice.asked.iter().filter(|markup| !pinged || !notice.mention.contains(markup));
    let markup = configured.chain(asked).filter(|markup| is_mention_markup(markup));
    markup.map(|markup| format!("{markup} ")).collect()
}

/// What stands between the headline and the context line.
#[derive(Default)]
struct Middle {
    blocks: Vec<Value>,
    text: String,
    /// What was left out, in words.
    notes: Vec<String>,
    /// Not all of the output is shown.
    cut: bool,
    /// Not all of what a template wrote, or of what waited, is shown: the whole of it.
    whole: Option<String>,
}

fn compose(notice: &Notice, parts: Parts) -> Rendered {
    let own_body = parts.body.filter(|body| !body.trim().is_empty());
    // A template for good news is the whole message.
    let whole = notice.is_good() && own_body.is_some();
    let own_title = parts.title.as_deref().map(str::trim).filter(|title| !title.is_empty());
    let headline = headline(notice, own_title);
    let pings = pings(notice);
    let mut head = Vec::new();
    let title = if whole {
        let own = own_title.unwrap_or_default();
        let bold = if own.is_empty() || own.contains('*') { own.to_owned() } else { format!("*{own}*") };
        let title = format!("{pings}{bold}");
        head.extend((!title.trim().is_empty()).then(|| title_block(&title)));
        format!("{pings}{own}")
    } else {
        head.push(title_block(&format!("{pings}{}", headline.block)));
        format!("{pings}{}", headline.plain)
    };
    let mut context = context_line(notice, &headline, whole, own_title);
    if let Some(page) = notice.page.as_deref().filter(|_| !context.is_empty()) {
        context = format!("{context}{BETWEEN}<{page}|Open>");
    }
    let left_out: Vec<String> = parts.left_out.iter().map(why_left_out).collect();
    let mut foot: Vec<Value> = (!context.is_empty()).then(|| blocks::context(&context)).into_iter().collect();
    foot.extend((!left_out.is_empty()).then(|| blocks::context(&left_out.join("\n"))));
    foot.extend(blocks::actions(&parts.actions).filter(|actions| weight_of(actions) <= ACTIONS));
    let (fields, whole_fields) = blocks::fields(&parts.fields, FIELDS);
    let room = ALL_BLOCKS.saturating_sub(weight(&head) + weight(&foot) + fields.as_ref().map_or(0, weight_of) + 600);
    let mut middle = match &own_body {
        Some(body) => of_body(body, room),
        None if headline.shows_all || is_brief(notice) => Middle::default(),
        None => of_output(notice, &headline, OUTPUT.min(room)),
    };
    if whole || !headline.says_digest {
        of_digest(notice, room, &mut middle);
    }
    let field_lines: Vec<String> =
        parts.fields.iter().map(|(name, value)| format!("{}: {value}", unformatted(&short(name)))).collect();
    if !whole_fields {
        // What the template wrote is one file: the body, if there is one, and the fields below it.
        let body = middle.whole.take().or_else(|| own_body.clone()).map(|body| body.trim().to_owned());
        middle.whole = Some(body.into_iter().chain(field_lines.iter().cloned()).collect::<Vec<_>>().join("\n"));
        middle.notes.push("fields shortened".to_owned());
    }
    let mut small = std::mem::take(&mut middle.notes);
    small.extend(if whole { always(notice) } else { notes(notice) });
    let mut all = head;
    all.append(&mut middle.blocks);
    all.extend(fields);
    all.extend((!small.is_empty()).then(|| blocks::context(&small.join(BETWEEN))));
    all.append(&mut foot);
    let end: Vec<String> = field_lines.into_iter().chain(small).chain([context]).chain(left_out).collect();
    let text = full_text(&title, &middle.text, &end);
    let bar = parts.color.or_else(|| (!whole).then(|| color(notice.status).to_owned()));
    let attachment = if middle.cut { whole_output(notice) } else { None };
    let written = middle.whole.as_deref().and_then(|whole| as_written(notice, whole));
    let color = bar.filter(|_| all.len() <= ATTACHMENT_BLOCKS);
    Rendered { text, color, blocks: all, attachment, written, left_out: parts.left_out }
}

/// The context line: none below a job's own message; below a recovery, which is one line, the host, and the job where its title
/// does not name it.
fn context_line(notice: &Notice, headline: &Headline, whole: bool, title: Option<&str>) -> String {
    match notice.event {
        _ if whole => String::new(),
        Event::Recovery if notice.run().is_some() => {
            let job = unformatted(&short(notice.job.name.as_str()));
            let named = title.is_none_or(|title| title.contains(&job));
            let facts = [job, one_line(&notice.host)];
            facts.into_iter().skip(usize::from(named)).collect::<Vec<_>>().join(BETWEEN)
        }
        _ => context(notice, headline, title.is_some()),
    }
}

/// A title above everything else.
fn title_block(title: &str) -> Value {
    blocks::section(&cut_middle(title, TITLE), TITLE)
}

/// Whether the headline is all that there is to say: of a recovery, and of a status that keeps changing.
fn is_brief(notice: &Notice) -> bool {
    (notice.event == Event::Recovery && !notice.changed && notice.good_news.is_none())
        || matches!(notice.update, Update::FlappingEnds { status: Status::Ok, .. })
        || (notice.run().is_none() && notice.status == Status::Ok)
}

fn why_left_out(error: &RenderError) -> String {
    format!(":warning: {}", one_line(&format!("left out: {error}")))
}

/// Everything in one text: headline, body, and what stands below. Of a body that is too long the end stays.
fn full_text(title: &str, middle: &str, end: &[String]) -> String {
    let title = cut_middle(title, PLAIN_TITLE);
    let end: Vec<&str> = end.iter().map(String::as_str).filter(|line| !line.trim().is_empty()).collect();
    let (end, _) = cut(&end.join("\n"), PLAIN / 2);
    let room = PLAIN.saturating_sub(units(&title) + units(&end) + 2);
    let middle = middle.trim_end();
    // Of output the end counts, of a text that somebody wrote the beginning.
    let middle = if middle.starts_with("```") { keep_end(middle, room) } else { cut(middle, room).0 };
    let lines = [title.as_str(), middle.as_str(), end.as_str()];
    lines.into_iter().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n")
}

/// The end of code blocks, at most `limit` units; no entity is cut in two, and the block is opened anew.
fn keep_end(text: &str, limit: usize) -> String {
    if units(text) <= limit {
        return text.to_owned();
    }
    const OPEN: &str = "```\n…";
    let mut left = limit.saturating_sub(units(OPEN));
    let start = characters(text).rev().find(|(_, character)| match left.checked_sub(units(character)) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    });
    let mut rest = start.map_or(text, |(at, character)| &text[at + character.len()..]);
    let entity = rest.bytes().take(5).take_while(u8::is_ascii_lowercase).count();
    if rest.as_bytes().get(entity) == Some(&b';') {
        rest = &rest[entity + 1..];
    }
    let open = rest.matches("```").count() % 2 == 1;
    format!("{}{rest}", if open { OPEN } else { "…" })
}

/// What waited for the end of quiet hours, a line each.
fn of_digest(notice: &Notice, room: usize, middle: &mut Middle) {
    if notice.digest.is_empty() {
        return;
    }
    // What the headline says of the failure is not said again.
    let cause = if notice.is_good() { String::new() } else { line(notice) };
    let without = |line: &str| match line.strip_suffix(&cause).and_then(|line| line.strip_suffix(": ")) {
        Some(rest) if !cause.is_empty() => rest.to_owned(),
        _ => line.to_owned(),
    };
    let lines: Vec<String> =
        notice.digest.iter().map(|line| format!("•  {}", unformatted(&short(&without(line))))).collect();
    let text = lines.join("\n");
    let (paragraphs, whole) = blocks::paragraphs(&text, room.saturating_sub(weight(&middle.blocks)));
    middle.blocks.extend(paragraphs);
    middle.text = format!("{}\n{text}", middle.text).trim_start().to_owned();
    if !whole {
        middle.whole = Some(middle.text.clone());
    }
}

/// A job's own body.
fn of_body(body: &str, room: usize) -> Middle {
    let (blocks, whole) = blocks::paragraphs(body, room);
    let notes = if whole { Vec::new() } else { vec!["shortened".to_owned()] };
    let text = body.trim().to_owned();
    Middle { blocks, notes, cut: false, whole: (!whole).then(|| text.clone()), text }
}

/// The end of the output: with a failure stderr first; of a plugin without its performance data; of a change what changed. A
/// stream of which the headline shows all is not in it.
fn of_output(notice: &Notice, headline: &Headline, limit: usize) -> Middle {
    let streams = notice.output();
    let plugin = notice.job.plugin.then(|| as_plugin(&streams.stdout));
    let stdout = plugin.as_ref().unwrap_or(&streams.stdout);
    let diff = Captured { head: notice.diff.clone().into_bytes(), ..Captured::default() };
    let both = &streams.both;
    let sources: Vec<(&Captured, &str)> = match notice.status {
        _ if (notice.event == Event::Change || notice.changed) && !diff.is_blank() => vec![(&diff, "")],
        Status::Ok if !both.is_blank() && plugin.is_none() => vec![(both, "")],
        Status::Ok => vec![(stdout, ""), (&streams.stderr, "stderr: ")],
        _ if streams.stderr.is_blank() && stdout.is_blank() && plugin.is_none() => vec![(both, "")],
        _ => vec![(&streams.stderr, "stderr: "), (stdout, "")],
    };
    let news = |stream: &Captured| !stream.is_blank() && !headline.shows(stream, notice.status);
    let sources: Vec<_> = sources.into_iter().filter(|(stream, _)| news(stream)).collect();
    let mut middle = Middle::default();
    let (mut lines, mut limit, mut shown) = (LINES, limit, Vec::new());
    for (index, (stream, name)) in sources.iter().enumerate() {
        // What comes first may take all but a little of what is there.
        let rest = sources.len() - index - 1;
        let (most, room) = (lines.saturating_sub(3 * rest), limit.saturating_sub(300 * rest));
        if room < 100 {
            middle.cut = true;
            break;
        }
        let Some(Tail { text, lines: taken, cut }) = tail(stream, most, room - FENCES) else { continue };
        lines = lines.saturating_sub(taken).max(1);
        limit = limit.saturating_sub(units(&escape(&text)) + 100);
        if let Some(cut) = cut {
            middle.cut = true;
            // Lines of a comparison are not those of the output.
            let is_diff = std::ptr::eq(*stream, &raw const diff);
            middle.notes.push(if is_diff { "a part of what changed".to_owned() } else { format!("{name}{cut}") });
        }
        shown.push(text);
    }
    middle.blocks.extend(shown.iter().map(|text| blocks::preformatted(text, OUTPUT)));
    middle.text = shown.iter().map(|text| fence(&escape(text))).collect::<Vec<_>>().join("\n");
    middle
}

/// A message whose blocks are the job's own. Its plain text has the content too: it is what is sent when Slack refuses
/// the blocks.
fn own_blocks(notice: &Notice, parts: &Parts, own: Vec<Value>) -> Result<Rendered, RenderError> {
    let refuse = |why: String| RenderError { template: "message.blocks".to_owned(), why, uses_json: false };
    if own.len() > BLOCKS {
        return Err(refuse(format!("{} blocks are too many: Slack takes {BLOCKS}", own.len())));
    }
    let left_out: Vec<String> = parts.left_out.iter().map(why_left_out).collect();
    let said = plain("", &own);
    let Fitted { blocks: mut fitted, mut whole, notes } = fit(own);
    if fitted.is_empty() {
        let why = if notes.is_empty() { "their texts are empty".to_owned() } else { notes.join("; ") };
        return Err(refuse(format!("nothing is left of the blocks: {why}")));
    }
    let changed = notes.iter().map(|note| format!(":warning: `message.blocks`: {}", one_line(note)));
    let small: Vec<String> = always(notice).into_iter().chain(left_out).chain(changed).collect();
    if !small.is_empty() {
        if fitted.len() == BLOCKS {
            fitted.pop();
            whole = false;
        }
        fitted.push(blocks::context(&small.join(BETWEEN)));
    }
    let headline = headline(notice, parts.title.as_deref().map(str::trim).filter(|title| !title.is_empty()));
    // Slack pings whom a block names; beside blocks the plain text is for notifications alone.
    let pings = pings(notice);
    if !pings.is_empty() && !said.contains(pings.trim_end()) {
        if fitted.len() == BLOCKS {
            fitted.pop();
            whole = false;
        }
        fitted.insert(0, title_block(&format!("{pings}{}", headline.block)));
    }
    let title = format!("{pings}{}", headline.plain);
    let content = if headline.shows_all { String::new() } else { of_output(notice, &headline, OUTPUT).text };
    let end: Vec<String> = small.into_iter().chain([context(notice, &headline, false)]).collect();
    let bar = parts.color.clone().or_else(|| (!notice.is_good()).then(|| color(notice.status).to_owned()));
    Ok(Rendered {
        text: full_text(&title, &content, &end),
        color: bar.filter(|_| fitted.len() <= ATTACHMENT_BLOCKS),
        blocks: fitted,
        attachment: None,
        written: if whole { None } else { as_written(notice, &said) },
        left_out: parts.left_out.clone(),
    })
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
