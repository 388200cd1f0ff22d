//! Plugins of the Python slack-alert become jobs: the functions that it would have scheduled and no others, and each
//! imported command, run for real, prints what that tool would have posted. Needs `python3`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use slack_alert::import::{Imported, Machine, Target, plugins, write};

/// A folder without a configuration.
const NEW: Target<'static> = Target { defaults: None, owner: None, home: &|_| None, machine: Machine::UNKNOWN };

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/import")
}

fn import(dir: &Path, conf: Option<&Path>) -> (BTreeMap<String, toml::Table>, Imported) {
    let imported = plugins::convert(dir, conf, NEW).expect("python3 reads the plugins");
    let tables = imported.files.iter().filter(|file| file.path.extension().is_some_and(|ending| ending == "toml"));
    let parse = |text: &str| toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let tables = tables.map(|file| (file.path.to_string_lossy().into_owned(), parse(&file.content))).collect();
    (tables, imported)
}

/// Runs a job from the folder that the import has written.
fn run(imported: &Imported, job: &toml::Table) -> Output {
    let folder = tempfile::tempdir().expect("a scratch folder");
    write(imported, folder.path()).expect("the files are new");
    let words: Vec<&str> = job["command"].as_array().expect("a list").iter().filter_map(|word| word.as_str()).collect();
    Command::new(words[0])
        .args(&words[1..])
        .current_dir(folder.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python3 starts")
}

/// A folder with one plugin.
fn plugin(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a scratch folder");
    fs::write(folder.path().join("one.py"), text).expect("a file");
    folder
}

#[test]
fn the_functions_of_the_python_tool_are_found_and_no_others() {
    let (jobs, imported) = import(&fixtures(), None);
    let expected = [
        ("examples/a", "2s"),
        ("odd/conditional", "7s"),
        ("odd/decorated", "1d 1h 30m 30s"),
        ("odd/fails", "3s"),
        ("odd/half", "1m"),
        ("odd/hasty", "10ms"),
        ("odd/quiet", "1s"),
        ("odd/twin", "5m"),
        ("sub/examples/a", "1d"),
    ];
    let found: Vec<_> = jobs.keys().filter(|path| path.starts_with("jobs.d")).map(String::as_str).collect();
    assert_eq!(found, expected.map(|(name, _)| format!("jobs.d/{name}.toml")));
    for (name, every) in expected {
        let job = &jobs[&format!("jobs.d/{name}.toml")];
        let own = job.keys().filter(|key| *key != "description").collect::<Vec<_>>();
        assert_eq!(own, ["burst", "command"], "a job is two lines: {name}");
        let burst = job["burst"].as_table().expect("a burst");
        assert_eq!(burst["every"].as_str(), Some(every), "{name}");
        assert_eq!((burst["alerts"].as_integer(), burst["pause"].as_str()), (Some(3), Some("60m")), "{name}");
    }
    assert_eq!(jobs["jobs.d/examples/a.toml"]["description"].as_str(), Some("Says one."));
    assert!(!imported.files.iter().any(|file| file.secret), "there was no token");
    assert!(!jobs["slack_alert.toml"].contains_key("token_file"));
    assert_eq!(jobs["slack_alert.toml"]["defaults"]["first_run"].as_str(), Some("wait"));
}

#[test]
fn every_function_that_is_no_job_though_somebody_meant_it_to_be_has_a_note() {
    let (_, imported) = import(&fixtures(), None);
    for (file, line, words) in [
        ("broken.py", 2, "not looked at: python3 does not understand it"),
        ("examples.py", 21, "the decorator with the times is not the outermost"),
        ("examples.py", 20, "`deco` is not defined in this file"),
        ("examples.py", 19, "`deco2` is not defined in this file"),
        ("odd.py", 15, "`cached` is not a job: its first decorator has no parentheses"),
        ("odd.py", 20, "not this `weeks`"),
        ("odd.py", 25, "`backwards` is not a job"),
        ("odd.py", 30, "`variable` is not a job"),
        ("odd.py", 35, "`truth` is not a job"),
        ("odd.py", 39, "`half`: `seconds` is no plain number"),
        ("odd.py", 45, "it is an async function"),
        ("odd.py", 51, "it is a method"),
        ("odd.py", 57, "it is inside another function"),
        ("odd.py", 62, "`twin` is scheduled again on line 67"),
        ("odd.py", 78, "an interval of zero was a second"),
        ("odd.py", 91, "it needs arguments"),
        ("odd.py", 95, "its interval is out of range"),
        ("odd.py", 106, "the shortest interval is 10ms"),
    ] {
        let found = imported.notes.iter().any(|note| {
            note.file.ends_with(&format!("plugins/{file}")) && note.line == Some(line) && note.text.contains(words)
        });
        let all: Vec<_> = imported.notes.iter().map(ToString::to_string).collect();
        assert!(found, "{file}:{line}: {words}\n{}", all.join("\n"));
    }
}

#[test]
fn what_stands_below_a_test_for_main_is_no_job() {
    let text = "if __name__ == '__main__':\n    @e(seconds=5)\n    def a(): return 1\nelse:\n    @e(seconds=5)\n    def b(): return 2\n\
                if __name__ != '__main__':\n    @e(seconds=5)\n    def c(): return 3\n";
    let folder = plugin(text);
    let (jobs, imported) = import(folder.path(), None);
    assert_eq!(
        jobs.keys().filter(|name| name.starts_with("jobs.d/")).collect::<Vec<_>>(),
        ["jobs.d/one/b.toml", "jobs.d/one/c.toml"]
    );
    assert_eq!(run(&imported, &jobs["jobs.d/one/c.toml"]).stdout, b"3\n");
    let told = imported
        .notes
        .iter()
        .any(|note| note.line == Some(3) && note.text.contains("`a` is not a job: it is below `if __name__"));
    assert!(told, "{:?}", imported.notes);
}

#[test]
fn an_imported_job_prints_the_result_and_nothing_else() {
    let (jobs, imported) = import(&fixtures().join("plugins"), None);
    for (name, stdout, stderr, well) in [
        ("examples/a", "1\n", "1\n/\n", true),
        ("sub/examples/a", "examples.py\n", "", true),
        ("odd/half", "half\n", "", true),
        ("odd/twin", "last\n", "", true),
        ("odd/decorated", "hey <there>!\n", "", true),
        ("odd/quiet", "", "not a message\nnot a message\n", true),
        ("odd/hasty", "é\n", "", true),
        ("odd/fails", "", "RuntimeError: no disk\n", false),
    ] {
        let output = run(&imported, &jobs[&format!("jobs.d/{name}.toml")]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), stdout, "{name}: {said}");
        assert_eq!(output.status.success(), well, "{name}: {said}");
        match well {
            true => assert_eq!(said, stderr, "{name}"),
            false => {
                assert!(said.starts_with("Traceback") && said.ends_with(stderr), "{name}: {said}");
                assert!(said.contains("odd.py\", line 87, in fails"), "the traceback names the plugin's line: {said}");
            }
        }
    }
}

#[test]
fn the_configuration_file_comes_along_without_its_token() {
    let (tables, imported) = import(&fixtures(), Some(&fixtures().join("slack_alert.conf")));
    let settings = &tables["slack_alert.toml"];
    let slack = settings["slack"].as_table().expect("a table");
    for (key, value) in
        [("token_file", "slack.token"), ("channel", "#test"), ("username", "MovieBot"), ("icon_emoji", ":fire:")]
    {
        assert_eq!(slack[key].as_str(), Some(value), "{key}");
    }
    assert_eq!(slack.len(), 4, "{slack:?}");
    assert_eq!(settings["defaults"]["working_hours"].as_str(), Some("09:30-19:00"));
    let burst = &tables["jobs.d/odd/half.toml"]["burst"];
    assert_eq!((burst["alerts"].as_integer(), burst["pause"].as_str()), (Some(2), Some("5m")));
    let token = imported.files.iter().find(|file| file.secret).expect("a file for the token");
    assert_eq!((token.path.to_str(), token.content.as_str()), (Some("slack.token"), "xoxp-1-2-3-100%\n"));
    let others = imported.files.iter().filter(|file| !file.secret).map(|file| file.content.as_str());
    let notes = imported.notes.iter().map(|note| note.text.as_str());
    assert!(others.chain(notes).all(|text| !text.contains("xoxp")), "the token is in its own file alone");
    for (line, words) in
        [(Some(2), "the comment behind the value"), (Some(10), "`scheduler`"), (None, "InterpolationSyntaxError")]
    {
        let found = imported.notes.iter().any(|note| note.line == line && note.text.contains(words));
        assert!(found, "{words}: {:?}", imported.notes);
    }
}

#[test]
fn what_cannot_be_read_is_an_error_that_says_what() {
    let nowhere = plugins::convert(Path::new("/nowhere/at/all"), None, NEW).expect_err("no folder").to_string();
    assert!(nowhere.contains("/nowhere/at/all is no folder"), "{nowhere}");
    let folder = plugin("");
    for (conf, words) in [("[other]\na=1\n", "No section"), ("token = 1\n", "no section headers")] {
        let path = folder.path().join("slack_alert.conf");
        fs::write(&path, conf).expect("a file");
        let error = plugins::convert(folder.path(), Some(&path), NEW).expect_err("a bad file").to_string();
        assert!(error.contains(words) && error.contains("slack_alert.conf"), "{error}");
    }
    let missing =
        plugins::convert(folder.path(), Some(Path::new("/nowhere.conf")), NEW).expect_err("no file").to_string();
    assert!(missing.contains("No such file"), "{missing}");
}

#[test]
fn odd_folders_and_files_do_no_harm() {
    let folder = plugin("'''\\ud800'''\n@e(seconds=5)\ndef f():\n  '''a \\ud800 b'''\n  return '\\ud800'\n");
    fs::create_dir(folder.path().join("folder.py")).expect("a folder");
    fs::write(folder.path().join(".hidden.py"), "@e(seconds=1)\ndef g(): return 1\n").expect("a file");
    fs::write(folder.path().join("nul.py"), b"a = 1\0\n").expect("a file");
    fs::write(folder.path().join("latin.py"), b"# coding: latin-1\n@e(seconds=1)\ndef h(): return '\xe9'\n")
        .expect("a file");
    fs::write(folder.path().join("bytes.py"), b"'\xe9'\n").expect("a file");
    fs::write(folder.path().join("deep.py"), format!("x = {}1\n", "-".repeat(100_000))).expect("a file");
    fs::write(folder.path().join("notes.txt"), "@e(seconds=1)\ndef i(): return 1\n").expect("a file");
    std::os::unix::fs::symlink("nowhere", folder.path().join("link.py")).expect("a link");
    let fifo = Command::new("mkfifo").arg(folder.path().join("fifo.py")).status().expect("mkfifo starts");
    assert!(fifo.success());
    let (jobs, imported) = import(folder.path(), None);
    let found: Vec<_> = jobs.keys().filter(|path| path.starts_with("jobs.d")).map(String::as_str).collect();
    assert_eq!(found, ["jobs.d/hidden/g.toml", "jobs.d/latin/h.toml", "jobs.d/one/f.toml"]);
    assert_eq!(run(&imported, &jobs["jobs.d/latin/h.toml"]).stdout, "é\n".as_bytes());
    assert_eq!(run(&imported, &jobs["jobs.d/one/f.toml"]).stdout, b"\\ud800\n");
    for file in ["nul.py", "bytes.py", "deep.py", "link.py", "fifo.py"] {
        let noted =
            imported.notes.iter().any(|note| note.file.ends_with(file) && note.text.starts_with("not looked at"));
        assert!(noted, "{file}: {:?}", imported.notes);
    }
}

#[test]
fn a_plugin_is_not_run_by_its_import() {
    let folder = plugin("");
    let trace = folder.path().join("ran");
    let text = format!("open({trace:?}, 'w')\n@e(seconds=5)\ndef f(): return 1\n");
    fs::write(folder.path().join("one.py"), text).expect("a file");
    let (jobs, imported) = import(folder.path(), None);
    assert!(!trace.exists(), "importing only reads");
    assert_eq!(run(&imported, &jobs["jobs.d/one/f.toml"]).stdout, b"1\n");
    assert!(trace.exists(), "running does run");
}
