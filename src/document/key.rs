//! Keys as data: what a file may say. The schema, the manual, and the help of an unknown key are made of them.

/// A key as the manual and the schema tell of it. Each station lists its own, and a test holds the list equal to what
/// its reader takes.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The name in the file.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// The default as it would be written; empty where there is none.
    pub default: &'static str,
    /// What it means, in a sentence or two.
    pub about: &'static str,
}

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Any text.
    Text,
    /// A list of texts.
    List,
    /// A list of values of these kinds.
    ListOf(&'static [Kind]),
    /// One text, or a list of them.
    TextOrList,
    /// `true` or `false`.
    Flag,
    /// `false` alone.
    Off,
    /// A whole number between two bounds.
    Integer(i64, i64),
    /// A number, with or without a fraction.
    Number,
    /// A length of time.
    Duration,
    /// So many in so long.
    Rate,
    /// A number of bytes.
    Size,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of these words.
    Choices(&'static [&'static str]),
    /// Text by name.
    Map,
    /// A table with these keys.
    Table(&'static [Key]),
    /// A list of tables with these keys.
    Tables(&'static [Key]),
    /// Any of several kinds.
    OneOf(&'static [Kind]),
}
