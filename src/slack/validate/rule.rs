//! What can be said of the shape of a block, an element or an object: the words in which the shapes are written.

/// What a value must be.
#[derive(Debug)]
pub(super) enum Rule {
    /// Anything: what it must be is not documented well enough.
    Any,
    /// True or false.
    Flag,
    /// A number.
    Number,
    /// A whole number.
    Whole { least: i64, most: i64 },
    /// A string of so many characters.
    Text { least: usize, most: usize },
    /// One of these strings.
    Among(&'static [&'static str]),
    /// A string written like this one: a letter stands for a digit.
    Written(&'static str),
    /// An absolute URL, https or http.
    Url,
    /// An absolute URL, https.
    Https,
    /// A URL of any scheme.
    Link,
    /// A text object of one of these kinds; an image where that is one of them.
    Words { kinds: &'static [&'static str], most: usize },
    /// An object without a `type`.
    Object(&'static Shape),
    /// Any block of a message.
    Block,
    /// An object of one of these kinds, or of a kind that is known by its name alone.
    One { shapes: &'static [&'static Shape], open: &'static [&'static str] },
    /// A list of so many members.
    List { of: &'static Rule, least: usize, most: usize },
}

/// A part of an object.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) key: &'static str,
    pub(super) needed: bool,
    pub(super) rule: Rule,
}

/// What Slack takes of one kind of object.
#[derive(Debug)]
pub(super) struct Shape {
    /// Its `type`.
    pub(super) kind: &'static str,
    /// In words: `a header`.
    pub(super) name: &'static str,
    pub(super) parts: &'static [Part],
    /// One of these parts must be there.
    pub(super) either: &'static [&'static str],
    /// Two of them must not.
    pub(super) alone: bool,
    /// It is a block: it may have a `block_id`, and is one of those that Slack counts.
    pub(super) block: bool,
    /// It may have parts that are not known here.
    pub(super) open: bool,
}

const ANY_TEXT: &[&str] = &["plain_text", "mrkdwn"];
const PLAIN_TEXT: &[&str] = &["plain_text"];
/// No limit that is known.
pub(super) const ANY: usize = usize::MAX;

pub(super) const fn needed(key: &'static str, rule: Rule) -> Part {
    Part { key, needed: true, rule }
}

pub(super) const fn may(key: &'static str, rule: Rule) -> Part {
    Part { key, needed: false, rule }
}

/// A `plain_text` object.
pub(super) const fn plain(most: usize) -> Rule {
    Rule::Words { kinds: PLAIN_TEXT, most }
}

/// A `plain_text` or `mrkdwn` object.
pub(super) const fn words(most: usize) -> Rule {
    Rule::Words { kinds: ANY_TEXT, most }
}

/// A string that is not empty.
pub(super) const fn text(most: usize) -> Rule {
    Rule::Text { least: 1, most }
}

pub(super) const fn list(of: &'static Rule, least: usize, most: usize) -> Rule {
    Rule::List { of, least, most }
}

pub(super) const fn one(shapes: &'static [&'static Shape]) -> Rule {
    Rule::One { shapes, open: &[] }
}

/// An object whose parts are all known.
pub(super) const fn shape(kind: &'static str, name: &'static str, parts: &'static [Part]) -> Shape {
    Shape { kind, name, parts, either: &[], alone: false, block: false, open: false }
}

/// A block whose parts are all known.
pub(super) const fn block(kind: &'static str, name: &'static str, parts: &'static [Part]) -> Shape {
    Shape { block: true, ..shape(kind, name, parts) }
}

impl Shape {
    /// One of these parts must be there.
    pub(super) const fn either(self, either: &'static [&'static str]) -> Self {
        Self { either, ..self }
    }

    /// One of these parts must be there, and no two.
    pub(super) const fn one_of(self, either: &'static [&'static str]) -> Self {
        Self { either, alone: true, ..self }
    }

    /// It may have parts that do not stand here.
    pub(super) const fn open(self) -> Self {
        Self { open: true, ..self }
    }
}
