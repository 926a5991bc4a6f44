//! What can be typed about tests of candidates and reports of them.

#[cfg(feature = "explore")]
use super::ProtocolArg;
use super::network::RunArgs;
use super::suspects::KindArg;
use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;

/// Which network runs the tests; the atlas says which unless it is told here.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct TestedNetworkArgs {
    /// The network: a known one, an ONNX file, or a model.toml [default: the atlas's]
    #[arg(long, value_name = "F")]
    pub(crate) network: Option<String>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// Where something is pasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CornerArg {
    /// Where each crop was cut from; left, above for a --patch
    Own,
    /// Left, above
    TopLeft,
    /// Right, above
    TopRight,
    /// Left, below
    BottomLeft,
    /// Right, below
    BottomRight,
}

/// A cell with its layer and level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CellArg {
    pub(crate) layer: String,
    pub(crate) grid: u32,
    pub(crate) row: u32,
    pub(crate) col: u32,
}

/// Test whether the model uses a feature: paste a cell's exemplars, or any picture, on images of other classes
///
/// The change of the class's logit is compared with that under natural crops of other photographs and under noise, on
/// the same images and in the same place. Causal is not spurious: whether the model ought to use it is yours to say.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  atlascope patch my.atlas --cell mixed5b,20,3,7 --class tench --weights googlenet.safetensors
  atlascope patch my.atlas --cell mixed5b,20,3,7 --class tench --ablate --transfer --json
  atlascope patch my.atlas --component 2 --class tench
  atlascope patch my.atlas --patch baseball.png --class 'great white shark' --sweep --png sheet.png
  atlascope patch --network net.onnx --size 64 --images photos/ --patch logo.png --class truck")]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(crate) struct PatchArgs {
    /// An atlas; not needed for a --patch of your own
    pub(crate) atlas: Option<PathBuf>,
    /// The cell whose exemplars are pasted
    #[arg(long, value_name = "LAYER,GRID,ROW,COL", value_parser = parse_place, required_unless_present_any = ["patch", "component"], requires = "atlas")]
    pub(crate) cell: Option<CellArg>,
    /// Test the candidate of the class that has this number in `suspects`; a --cell given beside it must be the one that
    /// it is shown at
    #[arg(
        long,
        value_name = "N",
        requires = "atlas",
        requires = "class",
        conflicts_with = "patch"
    )]
    pub(crate) component: Option<u16>,
    /// Of this kind
    #[arg(long, value_enum, default_value_t = KindArg::Component, requires = "component")]
    pub(crate) kind: KindArg,
    /// The class whose logit is watched, by id or name [default: what the cell speaks for most]
    #[arg(long, value_name = "NAME")]
    pub(crate) class: Option<String>,
    /// Where the photographs are; may be repeated [default: where the atlas found them]
    #[arg(long, value_name = "DIR")]
    pub(crate) images: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) network: TestedNetworkArgs,
    /// Paste this picture instead of crops
    #[arg(long, value_name = "FILE", conflicts_with = "cell")]
    pub(crate) patch: Option<PathBuf>,
    /// Longer side of what is pasted, as a share of the input's side [default: a crop's own size, 0.4 for a --patch]
    #[arg(long, value_name = "SHARE", value_parser = parse_ratio)]
    pub(crate) ratio: Option<f32>,
    /// Where it is pasted
    #[arg(long, value_enum, default_value_t = CornerArg::Own)]
    pub(crate) corner: CornerArg,
    /// Images that it is pasted on
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(4..=4096))]
    pub(crate) backgrounds: u32,
    /// Use all backgrounds even when the interval is clear before
    #[arg(long)]
    pub(crate) all: bool,
    /// Also paste at sizes from 0 to 0.8 in every corner
    #[arg(long)]
    pub(crate) sweep: bool,
    /// Also remove the cell's direction from the class's images
    #[arg(long, conflicts_with = "patch")]
    pub(crate) ablate: bool,
    /// Also transfer colours, mean difference and spectrum, for what fills a picture
    #[arg(long, conflicts_with = "patch")]
    pub(crate) transfer: bool,
    /// Seed of backgrounds, controls, noise and resamples
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the pieces and the pictures before and after as one sheet
    #[arg(long, value_name = "OUT")]
    pub(crate) png: Option<PathBuf>,
    /// Add the claim to this file, for `atlascope report`; one of the same feature and class is replaced
    #[arg(long, value_name = "FILE")]
    pub(crate) claims: Option<PathBuf>,
    /// What you think of the feature; goes into the claim
    #[arg(long, value_enum, requires = "claims")]
    pub(crate) judge: Option<JudgeArg>,
    /// A note that goes into the claim
    #[arg(long, value_name = "TEXT", requires = "claims")]
    pub(crate) note: Option<String>,
    /// Replace OUT if it exists
    #[arg(long, requires = "png")]
    pub(crate) force: bool,
    /// Draw pictures this way instead of asking the terminal
    #[cfg(feature = "explore")]
    #[arg(long, value_enum)]
    pub(crate) protocol: Option<ProtocolArg>,
}

/// What a person thinks of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum JudgeArg {
    /// Part of what the class is
    Core,
    /// Goes with the class here, but is not the thing
    Shortcut,
    /// Not decided
    Unsure,
}

/// Write what was claimed about an atlas: Markdown, a page with the pictures, data
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  atlascope report my.atlas
  atlascope report my.atlas --claims claims.json --html report.html --json report.json
  atlascope report my.atlas --html report.html --no-photos

The same claims give the same bytes.")]
pub(crate) struct ReportArgs {
    /// The atlas that the claims are about
    pub(crate) atlas: PathBuf,
    /// A file of claims [default: the session beside the atlas]
    #[arg(long, value_name = "FILE")]
    pub(crate) claims: Option<PathBuf>,
    /// As Markdown [default, to the terminal]
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// As one page that works offline
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// As data, for `atlascope retest`
    #[arg(long = "json", value_name = "FILE")]
    pub(crate) out_json: Option<PathBuf>,
    /// Where the photographs are; may be repeated [default: where the atlas found them]
    #[arg(long, value_name = "DIR")]
    pub(crate) images: Vec<PathBuf>,
    /// Leave the photographs out
    #[arg(long)]
    pub(crate) no_photos: bool,
    /// Replace files that exist
    #[arg(long)]
    pub(crate) force: bool,
}

/// Test the claims of a report on another network: is the shortcut gone?
///
/// Exit code 0: every claim is gone. 3: one is still used. 4: none is still used, but one cannot be repeated (an
/// ablation needs the cells of the first network). 1 and 2: the retest itself failed.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  atlascope retest report.json --network retrained.onnx --size 224
  atlascope retest report.json --network inception_v1 --weights retrained.safetensors --json")]
pub(crate) struct RetestArgs {
    /// What `atlascope report --json` wrote
    pub(crate) report: PathBuf,
    #[command(flatten)]
    pub(crate) network: TestedNetworkArgs,
    /// Where the photographs are; may be repeated [default: where the atlas found them]
    #[arg(long, value_name = "DIR")]
    pub(crate) images: Vec<PathBuf>,
    /// Also claims that are not judged a shortcut [default: only when none is]
    #[arg(long)]
    pub(crate) all: bool,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn parse_place(text: &str) -> Result<CellArg, String> {
    let form = || format!("{text:?}: a cell is LAYER,GRID,ROW,COL, for example mixed5b,20,3,7");
    // A layer's name may hold commas; the last three parts are numbers.
    let mut parts = text.rsplitn(4, ',');
    let mut number = || parts.next()?.trim().parse::<u32>().ok();
    let (col, row, grid) = (number(), number(), number());
    match (parts.next(), grid, row, col) {
        (Some(layer), Some(grid), Some(row), Some(col)) if !layer.is_empty() => Ok(CellArg {
            layer: layer.to_owned(),
            grid,
            row,
            col,
        }),
        _ => Err(form()),
    }
}

fn parse_ratio(text: &str) -> Result<f32, String> {
    let ratio: Option<f32> = text.parse().ok();
    ratio
        .filter(|ratio| (0.02..=1.0).contains(ratio))
        .ok_or_else(|| format!("{text:?} is no share of the picture, 0.02 to 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_has_four_parts() {
        let cell = parse_place("mixed5b,20,3,7").unwrap();
        assert_eq!((cell.grid, cell.row, cell.col), (20, 3, 7));
        assert_eq!(parse_place("a,b,20,3,7").unwrap().layer, "a,b");
        for bad in ["20,3,7", "mixed5b,3,7", "x,20,3,-7", ""] {
            assert!(parse_place(bad).unwrap_err().contains("LAYER"), "{bad}");
        }
    }

    #[test]
    fn ratios_are_shares() {
        assert_eq!(parse_ratio("0.4"), Ok(0.4));
        for bad in ["0", "1.5", "x", "nan"] {
            assert!(parse_ratio(bad).is_err(), "{bad}");
        }
    }
}
