//! Which image counts for which class, and which classes are easily confused.

use crate::atlas::{Atlas, ClassId};
use ndarray::{Array1, Array2, Axis};

/// What says to which class an image belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Labels that are classes of the network.
    Labels,
    /// What the network says.
    Predictions,
    /// Neither: there is nothing to go with.
    Nothing,
}

/// Images by class.
pub(super) struct Members {
    pub(super) evidence: Evidence,
    /// Per image.
    pub(super) class_of: Vec<Option<ClassId>>,
    /// Per class its images in ascending order.
    pub(super) images: Vec<Vec<u32>>,
}

/// Classes of a group of confusable classes at least, the class itself included.
const GROUP: usize = 10;

impl Members {
    /// By labels where at least half of the images have one that is a class, else by predictions.
    pub(super) fn of(atlas: &Atlas) -> Self {
        let images = &atlas.images;
        let label = |label: &Option<u16>| images.label_class[usize::from((*label)?)];
        let labels: Vec<Option<ClassId>> = images.label.iter().map(label).collect();
        let n_labelled = labels.iter().flatten().count();
        let (evidence, class_of) = if n_labelled > 0 && 2 * n_labelled >= labels.len() {
            (Evidence::Labels, labels)
        } else if images.prediction.iter().any(Option::is_some) {
            (Evidence::Predictions, images.prediction.clone())
        } else {
            (Evidence::Nothing, vec![None; images.len()])
        };
        let mut by_class = vec![Vec::new(); atlas.classes.len()];
        for (image, class) in (0..).zip(&class_of) {
            if let Some(class) = class {
                by_class[usize::from(*class)].push(image);
            }
        }
        Self {
            evidence,
            class_of,
            images: by_class,
        }
    }

    /// The class and those that are most alike among the classes that have images: at least ten of them and four
    /// times as many other images, as far as there are.
    pub(super) fn group(&self, class: usize, alike: &Array2<f32>) -> Vec<usize> {
        let mut others: Vec<usize> = (0..self.images.len())
            .filter(|&other| other != class && !self.images[other].is_empty())
            .collect();
        let row = alike.row(class);
        others.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
        let (mut group, mut n_others) = (vec![class], 0);
        for other in others {
            if group.len() >= GROUP && n_others >= 4 * self.images[class].len() {
                break;
            }
            n_others += self.images[other].len();
            group.push(other);
        }
        group
    }
}

/// Classes × classes: cosines of the classifier's own weights, or of what the cells say where it has none.
pub(super) fn alike(atlas: &Atlas) -> Array2<f32> {
    let mut rows = match &atlas.head {
        Some(head) => centred(head.weights.mapv(f32::from)),
        None => match atlas.layers.last().and_then(|layer| layer.levels.last()) {
            Some(level) => {
                let by_cell = level.attributions.mapv(f32::from);
                let across = by_cell.mean_axis(Axis(1)).unwrap_or_default();
                centred((by_cell - across.insert_axis(Axis(1))).reversed_axes())
            }
            None => Array2::zeros((atlas.classes.len(), 0)),
        },
    };
    for mut row in rows.rows_mut() {
        let norm = row.dot(&row).sqrt();
        if norm > 0.0 {
            row /= norm;
        }
    }
    rows.dot(&rows.t())
}

/// Rows minus their mean row.
pub(super) fn centred(rows: Array2<f32>) -> Array2<f32> {
    let mean = rows.mean_axis(Axis(0));
    let mean = mean.unwrap_or_else(|| Array1::zeros(rows.ncols()));
    rows - &mean
}
