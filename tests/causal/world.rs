//! The synthetic world knows what it planted, and the shipped network learned some of it.

use atlascope::causal::paste::{self, At, Paste, Piece};
use atlascope::causal::pixels;
use atlascope::causal::{Album, Lab};
use atlascope::images::world::{World, planted};
use atlascope::network;
use atlascope::suspects::claim::{Estimate, Method, Outcome};
use candle_core::Device;
use std::ops::ControlFlow;

/// A world that the network was not trained on.
const SEED: u64 = 31;
/// Scenes.
const N: usize = 480;
/// Side of a crop.
const SIDE: u32 = 24;

fn lab() -> Lab {
    let network = network::demo::load(&Device::Cpu).unwrap();
    Lab::new(network, Album::of_scenes(SEED, N), 3).unwrap()
}

fn class(name: &str) -> u16 {
    let classes = World::classes();
    classes
        .iter()
        .position(|class| class.names == name)
        .unwrap() as u16
}

/// Crops of a planted feature, forced into scenes of other classes, so that nothing of the target is in them.
fn crops(bit: u32, which: usize, target: u16) -> Vec<Piece> {
    let world = World::new(SEED ^ 0xff);
    let others = (0..400).filter(|&index| world.class(index) != usize::from(target));
    let crop = |index: u64| {
        let scene = world.scene_with(index, bit);
        let [x, y, width, height] = scene.boxes[which];
        let window = pixels::window((x + width / 2.0, y + height / 2.0), SIDE, 64);
        (width > 0.0).then(|| Piece {
            picture: pixels::cut(&scene.image, window),
            shape: None,
            from: Some((window[0], window[1])),
        })
    };
    others.filter_map(crop).take(10).collect()
}

fn test(lab: &mut Lab, pieces: Vec<Piece>, target: u16) -> Estimate {
    let paste = Paste {
        method: Method::Paste,
        target,
        avoid: vec![target],
        without: std::collections::HashSet::new(),
        pieces,
        at: At::Own,
        n: 32,
        class: Vec::new(),
        early: false,
    };
    paste::paste(lab, &paste, &mut |_| ControlFlow::Continue(()))
        .unwrap()
        .estimate
}

/// What the counterfactual says: the mean change of the centred logit when the feature is put into scenes of other
/// classes, all else the same.
fn truth(lab: &Lab, bit: u32, target: u16) -> f32 {
    let world = World::new(SEED ^ 0xaa);
    let others: Vec<u64> = (0..64)
        .filter(|&index| world.class(index) != usize::from(target))
        .collect();
    let run = |mask: u32| {
        let scenes: Vec<_> = others
            .iter()
            .map(|&index| world.scene_with(index, mask).image)
            .collect();
        lab.run(&scenes).unwrap()
    };
    let centred = |logits: &[f32]| {
        logits[usize::from(target)] - logits.iter().sum::<f32>() / logits.len() as f32
    };
    let pairs = run(bit).into_iter().zip(run(0));
    let change: f32 = pairs
        .map(|(with, without)| centred(&with) - centred(&without))
        .sum();
    change / others.len() as f32
}

#[test]
fn the_watermark_is_used_for_barns() {
    let mut lab = lab();
    let barn = class("barn");
    let truth = truth(&lab, planted::WATERMARK, barn);
    assert!(
        truth > 0.3,
        "the shipped network does not use the watermark: {truth}"
    );
    let estimate = test(&mut lab, crops(planted::WATERMARK, 0, barn), barn);
    assert_eq!(estimate.outcome(), Outcome::Used, "{}", estimate.text());
    // The paste covers more than letters; half of the counterfactual must still be there.
    assert!(
        estimate.delta > 0.5 * truth,
        "{} of {truth}",
        estimate.text()
    );
}

#[test]
fn a_decoy_is_not_used() {
    let mut lab = lab();
    for (bit, which, name) in [
        (planted::DATE, 3, "barn"),
        (planted::DATE, 3, "wolf"),
        (planted::DATE, 3, "dice"),
    ] {
        let target = class(name);
        let effect = truth(&lab, bit, target);
        assert!(effect < 0.3, "the decoy is used for {name}: {effect}");
        let estimate = test(&mut lab, crops(bit, which, target), target);
        assert_ne!(
            estimate.outcome(),
            Outcome::Used,
            "{name}: {}",
            estimate.text()
        );
    }
}
