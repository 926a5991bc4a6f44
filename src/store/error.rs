//! What can be wrong with a file, and what to do about it.

use crate::atlas::Inconsistent;
use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
use std::path::PathBuf;

/// Why an atlas could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It is something else.
    #[error("{} is not an atlas: {why}", path.display())]
    NotAnAtlas {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        why: &'static str,
    },
    /// The end is missing.
    #[error("{} is cut short: its list of entries is missing", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
    },
    /// A later program wrote it.
    #[error("{} has format version {found}, this program reads up to {supported}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The file's version.
        found: u32,
        /// The latest version that is understood.
        supported: u32,
    },
    /// One of its entries cannot be read.
    #[error("{} is damaged: {entry}: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The entry.
        entry: String,
        /// What is wrong with it.
        why: String,
    },
    /// Its parts contradict each other.
    #[error("{} contradicts itself: {source}", path.display())]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// The first contradiction.
        source: Inconsistent,
    },
    /// The file or folder could not be written; what was there before is untouched.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The folder of an export holds something that is not ours to replace.
    #[error("{} holds {found}, which this export did not write", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// The first foreign file.
        found: String,
    },
    /// There is no such layer or level.
    #[error("no {what} in this atlas, which has {has}")]
    NoSuchPart {
        /// What was asked for.
        what: String,
        /// What there is.
        has: String,
    },
}

impl Error {
    /// What the user can do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                Some("check the path; `atlascope build` makes an atlas from a folder of images")
            }
            Self::Read { .. } | Self::NoSuchPart { .. } => None,
            Self::NotAnAtlas { .. } => {
                Some("an atlas is a file that `atlascope build` wrote, usually named *.atlas")
            }
            Self::Truncated { .. } => {
                Some("copy it again from where it came; a build writes the file at once at its end")
            }
            Self::Newer { .. } => {
                Some("update atlascope, or build the atlas again with this version")
            }
            Self::Damaged { .. } | Self::Inconsistent { .. } => {
                Some("copy it again from where it came, or build it again")
            }
            Self::Write { source, .. }
                if matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge) =>
            {
                Some(
                    "free some space on that disk, or write elsewhere; the old file, if any, is still there",
                )
            }
            Self::Write { .. } => {
                Some("choose a place that you may write to; the old file, if any, is still there")
            }
            Self::Occupied { .. } => Some("choose an empty or a new folder"),
        }
    }
}
