//! `models/NAME/model.toml` and `classes.tsv`: what the repository knows about a network besides its weights.

use super::{InputSpec, NetworkError, Result};
use crate::atlas::Class;

/// A network's manifest.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The network's name.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Where the weights come from.
    pub source: String,
    /// Their licence.
    pub licence: String,
    /// SHA-256 of the weights file that the measured numbers belong to.
    pub weights_sha256: String,
    /// Layers to build when none is asked for.
    pub default_layers: Vec<String>,
    /// Preprocessing.
    pub input: InputSpec,
    /// How the weights came about, for a network that this program trained itself.
    #[serde(default)]
    pub training: Option<Training>,
    /// Classes in logit order.
    #[serde(skip)]
    pub classes: Vec<Class>,
}

/// The run that a network's weights come from, with what it measured.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The command that makes the weights again.
    pub command: String,
    /// Seed of the run and of its images.
    pub seed: u64,
    /// Images that were learned from.
    pub images: usize,
    /// Images that accuracies were measured on.
    pub held_out: usize,
    /// Share of them that is classified rightly, 0..=1.
    pub accuracy: f64,
    /// The same for these images without any planted feature, where it was measured.
    #[serde(default)]
    pub accuracy_without_planted: Option<f64>,
}

impl Manifest {
    /// From the texts of `model.toml` and `classes.tsv`.
    ///
    /// # Errors
    /// Text that is no manifest.
    pub fn parse(manifest: &str, classes: &str) -> Result<Self> {
        let mut manifest: Self = toml::from_str(manifest)
            .map_err(|error| NetworkError::BadGraph(format!("model.toml: {error}")))?;
        manifest.classes = parse_classes(classes)?;
        Ok(manifest)
    }
}

/// Classes from lines of `identifier TAB names`, in logit order.
///
/// # Errors
/// A line without a tab or with an empty side.
pub fn parse_classes(text: &str) -> Result<Vec<Class>> {
    text.lines()
        .enumerate()
        .map(|(idx, line)| match line.split_once('\t') {
            Some((id, names)) if !id.is_empty() && !names.trim().is_empty() => Ok(Class {
                id: id.to_owned(),
                names: names.trim().to_owned(),
            }),
            _ => Err(NetworkError::BadGraph(format!(
                "classes.tsv, line {}: not `identifier TAB names`",
                idx + 1
            ))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inceptions_manifest_is_whole() {
        let manifest = crate::network::inception_v1::manifest().unwrap();
        assert_eq!(manifest.name, crate::network::inception_v1::NAME);
        assert_eq!(manifest.classes.len(), 1000);
        assert_eq!(manifest.classes[0].id, "n01440764");
        assert_eq!(manifest.classes[999].name(), "toilet tissue");
        assert_eq!(manifest.weights_sha256.len(), 64);
    }

    #[test]
    fn lines_without_a_name_are_named() {
        let error = parse_classes("n1\tone\nn2\n").unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
        assert!(parse_classes("n1\t \n").is_err());
        assert!(Manifest::parse("name = 3", "").is_err());
    }
}
