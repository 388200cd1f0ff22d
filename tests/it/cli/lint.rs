//! `slack-alert check`, rule by rule: each folder of `tests/fixtures/check` is a configuration (or one `job.toml`) and the
//! exact words that it gets in `expected.txt`. Written anew with `UPDATE_EXPECTED=1`; then read the difference.
//!
//! `environment` sets variables; with `unprivileged` the program may not switch to other users.
//! `modes` in a folder sets modes of files ("0644 token"). `bytes` names files that no checkout can hold, with `\xff` for a byte. `online` asks a Slack that is played for: it holds the scopes
//! that the token has, or the error that it gets; `{api}` in a file is its address.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use slack_alert::diagnostic::Code;

use crate::support::program::Sandbox;
use crate::support::slack::{Answer, MockSlack};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/check")
}

/// The files below a folder, by their paths within it; folders before what is in them.
fn files(folder: &Path, below: &Path, found: &mut Vec<(PathBuf, bool)>) {
    let entries = fs::read_dir(folder).expect("the fixtures can be read");
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        let name = below.join(path.file_name().expect("a name"));
        found.push((name.clone(), path.is_dir()));
        if path.is_dir() {
            files(&path, &name, found);
        }
    }
}

/// A copy of a fixture in a folder of its own, with modes that no checkout changes.
fn copy(fixture: &Path, slack: &MockSlack) -> Sandbox {
    let environment = fs::read_to_string(fixture.join("environment")).unwrap_or_default();
    let variables = environment.lines().filter_map(|line| line.split_once('='));
    let sandbox = Sandbox::new().variable("SLACK_TOKEN", "xoxb-fixture");
    let sandbox = variables.fold(sandbox, |sandbox, (name, value)| sandbox.variable(name, value));
    let mut names = Vec::new();
    files(fixture, Path::new(""), &mut names);
    let mode = |path: &Path, mode: u32| {
        fs::set_permissions(sandbox.path().join(path), fs::Permissions::from_mode(mode)).expect("modes can be set");
    };
    for (name, is_dir) in &names {
        if *is_dir {
            fs::create_dir(sandbox.path().join(name)).expect("a folder");
            mode(name, 0o755);
        } else if !["expected.txt", "modes", "online", "bytes", "environment", "unprivileged"]
            .iter()
            .any(|own| name == Path::new(own))
        {
            let text = fs::read_to_string(fixture.join(name)).expect("a text");
            sandbox.file(&name.to_string_lossy(), &text.replace("{api}", &slack.url()));
            mode(name, 0o644);
        }
    }
    for line in fs::read_to_string(fixture.join("bytes")).unwrap_or_default().lines() {
        let name = [line.replace("\\xff", "").as_bytes(), b"\xff.toml"].concat();
        fs::write(sandbox.path().join(std::ffi::OsStr::from_bytes(&name)), "").expect("a file");
    }
    for line in fs::read_to_string(fixture.join("modes")).unwrap_or_default().lines() {
        let (octal, path) = line.split_once(' ').expect("a mode and a path");
        mode(Path::new(path), u32::from_str_radix(octal, 8).expect("octal digits"));
    }
    sandbox
}

/// What `check` says of a fixture; the time that it took is no part of it.
fn said(fixture: &Path) -> (i32, String) {
    let slack = MockSlack::start();
    let sandbox = copy(fixture, &slack);
    let mut arguments = vec!["check"];
    if fixture.join("job.toml").is_file() {
        arguments.push("job.toml");
    }
    if let Ok(answer) = fs::read_to_string(fixture.join("online")) {
        arguments.push("--online");
        match answer.trim() {
            error if error.ends_with("_auth") => slack.always(Answer::error(error)),
            scopes => slack.grant(scopes),
        }
    }
    let ran = match fixture.join("unprivileged").exists() {
        true => sandbox.run_without_privileges(&arguments),
        false => sandbox.run(&arguments),
    };
    let words = ran.stdout.replace(&slack.url(), "{api}").replace(&sandbox.path().display().to_string(), "{folder}");
    let (before, summary) = words.trim_end().rsplit_once('\n').map_or(("", words.trim_end()), |(a, b)| (a, b));
    let summary = summary.split(" (").next().unwrap_or(summary);
    assert!(summary.starts_with("checked "), "{}: {ran:?}", fixture.display());
    (ran.code, format!("{before}\n{summary}\n").trim_start().to_owned())
}

#[test]
fn every_code_is_found_where_it_is_and_says_what_its_fixture_says_and_what_to_do() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut wrong = Vec::new();
    let mut folders: Vec<_> =
        fs::read_dir(fixtures()).expect("fixtures").map(|entry| entry.expect("one").path()).collect();
    folders.sort();
    for fixture in folders {
        let code = fixture.file_name().and_then(|name| name.to_str()).expect("a name");
        let (exit, words) = said(&fixture);
        if update {
            fs::write(fixture.join("expected.txt"), &words).expect("expected.txt can be written");
        }
        let expected = fs::read_to_string(fixture.join("expected.txt")).unwrap_or_default();
        if words != expected {
            wrong.push(format!("=== {code}: expected\n{expected}\n--- found\n{words}"));
        }
        let blocks = words.split("\n\n").filter(|block| block.starts_with("error[") || block.starts_with("warning["));
        for block in blocks.filter(|block| !block.contains("= help: ")) {
            wrong.push(format!("=== {code}: it does not say what to do\n{block}"));
        }
        let errors = words.contains("error[");
        if exit != i32::from(errors) {
            wrong.push(format!("=== {code}: exit code {exit}\n{words}"));
        }
        if Code::parse(code).is_some() && !words.contains(&format!("[{code}]")) {
            wrong.push(format!("=== {code}: it was not found\n{words}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_has_a_fixture() {
    let folders = fs::read_dir(fixtures()).expect("fixtures").map(|entry| entry.expect("one").file_name());
    let folders: BTreeSet<String> = folders.map(|name| name.to_string_lossy().into_owned()).collect();
    let missing: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).filter(|code| !folders.contains(*code)).collect();
    assert!(missing.is_empty(), "no fixture: {missing:?}");
}
