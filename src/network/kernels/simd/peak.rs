//! What the machine's multipliers can do when nothing else gets in the way.

use super::array::Array;
use super::{Block, Isa, LANES};

/// Multiplies and adds `rounds` times in registers alone, and returns the number of floating-point operations (a
/// product and a sum each) with a value that depends on all of them. Time it to learn the machine's peak, on as
/// many threads as the work to be held against it.
pub fn fma_loop(isa: Isa, rounds: usize) -> (f64, f32) {
    // SAFETY: only arithmetic in registers; instruction sets are checked here.
    let (n, value) = unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 if isa.available() => wide(rounds),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 if isa.available() => pair(rounds),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => chain::<super::neon::Quad, 6>(rounds),
            _ => chain::<Array, 4>(rounds),
        }
    };
    ((n * rounds * LANES * 2) as f64, value)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
unsafe fn wide(rounds: usize) -> (usize, f32) {
    // SAFETY: the caller's.
    unsafe { chain::<super::x86::Wide, 20>(rounds) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn pair(rounds: usize) -> (usize, f32) {
    // SAFETY: the caller's.
    unsafe { chain::<super::x86::Pair, 6>(rounds) }
}

/// `N` independent chains of x · a + b.
#[inline(always)]
unsafe fn chain<B: Block, const N: usize>(rounds: usize) -> (usize, f32) {
    // SAFETY: the caller's.
    unsafe {
        let (a, b) = (B::splat(0.999), B::splat(0.001));
        let mut sums: [B::V; N] = std::array::from_fn(|i| B::splat(i as f32));
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = B::fma(*sum, a, b);
            }
        }
        let mut lanes = [0f32; LANES];
        let mut value = 0.0;
        for sum in sums {
            B::store(lanes.as_mut_ptr(), sum);
            value += lanes.iter().sum::<f32>();
        }
        (N, value)
    }
}
