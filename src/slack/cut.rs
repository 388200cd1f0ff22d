//! How a text is brought within a limit: shortened, the place marked with `…`, nothing broken in the middle (an entity, a
//! link, a code block). Pure.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;

use super::escape::units;
use super::limits::URL;
use super::mention::is_ping;

/// The mark where something was left out.
const CUT: &str = "…";
/// The mark where the middle was left out.
const GAP: &str = " … ";
/// Closes a code block that is open at a cut.
const CLOSE: &str = "\n```";
/// Opens it again.
const OPEN: &str = "```\n";
/// Bytes that one line of a list may take, links and all.
const MARKUP: usize = 1_000;
/// What a cut needs at most: the mark and the closing fence.
const RESERVE: usize = 5;
/// Bytes of what counts as one character: the longest emoji have 35.
const LONGEST_CHARACTER: usize = 100;

/// Mrkdwn of at most `limit` units, every code block closed; `false` when something was left out.
pub fn cut(text: &str, limit: usize) -> (String, bool) {
    let scan = scan(text, false, limit);
    (scan.piece(text, "", true), scan.whole)
}

/// Plain text of at most `limit` units; `false` when something was left out.
pub fn cut_plain(text: &str, limit: usize) -> (String, bool) {
    if units(text) <= limit {
        return (text.to_owned(), true);
    }
    let mut used = 1;
    let kept = characters(text).find(|(_, character)| {
        used += units(character);
        used > limit
    });
    let end = kept.map_or(text.len(), |(at, _)| at);
    (format!("{}{CUT}", &text[..end]), false)
}

/// What people see as one character each, with where it begins: a letter and its accents, a flag, a family. A cut through one
/// would make another of it. More than anybody writes is taken apart.
pub fn characters(text: &str) -> impl DoubleEndedIterator<Item = (usize, &str)> {
    text.grapheme_indices(true).flat_map(|(start, cluster)| {
        let whole = cluster.len() <= LONGEST_CHARACTER;
        let parts = cluster.char_indices().filter(move |(at, _)| !whole || *at == 0);
        parts.map(move |(at, c)| (start + at, if whole { cluster } else { &cluster[at..at + c.len_utf8()] }))
    })
}

/// One line of plain text of at most `limit` units: of a longer one the middle is left out.
pub fn cut_middle_plain(line: &str, limit: usize) -> String {
    if units(line) <= limit {
        return line.to_owned();
    }
    let all: Vec<&str> = characters(line).map(|(_, character)| character).collect();
    without_middle(&all, limit)
}

/// The first and the last of these, with a mark between them.
fn without_middle(atoms: &[&str], limit: usize) -> String {
    let half = limit.saturating_sub(units(GAP)) / 2;
    let fits = |used: &mut usize, atom: &str| {
        *used += units(atom);
        *used <= half
    };
    let (mut head, mut tail) = (0, 0);
    let begin = atoms.iter().take_while(|atom| fits(&mut head, atom)).count();
    let end = atoms.iter().rev().take_while(|atom| fits(&mut tail, atom)).count();
    let (begin, end) = (atoms[..begin].concat(), atoms[atoms.len() - end..].concat());
    format!("{}{GAP}{}", begin.trim_end(), end.trim_start())
}

/// One line of mrkdwn of at most `limit` units: of a longer one the middle is left out, since its beginning says what it is
/// and its end what went wrong. No entity and no link is cut in two.
pub fn cut_middle(line: &str, limit: usize) -> String {
    if units(line) <= limit {
        return line.to_owned();
    }
    let mut atoms = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (atom, after) = rest.split_at(atom_length(rest));
        atoms.push(atom);
        rest = after;
    }
    closed_code(&without_middle(&atoms, limit)).into_owned()
}

/// Code that would not be closed any more is none.
fn closed_code(line: &str) -> Cow<'_, str> {
    if line.matches('`').count() % 2 == 1 { Cow::Owned(line.replace('`', "'")) } else { Cow::Borrowed(line) }
}

/// Mrkdwn as pieces of at most `each` units, all of them within `total`; a code block that a border goes through is
/// closed and opened again. `false` when something was left out.
pub fn split(text: &str, each: usize, total: usize) -> (Vec<String>, bool) {
    let (mut pieces, mut rest, mut open, mut left, mut whole) = (Vec::new(), text, false, total, true);
    while !rest.trim().is_empty() {
        if left < 2 * RESERVE {
            return (pieces, false);
        }
        let prefix = if open { OPEN } else { "" };
        let room = each.min(left).saturating_sub(prefix.len());
        let scan = scan(rest, open, room);
        if scan.end == 0 && !scan.whole {
            // One thing alone, a link say, is longer than a piece may be.
            pieces.push(CUT.to_owned());
            (rest, left, whole) = (&rest[atom_length(rest)..], left - 1, false);
            continue;
        }
        let full = prefix.len() + scan.units + RESERVE;
        let last = !scan.whole && left.saturating_sub(full) < 200.min(each);
        let piece = scan.piece(rest, prefix, last);
        left = left.saturating_sub(units(&piece));
        if !piece.trim().is_empty() {
            pieces.push(piece);
        }
        if last {
            return (pieces, false);
        }
        open = scan.open;
        rest = rest[scan.end..].strip_prefix('\n').unwrap_or(&rest[scan.end..]);
    }
    (pieces, whole)
}

/// How far a text goes within a limit.
#[derive(Clone, Copy)]
struct Scan {
    /// Offset of the end.
    end: usize,
    /// Units up to there.
    units: usize,
    /// Whether a code block is open there.
    open: bool,
    /// Whether that is the whole text.
    whole: bool,
}

impl Scan {
    fn piece(&self, text: &str, prefix: &str, mark: bool) -> String {
        let mark = if mark && !self.whole { CUT } else { "" };
        let close = if self.open { CLOSE } else { "" };
        format!("{prefix}{}{mark}{close}", &text[..self.end])
    }
}

/// Walks over `text`, a code block being open at its start or not, as far as `limit` allows with mark and closing fence;
/// ends at a line's end where one is near.
fn scan(text: &str, mut open: bool, limit: usize) -> Scan {
    let (mut at, mut used) = (0, 0);
    let mut kept = Scan { end: 0, units: 0, open, whole: false };
    let mut line: Option<Scan> = None;
    while at < text.len() {
        let atom = &text[at..at + atom_length(&text[at..])];
        if used + RESERVE <= limit {
            kept = Scan { end: at, units: used, open, whole: false };
            if atom == "\n" {
                line = Some(kept);
            }
        }
        used += units(atom);
        at += atom.len();
        if atom == "```" {
            open = !open;
        }
        if used > limit {
            return match line {
                Some(line) if line.units * 2 > limit => line,
                _ => kept,
            };
        }
    }
    let close = if open { CLOSE.len() } else { 0 };
    if used + close <= limit { Scan { end: at, units: used, open, whole: true } } else { kept }
}

/// The length of the first thing in `rest` that must not be broken.
fn atom_length(rest: &str) -> usize {
    let length = match rest.as_bytes()[0] {
        b'`' if rest.starts_with("```") => return 3,
        b'&' => ["&amp;", "&lt;", "&gt;"].into_iter().find(|entity| rest.starts_with(entity)).map_or(1, str::len),
        b'<' => {
            let near = &rest.as_bytes()[..rest.len().min(URL + 100)];
            match near.iter().position(|byte| matches!(byte, b'>' | b'\n')) {
                Some(end) if near[end] == b'>' => end + 1,
                _ => 1,
            }
        }
        _ => rest.chars().next().map_or(1, char::len_utf8),
    };
    // Nothing joins what is ASCII, line ends apart.
    if rest.as_bytes().get(length).is_none_or(u8::is_ascii) {
        return length;
    }
    let last = rest[..length].chars().next_back().map_or(0, char::len_utf8);
    let near = &rest[length - last..];
    let near = near.char_indices().nth(LONGEST_CHARACTER).map_or(near, |(end, _)| &near[..end]);
    let joined = characters(near).next().map_or(last, |(_, character)| character.len());
    length - last + joined
}

/// One line of mrkdwn with at most `limit` characters shown: of a longer one the middle is left out, never a part of an escape
/// or a link; fences of code blocks are taken out, and so are pings, which are the second half of the answer.
pub fn one_line(line: &str, limit: usize) -> (String, Vec<String>) {
    let line = line.replace("```", "");
    let (mut atoms, mut pings, mut length, mut rest) = (Vec::new(), Vec::new(), 0, line.as_str());
    while !rest.is_empty() {
        let (atom, after) = rest.split_at(atom_length(rest));
        rest = after;
        if is_ping(atom) {
            pings.push(atom.to_owned());
            continue;
        }
        // What a link shows is its label; where addresses take too much room the label stands alone.
        let label = atom.strip_prefix('<').and_then(|inner| inner.strip_suffix('>'));
        let label = label.map(|inner| inner.split_once('|').map_or(inner, |(_, label)| label));
        let (seen, atom) = match label {
            Some(label) if length + atom.len() > MARKUP => (units(label), label),
            Some(label) => (units(label), atom),
            None if atom.starts_with('&') => (1, atom),
            None => (units(atom), atom),
        };
        length += atom.len();
        atoms.push((seen, atom));
    }
    let text = |atoms: &[(usize, &str)]| atoms.iter().map(|(_, atom)| *atom).collect::<String>();
    if atoms.iter().map(|(seen, _)| seen).sum::<usize>() <= limit {
        return (text(&atoms).trim().to_owned(), pings);
    }
    let half = limit.saturating_sub(units(GAP)) / 2;
    let fits = |used: &mut usize, seen: usize| {
        *used += seen;
        *used <= half
    };
    let (mut head, mut tail) = (0, 0);
    let begin = atoms.iter().take_while(|(seen, _)| fits(&mut head, *seen)).count();
    let end = atoms.iter().rev().take_while(|(seen, _)| fits(&mut tail, *seen)).count();
    let (begin, end) = (text(&atoms[..begin]), text(&atoms[(atoms.len() - end).max(begin)..]));
    (closed_code(&format!("{}{GAP}{}", begin.trim(), end.trim())).into_owned(), pings)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{characters, cut, cut_middle, cut_middle_plain, cut_plain, one_line, split};
    use crate::slack::escape::{escape, fence, units};
    use crate::slack::limits::SECTION;

    #[test]
    fn a_cut_is_marked_and_breaks_nothing() {
        for (text, limit, shown) in [
            ("short", 10, "short"),
            ("exactly-10", 10, "exactly-10"),
            ("a longer text", 10, "a lon…"),
            ("abc &amp; defghij", 12, "abc …"),
            ("see <https://x.example|the page> now", 20, "see …"),
            ("```\nlong code here\n```", 16, "```\nlong co…\n```"),
            ("```\nopen", 40, "```\nopen\n```"),
            ("\u{1f525}\u{1f525}\u{1f525}\u{1f525}", 7, "\u{1f525}…"),
            ("abc", 0, "…"),
        ] {
            assert_eq!(cut(text, limit).0, shown, "{text} in {limit}");
        }
        assert_eq!(cut_plain("abcdef", 4), ("abc…".to_owned(), false));
    }

    #[test]
    fn of_a_long_line_the_beginning_and_the_end_stay() {
        for (line, limit, shown) in [
            ("short", 5, "short"),
            ("abcdefghijklmnopqrst", 13, "abcde … pqrst"),
            ("a &amp; b &lt;&lt;&lt;&lt; the end", 20, "a &amp; … the end"),
            ("see `code that is long` and its end", 19, "see 'cod … its end"),
            ("\u{1f525}\u{1f525}\u{1f525}\u{1f525}", 7, "\u{1f525} … \u{1f525}"),
        ] {
            assert_eq!(cut_middle(line, limit), shown, "{line}");
            assert!(units(shown) <= limit);
        }
    }

    #[test]
    fn no_cut_goes_through_what_people_see_as_one_character() {
        let (flag, family, accent) = ("\u{1f1e9}\u{1f1ea}", "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}", "e\u{301}");
        for character in [flag, family, accent, "&amp;\u{301}"] {
            let whole = |text: &str| {
                let rest = text.replace(character, "").replace(['…', ' ', 'x'], "");
                assert!(rest.is_empty(), "{character} in {}: {rest:?}", text.escape_unicode());
            };
            for before in ["", "x", "xx"] {
                let text = format!("{before}{}", character.repeat(60));
                for limit in 40..56 {
                    whole(&cut(&text, limit).0);
                    whole(&cut_middle(&text, limit));
                    whole(&one_line(&text, limit / 2).0);
                    split(&text, limit, 10_000).0.iter().for_each(|piece| whole(piece));
                    if !character.starts_with('&') {
                        whole(&cut_plain(&text, limit).0);
                        whole(&cut_middle_plain(&text, limit));
                    }
                }
            }
        }
        // Nobody sees one character in this.
        let heap = format!("e{}", "\u{301}".repeat(500));
        assert_eq!((units(&cut(&heap, 100).0), units(&cut_plain(&heap, 100).0)), (96, 100));
        assert_eq!(characters("ae\u{301}").map(|(at, _)| at).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn a_long_text_is_split_at_lines_and_its_code_block_goes_on() {
        let (pieces, whole) = split("one\ntwo\nthree\nfour", 12, 100);
        assert_eq!((pieces, whole), (vec!["one\ntwo".into(), "three\nfour".into()], true));
        let (pieces, _) = split("```\naaaa\nbbbb\ncccc\ndddd\n```", 22, 300);
        assert_eq!(pieces, ["```\naaaa\nbbbb\n```", "```\ncccc\ndddd\n```"]);
        let (pieces, whole) = split(&"line of text\n".repeat(1000), SECTION, 6000);
        assert!(!whole && pieces.len() == 2, "{}", pieces.len());
        assert!(pieces[1].ends_with('…'), "{}", &pieces[1][pieces[1].len() - 30..]);
    }

    fn fences_are_closed(text: &str) -> bool {
        text.matches("```").count().is_multiple_of(2)
    }

    proptest! {
        #[test]
        fn a_cut_keeps_the_limit_whatever_the_text(
            parts in proptest::collection::vec("(&amp;|&lt;|```|`|<https://e\\.x\\|l>|[a-z\n]{0,9}|\u{1f525})", 0..60),
            limit in 8_usize..120,
        ) {
            let text = parts.concat();
            let (short, whole) = cut(&text, limit);
            prop_assert!(units(&short) <= limit, "{} > {limit}: {short:?}", units(&short));
            prop_assert!(fences_are_closed(&short), "{short:?}");
            prop_assert_eq!(short.matches('<').count(), short.matches('>').count());
            prop_assert_eq!(short.matches('&').count(), short.matches(';').count());
            prop_assert!(whole || short.contains('…'));
        }

        #[test]
        fn pieces_keep_both_limits_and_say_what_they_lose(
            text in "[ -~\n\u{e9}\u{1f525}]{0,2000}", fenced: bool, each in 60_usize..600,
        ) {
            let escaped = escape(&text);
            let text = if fenced { fence(&escaped) } else { escaped };
            let (pieces, whole) = split(&text, each, 2000);
            prop_assert!(pieces.iter().map(|piece| units(piece)).sum::<usize>() <= 2000);
            for piece in &pieces {
                prop_assert!(units(piece) <= each && fences_are_closed(piece), "{piece:?}");
            }
            if whole {
                let solid = |text: &str| text.chars().filter(|c| !c.is_whitespace() && *c != '`').collect::<String>();
                prop_assert_eq!(solid(&pieces.concat()), solid(&text));
            } else if let Some(last) = pieces.last() {
                prop_assert!(last.contains('…'));
            }
        }
    }
}
