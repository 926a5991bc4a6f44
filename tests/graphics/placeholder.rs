//! Placeholders, read as a terminal around tmux would read them.

use super::model::Model;
use super::{among, at, noise, painted};
use atlascope::graphics::placeholder::{
    CHARACTER, DIACRITICS, Options, Painter, Placeholder, number, squares,
};
use atlascope::graphics::{BackEnd as _, Picture, Placement, Source, Target};
use std::collections::{BTreeMap, BTreeSet};

/// What tmux hands on, and nothing else: everything has to be wrapped.
fn unwrapped(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        rest = rest.strip_prefix(b"\x1bPtmux;").expect("wrapped");
        while rest[..2] != *b"\x1b\\" {
            if rest[0] == 0x1b {
                assert_eq!(rest[1], 0x1b, "escapes are doubled");
                rest = &rest[1..];
            }
            out.push(rest[0]);
            rest = &rest[1..];
        }
        rest = &rest[2..];
    }
    out
}

/// The characters as a terminal reads them: what is left out goes on from the left.
fn read(rows: &BTreeMap<(u16, u16), (String, u8)>) -> BTreeMap<(u16, u16), (u32, u16, u16)> {
    let mut found: BTreeMap<(u16, u16), (u32, u16, u16)> = BTreeMap::new();
    for (&(row, column), (symbol, colour)) in rows {
        let marks: Vec<u16> = symbol.chars().skip(1).filter_map(number).collect();
        let left = column
            .checked_sub(1)
            .and_then(|left| found.get(&(row, left)));
        let square = match (&marks[..], left) {
            (&[r, c, high], _) => (u32::from(high) << 24 | u32::from(*colour), r, c),
            ([], Some(&(image, r, c))) if image as u8 == *colour => (image, r, c + 1),
            other => panic!("{other:?}"),
        };
        found.insert((row, column), square);
    }
    found
}

/// As the explorer writes them: diacritics only where a run begins.
fn written(placeholders: &[Placeholder]) -> BTreeMap<(u16, u16), (String, u8)> {
    let mut left: Option<&Placeholder> = None;
    let mut rows = BTreeMap::new();
    for placeholder in placeholders {
        let goes_on = left.is_some_and(|left| placeholder.continues(left));
        let symbol = if goes_on {
            CHARACTER.to_string()
        } else {
            placeholder.symbol()
        };
        rows.insert(
            (placeholder.row, placeholder.column),
            (symbol, placeholder.colour()),
        );
        left = Some(placeholder);
    }
    rows
}

fn part(id: u32, picture: &Picture, source: (u32, u32, u32, u32), target: Target) -> Placement {
    let (x, y, width, height) = source;
    Placement {
        id,
        picture: picture.key,
        source: Source {
            x,
            y,
            width,
            height,
        },
        target,
        z: 0,
    }
}

#[test]
fn a_terminal_around_tmux_shows_the_right_parts() {
    let pictures = [
        noise(1, 64, 64),
        painted(2, 32, 64, |x, y| [x as u8, y as u8, 9, 255]),
    ];
    let mut painter = Painter::new(Options {
        tmux: true,
        ..Options::with_seed(7)
    });
    let mut model = Model::default();
    // The first one is cut on the left by two of its eight columns, the second at the bottom.
    let list = [
        part(1, &pictures[0], (16, 0, 48, 64), at(0, 1, 6, 4)),
        part(2, &pictures[1], (0, 0, 32, 48), at(6, 1, 4, 3)),
    ];
    let mut out = Vec::new();
    let frame = painter.frame(&mut out, &list, &among(&pictures), usize::MAX);
    assert!(!frame.pending && frame.farewell_changed);
    model.feed(&unwrapped(&out));
    let shown = read(&written(&frame.placeholders));
    assert_eq!(shown.len(), 6 * 4 + 4 * 3);
    for (&(row, column), &(image, image_row, image_column)) in &shown {
        let (first, left) = if column < 6 {
            (&pictures[0], 2)
        } else {
            (&pictures[1], 0)
        };
        assert_eq!(model.pictures[&image], first.png.to_vec());
        assert_eq!(image_row, row - 1);
        assert_eq!(
            image_column,
            if column < 6 {
                column + left
            } else {
                column - 6
            }
        );
        // The virtual placement has as many characters as the whole picture takes.
        let size = if column < 6 { (8, 4) } else { (4, 4) };
        assert_eq!(model.virtual_sizes[&image], size);
    }
    // A step to the left sends no pictures, and changes two characters in each row of a picture.
    let moved = [
        part(1, &pictures[0], (24, 0, 40, 64), at(0, 1, 5, 4)),
        part(2, &pictures[1], (0, 0, 32, 48), at(5, 1, 4, 3)),
    ];
    let mut out = Vec::new();
    let next = painter.frame(&mut out, &moved, &among(&pictures), usize::MAX);
    assert!(out.is_empty());
    let (before, after) = (written(&frame.placeholders), written(&next.placeholders));
    let same = after
        .iter()
        .filter(|(at, cell)| before.get(at) == Some(cell))
        .count();
    assert!(after.len() - same <= 2 * (4 + 3), "{}", after.len() - same);
    assert_eq!(read(&after).len(), 5 * 4 + 4 * 3);
    model.feed(&unwrapped(&painter.farewell()));
    assert!(model.pictures.is_empty());
}

/// tmux says `SGR 34` and `SGR 94` for the first sixteen colours, which for some terminals are names and no numbers.
#[test]
fn no_run_takes_a_colour_that_has_a_name() {
    let mut taken = BTreeSet::new();
    for seed in 0..10_000 {
        let options = Options::with_seed(seed);
        assert!(options.low >= 16, "seed {seed}: {}", options.low);
        taken.insert(options.low);
    }
    assert_eq!(taken.len(), 240);
}

#[test]
fn edges_between_pixels_cannot_be_shown() {
    let picture = noise(1, 64, 64);
    let fits = |source, target| squares(&part(1, &picture, source, target), (64, 64));
    assert!(fits((16, 0, 48, 64), at(0, 0, 6, 4)).is_some());
    // 7 columns of 48 pixels are no whole number each.
    assert!(fits((16, 0, 48, 64), at(0, 0, 7, 4)).is_none());
    assert!(fits((3, 0, 48, 64), at(0, 0, 6, 4)).is_none());
    // More columns than there are diacritics.
    let most = DIACRITICS as u16;
    let wide = noise(2, 640, 4);
    let whole = part(1, &wide, (0, 0, 640, 4), at(0, 0, 320, 1));
    assert!(320 > most && squares(&whole, (640, 4)).is_none());
    // And such placements do no harm.
    let mut painter = Painter::new(Options::with_seed(1));
    let pictures = [picture, wide];
    let frame = painter.frame(&mut Vec::new(), &[whole], &among(&pictures), usize::MAX);
    assert!(frame.placeholders.is_empty());
}

#[test]
fn pictures_beyond_the_limit_take_the_place_of_others() {
    let pictures: Vec<Picture> = (0..600).map(|key| noise(key, 8, 16)).collect();
    let mut painter = Painter::new(Options::with_seed(3));
    let mut model = Model::default();
    for picture in &pictures {
        let whole = part(1, picture, (0, 0, 8, 16), at(0, 0, 1, 1));
        let mut out = Vec::new();
        let frame = painter.frame(&mut out, &[whole], &among(&pictures), usize::MAX);
        model.feed(&out);
        let shown = &frame.placeholders[0];
        assert_eq!(model.pictures[&shown.image], picture.png.to_vec());
        assert!(model.pictures.len() <= 255);
    }
}
