//! Sorting. `slice::sort_by` is some four kilobytes of program for each type that it sorts, and there are two dozen such lists,
//! all short: here one sort, of numbers, serves them all, and a list only brings how two of its items compare.

use std::cmp::Ordering;

/// Sorts by a comparison; what is equal keeps its order. O(n log n).
pub fn by<T>(list: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let mut order: Vec<usize> = (0..list.len()).collect();
    sort_numbers(&mut order, &|a, b| compare(&list[a], &list[b]));
    // `order[at]` is where the item stands that belongs to `at`: each cycle of it is followed once.
    for start in 0..order.len() {
        let mut at = start;
        loop {
            let from = std::mem::replace(&mut order[at], at);
            if from == start {
                break;
            }
            list.swap(at, from);
            at = from;
        }
    }
}

/// Sorts by a key; what is equal keeps its order.
pub fn by_key<T, K: Ord>(list: &mut [T], key: impl Fn(&T) -> K) {
    by(list, |a, b| key(a).cmp(&key(b)));
}

/// Sorts what has an order of its own, and leaves one of each.
pub fn distinct<T: Ord>(list: &mut Vec<T>) {
    by(list, T::cmp);
    list.dedup();
}

/// The one sort.
fn sort_numbers(numbers: &mut [usize], compare: &dyn Fn(usize, usize) -> Ordering) {
    numbers.sort_by(|a, b| compare(*a, *b));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sorts_as_the_standard_library_does(list in prop::collection::vec((0..20_u8, any::<u8>()), 0..200)) {
            let (mut ours, mut theirs) = (list.clone(), list);
            super::by_key(&mut ours, |(key, _)| *key);
            theirs.sort_by_key(|(key, _)| *key);
            prop_assert_eq!(&ours, &theirs);
            super::distinct(&mut ours);
            theirs.sort();
            theirs.dedup();
            prop_assert_eq!(ours, theirs);
        }
    }
}
