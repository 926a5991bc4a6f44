//! A convolution for candle's autograd whose gradients are matrix products.
//!
//! A group of images becomes one matrix of patches ("im2col"), so that small maps still give wide products:
//! output = W · patches, ∂W = ∂output · patchesᵀ, ∂patches = Wᵀ · ∂output, and ∂image adds the patches back.
//! Groups run in parallel; their weight gradients are added in order, so a run does not depend on the number of
//! threads.

use super::rules::values;
use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor};
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};
use rayon::prelude::*;

/// Columns that a group of images should have at least.
const COLUMNS: usize = 256;

/// A dense convolution.
pub(super) struct Conv2d {
    pub(super) stride: [usize; 2],
    /// Top, left, bottom, right.
    pub(super) pads: [usize; 4],
    /// Whether the gradient of the image is wanted.
    pub(super) image_gradient: bool,
}

/// Sizes of one application.
#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    depth: usize,
    map: [usize; 2],
    out_depth: usize,
    kernel: [usize; 2],
    out_map: [usize; 2],
    stride: [usize; 2],
    pads: [usize; 4],
}

/// Of the weight, the bias, the images.
type Gradients = (Vec<f32>, Vec<f32>, Option<Vec<f32>>);

impl Conv2d {
    fn sizes(&self, x: &Shape, w: &Shape) -> Result<Sizes> {
        let (batch, depth, h, width) = x.dims4()?;
        let (out_depth, in_depth, kh, kw) = w.dims4()?;
        let [top, left, bottom, right] = self.pads;
        let fits = h + top + bottom >= kh && width + left + right >= kw;
        if in_depth != depth || !fits {
            return Err(candle_core::Error::Msg(format!(
                "a kernel {w:?} does not fit a map {x:?}"
            )));
        }
        Ok(Sizes {
            batch,
            depth,
            map: [h, width],
            out_depth,
            kernel: [kh, kw],
            out_map: [
                (h + top + bottom - kh) / self.stride[0] + 1,
                (width + left + right - kw) / self.stride[1] + 1,
            ],
            stride: self.stride,
            pads: self.pads,
        })
    }
}

impl Sizes {
    fn patch(&self) -> usize {
        self.depth * self.kernel[0] * self.kernel[1]
    }

    fn positions(&self) -> usize {
        self.out_map[0] * self.out_map[1]
    }

    fn image(&self) -> usize {
        self.depth * self.map[0] * self.map[1]
    }

    fn group(&self) -> usize {
        COLUMNS.div_ceil(self.positions()).min(self.batch)
    }

    /// Calls `f(start in the map's row, start in the patch's row, how many)` for every run of elements that a
    /// kernel element sees, with the row offsets resolved: (map index, patch column, length).
    fn runs(&self, ky: usize, kx: usize, mut f: impl FnMut(usize, usize, usize)) {
        let [rows, columns] = self.map;
        for oy in 0..self.out_map[0] {
            let Some(y) = (oy * self.stride[0] + ky).checked_sub(self.pads[0]) else {
                continue;
            };
            if y >= rows {
                continue;
            }
            if self.stride[1] == 1 {
                let first = self.pads[1].saturating_sub(kx);
                let x = first + kx - self.pads[1];
                if x < columns && first < self.out_map[1] {
                    let n = (columns - x).min(self.out_map[1] - first);
                    f(y * columns + x, oy * self.out_map[1] + first, n);
                }
                continue;
            }
            for ox in 0..self.out_map[1] {
                if let Some(x) = (ox * self.stride[1] + kx).checked_sub(self.pads[1])
                    && x < columns
                {
                    f(y * columns + x, oy * self.out_map[1] + ox, 1);
                }
            }
        }
    }

    /// Patches of some images, `[patch, images · positions]`.
    fn patches(&self, images: &[f32]) -> Vec<f32> {
        let n = images.len() / self.image();
        let columns = n * self.positions();
        let mut out = vec![0.0; self.patch() * columns];
        self.each(images.len(), |source, target, ky, kx| {
            self.runs(ky, kx, |from, to, length| {
                out[target + to..target + to + length]
                    .copy_from_slice(&images[source + from..source + from + length]);
            });
        });
        out
    }

    /// The adjoint of [`Self::patches`].
    fn add_back(&self, patches: &[f32], images: &mut [f32]) {
        self.each(images.len(), |source, target, ky, kx| {
            self.runs(ky, kx, |from, to, length| {
                let pairs = images[source + from..source + from + length]
                    .iter_mut()
                    .zip(&patches[target + to..target + to + length]);
                for (value, patch) in pairs {
                    *value += patch;
                }
            });
        });
    }

    /// Every (image, channel, kernel element): start of the channel's map, start of its patches' row.
    fn each(&self, total: usize, mut f: impl FnMut(usize, usize, usize, usize)) {
        let plane = self.map[0] * self.map[1];
        let n = total / self.image();
        let columns = n * self.positions();
        for image in 0..n {
            for channel in 0..self.depth {
                for ky in 0..self.kernel[0] {
                    for kx in 0..self.kernel[1] {
                        let row = (channel * self.kernel[0] + ky) * self.kernel[1] + kx;
                        let source = image * self.image() + channel * plane;
                        f(source, row * columns + image * self.positions(), ky, kx);
                    }
                }
            }
        }
    }
}

fn view(values: &[f32], rows: usize, columns: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows, columns), values).expect("sizes agree by construction")
}

fn view_mut(values: &mut [f32], rows: usize, columns: usize) -> ArrayViewMut2<'_, f32> {
    ArrayViewMut2::from_shape((rows, columns), values).expect("sizes agree by construction")
}

impl CustomOp3 for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d-by-patches"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let s = self.sizes(x_layout.shape(), w_layout.shape())?;
        let (x, w, b) = (
            values(x, x_layout)?,
            values(w, w_layout)?,
            values(b, b_layout)?,
        );
        let (group, positions) = (s.group(), s.positions());
        let mut y = vec![0.0; s.batch * s.out_depth * positions];
        y.par_chunks_mut(group * s.out_depth * positions)
            .zip(x.par_chunks(group * s.image()))
            .for_each(|(y, x)| {
                let n = x.len() / s.image();
                let columns = n * positions;
                let patches = s.patches(x);
                let mut product = vec![0.0; s.out_depth * columns];
                general_mat_mul(
                    1.0,
                    &view(w, s.out_depth, s.patch()),
                    &view(&patches, s.patch(), columns),
                    0.0,
                    &mut view_mut(&mut product, s.out_depth, columns),
                );
                for (image, y) in y.chunks_exact_mut(s.out_depth * positions).enumerate() {
                    for (channel, y) in y.chunks_exact_mut(positions).enumerate() {
                        let start = channel * columns + image * positions;
                        for (y, p) in y.iter_mut().zip(&product[start..start + positions]) {
                            *y = p + b[channel];
                        }
                    }
                }
            });
        let shape = Shape::from((s.batch, s.out_depth, s.out_map[0], s.out_map[1]));
        Ok((CpuStorage::F32(y), shape))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _b: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let s = self.sizes(x.shape(), w.shape())?;
        let grad = grad.contiguous()?;
        let (weight, bias, image) = with_values(x, |x| {
            with_values(w, |w| with_values(&grad, |g| self.gradients(&s, x, w, g)))?
        })??;
        let bias = Tensor::from_vec(bias, s.out_depth, &Device::Cpu)?;
        let weight = Tensor::from_vec(weight, w.shape(), &Device::Cpu)?;
        let image = match image {
            Some(image) => Some(Tensor::from_vec(image, x.shape(), &Device::Cpu)?),
            None => None,
        };
        Ok((image, Some(weight), Some(bias)))
    }
}

impl Conv2d {
    /// Gradients of the weight, the bias and, if wanted, of the images.
    fn gradients(&self, s: &Sizes, x: &[f32], w: &[f32], g: &[f32]) -> Gradients {
        let (group, positions) = (s.group(), s.positions());
        let mut image = vec![0.0; if self.image_gradient { x.len() } else { 0 }];
        let one = |x: &[f32], g: &[f32], dx: Option<&mut [f32]>| {
            let n = x.len() / s.image();
            let columns = n * positions;
            let mut grad = vec![0.0; s.out_depth * columns];
            for (image, g) in g.chunks_exact(s.out_depth * positions).enumerate() {
                for (channel, g) in g.chunks_exact(positions).enumerate() {
                    let start = channel * columns + image * positions;
                    grad[start..start + positions].copy_from_slice(g);
                }
            }
            let grad = view(&grad, s.out_depth, columns);
            let mut patches = s.patches(x);
            let mut dw = vec![0.0; s.out_depth * s.patch()];
            general_mat_mul(
                1.0,
                &grad,
                &view(&patches, s.patch(), columns).t(),
                0.0,
                &mut view_mut(&mut dw, s.out_depth, s.patch()),
            );
            if let Some(dx) = dx {
                general_mat_mul(
                    1.0,
                    &view(w, s.out_depth, s.patch()).t(),
                    &grad,
                    0.0,
                    &mut view_mut(&mut patches, s.patch(), columns),
                );
                s.add_back(&patches, dx);
            }
            dw
        };
        let groups = x
            .par_chunks(group * s.image())
            .zip(g.par_chunks(group * s.out_depth * positions));
        let parts: Vec<Vec<f32>> = if self.image_gradient {
            let targets = image.par_chunks_mut(group * s.image());
            groups
                .zip(targets)
                .map(|((x, g), dx)| one(x, g, Some(dx)))
                .collect()
        } else {
            groups.map(|(x, g)| one(x, g, None)).collect()
        };
        let mut bias = vec![0.0; s.out_depth];
        for (row, values) in g.chunks_exact(positions).enumerate() {
            bias[row % s.out_depth] += values.iter().sum::<f32>();
        }
        let mut weight = vec![0.0; s.out_depth * s.patch()];
        for part in &parts {
            for (sum, value) in weight.iter_mut().zip(part) {
                *sum += value;
            }
        }
        (weight, bias, self.image_gradient.then_some(image))
    }
}

pub(super) fn with_values<R>(x: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let (storage, layout) = x.storage_and_layout();
    match &*storage {
        candle_core::Storage::Cpu(cpu) => Ok(f(values(cpu, layout)?)),
        _ => Err(candle_core::Error::Msg(
            "training runs on the CPU".to_owned(),
        )),
    }
}
