//! The photographs that tests work on: where they are, which class they show.

use crate::atlas::{Atlas, Class, ClassId, class_called};
use crate::images::{self, ImageSet as _, Shelf, world::World};
use crate::math::rng::Rng;
use image::RgbImage;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One photograph.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Photo {
    path: String,
    source: u16,
    /// The class that its label names.
    label: Option<ClassId>,
    /// The class that the network gave it, where that is known.
    predicted: Option<ClassId>,
}

/// Photographs by number.
#[derive(Debug, Clone, Default)]
pub struct Album {
    photos: Vec<Photo>,
    shelf: Shelf,
}

/// The stream of random numbers that orders images.
const ORDER: u64 = 0x0a1b;

impl Album {
    /// The photographs of an atlas; `given` are folders to look in first.
    pub fn of_atlas(atlas: &Atlas, given: Vec<PathBuf>) -> Self {
        let images = &atlas.images;
        let label = |idx: usize| {
            let label = images.label.get(idx).copied().flatten()?;
            images
                .label_class
                .get(usize::from(label))
                .copied()
                .flatten()
        };
        let photos = images
            .path
            .iter()
            .enumerate()
            .map(|(idx, path)| Photo {
                path: path.clone(),
                source: images.source.get(idx).copied().unwrap_or(0),
                label: label(idx),
                predicted: images.prediction.get(idx).copied().flatten(),
            })
            .collect();
        let mut shelf = Shelf::new(given);
        shelf.set_sources(&atlas.recipe.sources);
        Self { photos, shelf }
    }

    /// The photographs in folders; sub-folders named by class ids or names are labels.
    ///
    /// # Errors
    /// A folder that cannot be listed or holds no image.
    pub fn of_folders(
        folders: &[PathBuf],
        classes: &[Class],
    ) -> std::result::Result<Self, images::FolderError> {
        let mut album = Self::default();
        for (source, path) in folders.iter().enumerate() {
            let folder = images::Folder::open(path, None)?;
            album.shelf.add(path);
            album.photos.extend((0..folder.len()).map(|idx| {
                Photo {
                    path: folder.path(idx),
                    source: source as u16,
                    label: folder
                        .label(idx)
                        .and_then(|label| class_called(classes, label)),
                    predicted: None,
                }
            }));
        }
        Ok(album)
    }

    /// The first scenes of a synthetic world.
    pub fn of_scenes(seed: u64, n: usize) -> Self {
        let world = World::new(seed);
        let photo = |idx: usize| Photo {
            path: world.name(idx as u64),
            source: 0,
            label: Some(world.class(idx as u64) as ClassId),
            predicted: None,
        };
        Self {
            photos: (0..n).map(photo).collect(),
            ..Self::default()
        }
    }

    /// Number of photographs.
    pub fn len(&self) -> usize {
        self.photos.len()
    }

    /// True without photographs.
    pub fn is_empty(&self) -> bool {
        self.photos.is_empty()
    }

    /// The path of a photograph within its source.
    pub fn path(&self, idx: u32) -> &str {
        self.photos
            .get(idx as usize)
            .map_or("", |photo| photo.path.as_str())
    }

    /// The photograph with this path.
    pub fn find(&self, path: &str) -> Option<u32> {
        let at = self.photos.iter().position(|photo| photo.path == path);
        at.map(|idx| idx as u32)
    }

    /// The class that a photograph shows: its label's, else the network's own.
    pub fn class(&self, idx: u32) -> Option<ClassId> {
        let photo = self.photos.get(idx as usize)?;
        photo.label.or(photo.predicted)
    }

    /// Whether a photograph may show one of these classes, by its label or by the network.
    pub fn shows(&self, idx: u32, classes: &[ClassId]) -> bool {
        let Some(photo) = self.photos.get(idx as usize) else {
            return false;
        };
        let one_of = |class: Option<ClassId>| class.is_some_and(|class| classes.contains(&class));
        one_of(photo.label) || one_of(photo.predicted)
    }

    /// Photographs whose class is this.
    pub fn of_class(&self, class: ClassId) -> Vec<u32> {
        let all = 0..self.photos.len() as u32;
        all.filter(|&idx| self.class(idx) == Some(class)).collect()
    }

    /// Whether any photograph has a label that is a class.
    pub fn is_labelled(&self) -> bool {
        self.photos.iter().any(|photo| photo.label.is_some())
    }

    /// All photographs in an order that depends on the seed alone and goes round the classes.
    pub fn order(&self, seed: u64) -> Vec<u32> {
        let mut by_class: BTreeMap<Option<ClassId>, Vec<u32>> = BTreeMap::new();
        for idx in 0..self.photos.len() as u32 {
            by_class.entry(self.class(idx)).or_default().push(idx);
        }
        let mut rng = Rng::stream(seed, ORDER);
        let mut groups: Vec<Vec<u32>> = by_class.into_values().collect();
        for group in &mut groups {
            rng.shuffle(group);
        }
        rng.shuffle(&mut groups);
        let longest = groups.iter().map(Vec::len).max().unwrap_or(0);
        let rounds = (0..longest).flat_map(|round| {
            let picked = groups.iter().filter_map(move |group| group.get(round));
            picked.copied().collect::<Vec<_>>()
        });
        rounds.collect()
    }

    /// Reads a photograph as the network got it, mirrored where its source was.
    ///
    /// # Errors
    /// A sentence that says where it was looked for, or what is wrong with the file.
    pub fn read(&self, idx: u32) -> std::result::Result<RgbImage, String> {
        let photo = self.photos.get(idx as usize).ok_or("no such photograph")?;
        self.shelf.read(&photo.path, photo.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn album(classes: &[Option<ClassId>]) -> Album {
        let photo = |(idx, label): (usize, &Option<ClassId>)| Photo {
            path: format!("scene:1:{idx}"),
            source: 0,
            label: *label,
            predicted: Some(7),
        };
        Album {
            photos: classes.iter().enumerate().map(photo).collect(),
            ..Album::default()
        }
    }

    #[test]
    fn the_order_goes_round_the_classes() {
        let classes: Vec<_> = (0..40).map(|idx| Some((idx / 20) as ClassId)).collect();
        let album = album(&classes);
        let order = album.order(3);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..40).collect::<Vec<_>>());
        for pair in order.chunks(2) {
            assert_ne!(album.class(pair[0]), album.class(pair[1]));
        }
        assert_eq!(order, album.order(3));
        assert_ne!(order, album.order(4));
    }

    #[test]
    fn a_photograph_shows_its_label_and_what_the_network_said() {
        let album = album(&[Some(1), None]);
        assert_eq!((album.class(0), album.class(1)), (Some(1), Some(7)));
        assert!(album.shows(0, &[1]) && album.shows(0, &[7]) && !album.shows(0, &[2]));
        assert_eq!(album.of_class(7), [1]);
    }

    #[test]
    fn scenes_are_drawn_and_missing_files_are_named() {
        let mut album = album(&[None, None]);
        assert_eq!(
            album.read(1).unwrap(),
            World::new(1).scene(1).image,
            "a scene is drawn from its name"
        );
        album.photos[0].path = "a/b.jpg".to_owned();
        assert!(
            album.read(0).unwrap_err().contains("nothing says where"),
            "without folders"
        );
        let folder = tempfile::tempdir().unwrap();
        album.shelf.give(folder.path());
        let error = album.read(0).unwrap_err();
        assert!(
            error.contains("a/b.jpg is not in") && error.contains(folder.path().to_str().unwrap()),
            "{error}"
        );
    }
}
