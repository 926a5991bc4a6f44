//! Styles by what they mean.

use crate::explorer::state::Screen;
use ratatui::style::{Color, Modifier, Style};

/// The styles of the screen.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    /// Ordinary text: the terminal's own colours.
    pub plain: Style,
    /// Headings and what is under the cursor.
    pub strong: Style,
    /// What may be overlooked: units, lines, hints.
    pub faint: Style,
    /// What is chosen or at work.
    pub accent: Style,
    /// What supports a class.
    pub plus: Style,
    /// What opposes a class.
    pub minus: Style,
    /// Remarks.
    pub notice: Style,
}

impl Theme {
    /// With colours, or with bold, dim and reversed text alone.
    pub fn of(screen: &Screen) -> Theme {
        let plain = Style::new();
        let strong = Style::new().add_modifier(Modifier::BOLD);
        if !screen.colour {
            return Theme {
                plain,
                strong,
                faint: Style::new().add_modifier(Modifier::DIM),
                accent: strong,
                plus: plain,
                minus: plain,
                notice: strong,
            };
        }
        // Indexed colours of middle lightness: readable on black and on white, in 256-colour terminals too.
        let indexed = |idx: u8| Style::new().fg(Color::Indexed(idx));
        Theme {
            plain,
            strong,
            faint: indexed(244),
            accent: indexed(37).add_modifier(Modifier::BOLD),
            plus: indexed(32),
            minus: indexed(166),
            notice: indexed(136),
        }
    }

    /// Attributions by sign.
    pub fn signed(&self, value: f32) -> Style {
        if value < 0.0 { self.minus } else { self.plus }
    }
}
