//! Comparisons in a condition of which one side is a number and the other text, or a number within a text, as far as the
//! expression itself tells.
//!
//! Before it: an expression that can be read. After it: what is wrong with the first such comparison, for `conditions`. Such
//! a comparison is always false, or fails at each run.

use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Filter, UnaryOpKind};
use minijinja::machinery::{Span, parse_expr};
use minijinja::value::{Value, ValueKind};

use super::evaluate::orders;
use super::order::NumberInText;
use super::spelling::{compared, comparison, written};
use crate::document::parse_duration;

/// What a value is known to be before there is a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Text,
}

/// What is wrong with a part of an expression.
#[derive(Debug)]
pub(super) struct Mismatch {
    /// Where it is; of a comparison, the other side.
    pub(super) at: Span,
    pub(super) message: String,
    pub(super) help: String,
}

/// Filters that make a number of anything.
pub(super) const COUNTING: [&str; 6] = ["int", "float", "length", "count", "round", "abs"];

/// Filters that make text of anything.
pub(super) const WRITING: [&str; 9] =
    ["trim", "lower", "upper", "string", "title", "capitalize", "replace", "strip_ansi", "join"];

/// The first comparison of a number with text, or with a number that is written as text.
pub(super) fn mismatch(source: &str) -> Option<Mismatch> {
    find(&parse_expr(source).ok()?)
}

fn find(expr: &Expr<'_>) -> Option<Mismatch> {
    match expr {
        Expr::BinOp(op) => {
            let own = comparison(op.op).and_then(|sign| unlike(&op.left, sign, &op.right, &of_run));
            own.or_else(|| find(&op.left)).or_else(|| find(&op.right))
        }
        Expr::Compare(chain) => {
            let sides: Vec<&Expr<'_>> =
                std::iter::once(&chain.expr).chain(chain.ops.iter().map(|step| &step.expr)).collect();
            let own = (sides.windows(2).zip(&chain.ops))
                .find_map(|(pair, step)| unlike(pair[0], compared(step.op), pair[1], &of_run));
            own.or_else(|| sides.into_iter().find_map(find))
        }
        Expr::UnaryOp(op) => find(&op.expr),
        Expr::IfExpr(choice) => {
            let otherwise = choice.false_expr.as_ref().and_then(find);
            find(&choice.test_expr).or_else(|| find(&choice.true_expr)).or(otherwise)
        }
        Expr::Filter(filter) => {
            let inner = filter.expr.as_ref().and_then(find).or_else(|| in_arguments(&filter.args));
            inner.or_else(|| selected(filter))
        }
        Expr::Test(test) => find(&test.expr),
        Expr::List(list) => list.items.iter().find_map(find),
        Expr::Tuple(tuple) => tuple.items.iter().find_map(find),
        _ => None,
    }
}

fn in_arguments(arguments: &[CallArg<'_>]) -> Option<Mismatch> {
    arguments.iter().find_map(|argument| match argument {
        CallArg::Pos(value) | CallArg::Kwarg(_, value) => find(value),
        CallArg::PosSplat(_) | CallArg::KwargSplat(_) => None,
    })
}

/// What is wrong with the comparison of `selectattr` and `rejectattr`, where it is known what is compared: `perfdata |
/// selectattr('value', 'gt', '90')`.
pub(super) fn selected(filter: &Filter<'_>) -> Option<Mismatch> {
    let ("selectattr" | "rejectattr", [CallArg::Pos(name), CallArg::Pos(test), CallArg::Pos(with)]) =
        (filter.name, filter.args.as_slice())
    else {
        return None;
    };
    let (name, test, constant) = (name.as_const()?, test.as_const()?, with.as_const()?);
    if !COMPARING.contains(&test.as_str()?) || !is_perfdata(filter.expr.as_ref()?) {
        return None;
    }
    let name = name.as_str()?;
    let kind = match name {
        "value" | "min" | "max" => Kind::Number,
        "label" | "unit" | "warn" | "crit" => Kind::Text,
        _ => return None,
    };
    let (message, help) = match (kind, constant.kind()) {
        (Kind::Number, ValueKind::String) => {
            let number = constant.as_str().and_then(NumberInText::of);
            let help = number.map(|text| format!("write it without quotes: `{}`", text.number));
            let help = help.unwrap_or_else(|| "write a number".to_owned());
            (format!("`{name}` is a number, and is compared with text"), help)
        }
        (Kind::Text, ValueKind::Number) => {
            (format!("`{name}` is text, and is compared with a number"), format!("write `'{constant}'`"))
        }
        _ => return None,
    };
    Some(Mismatch { at: with.span(), message, help })
}

/// Tests that compare two values.
const COMPARING: [&str; 9] = ["lt", "lessthan", "le", "gt", "greaterthan", "ge", "eq", "equalto", "ne"];

/// Whether it is `perfdata`, or some of its entries.
fn is_perfdata(expr: &Expr<'_>) -> bool {
    match expr {
        Expr::Var(var) => var.id == "perfdata",
        Expr::Filter(filter) => {
            let of_entries = ["selectattr", "rejectattr", "sort", "reverse", "list", "unique"].contains(&filter.name);
            of_entries && filter.expr.as_ref().is_some_and(is_perfdata)
        }
        _ => false,
    }
}

/// What is known of a variable, or of an attribute of one.
type Known<'k> = &'k dyn Fn(&Expr<'_>) -> Option<Kind>;

/// What is wrong with a comparison whose sides can never be told apart as they are meant.
pub(super) fn unlike(left: &Expr<'_>, sign: &str, right: &Expr<'_>, known: Known<'_>) -> Option<Mismatch> {
    differ(left, sign, right, known).or_else(|| number_in_text(left, sign, right))
}

/// Whether something is to be less or greater than a number that is written as text.
fn number_in_text(left: &Expr<'_>, sign: &str, right: &Expr<'_>) -> Option<Mismatch> {
    if !orders(sign) {
        return None;
    }
    let (other, constant, at, turned) = match (left.as_const(), right.as_const()) {
        (None, Some(constant)) => (left, constant, right.span(), false),
        (Some(constant), None) => (right, constant, left.span(), true),
        _ => return None,
    };
    let text = constant.as_str()?;
    let number = NumberInText::of(text)?;
    let filters = if number.filters().contains("replace") { number.filters() } else { "| float".to_owned() };
    let (named, digits) = (format!("{} {filters}", written(other)?), number.number);
    let better = if turned { format!("{digits} {sign} {named}") } else { format!("{named} {sign} {digits}") };
    let message = format!("`'{text}'` is text, and is not compared as a number");
    Some(Mismatch { at, message, help: format!("write `{better}`") })
}

/// Whether one side is a number and the other text; a list is what all of its items are.
fn differ(left: &Expr<'_>, sign: &str, right: &Expr<'_>, known: Known<'_>) -> Option<Mismatch> {
    let kind = |expr: &Expr<'_>| kind(expr, known);
    let items = match right {
        Expr::List(list) => list.items.as_slice(),
        Expr::Tuple(tuple) => tuple.items.as_slice(),
        single => std::slice::from_ref(single),
    };
    let (mine, other) = (kind(left)?, items.iter().find(|item| kind(item).is_some())?);
    if items.iter().any(|item| kind(item).is_none_or(|theirs| theirs == mine)) {
        return None;
    }
    // What is not written out is what the message names.
    let (named, constant, named_kind) = match (left.as_const(), written(left), other.as_const(), written(other)) {
        (None, Some(name), constant, _) => (name, constant, mine),
        (constant, _, None, Some(name)) => (name, constant, kind(other)?),
        _ => return None,
    };
    let at = if left.as_const().is_some() { left.span() } else { other.span() };
    let (is, not) = match named_kind {
        Kind::Number => ("a number", "text"),
        Kind::Text => ("text", "a number"),
    };
    let help = match (named_kind, constant.as_ref()) {
        (Kind::Number, Some(text)) => number_for(&named, text),
        (Kind::Number, None) => format!("compare `{named}` with a number"),
        (Kind::Text, Some(_)) if named == "status" => {
            format!("`{named}` is a word: compare it with `'ok'`, or `exit_code` with the number")
        }
        (Kind::Text, Some(number)) if !orders(sign) => {
            format!("write `{named} | int`, or the number in quotes: `'{number}'`")
        }
        (Kind::Text, _) => format!("write `{named} | int`"),
    };
    Some(Mismatch { at, message: format!("`{named}` is {is}, and is compared with {not}"), help })
}

/// What to write in the place of a text that stands where a number is asked for.
fn number_for(name: &str, text: &Value) -> String {
    let text = text.as_str().unwrap_or_default().trim();
    if text.parse::<f64>().is_ok() {
        return format!("write it without quotes: `{text}`");
    }
    match parse_duration(text) {
        Ok(length) if name == "duration" => format!("`duration` is in seconds: write `{}`", length.as_secs_f64()),
        _ => format!("write a number, such as `{name} > 2`"),
    }
}

/// What a variable of a condition is.
fn of_run(expr: &Expr<'_>) -> Option<Kind> {
    match expr {
        Expr::Var(var) => match var.id {
            "exit_code" | "duration" => Some(Kind::Number),
            "stdout" | "stderr" => Some(Kind::Text),
            _ => None,
        },
        Expr::GetAttr(get) => match (&get.expr, get.name) {
            (Expr::Var(var), "finished") if var.id == "previous" => Some(Kind::Number),
            (Expr::Var(var), "status" | "stdout") if var.id == "previous" => Some(Kind::Text),
            _ => None,
        },
        _ => None,
    }
}

/// What a value is, where that is known.
fn kind(expr: &Expr<'_>, known: Known<'_>) -> Option<Kind> {
    match expr {
        Expr::Var(_) | Expr::GetAttr(_) => known(expr),
        Expr::Const(constant) => match constant.value.kind() {
            ValueKind::Number => Some(Kind::Number),
            ValueKind::String => Some(Kind::Text),
            _ => None,
        },
        Expr::UnaryOp(op) if matches!(op.op, UnaryOpKind::Neg) => kind(&op.expr, known),
        Expr::BinOp(op) => match op.op {
            BinOpKind::Concat => Some(Kind::Text),
            BinOpKind::Sub | BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem | BinOpKind::Pow => {
                Some(Kind::Number)
            }
            BinOpKind::Add => kind(&op.left, known).filter(|left| kind(&op.right, known) == Some(*left)),
            _ => None,
        },
        Expr::Filter(filter) if COUNTING.contains(&filter.name) => Some(Kind::Number),
        Expr::Filter(filter) if WRITING.contains(&filter.name) => Some(Kind::Text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::mismatch;

    #[test]
    fn a_number_that_is_compared_with_text_is_found_and_what_to_write_is_said() {
        for (source, message, help) in [
            ("exit_code == '2'", "`exit_code` is a number, and is compared with text", "without quotes: `2`"),
            ("'2' == exit_code", "`exit_code` is a number, and is compared with text", "without quotes: `2`"),
            ("exit_code != 'ok'", "`exit_code` is a number", "such as `exit_code > 2`"),
            ("exit_code in ['1', '2']", "`exit_code` is a number", "without quotes: `1`"),
            ("json.x and duration > '10m'", "`duration` is a number", "in seconds: write `600`"),
            ("not (1 < duration < '9')", "`duration` is a number", "without quotes: `9`"),
            ("stdout > 5", "`stdout` is text, and is compared with a number", "write `stdout | int`"),
            ("stdout == 5", "`stdout` is text, and is compared with a number", "in quotes: `'5'`"),
            ("stdout | length > '5'", "`stdout | length` is a number", "without quotes: `5`"),
            ("previous.status == 2", "`previous.status` is text", "in quotes: `'2'`"),
            ("previous.finished < stderr", "`previous.finished` is a number", "with a number"),
            ("true if exit_code == '1' else false", "`exit_code` is a number", "without quotes: `1`"),
            (
                "stdout | trim > '90%'",
                "`'90%'` is text, and is not compared as a number",
                "write `stdout | trim | replace('%', '') | float > 90`",
            ),
            ("json.queue > '5'", "`'5'` is text", "write `json.queue | float > 5`"),
            ("perfdata | selectattr('value', 'gt', '90%') | list | length > 0", "`value` is a number", "quotes: `90`"),
            ("perfdata | sort | rejectattr('max', 'equalto', 'x') | list", "`max` is a number", "write a number"),
            ("perfdata | selectattr('unit', 'eq', 5) | list", "`unit` is text", "write `'5'`"),
            ("(json.a if exit_code == '1' else json.b) > 2", "`exit_code` is a number", "without quotes: `1`"),
            ("'5' < json.queue", "`'5'` is text", "write `5 < json.queue | float`"),
            ("json.a and 1 < json.queue <= '9.5'", "`'9.5'` is text", "write `json.queue | float <= 9.5`"),
        ] {
            let found = mismatch(source).unwrap_or_else(|| panic!("{source}: nothing is found"));
            assert!(found.message.starts_with(message), "{source}: {}", found.message);
            assert!(found.help.contains(help), "{source}: {}", found.help);
        }
    }

    #[test]
    fn what_may_be_of_the_same_kind_is_left_alone() {
        for source in [
            "exit_code == 2",
            "exit_code in [1, 2]",
            "json.queue == '5'",
            "json.day > '2026-11-28'",
            "json.version >= '1.9.0'",
            "'12:30' < json.time < '13:00'",
            "json.grade > 'b'",
            "stdout | int > 5",
            "'ERROR' in stdout",
            "previous.status != 'ok'",
            "exit_code == none",
            "stdout == '5'",
            "duration + 1 > previous.finished",
            "json.a == json.b",
            "perfdata | selectattr('value', 'gt', 90) | list",
            "perfdata | selectattr('unit', 'eq', '%') | list",
            // What JSON has there is known when it comes.
            "json.disks | selectattr('used', 'ge', '90') | list",
            "json.days | selectattr('date', 'gt', '2026-11-28') | list",
            "json.disks | selectattr('used', 'gt', json.most) | list",
            "json.disks | selectattr('ok') | list",
        ] {
            assert!(mismatch(source).is_none(), "{source}: {:?}", mismatch(source));
        }
    }
}
