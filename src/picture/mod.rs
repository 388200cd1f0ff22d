//! Messages as a picture, as Slack's own client shows them: `preview --svg`, and the page of a run. For manuals and README files, and for
//! whoever wants to see an alert before the night in which it comes.
//!
//! Before it: messages, and what stands around them. After it: an SVG file. It has lines and letters of its own, since an SVG
//! breaks no lines: every font is brought to the same width, and emoji are drawn.

mod drawings;
mod letters;
mod text;

use std::fmt::Write as _;

use anstyle::Style;
use serde_json::Value;

use self::letters::{EMOJI, Face};
use self::text::{Base, CODE_ROOM, Kind, Piece, Row, plain, rows};
use crate::message::Message;
use crate::notify::mrkdwn::{self, Span};

/// Room around everything, the size of the avatar, and the room at its right.
const MARGIN: f64 = 16.0;
const AVATAR: f64 = 36.0;
const BESIDE_AVATAR: f64 = 8.0;

/// A message's text, and what stands below it in small print.
const TEXT: Base = Base { size: 15.0, dim: false };
const SMALL: Base = Base { size: 12.5, dim: true };

/// How high lines are.
const LINE: f64 = 22.0;
const SMALL_LINE: f64 = 18.0;

/// Code blocks: their letters, and the room within the box.
const CODE: f64 = 12.0;
const CODE_LINE: f64 = 18.0;
const CODE_PADDING: f64 = 8.0;

/// The bar of colour, and the room at its right.
const BAR: f64 = 4.0;
const BESIDE_BAR: f64 = 12.0;

/// What stands above a message: the sender, and the time.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) name: String,
    pub(crate) time: String,
}

/// One thing after the other, from the top.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// A channel, or what else one looks at; with a word about when.
    Place { name: String, note: String },
    /// A message.
    Message {
        head: Head,
        message: Box<Message>,
        /// It was changed since.
        edited: bool,
        /// Replies in its thread, and when the last came.
        replies: Option<(usize, String)>,
        /// It is a reply that is shown in the channel.
        replied: bool,
    },
    /// The line between a thread's first message and its replies.
    Replies(usize),
}

/// The colours of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Theme {
    /// Dark letters on white.
    Light,
    /// Light letters on black.
    Dark,
}

/// How wide a picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum PictureWidth {
    /// As in a window.
    Desktop,
    /// As on a phone.
    Phone,
}

/// The colours of Slack's client.
struct Colours {
    background: &'static str,
    text: &'static str,
    dim: &'static str,
    line: &'static str,
    link: &'static str,
    mention: &'static str,
    code: &'static str,
    code_box: &'static str,
    badge: &'static str,
}

const LIGHT: Colours = Colours {
    background: "#ffffff",
    text: "#1d1c1d",
    dim: "#616061",
    line: "#d9d9d9",
    link: "#1264a3",
    mention: "#fbf3da",
    code: "#c01343",
    code_box: "#f8f8f8",
    badge: "#e8e8e8",
};

const DARK: Colours = Colours {
    background: "#1a1d21",
    text: "#d1d2d3",
    dim: "#ababad",
    line: "#424448",
    link: "#4aa8d8",
    mention: "#423a20",
    code: "#e8912d",
    code_box: "#232629",
    badge: "#38393d",
};

/// The items as SVG.
pub(crate) fn draw(items: &[Item], theme: Theme, width: PictureWidth) -> String {
    let colours = match theme {
        Theme::Light => &LIGHT,
        Theme::Dark => &DARK,
    };
    let width = match width {
        PictureWidth::Desktop => 720.0,
        PictureWidth::Phone => 390.0,
    };
    let mut card = Card { svg: String::new(), y: MARGIN, width, colours };
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            card.y += 14.0;
        }
        card.item(item);
    }
    let height = card.y + MARGIN;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <rect x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\" fill=\"{}\" stroke=\"{}\"/>\n\
         <g font-family=\"'Helvetica Neue', Arial, 'Liberation Sans', sans-serif\">\n{}</g>\n</svg>\n",
        width - 1.0,
        height - 1.0,
        colours.background,
        colours.line,
        card.svg
    )
}

/// What is drawn so far, and how far down that is.
struct Card {
    svg: String,
    y: f64,
    width: f64,
    colours: &'static Colours,
}

/// Where a column begins, and how wide it is.
#[derive(Clone, Copy)]
struct Column {
    x: f64,
    width: f64,
}

impl Column {
    fn indented(self, by: f64) -> Self {
        Self { x: self.x + by, width: self.width - by }
    }
}

impl Card {
    fn add(&mut self, markup: &str) {
        self.svg.push_str(markup);
        self.svg.push('\n');
    }

    fn item(&mut self, item: &Item) {
        let all = Column { x: MARGIN, width: self.width - 2.0 * MARGIN };
        match item {
            Item::Place { name, note } => {
                let mut row: Row = vec![Piece::new(name, Kind::Text, Face::Bold, 15.0)];
                row.push(Piece::new(&format!("  {note}"), Kind::Dim, Face::Regular, 12.5));
                self.rows(&[row], all.x, LINE);
                self.y += 4.0;
                self.rule(all);
            }
            Item::Replies(number) => {
                let words = count(*number, "reply", "replies");
                let piece = Piece::new(&words, Kind::Dim, Face::Regular, 12.5);
                let (x, y, line) = (all.x + piece.width + 10.0, self.y + SMALL_LINE / 2.0 + 1.0, self.colours.line);
                let end = all.x + all.width;
                self.add(&format!("<path d=\"M{x:.1} {y:.1}H{end:.1}\" stroke=\"{line}\"/>"));
                self.rows(&[vec![piece]], all.x, SMALL_LINE);
            }
            Item::Message { head, message, edited, replies, replied } => {
                let top = self.y;
                self.avatar(all.x, top);
                let column = all.indented(AVATAR + BESIDE_AVATAR);
                self.head(head, column);
                if *replied {
                    let words = Piece::new("replied to a thread", Kind::Dim, Face::Regular, 12.5);
                    self.rows(&[vec![words]], column.x, SMALL_LINE);
                }
                self.message(message, *edited, column);
                if let Some((number, last)) = replies {
                    self.thread(*number, last, column);
                }
                self.y = self.y.max(top + AVATAR);
            }
        }
    }

    /// The sender: a bell on blue.
    fn avatar(&mut self, x: f64, y: f64) {
        self.add(&format!(
            "<g transform=\"translate({x:.1} {:.1})\"><rect width=\"36\" height=\"36\" rx=\"6\" fill=\"#2b6cb0\"/>\
             <path d=\"M18 8a7 7 0 0 1 7 7v5l2.4 4H8.6L11 20v-5a7 7 0 0 1 7-7z\" fill=\"#fff\"/>\
             <path d=\"M15.4 26h5.2a2.6 2.6 0 0 1-5.2 0z\" fill=\"#fff\"/></g>",
            y + 2.0
        ));
    }

    fn head(&mut self, head: &Head, column: Column) {
        let name = Piece::new(&head.name, Kind::Text, Face::Bold, 15.0);
        let time = Piece::new(&head.time, Kind::Dim, Face::Regular, 12.0);
        let (badge, dim) = (self.colours.badge, self.colours.dim);
        let x = column.x + name.width + 6.0;
        let y = self.y;
        self.add(&format!(
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"27\" height=\"14\" rx=\"2\" fill=\"{badge}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"10\" font-weight=\"bold\" fill=\"{dim}\" textLength=\"20\">APP</text>",
            y + 4.0,
            x + 3.5,
            y + 14.6
        ));
        self.piece(&time, x + 33.0, y + 15.5);
        self.rows(&[vec![name]], column.x, LINE);
    }

    /// "3 replies  Last reply today at 03:42".
    fn thread(&mut self, number: usize, last: &str, column: Column) {
        self.y += 4.0;
        let y = self.y;
        self.add(&format!(
            "<g transform=\"translate({:.1} {y:.1})\"><rect width=\"20\" height=\"20\" rx=\"4\" fill=\"#2b6cb0\"/>\
             <path d=\"M10 4.4a3.9 3.9 0 0 1 3.9 3.9v2.8l1.3 2.2H4.8l1.3-2.2V8.3A3.9 3.9 0 0 1 10 4.4z\" fill=\"#fff\"/></g>",
            column.x
        ));
        let row = vec![
            Piece::new(&count(number, "reply", "replies"), Kind::Link, Face::Bold, 13.0),
            Piece::new(&format!("  {last}"), Kind::Dim, Face::Regular, 12.5),
        ];
        self.rows(&[row], column.x + 28.0, LINE);
    }

    fn message(&mut self, message: &Message, edited: bool, column: Column) {
        let (above, beside) = match (&message.color, message.blocks.split_first()) {
            (Some(_), Some((first, rest))) if !rest.is_empty() => (std::slice::from_ref(first), rest),
            _ => (message.blocks.as_slice(), &[][..]),
        };
        self.blocks(above, column);
        if message.blocks.is_empty() {
            self.paragraphs(&message.text, TEXT, LINE, column);
        }
        if edited {
            self.rows(&[vec![Piece::new("(edited)", Kind::Dim, Face::Regular, 12.0)]], column.x, SMALL_LINE);
        }
        if !beside.is_empty() {
            self.y += 4.0;
            let top = self.y;
            self.blocks(beside, column.indented(BAR + BESIDE_BAR));
            let (x, height) = (column.x, self.y - top);
            let colour = colour(message.color.as_deref().unwrap_or_default());
            self.add(&format!(
                "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{BAR}\" height=\"{height:.1}\" rx=\"2\" fill=\"{colour}\"/>"
            ));
        }
        if let Some(file) = &message.attachment {
            self.file(&file.name, file.content.len(), column);
        }
    }

    /// A file, as a card.
    fn file(&mut self, name: &str, bytes: usize, column: Column) {
        self.y += 6.0;
        let (x, y, width) = (column.x, self.y, column.width.min(360.0));
        let (line, background) = (self.colours.line, self.colours.background);
        self.add(&format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"52\" rx=\"8\" fill=\"{background}\" stroke=\"{line}\"/>\
             <g transform=\"translate({:.1} {:.1}) scale(1.5)\">{}</g>",
            x + 10.0,
            y + 11.0,
            drawings::of('📄').unwrap_or_default()
        ));
        self.piece(&Piece::new(name, Kind::Text, Face::Bold, 14.0), x + 52.0, y + 23.0);
        let size = format!("Plain text, {}", count(bytes, "byte", "bytes"));
        self.piece(&Piece::new(&size, Kind::Dim, Face::Regular, 12.5), x + 52.0, y + 41.0);
        self.y += 56.0;
    }

    fn blocks(&mut self, blocks: &[Value], column: Column) {
        for (number, block) in blocks.iter().enumerate() {
            if number > 0 {
                self.y += 6.0;
            }
            self.block(block, column);
        }
    }

    fn block(&mut self, block: &Value, column: Column) {
        match string(block, "type") {
            "section" => {
                self.object(block.get("text"), TEXT, LINE, column);
                self.fields(list(block, "fields"), column);
            }
            "header" => self.spans(
                &plain(&mrkdwn::emoji(words(block.get("text"))), true),
                Base { size: 18.0, ..TEXT },
                26.0,
                column,
            ),
            "context" => {
                let mut all = Vec::new();
                for element in list(block, "elements") {
                    if !all.is_empty() {
                        all.push(Span::new("  ", Style::new()));
                    }
                    all.extend(inline(element));
                }
                self.spans(&all, SMALL, SMALL_LINE, column);
            }
            "divider" => {
                self.y += 6.0;
                self.rule(column);
            }
            "actions" => self.buttons(list(block, "elements"), column),
            "image" => {
                let (line, code_box, y) = (self.colours.line, self.colours.code_box, self.y);
                self.add(&format!(
                    "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"80\" rx=\"8\" fill=\"{code_box}\" stroke=\"{line}\"/>",
                    column.x,
                    column.width.min(360.0)
                ));
                self.y += 31.0;
                self.spans(&plain(string(block, "alt_text"), false), SMALL, SMALL_LINE, column.indented(12.0));
                self.y = y + 84.0;
            }
            "rich_text" => list(block, "elements").iter().for_each(|part| self.rich(part, column, 0)),
            "table" => {
                for row in list(block, "rows") {
                    let cells = row.as_array().map(Vec::as_slice).unwrap_or_default();
                    let cells: Vec<&str> = cells.iter().map(|cell| words(Some(cell))).collect();
                    self.spans(&plain(&cells.join("   "), false), TEXT, LINE, column);
                }
            }
            "markdown" => self.paragraphs(string(block, "text"), TEXT, LINE, column),
            _ => self.object(block.get("text"), TEXT, LINE, column),
        }
    }

    /// A part of rich text; lists within lists, as deep as Slack goes.
    fn rich(&mut self, part: &Value, column: Column, depth: usize) {
        let spans = || list(part, "elements").iter().flat_map(inline).collect::<Vec<_>>();
        match string(part, "type") {
            _ if depth > 4 => {}
            "rich_text_preformatted" => {
                let all: String = spans().iter().map(|span| span.text.as_str()).collect();
                self.code(&all, column);
            }
            "rich_text_list" => {
                for item in list(part, "elements") {
                    let y = self.y + 15.5;
                    self.piece(&Piece::new("•", Kind::Text, Face::Regular, TEXT.size), column.x + 4.0, y);
                    self.rich(item, column.indented(20.0), depth + 1);
                }
            }
            _ => self.spans(&spans(), TEXT, LINE, column),
        }
    }

    fn fields(&mut self, fields: &[Value], column: Column) {
        let side_by_side = column.width > 420.0;
        for pair in fields.chunks(if side_by_side { 2 } else { 1 }) {
            let (top, mut bottom) = (self.y, self.y);
            for (index, field) in (0_u8..).zip(pair) {
                self.y = top;
                let half =
                    Column { x: column.x + f64::from(index) * column.width / 2.0, width: column.width / 2.0 - 8.0 };
                self.object(Some(field), TEXT, LINE, if side_by_side { half } else { column });
                bottom = bottom.max(self.y);
            }
            self.y = bottom + 4.0;
        }
    }

    fn buttons(&mut self, elements: &[Value], column: Column) {
        let mut x = column.x;
        self.y += 2.0;
        for element in elements {
            let label = mrkdwn::emoji(words(element.get("text")));
            let piece = Piece::new(&label, Kind::Text, Face::Bold, 13.0);
            let width = piece.width + 24.0;
            if x > column.x && x + width > column.x + column.width {
                x = column.x;
                self.y += 36.0;
            }
            let (fill, line, text) = match string(element, "style") {
                "primary" => ("#007a5a", "#007a5a", Some("#ffffff")),
                "danger" => ("#e01e5a", "#e01e5a", Some("#ffffff")),
                _ => (self.colours.background, self.colours.dim, None),
            };
            let y = self.y;
            self.add(&format!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"27\" rx=\"4\" fill=\"{fill}\" stroke=\"{line}\" stroke-opacity=\".6\"/>",
                x + 0.5,
                y + 0.5,
                width - 1.0
            ));
            self.piece_in(&piece, x + 12.0, y + 18.5, text);
            x += width + 8.0;
        }
        self.y += 30.0;
    }

    /// A text object: mrkdwn, or plain.
    fn object(&mut self, value: Option<&Value>, base: Base, line: f64, column: Column) {
        let Some(value) = value else { return };
        match string(value, "type") {
            "mrkdwn" => self.paragraphs(string(value, "text"), base, line, column),
            "rich_text" => self.block(value, column),
            _ => self.spans(&inline(value), base, line, column),
        }
    }

    /// Mrkdwn of several lines: code blocks are boxes, quotes have a bar.
    fn paragraphs(&mut self, text: &str, base: Base, line: f64, column: Column) {
        for (number, piece) in text.split("```").enumerate() {
            if number % 2 == 1 {
                self.code(&crate::slack::unescape(piece.trim_matches('\n')), column);
                continue;
            }
            let piece = if number > 0 { piece.strip_prefix('\n').unwrap_or(piece) } else { piece };
            for words in piece.lines() {
                match words.strip_prefix("&gt;") {
                    Some(quoted) => {
                        let (top, bar) = (self.y, self.colours.line);
                        self.spans(
                            &mrkdwn::as_shown(quoted.trim_start(), Style::new()),
                            base,
                            line,
                            column.indented(16.0),
                        );
                        let height = self.y - top;
                        self.add(&format!(
                            "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"4\" height=\"{height:.1}\" rx=\"2\" fill=\"{bar}\"/>",
                            column.x
                        ));
                    }
                    None => self.spans(&mrkdwn::as_shown(words, Style::new()), base, line, column),
                }
            }
        }
    }

    /// A code block.
    fn code(&mut self, text: &str, column: Column) {
        let text = text.trim_end_matches('\n').replace('\t', "    ");
        let room = column.width - 2.0 * CODE_PADDING - 2.0;
        let fits = {
            let mut fits = 1;
            while letters::width(&"x".repeat(fits + 1), Face::Mono, CODE) <= room {
                fits += 1;
            }
            fits
        };
        let mut lines = Vec::new();
        for line in text.lines() {
            let characters: Vec<char> = line.chars().collect();
            if characters.is_empty() {
                lines.push(String::new());
            }
            lines.extend(characters.chunks(fits).map(|piece| piece.iter().collect::<String>()));
        }
        self.y += 2.0;
        let (line, code_box) = (self.colours.line, self.colours.code_box);
        let height = lines.iter().map(|_| CODE_LINE).sum::<f64>() + 2.0 * CODE_PADDING;
        let y = self.y;
        self.add(&format!(
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"4\" fill=\"{code_box}\" stroke=\"{line}\"/>",
            column.x + 0.5,
            y + 0.5,
            column.width - 1.0,
            height - 1.0
        ));
        self.y += CODE_PADDING;
        let rows: Vec<Row> = lines.iter().map(|text| vec![Piece::new(text, Kind::Text, Face::Mono, CODE)]).collect();
        self.rows(&rows, column.x + CODE_PADDING, CODE_LINE);
        self.y = y + height + 4.0;
    }

    fn spans(&mut self, spans: &[Span], base: Base, line: f64, column: Column) {
        let rows = rows(spans, base, column.width);
        self.rows(&rows, column.x, line);
    }

    fn rows(&mut self, rows: &[Row], x: f64, line: f64) {
        for row in rows {
            let mut at = x;
            // Where letters stand: so far below the middle of the line.
            let size = row.iter().map(|piece| piece.size).fold(0.0, f64::max);
            let baseline = self.y + line / 2.0 + size * 0.35;
            for piece in row {
                self.piece(piece, at, baseline);
                at += piece.width;
            }
            self.y += line;
        }
    }

    fn rule(&mut self, column: Column) {
        let (y, line) = (self.y, self.colours.line);
        self.add(&format!("<path d=\"M{:.1} {y:.1}H{:.1}\" stroke=\"{line}\"/>", column.x, column.x + column.width));
        self.y += 6.0;
    }

    fn piece(&mut self, piece: &Piece, x: f64, baseline: f64) {
        self.piece_in(piece, x, baseline, None);
    }

    fn piece_in(&mut self, piece: &Piece, x: f64, baseline: f64, colour: Option<&str>) {
        let bare = piece.text.trim_end();
        if bare.trim().is_empty() {
            return;
        }
        if let Some(drawing) = piece.text.chars().next().and_then(drawings::of) {
            let (size, top) = (piece.size * (EMOJI - 0.1), baseline - piece.size * 0.93);
            let scale = size / 20.0;
            self.add(&format!("<g transform=\"translate({x:.1} {top:.1}) scale({scale:.3})\">{drawing}</g>"));
            return;
        }
        let lead = bare.chars().take_while(|c| *c == ' ').count();
        let indent = letters::width(&" ".repeat(lead), piece.face, piece.size);
        let (x, bare) = (x + indent, bare.trim_start());
        let length = letters::width(bare, piece.face, piece.size);
        let Colours { text, dim, link, mention, code, code_box, line, .. } = *self.colours;
        let colour = colour.unwrap_or(match piece.kind {
            Kind::Text => text,
            Kind::Dim => dim,
            Kind::Link | Kind::Mention => link,
            Kind::Code => code,
        });
        let top = baseline - piece.size * 0.95;
        match piece.kind {
            Kind::Mention => self.add(&format!(
                "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\" fill=\"{mention}\"/>",
                x - 2.0,
                length + 4.0,
                piece.size * 1.25
            )),
            Kind::Code => self.add(&format!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\" fill=\"{code_box}\" stroke=\"{line}\"/>",
                x - CODE_ROOM + 0.5,
                top - 1.0,
                length + 2.0 * CODE_ROOM - 1.0,
                piece.size * 1.5
            )),
            _ => {}
        }
        let mut look = String::new();
        if piece.face == Face::Bold {
            look.push_str(" font-weight=\"bold\"");
        }
        if piece.face == Face::Mono {
            look.push_str(" font-family=\"'DejaVu Sans Mono', Menlo, Consolas, monospace\" xml:space=\"preserve\"");
        }
        if piece.italic {
            look.push_str(" font-style=\"italic\"");
        }
        if piece.strike {
            look.push_str(" text-decoration=\"line-through\"");
        }
        let mut markup = String::new();
        let _ = write!(
            markup,
            "<text x=\"{x:.1}\" y=\"{baseline:.1}\" font-size=\"{}\" fill=\"{colour}\"{look} textLength=\"{length:.1}\">{}</text>",
            piece.size,
            escape(bare)
        );
        self.add(&markup);
    }
}

/// A text object or an element of rich text, as spans.
fn inline(value: &Value) -> Vec<Span> {
    match string(value, "type") {
        "mrkdwn" => mrkdwn::as_shown(&string(value, "text").replace('\n', "  "), Style::new()),
        "image" => plain(&format!("[{}]", string(value, "alt_text")), false),
        "emoji" => plain(&mrkdwn::emoji(&format!(":{}:", string(value, "name"))), false),
        "link" => {
            let label = Some(string(value, "text")).filter(|text| !text.is_empty());
            vec![Span::new(label.unwrap_or_else(|| string(value, "url")), mrkdwn::link(Style::new()))]
        }
        "user" => vec![Span::new(&format!("@{}", string(value, "user_id")), mrkdwn::mention(Style::new()))],
        "broadcast" => vec![Span::new(&format!("@{}", string(value, "range")), mrkdwn::mention(Style::new()))],
        "rich_text_section" => list(value, "elements").iter().flat_map(inline).collect(),
        _ => plain(&mrkdwn::emoji(words(Some(value))), false),
    }
}

fn words(value: Option<&Value>) -> &str {
    let Some(value) = value else { return "" };
    value.as_str().unwrap_or_else(|| string(value, "text"))
}

fn string<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The colour of the bar.
fn colour(color: &str) -> String {
    match color {
        "good" => "#2eb67d".to_owned(),
        "warning" => "#ecb22e".to_owned(),
        "danger" => "#e01e5a".to_owned(),
        hex => escape(hex),
    }
}

/// Text within XML; what XML cannot hold is replaced.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Head, Item, PictureWidth, Theme, draw};
    use crate::message::samples;
    use crate::message::{Format, Templates, render};

    fn message(blocks: serde_json::Value) -> Item {
        let sample = samples().into_iter().next().expect("there are samples");
        let rendered = render(&sample, &Format::plain(&Templates::default())).expect("a message");
        let drafted = crate::report::draft(&rendered, crate::id::Channel::new("ops"), sample.status, sample.now);
        let blocks = serde_json::from_value(blocks).expect("a list");
        let head = Head { name: "slack-alert".to_owned(), time: "03:00".to_owned() };
        let message = Box::new(crate::message::Message { blocks, color: Some("danger".to_owned()), ..drafted });
        Item::Message {
            head,
            message,
            edited: true,
            replies: Some((2, "Last reply today at 03:42".to_owned())),
            replied: false,
        }
    }

    #[test]
    fn a_picture_has_what_slack_shows_and_nothing_in_it_is_markup() {
        let item = message(json!([
            {"type": "section", "text": {"type": "mrkdwn", "text": "<!here> :red_circle: *a* critical: &lt;b&gt; ~gone~ `x&amp;y` <https://r.example|run>"}},
            {"type": "section", "text": {"type": "mrkdwn", "text": "```\nError: \u{ffff}\n```"}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": "exit code 1"}]},
            {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Runbook"}, "url": "https://r"}]},
        ]));
        let place = Item::Place { name: "#ops".to_owned(), note: "at 03:00".to_owned() };
        for (theme, background) in [(Theme::Light, "#ffffff"), (Theme::Dark, "#1a1d21")] {
            let svg = draw(&[place.clone(), item.clone(), Item::Replies(2)], theme, PictureWidth::Desktop);
            for part in [
                background,
                ">#ops<",
                ">slack-alert<",
                ">APP<",
                ">@here<",
                ">a<",
                "critical: &lt;b&gt;",
                "line-through",
                "x&amp;y",
                ">run<",
                "Error: \u{fffd}",
                ">Runbook<",
                ">(edited)<",
                ">2 replies<",
                "#e01e5a",
                "circle cx=",
            ] {
                assert!(svg.contains(part), "{part}: {svg}");
            }
            assert!(!svg.contains("🔴") && !svg.contains("https://"), "{svg}");
            assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        }
    }

    #[test]
    fn on_a_phone_the_lines_are_shorter_and_the_picture_is_higher() {
        let words = "word ".repeat(60);
        let item = message(json!([{"type": "section", "text": {"type": "mrkdwn", "text": words}}]));
        let height = |width| {
            let svg = draw(std::slice::from_ref(&item), Theme::Light, width);
            let height = svg.split("height=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a height");
            height.parse::<f64>().expect("a number")
        };
        assert!(height(PictureWidth::Phone) > height(PictureWidth::Desktop) + 50.0);
    }
}
