//! Folders of photographs, decoding, the synthetic world.

pub mod world;
