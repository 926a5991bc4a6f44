//! What the terminal holds for us, and the account of it.

use super::wire;
use crate::graphics::{PictureKey, Pictures, Placement};
use std::collections::{HashMap, HashSet};

/// Longest side that kitty accepts.
const MAX_SIDE: u32 = 10_000;

/// Which ids pictures get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::graphics) struct Ids {
    /// Added to every number.
    pub(in crate::graphics) base: u32,
    /// What numbers are shifted by to the left.
    pub(in crate::graphics) shift: u32,
    /// Numbers are `1..limit`.
    pub(in crate::graphics) limit: u32,
    /// The first one.
    pub(in crate::graphics) first: u32,
}

/// How much the terminal may hold for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::graphics) struct Limits {
    /// Bytes of decoded pixels.
    pub(in crate::graphics) decoded: u64,
    /// Pictures.
    pub(in crate::graphics) pictures: usize,
}

/// A picture the terminal holds.
#[derive(Debug, Clone, Copy)]
pub(in crate::graphics) struct Held {
    pub(in crate::graphics) id: u32,
    pub(in crate::graphics) width: u32,
    pub(in crate::graphics) height: u32,
    last_shown: u64,
}

impl Held {
    fn decoded(&self) -> u64 {
        4 * u64::from(self.width) * u64::from(self.height)
    }
}

/// Pictures in the terminal: sent once, freed when room is needed, least recently shown first.
#[derive(Debug)]
pub(in crate::graphics) struct Store {
    ids: Ids,
    limits: Limits,
    next: u32,
    held: HashMap<PictureKey, Held>,
    decoded: u64,
    /// Pictures that cannot be sent (empty or too large), so that they are not asked for in every frame.
    unfit: HashSet<PictureKey>,
    frame: u64,
}

/// What became of an upload.
#[derive(Debug, Default)]
pub(in crate::graphics) struct Uploads {
    spent: usize,
    pub(in crate::graphics) pending: bool,
    pub(in crate::graphics) changed: bool,
    /// Ids freed to make room.
    pub(in crate::graphics) freed: Vec<u32>,
}

impl Store {
    pub(in crate::graphics) fn new(ids: Ids, limits: Limits) -> Self {
        Self {
            ids,
            limits,
            next: ids.first.clamp(1, ids.limit - 1),
            held: HashMap::new(),
            decoded: 0,
            unfit: HashSet::new(),
            frame: 0,
        }
    }

    pub(in crate::graphics) fn decoded(&self) -> u64 {
        self.decoded
    }

    /// Begins a frame: sends what is missing of its pictures, in order, until the budget is spent.
    pub(in crate::graphics) fn begin_frame(
        &mut self,
        out: &mut Vec<u8>,
        placements: &[Placement],
        pictures: &Pictures<'_>,
        budget: usize,
    ) -> Uploads {
        self.frame += 1;
        let keys: Vec<PictureKey> = placements.iter().map(|p| p.picture).collect();
        let kept = keys.iter().copied().collect();
        self.upload(out, &keys, &kept, pictures, budget)
    }

    /// Sends pictures that may be needed soon, without giving up any that is shown.
    pub(in crate::graphics) fn prefetch(
        &mut self,
        out: &mut Vec<u8>,
        keys: &[PictureKey],
        pictures: &Pictures<'_>,
        budget: usize,
    ) -> Uploads {
        let kept = self.shown_now().chain(keys.iter().copied()).collect();
        self.upload(out, keys, &kept, pictures, budget)
    }

    /// The picture, which counts as shown in this frame.
    pub(in crate::graphics) fn show(&mut self, key: PictureKey) -> Option<Held> {
        let held = self.held.get_mut(&key)?;
        held.last_shown = self.frame;
        Some(*held)
    }

    pub(in crate::graphics) fn holds(&self, key: PictureKey) -> bool {
        self.held.contains_key(&key)
    }

    /// The pictures that were shown or sent in this frame.
    fn shown_now(&self) -> impl Iterator<Item = PictureKey> {
        let now = self.frame;
        let of_now = self
            .held
            .iter()
            .filter(move |(_, held)| held.last_shown == now);
        of_now.map(|(&key, _)| key)
    }

    pub(in crate::graphics) fn clear(&mut self) {
        self.held.clear();
        self.decoded = 0;
    }

    pub(in crate::graphics) fn farewell(&self) -> Vec<u8> {
        let mut ids: Vec<u32> = self.held.values().map(|held| held.id).collect();
        ids.sort_unstable();
        let mut out = Vec::new();
        for id in ids {
            wire::free(&mut out, id);
        }
        out
    }

    /// Sends what is missing of `keys`, in order, until the budget is spent; pictures of `kept` are not given up
    /// for it.
    fn upload(
        &mut self,
        out: &mut Vec<u8>,
        keys: &[PictureKey],
        kept: &HashSet<PictureKey>,
        pictures: &Pictures<'_>,
        budget: usize,
    ) -> Uploads {
        let mut uploads = Uploads::default();
        let mut tried: HashSet<PictureKey> = HashSet::new();
        for &key in keys {
            if self.held.contains_key(&key) || self.unfit.contains(&key) || !tried.insert(key) {
                continue;
            }
            if budget == 0 {
                uploads.pending = true;
                break;
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
            if uploads.spent + cost > budget && uploads.spent > 0 {
                uploads.pending = true;
                break;
            }
            let decoded = 4 * u64::from(width) * u64::from(height);
            if !self.make_room(out, decoded, kept, &mut uploads.freed) {
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
            let held = Held {
                id,
                width,
                height,
                last_shown: self.frame,
            };
            self.held.insert(key, held);
            uploads.changed = true;
        }
        uploads
    }

    /// Frees pictures, least recently shown first, until one of `decoded` bytes fits. Never one of `kept`.
    fn make_room(
        &mut self,
        out: &mut Vec<u8>,
        decoded: u64,
        kept: &HashSet<PictureKey>,
        freed: &mut Vec<u32>,
    ) -> bool {
        while !self.held.is_empty()
            && (self.decoded + decoded > self.limits.decoded
                || self.held.len() >= self.limits.pictures)
        {
            let candidates = self.held.iter().filter(|(key, _)| !kept.contains(key));
            // The id breaks ties, so that the bytes do not depend on the hash map's order.
            let oldest = candidates.min_by_key(|(_, held)| (held.last_shown, held.id));
            let Some(key) = oldest.map(|(&key, _)| key) else {
                return false;
            };
            if let Some(held) = self.held.remove(&key) {
                self.decoded -= held.decoded();
                wire::free(out, held.id);
                freed.push(held.id);
            }
        }
        true
    }

    fn fresh_id(&mut self) -> u32 {
        let used: HashSet<u32> = self.held.values().map(|held| held.id).collect();
        loop {
            let number = self.next;
            self.next = if number + 1 < self.ids.limit {
                number + 1
            } else {
                1
            };
            let id = self.ids.base + (number << self.ids.shift);
            if !used.contains(&id) {
                return id;
            }
        }
    }
}
