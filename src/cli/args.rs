//! What can be typed.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
#[cfg(feature = "build")]
mod network;
#[cfg(feature = "build")]
mod patch;
mod suspects;

#[cfg(all(feature = "build", feature = "explore"))]
pub(super) use network::InputArgs;
#[cfg(feature = "build")]
pub(super) use network::{LayersArgs, NetworkArgs, PredictArgs, PullArgs, ResizeArg, RunArgs};
#[cfg(feature = "build")]
pub(super) use patch::{
    CellArg, CornerArg, JudgeArg, PatchArgs, ReportArgs, RetestArgs, TestedNetworkArgs,
};
use std::path::PathBuf;
pub(super) use suspects::{KindArg, SuspectsArgs};

/// Explore what a convolutional network sees: build activation atlases and walk through them in the terminal
#[derive(Debug, Parser)]
#[command(name = "atlascope", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXAMPLES: &str = "Examples:
  atlascope demo                     build a small atlas live and explore it while it grows
  atlascope demo --real              explore the prebuilt atlas of InceptionV1, layer mixed4d
  atlascope build --network inception_v1 --weights googlenet.safetensors \\
      --images photos/ --layer mixed4d -o my.atlas
  atlascope layers --network model.onnx
  atlascope explore my.atlas         also while `build` is still running: explore my.atlas.part
  atlascope show my.atlas --cell 12,7
  atlascope suspects my.atlas        candidates for spurious correlations
  atlascope doctor                   what this terminal can draw, and why";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[cfg(all(feature = "build", feature = "explore"))]
    Demo(DemoArgs),
    #[cfg(feature = "build")]
    Build(Box<BuildArgs>),
    #[cfg(feature = "build")]
    Predict(Box<PredictArgs>),
    #[cfg(feature = "build")]
    Layers(Box<LayersArgs>),
    #[cfg(feature = "build")]
    Pull(PullArgs),
    #[cfg(feature = "explore")]
    Explore(ExploreArgs),
    #[cfg(feature = "explore")]
    Show(ShowArgs),
    #[cfg(feature = "explore")]
    Locate(LocateArgs),
    #[cfg(feature = "build")]
    Patch(Box<PatchArgs>),
    Suspects(SuspectsArgs),
    #[cfg(feature = "build")]
    Report(ReportArgs),
    #[cfg(feature = "build")]
    Retest(Box<RetestArgs>),
    Export(ExportArgs),
    Info(InfoArgs),
    Doctor(DoctorArgs),
    #[cfg(feature = "build")]
    TrainDemo(TrainDemoArgs),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  atlascope completions bash > ~/.local/share/bash-completion/completions/atlascope"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(after_help = "Example:\n  atlascope man > ~/.local/share/man/man1/atlascope.1")]
    Man,
}

/// How pictures reach the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ProtocolArg {
    /// kitty graphics
    Kitty,
    /// kitty graphics placed by characters, as tmux and Ghostty need it
    Placeholders,
    /// iTerm2's inline pictures, JPEG
    Iterm,
    /// Sixel
    Sixel,
    /// Two pixels per character
    Halfblock,
    /// No pictures
    None,
}

/// Run a photograph through the network of an atlas and say where in the atlas it lies
#[cfg(feature = "explore")]
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  atlascope locate my.atlas cat.jpg --weights googlenet.safetensors
  atlascope locate my.atlas cat.jpg --weights googlenet.safetensors --layer mixed4d --json")]
pub(super) struct LocateArgs {
    /// An atlas
    pub(super) atlas: PathBuf,
    /// A photograph: JPEG, PNG or WebP
    pub(super) photograph: PathBuf,
    /// Layer [default: the deepest]
    #[arg(long, value_name = "NAME")]
    pub(super) layer: Option<String>,
    #[cfg(feature = "build")]
    #[command(flatten)]
    pub(super) network: TestedNetworkArgs,
    /// Print everything as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Build a small atlas of a synthetic world with the embedded network, and explore it while it grows
#[cfg(all(feature = "build", feature = "explore"))]
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  atlascope demo
  atlascope demo --real
  atlascope demo --save demo.atlas --no-explore")]
pub(super) struct DemoArgs {
    /// Explore the prebuilt atlas of InceptionV1, layer mixed4d, made from 5,000 photographs
    #[arg(long, conflicts_with_all = ["scenes", "seed", "steps", "save", "no_explore"])]
    pub(super) real: bool,
    /// Number of scenes to run through the network
    #[arg(long, default_value_t = 3200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) scenes: u32,
    /// Seed of the world and of everything else that is random
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Steps of ascent per icon
    #[arg(long, default_value_t = 96, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) steps: u32,
    /// Also keep the finished atlas in this file
    #[arg(long, value_name = "FILE")]
    pub(super) save: Option<PathBuf>,
    /// Only build, with a progress bar
    #[arg(long, requires = "save")]
    pub(super) no_explore: bool,
    /// Draw pictures this way instead of asking the terminal
    #[arg(long, value_enum)]
    pub(super) protocol: Option<ProtocolArg>,
}

/// Build an atlas from a network and folders of images
///
/// An interrupted build (Ctrl-C, a dropped line, a kill) goes on where it stopped when the same command is given
/// again; its state lies in OUTPUT.part beside the output.
#[cfg(feature = "build")]
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  atlascope build --network inception_v1 --weights googlenet.safetensors --images photos/ \\
      --layer mixed4d -o my.atlas
  atlascope build --network inception_v1 --weights googlenet.safetensors --images a/ --images b/ \\
      --positions 40,5 --layer mixed4c --layer mixed5b --grid 10,20,40 --steps 512 -o my.atlas
  atlascope build --network model.onnx --size 224 --resize crop:256 --mean 123.7,116.3,103.5 \\
      --scale 58.4,57.1,57.4 --classes imagenet --images photos/ -o my.atlas
  atlascope build --network demo --images renders/ --layer mixed4a -o demo.atlas")]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(super) struct BuildArgs {
    #[command(flatten)]
    pub(super) network: NetworkArgs,
    /// A folder of JPEG, PNG or WebP images, searched recursively; may be repeated
    #[arg(long, value_name = "DIR", required = true)]
    pub(super) images: Vec<PathBuf>,
    /// Positions drawn from each image; one number, or one for each --images
    #[arg(long, value_name = "N[,N]", value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) positions: Vec<u32>,
    /// Collect every image a second time, mirrored left to right
    #[arg(long)]
    pub(super) flip: bool,
    /// Use at most this many images of each folder, spread evenly
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_images: Option<u32>,
    /// Labels for folders whose names are none: CSV with a path (or file name) and a label per row
    #[arg(long, value_name = "CSV")]
    pub(super) labels: Option<PathBuf>,
    /// A layer to make a map of; may be repeated [default: the network's own choice]
    #[arg(long, value_name = "NAME")]
    pub(super) layer: Vec<String>,
    /// The atlas to write
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// Replace the output if it exists
    #[arg(long)]
    pub(super) force: bool,
    /// Grid sizes, coarse to fine [default: by the number of activations]
    #[arg(long, value_name = "G[,G]", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=640))]
    pub(super) grid: Vec<u32>,
    /// Seed of everything random
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
    /// Also keep large tables in the atlas
    #[arg(long, value_enum)]
    pub(super) keep: Vec<Keep>,
    /// Leave the weights of the network's last layer out of the atlas; `suspects` then finds cells, no components
    #[arg(long)]
    pub(super) no_head: bool,
    /// Do not write the folders' paths into the atlas, only their names
    #[arg(long)]
    pub(super) no_image_paths: bool,
    #[command(flatten)]
    pub(super) layout: LayoutArgs,
    #[command(flatten)]
    pub(super) icons: IconArgs,
}

/// Large tables that are left out by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Keep {
    /// Every sample's full activation vector, 16 bits per channel
    Activations,
}

#[cfg(feature = "build")]
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Layout")]
pub(super) struct LayoutArgs {
    /// Size of UMAP's neighbourhoods (the article: 50, and 200 for mixed3a and mixed3b)
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub(super) neighbors: u32,
    /// Smallest distance of points on the map
    #[arg(long, default_value_t = 0.05, value_parser = parse_min_dist)]
    pub(super) min_dist: f32,
    /// Distance in activation space (the article: cosine, and euclidean for mixed3a and mixed3b)
    #[arg(long, value_enum, default_value_t = Metric::Cosine)]
    pub(super) metric: Metric,
    /// Epochs of descent; 0 = 500 up to 10,000 activations, 200 above
    #[arg(long, default_value_t = 0)]
    pub(super) epochs: u32,
    /// What the derivatives of max pools and normalisations do in the attribution
    #[arg(long, value_enum, default_value_t = RelaxationArg::Average)]
    pub(super) relaxation: RelaxationArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Metric {
    /// 1 − cosine similarity
    Cosine,
    /// L2
    Euclidean,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum RelaxationArg {
    /// Max pools as if they averaged (the article), layer normalisations with their deviation held
    Average,
    /// The plain gradient
    Plain,
}

#[cfg(feature = "build")]
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Icons")]
pub(super) struct IconArgs {
    /// Steps of ascent per icon (the article: 1024)
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) steps: u32,
    /// Restarts per icon, of which the best is kept (the article: 4)
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) attempts: u32,
    /// Side of an icon in pixels [default: 80, or the input's own where the network takes that alone]
    #[arg(long, value_parser = clap::value_parser!(u32).range(16..=512))]
    pub(super) icon_size: Option<u32>,
    /// The form of the objective
    #[arg(long, value_enum)]
    pub(super) objective: Option<ObjectiveArg>,
    /// Power of the cosine
    #[arg(long, value_name = "P")]
    pub(super) power: Option<f32>,
    /// Do not whiten directions (the article: mixed3a and mixed3b)
    #[arg(long)]
    pub(super) no_whiten: bool,
    /// How exactly the ascent multiplies: half rounds to 16 bits where the processor gains from it, scores stay exact
    #[arg(long, value_enum, default_value = "half")]
    pub(super) precision: PrecisionArg,
    /// Random transforms on the way into the network
    #[arg(long, value_enum)]
    pub(super) transforms: Option<TransformArg>,
    /// Cells with fewer activations get no icon
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) min_samples: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ObjectiveArg {
    /// dot × cosine^p with both norms (the article)
    Article,
    /// lucid's form, whose cosine lacks a norm
    Lucid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PrecisionArg {
    /// 32 bits
    Full,
    /// 16-bit products (bfloat16) with 32-bit sums
    Half,
}

#[cfg(feature = "build")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TransformArg {
    /// The whole icon counts
    Recipe,
    /// The network sees a window of the icon
    Notebook,
}

/// Explore an atlas
#[cfg(feature = "explore")]
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  atlascope explore my.atlas
  atlascope explore my.atlas.part      a build that is still running
  atlascope explore my.atlas --protocol halfblock

Press ? inside for the keys.")]
pub(super) struct ExploreArgs {
    /// An atlas, or the .part folder of a running build; `FILE#LAYER,GRID,ROW,COLUMN` opens it at a cell
    pub(super) atlas: PathBuf,
    /// Where the photographs of the atlas are now; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(super) images: Vec<PathBuf>,
    /// The atlas's network, to test suspects and to locate photographs (not needed for the embedded one)
    #[cfg(feature = "build")]
    #[command(flatten)]
    pub(super) network: TestedNetworkArgs,
    /// A configuration file [default: config.toml in the configuration folder, if there is one]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Neither read nor write the session that is remembered beside the atlas
    #[arg(long)]
    pub(super) no_session: bool,
    /// Draw pictures this way instead of asking the terminal
    #[arg(long, value_enum)]
    pub(super) protocol: Option<ProtocolArg>,
    /// The terminal's background, where it does not tell: light, dark or a colour like #fdf6e3
    #[arg(long, value_name = "COLOUR")]
    pub(super) background: Option<crate::graphics::probe::Background>,
}

/// Print the map or one cell to the terminal
#[cfg(feature = "explore")]
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  atlascope show my.atlas
  atlascope show my.atlas --level 20 --layer mixed4d
  atlascope show my.atlas --cell 12,7")]
pub(super) struct ShowArgs {
    /// An atlas, or the .part folder of a running build
    pub(super) atlas: PathBuf,
    /// The cell at this row and column of the level: its icon with its classes
    #[arg(long, value_name = "ROW,COL", value_parser = parse_cell)]
    pub(super) cell: Option<(u32, u32)>,
    /// Grid size of the level [default: the coarsest; with --cell the coarsest that has such a cell]
    #[arg(long, value_name = "G")]
    pub(super) level: Option<u32>,
    /// Layer [default: the deepest]
    #[arg(long, value_name = "NAME")]
    pub(super) layer: Option<String>,
    /// Width of the picture in columns [default: the terminal's]
    #[arg(long, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(1..=2000))]
    pub(super) width: Option<u16>,
    /// Draw pictures this way instead of asking the terminal
    #[arg(long, value_enum)]
    pub(super) protocol: Option<ProtocolArg>,
}

/// Write an atlas as a picture, a page or tables
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  atlascope export my.atlas --png map.png --level 20
  atlascope export my.atlas --html page/
  atlascope export my.atlas --csv tables/",
    group = clap::ArgGroup::new("target").required(true).multiple(true).args(["png", "html", "csv"]))]
pub(super) struct ExportArgs {
    /// An atlas, or the .part folder of a running build
    pub(super) atlas: PathBuf,
    /// The whole map of one level as one picture
    #[arg(long, value_name = "FILE")]
    pub(super) png: Option<PathBuf>,
    /// A self-contained page that works offline
    #[arg(long, value_name = "DIR")]
    pub(super) html: Option<PathBuf>,
    /// Tables of cells, samples and images
    #[arg(long, value_name = "DIR")]
    pub(super) csv: Option<PathBuf>,
    /// Grid size of the picture's level [default: the finest with icons]
    #[arg(long, value_name = "G")]
    pub(super) level: Option<u32>,
    /// Layer of the picture [default: the deepest]
    #[arg(long, value_name = "NAME")]
    pub(super) layer: Option<String>,
    /// Replace files that exist
    #[arg(long)]
    pub(super) force: bool,
}

/// Print what an atlas is: recipe, sizes, counts, quality numbers
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  atlascope info my.atlas
  atlascope info my.atlas --json | jq .layers[0].quality")]
pub(super) struct InfoArgs {
    /// An atlas, or the .part folder of a running build
    pub(super) atlas: PathBuf,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Tell what this terminal can draw, what computes, and where files live
#[derive(Debug, ClapArgs)]
pub(super) struct DoctorArgs {
    /// Explain the choice as if this protocol were asked for
    #[arg(long, value_enum)]
    pub(super) protocol: Option<ProtocolArg>,
}

/// Train the demo's network from nothing, as the embedded weights were trained
#[cfg(feature = "build")]
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:
  atlascope train-demo -o weights.safetensors")]
pub(super) struct TrainDemoArgs {
    /// The weights to write
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// Replace the output if it exists
    #[arg(long)]
    pub(super) force: bool,
    /// Seed of the world, the weights and the order
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// Number of passes over the training scenes
    #[arg(long)]
    pub(super) epochs: Option<u32>,
}

/// A share of the spread, which is 1.
#[cfg(feature = "build")]
fn parse_min_dist(text: &str) -> Result<f32, String> {
    let distance: Option<f32> = text.parse().ok();
    distance
        .filter(|distance| (0.0..=1.0).contains(distance))
        .ok_or_else(|| format!("{text:?} is no distance from 0 to 1"))
}

#[cfg(feature = "explore")]
fn parse_cell(text: &str) -> Result<(u32, u32), String> {
    let number = |part: &str| {
        part.trim()
            .parse::<u32>()
            .map_err(|_| format!("{part:?} is not a number"))
    };
    let (row, col) = text
        .split_once(',')
        .ok_or("a cell is ROW,COL, for example 12,7")?;
    Ok((number(row)?, number(col)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "explore")]
    #[test]
    fn cells_are_row_and_column() {
        assert_eq!(parse_cell("12, 7"), Ok((12, 7)));
        assert!(parse_cell("12").is_err());
        assert!(parse_cell("a,b").unwrap_err().contains("\"a\""));
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }
}
