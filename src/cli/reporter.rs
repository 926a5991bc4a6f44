//! Reports that the explorer writes: the same as `atlascope report` makes, beside the atlas.

use super::patch::claims;
use crate::atlas::Atlas;
use crate::causal::Album;
use crate::causal::report::{self, Pictures, Report};
use crate::explorer::worker::Reporter;
use crate::suspects::claim::Claim;
use std::path::{Path, PathBuf};

/// Writes a page, a text and data beside an atlas.
pub(super) struct FileReporter {
    /// The atlas's file, where it has one.
    atlas: Option<PathBuf>,
    folders: Vec<PathBuf>,
}

impl FileReporter {
    /// `folders` are looked in first for the photographs of the atlas.
    pub(super) fn new(atlas: Option<PathBuf>, folders: Vec<PathBuf>) -> Self {
        Self { atlas, folders }
    }
}

/// `my.atlas` → `my.atlas.report.html`.
fn beside(atlas: &Path, extension: &str) -> PathBuf {
    let mut name = atlas.as_os_str().to_owned();
    name.push(".report.");
    name.push(extension);
    PathBuf::from(name)
}

impl Reporter for FileReporter {
    fn report(&mut self, atlas: &Atlas, found: &[Claim]) -> Result<String, String> {
        let file = self.atlas.as_ref().ok_or(
            "this atlas has no file to write a report beside: build or save it, then explore that",
        )?;
        let album = Album::of_atlas(atlas, self.folders.clone());
        let pictures: Vec<Pictures> = found
            .iter()
            .map(|claim| report::pictures(&album, claim))
            .collect();
        let missing = pictures.iter().find_map(|some| some.missing.as_ref());
        let remark = missing.map_or(String::new(), |why| format!("; without photographs: {why}"));
        let made = Report::new(Some(atlas.recipe.clone()), found.to_vec());
        let page = beside(file, "html");
        let parts = [
            (page.clone(), made.html(&pictures)),
            (beside(file, "md"), made.markdown()),
            (beside(file, "json"), made.json()),
        ];
        for (path, text) in &parts {
            claims::write(path, text.as_bytes())
                .map_err(|failure| format!("{:#}", failure.error))?;
        }
        let name = page.file_name().unwrap_or(page.as_os_str());
        Ok(format!(
            "wrote {}, .md and .json{remark}",
            name.to_string_lossy()
        ))
    }
}
