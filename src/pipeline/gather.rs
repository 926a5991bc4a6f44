//! Stage 1: images → activations, attributions, predictions, in chunks of images.
//!
//! Activations and attributions go to files as they come and are mapped into memory at the end, so that their
//! number is bounded by the disk; only positions, predictions and mean activations are held.

use super::chunks::{self, Chunked};
use super::rows::Rows;
use super::tensors::{Tensors, Unusable};
use super::workspace::{Fingerprint, StageFolder};
use super::{COLLECT, Job, PipelineError, Workspace, end};
use crate::atlas::{ClassId, Images, STYLE, class_called};
use crate::collect::{self, CollectError, LastPlan, Plan, Prepared};
use crate::images::DecodeError;
use crate::mapped::Mapped;
use crate::network::{Layer, LinearEnd};
use crate::progress::{self, Progress};
use half::f16;
use ndarray::Array2;
use rayon::prelude::*;
use std::collections::HashMap;
use std::ops::Range;

/// Images per stage file.
const CHUNK: usize = 128;
/// Images per pass through the network.
const BATCH: usize = 16;
/// A prediction that is none.
const NO_CLASS: u32 = u32::MAX;

/// What stage 1 gives.
#[derive(Debug)]
pub(super) struct Gathered {
    /// The images that could be read.
    pub(super) images: Images,
    /// For each of them its index among all images of all sources.
    pub(super) global: Vec<u32>,
    /// Samples per layer.
    pub(super) layers: Vec<LayerSamples>,
    /// Of the layer before the linear end, where there is one.
    pub(super) last: Option<LastSamples>,
    /// Skipped images per source.
    pub(super) n_skipped: Vec<u64>,
    /// Identifies everything above.
    pub(super) fingerprint: Fingerprint,
}

/// The samples of one layer.
#[derive(Debug)]
pub(super) struct LayerSamples {
    /// Index of each sample's image among [`Gathered::images`].
    pub(super) image: Vec<u32>,
    pub(super) row: Vec<u8>,
    pub(super) col: Vec<u8>,
    /// n × depth, as the layer gave them.
    pub(super) activations: Mapped<f32>,
    /// n × classes, in logits; no columns without a classifier.
    pub(super) attributions: Mapped<f16>,
    /// images × depth: mean over all positions.
    pub(super) pooled: Array2<f32>,
}

/// What is known of the layer before the linear end.
#[derive(Debug)]
pub(super) struct LastSamples {
    pub(super) end: LinearEnd,
    /// images × depth: mean over all positions.
    pub(super) pooled: Array2<f32>,
    /// A few positions of every image, n × depth.
    pub(super) samples: Mapped<f32>,
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

fn fingerprint(job: &Job<'_>, end: Option<&LinearEnd>) -> Fingerprint {
    let mut parts = vec![
        job.network.name.clone(),
        job.network.weights_sha256.clone(),
        format!(
            "{:?} {:?} {}",
            job.recipe.collect, job.recipe.attribution, job.recipe.seed
        ),
        format!("{:?}", job.network.input),
        end.map_or_else(String::new, |end| format!("end 1 {}", end.layer.name)),
        "style 1".to_owned(),
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
    range: Range<usize>,
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
    range: Range<usize>,
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
    let end = end::find(job, progress);
    let fingerprint = fingerprint(job, end.as_ref());
    let folder = workspace.stage(COLLECT, &fingerprint)?;
    let n = n_images(job);
    progress.begin(COLLECT.name, n as u64, COLLECT.unit);
    let mut stage = Collecting::new(job, end, &folder, progress)?;
    let chunks = chunks::each(&mut stage, &folder, (n, CHUNK), progress)?;
    if chunks.iter().all(|chunk| chunk.image.is_empty()) {
        let unknown = || "see the log of the first run".to_owned();
        let first = stage.first_error.unwrap_or_else(unknown);
        return Err(PipelineError::NoReadableImage { n, first });
    }
    stage.finish(chunks, fingerprint)
}

/// The part of a chunk of images that is held in memory.
#[derive(Debug, Default)]
struct Chunk {
    /// Global indices of the images that could be read.
    image: Vec<u32>,
    prediction: Vec<Option<ClassId>>,
    /// Images × [`STYLE`].
    style: Vec<f16>,
    layers: Vec<LayerChunk>,
    last: Option<LastChunk>,
}

/// The part of the samples before the linear end that is held in memory.
#[derive(Debug, Default)]
struct LastChunk {
    pooled: Vec<f32>,
    n_samples: usize,
    digest: u64,
}

/// The part of a layer's samples that is held in memory.
#[derive(Debug, Default)]
struct LayerChunk {
    /// Global index of each sample's image.
    image: Vec<u32>,
    row: Vec<u8>,
    col: Vec<u8>,
    pooled: Vec<f32>,
    /// Digests of the chunk's activations and attributions.
    digests: [u64; 2],
}

/// The files that a layer's samples go to.
struct LayerFiles {
    activations: Rows<f32>,
    attributions: Rows<f16>,
}

/// What is collected before the linear end, and the file that its samples go to.
struct LastFile {
    end: LinearEnd,
    plan: LastPlan,
    samples: Rows<f32>,
}

/// The stage at work.
struct Collecting<'a> {
    job: &'a Job<'a>,
    progress: &'a dyn Progress,
    files: Vec<LayerFiles>,
    last: Option<LastFile>,
    first_error: Option<String>,
}

impl<'a> Collecting<'a> {
    fn new(
        job: &'a Job<'a>,
        end: Option<LinearEnd>,
        folder: &StageFolder,
        progress: &'a dyn Progress,
    ) -> Result<Self, PipelineError> {
        let n_classes = job.network.logits.map_or(0, |_| job.network.classes.len());
        let open = |(idx, layer): (usize, &Layer)| {
            let path = |what: &str| folder.matrix_path(&format!("{idx}.{what}"));
            Ok(LayerFiles {
                activations: Rows::open(&path("activations"), layer.depth)?,
                attributions: Rows::open(&path("attributions"), n_classes)?,
            })
        };
        let files: Result<_, PipelineError> = job.layers.iter().enumerate().map(open).collect();
        let last = end.map(|end| {
            let path = folder.matrix_path("last.samples");
            Ok::<_, PipelineError>(LastFile {
                plan: end::plan(&end, n_images(job)),
                samples: Rows::open(&path, end.layer.depth)?,
                end,
            })
        });
        Ok(Self {
            job,
            progress,
            files: files?,
            last: last.transpose()?,
            first_error: None,
        })
    }

    /// Joins all chunks.
    fn finish(
        self,
        chunks: Vec<Chunk>,
        fingerprint: Fingerprint,
    ) -> Result<Gathered, PipelineError> {
        let job = self.job;
        let mut n_skipped = vec![0; job.sources.len()];
        let (mut global, mut prediction, mut style) = (Vec::new(), Vec::new(), Vec::new());
        let empty = |_| LayerChunk::default();
        let mut whole: Vec<LayerChunk> = (0..job.layers.len()).map(empty).collect();
        let mut pooled = Vec::new();
        for chunk in chunks {
            global.extend(chunk.image);
            prediction.extend(chunk.prediction);
            style.extend(chunk.style);
            pooled.extend(chunk.last.into_iter().flat_map(|last| last.pooled));
            for (whole, part) in whole.iter_mut().zip(chunk.layers) {
                whole.image.extend(part.image);
                whole.row.extend(part.row);
                whole.col.extend(part.col);
                whole.pooled.extend(part.pooled);
            }
        }
        let numbered = (0..).zip(&global);
        let compact: HashMap<u32, u32> = numbered.map(|(idx, &image)| (image, idx)).collect();
        let missing = (0..n_images(job)).filter(|&idx| !compact.contains_key(&(idx as u32)));
        for idx in missing {
            n_skipped[locate_image(job, idx).0] += 1;
        }
        let mut layers = Vec::new();
        for (idx, (mut layer, files)) in whole.into_iter().zip(self.files).enumerate() {
            for image in &mut layer.image {
                *image = compact[&*image];
            }
            let pooled =
                Array2::from_shape_vec((global.len(), job.layers[idx].depth), layer.pooled);
            layers.push(LayerSamples {
                image: layer.image,
                row: layer.row,
                col: layer.col,
                activations: files.activations.finish()?,
                attributions: files.attributions.finish()?,
                // `fits` and `collect` see to it that each image has a row of the layer's depth.
                pooled: pooled
                    .unwrap_or_else(|_| unreachable!("mean activations of another depth")),
            });
        }
        let last = self.last.map(|last| {
            let pooled = Array2::from_shape_vec((global.len(), last.end.layer.depth), pooled);
            Ok::<_, PipelineError>(LastSamples {
                samples: last.samples.finish()?,
                pooled: pooled
                    .unwrap_or_else(|_| unreachable!("mean activations of another depth")),
                end: last.end,
            })
        });
        let mut images = images_table(job, &global, prediction);
        // `fits` sees to it that each image has its numbers.
        images.style = Array2::from_shape_vec((global.len(), STYLE), style)
            .unwrap_or_else(|_| unreachable!("another number of styles"));
        Ok(Gathered {
            images,
            global,
            layers,
            last: last.transpose()?,
            n_skipped,
            fingerprint,
        })
    }
}

impl Chunked for Collecting<'_> {
    type Chunk = Chunk;

    fn restore(&mut self, tensors: &Tensors, range: &Range<usize>) -> Option<Chunk> {
        let chunk = from_tensors(tensors, self.job).ok()?;
        let end = self.last.as_ref().map(|last| &last.end);
        if !fits(&chunk, self.job, end, range) {
            return None;
        }
        let mut done = 0;
        let mut all = true;
        for (layer, files) in chunk.layers.iter().zip(&mut self.files) {
            let n = layer.image.len();
            let kept = files.activations.keep(n, layer.digests[0]);
            all = kept && files.attributions.keep(n, layer.digests[1]);
            if !all {
                files.activations.forget(if kept { n } else { 0 });
                break;
            }
            done += 1;
        }
        if let (Some(last), Some(file)) = (&chunk.last, &mut self.last) {
            all = all && file.samples.keep(last.n_samples, last.digest);
        }
        if all {
            return Some(chunk);
        }
        // The chunk is made again as a whole: take back what was kept of it.
        for (layer, files) in chunk.layers.iter().zip(&mut self.files).take(done) {
            files.activations.forget(layer.image.len());
            files.attributions.forget(layer.image.len());
        }
        None
    }

    fn make(&mut self, range: Range<usize>) -> Result<Chunk, PipelineError> {
        let (job, progress) = (self.job, self.progress);
        let (last_plan, mut samples) = match &mut self.last {
            Some(LastFile { plan, samples, .. }) => (Some(&*plan), Some(samples)),
            None => (None, None),
        };
        let plan = Plan {
            network: job.network,
            layers: &job.layers,
            exclude_edges: job.recipe.collect.exclude_edges,
            relaxation: job.recipe.attribution.relaxation,
            seed: job.recipe.seed,
            last: last_plan,
        };
        let (files, first_error) = (&mut self.files, &mut self.first_error);
        let mut skip = |idx: usize, error: &DecodeError| {
            let (source, local) = locate_image(job, idx);
            let text = format!("{}: {error}", job.sources[source].set.path(local));
            progress.note(&format!("skipped {text}"));
            progress.advance(1);
            first_error.get_or_insert(text);
        };
        let mut whole = Chunk::default();
        whole
            .layers
            .resize_with(job.layers.len(), LayerChunk::default);
        for_each_batch(job, range, &mut skip, &mut |batch| {
            progress::check(progress)?;
            let part = collect::collect(&plan, batch).map_err(|error| named(job, error))?;
            whole
                .style
                .extend(collect::styles(&job.network.input, batch));
            append(&mut whole, (files, samples.as_deref_mut()), part)?;
            progress.advance(batch.len() as u64);
            Ok(())
        })?;
        for (layer, files) in whole.layers.iter_mut().zip(files) {
            layer.digests = [
                files.activations.take_digest(),
                files.attributions.take_digest(),
            ];
            files.activations.sync()?;
            files.attributions.sync()?;
        }
        if let (Some(last), Some(samples)) = (&mut whole.last, samples) {
            last.digest = samples.take_digest();
            samples.sync()?;
        }
        Ok(whole)
    }

    fn tensors(&self, chunk: &Chunk) -> Result<Tensors, Unusable> {
        let mut tensors = Tensors::default();
        let class = |p: &Option<ClassId>| p.map_or(NO_CLASS, u32::from);
        tensors.put("image", chunk.image.clone())?;
        tensors.put("prediction", chunk.prediction.iter().map(class).collect())?;
        let style = chunk.style.iter().map(|v| v.to_f32());
        tensors.put("style", style.collect::<Vec<f32>>())?;
        for (idx, layer) in chunk.layers.iter().enumerate() {
            tensors.put(&format!("{idx}.image"), layer.image.clone())?;
            tensors.put(&format!("{idx}.row"), layer.row.clone())?;
            tensors.put(&format!("{idx}.col"), layer.col.clone())?;
            tensors.put(&format!("{idx}.pooled"), layer.pooled.clone())?;
            let digests = layer.digests.map(|digest| digest as i64).to_vec();
            tensors.put(&format!("{idx}.digests"), digests)?;
        }
        if let Some(last) = &chunk.last {
            tensors.put("last.pooled", last.pooled.clone())?;
            let numbers = vec![last.n_samples as i64, last.digest as i64];
            tensors.put("last.numbers", numbers)?;
        }
        Ok(tensors)
    }
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

/// Writes a batch's vectors to the files and adds the rest to `whole`.
fn append(
    whole: &mut Chunk,
    (files, last): (&mut [LayerFiles], Option<&mut Rows<f32>>),
    batch: collect::Chunk,
) -> Result<(), PipelineError> {
    whole.image.extend(batch.image);
    whole.prediction.extend(batch.prediction);
    for ((whole, files), part) in whole.layers.iter_mut().zip(files).zip(batch.layers) {
        files.activations.append(&part.activations)?;
        files.attributions.append(&part.attributions)?;
        whole.image.extend(part.image);
        whole.row.extend(part.row);
        whole.col.extend(part.col);
        whole.pooled.extend(part.pooled);
    }
    if let (Some(part), Some(samples)) = (batch.last, last) {
        samples.append(&part.samples)?;
        let whole = whole.last.get_or_insert_default();
        whole.n_samples += part.samples.nrows();
        whole.pooled.extend(part.pooled);
    }
    Ok(())
}

/// Whether a chunk from a file can be one of the images `range`.
fn fits(chunk: &Chunk, job: &Job<'_>, end: Option<&LinearEnd>, range: &Range<usize>) -> bool {
    let n_images = chunk.image.len();
    let read = |image: &u32| chunk.image.binary_search(image).is_ok();
    let layer_fits = |(samples, layer): (&LayerChunk, &Layer)| {
        let n = samples.image.len();
        [samples.row.len(), samples.col.len()] == [n, n]
            && samples.image.iter().all(read)
            && samples.pooled.len() == n_images * layer.depth
    };
    let last_fits = match (&chunk.last, end) {
        (Some(last), Some(end)) => last.pooled.len() == n_images * end.layer.depth,
        (None, end) => end.is_none() || n_images == 0,
        (Some(_), None) => false,
    };
    last_fits
        && chunk.prediction.len() == n_images
        && chunk.style.len() == n_images * STYLE
        && chunk.image.is_sorted_by(|a, b| a < b)
        && chunk
            .image
            .iter()
            .all(|&image| range.contains(&(image as usize)))
        && chunk.layers.iter().zip(&job.layers).all(layer_fits)
}

fn from_tensors(tensors: &Tensors, job: &Job<'_>) -> Result<Chunk, Unusable> {
    let class = |p: u32| (p != NO_CLASS).then_some(p as ClassId);
    let prediction: Vec<u32> = tensors.numbers("prediction")?;
    let style: Vec<f32> = tensors.numbers("style")?;
    let mut chunk = Chunk {
        image: tensors.numbers("image")?,
        prediction: prediction.into_iter().map(class).collect(),
        style: style.into_iter().map(f16::from_f32).collect(),
        layers: Vec::new(),
        last: None,
    };
    if let Ok(numbers) = tensors.numbers::<i64>("last.numbers") {
        let &[n_samples, digest] = numbers.as_slice() else {
            return Err(Unusable(format!("{} numbers", numbers.len())));
        };
        chunk.last = Some(LastChunk {
            pooled: tensors.numbers("last.pooled")?,
            n_samples: n_samples as usize,
            digest: digest as u64,
        });
    }
    for idx in 0..job.layers.len() {
        let digests: Vec<i64> = tensors.numbers(&format!("{idx}.digests"))?;
        let &[activations, attributions] = digests.as_slice() else {
            return Err(Unusable(format!("{} digests", digests.len())));
        };
        chunk.layers.push(LayerChunk {
            image: tensors.numbers(&format!("{idx}.image"))?,
            row: tensors.numbers(&format!("{idx}.row"))?,
            col: tensors.numbers(&format!("{idx}.col"))?,
            pooled: tensors.numbers(&format!("{idx}.pooled"))?,
            digests: [activations as u64, attributions as u64],
        });
    }
    Ok(chunk)
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
