//! A folder of files that we may replace later, because a list in it says that we wrote them.

use crate::files;
use crate::store::Error;
use std::collections::BTreeSet;
use std::path::Path;

/// The list: one file name a line.
const LIST: &str = ".atlascope-export";

/// Writes files (name with `/`, content) into a folder, which is made when it does not exist.
///
/// # Errors
/// [`Error::Occupied`], before anything is written, when the folder holds files but no list of ours, or a file of the
/// same name that is not in the list; else [`Error::Write`].
pub(super) fn write(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), Error> {
    let failed = |source| Error::Write {
        path: folder.to_owned(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut ours = listed(folder).map_err(failed)?;
    let occupied = |found: &str| Error::Occupied {
        path: folder.to_owned(),
        found: found.to_owned(),
    };
    if ours.is_none()
        && let Some(entry) = std::fs::read_dir(folder).map_err(failed)?.next()
    {
        let name = entry.map_err(failed)?.file_name();
        return Err(occupied(&name.to_string_lossy()));
    }
    let known = ours.get_or_insert_default();
    let foreign = files
        .iter()
        .find(|(name, _)| !known.contains(name) && folder.join(name).symlink_metadata().is_ok());
    if let Some((name, _)) = foreign {
        return Err(occupied(name));
    }
    known.extend(files.iter().map(|(name, _)| name.clone()));
    let list: String = known
        .iter()
        .flat_map(|name| [name.as_str(), "\n"])
        .collect();
    files::write_whole(&folder.join(LIST), list.as_bytes()).map_err(failed)?;
    for (name, content) in files {
        let path = folder.join(name);
        let failed = |source| Error::Write {
            path: path.clone(),
            source,
        };
        path.parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .map_err(failed)?;
        files::replace(&path, content).map_err(failed)?;
    }
    Ok(())
}

fn listed(folder: &Path) -> std::io::Result<Option<BTreeSet<String>>> {
    match std::fs::read_to_string(folder.join(LIST)) {
        Ok(text) => Ok(Some(text.lines().map(str::to_owned).collect())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
