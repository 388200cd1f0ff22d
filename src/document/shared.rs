//! Values that many files have in common, each kept once: ten thousand jobs mostly say the same about retries and channels.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

/// So many values are remembered: those of files that follow one another are alike.
const MOST: usize = 8;

/// The values that were read last, by one thread.
pub struct Shared<T: ?Sized>(RefCell<Vec<Arc<T>>>);

/// How many, and never what: among them are secrets.
impl<T: ?Sized> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.0.borrow().len()).finish()
    }
}

impl<T: ?Sized> Default for Shared<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T: PartialEq + ?Sized> Shared<T> {
    /// The value as it is already kept, or else this one.
    pub fn once(&self, value: impl Into<Arc<T>> + Borrow<T>) -> Arc<T> {
        let mut known = self.0.borrow_mut();
        if let Some(same) = known.iter().find(|known| ***known == *value.borrow()) {
            return Arc::clone(same);
        }
        if known.len() == MOST {
            known.remove(0);
        }
        let value = value.into();
        known.push(Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Shared;

    #[test]
    fn what_is_the_same_is_kept_once_and_what_differs_by_itself() {
        let shared = Shared::<str>::default();
        let (first, other, again) = (shared.once("a"), shared.once("b"), shared.once("a"));
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!((&*first, &*other), ("a", "b"));
        // Many that differ push the first one out; that it is kept twice then is all that happens.
        for number in 0..20 {
            assert_eq!(&*shared.once(number.to_string().as_str()), number.to_string());
        }
        assert_eq!(&*shared.once("a"), "a");
    }
}
