//! The columns of the list: what each number means and where it comes from.

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// How it is called on the command line and in JSON.
    pub name: &'static str,
    /// One sentence.
    pub what: &'static str,
    /// Who proposed it.
    pub source: &'static str,
}

macro_rules! columns {
    ($($id:ident $name:literal, $what:literal, $source:literal;)*) => {
        /// The columns in the order of [`super::Candidate::scores`].
        pub const COLUMNS: &[Column] = &[$(Column { name: $name, what: $what, source: $source }),*];
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Id { $($id),* }
    };
}

columns! {
    Attribution "attribution",
        "Logits that a position with this feature gives to the class, against the mean of all classes.",
        "Carter et al., Activation Atlas, 2019";
    Share "share",
        "Of the images that show the feature, the share that belongs to the class, 0..1.",
        "association rules (confidence)";
    Lift "lift",
        "Logarithm of the share over the class's share of all images (pointwise mutual information), in nats.",
        "association rules; Church and Hanks 1990";
    Presence "presence",
        "Of the class's images, the share that shows the feature, 0..1.",
        "association rules (support)";
    PlaceShare "place_share",
        "Of the positions that show the feature, the share that lies in images of the class, 0..1.",
        "share, counted in positions";
    Strength "strength",
        "Attribution over that of the class's strongest feature, 0..1.",
        "attribution, comparable between classes";
    Rarity "rarity",
        "share · (1 − presence): goes with the class, but only with few of its images.",
        "the small outlying clusters of Lapuschkin et al., SpRAy, 2019";
    Incoherence "incoherence",
        "attribution · (1 − cosine to the class's attribution-weighted mean feature).",
        "after the concept cores of Ghorbani et al., ACE, 2019";
    Dominance "dominance",
        "Attribution of a position with the feature minus the median over its image, mean over the class's images.",
        "sufficiency; DeYoung et al. 2020";
    Likeness "likeness",
        "Mean cosine of the exemplars' activations to the feature: near-duplicates in activation space reach 1.",
        "near-duplicates, in activation space";
    NearDuplicate "near_duplicate",
        "share · mean cosine between the activations of two exemplars, as far as the atlas keeps them: of marks that repeat themselves the share is left.",
        "near-duplicate exemplars, in activation space; photographs need not be there";
    Concentration "concentration",
        "Kullback–Leibler divergence of where in the image the feature stands from everywhere alike, in nats.",
        "fixed corners and borders; Kullback and Leibler 1951";
    Border "border",
        "Share of its positions that lie in the outermost rows and columns of the layer, 0..1.",
        "Carter et al. 2019 and Casper et al. 2023 on edges";
    Reuse "reuse",
        "Smaller of the attributions to the class and to another one, times how unlike their weights are; the best other class.",
        "the multi-use detectors of Carter et al. 2019";
    Contrast "contrast",
        "Attribution to the class minus that to the class most confusable with it.",
        "the comparison of two classes of Carter et al. 2019";
    Pull "pull",
        "Of the images of other classes that show the feature, the share that is predicted as the class.",
        "Eyuboglu et al., Domino, 2022; Yenamandra et al., FACTS, 2023";
    Ease "ease",
        "Mean log-odds of the class over the exemplars, minus the mean over all its images.",
        "Domino in reverse: shortcuts make images easy";
    Eigenvalue "eigenvalue",
        "Variance of the class's images along the component, in squared logits.",
        "Neuhaus et al., Spurious Features Everywhere, ICCV 2023";
    Spread "spread",
        "Variance of the class's images along the component over the variance within all classes; contrastive components.",
        "Abid et al., contrastive principal components, 2018";
    Alpha "alpha",
        "Mean of the component's ten largest contributions to the class's logit.",
        "Neuhaus et al. 2023";
    Unison "unison",
        "Of the 20 images farthest along the component, the share whose strongest place shows the same feature, 0..1.",
        "near-duplicates, in activation space";
    Tail "tail",
        "Skewness of the class's images along the component: a few images far out on one side.",
        "projection pursuit; Friedman and Tukey 1974";
    Closeness "closeness",
        "Mean distance to the nearest images of confusable classes over that to the nearest of the class, in colours or stripes of the whole picture, as they are or beyond their classes' middles, whichever is nearer.",
        "ratio of densities by neighbours; Loftsgaarden and Quesenberry 1965";
    Separability "separability",
        "Fisher's separability of the class's heat maps with the feature from those without, in at most 8 × 8 squares, less what chance gives.",
        "Lapuschkin et al., SpRAy, 2019; Anders et al. 2022";
    Outlier "outlier",
        "1 − cosine to the nearest other feature of the layer.",
        "Bykov et al., DORA, 2023";
    Necessity "necessity",
        "Accuracy of the class's images with the feature minus those without.",
        "group robustness; Sagawa et al. 2020";
    Paste "paste",
        "Change of the class's logit when exemplars are pasted into other images, minus natural controls; by a test.",
        "Carter et al. 2019; Casper et al., SNAFUE, 2023";
    Flips "flips",
        "Share of the backgrounds whose prediction becomes the class under the exemplars' crops, minus that under natural controls; by a test.",
        "Carter et al. 2019";
    Ablation "ablation",
        "Drop of the class's logit when the feature's direction is taken from its images, minus images without; by a test.",
        "Kim et al., TCAV, 2018; Anders et al., ClArC, 2022";
}

/// The number of a column.
pub fn column(name: &str) -> Option<usize> {
    let wanted = name.replace('-', "_").to_lowercase();
    COLUMNS.iter().position(|column| column.name == wanted)
}

/// One value per column, all empty.
pub(super) fn empty() -> Vec<Option<f32>> {
    vec![None; COLUMNS.len()]
}
