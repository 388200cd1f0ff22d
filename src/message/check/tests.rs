//! What the template checker finds, and what it lets pass.

use proptest::prelude::*;

use super::{BUILTIN_FILTERS, BUILTIN_TESTS, check};
use crate::diagnostic::Code;

fn names() -> Vec<String> {
    vec!["short".to_owned(), "base".to_owned()]
}

#[test]
fn templates_that_are_well() {
    for source in [
        "{{ job.name }} {{ run.id }} {{ incident.failures }} {{ previous.status }}",
        "{% if previous and previous.status != status %}{{ diff | code }}{% endif %}",
        "{% for line in stdout | lines %}{{ loop.index }}: {{ line }}{% else %}none{% endfor %}",
        "{% for p in perfdata %}{{ p.label }}={{ p.value }}{% endfor %}{{ (perfdata | first).unit }}",
        "{% set x = 1 %}{{ x }}{% if x %}{% set y = 2 %}{% endif %}{{ y }}",
        "{% macro m(a, b=1) %}{{ a }}{{ b }}{{ caller() }}{% endmacro %}{% call m(1) %}x{% endcall %}",
        "{% include 'short' %}{% extends 'base' %}{% block body %}{{ super() }}{% endblock %}",
        "{% include ['nothing', 'short'] %}{% include 'gone' ignore missing %}",
        "{% from 'short' import line as l %}{{ l(stdout) }}{% import 'base' as b %}{{ b.x(1) }}",
        "{{ json.anything.at[0].all }}{{ json['x'] }}{{ range(3) | join(',') }}",
        "{% set ns = namespace(n=0) %}{% set ns.n = 1 %}{{ ns.n }}",
        "{{ started | date('%H:%M') }}{{ duration.seconds > 60 }}{{ started.timestamp + 1 }}",
        "{{ [1, 2] | map('string') | join }}{{ [1] | select('odd') | list }}{{ 'a' is startingwith 'a' }}",
        "<https://x.example/{{ host }}|x> <!here> 1 < {{ exit_code }} <!date^{{ started.timestamp }}^{date}|x>",
        "{{ '@here' | mention }}{{ ['@here', 'U024BE7LH'] | map('mention') | join(' ') }}",
        "{% set who = '@here' if status == 'critical' else '' %}{{ who | mention }}",
        "{{ {'critical': '@channel', 'warning': '@here'}[status] | mention }}",
        "{% for who in ['@here', 'S0614TZR7'] %}{{ who | mention }}{% endfor %}",
        "{% filter mention %}@here{% endfilter %}",
    ] {
        assert_eq!(check(source, &names(), false).0, [], "{source}");
    }
}

#[test]
fn what_is_wrong_is_found_at_its_place() {
    use Code::{TemplateSyntax as Syntax, UnknownFilter as Filter, UnknownVariable as Variable};
    for (source, code, culprit, help) in [
        ("{{ stdot }}", Variable, "stdot", "did you mean `stdout`?"),
        ("{{ name }}", Variable, "name", "did you mean `job.name`?"),
        ("{{ job.nmae }}", Variable, "nmae", "did you mean `name`?"),
        ("{{ job['nmae'] }}", Variable, "'nmae'", "did you mean `name`?"),
        ("{{ run.foo }}", Variable, "foo", "it has `id`, `number`, `attempt`, `trigger`"),
        ("{{ incident.x }}", Variable, "x", "it has `failures`, `started`, `duration`"),
        ("{{ stdout.foo }}", Variable, "foo", ""),
        ("{{ duration.second }}", Variable, "second", "did you mean `seconds`?"),
        ("{% for p in perfdata %}{{ p.lable }}{% endfor %}", Variable, "lable", "did you mean `label`?"),
        ("{% for x in job.tags %}{{ loop.indx }}{% endfor %}", Variable, "indx", "did you mean `index`?"),
        ("{% for x in [1] %}{% endfor %}{{ x }}", Variable, "x", "the variables are"),
        ("{{ now() }}", Variable, "now", ""),
        ("{{ stdout() }}", Variable, "stdout", "`stdout` is a variable: write it without brackets"),
        ("{{ debug() }}", Variable, "debug", ""),
        ("{{ stdout | tial(3) }}", Filter, "tial", "did you mean `tail`?"),
        ("{{ stdout | defined }}", Filter, "defined", "`defined` is a test: write `is defined`"),
        ("{{ stdout is definedd }}", Filter, "definedd", "did you mean `defined`?"),
        ("{{ stdout.strip() }}", Filter, "strip", "use the filter: `| trim`"),
        ("{{ [1] | map('uper') }}", Filter, "'uper'", "did you mean `upper`?"),
        ("{{ [1] | select('od') }}", Filter, "'od'", "did you mean `odd`?"),
        ("{% include 'shrt' %}", Syntax, "'shrt'", "did you mean `short`?"),
        ("{% extends 'nowhere-at-all' %}", Syntax, "'nowhere-at-all'", "`[templates]` has `short`, `base`"),
        ("{{ started | date('%Q%') }}", Syntax, "'%Q%'", "see strftime(3)"),
        ("{% if duration > 60 %}{% endif %}", Syntax, "duration", "its number is in `.seconds`"),
        ("{{ 1 < started }}", Syntax, "started", "its number is in `.timestamp`"),
        ("{% autoescape false %}{{ stdout }}{% endautoescape %}", Syntax, "autoescape", "values are always"),
        ("{{ '@nobody' | mention }}", Syntax, "'@nobody'", ""),
        ("{{ stdout | }}", Syntax, "}}", ""),
        ("{% if x %}", Syntax, "%}", ""),
        ("at <{{ stdout }}>", Syntax, "<", "write `&lt;` for the sign"),
        ("<@{% if 1 %}{{ stdout }}{% endif %}>", Syntax, "<@", "write `&lt;` for the sign"),
        ("{{ 'abc", Syntax, "", ""),
    ] {
        let (findings, _) = check(source, &names(), false);
        let first = findings.first().unwrap_or_else(|| panic!("nothing found in {source}"));
        assert_eq!(first.code, code, "{source}: {first:?}");
        assert!(source[first.range.clone()].starts_with(culprit), "{source}: {first:?}");
        assert!(first.help.as_deref().unwrap_or_default().starts_with(help), "{source}: {first:?}");
    }
}

#[test]
fn what_fails_whatever_a_command_writes_is_found_wherever_it_stands() {
    for (source, culprit, message) in [
        ("{{ stdout | tail('x') }}", "tail('x')", "`tail` wants a whole number, and is given text"),
        ("{{ stdout | tail(1.5) }}", "tail(1.5)", "`tail` wants a whole number"),
        ("{{ stdout | tail(lines=3) }}", "tail(lines=3)", "`tail` takes its arguments without names"),
        ("{{ stdout | code(3) }}", "code(3)", "`code` takes fewer arguments"),
        ("{{ stdout | link('x.example') }}", "link('x.example')", "`link` wants a URL"),
        ("{{ stdout | replace('a') }}", "replace('a')", "`replace` needs another argument"),
        ("{{ stdout | truncate(lenght=3) }}", "truncate(lenght=3)", "`lenght` is none of them: `truncate` takes"),
        ("{{ stdout | lines | map('tail', 'x') | join }}", "'tail'", "`tail` wants a whole number"),
        ("{{ 'a' | date }}", "date", "`date` wants a point in time"),
        ("{% if 'x' in stdout %}{{ host | round }}{% endif %}", "round", "`round`: cannot round value (string)"),
        ("{% if json.x %}{{ json.x | truncate('x') }}{% endif %}", "truncate('x')", "`truncate`: `length` wants"),
        ("{% macro m(a) %}{{ a | head('x') }}{% endmacro %}", "head('x')", "`head` wants a whole number"),
        ("{% for l in stdout | lines %}{{ l | upper(1) }}{% endfor %}", "upper(1)", "`upper` takes fewer"),
        ("{% if status == 'x' and exit_code is divisibleby %}{% endif %}", "divisibleby", "`divisibleby` needs"),
        ("{% for x in exit_code %}{% endfor %}", "exit_code", "this is a number, and no list"),
        ("{% for x in duration %}{% endfor %}", "duration", "this is a length of time, and no list"),
        ("{{ stdout + 1 }}", "stdout + 1", "`+` cannot be used on text and a number"),
        ("{{ (stdout | trim)[1:] - 1 if json else host - 1 }}", "host - 1", "`-` cannot be used on text and a number"),
        ("{{ exit_code // 0 }}", "exit_code // 0", "this divides by 0"),
        ("{{ -stdout }}", "-stdout", "text has no negative"),
        ("{{ stdout['a'] }}", "'a'", "a text has no attribute `a`"),
        ("{{ 'x' if exit_code == '1' else 'y' }}", "'1'", "`exit_code` is a number, and is compared with text"),
        ("{{ previous.status == 2 }}", "2", "`previous.status` is text, and is compared with a number"),
        ("{{ exit_code in ['1', '2'] }}", "'1'", "`exit_code` is a number, and is compared with text"),
        ("{{ json.used > '90%' }}", "'90%'", "`'90%'` is text, and is not compared as a number"),
        ("{{ duration.seconds > '60' }}", "'60'", "`duration.seconds` is a number"),
    ] {
        let (findings, _) = check(source, &names(), false);
        let [found] = &findings[..] else { panic!("{source}: {findings:?}") };
        assert!(source[found.range.clone()].starts_with(culprit), "{source}: {found:?}");
        assert!(found.message.starts_with(message), "{source}: {found:?}");
    }
}

#[test]
fn what_may_go_well_with_some_output_is_let_pass() {
    for source in [
        "{{ stdout | duration }} {{ stdout | bytes }} {{ stdout | date }} {{ stdout | int + 1 }}",
        "{{ json.x | tail(3) }} {{ json.a + 1 }} {{ json.a / json.b }} {{ json.t | date('%H:%M') }} {{ json.n | round(1) }}",
        "{{ json | items | list }} {{ json.list | groupby('a') }} {{ json.list | map(attribute='b') | sum }}",
        "{{ json.list | sort(attribute='x') }} {{ json.list | batch(2) | list }} {{ json.f | format(1, 2) }}",
        "{{ stdout | tail(json.n) }} {{ stdout | default('x', true) }} {{ perfdata | map(attribute='label') | join }}",
        "{{ stdout | lines | select('startingwith', 'E') | list | length }} {{ exit_code is divisibleby(2) }}",
        "{{ exit_code == 1 }} {{ exit_code == none }} {{ stdout == '5' }} {{ host > 'a' }} {{ json.n > '5-a' }}",
        "{{ stdout[0] }} {{ duration['seconds'] + 1 }} {{ job.tags + ['x'] }} {{ host * 2 }} {{ started.timestamp - 60 }}",
        "{% for c in host %}{{ c }}{% endfor %}{% for x in json %}{{ x }}{% endfor %}",
        "{% set exit_code = 'x' %}{{ exit_code == 'x' }}",
        "{{ started | date }} {{ duration | duration }} {{ duration.seconds | round(1) }}",
    ] {
        assert_eq!(check(source, &names(), false).0, [], "{source}");
    }
}

#[test]
fn no_output_can_be_mentioned() {
    for source in [
        "{{ stdout | mention }}",
        "{{ stdout | trim | mention }}",
        "{{ ('@' ~ stdout) | mention }}",
        "{{ json.who | mention }}",
        "{{ job.name | mention }}",
        "{{ stdout | lines | map('mention') | join }}",
        "{{ ['@here', stdout] | map('mention') | join }}",
        "{% set f = 'mention' %}{{ stdout | lines | map(f) | join }}",
        "{{ stdout | lines | map(*['mention']) | join }}",
        "{% set who = stdout %}{{ who | mention }}",
        "{% set who = '@here' %}{% set who = stdout %}{{ who | mention }}",
        "{{ stdout | mention }}{% set stdout = '@here' %}",
        "{% for who in stdout | lines %}{{ who | mention }}{% endfor %}",
        "{% for x in ['@here'] recursive %}{{ x | mention }}{{ loop(stdout | lines) }}{% endfor %}",
        "{% macro m(who) %}{{ who | mention }}{% endmacro %}{{ m(stdout) }}",
        "{% filter mention %}{{ stdout }}{% endfilter %}",
        "{% filter trim | mention %}{{ stdout }}{% endfilter %}",
        "{% set who | mention %}{{ stdout }}{% endset %}",
        "{% set who %}{{ stdout }}{% endset %}{{ who | mention }}",
        "{{ ('@here' if exit_code else stdout) | mention }}",
        "{{ '' | default(stdout, true) | mention }}",
        "{{ 'x' | replace('x', stdout) | mention }}",
        "{% with who = stdout %}{{ who | mention }}{% endwith %}",
        "{% set ns = namespace(who='@here') %}{% set ns.who = stdout %}{{ ns.who | mention }}",
        "{% from 'short' import who %}{{ who | mention }}",
        "{% set who, x = stdout, 1 %}{{ who | mention }}",
        "{% extends 'base' %}{% set who = '@here' %}{% block b %}{{ who | mention }}{% endblock %}",
    ] {
        let (findings, _) = check(source, &names(), false);
        assert!(findings.iter().any(|finding| finding.code == Code::TemplateSyntax), "{source}: {findings:?}");
    }
    let named = check("{% set who = '@here' %}{{ who | mention }}", &names(), true).0;
    assert_eq!(named.len(), 1, "a shared template does not know whose variables it is given");
}

#[test]
fn the_lists_are_those_of_the_engine() {
    let shown = format!("{:?}", minijinja::Environment::new());
    let (_, rest) = shown.split_once("tests: ").expect("the engine lists its tests");
    let (tests, filters) = rest.split_once("filters: ").expect("the engine lists its filters");
    let words = |text: &str| {
        let inside = &text[text.find('[').expect("a list") + 1..text.find(']').expect("an end")];
        inside.split(", ").map(|word| word.trim_matches('"').to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (words(tests), words(filters)),
        (
            BUILTIN_TESTS.split_ascii_whitespace().map(str::to_owned).collect(),
            BUILTIN_FILTERS.split_ascii_whitespace().map(str::to_owned).collect(),
        )
    );
}

#[test]
fn the_place_of_plain_text_is_right_after_trimmed_blanks() {
    let source = "{% if 1 -%}  \n é <{{ stdout }}{% endif %}";
    let (findings, _) = check(source, &names(), false);
    assert_eq!(findings.iter().map(|finding| &source[finding.range.clone()]).collect::<Vec<_>>(), ["<"]);
}

proptest! {
    #[test]
    fn whatever_is_written_is_answered_within_the_text(
        pieces in proptest::collection::vec(
            "(\\{\\{ | \\}\\}|\\{% | %\\}|\\{#|#\\}|-%\\}|\\{%-|if |else|endif|for x in |endfor|set x = |macro m\\(x\\)|endmacro|\
             filter |endfilter|include |extends |block b|endblock|stdout|job|\\.name|\\.nmae|\\['x'\\]|x|1|'@here'|'\u{e9}|\\||mention|\
             map\\(|tail\\(3\\)|date\\('%Q'\\)|\\(|\\)|,| is odd|==|~|\\*|\\*\\*|<|>|!|@| |\n|\u{1f525}|```)",
            0..25,
        ),
        named: bool,
    ) {
        let source = pieces.concat();
        let (findings, _) = check(&source, &names(), named);
        for finding in findings {
            prop_assert!(source.get(finding.range.clone()).is_some(), "{finding:?} in {source:?}");
            prop_assert!(!finding.message.is_empty());
        }
    }
}

#[test]
fn endless_chains_end_in_an_answer() {
    for (start, each, end) in [
        ("{{ stdout", " ~ stdout", " }}"),
        ("{{ stdout", " | trim", " }}"),
        ("{{ json", ".x", " }}"),
        ("{{ stdout", "[0]", " }}"),
        ("{{ ", "(", ""),
        ("{{ ", "not ", "1 }}"),
        ("{{ 1", " if 1 else 1", " }}"),
        ("{% if 1 %}", "{% elif 2 %}", "{% endif %}"),
        ("", "{% if 1 %}", ""),
        ("", "{% filter trim %}", ""),
        ("{{ 1", " and 1", " }}"),
        ("{{ 1", " < 1", " }}"),
        ("{{ [", "1,", "] }}"),
        ("", "{{ stdout }}", ""),
        ("", "\n", "{{"),
    ] {
        for times in [100, 490, 20_000] {
            let source = format!("{start}{}{end}", each.repeat(times));
            // It is compiled and rendered too, when it is found to be well.
            let accepted = crate::message::format::tests::accepts(&source);
            assert!(!accepted || times < 5_000, "{start}{each}…");
            assert!(accepted || times > 100 || end.is_empty() || end == "{{" || each == "(", "{start}{each}…");
        }
    }
}
