//! What a network's input looks like: how photographs became what it saw.

/// Order of colour channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Red first.
    Rgb,
    /// Blue first (Caffe).
    Bgr,
}

/// How a photograph of any size becomes the input square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// To the square directly; aspect is ignored.
    Warp,
    /// To `via` × `via` ignoring the aspect, then the central square.
    WarpCrop {
        /// Side before the crop.
        via: usize,
    },
    /// Short side to `via`, then the central square.
    Crop {
        /// Short side before the crop.
        via: usize,
    },
}

/// How pixels between pixels are made when a photograph changes its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// Linear between neighbours.
    #[default]
    Bilinear,
    /// Cubic through four (a = −1/2, as in Pillow).
    Bicubic,
}

impl Filter {
    /// True for what most networks take.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// Preprocessing: `(pixel - mean) / scale` per channel on 0..=255.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct InputSpec {
    /// Rows and columns of the input.
    pub size: usize,
    /// How images get to that size.
    pub resize: Resize,
    /// By which filter.
    #[serde(default, skip_serializing_if = "Filter::is_usual")]
    pub filter: Filter,
    /// Channel order of the network.
    pub channels: Channels,
    /// Subtracted, in the network's channel order, 0..=255.
    pub mean: [f32; 3],
    /// Divisor, in the network's channel order.
    pub scale: [f32; 3],
}
