//! What a network's input looks like, and how pixels become it.

use super::{NetworkError, Result};
pub use crate::atlas::{Channels, Filter, InputSpec, Resize};
use candle_core::{Device, Tensor};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

impl InputSpec {
    /// One photograph as the network wants it: `3 · size · size` values, channel by channel, row by row.
    ///
    /// # Errors
    /// A picture without pixels.
    pub fn preprocess(&self, picture: &RgbImage) -> Result<Vec<f32>> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        self.preprocess_rgb(picture.as_raw(), width, height)
    }

    /// The same from `height · width · 3` bytes, red first.
    ///
    /// # Errors
    /// A picture without pixels, or a number of bytes that does not fit its size.
    pub fn preprocess_rgb(&self, rgb: &[u8], width: usize, height: usize) -> Result<Vec<f32>> {
        if rgb.is_empty() || rgb.len() != width * height * 3 {
            return Err(NetworkError::BadInput(format!(
                "{} bytes are no {width}×{height} picture",
                rgb.len()
            )));
        }
        // The resized picture is a square of `via`, of which the middle is taken.
        let (via, part) = match self.resize {
            Resize::Warp => (self.size, None),
            Resize::WarpCrop { via } => (via.max(self.size), None),
            Resize::Crop { via } => {
                let share = self.size as f64 / via.max(self.size) as f64;
                (self.size, Some(width.min(height) as f64 * share))
            }
        };
        let resized = resize(rgb, (width, height), via, (part, self.filter))?;
        let margin = (via - self.size) / 2;
        let plane = self.size * self.size;
        let mut out = vec![0f32; 3 * plane];
        for (channel, out) in out.chunks_exact_mut(plane).enumerate() {
            let source = self.source(channel);
            let (mean, scale) = (self.mean[channel], self.scale[channel]);
            for (row, out) in out.chunks_exact_mut(self.size).enumerate() {
                let start = ((margin + row) * via + margin) * 3;
                let pixels = resized[start..start + self.size * 3].chunks_exact(3);
                for (out, pixel) in out.iter_mut().zip(pixels) {
                    *out = (f32::from(pixel[source]) - mean) / scale;
                }
            }
        }
        Ok(out)
    }

    /// A batch `[b, 3, size, size]` of preprocessed pictures.
    ///
    /// # Errors
    /// A picture of another length than [`Self::preprocess`] gives, or no picture.
    pub fn batch(&self, pictures: &[Vec<f32>], device: &Device) -> Result<Tensor> {
        let length = 3 * self.size * self.size;
        if pictures.is_empty() || pictures.iter().any(|picture| picture.len() != length) {
            return Err(NetworkError::BadInput(format!(
                "a batch needs pictures of {length} values"
            )));
        }
        let shape = (pictures.len(), 3, self.size, self.size);
        Ok(Tensor::from_vec(pictures.concat(), shape, device)?)
    }

    /// Network channel c is `unit_rgb[source] · mul + add` for colours in 0..=1: one `(source, mul, add)` per
    /// network channel.
    pub fn unit_affine(&self) -> [(usize, f32, f32); 3] {
        std::array::from_fn(|channel| {
            let scale = self.scale[channel];
            (
                self.source(channel),
                255.0 / scale,
                -self.mean[channel] / scale,
            )
        })
    }

    /// Which of red, green and blue a network channel is.
    fn source(&self, channel: usize) -> usize {
        match self.channels {
            Channels::Rgb => channel,
            Channels::Bgr => 2 - channel,
        }
    }
}

/// To a square of `side`, from all of the picture or only its central square of `part` pixels. The filter is widened
/// when the picture shrinks (what Pillow calls `BILINEAR` and `BICUBIC`).
fn resize(
    rgb: &[u8],
    from: (usize, usize),
    side: usize,
    (part, filter): (Option<f64>, Filter),
) -> Result<Vec<u8>> {
    let bad = |error: &dyn std::fmt::Display| {
        NetworkError::BadInput(format!("a {}×{} picture: {error}", from.0, from.1))
    };
    let source = ImageRef::new(from.0 as u32, from.1 as u32, rgb, PixelType::U8x3)
        .map_err(|error| bad(&error))?;
    let mut target = Image::new(side as u32, side as u32, PixelType::U8x3);
    let filter = match filter {
        Filter::Bilinear => FilterType::Bilinear,
        Filter::Bicubic => FilterType::CatmullRom,
    };
    let mut options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    if let Some(part) = part {
        let (left, top) = ((from.0 as f64 - part) / 2.0, (from.1 as f64 - part) / 2.0);
        options = options.crop(left, top, part, part);
    }
    Resizer::new()
        .resize(&source, &mut target, &options)
        .map_err(|error| bad(&error))?;
    Ok(target.into_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(resize: Resize, channels: Channels) -> InputSpec {
        InputSpec {
            size: 4,
            resize,
            filter: crate::atlas::Filter::Bilinear,
            channels,
            mean: [10.0, 20.0, 30.0],
            scale: [1.0, 2.0, 4.0],
        }
    }

    /// Three stripes: red, green and blue of equal width.
    fn stripes(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, _| {
            let mut pixel = [0; 3];
            pixel[(x * 3 / width) as usize] = 200;
            image::Rgb(pixel)
        })
    }

    fn close(found: &[f32], expected: &[f32]) {
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-5, "{found:?}, expected {expected:?}");
        }
    }

    #[test]
    fn channels_come_in_the_networks_order() {
        let pixels: Vec<u8> = [1, 2, 3].repeat(16);
        let rgb = spec(Resize::Warp, Channels::Rgb);
        let out = rgb.preprocess_rgb(&pixels, 4, 4).unwrap();
        // (1 − 10) / 1, (2 − 20) / 2, (3 − 30) / 4.
        close(&[out[0], out[16], out[32]], &[-9.0, -9.0, -6.75]);
        let bgr = spec(Resize::Warp, Channels::Bgr);
        let out = bgr.preprocess_rgb(&pixels, 4, 4).unwrap();
        // (3 − 10) / 1, (2 − 20) / 2, (1 − 30) / 4.
        close(&[out[0], out[16], out[32]], &[-7.0, -9.0, -7.25]);
    }

    /// The formula for colours in 0..=1 and the preprocessing of bytes are the same map.
    #[test]
    fn unit_colours_follow_the_same_formula() {
        let pixel = [51u8, 102, 204];
        for channels in [Channels::Rgb, Channels::Bgr] {
            let spec = spec(Resize::Warp, channels);
            let out = spec.preprocess_rgb(&pixel.repeat(16), 4, 4).unwrap();
            for (channel, (source, mul, add)) in spec.unit_affine().into_iter().enumerate() {
                let unit = f32::from(pixel[source]) / 255.0;
                close(&[unit * mul + add], &[out[channel * 16]]);
            }
        }
    }

    /// A wide picture: warped, all three stripes are seen; cropped, only the middle one.
    #[test]
    fn crops_take_the_middle() {
        let picture = stripes(48, 8);
        let of = |resize| {
            let spec = InputSpec {
                mean: [0.0; 3],
                scale: [1.0; 3],
                ..spec(resize, Channels::Rgb)
            };
            spec.preprocess(&picture).unwrap()
        };
        let cropped = of(Resize::Crop { via: 8 });
        close(&cropped[..32], &[[0.0; 16], [200.0; 16]].concat());
        let warped = of(Resize::Warp);
        assert!(warped[0] > 190.0 && warped[35] > 190.0, "{warped:?}");
        let wider = of(Resize::WarpCrop { via: 24 });
        close(&wider[..32], &[[0.0; 16], [200.0; 16]].concat());
    }

    /// A filter's weights of `from` pixels for pixel `idx` of 4, widened where the picture shrinks.
    fn weights(filter: Filter, from: usize, idx: usize) -> Vec<f64> {
        let scale = from as f64 / 4.0;
        let (wide, centre) = (scale.max(1.0), (idx as f64 + 0.5) * scale);
        let at = |x: f64| match filter {
            Filter::Bilinear => (1.0 - x).max(0.0),
            // a = −1/2: (a + 2) x³ − (a + 3) x² + 1, then a (x³ − 5 x² + 8 x − 4).
            Filter::Bicubic if x < 1.0 => 1.5 * x.powi(3) - 2.5 * x * x + 1.0,
            Filter::Bicubic if x < 2.0 => -0.5 * (x.powi(3) - 5.0 * x * x + 8.0 * x - 4.0),
            Filter::Bicubic => 0.0,
        };
        let all: Vec<f64> = (0..from)
            .map(|k| at(((k as f64 + 0.5 - centre) / wide).abs()))
            .collect();
        let sum: f64 = all.iter().sum();
        all.iter().map(|weight| weight / sum).collect()
    }

    #[test]
    fn both_filters_are_their_definitions() {
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            for (width, height) in [(11u32, 9u32), (3, 2)] {
                let value = |x: u32, y: u32| (60 + (x * 47 + y * 89) % 130) as u8;
                let picture = RgbImage::from_fn(width, height, |x, y| {
                    image::Rgb([value(x, y), value(y, x), 90])
                });
                let spec = InputSpec {
                    filter,
                    mean: [0.0; 3],
                    scale: [1.0; 3],
                    ..spec(Resize::Warp, Channels::Rgb)
                };
                let found = spec.preprocess(&picture).unwrap();
                for (idx, found) in found[..16].iter().enumerate() {
                    let down = weights(filter, height as usize, idx / 4);
                    let along = weights(filter, width as usize, idx % 4);
                    let mut expected = 0.0;
                    for (y, down) in (0..).zip(&down) {
                        for (x, along) in (0..).zip(&along) {
                            expected += down * along * f64::from(value(x, y));
                        }
                    }
                    let error = (f64::from(*found) - expected).abs();
                    assert!(
                        error < 1.6,
                        "{filter:?} {width} × {height}: {found} {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_no_picture_is_an_error() {
        let spec = spec(Resize::Crop { via: 6 }, Channels::Rgb);
        assert!(spec.preprocess_rgb(&[], 0, 0).is_err());
        assert!(spec.preprocess_rgb(&[0; 11], 2, 2).is_err());
        assert!(spec.preprocess_rgb(&[7; 3], 1, 1).is_ok());
        assert!(spec.preprocess(&stripes(3000, 3)).is_ok());
        assert!(spec.batch(&[vec![0.0; 47]], &Device::Cpu).is_err());
        assert!(spec.batch(&[], &Device::Cpu).is_err());
    }
}
