//! Filters and slices in an order that takes apart what was written for Slack already: the rule `cut-markup`.
//!
//! Before it: a filter or a slice, and what is known of the value. After it: a finding where links, pings or a code block are
//! lost, or where signs show as entities.

use std::ops::Range;

use super::{Checker, Type};
use crate::diagnostic::Code;
use crate::message::filters::OF_TEXT;

/// What these make is lost when the text is changed.
const LOST: [(&str, &str); 4] = [("code", "code block"), ("link", "link"), ("urlize", "links"), ("mention", "ping")];

/// The filters that write markup, under their one name.
pub(super) fn writes_markup(filter: &str) -> Option<&'static str> {
    ["code", "link", "urlize", "mention", "literal", "escape", "e", "forceescape"]
        .into_iter()
        .find(|known| *known == filter)
}

/// Of markup these make markup.
pub(super) fn keeps_markup(filter: &str) -> bool {
    ["trim", "head", "tail", "indent", "literal", "urlize", "strip_ansi", "default", "d"].contains(&filter)
}

impl Checker<'_> {
    /// A filter that changes text, after one that has made more of it than text.
    pub(super) fn after_markup(&mut self, filter: &str, operand: Type, at: Range<usize>) {
        let Type::Markup(by) = operand else { return };
        let Some((_, what)) = LOST.iter().find(|(name, _)| *name == by) else { return };
        // These say something about the text.
        if !OF_TEXT.contains(&filter) || ["count", "length", "wordcount", "format", "urlencode"].contains(&filter) {
            return;
        }
        let message = format!("`{filter}` after `{by}` leaves no {what}");
        self.find(Code::CutMarkup, at, message, Some(format!("put `{by}` last: `… | {filter} | {by}`")));
    }

    /// A slice goes through entities and links.
    pub(super) fn sliced(&mut self, kind: Type, at: Range<usize>) {
        if let Type::Markup(_) = kind {
            let message = "a slice of markup shows its signs, `&amp;` for `&`";
            let help = "cut the text before it becomes markup, or use `truncate`".to_owned();
            self.find(Code::CutMarkup, at, message, Some(help));
        }
    }
}
