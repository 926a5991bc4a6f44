//! Stage 2, per layer: activations → positions on the map, principal components, grid levels.

use super::assemble::{Arranged, Draft};
use super::workspace::Tensors;
use super::{Job, LAYOUT, PipelineError, Workspace};
use crate::atlas::{LayoutQuality, Pca, Quantized, snap_position};
use crate::network::NetworkError;
use crate::progress::Progress;
use crate::{binning, layout, math};
use candle_core::{Device, Tensor};
use ndarray::{Array1, Array2};

/// Neighbourhood size and number of queries of the quality numbers.
const QUALITY: (u32, u32) = (15, 1000);
/// Components kept per sample.
const N_COMPONENTS: usize = 64;

/// Runs or resumes the stage for layer `idx`.
pub(super) fn arrange(
    job: &Job<'_>,
    workspace: &Workspace,
    draft: &mut Draft<'_>,
    idx: usize,
    progress: &dyn Progress,
) -> Result<Arranged, PipelineError> {
    let layer = &job.layers[idx];
    let samples = &draft.gathered.layers[idx];
    let recipe = &job.recipe.layout;
    let fingerprint = draft
        .gathered
        .fingerprint
        .then(&format!("{} {recipe:?}", layer.name));
    let folder = workspace.stage(LAYOUT, &fingerprint)?;
    let name = "layout";
    let loaded = folder
        .load(name)
        .and_then(|tensors| from_tensors(&tensors, samples.image.len()).ok());
    let (position, quality, pca) = if let Some(loaded) = loaded {
        loaded
    } else {
        let activations = samples.activations.view();
        let position = layout::layout(&activations, recipe, job.recipe.seed, progress)?.position;
        // Snapped before binning, so that a file's positions fall into the very cells that it counts.
        let position = position.mapv(snap_position);
        let (k, n_queries) = QUALITY;
        let quality = layout::quality(
            &activations,
            &position.view(),
            recipe.metric,
            k,
            n_queries,
            job.recipe.seed,
        );
        let pca = math::pca::fit(&activations, N_COMPONENTS, job.recipe.seed);
        folder.save(name, &to_tensors(&position, quality, &pca)?)?;
        (position, quality, pca)
    };
    if draft.grids.is_empty() {
        draft.grids = binning::grids_for(samples.image.len());
    }
    let bin = |&grid: &u32| {
        binning::bin(
            &position.view(),
            &samples.activations.view(),
            &samples.attributions.view(),
            grid,
        )
    };
    let levels = draft.grids.iter().map(bin).collect();
    Ok(Arranged {
        position,
        quality,
        pca,
        levels,
        fingerprint,
        position_cells: Array2::default((0, 0)),
    })
}

fn to_tensors(
    position: &Array2<f32>,
    quality: LayoutQuality,
    pca: &Pca,
) -> Result<Tensors, NetworkError> {
    let cpu = &Device::Cpu;
    let wide = |values: &Array2<f32>| {
        Tensor::from_vec(values.iter().copied().collect(), values.dim(), cpu)
    };
    let data = &pca.coordinates.data;
    let numbers = vec![
        quality.trustworthiness,
        quality.neighbour_recall,
        quality.k as f32,
        quality.n_queries as f32,
        pca.explained,
        pca.coordinates.zero,
        pca.coordinates.step,
    ];
    let n_numbers = numbers.len();
    Ok(Tensors::from([
        ("position".to_owned(), wide(position)?),
        (
            "pca_mean".to_owned(),
            Tensor::from_vec(pca.mean.to_vec(), pca.mean.len(), cpu)?,
        ),
        ("pca_components".to_owned(), wide(&pca.components)?),
        (
            "pca_coordinates".to_owned(),
            Tensor::from_vec(data.iter().copied().collect(), data.dim(), cpu)?,
        ),
        (
            "numbers".to_owned(),
            Tensor::from_vec(numbers, n_numbers, cpu)?,
        ),
    ]))
}

fn from_tensors(
    tensors: &Tensors,
    n_samples: usize,
) -> Result<(Array2<f32>, LayoutQuality, Pca), candle_core::Error> {
    let msg = |text: String| candle_core::Error::Msg(text);
    let get = |name: &str| {
        tensors
            .get(name)
            .ok_or_else(|| msg(format!("stage file lacks {name}")))
    };
    let wide = |name: &str| -> Result<Array2<f32>, candle_core::Error> {
        let tensor = get(name)?;
        Array2::from_shape_vec(tensor.dims2()?, tensor.flatten_all()?.to_vec1()?)
            .map_err(|e| msg(e.to_string()))
    };
    let numbers = get("numbers")?.to_vec1::<f32>()?;
    let &[
        trustworthiness,
        neighbour_recall,
        k,
        n_queries,
        explained,
        zero,
        step,
    ] = numbers.as_slice()
    else {
        return Err(msg(format!("7 numbers expected, {} found", numbers.len())));
    };
    let position = wide("position")?;
    if position.dim() != (n_samples, 2) {
        return Err(msg(format!(
            "layout of {:?} for {n_samples} samples",
            position.dim()
        )));
    }
    let coordinates = get("pca_coordinates")?;
    let data = Array2::from_shape_vec(
        coordinates.dims2()?,
        coordinates.flatten_all()?.to_vec1::<u8>()?,
    )
    .map_err(|e| msg(e.to_string()))?;
    let pca = Pca {
        mean: Array1::from(get("pca_mean")?.to_vec1::<f32>()?),
        components: wide("pca_components")?,
        coordinates: Quantized { data, zero, step },
        explained,
    };
    let quality = LayoutQuality {
        trustworthiness,
        neighbour_recall,
        k: k as u32,
        n_queries: n_queries as u32,
    };
    Ok((position, quality, pca))
}
