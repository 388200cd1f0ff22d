//! What the end of an attempt means: status, reason, and what there is to say about its output.
//!
//! Before it: how a process ended and what it wrote, unmasked. After it: `duct`, which makes the outcome of it. Pure.
//! Invariant: `fail_on` and `parse` see the output as it was; what is handed on is masked, but for what conditions look at.

use std::time::Duration;

use jiff::Timestamp;
use regex::bytes::Regex;
use serde_json::Value;

use super::capture::redact::Redactor;
use super::capture::visible::clean;
use super::capture::{directives, json, output, perfdata};
use super::keys::Command;
use super::keys::exit_codes::{Exit, Meaning};
use super::keys::output::Parse;
use super::outcome::{Beyond, Captured, Directives, Ending, Outcome, Output, Perfdata, Reason, Status, Unmasked};
use crate::diagnostic::mask;

/// What the end of an attempt means.
#[derive(Debug)]
pub(super) struct Assessment {
    pub(super) status: Status,
    pub(super) reason: Reason,
    pub(super) skipped: bool,
    pub(super) detail: String,
    pub(super) ending: Ending,
    pub(super) output: Output,
    pub(super) json: Option<Value>,
    pub(super) perfdata: Vec<Perfdata>,
    pub(super) directives: Directives,
    pub(super) unmasked: Option<Box<Unmasked>>,
}

/// When a run was, and how long it took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) started: Timestamp,
    pub(super) finished: Timestamp,
    pub(super) took: Duration,
    pub(super) attempts: u32,
    pub(super) leaked: bool,
}

impl Assessment {
    /// The outcome of a run of which this is the last attempt.
    pub(super) fn into_outcome(self, times: Times) -> Outcome {
        let Self { status, reason, skipped, detail, ending, output, json, perfdata, directives, unmasked } = self;
        let Times { started, finished, took, attempts, leaked } = times;
        Outcome {
            status,
            reason,
            ending,
            skipped,
            detail,
            started,
            finished,
            took,
            attempts,
            output,
            json,
            perfdata,
            directives,
            unmasked,
            leaked,
        }
    }
}

/// Assesses an attempt; what is handed on is masked by `redactor`.
pub(super) fn assess(command: &Command, redactor: &Redactor, ending: Ending, mut output: Output) -> Assessment {
    let directives = match command.output.directives {
        true => directives::take(&mut output, redactor),
        false => Directives::default(),
    };
    let (mut status, mut reason, skipped) = judge(command, &ending);
    let well = status == Status::Ok && !skipped;
    let parsed = (command.output.parse == Some(Parse::Json) && !skipped).then(|| parse_json(&output.stdout));
    let stated = directives.status.filter(|stated| *stated != status && may_state(status, reason, skipped));
    let unclear = directives.unclear && !skipped && stated.unwrap_or(status).badness() < Status::Unknown.badness();
    let may_worsen = stated.unwrap_or(status) != Status::Critical;
    let no_json = parsed.as_ref().and_then(|parsed| parsed.as_ref().err()).filter(|_| may_worsen).cloned();
    let critical = well.then(|| found(command, &output)).flatten().or(no_json).map(|fault| (Status::Critical, fault));
    let fault = critical.or_else(|| match (unclear, stated) {
        (true, _) => Some((Status::Unknown, "the script states a status that is none".to_owned())),
        (false, stated) => stated.map(|stated| (stated, format!("the script says {}", stated.as_str()))),
    });
    if let Some((found, _)) = &fault {
        (status, reason) = (*found, Reason::Output);
    }
    let mut json = parsed.and_then(Result::ok);
    let perfdata = |output: &Output| match command.output.parse {
        // As it is shown: what a terminal code hides parts no word, and no secret, in two.
        Some(Parse::Perfdata) => Some(perfdata::parse(&clean(&output.stdout.head))),
        _ => None,
    };
    let mut unmasked = None;
    if !redactor.is_empty() {
        let masked = json.is_some().then(|| redactor.mask_json(&json::text(&output.stdout.head)));
        let json = std::mem::replace(&mut json, masked);
        unmasked = command.output.conditions.then(|| {
            let (stdout, stderr) = (output.stdout.clone(), output.stderr.clone());
            let perfdata = perfdata(&output).map(|parsed| parsed.items).unwrap_or_default();
            Box::new(Unmasked { stdout, stderr, json, perfdata, redactor: redactor.clone() })
        });
        output::mask(&mut output, redactor);
    }
    let mut directives = directives;
    let parsed = perfdata(&output);
    directives.notes.extend(parsed.iter().flat_map(perfdata::Found::notes));
    let perfdata = parsed.map(|parsed| parsed.items).unwrap_or_default();
    let ending = match ending {
        // A token in the place of a user or a path is quoted there.
        Ending::NotStarted { error } => {
            Ending::NotStarted { error: mask::secrets(&redactor.mask_str(&error)).into_owned() }
        }
        ending => ending,
    };
    let detail = fault.map_or(String::new(), |(_, fault)| redactor.mask_str(&fault).into_owned());
    Assessment { status, reason, skipped, detail, ending, output, json, perfdata, directives, unmasked }
}

/// Whether a directive may say what the run means: of one that exited, whatever its code; never of one that timed out, was
/// killed, was stopped or did not start, for then the script did not come to its end.
fn may_state(status: Status, reason: Reason, skipped: bool) -> bool {
    !skipped && (reason == Reason::Exit || (reason == Reason::Signal && status == Status::Ok))
}

/// The outcome of a run that did not happen: as if the command had ended so and written this.
pub fn assumed(command: &Command, ending: Ending, output: Output, started: Timestamp, took: Duration) -> Outcome {
    let finished = crate::clock::shift(started, took);
    assess(command, command.redactor(), ending, output).into_outcome(Times {
        started,
        finished,
        took,
        attempts: 1,
        leaked: false,
    })
}

/// What the ending alone says.
fn judge(command: &Command, ending: &Ending) -> (Status, Reason, bool) {
    let (exit, reason) = match ending {
        Ending::Exited { code } => (Exit::Code(*code), Reason::Exit),
        Ending::Signaled { signal } => (Exit::Signal(*signal), Reason::Signal),
        Ending::TimedOut { .. } => return (Status::Critical, Reason::Timeout, false),
        Ending::NotStarted { .. } => return (Status::Critical, Reason::Spawn, false),
        Ending::Interrupted | Ending::CutOff { .. } | Ending::Lost { .. } => {
            return (Status::Critical, Reason::Interrupted, false);
        }
        Ending::Reported { ok } => {
            return (if *ok { Status::Ok } else { Status::Critical }, Reason::Exit, false);
        }
        Ending::Missing { .. } | Ending::Unfinished { .. } => return (Status::Critical, Reason::Missing, false),
    };
    match command.exit_codes.meaning(exit) {
        Meaning::Status(status) => (status, reason, false),
        Meaning::Skip => (Status::Ok, reason, true),
    }
}

/// What `fail_on` finds, in a sentence.
fn found(command: &Command, output: &Output) -> Option<String> {
    let matches = |pattern: &Option<Regex>, captured: &Captured, beyond: &Beyond, name: &str| {
        let pattern = pattern.as_ref()?;
        // The tail of what fits is empty: an expression that matches nothing at all has met it in the head.
        let kept = || pattern.is_match(&captured.head) || pattern.is_match(&captured.tail);
        let found = beyond.matched.unwrap_or_else(kept);
        found.then(|| format!("{name} matched `{}`", pattern.as_str()))
    };
    matches(&command.output.fail_on_stdout, &output.stdout, &output.beyond[0], "stdout")
        .or_else(|| matches(&command.output.fail_on_stderr, &output.stderr, &output.beyond[1], "stderr"))
}

/// What is read of output by `parse`.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// stdout as JSON, where it is.
    pub json: Option<Value>,
    /// Performance data.
    pub perfdata: Vec<Perfdata>,
}

/// Reads what was kept of the stdout of an earlier run. It was masked when it was kept.
pub fn read_again(parse: Option<Parse>, stdout: &Captured) -> Parsed {
    match parse {
        Some(Parse::Json) => Parsed { json: parse_json(stdout).ok(), ..Parsed::default() },
        Some(Parse::Perfdata) => Parsed { perfdata: perfdata::parse(&clean(&stdout.head)).items, ..Parsed::default() },
        None => Parsed::default(),
    }
}

fn parse_json(stdout: &Captured) -> Result<Value, String> {
    if stdout.dropped > 0 {
        return Err("stdout is not JSON that can be read: it is longer than `max_output`".to_owned());
    }
    if stdout.is_blank() {
        return Err("stdout is not JSON: it is empty".to_owned());
    }
    json::read(&stdout.head)
}

#[cfg(test)]
mod tests {
    use super::super::keys::tests::read_one;
    use super::super::outcome::{Captured, Ending, Output};
    use super::assess;

    fn assessed(keys: &str, ending: Ending, stdout: &str) -> super::Assessment {
        let captured = Captured { head: stdout.into(), ..Captured::default() };
        let output = Output { stdout: captured.clone(), both: captured, ..Output::default() };
        let command = read_one(&format!("command = 'x'\n{keys}"));
        assess(&command, command.redactor(), ending, output)
    }

    /// Status, reason, detail.
    fn told(keys: &str, code: i32, stdout: &str) -> String {
        let a = assessed(keys, Ending::Exited { code }, stdout);
        let skipped = if a.skipped { " skipped" } else { "" };
        format!("{} {}{skipped} {}", a.status.as_str(), a.reason.as_str(), a.detail).trim_end().to_owned()
    }

    #[test]
    fn output_can_make_an_ok_run_critical() {
        for (keys, code, stdout, expected) in [
            ("", 0, "anything", "ok exit"),
            ("fail_on = { stdout = 'ERROR' }", 0, "all well", "ok exit"),
            ("fail_on = { stdout = '^ERROR' }", 0, "first\nERROR x", "critical output stdout matched `^ERROR`"),
            ("fail_on = { stdout = 'ERR \\d$' }", 0, "ERR 1\r\nend\r\n", "critical output stdout matched `ERR \\d$`"),
            ("fail_on = { stdout = 'ERROR' }", 3, "ERROR", "critical exit"),
            ("fail_on = { stdout = 'ERROR' }\nexit_codes = { warning = [3] }", 3, "ERROR", "warning exit"),
            ("fail_on = { stdout = 'ERROR' }\nexit_codes = { skip = [3] }", 3, "ERROR", "ok exit skipped"),
            ("fail_on = { stderr = 'ERROR' }", 0, "ERROR", "ok exit"),
            ("parse = 'json'", 0, "{\"a\": 1}", "ok exit"),
            ("parse = 'json'", 0, "", "critical output stdout is not JSON: it is empty"),
            (
                "parse = 'json'",
                0,
                "{\n\"a\": }",
                "critical output stdout is not JSON: expected value at line 2 column 6",
            ),
            ("parse = 'json'", 1, "not json", "critical exit"),
            ("parse = 'json'", 0, "\u{feff}{}", "ok exit"),
            ("parse = 'json'", 0, r#"{"v": "\ud83d"}"#, "ok exit"),
            (
                "parse = 'json'",
                0,
                "\x1b[32m{}\x1b[0m",
                "critical output stdout is not JSON: a colour code (ESC) stands at line 1 column 1",
            ),
            ("parse = 'json'\nexit_codes = 'nagios'", 1, "", "critical output stdout is not JSON: it is empty"),
            ("parse = 'json'\nexit_codes = 'nagios'", 1, "{}", "warning exit"),
            ("parse = 'json'\nexit_codes = 'nagios'", 3, "", "critical output stdout is not JSON: it is empty"),
            ("parse = 'json'\nexit_codes = { skip = [3] }", 3, "", "ok exit skipped"),
        ] {
            assert_eq!(told(keys, code, stdout), expected, "{keys} {code} {stdout}");
        }
    }

    #[test]
    fn a_directive_says_what_an_exit_means_and_mends_nothing_else() {
        let said = "text\n::slack-alert status=warning\n";
        for (keys, code, stdout, expected) in [
            ("directives = true", 0, said, "warning output the script says warning"),
            ("directives = true", 2, "::slack-alert status=ok", "ok output the script says ok"),
            ("directives = true", 2, "::slack-alert status=critical", "critical exit"),
            ("directives = true", 0, "::slack-alert status=WARNING", "warning output the script says warning"),
            (
                "directives = true",
                0,
                "::slack-alert status=crit",
                "unknown output the script states a status that is none",
            ),
            ("directives = true", 2, "::slack-alert status=crit", "critical exit"),
            (
                "directives = true",
                0,
                "::slack-alert status=critical\n::slack-alert status=x",
                "critical output the script says critical",
            ),
            ("directives = true", 0, "::slack-alert status=x\n::slack-alert status=ok", "ok exit"),
            ("", 0, said, "ok exit"),
            ("directives = true\nexit_codes = { skip = [3] }", 3, said, "ok exit skipped"),
            ("directives = true\nfail_on = { stdout = 'text' }", 0, said, "critical output stdout matched `text`"),
            ("directives = true\nfail_on = { stdout = 'slack' }", 0, "::slack-alert title=x", "ok exit"),
            ("directives = true\nparse = 'json'", 0, "::slack-alert title=x\n{}", "ok exit"),
            ("directives = true\nparse = 'json'", 2, "::slack-alert status=ok\n{}", "ok output the script says ok"),
            (
                "directives = true\nparse = 'json'",
                2,
                "::slack-alert status=ok",
                "critical output stdout is not JSON: it is empty",
            ),
        ] {
            assert_eq!(told(keys, code, stdout), expected, "{keys} {code} {stdout}");
        }
        let ends = [
            Ending::Signaled { signal: 9 },
            Ending::TimedOut { after: std::time::Duration::from_secs(1), killed: false },
            Ending::NotStarted { error: String::new() },
            Ending::Interrupted,
        ];
        for ending in ends {
            let a = assessed("directives = true", ending, "::slack-alert status=ok\n");
            assert_eq!((a.status, a.output.stdout.head.len()), (super::Status::Critical, 0));
        }
    }

    #[test]
    fn the_json_of_a_failure_is_read() {
        let a = assessed("parse = 'json'", Ending::Exited { code: 2 }, r#"{"why": "disk"}"#);
        assert_eq!(a.json.map(|json| json["why"].clone()), Some("disk".into()));
    }

    #[test]
    fn the_rules_see_everything_and_nothing_masked_leaves() {
        let keys = "redact = ['hunter2']\nfail_on = { stdout = 'pw=hunter2' }";
        let a = assessed(keys, Ending::Exited { code: 0 }, "pw=hunter2\n");
        assert_eq!(a.detail, "stdout matched `pw=[redacted]`");
        assert_eq!(a.output.stdout.head, b"pw=[redacted]\n");
        assert_eq!(a.output.both.head, b"pw=[redacted]\n");
        let a = assessed("redact = 'hunter2'\nparse = 'json'", Ending::Exited { code: 0 }, r#"["hunter2"]"#);
        assert_eq!(a.json, Some(serde_json::json!(["[redacted]"])));
        let a = assessed("redact = 'hunter2'\nparse = 'perfdata'", Ending::Exited { code: 0 }, "ok | hunter2=1");
        assert_eq!(a.perfdata[0].label, "[redacted]");
        let ending = Ending::NotStarted { error: "program `hunter2` not found".to_owned() };
        let a = assessed("redact = 'hunter2'", ending, "");
        assert_eq!(a.ending, Ending::NotStarted { error: "program `[redacted]` not found".to_owned() });
    }
}
