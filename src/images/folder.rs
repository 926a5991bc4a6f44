//! A folder of photographs: found recursively, in a fixed order, labelled by sub-folder or by a table.

use super::{DecodeError, ImageSet, decode, labels::LabelTable};
use image::RgbImage;
use std::path::{Path, PathBuf};

/// File name extensions that are taken for images; the content decides later.
pub const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// Folders deeper than this are not entered.
const MAX_DEPTH: usize = 32;

/// Why a folder cannot serve as a source of images.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder or one inside it cannot be listed.
    #[error("cannot list {}: {source}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Nothing in it looks like an image.
    #[error("no images under {} ({n_files} other files; looked for {})", path.display(), EXTENSIONS.join(", "))]
    NoImages {
        /// The folder.
        path: PathBuf,
        /// How many files of other kinds it holds.
        n_files: usize,
    },
}

/// A listed folder.
#[derive(Debug, Clone)]
pub struct Folder {
    name: String,
    root: PathBuf,
    /// Relative to the root, `/`-separated, sorted by bytes.
    paths: Vec<String>,
    labels: Vec<Option<String>>,
    /// Names of the sub-folders that label images, sorted, also those whose images were thinned out.
    label_folders: Vec<String>,
}

impl Folder {
    /// Lists `root` recursively. Images below a sub-folder are labelled with the name of the first sub-folder,
    /// unless `labels` has an entry for them. Links to folders are not followed.
    ///
    /// # Errors
    /// A folder that cannot be listed, or no image in it.
    pub fn open(root: &Path, labels: Option<&LabelTable>) -> Result<Self, FolderError> {
        let mut paths = Vec::new();
        let mut n_other = 0;
        walk(root, "", 0, &mut paths, &mut n_other)?;
        if paths.is_empty() {
            return Err(FolderError::NoImages {
                path: root.to_owned(),
                n_files: n_other,
            });
        }
        paths.sort_unstable();
        let by_folder = labels.is_none();
        let label_of = |path: &String| match labels {
            Some(table) => table.get(path).map(str::to_owned),
            None => path.split_once('/').map(|(folder, _)| folder.to_owned()),
        };
        let labels: Vec<Option<String>> = paths.iter().map(label_of).collect();
        let mut label_folders: Vec<String> = Vec::new();
        if by_folder {
            label_folders.extend(labels.iter().flatten().cloned());
            label_folders.sort_unstable();
            label_folders.dedup();
        }
        Ok(Self {
            label_folders,
            name: root.display().to_string(),
            root: root.to_owned(),
            paths,
            labels,
        })
    }

    /// Keeps at most `n` images, spread evenly over the sorted list.
    #[must_use]
    pub fn thinned(mut self, n: usize) -> Self {
        let total = self.paths.len();
        if n < total {
            let keep = |idx: usize| idx * n / total != (idx + 1) * n / total;
            let mut idx = 0..;
            self.paths.retain(|_| idx.next().is_some_and(keep));
            let mut idx = 0..;
            self.labels.retain(|_| idx.next().is_some_and(keep));
        }
        self
    }

    /// Names of the sub-folders that label images, sorted; none where a table does.
    pub fn label_folders(&self) -> impl Iterator<Item = &str> {
        self.label_folders.iter().map(String::as_str)
    }

    /// Number of images with a label.
    pub fn n_labelled(&self) -> usize {
        self.labels.iter().flatten().count()
    }
}

fn walk(
    folder: &Path,
    prefix: &str,
    depth: usize,
    paths: &mut Vec<String>,
    n_other: &mut usize,
) -> Result<(), FolderError> {
    let io = |source| FolderError::Io {
        path: folder.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(io)?;
        if name.starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            if depth < MAX_DEPTH {
                walk(
                    &entry.path(),
                    &format!("{prefix}{name}/"),
                    depth + 1,
                    paths,
                    n_other,
                )?;
            }
        } else if is_image_name(&name) && (kind.is_file() || entry.path().is_file()) {
            paths.push(format!("{prefix}{name}"));
        } else {
            *n_other += 1;
        }
    }
    Ok(())
}

pub(crate) fn is_image_name(name: &str) -> bool {
    let extension = Path::new(name)
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    EXTENSIONS.contains(&extension.as_str())
}

impl ImageSet for Folder {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.paths.len()
    }

    fn path(&self, idx: usize) -> String {
        self.paths[idx].clone()
    }

    fn label(&self, idx: usize) -> Option<&str> {
        self.labels[idx].as_deref()
    }

    fn load(&self, idx: usize) -> Result<RgbImage, DecodeError> {
        decode::load(&self.root.join(&self.paths[idx]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"x").unwrap();
    }

    #[test]
    fn folders_are_labels_and_order_is_fixed() {
        let root = tempfile::tempdir().unwrap();
        for path in [
            "b/2.JPG",
            "a/1.jpeg",
            "top.png",
            "a/deep/3.webp",
            "a/notes.txt",
            ".hidden/4.png",
        ] {
            write(root.path(), path);
        }
        let folder = Folder::open(root.path(), None).unwrap();
        let paths: Vec<String> = (0..folder.len()).map(|idx| folder.path(idx)).collect();
        assert_eq!(paths, ["a/1.jpeg", "a/deep/3.webp", "b/2.JPG", "top.png"]);
        let labels: Vec<Option<&str>> = (0..folder.len()).map(|idx| folder.label(idx)).collect();
        assert_eq!(labels, [Some("a"), Some("a"), Some("b"), None]);
        assert_eq!(folder.thinned(2).len(), 2);
    }

    #[test]
    fn a_folder_without_images_says_what_it_holds() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "notes.txt");
        let error = Folder::open(root.path(), None).unwrap_err().to_string();
        assert!(
            error.contains("no images under") && error.contains("1 other files"),
            "{error}"
        );
    }
}
