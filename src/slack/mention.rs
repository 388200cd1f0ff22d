//! Who is pinged, as Slack writes it in mrkdwn. Pure.

/// A name as Slack pings it: `@here` as `<!here>`, `U024BE7LH` as `<@U024BE7LH>`; `None` for anything else.
pub fn mention_markup(name: &str) -> Option<String> {
    let id = |name: &str| {
        (3..=20).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    match name.strip_prefix('@').unwrap_or(name) {
        special @ ("here" | "channel" | "everyone") if name.starts_with('@') => Some(format!("<!{special}>")),
        user if user.starts_with(['U', 'W']) && id(user) => Some(format!("<@{user}>")),
        group if group.starts_with('S') && id(group) => Some(format!("<!subteam^{group}>")),
        _ => None,
    }
}

/// Whether this is markup as [`mention_markup`] makes it.
pub fn is_mention_markup(markup: &str) -> bool {
    let inner = markup.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or_default();
    let name = match inner.strip_prefix("!subteam^") {
        Some(group) => group.to_owned(),
        None if inner.starts_with('!') => inner.replacen('!', "@", 1),
        None => inner.strip_prefix('@').unwrap_or_default().to_owned(),
    };
    mention_markup(&name).as_deref() == Some(markup)
}

/// Whether a token of mrkdwn (`<…>`) pings somebody.
pub fn is_ping(token: &str) -> bool {
    let Some(inner) = token.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')) else { return false };
    inner.starts_with('@')
        || inner.starts_with("!subteam^")
        || ["!here", "!channel", "!everyone"]
            .iter()
            .any(|ping| inner.strip_prefix(ping).is_some_and(|rest| rest.is_empty() || rest.starts_with('|')))
}

/// Takes every ping out of the texts of a value: what it says is kept, and nobody is pinged by it.
pub fn without_pings(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) if text.contains('<') => *text = silent(text),
        serde_json::Value::Array(members) => members.iter_mut().for_each(without_pings),
        serde_json::Value::Object(map) => map.values_mut().for_each(without_pings),
        _ => {}
    }
}

fn silent(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(open) = rest.find('<') {
        let end = rest[open..].find('>').map_or(rest.len(), |end| open + end + 1);
        let (before, token) = rest[..end].split_at(open);
        out.push_str(before);
        if is_ping(token) {
            // The blank that parted it from the text goes with it.
            out.truncate(out.trim_end_matches(' ').len());
        } else {
            out.push_str(token);
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{is_ping, without_pings};

    #[test]
    fn a_ping_is_known_and_taken_out() {
        for (token, ping) in [
            ("<!here>", true),
            ("<!channel|all>", true),
            ("<@U024BE7LH>", true),
            ("<!subteam^S1|ops>", true),
            ("<!date^0^{date}|then>", false),
            ("<https://x.example|@here>", false),
            ("<!herewith>", false),
            ("here", false),
        ] {
            assert_eq!(is_ping(token), ping, "{token}");
        }
        let mut value =
            json!({"type": "mrkdwn", "text": "*a* failed <!here> <https://x|y> <@U1>", "list": ["a < b <"]});
        without_pings(&mut value);
        assert_eq!(value, json!({"type": "mrkdwn", "text": "*a* failed <https://x|y>", "list": ["a < b <"]}));
    }
}
