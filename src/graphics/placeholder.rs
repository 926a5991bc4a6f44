//! kitty graphics placed by characters, for tmux, which moves characters about and knows nothing of pictures.
//!
//! A picture is sent once (through tmux, wrapped) and given a *virtual* placement of so many columns and rows. A
//! character U+10EEEE then shows one square of it: its foreground colour is the picture's id, the diacritics above
//! it say which row and column. Where they are left out, they go on from the character on the left, so a pan by
//! one column changes two characters of each row of a picture. All our pictures share one colour and differ in the
//! third diacritic, which goes on as well, so that a row which shows another picture costs no more.
//!
//! The terminal keeps the picture's shape inside the virtual placement, and a character shows one picture only:
//! nothing lies over anything. Of overlapping placements the highest is taken. A placement's source has to be cut at
//! the characters of the whole picture ([`squares`]); others cannot be shown and are left out.

mod diacritics;

pub use diacritics::{DIACRITICS, diacritic, number};

use super::kitty::store::{Ids, Limits, Store};
use super::kitty::{through_tmux, wire};
use super::{BackEnd, Frame, PictureKey, Pictures, Placement};
use std::collections::{BTreeMap, HashMap};

/// The character that stands for a part of a picture.
pub const CHARACTER: char = '\u{10EEEE}';

/// One character of the screen that shows a part of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placeholder {
    /// Column, 0-based.
    pub column: u16,
    /// Row, 0-based.
    pub row: u16,
    /// Id of the picture: its low byte is the foreground colour (of the 256), its high byte the third diacritic; the
    /// bytes between are 0. The low byte is the same for all pictures of a run.
    pub image: u32,
    /// Row of the picture that this character shows.
    pub image_row: u16,
    /// Column of the picture that this character shows.
    pub image_column: u16,
}

impl Placeholder {
    /// The character with all its diacritics, for the first of a row of them.
    pub fn symbol(&self) -> String {
        [self.image_row, self.image_column, (self.image >> 24) as u16]
            .into_iter()
            .filter_map(diacritic)
            .fold(CHARACTER.to_string(), |mut text, mark| {
                text.push(mark);
                text
            })
    }

    /// The number of the foreground colour.
    pub fn colour(&self) -> u8 {
        self.image as u8
    }

    /// True when this one goes on where `left` ends, so that it needs no diacritics.
    pub fn continues(&self, left: &Self) -> bool {
        (left.row, left.column + 1, left.image) == (self.row, self.column, self.image)
            && (left.image_row, left.image_column + 1) == (self.image_row, self.image_column)
    }
}

/// A picture divided into characters, and where a placement's target lies in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Squares {
    /// Columns of the whole picture.
    pub columns: u16,
    /// Rows of the whole picture.
    pub rows: u16,
    /// Columns cut off on the left.
    pub left: u16,
    /// Rows cut off at the top.
    pub top: u16,
}

/// How `placement` divides a picture of `width` × `height` pixels; `None` when its edges fall between pixels or it
/// has more rows or columns than can be counted.
pub fn squares(placement: &Placement, (width, height): (u32, u32)) -> Option<Squares> {
    let (source, target) = (placement.source.clipped(width, height)?, placement.target);
    let axis = |whole: u32, start: u32, part: u32, squares: u16| {
        let squares = u32::from(squares);
        let (all, first) = (whole * squares / part, start * squares / part);
        let exact = [whole, start]
            .iter()
            .all(|n| (n * squares).is_multiple_of(part));
        let counted = all <= DIACRITICS as u32 && first + squares <= all;
        (exact && counted).then_some((all as u16, first as u16))
    };
    let (columns, left) = axis(width, source.x, source.width, target.columns)?;
    let (rows, top) = axis(height, source.y, source.height, target.rows)?;
    Some(Squares {
        columns,
        rows,
        left,
        top,
    })
}

/// How a [`Painter`] behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Low byte of the ids, the colour of the characters: different runs should use different ones. From 16 on, since
    /// tmux sends the first sixteen colours on by name (`SGR 34`), and not every terminal finds the number again.
    pub low: u8,
    /// Wrap everything for tmux.
    pub tmux: bool,
    /// Bytes of decoded pixels (4 per pixel) the terminal may hold for us.
    pub decoded_limit: u64,
}

impl Options {
    /// The defaults, with ids drawn from `seed`.
    pub fn with_seed(seed: u64) -> Self {
        let spread = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        Self {
            low: 16 + (spread % 240) as u8,
            tmux: false,
            decoded_limit: 200 << 20,
        }
    }
}

/// Knows what the terminal holds and in which sizes.
#[derive(Debug)]
pub struct Painter {
    options: Options,
    store: Store,
    /// Columns and rows of each picture's virtual placement, by id.
    sizes: HashMap<u32, (u16, u16)>,
}

impl Painter {
    /// A painter for a terminal that holds nothing of ours yet.
    pub fn new(options: Options) -> Self {
        let ids = Ids {
            base: u32::from(options.low),
            shift: 24,
            limit: 256,
            first: 1,
        };
        let limits = Limits {
            decoded: options.decoded_limit,
            pictures: 255,
        };
        Self {
            options,
            store: Store::new(ids, limits),
            sizes: HashMap::new(),
        }
    }

    /// Bytes of decoded pixels the terminal holds for us.
    pub fn decoded(&self) -> u64 {
        self.store.decoded()
    }

    /// Divides the picture into so many columns and rows.
    fn divide(&mut self, out: &mut Vec<u8>, image: u32, size: (u16, u16)) {
        if self.sizes.insert(image, size) != Some(size) {
            wire::place_virtually(out, image, size.0, size.1);
        }
    }

    fn send(&self, out: &mut Vec<u8>, commands: &[u8]) {
        if !self.options.tmux {
            return out.extend_from_slice(commands);
        }
        let mut start = 0;
        for at in 0..commands.len().saturating_sub(1) {
            if commands[at..at + 2] == *b"\x1b\\" {
                through_tmux(out, &commands[start..at + 2]);
                start = at + 2;
            }
        }
    }

    fn forget_freed(&mut self, freed: &[u32]) {
        self.sizes.retain(|id, _| !freed.contains(id));
    }
}

impl BackEnd for Painter {
    fn frame(
        &mut self,
        out: &mut Vec<u8>,
        placements: &[Placement],
        pictures: &Pictures<'_>,
        upload_budget: usize,
    ) -> Frame {
        let mut body = Vec::new();
        let uploads = (self.store).begin_frame(&mut body, placements, pictures, upload_budget);
        self.forget_freed(&uploads.freed);
        let mut order: Vec<&Placement> = placements.iter().collect();
        order.sort_by_key(|p| p.z);
        let mut cells: BTreeMap<(u16, u16), Placeholder> = BTreeMap::new();
        for placement in order {
            let Some(held) = self.store.show(placement.picture) else {
                continue;
            };
            let Some(squares) = squares(placement, (held.width, held.height)) else {
                continue;
            };
            self.divide(&mut body, held.id, (squares.columns, squares.rows));
            let target = placement.target;
            for down in 0..target.rows {
                for right in 0..target.columns {
                    let (row, column) = (target.row + down, target.column + right);
                    let cell = Placeholder {
                        column,
                        row,
                        image: held.id,
                        image_row: squares.top + down,
                        image_column: squares.left + right,
                    };
                    cells.insert((row, column), cell);
                }
            }
        }
        self.send(out, &body);
        Frame {
            placeholders: cells.into_values().collect(),
            pending: uploads.pending,
            farewell_changed: uploads.changed,
            ..Frame::default()
        }
    }

    fn reset(&mut self) {
        // Virtual placements have no place on the screen and survive.
    }

    fn forget(&mut self) {
        self.store.clear();
        self.sizes.clear();
    }

    fn prefetch(
        &mut self,
        out: &mut Vec<u8>,
        keys: &[PictureKey],
        pictures: &Pictures<'_>,
        budget: usize,
    ) -> bool {
        let mut body = Vec::new();
        let uploads = self.store.prefetch(&mut body, keys, pictures, budget);
        self.forget_freed(&uploads.freed);
        self.send(out, &body);
        uploads.pending
    }

    fn holds(&self, key: PictureKey) -> bool {
        self.store.holds(key)
    }

    fn farewell(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.send(&mut out, &self.store.farewell());
        out
    }
}
