//! Benchmarks: open.

fn main() {}
