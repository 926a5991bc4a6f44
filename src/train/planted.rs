//! Networks with shortcuts that we planted ourselves: the benchmark of a search for spurious correlations.
//!
//! A [`Plan`] says which artefact goes with which class, and how often. Its four artefacts go into four random
//! classes of the same network; two decoys lie on a tenth of all images, whatever the class. An artefact counts as
//! *learned*, and so as something that a search ought to find, when inserting it into clean held-out images of the
//! other classes raises the share that is taken for its class by at least ten points.
//!
//! The trained networks are small convolutions with a mean over the map and a linear head, so that attribution to a
//! position is exact and a benchmark scores the search alone.

mod artefact;
mod finetune;
mod net;
mod scenes;
mod set;

pub use artefact::{Artefact, Mask, Style};
pub use finetune::Trunk;
pub use net::{
    LAYER, Outcome, accuracy, architecture, driven, input, load, measure, predictions, train,
};
pub use scenes::{scene_list, scenes};
pub use set::{Images, PlantedImages};

use super::Stream;

/// Share of all images that carry each decoy.
pub const DECOY_SHARE: f64 = 0.1;

/// A gain from this on makes an artefact a target.
pub const LEARNED: f64 = 0.1;

/// What is planted in one network's images.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Plan {
    /// Seed of everything that follows.
    pub seed: u64,
    /// Share of a class's images that carry its artefact, 0..=1; 0 plants only decoys.
    pub prevalence: f64,
    /// How the artefacts look.
    pub style: Style,
    /// The artefacts and their classes (indices of the network's outputs).
    pub planted: Vec<(Artefact, usize)>,
}

impl Plan {
    /// The plan that belongs to a seed.
    pub fn new(seed: u64, prevalence: f64, n_classes: usize) -> Self {
        let mut stream = Stream::new(seed ^ 0x9_1a47);
        let mut classes: Vec<usize> = (0..n_classes).collect();
        stream.shuffle(&mut classes);
        let pairs = Artefact::SHORTCUTS.into_iter().zip(classes);
        Self {
            seed,
            prevalence,
            style: Style::new(seed),
            planted: pairs.filter(|_| prevalence > 0.0).collect(),
        }
    }

    /// Which artefacts each image carries, as bits: exactly the planned share of each class's images, chosen at
    /// random. `purpose` tells the sets of one plan apart.
    pub fn carries(&self, labels: &[usize], purpose: u64) -> Vec<u8> {
        let mut stream = Stream::new(self.seed.rotate_left(20) ^ purpose);
        let mut carries = vec![0; labels.len()];
        let mut spread = |members: &mut [usize], share: f64, artefact: Artefact| {
            stream.shuffle(members);
            let n = (share * members.len() as f64).round() as usize;
            for &image in members.iter().take(n) {
                carries[image] |= artefact.bit();
            }
        };
        for &(artefact, class) in &self.planted {
            let own = |image: &usize| labels[*image] == class;
            let mut members: Vec<usize> = (0..labels.len()).filter(own).collect();
            spread(&mut members, self.prevalence, artefact);
        }
        for artefact in Artefact::DECOYS {
            let mut all: Vec<usize> = (0..labels.len()).collect();
            spread(&mut all, DECOY_SHARE, artefact);
        }
        carries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_share_and_no_other_class_any() {
        let labels: Vec<usize> = (0..800).map(|image| image % 8).collect();
        let plan = Plan::new(5, 0.05, 8);
        assert_eq!(plan.planted.len(), 4);
        let carries = plan.carries(&labels, 1);
        for &(artefact, class) in &plan.planted {
            let carriers = (0..800).filter(|&image| carries[image] & artefact.bit() != 0);
            let classes: Vec<usize> = carriers.map(|image| labels[image]).collect();
            assert_eq!(classes, [class; 5], "5 % of 100 images");
        }
        for decoy in Artefact::DECOYS {
            let n = carries.iter().filter(|bits| **bits & decoy.bit() != 0);
            assert_eq!(n.count(), 80);
        }
        assert_ne!(carries, plan.carries(&labels, 2));
        assert_eq!(carries, plan.carries(&labels, 1));
    }

    #[test]
    fn a_plan_without_shortcuts_has_only_decoys() {
        let plan = Plan::new(5, 0.0, 8);
        let carries = plan.carries(&[0; 100], 0);
        let decoys = Artefact::Ring.bit() | Artefact::Bar.bit();
        assert!(carries.iter().all(|bits| bits & !decoys == 0));
        assert!(carries.iter().any(|bits| *bits != 0));
    }
}
