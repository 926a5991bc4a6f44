//! The suspects pane: its lists, choosing, ordering, filtering. What becomes of a candidate is in [`claims`].

mod claims;

pub(in crate::explorer) use claims::claims;
use claims::{finish, found, judge, report, test};
pub(super) use claims::{test_picture, write_opinion};

use super::{classes, line, marks, zoom};
use crate::explorer::action::{Action, Effect};
use crate::explorer::column::Column;
use crate::explorer::link::Link;
use crate::explorer::photographs::Exemplar;
use crate::explorer::search::Purpose;
use crate::explorer::state::{Overlay, PromptKind, State};
use crate::explorer::suspects::{Head, List, Record, Which, definition, id_of, why_missing};
use crate::explorer::worker::{Outcome, Task, Work};
use crate::suspects::Candidate;
use crate::suspects::claim::{Claim, Judgement};
use std::sync::Arc;

pub(super) fn act(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Suspects => toggle(state),
        Action::SuspectClose => close(state),
        Action::SuspectBack => return back(state),
        Action::SuspectMultiUse => show(
            state,
            if state.suspects.which == Which::MultiUse {
                Which::All
            } else {
                Which::MultiUse
            },
        ),
        Action::SuspectContrast => contrast(state),
        Action::SuspectFilter => {
            let filter = state.suspects.filter.clone();
            line::prompt(state, PromptKind::Filter, filter);
        }
        Action::SuspectTest => return test(state),
        Action::SuspectPictures => pictures(state),
        Action::SuspectPatch => line::prompt(state, PromptKind::Patch, String::new()),
        Action::SuspectNote => {
            let note = state.suspects.record().map(|r| r.claim.note.clone());
            if state.suspects.row().is_some() {
                line::prompt(state, PromptKind::Opinion, note.unwrap_or_default());
            }
        }
        Action::JudgeCore => judge(state, Judgement::Core),
        Action::JudgeShortcut => judge(state, Judgement::Shortcut),
        Action::JudgeUnsure => judge(state, Judgement::Unsure),
        Action::SuspectReport => return report(state),
        Action::SuspectExplain => explain(state),
        Action::SuspectColumnLeft => choose(state, -1),
        Action::SuspectColumnRight => choose(state, 1),
        Action::SuspectSort => sort(state),
        Action::SuspectColour => colour(state),
        _ => travel(state, action),
    }
    Vec::new()
}

/// The pictures of the candidate's test, large.
fn pictures(state: &mut State) {
    if !state.screen.has_pictures() {
        state.notice = Some("this terminal shows no pictures".to_owned());
    } else if state.suspects.shots().is_empty() {
        let key = state.keymap.key(Action::SuspectTest);
        state.notice = Some(format!("no pictures yet: {key} tests it"));
    } else {
        state.overlay = Some(Overlay::Shots { selected: 0 });
    }
}

fn toggle(state: &mut State) {
    if state.suspects.open {
        close(state);
    } else if state.atlas.is_some() {
        state.suspects.open = true;
        zoom::fit_if_untouched(state);
        arrange(state);
        go(state);
    }
}

fn close(state: &mut State) {
    state.suspects.open = false;
    zoom::fit_if_untouched(state);
}

/// Out of what was entered last: a running test, an explanation, a special list, a filter, the pane.
fn back(state: &mut State) -> Vec<Effect> {
    let board = &mut state.suspects;
    if let Some(running) = board.running.as_mut().filter(|running| !running.stopping) {
        running.stopping = true;
        state.notice = Some("stopping the test; what it found so far stays".to_owned());
        return vec![Effect::Work(Work::Bench(Task::Stop))];
    }
    if board.explains {
        board.explains = false;
    } else if board.which != Which::All {
        show(state, Which::All);
    } else if !board.filter.is_empty() {
        filter(state, "");
    } else {
        close(state);
    }
    Vec::new()
}

/// Shows another list.
pub(super) fn show(state: &mut State, which: Which) {
    let board = &mut state.suspects;
    board.which = which;
    board.selected = 0;
    board.rows.clear();
    board.order = None;
    // One contrast at a time is kept.
    let stale = |list: &List| matches!(list.which, Which::Contrast(..)) && list.which != which;
    board.lists.retain(|list| !stale(list));
    arrange(state);
    go(state);
}

/// Asks for the class to tell apart from that of the candidate; back to the whole list from a contrast.
fn contrast(state: &mut State) {
    if matches!(state.suspects.which, Which::Contrast(..)) {
        show(state, Which::All);
        return;
    }
    let class = state.suspects.candidate().map(|candidate| candidate.class);
    match class.or(state.focus.map(|focus| focus.class)) {
        Some(class) => line::open_search(state, Purpose::Contrast(class)),
        None => state.notice = Some("no candidate is chosen, so there is no class yet".to_owned()),
    }
}

/// Filters as it is typed.
pub(super) fn filter(state: &mut State, text: &str) {
    text.clone_into(&mut state.suspects.filter);
    arrange(state);
    go(state);
}

/// Rows anew, and what is coloured by them.
fn arrange(state: &mut State) {
    if let Some(atlas) = state.atlas.clone() {
        state.suspects.arrange(&atlas);
        recolour(state);
    }
}

fn recolour(state: &mut State) {
    if let Some(column) = &state.column
        && matches!(column.kind, Column::Suspect(_))
    {
        let column = (column.kind, column.low);
        classes::set_column(state, Some(column));
    }
}

fn travel(state: &mut State, action: Action) {
    let n = state.suspects.rows.len();
    let page = usize::from(state.panes().list.height.saturating_sub(2)).max(1);
    let at = state.suspects.selected;
    let to = match action {
        Action::SuspectDown => at + 1,
        Action::SuspectUp => at.saturating_sub(1),
        Action::SuspectPageDown => at + page,
        Action::SuspectPageUp => at.saturating_sub(page),
        Action::SuspectFirst => 0,
        _ => n,
    };
    select(state, to);
}

/// Puts the bar on a row, and the cursor of the map on its cell.
pub(super) fn select(state: &mut State, row: usize) {
    let n = state.suspects.rows.len();
    state.suspects.selected = row.min(n.saturating_sub(1));
    go(state);
}

/// The cursor of the map goes to the candidate's cell.
fn go(state: &mut State) {
    if !state.suspects.open {
        return;
    }
    let (Some(candidate), Some(atlas)) = (state.suspects.candidate().cloned(), &state.atlas) else {
        return;
    };
    let Some(layer) = atlas.layers.get(candidate.layer) else {
        return;
    };
    let link = Link {
        layer: layer.name.clone(),
        grid: candidate.cell.grid,
        row: candidate.cell.row,
        col: candidate.cell.col,
    };
    if state.link().as_ref() != Some(&link)
        && let Err(why) = marks::go_to_link(state, &link)
    {
        state.notice = Some(why);
    }
}

fn choose(state: &mut State, by: i64) {
    let n = Head::count() as i64;
    let board = &mut state.suspects;
    board.head = (board.head as i64 + by).rem_euclid(n) as usize;
    if board.explains {
        tell_meaning(state);
    }
}

fn explain(state: &mut State) {
    state.suspects.explains = !state.suspects.explains;
    if state.suspects.explains {
        tell_meaning(state);
    }
}

/// Where there is no side pane the status line explains.
fn tell_meaning(state: &mut State) {
    if state.panes().side.is_none() {
        let head = state.suspects.chosen();
        let missing = state.suspects.suspects();
        let missing = missing.and_then(|list| why_missing(list, head));
        let what = missing.unwrap_or(definition(head).0);
        state.notice = Some(format!("{}: {what}", head.title()));
    }
}

/// By the chosen column; once more turns it, and once more leaves it.
fn sort(state: &mut State) {
    let board = &mut state.suspects;
    let head = board.chosen();
    board.order = match board.order {
        Some((by, false)) if by == head => Some((head, true)),
        Some((by, true)) if by == head => None,
        _ => Some((head, false)),
    };
    let order = board.order;
    arrange(state);
    state.suspects.selected = 0;
    go(state);
    state.notice = Some(match order {
        Some((head, false)) => format!("ordered by {}", head.title()),
        Some((head, true)) => format!("ordered by {}, the other way round", head.title()),
        None => "in the order in which they were found".to_owned(),
    });
}

/// Colours the map by the chosen column (by the score where that is no number): high values, low values, no more.
fn colour(state: &mut State) {
    let chosen = state.suspects.chosen();
    let numeric = Head::numbers().any(|number| number == chosen);
    let head = if numeric { chosen } else { Head::Score };
    let kind = Column::Suspect(head);
    match state
        .column
        .as_ref()
        .map(|column| (column.kind, column.low))
    {
        Some((shown, false)) if shown == kind => classes::set_column(state, Some((kind, true))),
        Some((shown, true)) if shown == kind => classes::set_column(state, None),
        _ => classes::colour_by(state, kind),
    }
}

/// An answer from the bench.
pub(super) fn answer(state: &mut State, outcome: Outcome) {
    match outcome {
        Outcome::Found(which, epoch, suspects) => {
            let board = &mut state.suspects;
            if board.asked == Some((which, epoch)) {
                board.asked = None;
            }
            if epoch != state.epoch {
                return;
            }
            board.lists.retain(|list| list.which != which);
            let first = board.rows.is_empty();
            board.lists.push(List {
                which,
                epoch,
                suspects,
            });
            if which == board.which {
                arrange(state);
                if first {
                    go(state);
                }
            }
        }
        Outcome::Finding(number, finding) => found(state, number, finding),
        Outcome::Tested(number, tested) => finish(state, number, tested),
        Outcome::Reported(Ok(said) | Err(said)) => state.notice = Some(said),
    }
}

/// After every change: lists that are wanted are asked for, and the exemplars of the candidate stand in the side pane.
pub(super) fn settle(state: &mut State) -> Vec<Effect> {
    let epoch = state.epoch;
    let coloured = state
        .column
        .as_ref()
        .is_some_and(|column| matches!(column.kind, Column::Suspect(_)));
    let board = &mut state.suspects;
    let fresh = |list: &List| list.which == board.which && list.epoch == epoch;
    let wanted = (board.open || coloured) && !board.lists.iter().any(fresh);
    let asked = (board.which, epoch);
    let Some(atlas) = state.atlas.clone().filter(|_| wanted) else {
        return Vec::new();
    };
    if board.asked == Some(asked) {
        return Vec::new();
    }
    board.asked = Some(asked);
    vec![Effect::Work(Work::Bench(Task::Find(
        asked.0, asked.1, atlas,
    )))]
}

/// Another atlas: its cells are others, so records look for theirs, and lists are made again.
pub(super) fn replaced(state: &mut State) {
    let Some(atlas) = state.atlas.clone() else {
        return;
    };
    let epoch = state.epoch;
    let board = &mut state.suspects;
    // What is on the screen stays there until the new list comes, as far as its layers and classes exist.
    let fits = |candidate: &Candidate| {
        let classes = [Some(candidate.class), candidate.other];
        let known = |class: &u16| usize::from(*class) < atlas.classes.len();
        candidate.layer < atlas.layers.len() && classes.iter().flatten().all(known)
    };
    board
        .lists
        .retain(|list| list.epoch == epoch || list.suspects.candidates.iter().all(fits));
    board.recognise(&atlas);
    arrange(state);
}

/// The candidate under the bar, while the map's cursor is on its cell.
fn under_cursor(state: &State) -> Option<&Candidate> {
    let candidate = state
        .suspects
        .candidate()
        .filter(|_| state.suspects.open && state.layer().is_some())?;
    let link = state.link()?;
    let cell = candidate.cell;
    let here = (cell.grid, cell.row, cell.col) == (link.grid, link.row, link.col);
    (here && candidate.layer == state.layer).then_some(candidate)
}

/// Forgets what is known about the cell under the cursor when another candidate is shown.
pub(super) fn before_about(state: &mut State) {
    let shown = under_cursor(state).map(id_of);
    if state.suspects.shown != shown {
        state.suspects.shown = shown;
        state.about.of = None;
    }
}

/// The candidate's exemplars instead of the cell's.
pub(super) fn after_about(state: &mut State) {
    let Some(candidate) = under_cursor(state) else {
        return;
    };
    if candidate.exemplars.is_empty() {
        return;
    }
    let exemplars = candidate.exemplars.iter().map(|exemplar| Exemplar {
        sample: u32::MAX,
        image: exemplar.image,
        position: (exemplar.row.min(255) as u8, exemplar.col.min(255) as u8),
        attribution: None,
    });
    let exemplars: Vec<Exemplar> = exemplars.collect();
    state.about.n_images = exemplars.len();
    state.about.exemplars = exemplars;
}

/// Puts kept claims into the state.
pub(in crate::explorer) fn restore(state: &mut State, claims: &[Claim]) {
    let records = claims.iter().map(|claim| Record::of(None, claim.clone()));
    state.suspects.records = records.collect();
    if let Some(atlas) = state.atlas.clone() {
        state.suspects.recognise(&atlas);
    }
    arrange(state);
}

/// Chosen in the search: the class to tell apart.
pub(super) fn contrast_with(state: &mut State, class: u16, other: u16) {
    show(state, Which::Contrast(class, other));
}

/// What the map is coloured by, for the current rows.
pub(super) fn values(state: &State, head: Head) -> Option<Vec<f32>> {
    let atlas: &Arc<_> = state.atlas.as_ref()?;
    let level = state.level_idx();
    Some(state.suspects.values_on(atlas, state.layer, level, head))
}
