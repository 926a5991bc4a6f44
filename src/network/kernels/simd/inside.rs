//! Which values lie between two limits, one bit per lane.

use super::{Block, Isa, Kernel, LANES};

/// Bits of each block: set where `y` lies strictly between the limits, so that a change passes.
#[derive(Debug)]
pub(in super::super) struct Inside<'a> {
    pub limits: (f32, f32),
    pub y: &'a [f32],
}

impl Inside<'_> {
    /// Runs it.
    pub(in super::super) fn run(self, isa: Isa) -> Vec<u16> {
        let mut bits = vec![0; self.y.len() / LANES];
        assert_eq!(self.y.len(), bits.len() * LANES);
        // SAFETY: `y` has a block for each of `bits`.
        unsafe { isa.launch(Run(self, &mut bits)) };
        bits
    }
}

struct Run<'a>(Inside<'a>, &'a mut [u16]);

impl Kernel for Run<'_> {
    #[inline(always)]
    unsafe fn run<B: Block>(self) {
        let Self(task, bits) = self;
        // SAFETY: the caller's.
        unsafe {
            let (low, high) = (B::splat(task.limits.0), B::splat(task.limits.1));
            for (idx, bits) in bits.iter_mut().enumerate() {
                *bits = B::inside(B::load(task.y.as_ptr().add(idx * LANES)), low, high);
            }
        }
    }
}
