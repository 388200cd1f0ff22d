//! The door of the terminal: results to stdout, everything else to stderr, colour only where it is wanted.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::AutoStream;
use clap::ColorChoice;
use unicode_width::UnicodeWidthStr as _;

use crate::exec::plain_error;

/// Whether anything was written to stdout.
static WRITTEN: AtomicBool = AtomicBool::new(false);

/// Whether this process has written any result.
pub fn is_written() -> bool {
    WRITTEN.load(Ordering::Relaxed)
}

/// The two ways out of a command.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    choice: ColorChoice,
    no_color: bool,
    columns: Option<usize>,
}

impl Terminal {
    /// A terminal; `no_color` is whether the variable NO_COLOR is set and not empty (no-color.org), or the terminal knows no
    /// colours (`TERM=dumb`), `columns` what the variable COLUMNS says (environ(7)).
    pub fn new(choice: ColorChoice, no_color: bool, columns: Option<&str>) -> Self {
        let columns = columns.and_then(|text| text.trim().parse().ok()).filter(|width| *width > 0);
        Self { choice, no_color, columns }
    }

    /// Whether a person reads both what is printed and what is logged.
    pub fn is_attended(&self) -> bool {
        io::stdout().is_terminal() && io::stderr().is_terminal()
    }

    /// Tells, later, whether the terminal to which this process writes now is gone: what was one is none after a hangup.
    pub fn is_gone(&self) -> impl Fn() -> bool + use<> {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        move || out && !io::stdout().is_terminal() || err && !io::stderr().is_terminal()
    }

    /// Whether stdout gets colour.
    pub fn colour(&self) -> bool {
        self.wanted(io::stdout().is_terminal())
    }

    /// Whether stderr gets colour.
    pub fn colour_of_errors(&self) -> bool {
        self.wanted(io::stderr().is_terminal())
    }

    /// A table that fits the terminal, with the columns that matter whole; elsewhere it is as wide as it is.
    pub fn table(&self, rows: &[Vec<String>], whole: &[usize]) -> String {
        let Some(width) = self.width() else { return table(rows) };
        let rows = fitted(rows, width, whole);
        let shown = table(&rows);
        match shown.lines().any(|line| columns(line) > width) {
            true => folded(&rows, width),
            false => shown,
        }
    }

    /// Facts under their names. Sentences among them are not cut: they go on in the next line.
    pub fn facts(&self, rows: &[(&str, String)]) -> String {
        facts(rows, self.width().unwrap_or(usize::MAX))
    }

    /// How wide the user wants it; else the terminal's width; none where stdout is none.
    pub fn width(&self) -> Option<usize> {
        if self.columns.is_some() {
            return self.columns;
        }
        let size = io::stdout().is_terminal().then(|| terminal_size::terminal_size_of(io::stdout())).flatten();
        size.map(|(terminal_size::Width(width), _)| usize::from(width))
    }

    /// Writes a result in the place of what is on the terminal; elsewhere behind it.
    pub fn redraw(&self, text: &str) {
        if !io::stdout().is_terminal() {
            return self.out(&format!("{text}\n"));
        }
        let height =
            terminal_size::terminal_size_of(io::stdout()).map_or(usize::MAX, |(_, height)| usize::from(height.0));
        let text = first_lines(text, height);
        // To the first line and column, and everything below it away (ECMA-48, CUP and ED): no other kind of terminal is left.
        let cleared = io::stdout().lock().write_all(b"\x1b[H\x1b[2J");
        if cleared.is_ok() {
            self.out(&text);
        }
    }

    fn wanted(&self, terminal: bool) -> bool {
        match self.choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !self.no_color,
        }
    }

    /// Writes a result. Where it cannot be written, that ends the program.
    #[expect(clippy::disallowed_methods, reason = "the door of the terminal: a closed pipe ends the program")]
    pub fn out(&self, text: &str) {
        if !self.out_or_go_on(text) {
            std::process::exit(1);
        }
    }

    /// Writes a result of a command that has something to do besides. The answer is whether it could be written.
    pub fn out_or_go_on(&self, text: &str) -> bool {
        WRITTEN.fetch_or(!text.is_empty(), Ordering::Relaxed);
        let choice = if self.colour() { anstream::ColorChoice::AlwaysAnsi } else { anstream::ColorChoice::Never };
        let mut stream = AutoStream::new(io::stdout().lock(), choice);
        self.is_well(stream.write_all(text.as_bytes()).and_then(|()| stream.flush()))
    }

    /// Writes a result that is somebody else's file: not a byte is changed.
    #[expect(clippy::disallowed_methods, reason = "the door of the terminal: a closed pipe ends the program")]
    pub fn out_bytes(&self, bytes: &[u8]) {
        WRITTEN.fetch_or(!bytes.is_empty(), Ordering::Relaxed);
        let mut stream = io::stdout().lock();
        if !self.is_well(stream.write_all(bytes).and_then(|()| stream.flush())) {
            std::process::exit(1);
        }
    }

    /// Whether it was written; else says why, once. Nothing is said of a reader that went away (`| head`), as is usual for filters.
    fn is_well(&self, written: io::Result<()>) -> bool {
        static SAID: AtomicBool = AtomicBool::new(false);
        let Err(error) = written else { return true };
        if error.kind() != io::ErrorKind::BrokenPipe && !SAID.swap(true, Ordering::Relaxed) {
            self.err(&format!("slack-alert: standard output could not be written: {}", plain_error(&error)));
        }
        false
    }

    /// Writes a line that is no result. Nothing can be done when that fails.
    pub fn err(&self, text: &str) {
        let choice =
            if self.colour_of_errors() { anstream::ColorChoice::AlwaysAnsi } else { anstream::ColorChoice::Never };
        let mut stream = AutoStream::new(io::stderr().lock(), choice);
        let _ = writeln!(stream, "{text}");
    }
}

/// As many lines as there is room for; that some are left out is the last of them. The cursor takes a line too.
fn first_lines(text: &str, height: usize) -> String {
    let (lines, room) = (text.lines().count(), height.saturating_sub(1).max(2));
    if lines <= room {
        return text.to_owned();
    }
    let shown: String = text.lines().take(room - 1).map(|line| format!("{line}\n")).collect();
    format!("{shown}… and {} more lines\n", lines - (room - 1))
}

/// No column is cut below this many characters: less of it says nothing.
const NARROWEST: usize = 8;

/// A column that stays whole is not cut below this many characters: times, statuses and most names have fewer.
const NARROWEST_WHOLE: usize = 28;

/// What is longer in such a column is cut before another column is left out.
const LONG_WHOLE: usize = 40;

/// The rows as they fit so many characters. Columns that matter stay whole; of the others the widest are cut first, down to a
/// few characters, then what is very long in the columns that matter, and then the last of the others are left out. What is cut ends with `…`.
fn fitted(rows: &[Vec<String>], width: usize, whole: &[usize]) -> Vec<Vec<String>> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut shown: Vec<usize> = (0..count).collect();
    loop {
        let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| columns(cell)).max();
        let mut widths: Vec<usize> = shown.iter().map(|column| widest(*column).unwrap_or(0)).collect();
        let room = width.saturating_sub(2 * shown.len().saturating_sub(1));
        narrow(&mut widths, room, |at, width| !whole.contains(&shown[at]) && width > NARROWEST);
        narrow(&mut widths, room, |at, width| whole.contains(&shown[at]) && width > LONG_WHOLE);
        let fits = widths.iter().sum::<usize>() <= room;
        match shown.iter().rposition(|column| !whole.contains(column)).filter(|_| !fits) {
            Some(least) => drop(shown.remove(least)),
            // Where even that does not fit, a row takes several lines.
            None => {
                narrow(&mut widths, room, |_, width| width > NARROWEST_WHOLE);
                let cell = |row: &Vec<String>, (column, width): (&usize, &usize)| Some(cut(row.get(*column)?, *width));
                let row = |row: &Vec<String>| shown.iter().zip(&widths).filter_map(|of| cell(row, of)).collect();
                return rows.iter().map(row).collect();
            }
        }
    }
}

/// Takes from the widest of the columns that may be cut, until all fit.
fn narrow(widths: &mut [usize], room: usize, may_cut: impl Fn(usize, usize) -> bool) {
    while widths.iter().sum::<usize>() > room {
        let others = widths.iter_mut().enumerate().filter(|(at, width)| may_cut(*at, **width));
        let Some((_, most)) = others.max_by_key(|(_, width)| **width) else { break };
        *most -= 1;
    }
}

/// Names and values in two columns; a value that is too long goes on in the lines below, at its own column.
fn facts(rows: &[(&str, String)], width: usize) -> String {
    let indent = rows.iter().map(|(name, _)| columns(name)).max().unwrap_or(0) + 2;
    let mut text = String::new();
    for (name, value) in rows {
        let mut column = indent;
        text.push_str(&format!("{name:indent$}"));
        for (index, word) in value.split(' ').enumerate() {
            if index > 0 && column + 1 + columns(word) > width {
                text.push_str(&format!("\n{:indent$}", ""));
                column = indent;
            } else if index > 0 {
                text.push(' ');
                column += 1;
            }
            text.push_str(word);
            column += columns(word);
        }
        text.push('\n');
    }
    text
}

/// How many columns of a terminal a text takes: east Asian characters and emoji take two.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// As much of a text as fits so many columns; what is cut ends with `…`.
pub(super) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let fits = |(at, c): &(usize, char)| columns(&text[..at + c.len_utf8()]) <= room;
    let end = text.char_indices().take_while(fits).last().map_or(0, |(at, c)| at + c.len_utf8());
    format!("{}…", &text[..end])
}

/// What the lines of a row begin with that is broken: all but its first.
const INDENT: &str = "    ";

/// The rows where they do not fit side by side: each is broken between its cells.
fn folded(rows: &[Vec<String>], width: usize) -> String {
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for cell in row.iter().filter(|cell| !cell.is_empty()) {
            let cell = cut(cell, width.saturating_sub(INDENT.len()).max(NARROWEST_WHOLE));
            if line.is_empty() {
                line = cell;
            } else if columns(&line) + 2 + columns(&cell) <= width {
                line.push_str("  ");
                line.push_str(&cell);
            } else {
                text.push_str(&line);
                text.push('\n');
                line = format!("{INDENT}{cell}");
            }
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// A table with its columns in line; the last column is left ragged.
pub fn table(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| columns(cell)).max();
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if column + 1 < row.len() {
                line.extend(std::iter::repeat_n(' ', widths[column] - columns(cell) + 2));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect()
    }

    #[test]
    fn the_widest_columns_are_cut_to_fit() {
        let rows = rows(&[&["disk", &"x".repeat(60), "ok"]]);
        let shown = super::table(&super::fitted(&rows, 40, &[0]));
        assert_eq!(shown.trim_end().chars().count(), 40, "{shown}");
        assert!(shown.starts_with("disk  x") && shown.contains("x…  ok"), "{shown}");
        assert_eq!(super::fitted(&rows, 200, &[0]), rows);
        assert_eq!(super::fitted(&rows, 18, &[0])[0][1].chars().count(), super::NARROWEST);
    }

    #[test]
    fn what_matters_stays_whole_and_the_last_of_the_rest_is_left_out() {
        let rows = rows(&[&[
            "Mon 2026-11-30 08:00:00 CET",
            "in 20h",
            "reports/monthly",
            "cron 0 8 * * *, Mon-Fri 09:00-19:00",
        ]]);
        for (width, line) in [
            (80, "Mon 2026-11-30 08:00:00 CET  in 20h  reports/monthly  cron 0 8 * * *, Mon-Fri 0…"),
            (64, "Mon 2026-11-30 08:00:00 CET  in 20h  reports/monthly  cron 0 8 …"),
            (60, "Mon 2026-11-30 08:00:00 CET  in 20h  reports/monthly"),
            (50, "Mon 2026-11-30 08:00:00 CET  reports/monthly"),
            (20, "Mon 2026-11-30 08:00:00 CET  reports/monthly"),
            (0, "Mon 2026-11-30 08:00:00 CET  reports/monthly"),
        ] {
            assert_eq!(super::table(&super::fitted(&rows, width, &[0, 2])).trim_end(), line, "{width}");
        }
    }

    #[test]
    fn a_name_that_is_longer_than_the_terminal_is_cut_and_the_other_facts_stay() {
        let rows =
            rows(&[&["812", &"n".repeat(200), "2026-11-30 08:00:00", "5s", "critical", "exited with 2", "sent"]]);
        let shown = super::table(&super::fitted(&rows, 80, &[0, 1, 2, 4]));
        assert_eq!(shown.trim_end().chars().count(), 80, "{shown}");
        assert!(shown.contains("nn…  2026-11-30 08:00:00  5s  critical"), "{shown}");
        let wide = super::table(&super::fitted(&rows, 110, &[0, 1, 2, 4]));
        assert!(wide.contains("nn…  2026-11-30 08:00:00  5s  critical  exited …  sent"), "{wide}");
    }

    #[test]
    fn on_a_very_narrow_terminal_a_row_is_broken_between_its_cells() {
        let row = ["812", "pg/dump", "2026-11-30 08:00:00", "5s", "critical", "exited with 2", "sent"];
        let rows = rows(&[&row, &["811", "disk", "2026-11-30 07:00:00", "1s", "ok", "exited with 0", "not sent"]]);
        let terminal = super::Terminal::new(super::ColorChoice::Never, true, Some("40"));
        let shown = terminal.table(&rows, &[0, 1, 2, 4]);
        let lines = "812  pg/dump  2026-11-30 08:00:00\n    critical\n811  disk  2026-11-30 07:00:00  ok\n";
        assert_eq!(shown, lines);
    }

    #[test]
    fn a_wide_character_takes_two_columns() {
        let rows = rows(&[&["日本語", "every 5m"], &["db", "ok"]]);
        assert_eq!(super::table(&rows), "日本語  every 5m\ndb      ok\n");
        for (width, cut) in [(6, "日本語"), (5, "日本…"), (4, "日…"), (1, "…")] {
            assert_eq!(super::cut("日本語", width), cut);
        }
    }

    #[test]
    fn a_sentence_goes_on_in_the_next_line() {
        let rows =
            [("run", "7 of db/backup".to_owned()), ("message", "not sent: the repetition is not due".to_owned())];
        let whole = "run      7 of db/backup\nmessage  not sent: the repetition is not due\n";
        let narrow = "run      7 of db/backup\nmessage  not sent: the\n         repetition is not\n         due\n";
        assert_eq!([super::facts(&rows, usize::MAX), super::facts(&rows, 28)], [whole, narrow]);
    }

    #[test]
    fn the_user_may_say_how_wide_it_is() {
        let width = |columns| super::Terminal::new(super::ColorChoice::Never, true, columns).columns;
        assert_eq!(
            [None, Some("60"), Some(" 60\n"), Some("0"), Some("wide")].map(width),
            [None, Some(60), Some(60), None, None]
        );
    }

    #[test]
    fn what_does_not_fit_on_the_screen_is_counted() {
        let text = "a\nb\nc\nd\ne\n";
        for (height, shown) in [(6, text), (5, "a\nb\nc\n… and 2 more lines\n"), (1, "a\n… and 4 more lines\n")] {
            assert_eq!(super::first_lines(text, height), shown, "{height}");
        }
    }

    #[test]
    fn columns_are_in_line_and_the_last_is_ragged() {
        let rows = [vec!["disk", "every 5m"], vec!["db/backup", "cron 0 3 * * *"]];
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
        assert_eq!(super::table(&rows), "disk       every 5m\ndb/backup  cron 0 3 * * *\n");
    }
}
