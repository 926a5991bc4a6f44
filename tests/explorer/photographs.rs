//! Photographs behind cells, and one that is located.

use super::{opened, press, sample, screen, show, text};
use atlascope::atlas::{Atlas, Channels, InputSpec, Resize};
use atlascope::explorer::arrangement::Kind;
use atlascope::explorer::photographs::{
    Album, CropRequest, Part, Photographs, Window, exemplars, seen_by,
};
use atlascope::explorer::state::Overlay;
use atlascope::explorer::worker::{Answer, Desk, Located, Locator, Photo, Services, Work};
use atlascope::explorer::{Effect, Message, State, made, placements, update};
use atlascope::graphics::Protocol;
use image::{Rgb, RgbImage};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

fn answer(state: &mut State, answer: Answer) {
    update(state, Message::Answer(answer));
}

/// Writes a picture for every image of an atlas: left half red, right half blue, number in green.
fn folder_of(atlas: &Atlas) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (idx, path) in atlas.images.path.iter().enumerate() {
        let path = folder.path().join(path).with_extension("jpg");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let pixel = |x, _| {
            if x < 20 {
                Rgb([250, idx as u8, 0])
            } else {
                Rgb([0, idx as u8, 250])
            }
        };
        // The content decides, not the name.
        let image = RgbImage::from_fn(40, 30, pixel);
        image
            .save_with_format(path, image::ImageFormat::Png)
            .unwrap();
    }
    folder
}

fn small() -> Atlas {
    let mut atlas = sample();
    atlas
        .images
        .path
        .iter_mut()
        .enumerate()
        .for_each(|(idx, path)| *path = format!("a/{idx}.jpg"));
    atlas
}

fn album(atlas: &Atlas, folder: &Path) -> Album {
    let mut album = Album::new(vec![folder.to_owned()], |_| Window::Share(1.0));
    album.atlas(atlas);
    album
}

fn request(image: u32, part: Part, framed: bool) -> CropRequest {
    made::crop_request(image, part, framed)
}

#[test]
fn a_crop_is_the_part_that_was_asked_for() {
    let atlas = small();
    let folder = folder_of(&atlas);
    let mut album = album(&atlas, folder.path());
    let right = Part {
        x: 0.5,
        y: 0.0,
        width: 0.5,
        height: 1.0,
    };
    let crop = album.crop(&request(7, right, false)).unwrap();
    let pixels = image::load_from_memory(&crop.picture.png)
        .unwrap()
        .to_rgb8();
    assert!(pixels.pixels().all(|p| *p == Rgb([0, 7, 250])));
    assert_eq!(
        pixels.dimensions(),
        (crop.picture.width, crop.picture.height)
    );
    let framed = album.crop(&request(7, right, true)).unwrap();
    let pixels = image::load_from_memory(&framed.picture.png)
        .unwrap()
        .to_rgb8();
    assert_eq!(*pixels.get_pixel(2, 2), Rgb([250, 7, 0]));
    assert_eq!(*pixels.get_pixel(21, 5), Rgb([255; 3]), "the frame");
    // A network that sees the middle half only.
    let mut narrow = Album::new(vec![folder.path().to_owned()], |_| Window::Share(0.5));
    narrow.atlas(&atlas);
    let quarter = Part {
        width: 0.5,
        ..Part::WHOLE
    };
    let crop = narrow.crop(&request(7, quarter, false)).unwrap();
    let pixels = image::load_from_memory(&crop.picture.png)
        .unwrap()
        .to_rgb8();
    assert!(pixels.pixels().all(|p| *p == Rgb([250, 7, 0])));
    // What the recipe says comes before what the name says, and mirrored sources are mirrored.
    let mut seen = small();
    seen.recipe.sources[0].mirrored = true;
    seen.recipe.input = Some(InputSpec {
        size: 64,
        resize: Resize::WarpCrop { via: 128 },
        filter: atlascope::atlas::Filter::Bilinear,
        channels: Channels::Rgb,
        mean: [0.0; 3],
        scale: [1.0; 3],
    });
    let mut album = Album::new(vec![folder.path().to_owned()], |_| Window::Share(1.0));
    album.atlas(&seen);
    let crop = album.crop(&request(7, quarter, false)).unwrap();
    let pixels = image::load_from_memory(&crop.picture.png)
        .unwrap()
        .to_rgb8();
    assert!(pixels.pixels().all(|p| *p == Rgb([0, 7, 250])));
}

#[test]
fn missing_and_damaged_photographs_say_so_and_a_moved_folder_is_found() {
    let atlas = small();
    let folder = folder_of(&atlas);
    let mut album = album(&atlas, Path::new("/nowhere"));
    let whole = request(3, Part::WHOLE, false);
    assert!(
        album
            .crop(&whole)
            .unwrap_err()
            .contains("a/3.jpg is not in /nowhere")
    );
    assert!(
        album
            .moved(Path::new("/nowhere"))
            .unwrap_err()
            .contains("no folder")
    );
    let empty = tempfile::tempdir().unwrap();
    assert!(
        album
            .moved(empty.path())
            .unwrap_err()
            .contains("no photograph")
    );
    assert!(album.moved(folder.path()).unwrap().contains("50 of 50"));
    assert!(album.crop(&whole).is_ok());
    std::fs::write(folder.path().join("a/4.jpg"), b"no picture").unwrap();
    assert!(
        album
            .crop(&request(4, Part::WHOLE, false))
            .unwrap_err()
            .contains("a/4.jpg")
    );
    assert!(album.crop(&request(100_000, Part::WHOLE, false)).is_err());
}

#[test]
fn scenes_of_the_synthetic_world_need_no_folder() {
    let mut atlas = small();
    atlas.images.path[0] = "scene:1:5".to_owned();
    let mut album = album(&atlas, Path::new("/nowhere"));
    let crop = album.crop(&request(0, Part::WHOLE, false)).unwrap();
    assert!(crop.picture.width > 8);
}

#[test]
fn exemplars_are_the_strongest_samples_one_per_image() {
    let atlas = sample();
    let (layer, level) = (&atlas.layers[0], &atlas.layers[0].levels[1]);
    for cell in (0..level.cells.len()).step_by(5) {
        for class in [None, Some(2)] {
            let list = exemplars(layer, level, cell, class, None);
            let wanted = class.unwrap_or(level.ranked_classes(cell)[0].0);
            let value = |s: u32| {
                let mut top = layer.samples.top(s as usize);
                top.find(|t| t.0 == wanted).map_or(0.0, |t| t.1)
            };
            assert!(
                list.windows(2)
                    .all(|w| value(w[0].sample) >= value(w[1].sample))
            );
            let mut images: Vec<u32> = list.iter().map(|e| e.image).collect();
            images.sort_unstable();
            let n = images.len();
            images.dedup();
            assert_eq!(n, images.len());
            let best = level
                .members_of(cell)
                .iter()
                .map(|&s| value(s))
                .fold(f32::MIN, f32::max);
            assert!((value(list[0].sample) - best).abs() < 1e-6);
            assert!(
                list.iter()
                    .all(|e| level.members_of(cell).contains(&e.sample))
            );
        }
    }
}

#[test]
fn what_a_position_sees_lies_round_it_and_inside_the_input() {
    let atlas = sample();
    let layer = &atlas.layers[0];
    for row in 0..14 {
        for col in 0..14 {
            let part = seen_by(layer, (row, col));
            let (x, y) = ((f32::from(col) + 0.5) / 14.0, (f32::from(row) + 0.5) / 14.0);
            assert!(part.x >= 0.0 && part.x + part.width <= 1.0001);
            assert!(part.y >= 0.0 && part.y + part.height <= 1.0001);
            assert!(part.x <= x && x <= part.x + part.width);
            assert!(part.y <= y && y <= part.y + part.height);
        }
    }
}

#[test]
fn crops_are_asked_for_once_shown_when_they_come_and_never_waited_for() {
    let atlas = small();
    let folder = folder_of(&atlas);
    let mut state = State::new("sample.atlas", screen(120, 40, Protocol::Kitty));
    let news = Message::Update(atlascope::explorer::Update::Atlas(Arc::new(atlas.clone())));
    let effects = update(&mut state, news);
    let asked: Vec<CropRequest> = effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Work(Work::Crops(crops)) => Some(crops.clone()),
            _ => None,
        })
        .unwrap();
    assert!(!asked.is_empty());
    assert!(
        update(&mut state, Message::Ignored).is_empty(),
        "not asked twice"
    );
    let services = Services {
        photographs: Some(Box::new(album(&atlas, folder.path()))),
        ..Services::default()
    };
    let (mut desk, answers) = Desk::open(services).unwrap();
    for effect in effects {
        if let Effect::Work(work) = effect {
            desk.take(work);
        }
    }
    let before = placements(&state).len();
    for _ in 0..asked.len() {
        let message = answers.recv_timeout(Duration::from_secs(20)).unwrap();
        update(&mut state, message);
    }
    assert_eq!(placements(&state).len(), before + asked.len());
    // A place with none: the reason stands there, and the key that mends it.
    answer(
        &mut state,
        Answer::Folder(Ok((PathBuf::from("/elsewhere"), "found".to_owned()))),
    );
    assert_eq!(state.folders, [PathBuf::from("/elsewhere")]);
    desk.close(&mut state);
}

#[test]
fn missing_photographs_are_explained_in_the_pane() {
    let mut state = show(small(), screen(120, 40, Protocol::Kitty));
    // Those that are missing make room for others, until none is left.
    let n = state.about.exemplars.len();
    for _ in 0..n {
        for request in state.wanted.clone() {
            let why = Err("a/3.jpg is not in /data/photos".to_owned());
            answer(&mut state, Answer::Crop(request, why));
        }
    }
    assert!(state.shown_exemplars().is_empty());
    let shown = text(&state);
    assert!(
        shown.contains("/data/photos") && shown.contains("I asks for their folder"),
        "{shown}"
    );
    let effects = press(&mut state, "I/new/place<Enter>");
    assert_eq!(
        effects,
        [Effect::Work(Work::Folder(PathBuf::from("/new/place")))]
    );
}

#[test]
fn a_photograph_of_a_cell_is_located_from_what_the_atlas_knows() {
    let mut state = opened(160, 45, Protocol::Kitty);
    press(&mut state, "p");
    assert!(matches!(
        state.overlay,
        Some(Overlay::Photos { selected: 0, .. })
    ));
    let image = state.about.exemplars[1].image;
    let effects = press(&mut state, "l<Enter>");
    assert!(effects.contains(&Effect::Work(Work::Locate(Photo::Image(image)))));
    let located = state.located.clone().unwrap();
    let layer = state.layer().unwrap();
    assert_eq!(
        located.cells[0],
        layer.position_cells.row(image as usize).to_vec()
    );
    // A ring on every cell in sight that holds one of its positions.
    let cells = state.located_cells();
    let total: u32 = cells.iter().map(|c| c.1).sum();
    assert_eq!(total, 14 * 14);
    let rings = placements(&state)
        .iter()
        .filter(|p| p.id >> 24 == 6)
        .count();
    assert_eq!(rings, cells.len());
    // A way through them, from most positions to fewest, and round.
    let n = |state: &State| {
        let cell = state.cell().unwrap();
        cells.iter().find(|c| c.0 == cell).unwrap().1
    };
    let mut counts = vec![n(&state)];
    for _ in 1..cells.len() {
        press(&mut state, "n");
        counts.push(n(&state));
    }
    assert!(counts.is_sorted_by(|a, b| a >= b), "{counts:?}");
    let first = state.clone();
    press(&mut state, "n");
    assert_eq!(n(&state), counts[0]);
    assert!(text(&state).contains("by positions of the photograph"));
    press(&mut state, "N");
    assert_eq!(state.cursor, first.cursor);
    // The grid of icons: every position shows its own cell.
    press(&mut state, "A");
    let arranged = state.arrangement.clone().unwrap();
    assert_eq!(arranged.kind, Kind::Photograph);
    for row in 0..14 {
        for col in 0..14 {
            let cell = usize::from(located.cells[0][(row * 14 + col) as usize]);
            assert_eq!(arranged.cell_at(row, col), Some(cell));
        }
    }
    // From a position of it to its cell on the map.
    press(&mut state, "gll");
    let cell = state.cell().unwrap();
    press(&mut state, "A");
    assert!(state.arrangement.is_none());
    let place = state.level().unwrap().cells[cell];
    assert_eq!(state.cursor, (place.row, place.col));
    // Escape takes the rings away.
    press(&mut state, "<Esc>");
    assert!(state.located.is_none());
}

struct Fixed;

impl Locator for Fixed {
    fn atlas(&mut self, _: Arc<Atlas>) {}

    fn locate(&mut self, photo: &Photo) -> Result<Located, String> {
        match photo {
            Photo::File(path) if path.ends_with("cat.jpg") => Ok(Located {
                name: "cat.jpg".to_owned(),
                predictions: vec![(9, 0.75), (1, 0.2)],
                cells: vec![vec![3; 196], vec![1; 49]],
                image: None,
                picture: None,
            }),
            _ => Err("not a readable image".to_owned()),
        }
    }
}

#[test]
fn a_photograph_by_path_goes_through_the_worker() {
    let mut state = opened(160, 45, Protocol::Kitty);
    let services = Services {
        locator: Some(Box::new(Fixed)),
        ..Services::default()
    };
    let (mut desk, answers) = Desk::open(services).unwrap();
    let mut locate = |state: &mut State, keys: &str| {
        for effect in press(state, keys) {
            if let Effect::Work(work) = effect {
                desk.take(work);
            }
        }
        assert!(state.locating);
        let message = answers.recv_timeout(Duration::from_secs(20)).unwrap();
        update(state, message);
        assert!(!state.locating);
    };
    locate(&mut state, "P/tmp/dog.txt<Enter>");
    assert!(text(&state).contains("not a readable image"));
    locate(&mut state, "P/tmp/cat.jpg<Enter>");
    assert_eq!(state.cell(), Some(3));
    let shown = text(&state);
    assert!(
        shown.contains("cat.jpg, Persian cat 75 %: 196 positions in 1 cell;"),
        "{shown}"
    );
    press(&mut state, "A");
    assert!(text(&state).contains("cat.jpg: Persian cat 75 %"));
    // The same photograph in the other layer.
    press(&mut state, "<Tab>A");
    assert_eq!(state.arrangement.as_ref().unwrap().grid, 7);
}

#[test]
fn without_networks_locating_says_so() {
    let mut state = opened(100, 30, Protocol::Kitty);
    let (mut desk, answers) = Desk::open(Services::default()).unwrap();
    desk.take(Work::Locate(Photo::File(PathBuf::from("cat.jpg"))));
    update(
        &mut state,
        answers.recv_timeout(Duration::from_secs(20)).unwrap(),
    );
    assert!(text(&state).contains("built without networks"));
}
