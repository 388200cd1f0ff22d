//! Which expressions of a template can yield only what the template spells out: the guard of the filter `mention`.
//!
//! Before it: a syntax tree. After it: `check`, and `own_parts` for templates of which all that they write is pure. An expression is pure when it is made of literals alone, whatever chooses
//! among them; a name is pure when everything that is ever assigned to it is. In doubt it is not.

use std::collections::HashSet;

use minijinja::machinery::ast::{CallArg, Expr, Stmt};

use crate::message::vars;

/// The pure names of a template.
#[derive(Debug, Default)]
pub(super) struct Purity {
    names: HashSet<String>,
}

/// One assignment: to a name, from an expression, or from what is not known.
struct Assignment<'t, 's> {
    name: &'t str,
    from: Option<&'t Expr<'s>>,
}

impl Purity {
    /// The pure names of a tree. A shared template (`named`) gets the variables of whoever includes it, and one that
    /// extends another shares them with it: there no name is pure.
    pub(super) fn of(tree: &Stmt<'_>, named: bool) -> Self {
        let mut collector = Collector { list: Vec::new(), extends: named };
        collector.statement(tree);
        if collector.extends {
            return Self::default();
        }
        let names = collector.list.iter().map(|each| each.name).filter(|name| vars::find(name).is_none());
        let mut purity = Self { names: names.map(str::to_owned).collect() };
        // Names depend on each other: strike out until nothing changes.
        loop {
            let impure = |each: &&Assignment<'_, '_>| {
                purity.names.contains(each.name) && !each.from.is_some_and(|from| pure(from, &purity, false))
            };
            let Some(name) = collector.list.iter().find(impure).map(|each| each.name) else { return purity };
            purity.names.remove(name);
        }
    }
}

/// Whether an expression can yield only what the template spells out; `block` tells it of an operand that is a block.
pub(super) fn pure(expression: &Expr<'_>, purity: &Purity, block: bool) -> bool {
    let is = |expression: &Expr<'_>| pure(expression, purity, false);
    match expression {
        Expr::Const(_) | Expr::Test(_) | Expr::Compare(_) => true,
        Expr::Var(var) => purity.names.contains(var.id),
        Expr::List(list) => list.items.iter().all(is),
        Expr::Tuple(tuple) => tuple.items.iter().all(is),
        Expr::Map(map) => map.keys.iter().chain(&map.values).all(is),
        Expr::IfExpr(choice) => is(&choice.true_expr) && choice.false_expr.as_ref().is_none_or(is),
        Expr::BinOp(binary) => is(&binary.left) && is(&binary.right),
        Expr::UnaryOp(unary) => is(&unary.expr),
        Expr::GetItem(get) => {
            is(&get.expr) && (is(&get.subscript_expr) || matches!(get.expr, Expr::Map(_) | Expr::List(_)))
        }
        Expr::Slice(slice) => is(&slice.expr) && [&slice.start, &slice.stop, &slice.step].into_iter().flatten().all(is),
        Expr::Filter(filter) => {
            let operand = filter.expr.as_ref().map_or(block, |operand| pure(operand, purity, block));
            let argument = |argument: &CallArg<'_>| match argument {
                CallArg::Pos(each) | CallArg::Kwarg(_, each) => is(each),
                CallArg::PosSplat(_) | CallArg::KwargSplat(_) => false,
            };
            operand && filter.args.iter().all(argument)
        }
        Expr::GetAttr(_) | Expr::Call(_) => false,
    }
}

/// Whether statements write nothing but what the template spells out, whatever chooses among that.
pub(super) fn writes_pure(list: &[Stmt<'_>], purity: &Purity) -> bool {
    list.iter().all(|statement| match statement {
        Stmt::Template(template) => writes_pure(&template.children, purity),
        Stmt::EmitExpr(emit) => pure(&emit.expr, purity, false),
        Stmt::IfCond(cond) => writes_pure(&cond.true_body, purity) && writes_pure(&cond.false_body, purity),
        Stmt::EmitRaw(_) | Stmt::Set(_) => true,
        _ => false,
    })
}

struct Collector<'t, 's> {
    list: Vec<Assignment<'t, 's>>,
    extends: bool,
}

impl<'t, 's> Collector<'t, 's> {
    fn statements(&mut self, list: &'t [Stmt<'s>]) {
        list.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &'t Stmt<'s>) {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::IfCond(cond) => {
                self.statements(&cond.true_body);
                self.statements(&cond.false_body);
            }
            Stmt::ForLoop(each) => {
                // A recursive loop is given other lists later on.
                self.assign(&each.target, (!each.recursive).then_some(&each.iter));
                self.statements(&each.body);
                self.statements(&each.else_body);
            }
            Stmt::WithBlock(with) => {
                with.assignments.iter().for_each(|(target, value)| self.assign(target, Some(value)));
                self.statements(&with.body);
            }
            Stmt::Set(set) => self.assign(&set.target, Some(&set.expr)),
            Stmt::SetBlock(set) => {
                self.assign(&set.target, None);
                self.statements(&set.body);
            }
            Stmt::AutoEscape(block) => self.statements(&block.body),
            Stmt::FilterBlock(block) => self.statements(&block.body),
            Stmt::Block(block) => self.statements(&block.body),
            Stmt::Import(import) => self.assign(&import.name, None),
            Stmt::FromImport(import) => {
                import.names.iter().for_each(|(name, alias)| self.assign(alias.as_ref().unwrap_or(name), None));
            }
            Stmt::Macro(each) => {
                each.args.iter().for_each(|argument| self.assign(argument, None));
                self.statements(&each.body);
            }
            Stmt::CallBlock(call) => {
                call.macro_decl.args.iter().for_each(|argument| self.assign(argument, None));
                self.statements(&call.macro_decl.body);
            }
            Stmt::Extends(_) => self.extends = true,
            Stmt::EmitExpr(_) | Stmt::EmitRaw(_) | Stmt::Include(_) | Stmt::Do(_) => {}
        }
    }

    fn assign(&mut self, target: &'t Expr<'s>, from: Option<&'t Expr<'s>>) {
        match target {
            Expr::Var(var) => self.list.push(Assignment { name: var.id, from }),
            Expr::List(list) => list.items.iter().for_each(|item| self.assign(item, from)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.assign(item, from)),
            _ => {}
        }
    }
}
