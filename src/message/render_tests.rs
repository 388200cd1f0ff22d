//! Messages as people see them, and the laws that no output can break.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::{Rendered, fallback, own_words, render, whole_output};
use crate::diagnostic::{Problems, Sources};
use crate::document::{Reader, Table, load};
use crate::exec::{Captured, Directives, Ending, Outcome, Output, Status};
use crate::message::fit::{ALL_BLOCKS, PLAIN, weight};
use crate::message::text::units;
use crate::message::{Format, Notice, Templates, format, read_templates, samples};
use crate::policy::Event;

/// The settings that a job file with this text has.
fn format_of(job: &str) -> Format {
    let text = format!("{job}\n[templates]\nshort = \"*{{{{ job.name }}}}* {{{{ stdout }}}}\"\n");
    let id = Sources::default().add("job.toml".as_ref(), text.as_str());
    let mut problems = Problems::default();
    let (table, _) = load::parse(id, &text, &mut problems);
    let reader = Reader::default();
    let mut root = Table::root(&reader, id, &text, &table);
    let templates = read_templates(&mut root);
    let format = format::read(&mut root, &templates);
    let problems = reader.into_problems();
    format.unwrap_or_else(|| panic!("{job}: {problems:?}"))
}

fn plain() -> Format {
    Format::plain(&Templates::default())
}

/// The first sample of an event.
fn sample(event: Event) -> Notice {
    samples().into_iter().find(|notice| notice.event == event).expect("there is a sample of every event")
}

fn with(notice: Notice, change: impl FnOnce(&mut Outcome)) -> Notice {
    let mut outcome = (*notice.outcome).clone();
    change(&mut outcome);
    Notice { outcome: Arc::new(outcome), ..notice }
}

fn captured(text: &[u8]) -> Captured {
    Captured { head: text.to_vec(), ..Captured::default() }
}

fn wrote(notice: Notice, stdout: &[u8], stderr: &[u8]) -> Notice {
    with(notice, |outcome| {
        let both = captured(&[stdout, stderr].concat());
        outcome.output = Output { stdout: captured(stdout), stderr: captured(stderr), both };
    })
}

fn rendered(notice: &Notice, format: &Format) -> Rendered {
    render(notice, format).expect("the template renders").expect("there is something to say")
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

const WHEN: &str = "every 5m  ·  <!date^1795405538^{date_short_pretty} {time_secs}|2026-11-23 03:45:38+00:00>";

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
    let first = "<!here> :large_yellow_circle: Disk &lt;!channel&gt; &amp; *co* — exited with 2 after 1.3s";
    assert!(shown.text.starts_with(&format!("{first} (web-1)")), "{}", shown.text);
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

#[test]
fn the_first_line_says_what_happened() {
    let failure = || sample(Event::Failure);
    let ended = |ending| with(failure(), |outcome| outcome.ending = ending);
    let remark = |event, remark: &str| Notice { remark: remark.to_owned(), ..sample(event) };
    for (notice, line) in [
        (failure(), ":red_circle: db/backup exited with 2 after 1.3s (web-1)"),
        (sample(Event::Repeat), ":red_circle: db/backup exited with 2 after 1.3s, third time in a row (web-1)"),
        (
            remark(Event::Repeat, "same failure, 14th time"),
            ":red_circle: db/backup exited with 2 after 1.3s, same failure, 14th time (web-1)",
        ),
        (ended(Ending::Signaled { signal: 9 }), ":red_circle: db/backup was killed by SIGKILL after 1.3s (web-1)"),
        (
            ended(Ending::TimedOut { after: Duration::from_secs(600), killed: false }),
            ":red_circle: db/backup timed out after 10m (web-1)",
        ),
        (
            ended(Ending::TimedOut { after: Duration::from_secs(600), killed: true }),
            ":red_circle: db/backup timed out after 10m and had to be killed (web-1)",
        ),
        (
            ended(Ending::NotStarted { error: "no such file: <x>".to_owned() }),
            ":red_circle: db/backup could not be started: no such file: &lt;x&gt; (web-1)",
        ),
        (ended(Ending::Interrupted), ":red_circle: db/backup was interrupted after 1.3s (web-1)"),
        (
            samples().remove(7),
            ":large_yellow_circle: db/backup exited with 0 after 1.3s: stdout matches \"ERROR\" (web-1)",
        ),
        (
            with(failure(), |outcome| outcome.attempts = 3),
            ":red_circle: db/backup exited with 2 after 1.3s, 3 attempts (web-1)",
        ),
        (sample(Event::Recovery), ":large_green_circle: db/backup recovered after 47m 20s, 3 failures (web-1)"),
        (sample(Event::Stuck), ":hourglass_flowing_sand: db/backup is stuck: process 4711 for 25m (web-1)"),
        (sample(Event::Flapping), ":twisted_rightwards_arrows: db/backup flaps: its status keeps changing (web-1)"),
        (sample(Event::Success), ":large_green_circle: db/backup ran well in 1.3s (web-1)"),
        (sample(Event::Change), ":large_green_circle: db/backup changed its output, ran well in 1.3s (web-1)"),
    ] {
        assert_eq!(first_line(&notice), line);
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
         section <!here> <@U024BE7LH> :red_circle: *db/backup* exited with 2 after 1.3s\n\
         section ```\\n{shown}\\n```\n\
         section ```\\nhalf done\\n```\n\
         context stderr: last 17 of 30 lines  ·  a process it started still holds its output open  ·  12 alerts suppressed (`rate_limit`)\n\
         context web-1  ·  exit 2  ·  1.3s  ·  {WHEN}\n"
    );
    assert_eq!(transcript(&message), wanted);
    assert!(message.text.starts_with("<!here> <@U024BE7LH> :red_circle: db/backup exited"), "{}", message.text);
    assert!(message.text.contains("half done") && message.text.ends_with("12 alerts suppressed (`rate_limit`)"));
    let file = message.attachment.expect("what did not fit is attached");
    assert!(file.name == "db-backup.txt" && file.content.contains("err 1\n"), "{file:?}");
}

#[test]
fn good_news_is_what_the_template_says_and_bad_news_is_framed() {
    let format = format_of("template = \":floppy_disk: at *{{ stdout | trim }}* <https://x.example|here>\"");
    let good = rendered(&wrote(sample(Event::Output), b"42%\n", b""), &format);
    assert_eq!(transcript(&good), "color none\nsection :floppy_disk: at *42%* <https://x.example|here>\n");
    assert_eq!(good.text, ":floppy_disk: at *42%* <https://x.example|here>");
    let bad = rendered(&wrote(sample(Event::Failure), b"", b"df: no such disk\n"), &format);
    let wanted = format!(
        "color #e01e5a\n\
         section :red_circle: *db/backup* exited with 2 after 1.3s\n\
         section :floppy_disk: at ** <https://x.example|here>\n\
         section ```\\ndf: no such disk\\n```\n\
         context web-1  ·  exit 2  ·  1.3s  ·  {WHEN}\n"
    );
    assert_eq!(transcript(&bad), wanted);
    for event in [Event::Failure, Event::Repeat, Event::Recovery, Event::Stuck, Event::Flapping] {
        let message = rendered(&sample(event), &format);
        assert!(message.color.is_some() && transcript(&message).contains("*db/backup*"), "{event}");
    }
    let own = format_of("template = \"{{ stderr | code }}\"");
    assert_eq!(
        rendered(&wrote(sample(Event::Failure), b"", b"x\n"), &own).blocks.len(),
        3,
        "stderr is not shown twice"
    );
}

#[test]
fn blanks_send_nothing_unless_it_is_bad_news() {
    let format = format_of("template = \" {{ stdout }} \"");
    for (event, says) in
        [(Event::Success, false), (Event::Failure, true), (Event::Recovery, true), (Event::Stuck, true)]
    {
        let notice = wrote(sample(event), b" \n", b"why\n");
        assert_eq!(render(&notice, &format).expect("it renders").is_some(), says, "{event}");
    }
    let message = rendered(&wrote(sample(Event::Failure), b" \n", b"why\n"), &format);
    assert!(transcript(&message).contains("section ```\\nwhy"), "a blank body hides no stderr: {message:?}");
}

#[test]
fn a_job_that_pauses_says_so_whatever_its_template() {
    for format in
        [plain(), format_of("template = \"up\""), format_of("[message]\nblocks = '[{\"type\": \"divider\"}]'")]
    {
        let notice = Notice { pauses: Some(Duration::from_secs(3600)), suppressed: 1, ..sample(Event::Output) };
        let message = rendered(&notice, &format);
        let says = "1 alert suppressed (`rate_limit`)  ·  pauses for 1h after this message";
        assert!(transcript(&message).contains(says), "{}", transcript(&message));
        assert!(message.text.ends_with("pauses for 1h after this message"), "{}", message.text);
    }
}

#[test]
fn a_message_in_full() {
    let format = format_of(
        "[message]\ntitle = \"Backup of {{ host }}\"\nbody = \"{{ output | tail(1) }}\"\n\
         color = \"{{ '#112233' if exit_code == 2 else '' }}\"\n\
         actions = [{ text = \"Run {{ 'book' }}\", url = \"https://wiki.example/{{ job.name }}?q={{ 'a b&c' }}\" }]\n\
         [message.fields]\nZeta = \"{{ run.number }}\"\nAlpha = \"{{ stdout }}\"\nNone = \"\"",
    );
    let message = rendered(&wrote(sample(Event::Failure), b"one\ntwo <x>\n", b""), &format);
    let wanted = format!(
        "color #112233\n\
         section :red_circle: *Backup of web-1* — exited with 2 after 1.3s\n\
         section two &lt;x&gt;\n\
         section *Zeta*\\n40 | *Alpha*\\none\\ntwo &lt;x&gt;\n\
         context db/backup  ·  web-1  ·  exit 2  ·  1.3s  ·  {WHEN}\n\
         actions Run book | https://wiki.example/db/backup?q=a%20b%26c\n"
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
        let error = render(&wrote(sample(Event::Output), b"{\"type\": \"divider\"}", b""), &format).expect_err(blocks);
        assert!(error.template == "message.blocks" && error.why.starts_with(why), "{error}");
    }
}

#[test]
fn a_template_that_fails_loses_nothing() {
    let format = format_of("template = '''line one\n{{ json.free }} <!channel>'''");
    let notice = wrote(sample(Event::Output), b"42\n", b"");
    let error = render(&notice, &format).expect_err("there is no JSON");
    assert_eq!(error.to_string(), "`template` failed: `json.free` is undefined (line 2)");
    let message = fallback(&notice, &error);
    let wanted = format!(
        "color #2eb67d\n\
         section :large_green_circle: *db/backup* ran well in 1.3s\n\
         section ```\\n42\\n```\n\
         context web-1  ·  exit 0  ·  1.3s  ·  {WHEN}\n\
         context :warning: this job's `template` failed: `json.free` is undefined (line 2)\n"
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
    for template in
        ["{{ stdout | link('javascript:x') }}", "{{ stdout | duration }}", "{{ stdout | date }}", "{{ -1 | bytes }}"]
    {
        let format = read_unchecked(template);
        assert!(format.is_none_or(|format| render(&sample(Event::Success), &format).is_err()), "{template}");
    }
}

fn read_unchecked(template: &str) -> Option<Format> {
    let text = format!("template = '''{template}'''");
    let id = Sources::default().add("job.toml".as_ref(), text.as_str());
    let (table, _) = load::parse(id, &text, &mut Problems::default());
    let reader = Reader::default();
    format::read(&mut Table::root(&reader, id, &text, &table), &Templates::default())
}

#[test]
fn the_daemons_own_words() {
    let message = own_words(Status::Critical, "jobs.d/a.toml has errors", "first <line>\n  ^^^^\n");
    let wanted = "color #e01e5a\nsection :red_circle: *jobs.d/a.toml has errors*\nsection ```\\nfirst &lt;line&gt;\\n  ^^^^\\n```\n";
    assert_eq!(transcript(&message), wanted);
    assert_eq!(message.text, ":red_circle: jobs.d/a.toml has errors\n```\nfirst &lt;line&gt;\n  ^^^^\n```");
    assert_eq!(
        transcript(&own_words(Status::Ok, "a < b", "")),
        "color #2eb67d\nsection :large_green_circle: *a &lt; b*\n"
    );
    let long = own_words(Status::Ok, &"t".repeat(5000), &"line\n".repeat(5000));
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
        // Only what this program itself writes: the date of the context line, and the link and ping of the template.
        let mut own = text.clone();
        for ours in ["<https://ours.example|ours>", "<!here>"] {
            own = own.replace(ours, "");
        }
        while let Some(at) = own.find("<!date^1795405538^{date_short_pretty} {time_secs}|") {
            let end = own[at..].find('>').expect("the date is whole") + at;
            own.replace_range(at..=end, "");
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
    formats
}

fn check_hostile(stdout: &[u8], stderr: &[u8], formats: &[Format], notices: Vec<Notice>) {
    for notice in notices {
        let json = serde_json::json!({ "x": String::from_utf8_lossy(stdout) });
        let text = String::from_utf8_lossy(stdout).into_owned();
        let mut notice = with(wrote(notice, stdout, stderr), |outcome| outcome.json = Some(json));
        notice.diff = text.clone();
        notice.remark = text.chars().take(500).collect();
        if let Some(previous) = &mut notice.previous {
            previous.stdout = text;
        }
        for format in formats {
            let message = match render(&notice, format) {
                Ok(Some(message)) => message,
                Ok(None) => continue,
                Err(error) => fallback(&notice, &error),
            };
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

#[test]
fn a_great_output_is_attached_whole() {
    let lines = (0..400).map(|n| format!("line {n}\n")).collect::<String>();
    let notice = wrote(sample(Event::Output), lines.as_bytes(), b"");
    for (format, attached) in [
        (plain(), true),
        (format_of("template = \"{{ stdout }}{{ stdout }}{{ stdout }}\""), true),
        (format_of("template = \"{{ stdout | tail(5) }}\""), false),
    ] {
        assert_eq!(rendered(&notice, &format).attachment.is_some(), attached);
    }
    assert_eq!(whole_output(&notice).map(|file| file.content), Some(lines));
    assert_eq!(whole_output(&sample(Event::Success)), None);
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
