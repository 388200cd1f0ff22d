//! The schemas and the readers say the same of every key: what is no value of it for one is none for the other.
//!
//! Values of every shape are written to each key in turn. Where the reader finds the wrong shape, the schema must too; where the
//! reader finds nothing wrong, the schema must not either. What a schema cannot say (that a calendar is one) stays the reader's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::super::job::{self, Context};
use super::super::{CONFIG_KEYS, Config, Options, Surroundings, config, job_keys};
use crate::diagnostic::{Code, Problem, Problems, Sources};
use crate::document::{Key, Kind, Reader, Shared, Table, syntax};
use crate::exec::Environment;
use crate::id::JobName;

/// Values of every shape, and of each kind of text.
const VALUES: &[&str] = &[
    "true",
    "false",
    "0",
    "1",
    "-1",
    "3",
    "10001",
    "1.5",
    "'x'",
    "''",
    "'5m'",
    "'1/s'",
    "'64KiB'",
    "'never'",
    "'@here'",
    "'#ops'",
    "'https://example.com/'",
    "'1h..24h'",
    "'09:00-17:00'",
    "[]",
    "['x']",
    "['ok']",
    "['failure']",
    "[1]",
    "[[]]",
    "[{}]",
    "[true]",
    "{}",
    "{ x = 'y' }",
    "{ x = 1 }",
    "2026-01-01",
];

/// What the reader finds in a file.
fn found(of_job: bool, text: &str) -> Vec<Problem> {
    let (mut problems, mut sources) = (Problems::default(), Sources::default());
    let (source, none) = (sources.add(Path::new("file"), text), sources.add(Path::new("none"), ""));
    let (parsed, _) = syntax::parse(source, text, &mut problems);
    let (nothing, _) = syntax::parse(none, "", &mut problems);
    let reader = Reader::default();
    let environment = Arc::new(Environment::default());
    let around = Surroundings { environment: Arc::clone(&environment), zone: TimeZone::UTC, host: "h".to_owned() };
    let folder = PathBuf::from("/");
    if !of_job {
        let mut root = Table::root(&reader, source, text, &parsed);
        let _ = config::read(&mut root, None, &folder, &around);
        root.finish();
    } else {
        let config: Config = config::read(&mut Table::root(&reader, none, "", &nothing), None, &folder, &around);
        let commands = crate::exec::Context::new(&config.folder, &environment);
        let options = Options::default();
        let context = Context { config: &config, options: &options, commands, common: 0, settings: Shared::default() };
        let mut table = Table::root(&reader, source, text, &parsed);
        let _ = job::take(&JobName::new("probe"), Path::new("probe"), text, &mut table, &context);
        table.finish();
    }
    reader.into_problems().iter().cloned().collect()
}

/// Whether a schema takes a value: as much of JSON Schema as ours use.
fn takes(schema: &Value, value: &Value) -> bool {
    let all = |key: &str| schema[key].as_array().into_iter().flatten();
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no such type: {other}"),
    };
    let number = |key: &str| schema[key].as_i64();
    let integer = value.as_i64().unwrap_or_default();
    let of_table = |table: &serde_json::Map<String, Value>| {
        let required = all("required").all(|key| key.as_str().is_some_and(|key| table.contains_key(key)));
        let known = table.iter().all(|(key, value)| match schema["properties"].get(key) {
            Some(property) => takes(property, value),
            None => match &schema["additionalProperties"] {
                Value::Null => true,
                Value::Bool(any) => *any,
                other => takes(other, value),
            },
        });
        required && known
    };
    schema["type"].as_str().is_none_or(is)
        && schema["enum"].as_array().is_none_or(|words| words.contains(value))
        && schema.get("const").is_none_or(|only| only == value)
        && (schema["anyOf"].is_null() || all("anyOf").any(|one| takes(one, value)))
        && (schema["oneOf"].is_null() || all("oneOf").filter(|one| takes(one, value)).count() == 1)
        && number("minimum").is_none_or(|least| integer >= least)
        && number("maximum").is_none_or(|most| integer <= most)
        && (schema["pattern"].is_null() || value.as_str().is_some_and(|text| text.contains('/')))
        && value
            .as_array()
            .is_none_or(|items| schema["items"].is_null() || items.iter().all(|item| takes(&schema["items"], item)))
        && value.as_object().is_none_or(of_table)
}

/// The schema of a key below another one, wherever it stands in it.
fn below<'s>(schema: &'s Value, name: &str) -> Option<&'s Value> {
    let own = schema["properties"].get(name).or_else(|| schema["items"]["properties"].get(name));
    own.or_else(|| schema["anyOf"].as_array().into_iter().flatten().find_map(|one| below(one, name)))
}

/// A walk over the keys of one kind of file.
struct Walk {
    of_job: bool,
    schema: Value,
    looked_at: usize,
    differences: Vec<String>,
}

impl Walk {
    fn keys(&mut self, keys: &[Key], path: &[&str], in_list: bool, schema: &Value) {
        // What `[defaults]` may be is read with the jobs.
        let of_job = self.of_job;
        for key in keys.iter().filter(|key| of_job || key.name != "defaults") {
            let here = below(schema, key.name).unwrap_or_else(|| panic!("no schema of {path:?} {}", key.name)).clone();
            for value in VALUES {
                self.value((path, key.name, in_list), value, &here);
            }
            let path: Vec<&str> = path.iter().copied().chain([key.name]).collect();
            self.tables(&key.kind, &path, &here);
        }
    }

    fn tables(&mut self, kind: &Kind, path: &[&str], schema: &Value) {
        match kind {
            Kind::Table(keys) => self.keys(keys, path, false, schema),
            // Of lists within lists nothing is written here.
            Kind::Tables(keys) if path.len() == 1 => self.keys(keys, path, true, schema),
            Kind::OneOf(kinds) => kinds.iter().for_each(|kind| self.tables(kind, path, schema)),
            _ => {}
        }
    }

    fn value(&mut self, (path, name, in_list): (&[&str], &str, bool), value: &str, schema: &Value) {
        let own = if path.is_empty() { name } else { path[0] };
        let mut text = String::new();
        if self.of_job {
            let schedules = ["burst", "cron", "expect", "after", "every"];
            text += if ["command", "expect"].contains(&own) { "" } else { "command = 'true'\n" };
            text += if schedules.contains(&own) { "" } else { "every = '5m'\n" };
        }
        let place = path.join(".");
        text += &match (path, in_list) {
            ([], _) => format!("{name} = {value}\n"),
            (_, true) => format!("[[{place}]]\n{name} = {value}\n"),
            (_, false) => format!("[{place}]\n{name} = {value}\n"),
        };
        let Ok(written) = toml::from_str::<toml::Table>(&text) else { panic!("{text}") };
        let whole = serde_json::to_value(&written).expect("TOML is JSON");
        let alone = toml::from_str::<toml::Table>(&format!("x = {value}")).expect("a value");
        let alone = serde_json::to_value(&alone["x"]).expect("TOML is JSON");
        let problems = found(self.of_job, &text);
        let full = [path, &[name]].concat().join(".");
        // A date is text in JSON.
        let wrong =
            |problem: &Problem| problem.code == Code::WrongType && problem.message.contains(&format!("`{full}`"));
        let shape = problems.iter().find(|problem| wrong(problem)).filter(|_| !value.starts_with("2026"));
        if let Some(problem) = shape.filter(|_| takes(schema, &alone)) {
            self.differences.push(format!("{full} = {value}: the schema takes it: {}", problem.message));
        }
        if problems.is_empty() && !takes(&self.schema, &whole) {
            self.differences.push(format!("{full} = {value}: the schema refuses it"));
        }
        self.looked_at += 1;
    }
}

#[test]
fn the_schemas_take_and_refuse_the_shapes_that_the_readers_do() {
    let mut differences = Vec::new();
    for (of_job, keys, schema) in [(true, job_keys(), super::job()), (false, CONFIG_KEYS.to_vec(), super::config())] {
        let mut walk = Walk { of_job, schema: schema.clone(), looked_at: 0, differences: Vec::new() };
        walk.keys(&keys, &[], false, &schema);
        assert!(walk.looked_at > 1_000, "{} values", walk.looked_at);
        differences.extend(walk.differences);
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}
