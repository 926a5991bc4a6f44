//! Operators: one file each, with forward, vjp and jvp side by side.
//!
//! Everything here is single precision and NCHW. *vjp* pulls a cotangent of the output back to the input
//! (weights are constants and get no gradient); *jvp* pushes a tangent of the input forward. Where an operator
//! is not linear both need the primal (the value at which they linearise); a jvp takes one primal for a whole
//! batch of tangents, so that many directions at one image cost one forward pass.
//!
//! candle's own rules are not used: its pools know neither padding nor a rounded-up size and have no or wrong
//! gradients, and its convolution always computes the gradient of the kernel as well. On the CPU pools read
//! the tensors' memory directly; on other devices they are sums and maxima of shifted slices.

mod binary;
pub mod concat;
mod conv;
pub mod global_avg_pool;
mod linear;
mod lrn;
mod moves;
mod opaque;

mod pool;
mod reduce;
pub mod relu;
mod resize;
pub(super) mod tensor;
mod unary;
mod window;

pub use binary::{Affine, Binary, PRelu, WithConstant};
pub use conv::Conv;
pub use linear::Linear;
pub use lrn::Lrn;
pub use moves::{Expand, Group, Pad, Part, Reshape, Slice};
pub use opaque::Opaque;
pub use pool::{AvgPool, MaxPool};
pub use reduce::{LayerNorm, Reduce, Reduction, Softmax, matmul};
pub use resize::{Coordinates, Interpolation, Resize, Rounding};
pub use unary::Unary;
pub use window::Window;
