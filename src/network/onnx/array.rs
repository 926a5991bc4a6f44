//! Constants while a file is read: initialisers, and what shape arithmetic makes of them.

use super::proto::Tensor;
use crate::network::onnx::External;
use crate::network::{NetworkError, Result};
use half::{bf16, f16};

/// Numbers of one kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    /// All floating-point types.
    Float(Vec<f32>),
    /// All whole-number types.
    Int(Vec<i64>),
    Bool(Vec<bool>),
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Array {
    pub dims: Vec<usize>,
    pub data: Data,
    /// Its whole numbers are of 32 bits: what is computed with them wraps there.
    pub narrow: bool,
}

/// Constants that are computed (not read) may hold this many numbers.
pub(super) const MOST_COMPUTED: usize = 1 << 24;

impl Array {
    pub(super) fn new(dims: Vec<usize>, data: Data) -> Self {
        Self {
            dims,
            data,
            narrow: false,
        }
    }

    pub(super) fn floats(dims: Vec<usize>, values: Vec<f32>) -> Self {
        Self::new(dims, Data::Float(values))
    }

    pub(super) fn ints(values: Vec<i64>) -> Self {
        Self::new(vec![values.len()], Data::Int(values))
    }

    /// The same, its whole numbers as 32 bits hold them where `narrow` says so.
    pub(super) fn narrowed(mut self, narrow: bool) -> Self {
        if let Data::Int(values) = &mut self.data
            && narrow
        {
            self.narrow = true;
            for value in values {
                *value = i64::from(*value as i32);
            }
        }
        self
    }

    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        match &self.data {
            Data::Float(values) => values.len(),
            Data::Int(values) => values.len(),
            Data::Bool(values) => values.len(),
        }
    }

    /// As whole numbers: shapes, axes, pads.
    pub(super) fn to_ints(&self) -> Vec<i64> {
        match &self.data {
            Data::Float(values) => values.iter().map(|&value| value as i64).collect(),
            Data::Int(values) => values.clone(),
            Data::Bool(values) => values.iter().map(|&value| i64::from(value)).collect(),
        }
    }

    /// As floats: weights.
    pub(super) fn to_floats(&self) -> Vec<f32> {
        match &self.data {
            Data::Float(values) => values.clone(),
            Data::Int(values) => values.iter().map(|&value| value as f32).collect(),
            Data::Bool(values) => values.iter().map(|&v| f32::from(u8::from(v))).collect(),
        }
    }

    /// The only number.
    pub(super) fn scalar(&self) -> Option<f32> {
        (self.len() == 1).then(|| self.to_floats()[0])
    }

    /// Picks elements by index; all must exist.
    pub(super) fn pick(&self, dims: Vec<usize>, at: &[usize]) -> Self {
        fn of<T: Copy>(values: &[T], at: &[usize]) -> Vec<T> {
            at.iter().map(|&i| values[i]).collect()
        }
        let data = match &self.data {
            Data::Float(values) => Data::Float(of(values, at)),
            Data::Int(values) => Data::Int(of(values, at)),
            Data::Bool(values) => Data::Bool(of(values, at)),
        };
        Self {
            dims,
            data,
            narrow: self.narrow,
        }
    }

    /// The same numbers in another shape, which must have as many.
    pub(super) fn reshaped(&self, dims: Vec<usize>) -> Self {
        Self {
            dims,
            data: self.data.clone(),
            narrow: self.narrow,
        }
    }

    /// Reads a tensor of the file. Floats that are not finite are an error where `finite` is asked for.
    pub(super) fn read(tensor: &Tensor<'_>, external: &External<'_>) -> Result<Self> {
        let bad = |why: String| NetworkError::BadModel(format!("tensor {}: {why}", tensor.name));
        let dims: Vec<usize> = tensor
            .dims
            .iter()
            .map(|&d| usize::try_from(d))
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| bad(format!("shape {:?}", tensor.dims)))?;
        let n = dims
            .iter()
            .try_fold(1usize, |n, &d| n.checked_mul(d))
            .filter(|n| n.checked_mul(8).is_some())
            .ok_or_else(|| bad(format!("absurd shape {dims:?}")))?;
        let size = element_size(tensor.data_type)
            .ok_or_else(|| bad(format!("data type {} is not supported", tensor.data_type)))?;
        let held;
        let raw = if tensor.is_external {
            held = read_external(tensor, n * size, external).map_err(bad)?;
            Some(held.as_slice())
        } else {
            tensor.raw
        };
        let data = match raw {
            Some(raw) if raw.len() != n * size => {
                return Err(bad(format!(
                    "shape {dims:?} needs {} bytes, {} are there",
                    n * size,
                    raw.len()
                )));
            }
            Some(raw) => from_raw(tensor.data_type, raw),
            None => from_lists(tensor)?,
        };
        let array = Self::new(dims, data).narrowed(tensor.data_type == 6);
        if array.len() != n {
            return Err(bad(format!(
                "shape {:?} needs {n} numbers, {} are there",
                array.dims,
                array.len()
            )));
        }
        Ok(array)
    }
}

/// Bytes of one element in `raw_data`.
fn element_size(data_type: i64) -> Option<usize> {
    Some(match data_type {
        2 | 3 | 9 => 1,
        4 | 5 | 10 | 16 => 2,
        1 | 6 | 12 => 4,
        7 | 11 | 13 => 8,
        _ => return None,
    })
}

/// Little-endian bytes, whose number is a multiple of the element's size.
fn from_raw(data_type: i64, raw: &[u8]) -> Data {
    fn of<const N: usize, T>(raw: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
        raw.as_chunks::<N>().0.iter().map(|&b| read(b)).collect()
    }
    match data_type {
        1 => Data::Float(of(raw, f32::from_le_bytes)),
        10 => Data::Float(of(raw, |b| f16::from_le_bytes(b).to_f32())),
        16 => Data::Float(of(raw, |b| bf16::from_le_bytes(b).to_f32())),
        11 => Data::Float(of(raw, |b| f64::from_le_bytes(b) as f32)),
        2 => Data::Int(of(raw, |b| u8::from_le_bytes(b).into())),
        3 => Data::Int(of(raw, |b| i8::from_le_bytes(b).into())),
        4 => Data::Int(of(raw, |b| u16::from_le_bytes(b).into())),
        5 => Data::Int(of(raw, |b| i16::from_le_bytes(b).into())),
        6 => Data::Int(of(raw, |b| i32::from_le_bytes(b).into())),
        12 => Data::Int(of(raw, |b| u32::from_le_bytes(b).into())),
        9 => Data::Bool(raw.iter().map(|&b| b != 0).collect()),
        _ => Data::Int(of(raw, i64::from_le_bytes)),
    }
}

/// From the typed lists.
fn from_lists(tensor: &Tensor<'_>) -> Result<Data> {
    let mut ints = Vec::new();
    for value in &tensor.ints {
        value.ints("tensor data", &mut ints)?;
    }
    Ok(match tensor.data_type {
        1 => {
            let mut floats = Vec::new();
            for value in &tensor.floats {
                value.floats("tensor data", &mut floats)?;
            }
            Data::Float(floats)
        }
        11 => {
            let mut doubles = Vec::new();
            for value in &tensor.doubles {
                value.doubles("tensor data", &mut doubles)?;
            }
            Data::Float(doubles.into_iter().map(|value| value as f32).collect())
        }
        10 => Data::Float(
            ints.iter()
                .map(|&b| f16::from_bits(b as u16).to_f32())
                .collect(),
        ),
        16 => Data::Float(
            ints.iter()
                .map(|&b| bf16::from_bits(b as u16).to_f32())
                .collect(),
        ),
        9 => Data::Bool(ints.iter().map(|&value| value != 0).collect()),
        // Negative int32 values may be written as 32 or 64 bits.
        3 | 5 | 6 => Data::Int(ints.iter().map(|&value| i64::from(value as i32)).collect()),
        _ => Data::Int(ints),
    })
}

/// Bytes of a tensor that lies in another file.
fn read_external(
    tensor: &Tensor<'_>,
    expected: usize,
    external: &External<'_>,
) -> std::result::Result<Vec<u8>, String> {
    let of = |key: &str| {
        let found = tensor.external.iter().find(|(name, _)| *name == key);
        found.map(|(_, value)| *value)
    };
    let number = |key: &str| match of(key) {
        None => Ok(None),
        Some(text) => text
            .parse::<u64>()
            .map(Some)
            .map_err(|_| format!("external {key} {text:?} is not a number")),
    };
    let location = of("location").ok_or("external data without a location")?;
    check_location(location)?;
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    if length.is_some_and(|length| length != expected as u64) {
        return Err(format!(
            "its shape needs {expected} bytes, {} are named in {location}",
            length.unwrap_or(0)
        ));
    }
    external(location, offset, Some(expected as u64))
        .map_err(|error| format!("{location}: {error}"))
}

/// Only plain relative paths: a file must not make us read what lies outside of its folder.
fn check_location(location: &str) -> std::result::Result<(), String> {
    use std::path::{Component, Path};
    let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    let windows = location.contains('\\') || location.contains(':');
    if location.is_empty() || windows || !Path::new(location).components().all(plain) {
        return Err(format!(
            "its data lie at {location:?}, outside of the model's folder"
        ));
    }
    Ok(())
}
