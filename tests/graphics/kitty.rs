use super::model::Model;
use super::{among, at, noise, whole};
use atlascope::graphics::kitty::{Options, Painter};
use atlascope::graphics::{BackEnd, Frame, Picture, PictureKey, Placement, Source};
use proptest::prelude::*;

const PLENTY: usize = 64 << 20;

struct Rig {
    painter: Painter,
    model: Model,
    pictures: Vec<Picture>,
    /// Bytes of the last frame.
    sent: usize,
}

impl Rig {
    fn new(options: Options, pictures: Vec<Picture>) -> Self {
        Self {
            painter: Painter::new(options),
            model: Model::default(),
            pictures,
            sent: 0,
        }
    }

    fn frame(&mut self, placements: &[Placement], budget: usize) -> Frame {
        let mut out = Vec::new();
        let lookup = among(&self.pictures);
        let frame = self.painter.frame(&mut out, placements, &lookup, budget);
        self.sent = out.len();
        self.model.feed(&out);
        frame
    }

    /// A frame with everything uploaded, checked against the model.
    fn show(&mut self, placements: &[Placement]) {
        let frame = self.frame(placements, PLENTY);
        assert!(!frame.pending && frame.cells.is_empty());
        self.model.expect(placements, &self.pictures);
    }
}

fn options() -> Options {
    Options {
        synchronized: true,
        ..Options::with_seed(3)
    }
}

fn squares(n: u64, side: u32) -> Vec<Picture> {
    (0..n).map(|key| noise(key, side, side)).collect()
}

#[test]
fn frames_are_sent_as_differences() {
    let pictures = squares(3, 64);
    let [a, b, c] = [0, 1, 2].map(|i| whole(i as u32, &pictures[i], at(10 * i as u16, 1, 8, 4)));
    let mut rig = Rig::new(options(), pictures);

    rig.show(&[a, b]);
    assert_eq!(rig.model.uploads, 2);
    rig.show(&[a, b]);
    assert_eq!(rig.sent, 0, "an unchanged frame costs nothing");

    // Moved, cropped, raised: one command, no upload.
    let crop = Source {
        x: 8,
        y: 0,
        width: 32,
        height: 48,
    };
    let moved = Placement {
        target: at(3, 7, 5, 5),
        source: crop,
        z: 2,
        ..a
    };
    rig.show(&[moved, b]);
    assert_eq!(rig.model.uploads, 2);
    assert!(rig.sent < 100, "{} bytes", rig.sent);

    // One leaves, another comes.
    rig.show(&[b, c]);
    // The same placement gets another picture.
    rig.show(&[
        Placement {
            picture: a.picture,
            ..b
        },
        c,
    ]);
    assert_eq!(rig.model.uploads, 3);
    rig.show(&[]);
    assert_eq!(rig.model.pictures.len(), 3, "pictures out of view stay");
    rig.show(&[]);
    assert_eq!(rig.sent, 0);
}

#[test]
fn resize_places_again_without_upload() {
    let pictures = squares(2, 32);
    let [a, b] = [0, 1].map(|i| whole(i as u32, &pictures[i], at(9 * i as u16, 0, 8, 4)));
    let mut rig = Rig::new(options(), pictures);
    rig.show(&[a, b]);
    rig.painter.reset();
    // A terminal that kept the placements: the one that is not wanted any more has to go all the same.
    rig.show(&[b]);
    assert_eq!(rig.model.uploads, 2);
    rig.painter.reset();
    rig.show(&[b]);
    assert!(rig.sent > 0, "it may be gone, so it is placed again");
    rig.show(&[b]);
    assert_eq!(rig.sent, 0);
}

#[test]
fn forgotten_pictures_are_sent_again_under_new_ids() {
    let pictures = squares(2, 32);
    let [a, b] = [0, 1].map(|i| whole(i as u32, &pictures[i], at(9 * i as u16, 0, 8, 4)));
    let mut rig = Rig::new(options(), pictures);
    rig.show(&[a, b]);
    rig.painter.forget();
    assert!(rig.painter.farewell().is_empty());
    rig.model = Model::default();
    rig.show(&[a, b]);
    assert_eq!(rig.model.uploads, 2);
}

#[test]
fn farewell_frees_everything() {
    let pictures = squares(4, 32);
    let placements: Vec<_> = (0..4)
        .map(|i| whole(i, &pictures[i as usize], at(9 * i as u16, 0, 8, 4)))
        .collect();
    let mut rig = Rig::new(options(), pictures);
    assert!(rig.frame(&placements, PLENTY).farewell_changed);
    assert!(!rig.frame(&placements[1..], PLENTY).farewell_changed);
    let farewell = rig.painter.farewell();
    rig.model.feed(&farewell);
    assert!(rig.model.pictures.is_empty() && rig.model.placements.is_empty());
}

#[test]
fn uploads_are_spread_in_the_callers_order() {
    // 64×64 noise is about 16 kB of base64.
    let pictures = squares(6, 64);
    let placements: Vec<_> = (0..6)
        .rev()
        .map(|i| whole(i, &pictures[i as usize], at(9 * i as u16, 0, 8, 4)))
        .collect();
    let one = pictures[0].png.len() * 4 / 3;
    let budget = one * 5 / 2;
    let mut rig = Rig::new(options(), pictures);
    for done in [2, 4, 6] {
        let frame = rig.frame(&placements, budget);
        assert!(rig.sent < budget + 1000, "{} of {budget}", rig.sent);
        assert_eq!(frame.pending, done < 6);
        rig.model.expect(&placements[..done], &rig.pictures);
    }
    let frame = rig.frame(&placements, budget);
    assert!(!frame.pending && rig.sent == 0);
}

#[test]
fn a_budget_smaller_than_a_picture_still_makes_progress_and_none_does_not() {
    let pictures = squares(2, 64);
    let placements = [0, 1].map(|i| whole(i as u32, &pictures[i], at(9 * i as u16, 0, 8, 4)));
    let mut rig = Rig::new(options(), pictures);
    assert!(rig.frame(&placements, 0).pending);
    assert_eq!(rig.sent, 0);
    assert!(rig.frame(&placements, 1).pending);
    assert!(!rig.frame(&placements, 1).pending);
    rig.model.expect(&placements, &rig.pictures);
}

#[test]
fn least_recently_shown_pictures_are_freed_within_the_limit() {
    // 32×32 pixels are 4096 decoded bytes: room for three.
    let pictures = squares(6, 32);
    let place = |i: usize| whole(i as u32, &pictures[i], at(9 * i as u16, 0, 8, 4));
    let all: Vec<_> = (0..6).map(place).collect();
    let tight = Options {
        decoded_limit: 3 * 4096,
        ..options()
    };
    let mut rig = Rig::new(tight, pictures.clone());
    rig.show(&all[0..3]);
    rig.show(&all[0..1]);
    // 1 and 2 were shown last at the same time; 1 is older by number.
    rig.show(&[all[0], all[3]]);
    assert_eq!(rig.model.uploads, 4);
    rig.show(&[all[2], all[3]]);
    assert_eq!(rig.model.uploads, 4, "2 was still there");
    rig.show(&[all[1]]);
    assert_eq!(rig.model.uploads, 5, "1 had been freed");
    for start in 0..4 {
        rig.show(&all[start..start + 3]);
    }
    assert_eq!(rig.model.peak, 3 * 4096);
    assert_eq!(rig.painter.decoded(), 3 * 4096);

    let few = Options {
        picture_limit: 2,
        ..options()
    };
    let mut rig = Rig::new(few, pictures);
    for start in 0..5 {
        rig.show(&all[start..start + 2]);
        assert_eq!(rig.model.pictures.len(), 2);
    }
}

/// The limit that the program has: a long walk over pages of 256 × 1024 pixels, a dozen in view.
#[test]
fn a_long_walk_stays_below_two_hundred_megabytes() {
    let mut png = std::io::Cursor::new(Vec::new());
    let black = image::GrayImage::new(256, 1024);
    black.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let png: std::sync::Arc<[u8]> = png.into_inner().into();
    let one = |key: u64| Picture {
        key: PictureKey(key),
        png: png.clone(),
        width: 256,
        height: 1024,
    };
    let pictures: Vec<Picture> = (0..260).map(one).collect();
    let place = |i: usize| whole(i as u32, &pictures[i], at(4 * (i % 12) as u16, 0, 4, 8));
    let mut rig = Rig::new(options(), pictures.clone());
    for start in 0..=248 {
        let view: Vec<Placement> = (start..start + 12).map(place).collect();
        let frame = rig.frame(&view, PLENTY);
        assert!(!frame.pending);
    }
    let limit = options().decoded_limit;
    assert_eq!(limit, 200 << 20);
    // Each is a mebibyte: the limit is reached and never passed, and what was dropped was freed.
    assert_eq!(rig.model.peak, limit);
    assert_eq!(rig.painter.decoded(), limit);
    assert_eq!(rig.model.pictures.len(), 200);
    assert_eq!(rig.model.uploads, 260);
}

#[test]
fn more_in_view_than_fits_shows_the_first_and_stays_quiet() {
    let pictures = squares(5, 32);
    let all: Vec<_> = (0..5)
        .map(|i| whole(i, &pictures[i as usize], at(9 * i as u16, 0, 8, 4)))
        .collect();
    let tight = Options {
        decoded_limit: 3 * 4096,
        ..options()
    };
    let mut rig = Rig::new(tight, pictures);
    let frame = rig.frame(&all, PLENTY);
    assert!(!frame.pending, "calling again would not help");
    rig.model.expect(&all[..3], &rig.pictures);
    rig.frame(&all, PLENTY);
    assert_eq!(rig.sent, 0);
}

#[test]
fn unfit_placements_and_pictures_are_left_out() {
    let pictures = vec![noise(0, 16, 16)];
    let good = whole(0, &pictures[0], at(0, 0, 2, 1));
    let beyond = Source {
        x: 16,
        y: 0,
        width: 4,
        height: 4,
    };
    let over = Source {
        x: 10,
        y: 12,
        width: 90,
        height: 90,
    };
    let bad = [
        Placement {
            id: 1,
            source: beyond,
            ..good
        },
        Placement {
            id: 2,
            target: at(0, 0, 0, 1),
            ..good
        },
        Placement {
            id: 3,
            picture: PictureKey(9),
            ..good
        },
    ];
    let clipped = Placement {
        id: 4,
        source: over,
        ..good
    };
    let mut rig = Rig::new(options(), pictures);
    rig.frame(&[good, bad[0], bad[1], bad[2], clipped], PLENTY);
    let inside = Source {
        x: 10,
        y: 12,
        width: 6,
        height: 4,
    };
    rig.model.expect(
        &[
            good,
            Placement {
                source: inside,
                ..clipped
            },
        ],
        &rig.pictures,
    );
}

/// A screen of 160×45 characters of 8×16 pixels over pages of 320×320 pixels, as the explorer lays them.
fn pages_in_view(left: i32, top: i32, n_pages: i32) -> Vec<Placement> {
    let mut placements = Vec::new();
    for page_row in 0..n_pages {
        for page_column in 0..n_pages {
            let (x, y) = (page_column * 40 - left, page_row * 20 - top);
            let (from_x, to_x) = (x.max(0), (x + 40).min(160));
            let (from_y, to_y) = (y.max(0), (y + 20).min(45));
            if from_x >= to_x || from_y >= to_y {
                continue;
            }
            let id = (page_row * n_pages + page_column) as u32;
            placements.push(Placement {
                id,
                picture: PictureKey(u64::from(id)),
                source: Source {
                    x: (from_x - x) as u32 * 8,
                    y: (from_y - y) as u32 * 16,
                    width: (to_x - from_x) as u32 * 8,
                    height: (to_y - from_y) as u32 * 16,
                },
                target: at(
                    from_x as u16,
                    from_y as u16,
                    (to_x - from_x) as u16,
                    (to_y - from_y) as u16,
                ),
                z: 0,
            });
        }
    }
    placements
}

#[test]
fn a_pan_over_uploaded_pages_fits_in_one_packet() {
    let pictures: Vec<_> = (0..36)
        .map(|key| super::painted(key, 320, 320, |_, _| [key as u8, 0, 0, 255]))
        .collect();
    let mut rig = Rig::new(options(), pictures);
    for (left, top) in [(0, 0), (80, 0), (0, 60), (80, 60)] {
        rig.show(&pages_in_view(left, top, 6));
    }
    let uploads = rig.model.uploads;
    let mut most = 0;
    for step in 0..70 {
        rig.show(&pages_in_view(step, step * 6 / 7, 6));
        most = most.max(rig.sent);
    }
    assert_eq!(rig.model.uploads, uploads, "nothing is sent twice");
    println!("most expensive pan: {most} bytes");
    assert!(most <= 1200, "{most} bytes");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the frames, resets and losses before: the terminal shows exactly the last frame.
    #[test]
    fn any_sequence_of_frames_ends_in_the_last_one(
        frames in prop::collection::vec(
            (
                0..8u8,
                prop::collection::btree_map(
                    0..8u32,
                    (0..6u64, 0..12u32, 1..5u32, 0..40u16, 1..9u16, -2..3i32),
                    0..6,
                ),
            ),
            1..12,
        )
    ) {
        let limits = Options { decoded_limit: 6 * 1024, picture_limit: 6, ..options() };
        let mut rig = Rig::new(limits, squares(6, 16));
        for (event, placements) in frames {
            match event {
                0 => rig.painter.reset(),
                1 => {
                    rig.painter.forget();
                    rig.model = Model::default();
                }
                _ => {}
            }
            let placements: Vec<_> = placements
                .into_iter()
                .map(|(id, (picture, x, width, column, columns, z))| Placement {
                    id,
                    picture: PictureKey(picture),
                    source: Source { x, y: 1, width, height: 3 },
                    target: at(column, column / 2, columns, 2),
                    z,
                })
                .collect();
            rig.show(&placements);
            rig.show(&placements);
            prop_assert_eq!(rig.sent, 0);
        }
    }
}
