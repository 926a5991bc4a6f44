//! What can be typed about candidates for spurious correlations.

use crate::suspects::Kind;
use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;

/// Rank candidates for spurious correlations: features that go with a class
///
/// Four kinds stand in one list: cells of the map; class-wise neural principal components, which need a network that
/// ends in a mean over positions and one linear map; images of a class that are alike in their colours, or in their
/// stripes, as whole pictures. Scores are multiples of what the middle class has. A candidate says that a feature goes with a class
/// in these images. Whether the network uses it is for a test to show, whether it should is for you to decide.
/// What labels permuted among confusable classes explain (q above 0.05) comes after the rest.
/// Images count for the class of their label, or of their prediction where fewer than half have a label.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  atlascope suspects my.atlas
  atlascope suspects my.atlas --class tench --top 10
  atlascope suspects my.atlas --kind cell --sort lift --columns share,presence,lift
  atlascope suspects my.atlas --kind multi-use
  atlascope suspects my.atlas --pair snorkel,'scuba diver'
  atlascope suspects my.atlas --json | jq '.[0].exemplars'
  atlascope suspects my.atlas --columns          what every column means

A row ends in a link that opens the explorer at its cell:
  atlascope explore my.atlas#mixed5b,20,7,12")]
pub(crate) struct SuspectsArgs {
    /// An atlas, or the .part folder of a running build
    pub(crate) atlas: PathBuf,
    /// Only candidates for this class (name or identifier); may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) class: Vec<String>,
    /// Cells that tell these two classes apart
    #[arg(long, value_name = "A,B", value_delimiter = ',', num_args = 1, conflicts_with_all = ["class", "kind"])]
    pub(crate) pair: Vec<String>,
    /// Only this kind; may be repeated [default: all but multi-use]
    #[arg(long, value_enum)]
    pub(crate) kind: Vec<KindArg>,
    /// Order by this column, largest first
    #[arg(long, value_name = "COLUMN")]
    pub(crate) sort: Option<String>,
    /// Entries at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) top: usize,
    /// Show these columns; without a value: tell what every column means
    #[arg(long, value_name = "COLUMN[,…]", value_delimiter = ',', num_args = 0..=1, require_equals = false)]
    pub(crate) columns: Option<Vec<String>>,
    /// As JSON: an ordered list
    #[arg(long)]
    pub(crate) json: bool,
}

/// What kind of thing a candidate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindArg {
    /// A cell that goes with a class
    Cell,
    /// A class-wise neural principal component (NPFV), at the cell where it is strongest
    Component,
    /// Images of a class that are alike in their colours
    Colour,
    /// Images of a class that are alike in their stripes and textures
    Texture,
    /// A cell that supports two unlike classes
    MultiUse,
}

impl KindArg {
    /// What it names.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Cell => Kind::Cell,
            Self::Component => Kind::Component,
            Self::Colour => Kind::Colour,
            Self::Texture => Kind::Texture,
            Self::MultiUse => Kind::MultiUse,
        }
    }
}
