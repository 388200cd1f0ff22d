//! The manual and the program say the same: every command and flag, every key of both kinds of files with its type and
//! default, every code of `check` at its level, every variable and filter of templates is in the pages under `man/`, none
//! is there that the program does not know, and the examples of slack_alert.toml(5) pass `check`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command as Process;

use clap::{Arg, Command, CommandFactory, Parser};
use slack_alert::cli::args::Cli;
use slack_alert::diagnostic::{Code, Severity};
use slack_alert::document::{Key, Kind};
use slack_alert::message::filters::FILTERS;
use slack_alert::message::vars::{VARS, Var, VarKind};
use slack_alert::plan::{CONFIG_KEYS, job_keys};

/// A page, as its lines with where they stand.
struct Page {
    lines: Vec<Line>,
}

struct Line {
    section: String,
    subsection: String,
    text: String,
}

/// What follows one `.It`, up to the next.
struct Item {
    section: String,
    subsection: String,
    head: String,
    body: String,
}

impl Page {
    fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man").join(name);
        let text = fs::read_to_string(path).expect("a page of the manual");
        let (mut section, mut subsection) = (String::new(), String::new());
        let mut lines = Vec::new();
        for line in text.lines() {
            if let Some(title) = line.strip_prefix(".Sh ") {
                (section, subsection) = (title.to_owned(), String::new());
            } else if let Some(title) = line.strip_prefix(".Ss ") {
                subsection = title.trim_end_matches("\\&").to_owned();
            }
            let text = line.replace("\\(dq", "\"").replace("\\&", "").replace("\\e", "\\");
            lines.push(Line { section: section.clone(), subsection: subsection.clone(), text });
        }
        Self { lines }
    }

    fn items(&self) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        let mut open = false;
        for line in &self.lines {
            match line.text.strip_prefix(".It ") {
                Some(head) => {
                    let (section, subsection) = (line.section.clone(), line.subsection.clone());
                    items.push(Item { section, subsection, head: head.to_owned(), body: String::new() });
                    open = true;
                }
                None if [".Sh ", ".Ss "].iter().any(|title| line.text.starts_with(title)) => open = false,
                None if open => {
                    let item = items.last_mut().expect("one is open");
                    item.body.push_str(&line.text);
                    item.body.push('\n');
                }
                None => {}
            }
        }
        items
    }

    /// The words of a subsection, or of a section outside its subsections.
    fn words(&self, section: &str, subsection: &str) -> String {
        let inside = self.lines.iter().filter(|line| line.section == section && line.subsection == subsection);
        inside.map(|line| format!("{}\n", line.text)).collect()
    }

    /// The literal blocks of a section, in order.
    fn blocks(&self, section: &str) -> Vec<String> {
        let mut blocks = Vec::new();
        let mut block: Option<String> = None;
        for line in self.lines.iter().filter(|line| line.section == section) {
            match (line.text.as_str(), &mut block) {
                (text, _) if text.starts_with(".Bd -literal") => block = Some(String::new()),
                (".Ed", _) => blocks.extend(block.take()),
                (text, Some(block)) => *block += &format!("{text}\n"),
                _ => {}
            }
        }
        blocks
    }
}

/// What is missing from the manual, and what it has too much.
fn compare(known: &BTreeSet<String>, described: &BTreeSet<String>) -> Vec<String> {
    let missing = known.difference(described).map(|name| format!("not in the manual: {name}"));
    let extra = described.difference(known).map(|name| format!("only in the manual: {name}"));
    missing.chain(extra).collect()
}

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// The keys of a list, and below tables the dotted ones; tables that are sections of the manual begin with their name.
fn keys(list: &[Key], before: &str, out: &mut Vec<(String, Key)>) {
    for key in list {
        let name = format!("{before}{}", key.name);
        let below = tables(&key.kind);
        let is_section = matches!(
            name.as_str(),
            "slack"
                | "limits"
                | "fallback"
                | "control"
                | "http"
                | "heartbeat"
                | "check"
                | "summary"
                | "notify"
                | "message"
                | "test"
        );
        if !is_section && !matches!(name.as_str(), "templates" | "defaults") {
            out.push((name.clone(), *key));
        }
        // They have the keys of `[message]`, which are described there.
        let again = matches!(name.as_str(), "message.failure" | "message.recovery");
        for list in below.into_iter().filter(|_| !again) {
            keys(list, &format!("{name}."), out);
        }
    }
}

fn tables(kind: &Kind) -> Vec<&'static [Key]> {
    match kind {
        Kind::Table(keys) | Kind::Tables(keys) => vec![keys],
        Kind::OneOf(kinds) => kinds.iter().flat_map(tables).collect(),
        _ => Vec::new(),
    }
}

/// Where an item of slack_alert.toml(5) stands, as the beginning of its key: `slack.`, `notify.`, nothing.
fn beginning(item: &Item) -> Option<(bool, String)> {
    let table = item.subsection.trim_matches(['[', ']']);
    let is_table = item.subsection.starts_with('[');
    let before = if is_table { format!("{table}.") } else { String::new() };
    match item.section.as_str() {
        "THE CONFIGURATION" => Some((true, before)),
        "A JOB" => Some((false, before)),
        _ => None,
    }
}

/// The described keys of the configuration (`true`) or of jobs, with their items.
fn described_keys(page: &Page, configuration: bool) -> Vec<(String, Item)> {
    let mut found = Vec::new();
    for item in page.items() {
        let Some((of_configuration, before)) = beginning(&item) else { continue };
        let Some(rest) = item.head.strip_prefix("Ic ") else { continue };
        if of_configuration == configuration {
            let name = rest.split(' ').next().unwrap_or_default();
            found.push((format!("{before}{name}"), item));
        }
    }
    found
}

/// Whether an item names the type of a key: in its head, but many words in its body.
fn names_type(kind: &Kind, head: &str, body: &str) -> bool {
    let any = |words: &[&str]| words.iter().any(|word| head.split(' ').any(|part| part == *word));
    match kind {
        Kind::Text => any(&["text", "path", "template", "channel", "regex", "hours"]),
        Kind::List | Kind::ListOf(_) | Kind::Choices(_) | Kind::Tables(_) => any(&["list", "hours"]),
        Kind::TextOrList => any(&["hours", "channel"]) || any(&["list"]),
        Kind::Flag => any(&["boolean"]),
        Kind::Off => any(&["false"]),
        Kind::Integer(..) => any(&["integer"]),
        Kind::Number => any(&["number"]),
        Kind::Duration => any(&["duration"]),
        Kind::Rate => any(&["rate"]),
        Kind::Size => any(&["size"]),
        Kind::Map | Kind::Table(_) => any(&["table"]),
        Kind::Choice(words) => words.iter().all(|word| {
            head.contains(&format!("\"{word}\"")) || body.lines().any(|line| line.split(' ').nth(1) == Some(word))
        }),
        Kind::OneOf(kinds) => kinds.iter().all(|kind| names_type(kind, head, body)),
    }
}

/// Whether the body of an item names the default. One that is a sentence need only be there.
fn names_default(default: &str, body: &str) -> bool {
    let plain =
        |text: &str| text.replace(['"', '`', '\n'], "").replace(".Ql ", "").replace(".Ic ", "").replace(' ', "");
    let is_sentence = default.contains(' ') && !default.starts_with(['[', '{', '"']);
    default.is_empty()
        || default == "[]"
        || match is_sentence {
            true => body.contains("Default:"),
            false => plain(body).contains(&format!("Default:{}", plain(default))),
        }
}

fn check_keys(configuration: bool, list: &[Key]) -> Vec<String> {
    let page = Page::read("slack_alert.toml.5");
    let mut known = Vec::new();
    keys(list, "", &mut known);
    // `message.actions.text` is `actions.text` in the section of `message`, and so on: the same full name.
    let described = described_keys(&page, configuration);
    let names = |list: &mut dyn Iterator<Item = String>| list.collect::<BTreeSet<_>>();
    let mut complaints = compare(
        &names(&mut known.iter().map(|(name, _)| name.clone())),
        &names(&mut described.iter().map(|(name, _)| name.clone())),
    );
    let mut examples = page.blocks("EXAMPLES").into_iter().rev().nth(usize::from(configuration)).unwrap_or_default();
    if !configuration {
        // Keys that exclude each other cannot be in one example.
        examples.extend(page.blocks("A JOB"));
    }
    for (name, key) in &known {
        let Some((_, item)) = described.iter().find(|(found, _)| found == name) else { continue };
        if !names_type(&key.kind, &item.head, &item.body) {
            complaints.push(format!("another type in the manual: {name}: {:?} is not `{}`", key.kind, item.head));
        }
        if !names_default(key.default, &item.body) {
            complaints.push(format!("another default in the manual: {name}: {}", key.default));
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !examples.split(|c| !is_word(c)).any(|word| word == key.name) {
            complaints.push(format!("no example in the manual: {name}"));
        }
    }
    complaints
}

#[test]
fn every_key_of_the_configuration_is_described_with_type_default_and_example() {
    assert_none(&check_keys(true, CONFIG_KEYS));
}

#[test]
fn every_key_of_a_job_is_described_with_type_default_and_example() {
    assert_none(&check_keys(false, &job_keys()));
}

#[test]
fn every_code_is_described_at_its_level() {
    let page = Page::read("slack_alert.toml.5");
    let known = |level: Severity| Code::ALL.iter().filter(move |code| code.severity() == level);
    for (level, title) in [(Severity::Error, "Errors"), (Severity::Warning, "Warnings")] {
        let known: BTreeSet<String> = known(level).map(|code| code.as_str().to_owned()).collect();
        let items = page.items();
        let here = items.iter().filter(|item| item.section == "CHECK CODES" && item.subsection == title);
        let described = here.filter_map(|item| item.head.strip_prefix("Cm ").map(str::to_owned)).collect();
        assert_none(&compare(&known, &described));
    }
}

fn attributes(var: &Var) -> Vec<String> {
    let below = match var.kind {
        VarKind::Table(below) => below,
        _ => &[],
    };
    below.iter().map(|inner| format!("{}.{}", var.name, inner.name)).collect()
}

#[test]
fn every_variable_and_filter_is_described() {
    let page = Page::read("slack_alert.toml.5");
    let items = page.items();
    let of = |subsection: &str, macro_name: &str| -> BTreeSet<String> {
        let here = items.iter().filter(|item| item.section == "TEMPLATES" && item.subsection == subsection);
        let heads = here.filter_map(|item| item.head.strip_prefix(macro_name));
        let names = heads.flat_map(|head| head.split(" , ")).map(|name| name.split(' ').next().unwrap_or_default());
        names.map(str::to_owned).collect()
    };
    let variables = VARS.iter().map(|var| var.name.to_owned()).collect();
    assert_none(&compare(&variables, &of("Variables", "Va ")));
    let filters = FILTERS.iter().map(|filter| filter.name.to_owned()).collect();
    assert_none(&compare(&filters, &of("Filters", "Cm ")));
    let words = page.words("TEMPLATES", "Variables");
    let missing = VARS.iter().flat_map(attributes).filter(|name| !words.contains(&format!(".Va {name}")));
    assert_none(&missing.map(|name| format!("not in the manual: {name}")).collect::<Vec<_>>());
}

/// The flags that a command takes itself, as the manual writes them.
fn flags(command: &Command) -> Vec<(String, &Arg)> {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set() && !arg.is_positional());
    let name = |arg: &Arg| arg.get_long().map_or_else(String::new, |long| format!("--{long}"));
    shown.map(|arg| (name(arg), arg)).collect()
}

#[test]
fn every_command_and_flag_is_described() {
    let page = Page::read("slack-alert.1");
    let mut cli = Cli::command();
    cli.build();
    let global: Vec<&str> = cli.get_arguments().filter(|arg| arg.is_global_set()).filter_map(Arg::get_long).collect();
    let mut known = BTreeSet::new();
    let mut complaints = Vec::new();
    for command in cli.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        known.insert(name.to_owned());
        let words = page.words("COMMANDS", name);
        for (flag, arg) in flags(command) {
            let long = arg.get_long().unwrap_or_default();
            if global.contains(&long) || matches!(long, "help" | "version") {
                continue;
            }
            known.insert(format!("{name} {flag}"));
            for value in arg.get_possible_values().iter().filter(|_| arg.get_action().takes_values()) {
                if !words.contains(&format!(".Cm {}", value.get_name())) {
                    complaints.push(format!("not in the manual: {name} {flag} {}", value.get_name()));
                }
            }
        }
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            if !words.contains(&format!(".It Cm {}", inner.get_name())) {
                complaints.push(format!("not in the manual: {name} {}", inner.get_name()));
            }
            let own = flags(inner).into_iter().filter(|(flag, _)| !global.contains(&flag.trim_start_matches('-')));
            known.extend(own.map(|(flag, _)| format!("{name} {flag}")).filter(|flag| !flag.ends_with("--help")));
        }
    }
    let run: Vec<String> = flags(cli.find_subcommand("run").expect("run")).into_iter().map(|(flag, _)| flag).collect();
    known.extend(flags(&cli).into_iter().map(|(flag, _)| flag).filter(|flag| {
        // Plain `slack-alert` takes the options of `run`, where they are described.
        global.contains(&flag.trim_start_matches('-'))
            || !run.contains(flag)
            || matches!(flag.as_str(), "--help" | "--version")
    }));
    let mut described = BTreeSet::new();
    for line in page.lines.iter().filter(|line| line.section == "COMMANDS" && line.text.starts_with(".Ss ")) {
        described.insert(line.subsection.clone());
    }
    for item in page.items() {
        let before = match item.section.as_str() {
            "COMMANDS" => format!("{} ", item.subsection),
            "OPTIONS" => String::new(),
            _ => continue,
        };
        let longs = item.head.split("Fl Fl ").skip(1).map(|rest| rest.split(' ').next().unwrap_or_default());
        described.extend(longs.map(|long| format!("{before}--{long}")));
    }
    complaints.extend(compare(&known, &described));
    assert_none(&complaints);
}

#[test]
fn every_short_flag_stands_beside_its_long_one() {
    let page = Page::read("slack-alert.1");
    let heads: Vec<String> = page.items().into_iter().map(|item| item.head).collect();
    let mut cli = Cli::command();
    cli.build();
    let commands = std::iter::once(&cli).chain(cli.get_subcommands());
    for (long, short) in commands.flat_map(Command::get_arguments).filter_map(|arg| arg.get_long().zip(arg.get_short()))
    {
        let both = format!("Fl {short} , Fl Fl {long}");
        assert!(heads.iter().any(|head| head.starts_with(&both)), "not in the manual: {both}");
    }
}

/// The pages with their names.
fn pages() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    let paths: Vec<_> = fs::read_dir(folder).expect("the manual").map(|page| page.expect("a page").path()).collect();
    assert!(paths.len() >= 5, "{paths:?}");
    paths.iter().map(|path| (path.display().to_string(), fs::read_to_string(path).expect("a page of text"))).collect()
}

/// mdoc takes a lone dot, comma or bracket in a line for punctuation, and prints it without the space before it: a command
/// to copy would be another one.
#[test]
fn commands_to_copy_have_no_lone_punctuation() {
    for (page, text) in pages() {
        for line in text.lines().filter(|line| line.starts_with(".Dl ")) {
            let lone = line.split(' ').find(|word| [".", ",", ":", ";", "(", ")", "[", "]", "?", "!"].contains(word));
            assert_eq!(lone, None, "write \\&{} in {page}: {line}", lone.unwrap_or_default());
        }
    }
}

/// The lines to type in a page, as a reader sees them.
fn lines_to_type(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut literal = false;
    for line in text.lines() {
        match line {
            _ if line.starts_with(".Bd -literal") => literal = true,
            ".Ed" => literal = false,
            _ if literal => lines.push(line),
            _ => lines.extend(line.strip_prefix(".Dl ")),
        }
    }
    lines.iter().map(|line| line.replace("\\(dq", "\"").replace("\\&", "").replace("\\e", "\\")).collect()
}

#[test]
fn the_parser_takes_every_command_to_type() {
    let mut tried = 0;
    for (page, text) in pages() {
        for line in lines_to_type(&text) {
            for command in line.split('#').next().unwrap_or_default().split("&&") {
                let command = command.trim();
                let command = command.strip_prefix("sudo -u slack-alert ").unwrap_or(command);
                if command.split(' ').next() == Some("slack-alert") {
                    let parsed = Cli::try_parse_from(command.split_whitespace());
                    assert!(
                        parsed.is_ok(),
                        "{page}: `{command}`: {}",
                        parsed.err().map(|e| e.to_string()).unwrap_or_default()
                    );
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 20, "only {tried} commands were found in the manual");
}

/// Problems of the machine that runs the tests, not of the examples.
const OF_THE_MACHINE: &[&str] = &["command-not-found", "unknown-user", "missing-file", "unreadable-file", "no-jobs"];

/// What the built program's `check` says of a folder at these levels, but for what only concerns this machine.
fn complaints(folder: &Path, levels: &[&str]) -> Vec<String> {
    let output = Process::new(env!("CARGO_BIN_EXE_slack-alert"))
        .args(["check", "--format", "json", "--config", "slack_alert.toml"])
        .current_dir(folder)
        .output()
        .expect("the program runs");
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", String::from_utf8_lossy(&output.stderr));
    let counts = |line: &&str| {
        let problem: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        let is_one_of = |key: &str, words: &[&str]| problem[key].as_str().is_some_and(|word| words.contains(&word));
        is_one_of("level", levels) && !is_one_of("code", OF_THE_MACHINE)
    };
    lines.lines().filter(counts).map(str::to_owned).collect()
}

#[test]
fn the_examples_of_the_manual_pass_check() {
    let blocks = Page::read("slack_alert.toml.5").blocks("EXAMPLES");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("jobs.d")).unwrap();
    assert!(blocks.len() > 2, "jobs, then the configuration, then a job with every key");
    for (number, block) in blocks.iter().enumerate() {
        let name =
            if number + 2 == blocks.len() { "slack_alert.toml".to_owned() } else { format!("jobs.d/{number}.toml") };
        fs::write(folder.path().join(name), block).unwrap();
    }
    assert_none(&complaints(folder.path(), &["error", "warning"]));
}

#[test]
fn the_jobs_of_the_guides_are_without_errors() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("jobs.d")).unwrap();
    fs::write(folder.path().join("slack_alert.toml"), "").unwrap();
    let mut jobs = 0;
    for (page, text) in pages().into_iter().filter(|(page, _)| page.ends_with(".7")) {
        for block in text.split(".Bd -literal").skip(1).filter_map(|rest| rest.split("\n.Ed").next()) {
            // Behind the rest of the line that began the block.
            let toml = block.split_once('\n').map(|(_, lines)| lines).unwrap_or_default();
            if toml.starts_with("command") {
                let name = Path::new(&page).file_stem().unwrap().to_str().unwrap();
                fs::write(folder.path().join(format!("jobs.d/{name}-{jobs}.toml")), toml).unwrap();
                jobs += 1;
            }
        }
    }
    assert!(jobs >= 4, "only {jobs} jobs were found");
    assert_none(&complaints(folder.path(), &["error"]));
}

/// The texts of the repository that name commands, files and documents: pages for people, and the sources.
fn texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut open: Vec<_> =
        ["src", "man", "packaging", "benches", "tests/fuzz"].iter().map(|name| root.join(name)).collect();
    open.extend(
        fs::read_dir(root)
            .expect("the repository")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "md")),
    );
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.push((path.strip_prefix(root).expect("below the root").display().to_string(), text));
        }
    }
    assert!(found.len() > 150, "only {} texts were found", found.len());
    found
}

/// What stands between two backticks on one line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn no_text_names_a_command_that_does_not_exist() {
    let mut cli = Cli::command();
    cli.build();
    // `help COMMAND` is `COMMAND --help` before the parser sees it.
    let known: BTreeSet<&str> = cli.get_subcommands().map(Command::get_name).chain(["help"]).collect();
    let mut tried = 0;
    for (file, text) in texts() {
        for command in quoted(&text).filter_map(|words| words.strip_prefix("slack-alert ")) {
            let first = command.split(' ').next().unwrap_or_default().trim_matches(['[', ']', ',']);
            if first.starts_with(|c: char| c.is_ascii_lowercase()) {
                assert!(known.contains(first), "{file} names `slack-alert {first}`, which does not exist");
                tried += 1;
            }
        }
    }
    assert!(tried > 30, "only {tried} commands were found");
}

/// Names in backticks that look like files of the repository.
#[test]
fn the_documents_name_files_that_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_path = |word: &&str| {
        word.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
            && word.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.')
            && (word.ends_with('/') || [".rs", ".md", ".toml", ".service"].iter().any(|ending| word.ends_with(ending)))
    };
    // Files of a user, not of the repository.
    let of_users = |word: &str| ["jobs.d/", "state.db"].iter().any(|name| word.starts_with(name));
    let mut tried = 0;
    for name in ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "RELEASING.md", "README.md"] {
        let text = fs::read_to_string(root.join(name)).expect("a document");
        for word in quoted(&text).filter(is_path).filter(|word| !of_users(word)) {
            let there = [root.join(word), root.join("src").join(word)].iter().any(|path| path.exists());
            assert!(there, "{name} names {word}, which is not in the repository");
            tried += 1;
        }
    }
    assert!(tried > 40, "only {tried} names of files were found");
}

#[test]
fn no_comment_cites_a_document_that_is_not_in_the_repository() {
    for (file, text) in texts() {
        for word in ["SPEC", "REVIEW", "NEXT.md", "DEVELOPERS"] {
            let cites = |line: &&str| line.split(|c: char| !c.is_alphanumeric() && c != '.').any(|part| part == word);
            let line = text.lines().find(cites);
            assert!(
                line.is_none(),
                "{file} cites {word}, which is not in the repository: {}",
                line.unwrap_or_default()
            );
        }
    }
}
