//! Any bytes as the `env_file` of a job: read and linted; every problem points at a place that is there.

use std::sync::{Arc, LazyLock};

use slack_alert::exec::Environment;
use slack_alert::lint::{self, Scope};
use slack_alert::plan::{self, Options, Surroundings};

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a scratch folder");
    std::fs::create_dir(folder.path().join("jobs.d")).expect("a folder can be made");
    let job = "command = 'true'\nevery = '1h'\nenv_file = 'variables'\n";
    std::fs::write(folder.path().join("jobs.d/job.toml"), job).expect("a file can be written");
    std::fs::write(folder.path().join("slack_alert.toml"), "").expect("a file can be written");
    folder
});

pub(crate) fn run(bytes: &[u8]) {
    std::fs::write(FOLDER.path().join("variables"), bytes).expect("a file can be written");
    let environment = Arc::new(Environment::new([("PATH".into(), "/usr/bin:/bin".into())]));
    let around = Surroundings { environment, zone: jiff::tz::TimeZone::UTC, host: "here".to_owned() };
    let options = Options { config: Some(FOLDER.path().join("slack_alert.toml")), ..Options::default() };
    let mut loaded = plan::load(&options, &around);
    let now = "2026-01-05T00:00:00Z".parse().expect("a time");
    lint::check(&mut loaded, &Scope { now, whole: true, shells: false });
    let is_loaded = !loaded.plan.expect("slack_alert.toml is good").jobs.is_empty();
    assert!(is_loaded || loaded.findings.problems.errors() > 0, "the job is refused without a word");
    for problem in loaded.findings.problems.iter() {
        for label in &problem.labels {
            let text = &loaded.findings.sources.get(label.place.source).text;
            assert!(text.get(label.place.start..label.place.end).is_some(), "{problem:?}");
        }
    }
}
