//! Tests of graphics.
