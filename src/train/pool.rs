//! Max pooling for the trainer: offsets of the window outside, whole rows inside, winners remembered from the
//! forward pass. Ties go to the first element of the window, as in the network's own rule.

use super::conv::with_values;
use super::rules::values;
use crate::network::ops::{MaxPool, Window};
use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use std::sync::Mutex;

/// One application of a max pool.
pub(super) struct Pool {
    window: Window,
    /// Per output element the index of its winner within the input's map; filled by the forward pass.
    winners: Mutex<Vec<u32>>,
}

impl Pool {
    pub(super) fn new(pool: &MaxPool) -> Self {
        Self {
            window: pool.window(),
            winners: Mutex::default(),
        }
    }
}

impl CustomOp1 for Pool {
    fn name(&self) -> &'static str {
        "max-pool-with-winners"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(storage, layout)?;
        let (batch, depth, h, w) = layout.shape().dims4()?;
        let Some((rows, columns)) = self.window.output((h, w)) else {
            return Err(candle_core::Error::Msg(
                "a pool that does not fit".to_owned(),
            ));
        };
        let positions = rows * columns;
        let mut y = vec![f32::NEG_INFINITY; batch * depth * positions];
        let mut winners = vec![0; y.len()];
        y.par_chunks_mut(depth * positions)
            .zip(winners.par_chunks_mut(depth * positions))
            .zip(x.par_chunks(depth * h * w))
            .for_each(|((y, winners), x)| {
                let planes = y
                    .chunks_exact_mut(positions)
                    .zip(winners.chunks_exact_mut(positions));
                for ((y, winners), x) in planes.zip(x.chunks_exact(h * w)) {
                    plane(&self.window, [h, w], x, [rows, columns], (y, winners));
                }
            });
        if let Ok(mut kept) = self.winners.lock() {
            *kept = winners;
        }
        Ok((
            CpuStorage::F32(y),
            Shape::from((batch, depth, rows, columns)),
        ))
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (_, _, h, w) = x.dims4()?;
        let (_, _, rows, columns) = y.dims4()?;
        let kept = self.winners.lock();
        let winners = kept.as_ref().map_or(&[][..], |kept| kept.as_slice());
        if winners.len() != y.elem_count() {
            return Err(candle_core::Error::Msg(
                "backward before forward".to_owned(),
            ));
        }
        let mut gradient = vec![0.0; x.elem_count()];
        let grad = grad.contiguous()?;
        with_values(&grad, |grad| {
            gradient
                .par_chunks_mut(h * w)
                .zip(grad.par_chunks(rows * columns))
                .zip(winners.par_chunks(rows * columns))
                .for_each(|((gradient, grad), winners)| {
                    for (g, &winner) in grad.iter().zip(winners) {
                        gradient[winner as usize] += g;
                    }
                });
        })?;
        Ok(Some(Tensor::from_vec(gradient, x.shape(), &Device::Cpu)?))
    }
}

/// One channel's map.
fn plane(
    window: &Window,
    [h, w]: [usize; 2],
    x: &[f32],
    [rows, columns]: [usize; 2],
    (y, winners): (&mut [f32], &mut [u32]),
) {
    for row in 0..rows {
        let out = row * columns..(row + 1) * columns;
        let (y, winners) = (&mut y[out.clone()], &mut winners[out]);
        let (top, bottom) = window.span(0, row, h);
        for source in top..bottom {
            let line = &x[source * w..(source + 1) * w];
            for kx in 0..window.kernel[1] {
                // The first output column whose element kx lies on the map, and that element.
                let skipped = window.pads[1].saturating_sub(kx).div_ceil(window.stride[1]);
                let first = skipped * window.stride[1] + kx - window.pads[1];
                if first >= w || skipped >= columns {
                    continue;
                }
                let elements = line[first..].iter().step_by(window.stride[1]);
                let index = (source * w + first) as u32;
                let stride = window.stride[1] as u32;
                let targets = y[skipped..].iter_mut().zip(&mut winners[skipped..]);
                for (k, (value, (best, winner))) in elements.zip(targets).enumerate() {
                    let better = *value > *best;
                    *best = if better { *value } else { *best };
                    *winner = if better {
                        index + k as u32 * stride
                    } else {
                        *winner
                    };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Op;
    use crate::train::Stream;

    #[test]
    fn agrees_with_the_networks_own_rule_both_ways() {
        let mut stream = Stream::new(5);
        for (kernel, stride, pad, ceil) in [
            (3, 2, 0, true),
            (3, 1, 1, false),
            (2, 2, 0, false),
            (3, 2, 1, false),
        ] {
            let pool = MaxPool {
                kernel: [kernel; 2],
                stride: [stride; 2],
                pads: [pad; 4],
                ceil,
            };
            let values: Vec<f32> = (0..2 * 3 * 8 * 7).map(|_| stream.bell().round()).collect();
            let x = candle_core::Var::from_vec(values, (2, 3, 8, 7), &Device::Cpu).unwrap();
            let ours = x.apply_op1(Pool::new(&pool)).unwrap();
            let rule = x
                .apply_op1(super::super::rules::Rule(Op::MaxPool(pool)))
                .unwrap();
            let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(flat(&ours), flat(&rule));
            let weights = Tensor::randn(0f32, 1.0, ours.shape(), &Device::Cpu).unwrap();
            let gradient = |y: &Tensor| {
                let loss = y.mul(&weights).unwrap().sum_all().unwrap();
                flat(loss.backward().unwrap().get(&x).unwrap())
            };
            for (a, b) in gradient(&ours).iter().zip(gradient(&rule)) {
                assert!((a - b).abs() < 1e-5);
            }
        }
    }
}
