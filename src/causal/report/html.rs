//! A report as one page without anything outside it.

use super::{Pictures, READ_THIS, Report, heading, judged, recipe_rows};
use crate::suspects::claim::{Claim, Estimate, SweepPoint};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
color:#1b1b1b;background:#fff}h1,h2{line-height:1.2}table{border-collapse:collapse;font-size:.9rem;margin:1rem 0}\
td,th{border-bottom:1px solid #ccc;padding:.25rem .6rem;text-align:right}td:first-child,th:first-child{text-align:left}\
code,pre{font:13px/1.4 ui-monospace,monospace;background:#f2f2f2;padding:.1rem .3rem;overflow-wrap:anywhere;\
white-space:pre-wrap}figure{display:inline-block;margin:.3rem .6rem .3rem 0;font-size:.8rem}img{display:inline-block;\
image-rendering:auto;border-radius:3px}.verdict{font-weight:600}.small{font-size:.85rem;color:#555}\
blockquote{border-left:3px solid #bbb;margin-left:0;padding-left:1rem}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}code,pre{background:#262626}\
td,th{border-color:#444}.small{color:#aaa}}";

pub(super) fn html(report: &Report, pictures: &[Pictures]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Suspects</title><style>{STYLE}</style>\n<h1>Suspects</h1>\n\
         <p>{}</p>\n",
        escape(READ_THIS)
    );
    if let Some(recipe) = &report.recipe {
        page.push_str("<h2>Atlas</h2>\n<table>\n");
        for (name, value) in recipe_rows(recipe) {
            let _ = writeln!(page, "<tr><td>{name}<td><code>{}</code>", escape(&value));
        }
        page.push_str("</table>\n");
    }
    for (at, one) in report.claims.iter().enumerate() {
        claim(&mut page, at, one, pictures.get(at));
    }
    let _ = writeln!(
        page,
        "<p class=\"small\">Written by {}.</p>\n</html>",
        escape(&report.program)
    );
    page
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn claim(page: &mut String, at: usize, claim: &Claim, pictures: Option<&Pictures>) {
    let _ = writeln!(
        page,
        "<h2 id=\"claim-{}\">{}. {}</h2>",
        at + 1,
        at + 1,
        escape(&heading(claim))
    );
    let _ = writeln!(page, "<p class=\"verdict\">{}</p>", escape(&claim.verdict));
    let _ = writeln!(page, "<p>Judgement: {}</p>", judged(claim.judgement));
    if !claim.note.is_empty() {
        let _ = writeln!(page, "<blockquote>{}</blockquote>", escape(&claim.note));
    }
    if let Some(pictures) = pictures {
        show(page, claim, pictures);
    }
    page.push_str(
        "<table>\n<tr><th>test<th>Δ logit<th>95 %<th>controls<th>95 %<th>difference, 95 %<th>class's crops<th>noise<th>n<th>flips\
         <th>best size and corner\n",
    );
    for estimate in &claim.estimates {
        page.push_str(&row(estimate));
    }
    page.push_str("</table>\n");
    for why in &claim.left_out {
        let _ = writeln!(page, "<p class=\"small\">Not done: {}.</p>", escape(why));
    }
    if claim.sweep.len() > 1 {
        page.push_str(&chart(&claim.sweep));
    }
    let from = &claim.provenance;
    let ratio = from.ratio.map_or("its own size".to_owned(), |ratio| {
        format!("{ratio} of the side")
    });
    let _ = writeln!(
        page,
        "<p class=\"small\">Network {}, weights <code>{}</code>, input {} × {} by {}, pasted at {} in {ratio}, seed {}. \
         Again:</p>\n<pre>{}</pre>",
        escape(&from.network),
        escape(&from.weights_sha256),
        from.size,
        from.size,
        escape(&from.resize),
        escape(&from.at),
        from.seed,
        escape(&from.command)
    );
}

fn picture(png: &[u8], side: u32, about: &str) -> String {
    format!(
        "<img width=\"{side}\" alt=\"{}\" src=\"data:image/png;base64,{}\">",
        escape(about),
        STANDARD.encode(png)
    )
}

fn show(page: &mut String, claim: &Claim, pictures: &Pictures) {
    for (png, about) in &pictures.pieces {
        let _ = writeln!(page, "<figure>{}</figure>", picture(png, 96, about));
    }
    page.push_str("<div>\n");
    for (pair, told) in pictures.pairs.iter().zip(&claim.pairs) {
        let [before, after] = [0, 1].map(|at| {
            format!(
                "{} {:.3}",
                escape(&told.predicted[at]),
                told.probability[at]
            )
        });
        let _ = writeln!(
            page,
            "<figure>{} {}<figcaption>{} · P({}) {:.3} → {:.3}, prediction {} → {}</figcaption></figure>",
            picture(&pair[0], 180, &before),
            picture(&pair[1], 180, &after),
            escape(&told.image),
            escape(&claim.subject.class_name),
            told.probability[0],
            told.probability[1],
            escape(&told.predicted[0]),
            escape(&told.predicted[1])
        );
    }
    page.push_str("</div>\n");
    if let Some(why) = &pictures.missing {
        let _ = writeln!(
            page,
            "<p class=\"small\">Some pictures are missing: {}</p>",
            escape(why)
        );
    }
}

fn row(e: &Estimate) -> String {
    let [class, noise, best] = super::beside(e);
    format!(
        "<tr><td>{}<td>{:+.2}<td>{:.2} … {:.2}<td>{:+.2}<td>{:.2} … {:.2}<td>{:.2} … {:.2}<td>{class}<td>{noise}<td>{}\
         <td>{}/{}<td>{best}\n",
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

/// Effect by size: the feature as a line with its interval, the controls dashed.
fn chart(points: &[SweepPoint]) -> String {
    let (width, height, margin) = (420.0, 160.0, 34.0);
    let all = points
        .iter()
        .flat_map(|p| [p.ci[0], p.ci[1], p.controls, 0.0]);
    let finite: Vec<f32> = all.filter(|v| v.abs() < 1e6).collect();
    let low = finite.iter().copied().fold(0.0_f32, f32::min);
    let high = finite.iter().copied().fold(low + 1e-3, f32::max);
    let last = points.last().map_or(1.0, |p| p.ratio).max(1e-3);
    let x = |ratio: f32| margin + ratio / last * (width - 2.0 * margin);
    let y = |v: f32| height - margin + (low - v) / (high - low) * (height - 1.5 * margin);
    let line = |of: &dyn Fn(&SweepPoint) -> f32| -> String {
        let at = points
            .iter()
            .map(|p| format!("{:.1},{:.1}", x(p.ratio), y(of(p).clamp(low, high))));
        at.collect::<Vec<_>>().join(" ")
    };
    let back = points
        .iter()
        .rev()
        .map(|p| format!("{:.1},{:.1}", x(p.ratio), y(p.ci[0].clamp(low, high))));
    let band = line(&|p| p.ci[1]) + " " + &back.collect::<Vec<_>>().join(" ");
    let (zero, end) = (y(0.0), x(last));
    format!(
        "<svg width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"effect by size\" font-size=\"11\" \
         fill=\"currentColor\">\n<polygon points=\"{band}\" fill=\"#4a7bd0\" opacity=\".25\"/>\n\
         <polyline points=\"{}\" fill=\"none\" stroke=\"#4a7bd0\" stroke-width=\"2\"/>\n\
         <polyline points=\"{}\" fill=\"none\" stroke=\"#999\" stroke-dasharray=\"4 3\"/>\n\
         <line x1=\"{margin}\" y1=\"{zero:.1}\" x2=\"{end:.1}\" y2=\"{zero:.1}\" stroke=\"#999\" stroke-width=\".5\"/>\n\
         <text x=\"0\" y=\"{:.1}\">{high:+.1}</text><text x=\"0\" y=\"{:.1}\">0</text>\
         <text x=\"{margin}\" y=\"{:.1}\">size 0</text><text x=\"{end:.1}\" y=\"{:.1}\">{last:.1}</text>\n\
         <text x=\"{margin}\" y=\"10\">Δ logit; dashed: natural crops</text></svg>\n",
        line(&|p| p.delta),
        line(&|p| p.controls),
        y(high) + 4.0,
        zero + 4.0,
        height - 12.0,
        height - 12.0
    )
}
