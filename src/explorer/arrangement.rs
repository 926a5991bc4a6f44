//! Other orders of the cells than the map's: two classes compared, and the grid of icons of one photograph. The
//! cursor, the panes and the pictures work on them as on the map.

use super::neighbours::Units;
use crate::atlas::{ClassId, Level};

/// What is arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Two classes: the further right, the more a cell speaks for the second.
    Compare(ClassId, ClassId),
    /// The positions of the located photograph.
    Photograph,
}

/// Cells on squares of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrangement {
    /// What it shows.
    pub kind: Kind,
    /// Index of the level whose cells these are.
    pub level: usize,
    /// Rows and columns of squares.
    pub grid: u32,
    /// Row by row the cell on each square.
    squares: Vec<Option<u32>>,
}

/// Rows and columns of a comparison (the article: 10).
const COMPARE_GRID: u32 = 12;
/// Cells of a comparison: enough to see, few enough to keep their places.
const COMPARED: usize = 84;

impl Arrangement {
    /// The grid of a photograph: `cells` by row and column of a layer of `rows` × `cols`.
    pub fn of_photograph(cells: &[u16], (rows, cols): (u32, u32), level: usize) -> Option<Self> {
        let grid = rows.max(cols);
        if cells.len() != (rows * cols) as usize || cells.is_empty() {
            return None;
        }
        let mut squares = vec![None; (grid * grid) as usize];
        for row in 0..rows {
            for col in 0..cols {
                let cell = cells[(row * cols + col) as usize];
                squares[(row * grid + col) as usize] = Some(u32::from(cell));
            }
        }
        Some(Arrangement {
            kind: Kind::Photograph,
            level,
            grid,
            squares,
        })
    }

    /// The difference atlas of two classes, made of the cells that speak most for either. The column is the
    /// difference of attributions, divided by its 90th percentile (zero in the middle; the article takes the 99th, of
    /// thousands of samples instead of dozens of cells); rows bring alike cells together. `None` when no cell speaks
    /// for either.
    pub fn comparing(
        (left, right): (ClassId, ClassId),
        level: &Level,
        level_idx: usize,
        units: &Units,
    ) -> Option<Self> {
        let pair = |idx: usize| (level.attribution(idx, left), level.attribution(idx, right));
        let strength = |idx: usize| {
            let (l, r) = pair(idx);
            l.max(r)
        };
        let drawn = |idx: &usize| level.icons.steps.get(*idx).is_some_and(|&steps| steps > 0);
        let mut chosen: Vec<usize> = (0..level.cells.len())
            .filter(|&idx| strength(idx) > 0.0)
            .collect();
        if chosen.iter().any(drawn) {
            chosen.retain(drawn);
        }
        chosen.sort_by(|&a, &b| strength(b).total_cmp(&strength(a)).then(a.cmp(&b)));
        chosen.truncate(COMPARED);
        if chosen.is_empty() {
            return None;
        }
        let difference = |idx: usize| {
            let (l, r) = pair(idx);
            r - l
        };
        let mut sizes: Vec<f32> = chosen.iter().map(|&idx| difference(idx).abs()).collect();
        sizes.sort_by(f32::total_cmp);
        let scale = sizes[(sizes.len() - 1) * 9 / 10].max(f32::MIN_POSITIVE);
        let heights = ranks(&units.ordering(&chosen));
        let mut made = Arrangement {
            kind: Kind::Compare(left, right),
            level: level_idx,
            grid: COMPARE_GRID,
            squares: vec![None; (COMPARE_GRID * COMPARE_GRID) as usize],
        };
        let last = COMPARE_GRID as f32 - 1.0;
        // The strongest come first and get the squares that they ask for.
        for (&idx, height) in chosen.iter().zip(heights) {
            let x = (difference(idx) / scale).clamp(-1.0, 1.0);
            let wanted = (height * last, f32::midpoint(x, 1.0) * last);
            made.put_near(idx, wanted);
        }
        Some(made)
    }

    /// Puts a cell on the free square nearest to `wanted` (row, column); leaving the column counts three times.
    fn put_near(&mut self, cell: usize, wanted: (f32, f32)) {
        let grid = self.grid;
        let free = (0..grid * grid).filter(|&at| self.squares[at as usize].is_none());
        let cost = |at: u32| {
            let (dr, dc) = ((at / grid) as f32 - wanted.0, (at % grid) as f32 - wanted.1);
            dr * dr + 9.0 * dc * dc
        };
        if let Some(at) = free.min_by(|&a, &b| cost(a).total_cmp(&cost(b))) {
            self.squares[at as usize] = Some(cell as u32);
        }
    }

    /// The cell on a square.
    pub fn cell_at(&self, row: u32, col: u32) -> Option<usize> {
        if row >= self.grid || col >= self.grid {
            return None;
        }
        let square = self.squares.get((row * self.grid + col) as usize)?;
        square.map(|cell| cell as usize)
    }

    /// The first square of a cell.
    pub fn place_of(&self, cell: usize) -> Option<(u32, u32)> {
        let at = self.squares.iter().position(|&c| c == Some(cell as u32))? as u32;
        Some((at / self.grid, at % self.grid))
    }

    /// Occupied squares as (cell, row, column), by row, then column.
    pub fn squares(&self) -> impl Iterator<Item = (usize, u32, u32)> + '_ {
        let grid = self.grid;
        self.squares
            .iter()
            .enumerate()
            .filter_map(move |(at, cell)| {
                let at = at as u32;
                Some(((*cell)? as usize, at / grid, at % grid))
            })
    }

    /// Do all cells exist on the level?
    pub fn fits(&self, level: &Level) -> bool {
        let mut cells = self.squares.iter().flatten();
        cells.all(|&cell| (cell as usize) < level.cells.len())
    }
}

/// Ranks as numbers from 0 to 1; ties in order of appearance.
fn ranks(values: &[f32]) -> Vec<f32> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
    let mut ranks = vec![0.0; values.len()];
    let last = values.len().saturating_sub(1).max(1) as f32;
    for (rank, idx) in order.into_iter().enumerate() {
        ranks[idx] = rank as f32 / last;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atlas::sample::{SampleSpec, atlas};

    #[test]
    fn further_right_speaks_more_for_the_second_class() {
        let atlas = atlas(&SampleSpec::default());
        let level = atlas.layers[0].levels.last().unwrap();
        let units = Units::of(level);
        let made = Arrangement::comparing((2, 6), level, 1, &units).unwrap();
        let difference = |idx: usize| level.attribution(idx, 6) - level.attribution(idx, 2);
        let mut by_column = vec![Vec::new(); made.grid as usize];
        let mut seen = std::collections::HashSet::new();
        for (cell, row, col) in made.squares() {
            by_column[col as usize].push(difference(cell));
            assert!(seen.insert(cell), "cell {cell} stands twice");
            assert_eq!(made.cell_at(row, col), Some(cell));
            assert_eq!(made.place_of(cell), Some((row, col)));
        }
        let mean = |v: &Vec<f32>| v.iter().sum::<f32>() / v.len() as f32;
        let means: Vec<f32> = by_column
            .iter()
            .filter(|c| !c.is_empty())
            .map(mean)
            .collect();
        assert!(
            means.len() > 3 && means.windows(2).all(|m| m[0] <= m[1] + 0.05),
            "{means:?}"
        );
        // Swapped classes: the other way round.
        let swapped = Arrangement::comparing((6, 2), level, 1, &units).unwrap();
        let strongest = made
            .squares()
            .max_by(|a, b| difference(a.0).total_cmp(&difference(b.0)));
        let (cell, _, col) = strongest.unwrap();
        let other = swapped.place_of(cell).unwrap().1;
        assert!(
            col > made.grid / 2 && other < made.grid / 2,
            "{col} {other}"
        );
    }

    #[test]
    fn a_photograph_keeps_its_rows_and_columns() {
        let made = Arrangement::of_photograph(&[5, 6, 7, 8, 5, 9], (2, 3), 0).unwrap();
        assert_eq!(made.grid, 3);
        assert_eq!(made.cell_at(1, 0), Some(8));
        assert_eq!(made.cell_at(2, 0), None);
        assert_eq!(made.place_of(5), Some((0, 0)));
        assert!(Arrangement::of_photograph(&[1], (2, 3), 0).is_none());
    }
}
