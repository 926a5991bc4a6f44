//! Every image of a set once more, mirrored left to right: twice the activations from the same photographs.

use super::{DecodeError, ImageSet};
use image::RgbImage;

/// A set whose images are mirrored. Paths and labels stay, the name says it.
pub struct Mirrored<'a> {
    set: &'a dyn ImageSet,
    name: String,
}

impl<'a> Mirrored<'a> {
    /// The mirrored twin of `set`.
    pub fn new(set: &'a dyn ImageSet) -> Self {
        let name = format!("{}, mirrored", set.name());
        Self { set, name }
    }
}

impl ImageSet for Mirrored<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.set.len()
    }

    fn path(&self, idx: usize) -> String {
        self.set.path(idx)
    }

    fn label(&self, idx: usize) -> Option<&str> {
        self.set.label(idx)
    }

    fn load(&self, idx: usize) -> Result<RgbImage, DecodeError> {
        let mut image = self.set.load(idx)?;
        image::imageops::flip_horizontal_in_place(&mut image);
        Ok(image)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::scenes::Scenes;
    use crate::images::world::World;

    #[test]
    fn left_and_right_change_places() {
        let scenes = Scenes::new(World::new(1), 3);
        let mirrored = Mirrored::new(&scenes);
        assert_eq!(mirrored.len(), 3);
        assert_eq!(mirrored.path(2), scenes.path(2));
        assert_eq!(mirrored.label(2), scenes.label(2));
        assert_ne!(mirrored.name(), scenes.name());
        let (plain, turned) = (scenes.load(1).unwrap(), mirrored.load(1).unwrap());
        let right = plain.width() - 1;
        assert!(
            plain
                .enumerate_pixels()
                .all(|(x, y, pixel)| turned.get_pixel(right - x, y) == pixel)
        );
    }
}
