//! Building networks of Inception's kind: convolutions with their ReLU, mixed blocks of four branches, a classifier.

use super::ops::{Conv, Linear, MaxPool};
use super::{Graph, NodeId, Op, Result};
use candle_core::Tensor;

/// Channels of one mixed block.
pub(super) struct Mixed {
    pub(super) name: &'static str,
    /// The 1×1 branch.
    direct: usize,
    /// The 3×3 branch: channels of its 1×1 bottleneck and its own.
    three: [usize; 2],
    /// The 5×5 branch, likewise.
    five: [usize; 2],
    /// The 1×1 behind the 3×3 max pool.
    pool: usize,
}

pub(super) const fn mixed(
    name: &'static str,
    direct: usize,
    three: [usize; 2],
    five: [usize; 2],
    pool: usize,
) -> Mixed {
    Mixed {
        name,
        direct,
        three,
        five,
        pool,
    }
}

impl Mixed {
    /// The same block with another number of channels from its 3×3 convolution.
    pub(super) fn with_three(&self, out: usize) -> Self {
        Self {
            three: [self.three[0], out],
            ..*self
        }
    }

    /// The same block with another number of channels before its 5×5 convolution.
    pub(super) fn with_five_bottleneck(&self, bottleneck: usize) -> Self {
        Self {
            five: [bottleneck, self.five[1]],
            ..*self
        }
    }
}

/// Supplies the parameter of this name and shape.
pub(super) type Parameters<'a> = dyn FnMut(&str, &[usize]) -> Result<Tensor> + 'a;

/// The graph under construction: operators are added behind `last`, which has `depth` channels.
pub(super) struct Builder<'a> {
    tensor: &'a mut Parameters<'a>,
    /// What stands between a convolution's node and `.weight` in a parameter's name.
    suffix: &'static str,
    pub(super) graph: Graph,
    pub(super) last: NodeId,
    depth: usize,
}

impl<'a> Builder<'a> {
    /// Starts at an input of three channels.
    pub(super) fn new(tensor: &'a mut Parameters<'a>, suffix: &'static str) -> Self {
        let (graph, last) = Graph::with_input();
        Self {
            tensor,
            suffix,
            graph,
            last,
            depth: 3,
        }
    }

    pub(super) fn op(&mut self, name: &str, op: Op) -> Result<()> {
        self.last = self.graph.push(name, op, &[self.last])?;
        Ok(())
    }

    /// A square convolution with half its kernel as padding, and its ReLU.
    pub(super) fn conv(
        &mut self,
        name: &str,
        depth: usize,
        kernel: usize,
        stride: usize,
    ) -> Result<()> {
        self.conv_padded(name, depth, (kernel, stride), [kernel / 2; 4])
    }

    /// The same with padding at top, left, bottom, right.
    pub(super) fn conv_padded(
        &mut self,
        name: &str,
        depth: usize,
        (kernel, stride): (usize, usize),
        pads: [usize; 4],
    ) -> Result<()> {
        let node = format!("{name}_pre_relu");
        let parameter = format!("{node}{}", self.suffix);
        let conv = Conv {
            weight: (self.tensor)(
                &format!("{parameter}.weight"),
                &[depth, self.depth, kernel, kernel],
            )?,
            bias: (self.tensor)(&format!("{parameter}.bias"), &[depth])?,
            stride: [stride; 2],
            pads,
            groups: 1,
            dilation: [1; 2],
        };
        self.op(&node, Op::Conv(conv))?;
        self.op(name, Op::Relu)?;
        self.depth = depth;
        Ok(())
    }

    /// A mixed block; its concatenation is a block end.
    pub(super) fn mixed(&mut self, block: &Mixed) -> Result<()> {
        let (input, depth) = (self.last, self.depth);
        let name = block.name;
        let mut branches = Vec::with_capacity(4);
        self.conv(&format!("{name}_1x1"), block.direct, 1, 1)?;
        branches.push(self.last);
        for (kernel, [bottleneck, out]) in [(3, block.three), (5, block.five)] {
            (self.last, self.depth) = (input, depth);
            let branch = format!("{name}_{kernel}x{kernel}");
            self.conv(&format!("{branch}_bottleneck"), bottleneck, 1, 1)?;
            self.conv(&branch, out, kernel, 1)?;
            branches.push(self.last);
        }
        (self.last, self.depth) = (input, depth);
        self.op(&format!("{name}_pool"), max_pool(1))?;
        self.conv(&format!("{name}_pool_reduce"), block.pool, 1, 1)?;
        branches.push(self.last);
        self.last = self.graph.push(name, Op::Concat, &branches)?;
        self.graph.block_ends.push(self.last);
        self.depth = block.direct + block.three[1] + block.five[1] + block.pool;
        Ok(())
    }

    /// The mean over all positions and a linear layer, whose parameters are called `parameter`.
    pub(super) fn classifier(&mut self, parameter: &str, n_classes: usize) -> Result<()> {
        self.op("avgpool", Op::GlobalAvgPool)?;
        let linear = Linear {
            weight: (self.tensor)(&format!("{parameter}.weight"), &[n_classes, self.depth])?,
            bias: (self.tensor)(&format!("{parameter}.bias"), &[n_classes])?,
        };
        self.op("logits", Op::Linear(linear))
    }
}

/// 3×3; with stride 1 padded to keep the size, with stride 2 rounded up as Caffe does.
pub(super) fn max_pool(stride: usize) -> Op {
    Op::MaxPool(MaxPool {
        kernel: [3; 2],
        stride: [stride; 2],
        pads: [usize::from(stride == 1); 4],
        ceil: stride > 1,
    })
}
