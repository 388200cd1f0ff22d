//! `warning_when` and `critical_when`: conditions on what came of a run, in the expression language of the templates.
//!
//! Before it: the job's table, and an outcome as `exec` made it. After it: the outcome with its status raised, for
//! `policy`. Pure, bounded by fuel. An expression is taken apart at `and`, `or`, `not` and comparisons, so that what it
//! looked at can be named, and so that a value that is missing is a failure and never just false.

use std::sync::Arc;

use minijinja::machinery::ast::{BinOpKind, Expr, UnaryOpKind};
use minijinja::machinery::parse_expr;
use minijinja::value::{Value, ValueKind};

use super::check::{Finding, check, inside};
use super::comparisons::mismatch;
use super::constancy::fault;
use super::evaluate::{compare, evaluate, looks_at, orders, sentence};
use super::number::Written;
use super::order::{have_order, why_not_as_text};
use super::spelling::{compared, comparison, written};
use super::text::clean;
use crate::diagnostic::{Code, Problem};
use crate::document::{Key, Kind, Table, Text, did_you_mean};
use crate::exec::{Captured, MASK, Outcome, Parse, Perfdata, Reason, Status, Unmasked, known};
use crate::policy::Previous;
use crate::slack::cut_plain;

/// The keys of a job that this file reads.
pub const CONDITION_KEYS: &[Key] = &[
    Key {
        name: "warning_when",
        kind: Kind::Text,
        default: "",
        about: "An expression over `json`, `perfdata`, `stdout`, `stderr`, `exit_code`, `duration` (seconds) and `previous`: \
                true makes the run at least a warning, with the reason `condition`.",
    },
    Key {
        name: "critical_when",
        kind: Kind::Text,
        default: "",
        about: "The same for critical. An expression that fails, for a missing key say, is critical.",
    },
];

/// What an expression may look at.
const VARIABLES: [&str; 7] = ["json", "perfdata", "stdout", "stderr", "exit_code", DURATION, "previous"];

/// How long the run took, in seconds.
const DURATION: &str = "duration";

/// Characters of a value that are shown.
const SHOWN: usize = 80;

/// A job's conditions, the worse first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    list: Vec<Condition>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    text: Arc<str>,
    /// What a run is at least when it holds.
    status: Status,
}

/// An expression, taken apart.
#[derive(Debug)]
enum Node {
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Compare(Leaf, Vec<(&'static str, Leaf)>),
    Leaf(Leaf),
}

/// A part that the engine evaluates as a whole.
#[derive(Debug)]
struct Leaf {
    text: String,
    /// What it asks something of, where it is a test: `json.ok` of `json.ok is false`.
    tested: Option<String>,
    /// It looks at nothing.
    constant: bool,
}

/// Reads both keys; `parse` says which of `json` and `perfdata` there will be. `None` when something is wrong with them.
pub fn read_conditions(table: &mut Table<'_>, parse: Option<Parse>) -> Option<Conditions> {
    let mut list = Vec::new();
    let mut sound = true;
    for (key, status) in [("critical_when", Status::Critical), ("warning_when", Status::Warning)] {
        let Some(value) = table.value(key) else { continue };
        let Some(text) = value.text() else {
            sound = false;
            continue;
        };
        match problem(&text, parse) {
            Some(problem) => {
                table.push(problem);
                sound = false;
            }
            None => list.push(Condition { text: text.value.trim().into(), status }),
        }
    }
    sound.then_some(Conditions { list })
}

/// What is wrong with an expression, as far as that can be known before there is a run.
fn problem(text: &Text<'_>, parse: Option<Parse>) -> Option<Problem> {
    let source = text.value;
    let at = |range: std::ops::Range<usize>| if source.is_empty() { text.at } else { text.inside(range) };
    let whole = 0..source.len();
    let refuse = |range, message: String, help: String| {
        Some(Problem::new(Code::InvalidExpression, at(range), message).help(help))
    };
    let example = "write a condition such as `json.queue > 1000 or json.status != 'ok'`";
    if source.trim().is_empty() {
        return refuse(whole, "the expression is empty".to_owned(), example.to_owned());
    }
    if source.contains("{{") || source.contains("{%") {
        let help = "write the expression alone, without braces: `json.queue > 1000`";
        return refuse(whole, "an expression is no template".to_owned(), help.to_owned());
    }
    if let Err(error) = parse_expr(source) {
        let range = inside(source, error.range().unwrap_or(whole));
        let message = error.detail().unwrap_or("the expression cannot be read").to_owned();
        let help = match source.contains(" = ") {
            true => "two values are compared with `==`",
            false => example,
        };
        return refuse(range, message, help.to_owned());
    }
    for (name, range) in variables(source) {
        let help = match name.as_str() {
            "json" if parse != Some(Parse::Json) => Some("add `parse = \"json\"`"),
            "perfdata" if parse != Some(Parse::Perfdata) => Some("add `parse = \"perfdata\"`"),
            name if VARIABLES.contains(&name) => None,
            name => {
                let there: Vec<&str> = VARIABLES.into_iter().filter(|name| is_there(name, parse)).collect();
                let known: Vec<String> = there.iter().map(|name| format!("`{name}`")).collect();
                let help = did_you_mean(name, there)
                    .unwrap_or_else(|| format!("a condition can look at {}", known.join(", ")));
                return refuse(range, format!("a condition does not know `{name}`"), help);
            }
        };
        if let Some(help) = help {
            let message = format!("`{name}` is never there: nothing says that the output is to be parsed");
            return refuse(range, message, help.to_owned());
        }
    }
    // The same as a template, whose names are checked: the braces shift every place by three.
    let (findings, _) = check(&format!("{{{{ {source} }}}}"), &[], false);
    let shifted = |finding: &Finding| {
        finding.range.start.saturating_sub(3)..finding.range.end.saturating_sub(3).min(source.len())
    };
    // What is a length or a point of time in a template is a number of seconds here.
    let is_time = |finding: &Finding| {
        source.get(shifted(finding)).is_some_and(|text| matches!(text, "duration" | "finished" | "previous.finished"))
    };
    if let Some(finding) = findings.into_iter().find(|finding| !is_time(finding)) {
        let problem = Problem::new(Code::InvalidExpression, at(shifted(&finding)), finding.message);
        let usual = "a condition is an expression: `json.queue > 1000 or 'ERROR' in stderr`";
        return Some(problem.help(finding.help.unwrap_or_else(|| usual.to_owned())));
    }
    let found = mismatch(source).or_else(|| fault(source))?;
    let range = found.at.start_offset as usize..found.at.end_offset as usize;
    refuse(inside(source, range), found.message, found.help)
}

/// Whether a variable of conditions has a value in such a job.
fn is_there(name: &str, parse: Option<Parse>) -> bool {
    match name {
        "json" => parse == Some(Parse::Json),
        "perfdata" => parse == Some(Parse::Perfdata),
        _ => true,
    }
}

/// The variables of an expression, each with its place.
fn variables(source: &str) -> Vec<(String, std::ops::Range<usize>)> {
    use minijinja::machinery::{Token, tokenize};
    let mut found = Vec::new();
    let mut before = None;
    let mut previous_word = None;
    for (token, span) in tokenize(source, true, minijinja::syntax::SyntaxConfig::default()).map_while(Result::ok) {
        if let Token::Ident(name) = token {
            let is_part = matches!(before, Some('.' | '|'));
            let is_test = matches!(previous_word, Some("is" | "not")) && before.is_none();
            let is_word =
                ["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None"]
                    .contains(&name);
            if !is_part && !is_test && !is_word {
                found.push((name.to_owned(), span.start_offset as usize..span.end_offset as usize));
            }
            (before, previous_word) = (None, Some(name));
        } else {
            before = match token {
                Token::Dot => Some('.'),
                Token::Pipe => Some('|'),
                _ => Some(' '),
            };
            previous_word = None;
        }
    }
    // An argument by its name (`map(attribute="x")`) is none; neither is a test's name.
    let assigned = |range: &std::ops::Range<usize>| {
        let rest = source[range.end..].trim_start();
        rest.starts_with('=') && !rest.starts_with("==")
    };
    found.retain(|(_, range)| !assigned(range));
    found
}

impl Conditions {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The outcome with its status raised, where a condition holds or fails. What did not come to its end is left as it is,
    /// and so is what counts as not run.
    #[must_use]
    pub fn judge(&self, outcome: Outcome, previous: Option<&Previous>) -> Outcome {
        let unmasked = outcome.unmasked;
        let mut outcome = Outcome { unmasked: None, ..outcome };
        let ended = !matches!(outcome.reason, Reason::Spawn | Reason::Interrupted | Reason::Timeout | Reason::Missing);
        if self.list.is_empty() || outcome.skipped || !ended || outcome.status == Status::Critical {
            return outcome;
        }
        outcome.directives.notes.extend(self.blind_spots(&outcome));
        let shown = View::masked(&outcome, previous);
        let real = unmasked.as_deref().map(|unmasked| View::unmasked(&outcome, unmasked, previous));
        for condition in &self.list {
            let (status, detail) = match holds(&condition.text, &real.as_ref().unwrap_or(&shown).context) {
                Ok((false, _)) => continue,
                Ok((true, seen)) => {
                    let seen = if real.is_some() { seen.in_view(&shown) } else { seen };
                    (condition.status, worded(&condition.text, &seen, &shown.written))
                }
                Err(why) => {
                    let why = if real.is_some() { why_in_view(&condition.text, &shown) } else { why };
                    (Status::Critical, format!("the condition `{}` failed: {why}", condition.text))
                }
            };
            if status.badness() > outcome.status.badness() {
                // The expression may name a secret that the job compares with.
                let detail = match &unmasked {
                    Some(unmasked) => unmasked.redactor.mask_str(&detail).into_owned(),
                    None => detail,
                };
                return Outcome { status, reason: Reason::Condition, detail, ..outcome };
            }
        }
        outcome
    }
}

impl Conditions {
    /// What the conditions do not see of the streams that they look at, in a sentence for each.
    fn blind_spots(&self, outcome: &Outcome) -> Vec<String> {
        let streams = [("stdout", &outcome.output.stdout), ("stderr", &outcome.output.stderr)];
        let cut = streams.into_iter().filter(|(_, captured)| captured.dropped > 0);
        let looked_at = cut.filter(|(name, _)| {
            self.list.iter().any(|condition| variables(&condition.text).iter().any(|(used, _)| used == name))
        });
        let told = |(name, captured): (&str, &Captured)| {
            let dropped = match captured.dropped {
                1 => "1 byte is".to_owned(),
                dropped => format!("{dropped} bytes are"),
            };
            format!("no condition sees the middle of {name}: {dropped} dropped (`max_output`)")
        };
        looked_at.map(told).collect()
    }
}

/// What an expression sees of a run.
struct View {
    context: Value,
    written: Written,
}

impl View {
    /// What people may see.
    fn masked(outcome: &Outcome, previous: Option<&Previous>) -> Self {
        let Outcome { output, json, perfdata, .. } = outcome;
        Self::new(outcome, (&output.stdout, &output.stderr), json.as_ref(), perfdata, previous)
    }

    /// What came.
    fn unmasked(outcome: &Outcome, unmasked: &Unmasked, previous: Option<&Previous>) -> Self {
        let Unmasked { stdout, stderr, json, perfdata, .. } = unmasked;
        Self::new(outcome, (stdout, stderr), json.as_ref(), perfdata, previous)
    }

    fn new(
        outcome: &Outcome,
        (stdout, stderr): (&Captured, &Captured),
        json: Option<&serde_json::Value>,
        perfdata: &[Perfdata],
        previous: Option<&Previous>,
    ) -> Self {
        let mut written = Written::of_json(&json.map(|_| stdout.bytes()).unwrap_or_default());
        let json = json.map_or(Value::from(()), |json| from_json(json, &mut written));
        let perfdata = perfdata.iter().map(|data| perfdata_value(data, &mut written)).collect();
        let context = context(outcome, (stdout, stderr), json, perfdata, previous);
        Self { context, written }
    }
}

/// The variables of an expression.
fn context(
    outcome: &Outcome,
    (stdout, stderr): (&Captured, &Captured),
    json: Value,
    perfdata: Value,
    previous: Option<&Previous>,
) -> Value {
    let text = |captured: &Captured| Value::from(clean(&captured.bytes()).trim_end_matches('\n'));
    let code = match outcome.ending {
        crate::exec::Ending::Exited { code } => Value::from(code),
        _ => Value::from(()),
    };
    let previous = previous.map_or(Value::from(()), |previous| {
        Value::from_pairs([
            ("status", Value::from(previous.status.as_str())),
            ("stdout", Value::from(previous.stdout.trim_end_matches('\n'))),
            ("finished", Value::from(previous.finished.as_second())),
        ])
    });
    // More digits than a thousandth of a second tell nobody anything.
    let took = known(outcome.took).map(|took| took.as_secs() as f64 + f64::from(took.subsec_millis()) / 1e3);
    Value::from_pairs([
        ("json", json),
        ("perfdata", perfdata),
        ("stdout", text(stdout)),
        ("stderr", text(stderr)),
        ("exit_code", code),
        (DURATION, took.map_or(Value::UNDEFINED, Value::from)),
        ("previous", previous),
    ])
}

/// JSON as values that can be compared. By hand: where numbers keep their digits, serde hands them on as tables.
fn from_json(json: &serde_json::Value, written: &mut Written) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(flag) => Value::from(*flag),
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Number(number) => written.comparable(&written.spelled(number)),
        serde_json::Value::Array(items) => items.iter().map(|item| from_json(item, written)).collect(),
        serde_json::Value::Object(table) => {
            Value::from_pairs(table.iter().map(|(key, value)| (key.as_str(), from_json(value, written))))
        }
    }
}

/// One value of performance data, as templates have it.
fn perfdata_value(data: &Perfdata, written: &mut Written) -> Value {
    let mut number = |text: &Option<String>| text.as_ref().map_or(Value::from(()), |text| written.comparable(text));
    let (value, min, max) = (number(&data.value), number(&data.min), number(&data.max));
    Value::from_pairs([
        ("label", Value::from(&data.label)),
        ("value", value),
        ("unit", Value::from(&data.unit)),
        ("warn", Value::from(data.warn.clone())),
        ("crit", Value::from(data.crit.clone())),
        ("min", min),
        ("max", max),
    ])
}

/// Whether an expression holds, and the values that it looked at; the error says what is missing or cannot be compared.
fn holds(source: &str, context: &Value) -> Result<(bool, Seen), String> {
    let parsed = parse_expr(source).map_err(|error| sentence(&error))?;
    let mut values = Vec::new();
    let whole = || Node::Leaf(Leaf { text: source.to_owned(), tested: None, constant: false });
    let node = take_apart(&parsed).unwrap_or_else(whole);
    let holds = node.eval(context, &mut values)?.unwrap_or_default();
    Ok((holds, Seen { values, of_several: node.has_parts() }))
}

/// The values that an expression looked at, by their names.
struct Seen {
    values: Vec<(String, Value)>,
    /// It has several parts, and may not have looked at all of them.
    of_several: bool,
}

impl Seen {
    /// The same as people may see them.
    fn in_view(self, shown: &View) -> Self {
        let values = self.values.into_iter().map(|(name, _)| {
            let value = evaluate(&name, &shown.context).unwrap_or_else(|_| Value::from(MASK));
            (name, value)
        });
        Self { values: values.collect(), ..self }
    }
}

/// Why an expression fails that fails, as people may see it.
fn why_in_view(source: &str, shown: &View) -> String {
    holds(source, &shown.context).err().unwrap_or_else(|| "a value that it looks at is masked".to_owned())
}

/// Takes an expression apart; nothing where a part of it is of a kind that is not written out below.
fn take_apart(expr: &Expr<'_>) -> Option<Node> {
    let part = |expr: &Expr<'_>| take_apart(expr).map(Box::new);
    Some(match expr {
        Expr::UnaryOp(op) if matches!(op.op, UnaryOpKind::Not) => Node::Not(part(&op.expr)?),
        Expr::BinOp(op) if matches!(op.op, BinOpKind::ScAnd) => Node::And(part(&op.left)?, part(&op.right)?),
        Expr::BinOp(op) if matches!(op.op, BinOpKind::ScOr) => Node::Or(part(&op.left)?, part(&op.right)?),
        Expr::BinOp(op) => match comparison(op.op) {
            Some(sign) => Node::Compare(leaf(&op.left)?, vec![(sign, leaf(&op.right)?)]),
            None => Node::Leaf(leaf(expr)?),
        },
        Expr::Compare(chain) => {
            let rest = chain.ops.iter().map(|step| Some((compared(step.op), leaf(&step.expr)?)));
            Node::Compare(leaf(&chain.expr)?, rest.collect::<Option<_>>()?)
        }
        _ => Node::Leaf(leaf(expr)?),
    })
}

fn leaf(expr: &Expr<'_>) -> Option<Leaf> {
    let tested = if let Expr::Test(test) = expr { Some(written(&test.expr)?) } else { None };
    Some(Leaf { text: written(expr)?, tested, constant: expr.as_const().is_some() })
}

impl Node {
    /// Whether it is made of expressions that could stand alone.
    fn has_parts(&self) -> bool {
        match self {
            Self::And(..) | Self::Or(..) => true,
            Self::Not(node) => node.has_parts(),
            Self::Compare(..) | Self::Leaf(_) => false,
        }
    }

    /// Whether it holds; none where that hangs on how long a run took of which that is not known.
    fn eval(&self, context: &Value, seen: &mut Vec<(String, Value)>) -> Result<Option<bool>, String> {
        Ok(match self {
            Self::And(left, right) => match left.eval(context, seen)? {
                Some(false) => Some(false),
                left => right.eval(context, seen)?.filter(|right| !right || left.is_some()),
            },
            Self::Or(left, right) => match left.eval(context, seen)? {
                Some(true) => Some(true),
                left => right.eval(context, seen)?.filter(|right| *right || left.is_some()),
            },
            Self::Not(inner) => inner.eval(context, seen)?.map(|holds| !holds),
            Self::Leaf(leaf) => leaf.eval(context, seen)?.map(|value| value.is_true()),
            Self::Compare(first, rest) => {
                let Some(mut left) = first.eval(context, seen)? else { return Ok(None) };
                for (sign, leaf) in rest {
                    let Some(right) = leaf.eval(context, seen)? else { return Ok(None) };
                    if !compared_by_name(&left, sign, &right, (first, leaf))? {
                        return Ok(Some(false));
                    }
                    left = right;
                }
                Some(true)
            }
        })
    }
}

impl Leaf {
    fn eval(&self, context: &Value, seen: &mut Vec<(String, Value)>) -> Result<Option<Value>, String> {
        let is_unknown = || context.get_attr(DURATION).is_ok_and(|duration| duration.is_undefined());
        if is_unknown() && looks_at(&self.text, DURATION) {
            return Ok(None);
        }
        let value = evaluate(&self.text, context)?;
        if value.is_undefined() {
            return Err(format!("`{}` is missing", self.text));
        }
        let name = self.tested.as_ref().unwrap_or(&self.text);
        if !self.constant && !seen.iter().any(|(text, _)| text == name) {
            // What a test looks at may be missing, or what that would be a part of: that may be what it asks.
            let looked_at = |tested: &String| evaluate(tested, context).unwrap_or(Value::UNDEFINED);
            let looked_at = self.tested.as_ref().map(looked_at);
            seen.push((name.clone(), looked_at.unwrap_or_else(|| value.clone())));
        }
        Ok(Some(value))
    }
}

/// Compares two values, and names them where they cannot be compared.
fn compared_by_name(left: &Value, sign: &str, right: &Value, (first, second): (&Leaf, &Leaf)) -> Result<bool, String> {
    let as_text = if orders(sign) { why_not_as_text(left, right) } else { None };
    if as_text.is_some() || orders(sign) && !have_order(left, right) {
        let name = |leaf: &Leaf, value: &Value| match leaf.constant {
            true => format!("{} {}", article(value), shown(value)),
            false => format!("`{}`, which is {} ({})", leaf.text, article(value), shown(value)),
        };
        let why = as_text.map_or_else(String::new, |why| format!(": {why}"));
        return Err(format!("{} cannot be compared with {}{why}", name(first, left), name(second, right)));
    }
    compare(left, sign, right)
}

fn article(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Number => "a number",
        ValueKind::String => "text",
        ValueKind::Bool => "true or false",
        ValueKind::None | ValueKind::Undefined => "nothing",
        ValueKind::Map => "a table",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        _ => "another kind of value",
    }
}

/// `json.queue > 1000 (it is 1,204)`; with several values each by its name.
fn worded(source: &str, seen: &Seen, written: &Written) -> String {
    let shown = |value: &Value| {
        f64::try_from(value.clone())
            .ok()
            .filter(|_| !value.is_integer())
            .and_then(|number| written.get(number))
            .map_or_else(|| shown(value), str::to_owned)
    };
    match seen.values.as_slice() {
        [] => source.to_owned(),
        [(_, value)] if !seen.of_several => format!("{source} (it is {})", shown(value)),
        several => {
            let values: Vec<_> = several.iter().map(|(name, value)| format!("{name} is {}", shown(value))).collect();
            format!("{source} ({})", values.join(", "))
        }
    }
}

/// A value as people read it, in one short line.
fn shown(value: &Value) -> String {
    let text = match value.kind() {
        ValueKind::String => format!("\"{}\"", value.as_str().unwrap_or_default()),
        ValueKind::Number if value.is_integer() => grouped(&value.to_string()),
        ValueKind::None => "none".to_owned(),
        ValueKind::Undefined => "missing".to_owned(),
        ValueKind::Bool => value.is_true().to_string(),
        _ => value.to_string(),
    };
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    cut_plain(&one_line, SHOWN).0
}

/// `1204` with its thousands apart: `1,204`.
fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).expect("digits of a number are ASCII"))
        .collect();
    format!("{sign}{}", groups.join(","))
}

#[cfg(test)]
mod tests;
