//! Sixel, against an independent decoder.

use atlascope::graphics::probe::SixelLimits;
use atlascope::graphics::raster::{Encoding, Pixels};
use atlascope::graphics::sixel::{Encoder, Indexed, Palette, encode};
use icy_sixel::SixelImage;
use proptest::prelude::*;

/// RGBA and size of what a terminal would show.
fn decoded(sixel: &[u8]) -> (Vec<u8>, usize, usize) {
    let image = SixelImage::decode(sixel).unwrap();
    (image.pixels, image.width, image.height)
}

/// A colour as sixel can say it: in whole per cent.
fn in_per_cent(value: u8) -> i32 {
    let per_cent = (i32::from(value) * 100 + 127) / 255;
    (per_cent * 255 + 50) / 100
}

fn assert_shows(
    sixel: &[u8],
    (width, height): (usize, usize),
    wanted: impl Fn(usize, usize) -> [u8; 3],
) {
    let (rgba, found_width, found_height) = decoded(sixel);
    assert_eq!(found_width, width);
    // Decoders may fill up the last band of six rows.
    assert!(
        found_height >= height && found_height < height + 6,
        "{found_height} for {height}"
    );
    for y in 0..height {
        for x in 0..width {
            let found = &rgba[4 * (y * width + x)..][..4];
            let wanted = wanted(x, y);
            for channel in 0..3 {
                let off = i32::from(found[channel]) - in_per_cent(wanted[channel]);
                assert!(off.abs() <= 1, "{x},{y}: {found:?} for {wanted:?}");
            }
        }
    }
}

const COLOURS: [[u8; 3]; 5] = [
    [0, 0, 0],
    [255, 255, 255],
    [200, 30, 40],
    [10, 160, 90],
    [90, 90, 250],
];

proptest! {
    #[test]
    fn what_is_encoded_is_shown(
        width in 1..70usize,
        height in 1..40usize,
        factor in 1..7usize,
        seed in any::<u64>(),
        runs in any::<bool>(),
    ) {
        let (columns, rows) = (width.div_ceil(factor), height.div_ceil(factor));
        let mut state = seed | 1;
        let indices: Vec<u8> = (0..columns * rows)
            .map(|at| {
                // Noise, or stripes with long runs.
                if !runs || at % 7 == 0 {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                }
                (state >> 60) as u8 % 5
            })
            .collect();
        let picture = Indexed { indices: &indices, width: columns, colours: &COLOURS };
        let mut sixel = Vec::new();
        encode(&mut sixel, &picture, (width, height), factor);
        assert_shows(&sixel, (width, height), |x, y| {
            COLOURS[usize::from(indices[y / factor * columns + x / factor])]
        });
    }
}

#[test]
fn nothing_is_encoded_as_nothing() {
    let picture = Indexed {
        indices: &[],
        width: 0,
        colours: &COLOURS,
    };
    let mut sixel = Vec::new();
    encode(&mut sixel, &picture, (0, 0), 1);
    assert!(sixel.is_empty());
}

/// A smooth picture with some detail, as icons are.
fn scene(width: usize, height: usize) -> Vec<[u8; 3]> {
    let at = |i: usize| {
        let (x, y) = ((i % width) as f32, (i / width) as f32);
        let wave = |f: f32, p: f32| (127.0 + 120.0 * (x * f + y * f * 0.7 + p).sin()) as u8;
        [wave(0.05, 0.0), wave(0.11, 2.0), wave(0.03, 4.0)]
    };
    (0..width * height).map(at).collect()
}

#[test]
fn every_quality_shows_the_picture_and_registers_are_respected() {
    let (width, height) = (160, 96);
    let rgb = scene(width, height);
    let pixels = Pixels::new(&rgb, (width, height), (20, 6));
    for registers in [256, 16] {
        let mut encoder = Encoder::new(SixelLimits {
            registers,
            largest: None,
        });
        let mut colours: Vec<[u8; 3]> = rgb.iter().step_by(61).copied().collect();
        colours.truncate(253);
        assert!(encoder.set_palette(&colours));
        assert!(
            !encoder.set_palette(&colours),
            "the same colours change nothing"
        );
        let mut sizes = Vec::new();
        for quality in 0..encoder.first_guess().len() {
            let mut sixel = Vec::new();
            encoder.encode(&mut sixel, &pixels, quality);
            sizes.push(sixel.len());
            let text = String::from_utf8(sixel.clone()).unwrap();
            let definitions = text.split('#').filter(|part| part.contains(";2;")).count();
            assert!(definitions <= usize::from(registers), "{definitions}");
            let (rgba, found_width, _) = decoded(&sixel);
            let error: f64 = (0..width * height)
                .map(|i| {
                    let found = &rgba[4 * (i / width * found_width + i % width)..][..3];
                    let off = |c: usize| f64::from(found[c]) - f64::from(rgb[i][c]);
                    (0..3).map(|c| off(c).powi(2)).sum::<f64>()
                })
                .sum();
            let error = (error / (3 * width * height) as f64).sqrt();
            let most = [12.0, 25.0, 30.0, 35.0, 45.0, 50.0][quality];
            let most = if registers == 16 { 60.0 } else { most };
            assert!(
                error < most,
                "quality {quality}, {registers}: off by {error}"
            );
        }
        assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
        assert!(sizes[4] * 2 < sizes[0], "{sizes:?}");
    }
}

#[test]
fn a_palette_gives_the_nearest_colour() {
    let palette = Palette::new(&COLOURS, 256);
    for colour in COLOURS {
        let found = palette.colours()[usize::from(palette.index(colour))];
        assert_eq!(found, colour);
    }
}
