//! The trainer of the demo's small network.
