//! Any text as a crontab, of a user and of the system: every file that comes of it is TOML, lies below `jobs.d`, and has a
//! name of its own; every line is a job, or is told of.

use std::collections::HashSet;
use std::path::{Component, Path};

use slack_alert::diagnostic::{Problems, Sources};
use slack_alert::document::syntax;
use slack_alert::import::{Machine, Target, crontab};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for system in [None, Some(false), Some(true)] {
        let home = |name: Option<&str>| Some(format!("/home/{}", name.unwrap_or("me")));
        let imported = crontab::convert(
            text,
            "crontab",
            system,
            Target { defaults: None, owner: None, home: &home, machine: Machine::UNKNOWN },
        );
        let mut names = HashSet::new();
        for file in &imported.files {
            assert!(names.insert(&file.path), "{:?} twice", file.path);
            assert!(file.path.starts_with("jobs.d") || file.path == Path::new("slack_alert.toml"), "{:?}", file.path);
            let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
            assert!(file.path.components().all(plain), "{:?}", file.path);
            if file.path.extension().is_some_and(|ending| ending == "toml") {
                let mut problems = Problems::default();
                let source = Sources::default().add(&file.path, file.content.as_str());
                let (_, clean) = syntax::parse(source, &file.content, &mut problems);
                assert!(clean, "{problems:?} in {}", file.content);
            }
        }
        for note in &imported.notes {
            assert!(note.line.is_none_or(|line| line > 0 && line <= text.lines().count()), "{note}");
        }
    }
}
