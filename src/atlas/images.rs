//! The images behind an atlas: where they came from, what they are called, what the network says.

use super::{ClassId, Inconsistent, same_len};

/// One row per image that was run through the network; columns have equal length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Images {
    /// Path relative to its source folder (`/`-separated), or `scene:SEED` for the synthetic world.
    pub path: Vec<String>,
    /// Index into [`super::Recipe::sources`].
    pub source: Vec<u16>,
    /// Index into `label_names`, if the image has a label.
    pub label: Vec<Option<u16>>,
    /// The class with the largest logit, if the network has a classifier.
    pub prediction: Vec<Option<ClassId>>,
    /// Distinct labels: folder names or the values of a label table.
    pub label_names: Vec<String>,
    /// For each label the class of the network with that id or name, if there is one.
    pub label_class: Vec<Option<ClassId>>,
}

impl Images {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.path.len()
    }

    /// True when there is no image.
    pub fn is_empty(&self) -> bool {
        self.path.is_empty()
    }

    pub(super) fn check(&self, n_classes: usize) -> Result<(), Inconsistent> {
        let n = self.len();
        same_len("images.source", "rows", n, self.source.len())?;
        same_len("images.label", "rows", n, self.label.len())?;
        same_len("images.prediction", "rows", n, self.prediction.len())?;
        same_len(
            "images.label_class",
            "labels",
            self.label_names.len(),
            self.label_class.len(),
        )?;
        let bad_label = self
            .label
            .iter()
            .flatten()
            .find(|&&label| usize::from(label) >= self.label_names.len());
        if let Some(label) = bad_label {
            let what = format!("label {label} of {}", self.label_names.len());
            return Err(Inconsistent {
                part: "images.label".to_owned(),
                what,
            });
        }
        let mut classes = self.prediction.iter().chain(&self.label_class).flatten();
        if let Some(class) = classes.find(|&&class| usize::from(class) >= n_classes) {
            return Err(Inconsistent {
                part: "images".to_owned(),
                what: format!("class {class} of {n_classes}"),
            });
        }
        Ok(())
    }
}
