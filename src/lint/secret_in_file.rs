//! `secret-in-file`: something that looks like a secret, anywhere in a configuration or job file.

use std::sync::LazyLock;

use regex::Regex;

use crate::diagnostic::{Code, Place, Problem, Problems, Sources};

/// Slack's own secrets: tokens (`xoxb-…`, `xapp-…`) with a digit in them, which placeholders rarely have, and the URLs of
/// incoming webhooks.
static SECRET: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?:xox[a-z]|xapp)(?:\.xox[a-z])?-[A-Za-z0-9-]*[0-9][A-Za-z0-9-]{4,}|hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/[A-Z0-9]+/[A-Za-z0-9/]+";
    Regex::new(pattern).expect("the pattern is fixed and tested")
});

/// Keys such as `slack.token` are told of by their reader; this looks at everything else: commands, variables,
/// templates, comments. The secret is underlined and never shown: every rendering blots it out.
pub(super) fn check(sources: &Sources, found: &mut Problems) {
    for (id, source) in sources.iter().filter(|(_, source)| {
        source.text.contains("xox") || source.text.contains("xapp-") || source.text.contains("hooks.slack")
    }) {
        for secret in SECRET.find_iter(&source.text) {
            let place = Place::new(id, secret.range());
            let line = sources.position(id, place.start).line;
            let known = found.iter().any(|problem| {
                let same_line = |other: Place| other.source == id && sources.position(id, other.start).line == line;
                problem.code == Code::SecretInFile && problem.place().is_some_and(same_line)
            });
            if !known {
                let what = if secret.as_str().starts_with("hooks") { "the URL of a webhook" } else { "a token" };
                let message = format!("this looks like {what}, and whoever reads this file can use it");
                let problem = Problem::new(Code::SecretInFile, place, message);
                found.push(
                    problem.help("keep it in a file that only its user can read: `env_file`, or `slack.token_file`"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SECRET;

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
        ] {
            assert_eq!(SECRET.is_match(text), secret, "{text}");
        }
    }
}
