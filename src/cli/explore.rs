//! `atlascope explore`: the explorer on a file, or on a build that is still running.

use super::args::{ExploreArgs, ProtocolArg};
use super::{Failure, open, output};
use crate::atlas::Atlas;
use crate::explorer::{self, Options, Source, Update};
use crate::graphics::probe::{self, Capabilities, Choice, Hints};
use crate::store;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, SystemTime};

/// How often the folder of a running build is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(500);

pub(super) fn run(args: &ExploreArgs) -> Result<(), Failure> {
    require_terminal()?;
    // The file is read while the question to the terminal is on its way.
    let (atlas, capabilities) = std::thread::scope(|scope| {
        let atlas = scope.spawn(|| open::read(&args.atlas));
        let capabilities = probe(args.protocol, true);
        let atlas = atlas
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (atlas, capabilities)
    });
    let (atlas, capabilities) = (atlas?, capabilities?);
    let name = title(&args.atlas);
    let (updates, source) = channel();
    if args.atlas.is_dir() && !atlas.complete {
        watch(&args.atlas, updates);
    }
    show(&name, Some(Arc::new(atlas)), source, capabilities)
}

/// Runs the explorer until the user leaves it.
pub(super) fn explore(
    name: &str,
    initial: Option<Arc<Atlas>>,
    updates: Receiver<Update>,
    protocol: Option<ProtocolArg>,
) -> Result<(), Failure> {
    require_terminal()?;
    show(name, initial, updates, probe(protocol, true)?)
}

fn show(
    name: &str,
    initial: Option<Arc<Atlas>>,
    updates: Receiver<Update>,
    capabilities: Capabilities,
) -> Result<(), Failure> {
    explorer::run(
        Source { initial, updates },
        &Options {
            name: name.to_owned(),
            colour: !output::colours_unwanted(),
            capabilities,
        },
    )?;
    Ok(())
}

/// The explorer needs a terminal on both sides.
pub(super) fn require_terminal() -> Result<(), Failure> {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return Ok(());
    }
    Err(
        Failure::failed("the explorer needs a terminal for input and output")
            .hint("`atlascope show`, `info` and `export` work without one"),
    )
}

/// Asks the terminal, with the user's choice on top. With `keep`, unread input stays for who reads next.
pub(super) fn probe(
    protocol: Option<ProtocolArg>,
    keep: bool,
) -> Result<Capabilities, probe::Error> {
    let hints = Hints::from_env(&|name| std::env::var(name).ok());
    let choice = match protocol {
        None => Choice::Auto,
        Some(ProtocolArg::Kitty) => Choice::Kitty,
        Some(ProtocolArg::Placeholders) => Choice::Placeholders,
        Some(ProtocolArg::Iterm) => Choice::Iterm,
        Some(ProtocolArg::Sixel) => Choice::Sixel,
        Some(ProtocolArg::Halfblock) => Choice::HalfBlock,
        Some(ProtocolArg::None) => Choice::None,
    };
    probe::probe(&hints, choice, keep)
}

fn title(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// Watches the folder of a running build from a thread: new snapshots, and at the end the finished atlas beside it.
fn watch(part: &Path, updates: Sender<Update>) {
    let part = part.to_owned();
    std::thread::spawn(move || {
        let snapshot = part.join(open::SNAPSHOT);
        let finished = finished_path(&part);
        let mut seen = modified(&snapshot);
        loop {
            std::thread::sleep(WATCH_EVERY);
            // The build removes the folder once the atlas is written beside it.
            let over = !part.exists();
            let file = if over {
                finished.as_ref()
            } else {
                Some(&snapshot)
            };
            let Some(file) = file else { return };
            let now = modified(file);
            if now == seen && !over {
                continue;
            }
            seen = now;
            let sent = match store::read(file) {
                Ok(atlas) => updates.send(Update::Atlas(Arc::new(atlas))),
                Err(error) if over => updates.send(Update::Failed(error.to_string())),
                // Caught between two snapshots: the next look finds a whole one.
                Err(_) => Ok(()),
            };
            if sent.is_err() {
                return;
            }
            if over {
                let _ = updates.send(Update::Done);
                return;
            }
        }
    });
}

fn finished_path(part: &Path) -> Option<PathBuf> {
    let name = part.file_name()?.to_str()?.strip_suffix(".part")?;
    Some(part.with_file_name(name))
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path)
        .and_then(|meta| meta.modified())
        .ok()
}
