//! The images behind an atlas: where they came from, what they are called, what the network says.

use super::{ClassId, Inconsistent, same_len};
use half::f16;
use ndarray::Array2;

/// Columns of [`Images::style`] that tell colours; the others tell stripes.
pub const COLOURS: usize = 9;
/// Orientations and octaves of the stripes.
pub const ORIENTATIONS: usize = 6;
/// See [`ORIENTATIONS`].
pub const OCTAVES: usize = 4;
/// Columns of [`Images::style`] when it is there.
pub const STYLE: usize = COLOURS + ORIENTATIONS * OCTAVES;

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
    /// How the whole picture looks as the network sees it, images × [`STYLE`]; no rows in atlases of older programs.
    /// Of the three channels (0..=255): logarithms of the means, less their mean; logarithms of the standard
    /// deviations; logarithms of the eigenvalues of the covariance, rising. Then logarithms of the mean power of the
    /// brightness by octave (the finest first) and orientation (stripes across the rows first).
    pub style: Array2<f16>,
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

    pub(super) fn check(&self, n_classes: usize, n_sources: usize) -> Result<(), Inconsistent> {
        let n = self.len();
        same_len("images.source", "rows", n, self.source.len())?;
        same_len("images.label", "rows", n, self.label.len())?;
        same_len("images.prediction", "rows", n, self.prediction.len())?;
        if !self.style.is_empty() {
            same_len("images.style", "rows", n, self.style.nrows())?;
            same_len("images.style", "columns", STYLE, self.style.ncols())?;
        }
        same_len(
            "images.label_class",
            "labels",
            self.label_names.len(),
            self.label_class.len(),
        )?;
        let bad_source = self.source.iter().find(|&&s| usize::from(s) >= n_sources);
        if let Some(source) = bad_source {
            return Err(Inconsistent {
                part: "images.source".to_owned(),
                what: format!("source {source} of {n_sources}"),
            });
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_is_checked() {
        let images = Images {
            path: vec!["a.jpg".to_owned()],
            source: vec![1],
            label: vec![None],
            prediction: vec![Some(4)],
            ..Images::default()
        };
        assert!(images.check(5, 2).is_ok());
        let error = images.check(5, 1).unwrap_err().to_string();
        assert_eq!(error, "images.source: source 1 of 1");
        assert!(images.check(4, 2).is_err());
    }
}
