//! Lines that are typed: the class search, the palette, notes, paths, places.

use super::classes;
use super::{marks, suspects};
use crate::atlas::ClassId;
use crate::explorer::action::{Action, Effect};
use crate::explorer::palette::{Choice, Palette};
use crate::explorer::search::{Purpose, Search, erase_word};
use crate::explorer::state::{Overlay, Prompt, PromptKind, State};
use crate::explorer::typed::{Completed, Completion, path_of};
use crate::explorer::worker::{Photo, Work};

/// Opens a line, or edits it.
pub(super) fn act(state: &mut State, action: Action) {
    match action {
        Action::Search => open_search(state, Purpose::Focus),
        Action::Palette => open_palette(state, ""),
        Action::ColourBy => open_palette(state, "colour by "),
        Action::Note => {
            let note = state.mark().map(|mark| mark.note.clone());
            if state.link().is_some() {
                prompt(state, PromptKind::Note, note.unwrap_or_default());
            }
        }
        Action::GoTo => prompt(state, PromptKind::GoTo, String::new()),
        Action::Locate => prompt(state, PromptKind::Locate, String::new()),
        Action::ImageFolder => {
            let folder = state
                .folders
                .first()
                .map(|folder| folder.display().to_string());
            prompt(state, PromptKind::Folder, folder.unwrap_or_default());
        }
        Action::SearchErase => edit(state, |text| {
            text.pop();
        }),
        Action::SearchEraseWord => edit(state, erase_word),
        Action::SearchEraseAll => edit(state, String::clear),
        _ => {
            let by = if action == Action::SearchDown { 1 } else { -1 };
            match &mut state.overlay {
                Some(Overlay::Search(search)) => search.select(by),
                Some(Overlay::Palette(palette)) => {
                    let n = palette.hits.len() as i64;
                    if n > 0 {
                        palette.selected = (palette.selected as i64 + by).rem_euclid(n) as usize;
                    }
                }
                _ => {}
            }
        }
    }
}

pub(super) fn prompt(state: &mut State, kind: PromptKind, text: String) {
    if state.atlas.is_some() {
        state.overlay = Some(Overlay::Prompt(Prompt {
            kind,
            text,
            hint: String::new(),
        }));
    }
}

fn open_palette(state: &mut State, query: &str) {
    state.overlay = Some(Overlay::Palette(Palette::open(state, query)));
}

/// Opens the class search.
pub(super) fn open_search(state: &mut State, purpose: Purpose) {
    let Some(atlas) = &state.atlas else { return };
    if atlas.classes.is_empty() {
        state.notice = Some("this network has no classes".to_owned());
        return;
    }
    state.overlay = Some(Overlay::Search(Search {
        purpose,
        ..Search::default()
    }));
    edit(state, |_| {});
}

/// Changes the text of the line that is typed and what follows from it.
pub(super) fn edit(state: &mut State, change: impl FnOnce(&mut String)) {
    let order = preference(state);
    let Some(atlas) = state.atlas.clone() else {
        // The palette works before there is an atlas.
        if let Some(Overlay::Palette(palette)) = &mut state.overlay {
            change(&mut palette.query);
            palette.refresh();
        }
        return;
    };
    match &mut state.overlay {
        Some(Overlay::Search(search)) => {
            change(&mut search.query);
            let against = search.purpose;
            let others: Vec<ClassId> = order
                .into_iter()
                .filter(|&class| {
                    against != Purpose::Compare(class) && against != Purpose::Contrast(class)
                })
                .collect();
            search.refresh(&atlas.classes, &others);
        }
        Some(Overlay::Palette(palette)) => {
            change(&mut palette.query);
            palette.refresh();
        }
        Some(Overlay::Prompt(prompt)) => {
            change(&mut prompt.text);
            prompt.hint.clear();
            if prompt.kind == PromptKind::Filter {
                let words = prompt.text.clone();
                suspects::filter(state, &words);
            }
        }
        _ => {}
    }
}

/// Classes in the order of preference: by attribution to the cell under the cursor.
fn preference(state: &State) -> Vec<ClassId> {
    if !matches!(state.overlay, Some(Overlay::Search(_))) {
        return Vec::new();
    }
    if let (Some(level), Some(idx)) = (state.level(), state.cell()) {
        let ranked = level.ranked_classes(idx);
        return ranked.into_iter().map(|(class, _)| class).collect();
    }
    let n = state.atlas.as_ref().map_or(0, |atlas| atlas.classes.len());
    (0..n as ClassId).collect()
}

/// The search of an older snapshot on a new one; the bar stays on its class.
pub(super) fn search_again(state: &mut State) {
    let chosen = match &state.overlay {
        Some(Overlay::Search(search)) => search.class(),
        _ => return,
    };
    edit(state, |_| {});
    if let Some(Overlay::Search(search)) = &mut state.overlay {
        let at = search.hits.iter().position(|hit| Some(hit.class) == chosen);
        search.selected = at.unwrap_or(0);
    }
}

/// Takes what was typed or chosen.
pub(super) fn accept(state: &mut State) -> Vec<Effect> {
    match state.overlay.take() {
        Some(Overlay::Search(search)) => {
            match (search.purpose, search.class()) {
                (Purpose::Focus, Some(class)) => classes::choose(state, class),
                (Purpose::Compare(left), Some(right)) => classes::compare(state, left, right),
                (Purpose::Contrast(class), Some(other)) => {
                    suspects::contrast_with(state, class, other);
                }
                (_, None) => {}
            }
            Vec::new()
        }
        Some(Overlay::Palette(palette)) => match palette.choice() {
            Some(Choice::Action(action)) => super::act(state, action),
            Some(Choice::Layer(idx)) => {
                super::layers::go_to_layer(state, idx);
                Vec::new()
            }
            Some(Choice::Column(column)) => {
                classes::colour_by(state, column);
                Vec::new()
            }
            Some(Choice::Mark(idx)) => {
                marks::go_to_mark(state, idx);
                Vec::new()
            }
            None => Vec::new(),
        },
        Some(Overlay::Prompt(prompt)) => typed(state, &prompt),
        other => {
            state.overlay = other;
            Vec::new()
        }
    }
}

/// Asks for the end of a path that is typed; `None` when none is.
pub(super) fn complete(state: &State) -> Option<Vec<Effect>> {
    let Some(Overlay::Prompt(prompt)) = &state.overlay else {
        return None;
    };
    let folders = match prompt.kind {
        PromptKind::Folder => true,
        PromptKind::Locate | PromptKind::Patch => false,
        _ => return None,
    };
    let mut path = path_of(&prompt.text, state.home.as_deref());
    if prompt.text.trim_end().ends_with('/') || prompt.text.trim() == "~" {
        // The folder's own entries are meant.
        path.push("");
    }
    let typed = prompt.text.clone();
    let asked = Completion {
        typed,
        path,
        folders,
    };
    Some(vec![Effect::Work(Work::Complete(asked))])
}

/// The end of a path, unless something else was typed since.
pub(super) fn completed(state: &mut State, typed: &str, found: Completed) {
    if let Some(Overlay::Prompt(prompt)) = &mut state.overlay
        && prompt.text == typed
    {
        prompt.text = found.text;
        prompt.hint = found.hint;
    }
}

fn typed(state: &mut State, prompt: &Prompt) -> Vec<Effect> {
    let text = prompt.text.trim();
    match prompt.kind {
        PromptKind::Note => marks::write_note(state, text),
        PromptKind::GoTo => marks::go_to_text(state, text),
        PromptKind::Folder if !text.is_empty() => {
            let folder = path_of(text, state.home.as_deref());
            return vec![Effect::Work(Work::Folder(folder))];
        }
        PromptKind::Locate if !text.is_empty() => {
            state.locating = true;
            state.notice = Some(format!("locating {text}"));
            let path = path_of(text, state.home.as_deref());
            return vec![Effect::Work(Work::Locate(Photo::File(path)))];
        }
        PromptKind::Opinion => suspects::write_opinion(state, text),
        PromptKind::Filter => suspects::filter(state, text),
        PromptKind::Patch if !text.is_empty() => {
            let path = path_of(text, state.home.as_deref());
            return suspects::test_picture(state, &path.to_string_lossy());
        }
        PromptKind::Folder | PromptKind::Locate | PromptKind::Patch => {}
    }
    Vec::new()
}
