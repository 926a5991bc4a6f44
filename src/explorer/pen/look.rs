//! Colours and attributes, and the sequences that change them.

use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};

/// Colours and attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) fg: Color,
    pub(super) bg: Color,
    pub(super) modifier: Modifier,
}

impl Look {
    pub(super) const PLAIN: Look = Look {
        fg: Color::Reset,
        bg: Color::Reset,
        modifier: Modifier::empty(),
    };

    pub(super) fn of(cell: &Cell) -> Look {
        Look {
            fg: cell.fg,
            bg: cell.bg,
            modifier: cell.modifier,
        }
    }

    /// True when a space in it is an erased place.
    pub(super) fn erases(self) -> bool {
        let seen = Modifier::REVERSED | Modifier::UNDERLINED | Modifier::CROSSED_OUT;
        self.bg == Color::Reset && !self.modifier.intersects(seen)
    }

    /// True when nothing but the text's colour is special.
    pub(super) fn is_only_a_foreground(self) -> bool {
        let plain = Look {
            fg: self.fg,
            ..Look::PLAIN
        };
        self == plain && self.fg != Color::Reset
    }

    /// The text's colour as the background: what a space needs to look like a full block.
    pub(super) fn swapped(self) -> Look {
        Look {
            bg: self.fg,
            ..Look::PLAIN
        }
    }

    /// The parameters that turn `self` into `to`, by what differs or from the beginning, whichever is shorter.
    pub(super) fn parameters_to(self, to: Look) -> String {
        let changes = changes(self, to);
        let afresh = changes_from_plain(to);
        if afresh.len() + 1 < changes.len() || to == Look::PLAIN {
            afresh
        } else {
            changes
        }
    }
}

/// Parameters that begin with a reset.
fn changes_from_plain(look: Look) -> String {
    let changes = changes(Look::PLAIN, look);
    if changes.is_empty() {
        String::new()
    } else {
        format!("0;{changes}")
    }
}

/// An attribute, the number that sets it and the one that takes it away.
const ATTRIBUTES: [(Modifier, u8, u8); 9] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::SLOW_BLINK, 5, 25),
    (Modifier::RAPID_BLINK, 6, 25),
    (Modifier::REVERSED, 7, 27),
    (Modifier::HIDDEN, 8, 28),
    (Modifier::CROSSED_OUT, 9, 29),
];

fn changes(from: Look, to: Look) -> String {
    let mut numbers: Vec<String> = Vec::new();
    let mut has = from.modifier;
    for (attribute, _, off) in ATTRIBUTES {
        if has.contains(attribute) && !to.modifier.contains(attribute) {
            numbers.push(off.to_string());
            // Some numbers take two attributes away.
            for (other, _, number) in ATTRIBUTES {
                if number == off {
                    has.remove(other);
                }
            }
        }
    }
    for (attribute, on, _) in ATTRIBUTES {
        if to.modifier.contains(attribute) && !has.contains(attribute) {
            numbers.push(on.to_string());
        }
    }
    if from.fg != to.fg {
        numbers.push(colour(to.fg, 30));
    }
    if from.bg != to.bg {
        numbers.push(colour(to.bg, 40));
    }
    numbers.join(";")
}

/// The parameters of a colour, counted from 30 for the foreground and 40 for the background.
fn colour(colour: Color, base: u8) -> String {
    let (number, bright) = match colour {
        Color::Reset => return (base + 9).to_string(),
        Color::Rgb(r, g, b) => return format!("{};2;{r};{g};{b}", base + 8),
        Color::Indexed(idx) => return format!("{};5;{idx}", base + 8),
        Color::Black => (0, false),
        Color::Red => (1, false),
        Color::Green => (2, false),
        Color::Yellow => (3, false),
        Color::Blue => (4, false),
        Color::Magenta => (5, false),
        Color::Cyan => (6, false),
        Color::Gray => (7, false),
        Color::DarkGray => (0, true),
        Color::LightRed => (1, true),
        Color::LightGreen => (2, true),
        Color::LightYellow => (3, true),
        Color::LightBlue => (4, true),
        Color::LightMagenta => (5, true),
        Color::LightCyan => (6, true),
        Color::White => (7, true),
    };
    (base + number + if bright { 60 } else { 0 }).to_string()
}
