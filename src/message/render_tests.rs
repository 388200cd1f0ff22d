//! Messages as people see them, and the laws that no output can break.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::{Rendered, own_words, render, whole_output};
use crate::diagnostic::{Problems, Sources};
use crate::document::{Reader, Table, syntax};
use crate::exec::{Captured, Directives, Ending, Outcome, Output, Perfdata, Reason, Status};
use crate::id::{JobName, RunId};
use crate::message::{Format, JobFacts, Notice, Occasion, Templates, format, read_templates, samples};
use crate::policy::{Ended, Event, Expected, Hang, Incident, LastRun, LeftOut, Suppressed, Update};
use crate::slack::limits::{ALL_BLOCKS, PLAIN};
use crate::slack::{units, weight};

/// The settings that a job file with this text has.
fn format_of(job: &str) -> Format {
    let text = format!("{job}\n[templates]\nshort = \"*{{{{ job.name }}}}* {{{{ stdout }}}}\"\n");
    let id = Sources::default().add("job.toml".as_ref(), text.as_str());
    let mut problems = Problems::default();
    let (table, _) = syntax::parse(id, &text, &mut problems);
    let reader = Reader::default();
    let mut root = Table::root(&reader, id, &text, &table);
    let templates = read_templates(&mut root);
    let format = format::read(&mut root, &templates);
    let problems = reader.into_problems();
    assert!(problems.is_empty(), "{job}: {problems:?}");
    format
}

fn plain() -> Format {
    Format::plain(&Templates::default())
}

/// The first sample of an event.
fn sample(event: Event) -> Notice {
    samples().into_iter().find(|notice| notice.event == event).expect("there is a sample of every event")
}

fn with(notice: Notice, change: impl FnOnce(&mut Outcome)) -> Notice {
    let Occasion::Run { run, outcome } = notice.occasion else { return notice };
    let mut outcome = (*outcome).clone();
    change(&mut outcome);
    Notice { status: outcome.status, occasion: Occasion::Run { run, outcome: Arc::new(outcome) }, ..notice }
}

fn captured(text: &[u8]) -> Captured {
    Captured { head: text.to_vec(), ..Captured::default() }
}

fn wrote(notice: Notice, stdout: &[u8], stderr: &[u8]) -> Notice {
    with(notice, |outcome| {
        let both = captured(&[stdout, stderr].concat());
        outcome.output = Output { stdout: captured(stdout), stderr: captured(stderr), both, ..Output::default() };
    })
}

fn rendered(notice: &Notice, format: &Format) -> Rendered {
    render(notice, format).expect("there is something to say")
}

/// A message as lines: what kind of block, and what it says.
fn transcript(rendered: &Rendered) -> String {
    let mut lines = format!("color {}\n", rendered.color.as_deref().unwrap_or("none"));
    for block in &rendered.blocks {
        let kind = block["type"].as_str().unwrap_or_default();
        let mut texts = Vec::new();
        collect(block, "text", &mut texts);
        collect(block, "url", &mut texts);
        writeln!(lines, "{kind} {}", texts.join(" | ").replace('\n', "\\n")).expect("a string");
    }
    lines
}

fn collect(value: &Value, key: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(text)) = map.get(key) {
                found.push(text.clone());
            }
            map.iter().for_each(|(_, inner)| collect(inner, key, found));
        }
        Value::Array(list) => list.iter().for_each(|inner| collect(inner, key, found)),
        _ => {}
    }
}

/// The sentence of a message's first line.
fn first_line(notice: &Notice) -> String {
    let text = rendered(notice, &plain()).text;
    text.lines().next().unwrap_or_default().to_owned()
}

const WHERE: &str = "web-1 · every 5m · Nightly dump";

#[test]
fn a_recovery_says_of_which_job_it_is_where_its_title_does_not() {
    for (title, below) in [
        ("The nightly thing", "db/backup · web-1"),
        ("{{ stdout }}", "db/backup · web-1"),
        ("back: {{ job.name }}", "web-1"),
    ] {
        let message = rendered(&sample(Event::Recovery), &format_of(&format!("message.title = '{title}'")));
        let context = message.blocks.last().map(|block| block["elements"][0]["text"].clone());
        assert_eq!(context, Some(below.into()), "{title}");
    }
}

#[test]
fn what_the_script_says_itself_goes_first_and_is_obeyed_by_nobody() {
    let said = |event| {
        let notice = with(sample(event), |outcome| {
            outcome.status = if event == Event::Output { Status::Ok } else { Status::Warning };
            outcome.directives = Directives {
                title: Some("Disk <!channel> & *co*".to_owned()),
                fields: vec![("Free <b>".to_owned(), "12 GB <https://x|y> ```".to_owned())],
                ..Directives::default()
            };
        });
        let notes = vec!["<!channel> is not pinged".to_owned()];
        Notice { asked: vec!["<!here>".to_owned()], mention: vec!["<@U024BE7LH>".to_owned()], notes, ..notice }
    };
    let shown = rendered(&said(Event::Failure), &plain());
    let first = "<!here> :large_yellow_circle: Disk &lt;!channel&gt; &amp; *co* warning: connection refused";
    assert!(shown.text.starts_with(&format!("{first}\n")), "{}", shown.text);
    let lines = transcript(&shown);
    assert!(lines.contains(&format!("section {first}")), "{lines}");
    assert!(lines.contains("*Free &lt;b&gt;*\\n12 GB &lt;https://x|y&gt;"), "{lines}");
    assert!(lines.contains("db/backup") && lines.contains("&lt;!channel&gt; is not pinged"), "{lines}");
    assert!(!lines.contains("<!channel>") && !lines.contains("U024BE7LH"), "{lines}");
    // A template is the whole of good news, but for a title and a ping that the script asks for.
    let own = format_of("template = 'all is well'\n[message]\ntitle = 'mine'");
    let shown = rendered(&said(Event::Output), &own);
    assert!(shown.text.starts_with("<!here> Disk &lt;!channel&gt; &amp; *co*\nall is well"), "{}", shown.text);
}

/// A failure that ended so, and wrote nothing.
fn silent(reason: Reason, ending: Ending) -> Notice {
    with(sample(Event::Failure), |outcome| {
        (outcome.reason, outcome.ending) = (reason, ending);
        outcome.output = Output::default();
    })
}

/// A failure of a Nagios plugin.
fn plugin(stdout: &[u8], status: Status) -> Notice {
    let failure = sample(Event::Failure);
    let job = Arc::new(JobFacts { plugin: true, ..(*failure.job).clone() });
    with(wrote(Notice { job, ..failure }, stdout, b""), |outcome| outcome.status = status)
}

#[test]
fn the_headline_of_a_failure_says_status_job_and_what_the_script_said() {
    let failure = || sample(Event::Failure);
    let after = Duration::from_secs(600);
    for (notice, line) in [
        (failure(), ":red_circle: db/backup critical: connection refused"),
        (wrote(failure(), b"half done\n", b"first\n  last words \n\n"), ":red_circle: db/backup critical: last words"),
        (wrote(failure(), b"only <stdout>\n", b" \n"), ":red_circle: db/backup critical: only &lt;stdout&gt;"),
        // What a script wrote formats nothing.
        (
            wrote(failure(), b"", b"lib/foo.rb:100:in *main* at 22:10:11, <!here> snake_case_name\n"),
            ":red_circle: db/backup critical: lib/foo.rb:\u{2060}100:in \u{2060}*\u{2060}main\u{2060}*\u{2060} at \
             22:10:11, &lt;!here&gt; snake_case_name",
        ),
        (wrote(failure(), b"", b""), ":red_circle: db/backup critical: exit code 2, no output"),
        // Words of good news are not how it is.
        (wrote(failure(), b"ok\n", b""), ":red_circle: db/backup critical: exit code 2; it wrote: ok"),
        (
            wrote(failure(), b"", b"Backup completed successfully.\n"),
            ":red_circle: db/backup critical: exit code 2; it wrote: Backup completed successfully.",
        ),
        (wrote(failure(), b"not ok 3 - disk\n", b""), ":red_circle: db/backup critical: not ok 3 - disk"),
        (wrote(failure(), b"done with errors\n", b""), ":red_circle: db/backup critical: done with errors"),
        (
            silent(Reason::Signal, Ending::Signaled { signal: 11 }),
            ":red_circle: db/backup critical: killed by SIGSEGV (exit code 139)",
        ),
        (
            wrote(silent(Reason::Timeout, Ending::TimedOut { after, killed: false }), b"a\ncopying /srv/b\n", b""),
            ":red_circle: db/backup critical: timed out after 10m; last line: copying /srv/b",
        ),
        (
            silent(Reason::Timeout, Ending::TimedOut { after, killed: true }),
            ":red_circle: db/backup critical: timed out after 10m and had to be killed",
        ),
        (
            silent(Reason::Spawn, Ending::NotStarted { error: "program `/opt/clean.sh` does not exist".to_owned() }),
            ":red_circle: db/backup critical: program `/opt/clean.sh` does not exist",
        ),
        (silent(Reason::Interrupted, Ending::Interrupted), ":red_circle: db/backup critical: interrupted while it ran"),
        (samples().remove(7), ":large_yellow_circle: db/backup warning: stdout matches \"ERROR\""),
        (
            plugin(b"LOAD WARNING - load average 8.1 on 2 cores|load1=8.1;4;8\n", Status::Warning),
            ":large_yellow_circle: db/backup warning: load average 8.1 on 2 cores",
        ),
        (
            plugin(b"DISK CRITICAL: free space: / 12 MB\nmore\n", Status::Critical),
            ":red_circle: db/backup critical: free space: / 12 MB",
        ),
    ] {
        assert_eq!(first_line(&notice), line);
    }
}

#[test]
fn the_headline_says_what_has_changed_since_the_last_message() {
    let since = sample(Event::Repeat).now.checked_sub(Duration::from_secs(4 * 3600)).expect("a time");
    let update = |update| Notice { update, ..sample(Event::Repeat) };
    let after = Duration::from_secs(600);
    let hang = Hang {
        run: RunId(812),
        process: Some(4121),
        retries: false,
        age: Duration::from_secs(11_400),
        replaced: false,
        skipped: 3,
        line: String::new(),
    };
    let retries = Hang { process: None, retries: true, ..hang.clone() };
    let flapping = |update| Notice { update, ..sample(Event::Flapping) };
    let steady = |status| {
        with(flapping(Update::FlappingEnds { status, lasted: Some(after) }), |outcome| outcome.status = status)
    };
    for (notice, line) in [
        (sample(Event::Repeat), ":red_circle: db/backup critical: connection refused"),
        (
            update(Update::Same { times: 5, since }),
            ":red_circle: db/backup still critical: same failure, 5th time in 4h",
        ),
        (update(Update::AsBefore), ":red_circle: db/backup still critical, as before: connection refused"),
        (
            update(Update::DifferentEachTime),
            ":red_circle: db/backup still critical, differently each time: connection refused",
        ),
        (
            update(Update::Different { since, was: "disk full".to_owned() }),
            ":red_circle: db/backup failing differently since 23:45: connection refused, was disk full",
        ),
        // What it says is the same: it ends in another way.
        (
            update(Update::Different { since, was: "connection refused".to_owned() }),
            ":red_circle: db/backup failing differently since 23:45 (exit code 2): connection refused",
        ),
        (
            update(Update::Worse { was: Status::Warning }),
            ":red_circle: db/backup worse: critical, was warning: connection refused",
        ),
        (
            Notice { status: Status::Warning, ..update(Update::Better { was: Status::Critical }) },
            ":large_yellow_circle: db/backup better: warning, was critical: connection refused",
        ),
        (
            Notice { status: Status::Unknown, ..update(Update::Unknown { since, was: Status::Critical }) },
            ":white_circle: db/backup state unknown since 23:45, was critical: connection refused",
        ),
        (sample(Event::Recovery), ":white_check_mark: db/backup is well again after 47m 20s, 3 failures"),
        (
            Notice {
                incident: sample(Event::Recovery).incident.map(|incident| Incident { in_a_row: false, ..incident }),
                ..sample(Event::Recovery)
            },
            ":white_check_mark: db/backup is well again after 47m 20s, 3 failures, ok in between",
        ),
        (
            Notice { status: Status::Critical, update: Update::Hangs(hang), ..sample(Event::Stuck) },
            ":red_circle: db/backup critical: still running after 3h 10m (process 4121), 3 due times passed",
        ),
        (
            Notice { status: Status::Critical, update: Update::Hangs(retries), ..sample(Event::Stuck) },
            ":red_circle: db/backup critical: has not ended after 3h 10m (no process runs now), 3 due times passed",
        ),
        (
            flapping(Update::FlappingBegins { changes: 6, took: Duration::from_secs(240), steady_after: after }),
            ":twisted_rightwards_arrows: db/backup keeps changing: 6 times in 4m; no more messages until it is steady for 10m (critical now)",
        ),
        (
            update(Update::Intermittent { failed: 3, runs: 40, since, opens: true, line: String::new() }),
            ":large_orange_circle: db/backup fails now and then: 3 of 40 runs since 23:45 (8 %): connection refused",
        ),
        (
            update(Update::Intermittent { failed: 4, runs: 50, since, opens: false, line: "disk full".to_owned() }),
            ":large_orange_circle: db/backup fails now and then: 4 of 50 runs since 23:45 (8 %): disk full",
        ),
        (
            flapping(Update::FlappingContinues { changes: 9, since }),
            ":red_circle: db/backup changed 9 times since 23:45, and is not steady yet",
        ),
        (steady(Status::Critical), ":red_circle: db/backup is steady again: critical for 10m: x"),
        (steady(Status::Ok), ":twisted_rightwards_arrows: db/backup is steady again: ok for 10m"),
        (sample(Event::Success), ":large_green_circle: db/backup ok"),
        (sample(Event::Output), ":large_green_circle: db/backup 42"),
        (wrote(sample(Event::Output), b"one\ntwo\n", b""), ":large_green_circle: db/backup"),
        (sample(Event::Change), ":large_green_circle: db/backup changed: 42, was 41"),
        (
            Notice { diff: "-41\n-42\n+43\n".to_owned(), ..sample(Event::Change) },
            ":large_green_circle: db/backup changed",
        ),
        (Notice { diff: "+43\n".to_owned(), ..sample(Event::Change) }, ":large_green_circle: db/backup changed"),
        (
            Notice { diff: "@@ -1 +1 @@\n-43\n+43 ".to_owned(), ..sample(Event::Change) },
            ":large_green_circle: db/backup changed, in blanks only",
        ),
        (
            Notice {
                diff: "@@ -1 +1 @@\n-43\n+43 \n[… more changes, not shown]".to_owned(), ..sample(Event::Change)
            },
            ":large_green_circle: db/backup changed",
        ),
    ] {
        assert_eq!(first_line(&notice), line);
    }
}

#[test]
fn lines_of_a_comparison_are_not_counted_as_those_of_the_output() {
    let diff = (1..=600).map(|n| format!("+{n}\n")).collect::<String>();
    let text = rendered(&Notice { diff, ..sample(Event::Change) }, &plain()).text;
    assert!(text.contains("+600\n```\na part of what changed\n") && !text.contains("600 lines"), "{text}");
}

#[test]
fn a_run_that_did_not_come_failed_in_no_way_of_its_own() {
    let since = sample(Event::Failure).now;
    let missing = |update: Update| {
        let notice = with(Notice { update, ..sample(Event::Repeat) }, |outcome| {
            outcome.ending = Ending::Missing { due: since, grace: Duration::from_secs(60), seen: None };
            outcome.reason = Reason::Missing;
        });
        first_line(&notice)
    };
    let was = "did not run; due 02:30, 1m of grace, never seen yet";
    let after = Notice { update: Update::Different { since, was: was.to_owned() }, ..sample(Event::Repeat) };
    for (line, begins, ends) in [
        (missing(Update::DifferentEachTime), "critical, for another cause each time: did not run; due ", "seen yet"),
        (
            missing(Update::Different { since, was: "disk full".to_owned() }),
            "critical for another cause since 03:45: did not run; due ",
            "never seen yet, was disk full",
        ),
        (first_line(&after), "failing differently since 03:45: connection refused", ", was did not run"),
    ] {
        assert!(line.contains(begins) && line.ends_with(ends), "{line}");
    }
}

#[test]
fn a_recovery_whose_output_has_changed_too_says_what_changed() {
    let changed = |diff: &str| Notice { changed: true, diff: diff.to_owned(), ..sample(Event::Recovery) };
    let one = transcript(&rendered(&changed("@@ -1 +1 @@\n-41\n+42\n"), &plain()));
    assert!(one.contains("is well again after 47m 20s, 3 failures; changed: 42, was 41"), "{one}");
    assert!(!one.contains("+42"), "nothing twice: {one}");
    let more = transcript(&rendered(&changed("@@ -1,2 +1,2 @@\n-a\n-b\n+c\n+d\n"), &plain()));
    assert!(more.contains("```\\n@@ -1,2 +1,2 @@\\n-a\\n-b\\n+c\\n+d\\n```"), "{more}");
    let same = Notice { diff: "-41\n+42\n".to_owned(), ..sample(Event::Recovery) };
    assert!(!transcript(&rendered(&same, &plain())).contains("42"), "who does not ask for changes is told of none");
}

#[test]
fn a_recovery_shows_what_its_run_printed_as_the_job_tells_good_news() {
    let news = Notice { good_news: Some(Event::Output), ..sample(Event::Recovery) };
    let line = "is well again after 47m 20s, 3 failures";
    let shown = |format: &Format| transcript(&rendered(&news, format));
    let default = shown(&plain());
    assert!(default.contains(line) && default.contains("```\\nfine\\n```"), "{default}");
    let template = shown(&format_of("template = ':floppy_disk: {{ stdout | trim }} files, {{ event }}'"));
    assert!(template.contains(line) && template.contains(":floppy_disk: fine files, output"), "{template}");
    for own in [
        "template = '{{ \"\" }}'",
        "template = 'x'\n[message.recovery]\nbody = 'as before'",
        "template = 'x'\n[message.recovery]\nblocks = '[{\"type\": \"divider\"}]'",
    ] {
        let shown = shown(&format_of(own));
        assert!(!shown.contains("fine\\n```") && !shown.contains("section x"), "{own}: {shown}");
    }
    // Blocks of all messages say of no recovery that the job is well.
    let blocks = shown(&format_of("[message]\nblocks = '[{\"type\": \"divider\"}]'"));
    assert!(blocks.contains(line) && !blocks.contains("divider"), "{blocks}");
    let bad = shown(&format_of("template = '{{ json.files }}'\nparse = 'json'"));
    assert!(bad.contains("```\\nfine\\n```") && bad.contains("left out: `template` failed"), "nothing is lost: {bad}");
}

#[test]
fn a_failure_whose_script_names_its_incident_says_which_it_is() {
    let keyed = with(sample(Event::Failure), |outcome| outcome.directives.key = Some("db_1_ <x>".to_owned()));
    let shown = transcript(&rendered(&keyed, &plain()));
    assert!(shown.contains(" · key db_1_ &lt;x&gt; · web-1"), "{shown}");
}

#[test]
fn names_and_what_scripts_and_files_say_of_a_job_format_nothing() {
    let named = |name: &str| {
        let facts = JobFacts {
            name: JobName::new(name),
            description: "copies *.bak to *.old: _never_ :fire:".to_owned(),
            ..(*sample(Event::Failure).job).clone()
        };
        let failure = with(sample(Event::Failure), |outcome| {
            outcome.directives.fields = vec![("a *b* c".to_owned(), "~1~".to_owned())];
        });
        transcript(&rendered(&Notice { job: Arc::new(facts), ..failure }, &plain()))
    };
    let shown = named("_hourly_");
    for (text, literally) in [
        ("*_hourly_*", "*\u{2060}_\u{2060}hourly\u{2060}_\u{2060}* critical"),
        ("_never_", "\u{2060}_\u{2060}never\u{2060}_\u{2060}"),
        (":fire:", ":\u{2060}fire:"),
        ("*b*", "*a \u{2217}b\u{2217} c*"),
        ("~1~", "\u{2060}~\u{2060}1\u{2060}~\u{2060}"),
    ] {
        assert!(!shown.contains(text) && shown.contains(literally), "{text}: {shown}");
    }
    assert!(named("a*b*c").contains(" *a*b*c* critical"), "a star within a word formats nothing");
    assert!(named("etl_daily_load").contains(" *etl_daily_load* critical"), "it can be copied");
}

#[test]
fn the_context_line_says_the_rest_and_nothing_twice() {
    let context = |notice: &Notice| {
        let shown = transcript(&rendered(notice, &plain()));
        shown.lines().last().unwrap_or_default().trim_start_matches("context ").to_owned()
    };
    let exit = |code| with(sample(Event::Failure), |outcome| outcome.ending = Ending::Exited { code });
    let now = sample(Event::Failure).now;
    let at = now.checked_add(Duration::from_secs(4 * 3600)).ok();
    let next = Some(Expected { why: Suppressed::RepeatNotDue, at });
    let acknowledged = Some(Expected { why: Suppressed::Acknowledged, at });
    let never = Some(Expected { why: Suppressed::RepeatNotDue, at: None });
    // The next night, by a run that takes a moment less.
    let in_a_day = now.checked_add(Duration::from_secs(24 * 3600 - 1)).ok();
    let tomorrow = Some(Expected { why: Suppressed::RepeatNotDue, at: in_a_day });
    let cron = JobFacts { schedule: "cron */5 * * * *".to_owned(), ..(*sample(Event::Failure).job).clone() };
    let well_between = sample(Event::Repeat).incident.map(|incident| Incident { in_a_row: false, ..incident });
    let timed_out = silent(Reason::Timeout, Ending::TimedOut { after: Duration::from_secs(600), killed: false });
    let schedule = "expected by cron 0 3 * * *, 2h of grace".to_owned();
    let expected = JobFacts { schedule, ..(*sample(Event::Failure).job).clone() };
    let missing = Ending::Missing { due: now, grace: Duration::from_secs(7_200), seen: None };
    for (notice, line) in [
        (
            // The headline has the grace.
            Notice { job: Arc::new(expected), ..silent(Reason::Missing, missing) },
            format!("web-1 · {} · Nightly dump", crate::slack::literal("expected by cron 0 3 * * *")),
        ),
        (exit(1), format!("exit code 1 · took 1.3s · {WHERE}")),
        (exit(127), format!("command not found (exit code 127) · took 1.3s · {WHERE}")),
        (exit(126), format!("command not executable (exit code 126) · took 1.3s · {WHERE}")),
        (exit(139), format!("SIGSEGV (exit code 139) · took 1.3s · {WHERE}")),
        (with(exit(1), |outcome| outcome.attempts = 3), format!("exit code 1 · took 1.3s, 3 attempts · {WHERE}")),
        (sample(Event::Repeat), format!("exit code 2 · 3rd failure in a row, since 02:58 · took 1.3s · {WHERE}")),
        (
            Notice { incident: well_between, ..sample(Event::Repeat) },
            format!("exit code 2 · 3rd failure since 02:58 · took 1.3s · {WHERE}"),
        ),
        (
            Notice { next, update: Update::Same { times: 2, since: now }, ..sample(Event::Repeat) },
            format!("exit code 2 · took 1.3s · next message at 07:45 unless it changes · {WHERE}"),
        ),
        (
            Notice { next: tomorrow, update: Update::Same { times: 2, since: now }, ..sample(Event::Repeat) },
            format!("exit code 2 · took 1.3s · next message at 2026-11-24 03:45 unless it changes · {WHERE}"),
        ),
        (
            Notice { next: never, update: Update::Same { times: 2, since: now }, ..sample(Event::Repeat) },
            format!("exit code 2 · took 1.3s · no message until it changes · {WHERE}"),
        ),
        (
            Notice { next: acknowledged, update: Update::Better { was: Status::Critical }, ..sample(Event::Repeat) },
            format!(
                "exit code 2 · 3rd failure in a row, since 02:58 · took 1.3s · next message if it gets worse, fails \
                 differently or recovers, or at 07:45 · {WHERE}"
            ),
        ),
        (wrote(exit(2), b"", b""), format!("took 1.3s · {WHERE}")),
        (timed_out, WHERE.to_owned()),
        (sample(Event::Success), format!("took 1.3s · {WHERE}")),
        (
            Notice { job: Arc::new(cron), ..exit(1) },
            format!("exit code 1 · took 1.3s · web-1 · {} · Nightly dump", crate::slack::literal("cron */5 * * * *")),
        ),
    ] {
        assert_eq!(context(&notice), line);
    }
}

#[test]
fn a_failure_without_a_template() {
    let stderr = (1..=30).map(|n| format!("err {n}\n")).collect::<String>();
    let notice = Notice {
        suppressed: 12,
        mention: vec!["<!here>".to_owned(), "<@U024BE7LH>".to_owned(), "<script>".to_owned()],
        ..wrote(sample(Event::Failure), b"half done\n", stderr.as_bytes())
    };
    let notice = with(notice, |outcome| outcome.leaked = true);
    let message = rendered(&notice, &plain());
    let shown = (14..=30).map(|n| format!("err {n}")).collect::<Vec<_>>().join("\\n");
    let wanted = format!(
        "color #e01e5a\n\
         section <!here> <@U024BE7LH> :red_circle: *db/backup* critical: err 30\n\
         section ```\\n{shown}\\n```\n\
         section ```\\nhalf done\\n```\n\
         context stderr: last 17 of 30 lines · a process that it left in the background has its output open: what it writes from now on is not kept · 12 alerts suppressed (`rate_limit`)\n\
         context exit code 2 · took 1.3s · {WHERE}\n"
    );
    assert_eq!(transcript(&message), wanted);
    let first = "<!here> <@U024BE7LH> :red_circle: db/backup critical: err 30\n";
    assert!(message.text.starts_with(first), "{}", message.text);
    assert!(message.text.contains("half done") && message.text.contains("12 alerts suppressed (`rate_limit`)"));
    let file = message.attachment.expect("what did not fit is attached");
    assert!(file.name == "db-backup.txt" && file.content.contains("err 1\n"), "{file:?}");
}

#[test]
fn one_line_of_output_is_in_the_headline_and_in_no_code_block() {
    let failure = rendered(&sample(Event::Failure), &plain());
    let wanted = format!(
        "color #e01e5a\nsection :red_circle: *db/backup* critical: connection refused\n\
         context exit code 2 · took 1.3s · {WHERE}\n"
    );
    assert_eq!(transcript(&failure), wanted);
    let good = rendered(&sample(Event::Output), &plain());
    let wanted = format!("color #2eb67d\nsection :large_green_circle: *db/backup* 42\ncontext took 1.3s · {WHERE}\n");
    assert_eq!(transcript(&good), wanted);
    let notice = plugin(b"DISK CRITICAL - full|/=1;2\nlong text|x=1\ny=2\n", Status::Critical);
    let shown = transcript(&rendered(&notice, &plain()));
    assert!(shown.contains("section ```\\nDISK CRITICAL - full\\nlong text\\n```"), "{shown}");
}

#[test]
fn the_end_of_a_long_line_is_there_to_its_last_character() {
    for length in (2_300..2_600).step_by(7).chain([2_470, 2_476, 2_477, 12_000, 70_000, 1_500_000]) {
        let line = format!("{} CAUSE: disk full END", "x".repeat(length));
        for (stdout, stderr) in [(line.as_str(), ""), ("", line.as_str())] {
            let notice = wrote(sample(Event::Failure), stdout.as_bytes(), stderr.as_bytes());
            let message = rendered(&notice, &plain());
            let shown = transcript(&message);
            assert!(shown.contains("xx CAUSE: disk full END\\n```"), "{length}: {shown}");
            assert!(message.text.contains("xx CAUSE: disk full END\n```"), "{length}: {}", message.text);
            let whole = shown.contains(&line);
            assert_eq!(message.attachment.is_some(), !whole, "{length}: what is cut is attached");
            check_limits(&message);
        }
    }
    for length in [300, 490, 500, 510, 2_500, 70_000] {
        let line = format!("{} CAUSE: disk full END", "&".repeat(length));
        let message = rendered(&wrote(sample(Event::Failure), b"", line.as_bytes()), &plain());
        for text in [&transcript(&message).replace("\\n", "\n"), &message.text] {
            assert!(text.contains("&amp;&amp; CAUSE: disk full END\n```"), "{length}: {text}");
        }
        check_limits(&message);
    }
}

#[test]
fn good_news_is_what_the_template_says_and_no_failure_says_it() {
    let format = format_of("template = \":floppy_disk: at *{{ stdout | trim }}* <https://x.example|here>\"");
    let good = rendered(&wrote(sample(Event::Output), b"42%\n", b""), &format);
    assert_eq!(transcript(&good), "color none\nsection :floppy_disk: at *42%* <https://x.example|here>\n");
    assert_eq!(good.text, ":floppy_disk: at *42%* <https://x.example|here>");
    for event in [Event::Failure, Event::Repeat, Event::Recovery, Event::Stuck, Event::Flapping] {
        let message = rendered(&sample(event), &format);
        assert!(message.color.is_some() && transcript(&message).contains("*db/backup*"), "{event}");
        assert!(!transcript(&message).contains("floppy") && !message.text.contains("floppy"), "{event}");
    }
}

#[test]
fn failures_and_recoveries_have_parts_of_their_own() {
    let format = format_of(
        "template = 'all is well'\nfailure_template = 'look at {{ host }}: {{ stderr | trim }}'\n[message]\n\
         actions = [{ text = 'Runbook', url = 'https://rb.example/x' }]\n\
         [message.recovery]\ntitle = 'back: {{ job.name }}'\nactions = []\n\
         [message.failure]\nfields = { Where = '{{ host }}' }",
    );
    let failure = transcript(&rendered(&sample(Event::Failure), &format));
    let wanted = format!(
        "color #e01e5a\nsection :red_circle: *db/backup* critical: connection refused\n\
         section look at web-1: connection refused\nsection *Where*\\nweb-1\n\
         context exit code 2 · took 1.3s · {WHERE}\nactions Runbook | https://rb.example/x\n"
    );
    assert_eq!(failure, wanted);
    assert!(transcript(&rendered(&sample(Event::Repeat), &format)).contains("look at web-1"));
    let recovery = transcript(&rendered(&sample(Event::Recovery), &format));
    let wanted = "color #2eb67d\n\
                  section :white_check_mark: *back: db/backup* is well again after 47m 20s, 3 failures\ncontext web-1\n";
    assert_eq!(recovery, wanted);
    let blank = format_of("failure_template = ' '");
    let shown = transcript(&rendered(&wrote(sample(Event::Failure), b"", b"a\nb\n"), &blank));
    assert!(shown.contains("```\\na\\nb\\n```"), "a blank body hides no output: {shown}");
    let blocks = format_of("[message]\nblocks = '[{\"type\": \"divider\"}]'\n[message.failure]\nbody = 'mine'");
    assert!(transcript(&rendered(&sample(Event::Output), &blocks)).contains("divider"));
    assert!(transcript(&rendered(&sample(Event::Failure), &blocks)).contains("section mine"));
}

#[test]
fn a_run_that_takes_long_takes_nothing_that_is_written_for_failures() {
    let format = format_of(
        "template = 'well: {{ stdout }}'\nfailure_template = 'failed {{ incident.failures }} times'\n[message]\n\
         actions = [{ text = 'Runbook', url = 'https://rb.example/x' }]\n[message.failure]\ntitle = '{{ host }} is broken'",
    );
    let message = rendered(&sample(Event::Slow), &format);
    let shown = transcript(&message);
    assert!(shown.contains("takes longer than") && shown.contains("actions Runbook"), "{shown}");
    assert!(!["well: ", "failed", "broken"].iter().any(|words| shown.contains(words)), "{shown}");
    assert!(message.left_out.is_empty(), "{:?}", message.left_out);
}

#[test]
fn a_line_of_entities_keeps_its_end_in_the_headline_and_in_the_plain_text() {
    let line = format!("<error> {} the disk is full", "&<>".repeat(80));
    let message = rendered(&wrote(sample(Event::Failure), b"", line.as_bytes()), &plain());
    let headline = message.blocks[0]["text"]["text"].as_str().expect("a headline");
    assert!(headline.contains("critical: &lt;error&gt; &amp;") && headline.ends_with("the disk is full"), "{headline}");
    let first = message.text.lines().next().unwrap_or_default();
    assert!(first.contains("&lt;error&gt; &amp;") && first.ends_with("&gt; the disk is full"), "{first}");
    let both = format!("{} first end", "&".repeat(270));
    let was = format!("{} second end", "<".repeat(265));
    let update = Update::Different { since: sample(Event::Failure).now, was };
    let notice = Notice { update, event: Event::Repeat, ..wrote(sample(Event::Failure), b"", both.as_bytes()) };
    let message = rendered(&notice, &plain());
    let headline = message.blocks[0]["text"]["text"].as_str().expect("a headline");
    assert!(headline.contains("failing differently since") && headline.ends_with("second end"), "{headline}");
    assert!(units(headline) <= 3_000);
}

#[test]
fn a_long_title_leaves_room_for_what_happened() {
    let format = format_of(&format!("[message]\ntitle = '{}'", "t".repeat(4_000)));
    let text =
        |event| rendered(&sample(event), &format).blocks[0]["text"]["text"].as_str().unwrap_or_default().to_owned();
    let (failure, recovery) = (text(Event::Failure), text(Event::Recovery));
    assert!(failure.ends_with("…* critical: connection refused"), "{failure}");
    assert!(recovery.ends_with("…* is well again after 47m 20s, 3 failures"), "{recovery}");
}

#[test]
fn a_part_that_cannot_be_rendered_is_left_out_and_the_rest_is_sent() {
    let format = format_of(
        "[message]\ntitle = '{{ json.title }}'\n\
         fields = { Good = '{{ host }}', Oldest = '{{ json.oldest | duration }}' }\ncolor = '{{ json.color }}'\n\
         actions = [{ text = 'Open', url = '{{ json.url }}' }, { text = 'Runbook', url = 'https://rb.example/x' }]",
    );
    let answer = |json: Value| with(sample(Event::Failure), |outcome| outcome.json = Some(json));
    let notice = answer(serde_json::json!({"oldest": null, "url": "half/a/url", "color": "reddish"}));
    let message = rendered(&notice, &format);
    let shown = transcript(&message);
    assert!(shown.contains("*db/backup* critical: connection refused"), "{shown}");
    assert!(
        shown.contains("section *Good*\\nweb-1\n") && shown.contains("actions Runbook | https://rb.example/x"),
        "{shown}"
    );
    for part in ["message.title", "message.fields.Oldest", "message.actions[0].url", "message.color"] {
        assert!(shown.contains(&format!(":warning: left out: `{part}` failed: ")), "{part}: {shown}");
    }
    assert_eq!(message.left_out.len(), 4, "{:?}", message.left_out);
    let good =
        serde_json::json!({"title": "t", "oldest": 90, "url": "https://x.example/d?a=1&b=%20 c", "color": "good"});
    let shown = transcript(&rendered(&answer(good), &format));
    assert!(shown.contains("https://x.example/d?a=1&b=%20%20c") && shown.contains("https://rb.example/x"), "{shown}");
    assert!(!shown.contains("left out"), "{shown}");
}

#[test]
fn a_button_whose_url_is_too_long_is_left_out_for_that_reason() {
    let format = format_of("[message]\nactions = [{ text = 'Open', url = 'https://x.example/{{ json.path }}' }]");
    let json = serde_json::json!({"path": "u".repeat(3_000)});
    let message = rendered(&with(sample(Event::Failure), |outcome| outcome.json = Some(json)), &format);
    let shown = transcript(&message);
    assert!(shown.contains("the button's URL is longer than 3000 characters"), "{shown}");
}

#[test]
fn a_button_with_a_blank_text_is_missed_with_a_word_and_one_that_is_blank_altogether_is_none() {
    let format = format_of(
        "[message]\nactions = [\n{ text = '{{ stderr | trim }}', url = 'https://rb.example/x' },\n\
         { text = '{% if exit_code == 99 %}Log{% endif %}', url = '{% if exit_code == 99 %}https://x.example{% endif %}' }]",
    );
    let message = rendered(&wrote(sample(Event::Output), b"well\n", b" \n"), &format);
    let shown = transcript(&message);
    assert!(
        shown.contains(":warning: left out: `message.actions[0].text` failed: the button's text is blank"),
        "{shown}"
    );
    assert_eq!((message.left_out.len(), shown.contains("actions")), (1, true), "{shown}");
    assert!(message.text.contains("the button's text is blank"), "{}", message.text);
}

#[test]
fn json_that_is_none_blames_no_template() {
    let format = format_of("template = '{{ json.n }} orders'\n[message]\ntitle = 'shop: {{ json.status }}'");
    let notice = with(wrote(sample(Event::Failure), b"<html>oops\n", b""), |outcome| {
        (outcome.reason, outcome.ending) = (Reason::Output, Ending::Exited { code: 0 });
        outcome.detail = "stdout is not JSON: expected value at line 1 column 1".to_owned();
    });
    let shown = transcript(&rendered(&notice, &format));
    assert!(shown.contains("critical: stdout is not JSON: expected value at line 1 column 1"), "{shown}");
    assert!(shown.contains("```\\n&lt;html&gt;oops\\n```") && !shown.contains("left out"), "{shown}");
    // Whether it is the JSON that is missing is not told by a word of the error.
    let by_another_name = format_of("message.title = '{% set answer = json %}shop: {{ answer.status }}'");
    let shown = transcript(&rendered(&notice, &by_another_name));
    assert!(!shown.contains("left out"), "{shown}");
    let another_fault = format_of("message.title = \"{{ (stdout | split('json'))[9].x }}\"");
    let shown = transcript(&rendered(&notice, &another_fault));
    assert!(shown.contains("left out: `message.title` failed"), "{shown}");
}

#[test]
fn what_only_the_clock_brings_shows_the_last_real_run() {
    let notice = samples().into_iter().find(|notice| !notice.digest.is_empty()).expect("a digest");
    let format = format_of("template = '{{ stdout }}'");
    for format in [plain(), format_of("template = '{{ stdout }}'"), format_of("failure_template = '{{ exit_code }}'")] {
        let shown = transcript(&rendered(&notice, &format));
        let only = "*db/backup* critical: disk full; while it was quiet: 03:14 exit code 2, 3 failures\n";
        assert!(shown.contains(only) && !shown.contains('•'), "{shown}");
        assert!(shown.contains("exit code 7 · ") && shown.contains("took 1s"), "{shown}");
        assert!(!shown.contains("0ms") && shown.contains("last run at 03:36"), "{shown}");
    }
    for event in [Event::Output, Event::Success, Event::Change] {
        let status = Status::Ok;
        let shown = transcript(&rendered(&Notice { event, status, ..notice.clone() }, &format));
        let only = ":crescent_moon: *db/backup* while it was quiet: 03:14 exit code 2, 3 failures: disk full\n";
        assert!(shown.contains(only) && !shown.contains('•'), "{event}: {shown}");
        let digest = vec!["03:14 failure".to_owned(), "04:00 failure".to_owned()];
        let shown = transcript(&rendered(&Notice { event, status, digest, ..notice.clone() }, &format));
        assert!(shown.contains(":crescent_moon: *db/backup* while it was quiet: 3 alerts"), "{event}: {shown}");
        assert!(shown.contains("•  03:14 failure"), "a digest is never blank: {shown}");
    }
    let digest = vec!["critical since 03:14, 3 failures, failing still: disk full".to_owned()];
    let shown = transcript(&rendered(&Notice { digest: digest.clone(), ..notice.clone() }, &plain()));
    let facts = "*db/backup* critical: disk full; while it was quiet: since 03:14, 3 failures, failing still\n";
    assert!(shown.contains(facts), "{shown}");
    assert_eq!(shown.matches("3 failures").count(), 1, "{shown}");
    // Of several the headline has the cause, and the lines below it the rest.
    let digest = [digest, vec!["03:00 output: three files".to_owned()]].concat();
    let shown = transcript(&rendered(&Notice { digest, ..notice.clone() }, &plain()));
    assert!(shown.contains("critical: disk full; while it was quiet: 3 alerts"), "{shown}");
    assert!(shown.contains("•  critical since 03:14, 3 failures, failing still"), "{shown}");
    assert_eq!(shown.matches("disk full").count(), 1, "{shown}");
    assert!(shown.contains("•  03:00 output: three files") && !shown.contains("failure in a row"), "{shown}");
    let digest = vec!["what waited".to_owned()];
    let run = Notice { digest, ..wrote(sample(Event::Output), b" \n", b"") };
    assert!(transcript(&rendered(&run, &format)).contains("•  what waited"));
}

#[test]
fn blanks_send_nothing_unless_it_is_bad_news() {
    let format = format_of("template = \" {{ stdout }} \"");
    for (event, says) in
        [(Event::Success, false), (Event::Failure, true), (Event::Recovery, true), (Event::Stuck, true)]
    {
        let notice = wrote(sample(event), b" \n", b"why\n");
        assert_eq!(render(&notice, &format).is_some(), says, "{event}");
    }
}

#[test]
fn a_job_that_pauses_says_so_whatever_its_template() {
    for format in
        [plain(), format_of("template = \"up\""), format_of("[message]\nblocks = '[{\"type\": \"divider\"}]'")]
    {
        let notice = Notice { pauses: Some(Duration::from_secs(3600)), suppressed: 1, ..sample(Event::Output) };
        let message = rendered(&notice, &format);
        let says = "1 alert suppressed (`rate_limit`) · pauses for 1h after this message";
        assert!(transcript(&message).contains(says), "{}", transcript(&message));
        assert!(message.text.contains("pauses for 1h after this message"), "{}", message.text);
    }
}

#[test]
fn a_message_in_full() {
    let format = format_of(
        "[message]\ntitle = \"Backup of {{ host }}\"\nbody = \"all of it\"\n\
         color = \"{{ '#112233' if exit_code == 2 else '' }}\"\n\
         actions = [{ text = \"Run {{ 'book' }}\", url = \"https://wiki.example/{{ job.name }}?q={{ 'a b&c' }}&r={{ 'a b&c' | urlencode }}\" }]\n\
         [message.failure]\nbody = \"{{ output | tail(1) }}\"\n[message.fields]\nZeta = \"{{ run.number }}\"\nAlpha = \"{{ stdout }}\"\nNone = \"\"",
    );
    let message = rendered(&wrote(sample(Event::Failure), b"one\ntwo <x>\n", b""), &format);
    let wanted = format!(
        "color #112233\n\
         section :red_circle: *Backup of web-1* critical: two &lt;x&gt;\n\
         section two &lt;x&gt;\n\
         section *Zeta*\\n40 | *Alpha*\\none\\ntwo &lt;x&gt;\n\
         context db/backup · exit code 2 · took 1.3s · {WHERE}\n\
         actions Run book | https://wiki.example/db/backup?q=a%20b%26c&r=a%20b%26c\n"
    );
    assert_eq!(transcript(&message), wanted);
    let good = rendered(&sample(Event::Output), &format);
    assert_eq!(good.color, None, "without a colour of its own good news has no bar");
    assert!(transcript(&good).contains("section *Backup of web-1*\n"), "{}", transcript(&good));
}

#[test]
fn a_whole_block_kit_array() {
    let format = format_of(
        "[message]\nblocks = '''[\n\
         {\"type\": \"header\", \"text\": {\"type\": \"plain_text\", \"text\": \"{{ stdout }}\"}},\n\
         {\"type\": \"section\", \"text\": {\"type\": \"mrkdwn\", \"text\": \"{{ stdout | code }}{{ 'go' | link('https://x.example') }}{{ '<b> \\\"' | safe }}\"}}\n\
         {% if exit_code %}, {\"type\": \"divider\"}{% endif %}]'''",
    );
    let stdout = b"say \"hi\" & <!channel>\n\\ end";
    let message = rendered(&wrote(sample(Event::Output), stdout, b""), &format);
    assert_eq!(message.blocks[0]["text"]["text"], "say \"hi\" & <!channel>\n\\ end", "plain text is literal");
    let code = "```\nsay \"hi\" &amp; &lt;!channel&gt;\n\\ end\n```<https://x.example|go><b> \"";
    assert_eq!(message.blocks[1]["text"]["text"], code);
    assert_eq!(message.blocks.len(), 2);
    for (blocks, why) in [
        ("[{{ stdout }}]", "it yields no JSON"),
        ("{\"type\": \"divider\"}", "it yields no JSON array of blocks"),
        ("[1]", "each block must be an object with a `type`"),
        (
            "[{% for x in range(51) %}{\"type\": \"divider\"}{{ '' if loop.last else ',' }}{% endfor %}]",
            "51 blocks are too many",
        ),
        (
            "[{\"type\": \"section\", \"text\": {\"type\": \"mrkdwn\", \"text\": \" \"}}]",
            "nothing is left of the blocks",
        ),
    ] {
        let format = format_of(&format!("[message]\nblocks = '''{blocks}'''"));
        let message = rendered(&wrote(sample(Event::Output), b"{\"type\": \"divider\"}", b""), &format);
        let error = &message.left_out[0];
        assert!(error.template == "message.blocks" && error.why.starts_with(why), "{error}");
        assert!(message.text.contains("divider"), "the output is sent in their place: {}", message.text);
    }
}

#[test]
fn own_blocks_ping_whom_the_job_names_once() {
    let here = vec!["<!here>".to_owned()];
    for (blocks, expected) in [
        (
            "[{\"type\": \"divider\"}]",
            "section <!here> :red_circle: *db/backup* critical: connection refused\ndivider \n",
        ),
        (
            "[{\"type\": \"section\", \"text\": {\"type\": \"mrkdwn\", \"text\": \"{{ '<!here>' | safe }} look\"}}]",
            "section <!here> look\n",
        ),
    ] {
        let format = format_of(&format!("[message]\nblocks = '''{blocks}'''"));
        let shown = transcript(&rendered(&Notice { mention: here.clone(), ..sample(Event::Failure) }, &format));
        assert!(shown.ends_with(expected), "{shown}");
        let shown = transcript(&rendered(&Notice { mention: here.clone(), ..sample(Event::Recovery) }, &format));
        assert!(!shown.contains("<!here> :"), "{shown}");
    }
}

#[test]
fn what_was_found_in_a_run_is_said_also_where_the_headline_says_something_else() {
    let found = |update| {
        let notice = with(wrote(sample(Event::Repeat), b"1204\n", b""), |outcome| {
            (outcome.reason, outcome.ending) = (Reason::Condition, Ending::Exited { code: 0 });
            outcome.detail = "json.n > 1000 (it is 1,204)".to_owned();
        });
        let shown = rendered(&Notice { update, ..notice }, &format_of("")).text;
        assert_eq!(shown.matches("json.n &gt; 1000 (it is 1,204)").count(), 1, "{shown}");
        shown
    };
    let shown = found(Update::Same { times: 3, since: sample(Event::Repeat).now });
    assert!(shown.contains("still critical: same failure, 3rd time") && !shown.contains("exit code 0"), "{shown}");
    let shown = found(Update::HangEnds { took: Duration::from_secs(6), ending: Ending::Exited { code: 0 } });
    assert!(shown.contains("critical: json.n &gt; 1000 (it is 1,204); ended after 6s, exit code 0"), "{shown}");
    found(Update::Worse { was: Status::Warning });
}

#[test]
fn a_line_that_is_all_of_its_stream_is_said_in_the_headline_alone() {
    let shown = |stdout: &str, stderr: &str| {
        let notice = wrote(sample(Event::Failure), stdout.as_bytes(), stderr.as_bytes());
        rendered(&notice, &format_of("")).text
    };
    let error = "error: no *space* left";
    let text = shown("12 of 14 files copied\n", &format!("{error}\n"));
    assert!(text.starts_with(":red_circle: db/backup critical: error: no"), "{text}");
    assert_eq!(text.matches("left").count(), 1, "{text}");
    assert!(text.contains("```\n12 of 14 files copied\n```"), "the other stream is shown: {text}");
    // What stands beside other lines, or is not whole in the headline, is shown.
    for stderr in [format!("cp: a\n{error}\n"), format!("{} {error}", "x".repeat(400))] {
        let text = shown("12 of 14 files copied\n", &stderr);
        assert_eq!(text.matches("left").count(), 2, "{text}");
    }
    let text = shown("left\n", &format!("{error}\n"));
    assert!(text.contains("```\nleft\n```"), "a part of the headline is no line of it: {text}");
}

#[test]
fn the_end_of_a_hang_between_two_attempts_says_how_the_last_one_ended() {
    let ending = Ending::CutOff { by: crate::exec::CutOff::Stop };
    let detail = "stopped before its next attempt; the last one timed out after 4s";
    let notice = with(wrote(sample(Event::Repeat), b"", b""), |outcome| {
        (outcome.reason, outcome.ending) = (Reason::Interrupted, ending.clone());
        outcome.detail = detail.to_owned();
    });
    let update = Update::HangEnds { took: Duration::from_secs(13), ending };
    let shown = rendered(&Notice { update, ..notice }, &format_of("")).text;
    assert!(shown.contains(&format!("ended after 13s, {detail}")), "{shown}");
    assert!(!shown.contains("took"), "the headline says how long it took: {shown}");
}

#[test]
fn what_was_found_is_said_once_whatever_stands_in_it_and_formats_nothing() {
    let notice = with(wrote(sample(Event::Failure), b"a *c* ~d~ :fire:\n", b""), |outcome| {
        (outcome.reason, outcome.ending) = (Reason::Condition, Ending::Exited { code: 0 });
        outcome.detail = "json.s == 'x' (it is \"a *c* ~d~ :fire:\")".to_owned();
    });
    let shown = rendered(&notice, &format_of("")).text;
    assert_eq!(shown.matches("json.s").count(), 1, "{shown}");
    assert!(shown.contains("exit code 0") && !shown.contains("(it is \"a *c*"), "{shown}");
}

#[test]
fn of_what_fails_now_and_then_the_cause_is_said_once() {
    let since = sample(Event::Failure).now;
    let update = Update::Intermittent { failed: 3, runs: 7, since, opens: true, line: String::new() };
    let missing = |outcome: &mut Outcome| {
        let due = outcome.finished;
        outcome.ending = Ending::Missing { due, grace: Duration::from_secs(60), seen: None };
        outcome.reason = Reason::Missing;
    };
    let crashed = |outcome: &mut Outcome| outcome.ending = Ending::Signaled { signal: 11 };
    let late =
        |outcome: &mut Outcome| outcome.ending = Ending::TimedOut { after: Duration::from_secs(600), killed: false };
    let found = |outcome: &mut Outcome| {
        (outcome.reason, outcome.ending) = (Reason::Condition, Ending::Exited { code: 0 });
        outcome.detail = "json.n > 1000 (it is 1,204)".to_owned();
    };
    type Change<'c> = &'c dyn Fn(&mut Outcome);
    let changes: [(Change<'_>, &str); 4] = [
        (&missing, "did not run; due"),
        (&crashed, "SIGSEGV"),
        (&late, "timed out after 10m"),
        (&found, "json.n &gt; 1000"),
    ];
    for (change, cause) in changes {
        let notice = with(wrote(sample(Event::Failure), b"", b""), change);
        let shown = rendered(&Notice { update: update.clone(), ..notice }, &format_of("")).text;
        assert_eq!(shown.matches(cause).count(), 1, "{cause}: {shown}");
    }
    let notice = wrote(sample(Event::Failure), b"", b"disk full\n");
    let shown = rendered(&Notice { update, ..notice }, &format_of("")).text;
    assert_eq!(shown.matches("disk full").count(), 1, "{shown}");
}

#[test]
fn times_of_another_zone_than_the_readers_are_told_with_it() {
    let job = Arc::new(JobFacts { foreign_zone: true, ..(*sample(Event::Failure).job).clone() });
    let zone = jiff::tz::TimeZone::get("America/New_York").expect("the zone is known");
    let since = sample(Event::Failure).now;
    let update = Update::Different { since, was: "another".to_owned() };
    let shown = rendered(&Notice { job, zone, update, ..sample(Event::Repeat) }, &format_of("")).text;
    assert!(shown.contains(" EST: "), "{shown}");
}

#[test]
fn a_run_that_did_not_come_has_no_times() {
    let format = format_of("failure_template = '[{{ started }}] [{{ finished }}] [{{ run.attempt }}]'");
    let notice = with(sample(Event::Failure), |outcome| {
        let due = outcome.finished;
        outcome.ending = Ending::Missing { due, grace: Duration::from_secs(60), seen: None };
        outcome.reason = Reason::Missing;
    });
    let shown = rendered(&Notice { event: Event::Missing, ..notice }, &format).text;
    assert!(shown.contains("[None] [None] [None]"), "{shown}");
}

#[test]
fn what_the_last_run_wrote_is_there_by_stream_when_a_time_has_come() {
    let format = format_of("failure_template = '[{{ stdout | trim }}] [{{ stderr | trim }}] [{{ output | trim }}]'");
    for (stdout, stderr, both, shown) in [
        ("", "", "refused\n", "[] [refused] [refused]"),
        ("out\n", "err\n", "out\nerr\n", "[out] [err] [out\nerr]"),
        ("out\n", "", "out\n", "[out] [] [out]"),
    ] {
        let ended = Ended {
            ending: Ending::Exited { code: 7 },
            reason: Reason::Exit,
            took: Duration::from_secs(1),
            output: both.to_owned().into(),
            stderr: stderr.to_owned().into(),
            left_out: LeftOut::default().into(),
        };
        let last = LastRun {
            run: RunId(811),
            status: Status::Critical,
            finished: sample(Event::Failure).now,
            stdout: stdout.to_owned(),
            line: String::new(),
            ended: Some(ended),
        };
        let occasion = Occasion::clock(Some(last), None);
        let message = rendered(&Notice { occasion, ..sample(Event::Failure) }, &format);
        assert!(message.text.contains(shown), "{}", message.text);
    }
}

#[test]
fn of_long_output_of_an_earlier_run_the_end_is_shown_and_nothing_else_is_called_the_whole() {
    let end: String = (2_900..=3_000).map(|number| format!("line {number}\n")).collect();
    let ended = Ended {
        ending: Ending::Exited { code: 2 },
        reason: Reason::Exit,
        took: Duration::from_secs(1),
        output: end.clone().into(),
        stderr: String::new().into(),
        left_out: LeftOut { stdout: 25_000, output: 25_000, stderr: 0 }.into(),
    };
    let last = LastRun {
        run: RunId(811),
        status: Status::Critical,
        finished: sample(Event::Failure).now,
        stdout: end,
        line: String::new(),
        ended: Some(ended),
    };
    let format = format_of("");
    let notice = Notice { occasion: Occasion::clock(Some(last), None), ..sample(Event::Failure) };
    let shown = rendered(&notice, &format);
    assert!(shown.text.contains("line 3000\n```") && shown.text.contains("last 20 lines"), "{}", shown.text);
    assert!(!shown.text.contains(" of ") && !shown.text.contains("dropped"), "{}", shown.text);
    assert_eq!((shown.attachment, whole_output(&notice)), (None, None), "it is not the whole output");
}

#[test]
fn a_template_that_wants_json_is_missed_with_a_word_where_the_headline_does_not_say_that_there_is_none() {
    let format = format_of("failure_template = 'n is {{ json.n }}'");
    let shown = transcript(&rendered(&wrote(sample(Event::Failure), b"ERROR refused\n", b""), &format));
    assert!(shown.contains("left out: `failure_template` failed: `json.n` is undefined"), "{shown}");
}

#[test]
fn a_default_stands_there_where_more_than_the_last_part_is_missing() {
    let format =
        format_of("failure_template = 'latency {{ json.db.latency_ms | default(\"?\") }} ms, `{{ json.a.b | d(0) }}`'");
    let shown = transcript(&rendered(&wrote(sample(Event::Failure), b"ERROR refused\n", b""), &format));
    assert!(shown.contains("latency ? ms, `0`") && !shown.contains("left out"), "{shown}");
}

#[test]
fn a_block_that_slack_would_refuse_is_sent_as_its_text_and_the_message_says_which_and_why() {
    let format = format_of(
        "[message]\nblocks = '''[\n\
         {\"type\": \"section\", \"text\": {\"type\": \"mrkdwn\", \"text\": \"first\"}},\n\
         {\"type\": \"section\", \"text\": {\"type\": \"mrkdwn\", \"text\": \"{{ stdout | trim }}\"},\
          \"accessory\": {\"type\": \"button\", \"text\": {\"type\": \"plain_text\", \"text\": \"Go\"}, \
          \"url\": \"{{ stdout | trim }}\"}}]'''",
    );
    let message = rendered(&wrote(sample(Event::Output), b"no URL", b""), &format);
    let texts = transcript(&message);
    assert!(texts.contains("section first\n") && texts.contains("section no URL\\nGo no URL\n"), "{texts}");
    let said =
        |text: &str| text.contains("block 2 is shown as plain text, since Slack would refuse it: `no URL` is no");
    assert!(said(&texts) && said(&message.text), "{texts}\n{}", message.text);
    assert_eq!(crate::slack::validate(&Value::from(message.blocks)), []);
}

#[test]
fn a_template_shows_the_performance_data_of_its_run() {
    let users = Perfdata {
        label: "users".into(),
        value: Some("3".into()),
        unit: String::new(),
        warn: None,
        crit: None,
        min: None,
        max: None,
    };
    let notice = with(sample(Event::Output), |outcome| outcome.perfdata = vec![users]);
    let shown = rendered(&notice, &format_of("template = '{{ perfdata[0].value }} users'"));
    assert!(shown.text.contains("3 users"), "{}", shown.text);
}

#[test]
fn fields_that_do_not_fit_are_said_to_be_shortened_and_what_was_written_is_attached_whole() {
    let long = "fields = { A = '''{{ \"x\" * 3000 }} <END>''', B = 'b' }";
    for (body, event) in [("body = 'short &amp; sweet'", Event::Output), ("", Event::Failure)] {
        let message =
            rendered(&wrote(sample(event), b"boom\n", b""), &format_of(&format!("[message]\n{body}\n{long}")));
        let texts = transcript(&message);
        assert_eq!(texts.matches("fields shortened").count(), 1, "{texts}");
        assert_eq!(crate::slack::validate(&Value::from(message.blocks.clone())), []);
        let whole = message.written.expect("the whole is attached").content;
        let end = "x".repeat(3_000) + " <END>\nB: b";
        assert!(whole.ends_with(&end) && whole.contains("A: x"), "{whole}");
        assert_eq!(whole.starts_with("short & sweet\nA: "), event == Event::Output, "{whole}");
    }
    let fits = rendered(&sample(Event::Output), &format_of("[message]\nbody = 'short'\nfields = { A = 'a' }"));
    assert!(fits.written.is_none() && !transcript(&fits).contains("shortened"));
}

#[test]
fn how_long_a_run_took_is_said_where_its_timeout_does_not_say_it() {
    let after = Duration::from_secs(3);
    for (took, killed, shown) in [(3, false, false), (6, true, true), (6, false, true)] {
        let late = |outcome: &mut Outcome| {
            (outcome.reason, outcome.ending) = (Reason::Timeout, Ending::TimedOut { after, killed });
            outcome.took = Duration::from_secs(took);
        };
        let text = rendered(&with(wrote(sample(Event::Failure), b"", b""), late), &format_of("")).text;
        assert_eq!(text.contains("took 6s"), shown, "{text}");
        assert!(shown || !text.contains("took"), "{text}");
    }
}

#[test]
fn the_plain_text_of_own_blocks_has_the_whole_content() {
    let blocks =
        "[message]\nblocks = '''[{\"type\": \"section\", \"text\": {\"type\": \"mrkdwn\", \"text\": \"x\"}}]'''";
    for event in [Event::Output, Event::Failure] {
        let message = rendered(&wrote(sample(event), b"17 orders\nare late\n", b""), &format_of(blocks));
        assert!(message.text.contains("17 orders\nare late"), "{}", message.text);
    }
}

#[test]
fn a_template_that_fails_loses_nothing() {
    let format = format_of("template = '''line one\n{{ json.free }} <!channel>'''");
    let message = rendered(&wrote(sample(Event::Output), b"42\n", b""), &format);
    let wanted = format!(
        "color #2eb67d\n\
         section :large_green_circle: *db/backup* 42\n\
         context took 1.3s · {WHERE}\n\
         context :warning: left out: `template` failed: `json.free` is undefined (line 2)\n"
    );
    assert_eq!(transcript(&message), wanted);
    assert!(message.text.contains("42") && message.text.ends_with("is undefined (line 2)"), "{}", message.text);
}

#[test]
fn filters_do_what_they_say() {
    for (template, shown) in [
        ("{{ stdout | code }}", "```\n1 &lt;!here&gt;\n2\n3\n```"),
        ("{{ '``` a' | code }}", "```\n\u{200b}``\u{200b}` a\n```"),
        ("{{ stdout | tail(2) }}", "2\n3"),
        ("{{ stdout | head(1) }}", "1 &lt;!here&gt;"),
        ("{{ stdout | tail(0) }}{{ stdout | head(-1) }}.", "."),
        (
            "{{ duration }} {{ 5430 | duration }} {{ '41' | duration }} {{ duration | duration }}",
            "1.3s 1h 30m 41s 1.3s",
        ),
        ("{{ started }} {{ started | date('%H:%M') }} {{ 0 | date('%Y') }}", "2026-11-23 03:45:38+00:00 03:45 1970"),
        ("{{ '2026-11-23T03:45:38+01:00' | date('%H:%M %Z') }}", "02:45 UTC"),
        ("{{ 1536 | bytes }} {{ '1048576' | bytes }}", "1.5 KiB 1 MiB"),
        ("{{ 0.4 | bytes }} {{ -0.0 | bytes }} {{ 1536.5 | bytes }} {{ 1e27 | bytes }}", "0 B 0 B 1.5 KiB 827.2 YiB"),
        (
            "{{ 'a <b> c' | link('https://x.example/?a=1&b=<|>') }}",
            "<https://x.example/?a=1&amp;b=%3C%7C%3E|a &lt;b&gt; c>",
        ),
        ("{{ '' | link('HTTPS://x.example') }}", "<HTTPS://x.example>"),
        (
            "{{ '@here' | mention }} {{ 'U024BE7LH' | mention }} {{ 'S0614TZR7' | mention }}",
            "<!here> <@U024BE7LH> <!subteam^S0614TZR7>",
        ),
        ("{{ ['@channel', 'W012A3CDE'] | mention }}{{ '' | mention }}", "<!channel> <@W012A3CDE>"),
        ("{{ 'red' | strip_ansi }}", "red"),
        ("{{ '' | code }}{{ ' \\n' | code }}.", "."),
        (
            "{{ 'lib/foo.rb:100:in *main* _x_' | literal }}",
            "lib/foo.rb:\u{2060}100:in \u{2060}*\u{2060}main\u{2060}*\u{2060} \u{2060}_\u{2060}x\u{2060}_\u{2060}",
        ),
        (
            "{{ 'see https://x.example/a?b=1&c=2, or (http://y.example). ftp://z <!here>' | urlize }}",
            "see <https://x.example/a?b=1&amp;c=2|https://x.example/a?b=1&amp;c=2>, or \
             (<http://y.example|http://y.example>). ftp://z &lt;!here&gt;",
        ),
        ("{{ {'a': '<b>'} | tojson }} {{ 'x' | tojson }}", "{\"a\":\"&lt;b&gt;\"} \"x\""),
        ("{{ 'one two three' | truncate(9, leeway=0) }}", "one..."),
        ("{{ 'one two three' | truncate(length=4, killwords=true, leeway=0) }}", "o..."),
        ("{{ 'one two three' | truncate(9) }}", "one two three"),
        ("{{ 'one two three' | truncate(5, true, '…', 0) }}", "one …"),
        ("{{ [1, 2] | tojson(indent=1) }}", "[\n 1,\n 2\n]"),
        ("{{ [1] | tojson(2) }}{{ [1] | tojson(indent=none) }}", "[\n  1\n][1]"),
        ("[{{ 'a\\nb\\n\\nc' | indent(2, true) }}]", "[  a\n  b\n\n  c]"),
        ("{{ 'a\\n\\nb' | indent(width='- ', blank=true) }}", "a\n- \n- b"),
        ("{{ 42.55 | round(1, 'floor') }} {{ 42.51 | round(precision=1, method='ceil') }}", "42.5 42.6"),
        ("{{ [{'a': 1}, {'a': 2}] | join(', ', attribute='a') }}", "1, 2"),
        (
            "{{ '' | default('x', true) }}{{ '' | default('x', boolean=false) }}{{ '' | d(default_value='z', boolean=true) }}",
            "xz",
        ),
        ("{{ [1, 3, 2] | sort(true) | join }}{{ [1, 3, 2] | sort(reverse=true) | join }}", "321321"),
        ("{{ [{'a': 1}] | map(attribute='a') | join }}{{ [{}] | map(attribute='a', default='q') | join }}", "1q"),
        ("{{ 'a-b cc ddd' | wordwrap(4, true, '|', false) }}", "a-b|cc|ddd"),
        ("{{ 'well-known' | wordwrap(6, false, '|') }}", "well-|known"),
        ("[{{ 'ab' | center(width=7) }}][{{ 'abc' | center(6) }}]", "[   ab  ][ abc  ]"),
        ("{{ 'aXbXc' | replace(old='X', new='-', count=1) }}", "a-bXc"),
        ("{{ '--x' | trim(chars='-') }}", "x"),
        ("{{ {'b': 1, 'a': 2} | dictsort(false, 'value') }}", "[['b', 1], ['a', 2]]"),
        (
            "{{ [1, 2, 3] | batch(linecount=2, fill_with=0) }} {{ [1, 2, 3] | slice(2, fill_with=0) }}",
            "[[1, 2], [3, 0]] [[1, 2], [3, 0]]",
        ),
        ("{{ [{'a': 1}, {'a': 3}] | max(false, 'a') }} {{ ['a', 'A'] | unique(true) | join }}", "{'a': 3} aA"),
        ("{{ {'a': 'x & <y>'} | xmlattr(false) }}", "a=\"x &amp; &lt;y&gt;\""),
        ("{{ 'a b&c/d' | urlencode }} {{ {'q': 'a b', 'n': none} | urlencode }}", "a%20b%26c/d q=a%20b"),
        ("{{ 'aa bb cc' | wordwrap(5) }}|{{ 'abcdef' | wordwrap(4) }}", "aa bb\ncc|abcd\nef"),
        (
            "{{ 'one two' | wordcount }} {{ 1500 | filesizeformat }} {{ 1536 | filesizeformat(true) }}",
            "2 1.5 kB 1.5 KiB",
        ),
        ("{{ '<p>a &amp; <b>b</b></p> c' | striptags }}[{{ 'x' | center(3) }}]", "a &amp; b c[ x ]"),
        ("{{ '<b>' | forceescape }}{{ {'id': 1} | xmlattr }} {{ [7] | random }}", "&lt;b&gt; id=\"1\" 7"),
        ("{{ '<b>' | safe }}{{ '<b>' | e }}{{ '<b>' | e | e }}", "<b>&lt;b&gt;&lt;b&gt;"),
        ("{{ ('<b>' | safe) ~ stdout | head(1) }}", "<b>1 &lt;!here&gt;"),
        ("{{ ['<b>' | safe, '<i>'] | join('<') }}", "<b>&lt;&lt;i&gt;"),
        ("{% set x %}<b> {{ stdout | head(1) }}{% endset %}{{ x }}", "<b> 1 &lt;!here&gt;"),
        ("{% macro m(x) %}*{{ x }}*{% endmacro %}{{ m('<') }}", "*&lt;*"),
        ("{% include 'short' %}", "*db/backup* 1 &lt;!here&gt;\n2\n3"),
        ("{{ job.tags }} {{ exit_code }} {{ signal }} {{ truncated }}", "['db'] 0 None False"),
        ("{{ previous is none }} {{ 'was ' ~ previous.status if previous else 'first' }}", "True first"),
    ] {
        let format = format_of(&format!("template = '''{template}'''"));
        let notice = wrote(sample(Event::Output), b"1 <!here>\n2\n3\n", b"");
        let message = rendered(&notice, &format);
        assert_eq!(message.text, shown, "{template}");
    }
    for template in [
        "{{ stdout | link('javascript:x') }}",
        "{{ stdout | duration }}",
        "{{ stdout | date }}",
        "{{ -1 | bytes }}",
        "{{ 'nan' | bytes }}",
        "{{ 'inf' | bytes }}",
    ] {
        let format = read_unchecked(template);
        let fails = |format: Format| !rendered(&sample(Event::Success), &format).left_out.is_empty();
        assert!(format.is_none_or(fails), "{template}");
    }
}

fn read_unchecked(template: &str) -> Option<Format> {
    let text = format!("template = '''{template}'''");
    let id = Sources::default().add("job.toml".as_ref(), text.as_str());
    let (table, _) = syntax::parse(id, &text, &mut Problems::default());
    let reader = Reader::default();
    let format = format::read(&mut Table::root(&reader, id, &text, &table), &Templates::default());
    (reader.errors() == 0).then_some(format)
}

#[test]
fn the_daemons_own_words() {
    let message = own_words("web-1", Status::Critical, "jobs.d/a.toml has errors", "first <line>\n  ^^^^\n");
    let wanted = "color #e01e5a\nsection :red_circle: *web-1*: jobs.d/a.toml has errors\nsection ```\\nfirst &lt;line&gt;\\n  ^^^^\\n```\n";
    assert_eq!(transcript(&message), wanted);
    assert_eq!(message.text, ":red_circle: web-1: jobs.d/a.toml has errors\n```\nfirst &lt;line&gt;\n  ^^^^\n```");
    assert_eq!(
        transcript(&own_words("web-1", Status::Ok, "a < b", "")),
        "color #2eb67d\nsection :large_green_circle: *web-1*: a &lt; b\n"
    );
    let long = own_words("web-1", Status::Ok, &"t".repeat(5000), &"line\n".repeat(5000));
    check_limits(&long);
}

/// What Slack refuses, and what no message may hold.
fn check_limits(message: &Rendered) {
    assert!((1..=PLAIN).contains(&units(&message.text)), "text of {}", units(&message.text));
    assert!((1..=20).contains(&message.blocks.len()), "{} blocks", message.blocks.len());
    assert!(weight(&message.blocks) <= ALL_BLOCKS, "blocks weigh {}", weight(&message.blocks));
    for block in &message.blocks {
        check_block(block);
    }
}

fn check_block(block: &Value) {
    let length = |value: &Value| units(value["text"].as_str().expect("a text object has text"));
    let list = |key: &str| block[key].as_array().cloned().unwrap_or_default();
    match block["type"].as_str().expect("a block has a type") {
        "section" => {
            assert!(block.get("text").is_some() || block.get("fields").is_some(), "{block}");
            if let Some(text) = block.get("text") {
                assert!((1..=3000).contains(&length(text)), "{block}");
            }
            assert!(list("fields").len() <= 10, "{block}");
            list("fields").iter().for_each(|field| assert!((1..=2000).contains(&length(field)), "{block}"));
        }
        "context" => {
            assert!((1..=10).contains(&list("elements").len()), "{block}");
            list("elements").iter().for_each(|element| assert!((1..=3000).contains(&length(element)), "{block}"));
        }
        "actions" => list("elements").iter().for_each(|button| {
            assert!((1..=75).contains(&length(&button["text"])), "{block}");
            let url = button["url"].as_str().expect("a URL");
            assert!(url.len() <= 3000 && url.starts_with("http"), "{block}");
        }),
        "header" => assert!((1..=150).contains(&length(&block["text"])), "{block}"),
        "divider" => {}
        other => panic!("an unexpected block {other}"),
    }
}

/// Every mrkdwn of a message: what of it Slack would obey.
fn check_harmless(message: &Rendered) {
    let mut texts = vec![message.text.clone()];
    message.blocks.iter().for_each(|block| mrkdwn(block, &mut texts));
    for text in texts {
        // Only what this program itself writes: the link and ping of the template.
        let mut own = text.clone();
        for ours in ["<https://ours.example|ours>", "<!here>"] {
            own = own.replace(ours, "");
        }
        assert!(!own.contains('<') && !own.contains('>'), "a mention or a link: {own:?}");
        assert_eq!(own.matches("```").count() % 2, 0, "an open code block: {own:?}");
        assert!(!own.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{own:?}");
        assert!(!own.contains(['\u{202e}', '\u{2066}', '\u{200f}']), "{own:?}");
    }
}

fn mrkdwn(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if map.get("type").and_then(Value::as_str) == Some("mrkdwn") {
                assert_eq!(map.get("verbatim"), Some(&Value::Bool(true)), "plain words must not become links");
                texts.push(map["text"].as_str().expect("text").to_owned());
            }
            map.values().for_each(|inner| mrkdwn(inner, texts));
        }
        Value::Array(list) => list.iter().for_each(|inner| mrkdwn(inner, texts)),
        _ => {}
    }
}

/// Templates that put output everywhere where a template can.
fn hostile_formats() -> Vec<Format> {
    let mut formats = vec![plain()];
    let templates = [
        "template = '''{{ stdout }}'''",
        "template = '''*x* {{ stdout | code }}{{ stderr | tail(3) }}`{{ stdout }}`{{ '@here' | mention }}'''",
        "template = '''```{{ stdout }}``` {{ stdout ~ stderr | head(2) }}{{ 'ours' | link('https://ours.example') }}'''",
        "template = '''{% for line in output | lines %}- {{ line }}\n{% endfor %}{% include \"short\" %}'''",
        "template = '''{{ output | upper | replace('a', '<') }}{{ output | e }}{{ diff }}{{ previous.stdout if previous else '' }}'''",
        "[message]\ntitle = '''{{ stdout }}'''\nbody = '''{{ [stdout, stderr] }}{{ {'a': stdout} }}'''\ncolor = 'good'\n\
         fields = { A = '''{{ stdout }}''', B = '''{{ stderr | code }}''' }\n\
         actions = [{ text = 'b {{ stdout }}', url = 'https://x.example/{{ stdout | head(1) }}' }]",
        "[message]\nblocks = '''[{\"type\": \"header\", \"text\": {\"type\": \"plain_text\", \"text\": \"h {{ stdout }}\"}},\
         {\"type\": \"section\", \"text\": {\"type\": \"mrkdwn\", \"text\": \"s {{ stdout | code }}{{ stderr }}\"}},\
         {\"type\": \"context\", \"elements\": [{\"type\": \"mrkdwn\", \"text\": \"c {{ output }}\"}]}]'''",
    ];
    formats.extend(templates.iter().map(|template| format_of(template)));
    let failures = [
        "failure_template = '''{{ stdout | literal }}{{ stderr | tojson }}{{ stdout | truncate(50) }}{{ output | striptags }}'''",
        "failure_template = '''{{ stdout | wordwrap(20) }}{{ stderr | urlencode }}'''\n[message.failure]\ntitle = '''{{ stderr }}'''",
    ];
    formats.extend(failures.map(format_of));
    formats
}

fn check_hostile(stdout: &[u8], stderr: &[u8], formats: &[Format], notices: Vec<Notice>) {
    for notice in notices {
        let json = serde_json::json!({ "x": String::from_utf8_lossy(stdout) });
        let text = String::from_utf8_lossy(stdout).into_owned();
        let mut notice = with(wrote(notice, stdout, stderr), |outcome| outcome.json = Some(json));
        notice.diff = text.clone();
        notice.update = Update::Different { since: notice.now, was: text.chars().take(500).collect() };
        if let Some(previous) = &mut notice.previous {
            previous.stdout = text;
        }
        for format in formats {
            let Some(message) = render(&notice, format) else { continue };
            check_limits(&message);
            check_harmless(&message);
            if let Some(file) = &message.attachment {
                assert!(!file.content.contains('\0') && !file.content.contains('\x1b'));
            }
        }
    }
}

#[test]
fn hostile_output_is_only_shown() {
    let formats = hostile_formats();
    let few: Vec<Notice> = samples().into_iter().step_by(3).collect();
    let line = vec![b'x'; 4 << 20];
    let fences = "``` ".repeat(1000);
    let pings = "<!channel> <@U024BE7LH> <#C05DED65D5> <https://evil.example|bank> ".repeat(120);
    let mixed = "a&b<c>\"\\\u{1f525}\u{202e}\u{2066}`\u{200f}\r\x1b[31m\n".repeat(200);
    for stdout in [
        pings.as_bytes(),
        fences.as_bytes(),
        mixed.as_bytes(),
        b"``",
        b"`",
        b"```\nopen",
        b"&lt;!channel&gt; &amp;lt;",
        b"\0\0<!here>\0",
        b"\xff\xfe<!\xe9everyone>\xc3",
        b"\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\ <\x1b[31m!channel>",
        b"<!chan\x08\x08\x08\x08channel> <\r<!here>",
        "\u{feff}<\u{200b}!here\u{202e}>".as_bytes(),
        b"\", \"type\": \"broadcast\", \"range\": \"channel\", \"x\": \"",
        b"{{ '@here' | mention }} {% include 'short' %}",
    ] {
        check_hostile(stdout, b"e```<!here>", &formats, few.clone());
    }
    check_hostile(&line, b"", &formats[..2], vec![sample(Event::Output), sample(Event::Failure)]);
}

/// What stands between back-ticks on each line of a text, outside of code blocks; `None` where one is not closed.
fn inline_code(text: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for outside in text.split("```").step_by(2) {
        // One that has a joiner beside it is shown.
        let outside = outside.replace("\u{2060}`\u{2060}", "");
        for line in outside.lines() {
            let parts: Vec<&str> = line.split('`').collect();
            if parts.len().is_multiple_of(2) {
                return None;
            }
            found.extend(parts.into_iter().skip(1).step_by(2).map(str::to_owned));
        }
    }
    Some(found)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn no_back_tick_of_output_or_of_a_name_opens_code_or_ends_it(
        name in "[a-z`/]{1,12}", words in "[a-z`]{1,4}( [a-z`]{1,4}){0,5}", more in "[a-z`\n ]{0,40}",
    ) {
        let inline = format_of("template = '''size `{{ stdout | trim }}` of `{{ job.name }}` now'''");
        for notice in samples() {
            let job = JobFacts { name: JobName::new(name.as_str()), description: words.clone(), ..(*notice.job).clone() };
            let notice = Notice { job: Arc::new(job), suppressed: 2, digest: vec![words.clone()], ..notice };
            let notice = wrote(notice, format!("{words}\n").as_bytes(), more.as_bytes());
            for format in [plain(), inline.clone()] {
                let Some(message) = render(&notice, &format) else { continue };
                let mut texts = vec![message.text.clone()];
                message.blocks.iter().for_each(|block| mrkdwn(block, &mut texts));
                for text in texts {
                    prop_assert!(inline_code(&text).is_some(), "{}: code that is not closed: {text:?}", notice.event);
                }
            }
        }
    }
}

#[test]
fn a_value_between_back_ticks_of_a_template_stays_code() {
    let shown = |template: &str, stdout: &str| {
        let message = rendered(&wrote(sample(Event::Output), stdout.as_bytes(), b""), &format_of(template));
        message.text.lines().next().unwrap_or_default().to_owned()
    };
    for (template, stdout, text) in [
        ("template = '''at `{{ stdout | trim }}` now'''", "a `b <c>", "at `a 'b &lt;c&gt;` now"),
        ("template = '''`{{ stdout | trim | upper }}`, `{{ stdout | trim }}`'''", "x`", "`X'`, `x'`"),
        ("template = '''`{{ (stdout | trim) ~ 1 }}`'''", "x", "`x1`"),
        ("template = '''{{ stdout | trim }}'''", "run `make` now", "run `make` now"),
        ("template = '''{{ stdout | trim }} `x`'''", "it`s", "it\u{2060}`\u{2060}s `x`"),
        ("template = '''`{{ run.number }}` `{{ [1, 2] }}`'''", "x", "`40` `[1, 2]`"),
    ] {
        assert_eq!(shown(template, stdout), text, "{template}");
    }
}

#[test]
fn json_as_a_whole_keeps_the_digits_of_its_numbers() {
    let stdout = r#"{"a": 1.50, "b": [2, 0.10, {"c": 1E-7}], "d": "1.50", "e": null, "f": true}"#;
    let notice = with(wrote(sample(Event::Output), stdout.as_bytes(), b""), |outcome| {
        outcome.json = serde_json::from_str(stdout).ok();
    });
    for (template, text) in [
        ("template = '{{ json }}'", "{'a': 1.50, 'b': [2, 0.10, {'c': 1E-7}], 'd': '1.50', 'e': None, 'f': True}"),
        ("template = '{{ json | tojson }}'", r#"{"a":1.50,"b":[2,0.10,{"c":1e-7}],"d":"1.50","e":null,"f":true}"#),
        ("template = '{{ json.b }}'", "[2, 0.10, {'c': 1E-7}]"),
        ("template = '{{ [json.a, 1] }}'", "[1.50, 1]"),
    ] {
        assert_eq!(rendered(&notice, &format_of(template)).text, text, "{template}");
    }
}

#[test]
fn a_number_that_is_too_large_for_a_computer_is_compared_as_one_and_shown_as_it_was_written() {
    let stdout = r#"{"much": 1e999, "little": -1E999, "id": 123456789012345678901234567890123456789012}"#;
    let notice = with(wrote(sample(Event::Output), stdout.as_bytes(), b""), |outcome| {
        outcome.json = serde_json::from_str(stdout).ok();
    });
    for (template, text) in [
        ("template = '{{ json.much > 10 }} {{ json.much }}'", "True 1e999"),
        ("template = '{{ json.little > 10 }} {{ json.little }}'", "False -1E999"),
        (
            "template = '{{ json.id > 10 and json.id < json.much }} {{ json.id }}'",
            "True 123456789012345678901234567890123456789012",
        ),
    ] {
        assert_eq!(rendered(&notice, &format_of(template)).text, text, "{template}");
    }
}

#[test]
fn numbers_of_any_size_stay_numbers_in_json() {
    let stdout = r#"{"card":123456789012345678901234567890123456789012,"id":18446744073709551616,
        "low":-170141183460469231731687303715884105729,"pi":3.14159265358979323846,"text":"12345678901234567890123"}"#;
    let stdout: String = stdout.split_whitespace().collect();
    let notice = with(wrote(sample(Event::Output), stdout.as_bytes(), b""), |outcome| {
        outcome.json = serde_json::from_str(&stdout).ok();
    });
    for (template, text) in [
        ("template = '{{ json | tojson }}'", stdout.as_str()),
        (
            "template = '{{ [json.pi, json.id, json.text] | tojson }}'",
            r#"[3.14159265358979323846,18446744073709551616,"12345678901234567890123"]"#,
        ),
        (
            "template = '{{ [json.pi, json.id, json.text] }}'",
            "[3.14159265358979323846, 18446744073709551616, '12345678901234567890123']",
        ),
        (
            "template = '{{ json.card | tojson }} {{ json.card }}'",
            "123456789012345678901234567890123456789012 123456789012345678901234567890123456789012",
        ),
    ] {
        assert_eq!(rendered(&notice, &format_of(template)).text, text, "{template}");
    }
}

#[test]
fn a_url_that_the_headline_can_only_show_stands_below_as_it_is() {
    for (line, below) in [("see https://x.example/d/_uid_/x", true), ("see https://x.example/d/uid", false)] {
        let message = rendered(&wrote(sample(Event::Failure), line.as_bytes(), b""), &plain());
        let blocks = serde_json::to_string(&message.blocks[1..]).expect("blocks are JSON");
        assert_eq!(blocks.contains(line), below, "{blocks}");
    }
}

#[test]
fn a_great_output_is_attached_whole() {
    let lines = (0..400).map(|n| format!("line {n}\n")).collect::<String>();
    let notice = wrote(sample(Event::Output), lines.as_bytes(), b"");
    assert!(rendered(&notice, &plain()).attachment.is_some());
    assert_eq!(rendered(&notice, &format_of("template = \"{{ stdout | tail(5) }}\"")).attachment, None);
    assert_eq!(whole_output(&notice).map(|file| file.content), Some(lines));
    assert_eq!(whole_output(&sample(Event::Success)), None);
}

#[test]
fn what_a_template_wrote_and_the_message_does_not_show_is_attached_whole() {
    let blocks = "[message]\nblocks = '''[{\"type\": \"section\", \"text\": {\"type\": \"mrkdwn\", \"text\": \
                  \"begin {{ stdout }} end\"}}]'''";
    let stdout = "line & line\n".repeat(6_000);
    for (format, event) in [
        ("template = \"begin {{ stdout }} end\"", Event::Output),
        ("failure_template = \"begin {{ stdout }} end\"", Event::Failure),
        (blocks, Event::Output),
    ] {
        let message = rendered(&wrote(sample(event), stdout.as_bytes(), b""), &format_of(format));
        let file = message.written.expect("it is attached");
        assert_eq!((file.name.as_str(), message.attachment), ("db-backup-message.txt", None), "{format}");
        let (begin, end) = (file.content.starts_with("begin line & line\n"), file.content.ends_with(" end"));
        assert!(begin && end && file.content.len() > stdout.len(), "{format}: {}", file.content);
    }
    assert_eq!(rendered(&sample(Event::Output), &format_of("template = \"{{ stdout }}\"")).written, None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn no_output_mentions_links_or_opens_a_code_block(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        parts in proptest::collection::vec("(<!here>|<@U1>|<#C1>|<https://e\\.x\\|l>|```|``|`|&|<|>|\n|\r|\x1b\\[1m|\u{202e}|[a-z*_~ ]{1,6})", 0..40),
        repeated in 1_usize..60,
    ) {
        static FORMATS: LazyLock<Vec<Format>> = LazyLock::new(hostile_formats);
        let notices = [Event::Output, Event::Change, Event::Failure, Event::Stuck].map(sample).into();
        check_hostile(parts.concat().repeat(repeated).as_bytes(), &bytes, &FORMATS, notices);
    }
}

#[test]
fn a_message_has_a_link_to_the_status_page_where_there_is_one() {
    let link = "<https://ops.example.com/alerts/run/812|Open>";
    for event in [Event::Failure, Event::Repeat, Event::Recovery] {
        let without = render(&sample(event), &plain()).expect("there is a message");
        assert!(!without.text.contains("|Open>"), "{}", without.text);
        let page = Some("https://ops.example.com/alerts/run/812".to_owned());
        let with = render(&Notice { page, ..sample(event) }, &plain()).expect("there is a message");
        let blocks = serde_json::to_string(&with.blocks).expect("blocks are JSON");
        assert!(with.text.contains(link) && blocks.contains(link), "{event}: {} {blocks}", with.text);
    }
}

#[test]
fn a_job_that_says_nothing_of_its_messages_has_none_of_its_own() {
    for (job, is_plain) in [
        ("", true),
        ("[message]\n", true),
        ("template = 'short'", false),
        ("[message]\ntitle = 'x'", false),
        ("[message.failure]\nbody = 'x'", false),
        ("[message.recovery]\nbody = 'x'", false),
        ("[message]\ncolor = 'good'", false),
    ] {
        assert_eq!(format_of(job).is_plain(), is_plain, "{job}");
    }
}

#[test]
fn what_redact_masks_in_the_output_it_masks_in_what_templates_say() {
    let pattern = regex::bytes::Regex::new("hunter2").expect("a pattern");
    let redactor = crate::exec::Redactor::new(vec![pattern]);
    let notice = wrote(sample(Event::Output), b"all well", b"");
    let notice = Notice { job: Arc::new(JobFacts { redactor, ..(*notice.job).clone() }), ..notice };
    let format = format_of(
        "template = 'key hunter2: {{ stdout }}'\n[message]\ntitle = 'hunter2'\nfields = { key = 'hunter2 {{ status }}' }\n\
         actions = [{ text = 'see hunter2', url = 'https://x.example/' }, { text = 'in', url = 'https://u:hunter2@x.example/' }]",
    );
    let message = rendered(&notice, &format);
    let shown = format!("{}{:?}{}", transcript(&message), message.blocks, message.text);
    assert!(!shown.contains("hunter2") && shown.contains("key [redacted]: all well"), "{shown}");
    assert!(shown.contains("see [redacted]") && shown.contains("left out: `message.actions`"), "{shown}");
    let blocks =
        format_of(r#"message.blocks = '[{"type": "section", "text": {"type": "mrkdwn", "text": "key hunter2"}}]'"#);
    let message = rendered(&notice, &blocks);
    assert!(!format!("{message:?}").contains("hunter2"), "{message:?}");
}

#[test]
fn how_long_a_run_took_whose_end_nobody_saw_is_not_known() {
    let format = format_of("failure_template = 'took {{ duration }}'");
    let failed = sample(Event::Failure);
    let outcome = failed.outcome().expect("a run").clone();
    let outcome = Outcome {
        ending: Ending::CutOff { by: crate::exec::CutOff::Death },
        reason: Reason::Interrupted,
        took: Duration::ZERO,
        ..outcome
    };
    let Occasion::Run { run, .. } = failed.occasion else { panic!("a run") };
    let notice = Notice { occasion: Occasion::Run { run, outcome: Arc::new(outcome) }, ..failed };
    let shown = transcript(&rendered(&notice, &format));
    assert!(shown.contains("took an unknown time") && !shown.contains("0ms"), "{shown}");
}

#[test]
fn a_plugin_is_told_by_its_words_and_its_status_once() {
    for (stdout, told) in [
        ("LOAD CRITICAL - load average 8.1 | load1=8.1;5;7\n", "critical: load average 8.1"),
        ("CRITICAL: CRITICAL - down\n", "critical: down"),
        ("DISK CRITICAL\n/ is 97 % full\n", "critical: / is 97 % full"),
        ("| load1=8.1;5;7\n", "critical: exit code"),
        ("load1=8.1;5;7 load5=4.2;4;6\n", "critical: exit code"),
    ] {
        let shown = transcript(&rendered(&plugin(stdout.as_bytes(), Status::Critical), &plain()));
        let headline = shown.lines().find(|line| line.contains("db/backup")).unwrap_or_default();
        assert!(headline.contains(told), "{stdout}: {shown}");
        assert!(!headline.contains("load1=") && !headline.contains("CRITICAL"), "{shown}");
    }
}
