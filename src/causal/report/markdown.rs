//! A report as Markdown.

use super::{READ_THIS, Report, heading, judged, recipe_rows};
use crate::suspects::claim::{Claim, Estimate};
use std::fmt::Write as _;

pub(super) fn markdown(report: &Report) -> String {
    let mut text = format!("# Suspects\n\n{READ_THIS}\n\n");
    if let Some(recipe) = &report.recipe {
        text.push_str("## Atlas\n\n| | |\n|---|---|\n");
        for (name, value) in recipe_rows(recipe) {
            let _ = writeln!(text, "| {name} | {} |", cell(&value));
        }
        text.push('\n');
    }
    for (at, one) in report.claims.iter().enumerate() {
        claim(&mut text, at + 1, one);
    }
    let _ = writeln!(text, "Written by {}.", report.program);
    text
}

/// Text that may stand in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn claim(text: &mut String, number: usize, claim: &Claim) {
    let _ = writeln!(text, "## {number}. {}\n", heading(claim));
    let _ = writeln!(text, "**{}**\n", claim.verdict);
    let _ = writeln!(text, "Judgement: {}\n", judged(claim.judgement));
    for line in claim.note.lines() {
        let _ = writeln!(text, "> {line}");
    }
    if !claim.note.is_empty() {
        text.push('\n');
    }
    text.push_str("| test | Δ logit | 95 % | controls | 95 % | difference, 95 % | class's crops | noise | n | flips | best size and corner |\n");
    text.push_str("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for estimate in &claim.estimates {
        text.push_str(&row(estimate));
    }
    text.push('\n');
    for why in &claim.left_out {
        let _ = writeln!(text, "Not done: {why}.\n");
    }
    if !claim.sweep.is_empty() {
        text.push_str("| size | Δ logit | 95 % | controls | P | flips | controls' flips |\n|--:|--:|--:|--:|--:|--:|--:|\n");
        for p in &claim.sweep {
            let _ = writeln!(
                text,
                "| {:.1} | {:+.2} | {:.2} … {:.2} | {:+.2} | {:.3} | {}/{} | {}/{} |",
                p.ratio,
                p.delta,
                p.ci[0],
                p.ci[1],
                p.controls,
                p.probability,
                p.flips,
                p.n,
                p.control_flips,
                p.n
            );
        }
        text.push('\n');
    }
    let from = &claim.provenance;
    let ratio = from.ratio.map_or("own size".to_owned(), |ratio| {
        format!("{ratio} of the side")
    });
    let _ = writeln!(
        text,
        "Network {} (weights {}), input {} × {} by {}, pasted at {} in {ratio}, seed {}.\n",
        from.network, from.weights_sha256, from.size, from.size, from.resize, from.at, from.seed
    );
    if !claim.subject.exemplars.is_empty() {
        let shown: Vec<String> = claim
            .subject
            .exemplars
            .iter()
            .map(|e| format!("{} ({}, {})", e.image, e.row, e.col))
            .collect();
        let _ = writeln!(text, "Exemplars (row, column): {}.\n", shown.join(", "));
    }
    let _ = writeln!(text, "```sh\n{}\n```\n", from.command);
}

fn row(e: &Estimate) -> String {
    let [class, noise, best] = super::beside(e);
    format!(
        "| {} | {:+.2} | {:.2} … {:.2} | {:+.2} | {:.2} … {:.2} | {:.2} … {:.2} | {class} | {noise} | {} | {}/{} | {best} |\n",
        e.method.name(),
        e.delta,
        e.ci[0],
        e.ci[1],
        e.controls.delta,
        e.controls.ci[0],
        e.controls.ci[1],
        e.contrast[0],
        e.contrast[1],
        e.n,
        e.flips,
        e.n
    )
}
