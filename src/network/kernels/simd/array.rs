//! A block as an array, for machines without anything better.

use super::{Block, LANES};

/// Products and sums are rounded separately, since a fused one would be a library call on machines
/// without the instruction.
pub(super) struct Array;

impl Block for Array {
    type V = [f32; LANES];
    #[inline(always)]
    unsafe fn zero() -> Self::V {
        [0.0; LANES]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: the caller's.
        unsafe { from.cast::<Self::V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        [value; LANES]
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, mut c: Self::V) -> Self::V {
        for lane in 0..LANES {
            c[lane] += a[lane] * b[lane];
        }
        c
    }
    #[inline(always)]
    unsafe fn add(mut a: Self::V, b: Self::V) -> Self::V {
        for lane in 0..LANES {
            a[lane] += b[lane];
        }
        a
    }
    #[inline(always)]
    unsafe fn sub(mut a: Self::V, b: Self::V) -> Self::V {
        for lane in 0..LANES {
            a[lane] -= b[lane];
        }
        a
    }
    #[inline(always)]
    unsafe fn rsqrt(a: Self::V) -> Self::V {
        a.map(|value| 1.0 / value.sqrt())
    }
    #[inline(always)]
    unsafe fn max(mut a: Self::V, b: Self::V) -> Self::V {
        for lane in 0..LANES {
            a[lane] = if a[lane] > b[lane] { a[lane] } else { b[lane] };
        }
        a
    }
    #[inline(always)]
    unsafe fn min(mut a: Self::V, b: Self::V) -> Self::V {
        for lane in 0..LANES {
            a[lane] = if a[lane] < b[lane] { a[lane] } else { b[lane] };
        }
        a
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::V) {
        // SAFETY: the caller's.
        unsafe { to.cast::<Self::V>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn where_greater(a: Self::V, b: Self::V, value: Self::V, mut other: Self::V) -> Self::V {
        for lane in 0..LANES {
            other[lane] = if a[lane] > b[lane] {
                value[lane]
            } else {
                other[lane]
            };
        }
        other
    }
    #[inline(always)]
    unsafe fn where_equal(a: Self::V, b: Self::V, mut value: Self::V) -> Self::V {
        for lane in 0..LANES {
            value[lane] = if a[lane].to_bits() == b[lane].to_bits() {
                value[lane]
            } else {
                0.0
            };
        }
        value
    }
    #[inline(always)]
    unsafe fn inside(a: Self::V, low: Self::V, high: Self::V) -> u16 {
        let mut bits = 0;
        for lane in 0..LANES {
            bits |= u16::from(a[lane] > low[lane] && a[lane] < high[lane]) << lane;
        }
        bits
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self::V {
        // SAFETY: the caller's.
        let bytes = unsafe { from.cast::<[u8; LANES]>().read_unaligned() };
        bytes.map(f32::from)
    }
    #[inline(always)]
    unsafe fn store_bytes(to: *mut u8, value: Self::V) {
        // With 2²³ added the low bits of a float are those of its whole number.
        let bytes = value.map(|value| (value + 8_388_608.0).to_bits() as u8);
        // SAFETY: the caller's.
        unsafe { to.cast::<[u8; LANES]>().write_unaligned(bytes) }
    }
}
