//! Seeded random numbers whose sequences never change.
//!
//! An atlas must come out the same from the same seed, on every machine and after every upgrade. So the
//! generator is fixed (PCG XSL-RR 128/64, O'Neill 2014) and everything drawn from it is defined here rather
//! than by a distribution crate; the tests pin the first values. [`Rng::stream`] gives independent generators
//! for the parts of one job, so that parts can run in any order or in parallel.

use rand_core::Rng as _;
use rand_pcg::Pcg64;

/// A seeded generator.
#[derive(Debug, Clone)]
pub struct Rng {
    pcg: Pcg64,
    /// The second value of the last Box–Muller pair.
    spare: Option<f32>,
}

/// Scatters the bits of `x` (the finaliser of SplitMix64, Steele et al. 2014): a hash for counters.
#[inline]
pub const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Rng {
    /// The generator of `seed`; the same as `stream(seed, 0)`.
    pub fn new(seed: u64) -> Self {
        Self::stream(seed, 0)
    }

    /// Generator number `stream` of `seed`. Different streams share no visible pattern: both numbers are
    /// hashed into state and increment.
    pub fn stream(seed: u64, stream: u64) -> Self {
        let a = mix(seed);
        let b = mix(stream ^ a.rotate_left(32));
        let wide = |hi: u64, lo: u64| (u128::from(hi) << 64) | u128::from(lo);
        let state = wide(mix(a ^ b), mix(b.wrapping_add(a)));
        let increment = wide(mix(!b), mix(a.rotate_left(17) ^ b));
        Self {
            pcg: Pcg64::new(state, increment),
            spare: None,
        }
    }

    /// 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.pcg.next_u64()
    }

    /// Uniform in `[0, 1)`, a multiple of 2⁻²⁴.
    #[inline]
    pub fn uniform(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 * (1.0 / 16_777_216.0)
    }

    /// Uniform in `[lo, hi)`.
    #[inline]
    pub fn range(&mut self, lo: f32, hi: f32) -> f32 {
        lo + (hi - lo) * self.uniform()
    }

    /// Standard normal (Box–Muller, computed in double precision; pairs are used up one by one).
    pub fn normal(&mut self) -> f32 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let unit = |bits: u64| (bits >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0);
        let radius = (-2.0 * (1.0 - unit(self.next_u64())).ln()).sqrt();
        let angle = std::f64::consts::TAU * unit(self.next_u64());
        self.spare = Some((radius * angle.sin()) as f32);
        (radius * angle.cos()) as f32
    }

    /// Uniform in `0..n`, without bias (Lemire 2019); 0 when `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        if n == 0 {
            return 0;
        }
        let reject_below = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= reject_below {
                return (product >> 64) as usize;
            }
        }
    }

    /// Puts `items` into random order (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// `n` different numbers of `0..total` in random order; all of them when `n ≥ total`.
    pub fn sample(&mut self, total: usize, n: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..total).collect();
        let n = n.min(total);
        for i in 0..n {
            let j = i + self.below(total - i);
            all.swap(i, j);
        }
        all.truncate(n);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_uniform_and_normal() {
        let mut rng = Rng::new(1);
        let n = 200_000;
        let (mut sum, mut squares, mut uniform) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            let z = f64::from(rng.normal());
            sum += z;
            squares += z * z;
            let u = rng.uniform();
            assert!((0.0..1.0).contains(&u));
            uniform += f64::from(u);
        }
        let n = f64::from(n);
        assert!((sum / n).abs() < 0.01);
        assert!((squares / n - 1.0).abs() < 0.02);
        assert!((uniform / n - 0.5).abs() < 0.005);
    }

    #[test]
    fn below_is_even_and_in_range() {
        let mut rng = Rng::new(2);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[rng.below(7)] += 1;
        }
        assert!(
            counts.iter().all(|c| c.abs_diff(10_000) < 500),
            "{counts:?}"
        );
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
    }

    #[test]
    fn shuffle_permutes_and_sample_does_not_repeat() {
        let mut rng = Rng::new(3);
        let mut items: Vec<usize> = (0..100).collect();
        rng.shuffle(&mut items);
        assert!(!items.is_sorted());
        items.sort_unstable();
        assert!(items.iter().enumerate().all(|(i, &v)| i == v));
        let mut some = rng.sample(50, 20);
        some.sort_unstable();
        some.dedup();
        assert_eq!(some.len(), 20);
        assert!(some.iter().all(|&i| i < 50));
        assert_eq!(rng.sample(3, 9).len(), 3);
    }

    #[test]
    fn streams_differ() {
        let first = |seed, stream| Rng::stream(seed, stream).next_u64();
        let mut seen: Vec<u64> = (0..40)
            .flat_map(|seed| (0..40).map(move |stream| first(seed, stream)))
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 1600);
    }
}
