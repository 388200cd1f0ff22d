//! Any bytes as a job file: read, linted with every rule but the one that starts shells, and shown in every format. Every
//! place that is pointed at lies inside its file, on the boundaries of characters.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use slack_alert::diagnostic::{github, human, json, sarif};
use slack_alert::exec::Environment;
use slack_alert::lint::{self, Scope};
use slack_alert::plan::{self, Options, Surroundings};
use slack_alert::simulate::cases;

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a scratch folder"));

thread_local! {
    static AROUND: RefCell<Surroundings> = RefCell::new(Surroundings {
        environment: Arc::new(Environment::new([("PATH".into(), "/usr/bin:/bin".into())])),
        zone: jiff::tz::TimeZone::UTC,
        host: "here".to_owned(),
    });
}

pub(crate) fn run(bytes: &[u8]) {
    let path: PathBuf = FOLDER.path().join("job.toml");
    std::fs::write(&path, bytes).expect("a file can be written");
    let options = Options { only: Some(vec![path]), ..Options::default() };
    let mut loaded = AROUND.with_borrow(|around| plan::load(&options, around));
    let now = "2026-01-05T00:00:00Z".parse().expect("a time");
    lint::check(&mut loaded, &Scope { now, whole: false, shells: false });
    if let Some(plan) = &loaded.plan {
        cases::check(plan, &loaded.findings.partial)
            .into_iter()
            .for_each(|problem| loaded.findings.problems.push(problem));
    }
    let (problems, sources) = (&loaded.findings.problems, &loaded.findings.sources);
    for problem in problems.iter() {
        for label in &problem.labels {
            let text = &sources.get(label.place.source).text;
            let (start, end) = (label.place.start, label.place.end);
            assert!(start <= end && end <= text.len(), "{problem:?} in {} bytes", text.len());
            assert!(text.is_char_boundary(start) && text.is_char_boundary(end), "{problem:?}");
        }
        let _ = human::render(problem, sources, false);
    }
    let _ = (json::render(problems, sources), github::render(problems, sources), sarif::render(problems, sources));
}
