//! Stage 3: icons, coarse levels of all layers first, kept on disk as they come.

use super::assemble::Draft;
use super::tensors::{Tensors, Unusable};
use super::workspace::{Fingerprint, StageFolder};
use super::{ICONS, Job, PipelineError, Workspace};
use crate::atlas::Atlas;
use crate::featurevis::{self, BATCH, Icon, NetworkTap, Renderer};
use crate::math;
use crate::progress::Progress;
use ndarray::Array2;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Icons that wait in memory for a stage file at most this long.
const FLUSH_EVERY: Duration = Duration::from_secs(5);
/// A snapshot is made when the time since the last one is this many times what it cost.
const SNAPSHOT_SHARE: u32 = 15;
/// Snapshots are at least this far apart.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(1500);
/// Ridge of the whitening relative to the mean eigenvalue of the second moment.
const RIDGE: f64 = 1e-3;

/// One level to draw.
struct Task {
    layer: usize,
    level: usize,
    folder: StageFolder,
    /// Cells without an icon yet.
    todo: Vec<usize>,
}

/// Runs or resumes the stage.
pub(super) fn draw(
    job: &Job<'_>,
    workspace: &Workspace,
    draft: &mut Draft<'_>,
    progress: &dyn Progress,
    on_snapshot: &mut dyn FnMut(&Arc<Atlas>),
) -> Result<(), PipelineError> {
    let tasks = plan(job, workspace, draft)?;
    let recipe = &job.recipe.icons;
    let n_drawn = draft.icons.iter().flatten().flatten().flatten().count();
    let n_todo: usize = tasks.iter().map(|task| task.todo.len()).sum();
    let per_icon = u64::from(recipe.steps) * u64::from(recipe.attempts.max(1));
    progress.begin(ICONS.name, n_todo as u64 * per_icon, ICONS.unit);
    if n_drawn > 0 && n_todo > 0 {
        progress.note(&format!(
            "{n_drawn} icons are drawn already, {n_todo} are left"
        ));
    }
    if n_drawn + n_todo == 0 {
        let least = recipe.min_samples;
        progress.note(&format!(
            "no cell has {least} activations, so no icon is drawn"
        ));
    }
    let mut whitenings: Vec<Option<Array2<f32>>> = vec![None; job.layers.len()];
    let mut pace = Pace::new();
    for task in tasks.iter().filter(|task| !task.todo.is_empty()) {
        if recipe.whiten && whitenings[task.layer].is_none() {
            let second_moment =
                math::moments::second_moment(&draft.gathered.layers[task.layer].activations.view());
            whitenings[task.layer] = Some(math::whitening::inverse(&second_moment, RIDGE));
        }
        draw_level(
            draft,
            task,
            whitenings[task.layer].as_ref(),
            &mut pace,
            progress,
            on_snapshot,
        )?;
    }
    Ok(())
}

fn plan(
    job: &Job<'_>,
    workspace: &Workspace,
    draft: &mut Draft<'_>,
) -> Result<Vec<Task>, PipelineError> {
    let mut tasks = Vec::new();
    draft.icons = draft
        .layers
        .iter()
        .map(|a| a.levels.iter().map(|l| vec![None; l.cells.len()]).collect())
        .collect();
    for level in 0..draft.grids.len() {
        for layer in 0..draft.layers.len() {
            let arranged = &draft.layers[layer];
            let level_atlas = &arranged.levels[level];
            let fingerprint: Fingerprint = arranged.fingerprint.then(&format!(
                "{} {:?} {RIDGE}",
                level_atlas.grid, job.recipe.icons
            ));
            let folder = workspace.stage(ICONS, &fingerprint)?;
            let icons = &mut draft.icons[layer][level];
            for name in folder.names() {
                if let Some(tensors) = folder.load(&name) {
                    restore(&tensors, icons, job.recipe.icons.size)
                        .map_err(|error| folder.bad(&name, error.0))?;
                }
            }
            let wanted = |idx: &usize| {
                icons[*idx].is_none()
                    && level_atlas.cells[*idx].n_samples >= job.recipe.icons.min_samples
            };
            let todo = (0..level_atlas.cells.len()).filter(wanted).collect();
            tasks.push(Task {
                layer,
                level,
                folder,
                todo,
            });
        }
    }
    Ok(tasks)
}

fn draw_level(
    draft: &mut Draft<'_>,
    task: &Task,
    whitening: Option<&Array2<f32>>,
    pace: &mut Pace,
    progress: &dyn Progress,
    on_snapshot: &mut dyn FnMut(&Arc<Atlas>),
) -> Result<(), PipelineError> {
    let job = draft.job;
    let level = &draft.layers[task.layer].levels[task.level];
    // Keys differ between levels and cells, and stay the same whatever is left to draw.
    let to_job = |&cell: &usize| featurevis::Job {
        key: (u64::from(level.grid) << 32) | cell as u64,
        direction: level
            .directions
            .row(cell)
            .iter()
            .map(|v| v.to_f32())
            .collect(),
    };
    let jobs: Vec<featurevis::Job> = task.todo.iter().map(to_job).collect();
    let mut fresh: Vec<usize> = Vec::new();
    let mut failed = None;
    let tap = NetworkTap {
        network: job.network,
        node: job.layers[task.layer].id,
    };
    let renderer = Renderer::new(&tap, whitening, &job.recipe.icons, job.recipe.seed);
    let drawn = renderer.render(&jobs, progress, &mut |idx, icon| {
        draft.icons[task.layer][task.level][task.todo[idx]] = Some(icon);
        fresh.push(task.todo[idx]);
        if pace.flush_is_due() {
            let saved = save(
                &task.folder,
                &draft.icons[task.layer][task.level],
                &fresh,
                job.recipe.icons.size,
            );
            failed = failed.take().or(saved.err());
            fresh.clear();
        }
        // Icons come in batches: one that is shown in part would stay so until the next is drawn.
        let whole = (idx + 1).is_multiple_of(BATCH) || idx + 1 == jobs.len();
        if whole && pace.snapshot_is_due() {
            pace.snapshot(|| match draft.snapshot(false) {
                Ok(atlas) => on_snapshot(&atlas),
                Err(error) => failed = Some(error.into()),
            });
        }
    });
    // What is drawn is kept, also after an interrupt.
    if !fresh.is_empty() {
        save(
            &task.folder,
            &draft.icons[task.layer][task.level],
            &fresh,
            job.recipe.icons.size,
        )?;
    }
    drawn?;
    failed.map_or(Ok(()), Err)
}

fn save(
    folder: &StageFolder,
    icons: &[Option<Icon>],
    cells: &[usize],
    size: u32,
) -> Result<(), PipelineError> {
    let Some(first) = cells.first() else {
        return Ok(());
    };
    let present = || {
        cells
            .iter()
            .filter_map(|&cell| icons[cell].as_ref().map(|icon| (cell, icon)))
    };
    let n = present().count();
    let side = size as usize;
    let tensors = || -> Result<Tensors, Unusable> {
        let mut tensors = Tensors::default();
        let rgb: Vec<u8> = present()
            .flat_map(|(_, icon)| icon.rgb.iter().copied())
            .collect();
        tensors.put("cell", present().map(|(cell, _)| cell as u32).collect())?;
        tensors.put_shaped("rgb", rgb, (n, side, side, 3))?;
        tensors.put("score", present().map(|(_, icon)| icon.score).collect())?;
        tensors.put("steps", present().map(|(_, icon)| icon.steps).collect())?;
        Ok(tensors)
    };
    let name = format!("{first:06}");
    let tensors = tensors().map_err(|error| folder.bad(&name, error.0))?;
    folder.save(&name, &tensors)
}

fn restore(tensors: &Tensors, icons: &mut [Option<Icon>], size: u32) -> Result<(), Unusable> {
    let cells: Vec<u32> = tensors.numbers("cell")?;
    let rgb: Vec<u8> = tensors.numbers("rgb")?;
    let score: Vec<f32> = tensors.numbers("score")?;
    let steps: Vec<u32> = tensors.numbers("steps")?;
    let n_bytes = size as usize * size as usize * 3;
    if rgb.len() != cells.len() * n_bytes
        || score.len() != cells.len()
        || steps.len() != cells.len()
    {
        return Err(Unusable(format!(
            "{} cells, {} bytes of pixels, {} scores",
            cells.len(),
            rgb.len(),
            score.len()
        )));
    }
    for (idx, &cell) in cells.iter().enumerate() {
        let slot = icons
            .get_mut(cell as usize)
            .ok_or_else(|| Unusable(format!("cell {cell} does not exist")))?;
        let rgb = rgb[idx * n_bytes..(idx + 1) * n_bytes].to_vec();
        *slot = Some(Icon {
            rgb,
            score: score[idx],
            steps: steps[idx],
        });
    }
    Ok(())
}

/// When to write icons and when to show them.
struct Pace {
    flushed: Instant,
    shown: Instant,
    cost: Duration,
}

impl Pace {
    fn new() -> Self {
        Self {
            flushed: Instant::now(),
            shown: Instant::now(),
            cost: Duration::ZERO,
        }
    }

    fn flush_is_due(&mut self) -> bool {
        let due = self.flushed.elapsed() >= FLUSH_EVERY;
        if due {
            self.flushed = Instant::now();
        }
        due
    }

    fn snapshot_is_due(&self) -> bool {
        self.shown.elapsed() >= SNAPSHOT_EVERY.max(self.cost * SNAPSHOT_SHARE)
    }

    fn snapshot(&mut self, make: impl FnOnce()) {
        let start = Instant::now();
        make();
        self.cost = start.elapsed();
        self.shown = Instant::now();
    }
}
