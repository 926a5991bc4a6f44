//! The finished atlas: one complete, resolved, immutable value.
//!
//! Everything the explorer, the exports and the later tests look at is here; nothing is defaulted or
//! recomputed by a viewer. Arrays that belong together are columns of the same length and are checked by
//! [`Atlas::check`], which `store` calls after reading and before writing.

mod class;
mod head;
mod icon;
mod images;
mod input;
mod layer;
mod level;
mod quantized;
mod recipe;
pub mod sample;
mod truth;

pub use class::{Class, ClassId, class_called, short_name};
pub use head::Head;
pub use icon::{Icons, Palette, TILE_SIZE, Tile};
pub use images::{COLOURS, Images, OCTAVES, ORIENTATIONS, STYLE};
pub use input::{Channels, Filter, InputSpec, Resize};
pub use layer::{LayerAtlas, LayoutQuality, Pca, Samples, TOP_ATTRIBUTIONS, snap_position};
pub use level::{Cell, Level};
pub use quantized::Quantized;
pub use recipe::{
    Attraction, AttributionRecipe, CollectRecipe, IconRecipe, LayoutMetric, LayoutRecipe,
    ObjectiveForm, Precision, Recipe, Relaxation, Source, TransformForm,
};
pub use truth::{Planted, PlantedKind, Truth};

/// A whole atlas: one or more layers of one network over one set of images.
#[derive(Debug, Clone, PartialEq)]
pub struct Atlas {
    /// Every knob that made it.
    pub recipe: Recipe,
    /// The network's classes, in logit order. Empty when the network has no classifier.
    pub classes: Vec<Class>,
    /// The images that were run through the network, in a fixed order.
    pub images: Images,
    /// One map per layer, shallow to deep.
    pub layers: Vec<LayerAtlas>,
    /// What was planted in the images on purpose, when the program made them itself.
    pub truth: Option<Truth>,
    /// The linear end of the network, where it has one.
    pub head: Option<Head>,
    /// False while a build is still running and this is a snapshot of its finished stages.
    pub complete: bool,
}

/// A broken promise between parts of an [`Atlas`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part}: {what}")]
pub struct Inconsistent {
    /// The part, as a path like `layers[0].levels[1].cells`.
    pub part: String,
    /// What does not fit, with the numbers.
    pub what: String,
}

/// `Ok` when `found == expected`, else an [`Inconsistent`] that carries both numbers.
pub(crate) fn same_len(
    part: &str,
    what: &str,
    expected: usize,
    found: usize,
) -> Result<(), Inconsistent> {
    if expected == found {
        return Ok(());
    }
    Err(Inconsistent {
        part: part.to_owned(),
        what: format!("{what}: expected {expected}, found {found}"),
    })
}

impl Atlas {
    /// Checks every length and index against every other.
    ///
    /// # Errors
    /// The first part that contradicts another, with both numbers.
    pub fn check(&self) -> Result<(), Inconsistent> {
        self.images
            .check(self.classes.len(), self.recipe.sources.len())?;
        if let Some(truth) = &self.truth {
            truth.check(self.images.len())?;
        }
        if let Some(head) = &self.head {
            head.check(self.images.len(), self.classes.len())?;
        }
        if self.layers.is_empty() {
            return Err(Inconsistent {
                part: "layers".to_owned(),
                what: "an atlas has at least one layer".to_owned(),
            });
        }
        for (idx, layer) in self.layers.iter().enumerate() {
            layer.check(
                &format!("layers[{idx}]"),
                self.images.len(),
                self.classes.len(),
            )?;
        }
        Ok(())
    }

    /// The index of the layer called `name`.
    pub fn layer_idx(&self, name: &str) -> Option<usize> {
        self.layers.iter().position(|layer| layer.name == name)
    }

    /// The short name of a class, or its number when it has none.
    pub fn class_name(&self, class: ClassId) -> String {
        self.classes
            .get(usize::from(class))
            .map_or_else(|| format!("class {class}"), |c| c.name().to_owned())
    }
}
