//! A part of what is remembered of a job that few jobs have: it takes the place of a pointer while it is at its default.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a part is while nothing is known.
pub trait Nothing: Default + PartialEq + 'static {
    /// The same as its default.
    const NOTHING: &'static Self;
}

impl<T: PartialEq + 'static> Nothing for Vec<T> {
    const NOTHING: &'static Self = &Self::new();
}

impl<T: PartialEq + 'static> Nothing for VecDeque<T> {
    const NOTHING: &'static Self = &Self::new();
}

impl Nothing for String {
    const NOTHING: &'static Self = &Self::new();
}

/// Reads as the value itself, and makes room for it when it is written to.
#[derive(Clone, Debug)]
pub struct Rare<T>(Option<Box<T>>);

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Nothing> From<T> for Rare<T> {
    fn from(value: T) -> Self {
        Self((value != *T::NOTHING).then(|| Box::new(value)))
    }
}

impl<T: Nothing> Rare<T> {
    /// The value where it is another than the default, to be changed.
    pub fn known_mut(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }
}

impl<T: Nothing> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::NOTHING)
    }
}

impl<T: Nothing> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

/// Whether there is room for it makes no difference.
impl<T: Nothing> PartialEq for Rare<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Nothing + Serialize> Serialize for Rare<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        T::serialize(self, serializer)
    }
}

impl<'de, T: Nothing + Deserialize<'de>> Deserialize<'de> for Rare<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::Rare;

    #[test]
    fn a_part_at_its_default_takes_no_room_and_reads_as_that() {
        let mut rare = Rare::<String>::default();
        assert_eq!((size_of_val(&rare), rare.as_str(), rare.0.is_none()), (size_of::<usize>(), "", true));
        rare.push('a');
        assert_eq!(rare.as_str(), "a");
        rare.clear();
        assert_eq!(rare, Rare::default());
        assert!(Rare::from(String::new()).0.is_none() && Rare::from("b".to_owned()).0.is_some());
    }

    #[test]
    fn it_is_written_and_read_as_the_value() {
        let rare = Rare::from(vec![1, 2]);
        let json = serde_json::to_string(&rare).expect("numbers are JSON");
        assert_eq!(json, "[1,2]");
        assert_eq!(serde_json::from_str::<Rare<Vec<i32>>>(&json).expect("it was written"), rare);
    }
}
