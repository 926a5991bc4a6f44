//! Difference: the mean image of one group less that of another.

use super::Change;
use crate::causal::pixels::byte;
use image::RgbImage;
use std::sync::Arc;

/// What is added, byte by byte.
pub(super) struct Difference(Vec<f32>);

fn mean(group: &[Arc<RgbImage>]) -> Vec<f32> {
    let length = group.first().map_or(0, |square| square.as_raw().len());
    let mut sum = vec![0f32; length];
    for square in group {
        for (sum, &v) in sum.iter_mut().zip(square.as_raw()) {
            *sum += f32::from(v);
        }
    }
    let n = group.len().max(1) as f32;
    sum.into_iter().map(|v| v / n).collect()
}

impl Difference {
    /// What turns the mean of the first group into that of the second.
    pub(super) fn between(from: &[Arc<RgbImage>], to: &[Arc<RgbImage>]) -> Self {
        let both = mean(to).into_iter().zip(mean(from));
        Self(both.map(|(to, from)| to - from).collect())
    }
}

impl Change for Difference {
    fn apply(&self, square: &RgbImage) -> RgbImage {
        let mut out = square.clone();
        for (v, add) in out.iter_mut().zip(&self.0) {
            *v = byte(f32::from(*v) + add);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn the_difference_of_means_is_added() {
        let flat = |v: u8| Arc::new(RgbImage::from_pixel(4, 4, Rgb([v; 3])));
        let mut marked = (*flat(120)).clone();
        marked.put_pixel(1, 2, Rgb([200, 20, 120]));
        let change = Difference::between(&[flat(100), flat(140)], &[Arc::new(marked)]);
        let out = change.apply(&flat(50));
        assert_eq!(out.get_pixel(1, 2).0, [130, 0, 50]);
        assert_eq!(out.get_pixel(0, 0).0, [50; 3]);
    }
}
