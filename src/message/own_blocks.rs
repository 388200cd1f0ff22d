//! What Slack would not take of the blocks that a job's templates write, and where in the template that stands. Pure.
//!
//! Before it: a job's [`Format`]. After it: `check`. What a command will write is not known: only what the template itself
//! spells out is judged.

use std::collections::BTreeSet;
use std::ops::Range;

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use serde_json::Value;

use super::filters::Mode;
use super::format::{Format, Tone};
use crate::policy::Event;
use crate::slack::{Flaw, validate};

/// Something that Slack would not take, at a range of the template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadBlock {
    /// Which template: `message.failure.blocks`.
    pub part: String,
    /// Which bytes of it.
    pub range: Range<usize>,
    /// In words.
    pub why: String,
}

/// A byte of a template's text.
type Offset = usize;

/// A range of a template, and what Slack has against it.
type Blamed = (Range<Offset>, String);

// These stand around what a template spells out, so that it can be told from the values: no text has them.
const FROM: char = '\u{F0000}';
const TEXT: char = '\u{F0001}';
const END: char = '\u{F0002}';

/// Everything that Slack would not take of a job's own blocks.
pub fn bad_blocks(format: &Format) -> Vec<BadBlock> {
    let events: Vec<Event> = super::samples().iter().map(|sample| sample.event).collect();
    let mut found = BTreeSet::new();
    for (tone, part, template) in format.own_blocks() {
        let concerns = |event: &Event| match tone {
            Tone::Good | Tone::Running => true,
            Tone::Recovery => *event == Event::Recovery,
            Tone::Failure => {
                !matches!(event, Event::Recovery | Event::Output | Event::Success | Event::Change | Event::Slow)
            }
        };
        let rendered = format.templates().try_out_as(&marked(&template), Mode::Json);
        let rendered = rendered.into_iter().zip(&events).filter(|(_, event)| concerns(event));
        let written: Vec<Written> = rendered.filter_map(|(text, _)| text.map(|text| Written::of(&text))).collect();
        let mut broken = Vec::new();
        for one in &written {
            match one.flaws() {
                Ok(flaws) => flaws.into_iter().for_each(|(range, why)| {
                    found.insert((part.clone(), range.start, range.end, why));
                }),
                Err(flaw) => broken.push(flaw),
            }
        }
        // Where one sample gives JSON, it depends on what the command writes.
        if broken.len() == written.len()
            && let Some(Some((range, why))) = broken.into_iter().next()
        {
            found.insert((part, range.start, range.end, why));
        }
    }
    let bad = |(part, start, end, why)| BadBlock { part, range: start..end, why };
    found.into_iter().map(bad).collect()
}

/// The template with each piece that it spells out marked by the place where it stands.
fn marked(template: &str) -> String {
    let mut text = String::with_capacity(template.len() * 2);
    let mut at = 0;
    for (token, span) in tokenize(template, false, SyntaxConfig::default()).map_while(Result::ok) {
        let (start, end) = (span.start_offset as usize, span.end_offset as usize);
        if let (Token::TemplateData(_), Some(before), Some(data)) =
            (token, template.get(at..start), template.get(start..end))
        {
            text.extend([before, &format!("{FROM}{start}{TEXT}{data}{END}")]);
            at = end;
        }
    }
    text.push_str(&template[at..]);
    text
}

/// What a marked template has written.
struct Written {
    text: String,
    /// For each byte where in the template it is spelled out; `None` for a value.
    from: Vec<Option<Offset>>,
}

impl Written {
    fn of(marked: &str) -> Self {
        let mut written = Self { text: String::new(), from: Vec::new() };
        let mut place: Option<Offset> = None;
        let mut chars = marked.chars();
        while let Some(c) = chars.next() {
            match c {
                FROM => {
                    let digits: String = chars.by_ref().take_while(|c| *c != TEXT).collect();
                    place = digits.parse().ok();
                }
                END => place = None,
                c => {
                    written.text.push(c);
                    written.from.extend((0..c.len_utf8()).map(|byte| place.map(|place| place + byte)));
                    place = place.map(|place| place + c.len_utf8());
                }
            }
        }
        written
    }

    /// The flaws that the template is to blame for; or that it writes no JSON, where it is to blame for that.
    fn flaws(&self) -> Result<Vec<Blamed>, Option<Blamed>> {
        if self.text.trim().is_empty() {
            return Ok(Vec::new());
        }
        let blocks: Value = serde_json::from_str(&self.text).map_err(|error| {
            let line: usize = self.text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
            let at = (line + error.column().saturating_sub(1)).min(self.text.len().saturating_sub(1));
            let place = self.from.get(at).copied().flatten()?;
            let why = error.to_string();
            let why = why.split(" at line ").next().unwrap_or_default();
            Some((place..place + 1, format!("this is no JSON: {why}")))
        })?;
        let flaws = validate(&blocks).into_iter().filter_map(|flaw| {
            let (range, why) = self.blamed(&flaw)?;
            let number = flaw.pointer.split('/').nth(1).and_then(|index| index.parse::<usize>().ok());
            Some((range, number.map_or(why.clone(), |number| format!("block {}: {why}", number + 1))))
        });
        Ok(flaws.collect())
    }

    /// Where the template spells out what is at fault: a whole list or object by its beginning, anything else only where
    /// no value has a part in it, but for a URL whose beginning is none.
    fn blamed(&self, flaw: &Flaw) -> Option<Blamed> {
        let span = span_of(&self.text, &flaw.pointer);
        let (text, from) = (&self.text[span.clone()], &self.from[span]);
        let first = from.first().copied().flatten()?;
        // Nothing stands in the list, and where a value or a loop could, the next run may fill it.
        let is_empty = text.strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with(']'));
        if is_empty && (0..from.len()).any(|at| from[at] != Some(first + at)) {
            return None;
        }
        if text.starts_with(['{', '[']) {
            let last = from.iter().rev().find_map(|from| *from).filter(|last| *last > first);
            return Some((first..last.unwrap_or(first) + 1, flaw.why.clone()));
        }
        // A value may be empty: then what stands before and after it does not stand together in the template.
        let Some(value) = (0..from.len()).find(|at| from[*at] != Some(first + at)) else {
            return Some((first..first + text.len(), flaw.why.clone()));
        };
        let begin = text.get(..value).filter(|_| flaw.pointer.ends_with("url"))?.trim_start_matches('"');
        let is_scheme = |scheme: &str| begin.starts_with(scheme) || scheme.starts_with(begin);
        let why = format!("`{begin}…` is no absolute URL, https or http");
        (!["https://", "http://"].into_iter().any(is_scheme)).then_some((first..first + value, why))
    }
}

/// Where the value that a JSON pointer names stands in a valid JSON text.
fn span_of(text: &str, pointer: &str) -> Range<usize> {
    let bytes = text.as_bytes();
    let mut at = blanks(bytes, 0);
    for key in pointer.split('/').skip(1) {
        let Some(inner) = member(text, at, key) else { break };
        at = inner;
    }
    at..end_of(bytes, at)
}

fn blanks(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// The end of the value that begins at `at`.
fn end_of(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (index, byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => {
                quoted = !quoted;
                if !quoted && depth == 0 {
                    return index + 1;
                }
            }
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return if depth == 1 { index + 1 } else { index },
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => return index,
            byte if depth == 0 && byte.is_ascii_whitespace() => return index,
            _ => {}
        }
    }
    bytes.len()
}

/// Where the member of this name, or of this number, begins in the list or object at `at`.
fn member(text: &str, at: usize, key: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_object = *bytes.get(at)? == b'{';
    let mut at = blanks(bytes, at + 1);
    for index in 0.. {
        if matches!(bytes.get(at)?, b'}' | b']') {
            return None;
        }
        let end = end_of(bytes, at);
        let mut value = at;
        let mut found = index.to_string() == key;
        if is_object {
            found = serde_json::from_str::<String>(&text[at..end]).is_ok_and(|name| name == key);
            value = blanks(bytes, blanks(bytes, end) + 1);
        }
        if found {
            return Some(value);
        }
        at = blanks(bytes, end_of(bytes, value));
        at = blanks(bytes, at + usize::from(bytes.get(at) == Some(&b',')));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Written, marked, span_of};

    #[test]
    fn a_place_in_json_is_found_by_its_pointer() {
        let text = r#" [ {"type": "a,]", "n" : 1 , "list":[1,{"x":"\"}"}, true ]}, null ]"#;
        for (pointer, wanted) in [
            ("", &text[1..]),
            ("/0/type", r#""a,]""#),
            ("/0/n", "1"),
            ("/0/list", r#"[1,{"x":"\"}"}, true ]"#),
            ("/0/list/1/x", r#""\"}""#),
            ("/0/list/2", "true"),
            ("/1", "null"),
            ("/0/none", r#"{"type": "a,]", "n" : 1 , "list":[1,{"x":"\"}"}, true ]}"#),
        ] {
            assert_eq!(&text[span_of(text, pointer)], wanted, "{pointer}");
        }
    }

    #[test]
    fn a_flaw_is_shown_at_all_of_what_the_template_spells_out_and_at_nothing_else() {
        for (template, wrong) in [
            (r#"[{"type": "divider"}, {"type": "sektion"}]"#, r#""sektion""#),
            (r#"[{"type": "section", "text": {"type": "mrkdwn", "text": ""}}]"#, r#""""#),
            (r#"[{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]"#, r#""mrkdwn""#),
        ] {
            let marked = minijinja::Environment::new().render_str(&marked(template), ()).expect("it renders");
            let flaws = Written::of(&marked).flaws().expect("it is JSON");
            let shown: Vec<&str> = flaws.iter().map(|(range, _)| &template[range.clone()]).collect();
            assert_eq!(shown, [wrong], "{flaws:?}");
        }
    }

    #[test]
    fn what_a_template_spells_out_keeps_its_place_and_values_have_none() {
        let template = "[{# note #}\"é{{ x }}b\"{% if y %} {% raw %}{{c}}{% endraw %}{% endif %}]";
        let env = minijinja::Environment::new();
        let rendered =
            env.render_str(&marked(template), minijinja::context!(x => "val", y => true)).expect("it renders");
        let written = Written::of(&rendered);
        assert_eq!(written.text, "[\"évalb\" {{c}}]");
        for (index, c) in written.text.char_indices() {
            match written.from[index] {
                Some(place) => assert_eq!(template[place..].chars().next(), Some(c), "{index}"),
                None => assert!("val".contains(c), "{c}"),
            }
        }
    }
}
