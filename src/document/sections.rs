//! Where a key belongs that somebody wrote in another table: `channel` at the top of a job file belongs in `[notify]`.
//!
//! Before it: the lists of keys, put together by `plan`. After it: the help of an unknown key.

use super::key::{Key, Kind};

/// So many tables are named that a key may belong in.
const MOST_NAMED: usize = 3;

/// A table of the configuration, and what it has.
#[derive(Clone, Debug)]
pub struct Section {
    /// The file, where it is another than the one that is read: `slack_alert.toml`, `a job file`.
    file: Option<&'static str>,
    /// Its name: `notify.channels`. The top of a file has none.
    path: String,
    /// Whether something else than a table may stand in its place: then it is seldom written as one.
    is_long_form: bool,
    keys: Vec<&'static str>,
}

/// The tables of these keys: the one that has them, and each below it. A list of tables has no place of its own to write to.
pub fn sections(keys: &[Key], path: &str, file: Option<&'static str>) -> Vec<Section> {
    let names = keys.iter().map(|key| key.name).collect();
    let mut all = vec![Section { file, path: path.to_owned(), is_long_form: false, keys: names }];
    for key in keys {
        for kind in alternatives(&key.kind) {
            let Kind::Table(keys) = kind else { continue };
            let first = all.len();
            all.extend(sections(keys, &below(path, key.name), file));
            all[first].is_long_form = matches!(key.kind, Kind::OneOf(_));
        }
    }
    all
}

fn alternatives(kind: &Kind) -> &[Kind] {
    if let Kind::OneOf(kinds) = kind { kinds } else { std::slice::from_ref(kind) }
}

/// The name of what stands below a table.
pub(super) fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Where a key belongs that is written in the table of this name: "in `[notify]`". What is below that table comes first, then
/// what it is in, then whatever else has the key.
pub(super) fn home(sections: &[Section], key: &str, written: &str) -> Option<String> {
    let rank = |section: &Section| {
        let is_within = |inner: &str, outer: &str| {
            outer.is_empty() || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'))
        };
        let elsewhere = section.file.is_some();
        let away = match () {
            // From the top of one file to the top of another.
            () if elsewhere && section.path.is_empty() && written.is_empty() => 0,
            () if !elsewhere && is_within(&section.path, written) => 0,
            () if !elsewhere && is_within(written, &section.path) => 1,
            () if !elsewhere => 2,
            () => 3,
        };
        (away, section.is_long_form, section.path.split('.').count())
    };
    let has = |section: &&Section| section.keys.contains(&key) && (section.file.is_some() || section.path != written);
    let nearest = sections.iter().filter(has).map(rank).min()?;
    let mut all: Vec<&Section> = sections.iter().filter(has).filter(|section| rank(section) == nearest).collect();
    all.truncate(MOST_NAMED);
    let words: Vec<String> = all.into_iter().map(Section::words).collect();
    let (last, before) = words.split_last()?;
    Some(if before.is_empty() { last.clone() } else { format!("{} or {last}", before.join(", ")) })
}

impl Section {
    fn words(&self) -> String {
        match (self.path.as_str(), self.file) {
            ("", None) => "at the top of the file, above the first `[table]`".to_owned(),
            ("", Some(file)) => format!("in {file}"),
            (path, None) => format!("in `[{path}]`"),
            (path, Some(file)) => format!("in `[{path}]` of {file}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::{Key, Kind};
    use super::{home, sections};

    const fn key(name: &'static str, kind: Kind) -> Key {
        Key { name, kind, default: "", about: "" }
    }

    const SLOW: &[Key] = &[key("over", Kind::Duration)];
    const NOTIFY: &[Key] = &[key("channel", Kind::Text), key("slow", Kind::Table(SLOW))];
    const PING: &[Key] = &[key("url", Kind::Text), key("channel", Kind::Text)];
    const CASES: &[Key] = &[key("name", Kind::Text)];
    const JOB: &[Key] = &[
        key("command", Kind::Text),
        key("notify", Kind::Table(NOTIFY)),
        key("ping", Kind::OneOf(&[Kind::Text, Kind::Table(PING)])),
        key("test", Kind::Tables(CASES)),
    ];
    const OTHER: &[Key] = &[key("host", Kind::Text), key("slack", Kind::Table(&[key("rate", Kind::Rate)]))];

    #[test]
    fn a_key_in_the_wrong_table_is_sent_to_the_one_that_has_it() {
        let all = [sections(JOB, "", None), sections(OTHER, "", Some("slack_alert.toml"))].concat();
        for (key, written, expected) in [
            ("over", "", Some("in `[notify.slow]`")),
            ("url", "", Some("in `[ping]`")),
            ("channel", "", Some("in `[notify]`")),
            ("channel", "notify.slow", Some("in `[notify]`")),
            ("over", "notify", Some("in `[notify.slow]`")),
            ("command", "notify", Some("at the top of the file, above the first `[table]`")),
            ("rate", "", Some("in `[slack]` of slack_alert.toml")),
            ("host", "notify", Some("in slack_alert.toml")),
            // A case is one of several, and `name` says nothing of which.
            ("name", "", None),
            ("colour", "", None),
        ] {
            assert_eq!(home(&all, key, written).as_deref(), expected, "{key} in [{written}]");
        }
    }
}
