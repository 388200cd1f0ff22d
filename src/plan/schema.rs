//! JSON Schema (draft 2020-12) of both kinds of files, made from the keys that the stations read: editors complete and
//! check with it.
//!
//! Before it: the lists of keys. After it: `slack-alert schema`. What a schema cannot say (that a calendar is one) is
//! left to `check`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{CONFIG_KEYS, job_keys};
use crate::document::{Key, Kind};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Keys that must be there, by the table that they are in: its path, parts joined by dots.
const REQUIRED: &[(&str, &[&str])] = &[
    ("burst", &["every", "pause"]),
    ("message.actions", &["text", "url"]),
    ("test", &["given", "expect"]),
    ("fallback", &["command"]),
    ("expect", &["grace"]),
    ("after", &["jobs"]),
];

/// Keys of which exactly one must be there, by the table that they are in.
const ONE_OF: &[(&str, &[&str])] = &[
    ("", &["every", "burst", "cron", "expect", "after"]),
    ("burst", &["runs", "alerts"]),
    ("expect", &["every", "cron"]),
];

/// Keys that a job must say for itself: `[defaults]` cannot have them.
pub(super) const NOT_IN_DEFAULTS: &[&str] =
    &["command", "description", "tags", "every", "burst", "cron", "expect", "after", "test"];

/// The schema of a file in `jobs.d`.
pub fn job() -> Value {
    let mut schema = table(&job_keys(), "");
    schema["anyOf"] = json!([{ "required": ["command"] }, { "required": ["expect"] }]);
    head(&mut schema, "slack-alert: a job", "One file in jobs.d: a command, a schedule, and when to send a message.");
    schema
}

/// The schema of `slack_alert.toml`.
pub fn config() -> Value {
    let mut schema = table(CONFIG_KEYS, "slack_alert.toml");
    let defaults: Vec<Key> = job_keys().into_iter().filter(|key| !NOT_IN_DEFAULTS.contains(&key.name)).collect();
    let about = schema["properties"]["defaults"]["description"].take();
    // Nothing is required of defaults, and what they lack a job may say.
    schema["properties"]["defaults"] = table(&defaults, "slack_alert.toml.defaults");
    schema["properties"]["defaults"]["description"] = about;
    head(&mut schema, "slack-alert: slack_alert.toml", "What all jobs have in common, and how to reach Slack.");
    schema
}

fn head(schema: &mut Value, title: &str, about: &str) {
    schema["$schema"] = DRAFT.into();
    schema["title"] = title.into();
    schema["description"] = about.into();
}

/// A table with these keys and no others.
fn table(keys: &[Key], path: &str) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|key| (key.name.to_owned(), property(key, path))).collect();
    let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    let find =
        |list: &[(&str, &'static [&'static str])]| list.iter().find(|(of, _)| *of == path).map(|(_, keys)| *keys);
    if let Some(required) = find(REQUIRED) {
        schema["required"] = required.into();
    }
    if let Some(one) = find(ONE_OF) {
        schema["oneOf"] = one.iter().map(|key| json!({ "required": [key] })).collect();
    }
    schema
}

fn property(key: &Key, path: &str) -> Value {
    let below = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
    let mut schema = kind(&key.kind, &below);
    let about =
        if key.default.is_empty() { key.about.to_owned() } else { format!("{} Default: {}.", key.about, key.default) };
    schema["description"] = about.into();
    if let Some(default) = default(key) {
        schema["default"] = default;
    }
    schema
}

/// The default as a value, where it is one and not a description of one.
fn default(key: &Key) -> Option<Value> {
    if key.default.is_empty() {
        return None;
    }
    let parsed = toml::de::ValueDeserializer::parse(key.default).and_then(Value::deserialize);
    if let Ok(value) = parsed {
        return Some(value);
    }
    let bare = matches!(key.kind, Kind::Duration | Kind::Rate | Kind::Size | Kind::Choice(_));
    bare.then(|| key.default.into())
}

fn kind(kind: &Kind, path: &str) -> Value {
    let texts = || json!({ "type": "array", "items": { "type": "string" } });
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::List => texts(),
        Kind::ListOf(kinds) => json!({ "type": "array", "items": self::kind(&Kind::OneOf(kinds), path) }),
        Kind::TextOrList => json!({ "anyOf": [{ "type": "string" }, texts()] }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Off => json!({ "const": false }),
        Kind::Integer(low, high) if *high == i64::MAX => json!({ "type": "integer", "minimum": low }),
        Kind::Integer(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Duration => json!({ "type": "string", "examples": ["90s", "5m", "1h 30m"] }),
        Kind::Rate => json!({ "type": "string", "pattern": "^.*/.*$", "examples": ["1/s", "20/h", "5/10m"] }),
        Kind::Size => {
            json!({ "anyOf": [{ "type": "string", "examples": ["64KiB", "10MB"] }, { "type": "integer", "minimum": 0 }] })
        }
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Choices(words) => json!({ "type": "array", "items": { "enum": words } }),
        Kind::Map => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Kind::Table(keys) => table(keys, path),
        Kind::Tables(keys) => json!({ "type": "array", "items": table(keys, path) }),
        Kind::OneOf(kinds) => {
            let all: Vec<Value> = kinds.iter().map(|one| self::kind(one, path)).collect();
            json!({ "anyOf": all })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use jiff::tz::TimeZone;
    use serde_json::Value;

    use super::super::Options;
    use super::super::config;
    use super::super::job::{self, Context};
    use super::super::{CONFIG_KEYS, Config, Surroundings};
    use crate::diagnostic::{Problems, Sources};
    use crate::document::{Key, Kind, Reader, Shared, Table, syntax};
    use crate::exec::Environment;
    use crate::id::JobName;

    fn names(schema: &Value) -> Vec<&str> {
        let properties = schema["properties"].as_object().expect("a table has properties");
        let mut names: Vec<&str> = properties.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// What the readers of a file ask for: of a configuration and of a job.
    fn asked(text: &str) -> (Vec<&'static str>, Vec<&'static str>) {
        let (mut problems, mut sources) = (Problems::default(), Sources::default());
        let source = sources.add(Path::new("file"), text);
        let (parsed, _) = syntax::parse(source, text, &mut problems);
        let reader = Reader::default();
        let around = Surroundings {
            environment: Arc::new(Environment::default()),
            zone: TimeZone::UTC,
            host: "web-1".to_owned(),
        };
        let mut root = Table::root(&reader, source, text, &parsed);
        let config: Config = config::read(&mut root, None, &PathBuf::from("/"), &around);
        let options = Options::default();
        let environment = Arc::new(Environment::default());
        let commands = crate::exec::Context::new(&config.folder, &environment);
        let context = Context { config: &config, options: &options, commands, common: 0, settings: Shared::default() };
        let mut table = Table::root(&reader, source, text, &parsed);
        let _ = job::take(&JobName::new("probe"), Path::new("probe"), text, &mut table, &context);
        (root.asked(), table.asked())
    }

    #[test]
    fn the_schemas_have_the_keys_that_the_readers_ask_for() {
        let (config, job) = asked(job::PROBE);
        assert_eq!(names(&super::config()), config);
        assert_eq!(names(&super::job()), job);
    }

    /// Each key that has a default as a value, written at that default, in the table of this name too.
    fn written(keys: &[Key], tables: &[&str]) -> String {
        let mut text = String::new();
        for key in keys {
            if super::default(key).is_some() {
                let toml = toml::de::ValueDeserializer::parse(key.default).is_ok();
                let value = if toml { key.default.to_owned() } else { format!("{:?}", key.default) };
                text += &format!("{} = {value}\n", key.name);
            }
        }
        for key in keys.iter().filter(|key| tables.contains(&key.name)) {
            let Kind::Table(keys) = key.kind else { panic!("{} is a table", key.name) };
            text += &format!("[{}]\n{}", key.name, written(keys, &[]));
        }
        text
    }

    #[test]
    fn a_file_that_writes_each_default_says_the_same_as_one_that_is_silent() {
        let options = Options::default();
        let environment = Arc::new(Environment::default());
        let job = |text: &str| {
            let (mut problems, mut sources) = (Problems::default(), Sources::default());
            let source = sources.add(Path::new("file"), text);
            let (parsed, _) = syntax::parse(source, text, &mut problems);
            let reader = Reader::default();
            let around =
                Surroundings { environment: Arc::clone(&environment), zone: TimeZone::UTC, host: "h".to_owned() };
            let (nothing, _) = syntax::parse(source, "", &mut problems);
            let config =
                config::read(&mut Table::root(&reader, source, "", &nothing), None, &PathBuf::from("/"), &around);
            let commands = crate::exec::Context::new(&config.folder, &environment);
            let context =
                Context { config: &config, options: &options, commands, common: 0, settings: Shared::default() };
            let mut table = Table::root(&reader, source, text, &parsed);
            let parts = job::take(&JobName::new("probe"), Path::new("probe"), text, &mut table, &context);
            let shown =
                format!("{:#?}\n{:#?}\n{:#?}\n{:#?}", parts.command, parts.schedule, parts.format, parts.notify);
            drop(table);
            let problems: Vec<_> = reader.into_problems().iter().map(|problem| problem.message.clone()).collect();
            assert_eq!(problems, [""; 0], "{text}");
            shown
        };
        let plain = "command = 'true'\nevery = '5m'\n";
        let text = format!("{plain}{}", written(&super::job_keys(), &["notify"]));
        assert!(text.lines().count() > 25, "the defaults are written: {text}");
        assert_eq!(job(&text), job(plain));

        let config = |text: &str| {
            let (mut problems, mut sources) = (Problems::default(), Sources::default());
            let source = sources.add(Path::new("file"), text);
            let (parsed, _) = syntax::parse(source, text, &mut problems);
            let reader = Reader::default();
            let around =
                Surroundings { environment: Arc::clone(&environment), zone: TimeZone::UTC, host: "h".to_owned() };
            let mut root = Table::root(&reader, source, text, &parsed);
            format!("{:#?}", config::read(&mut root, None, &PathBuf::from("/"), &around))
        };
        let text = written(CONFIG_KEYS, &["limits", "slack"]);
        assert!(text.lines().count() > 9, "the defaults are written: {text}");
        assert_eq!(config(&text), config(""));
    }

    #[test]
    fn defaults_are_the_keys_of_a_job_but_those_it_says_itself() {
        let config = super::config();
        let defaults = names(&config["properties"]["defaults"]);
        let (_, mut job) = asked(job::PROBE);
        job.retain(|key| !super::NOT_IN_DEFAULTS.contains(key));
        assert_eq!(defaults, job);
        assert_eq!(config["properties"]["defaults"]["required"], Value::Null);
    }

    /// Every key has words, and the default is of the kind that is asked for.
    #[test]
    fn everything_is_described() {
        fn look(schema: &Value, path: &str, seen: &mut usize) {
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                let about = property["description"].as_str().unwrap_or_default();
                assert!(about.len() > 5 && about.ends_with('.'), "{path}.{name}: `{about}`");
                if let (Some(words), Some(default)) = (property["enum"].as_array(), property.get("default")) {
                    assert!(words.contains(default), "{path}.{name}: {default}");
                }
                *seen += 1;
                let below = format!("{path}.{name}");
                look(property, &below, seen);
                look(&property["items"], &below, seen);
                property["anyOf"].as_array().into_iter().flatten().for_each(|one| look(one, &below, seen));
            }
        }
        let mut seen = 0;
        look(&super::job(), "job", &mut seen);
        look(&super::config(), "config", &mut seen);
        assert!(seen > 150, "only {seen} keys");
    }
}

#[cfg(test)]
#[path = "schema_walk.rs"]
mod walk;
