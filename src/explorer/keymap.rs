//! The keys: one table ([`KEYS`]) that feeds the lookup, the help screen, the palette, the README and the manual.
//!
//! A key is written as on the help screen: `j`, `C-d`, `S-Left`, `PageUp`. In a script of keys named keys and
//! chords stand in angle brackets: `jj<C-d>/gold<Enter>`.

mod config;
mod table;

pub use config::{BadConfig, parse};
pub use table::{Binding, Group, KEYS, Mode};

use super::action::{Action, Message};
use super::state::State;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::fmt::Write as _;

/// Which keys mean what: the table, or what a configuration made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keymap {
    /// The keys of each row of [`KEYS`].
    keys: Vec<Vec<String>>,
}

impl Default for Keymap {
    fn default() -> Self {
        let written = |b: &Binding| b.keys.iter().map(|&key| key.to_owned()).collect();
        Self {
            keys: KEYS.iter().map(written).collect(),
        }
    }
}

impl Keymap {
    /// The keys of an action, as they are written.
    pub fn keys_of(&self, action: Action) -> &[String] {
        let row = KEYS.iter().position(|b| b.action == action);
        row.and_then(|row| self.keys.get(row))
            .map_or(&[], |keys| keys)
    }

    /// The first key of an action as people read it; empty when it has none.
    pub fn key(&self, action: Action) -> String {
        self.keys_of(action)
            .first()
            .map(|key| readable(key))
            .unwrap_or_default()
    }

    fn set(&mut self, row: usize, keys: Vec<String>) {
        self.keys[row] = keys;
    }

    fn take_from_others(&mut self, owner: usize, key: &str) {
        let mode = KEYS[owner].group.mode();
        for (row, keys) in self.keys.iter_mut().enumerate() {
            if row != owner && KEYS[row].group.mode() == mode {
                keys.retain(|k| k != key);
            }
        }
    }

    /// The action of a written key in a mode, and which of the action's keys it is.
    fn lookup(&self, mode: Mode, key: &str) -> Option<(Action, usize)> {
        let rows = KEYS.iter().zip(&self.keys);
        let mut rows = rows.filter(|(b, _)| b.group.mode() == mode);
        rows.find_map(|(b, keys)| Some((b.action, keys.iter().position(|k| k == key)?)))
    }
}

/// The README's table of keys, so that it never tells anything else than the program.
pub fn markdown() -> String {
    let mut text = String::new();
    for group in Group::ALL {
        let rows: Vec<String> = KEYS
            .iter()
            .filter(|b| b.group == group)
            .map(|b| {
                let keys: Vec<String> = b
                    .keys
                    .iter()
                    .map(|key| format!("`{}`", readable(key)))
                    .collect();
                let keys = match &keys[..] {
                    [first, .., last] if keys.len() > 4 => format!("{first}…{last}"),
                    keys => keys.join(" "),
                };
                format!("{keys} {}", b.doc)
            })
            .collect();
        let _ = writeln!(text, "| {} | {} |", group.title(), rows.join("; "));
    }
    text
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

/// What a key means now.
pub fn message(state: &State, key: KeyEvent) -> Message {
    let mode = state.mode();
    let written = notation(key);
    let find = |mode| state.keymap.lookup(mode, written.as_ref()?);
    let elsewhere = (mode == Mode::Suspects).then_some(Mode::Map);
    let bound = find(mode).or_else(|| find(elsewhere?));
    match (bound, mode, key.code) {
        (Some((Action::GoToLayer, nth)), ..) => Message::Layer(nth),
        (Some((action, _)), ..) => Message::Act(action),
        (None, Mode::Line, KeyCode::Char(c))
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

/// The key of a name as it is written: `j`, `C-d`, `PageUp`.
fn named(name: &str) -> Option<KeyEvent> {
    let (modifiers, name) = match name.split_once('-') {
        Some((_, "")) => (KeyModifiers::NONE, name),
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
        "Delete" => KeyCode::Delete,
        _ => {
            let mut chars = name.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) => KeyCode::Char(c),
                (Some('F'), Some(_)) => {
                    KeyCode::F(name[1..].parse().ok().filter(|n| (1..=24).contains(n))?)
                }
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
            let kebab = b.name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            assert!(
                kebab && KEYS.iter().filter(|o| o.name == b.name).count() == 1,
                "{}",
                b.name
            );
        }
    }

    #[test]
    fn no_key_is_bound_twice_in_a_mode() {
        for mode in [
            Mode::Map,
            Mode::Line,
            Mode::Photos,
            Mode::Suspects,
            Mode::Help,
        ] {
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
                let found = Keymap::default().lookup(b.group.mode(), key);
                assert_eq!(found.map(|(action, _)| action), Some(b.action));
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
