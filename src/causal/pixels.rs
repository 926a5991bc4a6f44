//! Pictures as the network sees them: squares of its input size, in sRGB bytes, and what can be done with them.
//!
//! Everything is pasted after a photograph was resized, so that a crop of a photograph and its place on another have
//! the same scale.

use super::Result;
use crate::math::rng::Rng;
use crate::network::{Channels, InputSpec, Resize};
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

/// A corner of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Corner {
    /// Left, above.
    TopLeft,
    /// Right, above.
    TopRight,
    /// Left, below.
    BottomLeft,
    /// Right, below.
    BottomRight,
}

impl Corner {
    /// All of them.
    pub const ALL: [Corner; 4] = [
        Corner::TopLeft,
        Corner::TopRight,
        Corner::BottomLeft,
        Corner::BottomRight,
    ];

    /// Its name, as the command line takes it.
    pub fn name(self) -> &'static str {
        match self {
            Corner::TopLeft => "top-left",
            Corner::TopRight => "top-right",
            Corner::BottomLeft => "bottom-left",
            Corner::BottomRight => "bottom-right",
        }
    }

    /// The corner of this name.
    pub fn named(name: &str) -> Option<Corner> {
        Corner::ALL.into_iter().find(|corner| corner.name() == name)
    }

    /// Where the left upper corner of something of this size comes to lie in a square of `side`.
    pub fn place(self, side: u32, (width, height): (u32, u32)) -> (u32, u32) {
        let (right, below) = (side.saturating_sub(width), side.saturating_sub(height));
        match self {
            Corner::TopLeft => (0, 0),
            Corner::TopRight => (right, 0),
            Corner::BottomLeft => (0, below),
            Corner::BottomRight => (right, below),
        }
    }
}

/// A photograph as the network sees it, before the mean is subtracted.
///
/// # Errors
/// A picture without pixels.
pub fn square(input: &InputSpec, photograph: &RgbImage) -> Result<RgbImage> {
    let plain = InputSpec {
        channels: Channels::Rgb,
        mean: [0.0; 3],
        scale: [1.0; 3],
        ..*input
    };
    let planes = plain.preprocess(photograph)?;
    let side = input.size;
    let plane = side * side;
    Ok(RgbImage::from_fn(side as u32, side as u32, |x, y| {
        let at = y as usize * side + x as usize;
        Rgb(std::array::from_fn(|channel| {
            planes[channel * plane + at].round() as u8
        }))
    }))
}

/// A square as the network's input: what [`InputSpec::preprocess`] makes of the photograph that it came from.
///
/// # Errors
/// A picture without pixels.
pub fn planes(input: &InputSpec, square: &RgbImage) -> Result<Vec<f32>> {
    let direct = InputSpec {
        resize: Resize::Warp,
        ..*input
    };
    Ok(direct.preprocess(square)?)
}

/// A square part: left, top, side.
pub fn cut(square: &RgbImage, [x, y, side]: [u32; 3]) -> RgbImage {
    imageops::crop_imm(square, x, y, side, side).to_image()
}

/// The window of `side` pixels around a point, moved inside a square of `whole` pixels.
pub fn window(centre: (f32, f32), side: u32, whole: u32) -> [u32; 3] {
    let side = side.clamp(1, whole.max(1));
    let axis = |at: f32| {
        let from = (at - side as f32 / 2.0).round().max(0.0) as u32;
        from.min(whole.saturating_sub(side))
    };
    [axis(centre.0), axis(centre.1), side]
}

/// A picture with its longer side at `longer` pixels.
pub fn scaled(picture: &RgbImage, longer: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let longest = width.max(height).max(1);
    let side = |v: u32| {
        let scaled = f64::from(v) * f64::from(longer) / f64::from(longest);
        (scaled.round() as u32).max(1)
    };
    let (width, height) = (side(width), side(height));
    if (width, height) == picture.dimensions() {
        return picture.clone();
    }
    imageops::resize(picture, width, height, FilterType::Triangle)
}

/// `square` with `piece` at a place; what does not fit is left out.
pub fn paste(square: &RgbImage, piece: &RgbImage, (x, y): (u32, u32)) -> RgbImage {
    let mut out = square.clone();
    imageops::replace(&mut out, piece, i64::from(x), i64::from(y));
    out
}

/// Uniform noise.
pub fn noise(width: u32, height: u32, rng: &mut Rng) -> RgbImage {
    let mut out = RgbImage::new(width, height);
    for byte in out.iter_mut() {
        *byte = rng.next_u64() as u8;
    }
    out
}

/// Bytes of a colour value that may lie outside 0..=255.
pub fn byte(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(resize: Resize) -> InputSpec {
        InputSpec {
            size: 16,
            resize,
            filter: crate::atlas::Filter::Bilinear,
            channels: Channels::Bgr,
            mean: [104.0, 117.0, 123.0],
            scale: [2.0, 1.0, 3.0],
        }
    }

    fn photograph() -> RgbImage {
        RgbImage::from_fn(40, 30, |x, y| {
            Rgb([(x * 6) as u8, (y * 8) as u8, (x * y % 251) as u8])
        })
    }

    #[test]
    fn a_square_is_what_the_network_gets() {
        for resize in [
            Resize::Warp,
            Resize::WarpCrop { via: 20 },
            Resize::Crop { via: 18 },
        ] {
            let spec = spec(resize);
            let square = square(&spec, &photograph()).unwrap();
            assert_eq!(square.dimensions(), (16, 16));
            assert_eq!(
                planes(&spec, &square).unwrap(),
                spec.preprocess(&photograph()).unwrap()
            );
        }
    }

    #[test]
    fn corners_and_windows_stay_inside() {
        let square = RgbImage::new(16, 16);
        let piece = RgbImage::from_pixel(4, 2, Rgb([9; 3]));
        for (corner, (x, y)) in Corner::ALL
            .into_iter()
            .zip([(0, 0), (12, 0), (0, 14), (12, 14)])
        {
            let out = paste(&square, &piece, corner.place(16, (4, 2)));
            let set = out.pixels().filter(|pixel| pixel.0 == [9; 3]).count();
            assert_eq!(set, 8, "{corner:?}");
            assert_eq!(out.get_pixel(x, y).0, [9; 3]);
            assert_eq!(out.get_pixel(x + 3, y + 1).0, [9; 3]);
        }
        assert_eq!(window((8.0, 8.0), 6, 16), [5, 5, 6]);
        assert_eq!(window((0.5, 15.5), 6, 16), [0, 10, 6]);
        assert_eq!(window((3.0, 3.0), 99, 16), [0, 0, 16]);
        assert_eq!(cut(&square, [5, 5, 6]).dimensions(), (6, 6));
        // Larger than the square: the left upper part of it is seen.
        let large = RgbImage::from_pixel(30, 30, Rgb([7; 3]));
        let out = paste(&square, &large, Corner::BottomRight.place(16, (30, 30)));
        assert!(out.pixels().all(|p| p.0 == [7; 3]));
        assert!(
            Corner::ALL
                .iter()
                .all(|corner| Corner::named(corner.name()) == Some(*corner))
        );
    }

    #[test]
    fn scaling_keeps_the_shape() {
        let wide = RgbImage::from_pixel(40, 20, Rgb([3, 4, 5]));
        let small = scaled(&wide, 10);
        assert_eq!(small.dimensions(), (10, 5));
        assert!(small.pixels().all(|pixel| pixel.0 == [3, 4, 5]));
        assert_eq!(scaled(&RgbImage::new(300, 1), 10).dimensions(), (10, 1));
    }
}
