//! Benchmarks: network.

fn main() {}
