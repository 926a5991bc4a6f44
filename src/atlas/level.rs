//! Grid levels: the layout cut into square cells at one resolution.

use super::{ClassId, Icons, Inconsistent, same_len};
use half::f16;
use ndarray::Array2;

/// Largest number of rows of a grid, so that nobody's product of two overflows.
const MAX_GRID: u32 = 4096;

/// One occupied square of a level's grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Row from the top, `0..grid`.
    pub row: u32,
    /// Column from the left, `0..grid`.
    pub col: u32,
    /// Number of samples in it (the density); > 0.
    pub n_samples: u32,
}

/// The atlas of one layer at one grid resolution. Cells are ordered by row, then column.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// Number of rows and of columns.
    pub grid: u32,
    /// The occupied cells.
    pub cells: Vec<Cell>,
    /// Mean activation of each cell's samples, cells × depth, raw units of the layer.
    pub directions: Array2<f16>,
    /// Mean attribution of each cell's samples to each class, cells × classes, in logits. Zero columns when the
    /// network has no classifier.
    pub attributions: Array2<f16>,
    /// Sample indices grouped by cell: cell `c` owns `members[starts[c]..starts[c + 1]]`, ascending.
    pub members: Vec<u32>,
    /// `cells + 1` offsets into `members`.
    pub starts: Vec<u32>,
    /// The feature visualisations; cells without one have `steps == 0`.
    pub icons: Icons,
}

impl Level {
    /// The index of the cell at `row`, `col`, if it is occupied.
    pub fn cell_at(&self, row: u32, col: u32) -> Option<usize> {
        self.cells
            .binary_search_by_key(&(row, col), |cell| (cell.row, cell.col))
            .ok()
    }

    /// Sample indices of cell `idx`.
    pub fn members_of(&self, idx: usize) -> &[u32] {
        let (from, to) = (self.starts[idx] as usize, self.starts[idx + 1] as usize);
        &self.members[from..to]
    }

    /// Classes of cell `idx` with their mean attribution, largest first.
    pub fn ranked_classes(&self, idx: usize) -> Vec<(ClassId, f32)> {
        let row = self.attributions.row(idx);
        let mut ranked: Vec<(ClassId, f32)> = row
            .iter()
            .enumerate()
            .map(|(c, v)| (c as ClassId, v.to_f32()))
            .collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        ranked
    }

    /// Mean attribution of cell `idx` to `class`, 0 when there is none.
    pub fn attribution(&self, idx: usize, class: ClassId) -> f32 {
        self.attributions
            .get((idx, usize::from(class)))
            .map_or(0.0, |v| v.to_f32())
    }

    /// Share of the grid's squares that are occupied, 0..=1.
    pub fn occupancy(&self) -> f32 {
        self.cells.len() as f32 / (self.grid as f32 * self.grid as f32).max(1.0)
    }

    pub(super) fn check(
        &self,
        part: &str,
        depth: usize,
        n_samples: usize,
        n_classes: usize,
    ) -> Result<(), Inconsistent> {
        let n = self.cells.len();
        same_len(part, "rows of directions", n, self.directions.nrows())?;
        same_len(
            part,
            "columns of directions",
            depth,
            self.directions.ncols(),
        )?;
        same_len(part, "rows of attributions", n, self.attributions.nrows())?;
        same_len(
            part,
            "columns of attributions",
            n_classes,
            self.attributions.ncols(),
        )?;
        same_len(part, "offsets of members", n + 1, self.starts.len())?;
        same_len(part, "icon steps", n, self.icons.steps.len())?;
        same_len(part, "icon scores", n, self.icons.score.len())?;
        same_len(part, "first offset of members", 0, self.starts[0] as usize)?;
        same_len(
            part,
            "last offset of members",
            self.members.len(),
            self.starts[n] as usize,
        )?;
        let fail = |what: String| {
            Err(Inconsistent {
                part: part.to_owned(),
                what,
            })
        };
        if self.grid == 0 || self.grid > MAX_GRID {
            return fail(format!("a grid of {}, at most {MAX_GRID}", self.grid));
        }
        for (idx, cell) in self.cells.iter().enumerate() {
            if cell.row >= self.grid || cell.col >= self.grid {
                return fail(format!(
                    "cell {},{} outside a grid of {}",
                    cell.row, cell.col, self.grid
                ));
            }
            let (from, to) = (self.starts[idx], self.starts[idx + 1]);
            if from > to || to as usize > self.members.len() || to - from != cell.n_samples {
                return fail(format!(
                    "cell {idx} counts {} samples but owns {from}..{to}",
                    cell.n_samples
                ));
            }
        }
        let place = |cell: &Cell| (cell.row, cell.col);
        if !self.cells.is_sorted_by(|a, b| place(a) < place(b)) {
            return fail("cells are not in row, column order".to_owned());
        }
        self.check_members(part, n_samples)?;
        self.icons.check(part, self.grid, &self.cells)
    }

    /// Members are a partition: ascending in each cell, no sample in two cells.
    fn check_members(&self, part: &str, n_samples: usize) -> Result<(), Inconsistent> {
        let fail = |what: String| {
            Err(Inconsistent {
                part: part.to_owned(),
                what,
            })
        };
        if let Some(sample) = self
            .members
            .iter()
            .find(|&&sample| sample as usize >= n_samples)
        {
            return fail(format!("sample {sample} of {n_samples}"));
        }
        let mut taken = vec![false; n_samples];
        for idx in 0..self.cells.len() {
            let members = self.members_of(idx);
            if !members.is_sorted() {
                return fail(format!(
                    "the samples of cell {idx} are not in ascending order"
                ));
            }
            for &member in members {
                if std::mem::replace(&mut taken[member as usize], true) {
                    return fail(format!("sample {member} belongs to two cells"));
                }
            }
        }
        Ok(())
    }
}
