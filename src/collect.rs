//! Images to activations with their provenance.
