//! `atlascope report`: claims as Markdown, as a page, as data. `atlascope retest`: the same claims on another network.

use super::args::{ReportArgs, RetestArgs};
use super::patch::{self, claims};
use super::{Failure, build, open, output};
use crate::atlas::{Atlas, Recipe};
use crate::causal::report::{self, Pictures, Report};
use crate::causal::retest::{self, Fate};
use crate::causal::{Album, CausalError, Lab};
use crate::network::Network;
use crate::paths;
use crate::suspects::claim::{Claim, Estimate, Judgement};
use anyhow::Context as _;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Exit code of a retest that finds a shortcut still used.
const STILL_USED: u8 = 3;
/// Exit code of a retest that finds none still used but could not repeat all.
const UNDECIDED: u8 = 4;

pub(super) fn report(args: &ReportArgs) -> Result<(), Failure> {
    let outputs: Vec<&Path> = [&args.markdown, &args.html, &args.out_json]
        .into_iter()
        .flatten()
        .map(PathBuf::as_path)
        .collect();
    let inputs: Vec<&Path> = [Some(&args.atlas), args.claims.as_ref()]
        .into_iter()
        .flatten()
        .map(PathBuf::as_path)
        .collect();
    build::check_apart(&outputs, &inputs)?;
    for path in &outputs {
        build::check_output(path, args.force)?;
    }
    let atlas = open::read(&args.atlas)?;
    let path = match &args.claims {
        Some(path) => path.clone(),
        None => paths::session_beside(&std::path::absolute(&args.atlas)?),
    };
    let found = if args.claims.is_some() || path.exists() {
        claims::read(&path)?
    } else {
        Vec::new()
    };
    if found.is_empty() {
        return Err(
            Failure::failed(format!("{} holds no claims", path.display()))
                .hint("`atlascope patch --claims FILE` makes them; give the file with --claims"),
        );
    }
    check_weights(&atlas, &found, &path)?;
    let album = Album::of_atlas(&atlas, args.images.clone());
    let pictures: Vec<Pictures> = if args.no_photos || args.html.is_none() {
        Vec::new()
    } else {
        found
            .iter()
            .map(|claim| report::pictures(&album, claim))
            .collect()
    };
    if let Some(why) = pictures
        .iter()
        .find_map(|pictures| pictures.missing.as_ref())
    {
        output::error_line("note", &format!("some photographs are missing: {why}"));
        output::error_line("hint", "give the folder that holds them now with --images");
    }
    let made = Report::new(Some(atlas.recipe.clone()), found);
    let mut written = Vec::new();
    if let Some(path) = &args.markdown {
        claims::write(path, made.markdown().as_bytes())?;
        written.push(path);
    }
    if let Some(path) = &args.html {
        claims::write(path, made.html(&pictures).as_bytes())?;
        written.push(path);
    }
    if let Some(path) = &args.out_json {
        claims::write(path, made.json().as_bytes())?;
        written.push(path);
    }
    let mut text = String::new();
    for path in &written {
        let _ = writeln!(text, "wrote: {}", path.display());
    }
    if written.is_empty() {
        text = made.markdown();
    }
    output::print(&text)?;
    Ok(())
}

/// Claims are about the weights that they were made with.
fn check_weights(atlas: &Atlas, found: &[Claim], path: &Path) -> Result<(), Failure> {
    let of_others = |claim: &&Claim| {
        let known = [
            &claim.provenance.weights_sha256,
            &atlas.recipe.weights_sha256,
        ];
        known.iter().all(|hash| !hash.is_empty()) && known[0] != known[1]
    };
    let Some(claim) = found.iter().find(of_others) else {
        return Ok(());
    };
    let text = format!(
        "{} holds a claim about other weights than the atlas's (of {})",
        path.display(),
        claim.provenance.network
    );
    Err(Failure::failed(text).hint("give the atlas that the claims were made with"))
}

/// One claim after its retest.
struct Retested<'a> {
    claim: &'a Claim,
    after: Option<Estimate>,
    fate: Fate,
    /// Why it is undecided.
    why: Option<String>,
}

/// The exit code tells what became of the claims.
pub(super) fn retest(args: &RetestArgs) -> Result<ExitCode, Failure> {
    let text = std::fs::read_to_string(&args.report)
        .with_context(|| format!("cannot read {}", args.report.display()))?;
    let report = parse(&text, &args.report)?;
    let mut asked: Vec<&Claim> = report.claims.iter().collect();
    if !args.all
        && asked
            .iter()
            .any(|claim| claim.judgement == Judgement::Shortcut)
    {
        asked.retain(|claim| claim.judgement == Judgement::Shortcut);
    }
    let left_out = report.claims.len() - asked.len();
    if left_out > 0 {
        let text = match left_out {
            1 => "1 claim that is not judged a shortcut is left out".to_owned(),
            n => format!("{n} claims that are not judged a shortcut are left out"),
        };
        output::error_line("note", &text);
        output::error_line("hint", "--all tests what is left out too");
    }
    let network = patch::load(&args.network, None)?;
    let album = album(args, report.recipe.as_ref(), &network)?;
    let mut lab = Lab::new(
        network,
        album,
        report.claims.first().map_or(0, |c| c.provenance.seed),
    )?;
    let mut retested = Vec::new();
    for claim in asked {
        let after = retest::retest(&mut lab, claim).map_err(|error: CausalError| {
            let failure = Failure::failed(error);
            failure.hint("the photographs of the report are needed: --images DIR; the network needs its class: --classes FILE")
        })?;
        let fate = retest::fate(after.as_ref());
        let undecided = fate == Fate::Undecided;
        retested.push(Retested {
            why: undecided.then(|| retest::why_undecided(claim, after.as_ref())),
            claim,
            after,
            fate,
        });
    }
    if args.json {
        output::print(&json(&lab, &retested, left_out)?)?;
    } else {
        output::print(&words(&lab, &retested))?;
    }
    let any = |fate: Fate| retested.iter().any(|one| one.fate == fate);
    Ok(if any(Fate::StillUsed) {
        ExitCode::from(STILL_USED)
    } else if any(Fate::Undecided) {
        ExitCode::from(UNDECIDED)
    } else {
        ExitCode::SUCCESS
    })
}

/// The report in a file, if it is one that can be tested again.
fn parse(text: &str, path: &Path) -> Result<Report, Failure> {
    let form = || format!("{} is no report", path.display());
    let way_out = "`atlascope report ATLAS --json FILE` writes one";
    let bad = |error: anyhow::Error| Failure::from(error).hint(way_out);
    let whole: serde_json::Value = serde_json::from_str(text).with_context(form).map_err(bad)?;
    // Another form may be read as this one, and mean something else.
    if let Some(version) = whole.get("version").and_then(serde_json::Value::as_u64)
        && version != u64::from(report::VERSION)
    {
        return Err(Failure::failed(format!(
            "{} is a report of version {version}, this program reads version {}",
            path.display(),
            report::VERSION
        ))
        .hint("write it again with this program: `atlascope report ATLAS --json FILE`"));
    }
    let report: Report = serde_json::from_value(whole)
        .with_context(form)
        .map_err(bad)?;
    if report.claims.is_empty() {
        return Err(
            Failure::failed(format!("{} holds no claims", path.display())).hint(
                "`atlascope patch --claims FILE` makes them, and `atlascope report` writes them down",
            ),
        );
    }
    Ok(report)
}

/// The photographs of the report: in the folders given, else where the atlas found them.
fn album(args: &RetestArgs, recipe: Option<&Recipe>, network: &Network) -> Result<Album, Failure> {
    let sources = recipe.map_or(&[][..], |recipe| &recipe.sources);
    let recorded = sources
        .iter()
        .filter_map(|source| source.path.as_ref().map(PathBuf::from));
    let folders: Vec<PathBuf> = if args.images.is_empty() {
        recorded.collect()
    } else {
        args.images.clone()
    };
    match (recipe, sources) {
        // Scenes are drawn again.
        (Some(recipe), [source]) if source.path.is_none() && source.name == "synthetic world" => {
            Ok(Album::of_scenes(recipe.seed, source.n_images as usize))
        }
        _ if folders.is_empty() => {
            Err(Failure::usage("where are the photographs?").hint("give --images DIR"))
        }
        _ => Album::of_folders(&folders, &network.classes).map_err(|error| {
            Failure::from(error)
                .hint("give the folders that hold the photographs now with --images")
        }),
    }
}

fn words(lab: &Lab, retested: &[Retested<'_>]) -> String {
    let mut text = format!(
        "on {} ({})\n",
        lab.network().name,
        lab.network().weights_sha256
    );
    for one in retested {
        let subject = &one.claim.subject;
        let what = subject.cell.as_ref().or(subject.picture.as_ref());
        let fate = match one.fate {
            Fate::Gone => "gone",
            Fate::StillUsed => "still used",
            Fate::Undecided => "cannot be repeated",
        };
        let why = one.why.as_ref().map(|why| format!(" ({why})"));
        let _ = writeln!(
            text,
            "\n{} → {}: {fate}{}",
            what.map_or("", String::as_str),
            subject.class_name,
            why.unwrap_or_default()
        );
        if let Some(before) = retest::rests_on(one.claim) {
            let _ = writeln!(text, "  before  {}", before.text());
        }
        if let Some(after) = &one.after {
            let _ = writeln!(text, "  now     {}", after.text());
        }
    }
    text
}

fn json(lab: &Lab, retested: &[Retested<'_>], left_out: usize) -> Result<String, Failure> {
    let one = |one: &Retested<'_>| {
        serde_json::json!({
            "subject": one.claim.subject,
            "before": retest::rests_on(one.claim),
            "after": one.after,
            "fate": one.fate,
            "why": one.why,
        })
    };
    let all = serde_json::json!({
        "network": lab.network().name,
        "weights_sha256": lab.network().weights_sha256,
        "left_out": left_out,
        "claims": retested.iter().map(one).collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}
