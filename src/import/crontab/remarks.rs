//! What to know of a command that cron started: habits that mean something else here, or are not needed any more.

use std::sync::LazyLock;

use regex::Regex;

use super::super::name;
use super::line;
use crate::schedule::{Cron, week_of_month};

const GUARDED: &str = "when the test before `&&` says no the command fails, which cron does not mind and slack-alert \
                       reports: write `if …; then …; fi`";

const RANDOM: &str =
    "this sleeps for a random time, which is part of the run here: `jitter` shifts the job's times instead";

/// What a command does for cron's sake that slack-alert does itself, or that keeps it from telling anything. `whose` is known
/// where the job has a `user`.
pub(super) fn of(command: &str, whose: bool) -> Vec<String> {
    let programs = name::programs(command);
    let mut remarks = Vec::new();
    let mut remark = |text: &str| remarks.push(text.to_owned());
    match lock(&programs, command) {
        Some(Lock::GivesUp(how)) => remark(&format!(
            "`{how}` fails while the last run is still going, which cron does not mind and slack-alert reports: \
             `overlap = \"skip\"`, the default, does its work; take it out"
        )),
        Some(Lock::Waits(how)) => remark(&format!(
            "`{how}` waits for another run, and that is part of this run's time here: `overlap = \"queue\"` does its work, and \
             `lock = \"NAME\"` where jobs share the lock; take it out"
        )),
        Some(Lock::Ends(how)) => {
            remark(&format!("`{how}` ends the last run: `overlap = \"replace\"` does its work; take it out"));
        }
        None => {}
    }
    if throws_output_away(command) {
        remark(
            "this throws all output away, so that the message about a failure says nothing: take `>/dev/null 2>&1` out, \
             and say with `on` what is to be told",
        );
    } else if let Some(file) = writes_all_to(command) {
        remark(&format!(
            "all output goes to `{file}`, so that the message about a failure says nothing: take the redirection out, or that of \
             stderr (`2>&1`) at least"
        ));
    } else if let Some(logger) = logs_to(&programs, command).filter(|logger| tells_of_failure(command) != Some(logger))
    {
        remark(&format!(
            "`{logger}` takes the output, so that the message about a failure says nothing: take it out; behind a `|` its exit \
             code is that of the run as well"
        ));
    }
    if let Some(mailer) = mails(&programs) {
        remark(&format!(
            "`{mailer}` tells people by itself, and behind `|` or `||` its exit code is that of the run, so that a failure is none: \
             take it out, and say with `on` and `channel` what is told and where"
        ));
    }
    if let Some(url) = pings(command) {
        remark(&format!(
            "this tells a watcher by itself: `ping = \"{url}\"` tells it of each run and how it ended; take it out"
        ));
    }
    if command.contains("hooks.slack.com/") {
        remark("this posts to Slack by itself: slack-alert does, with `on` and `template`; take it out");
    }
    if let Some(end) = hides_failure(command) {
        remark(&format!("`{end}` makes each run a good one, so that no failure is told: take it out"));
    } else if let Some(program) = tells_of_failure(command) {
        remark(&format!(
            "`|| {program} …` makes a run that fails a good one, so that no failure is told: take it out, slack-alert tells of it"
        ));
    }
    if goes_to_background(command) {
        remark("the `&` at its end lets the run end at once, and how the command ends is not known: take it out");
    }
    if command.contains("\\\\") {
        remark(
            "Debian's cron takes one of two backslashes away, cronie's leaves both: here they stand as they are written, so see \
             which of the two the command is for",
        );
    }
    if sleeps_for_a_random_time(command) {
        remark(RANDOM);
    }
    if is_guarded(command) {
        remark(GUARDED);
    }
    if let Some(what) = uses_home(&programs, command).filter(|_| !whose) {
        remark(&format!(
            "{what} the home of the user that slack-alert runs as, who may be another than under cron: give the job a `user`"
        ));
    }
    remarks
}

/// What to know of the days of a calendar: either of two fields is enough, and a week of the month has a calendar of its own.
pub(super) fn of_days(cron: &str, command: &str) -> Option<String> {
    let cron = Cron::parse(cron).ok()?;
    if let Some(either) = cron.either_days() {
        let instead = either.nth().map(|instead| format!("; the days that both name are `{instead}`"));
        return Some(format!("this is {}, as under cron{}", either.meaning(), instead.unwrap_or_default()));
    }
    let fields: Vec<&str> = cron.text().split_whitespace().collect();
    let week = fields.get(2).and_then(|day| week_of_month(day))?;
    let tests_weekday = ["date +%u", "date +%w", "date +%a"].iter().any(|test| command.contains(test));
    tests_weekday.then(|| {
        format!(
            "a calendar can name such a day itself: `Mon#{week}` as its fifth field, with `*` as its third, and no test"
        )
    })
}

/// The same of a command that cron goes on starting. What a shell around `wrap` does with the output, `wrap` has read before.
pub(super) fn of_wrapped(command: &str, shell_is_outside: bool) -> Vec<&'static str> {
    let mut remarks = Vec::new();
    if let Some(Lock::GivesUp("flock -n")) = lock(&name::programs(command), command) {
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

/// What a command says that a key of a job could: it works as it is. The first word, and the key.
pub(super) fn could_be_keys(command: &str) -> Vec<(&'static str, &'static str)> {
    const KEYS: [(&str, &str); 4] = [
        ("nice", "`nice`"),
        ("timeout", "`timeout`, which ends all its processes and says so"),
        ("chronic", "`on = [\"failure\", \"recovery\"]`"),
        ("cronic", "`on = [\"failure\", \"recovery\"]`"),
    ];
    let programs = name::programs(command);
    let starts = |name: &str| programs.iter().any(|(program, _)| program == name);
    let goes = line::word(command).0 == "cd" && command.contains("&&");
    let goes = goes.then_some(("cd", "`working_dir`, which `check` looks for"));
    goes.into_iter().chain(KEYS.into_iter().filter(|(name, _)| starts(name))).collect()
}

type Programs = [(String, Vec<String>)];

/// How a command keeps a second copy of itself from running.
#[derive(Debug, PartialEq, Eq)]
enum Lock {
    /// It fails, at once or after a while.
    GivesUp(&'static str),
    /// It waits.
    Waits(&'static str),
    /// It ends the other one.
    Ends(&'static str),
}

fn lock(programs: &Programs, command: &str) -> Option<Lock> {
    programs.iter().find_map(|(program, words)| {
        let options = words.iter().take_while(|word| word.starts_with('-'));
        let has = |letter: char, long: &[&str]| {
            options.clone().any(|word| match word.strip_prefix("--") {
                Some(name) => long.contains(&name.split('=').next().unwrap_or(name)),
                None => word.contains(letter),
            })
        };
        match program.as_str() {
            // Of a descriptor the shell decides what comes of it: `flock -n 9 || exit 0`.
            "flock" if words.iter().find(|word| !word.starts_with('-')).is_some_and(|word| is_number(word)) => {
                let waits_for_seconds = has('w', &["timeout", "wait"]);
                (waits_for_seconds && !command.contains("||")).then_some(Lock::GivesUp("flock -w"))
            }
            "flock" if has('n', &["nonblock", "nb"]) => Some(Lock::GivesUp("flock -n")),
            "flock" if has('w', &["timeout", "wait"]) => Some(Lock::GivesUp("flock -w")),
            "flock" if has('u', &["unlock"]) => None,
            "flock" => Some(Lock::Waits("flock")),
            "run-one" => Some(Lock::GivesUp("run-one")),
            "run-this-one" => Some(Lock::Ends("run-this-one")),
            "lockfile" => Some(match has('r', &[]) {
                true => Lock::GivesUp("lockfile -r"),
                false => Lock::Waits("lockfile"),
            }),
            "lckdo" => Some(if has('w', &[]) { Lock::Waits("lckdo -w") } else { Lock::GivesUp("lckdo") }),
            "setlock" if has('n', &[]) => Some(Lock::GivesUp("setlock -n")),
            "setlock" => Some(Lock::Waits("setlock")),
            "lockrun" => Some(Lock::GivesUp("lockrun")),
            "with-lock-ex" => Some(Lock::GivesUp("with-lock-ex")),
            "chpst" if has('L', &[]) => Some(Lock::GivesUp("chpst -L")),
            "chpst" if has('l', &[]) => Some(Lock::Waits("chpst -l")),
            _ => None,
        }
    })
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// Words of programs and languages that draw a number.
const DRAWS: [&str; 13] = [
    "RANDOM",
    "SRANDOM",
    "rand",
    "random",
    "randint",
    "randrange",
    "urandom",
    "uniform",
    "shuf",
    "jot",
    "mt_rand",
    "random_int",
    "rand_range",
];

fn sleeps_for_a_random_time(command: &str) -> bool {
    let tokens = || command.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    let sleeps = tokens().any(|token| matches!(token, "sleep" | "usleep"));
    sleeps && (tokens().any(|token| DRAWS.contains(&token)) || command.contains("$$"))
}

fn throws_output_away(command: &str) -> bool {
    let squeezed: String = command.chars().filter(|c| !c.is_whitespace()).collect();
    let nothing = [">/dev/null2>&1", ">/dev/null2>/dev/null", "&>/dev/null", ">&/dev/null", "2>/dev/null>/dev/null"];
    nothing.iter().any(|end| squeezed.contains(end))
}

/// The file that both streams of the last command go to.
fn writes_all_to(command: &str) -> Option<String> {
    static BOTH: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r"(?:(?:^|[^0-9&>])1?>{1,2}\s*(?<a>[^\s;&|<>()]+)\s+2>{1,2}\s*(?:&1\b|[^\s;&|<>()]+)|&>{1,2}\s*(?<b>[^\s;&|<>()]+))\s*[)}]?\s*$";
        Regex::new(pattern).expect("the pattern is fixed and tested")
    });
    let found = BOTH.captures(command)?;
    let file = found.name("a").or_else(|| found.name("b"))?.as_str();
    (!file.starts_with("/dev/")).then(|| file.to_owned())
}

/// The program that takes the output of the others for a log.
fn logs_to(programs: &Programs, command: &str) -> Option<&'static str> {
    let is_there = |name: &&str| programs.iter().skip(1).any(|(program, _)| program == name);
    let piped = ["logger", "systemd-cat", "cronolog", "rotatelogs", "multilog"];
    let piped = piped.into_iter().filter(|_| command.contains('|')).find(is_there);
    let first = programs.first().is_some_and(|(program, words)| program == "systemd-cat" && !words.is_empty());
    piped.or_else(|| first.then_some("systemd-cat"))
}

const MAILERS: [&str; 12] = [
    "mail",
    "mailx",
    "s-nail",
    "bsd-mailx",
    "mutt",
    "sendmail",
    "msmtp",
    "ssmtp",
    "swaks",
    "sendemail",
    "mpack",
    "email",
];

/// The program behind another one that sends mail; where mail is all that a line does, it is its work.
fn mails(programs: &Programs) -> Option<&'static str> {
    MAILERS.into_iter().find(|name| programs.iter().skip(1).any(|(program, _)| program == name))
}

/// The address of a healthchecks' ping that follows a good run.
fn pings(command: &str) -> Option<String> {
    static PING: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r"https?://hc-ping\.com/[A-Za-z0-9._/-]+|https?://[A-Za-z0-9.-]+/ping/[A-Za-z0-9-]{36}";
        Regex::new(pattern).expect("the pattern is fixed and tested")
    });
    let (before, _) = command.split_once("&&").or_else(|| command.split_once(';'))?;
    let url = PING.find(command)?;
    (url.start() > before.len()).then(|| url.as_str().trim_end_matches(['/', '.']).to_owned())
}

/// What at the end of a line makes a failed command a good one.
fn hides_failure(command: &str) -> Option<&'static str> {
    let command = command.trim_end();
    let ends = ["|| true", "|| :", "|| /bin/true", "|| exit 0", "; true", "; :", "; exit 0"];
    let found = ends.into_iter().find(|end| {
        let (sign, word) = end.split_once(' ').unwrap_or((end, ""));
        command
            .strip_suffix(word)
            .is_some_and(|rest| rest.ends_with([' ', ';', '|']) && rest.trim_end().ends_with(sign))
    })?;
    (found.starts_with(';') || !is_test_alone(command)).then_some(found)
}

/// The program behind `||`, at the end of a line, that says in words that the command failed: it succeeds itself.
fn tells_of_failure(command: &str) -> Option<&'static str> {
    let (before, after) = command.rsplit_once("||")?;
    // A `||` between quotes is none.
    let is_joint = shlex::split(before).is_some() && shlex::split(after).is_some();
    let [(program, _)] = name::programs(after).try_into().ok()?;
    let teller = ["echo", "printf", "logger"].into_iter().find(|name| program == *name);
    teller.filter(|_| is_joint && !is_test_alone(command))
}

/// `test -x program || exit 0` alone hides nothing.
fn is_test_alone(command: &str) -> bool {
    ["test", "[", "[["].contains(&line::word(command).0) && !command.contains("&&")
}

fn goes_to_background(command: &str) -> bool {
    let command = command.trim_end();
    command.ends_with('&') && !command.ends_with("&&") && !command.ends_with(">&")
}

/// What of a command depends on whose home it is.
fn uses_home(programs: &Programs, command: &str) -> Option<String> {
    let names_home = command.contains("$HOME") || command.contains("${HOME}") || line_has_tilde(command);
    if names_home {
        let what = if line_has_tilde(command) { "`~`" } else { "`$HOME`" };
        return Some(format!("{what} is"));
    }
    let by_keys = ["ssh", "scp", "sftp", "autossh", "sshfs"].into_iter();
    let program = by_keys.clone().find(|name| programs.iter().any(|(program, _)| program == name));
    program.map(|program| format!("`{program}` looks for keys in"))
}

fn line_has_tilde(command: &str) -> bool {
    command.match_indices('~').any(|(at, _)| {
        let before = command[..at].chars().next_back();
        let after = command[at + 1..].chars().next();
        before.is_none_or(|c| c.is_whitespace() || "=:;&|(<>".contains(c))
            && after.is_none_or(|c| c.is_whitespace() || c == '/' || ";&|)".contains(c))
    })
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
    // What stands behind `||` is done when the test says no, and decides.
    test && joint.is_some_and(|rest| rest.starts_with("&&") && !rest.contains("||"))
}

#[cfg(test)]
mod tests {
    use super::{could_be_keys, needs_home, of};

    #[test]
    fn each_habit_has_one_remark_that_names_what_replaces_it() {
        for (command, words) in [
            ("flock -n /tmp/l run", "`flock -n` fails"),
            ("/usr/bin/flock -w 10 /tmp/l run", "`flock -w` fails"),
            ("flock /tmp/l run", "`overlap = \"queue\"`"),
            ("run-one run", "`run-one` fails"),
            ("run-this-one run", "`overlap = \"replace\"`"),
            ("setlock -n /tmp/l run", "`setlock -n` fails"),
            ("lockfile -r 0 /tmp/l && run; rm -f /tmp/l", "`lockfile -r` fails"),
            ("run >/dev/null 2>&1", "throws all output away"),
            ("run >> /var/log/run.log 2>&1", "all output goes to `/var/log/run.log`"),
            ("cd /srv && run --all >>log/run.log 2>>log/err.log", "all output goes to `log/run.log`"),
            ("run &>> /var/log/run.log", "all output goes to `/var/log/run.log`"),
            ("run 2>&1 | logger -t run", "`logger` takes the output"),
            ("systemd-cat -t run run", "`systemd-cat` takes the output"),
            ("run | mail -s 'it ran' root", "`mail` tells people by itself"),
            ("run || echo failed | mailx root", "`mailx` tells people by itself"),
            ("run && curl -fsS https://hc-ping.com/0-1 > /dev/null", "`ping = \"https://hc-ping.com/0-1\"`"),
            ("run; curl https://hc-ping.com/0-1/$?", "this tells a watcher by itself"),
            ("run || curl -d x https://hooks.slack.com/services/x", "posts to Slack by itself"),
            ("run || true", "`|| true` makes each run a good one"),
            ("test -x run && run --all || true", "`|| true` makes each run a good one"),
            ("curl -sf https://x/health || echo \"down at $(date)\"", "`|| echo …` makes a run that fails a good one"),
            ("cd /srv && run || printf 'no; %s\\n' run >&2", "`|| printf …` makes a run that fails a good one"),
            ("run || logger -t run failed", "`|| logger …` makes a run that fails a good one"),
            ("run;exit 0", "`; exit 0` makes each run a good one"),
            ("nohup run &", "the `&` at its end"),
            ("sleep $((RANDOM%60)); run", "sleeps for a random time"),
            ("sleep $(shuf -i 1-60 -n 1) && run", "sleeps for a random time"),
            ("perl -e 'sleep rand 60'; run", "sleeps for a random time"),
            ("python3 -c 'import random; import time; time.sleep(random.random() * 3600)' && run", "for a random time"),
            ("bash -c 'sleep $[RANDOM % 9]; run'", "sleeps for a random time"),
            ("test -x run && run", "the test before `&&`"),
            (". ~/.profile; run", "`~` is the home of"),
            ("$HOME/bin/run", "`$HOME` is the home of"),
            ("ssh db1 run", "`ssh` looks for keys in the home of"),
        ] {
            let found = of(command, false);
            let [one] = found.as_slice() else { panic!("{command}: {found:?}") };
            assert!(one.contains(words), "{command}: {one}");
        }
        for command in [
            "run",
            "sleep 30; /opt/brand/run",
            "run > /var/log/run.log",
            "run 2>&1",
            "mail -s report root < /srv/report",
            "( flock -n 9 || exit 0; run ) 9>/tmp/l",
            "test -e /run/x || exit 0",
            "run --name=a~b",
            "logger started",
            "run | tee -a x",
            "nice -n 10 ionice -c3 run",
            "timeout 60 chronic run",
            "curl -fsS https://hc-ping.com/0-1",
            "a && b",
            "test -x a && b || c",
            "run || { echo failed; exit 1; }",
            "run || (echo failed; exit 1)",
            "run || echo failed && false",
            "run 'a || echo b'",
            "[ -e /run/x ] || echo there is no x",
        ] {
            assert!(of(command, false).is_empty(), "{command}: {:?}", of(command, false));
        }
        assert!(of("ssh db1 ~/run", true).is_empty(), "whose home it is, is known");
    }

    #[test]
    fn days_that_cron_takes_for_either_of_two_and_a_test_of_the_weekday_name_the_calendar_for_it() {
        let words = |cron, command| super::of_days(cron, command).unwrap_or_default();
        assert_eq!(
            words("0 9 1-7 * 1", "run"),
            "this is due on `1-7` of the month, and on every `1` as well, as under cron; the days that both name are \
             `0 9 * * 1#1`"
        );
        assert!(words("0 9 13 * fri", "run").ends_with("as well, as under cron"));
        assert!(words("0 9 8-14 * *", "[ \"$(date +%u)\" = 1 ] && run").contains("`Mon#2` as its fifth field"));
        for (cron, command) in [("0 9 1-7 * *", "run"), ("0 9 * * 1", "test $(date +%u) = 1 && run"), ("@daily", "run")]
        {
            assert_eq!(words(cron, command), "", "{cron} {command}");
        }
    }

    #[test]
    fn what_a_key_could_say_is_known() {
        let names = |command| could_be_keys(command).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names("cd /srv && nice -n 5 timeout 60 chronic run"), ["cd", "nice", "timeout", "chronic"]);
        assert_eq!(names("run --nice; cd /"), Vec::<&str>::new());
    }

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
