//! How much may be on its way to the terminal.
//!
//! A write to a terminal behind SSH returns long before the bytes arrive: more than a megabyte waits in between, and
//! a key pressed now would be seen after all of it. Only an answer tells that something arrived. So every frame of
//! some size ends with a question ([`FENCE`]), and the time to its answer says how much the line carries.
//!
//! From that rate follows when the line will have carried what was written ([`Pace::free_at`]): the next frame is
//! written then, so that the line never idles for a round trip and never has more than a moment's worth waiting.
//! Answers correct the reckoning; when one is overdue nothing more is written. Pure: the caller has the clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The question (DSR): "are you well?" The answer, `CSI 0 n`, comes once everything before it was handled.
pub const FENCE: &[u8] = b"\x1b[5n";

/// Frames from this size on end with a fence.
pub const LARGE: usize = 2048;

/// A frame should take so long on the line at most.
const FRAME_TIME: Duration = Duration::from_millis(80);
/// What can wait is sent in pieces that take so long: a key has to wait behind one.
const PIECE_TIME: Duration = Duration::from_millis(30);
/// Before anything is known: bytes per second, those of a frame, and those that may be on their way.
const FIRST_RATE: f64 = 1e6;
const FIRST: usize = 64 << 10;
const FIRST_ALL: usize = 128 << 10;
/// Bounds of what a frame may have.
const LEAST: usize = 12 << 10;
const MOST: usize = 2 << 20;
/// Transfers shorter than this say nothing about the line.
const TELLING: usize = 8 << 10;
/// Answers that come so much later than they should stop everything.
const LATE: Duration = Duration::from_millis(60);
/// A fence that is not answered in this time, and in several times what it should take, is given up.
const LOST: Duration = Duration::from_secs(3);
/// After so many lost fences in a row none are set any more.
const DEAF: u32 = 2;

/// A fence on its way.
#[derive(Debug, Clone, Copy)]
struct Pending {
    at: Instant,
    bytes: usize,
    /// When its answer should be there.
    expected: Instant,
}

/// Keeps account of what is on its way.
#[derive(Debug)]
pub struct Pace {
    pending: VecDeque<Pending>,
    /// Shortest time from a question to its answer.
    round_trip: Option<Duration>,
    /// Bytes per second.
    rate: Option<f64>,
    /// When the newest answer came: the line was free of everything up to its question then.
    answered: Option<Instant>,
    /// When the line will have carried everything that was written.
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
            answered: None,
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
        let free = self.free.map_or(now, |free| free.max(now)) + self.carrying(bytes);
        self.free = Some(free);
        self.pending.push_back(Pending {
            at: now,
            bytes,
            expected: free + self.round_trip.unwrap_or_default(),
        });
    }

    /// How long the line is busy with so many bytes.
    fn carrying(&self, bytes: usize) -> Duration {
        let rate = self.rate.unwrap_or(FIRST_RATE).max(1.0);
        Duration::from_secs_f64((bytes as f64 / rate).min(60.0))
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
            .answered
            .and_then(|free| free.checked_sub(round_trip.min(taken)));
        let start = free.map_or(done.at, |free| free.max(done.at));
        let carried = now
            .saturating_duration_since(start)
            .saturating_sub(round_trip);
        self.answered = Some(now);
        if done.bytes >= TELLING {
            let sample = done.bytes as f64 / carried.as_secs_f64().max(0.001);
            self.rate = Some(self.rate.map_or(sample, |rate| 0.6 * rate + 0.4 * sample));
        }
        self.reckon(now);
    }

    /// From what the newest answer says: a round trip ago the line was free of everything up to its question, and
    /// since then it has carried what came after.
    fn reckon(&mut self, now: Instant) {
        let round_trip = self.round_trip.unwrap_or_default();
        let then = now.checked_sub(round_trip).unwrap_or(now);
        let mut free = then;
        for at in 0..self.pending.len() {
            let Pending {
                at: sent, bytes, ..
            } = self.pending[at];
            free = free.max(sent) + self.carrying(bytes);
            self.pending[at].expected = free + round_trip;
        }
        self.free = Some(free);
    }

    /// True while a fence is on its way.
    pub fn is_busy(&self) -> bool {
        !self.pending.is_empty()
    }

    /// From when on the next frame may be written; `None` when only an answer can tell.
    pub fn free_at(&self, now: Instant) -> Option<Instant> {
        let Some(oldest) = self.pending.front() else {
            return Some(now);
        };
        let on_way: usize = self.pending.iter().map(|pending| pending.bytes).sum();
        if now > oldest.expected + LATE || (self.rate.is_none() && on_way >= FIRST_ALL) {
            return None;
        }
        Some(self.free.unwrap_or(now))
    }

    /// True when the next frame may be written now.
    pub fn is_free(&self, now: Instant) -> bool {
        self.free_at(now).is_some_and(|free| free <= now)
    }

    /// When to go on with what is to be sent, if no answer comes before: the line is free then, or a fence has to be
    /// given up ([`Pace::give_up`]).
    pub fn wake_at(&self, now: Instant) -> Instant {
        let lost = self.deadline().unwrap_or(now);
        self.free_at(now).unwrap_or(lost)
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
        self.answered = None;
        self.free = None;
    }

    /// Bytes that the next frame may have; 0 while the line is busy.
    pub fn budget(&self, now: Instant) -> usize {
        self.bytes_in(FRAME_TIME, now)
    }

    /// Bytes that something which can wait may have; 0 while the line is busy.
    pub fn piece(&self, now: Instant) -> usize {
        self.bytes_in(PIECE_TIME, now)
    }

    fn bytes_in(&self, time: Duration, now: Instant) -> usize {
        if !self.is_free(now) {
            return 0;
        }
        let Some(rate) = self.rate else {
            return FIRST;
        };
        ((rate * time.as_secs_f64()) as usize).clamp(LEAST, MOST)
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
        assert_eq!(pace.budget(start), FIRST);
        // 10 Mbit/s: 125,000 bytes take 100 ms beside the round trip.
        let mut now = 0;
        for _ in 0..8 {
            pace.sent(125_000, after(start, now));
            assert_eq!(pace.budget(after(start, now)), 0);
            now += 200;
            pace.answered(after(start, now));
        }
        let rate = pace.rate().unwrap();
        assert!((1.2e6..1.3e6).contains(&rate), "{rate}");
        let now = after(start, now);
        assert!((96_000..104_000).contains(&pace.budget(now)));
        assert!((36_000..39_000).contains(&pace.piece(now)));
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

    /// A line of 10 Mbit/s and 100 ms that is always offered as much as the pace allows.
    #[test]
    fn the_line_is_kept_busy_and_never_has_much_waiting() {
        let start = Instant::now();
        let mut pace = Pace::new(Some(Duration::from_millis(100)));
        let mut free = start;
        let mut answers: VecDeque<Instant> = VecDeque::new();
        let (mut carried, mut longest) = (0, Duration::ZERO);
        for ms in 0..3000 {
            let now = after(start, ms);
            while answers.front().is_some_and(|&at| at <= now) {
                answers.pop_front();
                pace.answered(now);
            }
            let piece = pace.piece(now);
            if piece == 0 {
                continue;
            }
            pace.sent(piece, now);
            free = free.max(now) + Duration::from_secs_f64(piece as f64 / 1.25e6);
            answers.push_back(free + Duration::from_millis(100));
            if ms > 500 {
                carried += piece;
                longest = longest.max(free - now);
            }
        }
        let share = carried as f64 / (2.5 * 1.25e6);
        assert!(share > 0.85, "the line was busy {share:.2} of the time");
        assert!(
            longest < Duration::from_millis(70),
            "{longest:?} were waiting"
        );
    }

    #[test]
    fn an_overdue_answer_stops_everything() {
        let start = Instant::now();
        let mut pace = Pace::new(Some(Duration::from_millis(100)));
        pace.sent(20_000, start);
        pace.answered(after(start, 120));
        pace.sent(20_000, after(start, 120));
        // The line should have carried it by now, and the answer is not due yet.
        assert!(pace.is_free(after(start, 150)));
        assert!(pace.wake_at(after(start, 150)) <= after(start, 150));
        assert!(pace.free_at(after(start, 400)).is_none());
        assert_eq!(pace.budget(after(start, 400)), 0);
        assert!(pace.wake_at(after(start, 400)) > after(start, 1000));
        pace.answered(after(start, 500));
        assert!(pace.is_free(after(start, 500)));
    }

    #[test]
    fn little_is_sent_before_anything_is_known() {
        let now = Instant::now();
        let mut pace = Pace::new(None);
        let mut all = 0;
        for ms in 0..1000 {
            let now = after(now, ms);
            let budget = pace.budget(now);
            if budget > 0 {
                pace.sent(budget, now);
                all += budget;
            }
        }
        assert!(all <= FIRST_ALL + FIRST, "{all}");
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
