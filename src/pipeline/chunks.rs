//! Stages that go through all images in chunks, each kept in a file of its own.

use super::PipelineError;
use super::tensors::{Tensors, Unusable};
use super::workspace::StageFolder;
use crate::progress::{self, Progress};
use std::ops::Range;

/// A stage that works chunk by chunk.
pub(super) trait Chunked {
    /// What a chunk gives.
    type Chunk;

    /// The chunk from its file, or `None` when that cannot be used.
    fn restore(&mut self, tensors: &Tensors, range: &Range<usize>) -> Option<Self::Chunk>;

    /// Computes the chunk; reports every image to the progress.
    fn make(&mut self, range: Range<usize>) -> Result<Self::Chunk, PipelineError>;

    /// The file that [`Self::restore`] reads.
    fn tensors(&self, chunk: &Self::Chunk) -> Result<Tensors, Unusable>;
}

/// Runs a stage over `0..n` in chunks of `size` images, taking what `folder` holds already.
pub(super) fn each<S: Chunked>(
    stage: &mut S,
    folder: &StageFolder,
    (n, size): (usize, usize),
    progress: &dyn Progress,
) -> Result<Vec<S::Chunk>, PipelineError> {
    let mut chunks = Vec::with_capacity(n.div_ceil(size));
    for start in (0..n).step_by(size) {
        progress::check(progress)?;
        let range = start..(start + size).min(n);
        let name = format!("{start:08}");
        let loaded = folder.load(&name);
        let restored = loaded.and_then(|tensors| stage.restore(&tensors, &range));
        chunks.push(if let Some(chunk) = restored {
            progress.advance(range.len() as u64);
            chunk
        } else {
            let chunk = stage.make(range)?;
            let tensors = stage.tensors(&chunk);
            let tensors = tensors.map_err(|error| folder.bad(&name, error.0))?;
            folder.save(&name, &tensors)?;
            chunk
        });
    }
    Ok(chunks)
}
