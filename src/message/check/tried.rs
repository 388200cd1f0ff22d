//! What is certain to fail whatever a command writes, wherever in a template it stands: filters, tests and arithmetic are tried
//! out with values of every kind that there may be.
//!
//! Before it: an expression and what is known of its value. After it: a finding where each of the values fails.

use std::ops::Range;

use minijinja::machinery::ast::{BinOpKind, CallArg, Expr};
use minijinja::value::{Kwargs, Value};
use minijinja::{Error, ErrorKind};

use super::{Checker, Type};
use crate::diagnostic::Code;
use crate::message::evaluate::{apply, evaluate, holds_test};
use crate::message::filters::FILTERS;
use crate::message::spelling::arithmetic;
use crate::message::vars::VarKind;

/// Of these the value itself says what their arguments may be, or another check has looked already.
const OF_VALUE: [&str; 2] = ["format", "mention"];

/// What is applied to a value.
#[derive(Clone, Copy)]
pub(super) enum Applied {
    Filter,
    Test,
}

impl Checker<'_> {
    /// A filter or a test that fails in the same way with every value that there may be.
    pub(super) fn applied(
        &mut self,
        (applied, name): (Applied, &str),
        (operand, kind): (Option<&Expr<'_>>, Type),
        args: &[CallArg<'_>],
        at: Range<usize>,
    ) {
        let (Some(given), false) = (constants(args), OF_VALUE.contains(&name)) else { return };
        let mut errors = probes(operand, kind).into_iter().map(|value| {
            let all: Vec<Value> = std::iter::once(value).chain(given.iter().cloned()).collect();
            match applied {
                Applied::Filter => apply(name, &all).err(),
                Applied::Test => holds_test(name, &all).err(),
            }
        });
        let Some(Some(first)) = errors.next() else { return };
        let same = |error: Option<Error>| {
            error.is_some_and(|error| error.kind() == first.kind() && error.detail() == first.detail())
        };
        if matches!(first.kind(), ErrorKind::UnknownFilter | ErrorKind::UnknownTest) || !errors.all(same) {
            return;
        }
        let usage = FILTERS.iter().find(|filter| matches!(applied, Applied::Filter) && filter.name == name);
        let help = usage.map(|filter| format!("write it as `{}`: {}", filter.usage, in_sentence(filter.about)));
        let named = given.last().is_some_and(Value::is_kwargs);
        self.find(Code::TemplateSyntax, at, words(name, named, &first), help);
    }

    /// Arithmetic that no pair of such values can be used in.
    pub(super) fn arithmetic(
        &mut self,
        op: BinOpKind,
        (left, of_left): (&Expr<'_>, Type),
        (right, of_right): (&Expr<'_>, Type),
        at: Range<usize>,
    ) {
        let Some(sign) = arithmetic(op) else { return };
        let is_known = |expr: &Expr<'_>, kind: Type| {
            expr.as_const().is_some()
                || matches!(kind, Type::Known(VarKind::Text | VarKind::Output | VarKind::Number | VarKind::Texts))
        };
        if !is_known(left, of_left) || !is_known(right, of_right) {
            return;
        }
        let text = format!("left {sign} right");
        let mut why = String::new();
        for left in probes(Some(left), of_left) {
            for right in probes(Some(right), of_right) {
                let values = [("left", left.clone()), ("right", right)];
                match evaluate(&text, &Value::from_pairs(values)) {
                    Ok(_) => return,
                    Err(error) => why = error,
                }
            }
        }
        let text = |kind| matches!(kind, Type::Known(VarKind::Text | VarKind::Output));
        let help = (text(of_left) || text(of_right))
            .then(|| "the filter `int` makes a number of text, and `~` puts values together as text".to_owned());
        self.find(Code::TemplateSyntax, at, sign_words(sign, (right, &why)), help);
    }

    /// A loop over what has no items.
    pub(super) fn iterated(&mut self, kind: Type, at: Range<usize>) {
        let what = match kind {
            Type::Known(VarKind::Number) => "a number",
            Type::Known(VarKind::Flag) => "true or false",
            Type::Known(VarKind::Span) => "a length of time",
            Type::Known(VarKind::Moment) => "a point in time",
            _ => return,
        };
        let help = "a loop goes through a list: `stdout | lines`, `job.tags`, `perfdata`".to_owned();
        self.find(Code::TemplateSyntax, at, format!("this is {what}, and no list"), Some(help));
    }
}

/// The arguments, where all of them are written out.
fn constants(args: &[CallArg<'_>]) -> Option<Vec<Value>> {
    let mut places = Vec::new();
    let mut names: Vec<(String, Value)> = Vec::new();
    for arg in args {
        match arg {
            CallArg::Pos(value) => places.push(value.as_const()?),
            CallArg::Kwarg(name, value) => names.push(((*name).to_owned(), value.as_const()?)),
            CallArg::PosSplat(_) | CallArg::KwargSplat(_) => return None,
        }
    }
    if !names.is_empty() {
        places.push(names.into_iter().collect::<Kwargs>().into());
    }
    Some(places)
}

/// Values of every kind that something may have: the value itself, where it is written out.
fn probes(operand: Option<&Expr<'_>>, kind: Type) -> Vec<Value> {
    if let Some(value) = operand.and_then(Expr::as_const) {
        return vec![value];
    }
    let texts = ["x", "12", "", "2026-01-31T12:00:00Z", "https://example.com/"].map(Value::from);
    let numbers = [Value::from(1), Value::from(0), Value::from(2.5)];
    let lists = [Value::from(vec!["x", "y"]), Value::from(Vec::<Value>::new())];
    let table = Value::from_pairs([("x", Value::from(1))]);
    match kind {
        Type::Known(VarKind::Text | VarKind::Output) => texts.into(),
        Type::Known(VarKind::Number) => numbers.into(),
        Type::Known(VarKind::Texts) => lists.into(),
        _ => {
            let others = [Value::from(vec![table.clone()]), table, Value::from(true), Value::from(())];
            texts.into_iter().chain(numbers).chain(lists).chain(others).collect()
        }
    }
}

/// Why a filter or a test fails, in words that people have for values.
fn words(name: &str, named: bool, error: &Error) -> String {
    let detail = error.detail().unwrap_or_default();
    let converted = detail.strip_prefix("cannot convert ").and_then(|rest| rest.split_once(" to "));
    let converted = converted.map(|(given, wanted)| (kind(given), kind(wanted)));
    match (error.kind(), converted) {
        (ErrorKind::TooManyArguments, _) => format!("`{name}` takes fewer arguments"),
        (ErrorKind::MissingArgument, _) => format!("`{name}` needs another argument"),
        (_, Some(("a table", _))) if named => format!("`{name}` takes its arguments without names"),
        (_, Some(("a number", wanted))) => format!("`{name}` wants {wanted}"),
        (_, Some((given, wanted))) => format!("`{name}` wants {wanted}, and is given {given}"),
        _ if detail.contains('`') => detail.to_owned(),
        _ => format!("`{name}`: {}", if detail.is_empty() { error.kind().to_string() } else { detail.to_owned() }),
    }
}

/// Why arithmetic fails, in such words.
fn sign_words(sign: &str, (right, why): (&Expr<'_>, &str)) -> String {
    let types = why.rsplit_once(" on unsupported types ").and_then(|(_, types)| types.split_once(" and "));
    match types {
        Some((left, right)) => format!("`{sign}` cannot be used on {} and {}", kind(left), kind(right)),
        None if right.as_const().is_some_and(|value| value == Value::from(0)) => "this divides by 0".to_owned(),
        None => why.to_owned(),
    }
}

/// The engine's name of a kind of value, for people.
fn kind(name: &str) -> &str {
    match name {
        "string" => "text",
        "sequence" => "a list",
        "map" => "a table",
        "bool" => "true or false",
        "none" => "nothing",
        "f32" | "f64" | "number" => "a number",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number, 0 or more",
        other => other,
    }
}

/// A sentence of the manual, within another.
fn in_sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
