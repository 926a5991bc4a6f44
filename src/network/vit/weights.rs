//! A vision transformer from its weights file, under either of the two families of names.

use super::{Block, Dense, Norm, Vit};
use crate::network::weights::Weights;
use crate::network::{NetworkError, Result};
use candle_core::{Device, Tensor};

/// Whose names the file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// DINOv2's own repository, and timm: `blocks.0.attn.qkv.weight`.
    Dino,
    /// Hugging Face: `encoder.layer.0.attention.attention.query.weight`.
    HuggingFace,
}

struct Reader<'a> {
    weights: Weights<'a>,
    family: Family,
    /// Before every name but the head's (`dinov2.` in a file with a classifier).
    prefix: &'static str,
    width: usize,
    device: Device,
}

/// Dino's name → Hugging Face's.
const NAMES: [(&str, &str); 15] = [
    ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
    ("cls_token", "embeddings.cls_token"),
    ("mask_token", "embeddings.mask_token"),
    ("register_tokens", "embeddings.register_tokens"),
    ("pos_embed", "embeddings.position_embeddings"),
    ("blocks.", "encoder.layer."),
    ("attn.query", "attention.attention.query"),
    ("attn.key", "attention.attention.key"),
    ("attn.value", "attention.attention.value"),
    ("attn.proj", "attention.output.dense"),
    ("ls1.gamma", "layer_scale1.lambda1"),
    ("ls2.gamma", "layer_scale2.lambda1"),
    // Only the one at the end: those of the blocks are called `norm1` and `norm2`.
    ("norm.", "layernorm."),
    ("head.", "classifier."),
    ("reg_token", "embeddings.register_tokens"),
];

/// Reads all of it; the sizes come from the tensors themselves.
pub(super) fn read(bytes: &[u8], heads: Option<usize>, device: &Device) -> Result<Vit> {
    let mut weights = Weights::open(bytes, device)?;
    let (family, prefix) = if weights.shape("cls_token").is_some() {
        (Family::Dino, "")
    } else if weights.shape("dinov2.embeddings.cls_token").is_some() {
        (Family::HuggingFace, "dinov2.")
    } else {
        (Family::HuggingFace, "")
    };
    // Stands for patches that are hidden in training.
    weights.ignore(|name| name.ends_with("mask_token"));
    let mut reader = Reader {
        weights,
        family,
        prefix,
        width: 0,
        device: device.clone(),
    };
    reader.width = match reader.shape("cls_token") {
        Some(&[1, 1, width]) if width > 0 => width,
        found => {
            return Err(NetworkError::BadWeights(format!(
                "no class token of a vision transformer in it ({found:?})"
            )));
        }
    };
    let vit = reader.vit(heads)?;
    reader.weights.finish()?;
    Ok(vit)
}

impl Reader<'_> {
    fn name(&self, name: &str) -> String {
        if self.family == Family::Dino {
            return name.to_owned();
        }
        let mut own = name.to_owned();
        for (dino, theirs) in NAMES {
            let whole = matches!(dino, "norm." | "head.");
            if (whole && own.starts_with(dino)) || (!whole && own.contains(dino)) {
                own = own.replacen(dino, theirs, 1);
            }
        }
        if own.starts_with("classifier.") {
            return own;
        }
        format!("{}{own}", self.prefix)
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.weights.shape(&self.name(name))
    }

    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let name = self.name(name);
        self.weights.take(&name, shape)
    }

    fn outputs(&self, name: &str) -> usize {
        let shape = self.shape(&format!("{name}.weight"));
        shape.and_then(|shape| shape.first().copied()).unwrap_or(0)
    }

    fn dense(&mut self, name: &str, inputs: usize, outputs: usize) -> Result<Dense> {
        let weight = self.take(&format!("{name}.weight"), &[outputs, inputs])?;
        Ok(Dense {
            weight: weight.t()?.contiguous()?,
            bias: self.take(&format!("{name}.bias"), &[outputs])?,
        })
    }

    fn norm(&mut self, name: &str) -> Result<Norm> {
        let width = self.width;
        Ok(Norm {
            weight: self.take(&format!("{name}.weight"), &[width])?,
            bias: self.take(&format!("{name}.bias"), &[width])?,
        })
    }

    fn scale(&mut self, name: &str) -> Result<Tensor> {
        if self.shape(name).is_none() {
            return Ok(Tensor::ones(
                self.width,
                candle_core::DType::F32,
                &self.device,
            )?);
        }
        let width = self.width;
        self.take(name, &[width])
    }

    fn vit(&mut self, heads: Option<usize>) -> Result<Vit> {
        let width = self.width;
        let heads = heads.unwrap_or((width / 64).max(1));
        if heads == 0 || !width.is_multiple_of(heads) {
            return Err(NetworkError::BadWeights(format!(
                "a width of {width} has no {heads} heads"
            )));
        }
        let patch = match self.shape("patch_embed.proj.weight") {
            Some(&[_, 3, rows, cols]) if rows == cols && rows > 0 => rows,
            found => {
                return Err(NetworkError::BadWeights(format!(
                    "no embedding of square patches of three colours ({found:?})"
                )));
            }
        };
        let weight = self.take("patch_embed.proj.weight", &[width, 3, patch, patch])?;
        let embed = Dense {
            weight: weight
                .reshape((width, 3 * patch * patch))?
                .t()?
                .contiguous()?,
            bias: self.take("patch_embed.proj.bias", &[width])?,
        };
        let (extra, positions) = self.places()?;
        let mut blocks = Vec::new();
        while self
            .shape(&format!("blocks.{}.norm1.weight", blocks.len()))
            .is_some()
        {
            blocks.push(self.block(blocks.len())?);
        }
        let head = match self.outputs("head") {
            0 => None,
            outputs => {
                let inputs = self
                    .shape("head.weight")
                    .map_or(width, |shape| shape[shape.len() - 1]);
                let inputs = if inputs == 2 * width { inputs } else { width };
                Some(self.dense("head", inputs, outputs)?)
            }
        };
        Ok(Vit {
            embed,
            patch,
            heads,
            extra,
            positions,
            blocks,
            norm: self.norm("norm")?,
            head,
        })
    }

    /// Class token and registers, `[1, n, width]`, and the patches' positions, `[grid, grid, width]`.
    fn places(&mut self) -> Result<(Tensor, Tensor)> {
        let width = self.width;
        let n = self
            .shape("pos_embed")
            .map_or(0, |shape| shape.get(1).copied().unwrap_or(0));
        let positions = self
            .take("pos_embed", &[1, n, width])?
            .reshape((n, width))?;
        let mut class = self.take("cls_token", &[1, 1, width])?;
        let side = |n: usize| (n as f64).sqrt().round() as usize;
        // The class token has a position of its own but in a few networks.
        let first = usize::from(side(n).pow(2) != n);
        let grid = side(n.saturating_sub(first));
        if n == 0 || grid * grid + first != n {
            return Err(NetworkError::BadWeights(format!(
                "{n} positions are no square of patches"
            )));
        }
        if first == 1 {
            class = class.broadcast_add(&positions.narrow(0, 0, 1)?)?;
        }
        let patches = positions
            .narrow(0, first, grid * grid)?
            .contiguous()?
            .reshape((grid, grid, width))?;
        for name in ["register_tokens", "reg_token"] {
            let n = self
                .shape(name)
                .map_or(0, |shape| shape.get(1).copied().unwrap_or(0));
            if n > 0 {
                let registers = self.take(name, &[1, n, width])?;
                class = Tensor::cat(&[&class, &registers], 1)?;
            }
        }
        Ok((class, patches))
    }

    fn block(&mut self, index: usize) -> Result<Block> {
        let width = self.width;
        let of = |name: &str| format!("blocks.{index}.{name}");
        let qkv = match self.family {
            Family::Dino => self.dense(&of("attn.qkv"), width, 3 * width)?,
            Family::HuggingFace => {
                let mut parts = Vec::with_capacity(3);
                for name in ["attn.query", "attn.key", "attn.value"] {
                    parts.push(self.dense(&of(name), width, width)?);
                }
                let of = |part: fn(&Dense) -> &Tensor, axis| {
                    Tensor::cat(&parts.iter().map(part).collect::<Vec<_>>(), axis)
                };
                Dense {
                    weight: of(|dense| &dense.weight, 1)?,
                    bias: of(|dense| &dense.bias, 0)?,
                }
            }
        };
        let hidden = self.outputs(&of("mlp.fc1"));
        Ok(Block {
            norm1: self.norm(&of("norm1"))?,
            qkv,
            project: self.dense(&of("attn.proj"), width, width)?,
            scale1: self.scale(&of("ls1.gamma"))?,
            norm2: self.norm(&of("norm2"))?,
            up: self.dense(&of("mlp.fc1"), width, hidden)?,
            down: self.dense(&of("mlp.fc2"), hidden, width)?,
            scale2: self.scale(&of("ls2.gamma"))?,
        })
    }
}
