//! The recipe: every knob that made an atlas, with the article's values as defaults where it gives any.

use super::InputSpec;

/// Every parameter that produced an atlas.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Recipe {
    /// Name of the network (`inception_v1`).
    pub network: String,
    /// SHA-256 of the weights, hexadecimal.
    pub weights_sha256: String,
    /// What the network saw of the images; recipes from before it was recorded lack it.
    #[serde(default)]
    pub input: Option<InputSpec>,
    /// Where the images came from.
    pub sources: Vec<Source>,
    /// Layers, shallow to deep.
    pub layers: Vec<String>,
    /// Grid sizes, coarse to fine.
    pub grids: Vec<u32>,
    /// Sampling of positions.
    pub collect: CollectRecipe,
    /// The 2-D layout.
    pub layout: LayoutRecipe,
    /// Class attribution.
    pub attribution: AttributionRecipe,
    /// Feature visualisation.
    pub icons: IconRecipe,
    /// Seed of everything random.
    pub seed: u64,
    /// Device that computed it (`cpu`, `cuda:0`).
    pub device: String,
    /// Version of the program.
    pub program: String,
}

/// One source of images.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Source {
    /// The folder's own name, or `synthetic world`.
    pub name: String,
    /// The folder as it was given, unless it was to be left out.
    #[serde(default)]
    pub path: Option<String>,
    /// Number of images used.
    pub n_images: u64,
    /// Number of files that could not be read.
    pub n_skipped: u64,
    /// Positions drawn per image and layer (at most).
    pub positions: u32,
    /// Whether the images were mirrored left to right before they went through the network: columns of samples
    /// count from the mirrored image's left.
    #[serde(default)]
    pub mirrored: bool,
}

/// How activations are sampled (article, "Collecting one million activations").
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CollectRecipe {
    /// Positions per image and layer unless the source says otherwise. Article: 1.
    pub positions: u32,
    /// First and last row and column are left out when the layer is at least 3 wide.
    pub exclude_edges: bool,
}

/// Distance in activation space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayoutMetric {
    /// 1 − cosine similarity.
    Cosine,
    /// L2.
    Euclidean,
}

/// Which ends of an edge an attraction moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attraction {
    /// Both at once, as umap-learn: points drag their neighbours along, which fills the map's gaps.
    BothEnds,
    /// The one that the edge starts from: neighbourhoods are kept better, and more of the map stays empty.
    OneEnd,
}

/// UMAP's parameters.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LayoutRecipe {
    /// Size of the neighbourhood, the point itself included. Article: 50 (200 for mixed3a, mixed3b).
    pub n_neighbors: u32,
    /// Smallest distance of points on the map before normalisation. Article: 0.05.
    pub min_dist: f32,
    /// Article: cosine (euclidean for mixed3a, mixed3b).
    pub metric: LayoutMetric,
    /// Epochs of descent; 0 = umap-learn's rule (500 up to 10,000 points, 200 above).
    pub n_epochs: u32,
    /// Distance on the map (before normalisation) over which closeness falls. umap-learn: 1.
    #[serde(default = "one")]
    pub spread: f32,
    /// Which ends of an edge an attraction moves.
    #[serde(default = "one_end")]
    pub attraction: Attraction,
    /// Random points that a point is repelled from for each attraction. umap-learn: 5.
    #[serde(default = "five")]
    pub negative_samples: u32,
    /// Factor of the repulsion. umap-learn: 1.
    #[serde(default = "one")]
    pub repulsion: f32,
}

/// What the derivative of attributions does where the plain one says little.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relaxation {
    /// Max pools as if they averaged (the article's continuous relaxation). Layer normalisations with their deviation
    /// held constant (Ali et al. 2022): what they give hardly changes when a token grows, so that h · ∂logit/∂h would
    /// vanish for the patches of a transformer that looks at its class token.
    Average,
    /// The plain gradient: of a max pool only the winner passes.
    Plain,
}

/// Class attribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AttributionRecipe {
    /// Max pools and normalisations above the layer.
    pub relaxation: Relaxation,
}

/// Which product of dot and cosine the icons maximise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectiveForm {
    /// The article: (h·w)^(p+1) / (|h| |w|)^p, i.e. dot · max(0.1, cosine)^p with both norms.
    Article,
    /// lucid's code: dot = mean(h·w), cos' = max(0.1, dot / (1e-4 + |h|)).
    Lucid,
}

/// Which chain of random transforms the image passes on its way into the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransformForm {
    /// Pad 16 with grey, jitter, scale 0.925..0.961, rotate ±20°, jitter, crop or pad to size: the whole icon counts.
    Recipe,
    /// Pad 2 with white, jitter, scale 0.67..1.03, rotate, jitter: the network sees a window, the rim stays blurry.
    Notebook,
}

/// How exactly the ascent of icons multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// In 32 bits.
    #[default]
    Full,
    /// What convolutions multiply is rounded to 16 bits (bfloat16) where the processor gains from it; sums are of 32
    /// bits. Elsewhere as `Full`.
    Half,
}

/// Feature visualisation of a cell.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct IconRecipe {
    /// Side in pixels. Article: 80.
    pub size: u32,
    /// Steps of Adam. Article: 1024.
    pub steps: u32,
    /// Restarts of which the best is kept. Article: 4.
    pub attempts: u32,
    /// Learning rate of runs of about a hundred steps; shorter ones take longer steps, longer ones shorter steps.
    /// Article: 0.05.
    pub learning_rate: f32,
    /// The objective's form.
    pub objective: ObjectiveForm,
    /// Power p of the cosine. Article: 4; lucid's recipe: 2.
    pub cosine_power: f32,
    /// Multiply directions by the inverse second moment of the layer (for mixed4a and deeper).
    pub whiten: bool,
    /// Random transforms.
    pub transforms: TransformForm,
    /// Cells with fewer samples get no icon.
    pub min_samples: u32,
    /// Weight of lucid's boundary-complexity penalty (0 = none).
    pub boundary_penalty: f32,
    /// Power with which the spectrum's amplitude falls with frequency. lucid: 1. More gives smoother icons.
    #[serde(default = "one")]
    pub decay: f32,
    /// Precision of the ascent's products; scores are always computed in full.
    #[serde(default)]
    pub precision: Precision,
}

/// The value of several numbers in recipes from before they could be chosen.
fn one() -> f32 {
    1.0
}

/// The negative samples of recipes from before they could be chosen.
fn five() -> u32 {
    5
}

/// The attraction of recipes from before it could be chosen.
fn one_end() -> Attraction {
    Attraction::OneEnd
}

impl Default for CollectRecipe {
    fn default() -> Self {
        Self {
            positions: 1,
            exclude_edges: true,
        }
    }
}

impl Default for LayoutRecipe {
    fn default() -> Self {
        Self {
            n_neighbors: 50,
            min_dist: 0.05,
            metric: LayoutMetric::Cosine,
            n_epochs: 0,
            spread: 1.0,
            attraction: Attraction::BothEnds,
            negative_samples: 5,
            repulsion: 1.0,
        }
    }
}

impl Default for AttributionRecipe {
    fn default() -> Self {
        Self {
            relaxation: Relaxation::Average,
        }
    }
}

impl Default for IconRecipe {
    fn default() -> Self {
        Self {
            size: 80,
            steps: 512,
            attempts: 1,
            learning_rate: 0.05,
            objective: ObjectiveForm::Article,
            cosine_power: 2.0,
            whiten: true,
            transforms: TransformForm::Recipe,
            min_samples: 3,
            boundary_penalty: 0.0,
            decay: 1.0,
            precision: Precision::Half,
        }
    }
}
