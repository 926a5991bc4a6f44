//! Normalisation of constants: weights that a file standardises each time (Qiao et al. 2019).

use super::super::array::Array;
use super::super::proto::Node;
use super::{Folded, need};

/// Whether a normalisation takes its input's own moments.
pub(in super::super) fn training(node: &Node<'_>) -> std::result::Result<bool, String> {
    if node.int("spatial", 1) != 1 {
        return Err("spatial 0, which ONNX gave up in operator set 9, is not supported".into());
    }
    match node.int("training_mode", 0) {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(format!("training_mode {other}; ONNX has 0 and 1")),
    }
}

pub(super) fn fold(node: &Node<'_>, inputs: &[Option<&Array>]) -> Folded {
    if node.op != "BatchNormalization" {
        return Ok(None);
    }
    let x = need(inputs, 0)?;
    let n_channels = *x.dims.get(1).ok_or("its input has no channels")?;
    let per_channel = |idx: usize| {
        let values = need(inputs, idx)?.to_floats();
        let fits = values.len() == n_channels;
        fits.then_some(values).ok_or_else(|| {
            format!("input {idx} is not one number for each of {n_channels} channels")
        })
    };
    let (scale, shift) = (per_channel(1)?, per_channel(2)?);
    let (mut mean, mut variance) = (per_channel(3)?, per_channel(4)?);
    let mut values = x.to_floats();
    let per_image: usize = x.dims[2..].iter().product();
    let channel = |idx: usize| idx / per_image.max(1) % n_channels.max(1);
    if training(node)? {
        // The input's own moments. What would be carried on from batch to batch is no output of ours.
        let n = (values.len() / n_channels.max(1)).max(1) as f64;
        let mut sums = vec![[0f64; 2]; n_channels];
        for (idx, &value) in values.iter().enumerate() {
            let value = f64::from(value);
            let [first, second] = &mut sums[channel(idx)];
            (*first, *second) = (*first + value, *second + value * value);
        }
        for ((mean, variance), [first, second]) in mean.iter_mut().zip(&mut variance).zip(sums) {
            let centre = first / n;
            *mean = centre as f32;
            *variance = (second / n - centre * centre).max(0.0) as f32;
        }
    }
    let epsilon = node.float("epsilon", 1e-5);
    for (idx, value) in values.iter_mut().enumerate() {
        let c = channel(idx);
        *value = (*value - mean[c]) / (variance[c] + epsilon).sqrt() * scale[c] + shift[c];
    }
    Ok(Some(vec![Array::floats(x.dims.clone(), values)]))
}
