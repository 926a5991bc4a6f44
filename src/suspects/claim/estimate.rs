//! What one test measured, and in words.

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// What was done to find out whether the model uses a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The exemplars' crops were pasted on images of other classes.
    Paste,
    /// A picture from a file was pasted.
    Picture,
    /// The cell's direction was removed from the activations of the class's images.
    Ablate,
    /// The exemplars' colour statistics were given to images of other classes.
    Colour,
    /// The mean difference between the class's images with the feature and those without was added.
    Difference,
    /// The exemplars' amplitude spectrum was given to images of other classes.
    Spectrum,
}

impl Method {
    /// What it is called in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paste => "crops pasted",
            Self::Picture => "picture pasted",
            Self::Ablate => "direction removed",
            Self::Colour => "colours transferred",
            Self::Difference => "mean difference added",
            Self::Spectrum => "spectrum transferred",
        }
    }

    /// Whether it carries what fills a picture, which a pasted crop cannot.
    pub fn is_transfer(self) -> bool {
        matches!(self, Self::Colour | Self::Difference | Self::Spectrum)
    }
}

/// What the same intervention does with something that is not the feature: natural crops of other images of the same
/// size at the same place, images of the class without the cell.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Controls {
    /// Mean change of the centred target logit.
    pub delta: f32,
    /// Its 95 % bootstrap interval.
    pub ci: [f32; 2],
    /// The same for uniform noise of the same size; pastes only.
    #[serde(default)]
    pub noise: Option<f32>,
    /// 95 % bootstrap interval of the feature's change less that of the noise on the same background; pastes only.
    #[serde(default)]
    pub over_noise: Option<[f32; 2]>,
    /// 95 % bootstrap interval of the noise's change less that of the natural crops; pastes only.
    #[serde(default)]
    pub noise_contrast: Option<[f32; 2]>,
    /// Mean change under crops of the class's own other images from the same places: what its thing and its
    /// surroundings bring as a rule; pastes of a candidate only.
    #[serde(default)]
    pub class: Option<f32>,
    /// 95 % bootstrap interval of the feature's change less that of the class's own crops.
    #[serde(default)]
    pub over_class: Option<[f32; 2]>,
    /// Mean change under the picture with its phases scrambled: what its colours and texture alone bring; a person's
    /// own picture only.
    #[serde(default)]
    pub scrambled: Option<f32>,
    /// 95 % bootstrap interval of the picture's change less that of its scrambled self.
    #[serde(default)]
    pub over_scrambled: Option<[f32; 2]>,
    /// Backgrounds whose prediction became the target under the first control.
    #[serde(default)]
    pub flips: u32,
}

/// Flips at the best size and corner of each image. A maximum over many trials inflates those of the controls too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BestFlips {
    /// Images that some size and corner flips.
    pub flips: u32,
    /// Images that a natural control crop flips at some size and corner.
    pub controls: u32,
    /// Sizes times corners.
    pub trials: u32,
}

/// What one test measured so far. Logits are centred over classes: `z_c − mean of all z`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// What was done.
    pub method: Method,
    /// Mean change of the centred target logit (for an ablation: its drop), over backgrounds.
    pub delta: f32,
    /// Its 95 % bootstrap interval.
    pub ci: [f32; 2],
    /// The same for the controls.
    pub controls: Controls,
    /// 95 % bootstrap interval of the change less that of the controls on the same background.
    pub contrast: [f32; 2],
    /// Number of backgrounds (for an ablation: images with the cell).
    pub n: u32,
    /// Backgrounds whose prediction became the target, at one size and corner (for an ablation: images that lost it).
    pub flips: u32,
    /// Flips at the best size and corner, once the sweep is through.
    #[serde(default)]
    pub best_flips: Option<BestFlips>,
    /// How far the class's own images stand above the backgrounds, in centred logits of the class: what an effect is
    /// measured by. None where they were not run.
    #[serde(default)]
    pub scale: Option<f32>,
    /// False while more backgrounds are to come.
    pub done: bool,
}

impl Estimate {
    /// The measured numbers in words: `Δ +2.1 logit [1.6, 2.6], controls −0.1 [−0.4, 0.2], 32 backgrounds, flips
    /// 9/32`.
    pub fn numbers(&self) -> String {
        let interval = |ci: [f32; 2]| format!("[{}, {}]", number(ci[0]), number(ci[1]));
        let (delta, controls) = (signed(self.delta), signed(self.controls.delta));
        let (own, theirs) = (interval(self.ci), interval(self.controls.ci));
        let (n, flips) = (self.n, self.flips);
        if self.method == Method::Ablate {
            return format!(
                "drop {delta} logit {own} with the cell, {controls} {theirs} without, {n} images, flips {flips}/{n}"
            );
        }
        let mut text = format!(
            "Δ {delta} logit {own}, controls {controls} {theirs}, {n} backgrounds, flips {flips}/{n}"
        );
        if let Some(best) = self.best_flips {
            let _ = write!(
                text,
                " (best size and corner {}/{n}, controls {}/{n})",
                best.flips, best.controls
            );
        }
        text
    }
}

/// With a sign, one digit behind the point.
pub(super) fn signed(value: f32) -> String {
    let text = number(value);
    if text.starts_with('−') || text == "0.0" {
        text
    } else {
        format!("+{text}")
    }
}

/// One digit behind the point, two where the value is small; a real minus.
pub(super) fn number(value: f32) -> String {
    if value.abs() > 1e30 {
        return if value > 0.0 { "∞" } else { "−∞" }.to_owned();
    }
    let text = format!("{value:.1}");
    let text = match text.as_str() {
        "0.0" | "-0.0" if value.abs() >= 0.005 => format!("{value:.2}"),
        "-0.0" => "0.0".to_owned(),
        _ => text,
    };
    text.replace('-', "−")
}
