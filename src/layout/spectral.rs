//! The slowest modes of a connected graph.

use super::graph::Graph;
use crate::math::{Rng, eigen};
use crate::progress::{Interrupted, Progress, check};
use ndarray::Array2;
use rayon::prelude::*;

/// Lanczos steps at most. The modes only start the descent: unresolved mixtures of the slowest do as well.
const STEPS: usize = 120;
/// Entries that one task sums: fixed, so that sums do not depend on the number of threads.
const CHUNK: usize = 4096;

/// The eigenvectors of D^−½·W·D^−½ for the second and third largest eigenvalue (the two slowest modes of
/// the normalised Laplacian that are not constant), one pair of numbers per vertex; `None` when they cannot be
/// told from rounding noise. Lanczos with full reorthogonalisation, started from `seed`.
///
/// # Errors
/// [`Interrupted`].
pub(super) fn modes(
    graph: &Graph,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Option<Vec<[f32; 2]>>, Interrupted> {
    let n = graph.len();
    let scale: Vec<f32> = (0..n)
        .map(|v| {
            let degree: f64 = graph.edges(v).map(|(_, w)| f64::from(w)).sum();
            (1.0 / degree.max(1e-30)).sqrt() as f32
        })
        .collect();
    // The constant mode, sqrt of the degrees: known, so it is removed beforehand.
    let mut constant: Vec<f32> = scale.iter().map(|&s| 1.0 / s).collect();
    normalise(&mut constant);
    let mut rng = Rng::stream(seed, 0x5bec);
    let mut start: Vec<f32> = (0..n).map(|_| rng.normal()).collect();
    remove(&mut start, &constant);
    normalise(&mut start);
    let mut basis = vec![start];
    let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
    let steps = STEPS.min(n - 1);
    for step in 0..steps {
        check(progress)?;
        let mut next = multiply(graph, &scale, &basis[step]);
        diagonal.push(dot(&next, &basis[step]));
        for _ in 0..2 {
            remove(&mut next, &constant);
            for earlier in &basis {
                remove(&mut next, earlier);
            }
        }
        let norm = normalise(&mut next);
        if norm < 1e-6 || step + 1 == steps {
            break;
        }
        beside.push(norm);
        basis.push(next);
    }
    let m = diagonal.len();
    if m < 2 {
        return Ok(None);
    }
    let small = Array2::from_shape_fn((m, m), |(i, j)| match i.abs_diff(j) {
        0 => diagonal[i],
        1 => beside[i.min(j)],
        _ => 0.0,
    });
    let ritz = eigen::jacobi(&small);
    let mut found = vec![[0.0_f32; 2]; n];
    for (axis, weights) in ritz.vectors.rows().into_iter().take(2).enumerate() {
        for (vector, &weight) in basis.iter().zip(weights) {
            found
                .par_iter_mut()
                .zip(vector)
                .for_each(|(f, &v)| f[axis] += weight as f32 * v);
        }
    }
    let finite = found.iter().flatten().all(|v| v.is_finite());
    Ok(finite.then_some(found))
}

/// D^−½·W·D^−½·x
fn multiply(graph: &Graph, scale: &[f32], x: &[f32]) -> Vec<f32> {
    let scaled: Vec<f32> = x.par_iter().zip(scale).map(|(x, s)| x * s).collect();
    (0..graph.len())
        .into_par_iter()
        .with_min_len(256)
        .map(|v| {
            let sum: f32 = graph
                .edges(v)
                .map(|(other, w)| w * scaled[other as usize])
                .sum();
            sum * scale[v]
        })
        .collect()
}

/// Scalar product, summed in an order that does not depend on threads.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let partial: Vec<f64> = a
        .par_chunks(CHUNK)
        .zip(b.par_chunks(CHUNK))
        .map(|(a, b)| {
            a.iter()
                .zip(b)
                .map(|(&x, &y)| f64::from(x) * f64::from(y))
                .sum()
        })
        .collect();
    partial.iter().sum()
}

/// Makes `x` orthogonal to the unit vector `unit`.
fn remove(x: &mut [f32], unit: &[f32]) {
    let overlap = dot(x, unit) as f32;
    x.par_chunks_mut(CHUNK)
        .zip(unit.par_chunks(CHUNK))
        .for_each(|(x, unit)| x.iter_mut().zip(unit).for_each(|(x, &u)| *x -= overlap * u));
}

/// Scales `x` to unit length and returns its former length.
fn normalise(x: &mut [f32]) -> f64 {
    let norm = dot(x, x).sqrt();
    let scale = if norm > 0.0 { (1.0 / norm) as f32 } else { 0.0 };
    x.iter_mut().for_each(|v| *v *= scale);
    norm
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    /// A path of n vertices: the first mode orders them, the second bends once.
    #[test]
    fn a_path_unrolls() {
        let n = 40;
        let (mut starts, mut targets) = (vec![0], Vec::new());
        for v in 0..n {
            targets.extend((v > 0).then(|| v as u32 - 1));
            targets.extend((v + 1 < n).then_some(v as u32 + 1));
            starts.push(targets.len());
        }
        let weights = vec![1.0; targets.len()];
        let graph = Graph {
            starts,
            targets,
            weights,
        };
        let modes = modes(&graph, 3, &Silent).unwrap().unwrap();
        // D^−½ is constant but for the ends.
        let inner: Vec<f32> = modes[1..n - 1].iter().map(|m| m[0]).collect();
        assert!(inner.is_sorted() || inner.is_sorted_by(|a, b| a >= b));
        let second: Vec<f32> = modes[1..n - 1].iter().map(|m| m[1]).collect();
        let turns = second
            .windows(3)
            .filter(|w| (w[1] - w[0]) * (w[2] - w[1]) < 0.0);
        assert_eq!(turns.count(), 1);
    }
}
