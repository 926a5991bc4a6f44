//! The linear end of the network: found before anything is collected, so that one pass serves for everything.

use super::Job;
use super::gather;
use crate::collect::LastPlan;
use crate::network::{LinearEnd, centred};
use crate::progress::Progress;
use candle_core::Tensor;

/// Images that the end is verified on.
const IMAGES: usize = 8;
/// Images that are tried at most to get so many readable ones.
const TRIED: usize = 32;
/// Images at most whose positions the clusters are learnt from.
const SAMPLED: usize = 40_000;

/// The linear end, verified on the first readable images; says why when there is none.
pub(super) fn find(job: &Job<'_>, progress: &dyn Progress) -> Option<LinearEnd> {
    job.network.logits?;
    let n = gather::n_images(job);
    let mut pixels = Vec::new();
    let mut n_read = 0;
    for start in (0..n.min(TRIED)).step_by(IMAGES) {
        for image in gather::prepare(job, start..(start + IMAGES).min(n))
            .into_iter()
            .flatten()
        {
            if n_read < IMAGES {
                pixels.extend(image.pixels);
                n_read += 1;
            }
        }
    }
    if n_read == 0 {
        return None;
    }
    let side = job.network.input.size;
    let images = Tensor::from_vec(pixels, (n_read, 3, side, side), &job.network.device).ok()?;
    match job.network.linear_end(&images) {
        Ok(end) => Some(end),
        Err(why) => {
            progress.note(&format!("no scores from the classifier's weights: {why}"));
            None
        }
    }
}

/// What to collect before the end; of many images only some give positions.
pub(super) fn plan(end: &LinearEnd, n_images: usize) -> LastPlan {
    LastPlan {
        layer: end.layer.clone(),
        weights: centred(&end.weights),
        every: n_images.div_ceil(SAMPLED).max(1) as u32,
    }
}
