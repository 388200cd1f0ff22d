//! Styled text in lines of a given width. Pure.
//!
//! Before it: spans of mrkdwn. After it: `mod`, which puts the lines onto the card.

use anstyle::{AnsiColor, Color, Effects, Style};

use super::letters::{self, Face, width};
use crate::notify::mrkdwn::Span;

/// What a stretch of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Dim,
    Link,
    Mention,
    Code,
}

/// A stretch of text that looks the same.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) kind: Kind,
    pub(super) face: Face,
    pub(super) size: f64,
    pub(super) italic: bool,
    pub(super) strike: bool,
    pub(super) width: f64,
}

/// One line.
pub(super) type Row = Vec<Piece>;

/// The size of text that nothing else is said of, and whether it stands back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base {
    pub(super) size: f64,
    pub(super) dim: bool,
}

/// The room at each side of `code`.
pub(super) const CODE_ROOM: f64 = 3.0;

impl Piece {
    pub(super) fn new(text: &str, kind: Kind, face: Face, size: f64) -> Self {
        let width = width(text, face, size);
        Self { text: text.to_owned(), kind, face, size, italic: false, strike: false, width }
    }

    fn of(span: &Span, base: Base) -> Self {
        let effects = span.style.get_effects();
        let kind = match span.style.get_fg_color() {
            Some(Color::Ansi(AnsiColor::Red)) => Kind::Code,
            Some(Color::Ansi(AnsiColor::Blue)) => Kind::Link,
            Some(Color::Ansi(AnsiColor::Yellow)) => Kind::Mention,
            _ if base.dim || effects.contains(Effects::DIMMED) => Kind::Dim,
            _ => Kind::Text,
        };
        let (face, size) = match kind {
            Kind::Code => (Face::Mono, base.size * 0.8),
            // A mention is marked by its colour.
            Kind::Mention => (Face::Regular, base.size),
            _ if effects.contains(Effects::BOLD) => (Face::Bold, base.size),
            _ => (Face::Regular, base.size),
        };
        let (italic, strike) = (effects.contains(Effects::ITALIC), effects.contains(Effects::STRIKETHROUGH));
        Self { italic, strike, ..Self::new(&span.text, kind, face, size) }
    }

    /// The same look with another text.
    fn with(&self, text: &str) -> Self {
        Self { text: text.to_owned(), width: width(text, self.face, self.size), ..self.clone() }
    }
}

/// Text broken at blanks so that no line is wider than `room`; a word that is wider is broken where it must be. Line ends in
/// the spans are line ends.
pub(super) fn rows(spans: &[Span], base: Base, room: f64) -> Vec<Row> {
    let mut all: Vec<Row> = vec![Row::new()];
    let mut used = 0.0;
    for span in spans {
        for (number, line) in span.text.split('\n').enumerate() {
            if number > 0 {
                all.push(Row::new());
                used = 0.0;
            }
            let piece = Piece::of(&Span { text: String::new(), style: span.style }, base);
            for word in words(line) {
                let word = piece.with(word);
                let bare = piece.with(word.text.trim_end()).width;
                if used > 0.0 && used + bare > room {
                    all.push(Row::new());
                    used = 0.0;
                }
                for part in broken(&word, room) {
                    if used > 0.0 && used + piece.with(part.text.trim_end()).width > room {
                        all.push(Row::new());
                        used = 0.0;
                    }
                    used += part.width;
                    if let Some(row) = all.last_mut() {
                        put(row, part);
                    }
                }
            }
        }
    }
    all
}

/// A piece at the end of a line; one that looks the same as what is there becomes part of it. A picture stays by itself.
fn put(row: &mut Row, piece: Piece) {
    let picture = |piece: &Piece| piece.text.chars().next().is_some_and(letters::is_emoji);
    match row.last_mut() {
        Some(last) if !picture(last) && !picture(&piece) && last.with("") == piece.with("") => {
            last.text.push_str(&piece.text);
            last.width += piece.width;
        }
        _ => row.push(piece),
    }
}

/// Words, each with the blanks behind it; each picture is a word of its own.
fn words(line: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut start = 0;
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let end = at + c.len_utf8();
        if letters::is_emoji(c) {
            all.extend([&line[start..at], &line[at..end]]);
            start = end;
        } else if c == ' ' && chars.peek().is_none_or(|(_, next)| *next != ' ') {
            all.push(&line[start..end]);
            start = end;
        }
    }
    all.push(&line[start..]);
    all.retain(|word| !word.is_empty());
    all
}

/// A word in parts that are no wider than `room`.
fn broken(word: &Piece, room: f64) -> Vec<Piece> {
    if word.width <= room {
        return vec![word.clone()];
    }
    let mut parts = Vec::new();
    let mut part = String::new();
    for c in word.text.chars() {
        part.push(c);
        if width(&part, word.face, word.size) > room && part.chars().count() > 1 {
            part.pop();
            parts.push(word.with(&part));
            part = c.to_string();
        }
    }
    parts.push(word.with(&part));
    parts
}

/// Spans in one style.
pub(super) fn plain(text: &str, bold: bool) -> Vec<Span> {
    vec![Span::new(text, if bold { Style::new().bold() } else { Style::new() })]
}

#[cfg(test)]
mod tests {
    use super::{Base, plain, rows};
    use crate::notify::mrkdwn::as_shown;

    fn shown(text: &str, room: f64) -> Vec<String> {
        let base = Base { size: 10.0, dim: false };
        let rows = rows(&as_shown(text, anstyle::Style::new()), base, room);
        rows.iter().map(|row| row.iter().map(|piece| piece.text.as_str()).collect::<Vec<_>>().join("|")).collect()
    }

    #[test]
    fn lines_break_at_blanks_and_pictures_stand_by_themselves() {
        assert_eq!(shown("one two three", 45.0), ["one two ", "three"]);
        assert_eq!(shown("🔴 *a* b", 100.0), ["🔴| |a| b"]);
        assert_eq!(shown("<https://x.example|there> `code`", 200.0), ["there| |code"]);
    }

    #[test]
    fn no_line_is_wider_than_its_room() {
        let text = format!("{} {} short", "x".repeat(90), "wide words ".repeat(20));
        for row in rows(&plain(&text, true), Base { size: 15.0, dim: false }, 120.0) {
            let width: f64 = row.iter().map(|piece| piece.width).sum();
            let blanks = 2.0 * 15.0;
            assert!(width <= 120.0 + blanks, "{row:?}");
        }
    }
}
