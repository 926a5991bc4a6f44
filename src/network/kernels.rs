//! The fast CPU path: the same numbers as the plain candle operators, several times faster.
//!
//! A general tensor library runs a network operator by operator: it unrolls windows into a matrix, multiplies,
//! copies the result out, allocates each intermediate anew, and for a gradient keeps all of them. Here weights
//! are packed once, activations stay in blocks of 16 channels (`[block][row][column][16]`) from the image to the
//! last layer, convolutions read their windows in place and write straight into the concatenation that they
//! belong to, with bias and ReLU applied on the way, and every buffer is used again. Going back needs only a
//! sign bit per ReLU and a winner per max-pool window, so that is all that is kept.
//!
//! - [`simd`]: the convolution tile for each instruction set; the only `unsafe` code of the program
//! - [`pack`], [`model`]: channels in blocks, weights in the order of the tile, the graph with both
//! - [`winograd`]: 3 × 3 convolutions with fewer products
//! - [`plan`]: which steps in which buffers, for one map size and one set of taps
//! - [`conv`], [`pool`], [`pointwise`], [`curve`]: the operators on blocks, forward and back
//! - [`Segment`]: all of it as one operator of candle
//! - [`run`]: a plan over one image; [`tangent`]: attribution, which follows one position forward
#![allow(
    clippy::inline_always,
    reason = "code must be inlined into the function that enables an instruction set, else it is compiled without"
)]
#![allow(
    clippy::needless_range_loop,
    reason = "loops over the lanes of several arrays at once read best with an index, and become vectors"
)]

mod conv;
mod curve;
mod model;
mod pack;
mod part;
mod plan;
mod pointwise;
mod pool;
mod run;
mod segment;
mod simd;
mod tangent;
mod winograd;

pub use segment::Segment;
pub use simd::{Isa, Work, fma_loop, vectorised};

pub(crate) use curve::sigmoid;

use crate::atlas::{Precision, Relaxation};

use super::model::of_position;
use super::{Extent, Graph, NetworkError, NodeId, Position, Result};
use candle_core::Tensor;
use conv::Mode;
use model::{Kind, Node, Step};
use ndarray::Array2;
use plan::Plan;
use pointwise::to_planes;
use rayon::prelude::*;
use run::{Record, Runner, Seen, Workspace};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tangent::{Regions, Tangents};

/// What is asked of a plan besides its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Ways {
    /// The way back too.
    gradients: bool,
    /// Only this position of the one target.
    at: Option<[usize; 2]>,
}

/// What a plan was made for: start, map size, targets, and what is asked of it.
type Key = (usize, [usize; 2], Vec<usize>, Ways);

/// A graph packed for the CPU.
#[derive(Debug)]
pub struct Engine {
    graph: Graph,
    nodes: Vec<Node>,
    isa: Isa,
    plans: Mutex<HashMap<Key, Arc<Plan>>>,
    workspaces: Mutex<Vec<Workspace>>,
    regions: Mutex<Vec<Regions>>,
}

/// Bytes that the tapes of a batch may take together; images beyond that are run a second time on the way back.
const TAPES: usize = 192 << 20;

/// Floats of buffers that the images of a group may take together.
const GROUP: usize = 6 << 20;

/// Most images in a group: enough to use each weight that was read many times.
const MOST_TOGETHER: usize = 8;

/// More plans than this are not remembered: image sizes come from a small set.
const PLANS: usize = 64;

impl Engine {
    /// Packs a graph for this machine's best instruction set; `extents` are its values at some image size
    /// ([`Graph::extents`]). `None` when hardly anything of it would gain: candle's operators are then as fast.
    pub fn new(graph: &Graph, extents: &[Extent]) -> Option<Self> {
        Self::with_isa(graph, extents, Isa::best())
    }

    /// The same for a given instruction set; `None` also when the machine lacks it.
    pub fn with_isa(graph: &Graph, extents: &[Extent], isa: Isa) -> Option<Self> {
        if !isa.available() || extents.len() != graph.nodes.len() {
            return None;
        }
        let nodes = model::build(graph, extents);
        let gains = nodes
            .iter()
            .any(|node| matches!(node.step, Step::Conv(_) | Step::Depthwise(_)));
        (gains || nodes.iter().all(|node| !matches!(node.step, Step::Plain))).then(|| Self {
            graph: graph.clone(),
            nodes,
            isa,
            plans: Mutex::default(),
            workspaces: Mutex::default(),
            regions: Mutex::default(),
        })
    }

    /// Names of the nodes that candle's operators run, between blocks.
    pub fn plain_nodes(&self) -> Vec<&str> {
        let names = self.graph.nodes.iter().zip(&self.nodes);
        names
            .filter(|(_, node)| matches!(node.step, Step::Plain))
            .map(|(node, _)| node.name.as_str())
            .collect()
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Activations of `images` (`[batch, channels, rows, columns]`, preprocessed) at `taps`, in their order:
    /// `[batch, channels, rows, columns]`, or `[batch, channels]` behind a global mean.
    ///
    /// # Errors
    /// Images of another shape, or too small for a window on the way.
    pub fn forward(&self, images: &Tensor, taps: &[NodeId]) -> Result<Vec<Tensor>> {
        self.forward_from(NodeId(0), images, taps)
    }

    /// The same for values of the node `from`, a map: only what lies between is computed.
    ///
    /// # Errors
    /// As [`Engine::forward`]; a tap that does not follow from `from` alone.
    pub fn forward_from(
        &self,
        from: NodeId,
        values: &Tensor,
        taps: &[NodeId],
    ) -> Result<Vec<Tensor>> {
        let (planes, batch, size) = self.read(values, from.0)?;
        let plan = self.plan(from.0, size, taps, Ways::default())?;
        let mut outputs = taps
            .iter()
            .map(|&tap| vec![0f32; batch * len(&plan, tap)])
            .collect::<Vec<_>>();
        let mut shares: Vec<Vec<&mut [f32]>> = (0..batch).map(|_| Vec::new()).collect();
        for (output, &tap) in outputs.iter_mut().zip(taps) {
            let parts = output.chunks_exact_mut(len(&plan, tap));
            for (share, part) in shares.iter_mut().zip(parts) {
                share.push(part);
            }
        }
        let runner = self.runner(&plan, batch);
        let images: Vec<&[f32]> = planes.chunks_exact(planes.len() / batch).collect();
        let group = runner.group(batch);
        shares
            .par_chunks_mut(group)
            .zip(images.par_chunks(group))
            .try_for_each(|(shares, images)| {
                let mut workspace = Lent::new(&self.workspaces);
                let mut failure = None;
                let seen = &mut |which: usize, idx: usize, seen: Seen| {
                    for (part, tap) in shares[which].iter_mut().zip(taps) {
                        if tap.0 == idx {
                            failure = self
                                .unpack(&plan, idx, &seen, part)
                                .err()
                                .or(failure.take());
                        }
                    }
                };
                runner.forward(&mut workspace.value, images, None, seen)?;
                failure.map_or(Ok(()), Err)
            })?;
        outputs
            .into_iter()
            .zip(taps)
            .map(|(output, &tap)| tensor(&plan, output, batch, tap))
            .collect()
    }

    /// The activation of `images` at `tap`, and the gradient to the images of ⟨activation, cotangent⟩ with the
    /// cotangent that `cotangent` returns for the whole batch's activation.
    ///
    /// # Errors
    /// As [`Engine::forward`]; errors of `cotangent`; a cotangent of another shape than the activation.
    pub fn vjp(
        &self,
        images: &Tensor,
        tap: NodeId,
        cotangent: &mut dyn FnMut(&Tensor) -> Result<Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        let ways = Ways {
            gradients: true,
            at: None,
        };
        self.vjp_of(images, (tap, ways, Precision::Full), cotangent)
    }

    /// The same for the one position (row, column) of the tap's map that `at` chooses by its size: the activation is
    /// `[batch, channels, 1, 1]`, and what the position does not see is not computed.
    ///
    /// # Errors
    /// As [`Engine::vjp`]; a tap without positions, a position outside of the map.
    pub fn vjp_at(
        &self,
        images: &Tensor,
        (tap, at, precision): (NodeId, &Position<'_>, Precision),
        cotangent: &mut dyn FnMut(&Tensor) -> Result<Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        let (_, _, rows, cols) = images.dims4()?;
        let size = [rows, cols];
        let plan = self.plan(0, size, &[tap], Ways::default())?;
        let [rows, cols] = plan.sizes[tap.0];
        let (row, col) = at((rows, cols));
        if self.nodes[tap.0].kind != Kind::Map || row >= rows || col >= cols {
            return Err(NetworkError::BadInput(format!(
                "node {} has {rows} × {cols} positions, not {row}, {col}",
                tap.0
            )));
        }
        let ways = Ways {
            gradients: true,
            at: Some([row, col]),
        };
        // Of some nodes more than the position is held.
        let [top, left] = self.plan(0, size, &[tap], ways)?.origins[tap.0];
        let (row, col) = (row - top, col - left);
        let mut one = |part: &Tensor| of_position(part, (row, col), cotangent);
        let (part, gradient) = self.vjp_of(images, (tap, ways, precision), &mut one)?;
        let activation = part.narrow(2, row, 1)?.narrow(3, col, 1)?.contiguous()?;
        Ok((activation, gradient))
    }

    fn vjp_of(
        &self,
        images: &Tensor,
        (tap, ways, precision): (NodeId, Ways, Precision),
        cotangent: &mut dyn FnMut(&Tensor) -> Result<Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        let (planes, batch, size) = self.read(images, 0)?;
        let plan = self.plan(0, size, &[tap], ways)?;
        let mut runner = self.runner(&plan, batch);
        runner.mode.half = precision == Precision::Half && self.isa.halves();
        let (per_image, per_tap) = (planes.len() / batch, len(&plan, tap));
        let group = runner.group(batch);
        let sources: Vec<&[f32]> = planes.chunks_exact(per_image).collect();
        let mut activation = vec![0f32; batch * per_tap];
        let held = AtomicUsize::new(0);
        let tapes = activation
            .par_chunks_mut(group * per_tap)
            .zip(sources.par_chunks(group))
            .map(|(activation, sources)| {
                let mut unpacked = Ok(());
                let mut seen = |which: usize, idx: usize, seen: Seen| {
                    if idx == tap.0 {
                        let part = &mut activation[which * per_tap..(which + 1) * per_tap];
                        let done = self.unpack(&plan, idx, &seen, part);
                        unpacked = std::mem::replace(&mut unpacked, Ok(())).and(done);
                    }
                };
                let tapes = self.tapes(&runner, sources, &mut seen)?;
                let bytes = tapes.iter().flatten().map(Record::bytes).sum();
                let fits = held.fetch_add(bytes, Ordering::Relaxed) + bytes <= TAPES;
                unpacked.map(|()| fits.then_some(tapes))
            })
            .collect::<Result<Vec<Option<Vec<Vec<Record>>>>>>()?;
        let activation = tensor(&plan, activation, batch, tap)?;
        let cotangent = cotangent(&activation)?;
        if cotangent.dims() != activation.dims() {
            return Err(NetworkError::BadInput(format!(
                "cotangent {:?} for an activation {:?}",
                cotangent.dims(),
                activation.dims()
            )));
        }
        let cotangent: Vec<f32> = cotangent.flatten_all()?.to_vec1()?;
        let mut gradient = vec![0f32; planes.len()];
        gradient
            .par_chunks_mut(group * per_image)
            .zip(cotangent.par_chunks(group * per_tap))
            .zip(sources.par_chunks(group))
            .zip(tapes)
            .try_for_each(|(((gradient, cotangent), sources), tapes)| {
                let tapes = match tapes {
                    Some(tapes) => tapes,
                    None => self.tapes(&runner, sources, &mut |_, _, _| ())?,
                };
                let mut workspace = Lent::new(&self.workspaces);
                let from: Vec<&[f32]> = cotangent.chunks_exact(per_tap).collect();
                let mut to: Vec<&mut [f32]> = gradient.chunks_exact_mut(per_image).collect();
                runner.backward(&mut workspace.value, &tapes, (tap.0, &from), &mut to)
            })?;
        let gradient = Tensor::from_vec(gradient, images.shape(), images.device())?;
        Ok((activation, gradient))
    }

    /// Some images forward, with what the way back needs of each.
    fn tapes(
        &self,
        runner: &Runner,
        images: &[&[f32]],
        seen: &mut dyn FnMut(usize, usize, Seen),
    ) -> Result<Vec<Vec<Record>>> {
        let mut workspace = Lent::new(&self.workspaces);
        let tape = || Vec::with_capacity(runner.plan.steps.len());
        let mut tapes: Vec<Vec<Record>> = images.iter().map(|_| tape()).collect();
        runner.forward(&mut workspace.value, images, Some(&mut tapes), seen)?;
        Ok(tapes)
    }

    /// Change of the values at `to` (`[batch, features]`: the logits) along `activation` (`[1, channels, rows,
    /// columns]` of `tap`) at each position (row, column) alone: positions × features. Only nodes between the
    /// two are run, and only where the position reaches.
    ///
    /// # Errors
    /// A `to` that has positions or does not follow from `tap` alone; an activation of another shape; a position
    /// outside of it.
    pub fn attribution(
        &self,
        (tap, to): (NodeId, NodeId),
        activation: &Tensor,
        positions: &[(usize, usize)],
        relaxation: Relaxation,
    ) -> Result<Array2<f32>> {
        if tap.0 >= to.0
            || to.0 >= self.nodes.len()
            || self.nodes[to.0].kind != Kind::Flat
            || self.nodes[tap.0].kind != Kind::Map
        {
            return Err(NetworkError::BadGraph(format!(
                "no attribution from node {} to node {}",
                tap.0, to.0
            )));
        }
        let (planes, batch, size) = self.read(activation, tap.0)?;
        let [rows, cols] = size;
        if batch != 1 {
            return Err(NetworkError::BadInput(format!(
                "attribution looks at one image at a time, not {batch}"
            )));
        }
        if let Some((row, col)) = positions.iter().find(|at| at.0 >= rows || at.1 >= cols) {
            return Err(NetworkError::BadInput(format!(
                "position {row}, {col} lies outside the {rows} × {cols} map"
            )));
        }
        let plan = self.plan(tap.0, size, &[to], Ways::default())?;
        let runner = self.runner(&plan, batch);
        let tape = self
            .tapes(&runner, &[&planes], &mut |_, _, _| ())?
            .remove(0);
        let tangents = Tangents {
            runner,
            tape: &tape,
            relaxation,
        };
        let features = self.nodes[to.0].slots.channels();
        let mut change = Array2::zeros((positions.len(), features));
        if let Some(values) = change.as_slice_mut() {
            values
                .par_chunks_exact_mut(features)
                .zip(positions)
                .try_for_each_init(
                    || Lent::new(&self.regions),
                    |regions, (change, &(row, col))| {
                        tangents.run(&mut regions.value, &planes, [row, col], change)
                    },
                )?;
        }
        Ok(change)
    }

    /// Values, batch and map size of a batch at node `start`.
    fn read(&self, batch: &Tensor, start: usize) -> Result<(Vec<f32>, usize, [usize; 2])> {
        let (n, channels, rows, cols) = batch.dims4()?;
        let expected = self.nodes[start].slots.channels();
        if channels != expected || n == 0 || rows == 0 || cols == 0 {
            return Err(NetworkError::BadInput(format!(
                "a batch of {:?} where [n, {expected}, rows, columns] is needed",
                batch.dims()
            )));
        }
        Ok((batch.flatten_all()?.to_vec1()?, n, [rows, cols]))
    }

    fn plan(
        &self,
        start: usize,
        size: [usize; 2],
        taps: &[NodeId],
        ways: Ways,
    ) -> Result<Arc<Plan>> {
        let targets: Vec<usize> = taps.iter().map(|tap| tap.0).collect();
        if let Some(tap) = targets.iter().find(|&&tap| tap >= self.nodes.len()) {
            return Err(NetworkError::BadGraph(format!("no node {tap}")));
        }
        let key = (start, size, targets, ways);
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.get(&key) {
            return Ok(plan.clone());
        }
        let mut plan = Plan::new(&self.graph, &self.nodes, (start, size), &key.2, ways.at)?;
        if ways.gradients {
            plan = plan.with_gradients(&self.nodes, key.2[0]);
        }
        let plan = Arc::new(plan);
        if plans.len() >= PLANS {
            plans.clear();
        }
        plans.insert(key, plan.clone());
        Ok(plan)
    }

    /// Whole images per thread when there are enough, else threads share each convolution.
    fn runner<'a>(&'a self, plan: &'a Plan, batch: usize) -> Runner<'a> {
        let threads = rayon::current_num_threads();
        let mode = Mode {
            isa: self.isa,
            parallel: threads > 1 && batch < 2 * threads && !batch.is_multiple_of(threads),
            half: false,
        };
        Runner {
            graph: &self.graph,
            nodes: &self.nodes,
            plan,
            mode,
        }
    }

    fn unpack(&self, plan: &Plan, idx: usize, seen: &Seen, to: &mut [f32]) -> Result<()> {
        let [rows, cols] = plan.sizes[idx];
        match seen {
            Seen::Blocks(values) if self.nodes[idx].planar => to.copy_from_slice(values),
            Seen::Blocks(values) => to_planes(values, &self.nodes[idx].slots, rows * cols, to),
            Seen::Tensor(tensor) => {
                to.copy_from_slice(&tensor.flatten_all()?.to_vec1::<f32>()?);
            }
        }
        Ok(())
    }
}

/// Values per image at a tap.
fn len(plan: &Plan, tap: NodeId) -> usize {
    plan.extents[tap.0].as_ref().map_or(0, Extent::len)
}

/// A batch of values at a tap.
fn tensor(plan: &Plan, values: Vec<f32>, batch: usize, tap: NodeId) -> Result<Tensor> {
    let dims = plan.extents[tap.0].as_ref();
    let dims = dims.map(|extent| extent.dims.as_slice());
    let dims = [&[batch], dims.unwrap_or_default()].concat();
    Ok(Tensor::from_vec(values, dims, &candle_core::Device::Cpu)?)
}

/// Something borrowed from a pool, given back when dropped.
struct Lent<'a, T: Default> {
    pool: &'a Mutex<Vec<T>>,
    value: T,
}

impl<'a, T: Default> Lent<'a, T> {
    fn new(pool: &'a Mutex<Vec<T>>) -> Self {
        let mut held = pool.lock().unwrap_or_else(PoisonError::into_inner);
        let value = held.pop().unwrap_or_default();
        drop(held);
        Self { pool, value }
    }
}

impl<T: Default> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        let value = std::mem::take(&mut self.value);
        let mut held = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        held.push(value);
    }
}
