//! Activation atlases in the terminal.
//!
//! An *activation* is the vector of a layer's channel values at one spatial position of one image. An
//! *activation atlas* (Carter, Armstrong, Schubert, Johnson, Olah: "Activation Atlas", Distill 2019) collects
//! many of them, lays them out in two dimensions so that similar ones are neighbours, averages them in the
//! cells of a grid, and draws for each cell an *icon*: an image that the network would answer with that
//! average. *Attribution* says which classes a cell speaks for.
//!
//! ```text
//! images ─▶ network ─▶ activations ─▶ layout ─▶ grid ─▶ cells ─┬▶ attribution ─┐
//!                                                              └▶ icons ───────┴▶ Atlas ─▶ explorer, export
//! ```
//!
//! # Map of the modules, in reading order
//!
//! | module | holds | must not know |
//! |---|---|---|
//! | [`atlas`] | the finished, immutable value that everything else makes or shows | files, terminals, candle |
//! | [`math`] | moments, whitening, percentiles, seeded random numbers | files, terminals |
//! | [`progress`] | how long work reports itself and is asked to stop | what a progress bar looks like |
//! | `network` | a graph of named nodes: forward, vjp, jvp, attribution of a position to every class; candle is the reference, `network::kernels` the fast path | paths (it gets bytes) |
//! | `images` | folders of photographs, decoding, the synthetic world | the network |
//! | `collect` | images → activations with their provenance | disk, screen |
//! | `layout` | activations → positions in the unit square (UMAP) | candle, disk |
//! | `mapped` | matrices that stay in their files, memory-mapped; its `unsafe` is the only one outside the kernels | what the numbers mean |
//! | `binning` | positions × activations → grid levels of cells | candle, disk |
//! | `featurevis` | a cell's direction → its icon | disk, screen |
//! | `train` | the trainer of the demo's small network | the terminal |
//! | `pipeline` | the stages in order, resumable; the only place where computation meets disk | the terminal |
//! | `files` | files that are there whole or not at all | what is in them |
//! | [`store`] | [`atlas::Atlas`] ⇄ one `.atlas` file; the only place that knows the format | who asks |
//! | [`suspects`] | candidates for spurious correlations, read off an atlas | networks, files, terminals |
//! | `causal` | whether the model uses a candidate: pastes, transfers, ablations with controls; reports of them | terminals |
//! | `hub` | weights: found in the cache folders, downloaded with resume, checked by their hash | networks, the terminal |
//! | `graphics` | terminal pictures: probe, kitty, half-blocks | ratatui, the atlas |
//! | `explorer` | event → message → update → effects; view; placements; workers beside the loop | candle |
//! | `config` | the configuration file: keys | where it lies |
//! | [`paths`] | where state, cache and configuration live | the environment (it is passed in) |
//! | [`cli`] | arguments, environment, exit codes | nothing |
//!
//! # Invariants
//!
//! - An [`atlas::Atlas`] is complete and immutable. Same recipe, seed, inputs and device: same atlas.
//! - Activations are computed with candle. Plain candle operators are the reference on every device; the
//!   kernels are a faster way to the same numbers.
//! - Gradients are our own rule per operator, and every operator's jvp and vjp agree:
//!   ⟨w, J·v⟩ = ⟨Jᵀ·w, v⟩.
//! - y grows down everywhere.
//! - A cell's members are known: from a cell one gets back to images, positions, labels, predictions.
//! - No stage trusts a file: lengths, shapes, hashes and versions are checked before use, and writes are
//!   atomic (temporary file, fsync, rename).
//! - The terminal is always given back.

pub mod atlas;
pub mod cli;
#[cfg(feature = "explore")]
pub mod config;
mod files;
#[cfg(any(feature = "build", feature = "explore"))]
pub mod images;
pub mod math;
pub mod paths;
pub mod progress;
pub mod store;
pub mod suspects;

#[cfg(feature = "build")]
pub mod binning;
#[cfg(feature = "build")]
pub mod causal;
#[cfg(feature = "build")]
pub mod collect;
#[cfg(feature = "build")]
pub mod featurevis;
#[cfg(feature = "build")]
pub mod hub;
#[cfg(feature = "build")]
pub mod layout;
#[cfg(feature = "build")]
pub mod mapped;
#[cfg(feature = "build")]
pub mod network;
#[cfg(feature = "build")]
pub mod pipeline;
#[cfg(feature = "build")]
pub mod train;

#[cfg(feature = "explore")]
pub mod explorer;
#[cfg(feature = "explore")]
pub mod graphics;
