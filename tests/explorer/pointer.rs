//! The mouse.

use super::{opened, press};
use atlascope::explorer::mouse::{Pointer, PointerKind};
use atlascope::explorer::state::Overlay;
use atlascope::explorer::{Message, State, update};
use atlascope::graphics::Protocol;

fn point(state: &mut State, kind: PointerKind, column: i64, row: i64) {
    let pointer = Pointer {
        kind,
        column: column as u16,
        row: row as u16,
    };
    update(state, Message::Pointer(pointer));
}

fn middle(state: &State, row: u32, col: u32) -> (i64, i64) {
    let p = state.projection().unwrap();
    let (x, y) = p.screen_from_grid(i64::from(row), i64::from(col));
    (
        x + i64::from(p.cell_columns) / 2,
        y + i64::from(p.cell_rows) / 2,
    )
}

#[test]
fn a_click_puts_the_cursor_on_the_cell() {
    let mut state = opened(160, 45, Protocol::Kitty);
    for place in [(0, 0), (3, 8), (9, 9)] {
        let (x, y) = middle(&state, place.0, place.1);
        point(&mut state, PointerKind::Press, x, y);
        point(&mut state, PointerKind::Release, x, y);
        assert_eq!(state.cursor, place);
    }
    // Beside the map nothing happens.
    point(&mut state, PointerKind::Press, 0, 2);
    point(&mut state, PointerKind::Release, 0, 2);
    assert_eq!(state.cursor, (9, 9));
}

#[test]
fn the_map_follows_the_hand() {
    let mut state = opened(100, 30, Protocol::Kitty);
    press(&mut state, "++++");
    let camera = state.camera;
    let pane = state.panes().map;
    let (x, y) = (i64::from(pane.x) + 30, i64::from(pane.y) + 12);
    point(&mut state, PointerKind::Press, x, y);
    point(&mut state, PointerKind::Drag, x - 4, y - 2);
    assert_eq!(
        (state.camera.left, state.camera.top),
        (camera.left + 4, camera.top + 2)
    );
    point(&mut state, PointerKind::Drag, x, y);
    point(&mut state, PointerKind::Release, x, y);
    assert_eq!(state.camera, camera);
    // Far away the cursor comes along, so that the next key does not jump back.
    point(&mut state, PointerKind::Press, x, y);
    point(&mut state, PointerKind::Drag, x + 200, y + 200);
    let (rows, cols) = state.projection().unwrap().visible();
    assert!(rows.contains(&state.cursor.0) && cols.contains(&state.cursor.1));
}

#[test]
fn the_wheel_zooms_at_the_pointer() {
    let mut state = opened(160, 45, Protocol::Kitty);
    let (x, y) = middle(&state, 2, 3);
    let before = state.zoom;
    point(&mut state, PointerKind::WheelUp, x, y);
    assert!(state.zoom != before && state.cursor == (2, 3));
    let p = state.projection().unwrap();
    assert_eq!(
        p.grid_from_screen(x, y),
        (2, 3),
        "what was under the pointer still is"
    );
    let closer = state.zoom;
    point(&mut state, PointerKind::WheelDown, x, y);
    assert_ne!(state.zoom, closer);
}

#[test]
fn layers_are_chosen_by_their_names_and_thumbnails() {
    let mut state = opened(160, 45, Protocol::Kitty);
    let header = "sample.atlas".len() as i64;
    let name_of_second = header + 3 + 11 + 3;
    point(&mut state, PointerKind::Press, name_of_second, 0);
    assert_eq!(state.layer, 1);
    let (_, thumb, _) = atlascope::explorer::strip::in_sight(&state)[0];
    point(
        &mut state,
        PointerKind::Press,
        i64::from(thumb.x),
        i64::from(thumb.y),
    );
    assert_eq!(state.layer, 0);
}

#[test]
fn the_view_is_dragged_on_the_map_in_small() {
    let mut state = opened(160, 45, Protocol::Kitty);
    press(&mut state, "++++");
    let small = state.panes().side.unwrap().minimap;
    let (x, y) = (i64::from(small.x), i64::from(small.y));
    let (right, bottom) = (i64::from(small.right()) - 1, i64::from(small.bottom()) - 1);
    let last = state.grid() - 1;
    point(&mut state, PointerKind::Press, x, y);
    assert_eq!(state.cursor, (0, 0));
    let first = state.camera;
    // Also when the hand slips off it.
    point(&mut state, PointerKind::Drag, right + 40, bottom + 9);
    assert_eq!(state.cursor, (last, last));
    assert!(state.camera.left > first.left && state.camera.top > first.top);
    point(&mut state, PointerKind::Release, right, bottom);
    assert!(state.grip.is_none() && state.cursor == (last, last));
    let (rows, cols) = state.projection().unwrap().visible();
    assert!(rows.contains(&last) && cols.contains(&last));
}

#[test]
fn what_the_side_pane_shows_can_be_clicked() {
    let mut state = opened(160, 60, Protocol::Kitty);
    let cell = state.cell().unwrap();
    let alike = state.about.nearest[0].0;
    let side = state.panes().side.unwrap();
    let rect = side.nearest_rects(state.screen.cell_pixels)[0];
    let (x, y) = (i64::from(rect.x), i64::from(rect.y));
    point(&mut state, PointerKind::Press, x, y);
    assert_eq!(state.cell(), Some(alike));
    press(&mut state, "<Backspace>");
    assert_eq!(state.cell(), Some(cell));
    let rect = side.exemplar_rects(state.screen.cell_pixels)[1];
    let (x, y) = (i64::from(rect.x), i64::from(rect.y));
    point(&mut state, PointerKind::Press, x, y);
    let Some(Overlay::Photos { selected, .. }) = state.overlay else {
        panic!("{:?}", state.overlay);
    };
    assert_eq!(selected, 1);
}
