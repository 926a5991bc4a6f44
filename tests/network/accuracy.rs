//! The trained network on photographs, from the file to the class.

use super::inception;
use candle_core::{D, Device};
use std::path::PathBuf;

/// Photographs run together.
const BATCH: usize = 16;

#[test]
fn photographs_are_recognised() {
    let (Some(data), Some(network)) = (crate::support::data("photographs"), inception()) else {
        return;
    };
    let folder = data.join("photos/imagenet-sample");
    let mut files: Vec<(PathBuf, usize)> = Vec::new();
    for (class, about) in network.classes.iter().enumerate() {
        let entries = std::fs::read_dir(folder.join(&about.id)).unwrap();
        files.extend(entries.map(|entry| (entry.unwrap().path(), class)));
    }
    assert_eq!(files.len(), 1000);
    let (mut top1, mut top5) = (0, 0);
    for files in files.chunks(BATCH) {
        let pictures: Vec<Vec<f32>> = files
            .iter()
            .map(|(path, _)| {
                let picture = image::open(path).unwrap().to_rgb8();
                network.input.preprocess(&picture).unwrap()
            })
            .collect();
        let images = network.input.batch(&pictures, &Device::Cpu).unwrap();
        let logits = &network
            .forward(&images, &[network.logits.unwrap()])
            .unwrap()[0];
        assert_eq!(logits.dim(D::Minus1).unwrap(), 1000);
        for (logits, (_, class)) in logits.to_vec2::<f32>().unwrap().iter().zip(files) {
            let better = logits
                .iter()
                .filter(|&&logit| logit > logits[*class])
                .count();
            top1 += usize::from(better == 0);
            top5 += usize::from(better < 5);
        }
    }
    println!("top-1 {top1} of 1000, top-5 {top5} of 1000");
    assert!(top1.abs_diff(786) <= 10, "top-1 {top1} of 1000");
    assert!(top5.abs_diff(937) <= 10, "top-5 {top5} of 1000");
}
