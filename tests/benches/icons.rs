//! Benchmarks: icons.

fn main() {}
