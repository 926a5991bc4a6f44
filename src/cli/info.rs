//! `atlascope info`: what an atlas is.

use super::args::InfoArgs;
use super::{Failure, open, output};
use crate::store;

pub(super) fn run(args: &InfoArgs) -> Result<(), Failure> {
    let atlas = open::read(&args.atlas)?;
    let n_bytes = std::fs::metadata(open::file_of(&args.atlas)).map_or(0, |meta| meta.len());
    if args.json {
        let mut summary = store::summary(&atlas);
        if let Some(object) = summary.as_object_mut() {
            object.insert("bytes".to_owned(), n_bytes.into());
        }
        output::print(&format!("{summary:#}\n"))?;
    } else {
        output::print(&format!("{}\n{:.1} MB on disk\n", store::summary_text(&atlas).trim_end(), n_bytes as f64 / 1e6))?;
    }
    Ok(())
}
