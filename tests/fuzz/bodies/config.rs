//! Any bytes as slack_alert.toml, over one good job: read, linted with every rule but the one that starts shells, and shown
//! in every format. Every place that is pointed at lies inside its file, on the boundaries of characters, and what stands
//! under the name of a secret is shown nowhere.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};

use slack_alert::diagnostic::{github, human, json, sarif};
use slack_alert::exec::Environment;
use slack_alert::lint::{self, Scope};
use slack_alert::plan::{self, Options, Surroundings};

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a scratch folder");
    std::fs::create_dir(folder.path().join("jobs.d")).expect("a folder can be made");
    let job = "command = \"true\"\nevery = \"1h\"\n";
    std::fs::write(folder.path().join("jobs.d/job.toml"), job).expect("a file can be written");
    folder
});

thread_local! {
    static AROUND: RefCell<Surroundings> = RefCell::new(Surroundings {
        environment: Arc::new(Environment::new([("PATH".into(), "/usr/bin:/bin".into())])),
        zone: jiff::tz::TimeZone::UTC,
        host: "here".to_owned(),
    });
}

pub(crate) fn run(bytes: &[u8]) {
    let path = FOLDER.path().join("slack_alert.toml");
    std::fs::write(&path, bytes).expect("a file can be written");
    // Whatever folder the bytes name is not walked.
    let jobs_dir = Some(FOLDER.path().join("jobs.d"));
    let options = Options { config: Some(path), jobs_dir, ..Options::default() };
    let mut loaded = AROUND.with_borrow(|around| plan::load(&options, around));
    let now = "2026-01-05T00:00:00Z".parse().expect("a time");
    lint::check(&mut loaded, &Scope { now, whole: true, shells: false });
    loaded.findings.problems.close();
    let (problems, sources) = (&loaded.findings.problems, &loaded.findings.sources);
    for problem in problems.iter() {
        for label in &problem.labels {
            let text = &sources.get(label.place.source).text;
            let (start, end) = (label.place.start, label.place.end);
            assert!(start <= end && end <= text.len(), "{problem:?} in {} bytes", text.len());
            assert!(text.is_char_boundary(start) && text.is_char_boundary(end), "{problem:?}");
        }
    }
    let shown = [
        human::render_all(problems, sources, false),
        json::render(problems, sources),
        sarif::render(problems, sources),
        github::render(problems, sources),
    ];
    assert!(shown.iter().all(|text| !text.contains("xoxb-0123456789")), "a secret is shown");
}
