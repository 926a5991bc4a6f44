//! Weights files to named tensors, checked.
//!
//! A file must hold exactly the tensors that an architecture asks for, with their shapes: a network with one
//! wrong tensor would still run and only give wrong answers.

use super::{NetworkError, Result};
use candle_core::safetensors::SliceSafetensors;
use candle_core::{DType, Device, Tensor};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The tensors of one safetensors file, taken one by one.
pub struct Weights<'a> {
    file: SliceSafetensors<'a>,
    /// Shapes of the tensors that were not taken yet.
    rest: BTreeMap<String, Vec<usize>>,
    device: Device,
}

impl<'a> Weights<'a> {
    /// Reads the header of a safetensors file; tensors go to `device` as single precision.
    ///
    /// # Errors
    /// Bytes that are no safetensors file, or not a whole one.
    pub fn open(bytes: &'a [u8], device: &Device) -> Result<Self> {
        let file = SliceSafetensors::new(bytes)
            .map_err(|error| NetworkError::BadWeights(error.to_string()))?;
        let rest = file
            .tensors()
            .into_iter()
            .map(|(name, view)| (name, view.shape().to_vec()))
            .collect();
        Ok(Self {
            file,
            rest,
            device: device.clone(),
        })
    }

    /// The tensor `name`, whose shape must be `expected`.
    ///
    /// # Errors
    /// [`NetworkError::MissingTensor`], [`NetworkError::WrongShape`], [`NetworkError::BadWeights`] for values
    /// that are not finite.
    pub fn take(&mut self, name: &str, expected: &[usize]) -> Result<Tensor> {
        let Some(found) = self.rest.remove(name) else {
            return Err(NetworkError::MissingTensor {
                name: name.to_owned(),
                expected: expected.to_vec(),
            });
        };
        if found != expected {
            return Err(NetworkError::WrongShape {
                name: name.to_owned(),
                expected: expected.to_vec(),
                found,
            });
        }
        let tensor = self.file.load(name, &Device::Cpu)?;
        if !tensor.dtype().is_float() {
            return Err(NetworkError::BadWeights(format!(
                "tensor {name} holds {:?}, not floating-point numbers",
                tensor.dtype()
            )));
        }
        let tensor = tensor.to_dtype(DType::F32)?;
        let sum = tensor.abs()?.sum_all()?.to_scalar::<f32>()?;
        if !sum.is_finite() {
            return Err(NetworkError::BadWeights(format!(
                "tensor {name} holds values that are not finite"
            )));
        }
        Ok(tensor.to_device(&self.device)?)
    }

    /// The end: every tensor must have been taken.
    ///
    /// # Errors
    /// [`NetworkError::ExtraTensors`].
    pub fn finish(self) -> Result<()> {
        match self.rest.keys().next() {
            None => Ok(()),
            Some(first) => Err(NetworkError::ExtraTensors {
                count: self.rest.len(),
                first: first.clone(),
            }),
        }
    }
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
