//! The named tensors of one stage file.

use candle_core::{Device, Tensor, WithDType};
use ndarray::{Array2, ArrayView2};
use std::collections::HashMap;
use std::path::Path;

/// What went wrong inside a stage file, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unusable(pub(super) String);

impl From<candle_core::Error> for Unusable {
    fn from(error: candle_core::Error) -> Self {
        Self(error.to_string())
    }
}

/// Tensors by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Tensors(HashMap<String, Tensor>);

impl Tensors {
    /// Reads a file; `None` when it is absent or damaged.
    pub(super) fn load(path: &Path) -> Option<Self> {
        candle_core::safetensors::load(path, &Device::Cpu)
            .ok()
            .map(Self)
    }

    /// The bytes of a file.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, Unusable> {
        safetensors::serialize(&self.0, None).map_err(|error| Unusable(error.to_string()))
    }

    /// Adds numbers.
    pub(super) fn put<T: WithDType>(&mut self, name: &str, values: Vec<T>) -> Result<(), Unusable> {
        let n = values.len();
        self.put_shaped(name, values, n)
    }

    /// Adds numbers with a shape.
    pub(super) fn put_shaped<T: WithDType>(
        &mut self,
        name: &str,
        values: Vec<T>,
        shape: impl candle_core::shape::ShapeWithOneHole,
    ) -> Result<(), Unusable> {
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu)?;
        self.0.insert(name.to_owned(), tensor);
        Ok(())
    }

    /// Adds a matrix.
    pub(super) fn put_matrix<T: WithDType>(
        &mut self,
        name: &str,
        values: &ArrayView2<'_, T>,
    ) -> Result<(), Unusable> {
        self.put_shaped(name, values.iter().copied().collect(), values.dim())
    }

    /// The numbers called `name`, row by row.
    pub(super) fn numbers<T: WithDType>(&self, name: &str) -> Result<Vec<T>, Unusable> {
        Ok(self.get(name)?.flatten_all()?.to_vec1()?)
    }

    /// The matrix called `name`.
    pub(super) fn matrix<T: WithDType>(&self, name: &str) -> Result<Array2<T>, Unusable> {
        let shape = self.get(name)?.dims2()?;
        Array2::from_shape_vec(shape, self.numbers(name)?)
            .map_err(|error| Unusable(error.to_string()))
    }

    fn get(&self, name: &str) -> Result<&Tensor, Unusable> {
        let missing = || Unusable(format!("it lacks {name}"));
        self.0.get(name).ok_or_else(missing)
    }
}
