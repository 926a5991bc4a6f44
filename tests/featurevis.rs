//! Tests of featurevis.
