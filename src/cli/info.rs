//! `atlascope info`: what an atlas is.

use super::args::InfoArgs;
use super::{Failure, open, output};
use crate::store;

pub(super) fn run(args: &InfoArgs) -> Result<(), Failure> {
    let atlas = open::read(&args.atlas)?;
    let n_bytes = std::fs::metadata(open::file_of(&args.atlas))
        .ok()
        .map(|meta| meta.len());
    if args.json {
        let mut summary = store::summary(&atlas);
        if let Some(object) = summary.as_object_mut() {
            object.insert("bytes".to_owned(), n_bytes.into());
        }
        output::print(&format!("{summary:#}\n"))?;
    } else {
        output::print(&store::describe(&atlas, n_bytes))?;
    }
    Ok(())
}
