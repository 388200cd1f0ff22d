//! What filters that know nothing of markup are given: of markup the words that it shows, so that nothing is escaped twice and
//! no cut goes through an entity or a link.
//!
//! Before it: `filters`, which registers them. After it: text that is escaped, once.

use minijinja::value::{Kwargs, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, State, filters};

use super::Mode;
use crate::slack::shown;

/// The filters that change text, or look into it.
pub(in crate::message) const OF_TEXT: [&str; 17] = [
    "capitalize",
    "center",
    "count",
    "first",
    "format",
    "last",
    "length",
    "lower",
    "replace",
    "reverse",
    "split",
    "title",
    "truncate",
    "upper",
    "urlencode",
    "wordcount",
    "wordwrap",
];

/// Registers them, each under its name; the one behind it has a name that no template can write.
pub(super) fn register(environment: &mut Environment<'static>, mode: Mode) {
    engines_own(environment);
    for name in OF_TEXT {
        let behind = format!(" {name}");
        environment.add_filter(name, move |state: &mut State<'_, '_>, value: Value, args: Rest<ValueOrKwargs>| {
            let args = args.into_values();
            let all: Vec<Value> = std::iter::once(value).chain(args).collect();
            // What is put into markup is escaped for it.
            if name == "format" && all[0].is_safe() {
                return state.apply_filter(&behind, &all);
            }
            applied(mode, &all, |words| state.apply_filter(&behind, words))
        });
    }
}

fn engines_own(environment: &mut Environment<'static>) {
    environment.add_filter(" capitalize", filters::capitalize);
    environment.add_filter(" count", filters::length);
    environment.add_filter(" first", filters::first);
    environment.add_filter(" format", filters::format);
    environment.add_filter(" last", filters::last);
    environment.add_filter(" length", filters::length);
    environment.add_filter(" lower", filters::lower);
    environment.add_filter(" reverse", filters::reverse);
    environment.add_filter(" split", filters::split);
    environment.add_filter(" title", filters::title);
    environment.add_filter(" upper", filters::upper);
}

/// What a filter makes of words. Those of markup are escaped again at once: whoever marks them as `safe` lets nobody ping.
pub(super) fn applied(
    mode: Mode,
    values: &[Value],
    filter: impl FnOnce(&[Value]) -> Result<Value, Error>,
) -> Result<Value, Error> {
    let is_markup = |value: &Value| match value.is_kwargs() {
        true => {
            value.try_iter().into_iter().flatten().any(|key| value.get_item(&key).is_ok_and(|value| value.is_safe()))
        }
        false => value.is_safe(),
    };
    if !values.iter().any(is_markup) {
        return filter(values);
    }
    let made = filter(&values.iter().map(|value| words(mode, value)).collect::<Vec<_>>())?;
    let escaped = |value: Value| match value.as_str().filter(|_| !value.is_safe()) {
        Some(text) => Value::from_safe_string(mode.escape(text)),
        None => value,
    };
    match made.kind() {
        ValueKind::Seq => Ok(made.try_iter()?.map(escaped).collect()),
        _ => Ok(escaped(made)),
    }
}

/// The words that a value shows, where it is markup; any other as it is.
pub(super) fn words(mode: Mode, value: &Value) -> Value {
    if value.is_kwargs() {
        let pairs = value.try_iter().into_iter().flatten();
        let pair = |key: Value| Some((key.as_str()?.to_owned(), words(mode, &value.get_item(&key).ok()?)));
        return pairs.filter_map(pair).collect::<Kwargs>().into();
    }
    match (mode, value.as_str().filter(|_| value.is_safe())) {
        (_, None) => value.clone(),
        (Mode::Url, Some(text)) => Value::from(percent_decode(text)),
        (_, Some(text)) => Value::from(mode.mrkdwn_of(value).map_or_else(|| text.to_owned(), |text| shown(&text))),
    }
}

fn percent_decode(text: &str) -> String {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(byte.unwrap_or(*first));
        rest = &rest[if byte.is_some() { 3 } else { 1 }..];
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use minijinja::{AutoEscape, Environment, context};

    use super::Mode;
    use crate::message::filters::register;

    fn rendered(mode: Mode, template: &str, stdout: &str) -> String {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Custom("slack".into()));
        register(&mut environment, mode);
        let text = environment.render_str(template, context! { stdout });
        text.unwrap_or_else(|error| format!("{error:#}"))
    }

    #[test]
    fn a_filter_after_markup_is_given_its_words_and_nothing_is_escaped_twice() {
        for (template, shown) in [
            ("{{ stdout | literal | truncate(8, true, leeway=0) }}", "a &amp; b..."),
            ("{{ stdout | literal | replace('a', 'x') }}", "x &amp; b &lt;c&gt;"),
            ("{{ 'x' | replace(old='x', new=stdout | literal) }}", "a &amp; b &lt;c&gt;"),
            ("{{ '%s!' | format(stdout | literal) }}", "a &amp; b &lt;c&gt;!"),
            ("{{ '*%s*' | safe | format(stdout) }}", "*a &amp; b &lt;c&gt;*"),
            ("{{ stdout | literal | upper }}", "A &amp; B &lt;C&gt;"),
            ("{{ stdout | literal | link('https://rb.example') }}", "<https://rb.example|a &amp; b &lt;c&gt;>"),
            ("{{ stdout | urlize | truncate(8, true, leeway=0) }}", "a &amp; b..."),
            ("{{ 'https://x.example/?q=1&r=2' | urlize | truncate(40) }}", "https://x.example/?q=1&amp;r=2"),
            ("{{ stdout | code | truncate(8, true, leeway=0) }}", "a &amp; b..."),
            ("{{ stdout | code | length }} {{ stdout | literal | count }}", "9 9"),
            ("{{ ['a', 'b'] | length }} {{ 'a' | length }}", "2 1"),
            ("{{ stdout | code | tail(1) }}", "```\na &amp; b &lt;c&gt;\n```"),
            ("{% set x %}{{ stdout }}{% endset %}{{ x | truncate(8, true, leeway=0) }}", "a &amp; b..."),
            ("{% macro f(v) %} {{ v }} {% endmacro %}{{ f(stdout) | upper | trim }}", "A &amp; B &lt;C&gt;"),
            ("{% filter title %}{{ stdout }}{% endfilter %}", "A &amp; B &lt;C&gt;"),
            ("{% set x %}{{ stdout }};{% endset %}{{ x | trim(';') }}", "a &amp; b &lt;c&gt;"),
            ("{% set x %}{{ stdout }}{% endset %}{{ x | urlencode }}", "a%20%26%20b%20%3Cc%3E"),
            ("{% set x %}{{ stdout }}{% endset %}{{ x | strip_ansi }}", "a &amp; b &lt;c&gt;"),
            ("{% set x %}{{ '@here' | mention }}{% endset %}{{ x | upper }}", "@HERE"),
            ("{{ ['a_b'] | map('literal') | map('upper') | join }}", "A\u{2060}_\u{2060}B"),
            ("{{ 'a_b c d' | literal | truncate(6, leeway=0) }}", "a\u{2060}_\u{2060}b..."),
            // Where the words stay as they are, so does the markup.
            ("{% set x %} {{ 'a' | link('https://x.example') }} {% endset %}{{ x | trim }}", "<https://x.example|a>"),
            ("{{ 'one' | literal | indent(stdout, true) }}", "a &amp; b &lt;c&gt;one"),
        ] {
            assert_eq!(rendered(Mode::Mrkdwn, template, "a & b <c>"), shown, "{template}");
        }
    }

    #[test]
    fn markup_is_quoted_once_where_a_template_writes_json() {
        let f = "{% macro f(v) %}*{{ v }}*{% endmacro %}";
        for (template, shown) in [
            ("{{ f(stdout) | tojson }}", "*a \"&amp;\" b\nc*"),
            ("\"{{ f(stdout) | upper }}\"", "*A \"&amp;\" B\nC*"),
            ("\"{{ f(stdout) | tail(1) }}\"", "c*"),
            ("\"{{ stdout | literal | code }}\"", "```\na \"&amp;\" b c\n```"),
        ] {
            let json = rendered(Mode::Json, &format!("{f}{template}"), "a \"&\" b\nc");
            let text = serde_json::from_str::<String>(&json).unwrap_or_else(|error| format!("{error}: {json}"));
            assert_eq!(text, shown, "{template}");
        }
        let url = "https://x.example/?q={% set q %}{{ stdout }}{% endset %}{{ q | upper }}&r={{ q | urlencode }}";
        assert_eq!(rendered(Mode::Url, url, "a&b"), "https://x.example/?q=A%26B&r=a%26b");
    }

    #[test]
    fn no_filter_makes_a_ping_of_what_was_escaped() {
        for template in [
            "{{ stdout | literal | indent(stdout, true) }}",
            "{{ stdout | literal | upper | lower }}",
            "{{ stdout | code | replace('```', '') | title }}",
            "{{ '%s' | format(stdout | literal) ~ (stdout | literal) }}",
            "{{ 'a b' | literal | wordwrap(1, wrapstring=stdout) }}",
            "{{ 'a' | literal | truncate(1, true, stdout, 0) }}{{ 'ab' | literal | truncate(1, true, stdout, 0) }}",
            "{{ stdout | link('https://x.example') | split('|') | join }}",
            "{{ ['a', 'b' | literal] | join(stdout) }}",
            // Nor does one who marks as safe what was.
            "{{ stdout | literal | upper | lower | safe }}",
            "{% set x %}{{ stdout }}{% endset %}{{ x | truncate(80) | safe }}{{ x | split(' ') | map('safe') | join }}",
            "{{ 'x' | replace(old='x', new=stdout | literal) | safe }}",
            "{{ '%s' | format(stdout | code) | safe }}{{ stdout | e | trim('x') | safe }}",
        ] {
            let shown = rendered(Mode::Mrkdwn, template, "<!channel> <@U024BE7LH>");
            assert!(!shown.contains("<!") && !shown.contains("<@") && !shown.contains("amp;"), "{template}: {shown}");
        }
    }
}
