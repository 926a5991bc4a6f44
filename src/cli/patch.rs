//! `atlascope patch`: is a feature used by the model?

pub(super) mod claims;
mod tell;

#[cfg(feature = "explore")]
pub(super) use crate::causal::told::quoted;
#[cfg(feature = "explore")]
pub(super) use tell::network_flags;

use super::args::{
    CellArg, CornerArg, JudgeArg, NetworkArgs, PatchArgs, RunArgs, TestedNetworkArgs,
};
use super::{Failure, build, networks, open, output};
use crate::atlas::{Atlas, ClassId, class_called};
use crate::causal::paste::{At, Piece};
use crate::causal::picture::{self, Patch};
use crate::causal::pixels::Corner;
use crate::causal::sheet::{self, Pair};
use crate::causal::tester::{self, NetworkTester, Options, When};
use crate::causal::{Album, Lab, told};
use crate::network::Network;
use crate::suspects::claim::{Claim, Judgement, Tester as _, verdict};
use crate::suspects::{self, Candidate, Kind, Place};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Pairs on a sheet.
const PAIRS: usize = 4;

/// Everything that a run gave.
struct Outcome {
    claim: Claim,
    pieces: Vec<Piece>,
    pairs: Vec<Pair>,
    notes: Vec<String>,
}

pub(super) fn run(args: &PatchArgs) -> Result<(), Failure> {
    let outputs: Vec<&Path> = [&args.png, &args.claims]
        .into_iter()
        .flatten()
        .map(PathBuf::as_path)
        .collect();
    let inputs: Vec<&Path> = [&args.atlas, &args.patch, &args.network.run.weights]
        .into_iter()
        .flatten()
        .map(PathBuf::as_path)
        .chain(args.network.network.as_deref().map(Path::new))
        .collect();
    build::check_apart(&outputs, &inputs)?;
    if let Some(path) = &args.png {
        build::check_output(path, args.force)?;
    }
    if let Some(folder) = args.images.iter().find(|folder| !folder.is_dir()) {
        let text = format!("--images {} is no folder", folder.display());
        return Err(Failure::usage(text).hint("give the folder that holds the photographs"));
    }
    let atlas = args.atlas.as_deref().map(open::read).transpose()?;
    let network = load(&args.network, atlas.as_ref())?;
    let outcome = match &atlas {
        Some(atlas) if args.patch.is_none() => of_candidate(args, atlas, network)?,
        _ => of_picture(args, atlas.as_ref(), network)?,
    };
    let sheet = sheet::sheet(&outcome.pieces, &outcome.pairs);
    if let Some(path) = &args.png {
        claims::write(path, &tell::png(&sheet)?)?;
    }
    if let Some(path) = &args.claims {
        claims::add(path, outcome.claim.clone())?;
    }
    for note in &outcome.notes {
        output::error_line("note", note);
    }
    if args.json {
        output::print(&tell::json(&outcome)?)?;
    } else {
        #[cfg(feature = "explore")]
        tell::picture(&sheet, args.protocol)?;
        output::print(&tell::text(&outcome))?;
    }
    Ok(())
}

/// The network that the flags and the atlas name. Of an atlas it must be the one that made it.
pub(super) fn load(args: &TestedNetworkArgs, atlas: Option<&Atlas>) -> Result<Network, Failure> {
    if atlas.is_some_and(|atlas| atlas.recipe.weights_sha256.is_empty()) {
        let text = "the atlas does not say which weights made it; these are taken for them";
        output::error_line("note", text);
    }
    let recorded = atlas.map(|atlas| &atlas.recipe);
    // An ONNX file is network and weights in one, so it may be given as either.
    let onnx = args.run.weights.as_ref();
    let onnx = onnx.filter(|path| {
        path.extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("onnx"))
    });
    let given = args.network.clone();
    let given = given.or(onnx.map(|path| path.display().to_string()));
    let Some(network) = given.or(recorded.map(|recipe| recipe.network.clone())) else {
        return Err(Failure::usage("which network?")
            .hint("give --network, or an atlas, which knows its own"));
    };
    let asked = NetworkArgs {
        network,
        run: RunArgs {
            weights: args.run.weights.clone().filter(|_| onnx.is_none()),
            ..args.run.clone()
        },
    };
    let loaded = networks::load_as(&asked, atlas).map_err(|failure| match recorded {
        Some(recipe) if args.network.is_none() => failure.hint(format!(
            "the atlas was made with {}; if that is a file of yours, give it with --network",
            recipe.network
        )),
        _ => failure,
    })?;
    let network = loaded.network;
    if let Some(recipe) = recorded
        && !recipe.weights_sha256.is_empty()
        && recipe.weights_sha256 != network.weights_sha256
    {
        let short = |hash: &str| hash.chars().take(12).collect::<String>();
        return Err(Failure::failed(format!(
            "these are not the weights that made the atlas ({} instead of {})",
            short(&network.weights_sha256),
            short(&recipe.weights_sha256)
        ))
        .hint(
            "cells belong to one network; claims about another are what `atlascope retest` is for",
        ));
    }
    Ok(network)
}

fn at(corner: CornerArg) -> At {
    match corner {
        CornerArg::Own => At::Own,
        CornerArg::TopLeft => At::Corner(Corner::TopLeft),
        CornerArg::TopRight => At::Corner(Corner::TopRight),
        CornerArg::BottomLeft => At::Corner(Corner::BottomLeft),
        CornerArg::BottomRight => At::Corner(Corner::BottomRight),
    }
}

fn options(args: &PatchArgs) -> Options {
    Options {
        seed: args.seed,
        n: args.backgrounds as usize,
        ratio: args.ratio,
        at: at(args.corner),
        early: !args.all,
        ablate: args.ablate,
        transfer: if args.transfer {
            When::Always
        } else if fills_pictures(args) {
            // A crop is not what makes them alike.
            When::Needed
        } else {
            When::Never
        },
        sweep: args.sweep,
    }
}

/// Whether the candidate is of whole pictures.
fn fills_pictures(args: &PatchArgs) -> bool {
    args.component.is_some() && args.kind.kind().fills_pictures()
}

/// The class that was named.
fn class_of(network: &Network, name: &str) -> Result<ClassId, Failure> {
    class_called(&network.classes, name).ok_or_else(|| {
        let some: Vec<&str> = network
            .classes
            .iter()
            .take(12)
            .map(crate::atlas::Class::name)
            .collect();
        let more = if network.classes.len() > some.len() {
            ", …"
        } else {
            ""
        };
        Failure::usage(format!("{} has no class {name}", network.name)).hint(format!(
            "its {} classes: {}{more}",
            network.classes.len(),
            some.join(", ")
        ))
    })
}

fn of_candidate(args: &PatchArgs, atlas: &Atlas, network: Network) -> Result<Outcome, Failure> {
    let candidate = candidate(args, atlas, &network)?;
    let mut notes = notes(&Album::of_atlas(atlas, Vec::new()), Some(&candidate));
    let mut network = Some(network);
    let open = move |_: &Atlas| network.take().ok_or_else(|| "it is open".to_owned());
    let mut tester = NetworkTester::new(Box::new(open), args.images.clone(), options(args))
        .with_command(tell::beginning(args));
    tester.atlas(Arc::new(atlas.clone()));
    let mut claim = tester
        .test(&candidate, &mut |_| ControlFlow::Continue(()))
        .map_err(moved)?;
    let Some((paste, pasted)) = tester.last() else {
        return Err(Failure::failed("nothing was pasted"));
    };
    let lab = tester.lab().map_err(moved)?;
    judge(args, &mut claim);
    notes.extend(skipped(lab));
    notes.extend(claim.left_out.iter().cloned());
    let pairs = sheet::pairs(lab, &paste, &pasted.trials, PAIRS)?;
    Ok(Outcome {
        claim,
        pieces: paste.pieces,
        pairs,
        notes,
    })
}

/// What was asked for by its number or its cell.
fn candidate(args: &PatchArgs, atlas: &Atlas, network: &Network) -> Result<Candidate, Failure> {
    let named = args.class.as_ref().map(|name| class_of(network, name));
    let (named, cell) = (named.transpose()?, args.cell.as_ref());
    let place = cell.map(|cell| place(atlas, cell)).transpose()?;
    match (args.component, named, place) {
        (Some(number), Some(class), place) => numbered(args, atlas, (class, number), place),
        (None, named, Some((layer, place))) => {
            let level = open::level(&atlas.layers[layer], Some(place.grid), |_| None)?;
            let ranked = level.cell_at(place.row, place.col).and_then(|idx| {
                let ranked = level.ranked_classes(idx);
                ranked.first().map(|(class, _)| *class)
            });
            let class = named.or(ranked).unwrap_or(0);
            listed(atlas, (layer, place), class)
        }
        _ => Err(Failure::usage(
            "a --cell or a --component of an atlas, or a --patch is needed",
        )),
    }
}

/// The layer and the place of a cell that was typed.
fn place(atlas: &Atlas, cell: &CellArg) -> Result<(usize, Place), Failure> {
    let layer = open::layer(atlas, Some(&cell.layer))?;
    let place = Place {
        grid: cell.grid,
        row: cell.row,
        col: cell.col,
    };
    Ok((atlas.layer_idx(&layer.name).unwrap_or(0), place))
}

/// The candidate of the list with this number of a class. Clusters of cells have numbers of their own at each cell.
fn numbered(
    args: &PatchArgs,
    atlas: &Atlas,
    (class, number): (ClassId, u16),
    at: Option<(usize, Place)>,
) -> Result<Candidate, Failure> {
    let kind = args.kind.kind();
    let all = suspects::find(atlas).candidates.into_iter();
    let of_number: Vec<Candidate> = all
        .filter(|c| c.class == class && c.kind == kind && c.component == Some(number))
        .collect();
    let what = format!("{} {number} of {}", kind.name(), atlas.class_name(class));
    let cells = |some: &[Candidate]| {
        let cells: Vec<String> = some
            .iter()
            .map(|c| super::suspects::link(atlas, c))
            .collect();
        cells.join(" and ")
    };
    let mut here = of_number.clone();
    here.retain(|c| at.is_none_or(|place| (c.layer, c.cell) == place));
    match (here.as_slice(), of_number.as_slice()) {
        ([one], _) => Ok(one.clone()),
        ([], []) => Err(
            Failure::usage(format!("the list has no {what}")).hint(format!(
                "`atlascope suspects ATLAS --kind {} --json` lists them",
                kind.name()
            )),
        ),
        ([], all) => Err(Failure::usage(format!(
            "{what} is shown at {}, not at the --cell given",
            cells(all)
        ))
        .hint("leave --cell out, or give the cell without --component to test what is there")),
        (several, _) => Err(
            Failure::usage(format!("{what} is shown at {}", cells(several)))
                .hint("say which with --cell LAYER,GRID,ROW,COL"),
        ),
    }
}

/// The candidate of the list for a cell and a class; else the cell with its own exemplars.
fn listed(
    atlas: &Atlas,
    (layer, cell): (usize, Place),
    class: ClassId,
) -> Result<Candidate, Failure> {
    let all = suspects::find(atlas).candidates.into_iter();
    let mut of_class = all.filter(|c| c.class == class && c.kind == Kind::Cell);
    match of_class.find(|c| (c.layer, c.cell) == (layer, cell)) {
        Some(candidate) => Ok(candidate),
        None => Ok(tester::candidate(atlas, layer, cell, class)?),
    }
}

fn of_picture(
    args: &PatchArgs,
    atlas: Option<&Atlas>,
    network: Network,
) -> Result<Outcome, Failure> {
    let Some(path) = &args.patch else {
        return Err(Failure::usage(
            "a --cell of an atlas or a --patch is needed",
        ));
    };
    let Some(name) = &args.class else {
        return Err(Failure::usage("which class? give --class NAME"));
    };
    let piece = picture::load(path)?;
    let target = class_of(&network, name)?;
    let album = match atlas {
        Some(atlas) => Album::of_atlas(atlas, args.images.clone()),
        None if args.images.is_empty() => {
            return Err(Failure::usage("paste on what?").hint("give --images DIR, or an atlas"));
        }
        None => Album::of_folders(&args.images, &network.classes)?,
    };
    let mut notes = notes(&album, None);
    let mut lab = Lab::new(network, album, args.seed)?;
    let ratio = args.ratio.unwrap_or(picture::RATIO);
    let longer = (ratio * lab.side() as f32).round();
    let (width, height) = piece.picture.dimensions();
    if width.max(height) > lab.side() {
        notes.push(format!(
            "the patch has {width} × {height} pixels, more than the network's input; it is pasted with {longer} on its longer side"
        ));
    }
    let options = Options {
        ratio: Some(ratio),
        ..options(args)
    };
    let patch = Patch {
        path,
        picture: &piece,
    };
    let go_on = &mut |_: &_| ControlFlow::Continue(());
    let tested = picture::test(&mut lab, patch, target, &options, go_on);
    let (mut claim, (paste, pasted)) = tested.map_err(|error| moved(error.to_string()))?;
    let pairs = sheet::pairs(&mut lab, &paste, &pasted.trials, PAIRS)?;
    if options.sweep {
        let estimate = &mut claim.estimates[0];
        claim.sweep = tester::behind(&mut lab, &paste, &pasted, estimate, go_on)?;
        claim.verdict = verdict(&claim.estimates);
    }
    claim.provenance.command = told::command(&tell::beginning(args), &claim, &options);
    judge(args, &mut claim);
    notes.extend(skipped(&lab));
    Ok(Outcome {
        claim,
        pieces: paste.pieces,
        pairs,
        notes,
    })
}

/// The person's judgement.
fn judge(args: &PatchArgs, claim: &mut Claim) {
    claim.judgement = match args.judge {
        Some(JudgeArg::Core) => Judgement::Core,
        Some(JudgeArg::Shortcut) => Judgement::Shortcut,
        Some(JudgeArg::Unsure) | None => Judgement::Unsure,
    };
    claim.note = args.note.clone().unwrap_or_default();
}

/// A failure of a test, with the way out when photographs are missing.
fn moved(why: String) -> Failure {
    let missing = [
        "nothing says where",
        "is not in",
        "photographs that were tried",
    ];
    let looks_moved = missing.iter().any(|part| why.contains(part));
    let failure = Failure::failed(why);
    if looks_moved {
        failure.hint("give the folder that holds the photographs now with --images")
    } else {
        failure
    }
}

/// What should be known about images and labels before the numbers are read.
fn notes(album: &Album, candidate: Option<&Candidate>) -> Vec<String> {
    let mut notes = Vec::new();
    if !album.is_empty() && !album.is_labelled() {
        notes.push(
            "no label of the images is a class of the network; its own predictions stand for labels".to_owned(),
        );
    }
    if let Some(candidate) = candidate {
        let n = candidate.exemplars.len();
        let of_class = album.of_class(candidate.class).len();
        if of_class < 4 {
            notes.push(format!("there are {of_class} images of the class"));
        }
        if n < 4 {
            notes.push(format!("the cell has only {n} exemplars"));
        }
    }
    notes
}

fn skipped(lab: &Lab) -> Option<String> {
    let (n, first) = lab.unreadable()?;
    Some(format!(
        "{n} photographs could not be read and were left out: {first}"
    ))
}
