//! What is drawn anew in every frame: coarse pictures become fine piece by piece, and that ends.

use super::{among, at, painted, whole};
use atlascope::graphics::BackEnd as _;
use atlascope::graphics::probe::SixelLimits;
use atlascope::graphics::raster::{Options, Painter};
use atlascope::graphics::sixel::Encoder;
use proptest::prelude::*;

const COLUMNS: u16 = 6;
const ROWS: u16 = 8;

/// Pieces that a screen needs to become fine on the slowest line: the picture covers the characters of `mask`.
fn pieces_until_fine(mask: &[bool]) -> usize {
    let limits = SixelLimits {
        registers: 256,
        largest: None,
    };
    let options = Options {
        cell_pixels: (8, 16),
        background: [0; 3],
    };
    let mut painter = Painter::new(options, Encoder::new(limits));
    let colours: Vec<[u8; 3]> = (0..=250).map(|n| [n, 90, 250 - n]).collect();
    painter.set_palette(&colours);
    let (width, height) = (8 * u32::from(COLUMNS), 16 * u32::from(ROWS));
    let picture = painted(1, width, height, |x, y| {
        let there = mask[(y / 16 * u32::from(COLUMNS) + x / 8) as usize];
        let [r, g, b] = colours[((31 * x + 17 * y) % 251) as usize];
        [r, g, b, if there { 255 } else { 0 }]
    });
    let list = [whole(1, &picture, at(0, 0, COLUMNS, ROWS))];
    let pictures = [picture];
    let frame = painter.frame(&mut Vec::new(), &list, &among(&pictures), 1);
    assert_eq!(frame.coarse, mask.contains(&true));
    let mut pieces = 0;
    while painter.refine(&mut Vec::new(), 1) {
        pieces += 1;
        if pieces > mask.len() {
            return pieces;
        }
    }
    let mut out = Vec::new();
    let frame = painter.frame(&mut out, &list, &among(&pictures), 1);
    assert!(!frame.coarse && out.is_empty(), "{} bytes", out.len());
    pieces
}

/// Two columns of icons below squares without any are drawn as one rectangle, the empty squares with them.
#[test]
fn empty_squares_above_icons_hold_nothing_up() {
    let mask: Vec<bool> = (0..COLUMNS * ROWS)
        .map(|at| at / COLUMNS >= 4 && at % 2 == 0)
        .collect();
    assert!(pieces_until_fine(&mask) <= usize::from(ROWS));
}

proptest! {
    #[test]
    fn what_is_coarse_becomes_fine(mask in prop::collection::vec(any::<bool>(), usize::from(COLUMNS * ROWS))) {
        prop_assert!(pieces_until_fine(&mask) <= mask.len());
    }
}
