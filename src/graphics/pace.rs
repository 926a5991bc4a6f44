//! How much may be on its way to the terminal.
//!
//! A write to a terminal behind SSH returns long before the bytes arrive: more than a megabyte waits in between, and
//! a key pressed now would be seen after all of it. Only an answer tells that something arrived. So every frame of
//! some size ends with a question ([`FENCE`]), nothing large follows before the answer, and the time in between
//! says how much the line carries. Pure: the caller has the clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The question (DSR): "are you well?" The answer, `CSI 0 n`, comes once everything before it was handled.
pub const FENCE: &[u8] = b"\x1b[5n";

/// Frames from this size on end with a fence.
pub const LARGE: usize = 2048;

/// A frame should be on the line for so long at most.
const FRAME_TIME: Duration = Duration::from_millis(100);
/// Before anything is known: what a slow line carries in [`FRAME_TIME`].
const FIRST: usize = 64 << 10;
/// Bounds of what a frame may have.
const LEAST: usize = 12 << 10;
const MOST: usize = 2 << 20;
/// Transfers shorter than this say nothing about the line.
const TELLING: usize = 8 << 10;
/// A fence that is not answered in this time, and in several times what it should take, is given up.
const LOST: Duration = Duration::from_secs(3);
/// After so many lost fences in a row none are set any more.
const DEAF: u32 = 2;

/// A fence on its way.
#[derive(Debug, Clone, Copy)]
struct Pending {
    at: Instant,
    bytes: usize,
}

/// Keeps account of what is on its way.
#[derive(Debug)]
pub struct Pace {
    pending: VecDeque<Pending>,
    /// Shortest time from a question to its answer.
    round_trip: Option<Duration>,
    /// Bytes per second.
    rate: Option<f64>,
    /// When the line was last known to be free.
    free: Option<Instant>,
    lost: u32,
}

impl Pace {
    /// Nothing on its way; `round_trip` as far as it is known.
    pub fn new(round_trip: Option<Duration>) -> Self {
        Self {
            pending: VecDeque::new(),
            round_trip,
            rate: None,
            free: None,
            lost: 0,
        }
    }

    /// True when a frame of `bytes` should end with [`FENCE`].
    pub fn wants_fence(&self, bytes: usize) -> bool {
        bytes >= LARGE && self.lost < DEAF
    }

    /// A frame of `bytes` that ends with a fence was written.
    pub fn sent(&mut self, bytes: usize, now: Instant) {
        self.pending.push_back(Pending { at: now, bytes });
    }

    /// The oldest fence was answered.
    pub fn answered(&mut self, now: Instant) {
        let Some(done) = self.pending.pop_front() else {
            return;
        };
        self.lost = 0;
        let taken = now.saturating_duration_since(done.at);
        if done.bytes < TELLING {
            // Small frames measure the way there and back.
            self.round_trip = Some(
                self.round_trip
                    .map_or(taken, |shortest| shortest.min(taken)),
            );
        }
        // While the frame before was still on the line this one waited behind it.
        let round_trip = self.round_trip.unwrap_or_default();
        let free = self
            .free
            .and_then(|free| free.checked_sub(round_trip.min(taken)));
        let start = free.map_or(done.at, |free| free.max(done.at));
        let carried = now
            .saturating_duration_since(start)
            .saturating_sub(round_trip);
        self.free = Some(now);
        if done.bytes >= TELLING {
            let sample = done.bytes as f64 / carried.as_secs_f64().max(0.001);
            self.rate = Some(self.rate.map_or(sample, |rate| 0.6 * rate + 0.4 * sample));
        }
    }

    /// True while a fence is on its way.
    pub fn is_busy(&self) -> bool {
        !self.pending.is_empty()
    }

    /// When a fence on its way has to be given up; call [`Pace::give_up`] then.
    pub fn deadline(&self) -> Option<Instant> {
        let oldest = self.pending.front()?;
        let carry = self.rate.map_or(0.0, |rate| oldest.bytes as f64 / rate);
        let expected =
            self.round_trip.unwrap_or_default() + Duration::from_secs_f64(carry.min(60.0));
        Some(oldest.at + LOST.max(4 * expected))
    }

    /// Gives up fences that are overdue.
    pub fn give_up(&mut self, now: Instant) {
        while self.deadline().is_some_and(|deadline| deadline <= now) {
            self.pending.pop_front();
            self.lost += 1;
        }
    }

    /// Forgets what is on its way, as after the terminal was taken away for a while.
    pub fn restart(&mut self) {
        self.pending.clear();
        self.free = None;
    }

    /// Bytes that the next frame may have; 0 while one is on its way.
    pub fn budget(&self) -> usize {
        if self.is_busy() {
            return 0;
        }
        let Some(rate) = self.rate else {
            return FIRST;
        };
        ((rate * FRAME_TIME.as_secs_f64()) as usize).clamp(LEAST, MOST)
    }

    /// Bytes per second that the line carries, as far as it is known.
    pub fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// Shortest time from a question to its answer, as far as it is known.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn the_rate_is_what_the_line_carries() {
        let start = Instant::now();
        let mut pace = Pace::new(Some(Duration::from_millis(100)));
        assert_eq!(pace.budget(), FIRST);
        // 10 Mbit/s: 125,000 bytes take 100 ms beside the round trip.
        let mut now = 0;
        for _ in 0..8 {
            pace.sent(125_000, after(start, now));
            assert_eq!(pace.budget(), 0);
            now += 200;
            pace.answered(after(start, now));
        }
        let rate = pace.rate().unwrap();
        assert!((1.2e6..1.3e6).contains(&rate), "{rate}");
        assert!((120_000..130_000).contains(&pace.budget()));
        assert!(!pace.is_busy());
    }

    #[test]
    fn frames_behind_each_other_are_measured_apart() {
        let start = Instant::now();
        let mut pace = Pace::new(Some(Duration::from_millis(100)));
        pace.sent(125_000, start);
        pace.sent(125_000, start);
        pace.answered(after(start, 200));
        pace.answered(after(start, 300));
        let rate = pace.rate().unwrap();
        assert!((1.2e6..1.3e6).contains(&rate), "{rate}");
    }

    #[test]
    fn a_deaf_terminal_is_not_asked_for_ever() {
        let start = Instant::now();
        let mut pace = Pace::new(None);
        for _ in 0..2 {
            assert!(pace.wants_fence(LARGE));
            pace.sent(LARGE, start);
            let deadline = pace.deadline().unwrap();
            pace.give_up(deadline.checked_sub(Duration::from_millis(1)).unwrap());
            assert!(pace.is_busy());
            pace.give_up(deadline);
            assert!(!pace.is_busy());
        }
        assert!(!pace.wants_fence(MOST));
        // An answer nobody waits for changes nothing.
        pace.answered(start);
    }
}
