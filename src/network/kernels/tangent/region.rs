//! Rectangles of maps, and what is done with the values under them.

use super::super::pointwise::Mask;
use super::super::pool::Window;
use super::super::simd::{LANES, Work};

/// A rectangle of a map, possibly empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Region {
    /// First row and column.
    pub start: [usize; 2],
    /// Rows and columns.
    pub size: [usize; 2],
}

impl Region {
    #[inline]
    pub(super) fn pixels(&self) -> usize {
        self.size[0] * self.size[1]
    }

    #[inline]
    pub(super) fn end(&self, axis: usize) -> usize {
        self.start[axis] + self.size[axis]
    }

    /// Outputs whose windows touch the region.
    pub(super) fn seen_by(&self, window: &Window, output: [usize; 2]) -> Self {
        let mut seen = Self::default();
        if self.pixels() == 0 {
            return seen;
        }
        for (axis, &n) in output.iter().enumerate() {
            let (k, s, p) = (window.extent(axis), window.stride[axis], window.pads[axis]);
            // Window o covers o s − p .. o s − p + k.
            let first = (self.start[axis] + p + 1).saturating_sub(k).div_ceil(s);
            let last = ((self.end(axis) - 1 + p) / s + 1).min(n);
            seen.start[axis] = first;
            seen.size[axis] = last.saturating_sub(first);
        }
        if seen.pixels() == 0 {
            return Self::default();
        }
        seen
    }

    /// The smallest region that holds both.
    pub(super) fn union(&self, other: &Self) -> Self {
        if self.pixels() == 0 {
            return *other;
        }
        if other.pixels() == 0 {
            return *self;
        }
        let start = [0, 1].map(|axis| self.start[axis].min(other.start[axis]));
        let end = [0, 1].map(|axis| self.end(axis).max(other.end(axis)));
        Self {
            start,
            size: [end[0] - start[0], end[1] - start[1]],
        }
    }
}

/// One side of a pair, on the region of both.
pub(super) struct Stretch {
    pub map: [usize; 2],
    pub region: Region,
    /// Where this side's tangent stands.
    pub at: Region,
    /// It has one pixel for the whole map.
    pub single: bool,
    /// The other side has.
    pub other_single: bool,
    pub sign: f32,
}

impl Stretch {
    /// y += ± t, or t times the other side's value on the map.
    pub(super) fn add(&self, t: &[f32], other: Option<&[f32]>, y: &mut [f32]) {
        let (region, at) = (self.region, self.at);
        for (idx, y) in y.chunks_exact_mut(LANES).enumerate() {
            let (block, pixel) = (idx / region.pixels(), idx % region.pixels());
            let row = region.start[0] + pixel / region.size[1];
            let col = region.start[1] + pixel % region.size[1];
            let from = if self.single {
                block
            } else if (at.start[0]..at.end(0)).contains(&row)
                && (at.start[1]..at.end(1)).contains(&col)
            {
                (block * at.size[0] + row - at.start[0]) * at.size[1] + col - at.start[1]
            } else {
                continue;
            };
            let t = &t[from * LANES..(from + 1) * LANES];
            match other {
                Some(other) => {
                    let pixel = if self.other_single {
                        block
                    } else {
                        (block * self.map[0] + row) * self.map[1] + col
                    };
                    let other = &other[pixel * LANES..(pixel + 1) * LANES];
                    for lane in 0..LANES {
                        y[lane] += self.sign * t[lane] * other[lane];
                    }
                }
                None => {
                    for lane in 0..LANES {
                        y[lane] += self.sign * t[lane];
                    }
                }
            }
        }
    }
}

/// A map's values under a region.
pub(super) fn cut(map_values: &[f32], map: [usize; 2], region: Region, to: &mut [f32]) {
    for (idx, row) in to.chunks_exact_mut(region.size[1] * LANES).enumerate() {
        let (block, region_row) = (idx / region.size[0], idx % region.size[0]);
        let pixel = (block * map[0] + region.start[0] + region_row) * map[1] + region.start[1];
        row.copy_from_slice(&map_values[pixel * LANES..pixel * LANES + row.len()]);
    }
}

/// Zeroes a region's values where the map's sign bit is not set.
pub(super) struct MaskRegion<'a> {
    pub map: [usize; 2],
    pub region: Region,
    pub bits: &'a [u16],
    pub y: &'a mut [f32],
}

impl Work for MaskRegion<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let Region { start, size } = self.region;
        for (idx, row) in self.y.chunks_exact_mut(size[1] * LANES).enumerate() {
            let (block, region_row) = (idx / size[0], idx % size[0]);
            let pixel = (block * self.map[0] + start[0] + region_row) * self.map[1] + start[1];
            let g = row;
            let bits = &self.bits[pixel..pixel + size[1]];
            Mask { bits, g }.run();
        }
    }
}

/// Each window's winner's tangent, where the winner lies in the region of the input.
pub(super) fn gather(
    window: &Window,
    (from, x): (Region, &[f32]),
    (output, region): ([usize; 2], Region),
    winners: &[u8],
    y: &mut [f32],
) {
    for (idx, value) in y.iter_mut().enumerate() {
        let (pixel, lane) = (idx / LANES, idx % LANES);
        let (block, pixel) = (pixel / region.pixels(), pixel % region.pixels());
        let row = region.start[0] + pixel / region.size[1];
        let col = region.start[1] + pixel % region.size[1];
        let winner = winners[((block * output[0] + row) * output[1] + col) * LANES + lane] as usize;
        let row = row * window.stride[0] + winner / window.kernel[1] - window.pads[0];
        let col = col * window.stride[1] + winner % window.kernel[1] - window.pads[1];
        let inside = (from.start[0]..from.end(0)).contains(&row)
            && (from.start[1]..from.end(1)).contains(&col);
        *value = if inside {
            let row = block * from.size[0] + row - from.start[0];
            x[(row * from.size[1] + col - from.start[1]) * LANES + lane]
        } else {
            0.0
        };
    }
}

/// Mean tangent of each window, zero outside of the region of the input.
pub(super) struct MeanRegion<'a> {
    pub window: &'a Window,
    pub counts_padding: bool,
    pub map: [usize; 2],
    pub from: Region,
    pub region: Region,
    pub x: &'a [f32],
    pub y: &'a mut [f32],
}

impl Work for MeanRegion<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let (from, region) = (self.from, self.region);
        for (idx, y) in self.y.chunks_exact_mut(LANES).enumerate() {
            let (block, pixel) = (idx / region.pixels(), idx % region.pixels());
            let at = [pixel / region.size[1], pixel % region.size[1]];
            let mut seen = [(0, 0); 2];
            for axis in 0..2 {
                let output = region.start[axis] + at[axis];
                let (first, end) = self.window.span(axis, output, self.map[axis]);
                let start = first.max(from.start[axis]) - from.start[axis];
                seen[axis] = (
                    start,
                    end.min(from.end(axis)).saturating_sub(from.start[axis]),
                );
            }
            let output = [0, 1].map(|axis| region.start[axis] + at[axis]);
            let share = self
                .window
                .mean_share(self.counts_padding, output, self.map);
            let mut sum = [0f32; LANES];
            for row in seen[0].0..seen[0].1 {
                for col in seen[1].0..seen[1].1 {
                    let x = ((block * from.size[0] + row) * from.size[1] + col) * LANES;
                    for (sum, x) in sum.iter_mut().zip(&self.x[x..x + LANES]) {
                        *sum += x;
                    }
                }
            }
            for (y, sum) in y.iter_mut().zip(sum) {
                *y = sum * share;
            }
        }
    }
}
