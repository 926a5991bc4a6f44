//! The folder of a running build: a lock, one folder per stage and fingerprint, files that are whole or absent.

use super::tensors::Tensors;
use super::{PipelineError, Stage};
use crate::files;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The file in a workspace that explorers of a running build open.
const SNAPSHOT: &str = "snapshot.atlas";

/// The folder of a running build, held exclusively.
#[derive(Debug)]
pub struct Workspace {
    root: PathBuf,
    _lock: File,
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PipelineError {
    let path = path.to_owned();
    move |source| PipelineError::Io { what, path, source }
}

impl Workspace {
    /// Opens or makes the folder and locks it.
    ///
    /// # Errors
    /// The folder cannot be made, or another build holds it.
    pub fn open(root: &Path) -> Result<Self, PipelineError> {
        std::fs::create_dir_all(root).map_err(io("make", root))?;
        let path = root.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io("open", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                root: root.to_owned(),
                _lock: lock,
            }),
            Err(std::fs::TryLockError::WouldBlock) => Err(PipelineError::InUse {
                path: root.to_owned(),
            }),
            Err(std::fs::TryLockError::Error(error)) => Err(io("lock", &path)(error)),
        }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the latest snapshot lies for an explorer to open.
    pub fn snapshot_path(&self) -> PathBuf {
        self.root.join(SNAPSHOT)
    }

    /// The folder of a stage's results under a fingerprint.
    pub(super) fn stage(
        &self,
        stage: Stage,
        fingerprint: &Fingerprint,
    ) -> Result<StageFolder, PipelineError> {
        let path = self
            .root
            .join(format!("{}-{}", stage.key, &fingerprint.0[..12]));
        std::fs::create_dir_all(&path).map_err(io("make", &path))?;
        Ok(StageFolder { path })
    }

    /// Removes the folder; called once the atlas is safely written.
    ///
    /// # Errors
    /// Something in it could not be removed.
    pub fn remove(self) -> Result<(), PipelineError> {
        std::fs::remove_dir_all(&self.root).map_err(io("remove", &self.root))
    }
}

/// One stage's files.
#[derive(Debug, Clone)]
pub(super) struct StageFolder {
    path: PathBuf,
}

impl StageFolder {
    fn file(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.safetensors"))
    }

    /// Where the matrix called `name` lies.
    pub(super) fn matrix_path(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.rows"))
    }

    /// The tensors of file `name`, or `None` when it is absent or damaged.
    pub(super) fn load(&self, name: &str) -> Option<Tensors> {
        Tensors::load(&self.file(name))
    }

    /// Names of all files, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(&self.path) else {
            return Vec::new();
        };
        let names = entries.flatten().filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.strip_suffix(".safetensors").map(str::to_owned)
        });
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names
    }

    /// Writes file `name` whole or not at all.
    pub(super) fn save(&self, name: &str, tensors: &Tensors) -> Result<(), PipelineError> {
        let path = self.file(name);
        // Not by candle's own `save`, which turns the system's reason (a full disk) into text.
        let bytes = tensors
            .to_bytes()
            .map_err(|error| self.bad(name, error.0))?;
        files::write_whole(&path, &bytes).map_err(io("write", &path))
    }

    /// The error for a file whose content cannot be used.
    pub(super) fn bad(&self, name: &str, what: impl Into<String>) -> PipelineError {
        PipelineError::BadStageFile {
            path: self.file(name),
            what: what.into(),
        }
    }
}

/// A digest of everything that determines a stage's results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fingerprint(String);

impl Fingerprint {
    /// Digests `parts` in order; lengths are digested too, so that no two lists collide by concatenation.
    pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut text = String::with_capacity(64);
        for byte in hasher.finalize() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// This fingerprint extended by `part`.
    pub(super) fn then(&self, part: &str) -> Self {
        Self::of([self.0.as_str(), part])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_build_is_kept_out() {
        let root = tempfile::tempdir().unwrap();
        let first = Workspace::open(root.path()).unwrap();
        assert!(matches!(
            Workspace::open(root.path()),
            Err(PipelineError::InUse { .. })
        ));
        drop(first);
        assert!(Workspace::open(root.path()).is_ok());
    }

    #[test]
    fn a_damaged_stage_file_counts_as_absent() {
        let root = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(root.path()).unwrap();
        let folder = workspace
            .stage(super::super::LAYOUT, &Fingerprint::of(["x"]))
            .unwrap();
        let mut tensors = Tensors::default();
        tensors.put("t", vec![1f32, 2.0]).unwrap();
        folder.save("a", &tensors).unwrap();
        let loaded = folder.load("a").unwrap();
        assert_eq!(loaded.numbers::<f32>("t").unwrap(), [1.0, 2.0]);
        assert_eq!(folder.names(), ["a"]);
        let path = folder.file("a");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        assert!(folder.load("a").is_none());
    }

    #[test]
    fn fingerprints_see_borders() {
        assert_ne!(Fingerprint::of(["ab", "c"]), Fingerprint::of(["a", "bc"]));
    }
}
