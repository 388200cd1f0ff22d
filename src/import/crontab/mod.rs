//! A crontab becomes job files, one a line, in the meaning cron(8) gives them.
//!
//! Pure: text in, files and notes out. Every line that is neither blank, comment nor setting is a job or a note, and the
//! lines that are no job are kept in a file beside the jobs, each with its reason.

mod common;
mod fields;
mod guess;
mod line;
mod remarks;
mod settings;
mod wrap;

use std::path::PathBuf;

use super::{Imported, NewFile, Target, name, quote};
use common::Common;
use guess::Guess;
use line::{Line, When};
use settings::{Settings, set};
pub use wrap::{Wrapper, convert_wrapped};

/// An entry on its way to a file.
#[derive(Debug)]
struct Entry<'t> {
    line: usize,
    original: &'t str,
    description: String,
    when: When,
    user: Option<&'t str>,
    command: String,
    stdin: Option<String>,
    settings: Settings,
}

/// An entry before the user is told from the command.
struct Draft<'t> {
    line: usize,
    original: &'t str,
    description: String,
    when: When,
    rest: &'t str,
    settings: Settings,
}

/// Converts a crontab. `file_name` is what it is called in comments and notes (a path tells more than a bare name);
/// `system` says whether a user stands before each command, as in `/etc/crontab` and `/etc/cron.d`; `None` guesses.
pub fn convert<'t>(text: &'t str, file_name: &str, system: Option<bool>, target: Target<'t>) -> Imported {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut imported = Imported::default();
    let mut left = Vec::new();
    let drafts = read_lines(text, file_name, &mut imported, &mut left);
    let entries = drafts.iter().map(|draft| (draft.line, draft.rest));
    let system = system.unwrap_or_else(|| guess_system(file_name, text, entries, target, &mut imported));
    let mut entries = Vec::new();
    for draft in drafts {
        let (line, original) = (draft.line, draft.original);
        match finish(draft, file_name, (system, target), &mut imported) {
            Ok(entry) => entries.push(entry),
            Err(why) => left.push((line, original, why)),
        }
    }
    let common = match target.defaults {
        Some(defaults) => Common::written(defaults),
        None => Common::of(entries.iter().map(|entry| (&entry.settings, &entry.when))),
    };
    if target.defaults.is_none() && !entries.is_empty() {
        imported.files.push(common.write(file_name));
    }
    let repeated = common.repeated(entries.iter().map(|entry| (&entry.settings, &entry.when)));
    if target.defaults.is_some() && !repeated.is_empty() {
        let text = format!(
            "each of the {} jobs says the same `{}`: what [defaults] of slack_alert.toml says, an import leaves out",
            entries.len(),
            repeated.join("`, `")
        );
        imported.note(file_name, None, text);
    }
    if !common.has_timeout() && !entries.is_empty() {
        let text = "nothing ends a command that hangs, neither under cron nor here: set `timeout` in [defaults] of \
                    slack_alert.toml";
        imported.note(file_name, None, text);
    }
    for (entry, name) in entries.iter().zip(name::for_commands(entries.iter().map(|entry| entry.command.as_str()))) {
        let path = PathBuf::from(format!("jobs.d/{name}.toml"));
        let content = write_job(entry, &common, file_name);
        imported.files.push(NewFile { path, content, secret: false, line: Some(entry.line) });
    }
    if let Some(entry) = entries.iter().find(|entry| entry.user.is_some()) {
        let user = entry.user.unwrap_or_default();
        let whom = match target.owner {
            Some(owner) if !system => format!("jobs run as `{owner}`, whose crontab it is"),
            _ => format!("jobs run as the users of the crontab (`{user}` …)"),
        };
        let text = format!(
            "{whom}, which only root may do; the package's service is not root \
             (`check`: cannot-switch-user) until it has the drop-in root.conf: \
             `install -D -t /etc/systemd/system/slack-alert.service.d /usr/share/doc/slack-alert/drop-ins/root.conf`, then \
             `systemctl daemon-reload` and restart"
        );
        imported.note(file_name, None, text);
    }
    if !entries.is_empty() {
        let outside = entries.iter().find_map(|entry| remarks::writes_to(&entry.command));
        let outside = outside.map(|path| format!(" (`{path}`, for one)")).unwrap_or_default();
        let text = format!(
            "the package's service can write to /var/lib/slack-alert, /var/log/slack-alert and a /tmp of its own alone: a \
             command that writes elsewhere{outside} fails until the drop-in write.conf names the folder"
        );
        imported.note(file_name, None, text);
    }
    if let Some(text) = could_be_keys(&entries) {
        imported.note(file_name, None, text);
    }
    if entries.iter().any(|entry| !entry.settings.silent) {
        let text = "cron mails whatever a command prints; slack-alert posts the stdout of a good run, and stdout and stderr of a \
                    failed one, printed or not";
        imported.note(file_name, None, text);
    }
    keep_the_rest(left, file_name, &mut imported);
    imported.sort_notes();
    imported
}

/// What keys could say in the place of a part of some commands, in a sentence for all of them: they work as they are.
fn could_be_keys(entries: &[Entry<'_>]) -> Option<String> {
    let mut found: Vec<(&str, &str, Vec<String>)> = Vec::new();
    for entry in entries {
        for (name, key) in remarks::could_be_keys(&entry.command) {
            match found.iter_mut().find(|(known, ..)| *known == name) {
                Some((.., lines)) => lines.push(entry.line.to_string()),
                None => found.push((name, key, vec![entry.line.to_string()])),
            }
        }
    }
    let each = found.iter().map(|(name, key, lines)| {
        let word = if lines.len() == 1 { "line" } else { "lines" };
        format!("for `{name}` ({word} {}) {key}", lines.join(", "))
    });
    let each = each.collect::<Vec<_>>().join("; ");
    (!found.is_empty()).then(|| format!("what works as it is, and a key could say: {each}"))
}

/// Whether a user stands before each command, with a note where that is a guess.
fn guess_system<'t>(
    file_name: &str,
    text: &str,
    entries: impl Iterator<Item = (usize, &'t str)>,
    target: Target<'_>,
    imported: &mut Imported,
) -> bool {
    let Guess { system, remark, is_doubtful } = guess::guess(file_name, text, entries, target.machine);
    if let Some(remark) = remark {
        imported.note_guess(file_name, remark, is_doubtful);
    }
    system
}

fn read_lines<'t>(
    text: &'t str,
    file_name: &str,
    imported: &mut Imported,
    left: &mut Vec<(usize, &'t str, String)>,
) -> Vec<Draft<'t>> {
    let anacron = base(file_name) == "anacrontab";
    let mut settings = Settings::default();
    let mut comments: Vec<&str> = Vec::new();
    let mut drafts = Vec::new();
    for (line, original) in (1..).zip(text.lines()) {
        match line::read(original) {
            Line::Blank => comments.clear(),
            Line::Comment(words) => comments.push(words),
            Line::Setting { name, value } => {
                comments.clear();
                if let Some(note) = set(&mut settings, name, value) {
                    imported.note(file_name, line, note);
                }
            }
            Line::Entry { .. } | Line::Refused(_) if anacron => {
                comments.clear();
                let why = "an anacron job: give it `every` (its period) and `catch_up = \"once\"` in a job of its own";
                left.push((line, original, why.to_owned()));
            }
            Line::Entry { when, rest } => {
                let description = describe(&comments);
                comments.clear();
                drafts.push(Draft { line, original, description, when, rest, settings: settings.clone() });
            }
            Line::Refused(why) => {
                comments.clear();
                left.push((line, original, why));
            }
        }
    }
    drafts
}

/// User, command and input of an entry; or why it cannot be a job.
fn finish<'t>(
    draft: Draft<'t>,
    file_name: &str,
    (system, target): (bool, Target<'t>),
    imported: &mut Imported,
) -> Result<Entry<'t>, String> {
    let owner = target.owner.unwrap_or_default();
    let (user, rest) = if system { line::word(draft.rest) } else { (owner, draft.rest) };
    let (command, stdin) = line::split_stdin(rest);
    let command = command.trim().to_owned();
    if system && user.is_empty() {
        return Err("neither user nor command".to_owned());
    }
    if command.is_empty() {
        return Err("no command".to_owned());
    }
    let mut note = |text: &str| imported.note(file_name, draft.line, text);
    if let When::Cron(_, Some(_)) = draft.when {
        note("cron draws a random time whenever it reads the file; here it was drawn once");
    }
    if let When::Cron(cron, _) = &draft.when {
        remarks::of_days(cron, &command).iter().for_each(|remark| note(remark));
    }
    if user.contains('/') {
        note("the login class behind the user is left out");
    }
    let Draft { line, original, description, when, mut settings, .. } = draft;
    if settings.home.is_none() {
        // Also where nothing in it tells: what a program reads, writes or deletes depends on where it starts.
        let name = user.split([':', '/']).next().filter(|_| !user.is_empty());
        settings.home = (target.home)(name);
        match &settings.home {
            _ if !remarks::needs_home(&command) => {}
            Some(home) => note(&format!("it starts in {home}, its user's home, as under cron: `working_dir`")),
            None => note(
                "cron runs this in the home directory of its user, slack-alert in the folder of slack_alert.toml: set \
                 `working_dir`",
            ),
        }
    }
    let user = Some(user).filter(|user| !user.is_empty());
    if stdin.is_some() && shlex::split(&command).is_none() {
        note(
            "the first `%` ends the command, as under cron, and here it stands between quotes: write `\\%` for a percent sign",
        );
    }
    remarks::of(&command, user.is_some()).iter().for_each(|remark| note(remark));
    Ok(Entry { line, original, description, when, user, command, stdin, settings })
}

/// The comment lines right above an entry as one sentence. Rulers and tables of the columns say nothing about it, and what
/// stands above an entry that was commented out is about that one.
fn describe(comments: &[&str]) -> String {
    let mut telling = Vec::new();
    for comment in comments {
        let words = comment.trim_matches(|c: char| c.is_whitespace() || c == '#');
        if matches!(line::read(words), Line::Entry { .. } | Line::Setting { .. }) {
            telling.clear();
        } else if words.contains(char::is_alphabetic) && !words.starts_with(['|', '.']) && !guess::is_header(words) {
            telling.push(words);
        }
    }
    telling.join(" ")
}

fn write_job(entry: &Entry<'_>, common: &Common, file_name: &str) -> String {
    let settings = &common.taken_from(&entry.settings);
    let mut out = quote::comment(&format!("Imported from {file_name}:{}", entry.line));
    out.push_str(&quote::comment(entry.original.trim()));
    let mut put = |key: &str, value: String| {
        out.push_str(key);
        out.push_str(" = ");
        out.push_str(&value);
        out.push('\n');
    };
    if !entry.description.is_empty() {
        put("description", quote::text(&entry.description));
    }
    put("command", quote::text(&entry.command));
    if let Some(shell) = &settings.shell {
        put("shell", quote::list([shell.as_str(), "-c"]));
    }
    match &entry.when {
        When::Every(length) => put("every", quote::text(length)),
        When::Cron(cron, _) => put("cron", quote::text(cron)),
        When::Reboot => put("cron", quote::text("@reboot")),
    }
    if let Some(zone) = &settings.zone {
        put("time_zone", quote::text(zone));
    }
    // An interval of a second has no room for a delay.
    if let (Some(jitter), When::Cron(..)) = (&settings.jitter, &entry.when) {
        put("jitter", quote::text(jitter));
    }
    if let Some(user) = entry.user {
        let user = user.split('/').next().unwrap_or(user);
        let (user, group) = user.split_once(':').unwrap_or((user, ""));
        put("user", quote::text(user));
        if !group.is_empty() {
            put("group", quote::text(group));
        }
    }
    if let Some(home) = &settings.home {
        put("working_dir", quote::text(home));
    }
    if let Some(stdin) = &entry.stdin {
        put("stdin", quote::text(stdin));
    }
    if !settings.env.is_empty() {
        out.push_str("\n[env]\n");
        for (name, value) in &settings.env {
            out.push_str(&format!("{} = {}\n", quote::key(name), quote::text(value)));
        }
    }
    if settings.silent {
        out.push_str("\n# MAILTO=\"\": nobody is told\n[notify]\non = []\n");
    }
    out
}

/// What became no job is noted, and kept in a file beside the jobs: an import loses nothing.
fn keep_the_rest(mut left: Vec<(usize, &str, String)>, file_name: &str, imported: &mut Imported) {
    if left.is_empty() {
        return;
    }
    left.sort_by_key(|(line, ..)| *line);
    let mut content = quote::comment(&format!("The lines of {file_name} that did not become jobs, and why"));
    for (line, original, why) in left {
        content.push('\n');
        content.push_str(&quote::comment(&format!("line {line}: {why}")));
        content.push_str(&quote::comment(original.trim()));
        imported.note(file_name, line, format!("not imported: {why}"));
    }
    let path = PathBuf::from(format!("jobs.d/{}.not-imported.txt", name::part(base(file_name))));
    imported.files.push(NewFile { path, content, secret: false, line: None });
}

fn base(file_name: &str) -> &str {
    file_name.trim_end_matches('/').rsplit('/').next().unwrap_or(file_name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Imported, Machine, Target};
    use super::line::{self, Line};

    /// For a folder whose `[defaults]` say nothing, on a machine without users.
    fn convert(text: &str, file_name: &str, system: Option<bool>) -> Imported {
        let defaults = toml::Table::new();
        super::convert(
            text,
            file_name,
            system,
            Target { defaults: Some(&defaults), owner: None, home: &|_| None, machine: Machine::UNKNOWN },
        )
    }

    /// The one job that a crontab makes, without its comments.
    fn job(text: &str, system: bool) -> String {
        let imported = convert(text, "tab", Some(system));
        let [file] = imported.files.as_slice() else { panic!("{text}: {imported:?}") };
        let keys = file.content.lines().filter(|line| !line.starts_with('#'));
        keys.collect::<Vec<_>>().join("\n").trim_end().to_owned()
    }

    #[test]
    fn a_word_that_may_be_a_user_is_told_of() {
        let imported = convert("@reboot x\n@daily root run\n@reboot y\n", "tab", None);
        let notes: Vec<_> = imported.notes.iter().map(ToString::to_string).collect();
        let doubt = "tab:2: taken for the crontab of a user: if `root` is who runs this, import with --system, else with --user";
        assert_eq!(imported.doubt.as_ref().map(ToString::to_string).as_deref(), Some(doubt));
        assert_eq!(notes.iter().filter(|note| note.contains("taken for")).collect::<Vec<_>>(), [doubt]);
        for (text, system) in
            [("@daily root run\n", Some(false)), ("@daily root run\n", None), ("@daily run --x\n", None)]
        {
            let imported = convert(text, "tab", system);
            assert!(!imported.notes.iter().any(|note| note.text.contains("of a user")), "{text}: {imported:?}");
        }
    }

    #[test]
    fn a_zone_that_is_none_is_told_of_with_its_line() {
        for (zone, is_told) in [("Europe/Berlin", false), (":UTC", false), ("", false), ("Europe/Berlni", true)] {
            let imported = convert(&format!("CRON_TZ={zone}\n@daily run\n"), "tab", Some(false));
            let notes: Vec<_> = imported.notes.iter().map(ToString::to_string).collect();
            let told = "tab:1: CRON_TZ: `Europe/Berlni` names no time zone that is known here";
            assert_eq!(notes.iter().any(|note| note.starts_with(told)), is_told, "{zone}: {notes:?}");
        }
    }

    #[test]
    fn a_line_becomes_a_job() {
        for (text, system, expected) in [
            ("*/5 * * * * run", false, "command = \"run\"\ncron = \"*/5 * * * *\""),
            ("@daily root run", true, "command = \"run\"\ncron = \"@daily\"\nuser = \"root\""),
            ("@daily www:adm/staff run", true, "command = \"run\"\ncron = \"@daily\"\nuser = \"www\"\ngroup = \"adm\""),
            ("@every_second run", false, "command = \"run\"\nevery = \"1s\""),
            ("@reboot run", false, "command = \"run\"\ncron = \"@reboot\""),
            (
                "SHELL=/bin/bash\n@daily run",
                false,
                "command = \"run\"\nshell = [\"/bin/bash\", \"-c\"]\ncron = \"@daily\"",
            ),
            ("SHELL=/bin/sh\n@daily run", false, "command = \"run\"\ncron = \"@daily\""),
            (
                "CRON_TZ=Europe/Berlin\n@daily run",
                false,
                "command = \"run\"\ncron = \"@daily\"\ntime_zone = \"Europe/Berlin\"",
            ),
            ("RANDOM_DELAY=45\n@daily run", false, "command = \"run\"\ncron = \"@daily\"\njitter = \"45m\""),
            ("TZ=UTC\n@daily run", false, "command = \"run\"\ncron = \"@daily\"\n\n[env]\nTZ = \"UTC\""),
            (
                "HOME=/srv\n@daily bin/run",
                false,
                "command = \"bin/run\"\ncron = \"@daily\"\nworking_dir = \"/srv\"\n\n[env]\nHOME = \"/srv\"",
            ),
            ("MAILTO=\"\"\n@daily run", false, "command = \"run\"\ncron = \"@daily\"\n\n[notify]\non = []"),
            ("MAILTO=\"\"\nMAILTO=me\n@daily run", false, "command = \"run\"\ncron = \"@daily\""),
            ("A=1\nA=2\n@daily run", false, "command = \"run\"\ncron = \"@daily\"\n\n[env]\nA = \"2\""),
            ("@daily cat%one%two", false, "command = \"cat\"\ncron = \"@daily\"\nstdin = '''\none\ntwo\n'''"),
            ("@daily echo '\"\\%\"'", false, "command = '''echo '\"%\"' '''\ncron = \"@daily\""),
            ("# Says it.\n@daily run", false, "description = \"Says it.\"\ncommand = \"run\"\ncron = \"@daily\""),
        ] {
            // The one case whose quoting needs escapes.
            let expected = expected.replace("'''echo '\"%\"' '''", "\"echo '\\\"%\\\"'\"");
            assert_eq!(job(text, system), expected, "{text}");
        }
    }

    #[test]
    fn the_crontab_of_another_user_makes_jobs_of_that_user() {
        let defaults = toml::Table::new();
        let home = |name: Option<&str>| name.map(|name| format!("/home/{name}"));
        let target = Target { defaults: Some(&defaults), owner: Some("alice"), home: &home, machine: Machine::UNKNOWN };
        let imported = super::convert("@daily ~/run\n", "/var/spool/cron/crontabs/alice", None, target);
        let keys = "user = \"alice\"\nworking_dir = \"/home/alice\"";
        assert!(imported.files[0].content.contains(keys), "{imported:?}");
        let notes: Vec<_> = imported.notes.iter().map(|note| note.text.as_str()).collect();
        assert!(notes.iter().any(|note| note.starts_with("jobs run as `alice`, whose crontab it is")), "{notes:?}");
        assert!(!notes.iter().any(|note| note.contains("the home of the user that slack-alert runs as")), "{notes:?}");
    }

    #[test]
    fn what_keys_could_say_is_one_remark_for_all_lines() {
        let imported = convert("@daily nice run\n@daily cd /srv && nice -n 5 run\n@daily run\n", "tab", Some(false));
        let notes: Vec<_> = imported.notes.iter().filter(|note| note.text.contains("a key could say")).collect();
        let [one] = notes.as_slice() else { panic!("{notes:?}") };
        assert!(
            one.text
                .ends_with("for `nice` (lines 1, 2) `nice`; for `cd` (line 2) `working_dir`, which `check` looks for"),
            "{one}"
        );
    }

    #[test]
    fn only_the_words_right_above_a_line_describe_it() {
        for (comments, description) in [
            ("# One,\n# two.", "One, two."),
            ("# Far away.\n", ""),
            ("# m h dom mon dow command\n# Near.", "Near."),
            ("#\n#### Backup ####\n#", "Backup"),
            ("# Old:\n#0 5 * * * /bin/old", ""),
            ("#0 5 * * * /bin/old\n# New.", "New."),
            ("# |  .---- hour (0 - 23)\n# *  *  *  *  * user-name command", ""),
            ("# Not for this.\nA=b", ""),
        ] {
            let imported = convert(&format!("{comments}\n@daily run"), "tab", Some(false));
            let table: toml::Table = toml::from_str(&imported.files[0].content).expect("what is written is TOML");
            let found = table.get("description").and_then(|value| value.as_str()).unwrap_or_default();
            assert_eq!(found, description, "{comments}");
        }
    }

    #[test]
    fn what_becomes_no_job_is_noted_and_kept() {
        for (line, why) in [
            ("@daily", "no command"),
            ("@daily %x", "no command"),
            ("61 * * * * run", "minute: `61`"),
            ("run it now", "neither a setting nor a time"),
            ("0 6 * * * echo \u{fffd}", "no UTF-8 text"),
        ] {
            let imported = convert(line, "tab", Some(false));
            let [file] = imported.files.as_slice() else { panic!("{imported:?}") };
            assert_eq!(file.path.to_string_lossy(), "jobs.d/tab.not-imported.txt");
            assert!(file.content.contains(line) && file.content.contains(why), "{}", file.content);
            assert!(imported.notes.iter().any(|note| note.line == Some(1) && note.text.contains(why)), "{imported:?}");
        }
        let anacron =
            convert("1\t5\tcron.daily\trun-parts /etc/cron.daily\n@monthly 15 x run", "/etc/anacrontab", None);
        assert_eq!(anacron.notes.iter().filter(|note| note.text.contains("an anacron job")).count(), 2, "{anacron:?}");
        assert_eq!(convert("@daily root", "tab", Some(true)).files.len(), 1);
    }

    #[test]
    fn what_means_something_else_is_noted() {
        for (text, words) in [
            ("MAILTO=ops\n@daily run", "mail went to `ops`"),
            ("RANDOM_DELAY=soon\n@daily run", "no number of minutes"),
            ("LOGNAME=x\n@daily run", "LOGNAME"),
            ("MAILFROM=x\n@daily run", "MAILFROM"),
            ("TZ=UTC\n@daily run", "`time_zone` is for the times"),
            ("0~59 * * * * run", "drawn once"),
            ("@daily bin/run", "home directory"),
            ("@daily cd app && run", "home directory"),
            ("@daily [ -x /run ] && /run", "the test before `&&`"),
            ("@daily command -v run >/dev/null 2>&1 && run", "the test before `&&`"),
            ("@daily run", "cron mails whatever"),
            ("@daily flock -n /tmp/lock run", "`flock -n` fails"),
            ("@daily /usr/bin/flock -xn /tmp/lock -c run", "`flock -n` fails"),
            ("@daily run >/dev/null 2>&1", "throws all output away"),
            ("@daily run &> /dev/null", "throws all output away"),
            ("@daily sleep $((RANDOM % 60)); run", "sleeps for a random time"),
            ("@daily perl -e 'sleep int(rand(60))' && run", "sleeps for a random time"),
        ] {
            let imported = convert(text, "tab", Some(false));
            assert!(imported.notes.iter().any(|note| note.text.contains(words)), "{text}: {:?}", imported.notes);
        }
        for text in
            ["@daily /bin/run", "@daily A=/b run", "@daily ~/run", "@daily cd / && run", "HOME=/h\n@daily bin/run"]
        {
            let imported = convert(text, "tab", Some(false));
            assert!(!imported.notes.iter().any(|note| note.text.contains("home directory")), "{text}");
        }
    }

    /// Every line that is neither blank, comment nor setting is the origin of a file or has a note.
    fn assert_all_accounted_for(text: &str, imported: &Imported) {
        for (number, line) in (1..).zip(text.strip_prefix('\u{feff}').unwrap_or(text).lines()) {
            let silent = matches!(line::read(line), Line::Blank | Line::Comment(_) | Line::Setting { .. });
            let jobs = imported.files.iter().filter(|file| file.line == Some(number)).count();
            let notes = imported.notes.iter().filter(|note| note.line == Some(number)).count();
            assert!(jobs <= 1 && (silent || jobs + notes > 0), "line {number} of {text:?}: {imported:?}");
        }
        for file in imported.files.iter().filter(|file| file.path.extension().is_some_and(|ending| ending == "toml")) {
            let table: toml::Table =
                toml::from_str(&file.content).unwrap_or_else(|error| panic!("{error}\n{}", file.content));
            assert!(table.contains_key("command"), "{}", file.content);
            assert!(table.contains_key("cron") != table.contains_key("every"), "{}", file.content);
        }
    }

    fn crontab() -> impl Strategy<Value = String> {
        let time = prop_oneof![
            "[0-9*,/~a-z-]{1,6}( [0-9*/]{1,4}){4}",
            Just("@daily".to_owned()),
            Just("* * * * *".to_owned())
        ];
        let line = prop_oneof![
            2 => any::<String>(),
            4 => (time, "[ \t]?(root )?[-a-z/ '\"\\\\%&|;#$()=éß\u{1}]{0,30}").prop_map(|(time, rest)| format!("{time} {rest}")),
            2 => "#[ a-z*#0-9]{0,20}",
            2 => "(SHELL|PATH|MAILTO|HOME|TZ|CRON_TZ|RANDOM_DELAY|[A-Z\"]{1,4}) ?= ?[ -~]{0,20}",
            1 => Just(String::new()),
        ];
        proptest::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
    }

    proptest! {
        #[test]
        fn any_text_is_accounted_for_line_by_line(text in crontab(), system in any::<Option<bool>>()) {
            let imported = convert(&text, "any/thing", system);
            assert_all_accounted_for(&text, &imported);
            prop_assert_eq!(convert(&text, "any/thing", system), imported, "the same text gives the same files");
        }
    }
}
