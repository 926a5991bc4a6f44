//! Blocks in the registers of aarch64.

use super::array::Array;
use super::{Block, LANES};
use std::arch::aarch64::{
    float32x4_t, vaddq_f32, vbslq_f32, vceqq_f32, vcgtq_f32, vdivq_f32, vdupq_n_f32, vfmaq_f32,
    vld1q_f32, vmaxnmq_f32, vminnmq_f32, vsqrtq_f32, vst1q_f32, vsubq_f32,
};

/// Four registers of 4.
pub(super) struct Quad;

impl Block for Quad {
    type V = [float32x4_t; 4];
    #[inline(always)]
    unsafe fn zero() -> Self::V {
        unsafe { [vdupq_n_f32(0.0); 4] }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        unsafe {
            [
                vld1q_f32(from),
                vld1q_f32(from.add(4)),
                vld1q_f32(from.add(8)),
                vld1q_f32(from.add(12)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        unsafe { [vdupq_n_f32(value); 4] }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { std::array::from_fn(|i| vfmaq_f32(c[i], a[i], b[i])) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        unsafe { std::array::from_fn(|i| vaddq_f32(a[i], b[i])) }
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        unsafe { std::array::from_fn(|i| vsubq_f32(a[i], b[i])) }
    }
    #[inline(always)]
    unsafe fn rsqrt(a: Self::V) -> Self::V {
        unsafe { a.map(|a| vdivq_f32(vdupq_n_f32(1.0), vsqrtq_f32(a))) }
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        unsafe { std::array::from_fn(|i| vmaxnmq_f32(a[i], b[i])) }
    }
    #[inline(always)]
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V {
        unsafe { std::array::from_fn(|i| vminnmq_f32(a[i], b[i])) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::V) {
        unsafe {
            for (i, value) in value.into_iter().enumerate() {
                vst1q_f32(to.add(4 * i), value);
            }
        }
    }
    #[inline(always)]
    unsafe fn where_greater(a: Self::V, b: Self::V, value: Self::V, other: Self::V) -> Self::V {
        unsafe { std::array::from_fn(|i| vbslq_f32(vcgtq_f32(a[i], b[i]), value[i], other[i])) }
    }
    #[inline(always)]
    unsafe fn where_equal(a: Self::V, b: Self::V, value: Self::V) -> Self::V {
        unsafe {
            std::array::from_fn(|i| vbslq_f32(vceqq_f32(a[i], b[i]), value[i], vdupq_n_f32(0.0)))
        }
    }
    #[inline(always)]
    unsafe fn inside(a: Self::V, low: Self::V, high: Self::V) -> u16 {
        let mut lanes = [[0f32; LANES]; 3];
        unsafe {
            for (to, value) in lanes.iter_mut().zip([a, low, high]) {
                Self::store(to.as_mut_ptr(), value);
            }
            Array::inside(lanes[0], lanes[1], lanes[2])
        }
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self::V {
        unsafe {
            let lanes = Array::load_bytes(from);
            Self::load(lanes.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn store_bytes(to: *mut u8, value: Self::V) {
        let mut lanes = [0f32; LANES];
        unsafe {
            Self::store(lanes.as_mut_ptr(), value);
            Array::store_bytes(to, lanes);
        }
    }
}
