//! `secret-in-file`: something that looks like a secret, anywhere in a configuration or job file.

use std::sync::LazyLock;

use regex::Regex;

use super::{Scope, Subject, Whole};
use crate::diagnostic::{Code, Place, Problem, Problems, Sources};
use crate::document::{Table, Value};

/// Slack's own secrets: tokens (`xoxb-…`, `xapp-…`) with a digit in them, which placeholders rarely have, and the URLs of
/// incoming webhooks.
static SECRET: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?<token>(?:xox[a-z]|xapp)(?:\.xox[a-z])?-[A-Za-z0-9-]*[0-9][A-Za-z0-9-]{4,})|(?<webhook>hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/[A-Z0-9]+/[A-Za-z0-9/]+)";
    Regex::new(pattern).expect("the pattern is fixed and tested")
});

/// The secrets of others, each kind under the name of its group. A variable (`$PASSWORD`, `{{ … }}`) in the place of one is none.
static OF_OTHERS: LazyLock<Regex> = LazyLock::new(|| {
    let kinds = [
        // GitHub's, GitLab's, and the identifiers of AWS's keys.
        r"(?<token>\bgh[oprsu]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}",
        r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b)",
        // A webhook that takes Slack's messages too.
        r"|(?<webhook>discord(?:app)?\.com/api/webhooks/[0-9]+/[A-Za-z0-9_-]{8,})",
        r#"|[A-Za-z][A-Za-z0-9+.-]*://[^/\s"'@:?#{}<>]*:(?<password>[^/\s"'@$%{}<>*…][^/\s"'@{}<>*…]*)@"#,
        r#"|(?i:\bauthorization: *(?:bearer|basic|token) +)(?<header>[A-Za-z._~+/=-]*[0-9][A-Za-z0-9._~+/=-]{3,})"#,
        r"|(?<key>-----BEGIN [A-Z ]*PRIVATE KEY-----)",
    ];
    Regex::new(&kinds.concat()).expect("the pattern is fixed and tested")
});

/// What a kind of secret is called, and where to keep it.
const KINDS: [(&str, &str, &str); 5] = [
    ("token", "a token", SLACK),
    ("webhook", "the URL of a webhook", SLACK),
    ("password", "the password of a URL", OTHERS),
    ("header", "the credentials of a request", OTHERS),
    ("key", "a private key", OTHERS),
];

/// Where Slack's own secrets are kept.
const SLACK: &str = "keep it in a file that only its user can read: `env_file`, or `slack.token_file`";
/// Where a command or a library finds the others.
const OTHERS: &str =
    "keep it where only its user can read it: an `env_file`, ~/.netrc, ~/.pgpass; that of a proxy in HTTPS_PROXY";

/// What is shorter is no secret (as with `redact_env`).
const SHORTEST: usize = 6;

/// How the names of variables end whose values are secrets. Narrower than what `redact_env` masks: `KEYMAP` is no finding.
const NAMES: [&str; 12] = [
    "TOKEN",
    "PASS",
    "PWD",
    "PASSPHRASE",
    "SECRET",
    "SECRET_KEY",
    "ACCESS_KEY",
    "API_KEY",
    "APIKEY",
    "PRIVATE_KEY",
    "CREDENTIAL",
    "CREDENTIALS",
];

/// The same, also where they are a part of a word: `PGPASSWORD`.
const WITHIN_WORDS: [&str; 2] = ["PASSWORD", "PASSWD"];

/// Whether a variable of this name holds a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    // Alone it is the folder that a shell is in.
    let is_word = |before: &str, end: &str| before.is_empty() && end != "PWD" || before.ends_with('_');
    NAMES.iter().any(|end| name.strip_suffix(end).is_some_and(|before| is_word(before, end)))
        || WITHIN_WORDS.iter().any(|end| name.ends_with(end))
}

/// Variables of a job's `env` whose names say that they hold a secret. One that names a file, or is too short to be one, is
/// none.
pub(super) fn check_env(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    of_env(subject.file.find("env"), found);
}

/// The same of `[defaults]`.
pub(super) fn check_env_of_defaults(whole: &Whole<'_>, found: &mut Problems) {
    of_env(whole.config.find("defaults.env"), found);
}

fn of_env(env: Option<Value<'_>>, found: &mut Problems) {
    let env = env.filter(Value::is_table).and_then(|value| value.table());
    for (name, value) in env.iter().flat_map(Table::free_keys).filter(|(name, _)| is_secret_name(name)) {
        let Some(text) = Some(&value).filter(|value| value.is_text()).and_then(Value::text) else { continue };
        if text.value.chars().count() < SHORTEST || text.value.starts_with('/') || SECRET.is_match(text.value) {
            continue;
        }
        // The key is underlined, and never the value.
        let message = format!("`env.{name}` holds a secret, and whoever reads this file can use it");
        let problem = Problem::new(Code::SecretInFile, value.key_at, message);
        found.push(problem.help("keep it in a file that only its user can read, and name that: `env_file`"));
    }
}

/// Keys such as `slack.token` are told of by their reader; this looks at everything else: commands, variables,
/// templates, comments. The secret is underlined and never shown: every rendering blots it out.
pub(super) fn check(sources: &Sources, found: &mut Problems) {
    for (id, source) in sources.iter().filter(|(_, source)| !source.text.is_empty()) {
        for captures in SECRET.captures_iter(&source.text).chain(OF_OTHERS.captures_iter(&source.text)) {
            let kind = KINDS.iter().find_map(|(group, what, where_to)| Some((captures.name(group)?, *what, *where_to)));
            let Some((secret, what, where_to)) = kind else { continue };
            let place = Place::new(id, secret.range());
            let line = sources.position(id, place.start).line;
            let known = found.iter().any(|problem| {
                let same_line = |other: Place| other.source == id && sources.position(id, other.start).line == line;
                problem.code == Code::SecretInFile && problem.place().is_some_and(same_line)
            });
            if !known {
                let message = format!("this looks like {what}, and whoever reads this file can use it");
                let problem = Problem::new(Code::SecretInFile, place, message);
                found.push(problem.help(where_to));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{OF_OTHERS, SECRET};

    #[test]
    fn names_that_say_so() {
        for (name, secret) in [
            ("API_TOKEN", true),
            ("PGPASSWORD", true),
            ("MYSQL_PWD", true),
            ("SMTP_PASS", true),
            ("AWS_SECRET_ACCESS_KEY", true),
            ("APIKEY", true),
            ("PWD", false),
            ("OLDPWD", false),
            ("BYPASS", false),
            ("DB_PASSWORD", true),
            ("token", true),
            ("KEYMAP", false),
            ("TOKEN_FILE", false),
            ("BROKEN", false),
        ] {
            assert_eq!(super::is_secret_name(name), secret, "{name}");
        }
    }

    #[test]
    fn what_looks_like_a_secret() {
        for (text, secret) in [
            ("xoxb-123456789012-abcdefABCDEF", true),
            ("curl -H 'Authorization: Bearer xoxp-1-2-3-deadbeef'", true),
            ("https://hooks.slack.com/services/T000/B000/XXXX", true),
            ("token = \"xoxb-…\"", false),
            ("xoxb-your-token", false),
            ("https://hooks.slack.com/services/", false),
            ("https://example.com/services/T0/B0/x", false),
            ("curl https://bot:s3cret@example.com/x", true),
            ("postgres://app:hunter2@db1:5432/shop", true),
            ("redis://:hunter2@cache/0", true),
            ("postgres://app:$PGPASSWORD@db1/shop", false),
            ("postgres://app:{{ password }}@db1/shop", false),
            ("https://user:<password>@example.com/", false),
            ("https://user@example.com:8443/x", false),
            ("http://proxy:3128 ops@example.com", false),
            ("http://proxy:3128/a?to=ops@example.com", false),
            ("git clone https://ghp_0123456789abcdefghijABCDEFGHIJ012345@github.com/x/y", true),
            ("curl -H 'PRIVATE-TOKEN: glpat-0123456789abcdefghij'", true),
            ("AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE aws s3 ls", true),
            ("curl -H 'Authorization: Bearer abc123def456ghi'", true),
            ("curl -H \"Authorization: Bearer $TOKEN\"", false),
            ("curl -H 'Authorization: Bearer your-token-here'", false),
            ("https://discord.com/api/webhooks/123456789/abcDEF_ghi-jkl/slack", true),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", true),
        ] {
            assert_eq!(SECRET.is_match(text) || OF_OTHERS.is_match(text), secret, "{text}");
        }
    }
}
