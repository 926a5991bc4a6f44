//! Looking at one class: how strongly every cell speaks for or against it.

use super::column::Coloured;
use crate::atlas::{ClassId, Level};

/// Which influence the map shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colouring {
    /// Cells that support the class stay, others fade.
    #[default]
    Supports,
    /// Cells that oppose the class stay, others fade.
    Opposes,
    /// All cells, tinted by sign and strength.
    Both,
}

impl Colouring {
    /// The one after this, in a circle.
    #[must_use]
    pub fn next(self) -> Colouring {
        match self {
            Colouring::Supports => Colouring::Opposes,
            Colouring::Opposes => Colouring::Both,
            Colouring::Both => Colouring::Supports,
        }
    }

    /// What is looked for, as a positive number: the attribution, its negative, or its size.
    pub fn wanted(self, value: f32) -> f32 {
        match self {
            Colouring::Supports => value,
            Colouring::Opposes => -value,
            Colouring::Both => value.abs(),
        }
    }
}

/// The class that the map is coloured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Focus {
    /// The class.
    pub class: ClassId,
    /// What of it.
    pub colouring: Colouring,
}

/// How one cell is drawn while a class is looked at. Strengths go from 0 to [`STRENGTHS`] − 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shade {
    /// Faded by this much, 0 = not at all.
    Faded(u8),
    /// The same, with the sign of what opposes.
    FadedMinus(u8),
    /// Tinted as supporting.
    Plus(u8),
    /// Tinted as opposing.
    Minus(u8),
}

/// Number of steps of strength.
pub const STRENGTHS: u8 = 16;

/// Marks with a sign start at this share of the reference; weaker cells would only make noise.
const MARKED: f32 = 0.25;

/// A class's influence on one level, ready to be asked cell by cell.
#[derive(Debug, Clone, Copy)]
pub struct Influence<'a> {
    level: &'a Level,
    focus: Focus,
    /// The attribution that is drawn at full strength: the largest of the wanted sign among the level's cells.
    pub reference: f32,
    intensity: f32,
}

impl<'a> Influence<'a> {
    /// `intensity` multiplies strengths (1 = as is).
    ///
    /// The article's viewer takes one class's maximum as the reference of all; here every class and sign has
    /// its own, so that weak classes can be seen as well.
    pub fn new(level: &'a Level, focus: Focus, intensity: f32) -> Influence<'a> {
        let wanted = (0..level.cells.len())
            .map(|idx| focus.colouring.wanted(level.attribution(idx, focus.class)));
        let reference = wanted.filter(|v| v.is_finite()).fold(0.0, f32::max);
        Influence {
            level,
            focus,
            reference,
            intensity,
        }
    }

    /// How cell `idx` is drawn.
    pub fn shade(&self, idx: usize) -> Shade {
        let value = self.level.attribution(idx, self.focus.class);
        let share = if self.reference > 0.0 {
            (self.focus.colouring.wanted(value) / self.reference * self.intensity).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let steps = f32::from(STRENGTHS - 1);
        let strength = (share * steps).round() as u8;
        let fade = STRENGTHS - 1 - strength;
        match self.focus.colouring {
            Colouring::Both if value >= 0.0 => Shade::Plus(strength),
            Colouring::Both => Shade::Minus(strength),
            Colouring::Opposes if share >= MARKED => Shade::FadedMinus(fade),
            Colouring::Supports | Colouring::Opposes => Shade::Faded(fade),
        }
    }
}

/// What colours the map.
#[derive(Debug, Clone, Copy)]
pub enum Tinting<'a> {
    /// A class.
    Class(Influence<'a>),
    /// A column, at a strength.
    Column(&'a Coloured, f32),
}

impl Tinting<'_> {
    /// How cell `idx` is drawn.
    pub fn shade(&self, idx: usize) -> Shade {
        match self {
            Tinting::Class(influence) => influence.shade(idx),
            Tinting::Column(column, intensity) => column.shade(idx, *intensity),
        }
    }
}

/// Cells with fewer samples are ranked behind all others (no icon is drawn for them by default).
const RELIABLE: u32 = 3;

/// Cells by falling influence of the wanted sign; cells without any are left out. Ties go to the earlier cell.
pub fn strongest(level: &Level, focus: Focus) -> Vec<usize> {
    let influence = |idx: usize| focus.colouring.wanted(level.attribution(idx, focus.class));
    let mut cells: Vec<(usize, f32)> = (0..level.cells.len())
        .map(|idx| (idx, influence(idx)))
        .filter(|&(_, v)| v > 0.0)
        .collect();
    // A cell of one or two samples is loud by chance: those come after all others.
    let thin = |idx: usize| level.cells[idx].n_samples < RELIABLE;
    cells.sort_by(|a, b| {
        let by_count = thin(a.0).cmp(&thin(b.0));
        by_count.then(b.1.total_cmp(&a.1)).then(a.0.cmp(&b.0))
    });
    cells.into_iter().map(|(idx, _)| idx).collect()
}
