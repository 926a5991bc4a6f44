//! What follows from tests: whether the model uses a feature, and the sentence that says so.

use super::estimate::{Controls, Estimate, Method, number, signed};
use serde::{Deserialize, Serialize};

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
        match (self.controls.class, self.controls.over_class) {
            (Some(class), Some([low, _])) => low > 0.0 && self.delta - class >= least(scale),
            // A picture comes from no image of the class.
            _ if self.method == Method::Picture => self.delta - self.controls.delta >= least(scale),
            _ => true,
        }
    }

    /// The verdict of this test alone.
    pub fn text(&self) -> String {
        let text = self.plain_text();
        let Some((scrambled, [low, _])) =
            (self.controls.scrambled).zip(self.controls.over_scrambled)
        else {
            return text;
        };
        let used = matches!(self.outcome(), Outcome::Used | Outcome::Slight);
        let why = if used && low <= 0.0 {
            ": not more than its colours and texture"
        } else {
            ""
        };
        format!("{text}, scrambled {}{why}", signed(scrambled))
    }

    fn plain_text(&self) -> String {
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
