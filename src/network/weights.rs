//! Weights files (safetensors, or PyTorch's own) to named tensors, checked.
//!
//! A file must hold exactly the tensors that an architecture asks for, with their shapes: a network with one
//! wrong tensor would still run and only give wrong answers.

use super::{NetworkError, Result, pth};
use candle_core::safetensors::SliceSafetensors;
use candle_core::{DType, Device, Tensor};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};

/// The tensors of one weights file, taken one by one.
pub struct Weights<'a> {
    file: File<'a>,
    /// Shapes of the tensors that were not taken yet.
    rest: BTreeMap<String, Vec<usize>>,
    device: Device,
}

enum File<'a> {
    Safetensors(SliceSafetensors<'a>),
    Pth(HashMap<String, Tensor>),
}

impl<'a> Weights<'a> {
    /// Reads the header of a safetensors file, or all of a PyTorch file; tensors go to `device` as single precision.
    ///
    /// # Errors
    /// Bytes that are no such file, or not a whole one.
    pub fn open(bytes: &'a [u8], device: &Device) -> Result<Self> {
        let (file, rest) = if pth::recognises(bytes) {
            let tensors = pth::read(bytes)?;
            let shape = |(name, tensor): (&String, &Tensor)| (name.clone(), tensor.dims().to_vec());
            let rest = tensors.iter().map(shape).collect();
            (File::Pth(tensors), rest)
        } else {
            let file = SliceSafetensors::new(bytes)
                .map_err(|error| NetworkError::BadWeights(error.to_string()))?;
            let tensors = file.tensors().into_iter();
            let rest = tensors
                .map(|(name, view)| (name, view.shape().to_vec()))
                .collect();
            (File::Safetensors(file), rest)
        };
        Ok(Self {
            file,
            rest,
            device: device.clone(),
        })
    }

    /// The shape of a tensor that was not taken yet.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.rest.get(name).map(Vec::as_slice)
    }

    /// Leaves out the tensors that `unwanted` names: heads that only training needs, counters.
    pub fn ignore(&mut self, unwanted: impl Fn(&str) -> bool) {
        self.rest.retain(|name, _| !unwanted(name));
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
        let tensor = match &mut self.file {
            File::Safetensors(file) => file.load(name, &Device::Cpu)?,
            File::Pth(tensors) => tensors
                .remove(name)
                .ok_or_else(|| NetworkError::BadWeights(format!("{name} was taken twice")))?,
        };
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
