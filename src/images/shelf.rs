//! Where the photographs of an atlas lie: folders that a person gave, then those that its recipe names. Scenes of the
//! synthetic world need no folder and are drawn from their names.

use super::DecodeError;
use super::world::World;
use crate::atlas::Source;
use image::{RgbImage, imageops};
use std::path::{Component, Path, PathBuf};

/// Reads photographs by path and source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shelf {
    /// Folders that were given, which are looked at first.
    given: Vec<PathBuf>,
    /// Per source its folder, and whether its photographs are mirrored.
    places: Vec<(Option<PathBuf>, bool)>,
}

impl Shelf {
    /// A shelf without sources; `given` are folders to look in first.
    pub fn new(given: Vec<PathBuf>) -> Self {
        Self {
            given,
            places: Vec::new(),
        }
    }

    /// The sources of an atlas.
    pub fn set_sources(&mut self, sources: &[Source]) {
        let place = |source: &Source| (source.path.as_ref().map(PathBuf::from), source.mirrored);
        self.places = sources.iter().map(place).collect();
    }

    /// One more source, which is this folder.
    pub fn add(&mut self, folder: &Path) {
        self.places.push((Some(folder.to_owned()), false));
    }

    /// A folder to look in before all others.
    pub fn give(&mut self, folder: &Path) {
        self.given.insert(0, folder.to_owned());
    }

    /// Reads a photograph as the network got it: mirrored where its source was.
    ///
    /// # Errors
    /// A sentence that says where it was looked for, or what is wrong with the file.
    pub fn read(&self, path: &str, source: u16) -> Result<RgbImage, String> {
        let place = self.places.get(usize::from(source));
        let recorded = place.and_then(|(folder, _)| folder.as_deref());
        let image = match scene(path) {
            Some(image) => image,
            None => self.load(path, recorded)?,
        };
        let mirrored = place.is_some_and(|(_, mirrored)| *mirrored);
        Ok(if mirrored {
            imageops::flip_horizontal(&image)
        } else {
            image
        })
    }

    fn load(&self, path: &str, recorded: Option<&Path>) -> Result<RgbImage, String> {
        let folders = || self.given.iter().map(PathBuf::as_path).chain(recorded);
        // A file from elsewhere must not choose what is read outside of these folders.
        let stays = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if !Path::new(path).components().all(stays) {
            return Err(format!("{path} lies outside of the folders of photographs"));
        }
        if folders().next().is_none() {
            return Err("nothing says where the photographs are".to_owned());
        }
        for folder in folders() {
            match super::decode::load(&folder.join(path)) {
                Ok(image) => return Ok(image),
                Err(DecodeError::Io(_)) => {}
                Err(error) => return Err(format!("{path}: {error}")),
            }
        }
        let looked: Vec<String> = folders().map(|f| f.display().to_string()).collect();
        Err(format!("{path} is not in {}", looked.join(" or ")))
    }
}

/// A scene of the synthetic world from its name.
fn scene(path: &str) -> Option<RgbImage> {
    let (world, number) = World::by_name(path)?;
    Some(world.scene(number).image)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: Option<&Path>, mirrored: bool) -> Source {
        Source {
            path: path.map(|path| path.to_str().unwrap().to_owned()),
            mirrored,
            name: String::new(),
            n_images: 1,
            n_skipped: 0,
            positions: 1,
        }
    }

    #[test]
    fn scenes_are_drawn_from_their_names_and_mirrored_like_photographs() {
        let mut shelf = Shelf::default();
        shelf.set_sources(&[source(None, false), source(None, true)]);
        let drawn = World::new(1).scene(5).image;
        assert_eq!(shelf.read("scene:1:5", 0).unwrap(), drawn);
        let mirrored = shelf.read("scene:1:5", 1).unwrap();
        assert_eq!(mirrored, imageops::flip_horizontal(&drawn));
        assert_ne!(mirrored, drawn);
    }

    #[test]
    fn given_folders_come_first_and_all_are_named() {
        let (given, recorded) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut shelf = Shelf::default();
        assert!(shelf.read("a.png", 0).unwrap_err().contains("nothing says"));
        shelf.set_sources(&[source(Some(recorded.path()), false)]);
        let picture = |value: u8| RgbImage::from_pixel(4, 4, image::Rgb([value; 3]));
        picture(9).save(recorded.path().join("a.png")).unwrap();
        assert_eq!(shelf.read("a.png", 0).unwrap(), picture(9));
        shelf.give(given.path());
        picture(200).save(given.path().join("a.png")).unwrap();
        assert_eq!(shelf.read("a.png", 0).unwrap(), picture(200));
        let error = shelf.read("b.png", 0).unwrap_err();
        for folder in [&given, &recorded] {
            assert!(error.contains(folder.path().to_str().unwrap()), "{error}");
        }
        // Neither a way up nor a path from the root leaves the folders.
        let inner = given.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let shelf_of_inner = Shelf::new(vec![inner]);
        for path in ["../a.png", given.path().join("a.png").to_str().unwrap()] {
            let error = shelf_of_inner.read(path, 0).unwrap_err();
            assert!(error.contains("outside"), "{error}");
        }
        std::fs::write(given.path().join("c.png"), b"no picture").unwrap();
        assert!(shelf.read("c.png", 0).unwrap_err().starts_with("c.png: "));
    }
}
