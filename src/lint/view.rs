//! What a rule sees of one file: the job as the plan has it, and the way back to the characters it was written with.
//!
//! Before it: the plan and its sources. After it: the rules. A file's text is parsed again only when a rule asks for a
//! place in it: the daemon's jobs carry no places, and most files need none.

use std::cell::OnceCell;

use toml::de::DeTable;

use super::accounts::Accounts;
use super::service::Service;
use crate::diagnostic::{Place, SourceId};
use crate::document::{Reader, Table, Value};
use crate::exec::Programs;
use crate::plan::{BadKeys, Job, Plan};

/// A file that was read, parsed again when it is asked for a place.
#[derive(Debug)]
pub(super) struct File<'a> {
    source: SourceId,
    text: &'a str,
    /// Nothing is told twice: what this reader is told of is dropped.
    reader: Reader,
    table: OnceCell<DeTable<'a>>,
}

impl<'a> File<'a> {
    pub(super) fn new(source: SourceId, text: &'a str) -> Self {
        Self { source, text, reader: Reader::default(), table: OnceCell::new() }
    }

    /// The file's own text.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// Which file it is.
    pub(super) fn source(&self) -> SourceId {
        self.source
    }

    /// The start of the file.
    pub(super) fn start(&self) -> Place {
        Place::new(self.source, 0..0)
    }

    /// A value by its full name, `notify.repeat`, when it is written in this file.
    pub(super) fn find(&self, path: &str) -> Option<Value<'_>> {
        let table = self.table.get_or_init(|| DeTable::parse_recoverable(self.text).0.into_inner());
        let mut table = Table::root(&self.reader, self.source, self.text, table);
        let (parents, key) = path.rsplit_once('.').map_or((None, path), |(parents, key)| (Some(parents), key));
        for parent in parents.into_iter().flat_map(|parents| parents.split('.')) {
            table = table.own_value(parent).filter(Value::is_table)?.table()?;
        }
        table.own_value(key)
    }

    /// Where the key stands; without it, the start of the file.
    pub(super) fn key(&self, path: &str) -> Place {
        self.find(path).map_or_else(|| self.start(), |value| value.key_at)
    }

    /// Where the value stands; without it, the start of the file.
    pub(super) fn value(&self, path: &str) -> Place {
        self.find(path).map_or_else(|| self.start(), |value| value.at)
    }
}

/// Every template of a job that is written in this file, with its key, below `below`: of `[defaults]`, that is `defaults.`.
pub(super) fn templates<'f>(file: &'f File<'_>, below: &str) -> Vec<(&'static str, Value<'f>)> {
    let find = |key: &str| file.find(&format!("{below}{key}"));
    let mut found: Vec<(&'static str, Value<'f>)> =
        ["template", "failure_template"].into_iter().filter_map(|key| Some((key, find(key)?))).collect();
    for part in ["message", "message.failure", "message.recovery"] {
        let texts = ["title", "body", "color", "blocks"].into_iter();
        found.extend(texts.filter_map(|key| Some((key, find(&format!("{part}.{key}"))?))));
        let fields = find(&format!("{part}.fields")).filter(Value::is_table).and_then(|value| value.table());
        found.extend(fields.iter().flat_map(Table::free_keys).map(|(_, value)| ("fields", value)));
        let actions = find(&format!("{part}.actions")).and_then(|value| value.items()).unwrap_or_default();
        for action in actions.iter().filter(|action| action.is_table()).filter_map(Value::table) {
            found.extend(action.free_keys().into_iter().map(|(_, value)| ("actions", value)));
        }
    }
    found.retain(|(_, value)| value.is_text());
    found
}

/// One job and its file.
#[derive(Debug)]
pub(super) struct Subject<'s, 'a> {
    pub(super) plan: &'a Plan,
    pub(super) job: &'a Job,
    pub(super) file: File<'a>,
    /// What of the job cannot be relied on; nothing of a job without an error.
    pub(super) bad: Option<&'a BadKeys>,
    /// The same of `[defaults]`.
    pub(super) bad_defaults: Option<&'a BadKeys>,
    /// `slack_alert.toml`, whose `[defaults]` may say what the job does not.
    pub(super) config: &'s File<'a>,
    /// Programs that were looked for already.
    pub(super) programs: &'s Programs,
    /// Users that were looked up already.
    pub(super) accounts: &'s Accounts,
    /// The installed service, when it runs this configuration.
    pub(super) service: Option<&'s Service>,
}

impl Subject<'_, '_> {
    /// Whether these keys of the job can be relied on: whether they are written or not, nothing is wrong with them.
    pub(super) fn has(&self, keys: &[&str]) -> bool {
        [self.bad, self.bad_defaults].into_iter().flatten().all(|bad| bad.spare(keys))
    }

    /// A value that the job has: its own, or the one of `[defaults]`.
    pub(super) fn find(&self, path: &str) -> Option<Value<'_>> {
        self.file.find(path).or_else(|| self.config.find(&format!("defaults.{path}")))
    }

    /// The key that says when the job is due.
    pub(super) fn schedule(&self) -> &'static str {
        let keys = crate::schedule::SCHEDULE_KEYS.iter().copied();
        keys.into_iter().find(|key| self.file.find(key).is_some()).unwrap_or("every")
    }
}
