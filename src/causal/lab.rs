//! The bench that tests work at: a network, photographs, and the logits that several tests share.
//!
//! Clean logits of backgrounds and logits under control crops do not depend on the feature that is tested, so they are
//! computed once for each background and kept.

use super::pixels::{self, Shape};
use super::{Album, CausalError, Result};
use crate::atlas::ClassId;
use crate::math::rng::{Rng, mix};
use crate::network::{Layer, Network, NetworkError, NodeId};
use candle_core::Tensor;
use image::RgbImage;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Images run together.
const BATCH: usize = 16;
/// Squares that are kept, about 150 kB each at 224 pixels.
const SQUARES: usize = 400;
/// Logits under controls that are kept, about 4 kB each for a thousand classes.
const CONTROLS: usize = 20_000;
/// Images that are looked at for one set of backgrounds, per background.
const TRIES: usize = 24;
/// Share of the gradient's magnitude that a crop holds.
const FIELD_SHARE: f32 = 0.5;
/// Draws of a control before there is none.
const CONTROL_TRIES: usize = 64;
/// Images that the effective receptive field is measured on.
const FIELD_IMAGES: usize = 4;

/// Logits of one picture.
pub type Logits = Arc<Vec<f32>>;

/// Where natural control crops come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// Photographs that show none of these classes.
    Others(&'a [ClassId]),
    /// These photographs.
    Of(&'a [u32]),
}

/// A natural control crop on a background.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ControlKey {
    background: u32,
    source: u32,
    spot: Spot,
}

/// Noise on a background.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct NoiseKey {
    background: u32,
    spot: Spot,
    round: u32,
}

/// Where and how large something is pasted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Spot {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// Left and top.
    pub at: (u32, u32),
    /// How much of each pixel.
    pub shape: Shape,
}

impl Spot {
    /// A background with a piece there.
    fn with(&self, background: &RgbImage, piece: &RgbImage) -> RgbImage {
        pixels::paste_shaped(background, (piece, &self.shape), self.at)
    }
}

/// A network with photographs and what was computed of them.
#[derive(Debug)]
pub struct Lab {
    network: Network,
    album: Album,
    seed: u64,
    logits: NodeId,
    order: Vec<u32>,
    squares: HashMap<u32, Arc<RgbImage>>,
    unreadable: HashMap<u32, String>,
    clean: HashMap<u32, Logits>,
    controls: HashMap<ControlKey, Logits>,
    noises: HashMap<NoiseKey, Logits>,
    fields: HashMap<NodeId, u32>,
}

/// The logit of a class less the mean of all.
pub fn centred(logits: &[f32], class: ClassId) -> f32 {
    let sum: f64 = logits.iter().map(|&v| f64::from(v)).sum();
    let own = logits.get(usize::from(class)).copied().unwrap_or(0.0);
    (f64::from(own) - sum / logits.len().max(1) as f64) as f32
}

/// The class with the largest logit.
pub fn predicted(logits: &[f32]) -> ClassId {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(class, _)| class as ClassId)
}

/// The probability of a class.
pub fn probability(logits: &[f32], class: ClassId) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|v| (v - largest).exp()).sum();
    let own = logits.get(usize::from(class)).copied();
    own.map_or(0.0, |own| (own - largest).exp() / sum)
}

impl Lab {
    /// A bench of a network and photographs; `seed` decides the order of backgrounds and all controls.
    ///
    /// # Errors
    /// A network without a classifier.
    pub fn new(network: Network, album: Album, seed: u64) -> Result<Self> {
        let Some(logits) = network.logits else {
            return Err(CausalError::NoClassifier(network.name.clone()));
        };
        let order = album.order(seed);
        Ok(Self {
            network,
            album,
            seed,
            logits,
            order,
            squares: HashMap::new(),
            unreadable: HashMap::new(),
            clean: HashMap::new(),
            controls: HashMap::new(),
            noises: HashMap::new(),
            fields: HashMap::new(),
        })
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The photographs.
    pub fn album(&self) -> &Album {
        &self.album
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Rows and columns of the network's input.
    pub fn side(&self) -> u32 {
        self.network.input.size as u32
    }

    /// Other photographs for the same network; what was computed of the old ones is forgotten.
    #[must_use]
    pub fn with_album(self, album: Album) -> Self {
        let order = album.order(self.seed);
        Self {
            album,
            order,
            squares: HashMap::new(),
            unreadable: HashMap::new(),
            clean: HashMap::new(),
            controls: HashMap::new(),
            noises: HashMap::new(),
            ..self
        }
    }

    /// Photographs as the network sees them; `None` where one cannot be read.
    pub fn squares(&mut self, photographs: &[u32]) -> Vec<Option<Arc<RgbImage>>> {
        let unseen: HashSet<u32> = photographs.iter().copied().collect();
        let mut missing: Vec<u32> = unseen
            .into_iter()
            .filter(|idx| !self.squares.contains_key(idx) && !self.unreadable.contains_key(idx))
            .collect();
        missing.sort_unstable();
        let (album, input) = (&self.album, &self.network.input);
        let read: Vec<std::result::Result<RgbImage, String>> = missing
            .par_iter()
            .map(|&idx| {
                let photograph = album.read(idx)?;
                pixels::square(input, &photograph).map_err(|error| error.to_string())
            })
            .collect();
        if self.squares.len() + missing.len() > SQUARES {
            let wanted: HashSet<u32> = photographs.iter().copied().collect();
            self.squares.retain(|idx, _| wanted.contains(idx));
        }
        for (idx, read) in missing.into_iter().zip(read) {
            match read {
                Ok(square) => {
                    self.squares.insert(idx, Arc::new(square));
                }
                Err(why) => {
                    self.unreadable.insert(idx, why);
                }
            }
        }
        photographs
            .iter()
            .map(|idx| self.squares.get(idx).cloned())
            .collect()
    }

    /// One photograph as the network sees it.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn square(&mut self, photograph: u32) -> Result<Arc<RgbImage>> {
        let square = self.squares(&[photograph]).pop().flatten();
        square.ok_or_else(|| {
            let why = self.unreadable.get(&photograph).cloned();
            CausalError::Photograph(why.unwrap_or_default())
        })
    }

    /// Number of photographs that could not be read so far, and what was wrong with one of them.
    pub fn unreadable(&self) -> Option<(usize, &str)> {
        let first = self.unreadable.keys().min()?;
        Some((self.unreadable.len(), self.unreadable.get(first)?.as_str()))
    }

    /// The network's input for squares, `[b, 3, side, side]`.
    ///
    /// # Errors
    /// No square, or one of another size.
    pub fn batch(&self, squares: &[RgbImage]) -> Result<Tensor> {
        let input = &self.network.input;
        let planes: Result<Vec<Vec<f32>>> = squares
            .par_iter()
            .map(|square| pixels::planes(input, square))
            .collect();
        Ok(input.batch(&planes?, &self.network.device)?)
    }

    /// Logits of squares.
    ///
    /// # Errors
    /// Those of the network, and numbers that are none.
    pub fn run(&self, squares: &[RgbImage]) -> Result<Vec<Logits>> {
        let mut rows = Vec::with_capacity(squares.len());
        for squares in squares.chunks(BATCH) {
            let images = self.batch(squares)?;
            let out = self
                .network
                .forward(&images, &[self.logits])?
                .swap_remove(0);
            rows.extend(self.rows(&out)?);
        }
        Ok(rows)
    }

    /// Logits `[b, classes]` as rows.
    ///
    /// # Errors
    /// Numbers that are none.
    pub fn rows(&self, logits: &Tensor) -> Result<Vec<Logits>> {
        let rows = logits.to_vec2::<f32>().map_err(NetworkError::from)?;
        if rows.iter().flatten().any(|logit| !logit.is_finite()) {
            return Err(CausalError::NotFinite(self.network.name.clone()));
        }
        Ok(rows.into_iter().map(Arc::new).collect())
    }

    /// The node with the logits.
    pub fn logits_node(&self) -> NodeId {
        self.logits
    }

    /// Logits of photographs as they are; `None` where one cannot be read.
    ///
    /// # Errors
    /// Those of [`Self::run`].
    pub fn clean(&mut self, photographs: &[u32]) -> Result<Vec<Option<Logits>>> {
        let missing: Vec<u32> = photographs
            .iter()
            .copied()
            .filter(|idx| !self.clean.contains_key(idx))
            .collect();
        let squares = self.squares(&missing);
        let readable: (Vec<u32>, Vec<RgbImage>) = missing
            .iter()
            .zip(&squares)
            .filter_map(|(&idx, square)| Some((idx, square.as_deref()?.clone())))
            .unzip();
        let rows = self.run(&readable.1)?;
        self.clean.extend(readable.0.into_iter().zip(rows));
        Ok(photographs
            .iter()
            .map(|idx| self.clean.get(idx).cloned())
            .collect())
    }

    /// Up to `n` photographs that neither show one of the classes of `avoid`, by label or by what the network says of
    /// them, nor stand in `without`. More of them begin with the same ones.
    ///
    /// # Errors
    /// Those of [`Self::run`]; photographs of which none can be read.
    pub fn backgrounds(
        &mut self,
        avoid: &[ClassId],
        without: &HashSet<u32>,
        n: usize,
    ) -> Result<Vec<u32>> {
        let wanted = |idx: &u32| !self.album.shows(*idx, avoid) && !without.contains(idx);
        let order: Vec<u32> = self.order.iter().copied().filter(wanted).collect();
        let mut chosen = Vec::with_capacity(n);
        for some in order[..order.len().min(TRIES * n)].chunks(8) {
            for (&idx, logits) in some.iter().zip(self.clean(some)?) {
                let fits = logits.is_some_and(|logits| !avoid.contains(&predicted(&logits)));
                if fits && chosen.len() < n {
                    chosen.push(idx);
                }
            }
            if chosen.len() == n {
                break;
            }
        }
        match self.unreadable() {
            Some((tried, first)) if chosen.is_empty() && self.clean.is_empty() => {
                Err(CausalError::NoPhotographs {
                    tried,
                    first: first.to_owned(),
                })
            }
            _ => Ok(chosen),
        }
    }

    /// A natural control for a background: a crop of another photograph from the place that it is pasted at. From
    /// others the same for every feature, unless it would show one of the classes to avoid.
    fn draw_control(
        &self,
        (background, spot): &(u32, Spot),
        from: Source<'_>,
        round: u32,
    ) -> Option<ControlKey> {
        let (all, avoid) = match from {
            Source::Others(avoid) => (&self.order[..], avoid),
            Source::Of(some) => (some, &[][..]),
        };
        if all.is_empty() {
            return None;
        }
        let stream = mix((u64::from(*background) << 16) | u64::from(round));
        let mut rng = Rng::stream(self.seed, stream);
        for _ in 0..CONTROL_TRIES {
            let source = all[rng.below(all.len())];
            let bad = source == *background
                || self.unreadable.contains_key(&source)
                || self.album.shows(source, avoid);
            if !bad {
                return Some(ControlKey {
                    background: *background,
                    source,
                    spot: spot.clone(),
                });
            }
        }
        None
    }

    /// Controls for all backgrounds, whose photographs are read.
    fn draw_controls(
        &mut self,
        backgrounds: &[(u32, Spot)],
        from: Source<'_>,
        round: u32,
    ) -> Vec<Option<ControlKey>> {
        // What cannot be read is known after the first look and is not drawn in the second.
        for _ in 0..CONTROL_TRIES {
            let draw = |at: &(u32, Spot)| self.draw_control(at, from, round);
            let keys: Vec<Option<ControlKey>> = backgrounds.iter().map(draw).collect();
            let fresh = |key: &&ControlKey| !self.controls.contains_key(key);
            let sources = keys.iter().flatten().filter(fresh).map(|key| key.source);
            let sources: Vec<u32> = sources.collect();
            if self.squares(&sources).iter().all(Option::is_some) {
                return keys;
            }
        }
        vec![None; backgrounds.len()]
    }

    /// Logits of each background under a natural control crop of round `round`; `None` where there is none.
    ///
    /// # Errors
    /// Those of [`Self::run`].
    pub fn control(
        &mut self,
        backgrounds: &[(u32, Spot)],
        from: Source<'_>,
        round: u32,
    ) -> Result<Vec<Option<Logits>>> {
        let keys = self.draw_controls(backgrounds, from, round);
        let mut missing = Vec::new();
        let mut squares = Vec::new();
        for key in keys.iter().flatten() {
            if self.controls.contains_key(key) {
                continue;
            }
            let source = self.square(key.source)?;
            let background = self.square(key.background)?;
            let spot = &key.spot;
            let ((width, height), (x, y)) = (spot.size, spot.at);
            let piece = image::imageops::crop_imm(&*source, x, y, width, height).to_image();
            squares.push(spot.with(&background, &piece));
            missing.push(key.clone());
        }
        let rows = self.run(&squares)?;
        if self.controls.len() + missing.len() > CONTROLS {
            let kept: HashSet<&ControlKey> = keys.iter().flatten().collect();
            self.controls.retain(|key, _| kept.contains(key));
        }
        self.controls.extend(missing.into_iter().zip(rows));
        Ok(keys
            .iter()
            .map(|key| self.controls.get(key.as_ref()?).cloned())
            .collect())
    }

    /// Logits of each background under uniform noise of round `round`.
    ///
    /// # Errors
    /// Those of [`Self::run`].
    pub fn noise(&mut self, backgrounds: &[(u32, Spot)], round: u32) -> Result<Vec<Logits>> {
        let key = |(background, spot): &(u32, Spot)| NoiseKey {
            background: *background,
            spot: spot.clone(),
            round,
        };
        let mut squares = Vec::new();
        let mut missing = Vec::new();
        for at @ (idx, spot) in backgrounds {
            if self.noises.contains_key(&key(at)) {
                continue;
            }
            let mut rng = Rng::stream(
                self.seed,
                mix(u64::from(*idx) | 1 << 40 | u64::from(round) << 41),
            );
            let piece = pixels::noise(spot.size.0, spot.size.1, &mut rng);
            squares.push(spot.with(&*self.square(*idx)?, &piece));
            missing.push(key(at));
        }
        let rows = self.run(&squares)?;
        if self.noises.len() + missing.len() > CONTROLS {
            let kept: HashSet<NoiseKey> = backgrounds.iter().map(key).collect();
            self.noises.retain(|key, _| kept.contains(key));
        }
        self.noises.extend(missing.into_iter().zip(rows));
        let found = backgrounds
            .iter()
            .map(|at| self.noises.get(&key(at)).cloned());
        Ok(found.flatten().collect())
    }

    /// Side of the crop that shows what a position of the layer responds to, in pixels of the input: the square around
    /// a position that holds half of the magnitude of the gradient of its activation (the effective receptive field,
    /// Luo et al. 2016), measured on a few photographs. At deep layers the theoretical field exceeds the picture.
    ///
    /// # Errors
    /// None where the network has gradients; without them it is half of the theoretical field.
    pub fn field(&mut self, layer: &Layer) -> Result<u32> {
        if let Some(&side) = self.fields.get(&layer.id) {
            return Ok(side);
        }
        let whole = self.side();
        let (least, most) = ((layer.stride as u32).max(whole / 16).max(1), whole / 2);
        let some: Vec<u32> = self.order.iter().copied().take(2 * FIELD_IMAGES).collect();
        let squares: Vec<_> = self.squares(&some).into_iter().flatten().collect();
        let mut sides: Vec<u32> = Vec::new();
        for square in squares.into_iter().take(FIELD_IMAGES) {
            sides.extend(self.field_of(layer, &square).ok().flatten());
        }
        sides.sort_unstable();
        let middle = sides.get(sides.len() / 2).copied();
        let side = middle.unwrap_or(layer.receptive_field as u32 / 2);
        let side = side.clamp(least.min(most), most.max(1));
        self.fields.insert(layer.id, side);
        Ok(side)
    }

    /// The same for the middle position of one photograph; `None` where its activation is zero.
    fn field_of(&self, layer: &Layer, square: &RgbImage) -> Result<Option<u32>> {
        let (rows, cols) = layer.map_size;
        let (row, col) = (rows / 2, cols / 2);
        let images = self.batch(std::slice::from_ref(square))?;
        let (_, gradient) = self.network.vjp(&images, layer.id, &mut |activation| {
            let (_, depth, rows, cols) = activation.dims4()?;
            let values = activation.flatten_all()?.to_vec1::<f32>()?;
            let mut seed = vec![0f32; values.len()];
            for channel in 0..depth {
                let at = (channel * rows + row) * cols + col;
                seed[at] = values[at];
            }
            Ok(Tensor::from_vec(
                seed,
                activation.shape(),
                activation.device(),
            )?)
        })?;
        let side = self.network.input.size;
        let values = gradient
            .flatten_all()
            .and_then(|g| g.to_vec1::<f32>())
            .map_err(NetworkError::from)?;
        let plane = side * side;
        let mut magnitude = vec![0f32; plane];
        for (at, value) in values.iter().enumerate() {
            magnitude[at % plane] += value.abs();
        }
        let total: f32 = magnitude.iter().sum();
        if total <= 0.0 || !total.is_finite() {
            return Ok(None);
        }
        let centre = self.centre(layer, (row, col));
        let held = |k: u32| {
            let [x, y, k] = pixels::window(centre, k, side as u32).map(|v| v as usize);
            let rows = magnitude.chunks_exact(side).skip(y).take(k);
            rows.map(|row| row[x..x + k].iter().sum::<f32>())
                .sum::<f32>()
                / total
        };
        Ok((1..=side as u32).find(|&k| held(k) >= FIELD_SHARE))
    }

    /// The middle of what a position sees, in pixels of the input: (x, y).
    pub fn centre(&self, layer: &Layer, (row, col): (usize, usize)) -> (f32, f32) {
        let side = self.side() as f32;
        let (rows, cols) = layer.map_size;
        let axis = |at: usize, n: usize| (at as f32 + 0.5) * side / n.max(1) as f32;
        (axis(col, cols), axis(row, rows))
    }
}
