//! Folders of photographs, decoding, the synthetic world.
