//! Terminal pictures: ask the terminal what it can draw, send pictures once, move them by placements.
//!
//! No ratatui type and no atlas in here: pictures are PNG bytes with a key, placements are rectangles.

pub mod halfblock;
pub mod kitty;
pub mod probe;

/// Names a picture for as long as the program runs; the same key always means the same pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PictureKey(pub u64);

/// An encoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its name.
    pub key: PictureKey,
    /// PNG bytes (indexed or true colour).
    pub png: std::sync::Arc<[u8]>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// A rectangle in a picture's pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Width, > 0.
    pub width: u32,
    /// Height, > 0.
    pub height: u32,
}

/// A rectangle of the terminal in columns and rows, origin top left, 0-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// First column.
    pub column: u16,
    /// First row.
    pub row: u16,
    /// Columns, > 0.
    pub columns: u16,
    /// Rows, > 0.
    pub rows: u16,
}

/// A part of a picture scaled into a part of the screen. Later placements lie over earlier ones of lower or equal `z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Stable name: the same `id` in the next frame moves the placement instead of making another.
    pub id: u32,
    /// The picture.
    pub picture: PictureKey,
    /// What part of it.
    pub source: Source,
    /// Where it goes.
    pub target: Target,
    /// Stacking order.
    pub z: i32,
}

/// How pictures reach the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// kitty graphics, direct placements.
    Kitty,
    /// Two pixels per character, in 24-bit or 256 colours.
    HalfBlock {
        /// 24-bit colour.
        true_colour: bool,
    },
    /// No pictures at all (`NO_COLOR`, a dumb terminal): captions only.
    None,
}
