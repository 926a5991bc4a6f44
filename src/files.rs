//! Files that are there completely or not at all.

use std::io::Write;
use std::path::Path;

/// Writes `bytes` beside `path`, flushes them to the disk and renames. On an error what was at `path` is untouched.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    beside(path, bytes, true)?;
    // The rename itself reaches the disk with the folder; a folder that cannot be opened is no reason to fail.
    if let Ok(folder) = std::fs::File::open(folder_of(path)) {
        folder.sync_all().ok();
    }
    Ok(())
}

/// As [`write_whole`], without waiting for the disk: for files that are made again at will.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    beside(path, bytes, false)
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn beside(path: &Path, bytes: &[u8], durable: bool) -> std::io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".atlascope-").suffix(".tmp");
    #[cfg(unix)]
    {
        // Readable as any new file is; the umask still applies.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    // Errors name the file that is wanted (the caller does), not the one beside it.
    let file = builder.tempfile_in(folder_of(path));
    let mut file = file.map_err(|error| std::io::Error::from(error.kind()))?;
    file.as_file_mut().write_all(bytes)?;
    if durable {
        file.as_file().sync_all()?;
    }
    file.persist(path).map_err(|failed| failed.error)?;
    Ok(())
}
