//! Pools on tensors whose memory can be read: one pass over the planes, in parallel.

use super::output_of;
use crate::network::Result;
use crate::network::ops::tensor::with_values;
use crate::network::ops::window::Window;
use candle_core::Tensor;
use rayon::prelude::*;

/// See [`super::MaxPool::forward`].
pub(super) fn max(window: Window, x: &Tensor) -> Result<Tensor> {
    from_planes(x, window, winners(&window, x)?.0)
}

fn from_planes(x: &Tensor, window: Window, values: Vec<f32>) -> Result<Tensor> {
    let (b, c, _, _) = x.dims4()?;
    let (rows, cols) = output_of(&window, x)?;
    Ok(Tensor::from_vec(values, (b, c, rows, cols), x.device())?)
}

/// Largest value of every window and where in its plane it lies.
fn winners(window: &Window, x: &Tensor) -> Result<(Vec<f32>, Vec<u32>)> {
    let (b, c, h, w) = x.dims4()?;
    let (rows, cols) = output_of(window, x)?;
    let mut values = vec![0f32; b * c * rows * cols];
    let mut winners = vec![0u32; values.len()];
    with_values(x, |x| {
        values
            .par_chunks_mut(rows * cols)
            .zip(winners.par_chunks_mut(rows * cols))
            .zip(x.par_chunks(h * w))
            .for_each(|((values, winners), plane)| {
                for row in 0..rows {
                    let (top, bottom) = window.span(0, row, h);
                    for col in 0..cols {
                        let (left, right) = window.span(1, col, w);
                        let mut winner = top * w + left;
                        for r in top..bottom {
                            for idx in r * w + left..r * w + right {
                                if plane[idx] > plane[winner] {
                                    winner = idx;
                                }
                            }
                        }
                        values[row * cols + col] = plane[winner];
                        winners[row * cols + col] = winner as u32;
                    }
                }
            });
    })?;
    Ok((values, winners))
}

/// See [`super::MaxPool::vjp`].
pub(super) fn scatter(window: Window, x: &Tensor, cotangent: &Tensor) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    let (rows, cols) = output_of(&window, x)?;
    let (_, winners) = winners(&window, x)?;
    let mut gradient = vec![0f32; x.elem_count()];
    with_values(cotangent, |cotangent| {
        gradient
            .par_chunks_mut(h * w)
            .zip(winners.par_chunks(rows * cols))
            .zip(cotangent.par_chunks(rows * cols))
            .for_each(|((plane, winners), cotangent)| {
                for (&winner, &value) in winners.iter().zip(cotangent) {
                    plane[winner as usize] += value;
                }
            });
    })?;
    Ok(Tensor::from_vec(gradient, x.shape(), x.device())?)
}

/// See [`super::MaxPool::jvp`].
pub(super) fn gather(window: Window, x: &Tensor, tangent: &Tensor) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    let (rows, cols) = output_of(&window, x)?;
    let (_, winners) = winners(&window, x)?;
    let mut out = vec![0f32; tangent.elem_count() / (h * w) * rows * cols];
    with_values(tangent, |tangent| {
        out.par_chunks_mut(rows * cols)
            .zip(tangent.par_chunks(h * w))
            .enumerate()
            .for_each(|(idx, (out, plane))| {
                // One primal serves all tangents: its winners repeat.
                let start = idx * rows * cols % winners.len();
                for (out, &winner) in out.iter_mut().zip(&winners[start..]) {
                    *out = plane[winner as usize];
                }
            });
    })?;
    from_planes(tangent, window, out)
}

/// Mean of every window.
pub(super) fn mean(window: Window, x: &Tensor, include_pad: bool) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    let (rows, cols) = output_of(&window, x)?;
    let inverse = window
        .inverse_counts((h, w), include_pad)
        .unwrap_or_default();
    let mut out = vec![0f32; b * c * rows * cols];
    with_values(x, |x| {
        out.par_chunks_mut(rows * cols)
            .zip(x.par_chunks(h * w))
            .for_each(|(out, plane)| {
                for row in 0..rows {
                    let (top, bottom) = window.span(0, row, h);
                    for col in 0..cols {
                        let (left, right) = window.span(1, col, w);
                        let sum: f32 = (top..bottom)
                            .map(|r| plane[r * w + left..r * w + right].iter().sum::<f32>())
                            .sum();
                        out[row * cols + col] = sum * inverse[row * cols + col];
                    }
                }
            });
    })?;
    from_planes(x, window, out)
}
