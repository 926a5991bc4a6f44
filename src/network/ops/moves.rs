//! Operators that only move values: reshape, slice, pad, resize. All are linear, so each is its own jvp.

use super::tensor::resize_ends;
use crate::network::{NetworkError, Result};
use candle_core::Tensor;

/// A change of shape that works at any image size.
///
/// Input and output axes (without the batch) are cut into groups of equal size, in order: `[116, 28, 28]` →
/// `[2, 58, 28, 28]` is `116 → 2 · 58`, `28 → 28`, `28 → 28`. A group with one output axis takes whatever size its
/// input axes have; a group with several has fixed ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reshape {
    /// The groups, in order.
    pub groups: Vec<Group>,
    /// Whether the last two axes that come out are the rows and columns of what were tokens.
    pub unfolds: bool,
}

/// Some neighbouring input axes and the output axes that they become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Number of input axes.
    pub n_in: usize,
    /// Sizes of the output axes, as at the size the graph was made for.
    pub out: Vec<usize>,
}

impl Reshape {
    /// The reshape from one shape to another of as many elements, both without the batch; `None` where their
    /// numbers of elements differ.
    pub fn between(from: &[usize], to: &[usize]) -> Option<Self> {
        let count = |dims: &[usize]| dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if count(from)? != count(to)? || from.contains(&0) || to.contains(&0) {
            return None;
        }
        let (mut i, mut j) = (0, 0);
        let mut groups = Vec::new();
        while i < from.len() && j < to.len() {
            let (first, start) = (j, i);
            let (mut a, mut b) = (from[i], to[j]);
            (i, j) = (i + 1, j + 1);
            while a != b {
                if a < b {
                    a *= from[i];
                    i += 1;
                } else {
                    b *= to[j];
                    j += 1;
                }
            }
            groups.push(Group {
                n_in: i - start,
                out: to[first..j].to_vec(),
            });
        }
        // What is left are axes of size 1.
        if i < from.len() {
            groups.push(Group {
                n_in: from.len() - i,
                out: Vec::new(),
            });
        }
        groups.extend(to[j..].iter().map(|_| Group {
            n_in: 0,
            out: vec![1],
        }));
        Some(Self {
            groups,
            unfolds: false,
        })
    }

    /// Output sizes for these input sizes, both without the batch.
    pub fn output(&self, from: &[usize]) -> Option<Vec<usize>> {
        let mut rest = from;
        let mut to = Vec::new();
        for group in &self.groups {
            let (taken, left) = rest.split_at_checked(group.n_in)?;
            rest = left;
            let n = taken.iter().product::<usize>();
            match group.out.as_slice() {
                [_] => to.push(n),
                out if out.iter().product::<usize>() == n => to.extend(out),
                _ => return None,
            }
        }
        rest.is_empty().then_some(to)
    }

    /// `[b, …]` → `[b, …]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let to = self.output(&x.dims()[1..]).ok_or_else(|| {
            NetworkError::BadGraph(format!("{:?} cannot be reshaped this way", x.dims()))
        })?;
        let mut dims = vec![x.dims()[0]];
        dims.extend(to);
        Ok(x.reshape(dims)?)
    }
}

/// Part of an axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Elements from `start` to `end` (not included) in steps; negative numbers count from the axis's end, numbers
    /// beyond an end mean the end.
    Range {
        /// First element.
        start: i64,
        /// One past the last.
        end: i64,
        /// Not 0.
        step: i64,
    },
    /// These elements, in this order, maybe some of them often.
    Elements(Vec<usize>),
    /// Mirrored at the ends, which are not repeated: `before` elements more in front, `after` more behind.
    Mirrored {
        /// In front.
        before: usize,
        /// Behind.
        after: usize,
    },
    /// The first and the last element repeated.
    Stretched {
        /// In front.
        before: usize,
        /// Behind.
        after: usize,
    },
}

/// Picks elements along one axis of `[batch, …]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// The axis, never 0.
    pub axis: usize,
    /// Which of its elements.
    pub part: Part,
}

impl Slice {
    /// The elements that are picked from an axis of `size`; `None` where one would lie outside of it.
    pub fn elements(&self, size: usize) -> Option<Vec<usize>> {
        match &self.part {
            &Part::Range { start, end, step } => {
                let (start, end) = range(size, start, end, step)?;
                let step_by = usize::try_from(step.unsigned_abs()).ok()?;
                Some(if step > 0 {
                    (start..end).step_by(step_by).map(|i| i as usize).collect()
                } else {
                    (end + 1..=start)
                        .rev()
                        .step_by(step_by)
                        .map(|i| i as usize)
                        .collect()
                })
            }
            Part::Elements(elements) => elements
                .iter()
                .all(|&element| element < size)
                .then(|| elements.clone()),
            &Part::Mirrored { before, after } => (before < size && after < size).then(|| {
                let front = (1..=before).rev();
                let back = (1..=after).map(|i| size - 1 - i);
                front.chain(0..size).chain(back).collect()
            }),
            &Part::Stretched { before, after } => (size > 0).then(|| {
                let front = std::iter::repeat_n(0, before);
                let back = std::iter::repeat_n(size - 1, after);
                front.chain(0..size).chain(back).collect()
            }),
        }
    }

    /// First element and number of elements where they lie side by side.
    fn contiguous(&self, size: usize) -> Option<(usize, usize)> {
        match self.part {
            Part::Range {
                start,
                end,
                step: 1,
            } => {
                let (start, end) = range(size, start, end, 1)?;
                Some((start as usize, (end - start).max(0) as usize))
            }
            _ => None,
        }
    }

    /// The picked elements.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let size = x.dim(self.axis)?;
        if let Some((start, n)) = self.contiguous(size) {
            return Ok(x.narrow(self.axis, start, n)?.contiguous()?);
        }
        Ok(x.contiguous()?
            .index_select(&self.index(x, size)?, self.axis)?)
    }

    /// Cotangent of the output → gradient to an input of the shape `dims`.
    pub fn vjp(&self, dims: &[usize], cotangent: &Tensor) -> Result<Tensor> {
        let size = dims[self.axis];
        if let Some((start, n)) = self.contiguous(size) {
            return Ok(cotangent.pad_with_zeros(self.axis, start, size - start - n)?);
        }
        let zeros = Tensor::zeros(dims, cotangent.dtype(), cotangent.device())?;
        let index = self.index(cotangent, size)?;
        Ok(zeros.index_add(&index, &cotangent.contiguous()?, self.axis)?)
    }

    fn index(&self, x: &Tensor, size: usize) -> Result<Tensor> {
        let elements = self.elements(size).ok_or_else(|| {
            NetworkError::BadGraph(format!("an axis of {size} has no {:?}", self.part))
        })?;
        let elements: Vec<u32> = elements.into_iter().map(|i| i as u32).collect();
        let n = elements.len();
        Ok(Tensor::from_vec(elements, n, x.device())?)
    }
}

/// A slice's ends inside `0..size` (for a negative step one before the last element taken, from −1 on).
fn range(size: usize, start: i64, end: i64, step: i64) -> Option<(i64, i64)> {
    let size = i64::try_from(size).ok()?;
    let from_end = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
    match step {
        0 => None,
        1.. => {
            let start = from_end(start).clamp(0, size);
            Some((start, from_end(end).clamp(start, size)))
        }
        _ => {
            let start = from_end(start).clamp(-1, size - 1);
            let end = if end < -size { -1 } else { from_end(end) };
            Some((start, end.clamp(-1, start)))
        }
    }
}

/// Constant values around a tensor, or, where negative, its ends cut off.
#[derive(Debug, Clone, PartialEq)]
pub struct Pad {
    /// Before and after, per axis of `[batch, …]`; the batch has none.
    pub ends: Vec<(isize, isize)>,
    /// The new elements.
    pub value: f32,
}

impl Pad {
    /// Grown or cut.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.with(x, self.value, 1)
    }

    /// New elements do not change: their tangents are 0.
    pub fn jvp(&self, tangent: &Tensor) -> Result<Tensor> {
        self.with(tangent, 0.0, 1)
    }

    /// The other way round.
    pub fn vjp(&self, cotangent: &Tensor) -> Result<Tensor> {
        self.with(cotangent, 0.0, -1)
    }

    fn with(&self, x: &Tensor, value: f32, sign: isize) -> Result<Tensor> {
        let mut x = x.clone();
        for (axis, &(before, after)) in self.ends.iter().enumerate() {
            if (before, after) != (0, 0) {
                x = resize_ends(&x, axis, sign * before, sign * after, value)?;
            }
        }
        Ok(x)
    }
}

/// A tensor repeated along axes of size 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expand {
    /// Size per axis without the batch; 1 = as it is.
    pub dims: Vec<usize>,
}

impl Expand {
    /// Output sizes for these input sizes, both without the batch.
    pub fn output(&self, from: &[usize]) -> Option<Vec<usize>> {
        let pair = |(&a, &b): (&usize, &usize)| match (a, b) {
            (a, 1) => Some(a),
            (1, b) => Some(b),
            (a, b) => (a == b).then_some(a),
        };
        if from.len() != self.dims.len() {
            return None;
        }
        from.iter().zip(&self.dims).map(pair).collect()
    }

    /// `[b, …]` → `[b, …]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let to = self.output(&x.dims()[1..]).ok_or_else(|| {
            NetworkError::BadGraph(format!(
                "{:?} cannot be repeated to {:?}",
                x.dims(),
                self.dims
            ))
        })?;
        let mut dims = vec![x.dims()[0]];
        dims.extend(to);
        Ok(x.broadcast_as(dims)?.contiguous()?)
    }
}
