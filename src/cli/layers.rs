//! `atlascope layers`: what a network is made of.

use super::args::LayersArgs;
use super::{Failure, networks, output};
use crate::network::describe::{self, Row};
use std::fmt::Write as _;

pub(super) fn run(args: &LayersArgs) -> Result<(), Failure> {
    let loaded = networks::load(&args.network)?;
    let network = &loaded.network;
    let mut rows = describe::rows(network)?;
    let total: u64 = rows
        .iter()
        .filter(|row| row.depth == 0)
        .map(|row| row.macs)
        .sum();
    if args.block_ends {
        rows.retain(|row| row.block_end);
    }
    if args.json {
        let value = serde_json::json!({
            "network": network.name,
            "input": network.input,
            "weights_sha256": network.weights_sha256,
            "n_classes": network.classes.len(),
            "macs": total,
            "default_layers": loaded.default_layers,
            "layers": rows,
        });
        output::print(&format!("{value:#}\n"))?;
        return Ok(());
    }
    let mut text = table(&rows, &loaded.default_layers, args.block_ends);
    let n_ends = rows.iter().filter(|row| row.block_end).count();
    let _ = writeln!(
        text,
        "\n{}: {} multiply-adds per image of {} × {} pixels, {}; * {n_ends} layers worth an atlas, + the default",
        network.name,
        amount(total),
        network.input.size,
        network.input.size,
        if network.logits.is_some() {
            format!("{} classes", network.classes.len())
        } else {
            "no classifier".to_owned()
        },
    );
    output::print(&text)?;
    Ok(())
}

fn table(rows: &[Row], defaults: &[String], flat: bool) -> String {
    let branch = |idx: usize| {
        let last = rows.get(idx + 1).is_none_or(|next| next.depth == 0);
        match (rows[idx].depth, last) {
            _ if flat => "",
            (0, _) => "",
            (_, false) => "├ ",
            (_, true) => "└ ",
        }
    };
    let names: Vec<String> = (0..rows.len())
        .map(|idx| {
            let row = &rows[idx];
            let alias = row.alias.as_ref();
            let alias = alias.map_or_else(String::new, |alias| format!(" ({alias})"));
            format!("{}{}{alias}", branch(idx), row.name)
        })
        .collect();
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let name_width = width(&mut names.iter().map(|name| name.chars().count())).max(5);
    let op_width = width(&mut rows.iter().map(|row| row.operator.len())).max(8);
    let mut text = format!(
        "   {:name_width$}  {:op_width$}  {:>16}  {:>5}  {:>6}  {:>8}\n",
        "layer", "operator", "shape", "field", "stride", "cost"
    );
    for (row, name) in rows.iter().zip(&names) {
        let mark = match (row.block_end, defaults.contains(&row.name)) {
            (_, true) => '+',
            (true, false) => '*',
            (false, false) => ' ',
        };
        let shape: Vec<String> = row.shape.iter().map(ToString::to_string).collect();
        let (field, stride) = if row.has_positions {
            (row.receptive_field.to_string(), row.stride.to_string())
        } else {
            (String::new(), String::new())
        };
        let line = format!(
            " {mark} {name:name_width$}  {:op_width$}  {:>16}  {field:>5}  {stride:>6}  {:>8}",
            row.operator,
            shape.join(" × "),
            amount(row.macs),
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// A count in thousands, millions or milliards.
fn amount(n: u64) -> String {
    match n {
        0 => String::new(),
        1..=999 => n.to_string(),
        1_000..=999_999 => format!("{:.1} k", n as f64 / 1e3),
        1_000_000..=999_999_999 => format!("{:.1} M", n as f64 / 1e6),
        _ => format!("{:.2} G", n as f64 / 1e9),
    }
}
