//! What can be typed about networks: the flags that every command with a network shares, and the commands about them.

use crate::network::{Channels, Filter};
use clap::Args as ClapArgs;
use std::path::PathBuf;

/// Which network, with which weights, fed how.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct NetworkArgs {
    /// The network: a known one (see `atlascope pull`), an ONNX file, or a model.toml
    #[arg(long, value_name = "F")]
    pub(crate) network: String,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// How a network is run, whichever it is.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct RunArgs {
    /// The weights of a known network, as safetensors or PyTorch file [default: what `pull` downloaded]
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Class names: a file with a line per output, or imagenet
    #[arg(long, value_name = "FILE")]
    pub(crate) classes: Option<String>,
    /// auto, cpu, cuda, cuda:N or metal
    #[arg(long, default_value = "auto")]
    pub(crate) device: String,
    /// Run plain candle operators instead of the fast kernels
    #[arg(long)]
    pub(crate) reference: bool,
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

/// How a photograph becomes the network's input. What is not given is the network's own, where it is known.
#[derive(Debug, Clone, Default, ClapArgs)]
#[command(next_help_heading = "Preprocessing: (pixel - mean) / scale, pixels 0..255")]
pub(crate) struct InputArgs {
    /// Rows and columns of the network's input
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(8..=4096))]
    pub(crate) size: Option<u32>,
    /// warp: to the square, aspect ignored; crop: the central square. With :N the picture first gets N pixels on
    /// its short side (crop) or both (warp), then the central square is taken. With :bicubic behind it pictures change
    /// their size by cubic, not by linear interpolation
    #[arg(long, value_name = "warp|crop[:N][:bicubic]", value_parser = parse_resize)]
    pub(crate) resize: Option<ResizeArg>,
    /// Order of the colours: rgb or bgr
    #[arg(long, value_name = "rgb|bgr", value_parser = parse_channels)]
    pub(crate) channels: Option<Channels>,
    /// Subtracted, in the network's order of colours; one number may stand for three
    #[arg(long, value_name = "A[,B,C]", value_parser = parse_three, allow_hyphen_values = true)]
    pub(crate) mean: Option<[f32; 3]>,
    /// Divided by, likewise
    #[arg(long, value_name = "A[,B,C]", value_parser = parse_scale, allow_hyphen_values = true)]
    pub(crate) scale: Option<[f32; 3]>,
}

/// How pictures get to the network's size, before that size is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResizeArg {
    /// Aspect ignored.
    pub(crate) warp: bool,
    /// Side before the crop.
    pub(crate) via: Option<usize>,
    /// By which filter.
    pub(crate) filter: Filter,
}

/// Run images through a network: top classes and logits, or the hit rate on a labelled folder
///
/// Use it to check preprocessing before an hour's build.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  atlascope predict --network resnet18 dog.jpg
  atlascope predict --network model.onnx --size 224 --resize crop:256 --channels rgb \\
      --mean 127 --scale 128 --classes imagenet photos/
  atlascope predict --network model.onnx photos/ --npy logits.npy")]
pub(crate) struct PredictArgs {
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// Images, or folders of images; sub-folders named by class identifiers or names are labels
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<PathBuf>,
    /// Labels for folders whose names are none: CSV with a path (or file name) and a label per row
    #[arg(long, value_name = "CSV")]
    pub(crate) labels: Option<PathBuf>,
    /// Use at most this many images of each folder, spread evenly
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_images: Option<u32>,
    /// Classes to print for each image
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) top: u32,
    /// As JSON
    #[arg(long, conflicts_with = "npy")]
    pub(crate) json: bool,
    /// Write all logits as images × classes, 32-bit floats
    #[arg(long, value_name = "OUT")]
    pub(crate) npy: Option<PathBuf>,
    /// Replace OUT if it exists
    #[arg(long, requires = "npy")]
    pub(crate) force: bool,
}

/// Print a network's layers as a tree: shapes, receptive fields, cost, and which are worth an atlas
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  atlascope layers --network demo
  atlascope layers --network model.onnx --block-ends
  atlascope layers --network model.onnx --json")]
pub(crate) struct LayersArgs {
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// Only the layers worth an atlas
    #[arg(long)]
    pub(crate) block_ends: bool,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Download a known network's weights into the cache, verified by their hash; without NAME: list the networks
///
/// An interrupted download goes on where it stopped when the same command is given again. HF_ENDPOINT, HF_TOKEN,
/// HF_HOME and HF_HUB_OFFLINE are honoured.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  atlascope pull
  atlascope pull resnet18
  atlascope pull inception_v1 --from googlenet.safetensors")]
pub(crate) struct PullArgs {
    /// A known network or a model.toml
    pub(crate) name: Option<String>,
    /// Take this file instead of downloading: it is checked and copied into the cache
    #[arg(long, value_name = "FILE", requires = "name")]
    pub(crate) from: Option<PathBuf>,
    /// Download again what is there already
    #[arg(long, requires = "name")]
    pub(crate) force: bool,
}

fn parse_resize(text: &str) -> Result<ResizeArg, String> {
    let mut parts = text.split(':').peekable();
    let form = parts.next().unwrap_or_default();
    let mut via = None;
    if let Some(part) = parts.next_if(|part| !matches!(*part, "bicubic" | "bilinear")) {
        let side = part.parse().ok().filter(|side| (8..=8192).contains(side));
        via = Some(side.ok_or_else(|| format!("{part:?} is no side in pixels, 8 to 8192"))?);
    }
    let filter = match (parts.next(), parts.next()) {
        (None | Some("bilinear"), None) => Filter::Bilinear,
        (Some("bicubic"), None) => Filter::Bicubic,
        _ => {
            return Err(
                "only a side and bilinear or bicubic stand behind warp and crop".to_owned(),
            );
        }
    };
    let warp = match form {
        "warp" => true,
        "crop" => false,
        _ => return Err("warp, crop, warp:N or crop:N, maybe with :bicubic".to_owned()),
    };
    Ok(ResizeArg { warp, via, filter })
}

fn parse_channels(text: &str) -> Result<Channels, String> {
    match text {
        "rgb" => Ok(Channels::Rgb),
        "bgr" => Ok(Channels::Bgr),
        _ => Err("rgb or bgr".to_owned()),
    }
}

fn parse_three(text: &str) -> Result<[f32; 3], String> {
    let number = |part: &str| {
        let value: Option<f32> = part.trim().parse().ok();
        value
            .filter(|value| value.is_finite())
            .ok_or_else(|| format!("{part:?} is not a number"))
    };
    let numbers = text
        .split(',')
        .map(number)
        .collect::<Result<Vec<f32>, _>>()?;
    match numbers.as_slice() {
        &[one] => Ok([one; 3]),
        &[a, b, c] => Ok([a, b, c]),
        several => Err(format!("one number or three, not {}", several.len())),
    }
}

fn parse_scale(text: &str) -> Result<[f32; 3], String> {
    let scale = parse_three(text)?;
    if scale.contains(&0.0) {
        return Err("nothing can be divided by 0".to_owned());
    }
    Ok(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_may_stand_for_three() {
        assert_eq!(parse_three("127"), Ok([127.0; 3]));
        assert_eq!(parse_three("1, -2,3.5"), Ok([1.0, -2.0, 3.5]));
        assert!(parse_three("1,2").unwrap_err().contains("not 2"));
        assert!(parse_three("1,x,3").unwrap_err().contains("\"x\""));
        assert!(parse_three("nan").is_err());
        assert!(parse_scale("1,0,1").is_err());
    }

    #[test]
    fn resizing_has_two_forms() {
        let with = |warp, via, filter| Ok(ResizeArg { warp, via, filter });
        let of = |warp, via| with(warp, via, Filter::Bilinear);
        let bicubic = with(false, Some(256), Filter::Bicubic);
        assert_eq!(parse_resize("crop:256:bicubic"), bicubic);
        let bicubic = with(true, None, Filter::Bicubic);
        assert_eq!(parse_resize("warp:bicubic"), bicubic);
        assert_eq!(parse_resize("crop:256:bilinear"), of(false, Some(256)));
        assert!(parse_resize("crop:bicubic:256").is_err());
        assert!(parse_resize("crop:256:cubic").is_err());
        assert_eq!(parse_resize("warp"), of(true, None));
        assert_eq!(parse_resize("warp:256"), of(true, Some(256)));
        assert_eq!(parse_resize("crop:256"), of(false, Some(256)));
        assert!(parse_resize("crop:0").is_err());
        assert!(parse_resize("stretch").is_err());
    }
}
