//! Other keys from a configuration file, and what is wrong with a bad one.
//!
//! ```toml
//! background = "light"         # where the terminal does not tell; read elsewhere, above [keys]
//!
//! [keys]
//! zoom-in = ["+", "PageUp"]
//! quit = "Q"
//! suspend = []                 # no key at all
//! ```

use super::table::KEYS;
use super::{Keymap, named};
use crossterm::event::KeyEvent;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// What is wrong with a configuration file, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct BadConfig {
    /// Line of the file, from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
    /// A way out.
    pub hint: Option<String>,
}

/// Reads a configuration. An action's keys replace those of the table; a key that another action has is taken from
/// it, unless the file gives it to both. What is called as one of `others` is left to whoever reads those.
///
/// # Errors
/// Text that is no TOML, unknown sections, actions and keys, and keys that are given twice.
pub fn parse(text: &str, others: &[&str]) -> Result<Keymap, BadConfig> {
    let at = |span: Range<usize>| 1 + text[..span.start.min(text.len())].matches('\n').count();
    let bad = |span: Range<usize>, what: String, hint: Option<String>| BadConfig {
        line: at(span),
        what,
        hint,
    };
    let table = DeTable::parse(text).map_err(|error| {
        bad(
            error.span().unwrap_or(0..0),
            error.message().to_owned(),
            Some("a line is `action = [\"key\", \"key\"]`".to_owned()),
        )
    })?;
    let mut map = Keymap::default();
    let mut given: Vec<(usize, String)> = Vec::new();
    for (section, content) in table.get_ref() {
        let name = section.get_ref().as_ref();
        if others.contains(&name) {
            continue;
        }
        if name != "keys" {
            let what = format!("no section {name:?}");
            let all: Vec<&str> = std::iter::once("[keys]")
                .chain(others.iter().copied())
                .collect();
            let hint = format!("there are {}", all.join(", "));
            return Err(bad(section.span(), what, Some(hint)));
        }
        let DeValue::Table(actions) = content.get_ref() else {
            let hint = "write [keys] and the actions below it".to_owned();
            return Err(bad(
                content.span(),
                "keys is no table".to_owned(),
                Some(hint),
            ));
        };
        for (action, keys) in actions {
            let name = action.get_ref().as_ref();
            let Some(idx) = KEYS.iter().position(|b| b.name == name) else {
                let what = format!("no action is called {name:?}");
                let hint = if others.contains(&name) {
                    format!("{name} stands above [keys]")
                } else {
                    format!("the nearest name is {:?}", nearest(name))
                };
                return Err(bad(action.span(), what, Some(hint)));
            };
            let written = keys_of(keys.get_ref()).ok_or_else(|| {
                let hint = format!("{name} = [\"x\", \"C-x\"]");
                bad(
                    keys.span(),
                    "keys are text in a list".to_owned(),
                    Some(hint),
                )
            })?;
            let mut canonical = Vec::new();
            for key in written {
                let found = pressed(&key).and_then(super::notation);
                let Some(key) = found else {
                    let hint = "keys are written j, G, C-d, S-Left, PageUp, F1, Space".to_owned();
                    return Err(bad(keys.span(), format!("{key:?} is no key"), Some(hint)));
                };
                let mode = KEYS[idx].group.mode();
                let twice = given
                    .iter()
                    .find(|(other, k)| *k == key && KEYS[*other].group.mode() == mode);
                if let Some((other, _)) = twice {
                    let what = format!("{key} is given to {} as well", KEYS[*other].name);
                    return Err(bad(keys.span(), what, None));
                }
                given.push((idx, key.clone()));
                canonical.push(key);
            }
            map.set(idx, canonical);
        }
    }
    // A key that was given to one action is taken from the one that has it by default.
    for (idx, key) in &given {
        map.take_from_others(*idx, key);
    }
    Ok(map)
}

fn keys_of(value: &DeValue<'_>) -> Option<Vec<String>> {
    match value {
        DeValue::String(key) => Some(vec![key.to_string()]),
        DeValue::Array(keys) => keys
            .iter()
            .map(|key| match key.get_ref() {
                DeValue::String(key) => Some(key.to_string()),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

fn pressed(key: &str) -> Option<KeyEvent> {
    named(key)
}

/// The action's name with the fewest changed letters.
fn nearest(name: &str) -> &'static str {
    let best = KEYS.iter().min_by_key(|b| distance(b.name, name));
    best.map_or("", |b| b.name)
}

/// Letters to change, add, leave out or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let changed = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                let swap = if swapped {
                    table[i - 2][j - 2] + 1
                } else {
                    changed
                };
                changed
                    .min(swap)
                    .min(table[i - 1][j] + 1)
                    .min(table[i][j - 1] + 1)
            };
        }
    }
    table[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explorer::action::Action;

    #[test]
    fn keys_are_replaced_and_taken_from_others() {
        let map = parse(
            "[keys]\nzoom-in = [\"x\", \"PageUp\"]\nquit = 'Q'\nsuspend = []\n",
            &[],
        )
        .unwrap();
        assert_eq!(map.keys_of(Action::ZoomIn), ["x", "PageUp"]);
        assert_eq!(map.keys_of(Action::Quit), ["Q"]);
        assert!(map.keys_of(Action::Suspend).is_empty());
        assert!(map.keys_of(Action::Compare).is_empty(), "x was taken");
        assert_eq!(map.keys_of(Action::PageUp), ["C-b"]);
        // Another mode keeps its own.
        assert!(
            map.keys_of(Action::HelpPageUp)
                .contains(&"PageUp".to_owned())
        );
    }

    #[test]
    fn an_empty_file_is_the_table() {
        assert_eq!(parse("", &[]).unwrap(), Keymap::default());
        assert_eq!(parse("[keys]\n", &[]).unwrap(), Keymap::default());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let said = |text: &str| {
            let error = parse(text, &[]).unwrap_err();
            (
                error.line,
                format!("{error}; {}", error.hint.clone().unwrap_or_default()),
            )
        };
        let (line, text) = said("# mine\n[keys]\nleft = 'h'\nzoomin = '+'\n");
        assert_eq!(line, 4);
        assert!(
            text.contains("zoomin") && text.contains("\"zoom-in\""),
            "{text}"
        );
        let (line, text) = said("[keys]\nleft = ['Hyper-x']\n");
        assert!(line == 2 && text.contains("Hyper-x"), "{text}");
        let (line, text) = said("[keys]\nleft = 'x'\nright = 'x'\n");
        assert!(line == 3 && text.contains("left"), "{text}");
        let (line, text) = said("[keys]\n\nleft = \n");
        assert!(line == 3, "{text}");
        let (line, text) = said("[colours]\n");
        assert!(line == 1 && text.contains("[keys]"), "{text}");
        let (line, text) = said("[keys]\nleft = 3\n");
        assert!(line == 2 && text.contains("list"), "{text}");
    }
}
