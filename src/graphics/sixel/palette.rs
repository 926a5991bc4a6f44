//! Few colours for many.

use crate::graphics::raster::Pixels;
use std::cell::Cell;

/// Bits per channel of the table from colours to palette entries.
const BITS: usize = 5;

/// At most 256 colours, and for every colour the nearest of them.
#[derive(Debug)]
pub struct Palette {
    colours: Vec<[u8; 3]>,
    /// For every colour in [`BITS`] bits per channel the index of the nearest entry, once it was asked for.
    nearest: Vec<Cell<u16>>,
    /// Entries that are not the nearest to the middle of their own place in that table, by place: a colour of the
    /// atlas has to stay what it is.
    hidden: Vec<(u16, u8)>,
}

/// Not asked for yet.
const UNKNOWN: u16 = u16::MAX;
/// Beside the index: there are hidden entries in this place.
const CROWDED: u16 = 1 << 8;

/// The 216 colours of the cube and greys between them.
pub(super) fn web() -> Vec<[u8; 3]> {
    let steps = [0, 51, 102, 153, 204, 255];
    let cube = (0..216).map(|i| [steps[i / 36], steps[i / 6 % 6], steps[i % 6]]);
    cube.chain((0..38).map(|i| [(i * 255 / 37) as u8; 3]))
        .collect()
}

impl Palette {
    /// At most `most` (≥ 2) of `colours`, with black and white, which the cursor needs.
    ///
    /// When there are more, the two nearest ones are replaced by the one of them that stands for more, again and
    /// again; how much an entry stands for is the number of entries it has swallowed.
    pub fn new(colours: &[[u8; 3]], most: usize) -> Self {
        let most = most.clamp(2, 256);
        let mut all: Vec<([u8; 3], u32)> = vec![([0; 3], 1 << 16), ([255; 3], 1 << 16)];
        for &colour in colours {
            match all.iter_mut().find(|(held, _)| *held == colour) {
                Some((_, weight)) => *weight += 1,
                None => all.push((colour, 1)),
            }
        }
        let colours = reduced(all, most);
        let nearest_to = vec![Cell::new(UNKNOWN); 1 << (3 * BITS)];
        let mut hidden = Vec::new();
        for (idx, &colour) in colours.iter().enumerate() {
            let at = place(colour);
            let first = nearest(&colours, at);
            if usize::from(first) != idx {
                hidden.push((at as u16, idx as u8));
                nearest_to[at].set(CROWDED | u16::from(first));
            }
        }
        hidden.sort_unstable();
        Self {
            colours,
            nearest: nearest_to,
            hidden,
        }
    }

    /// The colours.
    pub fn colours(&self) -> &[[u8; 3]] {
        &self.colours
    }

    /// The index of (nearly) the nearest colour; a colour of the palette has its own.
    pub fn index(&self, rgb: [u8; 3]) -> u8 {
        let at = place(rgb);
        let entry = &self.nearest[at];
        if entry.get() == UNKNOWN {
            entry.set(u16::from(nearest(&self.colours, at)));
        }
        if entry.get() & CROWDED == 0 {
            return entry.get() as u8;
        }
        let first = entry.get() as u8;
        let start = (self.hidden).partition_point(|&(place, _)| usize::from(place) < at);
        let others = self.hidden[start..].iter();
        let others = others.take_while(|&&(place, _)| usize::from(place) == at);
        std::iter::once(first)
            .chain(others.map(|&(_, idx)| idx))
            .min_by_key(|&idx| distance(rgb, self.colours[usize::from(idx)]))
            .unwrap_or(first)
    }

    /// The index of every pixel.
    pub(super) fn indices(&self, pixels: &Pixels<'_>) -> Vec<u8> {
        let mut indices = Vec::with_capacity(pixels.width * pixels.height);
        for y in 0..pixels.height {
            indices.extend(pixels.row(y).iter().map(|&rgb| self.index(rgb)));
        }
        indices
    }

    /// The index of the mean of every block of `factor` × `factor` pixels.
    pub(super) fn indices_averaged(&self, pixels: &Pixels<'_>, factor: usize) -> Vec<u8> {
        let width = pixels.width.div_ceil(factor);
        let mut indices = Vec::with_capacity(width * pixels.height.div_ceil(factor));
        let mut sums = vec![0u16; 3 * pixels.width];
        for top in (0..pixels.height).step_by(factor) {
            // First down, all columns at once, then across. At most 255 · 6 fits.
            sums.fill(0);
            let rows = factor.min(pixels.height - top);
            for y in top..top + rows {
                for (sum, &value) in sums.iter_mut().zip(pixels.row(y).as_flattened()) {
                    *sum += u16::from(value);
                }
            }
            for block in sums.chunks(3 * factor) {
                let mut sum = [0u32; 3];
                for part in block.as_chunks::<3>().0 {
                    for (sum, &value) in sum.iter_mut().zip(part) {
                        *sum += u32::from(value);
                    }
                }
                let n = (rows * block.len() / 3) as u32;
                indices.push(self.index(sum.map(|sum| ((sum + n / 2) / n) as u8)));
            }
        }
        indices
    }
}

/// Where a colour stands in the table.
fn place([r, g, b]: [u8; 3]) -> usize {
    let cut = |v: u8| usize::from(v >> (8 - BITS));
    (cut(r) << (2 * BITS)) | (cut(g) << BITS) | cut(b)
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    let square = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
    // Eyes see green best and blue least.
    3 * square(a[0], b[0]) + 6 * square(a[1], b[1]) + square(a[2], b[2])
}

fn reduced(mut all: Vec<([u8; 3], u32)>, most: usize) -> Vec<[u8; 3]> {
    // For every entry its nearest neighbour.
    let nearest_to = |all: &[([u8; 3], u32)], at: usize| {
        let others = (0..all.len()).filter(|&other| other != at);
        let best = others.min_by_key(|&other| distance(all[at].0, all[other].0));
        best.map_or((u32::MAX, at), |other| {
            (distance(all[at].0, all[other].0), other)
        })
    };
    let mut neighbours: Vec<(u32, usize)> = Vec::new();
    if all.len() > most {
        neighbours = (0..all.len()).map(|at| nearest_to(&all, at)).collect();
    }
    while all.len() > most {
        // Joining entries that stand for much costs more.
        let cost = |at: usize| {
            let (distance, other) = neighbours[at];
            let weight = all[at].1.min(all[other].1);
            (u64::from(distance) * u64::from(weight), at, other)
        };
        let Some((_, a, b)) = (0..all.len()).map(cost).min() else {
            break;
        };
        let (kept, gone) = if all[a].1 >= all[b].1 { (a, b) } else { (b, a) };
        all[kept].1 = all[kept].1.saturating_add(all[gone].1);
        all.swap_remove(gone);
        neighbours.swap_remove(gone);
        // Whoever was nearest to the one that went looks again; the last entry has its place now.
        let last = all.len();
        for (at, neighbour) in neighbours.iter_mut().enumerate() {
            if neighbour.1 == gone {
                *neighbour = nearest_to(&all, at);
            } else if neighbour.1 == last {
                neighbour.1 = gone;
            }
        }
    }
    all.into_iter().map(|(colour, _)| colour).collect()
}

/// The index of the colour that is nearest to entry `at` of the table.
fn nearest(colours: &[[u8; 3]], at: usize) -> u8 {
    let n = 1usize << BITS;
    // Black and white stay what they are.
    let value = |cut: usize| (cut * 255 / (n - 1)) as u8;
    let rgb = [
        value(at >> (2 * BITS)),
        value((at >> BITS) % n),
        value(at % n),
    ];
    let best = (0..colours.len()).min_by_key(|&i| distance(rgb, colours[i]));
    best.unwrap_or(0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_colours_stand_for_many() {
        let many: Vec<[u8; 3]> = (0..=255).map(|v| [v, v / 2, 255 - v]).collect();
        for most in [2, 16, 64, 256] {
            let palette = Palette::new(&many, most);
            assert_eq!(palette.colours().len(), most);
            assert!(palette.colours().contains(&[0; 3]) && palette.colours().contains(&[255; 3]));
        }
        let palette = Palette::new(&many, 64);
        for &rgb in &many {
            let found = palette.colours()[usize::from(palette.index(rgb))];
            // 62 colours along a line of length 573 in these units.
            assert!(distance(found, rgb) < 10 * 16 * 16, "{rgb:?} {found:?}");
        }
    }

    #[test]
    fn an_entry_is_its_own_nearest() {
        // Far from each other, and so near that many share a place of the table.
        let near = (0..250).map(|i| [100 + i % 5, 100 + i / 5 % 5, 100 + i / 25]);
        for colours in [web()[..216].to_vec(), near.collect()] {
            let palette = Palette::new(&colours, 256);
            for &rgb in &colours {
                let found = palette.colours()[usize::from(palette.index(rgb))];
                assert_eq!(found, rgb);
            }
        }
    }

    #[test]
    fn blocks_are_averaged_at_the_edges_too() {
        let rgb = [
            [0; 3], [200; 3], [100; 3], [0; 3], [200; 3], [100; 3], [40; 3], [40; 3], [40; 3],
        ];
        let pixels = Pixels::new(&rgb, (3, 3), (1, 1));
        let palette = Palette::new(&[[100; 3], [40; 3]], 256);
        let found: Vec<u8> = (palette.indices_averaged(&pixels, 2).iter())
            .map(|&i| palette.colours()[usize::from(i)][0])
            .collect();
        assert_eq!(found, [100, 100, 40, 40]);
    }
}
