//! What works pixel by pixel: layout changes, ReLU and its mask, means over the map, LRN.

use super::pack::Slots;
use super::simd::{Isa, LANES, Lrn75, LrnJob, Work};
use crate::network::ops;

/// One image's planes `[channel][pixel]` into blocks; unused lanes become 0.
pub(super) fn to_blocks(planes: &[f32], slots: &Slots, pixels: usize, blocks: &mut [f32]) {
    if slots.channels() < slots.blocks * LANES {
        blocks.fill(0.0);
    }
    for (plane, &slot) in planes.chunks_exact(pixels).zip(&slots.of_channel) {
        let slot = slot as usize;
        let start = slot / LANES * pixels * LANES + slot % LANES;
        for (pixel, &value) in plane.iter().enumerate() {
            blocks[start + pixel * LANES] = value;
        }
    }
}

/// The inverse of [`to_blocks`].
pub(super) fn to_planes(blocks: &[f32], slots: &Slots, pixels: usize, planes: &mut [f32]) {
    for (plane, &slot) in planes.chunks_exact_mut(pixels).zip(&slots.of_channel) {
        let slot = slot as usize;
        let start = slot / LANES * pixels * LANES + slot % LANES;
        for (pixel, value) in plane.iter_mut().enumerate() {
            *value = blocks[start + pixel * LANES];
        }
    }
}

/// y = x held between two values; `x` may be left out when it stands in `y` already.
pub(super) struct Clamp<'a> {
    pub limits: (f32, f32),
    pub x: Option<&'a [f32]>,
    pub y: &'a mut [f32],
}

impl Work for Clamp<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let (low, high) = self.limits;
        let held = |x: f32| {
            let x = if x > low { x } else { low };
            if x < high { x } else { high }
        };
        match self.x {
            Some(x) => {
                for (y, &x) in self.y.iter_mut().zip(x) {
                    *y = held(x);
                }
            }
            None => {
                for y in self.y {
                    *y = held(*y);
                }
            }
        }
    }
}

/// y = mul · x + add per lane, or added to y; without `add` values its linear part.
pub(super) struct Affine<'a> {
    pub mul: &'a [f32],
    pub add: Option<&'a [f32]>,
    pub pixels: usize,
    pub x: &'a [f32],
    pub y: &'a mut [f32],
    pub onto: bool,
}

impl Work for Affine<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let per_block = self.pixels * LANES;
        let blocks = self
            .x
            .chunks_exact(per_block)
            .zip(self.y.chunks_exact_mut(per_block));
        for (block, (x, y)) in blocks.enumerate() {
            let lanes = block * LANES..(block + 1) * LANES;
            let mul = &self.mul[lanes.clone()];
            let zeros = [0.0; LANES];
            let add = self.add.map_or(&zeros[..], |add| &add[lanes]);
            for (x, y) in x.chunks_exact(LANES).zip(y.chunks_exact_mut(LANES)) {
                for lane in 0..LANES {
                    let value = mul[lane] * x[lane] + add[lane];
                    y[lane] = if self.onto { y[lane] + value } else { value };
                }
            }
        }
    }
}

/// How a second value changes a first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// y + x
    Add,
    /// y − x
    Sub,
    /// x − y
    From,
    /// y · x
    Mul,
    /// y + x · w
    AddProduct,
}

/// Changes `y` by `x`, either pixel by pixel or, where `x` has one pixel, by that one.
pub(super) struct Combine<'a> {
    pub change: Change,
    pub pixels: usize,
    pub x: &'a [f32],
    /// For [`Change::AddProduct`], as `x`; else empty.
    pub w: &'a [f32],
    pub y: &'a mut [f32],
}

impl Work for Combine<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let wide = |values: &[f32]| values.len() == self.y.len();
        let (x_wide, w_wide) = (wide(self.x), wide(self.w));
        let at = |wide: bool, block: usize, pixel: usize| {
            let start = if wide {
                block * self.pixels + pixel
            } else {
                block
            } * LANES;
            start..start + LANES
        };
        for (block, y) in self.y.chunks_exact_mut(self.pixels * LANES).enumerate() {
            for (pixel, y) in y.chunks_exact_mut(LANES).enumerate() {
                let x = &self.x[at(x_wide, block, pixel)];
                match self.change {
                    Change::Add => (0..LANES).for_each(|lane| y[lane] += x[lane]),
                    Change::Sub => (0..LANES).for_each(|lane| y[lane] -= x[lane]),
                    Change::From => (0..LANES).for_each(|lane| y[lane] = x[lane] - y[lane]),
                    Change::Mul => (0..LANES).for_each(|lane| y[lane] *= x[lane]),
                    Change::AddProduct => {
                        let w = &self.w[at(w_wide, block, pixel)];
                        (0..LANES).for_each(|lane| y[lane] += x[lane] * w[lane]);
                    }
                }
            }
        }
    }
}

/// Sums over the pixels of `x · w` per block (of `x` alone without `w`), times `share`, added to the one pixel of `y`.
pub(super) struct Collect<'a> {
    pub pixels: usize,
    pub share: f32,
    pub x: &'a [f32],
    pub w: &'a [f32],
    pub y: &'a mut [f32],
}

impl Work for Collect<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        for (block, y) in self.y.chunks_exact_mut(LANES).enumerate() {
            let range = block * self.pixels * LANES..(block + 1) * self.pixels * LANES;
            let mut sum = [0f32; LANES];
            if self.w.is_empty() {
                for x in self.x[range].chunks_exact(LANES) {
                    for lane in 0..LANES {
                        sum[lane] += x[lane];
                    }
                }
            } else {
                let w = self.w[range.clone()].chunks_exact(LANES);
                for (x, w) in self.x[range].chunks_exact(LANES).zip(w) {
                    for lane in 0..LANES {
                        sum[lane] += x[lane] * w[lane];
                    }
                }
            }
            for lane in 0..LANES {
                y[lane] += sum[lane] * self.share;
            }
        }
    }
}

/// Zeroes the lanes that no channel uses, after a function that is not 0 at 0.
pub(super) fn clear_unused(slots: &Slots, pixels: usize, y: &mut [f32]) {
    if slots.channels() == slots.blocks * LANES {
        return;
    }
    let mut used = vec![false; slots.blocks * LANES];
    for &slot in &slots.of_channel {
        used[slot as usize] = true;
    }
    for (block, y) in y.chunks_exact_mut(pixels * LANES).enumerate() {
        let used = &used[block * LANES..(block + 1) * LANES];
        if used.iter().all(|used| *used) {
            continue;
        }
        for y in y.chunks_exact_mut(LANES) {
            for lane in 0..LANES {
                y[lane] = if used[lane] { y[lane] } else { 0.0 };
            }
        }
    }
}

/// g = 0 where the bit is not set.
pub(super) struct Mask<'a> {
    pub bits: &'a [u16],
    pub g: &'a mut [f32],
}

impl Work for Mask<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        for (g, &bits) in self.g.chunks_exact_mut(LANES).zip(self.bits) {
            // Without a choice, which would become a jump per lane.
            for (lane, g) in g.iter_mut().enumerate() {
                let keep = (u32::from(bits) >> lane & 1).wrapping_neg();
                *g = f32::from_bits(g.to_bits() & keep);
            }
        }
    }
}

/// to = from, or to += from.
pub(super) struct Move<'a> {
    pub from: &'a [f32],
    pub to: &'a mut [f32],
    pub add: bool,
}

impl Work for Move<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        if self.add {
            for (to, from) in self.to.iter_mut().zip(self.from) {
                *to += from;
            }
        } else {
            self.to.copy_from_slice(self.from);
        }
    }
}

/// Sums over `pixels` of each block, times `share`.
pub(super) struct MapMean<'a> {
    pub pixels: usize,
    pub share: f32,
    pub x: &'a [f32],
    pub y: &'a mut [f32],
}

impl Work for MapMean<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let blocks = self.x.chunks_exact(self.pixels * LANES);
        for (x, y) in blocks.zip(self.y.chunks_exact_mut(LANES)) {
            let mut sum = [0f32; LANES];
            for x in x.chunks_exact(LANES) {
                for lane in 0..LANES {
                    sum[lane] += x[lane];
                }
            }
            for lane in 0..LANES {
                y[lane] = sum[lane] * self.share;
            }
        }
    }
}

/// Spreads the cotangent of a mean over `pixels` evenly.
pub(super) struct MapSpread<'a> {
    pub pixels: usize,
    pub g: &'a [f32],
    pub gx: &'a mut [f32],
    pub add: bool,
}

impl Work for MapSpread<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let share = 1.0 / self.pixels as f32;
        let blocks = self.gx.chunks_exact_mut(self.pixels * LANES);
        for (gx, g) in blocks.zip(self.g.chunks_exact(LANES)) {
            for gx in gx.chunks_exact_mut(LANES) {
                for lane in 0..LANES {
                    let value = g[lane] * share;
                    gx[lane] = if self.add { gx[lane] + value } else { value };
                }
            }
        }
    }
}

/// Local response normalisation of channels without gaps, with its two derivatives.
///
/// With d = k + a Σ x² over the window and a = alpha / size: y = x d^−β, and
/// ∂yᵢ/∂xⱼ = δᵢⱼ dᵢ^−β − 2 a β xᵢ dᵢ^(−β−1) xⱼ for j in the window of i.
pub(super) struct Lrn<'a> {
    pub parameters: &'a ops::Lrn,
    pub channels: usize,
    pub pixels: usize,
    pub x: &'a [f32],
    pub task: LrnTask<'a>,
}

/// What to compute at `x`.
pub(super) enum LrnTask<'a> {
    /// y.
    Forward(&'a mut [f32]),
    /// Cotangent g → gx, written or added.
    Backward {
        g: &'a [f32],
        gx: &'a mut [f32],
        add: bool,
    },
    /// Tangent → tangent of y.
    Tangent { t: &'a [f32], y: &'a mut [f32] },
}

impl Lrn<'_> {
    /// Runs it, the common exponent on registers.
    pub(super) fn compute(self, isa: Isa) {
        let Self {
            parameters,
            pixels,
            x,
            task,
            ..
        } = self;
        let common = (parameters.beta - 0.75).abs() < f64::EPSILON
            && parameters.k > 0.0
            && parameters.size / 2 <= LANES;
        if !common {
            isa.run(Self { task, ..self });
            return;
        }
        Lrn75 {
            size: parameters.size,
            share: (parameters.alpha / parameters.size as f64) as f32,
            k: parameters.k as f32,
            pixels,
            x,
            job: match task {
                LrnTask::Forward(y) => LrnJob::Forward(y),
                LrnTask::Backward { g, gx, add } => LrnJob::Backward { g, gx, add },
                LrnTask::Tangent { t, y } => LrnJob::Tangent { t, y },
            },
        }
        .run(isa);
    }
}

impl Work for Lrn<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let pixels = self.pixels;
        let mut lines = Lines::new(self.parameters, self.channels);
        match self.task {
            LrnTask::Forward(y) => {
                for pixel in 0..pixels {
                    lines.load(self.x, pixel, pixels);
                    lines.forward();
                    lines.store(y, pixel, pixels, false);
                }
            }
            LrnTask::Backward { g, gx, add } => {
                for pixel in 0..pixels {
                    lines.load(self.x, pixel, pixels);
                    lines.load_other(g, pixel, pixels);
                    lines.backward();
                    lines.store(gx, pixel, pixels, add);
                }
            }
            LrnTask::Tangent { t, y } => {
                for pixel in 0..pixels {
                    lines.load(self.x, pixel, pixels);
                    lines.load_other(t, pixel, pixels);
                    lines.tangent();
                    lines.store(y, pixel, pixels, false);
                }
            }
        }
    }
}

/// All channels of one pixel in a row, with zeros at both ends for the window.
struct Lines<'a> {
    lrn: &'a ops::Lrn,
    reach: usize,
    channels: usize,
    /// Lanes: channels rounded up to blocks.
    lanes: usize,
    x: Vec<f32>,
    other: Vec<f32>,
    product: Vec<f32>,
    base: Vec<f32>,
    /// d^−β.
    power: Vec<f32>,
    out: Vec<f32>,
}

impl<'a> Lines<'a> {
    fn new(lrn: &'a ops::Lrn, channels: usize) -> Self {
        let reach = lrn.size / 2;
        let lanes = channels.div_ceil(LANES) * LANES;
        let padded = vec![0.0; lanes + 2 * reach];
        Self {
            lrn,
            reach,
            channels,
            lanes,
            x: padded.clone(),
            other: padded.clone(),
            product: padded,
            base: vec![0.0; lanes],
            power: vec![0.0; lanes],
            out: vec![0.0; lanes],
        }
    }

    #[inline(always)]
    fn load(&mut self, from: &[f32], pixel: usize, pixels: usize) {
        gather(&mut self.x[self.reach..][..self.lanes], from, pixel, pixels);
    }

    #[inline(always)]
    fn load_other(&mut self, from: &[f32], pixel: usize, pixels: usize) {
        gather(
            &mut self.other[self.reach..][..self.lanes],
            from,
            pixel,
            pixels,
        );
    }

    /// `out` = window sums of `product`.
    #[inline(always)]
    fn window_sums(&mut self) {
        self.out.copy_from_slice(&self.product[..self.lanes]);
        for shift in 1..self.lrn.size {
            for (sum, value) in self.out.iter_mut().zip(&self.product[shift..]) {
                *sum += value;
            }
        }
    }

    /// `base` = d and `power` = d^−β.
    #[inline(always)]
    fn bases(&mut self) {
        for (product, x) in self.product.iter_mut().zip(&self.x) {
            *product = x * x;
        }
        self.window_sums();
        let a = (self.lrn.alpha / self.lrn.size as f64) as f32;
        let k = self.lrn.k as f32;
        for (base, sum) in self.base.iter_mut().zip(&self.out) {
            *base = k + a * sum;
        }
        let powers = self.power.iter_mut().zip(&self.base);
        for (power, base) in powers {
            *power = base.powf(-self.lrn.beta as f32);
        }
    }

    #[inline(always)]
    fn forward(&mut self) {
        self.bases();
        let values = self.power.iter().zip(&self.x[self.reach..]);
        for (out, (power, x)) in self.out.iter_mut().zip(values) {
            *out = x * power;
        }
    }

    /// 2 a β.
    fn slope(&self) -> f32 {
        (2.0 * self.lrn.alpha / self.lrn.size as f64 * self.lrn.beta) as f32
    }

    #[inline(always)]
    fn backward(&mut self) {
        self.bases();
        let (x, g) = (&self.x[self.reach..], &self.other[self.reach..]);
        let values = self.power.iter().zip(&self.base).zip(x.iter().zip(g));
        for (product, ((power, base), (x, g))) in self.product[self.reach..].iter_mut().zip(values)
        {
            *product = g * x * power / base;
        }
        self.window_sums();
        let slope = self.slope();
        let (x, g) = (&self.x[self.reach..], &self.other[self.reach..]);
        let values = self.power.iter().zip(x.iter().zip(g));
        for (out, (power, (x, g))) in self.out.iter_mut().zip(values) {
            *out = g * power - slope * x * *out;
        }
    }

    #[inline(always)]
    fn tangent(&mut self) {
        self.bases();
        for (product, (x, t)) in self.product.iter_mut().zip(self.x.iter().zip(&self.other)) {
            *product = x * t;
        }
        self.window_sums();
        let slope = self.slope();
        let (x, t) = (&self.x[self.reach..], &self.other[self.reach..]);
        let values = self.power.iter().zip(&self.base).zip(x.iter().zip(t));
        for (out, ((power, base), (x, t))) in self.out.iter_mut().zip(values) {
            *out = t * power - slope * x * power / base * *out;
        }
    }

    #[inline(always)]
    fn store(&mut self, to: &mut [f32], pixel: usize, pixels: usize, add: bool) {
        // With k = 0 an unused lane would be 0 / 0.
        self.out[self.channels..].fill(0.0);
        for (block, out) in self.out.chunks_exact(LANES).enumerate() {
            let start = (block * pixels + pixel) * LANES;
            let to = &mut to[start..start + LANES];
            for lane in 0..LANES {
                to[lane] = if add { to[lane] + out[lane] } else { out[lane] };
            }
        }
    }
}

#[inline(always)]
fn gather(to: &mut [f32], from: &[f32], pixel: usize, pixels: usize) {
    for (block, to) in to.chunks_exact_mut(LANES).enumerate() {
        let start = (block * pixels + pixel) * LANES;
        to.copy_from_slice(&from[start..start + LANES]);
    }
}
