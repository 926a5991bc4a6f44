//! The suspects pane: keys in; rows, screens, tasks for the workers and sessions out.

mod claims;

use super::{HALF, drawn, drawn_on, press, screen, text};
use atlascope::atlas::Atlas;
use atlascope::atlas::sample::{SampleSpec, atlas};
use atlascope::explorer::column::Column;
use atlascope::explorer::photographs::reduced;
use atlascope::explorer::session::Session;
use atlascope::explorer::state::Overlay;
use atlascope::explorer::suspects::{Head, Which};
use atlascope::explorer::worker::{
    Answer, Desk, Examined, Examiner, Finding, Outcome, Services, Shot, Task, Tell, Work,
};
use atlascope::explorer::{Effect, Message, State, Update, placements, update, view};
use atlascope::graphics::Protocol;
use atlascope::suspects::claim::{Claim, Controls, Estimate, Judgement, Method, SweepPoint};
use atlascope::suspects::{self, COLUMNS, Kind, Suspects, column};
use image::{Rgb, RgbImage};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// An invented atlas whose images have labels.
pub(super) fn labelled() -> Arc<Atlas> {
    static LABELLED: LazyLock<Arc<Atlas>> = LazyLock::new(|| {
        let mut atlas = atlas(&SampleSpec {
            n_samples: 1200,
            n_images: 400,
            n_classes: 5,
            head: true,
            min_samples: 1,
            ..SampleSpec::default()
        });
        for image in 0..400 {
            atlas.images.label[image] = Some((image % 5) as u16);
            atlas.images.prediction[image] = Some((image % 5) as u16);
        }
        Arc::new(atlas)
    });
    LABELLED.clone()
}

fn opened(columns: u16, rows: u16, protocol: Protocol) -> State {
    let mut state = State::new("sample.atlas", screen(columns, rows, protocol));
    update(&mut state, Message::Update(Update::Atlas(labelled())));
    state
}

fn tasks(effects: Vec<Effect>) -> Vec<Task> {
    let task = |effect| match effect {
        Effect::Work(Work::Bench(task)) => Some(task),
        _ => None,
    };
    effects.into_iter().filter_map(task).collect()
}

fn answer(state: &mut State, outcome: Outcome) -> Vec<Effect> {
    update(state, Message::Answer(Answer::Bench(outcome)))
}

/// Does what the worker would do with tasks that list candidates.
fn serve(state: &mut State, effects: Vec<Effect>) {
    for task in tasks(effects) {
        if let Task::Find(which, epoch, atlas) = task {
            let found = match which {
                Which::All => suspects::find(&atlas),
                Which::MultiUse => suspects::multi_use(&atlas),
                Which::Contrast(a, b) => suspects::contrast(&atlas, a, b),
            };
            answer(state, Outcome::Found(which, epoch, Arc::new(found)));
        }
    }
}

/// With the pane open and its list there.
fn listed(columns: u16, rows: u16, protocol: Protocol) -> State {
    let mut state = opened(columns, rows, protocol);
    let effects = press(&mut state, "s");
    serve(&mut state, effects);
    assert!(
        state.suspects.rows.len() > 8,
        "{}",
        state.suspects.rows.len()
    );
    state
}

fn estimate(method: Method, n: u32, done: bool) -> Estimate {
    Estimate {
        method,
        delta: 2.1,
        ci: [1.6, 2.6],
        controls: Controls {
            delta: -0.1,
            ci: [-0.4, 0.2],
            ..Controls::default()
        },
        contrast: [1.7, 2.7],
        n,
        flips: n / 4,
        best_flips: None,
        scale: None,
        done,
    }
}

fn point(at: u8) -> SweepPoint {
    SweepPoint {
        ratio: f32::from(at) / 10.0,
        delta: f32::from(at) * 0.5,
        ci: [0.0, 1.0],
        controls: 0.6,
        probability: 0.2,
        flips: u32::from(at),
        control_flips: 0,
        n: 32,
    }
}

fn shot(shade: u8) -> Shot {
    let picture = |shade| reduced(&RgbImage::from_pixel(32, 32, Rgb([shade; 3])));
    Shot {
        before: picture(shade),
        after: picture(shade + 1),
        probability: [0.03, 0.71],
        predicted: [0, 1],
    }
}

fn number(effects: Vec<Effect>) -> u64 {
    let number = tasks(effects).into_iter().find_map(|task| match task {
        Task::Test(number, _) => Some(number),
        _ => None,
    });
    number.expect("a test")
}

/// A whole test of the row under the bar, as a worker tells it.
fn test(state: &mut State) {
    let effects = press(state, "t");
    let number = number(effects);
    let find = |finding| Outcome::Finding(number, finding);
    answer(
        state,
        find(Finding::Estimate(estimate(Method::Paste, 8, false))),
    );
    answer(
        state,
        find(Finding::Estimate(estimate(Method::Paste, 32, true))),
    );
    answer(
        state,
        find(Finding::Estimate(estimate(Method::Ablate, 24, true))),
    );
    answer(state, find(Finding::Shots(vec![shot(40), shot(80)])));
    for at in 0..9 {
        answer(state, find(Finding::Point(point(at))));
    }
    let mut claim = state.suspects.record().unwrap().claim.clone();
    claim.provenance.seed = 7;
    answer(state, Outcome::Tested(number, Ok(Box::new(claim))));
}

#[test]
fn the_list_comes_from_a_worker_and_the_cursor_goes_along() {
    let mut state = opened(160, 45, Protocol::Kitty);
    let effects = press(&mut state, "s");
    let asked = tasks(effects.clone());
    assert!(
        matches!(asked[..], [Task::Find(Which::All, 1, _)]),
        "{asked:?}"
    );
    assert!(text(&state).contains("looking for candidates"));
    // It is asked for once.
    assert!(tasks(press(&mut state, "l")).is_empty());
    serve(&mut state, effects);
    let atlas = labelled();
    for _ in 0..8 {
        let candidate = state.suspects.candidate().unwrap().clone();
        let link = state.link().unwrap();
        assert_eq!(link.layer, atlas.layers[candidate.layer].name);
        let cell = candidate.cell;
        assert_eq!(
            (link.grid, link.row, link.col),
            (cell.grid, cell.row, cell.col)
        );
        let shown: Vec<u32> = state.about.exemplars.iter().map(|e| e.image).collect();
        let own: Vec<u32> = candidate.exemplars.iter().map(|e| e.image).collect();
        assert_eq!(shown, own);
        press(&mut state, "j");
    }
    assert_eq!(state.suspects.selected, 8);
    press(&mut state, "G");
    assert_eq!(state.suspects.selected, state.suspects.rows.len() - 1);
    press(&mut state, "gk");
    assert_eq!(state.suspects.selected, 0);
    // Closed, the cell has its own exemplars again, and keys mean what they did.
    press(&mut state, "s");
    assert!(!state.suspects.open);
    let own = state.suspects.candidates()[0].exemplars.len();
    assert!(state.about.exemplars.len() != own || state.about.exemplars[0].sample != u32::MAX);
    let before = state.cursor;
    press(&mut state, "k");
    assert_ne!(state.cursor, before);
}

#[test]
fn rows_are_ordered_by_any_column_and_back() {
    let mut state = listed(160, 45, HALF);
    let found = state.suspects.rows.clone();
    let n = Head::count();
    for idx in 0..n {
        state.suspects.head = idx;
        press(&mut state, "<Space>");
        let order = |state: &State| -> Vec<f32> {
            let of = |row| match state.suspects.chosen() {
                Head::Column(idx) => state.suspects.candidate_of(row)?.scores[idx],
                Head::Score => Some(state.suspects.candidate_of(row)?.score),
                Head::Q => state.suspects.candidate_of(row)?.q,
                _ => None,
            };
            state
                .suspects
                .rows
                .iter()
                .filter_map(|&row| of(row))
                .collect()
        };
        let rising = order(&state);
        if matches!(Head::at(idx), Head::Score | Head::Column(_)) {
            assert!(
                rising.is_sorted_by(|a, b| a >= b),
                "{}",
                Head::at(idx).title()
            );
        } else {
            assert!(rising.is_sorted());
        }
        press(&mut state, "<Space>");
        let mut turned = order(&state);
        turned.reverse();
        let key = |v: &f32| v.to_bits();
        assert_eq!(
            turned.iter().map(key).collect::<Vec<_>>(),
            rising.iter().map(key).collect::<Vec<_>>()
        );
        press(&mut state, "<Space>");
        assert_eq!(state.suspects.rows, found);
    }
}

#[test]
fn a_filter_leaves_what_it_says() {
    let mut state = listed(160, 45, HALF);
    let all = state.suspects.rows.len();
    press(&mut state, "/kind:component<Enter>");
    let rows = state.suspects.rows.clone();
    assert!(!rows.is_empty() && rows.len() < all);
    for row in rows {
        let candidate = state.suspects.candidate_of(row).unwrap();
        assert_eq!(candidate.kind, Kind::Component);
    }
    let name = labelled().class_name(2);
    let word = name.split(' ').next().unwrap().to_lowercase();
    press(&mut state, &format!("/<C-u>class:{word} cell<Enter>"));
    assert!(!state.suspects.rows.is_empty());
    for &row in &state.suspects.rows {
        let candidate = state.suspects.candidate_of(row).unwrap();
        assert_eq!((candidate.kind, candidate.class), (Kind::Cell, 2));
    }
    press(&mut state, "/<C-u>no such thing<Enter>");
    assert!(state.suspects.rows.is_empty() && text(&state).contains("nothing matches"));
    press(&mut state, "t");
    assert!(state.notice.as_ref().unwrap().contains("no candidate"));
    press(&mut state, "<Esc>");
    assert_eq!(state.suspects.rows.len(), all);
    // A verdict is found by its word.
    test(&mut state);
    press(&mut state, "/verdict:used<Enter>");
    assert_eq!(state.suspects.rows.len(), 1);
}

#[test]
fn columns_are_explained_and_colour_the_map() {
    let mut state = listed(160, 45, HALF);
    let at = |name: &str| 8 + column(name).unwrap();
    state.suspects.head = at("share");
    press(&mut state, "d");
    let flat = |state: &State| {
        let words = text(state);
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let what = COLUMNS[column("share").unwrap()].what;
    let first: Vec<&str> = what.split(' ').take(4).collect();
    assert!(flat(&state).contains(&first.join(" ")), "{}", text(&state));
    // One that could not be computed says why.
    let missing = state.suspects.suspects().unwrap().missing[0].clone();
    state.suspects.head = at(missing.column);
    assert!(flat(&state).contains("not here:"), "{}", text(&state));
    state.suspects.head = at("share");
    press(&mut state, "dC");
    let shown = state.column.clone().unwrap();
    assert_eq!(
        shown.kind,
        Column::Suspect(Head::Column(column("share").unwrap()))
    );
    let (layer, cell) = (state.layer, state.cell().unwrap());
    let link = state.link().unwrap();
    let share = column("share").unwrap();
    let here = state.suspects.candidates().iter().filter(|c| {
        (c.layer, c.cell.grid, c.cell.row, c.cell.col) == (layer, link.grid, link.row, link.col)
    });
    let most = here.filter_map(|c| c.scores[share]).fold(0.0, f32::max);
    assert!((shown.values[cell] - most).abs() < 1e-6);
    assert!(text(&state).contains("share"));
    press(&mut state, "C");
    assert!(state.column.as_ref().unwrap().low);
    press(&mut state, "C");
    assert!(state.column.is_none());
    // A column of words colours by the score.
    state.suspects.head = 1;
    press(&mut state, "C");
    let shown = state.column.clone().unwrap();
    assert_eq!(shown.kind, Column::Suspect(Head::Score));
}

/// Where the list leaves no room for them, the pictures before and after have the whole screen.
#[test]
fn pictures_before_and_after_are_shown_large() {
    for (columns, rows) in [(80, 24), (160, 45), (20, 5), (1, 1)] {
        let mut state = listed(columns, rows, Protocol::Kitty);
        press(&mut state, "b");
        let notice = state.notice.clone().unwrap();
        assert!(notice.contains("no pictures yet"), "{notice}");
        test(&mut state);
        press(&mut state, "b");
        assert_eq!(state.overlay, Some(Overlay::Shots { selected: 0 }));
        let shown = |state: &State| -> Vec<_> {
            let all = placements(state).into_iter();
            all.map(|p| (p.picture, p.target)).collect()
        };
        let shots = state.suspects.shots().to_vec();
        let first = shown(&state);
        let screen = text(&state);
        if rows >= 24 {
            let [(before, left), (after, right)] = first[..] else {
                panic!("{first:?}")
            };
            assert_eq!((before, after), (shots[0].before.key, shots[0].after.key));
            // As high as the screen allows, side by side, square in pixels.
            assert!(left.rows >= rows - 8 && left.columns == 2 * left.rows);
            assert!(left.column + left.columns <= right.column);
            assert!(
                screen.contains("= 0.03") && screen.contains("= 0.71"),
                "{screen}"
            );
        }
        press(&mut state, "ll");
        assert_eq!(state.overlay, Some(Overlay::Shots { selected: 1 }));
        press(&mut state, "h<Esc>");
        assert!(state.overlay.is_none() && state.suspects.open);
    }
    let mut state = listed(80, 24, Protocol::None);
    press(&mut state, "b");
    assert!(state.notice.as_ref().unwrap().contains("no pictures"));
}

#[test]
fn other_lists_are_a_key_away() {
    let mut state = listed(160, 45, HALF);
    let class = state.suspects.candidate().unwrap().class;
    let effects = press(&mut state, "m");
    serve(&mut state, effects);
    assert_eq!(state.suspects.which, Which::MultiUse);
    for candidate in state.suspects.candidates() {
        assert_eq!(candidate.kind, Kind::MultiUse);
    }
    press(&mut state, "m");
    assert_eq!(state.suspects.which, Which::All);
    press(&mut state, "v");
    let effects = press(&mut state, "<Enter>");
    let Which::Contrast(one, other) = state.suspects.which else {
        panic!("{:?}", state.suspects.which);
    };
    assert!(one == class && other != class);
    serve(&mut state, effects);
    assert!(!state.suspects.rows.is_empty());
    for candidate in state.suspects.candidates() {
        assert_eq!(candidate.kind, Kind::Contrast);
    }
    press(&mut state, "<Esc>");
    assert_eq!(state.suspects.which, Which::All);
    assert!(!state.suspects.rows.is_empty());
}

#[test]
fn a_growing_atlas_gets_a_new_list_and_keeps_its_records() {
    let mut state = listed(160, 45, HALF);
    press(&mut state, "x");
    let effects = update(&mut state, Message::Update(Update::Atlas(labelled())));
    let asked = tasks(effects.clone());
    assert!(
        matches!(asked[..], [Task::Find(Which::All, 2, _)]),
        "{asked:?}"
    );
    // A list of the older atlas that comes late is not taken.
    let old = Arc::new(suspects::multi_use(&labelled()));
    answer(&mut state, Outcome::Found(Which::All, 1, old));
    assert!(!state.suspects.candidates().is_empty());
    serve(&mut state, effects);
    let record = state.suspects.record().unwrap();
    assert_eq!(record.claim.judgement, Judgement::Shortcut);
}

/// Before the last step of a build there is nothing to go by: that is no finding about the network.
#[test]
fn an_atlas_that_still_grows_has_no_list_yet() {
    let grown = labelled();
    for complete in [false, true] {
        let mut atlas = Atlas::clone(&grown);
        atlas.complete = complete;
        let mut state = State::new("demo", screen(160, 45, HALF));
        update(&mut state, Message::Update(Update::Atlas(Arc::new(atlas))));
        press(&mut state, "s");
        let none = Suspects {
            candidates: Vec::new(),
            ..suspects::find(&grown)
        };
        answer(&mut state, Outcome::Found(Which::All, 1, Arc::new(none)));
        let shown = text(&state);
        assert_eq!(
            shown.contains("the atlas still grows"),
            !complete,
            "{shown}"
        );
        assert_eq!(shown.contains("stands out"), complete, "{shown}");
    }
}

#[test]
fn any_size_is_survived() {
    let sizes = [(0, 0), (1, 1), (20, 5), (57, 9), (80, 24), (300, 80)];
    for protocol in [Protocol::Kitty, HALF, Protocol::None] {
        for (columns, rows) in sizes {
            let mut state = listed(columns, rows, protocol);
            for keys in [
                "",
                "d",
                "dll",
                "<Space>",
                "Gk<PageUp>",
                "/x<Enter>",
                "<Esc>",
                "m",
                "p",
            ] {
                let effects = press(&mut state, keys);
                serve(&mut state, effects);
                check(&state, columns, rows);
            }
            press(&mut state, "<Esc><Esc>");
            state.suspects.open = true;
            press(&mut state, "g");
            test(&mut state);
            press(&mut state, "xnword<Enter>");
            check(&state, columns, rows);
            for head in 0..Head::count() {
                state.suspects.head = head;
                check(&state, columns, rows);
            }
        }
    }
}

fn check(state: &State, columns: u16, rows: u16) {
    let mut buffer = drawn(state);
    view::marks(state, &mut buffer);
    for p in placements(state) {
        let (t, s) = (p.target, p.source);
        assert!(t.column + t.columns <= columns && t.row + t.rows <= rows);
        assert!(s.width > 0 && s.height > 0);
    }
    drawn_on(state, columns / 2, rows / 3);
}

#[test]
fn pictures_of_the_pane() {
    for (columns, rows) in [(80, 24), (160, 45)] {
        let mut state = listed(columns, rows, Protocol::Kitty);
        insta::assert_snapshot!(format!("suspects_{columns}x{rows}"), text(&state));
        test(&mut state);
        press(&mut state, "x");
        insta::assert_snapshot!(format!("tested_{columns}x{rows}"), text(&state));
    }
}
