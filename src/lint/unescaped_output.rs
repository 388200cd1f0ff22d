//! `unescaped-output`: `safe` on what a command wrote.

use super::view::{self, File};
use super::{Scope, Subject, Whole};
use crate::diagnostic::{Code, Problem, Problems};
use crate::document::{Table, Text, Value};
use crate::message::unescaped;

/// A template marks as `safe` what comes from `stdout`, `stderr`, `output`, `json`, `diff`, `perfdata` or
/// `previous.stdout`: then the output of the script can mention everybody in the channel, and forge a link.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    of_file(&subject.file, "", found);
}

/// The same for the templates of `[templates]` and `[defaults]`.
pub(super) fn check_config(whole: &Whole<'_>, found: &mut Problems) {
    of_file(&whole.config, "defaults.", found);
    let table = whole.config.find("templates").filter(Value::is_table).and_then(|value| value.table());
    for (_, value) in table.iter().flat_map(Table::free_keys).filter(|(_, value)| value.is_text()) {
        value.text().iter().for_each(|text| judge("template", text, found));
    }
}

fn of_file(file: &File<'_>, below: &str, found: &mut Problems) {
    if file.text().contains("safe") {
        for (key, value) in view::templates(file, below) {
            value.text().iter().for_each(|text| judge(key, text, found));
        }
    }
}

fn judge(key: &str, text: &Text<'_>, found: &mut Problems) {
    for (range, variable) in unescaped(text.value, key == "blocks") {
        let message = format!("`safe` lets `{variable}` mention people and forge links");
        let problem = Problem::new(Code::UnescapedOutput, text.inside(range), message);
        found.push(problem.help("leave `safe` out: values are escaped by themselves; for a block of code use `code`"));
    }
}
