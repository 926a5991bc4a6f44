//! SHA-256 of files, and what it proves.

use super::{HubError, io};
use crate::progress::{self, Progress};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

/// What is known beforehand of a file's SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expected(Option<String>);

/// What a file's hash proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All digits are as expected.
    Verified {
        /// SHA-256, hexadecimal.
        sha256: String,
    },
    /// The digits that are known (the first `digits`) are as expected.
    Partly {
        /// SHA-256, hexadecimal.
        sha256: String,
        /// How many are known.
        digits: usize,
    },
    /// Nothing is known to compare with.
    Unverified {
        /// SHA-256, hexadecimal.
        sha256: String,
    },
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Verified { sha256 } => write!(f, "verified: SHA-256 {sha256}"),
            Self::Partly { sha256, digits } => write!(
                f,
                "verified by the first {digits} digits of its hash, all that is known: SHA-256 {sha256}"
            ),
            Self::Unverified { sha256 } => {
                write!(f, "unverified: no hash known; found SHA-256 {sha256}")
            }
        }
    }
}

impl Expected {
    /// Nothing is known.
    pub fn unknown() -> Self {
        Self(None)
    }

    /// All 64 digits or the first of them, hexadecimal.
    pub fn new(digits: impl Into<String>) -> Self {
        Self(Some(digits.into().to_ascii_lowercase()))
    }

    /// The known digits.
    pub fn digits(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Compares with what was `found` for `what`.
    ///
    /// # Errors
    /// [`HubError::WrongHash`].
    pub fn judge(&self, what: &str, found: String) -> Result<Verdict, HubError> {
        match &self.0 {
            None => Ok(Verdict::Unverified { sha256: found }),
            Some(expected) if !found.starts_with(expected.as_str()) => Err(HubError::WrongHash {
                what: what.to_owned(),
                expected: expected.clone(),
                found,
            }),
            Some(expected) if expected.len() == found.len() => {
                Ok(Verdict::Verified { sha256: found })
            }
            Some(expected) => Ok(Verdict::Partly {
                sha256: found,
                digits: expected.len(),
            }),
        }
    }
}

/// SHA-256 in hexadecimal, and the length, of a file of any size.
pub(super) fn of_file(path: &Path, progress: &dyn Progress) -> Result<(String, u64), HubError> {
    let mut file = std::fs::File::open(path).map_err(io("read", path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut length = 0;
    loop {
        progress::check(progress)?;
        let n = file.read(&mut buffer).map_err(io("read", path))?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
        length += n as u64;
    }
    let mut text = String::with_capacity(64);
    for byte in hasher.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok((text, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    /// The test vector "abc" of FIPS 180-2.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn hashes_say_what_they_prove() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        let (found, length) = of_file(file.path(), &Silent).unwrap();
        assert_eq!((found.as_str(), length), (ABC, 3));
        let judge = |expected: Expected| expected.judge("f", found.clone());
        let said = |expected| judge(expected).unwrap().to_string();
        assert!(said(Expected::new(ABC.to_uppercase())).starts_with("verified: SHA-256 ba78"));
        assert!(said(Expected::new("ba7816bf")).contains("the first 8 digits"));
        assert!(
            said(Expected::unknown()).contains("unverified: no hash known; found SHA-256 ba78")
        );
        let error = judge(Expected::new("ba7816c0")).unwrap_err().to_string();
        assert!(error.contains("ba7816c0") && error.contains(ABC), "{error}");
    }
}
