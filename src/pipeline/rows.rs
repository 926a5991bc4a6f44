//! Rows that a stage appends to a file while it runs and maps into memory once it is done.
//!
//! The chunk files of a stage say how many rows each chunk has and their digest, so that rows lost or spoilt by
//! a crash are found and made again.

use super::PipelineError;
use crate::mapped::Mapped;
use crate::math::rng::mix;
use bytemuck::Pod;
use ndarray::Array2;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// Bytes that are written or read at a time.
const BUFFER: usize = 1 << 20;

/// A growing matrix in a file.
#[derive(Debug)]
pub(super) struct Rows<T> {
    path: PathBuf,
    file: File,
    /// Numbers per row.
    width: usize,
    height: usize,
    /// Digest of the rows since the last [`Self::take_digest`].
    digest: u64,
    of: PhantomData<T>,
}

impl<T: Pod> Rows<T> {
    /// Opens or makes the file at `path`; it counts as empty until rows are appended or kept.
    pub(super) fn open(path: &Path, width: usize) -> Result<Self, PipelineError> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path);
        Ok(Self {
            file: file.map_err(|source| error("open", path, source))?,
            path: path.to_owned(),
            width,
            height: 0,
            digest: 0,
            of: PhantomData,
        })
    }

    /// Appends rows, in place of what an earlier run may have left there.
    pub(super) fn append(&mut self, rows: &Array2<T>) -> Result<(), PipelineError> {
        let written = self.write(rows);
        written.map_err(|source| error("write", &self.path, source))
    }

    fn write(&mut self, rows: &Array2<T>) -> std::io::Result<()> {
        self.seek()?;
        let mut writer = BufWriter::with_capacity(BUFFER, &self.file);
        for row in rows.rows() {
            let values = row.to_vec();
            let bytes: &[u8] = bytemuck::cast_slice(&values);
            self.digest = digest(self.digest, bytes);
            writer.write_all(bytes)?;
        }
        writer.flush()?;
        drop(writer);
        self.height += rows.nrows();
        Ok(())
    }

    /// The digest of the rows appended or kept since the last call.
    pub(super) fn take_digest(&mut self) -> u64 {
        std::mem::take(&mut self.digest)
    }

    /// Takes over `n` rows that an earlier run left at this place if they have this digest.
    pub(super) fn keep(&mut self, n: usize, expected: u64) -> bool {
        let same = self.digest_of_next(n).is_ok_and(|found| found == expected);
        if same {
            self.height += n;
        }
        same
    }

    fn digest_of_next(&mut self, n: usize) -> std::io::Result<u64> {
        self.seek()?;
        let mut reader = BufReader::with_capacity(BUFFER, &self.file);
        let mut row = vec![0; self.width * size_of::<T>()];
        (0..n).try_fold(0, |sum, _| {
            reader.read_exact(&mut row)?;
            Ok(digest(sum, &row))
        })
    }

    fn seek(&mut self) -> std::io::Result<u64> {
        let bytes = self.height * self.width * size_of::<T>();
        self.file.seek(SeekFrom::Start(bytes as u64))
    }

    /// Forgets the last `n` rows and their digest.
    pub(super) fn forget(&mut self, n: usize) {
        self.height -= n;
        self.digest = 0;
    }

    /// Makes sure that the rows so far are on the disk.
    pub(super) fn sync(&self) -> Result<(), PipelineError> {
        let synced = self.file.sync_data();
        synced.map_err(|source| error("write", &self.path, source))
    }

    /// Cuts off what lies behind the last row, and maps the file.
    pub(super) fn finish(self) -> Result<Mapped<T>, PipelineError> {
        let n_bytes = self.height * self.width * size_of::<T>();
        let map = || {
            self.file.set_len(n_bytes as u64)?;
            Mapped::open(&File::open(&self.path)?, 0, (self.height, self.width))
        };
        map().map_err(|source| error("map", &self.path, source))
    }
}

fn error(what: &'static str, path: &Path, source: std::io::Error) -> PipelineError {
    let path = path.to_owned();
    PipelineError::Io { what, path, source }
}

/// `digest` extended by the bytes of a row, eight at a time.
fn digest(digest: u64, row: &[u8]) -> u64 {
    let (words, rest) = row.as_chunks::<8>();
    let digest = words
        .iter()
        .fold(digest, |sum, &word| mix(sum ^ u64::from_le_bytes(word)));
    let tail = rest
        .iter()
        .fold(1, |sum, &byte| (sum << 8) | u64::from(byte));
    mix(digest ^ tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    fn matrix(n: usize, from: f32) -> Array2<f16> {
        Array2::from_shape_fn((n, 3), |(r, c)| f16::from_f32(from + (3 * r + c) as f32))
    }

    #[test]
    fn rows_come_back_and_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows");
        let mut rows = Rows::<f16>::open(&path, 3).unwrap();
        rows.append(&matrix(4, 0.0)).unwrap();
        let first = rows.take_digest();
        rows.append(&matrix(2, 50.0)).unwrap();
        let second = rows.take_digest();
        drop(rows);

        let mut rows = Rows::<f16>::open(&path, 3).unwrap();
        assert!(!rows.keep(4, second));
        assert!(rows.keep(4, first) && rows.keep(2, second));
        assert!(!rows.keep(1, 0), "there are no more rows");
        let mapped = rows.finish().unwrap();
        assert_eq!(mapped.view().slice(ndarray::s![..4, ..]), matrix(4, 0.0));
        assert_eq!(mapped.view().row(5), matrix(2, 50.0).row(1));
        drop(mapped);

        let mut bytes = std::fs::read(&path).unwrap();
        bytes[26] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let mut rows = Rows::<f16>::open(&path, 3).unwrap();
        assert!(rows.keep(4, first));
        assert!(!rows.keep(2, second));
        rows.append(&matrix(1, 9.0)).unwrap();
        assert_eq!(rows.finish().unwrap().view().dim(), (5, 3));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 5 * 3 * 2);
    }

    #[test]
    fn no_rows_and_no_columns() {
        let folder = tempfile::tempdir().unwrap();
        let mut rows = Rows::<f32>::open(&folder.path().join("a"), 0).unwrap();
        rows.append(&Array2::zeros((7, 0))).unwrap();
        assert_eq!(rows.finish().unwrap().view().dim(), (7, 0));
        let rows = Rows::<f32>::open(&folder.path().join("b"), 5).unwrap();
        assert_eq!(rows.finish().unwrap().view().dim(), (0, 5));
    }
}
