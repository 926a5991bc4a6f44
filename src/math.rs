//! Moments, whitening, percentiles, seeded random numbers: numbers in, numbers out.
