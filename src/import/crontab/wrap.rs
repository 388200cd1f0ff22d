//! A crontab whose commands cron goes on starting, each under `slack-alert wrap`, and what is expected of each of them.
//!
//! Pure: text in, text, files and notes out. Only commands change, and no other byte; one that is wrapped already stays as it
//! is, so that a second time changes nothing.

use std::path::PathBuf;

use super::super::{Imported, NewFile, Target, name, quote, unique};
use super::line::{self, Line, SHELL_WORDS, When};
use super::settings::{Settings, set};
use super::{base, describe, guess_system, keep_the_rest, remarks};

/// How the wrapped commands are started.
#[derive(Clone, Copy)]
pub struct Wrapper<'a> {
    /// The program, as cron finds it.
    pub program: &'a str,
    /// The configuration, where it is not found by itself.
    pub config: Option<&'a str>,
    /// The state directory, where it was named.
    pub state_dir: Option<&'a str>,
    /// Whether a name is another job's: it has a file already, and not this text. Two lines with one name would hide each other.
    pub is_taken: &'a dyn Fn(&str, Option<&str>) -> bool,
}

impl std::fmt::Debug for Wrapper<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wrapper")
            .field("program", &self.program)
            .field("config", &self.config)
            .field("state_dir", &self.state_dir)
            .finish_non_exhaustive()
    }
}

/// An entry on its way.
struct Entry<'t> {
    line: usize,
    original: &'t str,
    /// Where in the line its command begins.
    at: usize,
    command: &'t str,
    description: String,
    when: When,
    settings: Settings,
}

/// What a crontab holds.
struct Found<'t> {
    /// To be wrapped.
    entries: Vec<Entry<'t>>,
    /// The names of those that are wrapped already.
    known: Vec<String>,
    /// What cron itself would not take: the line and why.
    left: Vec<(usize, &'t str, String)>,
}

/// The crontab with its commands wrapped, and what goes with it: a job that expects each of them.
pub fn convert_wrapped(
    text: &str,
    file_name: &str,
    system: Option<bool>,
    target: Target<'_>,
    wrapper: Wrapper<'_>,
) -> (String, Imported) {
    let mut imported = Imported::default();
    let Found { entries, known, left } = read(text, file_name, (system, wrapper.program), target, &mut imported);
    let mut taken = known.iter().map(|name| name.to_lowercase()).collect();
    let names = name::for_commands(entries.iter().map(|entry| entry.command));
    let jobs: Vec<Option<String>> = entries.iter().map(|entry| job(entry, file_name)).collect();
    let names: Vec<String> = names
        .iter()
        .zip(&jobs)
        .map(|(wanted, job)| {
            let mut name = unique(&mut taken, wanted);
            while (wrapper.is_taken)(&name, job.as_deref()) {
                name = unique(&mut taken, wanted);
            }
            name
        })
        .collect();
    let mut out = String::with_capacity(text.len() * 2);
    let mut wrapped = entries.iter().zip(&names).peekable();
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        match wrapped.next_if(|(entry, _)| entry.line == number) {
            None => out.push_str(line),
            Some((entry, name)) => {
                out.push_str(&line[..entry.at]);
                out.push_str(&wrap(entry, name, wrapper));
                out.push_str(&line[entry.at + entry.command.len()..]);
            }
        }
    }
    if target.defaults.is_none() && !entries.is_empty() {
        imported.files.push(configuration(file_name));
    }
    for entry in &entries {
        let command = &entry.command[..input_at(entry.command)];
        if entry.settings.silent {
            let remark = "nobody is told of this job (`MAILTO=\"\"`), also when it does not run; take `on = []` out of its file to \
                          be told";
            imported.note(file_name, entry.line, remark);
        }
        for remark in remarks::of_wrapped(command, is_simple(command)) {
            imported.note(file_name, entry.line, remark);
        }
    }
    let timeout = target.defaults.and_then(|defaults| defaults.get("timeout")).and_then(toml::Value::as_str);
    if let Some(timeout) = timeout.filter(|_| !entries.is_empty()) {
        let text = format!(
            "`timeout = {timeout:?}` in [defaults] ends these commands too: give a job that may take longer its own `timeout`"
        );
        imported.note(file_name, None, text);
    }
    for ((entry, name), job) in entries.iter().zip(&names).zip(jobs) {
        match job {
            None => imported.note(
                file_name,
                entry.line,
                "`@reboot` has no times at which it could be expected: its runs are told of, and nobody misses one",
            ),
            Some(content) => imported.files.push(NewFile {
                path: PathBuf::from(format!("jobs.d/{name}.toml")),
                content,
                secret: false,
                line: Some(entry.line),
            }),
        }
    }
    keep_the_rest(left, file_name, &mut imported);
    imported.sort_notes();
    (out, imported)
}

/// The entries that are to be wrapped, the names of those that are, and the lines that cron itself would not take.
fn read<'t>(
    text: &'t str,
    file_name: &str,
    (system, program): (Option<bool>, &str),
    target: Target<'_>,
    imported: &mut Imported,
) -> Found<'t> {
    let lines = || (1..).zip(text.strip_prefix('\u{feff}').unwrap_or(text).split_inclusive('\n'));
    let rests = lines().filter_map(|(number, line)| match line::read(line) {
        Line::Entry { rest, .. } => Some((number, rest)),
        _ => None,
    });
    let system = system.unwrap_or_else(|| guess_system(file_name, text, rests, target, imported));
    let mut settings = Settings::default();
    let (mut entries, mut known, mut left) = (Vec::new(), Vec::new(), Vec::new());
    let mut comments: Vec<&str> = Vec::new();
    for (number, original) in lines() {
        match line::read(original) {
            Line::Comment(words) => {
                comments.push(words);
                continue;
            }
            Line::Blank => {}
            Line::Setting { name, value } => drop(set(&mut settings, name, value)),
            Line::Refused(why) => left.push((number, original, why)),
            Line::Entry { when, rest } => {
                let command = if system { line::word(rest).1 } else { rest };
                if command.is_empty() || command.starts_with('%') {
                    left.push((number, original, "no command".to_owned()));
                } else if let Some(name) = wrapped_already(command, program) {
                    known.extend(name);
                } else {
                    // A slice of the line: how far it lies behind the line's beginning.
                    let at = command.as_ptr() as usize - original.as_ptr() as usize;
                    let (description, settings) = (describe(&comments), settings.clone());
                    entries.push(Entry { line: number, original, at, command, description, when, settings });
                }
            }
        }
        comments.clear();
    }
    if entries.is_empty() && known.is_empty() {
        imported.note(file_name, None, "there is no command to wrap");
    }
    Found { entries, known, left }
}

/// Whether a command is one of ours, and for which job. Something may stand before it: `sudo -u app`, `cd /srv &&`.
fn wrapped_already(command: &str, program: &str) -> Option<Option<String>> {
    let base = |word: &str| word.trim_matches(['\'', '"']).rsplit('/').next().unwrap_or_default().to_owned();
    let ours = ["slack-alert".to_owned(), base(program)];
    let words = command.split_whitespace().skip_while(|word| !ours.contains(&base(word)));
    let words: Vec<&str> = words.take_while(|word| *word != "--").collect();
    words.contains(&"wrap").then(|| {
        let at = words.iter().position(|word| *word == "--job");
        let apart = at.and_then(|at| words.get(at + 1)).copied();
        let joined = words.iter().find_map(|word| word.strip_prefix("--job="));
        apart.or(joined).map(|name| name.trim_matches(['\'', '"']).to_owned())
    })
}

/// The command under `wrap`. What cron takes for input (from the first bare `%` on) stays behind it.
fn wrap(entry: &Entry<'_>, name: &str, wrapper: Wrapper<'_>) -> String {
    let (command, input) = entry.command.split_at(input_at(entry.command));
    let mut out = for_cron(wrapper.program);
    if let Some(config) = wrapper.config {
        out.push_str(&format!(" --config {}", for_cron(config)));
    }
    if let Some(state_dir) = wrapper.state_dir {
        out.push_str(&format!(" --state-dir {}", for_cron(state_dir)));
    }
    out.push_str(&format!(" wrap --job {} -- ", for_cron(name)));
    if is_simple(command) {
        out.push_str(command);
    } else {
        let shell = entry.settings.shell.as_deref().unwrap_or("/bin/sh");
        let blank = command.len() - command.trim_end().len();
        let (command, blank) = command.split_at(command.len() - blank);
        out.push_str(&format!("{} -c {}{blank}", for_cron(shell), in_quotes(command)));
    }
    out.push_str(input);
    out
}

/// Where the input begins that cron takes out of a line.
fn input_at(command: &str) -> usize {
    let mut escaped = false;
    for (at, c) in command.char_indices() {
        if c == '%' && !escaped {
            return at;
        }
        escaped = c == '\\' && !escaped;
    }
    command.len()
}

/// A word for the shell, with the percent signs escaped that cron would take.
fn for_cron(word: &str) -> String {
    let plain = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "/._-+:@,=".contains(c));
    let word = word.replace('%', "\\%");
    if plain { word } else { in_quotes(&word) }
}

fn in_quotes(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Whether a command is one program with its words: the shell that cron starts expands them for `wrap` as it did for the
/// program. Where its output goes is the business of that shell too.
fn is_simple(command: &str) -> bool {
    let first = command.split_whitespace().next().unwrap_or_default();
    let is_assignment = first.split_once('=').is_some_and(|(name, _)| !name.contains('/'));
    if is_assignment || SHELL_WORDS.contains(&first) || first.starts_with(['(', '<', '>', '#', '-']) {
        return false;
    }
    let mut chars = command.chars().peekable();
    let mut quote = None;
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => drop(chars.next()),
            (_, '`') => return false,
            (_, '$') if chars.peek() == Some(&'(') => return false,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, ';' | '|' | '(' | ')' | '#') => return false,
            // `2>&1`, `>&2` and `&>file` are no operators between commands.
            (None, '>' | '<') => {
                if chars.next_if_eq(&'(').is_some() || chars.next_if_eq(&'<').is_some() {
                    return false;
                }
                while chars.next_if(|&c| c == '&' || c == '>').is_some() {}
            }
            (None, '&') => return false,
            (None, _) => {}
        }
    }
    quote.is_none()
}

/// `slack_alert.toml`, where there was none.
fn configuration(file_name: &str) -> NewFile {
    let mut content =
        quote::comment(&format!("The jobs of {file_name}, which cron starts: slack-alert wrap reports them"));
    content.push_str(
        "\n[slack]\n# Until there is a token, messages go to the terminal, or to the journal.\n\
         # token_file = \"slack.token\"\n# channel    = \"#ops\"\n",
    );
    NewFile { path: PathBuf::from("slack_alert.toml"), content, secret: false, line: None }
}

/// The job that expects a command; none of one that has no times.
fn job(entry: &Entry<'_>, file_name: &str) -> Option<String> {
    let settings = &entry.settings;
    let mut out = quote::comment(&format!("cron starts this: {}:{}", base(file_name), entry.line));
    out.push_str(&quote::comment(entry.original.trim()));
    if !entry.description.is_empty() {
        out.push_str(&format!("description = {}\n", quote::text(&entry.description)));
    }
    let (kind, when, grace) = match &entry.when {
        When::Every(every) => ("every", every.as_str(), 5),
        When::Cron(cron, None) => ("cron", cron.as_str(), grace(cron)),
        // A run at any time that cron may draw is no missing one.
        When::Cron(cron, Some(random)) => {
            out.push_str(&quote::comment("cron draws the time: due at the earliest, with the rest as grace"));
            ("cron", random.earliest.as_str(), grace(cron) + random.minutes)
        }
        When::Reboot => return None,
    };
    let delay = settings.jitter.as_deref().and_then(|jitter| jitter.strip_suffix('m')?.parse().ok()).unwrap_or(0_u64);
    let grace = super::super::spell_micros((grace + delay) * 60_000_000);
    out.push_str(&format!("expect = {{ {kind} = {}, grace = {} }}\n", quote::text(when), quote::text(&grace)));
    if let Some(zone) = &settings.zone {
        out.push_str(&format!("time_zone = {}\n", quote::text(zone)));
    }
    if settings.silent {
        out.push_str("\n# MAILTO=\"\": nobody is told, also when it does not run\n[notify]\non = []\n");
    }
    Some(out)
}

/// How many minutes a run may be late, by how often it comes.
fn grace(cron: &str) -> u64 {
    let mut fields = cron.split(' ');
    let several = |field: &str| field.contains(['*', '/', ',', '-']);
    match (fields.next(), fields.next()) {
        (Some("@hourly"), _) => 30,
        (Some(minute), Some(_)) if several(minute) => 15,
        (Some(_), Some(hour)) if several(hour) => 30,
        _ => 120,
    }
}

#[cfg(test)]
mod tests {
    use super::{Target, Wrapper, convert_wrapped};
    use crate::import::{Imported, Machine};

    const WRAPPER: Wrapper<'static> =
        Wrapper { program: "slack-alert", config: None, state_dir: None, is_taken: &|_, _| false };

    fn wrapped(text: &str, system: bool) -> (String, Imported) {
        let defaults = toml::Table::new();
        let target = Target { defaults: Some(&defaults), owner: None, home: &|_| None, machine: Machine::UNKNOWN };
        convert_wrapped(text, "tab", Some(system), target, WRAPPER)
    }

    #[test]
    fn only_the_command_of_a_line_changes() {
        for (line, system, expected) in [
            ("*/5 * * * * run --all", false, "*/5 * * * * slack-alert wrap --job run -- run --all"),
            ("  5\t1  * * *\troot  run  it \n", true, "  5\t1  * * *\troot  slack-alert wrap --job run -- run  it \n"),
            ("@reboot /bin/warm-up\r\n", false, "@reboot slack-alert wrap --job warm-up -- /bin/warm-up\r\n"),
            ("@daily run >/dev/null 2>&1", false, "@daily slack-alert wrap --job run -- run >/dev/null 2>&1"),
            ("@daily run \"a b\" $X ~/c *", false, "@daily slack-alert wrap --job run -- run \"a b\" $X ~/c *"),
            ("@daily a && b", false, "@daily slack-alert wrap --job a -- /bin/sh -c 'a && b'"),
            ("@daily a | b's'", false, "@daily slack-alert wrap --job a -- /bin/sh -c 'a | b'\\''s'\\'''"),
            ("@daily a;b", false, "@daily slack-alert wrap --job a -- /bin/sh -c 'a;b'"),
            ("@daily a &", false, "@daily slack-alert wrap --job a -- /bin/sh -c 'a &'"),
            ("@daily a $(b)", false, "@daily slack-alert wrap --job a -- /bin/sh -c 'a $(b)'"),
            ("@daily A=1 run", false, "@daily slack-alert wrap --job run -- /bin/sh -c 'A=1 run'"),
            ("@daily cd /x", false, "@daily slack-alert wrap --job cd -- /bin/sh -c 'cd /x'"),
            ("@daily run \\%d%in%put", false, "@daily slack-alert wrap --job run -- run \\%d%in%put"),
            ("@daily a;b \\%d%in", false, "@daily slack-alert wrap --job a -- /bin/sh -c 'a;b \\%d'%in"),
            ("-@daily run", false, "-@daily slack-alert wrap --job run -- run"),
            ("# a comment\nA=b\n\n@daily run", false, "# a comment\nA=b\n\n@daily slack-alert wrap --job run -- run"),
            (
                "SHELL=/bin/bash\n@daily a|b",
                false,
                "SHELL=/bin/bash\n@daily slack-alert wrap --job a -- /bin/bash -c 'a|b'",
            ),
            ("@daily", false, "@daily"),
            ("61 * * * * run", false, "61 * * * * run"),
        ] {
            let (text, imported) = wrapped(line, system);
            assert_eq!(text, expected, "{line}");
            let (again, nothing) = wrapped(&text, system);
            assert_eq!(again, text, "a second time changes nothing: {line}");
            let jobs = |imported: &Imported| imported.files.iter().filter(|file| file.line.is_some()).count();
            assert_eq!(jobs(&nothing), 0, "{line}");
            let reboot_or_none = !expected.contains("wrap") || line.contains("@reboot");
            assert_eq!(jobs(&imported), usize::from(!reboot_or_none), "{line}");
        }
    }

    #[test]
    fn each_line_is_expected_when_cron_starts_it() {
        for (text, keys) in [
            ("*/5 * * * * run", "expect = { cron = \"*/5 * * * *\", grace = \"15m\" }"),
            ("0 3 * * Mon-Fri run", "expect = { cron = \"0 3 * * mon-fri\", grace = \"2h\" }"),
            ("15 */2 * * * run", "expect = { cron = \"15 */2 * * *\", grace = \"30m\" }"),
            ("~ 4 * * * run", "expect = { cron = \"0 4 * * *\", grace = \"2h 59m\" }"),
            ("RANDOM_DELAY=45\n@daily run", "expect = { cron = \"@daily\", grace = \"2h 45m\" }"),
            (
                "CRON_TZ=Asia/Tokyo\n@daily run",
                "expect = { cron = \"@daily\", grace = \"2h\" }\ntime_zone = \"Asia/Tokyo\"",
            ),
            ("# Dump.\n@daily run", "description = \"Dump.\"\nexpect = { cron = \"@daily\", grace = \"2h\" }"),
            ("MAILTO=\n@hourly run", "expect = { cron = \"@hourly\", grace = \"30m\" }\n\n[notify]\non = []"),
        ] {
            let (_, imported) = wrapped(text, false);
            let [file] = imported.files.as_slice() else { panic!("{text}: {imported:?}") };
            let found: Vec<_> = file.content.lines().filter(|line| !line.starts_with('#')).collect();
            assert_eq!(found.join("\n").trim_end(), keys, "{text}");
        }
    }

    #[test]
    fn a_line_that_is_new_beside_wrapped_ones_gets_a_name_of_its_own() {
        let (text, _) = wrapped("@daily slack-alert wrap --job run -- /a/run\n@daily /b/run\n", false);
        assert!(text.ends_with("@daily slack-alert wrap --job b-run -- /b/run\n"), "{text}");
        let odd = Wrapper {
            program: "/opt/my tools/slack-alert",
            config: Some("/srv/50%/slack_alert.toml"),
            state_dir: Some("/srv/the state"),
            is_taken: &|name, _| name == "run",
        };
        let defaults = toml::Table::new();
        let target = Target { defaults: Some(&defaults), owner: None, home: &|_| None, machine: Machine::UNKNOWN };
        let (text, _) = convert_wrapped("@daily run", "tab", Some(false), target, odd);
        let expected = "@daily '/opt/my tools/slack-alert' --config '/srv/50\\%/slack_alert.toml' --state-dir '/srv/the state' wrap --job run-2 -- run";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_means_something_else_under_wrap_is_noted() {
        for (line, words) in [
            ("@daily test -x /run && /run", "the test before `&&`"),
            ("@daily cd / && run >/dev/null 2>&1", "throws all output away"),
            ("@daily flock -n /tmp/lock run", "`flock -n` fails"),
            ("@daily run >/dev/null 2>&1", ""),
            ("@daily sleep $((RANDOM % 60)); run", ""),
        ] {
            let (_, imported) = wrapped(line, false);
            let notes: Vec<_> = imported.notes.iter().filter(|note| note.line == Some(1)).collect();
            assert_eq!(notes.len(), usize::from(!words.is_empty()), "{line}: {notes:?}");
            assert!(notes.iter().all(|note| note.text.contains(words)), "{line}: {notes:?}");
        }
        let defaults: toml::Table = toml::from_str("timeout = '10m'").expect("it is TOML");
        let target = Target { defaults: Some(&defaults), owner: None, home: &|_| None, machine: Machine::UNKNOWN };
        let (_, imported) = convert_wrapped("@daily a\n@daily b\n", "tab", Some(false), target, WRAPPER);
        let notes: Vec<_> = imported.notes.iter().map(ToString::to_string).collect();
        assert!(matches!(&notes[..], [one] if one.contains("`timeout = \"10m\"` in [defaults]")), "{notes:?}");
    }

    #[test]
    fn what_reports_already_is_not_wrapped_again_whatever_stands_before_it() {
        let defaults = toml::Table::new();
        let target = Target { defaults: Some(&defaults), owner: None, home: &|_| None, machine: Machine::UNKNOWN };
        let renamed = Wrapper { program: "/opt/sa/alert-0.2", ..WRAPPER };
        for line in [
            "@daily slack-alert wrap --job run -- run",
            "@daily /usr/bin/slack-alert --config x wrap -- run",
            "@daily sudo -u app slack-alert wrap --job run -- run",
            "@daily cd /srv && slack-alert wrap --job=run -- ./run",
            "@daily nice -n 5 '/usr/bin/slack-alert' wrap -- run",
            "@daily /opt/sa/alert-0.2 wrap --job run -- run",
        ] {
            assert_eq!(convert_wrapped(line, "tab", Some(false), target, renamed).0, line);
        }
    }
}
