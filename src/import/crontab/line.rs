//! One line of a crontab: a comment, a setting, an entry, or a reason why it is none of these.

use super::fields;
use crate::document::parse_duration;

/// Words of sh(1) that are no programs, would not do outside of the shell that runs the rest, or do something else there than the
/// program of this name (`echo` and its backslashes).
pub(super) const SHELL_WORDS: &[&str] = &[
    "!", ".", ":", "{", "}", "[", "[[", "alias", "bg", "break", "builtin", "case", "cd", "command", "continue",
    "declare", "do", "done", "echo", "elif", "else", "esac", "eval", "exec", "exit", "export", "fg", "fi", "for",
    "function", "hash", "if", "kill", "let", "local", "popd", "printf", "pushd", "pwd", "read", "readonly", "return",
    "set", "shift", "shopt", "source", "test", "then", "time", "times", "trap", "type", "typeset", "ulimit", "umask",
    "unset", "until", "wait", "while",
];

/// A line, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line<'t> {
    /// Nothing on it.
    Blank,
    /// `# words`, without the `#`.
    Comment(&'t str),
    /// `NAME = value`, without quotes.
    Setting { name: &'t str, value: &'t str },
    /// A time and what follows it: the command, or user and command.
    Entry { when: When, rest: &'t str },
    /// cron would refuse it, or it has no equivalent.
    Refused(String),
}

/// When an entry runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// As `cron` takes it; and what else cron may draw of it.
    Cron(String, Option<fields::Random>),
    /// As `every` takes it.
    Every(String),
    /// When the machine starts.
    Reboot,
}

pub(super) fn read(line: &str) -> Line<'_> {
    let line = line.trim();
    if line.is_empty() {
        return Line::Blank;
    }
    if let Some(comment) = line.strip_prefix('#') {
        return Line::Comment(comment);
    }
    if line.contains(char::REPLACEMENT_CHARACTER) {
        // What cannot be read cannot be written as cron would run it.
        return Line::Refused("it holds bytes that are no UTF-8 text: write its job by hand".to_owned());
    }
    if let Some((name, value)) = setting(line) {
        return Line::Setting { name, value };
    }
    match entry(line) {
        Ok((when, rest)) => Line::Entry { when, rest },
        Err(why) => Line::Refused(why),
    }
}

/// `NAME = value`: blanks around the sign and quotes around both do not count. The value is taken as it stands.
fn setting(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let bare = unquote(name);
    let word = !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let named = word && (bare != name || !bare.starts_with(|c: char| c.is_ascii_digit()));
    named.then(|| (bare, unquote(value.trim())))
}

fn unquote(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    text
}

/// The next word, and what follows its blanks.
pub(super) fn word(text: &str) -> (&str, &str) {
    match text.find(char::is_whitespace) {
        Some(end) => (&text[..end], text[end..].trim_start()),
        None => (text, ""),
    }
}

fn entry(line: &str) -> Result<(When, &str), String> {
    // cronie: a leading `-` keeps the run out of syslog.
    let line = line.strip_prefix('-').unwrap_or(line);
    if line.starts_with('@') {
        let (nickname, rest) = word(line);
        let cron = |text: &str| When::Cron(text.to_owned(), None);
        let when = match nickname.to_ascii_lowercase().as_str() {
            "@reboot" => When::Reboot,
            "@yearly" | "@annually" => cron("@yearly"),
            "@monthly" => cron("@monthly"),
            "@weekly" => cron("@weekly"),
            "@daily" | "@midnight" => cron("@daily"),
            "@hourly" => cron("@hourly"),
            "@every_minute" => cron("* * * * *"),
            "@every_second" => When::Every("1s".to_owned()),
            // As the crontabs of supercronic and other schedulers in Go have it.
            "@every" => {
                let (length, rest) = word(rest);
                return match parse_duration(length) {
                    Ok(_) => Ok((When::Every(length.to_owned()), rest)),
                    Err(refusal) => Err(format!("@every: {}", refusal.message)),
                };
            }
            _ => return Err(format!("`{nickname}` is no time that cron knows")),
        };
        return Ok((when, rest));
    }
    let mut rest = line;
    let mut texts = [""; 5];
    for text in &mut texts {
        (*text, rest) = word(rest);
    }
    if texts[4].is_empty() {
        return Err("neither a setting nor a time with five fields".to_owned());
    }
    let (cron, drawn) = fields::read(texts, line)?;
    let sixth = word(rest).0;
    if is_field(sixth) {
        return Err(too_many(sixth));
    }
    Ok((When::Cron(cron, drawn), rest))
}

/// Why an entry with such a word behind its five fields is none.
fn too_many(word: &str) -> String {
    let is_number = word.chars().all(|c| c.is_ascii_digit());
    let user = match is_number {
        true => format!("; as a user, `{word}` would have to be a name, since cron knows users by their names alone"),
        false => String::new(),
    };
    format!(
        "more than five fields: a crontab has neither seconds nor years; for less than a minute give a job of its own \
         `every`{user}"
    )
}

/// Whether a word is a field of a calendar rather than a program or a user: that of seconds or of years, which other schedulers
/// have.
fn is_field(word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_digit() || "*,/-?".contains(c);
    word.starts_with(|c: char| c.is_ascii_digit() || c == '*' || c == '?') && word.chars().all(is_part)
}

/// A command as cron hands it on: up to the first bare `%`; what follows is its standard input, in which each further `%`
/// ends a line. `\%` is a percent sign; in the command a backslash before that backslash takes its meaning away, in the input it
/// does not. Without anything behind the `%` there is no input.
pub(super) fn split_stdin(text: &str) -> (String, Option<String>) {
    let mut command = String::new();
    let mut chars = text.chars();
    let mut escaped = false;
    let mut divided = false;
    for c in chars.by_ref() {
        match c {
            '%' if escaped => {
                command.pop();
                command.push('%');
            }
            '%' => {
                divided = true;
                break;
            }
            c => command.push(c),
        }
        escaped = c == '\\' && !escaped;
    }
    let rest = chars.as_str();
    if !divided || rest.is_empty() {
        return (command, None);
    }
    let mut stdin = String::new();
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.next_if_eq(&'%').is_some() => stdin.push('%'),
            '%' => stdin.push('\n'),
            c => stdin.push(c),
        }
    }
    if !stdin.ends_with('\n') {
        stdin.push('\n');
    }
    (command, Some(stdin))
}

#[cfg(test)]
mod tests {
    use super::{Line, When, read, split_stdin};

    fn cron(text: &str) -> When {
        When::Cron(text.to_owned(), None)
    }

    #[test]
    fn lines_are_told_apart_as_cron_does() {
        for (given, line) in [
            ("", Line::Blank),
            (" \t ", Line::Blank),
            ("  # why", Line::Comment(" why")),
            ("MAILTO=\"\"", Line::Setting { name: "MAILTO", value: "" }),
            (" PATH = /bin:/usr/bin ", Line::Setting { name: "PATH", value: "/bin:/usr/bin" }),
            ("'A B'=1", Line::Refused("neither a setting nor a time with five fields".to_owned())),
            ("\"A\" = 'x y'", Line::Setting { name: "A", value: "x y" }),
            ("A='", Line::Setting { name: "A", value: "'" }),
            ("A=b # not a comment", Line::Setting { name: "A", value: "b # not a comment" }),
            ("* * * * * A=b run", Line::Entry { when: cron("* * * * *"), rest: "A=b run" }),
            ("-5 1\t* *  * run  it", Line::Entry { when: cron("5 1 * * *"), rest: "run  it" }),
            ("@Daily run", Line::Entry { when: cron("@daily"), rest: "run" }),
            ("@midnight run", Line::Entry { when: cron("@daily"), rest: "run" }),
            ("@reboot run", Line::Entry { when: When::Reboot, rest: "run" }),
            ("@every_second run", Line::Entry { when: When::Every("1s".to_owned()), rest: "run" }),
            ("@every 1h30m run it", Line::Entry { when: When::Every("1h30m".to_owned()), rest: "run it" }),
            ("* * * * * 7z a b", Line::Entry { when: cron("* * * * *"), rest: "7z a b" }),
            ("* * * * * [ -f x ] && y", Line::Entry { when: cron("* * * * *"), rest: "[ -f x ] && y" }),
            ("@every 5 run", Line::Refused("@every: `5` has no unit".to_owned())),
            (
                "*/5 * * * * * * run",
                Line::Refused(
                    "more than five fields: a crontab has neither seconds nor years; for less than a minute give a job of \
                     its own `every`"
                        .to_owned(),
                ),
            ),
            (
                "0 5 * * * 1000 run",
                Line::Refused(
                    "more than five fields: a crontab has neither seconds nor years; for less than a minute give a job of \
                     its own `every`; as a user, `1000` would have to be a name, since cron knows users by their names alone"
                        .to_owned(),
                ),
            ),
            ("@sometimes run", Line::Refused("`@sometimes` is no time that cron knows".to_owned())),
            ("* * * *", Line::Refused("neither a setting nor a time with five fields".to_owned())),
            ("* * * * *", Line::Entry { when: cron("* * * * *"), rest: "" }),
            (
                "1 5 cron.daily run-parts x",
                Line::Refused("day of month: `cron.daily` is not between 1 and 31".to_owned()),
            ),
        ] {
            assert_eq!(read(given), line, "{given}");
        }
    }

    #[test]
    fn percent_signs_divide_command_and_input() {
        for (given, command, stdin) in [
            ("date", "date", None),
            ("date +\\%d", "date +%d", None),
            ("mail -s hi root%Hello,%%world\\%", "mail -s hi root", Some("Hello,\n\nworld%\n")),
            ("cat%", "cat", None),
            ("cat%%", "cat", Some("\n")),
            ("date +'\\%d'", "date +'%d'", None),
            ("echo \"%\"", "echo \"", Some("\"\n")),
            ("echo \\\\%in\\\\%put", "echo \\\\", Some("in\\%put\n")),
            ("echo \\\\\\%d", "echo \\\\%d", None),
            ("cat%a%", "cat", Some("a\n")),
            ("echo \\\\ a\\b", "echo \\\\ a\\b", None),
            ("%", "", None),
        ] {
            let expected = (command.to_owned(), stdin.map(str::to_owned));
            assert_eq!(split_stdin(given), expected, "{given}");
        }
    }
}
