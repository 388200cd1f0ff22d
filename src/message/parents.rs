//! `json.a.b | default('?')` where there is no `json.a`: the default stands there all the same.
//!
//! Before it: the text of a template or of an expression. After it: the text that the engine reads. The engine knows this for
//! the last part alone, and fails for an earlier one. Only what is asked for with `default` or `is defined` is changed: any other
//! use of what is missing fails as before. Only insertions, and no line break among them: a line keeps its number.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

/// What is missing becomes none, whose parts are missing in turn.
const OR_NONE: &str = " | default(none))";

/// The text in which `default` and `is defined` hold for missing parents too.
pub(super) fn with_missing_parents(text: &str, expression: bool) -> String {
    let tokens: Vec<_> = tokenize(text, expression, SyntaxConfig::default())
        .map_while(Result::ok)
        .map(|(token, span)| (token, span.start_offset as usize, span.end_offset as usize))
        .collect();
    let mut inserted: Vec<(usize, String)> = Vec::new();
    for at in (0..tokens.len()).filter(|at| looks_first(&tokens[*at..])) {
        let Some((start, parents)) = parents(&tokens[..at]) else { continue };
        inserted.push((start, "(".repeat(parents.len())));
        inserted.extend(parents.into_iter().map(|end| (end, OR_NONE.to_owned())));
    }
    inserted.sort_by_key(|(at, _)| *at);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (at, piece) in inserted {
        out += &text[done..at];
        out += &piece;
        done = at;
    }
    out + &text[done..]
}

/// Whether `| default`, or a test whether there is something, begins here.
fn looks_first(tokens: &[(Token<'_>, usize, usize)]) -> bool {
    let word = |at: usize| match tokens.get(at) {
        Some((Token::Ident(name), ..)) => Some(*name),
        _ => None,
    };
    match tokens.first() {
        Some((Token::Pipe, ..)) => matches!(word(1), Some("default" | "d")),
        Some((Token::Ident("is"), ..)) => {
            let test = if word(1) == Some("not") { word(2) } else { word(1) };
            matches!(test, Some("defined" | "undefined"))
        }
        _ => false,
    }
}

/// Where the chain begins that these end with, and the ends of its parts that have a part after them, but the variable itself.
/// Nothing where it is no such chain, or a short one.
fn parents(tokens: &[(Token<'_>, usize, usize)]) -> Option<(usize, Vec<usize>)> {
    let mut ends = Vec::new();
    let mut rest = tokens;
    loop {
        match rest {
            [before @ .., (Token::Dot, ..), (Token::Ident(_) | Token::Int(_), _, end)] => {
                ends.push(*end);
                rest = before;
            }
            [.., (Token::BracketClose, _, end)] => {
                ends.push(*end);
                rest = &rest[..opening(rest)?];
            }
            [.., (Token::Ident(_), start, _)] => {
                let parents: Vec<usize> = ends.into_iter().skip(1).collect();
                return (!parents.is_empty()).then_some((*start, parents));
            }
            _ => return None,
        }
    }
}

/// Where the bracket was opened with whose end these end.
fn opening(tokens: &[(Token<'_>, usize, usize)]) -> Option<usize> {
    let mut open = 0_usize;
    for (at, (token, ..)) in tokens.iter().enumerate().rev() {
        match token {
            Token::BracketClose => open += 1,
            Token::BracketOpen if open == 1 => return Some(at),
            Token::BracketOpen => open -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use minijinja::{Environment, UndefinedBehavior, context};

    use super::with_missing_parents;

    #[test]
    fn the_default_stands_there_where_a_parent_is_missing_and_any_other_use_fails() {
        let mut engine = Environment::new();
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        let context = context! { json => (), list => Vec::<u8>::new(), there => context! { a => context! { b => 7 } } };
        for (template, shown) in [
            ("{{ json.a | default('?') }}", Some("?")),
            ("{{ json.a.b | default('?') }}", Some("?")),
            ("{{ json.a.b.c.d | d('?') }} {{ there.a.b | default('?') }}", Some("? 7")),
            ("{{ json.a[0].b | default('?') }} {{ json['a'].b|default('?') }}", Some("? ?")),
            ("{{ json.a[json.i.j | default(0)].b | default('?') }}", Some("?")),
            ("{{ list[0].value | default('?') }}", Some("?")),
            ("{{ json.a.b is defined }} {{ json.a.b is not defined }}", Some("False True")),
            ("{% if json.a.b is undefined %}none{% endif %}", Some("none")),
            ("{{ 1 + json.a.b | default(3) }}", Some("4")),
            ("{% raw %}{{ json.a.b | default }}{% endraw %}", Some("{{ json.a.b | default }}")),
            ("{{ 'json.a.b | default(1)' }} json.a.b | default", Some("json.a.b | default(1) json.a.b | default")),
            ("{{ json.a.b }}", None),
            ("{{ json.a.b + json.a.c | default(1) }}", None),
            ("{% if json.a.b %}x{% endif %}", None),
            ("{{ (json.a.b) | default('?') }}", None),
        ] {
            let rendered = engine.render_str(&with_missing_parents(template, false), &context).ok();
            assert_eq!(rendered.as_deref(), shown, "{template}");
        }
    }

    #[test]
    fn a_text_that_looks_first_nowhere_stays_as_it_is() {
        for text in
            ["", "{{ json.a.b }} é", "{{ json.a | default(1) }}", "{{ f(x).a.b | default(1) }}", "{{ a.b | default"]
        {
            assert_eq!(with_missing_parents(text, false), text);
        }
    }
}
