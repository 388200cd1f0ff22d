//! Whether a crontab has a user before each command: the two formats look alike.

use super::super::Machine;
use super::line::{Line, SHELL_WORDS, word};

/// Users that nearly every system has, and no program is called.
const USERS: &[&str] = &[
    "root",
    "nobody",
    "daemon",
    "bin",
    "www-data",
    "apache",
    "nginx",
    "http",
    "postgres",
    "mysql",
    "redis",
    "backup",
    "news",
    "list",
    "proxy",
    "ntp",
    "munin",
    "nagios",
    "icinga",
    "logcheck",
    "amavis",
    "git",
    "ubuntu",
    "debian",
    "admin",
    "ec2-user",
    "vagrant",
    "_apt",
    "uucp",
    "lp",
    "man",
    "games",
    "irc",
    "gnats",
    "rabbitmq",
    "mongodb",
    "elasticsearch",
    "jenkins",
    "gitlab",
    "nextcloud",
    "zabbix",
    "smmsp",
    "debian-spamd",
    "vmail",
    "cyrus",
    "asterisk",
    "tomcat",
    "deploy",
];

/// What a crontab is taken for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Guess {
    /// A user stands before each command.
    pub(super) system: bool,
    /// What to say of it, and of which line; nothing where the file itself says it.
    pub(super) remark: Option<(Option<usize>, String)>,
    /// It may as well be the other: whoever changes the crontab has to be told.
    pub(super) is_doubtful: bool,
}

/// What the first word of an entry looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    /// A user: it is one, and a command follows.
    User,
    /// A user whom this machine does not know, or one whose name may be a program's: what follows looks like a command.
    PerhapsUser,
    /// The beginning of a command.
    Command,
    /// Neither is known here.
    Unknown,
}

/// Whether a user stands before each command: by the path, by a comment that names the columns, else by the commands. `entries`
/// are the lines with what stands behind their times.
pub(super) fn guess<'t>(
    file_name: &str,
    text: &str,
    entries: impl Iterator<Item = (usize, &'t str)>,
    machine: Machine<'_>,
) -> Guess {
    let path = file_name.trim_start_matches("./");
    let said = |system| Guess { system, remark: None, is_doubtful: false };
    if path.contains("cron.d/") || path.ends_with("etc/crontab") {
        return said(true);
    }
    if path.contains("cron/crontabs/") || path.contains("spool/cron/") || path.contains("cron/tabs/") {
        return said(false);
    }
    let folders = search_path(text);
    let firsts: Vec<_> = entries.map(|(line, rest)| (first(rest, machine, &folders), line, rest)).collect();
    let count = |wanted: First| firsts.iter().filter(|(first, ..)| *first == wanted).count();
    let (users, perhaps, commands) = (count(First::User), count(First::PerhapsUser), count(First::Command));
    let headers = text.lines().filter_map(|line| line.trim_start().strip_prefix('#'));
    let header = headers.filter(|words| is_header(words)).map(|words| words.to_lowercase().contains("user")).next();
    let (system, is_doubtful) = match header {
        Some(true) => (true, users + perhaps == 0 && commands > 0),
        Some(false) => (false, users > 0 && commands == 0),
        None if users > 0 => (users + perhaps > commands, commands > 0),
        None if perhaps > 0 => (perhaps > commands, perhaps >= commands),
        // A program that this machine does not have, or a user whom it does not know and such a program.
        None => (false, commands == 0 && count(First::Unknown) > 0),
    };
    if header.is_some() && !is_doubtful {
        return said(system);
    }
    let of = |wanted: &[First]| firsts.iter().find(|(first, ..)| wanted.contains(first));
    let remark = match (system, is_doubtful) {
        (true, false) => {
            let strangers: Vec<_> = firsts.iter().filter(|(first, ..)| *first == First::PerhapsUser).collect();
            let unknown = strangers.iter().map(|(.., rest)| name_of(rest)).find(|name| !machine.has_user(name));
            let unknown =
                unknown.map(|name| format!(" (`{name}` is none that this machine knows)")).unwrap_or_default();
            let text = "taken for a system crontab, with a user before each command";
            Some((None, format!("{text}{unknown}: if that is wrong, import with --user")))
        }
        (true, true) => {
            let found = of(&[First::Command]).or_else(|| of(&[First::PerhapsUser, First::User]));
            found.map(|(first, line, rest)| {
                let word = word(rest).0;
                let why = match first {
                    First::Command => format!("but `{word}` looks like a command"),
                    _ => format!("as `{word}` may be one"),
                };
                let text = "taken for a system crontab, with a user before each command";
                (Some(*line), format!("{text}, {why}: say which it is, with --system or --user"))
            })
        }
        (false, true) => of(&[First::User, First::PerhapsUser, First::Unknown]).map(|(_, line, rest)| {
            let text = "taken for the crontab of a user";
            let word = word(rest).0;
            (Some(*line), format!("{text}: if `{word}` is who runs this, import with --system, else with --user"))
        }),
        (false, false) => None,
    };
    Guess { system, remark, is_doubtful }
}

fn first(rest: &str, machine: Machine<'_>, folders: &[&str]) -> First {
    let (word, command) = word(rest);
    let name = name_of(rest);
    let begins_one = is_command(word, machine, folders);
    // A command has no option for its first word.
    if command.is_empty() || command.starts_with('-') || !may_be_user(name) || is_shell(word) {
        return First::Command;
    }
    let follows = is_command(super::line::word(command).0, machine, folders);
    match (begins_one, machine.has_user(name), follows) {
        // `git git pull`: both are known.
        (true, true, true) => First::PerhapsUser,
        (true, ..) => First::Command,
        (false, true, true) => First::User,
        (false, true, false) if name == "root" => First::User,
        (false, true, false) | (false, false, true) => First::PerhapsUser,
        (false, false, false) => First::Unknown,
    }
}

/// The user's part of `user:group/class`.
fn name_of(rest: &str) -> &str {
    let user = word(rest).0;
    user.split([':', '/']).next().unwrap_or(user)
}

/// Whether a name may be that of a user, also of a directory's (`user@example.com`, `EXAMPLE\user`).
fn may_be_user(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || "_-.@\\$".contains(c))
        && !is_script(name)
}

fn is_script(word: &str) -> bool {
    [".sh", ".bash", ".py", ".pl", ".php", ".rb"].iter().any(|ending| word.ends_with(ending))
}

/// Whether the shell takes a word for something else than the name of a program or a user.
fn is_shell(word: &str) -> bool {
    SHELL_WORDS.contains(&word) || word.split_once('=').is_some_and(|(name, _)| !name.contains('/'))
}

/// Whether a word begins a command, as far as can be seen: a program that is here, or the path of one.
fn is_command(word: &str, machine: Machine<'_>, folders: &[&str]) -> bool {
    let word = word.trim_matches(['"', '\'', ';']);
    let is_path = word.starts_with(['/', '~', '.', '$']);
    is_shell(word)
        || word.starts_with('(')
        || (is_path && (word.contains("bin/") || word.contains("/libexec/")))
        || (word.contains('/') && is_script(word))
        || (machine.is_program)(word)
        || (!word.contains('/') && folders.iter().any(|folder| (machine.is_program)(&format!("{folder}/{word}"))))
}

/// The folders of the crontab's own PATH.
fn search_path(text: &str) -> Vec<&str> {
    let paths = text.lines().filter_map(|line| match super::line::read(line) {
        Line::Setting { name: "PATH", value } => Some(value),
        _ => None,
    });
    paths.flat_map(|path| path.split(':')).filter(|folder| folder.starts_with('/')).collect()
}

impl Machine<'_> {
    fn has_user(self, name: &str) -> bool {
        USERS.contains(&name) || (self.is_user)(name)
    }
}

/// Whether a comment names the columns: `m h dom mon dow user command`.
pub(super) fn is_header(comment: &str) -> bool {
    let words: Vec<String> = comment.split_whitespace().map(str::to_lowercase).collect();
    let has = |names: &[&str]| words.iter().any(|word| names.contains(&word.as_str()));
    has(&["command", "cmd", "commands"])
        && has(&["m", "min", "minute", "minutes", "mm"])
        && has(&["h", "hour", "hours", "hh"])
        && words.len() < 20
}

#[cfg(test)]
mod tests {
    use super::{Guess, Machine, guess, is_header};

    /// A machine with few programs and a user of its own.
    const MACHINE: Machine<'static> = Machine {
        is_user: &|name| ["root", "shop", "git"].contains(&name),
        is_program: &|name| ["flock", "git", "rsync", "/opt/shop/tools/poll"].contains(&name),
    };

    fn of(file: &str, text: &str, rests: &[&str]) -> Guess {
        guess(file, text, (1..).zip(rests.iter().copied()), MACHINE)
    }

    #[test]
    fn a_user_column_is_told_by_path_then_header_then_the_commands() {
        for (file, text, rests, system) in [
            ("/etc/cron.d/php", "", &["run it"][..], true),
            ("etc/crontab", "", &["run it"], true),
            ("/var/spool/cron/crontabs/root", "", &["root x"], false),
            ("tab", "# m h  dom mon dow   command\n", &["/bin/x"], false),
            ("tab", "#m h dom mon dow user  command\n", &["amavis x"], true),
            ("tab", "", &["root /bin/x", "www-data:www-data php x"], true),
            ("tab", "", &["root run"], true),
            // LDAP has users of which this machine knows nothing.
            ("tab", "", &["root /bin/x", "nosuchuser flock -n /run/x /bin/y", "shop /bin/z"], true),
            ("tab", "", &["/bin/x"], false),
            ("tab", "", &["rsync /usr/local/bin/ /srv", "poll --all"], false),
            ("tab", "", &["git pull", "poll it", "unknown it"], false),
            ("tab", "", &["flock -n /x poll", "unknown /bin/x", "[ -x /bin/y ] && y"], false),
            ("tab", "PATH=/usr/bin:/opt/shop/tools\n", &["poll it"], false),
            ("tab", "", &["A=1 run", "cd /srv && run", "backup.sh all", "x"], false),
            ("tab", "", &[], false),
        ] {
            let found = of(file, text, rests);
            assert_eq!((found.system, found.is_doubtful), (system, false), "{file} {text} {rests:?}");
            let guessed = system && file == "tab" && text.is_empty();
            assert_eq!(found.remark.is_some(), guessed, "a guess is told: {rests:?}");
        }
        assert!(!is_header("every hour, this command says what it is about"));
    }

    #[test]
    fn what_may_be_either_is_told_with_the_line_and_both_ways_out() {
        for (text, rests, system, line) in [
            ("", &["dbadmin /usr/local/bin/backup"][..], true, 1),
            ("", &["dbadmin backup full"], false, 1),
            ("", &["git git pull"], true, 1),
            ("", &["shop run"], true, 1),
            ("", &["root /bin/x", "root /bin/y", "/bin/z"], true, 3),
            ("", &["/bin/z", "root /bin/x"], false, 2),
            ("", &["flock -n /x y", "dbadmin /usr/local/bin/backup"], false, 2),
            // What the comment says, the commands do not.
            ("# m h  dom mon dow   command\n", &["root /bin/x"], false, 1),
            ("# m h dom mon dow user command\n", &["/bin/x"], true, 1),
        ] {
            let found = of("tab", text, rests);
            assert_eq!((found.system, found.is_doubtful), (system, true), "{rests:?}: {found:?}");
            let (at, words) = found.remark.expect("it is told");
            assert_eq!(at, Some(line), "{rests:?}: {words}");
            assert!(words.contains("--system") && words.contains("--user"), "{words}");
        }
    }

    #[test]
    fn a_user_who_is_unknown_here_is_named() {
        let (_, words) = of("tab", "", &["root /bin/x", "nosuchuser /bin/y"]).remark.expect("it is told");
        assert!(words.contains("(`nosuchuser` is none that this machine knows)"), "{words}");
    }
}
