//! Candidates for spurious correlations: which cells and components of an atlas to look at first.
//!
//! Everything here is read off a finished [`Atlas`]; nothing runs a network. A candidate says "this feature goes with
//! that class in these images", never that it is spurious: whether the model uses it is for a causal test, and whether
//! it ought to is for a person.

mod cells;
mod chance;
pub mod claim;
mod columns;
mod components;
mod context;
mod features;
mod heat;
mod list;
mod members;
mod pairs;
mod style;

pub use columns::{COLUMNS, Column, column};
pub use members::Evidence;

use crate::atlas::{Atlas, Cell, ClassId, Level};
use cells::Tested;
use columns::Id;
use context::Context;
use features::Features;
use std::collections::HashMap;

/// Images that a class must have to be searched.
pub const MIN_IMAGES: usize = 10;
/// Exemplars of a candidate at most.
pub const MAX_EXEMPLARS: usize = 10;
/// Entries of a list at most.
const MOST: usize = 2000;

/// What kind of thing a candidate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A cell of the map that goes with a class.
    Cell,
    /// A class-wise neural principal component (Neuhaus et al., "Spurious Features Everywhere", ICCV 2023), shown at
    /// the cell where it is strongest.
    Component,
    /// Images of a class that are alike in their colours, and unlike other classes' images.
    Colour,
    /// The same for stripes and textures, by orientation and octave.
    Texture,
    /// A cell that supports two unlike classes.
    MultiUse,
    /// A cell that tells two confusable classes apart.
    Contrast,
}

impl Kind {
    /// Whether it is of whole pictures, so that its cell and exemplars' places only show where the class is seen.
    pub fn fills_pictures(self) -> bool {
        matches!(self, Self::Colour | Self::Texture)
    }

    /// Its name as data have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cell => "cell",
            Self::Component => "component",
            Self::Colour => "colour",
            Self::Texture => "texture",
            Self::MultiUse => "multi_use",
            Self::Contrast => "contrast",
        }
    }
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

impl Place {
    /// The place of a cell of `level`.
    pub fn of(level: &Level, cell: &Cell) -> Self {
        Self {
            grid: level.grid,
            row: cell.row,
            col: cell.col,
        }
    }
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
    /// Its number within its class and kind: of the component, strongest first; of the crowd of like images, densest
    /// first; of the cluster whose place the cell is. None for a cell as such.
    pub component: Option<u16>,
    /// What the list is ordered by; larger is more suspicious. In units of the best candidate of the same kind of the
    /// middle class, so that kinds can be compared; pairs of classes in logits.
    pub score: f32,
    /// One value per column of the list; none where it could not be computed.
    pub scores: Vec<Option<f32>>,
    /// At most ten positions, strongest first, one per image.
    pub exemplars: Vec<Exemplar>,
    /// The false discovery rate at which it would be reported (Benjamini and Hochberg 1995), 0..=1, over labels
    /// permuted among the classes.
    pub q: Option<f32>,
}

/// A list of candidates with what there is to say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Suspects {
    /// What decided to which class an image belongs.
    pub evidence: Evidence,
    /// The candidates, the most suspicious first.
    pub candidates: Vec<Candidate>,
    /// Columns that could not be computed at all, with the reason.
    pub missing: Vec<Missing>,
    /// Classes with images, but fewer than [`MIN_IMAGES`], which are not searched.
    pub too_small: Vec<ClassId>,
    /// Share of the labels that the network predicts, 0..=1; none where classes are not from labels.
    pub agreement: Option<f32>,
    /// How many pairs of a feature and a class were tested, which is what the false discovery rates count with.
    pub n_tested: usize,
}

/// A column without values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub column: &'static str,
    /// Why.
    pub why: &'static str,
}

/// Cells that go with a class, class-wise components, images of a class that look alike: one list. The same atlas gives
/// the same list.
pub fn find(atlas: &Atlas) -> Suspects {
    let context = Context::new(atlas);
    let features = Features::all(atlas);
    let mut tested: Vec<Tested> = Vec::new();
    // Of every candidate the vocabulary that it is from.
    let mut from: Vec<usize> = Vec::new();
    for (vocabulary, features) in features.iter().enumerate() {
        tested.extend(cells::candidates(&context, features));
        tested.extend(components::candidates(&context, features));
        from.resize(tested.len(), vocabulary);
    }
    if let Some(shown) = features.last() {
        tested.extend(style::candidates(&context, shown));
    }
    let n_tested = tested.len();
    let rates = chance::false_discovery_rates(&tested.iter().map(|t| t.p).collect::<Vec<_>>());
    let mut kinds = [(); 4].map(|()| Vec::new());
    let mut shows = HashMap::new();
    let mut looks = HashMap::new();
    for (at, (tested, rate)) in tested.into_iter().zip(rates).enumerate() {
        let mut candidate = tested.candidate;
        if let Some(look) = tested.look {
            looks.insert(name(&candidate), look);
        }
        if let (Some(feature), Some(&vocabulary)) = (tested.shows, from.get(at)) {
            shows.insert(name(&candidate), (vocabulary, usize::from(feature)));
        }
        candidate.q = Some(rate as f32);
        candidate.score = list::score(&candidate);
        let kind = match candidate.kind {
            Kind::Component => 1,
            Kind::Colour => 2,
            Kind::Texture => 3,
            _ => 0,
        };
        kinds[kind].push(candidate);
    }
    for kind in &mut kinds {
        list::sort(kind);
    }
    // How alike what two candidates of one class show is, 0..=1: crowds by how near they lie beside how far other
    // classes are, features by the cosine of their directions.
    let like = |a: &Candidate, b: &Candidate| {
        let (a, b) = (name(a), name(b));
        if let (Some(one), Some(two)) = (looks.get(&a), looks.get(&b)) {
            return if a.0 == b.0 { one.like(two) } else { 0.0 };
        }
        match (shows.get(&a), shows.get(&b)) {
            (Some((from, one)), Some((of, two))) if from == of => {
                let units = &features[*from].units;
                units.row(*one).dot(&units.row(*two)).max(0.0)
            }
            _ => 0.0,
        }
    };
    let candidates = list::merge(kinds.into(), MOST, &like);
    Suspects {
        candidates,
        n_tested,
        ..about(&context)
    }
}

/// What tells candidates of one list apart.
fn name(candidate: &Candidate) -> (Kind, usize, ClassId, Place, Option<u16>) {
    (
        candidate.kind,
        candidate.layer,
        candidate.class,
        candidate.cell,
        candidate.component,
    )
}

/// Cells that support two unlike classes, the strongest first.
pub fn multi_use(atlas: &Atlas) -> Suspects {
    pairs_of(atlas, &|context, features| {
        pairs::multi_use(context, features)
    })
}

/// Cells that tell two classes apart, the clearest first.
pub fn contrast(atlas: &Atlas, a: ClassId, b: ClassId) -> Suspects {
    let pair = (usize::from(a), usize::from(b));
    pairs_of(atlas, &|context, features| {
        pairs::contrast(context, features, pair)
    })
}

fn pairs_of(atlas: &Atlas, of: &dyn Fn(&Context<'_>, &Features<'_>) -> Vec<Candidate>) -> Suspects {
    let context = Context::new(atlas);
    let features = Features::all_cells(atlas);
    let kinds: Vec<Vec<Candidate>> = features.iter().map(|one| of(&context, one)).collect();
    let mut candidates = list::interleave(kinds, MOST / 10);
    for features in &features {
        let own = candidates
            .iter_mut()
            .filter(|candidate| candidate.layer == features.layer);
        pairs::fill_exemplars(&context, features, own);
    }
    Suspects {
        candidates,
        ..about(&context)
    }
}

/// A list without candidates.
fn about(context: &Context<'_>) -> Suspects {
    let members = &context.members;
    let too_small = (0..).zip(&members.images);
    let too_small = too_small.filter(|(_, images)| (1..MIN_IMAGES).contains(&images.len()));
    let mut missing = vec![
        (Id::Paste, "it comes from a test"),
        (Id::Flips, "it comes from a test"),
        (Id::Ablation, "it comes from a test"),
    ];
    if context.atlas.head.is_none() {
        let why = "the atlas has no linear end: its network does not end in a mean and one linear map, or an older \
                   program built it";
        for id in [
            Id::Likeness,
            Id::NearDuplicate,
            Id::Ease,
            Id::Eigenvalue,
            Id::Spread,
            Id::Alpha,
            Id::Unison,
            Id::Tail,
        ] {
            missing.push((id, why));
        }
    }
    if context.atlas.images.style.is_empty() {
        let why =
            "the atlas does not say how its pictures look as a whole: an older program built it";
        missing.push((Id::Closeness, why));
    }
    if members.evidence != Evidence::Labels {
        let why =
            "it compares labels with predictions, and there are too few labels that are classes";
        missing.extend([(Id::Pull, why), (Id::Necessity, why)]);
    }
    let missing = missing.into_iter().map(|(id, why)| Missing {
        column: COLUMNS[id as usize].name,
        why,
    });
    Suspects {
        evidence: members.evidence,
        candidates: Vec::new(),
        missing: missing.collect(),
        too_small: too_small.map(|(class, _)| class).collect(),
        agreement: context.agreement(),
        n_tested: 0,
    }
}
