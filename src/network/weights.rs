//! Weights files to named tensors, checked.
