//! The door of the terminal: results to stdout, everything else to stderr, colour only where it is wanted.

use std::io::{self, IsTerminal, Write};

use anstream::AutoStream;
use clap::ColorChoice;

/// The two ways out of a command.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    choice: ColorChoice,
    no_color: bool,
}

impl Terminal {
    /// A terminal; `no_color` is whether the variable NO_COLOR is set and not empty (no-color.org).
    pub fn new(choice: ColorChoice, no_color: bool) -> Self {
        Self { choice, no_color }
    }

    /// Whether a person reads both what is printed and what is logged.
    pub fn is_attended(&self) -> bool {
        io::stdout().is_terminal() && io::stderr().is_terminal()
    }

    /// Whether stdout gets colour.
    pub fn colour(&self) -> bool {
        self.wanted(io::stdout().is_terminal())
    }

    /// Whether stderr gets colour.
    pub fn colour_of_errors(&self) -> bool {
        self.wanted(io::stderr().is_terminal())
    }

    /// A table that fits the terminal; elsewhere it is as wide as it is.
    pub fn table(&self, rows: &[Vec<String>]) -> String {
        match self.width() {
            Some(width) => table(&fitted(rows, width)),
            None => table(rows),
        }
    }

    /// The terminal's width; none where stdout is none.
    pub fn width(&self) -> Option<usize> {
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

    /// Writes a result. A reader that went away (`| head`) ends the program quietly, as is usual for filters.
    #[expect(clippy::disallowed_methods, reason = "the door of the terminal: a closed pipe ends the program")]
    pub fn out(&self, text: &str) {
        let choice = if self.colour() { anstream::ColorChoice::AlwaysAnsi } else { anstream::ColorChoice::Never };
        let mut stream = AutoStream::new(io::stdout().lock(), choice);
        if stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).is_err() {
            std::process::exit(1);
        }
    }

    /// Writes a result that is somebody else's file: not a byte is changed.
    #[expect(clippy::disallowed_methods, reason = "the door of the terminal: a closed pipe ends the program")]
    pub fn out_bytes(&self, bytes: &[u8]) {
        let mut stream = io::stdout().lock();
        if stream.write_all(bytes).and_then(|()| stream.flush()).is_err() {
            std::process::exit(1);
        }
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

/// No column is cut below this many characters.
const NARROWEST: usize = 8;

/// The rows with the widest columns cut, as far as is needed to fit so many characters; what is cut ends with `…`.
fn fitted(rows: &[Vec<String>], width: usize) -> Vec<Vec<String>> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let mut widths: Vec<usize> = (0..columns).map(|column| widest(column).unwrap_or(0)).collect();
    let room = width.saturating_sub(2 * columns.saturating_sub(1));
    // Half a time is none: such a column is cut last.
    let times = |column: usize| rows.iter().filter_map(|row| row.get(column)).any(|cell| has_time(cell));
    let times: Vec<bool> = (0..columns).map(times).collect();
    while widths.iter().sum::<usize>() > room {
        let others = widths.iter_mut().zip(&times).filter(|(width, is_time)| !**is_time && **width > NARROWEST);
        match others.map(|(width, _)| width).max() {
            Some(most) => *most -= 1,
            None => match widths.iter_mut().max().filter(|most| **most > NARROWEST) {
                Some(most) => *most -= 1,
                None => break,
            },
        }
    }
    let cut = |(cell, width): (&String, &usize)| match cell.chars().count() > *width {
        true => cell.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
        false => cell.clone(),
    };
    rows.iter().map(|row| row.iter().zip(&widths).map(cut).collect()).collect()
}

/// Whether a date and a time of day stand in a cell: `Mon 2026-11-30 08:00:00 UTC`.
fn has_time(cell: &str) -> bool {
    const SHAPE: &[u8] = b"0000-00-00 00:00";
    cell.as_bytes().windows(SHAPE.len()).any(|part| {
        part.iter().zip(SHAPE).all(|(byte, shape)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == shape })
    })
}

/// A table with its columns in line; the last column is left ragged.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if column + 1 < row.len() {
                line.extend(std::iter::repeat_n(' ', widths[column] - cell.chars().count() + 2));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_widest_columns_are_cut_to_fit() {
        let rows = vec![vec!["disk".to_owned(), "x".repeat(60), "ok".to_owned()]];
        let shown = super::table(&super::fitted(&rows, 40));
        assert_eq!(shown.trim_end().chars().count(), 40, "{shown}");
        assert!(shown.starts_with("disk  x") && shown.contains("x…  ok"), "{shown}");
        assert_eq!(super::fitted(&rows, 200), rows);
        assert_eq!(super::fitted(&rows, 1)[0][1].chars().count(), super::NARROWEST);
    }

    #[test]
    fn a_time_is_cut_after_all_else() {
        let cells = ["Mon 2026-11-30 08:00:00 CET", "in 20h", "reports/monthly-of-sales", "cron 0 8 * * *, Mon-Fri"];
        let rows = vec![cells.map(str::to_owned).to_vec()];
        let shown = super::table(&super::fitted(&rows, 60));
        assert!(shown.starts_with("Mon 2026-11-30 08:00:00 CET  in 20h  ") && shown.contains("…  cron"), "{shown}");
        assert_eq!(shown.trim_end().chars().count(), 60, "{shown}");
        let shown = super::table(&super::fitted(&rows, 30));
        assert!(shown.starts_with("Mon 202…  in 20h  reports…  cron 0 …"), "{shown}");
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
