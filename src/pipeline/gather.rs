//! Stage 1: images → activations, attributions, predictions, in chunks of images.

use super::workspace::{Fingerprint, Tensors};
use super::{COLLECT, Job, PipelineError, Workspace};
use crate::atlas::{ClassId, Images, class_called};
use crate::collect::{self, Chunk, CollectError, LayerChunk, Plan, Prepared};
use crate::images::DecodeError;
use crate::network::NetworkError;
use crate::progress::{self, Progress};
use candle_core::{Device, Tensor};
use half::f16;
use ndarray::Array2;
use rayon::prelude::*;
use std::collections::HashMap;

/// Images per stage file.
const CHUNK: usize = 128;
/// Images per pass through the network.
const BATCH: usize = 16;
/// A prediction that is none.
const NO_CLASS: u32 = u32::MAX;

/// What stage 1 gives.
#[derive(Debug, Clone)]
pub(super) struct Gathered {
    /// The images that could be read.
    pub(super) images: Images,
    /// For each of them its index among all images of all sources.
    pub(super) global: Vec<u32>,
    /// Samples per layer; `image` indexes `images`.
    pub(super) layers: Vec<LayerChunk>,
    /// Skipped images per source.
    pub(super) n_skipped: Vec<u64>,
    /// Identifies everything above.
    pub(super) fingerprint: Fingerprint,
}

/// Where global image index `idx` lives: (source, index in it).
pub(super) fn locate_image(job: &Job<'_>, idx: usize) -> (usize, usize) {
    let mut rest = idx;
    for (source, sourced) in job.sources.iter().enumerate() {
        if rest < sourced.set.len() {
            return (source, rest);
        }
        rest -= sourced.set.len();
    }
    unreachable!("image {idx} lies beyond the last source")
}

pub(super) fn n_images(job: &Job<'_>) -> usize {
    job.sources.iter().map(|sourced| sourced.set.len()).sum()
}

fn fingerprint(job: &Job<'_>) -> Fingerprint {
    let mut parts = vec![
        job.network.name.clone(),
        job.network.weights_sha256.clone(),
        format!(
            "{:?} {:?} {}",
            job.recipe.collect, job.recipe.attribution, job.recipe.seed
        ),
        format!("{:?}", job.network.input),
    ];
    parts.extend(job.layers.iter().map(|layer| layer.name.clone()));
    for sourced in &job.sources {
        parts.push(format!("{} {}", sourced.set.name(), sourced.positions));
        for idx in 0..sourced.set.len() {
            parts.push(sourced.set.path(idx));
            parts.push(sourced.set.label(idx).unwrap_or_default().to_owned());
        }
    }
    Fingerprint::of(parts.iter().map(String::as_str))
}

/// Decodes and preprocesses the images `range`; failures come back with their reason.
pub(super) fn prepare(
    job: &Job<'_>,
    range: std::ops::Range<usize>,
) -> Vec<Result<Prepared, (usize, DecodeError)>> {
    range
        .into_par_iter()
        .map(|idx| {
            let (source, local) = locate_image(job, idx);
            let sourced = &job.sources[source];
            let image = sourced.set.load(local).map_err(|error| (idx, error))?;
            let preprocessed = job.network.input.preprocess(&image);
            let pixels =
                preprocessed.map_err(|error| (idx, DecodeError::Damaged(error.to_string())))?;
            Ok(Prepared {
                image: idx as u32,
                positions: sourced.positions,
                pixels,
            })
        })
        .collect()
}

/// Calls `each` with every batch of readable images of `range` while the next batch is being decoded; reports
/// unreadable ones to `skip`.
pub(super) fn for_each_batch(
    job: &Job<'_>,
    range: std::ops::Range<usize>,
    skip: &mut dyn FnMut(usize, &DecodeError),
    each: &mut (dyn FnMut(&[Prepared]) -> Result<(), PipelineError> + Send),
) -> Result<(), PipelineError> {
    let mut starts = range.clone().step_by(BATCH);
    let window = |start: usize| start..(start + BATCH).min(range.end);
    let mut next = starts.next().map(|start| prepare(job, window(start)));
    while let Some(current) = next.take() {
        let mut batch = Vec::with_capacity(current.len());
        for prepared in current {
            match prepared {
                Ok(prepared) => batch.push(prepared),
                Err((idx, error)) => skip(idx, &error),
            }
        }
        let following = starts.next();
        let run = || {
            if batch.is_empty() {
                Ok(())
            } else {
                each(&batch)
            }
        };
        let (done, decoded) =
            rayon::join(run, || following.map(|start| prepare(job, window(start))));
        done?;
        next = decoded;
    }
    Ok(())
}

/// Runs or resumes the stage.
pub(super) fn gather(
    job: &Job<'_>,
    workspace: &Workspace,
    progress: &dyn Progress,
) -> Result<Gathered, PipelineError> {
    let fingerprint = fingerprint(job);
    let folder = workspace.stage(COLLECT, &fingerprint)?;
    let n = n_images(job);
    progress.begin(COLLECT.name, n as u64, COLLECT.unit);
    let mut chunks = Vec::new();
    let mut n_skipped = vec![0; job.sources.len()];
    let mut first_error = None;
    for start in (0..n).step_by(CHUNK) {
        progress::check(progress)?;
        let range = start..(start + CHUNK).min(n);
        let name = format!("{start:08}");
        let loaded = folder
            .load(&name)
            .and_then(|tensors| from_tensors(&tensors, job).ok());
        let chunk = if let Some(chunk) = loaded {
            progress.advance(range.len() as u64);
            chunk
        } else {
            let mut skip = |idx: usize, error: &DecodeError| {
                let (source, local) = locate_image(job, idx);
                let text = format!("{}: {error}", job.sources[source].set.path(local));
                progress.note(&format!("skipped {text}"));
                progress.advance(1);
                first_error.get_or_insert(text);
            };
            let chunk = collect_range(job, range.clone(), &mut skip, progress)?;
            folder.save(&name, &to_tensors(&chunk)?)?;
            chunk
        };
        let read: std::collections::HashSet<u32> = chunk.image.iter().copied().collect();
        for idx in range.filter(|&idx| !read.contains(&(idx as u32))) {
            n_skipped[locate_image(job, idx).0] += 1;
        }
        chunks.push(chunk);
    }
    let gathered = merge(job, &chunks, n_skipped, fingerprint);
    if gathered.images.is_empty() {
        let first = first_error.unwrap_or_else(|| "see the log of the first run".to_owned());
        return Err(PipelineError::NoReadableImage { n, first });
    }
    Ok(gathered)
}

fn collect_range(
    job: &Job<'_>,
    range: std::ops::Range<usize>,
    skip: &mut dyn FnMut(usize, &DecodeError),
    progress: &dyn Progress,
) -> Result<Chunk, PipelineError> {
    let plan = Plan {
        network: job.network,
        layers: &job.layers,
        exclude_edges: job.recipe.collect.exclude_edges,
        relaxation: job.recipe.attribution.relaxation,
        seed: job.recipe.seed,
    };
    let mut parts = Vec::new();
    for_each_batch(job, range, skip, &mut |batch| {
        progress::check(progress)?;
        let part = collect::collect(&plan, batch).map_err(|error| named(job, error))?;
        parts.push(part);

        progress.advance(batch.len() as u64);
        Ok(())
    })?;
    Ok(join(parts, job.layers.len()))
}

/// An error of collecting with the image's path instead of its index.
fn named(job: &Job<'_>, error: CollectError) -> PipelineError {
    match error {
        CollectError::NotFinite { layer, image } => {
            let (source, local) = locate_image(job, image as usize);
            PipelineError::NotFinite {
                layer,
                path: job.sources[source].set.path(local),
            }
        }
        other @ CollectError::Network(_) => PipelineError::Collect(other),
    }
}

/// Joins chunks of consecutive images into one.
fn join(parts: Vec<Chunk>, n_layers: usize) -> Chunk {
    let mut whole = Chunk::default();
    let mut layers: Vec<Vec<LayerChunk>> = vec![Vec::new(); n_layers];
    for part in parts {
        whole.image.extend(part.image);
        whole.prediction.extend(part.prediction);
        for (layer, chunk) in layers.iter_mut().zip(part.layers) {
            layer.push(chunk);
        }
    }
    whole.layers = layers.iter().map(|parts| collect::concat(parts)).collect();
    whole
}

fn merge(
    job: &Job<'_>,
    chunks: &[Chunk],
    n_skipped: Vec<u64>,
    fingerprint: Fingerprint,
) -> Gathered {
    let whole = join(chunks.to_vec(), job.layers.len());
    let compact: HashMap<u32, u32> = whole
        .image
        .iter()
        .enumerate()
        .map(|(idx, &image)| (image, idx as u32))
        .collect();
    let mut layers = whole.layers;
    for layer in &mut layers {
        for image in &mut layer.image {
            *image = compact[&*image];
        }
    }
    let images = images_table(job, &whole.image, whole.prediction);
    Gathered {
        images,
        global: whole.image,
        layers,
        n_skipped,
        fingerprint,
    }
}

fn images_table(job: &Job<'_>, global: &[u32], prediction: Vec<Option<ClassId>>) -> Images {
    let mut images = Images {
        prediction,
        ..Images::default()
    };
    let mut label_idx: HashMap<String, u16> = HashMap::new();
    for &idx in global {
        let (source, local) = locate_image(job, idx as usize);
        let set = job.sources[source].set;
        images.path.push(set.path(local));
        images.source.push(source as u16);
        let label = set.label(local).map(|label| {
            *label_idx.entry(label.to_owned()).or_insert_with(|| {
                images.label_names.push(label.to_owned());
                (images.label_names.len() - 1) as u16
            })
        });
        images.label.push(label);
    }
    images.label_class = images
        .label_names
        .iter()
        .map(|name| class_called(&job.network.classes, name))
        .collect();
    images
}

fn matrix<T: candle_core::WithDType>(values: &Array2<T>) -> Result<Tensor, NetworkError> {
    let flat: Vec<T> = values.iter().copied().collect();
    Ok(Tensor::from_vec(flat, values.dim(), &Device::Cpu)?)
}

fn vector<T: candle_core::WithDType>(values: Vec<T>) -> Result<Tensor, NetworkError> {
    let n = values.len();
    Ok(Tensor::from_vec(values, n, &Device::Cpu)?)
}

fn to_tensors(chunk: &Chunk) -> Result<Tensors, PipelineError> {
    let prediction = chunk
        .prediction
        .iter()
        .map(|p| p.map_or(NO_CLASS, u32::from))
        .collect();
    let mut tensors = Tensors::new();
    tensors.insert("image".to_owned(), vector(chunk.image.clone())?);
    tensors.insert("prediction".to_owned(), vector::<u32>(prediction)?);
    for (idx, layer) in chunk.layers.iter().enumerate() {
        tensors.insert(format!("{idx}.image"), vector(layer.image.clone())?);
        tensors.insert(format!("{idx}.row"), vector(layer.row.clone())?);
        tensors.insert(format!("{idx}.col"), vector(layer.col.clone())?);
        tensors.insert(format!("{idx}.activations"), matrix(&layer.activations)?);
        tensors.insert(format!("{idx}.attributions"), matrix(&layer.attributions)?);
        tensors.insert(format!("{idx}.pooled"), matrix(&layer.pooled)?);
    }
    Ok(tensors)
}

fn from_tensors(tensors: &Tensors, job: &Job<'_>) -> Result<Chunk, candle_core::Error> {
    let get = |name: &str| {
        tensors
            .get(name)
            .ok_or_else(|| candle_core::Error::Msg(format!("stage file lacks {name}")))
    };
    let wide = |name: &str| -> Result<Array2<f32>, candle_core::Error> {
        let tensor = get(name)?;
        let shape = tensor.dims2()?;
        let values = tensor.flatten_all()?.to_vec1::<f32>()?;
        Array2::from_shape_vec(shape, values)
            .map_err(|error| candle_core::Error::Msg(error.to_string()))
    };
    let mut chunk = Chunk {
        image: get("image")?.to_vec1()?,
        ..Chunk::default()
    };
    let class = |p: u32| (p != NO_CLASS).then_some(p as ClassId);
    chunk.prediction = get("prediction")?
        .to_vec1::<u32>()?
        .into_iter()
        .map(class)
        .collect();
    for idx in 0..job.layers.len() {
        let attributions = get(&format!("{idx}.attributions"))?;
        let shape = attributions.dims2()?;
        let values = attributions.flatten_all()?.to_vec1::<f16>()?;
        let attributions = Array2::from_shape_vec(shape, values)
            .map_err(|error| candle_core::Error::Msg(error.to_string()))?;
        chunk.layers.push(LayerChunk {
            image: get(&format!("{idx}.image"))?.to_vec1()?,
            row: get(&format!("{idx}.row"))?.to_vec1()?,
            col: get(&format!("{idx}.col"))?.to_vec1()?,
            activations: wide(&format!("{idx}.activations"))?,
            attributions,
            pooled: wide(&format!("{idx}.pooled"))?,
        });
    }
    Ok(chunk)
}
