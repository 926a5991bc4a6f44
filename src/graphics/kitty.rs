//! The kitty graphics protocol with direct placements.
//!
//! A picture crosses the line once (as the PNG it already is) and stays in the terminal; a frame then only says
//! which part of it lies where. Placing the same picture under the same placement number *moves* it without a
//! flash, so a pan over uploaded pictures costs some fifty bytes for each picture in view, and a frame that is
//! like the one before costs nothing.
//!
//! Terminals count decoded pixels against a quota (kitty: 320 MiB) and grow slow with thousands of pictures, so
//! the painter keeps its own account and frees the least recently shown ones in time.

mod wire;

pub use wire::place_here;

use super::{BackEnd, Frame, PictureKey, Pictures, Placement};
use std::collections::{HashMap, HashSet};
use wire::Spot;

/// Longest side that kitty accepts.
const MAX_SIDE: u32 = 10_000;
/// Picture ids stay below this: they stand in every command of a pan, so six digits have to do. (They also fit
/// the 24 bits of a placeholder cell's colour.)
const ID_LIMIT: u32 = 1_000_000;

/// How a [`Painter`] behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Id of the first picture, in `1..1_000_000`; the next ones follow. Different runs should use different ones, so
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

/// A picture the terminal holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    id: u32,
    width: u32,
    height: u32,
    last_shown: u64,
}

impl Held {
    fn decoded(&self) -> u64 {
        4 * u64::from(self.width) * u64::from(self.height)
    }
}

/// A placement the terminal shows, as far as we know.
#[derive(Debug, Clone, Copy)]
struct Shown {
    image: u32,
    spot: Spot,
    /// False after a reset: it may be gone or not.
    certain: bool,
}

/// Knows what the terminal holds and shows, and sends the difference to what it should.
#[derive(Debug)]
pub struct Painter {
    options: Options,
    next_id: u32,
    held: HashMap<PictureKey, Held>,
    decoded: u64,
    shown: HashMap<u32, Shown>,
    /// Pictures that cannot be sent (empty or too large), so that they are not asked for in every frame.
    unfit: HashSet<PictureKey>,
    frame: u64,
}

impl Painter {
    /// A painter for a terminal that holds nothing of ours yet.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            next_id: options.first_id.clamp(1, ID_LIMIT - 1),
            held: HashMap::new(),
            decoded: 0,
            shown: HashMap::new(),
            unfit: HashSet::new(),
            frame: 0,
        }
    }

    /// Bytes of decoded pixels the terminal holds for us.
    pub fn decoded(&self) -> u64 {
        self.decoded
    }

    /// Uploads what `placements` need and the terminal lacks; true when the budget ended it early.
    fn upload(
        &mut self,
        out: &mut Vec<u8>,
        placements: &[Placement],
        pictures: &Pictures<'_>,
        budget: usize,
    ) -> Uploads {
        let mut uploads = Uploads::default();
        let wanted: HashSet<PictureKey> = placements.iter().map(|p| p.picture).collect();
        let mut tried: HashSet<PictureKey> = HashSet::new();
        for key in placements.iter().map(|p| p.picture) {
            if self.held.contains_key(&key) || self.unfit.contains(&key) || !tried.insert(key) {
                continue;
            }
            let Some(picture) = pictures(key) else {
                continue;
            };
            let (width, height) = (picture.width, picture.height);
            if width == 0 || height == 0 || width.max(height) > MAX_SIDE {
                tracing::warn!(key = key.0, width, height, "picture cannot be sent");
                self.unfit.insert(key);
                continue;
            }
            let cost = wire::upload_len(picture.png.len());
            if uploads.spent + cost > budget && (uploads.spent > 0 || budget == 0) {
                uploads.pending = true;
                break;
            }
            let decoded = 4 * u64::from(width) * u64::from(height);
            if !self.make_room(out, decoded, &wanted) {
                // Everything held is in this very frame: more would push the terminal over its quota, and it
                // would then drop pictures that we believe in.
                tracing::warn!(
                    key = key.0,
                    "more pictures in view than the terminal may hold"
                );
                break;
            }
            let id = self.fresh_id();
            wire::upload(out, id, &picture.png);
            uploads.spent += cost;
            self.decoded += decoded;
            let last_shown = self.frame;
            self.held.insert(
                key,
                Held {
                    id,
                    width,
                    height,
                    last_shown,
                },
            );
            uploads.changed = true;
        }
        uploads
    }

    /// Frees pictures, least recently shown first, until one of `decoded` bytes fits. Never one of `wanted`.
    fn make_room(&mut self, out: &mut Vec<u8>, decoded: u64, wanted: &HashSet<PictureKey>) -> bool {
        while !self.held.is_empty()
            && (self.decoded + decoded > self.options.decoded_limit
                || self.held.len() >= self.options.picture_limit)
        {
            let candidates = self.held.iter().filter(|(key, _)| !wanted.contains(key));
            // The id breaks ties, so that the bytes do not depend on the hash map's order.
            let oldest = candidates.min_by_key(|(_, held)| (held.last_shown, held.id));
            let Some(key) = oldest.map(|(&key, _)| key) else {
                return false;
            };
            if let Some(held) = self.held.remove(&key) {
                self.decoded -= held.decoded();
                wire::free(out, held.id);
                self.shown.retain(|_, shown| shown.image != held.id);
            }
        }
        true
    }

    fn fresh_id(&mut self) -> u32 {
        let used: HashSet<u32> = self.held.values().map(|held| held.id).collect();
        loop {
            let id = self.next_id;
            self.next_id = if id + 1 < ID_LIMIT { id + 1 } else { 1 };
            if !used.contains(&id) {
                return id;
            }
        }
    }

    /// Places, moves and removes until the terminal shows exactly `placements` (as far as their pictures are held).
    fn place(&mut self, out: &mut Vec<u8>, placements: &[Placement]) {
        let mut wanted: HashMap<u32, Shown> = HashMap::with_capacity(placements.len());
        let mut order: Vec<u32> = Vec::with_capacity(placements.len());
        for placement in placements {
            let Some(held) = self.held.get_mut(&placement.picture) else {
                continue;
            };
            held.last_shown = self.frame;
            let Some(spot) = Spot::new(placement, held.width, held.height) else {
                continue;
            };
            let shown = Shown {
                image: held.id,
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
            let same_image = old.is_some_and(|old| old.image == new.image);
            let unchanged =
                old.is_some_and(|old| same_image && old.certain && old.spot == new.spot);
            if !unchanged {
                wire::place(out, new.image, placement_number(*id), &new.spot);
            }
        }
        // Removal comes last: what replaces a picture is there before the old one goes.
        let mut gone: Vec<(u32, u32)> = self
            .shown
            .iter()
            .filter(|(id, old)| wanted.get(id).is_none_or(|new| new.image != old.image))
            .map(|(&id, old)| (old.image, placement_number(id)))
            .collect();
        gone.sort_unstable();
        for (image, number) in gone {
            wire::unplace(out, image, number);
        }
        self.shown = wanted;
    }
}

/// kitty reads placement number 0 as "none given".
fn placement_number(id: u32) -> u32 {
    id.saturating_add(1)
}

#[derive(Debug, Default)]
struct Uploads {
    spent: usize,
    pending: bool,
    changed: bool,
}

impl BackEnd for Painter {
    fn frame(
        &mut self,
        out: &mut Vec<u8>,
        placements: &[Placement],
        pictures: &Pictures<'_>,
        upload_budget: usize,
    ) -> Frame {
        self.frame += 1;
        let mut body = Vec::new();
        let uploads = self.upload(&mut body, placements, pictures, upload_budget);
        self.place(&mut body, placements);
        if !body.is_empty() {
            if self.options.synchronized {
                out.extend_from_slice(b"\x1b[?2026h");
            }
            out.append(&mut body);
            if self.options.synchronized {
                out.extend_from_slice(b"\x1b[?2026l");
            }
        }
        Frame {
            cells: Vec::new(),
            pending: uploads.pending,
            farewell_changed: uploads.changed,
        }
    }

    fn reset(&mut self) {
        for shown in self.shown.values_mut() {
            shown.certain = false;
        }
    }

    fn forget(&mut self) {
        self.shown.clear();
        self.held.clear();
        self.decoded = 0;
    }

    fn farewell(&self) -> Vec<u8> {
        let mut ids: Vec<u32> = self.held.values().map(|held| held.id).collect();
        ids.sort_unstable();
        let mut out = Vec::new();
        for id in ids {
            wire::free(&mut out, id);
        }
        out
    }
}
