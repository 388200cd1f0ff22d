//! Names that a template uses: variables, their attributes, and what is no number.

use std::collections::HashMap;
use std::ops::Range;

use minijinja::machinery::ast::Expr;

use super::{Checker, FUNCTIONS, LOOP, Type, list, range, words};
use crate::diagnostic::Code;
use crate::document::did_you_mean;
use crate::message::comparisons::{self, unlike};
use crate::message::vars::{self, MOMENT, SPAN, VARS, Var, VarKind};

impl Checker<'_> {
    pub(super) fn variable(&mut self, name: &str, at: Range<usize>) -> Type {
        if let Some(kind) = self.local(name) {
            return kind;
        }
        if let Some(var) = vars::find(name) {
            self.facts.uses_json |= name == "json";
            let content = matches!(var.kind, VarKind::Output | VarKind::Any | VarKind::Tables(_));
            self.facts.uses_content |= content || name == "previous";
            return Type::Known(var.kind);
        }
        if !FUNCTIONS.contains(&name) {
            let help = self.variable_help(name);
            self.find(Code::UnknownVariable, at, format!("unknown variable `{name}`"), Some(help));
        }
        Type::Any
    }

    pub(super) fn variable_help(&self, name: &str) -> String {
        let owner = VARS.iter().find(|var| match var.kind {
            VarKind::Table(attributes) => attributes.iter().any(|attribute| attribute.name == name),
            _ => false,
        });
        if let Some(owner) = owner {
            return format!("did you mean `{}.{name}`?", owner.name);
        }
        let locals = self.scopes.iter().flat_map(HashMap::keys).map(String::as_str).filter(|name| *name != "self");
        did_you_mean(name, VARS.iter().map(|var| var.name).chain(locals))
            .unwrap_or_else(|| format!("the variables are {}", list(VARS.iter().map(|var| var.name))))
    }

    pub(super) fn attribute(&mut self, base: Type, name: &str, at: Range<usize>) -> Type {
        let (what, attributes): (_, &[Var]) = match base {
            Type::Any => return Type::Any,
            Type::Loop if words(LOOP).any(|known| known == name) => return Type::Any,
            Type::Loop => {
                let help = did_you_mean(name, words(LOOP));
                self.find(Code::UnknownVariable, at, format!("a loop has no attribute `{name}`"), help);
                return Type::Any;
            }
            Type::Known(VarKind::Any) | Type::Markup(_) => return Type::Any,
            Type::Known(VarKind::Table(attributes)) => ("it", attributes),
            Type::Known(VarKind::Span) => ("a length of time", SPAN),
            Type::Known(VarKind::Moment) => ("a point in time", MOMENT),
            Type::Known(VarKind::Texts | VarKind::Tables(_)) => ("a list", &[]),
            Type::Known(VarKind::Number | VarKind::Flag) => ("a number", &[]),
            Type::Known(VarKind::Text | VarKind::Output) => ("a text", &[]),
        };
        if let Some(attribute) = attributes.iter().find(|attribute| attribute.name == name) {
            self.facts.uses_content |= matches!(attribute.kind, VarKind::Output | VarKind::Any);
            return Type::Known(attribute.kind);
        }
        let names = || attributes.iter().map(|attribute| attribute.name);
        let help = did_you_mean(name, names())
            .or_else(|| (!attributes.is_empty()).then(|| format!("{what} has {}", list(names()))));
        let message = match what {
            "it" => format!("unknown attribute `{name}`"),
            what => format!("{what} has no attribute `{name}`"),
        };
        self.find(Code::UnknownVariable, at, message, help);
        Type::Any
    }

    /// A number that is compared with text is never the same, and neither is the greater. Nor is a number within a text.
    pub(super) fn different(&mut self, left: &Expr<'_>, sign: &str, right: &Expr<'_>) {
        let known = |expr: &Expr<'_>| match self.known(expr) {
            Type::Known(VarKind::Number) => Some(comparisons::Kind::Number),
            Type::Known(VarKind::Text | VarKind::Output) => Some(comparisons::Kind::Text),
            _ => None,
        };
        if let Some(found) = unlike(left, sign, right, &known) {
            self.find(Code::MixedComparison, range(found.at), found.message, Some(found.help));
        }
    }

    /// What is known of a variable, or of an attribute of one.
    fn known(&self, expression: &Expr<'_>) -> Type {
        match expression {
            Expr::Var(var) => self.local(var.id).or_else(|| vars::find(var.id).map(|var| Type::Known(var.kind))),
            Expr::GetAttr(get) => match self.known(&get.expr) {
                Type::Known(VarKind::Table(attributes)) => {
                    let attribute = attributes.iter().find(|attribute| attribute.name == get.name);
                    attribute.map(|attribute| Type::Known(attribute.kind))
                }
                Type::Known(VarKind::Span | VarKind::Moment) => Some(Type::Known(VarKind::Number)),
                _ => None,
            },
            _ => None,
        }
        .unwrap_or(Type::Any)
    }

    /// A length of time or a point in time is no number: comparing it with one would be wrong without a word.
    pub(super) fn not_a_number(&mut self, kind: Type, expression: &Expr<'_>, other: &Expr<'_>) {
        let (what, attribute) = match kind {
            Type::Known(VarKind::Span) => ("a length of time", "seconds"),
            Type::Known(VarKind::Moment) => ("a point in time", "timestamp"),
            _ => return,
        };
        if matches!(other, Expr::Const(_)) {
            let help = format!("its number is in `.{attribute}`");
            let message = format!("this is {what}, and no number");
            self.find(Code::TemplateSyntax, range(expression.span()), message, Some(help));
        }
    }
}
