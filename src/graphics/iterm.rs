//! iTerm2's inline pictures (OSC 1337) as JPEG.

use super::kitty::through_tmux;
use super::raster::{Encoding, Pixels};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use std::io::Write as _;

/// From as it should be to coarse: JPEG quality, and pixels drawn as one along an axis.
const QUALITIES: [(u8, usize); 5] = [(80, 1), (60, 1), (40, 1), (50, 2), (40, 4)];
/// Bytes per pixel of the screen at these qualities, to begin with (photographs).
const FIRST_GUESS: [f64; 5] = [0.5, 0.33, 0.25, 0.1, 0.04];

/// Encodes parts of the screen as JPEG.
#[derive(Debug)]
pub struct Encoder {
    tmux: bool,
}

impl Encoder {
    /// With `tmux` everything is wrapped for it.
    pub fn new(tmux: bool) -> Self {
        Self { tmux }
    }
}

impl Encoding for Encoder {
    fn first_guess(&self) -> &'static [f64] {
        &FIRST_GUESS
    }

    fn set_palette(&mut self, _: &[[u8; 3]]) -> bool {
        false
    }

    fn largest(&self) -> Option<(u16, u16)> {
        None
    }

    fn encode(&mut self, out: &mut Vec<u8>, pixels: &Pixels<'_>, quality: usize) {
        let (quality, factor) = QUALITIES[quality.min(QUALITIES.len() - 1)];
        let (rgb, width, height) = pixels.averaged(factor);
        let mut jpeg = Vec::new();
        let encoded = JpegEncoder::new_with_quality(&mut jpeg, quality).encode(
            rgb.as_flattened(),
            width as u32,
            height as u32,
            image::ExtendedColorType::Rgb8,
        );
        if let Err(error) = encoded {
            tracing::warn!(%error, "picture left out");
            return;
        }
        let mut command = Vec::new();
        // In characters, so that a coarse picture fills the same place, whatever the terminal calls a pixel.
        let _ = write!(
            command,
            "\x1b]1337;File=inline=1;size={};width={};height={};preserveAspectRatio=0;doNotMoveCursor=1:{}\x07",
            jpeg.len(),
            pixels.columns,
            pixels.rows,
            STANDARD.encode(&jpeg)
        );
        if self.tmux {
            through_tmux(out, &command);
        } else {
            out.append(&mut command);
        }
    }
}
