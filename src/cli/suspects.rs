//! `atlascope suspects`: the list of candidates as a table or as JSON.

use super::args::{KindArg, SuspectsArgs};
use super::{Failure, open, output};
use crate::atlas::{Atlas, Class, ClassId, class_called};
use crate::suspects::{self, COLUMNS, Candidate, Evidence, Kind, MIN_IMAGES, Suspects, column};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// Columns that are shown unless others are asked for.
const USUAL: &[&str] = &["attribution", "place_share", "presence", "alpha", "unison"];
/// The usual ones where cells stand between two classes.
const USUAL_PAIRS: &[&str] = &["attribution", "contrast", "reuse"];

/// Labels that are predicted so rarely may be those of other outputs.
const DOUBTFUL: f32 = 0.3;

pub(super) fn run(args: &SuspectsArgs) -> Result<(), Failure> {
    if args.columns.as_ref().is_some_and(Vec::is_empty) {
        output::print(&definitions())?;
        return Ok(());
    }
    let atlas = open::read(&args.atlas)?;
    if atlas.classes.is_empty() {
        let text = format!(
            "{} has no classes, so nothing can go with one",
            args.atlas.display()
        );
        return Err(Failure::failed(text).hint("a network with a classifier is needed"));
    }
    let mut suspects = find(args, &atlas)?;
    select(args, &atlas, &mut suspects)?;
    if args.json {
        let list: Vec<Value> = (suspects.candidates.iter())
            .map(|candidate| as_json(&atlas, &args.atlas, candidate))
            .collect();
        output::print(&(serde_json::to_string_pretty(&list)? + "\n"))?;
        return Ok(());
    }
    output::print(&as_text(args, &atlas, &suspects)?)?;
    Ok(())
}

fn find(args: &SuspectsArgs, atlas: &Atlas) -> Result<Suspects, Failure> {
    if !args.pair.is_empty() {
        let [a, b] = args.pair.as_slice() else {
            return Err(Failure::usage("--pair takes two classes: --pair A,B")
                .hint("classes with a comma in their names can be given by identifier"));
        };
        let (a, b) = (class(atlas, a)?, class(atlas, b)?);
        if a == b {
            return Err(Failure::usage("--pair takes two different classes"));
        }
        return Ok(suspects::contrast(atlas, a, b));
    }
    let multi_use = args.kind.contains(&KindArg::MultiUse);
    if multi_use && args.kind.iter().all(|kind| *kind == KindArg::MultiUse) {
        return Ok(suspects::multi_use(atlas));
    }
    let mut found = suspects::find(atlas);
    if multi_use {
        found
            .candidates
            .extend(suspects::multi_use(atlas).candidates);
    }
    Ok(found)
}

fn class(atlas: &Atlas, name: &str) -> Result<ClassId, Failure> {
    let name = name.trim();
    class_called(&atlas.classes, name).ok_or_else(|| {
        let wanted = name.to_lowercase();
        let alike: Vec<&str> = (atlas.classes.iter())
            .filter(|class| class.names.to_lowercase().contains(&wanted))
            .map(Class::name)
            .take(5)
            .collect();
        let failure = Failure::usage(format!("the atlas has no class {name}"));
        if alike.is_empty() {
            failure.hint(
                "give a class's name or its identifier, as the explorer's class list has them",
            )
        } else {
            failure.hint(format!(
                "classes with that in their names: {}",
                alike.join("; ")
            ))
        }
    })
}

/// Applies `--class`, `--kind`, `--sort` and `--top`.
fn select(args: &SuspectsArgs, atlas: &Atlas, suspects: &mut Suspects) -> Result<(), Failure> {
    let classes: Result<Vec<ClassId>, Failure> =
        args.class.iter().map(|name| class(atlas, name)).collect();
    let classes = classes?;
    let wanted = |candidate: &Candidate| {
        let of_class = |class: ClassId| classes.contains(&class);
        (args.kind.is_empty()
            || candidate.kind == Kind::Contrast
            || args.kind.iter().any(|kind| kind.kind() == candidate.kind))
            && (classes.is_empty()
                || of_class(candidate.class)
                || candidate.other.is_some_and(of_class))
    };
    suspects.candidates.retain(wanted);
    if let Some(name) = &args.sort {
        let by = column_called(name)?;
        let value = |candidate: &Candidate| candidate.scores[by].unwrap_or(f32::NEG_INFINITY);
        let listed = &suspects.candidates;
        if !listed.is_empty() && listed.iter().all(|one| one.scores[by].is_none()) {
            return Err(empty(suspects, name, by));
        }
        // Stable: what has no value keeps its order at the end.
        (suspects.candidates).sort_by(|a, b| value(b).total_cmp(&value(a)));
    }
    suspects.candidates.truncate(args.top);
    Ok(())
}

/// A column without a value cannot order anything.
fn empty(suspects: &Suspects, name: &str, by: usize) -> Failure {
    let failure = Failure::usage(format!("no candidate of this list has a value for {name}"));
    let known = suspects
        .missing
        .iter()
        .find(|missing| missing.column == COLUMNS[by].name);
    match known {
        Some(missing) => failure.hint(missing.why),
        None => failure.hint("other kinds of candidates have it; --columns tells what it means"),
    }
}

fn column_called(name: &str) -> Result<usize, Failure> {
    column(name).ok_or_else(|| {
        let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
        Failure::usage(format!("there is no column {name}"))
            .hint(format!("the columns: {}", names.join(", ")))
    })
}

fn definitions() -> String {
    let mut text = String::new();
    for column in COLUMNS {
        let _ = writeln!(
            text,
            "{:14}  {}\n{:14}  [{}]",
            column.name, column.what, "", column.source
        );
    }
    text
}

/// `LAYER,GRID,ROW,COLUMN`, as the explorer's links have it.
pub(super) fn link(atlas: &Atlas, candidate: &Candidate) -> String {
    let cell = candidate.cell;
    let layer = &atlas.layers[candidate.layer].name;
    format!("{layer},{},{},{}", cell.grid, cell.row, cell.col)
}

fn as_json(atlas: &Atlas, path: &Path, candidate: &Candidate) -> Value {
    let id = |class: ClassId| atlas.classes[usize::from(class)].id.clone();
    let exemplars: Vec<Value> = (candidate.exemplars.iter())
        .map(|exemplar| {
            json!({
                "image": atlas.images.path[exemplar.image as usize],
                "index": exemplar.image,
                "row": exemplar.row,
                "col": exemplar.col,
            })
        })
        .collect();
    let scores: Map<String, Value> = COLUMNS
        .iter()
        .zip(&candidate.scores)
        .map(|(column, score)| (column.name.to_owned(), json!(score)))
        .collect();
    json!({
        "kind": candidate.kind,
        "layer": atlas.layers[candidate.layer].name,
        "class": id(candidate.class),
        "class_index": candidate.class,
        "class_name": atlas.class_name(candidate.class),
        "other": candidate.other.map(id),
        "other_index": candidate.other,
        "cell": { "grid": candidate.cell.grid, "row": candidate.cell.row, "col": candidate.cell.col },
        "component": candidate.component,
        "link": format!("{}#{}", path.display(), link(atlas, candidate)),
        "score": candidate.score,
        "scores": scores,
        "exemplars": exemplars,
        "q": candidate.q,
    })
}

fn as_text(args: &SuspectsArgs, atlas: &Atlas, suspects: &Suspects) -> Result<String, Failure> {
    let mut text = about(atlas, suspects);
    let listed = &suspects.candidates;
    if listed.is_empty() {
        text.push_str("no candidates\n");
        return Ok(text);
    }
    let pairs = listed.iter().all(|candidate| candidate.other.is_some());
    let names: Vec<&str> = match &args.columns {
        Some(names) => names.iter().map(String::as_str).collect(),
        None if pairs => USUAL_PAIRS.to_vec(),
        None => USUAL.to_vec(),
    };
    let mut shown: Vec<usize> = Vec::new();
    for name in names.into_iter().chain(args.sort.as_deref()) {
        let at = column_called(name)?;
        if !shown.contains(&at) {
            shown.push(at);
        }
    }
    let mut rows = vec![heading(&shown)];
    for (rank, candidate) in listed.iter().enumerate() {
        rows.push(row(atlas, rank + 1, candidate, &shown));
    }
    let width = |col: usize| {
        rows.iter()
            .map(|row| row[col].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    for row in &rows {
        let mut line = String::new();
        for (col, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let last = col + 1 == row.len();
            let gap = if col == 0 { "" } else { "  " };
            // Words to the left, numbers to the right.
            let _ = match (col, last) {
                (_, true) => write!(line, "{gap}{cell}"),
                (1 | 2, _) => write!(line, "{gap}{cell:width$}"),
                _ => write!(line, "{gap}{cell:>width$}"),
            };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    Ok(text)
}

/// What the list rests on.
fn about(atlas: &Atlas, suspects: &Suspects) -> String {
    let n = atlas.images.len();
    let mut text = match suspects.evidence {
        Evidence::Labels => format!("{n} images, classes by label"),
        Evidence::Predictions => format!("{n} images, classes by prediction"),
        Evidence::Nothing => format!("{n} images, no labels that are classes and no predictions"),
    };
    if suspects.n_tested > 0 {
        let _ = write!(
            text,
            "; {} pairs of feature and class tested, q: false discovery rate over labels permuted among confusable \
             classes",
            suspects.n_tested
        );
    }
    text.push('\n');
    if let Some(agreement) = suspects.agreement.filter(|&share| share < DOUBTFUL) {
        let _ = writeln!(
            text,
            "only {:.0} % of the labels are predicted: are the classes in the order of the outputs? `build --classes \
             FILE` names them",
            100.0 * agreement
        );
    }
    let small = &suspects.too_small;
    if !small.is_empty() {
        let names: Vec<String> = small
            .iter()
            .take(3)
            .map(|&class| atlas.class_name(class))
            .collect();
        let more = if small.len() > 3 { ", …" } else { "" };
        let _ = writeln!(
            text,
            "too few images (below {MIN_IMAGES}) to search {} classes: {}{more}",
            small.len(),
            names.join(", ")
        );
    }
    let mut missing = suspects.missing.as_slice();
    while let Some(first) = missing.first() {
        let same = missing
            .iter()
            .take_while(|other| other.why == first.why)
            .count();
        let names: Vec<&str> = missing[..same]
            .iter()
            .map(|missing| missing.column)
            .collect();
        let _ = writeln!(text, "without {}: {}", names.join(", "), first.why);
        missing = &missing[same..];
    }
    text.push('\n');
    text
}

fn heading(shown: &[usize]) -> Vec<String> {
    let before = ["", "kind", "class", "score", "q"].map(str::to_owned);
    let columns = shown.iter().map(|&at| COLUMNS[at].name.to_owned());
    before
        .into_iter()
        .chain(columns)
        .chain(["cell".to_owned()])
        .collect()
}

fn row(atlas: &Atlas, rank: usize, candidate: &Candidate, shown: &[usize]) -> Vec<String> {
    let kind = match (candidate.kind, candidate.component) {
        (Kind::Component, Some(number)) => format!("component {number}"),
        (Kind::Component, None) => "component".to_owned(),
        (Kind::Cell, _) => "cell".to_owned(),
        (Kind::Colour, _) => "colour".to_owned(),
        (Kind::Texture, _) => "texture".to_owned(),
        (Kind::MultiUse, _) => "multi-use".to_owned(),
        (Kind::Contrast, _) => "contrast".to_owned(),
    };
    let mut classes = atlas.class_name(candidate.class);
    if let Some(other) = candidate.other {
        let between = if candidate.kind == Kind::Contrast {
            "not"
        } else {
            "and"
        };
        classes = format!("{classes} {between} {}", atlas.class_name(other));
    }
    let q = match candidate.q {
        None => "-".to_owned(),
        Some(q) if q < 0.0001 => "<.0001".to_owned(),
        Some(q) => format!("{q:.4}"),
    };
    let number = |value: &Option<f32>| match value {
        None => "-".to_owned(),
        Some(value) => format!("{value:.3}"),
    };
    let mut cells = vec![
        rank.to_string(),
        kind,
        classes,
        format!("{:.3}", candidate.score),
        q,
    ];
    cells.extend(shown.iter().map(|&at| number(&candidate.scores[at])));
    cells.push(link(atlas, candidate));
    cells
}
