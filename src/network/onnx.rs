//! ONNX files as graphs.

use super::{InputSpec, Network, NetworkError, Result};
use crate::atlas::Class;
use candle_core::Device;

/// Reads `length` bytes (all to the end where `None`) from `offset` of the file `location` beside the model; the
/// location is relative and stays inside the model's folder.
pub type External<'a> = dyn Fn(&str, u64, Option<u64>) -> std::io::Result<Vec<u8>> + 'a;

/// An ONNX file and what lies beside it.
pub struct Source<'a> {
    /// The network's name, for messages and atlases.
    pub name: &'a str,
    /// The file's bytes.
    pub model: &'a [u8],
    /// Tensors that the file keeps in other files.
    pub external: &'a External<'a>,
}

/// Rows and columns that the file's input is fixed to; `None` where it leaves them open.
///
/// # Errors
/// Bytes that are no ONNX file, and a file without an input for images.
pub fn input_size(_model: &[u8]) -> Result<Option<(usize, usize)>> {
    Ok(None)
}

/// The network in an ONNX file. With `classes` their number must be that of the logits; without, a classifier's
/// classes are numbered, and a network without a classifier has none.
///
/// # Errors
/// Bytes that are no ONNX file; operators that are not supported; shapes that do not fit or cannot be resolved.
pub fn load(
    source: &Source<'_>,
    _input: InputSpec,
    _classes: Option<Vec<Class>>,
    _device: &Device,
) -> Result<Network> {
    Err(NetworkError::BadGraph(format!(
        "{}: ONNX files cannot be read yet",
        source.name
    )))
}
