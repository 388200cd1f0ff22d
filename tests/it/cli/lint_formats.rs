//! `slack-alert check` for other programs and on any input: the formats, several paths, `--explain`, `--online`, shells
//! that execute nothing, and the promise that no bytes make it panic or point outside of a file.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;
use slack_alert::exec::Environment;
use slack_alert::lint::{self, Scope};
use slack_alert::plan::{self, Options, Surroundings};

use crate::support::program::Sandbox;
use crate::support::skip::skip;
use crate::support::slack::MockSlack;

const BAD: &str = "command = \"df\"\nevery = \"soon\"\nalow = []\ntimeout = \"1m\"\n";
const GOOD: &str = "command = \"df\"\nevery = \"1h\"\ntimeout = \"1m\"\n";

#[test]
fn a_file_with_25_mistakes_has_25_problems_in_order() {
    let text = include_str!("../../fixtures/check/twenty-five/job.toml");
    let sandbox = Sandbox::with(&[("job.toml", text)]);
    let ran = sandbox.run(&["check", "job.toml", "--format", "json"]);
    let lines = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object a line"));
    let places: Vec<_> = lines.map(|line| (line["line"].as_u64(), line["column"].as_u64())).collect();
    assert_eq!(places.len(), 25, "{}", ran.stdout);
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn json_has_the_fields_of_the_manual_and_nothing_else_is_printed() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/a.toml", BAD)]);
    let ran = sandbox.run(&["check", "--format", "json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{ran:?}");
    assert_eq!(
        ran.stdout,
        concat!(
            r#"{"code":"invalid-duration","level":"error","message":"`every`: a number is missing here","#,
            r#""file":"jobs.d/a.toml","line":2,"column":10,"end_line":2,"end_column":14,"#,
            r#""help":"write a number and a unit, such as `90s`, `5m`, `1h 30m` or `2d`"}"#,
            "\n",
            r#"{"code":"unknown-key","level":"error","message":"unknown key `alow`","#,
            r#""file":"jobs.d/a.toml","line":3,"column":1,"end_line":3,"end_column":5,"help":"did you mean `allow`?"}"#,
            "\n",
        )
    );
    let well = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/a.toml", GOOD)]);
    for format in ["json", "github"] {
        let ran = well.run(&["check", "--format", format]);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""), "{format}");
    }
}

#[test]
fn a_file_is_shown_from_where_we_are() {
    let sandbox = Sandbox::with(&[("etc/slack_alert.toml", ""), ("etc/jobs.d/a.toml", BAD)]);
    let whole = sandbox.path().join("etc").display().to_string();
    let file = |arguments: &[&str]| {
        let ran = sandbox.run(&[&["check", "--format", "json"], arguments].concat());
        let first: Value = serde_json::from_str(ran.stdout.lines().next().unwrap_or_default()).expect("an object");
        first["file"].as_str().unwrap_or_default().to_owned()
    };
    for path in
        ["etc", "./etc", "etc/jobs.d/a.toml", "./etc/jobs.d/a.toml", "etc/jobs.d", "etc/slack_alert.toml", &whole]
    {
        assert_eq!(file(&[path]), "etc/jobs.d/a.toml", "{path}");
    }
    assert_eq!(file(&["--config", "etc/slack_alert.toml"]), "etc/jobs.d/a.toml");
    assert_eq!(file(&["etc/jobs.d/../"]), "etc/jobs.d/a.toml");
}

#[test]
fn a_file_below_where_we_are_is_shown_from_there_whatever_way_leads_to_it() {
    let sandbox =
        Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/a.toml", BAD), ("jobs.d/sub/b.toml", BAD), ("other/x", "")]);
    let files = |folder: &str, arguments: &[&str]| {
        let mut command = sandbox.command(&[&["check", "--format", "json"], arguments].concat());
        let output = command.current_dir(sandbox.path().join(folder)).output().expect("the program starts");
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let file = |line: &str| serde_json::from_str::<Value>(line).expect("an object")["file"].to_string();
        let mut files: Vec<String> = lines.lines().map(|line| file(line).replace('"', "")).collect();
        files.dedup();
        files
    };
    for arguments in [&[".."][..], &["../jobs.d"], &["--config", "../slack_alert.toml"]] {
        assert_eq!(files("jobs.d", arguments), ["a.toml", "sub/b.toml"], "{arguments:?}");
    }
    // What does not lie below is shown as it was given.
    assert_eq!(files("jobs.d/sub", &["../.."]), ["../../jobs.d/a.toml", "b.toml"]);
    assert_eq!(files("other", &[".."]), ["../jobs.d/a.toml", "../jobs.d/sub/b.toml"]);
}

#[test]
fn several_paths_are_one_report_and_nothing_is_told_twice() {
    let sandbox = Sandbox::with(&[
        ("one/slack_alert.toml", "host = 5\n"),
        ("one/jobs.d/a.toml", BAD),
        ("one/jobs.d/b.toml", GOOD),
        ("two/slack_alert.toml", ""),
        ("two/jobs.d/a.toml", BAD),
    ]);
    let paths = ["check", "one/jobs.d/a.toml", "one/jobs.d/b.toml", "two"];
    let ran = sandbox.run(&[&paths[..], &["--format", "sarif"]].concat());
    let log: Value = serde_json::from_str(&ran.stdout).expect("one document");
    let results = log["runs"][0]["results"].as_array().expect("results");
    let uri = |result: &Value| result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].clone();
    let files: Vec<_> = results.iter().map(uri).collect();
    let wanted =
        ["one/slack_alert.toml", "one/jobs.d/a.toml", "one/jobs.d/a.toml", "two/jobs.d/a.toml", "two/jobs.d/a.toml"];
    assert_eq!(files, wanted, "{}", ran.stdout);
    let human = sandbox.run(&paths);
    assert!(human.stdout.contains("checked 5 files, 3 jobs: 5 errors, 0 warnings ("), "{}", human.stdout);
}

#[test]
fn github_gets_a_command_a_problem() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/a.toml", BAD)]);
    let ran = sandbox.run(&["check", "--format", "github"]);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{ran:?}");
    assert!(
        lines[0]
            .starts_with("::error file=jobs.d/a.toml,line=2,endLine=2,col=10,endColumn=14,title=invalid-duration::")
    );
}

/// By check-jsonschema of PyPI in `target/sarif-tools`, against the schema that comes with the tool of the format's makers
/// (npm: @microsoft/sarif-multitool, in `target/sarif-multitool`). Neither is needed for anything else.
#[test]
fn the_sarif_is_valid_by_an_independent_validator() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "host = 5\n"), ("jobs.d/my jöb.toml", BAD)]);
    let ran = sandbox.run(&["check", "--format", "sarif"]);
    sandbox.file("report.sarif", &ran.stdout);
    sandbox.file("bad.sarif", &ran.stdout.replace("\"startLine\": 2", "\"startLine\": 0"));
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let schema = target.join("sarif-multitool/node_modules/@microsoft/sarif-multitool-linux/sarif-2.1.0.json");
    let validator = target.join("sarif-tools/bin/check-jsonschema");
    if !schema.exists() || !validator.exists() {
        skip("no SARIF validator in target/");
        return;
    }
    let valid = |file: &str| {
        let mut command = Command::new(&validator);
        command.arg("--schemafile").arg(&schema).arg(file).current_dir(sandbox.path());
        command.output().expect("the validator runs")
    };
    let verdict = valid("report.sarif");
    assert!(verdict.status.success(), "{}", String::from_utf8_lossy(&verdict.stdout));
    assert!(!valid("bad.sarif").status.success(), "the validator finds mistakes");
}

#[test]
fn a_code_is_explained_and_a_slip_is_met_with_a_guess() {
    let ran = Sandbox::new().run(&["check", "--explain", "pipe-hides-failure"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.starts_with("A pipe hides that its first command failed.\n"), "{ran:?}");
    let ran = Sandbox::new().run(&["check", "--explain", "pipe-hides-failure", "--json"]);
    assert!(ran.stdout.starts_with("{\"code\":\"pipe-hides-failure\",") && ran.stdout.lines().count() == 1, "{ran:?}");
    let ran = Sandbox::new().run(&["check", "--explain", "pipe-hides-failures"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("did you mean `pipe-hides-failure`?"), "{ran:?}");
}

#[test]
fn warnings_fail_when_they_are_denied_and_allowed_ones_do_not() {
    let job = "command = \"df\"\nevery = \"1h\"\n";
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/a.toml", job)]);
    assert_eq!(sandbox.run(&["check"]).code, 0);
    assert_eq!(sandbox.run(&["check", "--deny-warnings"]).code, 1);
    sandbox.file("jobs.d/a.toml", &format!("{job}allow = [\"no-timeout\"]\n"));
    assert_eq!(sandbox.run(&["check", "--deny-warnings"]).code, 0);
    sandbox.file("jobs.d/a.toml", job);
    for config in ["[check]\nallow = [\"no-timeout\"]\n", "[defaults]\nallow = [\"no-timeout\"]\n"] {
        sandbox.file("slack_alert.toml", config);
        let ran = sandbox.run(&["check", "--deny-warnings"]);
        assert_eq!(ran.code, 0, "{config}: {}", ran.stdout);
    }
}

#[test]
fn no_script_is_ever_executed() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "[defaults]\ntimeout = \"1m\"\n")]);
    let scripts = [
        "touch executed",
        "}; touch executed; {",
        "set +n; touch executed",
        "eval 'touch executed'; $(touch executed)",
        "if touch executed; then",
        "trap 'touch executed' EXIT; )",
        "alias x='touch executed'\nx",
        "touch executed &\n( `touch executed` )",
        "x=${y:=$(touch executed)}; : $((z=1)) <<END\n$(touch executed)\nEND\n",
    ];
    for (index, script) in scripts.iter().enumerate() {
        for shell in ["/bin/sh", "/bin/bash"] {
            let name = format!("jobs.d/{}{index}.toml", shell.replace('/', "_"));
            sandbox.file(&name, &format!("command = '''{script}'''\nshell = [\"{shell}\", \"-c\"]\nevery = \"1h\"\n"));
        }
    }
    // Shells that would execute a word of their own, heed no `-n`, take it back, or read files first.
    sandbox.file("executes", "touch executed\n");
    let odd = [
        r#"["/bin/sh", "-c", "touch executed", "-c"]"#,
        r#"["/bin/bash", "-ic"]"#,
        r#"["/bin/bash", "-lc"]"#,
        r#"["/bin/bash", "+n", "-c"]"#,
        r#"["/bin/bash", "+o", "noexec", "-c"]"#,
        r#"["/bin/bash", "--rcfile", "executes", "-ic"]"#,
    ];
    for (index, shell) in odd.iter().enumerate() {
        for copy in 0..4 {
            let job = format!("command = 'touch executed; (:); : {copy}'\nshell = {shell}\nevery = \"1h\"\n");
            sandbox.file(&format!("jobs.d/odd{index}-{copy}.toml"), &job);
        }
    }
    let ran = sandbox.run(&["check"]);
    assert!(ran.stdout.matches("[shell-syntax]").count() >= 4, "{}", ran.stdout);
    assert!(!sandbox.path().join("executed").exists(), "a script was executed");
}

#[test]
fn slack_is_asked_and_a_webhook_cannot_be() {
    let slack = MockSlack::start();
    let config = format!("[slack]\ntoken_env = \"SLACK_TOKEN\"\nchannel = \"#ops\"\napi_url = \"{}\"\n", slack.url());
    let sandbox =
        Sandbox::with(&[("slack_alert.toml", &config), ("jobs.d/a.toml", GOOD)]).variable("SLACK_TOKEN", "xoxb-1-a");
    let ran = sandbox.run(&["check", "--online"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("the token is that of alertbot in Ops"), "{ran:?}");
    let methods: Vec<_> = slack.requests().iter().map(|request| request.method().to_owned()).collect();
    assert_eq!(methods, ["auth.test"]);
    assert_eq!(sandbox.run(&["check"]).code, 0);
    assert_eq!(slack.requests().len(), 1, "only --online asks");

    sandbox.file("slack_alert.toml", "[slack]\nwebhook_url_env = \"HOOK\"\n");
    let sandbox = sandbox.variable("HOOK", &slack.webhook_url());
    let ran = sandbox.run(&["check", "--online"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stderr.contains("a webhook cannot be checked without posting")
            || ran.stderr.contains("cannot be checked without posting")
    );
    assert_eq!(slack.requests().len(), 1);
}

/// Reads and lints one job file; every place lies in its file.
fn survives(bytes: &[u8]) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let path = folder.path().join("job.toml");
    std::fs::write(&path, bytes).expect("a file");
    let around = Surroundings {
        environment: Arc::new(Environment::new([("PATH".into(), "/usr/bin:/bin".into())])),
        zone: jiff::tz::TimeZone::UTC,
        host: "here".to_owned(),
    };
    let options = Options { only: Some(vec![path]), ..Options::default() };
    let mut loaded = plan::load(&options, &around);
    let scope = Scope { now: "2026-01-05T00:00:00Z".parse().expect("a time"), whole: false, shells: true };
    lint::check(&mut loaded, &scope);
    for problem in loaded.findings.problems.iter() {
        for label in &problem.labels {
            let text = &loaded.findings.sources.get(label.place.source).text;
            let (start, end) = (label.place.start, label.place.end);
            prop_assert!(start <= end && end <= text.len(), "{problem:?} in {} bytes", text.len());
            prop_assert!(text.is_char_boundary(start) && text.is_char_boundary(end), "{problem:?}");
        }
        let _ = slack_alert::diagnostic::human::render(problem, &loaded.findings.sources, false);
    }
    Ok(())
}

const RICH: &str = "command = '''df | x\n'''\nevery = \"1s\"\ntemplate = \"a\\u00e9 {{ stdout | safe }} {% if x %}\"\n\
                    working_hours = \"9-5\"\ncron = \"@daily\"\nredact = [\"(\\t\"]\nallow = [\"no-timeout\", \"ü\"]\n\
                    [notify]\nchannel = \"#ops\"\nquiet_hours = [\"1:00-2:00\"]\nrate_limit = \"5/h\"\n";

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes)?;
    }

    #[test]
    fn a_file_with_holes_and_additions_is_survived(
        from in 0..RICH.len(), length in 0..60usize, added in "\\PC{0,6}|[\"'\\\\\\[\\]{}=.#\n\r\t]{0,6}"
    ) {
        let mut bytes = RICH.as_bytes().to_vec();
        let to = (from + length).min(bytes.len());
        bytes.splice(from..to, added.into_bytes());
        survives(&bytes)?;
    }
}
