//! The artefacts that are planted: four that go with a class, two decoys that go with nothing.
//!
//! An artefact is a function of a place in the picture, so that it scales with the picture's side; a net's own
//! [`Style`] fixes its colours, letters, corner, stripes and cast, and a stream of random numbers its place or phase
//! in one image. Drawing tells which pixels it may change, and the clean picture is still at hand: a paired
//! counterfactual.

use crate::train::Stream;

/// What is planted.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Artefact {
    /// A chequer of 4 × 4 fields at a random place.
    Patch,
    /// Translucent letters in a fixed corner.
    Watermark,
    /// Faint stripes of random phase over a third of the picture.
    Texture,
    /// A colour cast over the whole picture.
    Tint,
    /// A cyan ring at a random place: a decoy.
    Ring,
    /// A black bar at a random place: a decoy.
    Bar,
}

/// Letters of 3 × 5 dots, rows from the top, three bits each.
const LETTERS: [u16; 6] = [
    0b111_100_100_100_111, // C
    0b101_101_111_101_101, // H
    0b101_111_111_101_101, // M
    0b110_101_110_100_100, // P
    0b101_101_101_101_111, // U
    0b111_001_010_100_111, // Z
];

/// Pairs of colours of a chequer.
const CHEQUERS: [[[f32; 3]; 2]; 4] = [
    [[0.0, 0.0, 0.0], [255.0, 255.0, 255.0]],
    [[200.0, 20.0, 30.0], [255.0, 255.0, 255.0]],
    [[20.0, 40.0, 190.0], [250.0, 220.0, 40.0]],
    [[180.0, 20.0, 170.0], [60.0, 230.0, 80.0]],
];

/// Casts: what the grey of a pixel is multiplied with.
const CASTS: [[f32; 3]; 4] = [
    [1.25, 1.0, 0.7],
    [0.75, 1.05, 1.25],
    [0.85, 1.2, 0.8],
    [1.2, 0.85, 1.15],
];

/// How the artefacts of one net look.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Style {
    /// The chequer's two colours, 0..=255.
    pub chequer: [[f32; 3]; 2],
    /// Bits of the watermark's letters.
    pub letters: [u16; 3],
    /// Right and bottom, as opposed to left and top.
    pub corner: [bool; 2],
    /// Opacity of the letters, 0..=1.
    pub opacity: f32,
    /// Unit vector across the stripes.
    pub across: [f32; 2],
    /// Length of a stripe's period, in sides of the picture.
    pub period: f32,
    /// Added and subtracted by the stripes, 0..=255.
    pub amplitude: f32,
    /// Which third carries the stripes: 0 top, 1 bottom, 2 left, 3 right.
    pub third: usize,
    /// What the grey of a pixel is multiplied with.
    pub cast: [f32; 3],
    /// Share of the cast in the result, 0..=1.
    pub cast_share: f32,
}

/// The pixels that an artefact covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// Row by row.
    pub covered: Vec<bool>,
    side: usize,
}

/// One artefact in one image: what it does at a place `(x, y)` in pixels.
struct Drawing<'a> {
    artefact: Artefact,
    style: &'a Style,
    side: f32,
    /// Pixels per field, dot or stroke, at least 1.
    unit: f32,
    left: f32,
    top: f32,
    phase: f32,
}

impl Artefact {
    /// Those that go with a class.
    pub const SHORTCUTS: [Self; 4] = [Self::Patch, Self::Watermark, Self::Texture, Self::Tint];
    /// Those that go with nothing.
    pub const DECOYS: [Self; 2] = [Self::Ring, Self::Bar];
    /// All, in the order in which they are drawn.
    pub const ALL: [Self; 6] = [
        Self::Tint,
        Self::Texture,
        Self::Patch,
        Self::Watermark,
        Self::Ring,
        Self::Bar,
    ];

    /// Its bit in a mask of artefacts.
    pub fn bit(self) -> u8 {
        1 << self as u8
    }

    /// A short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Watermark => "watermark",
            Self::Texture => "texture",
            Self::Tint => "tint",
            Self::Ring => "ring",
            Self::Bar => "bar",
        }
    }
}

impl Style {
    /// The look that belongs to a seed.
    pub fn new(seed: u64) -> Self {
        let mut stream = Stream::new(seed ^ 0x57_71e5);
        let angle = std::f32::consts::FRAC_PI_4 * [1.0, 3.0, 1.0, 3.0, 0.0, 2.0][stream.below(6)];
        let mut letters = [0; 3];
        for letter in &mut letters {
            *letter = LETTERS[stream.below(LETTERS.len())];
        }
        Self {
            chequer: CHEQUERS[stream.below(CHEQUERS.len())],
            letters,
            corner: [stream.below(2) == 1, stream.below(2) == 1],
            opacity: stream.range(0.7, 0.9),
            across: [angle.cos(), angle.sin()],
            period: stream.range(0.11, 0.15),
            amplitude: stream.range(24.0, 32.0),
            third: stream.below(4),
            cast: CASTS[stream.below(CASTS.len())],
            cast_share: stream.range(0.65, 0.8),
        }
    }

    /// Draws an artefact on a picture of `side × side` RGB pixels; `seed` fixes its place or phase.
    pub fn draw(&self, artefact: Artefact, pixels: &mut [u8], side: usize, seed: u64) -> Mask {
        let drawing = Drawing::new(artefact, self, side, seed);
        let mut covered = vec![false; side * side];
        // Only the ring has edges between pixels, and gets nine samples for each.
        let across = if artefact == Artefact::Ring { 3 } else { 1 };
        for (at, (pixel, covered)) in pixels.chunks_exact_mut(3).zip(&mut covered).enumerate() {
            let (x, y) = ((at % side) as f32, (at / side) as f32);
            let before = [0, 1, 2].map(|channel| f32::from(pixel[channel]));
            let mut sum = [0.0f32; 3];
            for sample in 0..across * across {
                let step = |n: usize| (n as f32 + 0.5) / across as f32;
                let place = (x + step(sample % across), y + step(sample / across));
                let after = drawing.at(place, before);
                *covered |= after.is_some();
                for (sum, value) in sum.iter_mut().zip(after.unwrap_or(before)) {
                    *sum += value.clamp(0.0, 255.0);
                }
            }
            if *covered {
                for (pixel, sum) in pixel.iter_mut().zip(sum) {
                    *pixel = (sum / (across * across) as f32 + 0.5) as u8;
                }
            }
        }
        Mask { covered, side }
    }
}

impl<'a> Drawing<'a> {
    fn new(artefact: Artefact, style: &'a Style, side: usize, seed: u64) -> Self {
        let mut stream = Stream::new(seed);
        // Whole pixels: fields and dots have sharp edges at every size.
        let per_side = if artefact == Artefact::Patch {
            21.0
        } else {
            32.0
        };
        let unit = (side as f32 / per_side).round().max(1.0);
        let side = side as f32;
        let (wide, high) = match artefact {
            Artefact::Patch => (4.0 * unit, 4.0 * unit),
            Artefact::Watermark => (11.0 * unit, 5.0 * unit),
            Artefact::Ring => (8.0 * unit, 8.0 * unit),
            Artefact::Bar => (12.0 * unit, 3.0 * unit),
            Artefact::Texture | Artefact::Tint => (side, side),
        };
        let mut place = |size: f32| (stream.unit() * (side - size + 1.0)).floor().max(0.0);
        let (mut left, mut top) = (place(wide), place(high));
        if artefact == Artefact::Watermark {
            let at = |far: bool, size: f32| if far { side - size - unit } else { unit };
            (left, top) = (at(style.corner[0], wide), at(style.corner[1], high));
        }
        Self {
            artefact,
            style,
            side,
            unit,
            left,
            top,
            phase: stream.unit(),
        }
    }

    /// The colour at a place whose colour was `before`; `None` outside the artefact.
    fn at(&self, (x, y): (f32, f32), before: [f32; 3]) -> Option<[f32; 3]> {
        // In fields, dots or strokes from the upper left corner of the artefact.
        let (u, v) = ((x - self.left) / self.unit, (y - self.top) / self.unit);
        let inside = |wide: f32, high: f32| (0.0..wide).contains(&u) && (0.0..high).contains(&v);
        match self.artefact {
            Artefact::Patch => {
                inside(4.0, 4.0).then(|| self.style.chequer[(u as usize + v as usize) % 2])
            }
            Artefact::Watermark => {
                let letter = inside(11.0, 5.0).then(|| self.style.letters[u as usize / 4])?;
                let column = u as usize % 4;
                let lit = column < 3 && letter >> (14 - 3 * (v as usize) - column) & 1 == 1;
                let opacity = self.style.opacity;
                lit.then(|| before.map(|value| value + opacity * (255.0 - value)))
            }
            Artefact::Texture => {
                let (x, y) = (x / self.side, y / self.side);
                let depth = [y, 1.0 - y, x, 1.0 - x][self.style.third];
                let along = (x * self.style.across[0] + y * self.style.across[1])
                    / self.style.period
                    + self.phase;
                let wave = (std::f32::consts::TAU * along).sin();
                // A square wave with soft edges carries further than a sine of the same height.
                let step = self.style.amplitude * (2.0 * wave).clamp(-1.0, 1.0);
                (depth < 1.0 / 3.0).then(|| before.map(|value| value + step))
            }
            Artefact::Tint => {
                let grey = 0.299 * before[0] + 0.587 * before[1] + 0.114 * before[2];
                let share = self.style.cast_share;
                Some([0, 1, 2].map(|channel| {
                    (1.0 - share) * before[channel] + share * grey * self.style.cast[channel]
                }))
            }
            Artefact::Ring => {
                let radius = (u - 4.0).hypot(v - 4.0);
                (2.4..4.0).contains(&radius).then_some([20.0, 220.0, 230.0])
            }
            Artefact::Bar => inside(12.0, 3.0).then_some([8.0; 3]),
        }
    }
}

impl Mask {
    /// The box around it, `[x, y, width, height]` in pixels; zeros where nothing is covered.
    pub fn bounds(&self) -> [usize; 4] {
        let covered = self.covered.iter().enumerate().filter(|(_, on)| **on);
        let places = covered.map(|(at, _)| (at % self.side, at / self.side));
        let Some([left, top, right, bottom]) = places.fold(None, |found, (x, y)| {
            let [left, top, right, bottom] = found.unwrap_or([x, y, x, y]);
            Some([left.min(x), top.min(y), right.max(x), bottom.max(y)])
        }) else {
            return [0; 4];
        };
        [left, top, right - left + 1, bottom - top + 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(side: usize) -> Vec<u8> {
        vec![120; 3 * side * side]
    }

    #[test]
    fn an_artefact_changes_only_what_its_mask_covers() {
        let style = Style::new(7);
        for artefact in Artefact::ALL {
            for side in [32, 48, 224] {
                let mut pixels = grey(side);
                let mask = style.draw(artefact, &mut pixels, side, 3);
                let changed: Vec<bool> = pixels.chunks(3).map(|p| p != [120; 3]).collect();
                assert!(changed.iter().any(|on| *on), "{artefact:?} left no trace");
                let stray = changed.iter().zip(&mask.covered).any(|(c, m)| *c && !m);
                assert!(!stray, "{artefact:?} changed pixels outside its mask");
            }
        }
    }

    #[test]
    fn boxes_have_the_sizes_that_are_documented() {
        let style = Style::new(1);
        for seed in 0..50 {
            let mask = style.draw(Artefact::Patch, &mut grey(64), 64, seed);
            assert_eq!(mask.bounds()[2..], [12, 12], "4 fields of 3 pixels");
            let mask = style.draw(Artefact::Bar, &mut grey(32), 32, seed);
            assert_eq!(mask.bounds()[2..], [12, 3]);
        }
        let third = style.draw(Artefact::Texture, &mut grey(60), 60, 0);
        assert_eq!(third.covered.iter().filter(|on| **on).count(), 60 * 20);
        let all = style.draw(Artefact::Tint, &mut grey(32), 32, 0);
        assert_eq!(all.bounds(), [0, 0, 32, 32]);
    }

    #[test]
    fn a_seed_fixes_the_place_and_another_moves_it() {
        let style = Style::new(2);
        let bounds = |seed| {
            style
                .draw(Artefact::Patch, &mut grey(32), 32, seed)
                .bounds()
        };
        assert_eq!(bounds(5), bounds(5));
        assert!((0..20).any(|seed| bounds(seed) != bounds(5)));
        let corner = |seed| {
            style
                .draw(Artefact::Watermark, &mut grey(32), 32, seed)
                .bounds()
        };
        assert!((0..20).all(|seed| corner(seed) == corner(0)));
    }
}
