//! Sixel: six rows of pixels at a time, one colour after the other.
//!
//! Colours are those of the atlas: one palette for every frame costs no time, and nothing shimmers while the map
//! moves. While it moves, a frame is coarse: fewer pixels, each drawn as a block, and fewer colours.

mod encode;
mod palette;

pub use encode::{Indexed, encode};
pub use palette::Palette;

use super::probe::SixelLimits;
use super::raster::{Encoding, Pixels};

/// From as it should be to coarse: pixels drawn as one along an axis, and colours.
const QUALITIES: [(usize, usize); 6] = [(1, 256), (2, 64), (3, 64), (4, 64), (6, 64), (6, 24)];
/// Bytes per pixel of the screen at these qualities, to begin with (photographs).
const FIRST_GUESS: [f64; 6] = [1.9, 0.62, 0.42, 0.32, 0.16, 0.12];

/// Encodes parts of the screen as sixel pictures.
#[derive(Debug)]
pub struct Encoder {
    limits: SixelLimits,
    colours: Vec<[u8; 3]>,
    /// By quality, made when first needed.
    palettes: [Option<Palette>; QUALITIES.len()],
}

impl Encoder {
    /// An encoder with the web's colours until it is told others.
    pub fn new(limits: SixelLimits) -> Self {
        Self {
            limits,
            colours: palette::web(),
            palettes: [const { None }; QUALITIES.len()],
        }
    }
}

impl Encoding for Encoder {
    fn first_guess(&self) -> &'static [f64] {
        &FIRST_GUESS
    }

    fn set_palette(&mut self, colours: &[[u8; 3]]) -> bool {
        if self.colours == colours || colours.is_empty() {
            return false;
        }
        self.colours = colours.to_vec();
        self.palettes = [const { None }; QUALITIES.len()];
        true
    }

    fn largest(&self) -> Option<(u16, u16)> {
        self.limits.largest
    }

    fn encode(&mut self, out: &mut Vec<u8>, pixels: &Pixels<'_>, quality: usize) {
        let (factor, colours) = QUALITIES[quality.min(QUALITIES.len() - 1)];
        let most = colours.min(usize::from(self.limits.registers));
        let palette =
            self.palettes[quality].get_or_insert_with(|| Palette::new(&self.colours, most));
        let indices = if factor == 1 {
            palette.indices(pixels)
        } else {
            palette.indices_averaged(pixels, factor)
        };
        let picture = Indexed {
            indices: &indices,
            width: pixels.width.div_ceil(factor),
            colours: palette.colours(),
        };
        encode(out, &picture, (pixels.width, pixels.height), factor);
    }
}
