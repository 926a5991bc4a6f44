//! `atlascope doctor`: what this terminal can draw and why, what computes, where files live.

use super::args::DoctorArgs;
use super::{Failure, logging, output};
use crate::paths::Paths;
use std::fmt::Write as _;

pub(super) fn run(args: &DoctorArgs) -> Result<(), Failure> {
    let mut text = format!("atlascope {}\n", env!("CARGO_PKG_VERSION"));
    terminal(args, &mut text);
    compute(&mut text);
    let paths = Paths::resolve(|name| std::env::var(name).ok());
    section(&mut text, "paths");
    row(&mut text, "state", paths.state.display());
    row(&mut text, "cache", paths.cache.display());
    row(&mut text, "configuration", paths.config.display());
    let log = logging::path(&paths);
    let switch = format!(
        "{} (written when {} is set)",
        log.display(),
        logging::VARIABLE
    );
    row(&mut text, "log", switch);
    output::print(&text)?;
    Ok(())
}

fn section(text: &mut String, name: &str) {
    let _ = write!(text, "\n{name}\n");
}

fn row(text: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = writeln!(text, "  {name:<16} {value}");
}

#[cfg(feature = "explore")]
fn terminal(args: &DoctorArgs, text: &mut String) {
    use crate::graphics::Protocol;
    section(text, "terminal");
    let capabilities = match super::explore::probe(args.protocol, None, false) {
        Ok(capabilities) => capabilities,
        Err(error) => return row(text, "pictures", format!("none: {error}")),
    };
    let yes = |value: bool| if value { "yes" } else { "no" };
    row(text, "name", &capabilities.terminal);
    row(
        text,
        "multiplexer",
        capabilities.multiplexer.as_deref().unwrap_or("none"),
    );
    if let Some(outer) = &capabilities.outer {
        row(text, "around it", outer);
    }
    let pictures = match capabilities.protocol {
        Protocol::Kitty => "kitty graphics, placed directly",
        Protocol::Placeholders => "kitty graphics, placed by characters",
        Protocol::Iterm => "inline pictures (OSC 1337), JPEG",
        Protocol::Sixel => "sixel",
        Protocol::HalfBlock { true_colour: true } => "half-blocks, 24-bit colours",
        Protocol::HalfBlock { true_colour: false } => "half-blocks, 256 colours",
        Protocol::None => "none",
    };
    row(text, "pictures", pictures);
    row(text, "why", &capabilities.reason);
    if capabilities.protocol == Protocol::Sixel {
        let registers = format!("{} colours", capabilities.sixel.registers);
        let limits = (capabilities.sixel.largest).map_or(registers.clone(), |(width, height)| {
            format!("{registers}, at most {width} × {height} pixels at once")
        });
        row(text, "sixel", limits);
    }
    if let Some(round_trip) = capabilities.round_trip {
        row(
            text,
            "answered after",
            format!("{} ms", round_trip.as_millis()),
        );
    }
    if capabilities.late.is_some() {
        row(
            text,
            "note",
            "some answers did not come in time; the explorer goes on listening for them",
        );
    }
    let (width, height) = capabilities.cell_pixels;
    row(text, "character", format!("{width} × {height} pixels"));
    row(text, "24-bit colours", yes(capabilities.true_colour));
    row(text, "synchronized", yes(capabilities.synchronized));
    let background = capabilities.background.map_or(
        "not told; `explore --background light` says it".to_owned(),
        |[r, g, b]| format!("#{r:02x}{g:02x}{b:02x}"),
    );
    row(text, "background", background);
}

#[cfg(not(feature = "explore"))]
fn terminal(_: &DoctorArgs, text: &mut String) {
    section(text, "terminal");
    row(text, "pictures", "this program was built without `explore`");
}

#[cfg(feature = "build")]
fn compute(text: &mut String) {
    section(text, "compute");
    let device = super::networks::device("auto")
        .map_or_else(|failure| failure.error.to_string(), |(_, name)| name);
    row(text, "device", device);
    row(text, "threads", rayon::current_num_threads());
    row(
        text,
        "kernels",
        format!("{:?}", crate::network::kernels::Isa::best()),
    );
    row(text, "weights", super::networks::hub().cache.display());
    row(text, "networks", super::networks::names().join(", "));
}

#[cfg(not(feature = "build"))]
fn compute(text: &mut String) {
    section(text, "compute");
    row(text, "device", "this program was built without `build`");
}
