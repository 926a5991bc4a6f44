//! Class attribution of a sample: h · ∇h logit for every class.
