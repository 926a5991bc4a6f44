//! Activations to positions in the unit square.
