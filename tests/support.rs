//! What several test modules need.

pub(crate) mod terminal;

use std::path::PathBuf;

/// The folder with trained networks and photographs (`ATLASCOPE_DATA`), or `None` with a line that says what is
/// skipped.
#[allow(dead_code, reason = "used by the modules that need real data")]
pub(crate) fn data(what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ATLASCOPE_DATA").map(PathBuf::from);
    let found = folder.and_then(|folder| folder.canonicalize().ok());
    if found.is_none() {
        println!("skipped: {what} needs ATLASCOPE_DATA");
    }
    found
}
