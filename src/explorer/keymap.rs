//! The keys: one table that feeds the lookup, the help screen and the manual.
//!
//! A key is written as on the help screen: `j`, `C-d`, `S-Left`, `PageUp`. In a script of keys named keys and
//! chords stand in angle brackets: `jj<C-d>/gold<Enter>`.

use super::action::{Action, Message};
use super::state::{Overlay, State};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What must be on the screen for a key to count; also the headings of the help screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Moving the cursor.
    Move,
    /// Zoom and grid levels.
    Zoom,
    /// Classes and colouring.
    Classes,
    /// Layers and appearance.
    Show,
    /// The program.
    Program,
    /// Only while searching.
    Search,
    /// Only on the help screen.
    Help,
}

impl Group {
    /// All groups, as the help screen shows them.
    pub const ALL: [Group; 7] = [
        Group::Move,
        Group::Zoom,
        Group::Classes,
        Group::Show,
        Group::Program,
        Group::Search,
        Group::Help,
    ];

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Group::Move => "move",
            Group::Zoom => "zoom",
            Group::Classes => "classes",
            Group::Show => "layers and icons",
            Group::Program => "program",
            Group::Search => "while searching",
            Group::Help => "on this screen",
        }
    }

    /// Which keys exclude each other: those of one mode.
    pub fn mode(self) -> Mode {
        match self {
            Group::Search => Mode::Search,
            Group::Help => Mode::Help,
            _ => Mode::Map,
        }
    }
}

/// Who hears a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The map.
    Map,
    /// The search line.
    Search,
    /// The help screen.
    Help,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// What the keys mean.
    pub action: Action,
    /// Where it belongs.
    pub group: Group,
    /// The keys.
    pub keys: &'static [&'static str],
    /// One line of help.
    pub doc: &'static str,
}

const fn bind(
    group: Group,
    action: Action,
    keys: &'static [&'static str],
    doc: &'static str,
) -> Binding {
    Binding {
        action,
        group,
        keys,
        doc,
    }
}

/// Every action with its keys.
#[rustfmt::skip]
pub const KEYS: &[Binding] = &[
    bind(Group::Move, Action::Left, &["h", "Left"], "one cell left"),
    bind(Group::Move, Action::Down, &["j", "Down"], "one cell down"),
    bind(Group::Move, Action::Up, &["k", "Up"], "one cell up"),
    bind(Group::Move, Action::Right, &["l", "Right"], "one cell right"),
    bind(Group::Move, Action::JumpLeft, &["H", "S-Left", "b"], "to the next edge of occupied cells, left"),
    bind(Group::Move, Action::JumpDown, &["J", "S-Down"], "to the next edge, down"),
    bind(Group::Move, Action::JumpUp, &["K", "S-Up"], "to the next edge, up"),
    bind(Group::Move, Action::JumpRight, &["L", "S-Right", "w"], "to the next edge, right"),
    bind(Group::Move, Action::HalfPageDown, &["C-d"], "half a page down"),
    bind(Group::Move, Action::HalfPageUp, &["C-u"], "half a page up"),
    bind(Group::Move, Action::PageDown, &["PageDown", "C-f"], "a page down"),
    bind(Group::Move, Action::PageUp, &["PageUp", "C-b"], "a page up"),
    bind(Group::Move, Action::RowStart, &["Home", "0"], "first occupied cell of the row"),
    bind(Group::Move, Action::RowEnd, &["End", "$"], "last occupied cell of the row"),
    bind(Group::Move, Action::FirstCell, &["g"], "first occupied cell of the map"),
    bind(Group::Move, Action::LastCell, &["G"], "last occupied cell of the map"),
    bind(Group::Zoom, Action::ZoomIn, &["+", "="], "larger icons, then the next finer grid"),
    bind(Group::Zoom, Action::ZoomOut, &["-", "_"], "smaller icons, then the next coarser grid"),
    bind(Group::Zoom, Action::Finer, &["z"], "finer grid at the same scale"),
    bind(Group::Zoom, Action::Coarser, &["Z"], "coarser grid at the same scale"),
    bind(Group::Zoom, Action::Fit, &["f"], "the whole map"),
    bind(Group::Zoom, Action::Centre, &["."], "bring the cursor to the middle"),
    bind(Group::Classes, Action::Search, &["/"], "search a class, colour the map by it"),
    bind(Group::Classes, Action::NextStrongest, &["n"], "next strongest cell of the class"),
    bind(Group::Classes, Action::PreviousStrongest, &["N"], "previous strongest cell of the class"),
    bind(Group::Classes, Action::CycleColouring, &["c"], "colour what supports, what opposes, both"),
    bind(Group::Classes, Action::MoreIntense, &[">"], "stronger colouring"),
    bind(Group::Classes, Action::LessIntense, &["<"], "weaker colouring"),
    bind(Group::Classes, Action::Clear, &["Esc"], "no class, plain map"),
    bind(Group::Show, Action::NextLayer, &["Tab", "]"], "next deeper layer"),
    bind(Group::Show, Action::PreviousLayer, &["S-Tab", "["], "next shallower layer"),
    bind(Group::Show, Action::GoToLayer, &["1", "2", "3", "4", "5", "6", "7", "8", "9"], "that layer"),
    bind(Group::Show, Action::DensityIcons, &["d"], "icon size by number of activations"),
    bind(Group::Show, Action::CropIcons, &["i"], "middle of small icons, or all of them"),
    bind(Group::Show, Action::SidePane, &["s"], "side pane"),
    bind(Group::Program, Action::Help, &["?", "F1"], "this help"),
    bind(Group::Program, Action::Redraw, &["C-l"], "draw everything again"),
    bind(Group::Program, Action::Suspend, &["C-z"], "back to the shell for a while"),
    bind(Group::Program, Action::Quit, &["q", "C-c"], "quit"),
    bind(Group::Search, Action::SearchAccept, &["Enter"], "go to the class"),
    bind(Group::Search, Action::SearchCancel, &["Esc", "C-c"], "back without a change"),
    bind(Group::Search, Action::SearchDown, &["Down", "C-n", "Tab"], "next class"),
    bind(Group::Search, Action::SearchUp, &["Up", "C-p", "S-Tab"], "previous class"),
    bind(Group::Search, Action::SearchErase, &["Backspace", "C-h"], "erase a letter"),
    bind(Group::Search, Action::SearchEraseWord, &["C-w"], "erase a word"),
    bind(Group::Search, Action::SearchEraseAll, &["C-u"], "erase all"),
    bind(Group::Help, Action::HelpDown, &["j", "Down"], "a line down"),
    bind(Group::Help, Action::HelpUp, &["k", "Up"], "a line up"),
    bind(Group::Help, Action::HelpPageDown, &["PageDown", "Space"], "a page down"),
    bind(Group::Help, Action::HelpPageUp, &["PageUp", "b"], "a page up"),
    bind(Group::Help, Action::HelpClose, &["?", "q", "Esc", "F1", "Enter", "C-c"], "back to the map"),
];

/// The keys of an action, as they are written.
pub fn keys_of(action: Action) -> &'static [&'static str] {
    KEYS.iter()
        .find(|b| b.action == action)
        .map_or(&[], |b| b.keys)
}

/// A written key as people read it: `Ctrl-d`, `←`.
pub fn readable(key: &str) -> String {
    let (chord, name) = match key.split_once('-') {
        Some(("C", name)) => ("Ctrl-", name),
        Some(("S", name)) => ("Shift-", name),
        _ => ("", key),
    };
    let name = match name {
        "Left" => "←",
        "Down" => "↓",
        "Up" => "↑",
        "Right" => "→",
        "PageDown" => "PgDn",
        "PageUp" => "PgUp",
        name => name,
    };
    format!("{chord}{name}")
}

/// How a key is written, `None` for keys that are never bound.
pub fn notation(key: KeyEvent) -> Option<String> {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    let shift = key.modifiers.contains(KeyModifiers::SHIFT);
    let name = match key.code {
        KeyCode::Char(' ') => "Space".to_owned(),
        KeyCode::Char(c) => {
            // Shift is part of the character (`G`); terminals disagree on reporting it.
            let chord = if ctrl {
                format!("C-{}", c.to_lowercase())
            } else {
                c.to_string()
            };
            let alt = key.modifiers.contains(KeyModifiers::ALT);
            return (!alt).then_some(chord);
        }
        KeyCode::F(n) => format!("F{n}"),
        KeyCode::BackTab => return Some("S-Tab".to_owned()),
        KeyCode::Left => "Left".to_owned(),
        KeyCode::Right => "Right".to_owned(),
        KeyCode::Up => "Up".to_owned(),
        KeyCode::Down => "Down".to_owned(),
        KeyCode::Home => "Home".to_owned(),
        KeyCode::End => "End".to_owned(),
        KeyCode::PageUp => "PageUp".to_owned(),
        KeyCode::PageDown => "PageDown".to_owned(),
        KeyCode::Tab => "Tab".to_owned(),
        KeyCode::Enter => "Enter".to_owned(),
        KeyCode::Esc => "Esc".to_owned(),
        KeyCode::Backspace => "Backspace".to_owned(),
        KeyCode::Delete => "Delete".to_owned(),
        _ => return None,
    };
    Some(match (ctrl, shift) {
        (true, _) => format!("C-{name}"),
        (false, true) => format!("S-{name}"),
        (false, false) => name,
    })
}

/// The binding of a written key in a mode, and which of the binding's keys it is.
fn lookup(mode: Mode, key: &str) -> Option<(&'static Binding, usize)> {
    KEYS.iter()
        .filter(|b| b.group.mode() == mode)
        .find_map(|b| {
            let nth = b.keys.iter().position(|&k| k == key)?;
            Some((b, nth))
        })
}

/// What a key means now.
pub fn message(state: &State, key: KeyEvent) -> Message {
    let mode = match state.overlay {
        Some(Overlay::Search(_)) => Mode::Search,
        Some(Overlay::Help { .. }) => Mode::Help,
        None => Mode::Map,
    };
    let bound = notation(key).and_then(|written| lookup(mode, &written));
    match (bound, mode, key.code) {
        (Some((binding, nth)), ..) if binding.action == Action::GoToLayer => Message::Layer(nth),
        (Some((binding, _)), ..) => Message::Act(binding.action),
        (None, Mode::Search, KeyCode::Char(c))
            if !key
                .modifiers
                .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) =>
        {
            Message::Type(c)
        }
        _ => Message::Ignored,
    }
}

/// Reads a script of keys: characters stand for themselves, `<…>` holds a named key or a chord (`<C-d>`,
/// `<Enter>`, `<S-Left>`). Unknown names are left out.
pub fn script(text: &str) -> Vec<KeyEvent> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some((name, after)) = rest.strip_prefix('<').and_then(|r| r.split_once('>'))
            && !name.is_empty()
        {
            keys.extend(named(name));
            rest = after;
        } else {
            keys.push(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
            rest = &rest[c.len_utf8()..];
        }
    }
    keys
}

fn named(name: &str) -> Option<KeyEvent> {
    let (modifiers, name) = match name.split_once('-') {
        Some(("C", rest)) => (KeyModifiers::CONTROL, rest),
        Some(("S", rest)) => (KeyModifiers::SHIFT, rest),
        _ => (KeyModifiers::NONE, name),
    };
    let code = match name {
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "PageUp" => KeyCode::PageUp,
        "PageDown" => KeyCode::PageDown,
        "Tab" if modifiers == KeyModifiers::SHIFT => KeyCode::BackTab,
        "Tab" => KeyCode::Tab,
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "Backspace" => KeyCode::Backspace,
        "Space" => KeyCode::Char(' '),
        "F1" => KeyCode::F(1),
        _ => {
            let mut chars = name.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) => KeyCode::Char(c),
                _ => return None,
            }
        }
    };
    Some(KeyEvent::new(code, modifiers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_action_has_keys_and_a_line() {
        let bound: HashSet<Action> = KEYS.iter().map(|b| b.action).collect();
        assert_eq!(bound.len(), Action::COUNT);
        assert_eq!(KEYS.len(), Action::COUNT, "an action stands twice");
        for b in KEYS {
            assert!(!b.keys.is_empty() && !b.doc.is_empty(), "{:?}", b.action);
            assert!(b.doc.len() <= 48 && !b.doc.ends_with('.'), "{}", b.doc);
        }
    }

    #[test]
    fn no_key_is_bound_twice_in_a_mode() {
        for mode in [Mode::Map, Mode::Search, Mode::Help] {
            let mut seen = HashSet::new();
            for b in KEYS.iter().filter(|b| b.group.mode() == mode) {
                for key in b.keys {
                    assert!(seen.insert(key), "{key} twice in {mode:?}");
                }
            }
        }
    }

    #[test]
    fn every_written_key_can_be_pressed() {
        for b in KEYS {
            for &key in b.keys {
                let typed = if key.chars().count() == 1 {
                    key.to_owned()
                } else {
                    format!("<{key}>")
                };
                let pressed = script(&typed);
                assert_eq!(pressed.len(), 1, "{key}");
                assert_eq!(notation(pressed[0]).as_deref(), Some(key));
                let found = lookup(b.group.mode(), key).map(|(b, _)| b.action);
                assert_eq!(found, Some(b.action));
            }
        }
    }

    #[test]
    fn shift_is_part_of_a_character() {
        let shifted = KeyEvent::new(KeyCode::Char('G'), KeyModifiers::SHIFT);
        assert_eq!(notation(shifted).as_deref(), Some("G"));
        let alt = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::ALT);
        assert_eq!(notation(alt), None);
    }

    #[test]
    fn groups_are_listed_once() {
        for b in KEYS {
            assert_eq!(Group::ALL.iter().filter(|&&g| g == b.group).count(), 1);
        }
    }
}
