//! `atlascope demo`: a build of the synthetic world that is explored while it grows, or the prebuilt real atlas.

use super::args::DemoArgs;
use super::explore::Wishes;
use super::interrupt::Interrupt;
use super::{Failure, build, explore, networks, written};
use crate::atlas::{
    Atlas, AttributionRecipe, CollectRecipe, IconRecipe, LayoutRecipe, Recipe, Source,
};
use crate::explorer::Update;
use crate::images::scenes::Scenes;
use crate::images::world::World;
use crate::network;
use crate::pipeline::{self, Job, PipelineError, Sourced, Workspace};
use crate::progress::Progress;
use crate::store;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The atlas of InceptionV1 that ships with the program.
const REAL: &[u8] = include_bytes!("../../fixtures/inception_v1-mixed4d.atlas");

pub(super) fn run(args: &DemoArgs) -> Result<(), Failure> {
    if args.real {
        let atlas = store::from_bytes(REAL, Path::new("inception_v1-mixed4d.atlas"))?;
        let (_keep_open, updates) = channel();
        let wishes = Wishes {
            name: "InceptionV1 mixed4d".to_owned(),
            ..Wishes::default()
        };
        return explore::explore(Some(Arc::new(atlas)), updates, wishes, args.protocol);
    }
    if let Some(path) = &args.save {
        if path.exists() {
            return Err(Failure::failed(format!("{} exists", path.display()))
                .hint("give --save a new file"));
        }
        written::check_output(path, false)?;
    }
    if args.no_explore {
        let path = args.save.as_deref().unwrap_or(Path::new("demo.atlas"));
        return with_job(args, |job| build::build_to(job, path))?;
    }
    explore::require_terminal()?;
    let interrupt = Interrupt::private();
    let wishes = Wishes {
        name: "synthetic world".to_owned(),
        ..Wishes::default()
    };
    let (sender, updates) = channel();
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| live(args, &interrupt, &sender));
        let explored = explore::explore(None, updates, wishes, args.protocol);
        interrupt.ask();
        let built = worker
            .join()
            .unwrap_or_else(|_| Err(Failure::failed("the build panicked")));
        explored.and(built)
    })
}

/// Builds in a temporary folder and tells the explorer; leaving the explorer early is no failure.
fn live(args: &DemoArgs, interrupt: &Interrupt, updates: &Sender<Update>) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let built = with_job(args, |job| {
        let workspace = Workspace::open(folder.path())?;
        let progress = Live::new(interrupt, updates.clone());
        pipeline::build(job, &workspace, &progress, &mut |atlas: &Arc<Atlas>| {
            let _ = updates.send(Update::Atlas(Arc::clone(atlas)));
        })
    })?;
    match built {
        Ok(atlas) => {
            if let Some(path) = &args.save {
                store::write(path, &atlas)?;
            }
            let _ = updates.send(Update::Done);
            Ok(())
        }
        Err(PipelineError::Interrupted(_)) => match &args.save {
            Some(path) => Err(
                Failure::interrupted(format!("{} was not written", path.display()))
                    .hint("stay until the build is complete, or give --no-explore"),
            ),
            None => Ok(()),
        },
        Err(error) => {
            let _ = updates.send(Update::Failed(error.to_string()));
            Err(Failure::from(error))
        }
    }
}

/// Calls `work` with the demo's job.
fn with_job<T>(args: &DemoArgs, work: impl FnOnce(&Job<'_>) -> T) -> Result<T, Failure> {
    let (device, device_name) = networks::device("cpu")?;
    let network = network::demo::load(&device)?;
    let names = vec![network::demo::DEFAULT_LAYER.to_owned()];
    let layers = names
        .iter()
        .map(|name| network.layer(name))
        .collect::<Result<Vec<_>, _>>()?;
    let world = World::new(args.seed);
    let n = args.scenes as usize;
    let scenes = Scenes::new(world, n);
    let recipe = Recipe {
        network: network.name.clone(),
        weights_sha256: network.weights_sha256.clone(),
        input: None,
        sources: vec![Source {
            name: "synthetic world".to_owned(),
            path: None,
            n_images: n as u64,
            n_skipped: 0,
            positions: POSITIONS,
            mirrored: false,
        }],
        layers: names,
        grids: vec![10, 20],
        collect: CollectRecipe {
            positions: POSITIONS,
            ..CollectRecipe::default()
        },
        layout: layout_recipe(),
        attribution: AttributionRecipe::default(),
        icons: IconRecipe {
            steps: args.steps,
            ..icon_recipe()
        },
        seed: args.seed,
        device: device_name,
        program: concat!("atlascope ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let sources = vec![Sourced {
        set: &scenes,
        positions: POSITIONS,
    }];
    let truth = Some(world.truth(n));
    let job = Job {
        network: &network,
        layers,
        sources,
        recipe,
        truth,
        keep_activations: false,
        keep_head: true,
    };
    Ok(work(&job))
}

/// Activations taken from each scene: three make the map denser at no further pass through the network.
const POSITIONS: u32 = 3;

/// A few thousand activations of a small network fall into clumps; a larger smallest distance spreads them over the
/// squares of the grid (about 70 % of 20 × 20 instead of 40 %), for some loss of trustworthiness.
fn layout_recipe() -> LayoutRecipe {
    LayoutRecipe {
        n_neighbors: 20,
        min_dist: 0.5,
        n_epochs: 200,
        ..LayoutRecipe::default()
    }
}

/// Whitening would lift directions that this network hardly uses, which look like noise, and its large strides let
/// ascent put energy into high frequencies; so directions are taken as they are and the spectrum falls faster. The
/// higher learning rate makes up for fewer steps, the higher power keeps neighbouring cells apart.
fn icon_recipe() -> IconRecipe {
    IconRecipe {
        size: 64,
        whiten: false,
        decay: 1.6,
        learning_rate: 0.1,
        cosine_power: 4.0,
        ..IconRecipe::default()
    }
}

/// Progress as messages to the explorer, at most a few per second.
struct Live<'a> {
    interrupt: &'a Interrupt,
    state: Mutex<LiveState>,
}

struct LiveState {
    updates: Sender<Update>,
    stage: String,
    done: u64,
    total: u64,
    started: Instant,
    sent: Option<Instant>,
}

/// Messages are at least this far apart.
const SEND_EVERY: Duration = Duration::from_millis(100);

impl<'a> Live<'a> {
    fn new(interrupt: &'a Interrupt, updates: Sender<Update>) -> Self {
        let state = LiveState {
            updates,
            stage: String::new(),
            done: 0,
            total: 0,
            started: Instant::now(),
            sent: None,
        };
        Self {
            interrupt,
            state: Mutex::new(state),
        }
    }

    fn with(&self, change: impl FnOnce(&mut LiveState) -> bool) {
        let mut state = self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if change(&mut state) || state.sent.is_none_or(|at| at.elapsed() >= SEND_EVERY) {
            state.sent = Some(Instant::now());
            let left = state.total.saturating_sub(state.done);
            let eta = (state.done > 0).then(|| {
                state
                    .started
                    .elapsed()
                    .mul_f64(left as f64 / state.done as f64)
            });
            let update = Update::Progress {
                stage: state.stage.clone(),
                done: state.done,
                total: state.total,
                eta,
            };
            let _ = state.updates.send(update);
        }
    }
}

impl Progress for Live<'_> {
    fn begin(&self, name: &str, total: u64, unit: &str) {
        self.with(|state| {
            state.stage = format!("{name} ({unit})");
            (state.done, state.total, state.started) = (0, total, Instant::now());
            true
        });
    }

    fn advance(&self, n: u64) {
        self.with(|state| {
            state.done += n;
            false
        });
    }

    fn note(&self, text: &str) {
        tracing::info!("{text}");
    }

    fn cancelled(&self) -> bool {
        self.interrupt.asked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_atlas_is_whole() {
        let atlas = store::from_bytes(REAL, Path::new("embedded")).unwrap();
        assert!(atlas.complete);
        assert!(atlas.layers[0].samples.len() >= 50_000);
    }
}
