//! Slack's mrkdwn as styled lines of a terminal. Pure; control characters are replaced.
//!
//! Before it: a message's texts. After it: `view`, and the pictures of `preview`.

use anstyle::{AnsiColor, Style};

use crate::slack;

/// Stands beside a mark that is to be shown and not to format; it has no width.
const JOINER: char = '\u{2060}';

/// A stretch of text in one style.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) text: String,
    pub(crate) style: Style,
}

/// A line.
pub(crate) type Line = Vec<Span>;

impl Span {
    /// Text without anything that steers a terminal.
    pub(crate) fn new(text: &str, style: Style) -> Self {
        let text = text.chars().filter(|c| *c != '\r' && *c != JOINER);
        let text = text.map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect();
        Self { text, style }
    }
}

/// How code looks.
pub(crate) fn code(style: Style) -> Style {
    style.fg_color(Some(AnsiColor::Red.into()))
}

/// How a link looks.
pub(crate) fn link(style: Style) -> Style {
    style.fg_color(Some(AnsiColor::Blue.into())).underline()
}

/// How somebody who is pinged looks.
pub(crate) fn mention(style: Style) -> Style {
    style.fg_color(Some(AnsiColor::Yellow.into())).bold()
}

/// Emoji by the names that Slack has for them, as characters: those that this program writes, and some that people use in
/// their templates. Others stay as they are written.
const EMOJI: [(&str, &str); 44] = [
    ("red_circle", "🔴"),
    ("large_red_circle", "🔴"),
    ("large_orange_circle", "🟠"),
    ("large_yellow_circle", "🟡"),
    ("large_green_circle", "🟢"),
    ("large_blue_circle", "🔵"),
    ("large_purple_circle", "🟣"),
    ("white_circle", "⚪"),
    ("black_circle", "⚫"),
    ("white_check_mark", "✅"),
    ("heavy_check_mark", "✔️"),
    ("x", "❌"),
    ("warning", "⚠️"),
    ("question", "❓"),
    ("exclamation", "❗"),
    ("rotating_light", "🚨"),
    ("no_entry", "⛔"),
    ("hourglass", "⌛"),
    ("hourglass_flowing_sand", "⏳"),
    ("double_vertical_bar", "⏸️"),
    ("arrow_forward", "▶️"),
    ("twisted_rightwards_arrows", "🔀"),
    ("repeat", "🔁"),
    ("crescent_moon", "🌙"),
    ("sunny", "☀️"),
    ("bar_chart", "📊"),
    ("chart_with_upwards_trend", "📈"),
    ("page_facing_up", "📄"),
    ("paperclip", "📎"),
    ("floppy_disk", "💾"),
    ("package", "📦"),
    ("lock", "🔒"),
    ("key", "🔑"),
    ("wrench", "🔧"),
    ("gear", "⚙️"),
    ("eyes", "👀"),
    ("bell", "🔔"),
    ("mute", "🔇"),
    ("fire", "🔥"),
    ("rocket", "🚀"),
    ("tada", "🎉"),
    ("bug", "🐛"),
    ("wave", "👋"),
    ("thumbsup", "👍"),
];

/// Emoji as characters, those that are known.
pub(crate) fn emoji(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(':') {
        shown.push_str(before);
        let name = after.split_once(':').map(|(name, _)| name);
        match name.and_then(|name| EMOJI.iter().find(|(known, _)| *known == name)) {
            Some((name, character)) => {
                shown.push_str(character);
                rest = &after[name.len() + 1..];
            }
            None => {
                shown.push(':');
                rest = after;
            }
        }
    }
    shown.push_str(rest);
    shown
}

/// How many columns a line takes; every character counts as one.
pub(crate) fn width(line: &[Span]) -> usize {
    line.iter().map(|span| span.text.chars().count()).sum()
}

/// A line as text.
pub(crate) fn paint(line: &[Span], colour: bool) -> String {
    let mut text = String::new();
    for span in line {
        match colour && span.style != Style::new() {
            true => text.push_str(&format!("{}{}{:#}", span.style, span.text, span.style)),
            false => text.push_str(&span.text),
        }
    }
    text
}

/// Mrkdwn of several lines; code blocks are framed.
pub(crate) fn paragraphs(text: &str, room: usize, style: Style) -> Vec<Line> {
    let mut lines = Vec::new();
    for (number, piece) in text.split("```").enumerate() {
        if number % 2 == 1 {
            lines.extend(frame(&unescape(piece.trim_matches('\n')), room));
            continue;
        }
        let piece = if number > 0 { piece.strip_prefix('\n').unwrap_or(piece) } else { piece };
        for line in piece.lines() {
            match line.strip_prefix("&gt;") {
                Some(quoted) => {
                    let quoted = wrap(inline(quoted.trim_start(), style), room.saturating_sub(2));
                    lines.extend(lead("┃ ", Style::new().dimmed(), quoted));
                }
                None => lines.extend(wrap(inline(line, style), room)),
            }
        }
    }
    lines
}

/// Text as it is, with a bar at its left.
pub(crate) fn frame(text: &str, room: usize) -> Vec<Line> {
    let text = text.trim_end_matches('\n').replace('\t', "    ");
    let inner = room.saturating_sub(2).max(1);
    let mut lines = Vec::new();
    for line in text.lines() {
        let characters: Vec<char> = line.chars().collect();
        let pieces: Vec<&[char]> = if characters.is_empty() { vec![&[]] } else { characters.chunks(inner).collect() };
        for piece in pieces {
            let piece: String = piece.iter().collect();
            lines.push(vec![Span::new("│ ", Style::new().dimmed()), Span::new(&piece, Style::new())]);
        }
    }
    lines
}

/// Lines with something before each: the first time a mark, then its width in blanks, except for bars.
pub(crate) fn lead(mark: &str, style: Style, lines: Vec<Line>) -> Vec<Line> {
    let blank = " ".repeat(mark.chars().count());
    let before = |number: usize| if number == 0 || mark.starts_with('┃') { mark } else { blank.as_str() };
    lines.into_iter().enumerate().map(|(at, line)| [vec![Span::new(before(at), style)], line].concat()).collect()
}

/// Spans that may hold line ends, as lines.
pub(crate) fn lines(spans: Vec<Span>, room: usize) -> Vec<Line> {
    let mut all: Vec<Line> = vec![Vec::new()];
    for span in spans {
        for (number, piece) in span.text.split('\n').enumerate() {
            if number > 0 {
                all.push(Vec::new());
            }
            if let Some(last) = all.last_mut() {
                last.push(Span { text: piece.to_owned(), style: span.style });
            }
        }
    }
    all.into_iter().flat_map(|line| wrap(line, room)).collect()
}

/// A line, broken at blanks so that it fits; a word that does not fit stands on a line of its own.
pub(crate) fn wrap(line: Line, room: usize) -> Vec<Line> {
    if width(&line) <= room {
        return vec![line];
    }
    let (mut all, mut current, mut used) = (Vec::new(), Line::new(), 0);
    for span in line {
        for word in span.text.split_inclusive(' ') {
            let length = word.trim_end().chars().count();
            if used > 0 && used + length > room {
                all.push(std::mem::take(&mut current));
                used = 0;
            }
            used += word.chars().count();
            current.push(Span { text: word.to_owned(), style: span.style });
        }
    }
    all.push(current);
    all
}

/// One line of mrkdwn; behind a link's words stands where it leads.
pub(crate) fn inline(text: &str, style: Style) -> Line {
    spans(text, style, true)
}

/// One line of mrkdwn as Slack shows it: of a link only its words.
pub(crate) fn as_shown(text: &str, style: Style) -> Line {
    spans(text, style, false)
}

fn spans(text: &str, style: Style, targets: bool) -> Line {
    let mut spans = Line::new();
    let (mut rest, mut before) = (text, ' ');
    let mut words = String::new();
    while let Some(c) = rest.chars().next() {
        let styled = match c {
            '<' => angle(rest, style, targets),
            '*' | '_' | '~' | '`' if !before.is_alphanumeric() && before != JOINER => marked(rest, c, style, targets),
            _ => None,
        };
        match styled {
            Some((inner, length)) => {
                push(&mut spans, &mut words, style);
                spans.extend(inner);
                before = c;
                rest = &rest[length..];
            }
            None => {
                words.push(c);
                before = c;
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    push(&mut spans, &mut words, style);
    spans
}

fn push(spans: &mut Line, words: &mut String, style: Style) {
    if !words.is_empty() {
        spans.push(Span::new(&emoji(&unescape(words)), style));
        words.clear();
    }
}

/// `*bold*` and its like, from the first mark to its partner on the same line; and how many bytes that is.
fn marked(text: &str, mark: char, style: Style, targets: bool) -> Option<(Line, usize)> {
    let inner = &text[1..];
    let closes = |at: &usize| {
        let after = inner[at + 1..].chars().next();
        *at > 0 && !inner[..*at].ends_with(' ') && after.is_none_or(|after| !after.is_alphanumeric())
    };
    let end = inner.match_indices(mark).map(|(at, _)| at).find(closes)?;
    if inner.starts_with(' ') {
        return None;
    }
    let (inside, length) = (&inner[..end], end + 2);
    Some(match mark {
        '`' => (vec![Span::new(&unescape(inside), code(style))], length),
        '*' => (spans(inside, style.bold(), targets), length),
        '_' => (spans(inside, style.italic(), targets), length),
        _ => (spans(inside, style.strikethrough(), targets), length),
    })
}

/// `<…>`: a link, a mention, a date; and how many bytes it is.
fn angle(text: &str, style: Style, targets: bool) -> Option<(Line, usize)> {
    let end = text.find('>')?;
    let inside = &text[1..end];
    let (target, label) = inside.split_once('|').map_or((inside, None), |(target, label)| (target, Some(label)));
    let label = label.map(unescape);
    let spans = match (target.chars().next()?, &label) {
        ('!', Some(label)) if target.starts_with("!date") => vec![Span::new(label, style)],
        ('!', label) => {
            let name = label.clone().unwrap_or_else(|| target[1..].trim_start_matches("subteam^").to_owned());
            vec![Span::new(&format!("@{}", name.trim_start_matches('@')), mention(style))]
        }
        ('@' | '#', label) => {
            let name = label.as_deref().unwrap_or(&target[1..]);
            vec![Span::new(&format!("{}{}", &target[..1], name.trim_start_matches(['@', '#'])), mention(style))]
        }
        (_, Some(label)) if !targets => vec![Span::new(label, link(style))],
        (_, Some(label)) => {
            vec![Span::new(label, link(style)), Span::new(&format!(" ({})", unescape(target)), style.dimmed())]
        }
        (_, None) => vec![Span::new(&unescape(target), link(style))],
    };
    Some((spans, end + 1))
}

/// Also without the characters of no width that keep Slack from formatting: whoever searches a mail or a file for words is to
/// find them.
fn unescape(text: &str) -> String {
    slack::unescape(text).replace(['\u{200b}', '\u{2060}'], "")
}

#[cfg(test)]
mod tests {
    use anstyle::Style;

    use super::{frame, inline, paint, paragraphs, wrap};

    /// With styles as marks: `b[…]`.
    fn told(text: &str) -> String {
        let name = |style: Style| {
            let effects = style.get_effects();
            let mut name = String::new();
            for (on, letter) in [
                (effects.contains(anstyle::Effects::BOLD), 'b'),
                (effects.contains(anstyle::Effects::ITALIC), 'i'),
                (effects.contains(anstyle::Effects::STRIKETHROUGH), 's'),
                (effects.contains(anstyle::Effects::UNDERLINE), 'u'),
                (style.get_fg_color().is_some(), 'c'),
            ] {
                if on {
                    name.push(letter);
                }
            }
            name
        };
        inline(text, Style::new())
            .iter()
            .map(|span| match name(span.style) {
                plain if plain.is_empty() => span.text.clone(),
                name => format!("{name}[{}]", span.text),
            })
            .collect()
    }

    #[test]
    fn mrkdwn_as_styles() {
        for (text, expected) in [
            ("plain & simple", "plain & simple"),
            ("*bold* and _italic_ and ~gone~ and `code`", "b[bold] and i[italic] and s[gone] and c[code]"),
            ("*bold _and italic_*", "b[bold ]bi[and italic]"),
            ("2*3*4 snake_case_name", "2*3*4 snake_case_name"),
            ("* no bold *", "* no bold *"),
            ("&lt;tag&gt; &amp;amp;", "<tag> &amp;"),
            ("<https://x.org|there> <https://y.org>", "uc[there] (https://x.org) uc[https://y.org]"),
            ("<!here> <@U12> <#C1|ops> <!subteam^S1>", "bc[@here] bc[@U12] bc[#ops] bc[@S1]"),
            ("a < b", "a < b"),
            ("cron 30 3 \u{2060}*\u{2060} \u{2060}*\u{2060} *", "cron 30 3 * * *"),
            ("`*not bold*`", "c[*not bold*]"),
            ("\u{1b}[31mred", "\u{fffd}[31mred"),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn code_blocks_are_framed_and_quotes_have_a_bar() {
        let lines: Vec<String> = paragraphs("before\n```\none\ntwo\n```\n&gt; said", 40, Style::new())
            .iter()
            .map(|line| paint(line, false))
            .collect();
        assert_eq!(lines, ["before", "│ one", "│ two", "┃ said"]);
    }

    #[test]
    fn emoji_are_characters_and_what_only_looks_like_one_stays() {
        for (text, expected) in [
            (":red_circle: a :fire:", "🔴 a 🔥"),
            ("12:30:00 :100: :red_circle", "12:30:00 :100: :red_circle"),
            ("a::white_check_mark::b", "a:✅:b"),
        ] {
            assert_eq!(super::emoji(text), expected, "{text}");
        }
    }

    #[test]
    fn long_lines_are_broken() {
        let line = inline("one two three", Style::new());
        let lines: Vec<String> = wrap(line, 8).iter().map(|line| paint(line, false).trim_end().to_owned()).collect();
        assert_eq!(lines, ["one two", "three"]);
        assert_eq!(frame(&"x".repeat(20), 14).len(), 2);
    }
}
