//! A name for a command: the program that a shell line is about, past its guards, wrappers and interpreters.
//!
//! A guess for people to read, never a promise about what runs. Any text yields a name.

use std::collections::HashSet;

use super::unique;

/// A name is not longer than this many characters.
const LONGEST: usize = 60;

/// What is called so says nothing about itself.
const NAMELESS: &str = "job";

/// A shell inside a shell (`sh -c '…'`) is followed this deep.
const DEEPEST: usize = 4;

/// Words of the shell that may stand before a command.
const KEYWORDS: &[&str] = &["if", "then", "elif", "else", "do", "while", "until", "!", "{", "}", "fi", "done", "esac"];

/// Commands that guard or prepare another one: the line is not about them, unless there is nothing else.
const GUARDS: &[&str] = &[
    "cd", "test", "[", "[[", "export", "set", "unset", "umask", "ulimit", "sleep", "true", "false", ":", ".", "source",
    "which", "command", "type", "hash", "date", "echo", "printf", "pushd", "popd", "exit", "trap", "for", "case",
    "select", "read", "wait", "shift", "return", "break", "continue", "local", "let",
];

/// Of these, those that do something that may be all that a line is for.
const SAYS_SOMETHING: &[&str] = &["date", "echo", "printf", "which"];

/// Commands that run another one, with their options that take a value and how many plain words come first.
const WRAPPERS: &[(&str, &[&str], usize)] = &[
    ("sudo", &["-u", "-g", "-h", "-C"], 0),
    ("doas", &["-u"], 0),
    ("nice", &["-n"], 0),
    ("ionice", &["-c", "-n"], 0),
    ("chrt", &[], 1),
    ("taskset", &[], 1),
    ("nohup", &[], 0),
    ("setsid", &[], 0),
    ("exec", &["-a"], 0),
    ("env", &["-u", "-C", "-S"], 0),
    ("time", &["-f", "-o"], 0),
    ("chronic", &[], 0),
    ("cronic", &[], 0),
    ("stdbuf", &["-i", "-o", "-e"], 0),
    ("systemd-cat", &["-t", "-p"], 0),
    ("flock", &["-w", "-E"], 1),
    ("lckdo", &["-w"], 1),
    ("lockrun", &["-L"], 0),
    ("run-one", &[], 0),
    ("run-this-one", &[], 0),
    ("setlock", &[], 1),
    ("with-lock-ex", &[], 1),
    ("chpst", &["-u", "-U", "-b", "-/", "-n", "-l", "-L", "-m", "-d", "-o", "-p", "-f", "-c", "-r", "-t", "-e"], 0),
    ("chroot", &[], 1),
    ("xvfb-run", &["-n", "-s", "-e", "-f"], 0),
    ("unbuffer", &[], 0),
    ("su", &["-s", "-g", "-G"], 1),
    ("runuser", &["-u", "-s", "-g", "-G"], 0),
    ("timeout", &["-k", "-s"], 1),
    ("service", &[], 0),
    ("invoke-rc.d", &[], 0),
    ("systemctl", &[], 1),
    ("run-parts", &["-a", "-u"], 0),
    ("bundle", &[], 1),
    ("npx", &["-p"], 0),
];

/// Names that many programs have: the folder they are in says whose they are.
const COMMON_NAMES: &[&str] = &[
    "cron", "crontab", "cronjob", "run", "main", "index", "job", "jobs", "task", "tasks", "start", "script", "update",
    "daily", "hourly", "weekly", "monthly", "nightly",
];

/// Folders that say nothing about what is in them.
const COMMON_FOLDERS: &[&str] = &[
    "", ".", "..", "bin", "sbin", "usr", "local", "libexec", "lib", "opt", "etc", "share", "srv", "var", "www", "html",
    "public", "src", "app", "current", "release", "scripts", "script", "cron", "home", "root", "tools", "~", "$HOME",
];

/// Programs that do many things: their first words say which one.
const BY_ARGUMENT: &[&str] = &[
    "console", "artisan", "manage", "rake", "wp", "drush", "occ", "find", "rm", "cp", "mv", "curl", "wget", "rsync",
    "psql", "mysql", "docker", "git", "aws", "apt-get", "apt", "dnf", "npm", "yarn", "make", "kubectl", "podman",
    "gsutil", "mail", "rails", "ssh", "scp", "logger", "chown", "chmod", "touch", "truncate",
];

/// Programs that run a script: the script names the job.
const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "zsh", "ksh"];
const INTERPRETERS: &[&str] =
    &["perl", "python", "python2", "python3", "ruby", "php", "node", "lua", "Rscript", "java"];

/// Endings that say how a program is written, not what it is.
const ENDINGS: &[&str] = &[".sh", ".bash", ".py", ".pl", ".rb", ".php", ".js", ".lua", ".cron", ".service", ".jar"];

/// What a command is about: its program, and the words behind it.
#[derive(Debug, PartialEq, Eq)]
struct Subject {
    program: String,
    arguments: Vec<String>,
}

impl Subject {
    /// A program as it is written on the line, and the words behind it.
    fn new(path: &str, arguments: &[String]) -> Self {
        let program = part(without_ending(base(path)));
        let mut arguments = arguments.to_vec();
        let lower = program.to_lowercase();
        let own = if COMMON_NAMES.contains(&lower.as_str()) {
            let folders = path.trim_end_matches('/').rsplit('/').skip(1);
            let telling =
                folders.take_while(|folder| !folder.is_empty()).find(|folder| !COMMON_FOLDERS.contains(folder));
            telling.map_or_else(|| program.clone(), |folder| format!("{}-{program}", part(folder)))
        } else if BY_ARGUMENT.contains(&lower.as_str()) {
            let url = arguments.iter().position(|word| word.contains("://"));
            let mut places = url.into_iter().chain(0..arguments.len());
            match places.find(|at| !telling(&arguments[*at]).is_empty()) {
                // What is in the name already tells it from no other.
                Some(at) => part(&format!("{program}-{}", telling(&arguments.remove(at)))),
                None => program,
            }
        } else {
            program
        };
        Self { program: own, arguments }
    }
}

/// A word of a command line as a part of a name: no option; of a URL its host.
fn telling(word: &str) -> String {
    if word.starts_with(['-', '+', '$', '(']) || word.bytes().all(|byte| byte.is_ascii_digit()) {
        return String::new();
    }
    let host = word.split_once("://").map(|(_, rest)| rest.split(['/', '?', ':']).next().unwrap_or_default());
    clean(host.unwrap_or(word))
}

/// A name for each command, all different. Commands about the same program get their arguments behind it, and a number
/// only where those do not tell them apart; so adding a line does not rename the others without need.
pub(super) fn for_commands<'a>(commands: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let subjects: Vec<Subject> = commands.into_iter().map(|command| subject(command, 0)).collect();
    let count = |program: &str| subjects.iter().filter(|other| other.program.eq_ignore_ascii_case(program)).count();
    let mut counts = std::collections::HashMap::new();
    for subject in &subjects {
        counts.entry(subject.program.to_lowercase()).or_insert_with(|| count(&subject.program));
    }
    let mut taken = HashSet::new();
    let name = |subject: &Subject| {
        let alone = counts.get(&subject.program.to_lowercase()).is_none_or(|&count| count < 2);
        let arguments = subject.arguments.iter().take(3).map(|word| clean(word)).filter(|word| !word.is_empty());
        let wanted = match alone {
            true => subject.program.clone(),
            false => std::iter::once(subject.program.clone()).chain(arguments).collect::<Vec<_>>().join("-"),
        };
        let wanted: String = wanted.chars().take(LONGEST).collect();
        unique(&mut taken, wanted.trim_end_matches(['-', '.']))
    };
    subjects.iter().map(name).collect()
}

/// A text as a part of a path: letters, digits, `.`, `_` and `-`; never hidden, never empty.
pub(super) fn part(text: &str) -> String {
    let cleaned: String = clean(text).chars().take(LONGEST).collect();
    let cleaned = cleaned.trim_end_matches(['-', '.']);
    if cleaned.is_empty() { NAMELESS.to_owned() } else { cleaned.to_owned() }
}

fn clean(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, '.' | '_') {
            out.push(c);
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    out.trim_matches(['-', '.']).to_owned()
}

/// Every program that a line starts, with the words behind it: those that start others too, and what these are given.
pub(super) fn programs(command: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    programs_within(command, 0, &mut found);
    found
}

fn programs_within(command: &str, depth: usize, found: &mut Vec<(String, Vec<String>)>) {
    for segment in split(command) {
        let mut rest = segment.as_slice();
        while let Some(word) = rest.first() {
            if KEYWORDS.contains(&word.as_str()) || is_assignment(word) {
                rest = &rest[1..];
                continue;
            }
            let program = base(word);
            found.push((program.to_owned(), rest[1..].to_vec()));
            let line = match SHELLS.contains(&program) {
                true => {
                    let flags = |word: &String| {
                        word.strip_prefix('-').is_some_and(|flags| flags.ends_with('c') && !flags.starts_with('-'))
                    };
                    rest.iter().position(flags).and_then(|at| rest.get(at + 1)).map(String::as_str)
                }
                false => line_for_a_shell(program, &rest[1..]),
            };
            if let Some(line) = line.filter(|_| depth < DEEPEST) {
                programs_within(line, depth + 1, found);
                break;
            }
            match WRAPPERS.iter().find(|(name, ..)| *name == program) {
                Some((_, with_value, plain)) => rest = skip_options(&rest[1..], with_value, *plain),
                None => break,
            }
        }
    }
}

fn subject(command: &str, depth: usize) -> Subject {
    let segments = split(command);
    let (mut first, mut folder) = (None::<(bool, Subject)>, String::new());
    for segment in segments {
        if let [cd, to, ..] = segment.as_slice()
            && matches!(cd.as_str(), "cd" | "pushd")
        {
            to.clone_into(&mut folder);
        }
        let Some((guard, subject)) = read_segment(&segment, &folder, depth) else { continue };
        if !guard {
            return subject;
        }
        let says = SAYS_SOMETHING.contains(&subject.program.as_str());
        if first.as_ref().is_none_or(|(said, _)| says && !said) {
            first = Some((says, subject));
        }
    }
    let nameless = |subject: &Subject| subject.program == NAMELESS;
    first.map(|(_, subject)| subject).filter(|subject| !nameless(subject)).unwrap_or_else(|| {
        // A test and nothing else, a redirection and nothing else: the line itself.
        let words = command.split_whitespace().map(clean).filter(|word| !word.is_empty()).take(3);
        Subject { program: part(&words.collect::<Vec<_>>().join("-")), arguments: Vec::new() }
    })
}

/// One simple command in this folder: whether it is but a guard, and what it is about.
fn read_segment(words: &[String], folder: &str, depth: usize) -> Option<(bool, Subject)> {
    let mut rest = words;
    loop {
        let word = rest.first()?;
        if KEYWORDS.contains(&word.as_str()) || is_assignment(word) {
            rest = &rest[1..];
            continue;
        }
        let program = base(word);
        if GUARDS.contains(&program) {
            return Some((true, Subject { program: part(program), arguments: rest[1..].to_vec() }));
        }
        if let Some((_, with_value, plain)) = WRAPPERS.iter().find(|(name, ..)| *name == program) {
            // `flock LOCK -c 'line'`, `su - postgres -c 'line'`.
            if let Some(line) = line_for_a_shell(program, &rest[1..]).filter(|_| depth < DEEPEST) {
                return Some((false, subject(line, depth + 1)));
            }
            let inner = skip_options(&rest[1..], with_value, *plain);
            if inner.is_empty() {
                return Some((false, Subject { program: part(program), arguments: rest[1..].to_vec() }));
            }
            rest = inner;
            continue;
        }
        let plain_name = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        if SHELLS.contains(&program) || INTERPRETERS.contains(&plain_name) {
            return Some(read_script(program, &rest[1..], folder, depth));
        }
        return Some((false, Subject::new(&from(folder, word), &rest[1..])));
    }
}

/// The line that these wrappers give to a shell.
fn line_for_a_shell<'a>(wrapper: &str, words: &'a [String]) -> Option<&'a str> {
    if !matches!(wrapper, "flock" | "su" | "runuser") {
        return None;
    }
    let at = words.iter().position(|word| matches!(word.as_str(), "-c" | "--command"))?;
    let before = &words[..at];
    // Behind a program of its own `-c` is that program's: `flock LOCK bash -c 'line'`.
    let of_another =
        before.iter().any(|word| SHELLS.contains(&base(word)) || WRAPPERS.iter().any(|(name, ..)| name == word));
    let shell_of_su = before.last().is_some_and(|word| SHELLS.contains(&base(word))) && wrapper != "flock";
    words.get(at + 1).filter(|_| !of_another || shell_of_su).map(String::as_str)
}

/// A path as it is found from a folder: a relative program with a common name is told by where the line has gone before.
fn from(folder: &str, path: &str) -> String {
    if folder.is_empty() || path.starts_with(['/', '~', '$']) {
        path.to_owned()
    } else {
        format!("{}/{}", folder.trim_end_matches('/'), path.trim_start_matches("./"))
    }
}

/// `sh script`, `sh -c 'line'`, `python3 -m module`, `perl -e 'text'`.
fn read_script(interpreter: &str, words: &[String], folder: &str, depth: usize) -> (bool, Subject) {
    let shell = SHELLS.contains(&interpreter);
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1);
        match word.strip_prefix('-') {
            Some(flags) if shell && flags.ends_with('c') && !flags.starts_with('-') => {
                return match next {
                    Some(line) if depth < DEEPEST => (false, subject(line, depth + 1)),
                    _ => (true, Subject { program: part(interpreter), arguments: Vec::new() }),
                };
            }
            // A text on the command line has no name: the line is about something else, if there is anything.
            Some("c" | "e" | "E" | "r") if !shell => {
                return (true, Subject { program: part(interpreter), arguments: Vec::new() });
            }
            Some("m") if next.is_some() => continue,
            Some(_) => continue,
            None => {
                return (false, Subject::new(&from(folder, word), &words[at + 1..]));
            }
        }
    }
    (false, Subject { program: part(interpreter), arguments: words.to_vec() })
}

fn skip_options<'a>(mut words: &'a [String], with_value: &[&str], plain: usize) -> &'a [String] {
    while let Some(word) = words.first().filter(|word| word.starts_with('-') && word.len() > 1) {
        let taken = if with_value.contains(&word.as_str()) { 2 } else { 1 };
        words = words.get(taken..).unwrap_or_default();
    }
    words.get(plain..).unwrap_or_default()
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

fn base(word: &str) -> &str {
    let trimmed = word.trim_end_matches('/');
    trimmed.rsplit('/').next().unwrap_or(trimmed)
}

fn without_ending(program: &str) -> &str {
    ENDINGS.iter().find_map(|ending| program.strip_suffix(ending)).filter(|left| !left.is_empty()).unwrap_or(program)
}

/// A shell line as simple commands, each as words without quotes and redirections. Rough, and total.
fn split(command: &str) -> Vec<Vec<String>> {
    let mut segments = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut skip_next = false;
    let mut chars = command.chars().peekable();
    let finish = |word: &mut Option<String>, skip: &mut bool, segments: &mut Vec<Vec<String>>| {
        if let Some(word) = word.take() {
            if *skip {
                *skip = false;
            } else if let Some(last) = segments.last_mut() {
                last.push(word);
            }
        }
    };
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                while let Some(inner) = chars.next().filter(|&inner| inner != c) {
                    match inner {
                        '\\' if c == '"' => word.extend(chars.next()),
                        _ => word.push(inner),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            '`' => {
                let word = word.get_or_insert_default();
                word.extend(chars.by_ref().take_while(|&inner| inner != '`'));
            }
            '$' if chars.peek() == Some(&'(') => {
                let word = word.get_or_insert_default();
                let mut open = 0_usize;
                for inner in chars.by_ref() {
                    open = match inner {
                        '(' => open + 1,
                        ')' => open - 1,
                        _ => open,
                    };
                    word.push(inner);
                    if open == 0 {
                        break;
                    }
                }
            }
            '>' | '<' => {
                // `2>` : the number belongs to the redirection.
                if word.as_ref().is_some_and(|word| word.bytes().all(|b| b.is_ascii_digit())) {
                    word = None;
                }
                finish(&mut word, &mut skip_next, &mut segments);
                while chars.next_if(|&next| matches!(next, '>' | '<' | '&' | '|')).is_some() {}
                skip_next = true;
            }
            ';' | '&' | '|' | '(' | ')' | '\n' => {
                finish(&mut word, &mut skip_next, &mut segments);
                skip_next = false;
                segments.push(Vec::new());
            }
            c if c.is_whitespace() => finish(&mut word, &mut skip_next, &mut segments),
            c => word.get_or_insert_default().push(c),
        }
    }
    finish(&mut word, &mut skip_next, &mut segments);
    segments.retain(|segment| !segment.is_empty());
    segments
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::for_commands;

    #[test]
    fn a_word_that_is_in_the_name_is_not_in_it_twice() {
        let commands = [
            "php /a/artisan schedule:run",
            "php /b/artisan schedule:run --env=b",
            "./manage.py clean all",
            "cd /b && ./manage.py clean",
        ];
        let names = ["artisan-schedule-run", "artisan-schedule-run-env-b", "manage-clean-all", "manage-clean"];
        assert_eq!(for_commands(commands), names);
    }

    #[test]
    fn a_command_is_named_after_what_it_is_about() {
        for (command, name) in [
            ("/usr/local/bin/backup.sh --full", "backup"),
            ("test -e /run/systemd/system || SERVICE_MODE=1 /usr/lib/x/e2fsprogs/e2scrub_all_cron", "e2scrub_all_cron"),
            ("test -e /run/systemd/system || SERVICE_MODE=1 /sbin/e2scrub_all -A -r", "e2scrub_all"),
            ("cd / && run-parts --report /etc/cron.hourly", "cron.hourly"),
            ("test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }", "cron.daily"),
            ("command -v debian-sa1 > /dev/null && debian-sa1 1 1", "debian-sa1"),
            (
                "[ -x /etc/init.d/anacron ] && if [ ! -d /run ]; then /usr/sbin/invoke-rc.d anacron start >/dev/null; fi",
                "anacron",
            ),
            (
                "test -x /usr/bin/certbot -a \\! -d /run && perl -e 'sleep int(rand(43200))' && certbot -q renew",
                "certbot",
            ),
            (
                "if [ -x /usr/share/mdadm/checkarray ] && [ $(date +%d) -le 7 ]; then /usr/share/mdadm/checkarray --cron; fi",
                "checkarray",
            ),
            ("if [ -x /usr/sbin/logcheck ]; then nice -n10 /usr/sbin/logcheck; fi", "logcheck"),
            ("/usr/bin/python3 -m certbot renew", "certbot"),
            ("php /srv/shop/artisan schedule:run >> /dev/null 2>&1", "artisan-schedule-run"),
            ("bash -lc 'cd /srv/app && bundle exec rake report'", "rake-report"),
            ("pg_dump -Fc shop > /var/backups/shop.dump", "pg_dump"),
            ("/usr/bin/php -q /srv/shop/cron.php", "shop-cron"),
            ("php bin/console app:sync --env=prod", "console-app-sync"),
            ("find /var/tmp/cache -type f -mtime +7 -delete", "find-var-tmp-cache"),
            ("curl -fsS -m 10 https://hc.example.com/ping/1 > /dev/null", "curl-hc.example.com"),
            ("curl -fsS https://example.com:8080/tick?x=1", "curl-example.com"),
            ("/opt/jobs/bin/run", "jobs-run"),
            ("/usr/local/bin/update", "update"),
            ("./run.sh", "run"),
            ("find", "find"),
            ("flock -n /run/x.lock timeout -k 5 60 /opt/sync.py a b", "sync"),
            ("flock -n /tmp/queue.lock -c '/usr/local/bin/queue work'", "queue"),
            ("flock -w 5 /run/x.lock bash -c 'nice /opt/reindex'", "reindex"),
            ("su - postgres -c \"pg_dump shop | gzip > /var/backups/shop.gz\"", "pg_dump"),
            ("su postgres -s /bin/sh -c '/usr/bin/vacuumdb --all'", "vacuumdb"),
            ("su -c 'mailq | wc -l' postfix", "mailq"),
            ("runuser -u www-data -- php /srv/shop/occ files:scan", "occ-files-scan"),
            ("cd /srv/shop && ./update.sh", "shop-update"),
            ("cd /srv/shop/current && /usr/bin/python3 main.py --all", "shop-main"),
            ("cd /srv/app && RAILS_ENV=production bin/rails runner Report.send", "rails-runner"),
            ("for db in a b; do pg_dump $db > /var/backups/$db; done", "pg_dump"),
            ("case $(date +%u) in 1) /opt/weekly-report;; esac", "weekly-report"),
            ("ls /etc/hosts.d | while read host; do ping -c 1 $host; done", "ls"),
            ("while read host; do ping -c 1 $host; done < /etc/hosts.list", "ping"),
            ("sleep 1; echo late", "echo"),
            ("[ \"$(find /var/spool/x -mmin +5)\" = '' ]", "find-var-spool-x-mmin"),
            (": > /var/log/shop.log", "var-log-shop.log"),
            ("> /var/log/shop.log", "var-log-shop.log"),
            ("ssh web-2 uptime", "ssh-web-2"),
            ("java -Xmx1g -jar /opt/billing/billing.jar", "billing"),
            ("sudo -u www-data FOO=1 nice -n 5 ./bin/worker", "worker"),
            ("systemctl restart nginx.service", "nginx"),
            ("echo hello", "echo"),
            ("perl -e 'print 1'", "perl"),
            ("date", "date"),
            ("\"/opt/my tools/run me.sh\"", "run-me"),
            ("$HOME/bin/.hidden", "hidden"),
            ("2>/dev/null /bin/report", "report"),
            ("", "job"),
            ("&&", "job"),
            ("../..", "job"),
        ] {
            assert_eq!(for_commands([command]), [name], "{command}");
        }
    }

    #[test]
    fn commands_about_the_same_program_are_told_apart_by_their_arguments() {
        let names = for_commands(["debian-sa1 1 1", "debian-sa1 60 2", "backup", "backup", "clean"]);
        assert_eq!(names, ["debian-sa1-1-1", "debian-sa1-60-2", "backup", "backup-2", "clean"]);
    }

    proptest! {
        #[test]
        fn any_commands_have_names_that_can_be_files(commands in proptest::collection::vec("\\PC{0,60}|[a-c &|;$()`'\"<>\\\\/.-]{0,30}", 1..8)) {
            let names = for_commands(commands.iter().map(String::as_str));
            let mut seen = std::collections::HashSet::new();
            for name in &names {
                prop_assert!(!name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0', '~']), "{name}");
                prop_assert!(seen.insert(name.to_lowercase()), "{names:?}");
            }
        }
    }
}
