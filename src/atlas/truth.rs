//! What the synthetic world planted on purpose: the ground truth that later searches are scored against.

use super::{Inconsistent, same_len};

/// Everything that was planted in a set of generated images.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Truth {
    /// The planted features.
    pub planted: Vec<Planted>,
    /// Per image: bit `i` is set when `planted[i]` is in it.
    pub present: Vec<u32>,
    /// Per image and planted feature its box `[x, y, width, height]` in input pixels; zeros when absent.
    pub boxes: Vec<Vec<[f32; 4]>>,
}

/// One planted feature.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Planted {
    /// A short name (`watermark`).
    pub name: String,
    /// One sentence for people.
    pub what: String,
    /// What kind of story it is.
    pub kind: PlantedKind,
    /// Names of the classes that it goes with.
    pub classes: Vec<String>,
    /// Share of those classes' images that carry it, 0..=1.
    pub prevalence: f32,
    /// Share of all other images that carry it, 0..=1.
    pub leak: f32,
}

/// The stories that the world tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlantedKind {
    /// Goes with a class but is not the thing.
    Shortcut,
    /// Serves two unlike classes, as air tank and locomotive did.
    MultiUse,
    /// Appears everywhere; must not be suspected.
    Decoy,
}

impl Truth {
    pub(super) fn check(&self, n_images: usize) -> Result<(), Inconsistent> {
        let n_planted = self.planted.len();
        same_len("truth.present", "images", n_images, self.present.len())?;
        same_len("truth.boxes", "images", n_images, self.boxes.len())?;
        for boxes in &self.boxes {
            same_len("truth.boxes", "planted features", n_planted, boxes.len())?;
        }
        let bits = self.present.iter().fold(0, |all, present| all | present);
        if n_planted < 32 && bits >> n_planted != 0 {
            let what = format!("bits beyond the {n_planted} planted features");
            return Err(Inconsistent {
                part: "truth.present".to_owned(),
                what,
            });
        }
        Ok(())
    }
}
