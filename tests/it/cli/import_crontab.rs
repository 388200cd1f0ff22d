//! Crontabs become job files: one written to have every kind of line, and those that Debian packages ship (fetched by
//! `tests/fetch-crontabs`; skipped where it has not run). Nothing is ever overwritten.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use slack_alert::import::{Action, Imported, Machine, NewFile, Target, crontab, plan, write};

use crate::support::skip::skip;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder without a configuration, on a machine where every user has a home.
const NEW: Target<'static> =
    Target { defaults: None, owner: None, home: &|_| Some("/home/shop".to_owned()), machine: Machine::UNKNOWN };

/// Files and notes of an import on one page.
fn page(imported: &Imported) -> String {
    let mut page = String::new();
    for file in &imported.files {
        page.push_str(&format!("==> {}\n{}\n", file.path.display(), file.content));
    }
    page.push_str("==> notes\n");
    for note in &imported.notes {
        page.push_str(&format!("{note}\n"));
    }
    page
}

#[test]
fn a_crontab_with_every_kind_of_line() {
    let folder = root().join("tests/fixtures/import/crontabs");
    let text = fs::read_to_string(folder.join("shop")).expect("the fixture is there");
    let expected = fs::read_to_string(folder.join("shop.expected.txt")).unwrap_or_default();
    let page = page(&crontab::convert(&text, "shop", None, NEW));
    assert!(page == expected, "{page}");
}

#[test]
#[expect(clippy::disallowed_macros, reason = "shows the files with --nocapture")]
fn crontabs_of_debian_packages_become_jobs_without_loss() {
    let samples = root().join("target/cron.d-samples");
    let mut files = Vec::new();
    let mut folders = vec![samples.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
        }
    }
    if files.is_empty() {
        skip("run tests/fetch-crontabs first");
        return;
    }
    files.sort();
    let mut jobs = 0;
    for path in &files {
        let text = fs::read_to_string(path).expect("a crontab is text");
        let shown = path.strip_prefix(&samples).expect("below the folder of samples").to_string_lossy();
        let imported = crontab::convert(&text, &shown, None, NEW);
        println!("{}", page(&imported));
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| is_schedule(line)) {
            let job = imported.files.iter().find(|file| file.line == Some(number));
            let noted = imported.notes.iter().any(|note| note.line == Some(number));
            assert!(job.is_some() || noted, "{shown}:{number}: {line}\n{}", page(&imported));
        }
        for file in imported.files.iter().filter(|file| file.line.is_some()) {
            jobs += 1;
            let table: toml::Table = toml::from_str(&file.content).expect("what is written is TOML");
            for key in ["command", "cron", "user"] {
                assert!(table.contains_key(key), "{key} is missing:\n{}", file.content);
            }
            let line = text.lines().nth(file.line.unwrap_or(1) - 1).unwrap_or_default();
            let command = table["command"].as_str().expect("a command is text");
            assert!(line.replace("\\%", "%").contains(command), "{command}\n{line}");
        }
    }
    println!("{} crontabs, {jobs} jobs", files.len());
    assert!(files.len() >= 12 && jobs >= 12, "{} crontabs, {jobs} jobs", files.len());
}

/// Told without the importer: neither blank, nor comment, nor `NAME=value`.
fn is_schedule(line: &str) -> bool {
    let line = line.trim();
    let word = line.split(|c: char| c.is_whitespace() || c == '=').next().unwrap_or_default();
    let setting = line[word.len()..].trim_start().starts_with('=');
    !line.is_empty() && !line.starts_with('#') && !setting
}

fn file(path: &str, content: &str, secret: bool) -> NewFile {
    NewFile { path: PathBuf::from(path), content: content.to_owned(), secret, line: None }
}

#[test]
fn writing_creates_what_is_new_and_leaves_what_exists() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let at = |path: &str| folder.path().join(path);
    fs::create_dir(at("jobs.d")).expect("a folder");
    fs::write(at("jobs.d/mine.toml"), "command = \"mine\"\n").expect("a file");
    fs::write(at("jobs.d/same.toml"), "command = \"same\"\n").expect("a file");
    std::os::unix::fs::symlink("/nowhere/at/all", at("jobs.d/link.toml")).expect("a link");
    let files = vec![
        file("jobs.d/new.toml", "command = \"new\"\n", false),
        file("jobs.d/deep/er/new.toml", "command = \"deep\"\n", false),
        file("jobs.d/mine.toml", "command = \"theirs\"\n", false),
        file("jobs.d/same.toml", "command = \"same\"\n", false),
        file("jobs.d/link.toml", "command = \"link\"\n", false),
        file("slack.token", "xoxb-secret\n", true),
    ];
    let imported = Imported { files, ..Imported::default() };
    use Action::{Create, Leave, Same};

    let planned = plan(&imported, folder.path()).expect("a plan");
    let actions: Vec<_> = planned.iter().map(|step| step.action).collect();
    assert_eq!(actions, [Create, Create, Leave, Same, Leave, Create]);
    assert!(!at("jobs.d/new.toml").exists() && !at("slack.token").exists(), "a plan writes nothing");
    assert_eq!(planned[0].diff, "--- /dev/null\n+++ jobs.d/new.toml\n@@ -0,0 +1 @@\n+command = \"new\"\n");
    assert_eq!(
        planned[2].diff,
        "--- jobs.d/mine.toml\n+++ jobs.d/mine.toml\n@@ -1 +1 @@\n-command = \"mine\"\n+command = \"theirs\"\n"
    );
    assert!(planned.iter().all(|step| !step.diff.contains("xoxb")), "{planned:?}");

    let written = write(&imported, folder.path()).expect("written");
    assert_eq!(written, planned);
    let read = |path: &str| fs::read_to_string(at(path)).unwrap_or_default();
    assert_eq!(read("jobs.d/new.toml"), "command = \"new\"\n");
    assert_eq!(read("jobs.d/deep/er/new.toml"), "command = \"deep\"\n");
    assert_eq!(read("jobs.d/mine.toml"), "command = \"mine\"\n");
    assert_eq!(read("slack.token"), "xoxb-secret\n");
    let mode = fs::metadata(at("slack.token")).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);

    let again: Vec<_> =
        write(&imported, folder.path()).expect("nothing to do").iter().map(|step| step.action).collect();
    assert_eq!(again, [Same, Same, Leave, Same, Leave, Same]);
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_with_its_path() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    fs::write(folder.path().join("jobs.d"), "a file in the way").expect("a file");
    let imported = Imported { files: vec![file("jobs.d/new.toml", "", false)], ..Imported::default() };
    let error = write(&imported, folder.path()).expect_err("a file stands in the way").to_string();
    assert!(error.contains("jobs.d") && error.contains("cannot be written"), "{error}");
}

#[test]
fn what_every_job_says_alike_is_remarked_on_where_the_configuration_is_there_already() {
    let text = "SHELL=/bin/bash\nPATH=/usr/bin:/bin\n0 3 * * * /opt/a.sh\n0 4 * * * /opt/b.sh\n";
    let remark = "each of the 2 jobs says the same `shell`, `working_dir`, `env.PATH`: what [defaults] of slack_alert.toml says, an import leaves out";
    for (defaults, remarks) in [
        ("timeout = '1h'", true),
        ("timeout = '1h'\nshell = ['/bin/bash', '-c']\nworking_dir = '/home/shop'\nenv.PATH = '/usr/bin:/bin'", false),
    ] {
        let defaults: toml::Table = toml::from_str(defaults).expect("TOML");
        let page = page(&crontab::convert(text, "tab", None, Target { defaults: Some(&defaults), ..NEW }));
        assert_eq!(page.contains(remark), remarks, "{page}");
        assert_eq!(page.contains("PATH ="), remarks, "{page}");
    }
}
