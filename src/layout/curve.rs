//! The curve that turns a distance on the map into closeness: 1 / (1 + a·d^2b).

/// The two numbers of the curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve {
    /// Steepness.
    pub a: f32,
    /// Half the exponent.
    pub b: f32,
}

impl Curve {
    /// The curve nearest (least squares at 300 distances from 0 to 3·`spread`, as umap-learn) to the wish:
    /// closeness 1 up to `min_dist`, then exp(−(d − `min_dist`)/`spread`). Found by Levenberg's damped
    /// Gauss–Newton steps in ln a and b.
    pub fn fit(spread: f32, min_dist: f32) -> Self {
        let (spread, min_dist) = (f64::from(spread), f64::from(min_dist.max(0.0)));
        let wish: Vec<(f64, f64)> = (1..300)
            .map(|i| {
                let d = 3.0 * spread * f64::from(i) / 299.0;
                (d, (-(d - min_dist).max(0.0) / spread).exp())
            })
            .collect();
        let error = |ln_a: f64, b: f64| -> f64 {
            let miss = |&(d, y): &(f64, f64)| 1.0 / (1.0 + (ln_a + 2.0 * b * d.ln()).exp()) - y;
            wish.iter().map(|p| miss(p).powi(2)).sum()
        };
        let (mut ln_a, mut b, mut damping) = (0.0, 1.0, 1e-3);
        let mut best = error(ln_a, b);
        for _ in 0..200 {
            let (mut haa, mut hab, mut hbb, mut ga, mut gb) = (0.0, 0.0, 0.0, 0.0, 0.0);
            for &(d, y) in &wish {
                let closeness = 1.0 / (1.0 + (ln_a + 2.0 * b * d.ln()).exp());
                // d closeness / d ln_a = −c(1−c); by b the same times 2 ln d.
                let da = -closeness * (1.0 - closeness);
                let db = da * 2.0 * d.ln();
                haa += da * da;
                hab += da * db;
                hbb += db * db;
                ga += da * (closeness - y);
                gb += db * (closeness - y);
            }
            let (saa, sbb) = (haa * (1.0 + damping), hbb * (1.0 + damping));
            let determinant = saa * sbb - hab * hab;
            let next_a = ln_a - (sbb * ga - hab * gb) / determinant;
            let next_b = b - (saa * gb - hab * ga) / determinant;
            let next = error(next_a, next_b);
            if next < best {
                (ln_a, b, best, damping) = (next_a, next_b, next, damping * 0.3);
            } else {
                damping *= 10.0;
            }
        }
        Self {
            a: ln_a.exp() as f32,
            b: b as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values: umap.umap_.find_ab_params(1.0, min_dist) of umap-learn 0.5.
    #[test]
    fn agrees_with_umap_learn() {
        for (min_dist, a, b) in [
            (0.1, 1.576_94, 0.895_06),
            (0.05, 1.750_3, 0.842_1),
            (0.01, 1.895_6, 0.800_6),
        ] {
            let curve = Curve::fit(1.0, min_dist);
            assert!((curve.a - a).abs() < 2e-3, "{min_dist}: {curve:?}");
            assert!((curve.b - b).abs() < 2e-3, "{min_dist}: {curve:?}");
        }
    }
}
