//! After every change: what is derived from the state is brought up to date, and photographs that came into sight are
//! asked for.

use super::travel::WALK;
use super::{classes, suspects};
use crate::explorer::action::Effect;
use crate::explorer::neighbours::Units;
use crate::explorer::photographs::{self, CropRequest, Part};
use crate::explorer::state::{Overlay, State};
use crate::explorer::worker::Work;
use crate::explorer::{made, photos_grid};
use std::sync::Arc;

/// Photographs that are chosen for a cell.
const EXEMPLARS: usize = 60;

pub(super) fn settle(state: &mut State) -> Vec<Effect> {
    if state.level().is_none() {
        return Vec::new();
    }
    classes::derive_again(state);
    refresh_units(state);
    suspects::before_about(state);
    refresh_about(state);
    suspects::after_about(state);
    let mut effects = Vec::new();
    if state.told != state.epoch {
        state.told = state.epoch;
        effects.extend(
            state
                .atlas
                .clone()
                .map(|atlas| Effect::Work(Work::Atlas(atlas))),
        );
    }
    effects.extend(suspects::settle(state));
    effects.extend(wish(state));
    effects
}

fn refresh_units(state: &mut State) {
    let name = (state.epoch << 20) | (state.layer as u64) << 8 | state.level_idx() as u64;
    if state.units.as_ref().is_some_and(|(of, _)| *of == name) {
        return;
    }
    let units = state
        .level()
        .map(|level| (name, Arc::new(Units::of(level))));
    state.units = units;
    state.walk = None;
}

fn refresh_about(state: &mut State) {
    let class = state.focus.map(|focus| focus.class);
    let cell = state.cell().or_else(|| state.cell_before());
    let (layer, level) = (state.layer, state.level_idx());
    let of = (layer, level, cell.unwrap_or(usize::MAX), class, state.epoch);
    let filter = state.class_view.as_ref().map(|view| view.filter);
    if state.about.of == Some(of) && state.about.filter == filter {
        return;
    }
    state.about.of = Some(of);
    state.about.filter = filter;
    state.about.nearest.clear();
    state.about.exemplars.clear();
    let (Some(cell), Some(layer), Some(level)) = (cell, state.layer(), state.level()) else {
        return;
    };
    let nearest = match &state.units {
        Some((_, units)) => units.nearest(cell, WALK),
        None => Vec::new(),
    };
    let view = state.class_view.as_ref();
    let keeps = view.map(|view| |sample: u32| view.keeps(sample));
    let keeps = keeps.as_ref().map(|keeps| keeps as &dyn Fn(u32) -> bool);
    let mut exemplars = photographs::exemplars(layer, level, cell, class, keeps);
    let n_images = exemplars.len();
    exemplars.truncate(EXEMPLARS);
    state.about.nearest = nearest;
    state.about.exemplars = exemplars;
    state.about.n_images = n_images;
}

/// The crops in sight that are not there yet; an effect when they are others than those asked for last.
fn wish(state: &mut State) -> Vec<Effect> {
    if !state.screen.has_pictures() {
        return Vec::new();
    }
    let in_sight = crops_in_sight(state);
    state
        .gallery
        .touch(in_sight.iter().map(|request| request.key));
    let lacking: Vec<CropRequest> = in_sight
        .into_iter()
        .filter(|request| state.gallery.lacks(request.key))
        .collect();
    let asked = lacking.iter().all(|request| state.wanted.contains(request));
    if asked {
        return Vec::new();
    }
    state.wanted.clone_from(&lacking);
    vec![Effect::Work(Work::Crops(lacking))]
}

fn crops_in_sight(state: &State) -> Vec<CropRequest> {
    let Some(layer) = state.layer() else {
        return Vec::new();
    };
    let exemplars = &state.about.exemplars;
    let request = |idx: usize, framed: bool| {
        let exemplar = exemplars.get(idx)?;
        let part = photographs::seen_by(layer, exemplar.position);
        Some(made::crop_request(exemplar.image, part, framed))
    };
    if let Some(Overlay::Photos { selected, whole }) = state.overlay {
        let large = request(selected, true);
        let others = photos_grid::in_sight(state).into_iter();
        let others = others.filter_map(|(idx, _)| {
            let exemplar = exemplars.get(idx)?;
            if whole {
                Some(made::crop_request(exemplar.image, Part::WHOLE, false))
            } else {
                request(idx, false)
            }
        });
        return large.into_iter().chain(others).collect();
    }
    let Some(side) = state.panes().side else {
        return Vec::new();
    };
    let n = side.exemplar_rects(state.screen.cell_pixels).len();
    let shown = state.shown_exemplars();
    let exemplars = shown.iter().take(n).map(|exemplar| {
        let part = photographs::seen_by(layer, exemplar.position);
        made::crop_request(exemplar.image, part, false)
    });
    located_photograph(state)
        .into_iter()
        .chain(exemplars)
        .collect()
}

/// The photograph beside its grid of icons, with a frame where the cursor is.
fn located_photograph(state: &State) -> Option<CropRequest> {
    let image = state
        .located
        .as_ref()?
        .image
        .filter(|_| state.in_photograph())?;
    Some(made::crop_request(image, Part::WHOLE, false))
}
