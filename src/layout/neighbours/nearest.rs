//! The k smallest of a stream of candidates.

/// A candidate: distance bits and index in one number, so that comparing numbers compares distances first and
/// indices among equal distances. Non-negative floats order like their bits.
#[inline]
pub(super) fn key(distance: f32, index: usize) -> u64 {
    (u64::from(distance.to_bits()) << 32) | index as u64
}

/// The distance of a key.
#[inline]
pub(super) fn distance_of(key: u64) -> f32 {
    f32::from_bits((key >> 32) as u32)
}

/// The index of a key.
#[inline]
pub(super) fn index_of(key: u64) -> u32 {
    key as u32
}

/// Keeps the k smallest keys offered. The result depends on the set offered only, not on its order.
#[derive(Debug, Clone)]
pub(super) struct Nearest {
    k: usize,
    keys: Vec<u64>,
    /// Candidates at or beyond this distance cannot enter, except by index among equals.
    limit: f32,
}

impl Nearest {
    pub(super) fn new(k: usize) -> Self {
        Self {
            k,
            keys: Vec::with_capacity(Self::capacity(k)),
            limit: f32::INFINITY,
        }
    }

    fn capacity(k: usize) -> usize {
        2 * k + 32
    }

    /// Offers one candidate.
    #[inline]
    pub(super) fn offer(&mut self, distance: f32, index: usize) {
        if distance <= self.limit {
            self.keys.push(key(distance, index));
            if self.keys.len() == Self::capacity(self.k) {
                self.shrink();
            }
        }
    }

    #[inline]
    pub(super) fn limit(&self) -> f32 {
        self.limit
    }

    fn shrink(&mut self) {
        if self.k > 0 && self.keys.len() >= self.k {
            let (_, &mut worst, _) = self.keys.select_nth_unstable(self.k - 1);
            self.limit = distance_of(worst);
        }
        self.keys.truncate(self.k);
    }

    /// The kept keys in rising order.
    pub(super) fn into_sorted(mut self) -> Vec<u64> {
        self.keys.sort_unstable();
        self.keys.truncate(self.k);
        self.keys
    }
}
