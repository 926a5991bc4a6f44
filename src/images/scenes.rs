//! The first scenes of the synthetic world as a set of images, labelled with their class.

use super::world::World;
use super::{DecodeError, ImageSet};
use crate::atlas::Class;
use image::RgbImage;

/// Scenes `0..n` of a world.
#[derive(Debug, Clone)]
pub struct Scenes {
    world: World,
    n: usize,
    classes: Vec<Class>,
}

impl Scenes {
    /// The first `n` scenes of `world`.
    pub fn new(world: World, n: usize) -> Self {
        Self {
            world,
            n,
            classes: World::classes(),
        }
    }
}

impl ImageSet for Scenes {
    fn name(&self) -> &'static str {
        "synthetic world"
    }

    fn len(&self) -> usize {
        self.n
    }

    fn path(&self, idx: usize) -> String {
        self.world.name(idx as u64)
    }

    fn label(&self, idx: usize) -> Option<&str> {
        self.classes
            .get(self.world.class(idx as u64))
            .map(|class| class.id.as_str())
    }

    fn load(&self, idx: usize) -> Result<RgbImage, DecodeError> {
        Ok(self.world.scene(idx as u64).image)
    }
}
