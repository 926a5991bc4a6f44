//! The pictures of a report, drawn again from the photographs; no network is needed.

use crate::causal::paste::Piece;
use crate::causal::{Album, picture, pixels};
use crate::network::{Channels, Filter, InputSpec, Resize};
use crate::suspects::claim::{Claim, Provenance};
use image::{RgbImage, Rgba, RgbaImage};
use std::path::Path;

/// Pictures of one claim, as PNG.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pictures {
    /// What was pasted, with its description.
    pub pieces: Vec<(Vec<u8>, String)>,
    /// Backgrounds before and after, as the claim's pairs.
    pub pairs: Vec<[Vec<u8>; 2]>,
    /// Why some are missing.
    pub missing: Option<String>,
}

/// The input that a claim was measured with, as far as pictures need it.
fn input(from: &Provenance) -> InputSpec {
    let size = from.size.clamp(1, 8192) as usize;
    let bicubic = from.resize.strip_suffix(":bicubic");
    let resize = bicubic.unwrap_or(&from.resize);
    let (form, via) = resize.split_once(':').unwrap_or((resize, ""));
    let via = via.parse().unwrap_or(size);
    InputSpec {
        size,
        resize: match (form, via == size) {
            ("warp", true) => Resize::Warp,
            ("warp", false) => Resize::WarpCrop { via },
            _ => Resize::Crop { via },
        },
        filter: match bicubic {
            Some(_) => Filter::Bicubic,
            None => Filter::Bilinear,
        },
        channels: Channels::Rgb,
        mean: [0.0; 3],
        scale: [1.0; 3],
    }
}

/// Draws the pictures of a claim. What cannot be read is left out, and said.
pub fn pictures(album: &Album, claim: &Claim) -> Pictures {
    let input = input(&claim.provenance);
    let mut out = Pictures::default();
    let mut read = |path: &str| -> Option<RgbImage> {
        let photograph = album
            .find(path)
            .ok_or_else(|| format!("{path} is not among the photographs"))
            .and_then(|idx| album.read(idx))
            .and_then(|image| pixels::square(&input, &image).map_err(|e| e.to_string()));
        photograph
            .map_err(|why| out.missing.get_or_insert(why).len())
            .ok()
    };
    let longer = claim
        .provenance
        .ratio
        .map(|ratio| ((ratio * input.size as f32).round() as u32).max(1));
    let scaled = |piece: Piece| match longer {
        Some(longer) => piece.scaled(longer),
        None => piece,
    };
    let mut pieces: Vec<Option<(Piece, String)>> = Vec::new();
    if let Some(path) = &claim.subject.picture {
        let piece = picture::load(Path::new(path)).ok();
        pieces.push(piece.map(|piece| (scaled(piece), path.clone())));
    }
    for shown in &claim.subject.exemplars {
        let side = input.size as u32;
        let fits = shown.window[2] <= side;
        let square = read(&shown.image).filter(|_| fits);
        let piece = square.map(|square| {
            scaled(Piece {
                picture: pixels::cut(&square, shown.window),
                shape: None,
                from: None,
            })
        });
        pieces.push(piece.map(|piece| {
            (
                piece,
                format!("{} {},{}", shown.image, shown.row, shown.col),
            )
        }));
    }
    for pair in &claim.pairs {
        let piece = pieces.get(pair.piece as usize).and_then(Option::as_ref);
        let both = read(&pair.image).zip(piece).map(|(before, (piece, _))| {
            let after = piece.on(&before, (pair.at[0], pair.at[1]));
            [png(&before), png(&after)]
        });
        out.pairs.push(both.unwrap_or_default());
    }
    let shown = pieces.into_iter().flatten();
    out.pieces = shown
        .map(|(piece, about)| (shaped_png(&piece), about))
        .collect();
    if out.pairs.iter().any(|pair| pair[0].is_empty()) {
        out.pairs.clear();
    }
    out
}

/// PNG, always the same bytes for the same pixels.
fn png(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let written = picture.write_to(&mut bytes, image::ImageFormat::Png);
    debug_assert!(written.is_ok(), "a vector takes all bytes");
    bytes.into_inner()
}

/// The same of a piece: what is not there shows the page.
fn shaped_png(piece: &Piece) -> Vec<u8> {
    let Some(shape) = &piece.shape else {
        return png(&piece.picture);
    };
    let (width, height) = piece.picture.dimensions();
    let picture = RgbaImage::from_fn(width, height, |x, y| {
        let [r, g, b] = piece.picture.get_pixel(x, y).0;
        Rgba([r, g, b, shape.get_pixel(x, y).0[0]])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    let written = picture.write_to(&mut bytes, image::ImageFormat::Png);
    debug_assert!(written.is_ok(), "a vector takes all bytes");
    bytes.into_inner()
}
