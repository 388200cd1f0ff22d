//! What a job asks to hear of, and sets of statuses.

use serde::{Deserialize, Serialize};

use crate::exec::Status;

/// What a job may ask to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// Ok, and stdout is not blank.
    Output,
    /// Not ok.
    Failure,
    /// Ok again after a reported failure.
    Recovery,
    /// Every ok run.
    Success,
    /// Ok, and stdout differs from the last ok run's.
    Change,
    /// Everything.
    Always,
}

/// The set that `on` lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked(u8);

/// A set of statuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statuses(u8);

impl Asked {
    /// The set of these.
    pub fn new(on: &[On]) -> Self {
        Self(on.iter().fold(0, |set, on| set | 1 << *on as u8))
    }

    /// Whether this is reported.
    pub fn asks(self, on: On) -> bool {
        self.asks_always() || self.0 & 1 << on as u8 != 0
    }

    /// Whether nothing is.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Whether everything is.
    pub fn asks_always(self) -> bool {
        self.0 & 1 << On::Always as u8 != 0
    }
}

/// As a list of words.
impl Serialize for Statuses {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// From a list of words; or from the number that version 0.1 wrote, a bit a status.
impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Bits(u8),
            Words(Vec<Status>),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Bits(bits) => Self(bits),
            Written::Words(words) => words.into_iter().collect(),
        })
    }
}

impl Statuses {
    /// Whether it is in the set.
    pub fn contains(self, status: Status) -> bool {
        self.0 & 1 << status as u8 != 0
    }

    /// Puts it in.
    pub fn insert(&mut self, status: Status) {
        self.0 |= 1 << status as u8;
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in the set, the worst first.
    pub fn iter(self) -> impl Iterator<Item = Status> {
        Status::ALL.into_iter().filter(move |status| self.contains(*status))
    }
}

impl FromIterator<Status> for Statuses {
    fn from_iter<I: IntoIterator<Item = Status>>(statuses: I) -> Self {
        let mut set = Self::default();
        statuses.into_iter().for_each(|status| set.insert(status));
        set
    }
}
