//! Filters, tests and calls that a template uses, and the guard of `mention`.

use std::ops::Range;

use jiff::tz::TimeZone;
use minijinja::machinery::ast::{Call, CallArg, CallType, Expr, Filter, Stmt};

use super::markup::{keeps_markup, writes_markup};
use super::purity::pure;
use super::tried::Applied;
use super::{BUILTIN_TESTS, Checker, FUNCTIONS, Type, filter_names, range, words};
use crate::diagnostic::Code;
use crate::document::{did_you_mean, nearest};
use crate::message::comparisons::selected;
use crate::message::filters::{nobody, strftime};
use crate::message::vars::{self, VarKind};
use crate::slack::mention_markup;

impl Checker<'_> {
    pub(super) fn call(&mut self, call: &Call<'_>, at: Range<usize>) -> Type {
        self.arguments(&call.args);
        match call.identify_call() {
            CallType::Function(name) if matches!(self.local(name), Some(Type::Markup("macro"))) => {
                return Type::Markup("macro");
            }
            CallType::Function(name) if self.local(name).is_some() || FUNCTIONS.contains(&name) => {}
            CallType::Function(name) => {
                let help = match vars::find(name) {
                    Some(_) => Some(format!("`{name}` is a variable: write it without brackets")),
                    None => did_you_mean(name, FUNCTIONS.iter().copied()),
                };
                self.find(
                    Code::UnknownVariable,
                    at.start..at.start + name.len(),
                    format!("unknown function `{name}`"),
                    help,
                );
            }
            CallType::Method(base, name) => {
                if let Type::Known(_) = self.expression(base) {
                    let end = range(call.expr.span()).end;
                    let filter = match name {
                        "strip" | "rstrip" | "lstrip" => Some("trim"),
                        "splitlines" => Some("lines"),
                        name => nearest(name, filter_names()),
                    };
                    let help = match filter {
                        Some(filter) => format!("use the filter: `| {filter}`"),
                        None => "values have no methods here, only filters".to_owned(),
                    };
                    let message = format!("unknown method `{name}`");
                    self.find(Code::UnknownFilter, end.saturating_sub(name.len())..end, message, Some(help));
                }
            }
            CallType::Block(_) => {}
            CallType::Object(base) => {
                self.expression(base);
            }
        }
        Type::Any
    }

    /// The filters of `{% filter … %}` and `{% set x | … %}`, whose operand is a block.
    pub(super) fn block_filter(&mut self, filter: Option<&Expr<'_>>, body: &[Stmt<'_>]) {
        if let Some(Expr::Filter(filter)) = filter {
            self.filter(filter, range(filter.span()), body.iter().all(|each| matches!(each, Stmt::EmitRaw(_))));
        }
    }

    /// A filter; `block` tells whether an operand that is a block is plain text of the template.
    pub(super) fn filter(&mut self, filter: &Filter<'_>, at: Range<usize>, block: bool) -> Type {
        let operand = match &filter.expr {
            Some(Expr::Filter(inner)) => self.filter(inner, range(inner.span()), block),
            Some(expression) => self.expression(expression),
            None => Type::Any,
        };
        self.arguments(&filter.args);
        let name_at = at.start..at.start + filter.name.len();
        self.known_filter(filter.name, name_at.clone());
        self.after_markup(filter.name, operand, name_at.clone());
        self.applied((Applied::Filter, filter.name), (filter.expr.as_ref(), operand), &filter.args, at.clone());
        let first = match filter.args.first() {
            Some(CallArg::Pos(Expr::Const(each))) => each.value.as_str().map(|text| (text, range(each.span()))),
            _ => None,
        };
        let mut mentions = filter.name == "mention";
        match (filter.name, &first) {
            ("map", Some((name, at))) => {
                mentions = *name == "mention";
                self.known_filter(name, at.clone());
                self.applied((Applied::Filter, name), (None, Type::Any), &filter.args[1..], at.clone());
            }
            ("map", None) if !matches!(filter.args.first(), Some(CallArg::Kwarg(..))) => {
                let message = "the filter that `map` applies must be written out";
                self.find(Code::TemplateSyntax, name_at.clone(), message, Some("such as `map(\"upper\")`".to_owned()));
            }
            ("select" | "reject", Some((name, at))) => self.known_test(name, at.clone()),
            ("selectattr" | "rejectattr", _) => {
                if let Some(CallArg::Pos(Expr::Const(each))) = filter.args.get(1)
                    && let Some(name) = each.value.as_str()
                {
                    self.known_test(name, range(each.span()));
                }
                if let Some(found) = selected(filter) {
                    self.find(Code::MixedComparison, range(found.at), found.message, Some(found.help));
                }
            }
            ("date", Some((format, at))) => {
                let epoch = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
                if let Err(why) = strftime(&epoch, format) {
                    self.find(Code::TemplateSyntax, at.clone(), why, Some("see strftime(3)".to_owned()));
                }
            }
            _ => {}
        }
        if mentions {
            self.mention(filter, name_at, block);
        }
        match (filter.name, operand) {
            (name, Type::Markup(_)) if keeps_markup(name) => operand,
            (name, _) if writes_markup(name).is_some() => writes_markup(name).map_or(Type::Any, Type::Markup),
            ("first" | "last" | "min" | "max", Type::Known(VarKind::Tables(attributes))) => {
                Type::Known(VarKind::Table(attributes))
            }
            ("sort" | "selectattr" | "rejectattr" | "reverse" | "list" | "unique", Type::Known(VarKind::Tables(_))) => {
                operand
            }
            _ => Type::Any,
        }
    }

    /// `mention` takes only what the template itself spells out: no output can ping anybody.
    pub(super) fn mention(&mut self, filter: &Filter<'_>, at: Range<usize>, block: bool) {
        let spelled = match &filter.expr {
            Some(expression) => pure(expression, &self.purity, block),
            None => block,
        };
        if !spelled {
            let message = "`mention` takes only names that are written in the template";
            let help =
                "write the name: `{{ \"@here\" | mention }}`; output must not be able to ping anybody".to_owned();
            self.find(Code::TemplateSyntax, at, message, Some(help));
        } else if let Some(Expr::Const(each)) = &filter.expr
            && let Some(name) = each.value.as_str()
            && !name.is_empty()
            && mention_markup(name.trim()).is_none()
        {
            self.find(Code::TemplateSyntax, range(each.span()), nobody(name), None);
        }
    }

    pub(super) fn known_filter(&mut self, name: &str, at: Range<usize>) {
        if !filter_names().any(|known| known == name) {
            let help = did_you_mean(name, filter_names());
            let help = help.or_else(|| {
                words(BUILTIN_TESTS)
                    .any(|known| known == name)
                    .then(|| format!("`{name}` is a test: write `is {name}`"))
            });
            self.find(Code::UnknownFilter, at, format!("unknown filter `{name}`"), help);
        }
    }

    pub(super) fn known_test(&mut self, name: &str, at: Range<usize>) {
        if !words(BUILTIN_TESTS).any(|known| known == name) {
            let help = did_you_mean(name, words(BUILTIN_TESTS));
            self.find(Code::UnknownFilter, at, format!("unknown test `{name}`"), help);
        }
    }
}
