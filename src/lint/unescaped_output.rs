//! `unescaped-output`: `safe` on what a command wrote.

use std::ops::Range;

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::{Scope, Subject, Whole};
use crate::diagnostic::{Code, Problem, Problems};
use crate::document::{Table, Text, Value};

/// The variables that hold what a command wrote.
const OUTPUT: &[&str] = &["stdout", "stderr", "output", "json", "diff", "perfdata"];

/// Filters after which nothing is left to escape.
const HARMLESS: &[&str] =
    &["e", "escape", "code", "length", "count", "int", "float", "round", "bytes", "duration", "bool"];

/// A template marks as `safe` what comes from `stdout`, `stderr`, `output`, `json`, `diff`, `perfdata` or
/// `previous.stdout`: then the output of the script can mention everybody in the channel, and forge a link.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    let file = &subject.file;
    if !file.text().contains("safe") {
        return;
    }
    let mut values: Vec<Value<'_>> = ["template", "message.title", "message.body", "message.color"]
        .into_iter()
        .filter_map(|key| file.find(key))
        .collect();
    if let Some(fields) = file.find("message.fields").filter(Value::is_table).and_then(|value| value.table()) {
        values.extend(fields.free_keys().into_iter().map(|(_, value)| value));
    }
    let actions = file.find("message.actions").and_then(|value| value.items()).unwrap_or_default();
    for action in actions.iter().filter(|action| action.is_table()).filter_map(Value::table) {
        values.extend(action.free_keys().into_iter().map(|(_, value)| value));
    }
    values.iter().filter(|value| value.is_text()).filter_map(Value::text).for_each(|text| judge(&text, found));
}

/// The same for the templates of `[templates]`.
pub(super) fn check_named(whole: &Whole<'_>, found: &mut Problems) {
    let table = whole.config.find("templates").filter(Value::is_table).and_then(|value| value.table());
    for (_, value) in table.iter().flat_map(Table::free_keys).filter(|(_, value)| value.is_text()) {
        value.text().iter().for_each(|text| judge(text, found));
    }
}

fn judge(text: &Text<'_>, found: &mut Problems) {
    for (range, variable) in unescaped(text.value) {
        let message = format!("`safe` lets `{variable}` mention people and forge links");
        let problem = Problem::new(Code::UnescapedOutput, text.inside(range), message);
        found.push(problem.help("leave `safe` out: values are escaped by themselves; for a block of code use `code`"));
    }
}

/// Each `safe` of a template that stands after an output in the same expression, with the name of that variable.
fn unescaped(template: &str) -> Vec<(Range<usize>, &'static str)> {
    let mut found = Vec::new();
    let mut output: Option<&'static str> = None;
    let mut before = [None, None];
    for (token, span) in tokenize(template, false, SyntaxConfig::default()).map_while(Result::ok) {
        let mut word = None;
        let mut sign = None;
        match token {
            Token::VariableStart | Token::BlockStart | Token::Comma | Token::Tilde => output = None,
            Token::Ident(name) => word = Some(name),
            Token::Pipe => sign = Some('|'),
            Token::Dot => sign = Some('.'),
            _ => {}
        }
        match (word, before[1]) {
            (Some("safe"), Some('|')) => {
                if let Some(variable) = output.take() {
                    found.push((span.start_offset as usize..span.end_offset as usize, variable));
                }
            }
            (Some(filter), Some('|')) if HARMLESS.contains(&filter) => output = None,
            (Some("stdout"), Some('.')) => output = Some("previous.stdout"),
            (Some(name), sign) if sign.is_none() => {
                output = OUTPUT.iter().copied().find(|known| *known == name).or(output);
            }
            _ => {}
        }
        before = [before[1], sign];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::unescaped;

    #[test]
    fn safe_after_an_output_is_found() {
        for (template, found) in [
            ("{{ stdout | safe }}", &["stdout"][..]),
            ("{{ (stdout | trim) | safe }}", &["stdout"]),
            ("{{ json.items[0] | safe }}", &["json"]),
            ("{{ previous.stdout | safe }}", &["previous.stdout"]),
            ("{% filter safe %}{{ stdout }}{% endfilter %}", &[]),
            ("{% set x = output | tail(3) | safe %}{{ diff|safe }}", &["output", "diff"]),
            ("{{ stdout }} {{ job.name | safe }}", &[]),
            ("{{ stdout | e | safe }}", &[]),
            ("{{ stdout | code | safe }}", &[]),
            ("{{ stdout | length | safe }}", &[]),
            ("{{ job.stdouts | safe }} safe | safe stdout", &[]),
            ("{{ stdout ~ '<b>' | safe }}", &[]),
        ] {
            let names: Vec<_> = unescaped(template).into_iter().map(|(_, name)| name).collect();
            assert_eq!(names, found, "{template}");
        }
    }
}
