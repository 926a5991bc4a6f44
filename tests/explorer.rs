//! Tests of explorer.
