//! `template` and `[message]` as they are written, and what is said of them when they are wrong.

use super::{ACTION_KEYS, KEYS, MESSAGE_KEYS, read};
use crate::diagnostic::{Place, Problems, Sources, human};
use crate::document::{Reader, Table, syntax};
use crate::message::{GLOBAL_KEYS, Templates, read_templates};

/// Whether a job file with this template is accepted.
pub(in crate::message) fn accepts(template: &str) -> bool {
    let quoted = toml::Value::from(template).to_string();
    read_job("", &format!("template = {quoted}")).1
}

/// Reads a job file over `[defaults]`, with the `[templates]` of `global`; all problems, and whether it was accepted.
fn read_job(global: &str, job: &str) -> (Vec<String>, bool) {
    let mut sources = Sources::default();
    let mut problems = Problems::default();
    let (global_id, job_id) = (sources.add("slack_alert.toml".as_ref(), global), sources.add("job.toml".as_ref(), job));
    let (global_table, _) = syntax::parse(global_id, global, &mut problems);
    let (job_table, _) = syntax::parse(job_id, job, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    let reader = Reader::default();
    let mut root = Table::root(&reader, global_id, global, &global_table);
    let templates = read_templates(&mut root);
    let defaults = root.table_or_empty("defaults");
    let mut table = Table::root(&reader, job_id, job, &job_table).over(&defaults);
    let before = reader.errors();
    let _ = read(&mut table, &templates);
    let accepted = reader.errors() == before;
    table.finish();
    let mut problems = reader.into_problems();
    problems.sort();
    let underlined = |place: Option<Place>| {
        place.map_or("", |place| sources.get(place.source).text.get(place.span()).unwrap_or("out of range"))
    };
    let lines = problems.iter().map(|problem| {
        assert!(!human::render(problem, &sources, false).is_empty());
        let help = problem.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{} `{}`: {}{help}", problem.code.as_str(), underlined(problem.place()), problem.message)
    });
    (lines.collect(), accepted)
}

fn problems(job: &str) -> Vec<String> {
    let (problems, accepted) = read_job("", job);
    assert_eq!(accepted, problems.is_empty(), "{problems:?}");
    problems
}

#[test]
fn a_job_says_how_its_messages_look() {
    for job in [
        "",
        "template = \":floppy_disk: *{{ stdout | trim }}* on {{ host }}\"",
        "template = \"{% include 'short' %}\"",
        "[message]\ntitle = \"Backup of {{ host }}\"\nbody = \"{{ stdout | code }}\"\ncolor = \"#2eb67d\"",
        "[message]\nfields = { Host = \"{{ host }}\", Free = \"{{ json.free }}\" }",
        "[message]\nactions = [{ text = \"Runbook\", url = \"https://wiki.example/{{ job.name }}\" }]",
        "[message]\nactions = [{ text = \"{{ host }}\", url = \"{{ json.url }}\" }]",
        "[message]\ncolor = \"{{ 'danger' if exit_code else 'good' }}\"",
        "[message]\nblocks = '''[{\"type\": \"header\", \"text\": {\"type\": \"plain_text\", \"text\": \"{{ host }}\"}}]'''",
        "template = \"{{ (stdout | lines)[7] }} {{ json.x.y }} {{ stdout | int + 1 }} {{ previous.status }}\"",
        "template = \"{{ perfdata[0].value }} {{ (stdout | split('='))[1] }}\"",
    ] {
        assert_eq!(read_job("[templates]\nshort = \"*{{ job.name }}* {{ status }}\"", job), (vec![], true), "{job}");
    }
}

#[test]
fn what_is_wrong_is_shown_at_its_characters() {
    for (job, wanted) in [
        (
            "template = \"a \\\"quoted\\\" {{ stdot }}\"",
            "unknown-variable `stdot`: unknown variable `stdot` (did you mean `stdout`?)",
        ),
        (
            "template = '''\nfirst\n{{ job.nmae }}'''",
            "unknown-variable `nmae`: unknown attribute `nmae` (did you mean `name`?)",
        ),
        (
            "template = \"{{ stdout | tial(3) }}\"",
            "unknown-filter `tial`: unknown filter `tial` (did you mean `tail`?)",
        ),
        (
            "template = \"{{ stdout | }}\"",
            "template-syntax `}}`: unexpected end of variable block, expected identifier (a value stands in `{{ … }}`, a statement in `{% … %}`; `{% if … %}` ends with `{% endif %}`)",
        ),
        (
            "template = \"\\u007b{ stdout\"",
            "template-syntax `stdout`: unexpected end of input, expected end of variable block (a value stands in `{{ … }}`, a statement in `{% … %}`; `{% if … %}` ends with `{% endif %}`)",
        ),
        (
            "template = \"{% include 'shrot' %}\"",
            "template-syntax `'shrot'`: there is no template `shrot` (templates that jobs share stand under `[templates]` in slack_alert.toml)",
        ),
        (
            "template = \"{{ host + 1 }}\"",
            "template-syntax `host + 1`: `+` cannot be used on text and a number (the filter `int` makes a number of text, and `~` puts values together as text)",
        ),
        (
            "template = \"{{ stdout | replace('a') }}\"",
            "template-syntax `replace('a')`: `replace` needs another argument (slack_alert.toml(5) has the variables and filters; `slack-alert preview` shows what comes of them)",
        ),
        (
            "template = \"{% if event == 'stuck' %}{{ host | link }}{% endif %}\"",
            "template-syntax `link`: `link` needs another argument (write it as `link(url)`: the text as a link to a URL (http, https, mailto))",
        ),
        (
            "template = \"{% for x in range(100000) %}{% for y in range(100) %}.{% endfor %}{% endfor %}\"",
            "template-syntax `.`: the template takes too long (slack_alert.toml(5) has the variables and filters; `slack-alert preview` shows what comes of them)",
        ),
        ("template = 3", "wrong-type `3`: `template` must be text, found a number (write text in quotes: `\"…\"`)"),
        ("[message]\nbodi = \"x\"", "unknown-key `bodi`: unknown key `bodi` in `message` (did you mean `body`?)"),
        (
            "template = \"a\"\n[message]\nbody = \"b\"",
            "conflicting-keys `body`: `message.body` cannot stand beside `template` (they are the same: keep one of them)",
        ),
        (
            "failure_template = \"a\"\n[message.failure]\nbody = \"b\"",
            "conflicting-keys `body`: `message.failure.body` cannot stand beside `failure_template` (they are the same: keep one of them)",
        ),
        (
            "[message.recovery]\ntitel = \"x\"",
            "unknown-key `titel`: unknown key `titel` in `message.recovery` (did you mean `title`?)",
        ),
        (
            "[message]\nblocks = \"[]\"\nfields = { a = \"b\" }",
            "conflicting-keys `fields`: `message.fields` cannot stand beside `message.blocks` (`blocks` is the whole message: put what they say into it)",
        ),
        (
            "[message]\ncolor = \"reddish\"",
            "invalid-value `\"reddish\"`: `reddish` is no colour (write `good`, `warning`, `danger` or `#rrggbb`)",
        ),
        (
            "[message]\nactions = [{ text = \"Runbook\", url = \"/runbook\" }]",
            "invalid-value `\"/runbook\"`: `/runbook` is no URL that a button can open (write an absolute URL that begins with https:// or http://)",
        ),
        (
            "[message]\nactions = [{ text = \"Runbook\", url = \"javascript:{{ stdout }}\" }]",
            "invalid-value `\"javascript:{{ stdout }}\"`: `javascript:{{ stdout }}` is no URL that a button can open (write an absolute URL that begins with https:// or http://)",
        ),
        (
            "[message]\nactions = [{ text = \"Runbook\" }]",
            "missing-key `{ text = \"Runbook\" }`: `url` is missing in `message.actions[0]` (a button is `{ text = \"Runbook\", url = \"https://…\" }`)",
        ),
        (
            "[message]\nactions = \"https://x.example\"",
            "wrong-type `\"https://x.example\"`: `message.actions` must be a list of buttons, each `{ text = \"…\", url = \"…\" }`, found text (slack_alert.toml(5) shows how `message.actions` is written)",
        ),
        (
            "template = \"{{ stdout | mention }}\"",
            "template-syntax `mention`: `mention` takes only names that are written in the template (write the name: `{{ \"@here\" | mention }}`; output must not be able to ping anybody)",
        ),
    ] {
        assert_eq!(problems(job), [wanted], "{job}");
    }
}

#[test]
fn every_mistake_of_a_table_is_reported_at_once() {
    let job = "template = \"{{ a }} {{ b | c }}\"\n[message]\ntitle = \"{{ d }}\"\nfields = { x = \"{{ e }}\", y = 1 }\n\
               actions = [{ text = \"{{ f }}\", url = \"ftp://x\" }]\ncolor = \"{{ g\"\nextra = 1\n";
    let found = problems(job);
    assert_eq!(found.len(), 10, "{found:#?}");
}

#[test]
fn a_jobs_own_words_win_over_the_defaults() {
    let global = |defaults: &str| format!("[defaults]\n{defaults}");
    for (defaults, job) in [
        ("template = \"a\"", "[message]\nbody = \"b\""),
        ("message = { body = \"a\" }", "template = \"b\""),
        ("message = { blocks = \"[]\" }", "template = \"b\""),
        ("template = \"a\"", "[message]\nblocks = \"[]\""),
        ("failure_template = \"a\"", "[message.failure]\nbody = \"b\""),
    ] {
        assert_eq!(read_job(&global(defaults), job), (vec![], true), "{defaults} under {job}");
    }
    let (both, _) = read_job(&global("template = \"a\"\nmessage = { body = \"b\" }"), "");
    assert_eq!(both.len(), 1, "{both:?}");
}

#[test]
fn shared_templates_are_held_to_the_same_rules() {
    let global =
        "[templates]\nbad = \"{{ stdot }}\"\nuser = \"{% include 'bad' %}\"\nring = \"{% include 'ring' %}\"\n";
    let (found, accepted) = read_job(global, "template = \"{% include 'bad' %}\"");
    assert!(accepted, "one mistake is reported once, where it is");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("unknown-variable `stdot`"), "{found:?}");
    assert!(found[1].starts_with("template-syntax `include 'ring'`"), "{found:?}");
}

#[test]
fn the_lists_of_keys_are_what_is_read() {
    let names = |keys: &[crate::document::Key]| {
        let mut names: Vec<_> = keys.iter().map(|key| key.name).collect();
        names.sort_unstable();
        names
    };
    let reader = Reader::default();
    let mut root = Table::empty(&reader);
    let templates = read_templates(&mut root);
    assert_eq!(root.asked(), names(GLOBAL_KEYS));
    let mut job = Table::empty(&reader);
    read(&mut job, &templates);
    assert_eq!(job.asked(), names(KEYS));
    // What the inner tables take is seen by what they call unknown.
    let all = "[message]\ntitle = \"a\"\nbody = \"b\"\ncolor = \"good\"\nfields = { a = \"b\" }\n\
               actions = [{ text = \"a\", url = \"https://x.example\" }]\n";
    assert_eq!(
        (names(MESSAGE_KEYS), problems(all)),
        (vec!["actions", "blocks", "body", "color", "failure", "fields", "recovery", "title"], vec![])
    );
    assert_eq!(names(ACTION_KEYS), ["text", "url"]);
}

#[test]
fn many_jobs_with_one_template_share_it() {
    let templates = Templates::default();
    let reader = Reader::default();
    let job = "template = \"{{ stdout | trim }}\"";
    let mut problems = Problems::default();
    let id = Sources::default().add("job.toml".as_ref(), job);
    let (table, _) = syntax::parse(id, job, &mut problems);
    let read = || read(&mut Table::root(&reader, id, job, &table), &templates);
    let (first, second) = (read(), read());
    let body = |format: &super::Format| {
        format.layouts.as_ref().and_then(|all| all.message.body.clone()).map(|(template, _)| template)
    };
    assert_eq!(body(&first), body(&second));
    assert!(size_of_val(&first) <= 40, "{}", size_of_val(&first));
}
