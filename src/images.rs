//! Where images come from: folders of photographs and the synthetic world, behind one trait.

pub mod decode;
pub mod folder;
pub mod labels;
mod mirrored;
pub mod scenes;
mod shelf;
pub mod world;

pub use decode::{DecodeError, decode};
pub use folder::{Folder, FolderError};
pub use mirrored::Mirrored;
pub use shelf::Shelf;

use image::RgbImage;

/// An ordered, finite set of images that can be loaded by index from several threads.
pub trait ImageSet: Sync {
    /// What the set is called in the recipe (a folder, `synthetic world`).
    fn name(&self) -> &str;
    /// Number of images.
    fn len(&self) -> usize;
    /// True when there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// A stable name of image `idx`: a path relative to the set, `/`-separated, or `scene:…`.
    fn path(&self, idx: usize) -> String;
    /// The label of image `idx`, if it has one.
    fn label(&self, idx: usize) -> Option<&str>;
    /// Loads image `idx`, upright, in sRGB.
    ///
    /// # Errors
    /// The file cannot be read, is no image, is damaged or too large.
    fn load(&self, idx: usize) -> Result<RgbImage, DecodeError>;
}
