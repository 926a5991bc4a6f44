//! `models/NAME/model.toml`: what the repository knows about a network besides its weights.

use super::{InputSpec, NetworkError, Result};
use crate::atlas::Class;
use std::collections::HashMap;

/// Who makes the graph from the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// The demo's own small network.
    Demo,
    /// GoogLeNet as BVLC trained it.
    InceptionV1,
    /// GoogLeNet as Google trained it (lucid's InceptionV1).
    Inception5h,
    /// torchvision's GoogLeNet.
    Googlenet,
    /// torchvision's ResNet of 18 layers.
    Resnet18,
    /// torchvision's ResNet of 50 layers.
    Resnet50,
    /// torchvision's VGG of 16 layers, without batch normalisation.
    Vgg16,
    /// torchvision's SqueezeNet 1.1.
    Squeezenet1_1,
    /// torchvision's MobileNet V2.
    MobilenetV2,
    /// The file is an ONNX model and brings its own graph.
    Onnx,
    /// A vision transformer with DINOv2's or timm's tensor names.
    Vit,
}

/// Where the weights file comes from; several sources of one network are alternatives, the first is the usual one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The file's name: in the repository, in the cache, beside the manifest.
    pub file: String,
    /// A plain URL.
    #[serde(default)]
    pub url: Option<String>,
    /// A repository on Hugging Face, `owner/name`.
    #[serde(default)]
    pub hugging_face: Option<String>,
    /// Branch, tag or commit of that repository.
    #[serde(default)]
    pub revision: Option<String>,
    /// SHA-256, all 64 digits or as many of the first as are known; absent where none is.
    #[serde(default)]
    pub sha256: Option<String>,
}

/// What the classes are called.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(from = "String")]
pub enum ClassTable {
    /// The 1000 classes of ImageNet in the order of their WordNet ids.
    Imagenet,
    /// The 1008 outputs of Google's InceptionV1: a dummy, the 1000 classes in an order of their own, 7 unused.
    Google,
    /// The demo's synthetic world.
    World,
    /// There is no classifier, or nobody knows.
    None,
    /// A file beside the manifest: lines of names, or of `identifier TAB names`.
    File(String),
}

impl From<String> for ClassTable {
    fn from(text: String) -> Self {
        match text.as_str() {
            "imagenet" => Self::Imagenet,
            "google" => Self::Google,
            "world" => Self::World,
            "none" => Self::None,
            _ => Self::File(text),
        }
    }
}

/// A network's manifest.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The network's name.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Their licence.
    pub licence: String,
    /// Who makes the graph.
    pub architecture: Architecture,
    /// What was measured with these very weights, or that nothing was.
    pub tested: String,
    /// Where the weights come from; none for weights that are compiled in.
    #[serde(default, rename = "source")]
    pub sources: Vec<Source>,
    /// SHA-256 of weights that are compiled in.
    #[serde(default)]
    pub weights_sha256: Option<String>,
    /// What the classes are called.
    pub classes: ClassTable,
    /// Layers to build when none is asked for; the network's last block end if empty.
    #[serde(default)]
    pub default_layers: Vec<String>,
    /// Preprocessing.
    pub input: InputSpec,
    /// Heads of a vision transformer, where its width does not tell.
    #[serde(default)]
    pub heads: Option<usize>,
    /// How the weights came about, for a network that this program trained itself.
    #[serde(default)]
    pub training: Option<Training>,
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
    /// From the text of `model.toml`.
    ///
    /// # Errors
    /// Text that is no manifest, or one that contradicts itself.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |what: String| NetworkError::BadGraph(format!("model.toml: {what}"));
        let manifest: Self = toml::from_str(text).map_err(|error| bad(error.to_string()))?;
        for source in &manifest.sources {
            let file = &source.file;
            let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
            if file.starts_with('/') || !file.split('/').all(plain) {
                return Err(bad(format!("{file:?} is no file name inside a folder")));
            }
            if source.url.is_some() && source.hugging_face.is_some() {
                return Err(bad(format!("{file} has two origins; write two sources")));
            }
            if let Some(repository) = &source.hugging_face
                && (source.revision.is_none()
                    || repository.split('/').filter(|p| plain(p)).count() != 2)
            {
                return Err(bad(format!(
                    "{file} needs a repository OWNER/NAME and a revision"
                )));
            }
            if let Some(digits) = &source.sha256
                && !((8..=64).contains(&digits.len())
                    && digits.bytes().all(|b| b.is_ascii_hexdigit()))
            {
                return Err(bad(format!("{digits:?} is no SHA-256")));
            }
        }
        let input = &manifest.input;
        if input.size == 0 || input.size > 4096 || input.scale.contains(&0.0) {
            return Err(bad(format!("{input:?} is no input")));
        }
        Ok(manifest)
    }

    /// The hash that the measured numbers belong to: of the first source, or of what is compiled in.
    pub fn sha256(&self) -> Option<&str> {
        let first = self
            .sources
            .first()
            .and_then(|source| source.sha256.as_deref());
        self.weights_sha256.as_deref().or(first)
    }

    /// True when weights of this hash are among those that the manifest knows.
    pub fn knows(&self, sha256: &str) -> bool {
        let mut digits = self
            .sources
            .iter()
            .filter_map(|source| source.sha256.as_deref());
        self.weights_sha256.as_deref() == Some(sha256) || digits.any(|d| sha256.starts_with(d))
    }
}

/// Classes in logit order from lines of `identifier TAB names`, or of names alone, which are then their own
/// identifiers.
///
/// # Errors
/// An empty line, and a line with a tab and an empty side.
pub fn parse_classes(text: &str) -> Result<Vec<Class>> {
    let bad = |idx: usize| {
        NetworkError::BadGraph(format!(
            "class names, line {}: neither `names` nor `identifier TAB names`",
            idx + 1
        ))
    };
    text.lines()
        .enumerate()
        .map(|(idx, line)| {
            let (id, names) = line.split_once('\t').unwrap_or((line, line));
            if id.trim().is_empty() || names.trim().is_empty() {
                return Err(bad(idx));
            }
            Ok(Class {
                id: id.trim().to_owned(),
                names: names.trim().to_owned(),
            })
        })
        .collect()
}

/// ImageNet's classes in the order of their WordNet ids.
///
/// # Errors
/// Never with the table that is compiled in; a test reads it.
pub fn imagenet() -> Result<Vec<Class>> {
    parse_classes(include_str!("../../models/inception_v1/classes.tsv"))
}

/// The outputs of Google's InceptionV1, whose order only it has.
///
/// # Errors
/// Never with the tables that are compiled in; a test reads them.
pub fn google() -> Result<Vec<Class>> {
    let imagenet = imagenet()?;
    let by_id: HashMap<&str, &Class> = imagenet
        .iter()
        .map(|class| (class.id.as_str(), class))
        .collect();
    let order = include_str!("../../models/inception5h/order.txt");
    let spare = |name: String| Class {
        id: name.clone(),
        names: name,
    };
    let mut classes = vec![spare("dummy".to_owned())];
    for id in order.split_whitespace() {
        let class = by_id.get(id).copied().cloned();
        classes.push(class.ok_or_else(|| NetworkError::BadGraph(format!("no class {id}")))?);
    }
    classes.extend((classes.len()..1008).map(|idx| spare(format!("unused {idx}"))));
    Ok(classes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
        name = "x"
        title = "x"
        licence = "none"
        architecture = "onnx"
        tested = "no"
        classes = "none"
        [[source]]
        file = "x.onnx"
        url = "https://example.org/x.onnx"
        sha256 = "0123456789abcdef"
        [input]
        size = 32
        resize = "warp"
        channels = "rgb"
        mean = [0.0, 0.0, 0.0]
        scale = [1.0, 1.0, 1.0]
    "#;

    #[test]
    fn contradictions_are_refused() {
        let manifest = Manifest::parse(WHOLE).unwrap();
        assert!(manifest.knows(&format!("0123456789abcdef{}", "0".repeat(48))));
        assert!(!manifest.knows(&"1".repeat(64)));
        for (from, to) in [
            ("x.onnx\"", "../x.onnx\""),
            ("x.onnx\"", "/etc/x.onnx\""),
            ("0123456789abcdef", "0123"),
            ("0123456789abcdef", "0123456789abcdeg"),
            (
                "sha256",
                "hugging_face = \"a/b\"\nrevision = \"main\"\nsha256",
            ),
            (
                "url = \"https://example.org/x.onnx\"",
                "hugging_face = \"a/b\"",
            ),
            (
                "url = \"https://example.org/x.onnx\"",
                "hugging_face = \"a/..\"\nrevision = \"main\"",
            ),
            ("[1.0, 1.0, 1.0]", "[1.0, 0.0, 1.0]"),
            ("size = 32", "size = 0"),
            ("\"onnx\"", "\"caffe\""),
            ("tested", "untested"),
        ] {
            let text = WHOLE.replacen(from, to, 1);
            assert!(Manifest::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn lines_without_a_name_are_named() {
        let error = parse_classes("n1\tone\n\nn2\ttwo").unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
        assert!(parse_classes("n1\t \n").is_err());
        let plain = parse_classes("cat\ndog, hound\n").unwrap();
        assert_eq!(
            (plain[1].id.as_str(), plain[1].name()),
            ("dog, hound", "dog")
        );
    }

    #[test]
    fn tables_of_imagenet_hold_the_same_classes() {
        let (imagenet, google) = (imagenet().unwrap(), google().unwrap());
        assert_eq!((imagenet.len(), google.len()), (1000, 1008));
        assert_eq!(imagenet[0].id, "n01440764");
        assert_eq!(imagenet[999].name(), "toilet tissue");
        assert_eq!((google[1].name(), google[449].name()), ("kit fox", "tench"));
        let sorted = |classes: &[Class]| {
            let mut ids: Vec<String> = classes.iter().map(|class| class.id.clone()).collect();
            ids.sort();
            ids
        };
        assert_eq!(sorted(&google[1..1001]), sorted(&imagenet));
    }
}
