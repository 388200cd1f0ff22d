//! `schema`: valid JSON Schema that the repository's own examples keep, and that knows what the reader knows.
//!
//! The validator is jsonschema from PyPI, in target/jsonschema (`python3 -m venv target/jsonschema &&
//! target/jsonschema/bin/pip install jsonschema`); without it that part says that it is skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::program::Sandbox;
use crate::support::skip::skip;

const VALIDATE: &str = "\
import json, sys, tomllib
from jsonschema import Draft202012Validator
schema = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)
bad = 0
for path in sys.argv[2:]:
    for error in validator.iter_errors(tomllib.load(open(path, 'rb'))):
        bad += 1
        print(f'{path}: {error.json_path}: {error.message}')
sys.exit(1 if bad else 0)
";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema(of: &str) -> Value {
    let ran = Sandbox::new().run(&["schema", of]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    serde_json::from_str(&ran.stdout).expect("a schema is JSON")
}

fn job_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the examples are there") {
        let path = entry.expect("the examples are there").path();
        if path.is_dir() { job_files(&path, found) } else { found.push(path) }
    }
}

/// Holds files against a schema with the independent validator; `None` without one.
fn validate(of: &str, files: &[PathBuf]) -> Option<(bool, String)> {
    let python = root().join("target/jsonschema/bin/python");
    if !python.exists() {
        return None;
    }
    let sandbox = Sandbox::new();
    let schema = sandbox.file("schema.json", &schema(of).to_string());
    let output = Command::new(python).args(["-c", VALIDATE]).arg(schema).args(files).output().expect("python starts");
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn the_examples_keep_the_schemas_and_mistakes_do_not() {
    let mut jobs = Vec::new();
    job_files(&root().join("jobs.d"), &mut jobs);
    let configs = [root().join("slack_alert.toml"), root().join("packaging/slack_alert.toml")];
    let Some(of_jobs) = validate("job", &jobs) else {
        skip("target/jsonschema has no validator");
        return;
    };
    assert_eq!(of_jobs, (true, String::new()));
    assert_eq!(validate("config", &configs), Some((true, String::new())));

    let sandbox = Sandbox::new();
    for (number, (of, text, part)) in [
        ("job", "command = 'true'", "is not valid under any of the given schemas"),
        ("job", "command = 'true'\nevery = '5m'\ncron = '@daily'", "is valid under each of"),
        ("job", "command = 'true'\nevery = '5m'\nevrey = 1", "evrey"),
        ("job", "command = 'true'\nevery = 5", "is not of type 'string'"),
        ("job", "command = 'true'\nevery = '5m'\n[notify]\non = ['failures']", "failures"),
        ("job", "command = 'true'\nevery = '5m'\n[[test]]\nname = 'x'\nexpect.event = 'failure'", "given"),
        ("config", "[limits]\nmax_running = 0", "less than the minimum"),
        ("config", "[defaults]\ncommand = 'x'", "command"),
    ]
    .into_iter()
    .enumerate()
    {
        let file = sandbox.file(&format!("{number}.toml"), text);
        let (good, said) = validate(of, &[file]).expect("it was there before");
        assert!(!good && said.contains(part), "{text}: {said}");
    }
    let full = "command = ['a']\nburst = { every = '2s', runs = 3, pause = '1h' }\nretries = { times = 2 }\n\
                exit_codes = 'nagios'\ninherit_env = ['PATH']\n[notify]\nrepeat = 'never'\nchannel = ['#a', '#b']\n\
                [[test]]\ngiven = [{ exit = 1 }, { exit = 2 }]\nexpect.suppressed = 'below-after'\n";
    assert_eq!(validate("job", &[sandbox.file("full.toml", full)]), Some((true, String::new())));
}

/// By taplo (npm: @taplo/cli, in `target/taplo`), on which editors stand: it takes the schemas, finds the examples well, and
/// finds what is not.
#[test]
fn taplo_takes_the_schemas() {
    let taplo = root().join("target/taplo/node_modules/.bin/taplo");
    if !taplo.exists() {
        skip("there is no taplo in target/taplo");
        return;
    }
    let sandbox = Sandbox::new();
    let valid = |of: &str, files: &[PathBuf]| {
        let schema = sandbox.file(&format!("{of}.schema.json"), &schema(of).to_string());
        let mut command = Command::new(&taplo);
        command.args(["lint", "--no-auto-config", "--schema"]).arg(format!("file://{}", schema.display())).args(files);
        let output = command.current_dir(sandbox.path()).output().expect("taplo starts");
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let mut jobs = Vec::new();
    job_files(&root().join("jobs.d"), &mut jobs);
    let (good, said) = valid("job", &jobs);
    assert!(good, "{said}");
    let (good, said) = valid("config", &[root().join("slack_alert.toml"), root().join("packaging/slack_alert.toml")]);
    assert!(good, "{said}");
    let bad = sandbox.file("bad.toml", "command = \"true\"\nevrey = \"1h\"\n");
    let (good, said) = valid("job", &[bad]);
    assert!(!good && said.contains("evrey"), "{said}");
}

/// What the reader does not know is an error of `check`; so a file with every key of the schema tells whether it knows
/// them all. The values are wrong on purpose.
#[test]
fn the_reader_knows_every_key_of_the_schemas() {
    let text = |schema: &Value| {
        let keys = schema["properties"].as_object().expect("it has keys").keys();
        keys.map(|key| format!("{key} = 1979-05-27\n")).collect::<String>()
    };
    let sandbox = Sandbox::with(&[("slack_alert.toml", ""), ("jobs.d/every.toml", &text(&schema("job")))]);
    let ran = sandbox.run(&["check"]);
    assert!(ran.code == 1 && !ran.stdout.contains("unknown-key"), "{ran:?}");
    let sandbox = Sandbox::with(&[("slack_alert.toml", &text(&schema("config")))]);
    let ran = sandbox.run(&["check"]);
    assert!(ran.code == 1 && !ran.stdout.contains("unknown-key"), "{ran:?}");
    let defaults = text(&schema("config")["properties"]["defaults"]);
    let sandbox = Sandbox::with(&[("slack_alert.toml", &format!("[defaults]\n{defaults}"))]);
    let ran = sandbox.run(&["check"]);
    assert!(ran.code == 1 && !ran.stdout.contains("unknown-key"), "{ran:?}");
}
