//! Vision transformers of DINOv2's kind: patches as tokens, blocks of attention, token atlases.
//!
//! Not a graph of operators but a [`Model`] of its own, because one set of weights serves every image size: position
//! embeddings are interpolated, and a picture whose sides are no multiple of the patch loses its rim. Only operators
//! that candle can differentiate are used (its fused layer normalisation and softmax have no gradient), so that
//! the gradient to the image is candle's own. Attribution to all classes is one tangent per position pushed forward.

mod tangent;
mod weights;

use super::{
    Graph, InputSpec, Model, Network, NetworkError, NodeId, Objective, Op, Opaque, Result,
};
use crate::atlas::Relaxation;
use candle_core::{D, Device, Tensor, Var};
use ndarray::Array2;

/// The layer normalisation's ε.
const EPSILON: f64 = 1e-6;
/// Positions whose tangents run together.
const POSITIONS_AT_ONCE: usize = 16;

/// A linear layer, kept as `[in, out]`.
#[derive(Debug, Clone)]
struct Dense {
    weight: Tensor,
    bias: Tensor,
}

/// Factor and summand of a layer normalisation.
#[derive(Debug, Clone)]
struct Norm {
    weight: Tensor,
    bias: Tensor,
}

/// One block: attention, then two dense layers, each behind a normalisation and added to what came in.
#[derive(Debug, Clone)]
struct Block {
    norm1: Norm,
    /// Queries, keys and values side by side.
    qkv: Dense,
    project: Dense,
    /// Scale per channel; ones where the network has none.
    scale1: Tensor,
    norm2: Norm,
    up: Dense,
    down: Dense,
    scale2: Tensor,
}

/// A vision transformer.
#[derive(Debug)]
pub struct Vit {
    /// `[3 · patch², width]`.
    embed: Dense,
    patch: usize,
    heads: usize,
    /// Class token, with its position, and registers: `[1, n, width]`.
    extra: Tensor,
    /// Positions of the patches, `[grid, grid, width]`.
    positions: Tensor,
    blocks: Vec<Block>,
    norm: Norm,
    /// Reads the class token, or it and the mean of the patches.
    head: Option<Dense>,
}

/// Token states `[batch, tokens, width]` with the rows and columns of the patches.
struct Tokens {
    x: Tensor,
    map: (usize, usize),
}

/// The network from the bytes of its weights file (DINOv2's own names, timm's, or Hugging Face's), with as many outputs
/// as its head has; a file without a head gives a network without classifier. `heads` per block is a 64th of the
/// width unless told.
///
/// # Errors
/// Bytes that are no weights file, and tensors that are missing, unknown or of another shape.
pub fn load(
    name: &str,
    bytes: &[u8],
    heads: Option<usize>,
    input: InputSpec,
    device: &Device,
) -> Result<(Network, Option<NodeId>)> {
    let vit = weights::read(bytes, heads, device)?;
    let (graph, logits) = vit.graph(input.size)?;
    let network = Network::new(name, graph, input, device.clone())?;
    Ok((network.with_model(vit), logits))
}

impl Vit {
    fn width(&self) -> usize {
        self.norm.weight.elem_count()
    }

    /// Node 1 is the patches, node 2 + k block k, then the logits.
    fn graph(&self, size: usize) -> Result<(Graph, Option<NodeId>)> {
        let (mut graph, input) = Graph::with_input();
        let n_patches = (size / self.patch).pow(2);
        let n_tokens = self.extra.dim(1)? + n_patches;
        let opaque = |channels, stride, positions, macs: usize| {
            Op::Opaque(Opaque {
                channels,
                stride,
                positions,
                macs: macs as u64,
            })
        };
        let width = self.width();
        let embed = opaque(width, self.patch, true, n_patches * self.embed.size());
        let mut last = graph.push("patch_embed", embed, &[input])?;
        for (index, block) in self.blocks.iter().enumerate() {
            let dense = [&block.qkv, &block.project, &block.up, &block.down];
            let weights: usize = dense.into_iter().map(Dense::size).sum();
            // Every token looks at every token: a product for the shares and one for the values.
            let macs = n_tokens * weights + 2 * n_tokens * n_tokens * width;
            let op = opaque(width, 1, true, macs);
            last = graph.push(format!("blocks.{index}"), op, &[last])?;
            graph.block_ends.push(last);
        }

        let logits = match &self.head {
            None => None,
            Some(head) => {
                let op = opaque(head.bias.elem_count(), 1, false, head.size());
                Some(graph.push("logits", op, &[last])?)
            }
        };
        Ok((graph, logits))
    }

    /// How many blocks have run at a node; `None` for the logits.
    fn depth_of(&self, tap: NodeId) -> Result<Option<usize>> {
        let n = self.blocks.len();
        match tap.0 {
            idx if (1..=n + 1).contains(&idx) => Ok(Some(idx - 1)),
            idx if idx == n + 2 && self.head.is_some() => Ok(None),
            idx => Err(NetworkError::BadGraph(format!(
                "a transformer of {n} blocks has no node {idx}"
            ))),
        }
    }

    /// Images `[b, 3, h, w]` → tokens before the first block.
    fn embed(&self, images: &Tensor) -> Result<Tokens> {
        let (b, _, h, w) = images.dims4()?;
        let p = self.patch;
        let (rows, cols) = (h / p, w / p);
        if rows == 0 || cols == 0 {
            return Err(NetworkError::BadInput(format!(
                "images of {h} × {w} pixels are smaller than a patch of {p}"
            )));
        }
        let patches = images
            .narrow(2, (h - rows * p) / 2, rows * p)?
            .narrow(3, (w - cols * p) / 2, cols * p)?
            .reshape(&[b, 3, rows, p, cols, p][..])?
            .permute([0, 2, 4, 1, 3, 5])?
            .reshape((b, rows * cols, 3 * p * p))?;
        let patches = self
            .embed
            .forward(&patches)?
            .broadcast_add(&self.positions(rows, cols)?)?;
        let extra = self.extra.expand((b, self.extra.dim(1)?, self.width()))?;
        let x = Tensor::cat(&[&extra, &patches], 1)?;
        Ok(Tokens {
            x,
            map: (rows, cols),
        })
    }

    /// Position embeddings `[rows · cols, width]`, bicubic between the trained ones.
    fn positions(&self, rows: usize, cols: usize) -> Result<Tensor> {
        let (grid, _, width) = self.positions.dims3()?;
        let device = self.positions.device();
        let along = |n: usize| Tensor::from_vec(bicubic(grid, n), (n, grid), device);
        let x = self.positions.reshape((grid, grid * width))?;
        let x = along(rows)?.matmul(&x)?.reshape((rows, grid, width))?;
        let x = along(cols)?.broadcast_left(rows)?.matmul(&x)?;
        Ok(x.reshape((rows * cols, width))?)
    }

    /// Patch tokens as a map `[b, width, rows, cols]`.
    fn map(&self, tokens: &Tokens) -> Result<Tensor> {
        let (b, n, width) = tokens.x.dims3()?;
        let extra = self.extra.dim(1)?;
        let (rows, cols) = tokens.map;
        Ok(tokens
            .x
            .narrow(1, extra, n - extra)?
            .transpose(1, 2)?
            .contiguous()?
            .reshape((b, width, rows, cols))?)
    }

    fn block(&self, block: &Block, x: &Tensor) -> Result<Tensor> {
        let attended = self.attend(&block.qkv.forward(&block.norm1.forward(x)?)?)?;
        let x = (x + block
            .project
            .forward(&attended)?
            .broadcast_mul(&block.scale1)?)?;
        let hidden = block.up.forward(&block.norm2.forward(&x)?)?.gelu_erf()?;
        Ok((&x + block.down.forward(&hidden)?.broadcast_mul(&block.scale2)?)?)
    }

    /// Queries, keys and values, each `[b, heads, tokens, width / heads]`; queries scaled.
    fn split(&self, qkv: &Tensor) -> Result<[Tensor; 3]> {
        let (b, n, three) = qkv.dims3()?;
        let per_head = three / 3 / self.heads;
        let parts = qkv
            .reshape((b, n, 3, self.heads, per_head))?
            .permute([2, 0, 3, 1, 4])?;
        let part = |index: usize| parts.narrow(0, index, 1)?.squeeze(0)?.contiguous();
        let queries = (part(0)? * (per_head as f64).powf(-0.5))?;
        Ok([queries, part(1)?, part(2)?])
    }

    fn attend(&self, qkv: &Tensor) -> Result<Tensor> {
        let [q, k, v] = self.split(qkv)?;
        let shares = softmax(&q.matmul(&k.t()?)?)?;
        join(&shares.matmul(&v)?)
    }

    fn logits(&self, tokens: &Tensor) -> Result<Tensor> {
        let head = self
            .head
            .as_ref()
            .ok_or_else(|| NetworkError::BadGraph("this transformer has no head".to_owned()))?;
        head.forward(&self.pooled(&self.norm.forward(tokens)?, head)?)
    }

    /// What the head reads: the class token, and the mean of the patches where it is wide enough for both.
    fn pooled(&self, normed: &Tensor, head: &Dense) -> Result<Tensor> {
        let class = normed.narrow(1, 0, 1)?.squeeze(1)?;
        if head.weight.dim(0)? == self.width() {
            return Ok(class);
        }
        let extra = self.extra.dim(1)?;
        let mean = normed.narrow(1, extra, normed.dim(1)? - extra)?.mean(1)?;
        Ok(Tensor::cat(&[&class, &mean], 1)?)
    }
}

impl Model for Vit {
    fn forward(&self, images: &Tensor, taps: &[NodeId]) -> Result<Vec<Tensor>> {
        let wanted = taps
            .iter()
            .map(|&tap| self.depth_of(tap))
            .collect::<Result<Vec<_>>>()?;
        let deepest = wanted
            .iter()
            .map(|depth| depth.unwrap_or(self.blocks.len()));
        let deepest = deepest.max().unwrap_or(0);
        let mut tokens = self.embed(images)?;
        let mut found: Vec<Option<Tensor>> = vec![None; taps.len()];
        for depth in 0..=deepest {
            if depth > 0 {
                tokens.x = self.block(&self.blocks[depth - 1], &tokens.x)?;
            }
            for (slot, _) in found
                .iter_mut()
                .zip(&wanted)
                .filter(|(_, w)| **w == Some(depth))
            {
                *slot = Some(self.map(&tokens)?);
            }
        }
        found
            .into_iter()
            .map(|map| map.map_or_else(|| self.logits(&tokens.x), Ok))
            .collect()
    }

    fn vjp(
        &self,
        images: &Tensor,
        tap: NodeId,
        objective: &mut Objective<'_>,
    ) -> Result<(Tensor, Tensor)> {
        let images = Var::from_tensor(&images.detach())?;
        let activation = self.forward(images.as_tensor(), &[tap])?.swap_remove(0);
        let value = activation.detach();
        let cotangent = objective(&value)?;
        if cotangent.dims() != value.dims() {
            return Err(NetworkError::BadInput(format!(
                "a gradient of {:?} for an activation of {:?}",
                cotangent.dims(),
                value.dims()
            )));
        }
        let gradients = (activation * cotangent.detach())?.sum_all()?.backward()?;
        let gradient = match gradients.get(images.as_tensor()) {
            Some(gradient) => gradient.contiguous()?,
            None => images.zeros_like()?,
        };
        Ok((value, gradient))
    }

    fn attribution(
        &self,
        image: &Tensor,
        tap: NodeId,
        positions: &[(usize, usize)],
        relaxation: Relaxation,
    ) -> Result<Array2<f32>> {
        let Some(depth) = self.depth_of(tap)? else {
            return Err(NetworkError::BadGraph(
                "logits have no positions".to_owned(),
            ));
        };
        let mut tokens = self.embed(image)?;
        for block in &self.blocks[..depth] {
            tokens.x = self.block(block, &tokens.x)?;
        }
        let (rows, cols) = tokens.map;
        if let Some((row, col)) = positions.iter().find(|&&(r, c)| r >= rows || c >= cols) {
            return Err(NetworkError::BadInput(format!(
                "position {row}, {col} lies outside the {rows} × {cols} map"
            )));
        }
        let mut values = Vec::new();
        for positions in positions.chunks(POSITIONS_AT_ONCE) {
            let change = self.push_forward(&tokens, depth, positions, relaxation)?;
            values.extend(change.flatten_all()?.to_vec1::<f32>()?);
        }
        let n_classes = self.head.as_ref().map_or(0, |head| head.bias.elem_count());
        Array2::from_shape_vec((positions.len(), n_classes), values)
            .map_err(|error| NetworkError::BadGraph(format!("attribution: {error}")))
    }
}

impl Dense {
    /// `[b, n, in]` or `[b, in]` → the same with `out`.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.linear(x)?.broadcast_add(&self.bias)?)
    }

    /// Number of weights.
    fn size(&self) -> usize {
        self.weight.elem_count()
    }

    /// Without the bias.
    fn linear(&self, x: &Tensor) -> Result<Tensor> {
        let dims = x.dims();
        let flat = x
            .reshape(((), dims[dims.len() - 1]))?
            .matmul(&self.weight)?;
        let mut shape = dims.to_vec();
        shape[dims.len() - 1] = self.weight.dim(1)?;
        Ok(flat.reshape(shape)?)
    }
}

impl Norm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (normed, _) = normalise(x)?;
        Ok(normed
            .broadcast_mul(&self.weight)?
            .broadcast_add(&self.bias)?)
    }
}

/// To mean 0 and variance 1 along the last axis; the standard deviation comes along.
fn normalise(x: &Tensor) -> Result<(Tensor, Tensor)> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + EPSILON)?.sqrt()?;
    Ok((centred.broadcast_div(&deviation)?, deviation))
}

/// Heads side by side again: `[b, heads, tokens, per head]` → `[b, tokens, width]`.
fn join(x: &Tensor) -> Result<Tensor> {
    let (b, heads, n, per_head) = x.dims4()?;
    Ok(x.transpose(1, 2)?.reshape((b, n, heads * per_head))?)
}

/// Along the last axis; the maximum is only there for the range of numbers and has no gradient.
fn softmax(x: &Tensor) -> Result<Tensor> {
    let largest = x.max_keepdim(D::Minus1)?.detach();
    let weights = x.broadcast_sub(&largest)?.exp()?;
    let sum = weights.sum_keepdim(D::Minus1)?;
    Ok(weights.broadcast_div(&sum)?)
}

/// Weights of `from` values for each of `to` places that share the same span, `to` × `from`: Keys' cubic convolution
/// with a = −0.75 and repeated borders, as PyTorch's `bicubic` without aligned corners.
fn bicubic(from: usize, to: usize) -> Vec<f32> {
    const A: f64 = -0.75;
    let near = |t: f64| ((A + 2.0) * t - (A + 3.0)) * t * t + 1.0;
    let far = |t: f64| ((A * t - 5.0 * A) * t + 8.0 * A) * t - 4.0 * A;
    let mut weights = vec![0f32; from * to];
    for (place, row) in weights.chunks_exact_mut(from).enumerate() {
        let at = (place as f64 + 0.5) * from as f64 / to as f64 - 0.5;
        let (first, t) = (at.floor() as isize, at - at.floor());
        let cubic = [far(1.0 + t), near(t), near(1.0 - t), far(2.0 - t)];
        for (offset, weight) in cubic.into_iter().enumerate() {
            let source = (first + offset as isize - 1).clamp(0, from as isize - 1);
            row[source as usize] += weight as f32;
        }
    }
    weights
}
