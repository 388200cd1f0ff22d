//! How the process begins: `working_dir`, `stdin`, `umask`, `nice`, `user`, `group`. After it: `process::launch`.

use std::path::Path;
use std::sync::Arc;

use super::Context;
use crate::diagnostic::{Code, Place, Problem};
use crate::document::{Key, Kind, Table};
use crate::exec::{account, os};

/// The keys of this file.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "working_dir",
        kind: Kind::Text,
        default: "the folder of slack_alert.toml",
        about: "Where the command runs; relative programs and files are found from there.",
    },
    Key {
        name: "stdin",
        kind: Kind::Text,
        default: "",
        about: "Text for the command's standard input; without it that is /dev/null.",
    },
    Key {
        name: "umask",
        kind: Kind::Text,
        default: "",
        about: "The permissions that new files do not get, in octal: \"027\".",
    },
    Key {
        name: "nice",
        kind: Kind::Integer(-20, 19),
        default: "",
        about: "How much lower the priority is than the daemon's; below 0 only where the daemon may.",
    },
    Key {
        name: "user",
        kind: ACCOUNT,
        default: "",
        about: "The user to run as, by name or number, where the daemon may switch. Sets HOME, USER, LOGNAME and SHELL.",
    },
    Key {
        name: "group",
        kind: ACCOUNT,
        default: "the user's",
        about: "The group to run as, by name or number, where the daemon may switch.",
    },
];

/// The numbers that an account may have: the largest says "none" to the kernel.
const NUMBERS: std::ops::RangeInclusive<i64> = 0..=(u32::MAX - 1) as i64;

/// A user or a group, by name or number.
pub const ACCOUNT: Kind = Kind::OneOf(&[Kind::Text, Kind::Integer(*NUMBERS.start(), *NUMBERS.end())]);

/// Where a process begins, with what on its standard input, and as whom.
#[derive(Clone, PartialEq)]
pub(in crate::exec) struct Start {
    /// Absolute.
    pub(in crate::exec) working_dir: Arc<Path>,
    pub(in crate::exec) stdin: Option<Box<str>>,
    pub(in crate::exec) umask: Option<u32>,
    pub(in crate::exec) nice: Option<i8>,
    pub(in crate::exec) user: Option<Box<str>>,
    pub(in crate::exec) group: Option<Box<str>>,
}

impl Start {
    /// In this folder, and otherwise as the daemon itself.
    pub(super) fn plain(working_dir: Arc<Path>) -> Self {
        Self { working_dir, stdin: None, umask: None, nice: None, user: None, group: None }
    }
}

pub(super) fn read(table: &mut Table<'_>, context: &Context<'_>) -> Start {
    let working_dir = read_working_dir(table, context);
    // It may hold any text, a NUL too: it is no argument.
    let stdin = table.text("stdin").map(|text| text.value).filter(|text| !text.is_empty());
    let umask = read_umask(table);
    let nice = table.integer("nice", -20..=19).and_then(|nice| i8::try_from(nice).ok());
    let (user, group) = (read_user(table, context), read_group(table));
    Start {
        working_dir,
        stdin: stdin.map(Into::into),
        umask,
        nice,
        user: user.map(Into::into),
        group: group.map(Into::into),
    }
}

fn read_working_dir(table: &mut Table<'_>, context: &Context<'_>) -> Arc<Path> {
    let help = "name a folder, or leave the key out: it is then the folder of slack_alert.toml";
    let Some(text) = table.filled_file("working_dir", help) else { return Arc::clone(&context.working_dir) };
    let dir = context.config_dir.join(text.value);
    if os::is_hidden(&dir) {
        let message = format!("`working_dir`: {} may not be looked at by the user that runs this", dir.display());
        let help = "let that user enter the folders above it; or check as the user that runs slack-alert";
        table.push(Problem::new(Code::UnreadableFile, text.at, message).help(help));
    } else if !os::is_dir(&dir) {
        let message = format!("`working_dir`: {} is not a folder", dir.display());
        let help = "create it, or correct the path; a relative one starts from the folder of slack_alert.toml";
        table.push(Problem::new(Code::MissingFile, text.at, message).help(help));
    }
    dir.into()
}

fn read_umask(table: &mut Table<'_>) -> Option<u32> {
    let value = table.value("umask")?;
    if value.is_integer() {
        return value.wrong_type("octal digits in quotes, such as \"027\"");
    }
    let text = value.text()?;
    match u32::from_str_radix(text.value, 8) {
        Ok(umask) if umask <= 0o777 && !text.value.starts_with('+') => Some(umask),
        _ => {
            let message = format!("`{}` is not a umask", text.value);
            value.refuse(Code::InvalidValue, message, "write three octal digits, such as \"027\" or \"077\"")
        }
    }
}

/// The name or the number of an account, and where it stands.
fn read_account(table: &mut Table<'_>, key: &'static str) -> Option<(String, Place)> {
    let value = table.value(key)?;
    let name = match value.is_text() {
        true => value.text()?.value.to_owned(),
        false => value.integer(NUMBERS)?.to_string(),
    };
    Some((name, value.at))
}

fn read_user(table: &mut Table<'_>, context: &Context<'_>) -> Option<String> {
    let (name, at) = read_account(table, "user")?;
    let mut users = context.users.borrow_mut();
    let wrong = users.entry(name.clone()).or_insert_with_key(|name| account::user(name).err());
    if let Some(message) = wrong.clone() {
        let problem = Problem::new(Code::UnknownUser, at, message).help("see `getent passwd` for those there are");
        table.push(problem.maybe_help(account::meant(&name, account::USERS)));
    }
    Some(name)
}

/// `group`: one that this machine knows.
pub fn read_group(table: &mut Table<'_>) -> Option<String> {
    let (name, at) = read_account(table, "group")?;
    if let Err(message) = account::group(&name) {
        let problem = Problem::new(Code::UnknownUser, at, message).help("see `getent group` for those there are");
        table.push(problem.maybe_help(account::meant(&name, account::GROUPS)));
    }
    Some(name)
}
