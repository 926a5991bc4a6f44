//! Where a scene takes place: the sky or wall behind, the ground below, the light.

use super::numeric::{Dice, V3, decay, floor, hex, lattice, noise2, power, rough2, smooth, v};
use super::surface::{bricks, planks};

/// A kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Grass, hills, blue sky.
    Meadow,
    /// Open water to the horizon.
    Sea,
    /// Below the surface: blue haze, sand with dancing light.
    Underwater,
    /// Sand and dunes.
    Desert,
    /// White ground and mountains.
    Snow,
    /// High in the air among clouds.
    Air,
    /// Stars and a nebula.
    Space,
    /// A wooden table before a wall.
    Table,
    /// Asphalt before houses.
    Street,
    /// Paving before a brick wall.
    Yard,
    /// A meadow under the moon.
    Night,
}

impl Place {
    /// Snow is planted, so no subject is met there otherwise.
    pub(super) const ALL_BUT_SNOW: &[Self] = &[
        Self::Meadow,
        Self::Sea,
        Self::Underwater,
        Self::Desert,
        Self::Air,
        Self::Space,
        Self::Table,
        Self::Street,
        Self::Yard,
        Self::Night,
    ];
}

/// A place with its colours and light.
#[derive(Debug, Clone)]
pub(super) struct Backdrop {
    pub(super) place: Place,
    /// Unit vector towards the light.
    pub(super) sun: V3,
    pub(super) sunlight: V3,
    pub(super) ambient_above: V3,
    pub(super) ambient_below: V3,
    /// Share of the haze's colour per unit of distance, as the rate of an exponential.
    pub(super) haze: f32,
    high: V3,
    low: V3,
    ground: [V3; 2],
    far: V3,
    seed: i32,
    shift: f32,
    clouds: f32,
}

/// The wall of indoor places stands at this z.
const WALL: f32 = -3.2;

impl Backdrop {
    pub(super) fn new(place: Place, dice: &mut Dice) -> Self {
        let (high, low, ground, far) = palette(place, dice);
        let warm = dice.unit();
        let sunlight = match place {
            Place::Night => hex(0xa8_b8e8),
            Place::Space => hex(0xff_f6e8) * 1.5,
            Place::Underwater => hex(0xe0_f4ec) * 1.3,
            _ => hex(0xff_f4e0).mix(hex(0xff_c890), warm * warm) * 1.25,
        };
        let strength = match place {
            Place::Space => 0.10,
            Place::Night => 1.6,
            _ => 0.62,
        };
        let sun = v(
            dice.range(-0.9, 0.9),
            dice.range(0.55, 1.1),
            dice.range(0.15, 0.9),
        )
        .unit();
        Self {
            place,
            sun,
            sunlight: sunlight * dice.range(0.85, 1.1),
            ambient_above: high.mix(low, 0.5) * strength + v(0.05, 0.05, 0.06),
            ambient_below: ground[0] * (strength * 0.55) + v(0.02, 0.02, 0.02),
            haze: match place {
                Place::Underwater => 0.11,
                Place::Table | Place::Yard => 0.0,
                Place::Snow => 0.035,
                _ => 0.022,
            },
            high,
            low,
            ground,
            far,
            seed: dice.below(1 << 20) as i32,
            shift: dice.range(-40.0, 40.0),
            clouds: dice.range(0.0, 1.0),
        }
    }

    /// True when there is ground at y = 0.
    pub(super) fn has_ground(&self) -> bool {
        !matches!(self.place, Place::Air | Place::Space)
    }

    /// True when the ground mirrors what is above it.
    pub(super) fn is_water(&self) -> bool {
        self.place == Place::Sea
    }

    /// Colour seen along a ray that meets neither solid nor ground.
    pub(super) fn behind(&self, origin: V3, d: V3) -> V3 {
        match self.place {
            Place::Table | Place::Yard => self.wall(origin, d),
            Place::Space => self.stars(d),
            Place::Underwater => {
                let up = smooth(-0.4, 0.7, d.y);
                let ray = noise2(d.x * 9.0 + self.shift, d.y * 1.2, self.seed);
                self.low.mix(self.high, up) + self.high * (0.5 * up * ray * ray)
            }
            _ => self.sky(d),
        }
    }

    fn sky(&self, d: V3) -> V3 {
        let up = d.y.max(0.0);
        let mut colour = self.low.mix(self.high, 1.0 - decay(up * 4.2));
        if self.place == Place::Air || d.y > 0.015 {
            let depth = 1.0 / (d.y.abs() + 0.16);
            let (x, z) = (d.x * depth * 1.3 + self.shift, d.z * depth * 2.0);
            let cover = rough2(x, z, self.seed);
            let edge = 0.86 - 0.42 * self.clouds;
            let amount = smooth(edge, edge + 0.22, cover) * smooth(0.0, 0.1, d.y.abs());
            let white = if self.place == Place::Night {
                hex(0x3a_4260)
            } else {
                V3::ONE
            };
            colour = colour.mix(white, 0.85 * amount);
        }
        if self.place == Place::Night {
            colour += self.points(d, 46.0, 0.965);
            let moon = d.dot(v(-0.42, 0.52, -0.74).unit());
            colour = colour.mix(hex(0xf6_f0d8), smooth(0.9948, 0.9962, moon));
        } else {
            colour += self.sunlight * (0.35 * power(d.dot(self.sun).max(0.0), 5));
        }
        self.horizon(colour, d)
    }

    /// Hills, dunes, mountains or roofs along the horizon.
    fn horizon(&self, sky: V3, d: V3) -> V3 {
        let u = d.x / (d.z.abs() + 0.2) * 2.4 + self.shift;
        let (height, tone) = match self.place {
            Place::Meadow | Place::Night => (0.03 + 0.13 * rough2(u, 0.5, self.seed), 0.25),
            Place::Desert => (0.11 * noise2(u * 0.8, 0.5, self.seed), 0.2),
            Place::Snow => {
                let fold = |t: f32| (2.0 * (t - floor(t)) - 1.0).abs();
                let peaks = 0.17 * fold(u * 0.43) + 0.06 * fold(u * 1.37 + 0.3);
                (peaks + 0.04 * noise2(u * 3.0, 0.0, self.seed), 0.5)
            }
            Place::Street => {
                let block = floor(u * 1.6) as i32;
                (
                    0.08 + 0.3 * lattice(block, self.seed, 4),
                    lattice(block, 9, self.seed),
                )
            }
            _ => return sky,
        };
        if d.y >= height || d.y < -0.02 {
            return sky;
        }
        let mut colour = self.far * (0.7 + 0.6 * tone);
        if self.place == Place::Street {
            let (w, h) = (u * 12.8, d.y * 40.0);
            let (fw, fh) = (w - floor(w), h - floor(h));
            let lit = lattice(floor(w) as i32, floor(h) as i32, self.seed) > 0.6;
            if fw > 0.3 && fw < 0.8 && fh > 0.3 && fh < 0.75 {
                let pane = if lit { hex(0xff_e2a0) } else { hex(0x30_3a48) };
                colour = colour.mix(pane, 0.6);
            }
        }
        if self.place == Place::Snow {
            let cap = smooth(
                0.45,
                0.75,
                d.y / height + 0.25 * noise2(u * 6.0, d.y * 40.0, 3),
            );
            colour = colour.mix(V3::ONE * 0.92, cap);
        }
        colour.mix(self.low, 0.28)
    }

    fn wall(&self, origin: V3, d: V3) -> V3 {
        if d.z > -0.02 {
            return self.low.mix(self.high, smooth(-0.3, 0.9, d.y)) * 0.8;
        }
        let p = origin + d * ((WALL - origin.z) / d.z);
        let paint = if self.place == Place::Yard {
            let share = bricks(p.x * 1.5 + self.shift, p.y * 1.5);
            let grain = 0.85 + 0.3 * noise2(p.x * 6.0, p.y * 6.0, self.seed);
            self.far.mix(self.low, share) * grain
        } else {
            let stripe = floor(p.x * 1.4 + self.shift);
            let odd = stripe - 2.0 * floor(stripe * 0.5);
            let pattern = if self.clouds > 0.6 { 0.16 * odd } else { 0.0 };
            self.low.mix(self.far, pattern)
        };
        let (x, y) = (p.x * 0.22, (p.y - 1.6) * 0.22);
        paint * (1.0 - 0.5 * (x * x + y * y).min(1.0))
    }

    fn stars(&self, d: V3) -> V3 {
        let cloud = rough2(d.x * 2.6 + self.shift, d.y * 2.6, self.seed);
        let band = rough2(d.x * 5.0 + 7.0, d.y * 5.0 + self.shift, self.seed ^ 9);
        let glow = smooth(0.45, 0.95, cloud) * band;
        let sky = self.low + self.high * (0.9 * glow) + self.far * (0.5 * glow * glow);
        sky + self.points(d, 30.0, 0.93)
    }

    /// Single stars, brighter than `rarity` in their lattice cell.
    fn points(&self, d: V3, density: f32, rarity: f32) -> V3 {
        let depth = density / (d.z.abs() + 0.5);
        let (x, y) = (d.x * depth, d.y * depth);
        let (fx, fy) = (floor(x), floor(y));
        let bright = lattice(fx as i32, fy as i32, self.seed);
        if bright < rarity {
            return V3::ZERO;
        }
        let (u, w) = (x - fx - 0.5, y - fy - 0.5);
        let strength = (bright - rarity) / (1.0 - rarity);
        V3::ONE * ((0.25 + strength) * (1.0 - smooth(0.05, 0.32, (u * u + w * w).sqrt())))
    }

    /// Colour of the ground at a point seen from `distance` away, before light.
    pub(super) fn ground(&self, p: V3, distance: f32) -> V3 {
        let (x, z) = (p.x + self.shift, p.z);
        let fine = 1.0 - smooth(5.0, 16.0, distance);
        let share = match self.place {
            Place::Meadow | Place::Night => {
                let blades = noise2(x * 19.0, z * 8.0, self.seed) * fine;
                let flowers = noise2(x * 7.0, z * 7.0, self.seed ^ 3);
                if flowers > 0.93 && fine > 0.3 && self.clouds > 0.4 {
                    return V3::ONE.mix(hex(0xff_e060), self.clouds) * 0.8;
                }
                0.6 * blades + 0.5 * noise2(x * 1.3, z * 1.3, self.seed)
            }
            Place::Desert => {
                let warp = 1.5 * noise2(x * 0.9, z * 0.9, self.seed);
                let ripple = z * 3.4 + x * 0.5 + warp;
                let fold = (2.0 * (ripple - floor(ripple)) - 1.0).abs();
                0.55 * fold * fine + 0.35 * noise2(x * 0.6, z * 0.6, 8)
            }
            Place::Snow => 0.8 * rough2(x * 1.4, z * 1.4, self.seed),
            Place::Underwater => {
                let a = noise2(x * 2.2, z * 2.2, self.seed);
                let b = noise2(x * 2.2 + 13.0, z * 2.2, self.seed ^ 5);
                1.0 - smooth(0.0, 0.22, (a - b).abs())
            }
            Place::Table => planks(x * 1.1, z, self.seed),
            Place::Yard => {
                let (u, w) = (x * 1.4, z * 1.4);
                let (fu, fw) = (u - floor(u), w - floor(w));
                let edge = fu.min(1.0 - fu).min(fw).min(1.0 - fw);
                let joint = 1.0 - smooth(0.02, 0.07, edge);
                joint.max(0.45 * lattice(floor(u) as i32, floor(w) as i32, 2))
            }
            Place::Street => {
                let line = (x - self.shift + 2.4).abs();
                let dash = z * 0.45 - floor(z * 0.45);
                if line < 0.13 && dash < 0.6 {
                    return V3::ONE * 0.72;
                }
                0.7 * noise2(x * 24.0, z * 24.0, self.seed) * fine + 0.3 * noise2(x, z, 6)
            }
            Place::Sea | Place::Air | Place::Space => noise2(x, z, self.seed),
        };
        self.ground[0].mix(self.ground[1], share.clamp(0.0, 1.0))
    }

    /// Normal of the water at a point: small waves, calmer far away.
    pub(super) fn waves(&self, p: V3, distance: f32) -> V3 {
        let (x, z) = (p.x * 1.6 + self.shift, p.z * 4.2);
        let swell = 0.32 / (1.0 + 0.13 * distance);
        let a = rough2(x, z, self.seed) - 0.5;
        let b = rough2(x + 31.0, z, self.seed ^ 0x0c) - 0.5;
        v(a * swell * 0.6, 1.0, b * swell).unit()
    }

    /// Colour of deep water looked at along a ray with this mirrored direction.
    pub(super) fn water(&self, mirrored: V3, facing: f32, share: f32) -> V3 {
        let up = v(mirrored.x, mirrored.y.abs() + 0.02, mirrored.z);
        let reflected = self.low.mix(self.high, 1.0 - decay(up.y * 4.2));
        let away = 1.0 - facing;
        let fresnel = 0.08 + 0.8 * away * away * away * away;
        self.ground[0]
            .mix(self.ground[1], share)
            .mix(reflected, fresnel)
    }

    /// Colour that distance fades into.
    pub(super) fn haze_colour(&self) -> V3 {
        self.low
    }
}

/// Sky high and low, the ground's two colours, and what stands far away.
fn palette(place: Place, dice: &mut Dice) -> (V3, V3, [V3; 2], V3) {
    let blue = dice.colour(&[0x3a_7ed0, 0x4a_90e0, 0x2f_6fc4, 0x6a_a4dc]);
    let pale = dice.colour(&[0xcf_e4f4, 0xe8_eef2, 0xf4_e2cc, 0xdc_ecf8]);
    let dusk = dice.chance(0.18);
    let (high, low) = if dusk {
        (
            dice.colour(&[0x4a_5a9a, 0x5a_4a8a]),
            dice.colour(&[0xf4_b080, 0xf0_9a78]),
        )
    } else {
        (blue, pale)
    };
    let mut pick = |list: &[u32]| dice.colour(list);
    match place {
        Place::Meadow => (
            high,
            low,
            [pick(&[0x3f_7a2c, 0x4c_8430]), pick(&[0x86_b84c, 0x9c_c060])],
            pick(&[0x3c_6a3c, 0x4a_7858, 0x5a_7a6a]),
        ),
        Place::Sea => (
            high,
            low,
            [
                pick(&[0x14_4a78, 0x10_5a80, 0x1a_4060]),
                pick(&[0x2a_80a0, 0x30_78b0]),
            ],
            pale,
        ),
        Place::Underwater => (
            pick(&[0x40_b8d0, 0x38_a8c8, 0x50_c0b8]),
            pick(&[0x0c_4a78, 0x10_5a78, 0x0a_4068]),
            [pick(&[0x6a_a0a0, 0x78_a898]), pick(&[0xc0_e8d8])],
            blue,
        ),
        Place::Desert => (
            high,
            low,
            [pick(&[0xc8_9858, 0xd0_a060]), pick(&[0xf0_cc8c, 0xe8_c080])],
            pick(&[0xc0_8850, 0xb8_7848]),
        ),
        Place::Snow => (
            high,
            low,
            [pick(&[0xc4_d4e8, 0xb8_cce0]), pick(&[0xf6_f8fc])],
            pick(&[0x6a_7a94, 0x5c_6c84]),
        ),
        Place::Street => (
            high,
            low,
            [pick(&[0x50_5254, 0x5c_5c60]), pick(&[0x88_8a8c])],
            pick(&[0xa0_8878, 0x88_8890, 0x90_7468]),
        ),
        _ => far_palette(place, &mut pick, blue, pale),
    }
}

/// [`palette`] of the places without an ordinary sky.
fn far_palette(
    place: Place,
    pick: &mut dyn FnMut(&[u32]) -> V3,
    blue: V3,
    pale: V3,
) -> (V3, V3, [V3; 2], V3) {
    match place {
        Place::Space => (
            pick(&[0x5a_3aa0, 0x30_58b0, 0x90_3878]),
            pick(&[0x08_0a18, 0x0a_0814]),
            [V3::ZERO, V3::ZERO],
            pick(&[0xd0_5a70, 0x40_a0b0]),
        ),
        Place::Table => (
            pick(&[0xf4_ecdc]),
            pick(&[
                0xd8_c8b0, 0xa8_b8b0, 0xb0_a0a8, 0xe0_d8c8, 0x98_a8c0, 0x7c_8c80,
            ]),
            [
                pick(&[0xb0_7840, 0x98_6034, 0xc0_8c54]),
                pick(&[0x5c_3418, 0x70_4420]),
            ],
            pick(&[0xa0_8c78, 0x80_8c90]),
        ),
        Place::Yard => (
            pick(&[0xe8_e4dc]),
            pick(&[0xd0_c8bc, 0xb8_b0a8]),
            [pick(&[0x98_9488, 0xa8_9c90]), pick(&[0x58_544c])],
            pick(&[0xa0_5038, 0x90_4430, 0xb0_6848, 0x8c_6a58]),
        ),
        Place::Night => (
            pick(&[0x12_1e48, 0x18_2450]),
            pick(&[0x3c_4c80, 0x50_487c, 0x38_5878]),
            [pick(&[0x24_4838]), pick(&[0x44_7058])],
            pick(&[0x20_3048]),
        ),
        _ => (blue, pale, [pale, pale], pale),
    }
}
