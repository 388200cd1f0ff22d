//! TOML as far as it can be understood: a file with syntax errors still tells most of what it says.
//!
//! Before it: the text of a file. After it: `table`, which takes keys. Invariants: every error is told once, whatever the parser
//! stumbles over because of it; a key that stands after a header which cannot be read, or whose value has no end, is in no table.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Code, Place, Problem, Problems, SourceId};

/// Of so many things without an end it is looked where they begin: nobody corrects a file with more from a list.
const MOST_OPEN: usize = 100;

/// What is said of one.
const NUL: &str = "a NUL character, which no text has";

/// Parses a file that was read: the table as far as it can be understood, and every syntax error as a problem. The
/// answer tells whether it was free of them.
pub fn parse<'t>(source: SourceId, text: &'t str, problems: &mut Problems) -> (DeTable<'t>, bool) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut table = table.into_inner();
    let clean = errors.is_empty();
    if !clean {
        let message = |error: &toml::de::Error| error.message().lines().collect::<Vec<_>>().join(", ");
        let listed = |errors: Vec<toml::de::Error>| -> Vec<(Range<usize>, String)> {
            errors.iter().map(|error| (error.span().unwrap_or(0..0), message(error))).collect()
        };
        let mut found = told(text, &mut table, listed(errors));
        if text.contains('\0') {
            found = told_beside_nul(text, &listed);
        }
        let counted = Problem::new(Code::TomlSyntax, Place::new(source, 0..0), "one more");
        for (span, message) in found {
            let is_cut_off = text.get(..span.start).is_some_and(|before| before.ends_with('"'));
            let place = Place::new(source, span);
            problems.push(match problems.is_full(source) {
                // Of very many the others are only counted.
                true => counted.clone().at(place),
                false => Problem::new(Code::TomlSyntax, place, &*message).help(way_out(&message, is_cut_off)),
            });
        }
    }
    (table, clean)
}

/// The same of a text with a NUL, at which the parser ends without a word: what else is wrong is seen with a blank in its place.
fn told_beside_nul(
    text: &str,
    listed: &dyn Fn(Vec<toml::de::Error>) -> Vec<(Range<usize>, String)>,
) -> Vec<(Range<usize>, String)> {
    let blank = text.replace('\0', " ");
    let (table, errors) = DeTable::parse_recoverable(&blank);
    let nul = text.match_indices('\0').map(|(at, _)| (at..at + 1, NUL.to_owned()));
    told(&blank, &mut table.into_inner(), nul.chain(listed(errors)).collect())
}

/// The errors that are no consequence of another one, in the order of their places, at most one a line. What stands after a header
/// that cannot be read, and what has no end, is taken out of the table.
fn told(text: &str, table: &mut DeTable<'_>, errors: Vec<(Range<usize>, String)>) -> Vec<(Range<usize>, String)> {
    let mut swallowed: Vec<Range<usize>> = Vec::new();
    let mut all = Vec::new();
    let mut looked_at = 0;
    for (span, message) in errors {
        let lacks_end = message.starts_with("unclosed") || message.starts_with("invalid multi-line");
        if !lacks_end || looked_at == MOST_OPEN {
            all.push((span, message));
            continue;
        }
        looked_at += 1;
        if message.starts_with("unclosed table") || message.starts_with("unclosed array table") {
            take_out(table, &|key, _| key.start >= span.start);
            all.push((span, message));
            continue;
        }
        match value_without_end(text, table, span.start) {
            None => all.push((span, message)),
            // All that follows it was read as a part of it.
            Some(value) if swallowed.iter().any(|known| known.start == value.start) => {}
            Some(value) => {
                all.push((value.start..value.start + 1, message));
                take_out(table, &|key, own| key.start > value.start || *own == value);
                swallowed.push(value.start..span.start);
            }
        }
    }
    all.sort_by_key(|(span, _)| span.start);
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    let inside = |at: usize| swallowed.iter().any(|value| value.start < at && at <= value.end);
    let mut last_line = None;
    all.retain(|(span, _)| {
        let line = ends.partition_point(|end| *end < span.start);
        !inside(span.start) && last_line.replace(line) != Some(line)
    });
    all
}

/// A list, an inline table or a text of several lines that goes on to this place, where the parser found an error: it has no end.
/// The outermost, if one stands in another.
fn value_without_end(text: &str, table: &DeTable<'_>, end: usize) -> Option<Range<usize>> {
    table.values().find_map(|value| {
        let span = value.span();
        let is_open = match value.get_ref() {
            DeValue::Array(_) | DeValue::String(_) => span.end == end && span.start + 1 < end,
            // That of an inline table may end with any of its values.
            DeValue::Table(_) => {
                let written = text.get(span.clone()).unwrap_or_default();
                span.end <= end && written.starts_with('{') && !written.ends_with('}')
            }
            _ => false,
        };
        match value.get_ref() {
            _ if is_open => Some(span),
            DeValue::Table(inner) => value_without_end(text, inner, end),
            DeValue::Array(all) => all.iter().find_map(|one| match one.get_ref() {
                DeValue::Table(inner) => value_without_end(text, inner, end),
                _ => None,
            }),
            _ => None,
        }
    })
}

/// Takes out keys by where they stand, and where their values do.
fn take_out(table: &mut DeTable<'_>, is_lost: &dyn Fn(&Range<usize>, &Range<usize>) -> bool) {
    let lost = table.iter().filter(|(key, value)| is_lost(&key.span(), &value.span()));
    for key in lost.map(|(key, _)| key.get_ref().to_string()).collect::<Vec<_>>() {
        table.remove(key.as_str());
    }
    for (_, value) in table.iter_mut() {
        match value.get_mut() {
            DeValue::Table(inner) => take_out(inner, is_lost),
            DeValue::Array(all) => all.iter_mut().for_each(|one| {
                if let DeValue::Table(inner) = one.get_mut() {
                    take_out(inner, is_lost);
                }
            }),
            _ => {}
        }
    }
}

/// What to do about a syntax error; whether it stands right behind a quotation mark.
fn way_out(message: &str, is_cut_off: bool) -> &'static str {
    let about = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if is_cut_off && message.starts_with("unexpected key or value") {
        "the `\"` before it ends the text: within the text write `'`, or put the whole of it between `'…'`"
    } else if message == NUL {
        "take it out: an editor shows it as `^@`"
    } else if about(&["duplicate"]) {
        "a key, or a `[table]`, stands once: keep one of them"
    } else if about(&["carriage return"]) {
        "a line ends with a line feed, or with a carriage return before it: save the file with such line ends"
    } else if about(&["unclosed table", "unclosed array table"]) {
        "a table begins with its name in brackets, on a line of its own: `[notify]`, and `[[test]]`"
    } else if about(&["array"]) {
        "a list has commas between its values, and brackets around them: `[\"a\", \"b\"]`"
    } else if about(&["inline table", "key-value pairs"]) {
        "a table in a value has commas between its keys, and braces around them: `{ a = 1, b = 2 }`"
    } else if about(&["unquoted key"]) {
        "a line is `key = value`, a `[table]`, or a comment: `# …`"
    } else if about(&["string", "quote", "escape", "newline"]) {
        "text stands in quotes and ends on its line: `\"…\"`; with quotes in it `'…'`, with several lines `'''…'''`"
    } else if about(&["`=`", "key"]) {
        "a line is `key = value`, a `[table]`, or a comment: `# …`"
    } else {
        "a value is `\"text\"`, `5`, `true`, `[\"a\", \"b\"]` or `{ key = \"value\" }`"
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::parse;
    use crate::diagnostic::{Problems, Sources};

    /// The lines with errors, each with the beginning of the message; and the keys that are understood.
    fn of(text: &str) -> (Vec<(usize, String)>, String) {
        let (mut sources, mut problems) = (Sources::default(), Problems::default());
        let source = sources.add(Path::new("a.toml"), text);
        let (table, _) = parse(source, text, &mut problems);
        let line = |at: usize| text[..at].matches('\n').count() + 1;
        let found = problems.iter().map(|problem| {
            let words: Vec<&str> = problem.message.split([',', ' ']).take(2).collect();
            (line(problem.labels[0].place.start), words.join(" "))
        });
        let keys: Vec<String> = table.keys().map(|key| key.get_ref().to_string()).collect();
        (found.collect(), keys.join(" "))
    }

    #[test]
    fn every_syntax_error_is_told_and_nothing_that_follows_from_it() {
        for (text, errors, keys) in [
            ("every=1h\ntimeout=5m\n", &[(1, "string values"), (2, "string values")][..], "every timeout"),
            (
                "a=\"x\nb=tru\n\nc=01\n",
                &[(1, "invalid basic"), (2, "invalid boolean"), (4, "unexpected leading")],
                "a b c",
            ),
            (
                "b=5m\non=[\"failure\"\ntags=[\"x\"]\n[notify]\nc=1\n",
                &[(1, "string values"), (2, "unclosed array")],
                "b",
            ),
            ("env={A=1,B=\nC=2\n", &[(1, "unclosed inline")], ""),
            ("b=1\nretries={times=3\ntimeout='5m'\n[notify]\nafter=2\n", &[(2, "unclosed inline")], "b"),
            ("env={A=1}\nx=[1\n", &[(2, "unclosed array")], "env"),
            ("a=[[1,2\nb=3\n", &[(1, "unclosed array")], ""),
            ("a=[1,\n2,,3,\n4]\nb=5m\n", &[(2, "extra comma"), (4, "string values")], "a b"),
            ("a='''x\nb=1\nc=5m\n", &[(1, "invalid multi-line")], ""),
            ("command df\nevery \"5m\"\n", &[(1, "key with"), (2, "key with")], ""),
            ("a=1\n[notify\non=[1]\nafter=2\n[x]\ny=1\n", &[(2, "unclosed table")], "a"),
            ("a=1\n[[test]\nname=\"x\"\n", &[(2, "unclosed array")], "a"),
            ("a=1\n\0\nb=5m\na=2\n", &[(2, "a NUL"), (3, "string values"), (4, "duplicate key")], "a"),
            ("a=\"x\0y\"\nb=5m\n", &[(1, "a NUL"), (2, "string values")], "a b"),
            ("a=1\n# \0\nb=2\n", &[(2, "a NUL")], "a b"),
        ] {
            let expected = errors.iter().map(|(line, words)| (*line, (*words).to_owned())).collect();
            assert_eq!(of(text), (expected, keys.to_owned()), "{text}");
        }
    }
}
