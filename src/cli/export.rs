//! `atlascope export`: an atlas as a picture, a page, tables.

use super::args::ExportArgs;
use super::{Failure, build, open, output};
use crate::atlas::{Atlas, LayerAtlas};
use crate::store::export::{self, PictureOptions};

pub(super) fn run(args: &ExportArgs) -> Result<(), Failure> {
    let atlas = open::read(&args.atlas)?;
    if let Some(path) = &args.png {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if extension.is_some_and(|extension| !extension.eq_ignore_ascii_case("png")) {
            let name = path.with_extension("png");
            return Err(Failure::usage(format!(
                "--png writes PNG pictures and {} says it is another kind",
                path.display()
            ))
            .hint(format!("name it {}", name.display())));
        }
        build::check_apart(&[path], &[&args.atlas])?;
        if path.exists() && !args.force {
            return Err(
                Failure::failed(format!("{} exists", path.display())).hint("--force replaces it")
            );
        }
        let layer = open::layer(&atlas, args.layer.as_deref())?;
        let level = open::level(layer, args.level, finest_with_icons)?;
        let (layer_idx, level_idx) = indices(&atlas, layer, level.grid);
        export::png(
            &atlas,
            layer_idx,
            level_idx,
            &PictureOptions::default(),
            path,
        )?;
        output::error_line("wrote", &path.display().to_string());
    }
    if let Some(folder) = &args.html {
        export::html(&atlas, folder)?;
        output::error_line("wrote", &folder.join("index.html").display().to_string());
    }
    if let Some(folder) = &args.csv {
        export::csv(&atlas, folder)?;
        output::error_line("wrote", &folder.display().to_string());
    }
    Ok(())
}

/// The finest level with an icon, else the coarsest level.
pub(super) fn finest_with_icons(layer: &LayerAtlas) -> Option<&crate::atlas::Level> {
    let drawn = |level: &&crate::atlas::Level| level.icons.steps.iter().any(|&steps| steps > 0);
    layer
        .levels
        .iter()
        .rev()
        .find(drawn)
        .or(layer.levels.first())
}

/// Where `layer` and its level of `grid` rows stand in `atlas`.
pub(super) fn indices(atlas: &Atlas, layer: &LayerAtlas, grid: u32) -> (usize, usize) {
    let level = layer
        .levels
        .iter()
        .position(|level| level.grid == grid)
        .unwrap_or_default();
    (atlas.layer_idx(&layer.name).unwrap_or_default(), level)
}
