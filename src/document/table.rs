//! A table of a configuration file, from which stations take their keys one by one.
//!
//! A [`Table`] may have a second layer below it (`[defaults]`): what the file does not say, the layer does. What nobody
//! asked for is an unknown key, so the reader itself is the list of what exists.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as SerdeError, StrDeserializer};
use toml::de::{DeTable, DeValue};

use super::sections::{Section, below, home};
use super::text::Text;
use super::units::{Rate, Refusal, parse_duration, parse_rate, parse_size};
use super::{did_you_mean, nearest};
use crate::diagnostic::{Code, Place, Problem, Problems, SourceId};

/// Collects the problems of everything that is read through it.
#[derive(Debug, Default)]
pub struct Reader {
    problems: RefCell<Problems>,
    /// Every table that there is, for a key that is written in the wrong one.
    sections: Option<fn() -> Vec<Section>>,
}

/// One layer of a table: a parsed table of one file.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'d> {
    source: SourceId,
    text: &'d str,
    table: &'d DeTable<'d>,
    place: Place,
}

/// A table being read.
#[derive(Debug)]
pub struct Table<'d> {
    reader: &'d Reader,
    path: String,
    own: Option<Layer<'d>>,
    below: Option<Layer<'d>>,
    /// The name of the layer below, where `finish` looks for unknown keys in it too.
    strict_below: Option<&'static str>,
    asked: Vec<&'static str>,
}

/// One value of a table, with its place.
#[derive(Clone, Debug)]
pub struct Value<'d> {
    reader: &'d Reader,
    path: String,
    layer: Layer<'d>,
    value: &'d DeValue<'d>,
    /// The table of the layer below under the same key, where this is a table too.
    below: Option<Layer<'d>>,
    strict_below: Option<&'static str>,
    /// Where it stands.
    pub at: Place,
    /// Where its key stands.
    pub key_at: Place,
    /// Whether it comes from the layer below and not from the file itself.
    pub inherited: bool,
}

/// So many keys are named where one is unknown.
const MOST_NAMED: usize = 12;

impl Reader {
    /// One that knows every table, and so where a key belongs that is written in another.
    pub fn of(sections: fn() -> Vec<Section>) -> Self {
        Self { sections: Some(sections), ..Self::default() }
    }

    /// Takes a problem in.
    pub fn push(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// Whether what else is wrong with this file would only be counted.
    pub fn is_full(&self, source: SourceId) -> bool {
        self.problems.borrow().is_full(source)
    }

    /// How many errors there are so far.
    pub fn errors(&self) -> usize {
        self.problems.borrow().errors()
    }

    /// Those of them with which no job is loaded.
    pub fn errors_that_stop(&self) -> usize {
        self.problems.borrow().iter().filter(|problem| problem.stops_a_job()).count()
    }

    /// Everything that was found since the last call.
    pub fn take_problems(&self) -> Problems {
        self.problems.take()
    }

    /// Everything that was found.
    pub fn into_problems(self) -> Problems {
        self.problems.into_inner()
    }
}

impl<'d> Table<'d> {
    /// The root table of a file.
    pub fn root(reader: &'d Reader, source: SourceId, text: &'d str, table: &'d DeTable<'d>) -> Self {
        let place = Place::new(source, 0..0);
        let own = Some(Layer { source, text, table, place });
        Self { own, ..Self::empty(reader) }
    }

    /// A table in which nothing is written.
    pub fn empty(reader: &'d Reader) -> Self {
        Self { reader, path: String::new(), own: None, below: None, strict_below: None, asked: Vec::new() }
    }

    /// The same table over a layer of defaults: what this one does not say, `below` does.
    #[must_use]
    pub fn over(self, below: &Self) -> Self {
        match below.as_layer() {
            Some(below) => self.over_layer(below),
            None => self,
        }
    }

    /// The same over a layer that is handed around.
    #[must_use]
    pub fn over_layer(mut self, below: Layer<'d>) -> Self {
        self.below = Some(below);
        self
    }

    /// The table as a layer for others; nothing when it is written nowhere.
    pub fn as_layer(&self) -> Option<Layer<'d>> {
        self.own
    }

    /// Lets `finish` look for unknown keys in the layer below too, here and in every table below this one: how
    /// `[defaults]` itself is checked, under its name.
    #[must_use]
    pub fn strict_below(mut self, name: &'static str) -> Self {
        self.strict_below = Some(name);
        self
    }

    /// Where problems go.
    pub fn reader(&self) -> &'d Reader {
        self.reader
    }

    /// Takes a problem in.
    pub fn push(&self, problem: Problem) {
        self.reader.push(problem);
    }

    /// Where the table as a whole stands: its header, or the start of the file.
    pub fn place(&self) -> Option<Place> {
        self.own.or(self.below).map(|layer| layer.place)
    }

    /// The names that were asked for so far, sorted: for the test that holds the key lists true.
    pub fn asked(&self) -> Vec<&'static str> {
        let mut asked = self.asked.clone();
        asked.sort();
        asked
    }

    /// The value of a key, whatever it is; from the file itself or from the layer below.
    pub fn value(&mut self, key: &'static str) -> Option<Value<'d>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let below = self.below.and_then(|layer| self.find(layer, key, true));
        let Some(mut own) = self.own_value(key) else { return below };
        own.below = below.filter(|_| own.is_table()).and_then(|below| below.as_table_layer());
        Some(own)
    }

    /// The value of a key in the file itself, without the layer below. Does not count as asking for it.
    pub fn own_value(&self, key: &str) -> Option<Value<'d>> {
        self.own.and_then(|layer| self.find(layer, key, false))
    }

    fn find(&self, layer: Layer<'d>, key: &str, inherited: bool) -> Option<Value<'d>> {
        let (name, value) = layer.table.get_key_value(key)?;
        let place = |span| Place::new(layer.source, span);
        Some(Value {
            reader: self.reader,
            path: self.path_of(key),
            layer,
            value: value.get_ref(),
            below: None,
            strict_below: self.strict_below,
            at: place(value.span()),
            key_at: place(name.span()),
            inherited,
        })
    }

    /// A key's full name for messages: `notify.repeat`.
    fn path_of(&self, key: &str) -> String {
        below(&self.path, key)
    }

    /// Text.
    pub fn text(&mut self, key: &'static str) -> Option<Text<'d>> {
        self.value(key)?.text()
    }

    /// Text that is not blank; else a problem, with what to write.
    pub fn filled(&mut self, key: &'static str, help: &str) -> Option<Text<'d>> {
        let value = self.value(key)?;
        value.unless_blank(value.text()?, help)
    }

    /// The path of a file or a folder.
    pub fn file(&mut self, key: &'static str) -> Option<Text<'d>> {
        self.value(key)?.file()
    }

    /// The path of a file or a folder that is not blank; else a problem, with what to write.
    pub fn filled_file(&mut self, key: &'static str, help: &str) -> Option<Text<'d>> {
        let value = self.value(key)?;
        value.unless_blank(value.file()?, help)
    }

    /// A list of texts of which none is blank; a problem for each that is.
    pub fn filled_list(&mut self, key: &'static str, help: &str) -> Option<Vec<Text<'d>>> {
        let value = self.value(key)?;
        let texts = value.list()?;
        for item in value.items().unwrap_or_default() {
            if item.value.as_str().is_some_and(|text| text.trim().is_empty()) {
                item.refuse::<()>(Code::InvalidValue, format!("`{}` is empty", item.path), help);
            }
        }
        Some(texts)
    }

    /// One text, or a list of them.
    pub fn texts(&mut self, key: &'static str) -> Option<Vec<Text<'d>>> {
        self.value(key)?.texts()
    }

    /// A list of texts.
    pub fn list(&mut self, key: &'static str) -> Option<Vec<Text<'d>>> {
        self.value(key)?.list()
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        value.value.as_bool().or_else(|| value.wrong_type("`true` or `false`"))
    }

    /// A whole number within bounds.
    pub fn integer(&mut self, key: &'static str, bounds: RangeInclusive<i64>) -> Option<i64> {
        self.value(key)?.integer(bounds)
    }

    /// A length of time.
    pub fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.value(key)?.duration()
    }

    /// A rate.
    pub fn rate(&mut self, key: &'static str) -> Option<Rate> {
        self.value(key)?.quantity(Code::InvalidRate, "a rate such as \"1/s\"", parse_rate)
    }

    /// A size in bytes.
    pub fn size(&mut self, key: &'static str) -> Option<u64> {
        let value = self.value(key)?;
        match value.value {
            DeValue::Integer(_) => value.integer(0..=i64::MAX).map(i64::unsigned_abs),
            _ => value.quantity(Code::InvalidSize, "a size such as \"1MiB\"", parse_size),
        }
    }

    /// One of `names`, as the serde enum that has them as variants.
    pub fn choice<'a, E: Deserialize<'a>>(&mut self, key: &'static str, names: &'static [&'static str]) -> Option<E> {
        self.value(key)?.text()?.choice(self.reader, &self.path_of(key), names)
    }

    /// A list of `names`, as serde enums.
    pub fn choices<'a, E: Deserialize<'a>>(
        &mut self,
        key: &'static str,
        names: &'static [&'static str],
    ) -> Option<Vec<E>> {
        let path = self.path_of(key);
        let texts = self.value(key)?.list()?;
        Some(texts.into_iter().filter_map(|text| text.choice(self.reader, &path, names)).collect())
    }

    /// Text by name, in the order of the names.
    pub fn map(&mut self, key: &'static str) -> Option<Vec<(&'d str, Text<'d>)>> {
        self.value(key)?.map()
    }

    /// A table below this one; over the same table of the layer below, key by key.
    pub fn table(&mut self, key: &'static str) -> Option<Self> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let written = self.own_value(key);
        let below = self.below.and_then(|layer| self.find(layer, key, true));
        let below = match written {
            None => below.and_then(|value| value.as_layer()),
            // Of another kind, such as `false`: what the file says stands alone.
            Some(_) => below.and_then(|value| value.as_table_layer()),
        };
        let own = written.and_then(|value| value.as_layer());
        if own.is_none() && below.is_none() {
            return None;
        }
        Some(Self { path: self.path_of(key), own, below, strict_below: self.strict_below, ..Self::empty(self.reader) })
    }

    /// The same, standing empty where nothing is written, so that defaults have one code path.
    pub fn table_or_empty(&mut self, key: &'static str) -> Self {
        let path = self.path_of(key);
        self.table(key).unwrap_or(Self { path, ..Self::empty(self.reader) })
    }

    /// Notes a missing key, at the table's place. Not when a key of the table is a slip for it: that one is unknown, and
    /// the slip is the mistake.
    pub fn missing(&self, key: &str, help: &str) {
        // What is there and cannot be used is another problem.
        if self.own_value(key).is_some() {
            return;
        }
        let written = self.own.iter().flat_map(|own| own.table.keys()).map(|name| name.get_ref().as_ref());
        let mut strangers = written.filter(|written| !self.asked.contains(written));
        if strangers.any(|written| nearest(written, [key]).is_some()) {
            return;
        }
        let message = match self.path.as_str() {
            "" => format!("`{key}` is missing"),
            path => format!("`{key}` is missing in `{path}`"),
        };
        if let Some(place) = self.place() {
            self.push(Problem::new(Code::MissingKey, place, message).help(help));
        }
    }

    /// Notes that two keys of the file exclude each other, when both are written; the answer is whether they were.
    pub fn conflict(&self, first: &str, second: &str, help: &str) -> bool {
        let (Some(a), Some(b)) = (self.own_value(first), self.own_value(second)) else { return false };
        let (first, second, a, b) =
            if a.at.start <= b.at.start { (first, second, a, b) } else { (second, first, b, a) };
        let message = format!("`{second}` cannot stand beside `{first}`");
        let problem = Problem::new(Code::ConflictingKeys, b.key_at, message);
        self.push(problem.also(a.key_at, format!("`{first}` is here")).help(help));
        true
    }

    /// Ends the reading: every key of the file that nobody asked for is unknown.
    pub fn finish(self) {
        let below = self.below.filter(|_| self.strict_below.is_some());
        for (layer, name) in
            self.own.iter().chain(&below).flat_map(|layer| layer.table.keys().map(move |name| (layer, name)))
        {
            let key = name.get_ref().as_ref();
            if !self.asked.contains(&key) {
                let message = match self.path.as_str() {
                    "" => format!("unknown key `{key}`"),
                    path => format!("unknown key `{key}` in `{path}`"),
                };
                let place = Place::new(layer.source, name.span());
                // What is only counted needs no guess.
                let full = self.reader.is_full(layer.source);
                let help = || did_you_mean(key, self.asked.iter().copied()).unwrap_or_else(|| self.known_keys(key));
                self.push(Problem::new(Code::UnknownKey, place, message).maybe_help((!full).then(help)));
            }
        }
    }

    /// Where a key belongs that is near to none of this table's, and else which keys there are.
    fn known_keys(&self, key: &str) -> String {
        let written = match self.strict_below {
            Some(layer) if self.path.is_empty() => layer.to_owned(),
            Some(layer) => below(layer, &self.path),
            None => self.path.clone(),
        };
        let home = self.reader.sections.and_then(|sections| home(&sections(), key, &written));
        if self.asked.len() > MOST_NAMED {
            return match home {
                Some(home) => format!("`{key}` belongs {home}"),
                None => "slack_alert.toml(5) has all keys; what only people read stands in a comment: `# …`".to_owned(),
            };
        }
        let mut keys: Vec<String> = self.asked.iter().map(|key| format!("`{key}`")).collect();
        keys.sort();
        keys.dedup();
        let home = home.map(|home| format!("; `{key}` is a key {home}")).unwrap_or_default();
        format!("it can be {}{home}", keys.join(", "))
    }

    /// Where each key of the file itself stands, and each key of its tables, as `notify.on`; and each table of a list.
    pub fn key_places(&self) -> Vec<(String, Place)> {
        let mut places = Vec::new();
        for own in self.own.into_iter() {
            for (name, value) in own.table {
                let key = name.get_ref();
                places.push((key.to_string(), Place::new(own.source, name.span())));
                match value.get_ref() {
                    DeValue::Table(table) => places.extend(
                        table
                            .keys()
                            .map(|name| (format!("{key}.{}", name.get_ref()), Place::new(own.source, name.span()))),
                    ),
                    DeValue::Array(items) => {
                        places.extend(items.iter().map(|item| (key.to_string(), Place::new(own.source, item.span()))));
                    }
                    _ => {}
                }
            }
        }
        places
    }

    /// Every key that is written in the file itself or, where it is not, in the layer below: for tables whose keys are
    /// free and add up (`env`).
    pub fn all_keys(&self) -> Vec<(&'d str, Value<'d>)> {
        let mut keys = self.free_keys();
        if let Some(below) = self.below {
            let inherited = below.table.keys().map(|name| name.get_ref().as_ref());
            let missing: Vec<&str> = inherited.filter(|key| self.own_value(key).is_none()).collect();
            keys.extend(missing.into_iter().filter_map(|key| Some((key, self.find(below, key, true)?))));
        }
        keys
    }

    /// Every key that is written in the file itself, in the order of the names: for tables whose keys are free.
    pub fn free_keys(&self) -> Vec<(&'d str, Value<'d>)> {
        let Some(own) = self.own else { return Vec::new() };
        own.table
            .keys()
            .map(|name| name.get_ref().as_ref())
            .filter_map(|key| Some((key, self.own_value(key)?)))
            .collect()
    }
}

/// How a value of a type is written.
fn form(wanted: &str, path: &str) -> String {
    let how = match wanted {
        "text" => "in quotes: `\"…\"`",
        "`true` or `false`" => "without quotes",
        "a whole number" => "in digits, without quotes",
        "a list of texts" | "text, or a list of texts" => "so: `[\"…\", \"…\"]`",
        "a table" | "a table of texts" => "so: `{ name = … }`",
        _ => return format!("slack_alert.toml(5) shows how `{path}` is written"),
    };
    format!("write {wanted} {how}")
}

impl<'d> Value<'d> {
    /// The key's full name.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Notes that the value has the wrong type; always `None`.
    pub fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        let found = match self.value {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "a number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let message = format!("`{}` must be {wanted}, found {found}", self.path);
        self.reader.push(Problem::new(Code::WrongType, self.at, message).help(form(wanted, &self.path)));
        None
    }

    /// Notes that the value is not allowed; always `None`.
    pub fn refuse<T>(&self, code: Code, message: impl Into<String>, help: impl Into<String>) -> Option<T> {
        self.reader.push(Problem::new(code, self.at, message).help(help));
        None
    }

    /// Whether it is text.
    pub fn is_text(&self) -> bool {
        self.value.is_str()
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        self.value.is_array()
    }

    /// Whether it is a table.
    pub fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// Whether it is a whole number.
    pub fn is_integer(&self) -> bool {
        self.value.is_integer()
    }

    /// `Some` when it is a number, with or without a fraction.
    pub fn as_float(&self) -> Option<f64> {
        let text = match self.value {
            DeValue::Float(float) => float.as_str().to_owned(),
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().to_owned(),
            _ => return None,
        };
        text.parse().ok()
    }

    /// `Some` when it is `true` or `false`.
    pub fn as_flag(&self) -> Option<bool> {
        self.value.as_bool()
    }

    /// Text, else a problem.
    pub fn text(&self) -> Option<Text<'d>> {
        match self.value.as_str() {
            Some(text) => Some(Text::new(text, self.at, &self.layer.text[self.at.span()])),
            None => self.wrong_type("text"),
        }
    }

    /// The path of a file or a folder, else a problem: also for one that begins at a home, which nothing here expands.
    pub fn file(&self) -> Option<Text<'d>> {
        let text = self.text()?;
        if is_of_a_home(text.value) {
            let message = format!("`{}` begins with `~`, which only a shell expands", self.path());
            return self.refuse(Code::InvalidValue, message, "write the whole path, from `/` on");
        }
        Some(text)
    }

    /// The same, unless it is blank: then a problem, with what to write.
    fn unless_blank(&self, text: Text<'d>, help: &str) -> Option<Text<'d>> {
        match text.value.trim() {
            "" => self.refuse(Code::InvalidValue, format!("`{}` is empty", self.path()), help),
            _ => Some(text),
        }
    }

    /// One text or a list of them, else a problem.
    pub fn texts(&self) -> Option<Vec<Text<'d>>> {
        match self.value {
            DeValue::String(_) => Some(vec![self.text()?]),
            DeValue::Array(_) => self.list(),
            _ => self.wrong_type("text, or a list of texts"),
        }
    }

    /// A list of texts, else a problem; members that are no text are noted and left out.
    pub fn list(&self) -> Option<Vec<Text<'d>>> {
        let Some(items) = self.items() else { return self.wrong_type("a list of texts") };
        Some(items.iter().filter_map(Self::text).collect())
    }

    /// The members of a list; `None` when it is no list.
    pub fn items(&self) -> Option<Vec<Self>> {
        let array = self.value.as_array()?;
        let item = |(index, member): (usize, &'d toml::Spanned<DeValue<'d>>)| Self {
            path: format!("{}[{index}]", self.path),
            value: member.get_ref(),
            below: None,
            at: Place::new(self.layer.source, member.span()),
            ..self.clone()
        };
        Some(array.iter().enumerate().map(item).collect())
    }

    /// A whole number within bounds, else a problem.
    pub fn integer(&self, bounds: RangeInclusive<i64>) -> Option<i64> {
        let Some(integer) = self.value.as_integer() else { return self.wrong_type("a whole number") };
        match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if bounds.contains(&number) => Some(number),
            _ => {
                let message = format!("`{}` is out of range", self.path);
                let help = match (*bounds.start(), *bounds.end()) {
                    (low, i64::MAX) => format!("it must be {low} or more"),
                    (low, high) => format!("it must be from {low} to {high}"),
                };
                self.refuse(Code::InvalidValue, message, help)
            }
        }
    }

    /// A length of time, else a problem.
    pub fn duration(&self) -> Option<Duration> {
        self.quantity(Code::InvalidDuration, "a length of time such as \"5m\"", parse_duration)
    }

    fn quantity<T>(&self, code: Code, wanted: &str, parse: impl Fn(&str) -> Result<T, Refusal>) -> Option<T> {
        if let Some(integer) = self.value.as_integer() {
            let problem = Problem::new(code, self.at, format!("`{}` has no unit", self.path));
            let help = format!("write {wanted}, in quotes; the number alone is `{}`", integer.as_str());
            self.reader.push(problem.help(help));
            return None;
        }
        if !self.is_text() {
            return self.wrong_type(wanted);
        }
        let text = self.text()?;
        match parse(text.value) {
            Ok(value) => Some(value),
            Err(refusal) => {
                let message = format!("`{}`: {}", self.path, refusal.message);
                let at = if text.value.is_empty() { text.at } else { text.inside(refusal.span) };
                self.reader.push(Problem::new(code, at, message).help(refusal.help));
                None
            }
        }
    }

    /// Text by name, else a problem.
    pub fn map(&self) -> Option<Vec<(&'d str, Text<'d>)>> {
        let Some(layer) = self.as_table_layer() else { return self.wrong_type("a table of texts") };
        let table = self.child(layer);
        Some(table.all_keys().into_iter().filter_map(|(name, value)| Some((name, value.text()?))).collect())
    }

    /// As a table, over the same table of the layer below, key by key; a problem when it is none.
    pub fn table(&self) -> Option<Table<'d>> {
        self.as_layer().map(|layer| self.child(layer))
    }

    fn child(&self, layer: Layer<'d>) -> Table<'d> {
        let (below, strict_below) = (self.below, self.strict_below);
        Table { path: self.path.clone(), own: Some(layer), below, strict_below, ..Table::empty(self.reader) }
    }

    fn as_layer(&self) -> Option<Layer<'d>> {
        self.as_table_layer().or_else(|| self.wrong_type("a table"))
    }

    fn as_table_layer(&self) -> Option<Layer<'d>> {
        let table = self.value.as_table()?;
        Some(Layer { table, place: self.key_at, ..self.layer })
    }
}

impl Text<'_> {
    /// The serde enum whose variant this names, else a problem with the nearest name.
    pub fn choice<'a, E: Deserialize<'a>>(&self, reader: &Reader, path: &str, names: &[&str]) -> Option<E> {
        let deserializer: StrDeserializer<'_, SerdeError> = self.value.into_deserializer();
        if names.contains(&self.value)
            && let Ok(value) = E::deserialize(deserializer)
        {
            return Some(value);
        }
        let all = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let help = match nearest(self.value, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? it can be {all}"),
            None => format!("it can be {all}"),
        };
        reader.push(
            Problem::new(Code::InvalidValue, self.at, format!("`{}` is no value for `{path}`", self.value)).help(help),
        );
        None
    }
}

/// `~`, `~/x`, `~alice/x`.
fn is_of_a_home(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('~') else { return false };
    let name = rest.split('/').next().unwrap_or(rest);
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}
