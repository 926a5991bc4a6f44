//! `atlascope pull`: weights into the cache.

use super::args::PullArgs;
use super::interrupt::Interrupt;
use super::networks::{self, Known};
use super::progress::Report;
use super::{Failure, output};
use crate::hub::{HubError, Pulled, Verdict};
use crate::network::catalogue;
use crate::network::manifest::{Architecture, Manifest};
use crate::progress::Progress as _;
use std::fmt::Write as _;

pub(super) fn run(args: &PullArgs) -> Result<(), Failure> {
    let Some(name) = &args.name else {
        return list();
    };
    let known = networks::known(name)?;
    let manifest = &known.manifest;
    if manifest.architecture == Architecture::Demo {
        output::print(&format!("{name}: its weights are part of this program\n"))?;
        return Ok(());
    }
    let hub = networks::hub();
    let report = Report::new(Interrupt::listen()?);
    let result = pull(args, manifest, &hub, &report);
    report.finish();
    let pulled = result.map_err(failure)?;
    say(&known, &pulled)
}

fn pull(
    args: &PullArgs,
    manifest: &Manifest,
    hub: &crate::hub::Hub,
    report: &Report,
) -> Result<Pulled, HubError> {
    let remotes = || {
        manifest
            .sources
            .iter()
            .map(|source| networks::remote(manifest, source))
    };
    if let Some(file) = &args.from {
        // Whichever source the file is of; the first one's error tells most.
        let mut first = None;
        for remote in remotes() {
            match hub.adopt(&remote, file, report) {
                Ok(pulled) => return Ok(pulled),
                Err(error @ HubError::WrongHash { .. }) => first = first.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        return Err(first.unwrap_or_else(|| nothing(manifest)));
    }
    if !args.force
        && let Some(remote) = remotes().find(|remote| hub.find(remote).is_some())
    {
        return hub.pull(&remote, false, report);
    }
    let mut first = None;
    for remote in remotes() {
        match hub.pull(&remote, args.force, report) {
            Err(error) if error.is_unavailable() => {
                if first.is_none() && manifest.sources.len() > 1 {
                    report.note(&format!("{error}; trying the next source"));
                }
                first = first.or(Some(error));
            }
            other => return other,
        }
    }
    Err(first.unwrap_or_else(|| nothing(manifest)))
}

fn nothing(manifest: &Manifest) -> HubError {
    HubError::NoDownload {
        file: format!("the weights of {}", manifest.name),
    }
}

fn failure(error: HubError) -> Failure {
    let hint = error.hint();
    let failure = match &error {
        HubError::Interrupted(_) => Failure::interrupted("the download was interrupted"),
        _ => Failure::from(error),
    };
    hint.into_iter().fold(failure, Failure::hint)
}

fn say(known: &Known, pulled: &Pulled) -> Result<(), Failure> {
    let Pulled {
        path,
        verdict,
        bytes,
        fresh,
    } = pulled;
    let manifest = &known.manifest;
    let state = if *fresh { "" } else { ", was there already" };
    let mut text = format!(
        "{}: {} ({:.1} MB{state})\n{verdict}\n",
        manifest.name,
        path.display(),
        *bytes as f64 / 1e6
    );
    if matches!(verdict, Verdict::Unverified { .. }) {
        text.push_str("compare it with what the weights' authors publish before you trust them\n");
    }
    let _ = writeln!(text, "measured: {}", manifest.tested);
    output::print(&text)?;
    Ok(())
}

/// The known networks and which of them can be used at once.
fn list() -> Result<(), Failure> {
    let hub = networks::hub();
    let mut text = String::new();
    for manifest in catalogue::manifests()? {
        let known = networks::known(&manifest.name)?;
        let downloads = manifest
            .sources
            .iter()
            .any(|source| source.url.is_some() || source.hugging_face.is_some());
        let state = if manifest.architecture == Architecture::Demo {
            "built in"
        } else if known.find_weights(&hub).is_some() {
            "is here"
        } else if downloads {
            "can be pulled"
        } else {
            "needs --from FILE"
        };
        let _ = writeln!(text, "{:20} {state:18} {}", manifest.name, manifest.title);
        let _ = writeln!(text, "{:39} {}", "", manifest.licence);
    }
    output::print(&text)?;
    Ok(())
}
