//! The default of a key as a value. The list of keys is the one place where it is written: what the manual and the schema
//! tell is what the program uses.

use std::time::Duration;

use super::key::Key;
use super::units::{Rate, parse_duration, parse_rate, parse_size};

/// A default as its key has it.
#[derive(Clone, Copy, Debug)]
pub struct Default(&'static Key);

/// The default of the key of this name, which must be one of `keys` and have a default.
pub fn default_of(keys: &'static [Key], name: &str) -> Default {
    let key = keys.iter().find(|key| key.name == name);
    Default(key.unwrap_or_else(|| panic!("`{name}` is one of the keys that are listed beside its reader")))
}

impl Default {
    /// As text, without the quotes that TOML needs.
    pub fn text(self) -> &'static str {
        let written = self.0.default;
        written.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(written)
    }

    /// Of a key that takes a length of time.
    pub fn duration(self) -> Duration {
        self.read("a length of time", |text| parse_duration(text).ok())
    }

    /// Of a key that takes a rate.
    pub fn rate(self) -> Rate {
        self.read("a rate", |text| parse_rate(text).ok())
    }

    /// Of a key that takes a number of bytes.
    pub fn size(self) -> usize {
        self.read("a size", |text| parse_size(text).ok().and_then(|size| size.try_into().ok()))
    }

    /// Of a key that takes a number, or `true` or `false`.
    pub fn value<T: std::str::FromStr>(self) -> T {
        self.read("a value of its kind", |text| text.parse().ok())
    }

    fn read<T>(self, kind: &str, read: impl FnOnce(&str) -> Option<T>) -> T {
        read(self.text()).unwrap_or_else(|| panic!("the default of `{}` is {kind}: {}", self.0.name, self.0.default))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::default_of;
    use crate::document::{Key, Kind};

    const KEYS: &[Key] = &[
        Key { name: "bare", kind: Kind::Duration, default: "10s", about: "" },
        Key { name: "quoted", kind: Kind::Rate, default: "\"20/h\"", about: "" },
        Key { name: "size", kind: Kind::Size, default: "1MiB", about: "" },
        Key { name: "flag", kind: Kind::Flag, default: "true", about: "" },
    ];

    #[test]
    fn a_default_is_read_as_a_value_in_the_file_would_be() {
        assert_eq!(default_of(KEYS, "bare").duration(), Duration::from_secs(10));
        let rate = default_of(KEYS, "quoted").rate();
        assert_eq!((rate.count.get(), rate.per), (20, Duration::from_secs(3_600)));
        assert_eq!(default_of(KEYS, "size").size(), 1 << 20);
        assert!(default_of(KEYS, "flag").value::<bool>());
    }
}
