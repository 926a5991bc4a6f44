//! Columns: numbers of cells that the map can be coloured by, beside the attribution to a class.

use super::focus::{STRENGTHS, Shade};
use super::suspects::Head;
use crate::atlas::{Atlas, LayerAtlas, Level};
use std::collections::HashMap;

/// A number that every cell has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    /// Number of activations.
    Count,
    /// Share of the most frequent label (prediction, where there are no labels) among the cell's activations.
    Purity,
    /// Entropy of the labels in bits.
    Entropy,
    /// Share of activations whose image is not predicted as its label says.
    Mistakes,
    /// How well the icon reaches its objective.
    IconScore,
    /// A number of the suspects in the cell; the largest of those that are listed.
    Suspect(Head),
}

impl Column {
    /// Those that every atlas has.
    pub const ALL: [Column; 5] = [
        Column::Count,
        Column::Purity,
        Column::Entropy,
        Column::Mistakes,
        Column::IconScore,
    ];

    /// The name in files and in the palette.
    pub fn name(self) -> &'static str {
        match self {
            Column::Count => "count",
            Column::Purity => "label purity",
            Column::Entropy => "label entropy",
            Column::Mistakes => "mistakes",
            Column::IconScore => "icon score",
            Column::Suspect(Head::Score) => "suspicion",
            Column::Suspect(head) => head.title(),
        }
    }

    /// What it counts, for the legend.
    pub fn unit(self) -> &'static str {
        match self {
            Column::Count => "activations",
            Column::Purity | Column::Mistakes => "%",
            Column::Entropy => "bits",
            Column::IconScore | Column::Suspect(_) => "",
        }
    }

    /// The column of a name.
    pub fn named(name: &str) -> Option<Column> {
        let suspects = Head::numbers().map(Column::Suspect);
        let mut all = Column::ALL.into_iter().chain(suspects);
        all.find(|column| column.name() == name)
    }

    /// One value per cell; NaN where there is none. Those of suspects are not the atlas's to tell.
    pub fn values(self, atlas: &Atlas, layer: &LayerAtlas, level: &Level) -> Vec<f32> {
        let cells = 0..level.cells.len();
        match self {
            Column::Count => cells.map(|idx| level.cells[idx].n_samples as f32).collect(),
            Column::IconScore => cells
                .map(|idx| {
                    let drawn = level.icons.steps.get(idx).is_some_and(|&steps| steps > 0);
                    let score = level.icons.score.get(idx).copied();
                    score.filter(|_| drawn).unwrap_or(f32::NAN)
                })
                .collect(),
            Column::Purity | Column::Entropy => cells
                .map(|idx| {
                    let counts = label_counts(atlas, layer, level.members_of(idx));
                    if self == Column::Purity {
                        purity(&counts) * 100.0
                    } else {
                        entropy(&counts)
                    }
                })
                .collect(),
            Column::Suspect(_) => cells.map(|_| f32::NAN).collect(),
            Column::Mistakes => cells
                .map(|idx| mistakes(atlas, layer, level.members_of(idx)) * 100.0)
                .collect(),
        }
    }
}

/// How often each label occurs among samples; predictions where no image has a label.
fn label_counts(atlas: &Atlas, layer: &LayerAtlas, members: &[u32]) -> Vec<u32> {
    let images = || {
        let image = |&s: &u32| layer.samples.image.get(s as usize).map(|&i| i as usize);
        members.iter().filter_map(image)
    };
    let count = |ids: &mut dyn Iterator<Item = u16>| {
        let mut counts: HashMap<u16, u32> = HashMap::new();
        for id in ids {
            *counts.entry(id).or_default() += 1;
        }
        counts
    };
    let mut counts = count(&mut images().filter_map(|i| *atlas.images.label.get(i)?));
    if counts.is_empty() {
        counts = count(&mut images().filter_map(|i| *atlas.images.prediction.get(i)?));
    }
    let mut counts: Vec<u32> = counts.into_values().collect();
    counts.sort_unstable();
    counts
}

/// Share of the most frequent, NaN when nothing was counted.
fn purity(counts: &[u32]) -> f32 {
    let n: u32 = counts.iter().sum();
    counts
        .iter()
        .max()
        .map_or(f32::NAN, |&most| most as f32 / n as f32)
}

/// Shannon's entropy in bits, NaN when nothing was counted.
fn entropy(counts: &[u32]) -> f32 {
    let n: u32 = counts.iter().sum();
    if n == 0 {
        return f32::NAN;
    }
    let bits = counts.iter().map(|&c| {
        let p = c as f32 / n as f32;
        -p * p.log2()
    });
    bits.sum::<f32>().max(0.0)
}

/// Share of samples of wrongly predicted images among those with label and prediction; NaN when there is none.
fn mistakes(atlas: &Atlas, layer: &LayerAtlas, members: &[u32]) -> f32 {
    let images = &atlas.images;
    let judged = members.iter().filter_map(|&s| {
        let image = *layer.samples.image.get(s as usize)? as usize;
        let label = (*images.label.get(image)?)?;
        let class = (*images.label_class.get(usize::from(label))?)?;
        Some(class != (*images.prediction.get(image)?)?)
    });
    let (n, wrong) = judged.fold((0, 0), |(n, wrong), w| (n + 1, wrong + u32::from(w)));
    if n == 0 {
        f32::NAN
    } else {
        wrong as f32 / n as f32
    }
}

/// A column that colours the map: its values on the level that is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Coloured {
    /// Which column.
    pub kind: Column,
    /// Low values stay and high ones fade.
    pub low: bool,
    /// One per cell.
    pub values: Vec<f32>,
    /// Smallest and largest value.
    pub range: (f32, f32),
}

impl Coloured {
    /// The column on a level.
    pub fn of(kind: Column, low: bool, atlas: &Atlas, layer: &LayerAtlas, level: &Level) -> Self {
        Coloured::with(kind, low, kind.values(atlas, layer, level))
    }

    /// The column with these values.
    pub fn with(kind: Column, low: bool, values: Vec<f32>) -> Self {
        let finite = values.iter().copied().filter(|v| v.is_finite());
        let range = finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(lo, hi), v| {
            (lo.min(v), hi.max(v))
        });
        Coloured {
            kind,
            low,
            values,
            range,
        }
    }

    /// Where a cell stands between the smallest (0) and the largest (1) value; counts by their logarithm.
    pub fn share(&self, idx: usize) -> Option<f32> {
        let v = self.values.get(idx).copied().filter(|v| v.is_finite())?;
        let scale = |v: f32| {
            if self.kind == Column::Count {
                v.max(1.0).ln()
            } else {
                v
            }
        };
        let (lo, hi) = (scale(self.range.0), scale(self.range.1));
        let share = if hi > lo {
            (scale(v) - lo) / (hi - lo)
        } else {
            1.0
        };
        Some(if self.low { 1.0 - share } else { share })
    }

    /// How a cell is drawn.
    pub fn shade(&self, idx: usize, intensity: f32) -> Shade {
        let steps = f32::from(STRENGTHS - 1);
        let share = self
            .share(idx)
            .map_or(0.0, |share| (share * intensity).clamp(0.0, 1.0));
        Shade::Faded(STRENGTHS - 1 - (share * steps).round() as u8)
    }

    /// Cells by how much they stand out, those without a value left out.
    pub fn ranked(&self) -> Vec<usize> {
        let with_share = |idx: usize| Some((idx, self.share(idx)?));
        let mut cells: Vec<(usize, f32)> = (0..self.values.len()).filter_map(with_share).collect();
        cells.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        cells.into_iter().map(|(idx, _)| idx).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purity_and_entropy_of_small_counts() {
        assert!((purity(&[1, 3]) - 0.75).abs() < 1e-6);
        // 1/4 · 2 bits + 3/4 · 0.415 bits
        assert!((entropy(&[1, 3]) - 0.8113).abs() < 1e-3);
        assert!((entropy(&[2, 2, 2, 2]) - 2.0).abs() < 1e-6);
        assert!(entropy(&[5]).abs() < 1e-6 && purity(&[]).is_nan() && entropy(&[]).is_nan());
    }

    #[test]
    fn names_lead_back() {
        for column in Column::ALL {
            assert_eq!(Column::named(column.name()), Some(column));
        }
        assert_eq!(Column::named("height"), None);
    }
}
