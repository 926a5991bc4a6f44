//! Stage 4: the cell of every position of every image, by a second, streamed pass.
//!
//! A position belongs to the cell of the finest level whose direction is nearest by cosine. That needs no layout of
//! new points and costs one product of matrices per image. Where the network has a linear end, the positions of the
//! layer before it get their nearest cluster in the same way.

use super::assemble::Draft;
use super::chunks::{self, Chunked};
use super::gather::{self, Gathered};
use super::head::{self, Located};
use super::tensors::{Tensors, Unusable};
use super::{Job, LOCATE, PipelineError, Workspace};
use crate::collect;
use crate::network::{Layer, NetworkError};
use crate::progress::{self, Progress};
use candle_core::Tensor;
use ndarray::Array2;
use std::ops::Range;

/// Images per stage file.
const CHUNK: usize = 256;

/// Runs or resumes the stage.
pub(super) fn locate(
    job: &Job<'_>,
    workspace: &Workspace,
    draft: &mut Draft<'_>,
    progress: &dyn Progress,
) -> Result<(), PipelineError> {
    let directions: Result<Vec<Tensor>, NetworkError> = (0..job.layers.len())
        .map(|idx| unit_directions(job, draft, idx))
        .collect();
    let mut fingerprint = draft.gathered.fingerprint.clone();
    for arranged in &draft.layers {
        fingerprint = fingerprint.then(&format!("{:?} {:?}", arranged.fingerprint, draft.grids));
    }
    let folder = workspace.stage(LOCATE, &fingerprint)?;
    let n = gather::n_images(job);
    let last = draft.gathered.last.as_ref().filter(|_| job.keep_head);
    let clusters = match last {
        Some(last) => Some(head::clusters(job, last, &folder)?),
        None => None,
    };
    progress.begin(LOCATE.name, n as u64, LOCATE.unit);
    let mut stage = Locating {
        job,
        directions: directions?,
        last: clusters.as_ref(),
        gathered: &draft.gathered,
        progress,
    };
    let mut rows: Vec<Vec<u16>> = vec![Vec::new(); job.layers.len()];
    let mut located = Located::default();
    for chunk in chunks::each(&mut stage, &folder, (n, CHUNK), progress)? {
        for (rows, cells) in rows.iter_mut().zip(chunk.cells) {
            rows.extend(cells);
        }
        located.extend(chunk.last);
    }
    let n_read = draft.gathered.images.len();
    if let (Some(last), Some(clusters)) = (last, clusters) {
        let head = head::assemble(last, &clusters, located);
        draft.head = Some(head.ok_or_else(|| folder.bad("*", "positions are missing"))?);
    }
    for (idx, cells) in rows.into_iter().enumerate() {
        let n_positions = job.layers[idx].map_size.0 * job.layers[idx].map_size.1;
        let found = cells.len();
        let table = Array2::from_shape_vec((n_read, n_positions), cells);
        // Fails only when a file became readable or unreadable between the two passes.
        draft.layers[idx].position_cells = table.map_err(|_| {
            let what = format!("{found} positions for {n_read} images; did the image folder change during the build?");
            folder.bad("*", what)
        })?;
    }
    Ok(())
}

/// The stage at work.
struct Locating<'a> {
    job: &'a Job<'a>,
    /// Per layer, cells × depth.
    directions: Vec<Tensor>,
    /// Clusters of the layer before the linear end.
    last: Option<&'a head::Clusters>,
    gathered: &'a Gathered,
    progress: &'a dyn Progress,
}

/// What some images gave.
struct Chunk {
    /// Cells per layer, image by image.
    cells: Vec<Vec<u16>>,
    last: Located,
}

impl Chunked for Locating<'_> {
    type Chunk = Chunk;

    fn restore(&mut self, tensors: &Tensors, range: &Range<usize>) -> Option<Self::Chunk> {
        let read = &self.gathered.global;
        let below = |end: usize| read.partition_point(|&idx| (idx as usize) < end);
        let n_images = below(range.end) - below(range.start);
        let layers = self.job.layers.iter().enumerate();
        let read = layers.map(|(idx, layer)| {
            let cells: Vec<u32> = tensors.numbers(&format!("{idx}.cells")).ok()?;
            let expected = n_images * layer.map_size.0 * layer.map_size.1;
            (cells.len() == expected).then(|| cells.into_iter().map(|cell| cell as u16).collect())
        });
        let last = match self.last {
            Some(clusters) => Located::from_tensors(tensors, clusters, n_images)?,
            None => Located::default(),
        };
        let cells = read.collect::<Option<_>>()?;
        Some(Chunk { cells, last })
    }

    fn make(&mut self, range: Range<usize>) -> Result<Self::Chunk, PipelineError> {
        let (job, progress) = (self.job, self.progress);
        let mut cells: Vec<Vec<u16>> = vec![Vec::new(); job.layers.len()];
        let mut last = Located::default();
        let layers: Vec<Layer> = (job.layers.iter().cloned())
            .chain(self.last.map(|clusters| clusters.layer.clone()))
            .collect();
        gather::for_each_batch(job, range, &mut |_, _| progress.advance(1), &mut |batch| {
            progress::check(progress)?;
            let outputs = collect::forward_layers(job.network, &layers, batch)?;
            for ((output, directions), cells) in
                outputs.iter().zip(&self.directions).zip(&mut cells)
            {
                cells.extend(nearest(output, directions)?);
            }
            if let (Some(clusters), Some(output)) = (self.last, outputs.last()) {
                last.locate(output, clusters)?;
            }
            progress.advance(batch.len() as u64);
            Ok(())
        })?;
        Ok(Chunk { cells, last })
    }

    fn tensors(&self, chunk: &Self::Chunk) -> Result<Tensors, Unusable> {
        let mut tensors = Tensors::default();
        for (idx, cells) in chunk.cells.iter().enumerate() {
            let cells: Vec<u32> = cells.iter().map(|&cell| u32::from(cell)).collect();
            tensors.put(&format!("{idx}.cells"), cells)?;
        }
        if self.last.is_some() {
            chunk.last.to_tensors(&mut tensors)?;
        }
        Ok(tensors)
    }
}

/// Cell directions of the finest level with unit length, cells × depth.
fn unit_directions(job: &Job<'_>, draft: &Draft<'_>, idx: usize) -> Result<Tensor, NetworkError> {
    let Some(level) = draft.layers[idx].levels.last() else {
        return Err(NetworkError::BadGraph(format!(
            "{} has no grid",
            job.layers[idx].name
        )));
    };
    let mut values = Vec::with_capacity(level.directions.len());
    for row in level.directions.rows() {
        let norm = row
            .iter()
            .map(|v| v.to_f32().powi(2))
            .sum::<f32>()
            .sqrt()
            .max(1e-12);
        values.extend(row.iter().map(|v| v.to_f32() / norm));
    }
    Ok(Tensor::from_vec(
        values,
        level.directions.dim(),
        &job.network.device,
    )?)
}

/// For each image and position the row of `directions` with the largest cosine; the norm of the activation itself
/// does not change the order. `output` is `[batch, depth, rows, columns]`.
fn nearest(output: &Tensor, directions: &Tensor) -> Result<Vec<u16>, NetworkError> {
    let (batch, depth, rows, cols) = output.dims4()?;
    let maps = output.reshape((batch, depth, rows * cols))?;
    let mut cells = Vec::with_capacity(batch * rows * cols);
    for image in 0..batch {
        let similarity = directions.matmul(&maps.get(image)?.contiguous()?)?;
        let best = similarity.t()?.contiguous()?.argmax(1)?;
        cells.extend(best.to_vec1::<u32>()?.into_iter().map(|cell| cell as u16));
    }
    Ok(cells)
}
