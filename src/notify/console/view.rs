//! A message as Slack shows it, in a terminal: mrkdwn as styles, blocks as lines, the colour bar at the left.
//!
//! Before it: a rendered message. After it: the console, and `preview`. Pure. Nothing in a message can steer the terminal: control
//! characters are replaced.

use anstyle::{AnsiColor, Color, RgbColor, Style};
use serde_json::Value;

use super::mrkdwn::{self, Line, Span};
use crate::message::Message;

/// Slack's column is about as wide: a message is no wider on a terminal.
const WIDEST: usize = 80;

/// No terminal is taken to be narrower.
const NARROWEST: usize = 40;

/// Room for one of two fields side by side.
const FIELD: usize = 36;

/// Lists in lists and the like: Slack goes no deeper.
const DEEPEST: usize = 4;

/// What stands above the message: the sender, and the channel.
pub(crate) struct Head<'a> {
    pub(crate) name: &'a str,
    pub(crate) channel: &'a str,
    pub(crate) time: &'a str,
}

/// One line of mrkdwn as plain words.
pub(crate) fn plain(text: &str) -> String {
    mrkdwn::inline(text, Style::new()).iter().map(|span| span.text.as_str()).collect()
}

/// The columns for lines on a terminal of that width, behind an indent. Where there is no terminal, lines are as long as they are:
/// whoever searches a file for words must not find them broken.
pub(crate) fn room(terminal: Option<usize>, indent: usize) -> usize {
    terminal.map_or(usize::MAX, |width| width.clamp(NARROWEST, WIDEST).saturating_sub(indent))
}

/// The message as text, for a terminal of that width; with ANSI styles if `colour`.
pub(crate) fn render(message: &Message, head: &Head<'_>, colour: bool, terminal: Option<usize>) -> String {
    let mut text = String::new();
    for line in lines(message, head, room(terminal, 0)) {
        text.push_str(mrkdwn::paint(&line, colour).trim_end());
        text.push('\n');
    }
    text
}

/// The message as styled lines.
fn lines(message: &Message, head: &Head<'_>, width: usize) -> Vec<Line> {
    let dim = Style::new().dimmed();
    let mut lines: Vec<Line> = vec![vec![
        Span::new(head.name, Style::new().bold()),
        Span::new(" APP ", dim),
        Span::new(head.time, dim),
        Span::new(if head.channel.is_empty() { "" } else { "  in " }, dim),
        Span::new(head.channel, Style::new()),
    ]];
    lines.extend(body(message, false, width));
    lines
}

/// The message without what stands above it; `plain`: of its text alone.
pub(crate) fn body(message: &Message, plain: bool, width: usize) -> Vec<Line> {
    let dim = Style::new().dimmed();
    let mut lines = Vec::new();
    let blocks = if plain { &[] } else { message.blocks.as_slice() };
    let (above, beside) = match (&message.color, blocks.split_first()) {
        (Some(_), Some((first, rest))) if !rest.is_empty() => (std::slice::from_ref(first), rest),
        _ => (blocks, &[][..]),
    };
    lines.extend(above.iter().flat_map(|one| block(one, width)));
    if lines.iter().all(|line: &Line| line.is_empty()) {
        lines.extend(mrkdwn::paragraphs(&message.text, width, Style::new()));
    }
    let bar = message.color.as_deref().map_or(Style::new(), bar);
    for line in beside.iter().flat_map(|one| block(one, width.saturating_sub(2))) {
        lines.push([vec![Span::new("▌ ", bar)], line].concat());
    }
    if let Some(file) = &message.attachment {
        lines.push(vec![Span::new(&format!("📄 {} ({} bytes)", file.name, file.content.len()), dim)]);
    }
    lines
}

/// The colour of the bar: Slack's own words for colours, or `#rrggbb`.
fn bar(color: &str) -> Style {
    let hex = |at: usize| color.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let color = match color {
        "good" => AnsiColor::Green.into(),
        "warning" => AnsiColor::Yellow.into(),
        "danger" => AnsiColor::Red.into(),
        _ => match (color.len(), hex(1), hex(3), hex(5)) {
            (7, Some(red), Some(green), Some(blue)) => Color::Rgb(RgbColor(red, green, blue)),
            _ => AnsiColor::White.into(),
        },
    };
    Style::new().fg_color(Some(color))
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// One block of Block Kit as lines. An unknown one shows its text, if it has any.
fn block(value: &Value, width: usize) -> Vec<Line> {
    match text(value, "type") {
        "section" => {
            let mut lines = object(value.get("text"), width, Style::new());
            for pair in list(value, "fields").chunks(2) {
                lines.extend(side_by_side(pair));
            }
            lines
        }
        "header" => object(value.get("text"), width, Style::new().bold()),
        "context" => {
            let dim = Style::new().dimmed();
            let parts = list(value, "elements").iter().map(|element| object(Some(element), width, dim));
            parts.reduce(|a, b| beside(a, b, dim)).unwrap_or_default()
        }
        "divider" => vec![vec![Span::new(&"─".repeat(width.min(40)), Style::new().dimmed())]],
        "actions" => vec![list(value, "elements").iter().flat_map(button).collect()],
        "image" => vec![
            vec![Span::new(&format!("🖼  {} ", text(value, "alt_text")), Style::new())]
                .into_iter()
                .chain([Span::new(text(value, "image_url"), Style::new().dimmed())])
                .collect(),
        ],
        "rich_text" => list(value, "elements").iter().flat_map(|part| rich_block(part, width, 0)).collect(),
        "table" => list(value, "rows").iter().map(row).collect(),
        _ => object(value.get("text"), width, Style::new()),
    }
}

/// A text object: mrkdwn, or plain.
fn object(value: Option<&Value>, width: usize, style: Style) -> Vec<Line> {
    let Some(value) = value else { return Vec::new() };
    let words = value.as_str().unwrap_or_else(|| text(value, "text"));
    match text(value, "type") {
        "mrkdwn" => mrkdwn::paragraphs(words, width, style),
        "image" => vec![vec![Span::new(&format!("[{}]", text(value, "alt_text")), style)]],
        "rich_text" => block(value, width),
        _ => words.lines().flat_map(|line| mrkdwn::wrap(vec![Span::new(&mrkdwn::emoji(line), style)], width)).collect(),
    }
}

/// The first line of the second behind the last of the first; the rest below.
fn beside(mut first: Vec<Line>, second: Vec<Line>, style: Style) -> Vec<Line> {
    let mut second = second.into_iter();
    if let (Some(last), Some(line)) = (first.last_mut(), second.next()) {
        last.push(Span::new("  ", style));
        last.extend(line);
    }
    first.extend(second);
    first
}

/// Two fields, each under its name.
fn side_by_side(pair: &[Value]) -> Vec<Line> {
    let mut columns = pair.iter().map(|field| object(Some(field), FIELD, Style::new()));
    let (left, right) = (columns.next().unwrap_or_default(), columns.next().unwrap_or_default());
    let line = |lines: &[Line], at: usize| lines.get(at).cloned().unwrap_or_default();
    (0..left.len().max(right.len()))
        .map(|at| {
            let mut cells = line(&left, at);
            let gap = (FIELD + 2).saturating_sub(mrkdwn::width(&cells));
            if at < right.len() {
                cells.push(Span::new(&" ".repeat(gap), Style::new()));
            }
            [cells, line(&right, at)].concat()
        })
        .collect()
}

fn button(element: &Value) -> Vec<Span> {
    let words = element.get("text").map(|inner| text(inner, "text")).unwrap_or_default();
    let look = Style::new().invert();
    let url = text(element, "url");
    let target = if url.is_empty() { "  ".to_owned() } else { format!(" {url}  ") };
    vec![Span::new(&format!(" {} ", mrkdwn::emoji(words)), look), Span::new(&target, Style::new().dimmed())]
}

fn row(cells: &Value) -> Line {
    let cells = cells.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut line = Line::new();
    for (number, cell) in cells.iter().enumerate() {
        if number > 0 {
            line.push(Span::new(" │ ", Style::new().dimmed()));
        }
        line.extend(object(Some(cell), usize::MAX, Style::new()).into_iter().next().unwrap_or_default());
    }
    line
}

/// A part of rich text that stands for itself.
fn rich_block(part: &Value, width: usize, depth: usize) -> Vec<Line> {
    if depth > DEEPEST {
        return Vec::new();
    }
    let spans = || list(part, "elements").iter().map(rich_span).collect::<Vec<_>>();
    match text(part, "type") {
        "rich_text_preformatted" => {
            let inner: String = spans().iter().map(|span| span.text.as_str()).collect();
            mrkdwn::frame(&inner, width)
        }
        "rich_text_list" => list(part, "elements")
            .iter()
            .flat_map(|item| mrkdwn::lead("• ", Style::new(), rich_block(item, width.saturating_sub(2), depth + 1)))
            .collect(),
        "rich_text_quote" => mrkdwn::lead("┃ ", Style::new().dimmed(), mrkdwn::lines(spans(), width.saturating_sub(2))),
        _ => mrkdwn::lines(spans(), width),
    }
}

fn rich_span(element: &Value) -> Span {
    let on = |name: &str| element.get("style").and_then(|style| style.get(name)).and_then(Value::as_bool) == Some(true);
    let mut style = Style::new();
    for (name, with) in [
        ("bold", Style::bold as fn(Style) -> Style),
        ("italic", Style::italic),
        ("strike", Style::strikethrough),
        ("code", mrkdwn::code),
    ] {
        style = if on(name) { with(style) } else { style };
    }
    let url = text(element, "url");
    match text(element, "type") {
        "link" => {
            Span::new(if text(element, "text").is_empty() { url } else { text(element, "text") }, mrkdwn::link(style))
        }
        "emoji" => Span::new(&mrkdwn::emoji(&format!(":{}:", text(element, "name"))), style),
        "user" => Span::new(&format!("@{}", text(element, "user_id")), mrkdwn::mention(style)),
        "usergroup" => Span::new(&format!("@{}", text(element, "usergroup_id")), mrkdwn::mention(style)),
        "broadcast" => Span::new(&format!("@{}", text(element, "range")), mrkdwn::mention(style)),
        "channel" => Span::new(&format!("#{}", text(element, "channel_id")), mrkdwn::mention(style)),
        "date" => Span::new(text(element, "fallback"), style),
        _ => Span::new(text(element, "text"), style),
    }
}
