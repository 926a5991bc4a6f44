//! What can happen to the explorer and what it can ask for.

use super::Update;
use super::mouse::Pointer;
use super::worker::{Answer, Work};

/// Something a person can mean. Every one has keys and a line of help in [`super::keymap::KEYS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the key table documents each action")]
pub enum Action {
    Left,
    Down,
    Up,
    Right,
    JumpLeft,
    JumpDown,
    JumpUp,
    JumpRight,
    HalfPageDown,
    HalfPageUp,
    PageDown,
    PageUp,
    RowStart,
    RowEnd,
    FirstCell,
    LastCell,
    ZoomIn,
    ZoomOut,
    Finer,
    Coarser,
    Fit,
    Centre,
    Back,
    NearestCell,
    PreviousNearest,
    Search,
    NextStrongest,
    PreviousStrongest,
    CycleColouring,
    MoreIntense,
    LessIntense,
    ColourBy,
    ClassView,
    Compare,
    Clear,
    Undo,
    RedoView,
    NextLayer,
    PreviousLayer,
    GoToLayer,
    LayerStrip,
    DensityIcons,
    LargerIcons,
    SmallerIcons,
    CropIcons,
    Outlines,
    Labels,
    LargeIcon,
    SidePane,
    Photographs,
    ImageFolder,
    Locate,
    ActivationGrid,
    Mark,
    Note,
    NextMark,
    PreviousMark,
    CopyLink,
    GoTo,
    Palette,
    Help,
    Redraw,
    Suspend,
    Quit,
    SearchAccept,
    SearchCancel,
    SearchDown,
    SearchUp,
    SearchErase,
    SearchEraseWord,
    SearchEraseAll,
    HelpDown,
    HelpUp,
    HelpPageDown,
    HelpPageUp,
    HelpClose,
    PhotoLeft,
    PhotoDown,
    PhotoUp,
    PhotoRight,
    PhotoLocate,
    PhotoWhole,
    PhotoClose,
    Suspects,
    SuspectDown,
    SuspectUp,
    SuspectPageDown,
    SuspectPageUp,
    SuspectFirst,
    SuspectLast,
    SuspectColumnLeft,
    SuspectColumnRight,
    SuspectSort,
    SuspectExplain,
    SuspectColour,
    SuspectFilter,
    SuspectMultiUse,
    SuspectContrast,
    SuspectTest,
    SuspectPictures,
    SuspectPatch,
    JudgeCore,
    JudgeShortcut,
    JudgeUnsure,
    SuspectNote,
    SuspectReport,
    SuspectBack,
    SuspectClose,
}

impl Action {
    /// Number of actions.
    pub const COUNT: usize = Action::SuspectClose as usize + 1;

    /// True for those of the suspects pane, which stand last.
    pub fn is_about_suspects(self) -> bool {
        self as usize >= Action::Suspects as usize
    }
}

/// Where a move goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heading {
    /// Towards column 0.
    Left,
    /// Towards the last row.
    Down,
    /// Towards row 0.
    Up,
    /// Towards the last column.
    Right,
}

impl Heading {
    /// Change of (row, column) of one step.
    pub fn step(self) -> (i64, i64) {
        match self {
            Heading::Left => (0, -1),
            Heading::Down => (1, 0),
            Heading::Up => (-1, 0),
            Heading::Right => (0, 1),
        }
    }
}

/// Everything that changes the state.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// A key with a meaning was pressed.
    Act(Action),
    /// Show the layer with this index.
    Layer(usize),
    /// A character for the search line.
    Type(char),
    /// A key without a meaning: only takes away a notice.
    Ignored,
    /// The terminal has a new size.
    Resized {
        /// Terminal columns.
        columns: u16,
        /// Terminal rows.
        rows: u16,
        /// Width and height of one terminal cell in pixels.
        cell_pixels: (u16, u16),
    },
    /// News of the build behind the atlas.
    Update(Update),
    /// The mouse.
    Pointer(Pointer),
    /// A whole text that was pasted.
    Paste(String),
    /// A worker is done with something.
    Answer(Answer),
}

/// What the loop has to do after an update, because the update itself touches nothing outside the state.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Leave the explorer.
    Quit,
    /// The screen was resized: text and placements again, the terminal still has the pictures.
    PlaceAgain,
    /// The terminal may have lost everything: send it again.
    StartAfresh,
    /// Give the terminal back and stop until the shell continues us.
    Suspend,
    /// Put a text into the clipboard of the person's own machine (OSC 52).
    Copy(String),
    /// Something slow, for a worker.
    Work(Work),
}
