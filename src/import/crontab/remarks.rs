//! What to know of a command that cron started: habits that mean something else here, or are not needed any more.

use super::line;

const GUARDED: &str = "when the test before `&&` says no the command fails, which cron does not mind and slack-alert \
                       reports: write `if …; then …; fi`";

/// What a command does for cron's sake that slack-alert does itself, or that keeps it from telling anything.
pub(super) fn of(command: &str) -> Vec<&'static str> {
    let mut remarks = Vec::new();
    if gives_up_a_lock(command) {
        remarks.push(
            "`flock -n` fails while the last run is still going, which cron does not mind and slack-alert reports: \
             `overlap = \"skip\"`, the default, does its work; take it out",
        );
    }
    if throws_output_away(command) {
        remarks.push(
            "this throws all output away, so that the message about a failure says nothing: take `>/dev/null 2>&1` out, \
             and say with `on` what is to be told",
        );
    }
    let sleeps = command.contains("RANDOM") || command.contains("shuf") || command.contains("rand");
    if sleeps && has(command, "sleep") {
        remarks.push(
            "this sleeps for a random time, which is part of the run here: `jitter` shifts the job's times instead",
        );
    }
    if is_guarded(command) {
        remarks.push(GUARDED);
    }
    remarks
}

/// The same of a command that cron goes on starting. What a shell around `wrap` does with the output, `wrap` has read before.
pub(super) fn of_wrapped(command: &str, shell_is_outside: bool) -> Vec<&'static str> {
    let mut remarks = Vec::new();
    if gives_up_a_lock(command) {
        remarks.push(
            "`flock -n` fails while the last run is still going, which cron does not mind and slack-alert reports: add \
             `-E 75`, and `exit_codes = { skip = [75] }` to the job's file",
        );
    }
    if throws_output_away(command) && !shell_is_outside {
        remarks.push(
            "this throws all output away, so that the message about a failure says nothing: put `>/dev/null 2>&1` behind \
             the whole command",
        );
    }
    if is_guarded(command) {
        remarks.push(GUARDED);
    }
    remarks
}

fn words(command: &str) -> impl Iterator<Item = &str> {
    command.split(|c: char| c.is_whitespace() || ";&|()".contains(c))
}

fn has(command: &str, program: &str) -> bool {
    words(command).any(|word| word.trim_matches('\'').rsplit('/').next() == Some(program))
}

/// `flock -n`, which fails where another holds the lock.
fn gives_up_a_lock(command: &str) -> bool {
    let gives_up = |word: &str| {
        matches!(word, "--nonblock" | "--nb")
            || (word.starts_with('-') && !word.starts_with("--") && word.contains('n'))
    };
    has(command, "flock") && words(command).skip_while(|word| !word.ends_with("flock")).take(5).any(gives_up)
}

fn throws_output_away(command: &str) -> bool {
    let squeezed: String = command.chars().filter(|c| !c.is_whitespace()).collect();
    let nothing = [">/dev/null2>&1", ">/dev/null2>/dev/null", "&>/dev/null", ">&/dev/null", "2>/dev/null>/dev/null"];
    nothing.iter().any(|end| squeezed.contains(end))
}

/// A file that a command writes to, where the package's service cannot; as far as the redirections say.
pub(super) fn writes_to(command: &str) -> Option<&str> {
    let redirected = command.split('>').skip(1).map(|rest| rest.trim_start().split([' ', ';', '&', '|', ')']).next());
    let can = |path: &&str| {
        let folders = ["/dev/", "/tmp/", "/var/tmp/", "/var/lib/slack-alert/", "/var/log/slack-alert/"];
        folders.iter().any(|folder| path.starts_with(folder))
    };
    redirected.flatten().find(|path| path.starts_with('/') && !can(path))
}

/// Whether a command starts from the home of its user: it goes or reaches somewhere from where it is.
pub(super) fn needs_home(command: &str) -> bool {
    // `2>&1` opens no file.
    let command = command.replace(">&", ">/");
    let mut words = command.split(|c: char| c.is_whitespace() || ";&|()".contains(c)).filter(|word| !word.is_empty());
    let mut into = false;
    let mut interpreted = false;
    if let Some("cd") = words.clone().next() {
        // What comes after it starts from there.
        return words.nth(1).is_some_and(is_relative);
    }
    words.any(|word| {
        let (redirects, path) = match word.rfind(['>', '<']) {
            Some(at) => (true, &word[at + 1..]),
            None => (false, word),
        };
        let opened = std::mem::replace(&mut into, redirects && path.is_empty());
        let script =
            std::mem::replace(&mut interpreted, is_interpreter(path)) && is_relative(path) && path.contains('.');
        // `NAME=value`, `--option=value`: what is behind the sign.
        let path = path.rsplit('=').next().unwrap_or(path);
        let is_path = opened || (redirects && !path.is_empty()) || script || (path.contains('/') && is_plain(path));
        is_path && is_relative(path)
    })
}

fn is_relative(path: &str) -> bool {
    !path.is_empty() && path != "-" && !path.starts_with(['/', '$', '~', '"', '\'', '-', '`', '[', '{', '&', '+', '%'])
}

/// Letters, digits and the signs of names of files, with a letter in the first part: no time, no address, no program text.
fn is_plain(path: &str) -> bool {
    let names = path.chars().all(|c| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-'));
    let first = path.split('/').next().unwrap_or_default();
    names && first.starts_with(|c: char| c.is_alphabetic() || matches!(c, '.' | '_'))
}

fn is_interpreter(word: &str) -> bool {
    let program = word.rsplit('/').next().unwrap_or(word).trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    ["sh", "bash", "dash", "zsh", "python", "perl", "php", "ruby", "node"].contains(&program)
}

/// Whether all that runs hangs on a test before it: `[ -x program ] && program`.
fn is_guarded(command: &str) -> bool {
    let test = ["test", "[", "[[", "command", "which", "type"].contains(&line::word(command).0);
    let joint = command.match_indices(['&', '|', ';']).map(|(at, _)| &command[at..]);
    // `2>&1` joins nothing.
    let joint = joint.into_iter().find(|rest| rest.starts_with("&&") || rest.starts_with(['|', ';']));
    test && joint.is_some_and(|rest| rest.starts_with("&&"))
}

#[cfg(test)]
mod tests {
    use super::needs_home;

    #[test]
    fn a_file_that_the_service_cannot_write_to_is_found() {
        for (command, path) in [
            ("backup.sh >> /var/log/backup.log 2>&1", Some("/var/log/backup.log")),
            ("pg_dump shop | gzip >/backup/x.gz; true", Some("/backup/x.gz")),
            ("a > /dev/null 2> /srv/err", Some("/srv/err")),
            ("a > /tmp/x 2>&1", None),
            ("a > log/x", None),
            ("a 2>&1 | logger -t /a", None),
        ] {
            assert_eq!(super::writes_to(command), path, "{command}");
        }
    }

    #[test]
    fn a_command_that_starts_from_its_users_home_is_known_by_its_paths() {
        for command in [
            "bin/run",
            "./run",
            "cd app && run",
            "cd ../app; /bin/run",
            "A=b bin/run",
            "python3 sync.py",
            "/usr/bin/php cron.php",
            "sh run.sh",
            "/bin/run > log/run.txt",
            "/bin/run >> run.log 2>&1",
            "/bin/run >log",
            "/bin/run --config=etc/run.toml",
            "nice -n 5 scripts/poll",
        ] {
            assert!(needs_home(command), "{command}");
        }
        for command in [
            "/bin/run",
            "run",
            "A=/b run",
            "~/run",
            "$HOME/bin/run",
            "cd / && ./run",
            "cd /srv/app && bin/run >> log/run.txt",
            "\"/opt/my tools/run\"",
            "/bin/run >/dev/null 2>&1",
            "/bin/run > /var/log/run.log 2> /dev/null",
            "/bin/run 2>&1 | logger -t run",
            "/bin/run --full >&2",
            "curl -fsS https://example.com/tick",
            "python3 -m shop.sync",
            "python3 /srv/sync.py",
            "find /tmp -mtime +7 -delete",
            "rsync -a /srv/ backup@host:/srv/",
        ] {
            assert!(!needs_home(command), "{command}");
        }
    }
}
