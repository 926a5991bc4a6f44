//! Terminal pictures: ask the terminal what it can draw, send pictures once, move them by placements.
//!
//! No ratatui type and no atlas in here: pictures are PNG bytes with a key, placements are rectangles.
//!
//! A frame goes like this: the caller says which part of which picture belongs where ([`Placement`]); a
//! [`BackEnd`] answers with the text cells that have to stand in the caller's text buffer ([`Frame::cells`]) and
//! with the bytes that go to the terminal after the text. Half-blocks are cells only, kitty's direct placements
//! bytes only, kitty's placeholders both; sixel and iTerm2 are bytes and places where no text may be written.
//!
//! | module | holds |
//! |---|---|
//! | [`probe`] | one question to the terminal, the parsed answers, the decision |
//! | [`terminal`] | raw mode and the alternate screen, given back whatever happens |
//! | [`input`] | what the terminal sends: keys told from answers |
//! | [`pace`] | how much may be on its way: the fence and the line's bandwidth |
//! | [`page`] | many small pictures made into one |
//! | [`kitty`] | upload once, place by difference |
//! | [`placeholder`] | the same through tmux: pictures placed by characters |
//! | [`raster`] | what is drawn anew in every frame: only what changed, coarsely while moving |
//! | [`sixel`], [`iterm`] | its two encodings |
//! | [`halfblock`] | two pixels per character |
//! | [`decode`] | PNG → RGBA, cached |
//! | [`oneshot`] | one picture printed between lines of text, no alternate screen |

pub mod decode;
pub mod halfblock;
pub mod input;
pub mod iterm;
pub mod kitty;
pub mod oneshot;
pub mod pace;
pub mod page;
pub mod placeholder;
pub mod probe;
pub mod raster;
pub mod sixel;
pub mod terminal;

pub use halfblock::HalfCell;
pub use placeholder::Placeholder;
pub use probe::Capabilities;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

impl Source {
    /// The part of the rectangle that lies inside a picture of `width` × `height` pixels, if any.
    #[must_use]
    pub fn clipped(self, width: u32, height: u32) -> Option<Self> {
        let inside = Self {
            width: self.width.min(width.checked_sub(self.x)?),
            height: self.height.min(height.checked_sub(self.y)?),
            ..self
        };
        (inside.width > 0 && inside.height > 0).then_some(inside)
    }
}

/// A rectangle of the terminal in columns and rows, origin top left, 0-based.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

/// A part of a picture scaled into a part of the screen.
///
/// Where two placements overlap, the one with the higher `z` lies on top; overlapping placements of equal `z` are
/// stacked as the terminal likes (kitty orders them by its own picture numbers), so give those different ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Stable name: the same `id` in the next frame moves the placement instead of making another. Unique in a
    /// frame; at most `u32::MAX - 1`.
    pub id: u32,
    /// The picture.
    pub picture: PictureKey,
    /// What part of it.
    pub source: Source,
    /// Where it goes.
    pub target: Target,
    /// Stacking order. Below zero kitty draws under the text; Konsole then draws nothing, so prefer ≥ 0.
    pub z: i32,
}

/// How pictures reach the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// kitty graphics, direct placements.
    Kitty,
    /// kitty graphics, placed by characters of the text.
    Placeholders,
    /// iTerm2's inline pictures (OSC 1337), JPEG.
    Iterm,
    /// Sixel.
    Sixel,
    /// Two pixels per character, in 24-bit or 256 colours.
    HalfBlock {
        /// 24-bit colour.
        true_colour: bool,
    },
    /// No pictures at all (`NO_COLOR`, a dumb terminal): captions only.
    None,
}

impl Protocol {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kitty => "kitty",
            Self::Placeholders => "placeholders",
            Self::Iterm => "inline pictures",
            Self::Sixel => "sixel",
            Self::HalfBlock { true_colour: true } => "half-blocks",
            Self::HalfBlock { true_colour: false } => "half-blocks, 256 colours",
            Self::None => "no pictures",
        }
    }

    /// True when pictures are drawn in the terminal's own pixels.
    pub fn has_pixels(self) -> bool {
        matches!(
            self,
            Self::Kitty | Self::Placeholders | Self::Iterm | Self::Sixel
        )
    }
}

/// Where a back end gets a picture from; `None` when it is not there yet.
pub type Pictures<'a> = dyn Fn(PictureKey) -> Option<Picture> + 'a;

/// What a back end made of a frame, beside the bytes it wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// Characters for the caller's text buffer, by row then column; empty for protocols that draw over the text.
    pub cells: Vec<HalfCell>,
    /// Characters that stand for parts of pictures, by row then column (kitty's placeholders).
    pub placeholders: Vec<Placeholder>,
    /// Parts of the screen whose text must not be written, because pictures lie there that text would erase.
    pub covered: Vec<Target>,
    /// Something was drawn coarsely: call [`BackEnd::refine`] once the person has stopped moving.
    pub coarse: bool,
    /// Pictures were left out because the upload budget of this call was spent: call again soon.
    pub pending: bool,
    /// The set of pictures kept by the terminal changed, so [`BackEnd::farewell`] did too.
    pub farewell_changed: bool,
}

/// A way to bring pictures to the screen. It remembers what the terminal holds and sends differences.
pub trait BackEnd {
    /// Shows exactly `placements`. Bytes for the terminal are appended to `out` and belong after the frame's text;
    /// before it, where characters stand for pictures ([`Frame::placeholders`]).
    ///
    /// At most about `upload_budget` bytes are spent on pictures the terminal does not have yet, in the order of
    /// `placements`; one picture always fits unless the budget is 0. Placements whose picture is not there
    /// (not uploaded yet, or `pictures` answered `None`) are left out.
    fn frame(
        &mut self,
        out: &mut Vec<u8>,
        placements: &[Placement],
        pictures: &Pictures<'_>,
        upload_budget: usize,
    ) -> Frame;

    /// The screen was cleared (by way of [`terminal::Screen`], which keeps pictures alive) or resized: the next
    /// frame places everything again, without uploading.
    fn reset(&mut self);

    /// The terminal may have lost the pictures too (the alternate screen was left, `CSI 2 J` was sent): the next
    /// frame starts afresh.
    fn forget(&mut self);

    /// The colours that the next frames' pictures are made of, for back ends that draw with a palette.
    fn set_palette(&mut self, _colours: &[[u8; 3]]) {}

    /// Draws a part of what was drawn coarsely as it should be, in about `budget` bytes; true when more is left.
    fn refine(&mut self, _out: &mut Vec<u8>, _budget: usize) -> bool {
        false
    }

    /// Parts of the screen that the last frame or refinement drew over in part although no picture is seen there: the
    /// text of their characters outside [`Frame::covered`] belongs after those bytes.
    fn drawn_over(&self) -> &[Target] {
        &[]
    }

    /// Sends pictures that may be needed soon, in about `budget` bytes, as long as there is room for them without
    /// giving up others; true when more is left.
    fn prefetch(
        &mut self,
        _out: &mut Vec<u8>,
        _keys: &[PictureKey],
        _pictures: &Pictures<'_>,
        _budget: usize,
    ) -> bool {
        false
    }

    /// True when the terminal holds this picture, so that placing it costs next to nothing.
    fn holds(&self, _key: PictureKey) -> bool {
        false
    }

    /// Bytes that free everything of ours in the terminal.
    fn farewell(&self) -> Vec<u8>;
}

/// Draws nothing, for terminals that cannot or shall not show pictures.
#[derive(Debug, Clone, Copy, Default)]
struct Blank;

impl BackEnd for Blank {
    fn frame(&mut self, _: &mut Vec<u8>, _: &[Placement], _: &Pictures<'_>, _: usize) -> Frame {
        Frame::default()
    }
    fn reset(&mut self) {}
    fn forget(&mut self) {}
    fn farewell(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// The back end for what `capabilities` say.
///
/// `seed` spreads the kitty picture ids of different runs (see [`kitty::Options::first_id`]); any number will do.
pub fn back_end(capabilities: &Capabilities, seed: u64) -> Box<dyn BackEnd + Send> {
    match capabilities.protocol {
        Protocol::Kitty => Box::new(kitty::Painter::new(kitty::Options {
            synchronized: capabilities.synchronized,
            ..kitty::Options::with_seed(seed)
        })),
        Protocol::Placeholders => Box::new(placeholder::Painter::new(placeholder::Options {
            tmux: capabilities.passthrough,
            ..placeholder::Options::with_seed(seed)
        })),
        Protocol::Sixel => Box::new(raster::Painter::new(
            raster_options(capabilities),
            sixel::Encoder::new(capabilities.sixel),
        )),
        Protocol::Iterm => Box::new(raster::Painter::new(
            raster_options(capabilities),
            iterm::Encoder::new(capabilities.passthrough),
        )),
        Protocol::HalfBlock { .. } => Box::new(halfblock::Painter::new(
            capabilities.background.unwrap_or([0, 0, 0]),
        )),
        Protocol::None => Box::new(Blank),
    }
}

fn raster_options(capabilities: &Capabilities) -> raster::Options {
    raster::Options {
        cell_pixels: capabilities.cell_pixels,
        background: capabilities.background.unwrap_or([0, 0, 0]),
    }
}
