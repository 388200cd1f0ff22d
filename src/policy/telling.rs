//! The line of a run's output that tells most: what a headline says. Pure.
//!
//! Before it: output of a run that is not ok. After it: one of its lines. Mostly that is the last; where the last only goes
//! on with an earlier line, says no more than that it failed, or is a log's line of a lower level, the nearest line that
//! names an error takes its place.

mod words;

pub(crate) use words::says_well;
use words::{Level, is_error, is_weak, level, says_little};

use crate::exec::shows_nothing;

/// So many lines from the end are looked at.
const LAST_LINES: usize = 200;

/// How hints begin, in small letters, also behind the name of a program: `pg_dump: detail:`.
const HINTS: [&str; 17] = [
    "note:",
    "hint:",
    "help:",
    "detail:",
    "details:",
    "context:",
    "statement:",
    "location:",
    "usage:",
    "note that ",
    "try '",
    "try \"",
    "try `",
    "run with ",
    "see also",
    "for more ",
    "see '",
];

/// Headings below which stands what to do, and not what happened: in small letters, without their colon.
const ADVICE: [&str; 8] = ["action", "hint", "hints", "next steps", "solution", "suggestion", "suggestions", "try"];

/// Under which names data has words for people, best first.
const MESSAGES: [&str; 7] = ["message", "msg", "error", "error_description", "detail", "description", "reason"];

/// The line of bad output that tells most.
pub(crate) fn telling(text: &str) -> Option<&str> {
    if let Some(title) = title_of_frame(text) {
        return Some(title);
    }
    let mut all: Vec<&str> = text
        .lines()
        .rev()
        .take(LAST_LINES)
        .map(|line| if shows_nothing(line) { "" } else { undecorated(line) })
        .collect();
    all.reverse();
    let lines: Vec<&str> = without_wrapped_pointers(&all);
    let Some(last) = lines.last().copied() else {
        // A frame around nothing.
        return text.lines().rev().find(|line| !shows_nothing(line));
    };
    if !goes_on(last) && !says_little(last) && !introduced(&lines) {
        return Some(instead(&lines, last));
    }
    if let Some(line) = first_of_block(&lines) {
        return Some(line);
    }
    let whole = |line: &&&str| !goes_on(line) && !says_little(line);
    let named = |line: &&&str| whole(line) && is_error(line) && !is_call(line);
    // A warning is the cause where nothing worse is.
    let strong = |line: &&str| named(&line) && !is_weak(line) && level(line) != Some(Level::Warning);
    if let Some(at) = lines.iter().rposition(strong) {
        return Some(below(&lines, at));
    }
    let indented = |line: &&&str| is_error(line) && !is_frame(line) && !is_hint(line) && !says_little(line);
    let error = lines.iter().rev().find(named);
    let error = error.filter(|line| !is_weak(line)).or_else(|| message_of_data(&lines)).or(error);
    if let Some(line) = error.or_else(|| lines.iter().rev().find(indented)) {
        return Some(line);
    }
    let quiet = level(last) == Some(Level::Routine) || is_object_of_pointer(&lines);
    if let Some(line) = quiet.then(|| louder(&lines)).flatten() {
        return Some(line);
    }
    if last.contains(char::is_alphanumeric) && !is_hint(last) && !is_data(last) {
        return Some(last);
    }
    let tells = |line: &&&str| line.contains(char::is_alphanumeric) && !is_hint(line);
    let any = lines.iter().rev().find(whole).or_else(|| lines.iter().rev().find(tells));
    any.or_else(|| lines.iter().rev().find(|line| line.contains(char::is_alphanumeric))).copied().or(Some(last))
}

/// The line nearest to the end that a program marks as an error, though it says little; else the nearest that is no log's line
/// of a lower level, and points nowhere.
fn louder<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let lines = &lines[..lines.len() - usize::from(is_object_of_pointer(lines))];
    let says = |line: &&str| !goes_on(line) && !words::points_elsewhere(&line.to_lowercase());
    let marked =
        |line: &&str| says(line) && level(line) == Some(Level::Error) && line.split_whitespace().nth(1).is_some();
    let loud = |line: &&str| says(line) && level(line) != Some(Level::Routine);
    let nearest = |wanted: &dyn Fn(&&str) -> bool| lines.iter().copied().rev().find(wanted);
    nearest(&marked).or_else(|| nearest(&loud))
}

/// Whether the last line is what the one above it points to: the file's name below "a complete log can be found in:".
fn is_object_of_pointer(lines: &[&str]) -> bool {
    let above = lines.len().checked_sub(2).map(|at| lines[at]);
    above.is_some_and(|above| introduces(above) && words::points_elsewhere(&above.to_lowercase()))
}

/// Characters that frames are drawn with.
fn is_drawn(c: char) -> bool {
    ('\u{2500}'..='\u{257f}').contains(&c)
}

/// A line without the frame that is drawn at its side: `│ Error: no credentials`.
fn undecorated(line: &str) -> &str {
    match line.trim_start().strip_prefix(is_drawn) {
        Some(rest) => rest.trim_start_matches(is_drawn).strip_prefix(' ').unwrap_or(rest),
        None => line,
    }
}

/// Where the output ends in a frame, its first line: what stands below explains it.
fn title_of_frame(text: &str) -> Option<&str> {
    let lines = text.lines().rev().filter(|line| !line.trim().is_empty()).take(LAST_LINES);
    let framed = lines.take_while(|line| line.trim_start().starts_with(is_drawn));
    framed.map(undecorated).filter(|line| line.contains(char::is_alphanumeric)).last()
}

/// The lines that are not blank; without sentences over several lines whose last one points elsewhere: "establish a secure
/// connection. To learn more / about this, please visit the page mentioned above."
fn without_wrapped_pointers<'a>(all: &[&'a str]) -> Vec<&'a str> {
    let mut kept = Vec::new();
    let mut skips = false;
    for line in all.iter().rev() {
        let blank = line.trim().is_empty();
        let begins_small = line.starts_with(|c: char| c.is_lowercase());
        // A shorter line was not wrapped.
        if skips && line.len() > 50 && !line.contains(": ") {
            skips = begins_small;
            continue;
        }
        skips = begins_small && words::points_elsewhere(&line.to_lowercase());
        if !blank {
            kept.push(*line);
        }
    }
    kept.reverse();
    kept
}

/// The last line, unless it says less than one above it: a warning less than an error, "backup failed" less than why, and a
/// plain line less than one that the same program marks as an error.
fn instead<'a>(lines: &[&'a str], last: &'a str) -> &'a str {
    let whole = |line: &str| !goes_on(line) && !says_little(line) && !is_call(line);
    let marked = |line: &str| level(line) == Some(Level::Error) && whole(line);
    let program = |line: &str| line.split_once(": ").map_or("", |(program, _)| program).to_owned();
    let of_last = program(last);
    let earlier = match level(last) {
        Some(Level::Warning) => lines.iter().rposition(|line| marked(line)),
        _ if is_weak(last) => lines
            .iter()
            .rposition(|line| whole(line) && is_error(line) && !is_weak(line) && level(line) != Some(Level::Warning)),
        None if !of_last.is_empty() && !of_last.contains(' ') => {
            lines.iter().rposition(|line| program(line) == of_last && marked(line))
        }
        _ => None,
    };
    earlier.map_or(last, |at| below(lines, at))
}

/// A line that ends with a colon introduces the one below it: `thread 'main' panicked at src/main.rs:4:5:`.
fn below<'a>(lines: &[&'a str], at: usize) -> &'a str {
    let tells = |line: &&&str| {
        let whole = !goes_on(line) || is_error(line) && !is_frame(line) && !is_hint(line);
        whole && !says_little(line)
    };
    let below = lines.get(at + 1).filter(|_| introduces(lines[at])).filter(tells);
    below.unwrap_or(&lines[at])
}

/// Where each line begins with the same two words (`npm error`), the first that says more than a name and its value.
fn first_of_block<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let lead = |line: &str| line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
    let words = lead(lines.last()?);
    if words.len() < 2 || !words.concat().to_lowercase().contains("err") {
        return None;
    }
    // A blank line of the block has one word, or the two alone.
    let begin = lines.iter().rposition(|line| lead(line) != words).map_or(0, |at| at + 1);
    let block = &lines[begin..];
    let says = |line: &&&str| line.split_whitespace().count() >= 5 && !words::points_elsewhere(&line.to_lowercase());
    block.iter().find(says).copied().filter(|_| block.len() >= 3)
}

/// The words for people in data over several lines: `"message": "no such instance"`.
fn message_of_data<'a, 'b>(lines: &'b [&'a str]) -> Option<&'b &'a str> {
    let data = |line: &&str| is_data(line) || !line.contains(char::is_alphanumeric);
    let begin = lines.iter().rposition(|line| !data(line)).map_or(0, |at| at + 1);
    let of = |name: &str| {
        lines[begin..].iter().find(|line| {
            let (key, value) = line.trim().split_once(':').unwrap_or_default();
            key.trim_matches('"') == name && value.trim().starts_with('"') && value.contains(char::is_alphabetic)
        })
    };
    MESSAGES.iter().find_map(|name| of(name))
}

/// Whether a line may say nothing without one before it.
fn goes_on(line: &str) -> bool {
    line.starts_with([' ', '\t']) || is_hint(line) || !line.contains(char::is_alphanumeric) || is_data(line)
}

/// A piece of data over several lines: `"code": 5`, `- '@type': type.googleapis.com/google.rpc.ErrorInfo`.
fn is_data(line: &str) -> bool {
    let line = line.trim();
    let entry = line.strip_prefix("- ").unwrap_or(line);
    let (key, rest) = match entry.chars().next() {
        Some(quote @ ('"' | '\'')) => entry[1..].split_once(quote).unwrap_or_default(),
        _ => return false,
    };
    let value = rest.trim_start();
    !key.is_empty() && (value.starts_with(':') || value.is_empty() || value == ",")
}

fn introduces(line: &str) -> bool {
    line.trim_end().ends_with(':')
}

/// Whether the line above asks, points elsewhere, or is a heading of advice: the last is its object.
fn introduced(lines: &[&str]) -> bool {
    let Some(above) = lines.len().checked_sub(2).map(|at| lines[at]) else { return false };
    let lower = above.to_lowercase();
    let heading = lower.trim_matches(|c: char| !c.is_alphanumeric());
    above.trim_end().ends_with('?')
        || introduces(above) && (words::points_elsewhere(&lower) || ADVICE.contains(&heading))
}

fn is_hint(line: &str) -> bool {
    let lower = line.trim_start().to_lowercase();
    let behind =
        lower.split_once(": ").filter(|(program, _)| !program.contains(' ')).map(|(_, rest)| rest.trim_start());
    let begins = |text: &str| HINTS.iter().any(|word| text.starts_with(word));
    // `LINE 1: SELECT …`: where the error stands.
    let place = lower.strip_prefix("line ").and_then(|rest| rest.split_once(':'));
    begins(&lower)
        || behind.is_some_and(begins)
        || place.is_some_and(|(number, _)| number.bytes().all(|b| b.is_ascii_digit()))
}

/// A frame of a stack as Go has it: `main.(*Client).handleError(0x0)`.
fn is_call(line: &str) -> bool {
    let name = line.trim_end().strip_suffix(')').and_then(|line| line.rsplit_once('(')).map(|(name, _)| name);
    name.is_some_and(|name| name.contains('.') && !name.contains(char::is_whitespace) && !name.ends_with(')'))
        || line.starts_with("created by ")
}

/// An indented line of a stack: where, and not what.
fn is_frame(line: &str) -> bool {
    let line = line.trim_start();
    ["at ", "File \"", "from ", "in ", "raise ", "throw ", "--> ", "/"].iter().any(|begin| line.starts_with(begin))
}

#[cfg(test)]
mod tests;
