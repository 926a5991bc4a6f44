//! Before and after: pictures of a paste, as data and as one sheet.

use super::Result;
use super::lab::{Lab, predicted, probability};
use super::paste::{Paste, Piece, Trial};
use crate::atlas::ClassId;
use crate::suspects::claim::Before;
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

/// Space between pictures in pixels.
const GAP: u32 = 6;
/// Side of a picture of a pair on a sheet, at least.
const LEAST_SIDE: u32 = 160;
/// Colour of a sheet where there is no picture.
const GROUND: Rgb<u8> = Rgb([24; 3]);
/// Pieces on a sheet.
const PIECES: usize = 8;

/// One background before and after.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The photograph.
    pub background: u32,
    /// Number of the piece.
    pub piece: usize,
    /// Left and top of its place.
    pub at: (u32, u32),
    /// As the network saw it.
    pub before: RgbImage,
    /// With the first piece that was pasted on it.
    pub after: RgbImage,
    /// Prediction before and after.
    pub predicted: [ClassId; 2],
    /// Probability of the target before and after, 0..=1.
    pub probability: [f32; 2],
}

/// The `n` backgrounds on which the first piece moved the target's probability most, largest first.
///
/// # Errors
/// A photograph that cannot be read any more.
pub fn pairs(lab: &mut Lab, paste: &Paste, trials: &[Trial], n: usize) -> Result<Vec<Pair>> {
    let mut order: Vec<(f32, usize)> = trials
        .iter()
        .enumerate()
        .filter_map(|(at, trial)| {
            let after = probability(trial.pasted.first()?, paste.target);
            Some((after - probability(&trial.clean, paste.target), at))
        })
        .collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut pairs = Vec::new();
    for (_, at) in order.into_iter().take(n) {
        let trial = &trials[at];
        let before = lab.square(trial.background)?;
        let piece = &paste.pieces[trial.pieces[0]];
        let place = paste.place(piece, before.width());
        let (clean, pasted) = (&trial.clean, &trial.pasted[0]);
        pairs.push(Pair {
            background: trial.background,
            piece: trial.pieces[0],
            at: place,
            after: piece.on(&before, place),
            before: (*before).clone(),
            predicted: [predicted(clean), predicted(pasted)],
            probability: [clean, pasted].map(|logits| probability(logits, paste.target)),
        });
    }
    Ok(pairs)
}

impl Pair {
    /// The same by name.
    pub fn told(&self, lab: &Lab) -> Before {
        let classes = &lab.network().classes;
        let name = |class: ClassId| {
            let class = classes.get(usize::from(class));
            class.map_or(String::new(), |class| class.name().to_owned())
        };
        Before {
            image: lab.album().path(self.background).to_owned(),
            piece: self.piece as u32,
            at: [self.at.0, self.at.1],
            predicted: self.predicted.map(name),
            probability: self.probability,
        }
    }
}

/// One picture of them all: the pieces in a row, below them each pair with its after on the right.
pub fn sheet(pieces: &[Piece], pairs: &[Pair]) -> RgbImage {
    let natural = pairs.first().map_or(0, |pair| pair.before.width());
    let side = natural.max(LEAST_SIDE);
    let across = 2 * (2 * side + GAP) + 3 * GAP;
    let n_pieces = pieces.len().min(PIECES) as u32;
    let piece_side = (across - GAP) / (PIECES as u32) - GAP;
    let piece_row = if n_pieces > 0 { piece_side + GAP } else { 0 };
    let rows = (pairs.len() as u32).div_ceil(2);
    let height = GAP + piece_row + rows * (side + GAP);
    let mut out = RgbImage::from_pixel(across, height, GROUND);
    for (at, piece) in pieces.iter().take(PIECES).enumerate() {
        let x = GAP + at as u32 * (piece_side + GAP);
        let ground = RgbImage::from_pixel(piece.picture.width(), piece.picture.height(), GROUND);
        put(&mut out, &piece.on(&ground, (0, 0)), (x, GAP), piece_side);
    }
    for (at, pair) in pairs.iter().enumerate() {
        let (col, row) = (at as u32 % 2, at as u32 / 2);
        let x = GAP + col * (2 * side + 2 * GAP);
        let y = GAP + piece_row + row * (side + GAP);
        put(&mut out, &pair.before, (x, y), side);
        put(&mut out, &pair.after, (x + side + GAP / 2, y), side);
    }
    out
}

/// Draws a picture with its longer side at `side`.
fn put(out: &mut RgbImage, picture: &RgbImage, (x, y): (u32, u32), side: u32) {
    let (width, height) = picture.dimensions();
    let longest = width.max(height).max(1);
    let scaled = |v: u32| (v * side / longest).max(1);
    let filter = if longest < side {
        FilterType::Nearest
    } else {
        FilterType::Triangle
    };
    let picture = imageops::resize(picture, scaled(width), scaled(height), filter);
    imageops::replace(out, &picture, i64::from(x), i64::from(y));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_stand_side_by_side_below_the_pieces() {
        let pair = |before: u8, after: u8| Pair {
            background: 0,
            piece: 0,
            at: (0, 0),
            before: RgbImage::from_pixel(64, 64, Rgb([before; 3])),
            after: RgbImage::from_pixel(64, 64, Rgb([after; 3])),
            predicted: [0, 1],
            probability: [0.0, 1.0],
        };
        let piece = Piece {
            picture: RgbImage::from_pixel(9, 9, Rgb([200, 0, 0])),
            shape: None,
            from: None,
        };
        let sheet = sheet(&[piece], &[pair(50, 90), pair(60, 100), pair(70, 110)]);
        let count = |colour: [u8; 3]| sheet.pixels().filter(|p| p.0 == colour).count();
        for colour in [50u8, 60, 70, 90, 100, 110] {
            assert_eq!(count([colour; 3]), 160 * 160, "{colour}");
        }
        assert!(count([200, 0, 0]) > 60 * 60);
        let before = sheet.enumerate_pixels().find(|(_, _, p)| p.0 == [50; 3]);
        let after = sheet.enumerate_pixels().find(|(_, _, p)| p.0 == [90; 3]);
        let ((x0, y0, _), (x1, y1, _)) = (before.unwrap(), after.unwrap());
        assert!(y0 == y1 && x0 + 160 < x1);
    }
}
