//! `atlascope explore`: the explorer on a file, or on a build that is still running.

#[cfg(feature = "build")]
use super::args::TestedNetworkArgs;
use super::args::{ExploreArgs, ProtocolArg};
use super::remember::{self, Remembered};
use super::{Failure, open, output};
use crate::atlas::Atlas;
use crate::explorer::keymap::Keymap;
use crate::explorer::link::Link;
use crate::explorer::photographs::{Album, Window};
use crate::explorer::session::Keeper;
use crate::explorer::worker::{Examiner, Locator, Reporter};
use crate::explorer::{self, Options, Services, Source, Update};
use crate::graphics::probe::{self, Background, Capabilities, Choice, Hints};
use crate::store;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, SystemTime};

/// How often the folder of a running build is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(500);

pub(super) fn run(args: &ExploreArgs) -> Result<(), Failure> {
    if let Err(failure) = require_terminal() {
        // What is wrong with the atlas comes first: another terminal would not help.
        open::read(&at_cell(&args.atlas)?.0)?;
        return Err(failure);
    }
    // What is wrong in a file is said before the terminal is touched.
    let config = remember::config(args.config.as_deref())?;
    let background = args.background.or(config.background);
    let (path, link) = at_cell(&args.atlas)?;
    // The file is read while the question to the terminal is on its way.
    let (atlas, capabilities) = std::thread::scope(|scope| {
        let atlas = scope.spawn(|| open::read(&path));
        let capabilities = probe(args.protocol, background, true);
        let atlas = atlas
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (atlas, capabilities)
    });
    let (atlas, capabilities) = (atlas?, capabilities?);
    let (updates, source) = channel();
    if path.is_dir() && !atlas.complete {
        watch(&path, updates);
    }
    let remembered = (!args.no_session).then(|| remember::session(&path));
    let wishes = Wishes {
        name: title(&path),
        #[cfg(feature = "build")]
        file: Some(path.clone()),
        images: args.images.clone(),
        #[cfg(feature = "build")]
        network: Some(args.network.clone()),
        link,
        remembered,
    };
    show(
        Some(Arc::new(atlas)),
        source,
        wishes,
        (capabilities, Arc::new(config.keys)),
    )
}

/// The file and the cell of `FILE#LINK`; a file whose name has a `#` comes first.
fn at_cell(path: &Path) -> Result<(PathBuf, Option<Link>), Failure> {
    let parts = path.to_str().and_then(|text| text.rsplit_once('#'));
    let Some((file, link)) = parts.filter(|_| !path.exists()) else {
        return Ok((path.to_owned(), None));
    };
    match link.parse() {
        Ok(link) => Ok((PathBuf::from(file), Some(link))),
        Err(why) if Path::new(file).exists() => Err(Failure::usage(why)
            .hint("behind # goes LAYER,GRID,ROW,COL; `y` in the explorer copies such a link")),
        Err(_) => Ok((path.to_owned(), None)),
    }
}

/// How a person wants to explore.
#[derive(Default)]
pub(super) struct Wishes {
    /// What to call the atlas.
    pub(super) name: String,
    /// Its file, where it has one.
    #[cfg(feature = "build")]
    pub(super) file: Option<PathBuf>,
    /// Folders of photographs.
    pub(super) images: Vec<PathBuf>,
    /// Where its network is.
    #[cfg(feature = "build")]
    pub(super) network: Option<TestedNetworkArgs>,
    /// The cell to open.
    pub(super) link: Option<Link>,
    /// The last session.
    pub(super) remembered: Option<Remembered>,
}

/// Runs the explorer until the user leaves it.
#[cfg(feature = "build")]
pub(super) fn explore(
    initial: Option<Arc<Atlas>>,
    updates: Receiver<Update>,
    wishes: Wishes,
    protocol: Option<ProtocolArg>,
) -> Result<(), Failure> {
    require_terminal()?;
    let config = remember::config(None)?;
    let capabilities = probe(protocol, config.background, true)?;
    let keymap = Arc::new(config.keys);
    show(initial, updates, wishes, (capabilities, keymap))
}

fn show(
    initial: Option<Arc<Atlas>>,
    updates: Receiver<Update>,
    wishes: Wishes,
    (capabilities, keymap): (Capabilities, Arc<Keymap>),
) -> Result<(), Failure> {
    let remembered = wishes.remembered;
    let (session, remark) = remembered.as_ref().map_or((None, None), |kept| {
        (kept.session.clone(), kept.remark.clone())
    });
    let mut folders = wishes.images;
    folders.extend(session.iter().flat_map(|session| session.folders.clone()));
    #[cfg(feature = "build")]
    let examiner: Option<Box<dyn Examiner>> =
        Some(Box::new(super::examiner::NetworkExaminer::new(
            wishes
                .file
                .clone()
                .unwrap_or_else(|| PathBuf::from(&wishes.name)),
            wishes.network.clone(),
            folders.clone(),
        )));
    #[cfg(feature = "build")]
    let locator: Option<Box<dyn Locator>> = Some(Box::new(super::locator::NetworkLocator::new(
        wishes.network,
        folders.clone(),
    )));
    #[cfg(feature = "build")]
    let reporter: Option<Box<dyn Reporter>> = Some(Box::new(super::reporter::FileReporter::new(
        wishes.file,
        folders.clone(),
    )));
    #[cfg(not(feature = "build"))]
    let reporter: Option<Box<dyn Reporter>> = None;
    #[cfg(not(feature = "build"))]
    let (locator, examiner): (Option<Box<dyn Locator>>, Option<Box<dyn Examiner>>) = (None, None);
    let services = Services {
        photographs: Some(Box::new(Album::new(folders, window))),
        locator,
        examiner,
        reporter,
        keeper: remembered.map(|kept| Box::new(kept) as Box<dyn Keeper>),
    };
    let options = Options {
        name: wishes.name,
        colour: !output::colours_unwanted(),
        capabilities,
        keymap,
        session,
        link: wishes.link,
        remark,
        home: std::env::home_dir(),
    };
    // Workers that load networks have remarks.
    let quiet = output::Quiet::new();
    let explored = explorer::run(Source { initial, updates }, &options, services);
    drop(quiet);
    explored?;
    Ok(())
}

/// Which part of a photograph the network saw, for atlases that do not record it: as the network's manifest has it,
/// else all of it.
pub(super) fn window(network: &str) -> Window {
    #[cfg(feature = "build")]
    if let Some(window) = super::locator::window(network) {
        return window;
    }
    let _ = network;
    Window::Share(1.0)
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

/// Asks the terminal, with the user's choices on top. With `keep`, unread input stays for who reads next.
pub(super) fn probe(
    protocol: Option<ProtocolArg>,
    background: Option<Background>,
    keep: bool,
) -> Result<Capabilities, probe::Error> {
    let hints = Hints {
        wanted: background,
        ..Hints::from_env(&|name| std::env::var(name).ok())
    };
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
