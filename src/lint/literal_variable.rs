//! `literal-variable`: a variable that nobody expands.

use std::sync::LazyLock;

use regex::Regex;

use super::script::is_posix_shell;
use super::{Scope, Subject, Whole};
use crate::diagnostic::{Code, Problem, Problems};
use crate::document::{Table, Text, Value};

/// `$HOME`, `${HOME}`, `$(pwd)`, `` `pwd` ``, and `~`, `~/` or `~name/` at the start of a value or of a part of PATH.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"\$\{[A-Za-z_][A-Za-z0-9_]*\}|\$[A-Z_][A-Z0-9_]+\b|\$\([a-z][^()]*\)|`[a-z][^`]*`|(?:^|:)(?:(?<tilde>~)(?:[/:]|$)|(?<other>~[a-z_][a-z0-9_-]*)/)";
    Regex::new(pattern).expect("the pattern is fixed and tested")
});

/// The values of `env` are taken as they stand, and the words of an array are given to the program as they stand: no shell
/// sees them. In the text of a `command` that is a string the shell does its work.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    let file = &subject.file;
    env_file(subject, found);
    if !file.text().contains(['$', '~', '`']) {
        return;
    }
    variables(file.find("env"), found);
    let words = subject.job.command.words();
    let for_shell = words.len() > 1 && is_posix_shell(&words[..words.len() - 1]);
    let list = file.find("command").filter(|value| value.is_list() && !for_shell);
    for word in list.iter().flat_map(|value| value.items().unwrap_or_default()).filter(Value::is_text) {
        if let Some(text) = word.text() {
            let help = "write the command as one string, which is given to the shell, or write the value itself";
            judge(&text, "the program is given", help, found);
        }
    }
}

/// The same of what the job's `env_file` sets, which is read as it stands too. Values may be secret: only a variable in one that
/// is none by its name is shown.
fn env_file(subject: &Subject<'_, '_>, found: &mut Problems) {
    let Some(place) = subject.find("env_file").map(|value| value.at) else { return };
    for (name, value) in subject.job.command.open_env_file() {
        let Some(groups) = VARIABLE.captures(&value) else { continue };
        let tilde = groups.name("tilde").or_else(|| groups.name("other"));
        let variable = tilde.or_else(|| groups.get(0)).map_or("", |variable| variable.as_str());
        let message = format!("`{name}` of `env_file` holds `{variable}` as it stands: no shell expands it");
        let help =
            "write the value itself into the file, or let the command read it: `. ./FILE` in the place of `env_file`";
        found.push(Problem::new(Code::LiteralVariable, place, message).help(help));
    }
}

/// The same of the variables that all jobs have.
pub(super) fn check_defaults(whole: &Whole<'_>, found: &mut Problems) {
    variables(whole.config.find("defaults.env"), found);
}

fn variables(env: Option<Value<'_>>, found: &mut Problems) {
    let env = env.filter(Value::is_table).and_then(|value| value.table());
    for (name, value) in env.iter().flat_map(Table::free_keys) {
        if let Some(text) = Some(value).filter(Value::is_text).and_then(|value| value.text()) {
            let help = "write the value itself, or set it in the command: `export PATH=\"$HOME/bin:$PATH\"`";
            judge(&text, &format!("`{name}` holds"), help, found);
        }
    }
}

fn judge(text: &Text<'_>, what: &str, help: &str, found: &mut Problems) {
    let Some(groups) = VARIABLE.captures(text.value) else { return };
    let tilde = groups.name("tilde").or_else(|| groups.name("other"));
    let Some(variable) = tilde.or_else(|| groups.get(0)) else { return };
    let message = format!("{what} `{}` as it stands: no shell expands it", variable.as_str());
    found.push(Problem::new(Code::LiteralVariable, text.inside(variable.range()), message).help(help));
}

#[cfg(test)]
mod tests {
    use super::VARIABLE;

    #[test]
    fn what_looks_like_a_variable() {
        for (text, is) in [
            ("$HOME/bin:/usr/bin", true),
            ("/usr/bin:${HOME}/bin", true),
            ("~/bin:/usr/bin", true),
            ("/usr/bin:~/bin", true),
            ("$(hostname -f)", true),
            ("a-`date +%F`", true),
            ("`", false),
            ("a `5` b", false),
            ("$(", false),
            ("~", true),
            ("/bin:~", true),
            ("~deploy/bin", true),
            ("~5", false),
            ("~ish", false),
            ("a ~ b", false),
            ("/srv/app~/x", false),
            ("pa$sword", false),
            ("$5", false),
            ("5$", false),
            ("", false),
        ] {
            assert_eq!(VARIABLE.is_match(text), is, "{text}");
        }
    }
}
