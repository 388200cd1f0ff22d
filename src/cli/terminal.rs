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

    /// Whether stdout gets colour.
    pub fn colour(&self) -> bool {
        self.wanted(io::stdout().is_terminal())
    }

    /// Whether stderr gets colour.
    pub fn colour_of_errors(&self) -> bool {
        self.wanted(io::stderr().is_terminal())
    }

    fn wanted(&self, terminal: bool) -> bool {
        match self.choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !self.no_color,
        }
    }

    /// Writes a result. A reader that went away (`| head`) ends the program quietly, as is usual for filters.
    pub fn out(&self, text: &str) {
        let choice = if self.colour() { anstream::ColorChoice::AlwaysAnsi } else { anstream::ColorChoice::Never };
        let mut stream = AutoStream::new(io::stdout().lock(), choice);
        if stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).is_err() {
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
    fn columns_are_in_line_and_the_last_is_ragged() {
        let rows = [vec!["disk", "every 5m"], vec!["db/backup", "cron 0 3 * * *"]];
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
        assert_eq!(super::table(&rows), "disk       every 5m\ndb/backup  cron 0 3 * * *\n");
    }
}
