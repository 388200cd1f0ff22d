//! Blots secrets out of what is shown: source lines and messages of problems pass through here before anybody sees
//! them (SPEC: "Never"). Before it: nothing; after it: every rendering.
//!
//! Each byte of a secret becomes one `*`, so that byte offsets into the text stay true.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::order;

/// What looks like a secret; the groups named `s…` are what is blotted out.
static SECRETS: LazyLock<[Regex; 4]> = LazyLock::new(|| {
    [
        // Slack's tokens: xoxb-…, xoxp-…, xoxe.xoxp-…, xapp-….
        r"(?:xox[a-zA-Z]|xapp)(?:\.xox[a-zA-Z])?-(?<s>[0-9A-Za-z_-]+)",
        // Webhooks: the path is the credential.
        r#"(?:hooks\.slack(?:-gov)?\.com/|/services/)(?<s>[^\s"'<>|]+)"#,
        // The values of the keys that hold secrets, whatever they look like, closed or not.
        r#"(?xms) (?:^|[^0-9A-Za-z_-]) ["']? (?:token|webhook_url) ["']? [\ \t]* = [\ \t]*
            (?: """ (?<s1>.*?) (?:"""|\z) | ''' (?<s2>.*?) (?:'''|\z) | " (?<s3>(?:\\.|[^"\\\n])*) | ' (?<s4>[^'\n]*) )"#,
        // The password of a URL.
        r#"://[^/\s"'@:]*:(?<s>[^/\s"'@]+)@"#,
    ]
    .map(|pattern| Regex::new(pattern).expect("the pattern is fixed and tested"))
});

/// The text with every secret as asterisks, of the same length in bytes; line ends stay.
pub fn secrets(text: &str) -> Cow<'_, str> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for pattern in SECRETS.iter() {
        for captures in pattern.captures_iter(text) {
            found.extend(captures.iter().skip(1).flatten().map(|secret| secret.range()));
        }
    }
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    order::by_key(&mut found, |range| range.start);
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
        ] {
            assert_eq!(secrets(text), shown, "{text}");
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
            let masked = secrets(&text);
            prop_assert_eq!(masked.len(), text.len());
            let lines = |text: &str| text.match_indices('\n').map(|(at, _)| at).collect::<Vec<_>>();
            prop_assert_eq!(lines(&masked), lines(&text));
        }
    }
}
