//! Local response normalisation with β = 3/4, everybody's choice, on registers.
//!
//! The window slides over channels, which are lanes: each pixel's terms are written side by side and read back at
//! every shift. Several pixels are written before the first is read, so that no read waits for a write.

use super::{Block, Isa, Kernel, LANES};

/// What to compute at `x`; formulas stand at `pointwise::Lrn`.
#[derive(Debug)]
pub(in super::super) enum LrnJob<'a> {
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

/// One image's blocks; unused lanes must be 0 and `k` positive.
#[derive(Debug)]
pub(in super::super) struct Lrn75<'a> {
    /// Channels in a window, odd.
    pub size: usize,
    /// α / size.
    pub share: f32,
    pub k: f32,
    pub pixels: usize,
    pub x: &'a [f32],
    pub job: LrnJob<'a>,
}

/// Pixels that are written before the first is read.
const CHUNK: usize = 8;

impl Lrn75<'_> {
    /// Runs it.
    pub(in super::super) fn run(self, isa: Isa) {
        let len = self.x.len();
        assert!(self.pixels > 0 && len.is_multiple_of(self.pixels * LANES));
        assert!(self.size % 2 == 1 && self.size / 2 <= LANES && self.k > 0.0);
        match &self.job {
            LrnJob::Forward(y) => assert_eq!(y.len(), len),
            LrnJob::Backward { g, gx, .. } => assert!(g.len() == len && gx.len() == len),
            LrnJob::Tangent { t, y } => assert!(t.len() == len && y.len() == len),
        }
        // SAFETY: all slices are as long as `x`.
        unsafe { isa.launch(Run(self)) }
    }
}

struct Run<'a>(Lrn75<'a>);

/// [`LrnJob`] as pointers.
#[derive(Clone, Copy)]
enum Raw {
    Forward(*mut f32),
    Backward(*const f32, *mut f32, bool),
    Tangent(*const f32, *mut f32),
}

/// Where things stand: in the maps, and in a pixel's stretch of a line.
#[derive(Clone, Copy)]
struct Shape {
    pixels: usize,
    stride: usize,
    size: usize,
}

impl Shape {
    /// Floats before block `block` of pixel `pixel`.
    #[inline(always)]
    fn at(self, block: usize, pixel: usize) -> usize {
        (block * self.pixels + pixel) * LANES
    }

    /// Sum over the window around each lane of one block.
    #[inline(always)]
    unsafe fn sum<B: Block>(self, line: *const f32, pixel: usize, block: usize) -> B::V {
        // SAFETY: the caller's; a block of zeros stands at both ends of a pixel's stretch.
        unsafe {
            let first = pixel * self.stride + (block + 1) * LANES - self.size / 2;
            let mut sum = B::load(line.add(first));
            for shift in 1..self.size {
                sum = B::add(sum, B::load(line.add(first + shift)));
            }
            sum
        }
    }
}

impl Kernel for Run<'_> {
    #[inline(always)]
    unsafe fn run<B: Block>(self) {
        let task = self.0;
        let job = match task.job {
            LrnJob::Forward(y) => Raw::Forward(y.as_mut_ptr()),
            LrnJob::Backward { g, gx, add } => Raw::Backward(g.as_ptr(), gx.as_mut_ptr(), add),
            LrnJob::Tangent { t, y } => Raw::Tangent(t.as_ptr(), y.as_mut_ptr()),
        };
        let blocks = task.x.len() / (task.pixels * LANES);
        let shape = Shape {
            pixels: task.pixels,
            stride: (blocks + 2) * LANES,
            size: task.size,
        };
        let mut lines = [(); 3].map(|()| vec![0f32; CHUNK * shape.stride]);
        let [squares, terms, powers] = lines.each_mut().map(Vec::as_mut_ptr);
        let (x, zero) = (task.x.as_ptr(), 0f32);
        let slope = 1.5 * task.share;
        // SAFETY: offsets of `Shape::at` lie in the slices, `lines` have room for a chunk of pixels.
        unsafe {
            let (share, k, zero) = (B::splat(task.share), B::splat(task.k), B::splat(zero));
            let mul = |a: B::V, b: B::V| B::fma(a, b, zero);
            for first in (0..task.pixels).step_by(CHUNK) {
                let n = CHUNK.min(task.pixels - first);
                for (pixel, block) in places(n, blocks) {
                    let v = B::load(x.add(shape.at(block, first + pixel)));
                    let to = pixel * shape.stride + (block + 1) * LANES;
                    B::store(squares.add(to), mul(v, v));
                    if let Raw::Tangent(t, _) = job {
                        let t = B::load(t.add(shape.at(block, first + pixel)));
                        B::store(terms.add(to), mul(v, t));
                    }
                }
                for (pixel, block) in places(n, blocks) {
                    let at = shape.at(block, first + pixel);
                    let to = pixel * shape.stride + (block + 1) * LANES;
                    let v = B::load(x.add(at));
                    let base = B::fma(share, shape.sum::<B>(squares, pixel, block), k);
                    // d^−1/2, and d^−3/4 from it.
                    let root = B::rsqrt(base);
                    let inverse = mul(root, root);
                    let power = mul(inverse, B::rsqrt(root));
                    match job {
                        Raw::Forward(y) => B::store(y.add(at), mul(v, power)),
                        Raw::Backward(g, ..) => {
                            let g = B::load(g.add(at));
                            B::store(powers.add(to), power);
                            let term = mul(mul(g, v), mul(power, inverse));
                            B::store(terms.add(to), term);
                        }
                        Raw::Tangent(t, y) => {
                            let t = B::load(t.add(at));
                            let sum = shape.sum::<B>(terms, pixel, block);
                            let bend = mul(mul(v, B::splat(-slope)), mul(power, inverse));
                            let value = B::fma(bend, sum, mul(t, power));
                            B::store(y.add(at), value);
                        }
                    }
                }
                if let Raw::Backward(g, gx, add) = job {
                    for (pixel, block) in places(n, blocks) {
                        let at = shape.at(block, first + pixel);
                        let power = powers.add(pixel * shape.stride + (block + 1) * LANES);
                        let g = B::load(g.add(at));
                        let to = gx.add(at);
                        let bend = mul(B::load(x.add(at)), B::splat(-slope));
                        let sum = shape.sum::<B>(terms, pixel, block);
                        let mut value = B::fma(bend, sum, mul(g, B::load(power)));
                        if add {
                            value = B::add(value, B::load(to));
                        }
                        B::store(to, value);
                    }
                }
            }
        }
    }
}

/// Pixels of a chunk with their blocks.
#[inline(always)]
fn places(n: usize, blocks: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |pixel| (0..blocks).map(move |block| (pixel, block)))
}
