//! TOML as people would write it: the quoting that needs no escapes where there is one, comments that cannot break out.

use std::fmt::Write;

/// A text as a TOML string, in the plainest quoting that holds it: `"…"`, `'…'`, `'''…'''`, and escapes only where none of
/// them does.
pub(super) fn text(text: &str) -> String {
    let control = text.chars().any(|c| c.is_control() && c != '\t' && c != '\n');
    let triple_holds = !text.contains("'''") && !text.starts_with('\'') && !text.ends_with('\'');
    if !control && text.contains('\n') && triple_holds {
        return format!("'''\n{text}'''");
    }
    if !control && !text.contains('\n') {
        if !text.contains(['"', '\\']) {
            return format!("\"{text}\"");
        }
        if !text.contains('\'') {
            return format!("'{text}'");
        }
        if triple_holds {
            return format!("'''{text}'''");
        }
    }
    escaped(text)
}

/// A text between double quotes, with escapes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push('\t'),
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A key, quoted where a bare one is not allowed.
pub(super) fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { name.to_owned() } else { escaped(name) }
}

/// Texts as a list on one line.
pub(super) fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<_> = texts.into_iter().map(text).collect();
    format!("[{}]", texts.join(", "))
}

/// `words` as comment lines, with control characters (which TOML forbids even there) shown as escapes.
pub(super) fn comment(words: &str) -> String {
    let mut out = String::new();
    for line in words.split('\n') {
        out.push_str(if line.is_empty() { "#" } else { "# " });
        for c in line.chars() {
            if c.is_control() && c != '\t' {
                out.extend(c.escape_default());
            } else {
                out.push(c);
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    #[test]
    fn texts_are_quoted_as_plainly_as_they_allow() {
        for (given, written) in [
            ("df -h /", r#""df -h /""#),
            (r#"echo "hi""#, r#"'echo "hi"'"#),
            (r"test \! -d x", r"'test \! -d x'"),
            ("perl -e 'sleep 3'", r#""perl -e 'sleep 3'""#),
            (r#"perl -e 'print "x"' y"#, r#"'''perl -e 'print "x"' y'''"#),
            (r#"echo "it's" '"#, r#""echo \"it's\" '""#),
            ("one\ntwo\n", "'''\none\ntwo\n'''"),
            ("a\u{7}b", r#""a\u0007b""#),
            ("tab\there", "\"tab\there\""),
            ("", r#""""#),
        ] {
            assert_eq!(super::text(given), written);
        }
        assert_eq!(super::key("PATH"), "PATH");
        assert_eq!(super::key("a.b"), r#""a.b""#);
        assert_eq!(super::list(["/bin/bash", "-c"]), r#"["/bin/bash", "-c"]"#);
    }

    fn awkward() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            proptest::collection::vec(
                prop_oneof![
                    Just("'"),
                    Just("\""),
                    Just("\\"),
                    Just("\n"),
                    Just("\r"),
                    Just("\t"),
                    Just("#"),
                    Just("é"),
                    Just("\u{7f}"),
                    Just("a")
                ],
                0..12
            )
            .prop_map(|parts| parts.concat()),
        ]
    }

    proptest! {
        #[test]
        fn every_text_comes_back_as_it_was(name in awkward(), value in awkward(), remark in awkward()) {
            let written = format!("{}{} = [{}, {}]\n", super::comment(&remark), super::key(&name), super::text(&value), super::list([value.as_str()]));
            let table: toml::Table = toml::from_str(&written).map_err(|error| TestCaseError::fail(format!("{written}\n{error}")))?;
            prop_assert_eq!(table.len(), 1);
            let list = table.get(&name).and_then(|value| value.as_array()).cloned().unwrap_or_default();
            prop_assert_eq!(list.first().and_then(|v| v.as_str()), Some(value.as_str()), "{}", written);
        }
    }
}
