//! Positions and activations to grid levels of cells.
