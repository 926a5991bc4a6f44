//! `atlascope patch`: is a feature used by the model?

pub(super) mod claims;
mod tell;

#[cfg(feature = "explore")]
pub(super) use crate::causal::told::quoted;
#[cfg(feature = "explore")]
pub(super) use tell::network_flags;

use super::args::{CellArg, CornerArg, JudgeArg, NetworkArgs, PatchArgs, TestedNetworkArgs};
use super::{Failure, build, networks, open, output};
use crate::atlas::{Atlas, ClassId, class_called};
use crate::causal::paste::{At, Piece};
use crate::causal::picture::{self, Patch};
use crate::causal::pixels::Corner;
use crate::causal::sheet::{self, Pair};
use crate::causal::tester::{self, NetworkTester, Options, When};
use crate::causal::{Album, Lab, told};
use crate::images;
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
    let inputs: Vec<&Path> = [&args.atlas, &args.patch, &args.network.weights]
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
    let outcome = match (&atlas, &args.cell) {
        (Some(atlas), Some(cell)) => of_cell(args, atlas, cell, network)?,
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
    let onnx = args.weights.as_ref();
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
        weights: args.weights.clone().filter(|_| onnx.is_none()),
        classes: args.classes.clone(),
        device: args.device.clone(),
        reference: args.reference,
        input: args.input.clone(),
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

fn of_cell(
    args: &PatchArgs,
    atlas: &Atlas,
    cell: &CellArg,
    network: Network,
) -> Result<Outcome, Failure> {
    let layer = open::layer(atlas, Some(&cell.layer))?;
    let layer_idx = atlas.layer_idx(&layer.name).unwrap_or(0);
    let level = open::level(layer, Some(cell.grid), |_| None)?;
    let class = match &args.class {
        Some(name) => class_of(&network, name)?,
        None => level
            .cell_at(cell.row, cell.col)
            .and_then(|idx| level.ranked_classes(idx).first().map(|(class, _)| *class))
            .unwrap_or(0),
    };
    let place = Place {
        grid: cell.grid,
        row: cell.row,
        col: cell.col,
    };
    let candidate = listed(args, atlas, (layer_idx, place), class)?;
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

/// The candidate of the list for a cell or a component and a class; else the cell with its own exemplars.
fn listed(
    args: &PatchArgs,
    atlas: &Atlas,
    (layer, cell): (usize, Place),
    class: ClassId,
) -> Result<Candidate, Failure> {
    let all = suspects::find(atlas).candidates;
    let of_class = all.into_iter().filter(|c| c.class == class);
    if args.component.is_some() {
        let kind = args.kind.kind();
        let mut of_kind =
            of_class.filter(|c| c.kind == kind && (kind != Kind::Cell || c.cell == cell));
        let found = of_kind.find(|c| c.component == args.component);
        return found.ok_or_else(|| {
            let kind = kind.name();
            Failure::usage(format!("the list has no such {kind} of that class")).hint(format!(
                "`atlascope suspects ATLAS --kind {kind} --json` lists them"
            ))
        });
    }
    let mut of_kind = of_class.filter(|c| c.kind == Kind::Cell);
    match of_kind.find(|c| (c.layer, c.cell) == (layer, cell)) {
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
    let picture = images::decode::load(path)
        .map_err(|error| Failure::failed(format!("the patch {}: {error}", path.display())))?;
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
    if picture.width().max(picture.height()) > lab.side() {
        notes.push(format!(
            "the patch has {} × {} pixels, more than the network's input; it is pasted with {longer} on its longer side",
            picture.width(),
            picture.height()
        ));
    }
    let options = Options {
        ratio: Some(ratio),
        ..options(args)
    };
    let patch = Patch {
        path,
        picture: &picture,
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
