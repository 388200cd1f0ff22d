//! The end of what a command wrote, as much of it as a message shows.
//!
//! Before it: `Captured` bytes. After it: the default message.

use std::borrow::Cow;

use super::text::clean;
use crate::exec::{Captured, is_marker, shows_nothing, writes_over};
use crate::policy::telling;
use crate::slack::{characters, cut_plain, escape, units};

/// So many bytes of the end are looked at, whatever was captured; those of a progress bar count as its last state.
const WINDOW: usize = 64 << 10;

/// A headline shows a few hundred characters of a line: more of its end is never needed.
const LONGEST_LINE: usize = 16 << 10;

/// The end of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// The lines, cleaned, not escaped.
    pub(super) text: String,
    /// How many lines are shown.
    pub(super) lines: usize,
    /// What was left out, in words; `None` when nothing was.
    pub(super) cut: Option<String>,
}

/// One line of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Cleaned, not escaped.
    pub(super) text: String,
    /// All of the line is there.
    pub(super) complete: bool,
}

/// The last line that is not blank.
pub(super) fn last_line(captured: &Captured) -> Option<Line> {
    picked(captured, |text| text.lines().rev().find(|line| !shows_nothing(line)))
}

/// The line of bad output that tells most.
pub(super) fn telling_line(captured: &Captured) -> Option<Line> {
    picked(captured, telling)
}

fn picked(captured: &Captured, pick: impl Fn(&str) -> Option<&str>) -> Option<Line> {
    let captured = &*collapsed(captured);
    let (bytes, windowed) = window(captured);
    let cleaned = written(captured, &bytes);
    let line = pick(&cleaned)?;
    let complete = !(windowed && cleaned.starts_with(line));
    Some(Line { text: end(line, LONGEST_LINE).to_owned(), complete: complete && line.len() <= LONGEST_LINE })
}

/// Cleaned, and without the marker where bytes were dropped: what the command has written.
fn written(captured: &Captured, bytes: &[u8]) -> String {
    let cleaned = clean(bytes);
    match captured.dropped {
        0 => cleaned,
        _ => cleaned.split_inclusive('\n').filter(|line| !is_marker(line.trim_end())).collect(),
    }
}

/// The first line that is not blank.
pub(super) fn first_line(captured: &Captured) -> Option<Line> {
    first_line_but(captured, |_| false)
}

/// The first line that is neither blank nor one of these.
pub(super) fn first_line_but(captured: &Captured, skip: impl Fn(&str) -> bool) -> Option<Line> {
    let captured = &*collapsed(captured);
    let all = captured.head.len() <= WINDOW;
    let head = if all { captured.bytes() } else { captured.head[..WINDOW].to_vec() };
    let cleaned = written(captured, &head);
    let line = cleaned.lines().find(|line| !shows_nothing(line) && !skip(line.trim()))?;
    let complete = all || !cleaned.ends_with(line);
    Some(Line { text: line.to_owned(), complete })
}

/// Whether all the streams together have no more than one line that is not blank.
pub(super) fn is_one_line(streams: &[&Captured]) -> bool {
    let lines = |captured: &&Captured| {
        let captured = collapsed(captured);
        let (bytes, windowed) = window(&captured);
        written(&captured, &bytes).lines().filter(|line| !shows_nothing(line)).take(2).count() + usize::from(windowed)
    };
    streams.iter().map(lines).sum::<usize>() <= 1
}

/// The end of a text, of at most `most` bytes.
fn end(text: &str, most: usize) -> &str {
    let mut start = text.len().saturating_sub(most);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// What a plugin wrote without its performance data: of its first line what stands before the bar, and of its long text
/// everything up to the next bar (monitoring-plugins developer guidelines).
pub(super) fn without_perfdata(text: &str) -> String {
    let mut lines = text.lines().skip_while(|line| line.trim().is_empty() || is_perfdata(line));
    let mut kept: Vec<&str> = lines.next().map(|line| before_bar(line).unwrap_or(line)).into_iter().collect();
    for line in lines {
        if let Some(before) = before_bar(line) {
            kept.push(before);
            break;
        }
        kept.push(line);
    }
    kept.join("\n").trim_end().to_owned()
}

/// What stands before performance data; `None` where there is none.
fn before_bar(line: &str) -> Option<&str> {
    let (before, data) = line.split_once('|')?;
    data.contains('=').then(|| before.trim_end())
}

/// Whether a line is performance data without a text: `load1=8.1;5;7 load5=4.2;4;6`.
fn is_perfdata(line: &str) -> bool {
    let is_item = |word: &str| {
        let value = word.split_once('=').map_or("", |(_, value)| value);
        value.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.')
            && value.chars().all(|c| c.is_ascii_alphanumeric() || ".;:@~%-+".contains(c))
    };
    let data = match line.split_once('|') {
        // Text stands before the bar, of one word too: `DOWN|rta=0ms;100;500`.
        Some((before, _)) if !before.trim().is_empty() => return false,
        Some((_, data)) => data,
        None => line,
    };
    data.contains(';') && !data.trim().is_empty() && data.split_whitespace().all(is_item)
}

/// The last `lines` lines of a stream, of at most `limit` units when escaped; `None` when nothing is kept of it but blanks.
pub(super) fn tail(captured: &Captured, lines: usize, limit: usize) -> Option<Tail> {
    let captured = &*collapsed(captured);
    let (bytes, windowed) = window(captured);
    if captured.dropped > 0 && shows_nothing(&written(captured, &bytes)) {
        return None;
    }
    let cleaned = clean(&bytes);
    let text = cleaned.trim_end();
    let text = if windowed { text } else { text.trim_start_matches('\n') };
    if shows_nothing(text) {
        return None;
    }
    let all: Vec<&str> = text.lines().collect();
    let (mut used, mut kept) = (0, 0);
    for line in all.iter().rev().take(lines.max(1)) {
        used += units(&escape(line)) + 2;
        if used > limit {
            break;
        }
        kept += 1;
    }
    if kept == 0 {
        let end = end_of(all.last().copied().unwrap_or_default(), limit);
        return Some(Tail { text: end, lines: 1, cut: Some("only the end of its last line".to_owned()) });
    }
    let total = if windowed { count(captured) } else { all.len() };
    let cut = match (kept < all.len() || windowed, captured.dropped > 0) {
        (false, false) => None,
        (_, true) => Some(format!("last {}", number_of(kept))),
        (true, false) => Some(format!("last {kept} of {}", number_of(total.max(kept)))),
    };
    Some(Tail { text: all[all.len() - kept..].join("\n"), lines: kept, cut })
}

fn number_of(lines: usize) -> String {
    if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") }
}

/// The end of one line that alone is too long, marked at its start.
fn end_of(line: &str, limit: usize) -> String {
    let mut used = 8;
    let start = characters(line).rev().find(|(_, character)| {
        used += units(&escape(character));
        used > limit
    });
    match start {
        Some((at, character)) => format!("…{}", &line[at + character.len()..]),
        None => cut_plain(line, limit).0,
    }
}

/// The same with each progress bar as it was left: a long one must not push out of the window what stands before it. What fits
/// the window needs none of this. The work is bounded by `max_output`.
fn collapsed(captured: &Captured) -> Cow<'_, Captured> {
    let Captured { head, tail, dropped } = captured;
    if head.len() + tail.len() <= WINDOW || !(writes_over(head) || writes_over(tail)) {
        return Cow::Borrowed(captured);
    }
    Cow::Owned(match dropped {
        // A bar may go on from the one to the other.
        0 => Captured { head: without_bars(&[head.as_slice(), tail].concat()), ..Captured::default() },
        _ => Captured { head: without_bars(head), tail: without_bars(tail), dropped: *dropped },
    })
}

/// Lines that were written over, as they were left; all others as they are. No escape sequence goes on in the next line.
fn without_bars(bytes: &[u8]) -> Vec<u8> {
    let mut left = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match writes_over(line.strip_suffix(b"\r\n").unwrap_or(line)) {
            true => left.extend_from_slice(clean(line).as_bytes()),
            false => left.extend_from_slice(line),
        }
    }
    left
}

/// The last [`WINDOW`] bytes, from a line's start where there is one; and whether there is more before them.
fn window(captured: &Captured) -> (Vec<u8>, bool) {
    if captured.head.len() + captured.tail.len() <= WINDOW {
        // Where only the end is kept, there is nothing to mark.
        return (if captured.head.is_empty() { captured.tail.clone() } else { captured.bytes() }, false);
    }
    let end = |bytes: &[u8], count: usize| bytes[bytes.len() - count.min(bytes.len())..].to_vec();
    let tail = end(&captured.tail, WINDOW);
    let mut bytes = match (captured.dropped, WINDOW - tail.len()) {
        (0, left) => end(&captured.head, left),
        _ => Vec::new(),
    };
    bytes.extend_from_slice(&tail);
    let border = bytes.iter().position(|byte| *byte == b'\n').filter(|at| at + 1 < bytes.len()).map(|at| at + 1);
    let border = border.or_else(|| bytes.iter().position(|byte| !(0x80..0xc0).contains(byte)));
    (bytes.split_off(border.unwrap_or(0)), true)
}

fn count(captured: &Captured) -> usize {
    let newlines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
    let last = captured.tail.last().or(captured.head.last());
    newlines(&captured.head) + newlines(&captured.tail) + usize::from(last != Some(&b'\n'))
}

#[cfg(test)]
mod tests {
    use super::{Tail, first_line, is_one_line, last_line, tail, without_perfdata};
    use crate::exec::Captured;

    fn captured(text: &str) -> Captured {
        Captured { head: text.as_bytes().to_vec(), ..Captured::default() }
    }

    fn cut(captured: &Captured, lines: usize, limit: usize) -> (String, Option<String>) {
        let Tail { text, cut, .. } = tail(captured, lines, limit).expect("not blank");
        (text, cut)
    }

    #[test]
    fn the_line_that_tells_most_is_found_in_any_amount_of_output() {
        let text = |line: Option<super::Line>| line.map(|line| (line.text, line.complete));
        assert_eq!(text(last_line(&captured("one\ntwo\n\n"))), Some(("two".to_owned(), true)));
        assert_eq!(text(first_line(&captured("\n one\ntwo\n"))), Some((" one".to_owned(), true)));
        assert_eq!(text(last_line(&captured(" \n"))), None);
        let long = format!("{} CAUSE", "x".repeat(200_000));
        let (end, complete) = text(last_line(&captured(&long))).expect("not blank");
        assert!(end.ends_with("x CAUSE") && !complete);
        let (_, complete) = text(first_line(&captured(&long))).expect("not blank");
        assert!(!complete);
        assert!(is_one_line(&[&captured("one\n"), &captured(" \n")]));
        // With `max_output = 0` nothing is kept: the place where bytes were dropped is no line of the command's.
        let nothing = Captured { dropped: 8, ..Captured::default() };
        assert_eq!((last_line(&nothing), first_line(&nothing), tail(&nothing, 20, 2500)), (None, None, None));
        assert!(is_one_line(&[&captured("one\n"), &nothing]));
        let blank_end = Captured { head: b"the cause\n".to_vec(), tail: b"\n\n".to_vec(), dropped: 8 };
        assert_eq!(text(last_line(&blank_end)), Some(("the cause".to_owned(), true)));
        assert!(!is_one_line(&[&captured("one\n"), &captured("two\n")]) && !is_one_line(&[&captured(&long)]));
    }

    #[test]
    fn a_long_progress_bar_hides_nothing_of_what_stands_before_it() {
        let bar = |step: fn(u32) -> String| (0..9_000).map(step).collect::<String>();
        for bar in [
            bar(|n| format!("\r{n:5} of 9000 files")),
            bar(|n| format!("{n:5} of 9000{}", "\x08".repeat(13))),
            bar(|n| format!("\x1b[2K\x1b[1G{n:5} of 9000")),
            bar(|n| format!("{n:5} of 9000\x1b[G")),
        ] {
            let all = format!("cannot open /srv/important.db\n{bar}\n1 file could not be copied\n");
            let (head, tail_end) = all.as_bytes().split_at(all.len() / 2);
            let kept = |dropped| Captured { head: head.to_vec(), tail: tail_end.to_vec(), dropped };
            for whole in [captured(&all), kept(0)] {
                let (text, what) = cut(&whole, 20, 2500);
                let lines: Vec<&str> = text.lines().collect();
                assert_eq!(
                    (lines[0], lines[2], lines.len()),
                    ("cannot open /srv/important.db", "1 file could not be copied", 3)
                );
                assert!(lines[1].len() < 20 && what.is_none(), "{text} {what:?}");
                assert_eq!(cut(&whole, 1, 2500).1.as_deref(), Some("last 1 of 3 lines"));
                assert!(!is_one_line(&[&whole]));
            }
            // Where the middle is missing, the beginning is shown all the same.
            assert!(cut(&kept(7), 20, 2500).0.starts_with("cannot open /srv/important.db\n"));
            let first = first_line(&captured(&format!("{bar}\nlast\n"))).expect("not blank");
            assert!(first.complete && first.text.len() < 20, "{first:?}");
            assert!(is_one_line(&[&captured(&format!("{bar}\n"))]));
        }
    }

    #[test]
    fn performance_data_is_no_text() {
        for (written, shown) in [
            ("DISK OK - fine | /=12MB;10;5", "DISK OK - fine"),
            ("OK|a=1\nmore\nlast words | b=2\nc=3", "OK\nmore\nlast words"),
            ("a | b is no data\nmore", "a | b is no data\nmore"),
            ("| a=1;2;3", ""),
            ("load1=8.1;5;7 load5=4.2;4;6;0\n", ""),
            ("load1=8.1;5;7\nthe load is high", "the load is high"),
            ("rows=3 bad=1", "rows=3 bad=1"),
            ("DOWN|rta=0ms;100;500", "DOWN"),
            ("12|users=12;5;10", "12"),
            ("|users=12;5;10\nmany users", "many users"),
        ] {
            assert_eq!(without_perfdata(written), shown, "{written}");
        }
    }

    #[test]
    fn the_end_says_what_was_cut() {
        let hundred = (1..=100).map(|n| format!("line {n}\n")).collect::<String>();
        assert_eq!(tail(&captured(" \n\n"), 20, 2500), None);
        assert_eq!(cut(&captured("one\ntwo\n"), 20, 2500), ("one\ntwo".to_owned(), None));
        let shown = cut(&captured(&hundred), 2, 2500);
        assert_eq!(shown, ("line 99\nline 100".to_owned(), Some("last 2 of 100 lines".to_owned())));
        let shown = cut(&captured(&hundred), 20, 25);
        assert_eq!(shown, ("line 99\nline 100".to_owned(), Some("last 2 of 100 lines".to_owned())));
        let (text, what) = cut(&captured(&"x".repeat(9000)), 20, 100);
        assert!(text.starts_with('…') && text.len() < 103, "{text}");
        assert_eq!(what.as_deref(), Some("only the end of its last line"));
        let many = "a line of text\n".repeat(20_000);
        assert_eq!(cut(&captured(&many), 20, 2500).1.as_deref(), Some("last 20 of 20000 lines"));
        let dropped = Captured { head: b"a\n".to_vec(), tail: b"y\nz\n".to_vec(), dropped: 7 };
        assert_eq!(cut(&dropped, 2, 2500), ("y\nz".to_owned(), Some("last 2 lines".to_owned())));
    }
}
