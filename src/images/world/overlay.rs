//! What lies on the picture rather than in the scene: letters, digits, lens flare.

use super::numeric::{Dice, V3, hex, smooth};

/// Box in pixels: left, top, width, height.
pub(super) type Box4 = [f32; 4];

/// A glyph of 3 × 5 dots, rows from the top, three bits each.
const fn glyph(symbol: u8) -> u16 {
    match symbol {
        b'0' | b'O' => 0b111_101_101_101_111,
        b'1' => 0b010_110_010_010_111,
        b'2' => 0b111_001_111_100_111,
        b'3' => 0b111_001_011_001_111,
        b'4' => 0b101_101_111_001_001,
        b'5' | b'S' => 0b111_100_111_001_111,
        b'6' => 0b111_100_111_101_111,
        b'7' => 0b111_001_010_010_010,
        b'8' => 0b111_101_111_101_111,
        b'9' => 0b111_101_111_001_111,
        b'A' => 0b010_101_111_101_101,
        b'T' => 0b111_010_010_010_010,
        b'L' => 0b100_100_100_100_111,
        _ => 0,
    }
}

/// A line of glyphs somewhere on the picture.
#[derive(Debug, Clone)]
pub(super) struct Lettering {
    symbols: Vec<u8>,
    left: f32,
    top: f32,
    /// Pixels per dot.
    dot: f32,
    colour: V3,
    opacity: f32,
}

impl Lettering {
    /// A translucent name at the lower right, as picture agencies put it.
    pub(super) fn watermark(dice: &mut Dice, size: usize) -> Self {
        let unit = size as f32 / 64.0;
        let dot = unit * dice.range(1.1, 1.4);
        let wide = 19.0 * dot;
        Self {
            symbols: b"ATLAS".to_vec(),
            left: size as f32 - wide - unit * dice.range(2.0, 7.0),
            top: size as f32 - 5.0 * dot - unit * dice.range(2.0, 7.0),
            dot,
            colour: V3::ONE,
            opacity: dice.range(0.5, 0.75),
        }
    }

    /// Orange digits at the lower left, as cameras of the nineties burnt them in.
    pub(super) fn date(dice: &mut Dice, size: usize) -> Self {
        let unit = size as f32 / 64.0;
        let dot = unit * dice.range(0.95, 1.25);
        let mut digit = || b'0' + dice.below(10) as u8;
        let symbols = vec![digit(), digit(), b' ', digit(), b' ', digit(), digit()];
        Self {
            symbols,
            left: unit * dice.range(2.0, 7.0),
            top: size as f32 - 5.0 * dot - unit * dice.range(2.0, 7.0),
            dot,
            colour: hex(0xff_8a20) * 1.2,
            opacity: 0.9,
        }
    }

    /// The rectangle it fills.
    pub(super) fn bounds(&self) -> Box4 {
        let wide = (4 * self.symbols.len() - 1) as f32 * self.dot;
        [self.left, self.top, wide, 5.0 * self.dot]
    }

    /// Draws it, four samples per pixel.
    pub(super) fn draw(&self, picture: &mut [V3], size: usize) {
        let [left, top, wide, high] = self.bounds();
        let rows = top.max(0.0) as usize..((top + high).ceil() as usize).min(size);
        for row in rows {
            let columns = left.max(0.0) as usize..((left + wide).ceil() as usize).min(size);
            for column in columns {
                let mut covered = 0.0;
                for (dx, dy) in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)] {
                    let x = (column as f32 + dx - left) / self.dot;
                    let y = (row as f32 + dy - top) / self.dot;
                    covered += 0.25 * self.ink(x, y);
                }
                let pixel = &mut picture[row * size + column];
                *pixel = pixel.mix(self.colour, covered * self.opacity);
            }
        }
    }

    fn ink(&self, x: f32, y: f32) -> f32 {
        if x < 0.0 || !(0.0..5.0).contains(&y) {
            return 0.0;
        }
        let (column, row) = (x as usize, y as usize);
        let (place, bit) = (column / 4, column % 4);
        match self.symbols.get(place) {
            Some(&symbol) if bit < 3 => f32::from((glyph(symbol) >> (14 - 3 * row - bit)) & 1),
            _ => 0.0,
        }
    }
}

/// A glow with a coloured ring: light scattered inside a lens.
#[derive(Debug, Clone)]
pub(super) struct Flare {
    x: f32,
    y: f32,
    radius: f32,
    colour: V3,
}

impl Flare {
    pub(super) fn new(dice: &mut Dice, size: usize) -> Self {
        let side = size as f32;
        Self {
            x: side * dice.range(0.15, 0.85),
            y: side * dice.range(0.12, 0.6),
            radius: side * dice.range(0.09, 0.14),
            colour: dice.colour(&[0xff_e0a0, 0xa0_e0ff, 0xff_b0c0]),
        }
    }

    pub(super) fn bounds(&self, size: usize) -> Box4 {
        clip(
            [
                self.x - self.radius,
                self.y - self.radius,
                self.x + self.radius,
                self.y + self.radius,
            ],
            size,
        )
    }

    pub(super) fn draw(&self, picture: &mut [V3], size: usize) {
        for (index, pixel) in picture.iter_mut().enumerate() {
            let dx = (index % size) as f32 + 0.5 - self.x;
            let dy = (index / size) as f32 + 0.5 - self.y;
            let r = (dx * dx + dy * dy).sqrt() / self.radius;
            if r < 1.0 {
                let core = 1.0 - smooth(0.0, 0.42, r);
                let ring = smooth(0.66, 0.8, r) * (1.0 - smooth(0.86, 1.0, r));
                *pixel += self.colour * (0.9 * core + 0.5 * ring) + V3::ONE * (0.4 * core * core);
            }
        }
    }
}

/// Corners to a box inside the picture; zeros when nothing of it is.
pub(super) fn clip([x0, y0, x1, y1]: [f32; 4], size: usize) -> Box4 {
    let side = size as f32;
    let (x0, y0) = (x0.clamp(0.0, side), y0.clamp(0.0, side));
    let (x1, y1) = (x1.clamp(0.0, side), y1.clamp(0.0, side));
    if x1 - x0 < 0.5 || y1 - y0 < 0.5 {
        return [0.0; 4];
    }
    [x0, y0, x1 - x0, y1 - y0]
}
