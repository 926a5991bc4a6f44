//! Seeds that depend on what is drawn for, never on the order of the drawing.

use rand_core::{Rng as _, SeedableRng as _};

/// Seeded random numbers.
#[derive(Debug, Clone)]
pub struct Rng(rand_pcg::Pcg64);

impl Rng {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(rand_pcg::Pcg64::seed_from_u64(seed))
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f32 {
        (self.0.next_u64() >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// Standard normal (Box and Muller).
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f32::consts::TAU * self.uniform()).cos()
    }

    /// Uniform in `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.0.next_u64() % n.max(1) as u64) as usize
    }
}

/// A generator for one purpose: `parts` are the seed and the numbers that name the purpose (icon, attempt, step).
/// Each part is stirred in with the finaliser of SplitMix64, so that neighbouring numbers give unrelated streams.
pub(super) fn stream(parts: &[u64]) -> Rng {
    let mut state = 0_u64;
    for part in parts {
        state = state
            .wrapping_add(*part)
            .wrapping_add(0x9e37_79b9_7f4a_7c15);
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^= state >> 31;
    }
    Rng::new(state)
}
