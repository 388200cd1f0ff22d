//! `may-be-missing`: what a template needs and will not have just when it matters.

use std::ops::Range;

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use super::{Scope, Subject};
use crate::diagnostic::{Code, Problem, Problems};
use crate::document::{Text, Value};
use crate::exec::Parse;

/// Parts that failures have too.
const OF_FAILURES: [&str; 4] = ["failure_template", "message.title", "message.color", "message.blocks"];

/// Parts that only good news has.
const OF_GOOD_NEWS: [&str; 2] = ["template", "message.body"];

/// Expressions: what is missing makes the run critical.
const CONDITIONS: [&str; 2] = ["warning_when", "critical_when"];

/// A failed command seldom prints the JSON that a template takes apart, the first run has none before it, and good news has no
/// incident: a part that needs them cannot be rendered, and is left out. `default` says what stands there instead, and a condition
/// that looks first is as good.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    let says_so = |text: &str| ["json", "previous", "incident"].iter().any(|name| text.contains(name));
    if !says_so(subject.file.text()) && !says_so(subject.config.text()) {
        return;
    }
    // A text with an error is another matter.
    let found_in = |keys: &[&'static str]| {
        let good = keys.iter().filter(|key| subject.has(&[key]));
        good.filter_map(|key| subject.find(key)).collect::<Vec<_>>()
    };
    for text in found_in(&CONDITIONS).iter().filter(|value| value.is_text()).filter_map(Value::text) {
        of_condition(&text).into_iter().for_each(|problem| found.push(problem));
    }
    let parses = subject.job.command.parse() == Some(Parse::Json) || !subject.has(&["parse"]);
    let mut judge = |value: &Value<'_>, fails: bool| {
        if let Some(text) = Some(value).filter(|value| value.is_text()).and_then(Value::text) {
            problems(&text, parses, fails).into_iter().for_each(|problem| found.push(problem));
        }
    };
    found_in(&OF_GOOD_NEWS).iter().for_each(|value| judge(value, false));
    found_in(&OF_FAILURES).iter().for_each(|value| judge(value, true));
    let tables = found_in(&["message.fields", "message.failure", "message.failure.fields"]);
    for table in tables.iter().filter(|value| value.is_table()).filter_map(Value::table) {
        table.free_keys().iter().for_each(|(_, value)| judge(value, true));
    }
    let lists = found_in(&["message.actions", "message.failure.actions"]);
    let actions = lists.iter().filter_map(Value::items).flatten().filter(Value::is_table);
    for action in actions.filter_map(|action| action.table()) {
        action.free_keys().iter().for_each(|(_, value)| judge(value, true));
    }
}

/// A condition that needs the run before it is critical in the first run. One that looks at `previous` first is well.
fn of_condition(text: &Text<'_>) -> Vec<Problem> {
    const BRACES: &str = "{{ ";
    let found = uses(&format!("{BRACES}{} }}}}", text.value));
    let looks_first = found.iter().any(|one| one.root == "previous" && one.bare);
    let needs = found.into_iter().filter(|one| one.root == "previous" && !one.bare && !looks_first);
    let problem = |one: Use| {
        let range = one.range.start - BRACES.len()..one.range.end - BRACES.len();
        let name = &text.value[range.clone()];
        let message = format!("`{name}` is missing in the first run, which is critical then");
        let help = format!("look first: `previous and …`, or `({name} | default(''))`");
        Problem::new(Code::MayBeMissing, text.inside(range), message).help(help)
    };
    needs.map(problem).collect()
}

fn problems(text: &Text<'_>, parses: bool, fails: bool) -> Vec<Problem> {
    let problem = |range: Range<usize>, message: String, help: String| {
        Problem::new(Code::MayBeMissing, text.inside(range), message).help(help)
    };
    let mut problems = Vec::new();
    for Use { range, root, bare } in uses(text.value) {
        let name = &text.value[range.clone()];
        match root {
            "json" if !parses => {
                let message = "`json` is none: nothing says that the output is JSON".to_owned();
                problems.push(problem(range, message, "add `parse = \"json\"`".to_owned()));
            }
            "json" if fails && !bare => {
                let message = format!("`{name}` is missing when the command fails without printing its JSON");
                problems.push(problem(
                    range.clone(),
                    message,
                    format!("say what stands there then: `{name} | default('?')`"),
                ));
            }
            "incident" if !fails && !bare => {
                let message = format!("`{name}` is missing in good news: no incident is open then");
                let help = format!("look first: `{{% if incident %}}…{{% endif %}}`, or `({name} | default(''))`");
                problems.push(problem(range, message, help));
            }
            "previous" if !bare => {
                let message = format!("`{name}` is missing in the first run, which has none before it");
                let help = format!("look first: `{{% if previous %}}…{{% endif %}}`, or `({name} | default(''))`");
                problems.push(problem(range, message, help));
            }
            _ => {}
        }
    }
    problems
}

/// A use of `json`, `previous` or `incident` that nothing looks after.
#[derive(Debug, PartialEq, Eq)]
struct Use {
    /// With the attributes that follow it.
    range: Range<usize>,
    root: &'static str,
    /// Without any attribute: none is a value too.
    bare: bool,
}

/// The uses of a template, but those in an expression with `default` or a test of its own, and those below an `if` that
/// names the same variable.
fn uses(template: &str) -> Vec<Use> {
    let tokens: Vec<_> = tokenize(template, false, SyntaxConfig::default()).map_while(Result::ok).collect();
    let mut found = Vec::new();
    // The variables that each open `if` looks at.
    let mut guards: Vec<Vec<&'static str>> = Vec::new();
    for block in tokens.split_inclusive(|(token, _)| matches!(token, Token::VariableEnd | Token::BlockEnd)) {
        let words: Vec<&str> = block
            .iter()
            .filter_map(|(token, _)| if let Token::Ident(name) = token { Some(*name) } else { None })
            .collect();
        let statement = block.iter().any(|(token, _)| matches!(token, Token::BlockStart));
        let here = in_block(block);
        match words.first().copied() {
            Some("if") if statement => {
                guards.push(here.iter().map(|one| one.root).collect());
                continue;
            }
            Some("elif") if statement => {
                if let Some(guard) = guards.last_mut() {
                    guard.extend(here.iter().map(|one| one.root));
                }
                continue;
            }
            Some("endif") if statement => {
                guards.pop();
            }
            _ => {}
        }
        let looked_after = words.iter().any(|word| matches!(*word, "default" | "d" | "defined" | "if"));
        let guarded = |root| guards.iter().any(|guard| guard.contains(&root));
        if !looked_after {
            found.extend(here.into_iter().filter(|one| !guarded(one.root)));
        }
    }
    found
}

/// The uses in one pair of braces.
fn in_block(block: &[(Token<'_>, minijinja::machinery::Span)]) -> Vec<Use> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((token, span)) = block.get(at) {
        let before = at.checked_sub(1).map(|before| &block[before].0);
        let is_root = !matches!(before, Some(Token::Dot | Token::Pipe));
        let root = match token {
            Token::Ident("json") if is_root => "json",
            Token::Ident("previous") if is_root => "previous",
            Token::Ident("incident") if is_root => "incident",
            _ => {
                at += 1;
                continue;
            }
        };
        let start = span.start_offset as usize;
        let mut end = span.end_offset as usize;
        let mut bare = true;
        at += 1;
        while let Some([(Token::Dot, _), (Token::Ident(_) | Token::Int(_), name)]) = block.get(at..at + 2) {
            (end, bare) = (name.end_offset as usize, false);
            at += 2;
        }
        if let Some((Token::BracketOpen, _)) = block.get(at) {
            bare = false;
        }
        found.push(Use { range: start..end, root, bare });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::uses;

    #[test]
    fn what_nothing_looks_after() {
        for (template, found) in [
            ("{{ json.status }}", &["json.status"][..]),
            ("{{ json.a.b }} of {{ json[0] }}", &["json.a.b", "json"]),
            ("{{ json.status | default('?') }} {{ json.x|d(1) }}", &[]),
            ("{% if json %}{{ json.status }}{% endif %}{{ json.late }}", &["json.late"]),
            ("{% if json.x is defined %}{{ json.x }}{% else %}{{ json.y }}{% endif %}", &[]),
            ("{{ json.x if json else 'none' }}", &[]),
            ("{{ previous.stdout }} {{ job.previous }} {{ x | json }}", &["previous.stdout"]),
            ("{% for item in json.items %}{{ item.name }}{% endfor %}", &["json.items"]),
            ("{{ json }} json.x", &["json"]),
        ] {
            let names: Vec<_> = uses(template).into_iter().map(|one| &template[one.range]).collect();
            assert_eq!(names, found, "{template}");
        }
    }
}
