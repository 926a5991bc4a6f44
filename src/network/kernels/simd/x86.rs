//! Blocks in the registers of x86-64.

use super::sweep::Products;
use super::{Block, Kernel, PAIRS, Work};
use std::arch::x86_64::{
    __m256, __m512, __m512bh, _CMP_EQ_OQ, _CMP_GT_OQ, _CMP_LT_OQ, _mm_loadl_epi64, _mm_loadu_si128,
    _mm_storeu_si128, _mm256_add_ps, _mm256_and_ps, _mm256_blendv_ps, _mm256_cmp_ps,
    _mm256_cvtepi32_ps, _mm256_cvtepu8_epi32, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps,
    _mm256_min_ps, _mm256_movemask_ps, _mm256_mul_ps, _mm256_rsqrt_ps, _mm256_set1_ps,
    _mm256_setzero_ps, _mm256_storeu_ps, _mm256_sub_ps, _mm512_add_ps, _mm512_cmp_ps_mask,
    _mm512_cvtepi32_epi8, _mm512_cvtepi32_ps, _mm512_cvtepu8_epi32, _mm512_cvtps_epi32,
    _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_blend_ps, _mm512_maskz_mov_ps,
    _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps, _mm512_rsqrt14_ps, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_storeu_ps, _mm512_sub_ps,
};

#[target_feature(enable = "avx2,fma")]
pub(super) fn work_avx2<W: Work>(work: W) -> W::Output {
    work.run()
}

#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(super) fn work_avx512<W: Work>(work: W) -> W::Output {
    work.run()
}

#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn launch_avx2<K: Kernel>(kernel: K) {
    // SAFETY: the caller's.
    unsafe { kernel.run::<Pair>() }
}

#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
pub(super) unsafe fn launch_avx512<K: Kernel>(kernel: K) {
    // SAFETY: the caller's.
    unsafe { kernel.run::<Wide>() }
}

/// One register of 16.
pub(super) struct Wide;

impl Block for Wide {
    type V = __m512;
    #[inline(always)]
    unsafe fn zero() -> __m512 {
        unsafe { _mm512_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn rsqrt(a: __m512) -> __m512 {
        // 14 bits, doubled by one step of Newton's: r (3/2 − a/2 r²).
        unsafe {
            let r = _mm512_rsqrt14_ps(a);
            let half = _mm512_mul_ps(a, _mm512_set1_ps(-0.5));
            let rest = _mm512_fmadd_ps(_mm512_mul_ps(half, r), r, _mm512_set1_ps(1.5));
            _mm512_mul_ps(r, rest)
        }
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m512) {
        unsafe { _mm512_storeu_ps(to, value) }
    }
    #[inline(always)]
    unsafe fn where_greater(a: __m512, b: __m512, value: __m512, other: __m512) -> __m512 {
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), other, value) }
    }
    #[inline(always)]
    unsafe fn where_equal(a: __m512, b: __m512, value: __m512) -> __m512 {
        unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b), value) }
    }
    #[inline(always)]
    unsafe fn inside(a: __m512, low: __m512, high: __m512) -> u16 {
        unsafe {
            let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, low);
            above & _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, high)
        }
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store_bytes(to: *mut u8, value: __m512) {
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(value))) }
    }
}

/// Words are pairs of 16-bit floats: two products at once, summed in 32 bits.
pub(super) struct Halves;

impl Products<Wide> for Halves {
    const DEPTH: usize = PAIRS;
    #[inline(always)]
    unsafe fn add(weights: __m512, x: __m512, sum: __m512) -> __m512 {
        // SAFETY: the caller is compiled for it; both types are 512 bits of anything.
        unsafe {
            let pairs = |words| std::mem::transmute::<__m512, __m512bh>(words);
            _mm512_dpbf16_ps(sum, pairs(weights), pairs(x))
        }
    }
}

/// Two registers of 8.
pub(super) struct Pair;

impl Block for Pair {
    type V = [__m256; 2];
    #[inline(always)]
    unsafe fn zero() -> Self::V {
        unsafe { [_mm256_setzero_ps(); 2] }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        unsafe { [_mm256_set1_ps(value); 2] }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe {
            [
                _mm256_fmadd_ps(a[0], b[0], c[0]),
                _mm256_fmadd_ps(a[1], b[1], c[1]),
            ]
        }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        unsafe { [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn rsqrt(a: Self::V) -> Self::V {
        // 12 bits, doubled by one step of Newton's: r (3/2 − a/2 r²).
        unsafe {
            a.map(|a| {
                let r = _mm256_rsqrt_ps(a);
                let half = _mm256_mul_ps(a, _mm256_set1_ps(-0.5));
                let rest = _mm256_fmadd_ps(_mm256_mul_ps(half, r), r, _mm256_set1_ps(1.5));
                _mm256_mul_ps(r, rest)
            })
        }
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        unsafe { [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V {
        unsafe { [_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::V) {
        unsafe {
            _mm256_storeu_ps(to, value[0]);
            _mm256_storeu_ps(to.add(8), value[1]);
        }
    }
    #[inline(always)]
    unsafe fn where_greater(a: Self::V, b: Self::V, value: Self::V, other: Self::V) -> Self::V {
        unsafe {
            std::array::from_fn(|i| {
                let mask = _mm256_cmp_ps::<_CMP_GT_OQ>(a[i], b[i]);
                _mm256_blendv_ps(other[i], value[i], mask)
            })
        }
    }
    #[inline(always)]
    unsafe fn where_equal(a: Self::V, b: Self::V, value: Self::V) -> Self::V {
        unsafe {
            std::array::from_fn(|i| {
                _mm256_and_ps(_mm256_cmp_ps::<_CMP_EQ_OQ>(a[i], b[i]), value[i])
            })
        }
    }
    #[inline(always)]
    unsafe fn inside(a: Self::V, low: Self::V, high: Self::V) -> u16 {
        let half = |i: usize| unsafe {
            let above = _mm256_cmp_ps::<_CMP_GT_OQ>(a[i], low[i]);
            let below = _mm256_cmp_ps::<_CMP_LT_OQ>(a[i], high[i]);
            _mm256_movemask_ps(_mm256_and_ps(above, below)) as u16
        };
        half(0) | half(1) << 8
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self::V {
        unsafe {
            std::array::from_fn(|i| {
                let bytes = _mm_loadl_epi64(from.add(8 * i).cast());
                _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes))
            })
        }
    }
    #[inline(always)]
    unsafe fn store_bytes(to: *mut u8, value: Self::V) {
        let mut lanes = [0f32; 16];
        unsafe {
            Self::store(lanes.as_mut_ptr(), value);
            super::array::Array::store_bytes(to, lanes);
        }
    }
}
