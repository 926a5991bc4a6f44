//! What is claimed about a candidate: what tests measured, what follows from it in words, and what a person thinks.
//!
//! A test says whether the model *uses* a feature. Whether it ought to is not in the numbers: causal is not spurious, so
//! the judgement (core, shortcut, unsure) is a person's and stands beside them. Everything here is kept by name, so
//! that a claim outlives the atlas that it came from.

use super::{Candidate, Kind};
use crate::atlas::Atlas;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::Arc;

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

/// What follows from an estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The target's logit rises (falls, when the feature is removed) more than with the controls, and by so much that
    /// it matters.
    Used,
    /// More than with the controls, but little beside what makes an image one of the class, or hardly more than any
    /// part of the class's images.
    Slight,
    /// More than with natural controls, but noise in the same place may move the class as much.
    NotSpecific,
    /// No difference to the controls could be shown.
    NotShown,
    /// Removing the feature matters, but nothing that was put into images carried it.
    NotTestable,
    /// Too few images for any interval.
    TooFew,
}

/// Fewer backgrounds than this give no verdict.
pub const FEWEST: u32 = 4;

/// Of what makes an image one of the class, what a crop must bring beyond the class's own other crops. Chosen, as the
/// next, on planted networks for tuning: what is planted brings more, sky, grass and water that the class has anyway
/// bring less.
const LEAST_CROP: f32 = 0.2;
/// The same for what changes whole pictures.
const LEAST_WHOLE: f32 = 0.4;
/// Where the class's own images hardly stand above others, what makes one of it is taken for this many logits; the
/// network hardly knows such a class, and small numbers would be large shares.
const LEAST_SCALE: f32 = 2.0;
/// And this many at most: a network of a thousand classes that is sure of them puts their images twenty logits above
/// others, and a fifth of that no crop brings.
const MOST_SCALE: f32 = 7.5;

/// What a crop must bring beyond the class's own, where images of the class do `scale`.
pub fn least(scale: f32) -> f32 {
    LEAST_CROP * scale.clamp(LEAST_SCALE, MOST_SCALE)
}

impl Estimate {
    /// What follows from it alone.
    pub fn outcome(&self) -> Outcome {
        if self.n < FEWEST {
            Outcome::TooFew
        } else if self.contrast[0] > 0.0 && self.ci[0] > 0.0 {
            if self.noise_does_it() {
                Outcome::NotSpecific
            } else if self.matters() {
                Outcome::Used
            } else {
                Outcome::Slight
            }
        } else {
            Outcome::NotShown
        }
    }

    /// Whether noise in the same place passes the test that the feature passes and brings half of what it brings, and
    /// the feature is not shown to do more than noise.
    fn noise_does_it(&self) -> bool {
        let Controls {
            delta,
            noise: Some(noise),
            over_noise: Some([more, _]),
            noise_contrast: Some([low, _]),
            ..
        } = self.controls
        else {
            return false;
        };
        more <= 0.0 && low > 0.0 && noise - delta >= 0.5 * (self.delta - delta)
    }

    /// Whether the effect is large enough beside what makes an image one of the class. Where that is not known, every
    /// effect is.
    fn matters(&self) -> bool {
        let Some(scale) = self.scale else {
            return true;
        };
        if self.method.is_transfer() {
            return self.delta - self.controls.delta
                >= LEAST_WHOLE * scale.clamp(LEAST_SCALE, MOST_SCALE);
        }
        let (Some(class), Some([low, _])) = (self.controls.class, self.controls.over_class) else {
            return true;
        };
        low > 0.0 && self.delta - class >= least(scale)
    }

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

    /// The verdict of this test alone.
    pub fn text(&self) -> String {
        match self.outcome() {
            Outcome::Used => format!("used by the model: {}", self.numbers()),
            Outcome::TooFew => format!("too few images to tell: {}", self.numbers()),
            Outcome::NotSpecific => {
                let noise = signed(self.controls.noise.unwrap_or_default());
                format!("not specific, noise does {noise}: {}", self.numbers())
            }
            Outcome::Slight => {
                let scale = number(self.scale.unwrap_or_default());
                let beside = match self.controls.class.map(signed) {
                    Some(class) => {
                        format!("the class's other crops do {class}, its images {scale}")
                    }
                    None => format!("the class's images do {scale}"),
                };
                format!("used slightly, {beside}: {}", self.numbers())
            }
            _ => format!("no use shown: {}", self.numbers()),
        }
    }
}

/// What follows from several tests of one feature: the paste speaks first, then what fills a picture, then the ablation.
pub fn outcome(estimates: &[Estimate]) -> Outcome {
    let of = |estimate: &Estimate| (estimate.method, estimate.outcome());
    let all: Vec<(Method, Outcome)> = estimates.iter().map(of).collect();
    let put_in = |(method, _): &&(Method, Outcome)| *method != Method::Ablate;
    if all.iter().filter(put_in).any(|(_, o)| *o == Outcome::Used) {
        Outcome::Used
    } else if all.iter().any(|(_, o)| *o == Outcome::NotSpecific) {
        Outcome::NotSpecific
    } else if all
        .iter()
        .filter(put_in)
        .any(|(_, o)| *o == Outcome::Slight)
    {
        Outcome::Slight
    } else if all.contains(&(Method::Ablate, Outcome::Used)) {
        Outcome::NotTestable
    } else if all.iter().any(|(_, o)| *o == Outcome::NotShown) {
        Outcome::NotShown
    } else {
        Outcome::TooFew
    }
}

/// The verdict of several tests in one sentence.
pub fn verdict(estimates: &[Estimate]) -> String {
    let used = |estimate: &&Estimate| estimate.outcome() == Outcome::Used;
    let first = |wanted: fn(Method) -> bool| estimates.iter().find(|e| wanted(e.method));
    match outcome(estimates) {
        Outcome::Used => {
            let found = estimates.iter().filter(|e| e.method != Method::Ablate);
            let Some(best) = found.clone().find(used) else {
                return String::new();
            };
            if best.method.is_transfer() {
                return format!("{} ({})", best.text(), best.method.name());
            }
            best.text()
        }
        Outcome::NotTestable => {
            let ablated = first(|m| m == Method::Ablate).map_or(String::new(), Estimate::numbers);
            let pasted = first(|m| m != Method::Ablate).map_or(String::new(), Estimate::numbers);
            if pasted.is_empty() {
                return format!("used by the model: {ablated}");
            }
            format!("not testable by patch: {pasted}; yet removed: {ablated}")
        }
        Outcome::Slight => {
            let slight = |e: &&Estimate| e.outcome() == Outcome::Slight;
            let best = estimates.iter().find(slight);
            best.map_or(String::new(), |best| {
                if best.method.is_transfer() {
                    format!("{} ({})", best.text(), best.method.name())
                } else {
                    best.text()
                }
            })
        }
        _ => estimates
            .first()
            .map_or("not tested".to_owned(), Estimate::text),
    }
}

/// With a sign, one digit behind the point.
fn signed(value: f32) -> String {
    let text = number(value);
    if text.starts_with('−') || text == "0.0" {
        text
    } else {
        format!("+{text}")
    }
}

/// One digit behind the point, two where the value is small; a real minus.
fn number(value: f32) -> String {
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

/// What a person thinks of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// Part of what the class is.
    Core,
    /// Goes with the class in these images, but is not the thing.
    Shortcut,
    /// Not decided.
    #[default]
    Unsure,
}

/// A position of an image by name, with the square of the network's input that it was shown by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Path within its source.
    pub image: String,
    /// Row of the position in the layer.
    pub row: u16,
    /// Column of the position in the layer.
    pub col: u16,
    /// Left, top and side of the crop in pixels of the network's input.
    pub window: [u32; 3],
}

/// What a claim is about, by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// What kind of candidate it is; none for a picture of the person's own.
    #[serde(default)]
    pub kind: Option<Kind>,
    /// `LAYER,GRID,ROW,COLUMN`; none for a picture.
    #[serde(default)]
    pub cell: Option<String>,
    /// The picture's file.
    #[serde(default)]
    pub picture: Option<String>,
    /// Id of the class that it speaks for.
    pub class: String,
    /// Its name.
    pub class_name: String,
    /// Id of the other class of a multi-use feature or of a contrast.
    #[serde(default)]
    pub other: Option<String>,
    /// Number of the component within its class.
    #[serde(default)]
    pub component: Option<u16>,
    /// The score that it was listed by.
    #[serde(default)]
    pub score: Option<f32>,
    /// False discovery rate in the list.
    #[serde(default)]
    pub q: Option<f32>,
    /// Where it shows.
    #[serde(default)]
    pub exemplars: Vec<Shown>,
    /// Images of the class with it, that a transfer learned from.
    #[serde(default)]
    pub with: Vec<String>,
    /// Images of the class without it.
    #[serde(default)]
    pub without: Vec<String>,
}

/// A background before and after a paste.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// Path of the background.
    pub image: String,
    /// Number of the exemplar that was pasted on it.
    pub piece: u32,
    /// Left and top of the place in pixels of the network's input.
    pub at: [u32; 2],
    /// Names of the predicted classes before and after.
    pub predicted: [String; 2],
    /// Probability of the class before and after, 0..=1.
    pub probability: [f32; 2],
}

/// What a claim was measured with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The network's name.
    pub network: String,
    /// SHA-256 of its weights, hexadecimal.
    pub weights_sha256: String,
    /// Rows and columns of its input.
    pub size: u32,
    /// How photographs get to that size, as `--resize` takes it: `warp`, `warp:256`, `crop:256`.
    pub resize: String,
    /// Seed of backgrounds, controls, noise and resamples.
    pub seed: u64,
    /// Number of backgrounds that were asked for.
    pub backgrounds: u32,
    /// Longer side of what was pasted as a share of the picture's; none for a crop's own size.
    #[serde(default)]
    pub ratio: Option<f32>,
    /// Where it was pasted: `own`, where each crop was cut from, or a corner: `top-left`, …
    pub at: String,
    /// The command that measures it again.
    pub command: String,
}

/// What is claimed about one candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// About what.
    pub subject: Subject,
    /// What the tests measured.
    #[serde(default)]
    pub estimates: Vec<Estimate>,
    /// The verdict in words.
    #[serde(default)]
    pub verdict: String,
    /// Tests that could not be made, and why.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// The effect by size, where it was swept.
    #[serde(default)]
    pub sweep: Vec<SweepPoint>,
    /// Backgrounds on which it moved the class most.
    #[serde(default)]
    pub pairs: Vec<Before>,
    /// What the person thinks.
    #[serde(default)]
    pub judgement: Judgement,
    /// What the person wrote.
    #[serde(default)]
    pub note: String,
    /// Measured with what.
    pub provenance: Provenance,
}

/// The effect at one size, over all corners.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SweepPoint {
    /// Longer side of what was pasted, as a share of the picture's side, 0..=0.8.
    pub ratio: f32,
    /// Mean change of the centred target logit.
    pub delta: f32,
    /// Its 95 % bootstrap interval.
    pub ci: [f32; 2],
    /// The same for natural control crops.
    pub controls: f32,
    /// Mean probability of the target, 0..=1.
    pub probability: f32,
    /// Backgrounds that some corner flips at this size.
    pub flips: u32,
    /// Backgrounds that a control crop flips at some corner.
    pub control_flips: u32,
    /// Backgrounds.
    pub n: u32,
}

/// Runs tests. Lives on a thread of its own.
pub trait Tester: Send {
    /// Takes an atlas, the first or a newer one.
    fn atlas(&mut self, atlas: Arc<Atlas>);

    /// Tests a candidate. Every estimate goes to `tell` when it changes, the last one of a method with `done`; `tell`
    /// can break off. What came before a break is in the claim.
    ///
    /// # Errors
    /// A sentence for people: weights that are missing, photographs that moved, no background.
    fn test(
        &mut self,
        candidate: &Candidate,
        tell: &mut dyn FnMut(&Estimate) -> ControlFlow<()>,
    ) -> Result<Claim, String>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate() -> Estimate {
        Estimate {
            method: Method::Paste,
            delta: 2.08,
            ci: [1.61, 2.58],
            controls: Controls {
                delta: -0.12,
                ci: [-0.43, 0.21],
                ..Controls::default()
            },
            contrast: [1.7, 2.7],
            n: 32,
            flips: 9,
            best_flips: None,
            scale: None,
            done: true,
        }
    }

    #[test]
    fn a_verdict_is_one_sentence_with_its_numbers() {
        assert_eq!(
            estimate().text(),
            "used by the model: Δ +2.1 logit [1.6, 2.6], controls −0.1 [−0.4, 0.2], 32 backgrounds, flips 9/32"
        );
    }

    #[test]
    fn what_is_not_more_than_the_controls_is_not_used() {
        let same = Estimate {
            contrast: [-0.2, 0.4],
            ..estimate()
        };
        assert_eq!(same.outcome(), Outcome::NotShown);
        assert!(same.text().starts_with("no use shown: Δ +2.1"));
        let few = Estimate { n: 3, ..estimate() };
        assert_eq!(few.outcome(), Outcome::TooFew);
        // Above the controls only because these fall.
        let falling = Estimate {
            ci: [-0.1, 0.3],
            ..estimate()
        };
        assert_eq!(falling.outcome(), Outcome::NotShown);
    }

    #[test]
    fn what_noise_does_as_well_is_not_specific() {
        let with = |over_noise| Estimate {
            controls: Controls {
                noise: Some(1.9),
                over_noise: Some(over_noise),
                noise_contrast: Some([1.2, 2.8]),
                ..estimate().controls
            },
            ..estimate()
        };
        assert_eq!(with([0.3, 1.0]).outcome(), Outcome::Used);
        let same = with([-0.4, 0.9]);
        assert_eq!(same.outcome(), Outcome::NotSpecific);
        let text = verdict(&[same]);
        assert!(
            text.starts_with("not specific, noise does +1.9: Δ +2.1"),
            "{text}"
        );
        // Not clearly more than noise, but noise does no more than natural crops, or less than half as much.
        let same_as_crops = Estimate {
            controls: Controls {
                noise_contrast: Some([-0.2, 4.2]),
                ..same.controls
            },
            ..same
        };
        assert_eq!(same_as_crops.outcome(), Outcome::Used);
        let little = Estimate {
            controls: Controls {
                noise: Some(0.9),
                ..same.controls
            },
            ..same
        };
        assert_eq!(little.outcome(), Outcome::Used);
        // What a transfer shows counts all the same.
        let tint = Estimate {
            method: Method::Colour,
            ..estimate()
        };
        assert_eq!(outcome(&[same, tint]), Outcome::Used);
    }

    #[test]
    fn what_the_class_brings_anyway_is_used_slightly() {
        let beside = |class: f32, over: [f32; 2], scale: f32| Estimate {
            controls: Controls {
                class: Some(class),
                over_class: Some(over),
                ..estimate().controls
            },
            scale: Some(scale),
            ..estimate()
        };
        // 1.6 logits of 5 are more than a fifth, 0.9 are less.
        assert_eq!(beside(0.5, [1.0, 2.2], 5.0).outcome(), Outcome::Used);
        let slight = beside(1.2, [0.4, 1.4], 5.0);
        assert_eq!(slight.outcome(), Outcome::Slight);
        assert_eq!(
            verdict(&[slight]),
            "used slightly, the class's other crops do +1.2, its images 5.0: Δ +2.1 logit [1.6, 2.6], controls −0.1 [−0.4, 0.2], 32 backgrounds, flips 9/32"
        );
        // Not shown to be more than the class's own.
        assert_eq!(beside(0.5, [-0.1, 3.3], 5.0).outcome(), Outcome::Slight);
        // A class that hardly stands above others: a fifth of two logits.
        assert_eq!(beside(1.75, [0.01, 0.7], 0.2).outcome(), Outcome::Slight);
        let tint = |scale| Estimate {
            method: Method::Colour,
            scale: Some(scale),
            ..estimate()
        };
        assert_eq!(tint(5.0).outcome(), Outcome::Used);
        assert_eq!(tint(6.0).outcome(), Outcome::Slight);
        assert_eq!(outcome(&[slight, tint(6.0)]), Outcome::Slight);
        assert!(verdict(&[tint(6.0)]).ends_with("(colours transferred)"));
        let ablated = Estimate {
            method: Method::Ablate,
            ..estimate()
        };
        assert_eq!(outcome(&[slight, ablated]), Outcome::Slight);
        assert_eq!(outcome(&[slight, tint(5.0)]), Outcome::Used);
    }

    #[test]
    fn what_only_an_ablation_shows_is_not_testable_by_patch() {
        let pasted = Estimate {
            contrast: [-0.2, 0.4],
            ..estimate()
        };
        let ablated = Estimate {
            method: Method::Ablate,
            ..estimate()
        };
        assert_eq!(outcome(&[pasted, ablated]), Outcome::NotTestable);
        let text = verdict(&[pasted, ablated]);
        assert!(
            text.starts_with("not testable by patch") && text.contains("drop +2.1"),
            "{text}"
        );
        let tint = Estimate {
            method: Method::Colour,
            ..estimate()
        };
        assert_eq!(outcome(&[pasted, tint, ablated]), Outcome::Used);
        assert!(verdict(&[pasted, tint]).ends_with("(colours transferred)"));
        assert_eq!(verdict(&[]), "not tested");
    }

    #[test]
    fn a_claim_is_written_and_read() {
        let text = serde_json::to_string(&estimate()).unwrap();
        assert_eq!(serde_json::from_str::<Estimate>(&text).unwrap(), estimate());
    }
}
