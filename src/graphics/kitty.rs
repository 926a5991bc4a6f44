//! The kitty graphics protocol with direct placements.
//!
//! A picture crosses the line once (as the PNG it already is) and stays in the terminal; a frame then only says
//! which part of it lies where. Placing the same picture under the same placement number *moves* it without a
//! flash, so a pan over uploaded pictures costs some fifty bytes for each picture in view, and a frame that is
//! like the one before costs nothing.
//!
//! Terminals count decoded pixels against a quota (kitty: 320 MiB) and grow slow with thousands of pictures, so
//! the painter keeps its own account and frees the least recently shown ones in time.

pub(super) mod store;
mod tmux;
pub(super) mod wire;

pub use tmux::through_tmux;
pub use wire::place_here;

use super::{BackEnd, Frame, PictureKey, Pictures, Placement};
use std::collections::{HashMap, HashSet};
use store::{Ids, Limits, Store};
use wire::Spot;

/// Picture ids stay below this: they stand in every command of a pan, so five digits have to do.
const ID_LIMIT: u32 = 100_000;

/// Begins a synchronized update. kitty up to 0.32 loses an escape sequence that is the first thing in an update and
/// arrives in two pieces, and a picture with it that we believe it holds; something short comes first.
pub const BEGIN_UPDATE: &[u8] = b"\x1b[?2026h\r";
/// Ends one.
pub const END_UPDATE: &[u8] = b"\x1b[?2026l";

/// How a [`Painter`] behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Id of the first picture, in `1..100_000`; the next ones follow. Different runs should use different ones, so
    /// that they do not overwrite each other's pictures in one terminal.
    pub first_id: u32,
    /// Enclose a frame's bytes in a synchronized update (mode 2026).
    pub synchronized: bool,
    /// Bytes of decoded pixels (4 per pixel) the terminal may hold for us.
    pub decoded_limit: u64,
    /// Pictures the terminal may hold for us.
    pub picture_limit: usize,
}

impl Options {
    /// The defaults, with a first id drawn from `seed`.
    pub fn with_seed(seed: u64) -> Self {
        // Fibonacci hashing spreads neighbouring seeds (process ids, times) over the whole range.
        let spread = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        Self {
            first_id: 1 + (spread % u64::from(ID_LIMIT - 1)) as u32,
            synchronized: false,
            decoded_limit: 200 << 20,
            picture_limit: 512,
        }
    }
}

/// A placement the terminal shows, as far as we know.
#[derive(Debug, Clone, Copy)]
struct Shown {
    image: u32,
    /// Among the placements of this picture, from 1: almost always 1, which is short.
    number: u32,
    spot: Spot,
    /// False after a reset: it may be gone or not.
    certain: bool,
}

/// Knows what the terminal holds and shows, and sends the difference to what it should.
#[derive(Debug)]
pub struct Painter {
    options: Options,
    store: Store,
    shown: HashMap<u32, Shown>,
}

impl Painter {
    /// A painter for a terminal that holds nothing of ours yet.
    pub fn new(options: Options) -> Self {
        let ids = Ids {
            base: 0,
            shift: 0,
            limit: ID_LIMIT,
            first: options.first_id,
        };
        let limits = Limits {
            decoded: options.decoded_limit,
            pictures: options.picture_limit,
        };
        Self {
            options,
            store: Store::new(ids, limits),
            shown: HashMap::new(),
        }
    }

    /// Bytes of decoded pixels the terminal holds for us.
    pub fn decoded(&self) -> u64 {
        self.store.decoded()
    }

    fn forget_freed(&mut self, freed: &[u32]) {
        if !freed.is_empty() {
            self.shown.retain(|_, shown| !freed.contains(&shown.image));
        }
    }

    /// Places, moves and removes until the terminal shows exactly `placements` (as far as their pictures are held).
    fn place(&mut self, out: &mut Vec<u8>, placements: &[Placement]) {
        let mut wanted: HashMap<u32, Shown> = HashMap::with_capacity(placements.len());
        let mut order: Vec<u32> = Vec::with_capacity(placements.len());
        let mut taken: HashSet<(u32, u32)> = self
            .shown
            .values()
            .map(|old| (old.image, old.number))
            .collect();
        for placement in placements {
            let Some(held) = self.store.show(placement.picture) else {
                continue;
            };
            let Some(spot) = Spot::new(placement, held.width, held.height) else {
                continue;
            };
            let old = self.shown.get(&placement.id);
            let number = match old.filter(|old| old.image == held.id) {
                Some(old) => old.number,
                None => (1..=u32::MAX)
                    .find(|&number| taken.insert((held.id, number)))
                    .unwrap_or(1),
            };
            let shown = Shown {
                image: held.id,
                number,
                spot,
                certain: true,
            };
            if wanted.insert(placement.id, shown).is_none() {
                order.push(placement.id);
            }
        }
        for id in &order {
            let new = wanted[id];
            let old = self.shown.get(id);
            let unchanged = old
                .is_some_and(|old| old.image == new.image && old.certain && old.spot == new.spot);
            if !unchanged {
                wire::place(out, new.image, new.number, &new.spot);
            }
        }
        // Removal comes last: what replaces a picture is there before the old one goes.
        let mut gone: Vec<(u32, u32)> = self
            .shown
            .iter()
            .filter(|(id, old)| wanted.get(id).is_none_or(|new| new.image != old.image))
            .map(|(_, old)| (old.image, old.number))
            .collect();
        gone.sort_unstable();
        for (image, number) in gone {
            wire::unplace(out, image, number);
        }
        self.shown = wanted;
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
        self.place(&mut body, placements);
        if !body.is_empty() {
            if self.options.synchronized {
                out.extend_from_slice(BEGIN_UPDATE);
            }
            out.append(&mut body);
            if self.options.synchronized {
                out.extend_from_slice(END_UPDATE);
            }
        }
        Frame {
            pending: uploads.pending,
            farewell_changed: uploads.changed,
            ..Frame::default()
        }
    }

    fn reset(&mut self) {
        for shown in self.shown.values_mut() {
            shown.certain = false;
        }
    }

    fn forget(&mut self) {
        self.shown.clear();
        self.store.clear();
    }

    fn prefetch(
        &mut self,
        out: &mut Vec<u8>,
        keys: &[PictureKey],
        pictures: &Pictures<'_>,
        budget: usize,
    ) -> bool {
        let uploads = self.store.prefetch(out, keys, pictures, budget);
        self.forget_freed(&uploads.freed);
        uploads.pending
    }

    fn holds(&self, key: PictureKey) -> bool {
        self.store.holds(key)
    }

    fn farewell(&self) -> Vec<u8> {
        self.store.farewell()
    }
}
