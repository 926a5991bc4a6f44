//! The one table of actions: name, keys, a line of help. Lookup, help screen, palette, README and configuration are
//! made from it.

use crate::explorer::action::Action;

/// What must be on the screen for a key to count; also the headings of the help screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Moving the cursor.
    Move,
    /// Zoom and grid levels.
    Zoom,
    /// Classes and colouring.
    Classes,
    /// Layers and appearance.
    Show,
    /// Photographs behind the cells.
    Photographs,
    /// Marks and links.
    Marks,
    /// The program.
    Program,
    /// Only while a line is typed.
    Line,
    /// Only among the photographs of a cell.
    Photos,
    /// Only in the suspects pane, where most keys of the map count as well.
    Suspects,
    /// Only on the help screen.
    Help,
}

impl Group {
    /// All groups, as the help screen shows them.
    pub const ALL: [Group; 11] = [
        Group::Move,
        Group::Zoom,
        Group::Classes,
        Group::Photographs,
        Group::Show,
        Group::Marks,
        Group::Program,
        Group::Suspects,
        Group::Line,
        Group::Photos,
        Group::Help,
    ];

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Group::Move => "move",
            Group::Zoom => "zoom",
            Group::Classes => "classes and colours",
            Group::Show => "layers and icons",
            Group::Photographs => "photographs",
            Group::Marks => "marks and links",
            Group::Program => "program",
            Group::Line => "while typing",
            Group::Photos => "among photographs",
            Group::Suspects => "among suspects",
            Group::Help => "on this screen",
        }
    }

    /// Which keys exclude each other: those of one mode.
    pub fn mode(self) -> Mode {
        match self {
            Group::Line => Mode::Line,
            Group::Help => Mode::Help,
            Group::Photos => Mode::Photos,
            Group::Suspects => Mode::Suspects,
            _ => Mode::Map,
        }
    }
}

/// Who hears a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The map.
    Map,
    /// A line that is typed: search, palette, note, path.
    Line,
    /// The photographs of a cell.
    Photos,
    /// The suspects pane; keys without a meaning there have the map's.
    Suspects,
    /// The help screen.
    Help,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// What the keys mean.
    pub action: Action,
    /// What the action is called in a configuration file.
    pub name: &'static str,
    /// Where it belongs.
    pub group: Group,
    /// The keys, unless a configuration gives others.
    pub keys: &'static [&'static str],
    /// One line of help.
    pub doc: &'static str,
}

const fn bind(
    group: Group,
    action: Action,
    name: &'static str,
    keys: &'static [&'static str],
    doc: &'static str,
) -> Binding {
    Binding {
        action,
        name,
        group,
        keys,
        doc,
    }
}

/// Every action with its keys.
#[rustfmt::skip]
pub const KEYS: &[Binding] = &[
    bind(Group::Move, Action::Left, "left", &["h", "Left"], "one cell left"),
    bind(Group::Move, Action::Down, "down", &["j", "Down"], "one cell down"),
    bind(Group::Move, Action::Up, "up", &["k", "Up"], "one cell up"),
    bind(Group::Move, Action::Right, "right", &["l", "Right"], "one cell right"),
    bind(Group::Move, Action::JumpLeft, "jump-left", &["H", "S-Left", "b"], "to the next edge of occupied cells, left"),
    bind(Group::Move, Action::JumpDown, "jump-down", &["J", "S-Down"], "to the next edge, down"),
    bind(Group::Move, Action::JumpUp, "jump-up", &["K", "S-Up"], "to the next edge, up"),
    bind(Group::Move, Action::JumpRight, "jump-right", &["L", "S-Right", "w"], "to the next edge, right"),
    bind(Group::Move, Action::HalfPageDown, "half-page-down", &["C-d"], "half a page down"),
    bind(Group::Move, Action::HalfPageUp, "half-page-up", &["C-u"], "half a page up"),
    bind(Group::Move, Action::PageDown, "page-down", &["PageDown", "C-f"], "a page down"),
    bind(Group::Move, Action::PageUp, "page-up", &["PageUp", "C-b"], "a page up"),
    bind(Group::Move, Action::RowStart, "row-start", &["Home", "0"], "first occupied cell of the row"),
    bind(Group::Move, Action::RowEnd, "row-end", &["End", "$"], "last occupied cell of the row"),
    bind(Group::Move, Action::FirstCell, "first-cell", &["g"], "first occupied cell of the map"),
    bind(Group::Move, Action::LastCell, "last-cell", &["G"], "last occupied cell of the map"),
    bind(Group::Move, Action::NearestCell, "nearest-cell", &["e"], "to the cell with the most similar direction"),
    bind(Group::Move, Action::PreviousNearest, "previous-nearest", &["E"], "to the one before it, and back to the start"),
    bind(Group::Move, Action::Back, "back", &["Backspace", "C-o"], "back to where the last jump began"),
    bind(Group::Zoom, Action::ZoomIn, "zoom-in", &["+", "="], "larger icons, then the next finer grid"),
    bind(Group::Zoom, Action::ZoomOut, "zoom-out", &["-", "_"], "smaller icons, then the next coarser grid"),
    bind(Group::Zoom, Action::Finer, "finer", &["z"], "finer grid at the same scale"),
    bind(Group::Zoom, Action::Coarser, "coarser", &["Z"], "coarser grid at the same scale"),
    bind(Group::Zoom, Action::Fit, "fit", &["f"], "the whole map"),
    bind(Group::Zoom, Action::Centre, "centre", &["."], "bring the cursor to the middle"),
    bind(Group::Classes, Action::Search, "search", &["/"], "search a class, colour the map by it"),
    bind(Group::Classes, Action::NextStrongest, "next-strongest", &["n"], "next strongest of what is coloured or located"),
    bind(Group::Classes, Action::PreviousStrongest, "previous-strongest", &["N"], "previous strongest cell"),
    bind(Group::Classes, Action::CycleColouring, "cycle-colouring", &["c"], "what supports, what opposes, both; high, low"),
    bind(Group::Classes, Action::MoreIntense, "more-intense", &[">"], "stronger colouring"),
    bind(Group::Classes, Action::LessIntense, "less-intense", &["<"], "weaker colouring"),
    bind(Group::Classes, Action::ColourBy, "colour-by", &["C"], "colour by another number of the cells"),
    bind(Group::Classes, Action::ClassView, "class-view", &["v"], "only what the class uses: top, winner, all"),
    bind(Group::Classes, Action::Compare, "compare", &["x"], "compare the class with another; back to the map"),
    bind(Group::Classes, Action::Clear, "clear", &["Esc"], "leave the view, then the class: plain map"),
    bind(Group::Classes, Action::Undo, "undo", &["u"], "undo the last change of class, colours or view"),
    bind(Group::Classes, Action::RedoView, "redo", &["C-r"], "do it again"),
    bind(Group::Classes, Action::Suspects, "suspects", &["s"], "suspects: candidates to look at, test, report"),
    bind(Group::Photographs, Action::Photographs, "photographs", &["p", "Enter"], "the photographs behind the cell"),
    bind(Group::Photographs, Action::Locate, "locate", &["P"], "locate a photograph by its path"),
    bind(Group::Photographs, Action::ActivationGrid, "activation-grid", &["A"], "its grid of icons; back to the map"),
    bind(Group::Photographs, Action::ImageFolder, "image-folder", &["I"], "say where the photographs are now"),
    bind(Group::Show, Action::NextLayer, "next-layer", &["Tab", "]"], "next deeper layer"),
    bind(Group::Show, Action::PreviousLayer, "previous-layer", &["S-Tab", "["], "next shallower layer"),
    bind(Group::Show, Action::GoToLayer, "go-to-layer", &["1", "2", "3", "4", "5", "6", "7", "8", "9"], "that layer"),
    bind(Group::Show, Action::LayerStrip, "layer-strip", &["t"], "all layers as thumbnails"),
    bind(Group::Show, Action::DensityIcons, "density-icons", &["d"], "icon size by number of activations"),
    bind(Group::Show, Action::LargerIcons, "larger-icons", &[")"], "larger icons by density"),
    bind(Group::Show, Action::SmallerIcons, "smaller-icons", &["("], "smaller icons by density"),
    bind(Group::Show, Action::CropIcons, "crop-icons", &["i"], "middle of small icons, or all of them"),
    bind(Group::Show, Action::Outlines, "outlines", &["o"], "outlines of cells"),
    bind(Group::Show, Action::Labels, "labels", &["a"], "names of the strongest classes on the map"),
    bind(Group::Show, Action::LargeIcon, "large-icon", &["O"], "large icon: of the finer grid, or the cell's own"),
    bind(Group::Show, Action::SidePane, "side-pane", &["S"], "side pane"),
    bind(Group::Marks, Action::Mark, "mark", &["m"], "mark the cell, or take the mark away"),
    bind(Group::Marks, Action::Note, "note", &["M"], "write a note on the cell"),
    bind(Group::Marks, Action::NextMark, "next-mark", &["'"], "to the next mark"),
    bind(Group::Marks, Action::PreviousMark, "previous-mark", &["\""], "to the previous mark"),
    bind(Group::Marks, Action::CopyLink, "copy-link", &["y"], "copy a link to the cell"),
    bind(Group::Marks, Action::GoTo, "go-to", &["@"], "go to ROW,COL or to a link"),
    bind(Group::Program, Action::Palette, "palette", &[":"], "every action, by name"),
    bind(Group::Program, Action::Help, "help", &["?", "F1"], "this help"),
    bind(Group::Program, Action::Redraw, "redraw", &["C-l"], "draw everything again"),
    bind(Group::Program, Action::Suspend, "suspend", &["C-z"], "back to the shell for a while"),
    bind(Group::Program, Action::Quit, "quit", &["q", "C-c"], "quit"),
    bind(Group::Suspects, Action::SuspectDown, "suspect-down", &["j", "Down"], "next candidate"),
    bind(Group::Suspects, Action::SuspectUp, "suspect-up", &["k", "Up"], "previous candidate"),
    bind(Group::Suspects, Action::SuspectPageDown, "suspect-page-down", &["PageDown", "C-d", "C-f"], "a page down"),
    bind(Group::Suspects, Action::SuspectPageUp, "suspect-page-up", &["PageUp", "C-u", "C-b"], "a page up"),
    bind(Group::Suspects, Action::SuspectFirst, "suspect-first", &["g", "Home"], "first candidate"),
    bind(Group::Suspects, Action::SuspectLast, "suspect-last", &["G", "End"], "last candidate"),
    bind(Group::Suspects, Action::SuspectTest, "test", &["t"], "test whether the model uses it"),
    bind(Group::Suspects, Action::SuspectPictures, "pictures", &["b"], "its test's pictures before and after, large"),
    bind(Group::Suspects, Action::SuspectPatch, "test-picture", &["T"], "test a picture of yours for the class"),
    bind(Group::Suspects, Action::JudgeShortcut, "judge-shortcut", &["x"], "judge it: a shortcut"),
    bind(Group::Suspects, Action::JudgeCore, "judge-core", &["c"], "judge it: core, part of the class"),
    bind(Group::Suspects, Action::JudgeUnsure, "judge-unsure", &["u"], "judge it: unsure"),
    bind(Group::Suspects, Action::SuspectNote, "suspect-note", &["n"], "write a note on it"),
    bind(Group::Suspects, Action::SuspectReport, "report", &["r"], "write the report beside the atlas"),
    bind(Group::Suspects, Action::SuspectColumnLeft, "column-left", &["h", "Left"], "choose the column to the left"),
    bind(Group::Suspects, Action::SuspectColumnRight, "column-right", &["l", "Right"], "choose the column to the right"),
    bind(Group::Suspects, Action::SuspectSort, "sort", &["Space"], "order by the column; turned; as found"),
    bind(Group::Suspects, Action::SuspectExplain, "explain", &["d"], "what the column means"),
    bind(Group::Suspects, Action::SuspectColour, "colour-map", &["C"], "colour the map by the column"),
    bind(Group::Suspects, Action::SuspectFilter, "filter", &["/"], "only some: words, or class: kind: verdict:"),
    bind(Group::Suspects, Action::SuspectMultiUse, "multi-use", &["m"], "cells that support two unlike classes"),
    bind(Group::Suspects, Action::SuspectContrast, "contrast", &["v"], "cells that tell its class from another"),
    bind(Group::Suspects, Action::SuspectBack, "suspect-back", &["Esc"], "stop the test, leave list, filter, pane"),
    bind(Group::Suspects, Action::SuspectClose, "suspects-close", &["s", "q"], "close the pane"),
    bind(Group::Line, Action::SearchAccept, "line-accept", &["Enter"], "take what is chosen or typed"),
    bind(Group::Line, Action::SearchCancel, "line-cancel", &["Esc", "C-c"], "back without a change"),
    bind(Group::Line, Action::SearchDown, "line-down", &["Down", "C-n", "Tab"], "next in the list; the rest of a path"),
    bind(Group::Line, Action::SearchUp, "line-up", &["Up", "C-p", "S-Tab"], "previous in the list"),
    bind(Group::Line, Action::SearchErase, "line-erase", &["Backspace", "C-h"], "erase a letter"),
    bind(Group::Line, Action::SearchEraseWord, "line-erase-word", &["C-w"], "erase a word"),
    bind(Group::Line, Action::SearchEraseAll, "line-erase-all", &["C-u"], "erase all"),
    bind(Group::Photos, Action::PhotoLeft, "photo-left", &["h", "Left"], "previous photograph"),
    bind(Group::Photos, Action::PhotoRight, "photo-right", &["l", "Right"], "next photograph"),
    bind(Group::Photos, Action::PhotoUp, "photo-up", &["k", "Up"], "one row up"),
    bind(Group::Photos, Action::PhotoDown, "photo-down", &["j", "Down"], "one row down"),
    bind(Group::Photos, Action::PhotoWhole, "photo-whole", &["w", "Space"], "whole photographs, or what the cell sees"),
    bind(Group::Photos, Action::PhotoLocate, "photo-locate", &["Enter", "A"], "where this photograph lies on the map"),
    bind(Group::Photos, Action::PhotoClose, "photo-close", &["Esc", "q", "p", "C-c"], "back to the map"),
    bind(Group::Help, Action::HelpDown, "help-down", &["j", "Down"], "a line down"),
    bind(Group::Help, Action::HelpUp, "help-up", &["k", "Up"], "a line up"),
    bind(Group::Help, Action::HelpPageDown, "help-page-down", &["PageDown", "Space"], "a page down"),
    bind(Group::Help, Action::HelpPageUp, "help-page-up", &["PageUp", "b"], "a page up"),
    bind(Group::Help, Action::HelpClose, "help-close", &["?", "q", "Esc", "F1", "Enter", "C-c"], "back to the map"),
];
