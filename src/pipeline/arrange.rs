//! Stage 2, per layer: activations → positions on the map, principal components, grid levels.

use super::assemble::{Arranged, Draft};
use super::tensors::{Tensors, Unusable};
use super::{Job, LAYOUT, PipelineError, Workspace};
use crate::atlas::{LayoutQuality, Pca, Quantized, snap_position};
use crate::progress::Progress;
use crate::{binning, layout, math};
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
        let tensors = to_tensors(&position, quality, &pca);
        folder.save(name, &tensors.map_err(|error| folder.bad(name, error.0))?)?;
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
) -> Result<Tensors, Unusable> {
    let mut tensors = Tensors::default();
    tensors.put_matrix("position", &position.view())?;
    tensors.put("pca_mean", pca.mean.to_vec())?;
    tensors.put_matrix("pca_components", &pca.components.view())?;
    tensors.put_matrix("pca_coordinates", &pca.coordinates.data.view())?;
    let numbers = vec![
        quality.trustworthiness,
        quality.neighbour_recall,
        quality.k as f32,
        quality.n_queries as f32,
        pca.explained,
        pca.coordinates.zero,
        pca.coordinates.step,
    ];
    tensors.put("numbers", numbers)?;
    Ok(tensors)
}

fn from_tensors(
    tensors: &Tensors,
    n_samples: usize,
) -> Result<(Array2<f32>, LayoutQuality, Pca), Unusable> {
    let numbers: Vec<f32> = tensors.numbers("numbers")?;
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
        return Err(Unusable(format!("{} numbers, not 7", numbers.len())));
    };
    let position: Array2<f32> = tensors.matrix("position")?;
    if position.dim() != (n_samples, 2) {
        return Err(Unusable(format!(
            "layout of {:?} for {n_samples} samples",
            position.dim()
        )));
    }
    let data = tensors.matrix("pca_coordinates")?;
    let pca = Pca {
        mean: Array1::from(tensors.numbers("pca_mean")?),
        components: tensors.matrix("pca_components")?,
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
