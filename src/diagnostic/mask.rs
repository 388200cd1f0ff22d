//! Blots secrets out of what is shown: source lines and the words of problems pass through here before anybody sees
//! them. Before it: nothing; after it: a problem's words, and every rendering of its lines.
//!
//! Each byte of a secret becomes one `*`, so that byte offsets into the text stay true.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// What looks like a secret; the groups named `s…` are what is blotted out.
static SECRETS: LazyLock<[Regex; 7]> = LazyLock::new(|| {
    [
        // Slack's tokens: xoxb-…, xoxp-…, xoxe.xoxp-…, xapp-….
        r"(?:xox[a-zA-Z]|xapp)(?:\.xox[a-zA-Z])?-(?<s>[0-9A-Za-z_-]+)",
        // Webhooks: the path is the credential.
        r#"(?:hooks\.slack(?:-gov)?\.com/|/services/)(?<s>[^\s"'<>|]+)"#,
        // The values of the keys that hold secrets, whatever they look like, closed or not.
        r#"(?xms) (?:^|[^0-9A-Za-z_-]) ["']? (?:token|webhook_url) ["']? [\ \t]* = [\ \t]*
            (?: """ (?<s1>.*?) (?:"""|\z) | ''' (?<s2>.*?) (?:'''|\z) | " (?<s3>(?:\\.|[^"\\\n])*) | ' (?<s4>[^'\n]*) )"#,
        // The tokens of others: GitHub, GitLab, AWS.
        r"\b(?:gh[oprsu]_|github_pat_|glpat-|AKIA|ASIA)(?<s>[0-9A-Za-z_-]{16,})",
        // What authorizes a request.
        r"(?i)\bauthorization: *(?:bearer|basic|token) +(?<s>[0-9A-Za-z._~+/=-]+)",
        r"discord(?:app)?\.com/api/webhooks/(?<s>[0-9A-Za-z_/-]+)",
        // The password of a URL.
        r#"://[^/\s"'@:]*:(?<s>[^/\s"'@]+)@"#,
    ]
    .map(|pattern| Regex::new(pattern).expect("the pattern is fixed and tested"))
});

/// Names that hold secrets in whatever table they stand; a name that contains one of the words does too.
const SECRET_WORDS: [&str; 8] = ["token", "secret", "passw", "credential", "webhook", "api_key", "apikey", "private"];

/// Names that say where a secret is, or what is known of it, and are none.
const HARMLESS_ENDS: [&str; 3] = ["_file", "_env", "_path"];

/// Names of secrets; a key, or a part of it between `_` or `-`, that is near to one is a slip for it.
const SECRET_KEYS: [&str; 7] = ["token", "secret", "webhook", "webhook_url", "password", "credential", "apikey"];

/// Whether a key is the name of a table of variables, or a slip for it. What stands there in another form ("A=b" in a list)
/// is as secret as what the table would hold.
fn is_environment(key: &str) -> bool {
    matches!(key, "env" | "evn" | "environment")
}

/// Whether a key is this name of a few letters, or a slip for it.
fn is_about(key: &str, name: &str) -> bool {
    strsim::osa_distance(key, name) <= 1
}

/// Whether a key's value is a secret: by its words, or since it is a slip for the name of one.
fn is_secret(path: &[&str]) -> bool {
    let Some(key) = path.last().map(|key| key.to_ascii_lowercase()) else { return false };
    if HARMLESS_ENDS.iter().any(|end| key.ends_with(end)) {
        return false;
    }
    let near = || {
        let parts = || key.split(['_', '-']).chain([key.as_str()]);
        // Slips: one in a short name, more in a long one.
        let slips = |name: &str| if name.len() < 8 { 1 } else { name.len() / 4 };
        SECRET_KEYS.iter().any(|name| parts().any(|part| strsim::osa_distance(part, name) <= slips(name)))
    };
    let parent = path.iter().rev().nth(1).map(|parent| parent.to_ascii_lowercase());
    match parent.as_deref() {
        // A job's variables, whose names are in words of their own; more of them than `redact_env` masks, since a line of a file
        // that is blotted out in vain hides nothing that anybody needs.
        Some(parent) if is_environment(parent) => {
            ["pass", "secret", "token", "key", "credential", "pwd", "auth", "dsn", "url"]
                .iter()
                .any(|word| key.contains(word))
        }
        // An address that nobody needs more than to know: whoever has it can report in this one's place.
        Some(parent) if is_about(&key, "url") && (is_about(parent, "heartbeat") || is_about(parent, "ping")) => true,
        _ => SECRET_WORDS.iter().any(|word| key.contains(word)) || near() || is_instead_of_table(&key),
    }
}

/// A secret itself where the path of its file, or the name of its variable, is asked for.
fn is_in_place_of_path(path: &[&str], text: &str) -> bool {
    let names_another = path.last().is_some_and(|key| HARMLESS_ENDS.iter().any(|end| key.ends_with(end)));
    names_another && text.contains("://")
}

/// Keys of which a table is wanted, or allowed, and under which a text is a secret.
fn is_instead_of_table(key: &str) -> bool {
    key == "slack" || is_about(key, "ping") || is_environment(key)
}

/// The text of a file with its secrets as asterisks: what looks like one, and every text below a key that is one, or a slip
/// for it, in whatever form it was written.
pub fn file(text: &str) -> Cow<'_, str> {
    let mut found = spans(text);
    let (table, errors) = toml::de::DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        found.extend(in_lines(text));
    }
    let table = table.into_inner();
    let mut path = Vec::new();
    for (name, value) in &table {
        path.push(name.get_ref().as_ref());
        let secret = is_secret(&path);
        below(value, &mut path, secret, text, &mut found);
        path.pop();
    }
    blotted(text, found)
}

/// The texts on lines that begin with the name of a secret: a line with a syntax error is in no table. The last header above
/// it says which one was meant.
fn in_lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    let mut table = Vec::new();
    let parts = |name: &str| -> Vec<String> {
        name.split('.').map(|part| part.trim().trim_matches(['"', '\'']).to_owned()).collect()
    };
    text.split_inclusive('\n').filter_map(move |line| {
        let from = start;
        start += line.len();
        if let Some(header) = line.trim().strip_prefix('[') {
            table = parts(header.trim_start_matches('[').split(']').next().unwrap_or_default());
        }
        let (name, value) = line.split_once('=')?;
        let name_parts = parts(name);
        let path: Vec<&str> = table.iter().chain(&name_parts).map(String::as_str).collect();
        let quote = value.find(['"', '\'']).filter(|_| is_secret(&path))?;
        let begin = from + name.len() + 1 + quote + 1;
        let end = from + line.trim_end().trim_end_matches(['"', '\'', ']', '}', ' ', ',']).len();
        Some(begin..end.max(begin))
    })
}

/// The places of texts below a key that is a secret.
fn below<'t>(
    value: &'t toml::Spanned<toml::de::DeValue<'t>>,
    path: &mut Vec<&'t str>,
    secret: bool,
    text: &str,
    found: &mut Vec<Range<usize>>,
) {
    match value.get_ref() {
        toml::de::DeValue::String(value_text) if secret || is_in_place_of_path(path, value_text) => {
            let token = &text[value.span()];
            let quotes = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| token.starts_with(quotes));
            let begin = value.span().start + quotes.map_or(0, str::len);
            let end = value.span().end - quotes.filter(|quotes| token.ends_with(quotes)).map_or(0, str::len);
            found.push(begin..end.max(begin));
        }
        toml::de::DeValue::Array(items) => {
            for item in items {
                match item.get_ref() {
                    // A list of variables, each with its name and its value.
                    toml::de::DeValue::Table(table) if path.last().is_some_and(|key| is_environment(key)) => {
                        members(table, path, secret, text, found);
                    }
                    _ => below(item, path, secret, text, found),
                }
            }
        }
        toml::de::DeValue::Table(table) => {
            // Of a table only what is named like a secret is one, but for a table where one text should stand.
            let secret = secret && path.last().is_some_and(|key| !is_instead_of_table(&key.to_ascii_lowercase()));
            members(table, path, secret, text, found);
        }
        _ => {}
    }
}

/// The same of each member of a table.
fn members<'t>(
    table: &'t toml::de::DeTable<'t>,
    path: &mut Vec<&'t str>,
    secret: bool,
    text: &str,
    found: &mut Vec<Range<usize>>,
) {
    for (name, value) in table {
        path.push(name.get_ref().as_ref());
        below(value, path, secret || is_secret(path), text, found);
        path.pop();
    }
}

/// The text with every secret as asterisks, of the same length in bytes; line ends stay.
pub fn secrets(text: &str) -> Cow<'_, str> {
    blotted(text, spans(text))
}

/// What looks like a secret.
fn spans(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for pattern in SECRETS.iter() {
        for captures in pattern.captures_iter(text) {
            found.extend(captures.iter().skip(1).flatten().map(|secret| secret.range()));
        }
    }
    found
}

fn blotted(text: &str, mut found: Vec<Range<usize>>) -> Cow<'_, str> {
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    found.sort_by_key(|range| range.start);
    let (mut masked, mut done) = (String::with_capacity(text.len()), 0);
    for range in found {
        let start = range.start.max(done);
        if range.end <= start {
            continue;
        }
        masked.push_str(&text[done..start]);
        for c in text[start..range.end].chars() {
            match c {
                '\n' | '\r' => masked.push(c),
                _ => masked.extend(std::iter::repeat_n('*', c.len_utf8())),
            }
        }
        done = range.end;
    }
    masked.push_str(&text[done..]);
    Cow::Owned(masked)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::secrets;

    #[test]
    fn a_secret_is_blotted_out_wherever_it_stands() {
        for (text, shown) in [
            (r#"token = "xoxb-1-abc""#, r#"token = "**********""#),
            (r#"tokne = "xoxb-1-abc""#, r#"tokne = "xoxb-*****""#),
            (r#"slack = { token = "s3cret", rate = "1/s" }"#, r#"slack = { token = "******", rate = "1/s" }"#),
            (r#"slack.token='s3cret'"#, r#"slack.token='******'"#),
            (r#"token = "s3cret"#, r#"token = "******"#),
            (r#"token = "a\"b" # end"#, r#"token = "****" # end"#),
            ("token = \"\"\"\nab\ncd\"\"\"", "token = \"\"\"\n**\n**\"\"\""),
            (r#"webhook_url = "https://h/x" "#, r#"webhook_url = "***********" "#),
            (r#"x = "https://hooks.slack.com/services/T0/B0/x""#, r#"x = "https://hooks.slack.com/****************""#),
            (r#"x = "http://gate/services/T0/B0/x""#, r#"x = "http://gate/services/*******""#),
            (r#"proxy = "http://me:pass@proxy:3128""#, r#"proxy = "http://me:****@proxy:3128""#),
            (r#"token = "é""#, r#"token = "**""#),
            ("xoxe.xoxp-1-ab", "xoxe.xoxp-****"),
            ("xapp-1-ab", "xapp-****"),
            ("x ghp_0123456789abcdefghij y", "x ghp_******************** y"),
            ("'Authorization: Bearer abc.def'", "'Authorization: Bearer *******'"),
            ("https://discord.com/api/webhooks/12/ab-c", "https://discord.com/api/webhooks/*******"),
        ] {
            assert_eq!(secrets(text), shown, "{text}");
        }
    }

    #[test]
    fn a_slip_for_a_secret_is_blotted_out_in_a_file() {
        for (text, shown) in [
            ("[slack]\ntokn = \"s3cret\"\n", "[slack]\ntokn = \"******\"\n"),
            ("[slack]\nwebhook_ur = \"https://gw/hook/x\"\n", "[slack]\nwebhook_ur = \"*****************\"\n"),
            ("[slack]\ntoken = [\"s3cret\", 'x']\n", "[slack]\ntoken = [\"******\", '*']\n"),
            ("[slack]\ntoken = { is = \"s3cret\" }\n", "[slack]\ntoken = { is = \"******\" }\n"),
            ("slack = \"s3cret\"\n", "slack = \"******\"\n"),
            ("webhok = \"https://gw/hook/x\"\n", "webhok = \"*****************\"\n"),
            ("bot-tokn = \"s3cret\"\n", "bot-tokn = \"******\"\n"),
            ("pasword = \"s3cret\"\nslack_scret = 'x'\n", "pasword = \"******\"\nslack_scret = '*'\n"),
            ("select = \"value\"\ncommand = \"true\"\n", "select = \"value\"\ncommand = \"true\"\n"),
            ("env = { PGPASSWORD = \"hunter2\", A = \"b\" }\n", "env = { PGPASSWORD = \"*******\", A = \"b\" }\n"),
            ("[evn]\nAPI_KEY = \"hunter2\"\n", "[evn]\nAPI_KEY = \"*******\"\n"),
            ("ping = \"https://hc/uuid\"\n", "ping = \"***************\"\n"),
            ("ping = { url = \"https://hc/u\" }\n", "ping = { url = \"************\" }\n"),
            ("pin = \"https://hc/u\"\n", "pin = \"************\"\n"),
            ("ping = { ur = \"https://hc/u\" }\n", "ping = { ur = \"************\" }\n"),
            ("ping = { url = \"https://hc/u\", styl = \"x\" }\n", "ping = { url = \"************\", styl = \"x\" }\n"),
            ("[heartbeat]\nur = \"https://hc/u\"\n", "[heartbeat]\nur = \"************\"\n"),
            ("[heartbeet]\nurl = 'https://hc/u'\n", "[heartbeet]\nurl = '************'\n"),
            ("[heartbeat]\nurl = 'https://hc/u\n", "[heartbeat]\nurl = '************\n"),
            ("env = [\"DSN=x\", [\"A\", \"b\"]]\n", "env = [\"*****\", [\"*\", \"*\"]]\n"),
            ("env = \"DSN=x\"\n", "env = \"*****\"\n"),
            ("[[env]]\nname = \"A\"\nvalue = \"b\"\n", "[[env]]\nname = \"*\"\nvalue = \"*\"\n"),
            ("[env]\nDSN = 'x\n", "[env]\nDSN = '*\n"),
            ("ping = { url_file = \"/etc/u\" }\n", "ping = { url_file = \"/etc/u\" }\n"),
            ("[slack]\ntokne = \"s3cret\n", "[slack]\ntokne = \"******\n"),
            (
                "[slack]\nchanel = \"#ops\"\ntoken_fil = \"/etc/t\"\n",
                "[slack]\nchanel = \"#ops\"\ntoken_fil = \"******\"\n",
            ),
            ("[heartbeat]\nurl_file = \"https://hc/u\"\n", "[heartbeat]\nurl_file = \"************\"\n"),
            ("ping = { url_file = \"https://hc/u\" }\n", "ping = { url_file = \"************\" }\n"),
            ("[slack]\ntoken_env = 'https://hc/u'\n", "[slack]\ntoken_env = '************'\n"),
            ("token_file = \"/etc/t\"\ncommand = \"true\"\n", "token_file = \"/etc/t\"\ncommand = \"true\"\n"),
        ] {
            assert_eq!(super::file(text), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            r#"token_file = "/etc/slack-alert/token""#,
            r#"token_env = "SLACK_TOKEN""#,
            r#"proxy = "http://proxy:3128""#,
            r##"channel = "#ops""##,
            "`token` cannot stand beside `token_file`",
            "token = 7",
        ] {
            assert_eq!(secrets(text), text);
        }
    }

    proptest! {
        #[test]
        fn places_stay_true(text in "(token = |\"|'|xoxb-|://|:|@|\n|é|[a-z]{0,5}){0,12}") {
            for masked in [secrets(&text), super::file(&text)] {
            prop_assert_eq!(masked.len(), text.len());
            let lines = |text: &str| text.match_indices('\n').map(|(at, _)| at).collect::<Vec<_>>();
            prop_assert_eq!(lines(&masked), lines(&text));
            }
        }
    }
}
