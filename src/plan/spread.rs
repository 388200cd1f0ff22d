//! The same work on many things, over the machine's cores. The door of threads for what `check` and a start have to read:
//! none of them outlives the call.
//!
//! Invariant: the answers stand in the order of the things, so that nothing that is told depends on who was faster.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Fewer things than this are done by the caller alone: a thread costs more than it saves.
const FEW: usize = 128;

/// Things that a thread takes at a time, so that no core is idle for long at the end.
const AT_A_TIME: usize = 32;

/// More threads than this are of no use: what is left then is waiting for the file system.
const MOST_THREADS: usize = 8;

/// Does `work` for each thing, with its index; `begin` makes what each thread has for itself (caches).
pub fn spread<T: Sync, S, R: Send>(
    things: &[T],
    begin: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, &T) -> R + Sync,
) -> Vec<R> {
    at_a_time(if things.len() < FEW { FEW } else { AT_A_TIME }, things, begin, work)
}

/// The same for few things, each of which takes long.
pub fn spread_each<T: Sync, R: Send>(things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    at_a_time(1, things, || (), |(), _, thing| work(thing))
}

#[expect(clippy::disallowed_methods, reason = "the door of threads: independent work on all cores, which ends here")]
fn at_a_time<T: Sync, S, R: Send>(
    count: usize,
    things: &[T],
    begin: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, &T) -> R + Sync,
) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MOST_THREADS);
    let threads = cores.min(things.len().div_ceil(count));
    let next = AtomicUsize::new(0);
    let take = || {
        let mut own = begin();
        let mut done = Vec::new();
        loop {
            let from = next.fetch_add(count, Ordering::Relaxed);
            let Some(part) = things.get(from..) else { return done };
            if part.is_empty() {
                return done;
            }
            let part = part.iter().take(count).enumerate();
            done.push((from, part.map(|(index, thing)| work(&mut own, from + index, thing)).collect::<Vec<R>>()));
        }
    };
    let mut parts = std::thread::scope(|scope| {
        // Where no more threads are allowed, fewer do it: the caller is one of them.
        let begin = |_| std::thread::Builder::new().spawn_scoped(scope, take).ok();
        let others: Vec<_> = (1..threads).map_while(begin).collect();
        let mut parts = take();
        for other in others {
            // What made it panic makes the caller panic, as if it had done the work itself.
            parts.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        parts
    });
    parts.sort_by_key(|(from, _)| *from);
    parts.into_iter().flat_map(|(_, part)| part).collect()
}

#[cfg(test)]
mod tests {
    use super::{AT_A_TIME, FEW, spread, spread_each};

    #[test]
    fn answers_stand_in_the_order_of_the_things() {
        for count in [0, 1, AT_A_TIME, FEW - 1, FEW, FEW + 1, 1_000] {
            let things: Vec<usize> = (0..count).collect();
            let done = spread(
                &things,
                || 0,
                |seen, index, thing| {
                    *seen += 1;
                    assert!(*seen <= count);
                    (index, thing * 2)
                },
            );
            assert_eq!(done, things.iter().map(|thing| (*thing, thing * 2)).collect::<Vec<_>>());
            assert_eq!(spread_each(&things, |thing| thing + 1), (1..=count).collect::<Vec<_>>());
        }
    }

    #[test]
    #[should_panic(expected = "at 700")]
    fn a_panic_is_not_swallowed() {
        let things: Vec<usize> = (0..1_000).collect();
        spread(&things, || (), |(), index, _| assert!(index != 700, "at 700"));
    }
}
