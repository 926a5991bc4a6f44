//! What the mouse says, free of any terminal library.

/// A thing that the mouse did, at a column and row of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pointer {
    /// What.
    pub kind: PointerKind,
    /// Terminal column.
    pub column: u16,
    /// Terminal row.
    pub row: u16,
}

/// What the mouse did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointerKind {
    /// The left button went down.
    Press,
    /// The mouse moved with the left button down.
    Drag,
    /// The left button came up.
    Release,
    /// The wheel turned away from the person.
    WheelUp,
    /// The wheel turned towards the person.
    WheelDown,
}

/// What a held button holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The map.
    Map,
    /// The view, on the map in small.
    View,
}

/// A held button: where it went down and how the map lay then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grip {
    /// What.
    pub held: Held,
    /// Column and row of the press.
    pub at: (u16, u16),
    /// The camera then.
    pub camera: super::camera::Camera,
    /// Has it moved since?
    pub moved: bool,
}
