//! What a claim says of how it was measured: the network, the seed, the command.

use super::Lab;
use super::paste::At;
use super::tester::{Options, When};
use crate::network::{Filter, Resize};
use crate::suspects::Kind;
use crate::suspects::claim::{Claim, Method, Provenance};
use std::fmt::Write as _;

/// The command that measures a claim again, from its beginning.
pub fn command(beginning: &str, claim: &Claim, options: &Options) -> String {
    let mut text = beginning.to_owned();
    let subject = &claim.subject;
    if let Some(picture) = &subject.picture {
        let _ = write!(text, " --patch {}", quoted(picture));
    }
    if let Some(cell) = &subject.cell {
        let _ = write!(text, " --cell {}", quoted(cell));
    }
    if let (Some(kind), Some(number)) = (subject.kind, subject.component) {
        if kind != Kind::Component {
            let _ = write!(text, " --kind {}", kind.name());
        }
        let _ = write!(text, " --component {number}");
    }
    let _ = write!(text, " --class {}", quoted(&subject.class));
    if let Some(ratio) = options.ratio {
        let _ = write!(text, " --ratio {ratio}");
    }
    if options.at != At::Own {
        let _ = write!(text, " --corner {}", options.at.name());
    }
    if options.n != Options::default().n {
        let _ = write!(text, " --backgrounds {}", options.n);
    }
    let has = |wanted: fn(Method) -> bool| claim.estimates.iter().any(|e| wanted(e.method));
    for (flag, on) in [
        ("--all", !options.early),
        ("--sweep", options.sweep),
        (
            "--ablate",
            options.ablate && claim.subject.picture.is_none(),
        ),
        (
            "--transfer",
            options.transfer == When::Always || has(Method::is_transfer),
        ),
    ] {
        if on {
            let _ = write!(text, " {flag}");
        }
    }
    let _ = write!(text, " --seed {}", options.seed);
    text
}

/// As a shell takes it.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// What a claim was measured with; the command is the caller's to tell.
pub fn provenance(lab: &Lab, options: &Options) -> Provenance {
    let input = lab.network().input;
    let resize = match input.resize {
        Resize::Warp => "warp".to_owned(),
        Resize::WarpCrop { via } => format!("warp:{via}"),
        Resize::Crop { via } => format!("crop:{via}"),
    };
    let resize = match input.filter {
        Filter::Bilinear => resize,
        Filter::Bicubic => format!("{resize}:bicubic"),
    };
    Provenance {
        network: lab.network().name.clone(),
        weights_sha256: lab.network().weights_sha256.clone(),
        size: input.size as u32,
        resize,
        seed: options.seed,
        backgrounds: options.n as u32,
        ratio: options.ratio,
        at: options.at.name().to_owned(),
        command: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted("a/b-c.onnx"), "a/b-c.onnx");
        assert_eq!(quoted("great white"), "'great white'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
