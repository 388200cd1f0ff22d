//! A line of output in JSON: null where there is none, or where it is not shown.

use serde::{Deserialize, Deserializer, Serializer};

/// The line, or null.
pub fn serialize<S: Serializer>(line: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match line {
        "" => serializer.serialize_none(),
        line => serializer.serialize_some(line),
    }
}

/// The other way.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
