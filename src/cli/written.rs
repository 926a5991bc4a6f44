//! Where outputs may be written, asked before any work is done.

use super::Failure;
use std::path::Path;

/// Refuses to write where something is in the way, before any work is done.
#[cfg(feature = "build")]
pub(super) fn check_output(path: &Path, force: bool) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(Failure::usage(format!("{} is a folder", path.display()))
            .hint("give -o a file name, for example my.atlas"));
    }
    if path.exists() && !force {
        return Err(Failure::failed(format!("{} exists", path.display()))
            .hint("--force replaces it once the new one is complete"));
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(Failure::failed(format!(
            "the folder {} does not exist",
            folder.display()
        )));
    }
    Ok(())
}

/// Refuses outputs that are one of the `inputs`, also by a link, or each other.
pub(super) fn check_apart(outputs: &[&Path], inputs: &[&Path]) -> Result<(), Failure> {
    // A file that is not there yet is known by its folder and its name.
    let place = |path: &Path| {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok();
        let by_name = folder
            .zip(path.file_name())
            .map(|(folder, name)| folder.join(name));
        path.canonicalize().ok().or(by_name)
    };
    for (idx, output) in outputs.iter().enumerate() {
        let Some(at) = place(output) else { continue };
        if inputs
            .iter()
            .any(|input| place(input).as_ref() == Some(&at))
        {
            let text = format!("{} is read here, so it is not written", output.display());
            return Err(Failure::usage(text).hint("give the output another name"));
        }
        if outputs[..idx]
            .iter()
            .any(|other| place(other).as_ref() == Some(&at))
        {
            let text = format!("two outputs are called {}", output.display());
            return Err(Failure::usage(text).hint("give each a name of its own"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_no_inputs_and_not_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let atlas = folder.path().join("my.atlas");
        std::fs::write(&atlas, b"x").unwrap();
        let by_detour = folder.path().join(".").join("my.atlas");
        let (new, other) = (folder.path().join("a.png"), folder.path().join("b.png"));
        assert!(check_apart(&[&new, &other], &[&atlas]).is_ok());
        assert!(check_apart(&[&by_detour], &[&atlas]).is_err());
        assert!(check_apart(&[&new, &folder.path().join("./a.png")], &[&atlas]).is_err());
    }
}
