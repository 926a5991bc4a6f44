//! Matrices that stay in their files: a million activations take address space, not memory of ours.
//!
//! The kernel loads pages as they are read and drops them when memory is short. This is the only place outside
//! the kernels that holds `unsafe`, because a map is a promise that nobody changes the file meanwhile. Maps are
//! made of files inside a workspace that the running build has locked, written before and never after.
#![allow(unsafe_code, reason = "a memory map cannot be made without it")]

use bytemuck::Pod;
use memmap2::{Mmap, MmapOptions};
use ndarray::ArrayView2;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::marker::PhantomData;

/// A matrix of little-endian numbers at some place of a file.
#[derive(Debug)]
pub struct Mapped<T> {
    map: Option<Mmap>,
    shape: (usize, usize),
    of: PhantomData<T>,
}

impl<T: Pod> Mapped<T> {
    /// Maps `shape` (rows × columns) numbers in row-major order, starting `offset` bytes into `file`, which
    /// nobody may change or shorten while the result lives. `offset` is a multiple of `T`'s size.
    ///
    /// # Errors
    /// The file is shorter, the machine is big-endian, or the system refuses.
    pub fn open(file: &File, offset: u64, shape: (usize, usize)) -> Result<Self> {
        let cells = shape.0.checked_mul(shape.1);
        let Some(n) = cells.and_then(|n| n.checked_mul(size_of::<T>())) else {
            return Err(Error::from(ErrorKind::InvalidInput));
        };
        if file.metadata()?.len() < offset.saturating_add(n as u64) {
            return Err(Error::from(ErrorKind::UnexpectedEof));
        }
        if cfg!(target_endian = "big") || !offset.is_multiple_of(size_of::<T>() as u64) {
            return Err(Error::from(ErrorKind::Unsupported));
        }
        // SAFETY: the caller keeps others from changing the file; the length was checked above.
        let map = || unsafe { MmapOptions::new().offset(offset).len(n).map(file) };
        let map = (n > 0).then(map).transpose()?;
        let of = PhantomData;
        Ok(Self { map, shape, of })
    }

    /// The matrix.
    pub fn view(&self) -> ArrayView2<'_, T> {
        // Length and alignment were checked by `open`; any bytes are numbers of type `T`.
        let cells: &[T] = self.map.as_deref().map_or(&[], bytemuck::cast_slice);
        ArrayView2::from_shape(self.shape, cells)
            .unwrap_or_else(|_| unreachable!("the map has the length of its shape"))
    }
}
