//! An expression of the templates' language as people write it.
//!
//! Before it: what the parser made of it. After it: `conditions`, which names the parts that it looked at.

use minijinja::machinery::ast::{BinOpKind, CallArg, CompareOpKind, Expr, UnaryOpKind};
use minijinja::value::{Value, ValueKind};

/// An expression as it would be written: the places that the parser keeps do not cover all of one.
pub(super) fn written(expr: &Expr<'_>) -> Option<String> {
    let list = |items: &[Expr<'_>]| Some(items.iter().map(written).collect::<Option<Vec<_>>>()?.join(", "));
    let arguments = |all: &[CallArg<'_>]| {
        let one = |argument: &CallArg<'_>| match argument {
            CallArg::Pos(value) => written(value),
            CallArg::Kwarg(name, value) => Some(format!("{name}={}", written(value)?)),
            CallArg::PosSplat(_) | CallArg::KwargSplat(_) => None,
        };
        let all = all.iter().map(one).collect::<Option<Vec<_>>>()?;
        Some(if all.is_empty() { String::new() } else { format!("({})", all.join(", ")) })
    };
    Some(match expr {
        Expr::Var(var) => var.id.to_owned(),
        Expr::Const(constant) => literal(&constant.value)?,
        Expr::GetAttr(get) => format!("{}.{}", operand(&get.expr)?, get.name),
        Expr::GetItem(get) => format!("{}[{}]", operand(&get.expr)?, written(&get.subscript_expr)?),
        Expr::Filter(filter) => {
            let filtered = filter.expr.as_ref()?;
            let chained = if matches!(filtered, Expr::Filter(_)) { written(filtered)? } else { operand(filtered)? };
            format!("{chained} | {}{}", filter.name, arguments(&filter.args)?)
        }
        Expr::Test(test) => format!("{} is {}{}", written(&test.expr)?, test.name, arguments(&test.args)?),
        Expr::List(all) => format!("[{}]", list(&all.items)?),
        Expr::UnaryOp(op) => match op.op {
            UnaryOpKind::Neg => format!("-{}", operand(&op.expr)?),
            UnaryOpKind::Not => format!("(not {})", written(&op.expr)?),
        },
        Expr::BinOp(op) => format!("({} {} {})", written(&op.left)?, sign(op.op), written(&op.right)?),
        _ => return None,
    })
}

/// The same where something stands before it or behind it that binds closer: `(json.items | first).n`.
fn operand(expr: &Expr<'_>) -> Option<String> {
    let text = written(expr)?;
    let binds = match expr {
        Expr::Filter(_) | Expr::Test(_) => false,
        Expr::UnaryOp(op) => matches!(op.op, UnaryOpKind::Not),
        _ => true,
    };
    Some(if binds { text } else { format!("({text})") })
}

/// A constant as it is written.
fn literal(value: &Value) -> Option<String> {
    Some(match value.kind() {
        ValueKind::String => {
            let text = value.as_str()?.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n");
            format!("'{text}'")
        }
        ValueKind::Number => value.to_string(),
        ValueKind::Bool => value.is_true().to_string(),
        ValueKind::None => "none".to_owned(),
        _ => return None,
    })
}

fn sign(op: BinOpKind) -> &'static str {
    match op {
        BinOpKind::Concat => "~",
        BinOpKind::ScAnd => "and",
        BinOpKind::ScOr => "or",
        other => arithmetic(other).or_else(|| comparison(other)).unwrap_or("=="),
    }
}

pub(super) fn arithmetic(op: BinOpKind) -> Option<&'static str> {
    Some(match op {
        BinOpKind::Add => "+",
        BinOpKind::Sub => "-",
        BinOpKind::Mul => "*",
        BinOpKind::Div => "/",
        BinOpKind::FloorDiv => "//",
        BinOpKind::Rem => "%",
        BinOpKind::Pow => "**",
        _ => return None,
    })
}

pub(super) fn comparison(op: BinOpKind) -> Option<&'static str> {
    Some(match op {
        BinOpKind::Eq => "==",
        BinOpKind::Ne => "!=",
        BinOpKind::Lt => "<",
        BinOpKind::Lte => "<=",
        BinOpKind::Gt => ">",
        BinOpKind::Gte => ">=",
        BinOpKind::In => "in",
        _ => return None,
    })
}

pub(super) fn compared(op: CompareOpKind) -> &'static str {
    match op {
        CompareOpKind::Eq => "==",
        CompareOpKind::Ne => "!=",
        CompareOpKind::Lt => "<",
        CompareOpKind::Lte => "<=",
        CompareOpKind::Gt => ">",
        CompareOpKind::Gte => ">=",
        CompareOpKind::In => "in",
        CompareOpKind::NotIn => "not in",
    }
}
