//! Floats in 16 bits, two to a word.
//!
//! A bfloat16 is the upper half of a float: the same range with 8 bits of precision. Processors that multiply them add
//! two products per lane and instruction, in 32 bits. A word carries the bits of two of them where the tile otherwise
//! has a float; it is only ever copied.

use super::{Isa, Work};

/// Rounds neighbouring floats to nearest, ties to even, and puts two in a word, the first in its lower half; a float
/// that rounds beyond the range becomes infinite. `to` is half as long as `from`.
pub(in super::super) fn halve(isa: Isa, from: &[f32], to: &mut [f32]) {
    assert_eq!(from.len(), 2 * to.len());
    isa.run(Halve { from, to });
}

/// The upper 16 bits, rounded.
#[inline(always)]
fn rounded(value: f32) -> u32 {
    let bits = value.to_bits();
    bits.wrapping_add(0x7fff + (bits >> 16 & 1))
}

/// Two floats in a word.
#[inline(always)]
pub(in super::super) fn word(low: f32, high: f32) -> f32 {
    f32::from_bits(rounded(low) >> 16 | rounded(high) & 0xffff_0000)
}

struct Halve<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Work for Halve<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        for (to, from) in self.to.iter_mut().zip(self.from.as_chunks::<2>().0) {
            *to = word(from[0], from[1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// candle rounds to bfloat16 too.
    #[test]
    fn rounding_is_that_of_bfloat16() {
        let special = [
            0.0,
            -0.0,
            1.0,
            1.003_906_2,
            1.011_718_8,
            -3.4e38,
            1e-40,
            f32::INFINITY,
        ];
        let many = (0..4000).map(|i| (i as f32 * 0.37).sin() * 10f32.powi(i % 37 - 18));
        let values: Vec<f32> = special.into_iter().chain(many).collect();
        let mut words = vec![0.0; values.len() / 2];
        halve(Isa::best(), &values, &mut words);
        let device = candle_core::Device::Cpu;
        let there = candle_core::Tensor::new(values.as_slice(), &device).unwrap();
        let there = there.to_dtype(candle_core::DType::BF16).unwrap();
        let there = there.to_dtype(candle_core::DType::F32).unwrap();
        let there: Vec<f32> = there.to_vec1().unwrap();
        for (pair, word) in there.chunks_exact(2).zip(words) {
            let bits = word.to_bits();
            let found = [bits << 16, bits & 0xffff_0000].map(f32::from_bits);
            assert_eq!(
                found.map(f32::to_bits),
                [pair[0], pair[1]].map(f32::to_bits)
            );
        }
    }
}
