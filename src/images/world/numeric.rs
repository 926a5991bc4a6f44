//! Vectors, angles, noise and dice made of exactly rounded operations only (+ − × ÷ √ floor and integers), so that
//! the same seed draws the same picture on every platform. The maths library's sine, power and exponential differ
//! in the last bit between systems and are not used.

use std::ops::{Add, AddAssign, Mul, Neg, Sub};

/// Three numbers: a point, a direction, or a colour in linear light.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct V3 {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) z: f32,
}

/// Short for a vector of these components.
pub(super) const fn v(x: f32, y: f32, z: f32) -> V3 {
    V3 { x, y, z }
}

/// A colour as in `#rrggbb`, to linear light by squaring (the picture is made with gamma 2).
pub(super) const fn hex(code: u32) -> V3 {
    let r = ((code >> 16) & 255) as f32 / 255.0;
    let g = ((code >> 8) & 255) as f32 / 255.0;
    let b = (code & 255) as f32 / 255.0;
    v(r * r, g * g, b * b)
}

impl V3 {
    pub(super) const ZERO: Self = v(0.0, 0.0, 0.0);
    pub(super) const ONE: Self = v(1.0, 1.0, 1.0);
    pub(super) const UP: Self = v(0.0, 1.0, 0.0);

    pub(super) fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    pub(super) fn cross(self, other: Self) -> Self {
        v(
            self.y * other.z - self.z * other.y,
            self.z * other.x - self.x * other.z,
            self.x * other.y - self.y * other.x,
        )
    }

    pub(super) fn length(self) -> f32 {
        self.dot(self).sqrt()
    }

    /// The same direction with length 1; zero stays zero.
    pub(super) fn unit(self) -> Self {
        let length = self.length();
        if length > 0.0 {
            self * (1.0 / length)
        } else {
            self
        }
    }

    /// `self` at 0, `other` at 1.
    pub(super) fn mix(self, other: Self, share: f32) -> Self {
        self + (other - self) * share
    }

    /// Component by component.
    pub(super) fn times(self, other: Self) -> Self {
        v(self.x * other.x, self.y * other.y, self.z * other.z)
    }

    /// The vector mirrored at a surface with this unit normal.
    pub(super) fn reflect(self, normal: Self) -> Self {
        self - normal * (2.0 * self.dot(normal))
    }
}

impl Add for V3 {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        v(self.x + other.x, self.y + other.y, self.z + other.z)
    }
}

impl AddAssign for V3 {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for V3 {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        v(self.x - other.x, self.y - other.y, self.z - other.z)
    }
}

impl Mul<f32> for V3 {
    type Output = Self;
    fn mul(self, scale: f32) -> Self {
        v(self.x * scale, self.y * scale, self.z * scale)
    }
}

impl Neg for V3 {
    type Output = Self;
    fn neg(self) -> Self {
        v(-self.x, -self.y, -self.z)
    }
}

/// The largest integer not above `x`, for |x| < 2³¹, without a call of the maths library.
pub(super) fn floor(x: f32) -> f32 {
    let towards_zero = x as i32 as f32;
    if towards_zero > x {
        towards_zero - 1.0
    } else {
        towards_zero
    }
}

/// 0 below `low`, 1 above `high`, smooth between.
pub(super) fn smooth(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Sine of `turns` full turns, by the odd Taylor polynomial of degree 9 on a quarter turn (error below 4e-6).
pub(super) fn sine(turns: f32) -> f32 {
    let t = turns - floor(turns + 0.5);
    let folded = if t > 0.25 {
        0.5 - t
    } else if t < -0.25 {
        -0.5 - t
    } else {
        t
    };
    let x = folded * std::f32::consts::TAU;
    let square = x * x;
    let tail = square * (1.0 / 120.0 - square * (1.0 / 5040.0 - square * (1.0 / 362_880.0)));
    x * (1.0 - square * (1.0 / 6.0 - tail))
}

/// Cosine of `turns` full turns.
pub(super) fn cosine(turns: f32) -> f32 {
    sine(turns + 0.25)
}

/// `x` to the power 2^`doublings`.
pub(super) fn power(x: f32, doublings: u32) -> f32 {
    (0..doublings).fold(x, |x, _| x * x)
}

/// A falling exponential without the maths library: (1 − x/16)^16 → e^−x, zero from 16 on.
pub(super) fn decay(x: f32) -> f32 {
    power((1.0 - x * (1.0 / 16.0)).max(0.0), 4)
}

/// Angle of (x, z) around the y axis in turns, 0..1, by the diamond's perimeter instead of the arc (at most 0.012
/// turns off, and exact at every eighth).
pub(super) fn bearing(x: f32, z: f32) -> f32 {
    let sum = x.abs() + z.abs();
    if sum == 0.0 {
        return 0.0;
    }
    let along = x / sum;
    let t = 0.25 * (1.0 - along);
    if z >= 0.0 { t } else { 1.0 - t }
}

/// A hash of a lattice point, 0..1.
pub(super) fn lattice(x: i32, y: i32, z: i32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x8da6_b343)
        ^ (y as u32).wrapping_mul(0xd816_3841)
        ^ (z as u32).wrapping_mul(0xcb1a_b31f);
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    ((h ^ (h >> 15)) >> 8) as f32 * (1.0 / 16_777_216.0)
}

fn ease(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// Value noise in the plane, 0..1, one bump per unit.
pub(super) fn noise2(x: f32, y: f32, seed: i32) -> f32 {
    let (fx, fy) = (floor(x), floor(y));
    let (ix, iy) = (fx as i32, fy as i32);
    let (u, w) = (ease(x - fx), ease(y - fy));
    let a = lattice(ix, iy, seed);
    let b = lattice(ix + 1, iy, seed);
    let c = lattice(ix, iy + 1, seed);
    let d = lattice(ix + 1, iy + 1, seed);
    let top = a + (b - a) * u;
    let bottom = c + (d - c) * u;
    top + (bottom - top) * w
}

/// Value noise in space, 0..1, one bump per unit.
pub(super) fn noise3(p: V3) -> f32 {
    let fz = floor(p.z);
    let iz = fz as i32;
    let near = noise2(p.x, p.y, iz.wrapping_mul(7919));
    let far = noise2(p.x, p.y, (iz + 1).wrapping_mul(7919));
    near + (far - near) * ease(p.z - fz)
}

/// Two octaves of [`noise2`], 0..1.
pub(super) fn rough2(x: f32, y: f32, seed: i32) -> f32 {
    0.67 * noise2(x, y, seed) + 0.33 * noise2(x * 2.17 + 5.1, y * 2.17 + 1.7, seed ^ 0x55)
}

/// Dice: a SplitMix64 stream (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). Every
/// part of a scene throws its own, so that planting a feature or not leaves all else as it was.
#[derive(Debug, Clone)]
pub(super) struct Dice {
    state: u64,
}

impl Dice {
    /// The stream of this seed, image and purpose.
    pub(super) fn new(seed: u64, index: u64, purpose: u64) -> Self {
        let mut dice = Self {
            state: seed ^ 0x6a09_e667_f3bc_c909,
        };
        dice.state = dice.next() ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        dice.state = dice.next() ^ purpose.wrapping_mul(0xd1b5_4a32_d192_ed03);
        dice.next();
        dice
    }

    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly in 0..1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 * (1.0 / 16_777_216.0)
    }

    /// Evenly between two numbers.
    pub(super) fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// Evenly in 0..n.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// One of several.
    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A colour from a list, a little brighter or darker and shifted in hue.
    pub(super) fn colour(&mut self, from: &[u32]) -> V3 {
        let base = hex(self.pick(from));
        let light = self.range(0.78, 1.18);
        let tint = v(
            self.range(0.9, 1.1),
            self.range(0.9, 1.1),
            self.range(0.9, 1.1),
        );
        base.times(tint) * light
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_polynomial_sine_is_close_to_the_real_one() {
        for step in -4000_i16..4000 {
            let turns = f32::from(step) / 1000.0;
            let real = (f64::from(turns) * std::f64::consts::TAU).sin();
            assert!((f64::from(sine(turns)) - real).abs() < 1e-5, "{turns}");
        }
    }

    #[test]
    fn dice_are_even_and_streams_differ() {
        let mut dice = Dice::new(1, 2, 3);
        let mean = (0..10_000).map(|_| dice.unit()).sum::<f32>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.015, "{mean}");
        assert_ne!(Dice::new(1, 2, 4).next(), Dice::new(1, 2, 3).next());
        assert_ne!(Dice::new(1, 3, 3).next(), Dice::new(1, 2, 3).next());
        assert_ne!(Dice::new(2, 2, 3).next(), Dice::new(1, 2, 3).next());
    }

    #[test]
    fn noise_stays_in_range_and_is_continuous() {
        for step in 0_u16..5000 {
            let t = f32::from(step) * 0.0137 - 30.0;
            let here = noise3(v(t, 0.5 * t, 1.3 - t));
            let there = noise3(v(t + 1e-3, 0.5 * t, 1.3 - t));
            assert!((0.0..=1.0).contains(&here));
            assert!((here - there).abs() < 0.01);
        }
    }

    #[test]
    fn bearing_goes_once_around() {
        assert!((bearing(1.0, 0.0) - 0.0).abs() < 1e-6);
        assert!((bearing(0.0, 1.0) - 0.25).abs() < 1e-6);
        assert!((bearing(-1.0, 0.0) - 0.5).abs() < 1e-6);
        assert!((bearing(0.0, -1.0) - 0.75).abs() < 1e-6);
    }
}
