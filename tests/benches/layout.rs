//! Benchmarks: layout.

fn main() {}
