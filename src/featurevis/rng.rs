//! Generators that depend on what they draw for, never on the order of the drawing.

use crate::math::rng::{Rng, mix};

/// A generator for one purpose: `parts` are the seed and the numbers that name the purpose (icon, attempt, step).
pub(super) fn stream(parts: &[u64]) -> Rng {
    let name = parts.iter().fold(0, |name, part| mix(name ^ part));
    Rng::new(name)
}
