//! `atlascope predict`: images through a network, top classes and hit rates.

use super::args::PredictArgs;
use super::interrupt::Interrupt;
use super::progress::Report;
use super::{Failure, classes, networks, output, written};
use crate::atlas::{Class, class_called};
use crate::files;
use crate::images::{DecodeError, Folder, ImageSet as _, decode, labels::LabelTable};
use crate::network::{Network, NodeId};
use crate::progress::Progress;
use anyhow::Context as _;
use rayon::prelude::*;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Images run together.
const BATCH: usize = 16;

/// One image to run.
struct Item<'a> {
    /// As the user would name it.
    path: String,
    /// The folder that it is part of and its index, or none for a file of its own.
    folder: Option<(&'a Folder, usize)>,
    label: Option<&'a str>,
}

/// What one image gave.
struct Answer {
    /// `None` where the image could not be read.
    logits: Option<Vec<f32>>,
    /// The class that its label names.
    class: Option<usize>,
}

pub(super) fn run(args: &PredictArgs) -> Result<(), Failure> {
    if let Some(path) = &args.npy {
        written::check_output(path, args.force)?;
    }
    let folders = folders(args)?;
    let items = items(args, &folders)?;
    let mut loaded = networks::load(&args.network)?;
    classes::from_folders(&mut loaded.network.classes, folders.iter().flatten());
    let network = &loaded.network;
    let Some(logits) = network.logits else {
        return Err(
            Failure::failed(format!("{} has no classifier, so it predicts nothing", network.name))
                .hint("`atlascope layers` shows its layers; an atlas can be built of them, without attribution"),
        );
    };
    let report = Report::new(Interrupt::listen()?);
    let answers = answers(network, logits, &items, &report);
    report.finish();
    let answers = answers?;
    let n_read = answers
        .iter()
        .filter(|answer| answer.logits.is_some())
        .count();
    if n_read == 0 {
        return Err(Failure::failed(format!(
            "none of the {} images could be read",
            items.len()
        )));
    }
    if let Some(path) = &args.npy {
        write_npy(path, &answers, network.classes.len())?;
    }
    let hits = Hits::count(&items, &answers);
    if args.json {
        output::print(&format!(
            "{:#}\n",
            json(args, network, &items, &answers, &hits)
        ))?;
    } else {
        output::print(&text(args, network, &items, &answers, &hits))?;
    }
    Ok(())
}

fn folders(args: &PredictArgs) -> Result<Vec<Option<Folder>>, Failure> {
    let labels = args.labels.as_deref().map(LabelTable::read).transpose()?;
    let open = |path: &PathBuf| {
        if !path.is_dir() {
            return Ok(None);
        }
        let folder = Folder::open(path, labels.as_ref())?;
        Ok(Some(match args.max_images {
            Some(n) => folder.thinned(n as usize),
            None => folder,
        }))
    };
    args.images.iter().map(open).collect()
}

fn items<'a>(args: &PredictArgs, folders: &'a [Option<Folder>]) -> Result<Vec<Item<'a>>, Failure> {
    let mut items = Vec::new();
    for (path, folder) in args.images.iter().zip(folders) {
        match folder {
            Some(folder) => items.extend((0..folder.len()).map(|idx| {
                Item {
                    path: Path::new(folder.name())
                        .join(folder.path(idx))
                        .display()
                        .to_string(),
                    folder: Some((folder, idx)),
                    label: folder.label(idx),
                }
            })),
            None if path.exists() => items.push(Item {
                path: path.display().to_string(),
                folder: None,
                label: None,
            }),
            None => {
                return Err(Failure::failed(format!(
                    "{} does not exist",
                    path.display()
                )));
            }
        }
    }
    Ok(items)
}

fn answers(
    network: &Network,
    logits: NodeId,
    items: &[Item<'_>],
    report: &Report,
) -> Result<Vec<Answer>, Failure> {
    report.begin("predict", items.len() as u64, "images");
    let prepare = |item: &Item<'_>| -> Result<Vec<f32>, DecodeError> {
        let picture = match item.folder {
            Some((folder, idx)) => folder.load(idx)?,
            None => decode::load(Path::new(&item.path))?,
        };
        let pixels = network.input.preprocess(&picture);
        pixels.map_err(|error| DecodeError::Damaged(error.to_string()))
    };
    let mut answers = Vec::with_capacity(items.len());
    for batch in items.chunks(BATCH) {
        if report.cancelled() {
            return Err(Failure::interrupted("predicting was interrupted"));
        }
        let prepared: Vec<_> = batch.par_iter().map(prepare).collect();
        let mut pixels = Vec::new();
        for (item, prepared) in batch.iter().zip(&prepared) {
            match prepared {
                Ok(prepared) => pixels.push(prepared.clone()),
                Err(error) => report.note(&format!("skipped {}: {error}", item.path)),
            }
        }
        let mut rows = Vec::new();
        if !pixels.is_empty() {
            let images = network.input.batch(&pixels, &network.device)?;
            let out = network.forward(&images, &[logits])?.swap_remove(0);
            rows = out.to_vec2::<f32>()?;
        }
        let mut rows = rows.into_iter();
        for (item, prepared) in batch.iter().zip(&prepared) {
            let logits = prepared.as_ref().ok().and_then(|_| rows.next());
            if logits.iter().flatten().any(|logit| !logit.is_finite()) {
                return Err(Failure::failed(format!(
                    "{} gives NaN or infinity for {}",
                    network.name, item.path
                ))
                .hint("the weights or the preprocessing are wrong"));
            }
            let class = item
                .label
                .and_then(|label| class_called(&network.classes, label))
                .map(usize::from);
            answers.push(Answer { logits, class });
        }
        report.advance(batch.len() as u64);
    }
    Ok(answers)
}

/// How often the label's class is the first or among the first five.
#[derive(Default)]
struct Hits {
    n: usize,
    top1: usize,
    top5: usize,
    /// Labels that are no class of the network.
    unknown: usize,
}

impl Hits {
    fn count(items: &[Item<'_>], answers: &[Answer]) -> Self {
        let mut hits = Self::default();
        for (item, answer) in items.iter().zip(answers) {
            let Some(logits) = &answer.logits else {
                continue;
            };
            match answer.class {
                Some(class) => {
                    let better = logits.iter().filter(|&&l| l > logits[class]).count();
                    hits.n += 1;
                    hits.top1 += usize::from(better == 0);
                    hits.top5 += usize::from(better < 5);
                }
                None => hits.unknown += usize::from(item.label.is_some()),
            }
        }
        hits
    }
}

/// The `n` classes with the largest logits, largest first.
fn top(logits: &[f32], n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    order.truncate(n);
    order
}

fn text(
    args: &PredictArgs,
    network: &Network,
    items: &[Item<'_>],
    answers: &[Answer],
    hits: &Hits,
) -> String {
    let name = |class: &Class| {
        if class.id == class.names {
            class.names.clone()
        } else {
            format!("{}  {}", class.id, class.name())
        }
    };
    let mut text = String::new();
    for (item, answer) in items.iter().zip(answers) {
        // Of a labelled folder only the hit rate is of interest.
        let (Some(logits), true) = (&answer.logits, answer.class.is_none()) else {
            continue;
        };
        let n = if item.folder.is_some() {
            1
        } else {
            args.top as usize
        };
        let _ = writeln!(text, "{}", item.path);
        for class in top(logits, n) {
            let _ = writeln!(
                text,
                "  {:9.3}  {}",
                logits[class],
                name(&network.classes[class])
            );
        }
    }
    if hits.n > 0 {
        let share = |n: usize| n as f64 * 100.0 / hits.n as f64;
        let _ = writeln!(
            text,
            "top-1 {:.1} % ({} of {n}), top-5 {:.1} % ({} of {n})",
            share(hits.top1),
            hits.top1,
            share(hits.top5),
            hits.top5,
            n = hits.n
        );
    }
    if hits.unknown > 0 {
        let _ = writeln!(
            text,
            "{} images have labels that are no class of {}",
            hits.unknown, network.name
        );
    }
    text
}

fn json(
    args: &PredictArgs,
    network: &Network,
    items: &[Item<'_>],
    answers: &[Answer],
    hits: &Hits,
) -> serde_json::Value {
    let image = |(item, answer): (&Item<'_>, &Answer)| {
        let logits = answer.logits.as_deref().unwrap_or_default();
        let of = |class: usize| {
            let about = &network.classes[class];
            serde_json::json!({
                "class": class, "id": about.id, "name": about.name(), "logit": logits[class],
            })
        };
        let top: Vec<_> = top(logits, args.top as usize).into_iter().map(of).collect();
        serde_json::json!({
            "path": item.path, "readable": answer.logits.is_some(), "label": item.label,
            "class": answer.class, "top": top,
        })
    };
    serde_json::json!({
        "network": network.name,
        "weights_sha256": network.weights_sha256,
        "input": network.input,
        "n_labelled": hits.n,
        "n_unknown_labels": hits.unknown,
        "top1": hits.top1,
        "top5": hits.top5,
        "images": items.iter().zip(answers).map(image).collect::<Vec<_>>(),
    })
}

/// Images × classes; a row of NaN where the image could not be read, so that rows stay in the images' order.
fn write_npy(path: &Path, answers: &[Answer], n_classes: usize) -> Result<(), Failure> {
    use npyz::WriterBuilder as _;
    let mut bytes = Vec::new();
    let shape = [answers.len() as u64, n_classes as u64];
    let mut writer = npyz::WriteOptions::<f32>::new()
        .default_dtype()
        .shape(&shape)
        .writer(&mut bytes)
        .begin_nd()?;
    let none = vec![f32::NAN; n_classes];
    for answer in answers {
        writer.extend(answer.logits.as_ref().unwrap_or(&none).iter().copied())?;
    }
    writer.finish()?;
    files::write_whole(path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}
