//! What a network's input looks like, and how pixels become it.

use super::{NetworkError, Result};
use candle_core::{Device, Tensor};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// Order of colour channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Red first.
    Rgb,
    /// Blue first (Caffe).
    Bgr,
}

/// How a photograph of any size becomes the input square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// To the square directly; aspect is ignored.
    Warp,
    /// To `via` × `via` ignoring the aspect, then the central square.
    WarpCrop {
        /// Side before the crop.
        via: usize,
    },
    /// Short side to `via`, then the central square.
    Crop {
        /// Short side before the crop.
        via: usize,
    },
}

/// Preprocessing: `(pixel - mean) / scale` per channel on 0..=255.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct InputSpec {
    /// Rows and columns of the input.
    pub size: usize,
    /// How images get to that size.
    pub resize: Resize,
    /// Channel order of the network.
    pub channels: Channels,
    /// Subtracted, in the network's channel order, 0..=255.
    pub mean: [f32; 3],
    /// Divisor, in the network's channel order.
    pub scale: [f32; 3],
}

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
        let (via_width, via_height) = self.via(width, height);
        let resized = if (via_width, via_height) == (width, height) {
            rgb.to_vec()
        } else {
            resize(rgb, (width, height), (via_width, via_height))?
        };
        if resized.len() != via_width * via_height * 3 || resized.is_empty() {
            return Err(NetworkError::BadInput(format!(
                "{} bytes are no {width}×{height} picture",
                rgb.len()
            )));
        }
        let (left, top) = ((via_width - self.size) / 2, (via_height - self.size) / 2);
        let plane = self.size * self.size;
        let mut out = vec![0f32; 3 * plane];
        for (channel, out) in out.chunks_exact_mut(plane).enumerate() {
            let source = self.source(channel);
            let (mean, scale) = (self.mean[channel], self.scale[channel]);
            for (row, out) in out.chunks_exact_mut(self.size).enumerate() {
                let start = ((top + row) * via_width + left) * 3;
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

    /// Width and height before the crop; neither is below `size`.
    fn via(&self, width: usize, height: usize) -> (usize, usize) {
        match self.resize {
            Resize::Warp => (self.size, self.size),
            Resize::WarpCrop { via } => (via.max(self.size), via.max(self.size)),
            Resize::Crop { via } => {
                let via = via.max(self.size);
                let short = width.min(height).max(1);
                let long = |side: usize| ((side * via) as f64 / short as f64).round() as usize;
                (long(width).max(via), long(height).max(via))
            }
        }
    }
}

/// Bilinear, with the filter widened when the picture shrinks (what Pillow calls `BILINEAR`).
fn resize(rgb: &[u8], from: (usize, usize), to: (usize, usize)) -> Result<Vec<u8>> {
    let bad = |error: &dyn std::fmt::Display| {
        NetworkError::BadInput(format!("a {}×{} picture: {error}", from.0, from.1))
    };
    let source = ImageRef::new(from.0 as u32, from.1 as u32, rgb, PixelType::U8x3)
        .map_err(|error| bad(&error))?;
    let mut target = Image::new(to.0 as u32, to.1 as u32, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new()
        .resize(&source, &mut target, &options)
        .map_err(|error| bad(&error))?;
    Ok(target.into_vec())
}
