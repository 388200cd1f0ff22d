//! Which `safe` of a template leaves unescaped what a command wrote: the question of the rule `unescaped-output`.
//!
//! Before it: a syntax tree. After it: `lint`. What a name holds is followed through `set`, `with`, `for`, and the arguments of
//! macros, whatever the order; what another template is given is not followed there.

use std::collections::HashMap;
use std::ops::Range;

use minijinja::machinery::ast::{BinOpKind, Call, CallArg, CallType, Expr, Filter, Stmt};

use super::range;

/// The variables that hold what a command wrote.
const OUTPUT: &[&str] = &["stdout", "stderr", "output", "json", "diff", "perfdata"];

/// Filters after which nothing is left to escape, or that escape by themselves.
const HARMLESS: &[&str] = &[
    "e",
    "escape",
    "forceescape",
    "code",
    "literal",
    "link",
    "urlize",
    "mention",
    "urlencode",
    "length",
    "count",
    "wordcount",
    "int",
    "float",
    "round",
    "sum",
    "bytes",
    "filesizeformat",
    "duration",
    "date",
    "bool",
    "safe",
];

/// Which variable a value comes from, where it is one that holds what a command wrote.
type Origin = Option<&'static str>;

/// Each `safe` on what a command wrote, with the name of the variable that holds it.
pub(super) fn find(tree: &Stmt<'_>, writes_json: bool) -> Vec<(Range<usize>, &'static str)> {
    let mut parts = Parts::default();
    parts.statement(tree);
    let names = Names::of(&parts, writes_json);
    let safe = parts.expressions.iter().filter_map(|expression| match expression {
        Expr::Filter(filter) => {
            let origin = names.origin(filter.expr.as_ref()?)?;
            Some((marks_safe(filter, range(expression.span()))?, origin))
        }
        _ => None,
    });
    let mut found: Vec<_> = safe.collect();
    found.sort_by_key(|(at, _)| at.start);
    found
}

/// Where a filter says `safe`, itself or as what `map` applies.
fn marks_safe(filter: &Filter<'_>, at: Range<usize>) -> Option<Range<usize>> {
    match (filter.name, filter.args.first()) {
        ("safe", _) => Some(at.start..at.start + filter.name.len()),
        ("map", Some(CallArg::Pos(Expr::Const(name)))) if name.value.as_str() == Some("safe") => {
            Some(range(name.span()))
        }
        _ => None,
    }
}

/// What the names of a template may hold.
struct Names<'t> {
    origins: HashMap<&'t str, &'static str>,
    /// `tojson` escapes here.
    writes_json: bool,
}

impl<'t> Names<'t> {
    fn of(parts: &Parts<'t, '_>, writes_json: bool) -> Self {
        let mut names = Self { origins: HashMap::new(), writes_json };
        // Names depend on each other: until nothing changes. Each turn adds one at least.
        loop {
            let before = names.origins.len();
            for (target, from) in &parts.assignments {
                if let Some(origin) = names.origin(from) {
                    names.hold(target, origin);
                }
            }
            for call in &parts.calls {
                names.arguments(call, parts);
            }
            if names.origins.len() == before {
                return names;
            }
        }
    }

    /// What a macro is called with is in its arguments.
    fn arguments(&mut self, call: &Call<'_>, parts: &Parts<'t, '_>) {
        let CallType::Function(name) = call.identify_call() else { return };
        for (_, targets) in parts.macros.iter().filter(|(known, _)| *known == name) {
            for (at, argument) in call.args.iter().enumerate() {
                let (targets, value): (Vec<_>, _) = match argument {
                    CallArg::Pos(value) => (targets.get(at).into_iter().collect(), value),
                    CallArg::Kwarg(name, value) => {
                        let is_it = |target: &&&Expr<'_>| matches!(target, Expr::Var(var) if var.id == *name);
                        (targets.iter().filter(is_it).collect(), value)
                    }
                    CallArg::PosSplat(value) | CallArg::KwargSplat(value) => (targets.iter().collect(), value),
                };
                if let Some(origin) = self.origin(value) {
                    targets.into_iter().for_each(|target| self.hold(target, origin));
                }
            }
        }
    }

    fn hold(&mut self, target: &'t Expr<'_>, origin: &'static str) {
        match target {
            Expr::Var(var) => {
                self.origins.entry(var.id).or_insert(origin);
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.hold(item, origin)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.hold(item, origin)),
            // `{% set ns.x = … %}`
            Expr::GetAttr(get) => self.hold(&get.expr, origin),
            _ => {}
        }
    }

    /// Which variable with output a value may come from.
    fn origin(&self, expression: &Expr<'_>) -> Origin {
        let any = |list: &[&Expr<'_>]| list.iter().find_map(|each| self.origin(each));
        match expression {
            Expr::Const(_) | Expr::Test(_) | Expr::Compare(_) => None,
            Expr::Var(var) => {
                let known = OUTPUT.iter().copied().find(|known| *known == var.id);
                known.or_else(|| self.origins.get(var.id).copied())
            }
            Expr::GetAttr(get) if is_previous(&get.expr) => (get.name == "stdout").then_some("previous.stdout"),
            Expr::GetItem(get) if is_previous(&get.expr) => Some("previous.stdout"),
            Expr::GetAttr(get) => self.origin(&get.expr),
            Expr::GetItem(get) => self.origin(&get.expr),
            Expr::Slice(slice) => self.origin(&slice.expr),
            Expr::UnaryOp(unary) => self.origin(&unary.expr),
            Expr::BinOp(binary) => match binary.op {
                BinOpKind::Add | BinOpKind::Mul | BinOpKind::Concat | BinOpKind::ScAnd | BinOpKind::ScOr => {
                    any(&[&binary.left, &binary.right])
                }
                _ => None,
            },
            Expr::IfExpr(choice) => any(&[&choice.true_expr]).or_else(|| self.origin(choice.false_expr.as_ref()?)),
            Expr::List(list) => list.items.iter().find_map(|each| self.origin(each)),
            Expr::Tuple(tuple) => tuple.items.iter().find_map(|each| self.origin(each)),
            Expr::Map(map) => map.keys.iter().chain(&map.values).find_map(|each| self.origin(each)),
            Expr::Filter(filter) if HARMLESS.contains(&filter.name) => None,
            Expr::Filter(filter) if self.writes_json && filter.name == "tojson" => None,
            Expr::Filter(filter) => {
                let operand = filter.expr.as_ref().and_then(|operand| self.origin(operand));
                operand.or_else(|| self.of_arguments(&filter.args))
            }
            // What a macro writes is escaped already; the engine's own functions keep what they are given.
            Expr::Call(call) => match call.identify_call() {
                CallType::Function("namespace" | "dict") => self.of_arguments(&call.args),
                CallType::Method(base, _) => self.origin(base).or_else(|| self.of_arguments(&call.args)),
                _ => None,
            },
        }
    }

    fn of_arguments(&self, arguments: &[CallArg<'_>]) -> Origin {
        arguments.iter().find_map(|argument| self.origin(value_of(argument)))
    }
}

fn is_previous(expression: &Expr<'_>) -> bool {
    matches!(expression, Expr::Var(var) if var.id == "previous")
}

fn value_of<'t, 's>(argument: &'t CallArg<'s>) -> &'t Expr<'s> {
    let (CallArg::Pos(value) | CallArg::Kwarg(_, value) | CallArg::PosSplat(value) | CallArg::KwargSplat(value)) =
        argument;
    value
}

/// What a template consists of.
#[derive(Default)]
struct Parts<'t, 's> {
    expressions: Vec<&'t Expr<'s>>,
    assignments: Vec<(&'t Expr<'s>, &'t Expr<'s>)>,
    calls: Vec<&'t Call<'s>>,
    /// Each with its arguments. What `caller` and a recursive `loop` are given is given to their block.
    macros: Vec<(&'t str, Vec<&'t Expr<'s>>)>,
}

impl<'t, 's> Parts<'t, 's> {
    fn statements(&mut self, list: &'t [Stmt<'s>]) {
        list.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &'t Stmt<'s>) {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitExpr(emit) => self.expression(&emit.expr),
            Stmt::IfCond(cond) => {
                self.expression(&cond.expr);
                self.statements(&cond.true_body);
                self.statements(&cond.false_body);
            }
            Stmt::ForLoop(each) => {
                self.assign(&each.target, &each.iter);
                self.expressions(&each.filter_expr);
                if each.recursive {
                    self.macros.push(("loop", vec![&each.target]));
                }
                self.statements(&each.body);
                self.statements(&each.else_body);
            }
            Stmt::WithBlock(with) => {
                with.assignments.iter().for_each(|(target, value)| self.assign(target, value));
                self.statements(&with.body);
            }
            Stmt::Set(set) => self.assign(&set.target, &set.expr),
            Stmt::SetBlock(set) => {
                self.expressions(&set.filter);
                self.statements(&set.body);
            }
            Stmt::FilterBlock(block) => {
                self.expression(&block.filter);
                self.statements(&block.body);
            }
            Stmt::AutoEscape(block) => self.statements(&block.body),
            Stmt::Block(block) => self.statements(&block.body),
            Stmt::Macro(each) => {
                self.is_given(each.name, &each.args, &each.defaults);
                self.statements(&each.body);
            }
            Stmt::CallBlock(call) => {
                self.call(&call.call);
                self.is_given("caller", &call.macro_decl.args, &call.macro_decl.defaults);
                self.statements(&call.macro_decl.body);
            }
            Stmt::Do(each) => self.call(&each.call),
            Stmt::EmitRaw(_) | Stmt::Extends(_) | Stmt::Include(_) | Stmt::Import(_) | Stmt::FromImport(_) => {}
        }
    }

    fn assign(&mut self, target: &'t Expr<'s>, from: &'t Expr<'s>) {
        self.expression(from);
        self.assignments.push((target, from));
    }

    /// A macro; the defaults are those of its last arguments.
    fn is_given(&mut self, name: &'t str, arguments: &'t [Expr<'s>], defaults: &'t [Expr<'s>]) {
        self.macros.push((name, arguments.iter().collect()));
        let with_defaults = arguments.iter().skip(arguments.len().saturating_sub(defaults.len()));
        with_defaults.zip(defaults).for_each(|(argument, default)| self.assign(argument, default));
    }

    fn call(&mut self, call: &'t Call<'s>) {
        self.calls.push(call);
        self.expression(&call.expr);
        self.arguments(&call.args);
    }

    fn arguments(&mut self, arguments: &'t [CallArg<'s>]) {
        arguments.iter().for_each(|argument| self.expression(value_of(argument)));
    }

    fn expressions(&mut self, list: impl IntoIterator<Item = &'t Expr<'s>>) {
        list.into_iter().for_each(|each| self.expression(each));
    }

    fn expression(&mut self, expression: &'t Expr<'s>) {
        self.expressions.push(expression);
        match expression {
            Expr::Var(_) | Expr::Const(_) => {}
            Expr::Slice(slice) => {
                self.expression(&slice.expr);
                self.expressions([&slice.start, &slice.stop, &slice.step].into_iter().flatten());
            }
            Expr::UnaryOp(unary) => self.expression(&unary.expr),
            Expr::BinOp(binary) => self.expressions([&binary.left, &binary.right]),
            Expr::Compare(compare) => {
                self.expression(&compare.expr);
                self.expressions(compare.ops.iter().map(|op| &op.expr));
            }
            Expr::IfExpr(choice) => {
                self.expressions([&choice.test_expr, &choice.true_expr]);
                self.expressions(&choice.false_expr);
            }
            Expr::Filter(filter) => {
                self.expressions(&filter.expr);
                self.arguments(&filter.args);
            }
            Expr::Test(test) => {
                self.expression(&test.expr);
                self.arguments(&test.args);
            }
            Expr::GetAttr(get) => self.expression(&get.expr),
            Expr::GetItem(get) => self.expressions([&get.expr, &get.subscript_expr]),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => self.expressions(&list.items),
            Expr::Tuple(tuple) => self.expressions(&tuple.items),
            Expr::Map(map) => self.expressions(map.keys.iter().chain(&map.values)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::unescaped;

    #[test]
    fn safe_after_an_output_is_found_however_the_output_gets_there() {
        for (template, found) in [
            ("{{ stdout | safe }}", &["stdout"][..]),
            ("{{ (stdout | trim) | safe }}", &["stdout"]),
            ("{{ (stdout ~ '') | safe }}{{ ('<b>' + stderr) | safe }}", &["stdout", "stderr"]),
            ("{{ json.items[0] | safe }}", &["json"]),
            ("{{ previous.stdout | safe }}{{ previous['stdout'] | safe }}", &["previous.stdout", "previous.stdout"]),
            ("{% set x = output | tail(3) | safe %}{{ diff|safe }}", &["output", "diff"]),
            ("{% set x = stdout %}{{ x|safe }}", &["stdout"]),
            ("{{ x|safe }}{% set x = y %}{% set y = stderr %}", &["stderr"]),
            ("{% with x = stdout %}{{ x|safe }}{% endwith %}", &["stdout"]),
            ("{% for l in stdout|lines %}{{ l|safe }}{% endfor %}", &["stdout"]),
            ("{% for k, v in json|items %}{{ v|safe }}{% endfor %}", &["json"]),
            ("{% for x in [1] recursive %}{{ x|safe }}{{ loop([stdout]) }}{% endfor %}", &["stdout"]),
            ("{% macro m(x) %}{{ x|safe }}{% endmacro %}{{ m(stdout) }}", &["stdout"]),
            ("{% macro m(a, x) %}{{ x|safe }}{% endmacro %}{{ m(1, x=stdout) }}", &["stdout"]),
            ("{% macro m(a, x=stdout) %}{{ x|safe }}{% endmacro %}{{ m(1) }}", &["stdout"]),
            (
                "{% macro m() %}{{ caller(stdout) }}{% endmacro %}{% call(x) m() %}{{ x|safe }}{% endcall %}",
                &["stdout"],
            ),
            ("{% set ns = namespace() %}{% set ns.x = stdout %}{{ ns.x|safe }}", &["stdout"]),
            ("{% set ns = namespace(x=stdout) %}{{ ns.x|safe }}", &["stdout"]),
            ("{{ ('' | default(stdout, true)) | safe }}", &["stdout"]),
            ("{{ ('x' if exit_code else stdout) | safe }}", &["stdout"]),
            ("{{ (stdout or 'none') | safe }}{{ stdout[:20] | safe }}", &["stdout", "stdout"]),
            ("{{ stdout | lines | map('safe') | join }}", &["stdout"]),
            ("{{ [stdout, 1] | join | safe }}", &["stdout"]),
            ("{% if stdout | safe == 'x' %}{% endif %}", &["stdout"]),
            ("{% filter safe %}{{ stdout }}{% endfilter %}", &[]),
            ("{% set x | safe %}{{ stdout }}{% endset %}{{ x | safe }}", &[]),
            ("{{ stdout }} {{ job.name | safe }}", &[]),
            ("{{ stdout | e | safe }}", &[]),
            ("{{ stdout | code | safe }}", &[]),
            ("{{ stdout | length | safe }}", &[]),
            ("{{ (stdout | length - 1) | safe }}", &[]),
            ("{{ ('yes' if stdout else 'no') | safe }}", &[]),
            ("{{ (stdout == 'x') | safe }}", &[]),
            ("{{ job.stdouts | safe }} safe | safe stdout", &[]),
            ("{{ stdout ~ '<b>' | safe }}", &[]),
            ("{{ previous.status | safe }}", &[]),
            ("{% set x = stdout | length %}{{ x | safe }}", &[]),
            ("{% macro m(a, b) %}{{ b|safe }}{% endmacro %}{{ m(stdout, 'b') }}", &[]),
            ("{% macro m(x) %}{{ x }}{% endmacro %}{{ m(stdout) | safe }}", &[]),
            ("{{ stdout | safe", &[]),
        ] {
            let found_in: Vec<_> =
                unescaped(template, false).into_iter().map(|(at, name)| (&template[at], name)).collect();
            let names: Vec<_> = found_in.iter().map(|(_, name)| *name).collect();
            assert_eq!(names, found, "{template}");
            assert!(found_in.iter().all(|(word, _)| word.trim_matches('\'') == "safe"), "{template}: {found_in:?}");
        }
    }

    #[test]
    fn tojson_escapes_where_json_is_written() {
        let template = "{{ stdout | tojson | safe }}";
        assert_eq!((unescaped(template, false).len(), unescaped(template, true).len()), (1, 0));
        assert_eq!(unescaped("{{ stdout | safe }}", true).len(), 1);
    }
}
