//! `command` and `shell`: what is executed. Before it: a job's table. After it: `process`, and what people see of a command.

use super::free_of_nul;
use crate::diagnostic::Code;
use crate::document::{Key, Kind, Table, Value};

/// The shell that takes a command that is written as one string.
const DEFAULT_SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// The keys of this file.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "command",
        kind: Kind::TextOrList,
        default: "",
        about: "What to run. A string is given to `shell`; an array is executed as it stands, no shell.",
    },
    Key {
        name: "shell",
        kind: Kind::List,
        default: "[\"/bin/sh\", \"-c\"]",
        about: "The program, and its first arguments, that a string command is given to.",
    },
];

/// What is executed.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::exec) enum Words {
    /// A string for a shell; `None` is [`DEFAULT_SHELL`].
    Shell { shell: Option<Box<[Box<str>]>>, script: Box<str> },
    /// As it stands.
    Direct(Box<[Box<str>]>),
    /// Nothing: something else runs the job.
    Elsewhere,
}

impl Words {
    /// The script that a shell is given; `None` for an array.
    pub(super) fn script(&self) -> Option<&str> {
        match self {
            Self::Shell { script, .. } => Some(script),
            Self::Direct(_) | Self::Elsewhere => None,
        }
    }

    /// Every word that is executed, program first.
    pub(super) fn all(&self) -> Vec<&str> {
        match self {
            Self::Shell { shell: None, script } => DEFAULT_SHELL.into_iter().chain([script.as_ref()]).collect(),
            Self::Shell { shell: Some(shell), script } => {
                shell.iter().map(AsRef::as_ref).chain([script.as_ref()]).collect()
            }
            Self::Direct(words) => words.iter().map(AsRef::as_ref).collect(),
            Self::Elsewhere => Vec::new(),
        }
    }

    /// The command as written: a script as it is, the words of an array as they would be typed into a shell.
    pub(super) fn written(&self) -> String {
        match self {
            Self::Shell { script, .. } => script.to_string(),
            Self::Direct(words) => typed(words.iter().map(AsRef::as_ref)),
            Self::Elsewhere => String::new(),
        }
    }
}

/// Words as they would be typed into a shell. The quoting fails for a NUL only, which no word of a command holds.
fn typed<'w>(words: impl Iterator<Item = &'w str> + Clone) -> String {
    shlex::try_join(words.clone()).unwrap_or_else(|_| words.collect::<Vec<_>>().join(" "))
}

pub(super) fn read(table: &mut Table<'_>, runs_elsewhere: bool) -> Option<Words> {
    let shell = table.value("shell").and_then(|value| read_list(&value, DEFAULT_SHELL[0]));
    let command = table.value("command");
    if runs_elsewhere {
        return Some(Words::Elsewhere);
    }
    let Some(value) = command else {
        table.missing("command", "write what to run: `command = \"df -h /\"`");
        return None;
    };
    if value.is_list() {
        table.conflict("command", "shell", "an array is executed as it stands, without a shell: leave `shell` out");
        return read_list(&value, "the program").map(Words::Direct);
    }
    let text = match value.is_text() {
        true => value.text()?,
        false => return value.wrong_type("text, or a list of texts"),
    };
    if text.value.trim().is_empty() {
        let help = "write what to run: `command = \"df -h /\"`";
        return value.refuse(Code::InvalidValue, "`command` is empty", help);
    }
    let script = free_of_nul(table, "command", text)?.into();
    Some(Words::Shell { shell, script })
}

/// A list of words of which the first is a program.
fn read_list(value: &Value<'_>, first: &str) -> Option<Box<[Box<str>]>> {
    let texts = value.list()?;
    if texts.first().is_none_or(|text| text.value.is_empty()) {
        // Members that are no text were told of already.
        if value.items().is_some_and(|items| items.iter().all(Value::is_text)) {
            let message = format!("`{}` has no program", value.path());
            return value.refuse(Code::InvalidValue, message, format!("its first word is {first}"));
        }
        return None;
    }
    if value.items().is_some_and(|items| items.len() != texts.len()) {
        return None;
    }
    if texts.iter().any(|text| text.value.contains('\0')) {
        let message = format!("`{}` holds a NUL character", value.path());
        return value.refuse(Code::InvalidValue, message, "no argument of a program can hold one");
    }
    Some(texts.iter().map(|text| text.value.into()).collect())
}

#[cfg(test)]
mod tests {
    use super::typed;

    #[test]
    fn words_as_they_would_be_typed() {
        let words = ["echo", "it's", "", "a b", "--x=/y", "$HOME", "a%b"];
        assert_eq!(typed(words.into_iter()), r#"echo "it's" '' 'a b' '--x=/y' '$HOME' 'a%b'"#);
    }
}
