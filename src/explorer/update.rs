//! The one place where the state changes. Pure: what must be done outside comes back as effects.

mod classes;
mod layers;
mod line;
mod marks;
mod news;
mod photos;
mod pointer;
mod settle;
mod suspects;
mod travel;
mod zoom;

pub use classes::colour_by;
pub use marks::go_to_link;
pub use news::replace_atlas;
pub(super) use suspects::{claims, restore as restore_claims};
pub use zoom::set_cell_rows;

use super::action::{Action, Effect, Message};
use super::state::{Look, Overlay, State};
use crate::graphics::Protocol;

/// Changes of class, colours and view that undo remembers.
const UNDO_STEPS: usize = 100;

/// Applies a message.
pub fn update(state: &mut State, message: Message) -> Vec<Effect> {
    let before = state.look();
    let undoing = matches!(message, Message::Act(Action::Undo | Action::RedoView));
    // A look that a growing atlas or another layer takes away is not a change by the person.
    let by_person = matches!(message, Message::Act(_) | Message::Pointer(_));
    let mut effects = apply(state, message);
    if by_person && !undoing && state.atlas.is_some() {
        remember(state, before);
    }
    effects.extend(settle::settle(state));
    effects
}

fn remember(state: &mut State, before: Look) {
    if state.look() != before {
        state.redo.clear();
        state.undo.push(before);
        if state.undo.len() > UNDO_STEPS {
            state.undo.remove(0);
        }
    }
}

fn apply(state: &mut State, message: Message) -> Vec<Effect> {
    match message {
        Message::Resized {
            columns,
            rows,
            cell_pixels,
        } => {
            state.screen.columns = columns;
            state.screen.rows = rows;
            state.screen.cell_pixels = cell_pixels;
            zoom::fit_if_untouched(state);
            vec![Effect::PlaceAgain]
        }
        Message::Update(news) => {
            news::absorb(state, news);
            Vec::new()
        }
        Message::Answer(answer) => {
            photos::answer(state, answer);
            Vec::new()
        }
        Message::Pointer(pointer) => {
            pointer::pointer(state, pointer);
            Vec::new()
        }
        Message::Ignored => {
            state.notice = None;
            Vec::new()
        }
        Message::Type(c) => {
            line::edit(state, |text| text.push(c));
            Vec::new()
        }
        Message::Paste(pasted) => {
            // A line is typed: what is pasted into it has none of its own.
            let one_line: String = pasted.chars().filter(|c| !c.is_control()).collect();
            line::edit(state, |text| text.push_str(&one_line));
            Vec::new()
        }
        Message::Layer(idx) => {
            state.notice = None;
            layers::go_to_layer(state, idx);
            Vec::new()
        }
        Message::Act(action) => {
            state.notice = None;
            act(state, action)
        }
    }
}

fn act(state: &mut State, action: Action) -> Vec<Effect> {
    if action == Action::SearchDown
        && let Some(effects) = line::complete(state)
    {
        return effects;
    }
    match action {
        Action::Quit => return vec![Effect::Quit],
        Action::Redraw => return vec![Effect::StartAfresh],
        Action::Suspend => return vec![Effect::Suspend],
        Action::CopyLink => return marks::copy_link(state),
        Action::SearchAccept => return line::accept(state),
        Action::Help => state.overlay = Some(Overlay::Help { scroll: 0 }),
        Action::HelpClose | Action::SearchCancel | Action::PhotoClose => state.overlay = None,
        Action::HelpDown => scroll_help(state, 1),
        Action::HelpUp => scroll_help(state, -1),
        Action::HelpPageDown => scroll_help(state, i32::from(state.screen.rows / 2)),
        Action::HelpPageUp => scroll_help(state, -i32::from(state.screen.rows / 2)),
        Action::Search
        | Action::Palette
        | Action::ColourBy
        | Action::Note
        | Action::GoTo
        | Action::Locate
        | Action::ImageFolder
        | Action::SearchDown
        | Action::SearchUp
        | Action::SearchErase
        | Action::SearchEraseWord
        | Action::SearchEraseAll => line::act(state, action),
        Action::NextStrongest
        | Action::PreviousStrongest
        | Action::CycleColouring
        | Action::MoreIntense
        | Action::LessIntense
        | Action::ClassView
        | Action::Compare
        | Action::Clear
        | Action::Undo
        | Action::RedoView => classes::act(state, action),
        _ if action.is_about_suspects() => return suspects::act(state, action),
        Action::Mark | Action::NextMark | Action::PreviousMark | Action::Back => {
            marks::act(state, action);
        }
        Action::Photographs
        | Action::ActivationGrid
        | Action::PhotoLeft
        | Action::PhotoDown
        | Action::PhotoUp
        | Action::PhotoRight
        | Action::PhotoLocate
        | Action::PhotoWhole => return photos::act(state, action),
        Action::DensityIcons
        | Action::LargerIcons
        | Action::SmallerIcons
        | Action::CropIcons
        | Action::Outlines
        | Action::Labels
        | Action::LargeIcon
        | Action::SidePane
        | Action::LayerStrip => appearance(state, action),
        Action::NextLayer => layers::go_to_layer(state, state.layer + 1),
        Action::PreviousLayer => layers::go_to_layer(state, state.layer.wrapping_sub(1)),
        // The layer's number comes with `Message::Layer`.
        Action::GoToLayer => {}
        Action::ZoomIn
        | Action::ZoomOut
        | Action::Finer
        | Action::Coarser
        | Action::Fit
        | Action::Centre => zoom::zoom(state, action),
        _ => travel::travel(state, action),
    }
    Vec::new()
}

/// How icons are drawn and what is around the map.
fn appearance(state: &mut State, action: Action) {
    let has_strip = state.has_strip();
    let coarse = matches!(state.screen.protocol, Protocol::HalfBlock { .. });
    let display = &mut state.display;
    match action {
        Action::DensityIcons => {
            display.density_icons = !display.density_icons;
            state.notice = Some(if display.density_icons {
                format!(
                    "icons by density × {:.2}: ( and ) change it",
                    display.density
                )
            } else {
                "all icons of one size".to_owned()
            });
        }
        Action::LargerIcons | Action::SmallerIcons => {
            let factor = if action == Action::LargerIcons {
                1.25
            } else {
                0.8
            };
            display.density = (display.density * factor).clamp(0.2, 8.0);
            display.density_icons = true;
            state.notice = Some(format!("icons by density × {:.2}", display.density));
        }
        Action::CropIcons => {
            display.crop = !display.crop;
            let crop = if display.crop {
                "small icons show their middle"
            } else {
                "whole icons"
            };
            state.notice = Some(crop.to_owned());
        }
        Action::Outlines => {
            display.outlines = !display.outlines;
            if display.outlines && coarse {
                state.notice = Some("half-blocks are too coarse for outlines".to_owned());
            }
        }
        Action::Labels => {
            display.labels = !display.labels;
            let classes = state
                .atlas
                .as_ref()
                .is_some_and(|atlas| !atlas.classes.is_empty());
            if display.labels && !classes {
                state.notice = Some("this network has no classes to name".to_owned());
            }
        }
        Action::LargeIcon => {
            display.finer_icon = !display.finer_icon;
            let what = if display.finer_icon {
                "large icon: the cells of the next finer grid"
            } else {
                "large icon: the cell's own"
            };
            state.notice = Some(what.to_owned());
        }
        Action::LayerStrip => {
            display.strip = Some(!has_strip);
            zoom::fit_if_untouched(state);
        }
        _ => {
            display.side = !display.side;
            zoom::fit_if_untouched(state);
        }
    }
}

fn scroll_help(state: &mut State, by: i32) {
    let longest = super::view::help::height(state.screen.columns);
    let most = longest.saturating_sub(state.screen.rows.saturating_sub(1));
    if let Some(Overlay::Help { scroll }) = &mut state.overlay {
        *scroll = (i32::from(*scroll) + by).clamp(0, i32::from(most)) as u16;
    }
}
