//! How an expression of a condition is evaluated, and how two values are compared.
//!
//! Before it: expressions and values. After it: `conditions`, and `constancy`, which tries an expression out before any run.

use std::sync::LazyLock;

use minijinja::machinery::ast::{CallArg, Expr};
use minijinja::machinery::parse_expr;
use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};

use super::filters::{Mode, register};
use super::order::have_order;
use super::parents::with_missing_parents;
use super::spelling::written;
use crate::slack::cut_plain;

/// What an expression may spend: an instruction or 64 bytes of text each cost one.
const FUEL: u64 = 100_000;

/// The engine: the templates' filters and tests, and nothing that is written for Slack.
static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    engine.remove_global("debug");
    register(&mut engine, Mode::Plain);
    engine
});

/// The value of an expression; the error is one sentence.
pub(super) fn evaluate(text: &str, context: &Value) -> Result<Value, String> {
    value(text, context).map_err(|error| {
        let missing = || missing(&parse_expr(text).ok()?, context).map(|name| format!("`{name}` is missing"));
        let missing = if error.kind() == ErrorKind::UndefinedError { missing() } else { None };
        missing.unwrap_or_else(|| sentence(&error))
    })
}

fn value(text: &str, context: &Value) -> Result<Value, Error> {
    ENGINE.compile_expression(&with_missing_parents(text, true))?.eval(context.clone())
}

/// The innermost part of an expression that has no value: `json.a.b`, where nothing is known of `json.a.b.c`.
fn missing(expr: &Expr<'_>, context: &Value) -> Option<String> {
    let name = written(expr);
    let known = name.as_deref().and_then(|name| value(name, context).ok());
    if known.as_ref().is_some_and(|value| !value.is_undefined()) {
        return None;
    }
    let inner = parts(expr).into_iter().find_map(|part| missing(part, context));
    inner.or_else(|| name.filter(|_| known.is_some()))
}

/// The parts of an expression that are evaluated whatever the others are.
fn parts<'e>(expr: &'e Expr<'e>) -> Vec<&'e Expr<'e>> {
    match expr {
        Expr::UnaryOp(op) => vec![&op.expr],
        Expr::BinOp(op) => vec![&op.left, &op.right],
        Expr::Compare(chain) => std::iter::once(&chain.expr).chain(chain.ops.iter().map(|step| &step.expr)).collect(),
        Expr::GetAttr(get) => vec![&get.expr],
        Expr::GetItem(get) => vec![&get.expr, &get.subscript_expr],
        Expr::Test(test) => vec![&test.expr],
        Expr::List(list) => list.items.iter().collect(),
        Expr::Tuple(tuple) => tuple.items.iter().collect(),
        Expr::IfExpr(choice) => vec![&choice.test_expr],
        Expr::Filter(filter) => {
            let given = filter.args.iter().filter_map(|argument| match argument {
                CallArg::Pos(value) | CallArg::Kwarg(_, value) => Some(value),
                CallArg::PosSplat(_) | CallArg::KwargSplat(_) => None,
            });
            filter.expr.iter().chain(given).collect()
        }
        _ => Vec::new(),
    }
}

/// A filter applied to a value, which is the first of these, with its arguments.
pub(super) fn apply(filter: &str, values: &[Value]) -> Result<Value, Error> {
    ENGINE.empty_state().apply_filter(filter, values)
}

/// Whether a test holds of a value, which is the first of these, with its arguments.
pub(super) fn holds_test(test: &str, values: &[Value]) -> Result<bool, Error> {
    ENGINE.empty_state().perform_test(test, values)
}

/// Whether an expression looks at a variable.
pub(super) fn looks_at(text: &str, variable: &str) -> bool {
    ENGINE.compile_expression(text).is_ok_and(|compiled| compiled.undeclared_variables(false).contains(variable))
}

/// Whether a sign tells which of two values is the greater.
pub(super) fn orders(sign: &str) -> bool {
    matches!(sign, "<" | "<=" | ">" | ">=")
}

/// Compares two values; nothing where they cannot be. Texts are compared as they are, whatever stands in them.
pub(super) fn compare(left: &Value, sign: &str, right: &Value) -> Result<bool, String> {
    if orders(sign) && !have_order(left, right) {
        return Err(format!("{} and {} cannot be compared", left.kind(), right.kind()));
    }
    let context = Value::from_pairs([("left", left.clone()), ("right", right.clone())]);
    evaluate(&format!("left {sign} right"), &context).map(|value| value.is_true())
}

/// An error of the engine in one sentence.
pub(super) fn sentence(error: &Error) -> String {
    let text = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    cut_plain(&text, 200).0
}
