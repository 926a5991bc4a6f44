//! The class view: only what one class uses. Samples are chosen as in the article's class atlases, and a cell is
//! shown when it holds any of them.

use crate::atlas::{ClassId, LayerAtlas, Level};

/// Which samples belong to a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// The samples with the largest attribution to the class ("by overall magnitude"), at most [`TOP`].
    Top,
    /// The samples that speak for no class more than for this one ("by top rank").
    Winner,
}

/// How many samples "top" takes (the article).
pub const TOP: usize = 2000;

impl Filter {
    /// The name on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Filter::Top => "top",
            Filter::Winner => "winner",
        }
    }
}

/// A filtered layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassView {
    /// The class.
    pub class: ClassId,
    /// How samples are chosen.
    pub filter: Filter,
    /// What it was made from: layer, level and the atlas's count.
    pub of: (usize, usize, u64),
    /// Samples that are kept, by index in the layer.
    kept: Vec<bool>,
    /// Kept samples of each cell of the level.
    counts: Vec<u32>,
}

impl ClassView {
    /// The view of a class on a level.
    pub fn of(
        (class, filter): (ClassId, Filter),
        layer: &LayerAtlas,
        level: &Level,
        of: (usize, usize, u64),
    ) -> Self {
        let kept = kept(class, filter, layer);
        let count = |cell: usize| {
            let members = level.members_of(cell).iter();
            members.filter(|&&s| kept[s as usize]).count() as u32
        };
        let counts = (0..level.cells.len()).map(count).collect();
        ClassView {
            class,
            filter,
            of,
            kept,
            counts,
        }
    }

    /// Kept samples of a cell.
    pub fn count(&self, cell: usize) -> u32 {
        self.counts.get(cell).copied().unwrap_or(0)
    }

    /// Is the sample kept?
    pub fn keeps(&self, sample: u32) -> bool {
        self.kept.get(sample as usize).copied().unwrap_or(false)
    }

    /// Kept samples in all, and cells that hold any.
    pub fn totals(&self) -> (u64, u64) {
        let cells = self.counts.iter().filter(|&&n| n > 0).count();
        (
            self.counts.iter().map(|&n| u64::from(n)).sum(),
            cells as u64,
        )
    }

    /// Cells by falling number of kept samples; those without any are left out.
    pub fn ranked(&self) -> Vec<usize> {
        let mut cells: Vec<usize> = (0..self.counts.len())
            .filter(|&c| self.counts[c] > 0)
            .collect();
        cells.sort_by_key(|&cell| (std::cmp::Reverse(self.counts[cell]), cell));
        cells
    }
}

fn kept(class: ClassId, filter: Filter, layer: &LayerAtlas) -> Vec<bool> {
    let n = layer.samples.len();
    match filter {
        Filter::Winner => (0..n)
            .map(|idx| {
                // Stored by size, so the first positive one is the largest.
                let best = layer.samples.top(idx).find(|&(_, v)| v > 0.0);
                best.is_some_and(|(c, _)| c == class)
            })
            .collect(),
        Filter::Top => {
            let value = |idx: usize| {
                let mut top = layer.samples.top(idx);
                top.find(|&(c, _)| c == class).map_or(0.0, |(_, v)| v)
            };
            let mut strong: Vec<(f32, usize)> = (0..n)
                .map(|idx| (value(idx), idx))
                .filter(|(v, _)| *v > 0.0)
                .collect();
            strong.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let mut kept = vec![false; n];
            for (_, idx) in strong.into_iter().take(TOP) {
                kept[idx] = true;
            }
            kept
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atlas::sample::{SampleSpec, atlas};

    #[test]
    fn winners_speak_most_for_the_class_and_top_takes_the_largest() {
        let atlas = atlas(&SampleSpec::default());
        let layer = &atlas.layers[0];
        let level = &layer.levels[1];
        let class = 3;
        let view = ClassView::of((class, Filter::Winner), layer, level, (0, 1, 1));
        for idx in 0..layer.samples.len() {
            let best = layer
                .samples
                .top(idx)
                .max_by(|a, b| a.1.total_cmp(&b.1))
                .unwrap();
            let wins = best.0 == class && best.1 > 0.0;
            assert_eq!(view.keeps(idx as u32), wins, "sample {idx}: {best:?}");
        }
        let (samples, cells) = view.totals();
        assert!(samples > 0 && cells > 0 && (cells as usize) < level.cells.len());
        let top = ClassView::of((class, Filter::Top), layer, level, (0, 1, 1));
        let value =
            |idx: usize| super::super::photographs::attribution_of(layer, idx as u32, class);
        let all = 0..layer.samples.len();
        let least = all
            .clone()
            .filter(|&i| top.keeps(i as u32))
            .map(value)
            .fold(f32::MAX, f32::min);
        let most = all
            .filter(|&i| !top.keeps(i as u32))
            .map(value)
            .fold(f32::MIN, f32::max);
        assert!(least > 0.0 && most <= least.max(0.0));
        assert_eq!(top.ranked().len() as u64, top.totals().1);
    }
}
