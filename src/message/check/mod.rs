//! Reads a template's syntax tree: unknown variables, filters, tests, functions and templates, and `mention` of anything
//! that the template does not spell out. Nothing is rendered here.
//!
//! Before it: a template's text. After it: `template`, which maps each [`Finding`] to its place in the file.

mod filters;
mod markup;
mod names;
mod purity;
mod tried;
mod unescaped;

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, Stmt, UnaryOpKind};
use minijinja::machinery::{Span, Token, parse, tokenize};
use minijinja::syntax::SyntaxConfig;

use purity::Purity;
use tried::Applied;

use super::filters::FILTERS;
use super::spelling::{compared, comparison};
use super::vars::VarKind;
use crate::diagnostic::Code;
use crate::document::did_you_mean;

/// Jinja's own filters, as this engine has them.
pub(super) const BUILTIN_FILTERS: &str = "\
    abs attr batch bool capitalize chain count d default dictsort e escape first float format groupby indent \
    int items join last length lines list lower map max min pprint reject rejectattr replace reverse round \
    safe select selectattr slice sort split string sum title trim unique upper zip";

/// Jinja's own filters that the engine leaves out.
const JINJA_FILTERS: &str =
    "center filesizeformat forceescape random striptags tojson truncate urlencode wordcount wordwrap xmlattr";

/// Jinja's own tests, as this engine has them.
pub(super) const BUILTIN_TESTS: &str = "\
    != < <= == > >= boolean defined divisibleby endingwith eq equalto escaped even false filter float ge \
    greaterthan gt in int integer iterable le lessthan lower lt mapping ne none number odd safe sameas \
    sequence startingwith string test true undefined upper";

/// Jinja's own functions.
const FUNCTIONS: &[&str] = &["dict", "namespace", "range"];

/// What a loop knows of itself.
const LOOP: &str = "changed cycle depth depth0 first index index0 last length nextitem previtem revindex revindex0";

/// A template longer than this is refused: the engine counts lines and columns in 16 bits.
const LONGEST: usize = 60_000;

/// Words and signs between one pair of brackets; and `elif`s. The engine goes down a level for each, on one stack.
const MOST_TOKENS: usize = 1_000;
const MOST_ELIFS: usize = 200;

/// Something wrong with a template, at a range of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// What kind of problem it is.
    pub(super) code: Code,
    /// Which bytes of the template.
    pub(super) range: Range<usize>,
    /// One sentence.
    pub(super) message: String,
    /// The way out.
    pub(super) help: Option<String>,
}

/// What a template does, as far as its syntax tells.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// It uses `json`.
    pub(super) uses_json: bool,
    /// It uses what a command wrote, about which nothing is known beforehand.
    pub(super) uses_content: bool,
    /// Not all of it is rendered each time.
    pub(super) branches: bool,
    /// The templates that it includes, extends or imports.
    pub(super) uses: BTreeSet<String>,
}

/// Reads a template. `named` tells whether it is one of `[templates]`, of which `names` are all.
pub(super) fn check(source: &str, names: &[String], named: bool) -> (Vec<Finding>, Facts) {
    if let Some(finding) = too_much(source) {
        return (vec![finding], Facts::default());
    }
    let tree = match parse(source, "template", SyntaxConfig::default()) {
        Ok(tree) => tree,
        Err(error) => {
            let message = error.detail().unwrap_or("the template cannot be read").to_owned();
            let range = inside(source, error.range().unwrap_or(0..source.len()));
            return (vec![Finding { code: Code::TemplateSyntax, range, message, help: None }], Facts::default());
        }
    };
    let mut checker = Checker {
        names,
        scopes: vec![HashMap::new()],
        findings: Vec::new(),
        facts: Facts::default(),
        purity: Purity::of(&tree, named),
    };
    checker.bind("self", Type::Any);
    checker.statement(&tree);
    (checker.findings, checker.facts)
}

/// Each `safe` of a template that leaves unescaped what a command wrote, with the name of the variable that holds it; nothing of
/// a template with errors. One that writes JSON (`blocks`) has its own `tojson`, which escapes.
pub fn unescaped(source: &str, writes_json: bool) -> Vec<(Range<usize>, &'static str)> {
    if !source.contains("safe") || too_much(source).is_some() {
        return Vec::new();
    }
    let tree = parse(source, "template", SyntaxConfig::default());
    let found = tree.map_or_else(|_| Vec::new(), |tree| unescaped::find(&tree, writes_json));
    found.into_iter().map(|(at, variable)| (inside(source, at), variable)).collect()
}

/// Whether a template writes nothing but what it spells out, whatever chooses among that.
pub(super) fn spells_out(source: &str) -> bool {
    let tree = if too_much(source).is_none() { parse(source, "template", SyntaxConfig::default()).ok() } else { None };
    tree.is_some_and(|tree| purity::writes_pure(std::slice::from_ref(&tree), &Purity::of(&tree, false)))
}

/// What would be too much for the engine.
fn too_much(source: &str) -> Option<Finding> {
    let refuse = |range, message: &str| {
        let help = Some("split it into templates under `[templates]`".to_owned());
        Some(Finding { code: Code::TemplateSyntax, range, message: message.to_owned(), help })
    };
    if source.len() > LONGEST {
        return refuse(0..0, "the template is too long");
    }
    let (mut tokens, mut elifs) = (0, 0);
    for (token, span) in tokenize(source, false, SyntaxConfig::default()).map_while(Result::ok) {
        match token {
            Token::TemplateData(_) | Token::VariableStart | Token::BlockStart => tokens = 0,
            Token::Ident("elif") => elifs += 1,
            _ => tokens += 1,
        }
        if tokens > MOST_TOKENS || elifs > MOST_ELIFS {
            return refuse(inside(source, range(span)), "the template is too involved");
        }
    }
    None
}

/// What is known of a value.
#[derive(Clone, Copy)]
enum Type {
    Any,
    Known(VarKind),
    Loop,
    /// Written for Slack: by this filter, or by a block or a macro.
    Markup(&'static str),
}

impl Type {
    /// Of two values of which one comes, or which are put together: whether there is markup in them.
    fn markup_or(self, other: Self) -> Self {
        [self, other].into_iter().find(|kind| matches!(kind, Self::Markup(_))).unwrap_or(Self::Any)
    }
}

struct Checker<'a> {
    names: &'a [String],
    scopes: Vec<HashMap<String, Type>>,
    findings: Vec<Finding>,
    facts: Facts,
    purity: Purity,
}

fn range(span: Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}

impl Checker<'_> {
    fn find(&mut self, code: Code, range: Range<usize>, message: impl Into<String>, help: Option<String>) {
        self.findings.push(Finding { code, range, message: message.into(), help });
    }

    fn bind(&mut self, name: &str, kind: Type) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), kind);
        }
    }

    fn local(&self, name: &str) -> Option<Type> {
        self.scopes.iter().rev().find_map(|scope| scope.get(name)).copied()
    }

    fn scoped(&mut self, inside: impl FnOnce(&mut Self)) {
        self.scopes.push(HashMap::new());
        inside(self);
        self.scopes.pop();
    }

    fn statements(&mut self, list: &[Stmt<'_>]) {
        list.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitExpr(emit) => {
                self.expression(&emit.expr);
            }
            Stmt::EmitRaw(raw) => self.raw(raw.raw, range(raw.span())),
            Stmt::IfCond(cond) => {
                self.facts.branches = true;
                self.expression(&cond.expr);
                // An `if` has no scope of its own: what is set in it is there afterwards.
                self.statements(&cond.true_body);
                self.statements(&cond.false_body);
            }
            Stmt::ForLoop(each) => {
                self.facts.branches = true;
                let kind = self.expression(&each.iter);
                self.iterated(kind, range(each.iter.span()));
                let item = match kind {
                    Type::Known(VarKind::Tables(attributes)) => Type::Known(VarKind::Table(attributes)),
                    Type::Known(VarKind::Texts) => Type::Known(VarKind::Text),
                    _ => Type::Any,
                };
                self.scoped(|this| {
                    this.bind("loop", Type::Loop);
                    this.assign(&each.target, item);
                    each.filter_expr.iter().for_each(|filter| {
                        this.expression(filter);
                    });
                    this.statements(&each.body);
                });
                self.scoped(|this| this.statements(&each.else_body));
            }
            Stmt::WithBlock(with) => self.scoped(|this| {
                for (target, value) in &with.assignments {
                    let kind = this.expression(value);
                    this.assign(target, kind);
                }
                this.statements(&with.body);
            }),
            Stmt::Set(set) => {
                let kind = self.expression(&set.expr);
                self.assign(&set.target, kind);
            }
            Stmt::SetBlock(set) => {
                self.scoped(|this| this.statements(&set.body));
                self.block_filter(set.filter.as_ref(), &set.body);
                let kind = if set.filter.is_none() { Type::Markup("set") } else { Type::Any };
                self.assign(&set.target, kind);
            }
            Stmt::FilterBlock(block) => {
                self.scoped(|this| this.statements(&block.body));
                self.block_filter(Some(&block.filter), &block.body);
            }
            Stmt::AutoEscape(block) => {
                let help = "values are always escaped; mark one as `safe` to leave it as it is".to_owned();
                self.find(Code::TemplateSyntax, range(block.span()), "`autoescape` has no meaning here", Some(help));
            }
            Stmt::Block(block) => {
                self.facts.branches = true;
                self.scoped(|this| {
                    this.bind("super", Type::Any);
                    this.statements(&block.body);
                });
            }
            Stmt::Extends(extends) => self.template_name(&extends.name, false),
            Stmt::Include(include) => self.template_name(&include.name, include.ignore_missing),
            Stmt::Import(import) => {
                self.template_name(&import.expr, false);
                self.assign(&import.name, Type::Any);
            }
            Stmt::FromImport(import) => {
                self.template_name(&import.expr, false);
                for (name, alias) in &import.names {
                    self.assign(alias.as_ref().unwrap_or(name), Type::Any);
                }
            }
            Stmt::Macro(each) => {
                self.facts.branches = true;
                self.bind(each.name, Type::Markup("macro"));
                self.macro_body(&each.args, &each.defaults, &each.body);
            }
            Stmt::CallBlock(call) => {
                self.call(&call.call, range(call.call.span()));
                self.macro_body(&call.macro_decl.args, &call.macro_decl.defaults, &call.macro_decl.body);
            }
            Stmt::Do(each) => {
                self.call(&each.call, range(each.call.span()));
            }
        }
    }

    /// Plain text of the template. An open `<` at its end would make a ping of a value such as `!channel`.
    fn raw(&mut self, text: &str, at: Range<usize>) {
        let Some((before, after)) = text.rsplit_once('<').filter(|(_, after)| !after.contains('>')) else { return };
        if after.is_empty() || after.starts_with(['@', '!', '#']) && !after.starts_with("!date^") {
            let start = at.start + before.len();
            let help = "write `&lt;` for the sign itself, and links and pings with the filters `link` and `mention`";
            let message = "`<` right before a value: what is written there could ping somebody";
            self.find(Code::TemplateSyntax, start..start + 1 + after.len(), message, Some(help.to_owned()));
        }
    }

    fn macro_body(&mut self, arguments: &[Expr<'_>], defaults: &[Expr<'_>], body: &[Stmt<'_>]) {
        defaults.iter().for_each(|default| {
            self.expression(default);
        });
        self.scoped(|this| {
            this.bind("caller", Type::Any);
            arguments.iter().for_each(|argument| this.assign(argument, Type::Any));
            this.statements(body);
        });
    }

    fn assign(&mut self, target: &Expr<'_>, kind: Type) {
        match target {
            Expr::Var(var) => self.bind(var.id, kind),
            Expr::List(list) => list.items.iter().for_each(|item| self.assign(item, Type::Any)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.assign(item, Type::Any)),
            other => {
                self.expression(other);
            }
        }
    }

    /// The name of a template that is included, extended or imported.
    fn template_name(&mut self, name: &Expr<'_>, may_miss: bool) {
        self.facts.branches = true;
        match name {
            Expr::Const(each) => {
                let Some(text) = each.value.as_str() else { return };
                if self.names.iter().any(|known| known == text) {
                    self.facts.uses.insert(text.to_owned());
                } else if !may_miss {
                    let help =
                        did_you_mean(text, self.names.iter().map(String::as_str)).unwrap_or_else(|| match self.names {
                            [] => "templates that jobs share stand under `[templates]` in slack_alert.toml".to_owned(),
                            names => format!("`[templates]` has {}", list(names.iter().map(String::as_str))),
                        });
                    let message = format!("there is no template `{text}`");
                    self.find(Code::TemplateSyntax, range(each.span()), message, Some(help));
                }
            }
            Expr::IfExpr(choice) => {
                self.expression(&choice.test_expr);
                self.template_name(&choice.true_expr, may_miss);
                choice.false_expr.iter().for_each(|other| self.template_name(other, may_miss));
            }
            Expr::List(choices) => choices.items.iter().for_each(|choice| self.template_name(choice, true)),
            other => {
                // Which one is known when it is rendered: any of them.
                self.facts.uses.extend(self.names.iter().cloned());
                self.expression(other);
            }
        }
    }

    fn expressions<'e, 'x: 'e>(&mut self, list: impl IntoIterator<Item = &'e Expr<'x>>) {
        list.into_iter().for_each(|each| {
            self.expression(each);
        });
    }

    fn expression(&mut self, expression: &Expr<'_>) -> Type {
        match expression {
            Expr::Var(var) => self.variable(var.id, range(var.span())),
            Expr::Const(_) => Type::Any,
            Expr::Slice(slice) => {
                let kind = self.expression(&slice.expr);
                self.sliced(kind, range(slice.span()));
                self.expressions([&slice.start, &slice.stop, &slice.step].into_iter().flatten());
                kind
            }
            Expr::UnaryOp(unary) => {
                let kind = self.expression(&unary.expr);
                if matches!((&unary.op, kind), (UnaryOpKind::Neg, Type::Known(VarKind::Text | VarKind::Output))) {
                    let help = "the filter `int` makes a number of text".to_owned();
                    self.find(Code::TemplateSyntax, range(unary.span()), "text has no negative", Some(help));
                }
                Type::Any
            }
            Expr::BinOp(binary) => {
                let kinds = (self.expression(&binary.left), self.expression(&binary.right));
                if let Some(sign) = comparison(binary.op) {
                    self.different(&binary.left, sign, &binary.right);
                }
                match binary.op {
                    BinOpKind::ScAnd | BinOpKind::ScOr => self.facts.branches = true,
                    BinOpKind::Concat | BinOpKind::In => {}
                    _ => {
                        self.not_a_number(kinds.0, &binary.left, &binary.right);
                        self.not_a_number(kinds.1, &binary.right, &binary.left);
                        let (left, right) = ((&binary.left, kinds.0), (&binary.right, kinds.1));
                        self.arithmetic(binary.op, left, right, range(binary.span()));
                    }
                }
                match binary.op {
                    BinOpKind::ScAnd | BinOpKind::ScOr | BinOpKind::Concat => kinds.0.markup_or(kinds.1),
                    _ => Type::Any,
                }
            }
            Expr::Compare(compare) => {
                let (mut left, mut kind) = (&compare.expr, self.expression(&compare.expr));
                for op in &compare.ops {
                    let right = self.expression(&op.expr);
                    self.not_a_number(kind, left, &op.expr);
                    self.not_a_number(right, &op.expr, left);
                    self.different(left, compared(op.op), &op.expr);
                    (left, kind) = (&op.expr, right);
                }
                Type::Any
            }
            Expr::IfExpr(choice) => {
                self.facts.branches = true;
                self.expression(&choice.test_expr);
                let kind = self.expression(&choice.true_expr);
                let other = choice.false_expr.as_ref().map_or(Type::Any, |other| self.expression(other));
                kind.markup_or(other)
            }
            Expr::Filter(filter) => self.filter(filter, range(filter.span()), false),
            Expr::Test(test) => {
                let kind = self.expression(&test.expr);
                self.known_test(test.name, range(test.span()));
                self.arguments(&test.args);
                self.applied((Applied::Test, test.name), (Some(&test.expr), kind), &test.args, range(test.span()));
                Type::Any
            }
            Expr::GetAttr(get) => {
                let base = self.expression(&get.expr);
                let end = range(get.span()).end;
                self.attribute(base, get.name, end.saturating_sub(get.name.len())..end)
            }
            Expr::GetItem(get) => {
                let base = self.expression(&get.expr);
                self.expression(&get.subscript_expr);
                match (&get.subscript_expr, base) {
                    (Expr::Const(key), Type::Known(_)) if key.value.as_str().is_some() => {
                        self.attribute(base, key.value.as_str().unwrap_or_default(), range(key.span()))
                    }
                    (_, Type::Known(VarKind::Tables(attributes))) => Type::Known(VarKind::Table(attributes)),
                    _ => Type::Any,
                }
            }
            Expr::Call(call) => self.call(call, range(call.span())),
            Expr::List(list) => {
                self.expressions(&list.items);
                Type::Any
            }
            Expr::Tuple(tuple) => {
                self.expressions(&tuple.items);
                Type::Any
            }
            Expr::Map(map) => {
                self.expressions(map.keys.iter().chain(&map.values));
                Type::Any
            }
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) {
        for argument in arguments {
            let (CallArg::Pos(each) | CallArg::Kwarg(_, each) | CallArg::PosSplat(each) | CallArg::KwargSplat(each)) =
                argument;
            self.expression(each);
        }
    }
}

/// A range that lies within the text: the engine's own may reach past its end.
pub(super) fn inside(text: &str, range: Range<usize>) -> Range<usize> {
    let floor = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let start = floor(range.start);
    start..floor(range.end).max(start)
}

fn filter_names() -> impl Iterator<Item = &'static str> {
    FILTERS.iter().map(|filter| filter.name).chain(words(BUILTIN_FILTERS)).chain(words(JINJA_FILTERS))
}

fn words(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.split_ascii_whitespace()
}

fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
