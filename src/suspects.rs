//! Candidates for spurious correlations: which cells and components of an atlas to look at first.
//!
//! Everything here is read off a finished [`Atlas`]; nothing runs a network. A candidate says "this feature goes with
//! that class in these images", never that it is spurious: whether the model uses it is for a causal test, and whether
//! it ought to is for a person.

pub mod claim;

use crate::atlas::ClassId;

/// What kind of thing a candidate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A cell of the map that goes with a class.
    Cell,
    /// A class-wise neural principal component (Neuhaus et al., "Spurious Features Everywhere", ICCV 2023), shown at
    /// the cell where it is strongest.
    Component,
    /// A cell that supports two unlike classes.
    MultiUse,
    /// A cell that tells two confusable classes apart.
    Contrast,
}

/// One position of one image that shows a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Exemplar {
    /// Index of the image.
    pub image: u32,
    /// Row of the position in the candidate's layer.
    pub row: u16,
    /// Column of the position in the candidate's layer.
    pub col: u16,
}

/// A cell by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// Rows of the level.
    pub grid: u32,
    /// Row of the cell.
    pub row: u32,
    /// Column of the cell.
    pub col: u32,
}

/// Something to look at: a feature and the class that it may be a shortcut to.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What it is.
    pub kind: Kind,
    /// Index of the layer in the atlas.
    pub layer: usize,
    /// The class that it speaks for.
    pub class: ClassId,
    /// The other class of a multi-use feature or of a contrast.
    pub other: Option<ClassId>,
    /// Its cell on the map.
    pub cell: Place,
    /// Number of the component within its class, strongest first; components only.
    pub component: Option<u16>,
    /// What the list is ordered by, in the units of its kind; larger is more suspicious.
    pub score: f32,
    /// One value per column of the list; none where it could not be computed.
    pub scores: Vec<Option<f32>>,
    /// At most ten positions, strongest first, one per image.
    pub exemplars: Vec<Exemplar>,
    /// The false discovery rate at which it would be reported (Benjamini and Hochberg 1995), 0..=1, over labels
    /// permuted among the classes.
    pub q: Option<f32>,
}
