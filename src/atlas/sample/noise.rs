//! Random numbers and the random hills of class attributions.

/// Where a class is supported and where it is spoken against.
pub(super) struct Hill {
    top: (f32, f32),
    hollow: (f32, f32),
    height: f32,
    width: f32,
}

impl Hill {
    pub(super) fn random(rng: &mut Noise) -> Self {
        Self {
            top: (rng.uniform(), rng.uniform()),
            hollow: (rng.uniform(), rng.uniform()),
            height: 2.0 + 6.0 * rng.uniform(),
            width: 0.08 + 0.15 * rng.uniform(),
        }
    }

    pub(super) fn at(&self, x: f32, y: f32) -> f32 {
        let bump = |(cx, cy): (f32, f32)| {
            let squared = (x - cx) * (x - cx) + (y - cy) * (y - cy);
            (-squared / (2.0 * self.width * self.width)).exp()
        };
        self.height * (bump(self.top) - 0.4 * bump(self.hollow))
    }
}

/// A small generator of its own, so that invented atlases stay the same whatever the program's generator does.
pub(super) struct Noise(u64);

impl Noise {
    pub(super) fn new(seed: u64) -> Self {
        let mut noise = Self(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0x5851_F42D_4C95_7F2D);
        noise.next();
        noise
    }

    /// Weyl sequence, then two multiply-xorshift rounds.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        z = (z ^ (z >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        z ^ (z >> 32)
    }

    pub(super) fn uniform(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 24) as f32
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// Nearly normal: twelve uniforms have variance 1.
    pub(super) fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0
    }
}
