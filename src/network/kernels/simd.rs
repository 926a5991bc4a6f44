//! The inner loops that need vector registers, behind safe functions.
//!
//! Everything else in the fast path is ordinary Rust. Two things stand here because nothing else in the
//! network may be `unsafe`: tiles (registers full of accumulators, unchecked addressing), and the
//! switch that runs a piece of ordinary code compiled for a wider instruction set.
//!
//! One generic tile serves every instruction set: it works on *blocks*, vectors of 16 lanes, which are one
//! register with AVX-512, two with AVX2, four with NEON and a plain array elsewhere. Bounds are checked once
//! per sweep, before any pointer is formed.
#![allow(
    unsafe_code,
    reason = "vector instructions and the addressing of the innermost loops; checked once per sweep"
)]

mod array;
mod depthwise;
mod halves;
mod inside;
mod lrn;
#[cfg(target_arch = "aarch64")]
mod neon;
mod peak;
mod pool;
mod sweep;
mod tiles;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(super) use depthwise::Depthwise;
pub(super) use halves::{halve, word};
pub(super) use inside::Inside;
pub(super) use lrn::{Lrn75, LrnJob};
pub use peak::fma_loop;
pub(super) use pool::{MaxBackward, MaxForward};
pub(super) use sweep::{Start, Sweep};
pub(super) use tiles::{InputTiles, OutputTiles};

/// Lanes of a block: activations are stored `[channel block][row][column][LANES]`.
pub(super) const LANES: usize = 16;

/// Words of a block in half precision: each holds two neighbouring lanes.
pub(super) const PAIRS: usize = LANES / 2;

/// Instruction sets that the fast path knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Plain loops over arrays, whatever the compiler makes of them.
    Portable,
    /// aarch64, where NEON is part of the baseline.
    Neon,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512F.
    Avx512,
}

impl Isa {
    /// All levels, slowest first.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Neon, Self::Avx2, Self::Avx512];

    /// The fastest level of this machine.
    pub fn best() -> Self {
        let available = Self::ALL.into_iter().rev().find(|isa| isa.available());
        available.unwrap_or(Self::Portable)
    }

    /// Whether this machine can run it.
    pub fn available(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Neon => cfg!(target_arch = "aarch64"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("fma")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    /// Whether this machine multiplies 16-bit floats in this instruction set.
    pub fn halves(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            self == Self::Avx512 && is_x86_feature_detected!("avx512bf16")
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            false
        }
    }

    /// Runs `work` compiled for this instruction set. The caller made sure that it is available.
    pub(super) fn run<W: Work>(self, work: W) -> W::Output {
        debug_assert!(self.available());
        match self {
            // SAFETY: an engine is only made with an instruction set that was detected.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::work_avx2(work) },
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { x86::work_avx512(work) },
            // On aarch64 everything is compiled for NEON.
            _ => work.run(),
        }
    }

    /// The widest tile in pixels for each number of blocks side by side (index 0: one block), chosen so that
    /// accumulators, weights and one broadcast fit the registers; 0 where that many blocks do not fit.
    const fn tiles(self) -> &'static [usize] {
        match self {
            Self::Portable => &[3],
            Self::Neon => &[6],
            Self::Avx2 => &[6, 3],
            Self::Avx512 => &[14, 14, 9, 6],
        }
    }
}

/// Ordinary code that gains from being compiled for the machine's instruction set. `run` must be
/// `#[inline(always)]`, else it is compiled for the baseline.
pub trait Work {
    /// What it gives.
    type Output;
    /// Does it.
    fn run(self) -> Self::Output;
}

/// Runs `work` compiled for this machine's best instruction set. Only the compiler's vectors change, not the order of
/// operations, so the result is the same on every machine.
pub fn vectorised<W: Work>(work: W) -> W::Output {
    Isa::best().run(work)
}

/// Work on raw blocks that is compiled for each instruction set. `run` must be `#[inline(always)]`.
trait Kernel {
    unsafe fn run<B: Block>(self);
}

impl Isa {
    /// Runs `kernel` with this instruction set's blocks.
    ///
    /// # Safety
    /// The kernel's, and the instruction set must be available.
    unsafe fn launch<K: Kernel>(self, kernel: K) {
        // SAFETY: the caller's.
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 => x86::launch_avx512(kernel),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 => x86::launch_avx2(kernel),
                #[cfg(target_arch = "aarch64")]
                Self::Neon => kernel.run::<neon::Quad>(),
                _ => kernel.run::<array::Array>(),
            }
        }
    }
}

/// A block of [`LANES`] values in registers.
trait Block {
    type V: Copy;
    unsafe fn zero() -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn splat(value: f32) -> Self::V;
    /// a · b + c
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    /// 1 / √a, to the last bit or two.
    unsafe fn rsqrt(a: Self::V) -> Self::V;
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn store(to: *mut f32, value: Self::V);
    /// Per lane `value` where `a > b`, else `other`.
    unsafe fn where_greater(a: Self::V, b: Self::V, value: Self::V, other: Self::V) -> Self::V;
    /// Per lane `value` where `a = b`, else 0.
    unsafe fn where_equal(a: Self::V, b: Self::V, value: Self::V) -> Self::V;
    /// One bit per lane where `low < a < high`.
    unsafe fn inside(a: Self::V, low: Self::V, high: Self::V) -> u16;
    /// Small whole numbers.
    unsafe fn load_bytes(from: *const u8) -> Self::V;
    /// Whole numbers of 0 to 255.
    unsafe fn store_bytes(to: *mut u8, value: Self::V);
}
