use std::time::Duration;

use serde_json::json;

use super::{Condition, Conditions};
use crate::diagnostic::{Code, Place, Sources};
use crate::document::{Reader, Table};
use crate::exec::{Captured, Ending, MASK, Outcome, Output, Parse, Perfdata, Reason, Redactor, Status, Unmasked};

fn came(json: serde_json::Value, stdout: &str, code: i32) -> Outcome {
    let mut outcome = Outcome::status_only(Status::Ok, jiff::Timestamp::UNIX_EPOCH);
    outcome.json = Some(json);
    outcome.ending = Ending::Exited { code };
    outcome.took = Duration::from_micros(2_500_042);
    outcome.output.stdout = Captured { head: stdout.as_bytes().to_vec(), ..Captured::default() };
    outcome
}

fn judged(text: &str, outcome: Outcome) -> Outcome {
    let list = vec![Condition { text: text.into(), status: Status::Critical }];
    Conditions { list }.judge(outcome, None)
}

#[test]
fn a_condition_that_holds_is_named_with_its_values() {
    for (text, detail) in [
        ("json.queue > 1000", "json.queue > 1000 (it is 1,204)"),
        (
            "json.queue > 9999 or json.status != 'ok'",
            "json.queue > 9999 or json.status != 'ok' (json.queue is 1,204, json.status is \"down\")",
        ),
        // The second part was not looked at.
        (
            "json.status != 'ok' or json.queue > 9999",
            "json.status != 'ok' or json.queue > 9999 (json.status is \"down\")",
        ),
        ("not json.up", "not json.up (it is false)"),
        ("'ERROR' in stdout", "'ERROR' in stdout (it is \"an ERROR came\")"),
        ("stdout | length > 5", "stdout | length > 5 (it is 13)"),
        ("duration > 2", "duration > 2 (it is 2.5)"),
        ("exit_code == 0", "exit_code == 0 (it is 0)"),
        ("json.items[0].age >= 3", "json.items[0].age >= 3 (it is 3)"),
        (
            "json.ratio < 0.5 and json.up == false",
            "json.ratio < 0.5 and json.up == false (json.ratio is 0.25, json.up is false)",
        ),
        ("json.absent is undefined", "json.absent is undefined (it is missing)"),
        ("json.absent.n is undefined", "json.absent.n is undefined (it is missing)"),
        ("json.absent.n | default(7) > 5", "json.absent.n | default(7) > 5 (it is 7)"),
        ("json.up is false", "json.up is false (it is false)"),
        (
            "json.queue is not odd and json.up is defined",
            "json.queue is not odd and json.up is defined (json.queue is 1,204, json.up is false)",
        ),
        ("json.absent | default(7) > 5", "json.absent | default(7) > 5 (it is 7)"),
        ("1 < json.queue < 2000", "1 < json.queue < 2000 (it is 1,204)"),
        ("json.status not in ['ok', 'warn']", "json.status not in ['ok', 'warn'] (it is \"down\")"),
        ("previous is none", "previous is none (it is none)"),
        ("(json.items | first).age > 2", "(json.items | first).age > 2 (it is 3)"),
        (
            "(json.items | selectattr('age', 'equalto', 3) | first)['age'] == 3",
            "(json.items | selectattr('age', 'equalto', 3) | first)['age'] == 3 (it is 3)",
        ),
        ("-(json.queue) < 0", "-(json.queue) < 0 (it is -1,204)"),
        ("(json.queue is even) | int == 1", "(json.queue is even) | int == 1 (it is 1)"),
        ("true", "true"),
    ] {
        let json = json!({"queue": 1204, "status": "down", "up": false, "items": [{"age": 3}], "ratio": 0.25});
        let outcome = judged(text, came(json, "an ERROR came\n", 0));
        assert_eq!((outcome.status, outcome.reason), (Status::Critical, Reason::Condition), "{text}");
        assert_eq!(outcome.detail, detail, "{text}");
    }
}

#[test]
fn numbers_are_compared_with_all_their_digits_and_shown_as_they_were_written() {
    let json = serde_json::from_str(
        r#"{"free": 0.10, "card": 89445385320123456789, "pi": 3.14159265358979323846,
            "huge": 1e999, "low": -2e999, "id": 123456789012345678901234567890123456789012}"#,
    );
    let json: serde_json::Value = json.expect("JSON");
    for (text, detail) in [
        ("json.free < 0.2", "json.free < 0.2 (it is 0.10)"),
        ("json.card > 89445385320123456788", "json.card > 89445385320123456788 (it is 89,445,385,320,123,456,789)"),
        ("json.pi > 3", "json.pi > 3 (it is 3.14159265358979323846)"),
        ("json.huge > 10", "json.huge > 10 (it is 1e+999)"),
        ("json.low < 0", "json.low < 0 (it is -2e+999)"),
        ("json.id > 10", "json.id > 10 (it is 123456789012345678901234567890123456789012)"),
    ] {
        assert_eq!(judged(text, came(json.clone(), "", 0)).detail, detail, "{text}");
    }
    let mut outcome = came(json, "", 0);
    let data = |value: &str| Perfdata {
        label: "t".to_owned(),
        value: Some(value.to_owned()),
        unit: "s".to_owned(),
        warn: None,
        crit: None,
        min: None,
        max: None,
    };
    outcome.perfdata = vec![data("0,50"), data("12085620736.0")];
    for (text, detail) in [
        ("perfdata[0].value > 0.4", "perfdata[0].value > 0.4 (it is 0,50)"),
        ("perfdata[1].value > 1000", "perfdata[1].value > 1000 (it is 12085620736.0)"),
    ] {
        assert_eq!(judged(text, outcome.clone()).detail, detail, "{text}");
    }
}

/// A run whose JSON has secrets: what it came to, with what people may see of it.
fn with_secrets(host: &str, queue: u64) -> Outcome {
    let raw = json!({"host": host, "queue": queue, "user": "admin"});
    let redactor = Redactor::default().with_values(["db1.internal", "123456"]);
    let hidden = |value: serde_json::Value| match redactor.mask_str(&value.to_string()) {
        std::borrow::Cow::Owned(_) => json!(MASK),
        std::borrow::Cow::Borrowed(_) => value,
    };
    let masked = json!({"host": hidden(json!(host)), "queue": hidden(json!(queue)), "user": "admin"});
    let captured = |json: &serde_json::Value| Captured { head: json.to_string().into_bytes(), ..Captured::default() };
    let stdout = captured(&raw);
    let unmasked = Unmasked { stdout, stderr: Captured::default(), json: Some(raw), perfdata: Vec::new(), redactor };
    let outcome = came(masked.clone(), "", 0);
    let output = Output { stdout: captured(&masked), ..Output::default() };
    Outcome { output, unmasked: Some(Box::new(unmasked)), ..outcome }
}

#[test]
fn a_condition_is_about_what_came_and_shows_what_is_masked_to_nobody() {
    for (text, host, queue, status, detail) in [
        ("json.host != 'db1.internal' or json.queue > 200000", "db1.internal", 123_456, Status::Ok, ""),
        (
            "json.host == 'db1.internal'",
            "db1.internal",
            5,
            Status::Critical,
            "json.host == '[redacted]' (it is \"[redacted]\")",
        ),
        ("json.host | upper | first == 'D'", "db1.internal", 5, Status::Critical, "(it is \"[\")"),
        ("json.queue > 1000", "db1.internal", 123_456, Status::Critical, "json.queue > 1000 (it is \"[redacted]\")"),
        ("json.queue + 1 > 1000", "x", 123_456, Status::Critical, "(it is \"[redacted]\")"),
        ("'123456' in stdout", "x", 123_456, Status::Critical, "'[redacted]' in stdout"),
        ("json.host > 5", "db1.internal", 5, Status::Critical, "which is text (\"[redacted]\") cannot be compared"),
        ("json.host | float > 5", "db1.internal", 5, Status::Critical, "failed: "),
    ] {
        let outcome = judged(text, with_secrets(host, queue));
        assert_eq!(outcome.status, status, "{text}: {}", outcome.detail);
        assert!(outcome.detail.contains(detail), "{text}: {}", outcome.detail);
        let all = format!("{outcome:?}").to_lowercase();
        assert!(
            !["db1.internal", "123456", "123,456", "123457", "123,457"].iter().any(|secret| all.contains(secret)),
            "{all}"
        );
    }
}

#[test]
fn a_condition_that_does_not_hold_changes_nothing() {
    for text in [
        "json.queue > 1000",
        "json.queue == 4 and false",
        "stdout",
        "json.queue is undefined",
        "json.queue > 5 and json.absent > 5",
    ] {
        let before = came(json!({"queue": 4}), "", 0);
        assert_eq!(judged(text, before.clone()), before, "{text}");
    }
}

#[test]
fn a_condition_about_how_long_a_run_took_does_not_hold_where_that_is_not_known() {
    for (text, holds) in [
        ("duration > 30", false),
        ("duration < 30", false),
        ("not duration < 30", false),
        ("duration < 30 and json.queue > 3", false),
        ("duration | round < 30", false),
        ("(duration > 1) == (1 > 0)", false),
        ("duration > 30 or json.queue > 3", true),
        ("json.queue > 3 or duration > 30", true),
        ("not (duration > 30 and json.queue > 9)", true),
    ] {
        let outcome = Outcome { took: Duration::ZERO, ..came(json!({"queue": 4}), "", 0) };
        let judged = judged(text, outcome);
        assert_eq!(judged.status == Status::Critical, holds, "{text}: {}", judged.detail);
    }
}

/// Performance data of which the value could not be determined.
fn unknown(label: &str) -> Perfdata {
    Perfdata { label: label.to_owned(), value: None, unit: String::new(), warn: None, crit: None, min: None, max: None }
}

#[test]
fn a_condition_that_fails_is_critical_and_says_so() {
    for (text, why) in [
        ("json.queue > 1000", "`json.queue` is missing"),
        ("json.name > 1000", "`json.name`, which is text (\"x\") cannot be compared with a number 1,000"),
        ("json.none > 5", "which is nothing (none)"),
        (
            "json.none > json.null",
            "`json.none`, which is nothing (none) cannot be compared with `json.null`, which is nothing (none)",
        ),
        ("json.none >= json.null", "cannot be compared"),
        ("not json.none < json.null", "cannot be compared"),
        ("1 > json.list", "cannot be compared with `json.list`, which is a list"),
        ("json.list >= json.list", "cannot be compared"),
        ("json.list[0] <= json.list[0]", "which is a table"),
        ("json.used > json.limit", "`json.used` is missing"),
        ("json.used | default(none) >= json.limit | default(none)", "which is nothing (none)"),
        ("perfdata[0].value > perfdata[1].value", "which is nothing (none) cannot be compared"),
        (
            "json.big > json.small",
            "`json.big`, which is text (\"100\") cannot be compared with `json.small`, which is text (\"90\"): both are \
             text; write `| int` or `| float`",
        ),
        ("stdout | trim > '90%'", "both are text; write `| replace('%', '') | float`"),
        ("json.a.b.c == 1", "failed: `json.a` is missing"),
        ("json.list[3].size > 1", "failed: `json.list[3]` is missing"),
        ("json.name.first.last | length > 1", "failed: `json.name.first` is missing"),
        ("(json.absent | default(1)) + json.a.b > 1", "failed: `json.a` is missing"),
        ("(json.a.b if json.name else 0) > 1", "undefined"),
        ("range(1000000) | list | length > 5", ""),
    ] {
        let json = json!({
            "name": "x", "none": null, "null": null, "list": [{"size": 1}], "big": "100", "small": "90",
        });
        let mut outcome = came(json, " 100%\n", 0);
        outcome.perfdata = vec![unknown("used"), unknown("limit")];
        let outcome = judged(text, outcome);
        assert_eq!((outcome.status, outcome.reason), (Status::Critical, Reason::Condition), "{text}");
        assert!(outcome.detail.starts_with(&format!("the condition `{text}` failed: ")), "{}", outcome.detail);
        assert!(outcome.detail.contains(why), "{text}: {}", outcome.detail);
    }
}

#[test]
fn a_condition_raises_and_never_lowers() {
    let both = Conditions {
        list: vec![
            Condition { text: "json.queue > 100".into(), status: Status::Critical },
            Condition { text: "json.queue > 10".into(), status: Status::Warning },
        ],
    };
    for (queue, was, is) in [
        (5, Status::Ok, Status::Ok),
        (50, Status::Ok, Status::Warning),
        (500, Status::Ok, Status::Critical),
        (500, Status::Warning, Status::Critical),
        (50, Status::Unknown, Status::Unknown),
        (500, Status::Unknown, Status::Critical),
    ] {
        let outcome = Outcome { status: was, ..came(json!({ "queue": queue }), "", 0) };
        assert_eq!(both.judge(outcome, None).status, is, "{queue} {was:?}");
    }
    let skipped = Outcome { skipped: true, ..came(json!({ "queue": 500 }), "", 75) };
    assert_eq!(both.judge(skipped.clone(), None), skipped);
    let killed = Outcome { status: Status::Critical, reason: Reason::Signal, ..came(json!({}), "", 0) };
    assert_eq!(both.judge(killed.clone(), None), killed);
}

#[test]
fn what_is_wrong_with_an_expression_is_shown_where_it_is() {
    for (text, place, says) in [
        ("json.queue >", None, ""),
        ("jsn.queue > 1", Some("jsn"), "did you mean `json`?"),
        ("status == 'ok'", Some("status"), "a condition does not know `status`"),
        ("json.queue | lenght > 1", Some("lenght"), "did you mean `length`?"),
        ("perfdata | length > 1", Some("perfdata"), "parse = \"perfdata\""),
        ("", None, "the expression is empty"),
        ("{{ json.queue }} > 1", None, "without braces"),
        ("json.queue = 1", None, "compared with `==`"),
        (
            "host",
            Some("host"),
            "a condition can look at `json`, `stdout`, `stderr`, `exit_code`, `duration`, `previous`",
        ),
        ("statuss == 'ok'", Some("statuss"), "a condition does not know `statuss` / a condition can look at"),
        ("exit_code == '2'", Some("'2'"), "`exit_code` is a number, and is compared with text"),
    ] {
        let file = format!("critical_when = {}\n", serde_json::Value::from(text));
        let parsed = toml::de::DeTable::parse(&file).expect("valid TOML").into_inner();
        let reader = Reader::default();
        let mut sources = Sources::default();
        let source = sources.add("job.toml".as_ref(), file.as_str());
        let mut table = Table::root(&reader, source, &file, &parsed);
        assert_eq!(super::read_conditions(&mut table, Some(Parse::Json)), None, "{text}");
        let problems = reader.take_problems();
        let problem = problems.iter().next().expect("it is refused");
        let words = format!("{} / {}", problem.message, problem.help.as_deref().unwrap_or_default());
        assert_eq!(problem.code, Code::InvalidExpression, "{text}");
        assert!(words.contains(says), "{text}: {words}");
        let at = problem.place().map(Place::span).expect("it has a place");
        if let Some(place) = place {
            assert_eq!(&file[at], place, "{text}");
        }
    }
}

#[test]
fn what_is_right_is_taken() {
    for text in [
        "json.queue > 1000",
        "stdout | int > 5",
        "json.x is defined and json.x",
        "json.list | map(attribute='a') | max > 3",
        "duration > 30 or 'WARN' in stderr",
        "previous and previous.finished + 60 < 5",
        "duration | round > 3",
    ] {
        let file = format!("warning_when = {}\n", serde_json::Value::from(text));
        let parsed = toml::de::DeTable::parse(&file).expect("valid TOML").into_inner();
        let reader = Reader::default();
        let source = Sources::default().add("job.toml".as_ref(), "");
        let mut table = Table::root(&reader, source, &file, &parsed);
        let read = super::read_conditions(&mut table, Some(Parse::Json));
        assert!(read.is_some_and(|read| !read.is_empty()), "{text}: {:?}", reader.take_problems());
    }
}

#[test]
fn what_a_condition_does_not_see_of_a_long_output_is_noted() {
    let long = || {
        let mut outcome = came(json!({}), "first", 0);
        outcome.output.stdout = Captured { tail: b"last".to_vec(), dropped: 99, ..outcome.output.stdout };
        outcome
    };
    let note = "no condition sees the middle of stdout: 99 bytes are dropped (`max_output`)";
    for (text, notes) in [("'ERROR' in stdout", vec![note]), ("exit_code == 5 or 'x' in stderr", vec![])] {
        let outcome = judged(text, long());
        assert_eq!(
            (outcome.status, outcome.directives.notes),
            (Status::Ok, notes.iter().map(ToString::to_string).collect())
        );
    }
    assert!(judged("'ERROR' in stdout", came(json!({}), "all", 0)).directives.notes.is_empty());
}
