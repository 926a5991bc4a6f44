//! What one image's value at a node looks like, and how each operator changes it.

use super::ops::{Reshape, Slice};
use super::{NetworkError, Op};

/// What the axes of a value mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Axes {
    /// The last two are rows and columns (`[channels, rows, columns]`).
    MapLast,
    /// The first two are (`[rows, columns, channels]`).
    MapFirst,
    /// None has a place in the image.
    Free,
}

/// Shape of one image's value at a node, without the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Sizes.
    pub dims: Vec<usize>,
    /// What they mean.
    pub axes: Axes,
}

impl Extent {
    /// `[channels, rows, columns]`.
    pub fn map(channels: usize, (rows, cols): (usize, usize)) -> Self {
        Self {
            dims: vec![channels, rows, cols],
            axes: Axes::MapLast,
        }
    }

    /// `[n]`.
    pub fn features(n: usize) -> Self {
        Self {
            dims: vec![n],
            axes: Axes::Free,
        }
    }

    /// Channels of a map, else the number of features.
    pub fn channels(&self) -> usize {
        match self.axes {
            Axes::MapLast if self.dims.len() == 3 => self.dims[0],
            _ => self.dims.last().copied().unwrap_or(1),
        }
    }

    /// Rows and columns, where the value is `[channels, rows, columns]`.
    pub fn map_size(&self) -> Option<(usize, usize)> {
        match (self.axes, self.dims.as_slice()) {
            (Axes::MapLast, &[_, rows, cols]) => Some((rows, cols)),
            _ => None,
        }
    }

    /// Rows and columns, wherever they stand.
    pub fn positions(&self) -> Option<(usize, usize)> {
        match (self.axes, self.dims.as_slice()) {
            (Axes::MapLast, [.., rows, cols]) | (Axes::MapFirst, [rows, cols, ..]) => {
                Some((*rows, *cols))
            }
            _ => None,
        }
    }

    /// Number of values of one image.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// True without any value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn free(dims: Vec<usize>) -> Self {
        Self {
            dims,
            axes: Axes::Free,
        }
    }
}

/// Values of one image at a node may be this many at most: 4 GiB in single precision.
const MOST: usize = 1 << 30;

type Found<T> = std::result::Result<T, String>;

impl Op {
    /// What comes out for these inputs, or why they do not fit.
    pub(super) fn extent(&self, inputs: &[Extent]) -> Found<Extent> {
        let extent = self.unchecked_extent(inputs)?;
        let n = extent
            .dims
            .iter()
            .try_fold(1usize, |n, &d| n.checked_mul(d));
        match n {
            Some(0) => Err(format!("its value would be empty: {:?}", extent.dims)),
            Some(n) if n <= MOST => Ok(extent),
            _ => Err(format!(
                "its value would have the shape {:?}, more than {MOST} numbers per image",
                extent.dims
            )),
        }
    }

    fn unchecked_extent(&self, inputs: &[Extent]) -> Found<Extent> {
        let n = inputs.len();
        match (self, inputs) {
            (Op::Input, _) => Err("an input reads nothing".into()),
            (_, []) => Err("it reads nothing".into()),
            (Op::Concat, _) => joined(inputs),
            (Op::Binary(_), [a, b]) => broadcast(a, b),
            (Op::MatMul, [a, b]) => product(a, b),
            (Op::Binary(_) | Op::MatMul, _) => Err(format!("it takes two inputs and has {n}")),
            (_, [first]) => self.of_one(first),
            _ => Err(format!("it takes one input and has {n}")),
        }
    }

    /// For the operators with one input.
    fn of_one(&self, first: &Extent) -> Found<Extent> {
        if self.window().is_some() || matches!(self, Op::Resize(_)) {
            return self.of_a_map(first);
        }
        let dims = &first.dims;
        Ok(match self {
            Op::GlobalAvgPool => {
                first.map_size().ok_or("its input has no positions")?;
                Extent::features(dims[0])
            }
            Op::Opaque(opaque) if opaque.positions => {
                let (rows, cols) = first.map_size().ok_or("its input has no positions")?;
                Extent::map(
                    opaque.channels,
                    (rows / opaque.stride, cols / opaque.stride),
                )
            }
            Op::Opaque(opaque) => Extent::features(opaque.channels),
            Op::Linear(linear) => {
                let (out, features) = linear.weight.dims2().map_err(|e| e.to_string())?;
                let (last, leading) = dims.split_last().ok_or("its input is a single number")?;
                if features != *last || linear.bias.dims() != [out] {
                    return Err(format!(
                        "it reads {features} features, its input is {dims:?}"
                    ));
                }
                let axes = match first.axes {
                    Axes::MapLast => Axes::Free,
                    axes => axes,
                };
                Extent {
                    dims: [leading, &[out]].concat(),
                    axes,
                }
            }
            Op::Lrn(lrn) if lrn.size % 2 == 0 => {
                return Err(format!("its window of {} channels is not odd", lrn.size));
            }
            Op::Affine(affine) => per_channel(&[&affine.mul, &affine.add], first)?,
            Op::PRelu(prelu) => per_channel(&[&prelu.slope], first)?,
            Op::WithConstant(constant) => {
                let shape = constant.constant.dims();
                if shape.first() != Some(&1) {
                    return Err(format!("its constant has shape {shape:?}"));
                }
                broadcast(first, &Extent::free(shape[1..].to_vec()))?
            }
            Op::Reduce(reduce) => reduced(reduce, first)?,
            Op::Softmax(softmax) => {
                axis(softmax.axis, dims)?;
                first.clone()
            }
            Op::LayerNorm(norm) => normalised(norm, first)?,
            Op::Reshape(reshape) => reshaped(reshape, first)?,
            Op::Transpose(order) => transposed(order, first)?,
            Op::Slice(slice) => sliced(slice, first)?,
            Op::Pad(pad) => padded(pad, first)?,
            Op::Expand(expand) => {
                let wide = expand
                    .output(dims)
                    .ok_or_else(|| format!("{dims:?} cannot be repeated to {:?}", expand.dims))?;
                Extent {
                    dims: wide,
                    axes: first.axes,
                }
            }
            _ => first.clone(),
        })
    }

    /// For convolutions, pools and resizing.
    fn of_a_map(&self, first: &Extent) -> Found<Extent> {
        // A convolution of what some reshape gave makes it a map.
        let &[channels, rows, cols] = first.dims.as_slice() else {
            return Err(format!(
                "it needs a map of channels × rows × columns, its input is {:?}",
                first.dims
            ));
        };
        let size = (rows, cols);
        if let Op::Resize(resize) = self {
            return Ok(Extent::map(channels, resize.output(size)));
        }
        let window = self.window().ok_or("it has no windows")?;
        let output = window
            .output(size)
            .ok_or_else(|| format!("its windows {window:?} do not fit a map of {size:?}"))?;
        let channels = match self {
            Op::Conv(conv) => {
                let (out, per_group, ..) = conv.weight.dims4().map_err(|e| e.to_string())?;
                let groups = conv.groups.max(1);
                if per_group * groups != channels || out % groups != 0 {
                    return Err(format!(
                        "its kernel reads {per_group} × {groups} channels, its input has {channels}"
                    ));
                }
                let [top, left, bottom, right] = conv.pads;
                let padded = [channels, rows + top + bottom, cols + left + right];
                let n = padded.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
                if n.is_none_or(|n| n > MOST) {
                    return Err(format!(
                        "with its padding its input would be {padded:?}, more than {MOST} numbers per image"
                    ));
                }
                if conv.bias.dims() != [out] {
                    return Err(format!(
                        "its bias has shape {:?}, it has {out} channels",
                        conv.bias.dims()
                    ));
                }
                out
            }
            _ => channels,
        };
        Ok(Extent::map(channels, output))
    }

    /// Multiplications with addition for one image, for the operators that are made of them: inputs' extents and
    /// the output's. Others count as nothing.
    pub(super) fn macs(&self, inputs: &[&Extent], output: &Extent) -> u64 {
        let out = output.len() as u64;
        match (self, inputs) {
            (Op::Conv(conv), _) => {
                let per_output: usize = conv.weight.dims()[1..].iter().product();
                out * per_output as u64
            }
            (Op::Linear(linear), _) => out * linear.weight.dims()[1] as u64,
            (Op::Opaque(opaque), _) => opaque.macs,
            (Op::MatMul, [a, _]) => out * a.dims.last().copied().unwrap_or(1) as u64,
            _ => 0,
        }
    }
}

impl From<String> for NetworkError {
    fn from(why: String) -> Self {
        NetworkError::BadGraph(why)
    }
}

/// Parts side by side along the first axis.
fn joined(inputs: &[Extent]) -> Found<Extent> {
    let first = &inputs[0];
    let rest = first.dims.get(1..).ok_or("it joins single numbers")?;
    let mut channels = 0;
    for input in inputs {
        if input.dims.get(1..) != Some(rest) {
            return Err(format!("it joins {:?} and {:?}", first.dims, input.dims));
        }
        channels += input.dims[0];
    }
    Ok(Extent {
        dims: [&[channels], rest].concat(),
        axes: first.axes,
    })
}

/// Equal ranks; sizes alike or 1.
fn broadcast(a: &Extent, b: &Extent) -> Found<Extent> {
    let misfit = || format!("{:?} and {:?} do not fit", a.dims, b.dims);
    if a.dims.len() != b.dims.len() {
        return Err(misfit());
    }
    let pairs = a.dims.iter().zip(&b.dims);
    let dims = pairs.map(|(&a, &b)| match (a, b) {
        (a, 1) => Some(a),
        (1, b) => Some(b),
        (a, b) => (a == b).then_some(a),
    });
    let dims: Vec<usize> = dims.collect::<Option<_>>().ok_or_else(misfit)?;
    let axes = if a.axes == Axes::Free || (b.axes != Axes::Free && dims == b.dims) {
        b.axes
    } else {
        a.axes
    };
    Ok(Extent { dims, axes })
}

fn product(a: &Extent, b: &Extent) -> Found<Extent> {
    let misfit = || format!("{:?} and {:?} cannot be multiplied", a.dims, b.dims);
    let ([a_first @ .., n, k], [b_first @ .., k2, m]) = (a.dims.as_slice(), b.dims.as_slice())
    else {
        return Err(misfit());
    };
    if k != k2 {
        return Err(misfit());
    }
    let leading = broadcast(
        &Extent::free(a_first.to_vec()),
        &Extent::free(b_first.to_vec()),
    )?;
    let mut dims = leading.dims;
    dims.extend([n, m]);
    Ok(Extent::free(dims))
}

/// Parameters of one number per channel, or one for all.
fn per_channel(parameters: &[&candle_core::Tensor], first: &Extent) -> Found<Extent> {
    let channels = *first.dims.first().ok_or("its input is a single number")?;
    for parameter in parameters {
        if parameter.dims() != [channels] && parameter.dims() != [1] {
            return Err(format!(
                "it has parameters of shape {:?} for {channels} channels",
                parameter.dims()
            ));
        }
    }
    Ok(first.clone())
}

fn axis(axis: usize, dims: &[usize]) -> Found<()> {
    if axis == 0 || axis > dims.len() {
        return Err(format!("it works along axis {axis} of [batch, {dims:?}]"));
    }
    Ok(())
}

fn reduced(reduce: &super::ops::Reduce, first: &Extent) -> Found<Extent> {
    for &at in &reduce.axes {
        axis(at, &first.dims)?;
    }
    let mut dims = first.dims.clone();
    for &at in &reduce.axes {
        dims[at - 1] = 1;
    }
    if reduce.keep {
        return Ok(Extent {
            dims,
            axes: first.axes,
        });
    }
    let kept = (0..dims.len()).filter(|at| !reduce.axes.contains(&(at + 1)));
    Ok(Extent::free(kept.map(|at| dims[at]).collect()))
}

fn reshaped(reshape: &Reshape, first: &Extent) -> Found<Extent> {
    let dims = reshape
        .output(&first.dims)
        .ok_or_else(|| format!("{:?} cannot be reshaped as {reshape:?}", first.dims))?;
    let kept = |group: &super::ops::Group| group.n_in == 1 && group.out.len() == 1;
    let groups = &reshape.groups;
    let axes = match first.axes {
        Axes::MapLast if groups.len() >= 2 && groups[groups.len() - 2..].iter().all(kept) => {
            Axes::MapLast
        }
        Axes::MapFirst if groups.len() >= 2 && groups[..2].iter().all(kept) => Axes::MapFirst,
        _ if reshape.unfolds && dims.len() == 3 => Axes::MapLast,
        _ => Axes::Free,
    };
    Ok(Extent { dims, axes })
}

fn transposed(order: &[usize], first: &Extent) -> Found<Extent> {
    let n = first.dims.len();
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    if order.first() != Some(&0) || sorted != (0..=n).collect::<Vec<_>>() {
        return Err(format!(
            "it orders the axes of {:?} as {order:?}",
            first.dims
        ));
    }
    let dims: Vec<usize> = order[1..].iter().map(|&at| first.dims[at - 1]).collect();
    let places = match first.axes {
        Axes::MapLast => [n - 1, n],
        Axes::MapFirst => [1, 2],
        Axes::Free => return Ok(Extent::free(dims)),
    };
    let axes = if order[1..].starts_with(&places) {
        Axes::MapFirst
    } else if order[1..].ends_with(&places) {
        Axes::MapLast
    } else {
        Axes::Free
    };
    Ok(Extent { dims, axes })
}

fn sliced(slice: &Slice, first: &Extent) -> Found<Extent> {
    axis(slice.axis, &first.dims)?;
    let size = first.dims[slice.axis - 1];
    let n = slice
        .elements(size)
        .ok_or_else(|| format!("an axis of {size} has no {:?}", slice.part))?
        .len();
    let mut dims = first.dims.clone();
    dims[slice.axis - 1] = n;
    Ok(Extent {
        dims,
        axes: first.axes,
    })
}

fn normalised(norm: &super::ops::LayerNorm, first: &Extent) -> Found<Extent> {
    let (n, dims) = (norm.n_axes, &first.dims);
    if n == 0 || n > dims.len() {
        return Err(format!("it normalises {n} axes of {dims:?}"));
    }
    let last = &dims[dims.len() - n..];
    for parameter in [&norm.scale, &norm.bias].into_iter().flatten() {
        if parameter.dims() != last {
            return Err(format!(
                "its parameters have shape {:?}, it normalises {last:?}",
                parameter.dims()
            ));
        }
    }
    Ok(first.clone())
}

fn padded(pad: &super::ops::Pad, first: &Extent) -> Found<Extent> {
    let dims = &first.dims;
    if pad.ends.len() != dims.len() + 1 || pad.ends[0] != (0, 0) {
        return Err(format!("it pads {:?}, its input is {dims:?}", pad.ends));
    }
    let grown = |(&size, &(before, after)): (&usize, &(isize, isize))| {
        let size = isize::try_from(size).ok()?;
        usize::try_from(size.checked_add(before)?.checked_add(after)?).ok()
    };
    let dims = dims.iter().zip(&pad.ends[1..]).map(grown);
    Ok(Extent {
        dims: dims.collect::<Option<_>>().ok_or("nothing is left of it")?,
        axes: first.axes,
    })
}
