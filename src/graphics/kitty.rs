//! The kitty graphics protocol with direct placements.
