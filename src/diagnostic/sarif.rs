//! Problems as SARIF, which code hosts and editors take in. Pure.
//!
//! The format: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0". One log, one run; every code is
//! a rule. Paths are URIs: relative where the path is, else `file://`.

use serde_json::{Value, json};

use super::{Code, Problem, Problems, Sources, json::level};

/// Where the schema of the format is.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// One log of the problems of one configuration.
pub fn render(problems: &Problems, sources: &Sources) -> String {
    render_all(&[(problems, sources)])
}

/// One log of the problems of several configurations, each with its own files.
pub fn render_all(checked: &[(&Problems, &Sources)]) -> String {
    let results = checked
        .iter()
        .flat_map(|(problems, sources)| problems.iter().map(|problem| result(problem, sources)))
        .collect::<Vec<_>>();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": "slack-alert",
                    "version": env!("CARGO_PKG_VERSION"),
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": Code::ALL.iter().map(|code| rule(*code)).collect::<Vec<_>>(),
                },
            },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.as_str(),
        "shortDescription": { "text": code.about() },
        "help": { "text": code.explain() },
        "defaultConfiguration": { "level": level(code.severity()) },
    })
}

fn result(problem: &Problem, sources: &Sources) -> Value {
    let help = problem.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
    let text = format!("{}{help}", problem.message);
    let mut places = problem.labels.iter().map(|label| {
        let spot = sources.spot(label.place);
        let physical = json!({
            "artifactLocation": { "uri": uri(&spot.file) },
            "region": {
                "startLine": spot.start.line,
                "startColumn": spot.start.column,
                "endLine": spot.end.line,
                "endColumn": spot.end.column,
            },
        });
        (physical, label.text.clone())
    });
    let first = places.next().map(|(physical, _)| json!({ "physicalLocation": physical }));
    let others = places.enumerate().map(|(index, (physical, text))| {
        json!({ "id": index + 1, "physicalLocation": physical, "message": { "text": text } })
    });
    let rule = Code::ALL.iter().position(|code| *code == problem.code);
    json!({
        "ruleId": problem.code.as_str(),
        "ruleIndex": rule,
        "level": level(problem.severity()),
        "message": { "text": text },
        "locations": first.into_iter().collect::<Vec<_>>(),
        "relatedLocations": others.collect::<Vec<_>>(),
    })
}

/// A path as a URI reference (RFC 3986): what may not stand in one is percent-encoded.
fn uri(path: &str) -> String {
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.strip_prefix("./").unwrap_or(path).bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{render, render_all, uri};
    use crate::diagnostic::{Code, Place, Problem, Problems, Sources};

    fn parsed(text: &str) -> Value {
        serde_json::from_str(text).expect("valid JSON")
    }

    #[test]
    fn a_problem_is_a_result_with_its_places() {
        let (mut sources, mut problems) = (Sources::default(), Problems::default());
        let id = sources.add("jobs.d/my disk.toml".as_ref(), "every = \"5m\"\ncron = \"@daily\"\n");
        let problem = Problem::new(Code::ConflictingKeys, Place::new(id, 13..17), "`cron` cannot stand beside `every`");
        problems.push(problem.also(Place::new(id, 0..5), "`every` is here").help("remove one"));
        let log = parsed(&render(&problems, &sources));
        assert_eq!(log["version"], "2.1.0");
        let result = &log["runs"][0]["results"][0];
        let place = |line: u32, end: u32| {
            json!({
                "artifactLocation": { "uri": "jobs.d/my%20disk.toml" },
                "region": { "startLine": line, "startColumn": 1, "endLine": line, "endColumn": end },
            })
        };
        assert_eq!(result["message"]["text"], "`cron` cannot stand beside `every`\nhelp: remove one");
        assert_eq!(result["locations"], json!([{ "physicalLocation": place(2, 5) }]));
        let other = json!([{ "id": 1, "physicalLocation": place(1, 6), "message": { "text": "`every` is here" } }]);
        assert_eq!(result["relatedLocations"], other);
        let rules = &log["runs"][0]["tool"]["driver"]["rules"];
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("a number")).expect("a small one");
        assert_eq!((&rules[index]["id"], &result["level"]), (&json!("conflicting-keys"), &json!("error")));
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }

    #[test]
    fn several_configurations_are_one_log() {
        let (mut sources, mut problems) = (Sources::default(), Problems::default());
        let id = sources.add("a.toml".as_ref(), "x");
        problems.push(Problem::new(Code::UnknownKey, Place::new(id, 0..1), "xoxb-1-secret"));
        let log = render_all(&[(&problems, &sources), (&problems, &sources), (&Problems::default(), &sources)]);
        assert_eq!(parsed(&log)["runs"][0]["results"].as_array().map(Vec::len), Some(2));
        assert!(!log.contains("secret\""), "{log}");
    }

    #[test]
    fn paths_are_uris() {
        for (path, shown) in [
            ("jobs.d/disk.toml", "jobs.d/disk.toml"),
            ("./a b.toml", "a%20b.toml"),
            ("/etc/x#1.toml", "file:///etc/x%231.toml"),
            ("größe.toml", "gr%C3%B6%C3%9Fe.toml"),
            ("a:b.toml", "a%3Ab.toml"),
        ] {
            assert_eq!(uri(path), shown);
        }
    }

    proptest! {
        #[test]
        fn any_problem_makes_valid_json(path in any::<String>(), text in any::<String>(), span in 0usize..9) {
            let (mut sources, mut problems) = (Sources::default(), Problems::default());
            let id = sources.add(path.as_ref(), text.as_str());
            problems.push(Problem::new(Code::TomlSyntax, Place::new(id, span..span * 2), text.as_str()).help(text));
            let region = &parsed(&render(&problems, &sources))["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"];
            prop_assert!(region["endLine"].as_u64() >= region["startLine"].as_u64());
            prop_assert!(region["startColumn"].as_u64() >= Some(1));
        }
    }
}
