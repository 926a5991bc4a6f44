//! The palette: every action, layer, column and mark by name, found by a few letters.

use super::action::Action;
use super::column::Column;
use super::keymap::{KEYS, Keymap, Mode, readable};
use super::search::fuzzy;
use super::state::State;
use super::suspects::Head;

/// What can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// An action of the map.
    Action(Action),
    /// A layer by its index.
    Layer(usize),
    /// A column to colour by.
    Column(Column),
    /// A mark by its index.
    Mark(usize),
}

/// A line of the palette.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it does.
    pub choice: Choice,
    /// What it says.
    pub title: String,
    /// Its keys, for people.
    pub keys: String,
}

/// An open palette.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Palette {
    /// What was typed.
    pub query: String,
    /// Everything that there is.
    pub entries: Vec<Entry>,
    /// Index of an entry and which of its characters matched, best first.
    pub hits: Vec<(usize, Vec<u32>)>,
    /// Index into `hits`.
    pub selected: usize,
}

impl Palette {
    /// All of a state, with something typed already.
    pub fn open(state: &State, query: &str) -> Palette {
        let mut palette = Palette {
            query: query.to_owned(),
            entries: entries(state),
            ..Palette::default()
        };
        if !query.is_empty() {
            // Opened for something: what is meant comes before actions that mention it.
            let meant = |entry: &Entry| !matches!(entry.choice, Choice::Column(_));
            palette.entries.sort_by_key(meant);
        }
        palette.refresh();
        palette
    }

    /// Matches anew.
    pub fn refresh(&mut self) {
        self.selected = 0;
        self.hits = fuzzy(
            &self.query,
            self.entries.iter().map(|entry| entry.title.as_str()),
        );
    }

    /// What the bar is on.
    pub fn choice(&self) -> Option<Choice> {
        let (idx, _) = self.hits.get(self.selected)?;
        self.entries.get(*idx).map(|entry| entry.choice)
    }
}

fn entries(state: &State) -> Vec<Entry> {
    let mut list: Vec<Entry> = KEYS
        .iter()
        .filter(|b| b.group.mode() == Mode::Map && b.action != Action::GoToLayer)
        .map(|b| Entry {
            choice: Choice::Action(b.action),
            title: format!("{}: {}", b.name.replace('-', " "), b.doc),
            keys: keys(&state.keymap, b.action),
        })
        .collect();
    for column in Column::ALL {
        list.push(Entry {
            choice: Choice::Column(column),
            title: format!("colour by {}", column.name()),
            keys: String::new(),
        });
    }
    for head in Head::numbers() {
        let column = Column::Suspect(head);
        list.push(Entry {
            choice: Choice::Column(column),
            title: format!("colour by suspects' {}", head.title().replace('_', " ")),
            keys: String::new(),
        });
    }
    let layers = state.atlas.iter().flat_map(|atlas| &atlas.layers);
    for (idx, layer) in layers.enumerate() {
        list.push(Entry {
            choice: Choice::Layer(idx),
            title: format!("layer {}", layer.name),
            keys: if idx < 9 {
                (idx + 1).to_string()
            } else {
                String::new()
            },
        });
    }
    for (idx, mark) in state.marks.iter().enumerate() {
        let note = if mark.note.is_empty() {
            String::new()
        } else {
            format!(" {}", mark.note)
        };
        list.push(Entry {
            choice: Choice::Mark(idx),
            title: format!("go to mark {}{note}", mark.cell),
            keys: String::new(),
        });
    }
    list
}

fn keys(keymap: &Keymap, action: Action) -> String {
    let keys: Vec<String> = keymap
        .keys_of(action)
        .iter()
        .map(|key| readable(key))
        .collect();
    keys.join(" ")
}
