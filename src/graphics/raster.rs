//! Terminals that keep no pictures: what changed is drawn anew in every frame.
//!
//! The screen's picture is composed here, in pixels, and compared by character with what the terminal shows. A
//! step of the cursor then costs two frames and the large icon, not the map. What is left is sent as rectangles, as
//! good as the line allows: coarse when the frame would be too large for its budget, and as it should be once the
//! person stops ([`super::BackEnd::refine`]), in pieces, so that a key never waits behind more than one.
//!
//! Text and pictures exclude each other here: whatever is written into a character erases the picture there. So a
//! frame names the characters that must be left alone ([`super::Frame::covered`]). Squares without icon are text: a
//! picture that is drawn over them in one go, because many small pictures cost more than a large one, is told
//! ([`super::BackEnd::drawn_over`]), so that the text comes back and with it the terminal's own background, which
//! nobody may have told us.

mod canvas;

use canvas::Canvas;

use super::{BackEnd, Frame, Pictures, Placement, Target};
use std::io::Write as _;

/// A rectangle of composed pixels.
#[derive(Debug, Clone, Copy)]
pub struct Pixels<'a> {
    rgb: &'a [[u8; 3]],
    /// Pixels from one row to the next.
    stride: usize,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in characters.
    pub columns: u16,
    /// Height in characters.
    pub rows: u16,
}

impl<'a> Pixels<'a> {
    /// A rectangle of `width` × `height` pixels without gaps, which is so many columns and rows large.
    pub fn new(
        rgb: &'a [[u8; 3]],
        (width, height): (usize, usize),
        (columns, rows): (u16, u16),
    ) -> Self {
        Self {
            rgb,
            stride: width,
            width,
            height,
            columns,
            rows,
        }
    }

    /// One row, from the top.
    pub fn row(&self, y: usize) -> &'a [[u8; 3]] {
        &self.rgb[y * self.stride..y * self.stride + self.width]
    }

    /// The means of blocks of `factor` × `factor` pixels, with their width and height.
    pub(super) fn averaged(&self, factor: usize) -> (Vec<[u8; 3]>, usize, usize) {
        let (width, height) = (self.width.div_ceil(factor), self.height.div_ceil(factor));
        let mut means = Vec::with_capacity(width * height);
        for top in (0..self.height).step_by(factor) {
            let rows = factor.min(self.height - top);
            for left in (0..self.width).step_by(factor) {
                let columns = factor.min(self.width - left);
                let mut sum = [0u32; 3];
                for y in top..top + rows {
                    for rgb in &self.row(y)[left..left + columns] {
                        for (sum, &value) in sum.iter_mut().zip(rgb) {
                            *sum += u32::from(value);
                        }
                    }
                }
                let n = (rows * columns) as u32;
                means.push(sum.map(|sum| ((sum + n / 2) / n) as u8));
            }
        }
        (means, width, height)
    }
}

/// A way to write a rectangle of pixels at the cursor.
pub trait Encoding {
    /// Bytes per pixel at each quality, from the best (0) to the coarsest, before anything was measured.
    fn first_guess(&self) -> &'static [f64];
    /// The colours of the pictures; true when that changes what is drawn.
    fn set_palette(&mut self, colours: &[[u8; 3]]) -> bool;
    /// Largest width and height of one picture in pixels.
    fn largest(&self) -> Option<(u16, u16)>;
    /// Appends the picture, which is drawn at the cursor.
    fn encode(&mut self, out: &mut Vec<u8>, pixels: &Pixels<'_>, quality: usize);
}

/// How a [`Painter`] behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Width and height of a character in pixels.
    pub cell_pixels: (u16, u16),
    /// What is seen through transparent pixels, sRGB.
    pub background: [u8; 3],
}

/// What a character of the terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Text, or nobody knows.
    Other,
    /// The composed pixels, in this quality.
    Picture(u8),
}

/// Draws what changed.
#[derive(Debug)]
pub struct Painter<E> {
    options: Options,
    encoder: E,
    /// Measured bytes per pixel at each quality.
    costs: Vec<f64>,
    canvas: Canvas,
    /// The pixels that were sent last.
    sent: Vec<[u8; 3]>,
    /// By character, row by row.
    shown: Vec<Shown>,
    /// What the last call drew over although no picture is seen there.
    over: Vec<Target>,
}

impl<E: Encoding> Painter<E> {
    /// A painter for a terminal that shows nothing of ours yet.
    pub fn new(options: Options, encoder: E) -> Self {
        Self {
            costs: encoder.first_guess().to_vec(),
            options,
            encoder,
            canvas: Canvas::new(options.cell_pixels, options.background),
            sent: Vec::new(),
            shown: Vec::new(),
            over: Vec::new(),
        }
    }

    /// Rectangles of characters for which `pick` holds, together with gaps between them where that makes fewer: each
    /// begins with its colours.
    fn joined(&self, pick: impl Fn(usize) -> bool) -> Vec<Target> {
        let apart = self.rectangles(&pick);
        if apart.len() < 2 {
            return apart;
        }
        let columns = usize::from(self.canvas.size().0);
        let together = self.rectangles(|at| pick(at) || self.canvas.is_gap(at));
        let together = together.into_iter();
        let together: Vec<Target> = together
            .filter_map(|target| shrunk(target, columns, &pick))
            .collect();
        if together.len() < apart.len() {
            together
        } else {
            apart
        }
    }

    /// Rectangles of covered characters for which `pick` holds.
    fn rectangles(&self, pick: impl Fn(usize) -> bool) -> Vec<Target> {
        let (columns, rows) = self.canvas.size();
        let mut open: Vec<Target> = Vec::new();
        let mut done: Vec<Target> = Vec::new();
        for row in 0..rows {
            let mut spans: Vec<(u16, u16)> = Vec::new();
            for column in 0..columns {
                let at = usize::from(row) * usize::from(columns) + usize::from(column);
                if !pick(at) {
                    continue;
                }
                match spans.last_mut() {
                    Some((_, end)) if *end == column => *end += 1,
                    _ => spans.push((column, column + 1)),
                }
            }
            // A span goes on downwards as long as it stays the same.
            let (kept, ended): (Vec<Target>, Vec<Target>) = open
                .into_iter()
                .partition(|t| spans.contains(&(t.column, t.column + t.columns)));
            done.extend(ended);
            open = kept;
            for (start, end) in spans {
                let grown = open
                    .iter_mut()
                    .find(|t| (t.column, t.columns) == (start, end - start));
                match grown {
                    Some(target) => target.rows += 1,
                    None => open.push(Target {
                        column: start,
                        row,
                        columns: end - start,
                        rows: 1,
                    }),
                }
            }
        }
        done.extend(open);
        done.sort_by_key(|t| (t.row, t.column));
        done
    }

    /// Cuts rectangles that are larger than the terminal takes.
    fn cut(&self, targets: Vec<Target>) -> Vec<Target> {
        let Some((width, height)) = self.encoder.largest() else {
            return targets;
        };
        let (w, h) = self.options.cell_pixels;
        let (most_columns, most_rows) = ((width / w.max(1)).max(1), (height / h.max(1)).max(1));
        let mut pieces = Vec::new();
        for target in targets {
            for top in (0..target.rows).step_by(usize::from(most_rows)) {
                for left in (0..target.columns).step_by(usize::from(most_columns)) {
                    pieces.push(Target {
                        column: target.column + left,
                        row: target.row + top,
                        columns: most_columns.min(target.columns - left),
                        rows: most_rows.min(target.rows - top),
                    });
                }
            }
        }
        pieces
    }

    fn area(&self, targets: &[Target]) -> f64 {
        let (w, h) = self.options.cell_pixels;
        let characters: u64 = (targets.iter())
            .map(|t| u64::from(t.columns) * u64::from(t.rows))
            .sum();
        characters as f64 * f64::from(w) * f64::from(h)
    }

    /// Sends the rectangles and remembers that.
    fn draw(&mut self, out: &mut Vec<u8>, targets: &[Target], quality: usize) {
        let before = out.len();
        let columns = usize::from(self.canvas.size().0);
        for target in targets {
            let _ = write!(
                out,
                "\x1b[{};{}H",
                u32::from(target.row) + 1,
                u32::from(target.column) + 1
            );
            self.encoder
                .encode(out, &self.canvas.pixels(*target), quality);
            self.canvas.copy(*target, &mut self.sent);
            let mut gaps = false;
            for at in characters(*target, columns) {
                let covered = self.canvas.covered()[at];
                gaps |= !covered;
                self.shown[at] = if covered {
                    Shown::Picture(quality as u8)
                } else {
                    Shown::Other
                };
            }
            if gaps {
                self.over.push(*target);
            }
        }
        let area = self.area(targets);
        // Small pieces are mostly overhead and say little.
        if area > 20_000.0 {
            let cost = (out.len() - before) as f64 / area;
            self.costs[quality] = 0.5 * self.costs[quality] + 0.5 * cost;
        }
    }

    /// The best quality in which so many pixels stay within the budget.
    fn affordable(&self, area: f64, budget: usize) -> usize {
        let fits = |cost: &f64| area * cost <= budget as f64;
        (self.costs.iter().position(fits)).unwrap_or(self.costs.len() - 1)
    }

    /// Coarse rectangles, cut into strips that stay within the budget, from the top; true when some are left.
    fn strips(&self, budget: usize) -> (Vec<Target>, bool) {
        let coarse = self.joined(|at| matches!(self.shown[at], Shown::Picture(1..)));
        let coarse = self.cut(coarse);
        let mut left = budget as f64;
        let mut taken: Vec<Target> = Vec::new();
        for target in coarse {
            let line = self.area(&[Target { rows: 1, ..target }]) * self.costs[0];
            let rows = (left / line.max(1.0)) as u16;
            let rows = if taken.is_empty() { rows.max(1) } else { rows }.min(target.rows);
            if rows > 0 {
                taken.push(Target { rows, ..target });
                left -= line * f64::from(rows);
            }
            if rows < target.rows {
                return (taken, true);
            }
        }
        (taken, false)
    }
}

/// The characters of a rectangle on a screen of so many columns.
fn characters(target: Target, columns: usize) -> impl Iterator<Item = usize> {
    let rows = usize::from(target.row)..usize::from(target.row + target.rows);
    rows.flat_map(move |row| {
        let start = row * columns + usize::from(target.column);
        start..start + usize::from(target.columns)
    })
}

/// The part of a rectangle that reaches around the characters for which `pick` holds, if there are any. Each of its
/// edges touches one: a strip cut from it is never without.
fn shrunk(target: Target, columns: usize, pick: impl Fn(usize) -> bool) -> Option<Target> {
    let picked = || characters(target, columns).filter(|&at| pick(at));
    let rows = || picked().map(|at| (at / columns) as u16);
    let cols = || picked().map(|at| (at % columns) as u16);
    let (top, left) = (rows().min()?, cols().min()?);
    Some(Target {
        column: left,
        row: top,
        columns: cols().max()? - left + 1,
        rows: rows().max()? - top + 1,
    })
}

impl<E: Encoding> BackEnd for Painter<E> {
    fn frame(
        &mut self,
        out: &mut Vec<u8>,
        placements: &[Placement],
        pictures: &Pictures<'_>,
        upload_budget: usize,
    ) -> Frame {
        let before = self.canvas.size();
        self.over.clear();
        self.canvas.compose(placements, pictures);
        let (columns, rows) = self.canvas.size();
        if (columns, rows) != before {
            // The canvas grew: what was sent lies elsewhere in memory now.
            self.sent = vec![[0; 3]; self.canvas.len()];
            self.shown = vec![Shown::Other; usize::from(columns) * usize::from(rows)];
        }
        for (shown, &covered) in self.shown.iter_mut().zip(self.canvas.covered()) {
            if !covered {
                *shown = Shown::Other;
            }
        }
        let changed = self.canvas.changed(&self.sent);
        let dirty = |at: usize| {
            self.canvas.covered()[at] && (self.shown[at] == Shown::Other || changed[at])
        };
        let targets = self.joined(dirty);
        let targets = self.cut(targets);
        let mut frame = Frame {
            covered: self.rectangles(|at| self.canvas.covered()[at]),
            ..Frame::default()
        };
        if targets.is_empty() {
            // Nothing to send.
        } else if upload_budget == 0 {
            frame.pending = true;
        } else {
            let quality = self.affordable(self.area(&targets), upload_budget);
            self.draw(out, &targets, quality);
        }
        frame.coarse = self.shown.iter().any(|s| matches!(s, Shown::Picture(1..)));
        frame
    }

    fn reset(&mut self) {
        self.forget();
    }

    fn forget(&mut self) {
        self.shown.fill(Shown::Other);
    }

    fn farewell(&self) -> Vec<u8> {
        Vec::new()
    }

    fn set_palette(&mut self, colours: &[[u8; 3]]) {
        if self.encoder.set_palette(colours) {
            self.shown.fill(Shown::Other);
        }
    }

    fn drawn_over(&self) -> &[Target] {
        &self.over
    }

    fn refine(&mut self, out: &mut Vec<u8>, budget: usize) -> bool {
        self.over.clear();
        let (targets, more) = self.strips(budget.max(1));
        self.draw(out, &targets, 0);
        more
    }
}
