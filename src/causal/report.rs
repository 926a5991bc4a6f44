//! Reports: claims with everything that a reader needs to judge and to repeat them, as Markdown, as one page and as data.
//!
//! There is no date and no path of the machine beyond those in the commands, so the same claims give the same bytes.

mod html;
mod markdown;
mod pictures;

pub use pictures::{Pictures, pictures};

use crate::atlas::Recipe;
use crate::suspects::Kind;
use crate::suspects::claim::{Claim, Estimate, Judgement};
use serde::{Deserialize, Serialize};

/// Version of the form.
pub const VERSION: u32 = 1;

/// Claims with what they were measured on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of this form.
    pub version: u32,
    /// The program.
    pub program: String,
    /// The recipe of the atlas, where the claims come from one.
    #[serde(default)]
    pub recipe: Option<Recipe>,
    /// The claims.
    pub claims: Vec<Claim>,
}

impl Report {
    /// A report of claims.
    pub fn new(recipe: Option<Recipe>, claims: Vec<Claim>) -> Self {
        Self {
            version: VERSION,
            program: concat!("atlascope ", env!("CARGO_PKG_VERSION")).to_owned(),
            recipe,
            claims,
        }
    }

    /// As data; `atlascope retest` reads it.
    pub fn json(&self) -> String {
        // Strings, numbers and lists always serialise.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// As text for a review or a repository.
    pub fn markdown(&self) -> String {
        markdown::markdown(self)
    }

    /// As one page that works offline. `pictures` has an entry for each claim, or none at all.
    pub fn html(&self, pictures: &[Pictures]) -> String {
        html::html(self, pictures)
    }
}

/// What is told of a recipe: name and value.
fn recipe_rows(recipe: &Recipe) -> Vec<(&'static str, String)> {
    let sources = recipe
        .sources
        .iter()
        .map(|s| format!("{} ({} images)", s.name, s.n_images));
    let grids: Vec<String> = recipe.grids.iter().map(u32::to_string).collect();
    vec![
        ("network", recipe.network.clone()),
        ("weights, SHA-256", recipe.weights_sha256.clone()),
        ("images", sources.collect::<Vec<_>>().join(", ")),
        ("layers", recipe.layers.join(", ")),
        ("grids", grids.join(", ")),
        ("positions per image", recipe.collect.positions.to_string()),
        (
            "layout",
            format!(
                "UMAP, {} neighbours, distance {}, {:?}",
                recipe.layout.n_neighbors, recipe.layout.min_dist, recipe.layout.metric
            ),
        ),
        (
            "attribution",
            format!("{:?} pools", recipe.attribution.relaxation),
        ),
        ("seed of the atlas", recipe.seed.to_string()),
        ("made by", recipe.program.clone()),
    ]
}

/// What a person thinks, in words.
fn judged(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Core => "core",
        Judgement::Shortcut => "shortcut",
        Judgement::Unsure => "unsure",
    }
}

/// What a claim is about, in one line.
fn heading(claim: &Claim) -> String {
    let subject = &claim.subject;
    let what = match (&subject.picture, &subject.cell, subject.component) {
        (Some(picture), ..) => {
            let name = picture.rsplit(['/', '\\']).next().unwrap_or(picture);
            format!("picture {name}")
        }
        (None, Some(cell), Some(number)) => match subject.kind {
            Some(Kind::Cell) | None => format!("cell {cell}, cluster {number}"),
            Some(Kind::Colour) => format!("images alike in colour ({number}), at {cell}"),
            Some(Kind::Texture) => format!("images alike in texture ({number}), at {cell}"),
            Some(kind) => format!("{} {number} at {cell}", kind.name()),
        },
        (None, Some(cell), None) => format!("cell {cell}"),
        _ => "feature".to_owned(),
    };
    format!("{what} → {}", subject.class_name)
}

/// What is in the report beside the numbers, so that nobody reads more into them than is there.
const READ_THIS: &str = "Δ is the mean change of the class's logit, less the mean over all classes, when the feature is \
put into images of other classes; controls are natural crops of other photographs (or the same transfer between \
images without the feature) on the same images at the same place; the class's crops are those of its own other \
images; a picture from a file is compared with itself with its phases scrambled, which leaves its colours and texture. Intervals are 95 % bootstraps over images and \
pieces. \"Used by the model\" says that the feature moves the class more than its controls do, and by a \
fifth of what sets the class's images apart more than the class's own crops (two fifths where whole pictures are changed); \
less is \"used slightly\". Whether it ought to is \
a judgement, and stands beside it as the person's.";

/// What the class's own crops did, what noise did, and the flips at the best size and corner, where they were measured.
fn beside(e: &Estimate) -> [String; 3] {
    let known = |value: Option<f32>| value.map_or("–".to_owned(), |value| format!("{value:+.2}"));
    let (class, noise) = (known(e.controls.class), known(e.controls.noise));
    let best = e.best_flips.map_or("–".to_owned(), |best| {
        format!(
            "{}/{} (controls {}/{})",
            best.flips, e.n, best.controls, e.n
        )
    });
    [class, noise, best]
}

#[cfg(test)]
mod tests;
