//! A node of a network that is no graph: known by its shape, computed by a [`super::super::Model`].

/// What one image's value at such a node looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opaque {
    /// Channels, or features.
    pub channels: usize,
    /// Rows and columns of the input for each of the output, rounded down.
    pub stride: usize,
    /// Channels × rows × columns; else features only.
    pub positions: bool,
}
