//! Any bytes as the output of a command, with directives, as JSON, as performance data, under conditions: what comes of it is
//! judged and put into a message, and what `redact` masks stands nowhere in what Slack would get.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use slack_alert::exec::{self, Captured, Ending, Environment, Output};
use slack_alert::notify;
use slack_alert::plan::{self, Options, Plan, Surroundings};
use slack_alert::policy::Health;
use slack_alert::report;
use slack_alert::simulate::assume;

/// What no message may hold: each job masks it.
const SECRET: &str = "hunter2";

const JOBS: [&str; 4] = [
    "directives = true",
    "parse = 'json'\nwarning_when = 'json.queue > 100'\ncritical_when = \"json.status != 'ok'\"\n\
     template = '{{ json.queue | default(0) }} {{ json | tojson }}'",
    "parse = 'perfdata'\nexit_codes = 'nagios'\ntemplate = '{{ stdout }} {{ perfdata }}'",
    "template = '{{ output | code }} {{ stdout | urlize }} {{ stderr | literal }}'\nfail_on = { stdout = 'ERROR' }",
];

static PLAN: LazyLock<Plan> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let jobs = folder.path().join("jobs.d");
    std::fs::create_dir(&jobs).expect("a folder can be made");
    for (number, keys) in JOBS.iter().enumerate() {
        let job = format!("command = 'true'\nevery = '1h'\nredact = '{SECRET}'\n{keys}\n[notify]\non = ['always']\n");
        std::fs::write(jobs.join(format!("job{number}.toml")), job).expect("a file can be written");
    }
    let config = folder.path().join("slack_alert.toml");
    let token = "[slack]\ntoken = 'xoxb-0123456789'\nchannel = '#ops'\n";
    std::fs::write(&config, token).expect("a file can be written");
    let environment = Arc::new(Environment::new([("PATH".into(), "/usr/bin:/bin".into())]));
    let around = Surroundings { environment, zone: jiff::tz::TimeZone::UTC, host: "here".to_owned() };
    let loaded = plan::load(&Options { config: Some(config), ..Options::default() }, &around);
    loaded.plan.unwrap_or_else(|| panic!("{}", loaded.findings.first_error()))
});

/// The first byte chooses the job, the second the exit code; the first zero byte parts stdout from stderr.
pub(crate) fn run(bytes: &[u8]) {
    let [kind, code, text @ ..] = bytes else { return };
    let job = &PLAN.jobs[usize::from(*kind) % JOBS.len()];
    let (stdout, stderr) = text.split_at(text.iter().position(|byte| *byte == 0).unwrap_or(text.len()));
    let captured = |bytes: &[u8]| Captured { head: bytes.to_vec(), ..Captured::default() };
    let output =
        Output { stdout: captured(stdout), stderr: captured(stderr), both: captured(text), ..Output::default() };
    let started = "2026-01-05T00:00:00Z".parse().expect("a time");
    let ending = Ending::Exited { code: i32::from(*code) % 4 };
    let outcome = exec::assumed(&job.command, ending, output, started, Duration::from_millis(20));
    let outcome = report::conditioned(job, &Health::default(), outcome);
    for message in assume::first_run(job, outcome, &report::sender(&PLAN)).messages {
        let payload = notify::payload(&PLAN.config.slack, message).to_string();
        assert!(!payload.contains(SECRET), "a secret is shown: {payload}");
    }
}
