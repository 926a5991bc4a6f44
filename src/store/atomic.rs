//! Files that are there completely or not at all.

use std::io::Write;
use std::path::Path;

/// Writes `bytes` beside `path`, flushes them to the disk and renames. On an error what was at `path` is untouched.
pub(super) fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".atlascope-").suffix(".tmp");
    #[cfg(unix)]
    {
        // Readable as any new file is; the umask still applies.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|failed| failed.error)?;
    // The rename itself reaches the disk with the folder; a folder that cannot be opened is no reason to fail.
    if let Ok(folder) = std::fs::File::open(folder) {
        folder.sync_all().ok();
    }
    Ok(())
}
