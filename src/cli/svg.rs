//! \[fs\] A message as a picture: the lines that `view` makes, on a card. For manuals and README files.
//!
//! Before it: styled lines. After it: an SVG file in which every character has its column, whatever the font.

use std::path::Path;

use anstyle::{AnsiColor, Color, Effects, Style};

use super::Failure;
use super::mrkdwn::Line;

/// Width of a column, height of a line, margin: in pixels.
const COLUMN: f64 = 8.0;
const ROW: f64 = 20.0;
const MARGIN: f64 = 16.0;

/// Columns of the card.
const WIDTH: usize = 82;

/// Writes the picture.
#[expect(clippy::disallowed_methods, reason = "the door of pictures: `preview --svg` writes one file")]
pub(super) fn write(path: &Path, lines: &[Line]) -> Result<(), Failure> {
    let unwritten = |error| Failure::new(format!("{} cannot be written: {error}", path.display()));
    std::fs::write(path, picture(lines)).map_err(unwritten)
}

/// The lines as SVG.
fn picture(lines: &[Line]) -> String {
    let columns = lines.iter().map(|line| super::mrkdwn::width(line)).max().unwrap_or(0).max(WIDTH);
    let (width, height) = (number(columns) * COLUMN + 2.0 * MARGIN, number(lines.len()) * ROW + 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#ffffff\" stroke=\"#dddddd\"/>\n\
         <g font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"13.29\" \
         fill=\"#1d1c1d\" xml:space=\"preserve\">\n"
    );
    for (row, line) in lines.iter().enumerate() {
        let (mut column, y) = (0, MARGIN + number(row) * ROW + 14.0);
        for span in line {
            let length = span.text.chars().count();
            if !span.text.trim().is_empty() {
                let (x, span_width) = (MARGIN + number(column) * COLUMN, number(length) * COLUMN);
                let (look, text) = (look(span.style), escape(&span.text));
                svg.push_str(&format!("<text x=\"{x}\" y=\"{y}\" textLength=\"{span_width}\"{look}>{text}</text>\n"));
            }
            column += length;
        }
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

#[expect(clippy::cast_precision_loss, reason = "columns and rows are few")]
fn number(count: usize) -> f64 {
    count as f64
}

/// A style as attributes.
fn look(style: Style) -> String {
    let mut look = String::new();
    let effects = style.get_effects();
    for (effect, attribute) in [
        (Effects::BOLD, " font-weight=\"bold\""),
        (Effects::ITALIC, " font-style=\"italic\""),
        (Effects::UNDERLINE, " text-decoration=\"underline\""),
        (Effects::STRIKETHROUGH, " text-decoration=\"line-through\""),
    ] {
        look.push_str(if effects.contains(effect) { attribute } else { "" });
    }
    let color = match style.get_fg_color() {
        Some(Color::Rgb(rgb)) => format!("#{:02x}{:02x}{:02x}", rgb.0, rgb.1, rgb.2),
        Some(Color::Ansi(AnsiColor::Red)) => "#e01e5a".to_owned(),
        Some(Color::Ansi(AnsiColor::Green)) => "#2eb67d".to_owned(),
        Some(Color::Ansi(AnsiColor::Yellow)) => "#b7791f".to_owned(),
        Some(Color::Ansi(AnsiColor::Blue)) => "#1264a3".to_owned(),
        _ if effects.contains(Effects::DIMMED) => "#616061".to_owned(),
        _ => return look,
    };
    look.push_str(&format!(" fill=\"{color}\""));
    look
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
    use anstyle::{AnsiColor, Style};

    use super::super::mrkdwn::Span;
    use super::picture;

    #[test]
    fn every_stretch_has_its_column_and_nothing_in_it_is_markup() {
        let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
        let lines = [vec![Span::new("ab", Style::new()), Span::new("<&\u{ffff}>", red)], Vec::new()];
        let svg = picture(&lines);
        assert!(svg.contains("<text x=\"16\" y=\"30\" textLength=\"16\">ab</text>"), "{svg}");
        let second = "<text x=\"32\" y=\"30\" textLength=\"32\" font-weight=\"bold\" fill=\"#e01e5a\">&lt;&amp;\u{fffd}&gt;</text>";
        assert!(svg.contains(second), "{svg}");
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains("height=\"72\""), "{svg}");
    }
}
