//! What solids look like: colours, patterns, gloss.

use super::numeric::{V3, bearing, floor, lattice, noise2, noise3, rough2, smooth, v};

/// How the two colours of a surface are arranged, in the solid's unit frame times `scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pattern {
    /// The first colour only.
    Plain,
    /// Bands across y.
    Bands,
    /// Stripes that run from pole to pole.
    Wedges,
    /// Round spots of the second colour.
    Dots,
    /// Clouds of both.
    Mottled,
    /// Long wavy rings, as cut wood shows them.
    Wood,
    /// Veins.
    Marble,
    /// Courses of bricks, the second colour between them.
    Brick,
    /// Upright boards, the second colour between them.
    Boards,
    /// Fine hair: the colours in tufts.
    Fur,
    /// The second colour above y = 0 with a wavy rim, sprinkled.
    Icing,
    /// Pips as on a die.
    Pips,
    /// Swirling bands of a gas planet.
    Swirls,
    /// Scales.
    Scales,
}

impl Pattern {
    /// True when one ray per pixel would show steps.
    pub(super) fn is_fine(self) -> bool {
        !matches!(self, Self::Plain | Self::Mottled | Self::Swirls)
    }
}

/// A surface.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Surface {
    pub(super) first: V3,
    pub(super) second: V3,
    pub(super) pattern: Pattern,
    /// How often the pattern repeats per unit.
    pub(super) scale: f32,
    /// Strength of the highlight, 0..=1.
    pub(super) gloss: f32,
    /// Share of the surroundings that is mirrored, 0..=1.
    pub(super) mirror: f32,
    /// Shifts the pattern, so that no two solids are alike.
    pub(super) shift: f32,
}

impl Surface {
    pub(super) fn plain(colour: V3) -> Self {
        Self {
            first: colour,
            second: colour,
            pattern: Pattern::Plain,
            scale: 1.0,
            gloss: 0.06,
            mirror: 0.0,
            shift: 0.0,
        }
    }

    pub(super) fn of(pattern: Pattern, first: V3, second: V3, scale: f32) -> Self {
        Self {
            first,
            second,
            pattern,
            scale,
            ..Self::plain(first)
        }
    }

    pub(super) fn gloss(self, gloss: f32) -> Self {
        Self { gloss, ..self }
    }

    pub(super) fn mirror(self, mirror: f32) -> Self {
        Self { mirror, ..self }
    }

    pub(super) fn shift(self, shift: f32) -> Self {
        Self { shift, ..self }
    }

    /// Colour at a point of the unit frame with that frame's normal; `size` is the solid's stretch, so that patterns
    /// of flat walls keep their proportions.
    pub(super) fn colour(&self, p: V3, normal: V3, size: V3) -> V3 {
        let share = self.share(p, normal, size);
        self.first.mix(self.second, share)
    }

    fn share(&self, p: V3, normal: V3, size: V3) -> f32 {
        let s = self.scale;
        let q = p * s + v(self.shift, self.shift * 0.7, -self.shift);
        match self.pattern {
            Pattern::Plain => 0.0,
            Pattern::Bands => stripe(p.y * s + self.shift),
            Pattern::Wedges => stripe(bearing(p.x, p.z) * s + self.shift),
            Pattern::Dots => dots(q),
            Pattern::Mottled => smooth(0.3, 0.7, 0.6 * noise3(q) + 0.4 * noise3(q * 2.3)),
            Pattern::Wood => {
                let warp = noise3(v(q.x, q.y * 0.3, q.z));
                let t = (q.x + q.z) * 1.7 + warp * 3.0;
                let ring = t - floor(t);
                smooth(0.1, 0.9, (2.0 * ring - 1.0).abs()) * 0.8 + 0.2 * noise2(q.x * 9.0, q.y, 3)
            }
            Pattern::Marble => {
                let t = q.x + q.y * 0.6 + 2.6 * noise3(q) + 1.2 * noise3(q * 2.1);
                let fold = (2.0 * (t - floor(t)) - 1.0).abs();
                1.0 - smooth(0.0, 0.32, fold)
            }
            Pattern::Brick => {
                let (u, w) = wall(p.times(size), normal);
                bricks(u * s + self.shift, w * s)
            }
            Pattern::Boards => {
                let (u, w) = wall(p.times(size), normal);
                let t = u * s + self.shift;
                let edge = t - floor(t);
                let seam = 1.0 - smooth(0.04, 0.14, edge.min(1.0 - edge));
                seam.max(0.45 * noise2(floor(t) * 3.7, w * s * 0.8, 11))
            }
            Pattern::Fur => {
                let tuft = noise3(v(q.x * 3.0, q.y * 1.3, q.z * 3.0));
                (0.75 * tuft + 0.55 * noise3(q * 0.7) - 0.15).clamp(0.0, 1.0)
            }
            Pattern::Icing => {
                let rim = 0.22 * noise2(bearing(p.x, p.z) * 11.0, 0.0, 5) - 0.1;
                smooth(rim - 0.03, rim + 0.03, p.y / self.scale)
            }
            Pattern::Pips => pips(p, normal),
            Pattern::Swirls => {
                let warp = noise3(v(q.x * 1.5, q.y * 4.0, q.z * 1.5));
                let t = p.y * s + 0.5 * warp + self.shift;
                0.5 * noise2(t * 2.0, 0.5, 21) + 0.5 * stripe_soft(t)
            }
            Pattern::Scales => {
                let row = floor(q.y * 1.0);
                let u = q.x + 0.5 * (row - 2.0 * floor(row * 0.5));
                let (du, dw) = (u - floor(u) - 0.5, q.y - row);
                smooth(0.35, 0.6, (du * du + dw * dw).sqrt())
            }
        }
    }
}

fn stripe(t: f32) -> f32 {
    let fold = (2.0 * (t - floor(t)) - 1.0).abs();
    smooth(0.46, 0.54, fold)
}

fn stripe_soft(t: f32) -> f32 {
    smooth(0.2, 0.8, (2.0 * (t - floor(t)) - 1.0).abs())
}

fn dots(q: V3) -> f32 {
    let cell = v(floor(q.x), floor(q.y), floor(q.z));
    let (ix, iy, iz) = (cell.x as i32, cell.y as i32, cell.z as i32);
    let jitter = v(
        lattice(ix, iy, iz) - 0.5,
        lattice(iy, iz, ix ^ 0x4d) - 0.5,
        lattice(iz, ix, iy ^ 0x1f) - 0.5,
    );
    let from = q - cell - v(0.5, 0.5, 0.5) - jitter * 0.3;
    1.0 - smooth(0.36, 0.42, from.length())
}

/// Coordinates on the face of a solid that looks along `normal`: across and up.
fn wall(p: V3, normal: V3) -> (f32, f32) {
    let (x, y, z) = (normal.x.abs(), normal.y.abs(), normal.z.abs());
    if z >= x && z >= y {
        (p.x, p.y)
    } else if x >= y {
        (p.z, p.y)
    } else {
        (p.x, p.z)
    }
}

/// 1 in the joints, up to 0.35 on the bricks; bricks are 1 wide and 0.5 high.
pub(super) fn bricks(u: f32, w: f32) -> f32 {
    let course = floor(w * 2.0);
    let u = u + 0.5 * (course - 2.0 * floor(course * 0.5));
    let (fu, fw) = (u - floor(u), w * 2.0 - course);
    let edge = fu.min(1.0 - fu).min(0.5 * fw.min(1.0 - fw));
    let joint = 1.0 - smooth(0.03, 0.09, edge);
    let tone = 0.35 * lattice(floor(u) as i32, course as i32, 17);
    joint.max(tone)
}

fn pips(p: V3, normal: V3) -> f32 {
    let (u, w) = wall(p, normal);
    let (x, y, z) = (normal.x, normal.y, normal.z);
    let face = if x.abs() > 0.5 {
        if x > 0.0 { 3 } else { 4 }
    } else if y.abs() > 0.5 {
        if y > 0.0 { 5 } else { 2 }
    } else if z > 0.0 {
        6
    } else {
        1
    };
    let near = |a: f32, b: f32| {
        let (du, dw) = (u - a, w - b);
        1.0 - smooth(0.19, 0.25, (du * du + dw * dw).sqrt())
    };
    let mut share: f32 = 0.0;
    if face % 2 == 1 {
        share = share.max(near(0.0, 0.0));
    }
    if face >= 2 {
        share = share.max(near(-0.5, -0.5)).max(near(0.5, 0.5));
    }
    if face >= 4 {
        share = share.max(near(-0.5, 0.5)).max(near(0.5, -0.5));
    }
    if face == 6 {
        share = share.max(near(-0.5, 0.0)).max(near(0.5, 0.0));
    }
    share
}

/// Planks of a table or floor seen from above: 1 in the seams, grain elsewhere.
pub(super) fn planks(x: f32, z: f32, seed: i32) -> f32 {
    let board = floor(x);
    let edge = (x - board).min(1.0 - x + board);
    let seam = 1.0 - smooth(0.0, 0.05, edge);
    let offset = lattice(board as i32, seed, 1);
    let grain = rough2(x * 7.0, z * 0.8 + 9.0 * offset, seed);
    seam.max(0.7 * grain * grain + 0.35 * offset)
}
