//! The slots to come, for people and for checks: a cadence driven by a clock that jumps from slot to slot.

use std::time::Duration;

use jiff::Timestamp;

use super::{Cadence, Saved, Taken, Timing};
use crate::clock::{Mono, Now, shift};

/// Nobody looks further ahead: ten years.
const FARTHEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// The wall times at which a job would run: hours respected, jitter applied, ten years at most. Runs are taken to last
/// no time and to send no alert.
#[derive(Debug)]
pub struct Upcoming<'a> {
    timing: &'a Timing,
    cadence: Cadence,
    now: Now,
    end: Timestamp,
}

impl Timing {
    /// When the job would run from then on; `seed` and `past` as in [`begin`](Self::begin).
    pub fn upcoming(&self, seed: &str, past: Option<&Saved>, from: Timestamp) -> Upcoming<'_> {
        let now = Now { wall: from, mono: Mono::default() };
        Upcoming { timing: self, cadence: self.begin(seed, past, now), now, end: shift(from, FARTHEST) }
    }
}

impl Iterator for Upcoming<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        loop {
            let slot = self.cadence.slot()?;
            let mono = slot.mono(self.now).max(self.now.mono);
            self.now = Now { wall: shift(self.now.wall, mono - self.now.mono), mono };
            if self.now.wall > self.end {
                return None;
            }
            match self.cadence.take(self.timing, self.now) {
                Taken::Run { .. } => {
                    self.cadence.finished(self.timing, self.now);
                    return Some(self.now.wall);
                }
                Taken::Outside => {}
                Taken::NotYet => return None,
            }
        }
    }
}
