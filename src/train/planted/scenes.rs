//! Scenes of the synthetic world as a supply of clean images.

use super::Images;
use crate::images::world::World;
use crate::progress::{Interrupted, Progress, check};
use rayon::prelude::*;

/// The first `per_class` scenes of each of some classes of the world, `side × side`, with everything that the world
/// plants on its own account left out. Labels are indices into `classes`.
///
/// # Errors
/// Cancellation.
pub fn scenes(
    world: World,
    side: usize,
    classes: &[usize],
    per_class: usize,
    progress: &dyn Progress,
) -> Result<Images, Interrupted> {
    let world = world.with_side(side);
    let wanted = scene_list(world, classes, per_class);
    let size = 3 * side * side;
    let mut pixels = vec![0; wanted.len() * size];
    progress.begin("draw scenes", wanted.len() as u64, "scene");
    for (pixels, wanted) in pixels.chunks_mut(256 * size).zip(wanted.chunks(256)) {
        check(progress)?;
        pixels
            .par_chunks_mut(size)
            .zip(wanted)
            .for_each(|(pixels, (index, _))| {
                pixels.copy_from_slice(world.scene_with(*index, 0).image.as_raw());
            });
        progress.advance(wanted.len() as u64);
    }
    Ok(Images {
        side,
        pixels,
        labels: wanted.iter().map(|(_, label)| *label).collect(),
    })
}

/// Number in the world and label of the same scenes, without drawing them.
pub fn scene_list(world: World, classes: &[usize], per_class: usize) -> Vec<(u64, usize)> {
    let label = |index: u64| classes.iter().position(|c| *c == world.class(index));
    // Every class comes once in a run of sixteen.
    let n_drawn = (per_class * World::classes().len()) as u64;
    (0..n_drawn)
        .filter_map(|index| label(index).map(|label| (index, label)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn each_class_comes_equally_often() {
        let images = scenes(World::new(4), 16, &[3, 9, 12], 5, &Silent).unwrap();
        for label in 0..3 {
            assert_eq!(images.labels.iter().filter(|l| **l == label).count(), 5);
        }
        assert_eq!(images.pixels.len(), 15 * 3 * 16 * 16);
        let listed = scene_list(World::new(4), &[3, 9, 12], 5).into_iter();
        assert_eq!(
            images.labels,
            listed.map(|(_, label)| label).collect::<Vec<_>>()
        );
    }
}
