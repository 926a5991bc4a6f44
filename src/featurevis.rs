//! A cell's direction to its icon.
