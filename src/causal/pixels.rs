//! Pictures as the network sees them: squares of its input size, in sRGB bytes, and what can be done with them.
//!
//! Everything is pasted after a photograph was resized, so that a crop of a photograph and its place on another have
//! the same scale.

use super::Result;
use crate::math::rng::Rng;
use crate::network::{Channels, InputSpec, Resize};
use image::imageops::{self, FilterType};
use image::{GrayImage, ImageBuffer, Luma, Rgb, RgbImage, Rgba};
use std::sync::Arc;

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

/// How much of each pixel of something is there; `None` = all of it.
pub type Shape = Option<Arc<GrayImage>>;

/// The same with a shape. What is hardly there counts hardly, so that a cut-out keeps its colours to the edge.
pub fn scaled_shaped(picture: &RgbImage, shape: &Shape, longer: u32) -> (RgbImage, Shape) {
    let Some(shape) = shape else {
        return (scaled(picture, longer), None);
    };
    let (width, height) = picture.dimensions();
    let weighted = ImageBuffer::from_fn(width, height, |x, y| {
        let alpha = share(shape.get_pixel(x, y).0[0]);
        let [r, g, b] = picture.get_pixel(x, y).0.map(|v| share(v) * alpha);
        Rgba([r, g, b, alpha])
    });
    let (width, height) = scaled(picture, longer).dimensions();
    let weighted = imageops::resize(&weighted, width, height, FilterType::Triangle);
    let mut shape = GrayImage::new(width, height);
    let mut colours = RgbImage::new(width, height);
    for (x, y, Rgba([r, g, b, alpha])) in weighted.enumerate_pixels() {
        shape.put_pixel(x, y, Luma([byte(255.0 * alpha)]));
        let whole = alpha.max(f32::EPSILON);
        let colour = [r, g, b].map(|v| byte(255.0 * v / whole));
        colours.put_pixel(x, y, Rgb(colour));
    }
    (colours, Some(Arc::new(shape)))
}

fn share(value: u8) -> f32 {
    f32::from(value) / 255.0
}

/// `square` with `piece` of a shape at a place: what is not there leaves the square as it is.
pub fn paste_shaped(
    square: &RgbImage,
    (piece, shape): (&RgbImage, &Shape),
    (x, y): (u32, u32),
) -> RgbImage {
    let Some(shape) = shape else {
        return paste(square, piece, (x, y));
    };
    let mut out = square.clone();
    let (width, height) = out.dimensions();
    for (dx, dy, pixel) in piece.enumerate_pixels() {
        let (x, y) = (x + dx, y + dy);
        if x < width && y < height {
            let alpha = share(shape.get_pixel(dx, dy).0[0]);
            let below = out.get_pixel_mut(x, y);
            below.0 = std::array::from_fn(|c| {
                let (a, b) = (f32::from(pixel.0[c]), f32::from(below.0[c]));
                byte(alpha * a + (1.0 - alpha) * b)
            });
        }
    }
    out
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
    fn what_is_not_there_leaves_the_square() {
        let square = RgbImage::from_pixel(8, 8, Rgb([100, 50, 0]));
        let piece = RgbImage::from_pixel(3, 1, Rgb([200, 250, 40]));
        let shape = GrayImage::from_raw(3, 1, vec![0, 102, 255]).unwrap();
        let out = paste_shaped(&square, (&piece, &Some(Arc::new(shape))), (6, 2));
        // The third does not fit.
        assert_eq!(out.get_pixel(6, 2).0, [100, 50, 0]);
        assert_eq!(out.get_pixel(7, 2).0, [140, 130, 16]);
        let changed = out.pixels().filter(|pixel| pixel.0 != [100, 50, 0]).count();
        assert_eq!(changed, 1);
    }

    #[test]
    fn a_cutout_keeps_its_colour_where_it_is_scaled() {
        // Red where something is, black where nothing is: no edge may become dark.
        let picture = RgbImage::from_fn(32, 16, |x, _| Rgb([if x < 15 { 200 } else { 0 }, 0, 0]));
        let shape = GrayImage::from_fn(32, 16, |x, _| Luma([if x < 15 { 255 } else { 0 }]));
        let (small, alpha) = scaled_shaped(&picture, &Some(Arc::new(shape)), 8);
        let alpha = alpha.unwrap();
        assert_eq!((small.dimensions(), alpha.dimensions()), ((8, 4), (8, 4)));
        let there = small
            .pixels()
            .zip(alpha.pixels())
            .filter(|(_, a)| a.0[0] > 8);
        assert!(
            there
                .clone()
                .all(|(pixel, _)| pixel.0[0].abs_diff(200) <= 2)
        );
        assert!(there.clone().any(|(_, a)| a.0[0] < 250) && there.count() >= 16);
        assert_eq!(alpha.get_pixel(7, 0).0, [0]);
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
