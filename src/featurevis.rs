//! A cell's direction to its icon, by gradient ascent on the input of the network.
//!
//! Four words, as in lucid: the *objective* says what to excite, the *param* how an image is described to the
//! optimiser, the *transform* what happens to it on its way into the network, and the *ascent* turns the crank.
//! A *sheet* stores many icons as indexed pictures.
//!
//! ```text
//!            ┌──── image ────▶ transform ────▶ network ────▶ objective
//! spectrum ──┤  (param)                                          │
//!            └──◀─ Adam ◀─ pull back ◀─ transpose ◀─ vjp ◀───────┘
//! ```
//!
//! The network is seen through the trait [`Tap`] (images → activation, and a cotangent back to the images), so that
//! everything here is tested with a toy in its place. All icons of a batch share the random transform of a step,
//! as in lucid; everything else of an icon depends on the seed, its key and the attempt only. So an icon comes out
//! the same in whichever batch it is drawn, and an interrupted build can go on.

#![allow(
    clippy::inline_always,
    reason = "code must be inlined into the function that enables an instruction set, else it is compiled without"
)]
#![allow(
    clippy::needless_range_loop,
    reason = "loops over lanes and over several rows at once read best with an index, and become vectors"
)]

pub mod ascent;
pub mod objective;
pub mod param;
mod rng;
pub mod sheet;
pub mod transform;

pub use ascent::{BATCH, Error, Job, NetworkTap, Renderer, Tap, total_steps};

use crate::atlas::IconRecipe;
use crate::network::{Layer, Network, NetworkError};
use transform::Draw;

/// Largest icons that are offered, pixels.
const LARGEST: usize = 512;

/// Whether icons of the recipe's size, and what its transforms leave of them, reach the layer: to be asked before an
/// hour is spent on what comes before the icons.
///
/// # Errors
/// [`Error::TooSmall`] with the least size that would do, [`Error::OwnSize`] where only the network's own does.
pub fn check_size(network: &Network, layer: &Layer, recipe: &IconRecipe) -> Result<(), Error> {
    let fails = |size: usize| failure(network, layer, recipe, size);
    let size = recipe.size as usize;
    let Some(why) = fails(size) else {
        return Ok(());
    };
    let own = network.input.size;
    let layer = layer.name.clone();
    match (size + 1..=LARGEST).find(|&size| fails(size).is_none()) {
        Some(least) => Err(Error::TooSmall { layer, size, least }),
        None if own < size && fails(own).is_none() => Err(Error::OwnSize { layer, size, own }),
        None => Err(Error::NoSize { layer, size, why }),
    }
}

/// Side of the icons where nobody chose one: the recipe's, but the network's own input's where that reaches all layers
/// and the recipe's does not. Networks with a code for each position take images of one size alone.
pub fn fitting_size(network: &Network, layers: &[Layer], recipe: &IconRecipe) -> u32 {
    let reaches = |size: usize| {
        let mut layers = layers.iter();
        layers.all(|layer| failure(network, layer, recipe, size).is_none())
    };
    let own = network.input.size;
    if own <= LARGEST && !reaches(recipe.size as usize) && reaches(own) {
        own as u32
    } else {
        recipe.size
    }
}

/// Why icons of `size` pixels, or what the transforms leave of them, do not reach the layer.
fn failure(
    network: &Network,
    layer: &Layer,
    recipe: &IconRecipe,
    size: usize,
) -> Option<NetworkError> {
    let sides = Draw::sizes(recipe.transforms, size).into_iter();
    let mut results = sides.map(|side| network.takes(side, layer.id));
    results.find_map(Result::err)
}

/// A finished icon.
#[derive(Debug, Clone, PartialEq)]
pub struct Icon {
    /// Pixels `[size, size, 3]`, sRGB.
    pub rgb: Vec<u8>,
    /// The objective of the kept attempt, evaluated without transforms; always finite.
    pub score: f32,
    /// Steps of ascent done.
    pub steps: u32,
}

impl Icon {
    /// Rows and columns.
    pub fn size(&self) -> usize {
        (self.rgb.len() / 3).isqrt()
    }
}

/// How a set of icons looks, in numbers that can be held against published icons.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Mean R, G, B, unit range.
    pub mean: [f32; 3],
    /// Standard deviation of R, G, B over all pixels of all icons.
    pub spread: [f32; 3],
    /// The same in the central 40 % of rows and columns, averaged over R, G, B.
    pub central_spread: f32,
    /// The same in the outermost tenth.
    pub rim_spread: f32,
}

/// Measures `icons`, all of one size.
pub fn look(icons: &[&Icon]) -> Look {
    let over = |keep: &dyn Fn(f32, f32) -> bool| {
        let (mut n, mut sum, mut squares) = (0_u64, [0.0_f64; 3], [0.0_f64; 3]);
        for icon in icons {
            let size = icon.size();
            for (k, pixel) in icon.rgb.chunks_exact(3).enumerate() {
                let place = |index: usize| (index as f32 + 0.5) / size as f32;
                if !keep(place(k / size), place(k % size)) {
                    continue;
                }
                n += 1;
                for (channel, value) in pixel.iter().enumerate() {
                    let value = f64::from(*value) / 255.0;
                    sum[channel] += value;
                    squares[channel] += value * value;
                }
            }
        }
        let n = n.max(1) as f64;
        let mean = sum.map(|s| s / n);
        let spread: [f64; 3] =
            std::array::from_fn(|c| (squares[c] / n - mean[c] * mean[c]).max(0.0).sqrt());
        (mean.map(|v| v as f32), spread.map(|v| v as f32))
    };
    let average = |v: [f32; 3]| v.iter().sum::<f32>() / 3.0;
    let central = |v: f32| (0.3..0.7).contains(&v);
    let rim = |v: f32| !(0.1..0.9).contains(&v);
    let (mean, spread) = over(&|_, _| true);
    Look {
        mean,
        spread,
        central_spread: average(over(&|y, x| central(y) && central(x)).1),
        rim_spread: average(over(&|y, x| rim(y) || rim(x)).1),
    }
}
