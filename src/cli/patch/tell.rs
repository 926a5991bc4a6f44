//! What `patch` prints.

use super::super::Failure;
use super::super::args::{PatchArgs, TestedNetworkArgs};
use super::Outcome;
use crate::causal::told::quoted;
use crate::suspects::claim::{Estimate, SweepPoint, outcome};
use image::RgbImage;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Widest bar of the sweep in characters.
const BAR: f32 = 32.0;

/// The claim as JSON with the numbers of its first test on top.
pub(super) fn json(told: &Outcome) -> Result<String, Failure> {
    let claim = &told.claim;
    let mut all = Map::new();
    if let Some(first) = claim.estimates.first()
        && let Value::Object(first) = serde_json::to_value(first)?
    {
        all.extend(first);
    }
    all.insert(
        "outcome".to_owned(),
        serde_json::to_value(outcome(&claim.estimates))?,
    );
    if let Value::Object(claim) = serde_json::to_value(claim)? {
        all.extend(claim);
    }
    all.insert("notes".to_owned(), serde_json::to_value(&told.notes)?);
    Ok(serde_json::to_string_pretty(&Value::Object(all))? + "\n")
}

/// What people read.
pub(super) fn text(told: &Outcome) -> String {
    let claim = &told.claim;
    let subject = &claim.subject;
    let what = subject.cell.as_ref().or(subject.picture.as_ref());
    let mut text = format!(
        "{} → {}\n{}\n",
        what.map_or("", String::as_str),
        subject.class_name,
        claim.verdict
    );
    for pair in &claim.pairs {
        let [before, after] = &pair.predicted;
        let changes = if before == after {
            String::new()
        } else {
            format!(", {before} → {after}")
        };
        let _ = writeln!(
            text,
            "  P {:.3} → {:.3}  {}{changes}",
            pair.probability[0], pair.probability[1], pair.image
        );
    }
    if claim.estimates.len() > 1 {
        for estimate in &claim.estimates {
            let _ = writeln!(text, "{:<22} {}", estimate.method.name(), line(estimate));
        }
    } else if let Some(noise) = claim.estimates.first().and_then(|e| e.controls.noise) {
        let _ = writeln!(text, "noise {noise:+.2} logit");
    }
    if !claim.sweep.is_empty() {
        text.push_str(&chart(&claim.sweep));
    }
    let _ = writeln!(text, "again: {}", claim.provenance.command);
    text
}

fn line(estimate: &Estimate) -> String {
    estimate.text()
}

/// Effect by size as bars.
fn chart(points: &[SweepPoint]) -> String {
    let values = points.iter().flat_map(|p| [p.delta, p.controls]);
    let largest = values.fold(1e-3_f32, |m, v| m.max(v.abs()));
    let mut text = String::from("  size  Δ logit        P     flips  controls\n");
    for point in points {
        let bar = "█".repeat((point.delta.max(0.0) / largest * BAR).round() as usize);
        let _ = writeln!(
            text,
            "  {:4.1}  {:+7.2}  {:7.3}  {:>3}/{:<3}  {:+7.2}  {bar}",
            point.ratio, point.delta, point.probability, point.flips, point.n, point.controls
        );
    }
    text
}

/// How the command of a claim begins: atlas, network and photographs; the same whatever the output.
pub(super) fn beginning(args: &PatchArgs) -> String {
    let mut text = "atlascope patch".to_owned();
    if let Some(atlas) = &args.atlas {
        let _ = write!(text, " {}", quoted(&atlas.display().to_string()));
    }
    text.push_str(&network_flags(&args.network));
    for folder in &args.images {
        let _ = write!(text, " --images {}", quoted(&folder.display().to_string()));
    }
    text
}

/// The flags that name a network again.
pub(in crate::cli) fn network_flags(network: &TestedNetworkArgs) -> String {
    let mut text = String::new();
    let mut add = |flag: &str, value: &str| {
        let _ = write!(text, " {flag}{}", quoted(value));
    };
    if let Some(name) = &network.network {
        add("--network ", name);
    }
    if let Some(path) = &network.run.weights {
        add("--weights ", &path.display().to_string());
    }
    if let Some(classes) = &network.run.classes {
        add("--classes ", classes);
    }
    let input = &network.run.input;
    if let Some(size) = input.size {
        add("--size ", &size.to_string());
    }
    if let Some(resize) = input.resize {
        let form = if resize.warp { "warp" } else { "crop" };
        let via = resize.via.map_or(String::new(), |via| format!(":{via}"));
        add("--resize ", &format!("{form}{via}"));
    }
    if let Some(channels) = input.channels {
        add("--channels ", &format!("{channels:?}").to_lowercase());
    }
    for (flag, three) in [("--mean ", input.mean), ("--scale ", input.scale)] {
        if let Some([a, b, c]) = three {
            add(flag, &format!("{a},{b},{c}"));
        }
    }
    text
}

/// A picture as a file.
pub(super) fn png(picture: &RgbImage) -> Result<Vec<u8>, Failure> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

/// Prints the sheet where there is a terminal for it.
#[cfg(feature = "explore")]
pub(super) fn picture(
    sheet: &RgbImage,
    protocol: Option<super::super::args::ProtocolArg>,
) -> Result<(), Failure> {
    use super::super::{explore, output};
    use crate::graphics::oneshot;
    use std::io::IsTerminal as _;
    if !std::io::stdout().is_terminal() {
        return Ok(());
    }
    let capabilities = match explore::probe(protocol, None, false) {
        Ok(capabilities) => capabilities,
        Err(error) => {
            output::error_line("note", &format!("no picture: {error}"));
            return Ok(());
        }
    };
    let (window, _) = crossterm::terminal::size().unwrap_or((80, 24));
    let sheet = image::DynamicImage::ImageRgb8(sheet.clone()).to_rgba8();
    if !oneshot::print(&sheet, window.min(96), &capabilities)? {
        output::error_line("note", &format!("no picture: {}", capabilities.reason));
    }
    Ok(())
}
