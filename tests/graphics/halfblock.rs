use super::{among, at, painted, whole};
use atlascope::graphics::decode::{self, decode};
use atlascope::graphics::halfblock::{Cache, compose, scaled};
use atlascope::graphics::{HalfCell, Picture, PictureKey, Placement, Source};
use proptest::prelude::*;

const RED: [u8; 4] = [255, 0, 0, 255];
const GREEN: [u8; 4] = [0, 255, 0, 255];
const BLUE: [u8; 4] = [0, 0, 255, 255];
const BLACK: [u8; 4] = [0, 0, 0, 255];
const WHITE: [u8; 4] = [255, 255, 255, 255];
const CLEAR: [u8; 4] = [9, 9, 9, 0];

fn of_rows(key: u64, rows: &[&[[u8; 4]]]) -> Picture {
    let (width, height) = (rows[0].len() as u32, rows.len() as u32);
    painted(key, width, height, |x, y| rows[y as usize][x as usize])
}

fn show(placements: &[Placement], pictures: &[Picture], background: [u8; 3]) -> Vec<HalfCell> {
    compose(
        placements,
        &among(pictures),
        background,
        &mut Cache::default(),
    )
}

fn cell(column: u16, row: u16, upper: [u8; 3], lower: [u8; 3]) -> HalfCell {
    HalfCell {
        column,
        row,
        upper,
        lower,
    }
}

#[test]
fn a_pixel_is_half_a_character() {
    let picture = of_rows(0, &[&[RED, GREEN], &[BLUE, WHITE]]);
    let cells = show(&[whole(0, &picture, at(5, 3, 2, 1))], &[picture], [0; 3]);
    assert_eq!(
        cells,
        [
            cell(5, 3, [255, 0, 0], [0, 0, 255]),
            cell(6, 3, [0, 255, 0], [255, 255, 255]),
        ]
    );
}

#[test]
fn pixels_are_averaged_in_linear_light_by_area() {
    // Half black, half white: 0.5 of the light is sRGB 188 (1.055 · 0.5^(1/2.4) − 0.055 = 0.7354).
    let checks = of_rows(0, &[&[BLACK, WHITE], &[WHITE, BLACK]]);
    // Three columns into two characters: the middle one is shared. 2/3 white = 0.6667 → 0.8347 → 213;
    // 1/3 white = 0.3333 → 0.6124 → 156.
    let thirds = of_rows(1, &[&[WHITE, WHITE, BLACK], &[WHITE, WHITE, BLACK]]);
    let shared = of_rows(2, &[&[WHITE, BLACK, BLACK], &[WHITE, BLACK, BLACK]]);
    let cells = show(
        &[
            whole(0, &checks, at(0, 0, 1, 1)),
            whole(1, &thirds, at(1, 0, 1, 1)),
            whole(2, &shared, at(2, 0, 2, 1)),
        ],
        &[checks.clone(), thirds, shared],
        [0; 3],
    );
    assert_eq!(
        cells,
        [
            cell(0, 0, [188; 3], [188; 3]),
            cell(1, 0, [213; 3], [213; 3]),
            cell(2, 0, [213; 3], [213; 3]),
            cell(3, 0, [0; 3], [0; 3]),
        ]
    );
    // A single pixel of it enlarged stays what it is.
    let corner = Source {
        x: 1,
        y: 0,
        width: 1,
        height: 1,
    };
    let enlarged = Placement {
        source: corner,
        ..whole(0, &checks, at(0, 0, 3, 2))
    };
    let cells = show(&[enlarged], &[checks], [0; 3]);
    assert_eq!(cells.len(), 6);
    assert!(
        cells
            .iter()
            .all(|c| (c.upper, c.lower) == ([255; 3], [255; 3]))
    );
}

#[test]
fn transparent_pixels_show_what_is_below() {
    let lower_half = of_rows(0, &[&[CLEAR], &[RED]]);
    let nothing = of_rows(1, &[&[CLEAR], &[CLEAR]]);
    // Half covered, half not: an alpha of 128 of 255, so 0.498 of the white background's light shines through
    // (0.7340 of full intensity, 187).
    let mixed = of_rows(2, &[&[RED, CLEAR], &[CLEAR, RED]]);
    let pictures = [lower_half, nothing, mixed];
    let placements = [0, 1, 2].map(|i| whole(i as u32, &pictures[i], at(i as u16, 0, 1, 1)));
    let cells = show(&placements, &pictures, [255; 3]);
    assert_eq!(
        cells,
        [
            cell(0, 0, [255; 3], [255, 0, 0]),
            cell(2, 0, [255, 187, 187], [255, 187, 187]),
        ],
        "a character without any pixel is left to the text"
    );
}

#[test]
fn higher_placements_lie_on_top() {
    let below = of_rows(0, &[&[RED], &[RED]]);
    let above = of_rows(1, &[&[CLEAR], &[BLUE]]);
    let (one, two) = (
        Placement {
            z: 1,
            ..whole(0, &above, at(0, 0, 1, 1))
        },
        whole(1, &below, at(0, 0, 1, 1)),
    );
    let pictures = [below, above];
    for order in [[one, two], [two, one]] {
        let cells = show(&order, &pictures, [0; 3]);
        assert_eq!(cells, [cell(0, 0, [255, 0, 0], [0, 0, 255])]);
    }
}

#[test]
fn odd_placements_draw_nothing_and_do_not_panic() {
    let picture = of_rows(0, &[&[RED], &[RED]]);
    let good = whole(0, &picture, at(0, 0, 1, 1));
    let broken = Picture {
        key: PictureKey(7),
        png: b"no png"[..].into(),
        width: 1,
        height: 1,
    };
    let beyond = Source {
        x: 1,
        y: 0,
        width: 1,
        height: 1,
    };
    let placements = [
        Placement {
            source: beyond,
            ..good
        },
        Placement {
            target: at(0, 0, 0, 0),
            ..good
        },
        Placement {
            picture: PictureKey(3),
            ..good
        },
        Placement {
            picture: PictureKey(7),
            ..good
        },
    ];
    let pictures = [picture, broken];
    assert_eq!(show(&placements, &pictures, [0; 3]), []);
    let edge = Placement {
        target: at(u16::MAX, u16::MAX, 3, 3),
        ..good
    };
    assert_eq!(show(&[edge], &pictures, [0; 3]).len(), 1);
}

#[test]
fn indexed_pngs_decode_with_their_transparent_index() {
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, 3, 1);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(vec![0, 0, 0, 10, 20, 30, 200, 100, 50]);
    encoder.set_trns(vec![0]);
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&[0, 1, 2])
        .unwrap();
    let picture = Picture {
        key: PictureKey(1),
        png: png.into(),
        width: 3,
        height: 1,
    };
    let pixels = decode(&picture).unwrap();
    assert_eq!(
        pixels.as_raw()[..],
        [0, 0, 0, 0, 10, 20, 30, 255, 200, 100, 50, 255]
    );

    let wrong = Picture {
        width: 4,
        ..picture.clone()
    };
    assert!(matches!(
        decode(&wrong),
        Err(decode::Error::Size { found_width: 3, .. })
    ));
    let cut = Picture {
        png: picture.png[..40].into(),
        ..picture
    };
    assert!(matches!(decode(&cut), Err(decode::Error::Png { .. })));
}

#[test]
fn decoded_pictures_are_bounded() {
    let pictures: Vec<_> = (0..5).map(|key| painted(key, 16, 16, |_, _| RED)).collect();
    let mut cache = decode::Cache::new(3 * 1024);
    let calls = std::cell::Cell::new(0);
    let lookup = |key: PictureKey| {
        calls.set(calls.get() + 1);
        among(&pictures)(key)
    };
    for key in [0, 1, 2, 0, 3, 0, 1] {
        assert!(cache.get(PictureKey(key), &lookup).is_some());
        assert!(cache.held() <= 3 * 1024);
    }
    // 0, 1, 2 and 3 once each, and 1 again: it was the oldest when 3 came.
    assert_eq!(calls.get(), 5);
}

proptest! {
    /// The light of the target is the light of the source: weights add up to one at every size.
    #[test]
    fn a_plain_colour_stays_itself_at_every_size(
        (width, height) in (1..40u32, 1..40u32),
        (columns, rows) in (1..30usize, 1..30usize),
        rgb in any::<[u8; 3]>(),
    ) {
        let plain = [rgb[0], rgb[1], rgb[2], 255];
        let picture = image::RgbaImage::from_pixel(width, height, image::Rgba(plain));
        let all = Source { x: 0, y: 0, width, height };
        let block = scaled(&picture, all, columns, rows);
        prop_assert_eq!(block.pixels().len(), columns * rows);
        for pixel in block.pixels() {
            prop_assert_eq!(*pixel, plain);
        }
    }
}
