//! Where a convolution or pool of a file lays its windows: attributes read alike for constants and for what depends on
//! the image.
//!
//! A list with another number of axes, a step of 0 or a kernel that is not its weights' is nothing that ONNX allows;
//! each is an error, for a guess would compute something else than the file's author saw.

use super::array::Array;
use super::import::Why;
use super::proto::Node;
use crate::network::ops::{Conv, Pad};
use candle_core::Tensor;

/// Largest step, gap, window and padding.
const MOST: i64 = 1 << 20;

/// Windows over one or more axes of a map.
#[derive(Debug)]
pub(super) struct Windows {
    /// Per axis: elements from window to window.
    pub stride: Vec<usize>,
    /// Per axis: elements from one that a window reads to its next; 1 = side by side.
    pub dilation: Vec<usize>,
    /// Per axis: elements added before and after.
    pub pads: Vec<[usize; 2]>,
}

impl Windows {
    /// Of windows of `kernel` elements over a map of `sizes`, both per axis.
    ///
    /// # Errors
    /// Lists that are not of that many axes, numbers that are absurd, an unknown `auto_pad`.
    pub(super) fn read(node: &Node<'_>, kernel: &[usize], sizes: &[usize]) -> Why<Self> {
        let n_axes = sizes.len();
        if kernel.len() != n_axes || kernel.contains(&0) {
            return Err(format!("a kernel of {kernel:?} over axes of {sizes:?}"));
        }
        if let Some(given) = given(node, "kernel_shape")?
            && !given.iter().copied().eq(kernel.iter().map(|&n| n as i64))
        {
            return Err(format!(
                "kernel_shape {given:?}, but its weights are {kernel:?}; one of the two is wrong, export the network again"
            ));
        }
        let (stride, dilation) = (
            per_axis(node, "strides", n_axes)?,
            per_axis(node, "dilations", n_axes)?,
        );
        let mut windows = Self {
            stride,
            dilation,
            pads: vec![[0; 2]; n_axes],
        };
        let written = written_pads(node, n_axes)?;
        let rule = node.text("auto_pad").unwrap_or("NOTSET");
        if rule != "NOTSET" && written.iter().flatten().any(|&pad| pad > 0) {
            return Err(format!(
                "auto_pad {rule} and pads {written:?}, which ONNX does not allow together; leave one of them out"
            ));
        }
        match rule {
            rule @ ("SAME_UPPER" | "SAME_LOWER") => {
                windows.pad_to_keep(rule == "SAME_UPPER", kernel, sizes);
            }
            "VALID" => (),
            "NOTSET" => windows.pads = written,
            other => {
                return Err(format!(
                    "auto_pad {other:?}; ONNX has NOTSET, SAME_UPPER, SAME_LOWER and VALID"
                ));
            }
        }
        Ok(windows)
    }

    /// As many windows as there are steps; what is odd goes behind (`upper`) or in front.
    fn pad_to_keep(&mut self, upper: bool, kernel: &[usize], sizes: &[usize]) {
        for (axis, pads) in self.pads.iter_mut().enumerate() {
            let reach = (kernel[axis] - 1) * self.dilation[axis] + 1;
            let steps = sizes[axis].div_ceil(self.stride[axis]).saturating_sub(1);
            let total = (steps * self.stride[axis] + reach).saturating_sub(sizes[axis]);
            let (less, more) = (total / 2, total.div_ceil(2));
            *pads = if upper { [less, more] } else { [more, less] };
        }
    }

    /// Steps, gaps and paddings (top, left, bottom, right) on a map: windows along one axis have one row.
    pub(super) fn on_a_map(&self) -> ([usize; 2], [usize; 2], [usize; 4]) {
        let two = |list: &[usize]| match *list {
            [rows, cols, ..] => [rows, cols],
            [cols] => [1, cols],
            [] => [1, 1],
        };
        let pads = match *self.pads.as_slice() {
            [rows, cols, ..] => [rows[0], cols[0], rows[1], cols[1]],
            [cols] => [0, cols[0], 0, cols[1]],
            [] => [0; 4],
        };
        (two(&self.stride), two(&self.dilation), pads)
    }
}

/// A convolution of a file as one of maps: along one axis its kernel has one row.
#[derive(Debug)]
pub(super) struct Kernel {
    /// `[out, in / groups, rows, columns]`.
    dims: [usize; 4],
    stride: [usize; 2],
    dilation: [usize; 2],
    /// Top, left, bottom, right.
    pub pads: [usize; 4],
    groups: usize,
}

impl Kernel {
    /// Of these weights and maybe biases, over maps whose axes are `sizes` in the file.
    pub(super) fn read(
        node: &Node<'_>,
        (weight, bias): (&Array, Option<&Array>),
        sizes: &[usize],
    ) -> Why<Self> {
        let dims = match *weight.dims.as_slice() {
            [out, per_group, cols] if sizes.len() == 1 => [out, per_group, 1, cols],
            [out, per_group, rows, cols] if sizes.len() == 2 => [out, per_group, rows, cols],
            _ => {
                return Err(format!(
                    "a kernel of shape {:?} over axes of {sizes:?}",
                    weight.dims
                ));
            }
        };
        if dims.contains(&0) {
            return Err(format!("an empty kernel {:?}", weight.dims));
        }
        if let Some(bias) = bias
            && bias.dims != dims[..1]
        {
            return Err(format!(
                "its bias has shape {:?}, it has {} channels",
                bias.dims, dims[0]
            ));
        }
        let groups = match node.int("group", 1) {
            groups if groups > 0 => groups as usize,
            other => {
                return Err(format!(
                    "group {other}; at least one group of channels is needed, export the network again"
                ));
            }
        };
        let windows = Windows::read(node, &weight.dims[2..], sizes)?;
        let (stride, dilation, pads) = windows.on_a_map();
        Ok(Self {
            dims,
            stride,
            dilation,
            pads,
            groups,
        })
    }

    /// Elements from a window's first to its last, gaps counted: rows, columns.
    pub(super) fn reach(&self) -> [usize; 2] {
        [0, 1].map(|axis| (self.dims[axis + 2] - 1) * self.dilation[axis] + 1)
    }

    /// The operator with these zeros around the map, its numbers made tensors by `tensor`.
    pub(super) fn conv(
        &self,
        pads: [usize; 4],
        tensor: impl Fn(Vec<f32>, &[usize]) -> Why<Tensor>,
        (weight, bias): (Vec<f32>, Option<Vec<f32>>),
    ) -> Why<Conv> {
        let out = self.dims[0];
        Ok(Conv {
            weight: tensor(weight, &self.dims)?,
            bias: tensor(bias.unwrap_or_else(|| vec![0.0; out]), &[out])?,
            stride: self.stride,
            pads,
            groups: self.groups,
            dilation: self.dilation,
        })
    }
}

/// Zeros, or what else `value` is, around a map.
pub(super) fn padding(around: [usize; 4], value: f32) -> Pad {
    let [top, left, bottom, right] = around.map(|pad| pad as isize);
    Pad {
        ends: vec![(0, 0), (0, 0), (top, bottom), (left, right)],
        value,
    }
}

/// The sizes of a pool's windows.
pub(super) fn kernel_shape(node: &Node<'_>, n_axes: usize) -> Why<Vec<usize>> {
    match given(node, "kernel_shape")? {
        Some(_) => per_axis(node, "kernel_shape", n_axes),
        None => Err("it has no kernel_shape".into()),
    }
}

/// A list that is there and not empty.
fn given<'n>(node: &'n Node<'_>, name: &str) -> Why<Option<&'n [i64]>> {
    match (node.ints(name), node.attribute(name)) {
        (Some(list), Some(attribute)) if list.is_empty() && attribute.int.is_some() => {
            Err(format!("{name} is one number, not a list"))
        }
        (list, _) => Ok(list.filter(|list| !list.is_empty())),
    }
}

/// A positive number per axis; 1 where the file has none.
fn per_axis(node: &Node<'_>, name: &str, n_axes: usize) -> Why<Vec<usize>> {
    let Some(list) = given(node, name)? else {
        return Ok(vec![1; n_axes]);
    };
    if list.len() != n_axes {
        return Err(wrong_length(name, list, n_axes));
    }
    if let Some(wrong) = list.iter().find(|n| !(1..=MOST).contains(n)) {
        return Err(format!("{name} {list:?}: {wrong} is not in 1..={MOST}"));
    }
    Ok(list.iter().map(|&n| n as usize).collect())
}

/// First all that stand before, then all behind.
fn written_pads(node: &Node<'_>, n_axes: usize) -> Why<Vec<[usize; 2]>> {
    let Some(list) = given(node, "pads")? else {
        return Ok(vec![[0; 2]; n_axes]);
    };
    if list.len() != 2 * n_axes {
        return Err(format!(
            "pads {list:?} for {}; ONNX wants two numbers for each, export the network again",
            axes(n_axes)
        ));
    }
    if let Some(wrong) = list.iter().find(|n| !(0..=MOST).contains(n)) {
        return Err(format!(
            "pads {list:?}: {wrong} is not in 0..={MOST}; what cuts a map is a Slice"
        ));
    }
    let (before, after) = list.split_at(n_axes);
    let pairs = before.iter().zip(after);
    Ok(pairs.map(|(&a, &b)| [a as usize, b as usize]).collect())
}

fn wrong_length(name: &str, list: &[i64], n_axes: usize) -> String {
    format!(
        "{name} {list:?} for {}; ONNX wants one number for each, export the network again",
        axes(n_axes)
    )
}

fn axes(n: usize) -> String {
    match n {
        1 => "1 axis".to_owned(),
        n => format!("{n} axes"),
    }
}
