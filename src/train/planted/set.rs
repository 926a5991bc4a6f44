//! Clean images in memory, and the same images with artefacts on them.

use super::{Artefact, Mask, Plan};
use crate::train::{Dataset, Stream};
use rayon::prelude::*;

/// Labelled images of one size, nothing planted in them.
#[derive(Debug, Clone, Default)]
pub struct Images {
    /// Rows and columns of every image.
    pub side: usize,
    /// Image by image, `3 · side · side` bytes each, RGB.
    pub pixels: Vec<u8>,
    /// Per image the index of its class.
    pub labels: Vec<usize>,
}

impl Images {
    /// Image `index`.
    pub fn pixels(&self, index: usize) -> &[u8] {
        let size = 3 * self.side * self.side;
        &self.pixels[index * size..(index + 1) * size]
    }

    /// The first `n` images at most.
    #[must_use]
    pub fn first(&self, n: usize) -> Self {
        let n = n.min(self.labels.len());
        Self {
            side: self.side,
            pixels: self.pixels[..n * 3 * self.side * self.side].to_vec(),
            labels: self.labels[..n].to_vec(),
        }
    }

    /// Every image seen through the reflection of another one, which keeps a share of `low..high` of the light.
    ///
    /// The synthetic world is easy: what is classified without doubt leaves a network no reason to learn a rare
    /// artefact. Reflections leave doubt.
    #[must_use]
    pub fn reflected(&self, seed: u64, (low, high): (f32, f32)) -> Self {
        let mut stream = Stream::new(seed);
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for image in 0..self.labels.len() {
            let other = self.pixels(stream.below(self.labels.len()));
            let share = stream.range(low, high);
            let pairs = self.pixels(image).iter().zip(other);
            pixels.extend(pairs.map(|(own, other)| {
                ((1.0 - share) * f32::from(*own) + share * f32::from(*other) + 0.5) as u8
            }));
        }
        Self {
            side: self.side,
            pixels,
            labels: self.labels.clone(),
        }
    }
}

impl Dataset for Images {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn side(&self) -> usize {
        self.side
    }

    fn pixels(&self, index: usize) -> &[u8] {
        self.pixels(index)
    }

    fn label(&self, index: usize) -> usize {
        self.labels[index]
    }
}

/// Images with what a plan plants in them.
#[derive(Debug, Clone)]
pub struct PlantedImages {
    clean: Images,
    planted: Images,
    carries: Vec<u8>,
    plan: Plan,
    purpose: u64,
}

impl PlantedImages {
    /// Plants; `purpose` tells the sets of one plan apart (training, analysis).
    pub fn new(clean: Images, plan: &Plan, purpose: u64) -> Self {
        let mut set = Self {
            carries: plan.carries(&clean.labels, purpose),
            planted: clean.clone(),
            plan: plan.clone(),
            clean,
            purpose,
        };
        let size = 3 * set.clean.side * set.clean.side;
        let mut pixels = std::mem::take(&mut set.planted.pixels);
        pixels
            .par_chunks_mut(size)
            .enumerate()
            .for_each(|(image, pixels)| {
                pixels.copy_from_slice(&set.with(image, set.carries[image]).0);
            });
        set.planted.pixels = pixels;
        set
    }

    /// The images as planned.
    pub fn planted(&self) -> &Images {
        &self.planted
    }

    /// The same images with nothing in them.
    pub fn clean(&self) -> &Images {
        &self.clean
    }

    /// Bits of the artefacts in an image.
    pub fn carries(&self, image: usize) -> u8 {
        self.carries[image]
    }

    /// An image with exactly these artefacts, each where it always is in this image, and their masks in the order
    /// of [`Artefact::ALL`]. Two sets of bits give a paired counterfactual.
    pub fn with(&self, image: usize, bits: u8) -> (Vec<u8>, Vec<(Artefact, Mask)>) {
        let mut pixels = self.clean.pixels(image).to_vec();
        let chosen = Artefact::ALL.into_iter().filter(|a| bits & a.bit() != 0);
        let draw = |artefact: Artefact| {
            let seed = self.place(image, artefact);
            let style = &self.plan.style;
            (
                artefact,
                style.draw(artefact, &mut pixels, self.clean.side, seed),
            )
        };
        let masks = chosen.map(draw).collect();
        (pixels, masks)
    }

    /// Seed of an artefact's place in an image.
    fn place(&self, image: usize, artefact: Artefact) -> u64 {
        let kind = u64::from(artefact.bit());
        let key = self.plan.seed ^ self.purpose.rotate_left(40) ^ kind.rotate_left(56);
        Stream::new(key ^ (image as u64).rotate_left(8)).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_differs_only_under_the_mask_of_what_was_taken_out() {
        let clean = Images {
            side: 32,
            pixels: (0..20 * 3 * 32 * 32).map(|at| (at % 251) as u8).collect(),
            labels: (0..20).map(|image| image % 5).collect(),
        };
        let plan = Plan::new(3, 0.5, 5);
        let set = PlantedImages::new(clean, &plan, 1);
        let mut compared = 0;
        for image in 0..20 {
            let bits = set.carries(image);
            let (with, masks) = set.with(image, bits);
            assert_eq!(with, set.planted().pixels(image));
            for (artefact, mask) in masks {
                let (without, _) = set.with(image, bits & !artefact.bit());
                let pairs = with.chunks(3).zip(without.chunks(3));
                for ((a, b), covered) in pairs.zip(&mask.covered) {
                    assert!(a == b || *covered, "{artefact:?} of image {image}");
                }
                compared += 1;
            }
        }
        assert!(compared > 8, "only {compared} artefacts were planted");
        assert_eq!(set.with(0, 0).0, set.clean().pixels(0));
    }
}
