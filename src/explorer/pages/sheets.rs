//! Pictures beside the map: what is cut out of stored tiles is drawn onto sheets of its own, one for the large icon
//! and one for the icons of alike cells.
//!
//! Cut out of the tiles themselves they would cost nothing if the tiles were there, but the map in pages does without
//! them, and a dozen pictures that change with every step of the cursor are a dozen commands.

use super::super::pictures;
use super::super::placement::pixels_per_cell;
use super::super::state::State;
use super::name;
use crate::graphics::page::Page;
use crate::graphics::{PictureKey, Placement, Protocol, Source, Target};
use std::collections::HashMap;

/// Names of placements from here on are those of alike cells' icons.
const ALIKE: u32 = super::super::beside::NEAREST_ID;

/// The placements beside the map, those out of tiles gathered.
pub(super) fn gathered(
    state: &State,
    beside: Vec<Placement>,
    holds: &dyn Fn(PictureKey) -> bool,
    pages: &mut HashMap<PictureKey, Page>,
) -> Vec<Placement> {
    let characters = state.screen.protocol == Protocol::Placeholders;
    let (tiles, others): (Vec<Placement>, Vec<Placement>) = beside
        .into_iter()
        .partition(|p| pictures::is_tile(p.picture));
    let (alike, large): (Vec<Placement>, Vec<Placement>) =
        tiles.into_iter().partition(|p| p.id >= ALIKE);
    let mut list = Vec::new();
    // The large icon keeps its place, however much of it is drawn: where it stands is not written again.
    let pane = state.panes().side.map(|side| side.icon);
    let pane = pane.filter(|_| characters).map(|pane| Target {
        column: pane.x,
        row: pane.y,
        columns: pane.width,
        rows: pane.height,
    });
    for (group, pane) in [(large, pane), (alike, None)] {
        match group[..] {
            [] => {}
            // A part of a tile that is there costs nothing.
            [one] if !characters && holds(one.picture) => list.push(one),
            _ => list.extend(sheet(state, &group, pane, pages)),
        }
    }
    for placement in others {
        if characters {
            list.extend(sheet(state, &[placement], None, pages));
        } else {
            list.push(placement);
        }
    }
    list
}

/// One picture of several, in no more pixels than they have or the screen shows, as large as they reach or as said. Its
/// characters have the screen's shape: terminals that place pictures by characters keep the shape of a picture.
fn sheet(
    state: &State,
    group: &[Placement],
    target: Option<Target>,
    pages: &mut HashMap<PictureKey, Page>,
) -> Option<Placement> {
    let first = group.first()?;
    let target = target.map_or_else(|| around(group), Some)?;
    let (w, h) = pixels_per_cell(state);
    let wanted = |p: &Placement| {
        let across = p.source.width.div_ceil(u32::from(p.target.columns.max(1)));
        let down = p.source.height.div_ceil(u32::from(p.target.rows.max(1)));
        across.max((down * w).div_ceil(h))
    };
    let across = group.iter().map(wanted).max().unwrap_or(1).clamp(1, w);
    let down = ((across * h + w / 2) / w).max(1);
    let sprites = group.iter().map(|&placement| Placement {
        // What the page is called must not depend on where it lies.
        id: 0,
        target: Target {
            column: placement.target.column - target.column,
            row: placement.target.row - target.row,
            ..placement.target
        },
        z: 0,
        ..placement
    });
    let page = Page {
        columns: target.columns,
        rows: target.rows,
        cell_pixels: (across as u16, down as u16),
        sprites: sprites.collect(),
        veils: Vec::new(),
        true_colour: group.iter().any(|p| !pictures::is_tile(p.picture)),
    };
    let (width, height) = page.pixels();
    let picture = name(&page);
    pages.insert(picture, page);
    Some(Placement {
        id: first.id,
        picture,
        source: Source {
            x: 0,
            y: 0,
            width,
            height,
        },
        target,
        z: first.z,
    })
}

/// The rectangle around them all.
fn around(group: &[Placement]) -> Option<Target> {
    let column = group.iter().map(|p| p.target.column).min()?;
    let row = group.iter().map(|p| p.target.row).min()?;
    let right = group.iter().map(|p| p.target.column + p.target.columns);
    let bottom = group.iter().map(|p| p.target.row + p.target.rows);
    Some(Target {
        column,
        row,
        columns: right.max()? - column,
        rows: bottom.max()? - row,
    })
}
