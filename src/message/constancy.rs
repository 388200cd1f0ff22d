//! Parts of a condition that come out the same whatever the run was: they look at nothing of it, can never be true, are always
//! true, or fail each time. As far as the expression itself tells.
//!
//! Before it: an expression that can be read, and that compares no number with text. After it: what is wrong with the first
//! such part, for `conditions`. What is not known for certain is left alone.

use minijinja::machinery::Span;
use minijinja::machinery::ast::{BinOpKind, Expr, UnaryOpKind};
use minijinja::machinery::parse_expr;
use minijinja::value::{Value, ValueKind};

use super::comparisons::{COUNTING, Mismatch, WRITING};
use super::evaluate::{compare, evaluate};
use super::spelling::{compared, comparison, written};
use crate::document::did_you_mean;
use crate::exec::Status;

/// Variables whose kind of value is known before any run.
const KNOWN: [&str; 5] = ["stdout", "stderr", "exit_code", "duration", "previous"];

/// Tests that ask for nothing but a kind of value.
const OF_KINDS: [&str; 11] = [
    "defined",
    "undefined",
    "string",
    "number",
    "integer",
    "float",
    "boolean",
    "none",
    "mapping",
    "sequence",
    "iterable",
];

/// A comparison of something of the run with a constant.
struct Atom<'e> {
    /// What is compared.
    expr: &'e Expr<'e>,
    /// The same in words.
    name: String,
    sign: &'static str,
    constant: Value,
    at: Span,
}

/// The first part that comes out the same each time. A condition that is nothing but `true` or `false` says what it means.
pub(super) fn fault(source: &str) -> Option<Mismatch> {
    match &parse_expr(source).ok()? {
        Expr::Const(constant) if constant.value.kind() == ValueKind::Bool => None,
        expr => judge(expr),
    }
}

fn judge(expr: &Expr<'_>) -> Option<Mismatch> {
    match expr {
        Expr::UnaryOp(op) if matches!(op.op, UnaryOpKind::Not) => judge(&op.expr),
        Expr::BinOp(op) if matches!(op.op, BinOpKind::ScAnd | BinOpKind::ScOr) => {
            let all = matches!(op.op, BinOpKind::ScAnd);
            let mut parts = Vec::new();
            flatten(expr, all, &mut parts);
            let alone = parts.iter().find_map(|part| judge(part));
            alone.or_else(|| together(&parts, all)).or_else(|| with_its_opposite(&parts, all))
        }
        Expr::IfExpr(choice) => {
            let branches = std::iter::once(&choice.true_expr).chain(&choice.false_expr);
            judge(&choice.test_expr).or_else(|| branches.filter(|branch| !is_plain(branch)).find_map(judge))
        }
        _ => single(expr),
    }
}

/// Whether a branch looks at nothing: it may say what the choice comes to.
fn is_plain(branch: &Expr<'_>) -> bool {
    let looks_at = Variables::of(branch);
    looks_at.names.is_empty() && looks_at.all_seen
}

/// The parts of `a and b and c`.
fn flatten<'e>(expr: &'e Expr<'e>, all: bool, parts: &mut Vec<&'e Expr<'e>>) {
    match expr {
        Expr::BinOp(op) if matches!((&op.op, all), (BinOpKind::ScAnd, true) | (BinOpKind::ScOr, false)) => {
            flatten(&op.left, all, parts);
            flatten(&op.right, all, parts);
        }
        part => parts.push(part),
    }
}

/// A part that has no `and`, `or` or `not`.
fn single(expr: &Expr<'_>) -> Option<Mismatch> {
    let text = in_words(expr)?;
    if let Some(found) = by_zero(expr) {
        return Some(found);
    }
    let looks_at = Variables::of(expr);
    let fails = |why: &str| Mismatch {
        at: expr.span(),
        message: format!("`{text}` fails at every run: {why}"),
        help: "write something that can be reckoned with".to_owned(),
    };
    if looks_at.names.is_empty() && looks_at.all_seen {
        return Some(match evaluate(&text, &Value::UNDEFINED) {
            Err(why) => fails(&why),
            Ok(value) => Mismatch {
                at: expr.span(),
                message: format!("`{text}` looks at nothing of the run: it is always {}", value.is_true()),
                help: "compare something that comes of a run, such as `exit_code > 1`".to_owned(),
            },
        });
    }
    let tried = |text: &str| samples().iter().map(|run| evaluate(text, run)).collect::<Vec<_>>();
    if looks_at.known_alone() && looks_at.reckons_only {
        // A chain of comparisons has no words of its own: the first that fails says why.
        let results = tried(&text);
        if results.iter().all(Result::is_err) {
            return results.into_iter().next()?.err().map(|why| fails(&why));
        }
    }
    if let Expr::Test(test) = expr
        && OF_KINDS.contains(&test.name)
        && looks_at.known_alone()
        && matches!(test.expr, Expr::Var(_))
    {
        let results: Vec<bool> = tried(&text).into_iter().flatten().map(|value| value.is_true()).collect();
        let first = *results.first()?;
        let all_same = results.len() == samples().len() && results.iter().all(|result| *result == first);
        return all_same.then(|| same_each_time(expr.span(), &text, first, String::new()));
    }
    if let Some(found) = with_itself(expr, &text) {
        return Some(found);
    }
    let atoms = atoms_of(expr);
    if let [_, _, ..] = atoms.as_slice() {
        return together(&[expr], true);
    }
    let atom = atoms.first()?;
    let never = match possible(&[atom], true) {
        None => return Some(fails("the two cannot be compared")),
        Some(possible) => !possible,
    };
    let always = !never && possible(&[atom], false) == Some(false);
    (never || always).then(|| same_each_time(atom.at, &text, always, about(atom)))
}

fn same_each_time(at: Span, text: &str, is: bool, help: String) -> Mismatch {
    let often = if is { "always" } else { "never" };
    let help = if help.is_empty() { "compare something that differs from run to run".to_owned() } else { help };
    Mismatch { at, message: format!("`{text}` is {often} true"), help }
}

/// What is known of the value that is compared.
fn about(atom: &Atom<'_>) -> String {
    match atom.name.as_str() {
        "exit_code" => "`exit_code` is a whole number from 0 to 255".to_owned(),
        "duration" => "`duration` is a number of seconds, 0 or more".to_owned(),
        "previous.status" => {
            let wrong = atom.constant.as_str().unwrap_or_default().to_lowercase();
            did_you_mean(&wrong, STATUSES.map(Status::as_str))
                .unwrap_or_else(|| "`previous.status` is `ok`, `warning`, `unknown` or `critical`".to_owned())
        }
        "stdout" | "stderr" | "previous.stdout" => {
            format!("`{}` is text, without the new lines at its end", atom.name)
        }
        _ => String::new(),
    }
}

const STATUSES: [Status; 4] = [Status::Ok, Status::Warning, Status::Unknown, Status::Critical];

/// Comparisons of the same thing of which `and` can never have all, or `or` always has one.
fn together(parts: &[&Expr<'_>], all: bool) -> Option<Mismatch> {
    let atoms: Vec<Atom<'_>> = parts.iter().flat_map(|part| atoms_of(part)).collect();
    // A chain (`1 < x < 9`) is an `and` of its own: it is no part of an `or`.
    if !all && parts.iter().any(|part| matches!(part, Expr::Compare(_))) {
        return None;
    }
    for (index, last) in atoms.iter().enumerate() {
        let same: Vec<&Atom<'_>> = atoms[..=index].iter().filter(|atom| atom.name == last.name).collect();
        if same.len() > 1 && possible(&same, all) == Some(false) {
            let often = if all { "never true together" } else { "always true, one or the other" };
            let texts: Vec<String> = same.iter().map(|atom| atom.text()).collect();
            let word = if all { " and " } else { " or " };
            let other = if all { "or" } else { "and" };
            let help = format!("write `{other}` between them, or other values");
            return Some(Mismatch { at: last.at, message: format!("{} are {often}", texts.join(word)), help });
        }
    }
    None
}

/// `x or not x` and its like.
fn with_its_opposite(parts: &[&Expr<'_>], all: bool) -> Option<Mismatch> {
    let opposite = |part: &Expr<'_>| match part {
        Expr::UnaryOp(op) if matches!(op.op, UnaryOpKind::Not) => in_words(&op.expr),
        _ => None,
    };
    let (not, text) = parts.iter().find_map(|part| {
        let text = opposite(part)?;
        parts.iter().any(|other| in_words(other).as_ref() == Some(&text)).then_some((part, text))
    })?;
    let often = if all { "never true together" } else { "always true, one or the other" };
    let message = format!("`{text}` and `not {text}` are {often}");
    Some(Mismatch { at: not.span(), message, help: "leave one of them out".to_owned() })
}

impl Atom<'_> {
    fn text(&self) -> String {
        let constant = match self.constant.as_str() {
            Some(text) => format!("'{text}'"),
            None => self.constant.to_string(),
        };
        format!("`{} {} {constant}`", self.name, self.sign)
    }
}

/// The comparisons with constants that a part is made of.
fn atoms_of<'e>(expr: &'e Expr<'e>) -> Vec<Atom<'e>> {
    let pairs: Vec<(&Expr<'_>, &'static str, &Expr<'_>)> = match expr {
        Expr::BinOp(op) => comparison(op.op).map(|sign| (&op.left, sign, &op.right)).into_iter().collect(),
        Expr::Compare(chain) => {
            let sides = std::iter::once(&chain.expr).chain(chain.ops.iter().map(|step| &step.expr));
            let rest = chain.ops.iter().map(|step| (compared(step.op), &step.expr));
            sides.zip(rest).map(|(left, (sign, right))| (left, sign, right)).collect()
        }
        _ => Vec::new(),
    };
    let atom = |(left, sign, right): (&'e Expr<'e>, &'static str, &'e Expr<'e>)| {
        let (expr, constant, sign, at) = match (left.as_const(), right.as_const()) {
            (None, Some(constant)) => (left, constant, sign, right.span()),
            (Some(constant), None) => (right, constant, turned(sign)?, left.span()),
            _ => return None,
        };
        Some(Atom { expr, name: written(expr)?, sign, constant, at })
    };
    pairs.into_iter().filter_map(atom).collect()
}

/// The sign between two values that have changed places.
fn turned(sign: &'static str) -> Option<&'static str> {
    Some(match sign {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        "==" | "!=" => sign,
        _ => return None,
    })
}

/// Whether some value makes all of the comparisons true, or all false; nothing where none can be compared.
fn possible(atoms: &[&Atom<'_>], holds: bool) -> Option<bool> {
    let mut compares = false;
    for value in values(atoms) {
        let results: Result<Vec<bool>, String> =
            atoms.iter().map(|atom| compare(&value, atom.sign, &atom.constant)).collect();
        let Ok(results) = results else { continue };
        compares = true;
        if results.iter().all(|result| *result == holds) {
            return Some(true);
        }
    }
    compares.then_some(false)
}

/// Values that what is compared may have: enough of them to find each way in which the comparisons can come out.
fn values(atoms: &[&Atom<'_>]) -> Vec<Value> {
    let Some(first) = atoms.first() else { return Vec::new() };
    let mut constants = Vec::new();
    for atom in atoms {
        match atom.constant.kind() {
            // What is compared may be one of the items, or a whole list.
            ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
                let items: Vec<Value> = atom.constant.try_iter().into_iter().flatten().collect();
                let longer = items.iter().cloned().chain([Value::from(0)]).collect();
                constants.extend([atom.constant.clone(), longer, Value::from(Vec::<Value>::new())]);
                constants.extend(items);
            }
            _ => constants.push(atom.constant.clone()),
        }
    }
    let numbers = || numbers_near(&constants);
    let at_least_0 = |value: &Value| compare(value, ">=", &Value::from(0)) == Ok(true);
    let filter = if let Expr::Filter(filter) = first.expr { Some(filter.name) } else { None };
    match first.name.as_str() {
        "exit_code" => (0..=255).map(Value::from).chain([Value::from(())]).collect(),
        "duration" | "previous.finished" => numbers().into_iter().filter(at_least_0).collect(),
        "previous.status" => STATUSES.map(|status| Value::from(status.as_str())).to_vec(),
        "stdout" | "stderr" | "previous.stdout" => {
            texts_near(&constants).into_iter().filter(|text| !text.ends_with('\n')).map(Value::from).collect()
        }
        "previous" => vec![Value::from(()), Value::from_pairs([("status", "ok")])],
        _ => match filter {
            Some("length" | "count") => {
                numbers().into_iter().filter(|value| value.is_integer() && at_least_0(value)).collect()
            }
            Some("int") => numbers().into_iter().filter(Value::is_integer).collect(),
            Some(name) if COUNTING.contains(&name) => numbers(),
            Some(name) if WRITING.contains(&name) => texts_near(&constants).into_iter().map(Value::from).collect(),
            _ => {
                let others = [Value::from(true), Value::from(false), Value::from(())];
                let texts = texts_near(&constants).into_iter().map(Value::from);
                numbers().into_iter().chain(texts).chain(others).chain(constants.iter().cloned()).collect()
            }
        },
    }
}

/// Numbers at, beside and far from each of these, and between each two.
fn numbers_near(constants: &[Value]) -> Vec<Value> {
    let mut near = vec![Value::from(0), Value::from(1)];
    let mut all: Vec<f64> = Vec::new();
    for constant in constants.iter().filter(|constant| constant.kind() == ValueKind::Number) {
        near.push(constant.clone());
        if let Ok(whole) = i128::try_from(constant.clone()) {
            near.extend([whole.saturating_sub(1), whole.saturating_add(1)].map(Value::from));
        }
        all.extend(f64::try_from(constant.clone()));
    }
    all.sort_by(f64::total_cmp);
    let between = all.windows(2).map(|pair| pair[0].midpoint(pair[1]));
    let beside = all.iter().flat_map(|number| {
        let far = number.abs().mul_add(2.0, 1.0);
        [number.floor(), number.ceil(), number - 0.5, number + 0.5, far, -far]
    });
    for number in between.chain(beside).collect::<Vec<f64>>() {
        near.push(Value::from(number));
        #[expect(clippy::cast_possible_truncation, reason = "a number that saturates is one to try all the same")]
        near.extend([number.floor(), number.ceil()].map(|number| Value::from(number as i128)));
    }
    near
}

/// Each of these texts, one that is none of them, the least and one that is greater than most.
fn texts_near(constants: &[Value]) -> Vec<String> {
    let mut near = vec![String::new(), "\u{1}".to_owned(), "\u{10FFFF}".to_owned()];
    for text in constants.iter().filter_map(Value::as_str) {
        near.extend([text.to_owned(), format!("{text}\u{1}"), format!("{text}{text}\u{1}")]);
        let mut shorter = text.to_owned();
        shorter.pop();
        near.push(shorter);
    }
    near
}

/// `x == x` and its like.
fn with_itself(expr: &Expr<'_>, text: &str) -> Option<Mismatch> {
    let (left, sign, right) = match expr {
        Expr::BinOp(op) => (&op.left, comparison(op.op)?, &op.right),
        Expr::Compare(chain) => match chain.ops.as_slice() {
            [step] => (&chain.expr, compared(step.op), &step.expr),
            _ => return None,
        },
        _ => return None,
    };
    if written(left)? != written(right)? || sign.ends_with("in") {
        return None;
    }
    let is = matches!(sign, "==" | "<=" | ">=");
    Some(same_each_time(right.span(), text, is, "both sides are the same".to_owned()))
}

/// A division by a 0 that is written there.
fn by_zero(expr: &Expr<'_>) -> Option<Mismatch> {
    let is_zero =
        |expr: &Expr<'_>| expr.as_const().is_some_and(|value| compare(&value, "==", &Value::from(0)) == Ok(true));
    match expr {
        Expr::BinOp(op) => {
            let divides = matches!(op.op, BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem);
            if divides && is_zero(&op.right) {
                let message = "this divides by 0, which fails at every run".to_owned();
                return Some(Mismatch { at: op.right.span(), message, help: "divide by something else".to_owned() });
            }
            by_zero(&op.left).or_else(|| by_zero(&op.right))
        }
        Expr::Compare(chain) => by_zero(&chain.expr).or_else(|| chain.ops.iter().find_map(|step| by_zero(&step.expr))),
        Expr::UnaryOp(op) => by_zero(&op.expr),
        Expr::Filter(filter) => filter.expr.as_ref().and_then(by_zero),
        Expr::Test(test) => by_zero(&test.expr),
        _ => None,
    }
}

/// An expression as it is written: a comparison without brackets, which it has where it is a part of another.
fn in_words(expr: &Expr<'_>) -> Option<String> {
    match expr {
        Expr::BinOp(op) => match comparison(op.op) {
            Some(sign) => Some(format!("{} {sign} {}", written(&op.left)?, written(&op.right)?)),
            None => written(expr),
        },
        Expr::Compare(chain) => {
            let mut text = written(&chain.expr)?;
            for step in &chain.ops {
                text = format!("{text} {} {}", compared(step.op), written(&step.expr)?);
            }
            Some(text)
        }
        _ => written(expr),
    }
}

/// What an expression looks at.
#[derive(Default)]
struct Variables {
    names: Vec<String>,
    /// It has no part of a kind that may look at something unseen.
    all_seen: bool,
    /// It is made of values, signs and constants alone.
    reckons_only: bool,
}

impl Variables {
    fn of(expr: &Expr<'_>) -> Self {
        let mut found = Self { names: Vec::new(), all_seen: true, reckons_only: true };
        found.gather(expr);
        found
    }

    fn known_alone(&self) -> bool {
        self.all_seen && self.names.iter().all(|name| KNOWN.contains(&name.as_str()))
    }

    fn gather(&mut self, expr: &Expr<'_>) {
        match expr {
            Expr::Var(var) => self.names.push(var.id.to_owned()),
            Expr::Const(_) => {}
            Expr::List(list) => list.items.iter().for_each(|item| self.gather(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.gather(item)),
            Expr::UnaryOp(op) => self.gather(&op.expr),
            Expr::BinOp(op) => {
                self.gather(&op.left);
                self.gather(&op.right);
            }
            Expr::Compare(chain) => {
                self.gather(&chain.expr);
                chain.ops.iter().for_each(|step| self.gather(&step.expr));
            }
            Expr::GetAttr(get) => self.gather(&get.expr),
            Expr::Test(test) if test.args.is_empty() => {
                self.reckons_only = false;
                self.gather(&test.expr);
            }
            _ => (self.all_seen, self.reckons_only) = (false, false),
        }
    }
}

/// Runs that differ in the kind of everything that may differ in its kind.
fn samples() -> [Value; 3] {
    let run = |stdout: &str, code: Value, seconds: f64, previous: Value| {
        Value::from_pairs([
            ("stdout", Value::from(stdout)),
            ("stderr", Value::from(stdout)),
            ("exit_code", code),
            ("duration", Value::from(seconds)),
            ("previous", previous),
        ])
    };
    let previous = Value::from_pairs([
        ("status", Value::from("ok")),
        ("stdout", Value::from("1")),
        ("finished", Value::from(1_800_000_000)),
    ]);
    [
        run("", Value::from(0), 0.0, Value::from(())),
        run("2", Value::from(2), 1.5, previous),
        run("x", Value::from(()), 600.0, Value::from(())),
    ]
}

#[cfg(test)]
#[path = "constancy_tests.rs"]
mod tests;
